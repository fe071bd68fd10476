"""What the demo leaves behind: summary.json, report.html, bundle.zip, and the auditor's check."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final

from reconcile.views import CaseView

VERIFY_SECONDS: Final = 60
_CONTAIN: Final = "contain"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the standalone verifier said, and the command that a person would type."""

    verified: bool
    words: str
    command: str


def verify(bundle: Path, vkey: str) -> Verdict:
    """Run the standalone verifier in a fresh, isolated interpreter: no package, no environment."""
    with as_file(files("reconcile.evidence").joinpath("standalone.py")) as program:
        done = subprocess.run(  # noqa: S603 - our own interpreter and our own program
            [sys.executable, "-I", str(program), str(bundle), "--key", vkey],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=VERIFY_SECONDS,
        )  # fmt: skip
    quoted, folder = shlex.quote(str(bundle)), shlex.quote(str(bundle.with_suffix("")))
    command = (
        f"python3 -m zipfile -e {quoted} {folder} && "
        f"python3 -I {folder}/verify.py {quoted} --key {shlex.quote(vkey)}"
    )
    return Verdict(done.returncode == 0, (done.stdout or done.stderr).strip(), command)


def summary(view: CaseView, out: Path, vkey: str) -> dict[str, Any]:
    """What a program may want to know of the run; docs/command-line.md lists the fields."""
    case = view.summary
    return {
        "case_id": case.id,
        "state": case.state.value,
        "closure": {"checks": case.checks, "passed": case.passed, "percent": case.percent},
        "seconds": {
            "accepted_to_contained": _seconds(view, "contained"),
            "accepted_to_closed": _seconds(view, "closed"),
        },
        "systems": sorted({survey.system for survey in view.surveys}),
        "residual_access": [
            {
                "system": each.system,
                "reach": each.reach,
                "until": each.until and each.until.isoformat(),
            }
            for each in view.residual
        ],
        "bundle": str(out / "bundle.zip"),
        "report": str(out / "report.html"),
        "vkey": vkey,
    }


def contained(view: CaseView) -> dict[str, float]:
    """Seconds from the event to the end of containment, by system: the last of a second account."""
    ends = {one.system: one.finished_at for one in view.operations if one.step == _CONTAIN}
    opened = view.summary.opened_at
    return {system: round((end - opened).total_seconds(), 2) for system, end in ends.items() if end}


def _seconds(view: CaseView, what: str) -> float | None:
    end = view.contained_at if what == "contained" else view.summary.closed_at
    return round((end - view.summary.opened_at).total_seconds(), 3) if end else None


def write_summary(out: Path, said: dict[str, Any]) -> None:
    """Write summary.json."""
    text = json.dumps(said, indent=2, ensure_ascii=False) + "\n"
    (out / "summary.json").write_text(text, encoding="utf-8")
