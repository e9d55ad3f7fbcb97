"""What `plan` decides, gate by gate, and what must hold of every plan."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetbridge.domain.accounting import fulfilled_by_us_and_elsewhere, source_hash
from jetbridge.domain.holds import Hold
from jetbridge.domain.order import FulfillmentHold
from jetbridge.domain.planning import (
    Cancel,
    Create,
    Edit,
    HoldBack,
    Need,
    Resolve,
    create_hash,
    plan,
)
from jetbridge.domain.record import (
    ConsignedLine,
    Consignment,
    ConsignmentState,
    Intent,
    OrderRecord,
    Parcel,
    ParcelState,
    Status,
    UnitState,
    units_by_state,
)
from jetbridge.domain.rules import Exclude, Forward, HoldOrder, Rule, RuleSet
from jetbridge.domain.ship_options import ShipOptionMapping, normalized
from jetbridge.domain.standing import intended
from tests.builders import (
    FOREIGN_LOCATION,
    LOCATION,
    MINUTE,
    NOW,
    ORDER_ID,
    STORE,
    a_catalogue,
    a_fulfillment,
    a_fulfillment_order,
    a_jetpack_order,
    a_line,
    a_shipment,
    a_store,
    an_order,
)

if TYPE_CHECKING:
    from jetbridge.domain.order import Order
    from jetbridge.domain.planning import Plan
    from jetbridge.domain.store import Store

NEW = OrderRecord(STORE, ORDER_ID)


def decide(order: Order, record: OrderRecord = NEW, store: Store | None = None, **more: object) -> Plan:
    more.setdefault("catalogue", a_catalogue())
    more.setdefault("elsewhere", "")
    return plan(order, record, store or a_store(), NOW, **more)  # type: ignore[arg-type]


def sent(record: OrderRecord, order: Order, action: Create) -> OrderRecord:
    """The record once the create is about to be sent."""
    consignment = Consignment(action.n, action.reference, action.lines, ConsignmentState.CREATING, action.sent_hash)
    return intended(record, order, consignment, a_store(), NOW)


def forwarded(order: Order, **changes: object) -> OrderRecord:
    """A record with one live consignment that holds every unit of the order."""
    lines = tuple(ConsignedLine(line.id, line.sku, line.quantity) for line in order.lines)
    facts: dict[str, object] = {
        "lines": lines,
        "state": ConsignmentState.LIVE,
        "sent_hash": source_hash(order),
        "jetpack_order_id": "60000456",
        "forwarded_at": NOW - 5 * MINUTE,
    }
    consignment = Consignment(1, f"{STORE}:{ORDER_ID}:1", **(facts | changes))  # type: ignore[arg-type]
    ordered = sum(line.quantity for line in order.lines)
    return replace(NEW, consignments=(consignment,), ordered=ordered, version=2)


def test_a_paid_order_is_forwarded_under_its_first_reference() -> None:
    order = an_order(a_line(quantity=2))
    action = decide(order).action
    assert action == Create(
        1, f"demo:{ORDER_ID}:1", (ConsignedLine(order.lines[0].id, "TEA-250", 2),), "Standard", source_hash(order)
    )


def test_jetpack_is_asked_nothing_before_every_other_gate_is_passed() -> None:
    assert decide(an_order(financial_status="PENDING"), catalogue=None).needs == frozenset()
    asked = decide(an_order(), catalogue=None, elsewhere=None)
    assert asked.needs == {Need.CATALOGUE, Need.ELSEWHERE}


HELD = UnitState.HELD
WAITING = UnitState.WAITING
EXCLUDED = UnitState.EXCLUDED


@pytest.mark.parametrize(
    ("order", "state", "reason"),
    [
        (an_order(test=True), EXCLUDED, "test_order"),
        (an_order(a_line(requires_shipping=False)), EXCLUDED, "digital"),
        (an_order(a_line(gift_card=True)), EXCLUDED, "digital"),
        (
            an_order(fulfillment_orders=(a_fulfillment_order((a_line(),), method_type="PICK_UP"),)),
            EXCLUDED,
            "pickup",
        ),
        (
            an_order(fulfillment_orders=(a_fulfillment_order((a_line(),), location_id=FOREIGN_LOCATION),)),
            EXCLUDED,
            "foreign_location",
        ),
        (an_order(fulfillment_orders=()), WAITING, "routing"),
        (
            an_order(fulfillment_orders=(a_fulfillment_order((a_line(),), supported_actions=frozenset({"MOVE"})),)),
            WAITING,
            "not_fulfillable",
        ),
        (
            an_order(
                fulfillment_orders=(a_fulfillment_order((a_line(),), status="SCHEDULED", fulfill_at=NOW + MINUTE),)
            ),
            WAITING,
            "scheduled",
        ),
        (an_order(financial_status="PENDING"), WAITING, "unpaid"),
        (an_order(financial_status="AUTHORIZED"), WAITING, "unpaid"),
        (an_order(financial_status="VOIDED"), HELD, "unpaid"),
        (an_order(financial_status="SOMETHING_NEW"), HELD, "unpaid"),
        (an_order(risk="CANCEL"), HELD, "fraud_risk"),
        (an_order(risk="SOMETHING_NEW"), HELD, "fraud_risk"),
        (
            an_order(
                fulfillment_orders=(
                    a_fulfillment_order((a_line(),), status="ON_HOLD", holds=(FulfillmentHold("1", "OTHER"),)),
                )
            ),
            HELD,
            "store_hold",
        ),
        (an_order(shipping_address=None), HELD, "invalid_address"),
        (an_order(a_line(sku=" ")), HELD, "unknown_sku"),
        (an_order(a_line(sku="GHOST-1")), HELD, "unknown_sku"),
        (an_order(shipping_method="Drone"), HELD, "unmapped_ship_option"),
        (an_order(shipping_method=""), HELD, "unmapped_ship_option"),
    ],
)
def test_each_gate_stops_its_order_and_says_why(order: Order, state: UnitState, reason: str) -> None:
    decided = decide(order)
    assert decided.action is None
    assert decided.record.reason == reason
    assert units_by_state(decided.record) == {state: 1}
    assert (decided.record.hold.reason if decided.record.hold else None) == (reason if state is HELD else None)
    assert (decided.record.due_at is None) == (state is EXCLUDED)


def test_gates_stand_in_their_order_so_the_first_cause_is_the_one_shown() -> None:
    """An order with everything wrong shows payment first, then risk, then rules, address, SKU, ship option."""
    shown = []
    order = an_order(
        a_line(sku=""), financial_status="PENDING", risk="CANCEL", shipping_address=None, shipping_method="Drone"
    )
    store = a_store(rules=RuleSet(3, ()), grace_minutes=60)
    for change in (
        {"financial_status": "PAID"},
        {"risk": "NONE"},
        {"grace_minutes": 0},
        {"rules": RuleSet(3, (Rule("all", (Forward(),)),))},
        {"shipping_address": an_order().shipping_address},
        {"lines": (a_line(sku="TEA-250"),)},
        {"shipping_method": "Standard"},
    ):
        shown.append(decide(order, store=store).record.reason)
        if next(iter(change)) in {"grace_minutes", "rules"}:
            store = replace(store, **change)
        else:
            order = replace(order, **change)
    assert shown == [
        "unpaid",
        "fraud_risk",
        "grace",
        "no_rule_matched",
        "invalid_address",
        "unknown_sku",
        "unmapped_ship_option",
    ]
    assert isinstance(decide(order, store=store).action, Create)


@pytest.mark.parametrize(
    ("action", "reason"), [(Exclude(), "rule"), (HoldOrder(), "rule_hold"), (None, "no_rule_matched")]
)
def test_rules_decide_and_the_version_used_is_kept(action: Exclude | HoldOrder | None, reason: str) -> None:
    rules = RuleSet(4, (Rule("mine", (action,)),) if action else ())
    decided = decide(an_order(), store=a_store(rules=rules)).record
    assert decided.reason == reason
    assert decided.decision
    assert decided.decision.rules_version == 4


def test_cash_on_delivery_forwards_unpaid_if_the_store_says_so() -> None:
    order = an_order(financial_status="PENDING", gateways=("Cash on Delivery (COD)",))
    assert isinstance(
        decide(order, store=a_store(forward_gateways=frozenset({"Cash on Delivery (COD)"}))).action, Create
    )
    assert decide(order).action is None


def test_a_mapping_switched_off_or_vanished_at_jetpack_holds() -> None:
    off = {normalized("Standard"): ShipOptionMapping(normalized("Standard"), "Standard", active=False)}
    assert decide(an_order(), store=a_store(ship_options=off)).record.reason == "inactive_ship_option"
    gone = a_catalogue(options=("Expedited",))
    assert decide(an_order(), catalogue=gone).record.reason == "inactive_ship_option"


def test_only_open_units_at_our_locations_are_forwarded() -> None:
    lines = (a_line(quantity=5, current=3), a_line("JAM-1", n=2), a_line("EBOOK", n=3, requires_shipping=False))
    order = an_order(
        *lines,
        fulfillment_orders=(
            a_fulfillment_order(lines[:1], n=1, remaining={"1": 2}),
            a_fulfillment_order(lines[:1], n=2, remaining={"1": 1}, location_id=FOREIGN_LOCATION),
            a_fulfillment_order(lines[1:], n=3),
        ),
    )
    decided = decide(order, catalogue=a_catalogue("TEA-250", "JAM-1"))
    assert isinstance(decided.action, Create)
    assert [(line.sku, line.quantity) for line in decided.action.lines] == [("TEA-250", 2), ("JAM-1", 1)]
    after = sent(decided.record, order, decided.action)
    assert units_by_state(after) == {
        UnitState.FORWARDING: 3,
        UnitState.REMOVED: 2,
        UnitState.EXCLUDED: 2,
    }


def test_a_forwarded_order_is_left_alone_while_its_source_stays_the_same() -> None:
    order = an_order(a_line(quantity=2))
    decided = decide(order, forwarded(order), catalogue=None)
    assert decided.action is None
    assert decided.needs == frozenset()
    assert decided.record.status is Status.FORWARDED


def test_units_still_open_in_shopify_but_consigned_are_not_forwarded_again_after_a_first_parcel() -> None:
    """Two of three units are shipped and announced, one is at Jetpack: the open one is no new unit."""
    order = an_order(a_line(quantity=3))
    parcel = Parcel(
        "7", ((order.lines[0].id, 2),), ParcelState.ANNOUNCED, "1Z", fulfillment_id="gid://shopify/Fulfillment/1"
    )
    order = replace(
        order,
        fulfillment_orders=(a_fulfillment_order(order.lines, remaining={"1": 1}),),
        fulfillments=(a_fulfillment(1, "1Z", ("1", 2)),),
    )
    decided = decide(order, forwarded(order, parcels=(parcel,)), catalogue=None)
    assert decided.action is None
    assert units_by_state(decided.record) == {UnitState.SHIPPED: 2, UnitState.FORWARDED: 1}


def test_units_added_to_a_forwarded_order_become_the_next_consignment() -> None:
    order = an_order(a_line(quantity=2))
    grown = replace(
        order,
        lines=(*order.lines, a_line("JAM-1", n=2)),
        fulfillment_orders=(a_fulfillment_order((*order.lines, a_line("JAM-1", n=2))),),
    )
    action = decide(grown, forwarded(order), catalogue=a_catalogue("TEA-250", "JAM-1")).action
    assert isinstance(action, Create)
    assert (action.n, [(line.sku, line.quantity) for line in action.lines]) == (2, [("JAM-1", 1)])


CHANGES = [
    {"cancelled_at": NOW},
    {
        "lines": (a_line(quantity=2, current=1),),
        "fulfillment_orders": (a_fulfillment_order((a_line(quantity=2, current=1),)),),
    },
    {"fulfillment_orders": (a_fulfillment_order((a_line(quantity=2),), location_id=FOREIGN_LOCATION),)},
]
EDITS = [
    {"shipping_address": replace(an_order().shipping_address, address1="2 Elsewhere St")},  # type: ignore[type-var]
    {"shipping_method": "Express"},
]


@pytest.mark.parametrize("change", EDITS)
def test_a_change_of_where_or_how_edits_what_was_not_picked(change: dict[str, object]) -> None:
    order = an_order(a_line(quantity=2))
    changed = replace(order, **change)  # type: ignore[arg-type]
    action = decide(changed, forwarded(order), shipments={1: a_jetpack_order()}).action
    option = "Expedited" if "shipping_method" in change else "Standard"
    assert action == Edit(1, ("70000001",), option, source_hash(changed))


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"shipping_address": None}, "invalid_address"), ({"shipping_method": "By drone"}, "unmapped_ship_option")],
)
def test_a_change_that_would_not_have_been_forwarded_is_not_sent(change: dict[str, object], reason: str) -> None:
    order = an_order(a_line(quantity=2))
    changed = replace(order, **change)  # type: ignore[arg-type]
    decided = decide(changed, forwarded(order), shipments={1: a_jetpack_order()})
    assert decided.action is None
    assert decided.record.hold
    assert decided.record.hold.reason == reason


def on_hold(order: Order) -> Order:
    held = replace(order.fulfillment_orders[0], status="ON_HOLD", supported_actions=frozenset())
    return replace(order, fulfillment_orders=(held,))


def test_what_the_source_holds_after_forwarding_is_held_at_jetpack_and_released_with_it() -> None:
    order = an_order(a_line(quantity=2))
    record = forwarded(order)
    assert decide(on_hold(order), record).needs == {Need.SHIPMENTS}
    assert decide(on_hold(order), record, shipments={1: a_jetpack_order()}).action == HoldBack(
        1, ("70000001",), release=False
    )
    held = record.with_consignment(replace(record.consignments[0], held_back=True))
    decided = decide(on_hold(order), held, shipments={1: a_jetpack_order(a_shipment(1, "OnHold"))})
    assert decided.action is None
    assert decided.record.status is Status.HELD
    assert decided.record.hold
    assert decided.record.hold.reason == "store_hold"
    assert decide(order, held, shipments={1: a_jetpack_order()}).action == HoldBack(1, ("70000001",), release=True)


def test_a_hold_that_comes_after_picking_is_told_to_a_person() -> None:
    order = an_order(a_line(quantity=2))
    seen = {1: a_jetpack_order(a_shipment(1, "Processing", details=("Picked",)))}
    decided = decide(on_hold(order), forwarded(order), shipments=seen)
    assert decided.action is None
    assert decided.record.hold
    assert decided.record.hold.reason == "edit_refused"


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_source_takes_back_what_was_not_picked(change: dict[str, object]) -> None:
    order = an_order(a_line(quantity=2))
    record = forwarded(order)
    changed = replace(order, **change)  # type: ignore[arg-type]
    assert decide(changed, record).needs == {Need.SHIPMENTS}
    action = decide(changed, record, shipments={1: a_jetpack_order()}).action
    assert isinstance(action, Cancel)


@pytest.mark.parametrize("change", CHANGES + EDITS)
@pytest.mark.parametrize(
    "seen",
    [
        a_jetpack_order(a_shipment(1, "Processing", details=("Picked",))),
        a_jetpack_order(a_shipment(1, "NewStatus")),
    ],
)
def test_what_may_be_picked_is_left_to_a_person_and_not_asked_for_twice(
    change: dict[str, object], seen: object
) -> None:
    order = an_order(a_line(quantity=2))
    changed = replace(order, **change)  # type: ignore[arg-type]
    decided = decide(changed, forwarded(order), shipments={1: seen})
    assert decided.action is None
    assert decided.record.hold
    assert decided.record.hold.reason in {"cancel_refused", "edit_refused"}
    again = decide(changed, decided.record, shipments={1: a_jetpack_order()})
    assert again.action is None


def test_what_jetpack_does_not_show_is_never_taken_for_gone() -> None:
    order = an_order()
    changed = replace(order, shipping_method="Express")
    young = decide(changed, forwarded(order, forwarded_at=NOW - MINUTE), shipments={1: None})
    assert young.action is None
    assert young.record.hold is None
    assert young.record.due_at == NOW + MINUTE
    old = decide(changed, forwarded(order, forwarded_at=NOW - 60 * MINUTE), shipments={1: None})
    assert old.action is None
    assert old.record.status is Status.HELD
    assert isinstance(decide(changed, old.record, shipments={1: a_jetpack_order()}).action, Edit), "it showed up"


def test_a_refund_of_units_long_shipped_takes_nothing_back() -> None:
    """The count of a line falls with such a refund; what open fulfillment orders still want is wanted."""
    line = a_line(quantity=2, current=1)
    order = an_order(
        line,
        fulfillments=(a_fulfillment(1, "BY HAND", ("1", 1)),),
        fulfillment_orders=(a_fulfillment_order((line,), remaining={"1": 1}),),
    )
    action = decide(order).action
    assert isinstance(action, Create)
    assert [line.quantity for line in action.lines] == [1]
    lines = (ConsignedLine(line.id, line.sku, 1),)
    consigned = replace(forwarded(order, lines=lines), ordered=2)
    decided = decide(order, consigned, catalogue=None)
    assert decided.needs == frozenset()
    assert decided.action is None
    assert units_by_state(decided.record) == {UnitState.FORWARDED: 1, UnitState.ELSEWHERE: 1}


def test_an_order_cancelled_by_both_sides_is_simply_cancelled() -> None:
    order = an_order(a_line(quantity=2))
    gone = a_jetpack_order(a_shipment(1, "Cancelled"))
    decided = decide(replace(order, cancelled_at=NOW), forwarded(order), shipments={1: gone})
    assert decided.action is None
    assert decided.record.status is Status.CANCELLED


def test_a_cancelled_sibling_does_not_keep_the_rest_from_being_taken_back() -> None:
    order = an_order(a_line(quantity=2))
    partly = a_jetpack_order(a_shipment(1, "Cancelled"), a_shipment(2, "Processing"))
    decided = decide(replace(order, cancelled_at=NOW), forwarded(order), shipments={1: partly})
    assert isinstance(decided.action, Cancel)


def test_only_a_cancel_we_asked_for_and_saw_frees_the_units() -> None:
    order = an_order()
    changed = replace(order, shipping_method="Express")
    gone = a_jetpack_order(a_shipment(1, "Cancelled"))
    not_ours = decide(changed, forwarded(order), shipments={1: gone})
    assert not isinstance(not_ours.action, Create)
    ours = decide(changed, forwarded(order, cancel_asked=True), shipments={1: gone})
    assert isinstance(ours.action, Create)
    assert ours.action.n == 2


def test_while_an_effect_may_be_under_way_nothing_is_done_and_its_end_is_the_next_look() -> None:
    order = an_order()
    until = NOW + MINUTE
    busy = forwarded(order, state=ConsignmentState.CREATING, intent=Intent("create", "x", until))
    assert decide(order, busy).action is None
    assert decide(order, busy).record.due_at == until
    late = forwarded(order, state=ConsignmentState.CREATING, intent=Intent("create", "x", NOW))
    assert decide(order, late).action == Resolve(1, "create")


def test_the_same_refusal_is_not_asked_for_twice_but_a_changed_order_is() -> None:
    order = an_order()
    action = decide(order).action
    assert isinstance(action, Create)
    change = create_hash(order, action.lines, action.ship_option, action.location)
    hold = Hold("rejected_by_jetpack", NOW, "zip_code", change)
    refused = replace(NEW, rejections=(("", hold),))
    assert decide(order, refused).action is None
    better = replace(order, shipping_address=replace(order.shipping_address, zip="62702"))  # type: ignore[type-var]
    assert isinstance(decide(better, refused).action, Create)


def test_units_somebody_else_fulfilled_are_never_forwarded() -> None:
    order = an_order(
        a_line(quantity=2),
        fulfillments=(a_fulfillment(1, "OTHER", ("1", 2)),),
        fulfillment_orders=(a_fulfillment_order((a_line(quantity=2),), remaining={"1": 0}, status="CLOSED"),),
    )
    assert decide(order).action is None
    assert units_by_state(decide(order).record) == {UnitState.ELSEWHERE: 2}


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """Orders of any shape, consistent or not: quantities, fulfillment orders and fulfillments at random."""
    lines = tuple(
        a_line(
            draw(st.sampled_from(["TEA-250", "JAM-1", ""])),
            quantity := draw(st.integers(1, 4)),
            n=n,
            current=draw(st.integers(0, quantity)),
            requires_shipping=draw(st.booleans()),
        )
        for n in range(1, draw(st.integers(1, 4)) + 1)
    )
    fulfillment_orders = tuple(
        a_fulfillment_order(
            lines,
            n=n,
            remaining={line.id: draw(st.integers(0, 4)) for line in lines},
            status=draw(st.sampled_from(["OPEN", "CLOSED", "ON_HOLD", "SCHEDULED", "CANCELLED", "NEW"])),
            location_id=draw(st.sampled_from([LOCATION, FOREIGN_LOCATION])),
            method_type=draw(st.sampled_from(["SHIPPING", "PICK_UP", "NONE", "", "NEW"])),
        )
        for n in range(1, draw(st.integers(0, 3)) + 1)
    )
    fulfillments = tuple(
        a_fulfillment(
            n,
            draw(st.sampled_from(["1Z", "OTHER"])),
            *((line.id, draw(st.integers(0, 3))) for line in lines),
            status=draw(st.sampled_from(["SUCCESS", "CANCELLED", "NEW"])),
        )
        for n in range(1, draw(st.integers(0, 2)) + 1)
    )
    return an_order(
        *lines,
        fulfillment_orders=fulfillment_orders,
        fulfillments=fulfillments,
        financial_status=draw(st.sampled_from(["PAID", "PENDING", "NEW"])),
        cancelled_at=draw(st.sampled_from([None, None, NOW])),
    )


@st.composite
def records(draw: st.DrawFn, order: Order) -> OrderRecord:
    """Records with consignments that hold some of the order's units, shipped or not."""
    record = NEW
    left = {line.id: line.quantity for line in order.lines}
    for n in range(1, draw(st.integers(0, 2)) + 1):
        lines: list[ConsignedLine] = []
        for line in order.lines:
            quantity = draw(st.integers(0, left[line.id]))
            if quantity:
                left[line.id] -= quantity
                lines.append(ConsignedLine(line.id, line.sku, quantity))
        if not lines:
            continue
        parcels: tuple[Parcel, ...] = ()
        if draw(st.booleans()):
            units = ((lines[0].line_id, draw(st.integers(1, lines[0].quantity))),)
            parcels = (Parcel(str(n), units, ParcelState.ANNOUNCED, "1Z"),)
        state = draw(st.sampled_from([ConsignmentState.LIVE, ConsignmentState.CANCELLED]))
        if state is ConsignmentState.CANCELLED:
            parcels = ()
            for consigned in lines:
                left[consigned.line_id] += consigned.quantity
        consignment = Consignment(
            n, f"{STORE}:{ORDER_ID}:{n}", tuple(lines), state, source_hash(order), str(n), NOW, parcels=parcels
        )
        record = record.with_consignment(consignment)
    return record


@given(st.data())
def test_every_ordered_unit_is_in_exactly_one_place(data: st.DataObject) -> None:
    """Invariant 1: whatever is read, the units of the record add up to what was ordered."""
    order = data.draw(orders())
    record = data.draw(records(order))
    decided = plan(
        order,
        record,
        a_store(),
        NOW,
        catalogue=a_catalogue("TEA-250", "JAM-1"),
        elsewhere="",
        shipments={each.n: a_jetpack_order(n=each.n) for each in record.live},
    )
    after = decided.record
    if isinstance(decided.action, Create):
        after = sent(after, order, decided.action)
    elif decided.action or decided.needs:
        return
    assert units_by_state(after).total() == sum(line.quantity for line in order.lines)


@given(st.data())
def test_no_unit_is_forwarded_that_a_consignment_covers_or_the_source_does_not_offer(data: st.DataObject) -> None:
    """Invariant 2: what is created now and what lies in live consignments is neither more than ordered nor than wanted.

    Open fulfillment orders say what is wanted, not `current_quantity`: it falls with money given back for units
    that are still to be sent, or were sent long ago.
    """
    order = data.draw(orders())
    record = data.draw(records(order))
    action = plan(order, record, a_store(), NOW, catalogue=a_catalogue("TEA-250", "JAM-1"), elsewhere="").action
    if not isinstance(action, Create):
        return
    assert action.n not in {each.n for each in record.consignments}
    fulfilled, _ = fulfilled_by_us_and_elsewhere(order, record)
    for line in action.lines:
        covered = sum(each.quantity for one in record.live for each in one.lines if each.line_id == line.line_id)
        offered = sum(
            each.remaining
            for fulfillment_order in order.fulfillment_orders
            if fulfillment_order.location_id == LOCATION and not fulfillment_order.closed
            for each in fulfillment_order.lines
            if each.line_id == line.line_id
        )
        assert covered + line.quantity <= order.line(line.line_id).quantity
        assert line.quantity <= offered - max(0, covered - fulfilled[line.line_id])
    assert order.cancelled_at is None


@given(st.data())
def test_every_open_record_says_when_it_is_looked_at_again(data: st.DataObject) -> None:
    """A lost wake-up is never lost for ever."""
    order = data.draw(orders())
    catalogue = a_catalogue("TEA-250", "JAM-1")
    decided = plan(order, data.draw(records(order)), a_store(), NOW, catalogue=catalogue, elsewhere="")
    if decided.action is None and not decided.needs:
        finished = decided.record.status in {Status.EXCLUDED, Status.CANCELLED, Status.DELIVERED}
        assert (decided.record.due_at is None) == finished
