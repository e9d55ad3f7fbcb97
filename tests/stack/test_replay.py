"""A replay on the deployed function: in slices, in the open, in little memory (100,000 orders: tests/benchmarks)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from jetbridge.domain.replay import EXAMPLES, Group, JobState
from jetbridge.errors import ConflictError
from tests.benchmarks.replay import StackReplay

if TYPE_CHECKING:
    from jetbridge.domain.replay import ReplayJob
    from local.stack import LocalStack

pytestmark = [
    pytest.mark.stack,
    pytest.mark.xdist_group("stack"),
    pytest.mark.enable_socket,
    pytest.mark.usefixtures("clean_tables"),
]

ORDERS = 2000
MEMORY_MEGABYTES = 512
"""What the template gives the function."""


def test_stored_orders_are_replayed_against_a_draft_and_the_progress_is_shown(stack: LocalStack) -> None:
    replays = StackReplay(stack)
    replays.seed(ORDERS, processes=1)
    before = stack.queue_depths()
    shown: list[tuple[ReplayJob, float]] = []

    job = replays.start()
    with pytest.raises(ConflictError):
        replays.start()
    done = replays.follow(job, patience_seconds=60, seen=lambda now: shown.append((now, replays.megabytes())))

    assert (done.state, done.error) == (JobState.DONE, "")
    assert (done.seen, done.unreadable) == (ORDERS, 0)
    assert done.same + sum(orders for _, orders in done.groups) == ORDERS
    assert dict(done.groups)[Group.NEWLY_HELD] > EXAMPLES
    assert {each.group for each in done.examples} == {group for group, _ in done.groups}
    assert len([each for each in done.examples if each.group == Group.NEWLY_HELD]) == EXAMPLES
    assert shown
    seen = [now.seen for now, _ in shown]
    assert seen == sorted(seen)
    assert all(megabytes < MEMORY_MEGABYTES for _, megabytes in shown)
    assert stack.queue_depths() == before
