"""The demo as a person runs it: a closed case, three files, and a world that is as they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from deprovisioner.cli.exits import Exit
from deprovisioner.sandbox.openldap import SLAPD
from tests.support.command_line import Ended, process

SECONDS = 115
"""The promise is under two minutes."""


@dataclass(frozen=True)
class Shown:
    """One run of the demo and what it left."""

    ended: Ended
    out: Path

    @property
    def summary(self) -> dict[str, Any]:
        """summary.json."""
        said: dict[str, Any] = json.loads((self.out / "summary.json").read_text(encoding="utf-8"))
        return said


def run(folder: Path, *words: str) -> Shown:
    """Run the demo in a process of its own, with a temporary folder of its own."""
    temporary = folder / "tmp"
    temporary.mkdir()
    ended = process(
        "demo", "--out", folder / "out", *words, seconds=SECONDS, TMPDIR=str(temporary)
    )  # fmt: skip
    return Shown(ended, folder / "out")


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """One run on the fake directory, looked at by the tests of this module."""
    return run(tmp_path_factory.mktemp("demo"))


def test_it_ends_closed_and_verified(shown: Shown) -> None:
    """Exit code 0, and the words that a person reads at the end."""
    assert shown.ended.code == Exit.OK, shown.ended.err + shown.ended.out
    assert "is closed at 100 %" in shown.ended.out
    assert "VERIFIED" in shown.ended.out
    assert "100 times" in shown.ended.out  # how much shorter the waits are
    assert "scripted" in shown.ended.out
    assert "\x1b" not in shown.ended.out  # no terminal, no colours


def test_the_summary_is_for_programs(shown: Shown) -> None:
    """Exactly the promised fields, with numbers that agree with each other."""
    said = shown.summary

    assert set(said) == {
        "case_id", "state", "closure", "seconds", "systems",
        "residual_access", "bundle", "report", "vkey"
    }  # fmt: skip
    assert said["state"] == "closed"
    assert said["closure"]["percent"] == 100
    assert said["closure"]["passed"] == said["closure"]["checks"] >= 150
    assert said["systems"] == [
        "active-directory", "directory", "doors-berlin", "doors-shanghai", "entra"
    ]  # fmt: skip
    contained, closed = (said["seconds"][f"accepted_to_{w}"] for w in ("contained", "closed"))
    assert 0 < contained < closed < SECONDS
    assert Path(said["bundle"]).is_file()
    assert Path(said["report"]).is_file()


def test_the_leaver_is_really_out(shown: Shown) -> None:
    """A look past the connectors, into every system, finds no way in and no mention."""
    looks = [line for line in shown.ended.out.splitlines() if line.startswith("  ok ")]

    assert len(looks) == 14
    for there in (looks[:3], looks[3:6]):
        assert "LDAP 49" in there[0]
        assert "none" in there[1]
        assert "none of" in there[2]
    assert "second account: disabled" in looks[6]  # a person said that it is theirs
    assert "disabled, sessions ended" in looks[7]
    assert "disabled, sessions ended" in looks[8]
    assert looks[9].endswith("password: none")
    assert "none of" in looks[10]
    assert "with the successor" in looks[11]
    assert looks[12].endswith("Berlin: no card, group or pass works")
    assert looks[13].endswith("none of 3 panels lets them in")


def test_there_was_much_to_take_away(shown: Shown) -> None:
    """What named the leaver before, and what the tenant is made of."""
    out = shown.ended.out

    for words in (
        "20 other entries of the directory that name it", "11 other objects there",
        "39 other objects there", "283 hybrid accounts", "23 cloud-only accounts",
        "1 guest,", "8 eligible roles", "3 applications", "3 agents",
    ):  # fmt: skip
        assert words in out, words


def test_people_did_their_duties_before_they_said_so(shown: Shown) -> None:
    """Duties about holdings are done in the world; when each system was blocked is told."""
    out = shown.ended.out

    for words in (
        "done, and seen to be so - Retire the device",
        "done, and seen to be so - The members of this group follow a rule",
        "done, and seen to be so - The person may know this secret",
        "done, and seen to be so - Take the machine back",
        "looked: this company has none of that - ",
    ):
        assert words in out, words
    (contained,) = [line for line in out.splitlines() if "contained after" in line]
    assert all(f"{system} " in contained for system in shown.summary["systems"])


def standalone(bundle: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the verifier that lies in the released package, isolated."""
    program = str(files("reconcile.evidence").joinpath("standalone.py"))
    return subprocess.run(
        [sys.executable, "-I", program, str(bundle), *words],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_both_verifiers_accept_the_bundle(shown: Shown) -> None:
    """Ours and the standalone one, with the key of the summary; the one inside is the same file."""
    bundle, vkey = shown.out / "bundle.zip", shown.summary["vkey"]

    ours = process("evidence", "verify", bundle, "--key", vkey, "--json")
    theirs = standalone(bundle, "--key", vkey)

    assert ours.code == Exit.OK, ours.err
    assert ours.json["case"] == shown.summary["case_id"]
    assert ours.json["closed"]
    assert theirs.returncode == 0, theirs.stdout
    with zipfile.ZipFile(bundle) as archive:
        inside = archive.read("verify.py")
    assert inside == files("reconcile.evidence").joinpath("standalone.py").read_bytes()


def test_the_command_that_it_prints_works(shown: Shown) -> None:
    """What a person is told to type is typed, word for word, in a shell."""
    (command,) = [
        line.strip() for line in shown.ended.out.splitlines() if "verify.py" in line
    ]  # fmt: skip

    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("VERIFIED")


@pytest.mark.parametrize("name", ["records/000017.json", "checkpoint", "manifest.json"])
def test_both_verifiers_refuse_a_changed_bundle(shown: Shown, tmp_path: Path, name: str) -> None:
    """One bit of one file, in an otherwise well-made zip: not verified, by either."""
    changed = tmp_path / "changed.zip"
    with (
        zipfile.ZipFile(shown.out / "bundle.zip") as source,
        zipfile.ZipFile(changed, "w", zipfile.ZIP_STORED) as target,
    ):
        for entry in source.infolist():
            content = bytearray(source.read(entry))
            if entry.filename == name:
                content[len(content) // 2] ^= 1
            target.writestr(entry.filename, bytes(content))
    vkey = shown.summary["vkey"]

    assert process("evidence", "verify", changed, "--key", vkey).code == Exit.NO
    assert standalone(changed, "--key", vkey).returncode == 1


def test_the_report_tells_the_whole_story(shown: Shown) -> None:
    """Who, what became of it, the closing reads, the duties, how to verify; nothing fetched."""
    page = (shown.out / "report.html").read_text(encoding="utf-8")

    for words in (
        "林悦", "E-1042", "Closed: every one of", "Asia/Shanghai", "SSH key", "release-signers",
        "sudo rule", "netgroup", "handed over: done by us", "2nd closing read", "scripted operator",
        "Kerberos principal", "references.ldif", "adm-yue.lin", "OU=Branch Office",
        "eligible: User Administrator", "build-bot of yue.lin", "Dana Partner", "Atlas project",
        "What is still to come", shown.summary["vkey"],
    ):  # fmt: skip
        assert words in page, words
    assert "✗" not in page
    assert "http://" not in page
    assert "https://" not in page


def test_nothing_is_left_behind(shown: Shown) -> None:
    """No file of the temporary folder and no process of the daemon outlives the demo."""
    assert list((shown.out.parent / "tmp").iterdir()) == []
    number = shown.ended.out.partition("as process ")[2].partition(" ")[0]
    assert not Path(f"/proc/{number}").exists()


def test_the_log_of_the_daemon_names_nobody(shown: Shown) -> None:
    """No name, login, address or number of anybody in what the daemon logged (Law 10)."""
    log = (shown.out / "daemon.log").read_text(encoding="utf-8")

    assert "daemon.ready" in log
    assert [w for w in ("林悦", "yue.lin", "200042", "E-1042", "min.zhou") if w in log] == []


@pytest.mark.peers
def test_with_json_another_seed_and_a_real_openldap(tmp_path: Path) -> None:
    """For a program standard output is one document; slapd plays the directory where it is."""
    if os.environ.get("DEPROVISIONER_REQUIRE_PEERS") == "1":
        assert SLAPD.exists(), "slapd must be installed here"
    real = ("--directory", "slapd") if SLAPD.exists() else ()
    again = run(tmp_path, "--json", "--seed", "7", *real)

    assert again.ended.code == Exit.OK, again.ended.err  # verified, and every look holds
    assert again.ended.json == again.summary
    assert again.summary["closure"]["percent"] == 100


def test_a_folder_that_cannot_be_written_is_an_answer(tmp_path: Path) -> None:
    """With an output folder that is a file the demo ends with words, before anything is started."""
    (tmp_path / "out").write_text("in the way")

    ended = process("demo", "--out", tmp_path / "out", seconds=60)

    assert ended.code == Exit.UNREADABLE, ended.err
    assert "--out" in ended.err
