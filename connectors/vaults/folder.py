"""The vault of one directory: append-only by habit, encrypted always, weaker than object lock.

Layout: ``<root>/<case id>/<quoted name>.v<number>.age`` with a manifest ``….json`` beside it (the
receipt), and ``<root>/incoming/`` for what is being written. The manifest is the commit: an
object without one is not listed. Nothing is ever overwritten; the same content again is
``already``, other content under a known name is the next version.

Whoever owns the directory can still remove files. ``chattr +a`` or a file system with snapshots
makes that harder; every receipt says so in ``strength``, because reports print it.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connectors.faults import Fault, Malformed, Missing, Refused, Transient, Unauthorised
from connectors.secret import Secret
from connectors.vaults import age
from connectors.vaults.age import Measure
from connectors.vaults.contract import Damaged, OutOfSpace, Receipt

STRENGTH: Final = "append-only directory, no object lock: its owner could remove files"
INCOMING: Final = "incoming"
FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
READ_BYTES: Final = 1024 * 1024
MANIFEST_BYTES: Final = 16 * 1024
NAME_LENGTH: Final = 200
_CASE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DENIED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class FolderSettings(BaseModel):
    """Where the vault lies. ``path`` is made with mode 0700 when it is not there.

    ``escrow`` holds one or two age public keys of people who may open backups (security, legal).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    escrow: tuple[str, ...] = Field(min_length=1, max_length=2)

    @field_validator("escrow")
    @classmethod
    def _are_keys(cls, escrow: tuple[str, ...]) -> tuple[str, ...]:
        """Find a mistyped key at start, not at the first leaver."""
        if not all(age.is_recipient(key) for key in escrow):
            raise ValueError("escrow keys are age X25519 public keys (age1...)")
        return escrow


class FolderVault:
    """Stores encrypted objects below one directory. Safe for several processes."""

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        """Remember where; no I/O."""
        self._root = path
        self._clock = clock

    def put(self, case_id: str, name: str, chunks: Iterable[bytes], recipient: str) -> Receipt:
        """Encrypt into a hidden file, read it back from storage, then publish it in one step."""
        folder = self._case_folder(case_id)
        stem = _stem(name)
        with _faults("store"):
            _make_folder(self._root)
            for child in (self._root / INCOMING, folder):
                _make_folder(child)
        with self._incoming() as (path, file):
            plaintext, written = age.encrypt(chunks, recipient, file.fileno())
            with _faults("store"):
                os.fsync(file.fileno())
                stored = _read_back(file)
            if stored != written:
                raise Damaged("read back other bytes than were written", code="vault:read-back")
            receipt = Receipt(
                case_id=case_id,
                name=name,
                version=0,
                plaintext_size=plaintext.size,
                plaintext_sha256=plaintext.sha256,
                ciphertext_size=stored.size,
                ciphertext_sha256=stored.sha256,
                recipient=recipient,
                stored_at=self._clock(),
                software=age.software(),
                strength=STRENGTH,
            )
            with _faults("store"), _locked(folder):
                _drop_orphans(folder)
                found = _receipts(folder, f"{glob.escape(stem)}.v*.json")
                versions = [item for item in found if item.name == name]
                known = self._known(receipt, versions)
                if known is not None:
                    return replace(known, already=True)
                following = max((item.version for item in versions), default=0) + 1
                return self._publish(path, folder, stem, replace(receipt, version=following))

    def verify(self, receipt: Receipt) -> None:
        """Compare what storage holds with the receipt."""
        with self._opened(receipt) as file:
            self._compare(file, receipt)

    def read(self, receipt: Receipt, identity: Secret) -> Iterator[bytes]:
        """Verify, then decrypt from the very same open file."""
        with self._opened(receipt) as file:
            self._compare(file, receipt)
            digest, size = hashlib.sha256(), 0
            for chunk in age.decrypt(file, identity):
                digest.update(chunk)
                size += len(chunk)
                yield chunk
            if Measure(size, digest.hexdigest()) != _plaintext(receipt):
                raise Damaged("decrypted to other bytes than were stored", code="vault:plaintext")

    def list(self, case_id: str) -> Sequence[Receipt]:
        """Read the manifests of a case."""
        return _receipts(self._case_folder(case_id), "*.json")

    def delete(self, receipt: Receipt) -> None:
        """Remove the object first: a crash in between leaves a manifest, never forgotten data."""
        path = self._path(receipt)
        with _faults("delete"):
            for gone in (path, path.with_suffix(".json")):
                with suppress(FileNotFoundError):
                    gone.unlink()
            if path.parent.is_dir():
                _sync_folder(path.parent)

    def tidy(self, older_than: timedelta) -> int:
        """Remove what killed processes left behind, everywhere; return how many files.

        ``older_than`` spares what is being written now: no object takes that long to write.
        """
        limit = (self._clock() - older_than).timestamp()
        removed = 0
        with _faults("tidy"):
            for path in (self._root / INCOMING).glob("*"):
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime < limit:
                        path.unlink()
                        removed += 1
            for folder in self._root.glob("*"):
                if folder.name != INCOMING:
                    with _locked(folder):
                        removed += _drop_orphans(folder)
        return removed

    # ------------------------------------------------------------------------------ one object
    def _case_folder(self, case_id: str) -> Path:
        if not _CASE_ID.fullmatch(case_id) or case_id == INCOMING:
            raise Refused("not a case id that a vault can store under", code="vault:case-id")
        return self._root / case_id

    def _path(self, receipt: Receipt) -> Path:
        stem = f"{_stem(receipt.name)}.v{receipt.version:04}"
        return self._case_folder(receipt.case_id) / f"{stem}.age"

    @contextmanager
    def _incoming(self) -> Iterator[tuple[Path, IO[bytes]]]:
        """Open a hidden file; it is gone afterwards, published or not."""
        path = self._root / INCOMING / secrets.token_hex(16)
        with _faults("store"):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE_MODE)
        try:
            with os.fdopen(descriptor, "rb") as file:
                yield path, file
        finally:
            path.unlink(missing_ok=True)

    def _publish(self, path: Path, folder: Path, stem: str, receipt: Receipt) -> Receipt:
        """Give the hidden file its name. link(2) fails where rename(2) would overwrite."""
        target = folder / f"{stem}.v{receipt.version:04}.age"
        os.link(path, target)
        _sync_folder(folder)
        self._commit(target.with_suffix(".json"), receipt)
        return receipt

    def _commit(self, target: Path, receipt: Receipt) -> None:
        text = json.dumps(receipt.to_json(), sort_keys=True, indent=1)
        path = self._root / INCOMING / secrets.token_hex(16)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.link(path, target)
        finally:
            path.unlink(missing_ok=True)
        _sync_folder(target.parent)

    def _known(self, wanted: Receipt, versions: Sequence[Receipt]) -> Receipt | None:
        """Find the same content stored before and still whole (Law 6)."""
        for receipt in versions:
            same = receipt.recipient == wanted.recipient
            if same and _plaintext(receipt) == _plaintext(wanted):
                with suppress(Missing, Damaged):
                    self.verify(receipt)
                    return receipt
        return None

    @contextmanager
    def _opened(self, receipt: Receipt) -> Iterator[IO[bytes]]:
        path = self._path(receipt)
        with _faults("read"):
            file = path.open("rb")
        with file:
            yield file

    def _compare(self, file: IO[bytes], receipt: Receipt) -> None:
        with _faults("read"):
            stored = _read_back(file)
        if stored != Measure(receipt.ciphertext_size, receipt.ciphertext_sha256):
            raise Damaged("the stored object is not what the receipt says", code="vault:digest")


def open_vault(settings: FolderSettings, clock: Callable[[], datetime]) -> FolderVault:
    """Make the vault; no I/O."""
    return FolderVault(settings.path, clock)


def _plaintext(receipt: Receipt) -> Measure:
    return Measure(receipt.plaintext_size, receipt.plaintext_sha256)


def _stem(name: str) -> str:
    """Quote a relative name into one file name. Raises :class:`~connectors.faults.Refused`."""
    parts, quoted = name.split("/"), quote(name, safe="")
    if not name.isprintable() or {"", ".", ".."} & set(parts) or len(quoted) > NAME_LENGTH:
        raise Refused("not a relative name that a vault can store", code="vault:name")
    return quoted


def _read_back(file: IO[bytes]) -> Measure:
    """Measure a file as storage has it, not as the page cache remembers it."""
    descriptor = file.fileno()
    with suppress(AttributeError):  # not on every Unix
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.lseek(descriptor, 0, os.SEEK_SET)
    digest, size = hashlib.sha256(), 0
    while chunk := os.read(descriptor, READ_BYTES):
        digest.update(chunk)
        size += len(chunk)
    return Measure(size, digest.hexdigest())


def _drop_orphans(folder: Path) -> int:
    """Remove objects whose manifest never came, so that no data outlives all lists.

    Under the lock only: publishers hold it from the first link to the second.
    """
    orphans = [path for path in folder.glob("*.age") if not path.with_suffix(".json").exists()]
    for path in orphans:
        path.unlink()
    return len(orphans)


def _receipts(folder: Path, pattern: str) -> Sequence[Receipt]:
    """Read manifests, by name and version."""
    with _faults("list"):
        paths = list(folder.glob(pattern)) if folder.is_dir() else []
    receipts = [_manifest(path) for path in paths]
    return sorted(receipts, key=lambda receipt: (receipt.name, receipt.version))


def _manifest(path: Path) -> Receipt:
    with _faults("list"), path.open("rb") as file:
        raw = file.read(MANIFEST_BYTES)
    try:
        document = json.loads(raw)
    except ValueError as error:
        raise Malformed("a manifest cannot be read", code="vault:manifest") from error
    if not isinstance(document, dict):
        raise Malformed("a manifest is not an object", code="vault:manifest")
    return Receipt.from_json(document)


def _make_folder(path: Path) -> None:
    path.mkdir(mode=FOLDER_MODE, exist_ok=True)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    """Make names last: fsync(2) of a file does not write its directory's entry."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One publisher per case at a time, over all processes; a killed one lets go."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _faults(operation: str) -> Iterator[None]:
    """Turn what the file system answers into faults; paths stay out of the text (Law 10)."""
    try:
        yield
    except FileNotFoundError as error:
        raise Missing(f"{operation}: no such object", code="vault:ENOENT") from error
    except OSError as error:
        code = f"vault:{errno.errorcode.get(error.errno or 0, 'EIO')}"
        raise _fault(error)(f"{operation}: the vault's file system said no", code=code) from error


def _fault(error: OSError) -> type[Fault]:
    if error.errno in _FULL:
        return OutOfSpace
    return Unauthorised if error.errno in _DENIED else Transient
