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

    from jetbridge.domain.identifiers import OrderId, StoreSlug
    from jetbridge.domain.order import Address, Catalogue, JetpackOrder, Order
    from jetbridge.domain.record import NextLook, OrderRecord, Parcel, Status
    from jetbridge.domain.ship_options import Method, ShipOptionMapping
    from jetbridge.domain.stock import JetpackStock, ShopifyStock, StockChange
    from jetbridge.domain.store import Store
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

    def save_ship_option(self, slug: StoreSlug, mapping: ShipOptionMapping) -> None:
        """Write one line of the ship option mapping, then move the version.

        In this order, so that an order held meanwhile sees the new version after its own write.
        """

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


@dataclass(frozen=True, slots=True)
class Cancellation:
    """What Jetpack says to a cancel. `confirmed` only if every shipment says `is_success` or is cancelled."""

    confirmed: bool
    reasons: tuple[str, ...] = ()


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

    def catalogue(self, skus: frozenset[str], ship_options: frozenset[str]) -> Catalogue:
        """Tell which of these SKUs and ship option texts Jetpack knows, and which are active.

        What is known and active may be some minutes old; what is missing was asked for just now.
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


class Partners(Protocol):
    """Gives the partners of a store, connected with its credentials."""

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


class WebhookReader(Protocol):
    """One partner's way of signing and naming things. Knows headers and bodies; keeps nothing of them."""

    def signed(self, headers: Mapping[str, str], raw: bytes, secrets: Sequence[str], now: float) -> bool:
        """Whether one of the secrets signed exactly these bytes, lately enough. Compares in constant time."""

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
    def wake_up(self) -> WakeUp | None:
        """None for a topic nobody here waits for, or an order that is not ours."""
