"""SettingsTable: what merchants set, in DynamoDB.

    pk = STORES          sk = {slug}                    that the store is there
    pk = STORE#{slug}    sk = STORE                     its own settings, `version`, and `active_rules` unless default;
                                                        without settings: disconnected, the rest kept for a reconnect
                         sk = SHIP_OPTION#{method}      one line of its ship option mapping
    pk = RULES#{slug}    sk = VERSION#{000001}          one version of its rules; never changed, never deleted
    pk = UNMAPPED#{slug} sk = METHOD#{method}           a shipping method without a mapping: count, last_seen

A setting equal to its default is not stored: when a release moves a default (a partner's API version), the stores
that never chose otherwise move with it.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from jetbridge.aws.failures import our_errors
from jetbridge.aws.items import data_of, item, query
from jetbridge.aws.values import plain, timestamp
from jetbridge.domain.identifiers import StoreSlug
from jetbridge.domain.rules import DEFAULT_RULES, Outcome, Rule, RuleSet, Trigger
from jetbridge.domain.ship_options import Method, ShipOptionMapping
from jetbridge.domain.store import JetpackConnection, Route, ShipStationConnection, ShopifyConnection, Store
from jetbridge.errors import ConfigurationError, ConflictError, InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient

LONGEST_KEY = 900
"""Bytes of a shipping method that fit into a sort key (1,024 at most) with its prefix; longer ones are hashed."""


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


class StoredShipOption(_Stored):
    """`ShipOptionMapping` as stored."""

    method: str
    ship_option: str
    active: bool = True


class StoredRule(_Stored):
    """`Rule` as stored."""

    name: str
    outcome: Outcome
    trigger: Trigger = Trigger.ORDER_IMPORTED
    active: bool = True
    stop: bool = False


class StoredRules(_Stored):
    """`RuleSet` as stored."""

    version: int
    rules: tuple[StoredRule, ...]


class DynamoStoreSettings:
    """The port `StoreSettings` on DynamoDB. Remembers every store it read for `max_age_seconds`."""

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
        self._known: dict[str, tuple[datetime, Store]] = {}

    def stores(self) -> Sequence[StoreSlug]:
        """Name every connected store."""
        return [StoreSlug(each["sk"]) for each in self._query("pk = :pk", pk="STORES")]

    def store(self, slug: StoreSlug) -> Store | None:
        """Read a store's settings; may be half a minute old.

        Raises:
            ConfigurationError: What is stored cannot be used; names the field.
        """
        now = self._clock()
        if (known := self._known.get(slug)) and now - known[0] < self._max_age:
            return known[1]
        store = self._read(slug)
        if store is None:
            # Not remembered: a store works the moment it is connected.
            self._known.pop(slug, None)
        else:
            self._known[slug] = (now, store)
        return store

    def version(self, slug: StoreSlug) -> int:
        """Read the settings' version as it is now, strongly consistent; 0 for an unknown store."""
        found = self._get(f"STORE#{slug}", "STORE")
        return int(found["version"]) if found and "settings" in found else 0

    def forget(self, slug: StoreSlug) -> None:
        """Drop what is remembered of a store, so that the next `store` reads it again."""
        self._known.pop(slug, None)

    def save_store(self, store: Store) -> None:
        """Write a store's own settings and its rules, and move its version.

        One that was disconnected goes on with its rules, unless others are given.

        Raises:
            ConflictError: The settings are not those that `store.version` was read from, or its rules differ from
                those kept under the same version of them.
        """
        settings = plain(replace(store, version=0, rules=DEFAULT_RULES, ship_options={}))
        del settings["slug"], settings["ship_options"]
        stored: dict[str, Any] = {"settings": settings, "version": store.version + 1}
        if not store.version and (left := self._get(f"STORE#{store.slug}", "STORE")) and "settings" not in left:
            stored = {**left, **stored, "version": left["version"] + 1}
            del stored["pk"], stored["sk"]
        if store.rules != DEFAULT_RULES:
            self._keep_rules(store.slug, store.rules)
            stored["active_rules"] = store.rules.version
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

    def save_ship_option(self, slug: StoreSlug, mapping: ShipOptionMapping) -> None:
        """Write one line of the mapping, then move the version, then take the method off the unmapped ones.

        Raises:
            InvalidRequestError: There is no such store.
        """
        key = _method_key(mapping.method)
        self._put(f"STORE#{slug}", f"SHIP_OPTION#{key}", plain(mapping))
        try:
            with our_errors():
                self._client.update_item(
                    TableName=self._table,
                    Key=item({"pk": f"STORE#{slug}", "sk": "STORE"}),
                    UpdateExpression="ADD #version :one",
                    ConditionExpression="attribute_exists(#settings)",
                    ExpressionAttributeNames={"#version": "version", "#settings": "settings"},
                    ExpressionAttributeValues=item({":one": 1}),
                )
        except ConflictError as error:
            message = "a mapping for a store that is not there"
            raise InvalidRequestError(message) from error
        with our_errors():
            self._client.delete_item(TableName=self._table, Key=item({"pk": f"UNMAPPED#{slug}", "sk": f"METHOD#{key}"}))
        self.forget(slug)

    def note_method(self, slug: StoreSlug, method: Method, at: datetime) -> None:
        """Remember a shipping method that no mapping names; counts it."""
        with our_errors():
            self._client.update_item(
                TableName=self._table,
                Key=item({"pk": f"UNMAPPED#{slug}", "sk": f"METHOD#{_method_key(method)}"}),
                UpdateExpression="SET #method = :method, last_seen = :at ADD seen :one",
                ExpressionAttributeNames={"#method": "method"},
                ExpressionAttributeValues=item({":method": method, ":at": timestamp(at), ":one": 1}),
            )

    def unmapped_methods(self, slug: StoreSlug) -> dict[Method, int]:
        """List the shipping methods seen on orders but not mapped, with how often."""
        mapped = {
            each["method"]
            for each in self._query("pk = :pk AND begins_with(sk, :line)", pk=f"STORE#{slug}", line="SHIP_OPTION#")
        }
        # An order looked at with older settings may note a method just after its mapping was saved.
        found = self._query("pk = :pk", pk=f"UNMAPPED#{slug}")
        return {Method(each["method"]): each["seen"] for each in found if each["method"] not in mapped}

    # -- DynamoDB -------------------------------------------------------------------------------------------

    def _read(self, slug: StoreSlug) -> Store | None:
        items = list(self._query("pk = :pk", pk=f"STORE#{slug}"))
        own = next((each for each in items if each["sk"] == "STORE"), None)
        if own is None or "settings" not in own:
            return None
        settings = _checked(StoredSettings, own["settings"], f"settings of {slug}")
        lines = [
            _checked(StoredShipOption, each, f"ship option mapping of {slug}")
            for each in items
            if each["sk"] != "STORE"
        ]
        chosen = settings.chosen() | {
            "shopify": ShopifyConnection(**settings.shopify.chosen()),
            "jetpack": JetpackConnection(**settings.jetpack.chosen()),
        }
        if settings.shipstation:
            chosen["shipstation"] = ShipStationConnection(**settings.shipstation.chosen())
        return Store(
            slug=slug,
            version=own["version"],
            rules=self._rules(slug, own["active_rules"]) if "active_rules" in own else DEFAULT_RULES,
            ship_options={
                Method(line.method): ShipOptionMapping(Method(line.method), line.ship_option, line.active)
                for line in lines
            },
            **chosen,
        )

    def _rules(self, slug: str, version: int) -> RuleSet:
        stored = _checked(StoredRules, self._get(f"RULES#{slug}", _rules_key(version)), f"rules {version} of {slug}")
        return RuleSet(stored.version, tuple(Rule(**rule.chosen()) for rule in stored.rules))

    def _keep_rules(self, slug: StoreSlug, rules: RuleSet) -> None:
        try:
            self._put(
                f"RULES#{slug}", _rules_key(rules.version), plain(rules), ConditionExpression="attribute_not_exists(pk)"
            )
        except ConflictError:
            # Decisions name the version they were made by, so what it says can never change.
            if self._rules(slug, rules.version) != rules:
                raise

    def _get(self, pk: str, sk: str) -> dict[str, Any] | None:
        with our_errors():
            answer = self._client.get_item(TableName=self._table, Key=item({"pk": pk, "sk": sk}), ConsistentRead=True)
        return data_of(answer["Item"]) if "Item" in answer else None

    def _put(self, pk: str, sk: str, data: dict[str, Any] | None = None, **condition: Any) -> None:  # noqa: ANN401 - PutItem's own
        with our_errors():
            self._client.put_item(TableName=self._table, Item=item({"pk": pk, "sk": sk} | (data or {})), **condition)

    def _query(self, condition: str, **values: str) -> Iterator[dict[str, Any]]:
        return query(
            self._client,
            TableName=self._table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=item({f":{name}": value for name, value in values.items()}),
            ConsistentRead=True,
        )


def _rules_key(version: int) -> str:
    return f"VERSION#{version:06}"


def _method_key(method: Method) -> str:
    """Make the part of a sort key that stands for a method; the method itself is an attribute too."""
    raw = method.encode()
    return method if len(raw) <= LONGEST_KEY else hashlib.sha256(raw).hexdigest()


def _checked[M: _Stored](model: type[M], data: object, what: str) -> M:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        wrong = ", ".join(
            f"{'.'.join(map(str, each['loc'])) or '(all)'}: {each['type']}"
            for each in error.errors(include_url=False, include_context=False, include_input=False)
        )
        # Not chained: pydantic's own text quotes the values.
        message = f"{what}: {wrong}"
        raise ConfigurationError(message) from None
