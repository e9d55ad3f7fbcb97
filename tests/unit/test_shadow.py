"""A rule set in the shadow: notes where it differs about live orders, decides nothing and disturbs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jetbridge.domain.record import OrderRecord
from jetbridge.domain.replay import Group
from jetbridge.domain.rules import Exclude, Forward, HoldOrder, Rule, RuleSet
from jetbridge.domain.store import Route
from jetbridge.errors import TransientError
from jetbridge.use_cases.shadow import note_shadow
from tests.builders import MINUTE, NOW, ORDER_ID, STORE, a_part, a_store, an_order, on_shipstation
from tests.fakes import InMemoryRuntime

if TYPE_CHECKING:
    from jetbridge.domain.replay import Difference
    from jetbridge.domain.store import Store

RECORD = OrderRecord(STORE, ORDER_ID)
HOLDING = RuleSet(7, (Rule("wait", (HoldOrder("slow", for_hours=1),)),))


class Runtime(InMemoryRuntime):
    """A runtime table that may not answer."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: NOW)
        self.answers = True

    def note_difference(self, store: str, version: int, difference: Difference, at: object) -> None:
        del at
        if not self.answers:
            raise TransientError
        super().note_difference(STORE, version, difference, NOW)
        assert store == STORE


@pytest.fixture
def runtime() -> Runtime:
    return Runtime()


def noted(runtime: Runtime, store: Store, **changes: object) -> list[tuple[str, str, str]]:
    note_shadow(store, an_order(**changes), RECORD, runtime=runtime, now=NOW)  # type: ignore[arg-type]
    return [(each.order_id, each.group, each.rule) for each in runtime.differences(STORE, 7)]


def test_a_difference_is_noted_under_the_shadows_version(runtime: Runtime) -> None:
    assert noted(runtime, a_store(shadow=HOLDING)) == [(ORDER_ID, Group.NEWLY_HELD, "wait")]
    assert not runtime.differences(STORE, 1)


def test_an_order_is_judged_as_of_now_and_not_as_of_when_it_was_placed(runtime: Runtime) -> None:
    assert noted(runtime, a_store(shadow=HOLDING), created_at=NOW - 61 * MINUTE) == [
        (ORDER_ID, Group.NEWLY_UNMATCHED, "")
    ]


def test_the_same_order_again_is_one_note(runtime: Runtime) -> None:
    noted(runtime, a_store(shadow=HOLDING))
    assert len(noted(runtime, a_store(shadow=HOLDING))) == 1


def test_what_both_decide_alike_is_not_noted(runtime: Runtime) -> None:
    assert noted(runtime, a_store(shadow=RuleSet(7, (Rule("another name", (Forward(),)),)))) == []


def test_without_a_shadow_nothing_is_asked(runtime: Runtime) -> None:
    assert noted(runtime, a_store()) == []


def test_a_note_that_cannot_be_kept_fails_nothing(runtime: Runtime) -> None:
    runtime.answers = False
    assert noted(runtime, a_store(shadow=HOLDING)) == []


def test_on_the_route_shipstation_each_of_its_orders_is_asked_about(runtime: Runtime) -> None:
    order = an_order(shipstation=(a_part(an_order(), "11"), a_part(an_order(), "12")))
    store = on_shipstation(shadow=RuleSet(7, (Rule("no", (Exclude(),)),)))

    note_shadow(store, order, RECORD, runtime=runtime, now=NOW)

    [difference] = runtime.differences(STORE, 7)
    assert difference.was.startswith("ShipStation order 11: ")
    assert difference.becomes.endswith("(1 more of its ShipStation orders differ)")
    by_direct = OrderRecord(STORE, ORDER_ID, route=Route.DIRECT)
    note_shadow(store, order, by_direct, runtime=runtime, now=NOW)
    [difference] = runtime.differences(STORE, 7)
    assert "ShipStation" not in difference.was
