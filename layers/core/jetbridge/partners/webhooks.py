"""What reading a webhook yields, for every partner."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from jetbridge.errors import MalformedRequestError

if TYPE_CHECKING:
    from jetbridge.messages import WakeUp


class WebhookNotice(NamedTuple):
    """Topic and ids of one delivery. No wake-ups for a topic nobody waits for."""

    topic: str
    delivery_id: str
    wake_ups: tuple[WakeUp, ...] = ()
    queue: str = "order"
    """Where they go: order, tracking or sweep."""


def parsed(raw: bytes) -> dict[str, Any]:
    """Read a signed body; MalformedRequestError when it is no JSON object. The text is never quoted."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        message = "the body is not a JSON object"
        raise MalformedRequestError(message)
    return body


def sha256(key: bytes, text: bytes) -> bytes:
    """Sign bytes with HMAC-SHA256."""
    return hmac.digest(key, text, hashlib.sha256)
