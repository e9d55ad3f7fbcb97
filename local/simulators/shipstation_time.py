"""ShipStation's clock: US Pacific wall time, written without an offset and compared without one."""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo

PACIFIC = ZoneInfo("America/Los_Angeles")
# What a query may say (facts/shipstation.md section 4); nothing else is documented, so nothing else is taken.
QUERY_FORM = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?")


def wall(at: dt.datetime) -> dt.datetime:
    """Give what a clock on a Pacific wall shows, to the millisecond; in November one hour is shown twice."""
    return at.astimezone(PACIFIC).replace(tzinfo=None, microsecond=at.microsecond // 1000 * 1000)


def from_wall(shown: dt.datetime) -> dt.datetime:
    """Read a wall clock; of the hour that comes twice, the first one is meant."""
    return shown.replace(tzinfo=PACIFIC).astimezone(dt.UTC)


def long_stamp(at: dt.datetime | None) -> str | None:
    """Write a time as orders, shipments and fulfillments do: Pacific, seven decimals."""
    return f"{wall(at):%Y-%m-%dT%H:%M:%S.%f}0" if at else None


def short_stamp(at: dt.datetime | None, zone: dt.tzinfo = PACIFIC) -> str | None:
    """Write a time as items and stores do: two or three decimals."""
    if at is None:
        return None
    thousandths = f"{at.microsecond // 1000:03d}"
    return f"{at.astimezone(zone):%Y-%m-%dT%H:%M:%S}.{thousandths.removesuffix('0')}"


def day_stamp(day: dt.date | None) -> str | None:
    """Write a day as shipments and fulfillments do."""
    return f"{day}T00:00:00.0000000" if day else None


def read_query(text: str) -> dt.datetime:
    """Read a date of a query as the wall time it means; raises ValueError."""
    if not QUERY_FORM.fullmatch(text):
        raise ValueError(text)
    return dt.datetime.fromisoformat(text)


def read_body(text: str) -> dt.datetime:
    """Read a date of a body, which may also be as the answers write it; raises ValueError."""
    read = dt.datetime.fromisoformat(text)
    if read.tzinfo is not None:
        raise ValueError(text)
    return from_wall(read)


def read_day(text: str) -> dt.date:
    """Read the day of a date, with or without a time; raises ValueError."""
    return wall(read_body(text)).date()
