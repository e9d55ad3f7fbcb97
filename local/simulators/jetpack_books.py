"""What an auditor is told about the simulated 3PL: units, parcels, and every attempt to create an order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.simulators.jetpack_models import Json, Order, Shipment
    from local.simulators.jetpack_warehouse import Warehouse


def books_of(warehouse: Warehouse) -> Json:
    """Write down everything; the caller holds the lock."""
    attempts = warehouse.attempts.items()
    return {
        "orders": [_order_book(order) for order in warehouse.orders.values()],
        "create_attempts": {reference: len(tries) for reference, tries in attempts},
        "created": {reference: [status for _, status in tries].count(201) for reference, tries in attempts},
        "distinct_create_bodies": {reference: len({body for body, _ in tries}) for reference, tries in attempts},
        "products_made_by_orders": [
            product.sku for product in warehouse.catalogue.by_sku.values() if product.made_by_order
        ],
        "shipping_methods_made_by_orders": list(warehouse.shipping_methods_made_by_orders),
        "unknown_fields": dict(warehouse.unknown_fields),
    }


def _order_book(order: Order) -> Json:
    return {
        "id": order.id,
        "reference_id": order.reference_id,
        "order_number": order.order_number,
        "channel": order.channel,
        "created_at": order.created_at.isoformat(),
        "shipping_method": order.shipping_method,
        "status": order.status,
        "cancelled": order.status == "Cancelled",
        "deleted": order.deleted,
        "lines": [
            {
                "sku": line.product.sku,
                "quantity": line.quantity,
                "external_line_id": line.sent.get("external_line_id"),
            }
            for line in order.lines
        ],
        "shipments": [_shipment_book(shipment) for shipment in order.shipments],
    }


def _shipment_book(shipment: Shipment) -> Json:
    return {
        "id": shipment.id,
        "status": shipment.status,
        "status_details": [detail["name"] for detail in shipment.status_details()],
        "location_id": shipment.centre.id,
        "ship_option": shipment.ship_option,
        "carrier": (shipment.tracking or {}).get("carrier"),
        "tracking_number": (shipment.tracking or {}).get("tracking_number"),
        "delivered": shipment.delivery_date is not None,
        "units": {content.product.sku: content.quantity for content in shipment.contents},
    }
