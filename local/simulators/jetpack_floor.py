"""What people and carriers do to the simulated 3PL's parcels, callable from tests, demos and the admin door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.simulators.jetpack_models import ADDRESS_FIELDS, Scan, Shipment, Stage, detail_json
from local.simulators.jetpack_warehouse import OTHER_CHANNEL, Warehouse, Which, deal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# current_status -> (status detail, code, timeline log) of shipments-tracking (facts sections 8 and 11).
CARRIER_STATUSES: Mapping[str, tuple[str, str, int | None]] = {
    "PreTransit": ("Processing", "PreTransit_005", None),
    "InTransit": ("InTransit", "InTransit_001", 607),
    "OutForDelivery": ("OutForDelivery", "OutForDelivery_001", 608),
    "Delivered": ("Delivered", "Delivered_001", 609),
    "AvailableForPickup": ("InTransit", "AvailableForPickup_001", None),
    "DeliveryAttemptFailed": ("DeliveryAttemptFailed", "DeliveryAttemptFailed_001", 611),
    "DeliveryException": ("DeliveryException", "DeliveryException_001", None),
    "Exception": ("DeliveryException", "Exception_005", None),
}


class Floor(Warehouse):
    """The floor of the warehouse: every public method takes the lock, so any thread may call it."""

    def process(self, which: Which) -> None:
        """Take an order in from ImportReview now."""
        with self.lock:
            self.take_in(self.find_order(which))

    # -- the floor --------------------------------------------------------------------------------

    def pick(self, which: Which) -> None:
        """Pick: from now on nothing can be cancelled, held or edited."""
        with self.lock:
            for shipment in self.find(which):
                self._advance_to(shipment, Stage.PICKED)

    def pack(self, which: Which) -> None:
        """Pack what is picked, or pick and pack."""
        with self.lock:
            for shipment in self.find(which):
                self._advance_to(shipment, Stage.PACKED)

    def label(
        self,
        which: Which,
        carrier: str = "UPS",
        tracking_number: str | None = None,
        *,
        without_number: bool = False,
    ) -> None:
        """Print labels; `without_number` leaves the tracking partly empty, as seen in first "shipped" events."""
        with self.lock:
            shipments = self.find(which)
            for shipment, number in zip(shipments, _numbers(shipments, tracking_number), strict=True):
                self._advance_to(shipment, Stage.PACKED)
                self._label(shipment, carrier, None if without_number else number)

    def ship(
        self,
        which: Which,
        shipments: Sequence[int] | None = None,
        carrier: str = "UPS",
        tracking_number: str | None = None,
    ) -> list[int]:
        """Pick, pack, label and hand over an order, some of its shipments, or one shipment.

        Returns:
            The ids of the shipments that left.

        Raises:
            ValueError: One is on hold or in exception, or one number was given for several parcels.
        """
        with self.lock:
            chosen = [
                shipment
                for shipment in self.find(which)
                if shipment.stage < Stage.SHIPPED and (shipments is None or shipment.id in shipments)
            ]
            for shipment, number in zip(chosen, _numbers(chosen, tracking_number), strict=True):
                self._advance_to(shipment, Stage.PACKED)
                if not (shipment.tracking or {}).get("tracking_number"):
                    self._label(shipment, carrier, number)
                self.catalogue.take_out(shipment.items, shipment.centre.id)
                self._advance_to(shipment, Stage.SHIPPED)
                self.catalogue.publish(item.inventory_id for item in shipment.items)
            return [shipment.id for shipment in chosen]

    def _advance_to(self, shipment: Shipment, stage: Stage) -> None:
        if shipment.stage == Stage.IMPORTED:
            self.take_in(shipment.order)
        if shipment.status in ("OnHold", "Exception", "Cancelled"):
            message = f"shipment {shipment.id} is {shipment.status}"
            raise ValueError(message)
        logs = {Stage.PICKED: 602, Stage.PACKED: 603, Stage.LABELLED: 604, Stage.SHIPPED: 612}
        for step in (Stage.PICKED, Stage.PACKED, Stage.LABELLED, Stage.SHIPPED):
            if shipment.stage < step <= stage:
                shipment.stage = step
                shipment.log(self.now(), logs[step])
                self.mark_changed(shipment)

    def _label(self, shipment: Shipment, carrier: str, number: str | None) -> None:
        first = shipment.stage < Stage.LABELLED
        shipment.tracking = {
            "carrier": carrier,
            "carrier_service": shipment.ship_option,
            "tracking_number": number,
            "tracking_url": f"https://track.example.test/{number}" if number else None,
            "shipping_date": self.now().isoformat(),
            "bol": None,
            "pro_number": None,
            "scac": None,
        }
        shipment.actual_fulfillment_date = shipment.actual_fulfillment_date or self.now()
        shipment.last_tracking_update_at = self.now()
        if first:
            shipment.log(self.now(), 35)
            shipment.scans.append(Scan(self.now(), "PreTransit", "PreTransit_005", "Label created"))
            self._advance_to(shipment, Stage.LABELLED)
            live = [other for other in shipment.order.shipments if other.stage != Stage.CANCELLED]
            if self.shipped_webhook == "each_label" or all(other.is_shipped for other in live):
                self.announce_order("order.shipped", shipment.order)
        else:
            self.mark_changed(shipment)
            self.announce("order.shipment.tracking.updated", shipment)

    # -- carriers ---------------------------------------------------------------------------------

    def scan(self, which: Which, status: str = "InTransit", message: str = "") -> None:
        """Let the carrier scan parcels that left; moves the tracking time, not `last_update_at` (facts section 10)."""
        detail, code, log = CARRIER_STATUSES[status]
        with self.lock:
            for shipment in self.find(which):
                if shipment.stage != Stage.SHIPPED:
                    text = f"shipment {shipment.id} has not left"
                    raise ValueError(text)
                shipment.carrier_status = detail
                shipment.scans.append(Scan(self.now(), status, code, message or status))
                shipment.last_tracking_update_at = self.now()
                if log:
                    shipment.log(self.now(), log)
                if status == "Delivered":
                    shipment.delivery_date = self.now()
                self.mark_changed(shipment, touch=False)
                self.announce("order.shipment.tracking.updated", shipment)

    def deliver_parcel(self, which: Which) -> None:
        """Deliver parcels that left; the last one of an order announces the order too."""
        with self.lock:
            for shipment in self.find(which):
                self.scan(shipment.id, "Delivered")
                self.announce("order.shipment.delivered", shipment)
                live = [other for other in shipment.order.shipments if other.stage != Stage.CANCELLED]
                if all(other.delivery_date for other in live):
                    self.announce_order("order.delivered", shipment.order)

    def change_tracking_number(self, which: Which, tracking_number: str, carrier: str | None = None) -> None:
        """Put another label on one parcel."""
        with self.lock:
            (shipment,) = self.find(which)
            if shipment.tracking is None:
                message = f"shipment {shipment.id} has no label"
                raise ValueError(message)
            self._label(shipment, carrier or shipment.tracking["carrier"], tracking_number)

    # -- trouble ----------------------------------------------------------------------------------

    def hold(self, which: Which, name: str = "InvalidAddress", messages: Sequence[str] = ()) -> None:
        """Put unpicked shipments on hold for an operational reason."""
        with self.lock:
            for shipment in self.find(which):
                self.place_hold(shipment, name, messages)

    def release_hold(self, which: Which, name: str | None = None) -> None:
        """Lift one reason, or all; there is no webhook for it."""
        with self.lock:
            for shipment in self.find(which):
                self.lift_holds(shipment, {name} if name else set(shipment.holds))

    def raise_exception(self, which: Which, name: str = "OutOfStock") -> None:
        """Block unpicked shipments at product level; their stock is given back."""
        with self.lock:
            for shipment in self.find(which):
                if not shipment.is_open:
                    message = f"shipment {shipment.id} is {shipment.stage.name.lower()}"
                    raise ValueError(message)
                if shipment.stage == Stage.IMPORTED:
                    self.take_in(shipment.order)
                shipment.exceptions[name] = [
                    detail_json(name, inventory_id=item.inventory_id, centre_id=shipment.centre.id)
                    for item in shipment.items
                ]
                self.release_stock(shipment)
                self.mark_changed(shipment)
                if shipment.status == "Exception":
                    self.announce("order.shipment.exception", shipment)

    def clear_exception(self, which: Which) -> None:
        """Remove every block at product level and look for stock again."""
        with self.lock:
            for shipment in self.find(which):
                shipment.exceptions.clear()
                self.allocate(shipment)
                self.mark_changed(shipment)

    def cancel_by_person(self, which: Which) -> None:
        """Cancel in the dashboard: no webhook tells of it (facts section 14)."""
        with self.lock:
            for shipment in self.find(which):
                reason = self.cancel_shipment(shipment)
                if reason:
                    raise ValueError(reason)

    def edit_by_person(
        self, which: Which, *, address: Mapping[str, str] | None = None, ship_option: str | None = None
    ) -> None:
        """Change unpicked shipments in the dashboard: fields of the address, or the service's name. No hold is lifted.

        Raises:
            ValueError: One is picked, or the address has no such field.
        """
        with self.lock:
            for shipment in self.find(which):
                if not shipment.is_open:
                    message = f"shipment {shipment.id} is {shipment.stage.name.lower()}"
                    raise ValueError(message)
                unknown = sorted(set(address or ()) - set(ADDRESS_FIELDS))
                if unknown:
                    message = f"no address field {unknown[0]!r}"
                    raise ValueError(message)
                changed = shipment.recipient["address"] | dict(address or {})
                shipment.recipient = shipment.recipient | {"address": changed}
                shipment.ship_option = ship_option or shipment.ship_option
                self.mark_changed(shipment)
                if address:
                    shipment.log(self.now(), 132)
                    self.announce("order.shipment.address.updated", shipment)
                if ship_option:
                    self.announce("order.shipment.shipping_service.updated", shipment)

    def show_as(self, which: Which, status: str | None, details: Sequence[str] = ()) -> None:
        """Show shipments in a status that no page of the vendor names; None shows the true one again."""
        with self.lock:
            for shipment in self.find(which):
                shipment.shown_as = (status, tuple(details)) if status else None
                self.mark_changed(shipment)

    def disable_webhook(self, webhook_id: str) -> None:
        """Switch a subscription off, which is what five days of failing deliveries do; KeyError for an unknown one."""
        with self.lock:
            self.subscriptions[webhook_id].enabled = False

    def delete_order(self, which: Which) -> None:
        """Make an order vanish: reads answer 404, its reference stays used."""
        with self.lock:
            order = self.find_order(which)
            for shipment in order.shipments:
                self.cancel_shipment(shipment)
            order.deleted = True

    def split(self, reference: str, parcels: int) -> None:
        """Decide that an order leaves in several parcels; one already here is split anew while unpicked."""
        with self.lock:
            self.splits[reference] = parcels
            order = self.orders_by_reference.get(reference)
            if order is None:
                return
            self.advance()
            if not all(shipment.is_open for shipment in order.shipments):
                message = f"order {reference} is picked"
                raise ValueError(message)
            ship_option = order.shipments[0].ship_option
            taken_in = order.shipments[0].stage != Stage.IMPORTED
            for shipment in order.shipments:
                shipment.exceptions.clear()
                self.release_stock(shipment)
                del self.shipments[shipment.id]
            order.shipments = []
            for units in deal(order.lines, parcels):
                self.open_shipment(order, units, ship_option).last_update_at = self.now()
            self.publish(order)
            if taken_in:
                self.take_in(order)

    def add_foreign_order(
        self, reference_id: str, lines: Mapping[str, int], order_number: str | None = None
    ) -> dict[str, int]:
        """Let another application of the same merchant forward an order."""
        sent = {
            "reference_id": reference_id,
            "order_number": order_number,
            "shipping_method": "Standard",
            "type": "DTC",
            "recipient": {
                "name": "Ada Sample",
                "address": {"address1": "1 Nowhere Rd", "city": "Springfield", "country": "US"},
            },
            "products": [{"reference_id": sku, "name": sku, "quantity": units} for sku, units in lines.items()],
        }
        with self.lock:
            if reference_id in self.orders_by_reference:
                message = f"reference {reference_id} exists"
                raise ValueError(message)
            order = self.accept_order(sent, OTHER_CHANNEL)
            self.begin_intake(order)
            return {"id": order.id}


def _numbers(shipments: Sequence[Shipment], given: str | None) -> list[str]:
    if given and len(shipments) > 1:
        message = "one tracking number for several parcels"
        raise ValueError(message)
    return [given or f"1ZTEST{shipment.id}" for shipment in shipments]
