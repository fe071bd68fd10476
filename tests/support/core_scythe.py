"""What kills a node of `core_node` at a chosen instant: its own process, by SIGKILL.

For tests only, and only inside the node's process: it takes the place of the driver's commit, of
the worlds' call log and of the vault's writes. Nothing in the product knows of it.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from connectors.memory import MemoryWorld
from connectors.secret import Secret
from connectors.vaults.contract import Receipt
from reconcile.store.metadata import metadata

if TYPE_CHECKING:
    from datetime import timedelta

    from connectors.vaults.folder import FolderVault

_OURS: Final = frozenset(metadata.tables)


class Scythe:
    """Kills this process with SIGKILL at its n-th chance.

    A chance is the instant before the commit of a transaction that changed our rows, the instant
    after it, the instant before the commit of one that changed only the engine library's rows
    (heartbeats never count), and the instant when a call to the outside took effect and nobody
    knows its answer yet.
    """

    _CHANGE = re.compile(
        r"\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+(?:\W?(?:dbos|main)\W?\.)?\W?(\w+)", re.IGNORECASE
    )

    def __init__(self, die_at: int, kinds: frozenset[str], deaths: Path) -> None:
        self.count = 0
        self._die_at = die_at
        self._kinds = kinds
        self._lock = threading.Lock()
        self._deaths = os.open(deaths, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)

    def chance(self, kind: str, what: str) -> None:
        """Die here if it is time, leaving one line about where."""
        if kind not in self._kinds:
            return
        with self._lock:
            self.count += 1
            if self.count == self._die_at:
                line = f"{time.time():.4f} {os.getpid()} {kind} {what}\n"
                os.write(self._deaths, line.encode())
                os.kill(os.getpid(), signal.SIGKILL)
                signal.pause()

    def watch_commits(self, engine: sa.Engine) -> None:
        """Take the place of the driver's commit, whoever of this process calls it."""
        commit = engine.dialect.do_commit

        def do_commit(connection: Any) -> None:
            tables = connection.info.pop("changed", set()) - {"nodes"}
            ours, named = tables & _OURS, "+".join(sorted(tables))
            if tables:
                self.chance("before" if ours else "engine", named)
            commit(connection)
            if ours:
                self.chance("after", named)

        engine.dialect.do_commit = do_commit  # type: ignore[method-assign,assignment]
        sa.event.listen(engine, "before_cursor_execute", self._note)
        sa.event.listen(engine, "rollback", self._forget)

    def _note(self, connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        found = self._CHANGE.match(statement)
        if found:
            connection.info.setdefault("changed", set()).add(found[1].lower())

    def _forget(self, connection: sa.Connection) -> None:
        if not connection.invalidated:  # asking a lost connection for anything raises
            connection.info.pop("changed", None)

    def watch_worlds(self) -> None:
        """Strike when a call of a remembered world is over and before it is written down."""
        write_down = MemoryWorld._log

        def log(world: MemoryWorld, call: str, phase: str, operation: str, *rest: Any) -> None:
            if phase == "end":
                self.chance("call", operation)
            write_down(world, call, phase, operation, *rest)

        MemoryWorld._log = log  # type: ignore[method-assign,assignment]


class WatchedVault:
    """A vault whose writes are chances to die."""

    def __init__(self, vault: FolderVault, scythe: Scythe) -> None:
        self._vault = vault
        self._scythe = scythe

    def put(self, case_id: str, name: str, chunks: Iterable[bytes], recipient: str) -> Receipt:
        """Store, and perhaps die."""
        receipt = self._vault.put(case_id, name, chunks, recipient)
        self._scythe.chance("call", "vault.put")
        return receipt

    def verify(self, receipt: Receipt) -> None:
        """Read back."""
        self._vault.verify(receipt)

    def read(self, receipt: Receipt, identity: Secret) -> Iterator[bytes]:
        """Open."""
        return self._vault.read(receipt, identity)

    def list(self, case_id: str) -> Sequence[Receipt]:
        """List."""
        return self._vault.list(case_id)

    def delete(self, receipt: Receipt) -> None:
        """Delete."""
        self._vault.delete(receipt)

    def tidy(self, older_than: timedelta) -> int:
        """Drop what killed writers left."""
        return self._vault.tidy(older_than)
