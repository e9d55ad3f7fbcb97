"""What to do about an order: a pure function of what was read. No clock, no ids, no partner.

`plan` looks at the whole order every time (create, edit, cancel, refund, hold, release are one function) and
names at most one effect. The use case carries it out, records it, and asks again until nothing is left.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from jetbridge.domain.accounting import (
    READS_LAG,
    ROUTING_LOOK,
    Rest,
    account,
    consigned,
    fulfilled_by_us_and_elsewhere,
    open_remaining,
    source_hash,
    unwished,
)
from jetbridge.domain.changes import Ordered, Wish
from jetbridge.domain.gates import (
    PASSED,
    Gate,
    address_gate,
    blank_sku_gate,
    customs_gate,
    elsewhere_gate,
    first_stop,
    goes_abroad,
    grace_gate,
    later_gate,
    mapping_gate,
    payment_gate,
    person_gate,
    risk_gate,
    rules_gate,
    ship_option_gate,
    sku_gate,
)
from jetbridge.domain.holds import Hold
from jetbridge.domain.identifiers import LineId
from jetbridge.domain.order import Catalogue, JetpackOrder, Order, address_fields, digest
from jetbridge.domain.record import (
    ConsignedLine,
    Consignment,
    ConsignmentState,
    Decision,
    OrderRecord,
    ParcelState,
    UnitState,
)
from jetbridge.domain.reference import reference_for
from jetbridge.domain.rule_evaluation import compiled
from jetbridge.domain.rules import Verdict
from jetbridge.domain.ship_options import mapping_for
from jetbridge.domain.shipstation import as_seen, split_off, taken, units_of
from jetbridge.domain.skus import components_of
from jetbridge.domain.standing import NOTHING_TO_MIRROR, Mirror, Stops, stand
from jetbridge.domain.store import OutOfStock, Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from jetbridge.domain.shipstation import ShipStationOrder


class Need(StrEnum):
    """What has to be read before the plan can go on."""

    CATALOGUE = "catalogue"
    SHIPMENTS = "shipments"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class Create:
    """Create an order at Jetpack for these units, under this reference."""

    n: int
    reference: str
    lines: tuple[ConsignedLine, ...]
    ship_option: str
    sent_hash: str
    shipstation_id: str = ""
    """The ShipStation order it is made from; empty on the direct route."""
    location: str = ""
    """The fulfillment center a rule chose."""


@dataclass(frozen=True, slots=True)
class Release:
    """Release our own holds in Shopify, because what they stood for is gone; then the order is read again."""

    holds: tuple[tuple[str, tuple[str, ...]], ...]
    """(fulfillment order, its holds of ours)"""


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
    """The hold if Jetpack refuses; empty if then a person must act at once."""
    why: str = ""
    """What a person is told in that case."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Send a consignment's unpicked shipments elsewhere, or by another ship option. Safe to repeat."""

    n: int
    shipments: tuple[str, ...]
    ship_option: str
    sent_hash: str


@dataclass(frozen=True, slots=True)
class HoldBack:
    """Put a consignment's unpicked shipments on hold at Jetpack, or release them. Safe to repeat."""

    n: int
    shipments: tuple[str, ...]
    release: bool


Action = Create | Resolve | Cancel | Edit | HoldBack | Release


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do next. With `needs` nothing else counts: read that, plan again."""

    record: OrderRecord
    action: Action | None = None
    needs: frozenset[Need] = frozenset()
    trace: tuple[str, ...] = ()
    stop: Gate = PASSED
    """Where the units of one ShipStation order stopped; for the plan of the whole order it means nothing."""
    later: tuple[tuple[LineId, Gate], ...] = ()
    """Where single lines of it stopped, while others went on."""
    mirror: Mirror = NOTHING_TO_MIRROR
    """What Shopify shows of our holds, where it should not stay as it is."""
    ruled: bool = False
    """Whether the rules were asked."""


# -- consignments that exist already --------------------------------------------------------------------------


def _unwanted(order: Order, record: OrderRecord, store: Store) -> Consignment | None:
    """Find a consignment holding units nobody wants from us any more, which could still be taken back."""
    found = _all_unwanted(order, record, store)
    return next((each for each in found if not (each.complete or each.refusal)), None)


def _all_unwanted(order: Order, record: OrderRecord, store: Store) -> Iterator[Consignment]:
    """Find consignments holding units the source no longer wants from us: cancelled, removed, moved or sent by others.

    Both counts must say so. The line's count alone falls with refunds of units long shipped, and fulfillment
    orders alone vanish for a moment whenever they are replaced.
    """
    ours, elsewhere = fulfilled_by_us_and_elsewhere(order, record)
    at_jetpack = consigned(record)
    at_jetpack.subtract(ours)
    unwanted = set()
    current = {line.id: line.current_quantity for line in order.lines}
    for line_id, units in at_jetpack.items():
        open_here, open_elsewhere = open_remaining(order, line_id, store)
        counted = current.get(line_id, 0) - ours[line_id] - elsewhere[line_id] - open_elsewhere
        if units > 0 and (order.cancelled_at or unwished(record) or (units > counted and units > open_here)):
            unwanted.add(line_id)
    # The newest consignment goes first: the older one is further on its way.
    for consignment in reversed(record.live):
        dropped = any(part.status == "cancelled" for part in _parts(consignment, order, record))
        # The rest of a bundle that was told with its first box is counted as sent; it can still be stopped.
        rest = bool(consignment.to_come) and (order.cancelled_at or unwished(record))
        if dropped or rest or any(line.line_id in unwanted for line in consignment.lines):
            yield consignment


def _changed(order: Order, record: OrderRecord) -> Consignment | None:
    """Find a consignment sent to another address, or by another method, than the source now names."""
    known = {part.id for part in order.shipstation} | {""}
    for consignment in record.live:
        done = not consignment.sent_hash or consignment.complete or consignment.refusal
        if done or consignment.shipstation_id not in known:
            continue  # a ShipStation order that cannot be read says nothing
        if consignment.sent_hash != source_hash(as_seen(order, consignment.shipstation_id)):
            return consignment
    return None


def _parts(consignment: Consignment, order: Order, record: OrderRecord) -> tuple[ShipStationOrder, ...]:
    """Give the ShipStation orders a consignment stands for: its own, and what was split off it after forwarding."""
    own = next((part for part in order.shipstation if part.id == consignment.shipstation_id), None)
    if own is None:
        return ()
    units = units_of(own, order)
    if all(units[line.line_id] >= line.quantity for line in consignment.lines):
        return (own,)
    return (own, *split_off(own.id, order, frozenset(each.shipstation_id for each in record.live)))


def _labelled(order: Order, record: OrderRecord) -> tuple[Consignment, str] | None:
    """Find a consignment whose ShipStation order somebody ships from there, too: a label bought after forwarding.

    Once we told either book of a parcel, ShipStation calls the order shipped because of us.
    """
    for consignment in record.live:
        parts = _parts(consignment, order, record)
        part = next((each for each in parts if taken(each) and not record.mark(each.id)), None)
        if part and all(parcel.state is ParcelState.ANNOUNCING for parcel in consignment.parcels):
            return (
                consignment,
                f"ShipStation order {part.id} is {part.status} there, and consignment {consignment.n} too",
            )
    return None


# -- the plan -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Read:
    """Everything that was read for one plan."""

    order: Order
    store: Store
    now: datetime
    catalogue: Catalogue | None
    shipments: Mapping[int, JetpackOrder | None] | None
    elsewhere: str | None


def plan(  # noqa: PLR0913 - everything a decision is made from, and nothing else
    order: Order,
    record: OrderRecord,
    store: Store,
    now: datetime,
    *,
    catalogue: Catalogue | None = None,
    shipments: Mapping[int, JetpackOrder | None] | None = None,
    elsewhere: str | None = None,
) -> Plan:
    """Decide what to do about an order.

    Args:
        order: The source as it is now.
        record: Our own record; its consignments are the only evidence of what was sent.
        store: The merchant's settings.
        now: The time of this look.
        catalogue: SKUs and ship options at Jetpack; left out until the plan asks for it.
        shipments: Jetpack's view of the consignments by number; left out until the plan asks for it.
        elsewhere: Somebody else's reference at Jetpack for this order, or nothing; left out until the plan asks for it.

    Returns:
        At most one action, and the record as it stands if that action is not (yet) carried out.
    """
    return _plan(_Read(order, store, now, catalogue, shipments, elsewhere), record)


def _plan(read: _Read, record: OrderRecord) -> Plan:  # noqa: PLR0911 - one return a case, in their fixed order
    order, store, now = read.order, read.store, read.now
    for consignment in record.live:
        if consignment.cancel_asked and consignment.trouble and consignment.trouble.reason == "cancelled_at_jetpack":
            # We asked for it, and it was seen cancelled since: its units are free again.
            return _plan(read, record.with_consignment(cancelled(consignment)))
        if consignment.intent and now < consignment.intent.until:
            return _stand(read, record, trace=("an effect is under way",))
        if consignment.intent or consignment.state is ConsignmentState.CREATING:
            if _sent_anew(consignment, record.ordered_by_person):
                return _plan(read, record.with_consignment(cancelled(consignment)))
            action = consignment.intent.action if consignment.intent else "create"
            return Plan(record, Resolve(consignment.n, action), trace=(f"outcome of {action} unknown: look first",))
    record = _still_refused(order, record, store)
    late, on_hold = _to_take_back(order, record, store), list(_to_hold_back(order, record, store))
    asked_for = {each.n for each in record.live if each.jetpack_order_id}
    if (late or on_hold) and not asked_for <= (read.shipments or {}).keys():
        return Plan(record, needs=frozenset({Need.SHIPMENTS}))
    for each in on_hold if not (late and late[1] != "edit_refused") else ():
        # What is to stand still is stopped before it is edited: it can be edited while it stands.
        held = _hold_back(read, record, each)
        if held:
            return held
    if late:
        return _take_back(read, record, *late)
    return _forward(read, record)


def _sent_anew(consignment: Consignment, ordered: Ordered | None) -> bool:
    """Whether a person, who has looked at Jetpack, wants units sent again that a create of unknown outcome names."""
    if consignment.intent or consignment.trouble is None or ordered is None:
        return False
    return ordered.wish is Wish.FORWARD and ordered.at > consignment.trouble.since


def _still_refused(order: Order, record: OrderRecord, store: Store) -> OrderRecord:
    """Forget refusals whose cause is gone: the source has changed again, all has left, or it fits by now."""
    unwanted = {each.n for each in _all_unwanted(order, record, store)}
    for consignment in record.live:
        if refusal := consignment.refusal:
            change = fingerprint(as_seen(order, consignment.shipstation_id), record.ordered_by_person)
            fits = refusal.reason == "cancel_refused" and consignment.n not in unwanted
            if consignment.complete or fits or refusal.change != change:
                record = record.with_consignment(replace(consignment, refusal=None))
    return record


def _to_take_back(order: Order, record: OrderRecord, store: Store) -> tuple[Consignment, str, str] | None:
    """Find a consignment that must not go as it was sent, with the hold, or the person's task, if it is too late."""
    if labelled := _labelled(order, record):
        return labelled[0], "", labelled[1]
    if unwanted := _unwanted(order, record, store):
        return unwanted, "cancel_refused", ""
    if changed := _changed(order, record):
        return changed, "edit_refused", ""
    return None


def _take_back(read: _Read, record: OrderRecord, edited: Consignment, refusal: str, why: str) -> Plan:
    """The source no longer wants what was sent: take it back if that is still possible, else ask a person.

    There is no order update at Jetpack (facts/shipbob.md section 10); what was not picked is cancelled under an
    intent and, once the cancel was seen, forwarded anew as the next consignment.
    """
    order, now = read.order, read.now
    seen = (read.shipments or {}).get(edited.n)
    if seen is not None and seen.cancelled and (edited.cancel_asked or order.cancelled_at or unwished(record)):
        # For what nobody wants nothing is sent anew, so whoever cancelled it at Jetpack did what we would have asked.
        return _plan(read, record.with_consignment(cancelled(edited)))
    change = fingerprint(as_seen(order, edited.shipstation_id), record.ordered_by_person)
    if seen is None:
        # Reads lag: a young order may not be shown yet, and absence is never evidence.
        young = edited.forwarded_at is not None and now - edited.forwarded_at < READS_LAG
        hold = None if young or not refusal else Hold(refusal, now, f"Jetpack does not show consignment {edited.n}")
        record = record if young or refusal else replace(record, failed=why)
        wake = now + ROUTING_LOOK if young else None
        return _stand(read, record, hold=hold, wake=wake, trace=(f"{refusal}: not shown at Jetpack",))
    if refusal == "edit_refused" and not edited.parcels and seen.unpicked:
        return _edit(read, record, edited, tuple(each.id for each in seen.changeable))
    if not edited.parcels and not any(each.picked and not each.cancelled for each in seen.shipments):
        reason = why or ("a person excluded it" if unwished(record) else "the source changed")
        return Plan(record, Cancel(edited.n, refusal, why), trace=(f"{reason}: cancel consignment {edited.n}",))
    if not refusal:
        return _stand(read, replace(record, failed=why), trace=(why,))
    hold = Hold(refusal, now, f"consignment {edited.n} was picked or shipped before the change", change)
    return _after(read, record.with_consignment(replace(edited, refusal=hold)), f"{refusal}: too late at Jetpack")


def _after(read: _Read, record: OrderRecord, trace: str) -> Plan:
    """Go on with the rest of the order, once it is clear that one consignment stays as it is."""
    planned = _plan(read, record)
    return replace(planned, trace=(trace, *planned.trace))


def _edit(read: _Read, record: OrderRecord, edited: Consignment, shipments: tuple[str, ...]) -> Plan:
    """Change shipments that are not picked yet, if where and how they go now would pass the gates."""
    view, store = as_seen(read.order, edited.shipstation_id), read.store
    verdict = verdict_on(view, store, read.now)
    if not (rules_gate(verdict).passed or record.wish is Wish.FORWARD):
        # As it is now it would not be forwarded: it is taken back, and then stands where the rules say.
        why = f"the source changed, and {verdict.rule or 'no rule'} says {verdict.outcome}: cancel consignment"
        return Plan(record, Cancel(edited.n, "edit_refused"), trace=(f"{why} {edited.n}",))
    chosen = verdict.ship_option
    ship_option = ship_option_for(view, store, chosen)
    if read.catalogue is None and goes_abroad(view, store):
        return Plan(record, needs=frozenset({Need.CATALOGUE}))
    catalogue = read.catalogue or Catalogue()
    gate, trace = first_stop(
        {
            "address": lambda: address_gate(view, store, ship_option),
            "customs": lambda: customs_gate(view, store, edited.at_jetpack, catalogue),
            "ship option": lambda: mapping_gate(view, store, chosen),
        }
    )
    if not gate.passed:
        # By the detail, which is the method, the orders are found that wait for a mapping.
        trace = [*trace, f"the change to consignment {edited.n} cannot be sent"]
        return _stand(read, record, hold=Hold(gate.reason, read.now, gate.detail), trace=tuple(trace))
    action = Edit(edited.n, shipments, ship_option, source_hash(view))
    return Plan(record, action, trace=(f"the source changed: edit consignment {edited.n}",))


def _to_hold_back(order: Order, record: OrderRecord, store: Store) -> Iterator[Consignment]:
    """Find consignments that are, or were, on hold at the source: Jetpack's shipments must follow, later ones too."""
    for consignment in record.live:
        under_way = consignment.state is ConsignmentState.LIVE and not (consignment.complete or consignment.refusal)
        if under_way and (consignment.held_back or _held_at_source(order, record, consignment, store)):
            yield consignment


def _held_at_source(order: Order, record: OrderRecord, consignment: Consignment, store: Store) -> bool:
    if record.wish is Wish.HOLD:
        return True
    parts = _parts(consignment, order, record)
    if any(part.status == "on_hold" for part in parts):
        return True
    if consignment.shipstation_id and not parts and consignment.held_back:
        return True  # a ShipStation order that cannot be read says nothing
    ours, _ = fulfilled_by_us_and_elsewhere(order, record)
    at_jetpack = consigned(record)
    at_jetpack.subtract(ours)
    held: Counter[LineId] = Counter()
    free: Counter[LineId] = Counter()
    for each in order.fulfillment_orders:
        if not each.closed and each.location_id in store.locations:
            stopped = (each.status == "ON_HOLD" or bool(each.holds)) and not each.mirrors
            for line in each.lines:
                (held if stopped else free)[line.line_id] += line.remaining
    # Shopify splits what it holds in part: what is free beside it may go.
    return any(held[line.line_id] and at_jetpack[line.line_id] > free[line.line_id] for line in consignment.lines)


def _hold_back(read: _Read, record: OrderRecord, consignment: Consignment) -> Plan | None:
    """Let Jetpack's shipments follow a hold at the source. None: they do already."""
    order, now = read.order, read.now
    seen, n = (read.shipments or {}).get(consignment.n), consignment.n
    change = fingerprint(as_seen(order, consignment.shipstation_id), record.ordered_by_person)
    if seen is None:
        if consignment.forwarded_at is not None and now - consignment.forwarded_at < READS_LAG:
            return _stand(read, record, wake=now + ROUTING_LOOK, trace=("hold: not shown at Jetpack yet",))
        why = f"Jetpack does not show consignment {n}"
    elif not _held_at_source(order, record, consignment, read.store):
        lifted = tuple(each.id for each in seen.changeable)
        return Plan(record, HoldBack(n, lifted, release=True), trace=(f"the source released consignment {n}",))
    else:
        moving = tuple(each.id for each in seen.changeable if each.status != "OnHold")
        if moving:
            return Plan(record, HoldBack(n, moving, release=False), trace=(f"the source holds consignment {n}",))
        if consignment.held_back:
            return None
        if seen.changeable:
            return Plan(record, HoldBack(n, (), release=False), trace=(f"consignment {n} stands at Jetpack already",))
        why = f"on hold at the source, but consignment {n} was picked before"
    refused = record.with_consignment(replace(consignment, refusal=Hold("edit_refused", now, why, change)))
    return _after(read, refused, "edit_refused: too late at Jetpack")


def cancelled(consignment: Consignment) -> Consignment:
    """Take a consignment's units back. Only after a cancel that we asked for and saw confirmed."""
    return replace(consignment, state=ConsignmentState.CANCELLED, intent=None, trouble=None)


def fingerprint(order: Order, ordered: Ordered | None = None) -> str:
    """Hash all of the source, and of a person's wish, that a partner can refuse: the same is not asked for twice."""
    units = [(line.id, line.sku, line.current_quantity) for line in order.lines]
    parts = [(part.id, part.status) for part in order.shipstation]
    holds = sorted(hold.id for each in order.fulfillment_orders for hold in each.holds if not hold.ours)
    wish = ordered.wish if ordered and ordered.wish is not Wish.FORWARD else ""
    return digest([source_hash(order), bool(order.cancelled_at), units, parts, holds, wish])


def create_hash(view: Order, lines: Iterable[ConsignedLine], ship_option: str, location: str) -> str:
    """Hash what a create sends of an order, seen as one of its ShipStation orders: nothing else has it refused."""
    sent = [(line.line_id, line.sku, line.quantity, line.components) for line in lines]
    return digest([address_fields(view), sent, ship_option, location])


# -- the way forward ------------------------------------------------------------------------------------------


def verdict_on(view: Order, store: Store, now: datetime) -> Verdict:
    """Ask the store's rules about an order, as the direct route or one of its ShipStation orders shows it."""
    return compiled(store.rules, store).decide(view, now)


def ship_option_for(view: Order, store: Store, chosen: str) -> str:
    """Give the ship option: what a rule chose, else what the mapping says; empty when neither does."""
    mapping = mapping_for(view.shipping_method, store.ship_options)
    return chosen or (mapping.ship_option if mapping else "")


def skus_at_jetpack(view: Order, lines: Iterable[LineId], store: Store) -> frozenset[str]:
    """Name what these lines are at Jetpack, by the SKU map."""
    named = (view.line(line_id).sku for line_id in lines)
    return frozenset(sku for own in named for sku, _ in components_of(own, store.sku_map) or ((own, 1),))


def _forward(read: _Read, record: OrderRecord) -> Plan:
    order, store, now = read.order, read.store, read.now
    _, rests = account(order, record, store, now)
    ready = [rest for rest in rests if rest.gate.passed]
    if not ready:
        return _stand(read, record)
    stops: Stops = {}
    trace: list[str] = []
    for part in dict.fromkeys(rest.part for rest in ready):
        planned = _forward_part(read, as_seen(order, part), record, [rest for rest in ready if rest.part == part])
        trace += planned.trace
        if planned.needs or planned.action:
            return replace(planned, trace=tuple(trace))
        record = planned.record
        stops |= {(part, None): planned.stop} | {(part, line_id): gate for line_id, gate in planned.later}
    rejected = dict(record.rejections)
    refused = (rejected.get(part) for (part, _), gate in stops.items() if gate.reason == "rejected_by_jetpack")
    return replace(_stand(read, record, stops=stops, hold=next(refused, None), trace=tuple(trace)), ruled=True)


def _forward_part(read: _Read, view: Order, record: OrderRecord, ready: list[Rest]) -> Plan:
    """Plan what passed every gate of its own: on the direct route all of it, else one ShipStation order's."""
    store, now, part = read.store, read.now, ready[0].part
    verdict = verdict_on(view, store, now)
    chosen = verdict.ship_option
    ship_option = ship_option_for(view, store, chosen)
    decision = Decision(verdict.outcome, verdict.rule, verdict.version)
    record = replace(record, decision=decision)
    now_lines = sorted({rest.line_id for rest in ready if rest.line_id not in verdict.later})
    ordered = record.ordered_by_person
    at_once = record.wish is Wish.FORWARD
    if at_once:
        now_lines = sorted({rest.line_id for rest in ready})
    gate, trace = first_stop(
        {"person": lambda: person_gate(ordered), "payment": lambda: payment_gate(view, store)}
        | (
            {}
            if at_once
            else {
                "risk": lambda: risk_gate(view, store),
                "grace": lambda: grace_gate(view, store, now),
                "rules": lambda: rules_gate(verdict),
                "split": lambda: PASSED if now_lines else later_gate(verdict),
            }
        )
        | {
            "address": lambda: address_gate(view, store, ship_option),
            "SKU": lambda: blank_sku_gate(view, now_lines),
            "ship option": lambda: mapping_gate(view, store, chosen),
        }
    )
    if at_once and ordered:
        trace = [f"forwarded now by {ordered.by}: risk, grace, rules and stock are passed over", *trace]
    trace += [f"rule {each.rule!r}: {each.why}" for each in verdict.trace]
    stood = Plan(record, trace=tuple(trace), stop=gate, ruled=True)
    if not gate.passed:
        return stood
    unasked = {Need.CATALOGUE: read.catalogue is None, Need.ELSEWHERE: read.elsewhere is None and not record.live}
    if any(unasked.values()) or read.catalogue is None:
        return replace(stood, needs=frozenset(need for need, wanted in unasked.items() if wanted))
    catalogue, skus = read.catalogue, skus_at_jetpack(view, now_lines, store)
    units, short = _units_to_send(read, view, record, [rest for rest in ready if rest.line_id in now_lines])
    gate, more = first_stop(
        ({} if at_once else {"already forwarded elsewhere": lambda: elsewhere_gate(read.elsewhere or "")})
        | {
            "SKU at Jetpack": lambda: sku_gate(skus, catalogue),
            "customs": lambda: customs_gate(view, store, skus, catalogue),
            "ship option at Jetpack": lambda: ship_option_gate(view, ship_option, chosen, catalogue),
            "stock": lambda: _stock_gate(units, short, store),
        }
    )
    later = {rest.line_id: later_gate(verdict) for rest in ready if rest.line_id not in now_lines}
    stood = replace(stood, trace=(*trace, *more), stop=gate, later=tuple(later.items()))
    if not gate.passed:
        return stood
    action = Create(
        n := max((each.n for each in record.consignments), default=0) + 1,
        reference_for(record.store, record.order_id, n),
        tuple(
            ConsignedLine(line_id, sku := view.line(line_id).sku, units[line_id], components_of(sku, store.sku_map))
            for line_id in now_lines
            if units[line_id]
        ),
        ship_option,
        source_hash(view),
        part,
        verdict.location,
    )
    rejected = dict(record.rejections).get(part)
    asked_again = rejected is not None and ordered is not None and at_once and ordered.at > rejected.since
    if (
        rejected
        and rejected.change == create_hash(view, action.lines, ship_option, action.location)
        and not asked_again
    ):
        refused = Gate(UnitState.HELD, rejected.reason, rejected.detail)
        return replace(stood, trace=(*stood.trace, "refused as it is"), stop=refused)
    if mirrored := _mirrored(view, units):
        return replace(stood, action=Release(mirrored))
    decided = replace(decision, ship_option=ship_option, location=verdict.location)
    return replace(stood, record=replace(record, decision=decided), action=action)


def _mirrored(order: Order, units: Counter[LineId]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Find our own holds on what is to be sent: they have done their work, and Shopify lets nothing out under them."""
    return tuple(
        (each.id, tuple(hold.id for hold in each.mirrors))
        for each in order.fulfillment_orders
        if not each.closed and each.mirrors and any(units[line.line_id] and line.remaining for line in each.lines)
    )


# -- stock ----------------------------------------------------------------------------------------------------


def _units_to_send(
    read: _Read, view: Order, record: OrderRecord, ready: list[Rest]
) -> tuple[Counter[LineId], tuple[str, ...]]:
    """Count the units to send now, and name the SKUs that Jetpack has too few of.

    Only a store that splits by stock sends less than everything. What we sent in the last minutes is not off Jetpack's
    figures yet.
    """
    wanted: Counter[LineId] = Counter()
    for rest in ready:
        wanted[rest.line_id] += rest.quantity
    sellable = read.catalogue.sellable if read.catalogue else None
    if sellable is None or record.wish is Wish.FORWARD:
        return wanted, ()
    left = Counter(sellable)
    for consignment in record.live:
        if consignment.forwarded_at is None or read.now - consignment.forwarded_at < READS_LAG:
            left.subtract(consignment.at_jetpack)
    there: Counter[LineId] = Counter()
    short: set[str] = set()
    for line_id in sorted(wanted):
        sku = view.line(line_id).sku
        needs = components_of(sku, read.store.sku_map) or ((sku, 1),)
        there[line_id] = max(0, min(wanted[line_id], *(left[each] // units for each, units in needs)))
        left.subtract({each: units * there[line_id] for each, units in needs})
        if there[line_id] < wanted[line_id]:
            short.update(each for each, units in needs if left[each] < units)
    splits = read.store.out_of_stock is OutOfStock.SPLIT
    return there if splits else wanted, tuple(sorted(short))


def _stock_gate(units: Counter[LineId], short: tuple[str, ...], store: Store) -> Gate:
    """Hold what Jetpack has too few of; a store that splits holds only what is left when nothing can go."""
    if not short or (store.out_of_stock is OutOfStock.SPLIT and units.total()):
        return PASSED
    return Gate(UnitState.HELD, "out_of_stock", f"too few at Jetpack: {', '.join(short)}")


# -- standing still -------------------------------------------------------------------------------------------


def _stand(  # noqa: PLR0913 - what was decided about it
    read: _Read,
    record: OrderRecord,
    *,
    stops: Stops | None = None,
    hold: Hold | None = None,
    wake: datetime | None = None,
    trace: tuple[str, ...] = (),
) -> Plan:
    """Plan to do nothing now."""
    stood, mirror = stand(record, read.order, read.store, read.now, stops=stops, hold=hold, wake=wake)
    return Plan(stood, trace=trace, mirror=mirror)
