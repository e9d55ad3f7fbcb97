"""Orders, stores and shipments for tests: say only what the test is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from jetbridge.domain.identifiers import LineId, OrderId, StoreSlug
from jetbridge.domain.order import (
    Address,
    Catalogue,
    Fulfillment,
    FulfillmentOrder,
    FulfillmentOrderLine,
    JetpackOrder,
    JetpackShipment,
    Line,
    Order,
)
from jetbridge.domain.ship_options import ShipOptionMapping, normalized
from jetbridge.domain.shipstation import ShipStationLine, ShipStationOrder
from jetbridge.domain.store import JetpackConnection, Route, ShipStationConnection, ShopifyConnection, Store

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LOCATION = "gid://shopify/Location/1"
FOREIGN_LOCATION = "gid://shopify/Location/2"
ORDER_ID = OrderId("820982911946154508")
STORE = StoreSlug("demo")
SHIPSTATION_STORE = "90001"
ADDRESS = Address("Ada Sample", "", "1 Nowhere Rd", "", "Springfield", "IL", "62701", "US", "")


def a_store(**changes: object) -> Store:
    settings: dict[str, object] = {
        "slug": STORE,
        "shopify": ShopifyConnection("demo.myshopify.com", "https://demo.myshopify.com"),
        "jetpack": JetpackConnection(channel_id="7"),
        "version": 1,
        "locations": frozenset({LOCATION}),
        "stock_location": LOCATION,
        "ship_options": {
            normalized(text): ShipOptionMapping(normalized(text), option)
            for text, option in (("Standard", "Standard"), ("Express", "Expedited"))
        },
    }
    return Store(**(settings | changes))  # type: ignore[arg-type]


def a_line(  # noqa: PLR0913 - each test names the one that matters
    sku: str = "TEA-250",
    quantity: int = 1,
    *,
    n: int = 1,
    current: int | None = None,
    requires_shipping: bool = True,
    gift_card: bool = False,
) -> Line:
    left = quantity if current is None else current
    return Line(LineId(str(n)), sku, f"Line {n}", quantity, left, requires_shipping, gift_card)


def a_fulfillment_order(
    lines: tuple[Line, ...], *, n: int = 1, remaining: dict[str, int] | None = None, **more: object
) -> FulfillmentOrder:
    facts: dict[str, object] = {
        "status": "OPEN",
        "location_id": LOCATION,
        "method_type": "SHIPPING",
        "supported_actions": frozenset({"CREATE_FULFILLMENT", "HOLD", "MOVE"}),
    }
    open_lines = tuple(
        FulfillmentOrderLine(
            f"gid://shopify/FulfillmentOrderLineItem/{n}{line.id}",
            line.id,
            line.current_quantity,
            (remaining or {}).get(line.id, line.current_quantity),
        )
        for line in lines
    )
    return FulfillmentOrder(id=f"gid://shopify/FulfillmentOrder/{n}", lines=open_lines, **(facts | more))  # type: ignore[arg-type]


def an_order(*lines: Line, fulfillment_orders: tuple[FulfillmentOrder, ...] | None = None, **changes: object) -> Order:
    lines = lines or (a_line(),)
    facts: dict[str, object] = {
        "id": ORDER_ID,
        "name": "#1001",
        "created_at": NOW - 10 * MINUTE,
        "updated_at": NOW - MINUTE,
        "lines": lines,
        "fulfillment_orders": (a_fulfillment_order(lines),) if fulfillment_orders is None else fulfillment_orders,
        "financial_status": "PAID",
        "gateways": ("shopify_payments",),
        "shipping_method": "Standard",
        "shipping_address": ADDRESS,
        "email": "ada@example.test",
    }
    return Order(**(facts | changes))  # type: ignore[arg-type]


def a_catalogue(*skus: str, options: tuple[str, ...] = ("Standard", "Expedited")) -> Catalogue:
    return Catalogue(dict.fromkeys(skus or ("TEA-250",), True), dict.fromkeys(options, True))


def a_shipment(n: int = 1, status: str = "Processing", *items: tuple[str, int], **more: object) -> JetpackShipment:
    return JetpackShipment(str(70000000 + n), status, items=items or (("TEA-250", 1),), **more)  # type: ignore[arg-type]


def a_parcel_shipment(n: int = 1, *items: tuple[str, int], **more: object) -> JetpackShipment:
    return a_shipment(n, "Completed", *items, tracking_number=f"1ZTEST{n:04}", carrier="UPS", **more)


def a_jetpack_order(
    *shipments: JetpackShipment, n: int = 1, products: tuple[tuple[str, int], ...] = (("TEA-250", 1),)
) -> JetpackOrder:
    return JetpackOrder("60000456", f"{STORE}:{ORDER_ID}:{n}", shipments or (a_shipment(),), products)


def a_fulfillment(n: int, number: str, *units: tuple[str, int], status: str = "SUCCESS") -> Fulfillment:
    return Fulfillment(
        f"gid://shopify/Fulfillment/{n}", status, (number,), tuple((LineId(line), quantity) for line, quantity in units)
    )


def a_part(order: Order, part_id: str = "800000001", **changes: object) -> ShipStationOrder:
    """Build what ShipStation imports of an order: all its lines, under its name without the #."""
    lines = tuple(ShipStationLine(line.id, line.sku, line.name, line.quantity) for line in order.lines)
    settings: dict[str, object] = {
        "id": part_id,
        "number": order.name.removeprefix("#"),
        "key": f"{order.id}-8681743417520",
        "status": "awaiting_shipment",
        "store_id": SHIPSTATION_STORE,
        "modified_at": NOW,
        "lines": lines,
        "method": order.shipping_method,
        "ship_to": order.shipping_address,
    }
    return ShipStationOrder(**(settings | changes))  # type: ignore[arg-type]


def on_shipstation(**changes: object) -> Store:
    """Build a store whose orders go by ShipStation."""
    settings: dict[str, object] = {
        "routes": frozenset({Route.SHIPSTATION}),
        "shipstation": ShipStationConnection(SHIPSTATION_STORE),
    }
    return a_store(**(settings | changes))
