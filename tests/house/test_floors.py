"""The floors of the house hold, and each contract catches the violation it was written for.

A violation is planted in a copy of the tree; `lint-imports` runs there as a process of its own.
"""

import configparser
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("deprovisioner", "config", "reconcile", "policies", "connectors")


@dataclass(frozen=True)
class Violation:
    """One line that must not be there: which contract says so, and where it is planted.

    `beside` is a second, innocent file that makes the line a violation (a chain, a cycle).
    """

    contract: str
    path: str
    line: str
    beside: tuple[str, str] | None = None


VIOLATIONS = (
    Violation("floors", "policies/planted.py", "import reconcile"),
    Violation("floors", "reconcile/planted.py", "import config"),
    Violation("floors", "connectors/planted.py", "from deprovisioner import house"),
    Violation(
        "cycles",
        "policies/planted.py",
        "import policies.two",
        ("policies/two.py", "import policies.planted"),
    ),
    Violation("vendor-clients", "reconcile/planted.py", "import ldap3"),
    Violation("vendor-clients", "deprovisioner/planted.py", "import boto3"),
    Violation("http-client", "reconcile/planted.py", "import httpx"),
    Violation("http-client", "deprovisioner/planted.py", "from httpx import Client"),
    Violation("rooms", "connectors/planted.py", "import connectors.other_room"),
    Violation("rooms", "connectors/planted.py", "from connectors import registry"),
    Violation("rooms", "connectors/_http/waiting.py", "import connectors.hr.wire"),
    Violation("ground", "connectors/contract.py", "import connectors._directory"),
    Violation("ground", "connectors/faults.py", "import connectors._http"),
    Violation("ground", "connectors/_http/waiting.py", "import connectors._directory"),
    Violation("ground", "connectors/_http/waiting.py", "import connectors.registry"),
    Violation("systems-unknown", "policies/planted.py", "from connectors import other_room"),
    Violation("systems-unknown", "reconcile/planted.py", "from connectors import registry"),
    Violation("evidence", "reconcile/evidence/planted.py", "import sqlalchemy"),
    Violation("evidence", "reconcile/evidence/planted.py", "from reconcile import case"),
    Violation("pure-core", "reconcile/case.py", "import sqlalchemy"),
    Violation("pure-core", "reconcile/plan.py", "from reconcile.store import schema"),
    Violation("pure-core", "reconcile/gates.py", "import logging"),
    Violation("pure-core", "reconcile/closure.py", "import httpx"),
    Violation("pure-core", "policies/planted.py", "from time import monotonic"),
    Violation("pure-core", "policies/planted.py", "import structlog"),
    Violation(
        "pure-core",
        "connectors/contract.py",
        "import socket",
        ("policies/two.py", "import connectors.contract"),
    ),
    Violation("engine", "reconcile/planted.py", "from dbos import DBOS"),
    Violation("engine", "deprovisioner/planted.py", "import dbos"),
    Violation("drivers", "reconcile/planted.py", "import sqlite3"),
    Violation("drivers", "deprovisioner/planted.py", "import psycopg"),
    Violation("sql", "policies/planted.py", "from sqlalchemy import text"),
    Violation("sql", "connectors/planted.py", "import sqlalchemy.orm"),
    Violation("outbox", "reconcile/engine/planted.py", "import reconcile.store.ledger_schema"),
    Violation("hr-rooms", "connectors/hr/wire.py", "import connectors.hr.rest"),
    Violation("hr-rooms", "connectors/hr/planted.py", "x = 1"),
    Violation(
        "door-rooms", "connectors/doors/hikvision/card.py", "import connectors.doors.gallagher"
    ),
    Violation("vault-rooms", "connectors/vaults/age.py", "import connectors.vaults.folder"),
)


def contracts() -> list[str]:
    """Return the ids of all contracts in `.importlinter`."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter", encoding="utf-8")
    prefix = "importlinter:contract:"
    return [name.removeprefix(prefix) for name in parser.sections() if name.startswith(prefix)]


def lint(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run lint-imports over the packages in `tree` and over no others."""
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    environment = {**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache", *arguments],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the five packages, the contracts and the home-made contract type."""
    leave_out = shutil.ignore_patterns("__pycache__")
    for name in (*PACKAGES, "tests/house"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=leave_out)
    shutil.copy(ROOT / "tests/__init__.py", tmp_path / "tests")
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def test_the_floors_hold() -> None:
    """Every contract is kept by the tree as it is."""
    result = lint(ROOT)

    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{len(contracts())} kept, 0 broken" in result.stdout


def test_every_contract_has_a_planted_violation() -> None:
    """A contract that nothing has ever broken may guard nothing."""
    assert set(contracts()) == {violation.contract for violation in VIOLATIONS}


@pytest.mark.parametrize("violation", VIOLATIONS, ids=lambda v: f"{v.contract}: {v.path}: {v.line}")
def test_a_planted_violation_is_caught(copy: Path, violation: Violation) -> None:
    """One forbidden line in a copy breaks the contract that forbids it, and its file is named.

    That the contract is kept without the line is what `test_the_floors_hold` shows.
    """
    (copy / "connectors/other_room").mkdir()
    (copy / "connectors/other_room/__init__.py").touch()
    _append(copy / violation.path, violation.line)
    if violation.beside:
        path, line = violation.beside
        _append(copy / path, line)

    after = lint(copy, "--contract", violation.contract)

    assert after.returncode == 1, after.stdout + after.stderr
    assert "0 kept, 1 broken" in after.stdout
    assert Path(violation.path).stem in after.stdout


def _append(file: Path, line: str) -> None:
    text = file.read_text(encoding="utf-8") if file.exists() else '"""Planted."""\n'
    file.write_text(f"{text}\n{line}\n", encoding="utf-8")
