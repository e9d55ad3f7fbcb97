"""What every OrderRecords promises: the fake and DynamoDB (moto) alike."""
# ruff: noqa: ANN401 - builders and stand-in clients take whatever they are given

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from threading import Lock
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber
from hypothesis import HealthCheck, given, settings

from jetbridge.aws.items import attribute, data_of
from jetbridge.aws.orders_table import SHORT, DynamoOrderRecords
from jetbridge.aws.values import restored
from jetbridge.domain.changes import Ordered, Wish
from jetbridge.domain.holds import Hold
from jetbridge.domain.identifiers import LineId, OrderId, StoreSlug
from jetbridge.domain.order import Address, Line, Order
from jetbridge.domain.record import (
    ConsignedLine,
    Consignment,
    ConsignmentState,
    Decision,
    Intent,
    NextLook,
    OrderRecord,
    Parcel,
    ParcelState,
    Status,
    UnitState,
)
from jetbridge.domain.shipstation import ShipStationLine, ShipStationOrder
from jetbridge.domain.timeline import TimelineEvent
from jetbridge.errors import ConfigurationError, ConflictError, InvalidRequestError, TransientError
from jetbridge.ports import DueOrder, KeptShipStationOrder
from tests.contract.conftest import client
from tests.fakes import InMemoryOrderRecords
from tests.strategies import order_records, orders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

    from jetbridge.ports import OrderRecords
    from tests.contract.conftest import Clock

STORE = StoreSlug("northwind-supply")
NOW = datetime(2026, 11, 29, 12, 0, 0, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

same_adapter_again = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
_numbers = itertools.count(1)


class OneCallAtATime:
    """moto checks a condition and writes without a lock in between, which DynamoDB never does."""

    def __init__(self, real: DynamoDBClient) -> None:
        self._real = real
        self._lock = Lock()

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._real, name)

        def alone(**request: Any) -> Any:
            with self._lock:
                return call(**request)

        return alone


@pytest.fixture
def stored_in_dynamodb(dynamodb: DynamoDBClient, clock: Clock) -> DynamoOrderRecords:
    alone: Any = OneCallAtATime(dynamodb)
    return DynamoOrderRecords(alone, "OrdersTable", clock=clock, sleep=_never_sleep)


@pytest.fixture(params=["fake", "dynamodb"])
def adapter(request: pytest.FixtureRequest, clock: Clock) -> OrderRecords:
    if request.param == "fake":
        return InMemoryOrderRecords(clock=clock)
    found: OrderRecords = request.getfixturevalue("stored_in_dynamodb")
    return found


def _never_sleep(_seconds: float) -> None:
    pytest.fail("nothing here should have to wait")


def an_id() -> OrderId:
    return OrderId(str(next(_numbers)))


def a_record(order_id: OrderId | None = None, **fields: Any) -> OrderRecord:
    wanted: dict[str, Any] = {"status": Status.HELD, "since": NOW, "due_at": NOW, "created_at": NOW} | fields
    return OrderRecord(STORE, order_id or an_id(), **wanted)


def an_order(order_id: str = "5412345678901", name: str = "Zoë Ångström 山田 🎁") -> Order:
    line = Line(LineId("14212345678901"), "TEE-BLK-M", "T-shirt „schwarz“", 2, 2)
    address = Address(name=name, address1="1 Example Street", city="Köln", country_code="DE")
    return Order(OrderId(order_id), "#1001", NOW, NOW, (line,), shipping_address=address, email="zoe@example.test")


def raw_state(dynamodb: DynamoDBClient, record: OrderRecord) -> dict[str, Any]:
    key = {"pk": attribute(f"ORDER#{record.store}#{record.order_id}"), "sk": attribute("STATE")}
    return dynamodb.get_item(TableName="OrdersTable", Key=key)["Item"]


class TestTheRecord:
    def test_what_was_never_written_is_not_there(self, adapter: OrderRecords) -> None:
        assert adapter.read(STORE, OrderId("404")) is None

    @given(record=order_records)
    @same_adapter_again
    def test_what_was_written_is_read_with_the_next_version(self, adapter: OrderRecords, record: OrderRecord) -> None:
        record = replace(record, order_id=an_id())

        written = adapter.write(record)

        assert written == replace(record, version=1)
        assert adapter.read(record.store, record.order_id) == written

    def test_what_people_and_rules_ordered_is_read_as_it_was_written(self, adapter: OrderRecords) -> None:
        line = ConsignedLine(LineId("14"), "GIFT-BOX", 2, components=(("TEE-BLK-M", 2), ("MUG", 1)))
        record = a_record(
            decision=Decision("forward", "Dear ones", 2, "2-Day", location="123"),
            ordered_by_person=Ordered(Wish.HOLD, "josé", NOW, "„customer called“"),
            shop_marked="ab12",
            told=("cd34", "ef56"),
            consignments=(Consignment(1, "northwind-supply:1:1", (line,), ConsignmentState.LIVE),),
        )

        written = adapter.write(record)

        assert adapter.read(STORE, record.order_id) == written == replace(record, version=1)

    def test_two_stores_may_have_an_order_of_the_same_id(self, adapter: OrderRecords) -> None:
        ours = adapter.write(a_record(OrderId("7"), name="#ours"))
        theirs = adapter.write(replace(ours, store=StoreSlug("southwind"), version=0, name="#theirs"))

        assert adapter.read(STORE, OrderId("7")) == ours
        assert adapter.read(StoreSlug("southwind"), OrderId("7")) == theirs

    def test_a_record_that_is_there_is_not_begun_again(self, adapter: OrderRecords) -> None:
        record = a_record()
        written = adapter.write(record)

        with pytest.raises(ConflictError):
            adapter.write(replace(record, name="#other"))

        assert adapter.read(STORE, record.order_id) == written

    def test_a_record_that_is_not_there_is_not_continued(self, adapter: OrderRecords) -> None:
        record = a_record(version=3)

        with pytest.raises(ConflictError):
            adapter.write(record)

        assert adapter.read(STORE, record.order_id) is None

    def test_of_two_writers_who_read_the_same_version_one_learns_that_it_came_second(
        self, adapter: OrderRecords
    ) -> None:
        read = adapter.write(a_record())
        first = adapter.write(replace(read, reason="first"))

        with pytest.raises(ConflictError):
            adapter.write(replace(read, reason="second"))

        assert adapter.read(STORE, read.order_id) == first

    def test_racing_writers_lose_nothing(self, adapter: OrderRecords) -> None:
        began = adapter.write(a_record())

        def count_one(_n: int) -> int:
            conflicts = 0
            while True:
                read = adapter.read(STORE, began.order_id)
                assert read
                try:
                    adapter.write(replace(read, attempts=read.attempts + 1))
                except ConflictError:
                    conflicts += 1
                else:
                    return conflicts

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(count_one, range(40)))

        ended = adapter.read(STORE, began.order_id)
        assert ended
        assert (ended.attempts, ended.version) == (40, 41)


class TestReadingMany:
    def test_more_than_a_hundred_are_read_and_missing_ones_left_out(self, adapter: OrderRecords) -> None:
        written = [adapter.write(a_record()) for _ in range(250)]
        missing = [OrderId("404"), OrderId("405")]

        found = list(adapter.read_many(STORE, [*missing, *(each.order_id for each in written)]))

        assert sorted(found, key=lambda each: int(each.order_id)) == written

    def test_an_id_named_twice_is_read_once(self, adapter: OrderRecords) -> None:
        written = adapter.write(a_record())

        assert list(adapter.read_many(STORE, [written.order_id] * 2)) == [written]

    def test_nothing_asked_nothing_read(self, adapter: OrderRecords) -> None:
        assert list(adapter.read_many(STORE, [])) == []


class TestFindingWhatIsDue:
    def test_what_is_due_now_or_earlier_is_found_with_the_way_to_look(self, adapter: OrderRecords) -> None:
        late = adapter.write(a_record(due_at=NOW - MINUTE, next_look=NextLook.TRACK))
        just = adapter.write(a_record(due_at=NOW, next_look=NextLook.BOTH))
        adapter.write(a_record(due_at=NOW + timedelta(microseconds=1)))

        assert set(adapter.due(NOW)) == {
            DueOrder(STORE, late.order_id, NOW - MINUTE, NextLook.TRACK),
            DueOrder(STORE, just.order_id, NOW, NextLook.BOTH),
        }

    def test_the_oldest_of_a_shard_comes_first(self, adapter: OrderRecords) -> None:
        minutes = [7, 3, 9, 1, 5, 8, 2, 6, 4, 0] * 3
        for late in minutes:
            adapter.write(a_record(due_at=NOW - late * MINUTE))

        found = list(adapter.due(NOW))

        assert len(found) == len(minutes)
        steps_back = sum(after.due_at < before.due_at for before, after in itertools.pairwise(found))
        assert steps_back <= 3, "sorted within each of the four shards"

    def test_a_record_that_is_due_later_now_is_found_then_and_not_twice(self, adapter: OrderRecords) -> None:
        first = adapter.write(a_record(due_at=NOW, next_look=NextLook.FORWARD))
        adapter.write(replace(first, due_at=NOW + MINUTE, next_look=NextLook.TRACK))

        assert list(adapter.due(NOW)) == []
        assert list(adapter.due(NOW + MINUTE)) == [DueOrder(STORE, first.order_id, NOW + MINUTE, NextLook.TRACK)]

    def test_orders_of_every_store_are_found(self, adapter: OrderRecords) -> None:
        adapter.write(a_record())
        adapter.write(replace(a_record(), store=StoreSlug("southwind")))

        assert {each.store for each in adapter.due(NOW)} == {"northwind-supply", "southwind"}


class TestFindingOpenOrders:
    def test_those_of_one_store_in_one_status_the_longest_in_it_first(self, adapter: OrderRecords) -> None:
        new, old, older = (adapter.write(a_record(since=NOW - n * MINUTE)) for n in range(3))
        adapter.write(a_record(status=Status.WAITING))
        adapter.write(replace(a_record(), store=StoreSlug("southwind")))

        assert list(adapter.open_orders(STORE, Status.HELD)) == [older.order_id, old.order_id, new.order_id]

    def test_a_record_is_found_by_the_status_it_has_now(self, adapter: OrderRecords) -> None:
        held = adapter.write(a_record())
        adapter.write(replace(held, status=Status.FORWARDED))

        assert list(adapter.open_orders(STORE, Status.HELD)) == []
        assert list(adapter.open_orders(STORE, Status.FORWARDED)) == [held.order_id]

    def test_a_finished_order_is_neither_open_nor_due_and_still_found_by_its_day(self, adapter: OrderRecords) -> None:
        followed = adapter.write(a_record(status=Status.SHIPPED, due_at=NOW))
        assert list(adapter.open_orders(STORE, Status.SHIPPED)) == [followed.order_id]

        adapter.write(replace(followed, status=Status.DELIVERED, due_at=None))

        assert list(adapter.open_orders(STORE, Status.SHIPPED)) == []
        assert list(adapter.open_orders(STORE, Status.DELIVERED)) == []
        assert list(adapter.due(NOW + timedelta(days=365))) == []
        assert list(adapter.orders_of_day(STORE, NOW.date())) == [followed.order_id]

    def test_a_finished_order_that_changes_is_open_again(self, adapter: OrderRecords) -> None:
        finished = adapter.write(a_record(status=Status.CANCELLED, due_at=None))
        adapter.write(replace(finished, status=Status.HELD, due_at=NOW))

        assert list(adapter.open_orders(STORE, Status.HELD)) == [finished.order_id]
        assert [each.order_id for each in adapter.due(NOW)] == [finished.order_id]


class TestFindingOrdersOfADay:
    def test_the_day_is_counted_in_utc(self, adapter: OrderRecords) -> None:
        new_york = timezone(timedelta(hours=-5))
        late_evening = adapter.write(a_record(created_at=datetime(2026, 11, 29, 23, 30, tzinfo=new_york)))
        adapter.write(a_record(created_at=datetime(2026, 11, 29, 18, 59, tzinfo=new_york)))

        assert list(adapter.orders_of_day(STORE, date(2026, 11, 30))) == [late_evening.order_id]

    def test_an_order_of_unknown_age_has_no_day(self, adapter: OrderRecords) -> None:
        adapter.write(a_record(created_at=None))

        assert list(adapter.orders_of_day(STORE, NOW.date())) == []


class TestReadingTheOrdersOfADay:
    def kept(self, adapter: OrderRecords, number: int) -> list[OrderId]:
        """Orders of one day, each with a snapshot, by the time they were created."""
        ids = [an_id() for _ in range(number)]
        for n, order_id in enumerate(ids):
            adapter.write(a_record(order_id, created_at=NOW + timedelta(seconds=n)))
            adapter.keep_snapshot(STORE, an_order(order_id), NOW)
        return ids

    def test_every_order_comes_with_its_snapshot_by_the_time_it_was_created(self, adapter: OrderRecords) -> None:
        ids = self.kept(adapter, 250)
        adapter.write(replace(a_record(), store=StoreSlug("southwind")))
        adapter.write(a_record(created_at=NOW + timedelta(days=1)))

        found = list(adapter.snapshots_of_day(STORE, NOW.date()))

        assert found == [(order_id, an_order(order_id)) for order_id in ids]

    @pytest.mark.parametrize("seen", [1, 99, 100, 101, 119, 120])
    def test_it_goes_on_behind_any_order_of_the_day(self, adapter: OrderRecords, seen: int) -> None:
        ids = self.kept(adapter, 120)

        found = adapter.snapshots_of_day(STORE, NOW.date(), after=ids[seen - 1])

        assert [order_id for order_id, _ in found] == ids[seen:]

    def test_orders_of_one_moment_are_neither_left_out_nor_given_twice(self, adapter: OrderRecords) -> None:
        ids = {adapter.write(a_record()).order_id for _ in range(9)}
        first, second, *_ = (order_id for order_id, _ in adapter.snapshots_of_day(STORE, NOW.date()))

        rest = [order_id for order_id, _ in adapter.snapshots_of_day(STORE, NOW.date(), after=second)]

        assert len(rest) == 7
        assert {first, second, *rest} == ids

    def test_an_order_without_a_snapshot_is_there_all_the_same(self, adapter: OrderRecords, clock: Clock) -> None:
        never, expired, kept = (adapter.write(a_record(created_at=NOW + n * MINUTE)).order_id for n in range(3))
        adapter.keep_snapshot(STORE, an_order(expired), clock() - timedelta(days=90))
        adapter.keep_snapshot(STORE, an_order(kept), clock())

        found = list(adapter.snapshots_of_day(STORE, NOW.date()))

        assert found == [(never, None), (expired, None), (kept, an_order(kept))]

    def test_a_day_without_orders_has_none(self, adapter: OrderRecords) -> None:
        assert list(adapter.snapshots_of_day(STORE, NOW.date())) == []

    @pytest.mark.parametrize("of_another_day", [True, False])
    def test_it_does_not_guess_where_to_go_on(self, adapter: OrderRecords, *, of_another_day: bool) -> None:
        after = OrderId("404")
        if of_another_day:
            after = adapter.write(a_record(created_at=NOW - timedelta(days=1))).order_id
        self.kept(adapter, 1)

        with pytest.raises(InvalidRequestError):
            list(adapter.snapshots_of_day(STORE, NOW.date(), after=after))


class TestTheSnapshot:
    def test_which_of_its_parts_was_looked_at_is_not_kept(self, adapter: OrderRecords) -> None:
        order = an_order()

        adapter.keep_snapshot(STORE, replace(order, part=a_part()), NOW)

        assert adapter.read_snapshot(STORE, order.id) == order

    @given(order=orders())
    @same_adapter_again
    def test_it_is_read_as_it_was_kept(self, adapter: OrderRecords, order: Order) -> None:
        adapter.keep_snapshot(STORE, order, NOW)

        assert adapter.read_snapshot(STORE, order.id) == order

    def test_text_of_every_script_and_half_an_emoji_survive(self, adapter: OrderRecords) -> None:
        order = an_order(name="Zoë Ångström 山田 🎁 \ud83d \x00")

        adapter.keep_snapshot(STORE, order, NOW)

        assert adapter.read_snapshot(STORE, order.id) == order

    def test_the_last_one_counts(self, adapter: OrderRecords) -> None:
        adapter.keep_snapshot(STORE, an_order(name="Before"), NOW)
        adapter.keep_snapshot(STORE, an_order(name="After"), NOW)

        assert adapter.read_snapshot(STORE, an_order().id) == an_order(name="After")

    def test_there_is_none_before_the_first(self, adapter: OrderRecords) -> None:
        assert adapter.read_snapshot(STORE, OrderId("404")) is None

    def test_an_expired_one_is_not_given_although_it_is_still_stored(self, adapter: OrderRecords, clock: Clock) -> None:
        order = an_order()
        adapter.keep_snapshot(STORE, order, clock())

        clock.pass_by(days=89, hours=23)
        assert adapter.read_snapshot(STORE, order.id) == order
        clock.pass_by(hours=2)
        assert adapter.read_snapshot(STORE, order.id) is None

    def test_it_leaves_the_record_alone(self, adapter: OrderRecords) -> None:
        written = adapter.write(a_record(an_order().id))

        adapter.keep_snapshot(STORE, an_order(), NOW)

        assert adapter.read(STORE, written.order_id) == written
        assert [each.order_id for each in adapter.due(NOW)] == [written.order_id]


class TestTheTimeline:
    def test_the_oldest_entry_comes_first(self, adapter: OrderRecords) -> None:
        events = [
            TimelineEvent(NOW + n * MINUTE, "forward_order", "person", "held", ("held: unpaid",), ("payment: waiting",))
            for n in range(3)
        ]
        for event in reversed(events):
            adapter.note(STORE, OrderId("7"), event)

        assert adapter.timeline(STORE, OrderId("7")) == events
        assert adapter.timeline(STORE, OrderId("8")) == []

    def test_entries_of_one_moment_are_all_kept_and_the_same_one_only_once(self, adapter: OrderRecords) -> None:
        first, second = (TimelineEvent(NOW, by, "sweep", "held") for by in ("forward_order", "sync_tracking"))
        for event in (first, second, first):
            adapter.note(STORE, OrderId("7"), event)

        found = adapter.timeline(STORE, OrderId("7"))
        assert sorted(found, key=lambda event: event.by) == [first, second]

    def test_an_expired_entry_is_not_given_although_it_is_still_stored(
        self, adapter: OrderRecords, clock: Clock
    ) -> None:
        old = TimelineEvent(clock() - timedelta(days=91), "forward_order", "sweep", "held")
        new = TimelineEvent(clock(), "forward_order", "sweep", "forwarded")
        adapter.note(STORE, OrderId("7"), old)
        adapter.note(STORE, OrderId("7"), new)

        assert adapter.timeline(STORE, OrderId("7")) == [new]


class TestFinishedParcels:
    def test_keeping_one_again_changes_nothing_and_leaves_everything_else_alone(self, adapter: OrderRecords) -> None:
        written = adapter.write(a_record())
        parcel = Parcel("102345678", ((LineId("1"), 2),), ParcelState.DELIVERED, "9400111899223100001234", "USPS")

        adapter.keep_parcel(STORE, written.order_id, parcel)
        adapter.keep_parcel(STORE, written.order_id, parcel)

        assert adapter.read(STORE, written.order_id) == written
        assert adapter.timeline(STORE, written.order_id) == []
        assert [each.order_id for each in adapter.due(NOW)] == [written.order_id]


# -- what only DynamoDB has ---------------------------------------------------------------------------------------


def a_shipped_record() -> OrderRecord:
    """A realistic record: three lines, one parcel, every time known."""
    lines = tuple(ConsignedLine(LineId(str(14212345678901 + n)), f"TEE-BLK-M-{n:03}", 2) for n in range(3))
    parcel = Parcel(
        "102345678",
        tuple((line.line_id, line.quantity) for line in lines),
        ParcelState.ANNOUNCED,
        number="9400111899223100001234",
        carrier="USPS",
        url="https://tools.usps.com/go/TrackConfirmAction?tLabels=9400111899223100001234",
        fulfillment_id="gid://shopify/Fulfillment/4567890123456",
    )
    consignment = Consignment(
        1,
        "northwind-supply:5412345678901:1",
        lines,
        ConsignmentState.LIVE,
        "0123456789abcdef",
        "301234567",
        NOW,
        parcels=(parcel,),
    )
    return OrderRecord(
        STORE,
        OrderId("5412345678901"),
        name="#10234",
        created_at=NOW,
        status=Status.SHIPPED,
        since=NOW,
        looked_at=NOW,
        jetpack_looked_at=NOW,
        due_at=NOW,
        next_look=NextLook.TRACK,
        ordered=6,
        decision=Decision("forward", "Order is imported from Shopify → forward to Jetpack", 1, "Standard"),
        consignments=(consignment,),
        seen_hash="0123456789abcdef",
    )


def size_of(value: dict[str, Any]) -> int:
    """Count an attribute's bytes as DynamoDB documents it (Developer Guide, "DynamoDB item sizes and formats")."""
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return (len(content) + 1) // 2 + 1
        case "L":
            return 3 + sum(1 + size_of(each) for each in content)
        case "M":
            return 3 + sum(1 + len(name) + size_of(each) for name, each in content.items())
        case _:
            return 1


class TestTheStateItem:
    def test_three_lines_and_a_parcel_fit_into_one_write_unit(
        self, stored_in_dynamodb: DynamoOrderRecords, dynamodb: DynamoDBClient
    ) -> None:
        record = a_shipped_record()
        stored_in_dynamodb.write(record)

        size = sum(len(name) + size_of(value) for name, value in raw_state(dynamodb, record).items())

        assert size <= 1024, f"{size} bytes"

    def test_an_item_of_an_earlier_release_is_still_read(
        self, stored_in_dynamodb: DynamoOrderRecords, dynamodb: DynamoDBClient
    ) -> None:
        """The stored form is a contract: what is spelled out here lies in merchants' tables."""
        text = "2026-11-29T12:00:00.123456Z"
        stored = {
            "pk": "ORDER#northwind-supply#5412345678901",
            "sk": "STATE",
            "version": 7,
            "name": "#10234",
            "status": "held",
            "since": text,
            "due_at": text,
            "created_at": text,
            "looked_at": text,
            "next_look": "both",
            "ordered": 3,
            "others": [["waiting", 1]],
            "hold": {"re": "jetpack_hold", "since": text, "de": "OnHold"},
            "decision": {"oc": "forward", "ru": "everything", "rv": 2, "so": "Standard"},
            "store_status": "northwind-supply#held",
            "due_shard": "DUE#1#both",
            "store_day": "northwind-supply#2026-11-29",
            "consignments": [
                {
                    "n": 1,
                    "ref": "northwind-supply:5412345678901:1",
                    "l": [{"li": "14", "sku": "TEE", "q": 2}],
                    "st": "live",
                    "jo": "301",
                    "i": {"ac": "cancel", "by": "forward_order", "un": text},
                    "p": [{"si": "102", "u": [["14", 1]], "st": "announced", "no": "9400"}],
                    "ca": True,
                }
            ],
            "a_field_of_tomorrow": "passed over",
        }
        dynamodb.put_item(TableName="OrdersTable", Item={name: attribute(value) for name, value in stored.items()})

        assert stored_in_dynamodb.read(STORE, OrderId("5412345678901")) == OrderRecord(
            STORE,
            OrderId("5412345678901"),
            "#10234",
            version=7,
            created_at=NOW,
            status=Status.HELD,
            since=NOW,
            looked_at=NOW,
            due_at=NOW,
            next_look=NextLook.BOTH,
            ordered=3,
            others=((UnitState.WAITING, 1),),
            hold=Hold("jetpack_hold", NOW, "OnHold"),
            decision=Decision("forward", "everything", 2, "Standard"),
            consignments=(
                Consignment(
                    1,
                    "northwind-supply:5412345678901:1",
                    (ConsignedLine(LineId("14"), "TEE", 2),),
                    ConsignmentState.LIVE,
                    jetpack_order_id="301",
                    intent=Intent("cancel", "forward_order", NOW),
                    parcels=(Parcel("102", ((LineId("14"), 1),), ParcelState.ANNOUNCED, "9400"),),
                    cancel_asked=True,
                ),
            ),
        )

    def test_a_finished_order_leaves_both_sparse_indexes(
        self, stored_in_dynamodb: DynamoOrderRecords, dynamodb: DynamoDBClient
    ) -> None:
        record = a_shipped_record()
        written = stored_in_dynamodb.write(record)
        assert {"store_status", "due_shard", "due_at", "store_day"} <= raw_state(dynamodb, record).keys()

        stored_in_dynamodb.write(replace(written, status=Status.DELIVERED, due_at=None))

        assert not {"store_status", "due_shard", "due_at"} & raw_state(dynamodb, record).keys()
        assert "store_day" in raw_state(dynamodb, record)

    def test_a_status_nobody_knows_is_not_guessed(
        self, stored_in_dynamodb: DynamoOrderRecords, dynamodb: DynamoDBClient
    ) -> None:
        written = stored_in_dynamodb.write(a_record())
        stored = raw_state(dynamodb, written) | {"status": attribute("teleported")}
        dynamodb.put_item(TableName="OrdersTable", Item=stored)

        with pytest.raises(ConfigurationError, match="not a stored OrderRecord") as caught:
            stored_in_dynamodb.read(STORE, written.order_id)
        assert "teleported" not in str(caught.value)

    @pytest.mark.parametrize("wrong", ["3", None, True, [3]])
    def test_a_field_of_another_kind_is_not_guessed(
        self, stored_in_dynamodb: DynamoOrderRecords, dynamodb: DynamoDBClient, wrong: object
    ) -> None:
        written = stored_in_dynamodb.write(a_record())
        dynamodb.put_item(TableName="OrdersTable", Item=raw_state(dynamodb, written) | {"attempts": attribute(wrong)})

        with pytest.raises(ConfigurationError, match="not a stored OrderRecord"):
            stored_in_dynamodb.read(STORE, written.order_id)

    def test_what_nobody_said_how_to_store_is_refused(self) -> None:
        with pytest.raises(TypeError, match="float is not stored"):
            attribute(1.5)
        with pytest.raises(NotImplementedError, match="float"):
            restored(float, 1.5)

    def test_no_two_names_become_the_same_short_one(self) -> None:
        assert len(set(SHORT.values())) == len(SHORT)
        assert not set(SHORT.values()) & {"n", "by", "at", "sku", "since", "refused", "wish", *SHORT}

    def test_a_moment_without_a_time_zone_is_refused(self, stored_in_dynamodb: DynamoOrderRecords) -> None:
        with pytest.raises(ValueError, match="time zone"):
            stored_in_dynamodb.write(a_record(due_at=datetime(2026, 11, 29)))  # noqa: DTZ001 - that is the point


class TestWhatLiesBesideIt:
    def test_personal_data_is_stored_in_the_snapshot_only_and_ends(
        self, stored_in_dynamodb: DynamoOrderRecords, dynamodb: DynamoDBClient
    ) -> None:
        order = an_order()
        stored_in_dynamodb.write(a_record(order.id))
        stored_in_dynamodb.keep_snapshot(STORE, order, NOW)
        stored_in_dynamodb.note(STORE, order.id, TimelineEvent(NOW, "forward_order", "sweep", "held"))

        items = [data_of(each) for each in dynamodb.scan(TableName="OrdersTable")["Items"]]

        by_kind = {each["sk"].partition("#")[0]: each for each in items}
        end = int((NOW + timedelta(days=90)).timestamp())
        assert by_kind.keys() == {"STATE", "SNAPSHOT", "EVENT"}
        assert (by_kind["SNAPSHOT"]["expires_at"], by_kind["EVENT"]["expires_at"]) == (end, end)
        assert "expires_at" not in by_kind["STATE"]
        del by_kind["SNAPSHOT"]
        assert "Example Street" not in json.dumps(by_kind)

    def test_a_snapshot_that_cannot_be_read_is_none(
        self, stored_in_dynamodb: DynamoOrderRecords, dynamodb: DynamoDBClient, clock: Clock
    ) -> None:
        key = {"pk": attribute(f"ORDER#{STORE}#7"), "sk": attribute("SNAPSHOT")}
        end = attribute(int(clock().timestamp()) + 60)
        for damaged in (b"not compressed", b"x\x9c\xab\xae\x05\x00\x01u\x00\xf9"):
            dynamodb.put_item(TableName="OrdersTable", Item=key | {"order": {"B": damaged}, "expires_at": end})

            assert stored_in_dynamodb.read_snapshot(STORE, OrderId("7")) is None

    def test_a_finished_parcel_keeps_its_number_and_never_ends(
        self, stored_in_dynamodb: DynamoOrderRecords, dynamodb: DynamoDBClient
    ) -> None:
        parcel = Parcel("102", ((LineId("1"), 2),), ParcelState.DELIVERED, "9400111899223100001234", "USPS")
        stored_in_dynamodb.keep_parcel(STORE, OrderId("7"), parcel)

        (stored,) = (data_of(each) for each in dynamodb.scan(TableName="OrdersTable")["Items"])

        assert stored == {
            "pk": "ORDER#northwind-supply#7",
            "sk": "PARCEL#102",
            "shipment_id": "102",
            "units": [["1", 2]],
            "state": "delivered",
            "number": "9400111899223100001234",
            "carrier": "USPS",
        }


class TestPages:
    def test_every_page_is_followed(self, stored_in_dynamodb: DynamoOrderRecords, pages: list[Any]) -> None:
        written = {stored_in_dynamodb.write(a_record(since=NOW - n * MINUTE)).order_id for n in range(7)}
        for n in range(5):
            stored_in_dynamodb.note(STORE, OrderId("7"), TimelineEvent(NOW + n * MINUTE, "by", "cause", "held"))

        assert {each.order_id for each in stored_in_dynamodb.due(NOW)} == written
        assert set(stored_in_dynamodb.open_orders(STORE, Status.HELD)) == written
        assert set(stored_in_dynamodb.orders_of_day(STORE, NOW.date())) == written
        assert {order_id for order_id, _ in stored_in_dynamodb.snapshots_of_day(STORE, NOW.date())} == written
        assert len(stored_in_dynamodb.timeline(STORE, OrderId("7"))) == 5
        assert sum("ExclusiveStartKey" in page for page in pages) > 5

    def test_snapshots_are_read_only_as_far_as_they_are_wanted(
        self, stored_in_dynamodb: DynamoOrderRecords, dynamodb: DynamoDBClient, pages: list[Any]
    ) -> None:
        for n in range(250):
            stored_in_dynamodb.write(a_record(created_at=NOW + timedelta(seconds=n)))
        asked: list[int] = []

        def note(params: dict[str, Any], **_: object) -> None:
            asked.append(len(params["RequestItems"]["OrdersTable"]["Keys"]))

        dynamodb.meta.events.register("provide-client-params.dynamodb.BatchGetItem", note)
        try:
            found = stored_in_dynamodb.snapshots_of_day(STORE, NOW.date())
            for _ in range(100):
                next(found)
            assert (asked, len(pages)) == ([100], 50)
            assert len(list(found)) == 150
        finally:
            dynamodb.meta.events.unregister("provide-client-params.dynamodb.BatchGetItem", note)

        assert asked == [100, 100, 50]

    @pytest.fixture
    def pages(self, dynamodb: DynamoDBClient) -> Iterator[list[Any]]:
        """Let queries give two items a page, and keep what was asked."""
        asked: list[Any] = []

        def small(params: dict[str, Any], **_: object) -> None:
            params["Limit"] = 2
            asked.append(dict(params))

        event = "before-parameter-build.dynamodb.Query"
        dynamodb.meta.events.register(event, small)
        yield asked
        dynamodb.meta.events.unregister(event, small)


@dataclass
class LeavesKeysOut:
    """A client that answers only the first keys of a batch, as DynamoDB may."""

    real: DynamoDBClient
    answered: int

    def query(self, **request: Any) -> Any:
        return self.real.query(**request)

    def batch_get_item(self, RequestItems: dict[str, Any]) -> Any:  # noqa: N803 - boto3's name
        keys = RequestItems["OrdersTable"]["Keys"]
        left = {"OrdersTable": {"Keys": keys[self.answered :]}} if keys[self.answered :] else {}
        if self.answered == 0:
            return {"Responses": {}, "UnprocessedKeys": left}
        request: Any = {"OrdersTable": {"Keys": keys[: self.answered]}}
        return {**self.real.batch_get_item(RequestItems=request), "UnprocessedKeys": left}


class TestKeysLeftOut:
    def reader(self, dynamodb: DynamoDBClient, answered: int, waits: list[float]) -> DynamoOrderRecords:
        lazy: Any = LeavesKeysOut(dynamodb, answered)
        return DynamoOrderRecords(lazy, "OrdersTable", sleep=waits.append, jitter=lambda: 1.0)

    def test_they_are_asked_for_again_a_little_later(
        self, stored_in_dynamodb: DynamoOrderRecords, dynamodb: DynamoDBClient
    ) -> None:
        ids = [stored_in_dynamodb.write(a_record()).order_id for _ in range(5)]
        waits: list[float] = []

        found = list(self.reader(dynamodb, 2, waits).read_many(STORE, ids))

        assert {each.order_id for each in found} == set(ids)
        assert waits == [0.1, 0.2]

    def test_so_are_snapshots(self, stored_in_dynamodb: DynamoOrderRecords, dynamodb: DynamoDBClient) -> None:
        ids = [stored_in_dynamodb.write(a_record(created_at=NOW + n * MINUTE)).order_id for n in range(5)]
        for order_id in ids:
            stored_in_dynamodb.keep_snapshot(STORE, an_order(order_id), NOW)
        waits: list[float] = []
        lazy: Any = LeavesKeysOut(dynamodb, 2)
        reader = DynamoOrderRecords(lazy, "OrdersTable", sleep=waits.append, jitter=lambda: 1.0, clock=lambda: NOW)

        found = list(reader.snapshots_of_day(STORE, NOW.date()))

        assert found == [(order_id, an_order(order_id)) for order_id in ids]
        assert waits == [0.1, 0.2]

    def test_but_not_for_ever(self, dynamodb: DynamoDBClient) -> None:
        waits: list[float] = []

        with pytest.raises(TransientError, match="left out"):
            list(self.reader(dynamodb, 0, waits).read_many(STORE, [OrderId("7")]))

        assert len(waits) == 7
        assert sum(waits) < 15


class TestFailures:
    @pytest.mark.parametrize(
        ("code", "status", "ours"),
        [
            ("ProvisionedThroughputExceededException", 400, TransientError),
            ("ThrottlingException", 400, TransientError),
            ("RequestLimitExceeded", 400, TransientError),
            ("InternalServerError", 500, TransientError),
            ("SomethingNew", 503, TransientError),
            ("AccessDeniedException", 400, ConfigurationError),
            ("ResourceNotFoundException", 400, ConfigurationError),
            ("ValidationException", 400, ConfigurationError),
        ],
    )
    def test_an_answer_of_dynamodb_becomes_the_error_that_says_what_to_do(
        self, code: str, status: int, ours: type[Exception]
    ) -> None:
        calls: list[tuple[str, Callable[[DynamoOrderRecords], object]]] = [
            ("put_item", lambda records: records.write(a_record())),
            ("put_item", lambda records: records.keep_snapshot(STORE, an_order(), NOW)),
            ("get_item", lambda records: records.read(STORE, OrderId("7"))),
            ("query", lambda records: list(records.due(NOW))),
            ("batch_get_item", lambda records: list(records.read_many(STORE, [OrderId("7")]))),
        ]
        for operation, call in calls:
            dynamodb = client("dynamodb")
            with Stubber(dynamodb) as stubber:
                stubber.add_client_error(operation, code, http_status_code=status)
                with pytest.raises(ours) as caught:
                    call(DynamoOrderRecords(dynamodb, "OrdersTable"))
            assert code in str(caught.value)

    def test_nobody_at_the_other_end_is_a_passing_failure(self, aws: None) -> None:  # noqa: ARG002 - no real network
        from boto3 import client as new_client
        from botocore.config import Config

        config = Config(retries={"total_max_attempts": 1}, connect_timeout=1)
        deaf = new_client("dynamodb", "us-east-1", endpoint_url="http://127.0.0.1:1", config=config)

        with pytest.raises(TransientError, match="EndpointConnectionError"):
            DynamoOrderRecords(deaf, "OrdersTable").read(STORE, OrderId("7"))

    def test_what_botocore_refuses_to_send_is_not_quoted(
        self, dynamodb: DynamoDBClient, request: pytest.FixtureRequest
    ) -> None:
        def quote_it(params: dict[str, Any], **_: object) -> None:
            params["Item"]["email"] = "Example Street"

        event = "before-parameter-build.dynamodb.PutItem"
        dynamodb.meta.events.register(event, quote_it)
        request.addfinalizer(lambda: dynamodb.meta.events.unregister(event, quote_it))

        with pytest.raises(ConfigurationError, match="ParamValidationError") as caught:
            DynamoOrderRecords(dynamodb, "OrdersTable").keep_snapshot(STORE, an_order(), NOW)

        assert "Example Street" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


# -- ShipStation's book ------------------------------------------------------------------------------------------


def a_part(part_id: str = "800000001", **changes: Any) -> ShipStationOrder:
    lines = (ShipStationLine("14212345678901", "TEE-BLK-M", "T-shirt „schwarz“", 2),)
    there = Address(name="Zoë Ångström 🎁", city="Köln")
    wanted: dict[str, Any] = {"ship_to": there, "lines": lines, "tags": ("3PL",)} | changes
    return ShipStationOrder(part_id, "1001", "5412345678901-1", "awaiting_shipment", "90001", NOW, **wanted)


def test_an_order_of_shipstation_comes_back_as_it_was_kept(adapter: OrderRecords) -> None:
    part = a_part(f"ss{an_id()}")
    assert adapter.read_shipstation_order(STORE, part.id) is None
    adapter.keep_shipstation_order(STORE, part, None, NOW)
    assert adapter.read_shipstation_order(STORE, part.id) == KeptShipStationOrder(part, NOW, None)
    assert adapter.read_shipstation_order(StoreSlug("another"), part.id) is None


def test_whose_part_it_is_is_not_forgotten_by_a_later_look(adapter: OrderRecords) -> None:
    part = a_part(f"ss{an_id()}")
    adapter.keep_shipstation_order(STORE, part, OrderId("5412345678901"), NOW)
    later = replace(part, status="on_hold")
    adapter.keep_shipstation_order(STORE, later, None, NOW + MINUTE)
    assert adapter.read_shipstation_order(STORE, part.id) == KeptShipStationOrder(
        later, NOW + MINUTE, OrderId("5412345678901")
    )


def test_an_older_look_at_shipstation_overwrites_no_newer_one(adapter: OrderRecords) -> None:
    part = a_part(f"ss{an_id()}")
    adapter.keep_shipstation_order(STORE, replace(part, status="shipped"), None, NOW + MINUTE)
    adapter.keep_shipstation_order(STORE, part, None, NOW)
    kept = adapter.read_shipstation_order(STORE, part.id)
    assert kept
    assert (kept.order.status, kept.at) == ("shipped", NOW + MINUTE)


def test_an_order_of_shipstation_expires_like_a_snapshot(adapter: OrderRecords, clock: Clock) -> None:
    part = a_part(f"ss{an_id()}")
    adapter.keep_shipstation_order(STORE, part, None, clock())
    clock.pass_by(days=91)
    assert adapter.read_shipstation_order(STORE, part.id) is None


def test_redacting_empties_what_names_the_customer_and_keeps_the_books(adapter: OrderRecords, clock: Clock) -> None:
    order, part = an_order(an_id()), a_part(f"ss{an_id()}")
    written = adapter.write(a_record(order.id, parts=(part.id,), ordered=2))
    adapter.keep_snapshot(STORE, order, clock())
    adapter.keep_shipstation_order(STORE, part, order.id, clock())
    adapter.note(STORE, order.id, TimelineEvent(clock(), "forward_order", "c", "held", ("held: unpaid",)))
    for _ in range(2):
        adapter.redact(STORE, order.id)
        assert adapter.read_snapshot(STORE, order.id) is None
        assert adapter.timeline(STORE, order.id) == []
        assert adapter.read_shipstation_order(STORE, part.id) is None
        assert adapter.read(STORE, order.id) == written


def test_redacting_an_order_nobody_knows_is_harmless(adapter: OrderRecords) -> None:
    adapter.redact(STORE, an_id())
