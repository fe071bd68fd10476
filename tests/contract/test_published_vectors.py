"""Published test vectors, byte for byte: what others agreed on is what our room computes.

The vectors are not part of this repository. They lie beside it, in ``shared/facts/vectors`` (or
where the environment variable DEPROVISIONER_SHARED says), with their origins and licences.
"""

import base64
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from reconcile.evidence import standalone
from reconcile.evidence.audit import audit_folder
from reconcile.evidence.checkpoint import open_checkpoint
from reconcile.evidence.encoding import canonical
from reconcile.evidence.errors import NotVerified, UnfitValue
from reconcile.evidence.keys import VerifierKey
from reconcile.evidence.note import open_note
from reconcile.evidence.tiles import (
    RightEdge,
    decode_entries,
    encode_entries,
    entries_path,
    tile_path,
)
from reconcile.evidence.tree import leaf_hash, verify_consistency, verify_inclusion

REPOSITORY = Path(__file__).parents[2]
SHARED = Path(os.environ.get("DEPROVISIONER_SHARED", REPOSITORY.parent / "shared"))
VECTORS = SHARED / "facts" / "vectors"

pytestmark = pytest.mark.skipif(
    not VECTORS.is_dir(), reason="no published vectors: set DEPROVISIONER_SHARED to their folder"
)


def merkle(kind: str) -> list[tuple[str, dict[str, Any]]]:
    files = sorted((VECTORS / "merkle" / kind).rglob("*.json"))
    return [(str(f.relative_to(VECTORS)), json.loads(f.read_text("utf-8"))) for f in files]


def octets(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def refuses(check: Any, *arguments: Any) -> bool:
    try:
        check(*arguments)
    except NotVerified:
        return True
    return False


def test_inclusion_vectors() -> None:
    """All 98 inclusion proofs of transparency-dev/merkle, right and wrong."""
    vectors = merkle("inclusion")
    assert len(vectors) == 98
    assert {vector["wantErr"] for _, vector in vectors} == {True, False}
    for name, v in vectors:
        proof = [octets(part) for part in v["proof"] or ()]
        arguments = (v["leafIdx"], v["treeSize"], octets(v["leafHash"]), proof, octets(v["root"]))
        assert refuses(verify_inclusion, *arguments) is v["wantErr"], name


def test_consistency_vectors() -> None:
    """All 98 consistency proofs of transparency-dev/merkle, right and wrong."""
    vectors = merkle("consistency")
    assert len(vectors) == 98
    assert {vector["wantErr"] for _, vector in vectors} == {True, False}
    for name, v in vectors:
        proof = [octets(part) for part in v["proof"] or ()]
        roots = octets(v["root1"]), octets(v["root2"])
        arguments = (v["size1"], v["size2"], *roots, proof)
        assert refuses(verify_consistency, *arguments) is v["wantErr"], name


GOLDEN_KEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
GOLDEN_ENTRIES = (
    b"one two three four five six seven eit nain ten ileven twelf threeten fourten fivten"
).split()


def test_the_golden_log() -> None:
    """Tessera's golden log: checkpoints verify, roots, tiles and bundles are byte-identical."""
    log = VECTORS / "tessera" / "log"
    key = VerifierKey.parse(GOLDEN_KEY)
    for size in range(len(GOLDEN_ENTRIES) + 1):
        entries = GOLDEN_ENTRIES[:size]
        edge = RightEdge()
        tiles = edge.append(map(leaf_hash, entries))
        raw = (log / f"checkpoint.{size}").read_bytes()
        checkpoint = open_checkpoint(raw, key)
        assert (checkpoint.size, checkpoint.root) == (size, edge.root())
        assert standalone.open_checkpoint(raw, GOLDEN_KEY) == (key.name, size, edge.root())
        if size:
            bundle = (log / entries_path(0, size)).read_bytes()
            assert bundle == encode_entries(entries)
            assert decode_entries(bundle) == entries
            assert (log / tile_path(0, 0, size)).read_bytes() == tiles[0, 0]


def test_the_golden_log_is_audited() -> None:
    """The folder that another implementation wrote passes our full audit."""
    assert audit_folder(VECTORS / "tessera" / "log", VerifierKey.parse(GOLDEN_KEY)).size == 15


def test_the_example_of_the_signed_note() -> None:
    """The note in c2sp.org/signed-note opens under the key printed there."""
    page = (VECTORS / "c2sp" / "signed-note.md").read_text("utf-8")
    (vkey,) = re.findall(r"^    (example\.com/foo\+\S+)$", page, re.MULTILINE)
    (note,) = re.findall(r"```\n(This is an example message\..*?)```", page, re.DOTALL)
    key = VerifierKey.parse(vkey)
    assert str(key) == vkey
    assert open_note(note.encode(), key) == "This is an example message.\n"
    with pytest.raises(NotVerified):
        open_note(note.replace("example message", "Example message").encode(), key)


def test_jcs_vectors() -> None:
    """Within what evidence may hold, our form is the vector's output; the rest is refused."""
    fit = set()
    for source in sorted((VECTORS / "jcs" / "input").glob("*.json")):
        value = json.loads(source.read_text("utf-8"))
        output = (VECTORS / "jcs" / "output" / source.name).read_bytes()
        outhex = (VECTORS / "jcs" / "outhex" / f"{source.stem}.txt").read_text("ascii")
        assert bytes.fromhex(outhex) == output
        assert rfc8785.dumps(value) == output, source.name
        try:
            form = canonical(value)
        except UnfitValue:
            continue
        assert form == output, source.name
        fit.add(source.stem)
    assert fit == {"arrays", "unicode"}  # the others hold floats or keys beyond ASCII


# A key of low order lets one signature verify anything, RFC 8032 demands canonical points, and the
# equation without the cofactor is the common one: whoever trips over any of these is refused.
REFUSED = {"low_order_A", "non_canonical_A", "non_canonical_R", "low_order_residue"}


def test_ed25519_edge_cases() -> None:
    """All 914 cases of C2SP/CCTV: both verifiers decide alike, by flags; the count is pinned."""
    vectors = json.loads((VECTORS / "ed25519" / "ed25519vectors.json").read_text("utf-8"))
    assert len(vectors) == 914
    accepted = 0
    for v in vectors:
        public, signature = bytes.fromhex(v["key"]), bytes.fromhex(v["sig"])
        message, flags = v["msg"].encode(), set(v["flags"] or ())
        wanted = not flags & REFUSED
        assert standalone.ed25519_verify(public, message, signature) is wanted, v["number"]
        assert refuses(room_verify, public, message, signature) is not wanted, v["number"]
        accepted += wanted
    assert accepted == 86


def room_verify(public: bytes, message: bytes, signature: bytes) -> None:
    VerifierKey("name", public).verify(message, signature)
