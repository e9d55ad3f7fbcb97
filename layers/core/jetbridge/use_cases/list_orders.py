"""Orders as a person sees them: which wait for whom and how long, and everything about one. Never personal data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched, islice
from typing import TYPE_CHECKING

from jetbridge.domain.holds import REASONS
from jetbridge.domain.identifiers import OrderId
from jetbridge.domain.record import FINISHED, Status, UnitState, units_by_state
from jetbridge.errors import InvalidRequestError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jetbridge.domain.changes import Ordered
    from jetbridge.domain.holds import Hold
    from jetbridge.domain.identifiers import StoreSlug
    from jetbridge.domain.record import Consignment, Decision, OrderRecord
    from jetbridge.domain.store import Route
    from jetbridge.domain.timeline import TimelineEvent
    from jetbridge.ports import OrderRecords, StoreSettings

LISTED = (
    Status.FAILED,
    Status.HELD,
    Status.FORWARDING,
    Status.PARTIALLY_SHIPPED,
    Status.WAITING,
    Status.FORWARDED,
    Status.SHIPPED,
)
"""Without a status asked for: everything that is not finished, what needs somebody first."""

MOST_ROWS = 250
MOST_COUNTED = 1000
"""Orders of one status that are counted: beyond that the number no longer matters."""

MOST_READ = 2000
"""Records that one page may cost; a rare reason is then found on a later page."""

AT_ONCE = 100

DAYS_BACK = 60
"""How far finished orders are looked for, day by day."""


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order in a list."""

    order_id: OrderId
    name: str
    status: Status
    reason: str
    detail: str
    owner: str
    """Who can do something about it: merchant, customer, jetpack; empty: nobody has to."""
    since: datetime | None
    age: timedelta | None
    next_step: str
    due_at: datetime | None
    ship_option: str
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OrderPage:
    """Some orders of a list, and where the next begin."""

    rows: tuple[OrderRow, ...]
    after: str = ""
    """What to ask for the next page with; empty: there is none."""


@dataclass(frozen=True, slots=True)
class OrderCount:
    """How many orders stand in one status for one reason."""

    status: Status
    reason: str
    orders: int
    at_least: bool
    """Whether there are more, which nobody counted."""


@dataclass(frozen=True, slots=True)
class HoldShown:
    """A hold in full."""

    reason: str
    since: datetime
    detail: str
    owner: str
    meaning: str
    next_step: str
    lifted_when: str


@dataclass(frozen=True, slots=True)
class OrderShown:
    """Everything known here of one order."""

    row: OrderRow
    route: Route | None
    ignored: str
    units: dict[UnitState, int]
    """Where every ordered unit is; the sum is `ordered`."""
    ordered: int
    holds: tuple[HoldShown, ...]
    """What holds it, or what Jetpack has against a consignment of it."""
    needs_person: str
    ordered_by_person: Ordered | None
    decision: Decision | None
    consignments: tuple[Consignment, ...]
    """With their parcels."""
    timeline: tuple[TimelineEvent, ...]
    """The oldest first, with the trace of every decision."""
    looked_at: datetime | None
    jetpack_looked_at: datetime | None
    attempts: int
    """Looks that failed in a row."""


def list_orders(  # noqa: PLR0913 - what to list, and one keyword a port
    slug: StoreSlug,
    *,
    status: Status | None = None,
    reason: str = "",
    limit: int = 50,
    after: str = "",
    records: OrderRecords,
    settings: StoreSettings,
    clock: Callable[[], datetime],
) -> OrderPage:
    """List orders, those longest in their status first; finished ones by their day, the latest first.

    Args:
        slug: The store.
        status: Only these; without it everything that is not finished, what needs somebody first.
        reason: Only those that are held, wait or are excluded for this reason.
        limit: Rows of a page. A page may hold fewer although more follow.
        after: What the page before said.
        records: OrdersTable.
        settings: SettingsTable.
        clock: The time.

    Raises:
        NotFoundError: No such store is connected.
        InvalidRequestError: `after` is none of ours, or `limit` is out of bounds.
        TransientError: Our own tables do not answer.
    """
    _check_store(slug, settings)
    if not 1 <= limit <= MOST_ROWS:
        message = f"limit: from 1 to {MOST_ROWS}"
        raise InvalidRequestError(message)
    now = clock()
    statuses = LISTED if status is None else (status,)
    begin, place = _place(after, statuses) if after else (statuses[0], None)
    rows: list[OrderRow] = []
    read = 0
    for each in statuses[statuses.index(begin) :]:
        found = _of_days(slug, place, now, records) if each in FINISHED else _open(slug, each, place, records)
        place = None
        for here, record in found:
            read += 1
            if record.status is each and (not reason or _reason(record)[0] == reason):
                rows.append(_row(record, now))
            if len(rows) == limit or read == MOST_READ:
                return OrderPage(tuple(rows), f"{each}/{here}")
    return OrderPage(tuple(rows))


def _place(after: str, statuses: tuple[Status, ...]) -> tuple[Status, tuple[str, str]]:
    """Take apart where a page ended: status, the time or day, and the order's id."""
    status, _, rest = after.partition("/")
    moment, _, order_id = rest.partition("/")
    try:
        if status not in statuses or not order_id:
            raise ValueError  # noqa: TRY301 - the same answer to all that is wrong
        if datetime.fromisoformat(moment).tzinfo is None and status not in FINISHED:
            raise ValueError  # noqa: TRY301 - as above
    except ValueError:
        message = "after: not what a page of this list said"
        raise InvalidRequestError(message) from None
    return Status(status), (moment, order_id)


def _open(
    slug: StoreSlug, status: Status, place: tuple[str, str] | None, records: OrderRecords
) -> Iterator[tuple[str, OrderRecord]]:
    """Go through the orders of one status, the longest in it first, from behind a place on."""
    order_ids = list(records.open_orders(slug, status))
    begin = None
    if place and place[1] in order_ids:
        order_ids = order_ids[order_ids.index(OrderId(place[1])) + 1 :]
    elif place:
        begin = datetime.fromisoformat(place[0]), place[1]  # that order has left meanwhile
    for some in batched(order_ids, AT_ONCE, strict=False):
        found = ((each.since, each) for each in records.read_many(slug, some) if each.since)
        for since, record in sorted(found, key=lambda each: (each[0], each[1].order_id)):
            if begin is None or (since, record.order_id) > begin:
                yield f"{since.isoformat()}/{record.order_id}", record


def _of_days(
    slug: StoreSlug, place: tuple[str, str] | None, now: datetime, records: OrderRecords
) -> Iterator[tuple[str, OrderRecord]]:
    """Go back through the orders of the last days, whatever their status, from behind a place on."""
    day = today = now.astimezone(UTC).date()
    behind = ""
    if place:
        day, behind = datetime.fromisoformat(place[0]).date(), place[1]
    while day > today - timedelta(days=DAYS_BACK):
        order_ids = sorted(each for each in records.orders_of_day(slug, day) if each > behind)
        for some in batched(order_ids, AT_ONCE, strict=False):
            for record in sorted(records.read_many(slug, some), key=lambda each: each.order_id):
                yield f"{day.isoformat()}/{record.order_id}", record
        day, behind = min(day, today) - timedelta(days=1), ""


def count_orders(slug: StoreSlug, *, records: OrderRecords, settings: StoreSettings) -> tuple[OrderCount, ...]:
    """Count the orders that are not finished, by status and reason; of each status the longest in it.

    Raises:
        NotFoundError: No such store is connected.
        TransientError: Our own tables do not answer.
    """
    _check_store(slug, settings)
    counts = []
    for status in LISTED:
        order_ids = list(islice(records.open_orders(slug, status), MOST_COUNTED + 1))
        more = len(order_ids) > MOST_COUNTED
        found = records.read_many(slug, order_ids[:MOST_COUNTED])
        reasons = Counter(_reason(record)[0] for record in found if record.status is status)
        counts += [OrderCount(status, reason, orders, more) for reason, orders in sorted(reasons.items())]
    return tuple(counts)


def show_order(
    slug: StoreSlug,
    order_id: OrderId,
    *,
    records: OrderRecords,
    settings: StoreSettings,
    clock: Callable[[], datetime],
) -> OrderShown:
    """Show one order: where its units are and why, what was sent, what happened.

    Raises:
        NotFoundError: No such store is connected, or nobody here has seen such an order.
        TransientError: Our own tables do not answer.
    """
    _check_store(slug, settings)
    record = records.read(slug, order_id)
    if record is None:
        message = "nobody here has seen an order with this id"
        raise NotFoundError(message)
    return OrderShown(
        row=_row(record, clock()),
        route=record.route,
        ignored=record.ignored,
        units=dict(units_by_state(record)),
        ordered=record.ordered,
        holds=tuple(_shown(hold) for hold in _holds(record)),
        needs_person=record.needs_person,
        ordered_by_person=record.ordered_by_person,
        decision=record.decision,
        consignments=record.consignments,
        timeline=tuple(records.timeline(slug, order_id)),
        looked_at=record.looked_at,
        jetpack_looked_at=record.jetpack_looked_at,
        attempts=record.attempts + record.track_attempts,
    )


def _check_store(slug: StoreSlug, settings: StoreSettings) -> None:
    if settings.store(slug) is None:
        message = f"the store {slug} is not connected"
        raise NotFoundError(message)


# -- in words ---------------------------------------------------------------------------------------------------------

NEEDS_PERSON = "needs_person"
FAILED_STEP = "Settle it in Shopify or at Jetpack, then look again."

WAITING_STEPS = {
    "unpaid": ("customer", "Nothing: it is forwarded when it is paid."),
    "grace": ("", "Nothing: it is forwarded when the store's grace minutes are over."),
    "scheduled": ("", "Nothing: it is forwarded at the time Shopify names."),
    "routing": ("", "Nothing: Shopify has not said yet where it is fulfilled."),
    "not_fulfillable": ("merchant", "See in Shopify what keeps it from being fulfilled."),
    "not_in_shipstation": ("", "Nothing: ShipStation has not imported it yet."),
}
"""Why units wait, who can do something about it, and what."""


def _holds(record: OrderRecord) -> list[Hold]:
    troubles = [each.trouble for each in record.live if each.trouble]
    return [*([record.hold] if record.hold else []), *troubles]


def _reason(record: OrderRecord) -> tuple[str, str]:
    """Say why an order stands where it stands: in a word, and in plain words."""
    if record.status is Status.FAILED:
        return NEEDS_PERSON, record.needs_person
    hold = next(iter(_holds(record)), None)
    if record.status is Status.HELD and hold:
        return hold.reason, hold.detail
    return record.reason, ""


def _row(record: OrderRecord, now: datetime) -> OrderRow:
    reason, detail = _reason(record)
    since, owner, next_step = record.since, "", ""
    if record.status is Status.FAILED:
        owner, next_step = "merchant", FAILED_STEP
    elif record.status is Status.HELD and reason in REASONS:
        owner, next_step = REASONS[reason].owner, REASONS[reason].next_step
        since = _holds(record)[0].since
    elif record.status is Status.WAITING:
        owner, next_step = WAITING_STEPS.get(reason, ("", ""))
    return OrderRow(
        record.order_id,
        record.name,
        record.status,
        reason,
        detail,
        owner,
        since,
        now - since if since else None,
        next_step,
        record.due_at,
        record.decision.ship_option if record.decision else "",
        record.created_at,
    )


def _shown(hold: Hold) -> HoldShown:
    found = REASONS[hold.reason]
    return HoldShown(
        hold.reason, hold.since, hold.detail, found.owner, found.meaning, found.next_step, found.lifted_when
    )
