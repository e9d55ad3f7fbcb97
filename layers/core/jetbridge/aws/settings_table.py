"""SettingsTable: what merchants set, in DynamoDB.

    pk = STORES          sk = {slug}                    that the store is there
    pk = STORE#{slug}    sk = STORE                     its own settings, `version`, `active_rules` unless default, and
                                                        `shadow_rules` if any; without settings: disconnected, the
                                                        rest kept for a reconnect
                         sk = SHIP_OPTION#{method}      one line of its ship option mapping
                         sk = SKU#{sku}                 one line of its SKU map
    pk = RULES#{slug}    sk = VERSION#{000001}          one version of its rules, with who saved it; never changed,
                                                        never deleted
    pk = UNMAPPED#{slug} sk = METHOD#{method}           a shipping method seen or offered: `seen` orders; the mapping
                                                        says which of them are mapped by now
    pk = CHANGES#{slug}  sk = {time}#{digest}           who changed what; never deleted

Rules are the JSON of `jetbridge.documents`: text while it is short, compressed when it is long. Version 1 is the
default rules unless something else is stored as such.

Every line is written before the version moves, and the version is read before the lines: a store that is remembered
under the version that still stands is complete.

A setting equal to its default is not stored: when a release moves a default (a partner's API version), the stores
that never chose otherwise move with it.
"""

from __future__ import annotations

import contextlib
import json
import zlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError, field_validator, model_validator

from jetbridge.aws.failures import our_errors
from jetbridge.aws.items import data_of, item, key_part, query
from jetbridge.aws.values import moment, plain, restored, timestamp
from jetbridge.domain.changes import Change
from jetbridge.domain.identifiers import StoreSlug
from jetbridge.domain.order import digest
from jetbridge.domain.rules import DEFAULT_RULES, RuleSet
from jetbridge.domain.ship_options import Method, ShipOptionLimits, ShipOptionMapping, mapping_for
from jetbridge.domain.skus import SkuMapping
from jetbridge.domain.store import JetpackConnection, OutOfStock, Route, ShipStationConnection, ShopifyConnection, Store
from jetbridge.errors import ConfigurationError, ConflictError, InvalidRequestError
from jetbridge.ports import RuleVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from jetbridge.domain.rules import Rule

SHORT_RULES = 4_000
"""Bytes of rules that are stored as they are, so that they can be read in the table; longer ones are compressed."""

LONGEST_RULES = 380_000
"""Bytes of rules and their note, as stored, that fit into an item (400 KB at most) with the rest."""

LONG_AGO = datetime.min.replace(tzinfo=UTC)


class _Stored(BaseModel):
    """Stored settings are checked when read: a person may have edited the table."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def chosen(self) -> dict[str, Any]:
        """Give what is stored; the rest is the domain's default."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class StoredShopify(_Stored):
    """`ShopifyConnection` as stored."""

    shop: str
    admin_url: str
    api_version: str = ""


class StoredJetpack(_Stored):
    """`JetpackConnection` as stored."""

    api_url: str = ""
    api_version: str = ""
    channel_id: str = ""


class StoredShipStation(_Stored):
    """`ShipStationConnection` as stored."""

    store_id: str
    api_url: str = ""


class StoredOptionLimits(_Stored):
    """`ShipOptionLimits` as stored."""

    ship_option: str
    po_boxes: bool = True
    military: bool = True
    needs_phone: bool = False


class StoredSettings(_Stored):
    """A store's own settings: `Store` without its identity, its rules and its mappings."""

    shopify: StoredShopify
    jetpack: StoredJetpack
    locations: frozenset[str] = frozenset()
    stock_location: str = ""
    buffer: NonNegativeInt = 0
    grace_minutes: NonNegativeInt = 0
    forward_financial_states: frozenset[str] = frozenset()
    forward_gateways: frozenset[str] = frozenset()
    accepted_risks: frozenset[str] = frozenset()
    forward_test_orders: bool = False
    routes: frozenset[Route] = frozenset()
    shipstation: StoredShipStation | None = None
    time_zone: str = ""
    mirror_holds: bool = True
    mark_forwarded: bool = False
    ships_from: frozenset[str] = frozenset()
    out_of_stock: OutOfStock = OutOfStock.FORWARD
    option_limits: tuple[StoredOptionLimits, ...] = ()

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, OSError) as error:
            message = "no time zone"
            raise ValueError(message) from error
        return name


class StoredShipOption(_Stored):
    """`ShipOptionMapping` as stored."""

    method: str
    ship_option: str
    active: bool = True


class StoredSku(_Stored):
    """`SkuMapping` as stored."""

    sku: str
    components: tuple[tuple[str, int], ...]

    @model_validator(mode="after")
    def _sound(self) -> StoredSku:
        SkuMapping(self.sku, self.components)
        return self


@dataclass(slots=True)
class _Known:
    """A store as it was read, the item it was read from, and when that item was last compared."""

    at: datetime
    own: dict[str, Any]
    store: Store


class DynamoStoreSettings:
    """The port `StoreSettings` on DynamoDB.

    Remembers every store it read. After `max_age_seconds` it reads the store's own item again, and everything else
    only when that has changed: otherwise the same `Store` is given, so that what was made of its rules can be kept.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        table_name: str,
        *,
        clock: Callable[[], datetime],
        max_age_seconds: float = 30,
    ) -> None:
        self._client = client
        self._table = table_name
        self._clock = clock
        self._max_age = timedelta(seconds=max_age_seconds)
        self._known: dict[str, _Known] = {}

    def stores(self) -> Sequence[StoreSlug]:
        """Name every connected store."""
        return [StoreSlug(each["sk"]) for each in self._query("pk = :pk", pk="STORES")]

    def store(self, slug: StoreSlug) -> Store | None:
        """Read a store's settings; may be half a minute old.

        Raises:
            ConfigurationError: What is stored cannot be used; names the field.
        """
        now = self._clock()
        known = self._known.get(slug)
        if known and now - known.at < self._max_age:
            return known.store
        own = self._own(slug)
        if own is None:
            # Not remembered: a store works the moment it is connected.
            self._known.pop(slug, None)
            return None
        if known and known.own == own:
            known.at = now
            return known.store
        store = self._read(slug, own, known.store if known else None)
        self._known[slug] = _Known(now, own, store)
        return store

    def version(self, slug: StoreSlug) -> int:
        """Read the settings' version as it is now, strongly consistent; 0 for an unknown store."""
        own = self._own(slug)
        return int(own["version"]) if own else 0

    def forget(self, slug: StoreSlug) -> None:
        """Have the next `store` look whether what is remembered still stands."""
        if slug in self._known:
            self._known[slug].at = LONG_AGO

    def save_store(self, store: Store) -> None:
        """Write a store's own settings with its rules and its shadow, and move its version.

        One that was disconnected goes on with the rules it had, unless others are given.

        Raises:
            ConflictError: The settings are not those that `store.version` was read from, or its rules differ from
                those kept under the same version of them.
            InvalidRequestError: Its rules are too long to be stored.
        """
        bare = replace(store, version=0, rules=DEFAULT_RULES, shadow=None, ship_options={}, sku_map={})
        settings = plain(bare)
        del settings["slug"], settings["ship_options"], settings["sku_map"]
        stored: dict[str, Any] = {"settings": settings, "version": store.version + 1}
        if not store.version and (left := self._get(f"STORE#{store.slug}", "STORE")) and "settings" not in left:
            stored = {**left, **stored, "version": left["version"] + 1}
            del stored["pk"], stored["sk"]
        if store.rules != DEFAULT_RULES:
            self._keep_rules(store.slug, store.rules)
            stored["active_rules"] = store.rules.version
        if store.shadow is not None:
            self._keep_rules(store.slug, store.shadow)
            stored["shadow_rules"] = store.shadow.version
        # Named first: the sweep passes over a name without settings, but would never find settings without a name.
        self._put("STORES", store.slug)
        if store.version:
            self._put(
                f"STORE#{store.slug}",
                "STORE",
                stored,
                ConditionExpression="#version = :read",
                ExpressionAttributeNames={"#version": "version"},
                ExpressionAttributeValues=item({":read": store.version}),
            )
        else:
            self._put(
                f"STORE#{store.slug}",
                "STORE",
                stored,
                ConditionExpression="attribute_not_exists(#settings)",
                ExpressionAttributeNames={"#settings": "settings"},
            )
        self.forget(store.slug)

    def delete_store(self, slug: StoreSlug) -> None:
        """Take a store off the list and delete its own settings; rules and mappings stay for a reconnect."""
        # Settings first, as in `save_store`: a name without settings is passed over.
        with contextlib.suppress(ConflictError), our_errors():
            self._client.update_item(
                TableName=self._table,
                Key=item({"pk": f"STORE#{slug}", "sk": "STORE"}),
                UpdateExpression="REMOVE #settings",
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeNames={"#settings": "settings"},
            )
        with our_errors():
            self._client.delete_item(TableName=self._table, Key=item({"pk": "STORES", "sk": slug}))
        self.forget(slug)

    # -- rules ----------------------------------------------------------------------------------------------

    def rule_versions(self, slug: StoreSlug) -> Sequence[RuleVersion]:
        """List every version kept, the newest first; none of a store that is not there."""
        own = self._own(slug)
        if own is None:
            return []
        rows = self._query(
            "pk = :pk",
            pk=f"RULES#{slug}",
            ProjectionExpression="#version, saved_at, #by, note",
            ExpressionAttributeNames={"#version": "version", "#by": "by"},
        )
        kept = {DEFAULT_RULES.version: {"version": DEFAULT_RULES.version}} | {row["version"]: row for row in rows}
        return [
            RuleVersion(
                version,
                active=version == own.get("active_rules", DEFAULT_RULES.version),
                shadow=version == own.get("shadow_rules"),
                saved_at=moment(row["saved_at"]) if "saved_at" in row else None,
                by=row.get("by", ""),
                note=row.get("note", ""),
            )
            for version, row in sorted(kept.items(), reverse=True)
        ]

    def rules(self, slug: StoreSlug, version: int) -> RuleSet | None:
        """Read one version; None when there is none.

        Raises:
            ConfigurationError: What is stored cannot be used; names the place.
        """
        stored = self._get(f"RULES#{slug}", _rules_key(version))
        if stored is not None:
            return RuleSet(version, _rules(stored.get("rules"), f"rules {version} of {slug}"))
        return DEFAULT_RULES if version == DEFAULT_RULES.version else None

    def save_rules(self, slug: StoreSlug, rules: Sequence[Rule], change: Change) -> RuleSet:
        """Keep rules as the next version. Nothing is decided by it before it is activated; it never changes.

        Raises:
            InvalidRequestError: There is no such store, or the rules are too long to be stored.
        """
        self._must_be_there(slug)
        last = self._query("pk = :pk", pk=f"RULES#{slug}", ScanIndexForward=False, Limit=1, ProjectionExpression="sk")
        version = max([DEFAULT_RULES.version, *(int(each["sk"].removeprefix("VERSION#")) for each in islice(last, 1))])
        about = {"saved_at": timestamp(change.at), "by": change.by, "note": change.detail}
        while True:
            version += 1
            saved = RuleSet(version, tuple(rules))
            # Somebody else may have saved in between: then theirs has that number, and ours the next.
            with contextlib.suppress(ConflictError):
                self._put_rules(slug, saved, about)
                return saved

    def activate_rules(self, slug: StoreSlug, version: int, *, instead_of: int) -> None:
        """Let a version decide from now on, by one conditional write that moves the settings' version too.

        Raises:
            InvalidRequestError: There is no such store or version.
            ConflictError: Another version than `instead_of` is active by now.
            ConfigurationError: What is stored as that version cannot be used.
        """
        self._must_be_kept(slug, version)
        active = "active_rules = :before"
        if instead_of == DEFAULT_RULES.version:
            active = f"({active} OR attribute_not_exists(active_rules))"
        self._move(slug, "SET active_rules = :rules", f"AND {active}", {":rules": version, ":before": instead_of})

    def shadow_rules(self, slug: StoreSlug, version: int | None) -> None:
        """Let a version run beside the active one, or none; moves the settings' version.

        Raises:
            InvalidRequestError: There is no such store or version.
            ConfigurationError: What is stored as that version cannot be used.
        """
        if version is None:
            self._move(slug, "REMOVE shadow_rules")
        else:
            self._must_be_kept(slug, version)
            self._move(slug, "SET shadow_rules = :rules", values={":rules": version})

    # -- mappings -------------------------------------------------------------------------------------------

    def save_ship_option(self, slug: StoreSlug, mapping: ShipOptionMapping) -> None:
        """Write one line of the mapping, then move the version.

        Raises:
            InvalidRequestError: There is no such store.
        """
        self._must_be_there(slug)
        self._put(f"STORE#{slug}", f"SHIP_OPTION#{key_part(mapping.method)}", plain(mapping))
        self._move(slug)

    def delete_ship_option(self, slug: StoreSlug, method: Method) -> None:
        """Delete one line of the mapping (safe to repeat), then move the version.

        Raises:
            InvalidRequestError: There is no such store.
        """
        self._must_be_there(slug)
        self._delete(f"STORE#{slug}", f"SHIP_OPTION#{key_part(method)}")
        self._move(slug)

    def save_sku(self, slug: StoreSlug, mapping: SkuMapping) -> None:
        """Write one line of the SKU map, then move the version.

        Raises:
            InvalidRequestError: There is no such store.
        """
        self._must_be_there(slug)
        self._put(f"STORE#{slug}", f"SKU#{key_part(mapping.sku)}", plain(mapping))
        self._move(slug)

    def delete_sku(self, slug: StoreSlug, sku: str) -> None:
        """Delete one line of the SKU map (safe to repeat), then move the version.

        Raises:
            InvalidRequestError: There is no such store.
        """
        self._must_be_there(slug)
        self._delete(f"STORE#{slug}", f"SKU#{key_part(sku)}")
        self._move(slug)

    def list_methods(self, slug: StoreSlug, methods: Iterable[Method], at: datetime) -> None:
        """Remember shipping methods that a partner offers, before any order uses them. Safe to repeat."""
        for method in dict.fromkeys(methods):
            self._count_method(slug, method, 0, "offered_at", at)

    def note_method(self, slug: StoreSlug, method: Method, at: datetime) -> None:
        """Remember a shipping method that no mapping names; counts it."""
        self._count_method(slug, method, 1, "last_seen", at)

    def unmapped_methods(self, slug: StoreSlug) -> dict[Method, int]:
        """List the shipping methods seen or offered but not mapped, by a line of their own or a pattern."""
        lines = self._query("pk = :pk AND begins_with(sk, :line)", pk=f"STORE#{slug}", line="SHIP_OPTION#")
        mapped = _ship_options(slug, lines)
        found = self._query("pk = :pk", pk=f"UNMAPPED#{slug}")
        # Compared when asked: an order looked at with older settings may note a method after it was mapped, and one
        # whose mapping is deleted is unmapped again.
        return {Method(each["method"]): each["seen"] for each in found if not mapping_for(each["method"], mapped)}

    # -- who changed what -----------------------------------------------------------------------------------

    def note_change(self, slug: StoreSlug, change: Change) -> None:
        """Keep who changed what, for ever. The same change again is not kept twice."""
        stored = plain(change)
        self._put(f"CHANGES#{slug}", f"{timestamp(change.at)}#{digest(stored)[:8]}", stored)

    def changes(self, slug: StoreSlug, *, limit: int = 100) -> Sequence[Change]:
        """Read the last changes, the newest first."""
        found = self._query("pk = :pk", pk=f"CHANGES#{slug}", ScanIndexForward=False, Limit=max(limit, 1))
        return [restored(Change, each) for each in islice(found, limit)]

    # -- DynamoDB -------------------------------------------------------------------------------------------

    def _own(self, slug: str) -> dict[str, Any] | None:
        found = self._get(f"STORE#{slug}", "STORE")
        return found if found and "settings" in found else None

    def _must_be_there(self, slug: StoreSlug) -> None:
        if not self.version(slug):
            message = f"no store {slug}"
            raise InvalidRequestError(message)

    def _must_be_kept(self, slug: StoreSlug, version: int) -> None:
        if self.rules(slug, version) is None:
            message = f"no rules of version {version}"
            raise InvalidRequestError(message)

    def _move(
        self, slug: StoreSlug, change: str = "", condition: str = "", values: dict[str, Any] | None = None
    ) -> None:
        """Move a store's version, and whatever else of its item, in one write."""
        try:
            with our_errors():
                self._client.update_item(
                    TableName=self._table,
                    Key=item({"pk": f"STORE#{slug}", "sk": "STORE"}),
                    UpdateExpression=f"{change} ADD #version :one",
                    ConditionExpression=f"attribute_exists(#settings) {condition}",
                    ExpressionAttributeNames={"#version": "version", "#settings": "settings"},
                    ExpressionAttributeValues=item({":one": 1} | (values or {})),
                )
        except ConflictError:
            self._must_be_there(slug)
            raise
        finally:
            self.forget(slug)

    def _read(self, slug: StoreSlug, own: dict[str, Any], before: Store | None) -> Store:
        settings = _checked(StoredSettings, own["settings"], f"settings of {slug}")
        chosen = settings.chosen() | {
            "shopify": ShopifyConnection(**settings.shopify.chosen()),
            "jetpack": JetpackConnection(**settings.jetpack.chosen()),
            "option_limits": tuple(ShipOptionLimits(**each.chosen()) for each in settings.option_limits),
        }
        if settings.shipstation:
            chosen["shipstation"] = ShipStationConnection(**settings.shipstation.chosen())
        # Everything else of the store sorts before its own item.
        lines = list(self._query("pk = :pk AND sk < :own", pk=f"STORE#{slug}", own="STORE"))
        skus = [_checked(StoredSku, each, f"SKU map of {slug}") for each in lines if each["sk"].startswith("SKU#")]
        return Store(
            slug=slug,
            version=own["version"],
            rules=self._rules(slug, own.get("active_rules", DEFAULT_RULES.version), before),
            shadow=self._rules(slug, own["shadow_rules"], before) if "shadow_rules" in own else None,
            ship_options=_ship_options(slug, (each for each in lines if each["sk"].startswith("SHIP_OPTION#"))),
            sku_map={each.sku: SkuMapping(each.sku, each.components) for each in skus},
            **chosen,
        )

    def _rules(self, slug: StoreSlug, version: int, before: Store | None) -> RuleSet:
        """Give the very rules that are known already, if they are: a version never changes."""
        known = (before.rules, before.shadow) if before else ()
        found = next((each for each in known if each and each.version == version), None) or self.rules(slug, version)
        if found is None:
            message = f"rules {version} of {slug} are not there"
            raise ConfigurationError(message)
        return found

    def _keep_rules(self, slug: StoreSlug, rules: RuleSet) -> None:
        try:
            self._put_rules(slug, rules, {})
        except ConflictError:
            # Decisions name the version they were made by, so what it says can never change.
            if self.rules(slug, rules.version) != rules:
                raise

    def _put_rules(self, slug: StoreSlug, rules: RuleSet, about: dict[str, Any]) -> None:
        from jetbridge.documents.rules import RuleSetDocument

        try:
            document = RuleSetDocument.from_rules(rules.rules).as_json()
        except ValidationError as error:
            message = f"these rules cannot be stored: {_places(error)}"
            raise InvalidRequestError(message) from None
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        raw = text.encode()
        written = text if len(raw) <= SHORT_RULES else zlib.compress(raw)
        if len(written) + len(about.get("note", "").encode()) > LONGEST_RULES:
            message = "the rules are too long to be stored"
            raise InvalidRequestError(message)
        self._put(
            f"RULES#{slug}",
            _rules_key(rules.version),
            {"version": rules.version, "rules": written} | about,
            ConditionExpression="attribute_not_exists(pk)",
        )

    def _count_method(self, slug: StoreSlug, method: Method, seen: int, when: str, at: datetime) -> None:
        with our_errors():
            self._client.update_item(
                TableName=self._table,
                Key=item({"pk": f"UNMAPPED#{slug}", "sk": f"METHOD#{key_part(method)}"}),
                UpdateExpression=f"SET #method = :method, {when} = :at ADD seen :seen",
                ExpressionAttributeNames={"#method": "method"},
                ExpressionAttributeValues=item({":method": method, ":at": timestamp(at), ":seen": seen}),
            )

    def _get(self, pk: str, sk: str) -> dict[str, Any] | None:
        with our_errors():
            answer = self._client.get_item(TableName=self._table, Key=item({"pk": pk, "sk": sk}), ConsistentRead=True)
        return data_of(answer["Item"]) if "Item" in answer else None

    def _put(self, pk: str, sk: str, data: dict[str, Any] | None = None, **condition: Any) -> None:  # noqa: ANN401 - PutItem's own
        with our_errors():
            self._client.put_item(TableName=self._table, Item=item({"pk": pk, "sk": sk} | (data or {})), **condition)

    def _delete(self, pk: str, sk: str) -> None:
        with our_errors():
            self._client.delete_item(TableName=self._table, Key=item({"pk": pk, "sk": sk}))

    def _query(self, condition: str, **given: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - Query's own
        """Query by keys (lower-case names) with options of Query (which begin in upper case)."""
        keys = {f":{name}": value for name, value in given.items() if name.islower()}
        return query(
            self._client,
            TableName=self._table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=item(keys),
            ConsistentRead=True,
            **{name: value for name, value in given.items() if not name.islower()},
        )


def _rules_key(version: int) -> str:
    return f"VERSION#{version:06}"


def _rules(written: Any, what: str) -> tuple[Rule, ...]:  # noqa: ANN401 - whatever is stored
    # Late: most stores have the default rules, and a cold start need not learn the language for them.
    from jetbridge.documents.rules import RuleSetDocument

    if isinstance(written, bytes):
        with contextlib.suppress(zlib.error):
            written = zlib.decompress(written)
    try:
        return RuleSetDocument.model_validate_json(written).to_rules()
    except ValidationError as error:
        message = f"{what}: {_places(error)}"
        raise ConfigurationError(message) from None


def _ship_options(slug: str, lines: Iterable[dict[str, Any]]) -> dict[Method, ShipOptionMapping]:
    checked = (_checked(StoredShipOption, each, f"ship option mapping of {slug}") for each in lines)
    return {
        Method(line.method): ShipOptionMapping(Method(line.method), line.ship_option, line.active) for line in checked
    }


def _checked[M: _Stored](model: type[M], data: object, what: str) -> M:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        message = f"{what}: {_places(error)}"
        raise ConfigurationError(message) from None


def _places(error: ValidationError) -> str:
    """Name what is wrong, and where. Errors made of it are not chained: pydantic's own text quotes the values.

    What the documents say themselves of a rule (type `rule`) quotes nothing.
    """
    return ", ".join(
        f"{'.'.join(map(str, each['loc'])) or '(all)'}: {each['msg'] if each['type'] == 'rule' else each['type']}"
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    )
