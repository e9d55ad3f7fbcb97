"""The console from a terminal: every command is one or a few calls of its API, and knows nothing else.

    JETBRIDGE_URL      where the API is: https://….execute-api.us-east-1.amazonaws.com
    JETBRIDGE_TOKEN    a token of the console; never given as an argument, which other processes can read
    JETBRIDGE_STORE    which store is meant, if there are several

It leaves with 0, with 1 when the console refuses or finds errors, with 2 when it was called wrongly.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
import urllib.error
import urllib.request
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

Json = Any
"""What a JSON text holds."""

TIMEOUT_SECONDS = 35
"""The API itself gives up after 30."""

ASK_EVERY_SECONDS = 2
PATIENCE = 30
"""How often in a row a replay's progress may fail to come; the replay itself goes on without anybody watching."""

AT_ONCE = 200
AT_ONCE_BYTES = 1_500_000
"""Orders of a file that are sent in one call: the console takes 200, and 2 MB."""

EXAMPLES = 5
"""How many orders of each group are shown."""

TRY_LATER = frozenset({429, 502, 503, 504})


class CommandError(Exception):
    """The command could not be carried out; the text is for the person at the terminal."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


# -- the API ----------------------------------------------------------------------------------------------------------


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The token goes to the address that was given, and nowhere else."""

    def redirect_request(self, *_: object) -> None:
        """Take a redirection for an answer."""


class ConsoleApi:
    """The console's API as one token sees it."""

    def __init__(self, url: str, token: str) -> None:
        """Take an address and a token.

        Raises:
            CommandError: One of them is missing or cannot be used.
        """
        address = urlsplit(url)
        if address.scheme != "https" and address.hostname not in {"127.0.0.1", "::1", "localhost"}:
            message = "JETBRIDGE_URL: the console's address, with https://"
            raise CommandError(message)
        if not token or not token.isascii() or not token.isprintable():
            message = "JETBRIDGE_TOKEN: a token of the console"
            raise CommandError(message)
        self._url = url.rstrip("/")
        self._token = token
        self._opener = urllib.request.build_opener(_NoRedirects)

    def call(self, method: str, /, *path: object, body: Json = None, **query: object) -> Json:
        """Make one call, and give what the answer's body holds.

        Raises:
            CommandError: The console refused or did not answer; carries its own words.
        """
        asked = urlencode({name: value for name, value in query.items() if value is not None})
        where = "/".join(quote(str(part), safe="") for part in ("console", *path))
        request = urllib.request.Request(  # noqa: S310 - the scheme was looked at above
            f"{self._url}/{where}{'?' if asked else ''}{asked}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
            method=method,
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return _read(answer.read(), answer.status)
        except urllib.error.HTTPError as error:
            with error:
                raise CommandError(_refusal(error.read(), error.code), error.code) from None
        except OSError as error:
            message = f"The console does not answer: {type(error).__name__}"
            raise CommandError(message, 503) from None


def _read(raw: bytes, status: int) -> Json:
    found: Json = None
    with contextlib.suppress(ValueError):
        found = json.loads(raw)
    if not isinstance(found, dict):
        message = f"What answered ({status}) is not the console"
        raise CommandError(message)
    return found


def _refusal(raw: bytes, status: int) -> str:
    """Tell a refusal in its own words, each wrong place in a line of its own."""
    said: Json = None
    with contextlib.suppress(ValueError):
        said = json.loads(raw)
    if not isinstance(said, dict) or "message" not in said:
        return f"The console answers {status}"
    problems = [f"  {each.get('path') or 'the whole'}: {each.get('text')}" for each in said.get("problems") or ()]
    return "\n".join([f"{said['message']} ({status})", *problems])


# -- the commands -----------------------------------------------------------------------------------------------------


class Commands:
    """What can be asked for. Each gives what is to be printed."""

    def __init__(
        self, api: ConsoleApi, store: str, tell: Callable[[str], None], sleep: Callable[[float], None]
    ) -> None:
        self._api = api
        self._slug = store
        self._tell = tell
        self._sleep = sleep

    def _call(self, method: str, /, *path: object, body: Json = None, **query: object) -> Json:
        return self._api.call(method, "stores", self._store(), *path, body=body, **query)

    def _store(self) -> str:
        if not self._slug:
            found = self.stores({})["stores"]
            if len(found) != 1:
                message = f"Which store? --store, one of: {', '.join(found) or 'none is connected'}"
                raise CommandError(message)
            [self._slug] = found
        return self._slug

    def stores(self, _: Json) -> Json:
        """List the connected stores."""
        return self._api.call("GET", "stores")

    def orders(self, given: Json) -> Json:
        """List orders by state and reason."""
        return self._call("GET", "orders", **{name: given[name] for name in ("status", "reason", "after")})

    def counts(self, _: Json) -> Json:
        """Count what is not finished, by status and reason."""
        return self._call("GET", "order-counts")

    def order(self, given: Json) -> Json:
        """Show one order with its timeline and decision."""
        return self._call("GET", "orders", given["id"])

    def act(self, given: Json) -> Json:
        """Do something about one order."""
        action = given["action"].replace("-", "_")
        body = {"action": action} | ({"reason": given["reason"]} if given["reason"] else {})
        return self._call("POST", "orders", given["id"], "actions", body=body)

    # -- rules --------------------------------------------------------------------------------------------------

    def rules_list(self, _: Json) -> Json:
        """List the versions of the rules."""
        return self._call("GET", "rules")

    def rules_show(self, given: Json) -> Json:
        """Print one version as JSON that can be changed and saved again."""
        return {"rules": self._call("GET", "rules", given["version"])["rules"]}

    def rules_validate(self, given: Json) -> Json:
        """Say what is wrong with a draft."""
        return self._call("POST", "rules", "validate", body=_json_file(given["file"]))

    def rules_save(self, given: Json) -> Json:
        """Save a draft as the next version; it decides nothing before it is activated."""
        note = {"note": given["note"]} if given["note"] else {}
        return self._call("POST", "rules", body=_json_file(given["file"]) | note)

    def rules_activate(self, given: Json) -> Json:
        """Let a version decide from now on, instead of the one that is active now."""
        versions = self._call("GET", "rules")["versions"]
        active = next((each["version"] for each in versions if each["active"]), 0)
        return self._call("POST", "rules", given["version"], "activate", body={"instead_of": active})

    def rules_roll_back(self, _: Json) -> Json:
        """Let the version decide that was active before."""
        return self._call("POST", "rules", "roll-back")

    def rules_shadow(self, given: Json) -> Json:
        """Let a version run beside the active one, and only note where it would differ."""
        return self._call("PUT", "rules", "shadow", body={"version": given["version"]})

    def rules_shadow_end(self, _: Json) -> Json:
        """Let no version run beside the active one."""
        return self._call("DELETE", "rules", "shadow")

    def rules_differences(self, _: Json) -> Json:
        """List what the version in the shadow would have decided otherwise."""
        return self._call("GET", "rules", "shadow")

    def explain(self, given: Json) -> Json:
        """Say for one order what every rule says and why."""
        return self._call("POST", "rules", "explain", body={"order_id": given["id"]})

    # -- trying -------------------------------------------------------------------------------------------------

    def replay(self, given: Json) -> Json:
        """Start a replay and watch it to its end."""
        body = {"version": given["version"], "days": given["days"]}
        job = self._call("POST", "replays", body=body)
        self._tell(f"Replay {job['id']} goes on by itself, also when this command is interrupted")
        missed, said = 0, ""
        while job["state"] == "running":
            self._sleep(ASK_EVERY_SECONDS)
            try:
                job, missed = self._call("GET", "replays", job["id"]), 0
            except CommandError as error:
                missed += 1
                if error.status not in TRY_LATER or missed > PATIENCE:
                    raise
            said = self._progress(job, said)
        return job

    def _progress(self, job: Json, before: str) -> str:
        text = f"  day {min(job['day'] + 1, job['of_days'])} of {job['of_days']}, {job['seen']} orders"
        if text != before:
            self._tell(text)
        return text

    def replays(self, _: Json) -> Json:
        """List the replays."""
        return self._call("GET", "replays")

    def replay_stop(self, given: Json) -> Json:
        """Stop a replay."""
        return self._call("DELETE", "replays", given["id"])

    def replay_file(self, given: Json) -> Json:
        """Compare a draft with the active rules on the orders of a file."""
        draft, total = _json_file(given["rules"]), dict[str, Json]()
        for orders in _chunks(_lines(given["file"])):
            found = self._call("POST", "replays", "orders", body={"draft": draft, "orders": orders})
            total = merged(total, found)
            self._tell(f"  {total['seen']} orders")
        return total

    # -- settings -----------------------------------------------------------------------------------------------

    def ship_options_list(self, _: Json) -> Json:
        """List the mapping of shipping methods, and what is not mapped."""
        return self._call("GET", "ship-options")

    def ship_options_set(self, given: Json) -> Json:
        """Map a shipping method, or a pattern with *, to a ship option."""
        body = {"method": given["method"], "ship_option": given["ship_option"], "active": not given["inactive"]}
        return self._call("PUT", "ship-options", body=body)

    def ship_options_unset(self, given: Json) -> Json:
        """Take a shipping method out of the mapping."""
        return self._call("DELETE", "ship-options", method=given["method"])

    def skus(self, _: Json) -> Json:
        """List the SKU map."""
        return self._call("GET", "skus")


def merged(total: Json, found: Json) -> Json:
    """Add what one call found to what the calls before it found."""
    if not total:
        return found
    groups = {**total["groups"]}
    examples = [*total["examples"]]
    for group, orders in found["groups"].items():
        kept = sum(each["group"] == group for each in examples)
        examples += islice((each for each in found["examples"] if each["group"] == group), max(EXAMPLES - kept, 0))
        groups[group] = groups.get(group, 0) + orders
    counts = {name: total[name] + found[name] for name in ("seen", "same", "unreadable") if name in total}
    return {**total, **counts, "groups": groups, "examples": examples}


def _json_file(path: Path) -> Json:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise CommandError(message) from None
    except ValueError as error:
        message = f"{path}: not JSON{_place(error)}"
        raise CommandError(message) from None
    if not isinstance(found, dict):
        message = f"{path}: not a JSON object"
        raise CommandError(message)
    return found


def _place(error: ValueError) -> str:
    return f", line {error.lineno} column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""


def _lines(path: Path) -> Iterator[tuple[Json, int]]:
    """Read a file of one JSON object a line, with the size of each; never more than a line at once."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _order(path, number, line), len(line.encode())
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise CommandError(message) from None
    except UnicodeDecodeError:
        message = f"{path}: not UTF-8 text"
        raise CommandError(message) from None


def _order(path: Path, number: int, line: str) -> Json:
    found = None
    with contextlib.suppress(ValueError):
        found = json.loads(line)
    if not isinstance(found, dict):
        message = f"{path}, line {number}: not a JSON object"
        raise CommandError(message)
    return found


def _chunks(orders: Iterable[tuple[Json, int]]) -> Iterator[list[Json]]:
    chunk: list[Json] = []
    weight = 0
    for order, size in orders:
        if chunk and (len(chunk) == AT_ONCE or weight + size > AT_ONCE_BYTES):
            yield chunk
            chunk, weight = [], 0
        chunk.append(order)
        weight += size
    if chunk:
        yield chunk


# -- for people -------------------------------------------------------------------------------------------------------


def shown(value: Json, indent: str = "") -> str:
    """Write what the console answers for a person: names and values, lists of like things as a table."""
    if isinstance(value, dict):
        return "\n".join(_field(name, each, indent) for name, each in value.items())
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        flat = all(not isinstance(cell, dict | list) or not cell for each in value for cell in each.values())
        return _table(value, indent) if flat else "\n\n".join(shown(each, indent) for each in value)
    if isinstance(value, list):
        return "\n".join(f"{indent}{_text(each)}" for each in value)
    return f"{indent}{_text(value)}"


def _field(name: str, value: Json, indent: str) -> str:
    if isinstance(value, dict | list) and value:
        return f"{indent}{name}:\n{shown(value, f'{indent}  ')}"
    return f"{indent}{name}: {_text(value)}"


def _table(rows: Sequence[dict[str, Json]], indent: str) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([_text(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(names))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(f"{indent}{line}".rstrip() for line in lines)


def _text(value: Json) -> str:
    match value:
        case None | [] | {}:
            return "-"
        case bool():
            return "yes" if value else "no"
        case str():
            # What a customer wrote must not move the cursor of whoever reads it.
            return "".join(each if each.isprintable() else " " for each in value) or "-"
        case int() | float():
            return str(value)
        case _:
            return json.dumps(value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m jetbridge", description="Jetbridge's console from a terminal.")
    parser.add_argument("--store", default="", help="which store (default: JETBRIDGE_STORE, or the only one)")
    parser.add_argument("--json", action="store_true", help="print answers as the API gives them")
    commands = parser.add_subparsers(metavar="command", required=True)

    def command(to: argparse._SubParsersAction[Any], name: str, run: Callable[..., Json]) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = to.add_parser(name, help=run.__doc__, description=run.__doc__)
        added.set_defaults(run=run)
        return added

    def group(name: str, about: str) -> argparse._SubParsersAction[Any]:
        return commands.add_parser(name, help=about).add_subparsers(metavar="command", required=True)

    command(commands, "stores", Commands.stores)
    orders = command(commands, "orders", Commands.orders)
    orders.add_argument("--status")
    orders.add_argument("--reason")
    orders.add_argument("--after", help="what the page before ended with")
    command(commands, "counts", Commands.counts)
    command(commands, "order", Commands.order).add_argument("id")
    act = command(commands, "act", Commands.act)
    act.add_argument("id")
    act.add_argument("action", help="look-again, hold, release, exclude, forward-now or cancel")
    act.add_argument("--reason", default="")

    rules = group("rules", "The rules and their versions")
    command(rules, "list", Commands.rules_list)
    show = command(rules, "show", Commands.rules_show)
    show.add_argument("version", type=int)
    show.set_defaults(json=True)
    command(rules, "validate", Commands.rules_validate).add_argument("file", type=Path)
    save = command(rules, "save", Commands.rules_save)
    save.add_argument("file", type=Path)
    save.add_argument("--note", default="", help="what its author says about it")
    command(rules, "activate", Commands.rules_activate).add_argument("version", type=int)
    command(rules, "roll-back", Commands.rules_roll_back)
    command(rules, "shadow", Commands.rules_shadow).add_argument("version", type=int)
    command(rules, "shadow-end", Commands.rules_shadow_end)
    command(rules, "differences", Commands.rules_differences)
    command(commands, "explain", Commands.explain).add_argument("id")

    replay = command(commands, "replay", Commands.replay)
    replay.add_argument("version", type=int)
    replay.add_argument("--days", type=int, default=30)
    command(commands, "replays", Commands.replays)
    command(commands, "replay-stop", Commands.replay_stop).add_argument("id")
    from_file = command(commands, "replay-file", Commands.replay_file)
    from_file.add_argument("file", type=Path, help="one order in JSON a line")
    from_file.add_argument("--rules", type=Path, required=True, help="the draft, as it would be saved")

    options = group("ship-options", "Which shipping method goes by which ship option")
    command(options, "list", Commands.ship_options_list)
    put = command(options, "set", Commands.ship_options_set)
    put.add_argument("method")
    put.add_argument("ship_option")
    put.add_argument("--inactive", action="store_true", help="known, but nothing is sent by it")
    command(options, "unset", Commands.ship_options_unset).add_argument("method")
    command(commands, "skus", Commands.skus)
    return parser


def main(arguments: Sequence[str] | None = None, *, sleep: Callable[[float], None] = time.sleep) -> int:
    """Carry out one command."""
    options = _parser().parse_args(arguments)
    tell: Callable[[str], None] = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: E731 - one line
    environment = os.environ
    try:
        api = ConsoleApi(environment.get("JETBRIDGE_URL", ""), environment.get("JETBRIDGE_TOKEN", ""))
        commands = Commands(api, options.store or environment.get("JETBRIDGE_STORE", ""), tell, sleep)
        answer = options.run(commands, vars(options))
    except CommandError as error:
        tell(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    print(json.dumps(answer, indent=2) if options.json else shown(answer))
    return int(answer.get("can_be_saved") is False or answer.get("state") == "failed")
