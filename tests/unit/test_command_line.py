"""The command line against a console on loopback: what it asks for, what it prints, and what it never does."""

from __future__ import annotations

import json
import runpy
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.command_line import AT_ONCE, PATIENCE, main, merged, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "opens-the-console-of-these-tests"  # noqa: S105 - made up
CALLED_WRONGLY = 2
Asked = tuple[str, str, Any]


@dataclass
class Console:
    """Answers what a test says, in its order; the last answer again and again."""

    answers: deque[tuple[int, Any]] = field(default_factory=deque)
    asked: list[Asked] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    headers: dict[str, str] = field(default_factory=dict)
    url: str = ""

    def says(self, *answers: Any, status: int = 200) -> None:  # noqa: ANN401 - any JSON
        self.answers.extend((status, each) for each in answers)


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    made = Console()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            made.tokens.add(self.headers["authorization"])
            made.asked.append((self.command, self.path, json.loads(body) if body else None))
            status, answer = made.answers.popleft() if len(made.answers) > 1 else made.answers[0]
            raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {**made.headers, "content-length": str(len(raw))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        made.url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("JETBRIDGE_URL", f"{made.url}/")
        monkeypatch.setenv("JETBRIDGE_TOKEN", TOKEN)
        monkeypatch.setenv("JETBRIDGE_STORE", "demo")
        yield made
        server.shutdown()


def run(*arguments: object) -> int:
    return main([str(each) for each in arguments], sleep=lambda _: None)


DEMO = "/console/stores/demo"


@pytest.mark.parametrize(
    ("command", "asked"),
    [
        ("stores", ("GET", "/console/stores", None)),
        ("orders", ("GET", f"{DEMO}/orders", None)),
        (
            "orders --status held --reason unmapped_ship_option",
            ("GET", "?status=held&reason=unmapped_ship_option", None),
        ),
        ("order 42", ("GET", f"{DEMO}/orders/42", None)),
        ("order ../../elsewhere?x=1", ("GET", f"{DEMO}/orders/..%2F..%2Felsewhere%3Fx%3D1", None)),
        ("orders --after page-2", ("GET", f"{DEMO}/orders?after=page-2", None)),
        ("counts", ("GET", f"{DEMO}/order-counts", None)),
        ("act 42 look-again", ("POST", f"{DEMO}/orders/42/actions", {"action": "look_again"})),
        ("act 42 hold --reason VIP", ("POST", f"{DEMO}/orders/42/actions", {"action": "hold", "reason": "VIP"})),
        ("rules list", ("GET", f"{DEMO}/rules", None)),
        ("rules shadow 7", ("PUT", f"{DEMO}/rules/shadow", {"version": 7})),
        ("rules shadow-end", ("DELETE", f"{DEMO}/rules/shadow", None)),
        ("rules differences", ("GET", f"{DEMO}/rules/shadow", None)),
        ("rules roll-back", ("POST", f"{DEMO}/rules/roll-back", None)),
        ("explain 42", ("POST", f"{DEMO}/rules/explain", {"order_id": "42"})),
        ("replays", ("GET", f"{DEMO}/replays", None)),
        ("replay-stop job-1", ("DELETE", f"{DEMO}/replays/job-1", None)),
        ("ship-options list", ("GET", f"{DEMO}/ship-options", None)),
        ("ship-options unset Express*", ("DELETE", f"{DEMO}/ship-options?method=Express%2A", None)),
        ("skus", ("GET", f"{DEMO}/skus", None)),
    ],
)
def test_a_command_is_one_call_of_the_console(console: Console, command: str, asked: Asked) -> None:
    console.says({"ok": True})

    assert run(*command.split()) == 0

    [(method, path, body)] = console.asked
    assert (method, path[-len(asked[1]) :], body) == asked
    assert console.tokens == {f"Bearer {TOKEN}"}


def test_a_mapping_is_put_with_everything_that_was_said(console: Console) -> None:
    console.says({})

    run("ship-options", "set", "Express *", "2-Day", "--inactive")

    body = {"method": "Express *", "ship_option": "2-Day", "active": False}
    assert console.asked == [("PUT", f"{DEMO}/ship-options", body)]


def test_a_draft_is_read_from_its_file(console: Console, tmp_path: Path) -> None:
    draft = {"rules": [{"name": "all", "then": [{"action": "forward"}]}]}
    (file := tmp_path / "draft.json").write_text(json.dumps(draft))
    console.says({"ok": True})

    assert run("rules", "validate", file) == run("rules", "save", file, "--note", "try") == 0

    assert console.asked == [
        ("POST", f"{DEMO}/rules/validate", draft),
        ("POST", f"{DEMO}/rules", draft | {"note": "try"}),
    ]


def test_activating_says_which_version_it_takes_the_place_of(console: Console) -> None:
    console.says({"versions": [{"version": 7, "active": False}, {"version": 5, "active": True}]}, {"version": 7})

    run("rules", "activate", 7)

    assert console.asked[1:] == [("POST", f"{DEMO}/rules/7/activate", {"instead_of": 5})]


def test_a_draft_with_errors_makes_the_command_fail(
    console: Console, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file := tmp_path / "draft.json").write_text('{"rules": []}')
    remark = {"path": "rules[0]", "severity": "error", "text": "never matches"}
    console.says({"can_be_saved": False, "remarks": [remark]})

    assert run("rules", "validate", file) == 1
    assert "rules[0]  error     never matches" in capsys.readouterr().out


def test_a_version_is_printed_so_that_it_can_be_saved_again(
    console: Console, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown_rules = [{"name": "all", "then": [{"action": "forward"}]}]
    console.says({"version": 7, "active": True, "rules": shown_rules})

    run("rules", "show", 7)
    (file := tmp_path / "draft.json").write_text(capsys.readouterr().out)
    run("rules", "save", file)

    assert [asked[:2] for asked in console.asked] == [("GET", f"{DEMO}/rules/7"), ("POST", f"{DEMO}/rules")]
    assert console.asked[1][2] == {"rules": shown_rules}


# -- which store ------------------------------------------------------------------------------------------------------


def test_the_only_store_need_not_be_named(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JETBRIDGE_STORE")
    console.says({"stores": ["only"]}, {})

    run("skus")

    assert [path for _, path, _ in console.asked] == ["/console/stores", "/console/stores/only/skus"]


def test_of_several_stores_one_has_to_be_named(
    console: Console, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("JETBRIDGE_STORE")
    console.says({"stores": ["one", "two"]})

    assert run("skus") == 1
    assert "one, two" in capsys.readouterr().err
    assert run("--store", "two", "skus") == 0
    assert console.asked[-1][1] == "/console/stores/two/skus"


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_a_refusal_is_told_in_the_consoles_words_with_every_place(
    console: Console, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = [{"path": "rules[0].when", "text": "unknown field"}, {"path": "", "text": "too long"}]
    console.says({"error": "malformed", "message": "Not as described.", "problems": problems}, status=422)

    assert run("orders") == 1

    said = capsys.readouterr()
    assert said.err == "Not as described. (422)\n  rules[0].when: unknown field\n  the whole: too long\n"
    assert not said.out


@pytest.mark.parametrize("answer", [b"<html>Bad gateway</html>", b"", b"[]", {"detail": "?"}])
def test_a_refusal_that_is_not_the_consoles_is_told_by_its_status(
    console: Console, answer: object, capsys: pytest.CaptureFixture[str]
) -> None:
    console.says(answer, status=502)

    assert run("orders") == 1
    assert capsys.readouterr().err == "The console answers 502\n"


@pytest.mark.parametrize("answer", [b"<html>Welcome</html>", b"", b"[]"])
def test_a_page_of_somebody_else_is_not_taken_for_an_answer(
    console: Console, answer: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    console.says(answer)

    assert run("orders") == 1
    assert "not the console" in capsys.readouterr().err


def test_the_token_follows_no_redirection(console: Console) -> None:
    console.headers["location"] = f"{console.url}/elsewhere"
    console.says({}, status=302)

    assert run("orders") == 1
    assert [path for _, path, _ in console.asked] == [f"{DEMO}/orders"]


@pytest.mark.parametrize("url", ["", "http://console.example.test", "ftp://127.0.0.2", "console.example.test"])
def test_the_token_goes_over_https_only(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JETBRIDGE_URL", url)
    monkeypatch.setenv("JETBRIDGE_TOKEN", TOKEN)

    assert run("stores") == 1


@pytest.mark.parametrize("token", ["", "two\r\nlines", "tökèn"])
def test_a_token_that_cannot_be_one_is_refused_and_not_quoted(
    console: Console, token: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JETBRIDGE_TOKEN", token)

    assert run("stores") == 1
    assert capsys.readouterr().err == "JETBRIDGE_TOKEN: a token of the console\n"
    assert not console.asked


def test_a_console_that_is_not_there_is_said_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JETBRIDGE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("JETBRIDGE_TOKEN", TOKEN)

    assert run("stores") == 1
    assert "does not answer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "not JSON, line 1 column 2"), ("[]", "not a JSON object"), (None, "No such file"), (b"\xff", "not JSON")],
)
def test_a_file_that_holds_no_draft_is_refused_here(
    console: Console, tmp_path: Path, text: str | bytes | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "draft.json"
    if text is not None:
        file.write_bytes(text.encode() if isinstance(text, str) else text)

    assert run("rules", "save", file) == 1
    assert said in capsys.readouterr().err
    assert not console.asked


@pytest.mark.parametrize("arguments", [[], ["fly"], ["rules"], ["replay", "x"], ["replay-file", "orders.jsonl"]])
def test_a_command_nobody_knows_says_how_it_is_called(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        run(*arguments)
    assert left.value.code == CALLED_WRONGLY


def test_it_is_called_as_a_module(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    console.says({"stores": ["demo"]})
    monkeypatch.setattr(sys, "argv", ["jetbridge", "--json", "stores"])

    with pytest.raises(SystemExit) as left:
        runpy.run_module("jetbridge", run_name="__main__")
    assert left.value.code == 0


# -- replays ----------------------------------------------------------------------------------------------------------


def a_job(state: str = "running", **changes: object) -> dict[str, object]:
    job = {"id": "job-1", "state": state, "day": 0, "of_days": 31, "seen": 0, "groups": {}, "examples": []}
    return job | changes


def test_a_replay_is_watched_to_its_end(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    done = a_job("done", day=31, seen=900, groups={"newly_held": 2})
    console.says(a_job(), a_job(seen=10), a_job(seen=10), a_job(day=12, seen=400), done)

    assert run("replay", 7, "--days", 30) == 0

    assert console.asked[0] == ("POST", f"{DEMO}/replays", {"version": 7, "days": 30})
    assert {asked[:2] for asked in console.asked[1:]} == {("GET", f"{DEMO}/replays/job-1")}
    said = capsys.readouterr()
    assert said.err.splitlines()[1:] == [
        "  day 1 of 31, 10 orders",
        "  day 13 of 31, 400 orders",
        "  day 31 of 31, 900 orders",
    ]
    assert "newly_held: 2" in said.out


def test_a_replay_that_failed_makes_the_command_fail(console: Console) -> None:
    console.says(a_job(), a_job("failed", error="the store is gone"))

    assert run("replay", 7) == 1


def test_watching_a_replay_outlives_a_console_that_is_busy_for_a_while(console: Console) -> None:
    console.says(a_job())
    console.says({"message": "Wait."}, {"message": "Wait."}, status=429)
    console.says(a_job("done"))

    assert run("replay", 7) == 0


@pytest.mark.parametrize(("status", "times"), [(503, PATIENCE + 1), (404, 1)])
def test_watching_a_replay_ends_when_the_console_does_not_come_back(console: Console, status: int, times: int) -> None:
    console.says(a_job())
    console.says({"message": "No."}, status=status)

    assert run("replay", 7) == 1
    assert len(console.asked) == 1 + times


def tally(seen: int, **groups: int) -> dict[str, Any]:
    examples = [{"group": group, "name": f"#{n}"} for group, orders in groups.items() for n in range(orders)]
    same = seen - sum(groups.values())
    return {"seen": seen, "same": same, "unreadable": 0, "groups": groups, "examples": examples[:50]}


def test_a_file_of_orders_is_sent_in_pieces_that_the_console_takes(console: Console, tmp_path: Path) -> None:
    (draft := tmp_path / "draft.json").write_text('{"rules": []}')
    orders = [{"id": str(n)} for n in range(AT_ONCE * 2 + 1)]
    (file := tmp_path / "orders.jsonl").write_text("\n\n".join(map(json.dumps, orders)))
    console.says(tally(200, newly_held=3), tally(200, newly_held=4, newly_forwarded=1), tally(1))

    assert run("replay-file", file, "--rules", draft) == 0

    assert {asked[:2] for asked in console.asked} == {("POST", f"{DEMO}/replays/orders")}
    assert [body["draft"] for _, _, body in console.asked] == [{"rules": []}] * 3
    assert [len(body["orders"]) for _, _, body in console.asked] == [AT_ONCE, AT_ONCE, 1]
    assert [order for _, _, body in console.asked for order in body["orders"]] == orders


def test_large_orders_are_sent_fewer_at_once(console: Console, tmp_path: Path) -> None:
    (draft := tmp_path / "draft.json").write_text('{"rules": []}')
    (file := tmp_path / "orders.jsonl").write_text("\n".join([json.dumps({"note": "x" * 1_000_000})] * 2))
    console.says(tally(1))

    assert run("replay-file", file, "--rules", draft) == 0
    assert [len(body["orders"]) for _, _, body in console.asked] == [1, 1]


def test_what_the_pieces_found_is_added_up_and_examples_stay_few() -> None:
    total: Any = {}
    for found in (tally(10, newly_held=3), tally(10, newly_held=4, newly_forwarded=1), tally(10)):
        total = merged(total, found)

    assert (total["seen"], total["same"], total["groups"]) == (30, 22, {"newly_held": 7, "newly_forwarded": 1})
    assert [each["group"] for each in total["examples"]].count("newly_held") == 5
    assert [each["group"] for each in total["examples"]].count("newly_forwarded") == 1


@pytest.mark.parametrize("line", ["{", "7"])
def test_a_line_that_is_no_order_is_named(
    console: Console, tmp_path: Path, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (draft := tmp_path / "draft.json").write_text("{}")
    (file := tmp_path / "orders.jsonl").write_text(f"{{}}\n{line}\n")

    assert run("replay-file", file, "--rules", draft) == 1
    assert "line 2: not a JSON object" in capsys.readouterr().err
    assert not console.asked


# -- what is printed --------------------------------------------------------------------------------------------------


def test_like_things_are_a_table_and_unlike_ones_are_not() -> None:
    rows = [{"version": 12, "active": True, "note": None}, {"version": 7, "active": False, "note": "first"}]

    assert shown({"versions": rows, "of": ["a", "b"], "none": []}) == (
        "versions:\n  version  active  note\n  12       yes     -\n  7        no      first\nof:\n  a\n  b\nnone: -"
    )
    assert shown([{"rule": "x", "conditions": [{"held": True}]}]) == "rule: x\nconditions:\n  held\n  yes"


def test_what_a_customer_wrote_cannot_steer_the_terminal() -> None:
    assert shown({"name": "\x1b[2J\r\nowned"}) == "name:  [2J  owned"


def test_answers_can_be_had_as_they_came(console: Console, capsys: pytest.CaptureFixture[str]) -> None:
    console.says({"stores": ["demo"]})

    assert run("--json", "stores") == 0
    assert json.loads(capsys.readouterr().out) == {"stores": ["demo"]}
