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
FULFILLMENT_ORDER_AT = (
    "fulfillment_order",
    "moved_fulfillment_order",
    "original_fulfillment_order",
    "replacement_fulfillment_order",
    "remaining_fulfillment_order",
)
"""Bodies of fulfillment order topics hold ids and a status only; which key depends on the topic."""


class ShopifyWebhooks:
    """Reads deliveries of `X-Shopify-*` webhooks."""

    def signed(self, headers: Mapping[str, str], raw: bytes, secrets: Sequence[str], _now: float) -> bool:
        """Compare with the base64 HMAC-SHA256 of the raw body under each app secret still in use."""
        try:
            given = base64.b64decode(headers.get("x-shopify-hmac-sha256", ""), validate=True)
        except (binascii.Error, ValueError):
            return False
        # Every secret is tried, whichever fits: how long it takes tells nothing.
        return sum([hmac.compare_digest(given, sha256(secret.encode(), raw)) for secret in secrets]) > 0

    def read(self, headers: Mapping[str, str], raw: bytes, store: StoreSlug, now: float) -> WebhookNotice:
        """Name the order, or the fulfillment order if that is all the body names.

        Raises:
            MalformedRequestError: No JSON object, or a known topic without its id.
        """
        topic = headers.get("x-shopify-topic", "").lower()
        delivery_id = headers.get("x-shopify-webhook-id", "") or hashlib.sha256(raw).hexdigest()
        body = parsed(raw)
        cause = f"shopify:{topic}:{delivery_id}"
        if path := ORDER_ID_AT.get(topic):
            order_id = _order_id(body, path)
            return WebhookNotice(topic, delivery_id, WakeUp(store, "order", order_id, cause, now))
        if topic.startswith(FULFILLMENT_ORDER_TOPICS):
            gid = _fulfillment_order_id(body)
            return WebhookNotice(topic, delivery_id, WakeUp(store, "fulfillment_order", gid, cause, now))
        return WebhookNotice(topic, delivery_id, None)


def _order_id(body: dict[str, Any], path: tuple[str, ...]) -> str:
    value: Any = body
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    text = str(value).rpartition("/")[2] if isinstance(value, int | str) else ""
    if not text.isdecimal() or isinstance(value, bool):
        message = f"no order id at {'.'.join(path)}"
        raise MalformedRequestError(message)
    return text


def _fulfillment_order_id(body: dict[str, Any]) -> str:
    for key in FULFILLMENT_ORDER_AT:
        found = body.get(key)
        gid = found.get("id") if isinstance(found, dict) else None
        if isinstance(gid, int | str) and str(gid).rpartition("/")[2].isdecimal():
            return f"gid://shopify/FulfillmentOrder/{str(gid).rpartition('/')[2]}"
    message = "no fulfillment order id"
    raise MalformedRequestError(message)
