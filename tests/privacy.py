"""Watches what leaves: no secret and nobody's data in a log line, a printed line, a message or an error of ours.

What is looked for is seeded: the invented people and secrets of the tests and simulators, and the marks that all of
them bear (a domain nobody owns, the prefixes that vendors give their secrets); and what a test puts into SSM, which is
where the secrets are that a simulator or Jetbridge made up. `install` watches the whole process;
a fixture in conftest.py fails the test during which something left. The places where they belong are not watched:
the snapshot item, SSM, and what is sent to partners.
"""

from __future__ import annotations

import builtins
import json
import logging
import re
import sys
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.client import BaseClient

from jetbridge.errors import JetbridgeError, PartnerError
from jetbridge.messages import WakeUp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local.stack import LocalStack

PEOPLE = (
    r"[\w.+-]{1,40}(?:@|%40)(?:[\w-]+\.)*example\.test",
    r"(?i:Ada(?: |\+|%20)(?:Sample|Example))",
    r"(?i:\d{1,5}(?: |\+|%20)(?:Nowhere|Sample|Example)(?: |\+|%20)(?:Rd|Street))",
    r"555-?0100",
    r"555(?: |\+|%20)0100",
)
SECRETS = (
    r"shp(?:at|ca|pa|ss|ua)_\w{6,}",
    r"whsec_[\w+/=-]{8,}",
    r"\bpat-\w{5,}",
    r"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY",  # the secret without its prefix
    r"simulated-(?:secret|key)",
    r"\bshipstation-(?:secret|key)\b",
    r"kQ3vZxW1-token",
    r"\b(?:key|secret|token)-ada-\d+",
    r"(?:Basic|Bearer) [\w+/=.-]{8,}",
)
LOOKED_FOR = re.compile("|".join((*PEOPLE, *SECRETS)))

PROJECT = f"{Path(__file__).resolve().parents[1]}/"
SHORTEST_SECRET = 16

OURS = ("tests.", "local.", "conftest", "test_")
"""Modules whose own printing is meant for the person at the terminal."""

STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None)))


@dataclass(frozen=True)
class Leak:
    """What left, which way, and who was at it."""

    way: str
    found: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.way}: {self.found!r} {self.where}"


_leaks: list[Leak] = []
_learned: set[str] = set()


def taken() -> list[Leak]:
    """Give what left since the last time."""
    leaks, _leaks[:] = list(_leaks), []
    return leaks


def check() -> None:
    """AssertionError if anything left since the last time."""
    leaks = taken()
    assert not leaks, "\n".join(map(str, leaks))


@contextmanager
def leaking() -> Iterator[list[Leak]]:
    """Collect what leaves on purpose: this proves that it is noticed and fails no test."""
    found: list[Leak] = []
    before = taken()
    yield found
    found += taken()
    _leaks.extend(before)


def found_in(text: str) -> list[str]:
    """Give what is in a text and must not be."""
    return LOOKED_FOR.findall(text) + [each for each in tuple(_learned) if each in text]


def look_at(way: str, *texts: object) -> None:
    """Notice what leaves this way."""
    for text in texts:
        found = found_in(text if isinstance(text, str) else repr(text))
        _leaks.extend(Leak(way, each, _place()) for each in found)


def _place() -> str:
    frames = [each for each in traceback.extract_stack() if each.filename.startswith(PROJECT)]
    frames = [each for each in frames if each.filename != __file__ and "/.venv/" not in each.filename]
    return " ".join(f"{each.filename.removeprefix(PROJECT)}:{each.lineno}" for each in frames)


def learn(value: str) -> None:
    """Look for a secret that was made up just now; what is shorter could stand anywhere by accident."""
    try:
        found = json.loads(value)
    except ValueError:
        found = value
    leaves = found.values() if isinstance(found, dict) else found if isinstance(found, list) else [found]
    _learned.update(each for each in leaves if isinstance(each, str) and len(each) >= SHORTEST_SECRET)


def leaks_in(stack: LocalStack) -> list[Leak]:
    """Look through what a deployed stack has printed, and what still lies in its queues."""
    leaks: list[Leak] = []
    for function in stack.state.environments:
        leaks += [Leak(f"log of {function}", found) for found in found_in(stack.logs(function))]
    sqs = stack.client("sqs")
    for output, url in stack.outputs.items():
        if output.endswith("QueueUrl"):
            ten: dict[str, Any] = {"QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 600}
            while found := sqs.receive_message(**ten).get("Messages"):
                leaks += [Leak(output, each) for message in found for each in found_in(message["Body"])]
    return leaks


# -- the ways out -----------------------------------------------------------------------------------------------------


def _of_record(record: logging.LogRecord) -> Iterator[object]:
    yield record.getMessage()
    yield from (value for name, value in vars(record).items() if name not in STANDARD)
    if record.exc_info:
        yield "".join(traceback.format_exception(*record.exc_info))


def _wrapped[**P, R](method: Callable[P, R], before: Callable[P, None]) -> Callable[P, R]:
    def watched(*args: P.args, **options: P.kwargs) -> R:
        before(*args, **options)
        return method(*args, **options)

    return watched


def _see_record(_logger: logging.Logger, record: logging.LogRecord) -> None:
    look_at("log record", *_of_record(record))


def _see_print(*args: object, **_: object) -> None:
    # The frame that printed: behind this function and the one that called it.
    module = str(sys._getframe(2).f_globals.get("__name__", ""))  # noqa: SLF001 - nothing else tells who printed
    if not module.startswith(OURS):
        look_at("printed line", *args)


def _see_call(client: BaseClient, operation: str, parameters: dict[str, Any]) -> None:
    if operation.startswith("SendMessage") and client.meta.service_model.service_name == "sqs":
        look_at("queue message", parameters)
    if operation == "PutParameter":
        learn(parameters["Value"])


def _see_wake_up(wake_up: WakeUp) -> None:
    look_at("wake-up", wake_up.store, wake_up.id, wake_up.cause)


def _see_error(error: JetbridgeError, *args: object, **evidence: object) -> None:
    if args or evidence:
        look_at(f"text of {type(error).__name__}", *args, *evidence.values())


def _watch(place: Any, name: str, before: Callable[..., None]) -> None:  # noqa: ANN401 - a class or a module
    setattr(place, name, _wrapped(getattr(place, name), before))


def install() -> None:
    """Watch this process from now on."""
    _watch(logging.Logger, "callHandlers", _see_record)
    _watch(builtins, "print", _see_print)
    _watch(BaseClient, "_make_api_call", _see_call)
    _watch(WakeUp, "__post_init__", _see_wake_up)
    _watch(JetbridgeError, "__init__", _see_error)
    _watch(PartnerError, "__init__", _see_error)
