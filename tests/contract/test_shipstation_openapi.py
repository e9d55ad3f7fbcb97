"""The simulated ShipStation against the description of V1: answers fit, described requests pass, a wrong one shows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jsonschema
import pytest
import requests
import yaml

from local.simulators.shipstation import ROUTES, ShipStationSimulator
from tests.contract.test_jetpack_openapi import CONTRACTS, changed, field, values

if TYPE_CHECKING:
    from collections.abc import Iterator

type Json = dict[str, Any]

DESCRIPTION = CONTRACTS / "shipstation" / "shipstation-v1.openapi.yaml"

# -- the description, with its errata applied --------------------------------------------------------
# It was made from samples (its PROVENANCE): whole amounts became integers, what happened to be null became text.
# The types are those of facts/shipstation.md sections 8 and 10.

NUMBERS = (
    "taxAmount",
    "shippingAmount",
    "insuredValue",
    "value:integer",
    "insuranceCost",
    "fulfillmentFee",
    "unitPrice",
)
RETYPED: Json = {
    **{name: {"type": "number"} for name in NUMBERS},
    "customerId": {"type": "integer"},
    "addressVerified": {"type": "string"},
    "advancedOptions:string": {"type": "object"},
    "customsItemId": {"type": "string"},
    "customsItems": {"type": "array", "items": {"$ref": "#/components/schemas/CustomsItem"}},
    "dimensions:string": {"type": "object"},
    "mergedIds": {"type": "array", "items": {"type": "integer"}},
    "options:string": {"type": "array", "items": {"$ref": "#/components/schemas/Option"}},
    "parentId": {"type": "integer"},
    "productId": {"type": "integer"},
    "residential": {"type": "boolean"},
    "store_id": {"type": "integer"},
    "tagIds": {"type": "array", "items": {"type": "integer"}},
    "weight:string": {"$ref": "#/components/schemas/Weight"},
}
# Null in the recordings and in the model tables; everything else never is.
NULL_IN_PRACTICE = {
    *("paymentDate", "shipByDate", "shipDate", "customerId", "customerUsername", "customerEmail", "customerNotes"),
    *("internalNotes", "giftMessage", "paymentMethod", "requestedShippingService", "carrierCode", "serviceCode"),
    *("packageCode", "weight", "dimensions", "provider", "contents", "customsItems", "nonDelivery", "warehouseId"),
    *("customField1", "customField2", "customField3", "source", "tagIds", "userId", "lineItemKey", "sku"),
    *("company", "residential", "addressVerified", "warehouseLocation", "productId", "fulfillmentSku", "upc"),
    *("taxAmount", "shippingAmount", "parentId", "trackingNumber", "shipmentItems", "options", "advancedOptions"),
    *("StoreID", "Name", "integrationUrl", "store_id", "friendly_name"),
}
ADDED: dict[str, Json] = {  # facts/shipstation.md, by section
    "Order": {  # 8
        "externallyFulfilledById": {"type": ["integer", "null"]},
        "externallyFulfilledByName": {"type": ["string", "null"]},
        "labelMessages": {"type": ["string", "null"]},
    },
    "Weight": {"WeightUnits": {"type": "integer"}},  # 8
    "AdvancedOptions": {"billToMyOtherAccount": {"type": ["string", "null"]}},  # 8
    "Fulfillment": {  # 10
        "sellerFillProviderId": {"type": ["integer", "null"]},
        "sellerFillProviderName": {"type": ["string", "null"]},
    },
    "ShipTo": {"addressVerified": {"type": ["string", "null"]}},
    "Shipment": {},
}
FAMILIES = {
    "GetOrderresponse": "Order",
    "CreateOrUpdateOrderresponse": "Order",
    **{f"Order{n}": "Order" for n in ("", 2)},
    **{f"AdvancedOptions{n}": "AdvancedOptions" for n in ("", 2, 3, 4, 5)},
    **{f"ShipTo{n}": "ShipTo" for n in ("", *range(2, 12))},
}
# Query keys found elsewhere: the current pages, and the addresses of webhooks (sections 5 and 7).
ADDED_KEYS = {
    "GET /orders": {"customsCountryCode", "importBatch", "includeOrderItems"},
    "GET /orders/listbytag": {"sortBy", "sortDir"},
    "GET /shipments": {"batchId"},
}
ERROR_SHAPES = (  # section 3
    {"message"},
    {"Message"},
    {"Message", "ModelState"},
    {"Message", "ExceptionMessage", "ExceptionType", "StackTrace"},
)


class Description:
    """The OpenAPI 3.0 file as JSON Schema."""

    def __init__(self, openapi: Json) -> None:
        self.paths: Json = openapi["paths"]
        raw = openapi["components"]["schemas"]
        self.schemas = {name: self._schema(schema, name) for name, schema in raw.items()}

    def _schema(self, schema: Json, name: str = "", *, is_request: bool = False) -> Json:
        if "$ref" in schema:
            return {"$ref": schema["$ref"]}
        converted: Json = {key: schema[key] for key in ("type", "enum") if key in schema}
        if "items" in schema:
            converted["items"] = self._schema(schema["items"])
        if "properties" in schema:
            given = {key: self._property(key, each) for key, each in schema["properties"].items()}
            converted["properties"] = given | ADDED.get(FAMILIES.get(name, name), {})
            converted["additionalProperties"] = False
            # What the samples held is always there in an answer; a request's list is too strict.
            if not is_request and not name.endswith("request"):
                converted["required"] = list(schema.get("required", ()))
        if schema.get("nullable"):
            converted = {"anyOf": [converted, {"type": "null"}]}
        return converted

    def _property(self, name: str, schema: Json) -> Json:
        converted = RETYPED.get(name) or RETYPED.get(f"{name}:{schema.get('type')}") or self._schema(schema)
        if name in NULL_IN_PRACTICE or schema.get("nullable"):
            return {"anyOf": [converted, {"type": "null"}]}
        return dict(converted)

    def answer(self, line: str) -> Json | None:
        """Give the schema of a 200; None where the answer is empty."""
        content = self._operation(line)["responses"]["200"].get("content")
        return self._schema(content["application/json"]["schema"]) if content else None

    def body(self, line: str) -> Json | None:
        content = self._operation(line).get("requestBody", {}).get("content")
        return self._schema(content["application/json"]["schema"]) if content else None

    def example(self, line: str) -> Json:
        """Give the example body of a request."""
        example: Json = json.loads(self._operation(line)["requestBody"]["content"]["application/json"]["example"])
        return example

    def keys(self, line: str) -> dict[str, Json]:
        """Give the described query parameters with their schemas."""
        found = {}
        for parameter in self._operation(line).get("parameters", ()):
            if parameter["in"] == "query":
                schema = parameter["schema"]
                name = schema.get("$ref", "").rpartition("/")[2]
                found[parameter["name"]] = self.schemas[name] if name else schema
        return found

    def _operation(self, line: str) -> Json:
        method, path = line.split()
        operation: Json = self.paths[path][method.lower()]
        return operation

    def errors(self, schema: Json | None, body: object) -> list[str]:
        """Say what is wrong with a body; without a schema it has to be empty."""
        if schema is None:
            return [] if body is None else ["a body where none is described"]
        whole = {"components": {"schemas": self.schemas}, "allOf": [schema]}
        validator = jsonschema.Draft202012Validator(whole)
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(body)]


@pytest.fixture(scope="module")
def description() -> Description:
    if not DESCRIPTION.exists():
        pytest.skip(f"the description of ShipStation V1 is not here ({DESCRIPTION}); set CONTRACTS_DIR")
    return Description(yaml.safe_load(DESCRIPTION.read_text()))


# -- a day at the account, every call written down -------------------------------------------------------

LINES = {  # the simulator's operations under the description's paths
    route.operation: f"{route.method} {route.pattern.pattern}".replace("\\", "") for route in ROUTES
} | {"get_order": "GET /orders/{orderId}", "get_store": "GET /stores/{storeId}"}
LINES["delete_webhook"] = "DELETE /webhooks/{webhookId}"


class Recorder:
    """Calls the simulator and keeps every exchange."""

    def __init__(self, simulator: ShipStationSimulator) -> None:
        self.simulator = simulator
        self.exchanges: list[tuple[str, int, Any]] = []
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.auth = (simulator.api_key, simulator.api_secret)

    def __call__(self, operation: str, body: object = None, query: str = "", **ids: int) -> Any:  # noqa: ANN401 - JSON
        method, path = LINES[operation].split()
        url = f"{self.simulator.url}{path.format(**ids)}{query}"
        answer = self.session.request(method, url, json=body, timeout=10)
        content = answer.json() if answer.content else None
        self.exchanges.append((operation, answer.status_code, content))
        return content


@pytest.fixture(scope="module")
def exchanges() -> list[tuple[str, int, Any]]:
    with ShipStationSimulator(rate_limit=None) as simulator:
        call = Recorder(simulator)
        tag = simulator.add_tag("3PL")["tagId"]
        ounces = {"value": 3.5, "units": "ounces", "WeightUnits": 1}
        line = {
            "sku": "TEA",
            "quantity": 2,
            "lineItemKey": "7",
            "options": [{"name": "Color", "value": "Blue"}],
            "weight": ounces,
        }
        full: Json = {"weight": ounces, "dimensions": {"units": "inches", "length": 1, "width": 2, "height": 3.0}}
        order = simulator.create_order("1", [line], tags=[tag], weight=ounces)["orderId"]
        other = simulator.create_order("2", status="awaiting_payment", requested_service=None)["orderId"]
        third = simulator.create_order("3")["orderId"]
        ids = {"orderId": order}
        call("add_tag", {**ids, "tagId": tag})
        call("remove_tag", {**ids, "tagId": tag})
        call("add_tag", {**ids, "tagId": 1})
        call("hold_until", {**ids, "holdUntilDate": "2099-01-01"})
        call("get_order", orderId=order)
        call("restore_from_hold", ids)
        call("restore_from_hold", ids)
        simulator.tag_order(order, tag)
        call("list_orders_by_tag", query=f"?orderStatus=awaiting_shipment&tagId={tag}")
        sent = call("get_order", orderId=order)
        call("create_order", sent | {"dimensions": {"units": "inches", "length": 1, "width": 2, "height": 3}})
        call("create_order", sent | {"orderDate": "soon"})
        call("create_order", sent | {"shipTo": {"name": ""}})
        simulator.split_order(order, {"TEA": 1})
        simulator.set_externally_fulfilled(other)
        call("list_orders")
        call("mark_as_shipped", {**ids, "carrierCode": "ups", "trackingNumber": "1Z1"})
        call("mark_as_shipped", {**ids, "carrierCode": "ups"})
        call("mark_as_shipped", {"orderId": 1, "carrierCode": "ups"})
        simulator.change_order(third, **full)
        simulator.buy_label(third)
        call("list_fulfillments")
        call("list_shipments")
        call("list_shipments", query="?includeShipmentItems=true")
        for name in ("list_tags", "list_carriers", "list_services", "list_stores"):
            call(name)
        call("list_services", query="?carrierCode=fedex")
        call("get_store", storeId=simulator.store_id)
        call("get_refresh_status", query=f"?storeId={simulator.store_id}")
        call("refresh_store", {"storeId": simulator.store_id})
        made = call("subscribe", {"target_url": "https://bridge.example.test/", "event": "ORDER_NOTIFY"})
        call("list_webhooks")
        call("delete_webhook", webhookId=made["id"])
        call("delete_webhook", webhookId=made["id"])
        call("list_orders", query="?pageSize=501")
        simulator.suspended = True
        call("list_orders")
        simulator.rate_limit = 0
        call("list_orders")
        call.session.auth = ("other", "other")
        call("list_orders")
        return call.exchanges


def good(exchanges: list[tuple[str, int, Any]]) -> Iterator[tuple[str, Any]]:
    return ((operation, body) for operation, status, body in exchanges if status == 200)


# -- the tests ---------------------------------------------------------------------------------------


def test_every_operation_is_exercised(description: Description, exchanges: list[tuple[str, int, Any]]) -> None:
    assert {operation for operation, _ in good(exchanges)} == set(LINES)
    assert {status for _, status, _ in exchanges} == {200, 400, 401, 402, 404, 429, 500}
    for line in LINES.values():
        method, path = line.split()
        assert method.lower() in description.paths[path], line


def test_every_answer_fits_the_description(description: Description, exchanges: list[tuple[str, int, Any]]) -> None:
    wrong = {
        f"{LINES[operation]}: {error}"
        for operation, body in good(exchanges)
        for error in description.errors(description.answer(LINES[operation]), body)
    }
    assert wrong == set()


def test_every_refusal_has_a_known_shape(exchanges: list[tuple[str, int, Any]]) -> None:
    refused = [set(body) for _, status, body in exchanges if status != 200]
    assert len(refused) > 6
    assert [shape for shape in refused if shape not in ERROR_SHAPES] == []


def test_a_wrong_answer_is_noticed_at_every_field(
    description: Description, exchanges: list[tuple[str, int, Any]]
) -> None:
    """The canary: no schema may be one that lets everything pass."""
    checked: set[str] = set()
    missed: set[str] = set()
    for operation, body in good(exchanges):
        schema = description.answer(LINES[operation])
        if body is None or operation == "create_order":  # whose answer is the one of get_order
            continue
        for path in values(body):
            entry = f"{LINES[operation]} {field(path)}"
            if entry not in checked:
                checked.add(entry)
                if not description.errors(schema, changed(body, path, {"wrong": [{"type": 1}]})):
                    missed.add(entry)
    # Described only as "null in a sample".
    assert {entry.removeprefix("GET /shipments shipments.[].") for entry in missed} <= {
        *("advancedOptions", "advancedOptions.storeId", "dimensions"),
    }
    assert len(checked) > 250


def test_a_field_left_out_is_noticed(description: Description, exchanges: list[tuple[str, int, Any]]) -> None:
    (body,) = [body for operation, body in good(exchanges) if operation == "list_orders"]
    schema = description.answer("GET /orders")
    needed = set(description.schemas["Order"]["required"])
    assert len(needed) > 30
    for name in needed:
        row = {key: value for key, value in body["orders"][0].items() if key != name}
        assert description.errors(schema, body | {"orders": [row]}), name
    assert description.errors(schema, body | {"orders": [body["orders"][0] | {"strange": 1}]})


def test_the_vendors_example_requests_are_accepted(description: Description) -> None:
    with ShipStationSimulator(rate_limit=None) as simulator:
        # Their examples are of 2014.
        simulator.clock_offset_seconds -= 13 * 365 * 86400
        call = Recorder(simulator)
        tag = simulator.add_tag("Fragile")["tagId"]
        order = simulator.create_order()["orderId"]
        ours: Json = {"orderId": order, "tagId": tag, "storeId": simulator.store_id}
        operations = ("add_tag", "remove_tag", "hold_until", "restore_from_hold", "mark_as_shipped", "refresh_store")
        for operation in (*operations, "subscribe"):
            example = description.example(LINES[operation])
            assert description.errors(description.body(LINES[operation]), example) == []
            call(operation, {name: ours.get(name, value) for name, value in example.items()})
            _, status, answer = call.exchanges[-1]
            assert (status, answer.get("success", True)) == (200, True), (operation, answer)
        assert simulator.unknown_keys == {}


def test_every_described_query_key_is_known(description: Description) -> None:
    samples = {"string": "2014-12-01", "integer": "7", "boolean": "false"}
    with ShipStationSimulator(rate_limit=None) as simulator:
        call = Recorder(simulator)
        asked = 0
        for route in ROUTES:
            keys = description.keys(LINES[route.operation])
            known = {name.lower() for name in {*keys, *ADDED_KEYS.get(LINES[route.operation], ())}}
            assert route.keys <= known, f"{route.operation} knows keys that nobody documents"
            for name, schema in keys.items() if route.method == "GET" else ():
                needed = {"orderStatus": "shipped", "tagId": "1"} if route.operation == "list_orders_by_tag" else {}
                needed |= {"storeId": "304352"} if route.operation == "get_refresh_status" else {}
                needed |= {"carrierCode": "ups"} if route.operation == "list_services" else {}
                sample = "1" if name in ("page", "pageSize") else samples[schema["type"]]
                for value in schema.get("enum", [needed.get(name, sample)]):
                    call(route.operation, query="?" + urlencode(needed | {name: value}))
                    assert call.exchanges[-1][1] == 200, (route.operation, name, value)
                    asked += 1
        assert simulator.unknown_keys == {}
        assert asked > 50
