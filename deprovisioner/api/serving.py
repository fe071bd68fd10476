"""The two doors: TCP for HR systems, auditors and consoles, a Unix socket for the command line.

One application behind both, on one thread with its own event loop; endpoints run on worker threads.
The sockets are bound here, not by the server library: it would make the Unix socket writable for
everybody (mode 0666) and only then, perhaps, narrow it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

from config.settings import Http, is_loopback
from deprovisioner.api.patience import PatientProtocol

_OURS_ONLY: Final = 0o600
_BACKLOG: Final = 128
_CONNECTIONS: Final = 512
_HURRY: Final = 5
"""Seconds that answers under way get when the daemon stops."""
_START_SECONDS: Final = 30.0
_log = structlog.get_logger(__name__)


class DoorTaken(Exception):
    """An address cannot be listened on. The message says which and why."""


class Doors:
    """Listens from ``open`` to ``close``. ``port`` is the TCP port really taken; 0 without TCP."""

    def __init__(self, app: FastAPI, http: Http, socket_path: Path) -> None:
        self._app = app
        self._http = http
        self._path = socket_path
        self._servers: list[uvicorn.Server] = []
        self._held = ExitStack()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self.port = 0

    def open(self) -> None:
        """Bind and serve; returns when both doors answer. Raises :class:`DoorTaken`."""
        with ExitStack() as held:
            pairs = [(held.enter_context(_unix_listener(self._path)), self._server(tls=False))]
            if self._http.host:
                listener = held.enter_context(_tcp_listener(self._http))
                self.port = listener.getsockname()[1]
                pairs.append((listener, self._server(tls=self._http.certificate is not None)))
            self._servers = [server for _, server in pairs]
            self._held = held.pop_all()
        self._thread = threading.Thread(target=self._run, args=(pairs,), name="http", daemon=True)
        self._thread.start()
        waited = threading.Event()
        for _ in range(int(_START_SECONDS / 0.01)):
            if all(server.started for server in self._servers):
                _log.info("http.open", port=self.port, socket=str(self._path))
                return
            if self._ended.is_set():
                break
            waited.wait(0.01)
        self.close()
        raise DoorTaken("the HTTP server did not start")

    def close(self) -> None:
        """Stop accepting, let answers under way finish for a few seconds, free the addresses."""
        for server in self._servers:
            server.should_exit = True
        if self._thread is not None:
            self._thread.join(timeout=_HURRY + 10)
        self._held.close()

    @property
    def dead(self) -> bool:
        """Whether serving ended although nobody asked for it."""
        return self._ended.is_set() and not all(server.should_exit for server in self._servers)

    def _run(self, pairs: list[tuple[socket.socket, uvicorn.Server]]) -> None:
        async def serve() -> None:
            await asyncio.gather(*(server.serve(sockets=[bound]) for bound, server in pairs))

        try:
            asyncio.run(serve())
        finally:
            self._ended.set()

    def _server(self, *, tls: bool) -> uvicorn.Server:
        config = uvicorn.Config(
            self._app,
            http=PatientProtocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,  # paths and queries name people (Law 10); the boundary logs routes
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_CONNECTIONS,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=_HURRY,
            ssl_certfile=self._http.certificate if tls else None,
            ssl_keyfile=self._http.key if tls else None,
        )
        try:
            config.load()
        except OSError as error:  # ssl.SSLError is one
            raise DoorTaken("http.certificate and http.key cannot be used") from error
        return uvicorn.Server(config)


@contextmanager
def _tcp_listener(http: Http) -> Iterator[socket.socket]:
    # Checked in the settings, and again here: settings can be made in code.
    if http.certificate is None and not is_loopback(http.host):
        raise DoorTaken("without TLS only loopback is served")
    family = socket.AF_INET6 if ":" in http.host else socket.AF_INET
    try:
        listener = socket.create_server((http.host, http.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise DoorTaken(f"cannot listen on port {http.port}: {error.strerror}") from error
    with listener:
        yield listener


@contextmanager
def _unix_listener(path: Path) -> Iterator[socket.socket]:
    """Bind with mode 0600 from its first instant; a socket that nobody listens on is replaced."""
    _clear_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Linux gives the file the mode of the unbound socket; a umask would be that of all threads.
    os.fchmod(listener.fileno(), _OURS_ONLY)
    try:
        listener.bind(str(path))
        path.chmod(_OURS_ONLY)
    except OSError as error:
        listener.close()
        raise DoorTaken(f"cannot make the socket {path}: {error.strerror or error}") from error
    try:
        listener.listen(_BACKLOG)
        yield listener
    finally:
        listener.close()
        path.unlink(missing_ok=True)


def _clear_stale(path: Path) -> None:
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise DoorTaken(f"{path} is there and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)  # left behind by a daemon that was killed
            return
        except OSError as error:
            reason = error.strerror or error
            raise DoorTaken(f"cannot look at the socket {path}: {reason}") from error
    raise DoorTaken(f"another daemon listens on {path}")
