"""Shopify as the port Shop: one store's orders, fulfillments and stock."""

from __future__ import annotations

import itertools
from datetime import UTC
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, Field

from jetbridge.domain.identifiers import OrderId
from jetbridge.errors import OutcomeUnknownError, RejectedByPartnerError, UnexpectedAnswerError
from jetbridge.partners.reading import Payload, parsed
from jetbridge.partners.shopify import documents, order_changes, orders, stock
from jetbridge.partners.shopify.graphql import SHOPIFY, ShopifyGraphQL, UserErrorPayload, refusal
from jetbridge.partners.shopify.nodes import ReferencePayload, legacy_id, order_gid
from jetbridge.ports import ChangedOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from jetbridge.domain.order import Order
    from jetbridge.domain.stock import ShopifyStock, StockChange
    from jetbridge.domain.store import ShopifyConnection
    from jetbridge.partners.http import Seams
    from jetbridge.ports import MirroredHold, ParcelAnnouncement, TrackingNumber

# Shopify links and follows a parcel only if its carrier is spelled Shopify's way (facts section 6). These are the
# carriers Jetpack ships with; the rest goes as it came, with its address.
CARRIERS = {
    "".join(name.casefold().split()): name
    for name in (
        "Amazon",
        "APC",
        "Asendia USA",
        "Australia Post",
        "Canada Post",
        "DHL eCommerce",
        "DHL Express",
        "DPD",
        "DPD UK",
        "Evri",
        "FedEx",
        "GLS",
        "Lasership",
        "OnTrac",
        "Purolator",
        "Royal Mail",
        "UPS",
        "USPS",
    )
}


class FulfillmentPayload(Payload):
    """What fulfillmentCreate and fulfillmentTrackingInfoUpdate say."""

    fulfillment: ReferencePayload | None = None
    user_errors: tuple[UserErrorPayload, ...] | None = Field(default=None, alias="userErrors")


class NamedOrderPayload(Payload):
    """A node of ORDERS_NAMED."""

    id: str
    name: str


class ChangedOrderPayload(Payload):
    """A node of ORDERS_CHANGED (`id`) or FULFILLMENT_ORDERS_CHANGED (`orderId`)."""

    id: str | None = None
    order_id: str | None = Field(default=None, alias="orderId")
    updated_at: AwareDatetime = Field(alias="updatedAt")


class ShopifyShop:
    """One Shopify shop."""

    def __init__(
        self,
        connection: ShopifyConnection,
        token: Callable[[bool], str],
        *,
        production: bool,
        with_customer: bool = False,
        seams: Seams | None = None,
    ) -> None:
        """Connect; nothing is sent yet.

        Args:
            connection: Where the shop is.
            token: Gives the access token; True asks for a newer one, after a 401.
            production: Whether only Shopify's own hosts will do.
            with_customer: Whether orders are read with their customers' tags, which wants the scope read_customers;
                without it such a read is refused as a whole.
            seams: What tests put in the place of the network, the clock and chance.

        Raises:
            ConfigurationError: The token must not go to this address.
        """
        self._graphql = ShopifyGraphQL(connection, token, production=production, seams=seams)
        self._with_customer = with_customer

    def read_order(self, order_id: OrderId) -> Order | None:
        """Read order, fulfillment orders, holds, risk and fulfillments in one query (more only for long orders)."""
        return orders.read_order(self._graphql, order_gid(order_id), with_customer=self._with_customer)

    def read_order_of(self, fulfillment_order_id: str) -> Order | None:
        """Read the order a fulfillment order (GID) belongs to, in the same one query."""
        return orders.read_order_of(self._graphql, fulfillment_order_id, with_customer=self._with_customer)

    def announce_parcel(self, announcement: ParcelAnnouncement) -> str:
        """Create a fulfillment and tell the customer. There is no idempotency key: read first when unsure.

        Raises:
            RejectedByPartnerError: Shopify refused it; nothing was created.
            OutcomeUnknownError: It may have been created.
        """
        parts = [
            {
                "fulfillmentOrderId": fulfillment_order,
                "fulfillmentOrderLineItems": [{"id": line, "quantity": quantity} for line, quantity in lines],
            }
            for fulfillment_order, lines in announcement.lines
            if lines  # an empty list would mean: everything that remains
        ]
        if not parts:
            raise RejectedByPartnerError(partner=SHOPIFY, code="no_units")
        fulfillment: dict[str, object] = {
            "lineItemsByFulfillmentOrder": parts,
            "notifyCustomer": announcement.notify_customer,
        }
        if announcement.number:
            given = {
                "company": _company(announcement.carrier),
                "number": announcement.number,
                "url": announcement.url,
            }
            fulfillment["trackingInfo"] = {name: value for name, value in given.items() if value}
        return self._fulfillment(documents.FULFILLMENT_CREATE, {"fulfillment": fulfillment}, "fulfillmentCreate")

    def change_tracking(self, fulfillment_id: str, numbers: Sequence[TrackingNumber], *, notify_customer: bool) -> None:
        """Replace all tracking numbers of a fulfillment; safe to repeat, though it may notify again.

        Raises:
            RejectedByPartnerError: Shopify refused it; nothing was changed.
            OutcomeUnknownError: It may have been changed.
        """
        numbers = [each for each in numbers if each.number]
        if not numbers:
            raise RejectedByPartnerError(partner=SHOPIFY, code="no_numbers")
        # Links belong to numbers by their place (facts/shopify.md section 6): after a gap they would be another's.
        urls = [each.url for each in itertools.takewhile(lambda each: each.url, numbers)]
        given = {"company": _company(numbers[0].carrier), "numbers": [each.number for each in numbers], "urls": urls}
        tracking = {name: value for name, value in given.items() if value}
        variables = {"id": fulfillment_id, "tracking": tracking, "notify": notify_customer}
        self._fulfillment(documents.TRACKING_UPDATE, variables, "fulfillmentTrackingInfoUpdate")

    def hold(self, fulfillment_order_id: str, hold: MirroredHold) -> None:
        """Put a fulfillment order on hold under our handle. One that has our hold already counts as done.

        Raises:
            RejectedByPartnerError: Shopify refused it; nothing was held.
            OutcomeUnknownError: It may be held; repeating it is safe.
        """
        order_changes.hold(self._graphql, fulfillment_order_id, hold)

    def release_holds(self, fulfillment_order_id: str, hold_ids: Sequence[str]) -> None:
        """Release these holds of a fulfillment order; ones that are gone count as done. Safe to repeat.

        Raises:
            RejectedByPartnerError: Shopify refused it; nothing was released.
            OutcomeUnknownError: They may be released.
        """
        order_changes.release_holds(self._graphql, fulfillment_order_id, hold_ids)

    def add_tags(self, order_id: OrderId, tags: Sequence[str]) -> None:
        """Put tags on an order, beside those it has; safe to repeat.

        Raises:
            RejectedByPartnerError: Shopify refused it; nothing was changed.
            OutcomeUnknownError: It may have been changed.
        """
        order_changes.add_tags(self._graphql, order_gid(order_id), tags)

    def remove_tags(self, order_id: OrderId, tags: Sequence[str]) -> None:
        """Take tags off an order; ones it does not have count as done. Raises what `add_tags` does."""
        order_changes.remove_tags(self._graphql, order_gid(order_id), tags)

    def set_note(self, order_id: OrderId, note: str) -> None:
        """Replace an order's note; safe to repeat. Raises what `add_tags` does."""
        order_changes.set_note(self._graphql, order_gid(order_id), note)

    def mark_forwarded(self, order_id: OrderId, references: Sequence[str]) -> None:
        """Write under which references an order is at Jetpack; none at all takes the mark away. Safe to repeat.

        Raises what `add_tags` does.
        """
        order_changes.mark_forwarded(self._graphql, order_gid(order_id), references)

    def orders_named(self, name: str) -> tuple[OrderId, ...]:
        """Find the orders that bear exactly this name; a leading # counts for nothing, neither does case.

        Shopify's search takes names apart and is content with less; and it forgets orders older than 60 days if
        the app lacks `read_all_orders`.
        """
        wanted = _bare(name)
        if not wanted:
            return ()
        phrase = wanted.replace("\\", "\\\\").replace('"', '\\"')
        nodes = self._graphql.pages(documents.ORDERS_NAMED, {"query": f'name:"{phrase}"'}, ("orders",))
        found = [parsed(NamedOrderPayload, node, partner=SHOPIFY) for node in nodes]
        return tuple(OrderId(legacy_id(each.id)) for each in found if _bare(each.name) == wanted)

    def orders_changed_since(self, since: datetime) -> Iterator[ChangedOrder]:
        """Find the orders whose `updated_at` is not before `since` (to the second), oldest change first."""
        return self._changed(documents.ORDERS_CHANGED, "orders", since)

    def fulfillment_orders_changed_since(self, since: datetime) -> Iterator[ChangedOrder]:
        """Find the orders one of whose fulfillment orders changed; an order comes once for each of those."""
        return self._changed(documents.FULFILLMENT_ORDERS_CHANGED, "fulfillmentOrders", since)

    def stock(self, location_id: str) -> Iterator[ShopifyStock]:
        """Read the stock of one location, every page: tracked items with a SKU only."""
        return stock.read_stock(self._graphql, location_id)

    def set_available(
        self, location_id: str, changes: Sequence[StockChange], *, idempotency_key: str
    ) -> dict[str, str]:
        """Set `available` for at most 250 items, compared with what it was when read; all or nothing.

        Returns:
            Inventory item id → Shopify's error code, for entries it refused.

        Raises:
            OutcomeUnknownError: It may have been written; repeating it with the same key is safe.
        """
        return stock.set_available(self._graphql, location_id, changes, idempotency_key=idempotency_key)

    def _fulfillment(self, document: str, variables: dict[str, object], field: str) -> str:
        payload = self._graphql.change(document, variables, field)
        answer = parsed(FulfillmentPayload, payload, partner=SHOPIFY, error=OutcomeUnknownError)
        if answer.user_errors:
            raise refusal(answer.user_errors)
        if answer.fulfillment is None:
            raise OutcomeUnknownError(partner=SHOPIFY, code="no_fulfillment")
        return answer.fulfillment.id

    def _changed(self, document: str, connection: str, since: datetime) -> Iterator[ChangedOrder]:
        query = f"updated_at:>='{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}'"
        for node in self._graphql.pages(document, {"query": query}, (connection,)):
            found = parsed(ChangedOrderPayload, node, partner=SHOPIFY)
            gid = found.order_id or found.id
            if not gid:
                raise UnexpectedAnswerError(partner=SHOPIFY, code="no_order_id")
            yield ChangedOrder(OrderId(legacy_id(gid)), found.updated_at.astimezone(UTC))


def _company(carrier: str) -> str:
    return CARRIERS.get("".join(carrier.casefold().split()), carrier)


def _bare(name: str) -> str:
    return name.strip().removeprefix("#").casefold()
