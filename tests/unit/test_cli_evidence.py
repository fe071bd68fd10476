"""`evidence verify` on any machine: what it accepts, what it refuses, and with which exit code."""

from pathlib import Path

import pytest

from deprovisioner.cli.exits import Exit
from reconcile.evidence import standalone
from tests.support.command_line import Line
from tests.support.evidence import CASE, KEY, chain, written

VKEY = str(KEY.verifier)


@pytest.fixture
def line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Line:
    """Commands whose configuration does not exist: verifying must not need one."""
    return Line(capsys, tmp_path / "no-such-config.yaml")


def test_a_good_bundle_verifies(line: Line, tmp_path: Path) -> None:
    """With the log's key the answer is yes, and says what was proven."""
    ended = line("evidence", "verify", written(tmp_path / "b.zip"), "--key", VKEY, "--json")

    assert ended.code == Exit.OK
    assert ended.json["verified"]
    assert ended.json["trusted"]
    assert ended.json["case"] == CASE
    assert ended.err == ""


def test_without_a_key_nothing_is_verified(
    line: Line, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The key inside proves only that the bundle agrees with itself: exit code 1 and a warning.

    Whoever says that this is enough gets 0. Both verifiers answer alike.
    """
    bundle = written(tmp_path / "b.zip")
    ended = line("evidence", "verify", bundle)
    as_json = line("evidence", "verify", bundle, "--json")
    enough = line("evidence", "verify", bundle, "--trust-bundled-key")
    capsys.readouterr()
    alone = standalone.main([str(bundle)])
    said = capsys.readouterr().out

    assert (ended.code, as_json.code, enough.code) == (Exit.NO, Exit.NO, Exit.OK)
    assert not as_json.json["verified"]
    for out in (ended.out, enough.out, said):
        assert "CONSISTENT WITH ITSELF ONLY" in out
        assert "VERIFIED" not in out.splitlines()
    assert "another road" in ended.err
    assert "another road" in said
    assert alone == Exit.NO
    assert standalone.main([str(bundle), "--trust-bundled-key"]) == Exit.OK
    assert standalone.main([str(bundle), "--key", VKEY]) == Exit.OK


def test_a_changed_bundle_is_refused(line: Line, tmp_path: Path) -> None:
    """One changed byte inside a record: exit code 1, no word of success."""
    bundle = written(tmp_path / "b.zip")
    bundle.write_bytes(bundle.read_bytes().replace(b'"done"', b'"DONE"', 1))

    ended = line("evidence", "verify", bundle, "--key", VKEY)

    assert ended.code in {Exit.NO, Exit.UNREADABLE}  # the zip's own checksum may speak first
    assert ended.out == ""


def test_an_open_chain_is_not_a_closed_case(line: Line, tmp_path: Path) -> None:
    """A case that is still open is accepted only when that is asked for."""
    bundle = written(tmp_path / "b.zip", chain(("case.opened", "account.contained")))

    refused = line("evidence", "verify", bundle, "--key", VKEY)
    accepted = line("evidence", "verify", bundle, "--key", VKEY, "--open")

    assert refused.code == Exit.NO
    assert "NOT VERIFIED" in refused.err
    assert accepted.code == Exit.OK
    assert "STILL OPEN" in accepted.out


@pytest.mark.parametrize("content", [None, b"", b"no zip at all"])
def test_what_cannot_be_read_is_another_answer(
    line: Line, tmp_path: Path, content: bytes | None
) -> None:
    """Missing, empty or no zip: exit code 2, which is neither yes nor no."""
    bundle = tmp_path / "b.zip"
    if content is not None:
        bundle.write_bytes(content)

    assert line("evidence", "verify", bundle, "--key", VKEY).code == Exit.UNREADABLE


def test_another_logs_key_does_not_verify(line: Line, tmp_path: Path) -> None:
    """A key of the right form that is not this log's: exit code 1. No key at all: 2."""
    bundle = written(tmp_path / "b.zip")
    other = type(KEY)(KEY.name, bytes(32)).verifier

    assert line("evidence", "verify", bundle, "--key", str(other)).code == Exit.NO
    assert line("evidence", "verify", bundle, "--key", "nonsense").code == Exit.UNREADABLE
