"""Builds the page: views and records become rows of words, and the template lays them out."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib.resources import files
from typing import Final

import jinja2

from connectors.contract import HoldingState
from deprovisioner import wording as words
from deprovisioner.progress import span
from deprovisioner.report.evidence import Evidence
from deprovisioner.wording import Clock
from reconcile.case import CaseState
from reconcile.views import CaseView, CheckView, HoldingView, OperationView, RecordView

TEMPLATE: Final = "person.html.j2"
STYLE: Final = "person.css"


@dataclass(frozen=True, slots=True)
class HoldingRow:
    """One holding: what it is, what was wanted, what became of it, and whether that is enough."""

    kind: str
    label: str
    wanted: str
    now: str
    became: tuple[str, ...]
    kept: bool
    good: bool
    sole: bool
    rule: str
    cannot_be_undone: str


@dataclass(frozen=True, slots=True)
class SystemPart:
    """All holdings in one system, with the counts of its headline."""

    name: str
    rows: tuple[HoldingRow, ...]
    counts: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A named instant of the case."""

    what: str
    at: datetime
    after: str = ""


def build(
    view: CaseView, records: Sequence[RecordView], evidence: Evidence | None, now: datetime
) -> str:
    """Return the whole page. ``evidence`` is None while the records are not published."""
    style = _resource(STYLE)
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_resource),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(
        view=view,
        case=view.summary,
        clock=Clock(view.time_zone),
        words=words,
        style=style,
        style_hash=base64.b64encode(sha256(style.encode()).digest()).decode(),
        outcome=_outcome(view),
        open_checks=[check for check in view.checks if not check.passed],
        check_groups=_grouped(view.checks),
        moments=tuple(_moments(view)),
        systems=_systems(view, records),
        counts=_counts(view, records),
        later=[operation for operation in view.operations if _is_later(operation)],
        records=records,
        plainly=_plainly,
        evidence=evidence,
        now=now,
    )


def _resource(name: str) -> str:
    return files("deprovisioner.report").joinpath("templates", name).read_text(encoding="utf-8")


def _outcome(view: CaseView) -> tuple[str, str]:
    """A word for the style, and the sentence that somebody reads first."""
    case = view.summary
    if case.state is CaseState.CLOSED:
        return "closed", f"Closed: every one of {case.checks} checks passed."
    if case.state is CaseState.RESCINDED:
        return "open", "Rescinded: the termination was taken back."
    if not case.checks:
        return "open", "OPEN: nothing was checked yet."
    missing = case.checks - case.passed
    return "open", f"OPEN: {missing} of {case.checks} checks have not passed yet."


def _moments(view: CaseView) -> Iterator[Moment]:
    case = view.summary
    yield Moment("Access ends", case.access_end)
    yield Moment("Event received", case.opened_at)
    for what, at in (
        ("Blocked everywhere", view.contained_at),
        ("Rescinded", view.rescinded_at),
        ("Case closed", case.closed_at),
    ):
        if at is not None:
            yield Moment(what, at, f"{span(at - case.opened_at)} after the event")


def _systems(view: CaseView, records: Sequence[RecordView]) -> tuple[SystemPart, ...]:
    became = _histories(records)
    names = sorted({holding.system for holding in view.holdings})
    parts = []
    for name in names:
        held = [holding for holding in view.holdings if holding.system == name]
        rows = tuple(_row(view, holding, became.get(holding.number, ())) for holding in held)
        parts.append(SystemPart(name, rows, _now_counts(held)))
    return tuple(parts)


def _row(view: CaseView, holding: HoldingView, became: tuple[str, ...]) -> HoldingRow:
    good = any(
        check.name == "holding as wanted" and check.about == str(holding.number) and check.passed
        for check in view.checks
    )
    return HoldingRow(
        kind=words.kind(holding.kind),
        label=holding.label,
        wanted=words.STATES.get(holding.wanted, holding.wanted),
        now=words.STATES.get(holding.state, holding.state),
        became=became,
        kept=holding.preserved,
        good=good,
        sole=holding.sole,
        rule=holding.rule,
        cannot_be_undone=holding.cannot_be_undone,
    )


def _histories(records: Sequence[RecordView]) -> dict[int, tuple[str, ...]]:
    """What evidence says of each holding, in order: ``blocked: done by us``."""
    found: dict[int, tuple[str, ...]] = {}
    for record in records:
        if record.type != "effect.recorded":
            continue
        stage, outcome = str(record.control["stage"]), str(record.control["outcome"])
        line = f"{words.STEPS.get(stage, stage)}: {words.OUTCOMES.get(outcome, outcome)}"
        number = int(str(record.control["holding"]))
        found[number] = (*found.get(number, ()), line)
    return found


def _now_counts(holdings: Sequence[HoldingView]) -> str:
    states = Counter(words.STATES.get(holding.state, holding.state) for holding in holdings)
    kept = sum(holding.preserved for holding in holdings)
    now = ", ".join(f"{number} {state}" for state, number in states.most_common())
    return f"{now}; {kept} in the backup as they were"


def _counts(view: CaseView, records: Sequence[RecordView]) -> tuple[tuple[str, str], ...]:
    """The numbers of the headline; "done by us" and "found done" are never added up (Law 6)."""
    outcomes = Counter(
        str(record.control["outcome"]) for record in records if record.type == "effect.recorded"
    )
    states = Counter(holding.state for holding in view.holdings)
    return (
        (str(len(view.holdings)), "holdings found"),
        (str(states[HoldingState.GONE.value]), "gone"),
        (str(states[HoldingState.CONTAINED.value]), "blocked"),
        (str(outcomes["done"]), "changed by us"),
        (str(outcomes["already"]), "found done"),
        (str(len(view.backups)), "backups read back"),
    )


def _grouped(checks: Sequence[CheckView]) -> tuple[tuple[str, int, int], ...]:
    """Checks by name: how many there are and how many passed."""
    names = dict.fromkeys(check.name for check in checks)
    return tuple(
        (
            name,
            sum(check.name == name for check in checks),
            sum(check.name == name and check.passed for check in checks),
        )
        for name in names
    )


def _is_later(operation: OperationView) -> bool:
    return operation.step == "destroy" and operation.state != "done"


def _plainly(control: dict[str, object]) -> str:
    """The control part of a record on one line, without what every record has."""
    always = {"v", "seq", "case", "prev", "at", "type", "receipt"}
    return ", ".join(
        f"{name} {value}" for name, value in control.items() if name not in always and value != ""
    )
