"""Jetpack's administration: what connecting looks at, and webhook subscriptions whose secret is shown once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import responses
from responses.matchers import query_param_matcher

from jetbridge.domain.store import JetpackConnection
from jetbridge.errors import (
    CredentialsRejectedError,
    OutcomeUnknownError,
    RejectedByPartnerError,
    UnexpectedAnswerError,
)
from jetbridge.partners.http import Seams
from jetbridge.partners.jetpack.administration import JetpackAdmin
from jetbridge.ports import Channel, Subscription, WarehouseFacts
from local.simulators.jetpack import SCOPES, JetpackSimulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

type Json = Any

API = "https://api.shipbob.com/2026-07"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HTTP_NOW = "Sun, 22 Nov 2026 12:00:00 GMT"
SECRET = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY"  # noqa: S105 - invented
ADDRESS = "https://hooks.example.test/webhooks/jetpack/demo"
TOPICS = ("order.shipped", "order.shipment.on_hold")


def admin_of(address: str, token: str = "pat-example", version: str = "2026-07") -> JetpackAdmin:  # noqa: S107 - invented
    return JetpackAdmin(
        JetpackConnection(address, version),
        lambda _again: token,
        production=False,
        now=lambda: NOW,
        seams=Seams(sleep=lambda _seconds: None),
    )


# -- against the simulator --------------------------------------------------------------------------------------------


@pytest.fixture
def simulator() -> Iterator[JetpackSimulator]:
    with JetpackSimulator(rate_limit_per_minute=None) as running:
        yield running


@pytest.fixture(params=["2026-07", "2026-01"])
def admin(request: pytest.FixtureRequest, simulator: JetpackSimulator) -> JetpackAdmin:
    return admin_of(simulator.url, version=request.param)


def test_an_account_shows_its_channels_options_and_who_else_forwards(
    admin: JetpackAdmin, simulator: JetpackSimulator
) -> None:
    simulator.add_shipping_method("Slow boat", active=False)
    simulator.add_foreign_order("ss-1", {"TEA-250": 1})
    simulator.clock_offset_seconds += 3600
    since = simulator.now()
    for number in (2, 3):
        simulator.add_foreign_order(f"ss-{number}", {"TEA-250": 1})

    facts = admin.facts(since)

    assert [(each.id, each.application, each.writable) for each in facts.channels] == [
        ("120001", "SMA", True),
        ("120000", "ShipBob", False),
        ("778899", "Forwarder", False),
    ]
    assert facts.channels[0].scopes == SCOPES
    assert dict(facts.ship_options) == {
        "Standard": True,
        "Ground": True,
        "Overnight": True,
        "2-Day": True,
        "Economy": True,
        "Slow boat": False,
    }
    assert facts.recent_orders == (("778899", 2),)


def test_ship_options_are_read_anew_each_time(admin: JetpackAdmin, simulator: JetpackSimulator) -> None:
    before = dict(admin.ship_options())
    simulator.set_shipping_method("Economy", active=False)
    simulator.add_shipping_method("Slow boat")

    assert dict(admin.ship_options()) == before | {"Economy": False, "Slow boat": True}


def test_only_the_centers_that_ship_for_us_are_listed(admin: JetpackAdmin, simulator: JetpackSimulator) -> None:
    assert admin.locations() == (("9", "Bethlehem (PA)"), ("156", "Ontario 6 (CA)"))
    assert not simulator.unknown_fields


def test_webhooks_are_subscribed_listed_and_deleted(admin: JetpackAdmin, simulator: JetpackSimulator) -> None:
    secret = admin.subscribe(TOPICS, ADDRESS)

    (listed,) = admin.subscriptions()
    assert listed == Subscription(listed.id, TOPICS, ADDRESS, active=True)
    assert simulator.subscriptions[listed.id].secrets == (secret,)
    assert simulator.subscriptions[listed.id].channel_id is None

    simulator.disable_webhook(listed.id)
    assert [each.active for each in admin.subscriptions()] == [False]

    for _ in range(2):
        admin.unsubscribe(listed.id)
        assert admin.subscriptions() == ()


def test_a_subscription_is_refused_in_words(admin: JetpackAdmin) -> None:
    with pytest.raises(RejectedByPartnerError) as caught:
        admin.subscribe(["order.created"], ADDRESS)

    assert "topics" in str(caught.value)
    assert admin.subscriptions() == ()


@pytest.mark.parametrize("kind", ["timeout_after", "malformed", "500", "html"])
def test_a_subscription_whose_answer_is_lost_may_be_there(
    admin: JetpackAdmin, simulator: JetpackSimulator, kind: str
) -> None:
    simulator.fail(kind, "create_webhook")

    with pytest.raises(OutcomeUnknownError):
        admin.subscribe(TOPICS, ADDRESS)


def test_a_bad_token_is_told_at_once(simulator: JetpackSimulator) -> None:
    admin = admin_of(simulator.url, "pat-other")

    for call in (lambda: admin.facts(NOW), admin.subscriptions, lambda: admin.subscribe(TOPICS, ADDRESS)):
        with pytest.raises(CredentialsRejectedError):
            call()


# -- scripted answers -------------------------------------------------------------------------------------------------


@pytest.fixture
def network() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def scripted(network: responses.RequestsMock) -> JetpackAdmin:  # noqa: ARG001 - nothing goes beyond it
    return admin_of("https://api.shipbob.com")


def facts(network: responses.RequestsMock, admin: JetpackAdmin, orders: list[Json], **headers: str) -> WarehouseFacts:
    first = {"items": [{"id": 1, "name": None, "application_name": None, "scopes": None}], "next": "/x?Cursor=2"}
    last = {"items": [{"id": 2, "name": "Own", "application_name": "SMA", "scopes": ["orders_write"]}], "next": None}
    network.get(f"{API}/channel", json=first, match=[query_param_matcher({"RecordsPerPage": "250"})])
    network.get(f"{API}/channel", json=last, headers=headers, match=[query_param_matcher({"Cursor": "2"})])
    network.get(f"{API}/shipping-method", json=[{"name": "Standard", "active": None}, {"name": None}])
    network.get(f"{API}/order", json=orders)
    return admin.facts(NOW - timedelta(days=3))


def test_every_page_of_channels_is_read_and_nulls_are_empty(
    network: responses.RequestsMock, scripted: JetpackAdmin
) -> None:
    orders = [{"id": 1, "channel": {"id": 2}}, {"id": 2, "channel": None}, {"id": 3, "channel": {"id": 2}}]

    assert facts(network, scripted, orders) == WarehouseFacts(
        channels=(Channel("1", "", "", frozenset()), Channel("2", "Own", "SMA", frozenset({"orders_write"}))),
        ship_options=(("Standard", False),),
        recent_orders=(("", 1), ("2", 2)),
    )
    request = network.calls[-1].request
    assert "shipbob_channel_id" not in request.headers
    assert dict(parse_qsl(urlsplit(str(request.url)).query)) == {
        "StartDate": "2026-11-19T12:00:00+00:00",
        "SortOrder": "Newest",
        "Page": "1",
        "Limit": "250",
    }


@pytest.mark.parametrize(
    ("date", "ahead"),
    [
        (HTTP_NOW, 0.0),
        ("Sun, 22 Nov 2026 12:10:00 GMT", 600.0),
        ("Sun, 22 Nov 2026 11:59:00 GMT", -60.0),
        ("Sun, 22 Nov 2026 11:59:00 -0000", 0.0),
        ("soon", 0.0),
        ("", 0.0),
    ],
)
def test_their_clock_is_compared_with_ours(
    network: responses.RequestsMock, scripted: JetpackAdmin, date: str, ahead: float
) -> None:
    assert facts(network, scripted, [], Date=date).clock_ahead_seconds == ahead


def test_of_very_many_recent_orders_a_thousand_are_counted(
    network: responses.RequestsMock, scripted: JetpackAdmin
) -> None:
    def page(_request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        rows = [{"id": f"{len(network.calls)}{number}", "channel": {"id": 5}} for number in range(250)]
        return 200, {"total-pages": "99"}, json.dumps(rows)

    network.get(f"{API}/channel", json={"items": [], "next": None})
    network.get(f"{API}/shipping-method", json=[])
    network.add_callback("GET", f"{API}/order", page)

    assert scripted.facts(NOW).recent_orders == (("5", 1000),)


def test_a_center_ships_only_if_everything_says_so(network: responses.RequestsMock, scripted: JetpackAdmin) -> None:
    good = {"id": 9, "name": "Here", "is_active": True, "is_shipping_enabled": True, "access_granted": True}
    others = [good | {"id": 10, name: value} for name in list(good)[2:] for value in (False, None)]
    url = f"{API}/location"
    network.get(url, json=[*others, good, good | {"id": 11, "name": None}, {"id": 12}])

    assert scripted.locations() == (("9", "Here"), ("11", ""))


@pytest.mark.parametrize("body", [{"items": []}, "x", [{"id": "Ada"}]])
def test_centers_that_cannot_be_read_are_an_error(
    network: responses.RequestsMock, scripted: JetpackAdmin, body: Json
) -> None:
    network.get(f"{API}/location", json=body)

    with pytest.raises(UnexpectedAnswerError):
        scripted.locations()


def made(**changes: object) -> Json:
    return {"id": "301", "url": ADDRESS, "topics": list(TOPICS), "secret": SECRET} | changes


@pytest.mark.parametrize("status", [200, 201])
def test_a_subscription_gives_its_secret_whatever_the_2xx(
    network: responses.RequestsMock, scripted: JetpackAdmin, status: int
) -> None:
    network.post(f"{API}/webhook", json=made(), status=status)

    assert scripted.subscribe(TOPICS, ADDRESS) == SECRET

    body = network.calls[0].request.body
    assert body
    assert json.loads(body) == {"url": ADDRESS, "topics": list(TOPICS), "description": "Jetbridge"}


@pytest.mark.parametrize("secret", [None, "", "********", "whsec_", "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY"])
def test_a_subscription_without_a_usable_secret_is_deleted_again(
    network: responses.RequestsMock, scripted: JetpackAdmin, secret: str | None
) -> None:
    network.post(f"{API}/webhook", json=made(secret=secret))
    network.delete(f"{API}/webhook/301", status=204)

    with pytest.raises(UnexpectedAnswerError) as caught:
        scripted.subscribe(TOPICS, ADDRESS)

    assert caught.value.code == "no_secret"
    assert network.calls[-1].request.method == "DELETE"


def test_a_secret_is_in_no_error(network: responses.RequestsMock, scripted: JetpackAdmin) -> None:
    network.post(f"{API}/webhook", json={"secret": SECRET, "id": None})

    with pytest.raises(OutcomeUnknownError) as caught:
        scripted.subscribe(TOPICS, ADDRESS)

    assert SECRET not in repr(vars(caught.value)) + str(caught.value)


@pytest.mark.parametrize("status", [200, 202, 204, 404])
def test_a_deleted_subscription_is_gone_whatever_the_2xx(
    network: responses.RequestsMock, scripted: JetpackAdmin, status: int
) -> None:
    network.delete(f"{API}/webhook/301", status=status)

    scripted.unsubscribe("301")

    assert len(network.calls) == 1


@pytest.mark.parametrize("enabled", [True, False, None])
def test_every_page_of_subscriptions_is_listed(
    network: responses.RequestsMock, scripted: JetpackAdmin, *, enabled: bool | None
) -> None:
    first = {"items": [{"id": "1", "enabled": enabled}], "next": "https://api.shipbob.com/2026-07/webhook?Cursor=2"}
    network.get(f"{API}/webhook", json=first, match=[query_param_matcher({"RecordsPerPage": "250"})])
    last = {"items": [{"id": 2, "url": ADDRESS, "topics": ["x.y"], "enabled": True}], "next": None}
    network.get(f"{API}/webhook", json=last, match=[query_param_matcher({"Cursor": "2"})])

    assert scripted.subscriptions() == (
        Subscription("1", (), "", active=enabled is not False),
        Subscription("2", ("x.y",), ADDRESS),
    )


def test_a_list_of_subscriptions_leads_to_no_other_host(
    network: responses.RequestsMock, scripted: JetpackAdmin
) -> None:
    network.get(f"{API}/webhook", json={"items": [], "next": "https://evil.example.test/2026-07/webhook?Cursor=2"})

    with pytest.raises(UnexpectedAnswerError) as caught:
        scripted.subscriptions()

    assert caught.value.code == "other_host"
