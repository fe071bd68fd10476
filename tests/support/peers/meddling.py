"""A man in the middle for tests: passes LDAP on to a real server and spoils single answers.

It listens in clear text on loopback and speaks TLS to the server. It can swallow writes and answer
success itself, cut a connection in the middle of an answer, or answer what is no LDAP at all.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from tests.support.peers.processes import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

_ANSWER_TO = {0x66: 0x67, 0x68: 0x69, 0x4A: 0x6B, 0x6C: 0x6D}
"""modify, add, delete and modify DN: tag of the request to tag of the response (RFC 4511, 4.2)."""
_SUCCESS = b"\x0a\x01\x00\x04\x00\x04\x00"


@dataclass
class Meddler:
    """A proxy in front of the TLS port of a directory peer; use it in a ``with`` block.

    ``swallow_writes``: writes never reach the server and are answered with success.
    ``cut_after``: bytes of the server's answers that pass before the connection is cut.
    ``garbage``: sent instead of any answer.
    """

    server_port: int
    swallow_writes: bool = False
    cut_after: int | None = None
    garbage: bytes = b""
    server_host: str = LOOPBACK
    _clients: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Listen on a free port."""
        self._listener = socket.create_server((LOOPBACK, 0))
        self._start(self._accept, self._listener)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Cut everything."""
        self._hang_up()
        for thread in self._threads:
            thread.join(5)

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Let nothing listen at the address for the length of a ``with`` block."""
        address = self._listener.getsockname()
        self._hang_up()
        try:
            yield
        finally:
            self._listener = socket.create_server(address[:2])
            self._start(self._accept, self._listener)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"ldap://{LOOPBACK}:{self._listener.getsockname()[1]}"

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _hang_up(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._clients:
            with contextlib.suppress(OSError):  # its own thread was faster
                one.shutdown(socket.SHUT_RDWR)
        self._clients.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._clients.append(client)
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        """Work one connection from its first byte to its end.

        One thread alone reads, writes and closes both its sockets: Python 3.11 does not guard a TLS
        socket against two, and a descriptor closed by another thread may already be somebody
        else's connection.
        """
        with client, contextlib.suppress(OSError):  # either side went away: so do we
            if self.garbage:
                client.recv(65536)
                client.sendall(self.garbage)
                client.recv(65536)
                return
            _answer_at_once(client)
            with _connect(self.server_host, self.server_port) as server:
                self._relay(client, server)

    def _relay(self, client: socket.socket, server: ssl.SSLSocket) -> None:
        passed = 0
        while True:
            ready = [server] if server.pending() else select.select([client, server], [], [])[0]
            if client in ready:
                message = _message(client)
                if not message:
                    return
                answer = _answer(message) if self.swallow_writes else b""
                (client if answer else server).sendall(answer or message)
            if server in ready:
                data = server.recv(65536)
                left = len(data) if self.cut_after is None else self.cut_after - passed
                client.sendall(data[:left])
                passed += len(data)
                if not data or left < len(data):
                    return


def _connect(host: str, port: int) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    server = socket.create_connection((host, port), timeout=60)
    _answer_at_once(server)
    return context.wrap_socket(server)


def _answer_at_once(one: socket.socket) -> None:
    """Do not let an answer in two pieces wait 40 ms for a delayed ACK, as Nagle's algorithm would.

    The servers themselves do the same.
    """
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _exactly(source: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = source.recv(count - len(data))
        if not more:
            return b""
        data += more
    return data


def _message(source: socket.socket) -> bytes:
    """Read one LDAPMessage: a BER sequence."""
    head = _exactly(source, 2)
    if not head:
        return b""
    size = head[1]
    if size & 0x80:
        extra = _exactly(source, size & 0x7F)
        head += extra
        size = int.from_bytes(extra, "big")
    return head + _exactly(source, size)


def _answer(message: bytes) -> bytes:
    """Success for a write; nothing for any other request."""
    offset = 2 + (message[1] & 0x7F if message[1] & 0x80 else 0)
    number = message[offset : offset + 2 + message[offset + 1]]
    tag = _ANSWER_TO.get(message[offset + len(number)])
    if tag is None:
        return b""
    body = number + bytes((tag, len(_SUCCESS))) + _SUCCESS
    return bytes((0x30, len(body))) + body
