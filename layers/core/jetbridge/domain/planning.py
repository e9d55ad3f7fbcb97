"""What to do about an order: a pure function of what was read. No clock, no ids, no partner.

`plan` looks at the whole order every time (create, edit, cancel, refund, hold, release are one function) and
names at most one effect. The use case carries it out, records it, and asks again until nothing is left.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from jetbridge.domain.gates import (
    PASSED,
    Gate,
    address_gate,
    blank_sku_gate,
    elsewhere_gate,
    first_stop,
    fulfillment_order_gate,
    grace_gate,
    mapping_gate,
    not_imported_gate,
    part_gate,
    payment_gate,
    risk_gate,
    rules_gate,
    ship_option_gate,
    sku_gate,
    stock_gate,
)
from jetbridge.domain.holds import Hold, continued
from jetbridge.domain.identifiers import LineId
from jetbridge.domain.order import Order, address_fields, digest
from jetbridge.domain.record import (
    ConsignedLine,
    Consignment,
    ConsignmentState,
    Decision,
    MarkState,
    NextLook,
    OrderRecord,
    ParcelState,
    UnitState,
    settled,
)
from jetbridge.domain.reference import reference_for
from jetbridge.domain.rules import evaluate
from jetbridge.domain.ship_options import normalized
from jetbridge.domain.shipstation import as_seen, split_off, taken, units_of
from jetbridge.domain.store import Route

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from jetbridge.domain.order import Catalogue, JetpackOrder
    from jetbridge.domain.shipstation import ShipStationOrder
    from jetbridge.domain.store import Store

ROUTING_LOOK = timedelta(minutes=1)
"""Fulfillment orders are made by a background job after the order (facts/shopify.md section 6)."""


OLD_ROUTING_LOOK = timedelta(minutes=15)
"""An order that was not routed by then waits for something else; its change is found by the sweep, too."""

READS_LAG = timedelta(minutes=5)
"""Until then an order we created may not be shown by Jetpack's reads (facts/shipbob.md section 6)."""


class Need(StrEnum):
    """What has to be read before the plan can go on."""

    CATALOGUE = "catalogue"
    SHIPMENTS = "shipments"


@dataclass(frozen=True, slots=True)
class Create:
    """Create an order at Jetpack for these units, under this reference."""

    n: int
    reference: str
    lines: tuple[ConsignedLine, ...]
    ship_option: str
    sent_hash: str
    shipstation_id: str = ""
    """The ShipStation order it is made from; empty on the direct route."""


@dataclass(frozen=True, slots=True)
class Resolve:
    """Find out what became of an effect whose outcome is unknown; nothing else happens before."""

    n: int
    action: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel a consignment at Jetpack, because the source no longer wants it as it was sent."""

    n: int
    refusal: str
    """The hold if Jetpack refuses; empty if then a person must act at once."""
    why: str = ""
    """What a person is told in that case."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Send a consignment's unpicked shipments elsewhere, or by another ship option. Safe to repeat."""

    n: int
    shipments: tuple[str, ...]
    ship_option: str
    sent_hash: str


@dataclass(frozen=True, slots=True)
class HoldBack:
    """Put a consignment's unpicked shipments on hold at Jetpack, or release them. Safe to repeat."""

    n: int
    shipments: tuple[str, ...]
    release: bool


Action = Create | Resolve | Cancel | Edit | HoldBack


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do next. With `needs` nothing else counts: read that, plan again."""

    record: OrderRecord
    action: Action | None = None
    needs: frozenset[Need] = frozenset()
    trace: tuple[str, ...] = ()
    stop: Gate = PASSED
    """Where the units of one ShipStation order stopped; for the plan of the whole order it means nothing."""


def route_of(order: Order, record: OrderRecord, store: Store) -> Route:
    """Say by which book an order goes: the one it was forwarded by, else the first of the store's that shows it."""
    if record.route:
        return record.route
    seen_there = order.shipstation or record.parts  # one that vanished from its lists was there all the same
    by_shipstation = Route.SHIPSTATION in store.routes and (seen_there or Route.DIRECT not in store.routes)
    return Route.SHIPSTATION if by_shipstation else Route.DIRECT


def source_hash(order: Order) -> str:
    """Hash what an edit would have to carry to Jetpack besides the units: address and shipping method.

    On the route `shipstation` of the order as its ShipStation order shows it (`as_seen`).
    """
    return digest({**address_fields(order), "method": normalized(order.shipping_method)})


# -- where every unit is ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rest:
    """Units of one line outside consignments that could still be forwarded, and what their gate says."""

    line_id: LineId
    quantity: int
    gate: Gate
    part: str = ""
    """The ShipStation order that holds them; empty on the direct route."""


def _consigned(record: OrderRecord) -> Counter[LineId]:
    units: Counter[LineId] = Counter()
    for consignment in record.live:
        for line in consignment.lines:
            units[line.line_id] += line.quantity
    return units


def fulfilled_by_us_and_elsewhere(order: Order, record: OrderRecord) -> tuple[Counter[LineId], Counter[LineId]]:
    """Tell the units Shopify shows as sent apart: our parcels (by fulfillment or tracking number), and the rest."""
    ids = {parcel.fulfillment_id for parcel in record.parcels} - {""}
    numbers = {number for parcel in record.parcels for number in (parcel.number, parcel.told)} - {""}
    ours: Counter[LineId] = Counter()
    elsewhere: Counter[LineId] = Counter()
    for fulfillment in order.fulfillments:
        if fulfillment.counts:
            mine = fulfillment.id in ids or not numbers.isdisjoint(fulfillment.tracking_numbers)
            for line_id, quantity in fulfillment.units:
                (ours if mine else elsewhere)[line_id] += quantity
    return ours, elsewhere


def _account(order: Order, record: OrderRecord, store: Store, now: datetime) -> tuple[Counter[UnitState], list[_Rest]]:
    """Put every unit outside consignments in exactly one place; what is still open keeps its gate."""
    consigned = _consigned(record)
    ours, elsewhere = fulfilled_by_us_and_elsewhere(order, record)
    places: Counter[UnitState] = Counter()
    rests: list[_Rest] = []
    for line in order.lines:
        left = max(0, line.quantity - consigned[line.id])
        at_jetpack = max(0, consigned[line.id] - ours[line.id])
        # Refunds of units long shipped lower the count too: what open fulfillment orders still want is not removed.
        wanted = max(0, sum(_open_remaining(order, line.id, store)) - at_jetpack)
        gone = min(line.quantity - line.current_quantity, left - elsewhere[line.id] - wanted)
        for state, quantity in ((UnitState.ELSEWHERE, elsewhere[line.id]), (UnitState.REMOVED, gone)):
            taken = max(0, min(left, quantity))
            places[state] += taken
            left -= taken
        if left == 0:
            continue
        if order.cancelled_at:
            places[UnitState.CANCELLED] += left
        elif order.test and not store.forward_test_orders:
            rests.append(_Rest(line.id, left, Gate(UnitState.EXCLUDED, "test_order")))
        elif line.gift_card or not line.requires_shipping:
            rests.append(_Rest(line.id, left, Gate(UnitState.EXCLUDED, "digital")))
        else:
            rests += _open_units(order, line.id, left, at_jetpack, store, now)
    if route_of(order, record, store) is Route.SHIPSTATION:
        rests = list(_shared_out(rests, order, record, now))
    return places, rests


def _shared_out(rests: Iterable[_Rest], order: Order, record: OrderRecord, now: datetime) -> Iterator[_Rest]:
    """Share what Shopify lets go out over the ShipStation orders that hold it: never more than Shopify says.

    What ShipStation holds beyond that was fulfilled or removed meanwhile: it imports the quantities as ordered.
    """
    left = {part.id: units_of(part, order) for part in order.shipstation}
    for consignment in record.live:
        for line in consignment.lines if consignment.shipstation_id in left else ():
            left[consignment.shipstation_id][line.line_id] -= line.quantity
    open_first = sorted(order.shipstation, key=lambda part: part.status == "cancelled")
    for rest in rests:
        if not rest.gate.passed:
            yield rest
            continue
        quantity = rest.quantity
        for part in open_first:
            if (units := min(quantity, left[part.id][rest.line_id])) > 0:
                left[part.id][rest.line_id] -= units
                quantity -= units
                mark = record.mark(part.id)
                ours = part.status == "shipped" and mark is not None and mark.state is MarkState.MARKED
                yield _Rest(rest.line_id, units, PASSED if ours else part_gate(part), part.id)
        if quantity > 0:
            yield _Rest(rest.line_id, quantity, not_imported_gate(order, now))


def _open_units(  # noqa: PLR0913, PLR0917 - the units, and what their gates look at
    order: Order, line_id: LineId, left: int, at_jetpack: int, store: Store, now: datetime
) -> Iterator[_Rest]:
    """Share the free units of a line out over its open fulfillment orders.

    `at_jetpack` units are still open in Shopify but lie in a consignment: they are taken off first, at our
    own locations, for only those were ever forwarded.
    """
    for fulfillment_order in order.fulfillment_orders:
        if fulfillment_order.closed:
            continue
        gate = fulfillment_order_gate(fulfillment_order, order, store, now)
        for line in fulfillment_order.lines:
            if line.line_id != line_id:
                continue
            taken = min(at_jetpack, line.remaining) if fulfillment_order.location_id in store.locations else 0
            at_jetpack -= taken
            quantity = min(line.remaining - taken, left)
            if quantity > 0:
                left -= quantity
                yield _Rest(line_id, quantity, gate)
    if left > 0:
        # No open fulfillment order names these units yet, or the one that did is being replaced.
        look = ROUTING_LOOK if now - order.created_at < OLD_ROUTING_LOOK else OLD_ROUTING_LOOK
        yield _Rest(line_id, left, Gate(UnitState.WAITING, "routing", until=now + look))


# -- consignments that exist already --------------------------------------------------------------------------


def _open_remaining(order: Order, line_id: LineId, store: Store) -> tuple[int, int]:
    """Count the units of a line that open fulfillment orders still want sent: from our locations, from others."""
    ours = others = 0
    for fulfillment_order in order.fulfillment_orders:
        if not fulfillment_order.closed:
            units = sum(line.remaining for line in fulfillment_order.lines if line.line_id == line_id)
            if fulfillment_order.location_id in store.locations:
                ours += units
            else:
                others += units
    return ours, others


def _unwanted(order: Order, record: OrderRecord, store: Store) -> Consignment | None:
    """Find a consignment holding units the source no longer wants from us: cancelled, removed, moved or sent by others.

    Both counts must say so. The line's count alone falls with refunds of units long shipped, and fulfillment
    orders alone vanish for a moment whenever they are replaced.
    """
    ours, elsewhere = fulfilled_by_us_and_elsewhere(order, record)
    at_jetpack = _consigned(record)
    at_jetpack.subtract(ours)
    unwanted = set()
    current = {line.id: line.current_quantity for line in order.lines}
    for line_id, units in at_jetpack.items():
        open_here, open_elsewhere = _open_remaining(order, line_id, store)
        counted = current.get(line_id, 0) - ours[line_id] - elsewhere[line_id] - open_elsewhere
        if units > 0 and (order.cancelled_at or (units > counted and units > open_here)):
            unwanted.add(line_id)
    # The newest consignment goes first: the older one is further on its way.
    for consignment in reversed(record.live):
        dropped = any(part.status == "cancelled" for part in _parts(consignment, order, record))
        wanted = not dropped and not any(line.line_id in unwanted for line in consignment.lines)
        if not (consignment.complete or consignment.refusal or wanted):
            return consignment
    return None


def _changed(order: Order, record: OrderRecord) -> Consignment | None:
    """Find a consignment sent to another address, or by another method, than the source now names."""
    known = {part.id for part in order.shipstation} | {""}
    for consignment in record.live:
        done = not consignment.sent_hash or consignment.complete or consignment.refusal
        if done or consignment.shipstation_id not in known:
            continue  # a ShipStation order that cannot be read says nothing
        if consignment.sent_hash != source_hash(as_seen(order, consignment.shipstation_id)):
            return consignment
    return None


def _parts(consignment: Consignment, order: Order, record: OrderRecord) -> tuple[ShipStationOrder, ...]:
    """Give the ShipStation orders a consignment stands for: its own, and what was split off it after forwarding."""
    own = next((part for part in order.shipstation if part.id == consignment.shipstation_id), None)
    if own is None:
        return ()
    units = units_of(own, order)
    if all(units[line.line_id] >= line.quantity for line in consignment.lines):
        return (own,)
    return (own, *split_off(own.id, order, frozenset(each.shipstation_id for each in record.live)))


def _labelled(order: Order, record: OrderRecord) -> tuple[Consignment, str] | None:
    """Find a consignment whose ShipStation order somebody ships from there, too: a label bought after forwarding.

    Once we told either book of a parcel, ShipStation calls the order shipped because of us.
    """
    for consignment in record.live:
        parts = _parts(consignment, order, record)
        part = next((each for each in parts if taken(each) and not record.mark(each.id)), None)
        if part and all(parcel.state is ParcelState.ANNOUNCING for parcel in consignment.parcels):
            return (
                consignment,
                f"ShipStation order {part.id} is {part.status} there, and consignment {consignment.n} too",
            )
    return None


# -- the plan -------------------------------------------------------------------------------------------------


def plan(  # noqa: PLR0911, PLR0913 - everything a decision is made from, and nothing else
    order: Order,
    record: OrderRecord,
    store: Store,
    now: datetime,
    *,
    catalogue: Catalogue | None = None,
    shipments: Mapping[int, JetpackOrder | None] | None = None,
) -> Plan:
    """Decide what to do about an order.

    Args:
        order: The source as it is now.
        record: Our own record; its consignments are the only evidence of what was sent.
        store: The merchant's settings.
        now: The time of this look.
        catalogue: SKUs and ship options at Jetpack; left out until the plan asks for it.
        shipments: Jetpack's view of the consignments by number; left out until the plan asks for it.

    Returns:
        At most one action, and the record as it stands if that action is not (yet) carried out.
    """
    for consignment in record.live:
        if consignment.cancel_asked and consignment.trouble and consignment.trouble.reason == "cancelled_at_jetpack":
            # We asked for it, and it was seen cancelled since: its units are free again.
            back = record.with_consignment(cancelled(consignment))
            return plan(order, back, store, now, catalogue=catalogue, shipments=shipments)
        if consignment.intent and now < consignment.intent.until:
            return _stand(record, order, store, now, trace=("an effect is under way",))
        if consignment.intent or consignment.state is ConsignmentState.CREATING:
            action = consignment.intent.action if consignment.intent else "create"
            return Plan(record, Resolve(consignment.n, action), trace=(f"outcome of {action} unknown: look first",))
    record = _still_refused(order, record)
    late, on_hold = _to_take_back(order, record, store), _to_hold_back(order, record, store)
    if (late or on_hold) and shipments is None:
        return Plan(record, needs=frozenset({Need.SHIPMENTS}))
    if on_hold and not (late and late[1] != "edit_refused"):
        # What is to stand still is stopped before it is edited: it can be edited while it stands.
        held = _hold_back(order, record, store, now, on_hold, shipments or {}, catalogue)
        if held:
            return held
    if late:
        return _take_back(order, record, store, now, *late, shipments or {}, catalogue)
    return _forward(order, record, store, now, catalogue)


def _still_refused(order: Order, record: OrderRecord) -> OrderRecord:
    """Forget refusals whose cause is gone: the source has changed again, or all has left."""
    for consignment in record.live:
        if consignment.refusal and (
            consignment.complete
            or consignment.refusal.change != fingerprint(as_seen(order, consignment.shipstation_id))
        ):
            record = record.with_consignment(replace(consignment, refusal=None))
    return record


def _to_take_back(order: Order, record: OrderRecord, store: Store) -> tuple[Consignment, str, str] | None:
    """Find a consignment that must not go as it was sent, with the hold, or the person's task, if it is too late."""
    if labelled := _labelled(order, record):
        return labelled[0], "", labelled[1]
    if unwanted := _unwanted(order, record, store):
        return unwanted, "cancel_refused", ""
    if changed := _changed(order, record):
        return changed, "edit_refused", ""
    return None


def _take_back(  # noqa: PLR0913, PLR0917 - everything the plan was made from, one return a case
    order: Order,
    record: OrderRecord,
    store: Store,
    now: datetime,
    edited: Consignment,
    refusal: str,
    why: str,
    shipments: Mapping[int, JetpackOrder | None],
    catalogue: Catalogue | None,
) -> Plan:
    """The source no longer wants what was sent: take it back if that is still possible, else ask a person.

    There is no order update at Jetpack (facts/shipbob.md section 10); what was not picked is cancelled under an
    intent and, once the cancel was seen, forwarded anew as the next consignment.
    """
    seen = shipments.get(edited.n)
    if seen is not None and seen.cancelled and (edited.cancel_asked or order.cancelled_at):
        # For a cancelled order nothing is sent anew, so whoever cancelled it at Jetpack did what we would have asked.
        done = record.with_consignment(cancelled(edited))
        return plan(order, done, store, now, catalogue=catalogue, shipments=shipments)
    change = fingerprint(as_seen(order, edited.shipstation_id))
    if seen is None:
        # Reads lag: a young order may not be shown yet, and absence is never evidence.
        young = edited.forwarded_at is not None and now - edited.forwarded_at < READS_LAG
        hold = None if young or not refusal else Hold(refusal, now, f"Jetpack does not show consignment {edited.n}")
        record = record if young or refusal else replace(record, failed=why)
        wake = now + ROUTING_LOOK if young else None
        return _stand(record, order, store, now, hold=hold, wake=wake, trace=(f"{refusal}: not shown at Jetpack",))
    if refusal == "edit_refused" and not edited.parcels and seen.unpicked:
        return _edit(order, record, store, now, edited, tuple(each.id for each in seen.changeable))
    if not edited.parcels and not any(each.picked and not each.cancelled for each in seen.shipments):
        reason = why or "the source changed"
        return Plan(record, Cancel(edited.n, refusal, why), trace=(f"{reason}: cancel consignment {edited.n}",))
    if not refusal:
        return _stand(replace(record, failed=why), order, store, now, trace=(why,))
    hold = Hold(refusal, now, f"consignment {edited.n} was picked or shipped before the change", change)
    refused = record.with_consignment(replace(edited, refusal=hold))
    return _after(f"{refusal}: too late at Jetpack", order, refused, store, now, catalogue, shipments)


def _after(  # noqa: PLR0913, PLR0917 - everything the plan was made from
    trace: str,
    order: Order,
    record: OrderRecord,
    store: Store,
    now: datetime,
    catalogue: Catalogue | None,
    shipments: Mapping[int, JetpackOrder | None],
) -> Plan:
    """Go on with the rest of the order, once it is clear that one consignment stays as it is."""
    planned = plan(order, record, store, now, catalogue=catalogue, shipments=shipments)
    return replace(planned, trace=(trace, *planned.trace))


def _edit(  # noqa: PLR0913, PLR0917 - everything the plan was made from
    order: Order, record: OrderRecord, store: Store, now: datetime, edited: Consignment, shipments: tuple[str, ...]
) -> Plan:
    """Change shipments that are not picked yet, if where and how they go now would pass the gates."""
    view = as_seen(order, edited.shipstation_id)
    gate, trace = first_stop({"address": lambda: address_gate(view), "ship option": lambda: mapping_gate(view, store)})
    if not gate.passed:
        hold = Hold(gate.reason, now, f"the change to consignment {edited.n} cannot be sent: {gate.detail}")
        return _stand(record, order, store, now, hold=hold, trace=tuple(trace))
    ship_option = store.ship_options[normalized(view.shipping_method)].ship_option
    action = Edit(edited.n, shipments, ship_option, source_hash(view))
    return Plan(record, action, trace=(f"the source changed: edit consignment {edited.n}",))


def _to_hold_back(order: Order, record: OrderRecord, store: Store) -> Consignment | None:
    """Find a consignment that is, or was, on hold at the source: Jetpack's shipments must follow, later ones too."""
    for consignment in record.live:
        under_way = consignment.state is ConsignmentState.LIVE and not (consignment.complete or consignment.refusal)
        if under_way and (consignment.held_back or _held_at_source(order, record, consignment, store)):
            return consignment
    return None


def _held_at_source(order: Order, record: OrderRecord, consignment: Consignment, store: Store) -> bool:
    parts = _parts(consignment, order, record)
    if any(part.status == "on_hold" for part in parts):
        return True
    if consignment.shipstation_id and not parts and consignment.held_back:
        return True  # a ShipStation order that cannot be read says nothing
    ours, _ = fulfilled_by_us_and_elsewhere(order, record)
    at_jetpack = _consigned(record)
    at_jetpack.subtract(ours)
    held: Counter[LineId] = Counter()
    free: Counter[LineId] = Counter()
    for each in order.fulfillment_orders:
        if not each.closed and each.location_id in store.locations:
            stopped = each.status == "ON_HOLD" or bool(each.holds)
            for line in each.lines:
                (held if stopped else free)[line.line_id] += line.remaining
    # Shopify splits what it holds in part: what is free beside it may go.
    return any(held[line.line_id] and at_jetpack[line.line_id] > free[line.line_id] for line in consignment.lines)


def _hold_back(  # noqa: PLR0913, PLR0917 - everything the plan was made from
    order: Order,
    record: OrderRecord,
    store: Store,
    now: datetime,
    consignment: Consignment,
    shipments: Mapping[int, JetpackOrder | None],
    catalogue: Catalogue | None,
) -> Plan | None:
    """Let Jetpack's shipments follow a hold at the source. None: they do already."""
    seen, n = shipments.get(consignment.n), consignment.n
    change = fingerprint(as_seen(order, consignment.shipstation_id))
    if seen is None:
        if consignment.forwarded_at is not None and now - consignment.forwarded_at < READS_LAG:
            trace = ("hold: not shown at Jetpack yet",)
            return _stand(record, order, store, now, wake=now + ROUTING_LOOK, trace=trace)
        why = f"Jetpack does not show consignment {n}"
    elif not _held_at_source(order, record, consignment, store):
        lifted = tuple(each.id for each in seen.changeable)
        return Plan(record, HoldBack(n, lifted, release=True), trace=(f"the source released consignment {n}",))
    else:
        moving = tuple(each.id for each in seen.changeable if each.status != "OnHold")
        if moving:
            return Plan(record, HoldBack(n, moving, release=False), trace=(f"the source holds consignment {n}",))
        if consignment.held_back:
            return None
        if seen.changeable:
            return Plan(record, HoldBack(n, (), release=False), trace=(f"consignment {n} stands at Jetpack already",))
        why = f"on hold at the source, but consignment {n} was picked before"
    refused = record.with_consignment(replace(consignment, refusal=Hold("edit_refused", now, why, change)))
    return _after("edit_refused: too late at Jetpack", order, refused, store, now, catalogue, shipments)


def cancelled(consignment: Consignment) -> Consignment:
    """Take a consignment's units back. Only after a cancel that we asked for and saw confirmed."""
    return replace(consignment, state=ConsignmentState.CANCELLED, intent=None, trouble=None)


def fingerprint(order: Order) -> str:
    """Hash all of the source that a partner can refuse: the same refusal is not asked for twice."""
    units = [(line.id, line.sku, line.current_quantity) for line in order.lines]
    parts = [(part.id, part.status) for part in order.shipstation]
    holds = sorted(hold.id for each in order.fulfillment_orders for hold in each.holds)
    return digest([source_hash(order), bool(order.cancelled_at), units, parts, holds])


def create_hash(order: Order) -> str:
    """Hash what a create says of an order, seen as one of its ShipStation orders: the rest cannot have it refused."""
    return digest([source_hash(order), [(line.id, line.sku, line.current_quantity) for line in order.lines]])


def _forward(order: Order, record: OrderRecord, store: Store, now: datetime, catalogue: Catalogue | None) -> Plan:
    _, rests = _account(order, record, store, now)
    ready = [rest for rest in rests if rest.gate.passed]
    if not ready:
        return _stand(record, order, store, now)
    stops: dict[str, Gate] = {}
    trace: list[str] = []
    for part in dict.fromkeys(rest.part for rest in ready):
        planned = _forward_part(
            as_seen(order, part), record, store, now, catalogue, [rest for rest in ready if rest.part == part]
        )
        trace += planned.trace
        if planned.needs or planned.action:
            return replace(planned, trace=tuple(trace))
        record, stops[part] = planned.record, planned.stop
    rejected = dict(record.rejections)
    refused = next((rejected[part] for part, gate in stops.items() if gate.reason == "rejected_by_jetpack"), None)
    return _stand(record, order, store, now, gates=stops, hold=refused, trace=tuple(trace))


def _forward_part(  # noqa: PLR0913, PLR0917 - everything the plan was made from
    order: Order,
    record: OrderRecord,
    store: Store,
    now: datetime,
    catalogue: Catalogue | None,
    ready: list[_Rest],
) -> Plan:
    """Plan what passed every gate of its own: on the direct route all of it, else one ShipStation order's."""
    part = ready[0].part
    rejected = dict(record.rejections).get(part)
    if rejected and rejected.change == create_hash(order):
        return Plan(record, trace=("refused as it is",), stop=Gate(UnitState.HELD, rejected.reason, rejected.detail))
    lines = sorted({rest.line_id for rest in ready})
    verdict = evaluate(store.rules, order)
    decision = Decision(verdict.outcome, verdict.rule, verdict.version)
    gate, trace = first_stop(
        {
            "payment": lambda: payment_gate(order, store),
            "risk": lambda: risk_gate(order, store),
            "already forwarded elsewhere": lambda: elsewhere_gate(order),
            "grace": lambda: grace_gate(order, store, now),
            "rules": lambda: rules_gate(verdict.outcome, verdict.rule),
            "address": lambda: address_gate(order),
            "SKU": lambda: blank_sku_gate(order, lines),
            "ship option": lambda: mapping_gate(order, store),
        }
    )
    trace = [*trace, *(f"rule {each.rule!r}: {each.why}" for each in verdict.trace)]
    record = replace(record, decision=decision)
    if gate.passed:
        if catalogue is None:
            return Plan(record, needs=frozenset({Need.CATALOGUE}))
        ship_option = store.ship_options[normalized(order.shipping_method)].ship_option
        gate, more = first_stop(
            {
                "SKU at Jetpack": lambda: sku_gate(order, lines, catalogue),
                "ship option at Jetpack": lambda: ship_option_gate(ship_option, catalogue),
                "stock": lambda: stock_gate(order),
            }
        )
        trace += more
        if gate.passed:
            units: Counter[LineId] = Counter()
            for rest in ready:
                units[rest.line_id] += rest.quantity
            n = max((each.n for each in record.consignments), default=0) + 1
            action = Create(
                n,
                reference_for(record.store, record.order_id, n),
                tuple(ConsignedLine(line_id, order.line(line_id).sku, units[line_id]) for line_id in lines),
                ship_option,
                source_hash(order),
                part,
            )
            record = replace(record, decision=replace(decision, ship_option=ship_option))
            return Plan(record, action, trace=tuple(trace))
    return Plan(record, trace=tuple(trace), stop=gate)


def _stand(  # noqa: PLR0913 - what was read, and what was decided about it
    record: OrderRecord,
    order: Order,
    store: Store,
    now: datetime,
    *,
    gates: Mapping[str, Gate] | None = None,
    hold: Hold | None = None,
    wake: datetime | None = None,
    trace: tuple[str, ...] = (),
) -> Plan:
    """Write down where everything stands, when nothing is to be done now.

    `gates` is where units stopped that passed every gate of their own, by ShipStation order ("" on the direct
    route). Without one they wait for something under way elsewhere in the order.
    """
    stops = gates or {}
    places, rests = _account(order, record, store, now)
    rests = [replace(rest, gate=stops.get(rest.part, PASSED)) if rest.gate.passed else rest for rest in rests]
    for rest in rests:
        places[UnitState.WAITING if rest.gate.passed else rest.gate.state] += rest.quantity
    held = next((rest.gate for rest in rests if rest.gate.state is UnitState.HELD), None)
    if hold is None and held:
        hold = Hold(held.reason, now, held.detail)
    hold = hold or next((each.refusal for each in record.live if each.refusal), None)
    if hold is None and any(each.held_back for each in record.live):
        hold = Hold("store_hold", now, "on hold at the source after it was forwarded, and at Jetpack too")
    shown = held or next((rest.gate for rest in rests if not rest.gate.passed), None)
    record = replace(
        record,
        ordered=max(sum(line.quantity for line in order.lines), 0),
        others=tuple(sorted((+places).items())),
        hold=continued(hold, record.hold),
        reason=(hold.reason if hold else "") or (shown.reason if shown else ""),
    )
    return Plan(
        settled(record, now, looked=NextLook.FORWARD, wake=[wake, *(rest.gate.until for rest in rests)]), trace=trace
    )


def standing(
    record: OrderRecord, order: Order, store: Store, now: datetime, *, hold: Hold | None = None
) -> OrderRecord:
    """Give every unit its place after something was taken back; with `hold`, free units are held by it."""
    held = Gate(UnitState.HELD, hold.reason, hold.detail) if hold else PASSED
    gates = dict.fromkeys(("", *(part.id for part in order.shipstation)), held)
    return _stand(record, order, store, now, gates=gates, hold=hold).record


def intended(record: OrderRecord, order: Order, action: Create, store: Store, now: datetime) -> OrderRecord:
    """Write a consignment down before it is sent: its units leave the others, so that no unit is in two places."""
    consignment = Consignment(
        action.n,
        action.reference,
        action.lines,
        ConsignmentState.CREATING,
        action.sent_hash,
        shipstation_id=action.shipstation_id,
    )
    creating = replace(record.with_consignment(consignment), route=route_of(order, record, store))
    return _stand(creating, order, store, now).record
