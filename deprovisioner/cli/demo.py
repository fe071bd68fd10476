"""``deprovisioner demo``: the whole of it in half a minute, without root and without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deprovisioner.cli.exits import CommandFailed, Exit
from deprovisioner.cli.shell import Shell, command, console, single
from deprovisioner.demo.daemon_process import DaemonFailed
from deprovisioner.demo.running import Options, Outcome, as_json, run
from deprovisioner.demo.telling import Telling
from deprovisioner.sandbox.openldap import SlapdError
from deprovisioner.sandbox.running import DirectoryKind

app = single()


@command(app)
def demo(
    shell: Shell,
    directory: Annotated[
        DirectoryKind, typer.Option(help="Who plays the directory: our fake, or a real OpenLDAP.")
    ] = DirectoryKind.FAKE,
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("demo-out"),
    seed: Annotated[int, typer.Option(help="Draws other people for the company.", min=0)] = 1,
) -> Exit:
    """Run one termination in a pretend company of 300 people, from a signed HR event to 100 %.

    Starts a directory, an Active Directory domain, an Entra tenant (where the extra `entra` is
    installed), an HR system and the daemon on loopback, in a temporary folder. Leaves
    summary.json, report.html, bundle.zip, policy.yaml and daemon.log. The people who answer
    questions are scripted. Exit code 0 only when the case closed at 100 %, the bundle verified
    with the standalone verifier, and a look past the connector finds the leaver out.
    """
    screen = console(error=shell.as_json)
    try:
        outcome = run(Options(directory, out, seed), Telling(screen, quiet=shell.as_json))
    except (DaemonFailed, SlapdError) as error:
        raise CommandFailed(Exit.UNAVAILABLE, str(error), f"see {out / 'daemon.log'}") from error
    except OSError as error:
        message = f"cannot write below {out}: {error.strerror}"
        raise CommandFailed(Exit.UNREADABLE, message, "name another folder with --out") from error
    if shell.as_json:
        typer.echo(as_json(outcome))
    else:
        _conclusion(outcome, screen)
    return Exit.OK if outcome.good else Exit.NO


def _conclusion(outcome: Outcome, screen: Console) -> None:
    said, closure = outcome.summary, outcome.summary["closure"]
    screen.print()
    screen.print(
        f"Case {said['case_id']} is {said['state']} at {closure['percent']} % "
        f"({closure['passed']} of {closure['checks']} checks).", soft_wrap=True,
    )  # fmt: skip
    by_system = ", ".join(f"{name} {took:.2f} s" for name, took in outcome.contained.items())
    for name, words in (("contained", f" ({by_system})"), ("closed", "")):
        seconds = said["seconds"][f"accepted_to_{name}"]
        if seconds is not None:
            screen.print(f"  {name} after {seconds:.2f} s{words}", soft_wrap=True)
    screen.print("A look into every system, past the connectors:")
    for look in outcome.looks:
        mark = "ok " if look.holds else "NOT"
        screen.print(f"  {mark}  {look.what}: {look.seen}", soft_wrap=True)
    screen.print("The standalone verifier, in an interpreter of its own:")
    for line in outcome.verdict.words.splitlines():
        screen.print(f"  {line}", soft_wrap=True)
    screen.print("Check it yourself, as an auditor would (the key was noted when it was made):")
    screen.print(f"  {outcome.verdict.command}", soft_wrap=True)
    screen.print(f"Read {said['report']} in a browser.")
