"""Webhooks of the simulated 3PL: who gets which topic, signed as Standard Webhooks say."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.simulators.server import Delivery, new_id

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

SECRET = re.compile(r"whsec_[a-zA-Z0-9+/]{32}")

# Facts section 14; the topics that 2026-01 got later are accepted there too.
TOPICS_2026_01 = frozenset(
    {
        "order.shipped",
        "order.shipment.delivered",
        "order.shipment.exception",
        "order.shipment.on_hold",
        "order.shipment.cancelled",
        "order.shipment.tracking.updated",
        "order.shipment.address.updated",
        "order.shipment.line_item.added",
        "order.shipment.line_item.removed",
        "order.shipment.line_item.updated",
        "order.shipment.shipping_service.updated",
        "return.created",
        "return.updated",
        "return.completed",
        "wro.created",
        "wro.updated",
        "wro.completed",
        "wro.box.arrived",
        "wro.box.scanned",
        "wro.box.stowed",
        "billing.charge.created",
        "billing.refund.created",
        "billing.credit.created",
    }
)
TOPICS = {"2026-01": TOPICS_2026_01, "2026-07": TOPICS_2026_01 | {"order.delivered"}}


@dataclass
class Subscription:
    """Who wants to hear which topics, of one channel or of all."""

    id: str
    url: str
    topics: tuple[str, ...]
    secrets: tuple[str, ...]
    created_at: str
    description: str | None = None
    channel_id: int | None = None
    enabled: bool = True

    def wants(self, topic: str, channel_id: int) -> bool:
        """Say whether this subscription gets a topic of a channel."""
        return self.enabled and topic in self.topics and self.channel_id in (None, channel_id)


def sign(secret: str, webhook_id: str, timestamp: str, body: bytes) -> str:
    """Sign one attempt: base64 of HMAC-SHA256 over `id.timestamp.body`, keyed by the decoded secret."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def new_secret(dice: random.Random) -> str:
    """Make a secret the way the vendor does when the caller brings none."""
    return "whsec_" + base64.b64encode(dice.randbytes(24)).decode()


def delivery(
    subscription: Subscription, topic: str, model: dict[str, Any], clock: Callable[[], float] = time.time
) -> Delivery:
    """Prepare one webhook: the id stays over retries, time and signature are made at each attempt."""
    body = json.dumps(model).encode()
    webhook_id = f"msg_{new_id().replace('-', '')}"

    def headers() -> dict[str, str]:
        timestamp = str(int(clock()))
        signatures = [sign(secret, webhook_id, timestamp, body) for secret in subscription.secrets]
        return {
            "webhook-id": webhook_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": " ".join(signatures),
            "x-webhook-topic": topic,
        }

    return Delivery(subscription.url, topic, body, headers)
