"""What people do in ShipStation's screens: change, hold, tag, split, combine, label and ship orders."""

from __future__ import annotations

import copy
import datetime as dt
import functools
from typing import TYPE_CHECKING, Any, cast

from local.simulators.server import new_id
from local.simulators.shipstation_account import SHOPIFY, Account, SellerRefusedError
from local.simulators.shipstation_models import (
    ADDRESS,
    ADVANCED,
    DETAILS,
    ITEM,
    STATUSES,
    Fulfillment,
    Item,
    Json,
    Order,
    Shipment,
    filled,
)
from local.simulators.shipstation_time import read_body

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

EXAMPLE_ADDRESS = {
    "name": "Ada Example",
    "street1": "12 Sample Street",
    "street2": "",
    "city": "Springfield",
    "state": "IL",
    "postalCode": "62701",
    "country": "US",
    "phone": "555-0100",
    "residential": True,
    "addressVerified": "Address validated successfully",
}
CHANGEABLE = frozenset(DETAILS) | frozenset(ADVANCED)


def action[F: Callable[..., Any]](method: F) -> F:
    """Let a method run alone, after what was due."""

    @functools.wraps(method)
    def alone(self: Seller, *args: object, **kwargs: object) -> object:
        with self.lock:
            self.settle()
            return method(self, *args, **kwargs)

    return cast("F", alone)


def check_names(given: Mapping[str, Any], known: frozenset[str] | Mapping[str, Any]) -> None:
    """Refuse a name that nobody knows, before anything is done."""
    if unknown := sorted(given.keys() - set(known)):
        message = f"unknown: {', '.join(unknown)}"
        raise SellerRefusedError(message)


class Seller(Account):
    """The people. Orders are named by id or key; methods give what the API would show."""

    notify_delay_seconds: float
    split_keys_are_new: bool

    # -- orders ----------------------------------------

    @action
    def create_order(  # noqa: PLR0913 - what an order says
        self,
        number: str = "1001",
        lines: Sequence[Json] = ({"sku": "TEA-250", "quantity": 2},),
        *,
        key: str | None = None,
        status: str = "awaiting_shipment",
        store_id: int | None = None,
        address: Json | None = None,
        requested_service: str | None = "Standard",
        tags: Sequence[int] = (),
        order_date: str | None = None,
        externally_fulfilled_by: str | None = None,
        **details: Any,  # noqa: ANN401 - the order's fields
    ) -> Json:
        """Let an order arrive as an import of one. A line is an item of the API; `address` changes the example one."""
        check_names(details, CHANGEABLE)
        if status not in STATUSES:
            raise SellerRefusedError(status)
        store = self.stores[self.store_id if store_id is None else store_id]
        now = self.stamp()
        given = {"requestedShippingService": requested_service, "customerEmail": "ada@example.test"} | details
        order = Order(
            id=next(self.ids),
            number=number,
            key=key or new_id().replace("-", ""),
            store_id=store.id,
            status=status,
            ordered_at=read_body(order_date) if order_date else now,
            created_at=now,
            modified_at=now,
            ship_to=filled(ADDRESS, EXAMPLE_ADDRESS | (address or {})),
            bill_to=filled(ADDRESS, {"name": "Ada Example"}),
            items=self._lines(lines),
            details=filled(DETAILS, given),
            advanced=filled(ADVANCED, {"warehouseId": 16079} | details),
            paid_at=None if status == "awaiting_payment" else now,
            customer_id=next(self.small_ids),
            tag_ids=[self._tag(tag) for tag in tags],
            externally_fulfilled_by=externally_fulfilled_by,
        )
        if order.key in self.by_key:
            message = "the key is taken"
            raise SellerRefusedError(message)
        self.take_in(order)
        self.announce_orders([order])
        return order.view()

    def _lines(self, lines: Sequence[Json]) -> list[Item]:
        for line in lines:
            check_names(line, ITEM)
        return self.new_items(filled(ITEM, {"name": line.get("sku") or ""} | line) for line in lines)

    @action
    def see_order(self, order: int | str) -> Json:
        """Look at an order as the API shows it, at no cost of calls."""
        return self.find(order).view()

    @action
    def change_order(
        self,
        order: int | str,
        *,
        address: Json | None = None,
        lines: Sequence[Json] | None = None,
        ship_by: str | None = None,
        assigned_to: str | None = None,
        **changes: Any,  # noqa: ANN401 - the order's fields
    ) -> Json:
        """Edit an order: parts of its address, all of its lines, any field. Nobody is told (section 5).

        `ship_by` is a Pacific wall time or a day, `assigned_to` the id of a user; empty takes it off.
        """
        check_names(changes, CHANGEABLE)
        check_names(address or {}, ADDRESS)
        found = self.find(order)
        found.ship_to |= address or {}
        if lines is not None:
            found.items = self._lines(lines)
        if ship_by is not None:
            found.ship_by = read_body(ship_by) if ship_by else None
        if assigned_to is not None:
            found.user_id = assigned_to or None
        found.details |= {name: value for name, value in changes.items() if name in DETAILS}
        found.advanced |= {name: value for name, value in changes.items() if name in ADVANCED}
        self.touch(found)
        return found.view()

    @action
    def receive_payment(self, order: int | str) -> Json:
        """Move an order out of Awaiting Payment, which is told like a new one."""
        found = self._in(order, "awaiting_payment")
        found.status, found.paid_at = "awaiting_shipment", self.stamp()
        self.touch(found)
        self.announce_orders([found])
        return found.view()

    @action
    def hold_order(self, order: int | str, until: str | None = None) -> Json:
        """Hold an order, until a day or until it is restored."""
        found = self._in(order, "awaiting_payment", "awaiting_shipment", "on_hold")
        found.status, found.hold_until = "on_hold", dt.date.fromisoformat(until) if until else None
        self.touch(found)
        return found.view()

    @action
    def restore_order(self, order: int | str) -> Json:
        """Bring an order back to Awaiting Shipment: held, rejected by a provider, or cancelled."""
        found = self._in(order, "on_hold", "rejected_fulfillment", "cancelled")
        found.status, found.hold_until = "awaiting_shipment", None
        self.touch(found)
        return found.view()

    @action
    def cancel_order(self, order: int | str) -> Json:
        """Cancel an order here. The shop does not hear of it."""
        found = self._in(order, *set(STATUSES) - {"shipped", "cancelled"})
        found.status = "cancelled"
        self.touch(found)
        return found.view()

    @action
    def split_order(self, order: int | str, lines: Mapping[str, int]) -> Json:
        """Put `{SKU, line key or line id: units}` into a new order of the same number; gives the new one."""
        found = self._in(order, "awaiting_shipment", "on_hold")
        moved: list[Json] = []
        for wanted, units in lines.items():
            item = next(each for each in found.items if wanted in self._names(each))
            if not 0 < units <= item.quantity:
                message = f"{item.quantity} units of {wanted} are there"
                raise SellerRefusedError(message)
            moved.append(item.fields | {"quantity": units})
            item.fields["quantity"] -= units
        found.items = [item for item in found.items if item.quantity]
        found.was_split = True
        self.touch(found)
        now = self.stamp()
        parts = sum(each.parent_id == found.id for each in self.orders.values())
        part = copy.deepcopy(found)
        part.id, part.parent_id, part.created_at = next(self.ids), found.id, now
        part.key = new_id().replace("-", "") if self.split_keys_are_new else f"{found.key}-{parts + 2}"
        part.items = self.new_items(copy.deepcopy(moved))
        part.total = 0.0  # money stays with the first part
        part.details |= {"amountPaid": 0.0, "taxAmount": 0.0, "shippingAmount": 0.0}
        return self.take_in(part).view()

    @staticmethod
    def _names(item: Item) -> tuple[Any, ...]:
        return (item.fields["sku"], item.fields["lineItemKey"], str(item.id))

    @action
    def combine_orders(self, order: int | str, others: Sequence[int | str]) -> Json:
        """Put the lines of other orders into one; the others are listed no more."""
        found = self._in(order, "awaiting_shipment")
        for each in [self._in(other, "awaiting_shipment") for other in others]:
            found.items += copy.deepcopy(each.items)
            found.merged_ids.append(each.id)
            found.links += each.links
            each.listed = False
            self.touch(each)
        self.touch(found)
        return found.view()

    @action
    def set_externally_fulfilled(self, order: int | str, by: str = "Example Marketplace") -> Json:
        """Let the marketplace ship the order itself."""
        found = self.find(order)
        found.externally_fulfilled_by = by
        self.touch(found)
        return found.view()

    # -- tags and stores ----------------------------------------

    @action
    def add_tag(self, name: str, color: str = "#800080") -> Json:
        """Define a tag."""
        tag_id = next(self.small_ids)
        self.tags[tag_id] = {"tagId": tag_id, "name": name, "color": color}
        return dict(self.tags[tag_id])

    @action
    def tag_order(self, order: int | str, tag: int | str) -> Json:
        """Tag an order, by the tag's id or name."""
        found, tag_id = self.find(order), self._tag(tag)
        found.tag_ids = [*(each for each in found.tag_ids if each != tag_id), tag_id]
        self.touch(found)
        return found.view()

    @action
    def untag_order(self, order: int | str, tag: int | str) -> Json:
        """Take a tag off an order."""
        found, tag_id = self.find(order), self._tag(tag)
        found.tag_ids = [each for each in found.tag_ids if each != tag_id]
        self.touch(found)
        return found.view()

    def _tag(self, wanted: int | str) -> int:
        for number, tag in self.tags.items():
            if wanted in (number, tag["name"]):
                return number
        raise KeyError(wanted)

    @action
    def add_store(self, name: str, marketplace: str = SHOPIFY[1], marketplace_id: int = SHOPIFY[0]) -> Json:
        """Connect another store, of this or another marketplace."""
        return self.open_store(next(self.small_ids), name, marketplace_id, marketplace).view()

    @action
    def set_store(self, store_id: int, *, active: bool | None = None, auto_refresh: bool | None = None) -> Json:
        """Deactivate or reactivate a store, or turn its automatic import off or on."""
        store = self.stores[store_id]
        store.active = store.active if active is None else active
        store.auto_refresh = store.auto_refresh if auto_refresh is None else auto_refresh
        store.modified_at = self.stamp()
        return store.view()

    # -- shipping ----------------------------------------

    def ship(  # noqa: PLR0913 - what a shipper says
        self,
        order: Order,
        *,
        tracking_number: str | None = None,
        carrier_code: str | None = None,
        ship_date: dt.date | None = None,
        notify_customer: bool = False,
        notify_sales_channel: bool = False,
        provider: str | None = None,
    ) -> Fulfillment:
        """Ship a whole order without a label; the caller has checked that it is open."""
        row = Fulfillment(
            id=next(self.ids),
            order=order,
            tracking_number=tracking_number,
            carrier_code=carrier_code,
            created_at=self.stamp(),
            ship_date=ship_date or self.today(),
            notify_customer=notify_customer,
            provider=provider,
        )
        self.fulfillments[row.id] = row
        order.status, order.ship_date, order.hold_until = "shipped", row.ship_date, None
        self.touch(order)
        if notify_sales_channel:
            self.tell_later(row, self.notify_delay_seconds)
        self.announce_fulfillment("FULFILLMENT_SHIPPED", order, row)
        return row

    @action
    def mark_shipped_by_hand(
        self, order: int | str, tracking_number: str | None = None, carrier_code: str = "ups", *, notify: bool = True
    ) -> Json:
        """Mark an order as shipped in the screens."""
        found = self._in(order, *set(STATUSES) - {"shipped", "cancelled"})
        return self.ship(
            found, tracking_number=tracking_number, carrier_code=carrier_code, notify_sales_channel=notify
        ).view()

    @action
    def buy_label(  # noqa: PLR0913 - what a label is bought with
        self,
        order: int | str,
        tracking_number: str = "9400100000000000000001",
        *,
        carrier_code: str = "stamps_com",
        service_code: str = "usps_priority_mail",
        cost: float = 7.5,
        is_return: bool = False,
        notify: bool = True,
    ) -> Json:
        """Buy a label: a shipment, SHIP_NOTIFY, the order shipped. A return label changes and tells nothing."""
        found = (
            self._in(order, "shipped") if is_return else self._in(order, "awaiting_shipment", "rejected_fulfillment")
        )
        row = Shipment(
            id=next(self.ids),
            order=found,
            tracking_number=tracking_number,
            carrier_code=carrier_code,
            created_at=self.stamp(),
            ship_date=self.today(),
            service_code=service_code,
            batch_id=next(self.small_ids),
            cost=cost,
            is_return=is_return,
            items=copy.deepcopy(found.items),
        )
        self.shipments[row.id] = row
        if not is_return:
            found.status, found.ship_date = "shipped", row.ship_date
            found.details |= {"carrierCode": carrier_code, "serviceCode": service_code}
            self.touch(found)
            if notify:
                self.tell_later(row, self.notify_delay_seconds)
            self.announce_labels(found.store_id, row.batch_id)
        return row.view(with_items=True)

    @action
    def void_label(self, shipment_id: int) -> Json:
        """Void a label: the order waits again, and nobody is told."""
        row = self.shipments[shipment_id]
        if row.void_at:
            message = "it is void already"
            raise SellerRefusedError(message)
        row.void_at = self.stamp()
        if not row.is_return:
            row.order.status, row.order.ship_date = "awaiting_shipment", None
            self.touch(row.order)
        return row.view(with_items=True)

    # -- fulfillment providers ----------------------------------------

    @action
    def delegate_to_provider(self, order: int | str) -> Json:
        """Give an order to a fulfillment provider."""
        found = self._in(order, "awaiting_shipment", "rejected_fulfillment")
        found.status, found.advanced["warehouseId"] = "pending_fulfillment", None
        self.touch(found)
        return found.view()

    @action
    def provider_ships(
        self, order: int | str, tracking_number: str, carrier_code: str = "UPS", provider: str = "example_provider"
    ) -> Json:
        """Let the provider ship; the channel is told."""
        found = self._in(order, "pending_fulfillment")
        return self.ship(
            found,
            tracking_number=tracking_number,
            carrier_code=carrier_code,
            provider=provider,
            notify_sales_channel=True,
        ).view()

    @action
    def provider_rejects(self, order: int | str) -> Json:
        """Let the provider refuse."""
        found = self._in(order, "pending_fulfillment")
        found.status = "rejected_fulfillment"
        self.touch(found)
        self.announce_fulfillment("FULFILLMENT_REJECTED", found)
        return found.view()

    # -- looking ----------------------------------------

    @action
    def books(self) -> Json:
        """Tell an auditor everything."""
        return {
            "orders": [
                {
                    "id": order.id,
                    "number": order.number,
                    "key": order.key,
                    "store_id": order.store_id,
                    "status": order.status,
                    "parent_id": order.parent_id,
                    "merged_ids": list(order.merged_ids),
                    "tag_ids": list(order.tag_ids),
                    "units": {item.fields["sku"]: item.quantity for item in order.items},
                }
                for order in self.orders.values()
            ],
            "fulfillments": [row.view() for row in self.fulfillments.values()],
            "shipments": [row.view(with_items=True) for row in self.shipments.values()],
            "unknown_keys": dict(self.unknown_keys),
        }

    def find(self, wanted: int | str) -> Order:
        """Find an order by its id or key; raises KeyError."""
        return self.orders[wanted] if isinstance(wanted, int) else self.by_key[wanted]

    def _in(self, wanted: int | str, *statuses: str) -> Order:
        found = self.find(wanted)
        if found.status not in statuses:
            message = f"the order is {found.status}"
            raise SellerRefusedError(message)
        return found
