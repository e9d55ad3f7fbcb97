"""What the merchant and the customer do in a shop, as methods; each sends the webhooks that Shopify would."""

from __future__ import annotations

import datetime as dt
import functools
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from local.simulators.shopify_records import (
    ForeignValue,
    FulfillmentOrder,
    FulfillmentOrderLine,
    Hold,
    LineItem,
    Order,
    Product,
    ShippingLine,
    gid,
    number_of,
)
from local.simulators.shopify_store import RefusedError, ShopStore, tracking_entries
from local.simulators.shopify_webhooks import fulfillment_order_reference

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

DEFAULT_ADDRESS: dict[str, Any] = {
    "first_name": "Ada",
    "last_name": "Example",
    "name": "Ada Example",
    "company": None,
    "address1": "12 Sample Street",
    "address2": None,
    "city": "Springfield",
    "province": "Illinois",
    "province_code": "IL",
    "zip": "62701",
    "country": "United States",
    "country_code": "US",
    "phone": "+1 555 0100",
    "latitude": None,
    "longitude": None,
}

FINANCIAL_STATUSES = (
    "AUTHORIZED",
    "EXPIRED",
    "PAID",
    "PARTIALLY_PAID",
    "PARTIALLY_REFUNDED",
    "PENDING",
    "REFUNDED",
    "VOIDED",
)
DELIVERIES = ("LOCAL", "NONE", "PICKUP_POINT", "PICK_UP", "RETAIL", "SHIPPING")

type Made = dict[str, Any]


def action[F: Callable[..., Any]](method: F) -> F:
    """Let a method run alone, after what was due, as one event with one event id."""

    @functools.wraps(method)
    def alone(self: Merchant, *args: object, **kwargs: object) -> object:
        with self.lock:
            self.settle()
            with self.store.event():
                return method(self, *args, **kwargs)

    return cast("F", alone)


class Merchant:
    """The people in front of and behind the counter.

    Orders, lines and the rest are named by their number, global id or, for orders, name. Methods give plain
    dictionaries, so that the admin door can send them as JSON.
    """

    lock: threading.RLock
    store: ShopStore
    currency: str

    def settle(self) -> None:
        """Do what is due by now."""
        raise NotImplementedError

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something when that much time has passed."""
        raise NotImplementedError

    # -- catalogue and stock ----------------------------------------

    @action
    def add_location(self, name: str, *, country_code: str = "US", is_active: bool = True) -> Made:
        """Open a location."""
        location = self.store.add_location(name, country_code=country_code, is_active=is_active)
        return {"id": gid("Location", location.id), "number": location.id, "name": name}

    @action
    def add_product(  # noqa: PLR0913 - what a product is
        self,
        sku: str,
        *,
        tracked: bool = True,
        title: str | None = None,
        variant_title: str | None = None,
        price: str = "10.00",
        grams: int = 250,
        requires_shipping: bool = True,
        barcode: str | None = None,
        on_hand: int | None = None,
        location: str | int | None = None,
        harmonized_system_code: str | None = None,
        country_code_of_origin: str | None = None,
        vendor: str = "Example Goods",
        product_type: str = "",
        tags: Sequence[str] = (),
    ) -> Made:
        """Put a product on sale, with stock when `on_hand` is given. SKUs may repeat, as in a real shop."""
        now = self.store.now()
        product = self.store.add_product(
            Product(
                id=self.store.next_id(),
                variant_id=self.store.next_id(),
                inventory_item_id=self.store.next_id(),
                sku=sku,
                title=title or sku.replace("-", " ").title(),
                created_at=now,
                updated_at=now,
                variant_title=variant_title,
                barcode=barcode,
                price=Decimal(price),
                grams=grams,
                tracked=tracked,
                requires_shipping=requires_shipping,
                harmonized_system_code=harmonized_system_code,
                country_code_of_origin=country_code_of_origin,
                vendor=vendor,
                product_type=product_type,
                tags=sorted(tags, key=str.lower),
            )
        )
        level = self.store.level(product, self.store.find_location(location))
        if on_hand:
            self.store.move_stock(level, on_hand=on_hand)
        return {
            "sku": sku,
            "variant_id": gid("ProductVariant", product.variant_id),
            "inventory_item_id": gid("InventoryItem", product.inventory_item_id),
        }

    @action
    def set_stock(self, sku: str, on_hand: int, location: str | int | None = None, **others: int) -> Made:
        """Count the stock anew; `others` are reserved, safety_stock, damaged, quality_control, incoming."""
        level = self.store.level(self._product(sku), self.store.find_location(location))
        wanted = {"on_hand": on_hand, **others}
        if "committed" in wanted or "available" in wanted:
            message = "committed follows from the orders, available from the rest"
            raise RefusedError(message)
        self.store.move_stock(level, **{name: value - getattr(level, name) for name, value in wanted.items()})
        return self.stock_of(sku, location)

    @action
    def add_stock(self, sku: str, units: int, location: str | int | None = None) -> Made:
        """Receive units (or lose some)."""
        level = self.store.level(self._product(sku), self.store.find_location(location))
        self.store.move_stock(level, on_hand=units)
        return self.stock_of(sku, location)

    @action
    def stock_of(self, sku: str, location: str | int | None = None) -> Made:
        """Look at the stock of an item at a location."""
        level = self.store.level(self._product(sku), self.store.find_location(location))
        names = ("available", "on_hand", "committed", "reserved", "safety_stock", "damaged", "incoming")
        return {name: getattr(level, name) for name in (*names, "quality_control")}

    @action
    def add_shipping_method(
        self,
        name: str,
        *,
        profile: str = "General profile",
        zone: str = "Domestic",
        active: bool = True,
        services: dict[str, bool] | None = None,
    ) -> Made:
        """Offer a shipping method; `services` are those of a carrier that is asked for its rates, active or not."""
        made = self.store.add_shipping_method(name, profile=profile, zone=zone, active=active, services=services)
        return {"id": gid("DeliveryMethodDefinition", made.id), "name": name}

    # -- ordering ----------------------------------------

    @action
    def create_order(  # noqa: PLR0913 - what a customer may choose
        self,
        lines: Sequence[Made],
        *,
        financial_status: str = "PAID",
        shipping_method: str | None = "Standard",
        shipping_code: str | None = None,
        shipping_price: str = "5.00",
        delivery: str = "SHIPPING",
        location: str | int | None = None,
        test: bool = False,
        risk: str = "ACCEPT",
        gateway: str | None = None,
        address: Made | None = None,
        email: str | None = "ada@example.test",
        phone: str | None = None,
        note: str | None = None,
        tags: Sequence[str] = (),
        attributes: Made | None = None,
        source_name: str = "web",
        channel: str = "Online Store",
        attribution: str | None = None,
        discount_codes: Sequence[str] = (),
        customer_tags: Sequence[str] = (),
        tax: str = "0.00",
        processed_at: str | None = None,
        ship_within_seconds: float | None = None,
        name: str | None = None,
        currency: str | None = None,
        presentment_currency: str | None = None,
        exchange_rate: str = "1",
        delayed_routing_seconds: float = 0,
        fulfill_in_seconds: float | None = None,
        hold_reason: str | None = None,
    ) -> Made:
        """Buy. A line is `{sku, quantity, price, requires_shipping, title, location, gift_card, properties, vendor}`.

        `address` changes parts of the default one. Pickup and digital orders have none. Fulfillment orders
        appear after `delayed_routing_seconds`, scheduled ones open after `fulfill_in_seconds`, and
        `hold_reason` holds them from the start, as the shop's own settings may. The customer may pay in another
        currency: `exchange_rate` of it for one of the shop's. An import says when it was placed (`processed_at`),
        and `ship_within_seconds` by when its fulfillment orders are to be fulfilled. `attribution` is what a
        channel's app says of it, finer than the app's own name.
        """
        choose(financial_status, FINANCIAL_STATUSES)
        choose(delivery, DELIVERIES)
        choose(risk, ("ACCEPT", "CANCEL", "INVESTIGATE", "NONE", "PENDING"))
        if not lines:
            message = "an order has lines"
            raise RefusedError(message)
        at = self.store.find_location(location)
        now = self.store.now()
        order_id = self.store.next_id()
        made = [self._new_line(line) for line in lines]
        shipped = delivery in ("SHIPPING", "LOCAL", "PICKUP_POINT") and any(line.requires_shipping for line in made)
        title = at.name if delivery == "PICK_UP" else shipping_method
        order = Order(
            id=order_id,
            number=self.store.next_order_number,
            created_at=now,
            updated_at=now,
            financial_status=financial_status,
            gateways=[gateway or ("manual" if financial_status == "PENDING" else "shopify_payments")],
            delivery=delivery,
            email=email,
            phone=phone,
            shipping_address=full_address(address) if shipped else None,
            customer_id=self.store.next_id(),
            shipping_lines=[],
            lines=made,
            recommendation=risk,
            test=test,
            note=note,
            tags=sorted(tags, key=str.lower),
            attributes=dict(attributes or {}),
            source_name=source_name,
            channel=channel,
            attribution=attribution,
            discount_codes=list(discount_codes),
            customer_tags=sorted(customer_tags, key=str.lower),
            tax=Decimal(tax),
            placed_at=read_time(processed_at),
            ship_by=None if ship_within_seconds is None else now + dt.timedelta(seconds=ship_within_seconds),
            address_id=self.store.next_id(),
            own_name=name,
            currency=currency or self.currency,
            presentment_currency=presentment_currency or currency or self.currency,
            exchange_rate=Decimal(exchange_rate),
        )
        if title is not None and any(line.requires_shipping for line in made):
            price = Decimal(shipping_price) if shipped else Decimal(0)
            code = shipping_code or title
            order.shipping_lines.append(ShippingLine(self.store.next_id(), title, code, "shopify", price))
        self.store.next_order_number += 1
        places = {
            line.id: self.store.find_location(given["location"])
            for line, given in zip(made, lines, strict=True)
            if given.get("location") is not None
        }
        self.store.open_order(order, at, places)
        for fulfillment_order in order.fulfillment_orders if fulfill_in_seconds is not None else ():
            self._schedule(fulfillment_order, fulfill_in_seconds or 0)
        self._route(order, delayed_routing_seconds, hold_reason)
        return self._seen(order)

    def _schedule(self, fulfillment_order: FulfillmentOrder, seconds: float) -> None:
        fulfillment_order.status = "SCHEDULED"
        fulfillment_order.fulfill_at = self.store.now() + dt.timedelta(seconds=seconds)
        self.later(seconds, lambda: self.store.scheduled_time_came(fulfillment_order))

    def _route(self, order: Order, seconds: float, hold_reason: str | None) -> None:
        def route() -> None:
            self.store.complete_routing(order)
            for fulfillment_order in order.visible_fulfillment_orders if hold_reason else ():
                hold = Hold(self.store.next_id(), hold_reason or "OTHER", None, None, by_app=False)
                self.store.hold(fulfillment_order, hold)

        if seconds > 0:
            self.later(seconds, route)
        else:
            route()

    def _new_line(self, given: Made) -> LineItem:
        known = {
            *("sku", "quantity", "price", "requires_shipping", "title", "variant_title", "location", "gift_card"),
            *("properties", "taxable", "custom", "vendor"),
        }
        if unknown := given.keys() - known:
            message = f"unknown: {', '.join(sorted(unknown))}"
            raise RefusedError(message)
        quantity = int(given.get("quantity", 1))
        if quantity < 1:
            message = "a line has at least one unit"
            raise RefusedError(message)
        sku = given.get("sku")
        product = None if given.get("custom") or not sku else self._product(sku)
        if product is None:
            return LineItem(
                self.store.next_id(),
                None,
                sku,
                given.get("title", "Custom item"),
                quantity,
                Decimal(str(given.get("price", "10.00"))),
                vendor=given.get("vendor"),
                requires_shipping=given.get("requires_shipping", True),
                gift_card=given.get("gift_card", False),
                properties=dict(given.get("properties", {})),
            )
        return LineItem(
            self.store.next_id(),
            product,
            product.sku,
            given.get("title", product.title),
            quantity,
            Decimal(str(given.get("price", product.price))),
            variant_title=product.variant_title,
            vendor=product.vendor,
            grams=product.grams,
            requires_shipping=given.get("requires_shipping", product.requires_shipping),
            gift_card=given.get("gift_card", False),
            properties=dict(given.get("properties", {})),
        )

    # -- paying, changing, cancelling ----------------------------------------

    @action
    def mark_paid(self, order: str | int) -> Made:
        """Receive the money."""
        found = self._order(order)
        if found.financial_status not in ("PENDING", "AUTHORIZED", "PARTIALLY_PAID", "EXPIRED"):
            message = f"a {found.financial_status} order is not open to payment"
            raise RefusedError(message)
        found.financial_status, found.raw_financial_status = "PAID", None
        if found.fulfillment_status() == "FULFILLED":
            found.closed_at = self.store.now()
        self.store.announce_order("orders/paid", found)
        self.store.touch(found)
        return self._seen(found)

    @action
    def cancel_order(self, order: str | int, *, reason: str = "CUSTOMER", restock: bool = True) -> Made:
        """Cancel and refund. Refused while something shipped is out."""
        found = self._order(order)
        if found.cancelled_at:
            message = "the order is cancelled already"
            raise RefusedError(message)
        if any(fulfillment.status == "SUCCESS" for fulfillment in found.fulfillments):
            message = "Cannot cancel an order that has outstanding fulfillments"
            raise RefusedError(message)
        open_lines = [(line, units) for line in found.lines if (units := found.unfulfilled(line))]
        live = [fulfillment_order for fulfillment_order in found.fulfillment_orders if fulfillment_order.live]
        kind = "cancel" if restock else "no_restock"
        parts = [
            (line, units, kind, self.store.take_out(found, line, units, restock=restock)) for line, units in open_lines
        ]
        found.cancelled_at, found.cancel_reason = (
            self.store.now(),
            choose(reason, ("CUSTOMER", "DECLINED", "FRAUD", "INVENTORY", "OTHER", "STAFF")),
        )
        paid = found.financial_status not in ("PENDING", "AUTHORIZED", "EXPIRED", "VOIDED")
        self.store.add_refund(found, parts, None)
        found.financial_status = "REFUNDED" if paid else "VOIDED"
        found.raw_financial_status = None
        for fulfillment_order in live:
            fulfillment_order.status, fulfillment_order.holds = "CANCELLED", []
            self.store.changed(fulfillment_order)
            if found.routed:
                reference = fulfillment_order_reference(fulfillment_order)
                body = {"fulfillment_order": reference, "replacement_fulfillment_order": None}
                self.store.announce("fulfillment_orders/cancelled", body, found)
        self.store.announce_order("orders/cancelled", found)
        self.store.touch(found)
        return self._seen(found)

    @action
    def delete_order(self, order: str | int) -> None:
        """Delete an order for good."""
        self.store.forget(self._order(order))

    @action
    def edit_quantity(self, order: str | int, line: str | int, quantity: int) -> Made:
        """Edit the order: set how many units of a line (SKU or id) are wanted in all, shipped ones included."""
        found = self._order(order)
        item = self._line(found, line)
        delta = quantity - item.current_quantity
        if delta == 0:
            return self._seen(found)
        if delta > 0:
            item.quantity += delta
            self.store.put_in(found, item, delta)
        else:
            self.store.take_out(found, item, -delta)
        self._edited(
            found, additions=[(item, delta)] if delta > 0 else [], removals=[(item, delta)] if delta < 0 else []
        )
        return self._seen(found)

    @action
    def add_line(self, order: str | int, line: Made) -> Made:
        """Edit the order: add a line."""
        found = self._order(order)
        item = self._new_line(line)
        found.lines.append(item)
        self.store.put_in(found, item, item.quantity)
        self._edited(found, additions=[(item, item.quantity)], removals=[])
        return self._seen(found)

    def _edited(
        self, order: Order, *, additions: list[tuple[LineItem, int]], removals: list[tuple[LineItem, int]]
    ) -> None:
        order.edited = True
        body: Made = {
            "order_edit": {
                "id": self.store.next_id(),
                "app_id": None,
                "order_id": order.id,
                "committed_at": self.store.bodies.time(self.store.now()),
                "notify_customer": False,
                "staff_note": "",
                "user_id": None,
                "line_items": {
                    "additions": [{"id": item.id, "delta": delta} for item, delta in additions],
                    "removals": [{"id": item.id, "delta": delta} for item, delta in removals],
                },
                "discounts": {"line_item": {"additions": [], "removals": []}},
                "shipping_lines": {"additions": [], "removals": []},
            }
        }
        self.store.announce("orders/edited", body, order)
        self.store.touch(order)

    @action
    def remove_units(self, order: str | int, line: str | int, units: int, *, restock: bool = True) -> Made:
        """Refund units before they ship: they need not be shipped any more."""
        found = self._order(order)
        item = self._line(found, line)
        location = self.store.take_out(found, item, units, restock=restock)
        self.store.add_refund(found, [(item, units, "cancel" if restock else "no_restock", location)], None)
        return self._seen(found)

    @action
    def refund(
        self, order: str | int, line: str | int, units: int, *, restock: bool = False, note: str | None = None
    ) -> Made:
        """Refund units that shipped already; with `restock` they are back on the shelf."""
        found = self._order(order)
        item = self._line(found, line)
        if units < 1 or units > item.current_quantity - found.unfulfilled(item):
            message = f"{item.current_quantity - found.unfulfilled(item)} units shipped and are not refunded"
            raise RefusedError(message)
        item.removed += units
        location = None
        if restock:
            location = next(
                fulfillment.location
                for fulfillment in found.fulfillments
                if any(part.line is item for _, part, _ in fulfillment.parts)
            )
            self.store.commit(item, location, 0, left=-units)
        self.store.add_refund(found, [(item, units, "return" if restock else "no_restock", location)], note)
        return self._seen(found)

    @action
    def change_address(self, order: str | int, **changes: Any) -> Made:  # noqa: ANN401 - parts of an address
        """Change parts of the shipping address."""
        found = self._order(order)
        if found.shipping_address is None:
            message = "the order has no shipping address"
            raise RefusedError(message)
        found.shipping_address = full_address({**found.shipping_address, **changes})
        self.store.touch(found)
        return self._seen(found)

    @action
    def rename_order(self, order: str | int, name: str) -> Made:
        """Let an order bear another name, as other prefixes and imports do; names may repeat."""
        found = self._order(order)
        found.own_name = name
        self.store.touch(found)
        return self._seen(found)

    @action
    def set_note(self, order: str | int, note: str) -> Made:
        """Write a note."""
        found = self._order(order)
        found.note = note
        self.store.touch(found)
        return self._seen(found)

    @action
    def set_tags(self, order: str | int, tags: Sequence[str]) -> Made:
        """Replace the tags, as the merchant does in the admin."""
        found = self._order(order)
        found.tags = sorted(tags, key=str.lower)
        self.store.touch(found)
        return self._seen(found)

    @action
    def set_risk(self, order: str | int, recommendation: str) -> Made:
        """Let the fraud analysis come to (another) result."""
        found = self._order(order)
        found.recommendation = choose(recommendation, ("ACCEPT", "CANCEL", "INVESTIGATE", "NONE", "PENDING"))
        levels = {"ACCEPT": "low", "INVESTIGATE": "medium", "CANCEL": "high", "PENDING": "pending"}
        body = {
            "order_id": found.id,
            "admin_graphql_api_order_id": gid("Order", found.id),
            "risk_level": levels.get(found.recommendation, "none"),
            "provider_id": None,
            "provider_title": None,
            "created_at": self.store.bodies.time(self.store.now()),
        }
        self.store.announce("orders/risk_assessment_changed", body, found)
        self.store.touch(found)
        return self._seen(found)

    @action
    def set_raw_financial_status(self, order: str | int, status: str) -> Made:
        """Give an order a financial status that no schema knows yet: enumerations grow."""
        found = self._order(order)
        found.raw_financial_status = ForeignValue(status)
        self.store.touch(found)
        return self._seen(found)

    # -- shipping by others ----------------------------------------

    @action
    def hold_fulfillment_order(
        self, fulfillment_order: str | int, *, reason: str = "OTHER", notes: str | None = None
    ) -> Made:
        """Hold a fulfillment order as the merchant."""
        found = self._fulfillment_order(fulfillment_order)
        if "HOLD" not in found.supported_actions():
            message = f"a {found.status} fulfillment order cannot be held"
            raise RefusedError(message)
        hold = Hold(self.store.next_id(), reason, notes, None, by_app=False)
        self.store.hold(found, hold)
        return {"id": gid("FulfillmentHold", hold.id), "number": hold.id}

    @action
    def release_fulfillment_order(self, fulfillment_order: str | int) -> Made:
        """Lift all holds."""
        found = self._fulfillment_order(fulfillment_order)
        self.store.release(found)
        return self._seen(found.order)

    @action
    def move_fulfillment_order(self, fulfillment_order: str | int, location: str | int) -> Made:
        """Give a fulfillment order to another location."""
        found = self._fulfillment_order(fulfillment_order)
        if not found.live or found.progress_reported:
            message = "it is closed, or progress was reported"
            raise RefusedError(message)
        self.store.move(found, self.store.find_location(location))
        return self._seen(found.order)

    @action
    def cancel_fulfillment_order(self, fulfillment_order: str | int) -> Made:
        """Cancel a fulfillment order; another takes its place."""
        found = self._fulfillment_order(fulfillment_order)
        if not found.live or found.progress_reported:
            message = "it is closed, or progress was reported"
            raise RefusedError(message)
        self.store.replace(found)
        return self._seen(found.order)

    @action
    def reschedule_fulfillment_order(self, fulfillment_order: str | int, seconds: float) -> Made:
        """Put a fulfillment order off for that long."""
        found = self._fulfillment_order(fulfillment_order)
        if found.status not in ("OPEN", "SCHEDULED"):
            message = f"a {found.status} fulfillment order cannot be put off"
            raise RefusedError(message)
        self._schedule(found, seconds)
        self.store.reschedule(found, found.fulfill_at or self.store.now())
        return self._seen(found.order)

    @action
    def split_fulfillment_order(self, fulfillment_order: str | int, line: str | int, units: int) -> Made:
        """Leave `units` of a line in a fulfillment order and put the rest into a new one."""
        found = self._fulfillment_order(fulfillment_order)
        item = self._line(found.order, line)
        parts = [(part, units) for part in found.lines if part.line is item and 0 < units <= part.remaining]
        if not parts or "SPLIT" not in found.supported_actions():
            message = "there is nothing to split so"
            raise RefusedError(message)
        self.store.split(found, parts)
        return self._seen(found.order)

    @action
    def merge_fulfillment_orders(self, fulfillment_orders: Sequence[str | int]) -> Made:
        """Put fulfillment orders of one order, place and method into the first of them."""
        found = [self._fulfillment_order(each) for each in fulfillment_orders]
        alike = {(each.order.id, each.location.id, each.method, each.status) for each in found}
        if len(found) < 2 or len(alike) != 1 or found[0].status != "OPEN":  # noqa: PLR2004 - one cannot be merged
            message = "only open fulfillment orders of one order, location and method can be merged"
            raise RefusedError(message)
        self.store.merge(found)
        return self._seen(found[0].order)

    @action
    def fulfill_elsewhere(  # noqa: PLR0913 - what a shipper says
        self,
        order: str | int,
        *,
        number: str | None = None,
        company: str | None = None,
        url: str | None = None,
        lines: Made | None = None,
        by: str = "another app",
    ) -> Made:
        """Let another app or a person ship: everything open, or `lines` as {SKU or line id: units}."""
        found = self._order(order)
        wanted = None if lines is None else {self._line(found, key).id: int(units) for key, units in lines.items()}
        made = []
        for fulfillment_order in list(found.visible_fulfillment_orders):
            if fulfillment_order.status not in ("OPEN", "IN_PROGRESS"):
                continue
            chosen: list[tuple[FulfillmentOrderLine, int]] = []
            for part in fulfillment_order.lines:
                units = part.remaining if wanted is None else min(part.remaining, wanted.get(part.line.id, 0))
                if units:
                    chosen.append((part, units))
                    if wanted is not None:
                        wanted[part.line.id] -= units
            if chosen:
                tracking = tracking_entries(company, [number] if number else [], [url] if url else [])
                made.append(self.store.fulfill([(fulfillment_order, chosen)], tracking, by=by, notify=False))
        if not made or any((wanted or {}).values()):
            message = "there are not that many units open to ship"
            raise RefusedError(message)
        return {"fulfillments": [gid("Fulfillment", fulfillment.id) for fulfillment in made]}

    @action
    def cancel_fulfillment(self, fulfillment: str | int) -> Made:
        """Call a fulfillment back as the merchant."""
        found = self.store.fulfillments[as_number(fulfillment, "Fulfillment")]
        self.store.cancel_fulfillment(found)
        return self._seen(found.order)

    # -- privacy ----------------------------------------

    @action
    def redact_customer(self, order: str | int) -> None:
        """Ask that an order's customer be forgotten (customers/redact)."""
        self._privacy("customers/redact", "orders_to_redact", order)

    @action
    def redact_shop(self) -> None:
        """Ask that the whole shop be forgotten (shop/redact), two days after the app was removed."""
        self.store.outbox.announce("shop/redact", {"shop_id": 7000000001, "shop_domain": self.store.outbox.shop})

    @action
    def request_data(self, order: str | int) -> None:
        """Ask what is known of an order's customer (customers/data_request)."""
        self._privacy("customers/data_request", "orders_requested", order)

    def _privacy(self, topic: str, key: str, order: str | int) -> None:
        found = self._order(order)
        body = {
            "shop_id": 7000000001,
            "shop_domain": self.store.outbox.shop,
            "customer": {"id": found.customer_id, "email": found.email, "phone": found.phone},
            key: [found.id],
        }
        if topic == "customers/data_request":
            body["data_request"] = {"id": self.store.next_id()}
        self.store.outbox.announce(topic, body)

    # -- looking ----------------------------------------

    @action
    def books(self) -> list[Made]:
        """Give every order and line as the shop counts it, for an auditor.

        `fulfilled` lists who shipped what with which numbers. `shippable` says that the units still open may
        leave now: paid for, not cancelled, no test, to be shipped, nothing held, scheduled or yet to be routed.
        """
        return [self._seen(order) for order in self.store.orders.values()]

    def _seen(self, order: Order) -> Made:
        payable = order.raw_financial_status is None and order.financial_status in ("PAID", "PARTIALLY_REFUNDED")
        going = payable and not order.cancelled_at and not order.test
        return {
            "id": gid("Order", order.id),
            "number": order.id,
            "name": order.name,
            "test": order.test,
            "delivery": order.delivery,
            "financial_status": order.displayed_financial_status,
            "fulfillment_status": order.fulfillment_status(),
            "risk": order.recommendation,
            "paid": payable,
            "cancelled": order.cancelled_at is not None,
            "routed": order.routed,
            "tags": list(order.tags),
            "note": order.note,
            "updated_at": order.updated_at,
            "lines": [
                {
                    "id": gid("LineItem", line.id),
                    "number": line.id,
                    "sku": line.sku,
                    "requires_shipping": line.requires_shipping,
                    "ordered": line.quantity,
                    "current": line.current_quantity,
                    "fulfilled_units": order.fulfilled(line),
                    "remaining": order.unfulfilled(line),
                    "shippable": sum(
                        part.remaining
                        for fulfillment_order in order.visible_fulfillment_orders
                        if fulfillment_order.method == "SHIPPING"
                        and fulfillment_order.status in ("OPEN", "IN_PROGRESS")
                        for part in fulfillment_order.lines
                        if part.line is line
                    )
                    if going
                    else 0,
                    "fulfilled": [
                        {
                            "fulfillment": gid("Fulfillment", fulfillment.id),
                            "by": fulfillment.by,
                            "units": units,
                            "company": fulfillment.tracking[0].company if fulfillment.tracking else None,
                            "numbers": [entry.number for entry in fulfillment.tracking],
                        }
                        for fulfillment in order.fulfillments
                        if fulfillment.status == "SUCCESS"
                        for _, part, units in fulfillment.parts
                        if part.line is line
                    ],
                }
                for line in order.lines
            ],
            "fulfillment_orders": [
                {
                    "id": gid("FulfillmentOrder", fulfillment_order.id),
                    "status": fulfillment_order.status,
                    "method": fulfillment_order.method,
                    "location": fulfillment_order.location.name,
                    "remaining": fulfillment_order.remaining,
                    "held_by": ["app" if hold.by_app else "merchant" for hold in fulfillment_order.holds],
                    "holds": [
                        {"reason": hold.reason, "notes": hold.notes, "handle": hold.handle}
                        for hold in fulfillment_order.holds
                    ],
                }
                for fulfillment_order in order.visible_fulfillment_orders
            ],
        }

    # -- finding ----------------------------------------

    def _order(self, wanted: str | int) -> Order:
        if isinstance(wanted, str) and not (wanted.isdecimal() or wanted.startswith("gid:")):
            return next(order for order in self.store.orders.values() if order.name == wanted)
        return self.store.orders[as_number(wanted, "Order")]

    def _fulfillment_order(self, wanted: str | int) -> FulfillmentOrder:
        return self.store.fulfillment_orders[as_number(wanted, "FulfillmentOrder")]

    def _line(self, order: Order, wanted: str | int) -> LineItem:
        for line in order.lines:
            if wanted in (line.id, str(line.id), gid("LineItem", line.id), line.sku):
                return line
        raise KeyError(wanted)

    def _product(self, sku: str) -> Product:
        found = self.store.by_sku.get(sku)
        if not found:
            message = f"no product {sku}; add_product first"
            raise RefusedError(message)
        return found[0]


def as_number(wanted: str | int, kind: str) -> int:
    """Read a number, its text or a global id."""
    if isinstance(wanted, int) or wanted.isdecimal():
        return int(wanted)
    return number_of(wanted, kind)


def read_time(text: str | None) -> dt.datetime | None:
    """Read a time, which says its zone."""
    moment = dt.datetime.fromisoformat(text) if text else None
    if moment and moment.tzinfo is None:
        message = "a time says its zone"
        raise RefusedError(message)
    return moment


def choose[T](value: T, known: Sequence[T]) -> T:
    """Refuse a word that is none of the known ones."""
    if value not in known:
        message = f"{value} is none of {', '.join(map(str, known))}"
        raise RefusedError(message)
    return value


def full_address(changes: Made | None) -> Made:
    """Give the default address with changes; the name follows from its parts."""
    unknown = (changes or {}).keys() - {*DEFAULT_ADDRESS, "validation"}
    if unknown:
        message = f"unknown: {', '.join(sorted(unknown))}"
        raise RefusedError(message)
    address = DEFAULT_ADDRESS | (changes or {})
    if not (changes or {}).get("name") or {"first_name", "last_name"} & (changes or {}).keys():
        address["name"] = " ".join(filter(None, (address["first_name"], address["last_name"])))
    return address
