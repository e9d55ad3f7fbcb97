"""A replay as it is worked in slices: real tables and queues, snapshots as a look left them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jetbridge.aws.queues import SqsWakeUpQueue
from jetbridge.aws.runtime_table import DynamoRuntime
from jetbridge.domain.changes import Change
from jetbridge.domain.identifiers import OrderId
from jetbridge.domain.record import OrderRecord
from jetbridge.domain.replay import Group, JobState
from jetbridge.domain.rules import DEFAULT_RULES, Comparison, Exclude, Operator, Rule
from jetbridge.use_cases.replay_rules import start_replay
from local.stack import ROOT
from tests.builders import STORE, an_order
from tests.functions.conftest import lines, sqs_event

if TYPE_CHECKING:
    from jetbridge.domain.replay import ReplayJob
    from jetbridge.messages import WakeUp
    from tests.functions.conftest import World

GOOD: dict[str, Any] = {"batchItemFailures": []}


@pytest.fixture
def runtime(world: World) -> DynamoRuntime:
    return DynamoRuntime(world.dynamodb, "RuntimeTable", clock=world.now)


def place(world: World, *numbers: int, days_ago: int = 0) -> None:
    for number in numbers:
        created = world.now() - timedelta(days=days_ago, milliseconds=number)
        order = an_order(id=OrderId(str(number)), name=f"#{number}", created_at=created)
        world.records.write(OrderRecord(STORE, order.id, created_at=created))
        world.records.keep_snapshot(STORE, order, world.now())


def start(world: World, runtime: DynamoRuntime, *, days: int = 3) -> ReplayJob:
    no_zeros = Rule("no zeros", (Exclude(),), Comparison("order_number", Operator.ENDS_WITH, "0"))
    draft = world.settings.save_rules(STORE, (*DEFAULT_RULES.rules, no_zeros), Change(world.now(), "ada", "saved"))
    return start_replay(
        STORE,
        draft.version,
        days=days,
        by="ada",
        settings=world.settings,
        runtime=runtime,
        sweep_queue=SqsWakeUpQueue(world.sqs, world.urls["sweep"]),
        clock=world.now,
        new_id=lambda: "job-1",
    )


def test_stored_orders_are_replayed_and_nothing_else_happens(
    world: World, runtime: DynamoRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    place(world, *range(1, 31))
    place(world, *range(31, 36), days_ago=3)
    job = start(world, runtime)

    world.work()

    found = runtime.job(STORE, job.id)
    assert found
    assert (found.state, found.seen, found.same, found.unreadable) == (JobState.DONE, 35, 32, 0)
    assert dict(found.groups) == {Group.NEWLY_EXCLUDED: 3}
    assert {each.name for each in found.examples} == {"#10", "#20", "#30"}
    assert not world.jetpack.calls["create_order"]
    [line] = [each for each in lines(capsys.readouterr().out) if each.get("message") == "swept"]
    assert (line["task"], line["failed"], line["level"]) == ("replay", {}, "INFO")


def test_a_slice_hands_over_before_its_time_is_up(
    world: World, runtime: DynamoRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(world, *range(1, 41))
    job = start(world, runtime)
    asked: list[None] = []

    def hurried() -> int:
        asked.append(None)
        return 30_000 - 1000 * len(asked)

    monkeypatch.setattr(world.context, "get_remaining_time_in_millis", hurried)
    worked: list[WakeUp] = []
    while slices := world.queued("sweep"):
        asked.clear()
        assert world.call("sweep_orders", sqs_event(*(each.to_json() for each in slices))) == GOOD
        assert len(asked) < 25
        worked += slices
    again = world.call("sweep_orders", sqs_event(worked[0].to_json()))

    found = runtime.job(STORE, job.id)
    assert found
    assert [each.cause for each in worked] == ["job-1:0", "job-1:1", "job-1:2"]
    assert (found.state, found.seen, dict(found.groups)) == (JobState.DONE, 40, {Group.NEWLY_EXCLUDED: 4})
    assert again == GOOD
    assert runtime.job(STORE, job.id) == found


def test_a_replay_of_a_store_that_is_gone_is_a_warning(
    world: World, runtime: DynamoRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    start(world, runtime)
    world.settings.delete_store(STORE)

    world.work()

    [line] = [each for each in lines(capsys.readouterr().out) if each.get("message") == "swept"]
    assert (line["level"], line["failed"]) == ("WARNING", {STORE: "the store is gone"})


def test_the_stored_event_of_a_job_nobody_knows_does_nothing(world: World) -> None:
    event = json.loads((ROOT / "events" / "sweep_orders.sqs_replay.json").read_text())

    assert world.call("sweep_orders", event) == GOOD
    assert not world.queued("sweep")
