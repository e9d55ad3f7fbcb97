"""What the simulated warehouse knows, and how the vendor writes it down as JSON."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

type Json = dict[str, Any]

# id and description of each status detail (facts section 8). The ids from 405 on are not confirmed:
# a client that matches by id instead of by name is wrong, whatever stands here.
STATUS_DETAILS: Mapping[str, tuple[int, str]] = {
    "Picked": (100, "Picked"),
    "Packed": (101, "Packed"),
    "Labeled": (102, "Labeled"),
    "Processing": (200, "Processing"),
    "InTransit": (201, "In Transit"),
    "OutForDelivery": (202, "Out For Delivery"),
    "Delivered": (203, "Delivered"),
    "DeliveryException": (204, "Delivery Exception"),
    "DeliveryAttemptFailed": (205, "Delivery Attempt Failed"),
    "Bundle": (300, "Bundle"),
    "MergedItem": (301, "Merged Item"),
    "InactiveSku": (302, "Inactive Sku"),
    "OutOfStock": (303, "Out Of Stock"),
    "UnknownSku": (304, "Unknown Sku"),
    "InternalTransferInProgress": (305, "Internal Transfer In Progress"),
    "BinTransferInProgress": (306, "Bin Transfer In Progress"),
    "InventoryInNonPickableLocation": (307, "Inventory In Non Pickable Location"),
    "InventoryPartiallyCommitted": (308, "Inventory Partially Committed"),
    "PaymentDeclined": (400, "Payment Declined"),
    "InvalidAddress": (401, "Invalid Address"),
    "ReserveDateNotMet": (402, "Reserve Date Not Met"),
    "MissingTarriffInformation": (404, "Missing Tarriff Information"),
    "Manual": (405, "Manual"),
    "InternationalHazmat": (406, "International Hazmat"),
    "PackagePreferenceNotSet": (407, "Package Preference Not Set"),
    "AutoProcessingPause": (408, "Auto Processing Pause"),
}
MERCHANT_HOLDS = frozenset({"Manual", "AutoProcessingPause"})

LOG_NAMES: Mapping[int, str] = {
    13: "OrderMovedToPending",
    19: "OrderPlacedFromIntegration",
    20: "OrderTrackingUploaded",
    21: "ShipOptionMappingResolved",
    35: "LabelGenerated",
    132: "AddressChanged",
    601: "Created",
    602: "Picked",
    603: "Packed",
    604: "Labeled",
    605: "LabelValidated",
    607: "InTransit",
    608: "OutForDelivery",
    609: "Delivered",
    611: "DeliveryAttemptFailed",
    612: "Shipped",
    613: "Allocated",
}
FIRST_TIMELINE_LOG = 600


class Stage(enum.IntEnum):
    """How far a shipment is; an order of steps, not the vendor's status."""

    IMPORTED = 0
    PROCESSING = 1
    PICKED = 2
    PACKED = 3
    LABELLED = 4
    SHIPPED = 5
    CANCELLED = 6


NO_CUSTOMS: Json = {
    "country_code_of_origin": None,
    "currency": None,
    "description": None,
    "hs_tariff_code": None,
    "is321_eligible": False,
    "value": None,
}
CUSTOMS: Json = NO_CUSTOMS | {
    "country_code_of_origin": "US",
    "currency": "USD",
    "description": "Goods",
    "hs_tariff_code": "090230",
    "value": 10,
}


@dataclass(frozen=True)
class Centre:
    """One fulfilment centre; a merchant may use some of those that there are."""

    id: int
    name: str
    active: bool = True
    granted: bool = True
    ships: bool = True
    receives: bool = True


@dataclass
class Product:
    """One product with its only variant; a kit has `components` (inventory id to quantity)."""

    id: int
    variant_id: int
    inventory_id: int
    sku: str
    name: str
    created_at: datetime
    active: bool = True
    digital: bool = False
    components: Mapping[int, int] = field(default_factory=dict)
    made_by_order: bool = False
    customs: Json | None = field(default_factory=NO_CUSTOMS.copy)
    """As the product list writes it; None leaves it out of the answer."""


@dataclass
class Item:
    """Units of one inventory item inside a shipment."""

    inventory_id: int
    name: str
    quantity: int
    committed: int = 0


@dataclass
class Content:
    """One product inside a shipment: what was sold (`quantity`) and what is picked (`items`)."""

    product: Product
    quantity: int
    items: list[Item]


@dataclass(frozen=True)
class Line:
    """One line of an order as it was sent."""

    product: Product
    reference_id: str
    quantity: int
    sent: Mapping[str, Any]


@dataclass(frozen=True)
class Scan:
    """One event of a carrier."""

    at: datetime
    status: str
    code: str
    message: str


@dataclass
class Shipment:
    """One parcel to be."""

    id: int
    order: Order
    centre: Centre
    contents: list[Content]
    recipient: Json
    ship_option: str
    created_at: datetime
    stage: Stage = Stage.IMPORTED
    holds: dict[str, Json] = field(default_factory=dict)
    exceptions: dict[str, list[Json]] = field(default_factory=dict)
    carrier_status: str = "Processing"
    tracking: Json | None = None
    last_update_at: datetime | None = None
    last_tracking_update_at: datetime | None = None
    actual_fulfillment_date: datetime | None = None
    delivery_date: datetime | None = None
    is_tracking_uploaded: bool = False
    logs: list[tuple[datetime, int, str]] = field(default_factory=list)
    scans: list[Scan] = field(default_factory=list)
    shown_as: tuple[str, tuple[str, ...]] | None = None
    """A status and details that no page of the vendor names, shown instead of the true ones."""

    @property
    def items(self) -> list[Item]:
        """Every inventory item to be picked."""
        return [item for content in self.contents for item in content.items]

    @property
    def is_shipped(self) -> bool:
        """A label exists: the vendor's two shipped statuses."""
        return self.stage in (Stage.LABELLED, Stage.SHIPPED)

    @property
    def is_open(self) -> bool:
        """Not picked yet, so it can be cancelled, held and edited."""
        return self.stage < Stage.PICKED

    @property
    def status(self) -> str:
        """The vendor's shipment status."""
        if self.shown_as:
            return self.shown_as[0]
        final = {
            Stage.CANCELLED: "Cancelled",
            Stage.SHIPPED: "Completed",
            Stage.LABELLED: "LabeledCreated",
            Stage.IMPORTED: "ImportReview",
        }
        if self.is_open and self.holds:
            return "OnHold"
        if self.is_open and self.exceptions:
            return "Exception"
        return final.get(self.stage, "Processing")

    def status_details(self) -> list[Json]:
        """Give the vendor's reasons for the status; several may apply, often there are none."""
        if self.shown_as:
            return [{**detail_json("Manual"), "id": 999, "name": name} for name in self.shown_as[1]]
        status = self.status
        if status == "OnHold":
            return list(self.holds.values())
        if status == "Exception":
            return [detail for details in self.exceptions.values() for detail in details]
        if status == "Completed":
            return [detail_json(self.carrier_status)]
        done = {Stage.PICKED: "Picked", Stage.PACKED: "Packed"}.get(self.stage)
        return [detail_json(done)] if done else []

    def log(self, at: datetime, number: int, text: str = "") -> None:
        """Write a line into the timeline (from 600 on) or the warehouse's log."""
        self.logs.append((at, number, text or LOG_NAMES[number]))


@dataclass
class Snapshot:
    """An order as reads show it from `visible_at` on."""

    visible_at: datetime
    body: Json
    updated_at: datetime | None
    tracking_updated_at: datetime | None
    has_tracking: bool
    is_tracking_uploaded: bool


@dataclass
class Order:
    """One order as the warehouse keeps it."""

    id: int
    reference_id: str
    order_number: str
    channel: Json
    created_at: datetime
    shipping_method: str
    sent: Json
    lines: list[Line] = field(default_factory=list)
    shipments: list[Shipment] = field(default_factory=list)
    published: list[Snapshot] = field(default_factory=list)
    deleted: bool = False

    @property
    def status(self) -> str:
        """The vendor's order status, derived from the shipments; there is no OnHold on this level."""
        live = [shipment for shipment in self.shipments if shipment.stage != Stage.CANCELLED]
        statuses = {shipment.status for shipment in live}
        if not live:
            return "Cancelled"
        if all(shipment.is_shipped for shipment in live):
            return "Fulfilled"
        if any(shipment.is_shipped for shipment in live):
            return "PartiallyFulfilled"
        return next((status for status in ("ImportReview", "Exception") if status in statuses), "Processing")


def detail_json(
    name: str, *, inventory_id: int | None = None, centre_id: int | None = None, messages: tuple[str, ...] = ()
) -> Json:
    """Write one status detail; a name outside the vendor's table is refused with a ValueError."""
    if name not in STATUS_DETAILS:
        message = f"unknown status detail {name!r}"
        raise ValueError(message)
    number, description = STATUS_DETAILS[name]
    return {
        "id": number,
        "name": name,
        "description": description,
        "inventory_id": inventory_id,
        "exception_fulfillment_center_id": centre_id,
        "extra_information": {"validation_messages": list(messages)} if messages else None,
    }


def time_json(at: datetime | None) -> str | None:
    """Write a time as the vendor does."""
    return at.isoformat() if at else None


def shipment_json(shipment: Shipment) -> Json:
    """Write a shipment: units only in `inventory_items`, nothing of `external_line_id`."""
    picked_or_later = shipment.actual_fulfillment_date is not None
    return {
        "id": shipment.id,
        "order_id": shipment.order.id,
        "reference_id": shipment.order.reference_id,
        "created_date": time_json(shipment.created_at),
        "last_update_at": time_json(shipment.last_update_at),
        "last_tracking_update_at": time_json(shipment.last_tracking_update_at),
        "status": shipment.status,
        "status_details": shipment.status_details(),
        "location": {"id": shipment.centre.id, "name": shipment.centre.name},
        "ship_option": shipment.ship_option,
        "recipient": shipment.recipient,
        "products": [_content_json(content) for content in shipment.contents],
        "tracking": dict(shipment.tracking) if shipment.tracking else None,
        "estimated_fulfillment_date": None,
        "estimated_fulfillment_date_status": "FulfilledOnTime" if picked_or_later else "Unavailable",
        "actual_fulfillment_date": time_json(shipment.actual_fulfillment_date),
        "delivery_date": time_json(shipment.delivery_date),
        "is_tracking_uploaded": shipment.is_tracking_uploaded,
        "measurements": {"total_weight_oz": 0, "length_in": 0, "width_in": 0, "depth_in": 0},
        "package_material_type": "Unknown",
        "parent_cartons": [],
        "require_signature": False,
        "insurance_value": None,
        "invoice_amount": None,
        "invoice_currency_code": None,
        "gift_message": shipment.order.sent.get("gift_message"),
    }


def _content_json(content: Content) -> Json:
    return {
        "id": content.product.id,
        "name": content.product.name,
        "reference_id": content.product.sku,
        "sku": content.product.sku,
        "inventory_items": [
            {
                "id": item.inventory_id,
                "name": item.name,
                "quantity": item.quantity,
                "quantity_committed": item.committed,
                "lot": None,
                "expiration_date": None,
                "serial_numbers": [],
                "is_dangerous_goods": False,
            }
            for item in content.items
        ],
    }


def order_json(order: Order) -> Json:
    """Write an order with its shipments; `external_line_id` stands only here."""
    sent = order.sent
    retail = sent.get("type") != "DTC"
    return {
        "id": order.id,
        "created_date": time_json(order.created_at),
        "purchase_date": sent.get("purchase_date"),
        "reference_id": order.reference_id,
        "order_number": order.order_number,
        "status": order.status,
        "type": sent.get("type", "DTC"),
        "channel": order.channel,
        "shipping_method": order.shipping_method,
        "recipient": _recipient_json(sent["recipient"]),
        "products": [
            {
                "id": line.product.id,
                "reference_id": line.reference_id,
                "sku": line.product.sku,
                "quantity": line.quantity,
                "quantity_unit_of_measure_code": line.sent.get("quantity_unit_of_measure_code"),
                "external_line_id": line.sent.get("external_line_id"),
                "unit_price": line.sent.get("unit_price"),
                "gtin": line.sent.get("gtin"),
                "upc": line.sent.get("upc"),
            }
            for line in order.lines
        ],
        "tags": [{"name": tag["name"], "value": tag["value"]} for tag in sent.get("tags") or ()],
        "financials": {"total_price": (sent.get("financials") or {}).get("total_price")},
        "gift_message": sent.get("gift_message"),
        "shipping_terms": sent.get("shipping_terms"),
        # Sent with a DTC order it is ignored (facts section 6).
        "retailer_program_data": sent.get("retailer_program_data") if retail else None,
        "shipments": [shipment_json(shipment) for shipment in order.shipments],
    }


ADDRESS_FIELDS = ("address1", "address2", "company_name", "city", "state", "country", "zip_code")


def _recipient_json(sent: Mapping[str, Any]) -> Json:
    return {
        "name": sent["name"],
        "email": sent.get("email"),
        "phone_number": sent.get("phone_number"),
        "address": {name: sent["address"].get(name) for name in ADDRESS_FIELDS},
    }


def shipment_recipient(sent: Mapping[str, Any]) -> Json:
    """Write an order's recipient the way a shipment shows it."""
    return _recipient_json(sent) | {"full_name": sent["name"]}
