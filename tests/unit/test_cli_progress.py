"""Progress of a case: the picture on a terminal, the lines everywhere else."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from deprovisioner.progress import Teller, clock_words, counted, picture, span
from reconcile.case import CaseState
from reconcile.views import CaseSummary, CaseView, HoldView, OperationView, QuestionView

AT = datetime(2026, 12, 18, 16, 0, tzinfo=UTC)


def operation(seq: int, step: str, **changes: object) -> OperationView:
    """An operation that is to do."""
    plain = OperationView(seq, "directory", step, "todo", 0, 0, None, "", "", None, None, {})
    return replace(plain, **changes)  # type: ignore[arg-type]


def view(**changes: object) -> CaseView:
    """A case that runs."""
    summary = CaseSummary("C-1", "E-1042", CaseState.RUNNING, AT, AT, None, 10, 4, 40, 1)
    plain = CaseView(
        summary=summary, person_name="林悦", immediate=False, time_zone="UTC",
        access_end_basis="x", explanation="x", policy_name="default", policy_hash="a",
        plan_hash="b", contained_at=None, rescinded_at=None,
        operations=(
            operation(1, "survey", state="done"),
            operation(2, "contain", counts={"calling": 2, "done": 3, "already": 1}),
            operation(3, "revoke", waits="its time has not come"),
        ),
        holdings=(), questions=(), holds=(), checks=(), surveys=(), backups=(), approvals=(),
        excluded=(), hr_outcome="", hr_read_at=None, records=1, records_published=False,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


QUESTION = QuestionView(
    "duty/1", "duty", "directory", "x", "Close connections.", AT, AT, ("done",), "", "", None
)
HOLD = HoldView("h", "brake", "too many people", "", "guard", AT, (), 2, False)


def shown(case: CaseView, now: datetime = AT) -> str:
    """What the terminal would show, without colours."""
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    console.print(picture(case, now))
    text = console.file
    assert isinstance(text, io.StringIO)
    return text.getvalue()


def test_the_picture_has_stages_counts_clock_and_questions() -> None:
    """Who, how far, which step works or waits and why, what is asked, what holds it."""
    text = shown(view(questions=(QUESTION,), holds=(HOLD,)), AT + timedelta(seconds=4))

    for words in (
        "林悦 (E-1042)", "running", "40 %", "4 of 10 checks", "ended 4.0 s ago", "open for 4.0 s",
        "✓ done", "▸ works", "3 done, 1 found done, 2 calling", "its time has not come",
        "Close connections.", "(done)", "too many people",
    ):  # fmt: skip
        assert words in text, words


def test_an_error_goes_before_what_is_waited_for() -> None:
    """After a failure the reason stands there; a reason for doing it again is no error."""
    failed = operation(4, "revoke", failures=2, error="busy (ldap:51)", waits="waits after its try")
    again = operation(5, "verify_first", error="a duty was confirmed", waits="revoke is not done")

    text = shown(view(operations=(failed, again)))

    assert "busy (ldap:51)" in text
    assert "revoke is not done" in text
    assert "a duty was confirmed" not in text


def test_the_lines_tell_each_piece_of_news_once() -> None:
    """The same view twice is told once; a change of one operation is one line."""
    teller = Teller()
    first = list(teller.news(view(questions=(QUESTION,), holds=(HOLD,))))
    same = list(teller.news(view(questions=(QUESTION,), holds=(HOLD,))))
    answered = replace(QUESTION, answer="done", answered_by="Kim Example")
    news = list(teller.news(view(questions=(answered,), holds=(replace(HOLD, released=True),))))

    assert len(first) == 6  # the case, three operations, a question, a hold
    assert same == []
    assert news == [
        "question  answered 'done' by Kim Example: Close connections.",
        "hold      released: too many people",
    ]


def test_a_long_name_of_a_system_pushes_the_column_and_nothing_runs_together() -> None:
    """Every line begins with a word of the same width, the longest system and a space."""
    operations = (operation(1, "survey"), operation(2, "contain", system="active-directory"))

    lines = list(Teller().news(view(operations=operations, questions=(QUESTION,))))

    assert lines == [
        "case             running (40 %)",
        "directory        survey waits",
        "active-directory contain waits",
        "question         asked: Close connections.",
    ]


def test_long_words_are_one_line_and_many_questions_are_counted() -> None:
    """A duty with its commands takes a line of the news; of many the picture shows the first."""
    long = "In Exchange Online PowerShell: " + "Set-Mailbox " * 40
    many = tuple(replace(QUESTION, id=f"duty/{number}", words=long) for number in range(12))
    failed = operation(3, "revoke", failures=1, error=long)

    lines = list(Teller().news(view(operations=(failed,), questions=many)))
    text = shown(view(questions=many))

    assert max(len(line) for line in lines) < 160
    assert all(line.endswith(("…", "…)")) for line in lines[1:])
    assert text.count("Exchange Online") == 8
    assert "4 more: case show C-1" in text


def test_done_and_found_done_are_never_added_up() -> None:
    """Counts keep the words apart; a state without a word shows itself."""
    assert counted({"already": 2, "done": 3}) == "3 done, 2 found done"
    assert counted({"strange": 1}) == "1 strange"
    assert counted({}) == ""


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        (timedelta(milliseconds=840), "0.8 s"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(minutes=4, seconds=5), "4 min 5 s"),
        (timedelta(days=2, hours=3, minutes=4), "2 d 3 h"),
    ],
)
def test_lengths_of_time_as_people_say_them(gap: timedelta, words: str) -> None:
    """Two units at most, tenths only below ten seconds."""
    assert span(gap) == words


def test_the_clock_looks_both_ways() -> None:
    """Before the end of access it says how long it is still, afterwards how long ago."""
    assert clock_words(AT, AT - timedelta(hours=2)) == "ends in 2 h"
    assert clock_words(AT, AT + timedelta(hours=2)) == "ended 2 h ago"
