"""Jetpack's webhooks, which are Standard Webhooks (facts/shipbob.md section 14)."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING, Any

from jetbridge.domain.reference import parse_reference
from jetbridge.errors import MalformedRequestError
from jetbridge.messages import WakeUp
from jetbridge.partners.webhooks import WebhookNotice, parsed, sha256

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jetbridge.domain.identifiers import StoreSlug

TOLERANCE_SECONDS = 300
"""How far a delivery's time may lie from ours, either way (the standard's advice)."""

QUEUE = "tracking"
SHIPMENT_TOPICS = "order.shipment."
ORDER_TOPICS = frozenset({"order.shipped", "order.delivered"})


class JetpackWebhooks:
    """Reads deliveries of `webhook-*` webhooks."""

    def signed(
        self,
        headers: Mapping[str, str],
        raw: bytes,
        secrets: Sequence[str],
        now: float,
        *,
        token: str = "",  # noqa: ARG002 - it signs
    ) -> bool:
        """Compare every `v1` signature given with that of `{id}.{timestamp}.{body}` under every secret."""
        delivery_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not delivery_id or not timestamp.isdecimal() or abs(now - int(timestamp)) > TOLERANCE_SECONDS:
            return False
        text = f"{delivery_id}.{timestamp}.".encode() + raw
        expected = [base64.b64encode(sha256(key, text)) for secret in secrets if (key := _key(secret))]
        given = [
            value.encode()
            for version, _, value in (entry.partition(",") for entry in headers.get("webhook-signature", "").split())
            if version == "v1"
        ]
        return sum([hmac.compare_digest(one, other) for one in given for other in expected]) > 0

    def read(self, headers: Mapping[str, str], raw: bytes, store: StoreSlug, now: float) -> WebhookNotice:
        """Name the order by our own reference if the body has it, else Jetpack's order or shipment.

        Raises:
            MalformedRequestError: No JSON object, or a known topic without any id.
        """
        topic, delivery_id = headers.get("x-webhook-topic", "").lower(), headers.get("webhook-id", "")
        body = _unwrapped(parsed(raw))
        if topic not in ORDER_TOPICS and not topic.startswith(SHIPMENT_TOPICS):
            return WebhookNotice(topic, delivery_id)
        cause = f"jetpack:{topic}:{delivery_id}"
        reference = body.get("reference_id")
        if isinstance(reference, str) and reference:
            ours = parse_reference(reference)
            if ours is None or ours[0] != store:
                return WebhookNotice(topic, delivery_id)
            return WebhookNotice(topic, delivery_id, (WakeUp(store, "order", ours[1], cause, now),), QUEUE)
        subject, number = _named(topic, body)
        return WebhookNotice(topic, delivery_id, (WakeUp(store, subject, number, cause, now),), QUEUE)


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _unwrapped(body: dict[str, Any]) -> dict[str, Any]:
    """Take the model out of the wrappers some integrations saw; the vendor sends it bare."""
    for wrapper in ("data", "order", "shipment"):
        inner = body.get(wrapper)
        if isinstance(inner, dict) and "id" in inner and "id" not in body:
            return inner
    return body


def _named(topic: str, body: dict[str, Any]) -> tuple[str, str]:
    of_order = (("jetpack_order", "id"),)
    of_shipment = (("jetpack_order", "order_id"), ("shipment", "shipment_id"), ("shipment", "id"))
    for subject, key in of_order if topic in ORDER_TOPICS else of_shipment:
        value = body.get(key)
        if isinstance(value, int | str) and str(value).isdecimal() and not isinstance(value, bool):
            return subject, str(value)
    message = "no order or shipment id"
    raise MalformedRequestError(message)
