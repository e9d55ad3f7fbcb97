"""Try a draft on orders of the past: what would change if it decided instead of the active rules. Changes nothing.

A replay goes back day by day through the orders as they were last kept. It works in slices: each ends well before its
function does, and hands over by a message to itself. Where it is and what it has counted are one item, so a slice that
dies is continued from there when its message comes again, and no order counts twice.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from jetbridge.domain.identifiers import OrderId, StoreSlug
from jetbridge.domain.replay import JobState, ReplayJob, Tally, comparing
from jetbridge.errors import ConflictError, InvalidRequestError, TransientError
from jetbridge.messages import WakeUp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from jetbridge.domain.order import Order
    from jetbridge.domain.replay import Disagreement
    from jetbridge.domain.rules import RuleSet
    from jetbridge.domain.store import Store
    from jetbridge.ports import OrderRecords, Runtime, StoreSettings, WakeUpQueue

MOST_DAYS = 90
"""Snapshots are not kept longer."""

SAVE_EVERY = timedelta(seconds=2)
"""How old the progress shown may be, and how much is done again after a slice has died."""

RESERVE = 3
"""A slice ends when a third of its function's time is left: a page of orders may take long."""

STUCK = timedelta(minutes=15)
"""A running job that has not moved for so long is dead: its message failed until the queue gave it up."""


# -- starting and stopping --------------------------------------------------------------------------------------------


def start_replay(  # noqa: PLR0913 - what to replay, and one keyword a port
    slug: StoreSlug,
    draft_version: int,
    *,
    days: int,
    by: str,
    settings: StoreSettings,
    runtime: Runtime,
    sweep_queue: WakeUpQueue,
    clock: Callable[[], datetime],
    new_id: Callable[[], str],
) -> ReplayJob:
    """Begin to replay the orders of the last `days` days; the first slice follows by itself.

    Raises:
        InvalidRequestError: There is no such store or version, or not so many days.
        ConflictError: Another replay of this store is running. One that has not moved for a quarter of an hour is
            taken for dead and marked as failed instead.
        TransientError: The job could not be queued; it is marked as failed.
    """
    if not 1 <= days <= MOST_DAYS:
        message = f"days: from 1 to {MOST_DAYS}, orders are not kept longer"
        raise InvalidRequestError(message)
    store = settings.store(slug)
    if store is None:
        message = f"no store {slug}"
        raise InvalidRequestError(message)
    if _rules(store, draft_version, settings) is None:
        message = f"no rules of version {draft_version}"
        raise InvalidRequestError(message)
    now = clock()
    for other in runtime.jobs(slug):
        if other.state is JobState.RUNNING:
            if now - (other.updated_at or other.started_at) < STUCK:
                message = f"replay {other.id} is running; stop it first"
                raise ConflictError(message)
            runtime.save_job(_ended(other, JobState.FAILED, now, "it stopped moving"))
    active = store.rules.version
    job = ReplayJob(new_id(), slug, draft_version, active, days, JobState.RUNNING, now, by, updated_at=now)
    runtime.save_job(job)
    try:
        sweep_queue.send([_slice(job, 0, now)])
    except TransientError:
        runtime.save_job(_ended(job, JobState.FAILED, now, "could not be queued"))
        raise
    return job


def stop_replay(slug: StoreSlug, job_id: str, *, runtime: Runtime, clock: Callable[[], datetime]) -> ReplayJob:
    """Stop a replay within seconds; what it has found so far stays. One that has ended stays as it is.

    Raises:
        InvalidRequestError: There is no such job.
    """
    job = runtime.job(slug, job_id)
    if job is None:
        message = f"no replay {job_id}"
        raise InvalidRequestError(message)
    if job.state is JobState.RUNNING:
        job = _ended(job, JobState.STOPPED, clock())
        runtime.save_job(job)
    return job


# -- one slice --------------------------------------------------------------------------------------------------------


def continue_replay(  # noqa: PLR0911, PLR0913 - one return a way to end, one keyword a port
    wake_up: WakeUp,
    *,
    records: OrderRecords,
    settings: StoreSettings,
    runtime: Runtime,
    sweep_queue: WakeUpQueue,
    clock: Callable[[], datetime],
    time_left: Callable[[], timedelta],
) -> ReplayJob | None:
    """Carry out one slice of a replay, as its message names it.

    A slice that has handed over already, or whose job has ended, does nothing.

    Returns:
        The job as it is now; None when nobody knows it any more.

    Raises:
        ConflictError: Another copy of the same message works on it; should that one die, this message comes again.
        TransientError: A table or queue of ours does not answer; the message comes again and goes on where it was.
    """
    number = _number(wake_up)
    job = runtime.job(wake_up.store, wake_up.id)
    if job is None or job.state is not JobState.RUNNING or number < job.slices:
        return job
    running = _Running(replace(job, slices=number), runtime, clock)
    try:
        running.save()
        store = settings.store(wake_up.store)
        if store is None:
            return running.end(JobState.FAILED, "the store is gone")
        live, draft = (_rules(store, version, settings) for version in (job.active, job.draft))
        if live is None or draft is None:
            return running.end(JobState.FAILED, "its rules are gone")
        if running.go_through(records, comparing(store, live, draft), time_left):
            return running.end(JobState.DONE)
    except _EndedError as error:
        return error.job
    except InvalidRequestError:
        return running.end(JobState.FAILED, "the order it stopped at is gone")
    sweep_queue.send([_slice(running.job, number + 1, clock())])
    return running.job


class _EndedError(Exception):
    """Somebody stopped the job meanwhile."""

    def __init__(self, job: ReplayJob | None) -> None:
        super().__init__()
        self.job = job


class _Running:
    """A slice under way: the only one that moves its job, and it makes sure of that each time it saves."""

    def __init__(self, job: ReplayJob, runtime: Runtime, clock: Callable[[], datetime]) -> None:
        self.job = job
        self.tally = Tally.of(job)
        self._runtime = runtime
        self._clock = clock

    def go_through(
        self,
        records: OrderRecords,
        compared: Callable[[Order], Disagreement | None],
        time_left: Callable[[], timedelta],
    ) -> bool:
        """Compare orders until none is left (True) or the time is over (False); both ways all is saved."""
        tally, store, reserve = self.tally, StoreSlug(self.job.store), time_left() / RESERVE
        save_at = self._clock() + SAVE_EVERY
        while self.job.day < self.job.of_days:
            after = OrderId(self.job.position) if self.job.position else None
            for order_id, order in records.snapshots_of_day(store, self.job.date, after=after):
                if order is None:
                    tally.add_unreadable()
                else:
                    tally.add(compared(order))
                over = time_left() < reserve
                if over or self._clock() >= save_at:
                    self.save(position=order_id)
                    save_at = self._clock() + SAVE_EVERY
                if over:
                    return False
            self.job = replace(self.job, day=self.job.day + 1, position="")
        return True

    def save(self, *, position: str | None = None) -> None:
        """Write position and counts as one."""
        stored = self._runtime.job(StoreSlug(self.job.store), self.job.id)
        if stored is None or stored.state is not JobState.RUNNING:
            raise _EndedError(stored)
        if stored.updated_at != self.job.updated_at:
            message = f"replay {self.job.id} is worked on already"
            raise ConflictError(message)
        job = self.tally.onto(self.job)
        if position is not None:
            job = replace(job, position=position)
        # Also tells two copies apart that save in the same moment of a coarse clock.
        moved = (self.job.updated_at or self.job.started_at) + timedelta(microseconds=1)
        self.job = replace(job, updated_at=max(self._clock(), moved))
        self._runtime.save_job(self.job)

    def end(self, state: JobState, error: str = "") -> ReplayJob:
        """Write down how it ended."""
        self.job = replace(self.job, state=state, error=error)
        self.save()
        return self.job


def _ended(job: ReplayJob, state: JobState, now: datetime, error: str = "") -> ReplayJob:
    return replace(job, state=state, error=error, updated_at=now)


def _rules(store: Store, version: int, settings: StoreSettings) -> RuleSet | None:
    return store.rules if store.rules.version == version else settings.rules(store.slug, version)


def _slice(job: ReplayJob, number: int, now: datetime) -> WakeUp:
    return WakeUp(StoreSlug(job.store), "replay", job.id, f"{job.id}:{number}", now.timestamp())


def _number(wake_up: WakeUp) -> int:
    """Read which slice is meant. What no slice of ours is called counts as one that is long over."""
    number = wake_up.cause.rpartition(":")[2]
    return int(number) if number.isascii() and number.isdecimal() else -1


# -- orders that somebody hands over ----------------------------------------------------------------------------------


def replay_orders(orders: Iterable[Order], *, live: RuleSet, draft: RuleSet, store: Store) -> Tally:
    """Compare two rule sets on given orders, one after the other: pasted ones, or those of a file."""
    compared, tally = comparing(store, live, draft), Tally()
    for order in orders:
        tally.add(compared(order))
    return tally
