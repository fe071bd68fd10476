"""`init`, `doctor`, `keys`, `policy`: from nothing to a configuration that is right."""

import re
from pathlib import Path

import pytest

from config.load import load
from config.settings import Mode
from deprovisioner.cli.exits import Exit
from tests.support.command_line import Line


@pytest.fixture
def line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Line:
    """A fresh installation and the command line that uses it."""
    made = Line(capsys)("init", "--directory", tmp_path, "--origin", "example.com/log", "--json")
    assert made.code == Exit.OK, made.err
    return Line(capsys, tmp_path / "config.yaml")


@pytest.mark.usefixtures("line")
def test_init_writes_what_loads_and_only_observes(tmp_path: Path) -> None:
    """The written file is right as it stands, and the daemon it describes changes nothing."""
    settings = load(tmp_path / "config.yaml")

    assert settings.mode is Mode.OBSERVE
    assert settings.vault is not None
    assert settings.guards.protected
    assert (tmp_path / "config.yaml").read_text(encoding="utf-8").count("#") > len("comments")


@pytest.mark.usefixtures("line")
def test_init_keeps_secrets_to_their_owner(tmp_path: Path) -> None:
    """Keys and configuration are for one pair of eyes; no secret stands in the configuration."""
    secrets = list((tmp_path / "secrets").iterdir())

    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    text = (tmp_path / "config.yaml").read_text(encoding="utf-8")
    assert [path.name for path in secrets if path.read_text().strip() in text] == []


def test_the_escrow_identity_is_shown_and_written_nowhere(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What opens every backup is printed once; a search of everything written does not find it."""
    ended = Line(capsys)("init", "--directory", tmp_path, "--origin", "example.com/log", "--json")
    identity = ended.json["escrow_identity"]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]

    assert identity.startswith("AGE-SECRET-KEY-")
    assert [path for path in files if identity in path.read_text(encoding="utf-8")] == []


def test_init_overwrites_nothing(line: Line, tmp_path: Path) -> None:
    """A second run refuses, and every file is byte for byte what it was."""
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

    ended = Line(line.capture)("init", "--directory", tmp_path)

    assert ended.code == Exit.REFUSED
    assert "nothing was written" in ended.err
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_init_writes_nothing_when_one_file_is_in_the_way(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """All or nothing: a policy that is there already keeps the configuration from being made."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "company.yaml").write_text("policy: mine\n")

    assert Line(capsys)("init", "--directory", tmp_path).code == Exit.REFUSED
    assert not (tmp_path / "config.yaml").exists()
    assert not (tmp_path / "secrets").exists()


def test_init_takes_any_words_for_the_directory(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A DN with quotes, colons and a number sign arrives in the settings as it was typed."""
    name = 'cn=a "b": #c,dc=example,dc=com'
    Line(capsys)(
        "init", "--directory", tmp_path, "--origin", "example.com/log", "--act-dn", name
    )  # fmt: skip

    directory = load(tmp_path / "config.yaml").systems["directory"].settings

    assert directory.act.dn == name  # type: ignore[attr-defined]


def test_doctor_names_what_is_missing(line: Line) -> None:
    """Without the passwords of the directory two checks fail, with advice; nothing is made."""
    assert line.config is not None
    folder = line.config.parent
    before = sorted(folder.rglob("*"))

    ended = line("doctor", "--json")

    failed = [check for check in ended.json if not check["holds"]]
    assert ended.code == Exit.NO
    assert [check["area"] for check in failed] == ["directory (act)", "directory (verify)"]
    assert all(check["advice"] for check in failed)
    assert sorted(folder.rglob("*")) == before


def test_doctor_sees_a_key_that_others_may_read(line: Line, tmp_path: Path) -> None:
    """A signing key of mode 0644 is a failure, not a note."""
    (tmp_path / "secrets" / "log-signing-key").chmod(0o644)

    found = line("doctor", "--json").json

    key = next(check for check in found if check["what"] == "signing key")
    assert not key["holds"]
    assert "chmod 600" in key["advice"]


def test_doctor_sees_the_key_of_another_log(line: Line, tmp_path: Path) -> None:
    """A key whose name is not the origin would make another log."""
    text = (tmp_path / "config.yaml").read_text(encoding="utf-8")
    (tmp_path / "config.yaml").write_text(
        text.replace('origin: "example.com/log"', "origin: other.example.com"), encoding="utf-8"
    )

    found = line("doctor", "--json").json

    assert not next(check for check in found if check["what"] == "signing key")["holds"]


def test_a_mistake_in_the_configuration_has_its_place(line: Line, tmp_path: Path) -> None:
    """Exit code 78, file, line and column, and the word that was meant."""
    text = (tmp_path / "config.yaml").read_text(encoding="utf-8")
    (tmp_path / "config.yaml").write_text(text.replace("\nmode:", "\nmoode:"), encoding="utf-8")

    ended = line("doctor")

    assert ended.code == Exit.SETUP
    assert "config.yaml:" in ended.err
    assert "did you mean 'mode'" in ended.err


def test_no_configuration_says_how_to_get_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The first command of a new user ends with advice."""
    ended = Line(capsys, tmp_path / "config.yaml")("case", "list")

    assert ended.code == Exit.SETUP
    assert "deprovisioner init" in ended.err


def test_keys_show_what_init_printed(line: Line, tmp_path: Path) -> None:
    """The auditor's key can be shown again; it is the one that was made."""
    shown = line("keys", "show", "--json").json
    made = Line(line.capture)("keys", "init", "--origin", "b.example.com", "--directory",
                              tmp_path / "other", "--json")  # fmt: skip

    assert shown["vkey"].startswith("example.com/log+")
    assert made.json["vkey"].startswith("b.example.com+")
    again = Line(line.capture)("keys", "init", "--origin", "b", "--directory", tmp_path / "other")
    assert again.code == Exit.REFUSED


def test_policies_are_linted(line: Line, tmp_path: Path) -> None:
    """As written there is nothing to say; a file that does not load is a no with its place."""
    assert line("policy", "lint").code == Exit.OK
    (tmp_path / "policies" / "bad.yaml").write_text("policy: bad\nextend: default\n")

    ended = line("policy", "lint")

    assert ended.code == Exit.NO
    assert "bad.yaml:2:1" in ended.err
    assert "did you mean 'extends'" in ended.err


def test_a_policy_with_an_error_of_lint_is_a_no(line: Line, tmp_path: Path) -> None:
    """What loads and must not become active is exit code 1, with its code."""
    (tmp_path / "policies" / "rash.yaml").write_text(
        "policy: rash\nextends: default\nrole: [x]\nstages:\n"
        "  destroy: {at: access_end + 90d, approvals: 0}\n"
    )

    ended = line("policy", "lint", "--json")

    assert ended.code == Exit.NO
    assert [found["code"] for found in ended.json["findings"]] == ["destroy-unapproved"]


def test_explain_says_why_and_why_not(line: Line) -> None:
    """The policy that governs, and a reason for each that does not."""
    ended = line("policy", "explain", "E-1", "--employee-number", "1", "--role-key", "developer",
                 "--json")  # fmt: skip

    assert ended.json["policy"] == "engineering"
    assert "contractor" in ended.json["rejected"]


def test_connectors_show_a_card(line: Line) -> None:
    """The card names kinds, rights and what it cannot see; a stranger is exit code 4."""
    card = line("connectors", "show", "directory", "--json").json

    assert {support["kind"] for support in card["supports"]} >= {"credential.ssh_key"}
    assert "rights needed" in line("connectors", "show", "directory").out
    assert line("connectors", "show", "nobody").code == Exit.UNKNOWN
    assert line("connectors", "list", "--json").json["configured"] == {"directory": "ldap"}
    assert line("connectors", "check", "directory").code == Exit.NO


def test_a_mistyped_escrow_key_is_named_before_anything_starts(line: Line, tmp_path: Path) -> None:
    """Doctor and serve end with 78 and the place in the file; it is no defect of ours."""
    config = tmp_path / "config.yaml"
    text = re.sub(r'escrow: \["age1', 'escrow: ["age1x', config.read_text(encoding="utf-8"))
    config.write_text(text, encoding="utf-8")

    for command in ("doctor", "serve", "plan"):
        ended = line(command, *(["E-1"] if command == "plan" else []))
        assert ended.code == Exit.SETUP
        assert re.search(
            r"config\.yaml:\d+:\d+: 'escrow': escrow key 1 is no age public", ended.err
        )


@pytest.mark.parametrize("kind", ["ldap", "memory"])
def test_a_kind_shows_its_card_before_anything_is_configured(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, kind: str
) -> None:
    """The first look of a new user at what a directory account must be allowed to do."""
    ended = Line(capsys, tmp_path / "no-such.yaml")("connectors", "show", kind, "--json")

    assert ended.code == Exit.OK, ended.err
    assert ended.json["supports"]
    assert "no system" in ended.err


def test_what_is_neither_system_nor_kind_is_unknown(line: Line) -> None:
    """The message lists both kinds of names."""
    ended = line("connectors", "show", "ladp")

    assert ended.code == Exit.UNKNOWN
    assert "directory" in ended.err
    assert "ldap" in ended.err
    assert line("connectors", "show", "directory", "--json").err == ""


def _changed(config: Path, old: str, new: str) -> None:
    text = config.read_text(encoding="utf-8")
    assert old in text
    config.write_text(text.replace(old, new), encoding="utf-8")


def test_doctor_counts_what_begins_when_watching_ends(line: Line, tmp_path: Path) -> None:
    """Before `mode: act` is served, the number of people who would be blocked at once is known."""
    line("terminate", "E-7", "--employee-number", "7", "--immediate")
    line("terminate", "E-8", "--employee-number", "8", "--last-day", "2031-01-31")
    watching = line("doctor", "--json").json
    _changed(tmp_path / "config.yaml", "mode: observe", "mode: act")
    before = sorted((tmp_path / "data").iterdir())

    acting = line("doctor", "--json").json

    assert watching[0]["what"] == "mode observe"
    assert "2 open cases, 1 past" in acting[0]["detail"]
    assert "begin at once" in acting[0]["advice"]
    assert sorted((tmp_path / "data").iterdir()) == before


def test_doctor_sees_a_password_that_others_may_read(line: Line, tmp_path: Path) -> None:
    """The passwords of the directory are secrets like the keys are."""
    for name, mode in (("directory-act-password", 0o640), ("directory-verify-password", 0o600)):
        (tmp_path / "secrets" / name).write_text("secret\n")
        (tmp_path / "secrets" / name).chmod(mode)

    found = {check["what"]: check for check in line("doctor", "--json").json
             if check["area"] == "secrets"}  # fmt: skip

    assert not found["systems.directory.settings.act.password"]["holds"]
    assert "chmod 600" in found["systems.directory.settings.act.password"]["advice"]
    assert found["systems.directory.settings.verify.password"]["holds"]


def test_doctor_sees_a_folder_that_is_no_disk(line: Line, tmp_path: Path) -> None:
    """Root may write anywhere, but nothing is kept below /proc."""
    _changed(tmp_path / "config.yaml", f'data_directory: "{tmp_path}/data"',
             'data_directory: "/proc/deprovisioner"')  # fmt: skip

    found = line("doctor", "--json").json

    data = next(check for check in found if (check["area"], check["what"]) == ("folders", "data"))
    assert not data["holds"]
