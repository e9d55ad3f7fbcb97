"""Webhooks as the partners sign them, written from the vendors' texts and not from our own reader."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

SHOPIFY_SECRET = "shpss_invented"  # noqa: S105 - invented
JETPACK_SECRET = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY"  # noqa: S105 - the fact sheet's test vector


def shopify_headers(
    raw: bytes, *, topic: str = "orders/create", delivery: str = "w-1", secret: str = SHOPIFY_SECRET
) -> dict[str, str]:
    signature = base64.b64encode(hmac.new(secret.encode(), raw, hashlib.sha256).digest()).decode()
    return {
        "content-type": "application/json",
        "x-shopify-topic": topic,
        "x-shopify-webhook-id": delivery,
        "x-shopify-hmac-sha256": signature,
        "x-shopify-shop-domain": "demo.myshopify.com",
    }


def jetpack_headers(
    raw: bytes, *, at: float, topic: str = "order.shipped", delivery: str = "msg_1", secret: str = JETPACK_SECRET
) -> dict[str, str]:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    text = f"{delivery}.{int(at)}.".encode() + raw
    signature = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    return {
        "content-type": "application/json",
        "webhook-id": delivery,
        "webhook-timestamp": str(int(at)),
        "webhook-signature": f"v1,{signature}",
        "x-webhook-topic": topic,
    }


def http_event(
    partner: str, store: str, headers: dict[str, str], raw: bytes, *, encoded: bool = False
) -> dict[str, object]:
    """Give what API Gateway hands to a function (payload format 2.0)."""
    return {
        "version": "2.0",
        "routeKey": "POST /webhooks/{partner}/{store}",
        "rawPath": f"/webhooks/{partner}/{store}",
        "headers": headers,
        "pathParameters": {"partner": partner, "store": store},
        "body": base64.b64encode(raw).decode() if encoded else raw.decode(),
        "isBase64Encoded": encoded,
    }


def body(**fields: object) -> bytes:
    return json.dumps(fields).encode()
