"""Jetpack's adapter: what is sent to change shipments, and what its answers are taken for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from responses.matchers import header_matcher

from jetbridge.domain.order import Address
from jetbridge.errors import OutcomeUnknownError, RejectedByPartnerError, UnexpectedAnswerError
from jetbridge.ports import Cancellation, Change, ParcelTracking
from tests.adapters.test_jetpack import API, NEW, Jetpack, a_method, a_result, a_shipment

if TYPE_CHECKING:
    from collections.abc import Iterator

type Json = Any

ADDRESS_LINE = f"{API}/shipment/70000001:updateAddress"


@pytest.fixture
def jetpack() -> Iterator[Jetpack]:
    with responses.RequestsMock() as network:
        yield Jetpack(network)


def results(*each: Json) -> Json:
    return {"summary": {"total": len(each), "successful": 0, "failed": 0}, "results": list(each)}


def done(number: int, **more: object) -> Json:
    return {"id": number, "is_success": True, "error": None} | more


def failed(number: int, code: str | None = "CONFLICT", message: str | None = "The shipment is picked") -> Json:
    return {"id": number, "is_success": False, "error": {"code": code, "message": message}}


# -- the address ------------------------------------------------------------------------------------------------------


def test_an_address_is_sent_under_its_other_names(jetpack: Jetpack) -> None:
    jetpack.network.put(ADDRESS_LINE, json=done(70000001), match=[header_matcher({"shipbob_channel_id": "120001"})])

    assert jetpack.warehouse.change_address("70000001", NEW.recipient, "ada@example.test") == Change(done=True)

    assert jetpack.sent() == {
        "street_address1": "1 Nowhere Rd",
        "street_address2": "Suite 5",
        "city": "Springfield",
        "state": "IL",
        "zip_code": "62701",
        "country_code": "US",
        "recipient_name": "Ada Sample",
        "company_name": "Example & Sons",
        "email": "ada@example.test",
        "phone_number": NEW.recipient.phone or None,
    }


def test_a_company_is_its_own_recipient_and_what_is_empty_is_null(jetpack: Jetpack) -> None:
    jetpack.network.put(ADDRESS_LINE, json=done(70000001))
    to = Address(company="Example & Sons", address1="1 Nowhere Rd", city="Springfield", country_code="US")

    jetpack.warehouse.change_address("70000001", to, "")

    sent = jetpack.sent()
    assert sent["recipient_name"] == sent["company_name"] == "Example & Sons"
    assert [name for name, value in sent.items() if value is None] == [
        "street_address2",
        "state",
        "zip_code",
        "email",
        "phone_number",
    ]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"code": "CONFLICT", "message": "The shipment is picked"}, "CONFLICT: The shipment is picked"),
        (
            {"code": "VALIDATION_ERROR", "message": "1 nowhere rd of this shipment is no street"},
            "VALIDATION_ERROR: refused without words that may be repeated",
        ),
        (
            {"code": "VALIDATION_ERROR", "message": "Springfield: no such location"},
            "VALIDATION_ERROR: refused without words that may be repeated",
        ),
        ({"code": "TELEPORT_FIRST", "message": None}, "TELEPORT_FIRST: refused without words that may be repeated"),
        ({"code": "SPRINGFIELD", "message": "x"}, "refused without words that may be repeated"),
        ({"code": "Ada Sample", "message": "shipment of ada sample"}, "refused without words that may be repeated"),
        (None, "refused without words that may be repeated"),
    ],
)
def test_a_refusal_says_its_kind_and_nothing_personal(jetpack: Jetpack, error: Json, reason: str) -> None:
    jetpack.network.put(ADDRESS_LINE, json={"id": 70000001, "is_success": False, "error": error})
    jetpack.network.put(ADDRESS_LINE, json=error, status=400)

    for _ in range(2):
        assert jetpack.warehouse.change_address("70000001", NEW.recipient, NEW.email) == Change(
            done=False, reason=reason
        )


def test_an_unknown_shipment_has_no_address_to_change(jetpack: Jetpack) -> None:
    jetpack.network.put(ADDRESS_LINE, json={"code": "NOT_FOUND", "message": "Shipment not found"}, status=404)

    change = jetpack.warehouse.change_address("70000001", NEW.recipient, "")

    assert change == Change(done=False, reason="Jetpack does not know the shipment")


# -- several at once --------------------------------------------------------------------------------------------------


def test_a_ship_option_is_sent_as_the_service_it_stands_for(jetpack: Jetpack) -> None:
    methods = [
        a_method("Express", active=False) | {"service_level": {"id": 3}},
        a_method("Express") | {"id": 5009, "service_level": {"id": 9, "name": "(FedEx 2 Day)"}},
        a_method("Express", active=False) | {"service_level": {"id": 8}},
    ]
    jetpack.network.get(f"{API}/shipping-method", json=methods)
    jetpack.network.put(f"{API}/shipment:bulkUpdateShippingService", json=results(done(1), failed(2)))

    assert jetpack.warehouse.change_ship_option(["1", "2"], "Express") == {
        "1": Change(done=True),
        "2": Change(done=False, reason="CONFLICT: The shipment is picked"),
    }
    assert jetpack.sent(1) == {
        "requested_shipping_service_id": 9,
        "reason": "Changed by the merchant",
        "shipment_ids": [1, 2],
    }


@pytest.mark.parametrize(
    "method",
    [
        a_method("express"),
        a_method("Express", active=False),
        a_method("Express") | {"service_level": None},
        a_method("Express") | {"service_level": {"id": None}},
    ],
)
def test_an_option_that_stands_for_no_service_is_refused_before_anything_is_sent(
    jetpack: Jetpack, method: Json
) -> None:
    jetpack.network.get(f"{API}/shipping-method", json=[method])

    with pytest.raises(RejectedByPartnerError) as caught:
        jetpack.warehouse.change_ship_option(["1"], "Express")

    assert caught.value.code == "no_ship_option"


def test_a_hold_keeps_the_stock_and_a_release_says_what_is_left(jetpack: Jetpack) -> None:
    jetpack.network.post(f"{API}/shipment:bulkPlaceOnHold", json=results(done(1)))
    still = done(1, is_still_on_hold_due_to_other_reasons=True)
    free = done(2, is_still_on_hold_due_to_other_reasons=False)
    jetpack.network.post(f"{API}/shipment:bulkReleaseHold", json=results(still, free))

    assert jetpack.warehouse.hold_shipments(["1"]) == {"1": Change(done=True)}
    assert jetpack.warehouse.release_shipments(["1", "2"]) == {
        "1": Change(done=True, reason="still on hold for other reasons"),
        "2": Change(done=True),
    }
    assert jetpack.sent(0) == {"shipment_ids": [1], "reserve_inventory": True}
    assert jetpack.sent(1) == {"shipment_ids": [1, 2]}


def test_results_in_the_siblings_spelling_are_read(jetpack: Jetpack) -> None:
    rows = [{"shipmentId": 1, "isSuccess": True}, {"shipment_id": 2, "is_success": False}]
    jetpack.network.post(f"{API}/shipment:bulkPlaceOnHold", json={"results": rows})

    changes = jetpack.warehouse.hold_shipments(["1", "2"])

    assert [change.done for change in changes.values()] == [True, False]


def test_many_shipments_are_changed_250_at_a_time_and_each_once(jetpack: Jetpack) -> None:
    url = f"{API}/shipment:bulkPlaceOnHold"
    jetpack.network.post(url, json=results(*(done(number) for number in range(1, 251))))
    jetpack.network.post(url, json=results(done(251)))
    asked = [str(number) for number in range(1, 252)]

    changes = jetpack.warehouse.hold_shipments([*asked, "7"])

    assert list(changes) == asked
    assert [len(jetpack.sent(number)["shipment_ids"]) for number in range(2)] == [250, 1]


def test_a_shipment_left_out_of_the_results_may_have_been_changed(jetpack: Jetpack) -> None:
    jetpack.network.post(f"{API}/shipment:bulkPlaceOnHold", json=results(done(1), done(3)))

    with pytest.raises(OutcomeUnknownError):
        jetpack.warehouse.hold_shipments(["1", "2"])


# -- cancelling one ---------------------------------------------------------------------------------------------------


def cancelled(jetpack: Jetpack, *rows: Json, status: int = 200, after: Json = None) -> Cancellation:
    jetpack.network.post(
        f"{API}/shipment:batchCancel",
        json={"results": list(rows)} if status == 200 else rows[0],
        status=status,
        match=[header_matcher({"shipbob_channel_id": "120001"})],
    )
    if after:
        jetpack.network.get(f"{API}/shipment/7", json=after)
    return jetpack.warehouse.cancel_shipment("7")


def test_a_cancel_of_one_shipment_is_judged_by_is_success(jetpack: Jetpack) -> None:
    assert cancelled(jetpack, a_result(7)) == Cancellation(confirmed=True)
    assert jetpack.sent() == {"shipment_ids": [7]}


@pytest.mark.parametrize(("status", "row"), [(200, a_result(7, "The shipment is picked", success=False)), (422, None)])
@pytest.mark.parametrize(("shown", "confirmed"), [("Cancelled", True), ("Canceled", True), ("Processing", False)])
def test_a_refused_cancel_counts_if_the_shipment_is_cancelled_already(
    jetpack: Jetpack, status: int, row: Json, shown: str, *, confirmed: bool
) -> None:
    row = row or {"": ["The shipment is picked"]}
    answer = cancelled(jetpack, row, status=status, after=a_shipment(7, status=shown))

    reasons = () if confirmed else ("The shipment is picked",)
    assert answer == Cancellation(confirmed=confirmed, reasons=reasons)


# -- tracking ---------------------------------------------------------------------------------------------------------


def test_where_a_parcel_is_can_be_said_in_two_shapes(jetpack: Jetpack) -> None:
    live = {
        "shipment_id": 1,
        "tracking_number": "1ZTEST0001",
        "carrier": "UPS",
        "current_status": "AvailableForPickup",
        "current_timestamp": "2026-11-22T10:00:00",
        "tracking_url": "https://track.example.test/1",
        "history": [],
    }
    april = {
        "shipment_id": 2,
        "carrier_tracking_number": "1ZTEST0002",
        "carrier": "UPS",
        "status": "Available for Pickup",
        "last_updated": "2026-11-22T11:00:00+01:00",
        "public_tracking_url": "https://track.example.test/2",
        "substatus": "x",
    }
    jetpack.network.get(f"{API}/shipments-tracking", json=[live, april])

    assert list(jetpack.warehouse.tracking(["1", "2"])) == [
        ParcelTracking(
            str(number),
            "AvailableForPickup",
            f"1ZTEST000{number}",
            "UPS",
            f"https://track.example.test/{number}",
            datetime(2026, 11, 22, 10, tzinfo=UTC),
        )
        for number in (1, 2)
    ]


def test_nearly_nothing_may_be_known_of_a_parcel_and_a_strange_status_stays(jetpack: Jetpack) -> None:
    empty = dict.fromkeys(("tracking_number", "carrier", "current_status", "current_timestamp", "tracking_url"))
    rows = [
        empty | {"shipment_id": 1},
        dict.fromkeys(empty, "") | {"shipment_id": 2},
        {"shipment_id": 3, "current_status": "Eaten by the dog", "current_timestamp": "yesterday"},
        {"shipment_id": 4, "current_status": "Delivered"},
    ]
    jetpack.network.get(f"{API}/shipments-tracking", json=rows)

    assert list(jetpack.warehouse.tracking(["1", "2", "3"])) == [
        ParcelTracking("1", ""),
        ParcelTracking("2", ""),
        ParcelTracking("3", "Eatenbythedog"),
    ]


def test_parcels_are_asked_for_25_at_a_time_the_parameter_repeated(jetpack: Jetpack) -> None:
    jetpack.network.get(f"{API}/shipments-tracking", json=[])

    list(jetpack.warehouse.tracking([*(str(number) for number in range(1, 27)), "3", "x"]))

    asked = [parse_qs(urlsplit(str(call.request.url)).query)["ShipmentIds"] for call in jetpack.network.calls]
    assert [len(each) for each in asked] == [25, 1]
    assert asked[1] == ["26"]
    assert "shipbob_channel_id" not in jetpack.network.calls[0].request.headers


@pytest.mark.parametrize("body", [{}, None, "x", [{"shipment_id": None}], [{}], [7]])
def test_tracking_of_another_shape_is_unexpected(jetpack: Jetpack, body: Json) -> None:
    jetpack.network.get(f"{API}/shipments-tracking", json=body)

    with pytest.raises(UnexpectedAnswerError):
        list(jetpack.warehouse.tracking(["1"]))


def test_the_new_recipients_words_are_personal_too(jetpack: Jetpack) -> None:
    to = replace(NEW.recipient, name="Grace Example", phone="555 0199")
    error = {"code": "VALIDATION_ERROR", "message": "grace's shipment: 0199 is no number"}
    jetpack.network.put(ADDRESS_LINE, json={"id": 70000001, "is_success": False, "error": error})

    assert "grace" not in jetpack.warehouse.change_address("70000001", to, "").reason
