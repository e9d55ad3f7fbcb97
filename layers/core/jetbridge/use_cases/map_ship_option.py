"""Map a shipping method to a ship option, and wake what waited for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetbridge.domain.ship_options import ShipOptionMapping, normalized
from jetbridge.messages import WakeUp

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from jetbridge.domain.identifiers import StoreSlug
    from jetbridge.ports import StoreSettings, WakeUpQueue

HELD_FOR_METHOD = "held:unmapped_ship_option"


def map_ship_option(  # noqa: PLR0913 - one keyword a port
    slug: StoreSlug,
    method: str,
    ship_option: str,
    *,
    settings: StoreSettings,
    sweep_queue: WakeUpQueue,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
) -> ShipOptionMapping:
    """Save an active mapping; the orders held for want of it are woken by one message, not in this call.

    Raises:
        ValueError: Method or ship option is blank.
        TransientError: The queue did not take the message: the mapping is saved, and held orders find it at
            their next look.
    """
    if not normalized(method) or not ship_option.strip():
        message = "a mapping needs a shipping method and a ship option"
        raise ValueError(message)
    mapping = ShipOptionMapping(normalized(method), ship_option.strip())
    settings.save_ship_option(slug, mapping)
    cause = f"mapped:{new_id()}"
    sweep_queue.send([WakeUp(slug, "batch", HELD_FOR_METHOD, cause, clock().timestamp())])
    return mapping
