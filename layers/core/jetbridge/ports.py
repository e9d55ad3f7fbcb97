"""What the use cases need from the outside, in their own words. Every port has one contract suite.

Errors named here are the only ones an adapter may raise (see `errors`); reads of something that may not be
there return None. Writes to partners are either safe to repeat or say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date, datetime

    from jetbridge.domain.changes import Change as SettingsChange
    from jetbridge.domain.identifiers import OrderId, StoreSlug
    from jetbridge.domain.order import Address, Catalogue, JetpackOrder, Order, SeenAtJetpack
    from jetbridge.domain.record import NextLook, OrderRecord, Parcel, Status
    from jetbridge.domain.replay import Difference, ReplayJob
    from jetbridge.domain.rules import Rule, RuleSet
    from jetbridge.domain.ship_options import Method, ShipOptionMapping
    from jetbridge.domain.shipstation import Mark, Resource, ShipStationFulfillment, ShipStationOrder
    from jetbridge.domain.skus import SkuMapping
    from jetbridge.domain.stock import JetpackStock, ShopifyStock, StockChange
    from jetbridge.domain.store import JetpackConnection, ShipStationConnection, ShopifyConnection, Store
    from jetbridge.domain.timeline import TimelineEvent
    from jetbridge.messages import WakeUp


@dataclass(frozen=True, slots=True)
class DueOrder:
    """An order whose time to be looked at has come."""

    store: StoreSlug
    order_id: OrderId
    due_at: datetime
    next_look: NextLook


@dataclass(frozen=True, slots=True)
class ChangedOrder:
    """An order that moved at the source, and when."""

    order_id: OrderId
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class KeptShipStationOrder:
    """An order of ShipStation as last read, when that read began, and whose part it is ("" while nobody knows)."""

    order: ShipStationOrder
    at: datetime
    order_id: OrderId | None = None


class OrderRecords(Protocol):
    """OrdersTable."""

    def read(self, store: StoreSlug, order_id: OrderId) -> OrderRecord | None:
        """Read our record, strongly consistent."""

    def read_many(self, store: StoreSlug, order_ids: Iterable[OrderId]) -> Iterator[OrderRecord]:
        """Read many records in as few calls as possible; missing ones are left out, order is not kept."""

    def write(self, record: OrderRecord) -> OrderRecord:
        """Write one record if nobody wrote it since: the only lock there is.

        Returns:
            The record with its new version (old one + 1).

        Raises:
            ConflictError: The stored version is not `record.version` (0 means: not there yet).
        """

    def keep_snapshot(self, store: StoreSlug, order: Order, at: datetime) -> None:
        """Keep the order as seen: the only place personal data is stored, and it expires."""

    def read_snapshot(self, store: StoreSlug, order_id: OrderId) -> Order | None:
        """Read the order as last kept; None when there is none or it has expired."""

    def keep_shipstation_order(
        self, store: StoreSlug, order: ShipStationOrder, order_id: OrderId | None, at: datetime
    ) -> None:
        """Keep an order of ShipStation as seen at `at`, with the Shopify order it is part of, once that is known.

        Personal data, kept like a snapshot: it expires. None for `order_id` does not forget one kept before.
        """

    def read_shipstation_order(self, store: StoreSlug, shipstation_id: str) -> KeptShipStationOrder | None:
        """Read an order of ShipStation as last kept; None when there is none or it has expired."""

    def redact(self, store: StoreSlug, order_id: OrderId) -> None:
        """Empty snapshot and timeline of an order, and what was kept of its orders in ShipStation (`record.parts`).

        The record with its counts stays, so that the ledger still balances. Safe to repeat.
        """

    def note(self, store: StoreSlug, order_id: OrderId, event: TimelineEvent) -> None:
        """Add one entry to the order's timeline; it expires."""

    def timeline(self, store: StoreSlug, order_id: OrderId) -> list[TimelineEvent]:
        """Read the timeline, oldest first, without expired entries."""

    def keep_parcel(self, store: StoreSlug, order_id: OrderId, parcel: Parcel) -> None:
        """Keep a finished parcel with its number and carrier outside the record; repeating it changes nothing."""

    def due(self, now: datetime) -> Iterator[DueOrder]:
        """Find the records whose `due_at` is not after `now`, oldest first within a shard. Eventually consistent."""

    def open_orders(self, store: StoreSlug, status: Status) -> Iterator[OrderId]:
        """Find the unfinished orders in one status, the longest in it first. Eventually consistent."""

    def orders_of_day(self, store: StoreSlug, day: date) -> Iterator[OrderId]:
        """Find the orders created on a day (UTC), finished ones too. Eventually consistent."""

    def snapshots_of_day(
        self, store: StoreSlug, day: date, *, after: OrderId | None = None
    ) -> Iterator[tuple[OrderId, Order | None]]:
        """Read the orders created on a day (UTC) as last kept, in the order of `orders_of_day`. Eventually consistent.

        None stands for a snapshot that is not there, has expired or cannot be read. However many there are, only
        a hundred are in memory at once.

        Args:
            store: Whose orders.
            day: On which they were created.
            after: An order of that day: those behind it only, so that a reader goes on where it stopped.

        Raises:
            InvalidRequestError: `after` is no order of that day.
        """


@dataclass(frozen=True, slots=True)
class RuleVersion:
    """One version of a store's rules, as listed."""

    version: int
    active: bool
    shadow: bool = False
    saved_at: datetime | None = None
    by: str = ""
    note: str = ""
    """What its author said about it."""


class StoreSettings(Protocol):
    """SettingsTable."""

    def stores(self) -> Sequence[StoreSlug]:
        """Name every connected store."""

    def store(self, slug: StoreSlug) -> Store | None:
        """Read a store's settings; may be half a minute old."""

    def version(self, slug: StoreSlug) -> int:
        """Read the settings' version as it is now, strongly consistent; 0 for an unknown store."""

    def forget(self, slug: StoreSlug) -> None:
        """Drop what is remembered of a store, so that the next `store` reads it again."""

    def save_store(self, store: Store) -> None:
        """Write a store's own settings (not its mappings) and move its version."""

    def delete_store(self, slug: StoreSlug) -> None:
        """Take a store off the list and delete its own settings; rules and mappings stay for a reconnect."""

    # -- rules --------------------------------------------------------------------------------------------------

    def rule_versions(self, slug: StoreSlug) -> Sequence[RuleVersion]:
        """List every version kept, the newest first; the default rules are version 1 of a store without others."""

    def rules(self, slug: StoreSlug, version: int) -> RuleSet | None:
        """Read one version; None when there is none."""

    def save_rules(self, slug: StoreSlug, rules: Sequence[Rule], change: SettingsChange) -> RuleSet:
        """Keep rules as the next version. Nothing is decided by it before it is activated; it never changes."""

    def activate_rules(self, slug: StoreSlug, version: int, *, instead_of: int) -> None:
        """Let a version decide from now on, by one conditional write that moves the settings' version too.

        Raises:
            InvalidRequestError: There is no such store or version.
            ConflictError: Another version than `instead_of` is active by now.
        """

    def shadow_rules(self, slug: StoreSlug, version: int | None) -> None:
        """Let a version run beside the active one, or none; moves the settings' version.

        Raises:
            InvalidRequestError: There is no such store or version.
        """

    # -- mappings -----------------------------------------------------------------------------------------------

    def save_ship_option(self, slug: StoreSlug, mapping: ShipOptionMapping) -> None:
        """Write one line of the ship option mapping, then move the version.

        In this order, so that an order held meanwhile sees the new version after its own write.
        """

    def delete_ship_option(self, slug: StoreSlug, method: Method) -> None:
        """Delete one line of the mapping (safe to repeat), then move the version."""

    def save_sku(self, slug: StoreSlug, mapping: SkuMapping) -> None:
        """Write one line of the SKU map, then move the version."""

    def delete_sku(self, slug: StoreSlug, sku: str) -> None:
        """Delete one line of the SKU map (safe to repeat), then move the version."""

    def list_methods(self, slug: StoreSlug, methods: Iterable[Method], at: datetime) -> None:
        """Remember shipping methods that a partner offers, before any order uses them: count 0. Safe to repeat."""

    # -- who changed what ---------------------------------------------------------------------------------------

    def note_change(self, slug: StoreSlug, change: SettingsChange) -> None:
        """Keep who changed what, for ever."""

    def changes(self, slug: StoreSlug, *, limit: int = 100) -> Sequence[SettingsChange]:
        """Read the last changes, the newest first."""

    def note_method(self, slug: StoreSlug, method: Method, at: datetime) -> None:
        """Count a shipping method that no mapping names, so that it is listed as unmapped; no mapping changes."""

    def unmapped_methods(self, slug: StoreSlug) -> dict[Method, int]:
        """List the shipping methods seen on orders but not mapped, with how often."""


class Runtime(Protocol):
    """RuntimeTable: what may be lost without harm."""

    def cursor(self, store: StoreSlug, name: str) -> datetime | None:
        """Read how far a sweep has come."""

    def save_cursor(self, store: StoreSlug, name: str, at: datetime) -> None:
        """Remember how far a sweep has come."""

    def note_event(self, store: StoreSlug, partner: str, at: datetime) -> None:
        """Remember that a partner's webhook arrived; called at most every few minutes a process."""

    def last_event(self, store: StoreSlug, partner: str) -> datetime | None:
        """Say when a partner's webhook was last noted; None for never, or not for 30 days."""

    def note_foreign_order(self, store: StoreSlug, key: str, reference: str, at: datetime) -> None:
        """Remember for 90 days that somebody else has an order at Jetpack (`reference.foreign_keys`)."""

    def foreign_order(self, store: StoreSlug, key: str) -> str | None:
        """Give the reference of somebody else's order at Jetpack that is remembered under this key."""

    def allow(self, what: str, limit: int, seconds: int) -> bool:
        """Count one use of `what` and say whether it is among the first `limit` of this window of `seconds`."""

    def save_job(self, job: ReplayJob) -> None:
        """Keep a job's progress; it expires after 30 days."""

    def job(self, store: StoreSlug, job_id: str) -> ReplayJob | None:
        """Read a job's progress."""

    def jobs(self, store: StoreSlug) -> Sequence[ReplayJob]:
        """List a store's jobs, the newest first."""

    def note_difference(self, store: StoreSlug, version: int, difference: Difference, at: datetime) -> None:
        """Remember that a rule set in the shadow decides otherwise; once an order and version, for 30 days."""

    def differences(self, store: StoreSlug, version: int, *, limit: int = 100) -> Sequence[Difference]:
        """Read what a rule set in the shadow would have decided otherwise, the latest first."""


class WakeUpQueue(Protocol):
    """One of our queues."""

    def send(self, wake_ups: Sequence[WakeUp]) -> None:
        """Send wake-ups in as few calls as possible.

        Raises:
            TransientError: The queue did not take all of them; sending all again is safe (deduplicated).
        """


@dataclass(frozen=True, slots=True)
class NewJetpackOrder:
    """What is sent to create an order. Holds personal data: never logged, never queued."""

    reference: str
    number: str
    ship_option: str
    recipient: Address
    email: str
    phone: str
    lines: tuple[tuple[int, str, str, int, str], ...]
    """(1-based external line id, SKU, name, quantity, unit price or empty)"""
    purchased_at: datetime
    location: str = ""
    """The fulfillment center that is to ship it (its id at Jetpack); empty: Jetpack chooses."""


@dataclass(frozen=True, slots=True)
class Cancellation:
    """What Jetpack says to a cancel. `confirmed` only if every shipment says `is_success` or is cancelled."""

    confirmed: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """What Jetpack says to a change of one shipment: 200 does not mean done, `is_success` does."""

    done: bool
    reason: str = ""
    """Why not, in Jetpack's words without personal data."""


@dataclass(frozen=True, slots=True)
class ParcelTracking:
    """Where a parcel is (facts/shipbob.md section 11). The status is Jetpack's word, known or not."""

    shipment_id: str
    status: str
    number: str = ""
    carrier: str = ""
    url: str = ""
    at: datetime | None = None


class Warehouse(Protocol):
    """Jetpack, for one store. Any call may raise CredentialsRejectedError, TransientError or UnexpectedAnswerError."""

    def create_order(self, new: NewJetpackOrder) -> JetpackOrder:
        """Create an order. Not safe to repeat blindly, but a second one with this reference is refused.

        Raises:
            DuplicateReferenceError: Jetpack's words speak of an existing reference.
            RejectedByPartnerError: Refused for another reason; nothing was created (4xx).
            OutcomeUnknownError: Time-out or 5xx: it may have been created.
        """

    def find_order(self, reference: str) -> JetpackOrder | None:
        """Look an order up by reference. None is no proof of absence: lists lag behind by a minute."""

    def read_order(self, jetpack_order_id: str) -> JetpackOrder | None:
        """Read one order with its shipments."""

    def order_of_shipment(self, shipment_id: str) -> str | None:
        """Name the order a shipment belongs to."""

    def cancel_order(self, jetpack_order_id: str) -> Cancellation:
        """Cancel an order; safe to repeat. 200 does not mean cancelled (facts/shipbob.md section 10).

        Raises:
            OutcomeUnknownError: It may have been cancelled.
        """

    def cancel_shipment(self, shipment_id: str) -> Cancellation:
        """Cancel one shipment; safe to repeat.

        Raises:
            OutcomeUnknownError: It may have been cancelled.
        """

    def change_address(self, shipment_id: str, recipient: Address, email: str) -> Change:
        """Change where an unpicked shipment goes; safe to repeat.

        Raises:
            OutcomeUnknownError: It may have been changed.
        """

    def change_ship_option(self, shipment_ids: Sequence[str], ship_option: str) -> dict[str, Change]:
        """Ship by another option (its text, as in `catalogue`); safe to repeat. One answer a shipment.

        Raises:
            OutcomeUnknownError: Some may have been changed.
            RejectedByPartnerError: Jetpack has no such option.
        """

    def hold_shipments(self, shipment_ids: Sequence[str]) -> dict[str, Change]:
        """Put unpicked shipments on a manual hold, their stock reserved; safe to repeat. One answer a shipment.

        Raises:
            OutcomeUnknownError: Some may be held.
        """

    def release_shipments(self, shipment_ids: Sequence[str]) -> dict[str, Change]:
        """Lift a merchant's hold; Jetpack's own stay. Safe to repeat. One answer a shipment.

        Raises:
            OutcomeUnknownError: Some may be released.
        """

    def tracking(self, shipment_ids: Sequence[str]) -> Iterator[ParcelTracking]:
        """Read where parcels are, in as few calls as possible (25 a call); unknown ones are left out."""

    def catalogue(self, skus: frozenset[str], ship_options: frozenset[str], *, with_stock: bool = False) -> Catalogue:
        """Tell which of these SKUs and ship option texts Jetpack knows, and which are active.

        What is known and active may be some minutes old; what is missing was asked for just now, but for customs
        data, whose lack may be a minute old. `with_stock` reads how many units of each SKU can be sold now, too:
        zero for one that is not known, a minute old at most.
        """

    def orders_since(self, since: datetime) -> Iterator[SeenAtJetpack]:
        """Find the orders of every channel inserted at or after `since`, oldest first, every page, cancelled ones too.

        Some from a moment before may be among them, and the list lags behind by a minute: begin that much earlier
        than the last time ended.
        """

    def stock(self) -> Iterator[JetpackStock]:
        """Read the network's stock, every page."""


@dataclass(frozen=True, slots=True)
class ParcelAnnouncement:
    """Units of fulfillment orders of one location that left in one parcel."""

    lines: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]
    """(fulfillment order id, ((fulfillment order line id, quantity), …))"""
    number: str
    carrier: str
    url: str
    notify_customer: bool = True


@dataclass(frozen=True, slots=True)
class TrackingNumber:
    """One number a parcel travels under. A fulfillment has one carrier: the first one's."""

    number: str
    carrier: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class MirroredHold:
    """A hold of ours as Shopify shows it."""

    reason: str
    """One of Shopify's (facts/shopify.md section 6): INCORRECT_ADDRESS, HIGH_RISK_OF_FRAUD, OTHER …"""
    notes: str
    """Our reason and what would lift it, in plain words; never personal data."""
    handle: str = "jetbridge"


class Shop(Protocol):
    """Shopify, for one store. Any call may raise CredentialsRejectedError, TransientError or UnexpectedAnswerError."""

    def read_order(self, order_id: OrderId) -> Order | None:
        """Read order, fulfillment orders, holds, risk and fulfillments in one query (more only for long orders)."""

    def read_order_of(self, fulfillment_order_id: str) -> Order | None:
        """Read the order a fulfillment order (GID) belongs to, in the same one query."""

    def announce_parcel(self, announcement: ParcelAnnouncement) -> str:
        """Create a fulfillment and tell the customer. There is no idempotency key: read first when unsure.

        Returns:
            The fulfillment's id.

        Raises:
            RejectedByPartnerError: Shopify refused it; nothing was created.
            OutcomeUnknownError: It may have been created.
        """

    def hold(self, fulfillment_order_id: str, hold: MirroredHold) -> None:
        """Put a fulfillment order on hold under our handle. One that has our hold already counts as done.

        Raises:
            RejectedByPartnerError: Shopify refused it; nothing was held.
            OutcomeUnknownError: It may be held; repeating it is safe.
        """

    def release_holds(self, fulfillment_order_id: str, hold_ids: Sequence[str]) -> None:
        """Release these holds of a fulfillment order; ones that are gone count as done. Safe to repeat.

        Raises:
            RejectedByPartnerError: Shopify refused it; nothing was released.
            OutcomeUnknownError: They may be released.
        """

    def add_tags(self, order_id: OrderId, tags: Sequence[str]) -> None:
        """Put tags on an order, beside those it has; safe to repeat.

        Raises:
            RejectedByPartnerError: Shopify refused it; nothing was changed.
            OutcomeUnknownError: It may have been changed.
        """

    def remove_tags(self, order_id: OrderId, tags: Sequence[str]) -> None:
        """Take tags off an order; ones it does not have count as done. Raises what `add_tags` does."""

    def set_note(self, order_id: OrderId, note: str) -> None:
        """Replace an order's note; safe to repeat. Raises what `add_tags` does."""

    def mark_forwarded(self, order_id: OrderId, references: Sequence[str]) -> None:
        """Write under which references an order is at Jetpack, in a metafield of our app. Safe to repeat.

        No references delete the mark; one that is not there counts as done. Raises what `add_tags` does.
        """

    def orders_named(self, name: str) -> tuple[OrderId, ...]:
        """Find the orders that bear exactly this name; a leading # counts for nothing, neither does case."""

    def change_tracking(self, fulfillment_id: str, numbers: Sequence[TrackingNumber], *, notify_customer: bool) -> None:
        """Replace all tracking numbers of a fulfillment; safe to repeat, though it may notify again.

        Raises:
            RejectedByPartnerError: Shopify refused it; nothing was changed.
            OutcomeUnknownError: It may have been changed.
        """

    def orders_changed_since(self, since: datetime) -> Iterator[ChangedOrder]:
        """Find the orders whose `updated_at` is not before `since`, oldest change first."""

    def fulfillment_orders_changed_since(self, since: datetime) -> Iterator[ChangedOrder]:
        """Find the orders one of whose fulfillment orders changed: the order's own time need not have moved."""

    def stock(self, location_id: str) -> Iterator[ShopifyStock]:
        """Read the stock of one location, every page: tracked items with a SKU only."""

    def set_available(
        self, location_id: str, changes: Sequence[StockChange], *, idempotency_key: str
    ) -> dict[str, str]:
        """Set `available` for at most 250 items, compared with what it was when read.

        Returns:
            Inventory item id → Shopify's error code, for entries it refused. If there is any, nothing at all
            was written.

        Raises:
            OutcomeUnknownError: It may have been written; repeating it with the same key is safe.
        """


class ShippingDesk(Protocol):
    """ShipStation V1, for one store. Any call may raise what `Warehouse`'s may.

    Without API access in the plan (402) every call raises CredentialsRejectedError with code `suspended`.
    """

    def read_order(self, shipstation_id: str) -> ShipStationOrder | None:
        """Read one order."""

    def orders_numbered(self, number: str) -> tuple[ShipStationOrder, ...]:
        """Find the orders of our store that bear exactly this number: all parts of a split have the same."""

    def orders_changed_since(self, since: datetime) -> Iterator[ShipStationOrder]:
        """Find the orders of our store modified at or after `since`, oldest change first, every page."""

    def orders_behind(self, resource: Resource) -> Iterator[ShipStationOrder]:
        """Read the orders a webhook points at, every page, those of other stores left out.

        Raises:
            ForeignAddressError: The address is none of ShipStation's; nothing was sent to it.
        """

    def labelled_behind(self, resource: Resource) -> Iterator[str]:
        """Name the orders whose labels or fulfillments a webhook points at, every page.

        Raises:
            ForeignAddressError: The address is none of ShipStation's; nothing was sent to it.
        """

    def mark_shipped(self, mark: Mark) -> None:
        """Mark a whole order as shipped. Repeating it is not documented: read first when unsure.

        An order that is shipped already counts as marked.

        Raises:
            RejectedByPartnerError: Refused; nothing was marked.
            OutcomeUnknownError: It may have been marked. A 500 that names a validation error is this, too.
        """

    def fulfillments_since(self, since: datetime) -> Iterator[ShipStationFulfillment]:
        """Find the fulfillments created at or after `since`, every page. May be a minute old: many orders ask."""

    def fulfillments_of(self, shipstation_id: str) -> tuple[ShipStationFulfillment, ...]:
        """Read the fulfillments of one order."""


class Partners(Protocol):
    """Gives the partners of a store, connected with its credentials."""

    def desk(self, store: Store) -> ShippingDesk:
        """Connect to the store's ShipStation account; `store.shipstation` must be set."""

    def shop(self, store: Store) -> Shop:
        """Connect to the store's Shopify shop."""

    def warehouse(self, store: Store) -> Warehouse:
        """Connect to the store's Jetpack account."""


class WebhookSecrets(Protocol):
    """The secrets webhooks are signed with."""

    def webhook_secrets(self, store: str, partner: str) -> Sequence[str]:
        """Give the secrets in use, several during a rotation; empty for a store or partner we do not know.

        Remembered for some minutes either way.
        """

    def webhook_secrets_again(self, store: str, partner: str) -> Sequence[str]:
        """Give the secrets as they are now, after none of the remembered ones fits: one may just have been changed.

        Asks at most every 30 seconds a store, so that forged requests cost nothing.
        """


# -- connecting a store ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subscription:
    """One webhook subscription as a partner lists it."""

    id: str
    topics: tuple[str, ...]
    address: str
    active: bool = True


@dataclass(frozen=True, slots=True)
class ShopLocation:
    """A location of the shop."""

    id: str
    name: str
    active: bool
    fulfills_online_orders: bool = True
    fulfillment_service: bool = False


@dataclass(frozen=True, slots=True)
class ShopFacts:
    """What one look at a shop's administration tells."""

    name: str
    domain: str
    """The myshopify.com domain."""
    plan: str
    points_a_second: int
    scopes: frozenset[str]
    locations: tuple[ShopLocation, ...]
    answered_version: str
    """The API version that answered, which falls forward when the one asked for has ended."""
    time_zone: str = "UTC"
    """Its IANA name."""
    claimed_by: str = ""
    """The deployment that forwards this shop's orders, as its app metafield says."""
    clock_ahead_seconds: float = 0.0
    """The partner's clock less ours."""


class ShopAdmin(Protocol):
    """Shopify, for connecting. Any call may raise what `Shop`'s may; RejectedByPartnerError carries its words."""

    def facts(self) -> ShopFacts:
        """Look at the shop. Scopes that are not granted leave facts out, they do not fail."""

    def shipping_methods(self) -> tuple[str, ...]:
        """Name every shipping method of the delivery profiles; empty when the scope for it is missing."""

    def claim(self, owner: str) -> None:
        """Write into the shop who forwards its orders (app metafield); an empty owner gives it back. Safe to repeat."""

    def subscriptions(self) -> tuple[Subscription, ...]:
        """List this app's webhook subscriptions, every page. Topics as in `X-Shopify-Topic` (orders/updated)."""

    def subscribe(self, topic: str, address: str) -> None:
        """Subscribe to one topic (orders/updated). An address subscribed already counts as done."""

    def unsubscribe(self, subscription_id: str) -> None:
        """Delete one subscription; one that is gone counts as done."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel at Jetpack. Orders are written through the one whose scopes end in `_write`."""

    id: str
    name: str
    application: str
    scopes: frozenset[str]

    @property
    def writable(self) -> bool:
        """Whether we may write through it."""
        return any(scope.endswith("_write") for scope in self.scopes)


@dataclass(frozen=True, slots=True)
class WarehouseFacts:
    """What one look at a Jetpack account tells."""

    channels: tuple[Channel, ...]
    ship_options: tuple[tuple[str, bool], ...]
    """(text, active)"""
    recent_orders: tuple[tuple[str, int], ...]
    """(channel id, orders inserted in the last days) over all channels: somebody else may be forwarding."""
    clock_ahead_seconds: float = 0.0


class WarehouseAdmin(Protocol):
    """Jetpack, for connecting. Any call may raise what `Warehouse`'s may."""

    def ship_options(self) -> tuple[tuple[str, bool], ...]:
        """List every ship option text and whether it is active."""

    def locations(self) -> tuple[tuple[str, str], ...]:
        """List the fulfillment centers that may ship for us: (id, name)."""

    def facts(self, recent_since: datetime) -> WarehouseFacts:
        """Look at the account."""

    def subscriptions(self) -> tuple[Subscription, ...]:
        """List the webhook subscriptions, every page. Their secrets are not shown."""

    def subscribe(self, topics: Sequence[str], address: str) -> str:
        """Subscribe to topics with one secret, which is shown this once and returned."""

    def unsubscribe(self, subscription_id: str) -> None:
        """Delete one subscription; one that is gone counts as done."""


@dataclass(frozen=True, slots=True)
class DeskStore:
    """A store of a ShipStation account."""

    id: str
    name: str
    marketplace: str
    active: bool
    imports_by_itself: bool
    """`autoRefresh`."""
    last_import_at: datetime | None = None
    """`lastRefreshAttempt`; None when it never was, or cannot be read."""


class DeskAdmin(Protocol):
    """ShipStation, for connecting. Any call may raise what `ShippingDesk`'s may."""

    def services(self) -> tuple[str, ...]:
        """Name the services of all its carriers."""

    def stores(self) -> tuple[DeskStore, ...]:
        """List the account's stores, inactive ones too."""

    def subscriptions(self) -> tuple[Subscription, ...]:
        """List the account's webhook subscriptions; one topic each (ORDER_NOTIFY)."""

    def subscribe(self, event: str, address: str, store_id: str) -> None:
        """Subscribe one store's event. Not deduplicated by ShipStation: list first."""

    def unsubscribe(self, subscription_id: str) -> None:
        """Delete one subscription; one that is gone counts as done."""


class Administrations(Protocol):
    """Opens the partners' administrations with credentials that are not stored yet."""

    def shop(self, connection: ShopifyConnection, credentials: Mapping[str, str]) -> ShopAdmin:
        """Open a shop. Credentials: `access_token`, or `client_id` and `client_secret`."""

    def warehouse(self, connection: JetpackConnection, credentials: Mapping[str, str]) -> WarehouseAdmin:
        """Open a Jetpack account. Credentials: `token`."""

    def desk(self, connection: ShipStationConnection, credentials: Mapping[str, str]) -> DeskAdmin:
        """Open a ShipStation account. Credentials: `api_key` and `api_secret`."""


class SecretStore(Protocol):
    """Where credentials and webhook secrets of stores are kept."""

    def credentials(self, store: StoreSlug, partner: str) -> dict[str, str] | None:
        """Read what is shown to a partner; None when nothing is stored."""

    def save_credentials(self, store: StoreSlug, partner: str, credentials: Mapping[str, str]) -> None:
        """Store what is shown to a partner, instead of what was there."""

    def webhook_secrets(self, store: StoreSlug, partner: str) -> Sequence[str]:
        """Read the webhook secrets in use; empty when there are none."""

    def save_webhook_secrets(self, store: StoreSlug, partner: str, secrets: Sequence[str]) -> None:
        """Store all webhook secrets in use, instead of those that were there; an empty list means none."""

    def delete(self, store: StoreSlug, partner: str) -> None:
        """Forget credentials and webhook secrets; what is gone counts as done."""

    def console_tokens(self) -> Mapping[str, str]:
        """Read the tokens that open the console, by the name of who has it; empty when there are none."""


class Notices(Protocol):
    """Where the people of a store are told of something."""

    def publish(self, store: StoreSlug, subject: str, text: str) -> None:
        """Tell them, perhaps twice. Never personal data.

        Raises:
            TransientError: Nobody was told.
        """


class WebhookReader(Protocol):
    """One partner's way of signing and naming things. Knows headers and bodies; keeps nothing of them."""

    def signed(
        self, headers: Mapping[str, str], raw: bytes, secrets: Sequence[str], now: float, *, token: str = ""
    ) -> bool:
        """Whether one of the secrets signed exactly these bytes, lately enough. Compares in constant time.

        A partner that cannot sign (ShipStation) is told by the token in the path instead.
        """

    def read(self, headers: Mapping[str, str], raw: bytes, store: StoreSlug, now: float) -> Notice:
        """Pick topic and ids out of a signed request.

        Raises:
            MalformedRequestError: It is not what the partner documents.
        """


class Notice(Protocol):
    """What a webhook names: nothing of its body but ids."""

    @property
    def topic(self) -> str:
        """The partner's topic, in lower case."""

    @property
    def delivery_id(self) -> str:
        """The partner's id of this delivery, the same when it is repeated."""

    @property
    def wake_ups(self) -> Sequence[WakeUp]:
        """Empty for a topic nobody here waits for, or an order that is not ours."""

    @property
    def queue(self) -> str:
        """Which queue they go to: order, tracking or sweep."""
