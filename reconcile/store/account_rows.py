"""Rows of accounts: whose each is, by which rule or by whose word, and what people signed off.

Written by ``operations.surveying`` (what the rules say) and ``attribution`` (what people say). A
person's word stands until they, or a proof they did not have, take it back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from pydantic import TypeAdapter

from connectors.contract import Account, AccountKind
from reconcile.correlate import CONTRADICTED, SURE, Reason, Standing
from reconcile.store.instants import epoch
from reconcile.store.schema import accounts, attributions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connectors.contract import Subject
    from reconcile.correlate import Verdict
    from reconcile.store.case_file import CaseFile

ACCOUNT: Final = TypeAdapter(Account)

_AGAINST: Final = frozenset({Reason.ANOTHERS_NUMBER, Reason.CONTRADICTORY, Reason.ANOTHERS_ACCOUNT})
ACCEPTED: Final = "accepted"
SERVICE: Final = "service"
"""Theirs to hand over, and nobody's own: never blocked like a person's account."""
CANDIDATE: Final = "candidate"
REJECTED: Final = "rejected"


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A stored account. ``decided_by`` is empty where the rules decided."""

    system: str
    native_id: str
    kind: AccountKind
    matched_by: str
    confidence: int
    reason: Reason
    decision: str
    decided_by: str
    account_sealed: bytes

    @property
    def doubted(self) -> bool:
        """A person said no, and then it matched for sure: they are asked again."""
        return self.decision == CANDIDATE and self.confidence == SURE

    def account(self, file: CaseFile) -> Account:
        """Unseal the account as it was found."""
        return file.unseal(ACCOUNT, self.account_sealed, f"account/{self.system}")


# Built once: see operation_rows.
_MINE: Final = accounts.c.case_id == sa.bindparam("this")
_LOAD: Final = sa.select(accounts).where(_MINE).order_by(accounts.c.system, accounts.c.native_id)
_COUNTS: Final = (
    sa.select(
        accounts.c.system, accounts.c.kind, accounts.c.confidence, sa.func.count().label("number")
    )
    .where(_MINE, accounts.c.decision == ACCEPTED)
    .group_by(accounts.c.system, accounts.c.kind, accounts.c.confidence)
)
_BY_DECISION: Final = (
    sa.select(accounts.c.system, accounts.c.native_id)
    .where(_MINE, accounts.c.decision == sa.bindparam("said"))
    .order_by(accounts.c.system, accounts.c.native_id)
)


def account_rows(file: CaseFile, system: str = "") -> tuple[AccountRow, ...]:
    """Read all accounts of a case, whatever was decided; of one system when named."""
    query = _LOAD.where(accounts.c.system == system) if system else _LOAD
    return tuple(
        AccountRow(
            row["system"], row["native_id"], AccountKind(row["kind"]), row["matched_by"],
            row["confidence"], Reason(row["reason"]), row["decision"], row["decided_by"],
            row["account_sealed"],
        )
        for row in file.connection.execute(query, {"this": file.id}).mappings()
    )  # fmt: skip


def load_accounts(file: CaseFile, system: str = "") -> tuple[Account, ...]:
    """Unseal the accounts that are theirs, of one system or of all; services are not among them."""
    return tuple(
        row.account(file) for row in account_rows(file, system) if row.decision == ACCEPTED
    )


def store_accounts(
    file: CaseFile, system: str, verdicts: Iterable[Verdict]
) -> tuple[AccountRow, ...]:
    """Fold verdicts into the rows. Returns accepted accounts that are said to be another's by now.

    Another's number says so, or a person who signed the account off as theirs.

    What the rules decided follows the rules; what a person decided does not. An accepted account
    that merely matches more weakly stays: attributes are cleared while somebody leaves. Who
    accepted an account that carried another's number already has the last word.
    """
    known = {row.native_id: row for row in account_rows(file, system)}
    contradicted = []
    for verdict in verdicts:
        row = known.get(verdict.account.native_id)
        if row is None:
            file.connection.execute(sa.insert(accounts), _values(file, system, verdict))
        elif row.decision in {ACCEPTED, SERVICE}:
            if verdict.reason in _AGAINST and row.reason not in _AGAINST:
                contradicted.append(row)
        elif not row.decided_by and not row.doubted:
            _follow(file, row, verdict)
    return tuple(contradicted)


def _follow(file: CaseFile, row: AccountRow, verdict: Verdict) -> None:
    fresh = _values(file, row.system, verdict)
    same = (row.decision, row.confidence, row.reason) == (
        fresh["decision"], fresh["confidence"], fresh["reason"],
    )  # fmt: skip
    if not same:
        _update(file, row, **fresh)


def _values(file: CaseFile, system: str, verdict: Verdict) -> dict[str, object]:
    account = verdict.account
    decision = {Standing.CANDIDATE: CANDIDATE, Standing.REJECTED: REJECTED}.get(
        verdict.standing, SERVICE if account.kind is AccountKind.SERVICE else ACCEPTED
    )
    return {
        "case_id": file.id,
        "system": system,
        "native_id": account.native_id,
        "kind": account.kind.value,
        "matched_by": account.matched_by,
        "confidence": account.confidence,
        "reason": verdict.reason.value,
        "decision": decision,
        "decided_by": "",
        "account_sealed": file.seal(ACCOUNT, account, f"account/{system}"),
    }


def _update(file: CaseFile, row: AccountRow, **values: object) -> None:
    file.connection.execute(
        sa.update(accounts)
        .where(
            accounts.c.case_id == file.id,
            accounts.c.system == row.system,
            accounts.c.native_id == row.native_id,
        )
        .values(**values)
    )


def decide_account(
    file: CaseFile, row: AccountRow, decision: str, kind: AccountKind, principal: str
) -> None:
    """Write what a person said of an account."""
    account = replace(row.account(file), kind=kind)
    _update(
        file, row,
        decision=decision, decided_by=principal, kind=kind.value,
        account_sealed=file.seal(ACCOUNT, account, f"account/{row.system}"),
    )  # fmt: skip


def question_account(file: CaseFile, row: AccountRow) -> None:
    """Make an accepted account a candidate: it carries another person's HR number by now."""
    _update(
        file, row,
        decision=CANDIDATE, decided_by="", confidence=CONTRADICTED,
        reason=Reason.CONTRADICTORY.value,
    )  # fmt: skip


def doubt(file: CaseFile, system: str, native_id: str) -> bool:
    """Make an account that a person rejected and that now matches for sure a candidate, once.

    The person did not know what the system knows now. Who says no to a sure match has the last
    word.
    """
    doubted = file.connection.execute(
        sa.update(accounts)
        .where(
            accounts.c.case_id == file.id,
            accounts.c.system == system,
            accounts.c.native_id == native_id,
            accounts.c.decision == REJECTED,
            accounts.c.decided_by != "",
            accounts.c.confidence < SURE,
        )
        .values(decision=CANDIDATE, decided_by="", confidence=SURE)
    )
    return doubted.rowcount == 1


def by_decision(file: CaseFile, decision: str) -> tuple[tuple[str, str], ...]:
    """List (system, native id) of the accounts with that decision."""
    found = file.connection.execute(_BY_DECISION, {"this": file.id, "said": decision})
    return tuple((row.system, row.native_id) for row in found)


def accepted_counts(file: CaseFile) -> tuple[dict[str, int], dict[str, int]]:
    """Count the accounts of each system that are theirs, and of these the sure hits of their own.

    The second leaves out administrators' accounts, and candidates that a person accepted.
    """
    theirs: dict[str, int] = {}
    own: dict[str, int] = {}
    for row in file.connection.execute(_COUNTS, {"this": file.id}):
        theirs[row.system] = theirs.get(row.system, 0) + row.number
        if row.kind == AccountKind.PERSON.value and row.confidence == SURE:
            own[row.system] = own.get(row.system, 0) + row.number
    return theirs, own


def strangers(file: CaseFile, system: str) -> frozenset[str]:
    """List native ids that a person said are somebody else's, and has not taken back."""
    return frozenset(
        row.native_id
        for row in account_rows(file, system)
        if row.doubted or (row.decision == REJECTED and row.decided_by)
    )


# ------------------------------------------------------------------- what outlives the case


def _keys_of(subject: Subject) -> tuple[str, ...]:
    """By what a person is remembered: HR's id of the person, which a rehire keeps, comes first."""
    keys = [f"person/{subject.person_id}"] if subject.person_id else []
    return (*keys, f"employment/{subject.employment_id}")


def sign_off(file: CaseFile, row: AccountRow, kind: AccountKind, principal: str) -> None:
    """Remember that a person said whose an account is; the newest word counts."""
    subject = file.person.subject
    file.connection.execute(sa.delete(attributions).where(*_about(row)))
    file.connection.execute(
        sa.insert(attributions).values(
            system=row.system, native_id=row.native_id, person=_keys_of(subject)[0],
            kind=kind.value, case_id=file.id, decided_by=principal, decided_at=epoch(file.now),
        )
    )  # fmt: skip


def strike_off(file: CaseFile, row: AccountRow) -> None:
    """Forget that an account was signed off to this person; somebody else's stays theirs."""
    mine = attributions.c.person.in_(_keys_of(file.person.subject))
    file.connection.execute(sa.delete(attributions).where(*_about(row), mine))


def forget_attributions(connection: sa.Connection, system: str, native_ids: Sequence[str]) -> None:
    """Forget whose accounts were that are deleted: an immutable id never comes back (Law 10)."""
    connection.execute(
        sa.delete(attributions).where(
            attributions.c.system == system, attributions.c.native_id.in_(native_ids)
        )
    )


def _about(row: AccountRow) -> tuple[sa.ColumnElement[bool], ...]:
    return attributions.c.system == row.system, attributions.c.native_id == row.native_id


def attributed(
    connection: sa.Connection, subject: Subject, system: str
) -> tuple[frozenset[str], frozenset[str]]:
    """List native ids of a system signed off as this person's, and as somebody else's."""
    mine = _keys_of(subject)
    query = sa.select(attributions.c.native_id, attributions.c.person).where(
        attributions.c.system == system
    )
    found = connection.execute(query).all()
    return (
        frozenset(row.native_id for row in found if row.person in mine),
        frozenset(row.native_id for row in found if row.person not in mine),
    )
