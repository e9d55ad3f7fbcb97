"""A Shopify shop's state and the rules that hold whoever acts: stock, routing, holds, moves, fulfillments."""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from local.simulators.shopify_records import (
    DeliveryProfile,
    Fulfillment,
    FulfillmentEvent,
    FulfillmentOrder,
    FulfillmentOrderLine,
    Hold,
    LineItem,
    Location,
    Metafield,
    Order,
    Product,
    ShippingMethod,
    ShippingZone,
    StockLevel,
    Tracking,
    big_numbers,
    gid,
)
from local.simulators.shopify_webhooks import Body, RestBodies, WebhookOutbox, fulfillment_order_reference, money

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence

type Parts = Sequence[tuple[FulfillmentOrderLine, int]]

# Names that Shopify knows, so that it makes the link by itself; spelling counts, capitals too. A few of the
# long list are enough here. The links are invented.
KNOWN_CARRIERS = {
    "Australia Post": "https://tracking.example/auspost/",
    "Canada Post": "https://tracking.example/canadapost/",
    "DHL Express": "https://tracking.example/dhl/",
    "DHL eCommerce": "https://tracking.example/dhl-ecommerce/",
    "DPD": "https://tracking.example/dpd/",
    "Evri": "https://tracking.example/evri/",
    "FedEx": "https://tracking.example/fedex/",
    "GLS": "https://tracking.example/gls/",
    "Lasership": "https://tracking.example/lasership/",
    "OnTrac": "https://tracking.example/ontrac/",
    "Pitney Bowes": "https://tracking.example/pitneybowes/",
    "Purolator": "https://tracking.example/purolator/",
    "Royal Mail": "https://tracking.example/royalmail/",
    "ShipBob": "https://tracking.example/shipbob/",
    "UPS": "https://tracking.example/ups/",
    "USPS": "https://tracking.example/usps/",
    "XPO Logistics": "https://tracking.example/xpo/",
}


class RefusedError(ValueError):
    """The shop does not allow that."""


def tracking_entries(company: str | None, numbers: Sequence[str], urls: Sequence[str]) -> list[Tracking]:
    """Match numbers with links by position; a known carrier without a link gets one."""
    known = KNOWN_CARRIERS.get(company or "")
    return [
        Tracking(company, number, urls[i] if i < len(urls) else (known + number if known else None))
        for i, number in enumerate(numbers)
    ]


def tokens(text: str) -> list[str]:
    """Cut a SKU the way the search does: at everything that is no letter or digit, capitals ignored."""
    return re.findall(r"[0-9a-z]+", text.lower())


class ShopStore:
    """The shop. Callers hold the simulator's lock and open an `event` around every change."""

    def __init__(self, *, seed: int, outbox: WebhookOutbox, bodies: RestBodies, now: Callable[[], dt.datetime]) -> None:
        """Open an empty shop with one location."""
        self.outbox = outbox
        self.bodies = bodies
        self.now = now
        self.ids = big_numbers(seed)
        self.orders: dict[int, Order] = {}
        self.fulfillment_orders: dict[int, FulfillmentOrder] = {}
        self.fulfillments: dict[int, Fulfillment] = {}
        self.locations: dict[int, Location] = {}
        self.products: list[Product] = []
        self.items: dict[int, Product] = {}
        self.by_sku: dict[str, list[Product]] = defaultdict(list)
        self.by_token: dict[str, list[Product]] = defaultdict(list)
        self.levels: dict[tuple[int, int], StockLevel] = {}
        self.levels_at: dict[int, list[StockLevel]] = defaultdict(list)
        self.metafields: dict[tuple[str, str, str], Metafield] = {}
        self.delivery_profiles: dict[int, DeliveryProfile] = {}
        self._profile_ids = big_numbers(seed)
        self.next_order_number = 1001
        self._touched: dict[int, Order] = {}
        self._moved_stock: dict[int, StockLevel] = {}
        self._in_event = False

    def next_id(self) -> int:
        """Give a new id, larger than any before."""
        return next(self.ids)

    # -- telling ----------------------------------------

    @contextlib.contextmanager
    def event(self) -> Iterator[None]:
        """Do one thing: what changed in it is announced once, at its end, under one event id."""
        if self._in_event:
            yield
            return
        self._in_event = True
        with self.outbox.event():
            try:
                yield
            finally:
                self._in_event = False
                self._announce_changes()

    def _announce_changes(self) -> None:
        moved, self._moved_stock = self._moved_stock, {}
        for level in moved.values():
            self.outbox.announce("inventory_levels/update", self.bodies.stock_level(level))
        touched, self._touched = self._touched, {}
        for order in touched.values():
            self.announce_order("orders/updated", order)

    def touch(self, order: Order) -> None:
        """Mark an order changed now; orders/updated follows at the end of the event."""
        order.updated_at = self.now()
        self._touched[order.id] = order

    def announce_order(self, topic: str, order: Order) -> None:
        """Announce an order in full."""
        self.outbox.announce(topic, self.bodies.order(order), order)

    def announce(self, topic: str, body: Body, order: Order) -> None:
        """Announce something of an order."""
        self.outbox.announce(topic, body, order)

    # -- catalogue and stock ----------------------------------------

    def add_location(self, name: str, *, country_code: str = "US", is_active: bool = True) -> Location:
        """Open a location."""
        location = Location(self.next_id(), name, country_code, is_active)
        self.locations[location.id] = location
        return location

    def find_location(self, wanted: str | int | None) -> Location:
        """Find a location by name or id, the first one without a wish; raises KeyError."""
        for location in self.locations.values():
            if wanted in (None, location.name, location.id, str(location.id), gid("Location", location.id)):
                return location
        raise KeyError(wanted)

    def add_product(self, product: Product) -> Product:
        """Put a product on sale; its SKU may be one that another has."""
        self.products.append(product)
        self.items[product.inventory_item_id] = product
        self.by_sku[product.sku].append(product)
        for token in set(tokens(product.sku)):
            self.by_token[token].append(product)
        return product

    def search_sku(self, text: str, *, phrase: bool) -> list[Product]:
        """Search as Shopify does, by parts of the SKU: a phrase must stand together, loose words need not."""
        wanted = tokens(text)
        if not wanted:
            return []
        fewest = min((self.by_token.get(token, []) for token in wanted), key=len)
        found = []
        for product in fewest:
            has = tokens(product.sku)
            together = any(has[i : i + len(wanted)] == wanted for i in range(len(has)))
            if together if phrase else set(wanted) <= set(has):
                found.append(product)
        return found

    def level(self, product: Product, location: Location) -> StockLevel:
        """Give the stock of an item at a location, beginning to keep it when it was not."""
        key = (location.id, product.inventory_item_id)
        if key not in self.levels:
            now = self.now()
            self.levels[key] = StockLevel(self.next_id(), product, location, now, now)
            self.levels_at[location.id].append(self.levels[key])
        return self.levels[key]

    def move_stock(self, level: StockLevel, **changes: int) -> None:
        """Add to quantities of a level; inventory_levels/update follows at the end of the event."""
        if not any(changes.values()):
            return
        for name, delta in changes.items():
            setattr(level, name, getattr(level, name) + delta)
        level.updated_at = self.now()
        self._moved_stock[level.id] = level

    def commit(self, line: LineItem, location: Location, units: int, *, left: int = 0) -> None:
        """Promise `units` of a line at a location (fewer when negative); `left` units leave the shelf too."""
        if line.product is not None and line.product.tracked:
            self.move_stock(self.level(line.product, location), committed=units, on_hand=-left)

    # -- delivery profiles ----------------------------------------

    def add_shipping_method(
        self, name: str, *, profile: str, zone: str, active: bool = True, services: dict[str, bool] | None = None
    ) -> ShippingMethod:
        """Offer a method in a zone of a profile; what is not there yet is made."""
        profiles = {each.name: each for each in self.delivery_profiles.values()}
        if profile not in profiles:
            made = DeliveryProfile(next(self._profile_ids), next(self._profile_ids), profile)
            profiles[profile] = self.delivery_profiles[made.id] = made
        zones = {each.name: each for each in profiles[profile].zones}
        if zone not in zones:
            zones[zone] = ShippingZone(next(self._profile_ids), zone)
            profiles[profile].zones.append(zones[zone])
        method = ShippingMethod(next(self._profile_ids), name, active, services)
        zones[zone].methods.append(method)
        return method

    # -- fulfillment orders ----------------------------------------

    def new_fulfillment_order(
        self, order: Order, location: Location, method: str, parts: Sequence[tuple[LineItem, int]]
    ) -> FulfillmentOrder:
        """Give units of an order to a location; the units' promise is the caller's."""
        now = self.now()
        made = FulfillmentOrder(self.next_id(), order, location, method, now, now)
        made.lines = [FulfillmentOrderLine(self.next_id(), line, units, units) for line, units in parts]
        order.fulfillment_orders.append(made)
        self.fulfillment_orders[made.id] = made
        return made

    def changed(self, fulfillment_order: FulfillmentOrder) -> None:
        """Mark a fulfillment order changed now. The order's own time need not move with it."""
        fulfillment_order.updated_at = self.now()

    def carve(self, fulfillment_order: FulfillmentOrder, keep: Parts) -> FulfillmentOrder | None:
        """Leave only `keep` in a fulfillment order; what else remained goes to a new one, or None."""
        kept = {part.id: units for part, units in keep}
        rest: list[tuple[LineItem, int]] = []
        for part in fulfillment_order.lines:
            out = part.remaining - kept.get(part.id, 0)
            if out:
                rest.append((part.line, out))
                part.remaining -= out
                part.total -= out
        fulfillment_order.lines = [part for part in fulfillment_order.lines if part.total]
        self.changed(fulfillment_order)
        if not rest:
            return None
        remaining = self.new_fulfillment_order(
            fulfillment_order.order, fulfillment_order.location, fulfillment_order.method, rest
        )
        remaining.fulfill_at = fulfillment_order.fulfill_at
        if fulfillment_order.status == "SCHEDULED":
            remaining.status = "SCHEDULED"
        return remaining

    def hold(
        self, fulfillment_order: FulfillmentOrder, hold: Hold, parts: Parts = ()
    ) -> tuple[Hold, FulfillmentOrder | None]:
        """Hold a fulfillment order, or a part of it: then the rest gets a new fulfillment order."""
        remaining = self.carve(fulfillment_order, parts) if parts else None
        fulfillment_order.holds.append(hold)
        fulfillment_order.status = "ON_HOLD"
        self.changed(fulfillment_order)
        order = fulfillment_order.order
        reference = fulfillment_order_reference(fulfillment_order)
        self.announce(
            "fulfillment_orders/placed_on_hold",
            {
                "fulfillment_order": reference | {"fulfillment_holds": [hold_body(h) for h in fulfillment_order.holds]},
                "created_fulfillment_hold": hold_body(hold),
                "remaining_fulfillment_order": fulfillment_order_reference(remaining) if remaining else None,
            },
            order,
        )
        self.announce(
            "fulfillment_holds/added", {"fulfillment_order": reference, "fulfillment_hold": hold_body(hold)}, order
        )
        self.touch(order)
        return hold, remaining

    def release(self, fulfillment_order: FulfillmentOrder, hold_ids: set[int] | None = None) -> None:
        """Lift holds (all of them unless told which); with the last one the fulfillment order opens."""
        lifted = [h for h in fulfillment_order.holds if hold_ids is None or h.id in hold_ids]
        fulfillment_order.holds = [h for h in fulfillment_order.holds if h not in lifted]
        order = fulfillment_order.order
        opened = fulfillment_order.status == "ON_HOLD" and not fulfillment_order.holds
        if opened:
            fulfillment_order.status = "IN_PROGRESS" if fulfillment_order.touched_by_fulfillment else "OPEN"
        self.changed(fulfillment_order)
        reference = fulfillment_order_reference(fulfillment_order)
        for hold in lifted:
            self.announce(
                "fulfillment_holds/released",
                {"fulfillment_order": reference, "fulfillment_hold": hold_body(hold)},
                order,
            )
        if opened:
            self.announce("fulfillment_orders/hold_released", {"fulfillment_order": reference}, order)
        if lifted:
            self.touch(order)

    def move(
        self, fulfillment_order: FulfillmentOrder, to: Location, parts: Parts = ()
    ) -> tuple[FulfillmentOrder, FulfillmentOrder]:
        """Give a fulfillment order to another location; gives what moved and what the original became.

        All of an untouched one keeps its id. A part of it, or what is left of one partly shipped, gets a new id.
        """
        source = fulfillment_order.location
        moving = [
            (part, units) for part, units in parts or ((p, p.remaining) for p in fulfillment_order.lines) if units
        ]
        whole = sum(units for _, units in moving) == sum(part.total for part in fulfillment_order.lines)
        for part, units in moving:
            self.commit(part.line, source, -units)
            self.commit(part.line, to, units)
        if whole:
            fulfillment_order.location = to
            moved = fulfillment_order
        else:
            for part, units in moving:
                part.remaining -= units
                part.total -= units
            fulfillment_order.lines = [part for part in fulfillment_order.lines if part.total]
            moved = self.new_fulfillment_order(
                fulfillment_order.order, to, fulfillment_order.method, [(part.line, units) for part, units in moving]
            )
            if not fulfillment_order.remaining:
                fulfillment_order.status = "CLOSED"
        self.changed(fulfillment_order)
        self.announce(
            "fulfillment_orders/moved",
            {
                "original_fulfillment_order": fulfillment_order_reference(fulfillment_order),
                "moved_fulfillment_order": fulfillment_order_reference(moved),
                "source_location": {"id": gid("Location", source.id), "name": source.name},
                "destination_location_id": gid("Location", to.id),
            },
            fulfillment_order.order,
        )
        self.touch(fulfillment_order.order)
        return moved, fulfillment_order

    def split(self, fulfillment_order: FulfillmentOrder, parts: Parts) -> FulfillmentOrder:
        """Leave `parts` in a fulfillment order and give the rest, which this returns, a new one."""
        remaining = self.carve(fulfillment_order, parts)
        if remaining is None:
            message = "nothing would be left over"
            raise RefusedError(message)
        self.announce(
            "fulfillment_orders/split",
            {
                "fulfillment_order": fulfillment_order_reference(fulfillment_order),
                "remaining_fulfillment_order": fulfillment_order_reference(remaining),
                "replacement_fulfillment_order": None,
                "split_line_items": [
                    {"id": gid("FulfillmentOrderLineItem", part.id), "quantity": units} for part, units in parts
                ],
            },
            fulfillment_order.order,
        )
        self.touch(fulfillment_order.order)
        return remaining

    def merge(self, fulfillment_orders: Sequence[FulfillmentOrder]) -> FulfillmentOrder:
        """Put the units of several fulfillment orders into the first one; the others close with none left."""
        kept, *others = fulfillment_orders
        intents = [
            {
                # Plain numbers here, of all places: so does the vendor's sample.
                "fulfillment_order_id": each.id,
                "fulfillment_order_line_items": [{"id": part.id, "quantity": part.remaining} for part in each.lines],
            }
            for each in fulfillment_orders
        ]
        for other in others:
            for part in other.lines:
                same = next((each for each in kept.lines if each.line is part.line), None)
                if same is None:
                    same = FulfillmentOrderLine(self.next_id(), part.line, 0, 0)
                    kept.lines.append(same)
                same.total, same.remaining = same.total + part.remaining, same.remaining + part.remaining
                part.total, part.remaining = part.total - part.remaining, 0
            other.status = "CLOSED"
            self.changed(other)
        self.changed(kept)
        merges = {"fulfillment_order": fulfillment_order_reference(kept)}
        body = {"fulfillment_order_merges": merges, "merge_intents": intents}
        self.announce("fulfillment_orders/merged", body, kept.order)
        self.touch(kept.order)
        return kept

    def report_progress(self, fulfillment_order: FulfillmentOrder) -> None:
        """Mark a fulfillment order as being worked on."""
        fulfillment_order.status = "IN_PROGRESS"
        fulfillment_order.progress_reported = True
        self.changed(fulfillment_order)
        body = {"fulfillment_order": fulfillment_order_reference(fulfillment_order)}
        self.announce("fulfillment_orders/progress_reported", body, fulfillment_order.order)
        self.touch(fulfillment_order.order)

    def reopen(self, fulfillment_order: FulfillmentOrder) -> None:
        """Take back a reported progress, or a schedule."""
        was_in_progress = fulfillment_order.status == "IN_PROGRESS"
        fulfillment_order.status, fulfillment_order.progress_reported = "OPEN", False
        fulfillment_order.fulfill_at = None
        self.changed(fulfillment_order)
        if was_in_progress:
            body = {"fulfillment_order": fulfillment_order_reference(fulfillment_order)}
            topic = "fulfillment_orders/manually_reported_progress_stopped"
            self.announce(topic, body, fulfillment_order.order)
        self.touch(fulfillment_order.order)

    def reschedule(self, fulfillment_order: FulfillmentOrder, fulfill_at: dt.datetime) -> None:
        """Put a fulfillment order off until a day."""
        fulfillment_order.status, fulfillment_order.fulfill_at = "SCHEDULED", fulfill_at
        self.changed(fulfillment_order)
        body = {"fulfillment_order": fulfillment_order_reference(fulfillment_order)}
        self.announce("fulfillment_orders/rescheduled", body, fulfillment_order.order)

    def replace(self, fulfillment_order: FulfillmentOrder) -> FulfillmentOrder:
        """Cancel a fulfillment order: its units wait again in a new one."""
        parts = [(part.line, part.remaining) for part in fulfillment_order.lines if part.remaining]
        for part in fulfillment_order.lines:
            part.total, part.remaining = part.total - part.remaining, 0
        fulfillment_order.status, fulfillment_order.holds = "CANCELLED", []
        self.changed(fulfillment_order)
        order = fulfillment_order.order
        made = self.new_fulfillment_order(order, fulfillment_order.location, fulfillment_order.method, parts)
        self.announce(
            "fulfillment_orders/cancelled",
            {
                "fulfillment_order": fulfillment_order_reference(fulfillment_order),
                "replacement_fulfillment_order": fulfillment_order_reference(made),
            },
            order,
        )
        self.touch(order)
        return made

    # -- fulfillments ----------------------------------------

    def fulfill(
        self, parts: Sequence[tuple[FulfillmentOrder, Parts]], tracking: list[Tracking], *, by: str, notify: bool
    ) -> Fulfillment:
        """Ship units of fulfillment orders of one order at one location; the caller has checked them."""
        order, location, now = parts[0][0].order, parts[0][0].location, self.now()
        fulfillment = Fulfillment(
            id=self.next_id(),
            order=order,
            location=location,
            name=f"{order.name}.{len(order.fulfillments) + 1}",
            created_at=now,
            updated_at=now,
            fulfillment_orders=[fulfillment_order for fulfillment_order, _ in parts],
            parts=[],
            tracking=tracking,
            by=by,
            notify_customer=notify,
        )
        for fulfillment_order, chosen in parts:
            for part, units in chosen:
                part.remaining -= units
                self.commit(part.line, location, -units, left=units)
                fulfillment.parts.append((self.next_id(), part, units))
            fulfillment_order.status = "IN_PROGRESS" if fulfillment_order.remaining else "CLOSED"
            self.changed(fulfillment_order)
        order.fulfillments.append(fulfillment)
        self.fulfillments[fulfillment.id] = fulfillment
        done = order.fulfillment_status() == "FULFILLED"
        if done and order.financial_status == "PAID":
            order.closed_at = now  # a fully shipped paid order archives itself
        self.announce("fulfillments/create", self.bodies.fulfillment(fulfillment), order)
        self.announce_order("orders/fulfilled" if done else "orders/partially_fulfilled", order)
        self.touch(order)
        return fulfillment

    def fulfillment_changed(self, fulfillment: Fulfillment) -> None:
        """Announce a changed fulfillment."""
        fulfillment.updated_at = self.now()
        self.announce("fulfillments/update", self.bodies.fulfillment(fulfillment), fulfillment.order)
        self.touch(fulfillment.order)

    def add_event(
        self, fulfillment: Fulfillment, status: str, happened_at: dt.datetime, details: dict[str, Any]
    ) -> FulfillmentEvent:
        """Note a scan of the parcel."""
        scan = FulfillmentEvent(self.next_id(), status, happened_at, self.now(), details)
        fulfillment.events.append(scan)
        fulfillment.display_status = status
        if status == "DELIVERED":
            fulfillment.delivered_at = happened_at
        elif status == "IN_TRANSIT" and fulfillment.in_transit_at is None:
            fulfillment.in_transit_at = happened_at
        self.announce(
            "fulfillment_events/create",
            {
                "id": scan.id,
                "admin_graphql_api_id": gid("FulfillmentEvent", scan.id),
                "fulfillment_id": fulfillment.id,
                "order_id": fulfillment.order.id,
                "status": status.lower(),
                "happened_at": self.bodies.time(happened_at),
                "message": details.get("message"),
            },
            fulfillment.order,
        )
        self.fulfillment_changed(fulfillment)
        return scan

    def cancel_fulfillment(self, fulfillment: Fulfillment) -> None:
        """Call a fulfillment back: its units wait again in a new fulfillment order.

        The old fulfillment order stays closed with its remaining quantity back up, as recorded: who sums
        quantities must leave closed ones out. A second cancel changes nothing.
        """
        if fulfillment.status == "CANCELLED":
            return
        fulfillment.status, fulfillment.display_status = "CANCELLED", "CANCELED"
        order = fulfillment.order
        again: dict[int, tuple[LineItem, int]] = {}
        for _, part, units in fulfillment.parts:
            owner = next(fo for fo in order.fulfillment_orders if part in fo.lines)
            part.remaining += units
            if owner.live:  # partly shipped and still open: the units wait where they were
                self.changed(owner)
            else:
                line, before = again.get(part.line.id, (part.line, 0))
                again[part.line.id] = (line, before + units)
            self.commit(part.line, fulfillment.location, units, left=-units)
        if again:
            method = fulfillment.fulfillment_orders[0].method
            self.new_fulfillment_order(order, fulfillment.location, method, list(again.values()))
        order.closed_at = None
        self.fulfillment_changed(fulfillment)

    # -- orders ----------------------------------------

    def open_order(self, order: Order, location: Location, locations: dict[int, Location]) -> None:
        """Take an order in: promise its units and announce it. Routing comes later, by `complete_routing`.

        Units are promised from the first moment, so the fulfillment orders exist already and stay out of sight.
        """
        self.orders[order.id] = order
        groups: dict[tuple[int, str], list[tuple[LineItem, int]]] = defaultdict(list)
        for line in order.lines:
            at = locations.get(line.id, location)
            method = order.delivery if line.requires_shipping else "NONE"
            groups[at.id, method].append((line, line.quantity))
            self.commit(line, at, line.quantity)
        for (location_id, method), parts in groups.items():
            self.new_fulfillment_order(order, self.locations[location_id], method, parts)
        self.announce_order("orders/create", order)
        if order.financial_status == "PAID":
            self.announce_order("orders/paid", order)
        self.touch(order)

    def forget(self, order: Order) -> None:
        """Delete an order: what it was promised is free again, and only its id is announced."""
        for fulfillment_order in order.fulfillment_orders:
            if fulfillment_order.live:
                for part in fulfillment_order.lines:
                    self.commit(part.line, fulfillment_order.location, -part.remaining)
            del self.fulfillment_orders[fulfillment_order.id]
        for fulfillment in order.fulfillments:
            del self.fulfillments[fulfillment.id]
        del self.orders[order.id]
        self._touched.pop(order.id, None)
        self.announce("orders/delete", {"id": order.id}, order)

    def complete_routing(self, order: Order) -> None:
        """Let the fulfillment orders be seen and announce each."""
        if order.routed or order.cancelled_at or order.id not in self.orders:
            return
        order.routed = True
        for fulfillment_order in order.fulfillment_orders:
            self.changed(fulfillment_order)
            body = {"fulfillment_order": fulfillment_order_reference(fulfillment_order)}
            self.announce("fulfillment_orders/order_routing_complete", body, order)

    def scheduled_time_came(self, fulfillment_order: FulfillmentOrder) -> None:
        """Open a fulfillment order that waited for its day."""
        put_off = fulfillment_order.fulfill_at is not None and fulfillment_order.fulfill_at > self.now()
        if fulfillment_order.status != "SCHEDULED" or put_off:
            return
        fulfillment_order.status = "OPEN"
        self.changed(fulfillment_order)
        body = {"fulfillment_order": fulfillment_order_reference(fulfillment_order)}
        self.announce("fulfillment_orders/scheduled_fulfillment_order_ready", body, fulfillment_order.order)

    def take_out(self, order: Order, line: LineItem, units: int, *, restock: bool = True) -> Location | None:
        """Remove units of a line that were not shipped; gives the location they were promised at."""
        if units < 1 or units > order.unfulfilled(line):
            message = f"{order.unfulfilled(line)} units are left to remove, not {units}"
            raise RefusedError(message)
        line.removed += units
        location = None
        for fulfillment_order in order.fulfillment_orders:
            if not fulfillment_order.live:
                continue
            for part in fulfillment_order.lines:
                if part.line is not line or not units or not part.remaining:
                    continue
                out = min(units, part.remaining)
                part.remaining -= out
                part.total -= out
                units -= out
                location = fulfillment_order.location
                self.commit(line, location, -out, left=0 if restock else out)
                self.changed(fulfillment_order)
            if not fulfillment_order.remaining:
                fulfillment_order.status, fulfillment_order.holds = "CLOSED", []
        return location

    def put_in(self, order: Order, line: LineItem, units: int, location: Location | None = None) -> None:
        """Add units to a line: into its open fulfillment order, or a new one when there is none."""
        for fulfillment_order in order.fulfillment_orders:
            if not fulfillment_order.live or location not in (None, fulfillment_order.location):
                continue
            if fulfillment_order.method != (order.delivery if line.requires_shipping else "NONE"):
                continue
            part = next((p for p in fulfillment_order.lines if p.line is line), None)
            if part is None:
                fulfillment_order.lines.append(FulfillmentOrderLine(self.next_id(), line, units, units))
            else:
                part.total += units
                part.remaining += units
            self.commit(line, fulfillment_order.location, units)
            self.changed(fulfillment_order)
            return
        at = location or (
            order.fulfillment_orders[0].location if order.fulfillment_orders else self.find_location(None)
        )
        self.commit(line, at, units)
        method = order.delivery if line.requires_shipping else "NONE"
        self.new_fulfillment_order(order, at, method, [(line, units)])

    def add_refund(
        self, order: Order, parts: Sequence[tuple[LineItem, int, str, Location | None]], note: str | None
    ) -> None:
        """Write a refund down and announce it. `parts` are line, units, restock type and location."""
        amount = sum((line.price * units for line, units, _, _ in parts), Decimal(0))
        order.refunded_total += amount
        paid = order.financial_status in ("PAID", "PARTIALLY_REFUNDED", "PARTIALLY_PAID")
        refund_id = self.next_id()
        body: Body = {
            "id": refund_id,
            "admin_graphql_api_id": gid("Refund", refund_id),
            "created_at": self.bodies.time(self.now()),
            "note": note,
            "order_adjustments": [],
            "order_id": order.id,
            "processed_at": self.bodies.time(self.now()),
            "refund_line_items": [
                {
                    "id": self.next_id(),
                    "line_item_id": line.id,
                    "location_id": location.id if location else None,
                    "quantity": units,
                    "restock_type": restock,
                    # Numbers, unlike all other amounts: recorded so.
                    "subtotal": float(line.price * units),
                    "total_tax": 0.0,
                }
                for line, units, restock, location in parts
            ],
            "restock": any(restock != "no_restock" for _, _, restock, _ in parts),
            "return": None,
            "transactions": [{"id": self.next_id(), "amount": money(amount), "kind": "refund", "status": "success"}]
            if paid and amount
            else [],
            "user_id": None,
        }
        order.refunds.append(body)
        if paid and amount:
            everything = order.refunded_total >= order.goods_price
            order.financial_status = "REFUNDED" if everything else "PARTIALLY_REFUNDED"
        self.announce("refunds/create", body, order)
        self.touch(order)


def hold_body(hold: Hold) -> Body:
    """Write a hold as its webhooks do."""
    return {
        "id": gid("FulfillmentHold", hold.id),
        "reason": hold.reason.lower(),
        "reason_notes": hold.notes,
        "handle": hold.handle,
    }
