"""The order endpoints of the simulated 3PL: create, read, list, cancel."""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

from local.simulators.jetpack_answers import Call, RefusedError, numbered_page, refuse_fields
from local.simulators.jetpack_models import Json, Order, Shipment, Snapshot, order_json
from local.simulators.jetpack_validation import OrderCheck, meaning_errors
from local.simulators.server import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from local.simulators.jetpack_warehouse import Warehouse

type Test = Callable[[Snapshot], bool]

# Recorded from the live API (facts section 6): the key is the empty string.
DUPLICATE_REFERENCE = {"": ["Cannot insert order with existing ReferenceId"]}


def create_order(warehouse: Warehouse, call: Call) -> Response:
    """`POST /order`: 201 with the whole order, its shipments still in ImportReview."""
    sent = call.json_object()
    reference = sent.get("reference_id")
    try:
        order = _create(warehouse, sent)
    except RefusedError as refusal:
        if isinstance(reference, str):
            warehouse.count_attempt(reference, call.request.body, refusal.response.status)
        raise
    warehouse.count_attempt(order.reference_id, call.request.body, 201)
    answer = Response(201, order_json(order))
    warehouse.begin_intake(order)
    return answer


def _create(warehouse: Warehouse, sent: Json) -> Order:
    check = OrderCheck(sent)
    warehouse.unknown_fields.update(check.unknown)
    if check.errors:
        refuse_fields(check.errors)
    errors = meaning_errors(sent, warehouse.catalogue)
    if errors:
        refuse_fields(errors, 422)
    # Per account and for ever, also after a cancel or a delete: the strictest of three statements (section 6).
    if sent["reference_id"] in warehouse.orders_by_reference:
        refuse_fields(DUPLICATE_REFERENCE, 422)
    return warehouse.accept_order(sent, warehouse.channel)


def get_order(warehouse: Warehouse, call: Call) -> Response:
    """`GET /order/{id}`."""
    return Response(200, visible_order(warehouse, call).body)


def visible_order(warehouse: Warehouse, call: Call) -> Snapshot:
    """Give the order of a call as reads show it; 404 while it is not visible or belongs to another channel."""
    order = warehouse.orders.get(call.ids["order_id"])
    snapshot = warehouse.visible(order) if order else None
    if order is None or snapshot is None or call.channel_id not in (None, order.channel["id"]):
        raise RefusedError(404)
    return snapshot


def list_orders(warehouse: Warehouse, call: Call) -> Response:
    """`GET /order`: every filter has to hold; there is no filter by status."""
    if call.one("SortOrder") not in ("", "Newest", "Oldest"):
        refuse_fields({"SortOrder": [f"The value '{call.one('SortOrder')}' is not valid for SortOrder."]})
    if warehouse.has_tracking_is_broken and call.flag("HasTracking"):
        # Seen live by two integrators (facts section 5): date windows are the way around it.
        raise RefusedError(500, {"": ["A database error occurred."]})
    tests = _tests(call)
    found = []
    for order in _candidates(warehouse, call):
        snapshot = warehouse.visible(order)
        if snapshot and call.channel_id in (None, order.channel["id"]) and all(test(snapshot) for test in tests):
            found.append(snapshot.body)
    if call.one("SortOrder") != "Oldest":
        found.reverse()
    return numbered_page(call, found)


def _candidates(warehouse: Warehouse, call: Call) -> Iterable[Order]:
    references, ids = call.one("ReferenceIds"), call.numbers("IDs")
    start, end = call.time("StartDate"), call.time("EndDate")
    orders = list(warehouse.orders.values())
    if references or ids is not None:
        wanted = {reference.strip() for reference in references.split(",")} if references else None
        chosen = set(ids) if ids is not None else None
        orders = [
            order
            for order in _named(warehouse, wanted, chosen)
            if (wanted is None or order.reference_id in wanted) and (chosen is None or order.id in chosen)
        ]
    # Ids are given in the order of creation, so the list is sorted by time.
    first = bisect.bisect_left(orders, start, key=_created_at) if start else 0
    beyond = bisect.bisect_right(orders, end, key=_created_at) if end else len(orders)
    return orders[first:beyond]


def _named(warehouse: Warehouse, references: set[str] | None, ids: set[int] | None) -> list[Order]:
    if ids is not None:
        return [warehouse.orders[number] for number in sorted(ids) if number in warehouse.orders]
    known = [warehouse.orders_by_reference.get(reference) for reference in references or ()]
    return sorted((order for order in known if order), key=lambda order: order.id)


def _created_at(order: Order) -> datetime:
    return order.created_at


def _tests(call: Call) -> list[Test]:
    tests: list[Test] = []
    updated_from, updated_to = call.time("LastUpdateStartDate"), call.time("LastUpdateEndDate")
    if updated_from or updated_to:
        tests.append(lambda seen: _within(seen.updated_at, updated_from, updated_to))
    tracked_from, tracked_to = call.time("LastTrackingUpdateStartDate"), call.time("LastTrackingUpdateEndDate")
    if tracked_from or tracked_to:
        tests.append(lambda seen: seen.has_tracking and _within(seen.tracking_updated_at, tracked_from, tracked_to))
    has_tracking, uploaded = call.flag("HasTracking"), call.flag("IsTrackingUploaded")
    if has_tracking is not None:
        tests.append(lambda seen: seen.has_tracking == has_tracking)
    if uploaded is not None:
        tests.append(lambda seen: seen.is_tracking_uploaded == uploaded)
    return tests


def _within(at: datetime | None, start: datetime | None, end: datetime | None) -> bool:
    # A new order has no update time at all, so no window over update times finds it (facts section 10).
    return at is not None and (start is None or at >= start) and (end is None or at <= end)


def cancel_order(warehouse: Warehouse, call: Call) -> Response:
    """`POST /order/{id}:cancel`: 200 whatever happens, the truth is in `status` and each `is_success`."""
    order = writable_order(warehouse, call)
    results = [cancel_result(warehouse, shipment) for shipment in order.shipments]
    done = sum(result["is_success"] for result in results)
    status = "Success" if done == len(results) else "PartialSuccess" if done else "Failure"
    return Response(
        200,
        {
            "order_id": order.id,
            "order": order_json(order),
            "status": status,
            "canceled_shipment_results": results,
        },
    )


def writable_order(warehouse: Warehouse, call: Call) -> Order:
    """Give the order of a call for a change, however young it is; another channel's order is a 404."""
    order = warehouse.orders.get(call.ids["order_id"])
    if order is None or order.deleted or order.channel["id"] != warehouse.channel["id"]:
        raise RefusedError(404)
    return order


def cancel_result(warehouse: Warehouse, shipment: Shipment) -> Json:
    """Cancel one shipment and say what came of it; an app's cancel is announced, unlike a person's."""
    reason = warehouse.cancel_shipment(shipment)
    if not reason:
        warehouse.announce("order.shipment.cancelled", shipment)
    return {
        "shipment_id": shipment.id,
        "action": "Cancel",
        "is_success": not reason,
        "reason": reason or "Shipment has been cancelled",
    }
