"""ShipStation's adapter: what is sent, every shape of answer, lists to their end, the limit, what a refusal means."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import responses
from responses.matchers import header_matcher, query_param_matcher, request_kwargs_matcher

from jetbridge.domain.order import Address
from jetbridge.domain.shipstation import Mark, Resource, ShipStationLine
from jetbridge.domain.store import ShipStationConnection
from jetbridge.errors import (
    ConfigurationError,
    CredentialsRejectedError,
    ForeignAddressError,
    JetbridgeError,
    OutcomeUnknownError,
    PartnerUnavailableError,
    RateLimitedError,
    RejectedByPartnerError,
    UnexpectedAnswerError,
)
from jetbridge.partners.http import Seams
from jetbridge.partners.shipstation.administration import ShipStationAccount
from jetbridge.partners.shipstation.client import ShipStationDesk
from tests.builders import NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from jetbridge.domain.shipstation import ShipStationOrder

type Json = Any

HOST = "https://ssapi.shipstation.com"
OTHER_HOST = "https://ssapi7.shipstation.com"
STORE_ID = 90001
CREDENTIALS = {"api_key": "key-ada-1", "api_secret": "secret-ada-1"}
GUID = "1b7f3c1e-9a54-4c52-8f0a-2f2a1d9d7f10"
IMPORT = Resource(OTHER_HOST, "orders", (("importBatch", GUID), ("storeID", str(STORE_ID))))
MARK = Mark("191759016", "1Z999", "UPS", datetime(2026, 11, 23, 3, 0, tzinfo=UTC), notify_channel=True)


class ShipStation:
    """An account with scripted answers and a clock that stands still."""

    def __init__(self, network: responses.RequestsMock) -> None:
        self.network = network
        self.now = 1000.0
        self.credentials: Callable[[bool], Mapping[str, str]] = lambda _again: CREDENTIALS
        seams = Seams(sleep=lambda _seconds: None, clock=lambda: self.now)
        connection = ShipStationConnection(str(STORE_ID))
        self.desk = ShipStationDesk(connection, self._pair, production=True, seams=seams)
        self.account = ShipStationAccount(connection, self._pair, production=True, seams=seams)

    def _pair(self, again: bool) -> Mapping[str, str]:  # noqa: FBT001 - the port of the secret store
        return self.credentials(again)

    def sent(self, number: int = -1) -> Json:
        return json.loads(self.network.calls[number].request.body or "null")

    def queries(self) -> list[dict[str, str]]:
        return [dict(parse_qsl(urlsplit(str(call.request.url)).query)) for call in self.network.calls]

    def orders(self, *rows: Json, **more: Json) -> None:
        self.network.get(
            f"{HOST}/orders", json={"orders": list(rows), "total": len(rows), "page": 1, "pages": 1} | more
        )

    def marked(self, answer: Json = None, **more: Json) -> None:
        body = {"json": {"orderId": 191759016, "orderNumber": "1001"} if answer is None else answer} | more
        if "body" in body:
            del body["json"]
        self.network.post(f"{HOST}/orders/markasshipped", **body)


@pytest.fixture
def shipstation() -> Iterator[ShipStation]:
    with responses.RequestsMock() as network:
        known = ShipStation(network)
        network.add(responses.GET, f"{HOST}/carriers", json=[{"name": "UPS", "code": "ups"}])
        network.assert_all_requests_are_fired = False
        yield known


def an_item(**changes: Json) -> Json:
    return {
        "orderItemId": 1,
        "lineItemKey": "11",
        "sku": "TEA-250",
        "name": "Tea 250 g",
        "quantity": 2,
        "unitPrice": 9.5,
        "adjustment": False,
        "options": [],
    } | changes


def an_order(number: int = 191759016, **changes: Json) -> Json:
    return {
        "orderId": number,
        "orderNumber": "1001",
        "orderKey": "7489518207152-8681743417520",
        "orderDate": "2026-11-22T03:00:00.0000000",
        "createDate": "2026-11-22T03:05:00.1270000",
        "modifyDate": "2026-11-22T04:42:37.3930000",
        "orderStatus": "awaiting_shipment",
        "customerEmail": "ada@example.test",
        "shipTo": {
            "name": "Ada Sample",
            "company": None,
            "street1": "1 Nowhere Rd",
            "street2": "Suite 5",
            "street3": "Door B",
            "city": "Springfield",
            "state": "IL",
            "postalCode": "62701",
            "country": "US",
            "phone": "555 0100",
            "residential": None,
            "addressVerified": "Address validated successfully",
        },
        "items": [an_item()],
        "requestedShippingService": "Standard",
        "holdUntilDate": None,
        "tagIds": None,
        "externallyFulfilled": False,
        "customerNotes": None,
        "internalNotes": None,
        "advancedOptions": {"storeId": STORE_ID, "mergedOrSplit": False, "mergedIds": [], "parentId": None},
    } | changes


def a_fulfillment(**changes: Json) -> Json:
    return {
        "fulfillmentId": 33974374,
        "orderId": 191759016,
        "orderNumber": "1001",
        "trackingNumber": "1Z999",
        "createDate": "2026-11-22T08:50:50.067",
        "shipDate": "2026-11-22T00:00:00.0000000",
        "voidDate": None,
        "voided": False,
        "marketplaceNotified": True,
        "notifyErrorMessage": None,
        "shipTo": {"name": "Ada Sample"},
    } | changes


# -- what is sent -----------------------------------------------------------------------------------------------------


def test_every_request_is_basic_with_time_outs(shipstation: ShipStation) -> None:
    shipstation.network.get(
        f"{HOST}/orders/191759016",
        json=an_order(),
        match=[
            header_matcher({"Authorization": "Basic a2V5LWFkYS0xOnNlY3JldC1hZGEtMQ==", "Accept": "application/json"}),
            request_kwargs_matcher({"timeout": (3.05, 10.0)}),
        ],
    )

    assert shipstation.desk.read_order("191759016")


def test_newer_credentials_are_tried_once_after_a_401(shipstation: ShipStation) -> None:
    shipstation.credentials = lambda again: CREDENTIALS | ({"api_secret": "secret-ada-2"} if again else {})
    shipstation.network.get(
        f"{HOST}/orders/1",
        status=401,
        match=[header_matcher({"Authorization": "Basic a2V5LWFkYS0xOnNlY3JldC1hZGEtMQ=="})],
    )
    shipstation.network.get(f"{HOST}/orders/1", json=an_order(1))

    found = shipstation.desk.read_order("1")

    assert found
    assert found.id == "1"


@pytest.mark.parametrize(
    "pair",
    [
        {},
        {"api_key": "k"},
        {"api_secret": "s"},
        {"api_key": "a:b", "api_secret": "s"},
        {"api_key": "k\n", "api_secret": "s"},
    ],
)
def test_a_pair_that_basic_cannot_carry_is_never_sent(shipstation: ShipStation, pair: dict[str, str]) -> None:
    shipstation.credentials = lambda _again: pair

    with pytest.raises(CredentialsRejectedError):
        shipstation.desk.read_order("1")

    assert not shipstation.network.calls


@pytest.mark.parametrize(
    "api_url", ["http://ssapi.shipstation.com", "https://example.test", "https://api.shipstation.com"]
)
def test_in_production_the_credentials_go_to_the_vendor_only(api_url: str) -> None:
    with pytest.raises(ConfigurationError):
        ShipStationDesk(ShipStationConnection("1", api_url), lambda _again: CREDENTIALS, production=True)


@pytest.mark.parametrize("store_id", ["", "abc", "1&x=2", "٣"])
def test_a_store_id_is_a_number(store_id: str) -> None:
    with pytest.raises(ConfigurationError):
        ShipStationDesk(ShipStationConnection(store_id), lambda _again: CREDENTIALS, production=True)


def test_an_id_cannot_lead_elsewhere(shipstation: ShipStation) -> None:
    shipstation.network.get(f"{HOST}/orders/..%2Fusers%3Fx%3D1", status=404)

    assert shipstation.desk.read_order("../users?x=1") is None


# -- one order --------------------------------------------------------------------------------------------------------


def read(shipstation: ShipStation, order: Json) -> ShipStationOrder:
    shipstation.network.get(f"{HOST}/orders/{order['orderId']}", json=order)
    found = shipstation.desk.read_order(str(order["orderId"]))
    assert found
    return found


def test_an_order_is_translated(shipstation: ShipStation) -> None:
    found = read(shipstation, an_order(customerNotes="Ring twice", internalNotes="VIP", holdUntilDate="2026-12-24"))

    assert (found.id, found.number, found.key) == ("191759016", "1001", "7489518207152-8681743417520")
    assert (found.status, found.store_id, found.method) == ("awaiting_shipment", "90001", "Standard")
    assert found.modified_at == datetime(2026, 11, 22, 12, 42, 37, 393000, tzinfo=UTC)
    assert found.lines == (ShipStationLine("11", "TEA-250", "Tea 250 g", 2),)
    assert found.ship_to == Address(
        "Ada Sample", "", "1 Nowhere Rd", "Suite 5, Door B", "Springfield", "IL", "62701", "US", "555 0100"
    )
    assert (found.customer_notes, found.internal_notes, found.held_until) == ("Ring twice", "VIP", "2026-12-24")
    assert (found.tags, found.parent_id, found.merged_ids, found.externally_fulfilled) == ((), "", (), False)


def test_nulls_everywhere_are_survived(shipstation: ShipStation) -> None:
    order = {**dict.fromkeys(an_order(), None), "orderId": 5, "modifyDate": "2026-11-22T04:42:37.39"}

    found = read(shipstation, order)

    assert (found.id, found.number, found.status, found.store_id, found.lines, found.ship_to) == (
        "5",
        "",
        "",
        "",
        (),
        None,
    )


def test_what_rules_ask_about_is_translated(shipstation: ShipStation) -> None:
    order = an_order(
        gift=True,
        giftMessage=" Enjoy ",
        shipByDate="2026-11-25T00:00:00.0000000",
        paymentDate="2026-07-01T03:00:00.5000000",
        weight={"value": 3.5, "units": "ounces", "WeightUnits": 1},
        userId="123456ab-ab12-3c4d-5e67-89f1abc1defa",
        customerUsername="ada",
        items=[an_item(warehouseLocation=" A-12 ")],
        advancedOptions={"storeId": STORE_ID, "source": "web", "customField1": "VIP", "customField3": " 3PL "},
    )
    order["shipTo"] |= {"residential": False, "addressVerified": "Address validation warning"}

    found = read(shipstation, order)

    assert found.custom_fields == ("VIP", "", "3PL")
    assert (found.gift, found.gift_message, found.source) == (True, "Enjoy", "web")
    assert found.ship_by == datetime(2026, 11, 25, 8, tzinfo=UTC)
    assert found.paid_at == datetime(2026, 7, 1, 10, 0, 0, 500000, tzinfo=UTC)
    assert found.weight_grams == 99
    assert (found.residential, found.address_verified) == (False, "Address validation warning")
    assert (found.assigned_to, found.username) == ("123456ab-ab12-3c4d-5e67-89f1abc1defa", "ada")
    assert found.lines[0].warehouse_location == "A-12"


NOTHING_SAID = {
    "custom_fields": ("", "", ""),
    "gift": False,
    "gift_message": "",
    "source": "",
    "ship_by": None,
    "paid_at": None,
    "weight_grams": 0,
    "residential": None,
    "address_verified": "",
    "assigned_to": "",
    "username": "",
}


@pytest.mark.parametrize("value", [None, "", "  ", 7, {}, [], "soon", "0001-01-01T00:00:00", "yes"])
def test_what_cannot_be_read_of_it_costs_no_order(shipstation: ShipStation, value: Json) -> None:
    """They are beside the order: text where text stands, and no more."""
    odd: dict[str, Json] = dict.fromkeys(
        ("gift", "giftMessage", "shipByDate", "paymentDate", "weight", "userId", "customerUsername"), value
    )
    advanced = {"storeId": STORE_ID, **dict.fromkeys(("source", "customField1", "customField2", "customField3"), value)}
    order = an_order(advancedOptions=advanced, items=[an_item(warehouseLocation=value)]) | odd
    order["shipTo"] |= {"residential": value, "addressVerified": value}
    text = value.strip() if isinstance(value, str) else ""
    texts = dict.fromkeys(("gift_message", "source", "address_verified", "assigned_to", "username"), text)

    found = read(shipstation, order)

    expected = NOTHING_SAID | texts | {"custom_fields": (text, text, text)}
    assert {name: getattr(found, name) for name in NOTHING_SAID} == expected
    assert found.lines[0].warehouse_location == text


@pytest.mark.parametrize("changes", [{"advancedOptions": None, "shipTo": None}, {}])
def test_what_is_not_there_is_not_said(shipstation: ShipStation, changes: Json) -> None:
    order = an_order() | changes
    if order["shipTo"]:
        del order["shipTo"]["addressVerified"]

    found = read(shipstation, order)

    assert {name: getattr(found, name) for name in NOTHING_SAID} == NOTHING_SAID


@pytest.mark.parametrize(
    ("weight", "grams"),
    [
        ({"value": 250, "units": "grams"}, 250),
        ({"value": 1, "units": "pounds"}, 454),
        ({"value": 2.5, "units": "Pounds"}, 1134),
        ({"value": 1, "units": "ounces"}, 28),
        ({"value": 16, "units": "ounces"}, 454),
        ({"value": 0, "units": "ounces"}, 0),
        ({"value": 5, "units": "stones"}, 0),
        ({"value": 5, "units": None}, 0),
        ({"value": 5}, 0),
        ({"value": None, "units": "grams"}, 0),
        ({"value": "5", "units": "grams"}, 0),
        ({"value": -5, "units": "grams"}, 0),
        ({"value": float("nan"), "units": "grams"}, 0),
        ({"value": float("inf"), "units": "grams"}, 0),
        ({"value": 10**400, "units": "ounces"}, 0),
    ],
)
def test_weights_are_in_grams(shipstation: ShipStation, weight: Json, grams: int) -> None:
    assert read(shipstation, an_order(weight=weight)).weight_grams == grams


def test_an_address_of_blanks_is_none(shipstation: ShipStation) -> None:
    assert read(shipstation, an_order(shipTo={"name": None, "country": "  "})).ship_to is None


def test_an_unknown_status_stays_as_it_came(shipstation: ShipStation) -> None:
    assert read(shipstation, an_order(orderStatus="planning")).status == "planning"


def test_a_part_names_its_parent_and_what_was_merged_into_it(shipstation: ShipStation) -> None:
    advanced = {"storeId": STORE_ID, "mergedOrSplit": True, "mergedIds": [7, None, 8], "parentId": 6}

    found = read(shipstation, an_order(advancedOptions=advanced, externallyFulfilled=True))

    assert (found.parent_id, found.merged_ids, found.externally_fulfilled) == ("6", ("7", "8"), True)


@pytest.mark.parametrize(
    ("item", "goods"),
    [
        (an_item(), True),
        (an_item(adjustment=True), False),
        (an_item(adjustment=None, lineItemKey="discount"), False),
        (an_item(lineItemKey="Discount"), False),
        (an_item(lineItemKey=None, sku=None), True),
    ],
)
def test_adjustments_and_discounts_are_no_goods(shipstation: ShipStation, item: Json, goods: bool) -> None:  # noqa: FBT001
    [line] = read(shipstation, an_order(items=[None, item])).lines

    assert line.goods is goods


@pytest.mark.parametrize("until", ["2026-12-24", "2026-12-24T00:00:00.0000000", "2026-12-24T00:00:00"])
def test_a_hold_ends_on_a_day(shipstation: ShipStation, until: str) -> None:
    assert read(shipstation, an_order(holdUntilDate=until)).held_until == "2026-12-24"


@pytest.mark.parametrize("changes", [{"modifyDate": None}, {"modifyDate": "soon"}, {"orderId": 6}])
def test_an_order_that_cannot_be_understood_is_an_error(shipstation: ShipStation, changes: Json) -> None:
    shipstation.network.get(f"{HOST}/orders/5", json=an_order(5) | changes)

    with pytest.raises(UnexpectedAnswerError):
        shipstation.desk.read_order("5")


def test_errors_never_quote_what_they_could_not_read(shipstation: ShipStation) -> None:
    shipstation.network.get(f"{HOST}/orders/5", json=an_order(5, items="Ada Sample", modifyDate="Ada Sample"))

    with pytest.raises(UnexpectedAnswerError) as error:
        shipstation.desk.read_order("5")

    assert "Ada" not in "".join(traceback.format_exception(error.value))


# -- tags -------------------------------------------------------------------------------------------------------------


def test_tags_go_by_name_and_are_asked_for_once(shipstation: ShipStation) -> None:
    tags = shipstation.network.get(
        f"{HOST}/accounts/listtags", json=[{"tagId": 1, "name": "3PL", "color": "#fff"}, None]
    )

    assert read(shipstation, an_order(1, tagIds=[1, None])).tags == ("3PL",)
    assert read(shipstation, an_order(2, tagIds=[1])).tags == ("3PL",)
    assert tags.call_count == 1


def test_an_unknown_tag_goes_by_its_number_until_it_has_a_name(shipstation: ShipStation) -> None:
    shipstation.network.get(f"{HOST}/accounts/listtags", json=[{"tagId": 1, "name": "3PL"}])
    shipstation.network.get(
        f"{HOST}/accounts/listtags", json=[{"tagId": 1, "name": "3PL"}, {"tagId": 9, "name": "New"}]
    )

    assert read(shipstation, an_order(1, tagIds=[9, 1])).tags == ("9", "3PL")
    assert read(shipstation, an_order(1, tagIds=[9, 1])).tags == ("9", "3PL")
    shipstation.now += 31
    assert read(shipstation, an_order(1, tagIds=[9, 1])).tags == ("New", "3PL")


def test_an_order_without_tags_asks_for_none(shipstation: ShipStation) -> None:
    read(shipstation, an_order(tagIds=[]))

    assert len(shipstation.network.calls) == 1


# -- lists ------------------------------------------------------------------------------------------------------------


def test_a_number_is_matched_exactly_and_in_our_store(shipstation: ShipStation) -> None:
    foreign = an_order(4, advancedOptions={"storeId": 777})
    shipstation.orders(an_order(1), an_order(2, orderNumber="10012"), an_order(3), foreign)

    assert [each.id for each in shipstation.desk.orders_numbered("1001")] == ["1", "3"]
    assert shipstation.queries() == [{"orderNumber": "1001", "storeId": "90001", "page": "1", "pageSize": "500"}]


def test_no_number_is_no_question(shipstation: ShipStation) -> None:
    assert shipstation.desk.orders_numbered("") == ()
    assert not shipstation.network.calls


def test_changes_are_asked_for_in_pacific_time(shipstation: ShipStation) -> None:
    shipstation.orders(an_order())

    assert [each.id for each in shipstation.desk.orders_changed_since(NOW)] == ["191759016"]
    assert shipstation.queries() == [
        {
            "modifyDateStart": "2026-11-22 03:59:59",
            "sortBy": "ModifyDate",
            "sortDir": "ASC",
            "storeId": "90001",
            "page": "1",
            "pageSize": "500",
        }
    ]


def test_pages_said_to_be_none_hold_rows_all_the_same(shipstation: ShipStation) -> None:
    shipstation.orders(an_order(1), None, an_order(2), pages=0)

    assert [each.id for each in shipstation.desk.orders_changed_since(NOW)] == ["1", "2"]


@pytest.mark.parametrize("body", [{"orders": []}, {"orders": None, "total": 0, "page": 1, "pages": 0}])
def test_an_empty_list_ends(shipstation: ShipStation, body: Json) -> None:
    shipstation.network.get(f"{HOST}/orders", json=body)

    assert list(shipstation.desk.orders_changed_since(NOW)) == []


@pytest.mark.parametrize("body", [[], {}, {"orders": {}}, "x", {"Message": "ok"}])
def test_what_is_no_page_is_an_error(shipstation: ShipStation, body: Json) -> None:
    shipstation.network.get(f"{HOST}/orders", json=body)

    with pytest.raises(UnexpectedAnswerError):
        list(shipstation.desk.orders_changed_since(NOW))


class Book:
    """A list that ShipStation serves by page and size, with unreadable rows in it."""

    def __init__(
        self, network: responses.RequestsMock, rows: list[Json], *, broken: frozenset[int] = frozenset()
    ) -> None:
        self.rows, self.broken = rows, broken
        self.asked: list[tuple[int, int]] = []
        self.heal_after = -1
        network.add_callback(responses.GET, f"{OTHER_HOST}/orders", self.answer)

    def answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        query = dict(parse_qsl(urlsplit(str(request.url)).query))
        page, size = int(query["page"]), int(query["pageSize"])
        self.asked.append((page, size))
        first = (page - 1) * size
        if len(self.asked) != self.heal_after and any(first <= each < first + size for each in self.broken):
            return 500, {}, json.dumps({"Message": "An error has occurred.", "ExceptionMessage": "Ada Sample"})
        return 200, {}, json.dumps({"orders": self.rows[first : first + size], "page": page, "pages": 0})


def behind(shipstation: ShipStation) -> list[str]:
    return [each.id for each in shipstation.desk.orders_behind(IMPORT)]


@pytest.mark.parametrize("count", [1, 499, 500, 501, 1000, 1203])
def test_every_page_is_read_to_a_short_or_empty_one(shipstation: ShipStation, count: int) -> None:
    book = Book(shipstation.network, [an_order(n) for n in range(1, count + 1)])

    assert behind(shipstation) == [str(n) for n in range(1, count + 1)]
    assert len(book.asked) == count // 500 + 1


def test_a_server_with_smaller_pages_than_asked_for_is_believed_when_it_says_there_are_more(
    shipstation: ShipStation,
) -> None:
    for page in (1, 2, 3):
        body = {"orders": [an_order(page)] if page < 3 else [], "page": page, "pages": 3}
        shipstation.network.get(f"{OTHER_HOST}/orders", json=body)

    assert behind(shipstation) == ["1", "2"]


def test_a_page_shown_again_ends_the_reading(shipstation: ShipStation) -> None:
    rows = [an_order(n) for n in range(1, 501)]
    shipstation.network.get(f"{OTHER_HOST}/orders", json={"orders": rows, "page": 1, "pages": 9})

    with pytest.raises(UnexpectedAnswerError, match="page_repeats"):
        behind(shipstation)

    assert len(shipstation.network.calls) == 2


@pytest.mark.parametrize(
    "broken", [{0}, {3}, {499}, {250}, {500}, {617}, {618}, {17, 18}, {5, 600}, {1, 130, 131, 260, 390, 520}]
)
def test_an_unreadable_row_is_stepped_over_alone(
    shipstation: ShipStation, caplog: pytest.LogCaptureFixture, broken: set[int]
) -> None:
    book = Book(shipstation.network, [an_order(n + 1) for n in range(619)], broken=frozenset(broken))

    with caplog.at_level(logging.ERROR):
        found = behind(shipstation)

    assert found == [str(n + 1) for n in range(619) if n not in broken]
    stepped = [vars(each) for each in caplog.records if each.message == "a row was stepped over"]
    assert [each["position"] for each in stepped] == sorted(broken)
    assert "Ada" not in caplog.text
    assert len(book.asked) < 4 + 20 * len(broken)


def test_one_bad_moment_costs_no_row(shipstation: ShipStation) -> None:
    book = Book(shipstation.network, [an_order(n + 1) for n in range(3)], broken=frozenset({1}))
    # 500, 250, 125, 25 and 5 fail, then the first row by itself, then the second: which heals when asked again.
    book.heal_after = 8

    assert behind(shipstation) == ["1", "2", "3"]


def test_a_list_that_only_fails_is_no_matter_of_rows(shipstation: ShipStation) -> None:
    shipstation.network.get(f"{OTHER_HOST}/orders", status=500, json={"Message": "An error has occurred."})

    with pytest.raises(PartnerUnavailableError, match="list_fails"):
        behind(shipstation)

    assert len(shipstation.network.calls) == 21


def test_a_row_we_cannot_read_costs_only_itself(shipstation: ShipStation, caplog: pytest.LogCaptureFixture) -> None:
    shipstation.orders(an_order(1), an_order(2, modifyDate="Ada Sample"), an_order(3))

    assert [each.id for each in shipstation.desk.orders_changed_since(NOW)] == ["1", "3"]
    assert "Ada" not in caplog.text + str([vars(each) for each in caplog.records])
    assert [vars(each)["position"] for each in caplog.records if each.levelno == logging.ERROR] == [1]


def test_a_page_of_which_we_can_read_nothing_is_an_error(shipstation: ShipStation) -> None:
    shipstation.orders(an_order(1, modifyDate="Ada Sample"), None)

    with pytest.raises(UnexpectedAnswerError):
        list(shipstation.desk.orders_changed_since(NOW))


def test_an_order_that_changes_while_we_read_hides_no_other(shipstation: ShipStation) -> None:
    """Pages by number would move up by one: the next page begins at the last change seen instead."""

    def changed(number: int, second: int) -> Json:
        return an_order(number, modifyDate=f"2026-11-22T05:{second // 60:02}:{second % 60:02}.0000000")

    rows = [changed(n, n) for n in range(1, 701)]

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        query = dict(parse_qsl(urlsplit(str(request.url)).query))
        start, first = query["modifyDateStart"].replace(" ", "T"), (int(query["page"]) - 1) * 500
        found = [row for row in rows if row["modifyDate"] > start][first : first + 500]
        if rows[0]["orderId"] == 1:
            rows.append(changed(rows.pop(0)["orderId"], 900))
        return 200, {}, json.dumps({"orders": found, "pages": 0})

    shipstation.network.add_callback(responses.GET, f"{HOST}/orders", answer)

    found = [each.id for each in shipstation.desk.orders_changed_since(NOW)]

    assert found == [*map(str, range(1, 701)), "1"]


def test_many_changes_of_one_second_are_read_by_page(shipstation: ShipStation) -> None:
    rows = [an_order(n) for n in range(1, 1201)]

    def answer(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        query = dict(parse_qsl(urlsplit(str(request.url)).query))
        first = (int(query["page"]) - 1) * 500
        return 200, {}, json.dumps({"orders": rows[first : first + 500], "pages": 3})

    shipstation.network.add_callback(responses.GET, f"{HOST}/orders", answer)

    assert [each.id for each in shipstation.desk.orders_changed_since(NOW)] == [str(n) for n in range(1, 1201)]


# -- what a webhook points at -----------------------------------------------------------------------------------------


def test_an_import_is_read_on_the_host_it_names(shipstation: ShipStation) -> None:
    foreign = an_order(2, advancedOptions={"storeId": 777})
    shipstation.network.get(
        f"{OTHER_HOST}/orders",
        json={"orders": [an_order(1), None, foreign], "pages": 1},
        match=[header_matcher({"Authorization": "Basic a2V5LWFkYS0xOnNlY3JldC1hZGEtMQ=="})],
    )

    assert behind(shipstation) == ["1"]
    assert shipstation.queries() == [{"importBatch": GUID, "storeID": "90001", "page": "1", "pageSize": "500"}]


def test_labels_name_their_orders_once(shipstation: ShipStation) -> None:
    rows = [
        {"shipmentId": 1, "orderId": 5, "advancedOptions": {"storeId": STORE_ID}},
        {"shipmentId": 2, "orderId": 5, "advancedOptions": {"storeId": STORE_ID}},
        {"shipmentId": 3, "orderId": 6, "advancedOptions": {"storeId": 777}},
        {"shipmentId": 4, "orderId": 7, "shipmentItems": None, "advancedOptions": None},
        None,
    ]
    shipstation.network.get(f"{HOST}/shipments", json={"shipments": rows, "pages": 1})
    resource = Resource(HOST, "shipments", (("batchId", "77"), ("includeShipmentItems", "False")))

    assert list(shipstation.desk.labelled_behind(resource)) == ["5", "7"]


def test_fulfillments_name_their_orders(shipstation: ShipStation) -> None:
    shipstation.network.get(f"{HOST}/fulfillments", json={"fulfillments": [a_fulfillment()], "pages": 0})
    resource = Resource(HOST, "fulfillments", (("fulfillmentId", "33974374"),))

    assert list(shipstation.desk.labelled_behind(resource)) == ["191759016"]


def test_an_address_that_names_no_batch_is_read_for_what_is_newest(shipstation: ShipStation) -> None:
    rows = [{"shipmentId": n, "orderId": n} for n in range(1, 501)]
    shipstation.network.get(f"{HOST}/shipments", json={"shipments": rows, "pages": 99})
    resource = Resource(HOST, "shipments", (("storeID", str(STORE_ID)),))

    assert len(list(shipstation.desk.labelled_behind(resource))) == 500
    assert shipstation.queries() == [
        {"storeID": "90001", "sortBy": "CreateDate", "sortDir": "DESC", "page": "1", "pageSize": "500"}
    ]


@pytest.mark.parametrize(
    "resource",
    [
        Resource("https://example.test", "orders", (("importBatch", GUID),)),
        Resource("http://ssapi.shipstation.com", "orders", (("importBatch", GUID),)),
        Resource("https://ssapi.shipstation.com:8443", "orders", (("importBatch", GUID),)),
        Resource("https://ssapi.shipstation.com@example.test", "orders", (("importBatch", GUID),)),
        Resource(HOST, "shipments", (("batchId", "1"),)),
        Resource(HOST, "users", (("importBatch", GUID),)),
        Resource(HOST, "orders", (("importBatch", GUID), ("storeID", "777"))),
        Resource(HOST, "orders", (("orderStatus", "x"),)),
        Resource(HOST, "orders", ()),
    ],
)
def test_a_foreign_address_is_refused_before_anything_is_sent(shipstation: ShipStation, resource: Resource) -> None:
    with pytest.raises(ForeignAddressError):
        shipstation.desk.orders_behind(resource)

    assert not shipstation.network.calls


# -- marking ----------------------------------------------------------------------------------------------------------


def test_a_mark_tells_the_channel_and_not_the_customer(shipstation: ShipStation) -> None:
    shipstation.marked()

    shipstation.desk.mark_shipped(MARK)

    assert shipstation.sent() == {
        "orderId": 191759016,
        "carrierCode": "ups",
        "shipDate": "2026-11-22",
        "trackingNumber": "1Z999",
        "notifyCustomer": False,
        "notifySalesChannel": True,
    }


@pytest.mark.parametrize(
    ("carrier", "codes", "expected"),
    [
        ("USPS", ["stamps_com", "ups"], "stamps_com"),
        ("USPS", ["ups"], "usps"),
        ("UPS", ["ups_walleted", "fedex"], "ups_walleted"),
        ("UPS Ground", ["ups"], "ups"),
        ("FedEx", ["fedex"], "fedex"),
        ("DHL Express", ["dhl_global_mail", "dhl_express"], "dhl_express"),
        ("DHL eCommerce", ["dhl_global_mail", "dhl_express"], "dhl_global_mail"),
        ("DHL", ["dhl_global_mail"], "dhl_global_mail"),
        ("OnTrac", ["ontrac"], "ontrac"),
        ("Canada Post", ["canada_post"], "canada_post"),
        ("OSM Worldwide", ["ups"], "osm_worldwide"),
        ("", ["ups"], "other"),
    ],
)
def test_the_carrier_goes_by_the_accounts_code(carrier: str, codes: list[str], expected: str) -> None:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as network:
        shipstation = ShipStation(network)
        carriers = network.get(f"{HOST}/carriers", json=[None, *({"name": "Mine", "code": code} for code in codes)])
        shipstation.marked()

        for _ in range(2):
            shipstation.desk.mark_shipped(Mark(MARK.order_id, "1", carrier, NOW, notify_channel=False))

        assert shipstation.sent()["carrierCode"] == expected
        assert shipstation.sent()["notifySalesChannel"] is False
        assert carriers.call_count == (1 if carrier else 0)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"message": "Order is already shipped."}),
        (
            400,
            {
                "Message": "The request is invalid.",
                "ModelState": {"apiOrder.orderId": ["Order has already been shipped"]},
            },
        ),
        (500, {"Message": "An error has occurred.", "ExceptionMessage": "Order was already marked as shipped"}),
        (400, "order already fulfilled"),
        (200, {"success": False, "message": "This order has been shipped already"}),
    ],
)
def test_an_order_shipped_before_counts_as_marked(shipstation: ShipStation, status: int, body: Json) -> None:
    shipstation.marked(body, status=status)

    shipstation.desk.mark_shipped(MARK)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"message": "Order is not already shipped"}),
        (400, {"message": "Orders that are cancelled cannot be shipped"}),
        (404, None),
        (405, {"message": "no"}),
        (200, {"success": False, "message": "Order not found"}),
    ],
)
def test_a_refused_mark_is_a_refusal(shipstation: ShipStation, status: int, body: Json) -> None:
    shipstation.marked(body, status=status)

    with pytest.raises(RejectedByPartnerError):
        shipstation.desk.mark_shipped(MARK)


@pytest.mark.parametrize("status", [400, 500])
def test_a_refused_mark_in_words_nobody_knows_is_looked_up(shipstation: ShipStation, status: int) -> None:
    shipstation.marked({"ExceptionMessage": "The order is in status shipped"}, status=status)
    shipstation.network.get(f"{HOST}/orders/{MARK.order_id}", json=an_order(orderStatus="shipped"))

    shipstation.desk.mark_shipped(MARK)


def test_a_refused_mark_of_an_order_that_is_open_stays_refused(shipstation: ShipStation) -> None:
    shipstation.marked({"message": "no"}, status=400)
    shipstation.network.get(f"{HOST}/orders/{MARK.order_id}", json=an_order())

    with pytest.raises(RejectedByPartnerError):
        shipstation.desk.mark_shipped(MARK)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (
            {"Message": "An error has occurred.", "ExceptionMessage": "Invalid country", "StackTrace": "at Ada"},
            "validation",
        ),
        ({"Message": "x", "ModelState": {"apiOrder.carrierCode": ["The carrier is unknown."]}}, "validation"),
        ({"message": "boom"}, ""),
        ("boom", ""),
    ],
)
def test_a_500_leaves_a_mark_unknown_even_when_it_names_a_mistake(
    shipstation: ShipStation, body: Json, code: str
) -> None:
    shipstation.marked(body, status=500)

    with pytest.raises(OutcomeUnknownError) as error:
        shipstation.desk.mark_shipped(MARK)

    assert error.value.code == code
    assert "Ada" not in str(error.value)
    assert len([call for call in shipstation.network.calls if call.request.method == "POST"]) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"json": {"orderId": 1, "orderNumber": "1001"}},
        {"json": {"success": True}},
        {"json": []},
        {"body": b""},
        {"body": "<html>Sorry</html>"},
        {"body": "<html>Sorry</html>", "status": 500},
        {"body": "", "status": 502},
        {"body": requests.ReadTimeout()},
    ],
)
def test_an_answer_that_names_no_such_order_proves_nothing(shipstation: ShipStation, answer: Json) -> None:
    shipstation.network.post(f"{HOST}/orders/markasshipped", **answer)

    with pytest.raises(OutcomeUnknownError):
        shipstation.desk.mark_shipped(MARK)


def test_refusals_keep_words_about_nobody(shipstation: ShipStation) -> None:
    shipstation.marked({"message": "the carrier is not supported"}, status=400)

    with pytest.raises(RejectedByPartnerError, match="the carrier is not supported"):
        shipstation.desk.mark_shipped(MARK)


@pytest.mark.parametrize(
    "text", ["order of Ada Sample is odd", "no order for ada@example.test", "ada sample, 1 nowhere road"]
)
def test_refusals_keep_no_word_about_somebody(shipstation: ShipStation, text: str) -> None:
    shipstation.marked({"message": text}, status=400)

    with pytest.raises(RejectedByPartnerError) as error:
        shipstation.desk.mark_shipped(MARK)

    assert "ada" not in str(error.value).casefold()


def test_a_mark_for_something_that_is_no_order_id_is_not_sent(shipstation: ShipStation) -> None:
    with pytest.raises(RejectedByPartnerError):
        shipstation.desk.mark_shipped(Mark("se-5", "1", "UPS", NOW, notify_channel=True))

    assert not shipstation.network.calls


# -- fulfillments -----------------------------------------------------------------------------------------------------


def test_fulfillments_are_read_by_date(shipstation: ShipStation) -> None:
    rows = [a_fulfillment(), None, a_fulfillment(fulfillmentId=2, voidDate="2026-11-22T09:00:00.000")]
    shipstation.network.get(f"{HOST}/fulfillments", json={"fulfillments": rows, "total": 3, "page": 1, "pages": 0})

    told, voided = shipstation.desk.fulfillments_since(NOW)

    assert (told.order_id, told.number, told.channel_told, told.error, told.voided) == (
        "191759016",
        "1Z999",
        True,
        "",
        False,
    )
    assert told.created_at == datetime(2026, 11, 22, 16, 50, 50, 67000, tzinfo=UTC)
    assert voided.voided
    assert shipstation.queries()[0]["createDateStart"] == "2026-11-22 03:59:59"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (
            "IntegrationError: Shopify encountered an error and responded with StatusCode UnprocessableEntity",
            "IntegrationError UnprocessableEntity",
        ),
        ("Status code: 422 for Ada Sample", "unnamed"),
        ("StatusCode 422 for Ada Sample", "422"),
        ("Ada Sample could not be told", "unnamed"),
    ],
)
def test_of_a_failed_notice_its_kind_is_kept(shipstation: ShipStation, text: str, kept: str) -> None:
    rows = [a_fulfillment(marketplaceNotified=False, notifyErrorMessage=text), a_fulfillment(orderId=9)]
    shipstation.network.get(f"{HOST}/fulfillments", json={"fulfillments": rows})

    [found] = shipstation.desk.fulfillments_of("191759016")

    assert (found.channel_told, found.error) == (False, kept)
    assert shipstation.queries()[0]["orderId"] == "191759016"


# -- the limit and the plan -------------------------------------------------------------------------------------------


def limits(remaining: int, reset: object) -> dict[str, str]:
    return {
        "X-Rate-Limit-Limit": "40",
        "X-Rate-Limit-Remaining": str(remaining),
        "X-Rate-Limit-Reset": str(reset),
    }


def test_the_answers_say_what_is_left(shipstation: ShipStation) -> None:
    shipstation.network.get(f"{HOST}/orders/5", json=an_order(5), headers=limits(17, 30))

    shipstation.desk.read_order("5")

    left = [shipstation.desk.remaining_calls]
    shipstation.now += 30
    assert [*left, shipstation.desk.remaining_calls] == [17, None]


def test_with_nothing_left_nothing_is_sent_until_the_window_turns_over(shipstation: ShipStation) -> None:
    shipstation.network.get(f"{HOST}/orders/5", json=an_order(5), headers=limits(0, 30))
    shipstation.desk.read_order("5")
    shipstation.now += 12

    with pytest.raises(RateLimitedError) as error:
        list(shipstation.desk.orders_behind(IMPORT))

    assert error.value.retry_after_seconds == pytest.approx(18)
    assert len(shipstation.network.calls) == 1
    shipstation.now += 18
    assert shipstation.desk.read_order("5")


@pytest.mark.parametrize(
    ("headers", "wait"), [(limits(0, 13), 13), ({}, 60), (limits(0, "soon"), 60), (limits(0, -5), 0)]
)
def test_a_429_waits_for_the_reset(shipstation: ShipStation, headers: dict[str, str], wait: float) -> None:
    shipstation.network.get(f"{HOST}/orders/5", status=429, json={"message": "Too Many Requests"}, headers=headers)

    with pytest.raises(RateLimitedError) as error:
        shipstation.desk.read_order("5")

    assert error.value.retry_after_seconds == wait
    assert len(shipstation.network.calls) == 1


@pytest.mark.parametrize("status", [200, 400, 500, 503])
@pytest.mark.parametrize("body", [{"message": "Too Many Requests"}, "Too many requests"])
def test_the_limit_is_known_by_its_words_too(shipstation: ShipStation, status: int, body: Json) -> None:
    shipstation.marked(body, status=status)

    with pytest.raises(RateLimitedError) as error:
        shipstation.desk.mark_shipped(MARK)

    assert error.value.retry_after_seconds == 60


def test_a_customer_who_writes_of_too_many_requests_limits_nothing(shipstation: ShipStation) -> None:
    shipstation.orders(an_order(5, customerNotes="Too many requests", message="Too many requests"))

    assert len(list(shipstation.desk.orders_changed_since(NOW))) == 1


def test_a_plan_without_api_access_suspends_the_connection(shipstation: ShipStation) -> None:
    shipstation.network.get(f"{HOST}/orders/5", status=402, json={"message": "Ada Sample must pay"})
    shipstation.marked({"message": "Ada Sample must pay"}, status=402)

    with pytest.raises(CredentialsRejectedError) as reading:
        shipstation.desk.read_order("5")
    with pytest.raises(CredentialsRejectedError) as writing:
        shipstation.desk.mark_shipped(MARK)

    for error in (reading.value, writing.value):
        assert (error.code, error.http_status) == ("suspended", 402)
        assert "Ada" not in str(error)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, CredentialsRejectedError),
        (403, CredentialsRejectedError),
        (400, UnexpectedAnswerError),
        (405, UnexpectedAnswerError),
        (302, UnexpectedAnswerError),
        (418, UnexpectedAnswerError),
        (408, PartnerUnavailableError),
        (500, PartnerUnavailableError),
        (502, PartnerUnavailableError),
        (503, PartnerUnavailableError),
        (504, PartnerUnavailableError),
    ],
)
@pytest.mark.parametrize("body", ['{"message": "Ada Sample"}', '"Ada Sample"', "", "<html>Ada Sample</html>"])
def test_every_failed_read_has_its_consequence(
    shipstation: ShipStation, status: int, error: type[JetbridgeError], body: str
) -> None:
    shipstation.network.get(f"{HOST}/orders/5", status=status, body=body, headers={"Location": "https://example.test/"})

    with pytest.raises(error) as raised:
        shipstation.desk.read_order("5")

    assert "Ada" not in str(raised.value)
    assert "secret-ada" not in "".join(traceback.format_exception(raised.value))


# -- the account ------------------------------------------------------------------------------------------------------


def test_stores_are_listed_with_whether_they_import(shipstation: ShipStation) -> None:
    row = {
        "storeId": 22766,
        "storeName": "Manual",
        "marketplaceId": 0,
        "marketplaceName": "ShipStation",
        "active": True,
        "autoRefresh": False,
        "lastRefreshAttempt": None,
    }
    shop = row | {
        "storeId": STORE_ID,
        "storeName": "Tea",
        "marketplaceName": "Shopify",
        "active": False,
        "autoRefresh": True,
        "lastRefreshAttempt": "2026-11-22T03:46:53.433",
    }
    shipstation.network.get(f"{HOST}/stores", json=[row, None, shop, shop | {"lastRefreshAttempt": "never"}])

    manual, tea, odd = shipstation.account.stores()

    assert (manual.id, manual.marketplace, manual.active, manual.imports_by_itself) == (
        "22766",
        "ShipStation",
        True,
        False,
    )
    assert manual.last_import_at is None
    assert (tea.name, tea.active, tea.imports_by_itself) == ("Tea", False, True)
    assert tea.last_import_at == datetime(2026, 11, 22, 11, 46, 53, 433000, tzinfo=UTC)
    assert odd.last_import_at is None
    assert shipstation.queries() == [{"showInactive": "true"}]


def test_the_services_of_every_carrier_are_named_once(shipstation: ShipStation) -> None:
    carriers = [
        {"name": "UPS", "code": "ups"},
        {"name": "FedEx", "code": "fedex"},
        None,
        {"name": "UPS", "code": "ups", "nickname": "the other account"},
        {"name": "Nameless", "code": None},
    ]
    shipstation.network.replace(responses.GET, f"{HOST}/carriers", json=carriers)
    url = f"{HOST}/carriers/listservices"
    for code, names in (("ups", ["UPS® Ground", None, " "]), ("fedex", ["FedEx 2Day®", "UPS® Ground"])):
        rows = [{"carrierCode": code, "code": f"{code}_1", "name": name} for name in names]
        shipstation.network.get(url, json=[*rows, None], match=[query_param_matcher({"carrierCode": code})])

    assert shipstation.account.services() == ("UPS® Ground", "FedEx 2Day®")
    assert shipstation.queries() == [{}, {"carrierCode": "ups"}, {"carrierCode": "fedex"}]


def test_without_carriers_there_are_no_services(shipstation: ShipStation) -> None:
    shipstation.network.replace(responses.GET, f"{HOST}/carriers", json=[])

    assert shipstation.account.services() == ()


@pytest.mark.parametrize("answer", [{"json": {}}, {"status": 404}, {"status": 400, "json": {"message": "no"}}])
def test_services_that_cannot_be_read_are_not_left_out(shipstation: ShipStation, answer: Json) -> None:
    shipstation.network.get(f"{HOST}/carriers/listservices", **answer)

    with pytest.raises(UnexpectedAnswerError):
        shipstation.account.services()


@pytest.mark.parametrize("path", ["stores", "webhooks"])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"json": {}}, UnexpectedAnswerError),
        ({"json": "x"}, UnexpectedAnswerError),
        ({"status": 500}, PartnerUnavailableError),
    ],
)
def test_what_is_no_list_is_an_error(
    shipstation: ShipStation, path: str, answer: Json, error: type[JetbridgeError]
) -> None:
    shipstation.network.get(f"{HOST}/{path}", **answer)

    with pytest.raises(error):
        shipstation.account.stores() if path == "stores" else shipstation.account.subscriptions()


def test_tags_that_cannot_be_read_are_an_error(shipstation: ShipStation) -> None:
    shipstation.network.get(f"{HOST}/accounts/listtags", json={"message": "Ada"})

    with pytest.raises(UnexpectedAnswerError):
        read(shipstation, an_order(tagIds=[1]))


def test_subscriptions_are_listed(shipstation: ShipStation) -> None:
    row = {
        "IsLabelAPIHook": False,
        "WebHookID": 123,
        "StoreID": STORE_ID,
        "HookType": "ORDER_NOTIFY",
        "Url": "https://hooks.example.test/x",
        "Active": False,
        "WebhookLogs": [],
    }
    shipstation.network.get(f"{HOST}/webhooks", json={"webhooks": [row, None]})

    [found] = shipstation.account.subscriptions()

    assert (found.id, found.topics, found.address, found.active) == (
        "123",
        ("ORDER_NOTIFY",),
        "https://hooks.example.test/x",
        False,
    )


@pytest.mark.parametrize("answer", [{"id": 123456}, {"WebHookID": 123456, "HookType": "ORDER_NOTIFY"}])
def test_both_answers_to_a_subscription_are_understood(shipstation: ShipStation, answer: Json) -> None:
    shipstation.network.post(f"{HOST}/webhooks/subscribe", json=answer)

    shipstation.account.subscribe("ORDER_NOTIFY", "https://hooks.example.test/x", str(STORE_ID))

    assert shipstation.sent() == {
        "target_url": "https://hooks.example.test/x",
        "event": "ORDER_NOTIFY",
        "store_id": STORE_ID,
        "friendly_name": "Jetbridge",
    }


@pytest.mark.parametrize("answer", [{}, {"success": True}, [], None])
def test_a_subscription_without_an_id_is_not_known_to_be_one(shipstation: ShipStation, answer: Json) -> None:
    shipstation.network.post(f"{HOST}/webhooks/subscribe", json=answer)

    with pytest.raises(OutcomeUnknownError):
        shipstation.account.subscribe("ORDER_NOTIFY", "https://hooks.example.test/x", "1")


def test_a_refused_subscription_is_a_refusal(shipstation: ShipStation) -> None:
    shipstation.network.post(f"{HOST}/webhooks/subscribe", status=400, json={"message": "the event is unknown"})

    with pytest.raises(RejectedByPartnerError, match="the event is unknown"):
        shipstation.account.subscribe("X", "https://hooks.example.test/x", "1")


def test_all_stores_are_never_subscribed_at_once(shipstation: ShipStation) -> None:
    with pytest.raises(RejectedByPartnerError):
        shipstation.account.subscribe("ORDER_NOTIFY", "https://hooks.example.test/x", "")

    assert not shipstation.network.calls


@pytest.mark.parametrize("answer", [{"status": 200, "body": ""}, {"status": 200, "json": {}}, {"status": 404}])
def test_a_subscription_that_is_gone_is_deleted(shipstation: ShipStation, answer: Json) -> None:
    shipstation.network.delete(f"{HOST}/webhooks/123", **answer)

    shipstation.account.unsubscribe("123")


def test_a_deletion_that_fails_is_not_known_to_be_done(shipstation: ShipStation) -> None:
    shipstation.network.delete(f"{HOST}/webhooks/123", status=500, json={"message": "x"})

    with pytest.raises(OutcomeUnknownError):
        shipstation.account.unsubscribe("123")
