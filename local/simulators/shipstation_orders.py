"""The order endpoints of the simulated ShipStation: list, read, mark, tag, hold, create (sections 7 and 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.simulators.server import Response, new_id
from local.simulators.shipstation_account import CARRIERS
from local.simulators.shipstation_answers import (
    Call,
    RefusedError,
    answer_page,
    break_down,
    read_field,
    refuse,
    refuse_binding,
)
from local.simulators.shipstation_models import ADDRESS, ADVANCED, DETAILS, ITEM, STATUSES, Json, Order, filled
from local.simulators.shipstation_time import read_body, read_day, wall

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Mapping

    from local.simulators.shipstation import ShipStationSimulator

COUNTRY_LETTERS = 2
MOST_NUMBER_LETTERS = 50
CREATABLE = ("awaiting_payment", "awaiting_shipment", "shipped", "on_hold", "cancelled")
CONFIRMATIONS = ("none", "delivery", "signature", "adult_signature", "direct_signature")
SORTS: Mapping[str, Callable[[Order], Any]] = {
    "": lambda order: order.id,
    "OrderDate": lambda order: (wall(order.ordered_at), order.id),
    "ModifyDate": lambda order: (wall(order.modified_at), order.id),
    "CreateDate": lambda order: (wall(order.created_at), order.id),
}

# -- reading ----------------------------------------


def list_orders(account: ShipStationSimulator, call: Call) -> Response:
    """`GET /orders`. Dates are compared as wall times, the only thing such an account keeps."""
    found = [order for order in account.orders.values() if order.listed]
    store_id, status = call.number("storeId"), call.choice("orderStatus", STATUSES)
    number, batch = call.text("orderNumber").lower(), call.text("importBatch")
    customer, keyword = call.text("customerName").lower(), call.text("itemKeyword").lower()
    sort, direction = call.choice("sortBy", tuple(SORTS)), call.choice("sortDir", ("ASC", "DESC"))
    found = [
        order
        for order in found
        if store_id in (None, order.store_id)
        and status in ("", order.status)
        and order.number.lower().startswith(number)
        and (not batch or batch in order.import_batches)
        and customer in str(order.ship_to["name"] or "").lower()
        and (not keyword or _mentions(order, keyword))
    ]
    # After and before, but for the order date, which is "greater than" and "at most" (section 7).
    found = _dated(call, found, "createDate", lambda order: order.created_at)
    found = _dated(call, found, "modifyDate", lambda order: order.modified_at)
    found = _dated(call, found, "paymentDate", lambda order: order.paid_at)
    found = _dated(call, found, "orderDate", lambda order: order.ordered_at, end_counts=True)
    found.sort(key=SORTS[sort], reverse=direction == "DESC")
    return answer_orders(account, call, found)


def _mentions(order: Order, keyword: str) -> bool:
    for item in order.items:
        texts = [item.fields["sku"], item.fields["name"], *(each.get("value") for each in item.fields["options"] or ())]
        if any(keyword in str(text or "").lower() for text in texts):
            return True
    return False


def _dated(
    call: Call,
    orders: Iterable[Order],
    name: str,
    of: Callable[[Order], dt.datetime | None],
    *,
    end_counts: bool = False,
) -> list[Order]:
    start, end = call.wall_time(f"{name}Start"), call.wall_time(f"{name}End")
    if start is None and end is None:
        return list(orders)
    kept = []
    for order in orders:
        at = of(order)
        shown = wall(at) if at else None
        if shown is None or (start is not None and shown <= start):
            continue
        if end is None or shown < end or (end_counts and shown == end):
            kept.append(order)
    return kept


def answer_orders(account: ShipStationSimulator, call: Call, orders: list[Order]) -> Response:
    """Answer a page of orders; one that cannot be read breaks the whole page."""

    def view(order: Order) -> Json:
        if order.id in account.unreadable_orders:
            break_down("Object reference not set to an instance of an object.", "System.NullReferenceException")
        return order.view()

    return answer_page(call, "orders", account.with_null_rows(orders), view)


def list_orders_by_tag(account: ShipStationSimulator, call: Call) -> Response:
    """`GET /orders/listbytag`: status and tag are both needed."""
    status, tag_id = call.choice("orderStatus", STATUSES), call.number("tagId")
    if not status or tag_id is None:
        refuse(400, "orderStatus and tagId are required.")
    found = [each for each in account.orders.values() if each.listed and each.status == status]
    return answer_orders(account, call, [each for each in found if tag_id in each.tag_ids])


def get_order(account: ShipStationSimulator, call: Call) -> Response:
    """`GET /orders/{orderId}`."""
    if call.id in account.unreadable_orders:
        break_down("Object reference not set to an instance of an object.", "System.NullReferenceException")
    return Response(200, _order(account, call.id).view())


def _order(account: ShipStationSimulator, order_id: int) -> Order:
    if order_id not in account.orders:
        refuse(404, "The requested order could not be found.")
    return account.orders[order_id]


# -- small writes ----------------------------------------


def _done(message: str, *, success: bool = True) -> Response:
    """Answer as the small writes do: 200 either way, the outcome in the body."""
    return Response(200, {"success": success, "message": message})


def _named(account: ShipStationSimulator, call: Call, operation: str, *others: str) -> tuple[Json, Order]:
    body = call.body()
    account.note_unknown(operation, body.keys() - {"orderId", *others})
    return body, _order(account, read_field(body, "orderId", int, needed=True))


def add_tag(account: ShipStationSimulator, call: Call) -> Response:
    """`POST /orders/addtag`: the tag has to exist."""
    body, order = _named(account, call, "add_tag", "tagId")
    tag_id = read_field(body, "tagId", int, needed=True)
    if tag_id not in account.tags:
        return _done("The requested tag could not be found.", success=False)
    account.tag_order(order.id, tag_id)
    return _done("Tag added successfully.")


def remove_tag(account: ShipStationSimulator, call: Call) -> Response:
    """`POST /orders/removetag`."""
    body, order = _named(account, call, "remove_tag", "tagId")
    tag_id = read_field(body, "tagId", int, needed=True)
    if tag_id not in order.tag_ids:
        return _done("The order does not have this tag.", success=False)
    account.untag_order(order.id, tag_id)
    return _done("Tag removed successfully.")


def hold_until(account: ShipStationSimulator, call: Call) -> Response:
    """`POST /orders/holduntil`: back by itself on that day."""
    body, order = _named(account, call, "hold_until", "holdUntilDate")
    day = _day(body, "holdUntilDate", needed=True)
    if order.status not in ("awaiting_shipment", "on_hold"):
        return _done(f"The order is {order.status} and can not be held.", success=False)
    if day is None or day <= account.today():
        return _done("The hold until date has to be in the future.", success=False)
    account.hold_order(order.id, str(day))
    return _done("Order held successfully.")


def restore_from_hold(account: ShipStationSimulator, call: Call) -> Response:
    """`POST /orders/restorefromhold`."""
    _, order = _named(account, call, "restore_from_hold")
    if order.status != "on_hold":
        return _done("The order is not on hold.", success=False)
    account.restore_order(order.id)
    return _done("The requested order has been restored")


def _day(body: Json, name: str, *, needed: bool = False) -> dt.date | None:
    text = read_field(body, name, str, needed=needed)
    if text is None:
        return None
    try:
        return read_day(text)
    except ValueError:
        refuse(400, f"The value '{text}' is not valid for {name}.")


MARK_FIELDS = ("carrierCode", "shipDate", "trackingNumber", "notifyCustomer", "notifySalesChannel")


def mark_as_shipped(account: ShipStationSimulator, call: Call) -> Response:
    """`POST /orders/markasshipped`: the whole order, one number; what a repeat gets is a setting."""
    body, order = _named(account, call, "mark_as_shipped", *MARK_FIELDS)
    carrier = read_field(body, "carrierCode", str, needed=True)
    number = read_field(body, "trackingNumber", str)
    day = _day(body, "shipDate")
    customer, channel = (bool(read_field(body, name, bool)) for name in ("notifyCustomer", "notifySalesChannel"))
    if order.status in ("shipped", "cancelled"):
        message = f"The order {order.number} is {order.status} and can not be marked as shipped."
        if account.already_shipped_status == 500:  # noqa: PLR2004 - HTTP
            break_down(message)
        refuse(account.already_shipped_status, message)
    if account.refuses_unknown_carriers and carrier not in CARRIERS:
        refuse(400, f"The carrier '{carrier}' could not be found.")
    account.ship(
        order,
        tracking_number=number,
        carrier_code=carrier,
        ship_date=day,
        notify_customer=customer,
        notify_sales_channel=channel,
    )
    return Response(200, {"orderId": order.id, "orderNumber": order.number})


# -- createorder ----------------------------------------

TEXT, NUMBER, WHOLE, YES_NO, OBJECT, LIST, DATE = "text", "number", "whole", "yes or no", "object", "list", "date"
NEEDED = ("orderNumber", "orderDate", "orderStatus", "billTo", "shipTo")
READ_ONLY = ("orderId", "createDate", "modifyDate", "orderTotal", "customerId", "userId", "holdUntilDate")
READ_ONLY_TOO = ("externallyFulfilled", "externallyFulfilledBy", "externallyFulfilledById", "externallyFulfilledByName")
ORDER_FIELDS: Mapping[str, str] = {
    **dict.fromkeys(("orderNumber", "orderKey", "orderStatus", "confirmation"), TEXT),
    **dict.fromkeys(("customerUsername", "customerEmail", "customerNotes", "internalNotes", "giftMessage"), TEXT),
    **dict.fromkeys(("paymentMethod", "requestedShippingService", "carrierCode", "serviceCode", "packageCode"), TEXT),
    **dict.fromkeys(("orderDate", "paymentDate", "shipByDate", "shipDate"), DATE),
    **dict.fromkeys(("amountPaid", "taxAmount", "shippingAmount"), NUMBER),
    **dict.fromkeys(("billTo", "shipTo", "weight", "dimensions", "insuranceOptions", "internationalOptions"), OBJECT),
    "advancedOptions": OBJECT,
    "items": LIST,
    "tagIds": LIST,
    "gift": YES_NO,
}
ITEM_FIELDS: Mapping[str, str] = {
    **dict.fromkeys(("lineItemKey", "sku", "name", "imageUrl", "warehouseLocation", "fulfillmentSku", "upc"), TEXT),
    **dict.fromkeys(("unitPrice", "taxAmount", "shippingAmount"), NUMBER),
    **dict.fromkeys(("quantity", "productId"), WHOLE),
    "weight": OBJECT,
    "options": LIST,
    "adjustment": YES_NO,
}
ADDRESS_FIELDS: Mapping[str, str] = {
    name: YES_NO if name == "residential" else TEXT for name in ADDRESS if name != "addressVerified"
}
ADVANCED_FIELDS: Mapping[str, str] = {
    **dict.fromkeys(("customField1", "customField2", "customField3", "source"), TEXT),
    **dict.fromkeys(("nonMachinable", "saturdayDelivery", "containsAlcohol"), YES_NO),
    **dict.fromkeys(("storeId", "warehouseId"), WHOLE),
}


def create_order(account: ShipStationSimulator, call: Call) -> Response:
    """`POST /orders/createorder`: an upsert by `orderKey`. It is not a patch: what is left out is reset."""
    try:
        body = call.body()
    except RefusedError as refusal:
        refuse_binding({"apiOrder": refusal.response.body["message"]})
    check_order(account, body)
    check_meaning(body)
    existing = account.by_key.get(body.get("orderKey") or "")
    if existing is not None:
        if not existing.is_open:
            refuse(400, f"The order is {existing.status} and can not be changed.")
        _write(account, existing, body)
        account.touch(existing)
        return Response(200, existing.view())
    order = _new_order(account, body)
    _write(account, order, body)
    account.take_in(order)
    account.announce_orders([order])
    return Response(200, order.view())


def _new_order(account: ShipStationSimulator, body: Json) -> Order:
    wanted = (body.get("advancedOptions") or {}).get("storeId")
    store = account.manual_store() if wanted is None else account.stores.get(wanted)
    if store is None:
        break_down("Store could not be found." if wanted else "There is no active manual store.")
    now = account.stamp()
    return Order(
        id=next(account.ids),
        number="",
        key=body.get("orderKey") or f"manual-{new_id().replace('-', '')}",
        store_id=store.id,
        status="",
        ordered_at=now,
        created_at=now,
        modified_at=now,
        ship_to={},
        bill_to={},
        items=[],
        customer_id=next(account.small_ids),
    )


def _write(account: ShipStationSimulator, order: Order, body: Json) -> None:
    given = {name: value for name, value in body.items() if value is not None}
    advanced = given.get("advancedOptions") or {}
    order.number, order.status = given["orderNumber"], given["orderStatus"]
    order.ordered_at = read_body(given["orderDate"])
    order.paid_at = read_body(given["paymentDate"]) if "paymentDate" in given else None
    order.ship_by = read_body(given["shipByDate"]) if "shipByDate" in given else None
    order.ship_date = read_day(given["shipDate"]) if "shipDate" in given else None
    unverified = {"addressVerified": "Address not yet validated"}
    order.ship_to = filled(ADDRESS, given["shipTo"] | unverified)
    order.bill_to = filled(ADDRESS, given["billTo"] | {"addressVerified": None})
    lines = [{name: value for name, value in line.items() if value is not None} for line in given.get("items", ())]
    order.items = account.new_items(filled(ITEM, line) for line in lines)
    order.details, order.total = filled(DETAILS, given), None
    order.advanced, order.tag_ids = filled(ADVANCED, advanced), list(given.get("tagIds", ()))
    if order.status != "on_hold":
        order.hold_until = None


def check_order(account: ShipStationSimulator, body: Json) -> None:
    """Refuse a body that does not fit the order model."""
    errors: dict[str, str] = {}
    _check(body, ORDER_FIELDS, "apiOrder", errors)
    for name in NEEDED:
        if body.get(name) in (None, ""):
            errors.setdefault(f"apiOrder.{name}", f"The {name} field is required.")
    parts = (("billTo", ADDRESS_FIELDS), ("shipTo", ADDRESS_FIELDS), ("advancedOptions", ADVANCED_FIELDS))
    for name, fields in parts:
        if isinstance(body.get(name), dict):
            _check(body[name], fields, f"apiOrder.{name}", errors)
    items = body.get("items")
    for i, line in enumerate(items if isinstance(items, list) else ()):
        where = f"apiOrder.items[{i}]"
        if not isinstance(line, dict):
            errors[where] = "Error converting value to type 'ApiOrderItem'."
            continue
        _check(line, ITEM_FIELDS, where, errors)
        options = line.get("options")
        if isinstance(options, list) and not all(isinstance(each, dict) for each in options):
            errors[f"{where}.options"] = "Error converting value to type 'ApiItemOption'."
    if errors:
        refuse_binding(errors)
    tags = body.get("tagIds") or ()
    if not all(isinstance(tag, int) and not isinstance(tag, bool) for tag in tags):
        refuse_binding({"apiOrder.tagIds": "Error converting value to type 'Int32'."})
    account.note_unknown(
        "create_order", body.keys() - ORDER_FIELDS.keys() - {*READ_ONLY, *READ_ONLY_TOO, "labelMessages"}
    )


def _check(body: Json, fields: Mapping[str, str], where: str, errors: dict[str, str]) -> None:
    for name, kind in fields.items():
        value = body.get(name)
        if value is not None and not _fits(value, kind):
            errors[f"{where}.{name}"] = f"Could not convert the value of {name}."


def _fits(value: object, kind: str) -> bool:
    if kind == DATE:
        return isinstance(value, str) and _is_date(value)
    if isinstance(value, bool):
        return kind == YES_NO
    kinds: Mapping[str, type | tuple[type, ...]] = {
        TEXT: str,
        NUMBER: (int, float),
        WHOLE: int,
        YES_NO: bool,
        OBJECT: dict,
        LIST: list,
    }
    return isinstance(value, kinds[kind])


def _is_date(text: str) -> bool:
    try:
        read_body(text)
    except ValueError:
        return False
    return True


def check_meaning(body: Json) -> None:
    """Break down over what fits the model and makes no sense: 500, though the caller is to blame (section 3)."""
    if len(body["orderNumber"]) > MOST_NUMBER_LETTERS:
        refuse(400, "The orderNumber is longer than 50 characters.")
    if body["orderStatus"] not in CREATABLE:
        refuse(400, f"The value '{body['orderStatus']}' is not valid for orderStatus.")
    if (body.get("confirmation") or "none") not in CONFIRMATIONS:
        refuse(400, f"The value '{body['confirmation']}' is not valid for confirmation.")
    country = body["shipTo"].get("country") or ""
    if len(country) != COUNTRY_LETTERS or not country.isalpha() or country == "UK":
        break_down("The country of the ship to address has to be a two letter ISO code.", "System.ArgumentException")
    if not (body["shipTo"].get("name") or "").strip():
        break_down("The ship to address needs a name.", "System.ArgumentException")
