"""What to do about an order: a pure function of what was read. No clock, no ids, no partner.

`plan` looks at the whole order every time (create, edit, cancel, refund, hold, release are one function) and
names at most one effect. The use case carries it out, records it, and asks again until nothing is left.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from jetbridge.domain.holds import Hold, continued
from jetbridge.domain.identifiers import LineId
from jetbridge.domain.order import Order, address_fields, digest
from jetbridge.domain.record import (
    ConsignedLine,
    Consignment,
    ConsignmentState,
    Decision,
    NextLook,
    OrderRecord,
    UnitState,
    settled,
)
from jetbridge.domain.reference import reference_for
from jetbridge.domain.rules import Outcome, evaluate
from jetbridge.domain.ship_options import normalized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from jetbridge.domain.order import Catalogue, FulfillmentOrder, JetpackOrder
    from jetbridge.domain.store import Store

ROUTING_LOOK = timedelta(minutes=1)
"""Fulfillment orders are made by a background job after the order (facts/shopify.md section 6)."""


OLD_ROUTING_LOOK = timedelta(minutes=15)
"""An order that was not routed by then waits for something else; its change is found by the sweep, too."""

READS_LAG = timedelta(minutes=5)
"""Until then an order we created may not be shown by Jetpack's reads (facts/shipbob.md section 6)."""


class Need(StrEnum):
    """What has to be read before the plan can go on."""

    CATALOGUE = "catalogue"
    SHIPMENTS = "shipments"


@dataclass(frozen=True, slots=True)
class Create:
    """Create an order at Jetpack for these units, under this reference."""

    n: int
    reference: str
    lines: tuple[ConsignedLine, ...]
    ship_option: str
    sent_hash: str


@dataclass(frozen=True, slots=True)
class Resolve:
    """Find out what became of an effect whose outcome is unknown; nothing else happens before."""

    n: int
    action: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel a consignment at Jetpack, because the source no longer wants it as it was sent."""

    n: int
    refusal: str
    """The hold if Jetpack refuses."""


Action = Create | Resolve | Cancel


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do next. With `needs` nothing else counts: read that, plan again."""

    record: OrderRecord
    action: Action | None = None
    needs: frozenset[Need] = frozenset()
    trace: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Gate:
    """Where units stand. `state` FORWARDING means: every gate so far was passed."""

    state: UnitState
    reason: str = ""
    detail: str = ""
    until: datetime | None = None

    @property
    def passed(self) -> bool:
        return self.state is UnitState.FORWARDING


_PASSED = _Gate(UnitState.FORWARDING)


def source_hash(order: Order) -> str:
    """Hash what an edit would have to carry to Jetpack besides the units: address and shipping method."""
    return digest({**address_fields(order), "method": normalized(order.shipping_method)})


# -- where every unit is ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rest:
    """Units of one line outside consignments that could still be forwarded, and what their gate says."""

    line_id: LineId
    quantity: int
    gate: _Gate


def _consigned(record: OrderRecord) -> Counter[LineId]:
    units: Counter[LineId] = Counter()
    for consignment in record.live:
        for line in consignment.lines:
            units[line.line_id] += line.quantity
    return units


def _fulfillment_order_gate(  # noqa: PLR0911 - one return a fact, in their fixed order
    fulfillment_order: FulfillmentOrder, order: Order, store: Store, now: datetime
) -> _Gate:
    """Facts of one fulfillment order (facts/shopify.md section 6: decide by supportedActions, not by status)."""
    method = fulfillment_order.method_type or ("SHIPPING" if order.shipping_address else "")
    if method == "NONE":
        return _Gate(UnitState.EXCLUDED, "digital")
    if method in {"PICK_UP", "PICKUP_POINT", "LOCAL", "RETAIL"}:
        return _Gate(UnitState.EXCLUDED, "pickup")
    if fulfillment_order.location_id not in store.locations:
        return _Gate(UnitState.EXCLUDED, "foreign_location")
    if method != "SHIPPING":
        return _Gate(UnitState.HELD, "invalid_address", f"delivery method {method or 'missing'}")
    if fulfillment_order.holds or fulfillment_order.status == "ON_HOLD":
        reasons = ", ".join(sorted({hold.reason for hold in fulfillment_order.holds})) or "no reason given"
        return _Gate(UnitState.HELD, "store_hold", reasons)
    if fulfillment_order.status == "SCHEDULED":
        return _Gate(UnitState.WAITING, "scheduled", until=fulfillment_order.fulfill_at)
    if "CREATE_FULFILLMENT" not in fulfillment_order.supported_actions:
        return _Gate(UnitState.WAITING, "not_fulfillable", fulfillment_order.status, now + timedelta(minutes=15))
    return _PASSED


def fulfilled_by_us_and_elsewhere(order: Order, record: OrderRecord) -> tuple[Counter[LineId], Counter[LineId]]:
    """Tell the units Shopify shows as sent apart: our parcels (by fulfillment or tracking number), and the rest."""
    ids = {parcel.fulfillment_id for parcel in record.parcels} - {""}
    numbers = {parcel.number for parcel in record.parcels} - {""}
    ours: Counter[LineId] = Counter()
    elsewhere: Counter[LineId] = Counter()
    for fulfillment in order.fulfillments:
        if fulfillment.counts:
            mine = fulfillment.id in ids or not numbers.isdisjoint(fulfillment.tracking_numbers)
            for line_id, quantity in fulfillment.units:
                (ours if mine else elsewhere)[line_id] += quantity
    return ours, elsewhere


def _account(order: Order, record: OrderRecord, store: Store, now: datetime) -> tuple[Counter[UnitState], list[_Rest]]:
    """Put every unit outside consignments in exactly one place; what is still open keeps its gate."""
    consigned = _consigned(record)
    ours, elsewhere = fulfilled_by_us_and_elsewhere(order, record)
    places: Counter[UnitState] = Counter()
    rests: list[_Rest] = []
    for line in order.lines:
        left = max(0, line.quantity - consigned[line.id])
        at_jetpack = max(0, consigned[line.id] - ours[line.id])
        # Refunds of units long shipped lower the count too: what open fulfillment orders still want is not removed.
        wanted = max(0, sum(_open_remaining(order, line.id, store)) - at_jetpack)
        gone = min(line.quantity - line.current_quantity, left - elsewhere[line.id] - wanted)
        for state, quantity in ((UnitState.ELSEWHERE, elsewhere[line.id]), (UnitState.REMOVED, gone)):
            taken = max(0, min(left, quantity))
            places[state] += taken
            left -= taken
        if left == 0:
            continue
        if order.cancelled_at:
            places[UnitState.CANCELLED] += left
        elif order.test and not store.forward_test_orders:
            rests.append(_Rest(line.id, left, _Gate(UnitState.EXCLUDED, "test_order")))
        elif line.gift_card or not line.requires_shipping:
            rests.append(_Rest(line.id, left, _Gate(UnitState.EXCLUDED, "digital")))
        else:
            rests += _open_units(order, line.id, left, at_jetpack, store, now)
    return places, rests


def _open_units(  # noqa: PLR0913, PLR0917 - the units, and what their gates look at
    order: Order, line_id: LineId, left: int, at_jetpack: int, store: Store, now: datetime
) -> Iterator[_Rest]:
    """Share the free units of a line out over its open fulfillment orders.

    `at_jetpack` units are still open in Shopify but lie in a consignment: they are taken off first, at our
    own locations, for only those were ever forwarded.
    """
    for fulfillment_order in order.fulfillment_orders:
        if fulfillment_order.closed:
            continue
        gate = _fulfillment_order_gate(fulfillment_order, order, store, now)
        for line in fulfillment_order.lines:
            if line.line_id != line_id:
                continue
            taken = min(at_jetpack, line.remaining) if fulfillment_order.location_id in store.locations else 0
            at_jetpack -= taken
            quantity = min(line.remaining - taken, left)
            if quantity > 0:
                left -= quantity
                yield _Rest(line_id, quantity, gate)
    if left > 0:
        # No open fulfillment order names these units yet, or the one that did is being replaced.
        look = ROUTING_LOOK if now - order.created_at < OLD_ROUTING_LOOK else OLD_ROUTING_LOOK
        yield _Rest(line_id, left, _Gate(UnitState.WAITING, "routing", until=now + look))


# -- the gates of the whole order, in their fixed order -----------------------------------------------------


def _payment_gate(order: Order, store: Store) -> _Gate:
    """Forward only what is paid, or what the store forwards unpaid. An unknown state is not paid."""
    if order.financial_status in store.forward_financial_states:
        return _PASSED
    if order.gateways and set(order.gateways) <= store.forward_gateways and order.financial_status == "PENDING":
        return _PASSED
    return _Gate(UnitState.WAITING, "unpaid", order.financial_status.lower() or "unknown")


def _risk_gate(order: Order, store: Store) -> _Gate:
    if order.risk in store.accepted_risks:
        return _PASSED
    return _Gate(UnitState.HELD, "fraud_risk", f"Shopify recommends {order.risk.lower()}")


def _elsewhere_gate(_order: Order) -> _Gate:
    """Orders another forwarder took (foreign orders seen at Jetpack): filled by the Jetpack sweep."""
    return _PASSED


def _grace_gate(order: Order, store: Store, now: datetime) -> _Gate:
    until = order.created_at + timedelta(minutes=store.grace_minutes)
    return _PASSED if now >= until else _Gate(UnitState.WAITING, "grace", until=until)


def _address_gate(order: Order) -> _Gate:
    """What Jetpack's create requires of a recipient (facts/shipbob.md section 6); finer checks come with holds."""
    address = order.shipping_address
    if address is None:
        return _Gate(UnitState.HELD, "invalid_address", "no shipping address")
    required = {
        "name": address.name or address.company,
        "street": address.address1,
        "city": address.city,
        "country": address.country_code,
    }
    missing = [name for name, value in required.items() if not value.strip()]
    if missing:
        return _Gate(UnitState.HELD, "invalid_address", f"missing: {', '.join(missing)}")
    return _PASSED


def _blank_sku_gate(order: Order, lines: list[LineId]) -> _Gate:
    blank = sum(not order.line(line_id).sku.strip() for line_id in lines)
    return _Gate(UnitState.HELD, "unknown_sku", f"{blank} line(s) without a SKU") if blank else _PASSED


def _sku_gate(order: Order, lines: list[LineId], catalogue: Catalogue) -> _Gate:
    """An unknown SKU would silently become a new product at Jetpack (facts/shipbob.md section 6)."""
    skus = sorted({order.line(line_id).sku for line_id in lines})
    if unknown := [sku for sku in skus if sku not in catalogue.skus]:
        return _Gate(UnitState.HELD, "unknown_sku", f"not at Jetpack: {', '.join(unknown)}")
    if inactive := [sku for sku in skus if not catalogue.skus[sku]]:
        return _Gate(UnitState.HELD, "inactive_sku", f"inactive at Jetpack: {', '.join(inactive)}")
    return _PASSED


def _mapping_gate(order: Order, store: Store) -> _Gate:
    mapping = store.ship_options.get(normalized(order.shipping_method))
    if mapping is None:
        return _Gate(UnitState.HELD, "unmapped_ship_option", normalized(order.shipping_method) or "(none)")
    if not mapping.active:
        return _Gate(UnitState.HELD, "inactive_ship_option", f"mapping of {mapping.method} is switched off")
    return _PASSED


def _ship_option_gate(ship_option: str, catalogue: Catalogue) -> _Gate:
    """An unknown text would silently ship Standard (facts/shipbob.md section 9)."""
    if catalogue.ship_options.get(ship_option):
        return _PASSED
    return _Gate(UnitState.HELD, "inactive_ship_option", f"{ship_option} is not active at Jetpack")


def _stock_gate(_order: Order) -> _Gate:
    """Hold, forward or split by stock: a later choice of the store; today Jetpack itself decides."""
    return _PASSED


def _first_stop(gates: Mapping[str, Callable[[], _Gate]]) -> tuple[_Gate, list[str]]:
    trace = []
    for name, gate in gates.items():
        found = gate()
        trace.append(f"{name}: {'passed' if found.passed else f'{found.state} {found.reason} {found.detail}'.strip()}")
        if not found.passed:
            return found, trace
    return _PASSED, trace


# -- consignments that exist already --------------------------------------------------------------------------


def _open_remaining(order: Order, line_id: LineId, store: Store) -> tuple[int, int]:
    """Count the units of a line that open fulfillment orders still want sent: from our locations, from others."""
    ours = others = 0
    for fulfillment_order in order.fulfillment_orders:
        if not fulfillment_order.closed:
            units = sum(line.remaining for line in fulfillment_order.lines if line.line_id == line_id)
            if fulfillment_order.location_id in store.locations:
                ours += units
            else:
                others += units
    return ours, others


def _unwanted(order: Order, record: OrderRecord, store: Store) -> Consignment | None:
    """Find a consignment holding units the source no longer wants from us: cancelled, removed, moved or sent by others.

    Both counts must say so. The line's count alone falls with refunds of units long shipped, and fulfillment
    orders alone vanish for a moment whenever they are replaced.
    """
    ours, elsewhere = fulfilled_by_us_and_elsewhere(order, record)
    at_jetpack = _consigned(record)
    at_jetpack.subtract(ours)
    unwanted = set()
    current = {line.id: line.current_quantity for line in order.lines}
    for line_id, units in at_jetpack.items():
        open_here, open_elsewhere = _open_remaining(order, line_id, store)
        counted = current.get(line_id, 0) - ours[line_id] - elsewhere[line_id] - open_elsewhere
        if units > 0 and (order.cancelled_at or (units > counted and units > open_here)):
            unwanted.add(line_id)
    # The newest consignment goes first: the older one is further on its way.
    for consignment in reversed(record.live):
        if not consignment.complete and any(line.line_id in unwanted for line in consignment.lines):
            return consignment
    return None


def _changed(order: Order, record: OrderRecord) -> Consignment | None:
    """Find a consignment sent to another address, or by another method, than the source now names."""
    wanted = source_hash(order)
    for consignment in record.live:
        if consignment.sent_hash and consignment.sent_hash != wanted and not consignment.complete:
            return consignment
    return None


# -- the plan -------------------------------------------------------------------------------------------------


def plan(  # noqa: PLR0913 - everything a decision is made from, and nothing else
    order: Order,
    record: OrderRecord,
    store: Store,
    now: datetime,
    *,
    catalogue: Catalogue | None = None,
    shipments: Mapping[int, JetpackOrder | None] | None = None,
) -> Plan:
    """Decide what to do about an order.

    Args:
        order: The source as it is now.
        record: Our own record; its consignments are the only evidence of what was sent.
        store: The merchant's settings.
        now: The time of this look.
        catalogue: SKUs and ship options at Jetpack; left out until the plan asks for it.
        shipments: Jetpack's view of the consignments by number; left out until the plan asks for it.

    Returns:
        At most one action, and the record as it stands if that action is not (yet) carried out.
    """
    for consignment in record.live:
        if consignment.cancel_asked and consignment.trouble and consignment.trouble.reason == "cancelled_at_jetpack":
            # We asked for it, and it was seen cancelled since: its units are free again.
            back = record.with_consignment(cancelled(consignment))
            return plan(order, back, store, now, catalogue=catalogue, shipments=shipments)
        if consignment.intent and now < consignment.intent.until:
            return _stand(record, order, store, now, trace=("an effect is under way",))
        if consignment.intent or consignment.state is ConsignmentState.CREATING:
            action = consignment.intent.action if consignment.intent else "create"
            return Plan(record, Resolve(consignment.n, action), trace=(f"outcome of {action} unknown: look first",))
    unwanted = _unwanted(order, record, store)
    if edited := unwanted or _changed(order, record):
        if shipments is None:
            return Plan(record, needs=frozenset({Need.SHIPMENTS}))
        refusal = "cancel_refused" if unwanted else "edit_refused"
        return _edit(order, record, store, now, edited, refusal, shipments, catalogue)
    return _forward(order, record, store, now, catalogue)


def _edit(  # noqa: PLR0913, PLR0917 - everything the plan was made from
    order: Order,
    record: OrderRecord,
    store: Store,
    now: datetime,
    edited: Consignment,
    refusal: str,
    shipments: Mapping[int, JetpackOrder | None],
    catalogue: Catalogue | None,
) -> Plan:
    """The source no longer wants what was sent: take it back if that is still possible, else ask a person.

    There is no order update at Jetpack (facts/shipbob.md section 10); what was not picked is cancelled under an
    intent and, once the cancel was seen, forwarded anew as the next consignment.
    """
    seen = shipments.get(edited.n)
    if seen is not None and seen.cancelled and (edited.cancel_asked or order.cancelled_at):
        # For a cancelled order nothing is sent anew, so whoever cancelled it at Jetpack did what we would have asked.
        done = record.with_consignment(cancelled(edited))
        return plan(order, done, store, now, catalogue=catalogue, shipments=shipments)
    change = fingerprint(order)
    if record.hold and record.hold.reason == refusal and record.hold.change == change:
        return _stand(record, order, store, now, hold=record.hold, trace=(f"{refusal}: a person decides",))
    if seen is None:
        # Reads lag: a young order may not be shown yet, and absence is never evidence.
        young = edited.forwarded_at is not None and now - edited.forwarded_at < READS_LAG
        hold = None if young else Hold(refusal, now, f"Jetpack does not show consignment {edited.n}")
        wake = now + ROUTING_LOOK if young else None
        return _stand(record, order, store, now, hold=hold, wake=wake, trace=(f"{refusal}: not shown at Jetpack",))
    if not edited.parcels and not any(each.picked and not each.cancelled for each in seen.shipments):
        return Plan(record, Cancel(edited.n, refusal), trace=(f"the source changed: cancel consignment {edited.n}",))
    hold = Hold(refusal, now, f"consignment {edited.n} was picked or shipped before the change", change)
    return _stand(record, order, store, now, hold=hold, trace=(f"{refusal}: too late at Jetpack",))


def cancelled(consignment: Consignment) -> Consignment:
    """Take a consignment's units back. Only after a cancel that we asked for and saw confirmed."""
    return replace(consignment, state=ConsignmentState.CANCELLED, intent=None, trouble=None)


def fingerprint(order: Order) -> str:
    """Hash all of the source that a partner can refuse: the same refusal is not asked for twice."""
    units = [(line.id, line.sku, line.current_quantity) for line in order.lines]
    return digest([source_hash(order), bool(order.cancelled_at), units])


def _forward(order: Order, record: OrderRecord, store: Store, now: datetime, catalogue: Catalogue | None) -> Plan:
    _, rests = _account(order, record, store, now)
    ready = [rest for rest in rests if rest.gate.passed]
    if not ready:
        return _stand(record, order, store, now)
    if record.hold and record.hold.reason == "rejected_by_jetpack" and record.hold.change == fingerprint(order):
        gate = _Gate(UnitState.HELD, record.hold.reason)
        return _stand(record, order, store, now, gate=gate, hold=record.hold, trace=("refused as it is",))
    lines = sorted({rest.line_id for rest in ready})
    verdict = evaluate(store.rules, order)
    decision = Decision(verdict.outcome, verdict.rule, verdict.version)
    gate, trace = _first_stop(
        {
            "payment": lambda: _payment_gate(order, store),
            "risk": lambda: _risk_gate(order, store),
            "already forwarded elsewhere": lambda: _elsewhere_gate(order),
            "grace": lambda: _grace_gate(order, store, now),
            "rules": lambda: _rules_gate(verdict.outcome, verdict.rule),
            "address": lambda: _address_gate(order),
            "SKU": lambda: _blank_sku_gate(order, lines),
            "ship option": lambda: _mapping_gate(order, store),
        }
    )
    trace = [*trace, *(f"rule {each.rule!r}: {each.why}" for each in verdict.trace)]
    record = replace(record, decision=decision)
    if gate.passed:
        if catalogue is None:
            return Plan(record, needs=frozenset({Need.CATALOGUE}))
        ship_option = store.ship_options[normalized(order.shipping_method)].ship_option
        gate, more = _first_stop(
            {
                "SKU at Jetpack": lambda: _sku_gate(order, lines, catalogue),
                "ship option at Jetpack": lambda: _ship_option_gate(ship_option, catalogue),
                "stock": lambda: _stock_gate(order),
            }
        )
        trace += more
        if gate.passed:
            units: Counter[LineId] = Counter()
            for rest in ready:
                units[rest.line_id] += rest.quantity
            n = max((each.n for each in record.consignments), default=0) + 1
            action = Create(
                n,
                reference_for(record.store, record.order_id, n),
                tuple(ConsignedLine(line_id, order.line(line_id).sku, units[line_id]) for line_id in lines),
                ship_option,
                source_hash(order),
            )
            record = replace(record, decision=replace(decision, ship_option=ship_option))
            return Plan(record, action, trace=tuple(trace))
    return _stand(record, order, store, now, gate=gate, trace=tuple(trace))


def _rules_gate(outcome: Outcome, rule: str) -> _Gate:
    match outcome:
        case Outcome.FORWARD:
            return _PASSED
        case Outcome.EXCLUDE:
            return _Gate(UnitState.EXCLUDED, "rule", rule)
        case Outcome.HOLD:
            return _Gate(UnitState.HELD, "rule_hold", rule)
        case Outcome.NO_RULE_MATCHED:
            return _Gate(UnitState.HELD, "no_rule_matched")


def _stand(  # noqa: PLR0913 - what was read, and what was decided about it
    record: OrderRecord,
    order: Order,
    store: Store,
    now: datetime,
    *,
    gate: _Gate = _PASSED,
    hold: Hold | None = None,
    wake: datetime | None = None,
    trace: tuple[str, ...] = (),
) -> Plan:
    """Write down where everything stands, when nothing is to be done now.

    `gate` is where units stopped that passed every gate of their own. Without one they wait for something
    under way elsewhere in the order.
    """
    places, rests = _account(order, record, store, now)
    rests = [replace(rest, gate=gate) if rest.gate.passed else rest for rest in rests]
    for rest in rests:
        places[UnitState.WAITING if rest.gate.passed else rest.gate.state] += rest.quantity
    held = next((rest.gate for rest in rests if rest.gate.state is UnitState.HELD), None)
    if hold is None and held:
        hold = Hold(held.reason, now, held.detail)
    shown = held or next((rest.gate for rest in rests if not rest.gate.passed), None)
    record = replace(
        record,
        ordered=max(sum(line.quantity for line in order.lines), 0),
        others=tuple(sorted((+places).items())),
        hold=continued(hold, record.hold),
        reason=(hold.reason if hold else "") or (shown.reason if shown else ""),
    )
    return Plan(
        settled(record, now, looked=NextLook.FORWARD, wake=[wake, *(rest.gate.until for rest in rests)]), trace=trace
    )


def standing(
    record: OrderRecord, order: Order, store: Store, now: datetime, *, hold: Hold | None = None
) -> OrderRecord:
    """Give every unit its place after something was taken back; with `hold`, free units are held by it."""
    gate = _Gate(UnitState.HELD, hold.reason, hold.detail) if hold else _PASSED
    return _stand(record, order, store, now, gate=gate, hold=hold).record


def intended(record: OrderRecord, order: Order, action: Create, store: Store, now: datetime) -> OrderRecord:
    """Write a consignment down before it is sent: its units leave the others, so that no unit is in two places."""
    creating = record.with_consignment(
        Consignment(action.n, action.reference, action.lines, ConsignmentState.CREATING, action.sent_hash)
    )
    return _stand(creating, order, store, now).record
