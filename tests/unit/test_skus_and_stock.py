"""What the SKU map, stock, splits and the rules' other actions make of an order on its way."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetbridge.domain.changes import Ordered, Wish
from jetbridge.domain.record import ParcelState, Status, UnitState, units_by_state
from jetbridge.domain.rules import (
    AddNote,
    AddTag,
    Comparison,
    Exclude,
    Forward,
    HoldOrder,
    Notify,
    Operator,
    RemoveTag,
    Rule,
    RuleSet,
    SetLocation,
    SetShipOption,
    Split,
)
from jetbridge.domain.skus import SkuMapping
from jetbridge.domain.store import OutOfStock
from jetbridge.errors import PartnerUnavailableError, RejectedByPartnerError, TransientError
from tests.bridge import Bridge
from tests.builders import (
    ADDRESS,
    ORDER_ID,
    STORE,
    a_fulfillment,
    a_fulfillment_order,
    a_line,
    a_store,
    an_order,
    on_shipstation,
)
from tests.fake_partners import Fault
from tests.shipstation_orders import PART, SECOND, import_split, the_order

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from jetbridge.domain.order import Line
    from jetbridge.errors import PartnerError

REFERENCE = f"demo:{ORDER_ID}:1"
BOX = {"GIFT-BOX": SkuMapping("GIFT-BOX", (("TEA-250", 2), ("JAM-1", 1))), "TEE": SkuMapping("TEE", (("TEA-250", 1),))}


def boxed(quantity: int = 3) -> Bridge:
    bridge = Bridge(a_store(sku_map=BOX))
    bridge.put(an_order(a_line("GIFT-BOX", quantity)))
    return bridge


def test_a_bundle_is_sent_as_what_it_is_packed_from_and_counted_as_what_was_ordered() -> None:
    bridge = boxed()
    bridge.forward()
    sent = bridge.the_warehouse.received[REFERENCE]
    assert [(sku, quantity) for _, sku, _, quantity, _ in sent.lines] == [("TEA-250", 6), ("JAM-1", 3)]
    assert units_by_state(bridge.record()) == {UnitState.FORWARDED: 3}


def test_an_alias_is_sent_under_jetpacks_name() -> None:
    bridge = Bridge(a_store(sku_map=BOX))
    bridge.put(an_order(a_line("TEE", 2)))
    bridge.forward()
    assert bridge.units_at_jetpack() == {"TEA-250": 2}


def test_a_bundle_in_one_parcel_is_announced_whole() -> None:
    bridge = boxed()
    bridge.forward()
    (order,) = bridge.the_warehouse.orders.values()
    bridge.the_warehouse.ship(order.shipments[0].id, "1ZTEST0001")
    bridge.track()
    assert bridge.record().status is Status.SHIPPED
    assert [units for each in bridge.order.fulfillments for _, units in each.units] == [3]


def test_a_bundle_in_two_parcels_is_told_with_the_first_and_the_second_travels_beside_it() -> None:
    bridge = boxed(1)
    bridge.the_warehouse.split = lambda _new: [{"TEA-250": 2}, {"JAM-1": 1}]
    bridge.forward()
    (order,) = bridge.the_warehouse.orders.values()
    for number, shipment in enumerate(order.shipments, 1):
        bridge.the_warehouse.ship(shipment.id, f"1ZTEST000{number}")
        bridge.track()
    (fulfillment,) = (each for each in bridge.order.fulfillments if each.counts)
    assert fulfillment.tracking_numbers == ("1ZTEST0001", "1ZTEST0002")
    assert bridge.record().needs_person == ""


def packed(*parcels: Mapping[str, int], lines: tuple[Line, ...] = (a_line("GIFT-BOX"),)) -> Bridge:
    """An order at Jetpack that leaves in the parcels given."""
    bridge = Bridge(a_store(sku_map=BOX))
    bridge.the_warehouse.add_product("MUG", 100)
    bridge.the_warehouse.split = lambda _new: parcels
    bridge.put(an_order(*lines))
    bridge.forward()
    return bridge


def ship(bridge: Bridge, n: int) -> str:
    """Let parcel `n` leave, under the number given back."""
    number = f"1ZTEST000{n}"
    bridge.the_warehouse.ship(f"7000000{n}", number)
    return number


def numbers_told(bridge: Bridge) -> Counter[str]:
    """Count how often each number was told, with a fulfillment of its own or beside another."""
    return bridge.told() + Counter(numbers[-1].number for _, numbers, _ in bridge.the_shop.retold)


def numbers_shown(bridge: Bridge) -> Counter[str]:
    return Counter(number for each in bridge.order.fulfillments if each.counts for number in each.tracking_numbers)


HALVES: tuple[Mapping[str, int], ...] = ({"TEA-250": 2}, {"JAM-1": 1})


def test_the_rest_of_a_bundle_is_told_beside_it_though_other_lines_are_still_to_leave() -> None:
    bridge = packed(*HALVES, {"MUG": 1}, lines=(a_line("MUG", n=2), a_line("GIFT-BOX")))
    for n in (1, 2, 3):
        assert bridge.record().status is (Status.FORWARDED if n == 1 else Status.PARTIALLY_SHIPPED)
        ship(bridge, n)
        bridge.track()
    box, mug = bridge.order.fulfillments
    assert (box.tracking_numbers, mug.tracking_numbers) == (("1ZTEST0001", "1ZTEST0002"), ("1ZTEST0003",))
    assert bridge.record().status is Status.SHIPPED


def test_parcels_of_a_bundle_seen_at_once_are_told_one_after_the_other() -> None:
    bridge = packed({"TEA-250": 1}, {"TEA-250": 1}, {"JAM-1": 1})
    numbers = [ship(bridge, n) for n in (1, 2, 3)]
    bridge.track()
    bridge.settle(5)
    assert numbers_told(bridge) == numbers_shown(bridge) == Counter(numbers)
    assert bridge.record().status is Status.SHIPPED


def test_the_rest_of_a_bundle_is_polled_for_after_the_first_parcel_was_delivered() -> None:
    bridge = packed(*HALVES)
    ship(bridge, 1)
    bridge.track()
    bridge.the_warehouse.deliver("70000001")
    bridge.track()
    assert bridge.record().status is Status.PARTIALLY_SHIPPED
    assert units_by_state(bridge.record()) == {UnitState.SHIPPED: 1}
    ship(bridge, 2)
    bridge.settle(150)
    assert numbers_told(bridge) == {"1ZTEST0001": 1, "1ZTEST0002": 1}
    bridge.the_warehouse.deliver("70000002")
    bridge.settle(25 * 60)
    assert bridge.record().status is Status.DELIVERED
    assert bridge.record().due_at is None


def test_the_rest_of_a_bundle_cancelled_in_jetpack_is_seen_after_the_first_parcel_was_delivered() -> None:
    bridge = packed(*HALVES)
    ship(bridge, 1)
    bridge.track()
    bridge.the_warehouse.deliver("70000001")
    bridge.track()
    bridge.the_warehouse.cancel_by_person("70000002")
    bridge.settle(150)
    assert bridge.record().status is Status.HELD
    trouble = bridge.record().consignments[0].trouble
    assert trouble
    assert trouble.detail == "a part was cancelled in Jetpack"


def test_a_new_address_after_the_first_parcel_of_a_bundle_is_a_persons_task() -> None:
    bridge = packed(*HALVES)
    ship(bridge, 1)
    bridge.track()
    bridge.put(replace(bridge.order, shipping_address=replace(ADDRESS, address1="2 New St")))
    bridge.forward()
    assert bridge.hold().reason == "edit_refused"


def test_goods_of_a_bundle_that_are_also_a_line_of_their_own_are_counted_once() -> None:
    lines = (a_line("GIFT-BOX"), a_line(n=2))
    bridge = packed({"TEA-250": 1}, {"TEA-250": 2, "JAM-1": 1}, lines=lines)
    for n in (1, 2):
        ship(bridge, n)
        bridge.track()
    assert [dict(each.units) for each in bridge.order.fulfillments] == [{"1": 1}, {"2": 1}]
    assert numbers_told(bridge) == {"1ZTEST0001": 1, "1ZTEST0002": 1}
    assert bridge.record().status is Status.SHIPPED


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_bundle_with_a_kit_of_jetpacks_own_is_complete_when_the_last_parcel_has_left(order: tuple[int, int]) -> None:
    bridge = packed({"LEAF": 2, "TIN": 2}, {"JAM-1": 1})
    for n in order:
        ship(bridge, n)
        bridge.track()
    bridge.settle(150)
    assert numbers_told(bridge) == {"1ZTEST0001": 1, "1ZTEST0002": 1}
    assert bridge.record().status is Status.SHIPPED
    assert bridge.record().consignments[0].complete


def test_the_rest_of_a_bundle_that_somebody_else_told_of_is_for_a_person_and_not_asked_for_every_minute() -> None:
    bridge = packed(*HALVES)
    part = bridge.order.fulfillment_orders[0]
    foreign = a_fulfillment(7, "1ZFOREIGN", ("1", 1))
    bridge.put(replace(bridge.order, fulfillment_orders=(replace(part, status="CLOSED"),), fulfillments=(foreign,)))
    for n in (1, 2):
        ship(bridge, n)
        bridge.track()
    bridge.the_shop.calls.clear()
    bridge.settle(180)
    assert [each.state for each in bridge.record().parcels] == [ParcelState.FAILED, ParcelState.FAILED]
    assert bridge.the_shop.calls["read_order"] < 10
    assert bridge.record().status is Status.FAILED


@st.composite
def deals(draw: st.DrawFn) -> tuple[int, str, int, Sequence[Mapping[str, int]], Sequence[int]]:
    """Some bundles and units of a plain line, dealt into parcels in any way, and the order in which they leave."""
    boxes, plain, units = (
        draw(st.integers(1, 2)),
        draw(st.sampled_from(["MUG", "TEA-250", "JAM-1"])),
        draw(st.integers(1, 2)),
    )
    goods = [*["TEA-250"] * 2 * boxes, *["JAM-1"] * boxes, *[plain] * units]
    places = draw(st.lists(st.integers(0, 3), min_size=len(goods), max_size=len(goods)))
    dealt: dict[int, Counter[str]] = {}
    for sku, place in zip(goods, places, strict=True):
        dealt.setdefault(place, Counter())[sku] += 1
    return boxes, plain, units, tuple(dealt.values()), draw(st.permutations(range(1, len(dealt) + 1)))


@given(deals())
def test_however_bundles_are_packed_every_number_is_told_once_and_the_units_add_up(
    deal: tuple[int, str, int, Sequence[Mapping[str, int]], Sequence[int]],
) -> None:
    boxes, plain, units, parcels, order = deal
    bridge = packed(*parcels, lines=(a_line("GIFT-BOX", boxes), a_line(plain, units, n=2)))
    told = Counter[str]()
    for left, n in enumerate(order, 1):
        told[ship(bridge, n)] += 1
        bridge.track()
        assert bridge.record().status is (Status.PARTIALLY_SHIPPED if left < len(order) else Status.SHIPPED)
        assert numbers_told(bridge) == numbers_shown(bridge) == told
        bridge.the_warehouse.deliver(f"7000000{n}")
        bridge.track()
    record = bridge.record()
    assert (record.status, record.track_at) == (Status.DELIVERED, None)
    assert units_by_state(record) == {UnitState.SHIPPED: boxes + units}
    sent: Counter[str] = Counter()
    for fulfillment in bridge.order.fulfillments:
        sent.update(dict(fulfillment.units))
    assert sent == {"1": boxes, "2": units}


def test_a_bundle_one_part_of_which_jetpack_does_not_know_is_held_for_that_part() -> None:
    bridge = Bridge(a_store(sku_map={"BOX": SkuMapping("BOX", (("TEA-250", 1), ("RIBBON", 1)))}))
    bridge.put(an_order(a_line("BOX")))
    bridge.forward()
    assert (bridge.hold().reason, bridge.hold().detail) == ("unknown_sku", "not at Jetpack: RIBBON")


# -- stock ----------------------------------------------------------------------------------------------------------


def with_stock(choice: OutOfStock, units: int) -> Bridge:
    bridge = Bridge(a_store(out_of_stock=choice))
    bridge.the_warehouse.add_product("TEA-250", units)
    bridge.put(an_order(a_line(quantity=3), a_line("JAM-1", n=2)))
    bridge.forward()
    return bridge


def test_a_store_that_forwards_anyway_does_not_even_ask_for_stock() -> None:
    bridge = with_stock(OutOfStock.FORWARD, 0)
    assert bridge.units_at_jetpack() == {"TEA-250": 3, "JAM-1": 1}


def test_a_store_that_holds_holds_the_whole_order_and_names_what_is_short() -> None:
    bridge = with_stock(OutOfStock.HOLD, 2)
    assert not bridge.units_at_jetpack()
    assert (bridge.hold().reason, bridge.hold().detail) == ("out_of_stock", "too few at Jetpack: TEA-250")
    bridge.the_warehouse.add_product("TEA-250", 3)
    bridge.settle(20)
    assert bridge.units_at_jetpack() == {"TEA-250": 3, "JAM-1": 1}


def test_a_store_that_splits_sends_what_is_there_and_the_rest_when_it_comes() -> None:
    bridge = with_stock(OutOfStock.SPLIT, 2)
    assert bridge.units_at_jetpack() == {"TEA-250": 2, "JAM-1": 1}
    assert units_by_state(bridge.record()) == {UnitState.FORWARDED: 3, UnitState.HELD: 1}
    assert bridge.hold().reason == "out_of_stock"
    bridge.the_warehouse.add_product("TEA-250", 5)
    bridge.settle(30)
    assert bridge.units_at_jetpack() == {"TEA-250": 3, "JAM-1": 1}
    assert bridge.record().hold is None


def test_a_store_that_splits_holds_what_is_not_there_at_all() -> None:
    bridge = Bridge(a_store(out_of_stock=OutOfStock.SPLIT))
    bridge.the_warehouse.add_product("TEA-250", 0)
    bridge.put(an_order(a_line(quantity=2)))
    bridge.forward()
    assert not bridge.units_at_jetpack()
    assert units_by_state(bridge.record()) == {UnitState.HELD: 2}


# -- what rules do besides forwarding -------------------------------------------------------------------------------


def ruled(*then: object, **order: object) -> Bridge:
    bridge = Bridge(a_store(rules=RuleSet(2, (Rule("mine", (Forward(), *then)),))))  # type: ignore[arg-type]
    bridge.put(an_order(**order))  # type: ignore[arg-type]
    return bridge


def test_a_rule_chooses_ship_option_and_fulfillment_center() -> None:
    bridge = ruled(SetShipOption("Expedited"), SetLocation("156"), shipping_method="Never mapped")
    bridge.forward()
    sent = bridge.the_warehouse.received[REFERENCE]
    assert (sent.ship_option, sent.location) == ("Expedited", "156")


def test_a_ship_option_that_a_rule_chose_and_jetpack_does_not_have_holds() -> None:
    bridge = ruled(SetShipOption("Rocket"))
    bridge.forward()
    assert (bridge.hold().reason, bridge.hold().detail) == ("inactive_ship_option", "Rocket")


def test_a_split_sends_some_lines_now_and_the_rest_when_its_time_has_come() -> None:
    now = Comparison("sku", Operator.STARTS_WITH, "TEA")
    bridge = Bridge(a_store(rules=RuleSet(2, (Rule("pre-orders", (Forward(), Split(now, "soon", for_hours=2))),))))
    bridge.put(an_order(a_line(), a_line("JAM-1", n=2)))
    bridge.forward()
    assert bridge.units_at_jetpack() == {"TEA-250": 1}
    assert (bridge.hold().reason, bridge.hold().detail) == ("rule_hold", "pre-orders: soon")
    bridge.settle(110)
    assert bridge.units_at_jetpack() == {"TEA-250": 1, "JAM-1": 1}
    assert len(bridge.record().live) == 2


def test_tags_notes_and_notices_are_set_once_beside_what_was_there() -> None:
    bridge = ruled(
        AddTag("3pl"), RemoveTag("Queue"), AddNote("By Jetpack"), Notify("a big one"), tags=("vip", "queue"), note="Hi"
    )
    for _ in range(3):
        bridge.forward()
        bridge.settle(5)
    assert set(bridge.order.tags) == {"vip", "3pl"}
    assert bridge.order.note == "Hi\nBy Jetpack"
    assert bridge.notices.told == [("demo", "Order #1001", "a big one")]
    assert bridge.the_shop.calls["add_tags"] == bridge.the_shop.calls["set_note"] == 1


def test_a_tag_that_a_person_takes_off_stays_off() -> None:
    bridge = ruled(AddTag("3pl"))
    bridge.forward()
    bridge.put(replace(bridge.order, tags=()))
    bridge.forward()
    bridge.settle(20)
    assert bridge.order.tags == ()


@pytest.mark.parametrize(("error", "calls"), [(PartnerUnavailableError, 2), (RejectedByPartnerError, 1)])
def test_a_shop_that_takes_no_tags_delays_nothing_and_is_asked_again_only_if_that_can_help(
    error: type[PartnerUnavailableError], calls: int
) -> None:
    bridge = ruled(AddTag("3pl"))
    bridge.the_shop.fail("add_tags", error(partner="shopify"))
    bridge.forward()
    assert bridge.units_at_jetpack() == {"TEA-250": 1}
    bridge.settle(20)
    assert bridge.the_shop.calls["add_tags"] == calls
    assert bridge.record().status is Status.FORWARDED


def test_the_forwarded_mark_is_set_when_the_store_wants_it() -> None:
    bridge = Bridge(a_store(mark_forwarded=True))
    bridge.put(an_order())
    bridge.forward()
    bridge.pass_time(timedelta(minutes=5))
    bridge.forward()
    assert bridge.the_shop.calls["mark_forwarded"] == 1


def always(call: str, error: PartnerError) -> Callable[[str], Fault | None]:
    return lambda called: Fault(error) if called == call else None


@pytest.mark.parametrize("decision", [Forward(), HoldOrder(), Exclude("digital only")])
def test_a_shop_that_takes_no_tags_is_asked_ever_more_rarely(decision: Forward | HoldOrder | Exclude) -> None:
    bridge = Bridge(a_store(rules=RuleSet(2, (Rule("mine", (decision, AddTag("3pl"))),))))
    bridge.put(an_order())
    bridge.the_shop.draw_fault = always("add_tags", PartnerUnavailableError(partner="shopify"))
    bridge.forward()
    bridge.settle(240)
    assert 5 < bridge.the_shop.calls["add_tags"] < 30
    bridge.the_shop.draw_fault = lambda _: None
    bridge.settle(70)
    assert bridge.order.tags == ("3pl",)
    assert not bridge.record().owes_marks
    assert (bridge.record().attempts, bridge.record().failing_since) == (0, None)


def test_people_who_cannot_be_told_are_tried_ever_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = Bridge(a_store(rules=RuleSet(2, (Rule("mine", (HoldOrder(), Notify("a big one"))),))))
    bridge.put(an_order())
    tried: list[object] = []

    def refuse(*told: object) -> None:
        tried.append(told)
        raise TransientError

    monkeypatch.setattr(bridge.notices, "publish", refuse)
    bridge.settle(240)
    assert 5 < len(tried) < 30
    monkeypatch.undo()
    bridge.settle(20)
    assert len(bridge.notices.told) == 1


def test_marks_that_fail_do_not_keep_what_waits_for_its_time() -> None:
    now = Comparison("sku", Operator.STARTS_WITH, "TEA")
    rules = RuleSet(2, (Rule("pre-orders", (Forward(), Split(now, "soon", for_hours=2), AddTag("3pl"))),))
    bridge = Bridge(a_store(rules=rules))
    bridge.put(an_order(a_line(), a_line("JAM-1", n=2)))
    bridge.the_shop.draw_fault = always("add_tags", PartnerUnavailableError(partner="shopify"))
    bridge.forward()
    bridge.settle(140)
    assert bridge.units_at_jetpack() == {"TEA-250": 1, "JAM-1": 1}


def test_telling_people_does_not_put_off_the_end_of_the_grace_period() -> None:
    bridge = Bridge(a_store(grace_minutes=30, rules=RuleSet(2, (Rule("mine", (Forward(), Notify("a big one"))),))))
    bridge.put(an_order())
    bridge.forward()
    assert len(bridge.notices.told) == 1
    for _ in range(35):
        bridge.pass_time(timedelta(minutes=1))
        bridge.sweep_due()
    assert bridge.units_at_jetpack() == {"TEA-250": 1}


WRITES: dict[str, Callable[[Bridge], bool]] = {
    "add_tags": lambda bridge: {"vip", "3pl"} <= {*bridge.order.tags},
    "remove_tags": lambda bridge: "queue" not in bridge.order.tags,
    "set_note": lambda bridge: bridge.order.note == "By Jetpack",
    "mark_forwarded": lambda bridge: bridge.the_shop.marks.get(ORDER_ID) == (REFERENCE,),
}


@pytest.mark.parametrize("error", [PartnerUnavailableError, RejectedByPartnerError])
@pytest.mark.parametrize("refused", WRITES)
def test_a_write_that_the_shop_does_not_take_keeps_no_other_back(
    refused: str, error: type[PartnerUnavailableError | RejectedByPartnerError]
) -> None:
    then = (Forward(), AddTag("3pl"), RemoveTag("queue"), AddNote("By Jetpack"))
    bridge = Bridge(a_store(mark_forwarded=True, rules=RuleSet(2, (Rule("mine", then),))))
    bridge.put(an_order(tags=("vip", "queue")))
    bridge.the_shop.draw_fault = always(refused, error(partner="shopify"))
    bridge.forward()
    done = {write: is_done(bridge) for write, is_done in WRITES.items() if write != refused}
    assert done == dict.fromkeys(done, True)
    assert not WRITES[refused](bridge)
    bridge.the_shop.draw_fault = lambda _: None
    bridge.settle(20)
    assert WRITES[refused](bridge) is (error is PartnerUnavailableError)


def test_the_forwarded_mark_goes_when_nothing_is_at_jetpack_any_more() -> None:
    for taken_back in ("excluded", "cancelled"):
        bridge = Bridge(a_store(mark_forwarded=True))
        bridge.put(an_order())
        bridge.forward()
        assert bridge.the_shop.marks[bridge.order.id] == (REFERENCE,)
        if taken_back == "excluded":
            bridge.records.write(replace(bridge.record(), ordered_by_person=Ordered(Wish.EXCLUDE, "ada", bridge.at)))
        else:
            bridge.put(replace(bridge.order, cancelled_at=bridge.at))
        bridge.forward()
        bridge.settle(30)
        assert not bridge.units_at_jetpack()
        assert not bridge.the_shop.marks[bridge.order.id]
        assert bridge.the_shop.calls["mark_forwarded"] == 2


def test_the_forwarded_mark_of_a_parcel_that_has_left_stays() -> None:
    bridge = Bridge(a_store(mark_forwarded=True))
    bridge.put(an_order())
    bridge.forward()
    (order,) = bridge.the_warehouse.orders.values()
    bridge.the_warehouse.ship(order.shipments[0].id, "1ZTEST0001")
    bridge.track()
    bridge.forward()
    assert bridge.the_shop.marks[bridge.order.id] == (REFERENCE,)
    assert bridge.the_shop.calls["mark_forwarded"] == 1


def test_a_tag_taken_off_by_hand_does_not_come_back_with_the_forwarded_mark() -> None:
    rules = RuleSet(2, (Rule("mine", (Forward(), AddTag("vip"))),))
    bridge = Bridge(a_store(mark_forwarded=True, rules=rules))
    bridge.the_warehouse.skus.pop("TEA-250")
    bridge.put(an_order())
    bridge.forward()
    assert bridge.order.tags == ("vip",)
    bridge.put(replace(bridge.order, tags=()))
    bridge.forward()
    bridge.the_warehouse.add_product("TEA-250", 5)
    bridge.forward()
    assert bridge.the_shop.marks[bridge.order.id] == (REFERENCE,)
    assert not bridge.order.tags


def test_a_store_that_wants_no_forwarded_marks_any_more_keeps_those_there_are() -> None:
    bridge = Bridge(a_store(mark_forwarded=True))
    bridge.put(an_order())
    bridge.forward()
    store = bridge.settings.store(STORE)
    assert store
    bridge.settings.save_store(replace(store, mark_forwarded=False))
    bridge.forward()
    assert bridge.the_shop.calls["mark_forwarded"] == 1


def test_marks_cost_no_look_of_their_own_unless_something_waits() -> None:
    bridge = ruled(AddTag("3pl"))
    bridge.forward()
    assert bridge.record().forward_at is None


def test_marks_of_what_goes_do_not_put_off_what_is_scheduled() -> None:
    tea, jam = a_line(), a_line("JAM-1", n=2)
    bridge = ruled(Notify("a big one"))
    soon = bridge.at + timedelta(minutes=30)
    later = replace(a_fulfillment_order((jam,), n=2), status="SCHEDULED", fulfill_at=soon)
    bridge.put(an_order(tea, jam, fulfillment_orders=(a_fulfillment_order((tea,)), later)))
    bridge.forward()
    assert bridge.units_at_jetpack() == {"TEA-250": 1}
    assert len(bridge.notices.told) == 1
    due = bridge.record().forward_at
    assert due
    assert due <= soon


def test_nothing_is_written_on_an_order_that_was_cancelled_before_the_shop_took_it() -> None:
    bridge = ruled(AddTag("3pl"))
    bridge.the_shop.fail("add_tags", PartnerUnavailableError(partner="shopify"))
    bridge.forward()
    assert bridge.record().owes_marks
    bridge.put(replace(bridge.order, cancelled_at=bridge.at))
    bridge.settle(20)
    assert bridge.order.tags == ()
    assert bridge.record().status is Status.CANCELLED
    assert not bridge.record().owes_marks


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_note_of_several_lines_is_added_once_and_a_part_of_a_line_is_no_note(line_end: str) -> None:
    dear = Rule("dear", (AddTag("seen"),), when=Comparison("tags", Operator.INCLUDES_ANY, ("dear",)))
    bridge = Bridge(a_store(rules=RuleSet(2, (Rule("mine", (HoldOrder(), AddNote("one\ntwo"))), dear))))
    bridge.put(an_order(note="twenty-one\ntwofold"))
    bridge.forward()
    assert bridge.order.note == "twenty-one\ntwofold\none\ntwo"
    shown = bridge.order.note.replace("\n", line_end)
    bridge.put(replace(bridge.order, note=shown, tags=("dear",)))
    bridge.forward()
    assert bridge.order.tags == ("dear", "seen")
    assert bridge.order.note == shown


TEA_AND_JAM = RuleSet(
    2,
    (
        Rule("all", (Forward(),)),
        Rule("a", (AddTag("tea"), Notify("tea sent")), when=Comparison("tags", Operator.INCLUDES_ANY, ("a",))),
        Rule("b", (AddTag("jam"), Notify("jam sent")), when=Comparison("tags", Operator.INCLUDES_ANY, ("b",))),
    ),
)


@pytest.mark.parametrize("at_once", [True, False])
def test_marks_are_set_for_every_shipstation_order_of_an_order(at_once: bool) -> None:  # noqa: FBT001 - a case
    bridge = Bridge(on_shipstation(rules=TEA_AND_JAM))
    bridge.put(the_order())
    status = "on_hold" if at_once else "awaiting_shipment"
    import_split(bridge, first={"tags": ("a",), "status": status}, second={"tags": ("b",), "status": status})
    assert bool(bridge.the_warehouse.orders) is not at_once
    for part in (PART, SECOND) if at_once else ():
        bridge.the_desk.change(part, status="awaiting_shipment")
    bridge.forward()
    assert len(bridge.the_warehouse.orders) == 2
    bridge.settle(5)
    assert set(bridge.order.tags) == {"tea", "jam"}
    assert {text for *_, text in bridge.notices.told} == {"tea sent", "jam sent"}


def test_a_tag_taken_off_by_hand_does_not_come_back_when_another_shipstation_order_goes() -> None:
    held = Rule("b", (HoldOrder(), AddTag("jam")), when=Comparison("tags", Operator.INCLUDES_ANY, ("b",)))
    bridge = Bridge(on_shipstation(rules=RuleSet(2, (Rule("all", (Forward(), AddTag("seen"))), held))))
    bridge.the_warehouse.skus.pop("TEA-250")
    bridge.put(the_order())
    import_split(bridge, second={"tags": ("b",)})
    bridge.settle(20)
    assert set(bridge.order.tags) == {"seen", "jam"}
    bridge.put(replace(bridge.order, tags=()))
    bridge.settle(20)
    bridge.the_warehouse.add_product("TEA-250", 9)
    bridge.settle(20)
    assert bridge.units_at_jetpack() == {"TEA-250": 3}
    assert bridge.order.tags == ()
