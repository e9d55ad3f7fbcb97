"""Why an order waits for somebody: the closed list of hold reasons, and who can lift each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

OWNERS: dict[str, str] = {
    "unpaid": "customer",
    "fraud_risk": "merchant",
    "store_hold": "merchant",
    "rule_hold": "merchant",
    "no_rule_matched": "merchant",
    "unmapped_ship_option": "merchant",
    "inactive_ship_option": "merchant",
    "unknown_sku": "merchant",
    "inactive_sku": "merchant",
    "out_of_stock": "jetpack",
    "invalid_address": "customer",
    "customs_data_missing": "merchant",
    "jetpack_hold": "jetpack",
    "jetpack_exception": "jetpack",
    "rejected_by_jetpack": "merchant",
    "already_forwarded_elsewhere": "merchant",
    "cancelled_at_jetpack": "merchant",
    "cancel_refused": "merchant",
    "edit_refused": "merchant",
    "unidentified_order": "merchant",
    "connection_broken": "merchant",
}
"""Every hold reason with its owner. A reason that is not here is a bug and refused."""

LIFTED_BY_SETTINGS = frozenset({"unmapped_ship_option", "inactive_ship_option", "no_rule_matched", "rule_hold"})
"""Holds whose cause is a setting: after writing one, the settings' version is read again."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why an order is held, since when, and in plain words what would lift it. Never personal data."""

    reason: str
    since: datetime
    detail: str = ""
    change: str = ""
    """Fingerprint of the source a partner refused: while it is the same, the same is not asked for again."""

    def __post_init__(self) -> None:
        """Refuse a reason outside the list."""
        if self.reason not in OWNERS:
            message = f"unknown hold reason {self.reason!r}"
            raise ValueError(message)

    @property
    def owner(self) -> str:
        """Who can lift it: merchant, jetpack or customer."""
        return OWNERS[self.reason]


def continued(hold: Hold | None, before: Hold | None) -> Hold | None:
    """Keep the time since when, if the same hold was there already."""
    if hold and before and replace(hold, since=before.since) == before:
        return before
    return hold
