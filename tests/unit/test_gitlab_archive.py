"""The proof of a project export: whole, readable, a project, and of now."""

import gzip
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.faults import Fault, Malformed, Transient
from connectors.gitlab.archive import ArchiveProof

COMMIT = "a" * 40
BUNDLE = f"# v2 git bundle\n{COMMIT} refs/heads/main\n\nPACK".encode() + b"\0" * 5000


def archive(members: dict[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    """Write a compressed tar."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz", format=form) as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return raw.getvalue()


def whole() -> bytes:
    """A project's export as GitLab makes it."""
    return archive(
        {"./VERSION": b"0.2.4", "./tree/project.json": b"{}", "./project.bundle": BUNDLE}
    )


def proven(data: bytes, step: int = 700) -> ArchiveProof:
    """Let an archive go by in pieces. Raises faults."""
    proof = ArchiveProof()
    for start in range(0, len(data), step):
        proof.take(data[start : start + step])
    proof.finish()
    return proof


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("step", [1, 511, 512, 10_000])
def test_a_whole_export_is_proven(form: int, step: int) -> None:
    """In whatever pieces it comes, its members and the branches of its repository are seen."""
    members = {
        "./project.json": b"{}",
        "./long/" + "n" * 150: b"x" * 1300,
        "project.bundle": BUNDLE,
    }
    if form == tarfile.USTAR_FORMAT:
        del members["./long/" + "n" * 150]
    proof = proven(archive(members, form), step)
    assert "project.json" in proof.members
    assert proof.names(COMMIT)
    assert not proof.names("b" * 40)
    assert not proof.names("")


@given(cut=st.integers(min_value=1))
@settings(max_examples=60)
def test_a_cut_archive_is_never_proven(cut: int) -> None:
    """A body without a length that ends early looks whole to the library, at any byte."""
    data = whole()
    with pytest.raises((Transient, Malformed)):
        proven(data[: -(1 + cut % (len(data) - 1))])


def test_a_tar_that_ends_early_inside_a_whole_gzip_is_not_proven() -> None:
    """GitLab's disk was full: the gzip is closed, the tar is not."""
    plain = gzip.decompress(whole()).rstrip(b"\0")
    with pytest.raises(Transient, match="cut short"):
        proven(gzip.compress(plain))


@pytest.mark.parametrize(
    "data",
    [b"<!DOCTYPE html>", b"", gzip.compress(b"no tar" * 500), whole() + b"more"],
    ids=["a page", "nothing", "no tar", "something behind"],
)
def test_what_is_no_archive_is_not_proven(data: bytes) -> None:
    """Nothing else passes for an archive."""
    with pytest.raises(Fault):
        proven(data)


def test_a_damaged_byte_is_seen() -> None:
    """The sums of gzip and of the headers are checked."""
    data = bytearray(whole())
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(Fault):
        proven(bytes(data))


def test_another_archive_is_no_project() -> None:
    """An archive without a project in it is no export of one."""
    with pytest.raises(Malformed, match="no project"):
        proven(archive({"readme.txt": b"hello"}))


def test_nothing_of_the_data_is_kept() -> None:
    """A large member goes by; only the head of the bundle is looked at."""
    large = b"\1" * 30_000_000
    proof = proven(archive({"project.json": b"{}", "uploads/big": large}), 65_536)
    assert sum(len(name) for name in proof.members) < 200
    assert proof.heads == b""
