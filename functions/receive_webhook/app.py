"""POST /webhooks/{partner}/{store}: a partner's webhook → wake-ups in a queue → 202.

Who cannot sign (ShipStation) has a token behind the store: /webhooks/{partner}/{store}/{token}.

Delivery semantics: the answer is 2xx only once its wake-ups are stored; the partner repeats anything else that
it may repeat (503: our queue or secrets could not be reached; nothing was taken). A repeated delivery makes
the same message, which the queue drops within five minutes; later ones find nothing new to do.
"""

from __future__ import annotations

import base64
import binascii
import time
from typing import Any

from jetbridge import bootstrap
from jetbridge.domain.identifiers import StoreSlug
from jetbridge.errors import MalformedRequestError, RequestTooLargeError, SignatureError, TransientError
from jetbridge.observability import webhook_line
from jetbridge.use_cases.accept_webhook import accept_webhook

INTAKE = bootstrap.intake()

REFUSALS: dict[type[Exception], tuple[int, str]] = {
    SignatureError: (401, "refused_signature"),
    RequestTooLargeError: (413, "refused_size"),
    MalformedRequestError: (400, "refused_body"),
    TransientError: (503, "not_taken"),
}


def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer one HTTP API request (payload format 2.0, facts/aws.md section 3.2)."""
    parameters = event.get("pathParameters") or {}
    partner, store = parameters.get("partner", ""), StoreSlug(parameters.get("store", ""))
    headers = event.get("headers") or {}
    topic, delivery_id = "", ""
    try:
        notice = accept_webhook(
            partner,
            store,
            headers,
            _raw(event),
            readers=INTAKE.readers,
            secrets=INTAKE.secrets,
            queues=INTAKE.queues,
            now=time.time(),
            token=parameters.get("token", ""),
        )
        status, outcome = 202, "queued" if notice.wake_ups else "ignored_topic"
        topic, delivery_id = notice.topic, notice.delivery_id
    except tuple(REFUSALS) as error:
        status, outcome = REFUSALS[type(error)]
    webhook_line(partner, store, topic, outcome, delivery_id)
    return {"statusCode": status}


def _raw(event: dict[str, Any]) -> bytes:
    """Give the bytes as sent: signatures are over these, not over any parsed form."""
    body = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return bytes(body, "utf-8")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        message = "the body is not the base64 it is said to be"
        raise MalformedRequestError(message) from error
