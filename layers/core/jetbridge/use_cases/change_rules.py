"""Change a store's rules: look a draft through, save it, let it decide, go back, let it run beside.

A version never changes once it is saved. Which one decides is one conditional write, so two people who change the
rules at once do not undo each other unseen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jetbridge.domain.changes import Change
from jetbridge.domain.connection import JETPACK, SHOPIFY, Severity
from jetbridge.domain.rule_reading import uses_field
from jetbridge.domain.rule_review import Remark, can_be_saved, review
from jetbridge.domain.rules import RuleSet, SetLocation, SetShipOption
from jetbridge.errors import InvalidRequestError, JetbridgeError
from jetbridge.messages import WakeUp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from jetbridge.domain.identifiers import StoreSlug
    from jetbridge.domain.rules import Rule
    from jetbridge.domain.store import Store
    from jetbridge.ports import Administrations, SecretStore, StoreSettings, WakeUpQueue

SAVED, ACTIVATED, ROLLED_BACK, SHADOWED = "rules_saved", "rules_activated", "rules_rolled_back", "rules_shadowed"

HELD_FOR_RULES = ("rule_hold", "no_rule_matched")
"""What any change of rules may lift."""

HELD_FOR_OPTION = ("unmapped_ship_option", "inactive_ship_option")
"""What a rule may lift that sets the ship option."""

CUSTOMER_TAGS = "customer_tags"

_SWITCHED = re.compile(r"version (?P<version>\d+) instead of (?P<before>\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Review:
    """What was found in a draft."""

    remarks: tuple[Remark, ...]

    @property
    def can_be_saved(self) -> bool:
        """Whether none of it is an error."""
        return can_be_saved(self.remarks)


@dataclass(frozen=True, slots=True)
class Saved:
    """A draft that was saved as a version, or (None) refused."""

    version: int | None
    remarks: tuple[Remark, ...]


@dataclass(frozen=True, slots=True)
class Activated:
    """The version that decides now, and the one it took the place of."""

    version: int
    instead_of: int
    remarks: tuple[Remark, ...]


def review_rules(  # noqa: PLR0913 - a draft, and one keyword a port
    slug: StoreSlug,
    rules: Sequence[Rule],
    *,
    settings: StoreSettings,
    secrets: SecretStore,
    administrations: Administrations,
    clock: Callable[[], datetime],
) -> Review:
    """Look a draft through. Changes nothing. That Jetpack cannot be asked is a warning.

    Raises:
        InvalidRequestError: There is no such store.
        TransientError: Our own tables cannot be read.
    """
    return _reviewed(_known(slug, settings), rules, secrets, administrations, clock)


def save_rules(  # noqa: PLR0913 - a draft, who saves it, and one keyword a port
    slug: StoreSlug,
    rules: Sequence[Rule],
    *,
    note: str,
    by: str,
    settings: StoreSettings,
    secrets: SecretStore,
    administrations: Administrations,
    clock: Callable[[], datetime],
) -> Saved:
    """Keep a draft as the next version, unless there is an error in it. It decides nothing until it is activated.

    Args:
        slug: The store.
        rules: The draft.
        note: What its author says about it.
        by: Who saves it.
        settings: SettingsTable.
        secrets: The stored credentials.
        administrations: Opens Jetpack, whose ship options and fulfillment centers rules name.
        clock: The time.

    Raises:
        InvalidRequestError: There is no such store.
        ConflictError: Somebody else saved at the same moment; nothing was saved.
        TransientError: Our own tables do not answer.
    """
    found = _reviewed(_known(slug, settings), rules, secrets, administrations, clock)
    if not found.can_be_saved:
        return Saved(None, found.remarks)
    now = clock()
    saved = settings.save_rules(slug, tuple(rules), Change(now, by, SAVED, note))
    settings.note_change(slug, Change(now, by, SAVED, f"version {saved.version}{f': {note}' if note else ''}"))
    return Saved(saved.version, found.remarks)


def activate_rules(  # noqa: PLR0913 - which version, who, and one keyword a port
    slug: StoreSlug,
    version: int,
    *,
    instead_of: int,
    by: str,
    settings: StoreSettings,
    secrets: SecretStore,
    administrations: Administrations,
    sweep_queue: WakeUpQueue,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
) -> Activated:
    """Let a version decide from now on, and wake the orders that the rules held.

    Safe to repeat: a version that decides already is recorded if it was not, and held orders are woken again.

    Args:
        slug: The store.
        version: Which one.
        instead_of: The version that decides now, as the person saw it.
        by: Who does it.
        settings: SettingsTable.
        secrets: The stored credentials.
        administrations: Opens Jetpack: what was offered when the version was saved may be gone.
        sweep_queue: Wakes the orders, by a few messages.
        clock: The time.
        new_id: Makes the cause of the messages one of its own.

    Raises:
        InvalidRequestError: There is no such store or version, or there is an error in it; names each.
        ConflictError: Another version than `instead_of` decides by now.
        TransientError: Our own tables or the queue do not answer. If the version decides by then, orders that the
            rules held find it at their next look.
    """
    store = _known(slug, settings)
    rules = _version(slug, version, settings)
    found = _reviewed(store, rules, secrets, administrations, clock)
    _refuse(version, found)
    _switch(store, version, instead_of, Change(clock(), by, ACTIVATED), settings)
    _wake(slug, version, rules, sweep_queue, clock, new_id)
    return Activated(version, instead_of, found.remarks)


def roll_back_rules(  # noqa: PLR0913 - from where, who, and one keyword a port
    slug: StoreSlug,
    version: int | None = None,
    *,
    instead_of: int,
    by: str,
    settings: StoreSettings,
    secrets: SecretStore,
    administrations: Administrations,
    sweep_queue: WakeUpQueue,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
) -> Activated:
    """Let the version decide again that did before this one; again and again goes further back.

    It did decide, so what is wrong with it by now is shown and stops nobody who has to leave a worse one. A version
    that the caller names is looked through like any other.

    Args:
        slug: The store.
        version: Which one; None: the one that `instead_of` was activated instead of.
        instead_of: The version that decides now, as the person saw it.
        by: Who does it.
        settings: SettingsTable.
        secrets: The stored credentials.
        administrations: Opens Jetpack.
        sweep_queue: Wakes the orders.
        clock: The time.
        new_id: Makes the cause of the messages one of its own.

    Raises:
        InvalidRequestError: There is no such store or version, nobody knows which one it was, or there is an error in
            the one named.
        ConflictError: Another version than `instead_of` decides by now.
        TransientError: As for `activate_rules`.
    """
    store = _known(slug, settings)
    back_to = _before(slug, instead_of, settings) if version is None else version
    rules = _version(slug, back_to, settings)
    found = _reviewed(store, rules, secrets, administrations, clock)
    if version is not None:
        _refuse(version, found)
    _switch(store, back_to, instead_of, Change(clock(), by, ROLLED_BACK), settings)
    _wake(slug, back_to, rules, sweep_queue, clock, new_id)
    return Activated(back_to, instead_of, found.remarks)


def shadow_rules(
    slug: StoreSlug, version: int | None, *, by: str, settings: StoreSettings, clock: Callable[[], datetime]
) -> None:
    """Let a version run beside the one that decides, and only note where it would differ; None ends that.

    Raises:
        InvalidRequestError: There is no such store or version.
        TransientError: Our own tables do not answer.
    """
    _known(slug, settings)
    if version is not None:
        _version(slug, version, settings)
    settings.shadow_rules(slug, version)
    detail = "no version" if version is None else f"version {version}"
    settings.note_change(slug, Change(clock(), by, SHADOWED, detail))


def _known(slug: StoreSlug, settings: StoreSettings) -> Store:
    settings.forget(slug)
    store = settings.store(slug)
    if store is None:
        message = f"there is no store {slug}"
        raise InvalidRequestError(message)
    return store


def _version(slug: StoreSlug, version: int, settings: StoreSettings) -> tuple[Rule, ...]:
    rules = settings.rules(slug, version)
    if rules is None:
        message = f"the store {slug} has no version {version} of its rules"
        raise InvalidRequestError(message)
    return rules.rules


def _reviewed(
    store: Store,
    rules: Sequence[Rule],
    secrets: SecretStore,
    administrations: Administrations,
    clock: Callable[[], datetime],
) -> Review:
    """Look rules through; Jetpack is asked only for what they name of it."""
    named = {type(action) for rule in rules for action in rule.then}
    offered: dict[str, bool] | None = None
    locations: frozenset[str] | None = None
    try:
        credentials = secrets.credentials(store.slug, JETPACK) if named & {SetShipOption, SetLocation} else None
        jetpack = administrations.warehouse(store.jetpack, credentials) if credentials else None
        if jetpack and SetShipOption in named:
            offered = dict(jetpack.ship_options())
        if jetpack and SetLocation in named:
            locations = frozenset(number for number, _ in jetpack.locations())
    except JetbridgeError:
        pass  # what was not read is a warning in the review
    remarks = review(tuple(rules), store, offered=offered, locations=locations, now=clock())
    return Review((*remarks, *_without_permission(store, rules, secrets, administrations)))


def _without_permission(
    store: Store, rules: Sequence[Rule], secrets: SecretStore, administrations: Administrations
) -> Iterator[Remark]:
    """Name what rules ask of Shopify without a permission for it: without read_customers no order could be read."""
    if not uses_field(RuleSet(0, tuple(rules)), CUSTOMER_TAGS):
        return
    try:
        credentials = secrets.credentials(store.slug, SHOPIFY)
        scopes = administrations.shop(store.shopify, credentials).facts().scopes if credentials else None
    except JetbridgeError:
        scopes = None
    if scopes is None:
        text = "Shopify could not be asked whether it grants read_customers, which customer tags need."
        yield Remark("rules", Severity.WARNING, text)
    elif "read_customers" not in scopes:
        text = "Customer tags need the permission read_customers, which the shop's app does not have."
        yield Remark("rules", Severity.ERROR, text)


def _refuse(version: int, found: Review) -> None:
    errors = [f"{each.path}: {each.text}" for each in found.remarks if each.severity is Severity.ERROR]
    if errors:
        message = f"version {version} cannot decide. {' '.join(errors)}"
        raise InvalidRequestError(message)


def _switch(store: Store, version: int, instead_of: int, change: Change, settings: StoreSettings) -> None:
    """Let another version decide, and record it; one that decides already is recorded if it was not."""
    slug, decides_already = store.slug, store.rules.version == version
    if not decides_already:
        settings.activate_rules(slug, version, instead_of=instead_of)
    if not decides_already or next(_switches(slug, settings), (0, 0, ""))[0] != version:
        detail = f"version {version} instead of {instead_of}"
        settings.note_change(slug, Change(change.at, change.by, change.what, detail))


def _switches(slug: StoreSlug, settings: StoreSettings) -> Iterator[tuple[int, int, str]]:
    """Give what was switched, the last first: (version, the one before, how)."""
    for change in settings.changes(slug):
        if change.what in {ACTIVATED, ROLLED_BACK} and (found := _SWITCHED.fullmatch(change.detail)):
            yield int(found["version"]), int(found["before"]), change.what


def _before(slug: StoreSlug, version: int, settings: StoreSettings) -> int:
    """Find the version that decided before this one was activated. That it was gone back to does not count."""
    switches = _switches(slug, settings)
    before = next((before for it, before, what in switches if what == ACTIVATED and it == version), None)
    if before is None or before == version:
        message = f"nobody knows which version of the rules decided before {version}: name the one to go back to"
        raise InvalidRequestError(message)
    return before


def _wake(  # noqa: PLR0913, PLR0917 - which orders, why, and how
    slug: StoreSlug,
    version: int,
    rules: Sequence[Rule],
    sweep_queue: WakeUpQueue,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
) -> None:
    cause, at = f"rules:{version}:{new_id()}", clock().timestamp()
    sets_option = any(isinstance(action, SetShipOption) for rule in rules for action in rule.then if rule.active)
    reasons = HELD_FOR_RULES + (HELD_FOR_OPTION if sets_option else ())
    sweep_queue.send([WakeUp(slug, "batch", f"held:{reason}", cause, at) for reason in reasons])
