"""The gates between an order and Jetpack: each says where units stand, and why (DESIGN section 8).

Their order is fixed, and `planning` goes through them; the first that stops units is what is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from jetbridge.domain.addresses import problems
from jetbridge.domain.changes import Ordered, Wish
from jetbridge.domain.record import UnitState
from jetbridge.domain.rules import Outcome, Verdict
from jetbridge.domain.ship_options import mapping_for, normalized
from jetbridge.domain.shipstation import taken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from jetbridge.domain.identifiers import LineId
    from jetbridge.domain.order import Catalogue, FulfillmentOrder, Order
    from jetbridge.domain.shipstation import ShipStationOrder
    from jetbridge.domain.store import Store


@dataclass(frozen=True, slots=True)
class Gate:
    """Where units stand. `state` FORWARDING means: every gate so far was passed."""

    state: UnitState
    reason: str = ""
    detail: str = ""
    until: datetime | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing stops the units here."""
        return self.state is UnitState.FORWARDING


PASSED = Gate(UnitState.FORWARDING)


def fulfillment_order_gate(  # noqa: PLR0911 - one return a fact, in their fixed order
    fulfillment_order: FulfillmentOrder, order: Order, store: Store, now: datetime
) -> Gate:
    """Facts of one fulfillment order (facts/shopify.md section 6: decide by supportedActions, not by status)."""
    method = fulfillment_order.method_type or ("SHIPPING" if order.shipping_address else "")
    if method == "NONE":
        return Gate(UnitState.EXCLUDED, "digital")
    if method in {"PICK_UP", "PICKUP_POINT", "LOCAL", "RETAIL"}:
        return Gate(UnitState.EXCLUDED, "pickup")
    if fulfillment_order.location_id not in store.locations:
        return Gate(UnitState.EXCLUDED, "foreign_location")
    if method != "SHIPPING":
        return Gate(UnitState.HELD, "invalid_address", f"delivery method {method or 'missing'}")
    if fulfillment_order.mirrors:
        return PASSED  # held by nobody but us: what caused that is looked at by itself
    if fulfillment_order.holds or fulfillment_order.status == "ON_HOLD":
        reasons = ", ".join(sorted({each.reason for each in fulfillment_order.holds if not each.ours}))
        return Gate(UnitState.HELD, "store_hold", reasons or "no reason given")
    if fulfillment_order.status == "SCHEDULED":
        return Gate(UnitState.WAITING, "scheduled", until=fulfillment_order.fulfill_at)
    if "CREATE_FULFILLMENT" not in fulfillment_order.supported_actions:
        return Gate(UnitState.WAITING, "not_fulfillable", fulfillment_order.status, now + timedelta(minutes=15))
    return PASSED


NOT_IMPORTED_LOOK = timedelta(minutes=15)
NOT_IMPORTED = timedelta(hours=4)
"""ShipStation polls the shop without a schedule (facts/shipstation.md section 9); an order that is not there by
then is for a person: imports stop silently."""


def part_gate(part: ShipStationOrder) -> Gate:  # noqa: PLR0911 - one return a fact, in their fixed order
    """Facts of one ShipStation order (facts/shipstation.md section 7: an unknown status means do nothing)."""
    if part.merged_ids:
        return Gate(UnitState.HELD, "unidentified_order", f"merged in ShipStation from {len(part.merged_ids)} orders")
    if taken(part):
        by = "another fulfillment" if part.externally_fulfilled else part.status
        return Gate(UnitState.HELD, "already_forwarded_elsewhere", f"ShipStation order {part.id}: {by}")
    match part.status:
        case "awaiting_shipment":
            return PASSED
        case "awaiting_payment":
            return Gate(UnitState.WAITING, "unpaid", "awaiting payment in ShipStation")
        case "on_hold":
            until = f" until {part.held_until}" if part.held_until else ""
            return Gate(UnitState.HELD, "store_hold", f"on hold in ShipStation{until}")
        case "cancelled":
            return Gate(UnitState.EXCLUDED, "cancelled_in_shipstation")
        case _:
            return Gate(UnitState.HELD, "store_hold", f"ShipStation says {part.status or 'nothing'}")


def not_imported_gate(order: Order, now: datetime) -> Gate:
    """Units that Shopify wants sent and no ShipStation order holds: not imported yet, or taken out there."""
    if now - order.created_at < NOT_IMPORTED:
        return Gate(UnitState.WAITING, "not_in_shipstation", until=now + NOT_IMPORTED_LOOK)
    detail = "not in ShipStation: check that it still imports this shop's orders"
    return Gate(UnitState.HELD, "unidentified_order", detail)


COMING = frozenset({"PENDING", "AUTHORIZED", "PARTIALLY_PAID"})
"""Financial states that become paid by themselves, or by the merchant's capture."""


def payment_gate(order: Order, store: Store) -> Gate:
    """Forward only what is paid, or what the store forwards unpaid. An unknown state is not paid, and held."""
    if order.financial_status in store.forward_financial_states:
        return PASSED
    if order.gateways and set(order.gateways) <= store.forward_gateways and order.financial_status == "PENDING":
        return PASSED
    detail = order.financial_status.lower() or "no payment state"
    return Gate(UnitState.WAITING if order.financial_status in COMING else UnitState.HELD, "unpaid", detail)


def risk_gate(order: Order, store: Store) -> Gate:
    """Hold what Shopify recommends to look at or to cancel, unless the store accepts that."""
    if order.risk in store.accepted_risks:
        return PASSED
    words = {"PENDING": "Shopify still looks at the risk", "UNKNOWN": "Shopify does not say what the risk is"}
    detail = words.get(order.risk, f"Shopify recommends {order.risk.lower()}")
    return Gate(UnitState.HELD, "fraud_risk", detail)


def person_gate(ordered: Ordered | None) -> Gate:
    """Hold what a person holds here."""
    if ordered is None or ordered.wish is not Wish.HOLD:
        return PASSED
    return Gate(UnitState.HELD, "store_hold", f"held by {ordered.by}{f': {ordered.reason}' if ordered.reason else ''}")


def elsewhere_gate(reference: str) -> Gate:
    """Hold what another forwarder took: an order of somebody else's at Jetpack under its number or id."""
    if not reference:
        return PASSED
    return Gate(UnitState.HELD, "already_forwarded_elsewhere", f"Jetpack has it from somebody else as {reference}")


def grace_gate(order: Order, store: Store, now: datetime) -> Gate:
    """Leave the customer the store's grace minutes to think again."""
    until = order.created_at + timedelta(minutes=store.grace_minutes)
    return PASSED if now >= until else Gate(UnitState.WAITING, "grace", until=until)


def rules_gate(verdict: Verdict) -> Gate:
    """Do what the rules decided."""
    said = f"{verdict.rule}{f': {verdict.reason}' if verdict.reason else ''}"
    match verdict.outcome:
        case Outcome.FORWARD:
            return PASSED
        case Outcome.EXCLUDE:
            return Gate(UnitState.EXCLUDED, "rule", said)
        case Outcome.HOLD:
            return Gate(UnitState.HELD, "rule_hold", said, verdict.until)
        case Outcome.NO_RULE_MATCHED:
            return Gate(UnitState.HELD, "no_rule_matched")


def later_gate(verdict: Verdict) -> Gate:
    """Where the lines stand that a rule splits off."""
    said = f"{verdict.later_rule}{f': {verdict.later_reason}' if verdict.later_reason else ''}"
    return Gate(UnitState.HELD, "rule_hold", said, verdict.later_until)


def address_gate(order: Order, store: Store, ship_option: str) -> Gate:
    """Hold what no parcel can go to, by this ship option or any (`addresses`)."""
    limits = next((each for each in store.option_limits if each.ship_option == ship_option), None)
    phone = (order.shipping_address.phone if order.shipping_address else "") or order.phone
    wrong = problems(order.shipping_address, phone=phone, limits=limits)
    return Gate(UnitState.HELD, "invalid_address", "; ".join(wrong)) if wrong else PASSED


def blank_sku_gate(order: Order, lines: Iterable[LineId]) -> Gate:
    """Goods without a SKU cannot be named to Jetpack."""
    blank = sum(not order.line(line_id).sku.strip() for line_id in lines)
    return Gate(UnitState.HELD, "unknown_sku", f"{blank} line(s) without a SKU") if blank else PASSED


def sku_gate(skus: Iterable[str], catalogue: Catalogue) -> Gate:
    """An unknown SKU would silently become a new product at Jetpack (facts/shipbob.md section 6)."""
    wanted = sorted(set(skus))
    if unknown := [sku for sku in wanted if sku not in catalogue.skus]:
        return Gate(UnitState.HELD, "unknown_sku", f"not at Jetpack: {', '.join(unknown)}")
    if inactive := [sku for sku in wanted if not catalogue.skus[sku]]:
        return Gate(UnitState.HELD, "inactive_sku", f"inactive at Jetpack: {', '.join(inactive)}")
    return PASSED


def goes_abroad(order: Order, store: Store) -> bool:
    """Whether it leaves the countries the store says its parcels start in; not, while it does not say."""
    country = order.shipping_address.country_code if order.shipping_address else ""
    return bool(store.ships_from) and country not in store.ships_from


def customs_gate(order: Order, store: Store, skus: Iterable[str], catalogue: Catalogue) -> Gate:
    """Hold what leaves the country without customs data, if the store says where its parcels start."""
    if not goes_abroad(order, store):
        return PASSED
    if missing := sorted(set(skus) & catalogue.without_customs):
        return Gate(UnitState.HELD, "customs_data_missing", f"no customs data at Jetpack: {', '.join(missing)}")
    return PASSED


def mapping_gate(order: Order, store: Store, chosen: str) -> Gate:
    """Without an active mapping, or a rule that chose, nothing is sent: Jetpack would ship Standard and say nothing.

    The detail is the method itself: by it the orders are found that wait for a mapping.
    """
    if chosen:
        return PASSED
    method = normalized(order.shipping_method)
    mapping = mapping_for(method, store.ship_options)
    if mapping is None:
        return Gate(UnitState.HELD, "unmapped_ship_option", method or NO_METHOD)
    return PASSED if mapping.active else Gate(UnitState.HELD, "inactive_ship_option", method)


NO_METHOD = "(none)"
"""How an order without a shipping method is shown."""

SEVERAL = " | "
"""Between the details of a hold that parts of an order are under for different causes."""


def ship_option_gate(order: Order, ship_option: str, chosen: str, catalogue: Catalogue) -> Gate:
    """An unknown text would silently ship Standard (facts/shipbob.md section 9)."""
    if catalogue.ship_options.get(ship_option):
        return PASSED
    return Gate(UnitState.HELD, "inactive_ship_option", chosen or normalized(order.shipping_method))


def first_stop(gates: Mapping[str, Callable[[], Gate]]) -> tuple[Gate, list[str]]:
    """Go through gates in their order up to the first that stops; tell what each said."""
    trace = []
    for name, gate in gates.items():
        found = gate()
        trace.append(f"{name}: {'passed' if found.passed else f'{found.state} {found.reason} {found.detail}'.strip()}")
        if not found.passed:
            return found, trace
    return PASSED, trace
