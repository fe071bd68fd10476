"""A dump of PostgreSQL that is behind what was signed becomes a new log, or nothing is touched."""

from __future__ import annotations

import json
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from config.load import load
from deprovisioner.cli.exits import Exit
from deprovisioner.wiring import open_house
from reconcile.store.database import Database
from reconcile.store.nodes import nodes
from tests.support.command_line import Line

if TYPE_CHECKING:
    from tests.support.peers.postgres import Postgres

pytest_plugins = ("tests.support.peers.fixtures",)
pytestmark = pytest.mark.peers

NEW = "example.com/log-2"


@pytest.fixture
def url(postgres: Postgres) -> str:
    """An empty database of its own."""
    return postgres.database()


def bare(url: str) -> str:
    """The same without its password."""
    parsed = sa.make_url(url)
    return f"postgresql://{parsed.username}@{parsed.host}:{parsed.port}/{parsed.database}"


@pytest.fixture
def line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> Line:
    """A fresh installation on PostgreSQL and the command line that uses it."""
    made = Line(capsys)("init", "--directory", tmp_path, "--origin", "example.com/log", "--json")
    assert made.code == Exit.OK, made.err
    config, parsed = tmp_path / "config.yaml", sa.make_url(url)
    monkeypatch.setenv("PGPASSWORD", str(parsed.password))
    text = config.read_text(encoding="utf-8")
    text += f"\ndatabase: {{url: '{bare(url)}', password: env:PGPASSWORD}}\n"
    config.write_text(text, encoding="utf-8")
    return Line(capsys, config)


def sign(line: Line) -> int:
    """Give waiting records their places and sign them, as the daemon does; the size that it has."""
    assert line.config is not None
    with open_house(load(line.config), at_rest=True) as house:
        house.sequencer.integrate()
        signed = house.sequencer.publish()
    assert signed is not None
    return signed.size


def run(*command: str) -> None:
    """Run a program of PostgreSQL; the password is in the environment."""
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def size(line: Line, url: str, tmp_path: Path) -> int:
    """Let a dump be put back that knows less than was signed; how much was signed."""
    dump, name = str(tmp_path / "old.dump"), bare(url)
    line("terminate", "E-7", "--employee-number", "7", "--immediate")
    sign(line)
    run("pg_dump", "--format=custom", "--no-owner", f"--file={dump}", name)
    line("terminate", "E-8", "--employee-number", "8", "--immediate")
    signed = sign(line)
    run("pg_restore", "--clean", "--if-exists", "--no-owner", f"--dbname={name}", dump)
    return signed


def renewals(url: str) -> list[dict[str, object]]:
    """Read what the evidence says about logs that ended."""
    with closing(Database.open(url)) as database, database.connect() as connection:
        query = "SELECT control FROM evidence_records WHERE type = 'log.renewed'"
        return [json.loads(control) for control in connection.scalars(sa.text(query))]


def test_a_dump_that_is_behind_begins_a_new_log(line: Line, size: int, url: str) -> None:
    """What is lost is said in the evidence; old cases are there, and the daemon may sign again."""
    ended = line("backup", "restore", "--new-log", NEW, "--json")
    assert ended.code == Exit.OK, ended.err
    (renewed,) = renewals(url)
    assert (renewed["old_size"], renewed["new_origin"]) == (size, NEW)
    told, config = ended.json["new_log"], line.config
    assert config is not None
    made = line("keys", "init", "--signing-only", "--origin", NEW, "--directory",
                told["keys_directory"], "--json")  # fmt: skip
    assert made.code == Exit.OK, made.err
    text = config.read_text(encoding="utf-8")
    lines = [
        f"  origin: {NEW}" if line.startswith("  origin: ")
        else f"  signing_key: file:{told['signing_key']}\n"
        f"  publish_directory: {told['publish_directory']}\n  anchor: {told['anchor']}"
        if line.startswith("  signing_key: ") else line
        for line in text.splitlines()
    ]  # fmt: skip
    config.write_text("\n".join(lines), encoding="utf-8")
    assert sign(line) > 0
    found = line("case", "list", "--json").json["cases"]
    assert [each["employment_id"] for each in found] == ["E-7"]


def test_a_log_that_can_go_on_is_not_ended(line: Line, url: str) -> None:
    """With everything there that was signed, nothing is written."""
    line("terminate", "E-7", "--employee-number", "7", "--immediate")
    sign(line)
    ended = line("backup", "restore", "--new-log", NEW)
    assert (ended.code, renewals(url)) == (Exit.REFUSED, [])
    assert "without --new-log" in ended.err


@pytest.mark.usefixtures("size")
def test_no_log_is_ended_under_a_living_node(line: Line, url: str) -> None:
    """A node on another machine is seen by its lease, and its database is left alone."""
    with closing(Database.open(url)) as database, database.begin() as connection:
        until = database.now() + 60
        row = {"id": "far", "started_at": 0, "live": True}
        connection.execute(sa.insert(nodes).values(**row, lease_until=until))
    ended = line("backup", "restore", "--new-log", NEW)
    assert (ended.code, renewals(url)) == (Exit.REFUSED, [])
    assert "stop every node" in ended.err


def test_what_postgresql_does_itself_is_said(line: Line, tmp_path: Path) -> None:
    """A copy that is named, or no new log, leads to pg_restore; an empty database is named."""
    (tmp_path / "some.db").touch()
    named = line("backup", "restore", tmp_path / "some.db")
    both = line("backup", "restore", tmp_path / "some.db", "--new-log", NEW)
    nothing = line("backup", "restore")
    empty = line("backup", "restore", "--new-log", NEW)
    assert {ended.code for ended in (named, both, nothing, empty)} == {Exit.REFUSED}
    assert all("pg_restore" in ended.err for ended in (named, both, nothing, empty))
    assert "the database is empty" in empty.err
