"""Compare what orders are mapped to with what Jetpack offers: a ship option that vanished is told at once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from jetbridge.errors import JetbridgeError, TransientError
from jetbridge.use_cases.ship_options import (
    OptionState,
    discover_methods,
    offered_at_jetpack,
    state_of,
    wanted_by_mappings,
    wanted_by_rules,
)
from jetbridge.use_cases.sweep_orders import Swept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from jetbridge.domain.store import Store
    from jetbridge.ports import Administrations, Notices, Runtime, SecretStore, StoreSettings

TELL_AGAIN = timedelta(days=1)


def watch_offers(  # noqa: PLR0913 - one keyword a port
    *,
    settings: StoreSettings,
    secrets: SecretStore,
    administrations: Administrations,
    runtime: Runtime,
    notices: Notices,
    clock: Callable[[], datetime],
) -> Swept:
    """Look at every store's ship options at Jetpack, and list the shipping methods that its partners offer by now.

    An option that is mapped, or set by a rule, and that Jetpack does not ship by any more is a warning each time, and
    a notice to the store's people once a day. What cannot be asked of one store holds no other up.
    """
    swept = Swept("offers")
    for slug in settings.stores():
        store = settings.store(slug)
        if store is None:
            continue
        troubles = []
        try:
            gone = dict(_gone(store, secrets, administrations))
            for option, text in gone.items():
                _tell(store, option, text, runtime, notices, clock())
            if gone:
                swept.warnings[slug] = " ".join(gone.values())
        except JetbridgeError as error:
            troubles.append(str(error))
        try:
            found = discover_methods(
                slug, settings=settings, secrets=secrets, administrations=administrations, clock=clock
            )
            troubles += found.troubles
        except JetbridgeError as error:
            troubles.append(str(error))
        if troubles:
            swept.failed[slug] = "; ".join(troubles)
    return swept


def _gone(store: Store, secrets: SecretStore, administrations: Administrations) -> Iterator[tuple[str, str]]:
    """Say which wanted options nothing is shipped by any more: option → in words."""
    by_mappings, by_rules = wanted_by_mappings(store), wanted_by_rules(store)
    if not (by_mappings or by_rules):
        return
    offered = offered_at_jetpack(store, secrets, administrations)
    for option in sorted(by_mappings.keys() | by_rules.keys()):
        state = state_of(option, offered)
        if state is OptionState.ACTIVE:
            continue
        what = "has switched off" if state is OptionState.INACTIVE_AT_JETPACK else "does not offer any more"
        used = [f"mapped from {method!r}" for method in by_mappings.get(option, ())]
        used += [f"set by the rule {rule!r}" for rule in by_rules.get(option, ())]
        yield option, f"Jetpack {what} the ship option {option!r} ({', '.join(used)}): such orders are held."


def _tell(  # noqa: PLR0913, PLR0917 - what to tell, and by what
    store: Store, option: str, text: str, runtime: Runtime, notices: Notices, now: datetime
) -> None:
    """Tell the store's people, unless they were told within a day; told is what was taken, so perhaps twice."""
    told = f"told_gone:{option[:200]}"
    before = runtime.cursor(store.slug, told)
    if before and now - before < TELL_AGAIN:
        return
    try:
        notices.publish(
            store.slug, "A ship option is gone at Jetpack", f"{text} Map to another, or switch it on there."
        )
    except TransientError:
        return  # the warning is in the log, and the next hour tells
    runtime.save_cursor(store.slug, told, now)
