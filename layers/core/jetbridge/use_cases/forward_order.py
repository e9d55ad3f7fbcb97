"""Look at one order and do what follows for the way forward: create, take back, hold, or leave alone."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from jetbridge.domain.holds import LIFTED_BY_SETTINGS, Hold, continued
from jetbridge.domain.identifiers import OrderId
from jetbridge.domain.order import Address, content_hash, digest
from jetbridge.domain.parcels import as_meant
from jetbridge.domain.planning import (
    Cancel,
    Create,
    Need,
    Plan,
    Resolve,
    cancelled,
    fingerprint,
    intended,
    plan,
    standing,
)
from jetbridge.domain.record import Consignment, ConsignmentState, Intent, NextLook, OrderRecord
from jetbridge.domain.ship_options import normalized
from jetbridge.errors import (
    DuplicateReferenceError,
    OutcomeUnknownError,
    PartnerError,
    RejectedByPartnerError,
    UnexpectedAnswerError,
)
from jetbridge.ports import NewJetpackOrder
from jetbridge.use_cases.looking import LOOK_AGAIN, SOURCE_MARGIN, Look, Looked, look_until_written, unchanged

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from jetbridge.domain.order import Catalogue, JetpackOrder, Order
    from jetbridge.domain.record import ConsignedLine
    from jetbridge.domain.store import Store
    from jetbridge.messages import WakeUp
    from jetbridge.ports import OrderRecords, Partners, Shop, StoreSettings, Warehouse

BY = "forward_order"
STEPS = 12
"""A look takes a few steps (read catalogue, create, settle). More means the plan goes in circles: a bug."""

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
        lambda look: _Forwarding(look).run(),
    )


class _Forwarding:
    """One look at one order, step by step."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self.records = look.records

    def run(self) -> Looked:
        look, wake_up = self.look, self.look.wake_up
        store = look.settings.store(wake_up.store)
        if store is None:
            return look.finish("unknown_store", None)
        record = self.records.read(store.slug, OrderId(wake_up.id)) if wake_up.subject == "order" else None
        if record and look.already_seen(record.looked_at, SOURCE_MARGIN, record.forward_at):
            return look.finish("already_seen", record)
        try:
            order = self._source(look.partners.shop(store))
        except PartnerError as error:
            return self._source_failed(store, record, error)
        if order is None:
            return self._source_gone(store, record)
        if wake_up.subject != "order":
            record = self.records.read(store.slug, order.id)
        return self._advance(store, order, record or OrderRecord(store.slug, order.id))

    def _source(self, shop: Shop) -> Order | None:
        if self.look.wake_up.subject == "fulfillment_order":
            return shop.read_order_of(self.look.wake_up.id)
        return shop.read_order(OrderId(self.look.wake_up.id))

    def _source_failed(self, store: Store, record: OrderRecord | None, error: PartnerError) -> Looked:
        """Keep an order whose source does not answer: a wake-up that cannot be carried out now is not lost."""
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
        look = self.look
        catalogue: Catalogue | None = None
        shipments: dict[int, JetpackOrder | None] | None = None
        for _ in range(STEPS):
            record = replace(stored, name=order.name, created_at=stored.created_at or order.created_at, failed="")
            planned = plan(order, record, store, look.clock(), catalogue=catalogue, shipments=shipments)
            try:
                warehouse = look.partners.warehouse(store) if planned.needs or planned.action else None
                if warehouse and Need.SHIPMENTS in planned.needs:
                    shipments = {
                        each.n: warehouse.read_order(each.jetpack_order_id)
                        for each in record.live
                        if each.jetpack_order_id
                    }
                elif warehouse and Need.CATALOGUE in planned.needs:
                    catalogue = warehouse.catalogue(*_named(order, store))
                elif warehouse and planned.action:
                    look.trace += planned.trace
                    acted = _Act(look, order, store, warehouse).carry_out(planned, planned.action)
                    if look.is_put_off or acted.version == stored.version:
                        return look.finish("put_off", acted)
                    if any(each.state is ConsignmentState.CREATING for each in acted.live):
                        return look.finish("looked", acted)
                    stored, shipments = acted, None
                else:
                    look.trace += planned.trace
                    stored = self._stand(planned, stored, order)
                    if not self._settings_moved(store, stored):
                        return look.finish("looked" if look.did else "unchanged", stored)
                    look.settings.forget(store.slug)
                    store = look.settings.store(store.slug) or store
            except PartnerError as error:
                look.did.append(f"put off: {type(error).__name__}")
                return look.finish("put_off", self.look.write(look.put_off(record, error)))
        message = "the plan goes in circles"
        raise RuntimeError(message)

    def _stand(self, planned: Plan, stored: OrderRecord, order: Order) -> OrderRecord:
        """Write down where things stand, if that is news."""
        look = self.look
        record = replace(planned.record, looked_at=look.began, attempts=0, failing_since=None)
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
            look.settings.note_method(written.store, normalized(order.shipping_method), look.began)
        return written

    def _settings_moved(self, store: Store, record: OrderRecord) -> bool:
        """Whether settings changed while the order was being held because of them (DESIGN section 6)."""
        held_by_settings = record.hold is not None and record.hold.reason in LIFTED_BY_SETTINGS
        return held_by_settings and self.look.settings.version(store.slug) != store.version


def _named(order: Order, store: Store) -> tuple[frozenset[str], frozenset[str]]:
    """Name the SKUs and the ship option whose existence at Jetpack has to be known before a create."""
    mapping = store.ship_options.get(normalized(order.shipping_method))
    skus = frozenset(line.sku for line in order.lines if line.sku and line.requires_shipping)
    return skus, frozenset({mapping.ship_option} if mapping else ())


class _Act:
    """Carries out one action at Jetpack under an intent, and merges what came of it."""

    def __init__(self, look: Look, order: Order, store: Store, warehouse: Warehouse) -> None:
        self.look = look
        self.order = order
        self.store = store
        self.warehouse = warehouse

    def carry_out(self, planned: Plan, action: Create | Resolve | Cancel) -> OrderRecord:
        """Do it. The returned record is stored; with its version unmoved, nothing could be done now."""
        record = planned.record
        match action:
            case Create():
                return self._create(record, action)
            case Cancel():
                return self._cancel(record, action)
            case Resolve(n=n, action="cancel"):
                return self._resolve_cancel(record, n)
            case Resolve(n=n):
                return self._resolve_create(record, n)

    # -- create ---------------------------------------------------------------------------------------------

    def _create(self, record: OrderRecord, action: Create) -> OrderRecord:
        look, now = self.look, self.look.clock()
        new = self._payload(self.order, action.reference, action.ship_option, action.lines)
        self.look.records.keep_snapshot(record.store, self.order, look.began)
        creating = intended(record, self.order, action, self.store, now)
        intent = Intent("create", BY, look.intent_end(), payload_hash(new), now)
        creating = creating.with_consignment(replace(creating.consignment(action.n), intent=intent))
        creating = replace(creating, looked_at=look.began, seen_hash=content_hash(self.order))
        return self._send(self.look.write(look.settle(creating)), action.n, new, first=True)

    def _payload(
        self, order: Order, reference: str, ship_option: str, lines: tuple[ConsignedLine, ...]
    ) -> NewJetpackOrder:
        address = order.shipping_address or Address()
        names = {line.id: line for line in order.lines}
        return NewJetpackOrder(
            reference,
            order.name,
            ship_option,
            address,
            order.email,
            address.phone or order.phone,
            tuple(
                (number, line.sku, names[line.line_id].name, line.quantity, names[line.line_id].unit_price)
                for number, line in enumerate(lines, 1)
            ),
            order.created_at,
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
        hold = Hold("rejected_by_jetpack", look.clock(), words, fingerprint(self.order))

        def withdrawn(current: OrderRecord) -> OrderRecord:
            return standing(current.without_consignment(n), self.order, self.store, look.clock(), hold=hold)

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
        ship_option = record.decision.ship_option if record.decision else ""
        new = self._payload(sent, consignment.reference, ship_option, consignment.lines) if sent else None
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
        hold = Hold(action.refusal, look.clock(), detail, fingerprint(self.order))

        def refused(current: OrderRecord) -> OrderRecord:
            return look.settle(replace(self._not_asking(current, action.n), hold=continued(hold, current.hold)))

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


def payload_hash(new: NewJetpackOrder) -> str:
    """Hash a create as sent: a re-send must be the same."""
    return digest(asdict(new))
