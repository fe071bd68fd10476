"""Encryption in a child process, and identities of cases that only the escrow can open."""

import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest

from connectors.faults import Refused
from connectors.secret import Secret
from connectors.vaults import age
from connectors.vaults.contract import Damaged, OutOfSpace, WrongIdentity

MEGABYTE = bytes(range(256)) * 4096


def held(text: str) -> Secret:
    """Wrap an identity."""
    return Secret.held(lambda: text, "test identity")


def open_descriptors() -> int:
    """Count what this process holds open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def encrypted(path: Path, recipient: str, chunks: list[bytes]) -> None:
    """Encrypt into a file."""
    with path.open("wb") as file:
        age.encrypt(chunks, recipient, file.fileno())


def test_measures_are_those_of_the_streams(tmp_path: Path) -> None:
    """Sizes count plaintext and ciphertext; an empty stream is a valid object."""
    identity = pyrage.x25519.Identity.generate()
    for chunks in ([], [b""], [MEGABYTE, b"tail"]):
        path = tmp_path / "object.age"
        with path.open("wb") as file:
            plain, cipher = age.encrypt(chunks, str(identity.to_public()), file.fileno())

        assert plain.size == sum(map(len, chunks))
        assert cipher.size == path.stat().st_size
        with path.open("rb") as file:
            assert b"".join(age.decrypt(file, held(str(identity)))) == b"".join(chunks)


def test_no_space_is_told_from_other_errors() -> None:
    """/dev/full answers ENOSPC to every write."""
    identity = pyrage.x25519.Identity.generate()
    with Path("/dev/full").open("wb") as full, pytest.raises(OutOfSpace):
        age.encrypt([MEGABYTE], str(identity.to_public()), full.fileno())


def test_a_cut_body_is_damaged_not_an_os_error(tmp_path: Path) -> None:
    """Pyrage raises OSError for a truncated body; here that is a typed fault."""
    identity = pyrage.x25519.Identity.generate()
    path = tmp_path / "object.age"
    encrypted(path, str(identity.to_public()), [MEGABYTE])
    path.write_bytes(path.read_bytes()[:-100])

    with path.open("rb") as file, pytest.raises(Damaged):
        list(age.decrypt(file, held(str(identity))))


def test_something_that_is_not_age_is_damaged(tmp_path: Path) -> None:
    """A file of another kind is not mistaken for a wrong key."""
    path = tmp_path / "object.age"
    path.write_bytes(b"PK\x03\x04 not age at all")
    identity = pyrage.x25519.Identity.generate()

    with path.open("rb") as file, pytest.raises(Damaged):
        list(age.decrypt(file, held(str(identity))))


def test_other_threads_run_while_a_large_object_is_encrypted(tmp_path: Path) -> None:
    """The interpreter lock is free meanwhile: another thread counts on (backups would stop it)."""
    identity = pyrage.x25519.Identity.generate()
    ticks, stop = [0], threading.Event()

    def tick() -> None:
        while not stop.wait(0.001):
            ticks[0] += 1

    other = threading.Thread(target=tick)
    other.start()
    encrypted(tmp_path / "object.age", str(identity.to_public()), [MEGABYTE] * 32)
    stop.set()
    other.join()

    assert ticks[0] > 5


def children() -> set[str]:
    """List the processes that this one has started and not yet seen end (proc(5))."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {pid for task in tasks for pid in task.read_text().split()}


def test_a_reader_that_stops_early_leaves_no_child(tmp_path: Path) -> None:
    """Closing the stream ends the child process at once, and closes every descriptor."""
    identity = pyrage.x25519.Identity.generate()
    path = tmp_path / "object.age"
    encrypted(path, str(identity.to_public()), [MEGABYTE] * 8)
    before, others = open_descriptors(), children()

    with path.open("rb") as file:
        stream = age.decrypt(file, held(str(identity)))
        assert isinstance(stream, Iterator)
        next(stream)
        assert children() > others
        stream.close()  # type: ignore[attr-defined]

    assert open_descriptors() == before
    assert children() == others


def test_the_identity_is_in_no_argument(tmp_path: Path) -> None:
    """What other users can see of the child holds no secret (Law 10)."""
    identity = pyrage.x25519.Identity.generate()
    path = tmp_path / "object.age"
    encrypted(path, str(identity.to_public()), [MEGABYTE] * 8)

    with path.open("rb") as file:
        stream = age.decrypt(file, held(str(identity)))
        next(stream)
        (child,) = Path("/proc/self/task").glob(f"{os.getpid()}/children")
        seen = b""
        for pid in child.read_text().split():
            seen += Path(f"/proc/{pid}/cmdline").read_bytes()
            seen += Path(f"/proc/{pid}/environ").read_bytes()
        list(stream)

    assert b"age_child" in seen
    assert b"AGE-SECRET-KEY" not in seen


@pytest.mark.parametrize("holders", [1, 2])
def test_either_holder_opens_a_case(holders: int, tmp_path: Path) -> None:
    """The sealed identity opens with each escrow key, and then opens what the case stored."""
    escrow = [pyrage.x25519.Identity.generate() for _ in range(holders)]
    case = age.new_case_identity([str(holder.to_public()) for holder in escrow])
    path = tmp_path / "object.age"
    encrypted(path, case.recipient, [b"letters"])

    for holder in escrow:
        identity = age.unseal(case.sealed, held(str(holder)))
        with path.open("rb") as file:
            assert b"".join(age.decrypt(file, identity)) == b"letters"
    with pytest.raises(WrongIdentity):
        age.unseal(case.sealed, held(str(pyrage.x25519.Identity.generate())))


def test_every_case_has_its_own_identity() -> None:
    """Two cases never share a key, so one can be erased without the other."""
    escrow = [str(pyrage.x25519.Identity.generate().to_public())]

    assert age.new_case_identity(escrow).recipient != age.new_case_identity(escrow).recipient


def test_escrow_keys_are_checked() -> None:
    """No key, three keys, one key twice, and something that is no key are refused."""
    keys = [str(pyrage.x25519.Identity.generate().to_public()) for _ in range(3)]

    for wrong in ([], keys, [keys[0], keys[0]], ["ssh-ed25519 AAAA"]):
        with pytest.raises(Refused):
            age.new_case_identity(wrong)


def test_a_sealed_identity_says_nothing_by_itself() -> None:
    """The private half is nowhere in what is handed to the key store in the clear."""
    escrow = [str(pyrage.x25519.Identity.generate().to_public())]
    case = age.new_case_identity(escrow)

    assert b"AGE-SECRET-KEY" not in io.BytesIO(case.sealed).read()
    assert "AGE-SECRET-KEY" not in repr(case)
