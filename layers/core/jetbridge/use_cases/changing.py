"""What every change of a store's settings shares: the store as it is now, and waking what waited for the change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetbridge.errors import CredentialsRejectedError, NotFoundError
from jetbridge.messages import WakeUp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from jetbridge.domain.identifiers import StoreSlug
    from jetbridge.domain.store import Store
    from jetbridge.ports import SecretStore, StoreSettings, WakeUpQueue

HELD = "held:"
"""How the id of a message begins that wakes held orders: `held:{reason}`, or `held:{reason}:{what they wait for}`."""


def store_to_change(slug: StoreSlug, settings: StoreSettings) -> Store:
    """Read a store as it is now, not as it is remembered.

    Raises:
        NotFoundError: No such store is connected.
    """
    settings.forget(slug)
    store = settings.store(slug)
    if store is None:
        message = f"the store {slug} is not connected"
        raise NotFoundError(message)
    return store


def credentials_for(partner: str, slug: StoreSlug, secrets: SecretStore) -> dict[str, str]:
    """Give what is stored to be shown to a partner.

    Raises:
        CredentialsRejectedError: Nothing is stored.
    """
    found = secrets.credentials(slug, partner)
    if found is None:
        raise CredentialsRejectedError(partner=partner, code="missing")
    return found


def release_held(
    slug: StoreSlug,
    waited_for: Iterable[str],
    *,
    sweep_queue: WakeUpQueue,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
) -> None:
    """Wake the orders that are held for what has just changed: one message each, not a loop in here.

    Args:
        slug: The store.
        waited_for: Hold reasons, each perhaps with `:` and what exactly the orders wait for.
        sweep_queue: Where somebody finds and wakes them.
        clock: The time.
        new_id: Makes an id of this change.

    Raises:
        TransientError: The queue did not take it. What changed is saved, and held orders find it at their next look.
    """
    cause, at = f"released:{new_id()}", clock().timestamp()
    sweep_queue.send([WakeUp(slug, "batch", f"{HELD}{each}", cause, at) for each in waited_for])
