"""What every look shares: collapsing bursts, merging results into the record, putting off, the timeline."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from jetbridge.domain.holds import Hold, continued
from jetbridge.domain.record import HELD_LOOK, NextLook, OrderRecord, looking_again, put_off, settled
from jetbridge.domain.timeline import TimelineEvent
from jetbridge.errors import ConflictError, CredentialsRejectedError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jetbridge.messages import WakeUp
    from jetbridge.ports import OrderRecords, Partners, StoreSettings

SOURCE_MARGIN = timedelta(seconds=2)
"""Clocks differ: a look that began this much after the cause has seen it."""

JETPACK_MARGIN = timedelta(seconds=90)
"""Jetpack's reads lag behind its webhooks by up to a minute (facts/shipbob.md section 6)."""

INTENT_MARGIN = timedelta(seconds=5)
"""How long after the end of the function an intent is still its own."""

LOOK_AGAIN = timedelta(minutes=1)
"""When an outcome is unknown: by then Jetpack's lists have caught up."""

MERGES = 20
"""Each failed merge means that somebody else succeeded, so this is never reached but by a bug."""


@dataclass(frozen=True, slots=True)
class Looked:
    """How a look ended: one word for the log and the metric, and what was done."""

    outcome: str
    store: str
    order_id: str = ""
    status: str = ""
    did: tuple[str, ...] = ()


class OvertakenError(Exception):
    """Somebody else wrote the record before we did anything: read everything again."""


@dataclass(slots=True)
class Look:
    """One look under way: the ports it may use, when it began, and what it has done so far."""

    by: str
    way: NextLook
    wake_up: WakeUp
    records: OrderRecords
    settings: StoreSettings
    partners: Partners
    clock: Callable[[], datetime]
    time_left: Callable[[], timedelta]
    jitter: Callable[[], float]
    began: datetime
    did: list[str] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    is_put_off: bool = False

    def intent_end(self) -> datetime:
        """Say until when an effect begun now may be under way: as long as this function can run."""
        return self.clock() + self.time_left() + INTENT_MARGIN

    def already_seen(self, looked_at: datetime | None, margin: timedelta, look_at: datetime | None) -> bool:
        """Whether an earlier look began after the cause of this wake-up, and none is due since."""
        if looked_at is None or (look_at is not None and look_at <= self.began):
            return False
        return datetime.fromtimestamp(self.wake_up.seen_at, UTC) <= looked_at - margin

    def write(self, record: OrderRecord) -> OrderRecord:
        """Write the record, or begin the look anew if somebody else wrote it first."""
        try:
            return self.records.write(record)
        except ConflictError as error:
            raise OvertakenError from error

    def merge(self, record: OrderRecord, change: Callable[[OrderRecord], OrderRecord]) -> OrderRecord:
        """Write what came of an effect of ours into the record, whoever wrote it meanwhile (invariant 3).

        `change` is applied to the record as it is then; a result is merged into its own intent, never dropped.
        """
        for _ in range(MERGES):
            changed = change(record)
            if changed == record:
                return record
            try:
                return self.records.write(changed)
            except ConflictError:
                found = self.records.read(record.store, record.order_id)
                if found is None:
                    raise
                record = found
        raise ConflictError

    def settle(self, record: OrderRecord) -> OrderRecord:
        """Derive status and next look as of now."""
        return settled(record, self.clock(), looked=self.way)

    def put_off(self, record: OrderRecord, error: Exception) -> OrderRecord:
        """Come back later: a broken connection holds the order, anything else backs off."""
        self.is_put_off = True
        now = self.clock()
        if isinstance(error, CredentialsRejectedError):
            code = f" ({error.code})" if error.code else ""
            hold = Hold("connection_broken", now, f"{error.partner or 'the partner'} refuses our credentials{code}")
            held = settled(replace(record, hold=continued(hold, record.hold)), now, looked=self.way)
            return looking_again(held, self.way, now + HELD_LOOK)
        after = None
        if isinstance(error, TransientError) and error.retry_after_seconds is not None:
            after = timedelta(seconds=error.retry_after_seconds)
        return put_off(record, now, looked=self.way, reason=_reason(error), after=after, jitter=self.jitter())

    def finish(self, outcome: str, record: OrderRecord | None) -> Looked:
        """Write the timeline entry, if there is something to tell, and say how the look ended."""
        if record is None:
            return Looked(outcome, self.wake_up.store)
        if self.did:
            event = TimelineEvent(
                self.began, self.by, self.wake_up.cause, record.status, tuple(self.did), tuple(self.trace)
            )
            self.records.note(record.store, record.order_id, event)
        return Looked(outcome, record.store, record.order_id, record.status, tuple(self.did))


def _reason(error: Exception) -> str:
    """Name an error in a word: a class of ours, never its text."""
    return type(error).__name__.removesuffix("Error")


STARTS = 3
"""How often a look begins anew because somebody else wrote the record meanwhile."""


def look_until_written(begin: Callable[[], Look], run: Callable[[Look], Looked]) -> Looked:
    """Run a look; if somebody else wrote the record first, read everything again.

    Raises:
        ConflictError: It happened again and again; the message comes again.
    """
    did: list[str] = []
    trace: list[str] = []
    for _ in range(STARTS):
        look = begin()
        look.did, look.trace = did, trace  # an effect that happened is told, however the look ends
        try:
            return run(look)
        except OvertakenError:
            continue
    raise ConflictError


def unchanged(before: OrderRecord, after: OrderRecord, now: datetime) -> bool:
    """Whether writing `after` would tell nothing new: then it is not written, and no version is made.

    A time that has passed must be moved, or the sweep would come again at once; one that lies ahead may stay,
    unless the new one is earlier.
    """

    def without_timers(record: OrderRecord) -> OrderRecord:
        timeless = replace(record, looked_at=None, jetpack_looked_at=None, shipstation_looked_at=None, since=None)
        timeless = replace(timeless, next_look=NextLook.BOTH)
        return replace(timeless, forward_at=None, track_at=None, due_at=None)

    if without_timers(before) != without_timers(after):
        return False
    return all(
        was == becomes or (was is not None and becomes is not None and was > now and becomes >= was)
        for was, becomes in ((before.forward_at, after.forward_at), (before.track_at, after.track_at))
    )
