"""Shopify and Jetpack in memory. Each passes the same contract suite as the adapter against the simulator."""

from __future__ import annotations

import bisect
import itertools
from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import TYPE_CHECKING

from jetbridge.domain.order import Catalogue, Fulfillment, FulfillmentHold, JetpackOrder, JetpackShipment, SeenAtJetpack
from jetbridge.domain.stock import JetpackStock, ShopifyStock, shippable
from jetbridge.errors import DuplicateReferenceError, RejectedByPartnerError
from jetbridge.ports import Cancellation, Change, ChangedOrder, ParcelTracking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from jetbridge.domain.identifiers import LineId, OrderId
    from jetbridge.domain.order import Address, FulfillmentOrder, Order
    from jetbridge.domain.stock import StockChange
    from jetbridge.errors import PartnerError
    from jetbridge.ports import MirroredHold, NewJetpackOrder, ParcelAnnouncement, TrackingNumber

UNKNOWN_SHIPMENT = "Jetpack does not know the shipment"
# Shopify's words (facts/shopify.md section 6).
UNKNOWN = "Fulfillment order does not exist."
UNKNOWN_FULFILLMENT = "Fulfillment does not exist."
CLOSED = "Fulfillment order has an unfulfillable status= closed."
HELD = "Fulfillment order has an unfulfillable status= on_hold."
OPEN_ACTIONS = frozenset({"CREATE_FULFILLMENT", "HOLD", "MOVE"})
TOO_MANY = "Invalid fulfillment order line item quantity requested."
NOT_HOLDABLE = "The fulfillment order is not in a state to be held."
UNKNOWN_ORDER = "Order does not exist"
LONG_TAG = "Each tag must be no longer than 40 characters"
LONGEST_TAG, LONGEST_NOTE, MOST_HOLDS = 40, 5000, 10


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Fault:
    """An error instead of the answer, before the effect or after it."""

    error: PartnerError
    after: bool = False


class FakePartner:
    """What both fakes share: a lock, counted calls, and faults, for the next call or drawn for every one."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self.calls: Counter[str] = Counter()
        self.draw_fault: Callable[[str], Fault | None] = lambda _call: None
        self._clock = clock
        self._lock = RLock()
        self._faults: dict[str, deque[Fault]] = {}

    def fail(self, call: str, error: PartnerError, *, after: bool = False) -> None:
        """Let the next call of this name fail."""
        self._faults.setdefault(call, deque()).append(Fault(error, after))

    @contextmanager
    def _call(self, name: str) -> Iterator[None]:
        with self._lock:
            self.calls[name] += 1
            waiting = self._faults.get(name)
            fault = waiting.popleft() if waiting else self.draw_fault(name)
            if fault and not fault.after:
                raise fault.error
            yield
            if fault:
                raise fault.error


class FakeWarehouse(FakePartner):
    """Jetpack. References are unique for ever; reads show a change `lag` after it was made.

    `split` deals an order's units into parcels: (new order) → SKU to units, one for each shipment.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] = utc_now,
        lag: timedelta = timedelta(),
        split: Callable[[NewJetpackOrder], Sequence[Mapping[str, int]]] | None = None,
    ) -> None:
        super().__init__(clock)
        self.lag = lag
        self.split = split or (lambda new: [_units(new)])
        self.skus: dict[str, bool] = {}
        self.ship_options: dict[str, bool] = {"Standard": True}
        self.levels: dict[str, JetpackStock] = {}
        self.bundles: dict[str, Mapping[str, int]] = {}
        """Bundle → what one unit is packed from, SKU to units."""
        self.without_customs: set[str] = set()
        self.locations: dict[str, str] = {"9": "Bethlehem (PA)", "156": "Ontario 6 (CA)"}
        self.channel_id = "7"
        """Ours: what the tests' stores are connected with."""
        self.orders: dict[str, JetpackOrder] = {}
        self.received: dict[str, NewJetpackOrder] = {}
        """Reference → what was sent when it was created."""
        self.made_by_orders: list[str] = []
        """SKUs and ship options that nobody had set up: what a typo does at Jetpack."""
        self.addresses: dict[str, tuple[Address, str]] = {}
        """Shipment → where it goes, and the e-mail address, once that was changed."""
        self.services: dict[str, str] = {}
        """Shipment → the ship option it leaves by, once that was changed."""
        self._ids = itertools.count(60000001)
        self._shipment_ids = itertools.count(70000001)
        self._references: dict[str, str] = {}
        self._shipments: dict[str, str] = {}
        self._shown: dict[str, list[tuple[datetime, JetpackOrder]]] = {}
        self._inserted: list[SeenAtJetpack] = []
        self._before_hold: dict[str, JetpackShipment] = {}
        self._scans: dict[str, ParcelTracking] = {}

    # -- the port -----------------------------------------------------------------------------------------------

    def create_order(self, new: NewJetpackOrder) -> JetpackOrder:
        with self._call("create_order"):
            if new.location and new.location not in self.locations:
                raise RejectedByPartnerError(partner="jetpack", code="no_location")
            if new.reference in self._references:
                raise DuplicateReferenceError(partner="jetpack", http_status=422)
            for sku in {line[1] for line in new.lines} - self.skus.keys():
                self.made_by_orders.append(sku)
                self.skus[sku] = True
            if new.ship_option not in self.ship_options:
                self.made_by_orders.append(new.ship_option)
                self.ship_options[new.ship_option] = True
            created = JetpackOrder(
                id=str(next(self._ids)),
                reference=new.reference,
                shipments=tuple(
                    JetpackShipment(
                        str(next(self._shipment_ids)),
                        "Processing",
                        items=tuple(units.items()),
                        location=self.locations.get(new.location, ""),
                    )
                    for units in self.split(new)
                ),
                products=tuple((sku, quantity) for _, sku, _, quantity, _ in new.lines),
                shipping_method=new.ship_option,
                number=new.number,
            )
            self.received[new.reference] = new
            self._insert(new.reference, new.number, self.channel_id)
            self._references[new.reference] = created.id
            self._shipments.update({shipment.id: created.id for shipment in created.shipments})
            self._keep(created)
            return created

    def find_order(self, reference: str) -> JetpackOrder | None:
        with self._call("find_order"):
            found = self._references.get(reference)
            return self._seen(found) if found else None

    def read_order(self, jetpack_order_id: str) -> JetpackOrder | None:
        with self._call("read_order"):
            return self._seen(jetpack_order_id)

    def order_of_shipment(self, shipment_id: str) -> str | None:
        with self._call("order_of_shipment"):
            order_id = self._shipments.get(shipment_id)
            return order_id if order_id and self._seen(order_id) else None

    def cancel_order(self, jetpack_order_id: str) -> Cancellation:
        with self._call("cancel_order"):
            order = self.orders.get(jetpack_order_id)
            if order is None:
                return Cancellation(confirmed=False, reasons=("Jetpack does not know the order",))
            left = [each for each in order.shipments if each.picked and not each.cancelled]
            self.change(
                jetpack_order_id,
                lambda shipment: shipment if shipment in left else replace(shipment, status="Cancelled", details=()),
            )
            return Cancellation(confirmed=not left, reasons=tuple(f"shipment {each.id} is picked" for each in left))

    def cancel_shipment(self, shipment_id: str) -> Cancellation:
        with self._call("cancel_shipment"):
            shipment = self._now(shipment_id)
            if shipment is None:
                return Cancellation(confirmed=False, reasons=(UNKNOWN_SHIPMENT,))
            if shipment.picked and not shipment.cancelled:
                return Cancellation(confirmed=False, reasons=(f"shipment {shipment_id} is picked",))
            self._change_one(shipment_id, status="Cancelled", details=())
            return Cancellation(confirmed=True)

    def change_address(self, shipment_id: str, recipient: Address, email: str) -> Change:
        with self._call("change_address"):
            change = self._editable(shipment_id)
            if change.done:
                self.addresses[shipment_id] = (recipient, email)
                self._lift(shipment_id, {"InvalidAddress"})
            return change

    def change_ship_option(self, shipment_ids: Sequence[str], ship_option: str) -> dict[str, Change]:
        with self._call("change_ship_option"):
            if not self.ship_options.get(ship_option):
                raise RejectedByPartnerError(partner="jetpack", code="no_ship_option")
            changes = {each: self._editable(each) for each in shipment_ids}
            self.services.update({each: ship_option for each, change in changes.items() if change.done})
            return changes

    def hold_shipments(self, shipment_ids: Sequence[str]) -> dict[str, Change]:
        with self._call("hold_shipments"):
            changes = {each: self._editable(each) for each in shipment_ids}
            for each, change in changes.items():
                if change.done:
                    self.hold(each, "Manual")
            return changes

    def release_shipments(self, shipment_ids: Sequence[str]) -> dict[str, Change]:
        with self._call("release_shipments"):
            changes = {each: Change(done=False, reason=UNKNOWN_SHIPMENT) for each in shipment_ids}
            for each in changes.keys() & self._shipments.keys():
                still_held = self._lift(each, {"Manual", "AutoProcessingPause"})
                changes[each] = Change(done=True, reason="still on hold for other reasons" if still_held else "")
            return changes

    def tracking(self, shipment_ids: Sequence[str]) -> Iterator[ParcelTracking]:
        with self._call("tracking"):
            return iter([self._scans[each] for each in dict.fromkeys(shipment_ids) if each in self._scans])

    def catalogue(self, skus: frozenset[str], ship_options: frozenset[str], *, with_stock: bool = False) -> Catalogue:
        with self._call("catalogue"):
            return Catalogue(
                skus={sku: self.skus[sku] for sku in skus if sku in self.skus},
                ship_options={name: self.ship_options[name] for name in ship_options if name in self.ship_options},
                sellable={sku: self._sellable(sku) for sku in skus} if with_stock else None,
                without_customs=skus & self.without_customs,
            )

    def orders_since(self, since: datetime) -> Iterator[SeenAtJetpack]:
        with self._call("orders_since"):
            shown = self._clock() - self.lag
            return iter([each for each in self._inserted if since <= each.inserted_at <= shown])

    def stock(self) -> Iterator[JetpackStock]:
        with self._call("stock"):
            return iter(list(self.levels.values()))

    # -- what happens in the building ---------------------------------------------------------------------------

    def add_product(
        self, sku: str, on_hand: int = 0, *, active: bool = True, components: Mapping[str, int] | None = None
    ) -> None:
        with self._lock:
            self.skus[sku] = active
            self.levels[sku] = JetpackStock(sku, on_hand, on_hand, 0)
            if components:
                self.bundles[sku] = components

    def add_foreign_order(self, reference: str, number: str = "", channel_id: str = "778899") -> None:
        """Let another application forward an order; its reference is taken from now on."""
        with self._lock:
            self._references[reference] = ""
            self._insert(reference, number, channel_id)

    def change(self, jetpack_order_id: str, how: Callable[[JetpackShipment], JetpackShipment]) -> None:
        """Change every shipment of an order."""
        with self._lock:
            order = self.orders[jetpack_order_id]
            self._keep(replace(order, shipments=tuple(how(shipment) for shipment in order.shipments)))

    def pick(self, shipment_id: str) -> None:
        self._change_one(shipment_id, status="Processing", details=("Picked",))

    def ship(self, shipment_id: str, number: str, carrier: str = "UPS") -> None:
        url = f"https://track.example.test/{number}"
        self._change_one(
            shipment_id,
            status="Completed",
            details=("Processing",),
            tracking_number=number,
            carrier=carrier,
            tracking_url=url,
        )
        self.scan(shipment_id, "PreTransit")

    def add_parcel(self, jetpack_order_id: str, number: str) -> None:
        """Let another parcel leave for an order whose units all were in earlier ones."""
        with self._lock:
            order = self.orders[jetpack_order_id]
            shipment = JetpackShipment(str(next(self._shipment_ids)), "Processing")
            self._shipments[shipment.id] = order.id
            self._keep(replace(order, shipments=(*order.shipments, shipment)))
            self.ship(shipment.id, number)

    def scan(self, shipment_id: str, status: str) -> None:
        with self._lock:
            shipment = self._now(shipment_id)
            assert shipment
            self._scans[shipment_id] = ParcelTracking(
                shipment_id,
                status,
                shipment.tracking_number,
                shipment.carrier,
                shipment.tracking_url,
                self._clock(),
            )

    def deliver(self, shipment_id: str) -> None:
        self._change_one(shipment_id, details=("Delivered",), delivered=True)
        self.scan(shipment_id, "Delivered")

    def hold(self, shipment_id: str, name: str = "InvalidAddress") -> None:
        with self._lock:
            shipment = self._now(shipment_id)
            assert shipment
            held = shipment.details if shipment.status == "OnHold" else ()
            if not held:
                self._before_hold[shipment_id] = shipment
            self._change_one(shipment_id, status="OnHold", details=tuple(dict.fromkeys((*held, name))))

    def cancel_by_person(self, shipment_id: str) -> None:
        self._change_one(shipment_id, status="Cancelled", details=())

    def _insert(self, reference: str, number: str, channel_id: str) -> None:
        self._inserted.append(SeenAtJetpack(reference, number or reference, channel_id, self._clock()))

    def _sellable(self, sku: str) -> int:
        parts = self.bundles.get(sku, {sku: 1})
        if not all(self.skus.get(each) and each in self.levels for each in (sku, *parts)):
            return 0
        return min(max(0, shippable(self.levels[each])) // units for each, units in parts.items())

    def _now(self, shipment_id: str) -> JetpackShipment | None:
        order = self.orders.get(self._shipments.get(shipment_id, ""))
        return next((each for each in order.shipments if each.id == shipment_id), None) if order else None

    def _editable(self, shipment_id: str) -> Change:
        shipment = self._now(shipment_id)
        if shipment is None:
            return Change(done=False, reason=UNKNOWN_SHIPMENT)
        if shipment.picked or shipment.cancelled:
            return Change(done=False, reason="shipment is picked or cancelled")
        return Change(done=True)

    def _lift(self, shipment_id: str, names: set[str]) -> bool:
        """Take reasons to hold away; whether others are left."""
        shipment = self._now(shipment_id)
        if shipment is None or shipment.status != "OnHold":
            return False
        left = tuple(name for name in shipment.details if name not in names)
        before = self._before_hold.get(shipment_id)
        if left:
            self._change_one(shipment_id, details=left)
        else:
            status, details = (before.status, before.details) if before else ("Processing", ())
            self._change_one(shipment_id, status=status, details=details)
        return bool(left)

    def _change_one(self, shipment_id: str, **changes: object) -> None:
        with self._lock:
            self.change(
                self._shipments[shipment_id],
                lambda each: replace(each, **changes) if each.id == shipment_id else each,  # type: ignore[arg-type]
            )

    def _keep(self, order: JetpackOrder) -> None:
        now = self._clock()
        self.orders[order.id] = order
        shown = self._shown.get(order.id, [])
        seen = [each for each in shown if each[0] <= now][-1:]  # what is superseded is never shown again
        waiting = [each for each in shown if each[0] > now]
        self._shown[order.id] = [*seen, *waiting, (now + self.lag, order)]

    def _seen(self, order_id: str) -> JetpackOrder | None:
        now = self._clock()
        return next((order for at, order in reversed(self._shown.get(order_id, ())) if at <= now), None)


class Changes:
    """When each thing changed last, found by time without looking at the others."""

    def __init__(self) -> None:
        self._last: dict[str, datetime] = {}
        self._by_time: list[tuple[datetime, str]] = []

    def note(self, at: datetime, name: str) -> None:
        self._last[name] = at
        bisect.insort(self._by_time, (at, name))

    def since(self, at: datetime) -> Iterator[tuple[datetime, str]]:
        start = bisect.bisect_left(self._by_time, (at, ""))
        seen = dict.fromkeys(self._by_time[start:])
        return (each for each in seen if self._last[each[1]] == each[0])


class FakeShop(FakePartner):
    """Shopify: orders that the test puts in, fulfilled by announcements."""

    def __init__(self, *, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(clock)
        self.orders: dict[str, Order] = {}
        self.announced: list[ParcelAnnouncement] = []
        """What customers were told, in order."""
        self.retold: list[tuple[str, tuple[TrackingNumber, ...], bool]] = []
        """Fulfillment, its numbers from then on, and whether the customer was told of them."""
        self.mirrored: dict[str, MirroredHold] = {}
        """Hold → what was said when it was placed; only ours that stand."""
        self.marks: dict[OrderId, tuple[str, ...]] = {}
        """Order → the references it is marked with."""
        self._before_hold: dict[str, FulfillmentOrder] = {}
        self.levels: dict[str, dict[str, ShopifyStock]] = {}
        """Location → inventory item id → its stock."""
        self._of_fulfillment_order: dict[str, OrderId] = {}
        self._changed_orders = Changes()
        self._changed_parts = Changes()
        self._answers: dict[str, dict[str, str]] = {}
        self._ids = itertools.count(1)

    def put(self, order: Order) -> None:
        """Put an order into the shop, or change it; its `updated_at` counts as the time of the change."""
        with self._lock:
            before = self.orders.get(order.id)
            known = {each.id: each for each in before.fulfillment_orders} if before else {}
            self.orders[order.id] = order
            self._changed_orders.note(order.updated_at, order.id)
            for each in order.fulfillment_orders:
                self._of_fulfillment_order[each.id] = order.id
                if each != known.get(each.id):
                    self._changed_parts.note(order.updated_at, each.id)

    # -- the port -----------------------------------------------------------------------------------------------

    def read_order(self, order_id: OrderId) -> Order | None:
        with self._call("read_order"):
            return self.orders.get(order_id)

    def read_order_of(self, fulfillment_order_id: str) -> Order | None:
        with self._call("read_order_of"):
            return self.orders.get(self._of_fulfillment_order.get(fulfillment_order_id, ""))

    def announce_parcel(self, announcement: ParcelAnnouncement) -> str:
        with self._call("announce_parcel"):
            parts = {part: dict(lines) for part, lines in announcement.lines if lines}
            order_ids = {self._of_fulfillment_order.get(part) for part in parts}
            order = self.orders.get(order_ids.pop() or "") if len(order_ids) == 1 else None
            if order is None or not parts.keys() <= {each.id for each in order.fulfillment_orders}:
                raise _refusal(UNKNOWN)
            units: Counter[LineId] = Counter()
            left = tuple(_sent(each, parts.get(each.id, {}), units) for each in order.fulfillment_orders)
            created = f"gid://shopify/Fulfillment/{next(self._ids)}"
            numbers = (announcement.number,) if announcement.number else ()
            fulfillment = Fulfillment(created, "SUCCESS", numbers, tuple(units.items()))
            self.put(
                replace(
                    order,
                    updated_at=self._clock(),
                    fulfillment_orders=left,
                    fulfillments=(*order.fulfillments, fulfillment),
                )
            )
            self.announced.append(announcement)
            return created

    def orders_named(self, name: str) -> tuple[OrderId, ...]:
        with self._call("orders_named"):
            wanted = _bare(name)
            return tuple(order.id for order in self.orders.values() if wanted and _bare(order.name) == wanted)

    def change_tracking(self, fulfillment_id: str, numbers: Sequence[TrackingNumber], *, notify_customer: bool) -> None:
        with self._call("change_tracking"):
            known = {each.id: order for order in self.orders.values() for each in order.fulfillments}
            if fulfillment_id not in known or not numbers:
                raise _refusal(UNKNOWN_FULFILLMENT)
            order, told = known[fulfillment_id], tuple(each.number for each in numbers)
            self.put(
                replace(
                    order,
                    updated_at=self._clock(),
                    fulfillments=tuple(
                        replace(each, tracking_numbers=told) if each.id == fulfillment_id else each
                        for each in order.fulfillments
                    ),
                )
            )
            self.retold.append((fulfillment_id, tuple(numbers), notify_customer))

    def hold(self, fulfillment_order_id: str, hold: MirroredHold) -> None:
        with self._call("hold"):
            order, part = self._part(fulfillment_order_id)
            if order is None or part is None:
                raise _refusal(UNKNOWN)
            ours = [each for each in part.holds if each.ours]
            if any(each.id in self.mirrored and self.mirrored[each.id].handle == hold.handle for each in ours):
                return
            if "HOLD" not in part.supported_actions or len(ours) >= MOST_HOLDS:
                raise _refusal(NOT_HOLDABLE)
            made = FulfillmentHold(f"gid://shopify/FulfillmentHold/{next(self._ids)}", hold.reason, ours=True)
            self.mirrored[made.id] = hold
            if not part.holds:
                self._before_hold[part.id] = part
            actions = frozenset({"RELEASE_HOLD", "HOLD", "MOVE"})
            held = replace(part, status="ON_HOLD", supported_actions=actions, holds=(*part.holds, made))
            self._put_part(order, held)

    def release_holds(self, fulfillment_order_id: str, hold_ids: Sequence[str]) -> None:
        with self._call("release_holds"):
            order, part = self._part(fulfillment_order_id)
            left = tuple(each for each in part.holds if each.id not in hold_ids) if part else ()
            if order is None or part is None or left == part.holds:
                return
            for gone in set(part.holds) - set(left):
                self.mirrored.pop(gone.id, None)
            released = replace(part, holds=left)
            if not left:
                before = self._before_hold.pop(part.id, replace(part, status="OPEN", supported_actions=OPEN_ACTIONS))
                released = replace(released, status=before.status, supported_actions=before.supported_actions)
            self._put_part(order, released)

    def add_tags(self, order_id: OrderId, tags: Sequence[str]) -> None:
        with self._call("add_tags"):
            order = self._known(order_id)
            if any(len(tag) > LONGEST_TAG for tag in tags):
                raise _refusal(LONG_TAG)
            have = {tag.lower() for tag in order.tags}
            new = {tag.strip().lower(): tag.strip() for tag in tags}
            self._change(order, tags=_in_order((*order.tags, *(new[each] for each in new.keys() - have if each))))

    def remove_tags(self, order_id: OrderId, tags: Sequence[str]) -> None:
        with self._call("remove_tags"):
            order, gone = self._known(order_id), {tag.strip().lower() for tag in tags}
            self._change(order, tags=tuple(tag for tag in order.tags if tag.lower() not in gone))

    def set_note(self, order_id: OrderId, note: str) -> None:
        with self._call("set_note"):
            order = self._known(order_id)
            if len(note) > LONGEST_NOTE:
                raise RejectedByPartnerError(partner="shopify", code="note_refused")
            self._change(order, note=note)

    def mark_forwarded(self, order_id: OrderId, references: Sequence[str]) -> None:
        with self._call("mark_forwarded"):
            order = self._known(order_id)
            if self.marks.get(order_id, ()) != tuple(references):
                self.marks[order_id] = tuple(references)
                self.put(replace(order, updated_at=self._clock()))

    def _part(self, fulfillment_order_id: str) -> tuple[Order | None, FulfillmentOrder | None]:
        order = self.orders.get(self._of_fulfillment_order.get(fulfillment_order_id, ""))
        parts = order.fulfillment_orders if order else ()
        return order, next((each for each in parts if each.id == fulfillment_order_id), None)

    def _known(self, order_id: OrderId) -> Order:
        if order_id not in self.orders:
            raise _refusal(UNKNOWN_ORDER)
        return self.orders[order_id]

    def _change(self, order: Order, **changes: object) -> None:
        """Change what an app may change; what stays the same moves no time."""
        changed = replace(order, **changes)  # type: ignore[arg-type]
        if changed != order:
            self.put(replace(changed, updated_at=self._clock()))

    def _put_part(self, order: Order, part: FulfillmentOrder) -> None:
        parts = tuple(part if each.id == part.id else each for each in order.fulfillment_orders)
        self.put(replace(order, updated_at=self._clock(), fulfillment_orders=parts))

    def orders_changed_since(self, since: datetime) -> Iterator[ChangedOrder]:
        with self._call("orders_changed_since"):
            found = [ChangedOrder(self.orders[each].id, at) for at, each in self._changed_orders.since(since)]
            return iter(found)

    def fulfillment_orders_changed_since(self, since: datetime) -> Iterator[ChangedOrder]:
        with self._call("fulfillment_orders_changed_since"):
            found = [
                ChangedOrder(self._of_fulfillment_order[part], at) for at, part in self._changed_parts.since(since)
            ]
            return iter(found)

    def stock(self, location_id: str) -> Iterator[ShopifyStock]:
        with self._call("stock"):
            return iter(list(self.levels.get(location_id, {}).values()))

    def set_available(
        self, location_id: str, changes: Sequence[StockChange], *, idempotency_key: str
    ) -> dict[str, str]:
        with self._call("set_available"):
            if idempotency_key in self._answers:
                return self._answers[idempotency_key]
            levels = self.levels.get(location_id, {})
            refused = {
                each.item_id: "CHANGE_FROM_QUANTITY_STALE" if each.item_id in levels else "INVALID_INVENTORY_ITEM"
                for each in changes
                if each.item_id not in levels or levels[each.item_id].available != each.change_from
            }
            if not refused:
                self._answers[idempotency_key] = {}
                for each in changes:
                    levels[each.item_id] = replace(levels[each.item_id], available=each.quantity)
            return refused


def _units(new: NewJetpackOrder) -> dict[str, int]:
    units: Counter[str] = Counter()
    for _, sku, _, quantity, _ in new.lines:
        units[sku] += quantity
    return dict(units)


def _sent(each: FulfillmentOrder, wanted: dict[str, int], units: Counter[LineId]) -> FulfillmentOrder:
    if not wanted:
        return each
    if each.closed or each.status == "ON_HOLD":
        raise _refusal(CLOSED if each.closed else HELD)
    remaining = {line.id: line.remaining for line in each.lines}
    if any(not 0 < quantity <= remaining.get(line, 0) for line, quantity in wanted.items()):
        raise _refusal(TOO_MANY)
    lines = tuple(replace(line, remaining=line.remaining - wanted.get(line.id, 0)) for line in each.lines)
    for line in each.lines:
        if wanted.get(line.id):
            units[line.line_id] += wanted[line.id]
    if any(line.remaining for line in lines):
        return replace(each, lines=lines)
    return replace(each, lines=lines, status="CLOSED", supported_actions=frozenset())


def _in_order(tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(tags, key=str.lower))


def _bare(name: str) -> str:
    return name.strip().removeprefix("#").casefold()


def _refusal(message: str) -> RejectedByPartnerError:
    return RejectedByPartnerError(message, partner="shopify")
