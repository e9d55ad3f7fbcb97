"""Shopify's webhooks: which exist, who gets them, their REST-shaped bodies and their signed headers."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from local.simulators.server import Delivery, new_id
from local.simulators.shopify_records import gid

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator
    from decimal import Decimal

    from local.simulators.shopify_records import (
        Fulfillment,
        FulfillmentOrder,
        LineItem,
        Order,
        StockLevel,
        Subscription,
    )

type Body = dict[str, Any]

TOPICS = (
    "app/uninstalled",
    "fulfillment_events/create",
    "fulfillment_holds/added",
    "fulfillment_holds/released",
    "fulfillment_orders/cancelled",
    "fulfillment_orders/hold_released",
    "fulfillment_orders/manually_reported_progress_stopped",
    "fulfillment_orders/merged",
    "fulfillment_orders/moved",
    "fulfillment_orders/order_routing_complete",
    "fulfillment_orders/placed_on_hold",
    "fulfillment_orders/progress_reported",
    "fulfillment_orders/rescheduled",
    "fulfillment_orders/scheduled_fulfillment_order_ready",
    "fulfillment_orders/split",
    "fulfillments/create",
    "fulfillments/update",
    "inventory_levels/update",
    "orders/cancelled",
    "orders/create",
    "orders/delete",
    "orders/edited",
    "orders/fulfilled",
    "orders/paid",
    "orders/partially_fulfilled",
    "orders/risk_assessment_changed",
    "orders/updated",
    "refunds/create",
)
# After so many failures in a row a subscription made by the API is deleted; one of the app's own settings stays.
MOST_FAILURES = 8
# Topics that come by the app's own settings only; the API's enumeration does not have them.
COMPLIANCE_TOPICS = ("customers/data_request", "customers/redact", "shop/redact")


def enum_value(topic: str) -> str:
    """Give the topic's name in the API's enumeration."""
    return topic.replace("/", "_").upper()


def signature(body: bytes, secret: str) -> str:
    """Sign a body as Shopify does: base64 of the HMAC-SHA256 over the raw bytes."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def encode(body: Body) -> bytes:
    r"""Write JSON as Shopify has been seen to: slashes as `\/`, ampersands and angle brackets as \u escapes.

    Whoever parses and writes the body again before checking the signature must fail on it.
    """
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    for plain, escaped in (("/", "\\/"), ("&", "\\u0026"), ("<", "\\u003c"), (">", "\\u003e")):
        text = text.replace(plain, escaped)
    return text.encode()


class WebhookOutbox:
    """Sends each announcement to whoever subscribed, and groups what one action caused under one event id."""

    def __init__(  # noqa: PLR0913 - the settings of a shop's webhooks
        self,
        *,
        shop: str,
        secret: str,
        address: str | None,
        api_version: str,
        deliver: Callable[[Delivery], None],
        now: Callable[[], dt.datetime],
    ) -> None:
        """Keep the settings; `address` gets every topic, as a subscription from the app's toml would."""
        self.shop = shop
        self.secret = secret
        self.address = address
        self.api_version = api_version
        self.subscriptions: dict[int, Subscription] = {}
        self._deliver = deliver
        self._now = now
        self._event_id = ""
        self._triggered_at = ""

    @contextlib.contextmanager
    def event(self) -> Iterator[None]:
        """Let all announcements inside share one X-Shopify-Event-Id; an event within an event is the outer one."""
        if self._event_id:
            yield
            return
        self._event_id = new_id()
        # Nanoseconds, to find readers that take microseconds for granted.
        self._triggered_at = self._now().strftime("%Y-%m-%dT%H:%M:%S.%f") + "042Z"
        try:
            yield
        finally:
            self._event_id = ""

    def announce(self, topic: str, body: Body, order: Order | None = None) -> None:
        """Send a webhook of `topic` to every subscriber."""
        if self.address:
            self._send(self.address, topic, encode(body), None, order)
        for subscription in self.subscriptions.values():
            if subscription.topic == enum_value(topic):
                raw = encode(only(body, subscription.include_fields))
                self._send(subscription.uri, topic, raw, subscription.name, order)

    def give_up(self, url: str, topic: str) -> None:
        """Delete the subscriptions of an address that has refused too often."""
        for number, subscription in list(self.subscriptions.items()):
            if (subscription.uri, subscription.topic) == (url, enum_value(topic)):
                del self.subscriptions[number]

    def _send(self, url: str, topic: str, raw: bytes, name: str | None, order: Order | None) -> None:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Shopify-Captain-Hook",
            "X-Shopify-Topic": topic,
            "X-Shopify-Shop-Domain": self.shop,
            "X-Shopify-API-Version": self.api_version,
            "X-Shopify-Hmac-Sha256": signature(raw, self.secret),
            # Made once: a retry must carry the id of the first attempt.
            "X-Shopify-Webhook-Id": new_id(),
            "X-Shopify-Event-Id": self._event_id,
            "X-Shopify-Triggered-At": self._triggered_at,
        }
        if name:
            headers["X-Shopify-Name"] = name
        if order is not None:
            headers |= {"X-Shopify-Order-Id": str(order.id), "X-Shopify-Test": str(order.test).lower()}
        self._deliver(Delivery(url, topic, raw, headers.copy))


def only(body: Body, fields: list[str]) -> Body:
    """Keep the fields a subscription asked for, by their first part; all of them when it named none."""
    kept = {field.partition(".")[0] for field in fields}
    return {key: value for key, value in body.items() if key in kept} if kept else body


class RestBodies:
    """Writes the bodies: numbers for ids, decimal strings for money, times with the shop's offset."""

    def __init__(self, zone: dt.tzinfo) -> None:
        """Remember the shop's time zone."""
        self.zone = zone

    def time(self, moment: dt.datetime | None) -> str | None:
        """Write a time in the shop's zone, to the second."""
        return moment.astimezone(self.zone).isoformat(timespec="seconds") if moment else None

    def order(self, order: Order) -> Body:
        """Write an order as orders/create, updated, paid and cancelled carry it."""
        gone = order.current_total_price
        status = order.fulfillment_status()
        return {
            "id": order.id,
            "admin_graphql_api_id": gid("Order", order.id),
            "app_id": 580111,
            "billing_address": order.shipping_address,
            "buyer_accepts_marketing": False,
            "cancel_reason": order.cancel_reason.lower() if order.cancel_reason else None,
            "cancelled_at": self.time(order.cancelled_at),
            "cart_token": None,
            "checkout_token": None,
            "closed_at": self.time(order.closed_at),
            "confirmation_number": f"C{order.number:08d}",
            "confirmed": True,
            "contact_email": order.email,
            "created_at": self.time(order.created_at),
            "currency": order.currency,
            "current_subtotal_price": money(order.current_goods_price),
            "current_total_price": money(gone),
            "current_total_price_set": money_set(order, gone),
            "current_total_tax": money(order.current_tax),
            "customer": customer(order),
            "device_id": None,
            "discount_applications": [],
            "discount_codes": [
                {"code": code, "amount": "0.00", "type": "fixed_amount"} for code in order.discount_codes
            ],
            "duties_included": False,
            "email": order.email or "",
            "estimated_taxes": False,
            "financial_status": order.displayed_financial_status.lower(),
            "fulfillment_status": {"FULFILLED": "fulfilled", "PARTIALLY_FULFILLED": "partial"}.get(status),
            "fulfillments": [self.fulfillment(fulfillment) for fulfillment in order.fulfillments],
            "line_item_groups": [],
            "line_items": [line_item(order, line) for line in order.lines],
            "location_id": None,
            "name": order.name,
            "note": order.note,
            "note_attributes": [{"name": key, "value": value} for key, value in order.attributes.items()],
            "number": order.number - 1000,
            "order_number": order.number,
            "payment_gateway_names": order.gateways,
            "payment_terms": None,
            "phone": order.phone,
            "presentment_currency": order.presentment_currency,
            "processed_at": self.time(order.processed_at),
            "refunds": order.refunds,
            "returns": [],
            "shipping_address": order.shipping_address,
            "shipping_lines": [
                {
                    "id": line.id,
                    "carrier_identifier": None,
                    "code": line.code,
                    "discount_allocations": [],
                    "discounted_price": money(line.price),
                    "is_removed": False,
                    "phone": None,
                    "price": money(line.price),
                    "price_set": money_set(order, line.price),
                    "requested_fulfillment_service_id": None,
                    "source": line.source,
                    "tax_lines": [],
                    "title": line.title,
                }
                for line in order.shipping_lines
            ],
            "source_identifier": None,
            "source_name": order.source_name,
            "subtotal_price": money(order.goods_price),
            "tags": ", ".join(order.tags),
            "tax_exempt": False,
            "tax_lines": [],
            "taxes_included": False,
            "test": order.test,
            "total_discounts": "0.00",
            "total_line_items_price": money(order.goods_price),
            "total_outstanding": money(order.total_price if order.financial_status == "PENDING" else gone - gone),
            "total_price": money(order.total_price),
            "total_price_set": money_set(order, order.total_price),
            "total_tax": money(order.tax),
            "total_tip_received": "0.00",
            "total_weight": sum(line.grams * line.quantity for line in order.lines),
            "updated_at": self.time(order.updated_at),
            "user_id": None,
        }

    def fulfillment(self, fulfillment: Fulfillment) -> Body:
        """Write a fulfillment as fulfillments/create and update carry it."""
        tracking = fulfillment.tracking
        numbers = [entry.number for entry in tracking if entry.number]
        urls = [entry.url for entry in tracking if entry.url]
        order = fulfillment.order
        shipped = {"FULFILLED": None}.get(fulfillment.display_status, fulfillment.display_status.lower())
        lines: dict[int, Body] = {}
        for _, part, units in fulfillment.parts:
            body = lines.setdefault(part.line.id, line_item(order, part.line) | {"quantity": 0})
            body["quantity"] += units
        return {
            "id": fulfillment.id,
            "admin_graphql_api_id": gid("Fulfillment", fulfillment.id),
            "created_at": self.time(fulfillment.created_at),
            "destination": order.shipping_address,
            "email": order.email,
            "line_items": list(lines.values()),
            "location_id": fulfillment.location.id,
            "name": fulfillment.name,
            "order_id": order.id,
            "origin_address": None,
            "receipt": {},
            "service": "manual",
            "shipment_status": None if fulfillment.status == "CANCELLED" else shipped,
            "status": fulfillment.status.lower(),
            "tracking_company": tracking[0].company if tracking else None,
            "tracking_number": numbers[0] if numbers else None,
            "tracking_numbers": numbers,
            "tracking_url": urls[0] if urls else None,
            "tracking_urls": urls,
            "updated_at": self.time(fulfillment.updated_at),
        }

    def stock_level(self, level: StockLevel) -> Body:
        """Write a stock level as inventory_levels/update carries it."""
        return {
            "admin_graphql_api_id": level_gid(level),
            "available": level.available if level.product.tracked else None,
            "inventory_item_id": level.product.inventory_item_id,
            "location_id": level.location.id,
            "updated_at": self.time(level.updated_at),
        }


def level_gid(level: StockLevel) -> str:
    """Write a stock level's id, which names the item in its query part."""
    return f"{gid('InventoryLevel', level.id)}?inventory_item_id={level.product.inventory_item_id}"


def fulfillment_order_reference(fulfillment_order: FulfillmentOrder) -> Body:
    """Write a fulfillment order as its own topics do: id and status, nothing else."""
    return {"id": gid("FulfillmentOrder", fulfillment_order.id), "status": fulfillment_order.status.lower()}


def money(amount: Decimal) -> str:
    """Write an amount as REST bodies do."""
    return f"{amount:.2f}"


def money_set(order: Order, amount: Decimal) -> Body:
    """Write an amount in the shop's currency and the customer's."""
    customers = money(amount * order.exchange_rate)
    return {
        "shop_money": {"amount": money(amount), "currency_code": order.currency},
        "presentment_money": {"amount": customers, "currency_code": order.presentment_currency},
    }


def customer(order: Order) -> Body:
    """Write who bought."""
    address = order.shipping_address or {}
    return {
        "id": order.customer_id,
        "admin_graphql_api_id": gid("Customer", order.customer_id),
        "email": order.email,
        "first_name": address.get("first_name"),
        "last_name": address.get("last_name"),
        "phone": order.phone,
        "default_address": {"id": order.address_id, "customer_id": order.customer_id, "default": True, **address}
        if address
        else None,
    }


def line_item(order: Order, line: LineItem) -> Body:
    """Write an order line."""
    product = line.product
    fulfilled, open_units = order.fulfilled(line), order.unfulfilled(line)
    status = None
    if fulfilled:
        status = "partial" if open_units else "fulfilled"
    return {
        "id": line.id,
        "admin_graphql_api_id": gid("LineItem", line.id),
        "attributed_staffs": [],
        "current_quantity": line.current_quantity,
        "discount_allocations": [],
        "duties": [],
        "fulfillable_quantity": open_units,
        "fulfillment_service": "manual",
        "fulfillment_status": status,
        "gift_card": line.gift_card,
        "grams": line.grams,
        "name": line.name,
        "price": money(line.price),
        "price_set": money_set(order, line.price),
        "product_exists": product is not None,
        "product_id": product.id if product else None,
        "properties": [{"name": key, "value": value} for key, value in line.properties.items()],
        "quantity": line.quantity,
        "requires_shipping": line.requires_shipping,
        "sales_line_item_group_id": None,
        "sku": line.sku,
        "tax_lines": [],
        "taxable": line.taxable,
        "title": line.title,
        "total_discount": "0.00",
        "total_discount_set": money_set(order, line.price - line.price),
        "variant_id": product.variant_id if product else None,
        "variant_inventory_management": "shopify" if product and product.tracked else None,
        "variant_title": line.variant_title,
        "vendor": line.vendor,
    }
