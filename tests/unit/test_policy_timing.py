"""Timings of stages: words, arithmetic and what is refused."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import Stage
from policies.load import load_shipped, load_text
from policies.problems import WordError
from policies.schedule import due
from policies.timing import (
    MAX_OFFSET,
    OFFSET_UNITS,
    Anchor,
    Anchors,
    Timing,
    parse_retention,
    parse_timing,
    resolve,
)

END = datetime(2026, 12, 18, 16, tzinfo=UTC)
ANCHORS = Anchors(
    access_end=END,
    now=datetime(2026, 12, 1, 8, tzinfo=UTC),
    notice=datetime(2026, 11, 1, tzinfo=UTC),
    last_working_day=END - timedelta(days=1),
)
OFFSETS = st.builds(
    lambda sign, number, unit: sign * number * OFFSET_UNITS[unit],
    st.sampled_from([-1, 1]),
    st.integers(0, 500),
    st.sampled_from(sorted(OFFSET_UNITS)),
)
TIMINGS = st.builds(Timing, st.sampled_from([a for a in Anchor if a is not Anchor.NOW]), OFFSETS)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("access_end", END),
        ("access_end - 5d", END - timedelta(days=5)),
        ("access_end+1h", END + timedelta(hours=1)),
        ("access_end + 15 m", END + timedelta(minutes=15)),
        ("last_working_day + 9h", END - timedelta(hours=15)),
        ("notice + 2w", datetime(2026, 11, 15, tzinfo=UTC)),
        ("now", ANCHORS.now),
    ],
)
def test_timings_resolve(words: str, expected: datetime) -> None:
    """Every anchor and unit, with and without spaces."""
    assert resolve(parse_timing(words), ANCHORS) == expected


@pytest.mark.parametrize(
    ("words", "says", "nearest"),
    [
        ("acces_end", "'acces_end' is not an anchor", "access_end"),
        ("access_end - 5x", "'x' is not a unit", ""),
        ("access_end - 5days", "'days' is not a unit", "d"),
        ("access_end + 2bd", "business days ('bd') are not there yet", ""),
        ("now + 1h", "'now' takes no offset", ""),
        ("access_end - 99999d", "'99999d' is too long", ""),
        ("access_end - 5d - 1h", "is not a timing", ""),
        ("5d", "is not a timing", ""),
        ("access_end - \u0665d", "is not a timing", ""),
        ("access_end " + "9" * 5000, "is not a timing", ""),
    ],
)
def test_wrong_timings_say_what_is_wrong(words: str, says: str, nearest: str) -> None:
    """The wrong word, and the right one where there is one."""
    with pytest.raises(WordError) as caught:
        parse_timing(words)
    assert says in caught.value.message
    assert caught.value.nearest == nearest


@given(TIMINGS)
def test_a_timing_reads_back_as_itself(timing: Timing) -> None:
    """``str`` is canonical: hashing it is hashing the meaning."""
    assert parse_timing(str(timing)) == timing


@given(TIMINGS, OFFSETS)
def test_offsets_are_exact_and_monotonic(timing: Timing, more: timedelta) -> None:
    """A longer offset is never earlier, and the same offset back leads home."""
    moved = Timing(timing.anchor, timing.offset + more)
    difference = resolve(moved, ANCHORS) - resolve(timing, ANCHORS)
    assert difference == more


@given(st.text(max_size=80))
def test_reading_a_timing_only_ever_refuses(words: str) -> None:
    """Any text is a timing within bounds or a ``WordError``."""
    try:
        timing = parse_timing(words)
    except WordError:
        return
    assert abs(timing.offset) <= MAX_OFFSET


def test_retention_is_a_duration_of_days() -> None:
    """Years are 365 days; hours are not kept."""
    assert parse_retention("2y") == timedelta(days=730)
    assert parse_retention("90d") == timedelta(days=90)
    for wrong in ("2", "2h", "-1d", "99y", "y"):
        with pytest.raises(WordError):
            parse_retention(wrong)


def test_an_immediate_termination_moves_contain_only() -> None:
    """Law 3: haste loosens no later gate."""
    policy = load_shipped().named("default")
    at_once = {stage: due(policy, stage, ANCHORS, immediate=True) for stage in Stage}
    usual = {stage: due(policy, stage, ANCHORS, immediate=False) for stage in Stage}
    assert at_once.pop(Stage.CONTAIN) == ANCHORS.now
    assert usual.pop(Stage.CONTAIN) == END
    assert at_once == usual


def test_an_emergency_may_wait_for_a_named_moment() -> None:
    """The policy's own words decide when an immediate termination is contained."""
    text = "policy: slow\nemergency: {contain: access_end + 10m}\n"
    policy = load_text(text).named("slow")
    assert due(policy, Stage.CONTAIN, ANCHORS, immediate=True) == END + timedelta(minutes=10)
