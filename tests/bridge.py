"""The whole bridge in one process: real use cases over in-memory ports, with a clock that tests move."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from jetbridge.domain.identifiers import OrderId
from jetbridge.messages import WakeUp
from jetbridge.ports import ParcelAnnouncement
from jetbridge.use_cases.forward_order import forward_order
from jetbridge.use_cases.sweep_orders import (
    read_resource,
    sweep_changed,
    sweep_due,
    sweep_jetpack,
    sweep_shipstation,
)
from jetbridge.use_cases.sync_tracking import sync_tracking
from tests.builders import NOW, ORDER_ID, STORE, a_store
from tests.fake_desk import FakeDesk
from tests.fake_partners import FakeShop, FakeWarehouse
from tests.fakes import InMemoryNotices, InMemoryOrderRecords, InMemoryQueue, InMemoryRuntime, InMemoryStoreSettings

if TYPE_CHECKING:
    from jetbridge.domain.holds import Hold
    from jetbridge.domain.order import Order
    from jetbridge.domain.record import OrderRecord
    from jetbridge.domain.shipstation import Mark, Resource, ShipStationOrder
    from jetbridge.domain.store import Store
    from jetbridge.use_cases.looking import Looked


class Killed(BaseException):
    """The function's process ends here: nothing of ours may catch it."""


class Bridge:
    """One store, its partners, and our functions, called by hand."""

    def __init__(self, store: Store | None = None, *, lag: timedelta = timedelta()) -> None:
        self.at = NOW
        self.time_left = timedelta(seconds=60)
        self.store = store or a_store()
        self.records = InMemoryOrderRecords(clock=self.now)
        self.settings = InMemoryStoreSettings(self.store)
        self.runtime = InMemoryRuntime(clock=self.now)
        self.notices = InMemoryNotices()
        self.order_queue = InMemoryQueue(clock=self.now)
        self.tracking_queue = InMemoryQueue(clock=self.now)
        self.the_shop = FakeShop(clock=self.now)
        self.the_warehouse = FakeWarehouse(clock=self.now, lag=lag)
        self.the_desk = FakeDesk(clock=self.now)
        self.the_desk.tell = self._tell_shop
        self.the_warehouse.ship_options["Expedited"] = True
        for sku in ("TEA-250", "JAM-1"):
            self.the_warehouse.add_product(sku, 100)
        self._causes = 0

    # -- the ports --------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        return self.at

    def shop(self, _store: Store) -> FakeShop:
        return self.the_shop

    def warehouse(self, _store: Store) -> FakeWarehouse:
        return self.the_warehouse

    def desk(self, _store: Store) -> FakeDesk:
        return self.the_desk

    def _tell_shop(self, mark: Mark) -> str:
        """Do as ShipStation's write-back: fulfill everything that is open, under one number."""
        name = self.the_desk.orders[mark.order_id].number
        for order in self.the_shop.orders.values():
            if order.name.removeprefix("#") == name:
                lines = tuple(
                    (each.id, tuple((line.id, line.remaining) for line in each.lines if line.remaining))
                    for each in order.fulfillment_orders
                    if not each.closed and "CREATE_FULFILLMENT" in each.supported_actions
                )
                if not any(units for _, units in lines):
                    return "UnprocessableEntity"
                self.the_shop.announce_parcel(ParcelAnnouncement(lines, mark.number, mark.carrier, ""))
        return ""

    # -- what happens -----------------------------------------------------------------------------------------

    def pass_time(self, time: timedelta) -> None:
        self.at += time

    def wake(self, order: str = ORDER_ID, *, subject: str = "order", cause: str = "") -> WakeUp:
        self._causes += 1
        return WakeUp(STORE, subject, order, cause or f"test:{self._causes}", self.at.timestamp())

    def forward(self, wake_up: WakeUp | None = None) -> Looked:
        """Let the forwarding function look, a second later."""
        wake_up = wake_up or self.wake()
        self.pass_time(timedelta(seconds=1))
        return forward_order(
            wake_up,
            records=self.records,
            settings=self.settings,
            partners=self,
            clock=self.now,
            time_left=lambda: self.time_left,
            jitter=lambda: 0.0,
            runtime=self.runtime,
            notices=self.notices,
        )

    def track(self, wake_up: WakeUp | None = None) -> Looked:
        """Let the tracking function look, a second later."""
        wake_up = wake_up or self.wake(cause=f"jetpack:{self._causes}")
        self.pass_time(timedelta(seconds=1))
        return sync_tracking(
            wake_up,
            records=self.records,
            settings=self.settings,
            partners=self,
            clock=self.now,
            time_left=lambda: timedelta(seconds=60),
            jitter=lambda: 0.0,
        )

    def sweep_due(self) -> None:
        """Let the minute's sweep wake what is due, and work its messages."""
        sweep_due(
            records=self.records, order_queue=self.order_queue, tracking_queue=self.tracking_queue, clock=self.now
        )
        self.drain()

    def sweep_changed(self) -> None:
        """Let the five minutes' sweep wake what changed, and work its messages."""
        sweep_jetpack(settings=self.settings, partners=self, runtime=self.runtime, clock=self.now)
        sweep_changed(
            settings=self.settings,
            partners=self,
            runtime=self.runtime,
            order_queue=self.order_queue,
            clock=self.now,
        )
        sweep_shipstation(
            records=self.records,
            settings=self.settings,
            partners=self,
            runtime=self.runtime,
            order_queue=self.order_queue,
            clock=self.now,
        )
        self.drain()

    def imported(self, *orders: ShipStationOrder) -> None:
        """Let ShipStation import orders, and its webhook be worked."""
        self.point(self.the_desk.import_orders(*orders))

    def point(self, resource: Resource) -> None:
        """Work a webhook of ShipStation's that points at something."""
        self.pass_time(timedelta(seconds=1))
        read_resource(
            self.wake(str(resource), subject="shipstation_resource"),
            resource,
            records=self.records,
            settings=self.settings,
            partners=self,
            order_queue=self.order_queue,
            clock=self.now,
        )
        self.drain()

    def drain(self) -> None:
        """Work everything that lies in the queues."""
        while self.order_queue.sent or self.tracking_queue.sent:
            forward, self.order_queue.sent[:] = list(self.order_queue.sent), []
            track, self.tracking_queue.sent[:] = list(self.tracking_queue.sent), []
            for wake_up in forward:
                self.forward(wake_up)
            for wake_up in track:
                self.track(wake_up)

    def settle(self, minutes: int = 180) -> None:
        """Let time pass with nothing new happening until everything on its way has arrived."""
        for _ in range(minutes):
            self.pass_time(timedelta(minutes=1))
            self.sweep_due()
            if self.at.minute % 5 == 0:
                self.sweep_changed()

    # -- what there is ----------------------------------------------------------------------------------------

    def put(self, order: Order) -> Order:
        """Put the order as the shop now has it."""
        moved = replace(order, updated_at=self.at)
        self.the_shop.put(moved)
        return moved

    @property
    def order(self) -> Order:
        return self.the_shop.orders[ORDER_ID]

    def record(self) -> OrderRecord:
        found = self.records.read(STORE, OrderId(ORDER_ID))
        assert found
        return found

    def hold(self) -> Hold:
        """Give the hold the order is under."""
        found = self.record().hold
        assert found
        return found

    def units_at_jetpack(self) -> Counter[str]:
        """Count the units of live orders there, by SKU."""
        units: Counter[str] = Counter()
        for order in self.the_warehouse.orders.values():
            if not order.cancelled:
                units.update(dict(order.products))
        return units

    def told(self) -> Counter[str]:
        """Count how often each tracking number was told to the customer."""
        return Counter(announcement.number for announcement in self.the_shop.announced)
