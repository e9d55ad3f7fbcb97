"""The account behind the simulated ShipStation: stores, orders, tags, webhooks, and what happens by itself."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import urllib.parse
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from local.simulators.server import Delivery, Simulator, new_id
from local.simulators.shipstation_models import (
    EVENTS,
    ORDER_EVENTS,
    SHIP_EVENTS,
    ChannelLink,
    Fulfillment,
    Item,
    Json,
    Order,
    Shipment,
    Shipped,
    Store,
    Webhook,
)
from local.simulators.shipstation_time import from_wall, wall

if TYPE_CHECKING:
    from collections.abc import Iterable

# Marketplace ids: 0 is documented, Shopify's was not found (facts/shipstation.md section 11) and is invented.
MANUAL = (0, "ShipStation")
SHOPIFY = (1000, "Shopify")

CARRIERS = ("stamps_com", "ups", "fedex", "usps", "dhl_express")
# Carrier code -> its services, code and name; the vendor's own sample holds some of these.
SERVICES = {
    "stamps_com": (("usps_first_class_mail", "USPS First Class Mail"), ("usps_priority_mail", "USPS Priority Mail")),
    "ups": (("ups_ground", "UPS® Ground"), ("ups_next_day_air", "UPS Next Day Air®")),
    "fedex": (("fedex_ground", "FedEx Ground®"), ("fedex_2day", "FedEx 2Day®")),
    "usps": (("usps_priority_mail", "USPS Priority Mail"),),
    "dhl_express": (),
}
# What Shopify is told for a carrier code. Which names ShipStation sends is not documented.
CHANNEL_NAMES = {"fedex": "FedEx", "stamps_com": "USPS", "ups": "UPS", "usps": "USPS", "dhl_express": "DHL Express"}


class SellerRefusedError(ValueError):
    """ShipStation does not let a person do that."""


class Account(Simulator):
    """The state. Callers hold the lock."""

    webhook_attempts = 1  # V1 documents no retry: plan for losses
    webhook_timeout_seconds = 10.0

    def __init__(self, *, store_id: int, store_name: str, origin: str | None, port: int, seed: int) -> None:
        """Open an account with a manual store and a connected Shopify store."""
        super().__init__(port=port, seed=seed)
        self.origin = origin
        self.ids = itertools.count(259_162_001)
        self.small_ids = itertools.count(100_001)
        self.orders: dict[int, Order] = {}
        self.by_key: dict[str, Order] = {}
        self.fulfillments: dict[int, Fulfillment] = {}
        self.shipments: dict[int, Shipment] = {}
        self.tags: dict[int, Json] = {}
        self.webhooks: dict[int, Webhook] = {}
        self.stores: dict[int, Store] = {}
        self.unknown_keys: Counter[str] = Counter()
        self.imports: dict[ChannelLink, Order] = {}
        self.open_store(store_id - 1, "Manual Orders", *MANUAL).auto_refresh = False
        self.open_store(store_id, store_name, *SHOPIFY)
        self.store_id = store_id

    # -- time ----------------------------------------

    def stamp(self) -> dt.datetime:
        """Give now to the millisecond, as the account's database keeps it."""
        now = self.now()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def today(self) -> dt.date:
        """Give the Pacific day."""
        return wall(self.now()).date()

    def settle(self) -> None:
        """Do what is due by now: held orders come back on their day."""
        today = self.today()
        for order in self.orders.values():
            if order.status == "on_hold" and order.hold_until and order.hold_until <= today:
                order.status, day = "awaiting_shipment", order.hold_until
                order.hold_until = None
                order.modified_at = max(order.modified_at, from_wall(dt.datetime.combine(day, dt.time())))

    # -- stores and orders ----------------------------------------

    def open_store(self, store_id: int, name: str, marketplace_id: int, marketplace: str) -> Store:
        """Connect a store."""
        now = self.stamp()
        store = Store(store_id, name, marketplace_id, marketplace, now, now, now, now)
        self.stores[store_id] = store
        return store

    def manual_store(self) -> Store | None:
        """Give the first active store of no marketplace, where new orders go by default."""
        return next((each for each in self.stores.values() if each.marketplace_id == MANUAL[0] and each.active), None)

    def take_in(self, order: Order) -> Order:
        """Put a new order into the books."""
        self.orders[order.id] = order
        self.by_key[order.key] = order
        return order

    def touch(self, order: Order) -> None:
        """Mark an order changed now. Nobody is told: that has to be polled."""
        order.modified_at = self.stamp()

    def new_items(self, fields: Iterable[Json]) -> list[Item]:
        """Make lines."""
        now = self.stamp()
        return [Item(next(self.ids), each, now, now) for each in fields]

    # -- webhooks ----------------------------------------

    def announce_orders(self, orders: Iterable[Order], batch: str | None = None) -> None:
        """Tell of new orders, one delivery a store and batch; those awaiting payment are not told of (section 5)."""
        batch = batch or new_id()
        by_store: dict[int, list[Order]] = defaultdict(list)
        for order in orders:
            order.import_batches.add(batch)
            if order.status != "awaiting_payment":
                by_store[order.store_id].append(order)
        for store_id in by_store:
            for event in ORDER_EVENTS:
                items = {"includeOrderItems": "True"} if event.startswith("ITEM") else {}
                self._announce(event, store_id, "orders", {"importBatch": batch} | items)

    def announce_labels(self, store_id: int, batch_id: int) -> None:
        """Tell of new outbound labels."""
        for event in SHIP_EVENTS:
            items = {"batchId": batch_id, "includeShipmentItems": event.startswith("ITEM")}
            self._announce(event, store_id, "shipments", items)

    def announce_fulfillment(self, event: str, order: Order, fulfillment: Fulfillment | None = None) -> None:
        """Tell of a fulfillment. The address is nowhere documented; this one follows V2's."""
        row = {"fulfillmentId": fulfillment.id} if fulfillment else {}
        self._announce(event, order.store_id, "fulfillments", row | {"orderId": order.id})

    def _announce(self, event: str, store_id: int, path: str, query: Json) -> None:
        if event not in EVENTS:
            raise ValueError(event)
        for webhook in self.webhooks.values():
            if webhook.event != event or webhook.store_id not in (None, store_id):
                continue
            # Of an import, an account-wide subscription is told without the store: both were sampled (section 5).
            with_store = path == "shipments" or (path == "orders" and webhook.store_id is not None)
            named = {"storeID": store_id} if with_store else {}
            resource = f"{self.origin or self.url}/{path}?{urllib.parse.urlencode(named | query)}"
            body = json.dumps({"resource_url": resource, "resource_type": event}).encode()
            self.deliver(Delivery(webhook.url, event, body, dict))

    # -- shipping ----------------------------------------

    def tell_later(self, shipped: Shipped, seconds: float) -> None:
        """Have the sales channel told in that many seconds; a store without a channel is told nothing."""
        if self.stores[shipped.order.store_id].marketplace_id != MANUAL[0]:
            shipped.tell_at = self.now() + dt.timedelta(seconds=seconds)
