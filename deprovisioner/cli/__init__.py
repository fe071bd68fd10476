"""The command line: what `deprovisioner.house` calls once it has looked who answers to our names.

``tree`` is the table of commands, ``shell`` what all of them share. A command translates words
into requests to the daemon's API and the answers into text; every decision is the daemon's.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import Final

from deprovisioner.cli.exits import Exit

_DEBUG: Final = "DEPROVISIONER_DEBUG"


def main() -> None:
    """Run the command that the arguments name, and exit with its code."""
    sys.excepthook = _defect
    import typer.main  # noqa: PLC0415 - after the hook, so that its own mistakes are caught too

    from deprovisioner.cli.tree import app  # noqa: PLC0415 - the same

    typer.main.get_command(app).main(prog_name="deprovisioner")


def _defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say a defect of ours in one line: a trace could show a person or a secret (Law 10)."""
    if os.environ.get(_DEBUG):
        sys.__excepthook__(kind, error, trace)
        raise SystemExit(Exit.DEFECT)
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"
    sys.stderr.write(
        f"deprovisioner: a defect of ours ({kind.__name__} at {place}).\n"
        f"Please report it; {_DEBUG}=1 shows the whole trace, which may name people.\n"
    )
    raise SystemExit(Exit.DEFECT)
