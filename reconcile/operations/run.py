"""One run of one operation: the hands every step works with.

Made by ``runner`` for a single try. All writes go through :meth:`Run.transact`, which checks the
fencing token; all calls to the outside go after :meth:`Run.guard`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from connectors.contract import gather
from connectors.faults import Transient
from reconcile.estate import PROTECTED
from reconcile.facts import Step
from reconcile.store.case_file import open_file
from reconcile.store.operation_rows import fence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from connectors.contract import Account, Connector, Credential, Holding, Json, Page, Reading
    from reconcile.engine.port import Deadline, Jobs, Lease
    from reconcile.estate import Estate, System
    from reconcile.store.case_file import Archive, CaseFile
    from reconcile.store.database import Database
    from reconcile.store.operation_rows import OperationKey

Result = TypeVar("Result")
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Finished:
    """The closing re-read shows that the operation is done."""

    result: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Again:
    """Not done yet. ``at`` None leaves the wait to the backoff; ``failed`` counts as a failure.

    ``refused``: nothing but refusals stand in the way, which a task of people may well end.
    """

    why: str
    at: datetime | None = None
    failed: bool = True
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Closing:
    """The last word of a step, said in the transaction that records the operation's end.

    What the closing re-read shows is written, judged and followed up by one commit. ``judge`` may
    be called again when the database was away.
    """

    judge: Callable[[CaseFile], Finished | Again]


class Stopped(Exception):
    """A hold, a rescission or observe-only mode came up: write nothing more."""


class OutOfBudget(Exception):
    """The operation's own time is over: stop cleanly and ask for a fresh try."""


class Blind(Transient):
    """A read that could not see: nothing follows from what it did not show (Law 2)."""


@dataclass(slots=True)
class Run:
    """One try of one operation."""

    database: Database
    estate: Estate
    archive: Archive
    jobs: Jobs
    lease: Lease
    deadline: Deadline
    job: str
    """The key of the job that runs it: its own, or that of the operation before it."""
    key: OperationKey
    token: str
    system_name: str
    step: Step
    access_end_at: float
    """What the gates were asked about: when the end moves, this run has no leave any more."""
    next_call: float = 0.0
    """On the boot clock: when the system's pace allows the next call."""

    @property
    def system(self) -> System:
        """The configured system this run is about."""
        return self.estate.systems[self.system_name]

    def transact(self, work: Callable[[CaseFile], Result], *, writing: bool = False) -> Result:
        """Run ``work`` in a transaction that holds our token; retried until the database is back.

        With ``writing`` it also checks that nothing has stopped the case since the gates were
        asked. Raises :class:`~reconcile.store.operation_rows.Superseded` and :class:`Stopped`.
        """

        def fenced(connection: object) -> Result:
            file = open_file(connection, self.key.case_id, self.archive, self.estate.clock())  # type: ignore[arg-type]
            held = fence(file.connection, self.key.case_id, self.key.seq, self.token)
            if writing:
                self._check_not_stopped(file, held=held)
            return work(file)

        return self.database.sure(fenced)

    def _check_not_stopped(self, file: CaseFile, *, held: bool) -> None:
        """Law 5 and Law 7: a hold or a rescission stops the very next write."""
        if file.row["rescinded_at"] is not None and self.step is not Step.RESTORE:
            raise Stopped("rescinded")
        if held:
            raise Stopped("held")
        if self.estate.observe or self.system.observe:
            raise Stopped("observe-only")
        if file.row["access_end_at"] != self.access_end_at:
            raise Stopped("the end of access has moved")

    def check_not_protected(self, file: CaseFile, accounts: Iterable[Account]) -> None:
        """Law 5: asked again of every account right before the first write of a run.

        The list may have changed since the survey, and a survey since then may have found more.
        """
        subject = file.person.subject
        if any(self.estate.guards.protects(subject, account) for account in accounts):
            raise Stopped(PROTECTED)

    def guard(self) -> None:
        """Before every call to the outside: the system's pace, our lease, and the budget."""
        self._keep_pace()
        self.lease.guard()
        if self.deadline.passed:
            raise OutOfBudget

    def _keep_pace(self) -> None:
        """Wait as long as the system's request limit asks; the lease is looked at afterwards."""
        configured = self.estate.systems.get(self.system_name)
        if configured is None or not configured.pace:
            return
        early = self.next_call - self.deadline.clock()
        if early > 0:
            self.estate.pause(early)
        self.next_call = self.deadline.clock() + configured.pace.total_seconds()

    def connect(self, credential: Credential) -> Connector:
        """Make a connector of the system; the caller closes it."""
        return self.system.connect(credential)

    def read(self, pages: Callable[[], Iterable[Page[Item]]]) -> Reading[Item]:
        """Guard, then read all pages."""
        self.guard()
        return gather(pages())

    def survey(
        self, connector: Connector, accounts: Sequence[Account]
    ) -> tuple[Reading[Holding], ...]:
        """Survey every account. Raises :class:`Blind` when any of the reads could not see."""
        readings = tuple(
            self.read(lambda account=account: connector.survey(account))  # type: ignore[misc]
            for account in accounts
        )
        for reading in readings:
            if reading.blind:
                raise Blind(f"{self.system_name}: {reading.blind}")
        return readings
