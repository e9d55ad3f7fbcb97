"""What Shopify's orders look like (facts/shopify.md sections 5 and 6) and what we make of them.

Enum values stay text, known or not; null and absent are one; an SKU of "" is no SKU.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal  # noqa: TC003 - pydantic reads the annotations

from pydantic import AwareDatetime, Field

from jetbridge.domain.identifiers import LineId, OrderId
from jetbridge.domain.order import Address, Line, Order
from jetbridge.partners.reading import Payload
from jetbridge.partners.shopify.fulfillment_payloads import (
    FulfillmentOrderPayload,  # noqa: TC001 - pydantic reads the annotations
    FulfillmentPayload,  # noqa: TC001
)
from jetbridge.partners.shopify.nodes import ConnectionPayload, legacy_id, utc

UNKNOWN_RISK = "UNKNOWN"
"""No recommendation was shown, which is not the recommendation NONE: nobody accepts this one by default."""


class MoneyPayload(Payload):
    """An amount in the shop's currency; Shopify writes it as text, with as many zeros as it likes."""

    amount: Decimal

    @property
    def text(self) -> str:
        """The amount in its plainest form, so that equal amounts are equal texts: 24, 9.5."""
        return f"{self.amount.normalize():f}"


class MoneyBagPayload(Payload):
    """An amount in two currencies, of which we read the shop's."""

    shop_money: MoneyPayload = Field(alias="shopMoney")


class AddressPayload(Payload):
    """`MailingAddress`: every field may be null, the province code for whole countries."""

    name: str | None = None
    company: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    province_code: str | None = Field(default=None, alias="provinceCode")
    zip: str | None = None
    country_code: str | None = Field(default=None, alias="countryCodeV2")
    phone: str | None = None

    def to_address(self) -> Address:
        """Translate."""
        return Address(**{name: value or "" for name, value in self})


class AttributePayload(Payload):
    """`Attribute`: what a customer or an app wrote under a name."""

    key: str
    value: str | None = None


class ProductPayload(Payload):
    """`Product`."""

    product_type: str | None = Field(default=None, alias="productType")
    tags: tuple[str, ...] | None = None


class LinePayload(Payload):
    """`LineItem`. A line made by hand has no product, neither has one whose product was deleted."""

    id: str
    sku: str | None = None
    name: str | None = None
    vendor: str | None = None
    quantity: int
    current_quantity: int = Field(alias="currentQuantity")
    requires_shipping: bool = Field(alias="requiresShipping")
    is_gift_card: bool = Field(alias="isGiftCard")
    unit_price: MoneyBagPayload | None = Field(default=None, alias="originalUnitPriceSet")
    product: ProductPayload | None = None
    attributes: tuple[AttributePayload, ...] | None = Field(default=None, alias="customAttributes")

    def to_line(self) -> Line:
        """Translate."""
        return Line(
            id=LineId(legacy_id(self.id)),
            sku=self.sku or "",
            name=self.name or "",
            quantity=self.quantity,
            current_quantity=self.current_quantity,
            requires_shipping=self.requires_shipping,
            gift_card=self.is_gift_card,
            unit_price=_text(self.unit_price),
            vendor=self.vendor or "",
            product_type=self.product.product_type or "" if self.product else "",
            product_tags=self.product.tags or () if self.product else (),
            properties=_named(self.attributes),
        )


class AssessmentPayload(Payload):
    """`OrderRiskAssessment`."""

    level: str | None = Field(default=None, alias="riskLevel")


class RiskPayload(Payload):
    """`OrderRiskSummary`."""

    recommendation: str | None = None
    assessments: tuple[AssessmentPayload, ...] | None = None

    @property
    def verdict(self) -> str:
        """What Shopify recommends. While it is still looking, that it recommends nothing means nothing."""
        pending = any(each.level == "PENDING" for each in self.assessments or ())
        return "PENDING" if self.recommendation == "NONE" and pending else self.recommendation or UNKNOWN_RISK


class ShippingLinePayload(Payload):
    """`ShippingLine`."""

    title: str | None = None
    code: str | None = None
    is_removed: bool | None = Field(default=None, alias="isRemoved")


class AttributionPayload(Payload):
    """`OrderAttribution`: the sales channel, finer than the app where an app serves several."""

    name: str | None = Field(default=None, alias="displayName")


class OrderAppPayload(Payload):
    """`OrderApp`."""

    name: str | None = None


class CustomerPayload(Payload):
    """`Customer`."""

    tags: tuple[str, ...] | None = None


class OrderPayload(Payload):
    """`Order`, as the fragment OrderParts asks for it."""

    id: str
    name: str
    created_at: AwareDatetime = Field(alias="createdAt")
    updated_at: AwareDatetime = Field(alias="updatedAt")
    processed_at: AwareDatetime | None = Field(default=None, alias="processedAt")
    cancelled_at: AwareDatetime | None = Field(default=None, alias="cancelledAt")
    test: bool
    email: str | None = None
    phone: str | None = None
    tags: tuple[str, ...] | None = None
    note: str | None = None
    financial_status: str | None = Field(default=None, alias="displayFinancialStatus")
    gateways: tuple[str, ...] | None = Field(default=None, alias="paymentGatewayNames")
    currency: str | None = Field(default=None, alias="currencyCode")
    presentment_currency: str | None = Field(default=None, alias="presentmentCurrencyCode")
    total: MoneyBagPayload | None = Field(default=None, alias="currentTotalPriceSet")
    subtotal: MoneyBagPayload | None = Field(default=None, alias="currentSubtotalPriceSet")
    shipping: MoneyBagPayload | None = Field(default=None, alias="currentShippingPriceSet")
    tax: MoneyBagPayload | None = Field(default=None, alias="currentTotalTaxSet")
    received: MoneyBagPayload | None = Field(default=None, alias="totalReceivedSet")
    weight: int | None = Field(default=None, alias="currentTotalWeight")
    source: str | None = Field(default=None, alias="sourceName")
    discount_codes: tuple[str, ...] | None = Field(default=None, alias="discountCodes")
    attribution: AttributionPayload | None = None
    app: OrderAppPayload | None = None
    attributes: tuple[AttributePayload, ...] | None = Field(default=None, alias="customAttributes")
    customer: CustomerPayload | None = None
    risk: RiskPayload | None = None
    shipping_lines: ConnectionPayload[ShippingLinePayload] | None = Field(default=None, alias="shippingLines")
    shipping_address: AddressPayload | None = Field(default=None, alias="shippingAddress")
    lines: ConnectionPayload[LinePayload] = Field(alias="lineItems")
    fulfillment_orders: ConnectionPayload[FulfillmentOrderPayload] = Field(alias="fulfillmentOrders")
    fulfillments: tuple[FulfillmentPayload, ...]

    def to_order(self) -> Order:
        """Translate."""
        return Order(
            id=OrderId(legacy_id(self.id)),
            name=self.name,
            created_at=self.created_at.astimezone(UTC),
            updated_at=self.updated_at.astimezone(UTC),
            lines=tuple(line.to_line() for line in self.lines.nodes),
            fulfillment_orders=tuple(each.to_fulfillment_order() for each in self.fulfillment_orders.nodes),
            fulfillments=tuple(each.to_fulfillment() for each in self.fulfillments),
            cancelled_at=utc(self.cancelled_at),
            test=self.test,
            financial_status=self.financial_status or "",
            gateways=self.gateways or (),
            risk=self.risk.verdict if self.risk else UNKNOWN_RISK,
            shipping_method=self._shipping_method(),
            shipping_address=self.shipping_address.to_address() if self.shipping_address else None,
            email=self.email or "",
            phone=self.phone or "",
            tags=self.tags or (),
            currency=self.currency or "",
            total=_text(self.total),
            subtotal=_text(self.subtotal),
            shipping_paid=_text(self.shipping),
            tax=_text(self.tax),
            amount_paid=_text(self.received),
            presentment_currency=self.presentment_currency or "",
            processed_at=utc(self.processed_at),
            ship_by=self._ship_by(),
            total_weight_grams=self.weight or 0,
            note=self.note or "",
            attributes=_named(self.attributes),
            source=self.source or "",
            channel=self._channel(),
            discount_codes=self.discount_codes or (),
            customer_tags=self.customer.tags or () if self.customer else (),
        )

    def _ship_by(self) -> datetime | None:
        dated = ((each.fulfill_by, each) for each in self.fulfillment_orders.nodes if each.fulfill_by)
        return utc(min((by for by, each in dated if not each.to_fulfillment_order().closed), default=None))

    def _channel(self) -> str:
        named = (self.attribution.name if self.attribution else None, self.app.name if self.app else None)
        return next(filter(None, named), "")

    def _shipping_method(self) -> str:
        lines = self.shipping_lines.nodes if self.shipping_lines else ()
        return next((line.title or line.code or "" for line in lines if not line.is_removed), "")


def _text(money: MoneyBagPayload | None) -> str:
    return money.shop_money.text if money else ""


def _named(attributes: tuple[AttributePayload, ...] | None) -> tuple[tuple[str, str], ...]:
    return tuple((each.key, each.value or "") for each in attributes or ())


class OrderAnswer(Payload):
    """The answer to ORDER. Null means that there is no such order; an answer that does not say so is none."""

    order: OrderPayload | None


class OrderOfFulfillmentOrderAnswer(Payload):
    """The answer to ORDER_OF_FULFILLMENT_ORDER."""

    fulfillment_order: OrderAnswer | None = Field(alias="fulfillmentOrder")
