"""Bring Jetpack's stock to Shopify: only what differs, never more than can be shipped."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import batched
from typing import TYPE_CHECKING

from jetbridge.domain.record import ConsignmentState, ParcelState, Status
from jetbridge.domain.stock import StockChange, available
from jetbridge.errors import OutcomeUnknownError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from jetbridge.domain.identifiers import StoreSlug
    from jetbridge.domain.record import OrderRecord
    from jetbridge.domain.stock import ShopifyStock
    from jetbridge.domain.store import Store
    from jetbridge.ports import OrderRecords, Partners, Shop, StoreSettings

ITEMS_A_CALL = 250
"""Shopify takes at most 250 entries in a list (facts/shopify.md section 10)."""

LEVELS_FOLLOW = timedelta(minutes=5)
"""Jetpack's levels follow an order after about a minute (facts/shipbob.md section 12): younger orders are not
believed to be in them, for then too little is sold at worst."""

AT_JETPACK = (Status.FORWARDED, Status.PARTIALLY_SHIPPED, Status.HELD, Status.FAILED)
"""Orders with units Jetpack may have taken off its figure while Shopify still shows them as committed."""

_KEYS = uuid.UUID("5f0f7d5e-7f0c-4c39-9f5e-6a0b8f9d1c11")


@dataclass(slots=True)
class Pushed:
    """What one push did, by SKU."""

    store: str
    outcome: str = "pushed"
    read: int = 0
    changed: int = 0
    written: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)


def push_inventory(
    slug: StoreSlug,
    *,
    records: OrderRecords,
    settings: StoreSettings,
    partners: Partners,
    clock: Callable[[], datetime],
) -> Pushed:
    """Push one store's stock. Safe to repeat and to overlap: every write is compared with what was read.

    Raises:
        PartnerError: A partner could not be read; nothing was written. The message comes again.
    """
    store = settings.store(slug)
    if store is None or not store.stock_location:
        return Pushed(slug, "no_stock_location")
    began = clock()
    levels = {level.sku: level for level in partners.warehouse(store).stock() if level.sku}
    if not levels:
        # An empty answer is not an empty warehouse: setting every SKU to zero would close the shop.
        return Pushed(slug, "no_levels")
    known = known_at_jetpack(store, records, began - LEVELS_FOLLOW)
    pushed = Pushed(slug, read=len(levels))
    shop = partners.shop(store)
    changes: list[StockChange] = []
    for item in _unambiguous(shop.stock(store.stock_location), pushed):
        if item.sku in store.sku_map:
            # Several SKUs of the shop may live on one stock at Jetpack; nobody shares that out yet.
            pushed.skipped["mapped_sku"] += 1
            continue
        level = levels.get(item.sku)
        if level is None:
            pushed.skipped["unknown_at_jetpack"] += 1
            continue
        quantity = available(level, item, known_at_jetpack=known[item.sku], buffer=store.buffer)
        if quantity != item.available:
            changes.append(StockChange(item.item_id, item.sku, item.available, quantity))
    pushed.changed = len(changes)
    # What sells out first is written first.
    changes.sort(key=lambda change: change.quantity)
    for batch in batched(changes, ITEMS_A_CALL, strict=False):
        _write(shop, store, batch, began, pushed)
    return pushed


def _unambiguous(items: Iterator[ShopifyStock], pushed: Pushed) -> Iterator[ShopifyStock]:
    """Leave out SKUs that stand on several items: nobody can tell which of them Jetpack's stock is (section 8)."""
    found: dict[str, list[ShopifyStock]] = {}
    for item in items:
        found.setdefault(item.sku, []).append(item)
    for same in found.values():
        if len(same) > 1:
            pushed.skipped["sku_on_several_items"] += len(same)
        else:
            yield same[0]


def known_at_jetpack(store: Store, records: OrderRecords, forwarded_before: datetime) -> Counter[str]:
    """Count K by SKU: units at Jetpack since before a moment that Shopify still shows as committed."""
    units: Counter[str] = Counter()
    for status in AT_JETPACK:
        for record in records.read_many(store.slug, records.open_orders(store.slug, status)):
            units += _unannounced(record, forwarded_before)
    return units


def _unannounced(record: OrderRecord, forwarded_before: datetime) -> Counter[str]:
    units: Counter[str] = Counter()
    for consignment in record.live:
        old_enough = consignment.forwarded_at is not None and consignment.forwarded_at <= forwarded_before
        if consignment.state is not ConsignmentState.LIVE or not old_enough or consignment.trouble:
            continue
        skus = {line.line_id: line.sku for line in consignment.lines}
        for line in consignment.lines:
            units[line.sku] += line.quantity
        for parcel in consignment.parcels:
            # While a parcel is being announced Shopify may have taken it off already: doubt lowers K.
            if parcel.state is not ParcelState.FAILED:
                for line_id, quantity in parcel.units:
                    units[skus[line_id]] -= quantity
    return +units


def _write(shop: Shop, store: Store, batch: tuple[StockChange, ...], began: datetime, pushed: Pushed) -> None:
    """Write one batch; entries Shopify refuses are taken out and the rest goes through."""
    left = list(batch)
    while left:
        key = str(uuid.uuid5(_KEYS, f"{store.slug}|{began.isoformat()}|{left}"))
        try:
            refused = shop.set_available(store.stock_location, left, idempotency_key=key)
        except OutcomeUnknownError:
            # The same key: Shopify carries it out once, however often it is asked (section 8).
            refused = shop.set_available(store.stock_location, left, idempotency_key=key)
        if not refused:
            pushed.written += len(left)
            return
        pushed.refused.update(refused.values())
        remaining = [change for change in left if change.item_id not in refused]
        if len(remaining) == len(left):
            return
        left = remaining
