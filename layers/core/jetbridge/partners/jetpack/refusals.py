"""Reads why Jetpack refused something, and keeps of it what cannot name a person (facts/shipbob.md section 5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from jetbridge.errors import DuplicateReferenceError, RejectedByPartnerError
from jetbridge.partners.reading import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jetbridge.domain.order import Address
    from jetbridge.ports import NewJetpackOrder

DUPLICATE = re.compile(
    r"existing\s*reference|reference.*\b(exist|duplicate|already)|(duplicate|already).*reference", re.IGNORECASE
)
DENIED = re.compile(r"(not|n't)\s+exist", re.IGNORECASE)
# The edit endpoints name the kind of refusal (section 5); the list of kinds grows.
CODE = re.compile(r"[A-Z][A-Z_]{2,40}")
FIELD = re.compile(r"[A-Za-z0-9_.\[\]]{1,60}")
# What a refusal may be about without being about a person.
IMPERSONAL_FIELDS = ("product", "shipping_method", "shippingmethod", "reference", "type", "location", "channel")
IMPERSONAL_WORDS = re.compile(
    r"\b(sku|product|quantity|shipping method|channel|reference ?id|inventory|location|shipment|cancel)", re.IGNORECASE
)
# A capital in the middle of a sentence may begin a name, unless it is one of the vendor's own nouns.
CAPITAL = re.compile(
    r"(?<![.!?:] )(?<!^)\b(?!(?:SKUs?|Products?|Quantity|Shipments?|Orders?|Inventory|Channel|Location|ShipBob|"
    r"Reference ?Ids?)\b)[A-Z]"
)
SHORTEST_PERSONAL_WORD = 3
WORD = re.compile(r"\w+")


def refused_order(status: int, body: object, new: NewJetpackOrder) -> RejectedByPartnerError:
    """Class a refused create: an existing reference, or anything else."""
    complaints = list(_complaints(body))
    about = [f"{field} {text}" for field, text in complaints if not field.casefold().startswith("product")]
    duplicate = any(DUPLICATE.search(text) and not DENIED.search(text) for text in about)
    kind = DuplicateReferenceError if duplicate else RejectedByPartnerError
    message = harmless(complaints, personal_words(new.recipient, new.phone, new.email))
    return kind(message, partner="jetpack", http_status=status)


def harmless(complaints: Iterable[tuple[str, str]], personal: frozenset[str]) -> str:
    """Name the fields, with the vendor's words only where they cannot hold personal data."""
    parts: dict[str, None] = {}  # a set that keeps the order
    for field, text in complaints:
        shown = field if FIELD.fullmatch(field) and not _words(field) & personal else ""
        named = field.casefold().startswith(IMPERSONAL_FIELDS)
        kept = (named or (not field and _is_impersonal(text))) and not _words(text) & personal
        parts[": ".join(filter(None, (shown, plain(text) if kept else "")))] = None
    return plain("; ".join(part for part in parts if part)) or "refused without words that may be repeated"


def why_not_cancelled(reasons: Iterable[str | None]) -> list[str]:
    """Keep the reasons given for single shipments, where they name nobody."""
    return [plain(reason) for reason in reasons if reason and _is_impersonal(reason)]


def refused_edit(body: object, personal: frozenset[str] = frozenset()) -> str:
    """Say why a shipment was not changed: the kind of refusal, and its words where they name nobody."""
    code = body.get("code") if isinstance(body, dict) else None
    kind = code if isinstance(code, str) and CODE.fullmatch(code) and not _words(code) & personal else ""
    complaints = [(field, text) for field, text in _complaints(body) if text != code]
    words = harmless(complaints, personal)
    return f"{kind}: {words}" if kind else words


def complaints_of(body: object) -> list[tuple[str, str]]:
    """Flatten whatever shape the refusal has into (field or empty, text)."""
    return list(_complaints(body))


def personal_words(recipient: Address, *more: str) -> frozenset[str]:
    """Give every word that could name the recipient."""
    values = (
        recipient.name,
        recipient.company,
        recipient.address1,
        recipient.address2,
        recipient.city,
        recipient.zip,
        recipient.phone,
        *more,
    )
    return frozenset(word for value in values for word in _words(value) if len(word) >= SHORTEST_PERSONAL_WORD)


def _is_impersonal(text: str) -> bool:
    return bool(IMPERSONAL_WORDS.search(text)) and "@" not in text and not CAPITAL.search(text)


def _words(text: str) -> set[str]:
    return set(WORD.findall(text.casefold()))


def _complaints(body: Any, field: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON
    match body:
        case str():
            yield field, body
        case list():
            for each in body:
                yield from _complaints(each, field)
        case dict():
            for name, each in body.items():
                # These say how the answer is built, not which field is wrong.
                wrapper = name.casefold() in {"errors", "error", "message", "detail", "details", "title", "code"}
                if name.casefold() not in {"type", "instance", "stacktrace"} or isinstance(each, list):
                    yield from _complaints(each, field if wrapper else name)
        case _:  # numbers and nulls say nothing
            return
