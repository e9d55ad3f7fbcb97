"""Find work that nobody woke: what is due, what changed at the source, what waited for a setting."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import batched
from typing import TYPE_CHECKING

from jetbridge.domain.record import NextLook, Status
from jetbridge.errors import JetbridgeError
from jetbridge.messages import WakeUp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from jetbridge.domain.identifiers import OrderId, StoreSlug
    from jetbridge.domain.store import Store
    from jetbridge.ports import DueOrder, OrderRecords, Partners, Runtime, StoreSettings, WakeUpQueue

OVERLAP = timedelta(minutes=5)
"""Clocks differ and pages shift while they are read: every sweep begins a little before the last one did."""

FIRST_LOOK_BACK = timedelta(days=1)
"""Where a store's first sweep begins."""

CURSOR = "shopify_changed"
AT_ONCE = 200


@dataclass(slots=True)
class Swept:
    """What one sweep found."""

    task: str
    woken: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    """Store → the error that kept it from being swept; its cursor has not moved."""


def sweep_due(
    *, records: OrderRecords, order_queue: WakeUpQueue, tracking_queue: WakeUpQueue, clock: Callable[[], datetime]
) -> Swept:
    """Wake every order whose `due_at` has come. Woken again each minute until its look moves the time.

    Raises:
        TransientError: A queue or table does not answer; the next minute tries again.
    """
    now, swept = clock(), Swept("due")
    for dues in batched(records.due(now), AT_ONCE, strict=False):
        wake_ups = [(each.next_look, _due(each, now)) for each in dues]
        order_queue.send([wake_up for look, wake_up in wake_ups if look is not NextLook.TRACK])
        tracking_queue.send([wake_up for look, wake_up in wake_ups if look is not NextLook.FORWARD])
        swept.woken += len(dues)
    return swept


def _due(due: DueOrder, now: datetime) -> WakeUp:
    return WakeUp(due.store, "order", due.order_id, f"due:{due.due_at.isoformat()}", now.timestamp())


def sweep_changed(
    *,
    settings: StoreSettings,
    partners: Partners,
    runtime: Runtime,
    order_queue: WakeUpQueue,
    clock: Callable[[], datetime],
) -> Swept:
    """Wake every order that moved at Shopify since the last sweep: a lost webhook costs minutes, not an order.

    A wake-up is dated with the change it stands for, so an order whose webhook did arrive costs one read of our
    own record. A store that cannot be swept keeps its cursor and holds nobody else up.
    """
    swept = Swept("changed")
    for slug in settings.stores():
        store = settings.store(slug)
        if store is None:
            continue
        began = clock()
        since = (runtime.cursor(slug, CURSOR) or began - FIRST_LOOK_BACK) - OVERLAP
        try:
            for wake_ups in batched(_changed(store, partners, since), AT_ONCE, strict=False):
                order_queue.send(wake_ups)
                swept.woken += len(wake_ups)
        except JetbridgeError as error:
            swept.failed[slug] = str(error)
            continue
        runtime.save_cursor(slug, CURSOR, began)
    return swept


def _changed(store: Store, partners: Partners, since: datetime) -> Iterator[WakeUp]:
    """Name changed orders once each. Both are asked: a fulfillment order can move without its order."""
    shop = partners.shop(store)
    latest: dict[OrderId, datetime] = {}
    for changes in (shop.orders_changed_since(since), shop.fulfillment_orders_changed_since(since)):
        for change in changes:
            latest[change.order_id] = max(change.updated_at, latest.get(change.order_id, change.updated_at))
    for order_id, at in latest.items():
        yield WakeUp(store.slug, "order", order_id, f"changed:{at.isoformat()}", at.timestamp())


def wake_held(  # noqa: PLR0913 - what to wake, and one keyword a port
    slug: StoreSlug,
    reason: str,
    cause: str,
    *,
    records: OrderRecords,
    order_queue: WakeUpQueue,
    clock: Callable[[], datetime],
) -> Swept:
    """Wake the orders of a store that are held for one reason, because that reason may be gone."""
    swept = Swept("held")
    held = records.read_many(slug, records.open_orders(slug, Status.HELD))
    waiting = (record.order_id for record in held if record.hold and record.hold.reason == reason)
    for order_ids in batched(waiting, AT_ONCE, strict=False):
        order_queue.send([*_wake(slug, order_ids, cause, clock())])
        swept.woken += len(order_ids)
    return swept


def _wake(slug: StoreSlug, order_ids: Iterable[OrderId], cause: str, now: datetime) -> Iterator[WakeUp]:
    for order_id in order_ids:
        yield WakeUp(slug, "order", order_id, cause, now.timestamp())
