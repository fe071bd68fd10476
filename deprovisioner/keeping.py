"""Keeps copies of the daemon's own database and keys, and puts them back.

Called by `deprovisioner backup`. The database may be copied while the daemon writes; it is put back
only while nothing runs. Keys leave this machine encrypted with age, never in the clear.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pyrage

from config.settings import Settings
from deprovisioner.initialise import SEALING_KEY, SIGNING_KEY, write_all
from deprovisioner.wiring import open_signer, read_sealing_key
from reconcile.store import embedded
from reconcile.store.errors import DatabaseMisconfigured

_MOST_BYTES: Final = 64 * 1024
_FILES: Final = (SIGNING_KEY, SEALING_KEY)


class CannotKeep(Exception):
    """A copy of the keys cannot be made or opened; the message says why."""


def database_file(settings: Settings) -> Path:
    """The file of the embedded database. Raises :class:`DatabaseMisconfigured` with PostgreSQL."""
    scheme, _, place = settings.database_url.partition("///")
    if scheme != "sqlite:":
        raise DatabaseMisconfigured("PostgreSQL is backed up with pg_dump and pg_restore")
    return Path(place)


def copy_database(settings: Settings, copy: Path) -> None:
    """Copy the database to a new file, whoever is writing it. Raises as ``copy_file`` does."""
    embedded.copy_file(database_file(settings), copy)


def put_back(settings: Settings, copy: Path) -> tuple[Path, ...]:
    """Put a copy in place; returns where the present files went.

    The copy is read and checked completely before anything is moved. Raises
    :class:`~reconcile.store.errors.DatabaseError` and FileNotFoundError.
    """
    database = database_file(settings)
    database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    incoming = database.with_name(f"{database.name}.incoming")
    incoming.unlink(missing_ok=True)
    with embedded.owned(database):
        embedded.copy_file(copy, incoming)
        aside = tuple(_move_aside(database))
        incoming.rename(database)
    return aside


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
