"""The HTTP client all partners share: what it sends, what it makes of every answer, and where it never goes."""

from __future__ import annotations

import socket
import threading
import tomllib
import traceback
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
import responses
from pydantic import Field
from requests.adapters import HTTPAdapter
from responses.matchers import header_matcher, json_params_matcher, query_param_matcher, request_kwargs_matcher

from jetbridge.errors import (
    ConfigurationError,
    CredentialsRejectedError,
    OutcomeUnknownError,
    PartnerUnavailableError,
    RateLimitedError,
    RejectedByPartnerError,
    UnexpectedAnswerError,
)
from jetbridge.partners.http import Call, Meaning, Partner, PartnerHttp, Seams
from jetbridge.partners.origins import allowed_origin
from jetbridge.partners.reading import Payload, parsed, plain
from jetbridge.partners.session import USER_AGENT, retry_after

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetbridge.errors import PartnerError

ORIGIN = "https://vendor.example.test"
SECRET = "token-ada-0001"  # noqa: S105 - invented
READ = Call("GET", "/things", [("email", "ada@example.test")])
WRITE = Call("POST", "/things", body={"name": "Ada Sample"}, write=True)
STATUSES = {
    400: Meaning.REFUSED,
    401: Meaning.CREDENTIALS,
    403: Meaning.CREDENTIALS,
    404: Meaning.REFUSED,
    408: Meaning.FAILING,
    422: Meaning.REFUSED,
    429: Meaning.THROTTLED,
}
HTML = "<html><body>502 Bad Gateway, Ada Sample</body></html>"


@pytest.fixture
def network() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


class Vendor:
    """A client with a clock that only sleeping moves."""

    def __init__(self, *tokens: str, origin: str = ORIGIN) -> None:
        self.tokens = list(tokens or (SECRET,))
        self.renewals = 0
        self.slept: list[float] = []
        self.now = 0.0
        partner = Partner("vendor", origin, STATUSES, lambda token: {"X-Token": token})
        self.session = requests.Session()
        self.http = PartnerHttp(
            partner, self._token, Seams(self.session, self._sleep, jitter=lambda: 1.0, clock=lambda: self.now)
        )

    def _token(self, again: bool) -> str:  # noqa: FBT001 - the port's signature
        self.renewals += again
        return self.tokens[min(self.renewals, len(self.tokens) - 1)]

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


# -- what is sent -------------------------------------------------------------------------------------------------


def test_a_request_says_who_we_are_and_has_time_outs(network: responses.RequestsMock, vendor: Vendor) -> None:
    network.post(
        f"{ORIGIN}/things",
        json={"id": 1},
        match=[
            header_matcher({"X-Token": SECRET, "X-Channel": "7", "Accept": "application/json"}),
            json_params_matcher({"name": "Ada Sample"}),
            query_param_matcher({"page": "1"}),
            request_kwargs_matcher({"timeout": (3.05, 10.0), "verify": True, "proxies": {}, "stream": False}),
        ],
    )

    answer = vendor.http.send(Call("POST", "/things", [("page", "1")], {"name": "Ada Sample"}, {"X-Channel": "7"}))

    assert (answer.status, answer.body) == (200, {"id": 1})
    assert str(network.calls[0].request.headers["User-Agent"]).startswith("Jetbridge/")


def test_an_answer_without_content_has_no_body(network: responses.RequestsMock, vendor: Vendor) -> None:
    network.get(f"{ORIGIN}/things", status=204)

    assert vendor.http.send(READ).body is None


def test_we_say_our_true_version() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))

    assert USER_AGENT.startswith(f"Jetbridge/{project['project']['version']} ")


def test_cookies_are_not_kept(network: responses.RequestsMock, vendor: Vendor) -> None:
    network.get(f"{ORIGIN}/things", json={}, headers={"Set-Cookie": "session=1; Path=/"})

    vendor.http.send(READ)
    vendor.http.send(READ)

    assert "Cookie" not in network.calls[1].request.headers
    assert len(vendor.session.cookies) == 0


def test_the_environment_says_nothing_about_proxies_and_passwords(vendor: Vendor) -> None:
    assert not vendor.session.trust_env


def test_the_pool_serves_ten_threads(vendor: Vendor) -> None:
    adapter = vendor.session.get_adapter(ORIGIN)

    assert isinstance(adapter, HTTPAdapter)
    assert adapter.poolmanager.connection_pool_kw["maxsize"] == 10
    assert adapter.max_retries.total == 0


# -- errors by status -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "read", "write"),
    [
        (301, UnexpectedAnswerError, UnexpectedAnswerError),
        (302, UnexpectedAnswerError, UnexpectedAnswerError),
        (308, UnexpectedAnswerError, UnexpectedAnswerError),
        (400, UnexpectedAnswerError, RejectedByPartnerError),
        (401, CredentialsRejectedError, CredentialsRejectedError),
        (403, CredentialsRejectedError, CredentialsRejectedError),
        (404, UnexpectedAnswerError, RejectedByPartnerError),
        (408, PartnerUnavailableError, OutcomeUnknownError),
        (418, UnexpectedAnswerError, UnexpectedAnswerError),
        (422, UnexpectedAnswerError, RejectedByPartnerError),
        (429, RateLimitedError, RateLimitedError),
        (500, PartnerUnavailableError, OutcomeUnknownError),
        (502, PartnerUnavailableError, OutcomeUnknownError),
        (503, PartnerUnavailableError, OutcomeUnknownError),
        (524, PartnerUnavailableError, OutcomeUnknownError),
        (599, PartnerUnavailableError, OutcomeUnknownError),
    ],
)
def test_a_status_means_an_error(
    network: responses.RequestsMock, status: int, read: type[PartnerError], write: type[PartnerError]
) -> None:
    headers = {"Location": f"{ORIGIN}/elsewhere"} if status < 400 else {}
    for verb in (responses.GET, responses.POST):
        network.add(verb, f"{ORIGIN}/things", status=status, body=HTML, headers=headers)

    with pytest.raises(read) as reading:
        Vendor().http.send(READ)
    with pytest.raises(write) as writing:
        Vendor().http.send(WRITE)

    for caught in (reading, writing):
        assert type(caught.value) in {read, write}
        assert (caught.value.partner, caught.value.http_status) == ("vendor", status)


def test_an_expected_refusal_is_an_answer(network: responses.RequestsMock, vendor: Vendor) -> None:
    network.get(f"{ORIGIN}/things", status=404, body=HTML)

    answer = vendor.http.send(Call("GET", "/things", expected=frozenset({404})))

    assert (answer.status, answer.body) == (404, None)


def test_a_redirect_is_not_followed(network: responses.RequestsMock, vendor: Vendor) -> None:
    network.get(f"{ORIGIN}/things", status=302, headers={"Location": "https://evil.example.test/"})

    with pytest.raises(UnexpectedAnswerError):
        vendor.http.send(READ)

    assert len(network.calls) == 1


@pytest.mark.parametrize("body", [HTML, '{"id": 1, "half', b"\xff\xfe\x00"])
def test_what_is_no_json_means_the_way_failed(network: responses.RequestsMock, vendor: Vendor, body: str) -> None:
    network.get(f"{ORIGIN}/things", body=body)
    network.post(f"{ORIGIN}/things", body=body)

    with pytest.raises(PartnerUnavailableError) as reading:
        vendor.http.send(READ)
    with pytest.raises(OutcomeUnknownError) as writing:
        vendor.http.send(WRITE)

    assert reading.value.code == writing.value.code == "not_json"


# -- repeating ----------------------------------------------------------------------------------------------------


def test_a_read_is_tried_again_twice(network: responses.RequestsMock, vendor: Vendor) -> None:
    network.get(f"{ORIGIN}/things", status=500)
    network.get(f"{ORIGIN}/things", body=requests.ConnectionError("reset"))
    network.get(f"{ORIGIN}/things", json={"id": 1})

    assert vendor.http.send(READ).body == {"id": 1}
    assert vendor.slept == [0.2, 0.4]


def test_a_read_is_not_tried_a_fourth_time(network: responses.RequestsMock, vendor: Vendor) -> None:
    network.get(f"{ORIGIN}/things", status=503)

    with pytest.raises(PartnerUnavailableError):
        vendor.http.send(READ)

    assert len(network.calls) == 3


def test_a_partner_says_how_long_to_wait(network: responses.RequestsMock, vendor: Vendor) -> None:
    network.get(f"{ORIGIN}/things", status=503, headers={"Retry-After": "3"})
    network.get(f"{ORIGIN}/things", json={})

    vendor.http.send(READ)

    assert vendor.slept == [3.0]


def test_a_long_wait_is_left_to_the_caller(network: responses.RequestsMock, vendor: Vendor) -> None:
    network.get(f"{ORIGIN}/things", status=503, headers={"Retry-After": "120"})

    with pytest.raises(PartnerUnavailableError) as caught:
        vendor.http.send(READ)

    assert (caught.value.retry_after_seconds, vendor.slept) == (120.0, [])


def test_no_repetition_begins_after_ten_seconds(network: responses.RequestsMock, vendor: Vendor) -> None:
    def slow(_request: object) -> tuple[int, dict[str, str], str]:
        vendor.now += 9.9
        return 500, {}, ""

    network.add_callback(responses.GET, f"{ORIGIN}/things", slow)

    with pytest.raises(PartnerUnavailableError):
        vendor.http.send(READ)

    assert len(network.calls) == 1


@pytest.mark.parametrize("status", [429, 500])
def test_a_write_is_sent_once(network: responses.RequestsMock, vendor: Vendor, status: int) -> None:
    network.post(f"{ORIGIN}/things", status=status)

    with pytest.raises((OutcomeUnknownError, RateLimitedError)):
        vendor.http.send(WRITE)

    assert len(network.calls) == 1


@pytest.mark.parametrize("failure", [requests.ReadTimeout(), requests.ConnectionError("reset")])
def test_a_write_lost_on_the_way_may_have_happened(
    network: responses.RequestsMock, vendor: Vendor, failure: Exception
) -> None:
    network.post(f"{ORIGIN}/things", body=failure)

    with pytest.raises(OutcomeUnknownError) as caught:
        vendor.http.send(WRITE)

    assert caught.value.code == type(failure).__name__
    assert len(network.calls) == 1


def test_a_write_that_found_nobody_has_not_happened(network: responses.RequestsMock, vendor: Vendor) -> None:
    network.post(f"{ORIGIN}/things", body=requests.ConnectTimeout())

    with pytest.raises(PartnerUnavailableError):
        vendor.http.send(WRITE)


def test_a_refused_connection_is_no_unknown_outcome() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(PartnerUnavailableError):
        Vendor(origin=f"http://127.0.0.1:{port}").http.send(WRITE)


@contextmanager
def a_server_that_hangs_up() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)

        thread = threading.Thread(target=hang_up)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_a_connection_that_closes_without_an_answer_leaves_the_outcome_unknown() -> None:
    with a_server_that_hangs_up() as origin, pytest.raises(OutcomeUnknownError):
        Vendor(origin=origin).http.send(WRITE)


def test_connections_that_idled_are_not_used_again(
    network: responses.RequestsMock, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    network.get(f"{ORIGIN}/things", json={})
    closed: list[HTTPAdapter] = []

    def close(adapter: HTTPAdapter) -> None:
        closed.append(adapter)

    monkeypatch.setattr(HTTPAdapter, "close", close)

    vendor.http.send(READ)
    vendor.now += 29
    vendor.http.send(READ)
    assert not closed

    vendor.now += 31
    vendor.http.send(READ)
    assert len(closed) == len(vendor.session.adapters)


# -- tokens ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [READ, WRITE])
def test_a_refused_token_is_renewed_once(network: responses.RequestsMock, call: Call) -> None:
    vendor = Vendor("old", "new")
    url = f"{ORIGIN}/things"
    network.add(call.method, url, status=401, match=[header_matcher({"X-Token": "old"})])
    network.add(call.method, url, json={"id": 1}, match=[header_matcher({"X-Token": "new"})])

    assert vendor.http.send(call).body == {"id": 1}
    assert vendor.renewals == 1


def test_a_renewed_token_may_be_refused_too(network: responses.RequestsMock) -> None:
    vendor = Vendor("old", "new", "newer")
    network.get(f"{ORIGIN}/things", status=401)

    with pytest.raises(CredentialsRejectedError):
        vendor.http.send(READ)

    assert (vendor.renewals, len(network.calls)) == (1, 2)


def test_a_token_that_did_not_change_is_not_tried_again(network: responses.RequestsMock, vendor: Vendor) -> None:
    network.get(f"{ORIGIN}/things", status=401)

    with pytest.raises(CredentialsRejectedError):
        vendor.http.send(READ)

    assert len(network.calls) == 1


@pytest.mark.parametrize("token", ["", "two\nlines", "tökén"])
def test_a_token_that_fits_in_no_header_is_not_sent(network: responses.RequestsMock, token: str) -> None:
    vendor = Vendor()
    vendor.tokens = [token]

    with pytest.raises(CredentialsRejectedError) as caught:
        vendor.http.send(READ)

    assert caught.value.code == "unusable_token"
    assert not network.calls


# -- waiting and paging ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2.0"}, 2.0),
        ({"x-retry-after": "25"}, 25.0),
        ({"retry-after": "1", "x-retry-after": "25"}, 25.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:00 -0000"}, None),
    ],
)
def test_both_spellings_of_a_wait_are_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_a_wait_may_be_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)

    assert retry_after({"retry-after": date}) == pytest.approx(600, abs=30)


def test_throttling_says_how_long_to_wait(network: responses.RequestsMock, vendor: Vendor) -> None:
    network.get(f"{ORIGIN}/things", status=429, headers={"x-retry-after": "25"})

    with pytest.raises(RateLimitedError) as caught:
        vendor.http.send(READ)

    assert (caught.value.retry_after_seconds, len(network.calls)) == (25.0, 1)


@pytest.mark.parametrize("address", ["/2026/things?cursor=a%2Fb&size=2", f"{ORIGIN}/things?cursor=a%2Fb&size=2"])
def test_only_the_query_of_a_next_address_is_taken(vendor: Vendor, address: str) -> None:
    assert vendor.http.query_of(address) == [("cursor", "a/b"), ("size", "2")]


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example.test/things?cursor=1",
        "//evil.example.test/things",
        "http://vendor.example.test/things",
        "https://vendor.example.test:444/things",
        "https://vendor.example.test@evil.example.test/",
        "https://VENDOR.example.test.evil.test/",
    ],
)
def test_a_next_address_on_another_host_is_an_error(vendor: Vendor, address: str) -> None:
    with pytest.raises(UnexpectedAnswerError) as caught:
        vendor.http.query_of(address)

    assert caught.value.code == "other_host"


# -- where credentials may go -----------------------------------------------------------------------------------------

HOSTS = ("*.myshopify.com", "api.shipbob.com")


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://demo.myshopify.com", "https://demo.myshopify.com"),
        ("https://Demo-1.MyShopify.com/", "https://demo-1.myshopify.com"),
        ("https://api.shipbob.com", "https://api.shipbob.com"),
    ],
)
def test_a_vendors_own_host_is_allowed(address: str, origin: str) -> None:
    assert allowed_origin(address, vendor_hosts=HOSTS, production=True) == origin


FOREIGN = [
    "http://demo.myshopify.com",
    "https://demo.myshopify.com:8443",
    "https://a.b.myshopify.com",
    "https://myshopify.com",
    "https://.myshopify.com",
    "https://-.myshopify.com",
    "https://evil-myshopify.com",
    "https://demo.myshopify.com.evil.test",
    "https://sub.api.shipbob.com",
    "http://127.0.0.1:8080",
]
TRICKS = [
    "",
    "demo.myshopify.com",
    "ftp://demo.myshopify.com",
    "https://ada:secret@demo.myshopify.com",
    "https://demo.myshopify.com@evil.test",
    "https://demo.myshopify.com/admin",
    "https://demo.myshopify.com?x=1",
    "https://demo.myshopify.com#x",
    "https://demo.myshopify.com\\@evil.test",
    "https://evil.test\t.myshopify.com",
    "https://demo.myshopify.com\n",
    "https://demo.myshop\u0131fy.com",
    "https://\u212aiosk.myshopify.com",  # a Kelvin sign is a k in lower case
    "https://[::1]",
]


@pytest.mark.parametrize("address", FOREIGN)
def test_another_host_is_refused_in_production_only(address: str) -> None:
    with pytest.raises(ConfigurationError):
        allowed_origin(address, vendor_hosts=HOSTS, production=True)


@pytest.mark.parametrize("address", ["http://127.0.0.1:8080", "http://localhost:9000/", "https://stage.example.test"])
def test_a_stage_may_have_simulators_for_partners(address: str) -> None:
    assert allowed_origin(address, vendor_hosts=HOSTS, production=False) == address.rstrip("/")


@pytest.mark.parametrize("address", TRICKS)
@pytest.mark.parametrize("production", [True, False])
def test_an_address_is_a_scheme_and_a_host_everywhere(address: str, *, production: bool) -> None:
    with pytest.raises(ConfigurationError):
        allowed_origin(address, vendor_hosts=HOSTS, production=production)


# -- what errors say --------------------------------------------------------------------------------------------------


def everything_said(error: BaseException) -> str:
    """All that a log line could show of an error."""
    return "".join(traceback.format_exception(error)) + repr(vars(error)) + repr(error.args)


@pytest.mark.parametrize("call", [READ, WRITE])
@pytest.mark.parametrize("outcome", [301, 400, 401, 403, 404, 418, 422, 429, 500, "html", "time-out", "reset"])
def test_no_error_tells_the_token_or_anything_personal(
    network: responses.RequestsMock, vendor: Vendor, call: Call, outcome: int | str
) -> None:
    personal = f"Ada Sample, 1 Nowhere Rd, ada@example.test, {SECRET}"
    body: str | Exception = {
        "time-out": requests.ReadTimeout(personal),
        "reset": requests.ConnectionError(personal),
    }.get(str(outcome), f"<html>{personal}</html>")
    network.add(call.method, f"{ORIGIN}/things", status=outcome if isinstance(outcome, int) else 200, body=body)

    with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever it is
        vendor.http.send(call)

    said = everything_said(caught.value)
    assert not [word for word in ("Ada", "Nowhere", "ada@", SECRET, "ada%40") if word in said]


class ThingPayload(Payload):
    email: int
    order_name: int = Field(alias="orderName")


def test_an_answer_that_cannot_be_read_names_the_field_and_not_the_value() -> None:
    answer = {"email": "ada@example.test", "orderName": "1 Nowhere Rd"}

    with pytest.raises(UnexpectedAnswerError) as caught:
        parsed(ThingPayload, answer, partner="vendor")

    assert "email" in str(caught.value)
    said = everything_said(caught.value)
    assert "ada@" not in said
    assert "Nowhere" not in said
    assert caught.value.__context__ is None


def test_a_vendors_words_are_clipped_to_one_line_without_addresses() -> None:
    assert plain("  Mail\nada@example.test  is taken ") == "Mail … is taken"
    assert len(plain("x" * 1000)) == 300
