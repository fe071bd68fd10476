"""The connector of the remembered world. See the package's docstring for what it is for."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from connectors.contract import (
    Account,
    AccountKind,
    Activity,
    Canary,
    Card,
    Credential,
    Effect,
    Export,
    Holding,
    HoldingState,
    Identifier,
    IdentityKey,
    Item,
    Kind,
    Outcome,
    Page,
    Probe,
    ReadEnd,
    Subject,
)
from connectors.faults import Malformed, Transient, Unauthorised
from connectors.memory.abilities import DUTY, stages_of, supports
from connectors.memory.changes import Changes, is_sole, restore_image
from connectors.memory.records import Injection, Trouble
from connectors.memory.world import CANARY, MemoryWorld, normalised

CHUNK_BYTES: Final = 64 * 1024
CERTAIN: Final = 100
_CONFIDENCE: Final[Mapping[str, int]] = {
    "employee_number": CERTAIN,
    "person_id": CERTAIN,
    "email": 60,
    "login": 60,
    "name": 30,
    "immutable_id": CERTAIN,
    "owner": 60,
}
_KEYS: Final[Mapping[str, IdentityKey]] = {
    "employee_number": IdentityKey.EMPLOYEE_NUMBER,
    "person_id": IdentityKey.PERSON_ID,
    "immutable_id": IdentityKey.IMMUTABLE_ID,
    "email": IdentityKey.MAIL,
    "login": IdentityKey.LOGIN,
    "owner": IdentityKey.OWNER,
    "name": IdentityKey.NAME,
}
_WITHHELD: Final = "holdings withheld from this credential"
_NOTHING_TO_SEARCH_BY: Final = "nothing to search by"
Struck = Mapping[Trouble, Injection]


class Settings(BaseModel):
    """Which world, and how it behaves.

    ``world`` names one of this process; ``path`` is a file that several processes share and wins.
    ``latency`` is waited out in every call. ``timeout`` is how long a slow answer is waited for.
    ``asynchronous`` kinds are revoked only ``asynchronous_after`` later.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    world: str = "default"
    path: Path | None = None
    page_size: int = Field(default=100, ge=1, le=10_000)
    timeout: timedelta = timedelta(seconds=30)
    latency: timedelta = timedelta(0)
    settle: timedelta = timedelta(0)
    asynchronous: tuple[str, ...] = ()
    asynchronous_after: timedelta = timedelta(seconds=30)


def open_connector(
    name: str, settings: Settings, credential: Credential, clock: Callable[[], datetime]
) -> MemoryConnector:
    """Make the connector of system ``name``; the world is opened when it is first spoken to."""
    return MemoryConnector(name, settings, credential, clock)


class MemoryConnector:
    """Claims every ability of the contract. One instance per thread."""

    def __init__(
        self, name: str, settings: Settings, credential: Credential, clock: Callable[[], datetime]
    ) -> None:
        """Remember the settings; no I/O."""
        self._name = name
        self._settings = settings
        self._credential = credential
        self._clock = clock
        self._opened: MemoryWorld | None = None

    def card(self) -> Card:
        """Describe all kinds of the vocabulary."""
        settings = self._settings
        asynchronous = dict.fromkeys(settings.asynchronous, settings.asynchronous_after)
        return Card("remembered world", supports(asynchronous), settings.settle)

    def close(self) -> None:
        """Close a world of our own; a named one belongs to its process."""
        if self._opened is not None and self._settings.path is not None:
            self._opened.close()
        self._opened = None

    def probe(self) -> Iterator[Probe]:
        """Say whether the world answers and what this credential may do."""
        with self._call("probe", "") as struck:
            yield Probe("reachable", holds=True)
            yield Probe("canary", Trouble.CANARY_HIDDEN not in struck, "the known object is read")
            may = "write" if self._credential is Credential.ACT else "read only"
            yield Probe("rights", holds=True, detail=f"this credential may {may}")

    def find(self, subject: Subject) -> Iterator[Page[Account]]:
        """Match by HR number and person id surely, by address, login and name as candidates."""
        wanted = [
            ("employee_number", subject.employee_number),
            ("person_id", subject.person_id),
            *(("email", email) for email in (*subject.emails, subject.upn)),
            *(("login", login) for login in subject.logins),
            *(("name", name) for name in subject.names),
            *(("immutable_id", each.value) for each in subject.identifiers),
            *(("owner", owner) for owner in (*subject.emails, *subject.logins)),
        ]
        with self._call("find", "") as struck:
            best: dict[str, Account] = {}
            for attribute, value in wanted:
                for row in self._matching(attribute, value) if value else ():
                    best.setdefault(row["native_id"], self._account(row, attribute))
            if not any(value for _attribute, value in wanted):  # Law 2: empty is not absent
                yield Page((), self._end(struck, _NOTHING_TO_SEARCH_BY))
                return
            yield from self._pages(iter(best.values()), struck)

    def survey(self, account: Account) -> Iterator[Page[Holding]]:
        """Read everything of one account in the order it was given."""
        with self._call("survey", account.native_id) as struck:
            yield from self._pages(self._each_holding(account.native_id), struck)

    def list_accounts(self) -> Iterator[Page[Account]]:
        """Read everybody, flat in memory."""
        with self._call("list_accounts", "") as struck:
            yield from self._pages(self._each_account(), struck)

    def activity(self, account: Account, since: datetime) -> Iterator[Page[Activity]]:
        """Read what the account was seen doing."""
        with self._call("activity", account.native_id) as struck:
            rows = self._world.rows(
                "SELECT * FROM activity WHERE account_id = ? AND at >= ? ORDER BY position",
                account.native_id,
                since.timestamp(),
            )
            seen = (
                Activity(row["account_id"], datetime.fromtimestamp(row["at"], UTC), row["what"])
                for row in rows
            )
            yield from self._pages(seen, struck)

    def contain(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Block sign-in, scramble the password, suspend credentials, end sessions."""
        return self._write("contain", account, holdings, Changes.contain)

    def revoke(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Remove; the last owner or member is refused (Law 5)."""
        return self._write("revoke", account, holdings, Changes.revoke)

    def restore(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Put back from the pre-image."""
        return self._write("restore", account, holdings, Changes.restore)

    def transfer(
        self, account: Account, holdings: Sequence[Holding], successor: Account
    ) -> Sequence[Effect]:
        """Make the successor holder of the same shared things, beside the leaver."""

        def hand_over(changes: Changes, holding: Holding) -> Effect:
            return changes.transfer(holding, successor.native_id)

        return self._write("transfer", account, holdings, hand_over)

    def export(self, account: Account, holdings: Sequence[Holding]) -> Iterator[Export]:
        """Stream the content of data holdings; a cut stream raises."""
        for holding in holdings:
            with self._call("export", account.native_id, [holding]) as struck:
                row = self._changes(struck).row(holding)
                if row is not None:
                    chunks = _chunks(bytes(row["content"]), cut=Trouble.TRUNCATED in struck)
                    name = f"{holding.kind}/{holding.native_id}.bin"
                    yield Export(name, "application/octet-stream", chunks)

    def destroy(self, account: Account) -> Effect:
        """Delete the account and all it holds; refused while it is the last holder of anything."""
        key = f"{account.native_id}|account.{account.kind.value}|{account.native_id}"
        with self._call("destroy", account.native_id) as struck, self._world.writing() as database:
            self._may_write()
            held = list(self._each_holding(account.native_id))
            if not held:
                return Effect(key, Outcome.ALREADY, {"state": HoldingState.GONE})
            if any(holding.sole for holding in held):
                return Effect(key, Outcome.REFUSED, why="last holder of something shared")
            if Trouble.SILENT in struck:
                raise Transient("answered with success, read back unchanged", code="memory:silent")
            for table, column in (
                ("holdings", "account_id"),
                ("matches", "account_id"),
                ("accounts", "native_id"),
            ):
                database.execute(f"DELETE FROM {table} WHERE {column} = ?", (account.native_id,))  # noqa: S608 - names from the line above
            self._audit(database, "destroy", key)
            return Effect(key, Outcome.DONE, {"state": HoldingState.GONE})

    # ------------------------------------------------------------------------------- one call
    @property
    def _world(self) -> MemoryWorld:
        if self._opened is None:
            path = self._settings.path
            self._opened = MemoryWorld(path) if path else MemoryWorld.named(self._settings.world)
        return self._opened

    @contextmanager
    def _call(
        self, operation: str, account_id: str, holdings: Sequence[Holding] = ()
    ) -> Iterator[Struck]:
        """Everything that is true of every call: its log, its latency and its troubles."""
        world = self._world
        with world.call(operation, account_id, [holding.key for holding in holdings]):
            struck = world.strike(operation, account_id, self._credential.value)
            slow = struck.get(Trouble.SLOW)
            waits = self._settings.latency + timedelta(seconds=slow.seconds if slow else 0)
            if waits:
                world.pause(min(waits, self._settings.timeout).total_seconds())
            if waits > self._settings.timeout:
                raise Transient(f"{operation}: no answer in time", code="memory:timeout")
            _raise_what_struck(operation, struck)
            world.advance(self._clock())
            yield struck

    def _pages(self, items: Iterator[Item], struck: Struck) -> Iterator[Page[Item]]:
        """Cut a stream into pages; the last one carries the end, unless it was cut short."""
        if Trouble.TARGET_HIDDEN in struck:
            items = iter(())
        size = self._settings.page_size
        page: list[Item] = []
        for item in items:
            if len(page) == size:
                yield Page(tuple(page))
                page = []
                if Trouble.TRUNCATED in struck:
                    return
            page.append(item)
        if Trouble.TRUNCATED not in struck:
            yield Page(tuple(page), self._end(struck))

    def _end(self, struck: Struck, *gaps: str) -> ReadEnd:
        return ReadEnd(
            complete=True,
            canary=Canary(CANARY, seen=Trouble.CANARY_HIDDEN not in struck),
            read_at=self._clock(),
            credential=self._credential,
            gaps=(*gaps, _WITHHELD) if Trouble.TARGET_HIDDEN in struck else gaps,
        )

    def _write(
        self,
        operation: str,
        account: Account,
        holdings: Sequence[Holding],
        change: Callable[[Changes, Holding], Effect],
    ) -> Sequence[Effect]:
        """Change one bundle in one transaction; every row is read back (Law 1)."""
        with (
            self._call(operation, account.native_id, holdings) as struck,
            self._world.writing() as database,
        ):
            self._may_write()
            changes = self._changes(struck)
            effects = []
            for holding in holdings:
                if Trouble.VANISHING in struck:
                    changes.vanish(holding)
                effect = change(changes, holding)
                if effect.outcome in {Outcome.DONE, Outcome.PENDING}:
                    self._audit(database, operation, holding.key)
                effects.append(effect)
            return effects

    def _changes(self, struck: Struck) -> Changes:
        return Changes(
            world=self._world,
            clock=self._clock,
            silent=Trouble.SILENT in struck,
            asynchronous=frozenset(self._settings.asynchronous),
            asynchronous_after=self._settings.asynchronous_after,
        )

    def _may_write(self) -> None:
        if self._credential is not Credential.ACT:
            raise Unauthorised("the verifying credential may not write", code="memory:rights")

    def _audit(self, database: sqlite3.Connection, operation: str, key: str) -> None:
        database.execute(
            "INSERT INTO audit (at, credential, operation, holding_key) VALUES (?, ?, ?, ?)",
            (self._clock().isoformat(), self._credential.value, operation, key),
        )

    # ----------------------------------------------------------------------- native to nouns
    def _matching(self, attribute: str, value: str) -> list[sqlite3.Row]:
        return self._world.rows(
            "SELECT accounts.* FROM accounts JOIN matches ON account_id = native_id"
            " WHERE attribute = ? AND value = ? ORDER BY native_id",
            attribute,
            normalised(value),
        )

    def _account(self, row: sqlite3.Row, matched_by: str) -> Account:
        return Account(
            system=self._name,
            native_id=row["native_id"],
            login=row["login"],
            kind=AccountKind(row["kind"]),
            matched_by=matched_by,
            confidence=_CONFIDENCE.get(matched_by, CERTAIN),
            display=row["display"],
            identifiers=self._identifiers(row["native_id"]),
        )

    def _identifiers(self, account_id: str) -> tuple[Identifier, ...]:
        rows = self._world.rows(
            "SELECT attribute, value FROM matches WHERE account_id = ? ORDER BY attribute, value",
            account_id,
        )
        return tuple(Identifier(_KEYS[row["attribute"]], row["value"]) for row in rows)

    def _each_account(self) -> Iterator[Account]:
        """Walk by key, a page at a time, so that the size of the company does not matter."""
        after = ""
        while rows := self._world.rows(
            "SELECT * FROM accounts WHERE native_id > ? ORDER BY native_id LIMIT ?",
            after,
            self._settings.page_size,
        ):
            yield from (self._account(row, "listed") for row in rows)
            after = rows[-1]["native_id"]

    def _each_holding(self, account_id: str) -> Iterator[Holding]:
        after = 0
        while rows := self._world.rows(
            "SELECT * FROM holdings WHERE account_id = ? AND position > ?"
            " ORDER BY position LIMIT ?",
            account_id,
            after,
            self._settings.page_size,
        ):
            yield from (self._holding(row) for row in rows)
            after = rows[-1]["position"]

    def _holding(self, row: sqlite3.Row) -> Holding:
        kind = Kind(row["kind"])
        return Holding(
            account_id=row["account_id"],
            kind=kind,
            native_id=row["native_id"],
            label=row["label"],
            state=HoldingState(row["state"]),
            sole=is_sole(self._world, kind, row["native_id"]),
            restore=restore_image(row) if self._credential is Credential.ACT else {},
            duty="" if stages_of(kind) else DUTY,
        )


def _raise_what_struck(operation: str, struck: Struck) -> None:
    """Turn what the remembered system answers into the fault that carries the decision."""
    if Trouble.UNAUTHORISED in struck:
        raise Unauthorised(f"{operation}: the credential was turned down", code="memory:401")
    if Trouble.TRANSIENT in struck:
        wait = timedelta(seconds=struck[Trouble.TRANSIENT].seconds)
        raise Transient(f"{operation}: not now", code="memory:503", retry_after=wait)
    if Trouble.MALFORMED in struck:
        raise Malformed(f"{operation}: the answer makes no sense", code="memory:shape")


def _chunks(content: bytes, *, cut: bool) -> Iterator[bytes]:
    for start in range(0, len(content), CHUNK_BYTES):
        if cut and start:
            break
        yield content[start : start + CHUNK_BYTES]
    if cut:
        raise Transient("export: the stream ended early", code="memory:cut")
