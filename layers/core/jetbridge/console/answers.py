"""What the console answers when it does not do what it was asked: a status, a word, plain words, and the places.

Nothing that was sent is ever quoted: it may be a credential or a customer's address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response, content_types
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from jetbridge.batches import log_failure
from jetbridge.documents.console import Problem, RefusalAnswer
from jetbridge.documents.rules import IN_WORDS, path_of
from jetbridge.domain.connection import NAMES, failure, own_failure
from jetbridge.errors import (
    ConfigurationError,
    ConflictError,
    InvalidRequestError,
    JetbridgeError,
    NotFoundError,
    PartnerError,
    TransientError,
)

if TYPE_CHECKING:
    from typing import Any

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
"""What of a place in a request may be shown: the names of fields, never a key that somebody made up."""

MOST_PROBLEMS = 50


class RefusedError(Exception):
    """A request that the door or a route turns away; carries the whole answer."""

    def __init__(
        self,
        status: int,
        error: str,
        message: str,
        *,
        problems: Sequence[Problem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.problems = tuple(problems)[:MOST_PROBLEMS]
        self.headers = dict(headers or {})

    def response(self) -> Response[dict[str, Any]]:
        """Give the answer to send."""
        body = RefusalAnswer(error=self.error, message=str(self), problems=list(self.problems))
        return Response(self.status, content_types.APPLICATION_JSON, body.model_dump(), self.headers)


def not_found(what: str) -> RefusedError:
    """Say that what the path names is not there."""
    return RefusedError(404, "not_found", f"There is no such {what}.")


def refusal(error: Exception) -> RefusedError:  # noqa: PLR0911 - one return a kind of error
    """Say in an answer what went wrong. Only what nobody foresaw is a 500, and is logged."""
    match error:
        case RefusedError():
            return error
        case RequestValidationError():
            return _malformed(error.errors())
        case NotFoundError():
            return RefusedError(404, "not_found", str(error) or "What the request names is not there.")
        case ConflictError():
            message = str(error) or "Somebody else changed it meanwhile. Read it again, then decide again."
            return RefusedError(409, "conflict", message)
        case InvalidRequestError():
            return RefusedError(400, "bad_request", str(error) or "The request cannot be carried out.")
        case PartnerError(partner=partner) if partner in NAMES:
            found = failure(partner, error)
            transient = isinstance(error, TransientError)
            headers = {"Retry-After": "60"} if transient else {}
            message = f"{found.text} {found.next_step}"
            return RefusedError(503 if transient else 502, found.code, message, headers=headers)
        case JetbridgeError():
            found = own_failure(error)
            if isinstance(error, ConfigurationError):
                log_failure(error, subject="console")
            return RefusedError(503, found.code, f"{found.text} {found.next_step}", headers={"Retry-After": "60"})
        case _:
            log_failure(error, subject="console")
            message = "Jetbridge made a mistake. It is in the console's log, with the time of this answer."
            return RefusedError(500, "our_mistake", message)


def _malformed(found: Sequence[Any]) -> RefusedError:
    problems = [Problem(path=_place(each["loc"]), text=_words(each)) for each in found]
    return RefusedError(422, "malformed", "The request is not as the API describes it.", problems=problems)


def _words(found: Mapping[str, Any]) -> str:
    """Say what is wrong in words; pydantic's own name types and limits, and quote nothing that was given."""
    kind = found["type"]
    if kind == "string_pattern_mismatch" and "rules" not in found["loc"]:
        return "is not written as the API describes it"
    return IN_WORDS.get(kind) or str(found.get("msg", kind)).removeprefix("Value error, ")


def _place(places: Sequence[str | int]) -> str:
    """Write a place as rules[2].when.all[0], without the part of the request it is in."""
    known = (each if isinstance(each, int) or each.startswith("(") or _NAME.fullmatch(each) else "…" for each in places)
    return path_of([*known][1:])
