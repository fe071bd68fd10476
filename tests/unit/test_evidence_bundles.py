"""Bundles: both verifiers accept what we write, and both refuse every way of changing it.

Every tampering repairs what a clever forger would repair: the manifest is always made to fit again.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.evidence import standalone, verify
from reconcile.evidence.bundle import write_bundle
from reconcile.evidence.chain import CLOSING
from reconcile.evidence.encoding import canonical
from reconcile.evidence.errors import OBLIGATIONS, NotVerified, UnfitValue, Unreadable
from reconcile.evidence.keys import SigningKey, VerifierKey
from reconcile.evidence.record import Record
from reconcile.evidence.verify import verify_bundle
from tests.support.evidence import CASE, KEY, SmallLog, chain, erase, logged, written

Files = dict[str, bytes]
OTHER = SigningKey("log.example.com/evidence", bytes(32))


def read(path: Path) -> Files:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def manifest_of(files: Files, **changes: object) -> bytes:
    """The manifest made to fit the files again."""
    manifest = json.loads(files["manifest.json"])
    manifest["files"] = {
        name: sha256(data).hexdigest() for name, data in files.items() if name != "manifest.json"
    }
    manifest.update(changes)
    return canonical(manifest)


def write(path: Path, files: Files, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def room(path: Path, key: VerifierKey | None = KEY.verifier) -> int:
    """Exit code that the room's verdict stands for."""
    try:
        verify_bundle(path, key)
    except NotVerified:
        return 1
    except Unreadable:
        return 2
    return 0


def alone(path: Path, key: VerifierKey | None = KEY.verifier) -> int:
    """Exit code of the standalone verifier."""
    return standalone.main([str(path), *(["--key", str(key)] if key else [])])


def both(path: Path, key: VerifierKey | None = KEY.verifier) -> int:
    """The one verdict of both."""
    verdict = room(path, key)
    assert alone(path, key) == verdict
    return verdict


def test_a_bundle_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both verifiers accept the bundle of a closed case and say what they saw."""
    path = written(tmp_path / "case.zip")
    proven = verify_bundle(path, KEY.verifier)
    assert (proven.case, proven.closed, len(proven.records), proven.erased) == (CASE, True, 4, 0)
    assert proven.trusted
    assert alone(path) == 0
    assert "VERIFIED" in capsys.readouterr().out


def test_the_same_case_gives_the_same_bytes(tmp_path: Path) -> None:
    """A bundle written twice is one file, private, and leaves no partial file behind."""
    first, second = written(tmp_path / "a.zip"), written(tmp_path / "b.zip")
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "b.zip"]


def test_without_a_key_only_consistency_is_claimed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A forger's bundle under his own key agrees with itself; both say that this is all."""
    forged = tmp_path / "forged.zip"
    write_bundle(forged, logged(chain(), SmallLog(OTHER)))
    assert not verify_bundle(forged).trusted
    assert alone(forged, None) == 1
    assert "only" in capsys.readouterr().out.lower()
    assert both(forged) == 1


def test_erased_records_still_verify(tmp_path: Path) -> None:
    """Person and salt gone from some or all records: chain, count and proofs hold."""
    records = chain()
    for erased in ([0, 2], [0, 1, 2, 3]):
        shown = [erase(r) if i in erased else r for i, r in enumerate(records)]
        path = written(tmp_path / "case.zip", shown)
        assert both(path) == 0
        assert verify_bundle(path, KEY.verifier).erased == len(erased)
        if len(erased) == 4:
            assert b"li.wei" not in path.read_bytes()


def test_an_open_case_verifies_only_as_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a closing record the last records may be missing: refused unless asked for."""
    path = written(tmp_path / "open.zip", chain(["case.opened", "account.contained"]))
    assert both(path) == 1
    assert not verify_bundle(path, KEY.verifier, may_be_open=True).closed
    assert standalone.main([str(path), "--key", str(KEY.verifier), "--open"]) == 0
    assert "STILL OPEN" in capsys.readouterr().out


def edit(name: str, old: bytes, new: bytes) -> Callable[[Files], None]:
    def tamper(files: Files) -> None:
        assert old in files[name]
        files[name] = files[name].replace(old, new)

    return tamper


def remove(name: str) -> Callable[[Files], None]:
    def tamper(files: Files) -> None:
        del files[name]

    return tamper


def drop(seq: int) -> Callable[[Files], None]:
    """Take a record and its proof out, renumbering the files after it."""

    def tamper(files: Files) -> None:
        count = sum(name.startswith("records/") for name in files)
        for place in range(seq, count):
            for kind in ("records/%06d.json", "proofs/%06d.tlog-proof"):
                files[kind % place] = files[kind % (place + 1)]
        del files[f"records/{count:06d}.json"], files[f"proofs/{count:06d}.tlog-proof"]
        files["manifest.json"] = manifest_of(files, records=count - 1)

    return tamper


def drop_last(files: Files) -> None:
    """Cut the end off and call the case open."""
    drop(4)(files)
    files["manifest.json"] = manifest_of(files, closed=False)


def swap(first: str, second: str) -> Callable[[Files], None]:
    def tamper(files: Files) -> None:
        files[first], files[second] = files[second], files[first]

    return tamper


def foreign_record(files: Files) -> None:
    """Put in a record of another case that stands in the same log."""
    other = logged(chain(case="case-2026-0043"), case="case-2026-0043")
    files["records/000002.json"] = other.exhibits[1].record.encode()


def foreign_bundle(files: Files) -> None:
    """Rename a whole other case's evidence to this case."""
    other = logged(chain(case="case-2026-0043"), case="case-2026-0043")
    files["checkpoint"] = other.checkpoint
    for seq, exhibit in enumerate(other.exhibits, 1):
        files[f"records/{seq:06d}.json"] = exhibit.record.encode()
        files[f"proofs/{seq:06d}.tlog-proof"] = exhibit.proof.encode()


def not_last(files: Files) -> None:
    """A case that goes on after it was closed."""
    _replace_all(files, chain(["case.opened", CLOSING, "account.contained"]))


def closed_twice(files: Files) -> None:
    _replace_all(files, chain(["case.opened", CLOSING, CLOSING]))


def _replace_all(files: Files, records: list[Record]) -> None:
    for name in [name for name in files if "/" in name]:
        del files[name]
    bundle = logged(records)
    files["checkpoint"] = bundle.checkpoint
    for seq, exhibit in enumerate(bundle.exhibits, 1):
        files[f"records/{seq:06d}.json"] = exhibit.record.encode()
        files[f"proofs/{seq:06d}.tlog-proof"] = exhibit.proof.encode()
    files["manifest.json"] = manifest_of(files, records=len(records))


def other_checkpoint_in_one_proof(files: Files) -> None:
    """One proof under another signed head of the same log."""
    log = SmallLog()
    log.extend([bytes(32)])
    head, _, _ = files["proofs/000002.tlog-proof"].partition(b"\n\n")
    files["proofs/000002.tlog-proof"] = head + b"\n\n" + log.checkpoint()


def signed_by_another_key(files: Files) -> None:
    """All rebuilt under a key of the same name."""
    bundle = logged(chain(), SmallLog(OTHER))
    files["checkpoint"] = bundle.checkpoint
    files["vkey"] = f"{OTHER.verifier}\n".encode()
    for seq, exhibit in enumerate(bundle.exhibits, 1):
        files[f"proofs/{seq:06d}.tlog-proof"] = exhibit.proof.encode()


def loose_base64(files: Files) -> None:
    """Loose trailing bits in a hash of a proof: the same bytes in another spelling."""
    name = "proofs/000001.tlog-proof"
    head, blank, rest = files[name].partition(b"\n\n")
    lines = head.split(b"\n")
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    lines[2] = lines[2][:-2] + bytes([alphabet[alphabet.index(lines[2][-2]) ^ 1]]) + b"="
    files[name] = b"\n".join(lines) + blank + rest


R2, R4, P2 = "records/000002.json", "records/000004.json", "proofs/000002.tlog-proof"
TAMPERINGS: dict[str, tuple[int, Callable[[Files], None]]] = {
    "edited last outcome": (8, edit(R4, b'"outcome":"done"', b'"outcome":"none"')),
    "edited outcome": (5, edit(R2, b'"outcome":"done"', b'"outcome":"none"')),
    "edited time": (5, edit(R2, b"22:00:01", b"21:00:01")),
    "edited person": (4, edit(R2, b"uid=li.wei", b"uid=li.wai")),
    "edited commitment": (4, edit(R2, b'"person_commit":"', b'"person_commit":"0')),
    "record reformatted": (4, edit(R2, b'{"control"', b'{ "control"')),
    "record half erased": (4, edit(R2, b'"person_salt":"', b'"person_salt":null,"salt":"')),
    "dropped first record": (5, drop(1)),
    "dropped middle record": (5, drop(2)),
    "dropped last record": (6, drop(4)),
    "dropped last record, called open": (6, drop_last),
    "swapped records": (5, swap(R2, "records/000003.json")),
    "swapped proofs": (8, swap(P2, "proofs/000003.tlog-proof")),
    "record of another case": (5, foreign_record),
    "another case's evidence": (5, foreign_bundle),
    "closing record not last": (6, not_last),
    "two closing records": (6, closed_twice),
    "closing record counts less": (5, edit(R4, b'"seq":4', b'"seq":3')),
    "checkpoint size edited": (3, edit("checkpoint", b"\n385\n", b"\n386\n")),
    "checkpoint without signature": (3, lambda f: f.update(checkpoint=f["checkpoint"][:90])),
    "checkpoint empty": (3, lambda f: f.update(checkpoint=b"")),
    "signed by another key": (3, signed_by_another_key),
    "proof of another checkpoint": (7, other_checkpoint_in_one_proof),
    "proof index edited": (8, edit(P2, b"index 302", b"index 303")),
    "proof index beyond the log": (8, edit(P2, b"index 302", b"index 999")),
    "proof index before its predecessor's": (7, edit(P2, b"index 302", b"index 300")),
    "proof with loose base64": (7, loose_base64),
    "proof not ASCII": (7, edit(P2, b"index", "índex".encode())),
    "proof empty": (7, lambda f: f.update({P2: b""})),
    "file not in the layout": (2, lambda f: f.update({"records/000005.json": b"{}"})),
    "file of any name": (2, lambda f: f.update({"../evil": b""})),
    "proof missing": (2, remove(P2)),
    "key missing": (2, remove("vkey")),
    "manifest of another form": (2, lambda f: f.update({"manifest.json": b"[]"})),
    "manifest of another case": (
        5,
        lambda f: f.update({"manifest.json": manifest_of(f, case="case-9")}),
    ),
    "manifest counts True": (
        2,
        lambda f: f.update({"manifest.json": manifest_of(f, records=True)}),
    ),
    "manifest counts too many": (
        2,
        lambda f: f.update({"manifest.json": manifest_of(f, records=10**9)}),
    ),
    "manifest says open": (
        6,
        lambda f: f.update({"manifest.json": manifest_of(f, closed=False)}),
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_both_verifiers_refuse_a_tampered_bundle(name: str, tmp_path: Path) -> None:
    """Each tampering breaks the obligation it should break, although the manifest fits again."""
    obligation, tamper = TAMPERINGS[name]
    files = read(written(tmp_path / "good.zip"))
    tamper(files)
    if not name.startswith("manifest"):
        files["manifest.json"] = manifest_of(files)
    path = write(tmp_path / "bad.zip", files)
    assert both(path) == 1
    with pytest.raises(NotVerified) as caught:
        verify_bundle(path, KEY.verifier)
    assert caught.value.obligation == obligation
    assert OBLIGATIONS[obligation] in caught.value.diagnostics()


@pytest.mark.parametrize("name", ["README.txt", "verify.py", "vkey", R2, P2, "checkpoint"])
def test_a_file_changed_under_its_manifest_is_refused(name: str, tmp_path: Path) -> None:
    """A manifest that does not fit is found, whatever the file."""
    files = read(written(tmp_path / "good.zip"))
    files[name] += b" "
    assert both(write(tmp_path / "bad.zip", files)) == 1


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_used_twice_is_refused(tmp_path: Path) -> None:
    """Of two files of one name every reader shows another."""
    path = written(tmp_path / "case.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(R2, archive.read(R2))
    assert both(path) == 1


def test_a_compressed_bundle_and_a_bomb_are_refused(tmp_path: Path) -> None:
    """Stored entries only: nothing can grow when it is read."""
    files = read(written(tmp_path / "case.zip"))
    assert both(write(tmp_path / "deflated.zip", files, zipfile.ZIP_DEFLATED)) == 1
    bomb = write(tmp_path / "bomb.zip", {"manifest.json": bytes(50_000_000)}, zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 100_000
    assert both(bomb) == 1


def test_entries_lying_on_top_of_each_other_are_refused(tmp_path: Path) -> None:
    """Sizes that add up to more than the file has: a bomb without compression."""
    big = bytes(100_000)
    path = write(tmp_path / "overlap.zip", {"aaaaa": big, "aaaab": b""})
    raw = bytearray(path.read_bytes())
    second = raw.rindex(b"PK\x01\x02")
    raw[second + 16 : second + 28] = zlib.crc32(big).to_bytes(4, "little") + 2 * len(big).to_bytes(
        4, "little"
    )
    path.write_bytes(raw)
    assert both(path) == 1


@pytest.mark.parametrize("raw", [b"", b"no zip", b"PK\x05\x06", None])
def test_what_is_no_zip_could_not_be_read(raw: bytes | None, tmp_path: Path) -> None:
    """Missing, empty and other files are exit code 2: nothing was checked."""
    path = tmp_path / "case.zip"
    if raw is not None:
        path.write_bytes(raw)
    assert both(path) == 2


def test_both_kinds_of_failure_explain_themselves(tmp_path: Path) -> None:
    """People read what was broken and where, or that nothing was checked at all."""
    with pytest.raises(Unreadable) as unread:
        verify_bundle(tmp_path / "missing.zip", KEY.verifier)
    assert "missing.zip" in unread.value.diagnostics()
    assert "Nothing was checked" in unread.value.diagnostics()
    path = written(tmp_path / "case.zip", chain(["case.opened"]))
    with pytest.raises(NotVerified) as refused:
        verify_bundle(path, KEY.verifier)
    assert "records/000001.json" in refused.value.diagnostics()
    assert "obligation 6" in refused.value.diagnostics()


def test_the_obligations_are_numbered_alike_everywhere() -> None:
    """Code, error texts and the auditors' page count the same eight obligations."""
    assert list(OBLIGATIONS) == list(range(1, 9))
    page = (Path(__file__).parents[2] / "docs" / "evidence.md").read_text("utf-8")
    told = " ".join(page.split()).lower()
    for number, words in OBLIGATIONS.items():
        assert f"{number}. {words}" in told
        assert f"\n{number}. " in (verify.__doc__ or "")


def test_a_folder_could_not_be_read(tmp_path: Path) -> None:
    """A directory is no bundle."""
    assert both(tmp_path) == 2


@given(data=st.data())
def test_a_flipped_byte_never_verifies(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever byte of a record, a proof or the checkpoint changes: refused or unreadable, no
    crash.
    """
    folder = tmp_path_factory.mktemp("flip")
    files = read(written(folder / "good.zip"))
    name = data.draw(st.sampled_from(sorted(n for n in files if "/" in n or n == "checkpoint")))
    at = data.draw(st.integers(0, len(files[name]) - 1))
    flipped = files[name][at] ^ data.draw(st.integers(1, 255))
    files[name] = files[name][:at] + bytes([flipped]) + files[name][at + 1 :]
    files["manifest.json"] = manifest_of(files)
    assert both(write(folder / "bad.zip", files)) == 1


@given(data=st.data())
def test_a_damaged_zip_never_verifies_nor_crashes(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Random damage to the zip's own structure: both verifiers come to a verdict, and never to 0
    unless every file survived.
    """
    folder = tmp_path_factory.mktemp("damage")
    path = written(folder / "case.zip")
    good = read(path)
    raw = bytearray(path.read_bytes())
    start = raw.index(b"PK\x01\x02")
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(start, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    verdict = both(path)
    if verdict == 0:
        assert read(path) == good


def test_a_bundle_has_a_record_at_least(tmp_path: Path) -> None:
    """An empty bundle proves nothing and is not written."""
    bundle = logged(chain())
    with pytest.raises(UnfitValue):
        write_bundle(
            tmp_path / "a.zip",
            type(bundle)(CASE, False, (), bundle.checkpoint, bundle.key),
        )


def old_pythons() -> list[str]:
    """Interpreters older than ours that really start."""
    found = []
    for version in ("3.8", "3.9", "3.10"):
        program = shutil.which(f"python{version}")
        if (
            program
            and subprocess.run([program, "-c", ""], check=False, capture_output=True).returncode
            == 0
        ):
            found.append(program)
    return found


@pytest.mark.parametrize("python", [sys.executable, *old_pythons()])
def test_the_verifier_in_the_bundle_needs_only_python(python: str, tmp_path: Path) -> None:
    """Unpacked from the bundle and run alone, isolated from all packages: verified, refused,
    unreadable.
    """
    path = written(tmp_path / "case.zip")
    script = tmp_path / "verify.py"
    script.write_bytes(read(path)["verify.py"])
    files = read(path)
    edit(R2, b"done", b"none")(files)
    files["manifest.json"] = manifest_of(files)
    bad = write(tmp_path / "bad.zip", files)

    def run(target: Path) -> int:
        command = [python, "-I", "-S", str(script), str(target), "--key", str(KEY.verifier)]
        environment = {"PATH": os.defpath, "LC_ALL": "C"}
        return subprocess.run(command, check=False, env=environment, timeout=60).returncode

    assert (run(path), run(bad), run(tmp_path / "missing.zip")) == (0, 1, 2)


def test_the_verifier_is_written_for_old_pythons() -> None:
    """Its grammar is that of Python 3.8 and it imports the standard library only."""
    tree = ast.parse(Path(standalone.__file__).read_text("utf-8"), feature_version=(3, 8))
    imported = {
        name.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    assert imported <= {*sys.stdlib_module_names}


def test_names_cannot_play_tricks_on_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Escape codes in a case name are printed as text."""
    case = "\x1b[2Jcase"
    path = tmp_path / "case.zip"
    write_bundle(path, logged(chain(case=case), case=case))
    assert alone(path) == 0
    assert "\x1b" not in capsys.readouterr().out
