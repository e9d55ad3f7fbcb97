"""The command line against the console as it is: every command's path, body and answer fit."""

from __future__ import annotations

import json
from email.message import Message
from http import HTTPMethod
from io import BytesIO
from typing import TYPE_CHECKING, Any, Self
from urllib.error import HTTPError

import pytest

from jetbridge.aws.runtime_table import DynamoRuntime
from jetbridge.command_line import main
from jetbridge.domain.replay import Difference
from tests.builders import STORE
from tests.functions.conftest import TOKEN
from tests.functions.test_sweep_replay import place

if TYPE_CHECKING:
    from pathlib import Path

    from tests.functions.conftest import World

NO_ZEROS = {
    "name": "no zeros",
    "when": {"field": "order_number", "operator": "ends_with", "value": "0"},
    "then": [{"action": "exclude"}],
}
DRAFT = {"rules": [{"name": "all", "then": [{"action": "forward"}]}, NO_ZEROS]}


class Terminal:
    """Somebody at a terminal, whose calls reach the world's console."""

    def __init__(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        self.world = world
        self._capsys = capsys

    def run(self, *arguments: object) -> tuple[int, str]:
        """Give how a command left, and what it printed."""
        self._capsys.readouterr()
        status = main([str(each) for each in arguments], sleep=lambda _: self.world.work())
        said = self._capsys.readouterr()
        printed = "\n".join(line for line in said.out.splitlines() if not line.startswith(('{"level"', '{"_aws"')))
        return status, f"{printed}\n{said.err}"

    def json(self, *arguments: object) -> Any:  # noqa: ANN401 - JSON
        """Give what a command that succeeds prints with --json."""
        status, printed = self.run("--json", *arguments)
        assert status == 0, printed
        return json.JSONDecoder().raw_decode(printed[printed.index("{") :])[0]


@pytest.fixture
def terminal(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    world.let_in(ada=TOKEN)
    monkeypatch.setenv("JETBRIDGE_URL", "https://console.example.test")
    monkeypatch.setenv("JETBRIDGE_TOKEN", TOKEN)
    monkeypatch.delenv("JETBRIDGE_STORE", raising=False)

    class Opener:
        """Hands a request over as API Gateway does."""

        def open(self, request: Any, timeout: float) -> Any:  # noqa: ANN401 - urllib's
            assert timeout
            assert request.headers["Authorization"] == f"Bearer {TOKEN}"
            path = request.full_url.removeprefix("https://console.example.test")
            body = json.loads(request.data) if request.data else None
            asked = world.ask(HTTPMethod(request.get_method()), path, body)
            return Answer(path, asked.status, json.dumps(asked.body).encode())

    monkeypatch.setattr("urllib.request.build_opener", lambda *_: Opener())
    return Terminal(world, capsys)


class Answer:
    """What urllib gives back."""

    def __init__(self, url: str, status: int, raw: bytes) -> None:
        if status >= 400:
            raise HTTPError(url, status, "", Message(), BytesIO(raw))
        self.status = status
        self._raw = raw

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def read(self) -> bytes:
        return self._raw


def test_a_draft_is_validated_saved_tried_and_activated(terminal: Terminal, world: World, tmp_path: Path) -> None:
    (draft := tmp_path / "draft.json").write_text(json.dumps(DRAFT))
    place(world, *range(1, 31))

    assert terminal.json("rules", "validate", draft)["can_be_saved"]
    version = terminal.json("rules", "save", draft, "--note", "no zeros")["version"]
    job = terminal.json("replay", version, "--days", 1)
    assert (job["state"], job["seen"], job["groups"]) == ("done", 30, {"newly_excluded": 3})
    assert [each["id"] for each in terminal.json("replays")["replays"]] == [job["id"]]
    assert terminal.json("replay-stop", job["id"])["state"] == "done"
    shown = terminal.json("rules", "show", version)
    assert [rule["name"] for rule in shown["rules"]] == ["all", "no zeros"]

    assert terminal.json("rules", "activate", version)["version"] == version
    assert [each["version"] for each in terminal.json("rules", "list")["versions"] if each["active"]] == [version]
    assert terminal.json("rules", "roll-back")["version"] == 1
    assert terminal.run("rules", "activate", 99)[0] == 1


def test_a_draft_in_the_shadow_is_shown_with_what_it_would_have_done(
    terminal: Terminal, world: World, tmp_path: Path
) -> None:
    (draft := tmp_path / "draft.json").write_text(json.dumps(DRAFT))
    version = terminal.json("rules", "save", draft)["version"]
    terminal.run("rules", "shadow", version)
    difference = Difference("1", "#10", "forward", "exclude", "newly_excluded", "no zeros")
    runtime = DynamoRuntime(world.dynamodb, "RuntimeTable", clock=world.now)
    runtime.note_difference(STORE, version, difference, world.now())

    _, printed = terminal.run("rules", "differences")

    assert "newly_excluded" in printed
    assert terminal.run("rules", "shadow-end")[0] == 0


def test_orders_of_a_file_are_tried(terminal: Terminal, tmp_path: Path) -> None:
    (draft := tmp_path / "draft.json").write_text(json.dumps(DRAFT))
    orders = [{"name": f"#{n}", "created_at": "2026-11-22T12:00:00Z"} for n in range(1, 251)]
    (file := tmp_path / "orders.jsonl").write_text("\n".join(map(json.dumps, orders)))

    found = terminal.json("replay-file", file, "--rules", draft)

    assert (found["seen"], found["same"], found["groups"]) == (250, 225, {"newly_excluded": 25})


def test_settings_and_orders_are_at_hand(terminal: Terminal, world: World) -> None:
    number = world.shop.create_order([{"sku": "TEA-250", "quantity": 1, "price": "12.50"}])["number"]
    world.wake("forward_order", number)

    assert terminal.json("stores") == {"stores": [STORE]}
    assert terminal.run("ship-options", "set", "Express *", "Standard")[0] == 0
    assert "express *" in terminal.run("ship-options", "list")[1]
    assert terminal.run("ship-options", "unset", "Express *")[0] == 0
    assert terminal.run("skus")[0] == terminal.run("counts")[0] == 0
    assert str(number) in terminal.run("orders", "--status", "forwarded")[1]
    assert str(number) in terminal.run("order", number)[1]
    assert terminal.run("explain", number)[0] == 0
    status, said = terminal.run("act", number, "look-again")
    assert status == 0, said
    assert terminal.run("act", number, "fly")[0] == 1
    status, said = terminal.run("order", 4711)
    assert (status, "(404)" in said) == (1, True)
