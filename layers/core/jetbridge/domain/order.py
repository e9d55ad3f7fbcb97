"""An order as its source shows it at one moment. Never changed by us, only read again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jetbridge.domain.identifiers import LineId, OrderId

if TYPE_CHECKING:
    from jetbridge.domain.shipstation import ShipStationOrder


@dataclass(frozen=True, slots=True)
class Address:
    """Where the parcel goes. Personal data: kept in the snapshot only."""

    name: str = ""
    company: str = ""
    address1: str = ""
    address2: str = ""
    city: str = ""
    province_code: str = ""
    zip: str = ""
    country_code: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the order. `quantity` is what was ordered, `current_quantity` what removals and refunds left."""

    id: LineId
    sku: str
    name: str
    quantity: int
    current_quantity: int
    requires_shipping: bool = True
    gift_card: bool = False
    unit_price: str = ""
    vendor: str = ""
    product_type: str = ""
    product_tags: tuple[str, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    """What the customer chose or wrote (`customAttributes`), by name."""
    warehouse_location: str = ""
    """ShipStation's, on that route."""


@dataclass(frozen=True, slots=True)
class FulfillmentHold:
    """A hold in Shopify. `ours` is Shopify's `heldByRequestingApp`."""

    id: str
    reason: str
    ours: bool = False


@dataclass(frozen=True, slots=True)
class FulfillmentOrderLine:
    """Units of one order line in one fulfillment order."""

    id: str
    line_id: LineId
    total: int
    remaining: int


@dataclass(frozen=True, slots=True)
class FulfillmentOrder:
    """The part of an order assigned to one location (facts/shopify.md section 6)."""

    id: str
    status: str
    location_id: str
    method_type: str
    supported_actions: frozenset[str]
    lines: tuple[FulfillmentOrderLine, ...]
    holds: tuple[FulfillmentHold, ...] = ()
    fulfill_at: datetime | None = None

    @property
    def mirrors(self) -> tuple[FulfillmentHold, ...]:
        """The holds on it, if they are all ours."""
        return self.holds if all(hold.ours for hold in self.holds) else ()

    @property
    def closed(self) -> bool:
        """Closed and cancelled fulfillment orders show quantities that mean nothing any more."""
        return self.status in {"CLOSED", "CANCELLED", "INCOMPLETE"}


@dataclass(frozen=True, slots=True)
class Fulfillment:
    """Units that somebody told Shopify were sent. Only SUCCESS counts: the rest is not done."""

    id: str
    status: str
    tracking_numbers: tuple[str, ...]
    units: tuple[tuple[LineId, int], ...]

    @property
    def counts(self) -> bool:
        """Whether its units have left."""
        return self.status == "SUCCESS"


@dataclass(frozen=True, slots=True)
class Order:
    """Everything one read of a Shopify order tells us (facts/shopify.md sections 5 and 6)."""

    id: OrderId
    name: str
    created_at: datetime
    updated_at: datetime
    lines: tuple[Line, ...]
    fulfillment_orders: tuple[FulfillmentOrder, ...] = ()
    fulfillments: tuple[Fulfillment, ...] = ()
    cancelled_at: datetime | None = None
    test: bool = False
    financial_status: str = ""
    gateways: tuple[str, ...] = ()
    risk: str = "NONE"
    shipping_method: str = ""
    shipping_address: Address | None = None
    email: str = ""
    phone: str = ""
    tags: tuple[str, ...] = ()
    currency: str = ""
    """The shop's, in which all amounts here are."""
    total: str = ""
    subtotal: str = ""
    shipping_paid: str = ""
    tax: str = ""
    amount_paid: str = ""
    presentment_currency: str = ""
    """What the customer paid in: the currency of the market."""
    processed_at: datetime | None = None
    """When the customer placed it; imported orders are created later."""
    paid_at: datetime | None = None
    """ShipStation's payment date, on that route."""
    ship_by: datetime | None = None
    """The earliest `fulfillBy` of its fulfillment orders, or ShipStation's `shipByDate`."""
    total_weight_grams: int = 0
    note: str = ""
    """From the buyer or about the order, as the shop keeps it."""
    attributes: tuple[tuple[str, str], ...] = ()
    """Additional details (`customAttributes`), by name."""
    source: str = ""
    """`sourceName`: web, pos, shopify_draft_order, or the id of an app."""
    channel: str = ""
    """The sales channel's name (`attribution`), else the app's."""
    discount_codes: tuple[str, ...] = ()
    customer_tags: tuple[str, ...] = ()
    shipstation: tuple[ShipStationOrder, ...] = ()
    """What ShipStation's book has of it, on that route: one order, or the parts it was split into."""
    part: ShipStationOrder | None = None
    """The one of them this is a view of (`as_seen`); never stored."""

    def line(self, line_id: LineId) -> Line:
        """Give one line; KeyError when the order has no such line."""
        for line in self.lines:
            if line.id == line_id:
                return line
        raise KeyError(line_id)


def digest(value: object) -> str:
    """Hash any JSON-like value the same way everywhere: 16 hexadecimal digits, enough to see a change."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def address_fields(order: Order) -> dict[str, Any]:
    """Everything Jetpack prints on the label, for comparing one look with another."""
    return {
        "address": asdict(order.shipping_address) if order.shipping_address else None,
        "email": order.email,
        "phone": order.phone,
    }


def content_hash(order: Order) -> str:
    """Hash what the merchant or customer said: not the time of the change, nor what our own writes move."""
    parts = tuple(replace(each, modified_at=order.created_at, status="") for each in order.shipstation)
    said = replace(order, updated_at=order.created_at, fulfillment_orders=(), fulfillments=(), shipstation=parts)
    return digest(asdict(replace(said, ship_by=None)))


SHIPMENT_STATUSES = frozenset(
    {
        "None",
        "Pending",
        "Processing",
        "Completed",
        "Exception",
        "OnHold",
        "Cancelled",
        "CleanSweeped",
        "LabeledCreated",
        "ImportReview",
    }
)
"""facts/shipbob.md section 8."""


@dataclass(frozen=True, slots=True)
class JetpackShipment:
    """One shipment at Jetpack (facts/shipbob.md sections 7 and 8). State comes from here, never from the order."""

    id: str
    status: str
    details: tuple[str, ...] = ()
    items: tuple[tuple[str, int], ...] = ()
    """(reference id or SKU of the product, units of it)"""
    tracking_number: str = ""
    carrier: str = ""
    tracking_url: str = ""
    delivered: bool = False
    location: str = ""

    @property
    def picked(self) -> bool:
        """From picking on Jetpack changes nothing any more. What is not known to be unpicked counts as picked."""
        if self.status in {"Exception", "OnHold", "ImportReview", "None", "Pending"}:
            return False
        return not (self.status == "Processing" and not {"Picked", "Packed", "Labeled"} & set(self.details))

    @property
    def known(self) -> bool:
        """Whether Jetpack documents its status; what an unknown one means nobody can say."""
        return self.status in SHIPMENT_STATUSES

    @property
    def cancelled(self) -> bool:
        """Whether it will never leave."""
        return self.status == "Cancelled"

    @property
    def shipped(self) -> bool:
        """Labeled or gone *and* trackable: a parcel that may be told to the customer."""
        return self.status in {"LabeledCreated", "Completed"} and bool(self.tracking_number)


@dataclass(frozen=True, slots=True)
class JetpackOrder:
    """One order as Jetpack shows it."""

    id: str
    reference: str
    shipments: tuple[JetpackShipment, ...]
    products: tuple[tuple[str, int], ...] = ()
    """(reference id of the line, quantity), as Jetpack holds them"""
    shipping_method: str = ""
    number: str = ""

    @property
    def changeable(self) -> tuple[JetpackShipment, ...]:
        """The shipments that are neither cancelled nor picked."""
        return tuple(shipment for shipment in self.shipments if not (shipment.cancelled or shipment.picked))

    @property
    def unpicked(self) -> bool:
        """Whether all that is to leave can still be changed."""
        alive = [shipment for shipment in self.shipments if not shipment.cancelled]
        return bool(alive) and not any(shipment.picked for shipment in alive)

    @property
    def cancelled(self) -> bool:
        """Every shipment is cancelled; an order without shipments is not known to be."""
        return bool(self.shipments) and all(shipment.cancelled for shipment in self.shipments)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What Jetpack knows at this moment: SKUs (and which are active) and ship option texts (and which are active)."""

    skus: dict[str, bool] = field(default_factory=dict)
    ship_options: dict[str, bool] = field(default_factory=dict)
    sellable: dict[str, int] | None = None
    """SKU → units that can be sold now (facts/shipbob.md section 12); None: not asked for."""
    without_customs: frozenset[str] = frozenset()
    """SKUs whose product lacks a tariff code, a country of origin or a value; nothing of it: not known to lack any."""


@dataclass(frozen=True, slots=True)
class SeenAtJetpack:
    """An order in Jetpack's list, whoever forwarded it."""

    reference: str
    number: str
    """What people see, as its sender wrote it; need not be unique."""
    channel_id: str
    """The channel it came through; empty when Jetpack does not say."""
    inserted_at: datetime
    """When Jetpack got it; where Jetpack does not say, the start of what was asked for."""
    without_customs: frozenset[str] = frozenset()
    """SKUs whose customs data Jetpack shows to be missing."""
