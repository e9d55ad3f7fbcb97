"""ShipStation in memory. It passes the same contract suite as the adapter against the simulator."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from jetbridge.domain.shipstation import Resource, ShipStationFulfillment
from jetbridge.errors import ForeignAddressError, RejectedByPartnerError
from tests.fake_partners import FakePartner, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from jetbridge.domain.shipstation import Mark, ShipStationOrder

ORIGIN = "https://ssapi.shipstation.com"
STORE_ID = "90001"


@dataclass(slots=True)
class Written:
    """A fulfillment in ShipStation's book, and when the channel is to hear of it."""

    fulfillment: ShipStationFulfillment
    mark: Mark | None = None
    """What we marked it with; None for what a person marked."""
    tell_at: datetime | None = None
    """None: nobody is to be told, or it is done."""


class FakeDesk(FakePartner):
    """ShipStation V1 with every store of an account; what the port shows is of the store `store_id` only.

    Args:
        store_id: Our store.
        clock: The time, unless `now` is set.

    Attributes:
        tell: Carries a mark to the sales channel; its answer is the error, empty for none.
        channel_delay: How long after a mark the channel is told.
    """

    def __init__(self, store_id: str = STORE_ID, *, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(self._time)
        self.store_id = store_id
        self.orders: dict[str, ShipStationOrder] = {}
        self.written: list[Written] = []
        self.marks: list[Mark] = []
        """Every mark that had an effect, in order."""
        self.tell: Callable[[Mark], str] = lambda _mark: ""
        self.channel_delay = timedelta()
        self._now: datetime | None = None
        self._given_clock = clock
        self._order_ids = itertools.count(900000001)
        self._batches = itertools.count(1)
        self._behind: dict[Resource, tuple[str, ...]] = {}

    @property
    def now(self) -> datetime:
        """The time here. Setting it stops the clock there."""
        return self._time()

    @now.setter
    def now(self, at: datetime) -> None:
        self._now = at

    # -- the port -----------------------------------------------------------------------------------------------

    def read_order(self, shipstation_id: str) -> ShipStationOrder | None:
        with self._call("read_order"):
            return self.orders.get(shipstation_id)

    def orders_numbered(self, number: str) -> tuple[ShipStationOrder, ...]:
        with self._call("orders_numbered"):
            return tuple(each for each in self._ours() if each.number == number)

    def orders_changed_since(self, since: datetime) -> Iterator[ShipStationOrder]:
        with self._call("orders_changed_since"):
            found = [each for each in self._ours() if each.modified_at >= since]
            return iter(sorted(found, key=lambda each: each.modified_at))

    def orders_behind(self, resource: Resource) -> Iterator[ShipStationOrder]:
        with self._call("orders_behind"):
            ids = self._named(resource, {"orders"})
            return iter([each for each in self._ours() if each.id in ids])

    def labelled_behind(self, resource: Resource) -> Iterator[str]:
        with self._call("labelled_behind"):
            ids = self._named(resource, {"shipments", "fulfillments"})
            return iter([each.id for each in self._ours() if each.id in ids])

    def mark_shipped(self, mark: Mark) -> None:
        with self._call("mark_shipped"):
            order = self.orders.get(mark.order_id)
            if order is None:
                message = "the order does not exist"
                raise RejectedByPartnerError(message, partner="shipstation", http_status=404)
            if order.status == "shipped":
                return
            if order.status == "cancelled":
                message = "the order is cancelled"
                raise RejectedByPartnerError(message, partner="shipstation", http_status=400)
            self.marks.append(mark)
            self._write(mark.order_id, mark.number, mark)

    def fulfillments_since(self, since: datetime) -> Iterator[ShipStationFulfillment]:
        with self._call("fulfillments_since"):
            return iter([each for each in self._fulfillments() if each.created_at >= since])

    def fulfillments_of(self, shipstation_id: str) -> tuple[ShipStationFulfillment, ...]:
        with self._call("fulfillments_of"):
            return tuple(each for each in self._fulfillments() if each.order_id == shipstation_id)

    # -- what imports and people do ------------------------------------------------------------------------------

    def put(self, *orders: ShipStationOrder) -> None:
        """Put orders into the book as they are, or change them; their `modified_at` is the time of the change."""
        with self._lock:
            self.orders.update({order.id: order for order in orders})

    def import_orders(self, *orders: ShipStationOrder) -> Resource:
        """Put orders into the book in one import, and give what ORDER_NOTIFY points at."""
        self.put(*orders)
        guid = f"00000000-0000-4000-8000-{next(self._batches):012}"
        return self._point(Resource(ORIGIN, "orders", (("importBatch", guid),)), *(order.id for order in orders))

    def hold(self, order_id: str, until: str = "2027-01-01") -> None:
        self.change(order_id, status="on_hold", held_until=until)

    def release(self, order_id: str) -> None:
        self.change(order_id, status="awaiting_shipment", held_until="")

    def cancel(self, order_id: str) -> None:
        self.change(order_id, status="cancelled")

    def change(self, order_id: str, **changes: object) -> None:
        """Change an order now; no webhook says so."""
        with self._lock:
            changed = replace(self.orders[order_id], **{"modified_at": self.now} | changes)  # type: ignore[arg-type]
            self.orders[order_id] = changed

    def split(self, order_id: str, *parts: Mapping[str, int]) -> tuple[str, ...]:
        """Move units (line key → units) into new orders of the same number; gives the new orders' ids."""
        with self._lock:
            whole = self.orders[order_id]
            moved: Counter[str] = Counter()
            ids = []
            for part in parts:
                moved.update(part)
                ids.append(str(next(self._order_ids)))
                lines = tuple(replace(line, quantity=part[line.key]) for line in whole.lines if part.get(line.key))
                key = f"{whole.key}-{len(ids) + 1}"
                self.put(replace(whole, id=ids[-1], key=key, lines=lines, parent_id=order_id, modified_at=self.now))
            left = [replace(line, quantity=line.quantity - moved[line.key]) for line in whole.lines]
            self.change(order_id, lines=tuple(line for line in left if line.quantity or not line.goods))
            return tuple(ids)

    def merge(self, order_id: str, *others: str) -> None:
        """Put other orders' lines into one; the others disappear."""
        with self._lock:
            gone = [self.orders.pop(other) for other in others]
            lines = (*self.orders[order_id].lines, *(line for order in gone for line in order.lines))
            self.change(order_id, lines=lines, merged_ids=(*self.orders[order_id].merged_ids, *others))

    def label(self, *order_ids: str) -> Resource:
        """Buy labels in ShipStation itself: shipped, without a fulfillment; gives what SHIP_NOTIFY points at."""
        for order_id in order_ids:
            self.change(order_id, status="shipped")
        resource = Resource(ORIGIN, "shipments", (("batchId", str(next(self._batches))), ("storeID", self.store_id)))
        return self._point(resource, *order_ids)

    def mark(self, order_id: str, number: str = "", *, channel_told: bool = False) -> None:
        """Mark an order as shipped by hand."""
        with self._lock:
            self._write(order_id, number)
            self.written[-1].fulfillment = replace(self.written[-1].fulfillment, channel_told=channel_told)

    def void(self, order_id: str) -> None:
        """Void every fulfillment of an order, which is open again."""
        with self._lock:
            for each in self.written:
                if each.fulfillment.order_id == order_id:
                    each.fulfillment = replace(each.fulfillment, voided=True)
            self.change(order_id, status="awaiting_shipment")

    # -- inside -------------------------------------------------------------------------------------------------

    def _time(self) -> datetime:
        return self._now or self._given_clock()

    def _ours(self) -> Sequence[ShipStationOrder]:
        return [each for each in self.orders.values() if each.store_id == self.store_id]

    def _point(self, resource: Resource, *order_ids: str) -> Resource:
        with self._lock:
            self._behind[resource] = order_ids
        return resource

    def _named(self, resource: Resource, kinds: set[str]) -> frozenset[str]:
        stores = {value for name, value in resource.query if name == "storeID"}
        if resource.origin != ORIGIN or resource.kind not in kinds or stores - {self.store_id}:
            raise ForeignAddressError
        return frozenset(self._behind.get(resource, ()))

    def _write(self, order_id: str, number: str, mark: Mark | None = None) -> None:
        self.change(order_id, status="shipped", held_until="")
        tell_at = self.now + self.channel_delay if mark and mark.notify_channel else None
        self.written.append(Written(ShipStationFulfillment(order_id, number, self.now), mark, tell_at))
        self._tell_channel()

    def _tell_channel(self) -> None:
        for each in self.written:
            if each.mark and each.tell_at and each.tell_at <= self.now:
                each.tell_at = None
                error = self.tell(each.mark)
                each.fulfillment = replace(each.fulfillment, channel_told=not error, error=error)

    def _fulfillments(self) -> list[ShipStationFulfillment]:
        self._tell_channel()
        return [each.fulfillment for each in self.written if each.fulfillment.order_id in self.orders]
