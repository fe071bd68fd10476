"""A man in the middle for tests: passes LDAP on to a real server and spoils single answers.

It listens in clear text on loopback and speaks TLS to the server. It can swallow writes and answer
success itself, cut a connection in the middle of an answer, or answer what is no LDAP at all.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from tests.support.peers.processes import LOOPBACK

if TYPE_CHECKING:
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
    _sockets: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Listen on a free port."""
        self._listener = socket.create_server((LOOPBACK, 0))
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Cut everything."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in list(self._sockets):
            _cut(one)
        for thread in self._threads:
            thread.join(5)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"ldap://{LOOPBACK}:{self._listener.getsockname()[1]}"

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(client)
            if self.garbage:
                self._start(self._answer_garbage, client)
                continue
            try:
                server = _connect(self.server_port)
            except OSError:  # the server is away, and so are we
                _cut(client)
                continue
            self._sockets.append(server)
            self._start(self._forward, client, server)
            self._start(self._back, server, client)

    def _answer_garbage(self, client: socket.socket) -> None:
        try:
            client.recv(65536)
            client.sendall(self.garbage)
        except OSError:
            return

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while message := _message(client):
                answer = _answer(message) if self.swallow_writes else b""
                (client if answer else server).sendall(answer or message)
        except OSError:
            pass
        _cut(server)

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        passed = 0
        try:
            while data := server.recv(65536):
                if self.cut_after is not None and passed + len(data) > self.cut_after:
                    client.sendall(data[: self.cut_after - passed])
                    break
                client.sendall(data)
                passed += len(data)
        except OSError:
            pass
        _cut(client)
        _cut(server)


def _connect(port: int) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection((LOOPBACK, port), timeout=60))


def _cut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


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
