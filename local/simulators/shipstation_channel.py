"""ShipStation's link with Shopify: orders come in on a later import, tracking goes out some seconds after shipping."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from local.simulators.server import new_id
from local.simulators.shipstation_account import CHANNEL_NAMES
from local.simulators.shipstation_models import ADDRESS, ADVANCED, DETAILS, ITEM, ChannelLink, Json, Order, filled
from local.simulators.shipstation_seller import Seller, action
from local.simulators.shopify_store import tracking_entries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.simulators import shopify_records as shopify
    from local.simulators.shipstation_models import Shipped
    from local.simulators.shopify import ShopifySimulator

OLDEST_IMPORT = dt.timedelta(days=90)
GRAMS_AN_OUNCE = 28.349523125
UNPAID = ("PENDING", "PARTIALLY_PAID", "EXPIRED", "VOIDED")
# As recorded (facts/shipstation.md section 10).
CHANNEL_ERROR = "IntegrationError: Shopify encountered an error and responded with StatusCode UnprocessableEntity"
TICK_SECONDS = 0.2


@dataclass(frozen=True)
class Found:
    """An order of the shop as ShipStation would write it now."""

    link: ChannelLink
    key: str
    number: str
    status: str
    ordered_at: dt.datetime
    address: Json
    bill_to: Json
    details: Json
    source: str | None
    lines: list[Json]
    total: float
    paid: bool

    @property
    def content(self) -> Json:
        """Give what a later import may change."""
        return {"address": self.address, "details": self.details, "lines": self.lines, "total": self.total}


class Channel(Seller):
    """Imports from a simulated Shopify shop and writes back into it, as facts/shipstation.md section 9 says.

    Switches: `import_every`, `keeps_number_sign`, `imports_fulfillable_quantity`,
    `imports_each_fulfillment_order` (the newer import), `channel_broken`, `notify_delay_seconds`.
    """

    shop: ShopifySimulator | None
    import_every: float | None
    keeps_number_sign: bool
    imports_fulfillable_quantity: bool
    imports_each_fulfillment_order: bool
    channel_broken: bool

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - the account's
        """Look at nothing of the shop yet."""
        super().__init__(**settings)
        self._looked_at: dict[int, tuple[dt.datetime, ...]] = {}
        self._ending = threading.Event()
        self._worker: threading.Thread | None = None

    # -- life ----------------------------------------

    def start(self) -> Self:
        """Answer, and import and tell by itself when `import_every` says so."""
        super().start()
        if self.import_every is not None:
            self._worker = threading.Thread(target=self._work, daemon=True, name="shipstation import")
            self._worker.start()
        return self

    def stop(self) -> None:
        """Stop importing, then answering."""
        self._ending.set()
        if self._worker:
            self._worker.join(timeout=5)
        super().stop()

    def _work(self) -> None:
        last = time.monotonic()
        while not self._ending.wait(min(TICK_SECONDS, self.import_every or TICK_SECONDS)):
            self.tell_channels()
            if self.import_every is not None and time.monotonic() - last >= self.import_every:
                last = time.monotonic()
                self.import_orders()

    # -- in ----------------------------------------

    @action
    def import_orders(self, *, forced: bool = False) -> list[int]:
        """Import what is new or changed in the shop; gives those orders' ids. All new ones are one batch.

        Nothing comes while the store is inactive or its automatic import is off, but for a `forced` refresh.
        """
        store = self.stores[self.store_id]
        if self.shop is None or not store.active or not (store.auto_refresh or forced):
            return []
        store.attempted_at = store.refreshed_at = self.stamp()
        changed: list[Order] = []
        announced: list[Order] = []
        for found in self._look():
            order = self.imports.get(found.link)
            if order is None:
                order = self._take(found)
                changed.append(order)
                announced.append(order)
            elif self._follow(order, found):
                changed.append(order)
                if order.imported["was"] == "awaiting_payment" and order.status not in (
                    "awaiting_payment",
                    "cancelled",
                ):
                    announced.append(order)
        if announced:
            self.announce_orders(announced, new_id())
        return [order.id for order in changed]

    def _take(self, found: Found) -> Order:
        now = self.stamp()
        order = Order(
            id=next(self.ids),
            number=found.number,
            key=found.key,
            store_id=self.store_id,
            status=found.status,
            ordered_at=found.ordered_at,
            created_at=now,
            modified_at=now,
            ship_to=dict(found.address),
            bill_to=dict(found.bill_to),
            items=self.new_items(dict(line) for line in found.lines),
            details=filled(DETAILS, found.details),
            advanced=filled(ADVANCED, {"warehouseId": 16079, "source": found.source}),
            paid_at=now if found.paid else None,
            customer_id=next(self.small_ids),
            total=found.total,
            links=[found.link],
            imported={"status": found.status, "content": found.content, "was": found.status},
        )
        self.imports[found.link] = order
        return self.take_in(order)

    def _follow(self, order: Order, found: Found) -> bool:
        """Follow the shop while the order is open; what is shipped or cancelled here stays so."""
        before, order.imported = order.imported, {"status": found.status, "content": found.content, "was": order.status}
        family = [each for each in self.orders.values() if order.id in (each.id, each.parent_id) and each.is_open]
        changed = False
        for each in family if found.status != before["status"] else ():
            each.status, each.hold_until = found.status, None
            each.paid_at = each.paid_at or (self.stamp() if found.paid else None)
            self.touch(each)
            changed = True
        # Edits come only while the order is open, and never to one that was split.
        if order.is_open and not order.was_split and found.content != before["content"]:
            order.ship_to, order.total = dict(found.address), found.total
            kept = {
                name: order.details[name] for name in ("carrierCode", "serviceCode", "packageCode", "internalNotes")
            }
            order.details = filled(DETAILS, found.details | kept)
            self._follow_lines(order, found.lines)
            self.touch(order)
            changed = True
        return changed

    def _follow_lines(self, order: Order, lines: list[Json]) -> None:
        existing = {item.fields["lineItemKey"]: item for item in order.items}
        items = []
        for line in lines:
            item = existing.get(line["lineItemKey"]) or self.new_items([dict(line)])[0]
            if item.fields != line:
                item.fields, item.modified_at = dict(line), self.stamp()
            items.append(item)
        order.items = items

    def _look(self) -> Iterator[Found]:
        """Read the orders of the shop that changed since the last look."""
        if self.shop is None:
            return
        with self.shop.lock:
            self.shop.settle()
            oldest = self.now() - OLDEST_IMPORT
            for order in self.shop.store.orders.values():
                stamps = (order.updated_at, *(part.updated_at for part in order.fulfillment_orders))
                if self._looked_at.get(order.id) == stamps:
                    continue
                if order.created_at < oldest and order.id not in self._looked_at:
                    continue
                shipped = [part for part in order.visible_fulfillment_orders if part.method == "SHIPPING"]
                if not shipped or order.shipping_address is None:
                    continue  # not routed yet, nothing physical, or picked up
                self._looked_at[order.id] = stamps
                if self.imports_each_fulfillment_order:
                    yield from self._parts(order, shipped)
                else:
                    yield self._whole(order, shipped)

    def _whole(self, order: shopify.Order, shipped: list[shopify.FulfillmentOrder]) -> Found:
        lines = []
        for line in order.lines:
            units = order.unfulfilled(line) if self.imports_fulfillable_quantity else line.current_quantity
            if line.requires_shipping and (units or self.imports_fulfillable_quantity):
                lines.append(_line(line, units))
        status = {"FULFILLED": "shipped", "ON_HOLD": "on_hold"}.get(order.fulfillment_status(), "awaiting_shipment")
        return self._found(order, ChannelLink(order.id), shipped[0].id, status, lines)

    def _parts(self, order: shopify.Order, shipped: list[shopify.FulfillmentOrder]) -> Iterator[Found]:
        words = {"CLOSED": "shipped", "ON_HOLD": "on_hold", "CANCELLED": "cancelled"}
        for part in shipped:
            link = ChannelLink(order.id, part.id)
            if link not in self.imports and (part.status == "SCHEDULED" or not part.live):
                continue
            units = [
                (each.line, each.remaining if self.imports_fulfillable_quantity else each.total) for each in part.lines
            ]
            lines = [_line(line, count) for line, count in units]
            yield self._found(order, link, part.id, words.get(part.status, "awaiting_shipment"), lines)

    def _found(self, order: shopify.Order, link: ChannelLink, second: int, status: str, lines: list[Json]) -> Found:
        address = order.shipping_address or {}
        paid = order.displayed_financial_status not in UNPAID
        if order.cancelled_at:
            status = "cancelled"
        elif not paid and status != "shipped":
            status = "awaiting_payment"
        ounces = sum((line["weight"] or {"value": 0})["value"] * line["quantity"] for line in lines)
        total = float(order.current_total_price)
        return Found(
            link=link,
            key=f"{order.id}-{second}",
            number=order.name if self.keeps_number_sign else order.name.removeprefix("#"),
            status=status,
            ordered_at=order.created_at,
            address=filled(
                ADDRESS,
                {
                    "name": address.get("name"),
                    "company": address.get("company"),
                    "street1": address.get("address1"),
                    "street2": address.get("address2") or "",
                    "city": address.get("city"),
                    "state": address.get("province_code"),
                    "postalCode": address.get("zip"),
                    "country": address.get("country_code"),
                    "phone": address.get("phone"),
                    "addressVerified": "Address validated successfully",
                },
            ),
            bill_to=filled(ADDRESS, {"name": address.get("name"), "country": "  "}),
            details={
                "customerUsername": order.email,
                "customerEmail": order.email,
                "amountPaid": total if paid else 0.0,
                "shippingAmount": float(order.shipping_price),
                "customerNotes": order.note,
                "paymentMethod": order.gateways[0] if order.gateways else None,
                "requestedShippingService": order.shipping_lines[0].title if order.shipping_lines else None,
                "weight": _ounces(ounces),
            },
            source=order.source_name,
            lines=lines,
            total=total,
            paid=paid,
        )

    # -- out ----------------------------------------

    @action
    def tell_channels(self) -> list[int]:
        """Tell the shop what is due by the clock; gives the ids of the rows it was told of, well or badly."""
        rows: list[Shipped] = [*self.fulfillments.values(), *self.shipments.values()]
        due = [row for row in rows if row.tell_at is not None and row.tell_at <= self.now()]
        for row in due:
            row.tell_at = None
            row.marketplace_notified = not self.channel_broken and self._fulfill_in_shop(row)
            row.notify_error = None if row.marketplace_notified else CHANNEL_ERROR
        return [row.id for row in due]

    def _fulfill_in_shop(self, row: Shipped) -> bool:
        """Ship the order's open units in the shop; the parts of a split ship their own lines only."""
        if self.shop is None or not row.order.links:
            return True  # an order that was made here stands for one of a shop that takes anything
        left: dict[str, int] | None = None
        if row.order.was_split:
            left = defaultdict(int)
            for item in row.order.items:
                left[item.fields["lineItemKey"]] += item.quantity
        made = 0
        with self.shop.lock:
            self.shop.settle()
            with self.shop.store.event():
                for link in row.order.links:
                    order = self.shop.store.orders.get(link.order_id)
                    for part in list(order.visible_fulfillment_orders) if order else ():
                        if link.fulfillment_order_id in (None, part.id):
                            made += self._fulfill_part(row, part, left)
        return made > 0

    def _fulfill_part(self, row: Shipped, part: shopify.FulfillmentOrder, left: dict[str, int] | None) -> int:
        if self.shop is None or part.status not in ("OPEN", "IN_PROGRESS") or part.method != "SHIPPING":
            return 0
        chosen = []
        for line in part.lines:
            key = str(line.line.id)
            units = line.remaining if left is None else min(line.remaining, left[key])
            if units:
                chosen.append((line, units))
                if left is not None:
                    left[key] -= units
        if not chosen:
            return 0
        company = CHANNEL_NAMES.get((row.carrier_code or "").lower(), row.carrier_code)
        tracking = tracking_entries(company, [row.tracking_number] if row.tracking_number else [], [])
        self.shop.store.fulfill([(part, chosen)], tracking, by="ShipStation", notify=True)
        return 1


def _ounces(value: float) -> Json:
    return {"value": round(value, 2), "units": "ounces", "WeightUnits": 1}


def _line(line: shopify.LineItem, units: int) -> Json:
    options = [{"name": name, "value": value} for name, value in line.properties.items()]
    if line.variant_title:
        options.insert(0, {"name": "Variant", "value": line.variant_title})
    return filled(
        ITEM,
        {
            "lineItemKey": str(line.id),
            "sku": line.sku,
            "name": line.title,
            "weight": _ounces(line.grams / GRAMS_AN_OUNCE) if line.grams else None,
            "quantity": units,
            "unitPrice": float(line.price),
            "options": options,
            "productId": None,
            "upc": line.product.barcode if line.product else None,
        },
    )
