"""What ShipStation's book says about orders, fulfillments and webhooks. Read again, never changed here.

All times are UTC: ShipStation's Pacific wall time stops in its adapter (facts/shipstation.md section 4).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime

from jetbridge.domain.identifiers import LineId, OrderId
from jetbridge.domain.order import Address, Order


@dataclass(frozen=True, slots=True)
class ShipStationLine:
    """One line. Discounts and adjustments are lines too, but no goods (facts/shipstation.md section 8)."""

    key: str
    """`lineItemKey`: Shopify's line item id, if the line came from there."""
    sku: str
    name: str
    quantity: int
    goods: bool = True
    warehouse_location: str = ""


@dataclass(frozen=True, slots=True)
class ShipStationOrder:
    """One order in ShipStation: a Shopify order, or one part of it after a split."""

    id: str
    number: str
    key: str
    status: str
    """ShipStation's own word, known or not."""
    store_id: str
    modified_at: datetime
    lines: tuple[ShipStationLine, ...] = ()
    method: str = ""
    """`requestedShippingService`: the channel's text from the checkout."""
    ship_to: Address | None = None
    tags: tuple[str, ...] = ()
    """Names of its tags."""
    held_until: str = ""
    """The date a hold ends, as ShipStation writes dates."""
    parent_id: str = ""
    """The order it was split from."""
    merged_ids: tuple[str, ...] = ()
    """The orders that were merged into it."""
    externally_fulfilled: bool = False
    customer_notes: str = ""
    internal_notes: str = ""
    custom_fields: tuple[str, str, str] = ("", "", "")
    gift: bool = False
    gift_message: str = ""
    source: str = ""
    """`advancedOptions.source`."""
    ship_by: datetime | None = None
    paid_at: datetime | None = None
    weight_grams: int = 0
    residential: bool | None = None
    address_verified: str = ""
    """ShipStation's word about the address."""
    assigned_to: str = ""
    """`userId`."""
    username: str = ""
    """`customerUsername`, the buyer id of marketplaces."""


@dataclass(frozen=True, slots=True)
class ShipStationFulfillment:
    """One order marked as shipped, and what ShipStation says of telling the sales channel."""

    order_id: str
    number: str
    """The tracking number."""
    created_at: datetime
    channel_told: bool = False
    """`marketplaceNotified`."""
    error: str = ""
    """Whether, in a word, ShipStation reports a failure to tell: its words are cut to what names nobody."""
    voided: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """What an order is marked as shipped with. The whole order, one number: V1 knows no more."""

    order_id: str
    number: str
    carrier: str
    """The carrier in Jetpack's words; the adapter finds ShipStation's code."""
    shipped_at: datetime
    notify_channel: bool
    """Whether ShipStation tells the shop, which then tells the customer."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A webhook's `resource_url`, taken apart: only what is known to stand in one (facts/shipstation.md section 5)."""

    origin: str
    """Scheme, host and perhaps port as given. No credential goes there before the adapter has allowed it."""
    kind: str
    """orders, shipments or fulfillments."""
    query: tuple[tuple[str, str], ...]
    """Known keys in their canonical spelling, sorted."""


OPEN = frozenset({"awaiting_payment", "awaiting_shipment", "on_hold"})
"""Statuses in which an order still can go any way."""

TAKEN = frozenset({"shipped", "pending_fulfillment"})
"""Statuses that say: somebody ships it, or did."""


def taken(part: ShipStationOrder) -> bool:
    """Whether somebody in ShipStation ships it already, or did."""
    return part.externally_fulfilled or part.status in TAKEN


def same_name(name: str, number: str) -> bool:
    """Whether a Shopify order's name and a ShipStation order's number are one (facts/shipstation.md section 9)."""
    return bool(_digits(name)) and _digits(name) == _digits(number)


def _digits(name: str) -> str:
    """Both books let people choose what stands before and behind the number."""
    return "".join(each for each in name if each.isdecimal())


STAND_IN = "shipstation-"


def stand_in_for(shipstation_id: str) -> OrderId:
    """Name the record of a ShipStation order whose Shopify order nobody knows (yet)."""
    return OrderId(f"{STAND_IN}{shipstation_id}")


def stood_in_for(order_id: str) -> str:
    """Give the ShipStation order a record stands in for; empty when it is a Shopify order's own."""
    return order_id.removeprefix(STAND_IN) if order_id.startswith(STAND_IN) else ""


def shopify_id_of(part: ShipStationOrder) -> OrderId | None:
    """Read the Shopify order's id out of `orderKey`: a guess, until Shopify has that id under that name."""
    first = part.key.partition("-")[0]
    return OrderId(first) if first.isascii() and first.isdecimal() else None


def units_of(part: ShipStationOrder, order: Order) -> Counter[LineId]:
    """Tell which units of which of the order's lines a ShipStation order holds.

    By the line's key where that is Shopify's id; else by SKU, the same SKU on two lines in line order. What
    Shopify's order does not have (lines added by hand in ShipStation) holds none of its units.
    """
    left = Counter({line.id: line.quantity for line in order.lines})
    units: Counter[LineId] = Counter()
    goods = [line for line in part.lines if line.goods and line.quantity > 0]
    for line in goods:
        if line.key in left:
            taken_units = min(line.quantity, left[LineId(line.key)])
            units[LineId(line.key)] += taken_units
            left[LineId(line.key)] -= taken_units
    for line in goods:
        wanted = 0 if line.key in left or not line.sku else line.quantity
        for of_order in order.lines:
            taken_units = min(wanted, left[of_order.id]) if of_order.sku == line.sku else 0
            units[of_order.id] += taken_units
            left[of_order.id] -= taken_units
            wanted -= taken_units
    return +units


def as_seen(order: Order, part_id: str) -> Order:
    """Show a Shopify order as one of its ShipStation orders shows it: where it goes, by which method, its tags.

    Shopify has the last word on lines, payment and risk. "" for `part_id` is the direct route: nothing changes.
    """
    part = next((each for each in order.shipstation if each.id == part_id), None)
    if part is None:
        return order
    # ShipStation keeps no e-mail of its own making and no second phone: those stay Shopify's.
    return replace(
        order,
        shipping_method=part.method or order.shipping_method,
        shipping_address=part.ship_to or order.shipping_address,
        tags=tuple(dict.fromkeys((*order.tags, *part.tags))),
        paid_at=part.paid_at or order.paid_at,
        ship_by=part.ship_by or order.ship_by,
        part=part,
    )


def split_off(part_id: str, order: Order, consigned: frozenset[str]) -> tuple[ShipStationOrder, ...]:
    """Give the ShipStation orders split off one, near or far, that have no consignment of their own (`consigned`)."""
    known = {part.id: part for part in order.shipstation}

    def leads_here(part: ShipStationOrder) -> bool:
        for _ in known:  # no longer than the chain can be, should it run in a circle
            if part.parent_id == part_id:
                return True
            if part.parent_id not in known:
                return False
            part = known[part.parent_id]
        return False

    return tuple(part for part in order.shipstation if part.id not in consigned and leads_here(part))
