"""A case packed into one zip that can be checked without us, years later, without a network.

Called by `reconcile.store.evidence_log`; read back by `verify` and by the ``verify.py`` inside.
The same case and checkpoint always give the same bytes: entries are stored uncompressed, in order,
with one fixed time.

::

    manifest.json               format, case, number of records, closed, SHA-256 of every other
    file checkpoint                  the signed tree head that all proofs lead to vkey
    the log's key, for information: trust the one you got by another road records/000001.json
    the records in order proofs/000001.tlog-proof    and the proof of each verify.py, README.txt
    for people without this program
"""

import os
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Final

from reconcile.evidence.encoding import Json, canonical
from reconcile.evidence.errors import UnfitValue
from reconcile.evidence.keys import VerifierKey
from reconcile.evidence.proof import TlogProof
from reconcile.evidence.record import Record

FORMAT: Final = "deprov-bundle/v1"
MOST_RECORDS: Final = 100_000
LARGEST_BUNDLE: Final = 512_000_000
MANIFEST: Final = "manifest.json"
EXTRAS: Final = ("README.txt", "checkpoint", "verify.py", "vkey")
_DAWN_OF_ZIP: Final = (1980, 1, 1, 0, 0, 0)

README: Final = """\
Evidence of one case
====================

Case     {case}
Records  {records} ({state})
Log      {origin}

This file set proves that the records in records/ were written in this order, that none was changed,
{counted} and that all of them stand in the log whose signed state is in
"checkpoint". Nothing but Python 3.8 or newer is needed to check it, and no network:

    python3 verify.py BUNDLE.zip --key 'NAME+ID+KEY'

Take the key from the audit contract or from the printed fingerprint, not from the file "vkey" in
here: whoever forges a bundle also forges the key inside it. Take verify.py from the published
release for the same reason, or read it: it is one short file.

Exit codes: 0 verified, 1 not verified, 2 could not read.

What this does not prove: that the operator, who holds the log's key, never kept a second,
different log. Only a copy of the checkpoints outside the operator's power (a witness, write-once
storage, a time stamp, your own archive of earlier checkpoints) shows that. A record whose "person"
is null was erased by law; its place, its time and its outcome are still proven.
"""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A record with its proof."""

    record: Record
    proof: TlogProof


@dataclass(frozen=True, slots=True)
class Bundle:
    """All that goes into the zip. Every proof must carry ``checkpoint`` verbatim."""

    case: str
    closed: bool
    exhibits: tuple[Exhibit, ...]
    checkpoint: bytes
    key: VerifierKey


def record_name(seq: int) -> str:
    """``records/000001.json`` for 1."""
    return f"records/{seq:06d}.json"


def proof_name(seq: int) -> str:
    """``proofs/000001.tlog-proof`` for 1."""
    return f"proofs/{seq:06d}.tlog-proof"


def write_bundle(path: Path, bundle: Bundle) -> None:
    """Write the zip, readable by its owner only; ``path`` is the whole bundle or stays as was."""
    if not 0 < len(bundle.exhibits) <= MOST_RECORDS:
        raise UnfitValue(f"a bundle holds 1 to {MOST_RECORDS} records")
    contents = dict(_contents(bundle))
    contents[MANIFEST] = _manifest(bundle, contents)
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    # Law 10: the person parts are in the clear in here, so nobody else may read the file.
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(contents):
                archive.writestr(_entry(name), contents[name])
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def _contents(bundle: Bundle) -> Iterator[tuple[str, bytes]]:
    yield "README.txt", _readme(bundle)
    yield "checkpoint", bundle.checkpoint
    yield "verify.py", files("reconcile.evidence").joinpath("standalone.py").read_bytes()
    yield "vkey", f"{bundle.key}\n".encode()
    for seq, exhibit in enumerate(bundle.exhibits, 1):
        yield record_name(seq), exhibit.record.encode()
        yield proof_name(seq), exhibit.proof.encode()


def _manifest(bundle: Bundle, contents: Mapping[str, bytes]) -> bytes:
    hashes: dict[str, Json] = {name: sha256(data).hexdigest() for name, data in contents.items()}
    return canonical(
        {
            "format": FORMAT,
            "case": bundle.case,
            "closed": bundle.closed,
            "records": len(bundle.exhibits),
            "files": hashes,
        }
    )


def _readme(bundle: Bundle) -> bytes:
    counted = (
        "that none is missing (the closing record counts them),"
        if bundle.closed
        else ("that none is missing BEFORE THE LAST ONE (the case was open),")
    )
    text = README.format(
        case=bundle.case,
        records=len(bundle.exhibits),
        state="closed" if bundle.closed else "still open",
        origin=bundle.key.name,
        counted=counted,
    )
    return text.encode()


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _DAWN_OF_ZIP)
    info.create_system = 3  # the same on every operating system
    info.external_attr = 0o100644 << 16
    return info
