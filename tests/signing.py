"""Webhooks as the partners sign them, written from the vendors' texts and not from our own reader."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

SHOPIFY_SECRET = "shpss_invented"  # noqa: S105 - invented
JETPACK_SECRET = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY"  # noqa: S105 - the fact sheet's test vector
SHIPSTATION_TOKEN = "invented-token-of-shipstation"  # noqa: S105 - invented


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


def shipstation_body(address: object, event: object = "ORDER_NOTIFY") -> bytes:
    """Give all that ShipStation says; it signs nothing (facts/shipstation.md section 5)."""
    return body(resource_url=address, resource_type=event)


def http_event(  # noqa: PLR0913 - the parts of a request
    partner: str, store: str, headers: dict[str, str], raw: bytes, *, encoded: bool = False, token: str = ""
) -> dict[str, object]:
    """Give what API Gateway hands to a function (payload format 2.0); a token makes it the other route's."""
    parameters = {"partner": partner, "store": store} | ({"token": token} if token else {})
    return {
        "version": "2.0",
        "routeKey": f"POST /webhooks/{'/'.join(f'{{{name}}}' for name in parameters)}",
        "rawPath": f"/webhooks/{'/'.join(parameters.values())}",
        "headers": headers,
        "pathParameters": parameters,
        "body": base64.b64encode(raw).decode() if encoded else raw.decode(),
        "isBase64Encoded": encoded,
    }


def body(**fields: object) -> bytes:
    return json.dumps(fields).encode()
