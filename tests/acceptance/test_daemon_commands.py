"""The command line beside a running daemon: processes, a socket, a directory, a person's day."""

from __future__ import annotations

import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deprovisioner.cli.exits import Exit
from deprovisioner.demo.daemon_process import DaemonProcess, running_daemon
from deprovisioner.demo.staging import Stage, set_stage
from deprovisioner.sandbox.directory.results import Code
from deprovisioner.sandbox.human_resources import Termination
from deprovisioner.sandbox.running import Sandbox
from reconcile.principals import Role
from tests.support.command_line import ROOT, Ended, process
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Rig:
    """A pretend company, its daemon, and people with tokens."""

    sandbox: Sandbox
    stage: Stage
    daemon: DaemonProcess
    tokens: dict[Role, str]

    def run(self, role: Role | None, *words: str | Path) -> Ended:
        """Run a command as somebody of a role; without a token when None."""
        token = self.tokens[role] if role else ""
        return process(*words, "--config", self.stage.config, DEPROVISIONER_TOKEN=token)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Tokens are handed out before the first start, as docs/operations/running.md says."""
    folder = tmp_path_factory.mktemp("d")
    with Sandbox() as sandbox:
        stage = set_stage(folder, sandbox, secrets.token_bytes)
        tokens = {}
        for role in (Role.OPERATOR, Role.AUDITOR, Role.APPROVER, Role.ADMIN):
            issued = process("token", "issue", f"a {role}", "--role", role, "--config",
                             stage.config)  # fmt: skip
            assert issued.code == Exit.OK, issued.err
            tokens[role] = issued.out.strip()
        with running_daemon(
            stage.config, stage.settings.socket_path, folder / "daemon.log"
        ) as daemon:
            yield Rig(sandbox, stage, daemon, tokens)


def test_every_command_needs_a_token(rig: Rig) -> None:
    """The socket alone opens nothing; a wrong token and a role that may not are told apart."""
    nobody = rig.run(None, "case", "list")
    stranger = process("case", "list", "--config", rig.stage.config, DEPROVISIONER_TOKEN="dpv_x")
    auditor = rig.run(Role.AUDITOR, "terminate", "E-1043", "--immediate")

    assert nobody.code == stranger.code == auditor.code == Exit.DENIED
    assert "DEPROVISIONER_TOKEN" in nobody.err
    assert "may not" in auditor.err


def test_a_plan_changes_nothing(rig: Rig) -> None:
    """What the leaver holds is shown, HR says who it is, and the directory saw no write."""
    before = len(rig.sandbox.witness.writes())

    ended = rig.run(Role.OPERATOR, "plan", "E-1042", "--last-day", "2031-12-18",
                    "--time-zone", "Asia/Shanghai", "--json")  # fmt: skip

    assert ended.code == Exit.OK, ended.err
    kinds = {line["kind"] for line in ended.json["lines"]}
    assert kinds >= {"account.person", "credential.ssh_key", "grant.group", "grant.sudo", "alias"}
    assert ended.json["policy_name"] == "demo-engineers"
    assert ended.json["access_end"].startswith("2031-12-18T16:00:00")
    assert len(rig.sandbox.witness.writes()) == before


def test_the_doctor_is_content_beside_a_daemon(rig: Rig) -> None:
    """Everything holds, with both credentials, and the running daemon is seen."""
    before = len(rig.sandbox.witness.writes())

    ended = rig.run(None, "doctor", "--json")

    # Rights are proven by deletions of values that nobody has: each of them is refused.
    tried = rig.sandbox.witness.writes()[before:]
    assert [write for write in tried if write.result == Code.SUCCESS] == []
    assert [check for check in ended.json if not check["holds"]] == []
    assert ended.code == Exit.OK
    areas = {check["area"] for check in ended.json}
    assert areas >= {"directory (act)", "directory (verify)", "hr", "daemon"}
    assert any(check["detail"] == "running" for check in ended.json)


def test_a_second_daemon_is_refused(rig: Rig) -> None:
    """The embedded database belongs to one process; the second says to whom and ends with 78."""
    second = rig.run(None, "serve")

    assert second.code == Exit.SETUP
    assert str(rig.daemon.process.pid) in second.err
    assert "Traceback" not in second.err


def test_a_case_from_hand_to_closed(rig: Rig, tmp_path: Path) -> None:
    """Terminate by hand, hold, release with the plan hash, answer the duties, watch it close."""
    leaver, successor = rig.sandbox.company.demo_leaver(), rig.sandbox.company.demo_successor()
    day = datetime.now(UTC).date() - timedelta(days=2)
    rig.sandbox.human_resources.schedule(leaver.employment_id, Termination(day, day))
    opened = rig.run(Role.OPERATOR, "terminate", leaver.employment_id, "--successor",
                     successor.employment_id, "--json")  # fmt: skip
    assert opened.code == Exit.OK, opened.err
    case = opened.json["case_id"]

    with _watching(rig, case) as watching:
        for question in wait_until(lambda: _duties(rig, case), 30):
            said = rig.run(Role.OPERATOR, "case", "answer", case, question, "done")
            assert said.code == Exit.OK, said.err
        out, err = watching.communicate(timeout=90)

    assert watching.returncode == Exit.OK, err
    assert "case      closed (100 %)" in out
    assert "done by" not in err
    shown = rig.run(Role.AUDITOR, "case", "show", leaver.employment_id)
    assert shown.code == Exit.OK
    assert "closed" in shown.out
    assert "plan hash" in shown.out
    _evidence_is_good(rig, case, tmp_path)


def _watching(rig: Rig, case: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "deprovisioner", "case", "watch", case,
         "--config", str(rig.stage.config)],
        cwd=ROOT, env={**os.environ, "DEPROVISIONER_TOKEN": rig.tokens[Role.AUDITOR]},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _duties(rig: Rig, case: str) -> list[str]:
    view = rig.run(Role.AUDITOR, "case", "show", case, "--json").json
    return [question["id"] for question in view["questions"] if not question["answer"]]


def _evidence_is_good(rig: Rig, case: str, folder: Path) -> None:
    """An auditor exports, verifies with the key that was noted at the beginning, and reads."""
    bundle, page = folder / "bundle.zip", folder / "report.html"
    exported = rig.run(Role.AUDITOR, "evidence", "export", case, "--out", bundle)
    verified = process("evidence", "verify", bundle, "--key", rig.stage.vkey, "--json")
    reported = rig.run(Role.AUDITOR, "report", "person", case, "--out", page)
    head = rig.run(None, "evidence", "checkpoint", "--json")

    assert exported.code == Exit.OK, exported.err
    assert bundle.stat().st_mode & 0o777 == 0o600
    assert verified.json["case"] == case
    assert verified.json["closed"]
    assert reported.code == Exit.OK, reported.err
    assert "Closed: every one of" in page.read_text(encoding="utf-8")
    assert head.json["size"] >= verified.json["records"]
    again = rig.run(Role.AUDITOR, "evidence", "export", case, "--out", bundle)
    assert again.code == Exit.REFUSED


def test_held_and_released_by_whoever_looked(rig: Rig) -> None:
    """A hold by one, a release by another, bound to the plan; a stale hash is refused."""
    opened = rig.run(Role.OPERATOR, "terminate", "E-1050", "--last-day", "2031-12-18", "--json")
    case = opened.json["case_id"]
    held = rig.run(Role.OPERATOR, "case", "hold", case, "--reason", "wait for legal", "--json")
    hold = held.json["hold_id"]
    plan = wait_until(lambda: _plan_of_a_surveyed(rig, case), 30)

    refused = rig.run(Role.OPERATOR, "case", "release", case, hold, "--plan", plan)
    stale = rig.run(Role.APPROVER, "case", "release", case, hold, "--plan", "0" * 64)
    released = rig.run(Role.APPROVER, "case", "release", case, hold, "--plan", plan)
    rescinded = rig.run(Role.OPERATOR, "rescind", "E-1050")
    watched = rig.run(Role.AUDITOR, "case", "watch", case)

    assert refused.code == Exit.DENIED
    assert stale.code == Exit.REFUSED
    assert released.code == Exit.OK, released.err
    assert rescinded.code == Exit.OK, rescinded.err
    assert watched.code == Exit.NO  # final, and not closed
    assert "rescinded" in watched.out


def _plan_of_a_surveyed(rig: Rig, case: str) -> str:
    view = rig.run(Role.APPROVER, "case", "show", case, "--json").json
    done = {o["step"] for o in view["operations"] if o["state"] == "done"}
    return str(view["plan_hash"]) if "survey" in done else ""


def test_a_backup_beside_a_running_daemon(rig: Rig, tmp_path: Path) -> None:
    """The copy is whole while the daemon writes; putting it back is refused while it runs."""
    copy = tmp_path / "copy.db"

    copied = rig.run(None, "backup", "database", copy)
    restored = rig.run(None, "backup", "restore", copy)

    assert copied.code == Exit.OK, copied.err
    assert copy.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("SELECT count(*) FROM cases").fetchone()[0] >= 1
    assert restored.code == Exit.REFUSED
    assert "running" in restored.err


def test_it_drains_and_an_older_copy_becomes_a_new_log(rig: Rig, tmp_path: Path) -> None:
    """The steps of docs/operations/database.md, as an operator walks them.

    An older copy is refused and nothing is touched; with --new-log it goes in, what is printed is
    done, and the daemon starts: old cases go on and prove themselves under the new key.
    """
    copy, config = tmp_path / "old.db", rig.stage.config
    opened = rig.run(Role.OPERATOR, "terminate", "E-1061", "--last-day", "2031-12-18", "--json")
    wait_until(lambda: _plan_of_a_surveyed(rig, opened.json["case_id"]), 30)
    assert rig.run(None, "backup", "database", copy).code == Exit.OK
    before = _signed_size(rig)
    assert rig.run(Role.OPERATOR, "terminate", "E-1060", "--last-day", "2031-12-18").code == Exit.OK
    wait_until(lambda: _signed_size(rig) > before, 30)
    rig.daemon.process.send_signal(signal.SIGTERM)
    assert rig.daemon.process.wait(timeout=60) == 0
    size = _signed_size(rig)

    refused = rig.run(None, "backup", "restore", copy, "--json")
    kept = rig.run(Role.AUDITOR, "case", "show", "E-1060")
    ended = rig.run(None, "backup", "restore", copy, "--new-log", "example.com/second", "--json")
    unfinished = rig.run(None, "serve")

    assert refused.code == Exit.NO
    assert "rolled back" in json.loads(refused.err)["error"]
    assert "nothing was changed" in json.loads(refused.err)["advice"]
    assert "E-1060" in kept.out
    assert ended.code == Exit.OK, ended.err
    assert unfinished.code == Exit.SETUP  # the old log is not continued by accident
    vkey = _as_told(config, ended.json["new_log"])
    log = tmp_path / "second.log"
    with running_daemon(config, rig.stage.settings.socket_path, log):
        case = opened.json["case_id"]
        assert rig.run(Role.AUDITOR, "case", "show", "E-1060").code == Exit.UNKNOWN
        assert rig.run(Role.OPERATOR, "rescind", "E-1061").code == Exit.OK
        assert rig.run(Role.AUDITOR, "case", "watch", case).code == Exit.NO
        _proven_under(rig, vkey, "E-1061", tmp_path)
        _proven_under(rig, vkey, "E-1042", tmp_path)
    with closing(sqlite3.connect(rig.stage.settings.data_directory / "deprovisioner.db")) as rows:
        query = "SELECT control FROM evidence_records WHERE type = 'log.renewed'"
        (renewed,) = (json.loads(control) for (control,) in rows.execute(query))
    assert renewed["old_key"] == rig.stage.vkey
    assert (renewed["old_size"], renewed["new_origin"]) == (size, "example.com/second")
    assert (rig.stage.settings.publish_directory / "checkpoint").exists()  # for auditors


def _signed_size(rig: Rig) -> int:
    return int(rig.run(None, "evidence", "checkpoint", "--json").json["size"])


def _as_told(config: Path, told: dict[str, str]) -> str:
    """Do what `backup restore --new-log` printed; the new key."""
    made = process("keys", "init", "--signing-only", "--origin", told["origin"], "--directory",
                   told["keys_directory"], "--json")  # fmt: skip
    assert made.code == Exit.OK, made.err
    changed = {
        "  origin: ": told["origin"],
        "  signing_key: ": f"file:{told['signing_key']}\n"
        f"  publish_directory: {told['publish_directory']}\n  anchor: {told['anchor']}",
    }
    lines = config.read_text(encoding="utf-8").splitlines()
    for word, value in changed.items():
        lines = [word + value if line.startswith(word) else line for line in lines]
    config.write_text("\n".join(lines), encoding="utf-8")
    return str(made.json["vkey"])


def _proven_under(rig: Rig, vkey: str, employment: str, folder: Path) -> None:
    """The bundle of a case of the old log verifies under the key of the new one."""
    bundle = folder / f"{employment}.zip"

    def exported() -> bool:
        return rig.run(Role.AUDITOR, "evidence", "export", employment, "--out", bundle).code == 0

    wait_until(exported, 30)
    verified = process("evidence", "verify", bundle, "--key", vkey, "--open", "--json")
    assert verified.code == Exit.OK, verified.err
    assert verified.json["log"] == "example.com/second"
