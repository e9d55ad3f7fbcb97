"""What ShipStation's answers look like (facts/shipstation.md sections 8, 10, 11) and what we make of them.

Nearly every field may be null. Statuses stay text, known or not; times become UTC here.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field

from jetbridge.domain.order import Address
from jetbridge.domain.shipstation import ShipStationFulfillment, ShipStationLine, ShipStationOrder
from jetbridge.partners.reading import Payload
from jetbridge.partners.shipstation.refusals import write_back_error
from jetbridge.partners.shipstation.times import moment, wall_time
from jetbridge.ports import DeskStore, Subscription

if TYPE_CHECKING:
    from collections.abc import Mapping

DISCOUNT = "discount"
NOBODY = frozenset({"", "0"})
GRAMS = {"grams": 1.0, "ounces": 28.349523125, "pounds": 453.59237}
HEAVIEST = 1e9
"""Below what can be counted with, in any unit; what is infinite or no number is not."""


def _moment(text: object) -> datetime:
    if not isinstance(text, str):
        message = "not a time"
        raise ValueError(message)  # noqa: TRY004 - what pydantic understands
    return moment(text)


def _moment_or_none(text: object) -> datetime | None:
    try:
        found = _moment(text)
    except ValueError:
        return None
    return found if found.year > 1 else None  # their platform's way to write no time at all


def _number(value: object) -> str:
    """Read an id, which is a number there and text here; ValueError when it is neither."""
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).isdecimal():
        message = "not an id"
        raise ValueError(message)
    return str(value)


def _number_or_nothing(value: object) -> str:
    try:
        found = _number(value)
    except ValueError:
        return ""
    return "" if found in NOBODY else found


def _numbers(values: object) -> tuple[str, ...]:
    return tuple(filter(None, map(_number_or_nothing, values))) if isinstance(values, list) else ()


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _yes_no(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _grams(weight: object) -> int:
    """Weigh `{value, units}`; 0 for what nobody weighed, or weighed in a unit that no page names."""
    value, unit = (weight.get("value"), weight.get("units")) if isinstance(weight, dict) else (None, None)
    if not isinstance(value, int | float) or not isinstance(unit, str) or not 0 < value < HEAVIEST:
        return 0
    return round(value * GRAMS.get(unit.strip().casefold(), 0.0))


Moment = Annotated[datetime, BeforeValidator(_moment)]
MomentOrNone = Annotated[datetime | None, BeforeValidator(_moment_or_none)]
Id = Annotated[str, BeforeValidator(_number)]
IdOrNothing = Annotated[str, BeforeValidator(_number_or_nothing)]
Ids = Annotated[tuple[str, ...], BeforeValidator(_numbers)]
Text = Annotated[str, BeforeValidator(_text)]
"""Empty for null."""
YesNo = Annotated[bool | None, BeforeValidator(_yes_no)]
Grams = Annotated[int, BeforeValidator(_grams)]


class AddressPayload(Payload):
    """An address; `country` may be two blanks."""

    name: Text = ""
    company: Text = ""
    street1: Text = ""
    street2: Text = ""
    street3: Text = ""
    city: Text = ""
    state: Text = ""
    postal_code: Text = Field(default="", alias="postalCode")
    country: Text = ""
    phone: Text = ""
    residential: YesNo = None
    verified: Text = Field(default="", alias="addressVerified")

    def to_address(self) -> Address | None:
        """Translate; None when nothing stands in it."""
        address = Address(
            name=self.name,
            company=self.company,
            address1=self.street1,
            address2=", ".join(filter(None, (self.street2, self.street3))),
            city=self.city,
            province_code=self.state,
            zip=self.postal_code,
            country_code=self.country,
            phone=self.phone,
        )
        return address if address != Address() else None


class ItemPayload(Payload):
    """One line."""

    key: Text = Field(default="", alias="lineItemKey")
    sku: Text = ""
    name: Text = ""
    quantity: int | None = None
    adjustment: bool | None = None
    warehouse_location: Text = Field(default="", alias="warehouseLocation")

    def to_line(self) -> ShipStationLine:
        """Translate. Discounts are lines, too, and not always flagged (facts section 8)."""
        goods = not self.adjustment and self.key.casefold() != DISCOUNT
        return ShipStationLine(
            self.key,
            self.sku,
            self.name,
            self.quantity or 0,
            goods=goods,
            warehouse_location=self.warehouse_location,
        )


class AdvancedPayload(Payload):
    """Where an order comes from, what it was cut from, and what the merchant keeps in it."""

    store_id: IdOrNothing = Field(default="", alias="storeId")
    parent_id: IdOrNothing = Field(default="", alias="parentId")
    merged_ids: Ids = Field(default=(), alias="mergedIds")
    custom_field_1: Text = Field(default="", alias="customField1")
    custom_field_2: Text = Field(default="", alias="customField2")
    custom_field_3: Text = Field(default="", alias="customField3")
    source: Text = ""


class OrderPayload(Payload):
    """One order."""

    id: Id = Field(alias="orderId")
    number: Text = Field(default="", alias="orderNumber")
    key: Text = Field(default="", alias="orderKey")
    status: Text = Field(default="", alias="orderStatus")
    modified_at: Moment = Field(alias="modifyDate")
    items: tuple[ItemPayload | None, ...] | None = None
    method: Text = Field(default="", alias="requestedShippingService")
    ship_to: AddressPayload | None = Field(default=None, alias="shipTo")
    tag_ids: Ids = Field(default=(), alias="tagIds")
    held_until: Text = Field(default="", alias="holdUntilDate")
    advanced: AdvancedPayload | None = Field(default=None, alias="advancedOptions")
    externally_fulfilled: bool | None = Field(default=None, alias="externallyFulfilled")
    customer_notes: Text = Field(default="", alias="customerNotes")
    internal_notes: Text = Field(default="", alias="internalNotes")
    gift: YesNo = None
    gift_message: Text = Field(default="", alias="giftMessage")
    ship_by: MomentOrNone = Field(default=None, alias="shipByDate")
    paid_at: MomentOrNone = Field(default=None, alias="paymentDate")
    weight_grams: Grams = Field(default=0, alias="weight")
    user_id: Text = Field(default="", alias="userId")
    username: Text = Field(default="", alias="customerUsername")

    @property
    def store_id(self) -> str:
        """The store it is of; empty when it does not say."""
        return self.advanced.store_id if self.advanced else ""

    def to_order(self, tags: Mapping[str, str]) -> ShipStationOrder:
        """Translate; a tag that has no name goes by its number."""
        advanced = self.advanced or AdvancedPayload()
        return ShipStationOrder(
            id=self.id,
            number=self.number,
            key=self.key,
            status=self.status,
            store_id=advanced.store_id,
            modified_at=self.modified_at,
            lines=tuple(item.to_line() for item in self.items or () if item),
            method=self.method,
            ship_to=self.ship_to.to_address() if self.ship_to else None,
            tags=tuple(tags.get(tag, tag) for tag in self.tag_ids),
            held_until=_day(self.held_until),
            parent_id=advanced.parent_id,
            merged_ids=advanced.merged_ids,
            externally_fulfilled=bool(self.externally_fulfilled),
            customer_notes=self.customer_notes,
            internal_notes=self.internal_notes,
            custom_fields=(advanced.custom_field_1, advanced.custom_field_2, advanced.custom_field_3),
            gift=bool(self.gift),
            gift_message=self.gift_message,
            source=advanced.source,
            ship_by=self.ship_by,
            paid_at=self.paid_at,
            weight_grams=self.weight_grams,
            residential=self.ship_to.residential if self.ship_to else None,
            address_verified=self.ship_to.verified if self.ship_to else "",
            assigned_to=self.user_id,
            username=self.username,
        )


class ShipmentPayload(Payload):
    """One label made in ShipStation, or one fulfillment: whose order it is for."""

    order_id: Id = Field(alias="orderId")
    advanced: AdvancedPayload | None = Field(default=None, alias="advancedOptions")


class FulfillmentPayload(Payload):
    """One order marked as shipped, by us or by anybody. It does not say of which store."""

    order_id: Id = Field(alias="orderId")
    number: Text = Field(default="", alias="trackingNumber")
    created_at: Moment = Field(alias="createDate")
    told: bool | None = Field(default=None, alias="marketplaceNotified")
    error: Text = Field(default="", alias="notifyErrorMessage")
    voided: bool | None = None
    voided_at: MomentOrNone = Field(default=None, alias="voidDate")

    def to_fulfillment(self) -> ShipStationFulfillment:
        """Translate; of the error text its kind alone is kept."""
        return ShipStationFulfillment(
            order_id=self.order_id,
            number=self.number,
            created_at=self.created_at,
            channel_told=self.told is True,
            error=write_back_error(self.error) if self.error else "",
            voided=bool(self.voided or self.voided_at),
        )


class MarkedPayload(Payload):
    """The answer to a mark."""

    order_id: Id = Field(alias="orderId")


class TagPayload(Payload):
    """A tag of the account."""

    id: Id = Field(alias="tagId")
    name: Text = ""


class CarrierPayload(Payload):
    """A carrier of the account."""

    code: Text = ""
    name: Text = ""


class ServicePayload(Payload):
    """A service of a carrier."""

    name: Text = ""


class StorePayload(Payload):
    """A store of the account."""

    id: Id = Field(alias="storeId")
    name: Text = Field(default="", alias="storeName")
    marketplace: Text = Field(default="", alias="marketplaceName")
    active: bool | None = None
    auto_refresh: bool | None = Field(default=None, alias="autoRefresh")
    last_attempt: MomentOrNone = Field(default=None, alias="lastRefreshAttempt")

    def to_store(self) -> DeskStore:
        """Translate."""
        return DeskStore(
            id=self.id,
            name=self.name,
            marketplace=self.marketplace,
            active=self.active is True,
            imports_by_itself=self.auto_refresh is True,
            last_import_at=self.last_attempt,
        )


class WebhookPayload(Payload):
    """A subscription, in Pascal case unlike everything else."""

    id: Id = Field(alias="WebHookID")
    event: Text = Field(default="", alias="HookType")
    address: Text = Field(default="", alias="Url")
    active: bool | None = Field(default=None, alias="Active")

    def to_subscription(self) -> Subscription:
        """Translate."""
        return Subscription(self.id, (self.event,), self.address, active=self.active is not False)


def _day(text: str) -> str:
    """Cut a date to its day, however it was written."""
    try:
        return wall_time(text).date().isoformat()
    except ValueError:
        return text
