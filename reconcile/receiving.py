"""Taking in an event: stored before it is answered, applied once, in one transaction.

Called by the desk. The same id twice is one event; a lower revision than one already seen for the
employment is kept as evidence and not applied; a rescission stops the case at once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from policies.access_end import (
    AccessEnd,
    AccessEndError,
    Basis,
    DatesMissing,
    ZoneDefaults,
    derive,
)
from reconcile.case import CaseState
from reconcile.errors import NotAllowed
from reconcile.estate import PROTECTED
from reconcile.event import OPENS, Action, TerminationEvent
from reconcile.facts import HR, OperationState, QuestionKind, Step
from reconcile.folding import facts_of, merged
from reconcile.inbox import UNASSIGNED
from reconcile.policy_book import choose, policy_of, store_policy
from reconcile.rescinding import rescind
from reconcile.sealing import seal
from reconcile.store.case_file import (
    PERSON,
    Archive,
    CaseFile,
    insert_case,
    latest_case,
    open_case_of,
    open_file,
)
from reconcile.store.inbox_rows import (
    Delivery,
    Taken,
    insert_delivery,
    load_delivery,
    newest_revision,
)
from reconcile.store.instants import epoch
from reconcile.store.operation_rows import load_operations, reopen
from reconcile.store.question_rows import ask_again, place_hold

if TYPE_CHECKING:
    import sqlalchemy as sa

    from reconcile.engine.port import Jobs
    from reconcile.estate import Estate

UNKNOWN_END: Final = datetime(2199, 12, 31, tzinfo=UTC)
"""Access end of a pointer whose dates HR has not told yet: no time gate opens before them."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a delivery; a duplicate gets the answer the first one got."""

    event_id: str
    case_id: str | None
    outcome: Taken


@dataclass(slots=True)
class Reception:
    """Takes one event in within one transaction."""

    connection: sa.Connection
    estate: Estate
    archive: Archive
    jobs: Jobs
    touched: sa.ColumnElement[float]

    def take(self, event: TerminationEvent, raw: bytes, principal: str) -> Receipt:
        """Store and apply. Raises :class:`NotAllowed` for a pointer that nobody can read."""
        known = self._known(event.event_id)
        if known is not None:
            return known
        case_id, outcome = self._apply(event)
        self._store(event, raw, principal, case_id, outcome, "")
        return Receipt(event.event_id, case_id, outcome)

    def _known(self, event_id: str) -> Receipt | None:
        known = load_delivery(self.connection, event_id)
        return Receipt(event_id, known.case_id, Taken.DUPLICATE) if known else None

    def _store(
        self,
        event: TerminationEvent,
        raw: bytes,
        principal: str,
        case_id: str | None,
        outcome: Taken,
        problem: str,
    ) -> None:
        ordered = event.action in OPENS or event.action is Action.RESCINDED
        self.store_raw(
            event.event_id, raw, principal, case_id=case_id, outcome=outcome, problem=problem,
            employment_id=event.person.subject.employment_id, source=event.source,
            revision=event.revision if ordered else 0,  # a hint overtakes nothing
        )  # fmt: skip

    def store_raw(  # noqa: PLR0913 - one column each
        self,
        event_id: str,
        raw: bytes,
        principal: str,
        *,
        outcome: Taken,
        problem: str,
        case_id: str | None = None,
        employment_id: str = "",
        source: str = "",
        revision: int = 0,
    ) -> None:
        """Keep the raw body, sealed, whatever came of it: nothing that was delivered is lost."""
        chain = case_id or UNASSIGNED
        key = self.archive.keys.ensure(self.connection, chain)
        sealed = seal(key, raw, f"inbox/{event_id}", self.archive.token_bytes)
        delivery = Delivery(
            event_id=event_id, received_at=self.estate.clock(), principal=principal,
            source=source, employment_id=employment_id,
            raw_sha256=hashlib.sha256(raw).hexdigest(), state=outcome, problem=problem,
            case_id=case_id,
        )  # fmt: skip
        insert_delivery(self.connection, delivery, sealed, revision)

    def _apply(self, event: TerminationEvent) -> tuple[str | None, Taken]:
        employment = event.person.subject.employment_id
        case_id = open_case_of(self.connection, employment)
        file = self._file(case_id) if case_id else None
        if self._is_late(event):
            if file:
                self._late(file, event)
            return case_id, Taken.KEPT
        match event.action:
            case Action.RESCINDED:
                return self._rescinded(file, event)
            case Action.REHIRED:
                return self._rehired(file, event)
            case _ if file is None and event.action in OPENS:
                return self._open(event), Taken.ACCEPTED
            case _:
                return case_id, self._news(file, event)

    def _news(self, file: CaseFile | None, event: TerminationEvent) -> Taken:
        """Apply news about an open case. A closing record is the last word of its case."""
        if file is not None and file.row["closing_at"] is not None:
            self._record_event(file, event, applied=False)
            return Taken.KEPT
        if event.action not in OPENS or file is None:
            return self._hint(file, event)
        return self._changed(file, event)

    def _late(self, file: CaseFile, event: TerminationEvent) -> None:
        """Keep what was overtaken; a rescission is never passed over in silence (Law 7)."""
        self._record_event(file, event, applied=False)
        if event.action is Action.RESCINDED and file.row["closing_at"] is None:
            reason = "a rescission came that is older than the newest event: which one holds?"
            place_hold(file, "hr", "hr", reason, "", "hr")
            self.jobs.wake(self.connection, file.id, f"event/{event.event_id}")

    def _rehired(self, file: CaseFile | None, event: TerminationEvent) -> tuple[str | None, Taken]:
        """Hold what would still be taken away: HR, or two people, say what goes on."""
        if file is None:
            closed = latest_case(self.connection, event.person.subject.employment_id)
            if closed is None:
                return None, Taken.KEPT
            file = self._file(closed)
        if file.state is not CaseState.CLOSED and self.estate.hr is not None:
            return file.id, self._hint(file, event)
        self._record_event(file, event, applied=True)
        place_hold(file, "rehired", "hr", "the person was hired again", "", "hr")
        self.jobs.wake(self.connection, file.id, f"event/{event.event_id}")
        return file.id, Taken.ACCEPTED

    def _file(self, case_id: str) -> CaseFile:
        return open_file(self.connection, case_id, self.archive, self.estate.clock())

    def _is_late(self, event: TerminationEvent) -> bool:
        """A lower revision than one already seen is evidence, not news."""
        employment = event.person.subject.employment_id
        newest = newest_revision(self.connection, employment, event.source)
        return 0 < event.revision < newest

    def _rescinded(
        self, file: CaseFile | None, event: TerminationEvent
    ) -> tuple[str | None, Taken]:
        """Stop the open case; a closed one is offered an undo (Law 7, Law 9)."""
        if file is None:
            closed = latest_case(self.connection, event.person.subject.employment_id)
            if closed is None:
                return None, Taken.KEPT
            file = self._file(closed)
        self._record_event(file, event, applied=True)
        applied = rescind(file, "HR sent a rescission")
        self.jobs.wake(self.connection, file.id, f"event/{event.event_id}")
        return file.id, Taken.ACCEPTED if applied else Taken.KEPT

    def _hint(self, file: CaseFile | None, event: TerminationEvent) -> Taken:
        """Never a termination by itself: it only makes us ask HR again about an open case."""
        if file is None:
            return Taken.KEPT
        self._record_event(file, event, applied=False)
        self._ask_hr_again(file)
        self.jobs.wake(self.connection, file.id, f"event/{event.event_id}")
        return Taken.ACCEPTED

    def _ask_hr_again(self, file: CaseFile) -> None:
        confirms = (
            operation.seq
            for operation in load_operations(self.connection, file.id)
            if (operation.system, operation.step) == (HR, Step.CONFIRM)
            if operation.state is not OperationState.TODO
        )
        for seq in confirms:
            reopen(self.connection, file.id, seq, at=file.now, why="HR sent news")

    def _open(self, event: TerminationEvent) -> str:
        now = self.estate.clock()
        policy, reason, wrong = choose(self.estate, facts_of(event.person))
        end = self._access_end(event, now, policy.time_zone)
        store_policy(self.connection, self.estate, policy, now)
        case_id = f"C-{self.estate.new_id()}"
        key = self.archive.keys.create(self.connection, case_id)
        person = PERSON.dump_json(event.person)
        insert_case(
            self.connection,
            id=case_id, employment_id=event.person.subject.employment_id,
            state=CaseState.RECEIVED.value, immediate=is_immediate(event),
            revision=event.revision, opened_at=epoch(now), access_end_at=epoch(end.at),
            access_end_basis=end.basis.value, time_zone=end.time_zone,
            explanation=end.explanation, policy_name=policy.name,
            policy_hash=policy.policy_hash, touched=self.touched,
            person_sealed=seal(key, person, f"person/{case_id}", self.archive.token_bytes),
        )  # fmt: skip
        file = self._file(case_id)
        self._record_event(file, event, applied=True)
        file.record(
            "case.opened",
            {
                "policy": policy.name, "policy_hash": policy.policy_hash, "policy_reason": reason,
                "access_end": end.at.isoformat(), "basis": end.basis.value,
                "time_zone": end.time_zone, "immediate": is_immediate(event),
                "explanation": end.explanation,
            },
            {"employment_id": event.person.subject.employment_id},
        )  # fmt: skip
        self._first_guards(file, event, wrong)
        self.jobs.wake(self.connection, case_id, f"event/{event.event_id}")
        return case_id

    def _first_guards(self, file: CaseFile, event: TerminationEvent, wrong: str) -> None:
        if self.estate.guards.protects(event.person.subject):
            # Law 5: protected identities are never touched.
            place_hold(file, "protected", "protected", PROTECTED, "", "guard")
        if wrong:
            place_hold(file, "policy", "policy", wrong, "", "guard")

    def _access_end(self, event: TerminationEvent, now: datetime, zone: str) -> AccessEnd:
        """Derive the one instant (Law 12). Raises :class:`NotAllowed` with words for the sender."""
        try:
            return derive(
                event.person.dates,
                immediate=is_immediate(event),
                received_at=now,
                defaults=ZoneDefaults(policy=zone, tenant=self.estate.time_zone),
                source_instant=event.source_instant,
            )
        except DatesMissing as error:
            if self.estate.hr is None:
                message = f"{error}, and no HR system is configured that could be asked"
                raise NotAllowed(message) from error
            return AccessEnd(
                at=UNKNOWN_END,
                basis=Basis.END_OF_TERMINATION_DATE,
                time_zone=self.estate.time_zone,
                time_zone_basis=None,
                explanation="no date is known yet: HR is asked",
            )
        except AccessEndError as error:
            raise NotAllowed(str(error)) from error

    def _changed(self, file: CaseFile, event: TerminationEvent) -> Taken:
        """Fold a further event into the open case: new dates, or immediate."""
        self._record_event(file, event, applied=True)
        person = merged(file.person, event.person)
        self._ask_hr_again(file)
        now_immediate = is_immediate(event)
        file.update(person_sealed=file.seal(PERSON, person, "person"), revision=event.revision)
        if file.row["immediate"] and not now_immediate:
            file.record("event.noted", {"why": "an immediate termination stays immediate"})
        else:
            end = self._access_end(
                replace(event, person=person), file.now, policy_of(file, self.estate).time_zone
            )
            if file.row["contained_at"] is not None and end.at > file.now:
                reason = "the end was moved after containment: rescind, or release to go on"
                place_hold(file, f"moved/{event.event_id[:16]}", "manual", reason, "", "hr")
            else:
                set_access_end(file, end, immediate=now_immediate)
        self.jobs.wake(self.connection, file.id, f"event/{event.event_id}")
        return Taken.ACCEPTED

    def _record_event(self, file: CaseFile, event: TerminationEvent, *, applied: bool) -> None:
        file.record(
            "event.received",
            {"action": event.action.value, "source": event.source, "applied": applied,
             "revision": event.revision},
            {"event_id": event.event_id},
        )  # fmt: skip


def set_access_end(file: CaseFile, end: AccessEnd, *, immediate: bool) -> None:
    """Write a changed access end with its basis, and record it, when it did change."""
    if epoch(end.at) == file.row["access_end_at"] and immediate == file.row["immediate"]:
        return
    file.update(
        access_end_at=epoch(end.at), access_end_basis=end.basis.value, time_zone=end.time_zone,
        explanation=end.explanation, immediate=immediate,
    )  # fmt: skip
    control = {"access_end": end.at.isoformat(), "basis": end.basis.value, "immediate": immediate}
    file.record("case.rescheduled", control)
    for kind in (QuestionKind.CONFIRM_TERMINATION, QuestionKind.HR_DISAGREES):
        ask_again(file, kind, "the end of access has moved")  # an answer was about the former date


def is_immediate(event: TerminationEvent) -> bool:
    """Say whether access is to be cut now, whatever the dates."""
    return event.action is Action.IMMEDIATE or event.person.urgency == "immediate"
