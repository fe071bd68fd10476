"""``deprovisioner doctor``: a table of everything that was looked at, with advice."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from deprovisioner import logs
from deprovisioner.cli import tables
from deprovisioner.cli.exits import Exit
from deprovisioner.cli.shell import Shell, command, single
from deprovisioner.doctor import Check, examine
from deprovisioner.wiring import utc_now

app = single()


@command(app)
def doctor(shell: Shell) -> Exit:
    """Prove reachability, rights of both credentials, clock, canary, keys, folders and policies.

    Changes nothing. Exit code 1 when a check fails; a note alone is 0.
    """
    return report_checks(shell, examine(shell.settings(), utc_now))


def report_checks(shell: Shell, checks: Iterable[Check]) -> Exit:
    """Print checks; the exit code is 1 when one of them fails."""
    logs.configure(level="error", console=True)
    found = tuple(checks)
    shell.say(found, lambda screen: _table(screen, found))
    return Exit.OK if all(check.holds for check in found) else Exit.NO


def _table(screen: Console, found: tuple[Check, ...]) -> None:
    table = tables.plain("", "where", "what", "detail", "advice")
    for check in found:
        table.add_row(_mark(check), check.area, check.what, check.detail, check.advice)
    screen.print(table)
    failed = sum(not check.holds for check in found)
    screen.print(f"{len(found)} checks, {failed} failed")


def _mark(check: Check) -> Text:
    if not check.holds:
        return Text("FAIL", style="bold red")
    return Text("note", style="yellow") if check.advice else Text("ok", style="green")
