"""The shipment endpoints of the simulated 3PL: read, track, cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.simulators.jetpack_answers import Call, RefusedError, is_int, refuse_fields
from local.simulators.jetpack_models import (
    FIRST_TIMELINE_LOG,
    LOG_NAMES,
    Json,
    Scan,
    Shipment,
    shipment_json,
    time_json,
)
from local.simulators.jetpack_orders import cancel_result, visible_order
from local.simulators.server import Response

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from local.simulators.jetpack_warehouse import Warehouse

MOST_TRACKED = 25


# -- reads ---------------------------------------------------------------------------------------


def get_shipment(warehouse: Warehouse, call: Call) -> Response:
    """`GET /shipment/{id}` and `GET /order/{id}/shipment/{id}`."""
    return Response(200, _visible(warehouse, call))


def list_order_shipments(warehouse: Warehouse, call: Call) -> Response:
    """`GET /order/{id}/shipment`: a bare array, no pages."""
    return Response(200, visible_order(warehouse, call).body["shipments"])


def _visible(warehouse: Warehouse, call: Call) -> Json:
    shipment = _known(warehouse, call)
    snapshot = warehouse.visible(shipment.order)
    bodies = snapshot.body["shipments"] if snapshot else []
    body: Json | None = next((body for body in bodies if body["id"] == shipment.id), None)
    if body is None or call.channel_id not in (None, shipment.order.channel["id"]):
        raise RefusedError(404)
    return body


def _known(warehouse: Warehouse, call: Call) -> Shipment:
    shipment = warehouse.shipments.get(call.ids["shipment_id"])
    if shipment is None or call.ids.get("order_id", shipment.order.id) != shipment.order.id:
        raise RefusedError(404)
    return shipment


def get_timeline(warehouse: Warehouse, call: Call) -> Response:
    """`GET …/timeline`: what a customer may see."""
    return _logs(warehouse, call, timeline=True)


def get_logs(warehouse: Warehouse, call: Call) -> Response:
    """`GET …/logs`: the warehouse's own lines, same shape."""
    return _logs(warehouse, call, timeline=False)


def _logs(warehouse: Warehouse, call: Call, *, timeline: bool) -> Response:
    _visible(warehouse, call)
    lines: list[Json] = [
        {
            "log_type_id": number,
            "log_type_name": LOG_NAMES[number],
            "log_type_text": text,
            "timestamp": time_json(at),
            "metadata": {},
        }
        for at, number, text in _known(warehouse, call).logs
        if (number >= FIRST_TIMELINE_LOG) == timeline and _is_readable(warehouse, at)
    ]
    return Response(200, lines)


def _is_readable(warehouse: Warehouse, at: datetime) -> bool:
    return (warehouse.now() - at).total_seconds() >= warehouse.read_delay_seconds


def track_shipments(warehouse: Warehouse, call: Call) -> Response:
    """`GET /shipments-tracking`: one to 25 ids as a repeated parameter; errors are plain strings.

    The comma form is documented and answered 400 live (facts section 11): the live behaviour is kept.
    Shipments without a label, and ids that nobody knows, are left out.
    """
    sent = call.request.query.get("ShipmentIds", [])
    if not 1 <= len(sent) <= MOST_TRACKED:
        raise RefusedError(400, f"Between 1 and {MOST_TRACKED} ShipmentIds are required.")
    wrong = [text for text in sent if not text.isdigit()]
    if wrong:
        raise RefusedError(400, f"The value '{wrong[0]}' is not valid for ShipmentIds.")
    known = [warehouse.shipments[int(text)] for text in sent if int(text) in warehouse.shipments]
    return Response(200, _trackings(warehouse, known))


def track_numbers(warehouse: Warehouse, call: Call) -> Response:
    """`GET /tracking`: the same by tracking number, repeated likewise."""
    sent = call.request.query.get("TrackingIds", [])
    if not 1 <= len(sent) <= MOST_TRACKED:
        raise RefusedError(400, f"Between 1 and {MOST_TRACKED} TrackingIds are required.")
    wanted = set(sent)
    known = [each for each in warehouse.shipments.values() if (each.tracking or {}).get("tracking_number") in wanted]
    rows = _trackings(warehouse, known)
    if warehouse.tracks_as_in_april:
        rows = [{name: value for name, value in row.items() if name != "shipment_id"} for row in rows]
    return Response(200, rows)


def _trackings(warehouse: Warehouse, shipments: Iterable[Shipment]) -> list[Json]:
    write = _tracking_of_april if warehouse.tracks_as_in_april else _tracking_json
    found = []
    for shipment in shipments:
        scans = [scan for scan in shipment.scans if _is_readable(warehouse, scan.at)]
        if scans and shipment.tracking and not shipment.order.deleted:
            found.append(write(shipment, shipment.tracking, scans))
    return found


def _tracking_json(shipment: Shipment, label: Json, scans: list[Scan]) -> Json:
    latest = scans[-1]
    return {
        "shipment_id": shipment.id,
        "tracking_number": label["tracking_number"],
        "carrier": label["carrier"],
        "service": label["carrier_service"],
        "current_status": latest.status,
        "current_substatus": latest.message,
        "current_substatus_code": latest.code,
        "current_timestamp": time_json(latest.at),
        "edd": None,
        "edd_source": None,
        "tracking_url": label["tracking_url"],
        # Empty string and null both occur in this answer (facts section 11).
        "delivery_signed_by": "",
        "proof_of_delivery_urls": [],
        "last_mile_carrier": None,
        "history": [_scan_json(scan) for scan in reversed(scans)],
    }


def _scan_json(scan: Scan) -> Json:
    return {
        "timestamp": time_json(scan.at),
        "status": scan.status,
        "substatus": scan.message,
        "substatus_code": scan.code,
        "substatus_message": scan.message,
        "address": {
            "location": None,
            "city": "Springfield",
            "state": "IL",
            "postal_code": "",
            "country": "US",
            "latitude": None,
            "longitude": None,
        },
    }


# The description of April 2026 writes these statuses as words, and knows fewer.
WORDS_OF_APRIL = {
    "OutForDelivery": "InTransit",
    "AvailableForPickup": "Available for Pickup",
    "DeliveryAttemptFailed": "Delivery attempt Failed",
}


def _tracking_of_april(shipment: Shipment, label: Json, scans: list[Scan]) -> Json:
    def event(scan: Scan) -> Json:
        return {
            "carrier_message": scan.message,
            "location": "Springfield, IL",
            "message": scan.message,
            "status": WORDS_OF_APRIL.get(scan.status, scan.status),
            "substatus": scan.message,
            "timestamp": time_json(scan.at),
        }

    latest = event(scans[-1])
    return {name: value for name, value in latest.items() if name != "timestamp"} | {
        "shipment_id": shipment.id,
        "carrier": label["carrier"],
        "carrier_tracking_number": label["tracking_number"],
        "eta": None,
        "history": [event(scan) for scan in reversed(scans)],
        "last_updated": latest["timestamp"],
        "public_tracking_url": label["tracking_url"],
        "service": label["carrier_service"],
        "tracking_id": label["tracking_number"],
    }


# -- cancel --------------------------------------------------------------------------------------


def cancel_shipment(warehouse: Warehouse, call: Call) -> Response:
    """`POST /shipment/{id}:cancel`: the shipment, or 422 when it is too late (its answer has no `is_success`)."""
    shipment = _own(warehouse, call)
    result = cancel_result(warehouse, shipment)
    if not result["is_success"]:
        refuse_fields({"": [result["reason"]]}, 422)
    return Response(200, shipment_json(shipment))


def _own(warehouse: Warehouse, call: Call) -> Shipment:
    shipment = _known(warehouse, call)
    if shipment.order.deleted or shipment.order.channel["id"] != warehouse.channel["id"]:
        raise RefusedError(404)
    return shipment


def batch_cancel_shipments(warehouse: Warehouse, call: Call) -> Response:
    """`POST /shipment:batchCancel`: 200, the truth is in each `is_success`."""
    ids = call.json_object().get("shipment_ids")
    if not isinstance(ids, list) or not ids or not all(is_int(number) for number in ids):
        refuse_fields({"shipment_ids": ["The shipment_ids field is required."]}, 422)
    results = []
    for number in ids:
        shipment = warehouse.own_shipment(number)
        results.append(
            cancel_result(warehouse, shipment)
            if shipment
            else {"shipment_id": number, "action": "Cancel", "is_success": False, "reason": "Shipment not found"}
        )
    return Response(200, {"results": results})


def upload_tracking(warehouse: Warehouse, call: Call) -> Response:
    """`POST /shipment:batchUpdateTrackingUpload`: the hand-shake; its answer is camelCase for once."""
    body = call.json_object()
    ids, uploaded = body.get("shipment_ids"), body.get("is_tracking_uploaded")
    if not isinstance(ids, list) or not ids or not all(is_int(number) for number in ids):
        raise RefusedError(400, "shipment_ids is required")
    if not isinstance(uploaded, bool):
        raise RefusedError(400, "is_tracking_uploaded is required")
    results: list[Json] = []
    for number in ids:
        shipment = warehouse.own_shipment(number)
        error = None if shipment else {"code": "NOT_FOUND", "message": "Shipment not found"}
        if shipment:
            shipment.is_tracking_uploaded = uploaded
            shipment.log(warehouse.now(), 20)
            warehouse.mark_changed(shipment)
        results.append({"shipmentId": number, "isSuccess": error is None, "error": error})
    successful = sum(result["isSuccess"] for result in results)
    summary = {"total": len(ids), "successful": successful, "failed": len(ids) - successful}
    return Response(200, {"results": results, "summary": summary})
