"""Shipping method (the shop's text) → ship option (Jetpack's service)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

Method = NewType("Method", str)
"""A shipping method after `normalized`: what mappings are keyed by."""


def normalized(text: str) -> Method:
    """Fold case and white space, so that `Standard  shipping` and `standard shipping` are one method."""
    return Method(" ".join(text.casefold().split()))


@dataclass(frozen=True, slots=True)
class ShipOptionMapping:
    """One line of the merchant's mapping. Inactive means: known, and nothing is sent by it."""

    method: Method
    ship_option: str
    active: bool = True
