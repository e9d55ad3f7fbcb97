"""From Jetpack's shipments to parcels: which units of which line left, under which number."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jetbridge.domain.accounting import READS_LAG
from jetbridge.domain.holds import Hold, continued
from jetbridge.domain.record import Consignment, OrderRecord, Parcel, ParcelState, UnitState, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from jetbridge.domain.identifiers import LineId
    from jetbridge.domain.order import (
        Fulfillment,
        FulfillmentOrder,
        FulfillmentOrderLine,
        JetpackOrder,
        JetpackShipment,
        Order,
    )
    from jetbridge.domain.shipstation import ShipStationOrder


@dataclass(frozen=True, slots=True)
class FulfillmentPart:
    """Units of one parcel in fulfillment orders of one location: what one fulfillmentCreate can take."""

    location_id: str
    lines: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]


def with_shipments(consignment: Consignment, seen: JetpackOrder, now: datetime) -> Consignment:
    """Bring a consignment up to date with its shipments: new parcels, changed numbers, deliveries, trouble.

    A parcel that is not announced yet comes out as announcing without an end: announcing it is what is left
    to do. A parcel never disappears, whatever Jetpack shows later.
    """
    parcels = {parcel.shipment_id: parcel for parcel in consignment.parcels}
    for shipment in seen.shipments:
        known = parcels.get(shipment.id)
        if shipment.shipped and (known is None or _unplaced(known, consignment)):
            others = tuple(parcel for parcel in parcels.values() if parcel.shipment_id != shipment.id)
            rest = replace(consignment, parcels=others)
            parcel = Parcel(
                shipment.id,
                _units(rest, shipment, only=len(seen.shipments) == 1),
                ParcelState.FAILED,
                shipment.tracking_number,
                shipment.carrier,
                shipment.tracking_url,
                at_jetpack=_contents(rest, shipment, last=all(each.shipped for each in seen.shipments)),
            )
            # Without units of its own it can only be put beside a parcel told of before: a late one, or the rest of
            # a bundle.
            whole = consignment.shipped_units >= consignment.units
            beside = (parcel.at_jetpack or whole) and told_with(parcel, rest)
            tellable = parcel.units or beside or (known is None and whole)
            known = replace(parcel, state=ParcelState.ANNOUNCING) if tellable else parcel
        if known and shipment.shipped and _differs(known, shipment):
            # Nobody was told yet: what is told is what Jetpack says now. Or another label was printed since, and
            # the customer must hear of its number.
            told = known.number if known.state is ParcelState.ANNOUNCED else known.told
            number, carrier, url = shipment.tracking_number, shipment.carrier, shipment.tracking_url
            known = replace(known, state=ParcelState.ANNOUNCING, number=number, carrier=carrier, url=url, told=told)
        if known and known.state is ParcelState.ANNOUNCED and shipment.delivered:
            # The number has served: it moves to the parcel's own item, the record keeps what proves it was sent.
            known = replace(known, state=ParcelState.DELIVERED, carrier="", url="", until=None)
        if known:
            parcels[shipment.id] = known
    updated = replace(consignment, parcels=tuple(parcels.values()))
    return replace(updated, trouble=_trouble(updated, seen, now))


def _unplaced(parcel: Parcel, consignment: Consignment) -> bool:
    """Whether nobody can say yet which goods of ours a parcel holds: what leaves after it may tell."""
    tried = consignment.bundled and parcel.until is not None
    return parcel.state is ParcelState.FAILED and not parcel.units and not tried


def told_with(parcel: Parcel, consignment: Consignment) -> frozenset[str]:
    """Name the other parcels whose units a parcel without any belongs to: it holds the rest of bundles counted there.

    One that names nothing we know may belong to any of them. Without bundles no parcel belongs to another.
    """
    if not consignment.bundled:
        return frozenset()
    skus = {sku for sku, _ in parcel.at_jetpack}
    lines = {line.line_id for line in consignment.lines if not skus or any(sku in skus for sku, _ in line.at_jetpack)}
    return frozenset(
        each.shipment_id
        for each in consignment.parcels
        if each.shipment_id != parcel.shipment_id and any(line_id in lines for line_id, _ in each.units)
    )


def _differs(parcel: Parcel, shipment: JetpackShipment) -> bool:
    """Whether what would be told of a parcel is not what was, or will be."""
    if parcel.state is ParcelState.ANNOUNCED:
        return bool(parcel.number) and shipment.tracking_number != parcel.number
    told = (shipment.tracking_number, shipment.carrier, shipment.tracking_url)
    idle = parcel.state is ParcelState.ANNOUNCING and parcel.until is None
    return idle and (parcel.number, parcel.carrier, parcel.url) != told


def _units(consignment: Consignment, shipment: JetpackShipment, *, only: bool) -> tuple[tuple[LineId, int], ...]:
    """Tell whose units a shipment holds: by SKU, the same SKU on two lines in line order.

    Shipments name no line and, for kits, only components (facts/shipbob.md section 7): the one shipment an order
    ever had, naming nothing we know, holds everything that is left of it. A bundle of our SKU map counts as sent with
    the first parcel that holds something of it; the rest of it travels as a late parcel.
    """
    left: Counter[LineId] = Counter()
    for line in consignment.lines:
        left[line.line_id] += line.quantity
    for parcel in consignment.parcels:
        for line_id, quantity in parcel.units:
            left[line_id] -= quantity
    units: Counter[LineId] = Counter()
    there: Counter[str] = Counter()
    for sku, quantity in shipment.items:
        there[sku] += quantity
    for line in consignment.lines:
        per_unit = line.components or ((line.sku, 1),)
        begun = max(-(-there[sku] // units_each) for sku, units_each in per_unit)
        taken = min(begun, left[line.line_id])
        if taken > 0:
            units[line.line_id] += taken
            left[line.line_id] -= taken
            there.subtract({sku: min(there[sku], taken * units_each) for sku, units_each in per_unit})
    if not units and only:
        return tuple((line_id, quantity) for line_id, quantity in left.items() if quantity > 0)
    return tuple(units.items())


def _contents(consignment: Consignment, shipment: JetpackShipment, *, last: bool) -> tuple[tuple[str, int], ...]:
    """Tell what a shipment holds of a consignment with bundles, as Jetpack counts it.

    Jetpack's own kits show only what they are made of: the last shipment, naming something else, holds what is left.
    """
    if not consignment.bundled:
        return ()
    there: Counter[str] = Counter()
    for sku, quantity in shipment.items:
        there[sku] += quantity
    known = consignment.at_jetpack
    if last and not (there and there.keys() <= known.keys()):
        there = consignment.to_come
    return tuple((sku, quantity) for sku, quantity in there.items() if sku in known)


OUR_HOLD = "Manual"
"""What Jetpack calls a merchant's hold (facts/shipbob.md section 8)."""

SEEN_IN_SHIPMENTS = frozenset({"jetpack_hold", "jetpack_exception", "cancelled_at_jetpack"})


def _trouble(consignment: Consignment, seen: JetpackOrder, now: datetime) -> Hold | None:
    """Say what Jetpack says against shipping. Its names are kept as they are, the unknown ones too."""
    before = consignment.trouble
    if before and before.reason not in SEEN_IN_SHIPMENTS and not (as_meant(consignment, seen) or consignment.complete):
        return before  # the order there still is not what was meant
    alive = [shipment for shipment in seen.shipments if not shipment.cancelled]
    if seen.shipments and not alive:
        return continued(Hold("cancelled_at_jetpack", now, "cancelled in Jetpack"), before)
    if len(alive) < len(seen.shipments) and _units_of(consignment, alive) < consignment.at_jetpack.total():
        return continued(Hold("cancelled_at_jetpack", now, "a part was cancelled in Jetpack"), before)
    if unknown := sorted({each.status for each in alive if not each.known}):
        said = ", ".join(unknown)
        return continued(Hold("jetpack_exception", now, f"Jetpack says {said}, which nobody here knows"), before)
    for status, reason in (("OnHold", "jetpack_hold"), ("Exception", "jetpack_exception")):
        names = sorted({name for each in alive if each.status == status for name in each.details or (status,)})
        if names == [OUR_HOLD] and consignment.held_back:
            continue  # our own hold is the source's, and stands on the record as that
        if names:
            return continued(Hold(reason, now, ", ".join(names)), before)
    return None


def as_meant(consignment: Consignment, seen: JetpackOrder) -> bool:
    """Whether an order at Jetpack holds just what was meant to be sent, by SKU."""
    there: Counter[str] = Counter()
    for sku, quantity in seen.products:
        there[sku] += quantity
    return consignment.at_jetpack == there


def _units_of(consignment: Consignment, shipments: list[JetpackShipment]) -> int:
    """Count the units shipments hold, as Jetpack does; all of them if they name nothing we know, as kits do."""
    skus = consignment.at_jetpack
    items = [(sku, quantity) for shipment in shipments for sku, quantity in shipment.items]
    if not any(sku in skus for sku, _ in items):
        return skus.total()
    return sum(quantity for sku, quantity in items if sku in skus)


def missing_at_jetpack(consignment: Consignment, now: datetime) -> Consignment:
    """Note that Jetpack no longer knows an order it confirmed: a person has to look (facts/shipbob.md section 7).

    A young one is not shown yet, for reads lag: nothing is noted.
    """
    if consignment.forwarded_at and now - consignment.forwarded_at < READS_LAG:
        return consignment
    hold = Hold("cancelled_at_jetpack", now, "Jetpack no longer knows this order")
    return replace(consignment, trouble=continued(hold, consignment.trouble))


def unannounced(record: OrderRecord, now: datetime) -> Iterator[tuple[Consignment, Parcel]]:
    """Find the parcels the customer has not been told of, and nobody is telling just now.

    One that failed is tried again when its time comes: a person may have put the shop right.
    """
    for consignment in record.live:
        for parcel in consignment.parcels:
            if parcel.until is None:
                ready = parcel.state is ParcelState.ANNOUNCING
            else:
                ready = parcel.state in {ParcelState.ANNOUNCING, ParcelState.FAILED} and parcel.until <= now
            if ready:
                yield consignment, parcel


def writer_of(record: OrderRecord, seen: Mapping[int, JetpackOrder | None]) -> Writer:
    """Choose who tells the shop of a ShipStation order's parcels (DESIGN section 7).

    ShipStation knows one number and all units: it may tell only what is one order there, one consignment here,
    and one shipment at Jetpack with everything the shop still wants sent.
    """
    outside = {state for state, units in record.others if units} - {UnitState.REMOVED, UnitState.CANCELLED}
    if len(record.parts) != 1 or len(record.live) != 1 or outside:
        return Writer.SHOPIFY
    (consignment,) = record.live
    shown = seen.get(consignment.n)
    alive = [shipment for shipment in (shown.shipments if shown else ()) if not shipment.cancelled]
    whole = consignment.complete and len(consignment.parcels) == 1 and len(alive) == 1
    return Writer.SHIPSTATION if whole and consignment.shipstation_id else Writer.SHOPIFY


def holds_all(part: ShipStationOrder, consignment: Consignment) -> bool:
    """Whether a ShipStation order still is what was forwarded: open, not merged, no units split off it."""
    left = Counter[str]()
    for line in part.lines:
        left[line.sku] += line.quantity if line.goods else 0
    for consigned in consignment.lines:
        left[consigned.sku] -= consigned.quantity
    return part.status == "awaiting_shipment" and not part.merged_ids and min(left.values(), default=0) >= 0


def with_parcel(record: OrderRecord, consignment_n: int, parcel: Parcel) -> OrderRecord:
    """Put a parcel back into its consignment."""
    consignment = record.consignment(consignment_n)
    parcels = tuple(parcel if each.shipment_id == parcel.shipment_id else each for each in consignment.parcels)
    return record.with_consignment(replace(consignment, parcels=parcels))


def fulfillment_of(parcel: Parcel, order: Order) -> Fulfillment | None:
    """Find the fulfillment the shop was told of a parcel with, when its number has changed since."""
    for fulfillment in order.fulfillments:
        if fulfillment.counts and (
            (parcel.fulfillment_id and fulfillment.id == parcel.fulfillment_id)
            or (parcel.told and parcel.told in fulfillment.tracking_numbers)
        ):
            return fulfillment
    return None


@dataclass(frozen=True, slots=True)
class Announcement:
    """What is left to tell the shop of one parcel."""

    parts: tuple[FulfillmentPart, ...]
    """What can be sent now, one part a location."""
    known: str
    """The fulfillment that already tells of this parcel, or nothing."""
    held: int
    """Units in fulfillment orders that the shop does not let us fulfill just now.

    Units that no open fulfillment order names any more were removed or fulfilled by somebody else after they
    had left: the parcel is told of with the rest.
    """


def still_to_announce(
    parcel: Parcel, order: Order, locations: frozenset[str], used: Counter[str], others: frozenset[str] = frozenset()
) -> Announcement:
    """Find the open fulfillment order lines that take a parcel's units.

    Args:
        parcel: The parcel; units already told of under its number are left out.
        order: The order as read before the first parcel was announced.
        locations: Our locations.
        used: Units of fulfillment order lines that parcels announced since that read have taken; added to.
        others: The fulfillments of other parcels, which may travel under the same number.
    """
    known, told = "", Counter[str]()
    for fulfillment in order.fulfillments:
        if fulfillment.id not in others and fulfillment.counts and parcel.number in fulfillment.tracking_numbers:
            known = known or fulfillment.id
            told.update(dict(fulfillment.units))
    parts: dict[str, dict[str, dict[str, int]]] = {}
    held = 0
    for line_id, units in parcel.units:
        quantity, blocked = units - told[line_id], 0
        for fulfillment_order, line in _open_lines(order, line_id, locations):
            if "CREATE_FULFILLMENT" not in fulfillment_order.supported_actions:
                blocked += line.remaining
                continue
            taken = min(quantity, line.remaining - used[line.id])
            if taken > 0:
                lines = parts.setdefault(fulfillment_order.location_id, {}).setdefault(fulfillment_order.id, {})
                lines[line.id] = lines.get(line.id, 0) + taken
                used[line.id] += taken
                quantity -= taken
        held += max(0, min(quantity, blocked))
    found = (
        FulfillmentPart(location, tuple((name, tuple(lines.items())) for name, lines in orders.items()))
        for location, orders in parts.items()
    )
    return Announcement(tuple(found), known, held)


def _open_lines(
    order: Order, line_id: LineId, locations: frozenset[str]
) -> Iterator[tuple[FulfillmentOrder, FulfillmentOrderLine]]:
    for fulfillment_order in order.fulfillment_orders:
        if not fulfillment_order.closed and fulfillment_order.location_id in locations:
            for line in fulfillment_order.lines:
                if line.line_id == line_id:
                    yield fulfillment_order, line
