"""The daemon of the demo, as a process of its own: started, awaited, ended.

It is `deprovisioner serve` with an ordinary configuration; its log goes to a file, out of which
the port is read that it took.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deprovisioner.client import Client, NoAnswer, Problem

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 40.0


class DaemonFailed(Exception):
    """The daemon ended or did not become ready; the message has its last words."""


@dataclass(slots=True)
class DaemonProcess:
    """A running daemon. ``url`` is its TCP door."""

    process: subprocess.Popen[bytes]
    log: Path
    socket: Path
    url: str = ""

    def check(self) -> None:
        """Raise :class:`DaemonFailed` when it is not running any more."""
        if self.process.poll() is not None:
            raise DaemonFailed(f"the daemon ended with {self.process.returncode}: {self._last()}")

    def await_ready(self) -> None:
        """Wait until its records are being published and its lease is fresh."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.check()
            self.url = self.url or self._url()
            if self.url and self._ready():
                return
            time.sleep(0.05)
        raise DaemonFailed(f"the daemon was not ready after {START_SECONDS:g} s: {self._last()}")

    def _ready(self) -> bool:
        try:
            with Client.over_socket(self.socket) as api:
                return api.get("/readyz", dict[str, str]) == {"status": "ready"}
        except (NoAnswer, Problem):
            return False

    def _url(self) -> str:
        for line in self.log.read_text(encoding="utf-8").splitlines():
            if '"http.open"' in line:
                return f"http://127.0.0.1:{json.loads(line)['port']}"
        return ""

    def _last(self) -> str:
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return " / ".join(line.strip() for line in lines[-2:]) or "it said nothing"

    def stop(self) -> None:
        """Ask it to drain and end; end it at once when it does not."""
        self.process.terminate()
        try:
            self.process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def running_daemon(config: Path, socket: Path, log: Path) -> Iterator[DaemonProcess]:
    """Run the daemon for the length of the block."""
    command = [sys.executable, "-m", "deprovisioner", "serve", "--config", str(config)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DEPROVISIONER_")}
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own program
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment
        )
    daemon = DaemonProcess(process, log, socket)
    try:
        daemon.await_ready()
        yield daemon
    finally:
        daemon.stop()
