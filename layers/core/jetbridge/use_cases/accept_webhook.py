"""Take a partner's webhook: prove who signed it, name the order, wake its look. Nothing of the body is kept.

Imports nothing at run time but what every webhook needs: this runs in the only function somebody waits for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetbridge.errors import RequestTooLargeError, SignatureError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jetbridge.domain.identifiers import StoreSlug
    from jetbridge.ports import Notice, WakeUpQueue, WebhookReader, WebhookSecrets

MAX_BODY_BYTES = 4_000_000
"""Lambda takes 6 MB with the envelope, base64 adds a third. An order of 500 lines has about 1 MB."""


def accept_webhook(  # noqa: PLR0913 - the request and one keyword a port
    partner: str,
    store: StoreSlug,
    headers: Mapping[str, str],
    raw: bytes,
    *,
    readers: Mapping[str, WebhookReader],
    secrets: WebhookSecrets,
    queues: Mapping[str, WakeUpQueue],
    now: float,
    token: str = "",
) -> Notice:
    """Accept one delivery; afterwards its wake-ups are in their queue, or it has none.

    Args:
        partner: The sender, as the path names it.
        store: The store, as the path names it.
        headers: With lower-case names.
        raw: The body's bytes exactly as signed.
        readers: What each partner signs and names.
        secrets: Webhook secrets.
        queues: Where wake-ups go, by the name their notice gives.
        now: The time, in epoch seconds.
        token: The last part of the path, of a partner that cannot sign.

    Returns:
        What the webhook named. It has no wake-ups if nobody waits for it.

    Raises:
        SignatureError: Unknown store or partner, or not signed by it: all alike to the sender.
        RequestTooLargeError: The body is too large to be a webhook.
        MalformedRequestError: Signed, but unreadable.
        TransientError: The queue or the secret cannot be reached; the sender must try again.
    """
    reader = readers.get(partner)
    if reader is None:
        raise SignatureError
    if len(raw) > MAX_BODY_BYTES:
        raise RequestTooLargeError
    known = secrets.webhook_secrets(store, partner)
    if not known:
        raise SignatureError
    if not reader.signed(headers, raw, known, now, token=token):
        changed = secrets.webhook_secrets_again(store, partner)
        if list(changed) == list(known) or not reader.signed(headers, raw, changed, now, token=token):
            raise SignatureError
    notice = reader.read(headers, raw, store, now)
    if notice.wake_ups:
        queues[notice.queue].send(notice.wake_ups)
    return notice
