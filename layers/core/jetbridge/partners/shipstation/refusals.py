"""Reads what ShipStation says when it refuses, and keeps of it what names nobody (facts/shipstation.md section 3)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jetbridge.partners.reading import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["harmless", "is_validation", "says_already_shipped", "says_too_many", "write_back_error"]

SPOKEN = frozenset({"message", "exceptionmessage", "modelstate", "errormessage", "error", "errors"})
ALREADY = re.compile(r"\balready\b[^.]*\b(?:shipped|fulfilled)\b|\b(?:shipped|fulfilled)\s+already\b", re.IGNORECASE)
DENIED = re.compile(r"(?:\bnot|n't)\b[^.]*\balready\b|\balready\b[^.]*(?:\bnot|n't)\b", re.IGNORECASE)
TOO_MANY = "too many requests"
ABOUT_NOBODY = re.compile(
    r"\b(?:order|status|carrier|tracking|ship ?date|store|webhook|event|target_url|tag|page|request|error|date|"
    r"not supported|not found)",
    re.IGNORECASE,
)
# A capital in the middle of a sentence may begin a name, unless it is one of the vendor's own nouns.
CAPITAL = re.compile(r"(?<![.!?:] )(?<!^)\b(?!(?:Orders?|ShipStation|API|ID|URL|Stores?|Carrier|Status)\b)[A-Z]")
NAMED_ERROR = re.compile(r"\b[A-Za-z]{1,40}(?:Error|Exception)\b")
NAMED_STATUS = re.compile(r"\bStatus ?Code:?\s*([A-Za-z]{3,40}|[0-9]{3})\b")


def says_too_many(body: object) -> bool:
    """Whether it says that the limit is used up, whatever its status. Rows of a list are not asked."""
    spoken = [body[name] for name in body if name.casefold() in SPOKEN] if isinstance(body, dict) else [body]
    return any(isinstance(text, str) and TOO_MANY in text.casefold() for text in spoken)


def says_already_shipped(body: object) -> bool:
    """Whether it says that the order was shipped before."""
    return any(ALREADY.search(text) and not DENIED.search(text) for text in _texts(body))


def is_validation(body: object) -> bool:
    """Whether a 500 speaks of the request rather than of ShipStation."""
    return isinstance(body, dict) and bool({name.casefold() for name in body} & {"exceptionmessage", "modelstate"})


def harmless(body: object) -> str:
    """Keep the vendor's words where they are about no person."""
    kept = (
        plain(text)
        for text in _texts(body)
        if ABOUT_NOBODY.search(text) and "@" not in text and not CAPITAL.search(text)
    )
    return plain("; ".join(dict.fromkeys(kept))) or "refused without words that may be repeated"


def write_back_error(message: str) -> str:
    """Name in a word why the sales channel was not told: the kind of error and the status, nothing else."""
    found = [*NAMED_ERROR.findall(message), *NAMED_STATUS.findall(message)]
    return " ".join(dict.fromkeys(found)) or "unnamed"


def _texts(body: Any, *, spoken: bool = True) -> Iterator[str]:  # noqa: ANN401 - JSON
    match body:
        case str() if spoken:
            yield body
        case list():
            for each in body:
                yield from _texts(each, spoken=spoken)
        case dict():
            for name, each in body.items():
                # The fields of ModelState are below it, and its texts are what is said.
                inside = name.casefold() in SPOKEN or (spoken and isinstance(each, list))
                yield from _texts(each, spoken=inside)
        case _:
            return
