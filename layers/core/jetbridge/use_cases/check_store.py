"""Check a connected store: partners, webhooks and our own books, and what each trouble a shop owner sees comes from."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from jetbridge.domain.connection import (
    IMPORT_LATE,
    JETPACK,
    JETPACK_EXTRAS,
    JETPACK_SCOPES,
    JETPACK_TOPICS,
    NAMES,
    RECENT,
    SHIPSTATION,
    SHOPIFY,
    SHOPIFY_EXTRAS,
    SHOPIFY_SCOPES,
    TOPICS,
    Finding,
    clock_finding,
    credentials_missing,
    error,
    failure,
    good,
    held_finding,
    in_words,
    last_webhook_finding,
    rule_finding,
    scope_findings,
    version_finding,
    warning,
    webhook_address,
)
from jetbridge.domain.record import ParcelState, Status
from jetbridge.domain.store import Route
from jetbridge.errors import ConfigurationError, JetbridgeError
from jetbridge.use_cases.ship_options import wanted_by_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from jetbridge.domain.holds import Hold
    from jetbridge.domain.identifiers import StoreSlug
    from jetbridge.domain.record import OrderRecord
    from jetbridge.domain.ship_options import Method
    from jetbridge.domain.store import Store
    from jetbridge.ports import (
        Administrations,
        DeskStore,
        OrderRecords,
        Runtime,
        SecretStore,
        ShopFacts,
        ShopLocation,
        StoreSettings,
        Subscription,
        WarehouseFacts,
    )

MOST_ORDERS = 1000
"""How many orders of one status are read: beyond that the number no longer matters."""

LONG_UNKNOWN = timedelta(hours=1)
LONG_UNSHIPPED = timedelta(days=5)
LONG_FAILING = timedelta(minutes=15)


def check_store(  # noqa: PLR0913 - which store, who we are, and one keyword a port
    slug: StoreSlug,
    *,
    base_url: str,
    owner: str,
    records: OrderRecords,
    settings: StoreSettings,
    secrets: SecretStore,
    runtime: Runtime,
    administrations: Administrations,
    clock: Callable[[], datetime],
) -> list[Finding]:
    """Check a store with every partner of it, and our own books about its orders. Changes nothing.

    Args:
        slug: The store.
        base_url: Our own address, as partners see it.
        owner: How this deployment calls itself in the shop's claim.
        records: OrdersTable.
        settings: SettingsTable.
        secrets: The stored credentials and webhook secrets.
        runtime: RuntimeTable.
        administrations: Opens the partners.
        clock: The time.

    Returns:
        What is right and what is wrong, in words. `grouped` puts it under the troubles of a shop owner.

    Raises:
        TransientError: Our own tables or secrets cannot be read.
        ConfigurationError: The stored settings cannot be used.
    """
    settings.forget(slug)
    store = settings.store(slug)
    if store is None:
        return [error("not_connected", f"The store {slug} is not connected.", "Connect it.")]
    check = _Check(store, base_url, owner, records, settings, secrets, runtime, administrations, clock(), [])
    check.partner(SHOPIFY, check.shop)
    check.partner(JETPACK, check.warehouse)
    partners = [SHOPIFY, JETPACK]
    if Route.SHIPSTATION in store.routes:
        check.partner(SHIPSTATION, check.desk)
        partners.append(SHIPSTATION)
    for partner in partners:
        check.findings.append(last_webhook_finding(partner, runtime.last_event(slug, partner), check.now))
    check.findings.append(rule_finding(store))
    check.findings += unmapped_findings(settings.unmapped_methods(slug))
    check.orders()
    return check.findings


@dataclass(slots=True)
class _Check:
    """One check under way: the ports it may use, and what it has found."""

    store: Store
    base_url: str
    owner: str
    records: OrderRecords
    settings: StoreSettings
    secrets: SecretStore
    runtime: Runtime
    administrations: Administrations
    now: datetime
    findings: list[Finding]

    def partner(self, partner: str, check: Callable[[Mapping[str, str]], None]) -> None:
        """Check one partner with the stored credentials; what it raises is a finding like others."""
        try:
            credentials = self.secrets.credentials(self.store.slug, partner)
        except ConfigurationError:
            credentials = None
        if credentials is None:
            self.findings.append(credentials_missing(partner))
            return
        asked(partner, lambda: check(credentials), self.findings)

    @property
    def others(self) -> frozenset[StoreSlug]:
        """The other stores of this deployment: they may share an account at a partner."""
        return frozenset(self.settings.stores()) - {self.store.slug}

    def shop(self, credentials: Mapping[str, str]) -> None:
        store = self.store
        admin = self.administrations.shop(store.shopify, credentials)
        facts = admin.facts()
        self.findings += shop_findings(facts, store.shopify.api_version, self.now)
        self.findings.append(claim_finding(facts, self.owner))
        self.findings += location_findings(store.locations, store.stock_location, facts)
        if not self.secrets.webhook_secrets(store.slug, SHOPIFY):
            text = "The app's client secret is not stored, so Shopify's webhooks cannot be verified: all are refused."
            step = "Connect the store again with the app's client secret."
            self.findings.append(error("webhook_secret_missing", text, step, SHOPIFY))
        address = webhook_address(self.base_url, SHOPIFY, store.slug)
        plan = subscription_plan(admin.subscriptions(), SHOPIFY, address, self.base_url, ())
        self.findings += webhook_findings(SHOPIFY, plan)

    def warehouse(self, credentials: Mapping[str, str]) -> None:
        store = self.store
        admin = self.administrations.warehouse(store.jetpack, credentials)
        facts = admin.facts(self.now - RECENT)
        self.findings += warehouse_findings(facts, store.jetpack.channel_id, store.jetpack.api_version, self.now)
        self.findings += ship_option_findings(active_options(store), facts, wanted_by_rules(store))
        held = bool(self.secrets.webhook_secrets(store.slug, JETPACK))
        address = webhook_address(self.base_url, JETPACK, store.slug)
        plan = signed_subscription_plan(admin.subscriptions(), address, self.base_url, self.others, secret_held=held)
        self.findings += webhook_findings(JETPACK, plan)

    def desk(self, credentials: Mapping[str, str]) -> None:
        store = self.store
        if store.shipstation is None:
            return
        admin = self.administrations.desk(store.shipstation, credentials)
        self.findings += desk_findings(store.shipstation.store_id, admin.stores(), self.now)
        tokens = self.secrets.webhook_secrets(store.slug, SHIPSTATION)
        address = webhook_address(self.base_url, SHIPSTATION, store.slug, tokens[0]) if tokens else ""
        plan = subscription_plan(admin.subscriptions(), SHIPSTATION, address, self.base_url, self.others)
        self.findings += webhook_findings(SHIPSTATION, plan)

    # -- our own books ----------------------------------------------------------------------------------------

    def orders(self) -> None:
        """Say what waits for whom: held, failed, waiting, unknown, long under way."""
        self._held()
        self._failed()
        waiting, forwarding = self._in(Status.WAITING), self._in(Status.FORWARDING)
        under_way = [*self._in(Status.FORWARDED), *self._in(Status.PARTIALLY_SHIPPED)]
        for reason, records in sorted(_by(waiting, lambda record: record.reason or "its next look").items()):
            self.findings.append(good("waiting", f"{_orders(records)} waiting: {reason}."))
        if lost := self._older(forwarding, LONG_UNKNOWN):
            text = f"{_orders(lost)} being sent to Jetpack, with no answer for {self._oldest(lost)} ({_some(lost)})."
            step = "Nothing is sent twice: they are looked for again. If it stays so, see Jetpack's status page."
            self.findings.append(warning("outcome_unknown", text, step, JETPACK))
        if late := self._older(under_way, LONG_UNSHIPPED):
            text = f"{_orders(late)} at Jetpack and not shipped for {self._oldest(late)} ({_some(late)})."
            self.findings.append(warning("unshipped_for_long", text, "Look them up in Jetpack's dashboard.", JETPACK))
        else:
            text = f"No order has been at Jetpack for more than {in_words(LONG_UNSHIPPED)} without shipping."
            self.findings.append(good("tracking_in_time", text, JETPACK))
        self._failing([*waiting, *forwarding, *under_way])

    def _held(self) -> None:
        holds = defaultdict[str, list["Hold"]](list)
        records = self._in(Status.HELD)
        for record in records:
            troubles = [each.trouble for each in record.consignments if each.covers and each.trouble]
            if hold := record.hold or next(iter(troubles), None):
                holds[hold.reason].append(hold)
        for reason, found in sorted(holds.items()):
            oldest = self.now - min(hold.since for hold in found)
            self.findings.append(held_finding(reason, _orders(found), oldest))
        if not records:
            self.findings.append(good("no_order_held", "No order is held."))

    def _failed(self) -> None:
        records = self._in(Status.FAILED)
        ways: list[tuple[str, str, str, Callable[[OrderRecord], bool]]] = [
            (
                "failed_forwarding",
                "in need of a person before they can be forwarded",
                "Read the reason in each order's record, and settle it in Shopify or at Jetpack.",
                lambda record: bool(record.failed),
            ),
            (
                "failed_tracking",
                "in need of a person before their tracking can go on",
                "Read the reason in each order's record; often the write permission of Shopify or ShipStation is gone.",
                lambda record: bool(record.track_failed),
            ),
            (
                "parcels_untold",
                "shipped with a tracking number that the shop does not take",
                "Enter the tracking number by hand in Shopify; it is also tried again every six hours.",
                lambda record: any(parcel.state is ParcelState.FAILED for parcel in record.parcels),
            ),
        ]
        for code, what, step, is_so in ways:
            if found := [record for record in records if is_so(record)]:
                text = f"{_orders(found)} {what}, the longest for {self._oldest(found)} ({_some(found)})."
                self.findings.append(error(code, text, step))
        if not records:
            self.findings.append(good("no_order_failed", "No order needs a person."))

    def _failing(self, records: Sequence[OrderRecord]) -> None:
        failing = [
            record
            for record in records
            if (since := record.failing_since or record.track_failing_since) and self.now - since > LONG_FAILING
        ]
        if failing:
            text = f"{_orders(failing)} tried again and again, because a partner does not answer ({_some(failing)})."
            step = "Nothing is lost meanwhile. See the partner's status page, and the other findings here."
            self.findings.append(warning("backing_off", text, step))

    def _in(self, status: Status) -> list[OrderRecord]:
        slug = self.store.slug
        found = self.records.read_many(slug, islice(self.records.open_orders(slug, status), MOST_ORDERS))
        return [record for record in found if record.status is status]  # the index lags behind a little

    def _older(self, records: Iterable[OrderRecord], than: timedelta) -> list[OrderRecord]:
        return [record for record in records if record.since and self.now - record.since > than]

    def _oldest(self, records: Iterable[OrderRecord]) -> str:
        return in_words(self.now - min(record.since or self.now for record in records))


def _by(records: Iterable[OrderRecord], key: Callable[[OrderRecord], str]) -> dict[str, list[OrderRecord]]:
    found = defaultdict[str, list["OrderRecord"]](list)
    for record in records:
        found[key(record)].append(record)
    return found


def _orders(found: Sequence[object]) -> str:
    """Begin a sentence: `1 order is`, `7 orders are`."""
    if len(found) == 1:
        return "1 order is"
    return f"{'at least ' if len(found) >= MOST_ORDERS else ''}{len(found)} orders are"


def _some(records: Sequence[OrderRecord]) -> str:
    """Name a few orders, for looking them up."""
    names = [record.name or record.order_id for record in records]
    return ", ".join(sorted(names)[:5]) + (" …" if len(names) > 5 else "")  # noqa: PLR2004 - enough to find one


def active_options(store: Store) -> dict[str, str]:
    """Give the active mappings: shipping method → ship option."""
    return {mapping.method: mapping.ship_option for mapping in store.ship_options.values() if mapping.active}


def asked[T](partner: str, ask: Callable[[], T], findings: list[Finding]) -> T | None:
    """Ask a partner; whatever goes wrong there becomes a finding, and the answer None."""
    try:
        return ask()
    except JetbridgeError as problem:
        findings.append(failure(partner, problem))
        return None


# -- what a look at a partner shows ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SubscriptionPlan:
    """What is to be done so that a partner tells us what we want to hear, once, at one address."""

    missing: tuple[str, ...]
    """Topics that nothing subscribes."""
    leftover: tuple[str, ...]
    """Subscriptions that point at us and serve nothing."""


def subscription_plan(
    listed: Iterable[Subscription], partner: str, address: str, base_url: str, others: Collection[StoreSlug]
) -> SubscriptionPlan:
    """Plan for a partner that subscribes one topic at a time.

    Args:
        listed: All subscriptions the partner shows.
        partner: The partner.
        address: Where this store's webhooks go.
        base_url: Our own address: what points there and serves no store is a leftover of ours.
        others: Other stores that share this account at the partner; theirs are left alone.
    """
    here = [each for each in listed if points_here(each, partner, base_url, others)]
    kept: dict[str, str] = {}
    for each in here:
        if each.active and each.address == address and len(each.topics) == 1 and each.topics[0] in TOPICS[partner]:
            kept.setdefault(each.topics[0], each.id)
    missing = tuple(topic for topic in TOPICS[partner] if topic not in kept)
    return SubscriptionPlan(missing, tuple(each.id for each in here if each.id not in kept.values()))


def signed_subscription_plan(
    listed: Iterable[Subscription], address: str, base_url: str, others: Collection[StoreSlug], *, secret_held: bool
) -> SubscriptionPlan:
    """Plan for Jetpack: one subscription to all topics, whose secret was shown once, when it was made.

    Two at our address, or one whose secret we do not hold, cannot be told apart from a good one, so all are replaced.
    """
    here = [each for each in listed if points_here(each, JETPACK, base_url, others)]
    ours = [each for each in here if each.address == address]
    if secret_held and len(ours) == 1 and ours[0].active and {*ours[0].topics} == {*JETPACK_TOPICS}:
        return SubscriptionPlan((), tuple(each.id for each in here if each is not ours[0]))
    return SubscriptionPlan(JETPACK_TOPICS, tuple(each.id for each in here))


def points_here(each: Subscription, partner: str, base_url: str, others: Collection[StoreSlug]) -> bool:
    """Whether a subscription points at us, and not at another store that we serve."""
    if not each.address.startswith(f"{base_url}/"):
        return False
    path = each.address.removeprefix(f"{base_url}/webhooks/{partner}/")
    return path == each.address or path.partition("/")[0] not in others


def webhook_findings(partner: str, plan: SubscriptionPlan) -> list[Finding]:
    """Say whether a partner tells us everything we want to hear."""
    name = NAMES[partner]
    if not plan.missing:
        found = [good("webhooks", f"{name} tells us of every change.", partner)]
        if plan.leftover:
            text = f"{len(plan.leftover)} webhook subscriptions of {name} point at us and serve no store."
            found.append(warning("webhooks_leftover", text, "Connect the store again; that removes them.", partner))
        return found
    topics = ", ".join(plan.missing)
    text = (
        f"{name} does not tell us of {topics}: these webhooks are missing, switched off or point elsewhere. Until they "
        "are back, changes are found by the sweep only, later."
    )
    return [error("webhooks_missing", text, "Connect the store again; that registers them.", partner)]


def shop_findings(facts: ShopFacts, asked_version: str, now: datetime) -> list[Finding]:
    """Say what a look at the shop shows: permissions, plan, API version, clock."""
    # A permission to write holds the one to read, whether or not it is listed.
    granted = facts.scopes | {scope.replace("write_", "read_", 1) for scope in facts.scopes}
    step = "Add them to the app's scopes (Dev Dashboard), release the version, and accept it in the shop."
    found = [good("credentials_accepted", f"Shopify knows us in the shop {facts.name!r}.", SHOPIFY)]
    found += scope_findings(SHOPIFY, granted, SHOPIFY_SCOPES, step)
    for scope in sorted(SHOPIFY_EXTRAS.keys() - granted):
        text = f"Shopify does not grant {scope}: we cannot {SHOPIFY_EXTRAS[scope]}."
        found.append(warning("scopes_missing", text, step, SHOPIFY))
    if "read_all_orders" not in granted:
        text = "Without read_all_orders, orders older than 60 days cannot be read: a late change of one is missed."
        step = "Ask Shopify for read_all_orders if customers change or return orders after two months."
        found.append(warning("no_read_all_orders", text, step, SHOPIFY))
    found.append(good("plan", f"Shopify plan {facts.plan}: {facts.points_a_second} points a second.", SHOPIFY))
    found.append(version_finding(SHOPIFY, asked_version, facts.answered_version, now.date()))
    found.append(clock_finding(SHOPIFY, facts.clock_ahead_seconds))
    return found


def claim_finding(facts: ShopFacts, owner: str, *, take_over: bool = False) -> Finding:
    """Say whether another deployment forwards this shop's orders: two would send every parcel twice."""
    if facts.claimed_by in {"", owner}:
        return good("claimed", "No other deployment of Jetbridge forwards this shop's orders.", SHOPIFY)
    text = f"Another deployment of Jetbridge forwards this shop's orders: {facts.claimed_by}."
    if take_over:
        return warning("claimed", text, "It is taken over now: disconnect the store there.", SHOPIFY)
    step = "Disconnect the store there, or, if that one is gone for good, connect with take_over."
    return error("claimed_elsewhere", text, step, SHOPIFY)


def listing(locations: Iterable[ShopLocation]) -> str:
    """Name locations with their ids."""
    return ", ".join(f"{each.name} ({each.id})" for each in locations) or "none"


def location_findings(locations: frozenset[str], stock_location: str, facts: ShopFacts) -> list[Finding]:
    """Say whether the locations we forward for are still there."""
    active = {each.id for each in facts.locations if each.active}
    if gone := sorted({*locations, *filter(None, [stock_location])} - active):
        text = f"The shop has no active location {', '.join(gone)} any more: its orders are not forwarded."
        step = f"Connect again with `locations`. Active locations: {listing(e for e in facts.locations if e.active)}."
        return [error("location_missing", text, step, SHOPIFY)]
    names = listing(each for each in facts.locations if each.id in locations)
    return [good("locations", f"Orders are forwarded from {names}.", SHOPIFY)]


def warehouse_findings(facts: WarehouseFacts, channel_id: str, version: str, now: datetime) -> list[Finding]:
    """Say what a look at the Jetpack account shows: permissions, other forwarders, API version, clock."""
    channel = next((each for each in facts.channels if each.id == channel_id), None)
    found = [good("credentials_accepted", "Jetpack knows us.", JETPACK)]
    if channel is None or not channel.writable:
        text = f"Jetpack does not let us write through channel {channel_id or '(none)'}."
        step = f"Connect again with `jetpack_channel`. {writable_channels(facts)}"
        found.append(error("choose_channel", text, step, JETPACK))
    else:
        step = "Make a new token in Jetpack's dashboard; old ones lack newer permissions."
        found.append(good("channel", f"Orders go through Jetpack's channel {channel.name} ({channel.id}).", JETPACK))
        found += scope_findings(JETPACK, channel.scopes, JETPACK_SCOPES, step)
        for scope in sorted(JETPACK_EXTRAS.keys() - channel.scopes):
            text = f"Jetpack does not grant {scope}: we cannot {JETPACK_EXTRAS[scope]}."
            found.append(warning("scopes_missing", text, step, JETPACK))
    names = {each.id: each.name for each in facts.channels}
    for other, orders in facts.recent_orders:
        if other != channel_id and orders:
            name = f"{names[other]} ({other})" if other in names else other
            text = (
                f"{orders} orders reached Jetpack through another channel, {name}, within the last {RECENT.days} days."
            )
            step = "Make sure nothing else forwards this shop's orders: Jetpack's own app, or a rule in ShipStation."
            found.append(warning("other_forwarder", text, step, JETPACK))
    found.append(version_finding(JETPACK, version, "", now.date()))
    found.append(clock_finding(JETPACK, facts.clock_ahead_seconds))
    return found


def writable_channels(facts: WarehouseFacts) -> str:
    """Name the channels that orders can be written through."""
    found = ", ".join(f"{each.name} ({each.id})" for each in facts.channels if each.writable)
    if found:
        return f"Channels the token may write through: {found}."
    return "The token may write through no channel: make a new one in Jetpack's dashboard, as the root user."


def ship_option_findings(
    wanted: Mapping[str, str], facts: WarehouseFacts, by_rules: Mapping[str, Sequence[str]] | None = None
) -> list[Finding]:
    """Say whether every ship option orders are sent by is offered: Jetpack ships Standard for what it does not know.

    Args:
        wanted: Shipping method → ship option, of the active mappings.
        facts: The account.
        by_rules: Ship option → the active rules that set it.
    """
    offered = ", ".join(sorted(text for text, active in facts.ship_options if active)) or "none"
    if not wanted and not by_rules:
        text = "No shipping method is mapped to a ship option: every order will be held."
        step = f"Map each method the shop offers. Jetpack offers: {offered}."
        return [warning("no_ship_options", text, step, JETPACK)]
    known = dict(facts.ship_options)
    uses = [(f"The shipping method {method!r} is mapped to", option) for method, option in sorted(wanted.items())]
    uses += [(f"The rule {rule!r} ships by", option) for option, rules in (by_rules or {}).items() for rule in rules]
    found = []
    for used, option in uses:
        if not known.get(option):
            gone = "has switched off" if option in known else "does not know"
            text = f"{used} {option!r}, which Jetpack {gone}."
            found.append(error("ship_option_gone", text, f"Use one that Jetpack offers: {offered}.", JETPACK))
    return found or [good("ship_options", "Jetpack offers every ship option that orders are sent by.", JETPACK)]


def unmapped_findings(unmapped: Mapping[Method, int]) -> list[Finding]:
    """Say which shipping methods orders came with, or may come with, that are not mapped."""
    found = []
    if seen := {method: orders for method, orders in unmapped.items() if orders}:
        methods = ", ".join(f"{method or '(none)'} ({orders})" for method, orders in sorted(seen.items())[:20])
        text = f"Orders came with shipping methods that are not mapped: {methods}."
        found.append(warning("unmapped_methods", text, "Map each of them to one of Jetpack's ship options."))
    if others := len(unmapped) - len(seen):
        text = f"{others} shipping methods are offered and not mapped; no order has needed one yet."
        found.append(good("unmapped_methods", text))
    return found


def desk_findings(store_id: str, stores: Sequence[DeskStore], now: datetime) -> list[Finding]:
    """Say whether ShipStation still imports the shop's orders."""
    found = [good("credentials_accepted", "ShipStation knows us.", SHIPSTATION)]
    store = next((each for each in stores if each.id == store_id), None)
    if store is None:
        text = f"ShipStation has no store {store_id} any more."
        step = "Connect again with `shipstation_store`."
        return [*found, error("choose_shipstation_store", text, step, SHIPSTATION)]
    found.append(good("shipstation_store", f"Orders come from ShipStation's store {store.name}.", SHIPSTATION))
    if not store.active:
        text = f"ShipStation's store {store.name} is not active: no order is imported."
        step = "Activate it in ShipStation (Settings, Selling Channels, Store Setup)."
        return [*found, error("import_off", text, step, SHIPSTATION)]
    if not store.imports_by_itself:
        text = f"ShipStation's store {store.name} does not import by itself."
        step = "Switch automatic import on in ShipStation's store setup; a failed connection switches it off silently."
        return [*found, error("import_off", text, step, SHIPSTATION)]
    if store.last_import_at is None:
        text = f"ShipStation does not say when it last imported the orders of {store.name}."
        return [*found, warning("import_late", text, "Press import in ShipStation once, then check.", SHIPSTATION)]
    age = now - store.last_import_at
    text = f"ShipStation last imported the orders of {store.name} {in_words(age)} ago."
    if age > IMPORT_LATE:
        step = "Press import in ShipStation; if it shows an error, reconnect the shop there."
        return [*found, warning("import_late", text, step, SHIPSTATION)]
    return [*found, good("import_alive", text, SHIPSTATION)]
