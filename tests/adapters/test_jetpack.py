"""Jetpack's adapter: the requests we send, every shape of refusal, two ways of paging, and what is remembered."""

from __future__ import annotations

import json
import re
import traceback
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import responses
from responses.matchers import header_matcher, query_param_matcher, request_kwargs_matcher

from jetbridge.domain.order import SeenAtJetpack
from jetbridge.domain.stock import JetpackStock
from jetbridge.domain.store import JetpackConnection
from jetbridge.errors import (
    ConfigurationError,
    CredentialsRejectedError,
    DuplicateReferenceError,
    JetbridgeError,
    OutcomeUnknownError,
    PartnerUnavailableError,
    RateLimitedError,
    RejectedByPartnerError,
    UnexpectedAnswerError,
)
from jetbridge.partners.http import Seams
from jetbridge.partners.jetpack.client import JetpackWarehouse
from jetbridge.ports import Cancellation, Change, NewJetpackOrder
from tests.builders import ADDRESS, NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jetbridge.domain.order import JetpackOrder

type Json = Any

HOST = "https://api.shipbob.com"
API = f"{HOST}/2026-07"
SECRET = "pat-ada-0001"  # noqa: S105 - invented
REFERENCE = "demo:820982911946154508:1"
NEW = NewJetpackOrder(
    reference=REFERENCE,
    number="#1001",
    ship_option="Standard",
    recipient=replace(ADDRESS, address2="Suite 5", company="Example & Sons"),
    email="ada@example.test",
    phone="+1 555 0100",
    lines=((1, "TEA-250", "Tea 250 g", 2, "9.50"), (2, "MUG", "Mug", 1, "")),
    purchased_at=NOW,
)


class Jetpack:
    """An account with scripted answers and a clock that stands still."""

    def __init__(self, network: responses.RequestsMock) -> None:
        self.network = network
        self.now = 0.0
        self.warehouse = JetpackWarehouse(
            JetpackConnection(channel_id="120001"),
            lambda _again: SECRET,
            production=True,
            seams=Seams(sleep=lambda _seconds: None, clock=lambda: self.now),
        )

    def sent(self, number: int = 0) -> Json:
        return json.loads(self.network.calls[number].request.body or "")

    def queries(self) -> list[dict[str, str]]:
        return [dict(parse_qsl(urlsplit(str(call.request.url)).query)) for call in self.network.calls]


@pytest.fixture
def jetpack() -> Iterator[Jetpack]:
    with responses.RequestsMock() as network:
        yield Jetpack(network)


def a_product(reference: str | None = "TEA-250", *items: tuple[int, int], **changes: object) -> Json:
    inventory = [{"id": number, "name": "x", "quantity": quantity} for number, quantity in items or ((1, 2),)]
    return {"id": 880011, "reference_id": reference, "sku": reference, "inventory_items": inventory} | changes


def a_shipment(number: int = 70000001, **changes: object) -> Json:
    return {
        "id": number,
        "order_id": 60000001,
        "status": "Processing",
        "status_details": [],
        "location": {"id": 9, "name": "Bethlehem (PA)"},
        "products": [a_product()],
        "tracking": None,
        "delivery_date": None,
    } | changes


def an_order(*shipments: Json, **changes: object) -> Json:
    return {
        "id": 60000001,
        "reference_id": REFERENCE,
        "order_number": "#1001",
        "status": "Processing",
        "shipping_method": "Standard",
        "channel": {"id": 120001, "name": "Jetbridge"},
        "products": [{"reference_id": "TEA-250", "sku": "TEA-250", "quantity": 2, "external_line_id": 1}],
        "shipments": list(shipments or (a_shipment(),)),
    } | changes


def read(jetpack: Jetpack, order: Json) -> JetpackOrder:
    jetpack.network.get(f"{API}/order/60000001", json=order)
    found = jetpack.warehouse.read_order("60000001")
    assert found
    return found


# -- what is sent ---------------------------------------------------------------------------------------------------


def test_an_order_is_created_through_our_channel(jetpack: Jetpack) -> None:
    jetpack.network.post(
        f"{API}/order",
        status=201,
        json=an_order(),
        match=[
            header_matcher({"Authorization": f"Bearer {SECRET}", "shipbob_channel_id": "120001"}),
            request_kwargs_matcher({"timeout": (3.05, 10.0)}),
        ],
    )

    assert jetpack.warehouse.create_order(NEW).id == "60000001"

    assert jetpack.sent() == {
        "reference_id": REFERENCE,
        "order_number": "#1001",
        "shipping_method": "Standard",
        "type": "DTC",
        "purchase_date": "2026-11-22T12:00:00+00:00",
        "recipient": {
            "name": "Ada Sample",
            "email": "ada@example.test",
            "phone_number": "+1 555 0100",
            "address": {
                "address1": "1 Nowhere Rd",
                "address2": "Suite 5",
                "company_name": "Example & Sons",
                "city": "Springfield",
                "state": "IL",
                "zip_code": "62701",
                "country": "US",
            },
        },
        "products": [
            {
                "reference_id": "TEA-250",
                "name": "Tea 250 g",
                "quantity": 2,
                "external_line_id": 1,
                "unit_price": 9.5,
            },
            {"reference_id": "MUG", "name": "Mug", "quantity": 1, "external_line_id": 2},
        ],
    }


def test_an_order_is_pinned_to_a_center_by_number(jetpack: Jetpack) -> None:
    jetpack.network.post(f"{API}/order", status=201, json=an_order())

    jetpack.warehouse.create_order(replace(NEW, location="156"))

    assert jetpack.sent()["location_id"] == 156


def test_what_is_no_id_of_a_center_is_never_sent(jetpack: Jetpack) -> None:
    for location in ("Ontario 6 (CA)", "-9", "9 ", "9.0", "\N{ARABIC-INDIC DIGIT NINE}", "9" * 11):
        with pytest.raises(RejectedByPartnerError) as caught:
            jetpack.warehouse.create_order(replace(NEW, location=location))

        assert caught.value.code == "no_location"
    assert not jetpack.network.calls


def test_the_same_order_is_sent_as_the_same_bytes(jetpack: Jetpack) -> None:
    jetpack.network.post(f"{API}/order", status=201, json=an_order())

    jetpack.warehouse.create_order(NEW)
    jetpack.warehouse.create_order(replace(NEW))

    assert jetpack.network.calls[0].request.body == jetpack.network.calls[1].request.body


def test_a_look_up_asks_our_channel_only(jetpack: Jetpack) -> None:
    jetpack.network.get(
        f"{API}/order",
        json=[an_order()],
        match=[query_param_matcher({"ReferenceIds": REFERENCE}), header_matcher({"shipbob_channel_id": "120001"})],
    )

    assert jetpack.warehouse.find_order(REFERENCE)


def test_an_id_cannot_lead_elsewhere(jetpack: Jetpack) -> None:
    jetpack.network.get(f"{API}/order/..%2Fwebhook%3Fx%3D1", status=404)

    assert jetpack.warehouse.read_order("../webhook?x=1") is None


# -- creating: what is refused and what is unknown --------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize(
    "body",
    [
        {"": ["Cannot insert order with existing ReferenceId"]},
        {"errors": ["Cannot insert order with existing ReferenceId"]},
        {"errors": {"": ["An order with this reference already exists"]}},
        {"reference_id": ["already exists"]},
        {"ReferenceId": ["Duplicate value"]},
        {"message": "Duplicate reference_id", "errors": []},
        {"title": "Conflict", "detail": "EXISTING REFERENCE ID", "status": 422, "type": "https://x.test/422"},
        "Reference demo:1:1 was already used",
        ["reference exists"],
    ],
)
def test_words_about_an_existing_reference_make_a_duplicate(jetpack: Jetpack, status: int, body: Json) -> None:
    jetpack.network.post(f"{API}/order", status=status, json=body)

    with pytest.raises(DuplicateReferenceError) as caught:
        jetpack.warehouse.create_order(NEW)

    assert caught.value.http_status == status


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"products[0].reference_id": ["already exists twice"]}, "products[0].reference_id: already exists twice"),
        ({"shipping_method": ["Is not active"]}, "shipping_method: Is not active"),
        ({"reference_id": ["Is too long"]}, "reference_id: Is too long"),
        ({"recipient.address.city": ["Springfield is no city"]}, "recipient.address.city"),
        ({"recipient.name": ["Ada Sample is too short"], "products": ["Empty"]}, "recipient.name; products: Empty"),
        ({"": ["Product 5 does not exist"]}, "Product 5 does not exist"),
        ({"errors": ["Reference of the channel does not exist"]}, "Reference of the channel does not exist"),
        ({"": ["Invalid address: 1 NOWHERE ROAD"]}, "refused without words"),
        ({"errors": ["Quantity of ADA SAMPLE's order is wrong"]}, "refused without words"),
        ({"Ada Sample <ada@example.test>": ["wrong"]}, "refused without words"),
        ({"status": 400, "errors": None}, "refused without words"),
        (None, "refused without words"),
    ],
)
def test_another_refusal_keeps_what_is_not_personal(jetpack: Jetpack, body: Json, message: str) -> None:
    jetpack.network.post(f"{API}/order", status=422, json=body)

    with pytest.raises(RejectedByPartnerError) as caught:
        jetpack.warehouse.create_order(NEW)

    assert type(caught.value) is RejectedByPartnerError
    assert str(caught.value).startswith(message)
    assert not [word for word in ("Ada", "ADA", "Springfield", "NOWHERE", "ada@") if word in str(caught.value)]


def test_a_refusal_that_is_no_json_is_a_refusal(jetpack: Jetpack) -> None:
    jetpack.network.post(f"{API}/order", status=422, body="<html>no</html>")

    with pytest.raises(RejectedByPartnerError):
        jetpack.warehouse.create_order(NEW)


@pytest.mark.parametrize(
    "body",
    [{}, [], {"id": "?", "reference_id": REFERENCE}, an_order(reference_id="demo:1:2"), an_order(reference_id=None)],
)
def test_a_create_whose_answer_cannot_be_read_may_have_happened(jetpack: Jetpack, body: Json) -> None:
    jetpack.network.post(f"{API}/order", status=201, json=body)

    with pytest.raises(OutcomeUnknownError):
        jetpack.warehouse.create_order(NEW)


def by_creating(warehouse: JetpackWarehouse) -> object:
    return warehouse.create_order(NEW)


def by_cancelling(warehouse: JetpackWarehouse) -> object:
    return warehouse.cancel_order("60000001")


def by_reading(warehouse: JetpackWarehouse) -> object:
    return warehouse.read_order("60000001")


def by_finding(warehouse: JetpackWarehouse) -> object:
    return warehouse.find_order(REFERENCE)


def by_cancelling_one(warehouse: JetpackWarehouse) -> object:
    return warehouse.cancel_shipment("70000001")


def by_readdressing(warehouse: JetpackWarehouse) -> object:
    return warehouse.change_address("70000001", NEW.recipient, NEW.email)


def by_rerouting(warehouse: JetpackWarehouse) -> object:
    return warehouse.change_ship_option(["70000001"], "Standard")


def by_holding(warehouse: JetpackWarehouse) -> object:
    return warehouse.hold_shipments(["70000001"])


def by_releasing(warehouse: JetpackWarehouse) -> object:
    return warehouse.release_shipments(["70000001"])


def by_tracking(warehouse: JetpackWarehouse) -> object:
    return list(warehouse.tracking(["70000001"]))


def by_stock_taking(warehouse: JetpackWarehouse) -> object:
    return list(warehouse.stock())


def by_looking_up(warehouse: JetpackWarehouse) -> object:
    return warehouse.catalogue(frozenset({"TEA-250"}), frozenset(), with_stock=True)


def by_watching(warehouse: JetpackWarehouse) -> object:
    return list(warehouse.orders_since(NOW))


WRITES = (
    by_creating,
    by_cancelling,
    by_cancelling_one,
    by_readdressing,
    by_rerouting,
    by_holding,
    by_releasing,
)
READS = (by_reading, by_finding, by_tracking, by_stock_taking, by_looking_up, by_watching)


def everywhere(jetpack: Jetpack, **answer: Any) -> None:  # noqa: ANN401 - what responses takes
    """Answer every call alike, but for the list of ship options."""
    jetpack.network.assert_all_requests_are_fired = False
    jetpack.network.get(f"{API}/shipping-method", json=[a_method("Standard")])
    for method in ("GET", "POST", "PUT"):
        jetpack.network.add(method, re.compile(f"{API}/.*"), **answer)


@pytest.mark.parametrize(
    ("status", "reading", "writing"),
    [
        (401, CredentialsRejectedError, CredentialsRejectedError),
        (402, CredentialsRejectedError, CredentialsRejectedError),
        (403, CredentialsRejectedError, CredentialsRejectedError),
        (405, UnexpectedAnswerError, RejectedByPartnerError),
        (408, PartnerUnavailableError, OutcomeUnknownError),
        (409, UnexpectedAnswerError, UnexpectedAnswerError),
        (413, UnexpectedAnswerError, RejectedByPartnerError),
        (415, UnexpectedAnswerError, RejectedByPartnerError),
        (429, RateLimitedError, RateLimitedError),
        (302, UnexpectedAnswerError, UnexpectedAnswerError),
        (500, PartnerUnavailableError, OutcomeUnknownError),
        (502, PartnerUnavailableError, OutcomeUnknownError),
        (524, PartnerUnavailableError, OutcomeUnknownError),
    ],
)
def test_a_status_means_an_error(
    jetpack: Jetpack, status: int, reading: type[Exception], writing: type[Exception]
) -> None:
    everywhere(jetpack, status=status, body="<html></html>")

    for call, expected in (*((call, writing) for call in WRITES), *((call, reading) for call in READS)):
        with pytest.raises(expected) as caught:
            call(jetpack.warehouse)
        assert type(caught.value) is expected, call


@pytest.mark.parametrize(("status", "reading"), [(400, UnexpectedAnswerError), (422, UnexpectedAnswerError)])
def test_a_read_is_not_refused_for_good_reasons(jetpack: Jetpack, status: int, reading: type[Exception]) -> None:
    everywhere(jetpack, status=status, json={"Page": ["no"]})

    with pytest.raises(reading):
        by_finding(jetpack.warehouse)


@pytest.mark.parametrize("header", ["x-retry-after", "retry-after"])
@pytest.mark.parametrize("call", [*WRITES, *READS])
def test_throttling_says_how_long(jetpack: Jetpack, header: str, call: Callable[[JetpackWarehouse], object]) -> None:
    body = {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 25 seconds."}
    everywhere(jetpack, status=429, json=body, headers={header: "25", "x-remaining-calls": "0"})

    with pytest.raises(RateLimitedError) as caught:
        call(jetpack.warehouse)

    assert caught.value.retry_after_seconds == 25.0


# Every shape of section 5 of the facts, each about the product of the same order.
WORDS = "Product 5 does not exist"
SHAPES: dict[str, Json] = {
    "orders: fields": {"products": [WORDS]},
    "orders: no field": {"": [WORDS]},
    "orders: the example of the description": {"errors": [WORDS]},
    "inventory, returns: a problem": {
        "type": "https://tools.ietf.org/html/rfc9110#section-15.5.1",
        "title": "Product not found",
        "status": 400,
        "detail": WORDS,
        "instance": "/2026-07/order",
    },
    "edits: a kind": {"code": "VALIDATION_ERROR", "message": WORDS},
    "tracking: text": WORDS,
    "returns of 2026-01": {
        "message": WORDS,
        "errors": [WORDS],
        "details": None,
        "stackTrace": "at Secret.Place() in product.cs",
    },
    "webhooks": {
        "$type": "UnprocessableEntityObjectResult",
        "status_code": 422,
        "value": {"": [WORDS]},
        "formatters": [],
    },
    "several": [WORDS, {"products": [WORDS]}],
}
WORDLESS: dict[str, Json] = {
    "empty": None,
    "html": "<html><body>ada@example.test</body></html>",
    "no list": {"errors": 7},
    "only numbers": {"status": 400},
}


def why(jetpack: Jetpack, call: Callable[[JetpackWarehouse], object]) -> str:
    """Give the words a refusal leaves behind, however the call hands them on."""
    try:
        answer = call(jetpack.warehouse)
    except RejectedByPartnerError as error:
        return str(error)
    changes = list(answer.values()) if isinstance(answer, dict) else [answer]
    for change in changes:
        assert change in (
            Change(done=False, reason=getattr(change, "reason", "")),
            Cancellation(confirmed=False, reasons=getattr(change, "reasons", ())),
        )
    return repr(changes)


@pytest.mark.parametrize("call", WRITES)
@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_refusal_is_read(
    jetpack: Jetpack, call: Callable[[JetpackWarehouse], object], status: int, shape: str
) -> None:
    jetpack.network.get(f"{API}/shipment/70000001", json=a_shipment())
    everywhere(jetpack, status=status, json=SHAPES[shape])

    said = why(jetpack, call)

    assert WORDS in said
    assert "Secret" not in said


@pytest.mark.parametrize("call", WRITES)
@pytest.mark.parametrize("shape", WORDLESS)
def test_a_refusal_without_words_is_a_refusal(
    jetpack: Jetpack, call: Callable[[JetpackWarehouse], object], shape: str
) -> None:
    body = WORDLESS[shape]
    jetpack.network.get(f"{API}/shipment/70000001", json=a_shipment())
    everywhere(jetpack, status=422, **({"body": body} if isinstance(body, str) else {"json": body}))

    said = why(jetpack, call)

    assert "refused" in said
    assert "ada" not in said


NONSENSE: tuple[Json, ...] = (
    None,
    {},
    [],
    7,
    "done",
    [7],
    {"results": None},
    {"results": []},
    {"results": [{"id": 1, "is_success": True}]},
    {"results": [{"id": 70000001, "shipment_id": 70000001, "is_success": None}]},
    {"results": [{"id": 70000001, "shipment_id": 70000001, "is_success": "perhaps"}]},
    {"id": 70000001, "is_success": None},
    {"id": 70000002, "is_success": True},
    {"summary": {"total": 1, "successful": 1, "failed": 0}},
    {"status": "Success"},
)


@pytest.mark.parametrize("call", WRITES)
@pytest.mark.parametrize("body", NONSENSE)
def test_an_answer_that_does_not_say_so_is_never_success(
    jetpack: Jetpack, call: Callable[[JetpackWarehouse], object], body: Json
) -> None:
    everywhere(jetpack, json=body)

    try:
        answer = call(jetpack.warehouse)
    except OutcomeUnknownError:
        return
    assert isinstance(answer, Cancellation)
    assert not answer.confirmed


def test_the_calls_that_are_left_are_known(jetpack: Jetpack) -> None:
    jetpack.network.get(f"{API}/order", json=[], headers={"x-remaining-calls": "149"})
    jetpack.network.get(f"{API}/order", json=[])

    assert jetpack.warehouse.remaining_calls is None
    for _ in range(2):
        jetpack.warehouse.find_order(REFERENCE)
        assert jetpack.warehouse.remaining_calls == 149


# -- what is understood -----------------------------------------------------------------------------------------------


def test_a_shipment_is_translated(jetpack: Jetpack) -> None:
    tracking = {"carrier": "UPS", "tracking_number": "1ZTEST0001", "tracking_url": "https://track.example.test/1"}
    details = [{"id": 203, "name": "Delivered", "description": "Delivered"}]
    order = read(jetpack, an_order(a_shipment(status="Completed", tracking=tracking, status_details=details)))

    (shipment,) = order.shipments
    assert (order.id, order.number, order.products) == ("60000001", "#1001", (("TEA-250", 2),))
    assert (shipment.id, shipment.status, shipment.details) == ("70000001", "Completed", ("Delivered",))
    assert (shipment.carrier, shipment.tracking_number) == ("UPS", "1ZTEST0001")
    assert shipment.tracking_url == "https://track.example.test/1"
    assert (shipment.items, shipment.location) == ((("TEA-250", 2),), "Bethlehem (PA)")
    assert shipment.delivered
    assert shipment.shipped


@pytest.mark.parametrize(
    ("changes", "delivered"),
    [
        ({"status_details": [{"name": "Delivered"}]}, True),
        ({"delivery_date": "2026-11-22T10:00:00Z"}, True),
        ({"status_details": [{"name": "OutForDelivery"}]}, False),
    ],
)
def test_delivered_is_said_in_two_ways(jetpack: Jetpack, changes: dict[str, Json], *, delivered: bool) -> None:
    assert read(jetpack, an_order(a_shipment(**changes))).shipments[0].delivered is delivered


@pytest.mark.parametrize(
    ("status", "details", "picked"),
    [
        ("Processing", ["Picked"], True),
        ("Processing", ["Labelled"], True),
        ("Processing", [], False),
        ("On Hold", ["InvalidAddress"], False),
        ("LabelledCreated", [], True),
        ("Teleported", ["Beamed"], True),
        (None, [None], True),
    ],
)
def test_what_is_not_known_to_be_unpicked_is_picked(
    jetpack: Jetpack, status: str | None, details: list[str | None], *, picked: bool
) -> None:
    named = [{"name": name} for name in details]

    assert read(jetpack, an_order(a_shipment(status=status, status_details=named))).shipments[0].picked is picked


def test_spellings_become_one_and_unknown_names_stay(jetpack: Jetpack) -> None:
    details = [{"name": "MissingTarriffInformation"}, {"name": "MissingTariffInformation"}, {"name": "ShortAtPack"}]
    order = read(jetpack, an_order(a_shipment(status="On Hold", status_details=details), a_shipment(status="Canceled")))

    assert [shipment.status for shipment in order.shipments] == ["OnHold", "Cancelled"]
    assert order.shipments[0].details == (
        "MissingTariffInformation",
        "MissingTariffInformation",
        "ShortAtPack",
    )


def test_everything_may_be_null_or_absent(jetpack: Jetpack) -> None:
    order = read(jetpack, {"id": 60000001, "products": [{}], "shipments": [{"id": 7, "products": [{"sku": None}]}]})

    assert (order.reference, order.number, order.shipping_method) == ("", "", "")
    (shipment,) = order.shipments
    assert (shipment.status, shipment.details, shipment.tracking_number, shipment.location) == ("", (), "", "")
    empty = dict.fromkeys(an_order()) | {"id": 60000001}
    assert read(jetpack, empty).shipments == ()


def test_units_may_stand_under_another_name(jetpack: Jetpack) -> None:
    product = a_product("TEA-250", inventory_items=None, inventory=[{"id": 1, "quantity": 2}])

    assert read(jetpack, an_order(a_shipment(products=[product]))).shipments[0].items == (("TEA-250", 2),)


def test_a_product_without_a_reference_is_known_by_its_sku(jetpack: Jetpack) -> None:
    product = a_product(None, (1, 2), sku="TEA-250")

    assert read(jetpack, an_order(a_shipment(products=[product]))).shipments[0].items == (("TEA-250", 2),)


def test_two_lots_of_one_item_are_added_up(jetpack: Jetpack) -> None:
    order = an_order(a_shipment(products=[a_product("TEA-250", (1, 1), (1, 1))]))

    assert read(jetpack, order).shipments[0].items == (("TEA-250", 2),)


def ordered(reference: str, quantity: int) -> list[Json]:
    return [{"reference_id": reference, "quantity": quantity}]


def test_a_kit_counts_as_what_was_ordered_not_as_its_parts(jetpack: Jetpack) -> None:
    """Three kits of two cups and a pot each, one in the first parcel."""
    order = an_order(
        a_shipment(1, products=[a_product("KIT", (10, 2), (11, 1))]),
        a_shipment(2, products=[a_product("KIT", (10, 4), (11, 2))]),
        products=ordered("KIT", 3),
    )

    assert [shipment.items for shipment in read(jetpack, order).shipments] == [(("KIT", 1),), (("KIT", 2),)]


def test_a_pack_of_three_counts_as_one(jetpack: Jetpack) -> None:
    order = an_order(a_shipment(products=[a_product("PACK", (10, 6))]), products=ordered("PACK", 2))

    assert read(jetpack, order).shipments[0].items == (("PACK", 2),)


def test_what_replaced_a_cancelled_shipment_is_not_taken_for_a_kit(jetpack: Jetpack) -> None:
    order = an_order(a_shipment(1, status="Cancelled"), a_shipment(2))

    assert [shipment.items for shipment in read(jetpack, order).shipments] == [(("TEA-250", 2),)] * 2


def test_an_order_cancelled_whole_still_has_its_units(jetpack: Jetpack) -> None:
    order = an_order(a_shipment(status="Cancelled", products=[a_product("PACK", (10, 6))]), products=ordered("PACK", 2))

    assert read(jetpack, order).shipments[0].items == (("PACK", 2),)


def test_fewer_units_than_ordered_are_counted_as_they_are(jetpack: Jetpack) -> None:
    order = an_order(a_shipment(products=[a_product("TEA-250", (1, 1))]), products=ordered("TEA-250", 2))

    assert read(jetpack, order).shipments[0].items == (("TEA-250", 1),)


@pytest.mark.parametrize(
    "other",
    [
        an_order(reference_id=f"{REFERENCE}0"),
        an_order(reference_id=REFERENCE.upper()),
        an_order(channel={"id": 999, "name": "Other"}),
    ],
)
def test_only_our_own_order_with_this_very_reference_is_found(jetpack: Jetpack, other: Json) -> None:
    jetpack.network.get(f"{API}/order", json=[other])
    jetpack.network.get(f"{API}/order", json=[other, an_order(channel=None)])

    assert jetpack.warehouse.find_order(REFERENCE) is None
    assert jetpack.warehouse.find_order(REFERENCE)


def test_a_shipment_names_its_order(jetpack: Jetpack) -> None:
    for answer in (a_shipment(), a_shipment(order_id=None)):
        jetpack.network.get(f"{API}/shipment/70000001", json=answer)
    jetpack.network.get(f"{API}/shipment/1", status=404)

    assert jetpack.warehouse.order_of_shipment("70000001") == "60000001"
    assert jetpack.warehouse.order_of_shipment("70000001") is None
    assert jetpack.warehouse.order_of_shipment("1") is None


@pytest.mark.parametrize("body", [{"items": []}, None, [{"id": "?"}]])
def test_a_list_of_another_shape_is_unexpected(jetpack: Jetpack, body: Json) -> None:
    jetpack.network.get(f"{API}/order", json=body)

    with pytest.raises(UnexpectedAnswerError):
        jetpack.warehouse.find_order(REFERENCE)


# -- cancelling -------------------------------------------------------------------------------------------------------


def cancelled(jetpack: Jetpack, body: Json, status: int = 200) -> Cancellation:
    jetpack.network.post(
        f"{API}/order/60000001:cancel",
        json=body,
        status=status,
        match=[header_matcher({"shipbob_channel_id": "120001"})],
    )
    return jetpack.warehouse.cancel_order("60000001")


def a_result(number: int, reason: str | None = None, *, success: bool | None = True) -> Json:
    return {"shipment_id": number, "action": "Cancel", "is_success": success, "reason": reason}


GONE, OPEN = a_shipment(1, status="Cancelled"), a_shipment(2)


@pytest.mark.parametrize(
    ("status", "shipments", "results", "confirmed", "reasons"),
    [
        ("Success", [GONE], [a_result(1)], True, ()),
        ("Success", None, [a_result(1), a_result(2)], True, ()),
        ("Success", [GONE, OPEN], [a_result(1), a_result(2)], True, ()),
        ("Failure", [GONE], [a_result(1, "already cancelled", success=False)], True, ()),
        ("Failure", [OPEN], [a_result(2, "Shipment is picked", success=False)], False, ("Shipment is picked",)),
        (
            "PartialSuccess",
            [GONE, OPEN],
            [a_result(1), a_result(2, "Shipment is picked", success=False)],
            False,
            ("Shipment is picked",),
        ),
        ("PartialSuccess", None, [a_result(1), a_result(2, success=False)], False, ("status PartialSuccess",)),
        ("Success", [OPEN], [a_result(2, success=None)], False, ("status Success",)),
        ("Success", [GONE, OPEN], [a_result(1)], False, ("status Success",)),
        ("Success", None, [], False, ("status Success",)),
        ("Success", None, None, False, ("status Success",)),
        ("Maybe", None, [a_result(1)], False, ("status Maybe",)),
        ("Failure", None, [a_result(2, "Shipment of Ada", success=False)], False, ("status Failure",)),
        (None, None, None, False, ("status None",)),
    ],
)
def test_a_cancel_is_confirmed_by_every_shipment(  # noqa: PLR0913, PLR0917 - one row of a table
    jetpack: Jetpack,
    status: str | None,
    shipments: list[Json] | None,
    results: list[Json] | None,
    confirmed: bool,  # noqa: FBT001 - as above
    reasons: tuple[str, ...],
) -> None:
    order = an_order(*shipments) if shipments else None
    body = {"order_id": 60000001, "order": order, "status": status, "canceled_shipment_results": results}

    assert cancelled(jetpack, body) == Cancellation(confirmed, reasons)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (404, None, "Jetpack does not know the order"),
        (400, {"orderId": ["Ada Sample"]}, "orderId"),
        (422, {"": ["The shipment is being picked. Shipment 7 left"]}, "The shipment is being picked. Shipment 7 left"),
        (422, {"errors": ["Ada Sample moved"]}, "refused without words that may be repeated"),
    ],
)
def test_a_refused_cancel_cancelled_nothing(jetpack: Jetpack, status: int, body: Json, reason: str) -> None:
    assert cancelled(jetpack, body, status) == Cancellation(confirmed=False, reasons=(reason,))


@pytest.mark.parametrize("body", [[], {"status": ["?"]}, {"canceled_shipment_results": "?"}])
def test_a_cancel_whose_answer_cannot_be_read_may_have_happened(jetpack: Jetpack, body: Json) -> None:
    with pytest.raises(OutcomeUnknownError):
        cancelled(jetpack, body)


# -- the catalogue ----------------------------------------------------------------------------------------------------


def a_method(name: str | None, *, active: bool | None = True) -> Json:
    return {"id": 1, "name": name, "active": active, "default": True, "service_level": {"id": 3, "name": "Standard"}}


def options(jetpack: Jetpack, *names: str) -> dict[str, bool]:
    return jetpack.warehouse.catalogue(frozenset(), frozenset(names)).ship_options


def test_ship_options_are_read_to_the_last_page(jetpack: Jetpack) -> None:
    url = f"{API}/shipping-method"
    jetpack.network.get(url, json=[a_method("Standard"), a_method(None)], headers={"total-pages": "2"})
    jetpack.network.get(url, json=[a_method("Express"), a_method("Old", active=None)], headers={"total-pages": "2"})

    assert options(jetpack, "Standard", "Express") == {"Standard": True, "Express": True}
    assert [query["Page"] for query in jetpack.queries()] == ["1", "2"]
    assert jetpack.queries()[0]["Limit"] == "250"


def test_pages_without_a_count_end_with_a_short_one(jetpack: Jetpack) -> None:
    url = f"{API}/shipping-method"
    jetpack.network.get(url, json=[a_method(f"Option {number}") for number in range(250)])
    jetpack.network.get(url, json=[a_method("Standard")])

    assert options(jetpack, "Standard") == {"Standard": True}


def test_an_empty_page_is_the_last_whatever_the_count_says(jetpack: Jetpack) -> None:
    url = f"{API}/shipping-method"
    jetpack.network.get(url, json=[a_method("Standard")], headers={"total-pages": "1000000"})
    jetpack.network.get(url, json=[], headers={"total-pages": "1000000"})

    assert options(jetpack, "Standard") == {"Standard": True}
    assert len(jetpack.network.calls) == 2


def test_after_a_full_page_comes_another_whatever_the_count_says(jetpack: Jetpack) -> None:
    url = f"{API}/shipping-method"
    full = [a_method(f"Option {number}") for number in range(250)]
    jetpack.network.get(url, json=full, headers={"total-pages": "1"})
    jetpack.network.get(url, json=[a_method("Standard")], headers={"total-pages": "1"})

    assert options(jetpack, "Standard") == {"Standard": True}


def test_the_same_page_again_is_an_error(jetpack: Jetpack) -> None:
    jetpack.network.get(f"{API}/shipping-method", json=[a_method("Standard")], headers={"total-pages": "1000000"})

    with pytest.raises(UnexpectedAnswerError) as caught:
        options(jetpack, "Standard")

    assert caught.value.code == "page_repeats"
    assert len(jetpack.network.calls) == 2


def test_pages_without_an_end_are_an_error(jetpack: Jetpack) -> None:
    def page(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        return 200, {"total-pages": "1000000"}, json.dumps([a_method(f"Option {request.url}")])

    jetpack.network.add_callback("GET", f"{API}/shipping-method", page)

    with pytest.raises(UnexpectedAnswerError) as caught:
        options(jetpack, "Standard")

    assert caught.value.code == "no_last_page"
    assert len(jetpack.network.calls) == 100


def test_ship_options_that_are_no_list_are_an_error(jetpack: Jetpack) -> None:
    jetpack.network.get(f"{API}/shipping-method", json={"items": []})

    with pytest.raises(UnexpectedAnswerError) as caught:
        options(jetpack, "Standard")

    assert caught.value.code == "not_a_list"


def test_known_ship_options_are_remembered_for_five_minutes(jetpack: Jetpack) -> None:
    jetpack.network.get(f"{API}/shipping-method", json=[a_method("Standard"), a_method("Old", active=False)])

    for expected in (1, 1, 2):
        assert options(jetpack, "Standard") == {"Standard": True}
        assert len(jetpack.network.calls) == expected
        jetpack.now += 299 if expected == 1 and jetpack.now == 0 else 2


@pytest.mark.parametrize(("name", "known"), [("Old", {"Old": False}), ("standard", {})])
def test_a_missing_or_inactive_ship_option_is_asked_for_each_time(
    jetpack: Jetpack, name: str, known: dict[str, bool]
) -> None:
    jetpack.network.get(f"{API}/shipping-method", json=[a_method("Standard"), a_method("Old", active=False)])

    for expected in (1, 2):
        assert options(jetpack, name) == known
        assert len(jetpack.network.calls) == expected


def a_catalogue_product(*variants: tuple[str | None, str | None]) -> Json:
    return {"id": 1, "name": "x", "variants": [{"sku": sku, "status": status} for sku, status in variants]}


def skus(jetpack: Jetpack, *names: str) -> dict[str, bool]:
    return jetpack.warehouse.catalogue(frozenset(names), frozenset()).skus


def test_only_the_exact_sku_counts(jetpack: Jetpack) -> None:
    products = [
        a_catalogue_product(("TEA-250", "Active"), ("TEA-250-XL", "Active"), (None, "Active")),
        a_catalogue_product(("tea-100", "Active"), ("MUG", "Inactive")),
        {"id": 3, "variants": None},
    ]
    jetpack.network.get(f"{API}/product", json={"items": products, "next": None})

    assert skus(jetpack, "TEA-250", "TEA-100", "MUG") == {"TEA-250": True, "MUG": False}
    assert jetpack.queries() == [{"SKU": "any:MUG,TEA-100,TEA-250", "PageSize": "250"}]


@pytest.mark.parametrize(
    ("variant", "known"),
    [
        ({"status": "Active", "is_digital": False}, True),
        ({"status": "Active", "is_digital": None}, True),
        ({"status": "Active", "bundle_definition": [{"variant_id": 2, "variant_sku": "MUG", "quantity": 1}]}, True),
        ({"status": "Active", "is_digital": True}, False),
        ({"status": "Inactive"}, False),
        ({"status": "Archived"}, False),
        ({"status": None}, False),
    ],
)
def test_a_sku_is_good_only_if_a_parcel_comes_of_it(jetpack: Jetpack, variant: Json, *, known: bool) -> None:
    product = {"id": 1, "type": "Bundle", "variants": [{"sku": "SET", **variant}]}
    jetpack.network.get(f"{API}/product", json={"items": [product], "next": None})

    assert skus(jetpack, "SET") == {"SET": known}


def test_one_active_variant_is_enough(jetpack: Jetpack) -> None:
    products = [a_catalogue_product(("MUG", "Inactive")), a_catalogue_product(("MUG", "Active"))]
    jetpack.network.get(f"{API}/product", json={"items": products, "next": None})

    assert skus(jetpack, "MUG") == {"MUG": True}
    assert jetpack.queries()[0]["SKU"] == "MUG"


def test_active_skus_are_remembered_for_ten_minutes_and_others_are_not(jetpack: Jetpack) -> None:
    products = [a_catalogue_product(("TEA", "Active"), ("MUG", None))]
    jetpack.network.get(f"{API}/product", json={"items": products, "next": None})

    assert skus(jetpack, "TEA", "MUG", "CUP") == {"TEA": True, "MUG": False}
    jetpack.now += 599
    assert skus(jetpack, "TEA") == {"TEA": True}
    assert skus(jetpack, "TEA", "MUG", "CUP") == {"TEA": True, "MUG": False}
    jetpack.now += 2
    assert skus(jetpack, "TEA") == {"TEA": True}
    assert [query["SKU"] for query in jetpack.queries()] == ["any:CUP,MUG,TEA", "any:CUP,MUG", "TEA"]


def test_many_skus_are_asked_for_fifty_at_a_time_and_those_with_a_comma_alone(jetpack: Jetpack) -> None:
    jetpack.network.get(f"{API}/product", json={"items": [], "next": None})

    skus(jetpack, "A,B", *(f"SKU-{number:03}" for number in range(51)))

    asked = [query["SKU"] for query in jetpack.queries()]
    assert asked[0] == "A,B"
    assert asked[1].removeprefix("any:").count(",") == 49
    assert asked[2] == "SKU-050"


def a_variant(sku: str, number: int = 1, **changes: Json) -> Json:
    known = {"id": 990000 + number, "sku": sku, "status": "Active", "inventory": {"inventory_id": number}}
    return {"id": number, "name": sku, "variants": [known | changes]}


def lacking(jetpack: Jetpack, *names: str) -> frozenset[str]:
    return jetpack.warehouse.catalogue(frozenset(names), frozenset()).without_customs


CUSTOMS = {"hs_tariff_code": "090230", "country_code_of_origin": "US", "value": 10, "is321_eligible": False}


@pytest.mark.parametrize(
    ("variant", "lacks"),
    [
        ({"customs": CUSTOMS}, False),
        ({"customs": CUSTOMS | {"value": 9.5}}, False),
        ({"customs": CUSTOMS | {"value": "9.50"}}, False),
        ({"customs": CUSTOMS | {"value": None}}, True),
        ({"customs": CUSTOMS | {"value": 0}}, True),
        ({"customs": CUSTOMS | {"hs_tariff_code": None}}, True),
        ({"customs": CUSTOMS | {"hs_tariff_code": " "}}, True),
        ({"customs": CUSTOMS | {"country_code_of_origin": ""}}, True),
        ({"customs": {}}, True),
        ({"customs": None}, True),
        ({}, False),  # an answer that does not speak of it
        ({"customs": None, "bundle_definition": [{"variant_id": 2, "variant_sku": "MUG", "quantity": 1}]}, False),
        ({"customs": None, "status": "Inactive"}, False),
    ],
)
def test_customs_data_are_a_code_an_origin_and_a_value(jetpack: Jetpack, variant: Json, *, lacks: bool) -> None:
    jetpack.network.get(f"{API}/product", json={"items": [a_variant("TEA", **variant)], "next": None})

    assert lacking(jetpack, "TEA") == ({"TEA"} if lacks else set())


def test_one_product_with_customs_data_is_enough(jetpack: Jetpack) -> None:
    products = [a_variant("TEA", 1, customs=None), a_variant("TEA", 2, customs=CUSTOMS), a_variant("MUG", 3)]
    products += [a_variant("MUG", 4, customs={}), a_variant("CUP", 5, customs=CUSTOMS, status="Inactive")]
    jetpack.network.get(f"{API}/product", json={"items": products, "next": None})

    assert lacking(jetpack, "TEA", "MUG", "CUP") == {"MUG"}


def test_the_lack_of_customs_data_is_remembered_for_a_minute(jetpack: Jetpack) -> None:
    jetpack.network.get(f"{API}/product", json={"items": [a_variant("TEA", customs=None)], "next": None})
    jetpack.network.get(f"{API}/product", json={"items": [a_variant("TEA", customs=CUSTOMS)], "next": None})

    assert lacking(jetpack, "TEA") == {"TEA"}
    jetpack.now += 59
    assert lacking(jetpack, "TEA") == {"TEA"}
    jetpack.now += 2
    assert lacking(jetpack, "TEA") == set()
    jetpack.now += 599
    assert lacking(jetpack, "TEA") == set()
    assert len(jetpack.network.calls) == 2


# -- who else forwards ------------------------------------------------------------------------------------------------


def a_seen_order(number: int, created_date: str | None = "2026-11-22T12:00:01+00:00", **changes: Json) -> Json:
    return an_order(id=number, reference_id=f"ss-{number}", created_date=created_date) | changes


def test_orders_are_seen_over_all_channels_oldest_first(jetpack: Jetpack) -> None:
    url = f"{API}/order"
    full = [a_seen_order(number) for number in range(250)]
    jetpack.network.get(url, json=full, headers={"total-pages": "2"})
    jetpack.network.get(url, json=[a_seen_order(250, channel={"id": 778899})], headers={"total-pages": "2"})

    found = list(jetpack.warehouse.orders_since(NOW))

    assert [each.reference for each in found] == [f"ss-{number}" for number in range(251)]
    assert found[0] == SeenAtJetpack("ss-0", "#1001", "120001", NOW + timedelta(seconds=1))
    assert found[-1].channel_id == "778899"
    start = {"StartDate": "2026-11-22T11:59:59+00:00", "SortOrder": "Oldest", "Limit": "250"}
    assert jetpack.queries() == [start | {"Page": "1"}, start | {"Page": "2"}]
    assert not [call for call in jetpack.network.calls if "shipbob_channel_id" in call.request.headers]


def test_of_an_order_seen_everything_may_be_null(jetpack: Jetpack) -> None:
    blank = {"id": 5, "reference_id": None, "order_number": None, "created_date": None, "channel": None}
    rows = [blank, {"id": 6, "created_date": "soon", "channel": {"id": None}}, a_seen_order(7, "2026-11-22T13:00:00")]
    jetpack.network.get(f"{API}/order", json=rows)

    nothing, odd, no_zone = jetpack.warehouse.orders_since(NOW)

    assert nothing == odd == SeenAtJetpack("", "", "", NOW)
    assert no_zone.inserted_at == NOW + timedelta(hours=1)


# -- stock and cursors ------------------------------------------------------------------------------------------------


def a_level(sku: str | None, sellable: int | None, fulfillable: int | None, exception: int | None) -> Json:
    return {
        "inventory_id": 1,
        "sku": sku,
        "total_sellable_quantity": sellable,
        "total_fulfillable_quantity": fulfillable,
        "total_exception_quantity": exception,
    }


@pytest.mark.parametrize("start", ["", HOST])
def test_stock_is_read_page_by_page(jetpack: Jetpack, start: str) -> None:
    url = f"{API}/inventory-level"
    first = {"items": [a_level("TEA", 8, 10, 2), a_level(None, 1, 1, 0)], "next": f"{start}/x/y?cursor=a%2Fb"}
    jetpack.network.get(url, json=first, match=[query_param_matcher({"PageSize": "250"})])
    last = {"items": [a_level("MUG", None, None, None)], "next": None}
    jetpack.network.get(url, json=last, match=[query_param_matcher({"cursor": "a/b"})])

    assert list(jetpack.warehouse.stock()) == [JetpackStock("TEA", 8, 10, 2), JetpackStock("MUG", 0, 0, 0)]


@pytest.mark.parametrize(
    ("page", "code"),
    [
        ({"items": [], "next": "https://evil.example.test/2026-07/inventory-level?cursor=1"}, "other_host"),
        ({"items": [], "next": "//evil.example.test/2026-07/inventory-level?cursor=1"}, "other_host"),
        ({"items": [], "next": "http://api.shipbob.com/2026-07/inventory-level?cursor=1"}, "other_host"),
        ({"items": [], "next": "https://api.shipbob.com:8443/2026-07/inventory-level?cursor=1"}, "other_host"),
        ({"items": [], "next": "https://x@api.shipbob.com/2026-07/inventory-level?cursor=1"}, "other_host"),
        ({"items": [], "next": "/2026-07/inventory-level?cursor=1"}, "cursor_repeats"),
        ({"items": None}, "not_a_page"),
        ([], "not_a_page"),
        ({"items": [{"sku": 5}]}, "unreadable"),
    ],
)
def test_a_page_that_leads_nowhere_is_an_error(jetpack: Jetpack, page: Json, code: str) -> None:
    jetpack.network.get(f"{API}/inventory-level", json=page)

    with pytest.raises(UnexpectedAnswerError) as caught:
        list(jetpack.warehouse.stock())

    assert caught.value.code == code


def test_a_cursor_that_comes_back_later_is_an_error(jetpack: Jetpack) -> None:
    for cursor in ("a", "b", "a"):
        page = {"items": [], "next": f"/2026-07/inventory-level?cursor={cursor}"}
        jetpack.network.get(f"{API}/inventory-level", json=page)

    with pytest.raises(UnexpectedAnswerError) as caught:
        list(jetpack.warehouse.stock())

    assert caught.value.code == "cursor_repeats"
    assert len(jetpack.network.calls) == 3


def test_of_the_next_address_only_the_query_is_followed(jetpack: Jetpack) -> None:
    url = f"{API}/inventory-level"
    jetpack.network.get(url, json={"items": [], "next": f"{HOST}/2026-07/order/1:cancel?cursor=2"})
    jetpack.network.get(url, json={"items": [], "next": None}, match=[query_param_matcher({"cursor": "2"})])

    assert list(jetpack.warehouse.stock()) == []


# -- how much can be sold ---------------------------------------------------------------------------------------------


class Shelves:
    """Answers product and level lists as filtered, and counts."""

    def __init__(self, jetpack: Jetpack, products: list[Json], *levels: Json) -> None:
        self.warehouse = jetpack.warehouse
        self.products, self.levels = products, list(levels)
        self.asked: list[str] = []
        jetpack.network.add_callback("GET", f"{API}/product", self._list_products)
        jetpack.network.add_callback("GET", f"{API}/inventory-level", self._list_levels)
        jetpack.network.assert_all_requests_are_fired = False

    def count(self, *names: str) -> dict[str, int]:
        sellable = self.warehouse.catalogue(frozenset(names), frozenset(), with_stock=True).sellable
        assert sellable is not None
        return sellable

    def _list_products(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        names = self._asked(request, "SKU").removeprefix("any:").split(",")
        found = [each for each in self.products if each["variants"][0]["sku"] in names]
        return 200, {}, json.dumps({"items": found, "next": None})

    def _list_levels(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        self._asked(request, "InventoryIds")
        return 200, {}, json.dumps({"items": self.levels, "next": None})  # all of them: a filter nobody obeys

    def _asked(self, request: requests.PreparedRequest, name: str) -> str:
        query = dict(parse_qsl(urlsplit(str(request.url)).query))
        assert query.keys() == {name, "PageSize"}
        self.asked.append(f"{name}={query[name]}")
        return query[name]


def items(**units: int) -> list[Json]:
    """Levels by the letter of the item: A is 1."""
    return [level_of(ord(letter) - 64, each) for letter, each in units.items()]


def level_of(number: int, sellable: int | None, fulfillable: int | None = None, exception: int = 0) -> Json:
    level = a_level(None, sellable, sellable if fulfillable is None else fulfillable, exception)
    return level | {"inventory_id": number}


def a_bundle(sku: str, number: int, *parts: tuple[int, str | None, int | None], **changes: Json) -> Json:
    definition = [
        {"product_id": each, "variant_id": 990000 + each, "variant_sku": part, "quantity": quantity}
        for each, part, quantity in parts
    ]
    return a_variant(sku, number, bundle_definition=definition, **changes)


@pytest.mark.parametrize(
    ("level", "units"),
    [
        (level_of(1, 8, 10, 2), 8),
        (level_of(1, 130, 100, 10), 90),  # the other reading of the vendor's texts (facts 16.4)
        (level_of(1, 3, 100, 10), 3),
        (level_of(1, -2, 5, 7), 0),
        (level_of(1, None, 5), 0),
        (level_of(2, 8), 0),
    ],
)
def test_what_can_be_sold_is_the_smaller_reading_and_never_below_zero(
    jetpack: Jetpack, level: Json, units: int
) -> None:
    assert Shelves(jetpack, [a_variant("TEA")], level).count("TEA") == {"TEA": units}


def test_levels_are_asked_for_together_and_kept_for_a_minute(jetpack: Jetpack) -> None:
    products = [a_variant("TEA", 1), a_variant("MUG", 2), a_variant("CUP", 3)]
    shelves = Shelves(jetpack, products, *items(A=5, B=6, C=7))

    assert shelves.count("TEA", "MUG") == {"TEA": 5, "MUG": 6}
    shelves.levels = items(A=1, B=2, C=3)
    jetpack.now += 59
    assert shelves.count("TEA", "CUP") == {"TEA": 5, "CUP": 3}
    jetpack.now += 2
    assert shelves.count("TEA") == {"TEA": 1}
    assert shelves.asked == [
        "SKU=any:MUG,TEA",
        "InventoryIds=1,2",
        "SKU=CUP",
        "InventoryIds=3",
        "InventoryIds=1",
    ]


def test_nothing_of_a_sku_without_stock_of_its_own_is_asked_for(jetpack: Jetpack) -> None:
    products = [a_variant("TEA", 1, inventory=None), a_variant("MUG", 2, inventory={}), a_variant("OLD", 3, status="")]
    shelves = Shelves(jetpack, products, *items(A=5, B=6, C=7))

    assert shelves.count("TEA", "MUG", "OLD", "GHOST") == {"TEA": 0, "MUG": 0, "OLD": 0, "GHOST": 0}
    assert shelves.asked == ["SKU=any:GHOST,MUG,OLD,TEA"]


def test_of_several_products_with_one_sku_the_fullest_counts(jetpack: Jetpack) -> None:
    products = [a_variant("TEA", 1), a_variant("TEA", 2), a_variant("TEA", 2), a_variant("TEA", 3, status="Inactive")]

    assert Shelves(jetpack, products, *items(A=5, B=6, C=70)).count("TEA") == {"TEA": 6}


@pytest.mark.parametrize(
    ("parts", "units"),
    [
        (((1, "TEA", 1),), 9),
        (((1, "TEA", 2), (2, "MUG", 1)), 4),
        (((1, "TEA", 1), (2, "MUG", 3)), 1),
        (((1, "TEA", 1), (1, "TEA", 2)), 3),
        (((1, "TEA", 1), (4, "E-BOOK", 1)), 9),
        (((4, "E-BOOK", 1),), 0),
        (((1, "TEA", 1), (3, "OLD", 1)), 0),
        (((1, "TEA", 1), (5, "GHOST", 1)), 0),
        (((1, "TEA", 1), (2, None, 1)), 0),
        (((1, "TEA", None),), 0),
        (((1, "TEA", 0),), 0),
        (((7, "TEA", 1),), 0),  # another product of that SKU
    ],
)
def test_a_bundle_is_as_many_as_its_scarcest_part_allows(
    jetpack: Jetpack, parts: tuple[tuple[int, str | None, int | None], ...], units: int
) -> None:
    products = [a_variant("TEA", 1), a_variant("MUG", 2), a_variant("OLD", 3, status="Inactive")]
    products += [a_variant("E-BOOK", 4, is_digital=True), a_bundle("SET", 6, *parts)]
    shelves = Shelves(jetpack, products, *items(A=9, B=4, C=9, D=0, F=50))

    assert shelves.count("SET") == {"SET": units}


def test_the_parts_of_all_bundles_cost_one_more_call_and_are_remembered(jetpack: Jetpack) -> None:
    products = [a_variant("TEA", 1), a_variant("MUG", 2), a_bundle("SET", 3, (1, "TEA", 1), (2, "MUG", 1))]
    products += [a_bundle("TWO", 4, (1, "TEA", 2))]
    shelves = Shelves(jetpack, products, *items(A=9, B=4))

    for _ in range(2):
        assert shelves.count("SET", "TWO", "TEA") == {"SET": 4, "TWO": 4, "TEA": 9}
    assert shelves.asked == ["SKU=any:SET,TEA,TWO", "SKU=MUG", "InventoryIds=1,2"]


def test_levels_of_many_items_are_asked_for_150_at_a_time(jetpack: Jetpack) -> None:
    products = [a_variant(f"SKU-{number:03}", number) for number in range(1, 152)]
    shelves = Shelves(jetpack, products, *(level_of(number, number) for number in range(1, 152)))

    found = shelves.count(*(each["name"] for each in products))

    assert (found["SKU-001"], found["SKU-151"]) == (1, 151)
    levels = [each for each in shelves.asked if each.startswith("InventoryIds=")]
    assert [each.count(",") + 1 for each in levels] == [150, 1]


# -- where the token goes, and what errors say ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "connection",
    [
        JetpackConnection("https://api.shipbob.com.evil.test"),
        JetpackConnection("http://api.shipbob.com"),
        JetpackConnection("https://x.shipbob.com"),
        JetpackConnection(channel_id="12\r\nX-Evil: 1"),
        JetpackConnection(api_version="2026-07/../../x"),
        JetpackConnection(api_version="2026-03"),
        JetpackConnection(api_version=""),
    ],
)
def test_the_token_goes_to_the_vendor_only(connection: JetpackConnection) -> None:
    with pytest.raises(ConfigurationError):
        JetpackWarehouse(connection, lambda _again: SECRET, production=True)


def test_the_sandbox_is_the_vendors_too() -> None:
    JetpackWarehouse(JetpackConnection("https://sandbox-api.shipbob.com"), lambda _again: SECRET, production=True)


def test_the_version_is_a_setting(jetpack: Jetpack) -> None:
    jetpack.network.get(f"{HOST}/2026-01/order", json=[])
    connection = JetpackConnection(api_version="2026-01")

    assert JetpackWarehouse(connection, lambda _again: SECRET, production=True).find_order(REFERENCE) is None


def test_without_a_channel_there_is_no_header(jetpack: Jetpack) -> None:
    jetpack.network.get(f"{API}/order", json=[])
    warehouse = JetpackWarehouse(JetpackConnection(), lambda _again: SECRET, production=True)

    warehouse.find_order(REFERENCE)

    assert "shipbob_channel_id" not in jetpack.network.calls[0].request.headers


PERSONAL = f"Ada Sample, 1 Nowhere Rd, ada@example.test, {SECRET}"


@pytest.mark.parametrize("call", [*WRITES, *READS])
@pytest.mark.parametrize(
    "answer",
    [
        {"status": 400, "json": {"recipient.name": [PERSONAL]}},
        {"status": 422, "json": {PERSONAL: [PERSONAL], "": [PERSONAL]}},
        {"status": 422, "json": {"errors": [f"The product of {PERSONAL}"]}},
        {"status": 401, "json": {"message": PERSONAL}},
        {"status": 429, "json": {"message": PERSONAL}},
        {"status": 500, "body": PERSONAL},
        {"status": 200, "body": PERSONAL},
        {"status": 200, "json": {"id": PERSONAL, "status": [PERSONAL]}},
        {"status": 200, "json": [{"id": PERSONAL}]},
        {"status": 200, "body": requests.ReadTimeout(PERSONAL)},
    ],
)
def test_no_error_tells_the_token_or_anything_personal(
    jetpack: Jetpack, call: Callable[[JetpackWarehouse], object], answer: dict[str, Any]
) -> None:
    everywhere(jetpack, **answer)

    try:
        said = repr(call(jetpack.warehouse))
    except JetbridgeError as error:
        said = "".join(traceback.format_exception(error)) + repr(vars(error))

    assert not [word for word in ("Ada Sample", "Nowhere", "ada@", SECRET) if word in said]
