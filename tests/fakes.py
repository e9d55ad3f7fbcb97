"""In-memory stand-ins for our ports. Each passes the same contract suite as the real adapter."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import TYPE_CHECKING, Any

from jetbridge.domain.rules import DEFAULT_RULES, RuleSet
from jetbridge.domain.ship_options import mapping_for
from jetbridge.errors import ConflictError, InvalidRequestError
from jetbridge.ports import DueOrder, KeptShipStationOrder, RuleVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from jetbridge.domain.changes import Change
    from jetbridge.domain.identifiers import OrderId, StoreSlug
    from jetbridge.domain.order import Order
    from jetbridge.domain.record import OrderRecord, Parcel, Status
    from jetbridge.domain.replay import Difference, ReplayJob
    from jetbridge.domain.rules import Rule
    from jetbridge.domain.ship_options import Method, ShipOptionMapping
    from jetbridge.domain.shipstation import ShipStationOrder
    from jetbridge.domain.skus import SkuMapping
    from jetbridge.domain.store import Store
    from jetbridge.domain.timeline import TimelineEvent
    from jetbridge.messages import WakeUp


def utc_now() -> datetime:
    return datetime.now(UTC)


class InMemoryOrderRecords:
    """OrdersTable. Safe to use from many threads; finding due orders costs as many steps as there are open ones."""

    def __init__(self, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.records: dict[tuple[str, str], OrderRecord] = {}
        self.parcels: dict[tuple[str, str], dict[str, Parcel]] = {}
        self._open: dict[tuple[str, str], OrderRecord] = {}
        self._snapshots: dict[tuple[str, str], tuple[Order, datetime]] = {}
        self._events: dict[tuple[str, str], list[TimelineEvent]] = {}
        self._parts: dict[tuple[str, str], KeptShipStationOrder] = {}
        self._clock = clock
        self._lock = RLock()

    def read(self, store: StoreSlug, order_id: OrderId) -> OrderRecord | None:
        return self.records.get((store, order_id))

    def read_many(self, store: StoreSlug, order_ids: Iterable[OrderId]) -> Iterator[OrderRecord]:
        found = [self.records.get((store, order_id)) for order_id in dict.fromkeys(order_ids)]
        return (record for record in found if record)

    def write(self, record: OrderRecord) -> OrderRecord:
        key, written = (record.store, record.order_id), replace(record, version=record.version + 1)
        with self._lock:
            stored = self.records.get(key)
            if (stored.version if stored else 0) != record.version:
                raise ConflictError
            self.records[key] = written
            if written.due_at is None:
                self._open.pop(key, None)
            else:
                self._open[key] = written
        return written

    def keep_snapshot(self, store: StoreSlug, order: Order, at: datetime) -> None:
        self._snapshots[store, order.id] = replace(order, part=None), at + timedelta(days=90)

    def read_snapshot(self, store: StoreSlug, order_id: OrderId) -> Order | None:
        order, end = self._snapshots.get((store, order_id), (None, self._clock()))
        return order if end > self._clock() else None

    def redact(self, store: StoreSlug, order_id: OrderId) -> None:
        record = self.records.get((store, order_id))
        self._snapshots.pop((store, order_id), None)
        self._events.pop((store, order_id), None)
        for part in record.parts if record else ():
            self._parts.pop((store, part), None)

    def keep_shipstation_order(
        self, store: StoreSlug, order: ShipStationOrder, order_id: OrderId | None, at: datetime
    ) -> None:
        with self._lock:
            known = self._parts.get((store, order.id))
            if known is None or known.at <= at:
                order_id = order_id or (known.order_id if known else None)
                self._parts[store, order.id] = KeptShipStationOrder(order, at, order_id)

    def read_shipstation_order(self, store: StoreSlug, shipstation_id: str) -> KeptShipStationOrder | None:
        found = self._parts.get((store, shipstation_id))
        return found if found and found.at + timedelta(days=90) > self._clock() else None

    def note(self, store: StoreSlug, order_id: OrderId, event: TimelineEvent) -> None:
        with self._lock:
            events = self._events.setdefault((store, order_id), [])
            if event not in events:
                events.append(event)

    def timeline(self, store: StoreSlug, order_id: OrderId) -> list[TimelineEvent]:
        oldest = self._clock() - timedelta(days=90)
        events = list(self._events.get((store, order_id), ()))
        return sorted((event for event in events if event.at > oldest), key=lambda event: event.at)

    def keep_parcel(self, store: StoreSlug, order_id: OrderId, parcel: Parcel) -> None:
        with self._lock:
            self.parcels.setdefault((store, order_id), {})[parcel.shipment_id] = parcel

    def due(self, now: datetime) -> Iterator[DueOrder]:
        with self._lock:
            found = [
                DueOrder(each.store, each.order_id, each.due_at, each.next_look)
                for each in self._open.values()
                if each.due_at and each.due_at <= now
            ]
        return iter(sorted(found, key=lambda each: each.due_at))

    def open_orders(self, store: StoreSlug, status: Status) -> Iterator[OrderId]:
        with self._lock:
            found = [
                (each.since, each.order_id)
                for each in self._open.values()
                if each.store == store and each.status is status and each.since
            ]
        return (order_id for _, order_id in sorted(found))

    def orders_of_day(self, store: StoreSlug, day: date) -> Iterator[OrderId]:
        with self._lock:
            found = [
                (each.created_at, each.order_id)
                for each in self.records.values()
                if each.store == store and each.created_at and each.created_at.astimezone(UTC).date() == day
            ]
        return (order_id for _, order_id in sorted(found))

    def snapshots_of_day(
        self, store: StoreSlug, day: date, *, after: OrderId | None = None
    ) -> Iterator[tuple[OrderId, Order | None]]:
        found = list(self.orders_of_day(store, day))
        if after is not None and after not in found:
            raise InvalidRequestError
        begin = 0 if after is None else found.index(after) + 1
        return ((order_id, self.read_snapshot(store, order_id)) for order_id in found[begin:])


class InMemoryStoreSettings:
    """SettingsTable, without the half minute for which the real one remembers."""

    def __init__(self, *stores: Store) -> None:
        self._stores: dict[str, Store] = {store.slug: store for store in stores}
        self._rules: dict[tuple[str, int], tuple[RuleSet, RuleVersion]] = {}
        self._unmapped: dict[str, Counter[Method]] = {}
        self._changes: dict[str, list[Change]] = {}
        self._left: dict[str, Store] = {}
        """What a disconnected store keeps: version, rules and mappings."""
        for store in stores:
            self._keep_rules(store)

    def stores(self) -> Sequence[StoreSlug]:
        return [store.slug for store in self._stores.values()]

    def store(self, slug: StoreSlug) -> Store | None:
        return self._stores.get(slug)

    def version(self, slug: StoreSlug) -> int:
        return self._stores[slug].version if slug in self._stores else 0

    def forget(self, slug: StoreSlug) -> None:
        pass

    def save_store(self, store: Store) -> None:
        known = self._stores.get(store.slug)
        left = self._left.get(store.slug)
        for rules in _others(store):
            if self.rules(store.slug, rules.version) not in {None, rules}:
                raise ConflictError
        if (known.version if known else 0) != store.version:
            raise ConflictError
        self._keep_rules(store)
        kept = known or left
        if left and not known:
            rules = left.rules if store.rules == DEFAULT_RULES else store.rules
            store = replace(store, version=left.version, rules=rules, shadow=store.shadow or left.shadow)
        self._left.pop(store.slug, None)
        self._stores[store.slug] = replace(
            store,
            version=store.version + 1,
            ship_options=kept.ship_options if kept else {},
            sku_map=kept.sku_map if kept else {},
        )

    def delete_store(self, slug: StoreSlug) -> None:
        if slug in self._stores:
            self._left[slug] = self._stores.pop(slug)

    def rule_versions(self, slug: StoreSlug) -> Sequence[RuleVersion]:
        store = self._stores.get(slug)
        if store is None:
            return []
        kept = {1: RuleVersion(1, active=False)}
        kept |= {version: listed for (of, version), (_, listed) in self._rules.items() if of == slug}
        shadow = store.shadow.version if store.shadow else None
        return [
            replace(kept[version], active=version == store.rules.version, shadow=version == shadow)
            for version in sorted(kept, reverse=True)
        ]

    def rules(self, slug: StoreSlug, version: int) -> RuleSet | None:
        rules, _ = self._rules.get((slug, version), (DEFAULT_RULES if version == 1 else None, None))
        return rules

    def save_rules(self, slug: StoreSlug, rules: Sequence[Rule], change: Change) -> RuleSet:
        if slug not in self._stores:
            raise InvalidRequestError
        version = 1 + max((version for of, version in self._rules if of == slug), default=1)
        saved = RuleSet(version, tuple(rules))
        listed = RuleVersion(version, active=False, saved_at=change.at, by=change.by, note=change.detail)
        self._rules[slug, version] = saved, listed
        return saved

    def activate_rules(self, slug: StoreSlug, version: int, *, instead_of: int) -> None:
        store, rules = self._store_and_rules(slug, version)
        if store.rules.version != instead_of:
            raise ConflictError
        self._stores[slug] = replace(store, version=store.version + 1, rules=rules)

    def shadow_rules(self, slug: StoreSlug, version: int | None) -> None:
        if version is None:
            self._change(slug, shadow=None)
        else:
            self._change(slug, shadow=self._store_and_rules(slug, version)[1])

    def save_ship_option(self, slug: StoreSlug, mapping: ShipOptionMapping) -> None:
        known = self._known(slug).ship_options
        self._change(slug, ship_options={**known, mapping.method: mapping})

    def delete_ship_option(self, slug: StoreSlug, method: Method) -> None:
        known = self._known(slug).ship_options
        self._change(slug, ship_options={key: each for key, each in known.items() if key != method})

    def save_sku(self, slug: StoreSlug, mapping: SkuMapping) -> None:
        self._change(slug, sku_map={**self._known(slug).sku_map, mapping.sku: mapping})

    def delete_sku(self, slug: StoreSlug, sku: str) -> None:
        known = self._known(slug).sku_map
        self._change(slug, sku_map={key: each for key, each in known.items() if key != sku})

    def list_methods(self, slug: StoreSlug, methods: Iterable[Method], _at: datetime) -> None:
        seen = self._unmapped.setdefault(slug, Counter())
        for method in methods:
            seen.setdefault(method, 0)

    def note_method(self, slug: StoreSlug, method: Method, _at: datetime) -> None:
        self._unmapped.setdefault(slug, Counter())[method] += 1

    def unmapped_methods(self, slug: StoreSlug) -> dict[Method, int]:
        mapped = self._stores[slug].ship_options if slug in self._stores else {}
        noted = self._unmapped.get(slug, Counter()).items()
        return {method: seen for method, seen in noted if not mapping_for(method, mapped)}

    def note_change(self, slug: StoreSlug, change: Change) -> None:
        changes = self._changes.setdefault(slug, [])
        if change not in changes:
            changes.append(change)

    def changes(self, slug: StoreSlug, *, limit: int = 100) -> Sequence[Change]:
        found = self._changes.get(slug, [])
        return sorted(found, key=lambda each: each.at, reverse=True)[:limit]

    def _known(self, slug: str) -> Store:
        if slug not in self._stores:
            raise InvalidRequestError
        return self._stores[slug]

    def _store_and_rules(self, slug: StoreSlug, version: int) -> tuple[Store, RuleSet]:
        store, rules = self._known(slug), self.rules(slug, version)
        if rules is None:
            raise InvalidRequestError
        return store, rules

    def _change(self, slug: str, **fields: Any) -> None:  # noqa: ANN401 - fields of Store
        store = self._known(slug)
        self._stores[slug] = replace(store, version=store.version + 1, **fields)

    def _keep_rules(self, store: Store) -> None:
        for rules in _others(store):
            listed = RuleVersion(rules.version, active=False)
            self._rules.setdefault((store.slug, rules.version), (rules, listed))


def _others(store: Store) -> list[RuleSet]:
    """Give the rule sets of a store that must be kept: the default is known anyway."""
    return [rules for rules in (store.rules, store.shadow) if rules and rules != DEFAULT_RULES]


class InMemoryRuntime:
    """RuntimeTable."""

    def __init__(self, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock
        self._cursors: dict[tuple[str, str], tuple[datetime, datetime]] = {}
        self._events: dict[tuple[str, str], tuple[datetime, datetime]] = {}
        self._used: Counter[tuple[str, int, int]] = Counter()
        self._foreign: dict[tuple[str, str], tuple[str, datetime]] = {}
        self._jobs: dict[tuple[str, str], tuple[ReplayJob, datetime]] = {}
        self._differences: dict[tuple[str, int], dict[str, tuple[datetime, Difference, datetime]]] = {}

    def cursor(self, store: StoreSlug, name: str) -> datetime | None:
        at, end = self._cursors.get((store, name), (None, self._clock()))
        return at if end > self._clock() else None

    def save_cursor(self, store: StoreSlug, name: str, at: datetime) -> None:
        self._cursors[store, name] = at, self._clock() + timedelta(days=30)

    def note_event(self, store: StoreSlug, partner: str, at: datetime) -> None:
        self._events[store, partner] = at, self._clock() + timedelta(days=30)

    def last_event(self, store: StoreSlug, partner: str) -> datetime | None:
        at, end = self._events.get((store, partner), (None, self._clock()))
        return at if end > self._clock() else None

    def note_foreign_order(self, store: StoreSlug, key: str, reference: str, _at: datetime) -> None:
        self._foreign[store, key] = reference, self._clock() + timedelta(days=90)

    def foreign_order(self, store: StoreSlug, key: str) -> str | None:
        reference, end = self._foreign.get((store, key), (None, self._clock()))
        return reference if end > self._clock() else None

    def allow(self, what: str, limit: int, seconds: int) -> bool:
        window = what, seconds, int(self._clock().timestamp()) // seconds
        self._used[window] += 1
        return self._used[window] <= limit

    def save_job(self, job: ReplayJob) -> None:
        self._jobs[job.store, job.id] = job, self._clock() + timedelta(days=30)

    def job(self, store: StoreSlug, job_id: str) -> ReplayJob | None:
        job, end = self._jobs.get((store, job_id), (None, self._clock()))
        return job if end > self._clock() else None

    def jobs(self, store: StoreSlug) -> Sequence[ReplayJob]:
        now = self._clock()
        found = [job for (of, _), (job, end) in self._jobs.items() if of == store and end > now]
        return sorted(found, key=lambda job: job.started_at, reverse=True)

    def note_difference(self, store: StoreSlug, version: int, difference: Difference, at: datetime) -> None:
        end = self._clock() + timedelta(days=30)
        self._differences.setdefault((store, version), {})[difference.order_id] = at, difference, end

    def differences(self, store: StoreSlug, version: int, *, limit: int = 100) -> Sequence[Difference]:
        noted = self._differences.get((store, version), {}).values()
        found = [(at, difference) for at, difference, end in noted if end > self._clock()]
        found.sort(key=lambda each: each[0], reverse=True)
        return [difference for _, difference in found[:limit]]


class InMemoryQueue:
    """One of our queues. `sent` holds what arrived, oldest first; a FIFO queue drops repetitions within 5 minutes."""

    def __init__(self, *, fifo: bool = True, clock: Callable[[], datetime] = utc_now) -> None:
        self.sent: list[WakeUp] = []
        self._fifo = fifo
        self._clock = clock
        self._arrived: dict[str, datetime] = {}
        self._lock = RLock()

    def send(self, wake_ups: Sequence[WakeUp]) -> None:
        with self._lock:
            now = self._clock()
            for each in wake_ups:
                before = self._arrived.get(each.deduplication_id)
                if not self._fifo or before is None or now - before >= timedelta(minutes=5):
                    self._arrived[each.deduplication_id] = now
                    self.sent.append(each)

    @property
    def groups(self) -> dict[str, list[WakeUp]]:
        """What arrived, by message group."""
        groups: dict[str, list[WakeUp]] = {}
        for each in self.sent:
            groups.setdefault(each.group, []).append(each)
        return groups


class InMemoryWebhookSecrets:
    """The secrets webhooks are signed with, by store and partner."""

    def __init__(self, secrets: Mapping[tuple[str, str], Sequence[str]] | None = None) -> None:
        self.secrets = dict(secrets or {})

    def webhook_secrets(self, store: str, partner: str) -> Sequence[str]:
        return tuple(self.secrets.get((store, partner), ()))

    webhook_secrets_again = webhook_secrets


class InMemorySecretStore:
    """Credentials and webhook secrets of stores."""

    def __init__(self) -> None:
        self.shown: dict[tuple[str, str], dict[str, str]] = {}
        self.secrets: dict[tuple[str, str], tuple[str, ...]] = {}
        self.console: dict[str, str] = {}

    def credentials(self, store: StoreSlug, partner: str) -> dict[str, str] | None:
        found = self.shown.get((store, partner))
        return None if found is None else dict(found)

    def save_credentials(self, store: StoreSlug, partner: str, credentials: Mapping[str, str]) -> None:
        self.shown[store, partner] = dict(credentials)

    def webhook_secrets(self, store: StoreSlug, partner: str) -> Sequence[str]:
        return self.secrets.get((store, partner), ())

    def save_webhook_secrets(self, store: StoreSlug, partner: str, secrets: Sequence[str]) -> None:
        self.secrets[store, partner] = tuple(secrets)

    def delete(self, store: StoreSlug, partner: str) -> None:
        self.shown.pop((store, partner), None)
        self.secrets.pop((store, partner), None)

    def console_tokens(self) -> Mapping[str, str]:
        return dict(self.console)


class InMemoryNotices:
    """Where the people of a store are told of something. `told` holds (store, subject, text), oldest first."""

    def __init__(self) -> None:
        self.told: list[tuple[StoreSlug, str, str]] = []

    def publish(self, store: StoreSlug, subject: str, text: str) -> None:
        self.told.append((store, subject, text))
