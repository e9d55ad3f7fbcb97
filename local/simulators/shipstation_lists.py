"""The other endpoints of the simulated ShipStation: fulfillments, shipments, stores, tags, carriers, webhooks."""

from __future__ import annotations

import datetime as dt
import urllib.parse
from typing import TYPE_CHECKING, Any

from local.simulators.server import Response
from local.simulators.shipstation_account import CARRIERS, SERVICES
from local.simulators.shipstation_answers import Call, answer_page, read_field, refuse
from local.simulators.shipstation_models import EVENTS, Fulfillment, Json, Shipment, Shipped, Store, Webhook
from local.simulators.shipstation_time import short_stamp, wall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from local.simulators.shipstation import ShipStationSimulator

SORTS = ("ShipDate", "CreateDate")
STATUS_MAPPINGS = (
    ("awaiting_payment", "Pending"),
    ("awaiting_shipment", "Authorized"),
    ("awaiting_shipment", "Unfulfilled"),
    ("awaiting_shipment", "Partially Fulfilled"),
    ("shipped", "Fulfilled"),
    ("cancelled", "Cancelled"),
    ("on_hold", "On Hold"),
)


def _matching[T: Shipped](call: Call, rows: Iterable[T]) -> list[T]:
    """Apply the filters that fulfillments and shipments share; days and times count at both ends."""
    order_id = call.number("orderId")
    number, tracking, recipient = call.text("orderNumber"), call.text("trackingNumber"), call.text("recipientName")
    sort, direction = call.choice("sortBy", SORTS), call.choice("sortDir", ("ASC", "DESC"))
    found = [
        row
        for row in rows
        if order_id in (None, row.order.id)
        and number in ("", row.order.number)
        and tracking in ("", row.tracking_number)
        and recipient.lower() in str(row.order.ship_to["name"] or "").lower()
    ]
    found = _dated(call, found, "createDate", lambda row: wall(row.created_at))
    found = _dated(call, found, "shipDate", lambda row: dt.datetime.combine(row.ship_date, dt.time()))
    by_day = sort == "ShipDate"
    found.sort(key=lambda row: (row.ship_date if by_day else wall(row.created_at).date(), wall(row.created_at), row.id))
    return found[::-1] if direction == "DESC" else found


def _dated[T: Shipped](call: Call, rows: list[T], name: str, of: Callable[[T], dt.datetime | None]) -> list[T]:
    start, end = call.wall_time(f"{name}Start"), call.wall_time(f"{name}End")
    if start is None and end is None:
        return rows
    kept = []
    for row in rows:
        at = of(row)
        if at is not None and (start is None or at >= start) and (end is None or at <= end):
            kept.append(row)
    return kept


def list_fulfillments(account: ShipStationSimulator, call: Call) -> Response:
    """`GET /fulfillments`; `pages` may be 0 whatever the total, as in the vendor's own example."""
    wanted = call.number("fulfillmentId")
    found = [row for row in _matching(call, account.fulfillments.values()) if wanted in (None, row.id)]
    return answer_page(
        call, "fulfillments", account.with_null_rows(found), Fulfillment.view, no_pages=account.fulfillment_pages_zero
    )


def list_shipments(account: ShipStationSimulator, call: Call) -> Response:
    """`GET /shipments`: labels only, void ones too."""
    store_id, batch_id, with_items = call.number("storeId"), call.number("batchId"), call.flag("includeShipmentItems")
    carrier, service, country = call.text("carrierCode"), call.text("serviceCode"), call.text("recipientCountryCode")
    found = [
        row
        for row in _matching(call, account.shipments.values())
        if store_id in (None, row.order.store_id)
        and batch_id in (None, row.batch_id)
        and carrier in ("", row.carrier_code)
        and service in ("", row.service_code)
        and country in ("", row.order.ship_to["country"])
    ]
    found = _dated(call, found, "voidDate", lambda row: wall(row.void_at) if row.void_at else None)

    def view(row: Shipment) -> Json:
        return row.view(with_items=with_items)

    return answer_page(call, "shipments", account.with_null_rows(found), view)


# -- stores, tags, carriers ----------------------------------------


def list_tags(account: ShipStationSimulator, call: Call) -> Response:
    """`GET /accounts/listtags`."""
    del call
    return Response(200, list(account.tags.values()))


def list_carriers(account: ShipStationSimulator, call: Call) -> Response:
    """`GET /carriers`."""
    del account, call
    return Response(
        200,
        [
            {
                "name": code.replace("_", " ").title(),
                "code": code,
                "accountNumber": f"SS{i}",
                "requiresFundedAccount": code == "stamps_com",
                "balance": 0.0,
                "nickname": None,
                "shippingProviderId": 12345 + i,
                "primary": True,
            }
            for i, code in enumerate(CARRIERS)
        ],
    )


def list_services(account: ShipStationSimulator, call: Call) -> Response:
    """`GET /carriers/listservices`: a bare list. What an unknown carrier gets is not documented."""
    del account
    code = call.text("carrierCode")
    if code not in SERVICES:
        refuse(404 if code else 400, "The requested carrier could not be found.")
    return Response(
        200,
        [
            {
                "carrierCode": code,
                "code": service,
                "name": name,
                "domestic": True,
                "international": False,
            }
            for service, name in SERVICES[code]
        ],
    )


def list_stores(account: ShipStationSimulator, call: Call) -> Response:
    """`GET /stores`: a bare list, the inactive ones only when asked for."""
    show_inactive, marketplace_id = call.flag("showInactive"), call.number("marketplaceId")
    return Response(
        200,
        [
            store.view()
            for store in account.stores.values()
            if (store.active or show_inactive) and marketplace_id in (None, store.marketplace_id)
        ],
    )


def get_store(account: ShipStationSimulator, call: Call) -> Response:
    """`GET /stores/{storeId}`: the row with its status map."""
    mappings = [{"orderStatus": status, "statusKey": key} for status, key in STATUS_MAPPINGS]
    return Response(200, _store(account, call.id).view() | {"statusMappings": mappings})


def _store(account: ShipStationSimulator, store_id: int) -> Store:
    if store_id not in account.stores:
        refuse(404, "The requested store could not be found.")
    return account.stores[store_id]


def get_refresh_status(account: ShipStationSimulator, call: Call) -> Response:
    """`GET /stores/getrefreshstatus`. What its numbers mean is not documented."""
    wanted = call.number("storeId")
    if wanted is None:
        refuse(400, "storeId is required.")
    store = _store(account, wanted)
    body = {
        "storeId": store.id,
        "refreshStatusId": 1,
        "refreshStatus": "Idle",
        "lastRefreshAttempt": short_stamp(store.attempted_at),
        "refreshDate": short_stamp(store.refreshed_at, dt.UTC),
    }
    return Response(200, body)


def refresh_store(account: ShipStationSimulator, call: Call) -> Response:
    """`POST /stores/refreshstore`: the store in the query or in the body, as the vendor's page has it both ways."""
    body = call.body() if call.request.body else {}
    account.note_unknown("refresh_store", body.keys() - {"storeId", "refreshDate"})
    wanted = call.number("storeId")
    wanted = read_field(body, "storeId", int) if wanted is None else wanted
    if wanted is not None and not _store(account, wanted).active:
        refuse(400, "The store is not active.")
    if wanted in (None, account.store_id):
        account.import_orders(forced=True)
    which = "all stores" if wanted is None else f"Store ID {wanted}"
    return Response(200, {"success": True, "message": f"A store refresh has been initiated for {which}"})


# -- webhooks ----------------------------------------


def subscribe(account: ShipStationSimulator, call: Call) -> Response:
    """`POST /webhooks/subscribe`. Nothing is deduplicated; the answer is short or long, as pages differ."""
    body = call.body()
    account.note_unknown("subscribe", body.keys() - {"target_url", "event", "store_id", "friendly_name"})
    url, event = (read_field(body, name, str, needed=True) for name in ("target_url", "event"))
    store_id, name = read_field(body, "store_id", int), read_field(body, "friendly_name", str)
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        refuse(400, "The target_url is not a valid URL.")
    if event not in EVENTS:
        refuse(400, f"The event '{event}' is not valid.")
    if store_id is not None and store_id not in account.stores:
        refuse(400, "The requested store could not be found.")
    webhook = Webhook(next(account.small_ids), event, url, store_id, name)
    account.webhooks[webhook.id] = webhook
    answer: dict[str, Any] = webhook.view() if account.long_subscribe_answer else {"id": webhook.id}
    return Response(200, answer)


def list_webhooks(account: ShipStationSimulator, call: Call) -> Response:
    """`GET /webhooks`."""
    del call
    return Response(200, {"webhooks": [webhook.view() for webhook in account.webhooks.values()]})


def delete_webhook(account: ShipStationSimulator, call: Call) -> Response:
    """`DELETE /webhooks/{webhookId}`: an empty answer."""
    if account.webhooks.pop(call.id, None) is None:
        refuse(404, "The requested webhook could not be found.")
    return Response(200, b"")
