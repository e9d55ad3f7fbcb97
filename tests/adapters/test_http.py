"""The HTTP client all partners share: what it sends, what it makes of every answer, and where it never goes."""

from __future__ import annotations

import contextlib
import contextvars
import http.client
import importlib
import io
import logging
import pkgutil
import socket
import ssl
import threading
import tomllib
import traceback
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import requests
import responses
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import Field
from requests.adapters import HTTPAdapter
from responses.matchers import (
    header_matcher,
    json_params_matcher,
    query_param_matcher,
    request_kwargs_matcher,
    urlencoded_params_matcher,
)

import jetbridge.partners
from jetbridge.errors import (
    ConfigurationError,
    CredentialsRejectedError,
    OutcomeUnknownError,
    PartnerUnavailableError,
    RateLimitedError,
    RejectedByPartnerError,
    UnexpectedAnswerError,
)
from jetbridge.partners import session as tamed
from jetbridge.partners.http import Call, Meaning, Partner, PartnerHttp, Seams, time_limit
from jetbridge.partners.origins import allowed_origin
from jetbridge.partners.reading import Payload, parsed, plain
from jetbridge.partners.session import USER_AGENT, retry_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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

    def __init__(
        self, *tokens: str, origin: str = ORIGIN, statuses: dict[int, Meaning] = STATUSES, **facts: tuple[str, ...]
    ) -> None:
        self.tokens = list(tokens or (SECRET,))
        self.renewals = 0
        self.slept: list[float] = []
        self.now = 0.0
        partner = Partner("vendor", origin, statuses, lambda token: {"X-Token": token}, **facts)
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
            request_kwargs_matcher({"timeout": (3.05, 10.0), "verify": True, "proxies": {}, "stream": True}),
        ],
    )

    answer = vendor.http.send(Call("POST", "/things", [("page", "1")], {"name": "Ada Sample"}, {"X-Channel": "7"}))

    assert (answer.status, answer.body) == (200, {"id": 1})
    assert str(network.calls[0].request.headers["User-Agent"]).startswith("Jetbridge/")


def test_a_form_is_sent_instead_of_json(network: responses.RequestsMock, vendor: Vendor) -> None:
    form = {"grant_type": "client_credentials", "client_secret": "s&cret"}
    network.post(f"{ORIGIN}/token", json={}, match=[urlencoded_params_matcher(form)])

    vendor.http.send(Call("POST", "/token", form=form))

    assert network.calls[0].request.headers["Content-Type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize("path", ["", "things", "@evil.example.test/", ".evil.example.test/", ":80@evil.example.test"])
def test_a_path_cannot_become_a_host(path: str) -> None:
    with pytest.raises(ValueError, match="a path begins with a slash"):
        Call("GET", path)


def test_neither_a_call_nor_an_answer_shows_what_it_holds(network: responses.RequestsMock, vendor: Vendor) -> None:
    network.post(f"{ORIGIN}/things", json={"name": "Ada Sample"}, headers={"Date": "Ada"})
    call = Call("POST", "/things", [("email", "Ada")], {"name": "Ada"}, {"X": "Ada"}, form={"name": "Ada"})

    assert "Ada" not in repr(call)
    assert "Ada" not in repr(vendor.http.send(Call("POST", "/things", body={"name": "Ada"})))


def test_only_headers_that_a_caller_may_read_are_handed_on(network: responses.RequestsMock, vendor: Vendor) -> None:
    shown = {"X-Remaining-Calls": "7", "X-Shopify-API-Version": "2026-10", "X-Rate-Limit-Reset": "3", "Link": "<a>"}
    network.get(f"{ORIGIN}/things", json={}, headers={**shown, "Set-Cookie": "a=1", "X-Customer": "Ada Sample"})

    answer = vendor.http.send(READ)

    assert dict(answer.headers) == shown
    assert answer.headers.get("x-remaining-calls") == "7"


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


def modules_with_tables() -> list[ModuleType]:
    names = [each.name for each in pkgutil.walk_packages(jetbridge.partners.__path__, "jetbridge.partners.")]
    return [module for module in map(importlib.import_module, names) if "STATUSES" in vars(module)]


TABLES: dict[str, dict[int, Meaning]] = {module.__name__: module.STATUSES for module in modules_with_tables()}
# Statuses that a partner's own module reads itself, because the body decides.
READ_THERE = {module.__name__: vars(module).get("READ_HERE", frozenset()) for module in modules_with_tables()}
CONSEQUENCES: dict[Meaning | None, tuple[type[PartnerError], type[PartnerError]]] = {
    Meaning.CREDENTIALS: (CredentialsRejectedError, CredentialsRejectedError),
    Meaning.THROTTLED: (RateLimitedError, RateLimitedError),
    Meaning.FAILING: (PartnerUnavailableError, OutcomeUnknownError),
    Meaning.REFUSED: (UnexpectedAnswerError, RejectedByPartnerError),
    None: (UnexpectedAnswerError, UnexpectedAnswerError),
}


def test_every_partner_has_a_table() -> None:
    assert {"jetbridge.partners.shopify.graphql", "jetbridge.partners.jetpack.api"} <= TABLES.keys()


@pytest.mark.parametrize("name", TABLES)
def test_a_table_speaks_of_refusals_and_of_nothing_else(name: str) -> None:
    table = TABLES[name]

    assert all(400 <= status < 600 for status in table)
    assert {status: table.get(status) for status in (401, 403)} == dict.fromkeys((401, 403), Meaning.CREDENTIALS)
    assert 429 in READ_THERE[name] or table[429] is Meaning.THROTTLED


@pytest.mark.parametrize("name", TABLES)
def test_every_status_there_can_be_has_the_consequence_its_table_says(name: str) -> None:
    class Answering(requests.Session):
        def request(self, *_: object, **__: object) -> requests.Response:
            response = requests.Response()
            response.status_code, response.raw = status, io.BytesIO()
            return response

    for status in range(100, 1000):
        meaning = TABLES[name].get(status, Meaning.FAILING if status >= 500 else None)
        for call, consequence in zip((READ, WRITE), CONSEQUENCES[meaning], strict=True):
            partner = Partner("vendor", ORIGIN, TABLES[name], lambda token: {"X-Token": token})
            client = PartnerHttp(partner, lambda _again: SECRET, Seams(Answering(), sleep=lambda _seconds: None))
            if 200 <= status < 300:
                assert client.send(call).status == status
            else:
                with pytest.raises(consequence) as caught:
                    client.send(call)
                assert type(caught.value) is consequence


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


# -- a function's remaining time ------------------------------------------------------------------------------------


def test_no_repetition_begins_that_the_function_could_not_see_the_end_of(
    network: responses.RequestsMock, vendor: Vendor
) -> None:
    network.get(f"{ORIGIN}/things", status=503, headers={"Retry-After": "3"})

    with time_limit(4.9, clock=lambda: vendor.now), pytest.raises(PartnerUnavailableError) as caught:
        vendor.http.send(READ)
    assert (caught.value.http_status, vendor.slept, len(network.calls)) == (503, [], 1)

    with time_limit(5.0, clock=lambda: vendor.now), pytest.raises(PartnerUnavailableError) as caught:
        vendor.http.send(READ)
    assert (caught.value.http_status, vendor.slept, len(network.calls)) == (503, [3.0], 3)


@pytest.mark.parametrize("call", [READ, WRITE])
def test_with_no_time_left_nothing_is_sent(network: responses.RequestsMock, vendor: Vendor, call: Call) -> None:
    with time_limit(1.9, clock=lambda: vendor.now), pytest.raises(PartnerUnavailableError) as caught:
        vendor.http.send(call)

    assert caught.value.code == "no_time_left"
    assert not network.calls


def test_a_renewed_token_is_not_tried_without_time(network: responses.RequestsMock) -> None:
    vendor = Vendor("old", "new")

    def slow(_request: object) -> tuple[int, dict[str, str], str]:
        vendor.now += 8
        return 401, {}, ""

    network.add_callback(responses.POST, f"{ORIGIN}/things", slow)

    with time_limit(9, clock=lambda: vendor.now), pytest.raises(PartnerUnavailableError):
        vendor.http.send(WRITE)

    assert len(network.calls) == 1


@pytest.mark.parametrize(
    ("left", "timeout"), [(2.0, (1.0, 1.0)), (5.0, (3.05, 4.0)), (11.0, (3.05, 10.0)), (900.0, (3.05, 10.0))]
)
def test_time_outs_end_before_the_function(
    network: responses.RequestsMock, vendor: Vendor, left: float, timeout: tuple[float, float]
) -> None:
    network.get(f"{ORIGIN}/things", json={}, match=[request_kwargs_matcher({"timeout": timeout})])

    with time_limit(left, clock=lambda: vendor.now):
        vendor.http.send(READ)


def test_a_time_limit_holds_in_threads_that_copy_its_context_and_ends_with_its_block(
    network: responses.RequestsMock, vendor: Vendor
) -> None:
    network.get(f"{ORIGIN}/things", json={})
    ended: list[str] = []

    def look() -> None:
        try:
            vendor.http.send(READ)
        except PartnerUnavailableError as error:
            ended.append(error.code)

    with time_limit(1, clock=lambda: vendor.now):
        thread = threading.Thread(target=contextvars.copy_context().run, args=(look,))
        thread.start()
        thread.join()
    look()

    assert ended == ["no_time_left"]


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
def a_server(*answers: bytes, ending: str = "hang up") -> Iterator[tuple[str, list[bytes]]]:
    """A server on loopback, and the requests it saw. Each connection gets one answer; the last one may never end."""
    seen: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(10)  # a client that never comes must not hold the test for ever

    def serve() -> None:
        for answer in answers:
            connection, _ = listening.accept()
            with connection, contextlib.suppress(ConnectionError):
                seen.append(connection.recv(65536))
                connection.sendall(answer)
                while ending == "never":
                    connection.sendall(b"x" * 4096)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", seen
    finally:
        thread.join()
        listening.close()


def test_a_connection_that_closes_without_an_answer_leaves_the_outcome_unknown() -> None:
    with a_server(b"") as (origin, _), pytest.raises(OutcomeUnknownError):
        Vendor(origin=origin).http.send(WRITE)


HALF = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"id": 1'
NO_HTTP = b"220 mail.example.test ESMTP\r\n"
MANY_HEADERS = b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 500 + b"\r\n"
NO_GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\nno gzip."


@pytest.mark.parametrize("answer", [HALF, NO_HTTP, MANY_HEADERS, NO_GZIP])
def test_half_an_answer_is_no_answer(answer: bytes) -> None:
    with a_server(answer) as (origin, _), pytest.raises(OutcomeUnknownError):
        Vendor(origin=origin).http.send(WRITE)
    with a_server(answer, answer, answer) as (origin, seen), pytest.raises(PartnerUnavailableError):
        Vendor(origin=origin).http.send(READ)
    assert len(seen) == 3


def test_no_redirect_takes_a_credential_elsewhere() -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0)
        where = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/"
        for status in (301, 302, 303, 307, 308):
            redirect = f"HTTP/1.1 {status} Go\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode()
            with a_server(redirect) as (origin, seen), pytest.raises(UnexpectedAnswerError):
                Vendor(origin=origin).http.send(READ)
            assert SECRET.encode() in seen[0]
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


def a_certificate(folder: Path) -> Path:
    """One for this machine, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(1))
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = made.add_extension(address, critical=False).sign(key, hashes.SHA256())
    plainly = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "certificate.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(key.private_bytes(pem, *plainly) + signed.public_bytes(pem))
    return path


def test_a_certificate_that_nobody_vouches_for_gets_no_request(tmp_path: Path) -> None:
    heard: list[bytes] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(a_certificate(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
                heard.append(secured.recv(65536))

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(OutcomeUnknownError):
            Vendor(origin=f"https://127.0.0.1:{listening.getsockname()[1]}").http.send(WRITE)
        thread.join()

    assert not any(heard)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let five seconds pass at every look at the clock: sockets wait really, answers end at once."""
    seconds = count(0, 5)
    monkeypatch.setattr(tamed, "time", SimpleNamespace(monotonic=lambda: next(seconds)))


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("beginning", "code"),
    [
        (b"", "ReadTimeout"),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", "ReadTimeout"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "ConnectionError"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", "ConnectionError"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", "ConnectionError"),
    ],
)
def test_an_answer_that_never_ends_is_given_up(beginning: bytes, code: str) -> None:
    with a_server(beginning, ending="never") as (origin, _), pytest.raises(OutcomeUnknownError) as caught:
        Vendor(origin=origin).http.send(WRITE)

    assert caught.value.code == code


def test_an_answer_larger_than_any_we_know_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tamed, "LARGEST_ANSWER_BYTES", 200_000)
    endless = b"HTTP/1.1 200 OK\r\n\r\n"

    with a_server(endless, ending="never") as (origin, seen), pytest.raises(UnexpectedAnswerError) as reading:
        Vendor(origin=origin).http.send(READ)
    with a_server(endless, ending="never") as (origin, _), pytest.raises(OutcomeUnknownError) as writing:
        Vendor(origin=origin).http.send(WRITE)

    assert reading.value.code == writing.value.code == "too_large"
    assert len(seen) == 1


def test_a_status_says_enough_however_large_its_page_is(
    network: responses.RequestsMock, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tamed, "LARGEST_ANSWER_BYTES", 10)
    network.get(f"{ORIGIN}/things", status=404, body=HTML)

    assert vendor.http.send(Call("GET", "/things", expected=frozenset({404}))).body is None


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


def test_a_partner_may_say_it_in_headers_of_its_own(network: responses.RequestsMock) -> None:
    """ShipStation: the seconds until its window turns over (facts/shipstation.md section 2)."""
    vendor = Vendor(retry_headers=("x-rate-limit-reset",))
    network.post(f"{ORIGIN}/things", status=429, headers={"X-Rate-Limit-Reset": "41", "Retry-After": "1"})

    with pytest.raises(RateLimitedError) as caught:
        vendor.http.send(WRITE)

    assert caught.value.retry_after_seconds == 41.0


def test_a_window_that_turns_over_is_no_wait_for_what_failed(network: responses.RequestsMock) -> None:
    vendor = Vendor(retry_headers=("x-rate-limit-reset",))
    network.get(f"{ORIGIN}/things", status=500, headers={"X-Rate-Limit-Reset": "41"})
    network.get(f"{ORIGIN}/things", json={})

    vendor.http.send(READ)

    assert vendor.slept == [0.2]


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


# -- what logs say ----------------------------------------------------------------------------------------------------


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """Everything logged by anybody at any level, with all its extras."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "jetbridge")
    return lambda: "\n".join(f"{each.getMessage()} {vars(each)}" for each in caplog.records)


PRIVATE = Call("GET", "/2026-07/order/60000456:cancel/Ada", [("email", "ada@example.test")], headers={"X": "a-header"})
ODD_HEADERS = b'HTTP/1.1 200 OK\r\nno header at all\r\nContent-Length: 14\r\n\r\n{"a": "a-body"}'


@pytest.mark.parametrize("answer", [ODD_HEADERS, b""])
def test_a_call_leaves_one_line_without_query_header_body_or_id(
    log: Callable[[], str], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], answer: bytes
) -> None:
    http.client.HTTPConnection.debuglevel = 1  # it prints headers; set by whoever debugs something else
    try:
        with a_server(answer, answer, answer) as (origin, seen), contextlib.suppress(PartnerUnavailableError):
            for _ in range(3):
                Vendor(origin=origin).http.send(PRIVATE)
    finally:
        http.client.HTTPConnection.debuglevel = 0

    said = log() + "".join(capfd.readouterr())
    assert not [word for word in ("Ada", "ada", "60000456", "a-header", "a-body", SECRET) if word in said]
    assert len(caplog.records) == len(seen) == 3
    line = vars(caplog.records[0])
    assert line["levelno"] == logging.DEBUG
    assert (line["partner"], line["method"], line["path"]) == ("vendor", "GET", "/2026-07/order/*:cancel/*")
    assert line["outcome"] == (200 if answer else "ConnectionError")
    assert line["seconds"] == 0
