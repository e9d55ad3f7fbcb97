"""Why an order waits for somebody: the closed list of hold reasons, who can lift each, how, and what lifts it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Reason:
    """What a hold reason means to a shop owner."""

    owner: str
    """Who can lift it: merchant, customer or jetpack."""
    meaning: str
    """Continues "held because …"."""
    next_step: str
    lifted_when: str
    """Continues "lifts by itself when …"."""
    shopify: str = "OTHER"
    """The reason Shopify shows while the hold is mirrored (facts/shopify.md section 6); empty: never mirrored."""


REASONS: dict[str, Reason] = {
    "unpaid": Reason(
        "customer",
        "the payment failed, was taken back, or is in a state nobody here knows",
        "Ask the customer to pay again, or cancel the order in Shopify.",
        "Shopify shows it as paid",
        "AWAITING_PAYMENT",
    ),
    "fraud_risk": Reason(
        "merchant",
        "Shopify sees a risk of fraud",
        "Review the order in Shopify; cancel it, accept the risk for the store, or forward it now.",
        "Shopify recommends something else, or the store accepts that recommendation",
        "HIGH_RISK_OF_FRAUD",
    ),
    "store_hold": Reason(
        "merchant",
        "it is on hold in the shop, or one of your people holds it",
        "Release the hold where it was made: Shopify, ShipStation or here.",
        "the hold is released",
        "",
    ),
    "rule_hold": Reason(
        "merchant",
        "a rule holds it",
        "Change the rule if it should not, or forward the order now.",
        "the time the rule names is over, or the rules decide otherwise",
    ),
    "no_rule_matched": Reason(
        "merchant",
        "no rule says what to do with it",
        "Add a rule that covers such orders, or forward it now.",
        "a rule matches",
    ),
    "unmapped_ship_option": Reason(
        "merchant",
        "its shipping method is not mapped",
        "Map the method to one of Jetpack's ship options.",
        "the method is mapped",
    ),
    "inactive_ship_option": Reason(
        "merchant",
        "its ship option is switched off",
        "Map the method to an active option, or switch the option on at Jetpack.",
        "mapping and option are both active",
    ),
    "unknown_sku": Reason(
        "merchant",
        "Jetpack does not know a SKU",
        "Create the product at Jetpack, map the SKU, or correct it in Shopify.",
        "Jetpack knows every SKU",
    ),
    "inactive_sku": Reason(
        "merchant",
        "a product is not active at Jetpack",
        "Activate the product at Jetpack, or map the SKU to another.",
        "every product is active",
    ),
    "out_of_stock": Reason(
        "jetpack",
        "Jetpack has not enough of it",
        "Send stock to Jetpack, cancel the line in Shopify, or forward it now.",
        "there is enough at Jetpack",
        "INVENTORY_OUT_OF_STOCK",
    ),
    "invalid_address": Reason(
        "customer",
        "no parcel can go to the address as it is",
        "Ask the customer, and correct the address where the order is kept.",
        "the address is complete, and its ship option serves it",
        "INCORRECT_ADDRESS",
    ),
    "customs_data_missing": Reason(
        "merchant",
        "it goes abroad and a product has no customs data",
        "Complete the product's customs data at Jetpack.",
        "every product of it has customs data",
    ),
    "jetpack_hold": Reason(
        "jetpack",
        "Jetpack holds it",
        "Answer what Jetpack asks, in its dashboard (Action Required).",
        "Jetpack goes on with it",
        "",
    ),
    "jetpack_exception": Reason(
        "jetpack",
        "Jetpack cannot ship it yet",
        "See the exception in Jetpack's dashboard; often stock is missing.",
        "Jetpack goes on with it",
        "",
    ),
    "rejected_by_jetpack": Reason(
        "merchant",
        "Jetpack refused it",
        "Read what Jetpack says in the detail; change the order in Shopify.",
        "the order changes, which is then sent anew",
    ),
    "already_forwarded_elsewhere": Reason(
        "merchant",
        "somebody else has sent it to Jetpack",
        "Look in Jetpack's dashboard, and switch the other forwarder off. If nothing of it is there, forward it now.",
        "Jetpack shows what was meant, or nothing of others any more",
    ),
    "cancelled_at_jetpack": Reason(
        "merchant",
        "it was cancelled in Jetpack's dashboard",
        "Cancel it in Shopify and order it anew.",
        "the order is cancelled in Shopify too",
        "",
    ),
    "cancel_refused": Reason(
        "merchant",
        "it was cancelled too late and ships",
        "Stop it in Jetpack's dashboard, or let it go.",
        "the last parcel has left",
        "",
    ),
    "edit_refused": Reason(
        "merchant",
        "it was changed too late",
        "Change it in Jetpack's dashboard, or undo the change in Shopify.",
        "the last parcel has left, or the change is undone",
        "",
    ),
    "unidentified_order": Reason(
        "merchant",
        "nobody knows which Shopify order it is",
        "Look for the order in Shopify; in ShipStation, correct its number.",
        "exactly one Shopify order is found for it",
        "",
    ),
    "connection_broken": Reason(
        "merchant",
        "a partner refuses our credentials",
        "Connect the store again with new credentials.",
        "the partner takes our credentials",
        "",
    ),
}
"""Every hold reason. One that is not here is a bug and refused."""

OWNERS: dict[str, str] = {reason: each.owner for reason, each in REASONS.items()}

LIFTED_BY_SETTINGS = frozenset(
    {
        "customs_data_missing",
        "fraud_risk",
        "inactive_ship_option",
        "inactive_sku",
        "invalid_address",
        "no_rule_matched",
        "out_of_stock",
        "rejected_by_jetpack",
        "rule_hold",
        "unknown_sku",
        "unmapped_ship_option",
        "unpaid",
    }
)
"""Holds whose cause may be a setting: after writing one, the settings' version is read again."""


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
        if self.reason not in REASONS:
            message = f"unknown hold reason {self.reason!r}"
            raise ValueError(message)

    @property
    def owner(self) -> str:
        """Who can lift it: merchant, jetpack or customer."""
        return REASONS[self.reason].owner

    @property
    def next_step(self) -> str:
        """What that person does."""
        return REASONS[self.reason].next_step


def continued(hold: Hold | None, before: Hold | None) -> Hold | None:
    """Keep the time since when, if the same hold was there already."""
    if hold and before and replace(hold, since=before.since) == before:
        return before
    return hold
