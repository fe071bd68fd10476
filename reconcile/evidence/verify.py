"""The check of a bundle: eight obligations, in order, each marked where it is checked.

Called by ``deprovisioner evidence verify`` and by the acceptance tests; `standalone` checks the
same for people without this program. It opens no database, reads no settings and believes nothing
in the bundle.

Obligations (`errors.OBLIGATIONS` words them for people):

1. The bundle is a plain zip: entries stored uncompressed, sizes and number bounded, every name
used once.
2. The files are exactly those of the manifest, with the hashes it gives, under the names of the
layout.
3. The checkpoint is signed by the trusted key, and its origin is that key's name.
4. Records are numbered 1 to n without a gap, canonical, and their commitments recompute; an erased
person
   part (null, with its salt) leaves its commitment behind.
5. The records form one chain of the case the manifest names: seq, prev and case agree.
6. The last record, and only it, closes the chain and counts the records.
7. Every record has a proof that carries this checkpoint verbatim, at an index above its
predecessor's.
8. Every inclusion proof leads from the record's entry to the root in the checkpoint.

Without a key given, the key inside the bundle is used, and the answer says ``trusted=False``: that
proves only that the bundle agrees with itself.
"""

import re
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from reconcile.evidence.bundle import (
    EXTRAS,
    FORMAT,
    LARGEST_BUNDLE,
    MANIFEST,
    MOST_RECORDS,
    proof_name,
    record_name,
)
from reconcile.evidence.chain import ChainTip, check_end, follow
from reconcile.evidence.checkpoint import Checkpoint, open_checkpoint
from reconcile.evidence.encoding import parse_canonical
from reconcile.evidence.errors import NotVerified, Unreadable
from reconcile.evidence.keys import VerifierKey
from reconcile.evidence.proof import TlogProof
from reconcile.evidence.record import Record
from reconcile.evidence.tree import leaf_hash, verify_inclusion

# All that the standard library raises on a hostile or damaged archive.
_BROKEN_ZIP: Final = (
    OSError,
    EOFError,
    zipfile.BadZipFile,
    NotImplementedError,
    OverflowError,
    ValueError,
    struct.error,
)
_VKEY_LINE: Final = re.compile(r"([^\n]{1,500})\n")


@dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """What a bundle proves. ``erased`` counts records whose person part is gone; ``trusted`` is
    False when the key came from the bundle itself.
    """

    case: str
    closed: bool
    records: tuple[Record, ...]
    erased: int
    checkpoint: Checkpoint
    key: VerifierKey
    trusted: bool


@dataclass(frozen=True, slots=True)
class _Manifest:
    case: str
    closed: bool
    records: int


def verify_bundle(
    path: Path, key: VerifierKey | None = None, *, may_be_open: bool = False
) -> VerifiedBundle:
    """Check every obligation; `NotVerified` names the first broken one, `Unreadable` when there is
    no zip.

    ``may_be_open`` also accepts a chain that is still growing: then the last records may be
    missing.
    """
    contents = _read(path)
    with _obligation(2, MANIFEST):
        manifest = _check_files(contents)
    with _obligation(3, "checkpoint"):
        trusted = key or _key_inside(contents["vkey"])
        checkpoint = open_checkpoint(contents["checkpoint"], trusted)
    records = _check_chain(contents, manifest)
    with _obligation(6, record_name(manifest.records)):
        closed = check_end(records, may_be_open=may_be_open)
        if closed != manifest.closed:
            raise NotVerified("the manifest and the chain disagree on whether the case is closed")
    _check_proofs(contents, records, checkpoint)
    erased = sum(record.erased for record in records)
    return VerifiedBundle(
        manifest.case, closed, records, erased, checkpoint, trusted, trusted=key is not None
    )


def _read(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            with _obligation(1, path.name):
                _check_shape(entries, path.stat().st_size)  # Obligation 1
            return {entry.filename: archive.read(entry) for entry in entries}
    except _BROKEN_ZIP as error:
        raise Unreadable(
            "the file is missing, not readable or no zip", subject=path.name
        ) from error


def _check_shape(entries: list[zipfile.ZipInfo], size: int) -> None:
    if len(entries) > 2 * MOST_RECORDS + len(EXTRAS) + 1:
        raise NotVerified("the zip holds too many files")
    if len({entry.filename for entry in entries}) != len(entries):
        raise NotVerified("a name is used twice in the zip")
    if sum(entry.file_size for entry in entries) > min(size, LARGEST_BUNDLE):
        raise NotVerified("the files in the zip are too large, or lie on top of each other")
    for entry in entries:
        stored = entry.compress_type == zipfile.ZIP_STORED and not entry.flag_bits & 1
        if not stored or entry.file_size != entry.compress_size:
            raise NotVerified(
                "a file in the zip is compressed or encrypted", subject=entry.filename
            )


def _check_files(contents: dict[str, bytes]) -> _Manifest:
    manifest = parse_canonical(contents.get(MANIFEST, b""))
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise NotVerified(f"the manifest is not of the form {FORMAT}")
    case, closed, count = manifest.get("case"), manifest.get("closed"), manifest.get("records")
    if not isinstance(case, str) or not isinstance(closed, bool):
        raise NotVerified("the manifest names no case or no state")
    if type(count) is not int or not 0 < count <= MOST_RECORDS:
        raise NotVerified("the manifest counts no records or too many")
    hashes = {name: sha256(data).hexdigest() for name, data in contents.items() if name != MANIFEST}
    if manifest.get("files") != hashes:
        raise NotVerified("the files are not those of the manifest")  # Obligation 2
    expected = {*EXTRAS}
    for seq in range(1, count + 1):
        expected |= {record_name(seq), proof_name(seq)}
    if hashes.keys() != expected:
        raise NotVerified("a record, a proof or another file of the layout is missing or too many")
    return _Manifest(case, closed, count)


def _key_inside(raw: bytes) -> VerifierKey:
    line = _VKEY_LINE.fullmatch(raw.decode("utf-8", "replace"))
    if line is None:
        raise NotVerified("the key in the bundle is no single line")
    return VerifierKey.parse(line[1])


def _check_chain(contents: dict[str, bytes], manifest: _Manifest) -> tuple[Record, ...]:
    records: list[Record] = []
    tip = ChainTip()
    for seq in range(1, manifest.records + 1):
        name = record_name(seq)
        with _obligation(4, name):
            record = Record.decode(contents[name])  # Obligation 4
        with _obligation(5, name):
            tip = follow(manifest.case, tip, record)  # Obligation 5
        records.append(record)
    return tuple(records)


def _check_proofs(
    contents: dict[str, bytes], records: tuple[Record, ...], checkpoint: Checkpoint
) -> None:
    previous = -1
    for seq, record in enumerate(records, 1):
        name = proof_name(seq)
        with _obligation(7, name):
            proof = TlogProof.decode(contents[name])
            if proof.checkpoint != contents["checkpoint"]:
                raise NotVerified("the proof is for another checkpoint")
            if proof.index <= previous:
                raise NotVerified("the record stands in the log before its predecessor")
            previous = proof.index
        with _obligation(8, name):
            leaf = leaf_hash(record.entry)
            verify_inclusion(proof.index, checkpoint.size, leaf, proof.path, checkpoint.root)


@contextmanager
def _obligation(number: int, subject: str) -> Iterator[None]:
    """Place every failure inside at this obligation."""
    try:
        yield
    except NotVerified as error:
        raise error.about(number, subject) from error
