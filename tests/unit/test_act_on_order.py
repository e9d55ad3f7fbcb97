"""What a person orders for one order: it is written before anybody is woken, recorded, and refused where senseless."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jetbridge.domain.changes import Ordered, Wish
from jetbridge.domain.identifiers import OrderId, StoreSlug
from jetbridge.domain.record import OrderRecord, Status, UnitState, units_by_state
from jetbridge.domain.rules import Exclude, Rule, RuleSet
from jetbridge.errors import ConflictError, InvalidRequestError, NotFoundError, TransientError
from jetbridge.use_cases.act_on_order import FOLLOWS, LONGEST_REASON, OrderAction, act_on_order
from tests.builders import MINUTE, NOW, ORDER_ID, STORE, a_line, a_store, an_order
from tests.keeper import KEEPER, Keeper

LEFT_TO_OTHERS = a_store(rules=RuleSet(2, (Rule("left to others", (Exclude(),)),)))


@pytest.fixture
def keeper() -> Keeper:
    made = Keeper()
    made.put(an_order(a_line("TEA-250", 2)))
    return made


def settled(keeper: Keeper) -> Status:
    """Let what a person ordered be done."""
    keeper.pass_time(MINUTE)
    keeper.drain()
    return keeper.record().status


def reason_of(keeper: Keeper) -> str:
    found = keeper.record().ordered_by_person
    assert found
    return found.reason


def held_by_person(keeper: Keeper) -> None:
    keeper.the_shop.put(replace(keeper.order, financial_status="PENDING"))
    keeper.forward()
    keeper.order_for(OrderAction.HOLD, reason="asks for another color")
    keeper.the_shop.put(replace(keeper.order, financial_status="PAID"))


def shipped(keeper: Keeper, *, delivered: bool = False) -> None:
    keeper.forward()
    [at_jetpack] = keeper.the_warehouse.orders.values()
    for shipment in at_jetpack.shipments:
        keeper.the_warehouse.ship(shipment.id, f"1Z{shipment.id}")
        if delivered:
            keeper.the_warehouse.deliver(shipment.id)
    keeper.pass_time(10 * MINUTE)
    keeper.track()
    keeper.track()


def test_a_held_order_is_not_forwarded_until_it_is_released(keeper: Keeper) -> None:
    held_by_person(keeper)
    assert settled(keeper) is Status.HELD
    assert keeper.hold().reason == "store_hold"
    keeper.order_for(OrderAction.RELEASE)
    assert settled(keeper) is Status.FORWARDED
    assert keeper.record().ordered_by_person is None


def test_an_excluded_order_is_not_forwarded_and_can_be_released(keeper: Keeper) -> None:
    keeper.the_shop.put(replace(keeper.order, financial_status="PENDING"))
    keeper.forward()
    keeper.order_for(OrderAction.EXCLUDE)
    keeper.the_shop.put(replace(keeper.order, financial_status="PAID"))
    assert settled(keeper) is Status.EXCLUDED
    keeper.order_for(OrderAction.RELEASE)
    assert settled(keeper) is Status.FORWARDED


def test_an_order_left_to_others_can_be_forwarded_now() -> None:
    keeper = Keeper(LEFT_TO_OTHERS)
    keeper.put(an_order())
    keeper.forward()
    assert keeper.record().status is Status.EXCLUDED
    keeper.order_for(OrderAction.FORWARD_NOW)
    assert settled(keeper) is Status.FORWARDED


def test_a_cancel_takes_back_what_lies_at_jetpack_unpicked(keeper: Keeper) -> None:
    keeper.forward()
    assert keeper.record().status is Status.FORWARDED
    acted = keeper.order_for(OrderAction.CANCEL)
    assert "not picked yet" in acted.text
    settled(keeper)
    assert not keeper.units_at_jetpack()
    assert units_by_state(keeper.record()) == {UnitState.EXCLUDED: 2}


def test_looking_again_wakes_both_ways_and_writes_nothing(keeper: Keeper) -> None:
    keeper.forward()
    before = keeper.record()
    keeper.order_for(OrderAction.LOOK_AGAIN)
    assert keeper.record() == before
    for queue in (keeper.order_queue, keeper.tracking_queue):
        assert [(each.subject, each.id, each.cause) for each in queue.sent] == [("order", ORDER_ID, "person:1")]


def test_each_click_is_a_cause_of_its_own(keeper: Keeper) -> None:
    keeper.forward()
    keeper.order_for(OrderAction.LOOK_AGAIN)
    keeper.order_for(OrderAction.LOOK_AGAIN)
    assert len(keeper.order_queue.sent) == 2


def test_what_is_ordered_stands_in_the_record_the_timeline_and_the_changes(keeper: Keeper) -> None:
    held_by_person(keeper)
    assert keeper.record().ordered_by_person == Ordered(Wish.HOLD, KEEPER, keeper.now(), "asks for another color")
    event = keeper.records.timeline(STORE, OrderId(ORDER_ID))[-1]
    assert (event.by, event.cause) == ("console", f"person:{KEEPER}")
    assert event.did == (f"{KEEPER} ordered: hold (asks for another color)",)
    assert keeper.changes == [(KEEPER, "order_hold", f"#1001 ({ORDER_ID})")]


def test_a_wake_up_that_is_lost_is_made_good_by_the_sweep(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper.the_shop.put(replace(keeper.order, financial_status="PENDING"))
    keeper.forward()

    def refuse(_: object) -> None:
        raise TransientError

    with monkeypatch.context() as patched:
        patched.setattr(keeper.order_queue, "send", refuse)
        keeper.order_for(OrderAction.HOLD)
        with pytest.raises(TransientError):
            keeper.order_for(OrderAction.LOOK_AGAIN)
    keeper.pass_time(MINUTE)
    keeper.sweep_due()
    assert keeper.record().status is Status.HELD


def test_a_wish_is_written_over_what_others_write_meanwhile(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper.the_shop.put(replace(keeper.order, financial_status="PENDING"))
    keeper.forward()
    write, overtakes = keeper.records.write, iter([True, True, False])

    def overtaken(record: OrderRecord) -> OrderRecord:
        if next(overtakes):
            write(replace(keeper.record(), attempts=keeper.record().attempts + 1))
        return write(record)

    monkeypatch.setattr(keeper.records, "write", overtaken)
    keeper.order_for(OrderAction.HOLD)
    assert keeper.record().attempts == 2, "what others wrote is kept"
    assert keeper.record().ordered_by_person


def test_a_record_that_never_stands_still_is_a_conflict(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper.the_shop.put(replace(keeper.order, financial_status="PENDING"))
    keeper.forward()

    def conflict(_: OrderRecord) -> OrderRecord:
        raise ConflictError

    monkeypatch.setattr(keeper.records, "write", conflict)
    with pytest.raises(ConflictError):
        keeper.order_for(OrderAction.HOLD)
    assert not keeper.changes


@pytest.mark.parametrize("action", [OrderAction.HOLD, OrderAction.EXCLUDE, OrderAction.CANCEL, OrderAction.FORWARD_NOW])
@pytest.mark.parametrize("delivered", [False, True])
def test_what_has_left_can_neither_be_stopped_nor_sent_again(
    keeper: Keeper, action: OrderAction, *, delivered: bool
) -> None:
    shipped(keeper, delivered=delivered)
    before = keeper.record()
    with pytest.raises(InvalidRequestError):
        keeper.order_for(action)
    assert (keeper.record(), keeper.changes) == (before, [])


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (OrderAction.FORWARD_NOW, "nothing of it is left to forward"),
        (OrderAction.RELEASE, "nobody ordered anything"),
    ],
)
def test_what_makes_no_sense_for_a_forwarded_order_is_refused(keeper: Keeper, action: OrderAction, said: str) -> None:
    keeper.forward()
    with pytest.raises(InvalidRequestError, match=said):
        keeper.order_for(action)


@pytest.mark.parametrize("action", [OrderAction.HOLD, OrderAction.EXCLUDE, OrderAction.CANCEL])
def test_an_order_that_is_excluded_already_is_not_stopped(action: OrderAction) -> None:
    keeper = Keeper(LEFT_TO_OTHERS)
    keeper.put(an_order())
    keeper.forward()
    with pytest.raises(InvalidRequestError, match="excluded already"):
        keeper.order_for(action)


def test_a_release_of_what_no_person_holds_says_what_does(keeper: Keeper) -> None:
    keeper.the_shop.put(replace(keeper.order, shipping_method="Drone"))
    keeper.forward()
    with pytest.raises(InvalidRequestError, match=r"shipping method is not mapped\. Map the method"):
        keeper.order_for(OrderAction.RELEASE)


def test_the_same_order_twice_is_no_error(keeper: Keeper) -> None:
    held_by_person(keeper)
    settled(keeper)
    keeper.order_for(OrderAction.HOLD, reason="still")
    assert reason_of(keeper) == "still"


def test_an_order_nobody_has_seen_is_not_found(keeper: Keeper) -> None:
    for action in OrderAction:
        with pytest.raises(NotFoundError):
            keeper.order_for(action, order="42")
    with pytest.raises(NotFoundError):
        act_on_order(
            StoreSlug("nowhere"),
            OrderId(ORDER_ID),
            OrderAction.HOLD,
            by=KEEPER,
            records=keeper.records,
            settings=keeper.settings,
            order_queue=keeper.order_queue,
            tracking_queue=keeper.tracking_queue,
            clock=keeper.now,
            new_id=keeper.new_id,
        )
    assert not keeper.order_queue.sent


def test_a_reason_is_one_line_of_bounded_length(keeper: Keeper) -> None:
    keeper.the_shop.put(replace(keeper.order, financial_status="PENDING"))
    keeper.forward()
    keeper.order_for(OrderAction.HOLD, reason="  two\n lines ")
    assert reason_of(keeper) == "two lines"
    with pytest.raises(InvalidRequestError, match="reason"):
        keeper.order_for(OrderAction.HOLD, reason="x" * (LONGEST_REASON + 1))
    assert keeper.now() > NOW


def test_every_action_says_what_follows() -> None:
    assert FOLLOWS.keys() == set(OrderAction)
