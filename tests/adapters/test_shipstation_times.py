"""Pacific wall time in, UTC out, and back again as a filter that leaves nothing out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jetbridge.partners.shipstation.times import changes_near, date_text, filter_text, moment, wall_text, wall_time

PACIFIC = ZoneInfo("America/Los_Angeles")
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)

moments = st.datetimes(datetime(2021, 1, 1), datetime(2031, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - given by timezones
# 1 November 2026, 02:00 PDT is 01:00 PST; 8 March 2026, 02:00 PST is 03:00 PDT.
november_night = st.datetimes(datetime(2026, 11, 1, 4), datetime(2026, 11, 1, 15), timezones=st.just(UTC))  # noqa: DTZ001
march_night = st.datetimes(datetime(2026, 3, 8, 5), datetime(2026, 3, 8, 15), timezones=st.just(UTC))  # noqa: DTZ001
any_moments = moments | november_night | march_night


def written(at: datetime) -> str:
    """Write a moment as ShipStation's answers do."""
    return at.astimezone(PACIFIC).replace(tzinfo=None).isoformat(timespec="microseconds") + "0"


def filter_moments(text: str) -> tuple[datetime, datetime]:
    """Both moments that a filter may mean: nobody says how ShipStation reads the hour that comes twice."""
    wall = datetime.fromisoformat(text)
    first, second = (wall.replace(tzinfo=PACIFIC, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, second


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-09-11T04:42:37.3930000", datetime(2020, 9, 11, 11, 42, 37, 393000, tzinfo=UTC)),
        ("2016-06-07T08:50:50.067", datetime(2016, 6, 7, 15, 50, 50, 67000, tzinfo=UTC)),
        ("2014-11-26T22:28:14.07", datetime(2014, 11, 27, 6, 28, 14, 70000, tzinfo=UTC)),
        ("2026-01-05T10:00:00", datetime(2026, 1, 5, 18, 0, tzinfo=UTC)),
        ("2026-01-05 10:00:00", datetime(2026, 1, 5, 18, 0, tzinfo=UTC)),
        ("2026-07-05", datetime(2026, 7, 5, 7, 0, tzinfo=UTC)),
        ("2026-07-05T00:00:00.0000000", datetime(2026, 7, 5, 7, 0, tzinfo=UTC)),
        ("2026-07-05T07:00:00Z", datetime(2026, 7, 5, 7, 0, tzinfo=UTC)),
    ],
)
def test_every_way_of_writing_a_time_is_read(text: str, expected: datetime) -> None:
    assert moment(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "0001-01-01T00:00:00", "9999-12-31T23:59:59.9999999"])
def test_what_is_no_time_is_a_value_error_or_a_time(text: str) -> None:
    try:
        found = moment(text)
    except ValueError:
        return
    assert found.tzinfo is UTC


def test_the_repeated_hour_is_read_as_its_first_turn() -> None:
    assert moment("2026-11-01T01:30:00") == datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
    assert moment("2026-11-01T00:59:59") == datetime(2026, 11, 1, 7, 59, 59, tzinfo=UTC)
    assert moment("2026-11-01T02:00:00") == datetime(2026, 11, 1, 10, 0, tzinfo=UTC)


def test_the_hour_left_out_in_march_is_read_early_too() -> None:
    assert moment("2026-03-08T02:30:00") == datetime(2026, 3, 8, 9, 30, tzinfo=UTC)
    assert moment("2026-03-08T01:59:59") == datetime(2026, 3, 8, 9, 59, 59, tzinfo=UTC)
    assert moment("2026-03-08T03:00:00") == datetime(2026, 3, 8, 10, 0, tzinfo=UTC)


@given(any_moments)
def test_a_time_is_never_read_late_and_at_most_one_hour_early(at: datetime) -> None:
    assert moment(written(at)) in {at, at - HOUR}


@given(moments)
def test_a_time_far_from_the_change_is_read_exactly(at: datetime) -> None:
    assume(not changes_near(at.astimezone(PACIFIC).replace(tzinfo=None)))

    assert moment(written(at)) == at


@given(any_moments, st.timedeltas(timedelta(), timedelta(days=2)))
def test_a_filter_leaves_nothing_out_whichever_way_it_is_compared(since: datetime, later: timedelta) -> None:
    """ShipStation may compare wall times as they stand, or moments made of them in either way."""
    start = filter_text(since)
    change = since + later

    assert wall_text(change.astimezone(PACIFIC)) > start
    assert max(filter_moments(start)) < since


@given(any_moments)
def test_a_filter_asks_for_little_that_is_older(since: datetime) -> None:
    assert since - min(filter_moments(filter_text(since))) <= timedelta(hours=2, minutes=35)


@given(moments)
def test_far_from_the_change_a_filter_is_a_second_early(since: datetime) -> None:
    assume(not changes_near(since.astimezone(PACIFIC).replace(tzinfo=None)))
    assume(not changes_near((since - SECOND).astimezone(PACIFIC).replace(tzinfo=None)))

    assert since - SECOND - max(filter_moments(filter_text(since))) < SECOND


@given(november_night)
def test_around_the_repeated_hour_a_filter_is_more_than_an_hour_early(since: datetime) -> None:
    assume(datetime(2026, 11, 1, 8, tzinfo=UTC) <= since <= datetime(2026, 11, 1, 11, tzinfo=UTC))

    assert since - max(filter_moments(filter_text(since))) >= timedelta(minutes=30)
    assert since - min(filter_moments(filter_text(since))) > HOUR


def test_a_filter_has_the_form_the_vendor_asks_for() -> None:
    assert filter_text(datetime(2026, 7, 5, 19, 0, 0, 999999, tzinfo=UTC)) == "2026-07-05 11:59:59"
    assert filter_text(datetime(2026, 12, 5, 19, 0, tzinfo=UTC)) == "2026-12-05 10:59:59"


def test_a_parcel_shipped_in_the_evening_is_of_that_day() -> None:
    assert date_text(datetime(2026, 11, 23, 7, 59, tzinfo=UTC)) == "2026-11-22"
    assert date_text(datetime(2026, 11, 23, 8, 0, tzinfo=UTC)) == "2026-11-23"


def test_a_wall_time_is_kept_as_it_stands() -> None:
    assert wall_time("2026-11-01T01:30:00.1230000") == datetime(2026, 11, 1, 1, 30, 0, 123000)  # noqa: DTZ001 - a wall has none
    assert wall_time("2026-11-01T09:30:00Z") == datetime(2026, 11, 1, 1, 30)  # noqa: DTZ001
