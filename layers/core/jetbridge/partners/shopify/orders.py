"""Reads one order whole: one query, and more only for what does not fit on its pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jetbridge.errors import UnexpectedAnswerError
from jetbridge.partners.reading import Payload, parsed
from jetbridge.partners.shopify import documents
from jetbridge.partners.shopify.fulfillment_payloads import (
    FulfillmentLinePayload,
    FulfillmentOrderLinePayload,
    FulfillmentOrderPayload,
    FulfillmentPayload,
)
from jetbridge.partners.shopify.graphql import SHOPIFY
from jetbridge.partners.shopify.nodes import ConnectionPayload
from jetbridge.partners.shopify.payloads import LinePayload, OrderAnswer, OrderOfFulfillmentOrderAnswer, OrderPayload

if TYPE_CHECKING:
    from jetbridge.domain.order import Order
    from jetbridge.partners.shopify.graphql import ShopifyGraphQL


class FulfillmentsAnswer(Payload):
    """The `order` of MORE_FULFILLMENTS."""

    fulfillments: tuple[FulfillmentPayload, ...]


class MoreFulfillmentsAnswer(Payload):
    """The answer to MORE_FULFILLMENTS."""

    order: FulfillmentsAnswer


def read_order(graphql: ShopifyGraphQL, gid: str, *, with_customer: bool) -> Order | None:
    """Read an order by its GID; what only the customer's record tells, where it is wanted."""
    data = _ask_for(graphql, documents.ORDER, gid, with_customer=with_customer)
    order = parsed(OrderAnswer, data, partner=SHOPIFY).order if data else None
    return _whole(graphql, order) if order else None


def read_order_of(graphql: ShopifyGraphQL, fulfillment_order_gid: str, *, with_customer: bool) -> Order | None:
    """Read the order a fulfillment order belongs to."""
    document = documents.ORDER_OF_FULFILLMENT_ORDER
    data = _ask_for(graphql, document, fulfillment_order_gid, with_customer=with_customer)
    found = parsed(OrderOfFulfillmentOrderAnswer, data, partner=SHOPIFY).fulfillment_order if data else None
    return _whole(graphql, found.order) if found and found.order else None


def _ask_for(graphql: ShopifyGraphQL, document: str, gid: str, *, with_customer: bool) -> dict[str, object] | None:
    fulfillments, lines = documents.FULFILLMENT_PAGES[0]
    pages = {"fulfillments": fulfillments, "fulfillmentLines": lines}
    try:
        return graphql.ask(document, {"id": gid, **pages, "withCustomer": with_customer})
    except UnexpectedAnswerError as error:
        if error.code == "RESOURCE_NOT_FOUND":  # a GID that cannot be one (facts/shopify.md section 6)
            return None
        raise


def _whole(graphql: ShopifyGraphQL, order: OrderPayload) -> Order:
    lines = _rest(graphql, LinePayload, documents.MORE_LINES, order.id, ("order", "lineItems"), order.lines)
    fulfillment_orders = _rest(
        graphql,
        FulfillmentOrderPayload,
        documents.MORE_FULFILLMENT_ORDERS,
        order.id,
        ("order", "fulfillmentOrders"),
        order.fulfillment_orders,
    )
    whole = order.model_copy(
        update={
            "lines": lines,
            "fulfillment_orders": ConnectionPayload(
                nodes=tuple(_whole_fulfillment_order(graphql, each) for each in fulfillment_orders.nodes)
            ),
            "fulfillments": _whole_fulfillments(graphql, order),
        }
    )
    return whole.to_order()


def _whole_fulfillment_order(graphql: ShopifyGraphQL, each: FulfillmentOrderPayload) -> FulfillmentOrderPayload:
    document = documents.MORE_FULFILLMENT_ORDER_LINES
    path = ("fulfillmentOrder", "lineItems")
    lines = _rest(graphql, FulfillmentOrderLinePayload, document, each.id, path, each.lines)
    return each.model_copy(update={"lines": lines})


def _whole_fulfillments(graphql: ShopifyGraphQL, order: OrderPayload) -> tuple[FulfillmentPayload, ...]:
    found = order.fulfillments
    (asked, _), *larger = documents.FULFILLMENT_PAGES
    for fulfillments, lines in larger:
        if len(found) < asked:
            break
        asked = fulfillments
        variables = {"id": order.id, "fulfillments": fulfillments, "fulfillmentLines": lines}
        data = graphql.ask(documents.MORE_FULFILLMENTS, variables)
        found = parsed(MoreFulfillmentsAnswer, data, partner=SHOPIFY).order.fulfillments
    if len(found) >= documents.FULFILLMENT_PAGES[-1][0]:
        raise UnexpectedAnswerError(partner=SHOPIFY, code="too_many_fulfillments")
    return tuple(_whole_fulfillment(graphql, each) for each in found)


def _whole_fulfillment(graphql: ShopifyGraphQL, each: FulfillmentPayload) -> FulfillmentPayload:
    document = documents.MORE_FULFILLMENT_LINES
    path = ("fulfillment", "fulfillmentLineItems")
    lines = _rest(graphql, FulfillmentLinePayload, document, each.id, path, each.lines)
    return each.model_copy(update={"lines": lines})


def _rest[Node: Payload](  # noqa: PLR0913, PLR0917 - one connection: what, how, where, from where
    graphql: ShopifyGraphQL,
    node: type[Node],
    document: str,
    gid: str,
    path: tuple[str, str],
    first: ConnectionPayload[Node],
) -> ConnectionPayload[Node]:
    if first.next_cursor is None:
        return first
    more = graphql.pages(document, {"id": gid}, path, after=first.next_cursor)
    return ConnectionPayload[Node](nodes=(*first.nodes, *(parsed(node, each, partner=SHOPIFY) for each in more)))
