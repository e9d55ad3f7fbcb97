"""The console over HTTP: who may come in, what is refused and how, and what every route answers."""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.console import door
from jetbridge.console.answers import RefusedError
from tests.builders import STORE
from tests.functions.conftest import TOKEN, console_event, lines

if TYPE_CHECKING:
    from tests.functions.conftest import Asked, World

ONE = f"/console/stores/{STORE}"


@pytest.fixture(autouse=True)
def _ada_may_come_in(world: World) -> None:
    world.let_in(ada=TOKEN)


def refused(asked: Asked) -> tuple[int, str]:
    assert asked.body.keys() == {"error", "message", "problems"}
    assert asked.body["message"].endswith((".", "…"))
    return asked.status, asked.body["error"]


# -- the door -----------------------------------------------------------------------------------------------------


def test_a_token_opens_the_door_and_nothing_is_cached(world: World) -> None:
    asked = world.ask("GET", "/console/stores")

    assert (asked.status, asked.body) == (200, {"stores": [STORE]})
    assert asked.headers["Cache-Control"] == "no-store"


def test_nobody_comes_in_without_one_of_the_tokens(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "WRONG_OF_SOURCE", 100)
    shown = ["", "Bearer", "Bearer ", "Bearer \ud800", "Bearer " + "x" * 10_000, TOKEN, f"Basic {TOKEN}"]
    for authorization in [*shown, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN} {TOKEN}"]:
        asked = world.ask("GET", "/console/stores", token=None, headers={"authorization": authorization})

        assert refused(asked) == (401, "unauthorized"), authorization
        assert asked.headers["WWW-Authenticate"] == "Bearer"
        assert asked.headers["Cache-Control"] == "no-store"


def test_the_name_of_the_scheme_is_read_in_any_case(world: World) -> None:
    assert world.ask("GET", "/console/stores", token=None, headers={"authorization": f"bEARER {TOKEN}"}).status == 200


def test_without_tokens_everybody_is_told_how_to_set_one(world: World) -> None:
    world.ssm.delete_parameter(Name="/jetbridge/test/console")

    asked = world.ask("GET", "/console/stores")

    assert refused(asked) == (401, "unauthorized")
    assert "SSM" in asked.body["message"]


def test_a_short_token_opens_nothing(world: World) -> None:
    world.let_in(ada="admin")

    assert refused(world.ask("GET", "/console/stores", token="admin")) == (401, "unauthorized")  # noqa: S106 - invented


def test_malformed_requests_of_strangers_are_not_even_read(world: World) -> None:
    for path in ("/console/nowhere", "/console/stores"):
        assert world.ask("POST", path, b"{", token=None).status == 401


def test_every_token_is_compared_in_constant_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.let_in(ada=TOKEN, bob=f"{TOKEN}-of-bob", cleo=f"{TOKEN}-of-cleo")
    compared: list[int] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(len(one))
        return hmac.compare_digest(one, other)

    monkeypatch.setattr(door, "hmac", type("hmac", (), {"compare_digest": staticmethod(compare)}))

    assert world.ask("GET", "/console/stores").status == 200
    assert compared == [32, 32, 32]


def test_a_token_that_was_just_added_works_within_half_a_minute(world: World) -> None:
    """The first wrong one makes us read again; later ones do not, for half a minute."""
    from jetbridge.aws.runtime_table import DynamoRuntime
    from jetbridge.aws.secrets import SsmSecretStore

    time = 1000.0
    runtime = DynamoRuntime(world.dynamodb, "RuntimeTable", clock=world.now)
    opened = door.Door(SsmSecretStore(world.ssm, "test"), runtime, clock=lambda: time)
    headers = {"authorization": f"Bearer {TOKEN}-new"}
    assert opened.opened_by({"authorization": f"Bearer {TOKEN}"}, "") == "ada"
    world.let_in(ada=TOKEN, new=f"{TOKEN}-new")

    with pytest.raises(RefusedError):
        opened.opened_by(headers, "")
    time += door.AGAIN_SECONDS
    assert opened.opened_by(headers, "") == "new"

    world.let_in(ada=TOKEN)
    assert opened.opened_by(headers, "") == "new"
    time += door.KNOWN_SECONDS
    with pytest.raises(RefusedError):
        opened.opened_by(headers, "")


def test_who_guesses_is_soon_not_listened_to(world: World) -> None:
    wrong = [refused(world.ask("GET", "/console/stores", token=f"{TOKEN}{n}")) for n in range(door.WRONG_OF_SOURCE)]
    assert wrong == [(401, "unauthorized")] * door.WRONG_OF_SOURCE

    asked = world.ask("GET", "/console/stores", token=f"{TOKEN}?")
    assert refused(asked) == (429, "too_often")
    assert asked.headers["Retry-After"] == "60"
    assert world.ask("GET", "/console/stores", source="198.51.100.8").status == 200
    right = world.ask("GET", "/console/stores")
    assert refused(right) == (429, "too_often"), "his next token is not even compared"


def test_many_guessers_shut_out_each_other_and_nobody_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "WRONG_OF_ALL", 3)
    sources = [f"2001:db8:{n}::1" for n in range(5)]
    found = [world.ask("GET", "/console/stores", token=f"{TOKEN}x", source=each).status for each in sources]

    assert found == [401, 401, 401, 429, 429]
    assert world.ask("GET", "/console/stores").status == 200


def test_a_token_has_so_many_calls_a_minute(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "CALLS", 2)
    world.let_in(wrong=TOKEN, bob=f"{TOKEN}-of-bob")  # a name is a name, whatever we count under

    assert [world.ask("GET", "/console/stores").status for _ in range(3)] == [200, 200, 429]
    assert world.ask("GET", "/console/stores", token=f"{TOKEN}-of-bob").status == 200


def test_no_address_of_a_caller_is_kept(world: World) -> None:
    for source in ("198.51.100.7", "2001:db8::1", "nonsense"):
        world.ask("GET", "/console/stores", token=f"{TOKEN}x", source=source)

    kept = json.dumps(world.dynamodb.scan(TableName="RuntimeTable")["Items"])
    assert "198.51" not in kept
    assert "db8" not in kept


def test_one_line_says_what_was_done_by_whom_and_names_nothing_else(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.ask("GET", f"{ONE}/changes")
    world.ask("GET", "/console/stores/Ada@example.test/changes")
    world.ask("GET", "/console/secret-place")

    logged = [line for line in lines(capsys.readouterr().out) if line["message"] == "console"]
    assert [(line["action"], line["store"], line["status"], line["by"]) for line in logged] == [
        ("GET /console/stores/{store}/changes", STORE, 200, "ada"),
        ("GET /console/stores/{store}/changes", "", 422, "ada"),
        ("", "", 404, "ada"),
    ]
    assert all(line["milliseconds"] >= 0 for line in logged)


# -- what is malformed ----------------------------------------------------------------------------------------------


NO_REQUESTS: list[tuple[bytes, tuple[int, str]]] = [
    (b"", (422, "malformed")),
    (b"{", (400, "not_json")),
    (b"\xff\xfe", (400, "not_text")),
    (b"null", (400, "not_an_object")),
    (b"[]", (400, "not_an_object")),
    (b'[{"store": "x"}]', (400, "not_an_object")),
    (b'{"buffer": NaN}', (400, "not_json")),
    (b'{"buffer": 1e999}', (400, "not_json")),
    (b'{"buffer": ' + b"9" * 5000 + b"}", (400, "not_json")),
    (b'{"buffer": ' + b"9" * 400 + b"}", (422, "malformed")),
    (b'{"store": "\\ud800"}', (400, "not_json")),
    (b'{"store": "\\u0000"}', (400, "not_text")),
    (b"[" * 100_000, (400, "not_json")),
    (b'{"a":' * 100_000, (400, "not_json")),
    (b" " * 3_000_000, (413, "too_large")),
    (b"{}", (422, "malformed")),
]


def test_a_body_that_is_no_request_is_refused(world: World) -> None:
    for body, expected in NO_REQUESTS:
        assert refused(world.ask("POST", "/console/stores", body)) == expected, body[:40]


def test_a_body_that_is_not_the_base64_it_is_said_to_be_is_refused(world: World) -> None:
    event = console_event("POST", "/console/stores", b"") | {"body": "%%%", "isBase64Encoded": True}

    assert world.call("console", event)["statusCode"] == 400


def test_only_json_is_read(world: World) -> None:
    forms = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "multipart/form-data"]
    for kind in [*forms, "text/xml", "application/jsonp", ""]:
        asked = world.ask("POST", "/console/stores", b"a=b", headers={"content-type": kind})

        assert refused(asked) == (415, "not_json"), kind


def test_problems_are_named_by_place_and_never_quote_what_was_given(world: World) -> None:
    secret = "hush-hush-hush"  # noqa: S105 - invented
    body: dict[str, Any] = {"store": secret.upper(), "shop": secret, "routes": [secret], "buffer": secret}
    body |= {"credentials": {"jetpack": {"tokem": secret}, "shopify": secret}, "addresses": {"HUSH hush": secret}}

    asked = world.ask("POST", "/console/stores", body)

    assert refused(asked) == (422, "malformed")
    paths = {each["path"] for each in asked.body["problems"]}
    assert paths >= {"store", "shop", "routes[0]", "buffer", "credentials.jetpack.token", "credentials.jetpack.tokem"}
    assert "hush" not in json.dumps(asked.body).lower()


def test_unknown_paths_and_methods_are_told_apart(world: World) -> None:
    assert refused(world.ask("GET", "/console/nowhere")) == (404, "not_found")
    asked = world.ask("PUT", "/console/stores")
    assert refused(asked) == (405, "wrong_method")
    assert asked.headers["Allow"] == "GET, POST"


def test_our_own_trouble_is_503_and_a_mistake_500_with_its_place_in_the_log(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from jetbridge.aws.settings_table import DynamoStoreSettings

    def broken(_self: object) -> None:
        message = "Ada Sample"
        raise KeyError(message)

    with monkeypatch.context() as patched:
        patched.setattr(DynamoStoreSettings, "stores", broken)
        assert refused(world.ask("GET", "/console/stores")) == (500, "our_mistake")
    out = capsys.readouterr().out
    assert "KeyError" in out
    assert "Ada Sample" not in out

    world.dynamodb.delete_table(TableName="SettingsTable")
    asked = world.ask("GET", "/console/stores")
    assert refused(asked) == (503, "our_side")
    assert asked.headers["Retry-After"]
