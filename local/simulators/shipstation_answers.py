"""What every endpoint of the simulated ShipStation shares: one call, its refusals in the vendor's shapes, paging."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from local.simulators.server import Request, Response
from local.simulators.shipstation_time import read_query

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from local.simulators.shipstation_models import Json

MOST_PER_PAGE = 500
USUAL_PER_PAGE = 100


class RefusedError(Exception):
    """The request is answered with an error in the vendor's words (facts/shipstation.md section 3)."""

    def __init__(self, status: int, body: Json) -> None:
        """Keep the answer."""
        super().__init__(status)
        self.response = Response(status, body)


def refuse(status: int, message: str) -> NoReturn:
    """Refuse in the shape of the reference's current pages."""
    raise RefusedError(status, {"message": message})


def refuse_binding(errors: Mapping[str, str]) -> NoReturn:
    """Refuse an order that does not fit the model."""
    state = {name: [text] for name, text in errors.items()}
    raise RefusedError(400, {"Message": "The request is invalid.", "ModelState": state})


def break_down(message: str, kind: str = "System.InvalidOperationException") -> NoReturn:
    """Answer 500, as the vendor does for some invalid values too; only `ExceptionMessage` helps."""
    body = {
        "Message": "An error has occurred.",
        "ExceptionMessage": message,
        "ExceptionType": kind,
        "StackTrace": "   at SS.OpenApi.Controllers.OrdersController.Simulated()",
    }
    raise RefusedError(500, body)


@dataclass(frozen=True)
class Call:
    """One request that passed the door: the number in its path, its query with keys in lower case, its body."""

    request: Request
    id: int
    query: Mapping[str, str]

    def text(self, name: str) -> str:
        """Give one query parameter, empty without it."""
        return self.query.get(name.lower(), "")

    def number(self, name: str) -> int | None:
        """Give a whole number of the query; None without it."""
        text = self.text(name)
        if not text:
            return None
        if not text.isdecimal():
            refuse(400, f"The value '{text}' is not valid for {name}.")
        return int(text)

    def flag(self, name: str) -> bool:
        """Give a yes or no of the query, in any capitals."""
        text = self.text(name).lower()
        if text not in ("", "true", "false"):
            refuse(400, f"The value '{text}' is not valid for {name}.")
        return text == "true"

    def choice(self, name: str, known: Sequence[str]) -> str:
        """Give one of the known words, empty without the parameter."""
        text = self.text(name)
        if text and text not in known:
            refuse(400, f"The value '{text}' is not valid for {name}.")
        return text

    def wall_time(self, name: str) -> dt.datetime | None:
        """Give a Pacific wall time of the query; None without it."""
        text = self.text(name)
        if not text:
            return None
        try:
            return read_query(text)
        except ValueError:
            refuse(400, f"The value '{text}' is not valid for {name}.")

    def body(self) -> Json:
        """Give the JSON object of the body."""
        if "application/json" not in self.request.headers.get("content-type", "").lower():
            refuse(400, "The request's content type has to be application/json.")
        try:
            body = self.request.json()
        except ValueError:
            refuse(400, "The request is invalid.")
        if not isinstance(body, dict):
            refuse(400, "The request is invalid.")
        return body


def read_field(body: Json, name: str, kind: type | tuple[type, ...], *, needed: bool = False) -> Any:  # noqa: ANN401 - JSON
    """Give a field of a body; None without it, unless it is needed."""
    value = body.get(name)
    if value is None:
        if needed:
            refuse(400, f"The {name} field is required.")
        return None
    wrong_bool = isinstance(value, bool) and kind is not bool
    if not isinstance(value, kind) or wrong_bool:
        refuse(400, f"The value of {name} is not valid.")
    if needed and value == "":
        refuse(400, f"The {name} field is required.")
    return value


def answer_page[T](
    call: Call, name: str, rows: Sequence[T | None], view: Callable[[T], Json], *, no_pages: bool = False
) -> Response:
    """Cut one page out of the rows. A null row takes a place like any other."""
    page = call.number("page")
    size = call.number("pageSize")
    page = 1 if page is None else page
    size = USUAL_PER_PAGE if size is None else size
    if page < 1 or not 1 <= size <= MOST_PER_PAGE:
        refuse(400, f"page starts at 1, pageSize is 1 to {MOST_PER_PAGE}.")
    shown = rows[(page - 1) * size : page * size]
    body = {
        name: [None if row is None else view(row) for row in shown],
        "total": len(rows),
        "page": page,
        "pages": 0 if no_pages else math.ceil(len(rows) / size),
    }
    return Response(200, body)
