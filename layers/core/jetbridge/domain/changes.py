"""What people changed, and what they ordered for one order: who, when and what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Change:
    """One change that a person made. Holds no personal data but the person's own name at the door."""

    at: datetime
    by: str
    """The name of the token that was shown."""
    what: str
    """In a word: rules_activated, ship_option_saved."""
    detail: str = ""
    """What exactly, in plain words."""


class Wish(StrEnum):
    """What a person ordered for one order, over what the rules say."""

    HOLD = "hold"
    EXCLUDE = "exclude"
    """Not by Jetpack: what lies there unpicked is cancelled."""
    FORWARD = "forward"
    """Now: grace minutes, risk, rules and stock are passed over. Never payment, address, SKU or ship option."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """A wish in force, until it is lifted."""

    wish: Wish
    by: str
    at: datetime
    reason: str = ""
