"""The daemon: starts everything in order, waits for a signal, and drains.

``serve`` is what ``deprovisioner serve`` calls; :class:`Daemon` is the same without signals, for
the demo and tests. Order of a start: tables upgraded, anchor compared, engine, publisher, doors.
Order of a stop: doors, engine (running operations may finish), last checkpoint, database.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from datetime import timedelta
from types import FrameType
from typing import Final

import structlog

from config.settings import LogFormat, Mode, Settings
from connectors.faults import Fault
from connectors.secret import SecretUnavailable
from deprovisioner import logs
from deprovisioner.api.app import make_app
from deprovisioner.api.serving import Doors
from deprovisioner.footprint import Rest, one_arena
from deprovisioner.intake.signature import key_of
from deprovisioner.publishing import Publisher
from deprovisioner.wiring import CannotStart, House, open_house
from reconcile.store.ledger import LedgerRefused
from reconcile.store.looking import waiting

_log = structlog.get_logger(__name__)
_ABANDONED: Final = timedelta(days=1)
"""A piece this old in the vault has no writer any more."""
_LOOK: Final = 1.0
"""Seconds between two looks at whether the doors still serve."""


class Daemon:
    """A running house. ``stop`` is called once, whatever ``start`` did."""

    def __init__(self, house: House) -> None:
        if house.engine is None:
            raise CannotStart("a house at rest cannot be served")
        evidence = house.settings.evidence
        self.house = house
        self.engine = house.engine
        self.publisher = Publisher(
            house.database,
            house.sequencer,
            house.jobs,
            clock=house.estate.clock,
            every=evidence.publish_every,
            heartbeat=evidence.heartbeat,
        )
        self.doors = Doors(make_app(house), house.settings.http, house.settings.socket_path)
        self.rest = Rest(house.database, lambda: self.engine.running)

    def start(self) -> None:
        """Compare the anchor, then run. Raises :class:`CannotStart`, ``DoorTaken``."""
        try:
            self.house.sequencer.check_anchor()
        except LedgerRefused as error:
            raise CannotStart(str(error)) from error
        self._say_what_begins()
        one_arena()
        runner = self.house.runner(self.engine.lease)
        self.engine.start(self.house.reconciler.reconcile, runner.run)
        self.publisher.start()
        self._look_at_webhook_secrets()
        self._tidy_vault()
        self.house.desk.wake_open_cases(f"start/{self.engine.node}")
        self.doors.open()
        self.rest.start()
        _log.info("daemon.ready", node=self.engine.node, mode=self.house.settings.mode.value)

    def _say_what_begins(self) -> None:
        """After weeks of watching, "act" takes up everything at once: the log says how much."""
        if self.house.settings.mode is not Mode.ACT:
            return
        with self.house.database.connect() as connection:
            found = waiting(connection, self.house.estate.clock())
        _log.warning("daemon.acts", open_cases=found.open_cases, contain_due=found.contain_due)

    def _look_at_webhook_secrets(self) -> None:
        """Say at once what would otherwise be said at the first delivery. No reason not to start:
        cases under way matter more than new ones.
        """
        for number, secret in enumerate(self.house.settings.webhooks.secrets):
            try:
                key_of(secret)
            except SecretUnavailable as error:
                _log.error("intake.secret_unavailable", number=number, reason=str(error))

    def _tidy_vault(self) -> None:
        """Only a killed process leaves pieces behind, so a start is the time to look for them."""
        if self.house.estate.vault is None:
            return
        try:
            pieces = self.house.estate.vault.tidy(_ABANDONED)
        except Fault as fault:
            _log.warning("vault.not_tidied", fault=type(fault).__name__)
        else:
            _log.info("vault.tidied", pieces=pieces)

    def stop(self, drain: timedelta) -> bool:
        """Drain within a bound. False: something still ran, so leave with ``os._exit``."""
        _log.info("daemon.stopping", running=self.engine.running)
        self.doors.close()
        self.rest.stop()
        drained = self.engine.stop(drain)
        self.publisher.stop()
        _log.info("daemon.stopped", drained=drained)
        return drained


def serve(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; a second signal ends the process at once. Returns 0 or 1."""
    logs.configure(level=settings.log.level, console=settings.log.format is LogFormat.CONSOLE)
    stopping = threading.Event()
    _on_signals(stopping)
    with open_house(settings) as house:
        daemon = Daemon(house)
        try:
            daemon.start()
            notify("READY=1")
            while not stopping.wait(_LOOK) and not daemon.doors.dead:
                continue
        finally:
            notify("STOPPING=1")
            drained = daemon.stop(settings.drain)
        code = 1 if daemon.doors.dead else 0
    if not drained:
        os._exit(code)  # threads of stuck calls cannot be ended; their lease runs out by itself
    return code


def _on_signals(stopping: threading.Event) -> None:
    def stop(number: int, _frame: FrameType | None) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def notify(state: str) -> None:
    """Tell a service manager (sd_notify(3)); does nothing where there is none."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    name = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
        try:
            manager.sendto(state.encode(), name)
        except OSError as error:
            _log.warning("daemon.not_notified", fault=type(error).__name__)
