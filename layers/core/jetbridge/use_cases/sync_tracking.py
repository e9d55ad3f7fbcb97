"""The way back: what Jetpack shipped is told to the shop, every parcel once, and deliveries are recorded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from jetbridge.domain.identifiers import OrderId
from jetbridge.domain.parcels import (
    fulfillment_of,
    holds_all,
    missing_at_jetpack,
    still_to_announce,
    told_with,
    unannounced,
    with_parcel,
    with_shipments,
    writer_of,
)
from jetbridge.domain.record import (
    Consignment,
    ConsignmentState,
    MarkState,
    NextLook,
    OrderRecord,
    Parcel,
    ParcelState,
    Writer,
    looking_again,
)
from jetbridge.domain.reference import parse_reference
from jetbridge.domain.store import Route
from jetbridge.errors import CredentialsRejectedError, PartnerError, RejectedByPartnerError
from jetbridge.ports import ParcelAnnouncement, TrackingNumber
from jetbridge.use_cases.looking import JETPACK_MARGIN, LOOK_AGAIN, Look, Looked, look_until_written, unchanged
from jetbridge.use_cases.telling_shipstation import ShipStationTelling

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetbridge.domain.identifiers import StoreSlug
    from jetbridge.domain.order import Fulfillment, JetpackOrder, Order
    from jetbridge.domain.parcels import Announcement
    from jetbridge.domain.store import Store
    from jetbridge.messages import WakeUp
    from jetbridge.ports import OrderRecords, Partners, Shop, StoreSettings, Warehouse

BY = "sync_tracking"
TRY_FAILED = timedelta(hours=6)
"""When to ask again for a parcel that is for a person: the person may have put the shop right."""

NOT_NOW = timedelta(minutes=15)
"""When the shop cannot take a parcel at the moment (a hold on its fulfillment order): when to ask again."""


def sync_tracking(  # noqa: PLR0913 - one keyword a port
    wake_up: WakeUp,
    *,
    records: OrderRecords,
    settings: StoreSettings,
    partners: Partners,
    clock: Callable[[], datetime],
    time_left: Callable[[], timedelta],
    jitter: Callable[[], float],
) -> Looked:
    """Look at Jetpack's side of the order a wake-up names, and tell the shop what is new.

    Safe to call any number of times: a parcel is written down as being announced before it is announced, and
    the shop is read before each announcement.

    Raises:
        TransientError: One of our own tables does not answer; the message comes again.
        ConflictError: The record was written by others again and again; the message comes again.
    """
    return look_until_written(
        lambda: Look(BY, NextLook.TRACK, wake_up, records, settings, partners, clock, time_left, jitter, clock()),
        lambda look: _Tracking(look).run(),
    )


class _Tracking:
    """One look at one order's shipments, step by step."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self.records = look.records
        self.delivered: frozenset[str] = frozenset()
        """Shipments that arrived already, as this look saw them."""

    def run(self) -> Looked:  # noqa: PLR0911 - one return a way to end early
        look, wake_up = self.look, self.look.wake_up
        store = look.settings.store(wake_up.store)
        if store is None:
            return look.finish("unknown_store", None)
        record: OrderRecord | None = None
        try:
            warehouse = look.partners.warehouse(store)
            if wake_up.subject == "order":
                record = self.records.read(store.slug, OrderId(wake_up.id))
                if record is None:
                    return look.finish("unknown_order", None)
                if look.already_seen(record.jetpack_looked_at, JETPACK_MARGIN, record.track_at):
                    return look.finish("already_seen", record)
                if record.due_at is None and all(each.complete and not each.trouble for each in record.live):
                    # Everything left and arrived: what still comes in about it is not worth a call to Jetpack.
                    return look.finish("finished", record)
                seen = self._orders_of(record, warehouse)
            else:
                named = self._named(wake_up, warehouse)
                found = parse_reference(named.reference) if named else None
                if named is None or found is None or found[0] != store.slug:
                    return look.finish("foreign_order", None)
                record = self.records.read(store.slug, OrderId(found[1]))
                if record is None:
                    return look.finish("foreign_order", None)
                seen = {**self._orders_of(record, warehouse, but=found[2]), found[2]: named}
        except PartnerError as error:
            return self._put_off(store, record, error)
        return self._advance(store, record, seen)

    def _named(self, wake_up: WakeUp, warehouse: Warehouse) -> JetpackOrder | None:
        jetpack_order_id: str | None = wake_up.id
        if wake_up.subject == "shipment":
            jetpack_order_id = warehouse.order_of_shipment(wake_up.id)
        return warehouse.read_order(jetpack_order_id) if jetpack_order_id else None

    def _orders_of(self, record: OrderRecord, warehouse: Warehouse, *, but: int = 0) -> dict[int, JetpackOrder | None]:
        return {
            each.n: warehouse.read_order(each.jetpack_order_id)
            for each in record.live
            if each.state is ConsignmentState.LIVE and each.jetpack_order_id and each.n != but
        }

    def _put_off(self, store: Store, record: OrderRecord | None, error: PartnerError) -> Looked:
        """Keep what could not be looked at: by its record if we know whose it is, else by its own next poll."""
        look = self.look
        look.did.append(f"Jetpack not read: {type(error).__name__}")
        if record is None:
            record = self._record_of(store.slug)
        if record is None:
            return look.finish("put_off", None)
        return look.finish("put_off", self.look.write(look.put_off(record, error)))

    def _record_of(self, slug: StoreSlug) -> OrderRecord | None:
        if self.look.wake_up.subject != "order":
            return None
        return self.records.read(slug, OrderId(self.look.wake_up.id))

    # -- what is new -----------------------------------------------------------------------------------------

    def _advance(self, store: Store, stored: OrderRecord, seen: dict[int, JetpackOrder | None]) -> Looked:
        look, now = self.look, self.look.clock()
        record = stored
        shipments = (each for order in seen.values() if order for each in order.shipments)
        self.delivered = frozenset(each.id for each in shipments if each.delivered)
        for n, jetpack_order in seen.items():
            consignment = next((each for each in record.live if each.n == n), None)
            if consignment is None or consignment.state is not ConsignmentState.LIVE:
                # Still being created, or taken back: forward_order has it in hand, and its intent has an end.
                continue
            updated = with_shipments(consignment, jetpack_order, now) if jetpack_order else None
            record = record.with_consignment(updated or missing_at_jetpack(consignment, now))
        self._keep_finished(stored, record)
        record = replace(record, jetpack_looked_at=look.began)
        self._tell(stored, record)
        waiting = list(unannounced(record, now))
        if waiting:
            if record.route is Route.SHIPSTATION and record.writer is None:
                record = replace(record, writer=self._writer(store, record, seen))
            return self._announce(store, look.settle(record), waiting)
        if self._marks_due(record, now):
            record = look.settle(_succeeded(record))
            record = stored if unchanged(stored, record, now) else look.write(record)
            return look.finish("looked", self._mark(store, record))
        record = look.settle(_succeeded(record))
        record = self._look_once_more(stored, record)
        if unchanged(stored, record, now):
            return look.finish("unchanged", stored)
        return look.finish("looked", self.look.write(record))

    def _writer(self, store: Store, record: OrderRecord, seen: dict[int, JetpackOrder | None]) -> Writer:
        """Choose who tells the shop. What ShipStation has now decides: it may have been split or merged since."""
        writer = writer_of(record, seen)
        if writer is Writer.SHIPSTATION:
            (consignment,) = record.live
            try:
                part = self.look.partners.desk(store).read_order(consignment.shipstation_id)
            except PartnerError as error:
                self.look.did.append(f"ShipStation not read, so we tell the shop: {type(error).__name__}")
                return Writer.SHOPIFY
            if part is None or not holds_all(part, consignment):
                return Writer.SHOPIFY
        return writer

    def _look_once_more(self, stored: OrderRecord, record: OrderRecord) -> OrderRecord:
        """Jetpack's reads lag: a webhook that changed nothing is believed only after a later look."""
        wake_up = self.look.wake_up
        by_webhook = wake_up.cause.startswith("jetpack:")
        if not by_webhook or record.track_at is None or not unchanged(stored, record, self.look.began):
            return record
        caught_up = datetime.fromtimestamp(wake_up.seen_at, UTC) + JETPACK_MARGIN
        if caught_up <= self.look.began or (stored.track_at or record.track_at) <= caught_up:
            return record
        return looking_again(record, NextLook.TRACK, caught_up)

    def _keep_finished(self, before: OrderRecord, after: OrderRecord) -> None:
        """Move a delivered parcel's number and carrier out of the record, before the record forgets them."""
        known = {parcel.shipment_id: parcel for parcel in before.parcels}
        for parcel in after.parcels:
            was = known.get(parcel.shipment_id)
            if parcel.done and was and not was.done:
                kept = replace(was, state=ParcelState.DELIVERED, until=None)
                self.records.keep_parcel(after.store, after.order_id, kept)

    def _tell(self, before: OrderRecord, after: OrderRecord) -> None:
        known = {parcel.shipment_id: parcel.state for parcel in before.parcels}
        for parcel in after.parcels:
            if known.get(parcel.shipment_id) != parcel.state:
                self.look.did.append(f"parcel {parcel.shipment_id} {_WORDS[parcel.state]}")
        for each in after.live:
            was = next((one.trouble for one in before.consignments if one.n == each.n), None)
            if each.trouble and each.trouble != was:
                self.look.did.append(f"{each.reference}: {each.trouble.reason} ({each.trouble.detail})")

    # -- announcing ------------------------------------------------------------------------------------------

    def _announce(self, store: Store, record: OrderRecord, waiting: list[tuple[Consignment, Parcel]]) -> Looked:
        """Tell the shop of the parcels it does not know, one fulfillment each, under intents written first."""
        look = self.look
        until = look.intent_end()
        for consignment, parcel in waiting:
            record = with_parcel(record, consignment.n, replace(parcel, until=until))
        record = self.look.write(look.settle(record))
        if record.writer is Writer.SHIPSTATION:
            record, waiting = ShipStationTelling(look, store).tell(record, waiting)
            if not waiting:
                return look.finish("looked", self._arrived(record))
        shop = look.partners.shop(store)
        try:
            order = shop.read_order(record.order_id)
        except PartnerError as error:
            look.did.append(f"shop not read: {type(error).__name__}")
            return look.finish("put_off", self._released(record, waiting, error))
        used: Counter[str] = Counter()
        told: list[tuple[int, Parcel]] = []
        for consignment, parcel in waiting:
            known = [*record.parcels, *(each for _, each in told)]
            others = frozenset(each.fulfillment_id for each in known if each.shipment_id != parcel.shipment_id)
            telling = _Telling(look, shop, store, order, record)
            told.append((consignment.n, after := telling.tell(parcel, used, others)))
            order = order and _renumbered(order, parcel, after)

        def merged(current: OrderRecord) -> OrderRecord:
            for n, parcel in told:
                current = self._told(current, n, parcel)
            return look.settle(_succeeded(current))

        record = self._arrived(look.merge(record, merged))
        return look.finish("looked", self._mark(store, record))

    def _arrived(self, record: OrderRecord) -> OrderRecord:
        """Come back soon for a parcel that had arrived before it was told of: nothing else will wake us."""
        told = (each.shipment_id for each in record.parcels if each.state is ParcelState.ANNOUNCED)
        if self.delivered.isdisjoint(told):
            return record
        return self.look.merge(record, lambda now: looking_again(now, NextLook.TRACK, self.look.clock()))

    def _marks_due(self, record: OrderRecord, now: datetime) -> bool:
        marks = (record.mark(part) for part, _ in record.owed_marks)
        return any(mark is None or mark.until is None or mark.until <= now for mark in marks)

    def _mark(self, store: Store, record: OrderRecord) -> OrderRecord:
        """Tell ShipStation which of its orders are shipped, where the shop was told by us."""
        if not self._marks_due(record, self.look.clock()):
            return record
        return ShipStationTelling(self.look, store).mark_rest(record)

    def _told(self, record: OrderRecord, n: int, parcel: Parcel) -> OrderRecord:
        current = next((each for each in record.consignment(n).parcels if each.shipment_id == parcel.shipment_id), None)
        if current is None or current.state in {ParcelState.ANNOUNCED, ParcelState.DELIVERED}:
            return record
        return with_parcel(record, n, parcel)

    def _released(
        self, record: OrderRecord, waiting: list[tuple[Consignment, Parcel]], error: Exception
    ) -> OrderRecord:
        """Nothing was announced: end the intents, so that the next look may begin at once."""
        look = self.look

        def free(current: OrderRecord) -> OrderRecord:
            for consignment, parcel in waiting:
                current = with_parcel(current, consignment.n, replace(parcel, until=None))
            return look.put_off(current, error)

        return look.merge(record, free)


def _succeeded(record: OrderRecord) -> OrderRecord:
    """Forget the failures of the way back, after a whole look of it."""
    return replace(record, track_attempts=0, track_failing_since=None, track_failed="")


@dataclass(frozen=True, slots=True)
class _Telling:
    """Tells the shop of parcels of one order, which was read before the first of them."""

    look: Look
    shop: Shop
    store: Store
    order: Order | None
    record: OrderRecord

    def tell(self, parcel: Parcel, used: Counter[str], others: frozenset[str]) -> Parcel:
        """Announce one parcel, unless the shop shows it already. Returns it with what came of it.

        Args:
            parcel: The parcel.
            used: Units taken by parcels told of since the order was read; added to.
            others: The fulfillments of other parcels.
        """
        look, order, number = self.look, self.order, parcel.shipment_id
        if order is None:
            look.did.append(f"parcel {number}: the order is gone at the source")
            return replace(parcel, state=ParcelState.FAILED, until=look.clock() + TRY_FAILED)
        try:
            if earlier := fulfillment_of(parcel, order):
                return self._renumber(parcel, earlier, instead_of=parcel.told)
            if not parcel.units and (others_of := self._same_bundle(parcel)):
                return self._beside(parcel, others_of, order)
            left = still_to_announce(parcel, order, self.store.locations, used, others)
            if not left.parts and not left.known and not left.held and (whole := self._told_by_shipstation(order)):
                return self._renumber(parcel, whole)
            return self._announce(parcel, left)
        except PartnerError as error:
            # Unknown or refused (somebody may have fulfilled it a moment ago): the next look reads first.
            look.did.append(f"parcel {number} not announced yet: {type(error).__name__}")
            wait = NOT_NOW if isinstance(error, RejectedByPartnerError | CredentialsRejectedError) else LOOK_AGAIN
            return replace(parcel, until=look.clock() + wait)

    def _announce(self, parcel: Parcel, left: Announcement) -> Parcel:
        look, number = self.look, parcel.shipment_id
        if left.held:
            look.did.append(f"parcel {number}: the shop holds its units, asking again")
            return replace(parcel, until=look.clock() + NOT_NOW)
        if not left.parts and left.known:
            look.did.append(f"parcel {number} was announced already")
            return _announced(parcel, left.known)
        if not left.parts:
            look.did.append(f"parcel {number}: its units were removed or fulfilled by somebody else")
            return replace(parcel, state=ParcelState.FAILED, until=look.clock() + TRY_FAILED)
        fulfillment_id = ""
        for part in left.parts:
            fulfillment_id = self.shop.announce_parcel(
                ParcelAnnouncement(part.lines, parcel.number, parcel.carrier, parcel.url)
            )
        look.did.append(f"announced parcel {number} to the customer")
        return _announced(parcel, fulfillment_id)

    def _same_bundle(self, parcel: Parcel) -> frozenset[str]:
        """Name the other parcels of its consignment that the bundles it holds the rest of were told with."""
        for each in self.record.live:
            if any(one.shipment_id == parcel.shipment_id for one in each.parcels):
                return told_with(parcel, each)
        return frozenset()

    def _beside(self, parcel: Parcel, others: frozenset[str], order: Order) -> Parcel:
        """Put a parcel's number beside the one its goods were told with, once the shop shows that."""
        beside = [each for each in self.record.parcels if each.shipment_id in others]
        fulfillment = next((found for each in beside if (found := _shown(each, order))), None)
        if fulfillment:
            return self._renumber(parcel, fulfillment)
        if any(each.state is ParcelState.ANNOUNCING for each in beside):
            self.look.did.append(f"parcel {parcel.shipment_id} waits for the parcel its goods are told with")
            return replace(parcel, until=self.look.clock() + LOOK_AGAIN)
        self.look.did.append(f"parcel {parcel.shipment_id}: the shop does not show the parcel its goods are told with")
        return replace(parcel, state=ParcelState.FAILED, until=self.look.clock() + TRY_FAILED)

    def _told_by_shipstation(self, order: Order) -> Fulfillment | None:
        """Find the fulfillment ShipStation told of the whole order with: a late parcel's number is put beside."""
        marks = {mark.number for mark in self.record.marks if mark.state is MarkState.MARKED}
        return next((each for each in order.fulfillments if each.counts and marks & set(each.tracking_numbers)), None)

    def _renumber(self, parcel: Parcel, fulfillment: Fulfillment, *, instead_of: str = "") -> Parcel:
        """Put a parcel's number into a fulfillment, unless it stands there already."""
        number = parcel.shipment_id
        if parcel.number not in fulfillment.tracking_numbers:
            known = {each.number: each for each in self.record.parcels}
            kept = (each for each in fulfillment.tracking_numbers if each != instead_of)
            numbers = [
                TrackingNumber(each, known[each].carrier, known[each].url) if each in known else TrackingNumber(each)
                for each in kept
            ]
            numbers.append(TrackingNumber(parcel.number, parcel.carrier, parcel.url))
            self.shop.change_tracking(fulfillment.id, numbers, notify_customer=True)
            self.look.did.append(f"told the customer the number of parcel {number}")
        else:
            self.look.did.append(f"parcel {number} was announced already")
        return _announced(parcel, fulfillment.id)


def _shown(parcel: Parcel, order: Order) -> Fulfillment | None:
    """Find the fulfillment that tells of a parcel; of what ShipStation told only the number is known."""
    for each in order.fulfillments:
        numbered = not parcel.fulfillment_id and parcel.number and parcel.number in each.tracking_numbers
        if each.counts and (numbered or (parcel.fulfillment_id and each.id == parcel.fulfillment_id)):
            return each
    return None


def _renumbered(order: Order, before: Parcel, after: Parcel) -> Order:
    """Give the order as it is after a parcel's number was put into a fulfillment of it: the next one adds to that."""
    told = after.state is ParcelState.ANNOUNCED
    return replace(
        order,
        fulfillments=tuple(
            replace(
                each,
                tracking_numbers=(*(number for number in each.tracking_numbers if number != before.told), after.number),
            )
            if told and each.id == after.fulfillment_id and after.number not in each.tracking_numbers
            else each
            for each in order.fulfillments
        ),
    )


def _announced(parcel: Parcel, fulfillment_id: str) -> Parcel:
    return replace(parcel, state=ParcelState.ANNOUNCED, fulfillment_id=fulfillment_id, url="", until=None, told="")


_WORDS = {
    ParcelState.ANNOUNCING: "left Jetpack",
    ParcelState.ANNOUNCED: "announced",
    ParcelState.DELIVERED: "delivered",
    ParcelState.FAILED: "could not be announced",
}
