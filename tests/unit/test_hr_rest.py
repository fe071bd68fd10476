"""The HTTP pull adapter of HR sources, against a real HTTP server on loopback."""

import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.contract import gather
from connectors.faults import Fault, Malformed, Refused, Transient, Unauthorised
from connectors.hr.contract import (
    Employment,
    EmploymentDates,
    EmploymentStatus,
    Existence,
    WorkerType,
)
from connectors.hr.rest import RestSource, Settings, open_source
from connectors.secret import Secret
from tests.support.peers.authority import Authority

NOW = datetime(2026, 12, 18, 10, 0, tzinfo=UTC)
TOKEN = "invented-token"
CANARY = "E-0"
ZHAO: dict[str, Any] = {
    "employment_id": "E-1042",
    "person_id": "P-7",
    "employee_number": "001042",
    "names": ["Zhao Qingping", "赵庆平"],
    "work_email": "qingping.zhao@example.com",
    "status": "terminated",
    "dates": {
        "notice_date": "2026-11-30",
        "last_working_day": "2026-12-18",
        "termination_date": "2026-12-31",
        "time_zone": "Asia/Shanghai",
    },
    "manager": "E-7",
    "org_unit": "R&D/Platform",
    "role_key": "engineer",
    "worker_type": "employee",
    "site": "Shanghai",
    "some_new_field": {"ignored": True},
}
WATCHMAN = {"employment_id": CANARY, "status": "active"}


@dataclass
class Reply:
    """What the server says to one request."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(
        default_factory=lambda: {"Content-Type": "application/json; charset=utf-8"}
    )
    raw: bytes = b""


def document(value: Any, status: int = 200) -> Reply:
    """Answer with JSON."""
    return Reply(status, json.dumps(value).encode())


NOT_FOUND = document({"title": "no such employment"}, 404)


@dataclass
class Server:
    """A small HR system; tests change `reply` or the employments."""

    address: str
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    employments: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {"E-1042": ZHAO, CANARY: WATCHMAN}
    )
    reply: Callable[[str], Reply | None] = lambda _path: None

    def answer(self, path: str) -> Reply:
        """Serve one employment, or the list in pages of one."""
        special = self.reply(path)
        if special is not None:
            return special
        if path.startswith("/hr/employments?"):
            cursor = int(path.partition("cursor=")[2] or 0)
            everybody = list(self.employments.values())
            following = str(cursor + 1) if cursor + 1 < len(everybody) else None
            return document({"employments": everybody[cursor : cursor + 1], "next": following})
        known = self.employments.get(path.removeprefix("/hr/employments/"))
        return document(known) if known else NOT_FOUND


class QuietServer(ThreadingHTTPServer):
    """Says nothing about clients that left early or did not trust it: that is what tests do."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(self.path)
            server.tokens.add(self.headers["Authorization"])
            reply = server.answer(self.path)
            if reply.raw:
                self.wfile.write(reply.raw)
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
            """Say nothing."""

    return Handler


@pytest.fixture(name="server")
def server_fixture() -> Iterator[Server]:
    """Serve on a free loopback port."""
    server = Server("")
    with QuietServer(("127.0.0.1", 0), _handler(server)) as listener:
        server.address = f"http://127.0.0.1:{listener.server_address[1]}/hr"
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        yield server
        listener.shutdown()
        thread.join()


@contextmanager
def opened(server: Server, **changes: Any) -> Iterator[RestSource]:
    """Open a source with the canary set."""
    settings = Settings(
        **{
            "base_url": server.address,
            "token": Secret.held(lambda: TOKEN, "hr"),
            "canary": CANARY,
            "timeout": timedelta(seconds=5),
            **changes,
        }
    )
    source = open_source(settings, lambda: NOW)
    try:
        yield source
    finally:
        source.close()


def fault(server: Server, **changes: Any) -> Fault:
    """Read the leaver and return the fault it ends with."""
    with opened(server, **changes) as source, pytest.raises(Fault) as raised:
        source.read("E-1042")
    return raised.value


def test_an_employment_is_read_field_by_field(server: Server) -> None:
    """All documented fields arrive, dates stay civil, unknown fields are ignored."""
    with opened(server) as source:
        reading = source.read("E-1042")

    assert (reading.existence, reading.read_at, reading.blind) == (Existence.EXISTS, NOW, "")
    assert reading.employment == Employment(
        employment_id="E-1042",
        status=EmploymentStatus.TERMINATED,
        dates=EmploymentDates(
            date(2026, 11, 30), date(2026, 12, 18), date(2026, 12, 31), "Asia/Shanghai"
        ),
        person_id="P-7",
        employee_number="001042",
        manager="E-7",
        org_unit="R&D/Platform",
        role_key="engineer",
        site="Shanghai",
        worker_type=WorkerType.EMPLOYEE,
        emails=("qingping.zhao@example.com",),
        names=("Zhao Qingping", "赵庆平"),
    )
    assert server.tokens == {f"Bearer {TOKEN}"}


def test_names_as_an_object_and_a_zone_beside_the_dates(server: Server) -> None:
    """The other spelling of two fields that sources use is understood too."""
    server.employments["E-2"] = {
        "employment_id": "E-2",
        "status": "active",
        "names": {"given": "Lan", "family": "Wei", "display": None},
        "dates": {"hire_date": "2020-01-01", "notice_date": None},
        "time_zone": "Europe/Berlin",
        "manager": None,
        "revision": 3,
    }
    with opened(server) as source:
        employment = source.read("E-2").employment

    assert employment is not None
    assert employment.names == ("Lan", "Wei")
    assert employment.dates == EmploymentDates(time_zone="Europe/Berlin")
    assert (employment.manager, employment.revision) == ("", 3)


def test_what_connectors_search_by(server: Server) -> None:
    """An employment makes the subject that finds accounts."""
    with opened(server) as source:
        employment = source.read("E-1042").employment

    assert employment is not None
    subject = employment.subject()
    assert (subject.employee_number, subject.emails) == ("001042", employment.emails)
    assert (subject.employment_id, subject.names) == ("E-1042", employment.names)


def test_not_there_is_believed_with_the_canary_seen(server: Server) -> None:
    """A 404 counts only because the canary was read right after it (Law 2)."""
    with opened(server) as source:
        reading = source.read("E-9")

    assert (reading.existence, reading.employment) == (Existence.DOES_NOT_EXIST, None)
    assert server.asked == ["/hr/employments/E-9", f"/hr/employments/{CANARY}"]


def test_a_source_that_forgot_everybody_is_blind(server: Server) -> None:
    """When the canary is gone too, nobody's absence is believed (Law 2)."""
    server.employments.clear()
    with opened(server) as source:
        reading = source.read("E-1042")

    assert reading.existence is Existence.BLIND
    assert reading.blind == "the canary employment was not seen"


def test_without_canary_absence_is_blind(server: Server) -> None:
    """A source without a canary can say who is there, never who is not."""
    with opened(server, canary="") as source:
        assert source.read("E-1042").existence is Existence.EXISTS
        assert source.read("E-9").existence is Existence.BLIND


def test_leavers_are_read_to_the_last_page(server: Server) -> None:
    """Pages are followed to their end, and the end carries the canary."""
    with opened(server) as source:
        reading = gather(source.left_since(date(2026, 12, 1)))

    assert [item.employment_id for item in reading.items] == ["E-1042", CANARY]
    assert reading.blind == ""
    assert server.asked[:2] == [
        "/hr/employments?ended_since=2026-12-01",
        "/hr/employments?ended_since=2026-12-01&cursor=1",
    ]


def test_an_empty_list_without_canary_is_blind(server: Server) -> None:
    """Nobody left and nobody seen are different answers (Law 2)."""
    server.reply = lambda path: document({"employments": [], "next": None}) if "?" in path else None
    with opened(server) as source:
        assert gather(source.left_since(date(2026, 12, 1))).blind == ""
    server.employments.clear()
    with opened(server) as source:
        assert gather(source.left_since(date(2026, 12, 1))).blind == "the canary was not seen"


@pytest.mark.parametrize(
    "page",
    [
        {"employments": []},
        {"employments": [], "next": ""},
        {"employments": [], "next": 7},
        {"employments": {}, "next": None},
        {"next": None},
        [ZHAO],
        {"employments": [{**ZHAO, "employment_id": ""}], "next": None},
    ],
)
def test_a_page_not_as_agreed_is_malformed(server: Server, page: Any) -> None:
    """A missing or wrong next or list is never taken for the last page."""
    server.reply = lambda _path: document(page)
    with opened(server) as source, pytest.raises(Malformed):
        gather(source.left_since(date(2026, 12, 1)))


def test_a_page_chain_in_a_circle_is_malformed(server: Server) -> None:
    """The same cursor twice ends the read instead of running for ever."""
    server.reply = lambda _path: document({"employments": [], "next": "again"})
    with opened(server) as source, pytest.raises(Malformed, match="circle"):
        gather(source.left_since(date(2026, 12, 1)))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (204, Malformed),
        (301, Malformed),
        (302, Malformed),
        (400, Refused),
        (401, Unauthorised),
        (403, Unauthorised),
        (408, Transient),
        (410, Refused),
        (429, Transient),
        (500, Transient),
        (502, Transient),
        (503, Transient),
    ],
)
def test_every_status_carries_a_decision(
    server: Server, status: int, expected: type[Fault]
) -> None:
    """Status codes become the fault with the right decision and keep their number."""
    headers = {"Content-Type": "application/json", "Location": "/login"}
    server.reply = lambda _path: Reply(status, b"" if status == 204 else b"{}", headers)

    raised = fault(server)

    assert type(raised) is expected
    assert raised.code == f"http:{status}"
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("17", timedelta(seconds=17)),
        (format_datetime(NOW + timedelta(minutes=3), usegmt=True), timedelta(minutes=3)),
        (format_datetime(NOW - timedelta(minutes=3), usegmt=True), timedelta(0)),
        ("99999999999999", timedelta(days=1)),
        ("soon", timedelta(0)),
        ("-5", timedelta(0)),
        ("", timedelta(0)),
    ],
)
def test_the_wait_asked_for_is_kept(server: Server, said: str, wait: timedelta) -> None:
    """Retry-After in both spellings reaches the engine, bounded; nonsense is no wait."""
    server.reply = lambda _path: Reply(429, b"{}", {"Retry-After": said})

    raised = fault(server)

    assert isinstance(raised, Transient)
    assert raised.retry_after == wait


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html>Please sign in</html>", {"Content-Type": "text/html"}),
        Reply(404, b"<html>Not found</html>", {"Content-Type": "text/html"}),
        Reply(200, b"{}", {}),
        Reply(200, b"\x1f\x8b", {"Content-Type": "application/json", "Content-Encoding": "gzip"}),
        Reply(200, b"{"),
        Reply(200, b"\xff\xfe"),
        Reply(200, b"[" * 100_000),
        Reply(200, b"null"),
        Reply(200, b'{"employment_id": "E-1042", "status": "' + b"x" * 1_100_000 + b'"}'),
        Reply(raw=b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    ],
    ids=[
        "login page",
        "proxy's 404",
        "no type",
        "gzip",
        "cut",
        "bytes",
        "deep",
        "null",
        "big",
        "ssh",
    ],
)
def test_what_is_not_an_answer_is_malformed(server: Server, reply: Reply) -> None:
    """Nothing is concluded from a login page, a proxy's page or bytes that make no sense."""
    server.reply = lambda _path: reply

    assert isinstance(fault(server), Malformed)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "resting"},
        {"status": None},
        {"employment_id": "E-1043"},
        {"employment_id": None},
        {"employment_id": 1042},
        {"employee_number": 1042},
        {"dates": {"last_working_day": "2026-02-30"}},
        {"dates": {"last_working_day": "2026-12-18T00:00:00"}},
        {"dates": {"last_working_day": 1797552000}},
        {"dates": {"last_working_day": "18.12.2026"}},
        {"dates": {"time_zone": "Shanghai"}},
        {"dates": {"time_zone": "../../etc/passwd"}},
        {"dates": []},
        {"names": "Zhao"},
        {"names": ["x"] * 17},
        {"revision": -1},
        {"org_unit": "x" * 513},
    ],
)
def test_a_wrong_field_makes_the_answer_malformed(server: Server, changes: dict[str, Any]) -> None:
    """One field that is not as agreed is enough; its value is in no text (Law 10)."""
    server.employments["E-1042"] = {**ZHAO, **changes}

    raised = fault(server)

    assert isinstance(raised, Malformed)
    for chained in (raised, raised.__cause__):
        text = str(chained).lower()
        assert not [word for word in ("zhao", "1042", "resting", "18.12") if word in text]


def test_an_unknown_worker_type_is_other(server: Server) -> None:
    """A word of the source's own for a kind of worker stops nothing."""
    server.employments["E-1042"] = {**ZHAO, "worker_type": "gig"}
    with opened(server) as source:
        employment = source.read("E-1042").employment

    assert employment is not None
    assert employment.worker_type is WorkerType.OTHER


def test_nobody_listening_is_transient(server: Server) -> None:
    """A refused connection decides nothing."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"

        assert isinstance(fault(server, base_url=address), Transient)


def test_a_connection_cut_before_the_answer_is_transient(server: Server) -> None:
    """A server that hangs up decides nothing."""
    server.reply = lambda _path: Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{")

    assert isinstance(fault(server), Transient)


def test_a_slow_answer_is_transient(server: Server) -> None:
    """No answer within the timeout decides nothing."""
    done = threading.Event()

    def wait(_path: str) -> Reply | None:
        done.wait(10)
        return None

    server.reply = wait
    raised = fault(server, timeout=timedelta(milliseconds=50))
    done.set()

    assert isinstance(raised, Transient)
    assert raised.code == "hr:timeout"


def test_a_dripping_answer_is_cut_off(server: Server) -> None:
    """The timeout bounds the whole call, not only each byte of it."""
    ticks = iter(range(0, 1000, 4))
    settings = Settings(
        base_url=server.address,
        token=Secret.held(lambda: TOKEN, "hr"),
        timeout=timedelta(seconds=3),
    )
    source = RestSource(settings, lambda: NOW, timer=lambda: float(next(ticks)))
    with pytest.raises(Transient, match="did not end in time"):
        source.read("E-1042")
    source.close()


def test_a_source_is_only_believed_with_its_certificate(server: Server, tmp_path: Path) -> None:
    """TLS is checked: a certificate of an authority that we do not know is an incident."""
    trusted = Authority(tmp_path)
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*trusted.issue())
    with QuietServer(("127.0.0.1", 0), _handler(server)) as listener:
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        address = f"https://127.0.0.1:{listener.server_address[1]}/hr"
        with opened(server, base_url=address, ca_file=trusted.ca_file) as source:
            assert source.read("E-1042").existence is Existence.EXISTS
        asked = len(server.asked)
        refused = fault(server, base_url=address, ca_file=stranger.ca_file)
        listener.shutdown()
        thread.join()

    assert isinstance(refused, Unauthorised)
    assert refused.code == "hr:tls"
    assert len(server.asked) == asked


def test_the_token_is_in_no_log(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Neither ours nor the client library's log lines hold the token (Law 10)."""
    caplog.set_level(logging.DEBUG)
    with opened(server) as source:
        source.read("E-1042")

    assert TOKEN not in caplog.text


def test_a_token_that_cannot_be_read_is_unauthorised(server: Server) -> None:
    """A missing secret is an incident of ours, and nothing is sent."""
    raised = fault(server, token="env:NOT_SET_ANYWHERE")

    assert isinstance(raised, Unauthorised)
    assert server.asked == []


@pytest.mark.parametrize("employment_id", ["", ".", "..", "x" * 129])
def test_ids_that_cannot_be_asked_for_are_refused(server: Server, employment_id: str) -> None:
    """Nothing is sent for an id that would change the path."""
    with opened(server) as source, pytest.raises(Refused):
        source.read(employment_id)
    assert server.asked == []


@pytest.mark.parametrize("employment_id", ["../canary", "a/b?c#d", "E 1", "编号", "%2e%2e"])
def test_ids_stay_one_path_segment(server: Server, employment_id: str) -> None:
    """An id with special characters is quoted and cannot reach another resource."""
    with opened(server) as source:
        assert source.read(employment_id).existence is Existence.DOES_NOT_EXIST
    path = server.asked[0].removeprefix("/hr/employments/")
    assert not set("/?#") & set(path)


@pytest.mark.parametrize(
    "address",
    [
        "http://hr.example.com",
        "ftp://hr.example.com",
        "hr.example.com",
        "https://user:word@hr.example.com",
        "https://hr.example.com/?tenant=1",
        "https://hr.example.com/\x00",
        "https://[::1",
        f"https://hr.example.com/{'a' * 70_000}",
    ],
)
def test_addresses_that_would_leak_the_token_are_refused(address: str) -> None:
    """Plain HTTP beyond loopback, passwords and queries in the address are settings errors."""
    with pytest.raises(ValidationError):
        Settings(base_url=address, token=Secret("env:HR_TOKEN"))


def test_an_address_that_grows_too_long_is_a_fault_like_every_other(server: Server) -> None:
    """What the HTTP client calls no address reaches the core as a fault, not as its own error."""
    long = f"{server.address}/{'a' * (65_530 - len(server.address))}"
    assert isinstance(fault(server, base_url=long), Refused)


def test_probe_says_what_holds(server: Server) -> None:
    """Doctor sees reachability, canary and clock, and how to put them right."""
    with opened(server) as source:
        lines = {line.check: line for line in source.probe()}
    server.employments.clear()
    with opened(server) as source:
        blind = {line.check: line for line in source.probe()}

    assert (lines["reachable"].holds, lines["canary"].holds) == (True, True)
    assert not lines["clock"].holds  # the test's clock stands still in another month
    assert not blind["canary"].holds
    assert "set canary" in blind["canary"].advice


def test_close_may_be_called_twice_and_the_source_used_again(server: Server) -> None:
    """Closing is harmless at any time."""
    with opened(server) as source:
        source.read("E-1042")
        source.close()
        source.close()
        assert source.read("E-1042").existence is Existence.EXISTS
