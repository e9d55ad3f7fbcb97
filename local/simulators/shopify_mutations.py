"""What an app may write to the shop, refused in Shopify's words where Shopify refuses it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.simulators.shopify_graphql import MAX_LIST_ARGUMENT, ShopifyError, directive_argument
from local.simulators.shopify_records import (
    FulfillmentOrder,
    FulfillmentOrderLine,
    Hold,
    InvalidIdError,
    Location,
    Metafield,
    Product,
    StockLevel,
    Subscription,
    Tracking,
    gid,
    number_of,
)
from local.simulators.shopify_store import tracking_entries
from local.simulators.shopify_views import View, app_namespace, digest, time_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from graphql import GraphQLResolveInfo

    from local.simulators.shopify_records import Fulfillment, Order
    from local.simulators.shopify_store import ShopStore
    from local.simulators.shopify_views import Views

type Errors = list[View]
type Chosen = list[tuple[FulfillmentOrderLine, int]]

MAX_FULFILLMENT_LINES = 512
MAX_HOLDS_PER_APP = 10
MAX_METAFIELDS = 25
MAX_NOTE = 5000
QUANTITY_LIMIT = 1_000_000_000
# Public notes say so; the official page has a figure that could not be read.
IDEMPOTENCY_KEY_LIFE = dt.timedelta(hours=24)

INVENTORY_REASONS = frozenset(
    {
        "correction",
        "cycle_count_available",
        "damaged",
        "movement_canceled",
        "movement_created",
        "movement_received",
        "movement_updated",
        "other",
        "promotion",
        "quality_control",
        "received",
        "reservation_created",
        "reservation_deleted",
        "reservation_updated",
        "restock",
        "safety_stock",
        "shrinkage",
    }
)
METAFIELD_TYPES = frozenset(
    {
        "boolean",
        "date",
        "date_time",
        "id",
        "json",
        "list.number_integer",
        "list.single_line_text_field",
        "multi_line_text_field",
        "number_decimal",
        "number_integer",
        "single_line_text_field",
        "url",
    }
)
INTERNAL_HOSTS = re.compile(r"^(localhost|127\.|10\.|192\.168\.|.*\.(myshopify|shopify)\.com$)")


def error(field: Sequence[str] | None, message: str, code: str | None = None) -> View:
    """Write a user error; typed ones have a code."""
    return {"field": list(field) if field else None, "message": message} | ({"code": code} if code else {})


@dataclass
class UsedKey:
    """What became of an idempotency key."""

    fingerprint: str
    at: dt.datetime
    payload: View | None
    failed: bool


class Mutations:
    """The mutations, one method each; the names are the schema's."""

    def __init__(self, store: ShopStore, views: Views, *, accept_http_addresses: bool) -> None:
        """Write to `store`, answer with `views`."""
        self.store = store
        self.views = views
        self.accept_http_addresses = accept_http_addresses
        self.used_keys: dict[str, UsedKey] = {}
        self.running_keys: set[str] = set()

    def root(self) -> dict[str, Callable[..., View]]:
        """Give the resolvers by field name."""
        return {
            "fulfillmentCancel": self.fulfillment_cancel,
            "fulfillmentCreate": self.fulfillment_create,
            "fulfillmentEventCreate": self.fulfillment_event_create,
            "fulfillmentOrderCancel": self.fulfillment_order_cancel,
            "fulfillmentOrderHold": self.fulfillment_order_hold,
            "fulfillmentOrderMove": self.fulfillment_order_move,
            "fulfillmentOrderOpen": self.fulfillment_order_open,
            "fulfillmentOrderReleaseHold": self.fulfillment_order_release_hold,
            "fulfillmentOrderReportProgress": self.fulfillment_order_report_progress,
            "fulfillmentOrderSplit": self.fulfillment_order_split,
            "fulfillmentTrackingInfoUpdate": self.fulfillment_tracking_info_update,
            "inventorySetQuantities": self.inventory_set_quantities,
            "metafieldsDelete": self.metafields_delete,
            "metafieldsSet": self.metafields_set,
            "orderUpdate": self.order_update,
            "tagsAdd": self.tags_add,
            "tagsRemove": self.tags_remove,
            "webhookSubscriptionCreate": self.webhook_subscription_create,
            "webhookSubscriptionDelete": self.webhook_subscription_delete,
        }

    # -- finding ----------------------------------------

    def _fulfillment_order(self, global_id: str) -> FulfillmentOrder | None:
        found = self.store.fulfillment_orders.get(read_id(global_id, "FulfillmentOrder"))
        return found if found and found.order.routed else None

    def _fulfillment(self, global_id: str) -> Fulfillment | None:
        return self.store.fulfillments.get(read_id(global_id, "Fulfillment"))

    @staticmethod
    def _choose(
        fulfillment_order: FulfillmentOrder, entries: Iterable[View], field: Sequence[str]
    ) -> tuple[Chosen, str | None, list[str]]:
        """Match line inputs with a fulfillment order's lines; gives them, what is wrong and where."""
        chosen: dict[int, tuple[FulfillmentOrderLine, int]] = {}
        lines = {part.id: part for part in fulfillment_order.lines}
        for i, entry in enumerate(entries):
            place = [*field, str(i)]
            part = lines.get(read_id(entry["id"], "FulfillmentOrderLineItem"))
            if part is None:
                return [], "Fulfillment order line item does not exist.", [*place, "id"]
            _, before = chosen.get(part.id, (part, 0))
            chosen[part.id] = (part, before + entry["quantity"])
            if chosen[part.id][1] > part.remaining:
                return [], "Invalid fulfillment order line item quantity requested.", [*place, "quantity"]
        return list(chosen.values()), None, []

    # -- fulfillments ----------------------------------------

    def fulfillment_create(self, _: object, fulfillment: View, message: str | None = None) -> View:
        """Ship. Quantities are looked at before anything is looked up, as recorded."""
        del message
        groups = fulfillment["lineItemsByFulfillmentOrder"]
        limit_list(groups, "lineItemsByFulfillmentOrder")
        chosen, problem = self._fulfillment_parts(groups)
        tracking, tracking_problem = read_tracking(fulfillment.get("trackingInfo"), ["fulfillment", "trackingInfo"])
        problem = problem or tracking_problem
        if problem:
            return {"fulfillment": None, "userErrors": [problem]}
        with self.store.event():
            made = self.store.fulfill(chosen, tracking, by="app", notify=fulfillment["notifyCustomer"])
        return {"fulfillment": self.views.fulfillment(made), "userErrors": []}

    def _fulfillment_parts(self, groups: list[View]) -> tuple[list[tuple[FulfillmentOrder, Chosen]], View | None]:
        field, words = groups_problem(groups)
        found = [] if words else [self._fulfillment_order(group["fulfillmentOrderId"]) for group in groups]
        fulfillment_orders = [fulfillment_order for fulfillment_order in found if fulfillment_order]
        if not words:
            missing = len(fulfillment_orders) < len(groups)
            words = "Fulfillment order does not exist." if missing else together_problem(fulfillment_orders)
        parts: list[tuple[FulfillmentOrder, Chosen]] = []
        for fulfillment_order, group in zip(fulfillment_orders, groups, strict=False) if not words else ():
            entries = group.get("fulfillmentOrderLineItems")
            if entries:
                chosen, problem, _ = self._choose(fulfillment_order, entries, field)
            else:
                chosen = [(part, part.remaining) for part in fulfillment_order.lines if part.remaining]
                problem = None if chosen else "Invalid fulfillment order line item quantity requested."
            words = words or problem
            parts.append((fulfillment_order, chosen))
        return ([], error(field, words)) if words else (parts, None)

    def fulfillment_tracking_info_update(
        self,
        _: object,
        fulfillmentId: str,  # noqa: N803 - the schema's name
        trackingInfoInput: View,  # noqa: N803 - the schema's name
        notifyCustomer: bool | None = None,  # noqa: FBT001, N803 - the schema's name
    ) -> View:
        """Replace all numbers. A cancelled fulfillment takes it too, without a word."""
        found = self._fulfillment(fulfillmentId)
        if found is None:
            return {"fulfillment": None, "userErrors": [error(["fulfillmentId"], "Fulfillment does not exist.")]}
        tracking, problem = read_tracking(trackingInfoInput, ["trackingInfoInput"])
        if problem:
            return {"fulfillment": None, "userErrors": [problem]}
        with self.store.event():
            found.tracking = tracking
            found.notify_customer = found.notify_customer or bool(notifyCustomer)
            self.store.fulfillment_changed(found)
        return {"fulfillment": self.views.fulfillment(found), "userErrors": []}

    def fulfillment_event_create(self, _: object, fulfillmentEvent: View) -> View:  # noqa: N803 - the schema's name
        """Note a scan."""
        found = self._fulfillment(fulfillmentEvent["fulfillmentId"])
        if found is None:
            problem = error(["fulfillmentEvent", "fulfillmentId"], "Fulfillment does not exist.")
            return {"fulfillmentEvent": None, "userErrors": [problem]}
        at = fulfillmentEvent.get("happenedAt") or self.store.now()
        with self.store.event():
            if fulfillmentEvent.get("estimatedDeliveryAt"):
                found.estimated_delivery_at = fulfillmentEvent["estimatedDeliveryAt"]
            scan = self.store.add_event(found, fulfillmentEvent["status"], at, fulfillmentEvent)
        return {"fulfillmentEvent": self.views.event(scan), "userErrors": []}

    def fulfillment_cancel(self, _: object, id: str) -> View:  # noqa: A002 - the schema's name
        """Call a fulfillment back; repeating it is harmless."""
        found = self._fulfillment(id)
        if found is None:
            return {"fulfillment": None, "userErrors": [error(["id"], "Fulfillment does not exist.")]}
        with self.store.event():
            self.store.cancel_fulfillment(found)
        return {"fulfillment": self.views.fulfillment(found), "userErrors": []}

    # -- fulfillment orders ----------------------------------------

    def fulfillment_order_hold(
        self,
        _: object,
        id: str,  # noqa: A002 - the schema's name
        fulfillmentHold: View,  # noqa: N803 - the schema's name
    ) -> View:
        """Hold all of a fulfillment order or some lines of it."""
        found = self._fulfillment_order(id)
        chosen, problem = self._hold_parts(found, fulfillmentHold)
        if problem or found is None:
            return {
                "fulfillmentHold": None,
                "fulfillmentOrder": None,
                "remainingFulfillmentOrder": None,
                "userErrors": [problem],
            }
        hold = Hold(
            self.store.next_id(),
            fulfillmentHold["reason"],
            fulfillmentHold.get("reasonNotes"),
            fulfillmentHold["handle"] or None,
            by_app=True,
        )
        with self.store.event():
            _, remaining = self.store.hold(found, hold, chosen)
        return {
            "fulfillmentHold": self.views.hold(hold),
            "fulfillmentOrder": self.views.fulfillment_order(found),
            "remainingFulfillmentOrder": self.views.fulfillment_order(remaining) if remaining else None,
            "userErrors": [],
        }

    def _hold_parts(self, found: FulfillmentOrder | None, hold: View) -> tuple[Chosen, View | None]:
        entries, field = hold["fulfillmentOrderLineItems"], ["fulfillmentHold", "fulfillmentOrderLineItems"]
        problem = hold_problem(found, hold) or hold_lines_problem(found, entries, field)
        if problem or found is None:
            return [], problem
        chosen, words, place = self._choose(found, entries, field)
        return chosen, error(place, words, "INVALID_LINE_ITEM_QUANTITY") if words else None

    def fulfillment_order_release_hold(
        self,
        _: object,
        id: str,  # noqa: A002 - the schema's name
        holdIds: list[str] | None = None,  # noqa: N803 - the schema's name
        externalId: str | None = None,  # noqa: N803 - the schema's name
    ) -> View:
        """Lift holds. Without ids it lifts all of them, other people's included: mind that."""
        del externalId
        found = self._fulfillment_order(id)
        if found is None:
            problem = error(["id"], "The fulfillment order could not be found.", "FULFILLMENT_ORDER_NOT_FOUND")
            return {"fulfillmentOrder": None, "userErrors": [problem]}
        wanted = None if holdIds is None else {read_id(hold_id, "FulfillmentHold") for hold_id in holdIds}
        with self.store.event():
            self.store.release(found, wanted)
        return {"fulfillmentOrder": self.views.fulfillment_order(found), "userErrors": []}

    def fulfillment_order_move(
        self,
        _: object,
        id: str,  # noqa: A002 - the schema's name
        newLocationId: str,  # noqa: N803 - the schema's name
        fulfillmentOrderLineItems: list[View] | None = None,  # noqa: N803 - the schema's name
    ) -> View:
        """Give a fulfillment order, or lines of it, to another location."""
        found = self._fulfillment_order(id)
        location = self.store.locations.get(read_id(newLocationId, "Location"))
        entries = fulfillmentOrderLineItems or []
        chosen: Chosen = []
        problem: View | None = None
        if found is None:
            problem = error(["id"], "Fulfillment order does not exist.")
        elif location is None or not location.is_active:
            problem = error(["newLocationId"], "Location not found.")
        elif location is found.location:
            problem = error(["newLocationId"], "The fulfillment order is already assigned to the location.")
        elif found.progress_reported:
            words = "Cannot move fulfillment order with reported progress."
            problem = error(["id"], words, "CANNOT_MOVE_FULFILLMENT_ORDER_WITH_REPORTED_PROGRESS")
        elif not found.live:
            problem = error(["id"], "Cannot change location of a fulfillment order that is closed.")
        elif any(entry["quantity"] <= 0 for entry in entries):
            problem = error(["fulfillmentOrderLineItems"], "Quantity must be greater than 0")
        elif entries:
            chosen, words_or_none, place = self._choose(found, entries, ["fulfillmentOrderLineItems"])
            problem = error(place, words_or_none) if words_or_none else None
        if problem or found is None or location is None:
            names = ("movedFulfillmentOrder", "originalFulfillmentOrder", "remainingFulfillmentOrder")
            return dict.fromkeys(names) | {"userErrors": [problem]}
        with self.store.event():
            moved, original = self.store.move(found, location, chosen)
        return {
            "movedFulfillmentOrder": self.views.fulfillment_order(moved),
            "originalFulfillmentOrder": self.views.fulfillment_order(original),
            "remainingFulfillmentOrder": self.views.fulfillment_order(original) if moved is not original else None,
            "userErrors": [],
        }

    def fulfillment_order_split(self, _: object, fulfillmentOrderSplits: list[View]) -> View:  # noqa: N803
        """Split fulfillment orders: the lines named stay, the rest gets a new fulfillment order."""
        limit_list(fulfillmentOrderSplits, "fulfillmentOrderSplits")
        done: list[tuple[FulfillmentOrder, Chosen]] = []
        for i, entry in enumerate(fulfillmentOrderSplits):
            place = ["fulfillmentOrderSplits", str(i)]
            found = self._fulfillment_order(entry["fulfillmentOrderId"])
            lines = entry["fulfillmentOrderLineItems"]
            chosen: Chosen = []
            problem: View | None = None
            if found is None or "SPLIT" not in found.supported_actions():
                words = "The fulfillment order could not be found."
                problem = error([*place, "fulfillmentOrderId"], words, "FULFILLMENT_ORDER_NOT_FOUND")
            elif not lines:
                words = "The fulfillment order must have at least one line item input to split."
                problem = error(place, words, "NO_LINE_ITEMS_PROVIDED_TO_SPLIT")
            elif any(line["quantity"] <= 0 for line in lines):
                words = "The fulfillment order line item quantity must be greater than 0."
                problem = error(place, words, "GREATER_THAN")
            else:
                chosen, words_or_none, where = self._choose(found, lines, [*place, "fulfillmentOrderLineItems"])
                if words_or_none or sum(units for _, units in chosen) == found.remaining:
                    words = "The fulfillment order line item quantity is invalid."
                    problem = error(where or place, words, "INVALID_LINE_ITEM_QUANTITY")
            if problem or found is None:
                return {"fulfillmentOrderSplits": None, "userErrors": [problem]}
            done.append((found, chosen))
        results = []
        with self.store.event():
            for found, chosen in done:
                remaining = self.store.split(found, chosen)
                results.append(
                    {
                        "fulfillmentOrder": self.views.fulfillment_order(found),
                        "remainingFulfillmentOrder": self.views.fulfillment_order(remaining),
                        "replacementFulfillmentOrder": None,
                    }
                )
        return {"fulfillmentOrderSplits": results, "userErrors": []}

    def fulfillment_order_report_progress(
        self,
        _: object,
        id: str,  # noqa: A002 - the schema's name
        progressReport: View | None = None,  # noqa: N803 - the schema's name
    ) -> View:
        """Mark a fulfillment order as being worked on."""
        del progressReport
        found = self._fulfillment_order(id)
        problem: View | None = None
        if found is None:
            problem = error(["id"], "The fulfillment order could not be found.", "FULFILLMENT_ORDER_NOT_FOUND")
        elif "REPORT_PROGRESS" not in found.supported_actions():
            words = "The fulfillment order's status doesn't allow that."
            problem = error(["id"], words, "FULFILLMENT_ORDER_STATUS_INVALID")
        if problem or found is None:
            return {"fulfillmentOrder": None, "userErrors": [problem]}
        with self.store.event():
            self.store.report_progress(found)
        return {"fulfillmentOrder": self.views.fulfillment_order(found), "userErrors": []}

    def fulfillment_order_cancel(self, _: object, id: str) -> View:  # noqa: A002 - the schema's name
        """Cancel a fulfillment order: its units wait again in another one."""
        found = self._fulfillment_order(id)
        problem: View | None = None
        if found is None:
            problem = error(["id"], "Fulfillment order does not exist.")
        elif found.progress_reported:
            words = "Cannot cancel fulfillment order with reported progress. Mark as unfulfilled first."
            problem = error(["id"], words, "FULFILLMENT_ORDER_HAS_MANUALLY_REPORTED_PROGRESS")
        elif not found.live:
            problem = error(["id"], "Fulfillment order is not in cancelable request state.")
        if problem or found is None:
            return {"fulfillmentOrder": None, "replacementFulfillmentOrder": None, "userErrors": [problem]}
        with self.store.event():
            made = self.store.replace(found)
        return {
            "fulfillmentOrder": self.views.fulfillment_order(found),
            "replacementFulfillmentOrder": self.views.fulfillment_order(made),
            "userErrors": [],
        }

    def fulfillment_order_open(self, _: object, id: str) -> View:  # noqa: A002 - the schema's name
        """Take a reported progress back."""
        found = self._fulfillment_order(id)
        if found is None or "MARK_AS_OPEN" not in found.supported_actions():
            words = "Fulfillment order does not exist." if found is None else "Fulfillment order must be in progress."
            return {"fulfillmentOrder": None, "userErrors": [error(["id"], words)]}
        with self.store.event():
            self.store.reopen(found)
        return {"fulfillmentOrder": self.views.fulfillment_order(found), "userErrors": []}

    # -- stock ----------------------------------------

    def inventory_set_quantities(self, info: GraphQLResolveInfo, **arguments: Any) -> View:  # noqa: ANN401 - JSON
        """Set quantities, all or none, once per idempotency key."""
        key = directive_argument(info.field_nodes[0], "idempotent", "key", info.variable_values)
        if key is None or not key.strip():
            message = "The @idempotent directive is required for this mutation but was not provided."
            raise ShopifyError(message, "BAD_REQUEST")
        given = arguments["input"]
        limit_list(given["quantities"], "quantities")
        if any("changeFromQuantity" not in entry for entry in given["quantities"]):
            message = "InventoryQuantityInput must include the following argument: changeFromQuantity."
            raise ShopifyError(message, "INVALID_FIELD_ARGUMENTS")
        fingerprint = hashlib.sha256(json.dumps(arguments, sort_keys=True, default=str).encode()).hexdigest()
        used = self.used_keys.get(key)
        if used and self.store.now() - used.at > IDEMPOTENCY_KEY_LIFE:
            used = None
        problem: View | None = None
        if key in self.running_keys:
            words = "This request is currently in progress, please try again."
            problem = error(None, words, "IDEMPOTENCY_CONCURRENT_REQUEST")
        elif used and used.fingerprint != fingerprint:
            words = "The same idempotency key cannot be used with different operation parameters."
            problem = error(None, words, "IDEMPOTENCY_KEY_PARAMETER_MISMATCH")
        elif used and used.failed:
            words = "A previous request with this idempotency key failed. Retry with a new idempotency key."
            problem = error(None, words, "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED")
        if problem:
            return {"inventoryAdjustmentGroup": None, "userErrors": [problem]}
        if used and used.payload is not None:
            return used.payload
        payload = self._set_quantities(given)
        self.used_keys[key] = UsedKey(fingerprint, self.store.now(), payload, failed=bool(payload["userErrors"]))
        return payload

    def _set_quantities(self, given: View) -> View:
        errors = quantity_header_errors(given)
        name = given["name"] if given["name"] in ("available", "on_hand") else "available"  # to look at the rest
        seen: set[tuple[str, str]] = set()
        wanted: list[tuple[Product, Location, int]] = []
        for i, entry in enumerate(given["quantities"]):
            problem, found = self._quantity(name, entry, ["input", "quantities", str(i)], seen)
            if problem:
                errors.append(problem)
            elif found:
                wanted.append((*found, entry["quantity"]))
        if errors:
            return {"inventoryAdjustmentGroup": None, "userErrors": errors}
        changes: list[View] = []
        with self.store.event():
            for product, location, quantity in wanted:
                level = self.store.level(product, location)
                delta = quantity - getattr(level, name)
                self.store.move_stock(level, on_hand=delta)
                if delta:
                    changes += [self._change(level, changed, delta) for changed in ("available", "on_hand")]
        return {
            "inventoryAdjustmentGroup": {
                "id": gid("InventoryAdjustmentGroup", self.store.next_id()),
                "createdAt": time_text(self.store.now()),
                "reason": given["reason"],
                "referenceDocumentUri": given.get("referenceDocumentUri"),
                "changes": changes,
            },
            "userErrors": [],
        }

    def _change(self, level: StockLevel, name: str, delta: int) -> View:
        return {
            "name": name,
            "delta": delta,
            "quantityAfterChange": None,  # null in every recording
            "item": lambda _: self.views.inventory_item(level.product),
            "location": lambda _: self.views.location(level.location),
        }

    def _quantity(
        self, name: str, entry: View, field: list[str], seen: set[tuple[str, str]]
    ) -> tuple[View | None, tuple[Product, Location] | None]:
        product = self.store.items.get(read_id(entry["inventoryItemId"], "InventoryItem"))
        location: Location | None = self.store.locations.get(read_id(entry["locationId"], "Location"))
        quantity, pair = entry["quantity"], (entry["inventoryItemId"], entry["locationId"])
        words = code = place = ""
        if product is None:
            place, code = "inventoryItemId", "INVALID_INVENTORY_ITEM"
            words = "The specified inventory item could not be found."
        elif location is None or not location.is_active:
            place, words, code = "locationId", "The specified location could not be found.", "INVALID_LOCATION"
        elif quantity > QUANTITY_LIMIT:
            place, code = "quantity", "INVALID_QUANTITY_TOO_HIGH"
            words = "The total quantity can't be higher than 1,000,000,000."
        elif quantity < -QUANTITY_LIMIT:
            place, code = "quantity", "INVALID_QUANTITY_TOO_LOW"
            words = "The total quantity can't be lower than -1,000,000,000."
        elif name == "on_hand" and quantity < 0:
            place, words, code = "quantity", "The quantity can't be negative.", "INVALID_QUANTITY_NEGATIVE"
        elif pair in seen:
            place, code = "locationId", "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR"
            words = "The combination of inventoryItemId and locationId must be unique."
        else:
            level = self.store.levels.get((location.id, product.inventory_item_id))
            persisted = getattr(level, name, 0) if level else 0
            expected = entry["changeFromQuantity"]
            if expected is not None and expected != persisted:
                place, code = "changeFromQuantity", "CHANGE_FROM_QUANTITY_STALE"
                words = "The specified changeFromQuantity does not match the persisted quantity."
        seen.add(pair)
        if words or product is None or location is None:
            return error([*field, place], words, code), None
        return None, (product, location)

    # -- tags and metafields ----------------------------------------

    def tags_add(self, _: object, id: str, tags: list[str]) -> View:  # noqa: A002 - the schema's name
        """Add tags to an order; tags that are there already stay as they are. A comma parts one from the next."""
        tags = [tag for given in tags for tag in given.split(",")]
        order, problem = self._tagged(id, tags)
        if problem or order is None:
            return {"node": None, "userErrors": [problem]}
        have = {tag.lower() for tag in order.tags}
        new = {tag.strip().lower(): tag.strip() for tag in tags if tag.strip() and tag.strip().lower() not in have}
        self._set_tags(order, sorted([*order.tags, *new.values()], key=str.lower))
        return {"node": self.views.order(order), "userErrors": []}

    def tags_remove(self, _: object, id: str, tags: list[str]) -> View:  # noqa: A002 - the schema's name
        """Remove tags from an order."""
        order, problem = self._tagged(id, tags)
        if problem or order is None:
            return {"node": None, "userErrors": [problem]}
        gone = {tag.strip().lower() for tag in tags}
        self._set_tags(order, [tag for tag in order.tags if tag.lower() not in gone])
        return {"node": self.views.order(order), "userErrors": []}

    def _tagged(self, global_id: str, tags: list[str]) -> tuple[Order | None, View | None]:
        limit_list(tags, "tags")
        order = self.store.orders.get(read_id(global_id, "Order"))
        if order is None:
            return None, error(["id"], "Order does not exist")
        if any(len(tag) > 40 for tag in tags):  # noqa: PLR2004 - the vendor's limit
            return None, error(["tags"], "Each tag must be no longer than 40 characters")
        return order, None

    def _set_tags(self, order: Order, tags: list[str]) -> None:
        if tags != order.tags:
            with self.store.event():
                order.tags = tags
                self.store.touch(order)

    def order_update(self, _: object, input: View) -> View:  # noqa: A002 - the schema's name
        """Change an order; what is left out stays as it is."""
        order, note = self.store.orders.get(read_id(input["id"], "Order")), input.get("note")
        problem = None
        if order is None:
            problem = error(["id"], "Order does not exist")
        elif note is not None and len(note) > MAX_NOTE:
            problem = error(["note"], f"Note is too long (maximum is {MAX_NOTE} characters)")
        if problem or order is None:
            return {"order": None, "userErrors": [problem]}
        if "note" in input and (note or None) != order.note:
            with self.store.event():
                order.note = note or None
                self.store.touch(order)
        return {"order": self.views.order(order), "userErrors": []}

    def _may_write_to(self, metafields: list[View], field: str) -> None:
        """Refuse an app that may not write orders; its own installation is open to every app."""
        ours = all(not entry["ownerId"].startswith("gid://shopify/Order/") for entry in metafields)
        if not ours and "write_orders" not in self.views.scopes:
            message = f"Access denied for {field} field. Required access: `write_orders` access scope."
            raise ShopifyError(message, "ACCESS_DENIED", requiredAccess="`write_orders` access scope.")

    def metafields_set(self, _: object, metafields: list[View]) -> View:
        """Write metafields, all or none."""
        self._may_write_to(metafields, "metafieldsSet")
        if len(metafields) > MAX_METAFIELDS:
            words = "Exceeded the maximum metafields input limit of 25."
            return {"metafields": None, "userErrors": [error(["metafields"], words, "LESS_THAN_OR_EQUAL_TO")]}
        problems = [
            problem | {"elementIndex": i}
            for i, entry in enumerate(metafields)
            if (problem := self._metafield_problem(entry, ["metafields", str(i)]))
        ]
        if problems:
            return {"metafields": None, "userErrors": problems}
        with self.store.event():
            written = [self._write_metafield(entry) for entry in metafields]
        return {"metafields": [self.views.metafield(metafield) for metafield in written], "userErrors": []}

    def _existing(self, entry: View) -> Metafield | None:
        return self.store.metafields.get((entry["ownerId"], app_namespace(entry.get("namespace")), entry["key"]))

    def _metafield_problem(self, entry: View, field: list[str]) -> View | None:
        existing = self._existing(entry)
        kind = entry.get("type") or (existing.type if existing else None)
        problem = key_problem(entry["key"], [*field, "key"])
        if problem:
            return problem
        if not self._owner_exists(entry["ownerId"]):
            problem = error([*field, "ownerId"], "Owner does not exist.", "INVALID")
        elif kind is None:
            problem = error([*field, "type"], "Type can't be blank", "BLANK")
        elif kind not in METAFIELD_TYPES or (existing and kind != existing.type):
            problem = error([*field, "type"], f"Type '{kind}' is not a valid type.", "INVALID_TYPE")
        elif entry["value"] == "":
            problem = error([*field, "value"], "Value can't be blank", "BLANK")
        elif not value_fits(kind, entry["value"]):
            problem = error([*field, "value"], f"Value is invalid for type {kind}.", "INVALID_VALUE")
        elif "compareDigest" in entry:
            # Null says "there is none yet"; left out says "no matter what is there".
            current = digest(existing) if existing else None
            if entry["compareDigest"] != current:
                words = "The resource has been updated since it was loaded. Try again with an updated `compareDigest`."
                problem = error([*field, "compareDigest"], words, "STALE_OBJECT")
        return problem

    def _owner_exists(self, global_id: str) -> bool:
        if global_id in (self.views.shop()["id"], self.views.app_installation()["id"]):
            return True
        kind = global_id.removeprefix("gid://shopify/").partition("/")[0]
        number = read_id(global_id, kind)
        return number in self.store.orders if kind == "Order" else kind == "Location" and number in self.store.locations

    def _write_metafield(self, entry: View) -> Metafield:
        now, existing = self.store.now(), self._existing(entry)
        namespace = app_namespace(entry.get("namespace"))
        if existing is None:
            existing = Metafield(
                self.store.next_id(), entry["ownerId"], namespace, entry["key"], entry["type"], entry["value"], now, now
            )
            self.store.metafields[entry["ownerId"], namespace, entry["key"]] = existing
        elif existing.value == entry["value"]:
            return existing
        existing.value, existing.updated_at = entry["value"], now
        self._touch_owner(entry["ownerId"])
        return existing

    def _touch_owner(self, owner_id: str) -> None:
        if owner_id.startswith("gid://shopify/Order/"):
            self.store.touch(self.store.orders[number_of(owner_id, "Order")])

    def metafields_delete(self, _: object, metafields: list[View]) -> View:
        """Delete metafields; null stands for one that was not there."""
        self._may_write_to(metafields, "metafieldsDelete")
        limit_list(metafields, "metafields")
        gone: list[View | None] = []
        with self.store.event():
            for entry in metafields:
                key = (entry["ownerId"], app_namespace(entry["namespace"]), entry["key"])
                gone.append(dict(entry) if self.store.metafields.pop(key, None) else None)
                if gone[-1]:
                    self._touch_owner(entry["ownerId"])
        return {"deletedMetafields": gone, "userErrors": []}

    # -- webhooks ----------------------------------------

    def webhook_subscription_create(
        self,
        _: object,
        topic: str,
        webhookSubscription: View,  # noqa: N803 - the schema's name
    ) -> View:
        """Subscribe an address to a topic."""
        problem = self._subscription_problem(topic, webhookSubscription)
        if problem:
            return {"webhookSubscription": None, "userErrors": [problem]}
        made = Subscription(
            self.store.next_id(),
            topic,
            webhookSubscription["uri"],
            self.store.now(),
            webhookSubscription.get("name"),
            webhookSubscription.get("filter"),
            webhookSubscription.get("format") or "JSON",
            webhookSubscription.get("includeFields") or [],
            webhookSubscription.get("metafieldNamespaces") or [],
        )
        self.store.outbox.subscriptions[made.id] = made
        return {"webhookSubscription": self.views.subscription(made), "userErrors": []}

    def _subscription_problem(self, topic: str, given: View) -> View | None:
        uri, name = given.get("uri") or "", given.get("name")
        others = self.store.outbox.subscriptions.values()
        parts = urllib.parse.urlsplit(uri)
        field, words = ["webhookSubscription", "uri"], None
        if not uri:
            words = "Address can't be blank"
        elif parts.scheme == "http" and not self.accept_http_addresses:
            words = "Address protocol http:// is not supported"
        elif parts.scheme not in ("http", "https", "pubsub", "arn"):
            words = "Address is invalid"
        elif INTERNAL_HOSTS.match(parts.hostname or "") and not self.accept_http_addresses:
            words = "Address cannot be a Shopify or an internal domain"
        elif any(other.topic == topic and other.uri == uri for other in others):
            words = "Address for this topic has already been taken"
        elif name is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,50}", name):
            field, words = ["webhookSubscription", "name"], "Name is invalid"
        elif name is not None and any(other.name == name for other in others):
            field, words = ["webhookSubscription", "name"], "Name has already been taken"
        elif given.get("filter") or given.get("format") == "XML":
            # Left out here on purpose: a subscription that filters would not be what this sends.
            field, words = ["webhookSubscription", "filter"], "Filter and XML are not simulated"
        return error(field, words) if words else None

    def webhook_subscription_delete(self, _: object, id: str) -> View:  # noqa: A002 - the schema's name
        """End a subscription."""
        gone = self.store.outbox.subscriptions.pop(read_id(id, "WebhookSubscription"), None)
        if gone is None:
            problem = error(["id"], "Webhook subscription does not exist")
            return {"deletedWebhookSubscriptionId": None, "userErrors": [problem]}
        return {"deletedWebhookSubscriptionId": gid("WebhookSubscription", gone.id), "userErrors": []}


def read_id(global_id: str, kind: str) -> int:
    """Read a global id; a malformed one, or one of another kind, is an error above the data."""
    try:
        return number_of(global_id, kind)
    except InvalidIdError:
        message = "invalid id"
        raise ShopifyError(message, "RESOURCE_NOT_FOUND") from None


def groups_problem(groups: list[View]) -> tuple[list[str], str | None]:
    """Find what is wrong with a shipment before anything is looked up: the place and the words."""
    base = ["fulfillment", "lineItemsByFulfillmentOrder"]
    if not groups:
        return base, "Line items by fulfillment order can't be blank"
    for i, group in enumerate(groups):
        entries = group.get("fulfillmentOrderLineItems") or []
        limit_list(entries, "fulfillmentOrderLineItems", MAX_FULFILLMENT_LINES)
        for j, entry in enumerate(entries):
            if entry["quantity"] <= 0:
                place = [*base, str(i), "fulfillmentOrderLineItems", str(j), "quantity"]
                return place, "Quantity must be greater than 0"
    return ["fulfillment"], None


def together_problem(fulfillment_orders: list[FulfillmentOrder]) -> str | None:
    """Say why fulfillment orders cannot leave in one fulfillment."""
    for fulfillment_order in fulfillment_orders:
        if fulfillment_order.status not in ("OPEN", "IN_PROGRESS"):
            status = fulfillment_order.status.lower()
            return f"Fulfillment order {fulfillment_order.id} has an unfulfillable status= {status}."
    if len({id(fulfillment_order.order) for fulfillment_order in fulfillment_orders}) > 1:
        return "All fulfillment orders must belong to the same order."
    if len({fulfillment_order.location.id for fulfillment_order in fulfillment_orders}) > 1:
        return "All fulfillment orders must be assigned to the same location."
    if len({fulfillment_order.id for fulfillment_order in fulfillment_orders}) < len(fulfillment_orders):
        return "Fulfillment orders must be unique."
    return None


def hold_problem(found: FulfillmentOrder | None, hold: View) -> View | None:
    """Say why a fulfillment order cannot be held so."""
    if found is None:
        return error(["id"], "The fulfillment order could not be found.", "FULFILLMENT_ORDER_NOT_FOUND")
    if "HOLD" not in found.supported_actions():
        return error(["id"], "The fulfillment order is not in a state to be held.", "TAKEN")
    ours = [existing for existing in found.holds if existing.by_app]
    field = ["fulfillmentHold", "handle"]
    if len(hold["handle"]) > 64:  # noqa: PLR2004 - the vendor's limit
        return error(field, "Handle is too long (maximum is 64 characters)", "TAKEN")
    if any((existing.handle or "") == hold["handle"] for existing in ours):
        words = "The handle provided for the fulfillment hold is already in use by this app for another hold."
        return error(field, words, "DUPLICATE_FULFILLMENT_HOLD_HANDLE")
    if len(ours) >= MAX_HOLDS_PER_APP:
        words = "The maximum number of fulfillment holds for this fulfillment order has been reached for this app."
        return error(["id"], words, "FULFILLMENT_ORDER_HOLD_LIMIT_REACHED")
    return None


def hold_lines_problem(found: FulfillmentOrder | None, entries: list[View], field: list[str]) -> View | None:
    """Say why a part of a fulfillment order cannot be held."""
    if entries and found is not None and found.holds:
        return error(field, "The fulfillment order is not in a splittable state.", "FULFILLMENT_ORDER_NOT_SPLITTABLE")
    if len({entry["id"] for entry in entries}) < len(entries):
        words = "The fulfillment order line items are not unique."
        return error(field, words, "DUPLICATED_FULFILLMENT_ORDER_LINE_ITEMS")
    if any(entry["quantity"] <= 0 for entry in entries):
        words = "The fulfillment order line item quantity must be greater than 0."
        return error(field, words, "GREATER_THAN_ZERO")
    return None


def limit_list(entries: Sequence[object], name: str, limit: int = MAX_LIST_ARGUMENT) -> None:
    """Refuse a list argument that is too long, above the data."""
    if len(entries) > limit:
        message = f"The input array size of {len(entries)} is greater than the maximum allowed of {limit}."
        raise ShopifyError(message, "MAX_INPUT_SIZE_EXCEEDED", argumentName=name)


def read_tracking(given: View | None, field: list[str]) -> tuple[list[Tracking], View | None]:
    """Read tracking input in its singular or plural form; links need numbers."""
    given = given or {}
    single, plural = given.get("number"), given.get("numbers")
    numbers = plural if plural is not None else ([single] if single else [])
    urls = given.get("urls") if given.get("urls") is not None else ([given["url"]] if given.get("url") else [])
    if urls and not numbers:
        return [], error(field, "A tracking url requires a tracking number.")
    if len(urls or []) > len(numbers):
        return [], error(field, "There are more tracking urls than tracking numbers.")
    return tracking_entries(given.get("company"), numbers, urls or []), None


def quantity_header_errors(given: View) -> Errors:
    """Check what an inventory write says about itself."""
    errors: Errors = []
    if given["name"] not in ("available", "on_hand"):
        words = "The quantity name must be either 'available' or 'on_hand'."
        errors.append(error(["input", "name"], words, "INVALID_NAME"))
    if given["reason"] not in INVENTORY_REASONS:
        errors.append(error(["input", "reason"], "The specified reason is invalid.", "INVALID_REASON"))
    uri = given.get("referenceDocumentUri")
    if uri is not None and not re.match(r"^[a-z][a-z0-9+.-]*://\S+$", uri):
        words = "The specified reference document is invalid."
        errors.append(error(["input", "referenceDocumentUri"], words, "INVALID_REFERENCE_DOCUMENT"))
    return errors


def key_problem(key: str, field: list[str]) -> View | None:
    """Say why a metafield cannot have that key."""
    if len(key) < 2:  # noqa: PLR2004 - the vendor's limit
        return error(field, "Key is too short (minimum is 2 characters)", "TOO_SHORT")
    if len(key) > 64:  # noqa: PLR2004 - the vendor's limit
        return error(field, "Key is too long (maximum is 64 characters)", "TOO_LONG")
    return None if re.fullmatch(r"[A-Za-z0-9_-]+", key) else error(field, "Key is invalid", "INVALID")


def value_fits(kind: str, value: str) -> bool:
    """Say whether a text is a value of a metafield type."""
    if kind == "number_integer":
        return bool(re.fullmatch(r"-?\d+", value))
    if kind == "boolean":
        return value in ("true", "false")
    if kind == "json" or kind.startswith("list."):
        try:
            parsed = json.loads(value)
        except ValueError:
            return False
        return kind == "json" or isinstance(parsed, list)
    return kind != "single_line_text_field" or "\n" not in value
