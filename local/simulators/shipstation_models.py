"""What a ShipStation account keeps, and how the API writes it (facts/shipstation.md sections 8, 10 and 11)."""

from __future__ import annotations

import copy
import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.simulators.shipstation_time import day_stamp, long_stamp, short_stamp

if TYPE_CHECKING:
    from collections.abc import Mapping

type Json = dict[str, Any]

OPEN_STATUSES = ("awaiting_payment", "awaiting_shipment", "on_hold")
STATUSES = (*OPEN_STATUSES, "pending_fulfillment", "shipped", "cancelled", "rejected_fulfillment")

ORDER_EVENTS = ("ORDER_NOTIFY", "ITEM_ORDER_NOTIFY")
SHIP_EVENTS = ("SHIP_NOTIFY", "ITEM_SHIP_NOTIFY")
EVENTS = (*ORDER_EVENTS, *SHIP_EVENTS, "FULFILLMENT_SHIPPED", "FULFILLMENT_REJECTED")

ADDRESS: Mapping[str, Any] = {
    "name": None,
    "company": None,
    "street1": None,
    "street2": None,
    "street3": None,
    "city": None,
    "state": None,
    "postalCode": None,
    "country": None,
    "phone": None,
    "residential": None,
    "addressVerified": None,
}
ITEM: Mapping[str, Any] = {
    "lineItemKey": None,
    "sku": None,
    "name": "",
    "imageUrl": None,
    "weight": None,
    "quantity": 1,
    "unitPrice": 0.0,
    "taxAmount": None,
    "shippingAmount": None,
    "warehouseLocation": None,
    "options": [],
    "productId": None,
    "fulfillmentSku": None,
    "adjustment": False,
    "upc": None,
}
# What an order carries without the simulator looking at it; a createorder that leaves one out resets it to this.
DETAILS: Mapping[str, Any] = {
    "customerUsername": None,
    "customerEmail": None,
    "amountPaid": 0.0,
    "taxAmount": 0.0,
    "shippingAmount": 0.0,
    "customerNotes": None,
    "internalNotes": None,
    "gift": False,
    "giftMessage": None,
    "paymentMethod": None,
    "requestedShippingService": None,
    "carrierCode": None,
    "serviceCode": None,
    "packageCode": None,
    "confirmation": "none",
    "weight": None,
    "dimensions": None,
    "insuranceOptions": {"provider": None, "insureShipment": False, "insuredValue": 0.0},
    "internationalOptions": {"contents": None, "customsItems": None, "nonDelivery": None},
}
ADVANCED: Mapping[str, Any] = {
    "warehouseId": None,
    "nonMachinable": False,
    "saturdayDelivery": False,
    "containsAlcohol": False,
    "customField1": None,
    "customField2": None,
    "customField3": None,
    "source": None,
    "billToParty": None,
    "billToAccount": None,
    "billToPostalCode": None,
    "billToCountryCode": None,
    "billToMyOtherAccount": None,
}


def filled(defaults: Mapping[str, Any], given: Mapping[str, Any] | None) -> Json:
    """Give the defaults with what is given, as a value of its own; unknown names are left out."""
    known = {name: value for name, value in (given or {}).items() if name in defaults}
    return copy.deepcopy(dict(defaults) | known)


@dataclass(frozen=True)
class ChannelLink:
    """What an order is in its shop: a Shopify order, or one fulfillment order of it."""

    order_id: int
    fulfillment_order_id: int | None = None


@dataclass
class Item:
    """One line of an order."""

    id: int
    fields: Json
    created_at: dt.datetime
    modified_at: dt.datetime

    @property
    def quantity(self) -> int:
        """Count the units."""
        units: int = self.fields["quantity"]
        return units

    def view(self) -> Json:
        """Write the line as an order shows it."""
        dates = {"createDate": short_stamp(self.created_at), "modifyDate": short_stamp(self.modified_at)}
        return {"orderItemId": self.id} | copy.deepcopy(self.fields) | dates

    def shipment_view(self) -> Json:
        """Write the line as a shipment shows it."""
        kept = ("lineItemKey", "sku", "name", "imageUrl", "weight", "quantity", "unitPrice", "warehouseLocation")
        more = ("options", "productId", "fulfillmentSku")
        return {"orderItemId": self.id} | copy.deepcopy({name: self.fields[name] for name in (*kept, *more)})


@dataclass
class Order:
    """An order with everything that hangs on it. Times are UTC here and Pacific outside."""

    id: int
    number: str
    key: str
    store_id: int
    status: str
    ordered_at: dt.datetime
    created_at: dt.datetime
    modified_at: dt.datetime
    ship_to: Json
    bill_to: Json
    items: list[Item]
    details: Json = field(default_factory=lambda: filled(DETAILS, None))
    advanced: Json = field(default_factory=lambda: filled(ADVANCED, None))
    paid_at: dt.datetime | None = None
    ship_by: dt.datetime | None = None
    ship_date: dt.date | None = None
    hold_until: dt.date | None = None
    customer_id: int | None = None
    user_id: str | None = None
    tag_ids: list[int] = field(default_factory=list)
    merged_ids: list[int] = field(default_factory=list)
    parent_id: int | None = None
    was_split: bool = False
    listed: bool = True
    total: float | None = None
    externally_fulfilled_by: str | None = None
    import_batches: set[str] = field(default_factory=set)
    links: list[ChannelLink] = field(default_factory=list)
    imported: Json = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Say whether the order can still be changed from outside."""
        return self.status in OPEN_STATUSES

    def view(self) -> Json:
        """Write the order as the API does."""
        details = copy.deepcopy(self.details)
        goods = sum(item.quantity * item.fields["unitPrice"] for item in self.items)
        total = self.total if self.total is not None else goods + details["taxAmount"] + details["shippingAmount"]
        head = {
            "orderId": self.id,
            "orderNumber": self.number,
            "orderKey": self.key,
            "orderDate": long_stamp(self.ordered_at),
            "createDate": long_stamp(self.created_at),
            "modifyDate": long_stamp(self.modified_at),
            "paymentDate": long_stamp(self.paid_at),
            "shipByDate": long_stamp(self.ship_by),
            "orderStatus": self.status,
            "customerId": self.customer_id,
            "billTo": copy.deepcopy(self.bill_to),
            "shipTo": copy.deepcopy(self.ship_to),
            "items": [item.view() for item in self.items],
            "orderTotal": round(total, 2),
        }
        tail = {
            "shipDate": str(self.ship_date) if self.ship_date else None,
            "holdUntilDate": str(self.hold_until) if self.hold_until else None,
            "advancedOptions": self.advanced
            | {
                "storeId": self.store_id,
                "mergedOrSplit": bool(self.was_split or self.merged_ids),
                "mergedIds": list(self.merged_ids),
                "parentId": self.parent_id,
            },
            "tagIds": list(self.tag_ids) or None,
            "userId": self.user_id,
            "externallyFulfilled": self.externally_fulfilled_by is not None,
            "externallyFulfilledBy": self.externally_fulfilled_by,
            "externallyFulfilledById": None,
            "externallyFulfilledByName": self.externally_fulfilled_by,
            "labelMessages": None,
        }
        return head | details | tail


@dataclass
class Shipped:
    """What a fulfillment and a shipment have in common: a number, and whether the channel was told."""

    id: int
    order: Order
    tracking_number: str | None
    carrier_code: str | None
    created_at: dt.datetime
    ship_date: dt.date
    void_at: dt.datetime | None = None
    marketplace_notified: bool = False
    notify_error: str | None = None
    tell_at: dt.datetime | None = None

    def _view(self) -> Json:
        return {
            "orderId": self.order.id,
            "orderNumber": self.order.number,
            "userId": self.order.user_id,
            "trackingNumber": self.tracking_number,
            "createDate": long_stamp(self.created_at),
            "voidDate": long_stamp(self.void_at),
            "carrierCode": self.carrier_code,
            "voided": self.void_at is not None,
            "marketplaceNotified": self.marketplace_notified,
            "notifyErrorMessage": self.notify_error,
            "shipTo": copy.deepcopy(self.order.ship_to),
        }


@dataclass
class Fulfillment(Shipped):
    """An order marked as shipped, or shipped by a fulfillment provider. No lines: the whole order."""

    notify_customer: bool = False
    provider: str | None = None

    def view(self) -> Json:
        """Write the row as the API does."""
        rest = {
            "customerEmail": self.order.details["customerEmail"],
            "shipDate": day_stamp(self.ship_date),
            "deliveryDate": None,
            "sellerFillProviderId": None,
            "sellerFillProviderName": self.provider,
            "fulfillmentProviderCode": self.provider,
            "fulfillmentServiceCode": None,
            "fulfillmentFee": 0.0,
            "voidRequested": False,
        }
        return {"fulfillmentId": self.id} | self._view() | rest


@dataclass
class Shipment(Shipped):
    """A label bought in ShipStation."""

    service_code: str = "usps_priority_mail"
    batch_id: int = 0
    cost: float = 0.0
    is_return: bool = False
    items: list[Item] = field(default_factory=list)

    def view(self, *, with_items: bool) -> Json:
        """Write the row as the API does; the lines are null unless asked for."""
        rest = {
            "orderKey": self.order.key,
            "shipDate": day_stamp(self.ship_date),
            "shipmentCost": self.cost,
            "insuranceCost": 0.0,
            "isReturnLabel": self.is_return,
            "batchNumber": str(self.batch_id),
            "serviceCode": self.service_code,
            "packageCode": "package",
            "confirmation": self.order.details["confirmation"],
            "warehouseId": self.order.advanced["warehouseId"],
            "weight": copy.deepcopy(self.order.details["weight"]),
            "dimensions": None,
            "insuranceOptions": {"provider": None, "insureShipment": False, "insuredValue": 0.0},
            "advancedOptions": {"storeId": self.order.store_id},
            "shipmentItems": [item.shipment_view() for item in self.items] if with_items else None,
            "labelData": None,
            "formData": None,
        }
        return {"shipmentId": self.id} | self._view() | rest


@dataclass
class Store:
    """A connected sales channel."""

    id: int
    name: str
    marketplace_id: int
    marketplace: str
    created_at: dt.datetime
    modified_at: dt.datetime
    refreshed_at: dt.datetime
    attempted_at: dt.datetime
    active: bool = True
    auto_refresh: bool = True
    url: str | None = None

    def view(self) -> Json:
        """Write the row as the store list does; `refreshDate` is UTC there, the others Pacific (section 4)."""
        return {
            "storeId": self.id,
            "storeName": self.name,
            "marketplaceId": self.marketplace_id,
            "marketplaceName": self.marketplace,
            "accountName": None,
            "email": None,
            "integrationUrl": self.url,
            "active": self.active,
            "companyName": "",
            "phone": "",
            "publicEmail": "",
            "website": "",
            "refreshDate": short_stamp(self.refreshed_at, dt.UTC),
            "lastRefreshAttempt": short_stamp(self.attempted_at),
            "createDate": short_stamp(self.created_at),
            "modifyDate": short_stamp(self.modified_at),
            "autoRefresh": self.auto_refresh,
        }


@dataclass(frozen=True)
class Webhook:
    """A subscription; without a store it hears all of them."""

    id: int
    event: str
    url: str
    store_id: int | None
    name: str | None

    def view(self) -> Json:
        """Write the row as the list does, in its own capitals."""
        return {
            "IsLabelAPIHook": False,
            "WebHookID": self.id,
            "SellerID": 100000,
            "StoreID": self.store_id,
            "HookType": self.event,
            "MessageFormat": "Json",
            "Url": self.url,
            "Name": self.name,
            "BulkCopyBatchID": None,
            "BulkCopyRecordID": None,
            "Active": True,
            "WebhookLogs": [],
            "Seller": None,
            "Store": None,
        }
