"""What every Runtime promises: the fake and DynamoDB (moto) alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from jetbridge.aws.items import attribute, data_of
from jetbridge.aws.runtime_table import DynamoRuntime
from jetbridge.domain.identifiers import StoreSlug
from jetbridge.domain.replay import Difference, JobState, ReplayJob
from jetbridge.errors import ConfigurationError, TransientError
from tests.contract.conftest import client
from tests.fakes import InMemoryRuntime

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from jetbridge.ports import Runtime
    from tests.contract.conftest import Clock

NORTHWIND = StoreSlug("northwind-supply")
NOON = datetime(2026, 11, 29, 12, 0, 0, 987654, tzinfo=UTC)
SOUTHWIND = StoreSlug("southwind")


def a_difference(order_id: str = "5412345678901", **changes: str) -> Difference:
    wanted = {"was": "forward", "becomes": "hold „warten“", "group": "newly_held", "rule": "Wait"} | changes
    return Difference(order_id, f"#{order_id}", **wanted)


def a_job(job_id: str = "job-1", **changes: Any) -> ReplayJob:  # noqa: ANN401 - fields of the job
    wanted: dict[str, Any] = {"state": JobState.RUNNING, "started_at": NOON, "by": "maria"} | changes
    return ReplayJob(job_id, NORTHWIND, draft=4, active=3, days=30, **wanted)


@pytest.fixture
def stored_in_dynamodb(dynamodb: DynamoDBClient, clock: Clock) -> DynamoRuntime:
    return DynamoRuntime(dynamodb, "RuntimeTable", clock=clock)


@pytest.fixture(params=["fake", "dynamodb"])
def adapter(request: pytest.FixtureRequest, clock: Clock) -> Runtime:
    if request.param == "fake":
        return InMemoryRuntime(clock=clock)
    found: Runtime = request.getfixturevalue("stored_in_dynamodb")
    return found


def test_a_sweep_that_never_ran_has_no_cursor(adapter: Runtime) -> None:
    assert adapter.cursor(NORTHWIND, "orders") is None


def test_a_cursor_is_read_as_it_was_saved_and_moves(adapter: Runtime) -> None:
    adapter.save_cursor(NORTHWIND, "orders", NOON)
    assert adapter.cursor(NORTHWIND, "orders") == NOON

    adapter.save_cursor(NORTHWIND, "orders", NOON + timedelta(minutes=5))
    assert adapter.cursor(NORTHWIND, "orders") == NOON + timedelta(minutes=5)


def test_every_store_and_every_sweep_has_a_cursor_of_its_own(adapter: Runtime) -> None:
    adapter.save_cursor(NORTHWIND, "orders", NOON)

    assert adapter.cursor(NORTHWIND, "fulfillment_orders") is None
    assert adapter.cursor(StoreSlug("southwind"), "orders") is None


def test_a_cursor_that_has_not_moved_for_thirty_days_is_none_although_it_is_still_stored(
    adapter: Runtime, clock: Clock
) -> None:
    adapter.save_cursor(NORTHWIND, "orders", NOON - timedelta(days=300))

    clock.pass_by(days=29)
    assert adapter.cursor(NORTHWIND, "orders") == NOON - timedelta(days=300)
    clock.pass_by(days=1)
    assert adapter.cursor(NORTHWIND, "orders") is None


def test_a_partner_that_never_sent_a_webhook_has_no_last_one(adapter: Runtime) -> None:
    adapter.save_cursor(NORTHWIND, "shopify", NOON)

    assert adapter.last_event(NORTHWIND, "shopify") is None


def test_the_last_webhook_is_remembered_by_store_and_partner(adapter: Runtime) -> None:
    adapter.note_event(NORTHWIND, "shopify", NOON)
    adapter.note_event(NORTHWIND, "shopify", NOON + timedelta(minutes=5))

    assert adapter.last_event(NORTHWIND, "shopify") == NOON + timedelta(minutes=5)
    assert adapter.last_event(NORTHWIND, "jetpack") is None
    assert adapter.last_event(StoreSlug("southwind"), "shopify") is None
    assert adapter.cursor(NORTHWIND, "shopify") is None


def test_a_webhook_noted_thirty_days_ago_is_forgotten(adapter: Runtime, clock: Clock) -> None:
    adapter.note_event(NORTHWIND, "jetpack", NOON)

    clock.pass_by(days=29)
    assert adapter.last_event(NORTHWIND, "jetpack") == NOON
    clock.pass_by(days=1)
    assert adapter.last_event(NORTHWIND, "jetpack") is None


def test_dynamodb_is_told_when_a_cursor_ends(
    stored_in_dynamodb: DynamoRuntime, dynamodb: DynamoDBClient, clock: Clock
) -> None:
    stored_in_dynamodb.save_cursor(NORTHWIND, "orders", NOON)

    (stored,) = (data_of(each) for each in dynamodb.scan(TableName="RuntimeTable")["Items"])

    assert stored["expires_at"] == int((clock() + timedelta(days=30)).timestamp())


class TestCountingUses:
    def test_the_first_of_a_window_are_allowed_and_the_rest_are_not(self, adapter: Runtime) -> None:
        assert [adapter.allow("console maria", 3, 60) for _ in range(5)] == [True, True, True, False, False]

    def test_everything_counted_has_a_count_of_its_own(self, adapter: Runtime) -> None:
        assert adapter.allow("console maria", 1, 60)
        assert adapter.allow("console „josé“ " + "x" * 3000, 1, 60)
        assert adapter.allow("console „josé“ " + "x" * 3001, 1, 60)

        assert not adapter.allow("console maria", 1, 60)

    def test_the_next_window_begins_at_nothing(self, adapter: Runtime, clock: Clock) -> None:
        assert adapter.allow("console maria", 1, 60)
        assert not adapter.allow("console maria", 1, 60)

        clock.pass_by(seconds=60)

        assert adapter.allow("console maria", 1, 60)

    def test_a_window_of_another_length_is_another_count(self, adapter: Runtime) -> None:
        assert adapter.allow("console maria", 1, 60)

        assert adapter.allow("console maria", 1, 3600)

    def test_a_limit_of_none_allows_nothing(self, adapter: Runtime) -> None:
        assert not adapter.allow("console maria", 0, 60)


class TestJobs:
    def test_one_that_was_never_saved_is_not_there(self, adapter: Runtime) -> None:
        assert adapter.job(NORTHWIND, "job-1") is None
        assert list(adapter.jobs(NORTHWIND)) == []

    def test_its_last_progress_is_read_as_it_was_saved(self, adapter: Runtime) -> None:
        adapter.save_job(a_job())
        further = a_job(
            state=JobState.DONE,
            day=3,
            position="5412345678901",
            seen=99_990,
            unreadable=7,
            same=99_000,
            groups=(("newly_held", 983), ("different_option", 7)),
            examples=tuple(a_difference(str(n)) for n in range(60)),
            updated_at=NOON + timedelta(minutes=3),
            error="none „at all“",
            slices=12,
        )

        adapter.save_job(further)

        assert adapter.job(NORTHWIND, "job-1") == further
        assert list(adapter.jobs(NORTHWIND)) == [further]

    def test_every_store_has_its_own_the_newest_first(self, adapter: Runtime) -> None:
        started = [NOON + timedelta(minutes=minutes) for minutes in (2, 3, 1)]
        jobs = [a_job(f"job-{n}", started_at=at) for n, at in enumerate(started)]
        for job in (*jobs, replace(a_job("job-1"), store=SOUTHWIND)):
            adapter.save_job(job)

        assert [job.id for job in adapter.jobs(NORTHWIND)] == ["job-1", "job-0", "job-2"]
        assert [job.id for job in adapter.jobs(SOUTHWIND)] == ["job-1"]
        assert adapter.job(SOUTHWIND, "job-0") is None

    def test_it_is_gone_thirty_days_after_it_last_moved_although_it_is_still_stored(
        self, adapter: Runtime, clock: Clock
    ) -> None:
        adapter.save_job(a_job(started_at=NOON - timedelta(days=300)))

        clock.pass_by(days=29)
        assert adapter.job(NORTHWIND, "job-1")
        clock.pass_by(days=1)
        assert adapter.job(NORTHWIND, "job-1") is None
        assert list(adapter.jobs(NORTHWIND)) == []


class TestDifferences:
    def test_they_are_listed_by_store_and_version_the_latest_first(self, adapter: Runtime) -> None:
        for minutes, order_id in ((2, "1"), (3, "2"), (1, "3")):
            adapter.note_difference(NORTHWIND, 4, a_difference(order_id), NOON + timedelta(minutes=minutes))
        adapter.note_difference(NORTHWIND, 5, a_difference("5"), NOON)
        adapter.note_difference(SOUTHWIND, 4, a_difference("6"), NOON)

        assert list(adapter.differences(NORTHWIND, 4)) == [a_difference(order_id) for order_id in "213"]
        assert list(adapter.differences(NORTHWIND, 4, limit=2)) == [a_difference(order_id) for order_id in "21"]
        assert list(adapter.differences(NORTHWIND, 5)) == [a_difference("5")]
        assert list(adapter.differences(NORTHWIND, 6)) == []

    def test_an_order_is_listed_once_with_what_was_seen_last(self, adapter: Runtime) -> None:
        adapter.note_difference(NORTHWIND, 4, a_difference("1"), NOON)
        adapter.note_difference(NORTHWIND, 4, a_difference("2"), NOON + timedelta(minutes=1))
        excluded = a_difference("1", becomes="exclude", group="newly_excluded", rule="")
        adapter.note_difference(NORTHWIND, 4, excluded, NOON + timedelta(minutes=2))

        assert list(adapter.differences(NORTHWIND, 4)) == [excluded, a_difference("2")]

    def test_one_noted_thirty_days_ago_is_forgotten(self, adapter: Runtime, clock: Clock) -> None:
        adapter.note_difference(NORTHWIND, 4, a_difference(), NOON)

        clock.pass_by(days=29)
        assert adapter.differences(NORTHWIND, 4)
        clock.pass_by(days=1)
        assert not adapter.differences(NORTHWIND, 4)


# -- orders of others -----------------------------------------------------------------------------------------------


def test_an_order_of_somebody_elses_is_remembered_by_store_and_key(adapter: Runtime) -> None:
    assert adapter.foreign_order(NORTHWIND, "number:1001") is None
    adapter.note_foreign_order(NORTHWIND, "number:1001", "SS-77", NOON)
    adapter.note_foreign_order(NORTHWIND, "reference:SS-77", "SS-77", NOON)

    assert adapter.foreign_order(NORTHWIND, "number:1001") == "SS-77"
    assert adapter.foreign_order(NORTHWIND, "reference:SS-77") == "SS-77"
    assert adapter.foreign_order(NORTHWIND, "number:SS-77") is None
    assert adapter.foreign_order(SOUTHWIND, "number:1001") is None


def test_of_two_orders_under_one_key_the_later_noted_counts(adapter: Runtime) -> None:
    adapter.note_foreign_order(NORTHWIND, "number:1001", "SS-77", NOON)
    adapter.note_foreign_order(NORTHWIND, "number:1001", "SS-78", NOON)

    assert adapter.foreign_order(NORTHWIND, "number:1001") == "SS-78"


def test_a_reference_may_be_long_and_in_any_script(adapter: Runtime) -> None:
    reference = "注文" * 400
    adapter.note_foreign_order(NORTHWIND, f"reference:{reference}", reference, NOON)

    assert adapter.foreign_order(NORTHWIND, f"reference:{reference}") == reference


def test_an_order_of_somebody_elses_is_forgotten_after_ninety_days(adapter: Runtime, clock: Clock) -> None:
    adapter.note_foreign_order(NORTHWIND, "number:1001", "SS-77", NOON - timedelta(days=80))

    clock.pass_by(days=89)
    assert adapter.foreign_order(NORTHWIND, "number:1001") == "SS-77"
    clock.pass_by(days=1)
    assert adapter.foreign_order(NORTHWIND, "number:1001") is None


# -- what only DynamoDB has ---------------------------------------------------------------------------------------


def test_dynamodb_is_told_when_everything_ends(
    stored_in_dynamodb: DynamoRuntime, dynamodb: DynamoDBClient, clock: Clock
) -> None:
    stored_in_dynamodb.save_job(a_job())
    stored_in_dynamodb.note_difference(NORTHWIND, 4, a_difference(), NOON)
    stored_in_dynamodb.allow("console maria", 3, 60)

    stored = [data_of(each) for each in dynamodb.scan(TableName="RuntimeTable")["Items"]]

    ends = {each["pk"].partition("#")[0]: each["expires_at"] for each in stored}
    month = int((clock() + timedelta(days=30)).timestamp())
    assert ends == {"JOBS": month, "SHADOW": month, "USES": int(clock().timestamp()) // 60 * 60 + 60}


def test_one_use_costs_one_write(clock: Clock) -> None:
    dynamodb = client("dynamodb")
    with Stubber(dynamodb) as stubber:
        stubber.add_response("update_item", {"Attributes": {"uses": {"N": "3"}}})

        assert DynamoRuntime(dynamodb, "RuntimeTable", clock=clock).allow("console maria", 3, 60)

        stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("code", "ours"), [("ThrottlingException", TransientError), ("AccessDeniedException", ConfigurationError)]
)
def test_a_use_that_could_not_be_counted_is_not_allowed_silently(
    code: str, ours: type[Exception], clock: Clock
) -> None:
    dynamodb = client("dynamodb")
    with Stubber(dynamodb) as stubber:
        stubber.add_client_error("update_item", code)

        with pytest.raises(ours, match=code):
            DynamoRuntime(dynamodb, "RuntimeTable", clock=clock).allow("console maria", 3, 60)


def test_a_job_that_another_release_wrote_is_not_there(
    stored_in_dynamodb: DynamoRuntime, dynamodb: DynamoDBClient, clock: Clock
) -> None:
    stored_in_dynamodb.save_job(a_job("job-1"))
    for n, damaged in enumerate((b"not compressed", b"x\x9c\xab\xae\x05\x00\x01u\x00\xf9")):
        stored = {"pk": f"JOBS#{NORTHWIND}", "sk": f"bad-{n}", "job": damaged}
        end = int(clock().timestamp()) + 60
        dynamodb.put_item(
            TableName="RuntimeTable",
            Item={name: attribute(value) for name, value in (stored | {"expires_at": end}).items()},
        )
        assert stored_in_dynamodb.job(NORTHWIND, f"bad-{n}") is None

    assert [job.id for job in stored_in_dynamodb.jobs(NORTHWIND)] == ["job-1"]
