"""What every Runtime promises: the fake and DynamoDB (moto) alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jetbridge.aws.items import data_of
from jetbridge.aws.runtime_table import DynamoRuntime
from jetbridge.domain.identifiers import StoreSlug
from tests.fakes import InMemoryRuntime

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from jetbridge.ports import Runtime
    from tests.contract.conftest import Clock

NORTHWIND = StoreSlug("northwind-supply")
NOON = datetime(2026, 11, 29, 12, 0, 0, 987654, tzinfo=UTC)


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
