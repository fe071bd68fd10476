"""The command line, run inside the test's process or as a process of its own.

``Line`` runs commands as ``main`` would, and gives exit code and both streams. What a command set
up for its process (logging) is undone afterwards, so that it cannot reach the next test.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
import typer.main

from deprovisioner.cli.tree import app

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


@dataclass
class Line:
    """Runs commands against one configuration."""

    capture: pytest.CaptureFixture[str]
    config: Path | None = None

    def __call__(self, *words: str | Path) -> Ended:
        """Run one command."""
        arguments = [str(word) for word in words]
        if self.config is not None:
            arguments += ["--config", str(self.config)]
        handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
        self.capture.readouterr()
        try:
            typer.main.get_command(app).main(arguments, prog_name="deprovisioner")
        except SystemExit as end:
            code = int(end.code or 0)
        else:  # pragma: no cover - a command always exits
            code = 0
        finally:
            structlog.reset_defaults()
            logging.getLogger().handlers[:] = handlers
            logging.getLogger().setLevel(level)
        said = self.capture.readouterr()
        return Ended(code, said.out, said.err)


def process(*words: str | Path, seconds: float = 120, **environment: str) -> Ended:
    """Run a command as a person does: a fresh interpreter, no terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "deprovisioner", *(str(word) for word in words)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)
