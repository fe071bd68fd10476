"""``deprovisioner init``: a commented configuration, a policy and keys. Asks nothing."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deprovisioner.cli.exits import CommandFailed, Exit
from deprovisioner.cli.shell import DEFAULT_CONFIG, Shell, command, single
from deprovisioner.initialise import Directory, Installed, install
from deprovisioner.wiring import Origins
from reconcile.evidence.errors import EvidenceError

app = single()
_STANDARD = Directory()


@command(app)
def init(
    shell: Shell,
    *,
    directory: Annotated[Path, typer.Option(help="Where to write.")] = DEFAULT_CONFIG.parent,
    url: Annotated[str, typer.Option(help="URL of your directory.")] = _STANDARD.url,
    base: Annotated[str, typer.Option(help="Its base DN.")] = _STANDARD.base,
    act_dn: Annotated[str, typer.Option(help="The identity that changes things.")] = "",
    verify_dn: Annotated[str, typer.Option(help="The identity that only reads.")] = "",
    canary: Annotated[str, typer.Option(help="The canary: a person who never leaves.")] = "",
    origin: Annotated[
        str, typer.Option(help="Name of the log; HOST/deprovisioner if left out.")
    ] = "",
) -> None:
    """Write a configuration that only observes, a policy, and keys of mode 0600.

    Asks nothing and overwrites nothing. The escrow identity, which opens backups, is printed once
    and written nowhere: it must not stay on this machine.
    """
    wanted = Directory(url, base, act_dn, verify_dn, canary)
    name = origin or f"{socket.gethostname()}/deprovisioner"
    try:
        done = install(directory, name, wanted, Origins().token_bytes)
    except FileExistsError as error:
        message = f"{error.filename} is there already; nothing was written"
        advice = "name another folder with --directory"
        raise CommandFailed(Exit.REFUSED, message, advice) from error
    except OSError as error:
        message = f"cannot write below {directory}: {error.strerror}"
        raise CommandFailed(Exit.UNREADABLE, message) from error
    except EvidenceError as error:
        raise CommandFailed(Exit.UNREADABLE, f"--origin: {error}") from error
    said = {
        "config": str(done.config),
        "canaries": str(done.canaries),
        "policy": str(done.policy),
        "vkey": done.vkey,
        "escrow_recipient": done.escrow.recipient,
        "escrow_identity": done.escrow.identity,
    }
    shell.say(said, lambda screen: _next_steps(screen, done))


def _next_steps(screen: Console, done: Installed) -> None:
    for line in (
        f"Written: {done.config}, {done.canaries}, {done.policy},",
        "and secrets of mode 0600 beside them.",
        "",
        "Escrow identity: it opens every backup. Print it or put it into a password safe of the",
        "security team, not on this machine. It is shown this once:",
        f"  {done.escrow.identity}",
        "",
        "Key of the evidence log: give it to your auditor now, by another road than bundles:",
        f"  {done.vkey}",
        "",
        "Next:",
        f"  1. change what says CHANGE in {done.config}, and write the two passwords into files",
        f"     of mode 0600 in {done.config.parent / 'secrets'}",
        f"  2. adapt {done.canaries} and load it with ldapadd, so that reads can prove their sight",
        f"  3. deprovisioner doctor --config {done.config}",
        f"  4. deprovisioner plan EMPLOYMENT --employee-number NUMBER --config {done.config}",
        f"  5. deprovisioner token issue YOU --role operator --config {done.config}",
        f"  6. deprovisioner serve --config {done.config}",
    ):
        screen.print(line, soft_wrap=True)
