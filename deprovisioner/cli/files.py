"""Files that a command writes for its caller: new, whole, and readable by nobody else."""

from __future__ import annotations

import os
from pathlib import Path

from deprovisioner.cli.exits import CommandFailed, Exit

_OURS_ONLY = 0o600


def write_new(path: Path, content: bytes) -> None:
    """Write a file that was not there. Raises :class:`CommandFailed` rather than overwrite."""
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(path, flags, _OURS_ONLY)
    except FileExistsError as error:
        message = f"{path} is there already and is not overwritten"
        raise CommandFailed(Exit.REFUSED, message, "name another file with --out") from error
    except OSError as error:
        raise CommandFailed(Exit.UNREADABLE, f"cannot write {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
