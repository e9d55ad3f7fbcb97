"""What Jetpack's answers look like (facts/shipbob.md sections 7 to 12) and what we make of them.

Statuses and their details stay text, known or not; only spellings that mean the same become one. Nearly every
field may be null.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import AliasChoices, Field

from jetbridge.domain.order import JetpackOrder, JetpackShipment, SeenAtJetpack
from jetbridge.domain.stock import JetpackStock
from jetbridge.partners.reading import Payload
from jetbridge.ports import ParcelTracking

if TYPE_CHECKING:
    from collections.abc import Mapping

# Documents write some of these with a space or in British English; the vendor's JSON is said to write the second.
SPELLINGS = {
    "Canceled": "Cancelled",
    "Labelled": "Labeled",
    "LabelledCreated": "LabeledCreated",
    "MissingTarriffInformation": "MissingTariffInformation",
    # The tracking of April 2026 wrote words where the present one writes names (section 11).
    "AvailableforPickup": "AvailableForPickup",
    "DeliveryattemptFailed": "DeliveryAttemptFailed",
    "Returntosender": "ReturnToSender",
}


class InventoryItemPayload(Payload):
    """Units of one inventory item in a shipment, the only place with a quantity."""

    id: int | None = None
    quantity: int | None = None


class ShipmentProductPayload(Payload):
    """One product of a shipment; the order list has been seen to say `inventory` for `inventory_items`."""

    reference_id: str | None = None
    sku: str | None = None
    inventory_items: tuple[InventoryItemPayload, ...] | None = None
    inventory: tuple[InventoryItemPayload, ...] | None = None

    @property
    def key(self) -> str:
        """What the line was sent by."""
        return self.reference_id or self.sku or ""

    def units(self) -> Counter[int]:
        """Units by inventory id; several lots of one item are added up."""
        found: Counter[int] = Counter()
        for item in self.inventory_items or self.inventory or ():
            found[item.id or 0] += item.quantity or 0
        return found


class StatusDetailPayload(Payload):
    """Why a shipment is where it is."""

    name: str | None = None


class TrackingPayload(Payload):
    """The label; partly empty at times when the first "shipped" event arrives."""

    carrier: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None


class LocationPayload(Payload):
    """A fulfillment centre."""

    name: str | None = None


class ShipmentPayload(Payload):
    """One shipment."""

    id: int
    order_id: int | None = None
    status: str | None = None
    status_details: tuple[StatusDetailPayload, ...] | None = None
    location: LocationPayload | None = None
    products: tuple[ShipmentProductPayload, ...] | None = None
    tracking: TrackingPayload | None = None
    delivery_date: str | None = None

    @property
    def known_status(self) -> str:
        """The status in one spelling; text of ours never, for what is not known stays as it came."""
        return _spelled(self.status)

    def to_shipment(self, kit_sizes: Mapping[tuple[str, int], int]) -> JetpackShipment:
        """Translate. `kit_sizes` says how many units of an inventory item one unit of a product takes."""
        details = tuple(_spelled(detail.name) for detail in self.status_details or () if detail.name)
        tracking = self.tracking or TrackingPayload()
        items: Counter[str] = Counter()
        for product in self.products or ():
            whole = [
                units // kit_sizes.get((product.key, inventory_id), 1)
                for inventory_id, units in product.units().items()
            ]
            items[product.key] += min(whole, default=0)
        return JetpackShipment(
            id=str(self.id),
            status=self.known_status,
            details=details,
            items=tuple(items.items()),
            tracking_number=tracking.tracking_number or "",
            carrier=tracking.carrier or "",
            tracking_url=tracking.tracking_url or "",
            delivered="Delivered" in details or bool(self.delivery_date),
            location=(self.location.name if self.location else None) or "",
        )


class ChannelPayload(Payload):
    """The channel an order came through."""

    id: int | None = None


class OrderProductPayload(Payload):
    """One line of an order."""

    reference_id: str | None = None
    sku: str | None = None
    quantity: int | None = None


class OrderPayload(Payload):
    """One order with its shipments."""

    id: int
    reference_id: str | None = None
    order_number: str | None = None
    shipping_method: str | None = None
    channel: ChannelPayload | None = None
    products: tuple[OrderProductPayload, ...] | None = None
    shipments: tuple[ShipmentPayload, ...] | None = None

    def to_order(self) -> JetpackOrder:
        """Translate."""
        sizes = self._kit_sizes()
        return JetpackOrder(
            id=str(self.id),
            reference=self.reference_id or "",
            shipments=tuple(shipment.to_shipment(sizes) for shipment in self.shipments or ()),
            products=tuple(
                (product.reference_id or product.sku or "", product.quantity or 0) for product in self.products or ()
            ),
            shipping_method=self.shipping_method or "",
            number=self.order_number or "",
        )

    def _kit_sizes(self) -> dict[tuple[str, int], int]:
        # Shipments count what is picked, the order what was ordered: a kit of three in two units is six picked.
        # Cancelled shipments are left out, for what replaces them would be counted with them.
        live = [each for each in self.shipments or () if each.known_status != "Cancelled"] or self.shipments or ()
        ordered: Counter[str] = Counter()
        picked: Counter[tuple[str, int]] = Counter()
        for line in self.products or ():
            ordered[line.reference_id or line.sku or ""] += line.quantity or 0
        for product in (product for shipment in live for product in shipment.products or ()):
            for inventory_id, units in product.units().items():
                picked[product.key, inventory_id] += units
        return {
            (key, inventory_id): units // ordered[key]
            for (key, inventory_id), units in picked.items()
            if ordered[key] and units >= ordered[key] and units % ordered[key] == 0
        }


class CancelResultPayload(Payload):
    """What became of one shipment."""

    shipment_id: int | None = None
    is_success: bool | None = None
    reason: str | None = None


class CancelPayload(Payload):
    """The answer to a cancel, which is 200 whatever came of it."""

    status: str | None = None
    order: OrderPayload | None = None
    results: tuple[CancelResultPayload, ...] | None = Field(default=None, alias="canceled_shipment_results")


class BatchCancelPayload(Payload):
    """The answer to a cancel of single shipments."""

    results: tuple[CancelResultPayload, ...] | None = None


class EditErrorPayload(Payload):
    """Why a shipment was not changed."""

    code: str | None = None
    message: str | None = None


class EditPayload(Payload):
    """What became of one shipment that was to be changed: 200 does not mean changed.

    The shape of a hold's result is not published; one of its siblings says `shipmentId` and `isSuccess`.
    """

    id: int | None = Field(default=None, validation_alias=AliasChoices("id", "shipment_id", "shipmentId"))
    is_success: bool | None = Field(default=None, validation_alias=AliasChoices("is_success", "isSuccess"))
    error: EditErrorPayload | None = None
    still_held: bool | None = Field(default=None, validation_alias="is_still_on_hold_due_to_other_reasons")


class EditsPayload(Payload):
    """What became of several."""

    results: tuple[EditPayload, ...] | None = None


class ShipmentTrackingPayload(Payload):
    """Where a parcel is: as the live API says it, or as the description of April 2026 does."""

    shipment_id: int
    status: str | None = Field(default=None, validation_alias=AliasChoices("current_status", "status"))
    number: str | None = Field(
        default=None, validation_alias=AliasChoices("tracking_number", "carrier_tracking_number")
    )
    carrier: str | None = None
    url: str | None = Field(default=None, validation_alias=AliasChoices("tracking_url", "public_tracking_url"))
    at: str | None = Field(default=None, validation_alias=AliasChoices("current_timestamp", "last_updated"))

    def to_tracking(self) -> ParcelTracking:
        """Translate; a time that cannot be read is none."""
        return ParcelTracking(
            shipment_id=str(self.shipment_id),
            status=_spelled(self.status),
            number=self.number or "",
            carrier=self.carrier or "",
            url=self.url or "",
            at=_time(self.at),
        )


class ServiceLevelPayload(Payload):
    """What a row of the ship option mapping stands for."""

    id: int | None = None


class ShippingMethodPayload(Payload):
    """One row of the ship option mapping; `name` is the text to send."""

    name: str | None = None
    active: bool | None = None
    service_level: ServiceLevelPayload | None = None


class InventoryPayload(Payload):
    """Which stock a variant is taken from."""

    inventory_id: int | None = None


class BundlePartPayload(Payload):
    """What a bundle is packed from."""

    variant_id: int | None = None
    variant_sku: str | None = None
    quantity: int | None = None


class CustomsPayload(Payload):
    """What a customs declaration says of a product."""

    tariff_code: str | None = Field(default=None, alias="hs_tariff_code")
    origin: str | None = Field(default=None, alias="country_code_of_origin")
    value: object = None
    """Whole until 2026-01, a decimal since 2026-07; only whether there is one counts."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing that a declaration needs."""
        return bool((self.tariff_code or "").strip() and (self.origin or "").strip() and self.value)


class VariantPayload(Payload):
    """One variant of a product; a bundle is a variant like any other."""

    id: int | None = None
    sku: str | None = None
    status: str | None = None
    is_digital: bool | None = None
    inventory: InventoryPayload | None = None
    bundle: tuple[BundlePartPayload, ...] | None = Field(default=None, alias="bundle_definition")
    customs: CustomsPayload | None = None

    @property
    def is_shippable(self) -> bool:
        """Whether an order of it becomes a parcel: nothing leaves the building for what is inactive or digital."""
        return self.status == "Active" and not self.is_digital

    @property
    def has_customs(self) -> bool | None:
        """Whether its customs data are complete; None when nobody says, as of a bundle, which may go as its parts."""
        if self.bundle or "customs" not in self.model_fields_set:
            return None
        return self.customs is not None and self.customs.is_complete

    @property
    def inventory_id(self) -> int | None:
        """The stock it is taken from."""
        return self.inventory.inventory_id if self.inventory else None


class ProductPayload(Payload):
    """One product."""

    variants: tuple[VariantPayload, ...] | None = None


class AccountChannelPayload(Payload):
    """One channel of the account, with what the token may do there."""

    id: int
    name: str | None = None
    application_name: str | None = None
    scopes: tuple[str, ...] | None = None


class ChannelOfOrderPayload(Payload):
    """Of an order nothing but the channel it came through."""

    id: int
    channel: ChannelPayload | None = None


class SeenOrderPayload(Payload):
    """Of an order of any channel what tells whose it is."""

    id: int
    reference_id: str | None = None
    order_number: str | None = None
    created_date: str | None = None
    channel: ChannelPayload | None = None

    def to_seen(self, since: datetime) -> SeenAtJetpack:
        """Translate; an order that does not say when it came came at the earliest moment asked for."""
        channel_id = str(self.channel.id or "") if self.channel else ""
        at = _time(self.created_date) or since
        return SeenAtJetpack(self.reference_id or "", self.order_number or "", channel_id, at)


class CenterPayload(Payload):
    """One of the fulfillment centers."""

    id: int
    name: str | None = None
    is_active: bool | None = None
    is_shipping_enabled: bool | None = None
    access_granted: bool | None = None

    @property
    def ships(self) -> bool:
        """Whether it may ship for this account."""
        return bool(self.is_active and self.is_shipping_enabled and self.access_granted)


class SubscriptionPayload(Payload):
    """One webhook subscription; `secret` is shown when it is made, `enabled` in lists."""

    id: str | int
    url: str | None = None
    topics: tuple[str, ...] | None = None
    enabled: bool | None = None
    secret: str | None = None


class LevelPayload(Payload):
    """The network's stock of one inventory item; a missing figure counts as none."""

    inventory_id: int | None = None
    sku: str | None = None
    sellable: int | None = Field(default=None, alias="total_sellable_quantity")
    fulfillable: int | None = Field(default=None, alias="total_fulfillable_quantity")
    exception: int | None = Field(default=None, alias="total_exception_quantity")

    def to_stock(self) -> JetpackStock:
        """Translate."""
        return JetpackStock(self.sku or "", self.sellable or 0, self.fulfillable or 0, self.exception or 0)


def _spelled(name: str | None) -> str:
    text = "".join((name or "").split())
    return SPELLINGS.get(text, text)


def _time(text: str | None) -> datetime | None:
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
