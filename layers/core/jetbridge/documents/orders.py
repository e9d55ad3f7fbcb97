"""Orders that somebody pastes, to see what rules would do with them. As little as is wanted of each; never stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from jetbridge.domain.identifiers import LineId, OrderId
from jetbridge.domain.order import Address, FulfillmentOrder, Line, Order
from jetbridge.domain.shipstation import ShipStationOrder

Text = Annotated[str, Field(max_length=500)]
Texts = Annotated[list[Text], Field(max_length=100)]
Long = Annotated[str, Field(max_length=5000)]
Amount = Annotated[str, Field(pattern=r"^(-?[0-9]{1,12}(\.[0-9]{1,6})?)?$")]
"""As Shopify writes amounts: 12.50; empty: nobody knows."""
Units = Annotated[int, Field(ge=0, le=1_000_000)]

FIRST_YEAR, LAST_YEAR = 2000, 2199


def _of_this_age(at: datetime) -> datetime:
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        message = f"between {FIRST_YEAR} and {LAST_YEAR}"
        raise ValueError(message)
    return at


Moment = Annotated[AwareDatetime, AfterValidator(_of_this_age)]


class _Pasted(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class AddressDocument(_Pasted):
    """Where the parcel goes."""

    name: Text = ""
    company: Text = ""
    address1: Text = ""
    address2: Text = ""
    city: Text = ""
    province_code: Text = ""
    zip: Text = ""
    country_code: Text = ""
    phone: Text = ""

    def to_address(self) -> Address:
        """Give it as the domain has it."""
        return Address(**self.model_dump())


class LineDocument(_Pasted):
    """One line of the order."""

    sku: Text = ""
    name: Text = ""
    quantity: Units = 1
    current_quantity: Units | None = None
    """What removals and refunds left; all of it unless said otherwise."""
    requires_shipping: bool = True
    gift_card: bool = False
    unit_price: Amount = ""
    vendor: Text = ""
    product_type: Text = ""
    product_tags: Texts = []
    properties: Annotated[dict[Text, Long], Field(max_length=100)] = {}
    warehouse_location: Text = ""

    def to_line(self, number: int) -> Line:
        """Give it as the domain has it, under a made-up id."""
        given = self.model_dump(exclude={"current_quantity", "product_tags", "properties"})
        return Line(
            id=LineId(str(number)),
            current_quantity=self.quantity if self.current_quantity is None else self.current_quantity,
            product_tags=tuple(self.product_tags),
            properties=tuple(self.properties.items()),
            **given,
        )


class ShipStationDocument(_Pasted):
    """What ShipStation's book says of it, for a store on that route."""

    customer_notes: Long = ""
    internal_notes: Long = ""
    custom_fields: Annotated[list[Text], Field(max_length=3)] = []
    gift: bool = False
    gift_message: Long = ""
    source: Text = ""
    weight_grams: Units = 0
    residential: bool | None = None
    address_verified: Text = ""
    assigned_to: Text = ""
    username: Text = ""
    tags: Texts = []

    def to_part(self, order: OrderDocument) -> ShipStationOrder:
        """Give it as the domain has it."""
        one, two, three = (*self.custom_fields, "", "", "")[:3]
        return ShipStationOrder(
            id="pasted",
            number=order.name,
            key="",
            status="awaiting_shipment",
            store_id="",
            modified_at=order.created_at,
            custom_fields=(one, two, three),
            tags=tuple(self.tags),
            **self.model_dump(exclude={"custom_fields", "tags"}),
        )


class OrderDocument(_Pasted):
    """An order as rules can ask about it. What is left out is blank."""

    id: Annotated[str, Field(pattern=r"^[0-9]{1,20}$")] = "0"
    name: Text = ""
    created_at: Moment = Field(default_factory=lambda: datetime.now(UTC))
    processed_at: Moment | None = None
    paid_at: Moment | None = None
    ship_by: Moment | None = None
    lines: Annotated[list[LineDocument], Field(max_length=500)] = []
    shipping_method: Text = ""
    shipping_address: AddressDocument | None = None
    email: Text = ""
    phone: Text = ""
    tags: Texts = []
    customer_tags: Texts = []
    discount_codes: Texts = []
    gateways: Texts = []
    fulfillment_locations: Texts = []
    """Ids of the Shopify locations the order is assigned to."""
    currency: Text = ""
    presentment_currency: Text = ""
    total: Amount = ""
    subtotal: Amount = ""
    shipping_paid: Amount = ""
    tax: Amount = ""
    amount_paid: Amount = ""
    total_weight_grams: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0
    financial_status: Text = "PAID"
    risk: Text = "NONE"
    test: bool = False
    note: Long = ""
    attributes: Annotated[dict[Text, Long], Field(max_length=100)] = {}
    source: Text = ""
    channel: Text = ""
    shipstation: ShipStationDocument | None = None

    def to_order(self) -> Order:
        """Give it as the domain has it."""
        texts = ("tags", "customer_tags", "discount_codes", "gateways")
        taken = {"lines", "shipping_address", "attributes", "shipstation", "fulfillment_locations", "id", *texts}
        return Order(
            id=OrderId(self.id),
            updated_at=self.created_at,
            lines=tuple(line.to_line(number) for number, line in enumerate(self.lines, 1)),
            shipping_address=self.shipping_address.to_address() if self.shipping_address else None,
            attributes=tuple(self.attributes.items()),
            fulfillment_orders=tuple(
                FulfillmentOrder(str(number), "OPEN", location, "SHIPPING", frozenset(), ())
                for number, location in enumerate(self.fulfillment_locations, 1)
            ),
            shipstation=(self.shipstation.to_part(self),) if self.shipstation else (),
            tags=tuple(self.tags),
            customer_tags=tuple(self.customer_tags),
            discount_codes=tuple(self.discount_codes),
            gateways=tuple(self.gateways),
            **self.model_dump(exclude=taken),
        )
