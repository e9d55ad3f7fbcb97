"""A draft tried on orders of the past: the right groups, each order once, whatever dies on the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetbridge.domain.changes import Change
from jetbridge.domain.identifiers import LineId, OrderId, StoreSlug
from jetbridge.domain.record import OrderRecord
from jetbridge.domain.replay import (
    EXAMPLES,
    Difference,
    Disagreement,
    Group,
    JobState,
    ReplayJob,
    Tally,
    compare,
    just_placed,
    views_of,
)
from jetbridge.domain.rule_evaluation import CompiledRules
from jetbridge.domain.rules import (
    DEFAULT_RULES,
    AddTag,
    Comparison,
    Exclude,
    Forward,
    HoldOrder,
    Operator,
    Outcome,
    Rule,
    RuleSet,
    Verdict,
)
from jetbridge.domain.store import Route
from jetbridge.errors import ConflictError, InvalidRequestError, TransientError
from jetbridge.messages import WakeUp
from jetbridge.use_cases.replay_rules import continue_replay, replay_orders, start_replay, stop_replay
from tests.builders import MINUTE, NOW, STORE, a_line, a_part, a_store, an_order
from tests.fakes import InMemoryOrderRecords, InMemoryQueue, InMemoryRuntime, InMemoryStoreSettings
from tests.strategies import orders

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jetbridge.domain.order import Order

PLUS_5 = timezone(timedelta(hours=5))

# -- one order --------------------------------------------------------------------------------------------------------

FORWARD = Verdict(Outcome.FORWARD, "forward all", 1)
HOLD = Verdict(Outcome.HOLD, "wait", 1, reason="for Ada", until=NOW)


class Says(CompiledRules):
    """Rules that say the same of every order, or of each ShipStation order."""

    def __init__(self, verdict: Verdict, **parts: Verdict) -> None:
        super().__init__(DEFAULT_RULES, a_store())
        self.verdict = verdict
        self.parts = parts

    def decide(self, order: Order, now: datetime) -> Verdict:
        del now
        return self.parts.get(f"part_{order.part.id}", self.verdict) if order.part else self.verdict


def difference(was: Verdict, becomes: Verdict, order: Order | None = None) -> Difference | None:
    found = compare([order or an_order()], Says(was), Says(becomes), a_store(), NOW)
    return found.difference() if found else None


def group(was: Verdict, becomes: Verdict, order: Order | None = None) -> str:
    found = difference(was, becomes, order)
    return found.group if found else ""


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome.HOLD, Group.NEWLY_HELD),
        (Outcome.EXCLUDE, Group.NEWLY_EXCLUDED),
        (Outcome.NO_RULE_MATCHED, Group.NEWLY_UNMATCHED),
    ],
)
def test_another_outcome_is_named_after_what_the_draft_does(outcome: Outcome, expected: Group) -> None:
    other = Verdict(outcome, "other", 2)

    assert group(FORWARD, other) == expected
    assert group(other, FORWARD) == Group.NEWLY_FORWARDED
    assert group(other, other) == ""


def test_a_rule_of_another_name_that_does_the_same_is_no_difference() -> None:
    assert group(FORWARD, replace(FORWARD, rule="another", version=2)) == ""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ship_option": "2-Day"}, Group.DIFFERENT_OPTION),
        ({"ship_option": "Standard"}, ""),  # what the mapping of its method says anyway
        ({"location": "12"}, Group.DIFFERENT_LOCATION),
        ({"later": frozenset({"1"})}, Group.DIFFERENT_SPLIT),
        ({"add_tags": ("late",)}, Group.DIFFERENT_MARKS),
        ({"remove_tags": ("late",)}, Group.DIFFERENT_MARKS),
        ({"notes": ("look",)}, Group.DIFFERENT_MARKS),
        ({"notifications": ("look",)}, Group.DIFFERENT_MARKS),
        ({"ship_option": "2-Day", "location": "12", "add_tags": ("late",)}, Group.DIFFERENT_OPTION),
    ],
)
def test_orders_forwarded_by_both_differ_by_what_goes_with_them(changes: dict[str, Any], expected: str) -> None:
    assert group(FORWARD, replace(FORWARD, **changes)) == expected
    assert group(replace(FORWARD, **changes), FORWARD) == expected


def test_an_order_held_by_both_differs_by_its_end_and_its_reason_only() -> None:
    assert group(HOLD, replace(HOLD, until=None)) == Group.DIFFERENT_HOLD
    assert group(HOLD, replace(HOLD, reason="for Bob")) == Group.DIFFERENT_HOLD
    assert group(HOLD, replace(HOLD, ship_option="2-Day", location="12")) == ""


def test_a_difference_tells_both_sides_in_plain_words_and_no_personal_data() -> None:
    order = an_order(a_line(), a_line(n=2), shipping_method="Unheard of")
    draft = replace(
        FORWARD, rule="split", location="12", later=frozenset({LineId("2")}), later_until=NOW, add_tags=("late",)
    )

    found = difference(HOLD, draft, order)

    assert found
    assert found.was == "hold by “wait” (for Ada) until 2026-11-22 12:00 UTC"
    assert found.becomes == (
        "forward by “split”; ship option not mapped; from location 12; "
        "1 of 2 lines later until 2026-11-22 12:00 UTC; tag +late"
    )
    assert (found.order_id, found.name, found.rule) == (order.id, order.name, "split")


def test_a_split_order_of_shipstation_is_one_difference_told_by_what_weighs_most() -> None:
    order = an_order(shipstation=tuple(a_part(an_order(), part) for part in ("11", "12", "13")))
    views = views_of(order, a_store(routes=frozenset({Route.SHIPSTATION})))
    draft = Says(FORWARD, part_12=replace(FORWARD, add_tags=("late",)), part_13=HOLD)

    disagreement = compare(views, Says(FORWARD), draft, a_store(), NOW)

    assert disagreement
    found = disagreement.difference()
    assert [view.part and view.part.id for view in views] == ["11", "12", "13"]
    assert found.group == Group.NEWLY_HELD
    assert found.was.startswith("ShipStation order 13: forward")
    assert found.becomes.startswith("ShipStation order 13: hold")
    assert found.becomes.endswith("(1 more of its ShipStation orders differ)")


def test_an_order_forwarded_by_the_direct_route_is_seen_as_shopify_shows_it() -> None:
    both = a_store(routes=frozenset({Route.DIRECT, Route.SHIPSTATION}))
    order = an_order(shipstation=(a_part(an_order(), "11"),))

    assert views_of(order, both, OrderRecord(STORE, order.id, route=Route.DIRECT)) == (order,)
    assert [view.part for view in views_of(order, both)] == [a_part(an_order(), "11")]
    assert views_of(an_order(), both) == (an_order(),)


# -- many -------------------------------------------------------------------------------------------------------------


def a_disagreement(n: int, of: Group) -> Disagreement:
    return Disagreement(of, an_order(id=str(n)), FORWARD, HOLD, a_store())


@given(st.lists(st.none() | st.sampled_from(Group), max_size=200))
def test_a_tally_counts_everything_and_keeps_a_few_of_each(groups: list[Group | None]) -> None:
    tally = Tally()
    for n, of in enumerate(groups):
        tally.add(a_disagreement(n, of) if of else None)

    assert tally.seen == len(groups) == tally.same + sum(tally.groups.values())
    for of in Group:
        assert tally.groups.get(of, 0) == groups.count(of)
        kept = [each.order_id for each in tally.examples if each.group == of]
        assert kept == [str(n) for n, each in enumerate(groups) if each is of][:EXAMPLES]


def test_given_orders_are_compared_one_by_one_as_of_when_they_were_placed() -> None:
    in_a_day = Rule("wait a day", (HoldOrder("slow", for_hours=24),))
    draft = RuleSet(2, (*DEFAULT_RULES.rules, in_a_day))
    orders = (an_order(id=str(n), created_at=NOW - timedelta(days=n)) for n in range(1, 8))

    tally = replay_orders(orders, live=DEFAULT_RULES, draft=draft, store=a_store())

    assert (tally.seen, tally.same, tally.groups) == (7, 0, {Group.NEWLY_HELD: 7})
    assert [each.order_id for each in tally.examples] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize(
    ("created", "judged"),
    [
        (datetime(2026, 11, 22, 12, 0, tzinfo=UTC), datetime(2026, 11, 22, 12, 15, tzinfo=UTC)),
        (datetime(2026, 11, 22, 12, 14, 59, 9, tzinfo=UTC), datetime(2026, 11, 22, 12, 15, tzinfo=UTC)),
        (datetime(2026, 11, 22, 23, 50, tzinfo=PLUS_5), datetime(2026, 11, 22, 19, 0, tzinfo=UTC)),
        (datetime.max.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)),
        (datetime.min.replace(tzinfo=PLUS_5), datetime.min.replace(tzinfo=PLUS_5)),
    ],
)
def test_a_past_order_is_judged_within_a_quarter_of_an_hour_after_it_was_placed(
    created: datetime, judged: datetime
) -> None:
    assert just_placed(an_order(created_at=created)) == judged


@given(orders())
def test_no_order_differs_from_itself_and_none_is_too_odd_to_compare(order: Order) -> None:
    store = a_store(routes=frozenset({Route.SHIPSTATION}))
    draft = RuleSet(2, (Rule("tagged", (AddTag("x"),)), *DEFAULT_RULES.rules))

    assert replay_orders([order], live=draft, draft=draft, store=store).same == 1
    assert replay_orders([order], live=DEFAULT_RULES, draft=draft, store=store).groups == {Group.DIFFERENT_MARKS: 1}


# -- a job ------------------------------------------------------------------------------------------------------------


class Records(InMemoryOrderRecords):
    """Records whose reading takes time, and may break down at one order."""

    def __init__(self, replays: Replays) -> None:
        super().__init__(clock=lambda: replays.at)
        self.replays = replays
        self.breaks_at = ""
        self.read_days: list[date] = []

    def snapshots_of_day(
        self, store: StoreSlug, day: date, *, after: OrderId | None = None
    ) -> Iterator[tuple[OrderId, Order | None]]:
        self.read_days.append(day)
        for order_id, order in super().snapshots_of_day(store, day, after=after):
            if order_id == self.breaks_at:
                raise TransientError
            self.replays.at += self.replays.an_order_takes
            yield order_id, order


class Runtime(InMemoryRuntime):
    """A runtime table that tells what was saved."""

    def __init__(self, replays: Replays) -> None:
        super().__init__(clock=lambda: replays.at)
        self.saved: list[ReplayJob] = []

    def save_job(self, job: ReplayJob) -> None:
        self.saved.append(job)
        super().save_job(job)


class Replays:
    """One store with past orders, a draft that excludes those for Germany, and the functions, called by hand."""

    def __init__(self) -> None:
        self.at = NOW
        self.an_order_takes = timedelta(milliseconds=500)
        self.a_slice_may_take = timedelta(seconds=60)
        self.settings = InMemoryStoreSettings(a_store())
        self.records = Records(self)
        self.runtime = Runtime(self)
        self.queue = InMemoryQueue(fifo=False, clock=self.now)
        self.draft = self.save(Rule("not by us", (Exclude(),), Comparison("order_number", Operator.ENDS_WITH, "0")))
        self.ids = 0

    def now(self) -> datetime:
        return self.at

    def save(self, *rules: Rule) -> int:
        change = Change(NOW, "ada", "rules_saved")
        return self.settings.save_rules(STORE, (*DEFAULT_RULES.rules, *rules), change).version

    def place(self, *numbers: int, days_ago: float = 0, snapshot: bool = True) -> None:
        for number in numbers:
            created = NOW - timedelta(days=days_ago) - timedelta(seconds=number)
            order = an_order(id=OrderId(str(number)), name=f"#{number}", created_at=created)
            self.records.write(OrderRecord(STORE, order.id, created_at=created))
            if snapshot:
                self.records.keep_snapshot(STORE, order, NOW)

    def start(self, draft: int | None = None, *, days: int = 30) -> ReplayJob:
        self.ids += 1
        return start_replay(
            STORE,
            draft or self.draft,
            days=days,
            by="ada",
            settings=self.settings,
            runtime=self.runtime,
            sweep_queue=self.queue,
            clock=self.now,
            new_id=lambda: f"job-{self.ids}",
        )

    def work(self, wake_up: WakeUp) -> ReplayJob | None:
        end = self.at + self.a_slice_may_take
        return continue_replay(
            wake_up,
            records=self.records,
            settings=self.settings,
            runtime=self.runtime,
            sweep_queue=self.queue,
            clock=self.now,
            time_left=lambda: end - self.at,
        )

    def drain(self) -> ReplayJob:
        """Work messages until none is left."""
        while self.queue.sent:
            self.work(self.queue.sent.pop(0))
        return self.job()

    def job(self) -> ReplayJob:
        found = self.runtime.job(STORE, f"job-{self.ids}")
        assert found
        return found


@pytest.fixture
def replays() -> Replays:
    return Replays()


def counted(job: ReplayJob) -> tuple[int, int, int, dict[str, int]]:
    return job.seen, job.same, job.unreadable, dict(job.groups)


def test_a_replay_goes_through_every_order_of_its_days_and_tells_what_would_change(replays: Replays) -> None:
    replays.place(1, 2, 10)
    replays.place(3, 20, days_ago=30)
    replays.place(4, days_ago=3, snapshot=False)
    replays.place(50, days_ago=32)

    started = replays.start()
    job = replays.drain()

    assert (started.state, started.slices, started.active, started.draft) == (JobState.RUNNING, 0, 1, replays.draft)
    assert job.state is JobState.DONE
    assert counted(job) == (6, 3, 1, {Group.NEWLY_EXCLUDED: 2})
    assert [(each.name, each.rule) for each in job.examples] == [("#10", "not by us"), ("#20", "not by us")]
    assert (job.day, job.of_days, job.position) == (31, 31, "")
    assert replays.records.read_days == [NOW.date() - timedelta(days=n) for n in range(31)]


def test_a_long_replay_is_many_short_slices_and_shows_how_far_it_is(replays: Replays) -> None:
    replays.place(*range(100, 600))
    replays.place(*range(600, 700), days_ago=1)
    replays.start(days=1)

    slices = 0
    while replays.queue.sent:
        [wake_up] = replays.queue.sent
        began = replays.at
        replays.queue.sent.clear()
        replays.work(wake_up)
        slices += 1
        assert replays.at - began <= replays.a_slice_may_take * 0.7

    assert counted(replays.job()) == (600, 540, 0, {Group.NEWLY_EXCLUDED: 60})
    assert replays.job().state is JobState.DONE
    assert slices == replays.job().slices + 1 == 8
    shown = [job for job in replays.runtime.saved if job.state is JobState.RUNNING]
    for before, after in pairwise(shown):
        assert (before.day, before.seen) <= (after.day, after.seen)
        assert after.seen - before.seen <= 5
        assert after.updated_at
        assert before.updated_at
        assert before.updated_at < after.updated_at


@pytest.mark.parametrize("breaks_at", ["1", "13", "40"])
def test_a_slice_that_dies_goes_on_from_what_was_saved_and_counts_nothing_twice(
    replays: Replays, breaks_at: str
) -> None:
    replays.place(*range(1, 41))
    replays.start()
    [wake_up] = replays.queue.sent
    replays.queue.sent.clear()
    replays.records.breaks_at = breaks_at
    for _ in range(3):
        with pytest.raises(TransientError):
            replays.work(wake_up)
    replays.records.breaks_at = ""

    replays.work(wake_up)

    assert counted(replays.drain()) == (40, 36, 0, {Group.NEWLY_EXCLUDED: 4})


def test_a_slice_that_could_not_hand_over_is_repeated(replays: Replays, monkeypatch: pytest.MonkeyPatch) -> None:
    replays.place(*range(1, 101))
    replays.start()
    [wake_up] = replays.queue.sent
    replays.queue.sent.clear()

    def full(_: Sequence[WakeUp]) -> None:
        raise TransientError

    with monkeypatch.context() as patch:
        patch.setattr(replays.queue, "send", full)
        with pytest.raises(TransientError):
            replays.work(wake_up)
    replays.work(wake_up)

    assert counted(replays.drain()) == (100, 90, 0, {Group.NEWLY_EXCLUDED: 10})


def test_a_slice_that_comes_again_after_the_next_has_begun_does_nothing(replays: Replays) -> None:
    replays.place(*range(1, 301))
    replays.start()
    first = replays.queue.sent.pop()
    replays.work(first)
    replays.work(replays.queue.sent.pop())
    before = replays.job()

    assert replays.work(first) == before
    assert replays.job() == before
    assert replays.job().slices == 1
    assert counted(replays.drain()) == (300, 270, 0, {Group.NEWLY_EXCLUDED: 30})
    assert replays.work(first) == replays.job()


def test_of_two_copies_of_one_message_only_one_works_on(replays: Replays) -> None:
    replays.place(*range(1, 201))
    replays.start()
    [wake_up] = replays.queue.sent
    replays.queue.sent.clear()
    copies: list[ReplayJob | None] = []
    read = replays.records.snapshots_of_day

    def meanwhile(
        store: StoreSlug, day: date, *, after: OrderId | None = None
    ) -> Iterator[tuple[OrderId, Order | None]]:
        for n, each in enumerate(read(store, day, after=after)):
            if n == 10 and not copies:
                copies.append(None)
                copies[0] = replays.work(wake_up)
            yield each

    replays.a_slice_may_take = timedelta(seconds=30)
    replays.records.snapshots_of_day = meanwhile  # type: ignore[method-assign]
    with pytest.raises(ConflictError, match="already"):
        replays.work(wake_up)

    assert copies[0] == replays.job()
    assert replays.job().state is JobState.RUNNING
    assert counted(replays.drain()) == (200, 180, 0, {Group.NEWLY_EXCLUDED: 20})


def test_a_stopped_replay_keeps_what_it_has_found_and_goes_no_further(replays: Replays) -> None:
    replays.place(*range(1, 301))
    job = replays.start()
    replays.work(replays.queue.sent.pop())

    stopped = stop_replay(STORE, job.id, runtime=replays.runtime, clock=replays.now)

    assert (stopped.state, 0 < stopped.seen < 300) == (JobState.STOPPED, True)
    assert replays.drain() == stopped
    assert stop_replay(STORE, job.id, runtime=replays.runtime, clock=replays.now) == stopped


def test_a_slice_notices_soon_that_its_replay_was_stopped(replays: Replays) -> None:
    replays.place(*range(1, 101))
    job = replays.start()
    read = replays.records.snapshots_of_day

    def meanwhile(
        store: StoreSlug, day: date, *, after: OrderId | None = None
    ) -> Iterator[tuple[OrderId, Order | None]]:
        for n, each in enumerate(read(store, day, after=after)):
            if n == 20:
                stop_replay(STORE, job.id, runtime=replays.runtime, clock=replays.now)
            assert n < 30
            yield each

    replays.records.snapshots_of_day = meanwhile  # type: ignore[method-assign]

    assert replays.drain().state is JobState.STOPPED
    assert not replays.queue.sent


def test_what_cannot_be_replayed_is_refused(replays: Replays) -> None:
    with pytest.raises(InvalidRequestError, match="days"):
        replays.start(days=0)
    with pytest.raises(InvalidRequestError, match="days"):
        replays.start(days=91)
    with pytest.raises(InvalidRequestError, match="version 7"):
        replays.start(7)
    replays.settings.delete_store(STORE)
    with pytest.raises(InvalidRequestError, match="no store"):
        replays.start()
    with pytest.raises(InvalidRequestError, match="no replay"):
        stop_replay(STORE, "job-9", runtime=replays.runtime, clock=replays.now)
    assert not replays.queue.sent
    assert not replays.runtime.saved


def test_a_store_runs_one_replay_at_a_time_until_it_is_dead(replays: Replays) -> None:
    replays.place(1)
    first = replays.start()
    replays.at += 14 * MINUTE
    with pytest.raises(ConflictError, match=first.id):
        replays.start()
    replays.ids -= 1
    replays.at += 2 * MINUTE

    replays.start()

    left = replays.runtime.job(STORE, first.id)
    assert left
    assert (left.state, left.error) == (JobState.FAILED, "it stopped moving")
    assert replays.drain().state is JobState.DONE
    assert replays.runtime.job(STORE, first.id) == left


def test_a_replay_that_cannot_be_queued_is_not_in_the_way_of_the_next(
    replays: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Sequence[WakeUp]) -> None:
        raise TransientError

    with monkeypatch.context() as patch:
        patch.setattr(replays.queue, "send", full)
        with pytest.raises(TransientError):
            replays.start()

    assert replays.job().state is JobState.FAILED
    assert replays.start().state is JobState.RUNNING


def test_the_rules_that_were_active_when_it_began_stay_its_yardstick(replays: Replays) -> None:
    replays.place(*range(1, 201))
    replays.start()
    replays.work(replays.queue.sent.pop())
    replays.settings.activate_rules(STORE, replays.draft, instead_of=1)

    assert counted(replays.drain()) == (200, 180, 0, {Group.NEWLY_EXCLUDED: 20})


def test_a_replay_whose_store_or_draft_is_gone_says_so(replays: Replays, monkeypatch: pytest.MonkeyPatch) -> None:
    replays.start()
    with monkeypatch.context() as patch:
        patch.setattr(replays.settings, "rules", lambda *_: None)
        job = replays.drain()
    assert (job.state, job.error) == (JobState.FAILED, "its rules are gone")

    replays.start()
    replays.settings.delete_store(STORE)
    job = replays.drain()
    assert (job.state, job.error) == (JobState.FAILED, "the store is gone")


def test_a_message_about_no_job_of_ours_does_nothing(replays: Replays) -> None:
    assert replays.work(WakeUp(STORE, "replay", "job-9", "job-9:0", NOW.timestamp())) is None
    replays.place(1)
    started = replays.start()
    assert replays.work(WakeUp(STORE, "replay", started.id, "who knows", NOW.timestamp())) == started


def test_a_draft_that_forwards_what_was_held_is_shown(replays: Replays) -> None:
    """The other way round: what is active holds, the draft forwards."""
    holding = replays.settings.save_rules(STORE, (Rule("wait", (HoldOrder("slow"),)),), Change(NOW, "ada", "saved"))
    replays.settings.activate_rules(STORE, holding.version, instead_of=1)
    replays.place(1, 2)
    replays.start(replays.settings.save_rules(STORE, (Rule("go", (Forward(),)),), Change(NOW, "a", "b")).version)

    assert dict(replays.drain().groups) == {Group.NEWLY_FORWARDED: 2}
