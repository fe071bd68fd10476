"""What a connection does is a fault of the room, whatever httpx calls it."""

import inspect
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from connectors._http.faults import sendable, transport_faults
from connectors._http.reading import MOST_REQUEST_ID, bounded, request_id
from connectors._http.trust import trust
from connectors.doors.settings import CanaryPerson, DoorSettings
from connectors.doors.wire import Wire
from connectors.faults import Fault, Malformed, Refused, Transient, Unauthorised

ADDRESS = "https://jane.doe.example.com/"


@pytest.mark.parametrize(
    ("error", "due", "code"),
    [
        (httpx.InvalidURL(ADDRESS), Malformed, "room:url"),
        (httpx.UnsupportedProtocol(ADDRESS), Malformed, "room:url"),
        (httpx.ConnectTimeout(ADDRESS), Transient, "room:timeout"),
        (httpx.PoolTimeout(ADDRESS), Transient, "room:timeout"),
        (httpx.RemoteProtocolError("Server disconnected"), Transient, "room:cut"),
        (httpx.RemoteProtocolError("peer closed connection"), Transient, "room:cut"),
        (httpx.RemoteProtocolError(ADDRESS), Malformed, "room:protocol"),
        (httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED]"), Unauthorised, "room:tls"),
        (httpx.ConnectError(ADDRESS), Transient, "room:connect"),
        (httpx.ReadError(ADDRESS), Transient, "room:transport"),
        (httpx.DecodingError(ADDRESS), Malformed, "room:http"),
        (httpx.TooManyRedirects(ADDRESS), Malformed, "room:http"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_every_error_is_a_decision(error: Exception, due: type[Fault], code: str) -> None:
    """Each has its fault and code, keeps its cause, and the text tells no address (Law 10)."""
    with pytest.raises(due) as raised, transport_faults("room"):
        raise error
    assert raised.value.code == code
    assert raised.value.__cause__ is error
    assert "jane" not in str(raised.value)


def test_a_token_that_no_header_carries_is_an_incident_and_not_asked_again() -> None:
    """As httpx itself says it, over a real connection; the value is in no text and no cause."""
    with socket.create_server(("127.0.0.1", 0)) as server, httpx.Client(trust_env=False) as client:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with pytest.raises(Unauthorised) as raised, transport_faults("room"):
            client.get(url, headers={"Authorization": "Bearer jane\nx"})
    assert raised.value.code == "room:token"
    assert "jane" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    with pytest.raises(Refused), transport_faults("room"):
        raise httpx.LocalProtocolError(ADDRESS)


@pytest.mark.parametrize("token", ["jane\n", "jane\r\nX-Other: 1", "ja\x00ne", "jän", "", " "])
def test_a_token_is_looked_at_before_it_is_sent(token: str) -> None:
    """Line breaks, control characters, what is not ASCII, and nothing at all."""
    assert sendable("room", "an-invented.token~+/=") == "an-invented.token~+/="
    with pytest.raises(Unauthorised) as raised:
        sendable("room", token)
    assert raised.value.code == "room:token"
    assert "ja" not in str(raised.value)


def test_no_error_of_a_request_escapes() -> None:
    """Whatever httpx may raise for a request, of this version or the next, is a fault."""
    raised = 0
    for kind in vars(httpx).values():
        if not inspect.isclass(kind) or not issubclass(kind, httpx.RequestError):
            continue
        raised += 1
        with pytest.raises(Fault), transport_faults("room"):
            raise kind(ADDRESS)
    assert raised > 10


def test_faults_and_mistakes_of_ours_pass() -> None:
    """A fault that a room raised inside keeps its decision; a mistake is not disguised."""
    for error in (Unauthorised("x", code="http:401"), KeyError("x")):
        with pytest.raises(type(error)) as raised, transport_faults("room"):
            raise error
        assert raised.value is error


def test_a_body_is_taken_up_to_its_bound() -> None:
    """The last byte allowed is taken, and of a body that never ends not much more is read."""
    assert bounded("room", [b"ab", b"c"], 3, None) == b"abc"
    read = []

    def endless() -> Iterator[bytes]:
        while True:
            read.append(1)
            yield b"ab"

    with pytest.raises(Malformed) as raised:
        bounded("room", endless(), 3, None)
    assert raised.value.code == "room:size"
    assert len(read) == 2


def test_a_dripping_body_ends_with_its_time() -> None:
    """Each byte may come in time, and the whole does not."""
    ticks = iter(range(100))

    with pytest.raises(Transient) as raised:
        bounded("room", iter(lambda: b"a", b""), 1000, lambda: next(ticks) > 5)
    assert raised.value.code == "room:timeout"


def test_a_request_id_is_fit_for_evidence() -> None:
    """The first printable one of the names asked for, cut to its bound."""
    headers = httpx.Headers({"Request-Id": "r" * 500, "X-Request-Id": "a\tb", "X-Other": "o"})

    assert request_id(headers) == "r" * MOST_REQUEST_ID
    assert request_id(headers, ("x-other",)) == "o"
    assert request_id(headers, ("x-none",)) == ""
    assert request_id({"x-request-id": "é"}) == ""


def test_nobody_is_trusted_without_certificates(tmp_path: Path) -> None:
    """A missing file and one that holds none are an incident; clear text trusts nobody."""
    nonsense = tmp_path / "ca.pem"
    nonsense.write_text("no certificate")
    for ca_file in (nonsense, tmp_path / "absent.pem"):
        with pytest.raises(Unauthorised) as raised:
            trust("room", "https://x.example.com", ca_file)
        assert raised.value.code == "room:tls"
    for url in ("https://x.example.com", "http://127.0.0.1"):
        context = trust("room", url, None)
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
    assert trust("room", "http://127.0.0.1", None).get_ca_certs() == []


@pytest.mark.parametrize("link", ["https://doors.example.com:port/1", "https://x\x00.example.com"])
def test_a_link_that_is_no_address_is_malformed(link: str) -> None:
    """What a door platform answers as a link may be nonsense, and nothing is sent there."""
    sent: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request.method)
        return httpx.Response(200)

    settings = DoorSettings(
        url="https://doors.example.com", canaries=(CanaryPerson(id="1", number="1"),)
    )
    wire = Wire(
        settings, lambda: datetime(2026, 12, 18, tzinfo=UTC), transport=httpx.MockTransport(handler)
    )
    with pytest.raises(Malformed) as raised:
        wire.call("GET", link, headers={})
    assert raised.value.code == "doors:url"
    assert sent == []
