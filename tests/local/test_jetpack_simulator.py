"""The simulated 3PL refuses, delays and answers as facts/shipbob.md says, seen through HTTP."""

from __future__ import annotations

import base64
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import requests

from local.simulators.jetpack import OPERATIONS, JetpackSimulator
from local.simulators.jetpack_webhooks import sign

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.simulators.server import Delivery

TOKEN = "pat-example"  # noqa: S105 - invented
CHANNEL = "120001"
SECRET = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY"  # noqa: S105 - invented


class Api:
    """Calls a simulator as a client with a token and a channel does."""

    def __init__(self, simulator: JetpackSimulator, version: str = "2026-07") -> None:
        self.simulator = simulator
        self.version = version
        self.session = requests.Session()
        self.session.trust_env = False
        self.headers: dict[str, str | None] = {"authorization": f"Bearer {TOKEN}", "shipbob_channel_id": CHANNEL}

    def __call__(self, line: str, json: object = None, **headers: str | None) -> requests.Response:
        method, path = line.split(" ", 1)
        url = f"{self.simulator.url}/{self.version}{path}"
        given = {name: value for name, value in (self.headers | headers).items() if value is not None}
        return self.session.request(method, url, json=json, headers=given, timeout=10)

    def create(self, reference: str = "demo:1001:1", **changes: object) -> dict[str, Any]:
        answer = self("POST /order", an_order(reference, **changes))
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    def shipments(self, order_id: int) -> list[dict[str, Any]]:
        shipments: list[dict[str, Any]] = self(f"GET /order/{order_id}").json()["shipments"]
        return shipments

    def level(self, sku: str) -> dict[str, int]:
        items = self("GET /inventory-level?PageSize=250").json()["items"]
        return {
            name.removeprefix("total_").removesuffix("_quantity"): value
            for item in items
            if item["sku"] == sku
            for name, value in item.items()
            if name.startswith("total_")
        }

    def admin(self, action: str, **body: object) -> requests.Response:
        return self.session.post(f"{self.simulator.url}/_simulator/{action}", json=body, timeout=10)


def an_order(reference: str = "demo:1001:1", **changes: object) -> dict[str, Any]:
    order = {
        "reference_id": reference,
        "order_number": "1001",
        "shipping_method": "Standard",
        "type": "DTC",
        "recipient": {
            "name": "Ada Sample",
            "email": "ada@example.test",
            "address": {
                "address1": "1 Nowhere Rd",
                "city": "Springfield",
                "state": "IL",
                "country": "US",
                "zip_code": "62701",
            },
        },
        "products": [a_line("TEA-250", 2, external_line_id=1)],
    }
    return order | changes


def a_line(sku: str = "TEA-250", quantity: int = 1, **more: object) -> dict[str, Any]:
    return {"reference_id": sku, "name": sku, "quantity": quantity} | more


@pytest.fixture
def jetpack() -> Iterator[JetpackSimulator]:
    with JetpackSimulator() as simulator:
        simulator.add_product("TEA-250", 100)
        simulator.add_product("MUG", 10)
        yield simulator


@pytest.fixture
def api(jetpack: JetpackSimulator) -> Api:
    return Api(jetpack)


@pytest.fixture
def sent(jetpack: JetpackSimulator, monkeypatch: pytest.MonkeyPatch) -> list[Delivery]:
    """Webhooks as they are handed to the sender, so that absence can be proved without waiting."""
    deliveries: list[Delivery] = []
    jetpack.webhook_address = "http://127.0.0.1:9/webhooks"
    monkeypatch.setattr(jetpack, "deliver", deliveries.append)
    return deliveries


def topics(deliveries: list[Delivery]) -> list[str]:
    return [delivery.topic for delivery in deliveries]


# -- the door ------------------------------------------------------------------------------------


def test_a_wrong_token_is_refused_with_an_empty_body(api: Api) -> None:
    answer = api("GET /order", authorization="Bearer other")
    assert (answer.status_code, answer.content) == (401, b"")


def test_a_token_older_than_the_tracking_scope_gets_401_there_and_403_elsewhere(
    api: Api, jetpack: JetpackSimulator
) -> None:
    jetpack.scopes -= {"tracking_read", "inventory_read"}
    assert api("GET /shipments-tracking?ShipmentIds=1").status_code == 401
    assert api("GET /inventory").status_code == 403
    assert api("GET /order").status_code == 200


@pytest.mark.parametrize(
    ("scope", "line"),
    [
        ("orders_write", "POST /order"),
        ("orders_write", "POST /order/1:cancel"),
        ("orders_write", "POST /shipment:batchCancel"),
        ("orders_write", "POST /shipment:bulkPlaceOnHold"),
        ("orders_write", "PUT /shipment/1:updateAddress"),
        ("orders_read", "GET /shipping-method"),
        ("products_read", "GET /product"),
        ("webhooks_write", "POST /webhook"),
        ("webhooks_read", "GET /webhook"),
        ("channels_read", "GET /channel"),
    ],
)
def test_a_missing_scope_is_a_403(api: Api, jetpack: JetpackSimulator, scope: str, line: str) -> None:
    jetpack.scopes -= {scope}
    assert api(line, {} if line[0] == "P" else None).status_code == 403


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [("html", 502, b"<html>"), ("500", 500, b""), ("malformed", 200, b'{"id": 1, "half'), ("slow", 200, b'{"items"')],
)
def test_every_fault_can_be_switched_on_for_one_call(
    api: Api, jetpack: JetpackSimulator, kind: str, status: int, body: bytes
) -> None:
    jetpack.fail(kind, "list_channels", seconds=0.01)
    assert api("GET /shipping-method").status_code == 200
    answer = api("GET /channel")
    assert (answer.status_code, answer.content[: len(body)]) == (status, body)
    assert api("GET /channel").json()["items"]


def test_only_known_versions_and_paths_exist(jetpack: JetpackSimulator) -> None:
    assert Api(jetpack, "2026-01")("GET /channel").status_code == 200
    assert Api(jetpack, "2.0")("GET /channel").status_code == 404
    assert Api(jetpack)("GET /orders").status_code == 404


@pytest.mark.parametrize(("channel", "status"), [(None, 400), ("", 400), ("abc", 400), ("120000", 403), ("999", 403)])
def test_creating_needs_the_channel_that_may_write(api: Api, channel: str | None, status: int) -> None:
    assert api("POST /order", an_order(), shipbob_channel_id=channel).status_code == status
    assert api("POST /order/60000001:cancel", shipbob_channel_id=channel).status_code == status
    batch = {"shipment_ids": [1]}
    assert api("POST /shipment:batchCancel", batch, shipbob_channel_id=channel).status_code == status


def test_channels_name_one_that_writes_and_others_that_read(api: Api) -> None:
    first = api("GET /channel?RecordsPerPage=1").json()
    second = api(f"GET {first['next'].removeprefix('/2026-07')}").json()
    assert first["items"][0]["id"] == int(CHANNEL)
    assert "orders_write" in first["items"][0]["scopes"]
    assert not [scope for scope in second["items"][0]["scopes"] if scope.endswith("_write")]
    assert first["prev"] is None


def test_the_151st_call_within_a_minute_is_refused_until_the_window_slides(api: Api, jetpack: JetpackSimulator) -> None:
    jetpack.rate_limit_per_minute = 3
    left = [api("GET /channel").headers["x-remaining-calls"] for _ in range(2)]
    jetpack.clock_offset_seconds += 30
    left.append(api("GET /channel").headers["x-remaining-calls"])
    refused = api("GET /channel")
    wait = int(refused.headers["x-retry-after"])
    assert left == ["2", "1", "0"]
    assert refused.status_code == 429
    assert refused.json() == {
        "statusCode": 429,
        "message": f"Rate limit is exceeded. Try again in {wait} seconds.",
    }
    assert 25 <= wait <= 31
    jetpack.clock_offset_seconds += wait
    assert [api("GET /channel").status_code for _ in range(3)] == [200, 200, 429]


def test_a_call_without_a_valid_token_takes_nothing_from_the_window(api: Api, jetpack: JetpackSimulator) -> None:
    jetpack.rate_limit_per_minute = 1
    assert api("GET /channel", authorization="Bearer other").status_code == 401
    assert api("GET /channel").status_code == 200


@pytest.mark.parametrize("operation", ["create_order", "*"])
def test_a_timeout_after_the_effect_leaves_an_order_behind(api: Api, jetpack: JetpackSimulator, operation: str) -> None:
    jetpack.fail("timeout_after", operation)
    with pytest.raises(requests.ConnectionError):
        api.create()
    assert api("GET /order?ReferenceIds=demo:1001:1").json()[0]["reference_id"] == "demo:1001:1"
    assert jetpack.books()["create_attempts"] == {"demo:1001:1": 1}


def test_a_429_made_by_a_fault_speaks_the_vendors_words(api: Api, jetpack: JetpackSimulator) -> None:
    jetpack.fail("429", "list_orders")
    answer = api("GET /order")
    assert (answer.status_code, answer.headers["x-retry-after"]) == (429, "1")
    assert answer.json()["message"] == "Rate limit is exceeded. Try again in 1 seconds."


def test_every_operation_has_its_own_name_for_faults() -> None:
    assert len(OPERATIONS) == len(set(OPERATIONS))
    assert {"create_order", "list_orders", "get_order", "cancel_order", "track_shipments"} <= set(OPERATIONS)


# -- create --------------------------------------------------------------------------------------


def test_a_new_order_is_answered_whole_in_import_review(api: Api) -> None:
    created = api.create()
    (shipment,) = created["shipments"]
    assert created["status"] == shipment["status"] == "ImportReview"
    assert created["channel"]["id"] == int(CHANNEL)
    assert created["products"][0]["external_line_id"] == 1
    assert "external_line_id" not in shipment["products"][0]
    assert "quantity" not in shipment["products"][0]
    assert shipment["products"][0]["inventory_items"][0]["quantity"] == 2
    assert shipment["location"]["id"]
    assert shipment["last_update_at"] is None
    assert shipment["tracking"] is None


def test_after_intake_an_order_is_processing_and_its_update_time_still_null(api: Api) -> None:
    order = api(f"GET /order/{api.create()['id']}").json()
    assert order["status"] == "Processing"
    assert order["shipments"][0]["last_update_at"] is None
    assert order["shipments"][0]["products"][0]["inventory_items"][0]["quantity_committed"] == 2


def test_an_order_can_wait_in_import_review(api: Api, jetpack: JetpackSimulator) -> None:
    jetpack.process_after_seconds = 60
    order_id = api.create()["id"]
    assert api(f"GET /order/{order_id}").json()["status"] == "ImportReview"
    jetpack.clock_offset_seconds += 61
    assert api(f"GET /order/{order_id}").json()["status"] == "Processing"
    jetpack.process_after_seconds = None
    order_id = api.create("demo:1002:1")["id"]
    jetpack.clock_offset_seconds += 3600
    assert api(f"GET /order/{order_id}").json()["status"] == "ImportReview"
    jetpack.process(order_id)
    assert api(f"GET /order/{order_id}").json()["status"] == "Processing"


RECIPIENT: dict[str, Any] = an_order()["recipient"]
ADDRESS: dict[str, Any] = RECIPIENT["address"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"reference_id": None}, "reference_id"),
        ({"reference_id": ""}, "reference_id"),
        ({"reference_id": "x" * 301}, "reference_id"),
        ({"order_number": "x" * 401}, "order_number"),
        ({"order_number": 1001}, "order_number"),
        ({"shipping_method": None}, "shipping_method"),
        ({"shipping_method": " "}, "shipping_method"),
        ({"type": None}, "type"),
        ({"type": "dtc"}, "type"),
        ({"products": []}, "products"),
        ({"products": None}, "products"),
        ({"products": [a_line(quantity=0)]}, "products[0].quantity"),
        ({"products": [a_line(), a_line() | {"quantity": 1.5}]}, "products[1].quantity"),
        ({"products": [{"reference_id": "TEA-250", "quantity": 1}]}, "products[0].name"),
        ({"products": [{"name": "Tea", "quantity": 1}]}, "products[0].reference_id"),
        ({"products": [a_line(external_line_id="1")]}, "products[0].external_line_id"),
        ({"products": [a_line(external_line_id=2**31)]}, "products[0].external_line_id"),
        ({"products": [a_line(upc="1" * 51)]}, "products[0].upc"),
        ({"recipient": None}, "recipient"),
        ({"recipient": RECIPIENT | {"name": ""}}, "recipient.name"),
        ({"recipient": RECIPIENT | {"name": "x" * 301}}, "recipient.name"),
        ({"recipient": RECIPIENT | {"email": "nobody"}}, "recipient.email"),
        ({"recipient": RECIPIENT | {"phone_number": "5" * 51}}, "recipient.phone_number"),
        ({"recipient": RECIPIENT | {"address": None}}, "recipient.address"),
        ({"recipient": RECIPIENT | {"address": ADDRESS | {"city": ""}}}, "recipient.address.city"),
        ({"recipient": RECIPIENT | {"address": ADDRESS | {"country": None}}}, "recipient.address.country"),
        ({"recipient": RECIPIENT | {"address": ADDRESS | {"zip_code": 62701}}}, "recipient.address.zip_code"),
        ({"gift_message": "x" * 501}, "gift_message"),
        ({"tags": [{"name": "a"}]}, "tags[0].value"),
        ({"tags": [{"name": "x" * 51, "value": "b"}]}, "tags[0].name"),
        ({"purchase_date": "yesterday"}, "purchase_date"),
        ({"sales_channel": "my shop"}, "sales_channel"),
        ({"location_id": "9"}, "location_id"),
    ],
)
def test_a_malformed_order_is_refused_by_field_and_leaves_nothing(
    api: Api, jetpack: JetpackSimulator, changes: dict[str, Any], field: str
) -> None:
    answer = api("POST /order", an_order() | changes)
    assert answer.status_code == 400
    assert list(answer.json()) == [field]
    assert all(isinstance(text, str) for text in answer.json()[field])
    assert jetpack.books()["orders"] == []


def test_a_body_that_is_no_object_is_a_400(api: Api) -> None:
    assert api("POST /order", [an_order()]).status_code == 400
    assert api("POST /order").status_code == 400


def test_trade_orders_need_terms_and_programme(api: Api) -> None:
    answer = api("POST /order", an_order(type="B2B"))
    assert answer.status_code == 422
    assert set(answer.json()) == {"shipping_terms", "retailer_program_data"}
    terms = {"carrier_type": "Parcel", "payment_term": "Prepaid"}
    retail = {"purchase_order_number": "PO-1", "retailer_program_type": "Example"}
    assert api.create(type="B2B", shipping_terms=terms, retailer_program_data=retail)["shipping_terms"] == terms
    assert api.create("demo:1002:1", retailer_program_data=retail)["retailer_program_data"] is None


@pytest.mark.parametrize(
    "changes", [{"location_id": 1}, {"products": [{"id": 1, "quantity": 1}]}, {"products": [a_line("NEW", name=None)]}]
)
def test_unknown_ids_are_a_422(api: Api, changes: dict[str, Any]) -> None:
    assert api("POST /order", an_order(**changes)).status_code == 422


def test_lines_by_product_id_work(api: Api) -> None:
    product_id = api("GET /product?SKU=MUG").json()["items"][0]["id"]
    created = api.create(products=[{"id": product_id, "quantity": 3, "external_line_id": 7}])
    assert created["products"][0]["sku"] == "MUG"


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_reference_is_used_up_for_ever(api: Api, jetpack: JetpackSimulator, *, cancelled: bool) -> None:
    created = api.create()
    if cancelled:
        assert api(f"POST /order/{created['id']}:cancel").json()["status"] == "Success"
    answer = api("POST /order", an_order(products=[a_line("MUG")]))
    assert answer.status_code == 422
    assert answer.json() == {"": ["Cannot insert order with existing ReferenceId"]}
    books = jetpack.books()
    assert len(books["orders"]) == 1
    assert books["create_attempts"] == {"demo:1001:1": 2}
    assert books["created"] == {"demo:1001:1": 1}
    assert books["distinct_create_bodies"] == {"demo:1001:1": 2}


def test_of_many_creates_at_once_with_one_reference_one_wins(api: Api, jetpack: JetpackSimulator) -> None:
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: Api(jetpack)("POST /order", an_order()).status_code, range(16)))
    assert sorted(statuses) == [201] + [422] * 15
    assert len(api("GET /order").json()) == 1


def test_a_reference_is_unique_over_the_channels_of_an_account(api: Api, jetpack: JetpackSimulator) -> None:
    jetpack.add_foreign_order("demo:1001:1", {"TEA-250": 1})
    assert api("POST /order", an_order()).status_code == 422


def test_an_unknown_sku_silently_becomes_a_product_without_stock(api: Api, jetpack: JetpackSimulator) -> None:
    order_id = api.create(products=[a_line("TAE-250", 2)])["id"]
    (shipment,) = api.shipments(order_id)
    assert shipment["status"] == "Exception"
    assert [detail["name"] for detail in shipment["status_details"]] == ["OutOfStock"]
    assert api("GET /product?SKU=TAE-250").json()["items"][0]["variants"][0]["inventory"]["on_hand_qty"] == 0
    assert jetpack.books()["products_made_by_orders"] == ["TAE-250"]


def test_an_unknown_shipping_method_silently_becomes_standard(api: Api, jetpack: JetpackSimulator) -> None:
    created = api.create(shipping_method="Frée shipping ")
    row = api("GET /shipping-method").json()[-1]
    assert created["shipping_method"] == row["name"] == "Frée shipping "
    assert (row["active"], row["default"], row["service_level"]["name"]) == (True, False, "Standard (Ground)")
    assert created["shipments"][0]["ship_option"] == "Ground"
    assert jetpack.books()["shipping_methods_made_by_orders"] == ["Frée shipping "]


def test_methods_match_by_exact_text_and_only_while_active(api: Api, jetpack: JetpackSimulator) -> None:
    jetpack.add_shipping_method("Priority", 9)
    assert api.create("demo:1:1", shipping_method="Priority")["shipments"][0]["ship_option"] == "2 Day"
    assert api.create("demo:2:1", shipping_method="priority")["shipments"][0]["ship_option"] == "Ground"
    jetpack.set_shipping_method("Priority", active=False)
    assert api.create("demo:3:1", shipping_method="Priority")["shipments"][0]["ship_option"] == "Ground"


def test_fields_the_vendor_drops_are_noted_for_us(api: Api, jetpack: JetpackSimulator) -> None:
    api.create(note="please", products=[a_line(price=3)])
    api("GET /order?Status=Processing")
    assert jetpack.books()["unknown_fields"] == {"note": 1, "products[].price": 1, "list_orders?Status": 1}


# -- reads ---------------------------------------------------------------------------------------


def test_reads_follow_creates_and_changes_only_after_the_delay(api: Api, jetpack: JetpackSimulator) -> None:
    jetpack.read_delay_seconds = 60
    created = api.create()
    order, shipment = f"/order/{created['id']}", f"/shipment/{created['shipments'][0]['id']}"
    assert api(f"GET {order}").status_code == api(f"GET {shipment}").status_code == 404
    assert api("GET /order?ReferenceIds=demo:1001:1").json() == []
    assert api("POST /order", an_order()).status_code == 422
    jetpack.clock_offset_seconds += 61
    assert api(f"GET {order}").json()["status"] == "Processing"
    cancelled = api(f"POST {order}:cancel").json()
    assert cancelled["order"]["status"] == "Cancelled"
    assert api(f"GET {order}").json()["status"] == "Processing"
    assert api(f"GET {shipment}").json()["status"] == "Processing"
    jetpack.clock_offset_seconds += 61
    assert api(f"GET {order}").json()["status"] == api(f"GET {shipment}").json()["status"] == "Cancelled"


def test_references_and_ids_filter_the_list(api: Api) -> None:
    ids = [api.create(f"demo:{number}:1")["id"] for number in range(3)]
    assert [o["id"] for o in api("GET /order?ReferenceIds=demo:0:1,demo:2:1,nope").json()] == [ids[2], ids[0]]
    assert [o["id"] for o in api(f"GET /order?IDs={ids[1]},1").json()] == [ids[1]]
    assert api(f"GET /order?IDs={ids[1]}&ReferenceIds=demo:0:1").json() == []
    assert api("GET /order?IDs=a").status_code == 400


def test_pages_are_told_in_headers(api: Api) -> None:
    for number in range(5):
        api.create(f"demo:{number}:1")
    first = api("GET /order?Limit=2&SortOrder=Oldest")
    assert [order["reference_id"] for order in first.json()] == ["demo:0:1", "demo:1:1"]
    assert {name: first.headers[name] for name in ("page-number", "total-pages", "total-count", "page-size")} == {
        "page-number": "1",
        "total-pages": "3",
        "total-count": "5",
        "page-size": "2",
    }
    last = api(f"GET {first.headers['next-page'].removeprefix('/2026-07').replace('Page=2', 'Page=3')}")
    assert [order["reference_id"] for order in last.json()] == ["demo:4:1"]
    assert "next-page" not in last.headers


@pytest.mark.parametrize(
    "query", ["Page=0", "Limit=251", "Limit=0", "Page=x", "SortOrder=Up", "StartDate=now", "HasTracking=1"]
)
def test_a_wrong_filter_is_a_400(api: Api, query: str) -> None:
    assert api(f"GET /order?{query}").status_code == 400


def test_a_window_over_update_times_misses_new_orders(api: Api, jetpack: JetpackSimulator) -> None:
    start = stamp(jetpack)
    first = api.create("demo:1:1")["id"]
    jetpack.clock_offset_seconds += 100
    middle = stamp(jetpack)
    second = api.create("demo:2:1")["id"]
    jetpack.pick(first)
    found = {
        query: [order["id"] for order in api(f"GET /order?{query}").json()]
        for query in (
            f"StartDate={start}",
            f"StartDate={middle}",
            f"EndDate={middle}",
            f"LastUpdateStartDate={start}",
            f"LastUpdateEndDate={middle}",
        )
    }
    assert list(found.values()) == [[second, first], [second], [first], [first], []]


def stamp(jetpack: JetpackSimulator) -> str:
    return jetpack.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_tracking_filters(api: Api, jetpack: JetpackSimulator) -> None:
    shipped, waiting = api.create("demo:1:1")["id"], api.create("demo:2:1")["id"]
    start = stamp(jetpack)
    (shipment_id,) = jetpack.ship(shipped)
    assert [o["id"] for o in api("GET /order?HasTracking=true").json()] == [shipped]
    assert [o["id"] for o in api("GET /order?HasTracking=false").json()] == [waiting]
    assert [o["id"] for o in api(f"GET /order?LastTrackingUpdateStartDate={start}").json()] == [shipped]
    assert [o["id"] for o in api("GET /order?HasTracking=true&IsTrackingUploaded=false").json()] == [shipped]
    body = {"shipment_ids": [shipment_id, 1], "is_tracking_uploaded": True}
    answer = api("POST /shipment:batchUpdateTrackingUpload", body).json()
    assert [(result["shipmentId"], result["isSuccess"]) for result in answer["results"]] == [
        (shipment_id, True),
        (1, False),
    ]
    assert api("GET /order?HasTracking=true&IsTrackingUploaded=false").json() == []
    jetpack.has_tracking_is_broken = True
    assert api("GET /order?HasTracking=true").status_code == 500
    assert api("GET /order").status_code == 200


def test_other_channels_orders_are_read_without_the_header_and_never_changed(
    api: Api, jetpack: JetpackSimulator
) -> None:
    foreign = jetpack.add_foreign_order("ss-77", {"TEA-250": 1}, order_number="1077")["id"]
    own = api.create()["id"]
    assert [o["id"] for o in api("GET /order").json()] == [own]
    assert [o["id"] for o in api("GET /order", shipbob_channel_id=None).json()] == [own, foreign]
    assert api(f"GET /order/{foreign}", shipbob_channel_id=None).json()["order_number"] == "1077"
    assert api(f"GET /order/{foreign}").status_code == 404
    assert api(f"POST /order/{foreign}:cancel").status_code == 404


def test_a_deleted_order_is_gone_for_readers(api: Api, jetpack: JetpackSimulator) -> None:
    created = api.create()
    jetpack.delete_order("demo:1001:1")
    assert api(f"GET /order/{created['id']}").status_code == 404
    assert api(f"GET /shipment/{created['shipments'][0]['id']}").status_code == 404
    assert api("POST /order", an_order()).status_code == 422


# -- cancel --------------------------------------------------------------------------------------


def test_a_cancel_answers_200_and_the_truth_is_in_is_success(api: Api, jetpack: JetpackSimulator) -> None:
    jetpack.split("demo:1001:1", 2)
    created = api.create()
    first, second = (shipment["id"] for shipment in created["shipments"])
    jetpack.pick(first)
    answer = api(f"POST /order/{created['id']}:cancel")
    assert answer.status_code == 200
    assert answer.json()["status"] == "PartialSuccess"
    results = {result["shipment_id"]: result["is_success"] for result in answer.json()["canceled_shipment_results"]}
    assert results == {first: False, second: True}
    assert api(f"POST /order/{created['id']}:cancel").json()["status"] == "Failure"
    assert [shipment["status"] for shipment in api.shipments(created["id"])] == ["Processing", "Cancelled"]


def test_a_cancel_gives_the_stock_back(api: Api) -> None:
    created = api.create()
    assert api.level("TEA-250")["committed"] == 2
    assert api(f"POST /order/{created['id']}:cancel").json()["order"]["status"] == "Cancelled"
    assert api.level("TEA-250")["committed"] == 0


def test_one_shipment_and_several_can_be_cancelled(api: Api, jetpack: JetpackSimulator) -> None:
    jetpack.split("demo:1001:1", 2)
    first, second = (shipment["id"] for shipment in api.create()["shipments"])
    assert api(f"POST /shipment/{first}:cancel").json()["status"] == "Cancelled"
    assert api(f"POST /shipment/{first}:cancel").status_code == 422
    answer = api("POST /shipment:batchCancel", {"shipment_ids": [first, second, 5]})
    assert [result["is_success"] for result in answer.json()["results"]] == [False, True, False]
    assert api("POST /shipment:batchCancel", {"shipment_ids": []}).status_code == 422


def test_unknown_orders_and_shipments_are_404(api: Api) -> None:
    for line in ("GET /order/1", "POST /order/1:cancel", "GET /shipment/1", "GET /order/1/shipment"):
        assert api(line).status_code == 404


# -- hold and edit -------------------------------------------------------------------------------


def test_a_manual_hold_keeps_or_returns_stock_and_can_be_lifted(api: Api) -> None:
    created = api.create()
    shipment_id = created["shipments"][0]["id"]
    body = {"shipment_ids": [shipment_id, 1]}
    answer = api("POST /shipment:bulkPlaceOnHold", body).json()
    assert answer["summary"] == {"total": 2, "successful": 1, "failed": 1}
    (shipment,) = api.shipments(created["id"])
    assert (shipment["status"], shipment["status_details"][0]["name"]) == ("OnHold", "Manual")
    assert api.level("TEA-250")["committed"] == 2
    again = api("POST /shipment:bulkPlaceOnHold", {"shipment_ids": [shipment_id], "reserve_inventory": False})
    assert again.json()["results"][0]["is_success"]
    assert api.level("TEA-250")["committed"] == 0
    released = api("POST /shipment:bulkReleaseHold", {"shipment_ids": [shipment_id]}).json()["results"][0]
    assert (released["is_success"], released["is_still_on_hold_due_to_other_reasons"]) == (True, False)
    assert api.shipments(created["id"])[0]["status"] == "Processing"
    assert api.level("TEA-250")["committed"] == 2


def test_a_hold_fails_shipment_by_shipment(api: Api, jetpack: JetpackSimulator) -> None:
    picked, shipped, gone, deleted, fine = (
        api.create(f"demo:{number}:1")["shipments"][0]["id"] for number in range(1, 6)
    )
    foreign = jetpack.add_foreign_order("ss-77", {"MUG": 1})["id"]
    jetpack.pick(picked)
    jetpack.ship(shipped)
    jetpack.cancel_by_person(gone)
    jetpack.delete_order(deleted)
    ids = [picked, shipped, gone, deleted, jetpack.orders[foreign].shipments[0].id, 1, fine]
    held = api("POST /shipment:bulkPlaceOnHold", {"shipment_ids": ids})
    assert held.status_code == 200
    codes = [(row["is_success"], (row["error"] or {}).get("code")) for row in held.json()["results"]]
    assert codes == [(False, "CONFLICT")] * 3 + [(False, "NOT_FOUND")] * 3 + [(True, None)]
    assert held.json()["summary"] == {"total": 7, "successful": 1, "failed": 6}
    released = api("POST /shipment:bulkReleaseHold", {"shipment_ids": ids}).json()["results"]
    assert [row["is_success"] for row in released] == [True, True, True, False, False, False, True]


@pytest.mark.parametrize("ids", [[], None, ["1"], [1.5], [True], list(range(251))])
@pytest.mark.parametrize("action", ["POST /shipment:bulkPlaceOnHold", "POST /shipment:bulkReleaseHold"])
def test_a_hold_of_nothing_or_too_much_is_a_400(api: Api, action: str, ids: object) -> None:
    answer = api(action, {"shipment_ids": ids})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_PARAMETER")


def test_releasing_leaves_operational_holds(api: Api, jetpack: JetpackSimulator) -> None:
    shipment_id = api.create()["shipments"][0]["id"]
    jetpack.hold(shipment_id, "InvalidAddress", ["Street number not found"])
    body = {"shipment_ids": [shipment_id]}
    api("POST /shipment:bulkPlaceOnHold", body)
    released = api("POST /shipment:bulkReleaseHold", body).json()["results"][0]
    assert (released["is_success"], released["is_still_on_hold_due_to_other_reasons"]) == (True, True)
    detail = api(f"GET /shipment/{shipment_id}").json()["status_details"][0]
    assert detail["extra_information"] == {"validation_messages": ["Street number not found"]}


def test_the_automatic_pause_holds_new_orders_without_stock(api: Api, jetpack: JetpackSimulator) -> None:
    jetpack.auto_processing_pause = True
    created = api.create()
    (shipment,) = api.shipments(created["id"])
    assert shipment["status_details"][0]["name"] == "AutoProcessingPause"
    assert api.level("TEA-250")["committed"] == 0
    api("POST /shipment:bulkReleaseHold", {"shipment_ids": [shipment["id"]]})
    assert api.level("TEA-250")["committed"] == 2


ADDRESS_EDIT = {"street_address1": "2 Elsewhere St", "city": "Springfield", "country_code": "US", "zip_code": "62702"}


def test_an_address_is_edited_under_other_names_until_it_is_picked(api: Api, jetpack: JetpackSimulator) -> None:
    shipment_id = api.create()["shipments"][0]["id"]
    jetpack.hold(shipment_id, "InvalidAddress")
    line = f"PUT /shipment/{shipment_id}:updateAddress"
    assert api(line, ADDRESS_EDIT).json() == {"id": shipment_id, "is_success": True, "error": None}
    shipment = api(f"GET /shipment/{shipment_id}").json()
    assert shipment["recipient"]["address"]["address1"] == "2 Elsewhere St"
    assert shipment["status"] == "Processing"
    assert shipment["last_update_at"]
    assert api(line, {"street_address1": "x"}).json()["code"] == "INVALID_PARAMETER"
    assert api(line).json()["code"] == "INVALID_PARAMETER"
    jetpack.pick(shipment_id)
    answer = api(line, ADDRESS_EDIT)
    assert (answer.status_code, answer.json()["is_success"]) == (200, False)
    assert answer.json()["error"]["code"] == "CONFLICT"


@pytest.mark.parametrize("step", ["pick", "pack", "label", "ship", "cancel_by_person"])
def test_from_picking_on_nothing_is_edited(api: Api, jetpack: JetpackSimulator, step: str) -> None:
    shipment_id = api.create()["shipments"][0]["id"]
    getattr(jetpack, step)(shipment_id)
    service = {"shipment_ids": [shipment_id], "requested_shipping_service_id": 9, "reason": "faster"}
    assert not api(f"PUT /shipment/{shipment_id}:updateAddress", ADDRESS_EDIT).json()["is_success"]
    assert not api("PUT /shipment:bulkUpdateShippingService", service).json()["results"][0]["is_success"]
    shipment = api(f"GET /shipment/{shipment_id}").json()
    assert shipment["recipient"]["address"]["address1"] == "1 Nowhere Rd"
    assert shipment["ship_option"] == "Ground"
    with pytest.raises(ValueError, match=str(shipment_id)):
        jetpack.edit_by_person(shipment_id, ship_option="1 Day")


def test_a_person_edits_in_the_dashboard(api: Api, sent: list[Delivery]) -> None:
    created = api.create()
    assert api.admin("edit_by_person", which=created["id"], address={"city": "Shelbyville"}).status_code == 200
    assert api.admin("edit_by_person", which=created["id"], ship_option="1 Day").status_code == 200
    assert api.admin("edit_by_person", which=created["id"], address={"town": "x"}).status_code == 400
    (shipment,) = api.shipments(created["id"])
    assert (shipment["recipient"]["address"]["city"], shipment["ship_option"]) == ("Shelbyville", "1 Day")
    assert shipment["recipient"]["address"]["address1"] == "1 Nowhere Rd"
    assert shipment["last_update_at"]
    assert topics(sent) == ["order.shipment.address.updated", "order.shipment.shipping_service.updated"]


def test_a_shipment_can_show_what_no_page_names(api: Api, jetpack: JetpackSimulator) -> None:
    created = api.create()
    jetpack.show_as(created["id"], "Teleported", ["Beamed", "Scattered"])
    (shipment,) = api.shipments(created["id"])
    assert shipment["status"] == "Teleported"
    assert [detail["name"] for detail in shipment["status_details"]] == ["Beamed", "Scattered"]
    jetpack.show_as(created["id"], None)
    assert api.shipments(created["id"])[0]["status"] == "Processing"


def test_the_shipping_service_is_changed_by_service_level_id(api: Api, jetpack: JetpackSimulator) -> None:
    first, second = (api.create(f"demo:{number}:1")["shipments"][0]["id"] for number in range(2))
    jetpack.pick(second)
    body = {"shipment_ids": [first, second], "requested_shipping_service_id": 9, "reason": "faster"}
    answer = api("PUT /shipment:bulkUpdateShippingService", body).json()
    assert [result["is_success"] for result in answer["results"]] == [True, False]
    assert api(f"GET /shipment/{first}").json()["ship_option"] == "2 Day"
    method_id = api("GET /shipping-method").json()[0]["id"]
    answer = api("PUT /shipment:bulkUpdateShippingService", body | {"requested_shipping_service_id": method_id})
    assert answer.json()["results"][0]["error"]["code"] == "INVALID_PARAMETER"
    assert api("PUT /shipment:bulkUpdateShippingService", {"shipment_ids": [first]}).status_code == 400


def test_line_items_are_replaced_as_a_whole(api: Api, jetpack: JetpackSimulator) -> None:
    created = api.create(products=[a_line("TEA-250", 2), a_line("MUG", 1)])
    shipment_id = created["shipments"][0]["id"]
    rows = api(f"GET /shipment/{shipment_id}:getLineItems").json()
    tea = next(row for row in rows if row["product_variant"]["sku"] == "TEA-250")
    line = f"POST /shipment/{shipment_id}:updateLineItems"
    answer = api(line, {"items": [{"inventory_id": tea["inventory_id"], "quantity": 5}]}).json()
    changes = {(row["action"], row["previous_value"], row["new_value"]) for row in answer["shipment_line_items"]}
    assert changes == {("UpdateLineItem", "2", "5"), ("RemoveLineItem", "1", "0")}
    assert (api.level("TEA-250")["committed"], api.level("MUG")["committed"]) == (5, 0)
    assert api(line, {"items": []}).json()["code"] == "INVALID_PARAMETER"
    assert not api(line, {"items": [{"inventory_id": 1, "quantity": 1}]}).json()["is_success"]
    jetpack.pick(shipment_id)
    assert not api(line, {"items": [{"inventory_id": tea["inventory_id"], "quantity": 1}]}).json()["is_success"]


# -- parcels -------------------------------------------------------------------------------------


def test_an_order_leaves_in_several_parcels_and_a_line_can_be_cut(api: Api, jetpack: JetpackSimulator) -> None:
    jetpack.split("demo:1001:1", 2)
    created = api.create(products=[a_line("TEA-250", 3, external_line_id=1), a_line("MUG", 1, external_line_id=2)])
    parts = [
        {p["sku"]: p["inventory_items"][0]["quantity"] for p in shipment["products"]}
        for shipment in created["shipments"]
    ]
    assert parts == [{"TEA-250": 2}, {"TEA-250": 1, "MUG": 1}]
    first, second = (shipment["id"] for shipment in created["shipments"])
    jetpack.ship(created["id"], shipments=[first], carrier="USPS", tracking_number="9400TEST")
    order = api(f"GET /order/{created['id']}").json()
    assert order["status"] == "PartiallyFulfilled"
    assert order["shipments"][0]["tracking"]["tracking_number"] == "9400TEST"
    assert [row["status"] for row in order["shipments"]] == ["Completed", "Processing"]
    jetpack.ship(second)
    assert api(f"GET /order/{created['id']}").json()["status"] == "Fulfilled"


def test_a_later_split_replaces_the_shipments(api: Api, jetpack: JetpackSimulator) -> None:
    created = api.create()
    jetpack.split("demo:1001:1", 2)
    after = api.shipments(created["id"])
    assert len(after) == 2
    assert api(f"GET /shipment/{created['shipments'][0]['id']}").status_code == 404
    assert api.level("TEA-250")["committed"] == 2
    assert all(shipment["last_update_at"] for shipment in after)


def test_a_splitting_rule_can_be_given_at_the_start() -> None:
    with JetpackSimulator(split=lambda _reference, units: units) as simulator:
        simulator.add_product("TEA-250", 5)
        assert len(Api(simulator).create(products=[a_line("TEA-250", 3)])["shipments"]) == 3


def test_a_blocked_parcel_can_not_be_shipped_and_one_number_serves_one_parcel(
    api: Api, jetpack: JetpackSimulator
) -> None:
    created = api.create()
    jetpack.hold(created["id"])
    with pytest.raises(ValueError, match="OnHold"):
        jetpack.ship(created["id"])
    jetpack.release_hold(created["id"])
    jetpack.split("demo:1001:1", 2)
    with pytest.raises(ValueError, match="several parcels"):
        jetpack.ship(created["id"], tracking_number="1ZTEST")


def test_scans_move_the_tracking_time_but_not_the_update_time(api: Api, jetpack: JetpackSimulator) -> None:
    created = api.create()
    (shipment_id,) = jetpack.ship(created["id"])
    before = api(f"GET /shipment/{shipment_id}").json()
    jetpack.clock_offset_seconds += 3600
    jetpack.scan(shipment_id, "OutForDelivery")
    jetpack.deliver_parcel(shipment_id)
    after = api(f"GET /shipment/{shipment_id}").json()
    assert after["status"] == before["status"] == "Completed"
    assert [detail["name"] for detail in after["status_details"]] == ["Delivered"]
    assert after["last_update_at"] == before["last_update_at"]
    assert after["last_tracking_update_at"] > before["last_tracking_update_at"]
    assert after["delivery_date"]
    timeline = [row["log_type_id"] for row in api(f"GET /shipment/{shipment_id}/timeline").json()]
    assert timeline == [601, 613, 602, 603, 604, 612, 608, 609]
    logs = [row["log_type_id"] for row in api(f"GET /order/{created['id']}/shipment/{shipment_id}/logs").json()]
    assert logs == [19, 21, 13, 35]


def test_tracking_wants_the_parameter_repeated(api: Api, jetpack: JetpackSimulator) -> None:
    first, second = (api.create(f"demo:{number}:1")["shipments"][0]["id"] for number in range(2))
    jetpack.ship(first)
    jetpack.scan(first)
    jetpack.ship(second)
    rows = api(f"GET /shipments-tracking?ShipmentIds={first}&ShipmentIds={second}").json()
    assert [(row["shipment_id"], row["current_status"]) for row in rows] == [
        (first, "InTransit"),
        (second, "PreTransit"),
    ]
    assert [scan["status"] for scan in rows[0]["history"]] == ["InTransit", "PreTransit"]
    for query in ("", f"?ShipmentIds={first},{second}", "?" + "&".join(f"ShipmentIds={n}" for n in range(26))):
        answer = api(f"GET /shipments-tracking{query}")
        assert answer.status_code == 400
        assert isinstance(answer.json(), str)


def test_parcels_are_tracked_by_number_too_and_in_the_shape_of_april(api: Api, jetpack: JetpackSimulator) -> None:
    (shipment_id,) = jetpack.ship(api.create()["id"], tracking_number="1ZTEST0001")
    jetpack.scan(shipment_id, "AvailableForPickup")
    (row,) = api("GET /tracking?TrackingIds=1ZTEST0001&TrackingIds=1ZTEST0002").json()
    assert (row["shipment_id"], row["current_status"]) == (shipment_id, "AvailableForPickup")
    jetpack.tracks_as_in_april = True
    (row,) = api(f"GET /shipments-tracking?ShipmentIds={shipment_id}").json()
    assert (row["carrier_tracking_number"], row["status"]) == ("1ZTEST0001", "Available for Pickup")
    assert "current_status" not in row


def test_a_deleted_order_is_tracked_no_more_and_tracking_is_late_like_every_read(
    api: Api, jetpack: JetpackSimulator
) -> None:
    (shipment_id,) = jetpack.ship(api.create()["id"])
    line = f"GET /shipments-tracking?ShipmentIds={shipment_id}"
    jetpack.read_delay_seconds = 60
    assert api(line).json() == []
    jetpack.clock_offset_seconds += 61
    assert len(api(line).json()) == 1
    jetpack.delete_order("demo:1001:1")
    assert api(line).json() == []


def test_a_label_can_come_without_its_number(api: Api, jetpack: JetpackSimulator, sent: list[Delivery]) -> None:
    created = api.create()
    jetpack.label(created["id"], without_number=True)
    (shipment,) = api.shipments(created["id"])
    assert (shipment["status"], shipment["tracking"]["tracking_number"]) == ("LabeledCreated", None)
    jetpack.ship(created["id"])
    assert api.shipments(created["id"])[0]["tracking"]["tracking_number"]
    assert topics(sent) == ["order.shipped", "order.shipment.tracking.updated"]


# -- stock ---------------------------------------------------------------------------------------


def test_an_order_short_of_stock_counts_as_exception_until_stock_arrives(
    api: Api, jetpack: JetpackSimulator, sent: list[Delivery]
) -> None:
    order_id = api.create(products=[a_line("MUG", 12), a_line("TEA-250", 1)])["id"]
    (shipment,) = api.shipments(order_id)
    assert shipment["status"] == "Exception"
    assert shipment["status_details"][0] == {
        "id": 303,
        "name": "OutOfStock",
        "description": "Out Of Stock",
        "inventory_id": 21000002,
        "exception_fulfillment_center_id": 9,
        "extra_information": None,
    }
    assert api.level("MUG") == {
        "on_hand": 10,
        "committed": 0,
        "fulfillable": 10,
        "exception": 12,
        "sellable": -2,
        "awaiting": 0,
        "internal_transfer": 0,
        "backordered": 2,
    }
    assert topics(sent) == ["order.shipment.exception"]
    jetpack.set_stock("MUG", 20)
    assert api.shipments(order_id)[0]["status"] == "Processing"
    assert (api.level("MUG")["committed"], api.level("MUG")["exception"], api.level("MUG")["sellable"]) == (12, 0, 8)
    jetpack.ship(order_id)
    assert (api.level("MUG")["on_hand"], api.level("MUG")["committed"]) == (8, 0)
    assert api.level("TEA-250")["on_hand"] == 99


def test_stock_levels_follow_late() -> None:
    with JetpackSimulator(stock_delay_seconds=60) as simulator:
        simulator.add_product("TEA-250", 10)
        late = Api(simulator)
        late.create()
        assert late.level("TEA-250")["committed"] == 0
        simulator.clock_offset_seconds += 61
        assert late.level("TEA-250")["committed"] == 2


def test_stock_lies_in_centres_and_one_centre_serves_a_shipment(api: Api, jetpack: JetpackSimulator) -> None:
    jetpack.add_product("CUP", {9: 1, 156: 5})
    order_id = api.create(products=[a_line("CUP", 3)])["id"]
    assert api.shipments(order_id)[0]["location"]["id"] == 156
    rows = api("GET /inventory-level/locations?SearchBy=CUP").json()["items"][0]["locations"]
    assert [(row["location_id"], row["on_hand_quantity"], row["fulfillable_quantity"]) for row in rows] == [
        (9, 1, 1),
        (156, 5, 2),
    ]
    pinned = api.create("demo:1002:1", products=[a_line("CUP", 2)], location_id=9)["id"]
    assert api.shipments(pinned)[0]["status"] == "Exception"


def test_a_kit_is_broken_into_its_parts(api: Api, jetpack: JetpackSimulator) -> None:
    jetpack.add_product("SET", components={"TEA-250": 2, "MUG": 1})
    order_id = api.create(products=[a_line("SET", 3)])["id"]
    (product,) = api.shipments(order_id)[0]["products"]
    assert product["sku"] == "SET"
    assert sorted(item["quantity"] for item in product["inventory_items"]) == [3, 6]
    assert (api.level("TEA-250")["committed"], api.level("MUG")["committed"]) == (6, 3)
    variant = api("GET /product?SKU=SET").json()["items"][0]["variants"][0]
    assert {part["variant_sku"]: part["quantity"] for part in variant["bundle_definition"]} == {"TEA-250": 2, "MUG": 1}


def test_customs_data_are_filled_in_for_products_and_not_for_what_a_typo_made(
    api: Api, jetpack: JetpackSimulator
) -> None:
    def customs(sku: str) -> Any:  # noqa: ANN401 - JSON
        return api(f"GET /product?SKU={sku}").json()["items"][0]["variants"][0].get("customs", "not said")

    api.create(products=[a_line("TAE-250")])
    filled, blank = customs("MUG"), customs("TAE-250")
    assert filled.keys() == blank.keys()
    assert [bool(filled[name]) for name in ("hs_tariff_code", "country_code_of_origin", "value")] == [True] * 3
    assert {value for value in blank.values() if value} == set()

    jetpack.set_customs("MUG", {"value": 9.5})
    assert {name: value for name, value in customs("MUG").items() if value} == {"value": 9.5}
    jetpack.set_customs("MUG", None)
    assert customs("MUG") == "not said"


def test_the_network_has_more_centres_than_a_merchant_may_use(api: Api) -> None:
    def centres(query: str = "") -> list[int]:
        return [row["id"] for row in api(f"GET /location{query}").json()]

    assert centres() == [9, 156, 36, 210]
    assert centres("?AccessGranted=true") == [9, 156, 210]
    assert centres("?IncludeInactive=true&AccessGranted=true") == [9, 156, 3, 210]
    assert centres("?ReceivingEnabled=false") == []
    assert api("GET /location?AccessGranted=maybe").status_code == 400
    assert api("POST /order", an_order("demo:77:1", location_id=36)).status_code == 422


def test_an_inactive_product_blocks(api: Api, jetpack: JetpackSimulator) -> None:
    jetpack.set_active("MUG", active=False)
    order_id = api.create(products=[a_line("MUG")])["id"]
    assert [d["name"] for d in api.shipments(order_id)[0]["status_details"]] == ["InactiveSku"]
    assert [item["sku"] for item in api("GET /inventory-level?IsActive=true").json()["items"]] == ["TEA-250"]


def test_products_are_filtered_and_paged_by_cursor(api: Api, jetpack: JetpackSimulator) -> None:
    for number in range(5):
        jetpack.add_product(f"SKU-{number}")
    wanted = "SKU=any:SKU-0,SKU-1,SKU-2,NOPE&PageSize=2"
    first = api(f"GET /product?{wanted}").json()
    second = api(f"GET {first['next'].removeprefix('/2026-07')}").json()
    skus = [[item["variants"][0]["sku"] for item in page["items"]] for page in (first, second)]
    assert skus == [["SKU-0", "SKU-1"], ["SKU-2"]]
    assert second["next"] is None
    assert [item["name"] for item in api("GET /product?Search=mug").json()["items"]] == ["MUG"]
    assert api("GET /product?PageSize=251").status_code == 400


def test_inventory_pages_link_with_whole_urls_and_refuse_as_problems(api: Api, jetpack: JetpackSimulator) -> None:
    page = api("GET /inventory-level?PageSize=1").json()
    assert page["next"].startswith(f"{jetpack.url}/2026-07/inventory-level?cursor=")
    for line, status in (("GET /inventory-level/1", 404), ("GET /inventory-level?InventoryIds=x", 400)):
        answer = api(line)
        assert answer.status_code == status
        assert set(answer.json()) == {"type", "title", "status", "detail", "instance"}
        assert answer.headers["content-type"] == "application/problem+json"


# -- webhooks ------------------------------------------------------------------------------------


def test_the_signature_of_the_fact_sheets_example() -> None:
    body = b'{"id":70000123,"order_id":60000456,"reference_id":"SO-1042","status":"OnHold"}'
    signature = sign(SECRET, "msg_2demo0000000000000000001", "1795305600", body)
    assert signature == "v1,bYj+YKyMf6MPhC7wEHZOZf5CS58dOsyqwq+PbTXSb+g="


def test_one_label_of_two_is_announced_only_when_asked_for(
    api: Api, jetpack: JetpackSimulator, sent: list[Delivery]
) -> None:
    jetpack.split("demo:1:1", 2)
    first, second = (shipment["id"] for shipment in api.create("demo:1:1")["shipments"])
    jetpack.ship(first)
    assert topics(sent) == []
    jetpack.ship(second)
    assert topics(sent) == ["order.shipped"]
    sent.clear()
    jetpack.shipped_webhook = "each_label"
    jetpack.split("demo:2:1", 2)
    jetpack.ship(api.create("demo:2:1")["id"])
    assert topics(sent) == ["order.shipped", "order.shipped"]


def test_deliveries_and_changed_numbers_are_announced(
    api: Api, jetpack: JetpackSimulator, sent: list[Delivery]
) -> None:
    order_id = api.create()["id"]
    jetpack.ship(order_id)
    jetpack.change_tracking_number("demo:1001:1", "1ZTESTNEW")
    assert api.shipments(order_id)[0]["tracking"]["tracking_number"] == "1ZTESTNEW"
    jetpack.deliver_parcel(order_id)
    assert topics(sent) == [
        "order.shipped",
        "order.shipment.tracking.updated",
        "order.shipment.tracking.updated",
        "order.shipment.delivered",
        "order.delivered",
    ]


def test_a_cancel_by_an_app_is_announced_and_one_by_a_person_is_not(
    api: Api, jetpack: JetpackSimulator, sent: list[Delivery]
) -> None:
    api(f"POST /order/{api.create('demo:1:1')['id']}:cancel")
    assert topics(sent) == ["order.shipment.cancelled"]
    sent.clear()
    order_id = api.create("demo:2:1")["id"]
    jetpack.cancel_by_person(order_id)
    assert topics(sent) == []
    assert api(f"GET /order/{order_id}").json()["status"] == "Cancelled"


def test_holds_and_exceptions_are_announced_and_releases_are_not(
    api: Api, jetpack: JetpackSimulator, sent: list[Delivery]
) -> None:
    order_id = api.create()["id"]
    jetpack.hold(order_id, "InvalidAddress")
    jetpack.release_hold(order_id)
    jetpack.raise_exception(order_id, "OutOfStock")
    jetpack.clear_exception(order_id)
    assert topics(sent) == ["order.shipment.on_hold", "order.shipment.exception"]
    assert api.shipments(order_id)[0]["status"] == "Processing"


def test_subscriptions_show_their_secret_once_and_only_get_their_topics(
    api: Api, jetpack: JetpackSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliveries: list[Delivery] = []
    monkeypatch.setattr(jetpack, "deliver", deliveries.append)
    body = {"url": "https://hooks.example.test/jetpack", "topics": ["order.shipped", "order.delivered"]}
    created = api("POST /webhook", body).json()
    assert len(base64.b64decode(created["secret"].removeprefix("whsec_"))) == 24
    (listed,) = api("GET /webhook").json()["items"]
    assert "secret" not in listed
    assert listed["enabled"] is True
    order_id = api.create()["id"]
    jetpack.hold(order_id)
    jetpack.release_hold(order_id)
    jetpack.ship(order_id)
    assert [(delivery.url, delivery.topic) for delivery in deliveries] == [(body["url"], "order.shipped")]
    headers = deliveries[0].sign()
    assert headers["webhook-signature"] == sign(
        created["secret"], headers["webhook-id"], headers["webhook-timestamp"], deliveries[0].body
    )
    assert api(f"DELETE /webhook/{created['id']}").status_code == 204
    assert api(f"DELETE /webhook/{created['id']}").status_code == 404
    assert api("GET /webhook").json()["items"] == []


def test_a_subscription_that_failed_for_days_is_disabled_and_hears_nothing(
    api: Api, jetpack: JetpackSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliveries: list[Delivery] = []
    monkeypatch.setattr(jetpack, "deliver", deliveries.append)
    body = {"url": "https://hooks.example.test/jetpack", "topics": ["order.shipped"]}
    webhook_id = api("POST /webhook", body).json()["id"]
    assert api.admin("disable_webhook", webhook_id=webhook_id).status_code == 200
    assert api.admin("disable_webhook", webhook_id="9").status_code == 400
    assert api("GET /webhook").json()["items"][0]["enabled"] is False
    jetpack.ship(api.create()["id"])
    assert deliveries == []


def test_subscriptions_are_listed_page_by_page(api: Api) -> None:
    for number in range(3):
        api("POST /webhook", {"url": f"https://hooks.example.test/{number}", "topics": ["order.shipped"]})
    first = api("GET /webhook?RecordsPerPage=2").json()
    second = api(f"GET {first['next'].removeprefix('/2026-07')}").json()
    assert [len(page["items"]) for page in (first, second)] == [2, 1]
    assert second["next"] is None


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://hooks.example.test/"},
        {"url": None},
        {"topics": []},
        {"topics": ["order.created"]},
        {"secret": "whsec_short"},
        {"secret": "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY"},
    ],
)
def test_a_wrong_subscription_is_a_422(api: Api, changes: dict[str, Any]) -> None:
    body = {"url": "https://hooks.example.test/", "topics": ["order.shipped"]} | changes
    assert api("POST /webhook", body).status_code == 422


def test_order_delivered_can_be_subscribed_in_2026_07_only(jetpack: JetpackSimulator) -> None:
    body = {"url": "https://hooks.example.test/", "topics": ["order.delivered"]}
    assert Api(jetpack, "2026-01")("POST /webhook", body).status_code == 422
    assert Api(jetpack)("POST /webhook", body).status_code == 200


class Receiver(ThreadingHTTPServer):
    """Takes webhooks, answering the given statuses in turn, then 200."""

    daemon_threads = True

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.taken: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()
        super().__init__(("127.0.0.1", 0), Taking)


class Taking(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.taken.put(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_refused_webhook_comes_again_with_its_id_and_a_signature_of_its_own(
    api: Api, jetpack: JetpackSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = JetpackSimulator._post  # noqa: SLF001 - so that retries do not pause
    monkeypatch.setattr(JetpackSimulator, "_post", lambda self, sent, _delay, attempt: post(self, sent, 0.0, attempt))
    with Receiver(503) as receiver:
        threading.Thread(target=receiver.serve_forever, args=(0.01,), daemon=True).start()
        ticks = iter((1795305600.0, 1795305605.0))
        jetpack.webhook_clock = lambda: next(ticks)
        jetpack.webhook_secrets = ("whsec_" + "A" * 32, SECRET)
        jetpack.webhook_address = f"http://127.0.0.1:{receiver.server_address[1]}/webhooks"
        jetpack.ship(api.create()["id"])
        attempts = [receiver.taken.get(timeout=10) for _ in range(2)]
        receiver.shutdown()
    (first, body), (second, same_body) = attempts
    assert body == same_body
    assert first["webhook-id"] == second["webhook-id"]
    assert (first["webhook-timestamp"], second["webhook-timestamp"]) == ("1795305600", "1795305605")
    for headers in (first, second):
        expected = sign(SECRET, headers["webhook-id"], headers["webhook-timestamp"], body)
        assert headers["webhook-signature"].split()[1] == expected
        assert headers["x-webhook-topic"] == "order.shipped"


# -- the admin door and the auditor --------------------------------------------------------------


def test_the_admin_door_does_what_the_methods_do(api: Api, jetpack: JetpackSimulator) -> None:
    assert api.admin("add_product", sku="CUP", on_hand=3).json()["inventory_id"]
    order_id = api.create(products=[a_line("CUP")])["id"]
    assert api.admin("ship", which=order_id, tracking_number="1ZTEST").status_code == 200
    assert api.admin("deliver_parcel", which="demo:1001:1").status_code == 200
    assert api.admin("set", rate_limit_per_minute=None, read_delay_seconds=5).status_code == 200
    assert (jetpack.rate_limit_per_minute, jetpack.read_delay_seconds) == (None, 5)
    assert api.admin("move_clock", seconds=60).status_code == 200
    assert api.admin("books").json()["orders"][0]["shipments"][0]["delivered"] is True
    for action, body in (("ship", {"which": "nope"}), ("set", {"orders": 1}), ("stop", {}), ("handle", {})):
        assert api.admin(action, **body).status_code == 400


def test_the_books_tell_every_order_and_parcel(api: Api, jetpack: JetpackSimulator) -> None:
    jetpack.split("demo:1001:1", 2)
    created = api.create()
    jetpack.add_foreign_order("ss-77", {"MUG": 1})
    jetpack.cancel_by_person("ss-77")
    jetpack.ship(created["shipments"][0]["id"], tracking_number="1ZTEST")
    own, foreign = jetpack.books()["orders"]
    assert (own["reference_id"], own["order_number"], own["cancelled"]) == ("demo:1001:1", "1001", False)
    assert own["lines"] == [{"sku": "TEA-250", "quantity": 2, "external_line_id": 1}]
    assert [(row["status"], row["tracking_number"], row["units"]) for row in own["shipments"]] == [
        ("Completed", "1ZTEST", {"TEA-250": 1}),
        ("Processing", None, {"TEA-250": 1}),
    ]
    assert (foreign["channel"]["name"], foreign["cancelled"]) == ("Another Forwarder", True)


def test_addresses_can_be_standardised_behind_our_back(api: Api, jetpack: JetpackSimulator) -> None:
    jetpack.standardises_addresses = True
    order = api(f"GET /order/{api.create()['id']}").json()
    assert order["shipments"][0]["recipient"]["address"]["address1"] == "1 NOWHERE RD"
    assert order["recipient"]["address"]["address1"] == "1 Nowhere Rd"
