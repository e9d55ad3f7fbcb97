"""Anybody may post an address to us. Here every name in the world leads to one listener, and it must hear nothing."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import threading
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st

from jetbridge.domain.shipstation import Resource
from jetbridge.domain.store import ShipStationConnection
from jetbridge.errors import (
    ForeignAddressError,
    JetbridgeError,
    MalformedRequestError,
    PartnerUnavailableError,
    UnexpectedAnswerError,
)
from jetbridge.partners.http import Seams
from jetbridge.partners.shipstation.addresses import is_vendors, take_apart
from jetbridge.partners.shipstation.client import ShipStationDesk
from jetbridge.partners.shipstation.resources import resource_from
from jetbridge.partners.shipstation.webhooks import ShipStationWebhooks
from tests.builders import STORE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jetbridge.messages import WakeUp

GUID = "1b7f3c1e-9a54-4c52-8f0a-2f2a1d9d7f10"
CREDENTIALS = {"api_key": "key-ada-1", "api_secret": "secret-ada-1"}
BASIC = b"Basic a2V5LWFkYS0xOnNlY3JldC1hZGEtMQ=="
NOTHING_HERE = b'{"orders": [], "shipments": [], "fulfillments": []}'


class Listener(socketserver.ThreadingTCPServer):
    """Takes every connection, keeps what it hears, and answers with an empty list, or as it was told."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        self.connections = 0
        self.heard: list[bytes] = []
        self.location = ""
        super().__init__(("127.0.0.1", 0), Hearing)
        self.port: int = self.server_address[1]
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get_request(self) -> tuple[socket.socket, Any]:
        self.connections += 1
        return super().get_request()

    def answer(self) -> bytes:
        if self.location:
            return f"HTTP/1.1 302 Found\r\nLocation: {self.location}\r\nContent-Length: 0\r\n\r\n".encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(NOTHING_HERE)}\r\nConnection: close\r\n\r\n"
        return head.encode() + NOTHING_HERE


class Hearing(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        listener = cast("Listener", self.server)
        with contextlib.suppress(OSError):
            listener.heard.append(self.request.recv(65536))
            self.request.sendall(listener.answer())


@contextlib.contextmanager
def listening() -> Iterator[Listener]:
    listener = Listener()
    try:
        yield listener
    finally:
        listener.shutdown()
        listener.server_close()


@pytest.fixture
def vendor() -> Iterator[Listener]:
    """ShipStation, as configured outside production."""
    with listening() as listener:
        yield listener


@pytest.fixture
def thief(monkeypatch: pytest.MonkeyPatch, vendor: Listener) -> Iterator[Listener]:
    """Whoever stands behind every name and every port but the configured one."""
    with listening() as listener:

        def resolve(host: object, port: object, *_args: object, **_options: object) -> list[tuple[Any, ...]]:
            own = host in {"127.0.0.1", "localhost"} and port == vendor.port
            address = ("127.0.0.1", vendor.port if own else listener.port)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        yield listener


def a_desk(api_url: str, *, production: bool) -> ShipStationDesk:
    return ShipStationDesk(
        ShipStationConnection("90001", api_url),
        lambda _again: CREDENTIALS,
        production=production,
        seams=Seams(sleep=lambda _seconds: None),
    )


def taken_on_trust(text: str) -> Resource | None:
    """What a careless parser would make of an address: even that must not get past the desk."""
    try:
        parts = urlsplit(text)
        query = tuple(sorted(parse_qsl(parts.query, keep_blank_values=True)))
    except ValueError:
        return None
    return Resource(f"{parts.scheme}://{parts.netloc}", parts.path.strip("/"), query)


def follow(desk: ShipStationDesk, text: str) -> None:
    """Do with an address all that a worker might."""
    found = [taken_on_trust(text)]
    with contextlib.suppress(ForeignAddressError):
        found.append(resource_from(text))
    for resource in filter(None, found):
        for read in (desk.orders_behind, desk.labelled_behind):
            with contextlib.suppress(JetbridgeError):
                list(read(resource))


SHAPES = [
    "https://evil.example.test{path}",
    "http://evil.example.test{path}",
    "http://evil.example.test:{thief}{path}",
    "http://127.0.0.1:{thief}{path}",
    "http://localhost:{thief}{path}",
    "http://localhost:{vendor}{path}",
    "https://127.0.0.1:{vendor}{path}",
    "HTTP://127.0.0.1:{vendor}{path}",
    "http://127.0.0.1:0{vendor}{path}",
    "http://127.1:{vendor}{path}",
    "http://2130706433:{vendor}{path}",
    "http://[::1]:{vendor}{path}",
    "http://127.0.0.1.:{vendor}{path}",
    "http://127.0.0.1:{vendor}.{path}",
    "http://127.0.0.1{path}",
    "http://127.0.0.1:{vendor}@evil.example.test{path}",
    "http://evil.example.test@127.0.0.1:{vendor}{path}",
    "http://evil.example.test\\@127.0.0.1:{vendor}{path}",
    "http://127.0.0.1:{vendor}\\.evil.example.test{path}",
    "http://127.0.0.1:{vendor}#@evil.example.test{path}",
    "http://127.0.0.1:{vendor}?@evil.example.test{path}",
    "http://127.0.0.1%3A{vendor}.evil.example.test{path}",
    "http://127.0.0.1%00.evil.example.test:{vendor}{path}",
    "http://127.0.0.1:{vendor}\t.evil.example.test{path}",
    "http://127.0.0.1:{vendor}\r\n.evil.example.test{path}",
    "https://ssapi.shipstation.com{path}",
    "https://ssapi7.shipstation.com{path}",
    "http://ssapi.shipstation.com{path}",
    "http://ssapi7.shipstation.com{path}",
    "http://ssapi.shipstation.com:80{path}",
    "https://ssapi.shipstation.com:443{path}",
    "https://ssapi.shipstation.com:8443{path}",
    "https://ssapi.shipstation.com.{path}",
    "http://ssapi.shipstation.com.{path}",
    "https://SSAPI.ShipStation.com{path}",
    "https://ssapi.shipstation.com.evil.example.test{path}",
    "https://ssapi.shipstation.com@evil.example.test{path}",
    "https://ssapi.shipstation.com:x@evil.example.test{path}",
    "https://user:pass@ssapi.shipstation.com{path}",
    "https://evil-ssapi.shipstation.com{path}",
    "https://ssapi-evil.shipstation.com{path}",
    "https://ssapi.evil.shipstation.com{path}",
    "https://evil.ssapi.shipstation.com{path}",
    "https://ssapi٣.shipstation.com{path}",
    "https://ssapi７.shipstation.com{path}",  # noqa: RUF001 - a wide 7
    "https://ssapi.shipstatiоn.com{path}",  # noqa: RUF001 - a Cyrillic o
    "https://ssapi。shipstation。com{path}",
    "https://ssapi.xn--shipstatin-1fh.com{path}",
    "https://ssapi.shipstation.com%2f.evil.example.test{path}",
    "https://ssapi.shipstation.com%00{path}",
    "https://ssapi.shipstation.com\\.evil.example.test{path}",
    "//evil.example.test{path}",
    "///evil.example.test{path}",
    "file://evil.example.test{path}",
    "gopher://127.0.0.1:{thief}{path}",
    "javascript:alert(1){path}",
    "{path}",
]
PATHS = [
    f"/orders?importBatch={GUID}",
    "/shipments?storeID=90001&batchId=7&includeShipmentItems=False",
    "/fulfillments?fulfillmentId=5",
]
# Shapes of the configured host with paths and queries that must not be asked for.
QUERIES = [
    "",
    "/",
    "/orders",
    "/orders?",
    "/orders?page=1",
    f"/Orders?importBatch={GUID}",
    f"/orders/?importBatch={GUID}",
    f"//orders?importBatch={GUID}",
    f"/orders/../stores?importBatch={GUID}",
    f"/orders%2f..%2fstores?importBatch={GUID}",
    f"/orders%00?importBatch={GUID}",
    f"/accounts/listtags?importBatch={GUID}",
    f"/orders/191759016?importBatch={GUID}",
    f"/orders?importBatch={GUID}&importBatch={GUID}",
    f"/orders?importBatch={GUID}&IMPORTbatch={GUID}",
    f"/orders?importBatch={GUID}&redirect=http://evil.example.test",
    f"/orders?importBatch={GUID}%00",
    f"/orders?importBatch={GUID}&storeID=777",
    f"/orders?importBatch={GUID}#x",
    f"/orders?importBatch={GUID} ",
    "/orders?importBatch=http://evil.example.test/",
    "/orders?storeID=90001,777",
    "/orders?storeID=٩",
    "/orders?storeID=90001&storeid=777",
]


# -- the door is open -----------------------------------------------------------------------------------------------


def test_the_listener_hears_whoever_speaks_to_any_host(thief: Listener) -> None:
    """Without this, the tests below would prove nothing."""
    requests.get("http://evil.example.test/orders", headers={"Authorization": BASIC.decode()}, timeout=5)

    assert thief.connections == 1
    assert BASIC in thief.heard[0]


@pytest.mark.parametrize("path", PATHS)
def test_the_configured_host_is_spoken_to(vendor: Listener, thief: Listener, path: str) -> None:
    follow(a_desk(vendor.url, production=False), vendor.url + path)

    assert vendor.heard
    assert all(BASIC in each for each in vendor.heard)
    assert not thief.connections


# -- nobody else is -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_outside_production_only_the_configured_host_is_spoken_to(
    vendor: Listener, thief: Listener, shape: str
) -> None:
    desk = a_desk(vendor.url, production=False)

    for path in PATHS:
        follow(desk, shape.format(path=path, thief=thief.port, vendor=vendor.port))

    assert not thief.connections


@pytest.mark.parametrize("shape", SHAPES)
def test_in_production_nobody_sees_a_credential(vendor: Listener, thief: Listener, shape: str) -> None:
    """The vendor's own hosts are connected to, and here they have no certificate to show."""
    desk = a_desk("https://ssapi.shipstation.com", production=True)

    for path in PATHS:
        follow(desk, shape.format(path=path, thief=thief.port, vendor=vendor.port))

    assert not any(b"Basic" in each or b"Authorization" in each for each in thief.heard + vendor.heard)
    own = shape.removesuffix("{path}") in {"https://ssapi.shipstation.com", "https://ssapi7.shipstation.com"}
    assert bool(thief.connections) is own
    assert not vendor.connections


@pytest.mark.parametrize("path", QUERIES)
def test_the_configured_host_is_asked_for_nothing_unknown(vendor: Listener, thief: Listener, path: str) -> None:
    desk = a_desk(vendor.url, production=False)

    with contextlib.suppress(ForeignAddressError):
        list(desk.orders_behind(resource_from(vendor.url + path)))

    assert not vendor.connections
    assert not thief.connections


@pytest.mark.parametrize("shape", SHAPES)
def test_the_intake_queues_no_other_host(shape: str) -> None:
    queued: list[WakeUp] = []
    for path in PATHS:
        address = shape.format(path=path, thief=1, vendor=2)
        raw = json.dumps({"resource_url": address, "resource_type": "ORDER_NOTIFY"}).encode()
        with contextlib.suppress(MalformedRequestError):
            queued += ShipStationWebhooks(production=True).read({}, raw, STORE, 0.0).wake_ups

    own = shape.removesuffix("{path}") in {"https://ssapi.shipstation.com", "https://ssapi7.shipstation.com"}
    assert len(queued) == (len(PATHS) if own else 0)


# -- not by a detour either -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "location",
    [
        "http://evil.example.test/orders",
        "https://evil.example.test/orders",
        "//evil.example.test/orders",
        "http://127.0.0.1:{thief}/orders",
        "https://ssapi.shipstation.com/orders",
        "/orders",
    ],
)
def test_a_redirect_is_not_followed(vendor: Listener, thief: Listener, location: str) -> None:
    vendor.location = location.format(thief=thief.port)
    desk = a_desk(vendor.url, production=False)

    with pytest.raises(UnexpectedAnswerError):
        list(desk.orders_behind(Resource(vendor.url, "orders", (("importBatch", GUID),))))

    assert vendor.connections == 1
    assert not thief.connections


def test_a_proxy_in_the_environment_is_not_spoken_to(
    vendor: Listener, thief: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, thief.url)

    follow(a_desk(vendor.url, production=False), vendor.url + PATHS[0])

    assert vendor.connections
    assert not thief.connections


def test_who_poses_as_a_host_of_the_vendors_without_its_certificate_hears_nothing(thief: Listener) -> None:
    desk = a_desk("https://ssapi.shipstation.com", production=True)

    with pytest.raises(PartnerUnavailableError):
        list(desk.orders_behind(Resource("https://ssapi7.shipstation.com", "orders", (("importBatch", GUID),))))

    assert thief.connections
    assert not any(b"Basic" in each or GUID.encode() in each for each in thief.heard)


# -- and whatever else somebody thinks of -----------------------------------------------------------------------------

GOOD = f"https://ssapi7.shipstation.com/orders?storeID=90001&importBatch={GUID}"
ODD = st.sampled_from([*"@:/\\?#&=%.-;,\t\r\n \0٣７。о", "%2f", "%40", "..", "//", "https://evil.example.test", "evil"])  # noqa: RUF001


@st.composite
def spoiled(draw: st.DrawFn) -> str:
    text = GOOD
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        cut = draw(st.integers(0, 4))
        text = text[:at] + draw(ODD) + text[at + cut :]
    return text


@given(spoiled() | st.text(max_size=60).map(lambda text: f"https://{text}"))
@example(GOOD)
def test_what_is_let_through_is_what_every_reader_sees(text: str) -> None:
    """An address means the same to our parser, the standard library and the client that would send it."""
    try:
        parts = take_apart(text)
    except ForeignAddressError:
        return
    seen, prepared = urlsplit(text), urlsplit(str(requests.Request("GET", text).prepare().url))

    assert f"{seen.scheme}://{seen.netloc}" == parts.origin == f"{prepared.scheme}://{prepared.netloc}"
    assert seen.path == prepared.path == f"/{parts.kind}"
    assert seen.username is seen.password is None
    assert not seen.fragment
    if is_vendors(parts.origin):
        assert seen.port is None
        assert seen.hostname
        assert seen.hostname.endswith(".shipstation.com")
        assert seen.hostname.count(".") == 2
