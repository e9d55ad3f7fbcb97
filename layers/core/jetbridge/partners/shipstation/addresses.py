"""Takes the address in a webhook apart, and lets through only what is known to stand in one.

Whoever learns our webhook's address can send any `resource_url` (facts/shipstation.md section 5). So nothing here
is parsed leniently: the text is one of a few shapes or it is foreign, and it is put together again from its parts.
Imported by the intake: patterns are compiled when the first webhook comes, and no domain value is loaded.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from jetbridge.errors import ForeignAddressError

__all__ = ["BATCHES", "STORE", "Parts", "is_vendors", "take_apart", "written"]

LONGEST = 300
"""The vendor says 200."""

VENDOR = r"https://ssapi[0-9]{0,4}\.shipstation\.com"
ADDRESS = (
    r"(?P<origin>https?://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?)"
    r"/(?P<kind>orders|shipments|fulfillments)"
    r"\?(?P<query>[A-Za-z]+=[A-Za-z0-9-]+(?:&[A-Za-z]+=[A-Za-z0-9-]+)*)"
)
NUMBER = r"[0-9]{1,18}"
GUID = r"[0-9A-Fa-f]{8}(?:-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}"
TRUTH = r"True|False|true|false"

STORE = "storeID"
BATCHES = frozenset({"importBatch", "batchId", "orderId", "fulfillmentId"})
"""Keys that name one thing that happened. Without one of them an address stands for a whole store."""

KNOWN = {
    key.lower(): (key, shape)
    for key, shape in (
        (STORE, NUMBER),
        ("importBatch", GUID),
        ("batchId", NUMBER),
        ("orderId", NUMBER),
        ("fulfillmentId", NUMBER),
        ("includeOrderItems", TRUTH),
        ("includeShipmentItems", TRUTH),
    )
}
PAGING = frozenset({"page", "pagesize"})
"""Known, but the pages to read are our own choice."""


class Parts(NamedTuple):
    """An address of a known shape. Its origin is not yet allowed to see a credential."""

    origin: str
    kind: str
    query: tuple[tuple[str, str], ...]
    """Known keys in one spelling, sorted."""


def is_vendors(origin: str) -> bool:
    """Whether an origin is one of ShipStation's own API hosts, whose number changes."""
    return re.fullmatch(VENDOR, origin) is not None


def take_apart(text: str) -> Parts:
    """Take an address apart.

    Raises:
        ForeignAddressError: It has another shape, another path, or a key or value that is not known to stand there.
    """
    found = re.fullmatch(ADDRESS, text) if len(text) <= LONGEST else None
    if found is None:
        message = "the address has none of the known shapes"
        raise ForeignAddressError(message)
    query: dict[str, str] = {}
    seen: set[str] = set()
    for pair in found["query"].split("&"):
        name, _, value = pair.partition("=")
        lower = name.lower()
        key, shape = (lower, NUMBER) if lower in PAGING else KNOWN.get(lower, ("", ""))
        if not key or lower in seen or not re.fullmatch(shape, value):
            message = "the address asks for something unknown"
            raise ForeignAddressError(message)
        seen.add(lower)
        if lower not in PAGING:
            query[key] = value.capitalize() if shape is TRUTH else value
    if not query:
        message = "the address names nothing"
        raise ForeignAddressError(message)
    return Parts(found["origin"], found["kind"], tuple(sorted(query.items())))


def written(parts: Parts) -> str:
    """Write an address in its one spelling; `take_apart` gives the same parts again."""
    return f"{parts.origin}/{parts.kind}?" + "&".join(f"{name}={value}" for name, value in parts.query)
