"""Wake-ups: what travels through the queues. Ids and a cause, never a body and never personal data."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from jetbridge.domain.identifiers import StoreSlug

__all__ = ["SUBJECTS", "WakeUp"]

SUBJECTS = frozenset(
    {
        "order",
        "fulfillment_order",
        "jetpack_order",
        "shipment",
        "shipstation_order",
        "shipstation_resource",
        "batch",
        "redaction",
        "data_request",
        "replay",
        "stock",
    }
)


@dataclass(frozen=True, slots=True)
class WakeUp:
    """Look at this subject again, because of this cause.

    `seen_at` is the epoch second at which the cause was known to have happened: a look at the subject that
    began later has seen it. `cause` names what happened once (a delivery, a due time, a person's click) and
    makes the deduplication id: two different causes are never one message, one cause is never two.
    """

    store: StoreSlug
    subject: str
    id: str
    cause: str
    seen_at: float

    def __post_init__(self) -> None:
        """Refuse a subject no handler knows."""
        if self.subject not in SUBJECTS:
            message = f"unknown subject {self.subject!r}"
            raise ValueError(message)

    @property
    def group(self) -> str:
        """The FIFO message group: same subject, one after the other."""
        return f"{self.store}:{self.subject}:{self.id}"

    @property
    def deduplication_id(self) -> str:
        """The cause as SQS takes it: at most 128 characters of a small alphabet."""
        # An id from a signed body may hold half an emoji; it is hashed like anything else.
        return hashlib.sha256(f"{self.group}|{self.cause}".encode("utf-8", "surrogatepass")).hexdigest()

    def to_json(self) -> str:
        """Write the message body: plain ASCII, as SQS refuses some characters (facts/aws.md section 4.1)."""
        return json.dumps(
            {"store": self.store, "subject": self.subject, "id": self.id, "cause": self.cause, "seen_at": self.seen_at}
        )

    @classmethod
    def from_json(cls, text: str) -> WakeUp:
        """Read a message body; ValueError when it is none of ours."""
        found = json.loads(text)
        try:
            return cls(
                StoreSlug(str(found["store"])),
                str(found["subject"]),
                str(found["id"]),
                str(found["cause"]),
                float(found["seen_at"]),
            )
        except (KeyError, TypeError) as error:
            message = f"not a wake-up: {type(error).__name__} {error}"
            raise ValueError(message) from error
