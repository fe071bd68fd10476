"""``deprovisioner correlate``: the queue of accounts that wait for a person, worked off by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from config.load import load
from connectors.contract import Account, AccountKind
from deprovisioner.cli.exits import Exit
from deprovisioner.wiring import open_house
from reconcile.correlate import Reason, Standing, Verdict
from reconcile.store.account_rows import store_accounts
from reconcile.store.case_file import open_file
from tests.support.command_line import Line

if TYPE_CHECKING:
    from pathlib import Path

SYSTEM = "corporate-directory"
FOUND = (
    Verdict(Account(SYSTEM, "id/1", "adm-lver", AccountKind.ADMIN, "pattern adm-{login}", 40),
            Standing.CANDIDATE),
    Verdict(Account(SYSTEM, "id-2", "lea.ver", AccountKind.PERSON, "mail", 60),
            Standing.CANDIDATE),
    Verdict(Account(SYSTEM, "id-3", "lver", AccountKind.PERSON, "login", 20),
            Standing.REJECTED, Reason.ANOTHERS_NUMBER),
)  # fmt: skip


@pytest.fixture
def line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Line:
    """An installation with one case, for which a survey found three accounts."""
    made = Line(capsys)("init", "--directory", tmp_path, "--origin", "example.com/log", "--json")
    assert made.code == Exit.OK, made.err
    line = Line(capsys, tmp_path / "config.yaml")
    opened = line("terminate", "E-7", "--employee-number", "7", "--immediate", "--json")
    assert opened.code == Exit.OK, opened.err
    with (
        open_house(load(tmp_path / "config.yaml"), at_rest=True) as house,
        house.database.begin() as connection,
    ):
        case_id = opened.json["case_id"]
        file = open_file(connection, case_id, house.archive, house.estate.clock())
        store_accounts(file, SYSTEM, FOUND)
    return line


def test_the_queue_shows_the_likeliest_first(line: Line) -> None:
    """Exit code 1 while somebody waits; the rejected one is shown only when asked for."""
    queue = line("correlate", "list", "--json")
    of_case = line("correlate", "list", "E-7", "--all", "--json")
    text = line("correlate", "list", "E-7", "--all").out

    assert queue.code == Exit.NO
    assert [each["native_id"] for each in queue.json] == ["id-2", "id/1"]
    assert queue.json[1]["rule"] == "pattern adm-{login}"
    assert {each["native_id"] for each in of_case.json} == {"id/1", "id-2", "id-3"}
    assert "adm-lver" in text
    assert "another person" in " ".join(text.split())


def test_words_are_kept_and_empty_the_queue(line: Line) -> None:
    """Approve one, hand one over, take the rule's rejection back; who said it stands there."""
    approved = line("correlate", "approve", "E-7", SYSTEM, "id/1", "--why", "asked her", "--json")
    service = line("correlate", "approve", "E-7", SYSTEM, "id-2", "--service")
    rejected = line("correlate", "reject", "E-7", SYSTEM, "id-3", "--why", "a namesake")
    rest = line("correlate", "list")
    known = line("correlate", "list", "E-7", "--all", "--json")

    assert (approved.code, approved.json["answer"]) == (Exit.OK, "accept")
    assert (service.code, service.out.strip()) == (Exit.OK, "noted: theirs to hand over")
    assert (rejected.code, rejected.out.strip()) == (Exit.OK, "noted: not theirs")
    assert (rest.code, rest.out.strip()) == (Exit.OK, "no account waits for a person")
    assert known.code == Exit.OK
    said = {each["native_id"]: (each["decision"], each["kind"]) for each in known.json}
    assert said == {
        "id/1": ("accepted", "admin"),
        "id-2": ("service", "service"),
        "id-3": ("rejected", "person"),
    }
    assert all(each["decided_by"].startswith("local/") for each in known.json)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("approve", "E-7", SYSTEM, "nobody"), Exit.UNKNOWN),
        (("reject", "E-7", "elsewhere", "id-2"), Exit.UNKNOWN),
        (("approve", "E-none", SYSTEM, "id-2"), Exit.UNKNOWN),
        (("list", "E-none"), Exit.UNKNOWN),
        (("approve", "E-7"), Exit.UNREADABLE),
    ],
)
def test_what_is_not_there_is_said(line: Line, words: tuple[str, ...], code: Exit) -> None:
    """One message on standard error, nothing on standard output, and nothing is decided."""
    ended = line("correlate", *words, "--json")
    assert (ended.code, ended.out) == (code, "")
    assert len(line("correlate", "list", "--json").json) == 2


def test_who_may_only_read_decides_nothing(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """An auditor sees the queue; saying whose an account is needs the right to act."""
    token = line("token", "issue", "ada", "--role", "auditor").out.strip()
    monkeypatch.setenv("DEPROVISIONER_TOKEN", token)
    assert line("correlate", "list").code == Exit.NO
    ended = line("correlate", "approve", "E-7", SYSTEM, "id-2", "--json")
    assert ended.code == Exit.DENIED
    assert json.loads(ended.err)["advice"]


def test_the_report_shows_who_was_looked_at_and_left_alone(line: Line, tmp_path: Path) -> None:
    """The page names each account with its rule, and the reason of a rejection."""
    page = tmp_path / "report.html"
    ended = line("report", "person", "E-7", "--out", page)
    assert ended.code in {Exit.OK, Exit.NO}, ended.err
    html = page.read_text(encoding="utf-8")
    assert "Whose account is whose" in html
    assert "pattern adm-{login}" in html
    assert "it carries another person&#39;s HR number" in html
