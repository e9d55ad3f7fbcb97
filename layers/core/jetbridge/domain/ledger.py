"""Where every ordered unit is. The groups add up to what was ordered, for one order and for all (invariant 1)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jetbridge.domain.record import OrderRecord, UnitState, units_by_state

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(slots=True)
class Ledger:
    """Units by state over many orders. `unbalanced` names the orders whose units do not add up."""

    orders: int = 0
    ordered: int = 0
    units: Counter[UnitState] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    unbalanced: list[str] = field(default_factory=list)


def balance(records: Iterable[OrderRecord]) -> Ledger:
    """Add up the books of many orders."""
    ledger = Ledger()
    for record in records:
        units = units_by_state(record)
        ledger.orders += 1
        ledger.ordered += record.ordered
        ledger.units += units
        ledger.statuses[record.status] += 1
        if units.total() != record.ordered:
            ledger.unbalanced.append(record.order_id)
    return ledger
