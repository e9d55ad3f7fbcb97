"""Shopify's compliance topics: what names a customer goes, what counts stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from jetbridge.domain.changes import Ordered, Wish
from jetbridge.domain.identifiers import OrderId
from jetbridge.domain.record import OrderRecord, Status
from jetbridge.errors import CredentialsRejectedError
from jetbridge.messages import WakeUp
from jetbridge.use_cases.redact_customer import note_data_request, redact_customer
from tests.bridge import Bridge
from tests.builders import NOW, ORDER_ID, STORE, an_order


@pytest.fixture
def bridge() -> Bridge:
    made = Bridge()
    made.put(an_order())
    made.forward()
    return made


def redact(bridge: Bridge, order_id: str) -> int:
    wake_up = WakeUp(STORE, "redaction", order_id, "shopify:customers/redact:1", NOW.timestamp())
    return redact_customer(wake_up, records=bridge.records, settings=bridge.settings, partners=bridge, clock=bridge.now)


def test_a_redacted_order_keeps_its_counts_and_nothing_else(bridge: Bridge) -> None:
    before = bridge.record()
    assert redact(bridge, ORDER_ID) == 1
    assert redact(bridge, ORDER_ID) == 1, "it is safe to repeat"
    assert bridge.records.read_snapshot(STORE, ORDER_ID) is None
    assert bridge.records.timeline(STORE, ORDER_ID) == []
    assert bridge.record() == before


def test_what_a_person_wrote_about_the_order_goes_too(bridge: Bridge) -> None:
    ordered = Ordered(Wish.HOLD, "anna", NOW, "Mrs Sample moves")
    bridge.records.write(replace(bridge.record(), ordered_by_person=ordered))
    bridge.forward()
    bridge.put(replace(bridge.order, financial_status="PENDING"))
    bridge.forward()
    redact(bridge, ORDER_ID)
    assert bridge.record().ordered_by_person == replace(ordered, reason="")
    assert "Sample" not in repr(bridge.record())


def test_a_shop_that_left_is_redacted_as_a_whole_open_and_finished_orders(bridge: Bridge) -> None:
    finished, old = OrderId("11"), OrderId("12")
    bridge.records.write(OrderRecord(STORE, finished, status=Status.DELIVERED, created_at=NOW - timedelta(days=60)))
    for order_id in (finished, old):
        bridge.records.keep_snapshot(STORE, replace(an_order(), id=order_id), NOW)
    held = OrderRecord(STORE, old, status=Status.HELD, since=NOW, due_at=NOW, created_at=NOW - timedelta(days=700))
    bridge.records.write(held)
    assert redact(bridge, "shop") == 0, "the shop still takes our credentials: it is another's message"
    assert bridge.records.read_snapshot(STORE, ORDER_ID)
    bridge.the_shop.fail("read_order", CredentialsRejectedError())
    assert redact(bridge, "shop") == 3
    for order_id in (ORDER_ID, finished, old):
        assert bridge.records.read_snapshot(STORE, order_id) is None


def test_a_data_request_is_noted_where_the_data_is(bridge: Bridge) -> None:
    wake_up = WakeUp(STORE, "data_request", ORDER_ID, "shopify:customers/data_request:1", NOW.timestamp())
    assert note_data_request(wake_up, records=bridge.records, clock=bridge.now)
    assert "asks for their data" in bridge.records.timeline(STORE, ORDER_ID)[-1].did[0]
    unknown = replace(wake_up, id="404")
    assert not note_data_request(unknown, records=bridge.records, clock=bridge.now)
