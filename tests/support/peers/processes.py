"""Starting server processes for tests: free ports, waiting for a listener, missing packages.

Called by the peer classes of this folder; it knows no server.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOPBACK = "127.0.0.1"
REQUIRE = "DEPROVISIONER_REQUIRE_PEERS"
"""Set to 1 where a missing server is a failure and not a skip (CI)."""


class PeerError(Exception):
    """A server did not start or stop; the message ends with the tail of its log."""


def need(program: str, package: str) -> None:
    """Skip, or fail when :data:`REQUIRE` is 1, unless ``program`` of a Debian package is here."""
    if shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") or Path(program).exists():
        return
    message = f"{program} is missing: apt-get install --no-install-recommends {package}"
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(message)
    pytest.skip(message)


def need_root(what: str) -> None:
    """Skip, or fail when :data:`REQUIRE` is 1, unless we are root."""
    if os.geteuid() == 0:
        return
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(f"{what} must be started by root")
    pytest.skip(f"{what} must be started by root")


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])


class ServerProcess:
    """One foreground server process with a log file and a port to wait for."""

    def __init__(
        self, command: Sequence[str], port: int, log: Path, address: str = LOOPBACK
    ) -> None:
        """Keep how to start it; nothing runs yet."""
        self._command = list(command)
        self._port = port
        self._address = address
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, seconds: float = 30.0) -> None:
        """Start and wait until the port answers. Raises :class:`PeerError`."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + seconds
        while not listening(self._port, self._address):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                message = f"{self._command[0]} did not start: {self._tail()}"
                raise PeerError(message)
            time.sleep(0.02)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the process and wait for it; it may already have ended."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=20)
        self._process = None

    def freeze(self) -> None:
        """Stop the process in its tracks: connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            message = "the server is not running"
            raise PeerError(message)
        self._process.send_signal(number)

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]


def listening(port: int, address: str = LOOPBACK) -> bool:
    """Say whether something accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((address, port)) == 0


def run(command: Sequence[str], seconds: float = 120.0, output: Path = Path(os.devnull)) -> None:
    """Run a command to its end, its words going to a file. Raises :class:`PeerError`.

    A file and no pipe: pg_ctl leaves its standard output open in the server that it starts.
    """
    with output.open("a+b") as words:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            timeout=seconds,
            check=False,
            cwd="/",
        )
        if done.returncode != 0:
            words.seek(0)
            message = f"{command[0]} failed: {words.read().decode(errors='replace')[-2000:]}"
            raise PeerError(message)
