"""``deprovisioner report``: the page that people read about a case."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from deprovisioner import report
from deprovisioner.cli.exits import CommandFailed, Exit
from deprovisioner.cli.files import write_new
from deprovisioner.cli.naming import CaseId, found
from deprovisioner.cli.shell import OPERATOR, Shell, command, group
from deprovisioner.client import Client, Problem
from deprovisioner.wiring import CannotStart, open_signer, utc_now
from reconcile.evidence.errors import NotVerified
from reconcile.evidence.keys import VerifierKey
from reconcile.evidence.verify import verify_bundle
from reconcile.views import CaseView, RecordView

app = group("Write the report of a case.")


@command(app)
def person(
    shell: Shell,
    case: CaseId,
    out: Annotated[Path, typer.Option(help="The file to write; never overwritten.")] = Path(
        "report.html"
    ),
) -> None:
    """Write one HTML page about a case. It needs nothing else, also on paper; it names the person.

    The bundle is fetched and verified first; an open case is reported as open.
    """
    with shell.door(OPERATOR) as api:
        path = f"/v1/cases/{found(api, case)}"
        view = api.get(path, CaseView)
        records = api.get(f"{path}/records", tuple[RecordView, ...])
        evidence = _evidence(shell, api, f"{path}/bundle")
    page = report.build(view, records, evidence, utc_now())
    write_new(out, page.encode())
    shell.done({"report": str(out)}, f"written: {out}")


def _evidence(shell: Shell, api: Client, path: str) -> report.Evidence | None:
    """What the verified bundle says; None while its records are not published."""
    try:
        content = api.download(path)
    except Problem as problem:
        if problem.kind in {"conflict", "not-published"}:
            return None
        raise
    with tempfile.TemporaryDirectory(prefix="report-") as folder:
        file = Path(folder) / "bundle.zip"
        file.write_bytes(content)
        try:
            return report.Evidence.of(verify_bundle(file, _key(shell), may_be_open=True))
        except NotVerified as error:
            message = f"the daemon's bundle does not verify: {error}"
            raise CommandFailed(Exit.NO, message, "do not rely on this case") from error


def _key(shell: Shell) -> VerifierKey | None:
    """The log's key from our own file; without the right to read it, the one in the bundle."""
    try:
        return open_signer(shell.settings()).verifier
    except CannotStart:
        return None
