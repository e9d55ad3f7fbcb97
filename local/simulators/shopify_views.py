"""The shop as GraphQL shows it: one function per type, nested things only when they are asked for."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from typing import TYPE_CHECKING, Any

from local.simulators.shopify_graphql import ShopifyError, Term, page, search_terms
from local.simulators.shopify_records import QUANTITY_NAMES, gid, number_of
from local.simulators.shopify_store import tokens
from local.simulators.shopify_webhooks import level_gid

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from local.simulators.shopify_records import (
        DeliveryProfile,
        Fulfillment,
        FulfillmentEvent,
        FulfillmentOrder,
        FulfillmentOrderLine,
        Hold,
        LineItem,
        Location,
        Metafield,
        Order,
        Product,
        ShippingLine,
        ShippingMethod,
        ShippingZone,
        StockLevel,
        Subscription,
    )
    from local.simulators.shopify_store import ShopStore

type View = dict[str, Any]

APP_NUMBER = 4242424242
APP_NAMESPACE = f"app--{APP_NUMBER}"

_RISK_LEVELS = {"ACCEPT": "LOW", "INVESTIGATE": "MEDIUM", "CANCEL": "HIGH", "PENDING": "PENDING"}
_HOLD_NAMES = {"HIGH_RISK_OF_FRAUD": "High risk of fraud", "INVENTORY_OUT_OF_STOCK": "Inventory out of stock"}


def time_text(moment: dt.datetime | None) -> str | None:
    """Write a time as the API does: UTC, to the second."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def sort_time(moment: dt.datetime) -> str:
    """Write a time so that texts sort as times do."""
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds")


def app_namespace(namespace: str | None) -> str:
    """Give the stored namespace: left out or `$app` means the app's own."""
    if not namespace or namespace == "$app":
        return APP_NAMESPACE
    return f"{APP_NAMESPACE}--{namespace[5:]}" if namespace.startswith("$app:") else namespace


class Views:
    """Writes records as GraphQL objects. Values that are callables get the field's arguments."""

    def __init__(self, store: ShopStore, *, shop: str, currency: str, plan: str, scopes: set[str]) -> None:
        """Show `store` as the shop of that domain."""
        self.store = store
        self.domain = shop
        self.currency = currency
        self.plan = plan
        self.scopes = scopes

    # -- shop and app ----------------------------------------

    def shop(self) -> View:
        """Show the shop."""
        number = gid("Shop", 7000000001)
        return {
            "id": number,
            "name": "Example Shop",
            "email": "shop@example.test",
            "myshopifyDomain": self.domain,
            "currencyCode": self.currency,
            "ianaTimezone": "America/New_York",
            "timezoneOffset": "-0500",
            "plan": {"partnerDevelopment": False, "publicDisplayName": self.plan, "shopifyPlus": self.plan == "Plus"},
            "metafield": self._metafield_of(number),
        }

    def app(self) -> View:
        """Show our app."""
        return {"id": gid("App", APP_NUMBER), "title": "Jetbridge", "handle": "jetbridge"}

    def app_installation(self) -> View:
        """Show our app's installation."""
        number = gid("AppInstallation", 800000001)
        return {
            "id": number,
            "app": self.app(),
            "accessScopes": [{"handle": scope, "description": scope} for scope in sorted(self.scopes)],
            "metafield": self._metafield_of(number),
        }

    def api_version(self, handle: str) -> View:
        """Show an API version."""
        return {"handle": handle, "displayName": handle, "supported": handle != "unstable"}

    def metafield(self, metafield: Metafield) -> View:
        """Show a metafield; JSON and numbers come parsed in `jsonValue`."""
        return {
            "__typename": "Metafield",
            "id": gid("Metafield", metafield.id),
            "legacyResourceId": str(metafield.id),
            "namespace": metafield.namespace,
            "key": metafield.key,
            "type": metafield.type,
            "value": metafield.value,
            "jsonValue": lambda _: (
                json.loads(metafield.value)
                if metafield.type in ("json", "number_integer", "boolean") or metafield.type.startswith("list.")
                else metafield.value
            ),
            "compareDigest": digest(metafield),
            "createdAt": time_text(metafield.created_at),
            "updatedAt": time_text(metafield.updated_at),
        }

    def _metafield_of(self, owner_id: str) -> Callable[..., View | None]:
        def resolve(_: object, key: str, namespace: str | None = None) -> View | None:
            found = self.store.metafields.get((owner_id, app_namespace(namespace), key))
            return self.metafield(found) if found else None

        return resolve

    # -- orders ----------------------------------------

    def order(self, order: Order) -> View:
        """Show an order."""
        currency = order.currency
        return {
            "__typename": "Order",
            "id": gid("Order", order.id),
            "legacyResourceId": str(order.id),
            "name": order.name,
            "number": order.number,
            "app": {"id": gid("App", 580111), "name": order.channel},
            "attribution": {"displayName": order.attribution, "handle": order.attribution.lower().replace(" ", "-")}
            if order.attribution
            else None,
            "billingAddress": lambda _: self.address(order),
            "cancelReason": order.cancel_reason,
            "cancelledAt": time_text(order.cancelled_at),
            "closed": order.closed_at is not None,
            "closedAt": time_text(order.closed_at),
            "confirmationNumber": f"C{order.number:08d}",
            "confirmed": True,
            "createdAt": time_text(order.created_at),
            "currencyCode": currency,
            "currentSubtotalLineItemsQuantity": sum(line.current_quantity for line in order.lines),
            "currentShippingPriceSet": lambda _: money_bag(order, order.shipping_price),
            "currentSubtotalPriceSet": lambda _: money_bag(order, order.current_goods_price),
            "currentTotalTaxSet": lambda _: money_bag(order, order.current_tax),
            "currentTotalPriceSet": lambda _: money_bag(order, order.current_total_price),
            "currentTotalWeight": lambda _: str(sum(line.grams * line.current_quantity for line in order.lines)),
            "customAttributes": [{"key": key, "value": value} for key, value in order.attributes.items()],
            "customer": lambda _: self.customer(order),
            "discountCodes": order.discount_codes,
            "displayFinancialStatus": order.displayed_financial_status,
            "displayFulfillmentStatus": lambda _: order.fulfillment_status(),
            "edited": order.edited,
            "email": order.email,
            "fulfillable": lambda _: any(order.unfulfilled(line) for line in order.lines),
            "fulfillmentOrders": lambda _, **arguments: self._order_fulfillment_orders(order, arguments),
            "fulfillments": lambda _, **arguments: [
                self.fulfillment(fulfillment) for fulfillment in order.fulfillments[: arguments.get("first")]
            ],
            "fullyPaid": order.financial_status in ("PAID", "PARTIALLY_REFUNDED", "REFUNDED"),
            "lineItems": lambda _, **arguments: page(
                order.lines, arguments, key=lambda line: ("", line.id), view=lambda line: self.line_item(order, line)
            ),
            "metafield": self._metafield_of(gid("Order", order.id)),
            "note": order.note,
            "paymentGatewayNames": order.gateways,
            "phone": order.phone,
            "poNumber": None,
            "presentmentCurrencyCode": order.presentment_currency,
            "processedAt": time_text(order.processed_at),
            "requiresShipping": any(line.requires_shipping for line in order.lines),
            "returnStatus": "NO_RETURN",
            "risk": lambda _: self.risk(order),
            "shippingAddress": lambda _: self.address(order),
            "shippingLine": lambda _: (
                self.shipping_line(order, order.shipping_lines[0]) if order.shipping_lines else None
            ),
            "shippingLines": lambda _, **arguments: page(
                order.shipping_lines,
                arguments,
                key=lambda line: ("", line.id),
                view=lambda line: self.shipping_line(order, line),
            ),
            "sourceIdentifier": None,
            "sourceName": order.source_name,
            "tags": order.tags,
            "taxesIncluded": False,
            "test": order.test,
            "totalPriceSet": lambda _: money_bag(order, order.total_price),
            "totalReceivedSet": lambda _: money_bag(order, order.received),
            "totalWeight": lambda _: str(sum(line.grams * line.quantity for line in order.lines)),
            "unpaid": order.financial_status in ("PENDING", "AUTHORIZED", "EXPIRED"),
            "updatedAt": time_text(order.updated_at),
        }

    def _order_fulfillment_orders(self, order: Order, arguments: View) -> View:
        return page(
            [fo for fo in order.visible_fulfillment_orders if self._fulfillment_order_found(fo, arguments)],
            arguments,
            key=lambda fo: ("", fo.id),
            view=self.fulfillment_order,
        )

    def risk(self, order: Order) -> View:
        """Show what Shopify's fraud analysis says. PENDING is no recommendation: its level says it."""
        level = _RISK_LEVELS.get(order.recommendation)
        assessment: View = {"riskLevel": level, "facts": [], "provider": None}
        return {
            "recommendation": "NONE" if order.recommendation == "PENDING" else order.recommendation,
            "assessments": [assessment] if level else [],
        }

    def customer(self, order: Order) -> View:
        """Show who bought."""
        address = order.shipping_address or {}
        name = address.get("name") or order.email or "Customer"
        return {
            "id": gid("Customer", order.customer_id),
            "displayName": name,
            "firstName": address.get("first_name"),
            "lastName": address.get("last_name"),
            "tags": order.customer_tags,
            "defaultEmailAddress": {"emailAddress": order.email} if order.email else None,
            "defaultPhoneNumber": {"phoneNumber": order.phone} if order.phone else None,
        }

    def address(self, order: Order) -> View | None:
        """Show the address; None for pickup, digital orders and some drafts."""
        address = order.shipping_address
        if address is None:
            return None
        same = ("address1", "address2", "city", "company", "country", "latitude", "longitude", "name", "phone")
        return {name: address.get(name) for name in (*same, "province", "zip")} | {
            "id": gid("MailingAddress", order.address_id),
            "firstName": address.get("first_name"),
            "lastName": address.get("last_name"),
            "countryCodeV2": address.get("country_code"),
            "provinceCode": address.get("province_code"),
            "validationResultSummary": address.get("validation", "NO_ISSUES"),
        }

    def shipping_line(self, order: Order, line: ShippingLine) -> View:
        """Show a shipping line."""
        price = money_bag(order, line.price)
        return {
            "id": gid("ShippingLine", line.id),
            "title": line.title,
            "code": line.code,
            "source": line.source,
            "carrierIdentifier": None,
            "custom": line.code == "custom",
            "isRemoved": False,
            "phone": None,
            "originalPriceSet": price,
            "discountedPriceSet": price,
        }

    def line_item(self, order: Order, line: LineItem) -> View:
        """Show an order line."""
        price = money_bag(order, line.price)
        return {
            "id": gid("LineItem", line.id),
            "sku": line.sku,
            "name": line.name,
            "title": line.title,
            "variantTitle": line.variant_title,
            "vendor": line.vendor,
            "quantity": line.quantity,
            "currentQuantity": line.current_quantity,
            "unfulfilledQuantity": lambda _: order.unfulfilled(line),
            "nonFulfillableQuantity": lambda _: line.quantity - order.unfulfilled(line) - order.fulfilled(line),
            "refundableQuantity": line.current_quantity,
            "requiresShipping": line.requires_shipping,
            "isGiftCard": line.gift_card,
            "taxable": line.taxable,
            "customAttributes": [{"key": key, "value": value} for key, value in line.properties.items()],
            "lineItemGroup": None,
            "originalUnitPriceSet": price,
            "discountedUnitPriceAfterAllDiscountsSet": price,
            "variant": lambda _: self.variant(line.product) if line.product else None,
            "product": lambda _: self.product(line.product) if line.product else None,
            "weight": weight(line.grams),
        }

    # -- fulfillment orders ----------------------------------------

    def fulfillment_order(self, fulfillment_order: FulfillmentOrder) -> View:
        """Show a fulfillment order."""
        order = fulfillment_order.order
        return {
            "__typename": "FulfillmentOrder",
            "id": gid("FulfillmentOrder", fulfillment_order.id),
            "status": fulfillment_order.status,
            "requestStatus": fulfillment_order.request_status,
            "createdAt": time_text(fulfillment_order.created_at),
            "updatedAt": time_text(fulfillment_order.updated_at),
            "fulfillAt": time_text(fulfillment_order.fulfill_at),
            "fulfillBy": time_text(order.ship_by),
            "order": lambda _: self.order(order),
            "orderId": gid("Order", order.id),
            "orderName": order.name,
            "orderProcessedAt": time_text(order.processed_at),
            "assignedLocation": lambda _: self.assigned_location(fulfillment_order.location),
            "destination": lambda _: self.destination(fulfillment_order),
            "deliveryMethod": lambda _: self.delivery_method(fulfillment_order),
            "fulfillmentHolds": [self.hold(hold) for hold in fulfillment_order.holds],
            "fulfillments": lambda _, **arguments: page(
                [f for f in order.fulfillments if fulfillment_order in f.fulfillment_orders],
                arguments,
                key=lambda f: ("", f.id),
                view=self.fulfillment,
            ),
            "internationalDuties": None,
            "lineItems": lambda _, **arguments: page(
                fulfillment_order.lines,
                arguments,
                key=lambda part: ("", part.id),
                view=lambda part: self.fulfillment_order_line(order, part),
            ),
            "merchantRequests": {"nodes": [], "pageInfo": {"hasNextPage": False, "hasPreviousPage": False}},
            "supportedActions": [
                {"action": action, "externalUrl": None} for action in fulfillment_order.supported_actions()
            ],
        }

    def assigned_location(self, location: Location) -> View:
        """Show where a fulfillment order is."""
        return {
            "name": location.name,
            "address1": "1 Dock Road",
            "address2": None,
            "city": "Exampleton",
            "province": None,
            "zip": None,
            "countryCode": location.country_code,
            "phone": None,
            "location": lambda _: self.location(location),
        }

    def destination(self, fulfillment_order: FulfillmentOrder) -> View | None:
        """Show where the parcel goes; it has the province's name and no code."""
        order = fulfillment_order.order
        address = order.shipping_address
        if address is None:
            return None
        same = ("address1", "address2", "city", "company", "phone", "province", "zip")
        return {name: address.get(name) for name in same} | {
            "id": gid("FulfillmentOrderDestination", fulfillment_order.id),
            "firstName": address.get("first_name"),
            "lastName": address.get("last_name"),
            "countryCode": address.get("country_code"),
            "email": order.email,
            "location": None,
        }

    def delivery_method(self, fulfillment_order: FulfillmentOrder) -> View:
        """Show how the goods reach the customer."""
        lines = fulfillment_order.order.shipping_lines
        return {
            "id": gid("DeliveryMethod", fulfillment_order.id),
            "methodType": fulfillment_order.method,
            "presentedName": lines[0].title if lines else None,
            "serviceCode": lines[0].code if lines else None,
            "additionalInformation": None,
            "minDeliveryDateTime": None,
            "maxDeliveryDateTime": None,
        }

    def hold(self, hold: Hold) -> View:
        """Show a hold."""
        return {
            "id": gid("FulfillmentHold", hold.id),
            "reason": hold.reason,
            "reasonNotes": hold.notes,
            "displayReason": _HOLD_NAMES.get(hold.reason, hold.reason.capitalize().replace("_", " ")),
            "handle": hold.handle,
            "heldByRequestingApp": hold.by_app,
        }

    def fulfillment_order_line(self, order: Order, part: FulfillmentOrderLine) -> View:
        """Show a line of a fulfillment order."""
        line, product = part.line, part.line.product
        return {
            "id": gid("FulfillmentOrderLineItem", part.id),
            "inventoryItemId": gid("InventoryItem", product.inventory_item_id) if product else None,
            "lineItem": lambda _: self.line_item(order, line),
            "productTitle": line.title,
            "remainingQuantity": part.remaining,
            "requiresShipping": line.requires_shipping,
            "sku": line.sku,
            "totalQuantity": part.total,
            "variant": lambda _: self.variant(product) if product else None,
            "variantTitle": line.variant_title,
            "vendor": line.vendor,
            "warnings": [],
            "weight": weight(line.grams),
        }

    # -- fulfillments ----------------------------------------

    def fulfillment(self, fulfillment: Fulfillment) -> View:
        """Show a fulfillment."""
        order = fulfillment.order
        return {
            "__typename": "Fulfillment",
            "id": gid("Fulfillment", fulfillment.id),
            "legacyResourceId": str(fulfillment.id),
            "name": fulfillment.name,
            "status": fulfillment.status,
            "displayStatus": fulfillment.display_status,
            "createdAt": time_text(fulfillment.created_at),
            "updatedAt": time_text(fulfillment.updated_at),
            "deliveredAt": time_text(fulfillment.delivered_at),
            "inTransitAt": time_text(fulfillment.in_transit_at),
            "estimatedDeliveryAt": time_text(fulfillment.estimated_delivery_at),
            "events": lambda _, **arguments: page(
                fulfillment.events, arguments, key=lambda scan: ("", scan.id), view=self.event
            ),
            "fulfillmentLineItems": lambda _, **arguments: page(
                fulfillment.parts,
                arguments,
                key=lambda part: ("", part[0]),
                view=lambda part: {
                    "id": gid("FulfillmentLineItem", part[0]),
                    "quantity": part[2],
                    "lineItem": self.line_item(order, part[1].line),
                },
            ),
            "fulfillmentOrders": lambda _, **arguments: page(
                fulfillment.fulfillment_orders, arguments, key=lambda fo: ("", fo.id), view=self.fulfillment_order
            ),
            "location": lambda _: self.location(fulfillment.location),
            "order": lambda _: self.order(order),
            "requiresShipping": any(part.line.requires_shipping for _, part, _ in fulfillment.parts),
            "totalQuantity": fulfillment.total_quantity,
            "trackingInfo": lambda _, first=None: [
                {"company": entry.company, "number": entry.number, "url": entry.url}
                for entry in fulfillment.tracking[:first]
            ],
        }

    def event(self, scan: FulfillmentEvent) -> View:
        """Show a scan."""
        said = ("address1", "city", "country", "message", "province", "zip")
        return {name: scan.details.get(name) for name in said} | {
            "id": gid("FulfillmentEvent", scan.id),
            "status": scan.status,
            "happenedAt": time_text(scan.happened_at),
            "createdAt": time_text(scan.created_at),
            "estimatedDeliveryAt": time_text(scan.details.get("estimatedDeliveryAt")),
        }

    # -- products and stock ----------------------------------------

    def product(self, product: Product) -> View:
        """Show a product."""
        return {
            "id": gid("Product", product.id),
            "legacyResourceId": str(product.id),
            "productType": product.product_type,
            "tags": product.tags,
            "title": product.title,
            "vendor": product.vendor,
        }

    def variant(self, product: Product) -> View:
        """Show a product's variant."""
        return {
            "id": gid("ProductVariant", product.variant_id),
            "legacyResourceId": str(product.variant_id),
            "barcode": product.barcode,
            "displayName": product.display_title,
            "inventoryItem": lambda _: self.inventory_item(product),
            "price": f"{product.price:.2f}",
            "product": lambda _: self.product(product),
            "sku": product.sku,
            "title": product.variant_title or "Default Title",
        }

    def inventory_item(self, product: Product) -> View:
        """Show a product's inventory item."""

        def level(_: object, locationId: str, **_options: object) -> View | None:  # noqa: N803 - the schema's name
            found = self.store.levels.get((number_of(locationId, "Location"), product.inventory_item_id))
            return self.level(found) if found else None

        return {
            "id": gid("InventoryItem", product.inventory_item_id),
            "legacyResourceId": str(product.inventory_item_id),
            "countryCodeOfOrigin": product.country_code_of_origin,
            "harmonizedSystemCode": product.harmonized_system_code,
            "createdAt": time_text(product.created_at),
            "updatedAt": time_text(product.updated_at),
            "duplicateSkuCount": len(self.store.by_sku[product.sku]) - 1,
            "inventoryLevel": level,
            "inventoryLevels": lambda _, **arguments: page(
                [
                    found
                    for location in self.store.locations
                    if (found := self.store.levels.get((location, product.inventory_item_id)))
                ],
                arguments,
                key=level_key,
                view=self.level,
            ),
            "measurement": {
                "id": gid("InventoryItemMeasurement", product.inventory_item_id),
                "weight": weight(product.grams),
            },
            "requiresShipping": product.requires_shipping,
            "sku": product.sku,
            "tracked": product.tracked,
        }

    def level(self, level: StockLevel) -> View:
        """Show the stock of an item at a location."""

        def quantities(_: object, names: list[str]) -> list[View]:
            unknown = [name for name in names if name not in QUANTITY_NAMES]
            if unknown:
                message = f"The specified quantity name '{unknown[0]}' is invalid"
                raise ShopifyError(message, "INVALID_FIELD_ARGUMENTS")
            return [
                {
                    "id": f"gid://shopify/InventoryQuantity/{level.id}?name={name}",
                    "name": name,
                    "quantity": getattr(level, name),
                    "updatedAt": time_text(level.updated_at),
                }
                for name in names
            ]

        return {
            "id": level_gid(level),
            "createdAt": time_text(level.created_at),
            "updatedAt": time_text(level.updated_at),
            "isActive": True,
            "item": lambda _: self.inventory_item(level.product),
            "location": lambda _: self.location(level.location),
            "quantities": quantities,
        }

    def location(self, location: Location) -> View:
        """Show a location."""

        def level(_: object, inventoryItemId: str, **_options: object) -> View | None:  # noqa: N803 - the schema's name
            found = self.store.levels.get((location.id, number_of(inventoryItemId, "InventoryItem")))
            return self.level(found) if found else None

        address = {"address1": "1 Dock Road", "city": "Exampleton", "countryCode": location.country_code}
        return {
            "id": gid("Location", location.id),
            "legacyResourceId": str(location.id),
            "name": location.name,
            "address": address,
            "isActive": location.is_active,
            "isFulfillmentService": location.is_fulfillment_service,
            "fulfillmentService": None,
            "fulfillsOnlineOrders": location.is_active,
            "shipsInventory": location.is_active,
            "hasActiveInventory": bool(self.store.levels_at[location.id]),
            "inventoryLevel": level,
            "inventoryLevels": lambda _, **arguments: page(
                self.store.levels_at[location.id], arguments, key=level_key, view=self.level, ordered=True
            ),
        }

    # -- delivery profiles ----------------------------------------

    def delivery_profile(self, profile: DeliveryProfile) -> View:
        """Show a delivery profile with its one group of locations."""
        group = gid("DeliveryLocationGroup", profile.group_id)
        shown = {
            "locationGroup": {"id": group},
            "locationGroupZones": lambda _, **arguments: page(
                profile.zones, arguments, key=lambda zone: ("", zone.id), view=self.shipping_zone
            ),
        }
        return {
            "id": gid("DeliveryProfile", profile.id),
            "default": profile.id == min(self.store.delivery_profiles),
            "name": profile.name,
            "profileLocationGroups": lambda _, locationGroupId=None: [shown] * (locationGroupId in (None, group)),  # noqa: N803 - the schema's name
        }

    def shipping_zone(self, zone: ShippingZone) -> View:
        """Show a zone with its methods."""
        return {
            "methodDefinitions": lambda _, **arguments: page(
                zone.methods, arguments, key=lambda method: ("", method.id), view=self.shipping_method
            ),
            "zone": {"id": gid("DeliveryZone", zone.id), "name": zone.name},
        }

    def shipping_method(self, method: ShippingMethod) -> View:
        """Show a method: a price of the merchant's own, or a carrier's services."""
        services = [{"active": active, "name": name} for name, active in (method.services or {}).items()]
        own = {
            "__typename": "DeliveryRateDefinition",
            "id": gid("DeliveryRateDefinition", method.id),
            "price": money(method.price, self.currency),
        }
        asked = {
            "__typename": "DeliveryParticipant",
            "id": gid("DeliveryParticipant", method.id),
            "participantServices": services,
        }
        return {
            "id": gid("DeliveryMethodDefinition", method.id),
            "active": method.active,
            "name": method.name,
            "rateProvider": own if method.services is None else asked,
        }

    # -- webhooks ----------------------------------------

    def subscription(self, subscription: Subscription) -> View:
        """Show a webhook subscription."""
        return {
            "id": gid("WebhookSubscription", subscription.id),
            "legacyResourceId": str(subscription.id),
            "apiVersion": self.api_version(self.store.outbox.api_version),
            "createdAt": time_text(subscription.created_at),
            "updatedAt": time_text(subscription.created_at),
            "topic": subscription.topic,
            "uri": subscription.uri,
            "format": subscription.format,
            "filter": subscription.filter,
            "includeFields": subscription.include_fields,
            "metafieldNamespaces": subscription.metafield_namespaces,
            "name": subscription.name,
        }

    # -- finding ----------------------------------------

    def orders(self, orders: list[Order], arguments: View, warn: Callable[[Term], None]) -> View:
        """Show a page of orders that a search finds."""
        times = {"UPDATED_AT": "updated_at", "CREATED_AT": "created_at", "PROCESSED_AT": "processed_at"}
        by = times.get(arguments["sortKey"])
        terms = self._known_terms(arguments, _ORDER_TERMS, warn)
        return page(
            [order for order in orders if all(_ORDER_TERMS[term.field](order, term) for term in terms)],
            arguments,
            key=lambda order: (sort_time(getattr(order, by)) if by else "", order.id),
            view=self.order,
        )

    def fulfillment_orders(self, found: list[FulfillmentOrder], arguments: View, warn: Callable[[Term], None]) -> View:
        """Show a page of fulfillment orders that a search finds."""
        self._known_terms(arguments, _FULFILLMENT_ORDER_TERMS, warn)
        by_time = arguments["sortKey"] == "UPDATED_AT"
        return page(
            [fo for fo in found if self._fulfillment_order_found(fo, arguments)],
            arguments,
            key=lambda fo: (sort_time(fo.updated_at) if by_time else "", fo.id),
            view=self.fulfillment_order,
        )

    def _fulfillment_order_found(self, fulfillment_order: FulfillmentOrder, arguments: View) -> bool:
        return all(
            _FULFILLMENT_ORDER_TERMS[term.field](fulfillment_order, term)
            for term in search_terms(arguments.get("query"))
            if term.field in _FULFILLMENT_ORDER_TERMS
        )

    @staticmethod
    def _known_terms(arguments: View, known: dict[str, Any], warn: Callable[[Term], None]) -> list[Term]:
        """Keep the terms that can be searched by. Shopify passes over the others with a mere warning."""
        terms = search_terms(arguments.get("query"))
        for term in terms:
            if term.field not in known:
                warn(term)
        return [term for term in terms if term.field in known]

    def variants(self, arguments: View) -> View:
        """Show a page of variants; a search by SKU finds the ones that share its parts, too."""
        store, query = self.store, arguments.get("query")
        found = store.products
        if query is not None:
            hits: dict[int, Product] = {}
            for term in search_terms(query):
                if term.field == "sku":
                    hits |= {p.variant_id: p for p in store.search_sku(term.value, phrase=term.quoted)}
            found = list(hits.values())
        by_sku = arguments["sortKey"] == "SKU"
        return page(
            found,
            arguments,
            key=lambda product: (product.sku if by_sku else "", product.variant_id),
            view=self.variant,
        )


def _order_status(order: Order, term: Term) -> bool:
    return {
        "open": order.closed_at is None and order.cancelled_at is None,
        "closed": order.closed_at is not None,
        "cancelled": order.cancelled_at is not None,
        "not_closed": order.closed_at is None,
    }.get(term.value, True)


def _named(order: Order, wanted: str) -> bool:
    """Find a name by its parts, as the search does: 1001 finds #1001 and #1001-A, SO-1001 both of SO-1001's."""
    have, parts = tokens(order.name), tokens(wanted)
    return any(have[i : i + len(parts)] == parts for i in range(len(have))) and bool(parts)


def _shipped(order: Order, term: Term) -> bool:
    status = {"FULFILLED": "shipped", "PARTIALLY_FULFILLED": "partial"}.get(order.fulfillment_status(), "unshipped")
    wanted = {"fulfilled": "shipped", "unfulfilled": "unshipped"}.get(term.value, term.value)
    return status == wanted


_ORDER_TERMS: dict[str, Callable[[Order, Term], bool]] = {
    "id": lambda order, term: term.matches_number(order.id),
    "name": lambda order, term: _named(order, term.value),
    "status": _order_status,
    "financial_status": lambda order, term: order.displayed_financial_status.lower() == term.value.lower(),
    "fulfillment_status": _shipped,
    "tag": lambda order, term: term.value.lower() in (tag.lower() for tag in order.tags),
    "test": lambda order, term: str(order.test).lower() == term.value,
    "created_at": lambda order, term: term.matches_time(order.created_at),
    "processed_at": lambda order, term: term.matches_time(order.processed_at),
    "updated_at": lambda order, term: term.matches_time(order.updated_at),
}
_FULFILLMENT_ORDER_TERMS: dict[str, Callable[[FulfillmentOrder, Term], bool]] = {
    "id": lambda fo, term: term.matches_number(fo.id),
    "status": lambda fo, term: fo.status.lower() == term.value.lower(),
    "assigned_location_id": lambda fo, term: term.matches_number(fo.location.id),
    "updated_at": lambda fo, term: term.matches_time(fo.updated_at),
}


def level_key(level: StockLevel) -> tuple[str, int]:
    """Give the place of a stock level in a list."""
    return ("", level.id)


def digest(metafield: Metafield) -> str:
    """Give a metafield's digest, which changes with its value."""
    return hashlib.sha256(f"{metafield.id}\n{metafield.type}\n{metafield.value}".encode()).hexdigest()


def weight(grams: int) -> View:
    """Write a weight."""
    return {"unit": "GRAMS", "value": float(grams)}


def money_bag(order: Order, amount: Decimal) -> View:
    """Write an amount in the shop's currency and the customer's."""
    return {
        "shopMoney": money(amount, order.currency),
        "presentmentMoney": money(amount * order.exchange_rate, order.presentment_currency),
    }


def money(amount: Decimal, currency: str) -> View:
    """Write an amount without trailing zeros beyond the first decimal, as recorded: "0.0", "49.95"."""
    return {"amount": f"{amount:.2f}".removesuffix("0"), "currencyCode": currency}
