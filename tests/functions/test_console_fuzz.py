"""The console asked everything its own description allows, and much that it does not: never a 5xx."""

from __future__ import annotations

import base64
import socket
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import schemathesis
from openapi_spec_validator import validate
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from werkzeug.wrappers import Request, Response

from jetbridge.console import door
from tests.builders import STORE
from tests.functions.conftest import TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.functions.conftest import World

QUIETLY = hypothesis.settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)


class Gateway:
    """API Gateway in front of the console, as a WSGI application: the path decoded, the body as text or base64."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:  # noqa: ANN401 - WSGI's
        request = Request(environ)
        raw = request.get_data()
        kind = request.headers.get("content-type", "")
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": "ANY /console/{proxy+}",
            "rawPath": request.path,
            "rawQueryString": request.query_string.decode("latin-1"),
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "requestContext": {
                "stage": "$default",
                "http": {"method": request.method, "path": request.path, "sourceIp": "127.0.0.1"},
            },
        }
        if request.args:
            event["queryStringParameters"] = {name: ",".join(request.args.getlist(name)) for name in request.args}
        event |= self._body(raw, kind)
        answer = self._world.console(event, self._world.context) if self._world.console else {}
        return Response(answer["body"], answer["statusCode"], answer["headers"])(environ, start)

    @staticmethod
    def _body(raw: bytes, kind: str) -> dict[str, Any]:
        try:
            if kind.startswith(("text/", "application/json")):
                return {"body": raw.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
        return {"body": base64.b64encode(raw).decode(), "isBase64Encoded": True} if raw else {}


@pytest.fixture
def described(world: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Open the console, give it something to speak of, and give its description."""
    monkeypatch.setattr(door, "CALLS", 10_000_000)
    monkeypatch.setattr(socket, "getaddrinfo", _only_here)
    world.let_in(ada=TOKEN)
    number = world.shop.create_order([{"sku": "TEA-250", "quantity": 1, "price": "12.50"}])["number"]
    held = world.shop.create_order([{"sku": "TEA-250", "quantity": 1, "price": "12.50"}], shipping_method="By drone")[
        "number"
    ]
    world.wake("forward_order", number, held)
    found: dict[str, Any] = world.ask("GET", "/console/openapi.json", token=None).body
    found["x-known"] = {"store": STORE, "order_id": str(held), "version": 1}
    return found


def _only_here(host: str, port: object, *rest: object, **more: object) -> Any:  # noqa: ANN401 - the socket module's
    if host in {"127.0.0.1", "localhost", "::1"}:
        return _getaddrinfo(host, port, *rest, **more)  # type: ignore[arg-type]
    raise socket.gaierror


_getaddrinfo = socket.getaddrinfo


def test_the_description_is_openapi_and_every_route_asks_for_a_token(described: dict[str, Any]) -> None:
    validate({name: value for name, value in described.items() if name != "x-known"})

    assert described["security"] == [{"token": []}]
    assert described["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for path, operations in described["paths"].items():
        assert path.startswith("/console/"), path
        for operation in operations.values():
            assert "security" not in operation
            assert operation["summary"]
            assert {"200", "401", "429", "503"} <= operation["responses"].keys()


GARBAGE = [
    b"",
    b"\x00",
    b"\xff\xfe\x00",
    b"null",
    b"[{}]",
    b'"text"',
    b"{}",
    b'{"version": 1e308, "days": -1e308}',
    b'{"version": ' + b"9" * 300 + b"}",
    b'{"rules": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    b'{"rules": [{"name": "\\u0000", "then": [{"action": "forward"}]}]}',
    b'{"order": {"lines": [{"sku": "\\ud800"}]}}',
    '{"sku": "ǻ\u202e\U0001f4a3", "components": [{"sku": "ß\u0130", "units": 1}]}'.encode(),
    '{"method": "\u2028 İ ﬁ", "ship_option": "*", "active": false}'.encode(),
    b"a=1&b=2",
    b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--',
]
KINDS = ["application/json", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"]


def test_no_garbage_makes_it_fail(world: World, described: dict[str, Any]) -> None:
    ids = described["x-known"] | {"job_id": "x"}
    statuses = set()
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            if "requestBody" in operation:
                for raw in GARBAGE:
                    for kind in KINDS:
                        asked = world.ask(method.upper(), path.format(**ids), raw, headers={"content-type": kind})
                        assert asked.status < 500, (method, path, raw[:40], asked.body)
                        statuses.add(asked.status)
    assert {400, 415, 422} <= statuses


@pytest.mark.parametrize("known", [True, False], ids=["of the store", "of anybody"])
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
def test_no_request_makes_it_fail(
    world: World, described: dict[str, Any], mode: GenerationMode, *, known: bool
) -> None:
    ids = described.pop("x-known")
    schema = schemathesis.openapi.from_dict(described)
    schema.app = Gateway(world)
    statuses: set[int] = set()
    asked = 0

    def ask(case: Any) -> None:  # noqa: ANN401 - schemathesis' own case
        nonlocal asked
        if known:
            if (case.method, case.path) == ("DELETE", "/console/stores/{store}"):
                return  # what follows would have no store
            case.path_parameters |= {name: value for name, value in ids.items() if name in case.path_parameters}
        response = case.call(headers={"Authorization": f"Bearer {TOKEN}"})
        said = response.json()
        assert response.status_code < 500, said
        if response.status_code >= 400:
            assert said.keys() == {"error", "message", "problems"}
        statuses.add(response.status_code)
        asked += 1

    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        strategy = found.ok().as_strategy(generation_mode=mode)
        QUIETLY(hypothesis.given(strategy)(ask))()
    assert asked > 100
    assert statuses >= ({200} if mode is GenerationMode.POSITIVE else {422})
