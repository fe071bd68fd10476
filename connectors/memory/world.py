"""The remembered world: accounts, what they hold, and what was done to them, in one SQLite store.

One store serves two uses. Without a path it lives in this process (unit and contract tests find it
by :meth:`MemoryWorld.named`). With a path several processes share it (kill tests, several nodes,
benchmarks): SQLite's own locks order the writers, and a process killed at any instruction leaves
either all of a write or none. It does not survive a power cut and is no place for real data.

Everything a test needs to look past the connector is here: :meth:`state` is the independent
witness, :meth:`audit` what was changed by whom, :meth:`calls` who was inside which call when.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import unicodedata
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Final

from connectors.contract import AccountKind, HoldingState, Json, Kind
from connectors.memory.records import AuditLine, CallLine, Injection, Trouble

BUSY_SECONDS: Final = 30.0
"""How long a writer waits for another process before SQLite gives up."""

CANARY: Final = "canary"

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS accounts (
  native_id TEXT PRIMARY KEY, login TEXT NOT NULL, kind TEXT NOT NULL, display TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS matches (
  account_id TEXT NOT NULL, attribute TEXT NOT NULL, value TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS matches_by_value ON matches (attribute, value);
CREATE INDEX IF NOT EXISTS matches_by_account ON matches (account_id);
CREATE TABLE IF NOT EXISTS holdings (
  position INTEGER PRIMARY KEY, account_id TEXT NOT NULL, kind TEXT NOT NULL,
  native_id TEXT NOT NULL, label TEXT NOT NULL, state TEXT NOT NULL, secret TEXT NOT NULL,
  content BLOB NOT NULL, gone_at REAL, UNIQUE (account_id, kind, native_id));
CREATE INDEX IF NOT EXISTS holdings_by_thing ON holdings (kind, native_id);
CREATE TABLE IF NOT EXISTS troubles (
  position INTEGER PRIMARY KEY, trouble TEXT NOT NULL, operation TEXT NOT NULL,
  account_id TEXT NOT NULL, credential TEXT NOT NULL, times INTEGER NOT NULL,
  seconds REAL NOT NULL);
CREATE TABLE IF NOT EXISTS audit (
  position INTEGER PRIMARY KEY, at TEXT NOT NULL, credential TEXT NOT NULL,
  operation TEXT NOT NULL, holding_key TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS calls (
  position INTEGER PRIMARY KEY, at REAL NOT NULL, pid INTEGER NOT NULL, thread INTEGER NOT NULL,
  call TEXT NOT NULL, phase TEXT NOT NULL, operation TEXT NOT NULL, account_id TEXT NOT NULL,
  holding_keys TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS activity (
  position INTEGER PRIMARY KEY, account_id TEXT NOT NULL, at REAL NOT NULL, what TEXT NOT NULL);
"""


def normalised(value: str) -> str:
    """Fold width, case and outer spaces for comparing; leading zeros stay."""
    return unicodedata.normalize("NFKC", value).strip().casefold()


def utc_now() -> datetime:
    """Tell the real time."""
    return datetime.now(UTC)


def _new_id() -> str:
    return str(uuid.uuid4())


class MemoryWorld:
    """A system that a connector of type ``memory`` speaks to. Usable from several threads."""

    _named: ClassVar[dict[str, MemoryWorld]] = {}
    _naming: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self,
        path: Path | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
        new_id: Callable[[], str] = _new_id,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Open or make the store. ``pause`` is what latency waits with, in seconds."""
        self.clock = clock
        self.pause = pause
        self._new_id = new_id
        self._lock = threading.RLock()
        self._database = sqlite3.connect(
            path or ":memory:", timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._database.row_factory = sqlite3.Row
        if path is not None:
            self._database.execute("PRAGMA journal_mode=WAL")
            # Killed processes lose nothing; only a power cut would, and that is not simulated.
            self._database.execute("PRAGMA synchronous=OFF")
        self._database.executescript(_SCHEMA)

    @classmethod
    def named(cls, name: str) -> MemoryWorld:
        """Return the world of this process called ``name``, made on first use."""
        with cls._naming:
            if name not in cls._named:
                cls._named[name] = cls()
            return cls._named[name]

    @classmethod
    def register(cls, name: str, world: MemoryWorld) -> None:
        """Let ``world`` be found as ``name``; replaces what was there."""
        with cls._naming:
            cls._named[name] = world

    @classmethod
    def forget(cls, name: str) -> None:
        """Close and drop the world of that name, if any."""
        with cls._naming:
            world = cls._named.pop(name, None)
        if world is not None:
            world.close()

    def close(self) -> None:
        """Let go of the store. May be called twice."""
        self._database.close()

    # ------------------------------------------------------------------ what a test puts there
    def add_person(
        self,
        login: str,
        *,
        employee_number: str = "",
        person_id: str = "",
        names: Sequence[str] = (),
        emails: Sequence[str] = (),
        kind: AccountKind = AccountKind.PERSON,
        secret: str = "",
    ) -> str:
        """Make an account with its own ``account.*`` holding and a password; return its id."""
        account_id = self._new_id()
        with self.writing() as database:
            database.execute(
                "INSERT INTO accounts VALUES (?, ?, ?, ?)",
                (account_id, login, kind.value, names[0] if names else login),
            )
            matches = [("employee_number", employee_number), ("person_id", person_id)]
            matches += [("name", name) for name in names] + [("email", email) for email in emails]
            self._match(account_id, [("login", login), *matches])
            self.give(account_id, Kind(f"account.{kind.value}"), native_id=account_id, label=login)
            if secret:
                self.give(account_id, Kind("credential.password"), secret=secret)
        return account_id

    def give(
        self,
        account_id: str,
        kind: Kind,
        *,
        native_id: str = "",
        label: str = "",
        secret: str = "",
        content: bytes = b"",
    ) -> str:
        """Let an account hold something; the same ``native_id`` for two people is shared."""
        native_id = native_id or self._new_id()
        with self.writing() as database:
            database.execute(
                "INSERT INTO holdings (account_id, kind, native_id, label, state, secret, content)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (account_id, kind, native_id, label, HoldingState.LIVE.value, secret, content),
            )
        return native_id

    def take(self, account_id: str, kind: Kind, native_id: str) -> None:
        """Take a holding away as somebody else would."""
        with self.writing() as database:
            database.execute(
                "DELETE FROM holdings WHERE account_id = ? AND kind = ? AND native_id = ?",
                (account_id, kind, native_id),
            )

    def rename(self, account_id: str, login: str, names: Sequence[str] = ()) -> None:
        """Give an account another login and other names; numbers stay."""
        with self.writing() as database:
            database.execute(
                "UPDATE accounts SET login = ?, display = ? WHERE native_id = ?",
                (login, names[0] if names else login, account_id),
            )
            database.execute(
                "DELETE FROM matches WHERE account_id = ? AND attribute IN ('login', 'name')",
                (account_id,),
            )
            self._match(account_id, [("login", login), *[("name", name) for name in names]])

    def act(self, account_id: str, what: str, at: datetime | None = None) -> None:
        """Let an account be seen doing something."""
        with self.writing() as database:
            database.execute(
                "INSERT INTO activity (account_id, at, what) VALUES (?, ?, ?)",
                (account_id, (at or self.clock()).timestamp(), what),
            )

    def _match(self, account_id: str, matches: Iterable[tuple[str, str]]) -> None:
        self._database.executemany(
            "INSERT INTO matches VALUES (?, ?, ?)",
            [(account_id, attribute, normalised(value)) for attribute, value in matches if value],
        )

    # ---------------------------------------------------------------------- what goes wrong
    def inject(self, injection: Injection) -> None:
        """Let something go wrong from now on."""
        with self.writing() as database:
            database.execute(
                "INSERT INTO troubles (trouble, operation, account_id, credential, times, seconds)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    injection.trouble.value,
                    injection.operation,
                    injection.account_id,
                    injection.credential,
                    injection.times,
                    injection.seconds,
                ),
            )

    def heal(self) -> None:
        """Take all troubles away."""
        with self.writing() as database:
            database.execute("DELETE FROM troubles")

    def strike(
        self, operation: str, account_id: str, credential: str
    ) -> Mapping[Trouble, Injection]:
        """Return the troubles that strike this call, and count them."""
        where = (
            " WHERE times <> 0 AND operation IN ('', ?) AND account_id IN ('', ?)"
            " AND credential IN ('', ?)"
        )
        found = self.rows(f"SELECT * FROM troubles{where}", operation, account_id, credential)  # noqa: S608 - a fixed text
        if any(row["times"] > 0 for row in found):
            with self.writing() as database:
                database.executemany(
                    "UPDATE troubles SET times = times - 1 WHERE position = ? AND times > 0",
                    [(row["position"],) for row in found],
                )
        return {
            Trouble(row["trouble"]): Injection(
                trouble=Trouble(row["trouble"]),
                operation=row["operation"],
                account_id=row["account_id"],
                credential=row["credential"],
                times=row["times"],
                seconds=row["seconds"],
            )
            for row in found
        }

    # ----------------------------------------------------------------- the independent witness
    def state(self, account_id: str) -> dict[str, Json]:
        """All state of one account, keyed by kind and native id; empty when it is gone."""
        self.advance(self.clock())
        state: dict[str, Json] = {}
        for row in self.rows("SELECT * FROM accounts WHERE native_id = ?", account_id):
            state["account"] = {"login": row["login"], "display": row["display"]}
        for row in self.rows("SELECT * FROM holdings WHERE account_id = ?", account_id):
            state[f"{row['kind']}|{row['native_id']}"] = {
                "label": row["label"],
                "state": row["state"],
                "secret": row["secret"],
                "content": bytes(row["content"]).hex(),
                "leaving": row["gone_at"] is not None,
            }
        return state

    def account_ids(self) -> tuple[str, ...]:
        """Everybody, in a stable order."""
        rows = self.rows("SELECT native_id FROM accounts ORDER BY native_id")
        return tuple(row["native_id"] for row in rows)

    def holders(self, kind: Kind, native_id: str) -> tuple[str, ...]:
        """Who holds a shared thing and is not about to lose it."""
        rows = self.rows(
            "SELECT account_id FROM holdings WHERE kind = ? AND native_id = ? AND gone_at IS NULL"
            " ORDER BY account_id",
            kind,
            native_id,
        )
        return tuple(row["account_id"] for row in rows)

    def audit(self) -> tuple[AuditLine, ...]:
        """All changes made through connectors, in order."""
        return tuple(
            AuditLine(
                datetime.fromisoformat(row["at"]),
                row["credential"],
                row["operation"],
                row["holding_key"],
            )
            for row in self.rows("SELECT * FROM audit ORDER BY position")
        )

    def calls(self) -> tuple[CallLine, ...]:
        """Both ends of all calls, in order."""
        return tuple(
            CallLine(
                row["at"],
                row["pid"],
                row["thread"],
                row["call"],
                row["phase"],
                row["operation"],
                row["account_id"],
                tuple(json.loads(row["holding_keys"])),
            )
            for row in self.rows("SELECT * FROM calls ORDER BY position")
        )

    # --------------------------------------------------------------- what the connector speaks
    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """Read."""
        with self._lock:
            return self._database.execute(query, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all or nothing, one writer at a time over all processes."""
        with self._lock:
            if self._database.in_transaction:
                yield self._database
                return
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def advance(self, now: datetime) -> None:
        """Let asynchronous removals happen whose time has come."""
        moment = now.timestamp()
        if self.rows("SELECT 1 FROM holdings WHERE gone_at <= ? LIMIT 1", moment):
            with self.writing() as database:
                database.execute("DELETE FROM holdings WHERE gone_at <= ?", (moment,))

    @contextmanager
    def call(self, operation: str, account_id: str, holding_keys: Sequence[str]) -> Iterator[None]:
        """Write down both ends of a call. The end is written also when the call raises."""
        call = self._new_id()
        self._log(call, "start", operation, account_id, holding_keys)
        try:
            yield
        finally:
            self._log(call, "end", operation, account_id, holding_keys)

    def _log(
        self, call: str, phase: str, operation: str, account_id: str, keys: Sequence[str]
    ) -> None:
        with self.writing() as database:
            database.execute(
                "INSERT INTO calls (at, pid, thread, call, phase, operation, account_id,"
                " holding_keys) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    time.time(),
                    os.getpid(),
                    threading.get_ident(),
                    call,
                    phase,
                    operation,
                    account_id,
                    json.dumps(list(keys)),
                ),
            )
