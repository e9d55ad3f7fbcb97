"""How the simulated 3PL's shipments are held and edited while nobody has picked them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.simulators.jetpack_answers import INT32_MAX, Call, RefusedError, is_int, refuse_edit
from local.simulators.jetpack_models import MERCHANT_HOLDS, Content, Json, Shipment
from local.simulators.jetpack_warehouse import SERVICE_LEVELS, Warehouse
from local.simulators.server import Response

if TYPE_CHECKING:
    from collections.abc import Callable

type Action = Callable[[Shipment], Json]

MOST_PER_BATCH = 250  # The cap of the sibling instructions endpoint; holds name none (facts section 10).
NOT_EDITABLE = "The shipment is already picked, shipped or cancelled"


# -- hold ----------------------------------------------------------------------------------------


def _body(call: Call) -> Json:
    try:
        return call.json_object()
    except RefusedError:
        refuse_edit("INVALID_PARAMETER", "Request body is invalid or missing required fields")


def place_on_hold(warehouse: Warehouse, call: Call) -> Response:
    """`POST /shipment:bulkPlaceOnHold`: a Manual hold; `reserve_inventory` false gives the stock back."""
    body = _body(call)
    reserve = body.get("reserve_inventory", True)
    if not isinstance(reserve, bool):
        refuse_edit("INVALID_PARAMETER", "reserve_inventory must be a boolean")

    def hold(shipment: Shipment) -> Json:
        if not shipment.is_open:
            return _failure(shipment.id, "CONFLICT", NOT_EDITABLE)
        if "Manual" not in shipment.holds:
            warehouse.place_hold(shipment, "Manual")
        if not reserve:
            warehouse.release_stock(shipment)
            warehouse.mark_changed(shipment)
        return _success(shipment.id)

    return _bulk(warehouse, body, hold)


def release_hold(warehouse: Warehouse, call: Call) -> Response:
    """`POST /shipment:bulkReleaseHold`: lifts merchant holds only; nothing to lift is a success."""

    def release(shipment: Shipment) -> Json:
        warehouse.lift_holds(shipment, MERCHANT_HOLDS)
        return _success(shipment.id) | {"is_still_on_hold_due_to_other_reasons": bool(shipment.holds)}

    return _bulk(warehouse, _body(call), release)


def _bulk(warehouse: Warehouse, body: Json, act: Action) -> Response:
    ids = body.get("shipment_ids")
    if not isinstance(ids, list) or not ids:
        refuse_edit("INVALID_PARAMETER", "shipment_ids must contain at least one shipment ID")
    if len(ids) > MOST_PER_BATCH:
        refuse_edit("INVALID_PARAMETER", f"shipment_ids must contain at most {MOST_PER_BATCH} shipment IDs")
    if not all(is_int(number) for number in ids):
        refuse_edit("INVALID_PARAMETER", "Request body is invalid or missing required fields")
    results = []
    for number in ids:
        shipment = warehouse.own_shipment(number)
        results.append(act(shipment) if shipment else _failure(number, "NOT_FOUND", "Shipment not found"))
    successful = sum(result["is_success"] for result in results)
    summary = {"total": len(ids), "successful": successful, "failed": len(ids) - successful}
    return Response(200, {"summary": summary, "results": results})


def _success(number: int) -> Json:
    return {"id": number, "is_success": True, "error": None}


def _failure(number: int, code: str, message: str) -> Json:
    return {"id": number, "is_success": False, "error": {"code": code, "message": message}}


# -- edit ----------------------------------------------------------------------------------------


def _editable(warehouse: Warehouse, call: Call) -> Shipment:
    shipment = warehouse.own_shipment(call.ids["shipment_id"])
    if shipment is None:
        refuse_edit("NOT_FOUND", "Shipment not found", 404)
    return shipment


def update_address(warehouse: Warehouse, call: Call) -> Response:
    """`PUT /shipment/{id}:updateAddress`: other field names than at creation; the whole address is replaced."""
    shipment, sent = _editable(warehouse, call), _body(call)
    texts = [
        "street_address1",
        "street_address2",
        "city",
        "state",
        "zip_code",
        "country_code",
        "recipient_name",
        "company_name",
        "email",
        "phone_number",
    ]
    blank = [name for name in ("street_address1", "city") if not str(sent.get(name) or "").strip()]
    wrong = [name for name in texts if not isinstance(sent.get(name), str | None)]
    if blank or wrong:
        refuse_edit("INVALID_PARAMETER", "Request body is invalid or missing required fields")
    warehouse.unknown_fields.update(
        f"updateAddress.{name}" for name in sent if name not in (*texts, "override_verification")
    )
    if not shipment.is_open:
        return Response(200, _failure(shipment.id, "CONFLICT", NOT_EDITABLE))
    before = shipment.recipient
    name = sent.get("recipient_name") or before["name"]
    shipment.recipient = {
        "name": name,
        "full_name": name,
        "email": sent.get("email") or before["email"],
        "phone_number": sent.get("phone_number") or before["phone_number"],
        "address": {
            "address1": sent["street_address1"],
            "address2": sent.get("street_address2"),
            "company_name": sent.get("company_name"),
            "city": sent["city"],
            "state": sent.get("state"),
            "country": sent.get("country_code") or before["address"]["country"],
            "zip_code": sent.get("zip_code"),
        },
    }
    shipment.log(warehouse.now(), 132)
    warehouse.mark_changed(shipment)
    warehouse.lift_holds(shipment, {"InvalidAddress"})
    warehouse.announce("order.shipment.address.updated", shipment)
    return Response(200, _success(shipment.id))


def update_shipping_service(warehouse: Warehouse, call: Call) -> Response:
    """`PUT /shipment:bulkUpdateShippingService`: takes a `service_level.id`, never a method's id."""
    body = _body(call)
    service_id = body.get("requested_shipping_service_id", "")
    if not is_int(service_id) or not isinstance(body.get("reason"), str):
        refuse_edit("INVALID_PARAMETER", "Request body is invalid or missing required fields")

    def change(shipment: Shipment) -> Json:
        if service_id not in SERVICE_LEVELS:
            return _failure(shipment.id, "INVALID_PARAMETER", f"Shipping service {service_id} not found")
        if not shipment.is_open:
            return _failure(shipment.id, "CONFLICT", NOT_EDITABLE)
        shipment.ship_option = SERVICE_LEVELS[service_id][1]
        warehouse.mark_changed(shipment)
        warehouse.announce("order.shipment.shipping_service.updated", shipment)
        return _success(shipment.id)

    return _bulk(warehouse, body, change)


def get_line_items(warehouse: Warehouse, call: Call) -> Response:
    """`GET /shipment/{id}:getLineItems`: the list that `updateLineItems` wants back in full."""
    shipment = _editable(warehouse, call)
    return Response(
        200,
        [
            {
                "inventory_id": item.inventory_id,
                "quantity": item.quantity,
                "committed_quantity": item.committed,
                "product_variant": {
                    "id": content.product.variant_id,
                    "name": content.product.name,
                    "sku": content.product.sku,
                },
                "is_hazmat": False,
                "is_lot": False,
                "lot": {"lot_number": None, "lot_date": None, "selection_method": "ShipbobChooses"},
                "serial_numbers": [],
            }
            for content in shipment.contents
            for item in content.items
        ],
    )


def update_line_items(warehouse: Warehouse, call: Call) -> Response:
    """`POST /shipment/{id}:updateLineItems`: the full list, not a patch; what is not in it is removed."""
    shipment, rows = _editable(warehouse, call), _body(call).get("items")
    if not isinstance(rows, list) or not rows:
        refuse_edit("INVALID_PARAMETER", "items must contain at least one line item")
    wanted: dict[int, int] = {}
    for row in rows:
        if not isinstance(row, dict) or not is_int(row.get("inventory_id")) or not is_int(row.get("quantity")):
            refuse_edit("INVALID_PARAMETER", "Request body is invalid or missing required fields")
        if not 1 <= row["quantity"] <= INT32_MAX:
            refuse_edit("VALIDATION_ERROR", "quantity must be at least 1")
        wanted[row["inventory_id"]] = wanted.get(row["inventory_id"], 0) + row["quantity"]
    unknown = [number for number in wanted if number not in warehouse.catalogue.by_inventory_id]
    if unknown:
        return Response(
            200, _failure(shipment.id, "INVALID_PARAMETER", f"Inventory {unknown[0]} not found") | _no_changes()
        )
    if not shipment.is_open:
        return Response(200, _failure(shipment.id, "CONFLICT", NOT_EDITABLE) | _no_changes())
    changes = _change_items(warehouse, shipment, wanted)
    return Response(200, _success(shipment.id) | {"shipment_line_items": changes})


def _no_changes() -> Json:
    return {"shipment_line_items": []}


def _change_items(warehouse: Warehouse, shipment: Shipment, wanted: dict[int, int]) -> list[Json]:
    before: dict[int, int] = {}
    for item in shipment.items:
        before[item.inventory_id] = before.get(item.inventory_id, 0) + item.quantity
    changed = [number for number in {**before, **wanted} if before.get(number) != wanted.get(number)]
    verbs = {number: _verb(was=number in before, is_wanted=number in wanted) for number in changed}
    if verbs:
        warehouse.replace_contents(shipment, [_plain(warehouse, *row) for row in wanted.items()])
        for topic in sorted({_TOPICS[verb] for verb in verbs.values()}):
            warehouse.announce(topic, shipment)
    return [
        {
            "action": verb,
            "inventory_id": number,
            "previous_value": str(before.get(number, 0)),
            "new_value": str(wanted.get(number, 0)),
        }
        for number, verb in verbs.items()
    ]


def _verb(*, was: bool, is_wanted: bool) -> str:
    if was and is_wanted:
        return "UpdateLineItem"
    return "AddLineItem" if is_wanted else "RemoveLineItem"


_TOPICS = {
    "AddLineItem": "order.shipment.line_item.added",
    "RemoveLineItem": "order.shipment.line_item.removed",
    "UpdateLineItem": "order.shipment.line_item.updated",
}


def _plain(warehouse: Warehouse, inventory_id: int, quantity: int) -> Content:
    # An edit names inventory, so a kit whose parts were edited is no kit any more.
    product = warehouse.catalogue.by_inventory_id[inventory_id]
    return Content(product, quantity, warehouse.catalogue.items_of(product, quantity))
