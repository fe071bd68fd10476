"""What `Retry-After` and `Date` say, whoever wrote them."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from hypothesis import example, given
from hypothesis import strategies as st

from connectors._http.waiting import LONGEST_WAIT, http_date, retry_after
from connectors.aws.answers import faults
from connectors.faults import Transient

NOW = datetime(2026, 12, 18, 10, 0, tzinfo=UTC)
NOTHING = timedelta(0)
DATES = st.integers(-(10**9), 10**9).map(lambda seconds: NOW + timedelta(seconds=seconds))
GARBLED = st.text("0123456789 ,:+-.²٣FriDecGMT\t", max_size=60)


@given(st.integers(0, 10**30), st.integers(0, 12))
@example(86_400, 0)
@example(86_401, 0)
@example(99_999_999_999, 0)
@example(17, 5000)
def test_seconds_are_kept_up_to_a_day(seconds: int, zeros: int) -> None:
    """Any number of seconds is that wait, and a longer one is a day."""
    due = min(seconds, int(LONGEST_WAIT.total_seconds()))

    assert retry_after("0" * zeros + str(seconds), NOW) == timedelta(seconds=due)


@given(DATES)
def test_a_date_is_a_wait_until_then(moment: datetime) -> None:
    """A date to come is waited for, at most a day; one that is past is no wait."""
    text = format_datetime(moment, usegmt=True)

    assert http_date(text) == moment
    assert retry_after(text, NOW) == min(max(moment - NOW, NOTHING), LONGEST_WAIT)
    assert retry_after(text, None) == NOTHING


@given(st.one_of(st.text(max_size=60), GARBLED))
@example("9" * 5000)
@example("Fri, 18 Dec 2026 10:01:00 +99999999999999999999")
@example("Fri, 18 Dec 20288888888888888888888 10:01:00 GMT")
@example("Mon, 01 Jan 0001 00:00:00 +2300")
def test_no_text_is_too_odd(text: str) -> None:
    """Whatever was sent is a wait between nothing and a day, and a time is an aware one."""
    assert NOTHING <= retry_after(text, NOW) <= LONGEST_WAIT
    moment = http_date(text)
    assert moment is None or moment.utcoffset() is not None


@pytest.mark.parametrize("text", ["", "soon", "-3", "1.5", "²", "٣", "1 2", "Fri, 99 Dec 2026"])
def test_nonsense_is_no_wait(text: str) -> None:
    """What is neither seconds nor a date leaves the wait to the engine."""
    assert retry_after(text, NOW) == NOTHING
    assert http_date("" if text.isdigit() else text) is None


def test_white_space_around_is_no_nonsense() -> None:
    """A batch gives headers as JSON text, which no client has stripped."""
    assert retry_after(" 17\t", NOW) == timedelta(seconds=17)


def test_the_old_date_without_a_zone_is_utc() -> None:
    """RFC 9110 section 5.6.7 has recipients read asctime dates, which name no zone."""
    assert http_date("Fri Dec 18 10:00:00 2026") == NOW


@pytest.mark.parametrize(
    ("date", "wait"), [("Fri, 18 Dec 2026 10:00:00 GMT", timedelta(seconds=42)), ("", NOTHING)]
)
def test_a_date_of_aws_is_told_by_its_own_clock(date: str, wait: timedelta) -> None:
    """A throttled answer of AWS may name a date too; without AWS's own time it is no wait."""
    headers = {"retry-after": "Fri, 18 Dec 2026 10:00:42 GMT", "date": date}
    response = {
        "Error": {"Code": "Throttling"},
        "ResponseMetadata": {"HTTPStatusCode": 400, "HTTPHeaders": headers},
    }
    with pytest.raises(Transient) as raised, faults("iam:get_user"):
        raise ClientError(response, "GetUser")
    assert raised.value.retry_after == wait
