"""What every endpoint of the simulated 3PL shares: one call, its refusals in the vendor's shapes, paging."""

from __future__ import annotations

import base64
import json
import math
import urllib.parse
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from local.simulators.server import Request, Response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local.simulators.jetpack_models import Json

INT32_MAX = 2**31 - 1
MOST_PER_PAGE = 250


class RefusedError(Exception):
    """The request is answered with an error in the vendor's words."""

    def __init__(self, status: int, body: object = b"") -> None:
        """Without a body the answer is empty, as the vendor's 401, 403 and most 404 are."""
        super().__init__(status)
        content_type = "application/problem+json" if isinstance(body, dict) and "title" in body else "application/json"
        self.response = Response(status, body, {"content-type": content_type})


@dataclass(frozen=True)
class Call:
    """One request that passed the door: version, ids from the path, channel."""

    request: Request
    version: str
    ids: Mapping[str, int]
    channel_id: int | None

    def one(self, name: str, default: str = "") -> str:
        """Give one query parameter."""
        return self.request.first(name, default)

    def number(self, name: str, default: int, least: int = 1, most: int = INT32_MAX) -> int:
        """Give a whole number of the query, refused with 400 (field to texts) outside its bounds."""
        text = self.one(name) or str(default)
        if not _is_number(text) or not least <= int(text) <= most:
            refuse_fields({name: [f"The field {name} must be between {least} and {most}."]})
        return int(text)

    def numbers(self, name: str) -> list[int] | None:
        """Give a comma list of ids; None when the filter is not used."""
        text = self.one(name)
        if not text:
            return None
        parts = text.split(",")
        wrong = [part for part in parts if not _is_number(part.strip())]
        if wrong:
            refuse_fields({name: [f"The value '{wrong[0]}' is not valid."]})
        return [int(part) for part in parts]

    def flag(self, name: str) -> bool | None:
        """Give a boolean filter; None when it is not used."""
        text = self.one(name).lower()
        if text not in ("", "true", "false"):
            refuse_fields({name: [f"The value '{text}' is not valid for {name}."]})
        return text == "true" if text else None

    def time(self, name: str) -> datetime | None:
        """Give a time filter (UTC where no zone is said); None when it is not used."""
        text = self.one(name)
        if not text:
            return None
        parsed = parse_time(text)
        if parsed is None:
            refuse_fields({name: [f"The value '{text}' is not valid for {name}."]})
        return parsed

    def json_object(self) -> Json:
        """Give the body; anything but a JSON object is a 400."""
        try:
            body = self.request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            refuse_fields({"": ["A non-empty request body is required."]})
        return body


def refuse_fields(errors: Mapping[str, Sequence[str]], status: int = 400) -> NoReturn:
    """Refuse in the orders API's shape: field to list of texts."""
    raise RefusedError(status, {name: list(texts) for name, texts in errors.items()})


def refuse_edit(code: str, message: str, status: int = 400) -> NoReturn:
    """Refuse in the shape of the shipment edit endpoints."""
    raise RefusedError(status, {"code": code, "message": message})


def refuse_problem(status: int, title: str, detail: str, instance: str) -> NoReturn:
    """Refuse as RFC 7807, as the inventory API does."""
    kind = f"https://tools.ietf.org/html/rfc9110#section-15.5.{status - 399}"
    raise RefusedError(status, {"type": kind, "title": title, "status": status, "detail": detail, "instance": instance})


def parse_time(text: object) -> datetime | None:
    """Read an ISO time; None when it is not one."""
    if not isinstance(text, str):
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def numbered_page(call: Call, rows: Sequence[Any]) -> Response:
    """Answer one page in the style of orders: a bare array, the rest in headers."""
    page, limit = call.number("Page", 1), call.number("Limit", 50, 1, MOST_PER_PAGE)
    pages = math.ceil(len(rows) / limit)
    headers = {
        "page-number": str(page),
        "page-size": str(limit),
        "total-pages": str(pages),
        "total-count": str(len(rows)),
    }
    if page < pages:
        rest = "".join(
            f"&{name}={value}" for name, values in call.request.query.items() if name != "Page" for value in values
        )
        headers["next-page"] = f"{call.request.path}?Page={page + 1}{rest}"
    return Response(200, list(rows[(page - 1) * limit : page * limit]), headers)


@dataclass(frozen=True)
class Cursor:
    """Where a cursor-paged reading stands, with the filters it began with."""

    start: int
    size: int
    filters: Mapping[str, str]

    @staticmethod
    def of(call: Call, size_name: str) -> Cursor:
        """Read the cursor of a call, or begin at the first page; a forged cursor is a 400."""
        text = call.one("Cursor") or call.one("cursor")
        if not text:
            size = call.number(size_name, 50, 1, MOST_PER_PAGE)
            filters = {name: values[0] for name, values in call.request.query.items()}
            return Cursor(0, size, filters)
        try:
            start, size, filters = json.loads(base64.urlsafe_b64decode(text))
        except ValueError:
            refuse_fields({"Cursor": ["The cursor is not valid."]})
        return Cursor(start, size, filters)

    def _text(self, start: int) -> str:
        raw = json.dumps([start, self.size, dict(self.filters)]).encode()
        return urllib.parse.quote(base64.urlsafe_b64encode(raw).decode())

    def page(self, call: Call, rows: Sequence[Any], *, absolute: bool = False, ends: bool = True) -> Response:
        """Answer `{items, next, prev}` (with `first` and `last` where the vendor has them).

        `next` is a path, or a whole URL (`absolute`): both occur (facts section 4).
        """
        host = f"http://{call.request.headers.get('host', '')}" if absolute else ""

        def link(start: int) -> str:
            return f"{host}{call.request.path}?cursor={self._text(start)}"

        following, last = self.start + self.size, max(0, (len(rows) - 1) // self.size * self.size)
        body: Json = {
            "items": list(rows[self.start : following]),
            "next": link(following) if following < len(rows) else None,
            "prev": link(max(0, self.start - self.size)) if self.start else None,
        }
        if ends:
            body |= {"first": link(0), "last": link(last)}
        return Response(200, body)


def is_int(value: Any) -> bool:  # noqa: ANN401 - JSON of a stranger
    """Say whether a JSON value is a whole number; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
