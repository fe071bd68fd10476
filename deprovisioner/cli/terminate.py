"""``deprovisioner terminate``: by hand what HR does by webhook, through the same door."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from deprovisioner.api.terminations import Accepted
from deprovisioner.cli import tables
from deprovisioner.cli.exits import CommandFailed, Exit
from deprovisioner.cli.person import as_known, check_searchable
from deprovisioner.cli.shell import OPERATOR, Shell, command, single
from deprovisioner.cli.subject import (
    Email,
    Employment,
    LastDay,
    Name,
    Number,
    Successor,
    TimeZone,
    checked,
)
from deprovisioner.intake.canonical import PersonData, TerminationData, compose
from deprovisioner.wiring import Origins
from reconcile.views import Preview

SOURCE: Final = "urn:hr:command-line"
app = single()


@command(app)
def terminate(  # noqa: PLR0913 - one argument per option
    shell: Shell,
    employment: Employment,
    *,
    immediate: Annotated[
        bool, typer.Option("--immediate", help="Block now, whatever the dates.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would happen; send nothing.")
    ] = False,
    last_day: LastDay = None,
    time_zone: TimeZone = "",
    successor: Successor = "",
    employee_number: Number = "",
    email: Email = "",
    name: Name = "",
) -> None:
    """Open the case of an employment, or change the dates of an open one.

    What is not said here is asked of HR, where one is configured. Without --last-day and
    --immediate the dates are HR's.
    """
    person = as_known(
        shell, employment, number=employee_number, email=email, name=name,
        last_day=last_day, time_zone=time_zone, successor=successor,
    )  # fmt: skip
    if not (immediate or person.dates.last_working_day):
        raise CommandFailed(
            Exit.UNREADABLE,
            "it is not said when access ends, and HR has no date",
            "add --last-day YYYY-MM-DD or --immediate",
        )
    if dry_run:
        _preview(shell, person)
        return
    accepted = send(shell, person, "immediate" if immediate else "scheduled")
    words = {"accepted": "case opened or changed", "duplicate": "already taken",
             "kept": "kept, and nothing changes by it"}  # fmt: skip
    said = words.get(accepted.outcome, accepted.outcome)
    shell.done(accepted, f"{said}: {accepted.case_id or 'no case'}")


def _preview(shell: Shell, person: PersonData) -> None:
    check_searchable(person)
    with shell.door(OPERATOR) as api:
        body = person.model_dump(mode="json", exclude_defaults=True)
        found = api.post("/v1/plan", body, Preview)
    dated = bool(person.dates.last_working_day)
    shell.say(found, lambda screen: tables.preview(screen, found, dated=dated))


def send(shell: Shell, person: PersonData, action: str) -> Accepted:
    """Post an event about a person, in the shape that HR's own have."""
    origins = Origins()
    values: dict[str, Any] = person.model_dump(mode="json", exclude_defaults=True)
    data = checked(TerminationData, {**values, "action": action})
    event = compose(data, source_event_id=origins.new_id(), at=origins.clock(), source=SOURCE)
    with shell.door(OPERATOR) as api:
        return api.deliver(event, Accepted)
