"""Finding a person's users in all accounts and in Identity Center, and listing everybody's.

IAM cannot search, so all users of an account are read, with their tags, and compared here. Tags
with the HR number and ids match for certain; names and addresses make candidates that a person
confirms. An account that cannot be read is a gap: the others are found all the same (Law 4).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Final

from connectors.aws.answers import is_denied
from connectors.aws.people import center_account, iam_account
from connectors.aws.session import Sessions
from connectors.contract import Account, Canary, IdentityKey, Page, ReadEnd, Subject
from connectors.faults import Unauthorised

CANARY: Final = "canary user in every account"
CERTAIN: Final = 100
BY_ADDRESS: Final = 60
BY_LOGIN: Final = 50
BY_PATTERN: Final = 30
ANOTHER_NUMBER: Final = 10
_RIGHT: Final = "sts:AssumeRole, iam:GetAccountAuthorizationDetails"


@dataclass
class _Walk:
    """A walk through all places: what could not be read, and where the canary was seen."""

    sessions: Sessions
    system: str
    gaps: list[str]
    seen: list[bool]

    def accounts(self) -> Iterator[tuple[Account, ...]]:
        """Page through everybody but the canaries."""
        settings = self.sessions.settings
        failed: list[Unauthorised] = []
        places = [*settings.accounts, *(["center"] if settings.identity_center else [])]
        for place in places:
            self.seen.append(False)
            try:
                yield from self._center() if place == "center" else self._users(place)
            except Unauthorised as fault:
                if not is_denied(fault):
                    raise
                failed.append(fault)
                self.gaps.append(f"{place} (needs {_RIGHT})")
        if len(failed) == len(places):
            raise failed[0]  # not one account can be read: the credential itself is the trouble

    def _users(self, place: str) -> Iterator[tuple[Account, ...]]:
        settings = self.sessions.settings
        for page in self.sessions.pages(
            place, "iam", "get_account_authorization_details", "UserDetailList", Filter=["User"]
        ):
            yield tuple(
                iam_account(self.system, settings, place, one)
                for one in page
                if not self._is_canary(one.get("UserName"), settings.canary)
            )

    def _center(self) -> Iterator[tuple[Account, ...]]:
        center = self.sessions.settings.identity_center
        if center is None:
            return
        for page in self.sessions.pages(
            center.account,
            "identitystore",
            "list_users",
            "Users",
            center.region,
            IdentityStoreId=center.identity_store_id,
        ):
            yield tuple(
                center_account(self.system, center, one)
                for one in page
                if not self._is_canary(one.get("UserId"), center.canary)
            )

    def _is_canary(self, value: Any, canary: str) -> bool:  # noqa: ANN401 - an answer
        if value == canary:
            self.seen[-1] = True
        return bool(value == canary)

    def end(self) -> ReadEnd:
        """End the read: every place must have shown its canary (Law 2)."""
        return ReadEnd(
            complete=True,
            canary=Canary(CANARY, seen=bool(self.seen) and all(self.seen)),
            read_at=self.sessions.clock(),
            credential=self.sessions.credential,
            gaps=tuple(self.gaps),
        )


def list_accounts(sessions: Sessions, system: str) -> Iterator[Page[Account]]:
    """Page through everybody; one page in memory at a time."""
    walk = _Walk(sessions, system, [], [])
    for accounts in walk.accounts():
        if accounts:
            yield Page(accounts)
    yield Page((), walk.end())


def find(sessions: Sessions, system: str, subject: Subject) -> Iterator[Page[Account]]:
    """Compare everybody with what HR knows."""
    wanted = _Wanted.of(subject, sessions.settings.admin_logins)
    walk = _Walk(sessions, system, [], [])
    for accounts in walk.accounts():
        found = tuple(filter(None, map(wanted.graded, accounts)))
        if found:
            yield Page(found)
    yield Page((), walk.end())


def folded(text: str) -> str:
    """Fold width, case and outer spaces; leading zeros stay, they tell numbers apart."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


@dataclass(frozen=True, slots=True)
class _Wanted:
    """By what the person may be known, folded."""

    number: str
    person_id: str
    ids: frozenset[str]
    addresses: frozenset[str]
    logins: frozenset[str]
    patterns: tuple[str, ...]

    @classmethod
    def of(cls, subject: Subject, patterns: tuple[str, ...]) -> _Wanted:
        addresses = {folded(one) for one in (*subject.emails, subject.upn) if one}
        logins = {folded(one) for one in subject.logins if one}
        logins |= {one.partition("@")[0] for one in addresses}
        ids = {one.value for one in subject.identifiers if one.key is IdentityKey.IMMUTABLE_ID}
        return cls(
            folded(subject.employee_number),
            folded(subject.person_id),
            frozenset(ids),
            frozenset(addresses),
            frozenset(logins),
            tuple(folded(one.replace("{login}", login)) for one in patterns for login in logins),
        )

    def graded(self, account: Account) -> Account | None:
        """Say how an account matches and how surely; None when it does not."""
        said = {
            key: {folded(one.value) for one in account.identifiers if one.key is key}
            for key in IdentityKey
        }
        numbers = said[IdentityKey.EMPLOYEE_NUMBER]
        immutable = {
            one.value for one in account.identifiers if one.key is IdentityKey.IMMUTABLE_ID
        }
        if self.number and self.number in numbers:
            return replace(account, matched_by="employee number", confidence=CERTAIN)
        if self.person_id and self.person_id in said[IdentityKey.PERSON_ID]:
            return replace(account, matched_by="person id", confidence=CERTAIN)
        if immutable & self.ids:
            return replace(account, matched_by="immutable id", confidence=CERTAIN)
        hint, confidence = self._hint(said)
        if not hint:
            return None
        if numbers and self.number:
            confidence = ANOTHER_NUMBER
        return replace(account, matched_by=hint, confidence=confidence)

    def _hint(self, said: dict[IdentityKey, set[str]]) -> tuple[str, int]:
        if self.addresses & (said[IdentityKey.MAIL] | said[IdentityKey.UPN]):
            return "address", BY_ADDRESS
        logins = said[IdentityKey.LOGIN]
        if self.logins & logins:
            return "login", BY_LOGIN
        owners = said[IdentityKey.OWNER]
        if owners & (self.logins | self.addresses | ({self.number} - {""})):
            return "owner", BY_LOGIN
        if any(fnmatchcase(login, one) for login in logins for one in self.patterns):
            return "pattern", BY_PATTERN
        return "", 0
