"""Tables for people: what the commands print when nobody asked for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from connectors.contract import Card, Stage, Support
from deprovisioner.progress import picture, span
from deprovisioner.wording import DECISIONS, REACHES, REASONS, SHORTENINGS, STATES, STEPS, kind
from reconcile.views import (
    AccountView,
    CaseSummary,
    CaseView,
    Preview,
    PreviewAccount,
    PreviewLine,
)

_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_GOOD, _BAD = "green", "bold red"


def plain(*columns: str) -> Table:
    """A table without lines, that folds long words instead of cutting them."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def instant(at: datetime | None) -> str:
    """``2026-11-24 16:00:00Z``; empty for none."""
    return f"{at:%Y-%m-%d %H:%M:%S}Z" if at else ""


def cases(screen: Console, found: Sequence[CaseSummary]) -> None:
    """One line per case."""
    table = plain("case", "employment", "state", "closure", "access end", "questions")
    for case in found:
        table.add_row(
            case.id, case.employment_id, case.state.value,
            f"{case.passed}/{case.checks} ({case.percent} %)", instant(case.access_end),
            str(case.open_questions or ""),
        )  # fmt: skip
    screen.print(table if found else "no cases")


def case(screen: Console, view: CaseView, now: datetime) -> None:
    """Everything that somebody needs in order to decide."""
    screen.print(picture(view, now))
    screen.print()
    screen.print(view.explanation, soft_wrap=True)
    screen.print(f"plan hash  {view.plan_hash}", soft_wrap=True)
    if view.holdings:
        table = plain("no.", "what", "which", "is", "wanted", "last change")
        for held in view.holdings:
            good = any(c.about == str(held.number) and c.passed for c in view.checks)
            now_is = Text(STATES.get(held.state, held.state), style=_GOOD if good else _BAD)
            wanted = STATES.get(held.wanted, held.wanted)
            table.add_row(
                str(held.number), kind(held.kind), held.label, now_is, wanted, held.outcome
            )
        screen.print()
        screen.print(table)
    if view.residual:
        screen.print()
        clocks = plain("what outlives the account", "until", "why", "action that shortens it")
        for each in view.residual:
            what = f"{each.system}: {kind(each.kind)}" if each.kind else each.system
            until = instant(each.until) or REACHES.get(each.reach, each.reach)
            action = SHORTENINGS.get(each.shortening, each.shortening) if each.kind else ""
            clocks.add_row(what, until, each.why, action)
        screen.print(clocks)
    for hold in view.holds:
        state = "released" if hold.released else f"needs {hold.needs or 'configuration'}"
        screen.print(f"hold  {hold.id}  {hold.kind}  {state}: {hold.reason}", soft_wrap=True)
    failed = [check for check in view.checks if not check.passed]
    if failed:
        screen.print()
        screen.print("open because:")
    for check in failed:
        screen.print(f"  {check.name} [{check.system or '-'}]: {check.why}", soft_wrap=True)


def accounts(screen: Console, found: Sequence[AccountView]) -> None:
    """Whose each account is, by which rule or whose word, and why not."""
    table = plain("case", "of", "system", "account", "login", "is", "by", "sure", "stands")
    for each in found:
        words = DECISIONS.get(each.decision, each.decision)
        if each.decided_by:
            words += f" ({each.decided_by})"
        elif each.reason:
            words += f": {REASONS.get(each.reason, each.reason)}"
        table.add_row(
            each.case_id, each.employment_id, each.system, each.native_id, each.login,
            each.kind, each.rule, f"{each.confidence} %", words,
        )  # fmt: skip
    screen.print(table if found else "no account waits for a person")


def preview(screen: Console, plan: Preview, *, dated: bool) -> None:
    """What is held, what would happen when, what cannot be undone."""
    undated = "No last day is known: shown as if access ended now (see --last-day)."
    screen.print(plan.explanation if dated else undated, soft_wrap=True)
    screen.print(f"policy  {plan.policy_name}: {plan.policy_reason}", soft_wrap=True)
    for step, at in _schedule(plan.lines):
        screen.print(f"  {STEPS.get(step, step):<12} {instant(at)}")
    table = plain("system", "what", "which", "will be", "and then is")
    for line in plan.lines:
        alone = " (nobody else has it)" if line.sole else ""
        will = ", ".join(STEPS.get(step, step) for step, _ in line.will)
        table.add_row(
            line.system,
            kind(line.kind),
            line.label + alone,
            will or "left alone",
            STATES.get(line.wanted, line.wanted),
        )
    screen.print()
    screen.print(table if plan.lines else "nothing is held")
    _listed(screen, "cannot be undone:", _lost(plan.lines))
    duties = (f"{kind(line.kind)}: {line.duty}" for line in plan.lines if line.duty)
    _listed(screen, "a person must:", duties)
    _listed(screen, "accounts that are not theirs for sure:", map(_unsure, _not_sure(plan)))
    _listed(screen, "warnings:", plan.warnings)
    _listed(screen, "left out:", (f"{system}: {reason}" for system, reason in plan.excluded))
    if plan.observe:
        screen.print()
        screen.print("Mode is observe: nothing of this would be done until it is 'act'.")


def _not_sure(plan: Preview) -> list[PreviewAccount]:
    return [each for each in plan.accounts if each.standing != "sure"]


def _unsure(account: PreviewAccount) -> str:
    why = REASONS.get(account.reason, account.reason)
    verdict = "would be asked about" if account.standing == "candidate" else "not theirs"
    return (
        f"{account.system}: {account.login} ({account.rule}, {account.confidence} %): {verdict}"
        + (f": {why}" if why else "")
    )


def _schedule(lines: Iterable[PreviewLine]) -> list[tuple[str, datetime | None]]:
    """When each step would begin, in order of time; a stage begins for all its holdings at once."""
    known = dict.fromkeys(step for line in lines for step in line.will)
    order = list(STEPS)
    return sorted(known, key=lambda step: (step[1] or _NEVER, order.index(step[0])))


def _lost(lines: Iterable[PreviewLine]) -> list[str]:
    said = [
        f"{kind(line.kind)}: {line.cannot_be_undone}" for line in lines if line.cannot_be_undone
    ]
    return list(dict.fromkeys(said))


def _listed(screen: Console, title: str, lines: Iterable[str]) -> None:
    said = list(lines)
    if said:
        screen.print()
        screen.print(Text(title, style="bold"))
        for line in said:
            screen.print(f"  - {line}", soft_wrap=True)


def card(screen: Console, name: str, shown: Card) -> None:
    """A capability card: what can be done with each kind, how surely, and what cannot be seen."""
    screen.print(Text(f"{name}: {shown.product}", style="bold"))
    screen.print(f"verified no sooner than {span(shown.settle)} after the last write")
    table = plain(
        "kind", *(stage.value for stage in Stage), "ends", "seen gone", "cannot come back"
    )
    for support in shown.supports:
        marks = ("yes" if stage in support.stages else "-" for stage in Stage)
        table.add_row(
            support.kind, *marks, _strength(support), support.verifies.value, support.not_restorable
        )
    screen.print(table)
    rights = dict.fromkeys(right for support in shown.supports for right in support.rights)
    _listed(screen, "rights needed:", rights)
    _listed(screen, "a person must:", _duties(shown))
    orders = (
        f"{support.kind}: {order.first} before {order.before}: {order.reason}"
        for support in shown.supports
        for order in support.order
    )
    _listed(screen, "another order:", orders)
    _listed(screen, "to know:", shown.notes)


def _duties(shown: Card) -> list[str]:
    by_kind = [f"{support.kind}: {support.duty}" for support in shown.supports if support.duty]
    return by_kind + [f"{gap.kind} ({gap.why}): {gap.duty}" for gap in shown.gaps]


def _strength(support: Support) -> str:
    bound = f" {span(support.revoke_bound)}" if support.revokes == "bounded" else ""
    return f"{support.revokes.value}{bound}"
