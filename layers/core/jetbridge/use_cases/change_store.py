"""Change a store's settings: every one has its own check, and what waited for it is woken."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from jetbridge.domain.addresses import COUNTRIES
from jetbridge.domain.changes import Change
from jetbridge.domain.connection import SHOPIFY
from jetbridge.errors import ConflictError, InvalidRequestError
from jetbridge.use_cases.changing import credentials_for, release_held, store_to_change

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import datetime

    from jetbridge.domain.identifiers import StoreSlug
    from jetbridge.domain.ship_options import ShipOptionLimits
    from jetbridge.domain.store import OutOfStock, Store
    from jetbridge.ports import Administrations, SecretStore, StoreSettings, WakeUpQueue

FINANCIAL_STATES = frozenset(
    {"AUTHORIZED", "EXPIRED", "PAID", "PARTIALLY_PAID", "PARTIALLY_REFUNDED", "PENDING", "REFUNDED", "VOIDED"}
)
"""Shopify's OrderDisplayFinancialStatus."""

RISKS = frozenset({"ACCEPT", "CANCEL", "INVESTIGATE", "NONE", "PENDING", "UNKNOWN"})
"""Shopify's recommendations, and what an order shows that has none, or one nobody understands."""

LONGEST_GRACE_MINUTES = 7 * 24 * 60
MOST = 100
"""Entries of a list."""


@dataclass(frozen=True, slots=True)
class StoreChanges:
    """What is to be changed; None stays as it is."""

    buffer: int | None = None
    grace_minutes: int | None = None
    forward_financial_states: frozenset[str] | None = None
    forward_gateways: frozenset[str] | None = None
    accepted_risks: frozenset[str] | None = None
    forward_test_orders: bool | None = None
    mirror_holds: bool | None = None
    mark_forwarded: bool | None = None
    out_of_stock: OutOfStock | None = None
    option_limits: tuple[ShipOptionLimits, ...] | None = None
    ships_from: frozenset[str] | None = None
    stock_location: str | None = None
    """A location of the shop (GID) that stock is pushed to; empty means none."""
    time_zone: str | None = None


WAKES: dict[str, tuple[str, ...]] = {
    "grace_minutes": ("grace",),
    "forward_financial_states": ("unpaid",),
    "forward_gateways": ("unpaid",),
    "accepted_risks": ("fraud_risk",),
    "out_of_stock": ("out_of_stock",),
    "option_limits": ("invalid_address",),
    "ships_from": ("customs_data_missing",),
    "time_zone": ("rule_hold", "no_rule_matched"),
}
"""Setting → the reasons to hold or wait that it can lift."""


def change_store(  # noqa: PLR0913 - what to change, who changes it, and one keyword a port
    slug: StoreSlug,
    changes: StoreChanges,
    *,
    version: int,
    by: str,
    settings: StoreSettings,
    secrets: SecretStore,
    administrations: Administrations,
    sweep_queue: WakeUpQueue,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
) -> Store:
    """Change settings of a store, if they are still those of `version`; wake what waited for the change.

    Returns:
        The store as it is now.

    Raises:
        NotFoundError: No such store is connected.
        InvalidRequestError: Names everything that is wrong, at once. Nothing was changed.
        ConflictError: Somebody else changed the settings since `version`. Nothing was changed.
        PartnerError: A new stock location cannot be looked up in Shopify. Nothing was changed.
        TransientError: As above, or the queue did not take the message: then all is changed, and held orders find it
            at their next look.
    """
    store = store_to_change(slug, settings)
    if wrong := list(_wrong(changes)):
        raise InvalidRequestError("; ".join(wrong))
    if store.version != version:
        raise ConflictError
    given = {each.name: getattr(changes, each.name) for each in fields(changes)}
    new = {name: value for name, value in given.items() if value is not None and value != getattr(store, name)}
    if not new:
        return store
    if new.get("stock_location"):
        _check_location(store, new["stock_location"], secrets, administrations)
    settings.save_store(replace(store, **new))
    detail = "; ".join(f"{name}: {_in_words(value)}" for name, value in sorted(new.items()))
    settings.note_change(slug, Change(clock(), by, "settings_changed", detail))
    if waited_for := dict.fromkeys(reason for name in new for reason in WAKES.get(name, ())):
        release_held(slug, waited_for, sweep_queue=sweep_queue, clock=clock, new_id=new_id)
    return store_to_change(slug, settings)


def _wrong(changes: StoreChanges) -> Iterator[str]:
    """Say what can never be right about a change, whichever store it is for."""
    if changes.buffer is not None and changes.buffer < 0:
        yield "buffer: not below zero"
    if changes.grace_minutes is not None and not 0 <= changes.grace_minutes <= LONGEST_GRACE_MINUTES:
        yield f"grace_minutes: from 0 to {LONGEST_GRACE_MINUTES}, a week"
    yield from _not_among("forward_financial_states", changes.forward_financial_states, FINANCIAL_STATES)
    yield from _not_among("accepted_risks", changes.accepted_risks, RISKS)
    yield from _not_among("ships_from", changes.ships_from, COUNTRIES)
    gateways = changes.forward_gateways or ()
    if len(gateways) > MOST or not all(each.strip() for each in gateways):
        yield f"forward_gateways: at most {MOST}, none of them blank"
    limits = [each.ship_option for each in changes.option_limits or ()]
    if len(limits) > MOST or len(set(limits)) < len(limits) or not all(each.strip() for each in limits):
        yield f"option_limits: at most {MOST} ship options, each once and none of them blank"
    if changes.time_zone is not None and not is_time_zone(changes.time_zone):
        yield "time_zone: not the IANA name of a time zone, Europe/Berlin for one"


def _not_among(name: str, given: Collection[str] | None, known: frozenset[str]) -> Iterator[str]:
    if given is not None and not set(given) <= known:
        # Of countries there are too many to list.
        yield f"{name}: {'among ' + ', '.join(sorted(known)) if len(known) <= MOST else 'ISO codes of two letters'}"


def is_time_zone(name: str) -> bool:
    """Whether this is the name of a time zone we can reckon with."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _check_location(store: Store, location: str, secrets: SecretStore, administrations: Administrations) -> None:
    credentials = credentials_for(SHOPIFY, store.slug, secrets)
    locations = administrations.shop(store.shopify, credentials).facts().locations
    if location not in {each.id for each in locations if each.active}:
        listed = ", ".join(f"{each.name} ({each.id})" for each in locations if each.active) or "none"
        message = f"stock_location: the shop has no such active location; there are: {listed}"
        raise InvalidRequestError(message)


def _in_words(value: object) -> str:
    if isinstance(value, frozenset):
        return ", ".join(sorted(value)) or "none"
    if isinstance(value, tuple):
        return ", ".join(sorted(_limits_in_words(each) for each in value)) or "none"
    return str(value) or "none"


def _limits_in_words(limits: ShipOptionLimits) -> str:
    said = [
        *(["no post office boxes"] if not limits.po_boxes else []),
        *(["no military addresses"] if not limits.military else []),
        *(["needs a phone number"] if limits.needs_phone else []),
    ]
    return f"{limits.ship_option} ({', '.join(said) or 'no limits'})"
