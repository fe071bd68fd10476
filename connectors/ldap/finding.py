"""Finding a person's accounts, and listing everybody's for the sweep.

Called by the connector's ``find`` and ``list_accounts``. Only the HR number makes a match certain;
address, login and pattern make candidates that a person confirms (they are re-used).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from connectors._directory.entries import Entry, any_of, below, equals, normal
from connectors._directory.results import OutOfRange, Referred, Truncated
from connectors.contract import Account, AccountKind, Identifier, IdentityKey, Page, Subject
from connectors.ldap.directory import Directory

CERTAIN: Final = 100
BY_ADDRESS: Final = 60
BY_LOGIN: Final = 50
BY_PATTERN: Final = 30
ANOTHER_NUMBER: Final = 10
"""The entry carries somebody else's HR number: matched by a re-usable name, or it carries both."""
NOTHING_TO_SEARCH_BY: Final = (
    "nothing to search by: HR gave no employee number, no address and no login"
)
_STOPPED: Final = (Truncated, Referred, OutOfRange)


def find(directory: Directory, system: str, subject: Subject) -> Iterator[Page[Account]]:
    """Search all account bases with one filter and grade what is found."""
    wanted = _filter(directory, subject)
    if not wanted:
        yield Page((), directory.end([NOTHING_TO_SEARCH_BY]))  # Law 2: empty is not absent
        return
    try:
        for entries in directory.pages(wanted, _attributes(directory)):
            graded = (_graded(directory, system, subject, entry) for entry in entries)
            found = tuple(account for account in graded if account)
            if found:
                yield Page(found)
    except _STOPPED as stop:
        yield Page((), directory.end([str(stop)], complete=False))
        return
    yield Page((), directory.end())


def list_accounts(directory: Directory, system: str) -> Iterator[Page[Account]]:
    """Page through everybody; one page in memory at a time."""
    try:
        for entries in directory.pages(directory.settings.account_filter, _attributes(directory)):
            yield Page(tuple(_account(directory, system, entry) for entry in entries))
    except _STOPPED as stop:
        yield Page((), directory.end([str(stop)], complete=False))
        return
    yield Page((), directory.end())


def _attributes(directory: Directory) -> list[str]:
    settings = directory.settings
    return [
        directory.id_attribute,
        settings.employee_attribute,
        settings.login_attribute,
        *settings.mail_attributes,
    ]


def _filter(directory: Directory, subject: Subject) -> str:
    settings = directory.settings
    parts = [
        equals(settings.employee_attribute, value) for value in _spellings(subject.employee_number)
    ]
    parts += [
        equals(attribute, mail)
        for attribute in settings.mail_attributes
        for mail in (*subject.emails, subject.upn)
        if mail.strip()
    ]
    parts += [equals(settings.login_attribute, login) for login in _logins(subject)]
    parts += [equals(settings.login_attribute, login) for login in _second(directory, subject)]
    return f"(&{settings.account_filter}{any_of(parts)})" if parts else ""


def _spellings(number: str) -> list[str]:
    """The number as HR writes it and folded (full-width digits, case); leading zeros stay."""
    return sorted({number, normal(number)}) if number.strip() else []


def _logins(subject: Subject) -> tuple[str, ...]:
    local = subject.upn.partition("@")[0]
    return tuple(login for login in (*subject.logins, local) if login.strip())


def _second(directory: Directory, subject: Subject) -> list[str]:
    patterns = directory.settings.admin_logins
    return [pattern.replace("{login}", login) for pattern in patterns for login in _logins(subject)]


def _graded(directory: Directory, system: str, subject: Subject, entry: Entry) -> Account | None:
    """Compare folded copies with what HR knows. The server may match more loosely than we do."""
    settings = directory.settings
    account = _account(directory, system, entry)
    number = normal(subject.employee_number)
    numbers = {normal(text) for text in entry.texts(settings.employee_attribute)} - {""}
    if number and number in numbers:
        sure = CERTAIN if numbers == {number} else ANOTHER_NUMBER
        return replace(account, matched_by=settings.employee_attribute, confidence=sure)
    matched_by, confidence = _by_name(directory, subject, entry)
    if not matched_by:
        return None
    if number and numbers:
        confidence = ANOTHER_NUMBER
    return replace(account, matched_by=matched_by, confidence=confidence)


def _by_name(directory: Directory, subject: Subject, entry: Entry) -> tuple[str, int]:
    settings = directory.settings
    mails = {normal(mail) for mail in (*subject.emails, subject.upn) if mail.strip()}
    for attribute in settings.mail_attributes:
        if mails & {normal(text) for text in entry.texts(attribute)}:
            return attribute, BY_ADDRESS
    logins = {normal(text) for text in entry.texts(settings.login_attribute)}
    if logins & {normal(login) for login in _logins(subject)}:
        return settings.login_attribute, BY_LOGIN
    if logins & {normal(login) for login in _second(directory, subject)}:
        return f"{settings.login_attribute} pattern", BY_PATTERN
    return "", 0


def _account(directory: Directory, system: str, entry: Entry) -> Account:
    settings = directory.settings
    kind = AccountKind.PERSON
    if any(below(entry.dn, base) for base in settings.services):
        kind = AccountKind.SERVICE
    elif any(below(entry.dn, base) for base in settings.admins):
        kind = AccountKind.ADMIN
    return Account(
        system=system,
        native_id=directory.id_of(entry),
        login=entry.text(settings.login_attribute),
        kind=kind,
        matched_by="listed",
        display=entry.dn,
        identifiers=tuple(_identifiers(directory, entry)),
    )


def _identifiers(directory: Directory, entry: Entry) -> Iterator[Identifier]:
    """Report what was read, unfolded: what it is worth is not ours to judge."""
    settings = directory.settings
    for number in entry.texts(settings.employee_attribute):
        yield Identifier(IdentityKey.EMPLOYEE_NUMBER, number)
    for login in entry.texts(settings.login_attribute):
        yield Identifier(IdentityKey.LOGIN, login)
    for attribute in settings.mail_attributes:
        for mail in entry.texts(attribute):
            yield Identifier(IdentityKey.MAIL, mail)
