"""Shopify while a shop is connected: what the simulator shows of it, and every way of setting up twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import responses

from jetbridge.domain.store import ShopifyConnection
from jetbridge.errors import (
    CredentialsRejectedError,
    OutcomeUnknownError,
    RejectedByPartnerError,
    UnexpectedAnswerError,
)
from jetbridge.partners.http import Seams
from jetbridge.partners.shopify.administration import ShopifyAdmin
from jetbridge.partners.shopify.webhooks import ORDER_ID_AT, TOPICS
from jetbridge.ports import ShopFacts, ShopLocation, Subscription
from local.simulators.shopify import SCOPES, ShopifySimulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHOP = "demo.myshopify.com"
URL = f"https://{SHOP}/admin/api/2026-10/graphql.json"
ADDRESS = "https://bridge.example.test/webhooks/shopify/demo"


@pytest.fixture
def simulator() -> Iterator[ShopifySimulator]:
    with ShopifySimulator(plan="Plus", restore_rate=1000, accept_http_addresses=True) as started:
        yield started


@pytest.fixture
def admin(simulator: ShopifySimulator) -> ShopifyAdmin:
    return connected(simulator)


def connected(simulator: ShopifySimulator, **changes: Any) -> ShopifyAdmin:  # noqa: ANN401 - a connection's fields
    connection = ShopifyConnection(simulator.shop, simulator.url, **changes)
    seams = Seams(sleep=lambda _seconds: None)
    return ShopifyAdmin(connection, lambda _again: simulator.access_token, production=False, seams=seams)


# -- looking ----------------------------------------------------------------------------------------------------------


def test_a_shop_is_seen_whole(simulator: ShopifySimulator, admin: ShopifyAdmin) -> None:
    main = next(iter(simulator.store.locations))
    closed = simulator.add_location("Old Barn", is_active=False)

    found = admin.facts()

    assert found == ShopFacts(
        name="Example Shop",
        domain="demo.myshopify.com",
        plan="Plus",
        points_a_second=1000,
        scopes=SCOPES,
        locations=(
            ShopLocation(f"gid://shopify/Location/{main}", "Main Warehouse", active=True),
            ShopLocation(closed["id"], "Old Barn", active=False, fulfills_online_orders=False),
        ),
        answered_version="2026-10",
        time_zone="America/New_York",
        claimed_by="",
        clock_ahead_seconds=found.clock_ahead_seconds,
    )
    assert abs(found.clock_ahead_seconds) < 5


def test_locations_are_read_to_the_last_page(simulator: ShopifySimulator, admin: ShopifyAdmin) -> None:
    for number in range(120):
        simulator.add_location(f"Shelf {number:03}")

    assert len({place.id for place in admin.facts().locations}) == 121


@pytest.mark.parametrize("minutes", [-10, 0, 10])
def test_a_clock_that_is_off_is_noticed(simulator: ShopifySimulator, admin: ShopifyAdmin, minutes: int) -> None:
    simulator.clock_offset_seconds += minutes * 60

    assert admin.facts().clock_ahead_seconds == pytest.approx(minutes * 60, abs=5)


def test_an_answer_from_a_later_version_is_noticed(simulator: ShopifySimulator) -> None:
    simulator.end_versions("2027-01")

    assert connected(simulator).facts().answered_version == "2027-01"


def test_a_scope_that_is_missing_leaves_its_fact_out(simulator: ShopifySimulator, admin: ShopifyAdmin) -> None:
    simulator.grant_scopes(["read_orders"])

    found = admin.facts()

    assert (found.name, found.locations) == ("Example Shop", ())
    assert found.scopes == {"read_orders"}


@pytest.mark.parametrize(
    ("field", "name", "scopes"),
    [
        ("ShopPlan.publicDisplayName", "", SCOPES),
        ("QueryRoot.shop", "", SCOPES),
        ("AppInstallation.accessScopes", "Example Shop", frozenset()),
        ("AppInstallation.metafield", "Example Shop", frozenset()),
        ("Location.name", "Example Shop", SCOPES),
    ],
)
def test_a_field_that_is_denied_does_not_take_the_others_with_it(
    simulator: ShopifySimulator, admin: ShopifyAdmin, field: str, name: str, scopes: frozenset[str]
) -> None:
    simulator.deny_fields([field])

    found = admin.facts()

    assert (found.name, found.domain, found.scopes, found.points_a_second) == (name, simulator.shop, scopes, 1000)
    assert bool(found.locations) == (field != "Location.name")


def test_credentials_that_are_no_good_are_no_missing_scope(simulator: ShopifySimulator, admin: ShopifyAdmin) -> None:
    simulator.revoke_tokens()

    with pytest.raises(CredentialsRejectedError) as caught:
        admin.facts()

    assert caught.value.http_status == 401


# -- what customers can choose ----------------------------------------------------------------------------------------


def test_every_method_that_customers_can_choose_is_named_once(simulator: ShopifySimulator, admin: ShopifyAdmin) -> None:
    simulator.add_shipping_method("Express")
    simulator.add_shipping_method("  Standard ", zone="Abroad")
    simulator.add_shipping_method("By drone", active=False)
    simulator.add_shipping_method("Pallet", profile="Bulky goods", zone="Domestic")
    simulator.add_shipping_method("UPS", services={"UPS Ground": True, "UPS 3 Day Select": True, "UPS Next Day": False})
    simulator.add_shipping_method("Old carrier", services={"Old Ground": True}, active=False)
    simulator.add_shipping_method("", zone="Abroad")

    assert admin.shipping_methods() == ("Standard", "Express", "UPS Ground", "UPS 3 Day Select", "Pallet")


def test_methods_of_every_profile_and_zone_are_named(simulator: ShopifySimulator, admin: ShopifyAdmin) -> None:
    named = {"Standard"}
    for profile in range(3):
        for zone in range(12):
            named.add(f"Method {profile} {zone}")
            simulator.add_shipping_method(f"Method {profile} {zone}", profile=f"Profile {profile}", zone=f"Zone {zone}")

    assert set(admin.shipping_methods()) == named


def test_more_methods_in_a_zone_than_are_read_are_mentioned(
    simulator: ShopifySimulator, admin: ShopifyAdmin, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(50):
        simulator.add_shipping_method(f"Method {number}")

    assert len(admin.shipping_methods()) == 50
    assert "more methods" in caplog.text


def test_without_the_scope_for_them_methods_are_not_named(simulator: ShopifySimulator, admin: ShopifyAdmin) -> None:
    simulator.grant_scopes(sorted(SCOPES - {"read_shipping"}))

    assert admin.shipping_methods() == ()


def test_methods_are_not_none_where_nobody_could_look(simulator: ShopifySimulator, admin: ShopifyAdmin) -> None:
    simulator.revoke_tokens()

    with pytest.raises(CredentialsRejectedError):
        admin.shipping_methods()


# -- claiming ---------------------------------------------------------------------------------------------------------


def test_a_shop_is_claimed_and_given_back_as_often_as_one_likes(admin: ShopifyAdmin) -> None:
    admin.claim("")
    assert admin.facts().claimed_by == ""
    for owner in ("prod", "prod", "staging"):
        admin.claim(owner)
        assert admin.facts().claimed_by == owner

    for _ in range(2):
        admin.claim("")
        assert admin.facts().claimed_by == ""


def test_of_two_claims_at_the_same_moment_one_fails(simulator: ShopifySimulator) -> None:
    first, second = connected(simulator), connected(simulator)
    seen = second._installation()  # noqa: SLF001 - the moment between its read and its write
    first.claim("prod")
    second._installation = lambda: seen  # type: ignore[method-assign]  # noqa: SLF001 - as above

    with pytest.raises(RejectedByPartnerError) as caught:
        second.claim("staging")

    assert caught.value.code == "STALE_OBJECT"
    assert first.facts().claimed_by == "prod"


def test_who_may_not_see_the_installation_cannot_claim(simulator: ShopifySimulator, admin: ShopifyAdmin) -> None:
    simulator.deny_fields(["QueryRoot.currentAppInstallation"])

    with pytest.raises(CredentialsRejectedError):
        admin.claim("prod")


def test_a_claim_whose_answer_is_lost_can_be_repeated(simulator: ShopifySimulator, admin: ShopifyAdmin) -> None:
    simulator.fail("timeout_after", "metafieldsSet")
    with pytest.raises(OutcomeUnknownError):
        admin.claim("prod")

    admin.claim("prod")

    assert admin.facts().claimed_by == "prod"


# -- subscriptions ----------------------------------------------------------------------------------------------------


def listed(admin: ShopifyAdmin) -> set[tuple[str, str]]:
    return {(topic, each.address) for each in admin.subscriptions() for topic in each.topics}


def test_every_topic_is_subscribed_listed_and_deleted_under_its_own_name(admin: ShopifyAdmin) -> None:
    for topic in TOPICS:
        admin.subscribe(topic, ADDRESS)

    found = admin.subscriptions()

    assert {each.topics for each in found} == {(topic,) for topic in TOPICS}
    assert all(each.active and each.address == ADDRESS for each in found)
    for each in found:
        admin.unsubscribe(each.id)
    assert admin.subscriptions() == ()


def test_subscribing_and_unsubscribing_twice_is_harmless(admin: ShopifyAdmin) -> None:
    for _ in range(2):
        admin.subscribe("orders/updated", ADDRESS)
    (found,) = admin.subscriptions()

    for _ in range(2):
        admin.unsubscribe(found.id)
    admin.unsubscribe("nonsense")

    assert admin.subscriptions() == ()


def test_subscriptions_are_read_to_the_last_page(simulator: ShopifySimulator, admin: ShopifyAdmin) -> None:
    for number in range(105):
        admin.subscribe("orders/paid", f"{ADDRESS}/{number}")
        simulator.clock_offset_seconds += 60  # which fills the bucket again

    assert listed(admin) == {("orders/paid", f"{ADDRESS}/{number}") for number in range(105)}


def test_strangers_are_listed_too(simulator: ShopifySimulator, admin: ShopifyAdmin) -> None:
    admin.subscribe("inventory_levels/update", "pubsub://project:topic")

    assert listed(admin) == {("INVENTORY_LEVELS_UPDATE", "pubsub://project:topic")}
    assert isinstance(admin.subscriptions()[0], Subscription)
    assert simulator.calls["webhookSubscriptions"] == 2


@pytest.mark.parametrize("topic", ORDER_ID_AT)
def test_order_topics_carry_the_id_and_no_names(simulator: ShopifySimulator, admin: ShopifyAdmin, topic: str) -> None:
    admin.subscribe(topic, ADDRESS)

    (made,) = simulator.store.outbox.subscriptions.values()
    assert made.include_fields == [ORDER_ID_AT[topic][0]]


@pytest.mark.parametrize("address", ["https://other.myshopify.com/hook", "http://bridge.example.test/hook", ""])
def test_an_address_shopify_does_not_take_is_refused_in_its_words(address: str) -> None:
    with ShopifySimulator() as simulator, pytest.raises(RejectedByPartnerError) as caught:
        connected(simulator).subscribe("orders/paid", address)

    assert "ddress" in str(caught.value)


def test_a_topic_nobody_knows_is_refused(admin: ShopifyAdmin) -> None:
    with pytest.raises(RejectedByPartnerError):
        admin.subscribe("orders/dreamt", ADDRESS)


@pytest.mark.parametrize(
    ("call", "operation"),
    [
        (lambda admin: admin.subscribe("orders/paid", ADDRESS), "webhookSubscriptionCreate"),
        (lambda admin: admin.unsubscribe(admin.subscriptions()[0].id), "webhookSubscriptionDelete"),
    ],
)
def test_an_answer_that_is_lost_may_have_been_a_yes(
    simulator: ShopifySimulator, admin: ShopifyAdmin, call: Callable[[ShopifyAdmin], None], operation: str
) -> None:
    admin.subscribe("orders/create", ADDRESS)
    simulator.fail("timeout_after", operation)

    with pytest.raises(OutcomeUnknownError):
        call(admin)


# -- answers the simulator does not give ------------------------------------------------------------------------------


@pytest.fixture
def network() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def real() -> ShopifyAdmin:
    now = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
    connection = ShopifyConnection(SHOP, f"https://{SHOP}")
    return ShopifyAdmin(connection, lambda _again: "shpat_ada_0001", production=True, now=lambda: now)


@pytest.mark.parametrize(
    ("field", "payload", "call"),
    [
        ("webhookSubscriptionCreate", {}, lambda admin: admin.subscribe("orders/paid", ADDRESS)),
        ("webhookSubscriptionCreate", {"userErrors": []}, lambda admin: admin.subscribe("orders/paid", ADDRESS)),
        ("webhookSubscriptionDelete", {"userErrors": []}, lambda admin: admin.unsubscribe("gid://x/1")),
    ],
)
def test_a_payload_that_says_nothing_is_no_yes(
    network: responses.RequestsMock,
    real: ShopifyAdmin,
    field: str,
    payload: object,
    call: Callable[[ShopifyAdmin], None],
) -> None:
    network.post(URL, json={"data": {field: payload}})

    with pytest.raises(OutcomeUnknownError):
        call(real)


def test_a_subscription_that_cannot_be_deleted_is_not_gone(network: responses.RequestsMock, real: ShopifyAdmin) -> None:
    refused = {"deletedWebhookSubscriptionId": None, "userErrors": [{"field": ["id"], "message": "Not today."}]}
    node = {"id": "gid://shopify/WebhookSubscription/1", "topic": "ORDERS_PAID", "uri": ADDRESS}
    page = {"pageInfo": {"hasNextPage": False}, "nodes": [node]}
    network.post(URL, json={"data": {"webhookSubscriptionDelete": refused}})
    network.post(URL, json={"data": {"webhookSubscriptions": page}})

    with pytest.raises(RejectedByPartnerError) as caught:
        real.unsubscribe(node["id"])

    assert "Not today." in str(caught.value)


@pytest.mark.parametrize(
    ("date", "ahead"),
    [
        ("Sun, 22 Nov 2026 10:00:00 GMT", 0.5),
        ("Sun, 22 Nov 2026 09:58:00 GMT", -119.5),
        ("yesterday", 0.0),
        (None, 0.0),
    ],
)
def test_the_clock_is_read_from_the_answers_header(
    network: responses.RequestsMock, real: ShopifyAdmin, date: str | None, ahead: float
) -> None:
    denied = {"errors": [{"extensions": {"code": "ACCESS_DENIED"}}], "data": None}
    network.post(URL, json=denied, headers={"Date": date} if date else {})

    found = real.facts()

    assert found.clock_ahead_seconds == ahead
    assert (found.domain, found.points_a_second, found.answered_version) == (SHOP, 0, "")
    assert timedelta(seconds=abs(found.clock_ahead_seconds)) < timedelta(minutes=3)


def a_zone_page(cursor: str | None) -> dict[str, Any]:
    method = {"name": "Standard", "active": True, "rateProvider": {}}
    zone = {"methodDefinitions": {"pageInfo": {"hasNextPage": False}, "nodes": [method]}}
    zones = {"pageInfo": {"hasNextPage": cursor is not None, "endCursor": cursor}, "nodes": [zone]}
    return {"locationGroup": {"id": "gid://shopify/DeliveryLocationGroup/1"}, "locationGroupZones": zones}


def the_profile(cursor: str | None) -> dict[str, Any]:
    node = {"id": "gid://shopify/DeliveryProfile/1", "profileLocationGroups": [a_zone_page(cursor)]}
    return {"data": {"deliveryProfiles": {"pageInfo": {"hasNextPage": False}, "nodes": [node]}}}


def test_zones_that_go_in_circles_end(network: responses.RequestsMock, real: ShopifyAdmin) -> None:
    network.post(URL, json=the_profile("c1"))
    for cursor in ("c2", "c1"):
        network.post(URL, json={"data": {"deliveryProfile": {"profileLocationGroups": [a_zone_page(cursor)]}}})

    with pytest.raises(UnexpectedAnswerError) as caught:
        real.shipping_methods()

    assert caught.value.code == "cursor_repeats"


@pytest.mark.parametrize("gone", [None, {"profileLocationGroups": []}])
def test_a_profile_that_is_gone_meanwhile_offers_nothing_more(
    network: responses.RequestsMock, real: ShopifyAdmin, gone: dict[str, Any] | None
) -> None:
    network.post(URL, json=the_profile("c1"))
    network.post(URL, json={"data": {"deliveryProfile": gone}})

    assert real.shipping_methods() == ("Standard",)
