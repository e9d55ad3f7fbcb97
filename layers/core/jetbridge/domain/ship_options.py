"""Shipping method (the shop's text) → ship option (Jetpack's service)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import NewType

Method = NewType("Method", str)
"""A shipping method after `normalized`: what mappings are keyed by."""

ANY_TEXT = "*"
"""In a pattern: any text, none as well."""


def normalized(text: str) -> Method:
    """Fold case and white space, so that `Standard  shipping` and `standard shipping` are one method."""
    return Method(" ".join(text.casefold().split()))


@dataclass(frozen=True, slots=True)
class ShipOptionMapping:
    """One line of the merchant's mapping. Inactive means: known, and nothing is sent by it."""

    method: Method
    """The method itself, or a pattern: with * for any text (express*)."""
    ship_option: str
    active: bool = True

    @property
    def is_pattern(self) -> bool:
        """Whether it stands for more than one method."""
        return ANY_TEXT in self.method


@dataclass(frozen=True, slots=True)
class ShipOptionLimits:
    """What a ship option's carrier cannot do, as the merchant knows it: Jetpack's list does not say."""

    ship_option: str
    po_boxes: bool = True
    military: bool = True
    needs_phone: bool = False


def matches(pattern: Method, method: Method) -> bool:
    """Whether a pattern stands for this method."""
    first, *rest = pattern.split(ANY_TEXT)
    if not rest:
        return first == method
    *middle, last = rest
    if not (method.startswith(first) and method.endswith(last) and len(method) >= len(first) + len(last)):
        return False
    at, end = len(first), len(method) - len(last)
    for part in middle:
        at = method.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def both_match(one: Method, other: Method) -> bool:
    """Whether some method exists that both patterns stand for."""

    @cache
    def meet(left: int, right: int) -> bool:
        if left == len(one) and right == len(other):
            return True
        if left < len(one) and one[left] == ANY_TEXT:
            return meet(left + 1, right) or (right < len(other) and meet(left, right + 1))
        if right < len(other) and other[right] == ANY_TEXT:
            return meet(left, right + 1) or (left < len(one) and meet(left + 1, right))
        return left < len(one) and right < len(other) and one[left] == other[right] and meet(left + 1, right + 1)

    return meet(0, 0)


def clashing(mappings: Iterable[ShipOptionMapping]) -> tuple[ShipOptionMapping, ShipOptionMapping] | None:
    """Find two patterns that stand for one method: which of them counted would be chance."""
    patterns = [each for each in mappings if each.is_pattern]
    return next(((one, two) for one, two in combinations(patterns, 2) if both_match(one.method, two.method)), None)


def mapping_for(method: str, mappings: dict[Method, ShipOptionMapping]) -> ShipOptionMapping | None:
    """Find the mapping of a shipping method: its own line beats every pattern."""
    wanted = normalized(method)
    own = mappings.get(wanted)
    if own and not own.is_pattern:
        return own
    return next((each for each in mappings.values() if each.is_pattern and matches(each.method, wanted)), None)
