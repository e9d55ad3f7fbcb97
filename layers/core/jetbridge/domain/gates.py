"""The gates between an order and Jetpack: each says where units stand, and why (DESIGN section 8).

Their order is fixed, and `planning` goes through them; the first that stops units is what is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from jetbridge.domain.record import UnitState
from jetbridge.domain.rules import Outcome
from jetbridge.domain.ship_options import normalized
from jetbridge.domain.shipstation import taken

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
    if fulfillment_order.holds or fulfillment_order.status == "ON_HOLD":
        reasons = ", ".join(sorted({hold.reason for hold in fulfillment_order.holds})) or "no reason given"
        return Gate(UnitState.HELD, "store_hold", reasons)
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


def payment_gate(order: Order, store: Store) -> Gate:
    """Forward only what is paid, or what the store forwards unpaid. An unknown state is not paid."""
    if order.financial_status in store.forward_financial_states:
        return PASSED
    if order.gateways and set(order.gateways) <= store.forward_gateways and order.financial_status == "PENDING":
        return PASSED
    return Gate(UnitState.WAITING, "unpaid", order.financial_status.lower() or "unknown")


def risk_gate(order: Order, store: Store) -> Gate:
    """Hold what Shopify recommends to look at or to cancel, unless the store accepts that."""
    if order.risk in store.accepted_risks:
        return PASSED
    words = {"PENDING": "Shopify still looks at the risk", "UNKNOWN": "Shopify does not say what the risk is"}
    detail = words.get(order.risk, f"Shopify recommends {order.risk.lower()}")
    return Gate(UnitState.HELD, "fraud_risk", detail)


def elsewhere_gate(_order: Order) -> Gate:
    """Orders another forwarder took (foreign orders seen at Jetpack): filled by the Jetpack sweep."""
    return PASSED


def grace_gate(order: Order, store: Store, now: datetime) -> Gate:
    """Leave the customer the store's grace minutes to think again."""
    until = order.created_at + timedelta(minutes=store.grace_minutes)
    return PASSED if now >= until else Gate(UnitState.WAITING, "grace", until=until)


def address_gate(order: Order) -> Gate:
    """What Jetpack's create requires of a recipient (facts/shipbob.md section 6); finer checks come with holds."""
    address = order.shipping_address
    if address is None:
        return Gate(UnitState.HELD, "invalid_address", "no shipping address")
    required = {
        "name": address.name or address.company,
        "street": address.address1,
        "city": address.city,
        "country": address.country_code,
    }
    missing = [name for name, value in required.items() if not value.strip()]
    if missing:
        return Gate(UnitState.HELD, "invalid_address", f"missing: {', '.join(missing)}")
    return PASSED


def blank_sku_gate(order: Order, lines: list[LineId]) -> Gate:
    """Goods without a SKU cannot be named to Jetpack."""
    blank = sum(not order.line(line_id).sku.strip() for line_id in lines)
    return Gate(UnitState.HELD, "unknown_sku", f"{blank} line(s) without a SKU") if blank else PASSED


def sku_gate(order: Order, lines: list[LineId], catalogue: Catalogue) -> Gate:
    """An unknown SKU would silently become a new product at Jetpack (facts/shipbob.md section 6)."""
    skus = sorted({order.line(line_id).sku for line_id in lines})
    if unknown := [sku for sku in skus if sku not in catalogue.skus]:
        return Gate(UnitState.HELD, "unknown_sku", f"not at Jetpack: {', '.join(unknown)}")
    if inactive := [sku for sku in skus if not catalogue.skus[sku]]:
        return Gate(UnitState.HELD, "inactive_sku", f"inactive at Jetpack: {', '.join(inactive)}")
    return PASSED


def mapping_gate(order: Order, store: Store) -> Gate:
    """Without an active mapping nothing is sent: Jetpack would ship Standard and say nothing."""
    mapping = store.ship_options.get(normalized(order.shipping_method))
    if mapping is None:
        return Gate(UnitState.HELD, "unmapped_ship_option", normalized(order.shipping_method) or "(none)")
    if not mapping.active:
        return Gate(UnitState.HELD, "inactive_ship_option", f"mapping of {mapping.method} is switched off")
    return PASSED


def ship_option_gate(ship_option: str, catalogue: Catalogue) -> Gate:
    """An unknown text would silently ship Standard (facts/shipbob.md section 9)."""
    if catalogue.ship_options.get(ship_option):
        return PASSED
    return Gate(UnitState.HELD, "inactive_ship_option", f"{ship_option} is not active at Jetpack")


def stock_gate(_order: Order) -> Gate:
    """Hold, forward or split by stock: a later choice of the store; today Jetpack itself decides."""
    return PASSED


def first_stop(gates: Mapping[str, Callable[[], Gate]]) -> tuple[Gate, list[str]]:
    """Go through gates in their order up to the first that stops; tell what each said."""
    trace = []
    for name, gate in gates.items():
        found = gate()
        trace.append(f"{name}: {'passed' if found.passed else f'{found.state} {found.reason} {found.detail}'.strip()}")
        if not found.passed:
            return found, trace
    return PASSED, trace


def rules_gate(outcome: Outcome, rule: str) -> Gate:
    """Do what the rules decided."""
    match outcome:
        case Outcome.FORWARD:
            return PASSED
        case Outcome.EXCLUDE:
            return Gate(UnitState.EXCLUDED, "rule", rule)
        case Outcome.HOLD:
            return Gate(UnitState.HELD, "rule_hold", rule)
        case Outcome.NO_RULE_MATCHED:
            return Gate(UnitState.HELD, "no_rule_matched")
