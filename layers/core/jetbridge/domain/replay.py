"""Rule sets compared on many orders: what a draft would change, in groups with examples. Bounded, however many.

Only what rules decide is compared. What stands before and behind them (payment, holds of the source, address, stock)
is the same for both sides and left out; so a group says what the rules would do with an order that comes to them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from jetbridge.domain.accounting import route_of
from jetbridge.domain.identifiers import OrderId, StoreSlug
from jetbridge.domain.order import Order
from jetbridge.domain.record import OrderRecord
from jetbridge.domain.rule_evaluation import CompiledRules, compiled
from jetbridge.domain.rules import Outcome, RuleSet, Verdict
from jetbridge.domain.ship_options import Method, ShipOptionMapping, mapping_for
from jetbridge.domain.shipstation import as_seen
from jetbridge.domain.store import Route, Store

EXAMPLES = 5
"""How many orders of each group are kept."""


class JobState(StrEnum):
    """How far a job has come."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


class Group(StrEnum):
    """How two rule sets disagree about an order; what weighs most comes first."""

    NEWLY_FORWARDED = "newly_forwarded"
    NEWLY_HELD = "newly_held"
    NEWLY_EXCLUDED = "newly_excluded"
    NEWLY_UNMATCHED = "newly_unmatched"
    """No rule matches any more: the order would be held, and a person asked."""
    DIFFERENT_HOLD = "different_hold"
    DIFFERENT_OPTION = "different_option"
    DIFFERENT_LOCATION = "different_location"
    DIFFERENT_SPLIT = "different_split"
    DIFFERENT_MARKS = "different_marks"
    """Tags, notes or notifications only."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One order about which two rule sets decide differently. No personal data."""

    order_id: str
    name: str
    was: str
    """What the active rules say: outcome, rule and what else it sets, in plain words."""
    becomes: str
    group: str
    """A `Group`."""
    rule: str = ""
    """The draft's rule that decided."""


@dataclass(frozen=True, slots=True)
class ReplayJob:
    """A replay under way or done: what is compared, how far it has come, what it found."""

    id: str
    store: str
    draft: int
    """The version that is tried."""
    active: int
    days: int
    state: JobState
    started_at: datetime
    by: str
    day: int = 0
    """How many days are behind it: it goes from the day it was started on (UTC) back in time."""
    position: str = ""
    """The last order of the current day that it has seen."""
    seen: int = 0
    unreadable: int = 0
    """Orders whose snapshot has expired or cannot be read."""
    same: int = 0
    groups: tuple[tuple[str, int], ...] = ()
    """(group, orders in it)"""
    examples: tuple[Difference, ...] = ()
    """At most a few of every group."""
    updated_at: datetime | None = None
    error: str = ""
    slices: int = 0
    """The number of the slice that works on it."""

    @property
    def of_days(self) -> int:
        """How many calendar days (UTC) it has to go through: that many, and the one it was started on."""
        return self.days + 1

    @property
    def date(self) -> date:
        """The day it is at."""
        return self.started_at.astimezone(UTC).date() - timedelta(days=self.day)


@dataclass(slots=True)
class Tally:
    """What a comparison has found so far. Its size does not grow with the orders."""

    seen: int = 0
    unreadable: int = 0
    same: int = 0
    groups: dict[str, int] = field(default_factory=dict)
    examples: list[Difference] = field(default_factory=list)

    @classmethod
    def of(cls, job: ReplayJob) -> Tally:
        """Go on counting where a job stopped."""
        return cls(job.seen, job.unreadable, job.same, dict(job.groups), list(job.examples))

    def onto(self, job: ReplayJob) -> ReplayJob:
        """Write what was counted into its job."""
        return replace(
            job,
            seen=self.seen,
            unreadable=self.unreadable,
            same=self.same,
            groups=tuple(sorted(self.groups.items())),
            examples=tuple(self.examples),
        )

    def add(self, found: Disagreement | None) -> None:
        """Count one order; the first few of each group are kept as examples."""
        self.seen += 1
        if found is None:
            self.same += 1
            return
        before = self.groups.get(found.group, 0)
        self.groups[found.group] = before + 1
        if before < EXAMPLES:
            self.examples.append(found.difference())

    def add_unreadable(self) -> None:
        """Count one order that nothing can be said about."""
        self.seen += 1
        self.unreadable += 1


# -- one order --------------------------------------------------------------------------------------------------------


NOT_FORWARDED = OrderRecord(StoreSlug(""), OrderId(""))
"""Stands for the record of an order that has gone no way yet."""


def views_of(order: Order, store: Store, record: OrderRecord | None = None) -> tuple[Order, ...]:
    """Show an order as the rules see it: on the route `shipstation` once for each of its orders there.

    Without its record an order counts as not forwarded yet, as a replay wants it.
    """
    route = route_of(order, record or NOT_FORWARDED, store)
    if route is Route.SHIPSTATION and order.shipstation:
        return tuple(as_seen(order, part.id) for part in order.shipstation)
    return (order,)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """What two rule sets say of an order when it is not the same. Put into words only if somebody is to read them."""

    group: Group
    order: Order
    """As the rules saw it."""
    was: Verdict
    becomes: Verdict
    store: Store
    of_views: int = 1
    differing: int = 1
    """About how many of the views they disagree."""

    def difference(self) -> Difference:
        """Tell it in plain words."""
        part = self.order.part
        of = f"ShipStation order {part.id}: " if part and self.of_views > 1 else ""
        more = f" ({self.differing - 1} more of its ShipStation orders differ)" if self.differing > 1 else ""
        return Difference(
            self.order.id,
            self.order.name,
            of + _words(self.was, self.order, self.store.ship_options),
            of + _words(self.becomes, self.order, self.store.ship_options) + more,
            self.group,
            self.becomes.rule,
        )


def compare(
    views: Sequence[Order], live: CompiledRules, draft: CompiledRules, store: Store, now: datetime
) -> Disagreement | None:
    """Ask both rule sets about one order, seen in one or several ways; None when they agree about each.

    Of several disagreements the one that weighs most is told.
    """
    found: list[Disagreement] = []
    for view in views:
        was, becomes = live.decide(view, now), draft.decide(view, now)
        group = _group(was, becomes, view, store.ship_options)
        if group:
            found.append(Disagreement(group, view, was, becomes, store, len(views)))
    if not found:
        return None
    heaviest = min(found, key=lambda each: _WEIGHT[each.group])
    return replace(heaviest, differing=len(found)) if len(found) > 1 else heaviest


def comparing(store: Store, live: RuleSet, draft: RuleSet) -> Callable[[Order], Disagreement | None]:
    """Make ready what asks two rule sets about past orders, each as if it had just been placed (`just_placed`)."""
    ready, tried = compiled(live, store), compiled(draft, store)
    return lambda order: compare(views_of(order, store), ready, tried, store, just_placed(order))


GRID = timedelta(minutes=15)


def just_placed(order: Order) -> datetime:
    """Say as of when a past order is judged: the next full quarter of an hour after it was created.

    Rules may speak of time, and it was looked at many times: the first time is the one that can be told afterwards.
    Orders of one quarter share a moment, so that what a moment means in the store's time zone is found out once.
    """
    try:
        created = order.created_at.astimezone(UTC)
        return created.replace(minute=created.minute // 15 * 15, second=0, microsecond=0) + GRID
    except OverflowError:  # on the first or the last day there is, as a pasted order may say
        return order.created_at


def shadow_difference(views: Sequence[Order], store: Store, now: datetime) -> Difference | None:
    """Say how the store's shadow would decide otherwise about an order that is looked at now."""
    if store.shadow is None:
        return None
    found = compare(views, compiled(store.rules, store), compiled(store.shadow, store), store, now)
    return found.difference() if found else None


_WEIGHT = {group: n for n, group in enumerate(Group)}

_NEWLY = {
    Outcome.FORWARD: Group.NEWLY_FORWARDED,
    Outcome.HOLD: Group.NEWLY_HELD,
    Outcome.EXCLUDE: Group.NEWLY_EXCLUDED,
    Outcome.NO_RULE_MATCHED: Group.NEWLY_UNMATCHED,
}


def _group(was: Verdict, becomes: Verdict, order: Order, mappings: dict[Method, ShipOptionMapping]) -> Group | None:
    if was.outcome is not becomes.outcome:
        return _NEWLY[becomes.outcome]
    differs: tuple[tuple[Group, bool], ...] = ()
    if was.outcome is Outcome.HOLD:
        differs = ((Group.DIFFERENT_HOLD, (was.until, was.reason) != (becomes.until, becomes.reason)),)
    elif was.outcome is Outcome.FORWARD:
        # Asked of the mapping only when a rule speaks of it: what the mapping says is the same for both.
        options = was.ship_option != becomes.ship_option
        differs = (
            (Group.DIFFERENT_OPTION, options and _option(was, order, mappings) != _option(becomes, order, mappings)),
            (Group.DIFFERENT_LOCATION, was.location != becomes.location),
            (Group.DIFFERENT_SPLIT, (was.later, was.later_until) != (becomes.later, becomes.later_until)),
        )
    found = next((group for group, differ in differs if differ), None)
    return found or (Group.DIFFERENT_MARKS if _marks(was) != _marks(becomes) else None)


def _option(verdict: Verdict, order: Order, mappings: dict[Method, ShipOptionMapping]) -> str:
    """Name the ship option an order would go by: a rule's, else the mapping's; empty when its method is unmapped."""
    if verdict.ship_option:
        return verdict.ship_option
    mapping = mapping_for(order.shipping_method, mappings)
    return mapping.ship_option if mapping and mapping.active else ""


def _marks(verdict: Verdict) -> tuple[tuple[str, ...], ...]:
    return verdict.add_tags, verdict.remove_tags, verdict.notes, verdict.notifications


_OUTCOMES = {
    Outcome.FORWARD: "forward",
    Outcome.HOLD: "hold",
    Outcome.EXCLUDE: "exclude",
    Outcome.NO_RULE_MATCHED: "no rule matches",
}


def _words(verdict: Verdict, order: Order, mappings: dict[Method, ShipOptionMapping]) -> str:
    """Tell a verdict in one line. Everything in it was written by the rules' author."""
    said = [_OUTCOMES[verdict.outcome]]
    if verdict.rule:
        said.append(f"by “{verdict.rule}”")
    if verdict.reason:
        said.append(f"({verdict.reason})")
    if verdict.until:
        said.append(f"until {_moment(verdict.until)}")
    parts = [" ".join(said)]
    if verdict.outcome is Outcome.FORWARD:
        parts.append(f"ship option {_option(verdict, order, mappings) or 'not mapped'}")
        if verdict.location:
            parts.append(f"from location {verdict.location}")
        if verdict.later:
            until = f" until {_moment(verdict.later_until)}" if verdict.later_until else ""
            parts.append(f"{len(verdict.later)} of {len(order.lines)} lines later{until}")
    parts += [f"tag +{tag}" for tag in verdict.add_tags]
    parts += [f"tag -{tag}" for tag in verdict.remove_tags]
    parts += [f"note “{note}”" for note in verdict.notes]
    parts += [f"notify “{message}”" for message in verdict.notifications]
    return "; ".join(parts)


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
