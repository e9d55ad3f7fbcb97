"""Connect a store: look at every partner first, then store and register; doing it again repairs whatever was cut short.

The order of the writes makes a crash at any point harmless. The claim comes first, so that nobody else begins; then
what is needed to work, then the settings, which switch the store on; the webhooks last, because the sweep finds what
they do not tell. Nothing is written while anything is wrong.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from jetbridge.domain.connection import (
    COMPLIANCE_TOPICS,
    JETPACK,
    RECENT,
    SHIPSTATION,
    SHOPIFY,
    Finding,
    broken,
    credentials_missing,
    error,
    good,
    shown,
    warning,
    webhook_address,
)
from jetbridge.domain.ship_options import Method, ShipOptionMapping, clashing, normalized
from jetbridge.domain.store import JetpackConnection, Route, ShipStationConnection, ShopifyConnection, Store
from jetbridge.errors import ConfigurationError, ConflictError, TransientError
from jetbridge.use_cases.change_store import is_time_zone
from jetbridge.use_cases.changing import release_held
from jetbridge.use_cases.check_store import (
    active_options,
    asked,
    claim_finding,
    desk_findings,
    listing,
    location_findings,
    points_here,
    ship_option_findings,
    shop_findings,
    signed_subscription_plan,
    subscription_plan,
    warehouse_findings,
    writable_channels,
)
from jetbridge.use_cases.ship_options import LONGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from datetime import datetime

    from jetbridge.domain.connection import ConnectionRequest
    from jetbridge.domain.identifiers import StoreSlug
    from jetbridge.ports import (
        Administrations,
        DeskAdmin,
        DeskStore,
        SecretStore,
        ShopAdmin,
        ShopFacts,
        ShopLocation,
        StoreSettings,
        Subscription,
        WakeUpQueue,
        WarehouseAdmin,
        WarehouseFacts,
    )

TOKENS_KEPT = 2
"""Webhook secrets kept of one partner: the newest, and the one before while deliveries signed with it still come."""

NOT_OURS = frozenset({"clock_wrong", "import_off", "version_ended", "version_fell_forward"})
"""What is wrong with a partner or a release, which not connecting would not cure."""


def connect_store(  # noqa: PLR0913 - the request, who we are, and one keyword a port
    request: ConnectionRequest,
    *,
    base_url: str,
    owner: str,
    settings: StoreSettings,
    secrets: SecretStore,
    administrations: Administrations,
    clock: Callable[[], datetime],
    new_token: Callable[[], str],
    sweep_queue: WakeUpQueue | None = None,
) -> list[Finding]:
    """Connect a store, or connect it again with what is given anew. Doing it twice changes nothing more.

    Args:
        request: What the merchant gives.
        base_url: Our own address, as partners see it.
        owner: How this deployment calls itself in the shop's claim.
        settings: SettingsTable.
        secrets: Where credentials and webhook secrets are stored.
        administrations: Opens the partners.
        clock: The time.
        new_token: Makes an unguessable text for an address.
        sweep_queue: Wakes what was held for want of what is mapped now; without it those orders find it by themselves,
            within a quarter of an hour.

    Returns:
        What was found and done, in words. With `connected` among them the store works; else nothing was switched on.

    Raises:
        TransientError: Our own tables or secrets cannot be reached; connecting again goes on.
        ConfigurationError: The stored settings cannot be used.
    """
    settings.forget(request.slug)
    known = settings.store(request.slug)
    if refused := _refused(request, known, settings):
        return [refused]
    shopify = ShopifyConnection(request.shop, f"https://{request.shop}")
    store = known or Store(request.slug, shopify, JetpackConnection())
    connecting = _Connecting(
        request, known, store, base_url, owner, settings, secrets, administrations, clock(), new_token, sweep_queue
    )
    connecting.look()
    if not broken(each for each in connecting.findings if each.code not in NOT_OURS):
        connecting.write()
    return connecting.findings


def _refused(request: ConnectionRequest, known: Store | None, settings: StoreSettings) -> Finding | None:
    """Say why this name and this shop cannot go together: names are in references, and a shop has one forwarder."""
    if known and known.shopify.shop != request.shop:
        text = f"The store {request.slug} is connected to {known.shopify.shop}; a store's name never changes its shop."
        return error("slug_taken", text, "Choose another name for this shop.", SHOPIFY)
    for slug in settings.stores():
        other = settings.store(slug) if slug != request.slug else None
        if other and other.shopify.shop == request.shop:
            text = f"{request.shop} is connected already, as the store {slug}: its orders would go out twice."
            return error("shop_connected_already", text, f"Use the store {slug}, or disconnect it first.", SHOPIFY)
    return None


@dataclass(slots=True)
class _Connecting:
    """One connecting under way: what was given, what was found, and what is to be stored."""

    request: ConnectionRequest
    known: Store | None
    store: Store
    base_url: str
    owner: str
    settings: StoreSettings
    secrets: SecretStore
    administrations: Administrations
    now: datetime
    new_token: Callable[[], str]
    sweep_queue: WakeUpQueue | None
    findings: list[Finding] = field(default_factory=list)
    credentials: dict[str, dict[str, str]] = field(default_factory=dict)
    signing: list[str] = field(default_factory=list)
    """Shopify's webhook secrets, the newest first."""
    claimed: bool = False
    shop: ShopAdmin | None = None
    warehouse: WarehouseAdmin | None = None
    desk: DeskAdmin | None = None

    # -- looking: reads only ----------------------------------------------------------------------------------

    def look(self) -> None:
        """Look at every partner, so that all that is wrong is told at once; draw up the settings."""
        request, store = self.request, self.store
        self.store = replace(store, **request.chosen, routes=request.routes or store.routes)  # type: ignore[arg-type]  # by name
        admin_url = request.addresses.get(SHOPIFY, store.shopify.admin_url)
        self.store = replace(self.store, shopify=replace(store.shopify, admin_url=admin_url))
        api_url = request.addresses.get(JETPACK, store.jetpack.api_url)
        self.store = replace(self.store, jetpack=replace(store.jetpack, api_url=api_url))
        for partner, look in ((SHOPIFY, self._look_at_shop), (JETPACK, self._look_at_warehouse)):
            if self._has_credentials(partner):
                asked(partner, look, self.findings)
        if Route.SHIPSTATION in self.store.routes:
            if self._has_credentials(SHIPSTATION):
                asked(SHIPSTATION, self._look_at_desk, self.findings)
        elif self.store.shipstation:
            self.store = replace(self.store, shipstation=None)

    def _has_credentials(self, partner: str) -> bool:
        """Take what was given, else what is stored."""
        given = self.request.credentials.get(partner, {})
        found = shown(partner, given)
        # A new client secret alone is given when only the signing of webhooks changes.
        if found is None and given.keys() <= {"client_secret"}:
            try:
                found = self.secrets.credentials(self.store.slug, partner)
            except ConfigurationError:
                found = None  # what is stored cannot be read: as good as nothing
        if found is None:
            self.findings.append(credentials_missing(partner))
            return False
        self.credentials[partner] = found
        return True

    def _look_at_shop(self) -> None:
        request, store = self.request, self.store
        self.shop = self.administrations.shop(store.shopify, self.credentials[SHOPIFY])
        facts = self.shop.facts()
        self.findings += shop_findings(facts, store.shopify.api_version, self.now)
        if facts.domain.lower() != request.shop:
            text = f"These credentials belong to {facts.domain}, not to {request.shop}."
            self.findings.append(error("other_shop", text, "Give this shop's credentials.", SHOPIFY))
        self.findings.append(claim_finding(facts, self.owner, take_over=request.take_over))
        self.claimed = facts.claimed_by == self.owner
        known = self.known
        locations, found = _chosen_locations(request.locations, known.locations if known else frozenset(), facts)
        self.findings += found
        stock = known.stock_location if known else None
        stock, found = _chosen_stock_location(request.stock_location, stock, locations, facts)
        self.findings += found
        self.store = replace(store, locations=locations, stock_location=stock)
        if known is None and is_time_zone(facts.time_zone):
            self.store = replace(self.store, time_zone=facts.time_zone)
        given = request.credentials.get(SHOPIFY, {}).get("client_secret", "").strip()
        held = self.secrets.webhook_secrets(store.slug, SHOPIFY)
        self.signing = list(dict.fromkeys([*([given] if given else []), *held]))[:TOKENS_KEPT]
        if not self.signing:
            text = "The app's client secret was not given: without it Shopify's webhooks cannot be verified."
            step = "Give `client_secret` with Shopify's credentials (the app's settings show it)."
            self.findings.append(error("webhook_secret_missing", text, step, SHOPIFY))
        self.findings.append(_compliance_finding(self.base_url, store.slug))

    def _look_at_warehouse(self) -> None:
        request, store = self.request, self.store
        self.warehouse = self.administrations.warehouse(store.jetpack, self.credentials[JETPACK])
        facts = self.warehouse.facts(self.now - RECENT)
        channel, found = _chosen_channel(request.jetpack_channel, store.jetpack.channel_id, facts)
        self.findings += found or warehouse_findings(facts, channel, store.jetpack.api_version, self.now)
        # What is mapped already is `check_store`'s: it must not keep a reconnect from repairing the rest.
        given: dict[str, str] = {normalized(method): option.strip() for method, option in request.ship_options.items()}
        if given or not active_options(store):
            self.findings += ship_option_findings(given, facts)
        self.findings += _pattern_findings(given, store)
        self.store = replace(store, jetpack=replace(store.jetpack, channel_id=channel))

    def _look_at_desk(self) -> None:
        request, known = self.request, self.store.shipstation or ShipStationConnection("")
        connection = replace(known, api_url=request.addresses.get(SHIPSTATION, known.api_url))
        self.desk = self.administrations.desk(connection, self.credentials[SHIPSTATION])
        stores = self.desk.stores()
        store_id, found = _chosen_desk_store(request.shipstation_store, known.store_id, stores)
        self.findings += found or desk_findings(store_id, stores, self.now)
        self.findings.append(_forwarder_rule_finding())
        self.store = replace(self.store, shipstation=replace(connection, store_id=store_id))

    # -- writing ----------------------------------------------------------------------------------------------

    def write(self) -> None:
        """Claim, store, switch on, register."""
        store = self.store
        if not asked(SHOPIFY, self._claim, self.findings):
            return
        left = self.known.shipstation if self.known and not store.shipstation else None
        token = self._store_secrets()
        if not self._save_settings():
            text = "Somebody else changed this store's settings at the same time."
            self.findings.append(error("connect_again", text, "Connect the store again."))
            return
        asked(SHOPIFY, self._subscribe_to_shop, self.findings)
        asked(JETPACK, self._subscribe_to_warehouse, self.findings)
        if self.desk:
            asked(SHIPSTATION, lambda: self._subscribe_to_desk(token), self.findings)
        if left:
            self._leave_desk(left)
        self._list_methods()
        text = f"The store {store.slug} is connected to {store.shopify.shop}."
        self.findings.append(good("connected", text))

    def _claim(self) -> bool:
        if self.shop and not self.claimed:
            self.shop.claim(self.owner)
        return self.shop is not None

    def _store_secrets(self) -> str:
        """Store what is new; gives the token in ShipStation's address, which changes with the store it is for."""
        slug = self.store.slug
        for partner, credentials in self.credentials.items():
            self.secrets.save_credentials(slug, partner, credentials)
        if list(self.secrets.webhook_secrets(slug, SHOPIFY)) != self.signing:
            self.secrets.save_webhook_secrets(slug, SHOPIFY, self.signing)
        if self.store.shipstation is None:
            return ""
        tokens = list(self.secrets.webhook_secrets(slug, SHIPSTATION))
        before = self.known.shipstation if self.known else None
        if not tokens or before is None or before.store_id != self.store.shipstation.store_id:
            tokens = [self.new_token(), *tokens][:TOKENS_KEPT]
            self.secrets.save_webhook_secrets(slug, SHIPSTATION, tokens)
        return tokens[0]

    def _save_settings(self) -> bool:
        """Write what changed; False if somebody else did so meanwhile."""
        slug = self.store.slug
        try:
            if self.store != self.known:
                self.settings.save_store(self.store)
        except ConflictError:
            return False
        self.settings.forget(slug)
        saved = self.settings.store(slug)  # with the mappings a store that was disconnected had
        for method, option in self.request.ship_options.items():
            mapping = ShipOptionMapping(normalized(method), option.strip())
            if saved is None or saved.ship_options.get(mapping.method) != mapping:
                self.settings.save_ship_option(slug, mapping)
                self._release(mapping.method)
        return True

    def _release(self, method: Method) -> None:
        """Wake what waited for a mapping. What the queue does not take now, the orders find by themselves."""
        if self.sweep_queue:
            waited_for = [f"{reason}:{method}" for reason in ("unmapped_ship_option", "inactive_ship_option")]
            with contextlib.suppress(TransientError):
                release_held(
                    self.store.slug,
                    waited_for,
                    sweep_queue=self.sweep_queue,
                    clock=lambda: self.now,
                    new_id=self.now.isoformat,
                )

    def _list_methods(self) -> None:
        """List what the partners offer, before an order needs it. What cannot be asked now, the hourly sweep asks."""
        offered: list[str] = []
        unheard: list[Finding] = []
        if self.shop:
            offered += asked(SHOPIFY, self.shop.shipping_methods, unheard) or ()
        if self.desk:
            offered += asked(SHIPSTATION, self.desk.services, unheard) or ()
        methods = sorted({normalized(each) for each in offered if 0 < len(each.encode("utf-8", "replace")) <= LONGEST})
        self.settings.list_methods(self.store.slug, [each for each in methods if each], self.now)

    def _others(self) -> frozenset[StoreSlug]:
        return frozenset(self.settings.stores()) - {self.store.slug}

    def _subscribe_to_shop(self) -> None:
        if self.shop is None:
            return
        address = webhook_address(self.base_url, SHOPIFY, self.store.slug)
        # All that this shop sends us is for this store: a shop is connected once.
        plan = subscription_plan(self.shop.subscriptions(), SHOPIFY, address, self.base_url, ())
        # Leftovers first: Shopify takes no second subscription of a topic at the same address.
        for each in plan.leftover:
            self.shop.unsubscribe(each)
        for topic in plan.missing:
            self.shop.subscribe(topic, address)

    def _subscribe_to_warehouse(self) -> None:
        """Replace Jetpack's subscription unless it is whole and its secret is ours.

        The secret is shown once. It is stored before anything else happens; a crash before that leaves either a
        subscription without any secret of ours, or two at our address, and both are replaced the next time.
        """
        if self.warehouse is None:
            return
        slug, address = self.store.slug, webhook_address(self.base_url, JETPACK, self.store.slug)
        listed, held = self.warehouse.subscriptions(), list(self.secrets.webhook_secrets(slug, JETPACK))
        plan = signed_subscription_plan(listed, address, self.base_url, self._others(), secret_held=bool(held))
        if plan.missing:
            if held and not any(each.address == address for each in listed):
                self.secrets.save_webhook_secrets(slug, JETPACK, held := [])  # nothing is signed with them any more
            secret = self.warehouse.subscribe(plan.missing, address)
            self.secrets.save_webhook_secrets(slug, JETPACK, [secret, *held][:TOKENS_KEPT])
        for each in plan.leftover:
            self.warehouse.unsubscribe(each)

    def _subscribe_to_desk(self, token: str) -> None:
        if self.desk is None or self.store.shipstation is None:
            return
        address = webhook_address(self.base_url, SHIPSTATION, self.store.slug, token)
        listed = self.desk.subscriptions()
        plan = subscription_plan(listed, SHIPSTATION, address, self.base_url, self._others())
        for event in plan.missing:
            self.desk.subscribe(event, address, self.store.shipstation.store_id)
        for each in plan.leftover:
            self.desk.unsubscribe(each)

    def _leave_desk(self, connection: ShipStationConnection) -> None:
        """Take our webhooks out of ShipStation, which is no route of this store any more."""
        slug = self.store.slug
        credentials = self.secrets.credentials(slug, SHIPSTATION)
        if credentials is None:
            return

        def leave() -> bool:
            desk = self.administrations.desk(connection, credentials)
            unsubscribe_all(desk.subscriptions(), desk.unsubscribe, SHIPSTATION, self.base_url, self._others())
            return True

        if asked(SHIPSTATION, leave, self.findings):
            self.secrets.delete(slug, SHIPSTATION)


def unsubscribe_all(
    listed: Iterable[Subscription],
    unsubscribe: Callable[[str], None],
    partner: str,
    base_url: str,
    others: Collection[StoreSlug],
) -> None:
    """Delete every subscription that points at us and serves no other store."""
    for each in listed:
        if points_here(each, partner, base_url, others):
            unsubscribe(each.id)


# -- choosing ------------------------------------------------------------------------------------------------------


def _pattern_findings(given: dict[str, str], store: Store) -> list[Finding]:
    """Say which patterns stand for the same methods: which of them counted would be chance."""
    mappings = store.ship_options | {Method(key): ShipOptionMapping(Method(key), text) for key, text in given.items()}
    clash = clashing(mappings.values()) if given else None
    if clash is None:
        return []
    text = f"Some shipping methods would match both {clash[0].method!r} and {clash[1].method!r}."
    return [error("bad_request", text, "Make one of the patterns narrower.", JETPACK)]


def _compliance_finding(base_url: str, slug: StoreSlug) -> Finding:
    """Say what no call can set: the topics Shopify keeps in the app itself."""
    address = webhook_address(base_url, SHOPIFY, slug)
    text = f"Shopify sends requests about customers' data ({', '.join(COMPLIANCE_TOPICS)}) only as the app itself says."
    step = f"Enter {address} for all three in the app (compliance webhooks, or compliance_topics in its toml), once."
    return warning("compliance_topics", text, step, SHOPIFY)


def _named(text: str, locations: Iterable[ShopLocation]) -> str | None:
    """Find a location by its id, the number at its end, or its name."""
    text = text.strip()
    found = [each.id for each in locations if text in {each.id, each.id.rpartition("/")[2], each.name}]
    return found[0] if len(found) == 1 else None


def _chosen_locations(
    asked: Iterable[str] | None, known: frozenset[str], facts: ShopFacts
) -> tuple[frozenset[str], list[Finding]]:
    """Choose the locations Jetpack ships for: those asked for, those known, or the only one there can be."""
    own = [each for each in facts.locations if each.active and not each.fulfillment_service]
    if asked is not None:
        found = {text: _named(text, own) for text in asked}
        if missing := sorted(text for text, location in found.items() if location is None):
            text = f"The shop has no active location {', '.join(missing)}."
            return frozenset(), [error("choose_location", text, f"Choose among: {listing(own)}.", SHOPIFY)]
        if found:
            chosen = frozenset(filter(None, found.values()))
            return chosen, location_findings(chosen, "", facts)
    elif known:
        return known, location_findings(known, "", facts)
    candidates = [each for each in own if each.fulfills_online_orders]
    if len(candidates) == 1 and asked is None:
        chosen = frozenset({candidates[0].id})
        return chosen, location_findings(chosen, "", facts)
    text = "It is not clear which of the shop's locations Jetpack ships for."
    step = f"Name it in `locations`. Active locations: {listing(own)}."
    return frozenset(), [error("choose_location", text, step, SHOPIFY)]


def _chosen_stock_location(
    asked: str | None, known: str | None, locations: frozenset[str], facts: ShopFacts
) -> tuple[str, list[Finding]]:
    """Choose the location that stock is pushed to; none is a choice, too."""
    if asked:
        found = _named(asked, [each for each in facts.locations if each.active])
        if found is None:
            text = f"The shop has no active location {asked} to push stock to."
            return "", [error("choose_location", text, f"Choose among: {listing(facts.locations)}.", SHOPIFY)]
        return found, []
    if asked is None and known is not None:
        return known, []
    if asked is None and len(locations) == 1:
        return next(iter(locations)), []
    text = "No stock is pushed to Shopify."
    return "", [warning("no_stock_location", text, "Name `stock_location` if it should be.", SHOPIFY)]


def _chosen_channel(asked: str, known: str, facts: WarehouseFacts) -> tuple[str, list[Finding]]:
    """Choose the channel we write through: the one asked for, the known one, or the only one there is."""
    writable = [each for each in facts.channels if each.writable]
    if asked:
        found = [each.id for each in writable if asked.strip() in {each.id, each.name}]
    else:
        found = [each.id for each in writable if each.id == known] or [each.id for each in writable]
    if len(found) == 1:
        return found[0], []
    text = "It is not clear through which of Jetpack's channels orders are to be written."
    return "", [error("choose_channel", text, f"Name it in `jetpack_channel`. {writable_channels(facts)}", JETPACK)]


def _chosen_desk_store(asked: str, known: str, stores: Sequence[DeskStore]) -> tuple[str, list[Finding]]:
    """Choose the ShipStation store that imports this shop: the one asked for, the known one, or the only one."""
    candidates = [each for each in stores if each.active and "shopify" in each.marketplace.casefold()]
    if asked:
        found = [each.id for each in candidates if asked.strip() in {each.id, each.name}]
    elif known:
        found = [known]
    else:
        found = [each.id for each in candidates]
    if len(found) == 1:
        return found[0], []
    listing = ", ".join(f"{each.name} ({each.id})" for each in candidates)
    text = "It is not clear which of ShipStation's stores imports this shop."
    step = f"Name it in `shipstation_store`. Active Shopify stores there: {listing}."
    if not listing:
        text = "ShipStation has no active store that imports from Shopify."
        step = "Connect the shop in ShipStation (Settings, Selling Channels, Store Setup), then connect again."
    return "", [error("choose_shipstation_store", text, step, SHIPSTATION)]


def _forwarder_rule_finding() -> Finding:
    """Say what V1 does not show: a rule in ShipStation that forwards by itself would send every order twice."""
    text = "ShipStation's automation rules cannot be seen from here. One that forwards orders would send them twice."
    step = "Switch off any rule in ShipStation that forwards to Jetpack or ShipBob: Jetbridge does that now."
    return warning("shipstation_rule", text, step, SHIPSTATION)
