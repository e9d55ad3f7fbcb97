"""Look at one order and do what follows for the way forward: create, take back, hold, or leave alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from jetbridge.domain.holds import LIFTED_BY_SETTINGS, Hold, continued
from jetbridge.domain.identifiers import OrderId
from jetbridge.domain.order import Address, content_hash, digest
from jetbridge.domain.parcels import as_meant
from jetbridge.domain.planning import (
    Cancel,
    Create,
    Edit,
    HoldBack,
    Need,
    Plan,
    Release,
    Resolve,
    cancelled,
    create_hash,
    fingerprint,
    plan,
    ship_option_for,
    skus_at_jetpack,
    verdict_on,
)
from jetbridge.domain.record import (
    Consignment,
    ConsignmentState,
    Decision,
    Intent,
    NextLook,
    OrderRecord,
    UnitState,
    looking_again,
)
from jetbridge.domain.reference import foreign_keys
from jetbridge.domain.ship_options import mapping_for, normalized
from jetbridge.domain.shipstation import OPEN, as_seen, stand_in_for, stood_in_for
from jetbridge.domain.standing import intended, standing
from jetbridge.domain.store import OutOfStock, Route
from jetbridge.errors import (
    DuplicateReferenceError,
    OutcomeUnknownError,
    PartnerError,
    RejectedByPartnerError,
    TransientError,
    UnexpectedAnswerError,
)
from jetbridge.ports import NewJetpackOrder
from jetbridge.use_cases.looking import LOOK_AGAIN, SOURCE_MARGIN, Look, Looked, look_until_written, unchanged
from jetbridge.use_cases.marking import mark_at_shop, owing_marks
from jetbridge.use_cases.mirroring import mirror_holds
from jetbridge.use_cases.shadow import note_shadow
from jetbridge.use_cases.shipstation_book import ShipStationBook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jetbridge.domain.order import Catalogue, JetpackOrder, Order
    from jetbridge.domain.planning import Action
    from jetbridge.domain.record import ConsignedLine
    from jetbridge.domain.ship_options import Method
    from jetbridge.domain.shipstation import ShipStationOrder
    from jetbridge.domain.store import Store
    from jetbridge.messages import WakeUp
    from jetbridge.ports import (
        Change,
        KeptShipStationOrder,
        Notices,
        OrderRecords,
        Partners,
        Runtime,
        Shop,
        StoreSettings,
        Warehouse,
    )

BY = "forward_order"
STEPS = 12
"""Steps in a row that did nothing. A few are usual (read the catalogue); more means the plan goes in circles: a bug."""

ENOUGH = timedelta(seconds=5)
"""An order of very many parts is not done in one look: the next begins where this one ended, before time is up."""

HALF_SENT = "half"
"""Stands for what no source can hash to."""

BELIEVE_DUPLICATE = timedelta(minutes=10)
"""How long to look for an order Jetpack says exists before calling a person (DESIGN section 7)."""


def forward_order(  # noqa: PLR0913 - one keyword a port
    wake_up: WakeUp,
    *,
    records: OrderRecords,
    settings: StoreSettings,
    partners: Partners,
    clock: Callable[[], datetime],
    time_left: Callable[[], timedelta],
    jitter: Callable[[], float],
    runtime: Runtime,
    notices: Notices,
) -> Looked:
    """Look at the order a wake-up names.

    Safe to call any number of times, at the same time too: what is sent is sent under an intent written before,
    and the conditional write is the only lock.

    Raises:
        TransientError: One of our own tables or queues does not answer; the message comes again.
        ConflictError: The record was written by others again and again; the message comes again.
    """
    return look_until_written(
        lambda: Look(BY, NextLook.FORWARD, wake_up, records, settings, partners, clock, time_left, jitter, clock()),
        lambda look: _Forwarding(look, runtime, notices).run(),
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was read for the plan besides the source, as far as it was needed."""

    catalogue: Catalogue | None = None
    shipments: dict[int, JetpackOrder | None] | None = None
    elsewhere: str | None = None


def _after(asked: _Asked, action: Action) -> _Asked:
    """Forget what an action has changed; Jetpack's reads lag, so what was just held is taken for held in this look."""
    if asked.shipments is None or isinstance(action, Release):
        return asked
    shown = dict(asked.shipments)
    order = shown.pop(action.n, None)
    if order and isinstance(action, HoldBack) and not action.release:
        held = (replace(each, status="OnHold") if each.id in action.shipments else each for each in order.shipments)
        shown[action.n] = replace(order, shipments=tuple(held))
    return replace(asked, shipments=shown)


class _Forwarding:
    """One look at one order, step by step."""

    def __init__(self, look: Look, runtime: Runtime, notices: Notices) -> None:
        self.look = look
        self.records = look.records
        self.runtime = runtime
        self.notices = notices
        self.shipstation_read_at: datetime | None = None

    def run(self) -> Looked:  # noqa: PLR0911 - one return a way to end early
        look, wake_up = self.look, self.look.wake_up
        store = look.settings.store(wake_up.store)
        if store is None:
            return look.finish("unknown_store", None)
        if part_id := self._part_id():
            if store.shipstation is None or Route.SHIPSTATION not in store.routes:
                return look.finish("unknown_store", None)
            return self._from_shipstation(store, part_id)
        record = self.records.read(store.slug, OrderId(wake_up.id)) if wake_up.subject == "order" else None
        if record and look.already_seen(record.looked_at, SOURCE_MARGIN, record.forward_at):
            return look.finish("already_seen", record)
        book = ShipStationBook(look, store)
        try:
            order = self._source(look.partners.shop(store))
            if order is not None:
                if wake_up.subject != "order":
                    record = self.records.read(store.slug, order.id)
                order = book.beside(order, record)
                self.shipstation_read_at = book.read_at
        except PartnerError as error:
            return self._source_failed(store, record, error)
        if order is None:
            return self._source_gone(store, record)
        looked = self._advance(store, order, record or OrderRecord(store.slug, order.id))
        book.remember(order.id)
        return looked

    def _part_id(self) -> str:
        """Give the order of ShipStation the wake-up names, or nothing."""
        wake_up = self.look.wake_up
        return wake_up.id if wake_up.subject == "shipstation_order" else stood_in_for(wake_up.id)

    # -- the other book ----------------------------------------------------------------------------------------

    def _from_shipstation(self, store: Store, part_id: str) -> Looked:  # noqa: PLR0911 - one return a way to end early
        """Look at the order that an order of ShipStation is, or is a part of."""
        look, slug = self.look, store.slug
        book = ShipStationBook(look, store)
        # Asked before the part is read: what is read and kept must also be acted on.
        known = self.records.read_shipstation_order(slug, part_id)
        before = self.records.read(slug, known.order_id) if known and known.order_id else None
        if before and self._known_already(before, part_id):
            return look.finish("already_seen", before)
        try:
            kept = book.part(part_id, caused=look.wake_up.subject == "shipstation_order")
            order_id, order = book.identify(kept) if kept else (None, None)
        except PartnerError as error:
            return self._source_failed(store, None, error)
        if kept is None:
            return self._unidentified_gone(store, part_id)
        if order_id is None:
            return self._unidentified(store, kept.order)
        self._identified(store, part_id, order_id)
        found = self.records.read(slug, order_id)
        if found and found.route is Route.DIRECT:
            return self._came_second(book, found, part_id)
        if found and found.mark(part_id) and kept.order.status == "shipped":
            return look.finish("already_seen", found)  # changed by nothing but our own mark
        return self._with_part(store, book, kept, found or OrderRecord(slug, order_id), order)

    def _with_part(
        self, store: Store, book: ShipStationBook, kept: KeptShipStationOrder, stored: OrderRecord, order: Order | None
    ) -> Looked:
        """Look at an order known to have this part; from here on it is remembered, however the look ends."""
        record = replace(stored, parts=tuple(dict.fromkeys((*stored.parts, kept.order.id))))
        try:
            order = order or self.look.partners.shop(store).read_order(record.order_id)
            if order is not None:
                order = book.beside(order, record, kept)
                self.shipstation_read_at = book.read_at
        except PartnerError as error:
            looked = self._source_failed(store, record, error)
        else:
            if order is None:
                return self._source_gone(store, stored if stored.version else None)
            looked = self._advance(store, order, record)
        book.remember(record.order_id)
        return looked

    def _known_already(self, record: OrderRecord, part_id: str) -> bool:
        """Whether this part was read and acted on since."""
        look = self.look
        seen_at = record.shipstation_looked_at
        due = record.forward_at is not None and record.forward_at <= look.began
        seen = seen_at is not None and datetime.fromtimestamp(look.wake_up.seen_at, UTC) <= seen_at
        return part_id in record.parts and not due and seen

    def _came_second(self, book: ShipStationBook, record: OrderRecord, part_id: str) -> Looked:
        """Note an order of ShipStation's that the direct route forwarded before: it is sent once."""
        why = f"ShipStation order {part_id} ignored: the direct route had forwarded the order"
        parts = tuple(dict.fromkeys((*record.parts, part_id)))
        if part_id in record.parts and record.ignored:
            return self.look.finish("ignored_route", record)
        self.look.did.append(why)
        noted = self.look.merge(record, lambda current: replace(current, parts=parts, ignored=why))
        book.remember(record.order_id)
        return self.look.finish("ignored_route", noted)

    def _unidentified(self, store: Store, part: ShipStationOrder) -> Looked:
        """Hold an order of ShipStation's that no Shopify order can be found for, under its own name."""
        look, now = self.look, self.look.clock()
        stand_in = stand_in_for(part.id)
        record = self.records.read(store.slug, stand_in) or OrderRecord(store.slug, stand_in)
        detail = f"no Shopify order is named {part.number}, or several are; ShipStation order {part.id}"
        hold = continued(Hold("unidentified_order", now, detail), record.hold)
        units = sum(line.quantity for line in part.lines if line.goods)
        if part.status not in OPEN:
            hold, units = None, 0  # nobody waits for it any more
        held = replace(
            record,
            name=part.number,
            created_at=record.created_at or now,
            ordered=units,
            others=((UnitState.HELD, units),) if units else (),
            hold=hold,
            reason=hold.reason if hold else part.status,
            parts=(part.id,),
            seen_hash="unidentified",
            looked_at=look.began,
        )
        return self._stand_in(record, held)

    def _identified(self, store: Store, part_id: str, order_id: OrderId) -> None:
        """Close the record that stood in for an order, now that it is known whose it is."""
        if not stood_in_for(self.look.wake_up.id):
            return
        record = self.records.read(store.slug, stand_in_for(part_id))
        if record:
            self._stand_in(record, _closed(record, f"identified as {order_id}"))
            self.look.did.clear()

    def _unidentified_gone(self, store: Store, part_id: str) -> Looked:
        record = self.records.read(store.slug, stand_in_for(part_id))
        if record is None:
            return self.look.finish("foreign_order", None)
        return self._stand_in(record, _closed(record, "gone from ShipStation"))

    def _stand_in(self, stored: OrderRecord, record: OrderRecord) -> Looked:
        settled = self.look.settle(record)
        if stored.version and unchanged(stored, settled, self.look.clock()):
            return self.look.finish("unchanged", stored)
        self.look.did.append(f"{settled.status}: {settled.reason}")
        return self.look.finish("looked", self.look.write(settled))

    def _source(self, shop: Shop) -> Order | None:
        if self.look.wake_up.subject == "fulfillment_order":
            return shop.read_order_of(self.look.wake_up.id)
        return shop.read_order(OrderId(self.look.wake_up.id))

    def _source_failed(self, store: Store, record: OrderRecord | None, error: PartnerError) -> Looked:
        """Keep an order whose source does not answer: a wake-up that cannot be carried out now is not lost."""
        if record is None and (part_id := self._part_id()):
            # Whose order it is cannot be told now: its stand-in comes back by itself.
            stand_in = stand_in_for(part_id)
            record = self.records.read(store.slug, stand_in) or OrderRecord(store.slug, stand_in, parts=(part_id,))
        if record is None and self.look.wake_up.subject != "order":
            # Only the shop knows whose fulfillment order this is. Its sweep begins where it last succeeded,
            # so it will name the order once the shop answers again.
            return self.look.finish("source_failed", None)
        record = record or OrderRecord(store.slug, OrderId(self.look.wake_up.id))
        self.look.did.append(f"source not read: {type(error).__name__}")
        return self.look.finish("source_failed", self.look.write(self.look.put_off(record, error)))

    def _source_gone(self, store: Store, record: OrderRecord | None) -> Looked:
        """Shopify no longer has the order: nothing can be forwarded, and what was forwarded is for a person."""
        if record is None:
            return self.look.finish("unknown_order", None)
        last = self.records.read_snapshot(store.slug, record.order_id)
        if last is None:
            self.look.did.append("deleted at the source")
            gone = self.look.settle(replace(record, failed="order deleted at the source"))
            return self.look.finish("source_gone", self.look.write(gone))
        return self._advance(store, replace(last, cancelled_at=last.cancelled_at or self.look.began), record)

    # -- plan and act, until nothing is left to do ---------------------------------------------------------

    def _advance(self, store: Store, order: Order, stored: OrderRecord) -> Looked:
        look, asked = self.look, _Asked()
        ruled = False
        idle = 0
        while idle < STEPS:
            idle += 1
            record = self._begun(store, order, stored)
            planned = plan(
                order,
                record,
                store,
                look.clock(),
                catalogue=asked.catalogue,
                shipments=asked.shipments,
                elsewhere=asked.elsewhere,
            )
            ruled = ruled or planned.ruled
            try:
                if planned.needs:
                    asked = self._ask(planned.needs, asked, store, order, record)
                    continue
                look.trace += planned.trace
                action = planned.action
                if isinstance(action, Release):
                    order, asked = self._released(store, order, action), replace(asked, catalogue=None)
                elif action:
                    if ruled:
                        planned = replace(planned, record=owing_marks(planned.record, order, store, look.clock()))
                    acted = _Act(look, order, store, look.partners.warehouse(store)).carry_out(planned, action)
                    if ended := self._ended(stored, acted):
                        return ended
                    stored, asked, idle = acted, _after(asked, action), 0
                else:
                    stored = self._stand(planned, stored, order)
                    if not self._settings_moved(store, stored):
                        return self._at_rest(store, order, stored, planned, ruled=ruled)
                    look.settings.forget(store.slug)
                    fresh = look.settings.store(store.slug)
                    if fresh is None:
                        return look.finish("unknown_store", stored)
                    store, asked = fresh, replace(asked, catalogue=None)
            except PartnerError as error:
                look.did.append(f"put off: {type(error).__name__}")
                return look.finish("put_off", self.look.write(look.put_off(record, error)))
        message = "the plan goes in circles"
        raise RuntimeError(message)

    def _ask(self, needs: frozenset[Need], asked: _Asked, store: Store, order: Order, record: OrderRecord) -> _Asked:
        """Read what the plan needs besides the source."""
        warehouse = self.look.partners.warehouse(store)
        if Need.SHIPMENTS in needs:
            shown = {each.n: each.jetpack_order_id for each in record.live if each.jetpack_order_id}
            known = asked.shipments or {}
            fresh = {n: warehouse.read_order(there) for n, there in shown.items() if n not in known}
            asked = replace(asked, shipments={**known, **fresh})
        if Need.CATALOGUE in needs:
            with_stock = store.out_of_stock is not OutOfStock.FORWARD
            named = _named(order, store, self.look.clock())
            asked = replace(asked, catalogue=warehouse.catalogue(*named, with_stock=with_stock))
        if Need.ELSEWHERE in needs:
            found = (self.runtime.foreign_order(store.slug, key) for key in foreign_keys(order.name, order.id))
            asked = replace(asked, elsewhere=next(filter(None, found), ""))
        return asked

    def _at_rest(self, store: Store, order: Order, stored: OrderRecord, planned: Plan, *, ruled: bool) -> Looked:
        """Show the shop what was decided, once that is written down. What it refuses does not stop the order."""
        look = self.look
        failure = mirror_holds(look, store, planned.mirror)
        stored = mark_at_shop(look, store, order, stored, self.notices, ruled=ruled, failure=failure)
        if look.did:
            note_shadow(store, order, stored, runtime=self.runtime, now=look.clock())
        return look.finish("looked" if look.did else "unchanged", stored)

    def _ended(self, before: OrderRecord, acted: OrderRecord) -> Looked | None:
        """End the look where it cannot go on after an action: nothing could be done, its outcome is open, or time."""
        if self.look.is_put_off or acted.version == before.version:
            return self.look.finish("put_off", acted)
        if any(each.state is ConsignmentState.CREATING for each in acted.live):
            return self.look.finish("looked", acted)
        return self.look.finish("looked", self._go_on_later(acted)) if self.look.time_left() < ENOUGH else None

    def _go_on_later(self, stored: OrderRecord) -> OrderRecord:
        """End a look that has done something and has more to do; the sweep of the next minute begins another."""
        look = self.look
        return look.merge(stored, lambda current: looking_again(current, NextLook.FORWARD, look.clock()))

    def _released(self, store: Store, order: Order, action: Release) -> Order:
        """Release our own holds in Shopify, and read what it lets out now."""
        shop = self.look.partners.shop(store)
        for fulfillment_order, holds in action.holds:
            shop.release_holds(fulfillment_order, holds)
        self.look.did.append("released our hold in Shopify")
        fresh = shop.read_order(order.id)
        released = {hold for _, holds in action.holds for hold in holds}
        shown = {hold.id for each in (fresh.fulfillment_orders if fresh else ()) for hold in each.holds}
        if fresh is None or released & shown:
            message = "Shopify does not show the release yet"
            raise TransientError(message, partner="shopify")
        return replace(fresh, shipstation=order.shipstation)

    def _begun(self, store: Store, order: Order, stored: OrderRecord) -> OrderRecord:
        parts = tuple(dict.fromkeys((*stored.parts, *(part.id for part in order.shipstation))))
        ignored = stored.ignored
        by_shop = self.look.wake_up.cause.startswith("shopify:") and Route.DIRECT in store.routes
        if stored.route is Route.SHIPSTATION and by_shop and not ignored:
            ignored = f"direct route ignored: ShipStation order {', '.join(parts)} had been forwarded"
        return replace(
            stored,
            name=order.name,
            created_at=stored.created_at or order.created_at,
            parts=parts,
            ignored=ignored,
            shipstation_looked_at=self.shipstation_read_at or stored.shipstation_looked_at,
            failed="",
        )

    def _stand(self, planned: Plan, stored: OrderRecord, order: Order) -> OrderRecord:
        """Write down where things stand, if that is news."""
        look = self.look
        record = replace(planned.record, looked_at=look.began)
        if not (record.owes_marks or planned.mirror.release):
            record = replace(record, attempts=0, failing_since=None)  # else only what is still to be done can say so
        creating = any(each.state is ConsignmentState.CREATING for each in record.live)
        # While a create is open the snapshot is what was sent: a re-send must be the same.
        record = record if creating else replace(record, seen_hash=content_hash(order))
        if stored.version and unchanged(stored, record, look.clock()):
            return stored
        if record.seen_hash != stored.seen_hash:
            self.records.keep_snapshot(record.store, order, look.began)
        if (stored.status, stored.hold, stored.reason, stored.others) != (
            record.status,
            record.hold,
            record.reason,
            record.others,
        ):
            look.did.append(f"{record.status}{f': {record.reason}' if record.reason else ''}")
        written = self.look.write(record)
        hold = written.hold
        if hold and hold.reason == "unmapped_ship_option" and hold != stored.hold:
            for method in _unmapped(order, look.settings.store(written.store)):
                look.settings.note_method(written.store, method, look.began)
        return written

    def _settings_moved(self, store: Store, record: OrderRecord) -> bool:
        """Whether settings changed while the order was being held because of them (DESIGN section 6)."""
        held_by_settings = record.hold is not None and record.hold.reason in LIFTED_BY_SETTINGS
        return held_by_settings and self.look.settings.version(store.slug) != store.version


def _unmapped(order: Order, store: Store | None) -> Iterator[Method]:
    """Name the shipping methods of an order, in either book, that no mapping names."""
    views = [as_seen(order, part.id) for part in order.shipstation] or [order]
    for method in dict.fromkeys(normalized(view.shipping_method) for view in views):
        if store is None or mapping_for(method, store.ship_options) is None:
            yield method


def _closed(stand_in: OrderRecord, why: str) -> OrderRecord:
    """Take its units out of a record that stood in for an order: they are counted where they belong."""
    closed = replace(stand_in, ordered=0, others=(), hold=None, reason=why, seen_hash="closed")
    return replace(closed, attempts=0, failing_since=None, failed="")


def _named(order: Order, store: Store, now: datetime) -> tuple[frozenset[str], frozenset[str]]:
    """Name the SKUs and the ship options whose existence at Jetpack has to be known before a create."""
    views = [as_seen(order, part.id) for part in order.shipstation] or [order]
    options = {ship_option_for(view, store, verdict_on(view, store, now).ship_option) for view in views}
    shipped = [line.id for line in order.lines if line.sku.strip() and line.requires_shipping]
    return skus_at_jetpack(order, shipped, store), frozenset(options - {""})


class _Act:
    """Carries out one action at Jetpack under an intent, and merges what came of it."""

    def __init__(self, look: Look, order: Order, store: Store, warehouse: Warehouse) -> None:
        self.look = look
        self.order = order
        self.store = store
        self.warehouse = warehouse

    def carry_out(self, planned: Plan, action: Action) -> OrderRecord:  # noqa: PLR0911 - one return an action
        """Do it. The returned record is stored; with its version unmoved, nothing could be done now."""
        record = planned.record
        match action:
            case Create():
                return self._create(record, action)
            case Cancel():
                return self._cancel(record, action)
            case Edit():
                return self._edit(record, action)
            case HoldBack():
                return self._hold_back(record, action)
            case Release():
                raise AssertionError  # the shop's, not Jetpack's: carried out before
            case Resolve(n=n, action="cancel"):
                return self._resolve_cancel(record, n)
            case Resolve(n=n, action="edit" | "hold" | "release"):
                # Safe to repeat: the plan decides anew from what the source says now.
                return self.look.merge(record, lambda current: self._without_intent(current, n))
            case Resolve(n=n):
                return self._resolve_create(record, n)

    # -- create ---------------------------------------------------------------------------------------------

    def _create(self, record: OrderRecord, action: Create) -> OrderRecord:
        look, now = self.look, self.look.clock()
        seen = as_seen(self.order, action.shipstation_id)
        new = self._payload(seen, action.reference, action.ship_option, action.location, action.lines)
        self.look.records.keep_snapshot(record.store, self.order, look.began)
        consignment = Consignment(
            action.n,
            action.reference,
            action.lines,
            ConsignmentState.CREATING,
            action.sent_hash,
            intent=Intent("create", BY, look.intent_end(), payload_hash(new), now),
            shipstation_id=action.shipstation_id,
        )
        creating = intended(record, self.order, consignment, self.store, now)
        creating = replace(creating, looked_at=look.began, seen_hash=content_hash(self.order))
        return self._send(self.look.write(look.settle(creating)), action.n, new, first=True)

    def _payload(
        self, order: Order, reference: str, ship_option: str, location: str, lines: tuple[ConsignedLine, ...]
    ) -> NewJetpackOrder:
        address = order.shipping_address or Address()
        return NewJetpackOrder(
            reference,
            order.name,
            ship_option,
            address,
            order.email,
            address.phone or order.phone,
            tuple((number, *line) for number, line in enumerate(_lines_at_jetpack(order, lines), 1)),
            order.created_at,
            location,
        )

    def _send(self, record: OrderRecord, n: int, new: NewJetpackOrder, *, first: bool) -> OrderRecord:
        """Send a create whose intent is stored. `first`: nothing was ever sent under this reference."""
        look = self.look
        try:
            created = self.warehouse.create_order(new)
        except DuplicateReferenceError:
            return self._refused(record, n, duplicate=True, words="")
        except RejectedByPartnerError as error:
            return self._refused(record, n, duplicate=False, words=str(error))
        except (OutcomeUnknownError, UnexpectedAnswerError) as error:
            look.did.append(f"create {new.reference}: outcome unknown ({type(error).__name__})")
            return self._look_again(record, n)
        except PartnerError as error:
            # Nothing was done by this call; but an earlier one may have, so only a first one is withdrawn.
            look.did.append(f"create {new.reference} put off: {type(error).__name__}")
            if not first:
                return self._look_again(record, n)
            failure = error
            return look.merge(record, lambda current: look.put_off(self._without(current, n), failure))
        look.did.append(f"created {new.reference} at Jetpack")
        return self._adopt(record, n, created)

    def _without(self, record: OrderRecord, n: int) -> OrderRecord:
        """Give the units of a create that never happened back; its number, and so its reference, is used again."""
        return standing(record.without_consignment(n), self.order, self.store, self.look.clock())

    def _adopt(self, record: OrderRecord, n: int, found: JetpackOrder) -> OrderRecord:
        """Take an order at Jetpack for the consignment, if it holds what was meant."""
        look = self.look

        def adopted(current: OrderRecord) -> OrderRecord:
            consignment = current.consignment(n)
            if consignment.state is not ConsignmentState.CREATING:
                return current
            trouble = None
            if found.cancelled:
                trouble = Hold("cancelled_at_jetpack", look.clock(), "cancelled in Jetpack before we saw it")
            elif not as_meant(consignment, found):
                trouble = Hold(
                    "already_forwarded_elsewhere", look.clock(), f"Jetpack holds other lines as {found.reference}"
                )
            live = replace(
                consignment,
                state=ConsignmentState.LIVE,
                jetpack_order_id=found.id,
                forwarded_at=look.clock(),
                intent=None,
                trouble=trouble,
            )
            return look.settle(replace(current.with_consignment(live), attempts=0, failing_since=None))

        return look.merge(record, adopted)

    def _refused(self, record: OrderRecord, n: int, *, duplicate: bool, words: str) -> OrderRecord:
        """Any 422: look the reference up before believing anything (DESIGN section 7)."""
        look, reference = self.look, record.consignment(n).reference
        try:
            found = self.warehouse.find_order(reference)
        except PartnerError as error:
            look.did.append(f"create {reference} refused, not looked up yet: {type(error).__name__}")
            return self._look_again(record, n, refused=duplicate)
        if found:
            look.did.append(f"{reference} is at Jetpack already")
            return self._adopt(record, n, found)
        if duplicate:
            look.did.append(f"Jetpack knows {reference} but does not show it yet")
            return self._look_again(record, n, refused=True)
        look.did.append(f"Jetpack refused {reference}")
        refused, decided = record.consignment(n), record.decision or Decision("")
        view = as_seen(self.order, refused.shipstation_id)
        change = create_hash(view, refused.lines, decided.ship_option, decided.location)
        hold = Hold("rejected_by_jetpack", look.clock(), words, change)

        part = refused.shipstation_id

        def withdrawn(current: OrderRecord) -> OrderRecord:
            others = tuple(each for each in current.rejections if each[0] != part)
            current = replace(current.without_consignment(n), rejections=(*others, (part, hold)))
            return standing(current, self.order, self.store, look.clock(), hold=hold)

        return look.merge(record, withdrawn)

    def _look_again(self, record: OrderRecord, n: int, *, refused: bool = False) -> OrderRecord:
        """Leave the intent open and come back when Jetpack's lists have caught up."""
        look = self.look

        def waiting(current: OrderRecord) -> OrderRecord:
            consignment = current.consignment(n)
            if consignment.intent is None:
                return current
            until = look.clock() + LOOK_AGAIN
            intent = replace(consignment.intent, until=until, refused=consignment.intent.refused or refused)
            return look.settle(current.with_consignment(replace(consignment, intent=intent)))

        return look.merge(record, waiting)

    def _resolve_create(self, record: OrderRecord, n: int) -> OrderRecord:
        """Find out whether an order was created; send the same again only if it was not."""
        look, consignment = self.look, record.consignment(n)
        found = self.warehouse.find_order(consignment.reference)
        if found:
            look.did.append(f"found {consignment.reference} at Jetpack")
            return self._adopt(record, n, found)
        intent = consignment.intent
        now = look.clock()
        if intent is None or (intent.refused and now - (intent.since or now) >= BELIEVE_DUPLICATE):
            return self._give_up(record, n)
        if intent.refused:
            return self._look_again(record, n)
        return self._send_again(record, consignment, intent)

    def _send_again(self, record: OrderRecord, consignment: Consignment, intent: Intent) -> OrderRecord:
        """Repeat a create that left no trace: same reference, same payload, from the snapshot it was made of."""
        look = self.look
        sent = look.records.read_snapshot(record.store, record.order_id)
        decided = record.decision or Decision("")
        view = as_seen(sent, consignment.shipstation_id) if sent else None
        how = (consignment.reference, decided.ship_option, decided.location)
        new = self._payload(view, *how, consignment.lines) if view else None
        if new is None or payload_hash(new) != intent.payload_hash:
            return self._give_up(record, consignment.n)
        renewed = replace(consignment, intent=replace(intent, until=look.intent_end()))
        claimed = self.look.write(look.settle(record.with_consignment(renewed)))
        return self._send(claimed, consignment.n, new, first=False)

    def _give_up(self, record: OrderRecord, n: int) -> OrderRecord:
        """Let a person decide, and go on looking: should the order show up, it is adopted."""
        look = self.look

        def held(current: OrderRecord) -> OrderRecord:
            consignment = current.consignment(n)
            detail = f"the outcome of creating {consignment.reference} is unknown, and Jetpack does not show it"
            trouble = continued(Hold("already_forwarded_elsewhere", look.clock(), detail), consignment.trouble)
            return look.settle(current.with_consignment(replace(consignment, intent=None, trouble=trouble)))

        return look.merge(record, held)

    # -- cancel ----------------------------------------------------------------------------------------------

    def _cancel(self, record: OrderRecord, action: Cancel) -> OrderRecord:
        look, consignment = self.look, record.consignment(action.n)
        intent = Intent("cancel", BY, look.intent_end(), consignment.reference, look.clock())
        asked = replace(consignment, intent=intent, cancel_asked=True)
        record = self.look.write(look.settle(replace(record.with_consignment(asked), looked_at=look.began)))
        try:
            answer = self.warehouse.cancel_order(consignment.jetpack_order_id)
        except (OutcomeUnknownError, UnexpectedAnswerError) as error:
            look.did.append(f"cancel {consignment.reference}: outcome unknown ({type(error).__name__})")
            return self._look_again(record, action.n)
        except PartnerError as error:
            look.did.append(f"cancel {consignment.reference} put off: {type(error).__name__}")
            failure = error
            return look.merge(record, lambda current: look.put_off(self._not_asking(current, action.n), failure))
        if answer.confirmed:
            look.did.append(f"cancelled {consignment.reference} at Jetpack")
            return look.merge(record, lambda now: self._taken_back(now, action.n))
        look.did.append(f"Jetpack refused to cancel {consignment.reference}")
        detail = f"Jetpack would not cancel consignment {action.n}: {', '.join(answer.reasons) or 'no reason given'}"

        def refused(current: OrderRecord) -> OrderRecord:
            current = self._not_asking(current, action.n)
            if not action.refusal:
                return look.settle(replace(current, failed=action.why))
            view = as_seen(self.order, consignment.shipstation_id)
            hold = Hold(action.refusal, look.clock(), detail, fingerprint(view, record.ordered_by_person))
            return self._keep_refusal(current, action.n, hold)

        return look.merge(record, refused)

    def _not_asking(self, record: OrderRecord, n: int) -> OrderRecord:
        """End the asking when it is known that nothing was cancelled."""
        return record.with_consignment(replace(record.consignment(n), intent=None, cancel_asked=False))

    def _taken_back(self, record: OrderRecord, n: int) -> OrderRecord:
        back = record.with_consignment(cancelled(record.consignment(n)))
        back = replace(back, attempts=0, failing_since=None)
        return standing(back, self.order, self.store, self.look.clock())

    def _resolve_cancel(self, record: OrderRecord, n: int) -> OrderRecord:
        """Read what became of a cancel; if the order is not seen cancelled, the plan decides anew."""
        found = self.warehouse.read_order(record.consignment(n).jetpack_order_id)
        if found and found.cancelled:
            self.look.did.append(f"{found.reference} was cancelled at Jetpack")
            return self.look.merge(record, lambda now: self._taken_back(now, n))

        def unresolved(current: OrderRecord) -> OrderRecord:
            # Perhaps it was cancelled and is not shown yet: that we asked stays on the record.
            return self.look.settle(current.with_consignment(replace(current.consignment(n), intent=None)))

        return self.look.merge(record, unresolved)

    # -- changes of shipments, all safe to repeat ------------------------------------------------------------

    def _edit(self, record: OrderRecord, action: Edit) -> OrderRecord:
        """Send every shipment where and how the source now says; one that refuses is for a person."""
        n = action.n
        view = as_seen(self.order, record.consignment(n).shipstation_id)
        address = view.shipping_address or Address()
        to = replace(address, phone=address.phone or view.phone)

        def change() -> list[Change]:
            changes = [self.warehouse.change_address(each, to, view.email) for each in action.shipments]
            return [*changes, *self.warehouse.change_ship_option(action.shipments, action.ship_option).values()]

        def changed(consignment: Consignment) -> Consignment:
            return replace(consignment, sent_hash=action.sent_hash)

        record = (
            replace(record, decision=replace(record.decision, ship_option=action.ship_option))
            if record.decision
            else record
        )
        return self._change(record, n, "edit", change, changed)

    def _hold_back(self, record: OrderRecord, action: HoldBack) -> OrderRecord:
        """Hold at Jetpack what the source holds, or let it go again."""
        word = "release" if action.release else "hold"
        call = self.warehouse.release_shipments if action.release else self.warehouse.hold_shipments

        def change() -> list[Change]:
            return list(call(action.shipments).values()) if action.shipments else []

        def changed(consignment: Consignment) -> Consignment:
            return replace(consignment, held_back=not action.release)

        return self._change(record, action.n, word, change, changed)

    def _change(
        self,
        record: OrderRecord,
        n: int,
        word: str,
        change: Callable[[], list[Change]],
        changed: Callable[[Consignment], Consignment],
    ) -> OrderRecord:
        look, consignment = self.look, record.consignment(n)
        intent = Intent(word, BY, look.intent_end(), consignment.reference, look.clock())
        # Half an edit may be done when it fails: until all of it is, what Jetpack has is not what was sent.
        sent = HALF_SENT if word == "edit" else consignment.sent_hash
        intended = record.with_consignment(replace(consignment, intent=intent, sent_hash=sent))
        record = look.write(look.settle(replace(intended, looked_at=look.began)))
        try:
            refused = [each.reason for each in change() if not each.done]
        except RejectedByPartnerError as error:
            refused = [str(error)]
        except (OutcomeUnknownError, UnexpectedAnswerError) as error:
            look.did.append(f"{word} {consignment.reference}: outcome unknown ({type(error).__name__})")
            return self._look_again(record, n)
        except PartnerError as error:
            look.did.append(f"{word} {consignment.reference} put off: {type(error).__name__}")
            failure = error
            return look.merge(record, lambda current: look.put_off(self._without_intent(current, n), failure))
        if not refused:
            look.did.append(f"{_PAST[word]} {consignment.reference} at Jetpack")

            def done(current: OrderRecord) -> OrderRecord:
                current = current.with_consignment(changed(replace(current.consignment(n), intent=None)))
                current = replace(current, attempts=0, failing_since=None)
                return standing(current, self.order, self.store, look.clock())

            return look.merge(record, done)
        look.did.append(f"Jetpack refused to {word} {consignment.reference}")
        detail = f"Jetpack would not {word} consignment {n}: {', '.join(sorted(set(refused)))}"
        hold = Hold(
            "edit_refused",
            look.clock(),
            detail,
            fingerprint(as_seen(self.order, consignment.shipstation_id), record.ordered_by_person),
        )

        def kept(current: OrderRecord) -> OrderRecord:
            return self._keep_refusal(self._without_intent(current, n), n, hold)

        return look.merge(record, kept)

    def _keep_refusal(self, record: OrderRecord, n: int, hold: Hold) -> OrderRecord:
        """Note on the consignment what Jetpack refused, and show it."""
        refused = record.with_consignment(replace(record.consignment(n), refusal=hold))
        return self.look.settle(replace(refused, hold=continued(hold, refused.hold)))

    def _without_intent(self, record: OrderRecord, n: int) -> OrderRecord:
        return self.look.settle(record.with_consignment(replace(record.consignment(n), intent=None)))


def _lines_at_jetpack(order: Order, lines: tuple[ConsignedLine, ...]) -> Iterator[tuple[str, str, int, str]]:
    """Write units as Jetpack takes them: SKU, name, quantity, unit price."""
    for line in lines:
        own = order.line(line.line_id)
        # Jetpack's amounts are US dollars (facts/shipbob.md section 6); nobody says what a part of a bundle costs.
        price = own.unit_price if order.currency == "USD" and not line.components else ""
        for sku, quantity in line.at_jetpack:
            yield sku, own.name, quantity, price


_PAST = {"edit": "edited", "hold": "held", "release": "released"}


def payload_hash(new: NewJetpackOrder) -> str:
    """Hash a create as sent: a re-send must be the same."""
    return digest(asdict(new))
