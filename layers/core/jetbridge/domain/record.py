"""Our own book about one order: what was decided, what was sent, what is under way, when to look again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from jetbridge.domain.changes import Ordered, Wish
from jetbridge.domain.holds import Hold
from jetbridge.domain.identifiers import LineId, OrderId, StoreSlug
from jetbridge.domain.store import Route

if TYPE_CHECKING:
    from collections.abc import Iterable

Units = tuple[tuple[LineId, int], ...]


class Status(StrEnum):
    """What the merchant sees. Derived from the units, never set by hand."""

    WAITING = "waiting"
    HELD = "held"
    EXCLUDED = "excluded"
    FORWARDING = "forwarding"
    FORWARDED = "forwarded"
    PARTIALLY_SHIPPED = "partially_shipped"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    FAILED = "failed"


OWED = "+"
"""Ends `shop_marked` while something is still to be set."""

FINISHED = frozenset({Status.EXCLUDED, Status.DELIVERED, Status.CANCELLED})
"""Nothing of ours is outstanding: the record leaves the indexes. A change at the source brings it back."""


class UnitState(StrEnum):
    """Where a unit is. Every ordered unit is in exactly one of these at all times (invariant 1)."""

    WAITING = "waiting"
    HELD = "held"
    EXCLUDED = "excluded"
    FORWARDING = "forwarding"
    FORWARDED = "forwarded"
    SHIPPED = "shipped"
    ELSEWHERE = "fulfilled_elsewhere"
    REMOVED = "removed"
    CANCELLED = "cancelled"


class NextLook(StrEnum):
    """Which way to look when the record is due."""

    FORWARD = "forward"
    TRACK = "track"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Intent:
    """An effect that may be under way (invariant 3). Until `until` nobody else touches it."""

    action: str
    by: str
    until: datetime
    payload_hash: str = ""
    since: datetime | None = None
    """When this effect was first tried: an unknown outcome is looked for from here."""
    refused: bool = False
    """Jetpack said that the reference exists, but does not show the order yet: look, never send."""


class ParcelState(StrEnum):
    """How far the telling of one parcel has come."""

    ANNOUNCING = "announcing"
    ANNOUNCED = "announced"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Parcel:
    """One shipment with a tracking number. The key is Jetpack's shipment id; the number may change."""

    shipment_id: str
    units: Units
    state: ParcelState
    number: str = ""
    carrier: str = ""
    url: str = ""
    fulfillment_id: str = ""
    until: datetime | None = None
    """While announcing: the end of the intent."""
    told: str = ""
    """The number the shop was told before, when it has changed since."""
    at_jetpack: tuple[tuple[str, int], ...] = ()
    """(Jetpack's SKU, units of it) in it; only where bundles are packed, whose units count before all of them left."""

    @property
    def done(self) -> bool:
        """Whether nothing is left to do for it."""
        return self.state is ParcelState.DELIVERED


class Writer(StrEnum):
    """Who tells the shop of an order's parcels. One an order, stored before the first is told (DESIGN section 7)."""

    SHIPSTATION = "shipstation"
    SHOPIFY = "shopify"


class MarkState(StrEnum):
    """How far the marking of one ShipStation order as shipped has come."""

    MARKING = "marking"
    MARKED = "marked"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ShipStationMark:
    """What we told ShipStation of one of its orders. The whole order, once: V1 knows no more."""

    shipstation_id: str
    number: str
    state: MarkState
    since: datetime
    """When it was first tried: after an hour nobody waits for ShipStation any more."""
    until: datetime | None = None
    """While marking: the end of the intent."""


class ConsignmentState(StrEnum):
    """Whether an order at Jetpack covers the units."""

    CREATING = "creating"
    LIVE = "live"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class ConsignedLine:
    """Units of one line in a consignment; the SKU tells Jetpack's shipments apart."""

    line_id: LineId
    sku: str
    quantity: int
    components: tuple[tuple[str, int], ...] = ()
    """(Jetpack's SKU, units of it a unit of ours), when the SKU map says so; empty: the SKU is Jetpack's too."""

    @property
    def at_jetpack(self) -> tuple[tuple[str, int], ...]:
        """Its units as Jetpack counts them: (Jetpack's SKU, units of it)."""
        return tuple((sku, units * self.quantity) for sku, units in self.components or ((self.sku, 1),))


@dataclass(frozen=True, slots=True)
class Consignment:
    """One order created at Jetpack for some units of ours. Its reference is never used for anything else."""

    n: int
    reference: str
    lines: tuple[ConsignedLine, ...]
    state: ConsignmentState
    sent_hash: str = ""
    """Hash of the source's address and shipping method as last sent."""
    jetpack_order_id: str = ""
    forwarded_at: datetime | None = None
    intent: Intent | None = None
    parcels: tuple[Parcel, ...] = ()
    shipstation_id: str = ""
    """The ShipStation order it was made from; empty on the direct route."""
    held_back: bool = False
    """We put its shipments on hold at Jetpack, because the source holds what was forwarded."""
    refusal: Hold | None = None
    """What could not be changed any more, or Jetpack refused to: not asked again while the source is the same."""
    cancel_asked: bool = False
    """We asked Jetpack to cancel it; only then is a cancelled order there ours to replace."""
    trouble: Hold | None = None
    """What Jetpack says against shipping it."""

    @property
    def covers(self) -> bool:
        """Whether its units are, or may be, at Jetpack."""
        return self.state is not ConsignmentState.CANCELLED

    @property
    def units(self) -> int:
        """All its units."""
        return sum(line.quantity for line in self.lines)

    @property
    def at_jetpack(self) -> Counter[str]:
        """Its units as Jetpack counts them, by Jetpack's SKU."""
        units: Counter[str] = Counter()
        for line in self.lines:
            units.update(dict(line.at_jetpack))
        return units

    @property
    def shipped_units(self) -> int:
        """The units of its parcels."""
        return sum(quantity for parcel in self.parcels for _, quantity in parcel.units)

    @property
    def bundled(self) -> bool:
        """Whether Jetpack packs some of it from other SKUs than were ordered."""
        return any(line.components for line in self.lines)

    @property
    def to_come(self) -> Counter[str]:
        """What is in no parcel yet, as Jetpack counts it; known only where bundles are packed."""
        if not self.bundled:
            return Counter()
        left = self.at_jetpack
        for parcel in self.parcels:
            left.subtract(dict(parcel.at_jetpack))
        return +left

    @property
    def complete(self) -> bool:
        """Whether every unit is in a parcel: of a bundle all that it is packed from, not only the first of it."""
        return self.shipped_units >= self.units and not self.to_come


@dataclass(frozen=True, slots=True)
class Decision:
    """What the rules said, by which version of them (invariant 6)."""

    outcome: str
    rule: str = ""
    rules_version: int = 0
    ship_option: str = ""
    location: str = ""
    """The fulfillment center a rule chose; empty: Jetpack chooses."""


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """The state of one order. `version` is 0 until it is written for the first time."""

    store: StoreSlug
    order_id: OrderId
    name: str = ""
    version: int = 0
    created_at: datetime | None = None
    status: Status = Status.WAITING
    since: datetime | None = None
    looked_at: datetime | None = None
    """Start of the last read of the source that is reflected here."""
    jetpack_looked_at: datetime | None = None
    shipstation_looked_at: datetime | None = None
    """Start of the oldest read of its ShipStation orders that is reflected here."""
    forward_at: datetime | None = None
    """When the way forward looks again; only its own looks move it later."""
    track_at: datetime | None = None
    """When the way back looks again; only its own looks move it later."""
    due_at: datetime | None = None
    """The earlier of the two: what the index is sorted by. None once nothing is outstanding."""
    next_look: NextLook = NextLook.FORWARD
    ordered: int = 0
    others: tuple[tuple[UnitState, int], ...] = ()
    """Units outside consignments, by state. With those of the consignments they add up to `ordered`."""
    reason: str = ""
    """Why units wait or are excluded, in a word."""
    hold: Hold | None = None
    decision: Decision | None = None
    consignments: tuple[Consignment, ...] = ()
    route: Route | None = None
    """By which book it was forwarded; None until it was, and then for ever."""
    ordered_by_person: Ordered | None = None
    """What a person ordered over what the rules say, until it is lifted."""
    shop_marked: str = ""
    """Hash of the tags and notes of the rules, and of the forwarded mark, set at the shop last; see `owes_marks`."""
    told: tuple[str, ...] = ()
    """Digests of the notices of rules that were sent."""
    ignored: str = ""
    """Which other book showed it, and why that is ignored."""
    parts: tuple[str, ...] = ()
    """The ShipStation orders known to be of it."""
    writer: Writer | None = None
    """Who tells the shop; None until something is to be told."""
    marks: tuple[ShipStationMark, ...] = ()
    rejections: tuple[tuple[str, Hold], ...] = ()
    """Creates that Jetpack refused, by ShipStation order ("" on the direct route): the same is not sent again."""
    seen_hash: str = ""
    """Hash of the source as kept in the snapshot."""
    attempts: int = 0
    """Looks of the way forward that failed in a row."""
    failing_since: datetime | None = None
    track_attempts: int = 0
    """Looks of the way back that failed in a row."""
    track_failing_since: datetime | None = None
    failed: str = ""
    """Why a person must act on the way forward, when one must."""
    track_failed: str = ""
    """Why a person must act on the way back."""

    @property
    def needs_person(self) -> str:
        """Why a person must act, or nothing."""
        untold = [parcel.shipment_id for parcel in self.parcels if parcel.state is ParcelState.FAILED]
        parcels = f"parcel {', '.join(untold)} left Jetpack, but the shop does not take its tracking number"
        return self.failed or self.track_failed or (parcels if untold else "")

    @property
    def wish(self) -> Wish | None:
        """What a person wants of it, over what the rules say."""
        return self.ordered_by_person.wish if self.ordered_by_person else None

    @property
    def owes_marks(self) -> bool:
        """Whether tags, notes or notices of the rules are still to be set, though nothing else is to be done."""
        return self.shop_marked.endswith(OWED)

    @property
    def unseen(self) -> bool:
        """Whether the source was never read: an order without lines is not the same."""
        return not self.ordered and not self.seen_hash

    def mark(self, shipstation_id: str) -> ShipStationMark | None:
        """Give what we told ShipStation of one of its orders."""
        return next((each for each in self.marks if each.shipstation_id == shipstation_id), None)

    def with_mark(self, mark: ShipStationMark) -> OrderRecord:
        """Put a mark in, instead of the one of the same ShipStation order."""
        others = tuple(each for each in self.marks if each.shipstation_id != mark.shipstation_id)
        return replace(self, marks=(*others, mark))

    @property
    def owed_marks(self) -> tuple[tuple[str, str], ...]:
        """The ShipStation orders that must still be told they are shipped, and the number: the shop knows of a parcel.

        One without a consignment of its own (split after forwarding) is marked when nothing is at Jetpack any more,
        or somebody could ship it from there.
        """
        if self.route is not Route.SHIPSTATION or self.writer is None:
            return ()
        told = {
            each.shipstation_id: parcel.number
            for each in reversed(self.live)
            for parcel in reversed(each.parcels)
            if parcel.number and parcel.state in {ParcelState.ANNOUNCED, ParcelState.DELIVERED}
        }
        consigned = {each.shipstation_id for each in self.live}
        here = {UnitState.WAITING, UnitState.HELD, UnitState.EXCLUDED}
        gone = all(each.complete for each in self.live) and not any(n and state in here for state, n in self.others)
        numbers = [each.number for each in self.parcels if each.number and each.state is ParcelState.ANNOUNCED]
        rest = next(reversed(numbers), next(iter(told.values()), "")) if gone else ""
        owed = ((part, told.get(part, "" if part in consigned else rest)) for part in self.parts)
        marked = {each.shipstation_id for each in self.marks if each.state is not MarkState.MARKING}
        return tuple((part, number) for part, number in owed if number and part not in marked)

    def consignment(self, n: int) -> Consignment:
        """Give consignment `n`; KeyError when there is none."""
        for consignment in self.consignments:
            if consignment.n == n:
                return consignment
        raise KeyError(n)

    def with_consignment(self, consignment: Consignment) -> OrderRecord:
        """Put a consignment in, instead of the one with the same number if there is one."""
        others = tuple(each for each in self.consignments if each.n != consignment.n)
        ordered = tuple(sorted((*others, consignment), key=lambda each: each.n))
        return replace(self, consignments=ordered)

    def without_consignment(self, n: int) -> OrderRecord:
        """Take out a consignment of which nothing exists anywhere; without any, the route is open again."""
        others = tuple(each for each in self.consignments if each.n != n)
        return replace(self, consignments=others, route=self.route if others else None)

    @property
    def live(self) -> tuple[Consignment, ...]:
        """The consignments that cover units at Jetpack, or may."""
        return tuple(each for each in self.consignments if each.covers)

    @property
    def parcels(self) -> tuple[Parcel, ...]:
        """All parcels of all consignments that cover units."""
        return tuple(parcel for each in self.live for parcel in each.parcels)


def units_by_state(record: OrderRecord) -> Counter[UnitState]:
    """Count the order's units by state. The sum is `record.ordered` (invariant 1)."""
    units: Counter[UnitState] = Counter()
    for state, quantity in record.others:
        units[state] += quantity
    for consignment in record.live:
        shipped = min(consignment.shipped_units, consignment.units)
        creating = consignment.state is ConsignmentState.CREATING
        units[UnitState.SHIPPED] += shipped
        units[UnitState.FORWARDING if creating else UnitState.FORWARDED] += consignment.units - shipped
    return +units


def status_of(record: OrderRecord) -> Status:  # noqa: PLR0911 - one return a status, in their fixed order
    """Derive the status: the first that holds for some unit, in the order of DESIGN section 5."""
    units = units_by_state(record)
    shipped, open_at_jetpack = units[UnitState.SHIPPED], units[UnitState.FORWARDED]
    if record.needs_person:
        return Status.FAILED
    if record.hold or any(consignment.trouble for consignment in record.live):
        return Status.HELD
    if units[UnitState.FORWARDING]:
        return Status.FORWARDING
    rest_of_bundle = any(consignment.to_come for consignment in record.live)
    if shipped and (open_at_jetpack or units[UnitState.WAITING] or rest_of_bundle):
        return Status.PARTIALLY_SHIPPED
    if units[UnitState.WAITING] or record.unseen:
        return Status.WAITING
    if open_at_jetpack:
        return Status.FORWARDED
    if shipped:
        return Status.DELIVERED if all(parcel.done for parcel in record.parcels) else Status.SHIPPED
    if units[UnitState.EXCLUDED] or units[UnitState.ELSEWHERE] or not record.ordered:
        return Status.EXCLUDED
    return Status.CANCELLED


SAME_LOOK = timedelta(minutes=1)
HELD_LOOK = timedelta(minutes=15)
FORWARDED_LOOK = timedelta(hours=2)
SHIPPED_LOOK = timedelta(hours=24)
"""Jetpack repeats its webhooks for a day, so polling is the net below them; each look costs one of its 150 calls."""

WAITING_LOOK = timedelta(hours=6)
STOP_FOLLOWING = timedelta(days=30)
"""Not every carrier ever reports a delivery (facts/shipbob.md section 14): after this a shipped order is left alone."""


def settled(
    record: OrderRecord, now: datetime, *, looked: NextLook, wake: Iterable[datetime | None] = ()
) -> OrderRecord:
    """Derive status and next looks. `wake` names moments that must not be slept through.

    Every open record comes out with a `due_at`: a lost wake-up is never lost for ever. A look moves its own
    way's time only, so that one way never puts off what the other has to do.
    """
    status = status_of(record)
    since = record.since if record.status is status and record.since else now
    record = replace(record, status=status, since=since)
    forward_at = _kept(record.forward_at, _forward_by(record, now, wake), moved=looked is NextLook.FORWARD)
    track_at = _kept(record.track_at, _track_by(record, now), moved=looked is NextLook.TRACK)
    return with_looks(record, forward_at, track_at)


def _kept(before: datetime | None, wanted: datetime | None, *, moved: bool) -> datetime | None:
    if moved or before is None or wanted is None:
        return wanted
    return min(before, wanted)


def _forward_by(record: OrderRecord, now: datetime, wake: Iterable[datetime | None]) -> datetime | None:
    """Say when the source must be looked at: while units wait, are held, or an effect of ours is open."""
    units = units_by_state(record)
    pending = units[UnitState.WAITING] or units[UnitState.HELD] or units[UnitState.FORWARDING] or record.unseen
    intents = [each.intent.until for each in record.live if each.intent]
    intents += [now for each in record.live if each.cancel_asked and each.trouble and not each.intent]
    wakes = [moment for moment in wake if moment]
    wakes += [now] if record.owes_marks else []
    if not (pending or intents or wakes or record.hold or record.failed or record.attempts):
        return None  # a look that failed has still to be made good, whatever the way back sees meanwhile
    held = record.hold or any(each.trouble for each in record.live)
    # A moment that has passed is not a reason to look without end.
    moments = [max(moment, now + SAME_LOOK) for moment in wakes]
    return min([now + (HELD_LOOK if held else WAITING_LOOK), *intents, *moments])


def _track_by(record: OrderRecord, now: datetime) -> datetime | None:
    """Say when Jetpack must be looked at: until every unit there was delivered, or has long been on its way."""
    followed = [each for each in record.live if each.state is ConsignmentState.LIVE]
    marking = {mark.shipstation_id: mark.until or now for mark in record.marks if mark.state is MarkState.MARKING}
    telling = [marking.get(part, now) for part, _ in record.owed_marks]
    if all(each.complete and all(parcel.done for parcel in each.parcels) for each in followed) and not telling:
        return None
    telling += [parcel.until or now for parcel in record.parcels if parcel.state is ParcelState.ANNOUNCING]
    telling += [parcel.until for parcel in record.parcels if parcel.state is ParcelState.FAILED and parcel.until]
    if record.status is Status.SHIPPED and not telling:
        long_ago = now - (record.since or now) > STOP_FOLLOWING
        return None if long_ago else now + SHIPPED_LOOK
    return min([now + (HELD_LOOK if any(each.trouble for each in followed) else FORWARDED_LOOK), *telling])


def with_looks(record: OrderRecord, forward_at: datetime | None, track_at: datetime | None) -> OrderRecord:
    """Set when either way looks again; what is due within a minute of the other is woken with it."""
    moments = [moment for moment in (forward_at, track_at) if moment]
    due_at = min(moments) if moments else None
    next_look = NextLook.FORWARD
    if forward_at and track_at and abs(forward_at - track_at) <= SAME_LOOK:
        next_look = NextLook.BOTH
    elif due_at and due_at == track_at:
        next_look = NextLook.TRACK
    return replace(record, forward_at=forward_at, track_at=track_at, due_at=due_at, next_look=next_look)


def looking_again(record: OrderRecord, way: NextLook, at: datetime) -> OrderRecord:
    """Set when one way looks again, whatever else would follow from where the record stands."""
    if way is NextLook.TRACK:
        return with_looks(record, record.forward_at, at)
    return with_looks(record, at, record.track_at)


BACK_OFF = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 60))
GIVE_UP = timedelta(days=15)


def put_off(  # noqa: PLR0913 - what went wrong, and how long to wait
    record: OrderRecord,
    now: datetime,
    *,
    looked: NextLook,
    reason: str,
    after: timedelta | None = None,
    jitter: float = 0.0,
) -> OrderRecord:
    """Note a look that failed for a passing reason: back off, and after 15 days call a person.

    `jitter` is a number from 0 to 1; `after` is the partner's own word on when to come again.
    """
    tracking = looked is NextLook.TRACK
    attempts = record.track_attempts if tracking else record.attempts
    since = (record.track_failing_since if tracking else record.failing_since) or now
    step = BACK_OFF[min(attempts, len(BACK_OFF) - 1)]
    # The partner's word can only make it later: many orders told to come again in a second would come at once.
    again = now + max(after or timedelta(), step * (1 + jitter / 4))
    given_up = reason if now - since > GIVE_UP else ""
    if tracking:
        later = replace(record, track_attempts=attempts + 1, track_failing_since=since)
        later = replace(later, track_failed=record.track_failed or given_up)
    else:
        later = replace(record, attempts=attempts + 1, failing_since=since, failed=record.failed or given_up)
        later = replace(later, reason=record.reason or reason)
    return looking_again(settled(later, now, looked=looked), looked, again)
