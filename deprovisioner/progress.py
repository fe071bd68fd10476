"""Progress of a case for people: a live picture for a terminal, plain lines for everything else.

Called by `case watch` and the demo with the views that the API gives. Pure: it keeps what it has
shown, reads no clock and speaks to nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from reconcile.facts import HR
from reconcile.views import CaseView, OperationView, QuestionView

STEPS: Final = {
    "confirm": "HR asked",
    "survey": "survey",
    "contain": "contain",
    "preserve": "preserve",
    "transfer": "transfer",
    "revoke": "revoke",
    "verify_first": "1st re-read",
    "verify_second": "2nd re-read",
    "destroy": "destroy",
    "restore": "put back",
}
"""Steps in the order people think of them, in words."""
EFFECTS: Final = {
    "done": "done",
    "already": "found done",
    "pending": "pending",
    "calling": "calling",
    "planned": "planned",
    "refused": "refused",
    "open": "open",
}
"""States of the effect on one holding, in words; "done" and "found done" are never added up."""
_STATES: Final = {"todo": ("· waits", "yellow"), "done": ("✓ done", "green"),
                  "failed": ("✗ gave up", "red"), "works": ("▸ works", "cyan")}  # fmt: skip
_LAST: Final = len(STEPS)
_BAR: Final = 30
_LONGEST_LINE: Final = 110
_MOST_QUESTIONS: Final = 8
_NARROWEST: Final = 10
"""Columns of the word that a line begins with, where no system's name is longer."""


def picture(view: CaseView, now: datetime) -> RenderableType:
    """The whole case on one screen."""
    parts: list[RenderableType] = [_head(view, now), _bar(view), Text(), _operations(view)]
    waiting = [question for question in view.questions if not question.answer]
    if waiting:
        parts += [Text(), *(_question(question) for question in waiting[:_MOST_QUESTIONS])]
        if len(waiting) > _MOST_QUESTIONS:
            more = f"? and {len(waiting) - _MOST_QUESTIONS} more: case show {view.summary.id}"
            parts.append(Text(more, style="bold yellow"))
    held = [hold for hold in view.holds if not hold.released]
    parts += [Text(f"held ({hold.kind}): {hold.reason}", style="bold red") for hold in held]
    return Group(*parts)


def _head(view: CaseView, now: datetime) -> Text:
    case = view.summary
    text = Text()
    text.append(f"{case.id[:14]}…  " if len(case.id) > len("C-0123456789ab") else f"{case.id}  ")
    text.append(f"{view.person_name or case.employment_id} ({case.employment_id})  ", style="bold")
    text.append(case.state.value, style="bold green" if case.state == "closed" else "bold cyan")
    text.append(f"  access {clock_words(case.access_end, now)}")
    text.append(f"  policy {view.policy_name}\n", style="dim")
    text.append(" · ".join(_clock(view, now)), style="dim")
    return text


def _clock(view: CaseView, now: datetime) -> Iterator[str]:
    case = view.summary
    if view.contained_at is not None:
        yield f"blocked everywhere {span(view.contained_at - case.opened_at)} after the event"
    if case.closed_at is not None:
        yield f"closed after {span(case.closed_at - case.opened_at)}"
    else:
        yield f"open for {span(max(now - case.opened_at, timedelta(0)))}"


def clock_words(access_end: datetime, now: datetime) -> str:
    """How far the end of access is from now."""
    gap = access_end - now
    return f"ends in {span(gap)}" if gap > timedelta(0) else f"ended {span(-gap)} ago"


def span(gap: timedelta) -> str:
    """A length of time as people say it: ``2 d 3 h``, ``4 min 5 s``, ``0.8 s``."""
    seconds = gap.total_seconds()
    if seconds < 10:  # noqa: PLR2004 - below ten seconds a tenth is news
        return f"{seconds:.1f} s"
    parts, rest = [], int(seconds)
    for name, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2])


def _bar(view: CaseView) -> Table:
    case = view.summary
    row = Table.grid(padding=(0, 1))
    bar = ProgressBar(
        total=max(case.checks, 1), completed=case.passed, width=_BAR, complete_style="green"
    )
    row.add_row(bar, f"{case.percent} %", f"{case.passed} of {case.checks} checks of closure")
    return row


def _operations(view: CaseView) -> Table:
    table = Table("system", "step", "state", "holdings", "waits for", box=None, pad_edge=False)
    order = {step: number for number, step in enumerate(STEPS)}

    def place(operation: OperationView) -> tuple[bool, str, int]:
        return operation.system != HR, operation.system, order.get(operation.step, _LAST)

    for operation in sorted(view.operations, key=place):
        words, style = _STATES.get(_state(operation), (operation.state, ""))
        table.add_row(
            operation.system,
            STEPS.get(operation.step, operation.step),
            Text(words, style=style),
            counted(operation.counts),
            Text(_why(operation), style="dim", overflow="ellipsis"),
        )
    return table


def _state(operation: OperationView) -> str:
    """An operation that is to do is at work while a call of it is under way."""
    calling = operation.counts.get("calling", 0) + operation.counts.get("pending", 0)
    return "works" if operation.state == "todo" and calling else operation.state


def _why(operation: OperationView) -> str:
    """What it failed with, or else what it waits for."""
    return operation.error if operation.failures else operation.waits


def counted(counts: Mapping[str, int]) -> str:
    """``28 done, 3 found done``: counts of effects, in words."""
    known = [f"{counts[key]} {words}" for key, words in EFFECTS.items() if counts.get(key)]
    other = [f"{number} {key}" for key, number in counts.items() if key not in EFFECTS]
    return ", ".join([*known, *other])


def shortened(words: str) -> str:
    """The beginning of a long text, for one line; the whole is in the case and in the report."""
    return words if len(words) <= _LONGEST_LINE else f"{words[: _LONGEST_LINE - 1].rstrip()}…"


def _question(question: QuestionView) -> Text:
    text = Text(f"? {shortened(question.words)}", style="bold yellow")
    where = f"  [{question.system}] " if question.system else "  "
    choices = " | ".join(question.options) or "a short text"
    text.append(f"{where}{question.id}  ({choices})", style="dim")
    return text


@dataclass(slots=True)
class Teller:
    """Tells what is new since it was last asked, one line each: for pipes, logs and CI."""

    _operations: dict[int, str] = field(default_factory=dict)
    _questions: dict[str, str] = field(default_factory=dict)
    _holds: set[tuple[str, bool]] = field(default_factory=set)
    _state: str = ""

    def news(self, view: CaseView) -> Iterator[str]:
        """Lines about what changed."""
        longest = max((len(operation.system) for operation in view.operations), default=0)
        width = max(longest + 1, _NARROWEST)
        if view.summary.state.value != self._state:
            self._state = view.summary.state.value
            yield f"{'case':<{width}}{self._state} ({view.summary.percent} %)"
        for operation in view.operations:
            line = self._operation(operation, width)
            if self._operations.get(operation.seq) != line:
                self._operations[operation.seq] = line
                yield line
        for question in view.questions:
            if self._questions.get(question.id) != question.answer:
                self._questions[question.id] = question.answer
                by = f" by {question.answered_by}" if question.answered_by else ""
                said = f"answered '{question.answer}'{by}" if question.answer else "asked"
                yield f"{'question':<{width}}{said}: {shortened(question.words)}"
        for hold in view.holds:
            if (hold.id, hold.released) not in self._holds:
                self._holds.add((hold.id, hold.released))
                placed = "released" if hold.released else "placed"
                yield f"{'hold':<{width}}{placed}: {hold.reason}"

    def _operation(self, operation: OperationView, width: int) -> str:
        word = STEPS.get(operation.step, operation.step)
        held = counted(operation.counts)
        state = _STATES.get(_state(operation), (operation.state, ""))[0].partition(" ")[2]
        rest = f": {held}" if held else ""
        failed = operation.failures and operation.error
        error = f" ({shortened(operation.error)})" if failed else ""
        return f"{operation.system:<{width}}{word} {state or operation.state}{rest}{error}"
