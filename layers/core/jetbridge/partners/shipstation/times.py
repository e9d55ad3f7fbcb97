"""ShipStation's wall time, which is Pacific and says no offset (facts/shipstation.md section 4). It stops here.

In November one hour comes twice. A time read in it is taken for the earlier of the two: cursors are made of these
times, and one that is an hour early reads something again, while one that is an hour late would never read it.
So none of them may be used to say that something was seen already.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

__all__ = ["changes_near", "date_text", "filter_text", "moment", "wall_text", "wall_time"]

NEAR = timedelta(hours=3)
WIDENED = timedelta(minutes=90)
"""More than the hour that comes twice."""
SECOND = timedelta(seconds=1)


@cache
def pacific() -> ZoneInfo:
    """Give the zone; made late, so that only what speaks to ShipStation reads its rules."""
    return ZoneInfo("America/Los_Angeles")


def wall_time(text: str) -> datetime:
    """Read a time as ShipStation wrote it, as it stands on a wall there; ValueError when it is none.

    Seven decimals, three, two or none; a blank or a T; the date alone, which is its midnight.
    """
    found = datetime.fromisoformat(text.strip())
    return found.astimezone(pacific()).replace(tzinfo=None) if found.tzinfo else found


def moment(text: str) -> datetime:
    """Read a time as ShipStation wrote it, in UTC; ValueError when it is none.

    The earlier moment of an hour that comes twice; what stands in the hour left out in March is read as early, too.
    """
    found = datetime.fromisoformat(text.strip())
    if found.tzinfo:
        return found.astimezone(UTC)
    try:
        return min(found.replace(tzinfo=pacific(), fold=fold).astimezone(UTC) for fold in (0, 1))
    except OverflowError:
        message = "a time beyond the calendar"
        raise ValueError(message) from None


def filter_text(since: datetime) -> str:
    """Write the start of a filter so that nothing from `since` on is left out, whatever ShipStation makes of it.

    A second early, for nobody says whether the start itself is included; around a change of the clocks an hour and
    a half, for nobody says which of two hours it means.
    """
    start = since.astimezone(UTC) - SECOND
    if _clocks_change(start):
        start -= WIDENED
    return wall_text(start.astimezone(pacific()))


def wall_text(at: datetime) -> str:
    """Write a wall time as requests want it, without what is below a second."""
    return at.strftime("%Y-%m-%d %H:%M:%S")


def date_text(at: datetime) -> str:
    """Write the day it is there at a moment."""
    return at.astimezone(pacific()).strftime("%Y-%m-%d")


def changes_near(wall: datetime) -> bool:
    """Whether the clocks change within hours of a wall time, so that its order is not the order of time."""
    return _clocks_change(wall.replace(tzinfo=pacific()).astimezone(UTC))


def _clocks_change(at: datetime) -> bool:
    before, after = ((at + step).astimezone(pacific()).utcoffset() for step in (-NEAR, NEAR))
    return before != after
