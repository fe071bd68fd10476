"""``deprovisioner rescind``: take a termination back, through the same door as HR's own word."""

from __future__ import annotations

from deprovisioner.cli.exits import Exit
from deprovisioner.cli.shell import Shell, command, single
from deprovisioner.cli.subject import Employment, checked, subject
from deprovisioner.cli.terminate import send
from deprovisioner.intake.canonical import PersonData

app = single()


@command(app)
def rescind(shell: Shell, employment: Employment) -> Exit:
    """Stop the open case of an employment.

    Nothing more is written. What was blocked already is put back only after somebody answers the
    question that asks for it; it never comes back silently. Exit code 1 when there is no open case.
    """
    person = checked(PersonData, {"subject": subject(employment, "", "", "")})
    accepted = send(shell, person, "rescinded")
    if accepted.case_id is None:
        shell.done(accepted, "there is no open case of this employment; the word was kept")
        return Exit.NO
    shell.done(accepted, f"rescinded: {accepted.case_id}")
    return Exit.OK
