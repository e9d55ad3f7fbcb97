"""Shopify's webhooks (facts/shopify.md sections 3 and 4): signature, topic, and the order they are about."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING, Any

from jetbridge.errors import MalformedRequestError
from jetbridge.messages import WakeUp
from jetbridge.partners.webhooks import WebhookNotice, parsed, sha256

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jetbridge.domain.identifiers import StoreSlug

ORDER_ID_AT: dict[str, tuple[str, ...]] = {
    "orders/create": ("id",),
    "orders/updated": ("id",),
    "orders/paid": ("id",),
    "orders/cancelled": ("id",),
    "orders/delete": ("id",),
    "orders/edited": ("order_edit", "order_id"),
    "orders/risk_assessment_changed": ("order_id",),
    "fulfillments/create": ("order_id",),
    "fulfillments/update": ("order_id",),
    "refunds/create": ("order_id",),
}
"""Topics whose body holds the order's id, and where."""

FULFILLMENT_ORDER_TOPICS = ("fulfillment_orders/", "fulfillment_holds/")
FULFILLMENT_ORDER_AT: tuple[tuple[str | int, ...], ...] = (
    ("fulfillment_order", "id"),
    ("moved_fulfillment_order", "id"),
    ("original_fulfillment_order", "id"),
    ("replacement_fulfillment_order", "id"),
    ("remaining_fulfillment_order", "id"),
    ("submitted_fulfillment_order", "id"),
    ("fulfillment_order_merges", "fulfillment_order", "id"),
    ("fulfillment_order_merges", 0, "fulfillment_order", "id"),
    ("merge_intents", 0, "fulfillment_order_id"),
)
"""Bodies of fulfillment order topics hold ids and a status only; where depends on the topic. Any of them will do:
fulfillment orders that were closed, moved or merged lead to the same order."""

ORDERS_AT = {
    "customers/redact": ("redaction", "orders_to_redact"),
    "customers/data_request": ("data_request", "orders_requested"),
}
"""Compliance topics: what each wakes, once for every order in its list."""
WHOLE_SHOP = {"shop/redact": ("redaction", "shop"), "app/uninstalled": ("batch", "uninstalled")}
"""Topics about all orders at once. One address may serve every shop of an app, so none of them is believed."""

TOPICS = (
    *ORDER_ID_AT,
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
    "app/uninstalled",
)
"""What may be subscribed to by the API. The compliance topics come by the app's own settings only."""


class ShopifyWebhooks:
    """Reads deliveries of `X-Shopify-*` webhooks."""

    def signed(
        self,
        headers: Mapping[str, str],
        raw: bytes,
        secrets: Sequence[str],
        _now: float,
        *,
        token: str = "",  # noqa: ARG002 - it signs
    ) -> bool:
        """Compare with the base64 HMAC-SHA256 of the raw body under each app secret still in use."""
        try:
            given = base64.b64decode(headers.get("x-shopify-hmac-sha256", ""), validate=True)
        except (binascii.Error, ValueError):
            return False
        # Every secret is tried, whichever fits: how long it takes tells nothing.
        return sum([hmac.compare_digest(given, sha256(secret.encode(), raw)) for secret in secrets]) > 0

    def read(self, headers: Mapping[str, str], raw: bytes, store: StoreSlug, now: float) -> WebhookNotice:
        """Name the order, or the fulfillment order if that is all the body names; orders when privacy asks for them.

        Raises:
            MalformedRequestError: No JSON object, or a known topic without its id.
        """
        topic = headers.get("x-shopify-topic", "").lower()
        delivery_id = headers.get("x-shopify-webhook-id", "") or hashlib.sha256(raw).hexdigest()
        body = parsed(raw)
        cause = f"shopify:{topic}:{delivery_id}"
        if path := ORDER_ID_AT.get(topic):
            order_id = _order_id(body, path)
            return WebhookNotice(topic, delivery_id, (WakeUp(store, "order", order_id, cause, now),))
        if topic.startswith(FULFILLMENT_ORDER_TOPICS):
            gid = _fulfillment_order_id(body)
            return WebhookNotice(topic, delivery_id, (WakeUp(store, "fulfillment_order", gid, cause, now),))
        if topic in ORDERS_AT:
            subject, key = ORDERS_AT[topic]
            wake_ups = tuple(WakeUp(store, subject, order_id, cause, now) for order_id in _order_ids(body, key))
            return WebhookNotice(topic, delivery_id, wake_ups, "sweep")
        if topic in WHOLE_SHOP:
            return WebhookNotice(topic, delivery_id, (WakeUp(store, *WHOLE_SHOP[topic], cause, now),), "sweep")
        return WebhookNotice(topic, delivery_id)


def _order_id(body: dict[str, Any], path: tuple[str, ...]) -> str:
    found = _digits(_at(body, path))
    if not found:
        message = f"no order id at {'.'.join(path)}"
        raise MalformedRequestError(message)
    return found


def _order_ids(body: dict[str, Any], key: str) -> list[str]:
    """Read a list of order ids, each once; an empty one says that the customer never bought."""
    listed = body.get(key)
    found = [_digits(each) for each in listed] if isinstance(listed, list) else [""]
    if not all(found):
        message = f"no order ids at {key}"
        raise MalformedRequestError(message)
    return list(dict.fromkeys(found))


def _fulfillment_order_id(body: dict[str, Any]) -> str:
    for path in FULFILLMENT_ORDER_AT:
        if found := _digits(_at(body, path)):
            return f"gid://shopify/FulfillmentOrder/{found}"
    message = "no fulfillment order id"
    raise MalformedRequestError(message)


def _at(body: object, path: tuple[str | int, ...]) -> object:
    value: Any = body
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and len(value) > step else None
    return value


def _digits(value: object) -> str:
    """Give a number, or the number in a GID, as text; empty for anything else."""
    text = str(value).rpartition("/")[2] if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return text if text.isascii() and text.isdecimal() else ""
