"""Keeps copies of the daemon's own database and keys, and puts them back.

Called by `deprovisioner backup`. The database may be copied while the daemon writes; it is put back
only while nothing runs. Keys leave this machine encrypted with age, never in the clear.
"""

from __future__ import annotations

import json
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyrage

from config.settings import Settings
from deprovisioner.initialise import SEALING_KEY, SECRETS, SIGNING_KEY, write_all
from deprovisioner.wiring import Origins, database_url, open_signer, read_sealing_key
from reconcile.evidence.audit import CHECKPOINT
from reconcile.evidence.checkpoint import Checkpoint
from reconcile.evidence.errors import NotVerified
from reconcile.evidence.keys import SigningKey, VerifierKey, check_name
from reconcile.store import embedded, migrate
from reconcile.store.case_keys import CaseKeys
from reconcile.store.database import Database
from reconcile.store.errors import DatabaseMisconfigured
from reconcile.store.evidence_log import EvidenceLog
from reconcile.store.ledger import LedgerRolledBack, Sequencer, tree_size
from reconcile.store.ledger_files import read_checkpoint
from reconcile.store.ledger_renewal import Ended, renew
from reconcile.store.nodes import keep_out

_MOST_BYTES: Final = 64 * 1024
_FILES: Final = (SIGNING_KEY, SEALING_KEY)


class CannotKeep(Exception):
    """A copy of the keys cannot be made or opened; the message says why."""


def is_shared(settings: Settings) -> bool:
    """Say whether the database is PostgreSQL, which has tools of its own for copies."""
    return settings.database_url.startswith("postgresql")


def database_file(settings: Settings) -> Path:
    """The file of the embedded database. Raises :class:`DatabaseMisconfigured` with PostgreSQL."""
    scheme, _, place = settings.database_url.partition("///")
    if scheme != "sqlite:":
        raise DatabaseMisconfigured("PostgreSQL is backed up with pg_dump and pg_restore")
    return Path(place)


def copy_database(settings: Settings, copy: Path) -> None:
    """Copy the database to a new file, whoever is writing it. Raises as ``copy_file`` does."""
    embedded.copy_file(database_file(settings), copy)


@dataclass(frozen=True, slots=True)
class PutBack:
    """Where the files went that were there before, and the size of the log that was put in."""

    aside: tuple[Path, ...]
    entries: int


@dataclass(frozen=True, slots=True)
class NewLog:
    """What the operator changes so that the daemon signs a new log; see `plan_new_log`."""

    origin: str
    keys_directory: Path
    signing_key: Path
    publish_directory: Path
    anchor: Path
    old_publish_directory: Path


def put_back(settings: Settings, copy: Path) -> PutBack:
    """Put a copy in place, after it was read, checked and compared with what was signed.

    Nothing is moved unless all of that held. Raises
    :class:`~reconcile.store.errors.DatabaseError`, FileNotFoundError, ``CannotStart`` for keys, and
    :class:`~reconcile.store.ledger.LedgerRefused` for a copy that is behind its anchor.
    """
    return _exchange(settings, copy, None)


def begin_new_log(settings: Settings, copy: Path, planned: NewLog) -> PutBack:
    """Put a copy in place that is behind what was signed, as the beginning of a new log.

    Raises as `put_back` does, and :class:`CannotKeep` when the copy is not behind: a log that can
    go on must not be ended.
    """
    return _exchange(settings, copy, planned)


def renew_shared(settings: Settings, planned: NewLog) -> PutBack:
    """Begin a new log in PostgreSQL, into which ``pg_restore`` has put a dump that is behind.

    Nothing is written unless no node runs and the log has ended; then all of it is one
    transaction. Raises :class:`CannotKeep`, ``CannotStart`` for keys,
    :class:`~reconcile.store.errors.DatabaseError`.
    """
    signer, sealing_key = open_signer(settings), read_sealing_key(settings)
    with closing(Database.open(database_url(settings))) as database:
        migrate.check(database)
        if migrate.current_revision(database) is None:
            raise CannotKeep("the database is empty: put the dump back with pg_restore first")
        with database.begin() as connection:
            if not keep_out(connection, database.now()):
                raise CannotKeep(
                    "a node runs on this database, or was killed within the last minute: "
                    "stop every node, and try again"
                )
            _refuse_if_sound(_sequencer(settings, database, signer))
            evidence, ended = _evidence(sealing_key), _ended(settings, signer.verifier)
            renew(connection, evidence, ended, planned.origin, Origins().clock)
        with database.connect() as connection:
            return PutBack((), tree_size(connection))


def plan_new_log(settings: Settings, origin: str) -> NewLog:
    """Choose fresh places for a log of another name. Raises :class:`CannotKeep`; writes nothing."""
    try:
        check_name(origin)
    except NotVerified as error:
        raise CannotKeep(f"--new-log: {error}") from error
    if origin == settings.evidence.origin:
        raise CannotKeep("a new log needs another name than the one that ended")
    anchor = settings.anchor_path
    keys = _fresh(_folder_of_keys(settings))
    return NewLog(
        origin=origin,
        keys_directory=keys,
        signing_key=keys / SIGNING_KEY,
        publish_directory=_fresh(settings.publish_directory),
        anchor=_fresh(anchor.parent) / anchor.name,
        old_publish_directory=settings.publish_directory,
    )


def _folder_of_keys(settings: Settings) -> Path:
    scheme, _, place = settings.evidence.signing_key.reference.partition(":")
    return Path(place).parent if scheme == "file" else settings.data_directory / SECRETS


def _fresh(folder: Path) -> Path:
    number = 2
    while (fresh := folder.with_name(f"{folder.name}-{number}")).exists():
        number += 1
    return fresh


def _exchange(settings: Settings, copy: Path, planned: NewLog | None) -> PutBack:
    database = database_file(settings)
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    incoming = database.with_name(f"{database.name}.incoming")
    _forget(incoming)
    with embedded.owned(database):
        try:
            embedded.copy_file(copy, incoming)
            entries = _judge(settings, incoming, planned)
            aside = tuple(_move_aside(database))
            incoming.rename(database)
        finally:
            _forget(incoming)
    return PutBack(aside, entries)


def _judge(settings: Settings, incoming: Path, planned: NewLog | None) -> int:
    """Upgrade the copy and compare it with the anchor; the present database is not touched."""
    signer, sealing_key = open_signer(settings), read_sealing_key(settings)
    with closing(Database.open(f"sqlite:///{incoming}")) as database:
        migrate.upgrade(database)
        sequencer = _sequencer(settings, database, signer)
        if planned is None:
            sequencer.check_anchor()
        else:
            _refuse_if_sound(sequencer)
            evidence, ended = _evidence(sealing_key), _ended(settings, signer.verifier)
            with database.begin() as connection:
                renew(connection, evidence, ended, planned.origin, Origins().clock)
        with database.connect() as connection:
            return tree_size(connection)


def _sequencer(settings: Settings, database: Database, signer: SigningKey) -> Sequencer:
    place, anchor = settings.publish_directory, settings.anchor_path
    return Sequencer(database, signer, Origins().clock, place, anchor)


def _evidence(sealing_key: bytes) -> EvidenceLog:
    origins = Origins()
    case_keys = CaseKeys(sealing_key, origins.clock, origins.token_bytes)
    return EvidenceLog(case_keys, origins.token_bytes)


def _refuse_if_sound(sequencer: Sequencer) -> None:
    try:
        sequencer.check_anchor()
    except LedgerRolledBack:
        return
    raise CannotKeep("nothing that was signed is missing: go on without --new-log")


def _ended(settings: Settings, key: VerifierKey) -> Ended:
    return Ended(key, _signed(settings, key))


def _signed(settings: Settings, key: VerifierKey) -> Checkpoint | None:
    """The newest checkpoint of the log that ended, as anchor and published folder have it."""
    known = []
    for path in (settings.anchor_path, settings.publish_directory / CHECKPOINT):
        with suppress(NotVerified):  # somebody else's file says nothing about our log
            known.append(read_checkpoint(path, key))
    return max((each for each in known if each), key=lambda each: each.size, default=None)


def _forget(incoming: Path) -> None:
    for suffix in ("", "-wal", "-shm", ".lock"):
        incoming.with_name(incoming.name + suffix).unlink(missing_ok=True)


def _move_aside(database: Path) -> list[Path]:
    number = 1
    while database.with_name(f"{database.name}.before-{number}").exists():
        number += 1
    moved = []
    for suffix in ("", "-wal", "-shm"):
        present = database.with_name(database.name + suffix)
        if present.exists():
            target = database.with_name(f"{database.name}.before-{number}{suffix}")
            moved.append(present.rename(target))
    return moved


def seal_keys(settings: Settings, recipients: tuple[str, ...]) -> bytes:
    """Encrypt both keys to people. Raises :class:`CannotKeep`, ``CannotStart``."""
    chosen = recipients or (settings.vault.escrow if settings.vault else ())
    if not chosen:
        raise CannotKeep("nobody is named who could open the copy")
    try:
        people = [pyrage.x25519.Recipient.from_str(each) for each in chosen]
    except pyrage.RecipientError as error:
        raise CannotKeep("a recipient is no age1... key") from error
    open_signer(settings)  # what is kept must be the keys that work
    read_sealing_key(settings)
    evidence = settings.evidence
    values = (evidence.signing_key.reveal(), evidence.sealing_key.reveal())
    plain = json.dumps(dict(zip(_FILES, values, strict=True))).encode()
    return bytes(pyrage.encrypt(plain, people))


def open_keys(copy: Path, identity: Path, folder: Path) -> tuple[Path, ...]:
    """Write both keys out of a copy as new files. Raises :class:`CannotKeep`, OSError."""
    with copy.open("rb") as file:
        sealed = file.read(_MOST_BYTES)
    lines = identity.read_text(encoding="utf-8").splitlines()
    secret = next((line.strip() for line in lines if line.startswith("AGE-SECRET-KEY-")), "")
    try:
        holder = pyrage.x25519.Identity.from_str(secret)
        found = json.loads(pyrage.decrypt(sealed, [holder]))
    except (pyrage.IdentityError, pyrage.DecryptError, ValueError) as error:
        raise CannotKeep("this identity does not open this file") from error
    if set(found) != set(_FILES):
        raise CannotKeep("the file holds no keys of ours")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = {folder / name: str(found[name]) for name in _FILES}
    write_all(written)
    return tuple(written)
