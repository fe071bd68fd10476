"""Paging believes no count: against the pretend company's wiki, and against a server that lies."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.contract import Credential
from connectors.faults import Malformed
from connectors.scim import Settings
from connectors.scim.listing import Cut, pages
from connectors.scim.wire import Service
from connectors.secret import Secret
from deprovisioner.sandbox.loopback_http import Answer, Call, JsonServer
from deprovisioner.sandbox.scim_application import Wiki, WikiFaults

MEDIA_TYPE = "application/scim+json"


def now() -> datetime:
    return datetime(2026, 11, 25, tzinfo=UTC)


@contextlib.contextmanager
def service(url: str, page_size: int, **more: Any) -> Iterator[tuple[Service, Settings]]:
    configured = Settings.model_validate(
        {
            "url": url,
            "act": Secret.held(lambda: "act", "act"),
            "verify": Secret.held(lambda: "verify", "verify"),
            "canary": {"id": "c", "group": "g"},
            "page_size": page_size,
            **more,
        }
    )
    opened = Service(configured, Credential.VERIFY, now)
    try:
        yield opened, configured
    finally:
        opened.close()


def read(url: str, page_size: int, wanted: str = "", **more: Any) -> list[str]:
    with service(url, page_size, **more) as (opened, configured):
        return [one.id for page in pages(opened, configured, "/Users", wanted) for one in page]


@contextlib.contextmanager
def wiki_of(people: int) -> Iterator[Wiki]:
    numbers = itertools.count()
    wiki = Wiki("act", "verify", new_id=lambda: f"u{next(numbers)}")
    for number in range(people):
        wiki.add_user(f"user{number}")
    wiki.server.start()
    try:
        yield wiki
    finally:
        wiki.server.stop()


@contextlib.contextmanager
def server(answer: Callable[[int, int], dict[str, Any]]) -> Iterator[str]:
    """A server whose lists are made from startIndex and count."""

    def respond(call: Call) -> Answer:
        start, count = int(call.query["startIndex"]), int(call.query.get("count", "100"))
        return Answer(200, answer(start, count), MEDIA_TYPE)

    serving = JsonServer(respond, "verify")
    serving.start()
    try:
        yield serving.url
    finally:
        serving.stop()


def listed(*names: str, total: int) -> dict[str, Any]:
    return {"totalResults": total, "Resources": [{"id": name} for name in names]}


@settings(max_examples=20, deadline=None)
@given(people=st.integers(0, 120), page_size=st.integers(0, 70))
def test_everybody_comes_once_whatever_the_page_size(people: int, page_size: int) -> None:
    """Also where the server's own limit (50) is smaller than what was asked for, or nothing was."""
    with wiki_of(people) as wiki:
        found = read(wiki.url, page_size)

    assert sorted(found) == sorted(wiki.user_ids())


@settings(max_examples=12, deadline=None)
@given(
    people=st.integers(1, 60),
    page_size=st.integers(1, 70),
    miscounts=st.integers(-60, 60).filter(bool),
)
def test_a_count_that_does_not_fit_is_never_a_whole_list(
    people: int, page_size: int, miscounts: int
) -> None:
    """More than counted, or fewer: the read is cut (law 2)."""
    with wiki_of(people) as wiki:
        wiki.faults = WikiFaults(miscounts=miscounts)
        with pytest.raises(Cut):
            read(wiki.url, page_size)


def test_a_server_that_counts_only_the_page_is_looked_behind() -> None:
    """A count of the page only is no count of all: the next page shows that there is more."""
    names = [f"u{number}" for number in range(4)]

    def page(start: int, count: int) -> dict[str, Any]:
        shown = names[start - 1 : start - 1 + count]
        return listed(*shown, total=len(shown))

    with server(page) as url, pytest.raises(Cut):
        read(url, 2)


def test_a_server_that_ignores_the_start_is_not_read_for_ever() -> None:
    """The same page again and again brings nobody new."""
    with server(lambda _start, _count: listed("a", "b", total=9)) as url, pytest.raises(Cut):
        read(url, 2)


def test_a_list_that_becomes_shorter_hides_somebody() -> None:
    """When one in front of us is deleted, the next one moves up behind us and is never shown."""

    def page(start: int, _count: int) -> dict[str, Any]:
        return listed("a", "b", total=4) if start == 1 else listed("d", total=3)

    with server(page) as url, pytest.raises(Cut, match="shorter"):
        read(url, 2)


def test_a_list_that_grows_at_its_end_is_read_to_its_new_end() -> None:
    """Somebody was hired while we read: nobody is missing."""

    def page(start: int, _count: int) -> dict[str, Any]:
        return {1: listed("a", "b", total=3), 3: listed("c", "d", total=4)}.get(
            start, listed(total=4)
        )

    with server(page) as url:
        assert read(url, 2) == ["a", "b", "c", "d"]


def test_more_than_allowed_is_cut() -> None:
    """A target that does not end is not kept in memory."""

    def page(start: int, count: int) -> dict[str, Any]:
        return listed(*(f"u{start + number}" for number in range(count)), total=10**9)

    with server(page) as url, pytest.raises(Cut, match="max_entries"):
        read(url, 50, max_entries=120)


@pytest.mark.parametrize(
    "body",
    [
        {"Resources": []},
        {"totalResults": "2", "Resources": []},
        {"totalResults": True, "Resources": []},
        {"totalResults": -1},
        {"totalResults": 1, "Resources": {"id": "a"}},
        {"totalResults": 1, "Resources": ["a"]},
        {"totalResults": 1, "Resources": [{"userName": "a"}]},
    ],
)
def test_a_list_of_an_unknown_shape_is_malformed(body: dict[str, Any]) -> None:
    """Nothing is concluded from a list without a count or without ids."""
    with server(lambda _start, _count: body) as url, pytest.raises(Malformed):
        read(url, 10)


def test_an_answer_that_is_too_large_is_malformed() -> None:
    """A body is read up to a bound and not further."""
    with (
        server(lambda _start, _count: listed("x" * 400, "y" * 400, "z" * 400, total=3)) as url,
        pytest.raises(Malformed),
    ):
        read(url, 10, max_answer_bytes=1024)


@pytest.mark.parametrize("wanted", ["", 'members.value eq "leaver"'])
def test_a_page_that_is_counted_as_the_whole_is_looked_behind(wanted: str) -> None:
    """A cap of the server's own and a count of the page: the rest is not taken for absent."""

    def capped(start: int, count: int) -> dict[str, Any]:
        shown = [{"id": f"g{number}"} for number in range(5)][start - 1 :][: min(count, 2)]
        return {"totalResults": len(shown), "Resources": shown}

    with server(capped) as url, pytest.raises(Cut):
        read(url, 100, wanted)


@pytest.mark.parametrize("wanted", ["", 'members.value eq "leaver"'])
def test_the_empty_page_behind_the_last_one_may_count_itself(wanted: str) -> None:
    """What came once and whole is whole, whatever the empty page says of itself."""

    def counting(start: int, _count: int) -> dict[str, Any]:
        shown = [{"id": "g1"}, {"id": "g2"}][start - 1 :]
        return {"totalResults": len(shown), "Resources": shown}

    with server(counting) as url:
        assert read(url, 100, wanted) == ["g1", "g2"]


def test_a_filter_that_has_one_answer_for_every_start_is_whole() -> None:
    """Simple products ignore startIndex where a filter finds one: its count says the same."""
    with server(lambda _start, _count: listed("u1", total=1)) as url:
        assert read(url, 100, 'userName eq "lver"') == ["u1"]
        with pytest.raises(Cut, match="twice"):
            read(url, 100)
