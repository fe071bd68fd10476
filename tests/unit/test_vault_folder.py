"""The vault of one directory: stored, read back, never overwritten, never half visible."""

import json
import os
import resource
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connectors.faults import Malformed, Missing, Refused, Transient, Unauthorised
from connectors.secret import Secret
from connectors.vaults.contract import Damaged, OutOfSpace, Receipt, WrongIdentity
from connectors.vaults.folder import FolderSettings, FolderVault, open_vault
from tests.support.waiting import wait_until

NOW = datetime(2026, 12, 18, 10, 0, tzinfo=UTC)
LETTER = b"dear successor, the keys are in the drawer\n" * 40_000  # larger than one age chunk


@pytest.fixture(name="identity")
def identity_fixture() -> pyrage.x25519.Identity:
    """Make the key pair of one case."""
    return pyrage.x25519.Identity.generate()


@pytest.fixture(name="vault")
def vault_fixture(tmp_path: Path) -> FolderVault:
    """Make a vault below a folder that is not there yet."""
    escrow = str(pyrage.x25519.Identity.generate().to_public())
    settings = FolderSettings(path=tmp_path / "vault", escrow=(escrow,))
    return open_vault(settings, lambda: NOW)


def secret(identity: pyrage.x25519.Identity) -> Secret:
    """Hand over an identity as the escrow holder would."""
    return Secret.held(lambda: str(identity), "case identity")


def stored(vault: FolderVault, identity: pyrage.x25519.Identity, name: str = "home.tar") -> Receipt:
    """Store the letter in two uneven chunks."""
    chunks = [LETTER[:17], LETTER[17:]]
    return vault.put("case-1", name, chunks, str(identity.to_public()))


def files(vault: FolderVault) -> list[str]:
    """All files of the vault, hidden ones too."""
    root = vault._root
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_what_was_stored_comes_back(vault: FolderVault, identity: pyrage.x25519.Identity) -> None:
    """An object reads back byte for byte and its receipt measures both sides."""
    receipt = stored(vault, identity)
    path = vault._path(receipt)

    vault.verify(receipt)
    assert b"".join(vault.read(receipt, secret(identity))) == LETTER
    assert receipt.plaintext_size == len(LETTER)
    assert receipt.ciphertext_size == path.stat().st_size
    assert path.read_bytes().startswith(b"age-encryption.org/v1\n")
    assert b"drawer" not in path.read_bytes()


def test_only_the_owner_can_look(vault: FolderVault, identity: pyrage.x25519.Identity) -> None:
    """Folders are 0700, files 0600."""
    stored(vault, identity)

    modes = {
        (path.is_dir(), stat.S_IMODE(path.stat().st_mode))
        for path in [vault._root, *vault._root.rglob("*")]
    }
    assert modes == {(True, 0o700), (False, 0o600)}


def test_the_same_again_is_already(vault: FolderVault, identity: pyrage.x25519.Identity) -> None:
    """The same content under the same name is stored once and says already."""
    first = stored(vault, identity)
    again = stored(vault, identity)

    assert (first, first.already, again.already) == (again, False, True)
    assert files(vault) == ["case-1/home.tar.v0001.age", "case-1/home.tar.v0001.json"]


def test_other_content_is_the_next_version(
    vault: FolderVault, identity: pyrage.x25519.Identity
) -> None:
    """Nothing is overwritten: a changed object stands beside the first one."""
    first = stored(vault, identity)
    second = vault.put("case-1", "home.tar", [b"changed"], str(identity.to_public()))

    assert [receipt.version for receipt in vault.list("case-1")] == [1, 2]
    assert b"".join(vault.read(first, secret(identity))) == LETTER
    assert b"".join(vault.read(second, secret(identity))) == b"changed"


def test_names_that_look_like_versions_are_names_of_their_own(
    vault: FolderVault, identity: pyrage.x25519.Identity
) -> None:
    """Equal content under a name that another one begins with is stored under its own name."""
    for name in ("a.v7", "a", "a.v0001", "a*"):
        receipt = stored(vault, identity, name)
        assert (receipt.name, receipt.version, receipt.already) == (name, 1, False)

    assert [receipt.name for receipt in vault.list("case-1")] == ["a", "a*", "a.v0001", "a.v7"]


def test_a_damaged_copy_is_stored_again(
    vault: FolderVault, identity: pyrage.x25519.Identity
) -> None:
    """Already is only said of an object that is still whole."""
    first = stored(vault, identity)
    vault._path(first).write_bytes(b"rotten")

    again = stored(vault, identity)

    assert (again.version, again.already) == (2, False)
    vault.verify(again)


@pytest.mark.parametrize("cut", [0, 1, 200, 70_000])
def test_a_truncated_object_is_damaged_and_yields_nothing(
    vault: FolderVault, identity: pyrage.x25519.Identity, cut: int
) -> None:
    """An object cut short fails verification, and not one byte of plaintext comes out."""
    receipt = stored(vault, identity)
    path = vault._path(receipt)
    path.write_bytes(path.read_bytes()[:cut])

    with pytest.raises(Damaged):
        vault.verify(receipt)
    out: list[bytes] = []
    with pytest.raises(Damaged):
        out.extend(vault.read(receipt, secret(identity)))
    assert out == []


def test_one_flipped_bit_is_damaged(vault: FolderVault, identity: pyrage.x25519.Identity) -> None:
    """A single bit is seen although the size is right."""
    receipt = stored(vault, identity)
    path = vault._path(receipt)
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)

    with pytest.raises(Damaged):
        vault.verify(receipt)


def test_the_wrong_identity_opens_nothing(
    vault: FolderVault, identity: pyrage.x25519.Identity
) -> None:
    """Another key is refused before any plaintext."""
    receipt = stored(vault, identity)

    with pytest.raises(WrongIdentity):
        next(vault.read(receipt, secret(pyrage.x25519.Identity.generate())))
    with pytest.raises(Refused):
        next(vault.read(receipt, Secret.held(lambda: "not a key", "nonsense")))


def test_a_source_that_breaks_leaves_nothing(
    vault: FolderVault, identity: pyrage.x25519.Identity
) -> None:
    """When the export stops in the middle its fault passes through and nothing is visible."""

    def breaks() -> Iterator[bytes]:
        yield LETTER
        raise Transient("export: the stream ended early")

    with pytest.raises(Transient, match="ended early"):
        vault.put("case-1", "home.tar", breaks(), str(identity.to_public()))
    assert files(vault) == []
    assert vault.list("case-1") == []


def test_bytes_that_change_on_their_way_to_storage_are_noticed(
    vault: FolderVault, identity: pyrage.x25519.Identity
) -> None:
    """What is read back is held against what was written before anything gets a name (Law 1)."""

    def meddled() -> Iterator[bytes]:
        yield LETTER
        (hidden,) = (vault._root / "incoming").iterdir()
        wait_until(lambda: hidden.stat().st_size > len(LETTER) // 2, 10)
        with hidden.open("r+b") as file:
            file.write(b"rotten")

    with pytest.raises(Damaged, match="read back other bytes"):
        vault.put("case-1", "home.tar", meddled(), str(identity.to_public()))
    assert files(vault) == []


def test_an_identity_that_cannot_be_read_is_unauthorised(
    vault: FolderVault, identity: pyrage.x25519.Identity
) -> None:
    """A key file that is not there is an incident of ours, said as a fault."""
    receipt = stored(vault, identity)

    with pytest.raises(Unauthorised):
        next(vault.read(receipt, Secret("file:/nowhere/identity")))


def test_a_mistyped_escrow_key_is_a_settings_error(tmp_path: Path) -> None:
    """It is found at start, not when the first person leaves."""
    good = str(pyrage.x25519.Identity.generate().to_public())

    for escrow in ([], [good[:-1]], [good, "age1"], [good] * 3):
        with pytest.raises(ValidationError):
            FolderSettings(path=tmp_path, escrow=tuple(escrow))


def test_a_key_that_is_none_leaves_nothing(vault: FolderVault) -> None:
    """A recipient that cannot be is refused, even when the source is large."""
    with pytest.raises(Refused, match="not an age X25519 key"):
        vault.put("case-1", "home.tar", [LETTER] * 3, "age1nonsense")
    assert files(vault) == []


def test_a_full_disk_leaves_nothing(vault: FolderVault, identity: pyrage.x25519.Identity) -> None:
    """A write that the system cuts off for want of space is a typed fault, with nothing visible."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OutOfSpace):
            stored(vault, identity)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files(vault) == []
    assert stored(vault, identity).version == 1


def test_an_object_that_is_gone_is_missing(
    vault: FolderVault, identity: pyrage.x25519.Identity
) -> None:
    """A receipt whose object is not there cannot be verified or read."""
    receipt = stored(vault, identity)
    vault._path(receipt).unlink()

    with pytest.raises(Missing):
        vault.verify(receipt)
    with pytest.raises(Missing):
        next(vault.read(receipt, secret(identity)))


def test_delete_removes_both_and_may_be_repeated(
    vault: FolderVault, identity: pyrage.x25519.Identity
) -> None:
    """After delete there is neither object nor manifest; deleting again succeeds (Law 6)."""
    receipt = stored(vault, identity)
    kept = stored(vault, identity, "mail.tar")

    vault.delete(receipt)
    vault.delete(receipt)

    assert vault.list("case-1") == [kept]
    assert files(vault) == ["case-1/mail.tar.v0001.age", "case-1/mail.tar.v0001.json"]


@pytest.mark.parametrize("by_tidy", [False, True])
def test_an_object_without_manifest_is_not_there_and_does_not_stay(
    vault: FolderVault, identity: pyrage.x25519.Identity, by_tidy: bool
) -> None:
    """A crash between object and manifest shows nothing; the next put, or tidy, removes it."""
    kept, orphan = stored(vault, identity, "mail.tar"), stored(vault, identity)
    vault._path(orphan).with_suffix(".json").unlink()
    assert vault.list("case-1") == [kept]

    if by_tidy:
        assert vault.tidy(timedelta(days=1)) == 1
        assert files(vault) == ["case-1/mail.tar.v0001.age", "case-1/mail.tar.v0001.json"]
    else:
        again = stored(vault, identity)
        assert (again.version, again.already) == (1, False)
        vault.verify(again)


def test_tidy_removes_only_what_is_old(
    vault: FolderVault, identity: pyrage.x25519.Identity
) -> None:
    """Leftovers of killed processes go, what is being written now stays."""
    stored(vault, identity)
    old, new = (vault._root / "incoming" / name for name in ("old", "new"))
    for path, age_hours in ((old, 30), (new, 1)):
        path.write_bytes(b"x")
        moment = (NOW - timedelta(hours=age_hours)).timestamp()
        os.utime(path, (moment, moment))

    assert vault.tidy(timedelta(days=1)) == 1
    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.parametrize("case_id", ["", "../x", "incoming", "a/b", ".hidden", "x" * 65])
def test_case_ids_stay_in_the_vault(vault: FolderVault, case_id: str) -> None:
    """A case id can name nothing outside its own folder."""
    with pytest.raises(Refused):
        vault.put(case_id, "home.tar", [b"x"], "age1x")


@given(name=st.text(max_size=220))
def test_names_stay_in_their_case(name: str) -> None:
    """Any name is either refused, or one file inside the case's folder."""
    vault = FolderVault(Path("/vault"), lambda: NOW)
    receipt = Receipt("case-1", name, 1, 0, "", 0, "", "", NOW, "", "")
    try:
        path = vault._path(receipt)
    except Refused:
        return
    assert path.parent == Path("/vault/case-1")
    assert len(path.name.encode()) <= 255


def test_receipts_survive_json(vault: FolderVault, identity: pyrage.x25519.Identity) -> None:
    """A receipt goes through JSON unchanged, and the manifest on disk is the receipt."""
    receipt = stored(vault, identity)
    manifest = json.loads(vault._path(receipt).with_suffix(".json").read_text())

    assert Receipt.from_json(json.loads(json.dumps(receipt.to_json()))) == receipt
    assert Receipt.from_json(manifest) == receipt


@pytest.mark.parametrize(
    ("field", "value"),
    [("version", "1"), ("version", True), ("version", -1), ("name", 7), ("stored_at", "soon")],
)
def test_a_wrong_receipt_is_malformed(
    vault: FolderVault, identity: pyrage.x25519.Identity, field: str, value: str | int
) -> None:
    """A field of the wrong shape is not believed."""
    document = dict(stored(vault, identity).to_json())

    with pytest.raises(Malformed):
        Receipt.from_json({**document, field: value})


def test_a_receipt_of_another_version_is_malformed(
    vault: FolderVault, identity: pyrage.x25519.Identity
) -> None:
    """Unknown or missing fields mean a receipt from somewhere else."""
    document = dict(stored(vault, identity).to_json())

    for other in ({**document, "receipt": 2}, {**document, "extra": 1}, {"receipt": 1}):
        with pytest.raises(Malformed):
            Receipt.from_json(other)


def test_a_receipt_for_other_bytes_is_damaged(
    vault: FolderVault, identity: pyrage.x25519.Identity
) -> None:
    """The plaintext is held against the receipt too, should the ciphertext be right."""
    receipt = replace(stored(vault, identity), plaintext_sha256="0" * 64)

    with pytest.raises(Damaged, match="decrypted to other bytes"):
        list(vault.read(receipt, secret(identity)))
