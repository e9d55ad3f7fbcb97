"""The small books: ledgers, holds and messages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jetbridge.domain.holds import OWNERS, Hold
from jetbridge.domain.identifiers import OrderId, StoreSlug
from jetbridge.domain.ledger import balance
from jetbridge.domain.record import OrderRecord, Status, UnitState
from jetbridge.messages import WakeUp
from tests.bridge import Bridge
from tests.builders import NOW, ORDER_ID, STORE, a_line, an_order


def test_a_ledger_adds_up_and_names_what_does_not() -> None:
    bridge = Bridge()
    bridge.put(an_order(a_line(quantity=3)))
    bridge.forward()
    good = bridge.record()
    bad = replace(good, order_id=OrderId("2"), ordered=5)
    waiting = OrderRecord(STORE, OrderId("3"), ordered=1, others=((UnitState.WAITING, 1),))
    ledger = balance([good, bad, waiting])
    assert (ledger.orders, ledger.ordered) == (3, 9)
    assert ledger.units == {UnitState.FORWARDED: 6, UnitState.WAITING: 1}
    assert ledger.statuses == {Status.FORWARDED: 2, Status.WAITING: 1}
    assert ledger.unbalanced == ["2"]


def test_holds_outside_the_list_are_refused_and_all_others_have_an_owner() -> None:
    with pytest.raises(ValueError, match="unknown hold reason"):
        Hold("because", NOW)
    assert {Hold(reason, NOW).owner for reason in OWNERS} == {"merchant", "jetpack", "customer"}


def test_messages_outlive_the_journey_and_strangers_are_refused() -> None:
    wake_up = WakeUp(StoreSlug("demo"), "order", ORDER_ID, "shopify:orders/updated:w-1", 1795305600.25)
    assert WakeUp.from_json(wake_up.to_json()) == wake_up
    other_cause = replace(wake_up, cause="shopify:orders/updated:w-2")
    assert other_cause.group == wake_up.group
    assert other_cause.deduplication_id != wake_up.deduplication_id
    assert len(wake_up.deduplication_id) <= 128
    for text in ("", "[]", "{}", '{"store": "demo"}', wake_up.to_json().replace('"order"', '"parcel"')):
        with pytest.raises(ValueError, match=r"."):
            WakeUp.from_json(text)
