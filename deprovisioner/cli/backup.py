"""``deprovisioner backup``: copy the daemon's own database and keys, and put them back.

docs/operations/database.md says what must be kept apart and what a restore cannot bring back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from config.settings import Settings
from deprovisioner import keeping
from deprovisioner.cli.exits import CommandFailed, Exit
from deprovisioner.cli.files import write_new
from deprovisioner.cli.shell import Shell, command, group
from deprovisioner.client import listens
from deprovisioner.wiring import CannotStart
from reconcile.store.errors import DatabaseError, DatabaseInUse
from reconcile.store.ledger import LedgerRefused

app = group("Copy database and keys, and put them back.")
Copy = Annotated[Path, typer.Argument(help="The copy of the database.")]


@command(app)
def database(shell: Shell, copy: Copy) -> None:
    """Copy the embedded database, also beside a running daemon: one file, one instant, checked.

    Never overwrites. Keep it apart from the copy of the keys.
    """
    try:
        keeping.copy_database(shell.settings(), copy)
    except FileExistsError as error:
        message = f"{copy} is there already and is not overwritten"
        raise CommandFailed(Exit.REFUSED, message, "name another file") from error
    except FileNotFoundError as error:
        raise CommandFailed(
            Exit.UNKNOWN, f"{error.filename or error.args[0]} is not there"
        ) from error
    except OSError as error:
        raise CommandFailed(Exit.UNREADABLE, f"cannot write {copy}: {error.strerror}") from error
    except DatabaseError as error:
        raise CommandFailed(Exit.SETUP, str(error), "docs/operations/database.md") from error
    shell.done({"copy": str(copy)}, f"copied and checked: {copy}")


@command(app)
def restore(
    shell: Shell,
    copy: Annotated[
        Path | None,
        typer.Argument(help="The copy of the database. PostgreSQL: none, pg_restore puts it back."),
    ] = None,
    *,
    new_log: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="No newer copy exists: end the present log, and begin one of this name.",
        ),
    ] = "",
) -> None:
    """Put a copy of the embedded database in place of the present one, with the daemon stopped.

    The copy is compared with the anchor first: exit code 1, and nothing was touched, when more was
    signed already than the copy knows. Otherwise the present files are kept beside it.
    PostgreSQL: pg_restore puts a dump back; this only begins a new log in it.
    """
    settings = shell.settings()
    if listens(settings.socket_path):
        message, advice = "the daemon is running", "stop it first: systemctl stop deprovisioner"
        raise CommandFailed(Exit.REFUSED, message, advice)
    with _nothing_changed(copy):
        planned = keeping.plan_new_log(settings, new_log) if new_log else None
        done = _put_back(settings, copy, planned)
    kept = [str(path) for path in done.aside]
    words = "restored" if copy else "the dump that is in the database begins a new log"
    words += f"; what was there is kept as {', '.join(kept)}" if kept else ""
    said: dict[str, object] = {"restored": str(copy or ""), "kept": kept, "entries": done.entries}
    if planned is not None:
        said["new_log"] = planned
        words = "\n".join((words, "", *_next_steps(shell, planned)))
    shell.done(said, words)


def _put_back(
    settings: Settings, copy: Path | None, planned: keeping.NewLog | None
) -> keeping.PutBack:
    if keeping.is_shared(settings):
        if copy is None and planned is not None:
            return keeping.renew_shared(settings, planned)
        raise keeping.CannotKeep(
            "PostgreSQL: put a dump back with pg_restore, the next start compares it; only where "
            "it is behind what was signed, run: deprovisioner backup restore --new-log NAME"
        )
    if copy is None:
        raise keeping.CannotKeep("name the copy: deprovisioner backup restore COPY")
    if planned is not None:
        return keeping.begin_new_log(settings, copy, planned)
    return keeping.put_back(settings, copy)


@contextmanager
def _nothing_changed(copy: Path | None) -> Iterator[None]:
    """Turn what stops a restore into words: every one of them comes before anything is moved."""
    unchanged = "nothing was changed"
    try:
        yield
    except FileNotFoundError as error:
        raise CommandFailed(Exit.UNREADABLE, f"{copy} is not there", unchanged) from error
    except DatabaseInUse as error:
        raise CommandFailed(Exit.REFUSED, str(error), unchanged) from error
    except DatabaseError as error:
        raise CommandFailed(Exit.UNREADABLE, str(error), unchanged) from error
    except LedgerRefused as error:
        advice = (
            f"{unchanged}: restore a newer copy; only where none exists, begin a new log with "
            "--new-log NAME (docs/operations/database.md)"
        )
        raise CommandFailed(Exit.NO, str(error), advice) from error
    except keeping.CannotKeep as error:
        raise CommandFailed(Exit.REFUSED, str(error), unchanged) from error
    except CannotStart as error:
        advice = f"{unchanged}; 'backup restore-keys' puts keys back"
        raise CommandFailed(Exit.SETUP, str(error), advice) from error


def _next_steps(shell: Shell, planned: keeping.NewLog) -> tuple[str, ...]:
    make = f"deprovisioner keys init --signing-only --origin {planned.origin}"
    return (
        "The old log has ended. Before the next start:",
        f"  1. {make} --directory {planned.keys_directory}",
        "     It prints the new key: give it to your auditor, by another road than bundles.",
        f"  2. In {shell.config}, change these four lines below evidence, and no other:",
        f"       origin: {planned.origin}",
        f"       signing_key: file:{planned.signing_key}",
        f"       publish_directory: {planned.publish_directory}",
        f"       anchor: {planned.anchor}",
        "     sealing_key stays as it is: it opens the cases that are there.",
        f"  3. Keep {planned.old_publish_directory} for your auditors: it is what is left of the",
        "     old log, and old bundles verify under the old key for ever.",
        "  4. deprovisioner serve",
    )


@command(app)
def keys(
    shell: Shell,
    copy: Annotated[Path, typer.Argument(help="The file to write, encrypted with age.")],
    recipient: Annotated[
        list[str] | None, typer.Option(help="age1... of a person; otherwise the vault's escrow.")
    ] = None,
) -> None:
    """Copy signing key and sealing key, encrypted to people who keep their age identity elsewhere.

    Opened by 'backup restore-keys' or by the age program.
    """
    try:
        sealed = keeping.seal_keys(shell.settings(), tuple(recipient or ()))
    except keeping.CannotKeep as error:
        raise CommandFailed(Exit.UNREADABLE, str(error), "--recipient age1...") from error
    except CannotStart as error:
        raise CommandFailed(Exit.SETUP, str(error)) from error
    write_new(copy, sealed)
    shell.done({"copy": str(copy)}, f"encrypted: {copy}")


@command(app, "restore-keys")
def restore_keys(
    shell: Shell,
    copy: Annotated[Path, typer.Argument(help="The file of 'backup keys'.")],
    identity: Annotated[Path, typer.Option(help="File with the AGE-SECRET-KEY that opens it.")],
    directory: Annotated[Path, typer.Option(help="Folder of the secret files.")],
) -> None:
    """Write both keys as files of mode 0600. Overwrites nothing."""
    try:
        written = keeping.open_keys(copy, identity, directory)
    except FileExistsError as error:
        message = f"{error.filename} is there already and is not overwritten"
        raise CommandFailed(Exit.REFUSED, message, "name another --directory") from error
    except keeping.CannotKeep as error:
        raise CommandFailed(Exit.UNREADABLE, str(error)) from error
    except OSError as error:
        raise CommandFailed(Exit.UNREADABLE, f"{error.filename}: {error.strerror}") from error
    shell.done({"written": [str(path) for path in written]}, f"written below {directory}")
