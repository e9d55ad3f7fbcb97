"""What a Shopify shop keeps: orders, their parts, products, stock. Plain records; the rules are in `shopify_store`."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

# Ids above this are cut off by readers that take JSON numbers for doubles: all of ours are above it.
LARGEST_EXACT_DOUBLE = 2**53

LIVE_STATUSES = ("OPEN", "IN_PROGRESS", "SCHEDULED", "ON_HOLD")

# As recorded, but for SCHEDULED, which is inferred.
ACTIONS = {
    "OPEN": ("CREATE_FULFILLMENT", "REPORT_PROGRESS", "MOVE", "HOLD", "SPLIT"),
    "IN_PROGRESS": ("CREATE_FULFILLMENT", "REPORT_PROGRESS", "HOLD", "MARK_AS_OPEN"),
    "ON_HOLD": ("RELEASE_HOLD", "HOLD", "MOVE"),
    "SCHEDULED": ("MARK_AS_OPEN", "MOVE"),
}

QUANTITY_NAMES = (
    "available",
    "on_hand",
    "committed",
    "reserved",
    "safety_stock",
    "damaged",
    "incoming",
    "quality_control",
)


class ForeignValue(str):
    """A value of an enumeration that no schema knows yet. Enumerations grow, and a test may say so.

    It leaves as it is; what comes in is still held against the schema.
    """

    __slots__ = ()


class InvalidIdError(ValueError):
    """An id that is no global id of the kind asked for; Shopify answers it above the data."""


def gid(kind: str, number: int) -> str:
    """Write a global id."""
    return f"gid://shopify/{kind}/{number}"


def number_of(global_id: str, kind: str) -> int:
    """Read a global id of `kind`; raises InvalidIdError."""
    start, _, rest = global_id.partition(f"gid://shopify/{kind}/")
    digits = rest.partition("?")[0]
    if start or not digits.isdecimal():
        raise InvalidIdError(global_id)
    return int(digits)


def big_numbers(seed: int) -> Iterator[int]:
    """Give ever larger ids, the same ones for the same seed."""
    dice = random.Random(f"shopify ids {seed}")  # noqa: S311 - repeatable on purpose
    number = LARGEST_EXACT_DOUBLE + 10**12 * (1 + seed % 1000)
    while True:
        number += dice.randrange(1, 5000)
        yield number


@dataclass
class Location:
    """A place that holds stock."""

    id: int
    name: str
    country_code: str = "US"
    is_active: bool = True
    is_fulfillment_service: bool = False


@dataclass
class Product:
    """A product of one variant, with its inventory item."""

    id: int
    variant_id: int
    inventory_item_id: int
    sku: str
    title: str
    created_at: dt.datetime
    updated_at: dt.datetime
    variant_title: str | None = None
    vendor: str = "Example Goods"
    product_type: str = ""
    tags: list[str] = field(default_factory=list)
    barcode: str | None = None
    price: Decimal = Decimal("10.00")
    grams: int = 250
    tracked: bool = True
    requires_shipping: bool = True
    harmonized_system_code: str | None = None
    country_code_of_origin: str | None = None

    @property
    def display_title(self) -> str:
        """Give the title with the variant's."""
        return f"{self.title} - {self.variant_title}" if self.variant_title else self.title


@dataclass
class StockLevel:
    """The stock of one item at one location; `available` is what the others leave."""

    id: int
    product: Product
    location: Location
    created_at: dt.datetime
    updated_at: dt.datetime
    on_hand: int = 0
    committed: int = 0
    reserved: int = 0
    safety_stock: int = 0
    damaged: int = 0
    incoming: int = 0
    quality_control: int = 0

    @property
    def withheld(self) -> int:
        """Count what is on hand but not for sale."""
        return self.committed + self.reserved + self.damaged + self.safety_stock + self.quality_control

    @property
    def available(self) -> int:
        """Count what can be sold; below zero when more was sold than is there."""
        return self.on_hand - self.withheld


@dataclass
class LineItem:
    """One line of an order; its id outlives edits."""

    id: int
    product: Product | None
    sku: str | None
    title: str
    quantity: int
    price: Decimal
    variant_title: str | None = None
    vendor: str | None = None
    grams: int = 0
    requires_shipping: bool = True
    gift_card: bool = False
    taxable: bool = True
    properties: dict[str, str] = field(default_factory=dict)
    removed: int = 0

    @property
    def current_quantity(self) -> int:
        """Count the units after edits, cancels and refunds."""
        return self.quantity - self.removed

    @property
    def name(self) -> str:
        """Give the title with the variant's."""
        return f"{self.title} - {self.variant_title}" if self.variant_title else self.title


@dataclass
class Hold:
    """One reason not to ship; `by_app` is ours, else the merchant's."""

    id: int
    reason: str
    notes: str | None
    handle: str | None
    by_app: bool


@dataclass
class FulfillmentOrderLine:
    """The units of an order line that one fulfillment order stands for."""

    id: int
    line: LineItem
    total: int
    remaining: int


@dataclass
class FulfillmentOrder:
    """The part of an order that one location ships."""

    id: int
    order: Order
    location: Location
    method: str
    created_at: dt.datetime
    updated_at: dt.datetime
    status: str = "OPEN"
    request_status: str = "UNSUBMITTED"
    fulfill_at: dt.datetime | None = None
    progress_reported: bool = False
    lines: list[FulfillmentOrderLine] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)

    @property
    def live(self) -> bool:
        """Say whether units may still leave by it."""
        return self.status in LIVE_STATUSES

    @property
    def remaining(self) -> int:
        """Count the units still to ship."""
        return sum(line.remaining for line in self.lines)

    @property
    def touched_by_fulfillment(self) -> bool:
        """Say whether some of its units were shipped."""
        return any(line.remaining < line.total for line in self.lines)

    def supported_actions(self) -> list[str]:
        """List what may be done with it now."""
        actions = ACTIONS.get(self.status, ())
        return [action for action in actions if action != "SPLIT" or self.remaining > 1]


@dataclass
class Tracking:
    """One parcel's number."""

    company: str | None
    number: str | None
    url: str | None


@dataclass
class FulfillmentEvent:
    """One scan of a parcel."""

    id: int
    status: str
    happened_at: dt.datetime
    created_at: dt.datetime
    details: dict[str, Any] = field(default_factory=dict)


@dataclass
class Fulfillment:
    """Units that left, by whom and with which numbers. `parts` are id, fulfillment order line and units."""

    id: int
    order: Order
    location: Location
    name: str
    created_at: dt.datetime
    updated_at: dt.datetime
    fulfillment_orders: list[FulfillmentOrder]
    parts: list[tuple[int, FulfillmentOrderLine, int]]
    tracking: list[Tracking]
    by: str
    notify_customer: bool = False
    status: str = "SUCCESS"
    display_status: str = "FULFILLED"
    delivered_at: dt.datetime | None = None
    in_transit_at: dt.datetime | None = None
    estimated_delivery_at: dt.datetime | None = None
    events: list[FulfillmentEvent] = field(default_factory=list)

    @property
    def total_quantity(self) -> int:
        """Count the units in it."""
        return sum(units for _, _, units in self.parts)


@dataclass
class ShippingLine:
    """What the customer chose to pay for the way."""

    id: int
    title: str
    code: str | None
    source: str | None
    price: Decimal


@dataclass
class ShippingMethod:
    """What a customer may choose for the way; `services` are those of a carrier that is asked for its rates."""

    id: int
    name: str
    active: bool = True
    services: dict[str, bool] | None = None
    price: Decimal = Decimal("5.00")


@dataclass
class ShippingZone:
    """Where some methods go."""

    id: int
    name: str
    methods: list[ShippingMethod] = field(default_factory=list)


@dataclass
class DeliveryProfile:
    """The zones of some products; all our locations are one group."""

    id: int
    group_id: int
    name: str
    zones: list[ShippingZone] = field(default_factory=list)


@dataclass
class Metafield:
    """A value an app keeps at one of the shop's things."""

    id: int
    owner_id: str
    namespace: str
    key: str
    type: str
    value: str
    created_at: dt.datetime
    updated_at: dt.datetime


@dataclass
class Subscription:
    """A webhook subscription made by the API; `topic` is the enumeration's value."""

    id: int
    topic: str
    uri: str
    created_at: dt.datetime
    name: str | None = None
    filter: str | None = None
    format: str = "JSON"
    include_fields: list[str] = field(default_factory=list)
    metafield_namespaces: list[str] = field(default_factory=list)


@dataclass
class Order:
    """An order with everything that hangs on it."""

    id: int
    number: int
    created_at: dt.datetime
    updated_at: dt.datetime
    financial_status: str
    gateways: list[str]
    delivery: str
    email: str | None
    phone: str | None
    shipping_address: dict[str, Any] | None
    customer_id: int
    shipping_lines: list[ShippingLine]
    lines: list[LineItem]
    recommendation: str
    currency: str = "USD"
    presentment_currency: str = "USD"
    exchange_rate: Decimal = Decimal(1)
    test: bool = False
    note: str | None = None
    tags: list[str] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)
    source_name: str = "web"
    channel: str = "Online Store"
    attribution: str | None = None
    discount_codes: list[str] = field(default_factory=list)
    customer_tags: list[str] = field(default_factory=list)
    tax: Decimal = Decimal(0)
    placed_at: dt.datetime | None = None
    ship_by: dt.datetime | None = None
    cancelled_at: dt.datetime | None = None
    cancel_reason: str | None = None
    closed_at: dt.datetime | None = None
    edited: bool = False
    routed: bool = False
    refunded_total: Decimal = Decimal(0)
    refund_count: int = 0
    fulfillment_orders: list[FulfillmentOrder] = field(default_factory=list)
    fulfillments: list[Fulfillment] = field(default_factory=list)
    refunds: list[dict[str, Any]] = field(default_factory=list)
    raw_financial_status: ForeignValue | None = None
    address_id: int = 0
    own_name: str | None = None

    @property
    def name(self) -> str:
        """Give the order's name, which is not its key: prefix and suffix are the merchant's, and names may repeat."""
        return self.own_name or f"#{self.number}"

    @property
    def visible_fulfillment_orders(self) -> list[FulfillmentOrder]:
        """Give the fulfillment orders; there are none until routing is through."""
        return self.fulfillment_orders if self.routed else []

    @property
    def displayed_financial_status(self) -> str:
        """Give the financial status in the words of the GraphQL enumeration."""
        return self.raw_financial_status or self.financial_status

    def fulfilled(self, line: LineItem) -> int:
        """Count the units of a line that left and were not called back."""
        return sum(
            units
            for fulfillment in self.fulfillments
            if fulfillment.status == "SUCCESS"
            for _, part, units in fulfillment.parts
            if part.line is line
        )

    def unfulfilled(self, line: LineItem) -> int:
        """Count the units of a line still to ship."""
        return sum(
            part.remaining
            for fulfillment_order in self.fulfillment_orders
            if fulfillment_order.live
            for part in fulfillment_order.lines
            if part.line is line
        )

    def fulfillment_status(self) -> str:
        """Give the status that the GraphQL field `displayFulfillmentStatus` shows."""
        live = [fo for fo in self.fulfillment_orders if fo.live and fo.remaining]
        shipped = any(self.fulfilled(line) for line in self.lines)
        if shipped:
            return "PARTIALLY_FULFILLED" if live else "FULFILLED"
        statuses = {fo.status for fo in live}
        for status in ("ON_HOLD", "SCHEDULED"):
            if statuses == {status}:
                return status
        return "IN_PROGRESS" if "IN_PROGRESS" in statuses else "UNFULFILLED"

    @property
    def shipping_price(self) -> Decimal:
        """Sum the shipping lines."""
        return sum((line.price for line in self.shipping_lines), Decimal(0))

    @property
    def processed_at(self) -> dt.datetime:
        """Give when the customer placed it, which is before an imported order was made."""
        return self.placed_at or self.created_at

    @property
    def goods_price(self) -> Decimal:
        """Sum the lines as ordered."""
        return sum((line.price * line.quantity for line in self.lines), Decimal(0))

    @property
    def current_goods_price(self) -> Decimal:
        """Sum the lines as edits and refunds left them."""
        return sum((line.price * line.current_quantity for line in self.lines), Decimal(0))

    @property
    def current_tax(self) -> Decimal:
        """Give the tax on what is left; taxes come on top of the prices."""
        share = self.current_goods_price / self.goods_price if self.goods_price else Decimal(1)
        return (self.tax * share).quantize(Decimal("0.01"))

    @property
    def total_price(self) -> Decimal:
        """Sum what was ordered."""
        return self.goods_price + self.shipping_price + self.tax

    @property
    def current_total_price(self) -> Decimal:
        """Sum what is left after edits and refunds."""
        return self.current_goods_price + self.shipping_price + self.current_tax

    @property
    def received(self) -> Decimal:
        """Give what the customer paid, refunded since or not; half of it as long as it is not all."""
        if self.financial_status in ("PAID", "PARTIALLY_REFUNDED", "REFUNDED"):
            return self.total_price
        return self.total_price / 2 if self.financial_status == "PARTIALLY_PAID" else Decimal(0)
