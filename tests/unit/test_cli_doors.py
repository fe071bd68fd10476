"""Commands without a daemon: one door, the same rules, errors that say what to do next."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.load import load
from deprovisioner import cli
from deprovisioner.cli.exits import MEANING, Exit
from deprovisioner.wiring import open_house
from tests.support.command_line import ROOT, Line


@pytest.fixture
def line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Line:
    """A fresh installation and the command line that uses it."""
    made = Line(capsys)("init", "--directory", tmp_path, "--origin", "example.com/log", "--json")
    assert made.code == Exit.OK, made.err
    return Line(capsys, tmp_path / "config.yaml")


def test_a_case_by_hand(line: Line) -> None:
    """Terminate, look, hold, and take it back, all without a daemon; each word is kept."""
    opened = line("terminate", "E-7", "--employee-number", "7", "--last-day", "2031-01-31",
                  "--time-zone", "Asia/Shanghai", "--json")  # fmt: skip
    assert opened.code == Exit.OK, opened.err
    case = opened.json["case_id"]

    listed = line("case", "list", "--json").json["cases"]
    shown = line("case", "show", "E-7", "--json")
    held = line("case", "hold", case, "--reason", "look first", "--json")
    rescinded = line("rescind", "E-7", "--json")

    assert [found["id"] for found in listed] == [case]
    assert shown.code == Exit.NO  # it is not closed
    assert shown.json["time_zone"] == "Asia/Shanghai"
    assert shown.json["summary"]["access_end"].startswith("2031-01-31T16:00")
    assert held.json["hold_id"].startswith("manual-")
    assert rescinded.json["case_id"] == case
    assert "look first" in line("case", "show", case).out


def test_deciding_needs_a_token_of_ones_own(line: Line, tmp_path: Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """Whoever opens the database may work, but a release carries a person's own name."""
    case = line("terminate", "E-7", "--immediate", "--employee-number", "7", "--json")
    case_id = case.json["case_id"]
    hold = line("case", "hold", case_id, "--reason", "look first", "--json").json["hold_id"]
    plan = line("case", "show", case_id, "--json").json["plan_hash"]
    token = line("token", "issue", "pat", "--role", "approver").out.strip()

    nobody = line("case", "release", case_id, hold, "--plan", plan)
    monkeypatch.setenv("DEPROVISIONER_TOKEN", token)
    stale = line("case", "release", case_id, hold, "--plan", "0" * 64)
    released = line("case", "release", case_id, hold, "--plan", plan)
    monkeypatch.delenv("DEPROVISIONER_TOKEN")
    kept = tmp_path / "token"
    kept.write_text(token + "\n")
    again = line("case", "release", case_id, hold, "--plan", plan, "--token-file", kept)

    assert nobody.code == Exit.DENIED
    assert "DEPROVISIONER_TOKEN" in nobody.err
    assert stale.code == Exit.REFUSED
    assert "look at the case again" in stale.err
    assert released.code == Exit.OK, released.err
    assert again.code == Exit.UNKNOWN  # there is no standing hold any more


def test_a_role_that_may_not_is_told_so(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """An auditor reads and hands out no tokens; a revoked token opens nothing."""
    token = line("token", "issue", "ada", "--role", "auditor").out.strip()
    monkeypatch.setenv("DEPROVISIONER_TOKEN", token)

    assert line("case", "list").code == Exit.OK
    assert line("token", "list").code == Exit.DENIED
    monkeypatch.delenv("DEPROVISIONER_TOKEN")
    mine = next(t for t in line("token", "list", "--json").json if t["principal"] == "ada")
    assert line("token", "revoke", mine["id"]).code == Exit.OK
    monkeypatch.setenv("DEPROVISIONER_TOKEN", token)
    assert line("case", "list").code == Exit.DENIED


def test_no_token_of_a_command_outlives_it(line: Line) -> None:
    """What the command line made for itself is revoked when the command ends."""
    line("case", "list")

    tokens = line("token", "list", "--json").json

    open_ones = [token for token in tokens if token["revoked_at"] is None]
    assert len(open_ones) == 1  # that of this very command
    assert open_ones[0]["principal"].startswith("local/")


def test_errors_are_json_when_asked(line: Line) -> None:
    """With --json an error is one document on standard error, and nothing is on standard output."""
    ended = line("case", "show", "C-nothing", "--json")

    assert ended.code == Exit.UNKNOWN
    assert ended.out == ""
    assert json.loads(ended.err)["exit"] == Exit.UNKNOWN
    assert json.loads(ended.err)["advice"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["case", "show", "E-unknown"], Exit.UNKNOWN),
        (["case", "watch"], Exit.UNKNOWN),
        (["terminate", "E-7", "--employee-number", "7"], Exit.UNREADABLE),
        (["terminate", "E-7", "--email", "no address", "--immediate"], Exit.UNREADABLE),
        (["terminate", "E-7", "--last-day", "31.01.2031"], Exit.UNREADABLE),
        (["rescind", "E-7"], Exit.NO),
        (["token", "revoke", "none"], Exit.UNKNOWN),
        (["evidence", "checkpoint"], Exit.UNKNOWN),
        (["evidence", "export", "C-none"], Exit.UNKNOWN),
        (["evidence", "export", "E-none"], Exit.UNKNOWN),
        (["report", "person", "E-none"], Exit.UNKNOWN),
        (["no-such-command"], Exit.UNREADABLE),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_each_refusal_has_its_code(line: Line, words: list[str], code: Exit) -> None:
    """Exit codes are the table's, and the message is on standard error."""
    ended = line(*words) if words != ["no-such-command"] else Line(line.capture)(*words)

    assert ended.code == code, ended.err
    assert "Traceback" not in ended.err


def test_the_inbox_shows_what_came(line: Line) -> None:
    """A delivery by hand is listed like any other; its body is shown only when asked for."""
    line("terminate", "E-7", "--employee-number", "7", "--immediate")

    (listed,) = line("inbox", "list", "--json").json
    shown = line("inbox", "show", listed["event_id"])
    opened = line("inbox", "show", listed["event_id"], "--raw")

    assert listed["state"] == "accepted"
    assert line("inbox", "list", "--state", "rejected", "--json").json == []
    assert "specversion" not in shown.out
    assert "specversion" in opened.out
    assert line("inbox", "show", "none").code == Exit.UNKNOWN


def test_a_plan_for_nobody_is_no_empty_plan(line: Line) -> None:
    """Without HR an employment id alone finds nobody; "nothing is held" would be a false answer."""
    for words in (["plan", "E-7"], ["terminate", "E-7", "--immediate", "--dry-run"]):
        ended = line(*words)

        assert ended.code == Exit.NO
        assert ended.out == ""
        assert "nothing to search" in ended.err
        assert "--employee-number" in ended.err
        assert "--email" in ended.err


def test_a_dry_run_sends_nothing(line: Line) -> None:
    """What would happen is shown; there is no case afterwards."""
    ended = line("terminate", "E-7", "--employee-number", "7", "--immediate", "--dry-run")

    assert ended.code == Exit.OK
    assert "could not be read" in ended.out  # there is no directory, and that is said
    assert line("case", "list", "--json").json["cases"] == []
    assert line("plan", "E-7", "--employee-number", "7").code == Exit.NO


def test_a_backup_is_put_back(line: Line, tmp_path: Path) -> None:
    """What was there when the copy was made is there again; what came later is kept aside."""
    line("terminate", "E-7", "--employee-number", "7", "--immediate")
    copied = line("backup", "database", tmp_path / "copy.db")
    line("terminate", "E-8", "--employee-number", "8", "--immediate")

    refused = line("backup", "database", tmp_path / "copy.db")
    restored = line("backup", "restore", tmp_path / "copy.db", "--json")

    assert copied.code == Exit.OK, copied.err
    assert refused.code == Exit.REFUSED
    assert restored.code == Exit.OK, restored.err
    assert all(Path(kept).exists() for kept in restored.json["kept"])
    cases = line("case", "list", "--json").json["cases"]
    assert [case["employment_id"] for case in cases] == ["E-7"]


def test_what_is_no_database_is_not_put_back(line: Line, tmp_path: Path) -> None:
    """A wrong file is refused before anything is moved."""
    line("terminate", "E-7", "--employee-number", "7", "--immediate")
    (tmp_path / "wrong.db").write_bytes(b"no database" * 100)

    assert line("backup", "restore", tmp_path / "wrong.db").code == Exit.UNREADABLE
    assert line("backup", "restore", tmp_path / "none.db").code == Exit.UNREADABLE
    assert len(line("case", "list", "--json").json["cases"]) == 1


def test_keys_come_back_only_to_their_holder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The copy shows no key; the escrow identity opens it, another one does not."""
    folder = tmp_path / "installed"
    made = Line(capsys)("init", "--directory", folder, "--origin", "example.com/log", "--json")
    other = Line(capsys)("init", "--directory", tmp_path / "b", "--origin", "b", "--json")
    line = Line(capsys, folder / "config.yaml")
    for name, ended in (("mine", made), ("theirs", other)):
        (tmp_path / name).write_text(ended.json["escrow_identity"] + "\n")

    assert line("backup", "keys", tmp_path / "keys.age").code == Exit.OK
    sealed = (tmp_path / "keys.age").read_bytes()
    refused = line("backup", "restore-keys", tmp_path / "keys.age", "--identity",
                   tmp_path / "theirs", "--directory", tmp_path / "back")  # fmt: skip
    opened = line("backup", "restore-keys", tmp_path / "keys.age", "--identity",
                  tmp_path / "mine", "--directory", tmp_path / "back")  # fmt: skip

    assert b"PRIVATE+KEY" not in sealed
    assert refused.code == Exit.UNREADABLE
    assert opened.code == Exit.OK, opened.err
    for name in ("log-signing-key", "sealing-key"):
        assert (tmp_path / "back" / name).read_bytes() == (folder / "secrets" / name).read_bytes()
        assert (tmp_path / "back" / name).stat().st_mode & 0o777 == 0o600


def test_the_table_of_exit_codes_is_the_documents() -> None:
    """docs/command-line.md says of each code what the code says."""
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")

    assert set(MEANING) == set(Exit)
    missing = [int(c) for c, words in MEANING.items() if f"| {int(c)} | {words} |" not in text]
    assert missing == []


def test_a_defect_is_one_line_without_a_trace(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What we did not foresee shows its class and place, never its message or values."""
    monkeypatch.delenv("DEPROVISIONER_DEBUG", raising=False)
    try:
        raise ZeroDivisionError("林悦 could stand here")  # noqa: TRY301 - to have a trace
    except ZeroDivisionError as error:
        with pytest.raises(SystemExit) as ended:
            cli._defect(type(error), error, error.__traceback__)

    said = capsys.readouterr().err
    assert ended.value.code == Exit.DEFECT
    assert "ZeroDivisionError" in said
    assert "林悦" not in said
    assert f"{Path(__file__).name}:" in said


def test_help_loads_nothing_heavy() -> None:
    """The list of commands is printed from its table: no database, no HTTP, no configuration."""
    program = (
        "import sys\nfrom deprovisioner.cli import main\nsys.argv = ['deprovisioner', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'sqlalchemy', 'httpx', 'pydantic', 'fastapi', 'dbos', 'rich', 'yaml'}\n"
        "sys.stderr.write(' '.join(sorted(heavy & set(sys.modules))))"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=dict(os.environ),
                          capture_output=True, text=True, check=False)  # fmt: skip

    assert done.stderr == ""
    assert "demo" in done.stdout


def _sign(config: Path) -> int:
    """Give waiting records their places and sign them, as the daemon does; the size that it has."""
    with open_house(load(config), at_rest=True) as house:
        house.sequencer.integrate()
        signed = house.sequencer.publish()
    assert signed is not None
    return signed.size


def _contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*")
            if path.is_file() and path.suffix != ".lock"}  # fmt: skip


@pytest.fixture
def behind(line: Line, tmp_path: Path) -> Path:
    """A copy of the database that knows less than was signed."""
    assert line.config is not None
    line("terminate", "E-7", "--employee-number", "7", "--immediate")
    _sign(line.config)
    assert line("backup", "database", tmp_path / "copy.db").code == Exit.OK
    line("terminate", "E-8", "--employee-number", "8", "--immediate")
    _sign(line.config)
    return tmp_path / "copy.db"


def test_a_copy_that_is_behind_is_refused_before_anything_is_touched(
    line: Line, behind: Path, tmp_path: Path
) -> None:
    """Exit code 1, both ways out are named, and every file is byte for byte what it was."""
    before = _contents(tmp_path / "data")

    ended = line("backup", "restore", behind)

    assert ended.code == Exit.NO
    assert "rolled back" in ended.err
    assert "nothing was changed" in ended.err
    assert "newer copy" in ended.err
    assert "--new-log" in ended.err
    assert _contents(tmp_path / "data") == before
    cases = line("case", "list", "--json").json["cases"]
    assert [case["employment_id"] for case in cases] == ["E-8", "E-7"]


def test_a_new_log_is_only_begun_where_the_old_one_has_ended(
    line: Line, behind: Path, tmp_path: Path
) -> None:
    """A copy that can go on, the old name and a name that is none are refused."""
    assert line("backup", "database", tmp_path / "newest.db").code == Exit.OK
    before = _contents(tmp_path / "data")

    sound = line("backup", "restore", tmp_path / "newest.db", "--new-log", "example.com/log-2")
    same = line("backup", "restore", behind, "--new-log", "example.com/log")
    wrong = line("backup", "restore", behind, "--new-log", "no name")

    assert [ended.code for ended in (sound, same, wrong)] == [Exit.REFUSED] * 3
    assert "without --new-log" in sound.err
    assert "another name" in same.err
    assert _contents(tmp_path / "data") == before


def test_a_signing_key_alone_leaves_the_sealing_key(line: Line, tmp_path: Path) -> None:
    """A new log needs a new signature; its old cases open with the key they were sealed by."""
    ended = line("keys", "init", "--signing-only", "--origin", "example.com/log-2",
                 "--directory", tmp_path / "fresh")  # fmt: skip

    assert ended.code == Exit.OK, ended.err
    assert [path.name for path in (tmp_path / "fresh").iterdir()] == ["log-signing-key"]


def test_an_employment_names_its_case_everywhere(line: Line, tmp_path: Path) -> None:
    """Report and bundle take the employment id as `case show` does, also one that looks like a
    case's.
    """
    assert line.config is not None
    line("terminate", "C-7", "--employee-number", "7", "--immediate")
    _sign(line.config)

    shown = line("case", "show", "C-7", "--json")
    exported = line("evidence", "export", "C-7", "--out", tmp_path / "bundle.zip")
    reported = line("report", "person", "C-7", "--out", tmp_path / "report.html")

    assert shown.json["summary"]["employment_id"] == "C-7"
    assert exported.code == Exit.OK, exported.err
    assert reported.code == Exit.OK, reported.err
