"""The rest of the simulated 3PL's endpoints: channels, methods, products, inventory, locations, webhooks."""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING

from local.simulators.jetpack_answers import (
    Call,
    Cursor,
    RefusedError,
    numbered_page,
    parse_time,
    refuse_fields,
    refuse_problem,
)
from local.simulators.jetpack_models import Json, Product, time_json
from local.simulators.jetpack_stock import CLOSED_CENTRES
from local.simulators.jetpack_webhooks import SECRET, TOPICS, Subscription, new_secret
from local.simulators.server import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.simulators.jetpack_stock import Levels
    from local.simulators.jetpack_warehouse import Warehouse

MERCHANT_ID = 424242


def list_channels(warehouse: Warehouse, call: Call) -> Response:
    """`GET /channel`: a token writes through one channel and reads across the others."""
    return Cursor.of(call, "RecordsPerPage").page(call, warehouse.channels(), ends=False)


def list_shipping_methods(warehouse: Warehouse, call: Call) -> Response:
    """`GET /shipping-method`: `name` is the text to send, `service_level` what it means; paged like orders."""
    return numbered_page(call, warehouse.shipping_methods)


def list_locations(warehouse: Warehouse, call: Call) -> Response:
    """`GET /location`: a bare array of the network's centres, the inactive ones only when asked for."""
    inactive, receiving, granted = (
        call.flag(name) for name in ("IncludeInactive", "ReceivingEnabled", "AccessGranted")
    )
    return Response(
        200,
        [
            {
                "id": centre.id,
                "name": centre.name,
                "abbreviation": centre.name[:3].upper(),
                "timezone": "Eastern Standard Time",
                "region": {"id": 1, "name": "US"},
                "is_active": centre.active,
                "access_granted": centre.granted,
                "is_receiving_enabled": centre.receives,
                "is_shipping_enabled": centre.ships,
                "attributes": [],
                "services": [],
            }
            for centre in (*warehouse.catalogue.centres, *CLOSED_CENTRES)
            if (centre.active or inactive)
            and receiving in (None, centre.receives)
            and granted in (None, centre.granted)
        ],
    )


# -- products ------------------------------------------------------------------------------------


def list_products(warehouse: Warehouse, call: Call) -> Response:
    """`GET /product`: every filter has to hold; several SKUs are written `any:A,B`."""
    cursor = Cursor.of(call, "PageSize")
    filters = cursor.filters
    if filters.get("SortOrder", "ASC").upper() not in ("ASC", "DESC"):
        refuse_fields({"SortOrder": ["The value is not valid for SortOrder."]})
    tests = [make(filters[name]) for name, make in PRODUCT_FILTERS.items() if filters.get(name)]
    found = [product for product in warehouse.catalogue.by_sku.values() if all(test(product) for test in tests)]
    if filters.get("SortOrder", "ASC").upper() == "DESC":
        found.reverse()
    return cursor.page(call, [_product_json(warehouse, product) for product in found])


def get_product(warehouse: Warehouse, call: Call) -> Response:
    """`GET /product/{id}`."""
    product = warehouse.catalogue.by_id.get(call.ids["product_id"])
    if product is None:
        refuse_problem(404, "Not Found", "Product not found", call.request.path)
    return Response(200, _product_json(warehouse, product))


def _choices(text: str) -> set[str]:
    return set(text.removeprefix("any:").split(",")) if text.startswith("any:") else {text}


def _has_text(text: str) -> Callable[[Product], bool]:
    wanted = text.lower()
    return lambda product: wanted in f"{product.name}\n{product.sku}\n{product.inventory_id}\n{product.id}".lower()


def _updated_since(text: str) -> Callable[[Product], bool]:
    start = parse_time(text)
    if start is None:
        refuse_fields({"LastUpdatedTimestamp": [f"The value '{text}' is not valid."]})
    return lambda product: product.created_at >= start


def _one_of(attribute: str) -> Callable[[str], Callable[[Product], bool]]:
    def make(text: str) -> Callable[[Product], bool]:
        wanted = _choices(text)
        return lambda product: str(getattr(product, attribute)) in wanted

    return make


PRODUCT_FILTERS: dict[str, Callable[[str], Callable[[Product], bool]]] = {
    "Search": _has_text,
    "SKU": _one_of("sku"),
    "SellerSKU": _one_of("sku"),
    "Name": _one_of("name"),
    "InventoryId": _one_of("inventory_id"),
    "VariantId": _one_of("variant_id"),
    "ProductId": _one_of("id"),
    "LastUpdatedTimestamp": _updated_since,
}


def _product_json(warehouse: Warehouse, product: Product) -> Json:
    parts = [(warehouse.catalogue.by_inventory_id[number], units) for number, units in product.components.items()]
    levels = warehouse.catalogue.levels(product.inventory_id)
    return {
        "id": product.id,
        "name": product.name,
        "type": "Bundle" if parts else "Regular",
        "user_id": MERCHANT_ID,
        "created_on": time_json(product.created_at),
        "updated_on": time_json(product.created_at),
        "taxonomy": {"id": None, "name": None, "parent_id": None, "parent_name": None, "path": None},
        "variants": [
            {
                "id": product.variant_id,
                "sku": product.sku,
                "name": product.name,
                "upc": None,
                "gtin": None,
                "status": "Active" if product.active else "Inactive",
                "is_digital": product.digital,
                "barcodes": [],
                "created_on": time_json(product.created_at),
                "updated_on": time_json(product.created_at),
                "inventory": {"inventory_id": product.inventory_id, "on_hand_qty": levels.total("on_hand")},
                "bundle_definition": [
                    {
                        "product_id": part.id,
                        "variant_id": part.variant_id,
                        "variant_name": part.name,
                        "variant_sku": part.sku,
                        "quantity": units,
                    }
                    for part, units in parts
                ],
                "merge_children": [],
                "channel_metadata": [],
                "reviews_pending": [],
                "packaging_requirement": {"id": 1, "name": "No Requirements"},
                **({} if product.customs is None else {"customs": dict(product.customs)}),
            }
        ],
    }


# -- inventory (errors are RFC 7807) -------------------------------------------------------------


def list_inventory(warehouse: Warehouse, call: Call) -> Response:
    """`GET /inventory`: attributes, no quantities."""
    return _inventory_page(warehouse, call, _inventory_json)


def get_inventory(warehouse: Warehouse, call: Call) -> Response:
    """`GET /inventory/{id}`."""
    return Response(200, _inventory_json(warehouse, _stored(warehouse, call)))


def list_inventory_levels(warehouse: Warehouse, call: Call) -> Response:
    """`GET /inventory-level`: the whole network; sellable is fulfillable less exception."""
    return _inventory_page(warehouse, call, _levels_json)


def get_inventory_level(warehouse: Warehouse, call: Call) -> Response:
    """`GET /inventory-level/{id}`."""
    return Response(200, _levels_json(warehouse, _stored(warehouse, call)))


def list_inventory_levels_by_location(warehouse: Warehouse, call: Call) -> Response:
    """`GET /inventory-level/locations`: per centre, without sellable and exception."""
    return _inventory_page(warehouse, call, _centres_json)


def get_inventory_level_by_location(warehouse: Warehouse, call: Call) -> Response:
    """`GET /inventory-level/{id}/locations`."""
    return Response(200, _centres_json(warehouse, _stored(warehouse, call)))


def _stored(warehouse: Warehouse, call: Call) -> Product:
    product = warehouse.catalogue.by_inventory_id.get(call.ids["inventory_id"])
    if product is None:
        refuse_problem(404, "Not Found", "Inventory not found", call.request.path)
    return product


def _inventory_page(warehouse: Warehouse, call: Call, write: Callable[[Warehouse, Product], Json]) -> Response:
    try:
        cursor = Cursor.of(call, "PageSize")
        filters = cursor.filters
        chosen = {int(number) for number in filters.get("InventoryIds", "").split(",") if number}
        booleans = {name: _boolean(filters[name]) for name in ("IsActive", "IsDigital") if filters.get(name)}
    except (RefusedError, ValueError):
        refuse_problem(400, "Bad Request", "One or more parameters are invalid", call.request.path)
    text = _has_text(filters.get("SearchBy", ""))
    found = [
        product
        for product in warehouse.catalogue.by_sku.values()
        if text(product)
        and (not chosen or product.inventory_id in chosen)
        and booleans.get("IsActive", product.active) == product.active
        and booleans.get("IsDigital", product.digital) == product.digital
    ]
    # These pages link with whole URLs, products with paths: both occur (facts section 4).
    return cursor.page(call, [write(warehouse, product) for product in found], absolute=True)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _inventory_json(_warehouse: Warehouse, product: Product) -> Json:
    return {
        "inventory_id": product.inventory_id,
        "name": product.name,
        "sku": product.sku,
        "barcode": None,
        "user_id": MERCHANT_ID,
        "is_case": False,
        "is_lot": False,
        "dimensions": {"height": 1.0, "length": 1.0, "width": 1.0, "unit": "in", "is_locked": False, "validated": True},
        "weight": {"unit": "oz", "value": 8.0},
        "variant": {
            "is_active": product.active,
            "is_bundle": bool(product.components),
            "is_digital": product.digital,
            "hazmat": {"is_hazmat": False, "validated": True},
        },
    }


def _levels_json(warehouse: Warehouse, product: Product) -> Json:
    levels = warehouse.catalogue.levels(product.inventory_id)
    return {
        "inventory_id": product.inventory_id,
        "name": product.name,
        "sku": product.sku,
        "total_on_hand_quantity": levels.total("on_hand"),
        "total_committed_quantity": levels.total("committed"),
        "total_fulfillable_quantity": levels.total("fulfillable"),
        "total_exception_quantity": levels.exception,
        "total_sellable_quantity": levels.sellable,
        "total_awaiting_quantity": levels.total("awaiting"),
        "total_internal_transfer_quantity": levels.total("internal_transfer"),
        "total_backordered_quantity": levels.backordered,
    }


def _centres_json(warehouse: Warehouse, product: Product) -> Json:
    levels: Levels = warehouse.catalogue.levels(product.inventory_id)
    return {
        "inventory_id": product.inventory_id,
        "name": product.name,
        "sku": product.sku,
        "locations": [
            {
                "location_id": centre_id,
                "name": warehouse.catalogue.centre(centre_id).name,
                "on_hand_quantity": shelf.on_hand,
                "committed_quantity": shelf.committed,
                "fulfillable_quantity": shelf.fulfillable,
                "awaiting_quantity": shelf.awaiting,
                "internal_transfer_quantity": shelf.internal_transfer,
            }
            for centre_id, shelf in sorted(levels.shelves.items())
        ],
    }


# -- webhooks ------------------------------------------------------------------------------------


def create_webhook(warehouse: Warehouse, call: Call) -> Response:
    """`POST /webhook`: the only answer that ever shows the secret."""
    sent = call.json_object()
    errors: dict[str, list[str]] = {}
    if not _is_deliverable(sent.get("url")):
        errors["url"] = ["The url must be an absolute https address."]
    topics = sent.get("topics")
    if not isinstance(topics, list) or not topics or not set(topics) <= TOPICS[call.version]:
        errors["topics"] = ["At least one known topic is required."]
    secret = sent.get("secret") or new_secret(warehouse.random)
    if not isinstance(secret, str) or not SECRET.fullmatch(secret):
        errors["secret"] = [f"The secret must match {SECRET.pattern}."]
    if errors:
        raise RefusedError(
            422, {"$type": "UnprocessableEntityObjectResult", "status_code": 422, "value": errors, "formatters": []}
        )
    known = Subscription(
        id=str(next(warehouse.webhook_ids)),
        url=sent["url"],
        topics=tuple(sent["topics"]),
        secrets=(secret,),
        created_at=warehouse.now().isoformat(),
        description=sent.get("description"),
        channel_id=call.channel_id,
    )
    warehouse.subscriptions[known.id] = known
    return Response(200, _webhook_json(known) | {"secret": secret})


def _is_deliverable(url: object) -> bool:
    # https only, as documented; plain http is let through to this machine, or no local stack could listen.
    parts = urllib.parse.urlsplit(url) if isinstance(url, str) else None
    return bool(
        parts
        and parts.hostname
        and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost")))
    )


def list_webhooks(warehouse: Warehouse, call: Call) -> Response:
    """`GET /webhook`: without secrets."""
    rows = [_webhook_json(known) | {"enabled": known.enabled} for known in warehouse.subscriptions.values()]
    return Cursor.of(call, "RecordsPerPage").page(call, rows, ends=False)


def delete_webhook(warehouse: Warehouse, call: Call) -> Response:
    """`DELETE /webhook/{id}`: 204."""
    if warehouse.subscriptions.pop(str(call.ids["webhook_id"]), None) is None:
        raise RefusedError(404)
    return Response(204, b"")


def _webhook_json(known: Subscription) -> Json:
    return {
        "id": known.id,
        "url": known.url,
        "topics": list(known.topics),
        "description": known.description,
        "created_at": known.created_at,
    }
