"""Disconnect a store: take back at the partners what connecting put there, then forget credentials and settings."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from jetbridge.domain.connection import JETPACK, NAMES, SHIPSTATION, SHOPIFY, Finding, broken, error, good, warning
from jetbridge.domain.record import FINISHED, Status
from jetbridge.domain.shipstation import stood_in_for
from jetbridge.domain.store import Route
from jetbridge.errors import ConfigurationError, PartnerError
from jetbridge.use_cases.check_store import asked
from jetbridge.use_cases.connect_store import unsubscribe_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from jetbridge.domain.identifiers import OrderId, StoreSlug
    from jetbridge.domain.store import Store
    from jetbridge.ports import Administrations, OrderRecords, Partners, SecretStore, StoreSettings

RELEASING = timedelta(seconds=10)
"""How long our holds in Shopify are released one by one: whoever disconnects waits for the answer."""

NAMED = 10
"""How many orders a finding names; the rest is a number."""


def disconnect_store(  # noqa: PLR0913 - which store, who we are, and one keyword a port
    slug: StoreSlug,
    *,
    force: bool = False,
    base_url: str,
    owner: str,
    records: OrderRecords,
    settings: StoreSettings,
    secrets: SecretStore,
    administrations: Administrations,
    partners: Partners,
    clock: Callable[[], datetime],
) -> list[Finding]:
    """Disconnect a store. Rules, mappings and orders stay, for a reconnect. Safe to repeat.

    Args:
        slug: The store.
        force: Whether ours is forgotten even if a partner does not let us take its part back.
        base_url: Our own address, as partners see it.
        owner: How this deployment calls itself in the shop's claim.
        records: OrdersTable.
        settings: SettingsTable.
        secrets: The stored credentials and webhook secrets.
        administrations: Opens the partners.
        partners: The store's partners, for what stands at its orders.
        clock: Gives the time.

    Returns:
        What was done and what was not, in words. With an error and without `force`, the store is still connected.

    Raises:
        TransientError: Our own tables or secrets cannot be reached.
        ConflictError: Somebody changes the settings right now.
        ConfigurationError: The stored settings cannot be used.
    """
    settings.forget(slug)
    store = settings.store(slug)
    if store is None:
        for partner in NAMES:  # of a disconnecting that was cut short
            secrets.delete(slug, partner)
        return [good("disconnected", f"The store {slug} is not connected.")]
    leaving = _Leaving(store, base_url, owner, settings, secrets, administrations)
    leaving.partner(SHOPIFY, leaving.shop)
    leaving.partner(JETPACK, leaving.warehouse)
    if store.shipstation:
        leaving.partner(SHIPSTATION, leaving.desk)
    found = leaving.findings
    if broken(found) and not force:
        text = f"The store {slug} stays connected, because something at a partner could not be taken back."
        step = "Put it right and disconnect again; or disconnect with force and remove the rest at the partner by hand."
        return [*found, error("not_disconnected", text, step)]
    if left := sum(1 for status in Status if status not in FINISHED for _ in records.open_orders(slug, status)):
        text = f"{left} orders are not finished: nobody brings their tracking numbers back while the store is away."
        found.append(warning("orders_left", text, "Watch them in Jetpack's dashboard, or connect the store again."))
    if store.mirror_holds:
        # Workers hold nothing in Shopify from here on, and release what they look at.
        settings.save_store(replace(store, mirror_holds=False))
    if kept := _release_holds(store, records, partners, clock):
        named = ", ".join([*kept[:NAMED], "…"] if len(kept) > NAMED else kept)
        text = f"{len(kept)} orders may be on hold in Shopify because of us, and nobody releases them now: {named}."
        step = "Release them in Shopify. Or connect again, turn mirror_holds off, and disconnect half an hour later."
        found.append(warning("holds_left", text, step, SHOPIFY))
    # Settings first: a worker that finds none lets the order be; one without credentials would hold it.
    settings.delete_store(slug)
    for partner in NAMES:
        secrets.delete(slug, partner)
    found.append(good("disconnected", f"The store {slug} is disconnected. Its rules, mappings and orders are kept."))
    return found


def _release_holds(
    store: Store, records: OrderRecords, partners: Partners, clock: Callable[[], datetime]
) -> list[OrderId]:
    """Take our holds off in Shopify as far as time allows. Gives the orders that may keep theirs."""
    until, kept = clock() + RELEASING, []
    for order_id in _held(store.slug, records) if Route.DIRECT in store.routes else ():
        try:
            if clock() > until:
                kept.append(order_id)
                continue
            shop = partners.shop(store)
            order = shop.read_order(order_id)
            for each in order.fulfillment_orders if order else ():
                ours = [hold.id for hold in each.holds if hold.ours]
                if ours and not each.closed:
                    shop.release_holds(each.id, ours)
        except PartnerError:
            kept.append(order_id)
    return kept


def _held(slug: StoreSlug, records: OrderRecords) -> Iterable[OrderId]:
    """Find the orders that may show a hold of ours; ShipStation's, known to no shop, show none."""
    found = itertools.chain.from_iterable(records.open_orders(slug, each) for each in (Status.HELD, Status.FAILED))
    return (order_id for order_id in found if not stood_in_for(order_id))


@dataclass(slots=True)
class _Leaving:
    """One disconnecting under way."""

    store: Store
    base_url: str
    owner: str
    settings: StoreSettings
    secrets: SecretStore
    administrations: Administrations
    findings: list[Finding] = field(default_factory=list)

    def partner(self, partner: str, leave: Callable[[Mapping[str, str]], None]) -> None:
        """Take back what is ours at one partner."""
        try:
            credentials = self.secrets.credentials(self.store.slug, partner)
        except ConfigurationError:
            credentials = None
        if credentials is None:
            text = f"No credentials for {NAMES[partner]} are stored, so nothing can be taken back there."
            step = f"Delete the webhooks that point at {self.base_url} in {NAMES[partner]} by hand."
            self.findings.append(warning("webhooks_leftover", text, step, partner))
            return
        asked(partner, lambda: leave(credentials), self.findings)

    def shop(self, credentials: Mapping[str, str]) -> None:
        """Unsubscribe, and give the claim back if it is ours."""
        admin = self.administrations.shop(self.store.shopify, credentials)
        unsubscribe_all(admin.subscriptions(), admin.unsubscribe, SHOPIFY, self.base_url, ())
        if admin.facts().claimed_by == self.owner:
            admin.claim("")

    def warehouse(self, credentials: Mapping[str, str]) -> None:
        """Unsubscribe."""
        admin = self.administrations.warehouse(self.store.jetpack, credentials)
        unsubscribe_all(admin.subscriptions(), admin.unsubscribe, JETPACK, self.base_url, self._others())

    def desk(self, credentials: Mapping[str, str]) -> None:
        """Unsubscribe."""
        if self.store.shipstation:
            admin = self.administrations.desk(self.store.shipstation, credentials)
            unsubscribe_all(admin.subscriptions(), admin.unsubscribe, SHIPSTATION, self.base_url, self._others())

    def _others(self) -> frozenset[StoreSlug]:
        return frozenset(self.settings.stores()) - {self.store.slug}
