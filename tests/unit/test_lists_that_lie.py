"""Lists of vendors that change while they are read, or leave out the word for what follows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from connectors.aws import resources
from connectors.aws.session import Sessions
from connectors.doors.contract import Cut
from connectors.doors.hikvision import artemis
from connectors.doors.hikvision.state import SUCCEEDED
from connectors.doors.hikvision.system import HikvisionSystem
from connectors.faults import Malformed

Answer = Mapping[str, Any]


def platform(*pages: Answer) -> Any:
    """An Artemis gateway whose answers are these, in order."""
    come = iter(pages)
    limits = SimpleNamespace(page_size=2, max_people=99)
    return cast("Any", SimpleNamespace(post=lambda *_: next(come), _settings=limits))


def account(answer: Callable[[Mapping[str, Any]], Answer]) -> Any:
    """Sessions of AWS whose calls are answered so."""
    sessions: Any = object.__new__(Sessions)
    sessions.settings = SimpleNamespace(page_size=100, max_pages=5)
    sessions.call = lambda *_, **asked: answer(asked)
    return sessions


def test_a_list_of_doors_that_shrinks_is_not_whole() -> None:
    """A row that moved up to a page that was read already was never seen (Law 2)."""
    first = {"total": 4, "list": [{"n": 1}, {"n": 2}]}
    second = {"total": 3, "list": [{"n": 4}]}

    with pytest.raises(Cut, match="shrank"):
        list(artemis.Artemis.rows(platform(first, second), "/x", {}))


def test_a_row_of_nobody_is_not_left_out() -> None:
    """It may be theirs: an answer about a person names the person."""
    with pytest.raises(Malformed, match="names no person"):
        HikvisionSystem._mine([{"personId": "p"}, {"resourceIndexCode": "d"}], "p")


@pytest.mark.parametrize(("later", "settled"), [("1", {}), ("2", {"d": SUCCEEDED})])
def test_an_old_removal_says_nothing_of_what_was_put_back(
    later: str, settled: dict[str, str]
) -> None:
    """Only the newest record of a device counts, and only where it is about a removal."""

    def record(what: str, at: str) -> dict[str, Any]:
        return {
            "personId": "p",
            "resourceIndexCode": "d",
            "operatorType": what,
            "persondownloadResult": SUCCEEDED,
            "downloadTime": f"2026-{at}-01T00:00:00+08:00",
        }

    rows = [record(later, "02"), record("2", "01")]
    reading = SimpleNamespace(every=lambda *_: rows)
    here = cast("Any", SimpleNamespace(_artemis=reading, _mine=HikvisionSystem._mine))

    assert HikvisionSystem._removals(here, "p") == settled


def test_a_token_says_that_more_follows() -> None:
    """A list of IAM that leaves out ``IsTruncated`` is read to its end all the same."""

    def answer(asked: Mapping[str, Any]) -> Answer:
        return {"Users": [2]} if asked.get("Marker") else {"Users": [1], "Marker": "m"}

    pages = account(answer).pages("1", "iam", "list_users", "Users")

    assert list(pages) == [(1,), (2,)]


def test_queues_that_never_end_are_a_fault() -> None:
    """The same token again and again ends the read, as a fault."""
    again = {"NextToken": "t", "QueueUrls": []}

    with pytest.raises(Malformed, match="cut"):
        list(resources._queues(account(lambda _: again), "1", "eu-west-1"))


@pytest.mark.parametrize(
    ("kind", "whole"), [("application/x-amz-json-1.0", True), ("text/html", False)]
)
def test_no_queues_are_none_only_in_an_answer_of_sqs(kind: str, whole: bool) -> None:
    """SQS leaves an empty list out; a page of HTML looks the same and is no answer (Law 2)."""
    said = account(lambda _: {"ResponseMetadata": {"HTTPHeaders": {"content-type": kind}}})

    with contextlib.nullcontext() if whole else pytest.raises(Malformed):
        assert list(resources._queues(said, "1", "eu-west-1")) == []


def test_events_of_nobody_are_no_fault() -> None:
    """A button or an alarm names no person, and the entries beside it are read all the same."""
    event = {"eventId": "e", "personId": "p", "eventTime": "2026-12-01T10:00:00+08:00"}
    pages = SimpleNamespace(
        rows=lambda *_: iter([({"eventId": "button", "personId": None}, event)]),
        every=lambda *_: [],
    )
    settings = SimpleNamespace(events_subscribed=True, excluded_panels=frozenset())
    system: Any = object.__new__(HikvisionSystem)
    system._artemis, system._settings = pages, settings
    start = datetime(2026, 12, 1, tzinfo=UTC)

    found = list(system.entries("p", start, start + timedelta(hours=9)))

    assert [one.id for page in found for one in page.entries] == ["e"]
