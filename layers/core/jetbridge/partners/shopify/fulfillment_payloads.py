"""Fulfillment orders and fulfillments as Shopify answers them (facts/shopify.md section 6), and what we make of them.

Enum values stay text, known or not; null and absent are one.
"""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from jetbridge.domain.identifiers import LineId
from jetbridge.domain.order import Fulfillment, FulfillmentHold, FulfillmentOrder, FulfillmentOrderLine
from jetbridge.partners.reading import Payload
from jetbridge.partners.shopify.nodes import ConnectionPayload, ReferencePayload, legacy_id, utc


class ActionPayload(Payload):
    """`FulfillmentOrderSupportedAction`."""

    action: str


class AssignedLocationPayload(Payload):
    """`FulfillmentOrderAssignedLocation`; the location is null once it is deleted."""

    location: ReferencePayload | None = None


class DeliveryMethodPayload(Payload):
    """`DeliveryMethod`."""

    method_type: str = Field(alias="methodType")


class HoldPayload(Payload):
    """`FulfillmentHold`. A hold that may not be ours is not ours to lift."""

    id: str
    reason: str | None = None
    held_by_requesting_app: bool | None = Field(default=None, alias="heldByRequestingApp")


class FulfillmentOrderLinePayload(Payload):
    """`FulfillmentOrderLineItem`."""

    id: str
    total: int = Field(alias="totalQuantity")
    remaining: int = Field(alias="remainingQuantity")
    line: ReferencePayload = Field(alias="lineItem")

    def to_line(self) -> FulfillmentOrderLine:
        """Translate."""
        return FulfillmentOrderLine(self.id, LineId(legacy_id(self.line.id)), self.total, self.remaining)


class FulfillmentOrderPayload(Payload):
    """`FulfillmentOrder`."""

    id: str
    status: str
    fulfill_at: AwareDatetime | None = Field(default=None, alias="fulfillAt")
    fulfill_by: AwareDatetime | None = Field(default=None, alias="fulfillBy")
    supported_actions: tuple[ActionPayload, ...] | None = Field(default=None, alias="supportedActions")
    assigned_location: AssignedLocationPayload | None = Field(default=None, alias="assignedLocation")
    delivery_method: DeliveryMethodPayload | None = Field(default=None, alias="deliveryMethod")
    holds: tuple[HoldPayload, ...] | None = Field(default=None, alias="fulfillmentHolds")
    lines: ConnectionPayload[FulfillmentOrderLinePayload] = Field(alias="lineItems")

    def to_fulfillment_order(self) -> FulfillmentOrder:
        """Translate."""
        location = self.assigned_location.location if self.assigned_location else None
        return FulfillmentOrder(
            id=self.id,
            status=self.status,
            location_id=location.id if location else "",
            method_type=self.delivery_method.method_type if self.delivery_method else "",
            supported_actions=frozenset(each.action for each in self.supported_actions or ()),
            lines=tuple(line.to_line() for line in self.lines.nodes),
            holds=tuple(
                FulfillmentHold(hold.id, hold.reason or "", ours=bool(hold.held_by_requesting_app))
                for hold in self.holds or ()
            ),
            fulfill_at=utc(self.fulfill_at),
        )


class TrackingPayload(Payload):
    """`FulfillmentTrackingInfo`."""

    number: str | None = None


class FulfillmentLinePayload(Payload):
    """`FulfillmentLineItem`, whose quantity the schema lets be null."""

    quantity: int | None = None
    line: ReferencePayload = Field(alias="lineItem")


class FulfillmentPayload(Payload):
    """`Fulfillment`."""

    id: str
    status: str
    tracking: tuple[TrackingPayload, ...] | None = Field(default=None, alias="trackingInfo")
    lines: ConnectionPayload[FulfillmentLinePayload] = Field(alias="fulfillmentLineItems")

    def to_fulfillment(self) -> Fulfillment:
        """Translate."""
        return Fulfillment(
            id=self.id,
            status=self.status,
            tracking_numbers=tuple(each.number for each in self.tracking or () if each.number),
            units=tuple((LineId(legacy_id(each.line.id)), each.quantity or 0) for each in self.lines.nodes),
        )
