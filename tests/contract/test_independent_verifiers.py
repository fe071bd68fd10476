"""Programs that we did not write check a bundle that our code wrote.

openssl checks the signature of the checkpoint, Go's checksum-database packages check note and
proofs and recompute the commitments, Sigstore's verifier checks checkpoint and proofs. Each must
accept the bundle and refuse it after one small change. A missing program fails in CI (CI=true) and
skips elsewhere.
"""

import base64
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from reconcile.evidence.bundle import write_bundle
from tests.support.evidence import KEY, chain, erase, logged

GLUE = Path(__file__).parent / "independent"
GO_PACKAGES = Path("/usr/share/gocode")
ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")  # RFC 8410 section 4


def need(present: object, install: str) -> None:
    """Skip with the reason, or fail in CI."""
    if present:
        return
    required = os.environ.get("CI") == "true"
    if required or os.environ.get("DEPROVISIONER_REQUIRE_PEERS") == "1":
        pytest.fail(f"missing: {install}")
    pytest.skip(f"missing: {install}")


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """A bundle of a closed case, one record erased, written by our code and unpacked by another."""
    records = chain()
    records[1] = erase(records[1])
    write_bundle(tmp_path / "case.zip", logged(records))
    with zipfile.ZipFile(tmp_path / "case.zip") as archive:
        archive.extractall(tmp_path / "case")
    return tmp_path / "case"


@pytest.fixture
def public_key(tmp_path: Path) -> Path:
    """The log's public key as PEM."""
    body = base64.b64encode(ED25519_SPKI + KEY.verifier.public).decode()
    path = tmp_path / "public.pem"
    path.write_text(f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n", "ascii")
    return path


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, **environment},
    )


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def test_openssl_accepts_the_signature(unpacked: Path, public_key: Path, tmp_path: Path) -> None:
    """The checkpoint's text and signature, cut out of the note by hand, verify with openssl."""
    need(shutil.which("openssl"), "apt-get install openssl")

    def verdict() -> int:
        text, _, line = (unpacked / "checkpoint").read_text("utf-8").partition("\n\n")
        signature = base64.b64decode(line.split(" ")[2])[4:]
        (tmp_path / "text").write_text(text + "\n", "utf-8")
        (tmp_path / "signature").write_bytes(signature)
        command = ("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public_key, "-rawin")
        files = ("-in", tmp_path / "text", "-sigfile", tmp_path / "signature")
        return run(*command, *files).returncode

    assert verdict() == 0
    replace(unpacked / "checkpoint", "\n385\n", "\n386\n")
    assert verdict() != 0


@pytest.fixture(scope="module")
def go_verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go program, built once from Debian's packages without the network."""
    source = GO_PACKAGES / "src/golang.org/x/mod/sumdb/tlog"
    install = "apt-get install golang-go golang-golang-x-mod-dev"
    need(shutil.which("go") and source.is_dir(), install)
    folder = tmp_path_factory.mktemp("go")
    program = folder / "verify"
    built = run(
        "go",
        "build",
        "-o",
        program,
        GLUE / "verify.go",
        GO111MODULE="off",
        GOPATH=str(GO_PACKAGES),
        GOCACHE=str(folder / "cache"),
        GOFLAGS="",
    )
    assert built.returncode == 0, built.stderr
    return program


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("records/000003.json", '"outcome":"done"', '"outcome":"none"'),
        ("records/000003.json", "li.wei", "li.wai"),
        ("proofs/000003.tlog-proof", "index 304", "index 305"),
        ("checkpoint", "\n385\n", "\n386\n"),
    ],
)
def test_go_accepts_the_bundle_and_refuses_a_change(
    unpacked: Path, go_verifier: Path, name: str, old: str, new: str
) -> None:
    """Go verifies all four records, the erased one too; one edited word and it refuses."""
    accepted = run(go_verifier, str(KEY.verifier), unpacked)
    assert (accepted.returncode, accepted.stdout) == (0, "4\n"), accepted.stderr
    replace(unpacked / name, old, new)
    assert run(go_verifier, str(KEY.verifier), unpacked).returncode != 0


def sigstore_package() -> Path | None:
    """The package, from beside the glue or from where tests/support/install_peers.sh puts it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    homes = (GLUE, cache / "deprovisioner-tests" / "npm")
    found = (home / "node_modules" / "@sigstore" / "verify" for home in homes)
    return next((package for package in found if package.is_dir()), None)


def test_sigstore_accepts_the_proofs(unpacked: Path, public_key: Path, tmp_path: Path) -> None:
    """Sigstore's verifier accepts checkpoint and proofs; another entry or index and it refuses."""
    package = sigstore_package()
    need(shutil.which("node") and package, "npm ci --prefix tests/contract/independent")
    entries = [record.entry.hex() for record in chain()]
    listed = tmp_path / "entries.json"
    key_id = KEY.verifier.key_id.hex()
    command = (
        "node",
        GLUE / "verify.cjs",
        str(package),
        unpacked,
        KEY.name,
        public_key,
        key_id,
        listed,
    )

    listed.write_text(json.dumps(entries), "ascii")
    accepted = run(*command)
    assert (accepted.returncode, accepted.stdout) == (0, "4\n"), accepted.stderr

    listed.write_text(json.dumps([*entries[:3], "00" * 32]), "ascii")
    assert run(*command).returncode != 0

    listed.write_text(json.dumps(entries), "ascii")
    replace(unpacked / "proofs/000002.tlog-proof", "index 302", "index 303")
    assert run(*command).returncode != 0
