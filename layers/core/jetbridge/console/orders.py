"""Orders: which wait for whom, everything about one, and what a person can do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from jetbridge import bootstrap
from jetbridge.console.calls import OrderNumber, Slug, call_of, routes
from jetbridge.documents.console import (
    ActedAnswer,
    ActionDocument,
    OrderAnswer,
    OrderCountAnswer,
    OrderCountsAnswer,
    OrderRowAnswer,
    OrdersAnswer,
)
from jetbridge.domain.identifiers import OrderId, StoreSlug
from jetbridge.domain.record import Status
from jetbridge.use_cases.act_on_order import OrderAction, act_on_order
from jetbridge.use_cases.list_orders import MOST_ROWS, count_orders, list_orders, show_order

if TYPE_CHECKING:
    from jetbridge.use_cases.list_orders import OrderRow

router = routes()
_TAGS = ["orders"]
_PATH = "/console/stores/<store>/orders"


@router.get(_PATH, tags=_TAGS, summary="List orders by status and reason")
def list_some(
    store: Slug,
    status: Annotated[Status | None, Query()] = None,
    reason: Annotated[str, Query(max_length=80)] = "",
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 50,
    after: Annotated[str, Query(max_length=120)] = "",
) -> OrdersAnswer:
    """List those longest in their status first; without a status everything that is not finished."""
    console = call_of(router).console
    page = list_orders(
        StoreSlug(store),
        status=status,
        reason=reason,
        limit=limit,
        after=after,
        records=console.records,
        settings=console.settings,
        clock=bootstrap.now,
    )
    return OrdersAnswer(orders=[_row(each) for each in page.rows], after=page.after)


@router.get("/console/stores/<store>/order-counts", tags=_TAGS, summary="Count orders by status and reason")
def count(store: Slug) -> OrderCountsAnswer:
    """Count what is not finished."""
    console = call_of(router).console
    found = count_orders(StoreSlug(store), records=console.records, settings=console.settings)
    return OrderCountsAnswer(counts=[OrderCountAnswer.model_validate(each) for each in found])


@router.get(f"{_PATH}/<order_id>", tags=_TAGS, summary="Show one order")
def show(store: Slug, order_id: OrderNumber) -> OrderAnswer:
    """Show where its units are and why, what was sent, what happened, and what the rules said."""
    console = call_of(router).console
    found = show_order(
        StoreSlug(store),
        OrderId(order_id),
        records=console.records,
        settings=console.settings,
        clock=bootstrap.now,
    )
    said = {name: getattr(found, name) for name in OrderAnswer.model_fields}
    return OrderAnswer.model_validate(said | {"row": _row(found.row)})


@router.post(f"{_PATH}/<order_id>/actions", tags=_TAGS, summary="Do something about one order")
def act(store: Slug, order_id: OrderNumber, document: ActionDocument) -> ActedAnswer:
    """Order it; the look that does it follows within a minute. May be repeated."""
    call = call_of(router)
    acted = act_on_order(
        StoreSlug(store),
        OrderId(order_id),
        OrderAction(document.action),
        reason=document.reason,
        by=call.by,
        records=call.console.records,
        settings=call.console.settings,
        order_queue=call.console.queues["order"],
        tracking_queue=call.console.queues["tracking"],
        clock=bootstrap.now,
        new_id=bootstrap.new_id,
    )
    return ActedAnswer.model_validate(acted)


def _row(row: OrderRow) -> OrderRowAnswer:
    said = {name: getattr(row, name) for name in OrderRowAnswer.model_fields if name != "age_seconds"}
    age = None if row.age is None else round(row.age.total_seconds())
    return OrderRowAnswer.model_validate(said | {"age_seconds": age})
