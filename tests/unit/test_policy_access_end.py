"""Law 12: the one instant at which access ends, from civil dates."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.access_end import (
    Basis,
    CivilDates,
    Convention,
    DatesMissing,
    ImpossibleDates,
    UnknownTimeZone,
    ZoneBasis,
    ZoneDefaults,
    anchors,
    derive,
    find_zone,
    parse_civil_date,
    start_of_day,
)

RECEIVED = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
DAYS = st.dates(date(1971, 1, 1), date(2037, 12, 31))
ZONES = st.sampled_from(sorted(available_timezones() - {"localtime", "Factory", "posixrules"}))


def test_last_working_day_ends_at_midnight_of_its_own_zone() -> None:
    """The published example: 2026-12-18 in Shanghai ends at 16:00 UTC."""
    dates = CivilDates(
        last_working_day=date(2026, 12, 18),
        termination_date=date(2026, 12, 31),
        time_zone="Asia/Shanghai",
    )
    end = derive(dates, immediate=False, received_at=RECEIVED)
    assert end.at == datetime(2026, 12, 18, 16, tzinfo=UTC)
    assert end.basis is Basis.END_OF_LAST_WORKING_DAY
    assert (end.time_zone, end.time_zone_basis) == ("Asia/Shanghai", ZoneBasis.EVENT)
    assert end.day == date(2026, 12, 18)
    assert end.explanation == (
        "End of the last working day 2026-12-18 in Asia/Shanghai (event): access ends "
        "2026-12-19 00:00+08:00 = 2026-12-18T16:00:00Z."
    )


def test_first_day_out_is_one_day_later_than_the_last_day_in() -> None:
    """The same day said in both conventions gives the same instant."""
    inside = CivilDates(termination_date=date(2026, 12, 31), time_zone="Europe/Berlin")
    outside = CivilDates(
        termination_date=date(2027, 1, 1),
        time_zone="Europe/Berlin",
        convention=Convention.FIRST_DAY_OUT,
    )
    ends = [derive(dates, immediate=False, received_at=RECEIVED) for dates in (inside, outside)]
    assert ends[0] == ends[1]
    assert ends[0].basis is Basis.END_OF_TERMINATION_DATE
    assert ends[0].at == datetime(2026, 12, 31, 23, tzinfo=UTC)


def test_a_last_working_day_is_never_shifted() -> None:
    """It is a last day by its name, whatever the source means by its termination date."""
    dates = CivilDates(
        last_working_day=date(2026, 12, 18),
        termination_date=date(2026, 12, 19),
        time_zone="UTC",
        convention=Convention.FIRST_DAY_OUT,
    )
    end = derive(dates, immediate=False, received_at=RECEIVED)
    assert end.at == datetime(2026, 12, 19, tzinfo=UTC)


def test_immediate_overrides_all_dates_and_needs_none() -> None:
    """The instant of receipt counts, even where dates or zone are nonsense."""
    dates = CivilDates(last_working_day=date(2030, 1, 1), time_zone="Nowhere/Land")
    for given_dates in (dates, CivilDates()):
        end = derive(given_dates, immediate=True, received_at=RECEIVED)
        assert (end.at, end.basis, end.time_zone_basis) == (RECEIVED, Basis.IMMEDIATE, None)


def test_an_instant_of_the_source_outweighs_its_dates() -> None:
    """An HR system that names the instant means it."""
    named = datetime(2026, 12, 18, 18, tzinfo=ZoneInfo("Asia/Shanghai"))
    dates = CivilDates(last_working_day=date(2026, 12, 18), time_zone="Asia/Shanghai")
    end = derive(dates, immediate=False, received_at=RECEIVED, source_instant=named)
    assert end.basis is Basis.SOURCE_INSTANT
    assert end.at == datetime(2026, 12, 18, 10, tzinfo=UTC)
    assert end.at.tzinfo is UTC


@pytest.mark.parametrize(
    ("defaults", "zone", "basis"),
    [
        (ZoneDefaults("Asia/Tokyo", "UTC", "Europe/Rome"), "Asia/Tokyo", ZoneBasis.SITE),
        (ZoneDefaults("", "UTC", "Europe/Rome"), "UTC", ZoneBasis.TENANT_DEFAULT),
        (ZoneDefaults("", "", "Europe/Rome"), "Europe/Rome", ZoneBasis.POLICY_DEFAULT),
    ],
)
def test_the_nearest_default_zone_is_taken_and_named(
    defaults: ZoneDefaults, zone: str, basis: ZoneBasis
) -> None:
    """Site, then tenant, then policy; the basis is stored."""
    dates = CivilDates(termination_date=date(2026, 12, 31))
    end = derive(dates, immediate=False, received_at=RECEIVED, defaults=defaults)
    assert (end.time_zone, end.time_zone_basis) == (zone, basis)


def test_questions_are_typed() -> None:
    """What cannot be derived is an error of its own kind, never a guess."""
    with pytest.raises(DatesMissing):
        derive(CivilDates(time_zone="UTC"), immediate=False, received_at=RECEIVED)
    with pytest.raises(UnknownTimeZone, match="no time zone"):
        derive(CivilDates(termination_date=date(2026, 1, 5)), immediate=False, received_at=RECEIVED)
    late = CivilDates(date(2026, 2, 1), date(2026, 1, 31), time_zone="UTC")
    with pytest.raises(ImpossibleDates, match="after the last day in employment"):
        derive(late, immediate=False, received_at=RECEIVED)
    far = CivilDates(termination_date=date(9999, 12, 31), time_zone="UTC")
    with pytest.raises(ImpossibleDates, match="1970 to 2199"):
        derive(far, immediate=False, received_at=RECEIVED)
    naive = RECEIVED.replace(tzinfo=None)
    with pytest.raises(ImpossibleDates, match="has no time zone"):
        derive(CivilDates(), immediate=True, received_at=naive)


@pytest.mark.parametrize(
    "name", ["", "Asia/Shanghia", "../../etc/passwd", "America", "localtime", "a\x00b", "GMT+25:00"]
)
def test_a_wrong_zone_is_refused_whatever_is_wrong_with_it(name: str) -> None:
    """Misspelt, a folder, a path, a name of this machine: all the same typed error."""
    with pytest.raises(UnknownTimeZone):
        find_zone(name)


def test_a_misspelt_zone_names_the_nearest() -> None:
    """The person reads which zone was probably meant."""
    with pytest.raises(UnknownTimeZone, match="did you mean Asia/Shanghai"):
        find_zone("Asia/Shanghia")


@pytest.mark.parametrize("text", ["2026-02-30", "2026-1-5", "20260105", "", "9999-01-01", "x" * 99])
def test_impossible_dates_are_refused_without_repeating_them(text: str) -> None:
    """The error names the field; a date of a person does not belong in an error text."""
    with pytest.raises(ImpossibleDates) as caught:
        parse_civil_date(text, "notice_date")
    assert "notice_date" in str(caught.value)
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        # Clocks go forward over midnight: the day begins at 01:00, where the earlier day ended.
        ("Africa/Cairo", date(2024, 4, 26), datetime(2024, 4, 25, 22, tzinfo=UTC)),
        # Midnight happens twice on the new day: the earlier day ended at the first.
        ("America/Havana", date(2024, 11, 3), datetime(2024, 11, 3, 4, tzinfo=UTC)),
        # At 00:01 clocks go back to 23:01: the earlier day goes on for 59 minutes.
        ("America/Goose_Bay", date(2010, 11, 7), datetime(2010, 11, 7, 4, tzinfo=UTC)),
        # A day that Samoa skipped begins when the one after it does.
        ("Pacific/Apia", date(2011, 12, 30), datetime(2011, 12, 30, 10, tzinfo=UTC)),
        ("Pacific/Apia", date(2011, 12, 31), datetime(2011, 12, 30, 10, tzinfo=UTC)),
        # Clocks went forward from 23:30 to 00:30.
        ("America/Toronto", date(1919, 3, 31), datetime(1919, 3, 31, 4, 30, tzinfo=UTC)),
    ],
)
def test_days_begin_once_where_clocks_change(zone: str, day: date, expected: datetime) -> None:
    """Each civil day has one beginning, checked against the zone's own history."""
    assert start_of_day(day, ZoneInfo(zone)).astimezone(UTC) == expected


@given(ZONES, DAYS)
def test_a_day_begins_where_the_earlier_day_is_over_for_good(zone: str, day: date) -> None:
    """One second earlier it is an earlier day; from then on it never is again."""
    place = ZoneInfo(zone)
    begins = start_of_day(day, place).astimezone(UTC)
    assert (begins - timedelta(seconds=1)).astimezone(place).date() < day
    later = (begins + timedelta(minutes=5 * step) for step in range(37))
    assert all(at.astimezone(place).date() >= day for at in later)


@given(ZONES, DAYS, st.integers(0, 400))
def test_a_later_last_day_never_ends_access_earlier(zone: str, day: date, more: int) -> None:
    """``derive`` is monotonic in its date, in every zone and across every change of clocks."""
    one = CivilDates(last_working_day=day, time_zone=zone)
    other = CivilDates(last_working_day=day + timedelta(days=more), time_zone=zone)
    first, second = (derive(d, immediate=False, received_at=RECEIVED).at for d in (one, other))
    assert first <= second
    assert more < 2 or first < second  # Samoa skipped one day


def test_anchors_always_resolve() -> None:
    """Where HR gives no notice or last working day, receipt and the closing day stand in."""
    bare = CivilDates(termination_date=date(2026, 12, 31), time_zone="Asia/Shanghai")
    end = derive(bare, immediate=False, received_at=RECEIVED)
    built = anchors(end, bare, received_at=RECEIVED, now=RECEIVED + timedelta(days=1))
    assert built.notice == RECEIVED
    assert built.last_working_day == datetime(2026, 12, 30, 16, tzinfo=UTC)
    full = CivilDates(date(2026, 12, 18), None, date(2026, 11, 1), time_zone="Asia/Shanghai")
    end = derive(full, immediate=False, received_at=RECEIVED)
    built = anchors(end, full, received_at=RECEIVED, now=RECEIVED)
    assert built.notice == datetime(2026, 10, 31, 16, tzinfo=UTC)
    assert built.last_working_day == datetime(2026, 12, 17, 16, tzinfo=UTC)
    at_once = derive(full, immediate=True, received_at=RECEIVED)
    assert anchors(at_once, full, received_at=RECEIVED, now=RECEIVED).access_end == RECEIVED
