"""What happened to an order and why, one entry a look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One look that did something. Holds ids, SKUs and reasons, never personal data."""

    at: datetime
    by: str
    cause: str
    status: str
    did: tuple[str, ...] = ()
    trace: tuple[str, ...] = ()
