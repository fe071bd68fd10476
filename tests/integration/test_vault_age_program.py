"""The folder vault against the outside: Debian's own ``age`` program, and being killed."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyrage
import pytest

from connectors.vaults import age
from connectors.vaults.folder import FolderVault
from tests.support.peers.processes import need
from tests.support.waiting import wait_until

NOW = datetime(2026, 12, 18, 10, 0, tzinfo=UTC)
LETTER = os.urandom(64) * 20_000
ENDLESS_WRITER = """
import sys
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from connectors.vaults.folder import FolderVault

vault = FolderVault(Path(sys.argv[1]), lambda: datetime(2026, 12, 18, tzinfo=UTC))
vault.put("case-1", "home.tar", repeat(bytes(65536)), sys.argv[2])
"""


@pytest.fixture(name="vault")
def vault_fixture(tmp_path: Path) -> FolderVault:
    """Make a vault below a folder that is not there yet."""
    return FolderVault(tmp_path / "vault", lambda: NOW)


def identity_file(folder: Path, identity: pyrage.x25519.Identity, name: str) -> Path:
    """Write a key file as age-keygen does."""
    path = folder / name
    path.write_text(f"{identity}\n")
    return path


@pytest.mark.peers
def test_the_age_program_opens_what_we_store(vault: FolderVault, tmp_path: Path) -> None:
    """An escrow holder needs nothing of ours: unseal and decrypt with the age program alone."""
    need("age", "age")
    holder = pyrage.x25519.Identity.generate()
    case = age.new_case_identity([str(holder.to_public())])
    receipt = vault.put("case-1", "home.tar", [LETTER], case.recipient)
    sealed = tmp_path / "sealed.age"
    sealed.write_bytes(case.sealed)

    key = identity_file(tmp_path, holder, "holder.txt")
    unsealed = subprocess.run(
        ["age", "--decrypt", "-i", key, sealed], capture_output=True, check=True
    ).stdout
    case_key = tmp_path / "case.txt"
    case_key.write_bytes(unsealed + b"\n")
    opened = subprocess.run(
        ["age", "--decrypt", "-i", case_key, vault._path(receipt)], capture_output=True, check=True
    ).stdout

    assert opened == LETTER


@pytest.mark.peers
def test_the_age_program_refuses_another_key(vault: FolderVault, tmp_path: Path) -> None:
    """Somebody who is no holder gets nothing from the stored file."""
    need("age", "age")
    case = age.new_case_identity([str(pyrage.x25519.Identity.generate().to_public())])
    receipt = vault.put("case-1", "home.tar", [LETTER], case.recipient)
    key = identity_file(tmp_path, pyrage.x25519.Identity.generate(), "stranger.txt")

    refused = subprocess.run(
        ["age", "--decrypt", "-i", key, vault._path(receipt)], capture_output=True, check=False
    )

    assert (refused.returncode, refused.stdout) == (1, b"")


def test_a_killed_writer_leaves_nothing_visible(vault: FolderVault, tmp_path: Path) -> None:
    """Kill -9 in the middle of a large object: no object, no manifest, and the child ends too."""
    recipient = str(pyrage.x25519.Identity.generate().to_public())
    incoming = tmp_path / "vault" / "incoming"
    with subprocess.Popen([sys.executable, "-c", ENDLESS_WRITER, vault._root, recipient]) as writer:
        wait_until(lambda: sum(f.stat().st_size for f in incoming.glob("*")) > 1_000_000, 20)
        children = Path(f"/proc/{writer.pid}/task/{writer.pid}/children").read_text().split()
        writer.send_signal(signal.SIGKILL)

    assert children
    wait_until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in children), 10)
    assert vault.list("case-1") == []
    assert not list((tmp_path / "vault" / "case-1").iterdir())
    # The next writer is not in the way of what was left.
    assert vault.put("case-1", "home.tar", [LETTER], recipient).version == 1


def test_writers_side_by_side_store_each_object_once(tmp_path: Path) -> None:
    """Four processes store the same content: one stores, the others find it stored."""
    recipient = str(pyrage.x25519.Identity.generate().to_public())
    program = ENDLESS_WRITER.replace("repeat(bytes(65536))", "[bytes(300_000)]")
    root = tmp_path / "vault"
    writers = [subprocess.Popen([sys.executable, "-c", program, root, recipient]) for _ in range(4)]

    assert [writer.wait(30) for writer in writers] == [0, 0, 0, 0]
    assert [receipt.version for receipt in FolderVault(root, lambda: NOW).list("case-1")] == [1]
