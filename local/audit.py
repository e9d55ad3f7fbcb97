"""Compares three books unit by unit: Shopify's, Jetpack's, and our own records. Uses none of our planning."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jetbridge.domain.record import UnitState, units_by_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jetbridge.domain.record import OrderRecord


@dataclass
class Audit:
    """What the three books say together. `findings` names each difference: order, units, which book says what."""

    orders: int = 0
    lost: int = 0
    doubled: int = 0
    announced_twice: int = 0
    unannounced: int = 0
    unbalanced: int = 0
    by_status: Counter[str] = field(default_factory=Counter)
    by_unit: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether every unit is where exactly one book says it is."""
        return not (self.lost or self.doubled or self.announced_twice or self.unannounced or self.unbalanced)

    def __add__(self, other: Audit) -> Audit:
        """Add up two stores' audits."""
        figures = ("orders", "lost", "doubled", "announced_twice", "unannounced", "unbalanced")
        sums = {name: getattr(self, name) + getattr(other, name) for name in figures}
        return Audit(
            **sums,
            by_status=self.by_status + other.by_status,
            by_unit=self.by_unit + other.by_unit,
            findings=[*self.findings, *other.findings],
        )

    def note(self, kind: str, order: str, units: int, words: str) -> None:
        """Count a difference and keep its words."""
        if units > 0:
            setattr(self, kind, getattr(self, kind) + units)
            self.findings.append(f"{order}: {units} {kind}: {words}")


@dataclass
class _AtJetpack:
    units: int = 0
    shipped: dict[str, int] = field(default_factory=dict)
    """Tracking number → units."""


def audit(
    shop: Iterable[Mapping[str, Any]], jetpack: Mapping[str, Any], records: Mapping[str, OrderRecord], store: str
) -> Audit:
    """Compare the books.

    Args:
        shop: The Shopify simulator's books.
        jetpack: The Jetpack simulator's books.
        records: Our records by Shopify order number.
        store: The store's name in our references.
    """
    result = Audit()
    held_at_jetpack = _jetpack_by_order(jetpack, store, result)
    for order in shop:
        result.orders += 1
        number, name = str(order["number"]), str(order["name"])
        ordered = sum(line["ordered"] for line in order["lines"])
        there = held_at_jetpack.pop(number, _AtJetpack())
        record = records.get(number)
        if record is None:
            result.note("lost", name, ordered, "we have no record of the order")
            continue
        ours = units_by_state(record)
        result.by_status[record.status] += 1
        result.by_unit.update({state.value: quantity for state, quantity in ours.items()})
        result.note("unbalanced", name, abs(ours.total() - ordered), "our units do not add up to what was ordered")
        believed = ours[UnitState.FORWARDED] + ours[UnitState.SHIPPED] + ours[UnitState.FORWARDING]
        result.note("lost", name, believed - there.units, "we believe them at Jetpack, Jetpack does not have them")
        result.note("doubled", name, there.units - believed, "Jetpack has them, we do not know of it")
        current = sum(line["current"] for line in order["lines"] if line["requires_shipping"])
        gone = 0 if order["cancelled"] else current
        result.note("doubled", name, there.units - max(gone, sum(there.shipped.values())), "more than the order holds")
        _compare_waiting(result, order, record, there, name)
        if not (order["cancelled"] and record.needs_person):
            # A parcel that left before its order was cancelled cannot be told to the shop: a person knows of it.
            _compare_parcels(result, order, there, name)
    for number, there in held_at_jetpack.items():
        result.note("doubled", number, there.units, "Jetpack has an order that Shopify does not know")
    return result


def _jetpack_by_order(jetpack: Mapping[str, Any], store: str, result: Audit) -> dict[str, _AtJetpack]:
    found: dict[str, _AtJetpack] = defaultdict(_AtJetpack)
    for reference, created in jetpack["created"].items():
        result.note("doubled", reference, created - 1, "one reference was created more than once")
    for order in jetpack["orders"]:
        slug, _, rest = str(order["reference_id"]).partition(":")
        if slug != store or order["cancelled"] or order["deleted"]:
            continue
        there = found[rest.partition(":")[0]]
        there.units += sum(line["quantity"] for line in order["lines"])
        for shipment in order["shipments"]:
            if shipment["status"] in ("LabeledCreated", "Completed") and shipment["tracking_number"]:
                there.shipped[shipment["tracking_number"]] = sum(shipment["units"].values())
    return dict(found)


def _compare_waiting(
    result: Audit, order: Mapping[str, Any], record: OrderRecord, there: _AtJetpack, name: str
) -> None:
    """Units the shop would have shipped now must be at Jetpack, or stand in our book with a reason."""
    shippable = sum(line["shippable"] for line in order["lines"])
    unshipped = there.units - sum(there.shipped.values())
    untold = sum(there.shipped.values()) - sum(line["fulfilled_units"] for line in order["lines"])
    ours = units_by_state(record)
    explained = unshipped + max(0, untold) + ours[UnitState.WAITING] + ours[UnitState.HELD]
    if record.reason == "cancelled_in_shipstation":  # which the shop does not hear of
        explained += ours[UnitState.EXCLUDED]
    result.note("lost", name, shippable - explained, "the shop waits for them and nobody says why")


def _compare_parcels(result: Audit, order: Mapping[str, Any], there: _AtJetpack, name: str) -> None:
    """Every parcel that left is told to the customer once, with its own units."""
    told: Counter[str] = Counter()
    fulfillments: dict[str, set[str]] = defaultdict(set)
    for line in order["lines"]:
        for fulfillment in line["fulfilled"]:
            for tracking_number in fulfillment["numbers"]:
                told[tracking_number] += fulfillment["units"]
                fulfillments[tracking_number].add(fulfillment["fulfillment"])
    for tracking_number, units in there.shipped.items():
        result.note("unannounced", name, units - told[tracking_number], f"parcel {tracking_number} left unannounced")
        twice = told[tracking_number] - units + len(fulfillments[tracking_number]) - 1
        result.note("announced_twice", name, max(0, twice), f"parcel {tracking_number}")
