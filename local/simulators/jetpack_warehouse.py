"""The warehouse behind the simulated 3PL: orders, parcels, stock, and the people who work there."""

from __future__ import annotations

import copy
import hashlib
import heapq
import itertools
import time
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from local.simulators.jetpack_models import (
    CUSTOMS,
    NO_CUSTOMS,
    Content,
    Json,
    Line,
    Order,
    Shipment,
    Snapshot,
    Stage,
    detail_json,
    order_json,
    shipment_json,
    shipment_recipient,
)
from local.simulators.jetpack_stock import Catalogue
from local.simulators.jetpack_webhooks import Subscription, delivery
from local.simulators.server import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

type Which = int | str
"""A shipment id, an order id, or an order's reference: what a warehouse method works on."""

STANDARD_SERVICE_ID = 3
# Service level id -> (its name in the method list, its text on a shipment). They differ (facts section 9).
SERVICE_LEVELS: Mapping[int, tuple[str, str]] = {
    3: ("Standard (Ground)", "Ground"),
    5: ("UPS Ground", "UPS Ground"),
    8: ("(FedEx 1 Day)", "1 Day"),
    9: ("(FedEx 2 Day)", "2 Day"),
    49: ("Global E DDP Expedited", "GlobalEDDPExpedited"),
    146: ("ShipBob Economy", "ShipBob Economy"),
}
OTHER_CHANNEL: Json = {"id": 778899, "name": "Another Forwarder"}


class Warehouse(Simulator):
    """What happens inside the building, callable from tests and demos; all methods are thread-safe."""

    def __init__(  # noqa: PLR0913 - the settings of a partner
        self,
        *,
        channel_id: int,
        webhook_secret: str,
        webhook_address: str | None,
        read_delay_seconds: float,
        stock_delay_seconds: float,
        process_after_seconds: float | None,
        shipped_webhook: Literal["all_labels", "each_label"],
        split: Callable[[str, int], int] | None,
        port: int,
        seed: int,
    ) -> None:
        """Start with an empty building; the meaning of each setting is told in `JetpackSimulator`."""
        super().__init__(port=port, seed=seed)
        self.channel: Json = {"id": channel_id, "name": "Jetbridge"}
        self.webhook_address = webhook_address
        self.webhook_secrets: tuple[str, ...] = (webhook_secret,)
        self.webhook_clock: Callable[[], float] = time.time
        self.read_delay_seconds = read_delay_seconds
        self.process_after_seconds = process_after_seconds
        self.shipped_webhook = shipped_webhook
        self.split_into = split
        self.standardises_addresses = False
        self.auto_processing_pause = False
        self.catalogue = Catalogue(self.now, stock_delay_seconds, lambda number: self._blocked_units[number])
        self.orders: dict[int, Order] = {}
        self.orders_by_reference: dict[str, Order] = {}
        self.shipments: dict[int, Shipment] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.shipping_methods: list[Json] = []
        self.shipping_methods_made_by_orders: list[str] = []
        self.attempts: dict[str, list[tuple[str, int]]] = {}
        self.unknown_fields: Counter[str] = Counter()
        self._blocked: dict[int, Counter[int]] = {}
        self._blocked_units: Counter[int] = Counter()
        self._intake: list[tuple[datetime, int]] = []
        self.splits: dict[str, int] = {}
        self._order_ids = itertools.count(60000001)
        self._shipment_ids = itertools.count(70000001)
        self._method_ids = itertools.count(5001)
        self.webhook_ids = itertools.count(301)
        self.has_tracking_is_broken = False
        self.tracks_as_in_april = False
        for name, service in (("Standard", 3), ("Ground", 3), ("Overnight", 8), ("2-Day", 9), ("Economy", 146)):
            self.add_shipping_method(name, service, default=True)

    # -- what the merchant sets up in the dashboard -----------------------------------------------

    def add_product(
        self,
        sku: str,
        on_hand: int | Mapping[int, int] = 0,
        active: bool = True,  # noqa: FBT001, FBT002 - reads well where it is called
        *,
        name: str | None = None,
        components: Mapping[str, int] | None = None,
    ) -> Json:
        """Add a product with stock in the first centre, or by centre id; `components` (SKU to units) make a kit.

        Its customs data are filled in; those of a product that an order made are not.
        """
        with self.lock:
            parts = {self.catalogue.by_sku[part].inventory_id: units for part, units in (components or {}).items()}
            product = self.catalogue.add(sku, name or sku, active=active, components=parts)
            product.customs = dict(CUSTOMS)
            shelves = on_hand if not isinstance(on_hand, int) else {self.catalogue.centres[0].id: on_hand}
            for centre_id, units in shelves.items():
                self.catalogue.shelf(product.inventory_id, self.catalogue.centre(int(centre_id)).id).on_hand = units
            self.catalogue.publish([product.inventory_id], delayed=False)
            return {"id": product.id, "variant_id": product.variant_id, "inventory_id": product.inventory_id}

    def set_stock(self, sku: str, on_hand: int, location_id: int | None = None) -> None:
        """Count a shelf anew; orders out of stock are tried again, oldest first."""
        with self.lock:
            product = self.catalogue.by_sku[sku]
            centre = self.catalogue.centre(location_id) if location_id else self.catalogue.centres[0]
            self.catalogue.shelf(product.inventory_id, centre.id).on_hand = on_hand
            self.catalogue.publish([product.inventory_id])
            for shipment_id in sorted(self._blocked):
                shipment = self.shipments[shipment_id]
                if "OutOfStock" in shipment.exceptions and not shipment.holds:
                    self._clear(shipment, "OutOfStock")

    def set_active(self, sku: str, *, active: bool) -> None:
        """Activate or deactivate a product; orders made from now on feel it."""
        with self.lock:
            self.catalogue.by_sku[sku].active = active

    def set_digital(self, sku: str, *, digital: bool = True) -> None:
        """Say that nothing leaves the building for a product."""
        with self.lock:
            self.catalogue.by_sku[sku].digital = digital

    def set_customs(self, sku: str, customs: Mapping[str, Any] | None) -> None:
        """Declare a product as filled in, and nothing besides; None leaves customs out of what the list says."""
        with self.lock:
            self.catalogue.by_sku[sku].customs = None if customs is None else NO_CUSTOMS | dict(customs)

    def add_shipping_method(
        self, name: str, service_level_id: int = STANDARD_SERVICE_ID, *, active: bool = True, default: bool = False
    ) -> None:
        """Add a row to the ship option mapping."""
        with self.lock:
            level = {"id": service_level_id, "name": SERVICE_LEVELS[service_level_id][0]}
            self.shipping_methods.append(
                {
                    "id": next(self._method_ids),
                    "name": name,
                    "active": active,
                    "default": default,
                    "service_level": level,
                }
            )

    def set_shipping_method(self, name: str, *, active: bool = True, service_level_id: int | None = None) -> None:
        """Change a row of the ship option mapping; rows are never deleted."""
        with self.lock:
            row = next(row for row in self.shipping_methods if row["name"] == name)
            level = service_level_id or row["service_level"]["id"]
            changed = row | {"active": active, "service_level": {"id": level, "name": SERVICE_LEVELS[level][0]}}
            self.shipping_methods[self.shipping_methods.index(row)] = changed

    # -- intake -----------------------------------------------------------------------------------

    def accept_order(self, sent: Json, channel: Json) -> Order:
        """Book an order that has passed every check: products and mapping rows appear as needed."""
        order = Order(
            id=next(self._order_ids),
            reference_id=sent["reference_id"],
            order_number=sent.get("order_number") or sent["reference_id"],
            channel=channel,
            created_at=self.now(),
            shipping_method=sent["shipping_method"],
            sent=copy.deepcopy(sent),
        )
        order.lines = [self._line(product) for product in order.sent["products"]]
        self.orders[order.id] = order
        self.orders_by_reference[order.reference_id] = order
        ship_option = self._resolve_ship_option(order.shipping_method)
        units_ordered = sum(line.quantity for line in order.lines)
        wanted = self.split_into(order.reference_id, units_ordered) if self.split_into else 1
        for units in deal(order.lines, self.splits.get(order.reference_id, wanted)):
            self.open_shipment(order, units, ship_option)
        self.publish(order)
        return order

    def begin_intake(self, order: Order) -> None:
        """Let a new order wait for its intake, or take it in at once (after its answer was written)."""
        if self.process_after_seconds is None:
            return
        heapq.heappush(self._intake, (order.created_at + timedelta(seconds=self.process_after_seconds), order.id))
        self.advance()

    def advance(self) -> None:
        """Do what the clock made due; called before every request and every warehouse method that reads state."""
        with self.lock:
            while self._intake and self._intake[0][0] <= self.now():
                self.take_in(self.orders[heapq.heappop(self._intake)[1]])

    def _line(self, sent: Json) -> Line:
        if "reference_id" in sent:
            known = self.catalogue.by_sku.get(sent["reference_id"])
            product = known or self.catalogue.add(sent["reference_id"], sent["name"], made_by_order=True)
        else:
            product = self.catalogue.by_id[sent["id"]]
        return Line(product, sent.get("reference_id", product.sku), sent["quantity"], sent)

    def _resolve_ship_option(self, text: str) -> str:
        # Exact text; no row means a new row that says Standard (facts section 9). What an inactive row does
        # is not documented: Standard too, the outcome that hurts a client who did not check.
        row = next((row for row in self.shipping_methods if row["name"] == text), None)
        if row is None:
            self.add_shipping_method(text)
            self.shipping_methods_made_by_orders.append(text)
        service_id = row["service_level"]["id"] if row and row["active"] else STANDARD_SERVICE_ID
        return SERVICE_LEVELS[service_id][1]

    def open_shipment(self, order: Order, units: Mapping[int, int], ship_option: str) -> Shipment:
        """Open a shipment for some units, product id to quantity."""
        pinned = order.sent.get("location_id")
        shipment = Shipment(
            id=next(self._shipment_ids),
            order=order,
            centre=self.catalogue.centre(pinned) if pinned else self.catalogue.centres[0],
            contents=[self._content(product_id, quantity) for product_id, quantity in units.items()],
            recipient=shipment_recipient(order.sent["recipient"]),
            ship_option=ship_option,
            created_at=self.now(),
        )
        shipment.log(self.now(), 19)
        shipment.log(self.now(), 601)
        shipment.log(self.now(), 21)
        self.shipments[shipment.id] = shipment
        order.shipments.append(shipment)
        return shipment

    def _content(self, product_id: int, quantity: int) -> Content:
        product = self.catalogue.by_id[product_id]
        return Content(product, quantity, self.catalogue.items_of(product, quantity))

    def take_in(self, order: Order) -> None:
        """Move an order out of ImportReview: allocate, block or hold it, and announce a block."""
        # Not counted as a change: last_update_at stays null until somebody touches the shipment, which is
        # why a window over update times misses new orders (facts section 10).
        for shipment in order.shipments:
            if shipment.stage != Stage.IMPORTED:
                continue
            before = shipment.status
            shipment.stage = Stage.PROCESSING
            shipment.log(self.now(), 13)
            if self.standardises_addresses:
                address = {name: value and value.upper() for name, value in shipment.recipient["address"].items()}
                shipment.recipient = shipment.recipient | {"address": address}
                shipment.log(self.now(), 132)
            if self.auto_processing_pause:
                # The pause reserves no stock (facts section 10).
                shipment.holds["AutoProcessingPause"] = detail_json("AutoProcessingPause")
            if not shipment.holds:
                self.allocate(shipment)
            self.mark_changed(shipment, touch=False)
            if shipment.status != before:
                self._announce_block(shipment)

    # -- stock of one shipment --------------------------------------------------------------------

    def allocate(self, shipment: Shipment) -> None:
        """Give a shipment its stock from one centre, or put it in exception for the lack of it."""
        inactive = [content.product for content in shipment.contents if not content.product.active]
        if inactive:
            shipment.exceptions["InactiveSku"] = [
                detail_json("InactiveSku", inventory_id=product.inventory_id) for product in inactive
            ]
        else:
            pinned = shipment.order.sent.get("location_id")
            centres = [shipment.centre] if pinned else [shipment.centre, *self.catalogue.centres]
            able = next((centre for centre in centres if not self.catalogue.short(shipment.items, centre.id)), None)
            if able:
                shipment.centre = able
                self.catalogue.commit(shipment.items, able.id)
                shipment.log(self.now(), 613)
            else:
                shipment.exceptions["OutOfStock"] = [
                    detail_json("OutOfStock", inventory_id=number, centre_id=shipment.centre.id)
                    for number in self.catalogue.short(shipment.items, shipment.centre.id)
                ]
        self._count(shipment)

    def replace_contents(self, shipment: Shipment, contents: list[Content]) -> None:
        """Change what is in an unpicked shipment, and look for stock unless it is on hold."""
        self.release_stock(shipment)
        shipment.contents = contents
        shipment.exceptions.clear()
        if shipment.stage == Stage.PROCESSING and not shipment.holds:
            self.allocate(shipment)
        self.mark_changed(shipment)
        if shipment.status == "Exception":
            self.announce("order.shipment.exception", shipment)

    def channels(self) -> list[Json]:
        """Every channel of the merchant, with what the token may do there."""
        raise NotImplementedError

    def release_stock(self, shipment: Shipment) -> None:
        """Give a shipment's stock back."""
        self.catalogue.release(shipment.items, shipment.centre.id)
        self._count(shipment)

    def _count(self, shipment: Shipment) -> None:
        before = self._blocked.pop(shipment.id, Counter())
        self._blocked_units.subtract(before)
        if shipment.exceptions and shipment.is_open:
            waiting: Counter[int] = Counter()
            for item in shipment.items:
                waiting[item.inventory_id] += item.quantity - item.committed
            self._blocked[shipment.id] = waiting
            self._blocked_units.update(waiting)
        self.catalogue.publish({*before, *(item.inventory_id for item in shipment.items)})

    def _clear(self, shipment: Shipment, name: str) -> None:
        before = shipment.exceptions.pop(name, None)
        self.allocate(shipment)
        if shipment.exceptions.get(name) != before:
            self.mark_changed(shipment)

    # -- reads ------------------------------------------------------------------------------------

    def mark_changed(self, shipment: Shipment, *, touch: bool = True) -> None:
        """Let reads and (if `touch`) update windows know of a change."""
        if touch:
            shipment.last_update_at = self.now()
        self.publish(shipment.order)

    def publish(self, order: Order) -> None:
        """Write down what reads will show of an order, after the delay."""
        now = self.now()
        shipments = order.shipments
        snapshot = Snapshot(
            visible_at=now + timedelta(seconds=self.read_delay_seconds),
            body=order_json(order),
            updated_at=max((s.last_update_at for s in shipments if s.last_update_at), default=None),
            tracking_updated_at=max(
                (s.last_tracking_update_at for s in shipments if s.last_tracking_update_at), default=None
            ),
            has_tracking=any((s.tracking or {}).get("tracking_number") for s in shipments),
            is_tracking_uploaded=bool(shipments) and all(s.is_tracking_uploaded for s in shipments),
        )
        seen = [index for index, old in enumerate(order.published) if old.visible_at <= now]
        order.published = [*order.published[seen[-1] if seen else 0 :], snapshot]

    def visible(self, order: Order) -> Snapshot | None:
        """Give an order as reads show it now; None while it is too young, or after it was deleted."""
        now = self.now()
        if order.deleted:
            return None
        return next((snapshot for snapshot in reversed(order.published) if snapshot.visible_at <= now), None)

    def find_order(self, which: Which) -> Order:
        """Find an order by any of its names; KeyError for an unknown one."""
        self.advance()
        if which in self.shipments:
            return self.shipments[int(which)].order
        order = self.orders.get(which) if isinstance(which, int) else self.orders_by_reference.get(which)
        if order is None:
            message = f"no shipment or order {which!r}"
            raise KeyError(message)
        return order

    def find(self, which: Which) -> list[Shipment]:
        """Find one shipment by its id, or the live shipments of an order; KeyError for an unknown one."""
        order = self.find_order(which)
        if which in self.shipments:
            return [self.shipments[int(which)]]
        return [shipment for shipment in order.shipments if shipment.stage != Stage.CANCELLED]

    def own_shipment(self, shipment_id: int) -> Shipment | None:
        """Find a shipment that the token may change: of its own channel, and not deleted."""
        shipment = self.shipments.get(shipment_id)
        if shipment and not shipment.order.deleted and shipment.order.channel["id"] == self.channel["id"]:
            return shipment
        return None

    # -- holds and cancels, for the API and for people --------------------------------------------

    def place_hold(self, shipment: Shipment, name: str, messages: Sequence[str] = ()) -> None:
        """Add one reason to hold a shipment and announce it; a picked one is a ValueError."""
        if not shipment.is_open:
            message = f"shipment {shipment.id} is {shipment.stage.name.lower()}"
            raise ValueError(message)
        before = shipment.status
        shipment.holds[name] = detail_json(name, messages=tuple(messages))
        self.mark_changed(shipment)
        if before != "OnHold":
            self.announce("order.shipment.on_hold", shipment)

    def lift_holds(self, shipment: Shipment, names: Iterable[str]) -> None:
        """Remove reasons to hold; with the last one the shipment looks for stock again."""
        lifted = [shipment.holds.pop(name, None) for name in names]
        if not any(lifted):
            return
        lacks_stock = any(item.committed < item.quantity for item in shipment.items)
        if lacks_stock and not shipment.holds and not shipment.exceptions and shipment.stage == Stage.PROCESSING:
            self.allocate(shipment)
        self.mark_changed(shipment)
        if shipment.status == "Exception":
            self.announce("order.shipment.exception", shipment)

    def cancel_shipment(self, shipment: Shipment) -> str:
        """Cancel one unpicked shipment; gives the reason why not, or nothing."""
        if shipment.stage == Stage.CANCELLED:
            return "Shipment is already cancelled"
        if not shipment.is_open:
            return "Shipment has been picked, packed or shipped and can not be cancelled"
        shipment.stage = Stage.CANCELLED
        shipment.holds.clear()
        shipment.exceptions.clear()
        self.release_stock(shipment)
        self.mark_changed(shipment)
        return ""

    # -- webhooks ---------------------------------------------------------------------------------

    def announce(self, topic: str, shipment: Shipment) -> None:
        """Send a shipment topic to whoever subscribed to it."""
        self._send(topic, shipment_json(shipment), shipment.order.channel["id"])

    def announce_order(self, topic: str, order: Order) -> None:
        """Send an order topic to whoever subscribed to it."""
        self._send(topic, order_json(order), order.channel["id"])

    def _announce_block(self, shipment: Shipment) -> None:
        topic = {"OnHold": "order.shipment.on_hold", "Exception": "order.shipment.exception"}.get(shipment.status)
        if topic:
            self.announce(topic, shipment)

    def _send(self, topic: str, model: Json, channel_id: int) -> None:
        receivers = [known for known in self.subscriptions.values() if known.wants(topic, channel_id)]
        if self.webhook_address:
            # Set up "in the dashboard": every topic, of every channel.
            receivers.append(Subscription("", self.webhook_address, (topic,), self.webhook_secrets, ""))
        for receiver in receivers:
            self.deliver(delivery(receiver, topic, model, self.webhook_clock))

    # -- the auditor ------------------------------------------------------------------------------

    def count_attempt(self, reference: str, body: bytes, status: int) -> None:
        """Remember one create call that reached us, whatever became of it."""
        self.attempts.setdefault(reference, []).append((hashlib.sha256(body).hexdigest(), status))


def deal(lines: Sequence[Line], parcels: int) -> list[dict[int, int]]:
    """Deal the units of an order into parcels, product id to quantity; a line can be cut in two."""
    parcels = max(1, min(parcels, sum(line.quantity for line in lines)))
    if parcels == 1:
        whole: Counter[int] = Counter()
        for line in lines:
            whole[line.product.id] += line.quantity
        return [dict(whole)]
    units = [line.product.id for line in lines for _ in range(line.quantity)]
    return [dict(Counter(units[len(units) * n // parcels : len(units) * (n + 1) // parcels])) for n in range(parcels)]
