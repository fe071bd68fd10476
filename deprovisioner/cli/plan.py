"""``deprovisioner plan``: what somebody holds now, and what would happen to it. Changes nothing."""

from __future__ import annotations

from deprovisioner.cli import tables
from deprovisioner.cli.exits import Exit
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
)
from reconcile.views import Preview

app = single()


@command(app)
def plan(
    shell: Shell,
    employment: Employment,
    *,
    employee_number: Number = "",
    email: Email = "",
    name: Name = "",
    last_day: LastDay = None,
    time_zone: TimeZone = "",
    successor: Successor = "",
) -> Exit:
    """Survey every system now, with the credential that cannot write, and show what would happen.

    What is not said here is asked of HR, where one is configured. Exit code 1 when a system could
    not be read, or when nothing is known to search by.
    """
    person = as_known(
        shell, employment, number=employee_number, email=email, name=name,
        last_day=last_day, time_zone=time_zone, successor=successor,
    )  # fmt: skip
    check_searchable(person)
    with shell.door(OPERATOR) as api:
        body = person.model_dump(mode="json", exclude_defaults=True)
        found = api.post("/v1/plan", body, Preview)
    dated = bool(person.dates.last_working_day)
    shell.say(found, lambda screen: tables.preview(screen, found, dated=dated))
    blind = any("blind" in line or "could not be read" in line for line in found.warnings)
    return Exit.NO if blind else Exit.OK
