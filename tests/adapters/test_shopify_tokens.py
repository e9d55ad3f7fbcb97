"""Shopify's tokens: one that stays, or one a day for id and secret, renewed early, once, and by one thread."""

from __future__ import annotations

import logging
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest
import responses

from jetbridge.domain.store import ShopifyConnection
from jetbridge.errors import (
    ConfigurationError,
    CredentialsRejectedError,
    PartnerUnavailableError,
    UnexpectedAnswerError,
)
from jetbridge.partners.http import Seams
from jetbridge.partners.shopify.client import ShopifyShop
from jetbridge.partners.shopify.tokens import RENEW_EARLY_SECONDS, ShopifyTokens
from local.simulators.shopify import ShopifySimulator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHOP = "demo.myshopify.com"
URL = f"https://{SHOP}/admin/oauth/access_token"
CLIENT = {"client_id": "ada-id-0001", "client_secret": "shpss_ada_0001"}
DAY = 86399


class Shopify:
    """The token endpoint with scripted answers, a clock and what is stored."""

    def __init__(self, network: responses.RequestsMock, stored: Mapping[str, str]) -> None:
        self.network = network
        self.now = 1000.0
        self.stored = dict(stored)
        self.read_again: list[bool] = []
        self.tokens = ShopifyTokens(
            ShopifyConnection(SHOP, f"https://{SHOP}"),
            self.read,
            production=True,
            seams=Seams(sleep=lambda _seconds: None, clock=lambda: self.now),
        )

    def read(self, again: bool) -> Mapping[str, str]:  # noqa: FBT001 - as the port has it
        self.read_again.append(again)
        return self.stored

    def grants(self, *tokens: str, expires_in: object = DAY) -> None:
        for token in tokens:
            self.network.post(URL, json={"access_token": token, "scope": "read_orders", "expires_in": expires_in})

    def token(self, *, again: bool = False) -> str:
        return self.tokens(again)


@pytest.fixture
def shopify() -> Iterator[Shopify]:
    with responses.RequestsMock() as network:
        yield Shopify(network, CLIENT)


def test_a_token_that_stays_is_given_as_it_is_stored(shopify: Shopify) -> None:
    shopify.stored = {"access_token": "shpat_ada_0001", **CLIENT}
    assert shopify.token() == "shpat_ada_0001"

    shopify.stored["access_token"] = "shpat_ada_0002"  # noqa: S105 - invented

    assert shopify.token(again=True) == "shpat_ada_0002"
    assert shopify.read_again == [False, True]
    assert not shopify.network.calls


def test_a_token_is_asked_for_in_a_form_once(shopify: Shopify) -> None:
    shopify.grants("one")

    assert [shopify.token(), shopify.token()] == ["one", "one"]

    (call,) = shopify.network.calls
    assert call.request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(str(call.request.body)) == {"grant_type": ["client_credentials"]} | {
        name: [value] for name, value in CLIENT.items()
    }


@pytest.mark.parametrize(
    ("expires_in", "kept_for"), [(DAY, DAY - RENEW_EARLY_SECONDS), (DAY + 0.5, DAY - 299.5), (100, 50), ("60", 30)]
)
def test_a_token_is_renewed_some_minutes_before_it_ends(shopify: Shopify, expires_in: object, kept_for: float) -> None:
    shopify.grants("one", "two", expires_in=expires_in)
    assert shopify.token() == "one"

    shopify.now += kept_for - 1
    assert shopify.token() == "one"
    shopify.now += 1

    assert shopify.token() == "two"


def test_a_token_that_does_not_say_how_long_it_lives_is_renewed_within_the_hour(shopify: Shopify) -> None:
    shopify.network.post(URL, json={"access_token": "one"})
    shopify.grants("two")
    assert shopify.token() == "one"

    shopify.now += 3600

    assert shopify.token() == "two"


def test_a_renewal_that_fails_leaves_a_token_that_still_lives(shopify: Shopify) -> None:
    shopify.grants("one")
    shopify.token()
    for _ in range(6):
        shopify.network.post(URL, status=503)

    shopify.now += DAY - 10
    assert shopify.token() == "one"
    shopify.now += 10

    with pytest.raises(PartnerUnavailableError):
        shopify.token()


def test_after_a_401_the_token_is_renewed_once(shopify: Shopify) -> None:
    shopify.grants("one", "two")
    shopify.token()

    assert shopify.token(again=True) == "two"
    assert shopify.token() == "two"
    assert shopify.read_again == [False, True, False]


def test_a_new_secret_means_a_new_token(shopify: Shopify) -> None:
    shopify.grants("one", "two")
    shopify.token()

    shopify.stored["client_secret"] = "shpss_ada_0002"  # noqa: S105 - invented

    assert shopify.token() == "two"


@pytest.mark.parametrize("missing", [*CLIENT, "everything"])
def test_half_of_what_is_needed_is_said_to_be_missing(shopify: Shopify, missing: str) -> None:
    shopify.stored = {name: value for name, value in CLIENT.items() if missing not in {name, "everything"}}

    with pytest.raises(CredentialsRejectedError) as caught:
        shopify.token()

    assert caught.value.code == "missing"


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, {"error": "app_not_installed", "error_description": "ada@example.test"}, "app_not_installed"),
        (400, {"error": "shop_not_permitted"}, "shop_not_permitted"),
        (401, {"error": "invalid_client"}, "invalid_client"),
        (403, {"errors": "ada@example.test"}, "no_token"),
        (400, {"error": "Ada Sample, ada@example.test"}, "no_token"),
        (400, {"error": {"shpss_ada_0001": 1}}, "no_token"),
        (400, "<html>ada@example.test</html>", "no_token"),
    ],
)
def test_a_refusal_says_why_and_nothing_else(
    shopify: Shopify, status: int, body: object, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    if isinstance(body, str):
        shopify.network.post(URL, body=body, status=status)
    else:
        shopify.network.post(URL, json=body, status=status)

    with caplog.at_level(logging.DEBUG), pytest.raises(CredentialsRejectedError) as caught:
        shopify.token()

    assert (caught.value.code, caught.value.http_status, len(shopify.network.calls)) == (code, status, 1)
    said = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value)) + caplog.text
    assert not [word for word in ("ada@", "Ada Sample", *CLIENT.values()) if word in said]


@pytest.mark.parametrize(
    "body", [{}, [], {"access_token": ""}, {"access_token": None}, {"access_token": "one", "expires_in": 0}]
)
def test_an_answer_without_a_token_is_none(shopify: Shopify, body: object) -> None:
    shopify.network.post(URL, json=body)

    with pytest.raises(UnexpectedAnswerError):
        shopify.token()


def test_a_redirect_is_not_followed(shopify: Shopify) -> None:
    shopify.network.post(URL, status=302, headers={"Location": "https://evil.test/"})

    with pytest.raises(UnexpectedAnswerError):
        shopify.token()

    assert len(shopify.network.calls) == 1


@pytest.mark.parametrize("address", ["https://other.myshopify.com", "https://evil.test", f"http://{SHOP}"])
def test_the_secret_goes_to_the_shop_only(address: str) -> None:
    with pytest.raises(ConfigurationError):
        ShopifyTokens(ShopifyConnection(SHOP, address), lambda _again: CLIENT, production=True)


# -- with a shop behind it --------------------------------------------------------------------------------------------


@pytest.fixture
def simulator() -> Iterator[ShopifySimulator]:
    with ShopifySimulator() as started:
        yield started


def connected(simulator: ShopifySimulator) -> ShopifyShop:
    connection = ShopifyConnection(simulator.shop, simulator.url)
    secret = simulator.client_secret
    stored = {"client_id": simulator.client_id, "client_secret": secret}
    tokens = ShopifyTokens(connection, lambda _again: stored, production=False)
    return ShopifyShop(connection, tokens, production=False)


def test_a_token_that_ends_between_two_calls_is_not_noticed(simulator: ShopifySimulator) -> None:
    shop = connected(simulator)
    assert shop.orders_named("#1") == ()

    simulator.clock_offset_seconds += DAY + 1  # our own clock stands still: the 401 tells

    assert shop.orders_named("#1") == ()
    assert (simulator.calls["access_token"], simulator.statuses[401]) == (2, 1)


def test_threads_whose_tokens_are_refused_together_fetch_one_new_one(simulator: ShopifySimulator) -> None:
    shop = connected(simulator)
    threads = 8
    together = threading.Barrier(threads, timeout=10)
    shop.orders_named("#1")

    def ask(_: int) -> object:
        shop.orders_named("#1")
        if together.wait() == 0:
            simulator.revoke_tokens()
        together.wait()
        return shop.orders_named("#1")

    with ThreadPoolExecutor(threads) as pool:
        assert list(pool.map(ask, range(threads))) == [()] * threads

    assert simulator.calls["access_token"] == 2


def test_a_secret_in_rotation_keeps_working_until_it_is_revoked(simulator: ShopifySimulator) -> None:
    old = connected(simulator)
    old.orders_named("#1")

    simulator.rotate_secret("second-secret")
    connected(simulator).orders_named("#1")
    old.orders_named("#1")
    simulator.revoke_old_secret()

    connected(simulator).orders_named("#1")
    with pytest.raises(CredentialsRejectedError) as caught:
        old.orders_named("#1")
    assert caught.value.code == "invalid_client"


def test_an_app_that_is_gone_gets_no_token(simulator: ShopifySimulator) -> None:
    shop = connected(simulator)
    shop.orders_named("#1")

    simulator.uninstall()

    with pytest.raises(CredentialsRejectedError) as caught:
        shop.orders_named("#1")
    assert caught.value.code == "app_not_installed"


def test_a_secret_that_was_just_replaced_is_read_again_before_it_is_believed(shopify: Shopify) -> None:
    def replaced(again: bool) -> Mapping[str, str]:  # noqa: FBT001 - as the port has it
        return {**CLIENT, "client_secret": "shpss_ada_0002" if again else "shpss_ada_0001"}

    tokens = ShopifyTokens(ShopifyConnection(SHOP, f"https://{SHOP}"), replaced, production=True)
    shopify.network.post(URL, status=400, json={"error": "invalid_client"})
    shopify.grants("shpat_new")
    assert tokens(False) == "shpat_new"  # noqa: FBT003 - as the port has it
    sent = [parse_qs(str(call.request.body))["client_secret"][0] for call in shopify.network.calls]
    assert sent == ["shpss_ada_0001", "shpss_ada_0002"]
