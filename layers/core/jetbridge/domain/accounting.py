"""Where every unit of an order is, outside consignments and in them (invariant 1). Pure: counted, never changed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from jetbridge.domain.changes import Wish
from jetbridge.domain.gates import PASSED, Gate, fulfillment_order_gate, not_imported_gate, part_gate
from jetbridge.domain.identifiers import LineId
from jetbridge.domain.order import Order, address_fields, digest
from jetbridge.domain.record import MarkState, OrderRecord, UnitState
from jetbridge.domain.ship_options import normalized
from jetbridge.domain.shipstation import units_of
from jetbridge.domain.store import Route

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jetbridge.domain.store import Store

ROUTING_LOOK = timedelta(minutes=1)
"""Fulfillment orders are made by a background job after the order (facts/shopify.md section 6)."""


OLD_ROUTING_LOOK = timedelta(minutes=15)
"""An order that was not routed by then waits for something else; its change is found by the sweep, too."""

READS_LAG = timedelta(minutes=5)
"""Until then an order we created may not be shown by Jetpack's reads (facts/shipbob.md section 6)."""


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


# -- what is outside consignments ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rest:
    """Units of one line outside consignments that could still be forwarded, and what their gate says."""

    line_id: LineId
    quantity: int
    gate: Gate
    part: str = ""
    """The ShipStation order that holds them; empty on the direct route."""
    fulfillment_order: str = ""


def consigned(record: OrderRecord) -> Counter[LineId]:
    """Count the units in consignments, by line."""
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


def account(order: Order, record: OrderRecord, store: Store, now: datetime) -> tuple[Counter[UnitState], list[Rest]]:
    """Put every unit outside consignments in exactly one place; what is still open keeps its gate."""
    held_there = consigned(record)
    ours, elsewhere = fulfilled_by_us_and_elsewhere(order, record)
    places: Counter[UnitState] = Counter()
    rests: list[Rest] = []
    for line in order.lines:
        left = max(0, line.quantity - held_there[line.id])
        at_jetpack = max(0, held_there[line.id] - ours[line.id])
        # Refunds of units long shipped lower the count too: what open fulfillment orders still want is not removed.
        wanted = max(0, sum(open_remaining(order, line.id, store)) - at_jetpack)
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
            rests.append(Rest(line.id, left, Gate(UnitState.EXCLUDED, "test_order")))
        elif line.gift_card or not line.requires_shipping:
            rests.append(Rest(line.id, left, Gate(UnitState.EXCLUDED, "digital")))
        else:
            rests += _open_units(order, line.id, left, at_jetpack, store, now)
    if route_of(order, record, store) is Route.SHIPSTATION:
        rests = list(_shared_out(rests, order, record, now))
    if unwished(record):
        out = Gate(UnitState.EXCLUDED, "person")
        rests = [rest if rest.gate.state is UnitState.EXCLUDED else replace(rest, gate=out) for rest in rests]
    return places, rests


def unwished(record: OrderRecord) -> bool:
    """Whether a person said that Jetpack is not to send it."""
    return record.wish is Wish.EXCLUDE


def _shared_out(rests: Iterable[Rest], order: Order, record: OrderRecord, now: datetime) -> Iterator[Rest]:
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
                gate = PASSED if ours else part_gate(part)
                yield replace(rest, quantity=units, gate=gate, part=part.id)
        if quantity > 0:
            yield replace(rest, quantity=quantity, gate=not_imported_gate(order, now))


def _open_units(  # noqa: PLR0913, PLR0917 - the units, and what their gates look at
    order: Order, line_id: LineId, left: int, at_jetpack: int, store: Store, now: datetime
) -> Iterator[Rest]:
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
                yield Rest(line_id, quantity, gate, fulfillment_order=fulfillment_order.id)
    if left > 0:
        # No open fulfillment order names these units yet, or the one that did is being replaced.
        look = ROUTING_LOOK if now - order.created_at < OLD_ROUTING_LOOK else OLD_ROUTING_LOOK
        yield Rest(line_id, left, Gate(UnitState.WAITING, "routing", until=now + look))


def open_remaining(order: Order, line_id: LineId, store: Store) -> tuple[int, int]:
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
