"""ShipStation's webhooks: thin, unsigned, known by a token in the path (facts/shipstation.md section 5)."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from jetbridge.errors import ForeignAddressError, MalformedRequestError
from jetbridge.messages import WakeUp
from jetbridge.partners.shipstation.addresses import BATCHES, is_vendors, take_apart, written
from jetbridge.partners.webhooks import WebhookNotice, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jetbridge.domain.identifiers import StoreSlug

QUEUE = "sweep"
TOPICS = frozenset(
    {
        "order_notify",
        "item_order_notify",
        "ship_notify",
        "item_ship_notify",
        "fulfillment_shipped",
        "fulfillment_rejected",
    }
)
LONGEST_TOPIC = 64
TOGETHER_SECONDS = 5
"""How close together two deliveries about one batch must come to be one."""


class ShipStationWebhooks:
    """Reads deliveries of `{resource_url, resource_type}`.

    In production an address on another host than ShipStation's own is refused at once; elsewhere a simulator's
    is let through to the worker, which compares it with the store's connection.
    """

    def __init__(self, *, production: bool = True) -> None:
        self._production = production

    def signed(
        self, _headers: Mapping[str, str], _raw: bytes, secrets: Sequence[str], _now: float, *, token: str = ""
    ) -> bool:
        """Compare the path's token with each secret.

        The RSA headers of V2 are ignored: no V1 page promises them, so they cannot be required, and a signature
        that may be left out proves nothing. The body is not believed anyway, only its address is looked up.
        """
        given = token.encode("utf-8", "surrogatepass")
        return bool(given) and sum([hmac.compare_digest(given, secret.encode()) for secret in secrets]) > 0

    def read(self, _headers: Mapping[str, str], raw: bytes, store: StoreSlug, now: float) -> WebhookNotice:
        """Pick the address out, in its one spelling.

        The body has no id of the delivery and no time, and one that names no batch (SHIP_NOTIFY without `batchId`)
        says the same words each time another label is made. So the cause is made of the body *and* its arrival:
        to the microsecond where nothing names a batch, so that news is never taken for a repetition; to a few
        seconds where a batch is named, which drops the immediate double of one delivery (or keeps it, across the
        edge of the interval: then one more read finds nothing new).

        Raises:
            MalformedRequestError: No JSON object, or of a known type without an address of ShipStation's.
        """
        body = parsed(raw)
        kind, address = body.get("resource_type"), body.get("resource_url")
        if not isinstance(kind, str):
            message = "no resource_type"
            raise MalformedRequestError(message)
        topic, delivery_id = kind.lower(), hashlib.sha256(raw).hexdigest()[:32]
        if topic not in TOPICS:
            return WebhookNotice(topic[:LONGEST_TOPIC] if topic.isascii() and topic.isidentifier() else "", delivery_id)
        try:
            parts = take_apart(address if isinstance(address, str) else "")
        except ForeignAddressError as error:
            message = str(error)
            raise MalformedRequestError(message) from None
        if self._production and not is_vendors(parts.origin):
            message = "the address is on another host"
            raise MalformedRequestError(message)
        one_batch = any(name in BATCHES for name, _ in parts.query)
        arrival = f"{now // TOGETHER_SECONDS:.0f}" if one_batch else f"{now:.6f}"
        cause = f"shipstation:{topic}:{delivery_id}:{arrival}"
        wake_up = WakeUp(store, "shipstation_resource", written(parts), cause, now)
        return WebhookNotice(topic, delivery_id, (wake_up,), QUEUE)
