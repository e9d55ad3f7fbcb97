"""The ship option mapping: what is mapped, what is not, whether Jetpack still offers it; changing a line of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from jetbridge.domain.changes import Change
from jetbridge.domain.connection import JETPACK, NAMES, SHIPSTATION, SHOPIFY, failure
from jetbridge.domain.rules import SetShipOption
from jetbridge.domain.ship_options import ShipOptionMapping, clashing, mapping_for, normalized
from jetbridge.domain.store import Route
from jetbridge.errors import InvalidRequestError, JetbridgeError
from jetbridge.use_cases.changing import credentials_for, release_held, store_to_change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from jetbridge.domain.identifiers import StoreSlug
    from jetbridge.domain.ship_options import Method, ShipOptionLimits
    from jetbridge.domain.store import Store
    from jetbridge.ports import Administrations, SecretStore, StoreSettings, WakeUpQueue

LONGEST = 900
"""Bytes of a method or an option: a key of DynamoDB holds 1,024 with what stands before it."""


class OptionState(StrEnum):
    """Whether orders leave by a ship option."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    """Switched off here."""
    INACTIVE_AT_JETPACK = "inactive_at_jetpack"
    GONE = "gone"
    """Jetpack does not know it any more."""


@dataclass(frozen=True, slots=True)
class MappedMethod:
    """One line of the mapping, and how it stands."""

    method: Method
    ship_option: str
    active: bool
    is_pattern: bool
    state: OptionState


@dataclass(frozen=True, slots=True)
class UnmappedMethod:
    """A shipping method that no line of the mapping stands for. Offered, but not used yet: no orders."""

    method: Method
    orders: int


@dataclass(frozen=True, slots=True)
class RuleOption:
    """A ship option that an active rule sets, and how it stands."""

    rule: str
    ship_option: str
    state: OptionState


@dataclass(frozen=True, slots=True)
class ShipOptions:
    """A store's shipping methods and Jetpack's ship options."""

    mappings: tuple[MappedMethod, ...]
    unmapped: tuple[UnmappedMethod, ...]
    rules: tuple[RuleOption, ...]
    offered: tuple[tuple[str, bool], ...]
    """(Jetpack's text, active)"""
    limits: tuple[ShipOptionLimits, ...]
    trouble: str = ""
    """Why Jetpack could not be asked: then a state is only what is known here."""


def list_ship_options(
    slug: StoreSlug, *, settings: StoreSettings, secrets: SecretStore, administrations: Administrations
) -> ShipOptions:
    """List the mapping as it stands now, what is not mapped by how many orders wanted it, and what Jetpack offers.

    Raises:
        NotFoundError: No such store is connected.
        TransientError: Our own tables or secrets do not answer.
    """
    store = store_to_change(slug, settings)
    offered, trouble = None, ""
    try:
        offered = offered_at_jetpack(store, secrets, administrations)
    except JetbridgeError as problem:
        trouble = failure(JETPACK, problem).text
    unmapped = sorted(settings.unmapped_methods(slug).items(), key=lambda each: (-each[1], each[0]))
    return ShipOptions(
        tuple(
            MappedMethod(each.method, each.ship_option, each.active, each.is_pattern, _mapping_state(each, offered))
            for _, each in sorted(store.ship_options.items())
        ),
        tuple(UnmappedMethod(method, orders) for method, orders in unmapped),
        tuple(
            RuleOption(rule, option, state_of(option, offered))
            for option, rules in wanted_by_rules(store).items()
            for rule in rules
        ),
        tuple(sorted(offered.items())) if offered else (),
        store.option_limits,
        trouble,
    )


def offered_at_jetpack(store: Store, secrets: SecretStore, administrations: Administrations) -> dict[str, bool]:
    """Ask Jetpack for its ship options: text → active. One call.

    Raises:
        PartnerError: Jetpack cannot be asked.
    """
    credentials = credentials_for(JETPACK, store.slug, secrets)
    return dict(administrations.warehouse(store.jetpack, credentials).ship_options())


def state_of(ship_option: str, offered: Mapping[str, bool] | None) -> OptionState:
    """Say whether Jetpack ships by an option; what it could not be asked about counts as active."""
    if offered is None or offered.get(ship_option):
        return OptionState.ACTIVE
    return OptionState.INACTIVE_AT_JETPACK if ship_option in offered else OptionState.GONE


def _mapping_state(mapping: ShipOptionMapping, offered: Mapping[str, bool] | None) -> OptionState:
    return state_of(mapping.ship_option, offered) if mapping.active else OptionState.INACTIVE


def wanted_by_mappings(store: Store) -> dict[str, tuple[str, ...]]:
    """Give the ship options of the active mappings: option → the methods mapped to it."""
    active = [each for each in store.ship_options.values() if each.active]
    options = sorted({each.ship_option for each in active})
    return {option: tuple(sorted(each.method for each in active if each.ship_option == option)) for option in options}


def wanted_by_rules(store: Store) -> dict[str, tuple[str, ...]]:
    """Give the ship options that active rules set: option → those rules."""
    found: dict[str, list[str]] = {}
    for rule in store.rules.rules:
        for action in rule.then if rule.active else ():
            if isinstance(action, SetShipOption):
                found.setdefault(action.ship_option, []).append(rule.name)
    return {option: tuple(rules) for option, rules in sorted(found.items())}


def save_ship_option(  # noqa: PLR0913 - the line, who saves it, and one keyword a port
    slug: StoreSlug,
    method: str,
    ship_option: str,
    *,
    by: str,
    active: bool = True,
    settings: StoreSettings,
    secrets: SecretStore,
    administrations: Administrations,
    sweep_queue: WakeUpQueue,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
) -> ShipOptionMapping:
    """Save one line of the mapping; the orders that waited for it are woken by a message, not in this call.

    Safe to repeat. A line that is switched off is not checked at Jetpack: nothing is sent by it.

    Returns:
        The line as saved: normalized.

    Raises:
        NotFoundError: No such store is connected.
        InvalidRequestError: Method or option is blank or too long, a pattern stands for methods that another one
            stands for, or Jetpack does not offer the option. Nothing was saved.
        PartnerError: Jetpack cannot be asked. Nothing was saved.
        TransientError: As above, or the queue did not take the message: then the line is saved, and held orders find
            it at their next look.
    """
    store = store_to_change(slug, settings)
    mapping = ShipOptionMapping(normalized(method), ship_option.strip(), active)
    _check_text(mapping)
    _check_patterns(store, mapping)
    if active:
        _check_offered(mapping.ship_option, offered_at_jetpack(store, secrets, administrations))
    if store.ship_options.get(mapping.method) != mapping:
        settings.save_ship_option(slug, mapping)
        detail = f"{mapping.method} → {mapping.ship_option}{'' if active else ', switched off'}"
        settings.note_change(slug, Change(clock(), by, "ship_option_saved", detail))
    if active:
        _release(slug, mapping.method, sweep_queue, clock, new_id)
    return mapping


def _check_text(mapping: ShipOptionMapping) -> None:
    if not mapping.method or not mapping.ship_option:
        message = "a mapping needs a shipping method and a ship option"
        raise InvalidRequestError(message)
    if max(len(text.encode("utf-8", "surrogatepass")) for text in (mapping.method, mapping.ship_option)) > LONGEST:
        message = f"a shipping method and a ship option are at most {LONGEST} bytes long"
        raise InvalidRequestError(message)


def _check_patterns(store: Store, mapping: ShipOptionMapping) -> None:
    others = (each for method, each in store.ship_options.items() if method != mapping.method)
    for other in others if mapping.is_pattern else ():
        if clash := clashing((mapping, other)):
            message = f"some methods would match both {clash[0].method!r} and {clash[1].method!r}: make one narrower"
            raise InvalidRequestError(message)


def _check_offered(ship_option: str, offered: Mapping[str, bool]) -> None:
    state = state_of(ship_option, offered)
    if state is not OptionState.ACTIVE:
        gone = "has switched off" if state is OptionState.INACTIVE_AT_JETPACK else "does not know"
        active = ", ".join(sorted(text for text, is_active in offered.items() if is_active)) or "none"
        message = f"Jetpack {gone} the ship option {ship_option!r}; it offers: {active}"
        raise InvalidRequestError(message)


def _release(
    slug: StoreSlug,
    method: Method,
    sweep_queue: WakeUpQueue,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
) -> None:
    waited_for = [f"{reason}:{method}" for reason in ("unmapped_ship_option", "inactive_ship_option")]
    release_held(slug, waited_for, sweep_queue=sweep_queue, clock=clock, new_id=new_id)


def delete_ship_option(  # noqa: PLR0913 - the line, who deletes it, and one keyword a port
    slug: StoreSlug,
    method: str,
    *,
    by: str,
    settings: StoreSettings,
    sweep_queue: WakeUpQueue,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
) -> None:
    """Delete one line of the mapping; one that is gone counts as done.

    Orders by that method are held from then on, or leave by the pattern that stands for it.

    Raises:
        NotFoundError: No such store is connected.
        TransientError: Our tables do not answer; or the queue did not, and held orders find it at their next look.
    """
    store = store_to_change(slug, settings)
    mapping = store.ship_options.get(normalized(method))
    if mapping is None:
        return
    settings.delete_ship_option(slug, mapping.method)
    detail = f"{mapping.method} → {mapping.ship_option}"
    settings.note_change(slug, Change(clock(), by, "ship_option_deleted", detail))
    left = {each: line for each, line in store.ship_options.items() if each != mapping.method}
    takes_over = mapping_for(mapping.method, left)
    if not mapping.is_pattern and takes_over and takes_over.active:
        _release(slug, mapping.method, sweep_queue, clock, new_id)


@dataclass(frozen=True, slots=True)
class Discovered:
    """What the partners offer that orders may come with."""

    methods: tuple[Method, ...]
    troubles: tuple[str, ...] = ()
    """Who could not be asked, and why."""


def discover_methods(
    slug: StoreSlug,
    *,
    settings: StoreSettings,
    secrets: SecretStore,
    administrations: Administrations,
    clock: Callable[[], datetime],
) -> Discovered:
    """List every method that the shop's delivery profiles or ShipStation's carriers offer, before an order needs it.

    What a partner does not tell now it tells the next time; the rest is listed all the same.

    Raises:
        NotFoundError: No such store is connected.
        TransientError: Our own tables do not answer.
    """
    store = store_to_change(slug, settings)
    found: set[Method] = set()
    troubles = []
    for partner, ask in _offering(store, secrets, administrations):
        try:
            found |= {normalized(text) for text in ask()}
        except JetbridgeError as problem:
            troubles.append(f"{NAMES[partner]}: {failure(partner, problem).text}")
    methods = tuple(sorted(each for each in found if each and len(each.encode("utf-8", "surrogatepass")) <= LONGEST))
    known = settings.unmapped_methods(slug)
    new = [each for each in methods if each not in known and not mapping_for(each, store.ship_options)]
    settings.list_methods(slug, new, clock())  # asked every hour, so only what is new is written
    return Discovered(methods, tuple(troubles))


def _offering(
    store: Store, secrets: SecretStore, administrations: Administrations
) -> Iterable[tuple[str, Callable[[], Iterable[str]]]]:
    def in_shop() -> Iterable[str]:
        credentials = credentials_for(SHOPIFY, store.slug, secrets)
        return administrations.shop(store.shopify, credentials).shipping_methods()

    yield SHOPIFY, in_shop
    connection = store.shipstation
    if connection and Route.SHIPSTATION in store.routes:

        def in_shipstation() -> Iterable[str]:
            credentials = credentials_for(SHIPSTATION, store.slug, secrets)
            return administrations.desk(connection, credentials).services()

        yield SHIPSTATION, in_shipstation
