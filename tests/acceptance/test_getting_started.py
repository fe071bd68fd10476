"""A real directory in ten minutes: docs/getting-started.md, step by step, over LDAPS.

The directory is the pretend company's; everything else is what an operator does: `init`, two
passwords, an editor, `doctor`, `plan`, `serve`, and a while in which nothing may be changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deprovisioner.cli.exits import Exit
from deprovisioner.demo.daemon_process import running_daemon
from deprovisioner.sandbox.company import DEFAULT_POLICY, SUFFIX, UNUSED
from deprovisioner.sandbox.directory.server import Certificate
from deprovisioner.sandbox.fake_directory import DirectoryOptions
from deprovisioner.sandbox.running import Sandbox
from tests.support.command_line import Ended, process
from tests.support.peers.authority import Authority
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Installation:
    """What `init` wrote, and the company it is for."""

    folder: Path
    sandbox: Sandbox
    made: dict[str, str]

    @property
    def config(self) -> Path:
        """The written configuration."""
        return self.folder / "config.yaml"

    def run(self, *words: str | Path, token: str = "") -> Ended:
        """Run a command with it."""
        return process(*words, "--config", self.config, DEPROVISIONER_TOKEN=token)

    def edit(self, before: str, after: str) -> None:
        """Change the file as an operator does in an editor."""
        text = self.config.read_text(encoding="utf-8")
        assert before in text
        self.config.write_text(text.replace(before, after), encoding="utf-8")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Step 2: one command, with the flags that the page shows."""
    folder = tmp_path_factory.mktemp("g")
    authority = Authority(folder)
    certificate, key = authority.issue()
    options = DirectoryOptions(
        certificate=Certificate(str(certificate), str(key)), implicit_tls=True
    )
    with Sandbox(options=options) as sandbox:
        company = sandbox.company
        made = process(
            "init", "--directory", folder / "etc", "--url", sandbox.directory_url,
            "--base", SUFFIX, "--act-dn", company.act.name, "--verify-dn", company.verify.name,
            "--canary", company.canary, "--origin", "example.com/deprovisioner", "--json",
        )  # fmt: skip
        assert made.code == Exit.OK, made.err
        yield Installation(folder / "etc", sandbox, made.json)


def advice(checks: list[dict[str, Any]], what: str) -> str:
    """What the operator is told to do about a failing check."""
    return " ".join(check["advice"] for check in checks if check["what"] == what)


def changed(installation: Installation) -> list[str]:
    """Which writes the directory did; the doctor's probing deletes of absent values are refused."""
    return [write.name for write in installation.sandbox.witness.writes() if write.result == 0]


def failing(checks: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Where and what fails."""
    return {(check["area"], check["what"]) for check in checks if not check["holds"]}


def test_first_the_doctor_says_what_is_missing(installation: Installation) -> None:
    """Before the passwords are there, exactly the two identities fail, with advice."""
    ended = installation.run("doctor", "--json")

    assert ended.code == Exit.NO
    assert {area for area, _ in failing(ended.json)} == {"directory (act)", "directory (verify)"}


def test_a_certificate_that_nobody_vouches_for_is_refused(installation: Installation) -> None:
    """Steps 3 and 5: with the passwords, but without the authority, TLS is what fails."""
    company, secrets = installation.sandbox.company, installation.folder / "secrets"
    for name, account in (("act", company.act), ("verify", company.verify)):
        path = secrets / f"directory-{name}-password"
        path.write_text(account.password + "\n", encoding="utf-8")
        path.chmod(0o600)

    refused = installation.run("doctor", "--json")
    installation.edit(
        "#ca_file: /etc/deprovisioner/ca.pem", f"ca_file: {installation.folder.parent / 'ca.pem'}"
    )
    trusted = installation.run("doctor", "--json")

    assert failing(refused.json) == {
        ("directory (act)", "reachable"), ("directory (verify)", "reachable")
    }  # fmt: skip
    assert failing(trusted.json) == {
        (f"directory ({who})", what) for who in ("act", "verify")
        for what in ("lock", "canary coverage")
    }  # fmt: skip
    assert advice(trusted.json, "lock").count("default_password_policy") == len(("act", "verify"))


def test_then_the_doctor_is_content(installation: Installation) -> None:
    """With the policy that proves a lock, and canaries for all that the doctor named, every check
    holds; nothing was changed to find out.
    """
    named = advice(installation.run("doctor", "--json").json, "canary coverage")
    assert "userCertificate: add an entry that has it to canaries, such as uid=" in named
    for word in UNUSED:
        assert f"{word}: this identity sees it nowhere; add it to unused" in named
    installation.edit("attributes: [uid,", "attributes: [uid, userCertificate,")
    installation.edit("unused: []", f"unused: [{', '.join(UNUSED)}]")
    installation.edit(
        "#default_password_policy: cn=default,ou=policies,dc=example,dc=com",
        f"default_password_policy: {DEFAULT_POLICY}",
    )

    ended = installation.run("doctor", "--json")

    assert failing(ended.json) == set()
    assert ended.code == Exit.OK
    assert changed(installation) == []


def test_a_plan_for_one_person(installation: Installation) -> None:
    """Step 6: everything the leaver holds, when each thing would happen, and no write."""
    ended = installation.run(
        "plan", "E-1042", "--employee-number", "200042",
        "--last-day", "2031-12-18", "--time-zone", "Europe/Berlin",
    )  # fmt: skip

    assert ended.code == Exit.OK, ended.err
    for words in ("SSH key", "release-signers", "nobody else has it", "cannot be undone",
                  "open connections", "Mode is observe", "2031-12-18 23:00:00Z"):  # fmt: skip
        assert words in " ".join(ended.out.split()), words  # wherever a line was broken
    assert changed(installation) == []


def test_watching_changes_nothing(installation: Installation) -> None:
    """Step 7: a case whose end is long past surveys, plans, asks, and writes nowhere."""
    token = installation.run("token", "issue", "Ada Example", "--role", "operator").out.strip()
    installation.edit("port: 8420", "port: 0")
    data = installation.folder / "data"
    with running_daemon(
        installation.config, data / "deprovisioner.sock", installation.folder / "daemon.log"
    ):
        opened = installation.run("terminate", "E-1042", "--employee-number", "200042",
                                  "--last-day", "2026-01-30", "--json", token=token)  # fmt: skip
        assert opened.code == Exit.OK, opened.err
        view = wait_until(lambda: planned(installation, token), 60)

    waits = {operation["step"]: operation["waits"] for operation in view["operations"]}
    assert "observe-only" in waits["contain"]
    assert len(view["holdings"]) >= 25
    assert {holding["state"] for holding in view["holdings"]} == {"live"}
    assert view["summary"]["percent"] < 100
    assert changed(installation) == []


def planned(installation: Installation, token: str) -> dict[str, Any]:
    """The case once it is planned; empty before."""
    ended = installation.run("case", "show", "E-1042", "--json", token=token)
    view: dict[str, Any] = json.loads(ended.out)
    steps = {operation["step"] for operation in view["operations"]}
    return view if "contain" in steps else {}
