"""``deprovisioner keys``: make the keys of the evidence log, show their public halves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deprovisioner import initialise
from deprovisioner.cli.exits import CommandFailed, Exit
from deprovisioner.cli.shell import Shell, command, group
from deprovisioner.wiring import CannotStart, Origins, open_signer
from reconcile.evidence.errors import EvidenceError

app = group("Make keys, show their public halves.")


@command(app)
def init(
    shell: Shell,
    origin: Annotated[str, typer.Option(help="Name of the log: example.com/deprovisioner.")],
    *,
    directory: Annotated[Path, typer.Option(help="Folder of the secret files.")] = Path("secrets"),
    signing_only: Annotated[
        bool,
        typer.Option("--signing-only", help="For a new log over cases that are there already."),
    ] = False,
) -> None:
    """Make a signing key and a sealing key as files of mode 0600. Overwrites nothing.

    Note the printed key down where an auditor gets it by another road than from us.
    """
    try:
        keys = initialise.new_keys(origin, Origins().token_bytes)
    except EvidenceError as error:
        raise CommandFailed(Exit.UNREADABLE, f"--origin: {error}") from error
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = {directory / initialise.SIGNING_KEY: keys.signing_key}
        if not signing_only:  # the cases that are there open with the sealing key they have
            made[directory / initialise.SEALING_KEY] = keys.sealing_key
        initialise.write_all(made)
    except FileExistsError as error:
        message = f"{error.filename} is there already and is not overwritten"
        advice = "a log with a new key is a new log; keep the old one for its bundles"
        raise CommandFailed(Exit.REFUSED, message, advice) from error
    except OSError as error:
        raise CommandFailed(Exit.UNREADABLE, f"{directory}: {error.strerror}") from error
    shell.done({"vkey": keys.vkey, "directory": str(directory)}, keys.vkey)


@command(app)
def show(shell: Shell) -> None:
    """Print the public key of the log and its fingerprint, to be given to auditors."""
    try:
        key = open_signer(shell.settings()).verifier
    except CannotStart as error:
        raise CommandFailed(
            Exit.SETUP, str(error), "'deprovisioner keys init' makes one"
        ) from error
    said = {"vkey": str(key), "fingerprint": key.fingerprint}
    shell.done(said, f"{key}\nfingerprint {key.fingerprint}")
