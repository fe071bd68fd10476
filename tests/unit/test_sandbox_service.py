"""The loopback server that all pretended services share: what goes over the wire, and what not."""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

import pytest

from deprovisioner.sandbox.service.wire import (
    Cut,
    LoopbackServer,
    Manner,
    Request,
    Response,
    json_response,
)

_TOO_LONG = json_response(413, {"error": "too long"})
_BODY = b"0123456789"


@contextmanager
def _served(manner: Manner, answer: Response) -> Iterator[tuple[LoopbackServer, list[Request]]]:
    seen: list[Request] = []

    def respond(request: Request) -> Response:
        seen.append(request)
        return answer

    server = LoopbackServer(respond, manner)
    server.start()
    try:
        yield server, seen
    finally:
        server.stop()


def _manner(*, is_announced: bool = True, now: datetime | None = None) -> Manner:
    clock = None if now is None else (lambda: now)
    return Manner("test", _TOO_LONG, most_octets=8, is_announced=is_announced, clock=clock)


@contextmanager
def _asked(
    server: LoopbackServer, length: str = "", body: bytes = b""
) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=5)
    try:
        connection.putrequest("POST", "/here?a=1")
        connection.putheader("Content-Length", length or str(len(body)))
        connection.endheaders(body)
        yield connection.getresponse()
    finally:
        connection.close()


def test_a_request_arrives_as_it_was_sent() -> None:
    """Target and octets are untouched, header names in lower case."""
    with (
        _served(_manner(), Response(200, {"X-Kind": "whole"}, _BODY)) as (server, seen),
        _asked(server, body=b'{"a":1}') as answer,
    ):
        assert (answer.status, answer.headers["X-Kind"], answer.read()) == (200, "whole", _BODY)
    assert (seen[0].method, seen[0].target, seen[0].body) == ("POST", "/here?a=1", b'{"a":1}')
    assert seen[0].headers["content-length"] == "7"


@pytest.mark.parametrize("length", ["9", "-1", "many"])
def test_too_long_a_request_is_refused_unread(length: str) -> None:
    """More octets than the service takes, or a length that is no number: its own refusal."""
    with _served(_manner(), Response(200, {})) as (server, seen), _asked(server, length) as answer:
        assert (answer.status, answer.read()) == (413, _TOO_LONG.body)
    assert seen == []


def test_a_body_that_is_cut_without_a_length_looks_whole() -> None:
    """Half of it arrives, and nothing in the answer shows it."""
    with (
        _served(_manner(), Response(200, {}, _BODY, cut=Cut.UNSEEN)) as (server, _),
        _asked(server) as answer,
    ):
        assert (answer.headers["Content-Length"], answer.read()) == (None, b"01234")


def test_a_body_that_is_short_of_its_length_is_seen() -> None:
    """Half of it arrives under the length of the whole."""
    with (
        _served(_manner(), Response(200, {}, _BODY, cut=Cut.SHORT)) as (server, _),
        _asked(server) as answer,
    ):
        assert answer.headers["Content-Length"] == "10"
        with pytest.raises(http.client.IncompleteRead) as raised:
            answer.read()
    assert raised.value.partial == b"01234"


def test_a_dropped_connection_brings_no_answer() -> None:
    """The work was done, the caller hears nothing."""
    dropped = Response(200, {}, _BODY, is_dropped=True)
    with (
        _served(_manner(), dropped) as (server, seen),
        pytest.raises(http.client.RemoteDisconnected),
        _asked(server),
    ):
        raise AssertionError("an answer came")
    assert len(seen) == 1


def test_date_is_told_by_the_clock_of_the_service() -> None:
    """In GMT, whatever zone the clock is in."""
    noon = datetime(2031, 1, 1, 12, tzinfo=timezone(timedelta(hours=8)))
    with (
        _served(_manner(now=noon), Response(204, {})) as (server, _),
        _asked(server) as answer,
    ):
        assert answer.headers["Date"] == "Wed, 01 Jan 2031 04:00:00 GMT"
        assert answer.headers["Content-Length"] is None


def test_a_server_that_is_not_announced_adds_nothing() -> None:
    """The answers bring all they need: no name and no time of the machine."""
    with (
        _served(_manner(is_announced=False), Response(200, {}, _BODY)) as (server, _),
        _asked(server) as answer,
    ):
        assert [name for name, _ in answer.getheaders()] == ["Content-Length"]


def test_there_is_no_address_before_the_start() -> None:
    """Afterwards it is known, also when the port is closed again."""
    server = LoopbackServer(lambda _request: Response(200, {}), _manner())
    with pytest.raises(RuntimeError, match="not started"):
        _ = server.url
    server.start()
    url = server.url
    server.stop()
    assert server.url == url
