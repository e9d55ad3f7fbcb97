"""The adapter and the simulated 3PL against the vendor's own description: what is sent and answered fits.

A wrong answer is noticed: canaries prove it for every field of every operation.
"""

from __future__ import annotations

import copy
import json
import os
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest
import requests
from pydantic import AliasChoices

from jetbridge.domain.order import Address
from jetbridge.domain.store import JetpackConnection
from jetbridge.partners.http import Seams
from jetbridge.partners.jetpack import payloads
from jetbridge.partners.jetpack.administration import JetpackAdmin
from jetbridge.partners.jetpack.client import JetpackWarehouse
from jetbridge.partners.reading import Payload
from jetbridge.ports import NewJetpackOrder
from local.simulators.jetpack import OPERATIONS, JetpackSimulator
from local.simulators.jetpack_answers import parse_time
from local.simulators.server import Request
from tests.builders import ADDRESS, NOW

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jetbridge.domain.order import JetpackOrder
    from local.simulators.server import Delivery

type Json = dict[str, Any]

CHECKOUT = Path(__file__).parents[2]
CONTRACTS = Path(os.environ.get("CONTRACTS_DIR", CHECKOUT.parent / "shared" / "contracts"))
DESCRIPTION = CONTRACTS / "shipbob" / "openapi-2026-01.json"
ADDITIONS = Path(__file__).with_name("jetpack_additions.json")
METHODS = ("get", "post", "put", "patch", "delete")

# -- the description, with its errata applied --------------------------------------------------------

# A property that is a $ref cannot say nullable in OpenAPI 3.0; facts/shipbob.md (sections 7, 10, 14) says
# that these are null: before there is a label, without a reason, for a consumer's order, when all went well.
NULL_IN_PRACTICE = {
    ("Orders.ShipmentViewModel", "tracking"),
    ("Orders.StatusDetailViewModel", "extra_information"),
    ("Orders.OrderViewModel", "shipping_terms"),
    ("Orders.OrderViewModel", "retailer_program_data"),
    ("Orders.ShipmentApiResponse", "error"),
    ("Orders.ShipmentLineItemsApiResponse", "error"),
    ("Orders.IApiDetailResponse", "error"),
    ("Orders.BulkUpdateResponseResult", "error"),
}


class Description:
    """The vendor's OpenAPI 3.0 as JSON Schema, corrected where it contradicts its own examples."""

    def __init__(self, openapi: Json, additions: Json) -> None:
        self.raw: dict[str, Json] = openapi["components"]["schemas"]
        self.schemas = {name: self._component(name, schema) for name, schema in self.raw.items()}
        self.operations: dict[str, Json] = {}
        for path, item in openapi["paths"].items():
            for method in METHODS:
                if method in item:
                    # 2026-07 has no file, so the version is taken out of the paths.
                    line = f"{method.upper()} {re.sub(r'^/2026-01', '', path)}"
                    self.operations[line] = self._operation(item[method])
        self._add(additions)

    def _operation(self, operation: Json) -> Json:
        content = operation.get("requestBody", {}).get("content", {})
        return {
            "request": self._schema(content["application/json"]["schema"]) if content else None,
            "responses": {
                status: self._schema(response["content"]["application/json"]["schema"])
                if response.get("content")
                else None
                for status, response in operation["responses"].items()
            },
            "parameters": {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"},
        }

    def _component(self, name: str, schema: Json) -> Json:
        converted = self._schema(schema)
        for owner, field in NULL_IN_PRACTICE:
            if owner == name:
                converted["properties"][field] = {"anyOf": [converted["properties"][field], {"type": "null"}]}
        return converted

    def _schema(self, schema: Json, *, is_part: bool = False) -> Json:
        """Convert one schema; a part of an `allOf` leaves the closing to the whole."""
        converted: Json
        if "$ref" in schema:
            # `additionalProperties: false` beside a $ref refuses everything: dropped.
            name = schema["$ref"].rpartition("/")[2]
            converted = self._schema(self.raw[name], is_part=True) if is_part else {"$ref": schema["$ref"]}
        else:
            kept = ("type", "enum", "format", "pattern", "minLength", "maxLength", "minItems", "minimum", "maximum")
            converted = {name: schema[name] for name in kept if name in schema}
            if "items" in schema:
                converted["items"] = self._schema(schema["items"])
            if "properties" in schema:
                converted["properties"] = {name: self._schema(each) for name, each in schema["properties"].items()}
            if "oneOf" in schema:
                # A class beside its own subclass: both fit, so "exactly one" never holds.
                converted["anyOf"] = [self._schema(each) for each in schema["oneOf"]]
            if "allOf" in schema:
                converted["allOf"] = [self._schema(each, is_part=True) for each in schema["allOf"]]
            self._close(schema, converted, is_part=is_part)
        if schema.get("nullable"):
            converted = _or_null(converted)
        return converted

    def _close(self, schema: Json, converted: Json, *, is_part: bool) -> None:
        declared = self._declared(schema)
        # Names that are required and declared nowhere are the generator's errors.
        required = [name for name in schema.get("required", ()) if name in declared]
        if required:
            converted["required"] = required
        if isinstance(schema.get("additionalProperties"), dict):
            converted["additionalProperties"] = self._schema(schema["additionalProperties"])
        elif declared and not is_part:
            # Stands for `additionalProperties: false`, which on both halves of an allOf refuses everything.
            converted["unevaluatedProperties"] = False

    def _declared(self, schema: Json) -> set[str]:
        names = set(schema.get("properties", ()))
        if "$ref" in schema:
            names |= self._declared(self.raw[schema["$ref"].rpartition("/")[2]])
        for part in schema.get("allOf", ()):
            names |= self._declared(part)
        return names

    def _add(self, additions: Json) -> None:
        for addition in additions["schemas"]:
            self.schemas[addition["schema"]] = addition["definition"]
        for addition in additions["operations"]:
            wanted = addition["operation"]
            if wanted != "*" and wanted not in self.operations:
                self.operations[wanted] = {"request": addition["request"], "responses": {}, "parameters": set()}
        for addition in additions["operations"]:
            for line, operation in self.operations.items():
                if addition["operation"] in ("*", line):
                    operation["responses"] |= addition["responses"]
        for addition in additions["enums"]:
            self.schemas[addition["schema"]]["enum"] += addition["add"]
        for addition in additions["properties"]:
            self.schemas[addition["schema"]]["properties"] |= addition["add"]

    def line_of(self, method: str, path: str) -> str:
        """Give the operation of a path without its version; the one without a placeholder if there are two."""
        asked = f"{method} {path}"
        fitting = [line for line in self.operations if re.fullmatch(re.sub(r"{\w+}", "[^/:]+", line), asked)]
        return min(fitting, key=lambda line: line.count("{"))

    def properties(self, schema: Json) -> dict[str, list[Json]]:
        """Give everything a value may be made of, whatever of several shapes it has; of a list, its elements."""
        found: dict[str, list[Json]] = {}
        if "$ref" in schema:
            return self.properties(self.schemas[schema["$ref"].rpartition("/")[2]])
        for name, each in schema.get("properties", {}).items():
            found.setdefault(name, []).append(each)
        parts = [*schema.get("anyOf", ()), *schema.get("allOf", ()), *([schema["items"]] if "items" in schema else ())]
        for part in parts:
            for name, each in self.properties(part).items():
                found.setdefault(name, []).extend(each)
        return found

    def errors(self, schema: Json | None, body: object) -> list[str]:
        """Say what is wrong with a body; without a schema it has to be empty."""
        if schema is None:
            return [] if body is None else ["a body where none is described"]
        whole = {"components": {"schemas": self.schemas}, "allOf": [schema]}
        validator = jsonschema.Draft202012Validator(whole, format_checker=FORMATS)
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)]


def _or_null(converted: Json) -> Json:
    # `nullable` without `type` makes some validators skip the whole schema, so it becomes a real union.
    if isinstance(converted.get("type"), str) and "enum" not in converted:
        return converted | {"type": [converted["type"], "null"]}
    return {"anyOf": [converted, {"type": "null"}]}


FORMATS = jsonschema.FormatChecker(())


@FORMATS.checks("int32")
def _is_int32(value: object) -> bool:
    return not isinstance(value, int) or -(2**31) <= value < 2**31


@FORMATS.checks("date-time")
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or ("T" in value and parse_time(value) is not None)


@FORMATS.checks("email")
def _is_email(value: object) -> bool:
    return not isinstance(value, str) or re.fullmatch(r"[^@\s]+@[^@\s]+", value) is not None


@FORMATS.checks("uri")
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or re.match(r"https?://[^/]+", value) is not None


@pytest.fixture(scope="module")
def description() -> Description:
    if not DESCRIPTION.exists():
        pytest.skip(f"the vendor's description is not here ({DESCRIPTION}); set CONTRACTS_DIR")
    return Description(json.loads(DESCRIPTION.read_text()), json.loads(ADDITIONS.read_text()))


# -- a day at the 3PL, every call written down -------------------------------------------------------


@dataclass(frozen=True)
class Exchange:
    """One call and its answer."""

    operation: str
    line: str
    request: object
    status: int
    body: object

    def __str__(self) -> str:
        return f"{self.line} -> {self.status}"


def an_order(reference: str, **changes: object) -> Json:
    order = {
        "reference_id": reference,
        "order_number": "1001",
        "shipping_method": "Standard",
        "type": "DTC",
        "purchase_date": "2026-11-20T09:00:00Z",
        "gift_message": "Enjoy",
        "recipient": {
            "name": "Ada Sample",
            "email": "ada@example.test",
            "phone_number": "555-0100",
            "address": {
                "address1": "1 Nowhere Rd",
                "address2": None,
                "company_name": None,
                "city": "Springfield",
                "state": "IL",
                "country": "US",
                "zip_code": "62701",
            },
        },
        "products": [
            {
                "reference_id": "TEA-250",
                "sku": "TEA-250",
                "name": "Tea 250 g",
                "quantity": 2,
                "unit_price": 8.5,
                "external_line_id": 1,
                "upc": "000000000001",
                "gtin": None,
                "quantity_unit_of_measure_code": "EA",
            },
            {"id": 880002, "quantity": 1, "external_line_id": 2},
        ],
        "financials": {"total_price": 21.0},
        "tags": [{"name": "store", "value": "demo"}],
        "sales_channel": "shopify",
    }
    return order | changes


TRADE = {
    "type": "B2B",
    "shipping_terms": {"carrier_type": "Parcel", "payment_term": "Prepaid"},
    "retailer_program_data": {
        "purchase_order_number": "PO-1",
        "retailer_program_type": "Example",
        "addresses": [{"type": "MarkFor", "address1": "2 Elsewhere St", "city": "Springfield", "country": "US"}],
    },
}
PLACEHOLDERS = {
    "order_id": "orderId",
    "shipment_id": "shipmentId",
    "product_id": "productId",
    "inventory_id": "inventoryId",
    "webhook_id": "id",
}


class Recorder:
    """Calls the simulator and keeps every exchange under the vendor's path."""

    def __init__(self, simulator: JetpackSimulator) -> None:
        self.simulator = simulator
        self.exchanges: list[Exchange] = []
        self.session = requests.Session()
        self.session.trust_env = False
        self.headers = {"authorization": "Bearer pat-example", "shipbob_channel_id": "120001"}

    def __call__(self, line: str, body: object = None, *, query: str = "", **ids: int) -> Any:  # noqa: ANN401 - JSON
        method, template = line.split(" ")
        path = f"/2026-07{template.format(**ids)}"
        url = f"{self.simulator.url}{path}{query}"
        answer = self.session.request(method, url, json=body, headers=self.headers, timeout=10)
        operation = self.simulator.operation_of(Request(method, path, {}, {}, b""))
        content = answer.json() if answer.content else None
        vendor_path = template.format(**{name: f"{{{PLACEHOLDERS[name]}}}" for name in ids})
        self.exchanges.append(Exchange(operation, f"{method} {vendor_path}", body, answer.status_code, content))
        return content


@dataclass(frozen=True)
class Day:
    """What was asked, answered and announced."""

    exchanges: list[Exchange]
    webhooks: list[Delivery]


@pytest.fixture(scope="module")
def day() -> Day:
    webhooks: list[Delivery] = []
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        JetpackSimulator(webhook_address="http://127.0.0.1:9/", process_after_seconds=None) as simulator,
    ):
        monkeypatch.setattr(simulator, "deliver", webhooks.append)
        simulator.add_product("TEA-250", 100, name="Tea 250 g")
        simulator.add_product("MUG", 20)
        simulator.add_product("SET", components={"TEA-250": 1, "MUG": 1})
        call = Recorder(simulator)
        read_the_catalogue(call)
        orders = create_orders(call)
        edit_and_hold(call, orders)
        ship_and_track(call, orders)
        cancel(call, orders)
        subscribe(call)
        be_refused(call, orders)
    return Day(call.exchanges, webhooks)


@pytest.fixture
def exchanges(day: Day) -> list[Exchange]:
    return day.exchanges


def read_the_catalogue(call: Recorder) -> None:
    for path in ("/channel", "/shipping-method", "/location", "/product", "/inventory", "/inventory-level"):
        call(f"GET {path}")
    call("GET /location", query="?IncludeInactive=true&ReceivingEnabled=true&AccessGranted=true")
    call("GET /inventory-level", query="?InventoryIds=21000001,21000002")
    call("GET /product", query="?PageSize=1")
    call("GET /inventory-level/locations", query="?PageSize=1")
    call("GET /product/{product_id}", product_id=880001)
    call("GET /product/{product_id}", product_id=1)
    call("GET /product", query="?PageSize=0")
    call("GET /inventory-level", query="?PageSize=0")
    for path in (
        "/inventory/{inventory_id}",
        "/inventory-level/{inventory_id}",
        "/inventory-level/{inventory_id}/locations",
    ):
        call(f"GET {path}", inventory_id=21000001)
        call(f"GET {path}", inventory_id=1)


def create_orders(call: Recorder) -> dict[str, Json]:
    """One order to ship in two parcels, one to hold and edit, one to cancel, one short of stock, one of trade."""
    call.simulator.split("demo:1:1", 2)
    orders = {name: call("POST /order", an_order(f"demo:{name}:1")) for name in ("1", "2", "3")}
    short = [
        {"reference_id": "MUG", "name": None, "quantity": 500},
        {"reference_id": "SET", "name": "Set", "quantity": 1},
    ]
    orders["4"] = call("POST /order", an_order("demo:4:1", products=short))
    orders["5"] = call("POST /order", an_order("demo:5:1", **TRADE))
    for order in orders.values():
        call("GET /order/{order_id}", order_id=order["id"])
        call.simulator.process(order["id"])
        call("GET /order/{order_id}", order_id=order["id"])
    return orders


def edit_and_hold(call: Recorder, orders: Mapping[str, Json]) -> None:
    shipment_id = orders["2"]["shipments"][0]["id"]
    ids = {"shipment_ids": [shipment_id, 1]}
    call.simulator.hold(shipment_id, "InvalidAddress", ["Street number not found"])
    call("GET /shipment/{shipment_id}", shipment_id=shipment_id)
    address = {"street_address1": "2 Elsewhere St", "city": "Springfield", "override_verification": True}
    for _ in range(2):
        for number in (shipment_id, 1):
            call("PUT /shipment/{shipment_id}:updateAddress", address, shipment_id=number)
            call("GET /shipment/{shipment_id}:getLineItems", shipment_id=number)
            for quantities in ({21000001: 3, 21000002: 1}, {21000001: 3}, {21000001: 3, 21000002: 1}):
                items = [{"inventory_id": item, "quantity": units} for item, units in quantities.items()]
                call("POST /shipment/{shipment_id}:updateLineItems", {"items": items}, shipment_id=number)
        call("PUT /shipment:bulkUpdateShippingService", ids | {"requested_shipping_service_id": 9, "reason": "x"})
        call("POST /shipment:bulkPlaceOnHold", ids | {"reserve_inventory": False})
        call("POST /shipment:bulkReleaseHold", ids)
        call.simulator.pick(shipment_id)
    call("GET /order/{order_id}/shipment", order_id=orders["2"]["id"])


def ship_and_track(call: Recorder, orders: Mapping[str, Json]) -> None:
    order = orders["1"]
    first, second = (shipment["id"] for shipment in order["shipments"])
    call.simulator.ship(first)
    call("GET /order/{order_id}", order_id=order["id"])
    call.simulator.label(second, without_number=True)
    call.simulator.deliver_parcel(first)
    for path in ("", "/timeline", "/logs"):
        call(f"GET /shipment/{{shipment_id}}{path}", shipment_id=first)
        call(f"GET /order/{{order_id}}/shipment/{{shipment_id}}{path}", order_id=order["id"], shipment_id=first)
    call("GET /shipments-tracking", query=f"?ShipmentIds={first}&ShipmentIds={second}")
    call("GET /shipments-tracking", query=f"?ShipmentIds={first},{second}")
    call("GET /tracking", query=f"?TrackingIds=1ZTEST{first}")
    call("GET /tracking")
    call.simulator.tracks_as_in_april = True
    call("GET /shipments-tracking", query=f"?ShipmentIds={first}")
    call("GET /tracking", query=f"?TrackingIds=1ZTEST{first}")
    call.simulator.tracks_as_in_april = False
    call.simulator.ship(second)
    call.simulator.deliver_parcel(second)
    call("POST /shipment:batchUpdateTrackingUpload", {"shipment_ids": [first, 1], "is_tracking_uploaded": True})
    call("POST /shipment:batchUpdateTrackingUpload", {"shipment_ids": [first]})
    call("GET /order", query="?HasTracking=true&Limit=1")


def cancel(call: Recorder, orders: Mapping[str, Json]) -> None:
    call("POST /order/{order_id}:cancel", order_id=orders["1"]["id"])
    call("POST /order/{order_id}:cancel", order_id=orders["3"]["id"])
    short, trade = (orders[name]["shipments"][0]["id"] for name in ("4", "5"))
    for _ in range(2):
        call("POST /shipment/{shipment_id}:cancel", shipment_id=short)
        call("POST /order/{order_id}/shipment/{shipment_id}:cancel", order_id=orders["5"]["id"], shipment_id=trade)
    call("POST /shipment:batchCancel", {"shipment_ids": [short, 1]})
    call("GET /order")


def subscribe(call: Recorder) -> None:
    body = {"url": "https://hooks.example.test/jetpack", "topics": ["order.shipped", "order.delivered"]}
    created = call("POST /webhook", body | {"description": "Jetbridge", "secret": "whsec_" + "A" * 32})
    call("GET /webhook")
    call("POST /webhook", {"url": "ftp://hooks.example.test", "topics": []})
    for _ in range(2):
        call("DELETE /webhook/{webhook_id}", webhook_id=int(created["id"]))


def be_refused(call: Recorder, orders: Mapping[str, Json]) -> None:
    simulator, shipment_id = call.simulator, orders["1"]["shipments"][0]["id"]
    call("POST /order", an_order("demo:1:1"))
    call("POST /order", {})
    call("POST /shipment:batchCancel", {"shipment_ids": []})
    for action in ("bulkPlaceOnHold", "bulkReleaseHold"):
        call(f"POST /shipment:{action}", {"shipment_ids": []})
    call("PUT /shipment:bulkUpdateShippingService", {})
    call("PUT /shipment/{shipment_id}:updateAddress", {}, shipment_id=shipment_id)
    call("POST /shipment/{shipment_id}:updateLineItems", {}, shipment_id=shipment_id)
    call("GET /order", query="?Limit=0")
    for line in ("GET /order/{order_id}", "GET /order/{order_id}/shipment", "POST /order/{order_id}:cancel"):
        call(line, order_id=1)
    for line in (
        "GET /shipment/{shipment_id}",
        "GET /shipment/{shipment_id}/timeline",
        "POST /shipment/{shipment_id}:cancel",
    ):
        call(line, shipment_id=1)
    simulator.has_tracking_is_broken = True
    call("GET /order", query="?HasTracking=true")
    lines = (
        "GET /order",
        "POST /order",
        "GET /product",
        "GET /inventory-level",
        "GET /shipping-method",
        "GET /channel",
    )
    for setting, value in (("rate_limit_per_minute", 0), ("scopes", set()), ("token", "pat-other")):
        before = getattr(simulator, setting)
        setattr(simulator, setting, value)
        for line in lines:
            call(line, an_order("demo:9:1") if line.startswith("POST") else None)
        if setting != "token":
            setattr(simulator, setting, before)


# -- the tests ---------------------------------------------------------------------------------------


def schema_of(description: Description, exchange: Exchange) -> Json | None:
    responses = description.operations[exchange.line]["responses"]
    assert str(exchange.status) in responses, f"{exchange} is described nowhere"
    schema: Json | None = responses[str(exchange.status)]
    return schema


def test_every_operation_is_exercised(exchanges: list[Exchange]) -> None:
    assert {exchange.operation for exchange in exchanges} == set(OPERATIONS)
    assert {200, 201, 204, 400, 401, 403, 404, 422, 429, 500} == {exchange.status for exchange in exchanges}


def test_every_answer_fits_the_vendors_description(description: Description, exchanges: list[Exchange]) -> None:
    wrong = {
        f"{exchange}: {error}"
        for exchange in exchanges
        for error in description.errors(schema_of(description, exchange), exchange.body)
    }
    assert wrong == set()


def test_every_webhook_is_the_model_of_the_matching_read(description: Description, day: Day) -> None:
    models = {"order": "GET /order/{orderId}", "shipment": "GET /shipment/{shipmentId}"}
    for webhook in day.webhooks:
        kind = "shipment" if webhook.topic.startswith("order.shipment.") else "order"
        schema = description.operations[models[kind]]["responses"]["200"]
        assert description.errors(schema, json.loads(webhook.body)) == [], webhook.topic
    assert {webhook.topic for webhook in day.webhooks} == {
        "order.shipped",
        "order.delivered",
        "order.shipment.delivered",
        "order.shipment.exception",
        "order.shipment.on_hold",
        "order.shipment.cancelled",
        "order.shipment.tracking.updated",
        "order.shipment.address.updated",
        "order.shipment.line_item.added",
        "order.shipment.line_item.removed",
        "order.shipment.line_item.updated",
        "order.shipment.shipping_service.updated",
    }


def test_what_a_client_of_ours_would_send_fits(description: Description, exchanges: list[Exchange]) -> None:
    sent = [exchange for exchange in exchanges if exchange.request is not None and exchange.status < 300]
    assert len(sent) > 10
    for exchange in sent:
        schema = description.operations[exchange.line]["request"]
        assert schema is not None, exchange
        assert description.errors(schema, exchange.request) == [], exchange


def values(body: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Give the path of everything inside a JSON value, of lists only the first element."""
    inside: list[tuple[str | int, object]] = []
    if isinstance(body, dict):
        inside = list(body.items())
    elif isinstance(body, list):
        inside = list(enumerate(body[:1]))
    for name, value in inside:
        yield (*path, name)
        yield from values(value, (*path, name))


def changed(body: object, path: tuple[str | int, ...], value: object) -> Any:  # noqa: ANN401 - JSON
    """Give a copy with another value at a path."""
    if not path:
        return value
    copied = copy.copy(body)
    assert isinstance(copied, dict | list)
    copied[path[0]] = changed(copied[path[0]], path[1:], value)  # type: ignore[index]  # a JSON path
    return copied


def field(path: tuple[str | int, ...]) -> str:
    return ".".join("[]" if isinstance(name, int) else name for name in path)


# Free by description: the untyped values of a refused subscription, the names of refused fields.
FREE = re.compile(r"POST /webhook -> 422 (value|formatters)\b.*")


def test_a_wrong_answer_is_noticed_at_every_field(description: Description, exchanges: list[Exchange]) -> None:
    """The canary: no schema may be one that lets everything pass."""
    checked: set[str] = set()
    missed: set[str] = set()
    operations: set[str] = set()
    for exchange in exchanges:
        schema = schema_of(description, exchange)
        assert description.errors(schema, [7]), exchange
        for path in values(exchange.body):
            entry = f"{exchange} {field(path)}"
            if entry not in checked and not FREE.fullmatch(entry):
                checked.add(entry)
                operations.add(exchange.operation)
                if not description.errors(schema, changed(exchange.body, path, {"wrong": [{"type": 1}]})):
                    missed.add(entry)
    assert missed == set()
    assert operations == set(OPERATIONS) - {"delete_webhook"}  # whose answers are empty
    assert len(checked) > 1000


def test_an_unknown_field_is_noticed_in_every_answer(description: Description, exchanges: list[Exchange]) -> None:
    missed = set()
    for exchange in exchanges:
        if exchange.status >= 300 or exchange.body in (None, []):
            continue
        body = exchange.body
        strange = [{**body[0], "strange": 1}] if isinstance(body, list) else {**body, "strange": 1}  # type: ignore[dict-item]
        if not description.errors(schema_of(description, exchange), strange):
            missed.add(str(exchange))
    assert missed == set()


WRONG_VALUES: tuple[object, ...] = (None, "", "x" * 600, 7, -1, 2.5, True, [], {}, [{}], "later")


def wrong_orders() -> Iterator[tuple[str, Json]]:
    order = an_order("demo:8:1", **TRADE)
    for path in values(order):
        for value in WRONG_VALUES:
            yield f"{field(path)} = {str(value)[:10]!r}", changed(order, path, value)
        if isinstance(path[-1], str):
            holder: Any = copy.deepcopy(order)
            inner = holder
            for name in path[:-1]:
                inner = inner[name]
            del inner[path[-1]]
            yield f"{field(path)} left out", holder


def test_whatever_the_description_refuses_at_creation_the_simulator_refuses(description: Description) -> None:
    schema = description.operations["POST /order"]["request"]
    refused, let_through = 0, []
    with JetpackSimulator(rate_limit_per_minute=None) as simulator:
        simulator.add_product("TEA-250")
        simulator.add_product("MUG")
        call = Recorder(simulator)
        for name, order in wrong_orders():
            if description.errors(schema, order):
                refused += 1
                call("POST /order", order)
                if call.exchanges[-1].status not in (400, 422):
                    let_through.append(name)
    assert refused > 200
    # A $ref cannot say nullable: null stands for "not said" here as everywhere.
    assert let_through == ["financials = 'None'"]


# -- the additions -----------------------------------------------------------------------------------


def test_every_addition_names_its_sources() -> None:
    sheet = CONTRACTS.parent / "facts" / "shipbob.md"
    if not sheet.exists():
        pytest.skip(f"the sources are not here ({sheet}); set CONTRACTS_DIR")
    sources = sheet.read_text().partition("\n## 17. Sources")[2]
    for kind in ("schemas", "operations", "enums", "properties"):
        for addition in json.loads(ADDITIONS.read_text())[kind]:
            assert addition["sources"], addition
            assert [code for code in addition["sources"] if not re.search(rf"\b{code}\b", sources)] == []
            assert re.match(r"section \d+|a kind of refusal", addition["why"]), addition


def test_an_addition_is_used_or_says_that_it_is_not(description: Description, exchanges: list[Exchange]) -> None:
    exercised = {exchange.line for exchange in exchanges}
    for addition in json.loads(ADDITIONS.read_text())["operations"]:
        line = addition["operation"]
        assert line == "*" or (line in exercised) is not addition.get("unused", False), line
        assert line == "*" or line in description.operations


# -- what our adapter sends and reads -----------------------------------------------------------------


class Listener(requests.Session):
    """A session that writes down what goes through it."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[requests.Response] = []
        self.hooks["response"].append(self._write_down)

    def _write_down(self, answer: requests.Response, **_: object) -> None:
        assert answer.content is not None  # read now: whoever asked may read it only once
        self.answers.append(answer)


@pytest.fixture(scope="module", params=["2026-07", "2026-01"])
def heard(request: pytest.FixtureRequest) -> list[requests.Response]:
    """Everything our adapter does, done once."""
    session = Listener()
    with JetpackSimulator(rate_limit_per_minute=None) as simulator:
        simulator.add_product("TEA-250", 100)
        simulator.add_product("MUG", 20)
        simulator.add_product("SET", components={"TEA-250": 1, "MUG": 1})
        connection = JetpackConnection(simulator.url, request.param, "120001")
        seams = Seams(session=session, sleep=lambda _seconds: None)
        warehouse = JetpackWarehouse(connection, lambda _again: simulator.token, production=False, seams=seams)
        admin = JetpackAdmin(connection, lambda _again: simulator.token, production=False, now=lambda: NOW, seams=seams)
        work_with(warehouse, simulator)
        administer(admin)
        assert not simulator.unknown_fields
    return session.answers


def work_with(warehouse: JetpackWarehouse, simulator: JetpackSimulator) -> None:
    def order(number: int, **changes: Any) -> JetpackOrder:  # noqa: ANN401 - fields of a dataclass
        new = NewJetpackOrder(
            reference=f"demo:{number}:1",
            number="#1001",
            ship_option="Standard",
            recipient=ADDRESS,
            email="ada@example.test",
            phone="",
            lines=((1, "TEA-250", "Tea 250 g", 2, "9.50"), (2, "MUG", "Mug", 1, "")),
            purchased_at=NOW,
        )
        return warehouse.create_order(replace(new, **changes))

    first, second = (
        order(1),
        order(2, recipient=Address(name="Ada", address1="1 Nowhere Rd", city="X", country_code="US")),
    )
    (shipment,), (other,) = first.shipments, second.shipments
    assert warehouse.find_order(first.reference)
    assert warehouse.read_order(first.id)
    assert warehouse.order_of_shipment(shipment.id) == first.id
    assert warehouse.catalogue(frozenset({"SET", "MUG"}), frozenset({"Standard"}), with_stock=True).sellable
    assert order(3, location="156").shipments
    assert [each.reference for each in warehouse.orders_since(simulator.now() - timedelta(hours=1))][-1] == "demo:3:1"
    assert list(warehouse.stock())
    assert warehouse.change_address(shipment.id, ADDRESS, "ada@example.test").done
    assert warehouse.change_address(shipment.id, Address(address1="1 Nowhere Rd", city="Springfield"), "").done
    assert warehouse.change_ship_option([shipment.id], "Overnight")[shipment.id].done
    assert warehouse.hold_shipments([shipment.id])[shipment.id].done
    assert warehouse.release_shipments([shipment.id])[shipment.id].done
    assert warehouse.cancel_shipment(other.id).confirmed
    assert warehouse.cancel_order(second.id).confirmed
    simulator.ship(int(shipment.id))
    assert not warehouse.cancel_shipment(shipment.id).confirmed
    assert not warehouse.hold_shipments([shipment.id])[shipment.id].done
    assert list(warehouse.tracking([shipment.id]))


def administer(admin: JetpackAdmin) -> None:
    admin.facts(NOW)
    assert admin.ship_options()
    assert admin.locations()
    admin.subscribe(["order.shipped", "order.shipment.on_hold"], "https://hooks.example.test/webhooks/jetpack/demo")
    (listed,) = admin.subscriptions()
    admin.unsubscribe(listed.id)


OURS = {
    "POST /order",
    "GET /order",
    "GET /order/{orderId}",
    "GET /shipment/{shipmentId}",
    "POST /order/{orderId}:cancel",
    "POST /shipment:batchCancel",
    "PUT /shipment/{shipmentId}:updateAddress",
    "PUT /shipment:bulkUpdateShippingService",
    "POST /shipment:bulkPlaceOnHold",
    "POST /shipment:bulkReleaseHold",
    "GET /shipments-tracking",
    "GET /shipping-method",
    "GET /product",
    "GET /inventory-level",
    "GET /channel",
    "GET /location",
    "POST /webhook",
    "GET /webhook",
    "DELETE /webhook/{id}",
}


def test_what_our_adapter_sends_and_is_answered_fits(description: Description, heard: list[requests.Response]) -> None:
    lines = set()
    for answer in heard:
        url = urlsplit(str(answer.request.url))
        line = description.line_of(str(answer.request.method), re.sub(r"^/[^/]+", "", url.path))
        lines.add(line)
        operation = description.operations[line]
        raw = answer.request.body
        sent = json.loads(raw) if raw else None
        assert description.errors(operation["request"], sent) == [], line
        assert {name for name, _ in parse_qsl(url.query)} <= operation["parameters"], line
        body = answer.json() if answer.content else None
        assert description.errors(operation["responses"][str(answer.status_code)], body) == [], line
    assert lines == OURS


READ: list[tuple[str, str, type[Payload]]] = [
    ("POST /order", "201", payloads.OrderPayload),
    ("GET /order", "200", payloads.OrderPayload),
    ("GET /order", "200", payloads.ChannelOfOrderPayload),
    ("GET /order", "200", payloads.SeenOrderPayload),
    ("GET /order/{orderId}", "200", payloads.OrderPayload),
    ("GET /shipment/{shipmentId}", "200", payloads.ShipmentPayload),
    ("POST /order/{orderId}:cancel", "200", payloads.CancelPayload),
    ("POST /shipment:batchCancel", "200", payloads.BatchCancelPayload),
    ("PUT /shipment/{shipmentId}:updateAddress", "200", payloads.EditPayload),
    ("PUT /shipment:bulkUpdateShippingService", "200", payloads.EditsPayload),
    ("POST /shipment:bulkPlaceOnHold", "200", payloads.EditsPayload),
    ("POST /shipment:bulkReleaseHold", "200", payloads.EditsPayload),
    ("GET /shipments-tracking", "200", payloads.ShipmentTrackingPayload),
    ("GET /shipping-method", "200", payloads.ShippingMethodPayload),
    ("GET /product", "200", payloads.ProductPayload),
    ("GET /inventory-level", "200", payloads.LevelPayload),
    ("GET /channel", "200", payloads.AccountChannelPayload),
    ("GET /location", "200", payloads.CenterPayload),
    ("POST /webhook", "200", payloads.SubscriptionPayload),
    ("GET /webhook", "200", payloads.SubscriptionPayload),
]
# Not declared for this operation: seen elsewhere (sections 7 and 10), or shown by its sibling only (section 14).
ELSEWHERE = {"inventory", "is_still_on_hold_due_to_other_reasons", "enabled", "secret"}


def fields_of(model: type[Payload]) -> Iterator[tuple[set[str], type[Payload] | None]]:
    """Give the names each field may have in JSON, and the model of what is inside."""
    for name, info in model.model_fields.items():
        alias = info.validation_alias or info.alias or name
        names = {str(each) for each in alias.choices} if isinstance(alias, AliasChoices) else {str(alias)}
        inner = [each for each in inside(info.annotation) if isinstance(each, type) and issubclass(each, Payload)]
        yield names, inner[0] if inner else None


def inside(annotation: object) -> Iterator[object]:
    yield annotation
    for each in get_args(annotation):
        yield from inside(each)


def unknown_fields(description: Description, schemas: list[Json], model: type[Payload], path: str) -> Iterator[str]:
    declared: dict[str, list[Json]] = {}
    for schema in schemas:
        for name, each in description.properties(schema).items():
            declared.setdefault(name, []).extend(each)
    if "items" in declared and "items" not in model.model_fields:  # a cursor page
        yield from unknown_fields(description, declared["items"], model, path)
        return
    for names, inner in fields_of(model):
        if not names & declared.keys():
            if not names & ELSEWHERE:
                yield f"{path}.{'|'.join(sorted(names))}"
        elif inner:
            schemas_inside = [each for name in names & declared.keys() for each in declared[name]]
            yield from unknown_fields(description, schemas_inside, inner, f"{path}.{min(names)}")


@pytest.mark.parametrize(("line", "status", "model"), READ)
def test_every_field_we_read_is_one_the_vendor_writes(
    description: Description, line: str, status: str, model: type[Payload]
) -> None:
    schema = description.operations[line]["responses"][status]

    assert list(unknown_fields(description, [schema], model, model.__name__)) == []


def test_a_field_the_vendor_does_not_write_is_noticed(description: Description) -> None:
    """The canary of the test before."""

    class Inner(Payload):
        trakcing_number: str | None = None

    class Wrong(Payload):
        tracking: Inner | None = None
        nmae: str | None = None

    schema = description.operations["GET /shipment/{shipmentId}"]["responses"]["200"]
    assert list(unknown_fields(description, [schema], Wrong, "x")) == ["x.tracking.trakcing_number", "x.nmae"]


def test_the_vendors_own_examples_are_understood(description: Description) -> None:
    """As far as they keep to their own schema."""
    openapi = json.loads(DESCRIPTION.read_text())
    read = 0
    for line, status, model in READ:
        method, path = line.split()
        operation = openapi["paths"].get(f"/2026-01{path}", {}).get(method.lower(), {"responses": {}})
        content = operation["responses"].get(status, {}).get("content", {}).get("application/json", {})
        example = content.get("example")
        if example is None or description.errors(description.operations[line]["responses"][status], example):
            continue
        rows = example.get("items", [example]) if isinstance(example, dict) else example
        for row in rows:
            assert model.model_validate(row).model_dump(exclude_none=True), line
            read += 1
    assert read >= 8
