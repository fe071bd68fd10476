"""``deprovisioner connectors``: which systems there are, and what each can and cannot do."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from connectors import registry
from connectors.contract import Card
from deprovisioner.cli import tables
from deprovisioner.cli.doctor import report_checks
from deprovisioner.cli.exits import CommandFailed, Exit
from deprovisioner.cli.shell import Shell, command, group
from deprovisioner.doctor import check_system
from deprovisioner.wiring import open_systems, typical_system, utc_now
from reconcile.estate import System

app = group("Show systems and what each can do. Reads the configuration, not the daemon.")


@command(app, "list")
def list_connectors(shell: Shell) -> None:
    """List the kinds of systems that are known, and those that are configured."""
    configured: dict[str, str] = {}
    if shell.config.exists():
        configured = {name: one.type for name, one in shell.settings().systems.items()}
    known = registry.known()
    said = {"known": known, "configured": configured}

    def text(screen: Console) -> None:
        screen.print("kinds of systems: " + ", ".join(known))
        for name, kind in configured.items():
            screen.print(f"configured: {name} ({kind})")

    shell.say(said, text)


@command(app)
def show(
    shell: Shell,
    name: Annotated[str, typer.Argument(help="A configured system, or a kind of systems.")],
) -> None:
    """Print a capability card: per kind of holding what is done, how surely, with which rights.

    Before a system of that name is configured, the card of the kind as it is with the settings of
    the example.
    """
    configured = open_systems(shell.settings(), utc_now) if shell.config.exists() else {}
    if name in configured:
        card: Card = configured[name].card
    elif (typical := typical_system(name, utc_now)) is not None:
        card = typical.card
        typer.echo(f"no system {name!r} is configured: this is the kind's card", err=True)
    else:
        message = f"no system and no kind of systems is called {name!r}"
        known = ", ".join(dict.fromkeys((*configured, *registry.known())))
        raise CommandFailed(Exit.UNKNOWN, message, f"known: {known}")
    shell.say(card, lambda screen: tables.card(screen, name, card))


@command(app)
def check(
    shell: Shell,
    name: Annotated[str, typer.Argument(help="A configured system; all when left out.")] = "",
) -> Exit:
    """Prove that a system can be reached and that both credentials may do what they must.

    Changes nothing. Exit code 1 when a check fails.
    """
    systems = _systems(shell, name)
    chosen = [systems[name]] if name else list(systems.values())
    return report_checks(shell, (line for system in chosen for line in check_system(system)))


def _systems(shell: Shell, name: str) -> dict[str, System]:
    systems = dict(open_systems(shell.settings(), utc_now))
    if name and name not in systems:
        known = ", ".join(systems)
        raise CommandFailed(Exit.UNKNOWN, f"no system {name!r} is configured", f"known: {known}")
    return systems
