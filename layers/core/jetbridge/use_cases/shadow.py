"""A rule set that runs beside the active one: asked about live orders, it decides nothing and only takes notes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from jetbridge.domain.replay import shadow_difference, views_of
from jetbridge.errors import JetbridgeError

if TYPE_CHECKING:
    from datetime import datetime

    from jetbridge.domain.order import Order
    from jetbridge.domain.record import OrderRecord
    from jetbridge.domain.store import Store
    from jetbridge.ports import Runtime


def note_shadow(store: Store, order: Order, record: OrderRecord, *, runtime: Runtime, now: datetime) -> None:
    """Note how the store's shadow would decide otherwise about an order whose record has just been written anew.

    It never fails a look: a note that cannot be kept is lost, and the order's next change writes it.
    """
    if store.shadow is None:
        return
    difference = shadow_difference(views_of(order, store, record), store, now)
    if difference:
        with contextlib.suppress(JetbridgeError):
            runtime.note_difference(store.slug, store.shadow.version, difference, now)
