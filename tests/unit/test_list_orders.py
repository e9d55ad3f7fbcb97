"""Orders in lists and one in full: who has to do what, how long it waits, page by page, and nothing personal."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import pytest

from jetbridge.domain.holds import REASONS, Hold
from jetbridge.domain.identifiers import OrderId, StoreSlug
from jetbridge.domain.record import Decision, OrderRecord, Status, UnitState
from jetbridge.errors import InvalidRequestError, NotFoundError
from jetbridge.use_cases import list_orders as lists
from jetbridge.use_cases.act_on_order import OrderAction
from jetbridge.use_cases.list_orders import (
    LISTED,
    MOST_ROWS,
    NEEDS_PERSON,
    OrderCount,
    OrderPage,
    OrderShown,
    count_orders,
    list_orders,
    show_order,
)
from tests.builders import ADDRESS, MINUTE, NOW, ORDER_ID, STORE, a_line, an_order
from tests.keeper import KEEPER, Keeper

HOUR = timedelta(hours=1)
NOWHERE = StoreSlug("nowhere")


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


def put(keeper: Keeper, n: int, status: Status = Status.HELD, *, hours: int = 1, **facts: Any) -> None:  # noqa: ANN401 - whatever a record holds
    """Let there be a record in a status for some hours."""
    since = NOW - hours * HOUR
    given: dict[str, Any] = {"name": f"#{1000 + n}", "since": since, "created_at": since, "due_at": NOW + MINUTE}
    if status is Status.HELD and "hold" not in facts:
        given["hold"] = Hold("unmapped_ship_option", since, "drone")
    if status in {Status.EXCLUDED, Status.DELIVERED, Status.CANCELLED}:
        given["due_at"] = None
    keeper.records.write(OrderRecord(STORE, OrderId(str(n)), status=status, **given | facts))


def page(keeper: Keeper, store: StoreSlug = STORE, **asked: Any) -> OrderPage:  # noqa: ANN401 - whatever is asked
    return list_orders(store, records=keeper.records, settings=keeper.settings, clock=keeper.now, **asked)


def names(found: OrderPage) -> list[str]:
    return [each.name for each in found.rows]


def all_pages(keeper: Keeper, **asked: Any) -> list[str]:  # noqa: ANN401 - whatever is asked
    found = page(keeper, **asked)
    listed = names(found)
    for _ in range(100):
        if not found.after:
            return listed
        found = page(keeper, after=found.after, **asked)
        listed += names(found)
    raise AssertionError


def show(keeper: Keeper, order_id: str = ORDER_ID, store: StoreSlug = STORE) -> OrderShown:
    return show_order(store, OrderId(order_id), records=keeper.records, settings=keeper.settings, clock=keeper.now)


# -- lists ------------------------------------------------------------------------------------------------------------


def test_a_row_says_why_since_when_who_and_what_next(keeper: Keeper) -> None:
    put(keeper, 1, hours=30, decision=Decision("forward", ship_option="Expedited"))
    [row] = page(keeper, status=Status.HELD).rows
    assert (row.order_id, row.name, row.status) == ("1", "#1001", Status.HELD)
    assert (row.reason, row.detail, row.owner) == ("unmapped_ship_option", "drone", "merchant")
    assert (row.since, row.age, row.due_at) == (NOW - 30 * HOUR, 30 * HOUR, NOW + MINUTE)
    assert (row.next_step, row.ship_option) == (REASONS["unmapped_ship_option"].next_step, "Expedited")


def test_the_longest_comes_first_and_every_page_follows_the_one_before(keeper: Keeper) -> None:
    for n in range(1, 8):
        put(keeper, n, hours=n)
    expected = [f"#{1000 + n}" for n in range(7, 0, -1)]
    for limit in (1, 2, 3, 7, 8):
        assert all_pages(keeper, status=Status.HELD, limit=limit) == expected


def test_orders_of_one_moment_are_each_listed_once(keeper: Keeper) -> None:
    for n in range(1, 6):
        put(keeper, n, hours=2)
    assert sorted(all_pages(keeper, status=Status.HELD, limit=2)) == [f"#{1000 + n}" for n in range(1, 6)]


def test_an_order_that_leaves_between_two_pages_takes_no_other_with_it(keeper: Keeper) -> None:
    for n in range(1, 6):
        put(keeper, n, hours=n)
    first = page(keeper, status=Status.HELD, limit=2)
    assert names(first) == ["#1005", "#1004"]
    gone = keeper.records.read(STORE, OrderId("4"))
    assert gone
    keeper.records.write(replace(gone, status=Status.FORWARDED, hold=None))
    assert names(page(keeper, status=Status.HELD, after=first.after)) == ["#1003", "#1002", "#1001"]


def test_without_a_status_what_needs_somebody_comes_first(keeper: Keeper) -> None:
    for n, status in enumerate(reversed(LISTED), start=1):
        put(keeper, n, status, failed="deleted in Shopify" if status is Status.FAILED else "")
    put(keeper, 20, Status.DELIVERED)
    for limit in (1, 3, 50):
        assert all_pages(keeper, limit=limit) == [f"#{1000 + n}" for n in range(len(LISTED), 0, -1)]


def test_a_list_can_be_asked_for_one_reason(keeper: Keeper) -> None:
    put(keeper, 1)
    put(keeper, 2, hold=Hold("fraud_risk", NOW - HOUR))
    put(keeper, 3, Status.WAITING, reason="grace")
    assert all_pages(keeper, reason="fraud_risk", limit=1) == ["#1002"]
    assert all_pages(keeper, status=Status.WAITING, reason="grace") == ["#1003"]
    assert all_pages(keeper, status=Status.HELD, reason="grace") == []


def test_finished_orders_are_listed_by_their_day_the_latest_first(keeper: Keeper) -> None:
    for n, days in ((1, 0), (2, 1), (3, 1), (4, 20)):
        put(keeper, n, Status.EXCLUDED, hours=24 * days, reason="rule")
    put(keeper, 5, Status.EXCLUDED, hours=24 * 90)
    put(keeper, 6, Status.DELIVERED)
    for limit in (1, 2, 50):
        assert all_pages(keeper, status=Status.EXCLUDED, limit=limit) == ["#1001", "#1002", "#1003", "#1004"]


def test_a_page_reads_a_bounded_number_of_records(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MOST_READ", 3)
    for n in range(1, 6):
        put(keeper, n, hours=n, hold=Hold("fraud_risk" if n == 1 else "out_of_stock", NOW))
    first = page(keeper, reason="fraud_risk")
    assert (first.rows, bool(first.after)) == ((), True)
    assert all_pages(keeper, reason="fraud_risk") == ["#1001"]


def test_the_index_may_lag_behind_but_nothing_is_listed_that_is_not_so(keeper: Keeper) -> None:
    put(keeper, 1)
    stale = keeper.records.records[STORE, "1"]
    keeper.records.records[STORE, "1"] = replace(stale, status=Status.FORWARDED, hold=None)
    assert page(keeper, status=Status.HELD).rows == ()
    assert count_orders(STORE, records=keeper.records, settings=keeper.settings) == ()


@pytest.mark.parametrize(
    "after",
    [
        "x",
        "held",
        "held/2026-11-22T12:00:00+00:00",
        "held/yesterday/1",
        "held/2026-11-22T12:00:00/1",
        "waiting/2026-11-22T12:00:00+00:00/1",
        "nothing/2026-11-22T12:00:00+00:00/1",
        "//",
    ],
)
def test_a_place_that_no_page_named_is_refused(keeper: Keeper, after: str) -> None:
    with pytest.raises(InvalidRequestError, match="after: "):
        page(keeper, status=Status.HELD, after=after)


@pytest.mark.parametrize("limit", [0, -1, MOST_ROWS + 1])
def test_a_page_is_neither_empty_nor_endless(keeper: Keeper, limit: int) -> None:
    with pytest.raises(InvalidRequestError, match="limit: "):
        page(keeper, limit=limit)


@pytest.mark.parametrize("after", ["excluded/9999-12-31/1", "excluded/0001-01-01/1"])
def test_a_day_far_away_ends_the_list(keeper: Keeper, after: str) -> None:
    put(keeper, 1, Status.EXCLUDED)
    assert len(page(keeper, status=Status.EXCLUDED, after=after).rows) <= 1


def test_failed_and_waiting_orders_say_what_next(keeper: Keeper) -> None:
    put(keeper, 1, Status.FAILED, failed="deleted in Shopify")
    put(keeper, 2, Status.WAITING, reason="unpaid")
    failed, waiting = page(keeper).rows
    assert (failed.reason, failed.detail, failed.owner) == (NEEDS_PERSON, "deleted in Shopify", "merchant")
    assert failed.next_step
    assert (waiting.reason, waiting.owner) == ("unpaid", "customer")
    assert waiting.next_step


def test_orders_are_counted_by_status_and_reason(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in (1, 2):
        put(keeper, n)
    put(keeper, 3, hold=Hold("fraud_risk", NOW))
    put(keeper, 4, Status.WAITING, reason="grace")

    def counted() -> tuple[OrderCount, ...]:
        return count_orders(STORE, records=keeper.records, settings=keeper.settings)

    assert counted() == (
        OrderCount(Status.HELD, "fraud_risk", 1, at_least=False),
        OrderCount(Status.HELD, "unmapped_ship_option", 2, at_least=False),
        OrderCount(Status.WAITING, "grace", 1, at_least=False),
    )
    monkeypatch.setattr(lists, "MOST_COUNTED", 2)
    assert {(each.status, each.at_least) for each in counted()} == {(Status.HELD, True), (Status.WAITING, False)}


# -- one order --------------------------------------------------------------------------------------------------------


def test_an_order_is_shown_with_every_unit_its_hold_and_every_decision(keeper: Keeper) -> None:
    keeper.put(an_order(a_line("TEA-250", 3), shipping_method="Drone"))
    keeper.forward()
    keeper.pass_time(2 * HOUR)
    found = show(keeper)
    assert (found.units, found.ordered) == ({UnitState.HELD: 3}, 3)
    [hold] = found.holds
    assert (hold.reason, hold.detail, hold.owner) == ("unmapped_ship_option", "drone", "merchant")
    assert (hold.next_step, hold.lifted_when) == (
        REASONS["unmapped_ship_option"].next_step,
        REASONS["unmapped_ship_option"].lifted_when,
    )
    assert found.row.age == 2 * HOUR
    assert any("unmapped_ship_option" in line for event in found.timeline for line in event.trace)


def test_a_forwarded_order_is_shown_with_its_consignment_and_parcel(keeper: Keeper) -> None:
    keeper.put(an_order())
    keeper.forward()
    [at_jetpack] = keeper.the_warehouse.orders.values()
    keeper.the_warehouse.ship(at_jetpack.shipments[0].id, "1ZTEST")
    keeper.pass_time(10 * MINUTE)
    keeper.track()
    found = show(keeper)
    [consignment] = found.consignments
    assert (consignment.reference, consignment.jetpack_order_id) == (at_jetpack.reference, at_jetpack.id)
    assert [each.number for each in consignment.parcels] == ["1ZTEST"]
    assert found.decision
    assert found.decision.ship_option == "Standard"
    assert sum(found.units.values()) == found.ordered


def test_what_jetpack_has_against_it_is_shown(keeper: Keeper) -> None:
    keeper.put(an_order())
    keeper.forward()
    [at_jetpack] = keeper.the_warehouse.orders.values()
    keeper.the_warehouse.hold(at_jetpack.shipments[0].id)
    keeper.pass_time(10 * MINUTE)
    keeper.track()
    found = show(keeper)
    assert [each.reason for each in found.holds] == ["jetpack_hold"]
    assert found.row.owner == "jetpack"


def test_what_a_person_ordered_is_shown(keeper: Keeper) -> None:
    keeper.put(an_order(financial_status="PENDING"))
    keeper.forward()
    keeper.order_for(OrderAction.HOLD, reason="asks for another color")
    ordered = show(keeper).ordered_by_person
    assert ordered
    assert (ordered.by, ordered.reason) == (KEEPER, "asks for another color")


def test_nothing_personal_is_shown_of_an_order(keeper: Keeper) -> None:
    keeper.put(an_order(shipping_address=replace(ADDRESS, zip="NONSENSE"), phone="+1 555 0100"))
    keeper.forward()
    said = json.dumps([asdict(show(keeper)), asdict(page(keeper))], default=str)
    assert "invalid_address" in said
    for personal in ("Ada Sample", "1 Nowhere Rd", "Springfield", "NONSENSE", "ada@example.test", "555 0100"):
        assert personal not in said


def test_what_is_not_there_is_not_found(keeper: Keeper) -> None:
    with pytest.raises(NotFoundError):
        show(keeper)
    with pytest.raises(NotFoundError):
        show(keeper, store=NOWHERE)
    with pytest.raises(NotFoundError):
        page(keeper, store=NOWHERE)
    with pytest.raises(NotFoundError):
        count_orders(NOWHERE, records=keeper.records, settings=keeper.settings)
