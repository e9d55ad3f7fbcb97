"""Connecting a store: what we need of the partners, which webhooks we want, and what is said to the shop's owner.

Pure: facts in, findings out. A finding is one thing that is right or wrong, in words, with the next step.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from jetbridge.domain.holds import REASONS
from jetbridge.domain.identifiers import StoreSlug
from jetbridge.domain.rules import Forward
from jetbridge.domain.store import Route, Store
from jetbridge.errors import (
    ConfigurationError,
    CredentialsRejectedError,
    JetbridgeError,
    OutcomeUnknownError,
    RateLimitedError,
    RejectedByPartnerError,
    TransientError,
)

SHOPIFY, JETPACK, SHIPSTATION = "shopify", "jetpack", "shipstation"
NAMES = {SHOPIFY: "Shopify", JETPACK: "Jetpack", SHIPSTATION: "ShipStation"}

# -- what is said -------------------------------------------------------------------------------------------------


class Severity(StrEnum):
    """Whether somebody has to do something."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Trouble(StrEnum):
    """What a shop owner notices, in the words of the integration guide's troubleshooting."""

    NOT_FORWARDING = "orders not forwarding"
    ON_HOLD = "orders stuck on hold"
    NO_TRACKING = "tracking not syncing"


_FORWARD, _HOLD, _TRACK = (Trouble.NOT_FORWARDING,), (Trouble.ON_HOLD,), (Trouble.NO_TRACKING,)

CODES: Mapping[str, tuple[Trouble, ...]] = {
    "address_refused": _FORWARD + _TRACK,
    "answer_not_understood": _FORWARD + _TRACK,
    "backing_off": _FORWARD + _TRACK,
    "bad_request": (),
    "channel": _FORWARD,
    "choose_channel": _FORWARD,
    "choose_location": _FORWARD,
    "choose_shipstation_store": _FORWARD,
    "claimed": _FORWARD,
    "claimed_elsewhere": _FORWARD + _TRACK,
    "clock": _TRACK,
    "clock_wrong": _TRACK,
    "compliance_topics": (),
    "connected": (),
    "connect_again": (),
    "credentials_accepted": _FORWARD + _TRACK,
    "credentials_missing": _FORWARD + _TRACK,
    "credentials_rejected": _FORWARD + _TRACK,
    "disconnected": (),
    "failed_forwarding": _FORWARD,
    "failed_tracking": _TRACK,
    "held": _FORWARD + _HOLD,
    "holds_left": _HOLD,
    "import_alive": _FORWARD,
    "import_late": _FORWARD,
    "import_off": _FORWARD,
    "last_webhook": _FORWARD + _TRACK,
    "location_missing": _FORWARD,
    "locations": _FORWARD,
    "no_active_rule": _FORWARD,
    "no_order_failed": _FORWARD + _TRACK,
    "no_order_held": _HOLD,
    "no_read_all_orders": (),
    "no_ship_options": _FORWARD + _HOLD,
    "no_stock_location": (),
    "no_webhook_yet": _FORWARD + _TRACK,
    "not_connected": _FORWARD + _TRACK,
    "not_disconnected": (),
    "orders_left": _TRACK,
    "our_side": _FORWARD + _TRACK,
    "other_forwarder": _FORWARD,
    "other_shop": (),
    "outcome_unknown": _FORWARD,
    "parcels_untold": _TRACK,
    "partner_unreachable": _FORWARD + _TRACK,
    "plan": (),
    "rules": _FORWARD,
    "scopes": _FORWARD + _TRACK,
    "scopes_missing": _FORWARD + _TRACK,
    "ship_option_gone": _FORWARD + _HOLD,
    "ship_options": _HOLD,
    "shipstation_rule": _FORWARD,
    "shipstation_store": _FORWARD,
    "shop_connected_already": (),
    "slug_taken": (),
    "suspended": _FORWARD + _TRACK,
    "tracking_in_time": _TRACK,
    "unmapped_methods": _FORWARD + _HOLD,
    "unshipped_for_long": _TRACK,
    "version": (),
    "version_ended": _FORWARD + _TRACK,
    "version_ends": (),
    "version_fell_forward": _FORWARD + _TRACK,
    "waiting": _FORWARD,
    "webhook_secret_missing": _FORWARD + _TRACK,
    "webhooks": _FORWARD + _TRACK,
    "webhooks_leftover": (),
    "webhooks_missing": _FORWARD + _TRACK,
}
"""Every finding with the troubles it may explain."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is right or wrong with a connection. Texts hold no credentials and name no customer."""

    code: str
    severity: Severity
    text: str
    next_step: str = ""
    partner: str = ""

    def __post_init__(self) -> None:
        """Refuse a code outside the list, and a complaint that does not say what to do."""
        if self.code not in CODES:
            message = f"unknown finding {self.code!r}"
            raise ValueError(message)
        if self.severity is not Severity.OK and not self.next_step:
            message = f"{self.code} has no next step"
            raise ValueError(message)

    @property
    def explains(self) -> tuple[Trouble, ...]:
        """The troubles it belongs under."""
        return CODES[self.code]


def good(code: str, text: str, partner: str = "") -> Finding:
    """Say that something is as it should be."""
    return Finding(code, Severity.OK, text, partner=partner)


def warning(code: str, text: str, next_step: str, partner: str = "") -> Finding:
    """Say that something works, and could fail or already costs time."""
    return Finding(code, Severity.WARNING, text, next_step, partner)


def error(code: str, text: str, next_step: str, partner: str = "") -> Finding:
    """Say that something does not work."""
    return Finding(code, Severity.ERROR, text, next_step, partner)


def broken(findings: Iterable[Finding]) -> bool:
    """Whether something does not work."""
    return any(each.severity is Severity.ERROR for each in findings)


def grouped(findings: Sequence[Finding]) -> dict[Trouble, list[Finding]]:
    """Put findings under the troubles they may explain, the gravest first."""
    gravest = sorted(findings, key=lambda each: [*Severity].index(each.severity), reverse=True)
    return {trouble: [each for each in gravest if trouble in each.explains] for trouble in Trouble}


# -- what is asked for --------------------------------------------------------------------------------------------

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
SHOP = re.compile(r"[a-z0-9][a-z0-9-]*\.myshopify\.com")


@dataclass(frozen=True)
class ConnectionRequest:
    """What a merchant gives to connect a store. What is left out stays as it is, or is found."""

    store: str
    shop: str
    credentials: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)
    """Partner → its credentials. Shopify: `client_id` and `client_secret`, or `access_token` and `client_secret`;
    Jetpack: `token`; ShipStation: `api_key` and `api_secret`."""
    routes: frozenset[Route] | None = None
    shipstation_store: str = ""
    jetpack_channel: str = ""
    locations: frozenset[str] | None = None
    stock_location: str | None = None
    ship_options: dict[str, str] = field(default_factory=dict)
    buffer: int | None = None
    grace_minutes: int | None = None
    forward_financial_states: frozenset[str] | None = None
    forward_gateways: frozenset[str] | None = None
    accepted_risks: frozenset[str] | None = None
    forward_test_orders: bool | None = None
    take_over: bool = False
    """Whether the shop may be taken from another deployment that says it forwards its orders."""
    addresses: dict[str, str] = field(default_factory=dict)
    """Partner → address, for simulators; a production stage refuses anything but the vendors' own."""

    def __post_init__(self) -> None:
        """Refuse what can never be right; says what, never what was given."""
        if not SLUG.fullmatch(self.store):
            message = "a store's name is lower-case letters, digits and dashes, at most 40, a letter or digit first"
            raise ValueError(message)
        if not SHOP.fullmatch(self.shop):
            message = "a shop is named by its address that ends in .myshopify.com"
            raise ValueError(message)
        if self.routes is not None and not self.routes:
            message = "a store needs a route: direct, shipstation or both"
            raise ValueError(message)
        if (self.buffer or 0) < 0 or (self.grace_minutes or 0) < 0:
            message = "buffer and grace_minutes cannot be negative"
            raise ValueError(message)
        if not {*self.credentials, *self.addresses} <= NAMES.keys():
            message = "partners are shopify, jetpack and shipstation"
            raise ValueError(message)
        if not all(method.strip() and option.strip() for method, option in self.ship_options.items()):
            message = "a mapping needs a shipping method and a ship option"
            raise ValueError(message)

    @property
    def slug(self) -> StoreSlug:
        """The store's name."""
        return StoreSlug(self.store)

    @property
    def chosen(self) -> dict[str, object]:
        """The plain settings that were given, by the names they have in `Store`."""
        names = ("buffer", "grace_minutes", "forward_financial_states", "forward_gateways", "accepted_risks")
        every = {name: getattr(self, name) for name in (*names, "forward_test_orders")}
        return {name: value for name, value in every.items() if value is not None}


CREDENTIALS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    SHOPIFY: (("client_id", "client_secret"), ("access_token",)),
    JETPACK: (("token",),),
    SHIPSTATION: (("api_key", "api_secret"),),
}
"""Partner → what is shown to it: any of these sets, the first that is whole."""


def shown(partner: str, given: Mapping[str, str]) -> dict[str, str] | None:
    """Pick what is shown to a partner out of what was given; None when nothing of it is whole."""
    for names in CREDENTIALS[partner]:
        if all(given.get(name, "").strip() for name in names):
            return {name: given[name].strip() for name in names}
    return None


# -- what we need of the partners ---------------------------------------------------------------------------------

SHOPIFY_SCOPES: Mapping[str, str] = {
    "read_orders": "read the orders",
    "read_fulfillments": "see what others have fulfilled",
    "read_merchant_managed_fulfillment_orders": "see what may be forwarded",
    "write_merchant_managed_fulfillment_orders": "bring tracking numbers back",
    "read_locations": "know where Jetpack ships from",
    "read_products": "know the SKUs, and what rules ask of products",
    "read_inventory": "compare the stock",
    "write_inventory": "bring the stock back",
}
"""Scope → what is impossible without it (facts/shopify.md section 2)."""

SHOPIFY_EXTRAS: Mapping[str, str] = {
    "write_orders": "set the tags and notes that rules ask for",
    "read_shipping": "list shipping methods before an order uses them",
    "read_customers": "ask rules about customer tags",
}
"""A shop may do without these, and without what they are for."""

JETPACK_SCOPES: Mapping[str, str] = {
    "orders_read": "see the orders",
    "orders_write": "create and cancel orders",
    "products_read": "know the SKUs",
    "inventory_read": "read the stock",
    "webhooks_read": "see our webhooks",
    "webhooks_write": "register webhooks",
}
"""As above, at Jetpack (facts/shipbob.md section 3)."""

JETPACK_EXTRAS: Mapping[str, str] = {"tracking_read": "follow parcels that no webhook speaks of"}
"""An old token may lack these; things go on without them, later."""

SHOPIFY_TOPICS = (
    "orders/updated",
    "orders/risk_assessment_changed",
    "fulfillment_orders/order_routing_complete",
    "fulfillment_orders/placed_on_hold",
    "fulfillment_orders/hold_released",
    "fulfillment_orders/moved",
    "fulfillment_orders/cancelled",
    "fulfillment_orders/scheduled_fulfillment_order_ready",
    "app/uninstalled",
)
"""The fewest topics that the sweep cannot replace in time: orders/updated follows every create, payment and cancel."""

COMPLIANCE_TOPICS = ("customers/data_request", "customers/redact", "shop/redact")
"""Only settable in the app itself, not by any call (facts/shopify.md section 3)."""

JETPACK_TOPICS = (
    "order.shipped",
    "order.shipment.delivered",
    "order.shipment.exception",
    "order.shipment.on_hold",
    "order.shipment.cancelled",
)
"""What changes an order of ours; carrier scans between shipping and delivery do not."""

SHIPSTATION_EVENTS = ("ORDER_NOTIFY", "SHIP_NOTIFY", "FULFILLMENT_SHIPPED")
"""New orders, and labels that somebody bought there after an order was forwarded (facts/shipstation.md section 5)."""

TOPICS = {SHOPIFY: SHOPIFY_TOPICS, JETPACK: JETPACK_TOPICS, SHIPSTATION: SHIPSTATION_EVENTS}

VERSION_ENDS: Mapping[str, Mapping[str, date]] = {
    # facts/shopify.md section 1
    SHOPIFY: {
        "2025-10": date(2026, 10, 16),
        "2026-01": date(2027, 1, 16),
        "2026-04": date(2027, 4, 16),
        "2026-07": date(2027, 7, 1),
        "2026-10": date(2027, 10, 16),
    },
    # facts/shipbob.md section 2
    JETPACK: {
        "1.0": date(2026, 7, 31),
        "2.0": date(2026, 7, 31),
        "2025-07": date(2027, 7, 31),
        "2026-01": date(2028, 1, 31),
        "2026-07": date(2028, 7, 31),
    },
}
"""Partner → API version → when it ends at the earliest."""

VERSION_WARNING = timedelta(days=90)
CLOCK_WARNING, CLOCK_ERROR = timedelta(minutes=1), timedelta(minutes=5)
"""Jetpack's signatures are good for five minutes either way (facts/shipbob.md section 14)."""

RECENT = timedelta(days=7)
"""How far back orders of other channels at Jetpack count as somebody else forwarding."""

IMPORT_LATE = timedelta(hours=6)
"""ShipStation polls the shop by itself, several times a day (facts/shipstation.md section 9)."""

UPDATE = "Install the newest release of Jetbridge, which speaks a newer version."


# -- webhooks -----------------------------------------------------------------------------------------------------


def webhook_address(base_url: str, partner: str, slug: StoreSlug, token: str = "") -> str:
    """Give the address a partner sends a store's webhooks to."""
    return "/".join((base_url, "webhooks", partner, slug, *([token] if token else [])))


# -- partners -----------------------------------------------------------------------------------------------------


def failure(partner: str, problem: JetbridgeError) -> Finding:  # noqa: PLR0911 - one return a kind of failure
    """Say in words why a partner could not be asked. Never quotes an error's own text but a refusal's."""
    name = NAMES[partner]
    again = "Wait a few minutes and try again."
    match problem:
        case CredentialsRejectedError(code="suspended"):
            text = f"{name} refuses because the plan has no API access (402). The connection is suspended."
            return error("suspended", text, f"Book a {name} plan with API access; then check again.", partner)
        case CredentialsRejectedError(code="missing"):
            return credentials_missing(partner)
        case CredentialsRejectedError():
            text = f"{name} does not accept the credentials."
            return error("credentials_rejected", text, CREDENTIAL_STEPS[partner], partner)
        case ConfigurationError():
            text = f"Credentials for {name} may not be sent to the address given."
            step = f"Leave the address of {name} out; only a stage that is not production may name another."
            return error("address_refused", text, step, partner)
        case RateLimitedError():
            return error("partner_unreachable", f"{name} asks us to slow down.", again, partner)
        case OutcomeUnknownError():
            text = f"{name} did not say whether it did what we asked."
            return error("connect_again", text, "Connect the store again; that finds out and repairs.", partner)
        case TransientError():
            text = f"{name} cannot be reached, or fails on its own side."
            return error("partner_unreachable", text, again, partner)
        case RejectedByPartnerError():
            text = f"{name} refused: {problem.args[0] if problem.args else 'no reason given'}"
            step = "Put right what it says, then connect the store again."
            return error("connect_again", text, step, partner)
        case _:
            text = f"{name} answered in a way nobody here understands."
            step = "Try again; if it stays so, report it with the time of the call."
            return error("answer_not_understood", text, step, partner)


def own_failure(problem: JetbridgeError) -> Finding:
    """Say that Jetbridge itself could not do its part: a table, a stored setting, or a permission on AWS."""
    if isinstance(problem, ConfigurationError):
        text = f"Jetbridge cannot use what is stored or set for it: {problem}"
        return error("our_side", text, "Put right what it names; docs/operations.md says where it lies.")
    text = "Jetbridge's own tables or secrets did not answer."
    return error("our_side", text, "Nothing is lost. Try again in a minute.")


CREDENTIAL_STEPS = {
    SHOPIFY: (
        "Give the app's client id and client secret (Dev Dashboard, the app's settings), or its access token and "
        "client secret, and make sure the app is installed in this shop."
    ),
    JETPACK: "Make a new token in Jetpack's dashboard (Integrations, API Tokens; as the root user) and give it.",
    SHIPSTATION: "Make an API key and secret in ShipStation (Settings, Account, API Settings; as owner) and give them.",
}


def credentials_missing(partner: str) -> Finding:
    """Say that nothing was given, and nothing is stored."""
    text = f"No credentials for {NAMES[partner]} were given, and none are stored."
    return error("credentials_missing", text, CREDENTIAL_STEPS[partner], partner)


def scope_findings(partner: str, granted: Collection[str], needed: Mapping[str, str], step: str) -> list[Finding]:
    """Say which permissions are missing, and what is impossible without them."""
    missing = {scope: purpose for scope, purpose in needed.items() if scope not in granted}
    if not missing:
        return [good("scopes", f"{NAMES[partner]} grants every permission we need.", partner)]
    purposes = ", ".join(f"{scope} (to {purpose})" for scope, purpose in missing.items())
    return [error("scopes_missing", f"{NAMES[partner]} does not grant {purposes}.", step, partner)]


def clock_finding(partner: str, ahead_seconds: float) -> Finding:
    """Say how far a partner's clock is from ours."""
    off, name = timedelta(seconds=abs(round(ahead_seconds))), NAMES[partner]
    if off <= CLOCK_WARNING:
        return good("clock", f"{name}'s clock and ours agree.", partner)
    way = "ahead of" if ahead_seconds > 0 else "behind"
    text = f"{name}'s clock is {in_words(off)} {way} ours."
    step = "Where Jetbridge runs on a machine of yours, set its clock; on AWS, report it to " + name + "."
    if off <= CLOCK_ERROR:
        return warning("clock_wrong", text, step, partner)
    return error("clock_wrong", text + " Webhooks signed that far off are refused.", step, partner)


def version_finding(partner: str, asked: str, answered: str, today: date) -> Finding:
    """Say how long the partner's API version that we speak will be answered."""
    name, ends = NAMES[partner], VERSION_ENDS[partner].get(asked)
    if answered and answered != asked:
        text = f"{name} answers in version {answered} of its API, although we ask for {asked}, which has ended."
        return error("version_fell_forward", text, UPDATE, partner)
    if ends is None:
        text = f"Nobody here knows how long {name} answers version {asked} of its API."
        return warning("version_ends", text, "Use the version that Jetbridge chooses, or a newer release.", partner)
    if ends <= today:
        return error("version_ended", f"Version {asked} of {name}'s API ended on {ends}.", UPDATE, partner)
    text = f"{name} answers version {asked} of its API until {ends} at least."
    if ends - today <= VERSION_WARNING:
        return warning("version_ends", text, UPDATE, partner)
    return good("version", text, partner)


# -- our own books ------------------------------------------------------------------------------------------------


def rule_finding(store: Store) -> Finding:
    """Say whether any rule forwards at all."""
    forwarding = [rule.name for rule in store.rules.rules if rule.active and Forward() in rule.then]
    if forwarding:
        return good("rules", f"These rules forward orders: {', '.join(forwarding)}.")
    text = "No active rule forwards orders: all of them are held or excluded."
    return error("no_active_rule", text, "Switch on the rule that forwards orders to Jetpack, or make one.")


def held_finding(reason: str, count: str, oldest: timedelta) -> Finding:
    """Say how many orders are held for one reason, and who can lift it."""
    about = REASONS[reason]
    owner = {"merchant": "you", "customer": "the customer", "jetpack": "Jetpack"}[about.owner]
    why = f"{about.meaning} ({reason})"
    text = f"{count} held because {why}, the longest for {in_words(oldest)}. Who can lift it: {owner}."
    return warning("held", text, about.next_step)


def last_webhook_finding(partner: str, at: datetime | None, now: datetime) -> Finding:
    """Say when a partner's webhook last woke us."""
    name = NAMES[partner]
    if at is None:
        text = f"No webhook of {name} has arrived within the last 30 days."
        step = "Place a test order. If this stays so, connect the store again."
        return warning("no_webhook_yet", text, step, partner)
    return good("last_webhook", f"The last webhook of {name} arrived {in_words(now - at)} ago.", partner)


def in_words(time: timedelta) -> str:
    """Say a length of time as people do, in its largest unit."""
    seconds = max(round(time.total_seconds()), 0)
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= length or length == 1:
            number = seconds // length
            return f"{number} {unit}{'' if number == 1 else 's'}"
    raise AssertionError
