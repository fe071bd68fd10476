"""Sockets and threads of the sandbox directory: loopback only, one thread a connection.

Called by `deprovisioner.sandbox.running` and by tests. What is said on a connection is `session`'s
business.
"""

import contextlib
import secrets
import socket
import ssl
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from deprovisioner.sandbox.directory import ber, protocol
from deprovisioner.sandbox.directory.operations import Directory
from deprovisioner.sandbox.directory.session import DroppedError, Session

LOOPBACK = "127.0.0.1"
_MOST_OCTETS = 8 * 1024 * 1024
_MOST_CONNECTIONS = 256


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a server certificate and its key, PEM."""

    certificate_file: str
    key_file: str


class Dialogue(Protocol):
    """What is said on one connection."""

    def handle(self, message: protocol.Message) -> str:
        """Answer one request; "tls" when TLS is to start now, "end" after an unbind, else ""."""


class LdapServer(ABC):
    """An LDAP listener on a free loopback port, running between `start` and `stop`.

    With a certificate it speaks LDAPS when `implicit_tls` is set and offers StartTLS otherwise.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        certificate: Certificate | None = None,
        implicit_tls: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._wanted_port, self._sleep = port, sleep
        self._tls = _context(certificate) if certificate else None
        self._implicit_tls = implicit_tls and certificate is not None
        self._listener: socket.socket | None = None
        self._open: set[_Line] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    @abstractmethod
    def _dialogue_with(self, send: Callable[[bytes], None]) -> Dialogue:
        """Make what answers one connection."""

    def start(self) -> None:
        """Listen; returns when the port is open."""
        listener = socket.create_server((LOOPBACK, self._wanted_port), backlog=128)
        self._listener = listener
        self._spawn(lambda: self._accept(listener), "directory-listener")

    def stop(self) -> None:
        """Close the listener and every connection, and wait for the threads."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        self.drop_connections()
        for thread in tuple(self._threads):
            thread.join(timeout=5)

    def drop_connections(self) -> None:
        """Cut every open connection, as a restart of the server would."""
        with self._lock:
            lines = tuple(self._open)
        for line in lines:
            with contextlib.suppress(OSError):
                line.connection.shutdown(socket.SHUT_RDWR)

    @property
    def port(self) -> int:
        """The port that is listened on; raises RuntimeError before `start`."""
        if self._listener is None:
            raise RuntimeError("the directory server is not started")
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """The LDAP URL of the server."""
        return f"{'ldaps' if self._implicit_tls else 'ldap'}://{LOOPBACK}:{self.port}"

    def _spawn(self, work: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=work, name=name, daemon=True)
        self._threads = [one for one in self._threads if one.is_alive()]
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            with self._lock:
                full = len(self._open) >= _MOST_CONNECTIONS
            if full:
                connection.close()
                continue
            self._spawn(lambda peer=connection: self._serve(peer), "directory-connection")  # type: ignore[misc]

    def _serve(self, connection: socket.socket) -> None:
        # Nagle would hold back the small answers of a dialogue by 40 ms.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = _Line(connection)
        try:
            self._keep(line)
            if self._implicit_tls:
                self._secure(line)
            self._dialogue(line)
        except (OSError, DroppedError):
            pass  # the client went away, or a fault sends it away: both end here
        finally:
            with self._lock:
                self._open.discard(line)
            line.close()

    def _keep(self, line: "_Line") -> None:
        with self._lock:
            self._open.add(line)

    def _secure(self, line: "_Line") -> None:
        if self._tls is not None:
            line.connection = self._tls.wrap_socket(line.connection, server_side=True)

    def _dialogue(self, line: "_Line") -> None:
        session = self._dialogue_with(line.send)
        while True:
            try:
                data = line.receive()
                if data is None:
                    return
                todo = session.handle(protocol.read_message(data))
            except ber.MalformedMessageError:
                line.send(protocol.write_disconnection("malformed message"))
                return
            if todo == "end":
                return
            if todo == "tls":
                self._secure(line)

    @property
    def _offers_tls(self) -> bool:
        return self._tls is not None and not self._implicit_tls


class DirectoryServer(LdapServer):
    """The listener of a directory of people, as OpenLDAP or 389-ds has it."""

    def __init__(
        self,
        directory: Directory,
        *,
        port: int = 0,
        certificate: Certificate | None = None,
        implicit_tls: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(port=port, certificate=certificate, implicit_tls=implicit_tls, sleep=sleep)
        self.directory = directory

    def _dialogue_with(self, send: Callable[[bytes], None]) -> Dialogue:
        return Session(self.directory, send, self._sleep, tls=self._offers_tls)


class _Line:
    """Framing: whole LDAP messages from a byte stream."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._buffer = b""

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()

    def send(self, data: bytes) -> None:
        if data:
            self.connection.sendall(data)

    def receive(self) -> bytes | None:
        while True:
            read = ber.header(self._buffer)
            if read is not None:
                end = read[1] + read[2]
                if end > _MOST_OCTETS:
                    raise ber.MalformedMessageError("message too long")
                if len(self._buffer) >= end:
                    data, self._buffer = self._buffer[:end], self._buffer[end:]
                    return data
            more = self.connection.recv(65536)
            if not more:
                return None
            self._buffer += more


def _context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate_file, certificate.key_file)
    return context


def random_salt() -> bytes:
    """Return the salt of a new password hash."""
    return secrets.token_bytes(8)
