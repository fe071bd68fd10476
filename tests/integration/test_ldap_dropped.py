"""A connection dropped while it is opened: whenever it happens, it means "try again later".

The peer is a socket that drops at one chosen moment; no directory is needed.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import struct
import threading
from typing import TYPE_CHECKING, NamedTuple

import pytest

from connectors._directory.endpoint import Endpoint
from connectors._directory.session import Sessions
from connectors.faults import Fault, Transient, Unauthorised
from tests.support.peers.connecting import held, now
from tests.support.peers.processes import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BIND_TAG, START_TLS_TAG = 0x61, 0x78
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that ends a connection by RST, as a crash or a firewall does."""


class Dropped(NamedTuple):
    """What the peer answers before it drops: response tag and result code, cut after ``size``."""

    tag: int
    code: int
    size: int = 64

    def to(self, request: bytes) -> bytes:
        """Make the LDAPMessage with the number of the request (RFC 4511, 4.1.1 and 4.1.9)."""
        start = 2 + (request[1] & 0x7F if request[1] & 0x80 else 0)
        number = request[start : start + 2 + request[start + 1]]
        result = bytes((0x0A, 1, self.code, 4, 0, 4, 0))
        body = number + bytes((self.tag, len(result))) + result
        return (bytes((0x30, len(body))) + body)[: self.size]


@contextlib.contextmanager
def dropping(*answers: Dropped, asked: bool = True, reset: bool = False) -> Iterator[int]:
    """Listen; answer one request after the other, wait for one more if ``asked``, then drop."""
    with socket.create_server((LOOPBACK, 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client, contextlib.suppress(OSError):
                for one in answers:
                    client.sendall(one.to(client.recv(4096)))
                if asked:
                    client.recv(4096)
                if reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def fault_of(port: int, scheme: str = "ldap", *, start_tls: bool = False) -> Fault:
    """The fault that opening a session raises."""
    endpoint = Endpoint(
        url=f"{scheme}://{LOOPBACK}:{port}",
        bind_dn="cn=verifier,dc=example,dc=com",
        password=held(),
        start_tls=start_tls,
        connect_timeout=dt.timedelta(seconds=5),
        receive_timeout=dt.timedelta(seconds=5),
    )
    sessions = Sessions(endpoint, now)
    try:
        with pytest.raises(Fault) as caught:
            sessions.current()
    finally:
        sessions.close()
    return caught.value


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize(
    "drop",
    [
        lambda reset: dropping(asked=False, reset=reset),
        lambda reset: dropping(reset=reset),
        lambda reset: dropping(Dropped(BIND_TAG, 0, 6), asked=False, reset=reset),
        lambda reset: dropping(Dropped(BIND_TAG, 0), asked=False, reset=reset),
        lambda reset: dropping(Dropped(BIND_TAG, 0), reset=reset),
    ],
    ids=["at once", "instead of an answer", "in the answer", "after the bind", "at first read"],
)
def test_dropped_at_the_bind_is_transient(
    drop: Callable[[bool], contextlib.AbstractContextManager[int]],
    reset: bool,
) -> None:
    """Before, in and right after the bind: nothing is decided."""
    with drop(reset) as port:
        assert isinstance(fault_of(port), Transient)


@pytest.mark.parametrize("asked", [False, True], ids=["at once", "at the hello"])
def test_dropped_in_the_tls_handshake_is_transient(asked: bool) -> None:
    """Ldaps: a drop in the handshake is an outage and no wrong certificate."""
    with dropping(asked=asked) as port:
        assert isinstance(fault_of(port, "ldaps"), Transient)


@pytest.mark.parametrize(
    "answers",
    [(), (Dropped(START_TLS_TAG, 0),), (Dropped(START_TLS_TAG, 52),)],
    ids=["at the request", "at the hello", "unavailable"],
)
def test_dropped_start_tls_is_transient(answers: tuple[Dropped, ...]) -> None:
    """StartTLS: dropped, or answered with "unavailable": later again."""
    with dropping(*answers, asked=len(answers) == 1) as port:
        assert isinstance(fault_of(port, start_tls=True), Transient)


def test_refused_start_tls_is_an_incident() -> None:
    """A server that asks for something else first carries that decision, by its code."""
    with dropping(Dropped(START_TLS_TAG, 8), asked=False) as port:
        fault = fault_of(port, start_tls=True)

    assert isinstance(fault, Unauthorised)
    assert fault.code == "ldap:8"
