"""The report: everything on one page, nothing fetched, nothing of a person's text run as code."""

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

from deprovisioner import report
from reconcile.case import CaseState
from reconcile.views import (
    BackupView,
    CaseSummary,
    CaseView,
    CheckView,
    ClockView,
    HoldingView,
    HoldView,
    OperationView,
    QuestionView,
    RecordView,
    SurveyView,
)

AT = datetime(2026, 12, 18, 16, 0, tzinfo=UTC)
NOW = AT + timedelta(hours=1)
VIEW = CaseView(
    summary=CaseSummary(
        id="C-1", employment_id="E-1042", state=CaseState.CLOSED, access_end=AT, opened_at=AT,
        closed_at=AT + timedelta(seconds=8), checks=3, passed=3, percent=100, open_questions=0,
    ),
    person_name="林悦", immediate=False, time_zone="Asia/Shanghai",
    access_end_basis="end_of_last_working_day", explanation="End of the last working day.",
    policy_name="default", policy_hash="ab" * 32, plan_hash="cd" * 32,
    contained_at=AT + timedelta(seconds=1), rescinded_at=None,
    operations=(
        OperationView(9, "directory", "destroy", "todo", 0, 0, AT + timedelta(days=90),
                      "waits for 2 more approval(s)", "", None, None, {}),
    ),
    holdings=(
        HoldingView(1, "directory", "account.person", "yue.lin", "contained", "contained",
                    "default.yaml:22", False, True, "contain: done", "", None),
        HoldingView(2, "directory", "credential.kerberos", "Kerberos principal", "gone", "gone",
                    "default.yaml:29", False, True, "revoke: done", "tickets stay",
                    AT + timedelta(hours=10)),
        HoldingView(3, "directory", "ownership.group", "owner of x", "gone", "gone",
                    "default.yaml:35", True, False, "transfer: already", "", None),
    ),
    questions=(
        QuestionView("duty/1", "duty", "directory", "session", "Close open connections.", AT,
                     AT + timedelta(days=2), ("done",), "done", "Kim Example", AT),
    ),
    holds=(),
    checks=(
        CheckView("holding as wanted", "directory", "1", True, ""),
        CheckView("holding as wanted", "directory", "2", True, ""),
        CheckView("holding as wanted", "directory", "3", True, ""),
    ),
    surveys=(
        SurveyView("directory", "verify_first", AT, "verify", True, True, "", 1, 2, ()),
        SurveyView("directory", "verify_second", AT, "verify", True, True, "", 1, 2, ()),
    ),
    backups=(BackupView("directory", "directory/entry.ldif", 2149, "ee" * 32, AT),),
    approvals=(("destroy", "Pat Example", AT),),
    excluded=(("legacy-erp", "read-only archive"),),
    hr_outcome="ended", hr_read_at=AT, records=4, records_published=True,
    residual=(
        ClockView("forge", "unknown", "cut short", None, None, "", "none", ("credential.ssh_key",)),
        ClockView("directory", "dated", "runs out by itself", AT + timedelta(hours=10), 2,
                  "credential.kerberos", "confirmed", ()),
    ),
)  # fmt: skip


def effect(seq: int, holding: int, stage: str, outcome: str) -> RecordView:
    """A record of one change."""
    control: dict[str, object] = {"holding": holding, "stage": stage, "outcome": outcome}
    return RecordView(seq, "effect.recorded", AT, control)


RECORDS = (
    effect(1, 1, "contain", "done"),
    effect(2, 2, "contain", "done"),
    effect(3, 2, "revoke", "done"),
    effect(4, 3, "transfer", "already"),
)
EVIDENCE = report.Evidence(
    origin="example.com/log", size=56, root="aa" * 32, vkey="example.com/log+0badcafe+AAAA",
    fingerprint="0123 4567", records=4, erased=0, closed=True, trusted=True,
    anchored_by="nobody outside this organisation",
)  # fmt: skip


class Reader(HTMLParser):
    """Collects tags and the text that a person sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "br", "img", "hr"}:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag, f"{tag} closes what is not open"

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] not in {"style", "title"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        """The visible text, with single spaces."""
        return " ".join(" ".join(self.words).split())


def read(view: CaseView = VIEW, evidence: report.Evidence | None = EVIDENCE) -> Reader:
    """Build a page and read it; a page whose tags do not match fails."""
    reader = Reader(report.build(view, RECORDS, evidence, NOW))
    assert reader.stack == []
    return reader


def test_it_says_who_what_when_and_by_what_right() -> None:
    """Person, outcome, both ways of writing an instant, zone, policy, HR's word."""
    text = read().text

    for words in (
        "林悦 E-1042",
        "Closed: every one of 3 checks passed.",
        "Asia/Shanghai",
        "Sat 19 Dec 2026, 00:00:00",
        "2026-12-18 16:00:00 UTC",
        "Policy default governed",
        "said ended",
        "8.0 s after the event",
    ):
        assert words in text


def test_done_and_found_done_are_different_words() -> None:
    """What we changed and what we found so already are counted and said apart (Law 6)."""
    text = read().text

    assert "3 changed by us" in text
    assert "1 found done" in text
    assert "handed over: found done" in text
    assert "blocked: done by us taken away: done by us" in text


def test_what_stays_behind_is_said() -> None:
    """Residual access, what cannot be undone, what is not in the backup, what is still to come."""
    text = read().text

    assert "directory until Sat 19 Dec 2026, 10:00:00 at the latest" in text
    assert "(runs out by itself; taken, and seen so)" in text
    assert "forge not known (cut short)" in text
    assert "Not seen by this connector: SSH key" in text
    assert "cannot be undone: tickets stay" in text
    assert "nobody else had it" in text
    assert "not in the backup" in text
    assert "deleted from Fri 19 Mar 2027" in text


def test_how_we_know_is_said() -> None:
    """Both closing reads with credential and canary, the duty and who confirmed it, exclusions."""
    text = read().text

    assert "1st closing read" in text
    assert "2nd closing read" in text
    assert "Close open connections. done Kim Example" in text
    assert "legacy-erp read-only archive" in text
    assert "Pat Example approved destroy" in text


def test_how_to_check_it_without_us_is_said() -> None:
    """The command with the key, the fingerprint, and the honest line about anchors."""
    text = read().text

    assert "python3 -I bundle/verify.py bundle.zip --key example.com/log+0badcafe+AAAA" in text
    assert "0123 4567" in text
    assert "Anchored by nobody outside this organisation" in text
    assert "A page proves nothing; the bundle does." in text
    assert "the one inside the bundle" not in text
    assert "the one inside the bundle" in read(evidence=replace(EVIDENCE, trusted=False)).text


def test_nothing_is_fetched_and_nothing_runs() -> None:
    """No script, no address, no image; the policy of the page allows its one style sheet only."""
    page = report.build(VIEW, RECORDS, EVIDENCE, NOW)
    reader = Reader(page)

    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(sha256(style[1].encode()).digest()).decode()
    policies = [
        attributes["content"] or ""
        for tag, attributes in reader.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert len(policies) == 1
    assert policies[0].startswith("default-src 'none'")
    assert f"'sha256-{digest}'" in policies[0]
    assert {"script", "img", "link", "iframe", "form", "object"} & {
        t for t, _ in reader.tags
    } == set()
    fetching = {"src", "href", "style", "onload", "onclick", "action"}
    assert [a for _, attributes in reader.tags for a in attributes if a in fetching] == []
    assert re.search(r"https?://|@import|url\(", page) is None


def test_names_are_text_whatever_they_hold() -> None:
    """A person, group or answer that looks like markup is shown, never obeyed."""
    wicked = "<script>alert(1)</script>&\"'"
    changes: dict[str, Any] = {
        "person_name": wicked,
        "holdings": (replace(VIEW.holdings[0], label=wicked),),
        "questions": (replace(VIEW.questions[0], answered_by=wicked, words=wicked),),
        "excluded": ((wicked, wicked),),
    }

    reader = read(replace(VIEW, **changes))

    assert "script" not in {tag for tag, _ in reader.tags}
    assert reader.text.count("alert(1)") >= len(changes)


def test_an_open_case_says_so_first() -> None:
    """Open checks, a blind read, an open question, a standing hold: each is said, none is green."""
    summary = replace(
        VIEW.summary, state=CaseState.HELD, closed_at=None, passed=2, percent=66, open_questions=1
    )
    hold = HoldView(
        "brake/1", "brake", "more than 10 people in a day", "", "guard", AT, (), 2, False
    )
    view = replace(
        VIEW,
        summary=summary,
        contained_at=None,
        checks=(*VIEW.checks[:2], replace(VIEW.checks[2], passed=False, why="it is live")),
        surveys=(replace(VIEW.surveys[0], canary=False, blind="the canary was not seen"),),
        questions=(replace(VIEW.questions[0], answer="", answered_by="", answered_at=None),),
        holds=(hold,),
    )

    text = read(view, evidence=None).text

    assert "OPEN: 1 of 3 checks have not passed yet." in text
    assert "Closed" not in text
    assert "it is live" in text
    assert "blind: the canary was not seen" in text
    assert "open, until" in text
    assert "Not released; 2 people are needed" in text
    assert "not published yet" in text


def test_an_empty_case_is_no_success() -> None:
    """With nothing surveyed the page says that nothing was read, not that all is gone."""
    summary = replace(VIEW.summary, state=CaseState.RECEIVED, closed_at=None, checks=0, passed=0)
    view = replace(
        VIEW, summary=summary, holdings=(), surveys=(), questions=(), backups=(), checks=(),
        operations=(), approvals=(), contained_at=None, hr_outcome="", hr_read_at=None,
    )  # fmt: skip

    text = read(view, evidence=None).text

    assert "OPEN: nothing was checked yet." in text
    assert "Nothing was read yet." in text
    assert "No holding was found." in text
    assert "Closed" not in text
