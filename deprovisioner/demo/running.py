"""Runs the demo from the pretend company's first second to the auditor's last.

Called by `deprovisioner demo` and by acceptance tests. It returns what happened; whoever calls it
prints and decides on an exit code.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from deprovisioner import report
from deprovisioner.client import Client, Problem
from deprovisioner.demo import looking, outcome, people
from deprovisioner.demo.daemon_process import DaemonFailed, DaemonProcess, running_daemon
from deprovisioner.demo.deeds import Office
from deprovisioner.demo.duties import Duties
from deprovisioner.demo.guards import Guard
from deprovisioner.demo.staging import FACTOR, Stage, set_stage
from deprovisioner.demo.telling import Telling
from deprovisioner.sandbox.auditor import Look
from deprovisioner.sandbox.human_resources import Termination
from deprovisioner.sandbox.people import Person
from deprovisioner.sandbox.running import (
    DirectoryKind,
    DomainKind,
    DoorKind,
    Sandbox,
    TenantKind,
    new_company,
)
from deprovisioner.wiring import Origins, utc_now
from reconcile.evidence.keys import VerifierKey
from reconcile.evidence.verify import verify_bundle
from reconcile.views import CaseView, RecordView

LONGEST: Final = 110.0
"""Seconds after which the demo gives up waiting for the case to close."""
_LOOK: Final = 0.15
_LONGEST_FOLDER: Final = 70
"""Characters; a Unix socket's whole name may have 107 (unix(7))."""
_ACCEPTED: Final = 202
_CLIENT: Final = "msgraph"
"""What the extra `entra` installs."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to run it."""

    directory: DirectoryKind = DirectoryKind.FAKE
    out: Path = Path("demo-out")
    seed: int = 1
    domain: DomainKind = DomainKind.FAKE
    tenant: TenantKind = TenantKind.FAKE
    doors: DoorKind = DoorKind.FAKE


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened. ``good`` only when closed at 100 %, verified, and really out."""

    summary: dict[str, Any]
    verdict: outcome.Verdict
    looks: tuple[Look, ...]
    contained: Mapping[str, float] = field(default_factory=dict)
    """Seconds from the event to the last block, by system."""

    @property
    def good(self) -> bool:
        """Whether everything is as promised."""
        closed = self.summary["state"] == "closed" and self.summary["closure"]["percent"] == 100  # noqa: PLR2004 - percent
        out = bool(self.looks) and all(look.holds for look in self.looks)
        return closed and self.verdict.verified and out


def run(options: Options, telling: Telling, clock: Callable[[], datetime] = utc_now) -> Outcome:
    """Run the demo. Raises :class:`DaemonFailed`, SlapdError and OSError; leaves no process."""
    options.out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="deprov-", dir=_short_folder()) as folder,
        Sandbox(
            new_company(clock, options.seed),
            kind=options.directory,
            domain=options.domain,
            tenant=tenant_of(options, telling),
            doors=options.doors,
            clock=clock,
        ) as sandbox,
    ):
        stage = set_stage(Path(folder), sandbox, Origins().token_bytes)
        policy = options.out / "policy.yaml"
        policy.write_text(stage.policy.read_text(encoding="utf-8"), encoding="utf-8")
        leaver = sandbox.company.demo_leaver()
        telling.company(len(sandbox.company.people), leaver, looking.named(sandbox))
        if sandbox.tenant_kind is not TenantKind.NONE:
            telling.tenant(looking.tenant_words(sandbox))
        telling.waits(policy, FACTOR)
        log = options.out / "daemon.log"
        with running_daemon(stage.config, stage.settings.socket_path, log) as daemon:
            telling.daemon(daemon.process.pid, daemon.url)
            _send(sandbox, daemon, leaver, clock())
            telling.sent(daemon.url)
            view = _watch(stage, daemon, sandbox, telling, clock)
            _fetch(stage, view, options.out, clock())
        return _conclude(stage, view, options, sandbox)


def tenant_of(options: Options, telling: Telling) -> TenantKind:
    """Say who plays the tenant: it needs the client, which is an extra, and a domain to follow."""
    if options.tenant is TenantKind.NONE or options.domain is DomainKind.NONE:
        return TenantKind.NONE
    if find_spec(_CLIENT) is None:
        telling.no_tenant()
        return TenantKind.NONE
    return options.tenant


def _short_folder() -> str:
    """The usual place for temporary files, unless a socket in it would have too long a name."""
    usual = tempfile.gettempdir()
    return usual if len(usual) <= _LONGEST_FOLDER else "/tmp"  # noqa: S108 - a fresh folder in it


def _send(sandbox: Sandbox, daemon: DaemonProcess, leaver: Person, now: datetime) -> None:
    """HR records the end of the employment, and its webhook says so; the last day was yesterday."""
    yesterday = now.astimezone(ZoneInfo(leaver.site.time_zone)).date() - timedelta(days=1)
    employment = sandbox.human_resources.schedule(
        leaver.employment_id,
        Termination(
            last_working_day=yesterday,
            termination_date=yesterday,
            notice_date=yesterday - timedelta(days=30),
            successor=sandbox.company.demo_successor().employment_id,
        ),
    )
    event = sandbox.sender.event("scheduled", employment)
    reply = sandbox.sender.send(f"{daemon.url}/v1/terminations", event)
    if reply.status != _ACCEPTED:
        raise DaemonFailed(f"the event was answered {reply.status}: {reply.body[:300]!r}")


def _watch(
    stage: Stage,
    daemon: DaemonProcess,
    sandbox: Sandbox,
    telling: Telling,
    clock: Callable[[], datetime],
) -> CaseView:
    """Look at the case until it is final; scripted people answer what it asks."""
    leaver = sandbox.company.demo_leaver()
    successor = sandbox.company.demo_successor().employment_id
    guard = Guard(sandbox.doors, leaver) if sandbox.doors is not None else None
    duties = Duties(_office(sandbox, clock), guard)
    deadline = time.monotonic() + LONGEST
    socket = stage.settings.socket_path
    with Client.over_socket(socket, stage.operator_token) as api, telling.live():
        case_id = _case_of(api, leaver)
        while True:
            daemon.check()
            view = api.get(f"/v1/cases/{case_id}", CaseView)
            telling.progress(view, clock())
            if view.summary.closed_at is not None or time.monotonic() > deadline:
                return view
            for question, done in people.answer_all(api, view, successor, leaver, duties):
                telling.answered(question, done)
            time.sleep(_LOOK)


def _office(sandbox: Sandbox, clock: Callable[[], datetime]) -> Office | None:
    if sandbox.tenant_kind is TenantKind.NONE:
        return None
    company, domain = sandbox.company, sandbox.domain.domain
    return Office(sandbox.graph, domain, company.demo_leaver(), company.demo_successor(), clock)


def _case_of(api: Client, leaver: Person) -> str:
    found = api.get("/v1/cases", dict[str, Any], employment_id=leaver.employment_id)
    return str(found["cases"][0]["id"])


def _fetch(stage: Stage, view: CaseView, out: Path, now: datetime) -> None:
    """An auditor fetches the bundle and the report over HTTP, with an auditor's token."""
    case = f"/v1/cases/{view.summary.id}"
    with Client.over_socket(stage.settings.socket_path, stage.auditor_token) as api:
        try:
            (out / "bundle.zip").write_bytes(api.download(f"{case}/bundle"))
        except Problem as problem:
            raise DaemonFailed(f"there is no bundle: {problem}") from problem
        records = api.get(f"{case}/records", tuple[RecordView, ...])
    key = VerifierKey.parse(stage.vkey)
    evidence = report.Evidence.of(verify_bundle(out / "bundle.zip", key, may_be_open=True))
    page = report.build(view, records, evidence, now)
    (out / "report.html").write_text(page, encoding="utf-8")


def _conclude(stage: Stage, view: CaseView, options: Options, sandbox: Sandbox) -> Outcome:
    said = outcome.summary(view, options.out, stage.vkey)
    outcome.write_summary(options.out, said)
    verdict = outcome.verify(options.out / "bundle.zip", stage.vkey)
    return Outcome(said, verdict, looking.looks(sandbox), outcome.contained(view))


def as_json(result: Outcome) -> str:
    """The summary as one JSON document."""
    return json.dumps(result.summary, indent=2, ensure_ascii=False)
