"""The simulated ShipStation refuses, answers and tells as facts/shipstation.md says, seen through HTTP."""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import requests

from local.simulators.shipstation import OPERATIONS, ShipStationSimulator
from local.simulators.shipstation_account import SellerRefusedError
from local.simulators.shipstation_channel import CHANNEL_ERROR
from local.simulators.shipstation_models import STATUSES
from local.simulators.shopify import ShopifySimulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.simulators.server import Delivery, Simulator

type Json = dict[str, Any]

STORE = 304352
TIMEOUT = 10


class Api:
    """Calls a simulator as a client with a key pair does."""

    def __init__(self, simulator: ShipStationSimulator) -> None:
        self.simulator = simulator
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.auth = ("shipstation-key", "shipstation-secret")

    def __call__(self, line: str, json: object = None, **headers: str) -> requests.Response:
        method, path = line.split(" ", 1)
        url = f"{self.simulator.url}{path}"
        return self.session.request(method, url, json=json, headers=headers or None, timeout=TIMEOUT)

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        answer = self(f"GET {path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def numbers(self, query: str = "") -> list[str]:
        return [order["orderNumber"] for order in self.get(f"/orders?{query}")["orders"]]

    def mark(self, order_id: object, **changes: object) -> requests.Response:
        body = {"orderId": order_id, "carrierCode": "ups", "trackingNumber": "1Z1"} | changes
        return self("POST /orders/markasshipped", body)

    def admin(self, action: str, **body: object) -> requests.Response:
        return self.session.post(f"{self.simulator.url}/_simulator/{action}", json=body, timeout=TIMEOUT)


@pytest.fixture
def shipstation() -> Iterator[ShipStationSimulator]:
    with ShipStationSimulator(rate_limit=None) as simulator:
        yield simulator


@pytest.fixture
def api(shipstation: ShipStationSimulator) -> Api:
    return Api(shipstation)


@pytest.fixture
def sent(shipstation: ShipStationSimulator, monkeypatch: pytest.MonkeyPatch) -> list[Delivery]:
    """Webhooks as they are handed to the sender, so that absence can be proved without waiting."""
    deliveries: list[Delivery] = []
    monkeypatch.setattr(shipstation, "deliver", deliveries.append)
    return deliveries


def set_clock(simulator: Simulator, at: str) -> None:
    """Move the clock to a time (UTC)."""
    aim = dt.datetime.fromisoformat(at).replace(tzinfo=dt.UTC)
    simulator.clock_offset_seconds = (aim - dt.datetime.now(dt.UTC)).total_seconds()


def quoted(text: str) -> str:
    return urllib.parse.quote(text)


# -- the door ----------------------------------------


def test_wrong_credentials_are_a_401_whatever_is_asked(api: Api) -> None:
    for auth in (("shipstation-key", "other"), ("other", "shipstation-secret"), ("", "")):
        api.session.auth = auth
        for line in ("GET /orders", "GET /nowhere", "PUT /orders"):
            answer = api(line)
            assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
    api.session.auth = None
    for header in ("", "Bearer abc", "Basic not-base64!", "Basic"):
        assert api("GET /orders", authorization=header).status_code == 401


def test_a_suspended_plan_answers_402_on_everything(shipstation: ShipStationSimulator, api: Api) -> None:
    shipstation.suspended = True
    for line in ("GET /orders", "POST /orders/markasshipped", "GET /stores", "GET /nowhere"):
        assert api(line).status_code == 402
    shipstation.suspended = False
    assert api("GET /orders").status_code == 200


def test_unknown_paths_and_methods_are_told_apart(api: Api) -> None:
    for path in ("/", "/orders/markshipped", "/stores/refresh", "/orders/1/2", "/orders/abc", "/v2/orders"):
        assert api(f"GET {path}").status_code == 404
    for line in ("PUT /orders", "GET /orders/markasshipped", "POST /fulfillments", "DELETE /webhooks"):
        answer = api(line)
        assert answer.status_code == 405
        assert "http method" in answer.json()["Message"]


def test_a_body_has_to_say_that_it_is_json(api: Api, shipstation: ShipStationSimulator) -> None:
    order_id = shipstation.create_order()["orderId"]
    body = json.dumps({"orderId": order_id, "carrierCode": "ups"})
    url = f"{shipstation.url}/orders/markasshipped"
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = api.session.post(url, data=body, headers={"content-type": kind}, timeout=TIMEOUT)
        assert answer.status_code == 400
    for text in ("{", "[]", "1", ""):
        headers = {"content-type": "application/json"}
        assert api.session.post(url, data=text, headers=headers, timeout=TIMEOUT).status_code == 400
    headers = {"content-type": "application/json; charset=utf-8"}
    assert api.session.post(url, data=body, headers=headers, timeout=TIMEOUT).status_code == 200


def test_who_can_not_read_json_is_refused(api: Api) -> None:
    assert api("GET /orders", accept="text/xml").status_code == 400
    for accept in ("application/json", "*/*", "text/html, application/json;q=0.9"):
        assert api("GET /orders", accept=accept).status_code == 200


def test_every_answer_counts_the_minute_down_and_the_41st_call_is_a_429() -> None:
    with ShipStationSimulator() as simulator:
        set_clock(simulator, "2026-11-20T12:00:00")
        api = Api(simulator)
        first = api("GET /orders")
        assert first.headers["X-Rate-Limit-Limit"] == "40"
        assert first.headers["X-Rate-Limit-Remaining"] == "39"
        assert 58 <= int(first.headers["X-Rate-Limit-Reset"]) <= 60
        assert api("GET /nowhere").headers["X-Rate-Limit-Remaining"] == "38"
        simulator.clock_offset_seconds += 20
        answers = [api("GET /carriers") for _ in range(38)]
        assert answers[-1].headers["X-Rate-Limit-Remaining"] == "0"
        refused = api("GET /orders")
        assert (refused.status_code, refused.json()) == (429, {"message": "Too Many Requests"})
        assert "retry-after" not in refused.headers
        # Seconds to wait, not a clock time; a refused call does not lengthen them.
        wait = int(refused.headers["X-Rate-Limit-Reset"])
        assert 30 <= wait <= 40
        simulator.clock_offset_seconds += wait - 5
        assert api("GET /orders").status_code == 429
        simulator.clock_offset_seconds += 5
        assert api("GET /orders").headers["X-Rate-Limit-Remaining"] == "39"


def test_without_a_limit_nothing_is_counted(api: Api) -> None:
    answer = [api("GET /carriers") for _ in range(45)][-1]
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.lower().startswith("x-rate")]


def test_a_fault_throttles_in_the_vendors_words(api: Api, shipstation: ShipStationSimulator) -> None:
    shipstation.fail("429", "list_orders")
    assert api("GET /stores").status_code == 200
    answer = api("GET /orders")
    assert (answer.status_code, answer.headers["X-Rate-Limit-Reset"]) == (429, "1")


def test_faults_and_counts_know_every_operation(api: Api, shipstation: ShipStationSimulator) -> None:
    api("GET /orders?page=1")
    api("GET /ORDERS/1")
    api("GET /nowhere")
    assert shipstation.calls == {"list_orders": 1, "get_order": 1, "unknown": 1}
    assert set(shipstation.calls) - {"unknown"} <= set(OPERATIONS)


# -- reading orders ----------------------------------------


def test_an_order_is_whole_with_the_nulls_of_the_recordings(api: Api, shipstation: ShipStationSimulator) -> None:
    made = shipstation.create_order("1001", [{"sku": "TEA", "quantity": 2, "unitPrice": 4.5, "lineItemKey": "77"}])
    order = api.get(f"/orders/{made['orderId']}")
    assert order == made
    assert order["orderTotal"] == 9.0
    assert order["tagIds"] is None
    assert order["billTo"]["street1"] is None
    assert order["shipTo"]["country"] == "US"
    for name in ("carrierCode", "serviceCode", "packageCode", "shipDate", "holdUntilDate", "userId", "giftMessage"):
        assert order[name] is None
    options = order["advancedOptions"]
    assert (options["storeId"], options["mergedOrSplit"], options["mergedIds"], options["parentId"]) == (
        STORE,
        False,
        [],
        None,
    )
    assert order["items"][0]["lineItemKey"] == "77"
    assert set(order["items"][0]) >= {"orderItemId", "adjustment", "upc", "fulfillmentSku", "createDate", "modifyDate"}


def test_an_unknown_order_is_a_404(api: Api) -> None:
    assert api("GET /orders/1").status_code == 404


def test_all_dates_are_pacific_wall_time_without_offset(api: Api, shipstation: ShipStationSimulator) -> None:
    seven, few = r"{}T{}:\d\d:\d\d\.\d{{6}}0", r"{}T{}:\d\d:\d\d\.\d{{2,3}}"
    for utc, day, hour in (("2026-11-20T06:30:00", "2026-11-19", "22"), ("2026-07-20T06:30:00", "2026-07-19", "23")):
        set_clock(shipstation, utc)
        order = shipstation.create_order()
        for name in ("orderDate", "createDate", "modifyDate", "paymentDate"):
            assert re.fullmatch(seven.format(day, hour), order[name]), order[name]
        assert re.fullmatch(few.format(day, hour), order["items"][0]["createDate"])
        api.mark(order["orderId"])
        row = api.get(f"/fulfillments?orderId={order['orderId']}")["fulfillments"][0]
        assert re.fullmatch(seven.format(day, hour), row["createDate"])
        assert row["shipDate"] == f"{day}T00:00:00.0000000"
        assert api.get(f"/orders/{order['orderId']}")["shipDate"] == day


def test_query_dates_are_pacific_in_both_forms(api: Api, shipstation: ShipStationSimulator) -> None:
    set_clock(shipstation, "2026-11-20T06:30:00")  # 22:30 on the 19th
    shipstation.create_order("1001")
    for name in ("modifyDate", "createDate", "orderDate", "paymentDate"):
        for start, found in (("2026-11-19 22:29:59", True), ("2026-11-20 06:00:00", False), ("2026-11-19", True)):
            assert bool(api.numbers(f"{name}Start={quoted(start)}")) is found
            assert bool(api.numbers(f"{name}End={start.replace(' ', '+')}")) is not found
        assert api.numbers(f"{name}End=2026-11-20") == ["1001"]


@pytest.mark.parametrize("wrong", ["2026-11-20T10:00:00Z", "2026-11-20T10:00:00", "20.11.2026", "now", "2026-13-01"])
def test_other_forms_of_a_date_are_refused(api: Api, wrong: str) -> None:
    assert api(f"GET /orders?modifyDateStart={wrong}").status_code == 400
    assert api(f"GET /fulfillments?createDateStart={wrong}").status_code == 400


def test_the_repeated_hour_can_not_be_told_apart(api: Api, shipstation: ShipStationSimulator) -> None:
    """In November 01:30 comes twice; who asks since 01:45 of the first misses what came at 01:30 of the second."""
    set_clock(shipstation, "2026-11-01T08:30:00")
    first = shipstation.create_order("first")
    set_clock(shipstation, "2026-11-01T09:30:00")
    second = shipstation.create_order("second")
    assert first["createDate"][:16] == second["createDate"][:16] == "2026-11-01T01:30"
    assert api.numbers(f"modifyDateStart={quoted('2026-11-01 01:45:00')}") == []
    assert api.numbers(f"modifyDateStart={quoted('2026-11-01 00:45:00')}") == ["first", "second"]


def test_after_and_before_do_not_count_the_moment_itself(api: Api, shipstation: ShipStationSimulator) -> None:
    order = shipstation.orders[shipstation.create_order("1001")["orderId"]]
    moment = dt.datetime(2026, 11, 20, 20, 0, 0, tzinfo=dt.UTC)
    order.modified_at = order.created_at = order.ordered_at = moment
    noon = quoted("2026-11-20 12:00:00")
    for name in ("modifyDate", "createDate"):
        assert api.numbers(f"{name}Start={noon}") == api.numbers(f"{name}End={noon}") == []
    assert api.numbers(f"orderDateStart={noon}") == []
    assert api.numbers(f"orderDateEnd={noon}") == ["1001"]


def test_orders_are_filtered_by_every_documented_key(api: Api, shipstation: ShipStationSimulator) -> None:
    other = shipstation.add_store("Elsewhere", "Amazon", 2)["storeId"]
    shipstation.create_order("100", address={"name": "Grace Example"})
    shipstation.create_order(
        "1001", [{"sku": "MUG", "options": [{"name": "Color", "value": "Blue"}]}], status="on_hold"
    )
    shipstation.create_order("2001", store_id=other)
    assert api.numbers("orderNumber=100") == ["100", "1001"]  # starts with
    assert api.numbers("orderNumber=00") == []
    assert api.numbers("orderStatus=on_hold") == ["1001"]
    assert api.numbers("orderStatus=") == ["100", "1001", "2001"]
    assert (
        api.numbers(f"storeId={other}")
        == api.numbers(f"storeID={other}")
        == api.numbers(f"STOREID={other}")
        == ["2001"]
    )
    assert api.numbers("customerName=grace") == ["100"]
    assert api.numbers("itemKeyword=mug") == api.numbers("itemKeyword=blue") == ["1001"]
    assert set(shipstation.unknown_keys) == set()


@pytest.mark.parametrize(
    "query",
    [
        "orderStatus=open",
        "storeId=abc",
        "sortBy=orderId",
        "sortDir=down",
        "page=0",
        "pageSize=0",
        "pageSize=501",
        "page=x",
    ],
)
def test_a_value_that_is_none_is_refused(api: Api, query: str) -> None:
    answer = api(f"GET /orders?{query}")
    assert answer.status_code == 400
    assert answer.json()["message"]


def test_unknown_keys_are_ignored_and_noted(api: Api, shipstation: ShipStationSimulator) -> None:
    order = shipstation.create_order()
    assert api.numbers("orderKey=x&orderId=1") == ["1001"]
    api.mark(order["orderId"], items=[])
    assert shipstation.unknown_keys == {
        "list_orders?orderKey": 1,
        "list_orders?orderId": 1,
        "mark_as_shipped.items": 1,
    }


def test_orders_are_sorted_and_paged(api: Api, shipstation: ShipStationSimulator) -> None:
    set_clock(shipstation, "2026-11-20T12:00:00")
    ids = []
    for number, date in (("1", "2026-11-03"), ("2", "2026-11-01"), ("3", "2026-11-02")):
        ids.append(shipstation.create_order(number, order_date=date)["orderId"])
        shipstation.clock_offset_seconds += 10
    shipstation.change_order(ids[0], internalNotes="later")
    assert api.numbers() == ["1", "2", "3"]
    assert api.numbers("sortBy=OrderDate") == ["2", "3", "1"]
    assert api.numbers("sortBy=OrderDate&sortDir=DESC") == ["1", "3", "2"]
    assert api.numbers("sortBy=ModifyDate") == ["2", "3", "1"]
    assert api.numbers("sortBy=CreateDate&sortDir=DESC") == ["3", "2", "1"]
    page = api.get("/orders?pageSize=2&page=2")
    assert [order["orderNumber"] for order in page.pop("orders")] == ["3"]
    assert page == {"total": 3, "page": 2, "pages": 2}
    assert api.get("/orders?pageSize=2&page=3")["orders"] == []


def test_a_page_has_100_orders_unless_told(api: Api, shipstation: ShipStationSimulator) -> None:
    for i in range(101):
        shipstation.create_order(str(i))
    assert len(api.numbers()) == 100
    assert len(api.numbers("pageSize=500")) == 101


def test_null_rows_take_the_place_of_rows(api: Api, shipstation: ShipStationSimulator) -> None:
    for number in ("1", "2", "3"):
        shipstation.create_order(number)
    shipstation.null_rows = True
    first, second, third = (api.get(f"/orders?pageSize=2&page={page}")["orders"] for page in (1, 2, 3))
    assert [row and row["orderNumber"] for row in first + second + third] == [None, "1", "2", None, "3"]
    assert api.get("/fulfillments")["fulfillments"] == [None, None]
    assert api.get("/shipments")["shipments"] == [None, None]


def test_one_unreadable_order_breaks_its_page_only(api: Api, shipstation: ShipStationSimulator) -> None:
    bad, good = (shipstation.create_order(number)["orderId"] for number in ("1", "2"))
    assert api.admin("make_unreadable", orders=[bad]).status_code == 200
    broken = api("GET /orders")
    assert broken.status_code == 500
    assert set(broken.json()) == {"Message", "ExceptionMessage", "ExceptionType", "StackTrace"}
    assert api("GET /orders?pageSize=1&page=1").status_code == 500
    assert api.get("/orders?pageSize=1&page=2")["orders"][0]["orderId"] == good
    assert api(f"GET /orders/{bad}").status_code == 500


def test_listing_by_tag_needs_status_and_tag(api: Api, shipstation: ShipStationSimulator) -> None:
    tag = shipstation.add_tag("3PL")["tagId"]
    shipstation.create_order("1", tags=[tag])
    shipstation.create_order("2")
    shipstation.create_order("3", tags=[tag], status="on_hold")
    body = api.get(f"/orders/listbytag?orderStatus=awaiting_shipment&tagId={tag}")
    assert [order["orderNumber"] for order in body["orders"]] == ["1"]
    assert (body["total"], body["page"], body["pages"]) == (1, 1, 1)
    for query in ("orderStatus=awaiting_shipment", f"tagId={tag}", ""):
        assert api(f"GET /orders/listbytag?{query}").status_code == 400


# -- small writes ----------------------------------------


def test_tags_go_on_and_off_and_have_to_exist(api: Api, shipstation: ShipStationSimulator) -> None:
    tag = shipstation.add_tag("3PL", "#123456")
    assert api.get("/accounts/listtags") == [tag]
    order_id = shipstation.create_order()["orderId"]
    body = {"orderId": order_id, "tagId": tag["tagId"]}
    for _ in range(2):
        answer = api("POST /orders/addtag", body).json()
        assert answer == {"success": True, "message": "Tag added successfully."}
    assert api.get(f"/orders/{order_id}")["tagIds"] == [tag["tagId"]]
    assert api("POST /orders/removetag", body).json()["success"] is True
    assert api.get(f"/orders/{order_id}")["tagIds"] is None
    again = api("POST /orders/removetag", body)
    assert (again.status_code, again.json()["success"]) == (200, False)
    unknown = api("POST /orders/addtag", body | {"tagId": 1})
    assert (unknown.status_code, unknown.json()["success"]) == (200, False)


@pytest.mark.parametrize("path", ["addtag", "removetag", "holduntil", "restorefromhold", "markasshipped"])
def test_a_write_needs_an_order_that_exists(api: Api, path: str) -> None:
    body = {"tagId": 1, "carrierCode": "ups", "holdUntilDate": "2099-01-01"}
    assert api(f"POST /orders/{path}", body | {"orderId": 1}).status_code == 404
    for wrong in (None, "1", 1.5, True, [1]):
        assert api(f"POST /orders/{path}", body | {"orderId": wrong}).status_code == 400


def test_a_held_order_comes_back_by_itself_on_its_day(api: Api, shipstation: ShipStationSimulator) -> None:
    set_clock(shipstation, "2026-11-20T12:00:00")
    order_id = shipstation.create_order()["orderId"]
    body = {"orderId": order_id, "holdUntilDate": "2026-11-22"}
    assert api("POST /orders/holduntil", body).json() == {"success": True, "message": "Order held successfully."}
    order = api.get(f"/orders/{order_id}")
    assert (order["orderStatus"], order["holdUntilDate"]) == ("on_hold", "2026-11-22")
    set_clock(shipstation, "2026-11-22T07:59:00")  # still the 21st on the Pacific
    assert api.get(f"/orders/{order_id}")["orderStatus"] == "on_hold"
    set_clock(shipstation, "2026-11-22T08:01:00")
    order = api.get(f"/orders/{order_id}")
    assert (order["orderStatus"], order["holdUntilDate"]) == ("awaiting_shipment", None)
    assert order["modifyDate"] == "2026-11-22T00:00:00.0000000"


def test_holds_are_refused_where_they_make_no_sense(api: Api, shipstation: ShipStationSimulator) -> None:
    open_id = shipstation.create_order()["orderId"]
    gone = shipstation.create_order(status="shipped")["orderId"]
    past = {"orderId": open_id, "holdUntilDate": "2020-01-01"}
    assert api("POST /orders/holduntil", past).json()["success"] is False
    assert api("POST /orders/holduntil", {"orderId": gone, "holdUntilDate": "2099-01-01"}).json()["success"] is False
    assert api("POST /orders/holduntil", {"orderId": open_id, "holdUntilDate": "soon"}).status_code == 400
    assert api("POST /orders/holduntil", {"orderId": open_id}).status_code == 400
    assert api("POST /orders/restorefromhold", {"orderId": open_id}).json()["success"] is False
    shipstation.hold_order(open_id)
    assert api("POST /orders/restorefromhold", {"orderId": open_id}).json()["success"] is True
    assert api.get(f"/orders/{open_id}")["orderStatus"] == "awaiting_shipment"


# -- markasshipped and fulfillments ----------------------------------------


def test_marking_ships_the_whole_order_and_makes_a_fulfillment_not_a_shipment(
    api: Api, shipstation: ShipStationSimulator
) -> None:
    order_id = shipstation.create_order("1001")["orderId"]
    answer = api.mark(order_id, shipDate="2026-11-18")
    assert (answer.status_code, answer.json()) == (200, {"orderId": order_id, "orderNumber": "1001"})
    assert api.get(f"/orders/{order_id}")["orderStatus"] == "shipped"
    (row,) = api.get(f"/fulfillments?orderId={order_id}")["fulfillments"]
    assert (row["trackingNumber"], row["carrierCode"], row["shipDate"][:10]) == ("1Z1", "ups", "2026-11-18")
    assert (row["marketplaceNotified"], row["notifyErrorMessage"], row["voided"]) == (False, None, False)
    assert "items" not in row
    assert api.get("/shipments")["shipments"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"carrierCode": None},
        {"carrierCode": ""},
        {"carrierCode": 3},
        {"trackingNumber": 12},
        {"shipDate": "yesterday"},
        {"notifyCustomer": "true"},
        {"notifySalesChannel": 1},
    ],
)
def test_a_mark_that_does_not_fit_changes_nothing(api: Api, shipstation: ShipStationSimulator, wrong: Json) -> None:
    order_id = shipstation.create_order()["orderId"]
    assert api.mark(order_id, **wrong).status_code == 400
    assert api.get(f"/orders/{order_id}")["orderStatus"] == "awaiting_shipment"


def test_what_a_second_mark_gets_is_a_setting(api: Api, shipstation: ShipStationSimulator) -> None:
    order_id = shipstation.create_order()["orderId"]
    api.mark(order_id)
    refused = api.mark(order_id)
    assert (refused.status_code, list(refused.json())) == (400, ["message"])
    shipstation.already_shipped_status = 500
    broken = api.mark(order_id)
    assert broken.status_code == 500
    assert "shipped" in broken.json()["ExceptionMessage"]
    assert api.get("/fulfillments")["total"] == 1
    cancelled = shipstation.create_order(status="cancelled")["orderId"]
    assert api.mark(cancelled).status_code == 500


def test_of_many_marks_at_once_one_is_taken(api: Api, shipstation: ShipStationSimulator) -> None:
    order_id = shipstation.create_order()["orderId"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: Api(shipstation).mark(order_id).status_code, range(8)))
    assert sorted(answers) == [200, *[400] * 7]
    assert api.get("/fulfillments")["total"] == 1


def test_unknown_carriers_are_taken_or_refused(api: Api, shipstation: ShipStationSimulator) -> None:
    first, second = (shipstation.create_order(number)["orderId"] for number in ("1", "2"))
    assert api.mark(first, carrierCode="pigeon").status_code == 200
    shipstation.refuses_unknown_carriers = True
    assert api.mark(second, carrierCode="pigeon").status_code == 400
    codes = [carrier["code"] for carrier in api.get("/carriers")]
    assert api.mark(second, carrierCode=codes[0]).status_code == 200


def test_every_carrier_lists_its_services(api: Api) -> None:
    for carrier in api.get("/carriers"):
        rows = api.get(f"/carriers/listservices?carrierCode={carrier['code']}")
        assert {row["carrierCode"] for row in rows} <= {carrier["code"]}
    assert api("GET /carriers/listservices").status_code == 400
    assert api("GET /carriers/listservices?carrierCode=pigeon").status_code == 404


def test_an_order_is_assigned_and_has_to_leave_by_a_day(shipstation: ShipStationSimulator) -> None:
    order_id = shipstation.create_order()["orderId"]

    changed = shipstation.change_order(order_id, ship_by="2026-12-01", assigned_to="123456ab")
    kept = shipstation.change_order(order_id, internalNotes="later")
    emptied = shipstation.change_order(order_id, ship_by="", assigned_to="")

    assert (changed["shipByDate"], changed["userId"]) == ("2026-12-01T00:00:00.0000000", "123456ab")
    assert (kept["shipByDate"], kept["userId"]) == ("2026-12-01T00:00:00.0000000", "123456ab")
    assert (emptied["shipByDate"], emptied["userId"]) == (None, None)


def test_fulfillments_are_filtered_and_sorted(api: Api, shipstation: ShipStationSimulator) -> None:
    set_clock(shipstation, "2026-11-20T20:00:00")  # noon
    for number, day in (("100", "2026-11-19"), ("1001", "2026-11-18")):
        order_id = shipstation.create_order(number, address={"name": f"Ada {number}"})["orderId"]
        api.mark(order_id, trackingNumber=f"1Z{number}", shipDate=day)
        shipstation.clock_offset_seconds += 60

    def numbers(query: str) -> list[str]:
        return [row["orderNumber"] for row in api.get(f"/fulfillments?{query}")["fulfillments"]]

    assert numbers("") == numbers("sortBy=CreateDate") == ["100", "1001"]
    assert numbers("sortBy=ShipDate") == numbers("sortDir=DESC") == ["1001", "100"]
    assert numbers("orderNumber=100") == ["100"]
    assert numbers("trackingNumber=1Z1001") == ["1001"]
    assert numbers("recipientName=ada+1001") == ["1001"]
    assert numbers("shipDateStart=2026-11-19") == ["100"]
    assert numbers("shipDateEnd=2026-11-18") == ["1001"]
    assert numbers(f"createDateStart={quoted('2026-11-20 12:00:30')}") == ["1001"]
    assert numbers(f"createDateEnd={quoted('2026-11-20 12:00:30')}") == ["100"]
    row = api.get("/fulfillments")["fulfillments"][1]
    assert numbers(f"fulfillmentId={row['fulfillmentId']}") == ["1001"]


def test_pages_may_be_zero_though_there_are_fulfillments(api: Api, shipstation: ShipStationSimulator) -> None:
    api.mark(shipstation.create_order()["orderId"])
    assert api.get("/fulfillments")["pages"] == 1
    shipstation.fulfillment_pages_zero = True
    page = api.get("/fulfillments")
    assert (page["pages"], page["total"], len(page["fulfillments"])) == (0, 1, 1)


# -- createorder ----------------------------------------

AN_ORDER: Json = {
    "orderNumber": "M-1",
    "orderKey": "key-1",
    "orderDate": "2026-11-19T10:00:00.0000000",
    "orderStatus": "awaiting_shipment",
    "billTo": {"name": "Ada Example"},
    "shipTo": {"name": "Ada Example", "street1": "12 Sample Street", "country": "US"},
    "items": [{"sku": "TEA", "name": "Tea", "quantity": 2, "unitPrice": 4.5}],
    "internalNotes": "careful",
    "advancedOptions": {"customField1": "one"},
}


def test_createorder_goes_to_the_manual_store_and_updates_by_key(api: Api) -> None:
    made = api("POST /orders/createorder", AN_ORDER).json()
    assert made["advancedOptions"]["storeId"] == STORE - 1
    assert made["orderDate"] == "2026-11-19T10:00:00.0000000"
    assert made["orderTotal"] == 9.0
    assert made["shipTo"]["addressVerified"] == "Address not yet validated"
    again = api("POST /orders/createorder", AN_ORDER | {"orderNumber": "M-2"}).json()
    assert (again["orderId"], again["orderNumber"]) == (made["orderId"], "M-2")
    keyless = {name: value for name, value in AN_ORDER.items() if name != "orderKey"}
    keys = [api("POST /orders/createorder", keyless).json()["orderKey"] for _ in range(2)]
    assert all(key.startswith("manual-") for key in keys)
    assert len(set(keys)) == 2


def test_an_update_is_not_a_patch(api: Api) -> None:
    api("POST /orders/createorder", AN_ORDER)
    short = {
        name: AN_ORDER[name] for name in ("orderKey", "orderNumber", "orderDate", "orderStatus", "billTo", "shipTo")
    }
    order = api("POST /orders/createorder", short).json()
    assert (order["internalNotes"], order["items"], order["advancedOptions"]["customField1"]) == (None, [], None)


def test_a_read_order_can_be_sent_back(api: Api, shipstation: ShipStationSimulator) -> None:
    order = shipstation.create_order("1001", tags=[shipstation.add_tag("3PL")["tagId"]])
    sent = api("POST /orders/createorder", order | {"internalNotes": "seen"})
    assert sent.status_code == 200, sent.text
    back = sent.json()
    assert back["internalNotes"] == "seen"
    for name in (
        "orderId",
        "orderKey",
        "orderDate",
        "tagIds",
        "customerEmail",
        "orderStatus",
        "requestedShippingService",
    ):
        assert back[name] == order[name]
    assert back["advancedOptions"]["storeId"] == STORE
    assert shipstation.unknown_keys == {}


@pytest.mark.parametrize("status", sorted({*STATUSES} - {"awaiting_payment", "awaiting_shipment", "on_hold"}))
def test_only_open_orders_can_be_updated(api: Api, shipstation: ShipStationSimulator, status: str) -> None:
    order = shipstation.create_order(status=status, key="key-1")
    answer = api("POST /orders/createorder", AN_ORDER)
    assert answer.status_code == 400
    assert api.get(f"/orders/{order['orderId']}")["orderNumber"] == "1001"


@pytest.mark.parametrize("field", ["orderNumber", "orderDate", "orderStatus", "billTo", "shipTo"])
def test_a_needed_field_left_out_does_not_bind(api: Api, field: str) -> None:
    answer = api("POST /orders/createorder", {name: value for name, value in AN_ORDER.items() if name != field})
    assert answer.status_code == 400
    assert answer.json()["Message"] == "The request is invalid."
    assert list(answer.json()["ModelState"]) == [f"apiOrder.{field}"]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"orderDate": "soon"}, "apiOrder.orderDate"),
        ({"orderDate": "2026-11-19T10:00:00Z"}, "apiOrder.orderDate"),
        ({"amountPaid": "9.00"}, "apiOrder.amountPaid"),
        ({"gift": 1}, "apiOrder.gift"),
        ({"items": {}}, "apiOrder.items"),
        ({"items": ["TEA"]}, "apiOrder.items[0]"),
        ({"items": [{"quantity": "2"}]}, "apiOrder.items[0].quantity"),
        ({"items": [{"quantity": True}]}, "apiOrder.items[0].quantity"),
        ({"items": [{"options": ["blue"]}]}, "apiOrder.items[0].options"),
        ({"shipTo": {"name": 1}}, "apiOrder.shipTo.name"),
        ({"advancedOptions": {"storeId": "x"}}, "apiOrder.advancedOptions.storeId"),
        ({"tagIds": ["x"]}, "apiOrder.tagIds"),
    ],
)
def test_a_body_that_does_not_bind_is_named_by_its_field(api: Api, changes: Json, key: str) -> None:
    answer = api("POST /orders/createorder", AN_ORDER | changes)
    assert answer.status_code == 400
    assert list(answer.json()["ModelState"]) == [key]


@pytest.mark.parametrize(
    "changes",
    [
        {"shipTo": {"name": "Ada", "country": "USA"}},
        {"shipTo": {"name": "Ada", "country": "UK"}},
        {"shipTo": {"name": "Ada"}},
        {"shipTo": {"name": " ", "country": "US"}},
        {"advancedOptions": {"storeId": 1}},
    ],
)
def test_some_mistakes_of_the_caller_are_a_500(api: Api, changes: Json) -> None:
    answer = api("POST /orders/createorder", AN_ORDER | changes)
    assert answer.status_code == 500
    assert answer.json()["ExceptionMessage"]
    assert api.get("/orders")["total"] == 0


@pytest.mark.parametrize("changes", [{"orderNumber": "x" * 51}, {"orderStatus": "open"}, {"confirmation": "maybe"}])
def test_a_word_that_is_none_is_a_400(api: Api, changes: Json) -> None:
    assert api("POST /orders/createorder", AN_ORDER | changes).status_code == 400


# -- stores ----------------------------------------


def test_stores_are_a_bare_list_without_the_inactive_ones(api: Api, shipstation: ShipStationSimulator) -> None:
    other = shipstation.add_store("Elsewhere", "Amazon", 2)["storeId"]
    shipstation.set_store(other, active=False)
    assert [store["storeId"] for store in api.get("/stores")] == [STORE - 1, STORE]
    assert [store["storeId"] for store in api.get("/stores?showInactive=True")] == [STORE - 1, STORE, other]
    assert [store["storeName"] for store in api.get("/stores?showInactive=true&marketplaceId=2")] == ["Elsewhere"]
    assert api("GET /stores?showInactive=maybe").status_code == 400
    store = api.get(f"/stores/{STORE}")
    assert (store["marketplaceName"], store["active"], store["autoRefresh"]) == ("Shopify", True, True)
    assert {"orderStatus": "on_hold", "statusKey": "On Hold"} in store["statusMappings"]
    assert api("GET /stores/1").status_code == 404


def test_store_dates_disagree_as_in_the_vendors_example(api: Api, shipstation: ShipStationSimulator) -> None:
    store = api.get(f"/stores/{STORE}")
    utc, pacific = (dt.datetime.fromisoformat(store[name]) for name in ("refreshDate", "lastRefreshAttempt"))
    assert utc - pacific in (dt.timedelta(hours=7), dt.timedelta(hours=8))
    assert re.search(r"\.\d{2,3}$", store["createDate"])
    status = api.get(f"/stores/getrefreshstatus?storeId={shipstation.store_id}")
    assert set(status) == {"storeId", "refreshStatusId", "refreshStatus", "lastRefreshAttempt", "refreshDate"}
    assert api("GET /stores/getrefreshstatus").status_code == 400


# -- webhooks ----------------------------------------


def subscribe(api: Api, event: str, store_id: int | None = STORE, url: str = "https://bridge.example.test/t") -> int:
    body = {"target_url": url, "event": event, "store_id": store_id, "friendly_name": "Jetbridge"}
    answer = api("POST /webhooks/subscribe", body)
    assert answer.status_code == 200, answer.text
    number: int = answer.json()["id"]
    return number


def told(sent: list[Delivery]) -> list[tuple[str, str]]:
    """What was told: the event and the path of its address, each once in the body."""
    found = []
    for delivery in sent:
        body = json.loads(delivery.body)
        assert list(body) == ["resource_url", "resource_type"]
        assert len(body["resource_url"]) <= 200
        assert delivery.sign() == {}
        found.append((body["resource_type"], urllib.parse.urlsplit(body["resource_url"]).path))
    return found


def resource(delivery: Delivery) -> str:
    url: str = json.loads(delivery.body)["resource_url"]
    return url


def test_subscriptions_are_made_listed_in_pascal_case_and_deleted(api: Api, shipstation: ShipStationSimulator) -> None:
    first = subscribe(api, "ORDER_NOTIFY")
    second = subscribe(api, "ORDER_NOTIFY")  # not deduplicated
    rows = api.get("/webhooks")["webhooks"]
    assert [row["WebHookID"] for row in rows] == [first, second]
    row = rows[0]
    assert (row["StoreID"], row["HookType"], row["Name"]) == (STORE, "ORDER_NOTIFY", "Jetbridge")
    assert (row["Url"], row["Active"], row["WebhookLogs"]) == ("https://bridge.example.test/t", True, [])
    gone = api(f"DELETE /webhooks/{first}")
    assert (gone.status_code, gone.content) == (200, b"")
    assert api(f"DELETE /webhooks/{first}").status_code == 404
    assert [row["WebHookID"] for row in api.get("/webhooks")["webhooks"]] == [second]
    shipstation.long_subscribe_answer = True
    body = {"target_url": "https://bridge.example.test/t", "event": "SHIP_NOTIFY"}
    assert api("POST /webhooks/subscribe", body).json()["WebHookID"]


@pytest.mark.parametrize(
    "changes",
    [
        {"target_url": None},
        {"target_url": "bridge"},
        {"target_url": "ftp://bridge.example.test/"},
        {"event": None},
        {"event": "ORDER_UPDATED"},
        {"store_id": 1},
        {"store_id": "304352"},
    ],
)
def test_a_subscription_that_makes_no_sense_is_refused(api: Api, changes: Json) -> None:
    body = {"target_url": "https://bridge.example.test/t", "event": "ORDER_NOTIFY", "store_id": STORE}
    assert api("POST /webhooks/subscribe", body | changes).status_code == 400
    assert api.get("/webhooks") == {"webhooks": []}


def test_a_new_order_is_told_with_an_address_that_finds_it(
    api: Api, shipstation: ShipStationSimulator, sent: list[Delivery]
) -> None:
    subscribe(api, "ORDER_NOTIFY")
    subscribe(api, "ITEM_ORDER_NOTIFY", None)
    shipstation.create_order("1")
    shipstation.create_order("2")
    assert told(sent[:2]) == [("ORDER_NOTIFY", "/orders"), ("ITEM_ORDER_NOTIFY", "/orders")]
    url = resource(sent[0])
    assert re.fullmatch(rf"{shipstation.url}/orders\?storeID={STORE}&importBatch=[0-9a-f-]{{36}}", url)
    assert [row["orderNumber"] for row in api.get(url.removeprefix(shipstation.url))["orders"]] == ["1"]
    with_items = resource(sent[1])
    assert "storeID" not in with_items
    assert with_items.endswith("&includeOrderItems=True")
    assert [row["orderNumber"] for row in api.get(with_items.removeprefix(shipstation.url))["orders"]] == ["1"]
    assert shipstation.unknown_keys == {}


def test_the_address_begins_as_told(shipstation: ShipStationSimulator, api: Api, sent: list[Delivery]) -> None:
    shipstation.origin = "https://ssapi7.shipstation.com"
    subscribe(api, "ORDER_NOTIFY")
    shipstation.create_order()
    assert resource(sent[0]).startswith("https://ssapi7.shipstation.com/orders?storeID=")


def test_an_order_awaiting_payment_is_told_when_it_is_paid(
    api: Api, shipstation: ShipStationSimulator, sent: list[Delivery]
) -> None:
    subscribe(api, "ORDER_NOTIFY")
    order_id = shipstation.create_order(status="awaiting_payment")["orderId"]
    other = shipstation.create_order("2", status="awaiting_payment")["orderId"]
    shipstation.cancel_order(other)
    assert sent == []
    shipstation.receive_payment(order_id)
    assert told(sent) == [("ORDER_NOTIFY", "/orders")]
    path = resource(sent[0]).removeprefix(shipstation.url)
    assert [row["orderId"] for row in api.get(path)["orders"]] == [order_id]


def test_only_the_subscribed_store_is_told_of(
    api: Api, shipstation: ShipStationSimulator, sent: list[Delivery]
) -> None:
    subscribe(api, "ORDER_NOTIFY")
    other = shipstation.add_store("Elsewhere", "Amazon", 2)["storeId"]
    shipstation.create_order(store_id=other)
    assert sent == []


def test_edits_tags_holds_cancels_voids_and_splits_are_told_to_nobody(
    api: Api, shipstation: ShipStationSimulator, sent: list[Delivery]
) -> None:
    tag = shipstation.add_tag("3PL")["tagId"]
    order_id = shipstation.create_order("1")["orderId"]
    other = shipstation.create_order("2")["orderId"]
    label = shipstation.buy_label(shipstation.create_order("3")["orderId"])
    for event in ("ORDER_NOTIFY", "ITEM_ORDER_NOTIFY", "SHIP_NOTIFY", "ITEM_SHIP_NOTIFY", "FULFILLMENT_SHIPPED"):
        subscribe(api, event)
    shipstation.change_order(order_id, address={"street1": "1 Other Road"})
    shipstation.tag_order(order_id, tag)
    shipstation.untag_order(order_id, tag)
    shipstation.hold_order(order_id)
    shipstation.restore_order(order_id)
    shipstation.split_order(order_id, {"TEA-250": 1})
    shipstation.combine_orders(order_id, [other])
    shipstation.cancel_order(order_id)
    shipstation.void_label(label["shipmentId"])
    assert sent == []


@pytest.mark.parametrize(
    "change",
    [
        ("change_order", {"requestedShippingService": "Express"}),
        ("change_order", {"address": {"street1": "1 Other Road"}}),
        ("change_order", {"lines": [{"sku": "MUG", "quantity": 3}]}),
        ("change_order", {"internalNotes": "careful"}),
        ("change_order", {"customField1": "x"}),
        ("tag_order", {"tag": "3PL"}),
        ("hold_order", {"until": "2099-01-01"}),
        ("cancel_order", {}),
        ("split_order", {"lines": {"TEA-250": 1}}),
        ("delegate_to_provider", {}),
        ("set_externally_fulfilled", {}),
        ("buy_label", {}),
        ("mark_shipped_by_hand", {}),
    ],
)
def test_every_change_moves_the_modify_date(
    api: Api, shipstation: ShipStationSimulator, change: tuple[str, Json]
) -> None:
    set_clock(shipstation, "2026-11-20T20:00:00")
    shipstation.add_tag("3PL")
    order = shipstation.create_order("1")
    shipstation.clock_offset_seconds += 60
    action, body = change
    assert api.admin(action, order=order["orderId"], **body).status_code == 200
    assert "1" in api.numbers(f"modifyDateStart={quoted('2026-11-20 12:00:30')}")


def test_a_label_is_a_shipment_and_is_told_of(
    api: Api, shipstation: ShipStationSimulator, sent: list[Delivery]
) -> None:
    order = shipstation.create_order("1")
    subscribe(api, "SHIP_NOTIFY")
    subscribe(api, "ITEM_SHIP_NOTIFY", None)
    subscribe(api, "FULFILLMENT_SHIPPED")
    shipstation.buy_label(order["orderId"], "9400")
    assert told(sent) == [("SHIP_NOTIFY", "/shipments"), ("ITEM_SHIP_NOTIFY", "/shipments")]
    pattern = rf"{shipstation.url}/shipments\?storeID={STORE}&batchId=\d+&includeShipmentItems=(False|True)"
    rows = []
    for delivery in sent:
        assert re.fullmatch(pattern, resource(delivery))
        (row,) = api.get(resource(delivery).removeprefix(shipstation.url))["shipments"]
        rows.append(row)
    assert rows[0]["shipmentItems"] is None
    assert rows[1]["shipmentItems"][0]["orderItemId"] == order["items"][0]["orderItemId"]
    assert (rows[0]["trackingNumber"], rows[0]["orderKey"], rows[0]["voided"]) == ("9400", order["orderKey"], False)
    assert api.get(f"/orders/{order['orderId']}")["orderStatus"] == "shipped"
    assert api.get("/fulfillments")["fulfillments"] == []
    shipstation.buy_label(order["orderId"], is_return=True)
    assert len(sent) == 2
    shipstation.void_label(rows[0]["shipmentId"])
    assert [row["voided"] for row in api.get("/shipments")["shipments"]] == [True, False]
    assert api.get(f"/orders/{order['orderId']}")["orderStatus"] == "awaiting_shipment"
    assert shipstation.unknown_keys == {}


def test_shipments_are_filtered(api: Api, shipstation: ShipStationSimulator) -> None:
    set_clock(shipstation, "2026-11-20T20:00:00")
    for number, carrier in (("1", "ups"), ("2", "fedex")):
        shipstation.buy_label(shipstation.create_order(number)["orderId"], f"T{number}", carrier_code=carrier)
    shipstation.void_label(api.get("/shipments")["shipments"][0]["shipmentId"])

    def numbers(query: str) -> list[str]:
        return [row["orderNumber"] for row in api.get(f"/shipments?{query}")["shipments"]]

    assert numbers("carrierCode=fedex") == numbers("trackingNumber=T2") == numbers("orderNumber=2") == ["2"]
    assert numbers("voidDateStart=2026-11-20") == ["1"]
    assert numbers("recipientCountryCode=US&serviceCode=usps_priority_mail") == ["1", "2"]
    assert numbers("recipientCountryCode=CA") == numbers("storeId=1") == numbers("createDateEnd=2026-11-20") == []


def test_marks_and_providers_are_told_of_as_fulfillments(
    api: Api, shipstation: ShipStationSimulator, sent: list[Delivery]
) -> None:
    for event in ("SHIP_NOTIFY", "FULFILLMENT_SHIPPED", "FULFILLMENT_REJECTED"):
        subscribe(api, event)
    marked, by_hand, given, refused = (shipstation.create_order(str(number))["orderId"] for number in range(4))
    api.mark(marked)
    shipstation.mark_shipped_by_hand(by_hand, "1ZHAND")
    shipstation.delegate_to_provider(given)
    shipstation.provider_ships(given, "1ZGIVEN")
    shipstation.delegate_to_provider(refused)
    assert api.get(f"/orders/{refused}")["advancedOptions"]["warehouseId"] is None
    shipstation.provider_rejects(refused)
    assert told(sent) == [("FULFILLMENT_SHIPPED", "/fulfillments")] * 3 + [("FULFILLMENT_REJECTED", "/fulfillments")]
    numbers = [
        row["trackingNumber"]
        for delivery in sent
        for row in api.get(resource(delivery).removeprefix(shipstation.url))["fulfillments"]
    ]
    assert numbers == ["1Z1", "1ZHAND", "1ZGIVEN"]
    statuses = [api.get(f"/orders/{number}")["orderStatus"] for number in (given, refused)]
    assert statuses == ["shipped", "rejected_fulfillment"]
    assert api.get(f"/fulfillments?orderId={given}")["fulfillments"][0]["fulfillmentProviderCode"] == "example_provider"


def test_webhooks_travel_over_http_once_and_unsigned(shipstation: ShipStationSimulator, api: Api) -> None:
    arrived: list[tuple[dict[str, str], Json]] = []
    done = threading.Event()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            arrived.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(500)
            self.end_headers()
            done.set()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        subscribe(api, "ORDER_NOTIFY", url=f"http://127.0.0.1:{server.server_address[1]}/hook/token")
        shipstation.create_order()
        assert done.wait(TIMEOUT)
        server.shutdown()
    headers, body = arrived[0]
    assert body["resource_type"] == "ORDER_NOTIFY"
    assert headers["content-type"] == "application/json"
    assert not [name for name in headers if "signature" in name]
    assert ShipStationSimulator.webhook_attempts == 1


# -- people ----------------------------------------


def test_a_split_shares_the_number_and_leaves_the_money(api: Api, shipstation: ShipStationSimulator) -> None:
    lines: list[Json] = [
        {"sku": "TEA", "quantity": 3, "unitPrice": 5.0, "lineItemKey": "1"},
        {"sku": "MUG", "lineItemKey": "2"},
    ]
    first = shipstation.create_order("1001", lines, key="7489518207152-8681743417520", amountPaid=15.0)
    part = shipstation.split_order(first["orderId"], {"TEA": 1, "2": 1})
    whole = api.get(f"/orders/{first['orderId']}")
    assert (part["orderNumber"], part["orderKey"]) == ("1001", "7489518207152-8681743417520-2")
    assert part["advancedOptions"]["parentId"] == first["orderId"]
    assert part["advancedOptions"]["mergedOrSplit"] is whole["advancedOptions"]["mergedOrSplit"] is True
    assert (part["orderTotal"], part["amountPaid"]) == (0.0, 0.0)
    assert {item["sku"]: item["quantity"] for item in part["items"]} == {"TEA": 1, "MUG": 1}
    assert {item["sku"]: item["quantity"] for item in whole["items"]} == {"TEA": 2}
    assert api.numbers("orderNumber=1001") == ["1001", "1001"]
    shipstation.split_keys_are_new = True
    assert "-" not in shipstation.split_order(first["orderId"], {"TEA": 1})["orderKey"]
    with pytest.raises(SellerRefusedError):
        shipstation.split_order(first["orderId"], {"TEA": 9})


def test_combined_orders_go_into_one_and_leave_the_lists(api: Api, shipstation: ShipStationSimulator) -> None:
    first, second = (shipstation.create_order(number)["orderId"] for number in ("1", "2"))
    shipstation.combine_orders(first, [second])
    order = api.get(f"/orders/{first}")
    assert order["advancedOptions"]["mergedIds"] == [second]
    assert order["advancedOptions"]["mergedOrSplit"] is True
    assert len(order["items"]) == 2
    assert api.numbers() == ["1"]


def test_the_admin_door_does_what_people_do(api: Api, shipstation: ShipStationSimulator) -> None:
    made = api.admin("create_order", number="5", lines=[{"sku": "TEA"}], externally_fulfilled_by="FBA").json()
    assert made["externallyFulfilled"] is True
    assert made["externallyFulfilledBy"] == "FBA"
    assert api.admin("change_order", order=made["orderKey"], internalNotes="x").json()["internalNotes"] == "x"
    assert api.admin("books").json()["orders"][0]["number"] == "5"
    assert api.admin("set", suspended=True, rate_limit=None).status_code == 200
    assert shipstation.suspended
    assert api.admin("move_clock", seconds=60).status_code == 200
    for action, body in (
        ("nowhere", {}),
        ("stop", {}),
        ("set", {"store_id": 1}),
        ("set", {"suspended": "yes"}),
        ("create_order", {"colour": "red"}),
        ("create_order", {"lines": [{"colour": "red"}]}),
        ("cancel_order", {"order": 1}),
        ("void_label", {}),
    ):
        assert api.admin(action, **body).status_code == 400
    assert {*ShipStationSimulator.actions} <= {*dir(shipstation)}


# -- with a Shopify shop ----------------------------------------


@pytest.fixture
def shop() -> Iterator[ShopifySimulator]:
    with ShopifySimulator() as simulator:
        simulator.add_product("TEA", on_hand=100, price="5.00", grams=250)
        simulator.add_product("MUG", on_hand=10)
        yield simulator


@pytest.fixture
def linked(shop: ShopifySimulator, shipstation: ShipStationSimulator) -> ShipStationSimulator:
    shipstation.shop = shop
    return shipstation


TWO_TEAS = [{"sku": "TEA", "quantity": 2}]


def the_order(api: Api, query: str = "") -> Json:
    (order,) = api.get(f"/orders?{query}")["orders"]
    return dict(order)


def units(order: Json) -> dict[str, int]:
    return {item["sku"]: item["quantity"] for item in order["items"]}


def test_an_import_writes_a_shopify_order_as_shipstation_does(
    api: Api, shop: ShopifySimulator, linked: ShipStationSimulator
) -> None:
    bought = shop.create_order(TWO_TEAS, shipping_method="Express", note="please hurry")
    (order_id,) = linked.import_orders()
    order = the_order(api)
    part = bought["fulfillment_orders"][0]["id"].rpartition("/")[2]
    assert order["orderId"] == order_id
    assert order["orderKey"] == f"{bought['number']}-{part}"
    assert order["orderNumber"] == bought["name"].removeprefix("#")
    assert order["orderStatus"] == "awaiting_shipment"
    assert order["requestedShippingService"] == "Express"
    assert order["customerNotes"] == "please hurry"
    assert order["items"][0]["lineItemKey"] == str(bought["lines"][0]["number"])
    assert units(order) == {"TEA": 2}
    assert (order["shipTo"]["state"], order["shipTo"]["country"]) == ("IL", "US")
    assert order["billTo"]["country"] == "  "
    assert order["orderTotal"] == 15.0
    assert order["items"][0]["weight"]["units"] == "ounces"
    assert linked.import_orders() == []
    linked.keeps_number_sign = True
    second = shop.create_order(TWO_TEAS)
    linked.import_orders()
    assert api.numbers("orderNumber=%23") == [second["name"]]


def test_what_can_not_be_shipped_is_not_imported(
    api: Api, shop: ShopifySimulator, linked: ShipStationSimulator
) -> None:
    shop.create_order(TWO_TEAS, delivery="PICK_UP")
    shop.create_order([{"title": "Song", "requires_shipping": False}])
    shop.create_order(TWO_TEAS)
    linked.clock_offset_seconds += 91 * 86400
    assert linked.import_orders() == []
    linked.clock_offset_seconds -= 2 * 86400
    assert len(linked.import_orders()) == 1
    mixed = shop.create_order([*TWO_TEAS, {"title": "Song", "requires_shipping": False}])
    linked.import_orders()
    assert units(the_order(api, f"orderNumber={mixed['name'][1:]}")) == {"TEA": 2}


def test_an_order_waits_for_its_routing(shop: ShopifySimulator, linked: ShipStationSimulator) -> None:
    shop.create_order(TWO_TEAS, delayed_routing_seconds=3600)
    assert linked.import_orders() == []
    shop.clock_offset_seconds += 3601
    assert len(linked.import_orders()) == 1


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"financial_status": "PENDING"}, "awaiting_payment"),
        ({"financial_status": "AUTHORIZED"}, "awaiting_shipment"),
        ({"financial_status": "PAID"}, "awaiting_shipment"),
        ({"hold_reason": "OTHER"}, "on_hold"),
    ],
)
def test_statuses_are_mapped(
    api: Api, shop: ShopifySimulator, linked: ShipStationSimulator, given: Json, status: str
) -> None:
    shop.create_order(TWO_TEAS, **given)
    linked.import_orders()
    assert the_order(api)["orderStatus"] == status


def test_a_batch_is_told_once_for_all_its_orders(
    api: Api, shop: ShopifySimulator, linked: ShipStationSimulator, sent: list[Delivery]
) -> None:
    subscribe(api, "ORDER_NOTIFY")
    for _ in range(3):
        shop.create_order(TWO_TEAS)
    unpaid = shop.create_order(TWO_TEAS, financial_status="PENDING")
    linked.import_orders()
    assert len(sent) == 1
    path = resource(sent[0]).removeprefix(linked.url)
    assert api.get(f"{path}&pageSize=2")["pages"] == 2
    shop.mark_paid(unpaid["name"])
    linked.import_orders()
    assert len(sent) == 2
    (paid,) = api.get(resource(sent[1]).removeprefix(linked.url))["orders"]
    assert (f"#{paid['orderNumber']}", paid["orderStatus"]) == (unpaid["name"], "awaiting_shipment")
    assert paid["paymentDate"]


def test_edits_in_shopify_come_later_and_only_while_the_order_is_open(
    api: Api, shop: ShopifySimulator, linked: ShipStationSimulator, sent: list[Delivery]
) -> None:
    subscribe(api, "ORDER_NOTIFY")
    bought = shop.create_order(TWO_TEAS)
    linked.import_orders()
    before = the_order(api)
    shop.edit_quantity(bought["name"], "TEA", 3)
    shop.add_line(bought["name"], {"sku": "MUG", "quantity": 1})
    shop.change_address(bought["name"], address1="1 Other Road")
    assert units(the_order(api)) == {"TEA": 2}
    assert linked.import_orders() == [before["orderId"]]
    after = the_order(api)
    assert units(after) == {"TEA": 3, "MUG": 1}
    assert after["shipTo"]["street1"] == "1 Other Road"
    assert after["items"][0]["orderItemId"] == before["items"][0]["orderItemId"]
    assert after["modifyDate"] > before["modifyDate"]
    linked.delegate_to_provider(after["orderId"])
    shop.change_address(bought["name"], address1="2 Other Road")
    assert linked.import_orders() == []
    assert len(sent) == 1


def test_a_hold_made_here_survives_an_import(api: Api, shop: ShopifySimulator, linked: ShipStationSimulator) -> None:
    bought = shop.create_order(TWO_TEAS)
    (order_id,) = linked.import_orders()
    linked.hold_order(order_id)
    shop.set_note(bought["name"], "new")
    linked.import_orders()
    order = the_order(api)
    assert (order["orderStatus"], order["customerNotes"]) == ("on_hold", "new")


def test_a_split_order_is_not_edited_and_is_cancelled_whole(
    api: Api, shop: ShopifySimulator, linked: ShipStationSimulator
) -> None:
    bought = shop.create_order(TWO_TEAS)
    (order_id,) = linked.import_orders()
    linked.split_order(order_id, {"TEA": 1})
    shop.edit_quantity(bought["name"], "TEA", 5)
    linked.import_orders()
    assert [units(order) for order in api.get("/orders")["orders"]] == [{"TEA": 1}, {"TEA": 1}]
    shop.cancel_order(bought["name"])
    linked.import_orders()
    assert {order["orderStatus"] for order in api.get("/orders")["orders"]} == {"cancelled"}


def test_a_cancel_in_shopify_arrives_and_one_here_does_not_leave(
    api: Api, shop: ShopifySimulator, linked: ShipStationSimulator
) -> None:
    bought = shop.create_order(TWO_TEAS)
    other = shop.create_order(TWO_TEAS)
    first, second = linked.import_orders()
    shop.cancel_order(bought["name"])
    linked.import_orders()
    assert api.get(f"/orders/{first}")["orderStatus"] == "cancelled"
    linked.cancel_order(second)
    linked.import_orders()
    assert next(order for order in shop.books() if order["name"] == other["name"])["cancelled"] is False


def test_an_order_fulfilled_in_shopify_is_shipped_here(
    api: Api, shop: ShopifySimulator, linked: ShipStationSimulator
) -> None:
    bought = shop.create_order(TWO_TEAS)
    linked.import_orders()
    shop.fulfill_elsewhere(bought["name"], number="1ZOTHER")
    linked.import_orders()
    assert the_order(api)["orderStatus"] == "shipped"
    assert api.get("/fulfillments")["total"] == 0


def test_earlier_partial_fulfillments_are_ignored_unless_support_switched_it(
    api: Api, shop: ShopifySimulator, linked: ShipStationSimulator
) -> None:
    lines = [*TWO_TEAS, {"sku": "MUG", "quantity": 1}]
    for fulfillable in (False, True):
        bought = shop.create_order(lines)
        shop.fulfill_elsewhere(bought["name"], lines={"TEA": 1, "MUG": 1})
        linked.imports_fulfillable_quantity = fulfillable
        linked.import_orders()
    first, second = api.get("/orders")["orders"]
    assert (units(first), units(second)) == ({"TEA": 2, "MUG": 1}, {"TEA": 1, "MUG": 0})


def test_the_newer_import_makes_one_order_of_each_fulfillment_order(
    api: Api, shop: ShopifySimulator, linked: ShipStationSimulator
) -> None:
    linked.imports_each_fulfillment_order = True
    shop.add_location("Second")
    bought = shop.create_order([*TWO_TEAS, {"sku": "MUG", "location": "Second"}])
    linked.import_orders()
    first, second = api.get("/orders")["orders"]
    assert first["orderNumber"] == second["orderNumber"]
    parts = [entry["id"].rpartition("/")[2] for entry in bought["fulfillment_orders"]]
    assert [order["orderKey"] for order in (first, second)] == [f"{bought['number']}-{part}" for part in parts]
    assert [units(order) for order in (first, second)] == [{"TEA": 2}, {"MUG": 1}]
    api.mark(second["orderId"], notifySalesChannel=True)
    linked.clock_offset_seconds += 10
    linked.tell_channels()
    lines = {line["sku"]: line["fulfilled_units"] for line in shop.books()[0]["lines"]}
    assert lines == {"TEA": 0, "MUG": 1}


def test_nothing_comes_while_the_import_is_off_but_for_a_refresh(
    api: Api, shop: ShopifySimulator, linked: ShipStationSimulator
) -> None:
    shop.create_order(TWO_TEAS)
    linked.set_store(STORE, auto_refresh=False)
    attempted = api.get(f"/stores/{STORE}")["lastRefreshAttempt"]
    assert linked.import_orders() == []
    assert api.get(f"/stores/{STORE}")["lastRefreshAttempt"] == attempted
    answer = api("POST /stores/refreshstore", {"storeId": STORE, "refreshDate": "11-20-2026"}).json()
    assert answer == {"success": True, "message": f"A store refresh has been initiated for Store ID {STORE}"}
    assert len(api.numbers()) == 1
    shop.create_order(TWO_TEAS)
    assert api(f"POST /stores/refreshstore?storeId={STORE}").status_code == 200
    assert len(api.numbers()) == 2
    linked.set_store(STORE, active=False)
    shop.create_order(TWO_TEAS)
    assert linked.import_orders(forced=True) == []
    assert api(f"POST /stores/refreshstore?storeId={STORE}").status_code == 400
    assert api("POST /stores/refreshstore?storeId=1").status_code == 404


def fulfilled(shop: ShopifySimulator) -> list[Json]:
    """What Shopify holds of fulfillments of its first order's first line."""
    return list(shop.books()[0]["lines"][0]["fulfilled"])


def test_a_mark_with_notice_reaches_shopify_some_seconds_later(
    api: Api, shop: ShopifySimulator, linked: ShipStationSimulator
) -> None:
    shop.create_order(TWO_TEAS)
    (order_id,) = linked.import_orders()
    assert api.mark(order_id, notifySalesChannel=True).status_code == 200
    row = f"/fulfillments?orderId={order_id}"
    linked.tell_channels()
    assert api.get(row)["fulfillments"][0]["marketplaceNotified"] is False
    assert fulfilled(shop) == []
    linked.clock_offset_seconds += 6
    linked.tell_channels()
    assert api.get(row)["fulfillments"][0]["marketplaceNotified"] is True
    (entry,) = fulfilled(shop)
    assert (entry["by"], entry["units"], entry["company"], entry["numbers"]) == ("ShipStation", 2, "UPS", ["1Z1"])
    with shop.lock:
        assert [each.notify_customer for each in shop.store.fulfillments.values()] == [True]
    assert linked.tell_channels() == []
    assert linked.import_orders() == []
    assert the_order(api)["orderStatus"] == "shipped"


def test_a_mark_without_notice_never_reaches_shopify(
    api: Api, shop: ShopifySimulator, linked: ShipStationSimulator
) -> None:
    shop.create_order(TWO_TEAS)
    (order_id,) = linked.import_orders()
    api.mark(order_id)
    linked.clock_offset_seconds += 3600
    assert linked.tell_channels() == []
    assert fulfilled(shop) == []
    assert api.get("/fulfillments")["fulfillments"][0]["notifyErrorMessage"] is None


@pytest.mark.parametrize("trouble", ["fulfilled", "held", "cancelled", "deleted", "broken"])
def test_a_refused_notice_is_told_as_recorded(
    api: Api, shop: ShopifySimulator, linked: ShipStationSimulator, trouble: str
) -> None:
    bought = shop.create_order(TWO_TEAS)
    (order_id,) = linked.import_orders()
    if trouble == "fulfilled":
        shop.fulfill_elsewhere(bought["name"])
    elif trouble == "held":
        shop.hold_fulfillment_order(bought["fulfillment_orders"][0]["id"])
    elif trouble == "cancelled":
        shop.cancel_order(bought["name"])
    elif trouble == "deleted":
        shop.delete_order(bought["name"])
    linked.channel_broken = trouble == "broken"
    api.mark(order_id, notifySalesChannel=True)
    linked.clock_offset_seconds += 6
    linked.tell_channels()
    (row,) = api.get("/fulfillments")["fulfillments"]
    assert (row["marketplaceNotified"], row["notifyErrorMessage"]) == (False, CHANNEL_ERROR)
    assert len(shop.store.fulfillments) == (1 if trouble == "fulfilled" else 0)


def test_the_parts_of_a_split_ship_their_own_units(
    api: Api, shop: ShopifySimulator, linked: ShipStationSimulator
) -> None:
    shop.create_order(TWO_TEAS)
    (order_id,) = linked.import_orders()
    part = linked.split_order(order_id, {"TEA": 1})
    api.mark(part["orderId"], trackingNumber="1ZPART", notifySalesChannel=True)
    linked.clock_offset_seconds += 6
    linked.tell_channels()
    assert [(entry["units"], entry["numbers"]) for entry in fulfilled(shop)] == [(1, ["1ZPART"])]
    linked.buy_label(order_id, "9400")
    linked.clock_offset_seconds += 6
    linked.tell_channels()
    assert [entry["numbers"] for entry in fulfilled(shop)] == [["1ZPART"], ["9400"]]
    assert api.get("/shipments")["shipments"][0]["marketplaceNotified"] is True


def test_a_combined_order_ships_all_its_shopify_orders(
    api: Api, shop: ShopifySimulator, linked: ShipStationSimulator
) -> None:
    shop.create_order(TWO_TEAS)
    shop.create_order(TWO_TEAS)
    first, second = linked.import_orders()
    linked.combine_orders(first, [second])
    api.mark(first, notifySalesChannel=True)
    linked.clock_offset_seconds += 6
    linked.tell_channels()
    assert {order["fulfillment_status"] for order in shop.books()} == {"FULFILLED"}


def test_it_imports_and_tells_by_itself_and_stops(shop: ShopifySimulator) -> None:
    told_shopify = threading.Event()

    class Watching(ShipStationSimulator):
        def tell_channels(self) -> list[int]:
            rows = super().tell_channels()
            if rows:
                told_shopify.set()
            return rows

        def import_orders(self, *, forced: bool = False) -> list[int]:
            found = super().import_orders(forced=forced)
            for order_id in found:
                if self.orders[order_id].status == "awaiting_shipment":
                    self.mark_shipped_by_hand(order_id, "1ZSELF")
            return found

    with Watching(shop=shop, import_every=0.01, notify_delay_seconds=0) as simulator:
        shop.create_order(TWO_TEAS)
        assert told_shopify.wait(TIMEOUT)
        worker = simulator._worker  # noqa: SLF001 - whether the thread ended can be seen nowhere else
    assert worker is not None
    assert not worker.is_alive()
    assert fulfilled(shop)[0]["numbers"] == ["1ZSELF"]
