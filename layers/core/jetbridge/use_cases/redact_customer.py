"""Carry out Shopify's compliance topics: what we keep of a customer is emptied, the ledger's counts stay."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from jetbridge.domain.identifiers import OrderId
from jetbridge.domain.record import Status
from jetbridge.domain.timeline import TimelineEvent
from jetbridge.errors import ConflictError, CredentialsRejectedError
from jetbridge.use_cases.looking import MERGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from jetbridge.domain.identifiers import StoreSlug
    from jetbridge.messages import WakeUp
    from jetbridge.ports import OrderRecords, Partners, StoreSettings

SHOP = "shop"
"""The id that stands for every order of a store (shop/redact, 48 h after the app was removed)."""

NO_ORDER = OrderId("1")
"""What is asked for only to see whether the shop still answers us."""

KEPT_DAYS = 120
"""Snapshots live 90 days; an order can be some days older than its last snapshot. Open orders are all found."""


def redact_customer(
    wake_up: WakeUp,
    *,
    records: OrderRecords,
    settings: StoreSettings,
    partners: Partners,
    clock: Callable[[], datetime],
) -> int:
    """Empty snapshot and timeline of the order a wake-up names, or of every order of its store.

    Safe to repeat. The record, with units, references and states, stays: it names nobody.

    A whole store is emptied only if its shop refuses us, as it does once the app was removed: one app may serve
    several shops under one address and one secret, and this message may be another's.

    Returns:
        How many orders were emptied.

    Raises:
        TransientError: A table or the shop does not answer; the message comes again.
        ConflictError: A record was written by others again and again; the message comes again.
    """
    if wake_up.id == SHOP and _still_served(wake_up.store, settings, partners):
        return 0
    found = [OrderId(wake_up.id)] if wake_up.id != SHOP else list(_orders(wake_up.store, records, clock()))
    for order_id in found:
        records.redact(wake_up.store, order_id)
        _forget_words(wake_up.store, order_id, records)
    return len(found)


def _forget_words(store: StoreSlug, order_id: OrderId, records: OrderRecords) -> None:
    """Take out what a person wrote about an order: it may name the customer."""
    for _ in range(MERGES):
        record = records.read(store, order_id)
        if record is None or record.ordered_by_person is None or not record.ordered_by_person.reason:
            return
        said = record.ordered_by_person.reason
        hold = record.hold and replace(record.hold, detail=record.hold.detail.replace(said, "").rstrip(": "))
        ordered = replace(record.ordered_by_person, reason="")
        try:
            records.write(replace(record, ordered_by_person=ordered, hold=hold))
        except ConflictError:
            continue
        return
    raise ConflictError


def _still_served(slug: StoreSlug, settings: StoreSettings, partners: Partners) -> bool:
    store = settings.store(slug)
    if store is None:
        return False
    try:
        partners.shop(store).read_order(NO_ORDER)
    except CredentialsRejectedError:
        return False
    return True


def note_data_request(wake_up: WakeUp, *, records: OrderRecords, clock: Callable[[], datetime]) -> bool:
    """Note in an order's timeline that its customer asks for their data: what we have is the order's snapshot.

    Returns:
        Whether we have such an order.
    """
    record = records.read(wake_up.store, OrderId(wake_up.id))
    if record is None:
        return False
    did = ("the customer asks for their data: we hold the order as Shopify and ShipStation show it, no more",)
    event = TimelineEvent(clock(), "sweep_orders", wake_up.cause, record.status, did)
    records.note(record.store, record.order_id, event)
    return True


def _orders(store: StoreSlug, records: OrderRecords, now: datetime) -> Iterator[OrderId]:
    seen: set[OrderId] = set()
    for status in Status:
        seen.update(records.open_orders(store, status))
    for days in range(KEPT_DAYS):
        seen.update(records.orders_of_day(store, (now - timedelta(days=days)).date()))
    yield from seen
