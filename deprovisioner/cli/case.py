"""``deprovisioner case``: look at cases and decide about them. Every answer is the daemon's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer
from rich.console import Console
from rich.live import Live

from connectors.contract import Stage
from deprovisioner.cli import tables
from deprovisioner.cli.exits import Exit
from deprovisioner.cli.naming import CaseId, found
from deprovisioner.cli.shapes import CasePage, PlacedHold
from deprovisioner.cli.shell import OPERATOR, Shell, command, console, group
from deprovisioner.progress import Teller, picture
from reconcile.case import FINAL
from reconcile.views import CaseView

app = group("Look at cases and decide about them.")
_LOOK: Final = 0.5


@command(app, "list")
def list_cases(
    shell: Shell,
    *,
    open_only: Annotated[
        bool, typer.Option("--open", help="Only cases that are not final.")
    ] = False,
    employment: Annotated[str, typer.Option(help="Only cases of one employment.")] = "",
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1, max=500)] = 100,
) -> None:
    """List cases, newest first."""
    with shell.door(OPERATOR) as api:
        query: dict[str, Any] = {"open_only": open_only, "limit": limit}
        page = api.get("/v1/cases", CasePage, **query, employment_id=employment)
    shell.say(page, lambda screen: tables.cases(screen, page["cases"]))


@command(app)
def show(shell: Shell, case: CaseId) -> Exit:
    """Show everything about a case. Exit code 1 while it is not closed."""
    from deprovisioner.wiring import utc_now  # noqa: PLC0415 - costs half a second

    with shell.door(OPERATOR) as api:
        view = api.get(f"/v1/cases/{found(api, case)}", CaseView)
    shell.say(view, lambda screen: tables.case(screen, view, utc_now()))
    return _verdict(view)


@command(app)
def watch(
    shell: Shell,
    case: Annotated[
        str, typer.Argument(help="A case or employment id; the newest if left out.")
    ] = "",
) -> Exit:
    """Follow a case until it is final. Exit code 0 when it closed, 1 when it was rescinded.

    On a terminal it is a live picture; elsewhere one line for each piece of news; with --json the
    last view.
    """
    with shell.door(OPERATOR) as api:
        case_id = found(api, case)
        with _display(shell) as show_view:
            while True:
                view = api.get(f"/v1/cases/{case_id}", CaseView)
                show_view(view)
                if view.summary.state in FINAL:
                    break
                time.sleep(_LOOK)
    if shell.as_json:
        shell.done(view, "")
    return _verdict(view)


@contextmanager
def _display(shell: Shell) -> Iterator[Callable[[CaseView], None]]:
    if shell.as_json:
        yield lambda _view: None
        return
    from deprovisioner.wiring import utc_now  # noqa: PLC0415 - costs half a second

    screen = console()
    if not screen.is_terminal:
        teller = Teller()
        yield lambda view: _tell(screen, teller, view)
        return
    with Live(console=screen, auto_refresh=False) as live:
        yield lambda view: live.update(picture(view, utc_now()), refresh=True)


def _tell(screen: Console, teller: Teller, view: CaseView) -> None:
    for line in teller.news(view):
        screen.print(line, soft_wrap=True)


@command(app)
def hold(
    shell: Shell,
    case: CaseId,
    reason: Annotated[str, typer.Option(help="Why; it stands in the evidence.")],
) -> None:
    """Stop every write of a case until somebody releases it."""
    with shell.door(OPERATOR) as api:
        path = f"/v1/cases/{found(api, case)}/holds"
        held = api.post(path, {"reason": reason}, PlacedHold)
    shell.done(held, f"held: {held['hold_id']}")


@command(app)
def release(
    shell: Shell,
    case: CaseId,
    hold_id: Annotated[str, typer.Argument(metavar="HOLD", help="The id of the hold.")],
    plan: Annotated[str, typer.Option(help="The plan hash that you saw in 'case show'.")],
) -> None:
    """Release a hold, bound to the plan that you looked at. Needs your own token.

    A tripped brake needs two different people.
    """
    with shell.door() as api:
        case_id = found(api, case)
        path = f"/v1/cases/{case_id}/holds/{quote(hold_id, safe='/')}/release"
        api.command(path, {"bound_to": plan})
        view = api.get(f"/v1/cases/{case_id}", CaseView)
    mine = next((each for each in view.holds if each.id == hold_id), None)
    left = mine.needs - len(mine.released_by) if mine and not mine.released else 0
    said = f"noted; {left} more must release it" if left > 0 else "released"
    shell.done({"hold": hold_id, "missing": max(left, 0)}, said)


@command(app)
def approve(
    shell: Shell,
    case: CaseId,
    stage: Annotated[Stage, typer.Argument(help="The stage.")],
    plan: Annotated[str, typer.Option(help="The plan hash that you saw in 'case show'.")],
) -> None:
    """Approve a stage for exactly the plan that you looked at. Needs your own token."""
    with shell.door() as api:
        path = f"/v1/cases/{found(api, case)}/approvals"
        api.command(path, {"stage": stage.value, "bound_to": plan})
    shell.done({"approved": stage.value}, f"approved: {stage.value}")


@command(app)
def retry(
    shell: Shell,
    case: CaseId,
    operation: Annotated[int, typer.Argument(help="Its number in 'case show'.", min=0)],
) -> None:
    """Try an operation again at once instead of waiting."""
    with shell.door(OPERATOR) as api:
        api.command(f"/v1/cases/{found(api, case)}/operations/{operation}/retry")
    shell.done({"retried": operation}, "it is tried again now")


@command(app)
def answer(
    shell: Shell,
    case: CaseId,
    question: Annotated[str, typer.Argument(help="The id of the question or duty.")],
    said: Annotated[str, typer.Argument(metavar="ANSWER", help="One of its answers.")],
) -> None:
    """Answer a question, or confirm with 'done' that a duty was done."""
    with shell.door(OPERATOR) as api:
        path = f"/v1/cases/{found(api, case)}/questions/{quote(question, safe='/')}"
        api.command(path, {"answer": said})
    shell.done({"answered": question}, "answered")


def _verdict(view: CaseView) -> Exit:
    return Exit.OK if view.summary.state == "closed" else Exit.NO
