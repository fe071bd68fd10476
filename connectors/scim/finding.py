"""Finding a person's users, and listing everybody for the sweep.

Called by the connector's ``find`` and ``list_accounts``. Only an attribute that settings name as
``certain`` makes a match sure, character by character and for one user alone; addresses and logins
are re-used and make candidates that a person confirms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from connectors.contract import (
    Account,
    AccountKind,
    Identifier,
    IdentityKey,
    Page,
    Subject,
)
from connectors.scim.listing import Cut
from connectors.scim.resources import Resource, folded
from connectors.scim.target import Target, values_at
from connectors.scim.wire import MAX_ID_LENGTH

CERTAIN: Final = 100
BY_FOLDED: Final = 60
BY_ADDRESS: Final = 60
BY_LOGIN: Final = 50
SHARED: Final = 40
"""More than one user carries the certain value: none of them is sure."""
ANOTHER_NUMBER: Final = 10
LOGIN: Final = "userName"
MAIL: Final = "emails.value"
NOTHING_TO_SEARCH_BY: Final = (
    "nothing to search by: HR gave no number or id that this target keeps, no address and no login"
)
UNSEARCHABLE: Final = "something HR calls this person cannot be searched for"
_KEY_OF: Final = {LOGIN: IdentityKey.LOGIN, MAIL: IdentityKey.MAIL}


def find(target: Target, system: str, subject: Subject) -> Iterator[Page[Account]]:
    """Search by every attribute that may name the person, and grade what is found."""
    given = _wanted(target, subject)
    wanted = {path: frozenset(filter(_usable, values)) for path, values in given.items()}
    dropped = [UNSEARCHABLE] if wanted != given else []
    if not any(wanted.values()):
        yield Page((), target.end([NOTHING_TO_SEARCH_BY]))  # Law 2: empty is not absent
        return
    try:
        found, seen = _search(target, wanted)
    except Cut as cut:
        yield Page((), target.stopped(str(cut)))
        return
    accounts = [_graded(target, system, wanted, user) for user in found]
    yield Page(tuple(_none_shared(target, accounts)))
    yield Page((), target.end(dropped, seen=seen))


def list_accounts(target: Target, system: str) -> Iterator[Page[Account]]:
    """Page through everybody; the canary must be among them."""
    met = False
    try:
        canary = target.canary
        for page in target.users():
            met = met or any(canary is not None and one.id == canary.id for one in page)
            yield Page(tuple(account_of(target, system, one) for one in page))
    except Cut as cut:
        yield Page((), target.stopped(str(cut)))
        return
    yield Page((), target.end(seen=met))


def account_of(target: Target, system: str, user: Resource) -> Account:
    """Describe a user as the contract wants it."""
    kinds = target.settings.user_types
    return Account(
        system=system,
        native_id=user.id,
        login=user.text(LOGIN),
        kind=kinds.get(user.text("userType"), AccountKind.PERSON),
        matched_by="listed",
        display=user.text("displayName") or user.text(LOGIN),
        identifiers=tuple(_identifiers(target, user)),
    )


def _wanted(target: Target, subject: Subject) -> dict[str, frozenset[str]]:
    """By attribute: the values that would make it this person's."""
    known = {
        IdentityKey.EMPLOYEE_NUMBER: (subject.employee_number,),
        IdentityKey.PERSON_ID: (subject.person_id,),
        IdentityKey.UPN: (subject.upn,),
        IdentityKey.MAIL: subject.emails,
        IdentityKey.LOGIN: subject.logins,
        IdentityKey.IMMUTABLE_ID: tuple(
            one.value for one in subject.identifiers if one.key is IdentityKey.IMMUTABLE_ID
        ),
    }
    wanted = {path: known.get(key, ()) for path, key in target.settings.certain.items()}
    local = subject.upn.partition("@")[0]
    wanted[LOGIN] = (*subject.logins, subject.upn, local, *subject.emails)
    wanted[MAIL] = (*subject.emails, subject.upn)
    return {
        path: frozenset(one for one in values if one.strip()) for path, values in wanted.items()
    }


def _usable(value: str) -> bool:
    """Leave out what no target can hold: far too much, or half a character."""
    return len(value) <= MAX_ID_LENGTH and value.isprintable()


def _search(target: Target, wanted: dict[str, frozenset[str]]) -> tuple[list[Resource], bool]:
    """Ask by filters that find the canary; for the others read everybody, once."""
    found: dict[str, Resource] = {}
    unproven = False
    for path, values in wanted.items():
        if not values:
            continue
        if not target.proven(path):
            unproven = True
            continue
        for value in sorted(values):
            found |= {one.id: one for one in target.search(path, value)}
    met = not unproven
    if unproven and target.canary is not None:
        for page in target.users():
            met = met or any(one.id == target.canary.id for one in page)
            found |= {one.id: one for one in page if _matches(wanted, one)}
    return [one for one in found.values() if _matches(wanted, one)], met


def _matches(wanted: dict[str, frozenset[str]], user: Resource) -> bool:
    """Look again ourselves: a server may match more loosely, or ignore the filter."""
    return any(
        _meet(values, user, path, exactly=False) for path, values in wanted.items() if values
    )


def _meet(values: frozenset[str], user: Resource, path: str, *, exactly: bool) -> bool:
    held = values_at(user, path)
    if exactly:
        return bool(values & set(held))
    return bool({folded(one) for one in values} & {folded(one) for one in held})


def _graded(
    target: Target, system: str, wanted: dict[str, frozenset[str]], user: Resource
) -> Account:
    account = account_of(target, system, user)
    for path in target.settings.certain:
        if _meet(wanted[path], user, path, exactly=True):
            return replace(account, matched_by=path, confidence=CERTAIN)
    matched_by, confidence = _by_name(target, wanted, user)
    others = any(wanted[path] and values_at(user, path) for path in target.settings.certain)
    if others and confidence and matched_by in _KEY_OF:
        confidence = ANOTHER_NUMBER  # it carries somebody else's: a name was used again
    return replace(account, matched_by=matched_by, confidence=confidence)


def _by_name(target: Target, wanted: dict[str, frozenset[str]], user: Resource) -> tuple[str, int]:
    grades = [
        *((path, BY_FOLDED) for path in target.settings.certain),
        (MAIL, BY_ADDRESS),
        (LOGIN, BY_LOGIN),
    ]
    return next(
        (grade for grade in grades if _meet(wanted[grade[0]], user, grade[0], exactly=False)),
        ("", 0),
    )


def _none_shared(target: Target, accounts: list[Account]) -> Iterator[Account]:
    """Two users with one certain value: a person decides, so it is not passed on as proof."""
    for account in accounts:
        twins = [
            one
            for one in accounts
            if one.confidence == CERTAIN and one.matched_by == account.matched_by
        ]
        if account.confidence != CERTAIN or len(twins) == 1:
            yield account
            continue
        doubtful = set(target.settings.certain.values())
        yield replace(
            account,
            confidence=SHARED,
            matched_by=f"{account.matched_by}, carried by {len(twins)} users",
            identifiers=tuple(one for one in account.identifiers if one.key not in doubtful),
        )


def _identifiers(target: Target, user: Resource) -> Iterator[Identifier]:
    """Report what was read, unfolded: what it is worth is not ours to judge."""
    for path, key in (*target.settings.certain.items(), *_KEY_OF.items()):
        for value in values_at(user, path):
            yield Identifier(key, value)
