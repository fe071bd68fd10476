"""``deprovisioner evidence``: verify a bundle anywhere; export one; show the newest checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deprovisioner.cli.exits import CommandFailed, Exit
from deprovisioner.cli.shell import OPERATOR, Shell, command, group
from reconcile.evidence.checkpoint import open_checkpoint
from reconcile.evidence.errors import NotVerified, Unreadable
from reconcile.evidence.keys import VerifierKey
from reconcile.evidence.verify import VerifiedBundle, verify_bundle

app = group("Verify, export and publish evidence.")
_UNTRUSTED = (
    "WARNING: no --key was given, so the key INSIDE the bundle was used. This proves only that the "
    "bundle agrees with itself; anybody can make such a bundle. Get the key by another road; "
    "--trust-bundled-key makes the exit code 0 where that is enough."
)


@command(app)
def verify(
    shell: Shell,
    bundle: Annotated[Path, typer.Argument(help="The bundle, a zip file.")],
    *,
    key: Annotated[
        str, typer.Option(metavar="VKEY", help="The log's key, got by another road.")
    ] = "",
    trust_bundled_key: Annotated[
        bool,
        typer.Option(
            "--trust-bundled-key",
            help="Use the key inside the bundle; this proves only that it agrees with itself.",
        ),
    ] = False,
    may_be_open: Annotated[
        bool, typer.Option("--open", help="Also accept a case that is not closed.")
    ] = False,
) -> Exit:
    """Check every obligation of a bundle. Needs no database, no configuration and no network.

    Exit code 0 verified, 1 not verified, 2 could not be read. Without --key nothing is verified:
    the key inside is whoever's made the bundle, so the answer is 1 unless it is asked for.
    """
    try:
        verifier = VerifierKey.parse(key) if key else None
    except NotVerified as error:
        raise CommandFailed(Exit.UNREADABLE, f"--key: {error}", "NAME+ID+KEY, one word") from error
    try:
        found = verify_bundle(bundle, verifier, may_be_open=may_be_open)
    except Unreadable as error:
        raise CommandFailed(Exit.UNREADABLE, f"could not read: {error}") from error
    except NotVerified as error:
        raise CommandFailed(Exit.NO, f"NOT VERIFIED: {error}", "do not rely on it") from error
    if not found.trusted:
        typer.echo(_UNTRUSTED, err=True)
    _say(shell, found)
    return Exit.OK if found.trusted or trust_bundled_key else Exit.NO


def _say(shell: Shell, found: VerifiedBundle) -> None:
    said = {
        "verified": found.trusted,
        "trusted": found.trusted,
        "case": found.case,
        "closed": found.closed,
        "records": len(found.records),
        "erased": found.erased,
        "log": found.checkpoint.origin,
        "entries": found.checkpoint.size,
        "key": str(found.key),
    }

    def text(screen: Console) -> None:
        screen.print("VERIFIED" if found.trusted else "CONSISTENT WITH ITSELF ONLY")
        state = "closed" if found.closed else "STILL OPEN"
        screen.print(f"case     {found.case} ({state})", soft_wrap=True)
        screen.print(f"records  {len(found.records)}, {found.erased} with erased person part")
        screen.print(f"log      {found.checkpoint.origin}, {found.checkpoint.size} entries")
        screen.print(f"key      {found.key}", soft_wrap=True)

    shell.say(said, text)


@command(app)
def export(
    shell: Shell,
    case: Annotated[str, typer.Argument(help="The id of a case, or an employment id.")],
    out: Annotated[Path, typer.Option(help="The file to write; never overwritten.")] = Path(
        "bundle.zip"
    ),
) -> None:
    """Write the bundle of a case, which an auditor verifies offline. It names the person."""
    from deprovisioner.cli.files import write_new  # noqa: PLC0415 - verify stays light
    from deprovisioner.cli.naming import found  # noqa: PLC0415 - the same

    with shell.door(OPERATOR) as api:
        write_new(out, api.download(f"/v1/cases/{found(api, case)}/bundle"))
    shell.done({"bundle": str(out)}, f"written: {out}")


@command(app)
def checkpoint(shell: Shell) -> None:
    """Print the newest published checkpoint, after checking its signature.

    It is what an auditor or a witness keeps: a log that is rewritten later contradicts it.
    """
    from deprovisioner.wiring import CannotStart, open_signer  # noqa: PLC0415 - verify stays light

    settings = shell.settings()
    path = settings.publish_directory / "checkpoint"
    try:
        note = path.read_bytes()
        head = open_checkpoint(note, open_signer(settings).verifier)
    except FileNotFoundError as error:
        message, advice = "nothing was published yet", "the daemon publishes every few seconds"
        raise CommandFailed(Exit.UNKNOWN, message, advice) from error
    except OSError as error:
        raise CommandFailed(Exit.UNREADABLE, f"{path}: {error.strerror}") from error
    except CannotStart as error:
        raise CommandFailed(Exit.SETUP, str(error)) from error
    except NotVerified as error:
        message = f"the published checkpoint is not this log's: {error}"
        raise CommandFailed(
            Exit.NO, message, "somebody wrote into the folder: look at it"
        ) from error
    said = {
        "origin": head.origin,
        "size": head.size,
        "root": head.root.hex(),
        "note": note.decode(),
    }
    shell.say(said, lambda screen: screen.print(note.decode(), end="", soft_wrap=True))
