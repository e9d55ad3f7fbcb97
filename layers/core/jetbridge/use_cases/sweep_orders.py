"""Find work that nobody woke: what is due, what changed at the source, what waited for a setting."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import batched
from typing import TYPE_CHECKING

from jetbridge.domain.gates import NO_METHOD, SEVERAL
from jetbridge.domain.record import NextLook, Status
from jetbridge.domain.reference import foreign_keys, parse_reference
from jetbridge.domain.ship_options import ANY_TEXT, Method, matches
from jetbridge.domain.store import Route
from jetbridge.errors import JetbridgeError
from jetbridge.messages import WakeUp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from jetbridge.domain.identifiers import OrderId, StoreSlug
    from jetbridge.domain.order import SeenAtJetpack
    from jetbridge.domain.record import OrderRecord
    from jetbridge.domain.shipstation import Resource, ShipStationOrder
    from jetbridge.domain.store import Store
    from jetbridge.ports import DueOrder, OrderRecords, Partners, Runtime, StoreSettings, WakeUpQueue

OVERLAP = timedelta(minutes=5)
"""Clocks differ and pages shift while they are read: every sweep begins a little before the last one did."""

FIRST_LOOK_BACK = timedelta(days=1)
"""Where a store's first sweep begins."""

CURSOR = "shopify_changed"
SHIPSTATION_CURSOR = "shipstation_changed"
SHIPSTATION_OVERLAP = timedelta(minutes=75)
"""Its times are Pacific wall time, its windows unreliable at their edges (facts/shipstation.md sections 4 and 7)."""

JETPACK_CURSOR = "jetpack_orders"
JETPACK_FIRST_LOOK_BACK = timedelta(days=7)
"""What somebody else forwarded of late must be known before our first sweep forwards the same orders again."""

JETPACK_PAGE = 250
"""Orders after which a long backlog is not read again (facts/shipbob.md section 4)."""

AT_ONCE = 200


@dataclass(slots=True)
class Swept:
    """What one sweep found."""

    task: str
    woken: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    """Store → the error that kept it from being swept; its cursor has not moved."""
    warnings: dict[str, str] = field(default_factory=dict)
    """Store → what somebody should put right, in words."""


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


def sweep_shipstation(  # noqa: PLR0913 - one keyword a port
    *,
    records: OrderRecords,
    settings: StoreSettings,
    partners: Partners,
    runtime: Runtime,
    order_queue: WakeUpQueue,
    clock: Callable[[], datetime],
) -> Swept:
    """Wake every order that ShipStation changed since the last sweep: edits, holds, cancels, splits raise no webhook.

    The page is the look: what it shows is kept, and the order's own look does not read it again.
    """
    swept = Swept("shipstation")
    for slug in settings.stores():
        store = settings.store(slug)
        if store is None or store.shipstation is None or Route.SHIPSTATION not in store.routes:
            continue
        began = clock()
        since = (runtime.cursor(slug, SHIPSTATION_CURSOR) or began - FIRST_LOOK_BACK) - SHIPSTATION_OVERLAP
        try:
            found = partners.desk(store).orders_changed_since(since)
            for parts in batched(found, AT_ONCE, strict=False):
                swept.woken += _wake_parts(store, parts, "changed", began, records, order_queue)
                # A long backlog can meet the rate limit: what was woken is not woken again.
                runtime.save_cursor(slug, SHIPSTATION_CURSOR, min(parts[-1].modified_at, began))
        except JetbridgeError as error:
            swept.failed[slug] = str(error)
            continue
        runtime.save_cursor(slug, SHIPSTATION_CURSOR, began)
    return swept


def read_resource(  # noqa: PLR0913 - one keyword a port
    wake_up: WakeUp,
    resource: Resource,
    *,
    records: OrderRecords,
    settings: StoreSettings,
    partners: Partners,
    order_queue: WakeUpQueue,
    clock: Callable[[], datetime],
) -> Swept:
    """Wake the orders one of ShipStation's webhooks points at.

    What cannot be read now is not tried again: the sweep by the time of change finds the same orders.
    """
    swept = Swept("shipstation_resource")
    store = settings.store(wake_up.store)
    if store is None or store.shipstation is None or Route.SHIPSTATION not in store.routes:
        swept.failed[wake_up.store] = "no such store on the route shipstation"
        return swept
    began = clock()
    try:
        desk = partners.desk(store)
        if resource.kind == "orders":
            found = desk.orders_behind(resource)
            swept.woken = _wake_parts(store, found, wake_up.cause, began, records, order_queue)
        else:
            for ids in batched(desk.labelled_behind(resource), AT_ONCE, strict=False):
                at = began.timestamp()
                order_queue.send([WakeUp(store.slug, "shipstation_order", each, wake_up.cause, at) for each in ids])
                swept.woken += len(ids)
    except JetbridgeError as error:
        swept.failed[wake_up.store] = str(error)
    return swept


def _wake_parts(  # noqa: PLR0913, PLR0917 - what was found, and where it goes
    store: Store,
    found: Iterable[ShipStationOrder],
    cause: str,
    began: datetime,
    records: OrderRecords,
    order_queue: WakeUpQueue,
) -> int:
    woken = 0
    for parts in batched(found, AT_ONCE, strict=False):
        news = [part for part in parts if _is_news(store, part, began, records)]
        causes = {part.id: f"{cause}:{part.modified_at.isoformat()}" for part in news}
        at = began.timestamp()
        order_queue.send([WakeUp(store.slug, "shipstation_order", each, why, at) for each, why in causes.items()])
        woken += len(news)
    return woken


def _is_news(store: Store, part: ShipStationOrder, began: datetime, records: OrderRecords) -> bool:
    """Keep what a page shows; windows overlap, so most of it was seen before."""
    known = records.read_shipstation_order(store.slug, part.id)
    if known and known.order == part and known.order_id:
        return False
    records.keep_shipstation_order(store.slug, part, None, began)
    return True


def _changed(store: Store, partners: Partners, since: datetime) -> Iterator[WakeUp]:
    """Name changed orders once each. Both are asked: a fulfillment order can move without its order."""
    shop = partners.shop(store)
    latest: dict[OrderId, datetime] = {}
    for changes in (shop.orders_changed_since(since), shop.fulfillment_orders_changed_since(since)):
        for change in changes:
            latest[change.order_id] = max(change.updated_at, latest.get(change.order_id, change.updated_at))
    for order_id, at in latest.items():
        yield WakeUp(store.slug, "order", order_id, f"changed:{at.isoformat()}", at.timestamp())


def sweep_jetpack(
    *, settings: StoreSettings, partners: Partners, runtime: Runtime, clock: Callable[[], datetime]
) -> Swept:
    """Remember the orders that others created at Jetpack since the last sweep: ours of the same name are not sent too.

    The list lags behind by a minute and is read with overlap. An order of ours that went out before its twin was seen
    is not taken back: nobody knows here which of the two is the wrong one.
    """
    swept = Swept("jetpack")
    slugs = frozenset(settings.stores())
    for slug in sorted(slugs):
        store = settings.store(slug)
        if store is None:
            continue
        began = clock()
        known = runtime.cursor(slug, JETPACK_CURSOR)
        since = known - OVERLAP if known else began - JETPACK_FIRST_LOOK_BACK
        try:
            for seen in batched(partners.warehouse(store).orders_since(since), JETPACK_PAGE, strict=False):
                for each in seen:
                    _note_foreign(slug, each, slugs, runtime)
                # A long backlog can meet the rate limit: what was read is not read again.
                runtime.save_cursor(slug, JETPACK_CURSOR, min(seen[-1].inserted_at, began))
        except JetbridgeError as error:
            swept.failed[slug] = str(error)
            continue
        runtime.save_cursor(slug, JETPACK_CURSOR, began)
    return swept


def _note_foreign(slug: StoreSlug, seen: SeenAtJetpack, slugs: frozenset[StoreSlug], runtime: Runtime) -> None:
    """Remember one order of somebody else's; another store of this deployment may share the account."""
    ours = parse_reference(seen.reference)
    if ours and ours[0] in slugs:
        return
    # Another deployment of ours has the Shopify order's id in its reference; others often take it as it is.
    for key in foreign_keys(seen.number, ours[1] if ours else seen.reference):
        runtime.note_foreign_order(slug, key, seen.reference, seen.inserted_at)


WAITED_FOR = frozenset({"grace", "unpaid"})
"""Reasons for which units wait without being held."""


def wake_held(  # noqa: PLR0913 - what to wake, and one keyword a port
    slug: StoreSlug,
    waited_for: str,
    cause: str,
    *,
    records: OrderRecords,
    settings: StoreSettings,
    order_queue: WakeUpQueue,
    clock: Callable[[], datetime],
) -> Swept:
    """Wake the orders of a store that are held, or wait, for one reason, because that reason may be gone.

    Args:
        slug: The store.
        waited_for: The reason; behind a colon perhaps the shipping method, or the pattern, that was mapped.
        cause: Why, for the message.
        records: OrdersTable.
        settings: SettingsTable.
        order_queue: Where the orders are woken.
        clock: The time.
    """
    swept = Swept("held")
    reason, _, method = waited_for.partition(":")
    store = settings.store(slug)
    own_lines = frozenset(store.ship_options) if store else frozenset[Method]()
    for status in (Status.HELD, Status.WAITING) if reason in WAITED_FOR else (Status.HELD,):
        found = records.read_many(slug, records.open_orders(slug, status))
        waiting = (each.order_id for each in found if _waits_for(each, reason, Method(method), own_lines))
        for order_ids in batched(waiting, AT_ONCE, strict=False):
            order_queue.send([*_wake(slug, order_ids, cause, clock())])
            swept.woken += len(order_ids)
    return swept


def _waits_for(record: OrderRecord, reason: str, method: Method, own_lines: frozenset[Method]) -> bool:
    hold = record.hold
    if hold is None:
        return record.status is Status.WAITING and record.reason == reason
    if hold.reason != reason or not method:
        return hold.reason == reason
    held_for = [Method("" if each == NO_METHOD else each) for each in hold.detail.split(SEVERAL)]
    if ANY_TEXT in method:
        # A method's own line beats every pattern.
        return any(matches(method, each) and each not in own_lines for each in held_for)
    return method in held_for


def _wake(slug: StoreSlug, order_ids: Iterable[OrderId], cause: str, now: datetime) -> Iterator[WakeUp]:
    for order_id in order_ids:
        yield WakeUp(slug, "order", order_id, cause, now.timestamp())
