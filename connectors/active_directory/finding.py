"""Finding a person's accounts, and listing everybody's for the sweep (section 3 of the facts).

Certain are the HR number and the ids nobody gets twice (objectGUID, SID). Addresses, logins and
naming patterns are re-used, so they make candidates that a person confirms.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from connectors._directory.entries import Entry, any_of, below, equals, normal
from connectors._directory.results import OutOfRange, Referred, Truncated
from connectors.active_directory import sight
from connectors.active_directory.domain import ID, Domain
from connectors.active_directory.security import sid_bytes, sid_text
from connectors.active_directory.sight import LOGINS, MAILS
from connectors.active_directory.values import Flag, binary, immutable_id
from connectors.contract import Account, AccountKind, Identifier, IdentityKey, Page, Subject

CERTAIN: Final = 100
BY_ADDRESS: Final = 60
BY_LOGIN: Final = 50
BY_PATTERN: Final = 30
ANOTHER_NUMBER: Final = 10
"""The account carries somebody else's HR number: matched by a re-usable name, or carries both."""
NOTHING_TO_SEARCH_BY: Final = (
    "nothing to search by: HR gave no employee number, no address and no login"
)
CONSISTENCY: Final = "mS-DS-ConsistencyGuid"
_STOPPED: Final = (Truncated, Referred, OutOfRange)
_SID: Final = re.compile(r"S-1-5-21(-\d{1,10}){4}", re.ASCII)
_GUID_SIZE: Final = 16
_GMSA: Final = "msds-groupmanagedserviceaccount"


def find(domain: Domain, system: str, subject: Subject) -> Iterator[Page[Account]]:
    """Search all account bases with one filter and grade what is found."""
    wanted = _filter(domain, subject)
    if not wanted:
        yield Page((), sight.end(domain, [NOTHING_TO_SEARCH_BY]))  # Law 2: empty is not absent
        return
    try:
        for entries in domain.accounts(wanted, _attributes(domain)):
            graded = (_graded(domain, system, subject, entry) for entry in entries)
            found = tuple(account for account in graded if account)
            if found:
                yield Page(found)
    except _STOPPED as stop:
        yield Page((), sight.end(domain, [str(stop)], complete=False))
        return
    yield Page((), sight.end(domain))


def list_accounts(domain: Domain, system: str) -> Iterator[Page[Account]]:
    """Page through everybody; one page in memory at a time."""
    try:
        for entries in domain.accounts(domain.settings.account_filter, _attributes(domain)):
            yield Page(tuple(_account(domain, system, entry) for entry in entries))
    except _STOPPED as stop:
        yield Page((), sight.end(domain, [str(stop)], complete=False))
        return
    yield Page((), sight.end(domain))


def _attributes(domain: Domain) -> list[str]:
    return [
        ID,
        CONSISTENCY,
        *domain.settings.employee_attributes,
        *LOGINS,
        *MAILS,
        "objectSid",
        "objectClass",
        "servicePrincipalName",
        "userAccountControl",
        "displayName",
        "manager",
        "managedBy",
    ]


def _filter(domain: Domain, subject: Subject) -> str:
    settings = domain.settings
    parts = [
        equals(attribute, value)
        for attribute in settings.employee_attributes
        for value in _spellings(subject.employee_number)
    ]
    parts += [f"({ID}={binary(octets)})" for octets in _guids(subject)]
    parts += [f"({CONSISTENCY}={binary(octets)})" for octets in _guids(subject)]
    parts += [f"(objectSid={binary(sid_bytes(sid))})" for sid in _sids(subject)]
    for mail in _mails(subject):
        parts += [equals("mail", mail), equals("proxyAddresses", f"smtp:{mail}")]
        parts += [equals("userPrincipalName", mail)]
    parts += [equals("sAMAccountName", login) for login in _logins(subject)]
    parts += [equals("sAMAccountName", login) for login, _ in _second(domain, subject)]
    return f"(&{settings.account_filter}{any_of(parts)})" if parts else ""


def _spellings(number: str) -> list[str]:
    """The number as HR writes it and folded (full-width digits, case); leading zeros stay."""
    return sorted({number, normal(number)}) if number.strip() else []


def _mails(subject: Subject) -> list[str]:
    return sorted({mail for mail in (*subject.emails, subject.upn) if mail.strip()})


def _logins(subject: Subject) -> list[str]:
    local = subject.upn.partition("@")[0]
    return sorted({login for login in (*subject.logins, local) if login.strip()})


def _sids(subject: Subject) -> list[str]:
    given = (*subject.logins, *(one.value for one in _immutable(subject)))
    return sorted({text for text in given if _SID.fullmatch(text)})


def _immutable(subject: Subject) -> list[Identifier]:
    return [one for one in subject.identifiers if one.key is IdentityKey.IMMUTABLE_ID]


def _guids(subject: Subject) -> list[bytes]:
    """Object ids that are known already: as a GUID, or as a cloud directory writes them."""
    given = (*subject.logins, *(one.value for one in _immutable(subject)))
    return sorted({octets for text in given if (octets := _guid(text))})


def _guid(text: str) -> bytes:
    try:
        return uuid.UUID(text).bytes_le
    except ValueError:
        pass  # not a GUID as text; it may be one in base64
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return octets if len(octets) == _GUID_SIZE else b""


def _second(domain: Domain, subject: Subject) -> list[tuple[str, AccountKind]]:
    """Logins that naming patterns make of the person's."""
    settings = domain.settings
    kinds = (
        (settings.admin_logins, AccountKind.ADMIN),
        (settings.service_logins, AccountKind.SERVICE),
    )
    return [
        (pattern.replace("{login}", login), kind)
        for patterns, kind in kinds
        for pattern in patterns
        for login in _logins(subject)
    ]


def _graded(domain: Domain, system: str, subject: Subject, entry: Entry) -> Account | None:
    """Compare folded copies with what HR knows. The server may match more loosely than we do."""
    account = _account(domain, system, entry)
    number = normal(subject.employee_number)
    numbers = _numbers(domain, entry)
    if number and number in numbers:
        alone = any(
            {normal(text) for text in entry.texts(name)} == {number} for name in _hr(domain)
        )
        sure = CERTAIN if alone else ANOTHER_NUMBER
        return replace(account, matched_by="employee number", confidence=sure)
    if _by_id(subject, entry):
        sure = ANOTHER_NUMBER if number and numbers else CERTAIN
        return replace(account, matched_by="objectGUID or SID", confidence=sure)
    matched_by, confidence, kind = _by_name(domain, subject, entry, account.kind)
    if not matched_by:
        return None
    if number and numbers:
        confidence = ANOTHER_NUMBER
    return replace(account, matched_by=matched_by, confidence=confidence, kind=kind)


def _by_id(subject: Subject, entry: Entry) -> bool:
    guids = set(_guids(subject))
    if guids & {*entry.values(ID), *entry.values(CONSISTENCY)}:
        return True
    return bool(set(_sids(subject)) & {sid_text(value) for value in entry.values("objectSid")})


def _by_name(
    domain: Domain, subject: Subject, entry: Entry, kind: AccountKind
) -> tuple[str, int, AccountKind]:
    mails = {normal(mail) for mail in _mails(subject)}
    if mails & {normal(mail) for mail in _addresses(entry)}:
        return "address", BY_ADDRESS, kind
    if mails & {normal(text) for text in entry.texts("userPrincipalName")}:
        return "userPrincipalName", BY_ADDRESS, kind
    logins = {normal(text) for text in entry.texts("sAMAccountName")}
    if logins & {normal(login) for login in _logins(subject)}:
        return "sAMAccountName", BY_LOGIN, kind
    for login, of in _second(domain, subject):
        if normal(login) in logins:
            return "sAMAccountName pattern", BY_PATTERN, of
    return "", 0, kind


def _numbers(domain: Domain, entry: Entry) -> set[str]:
    texts = (text for name in _hr(domain) for text in entry.texts(name))
    return {normal(text) for text in texts} - {""}


def _hr(domain: Domain) -> tuple[str, ...]:
    """Attributes that hold HR numbers, each by a scheme of its own."""
    return domain.settings.employee_attributes


def _addresses(entry: Entry) -> list[str]:
    """Mail addresses without the ``smtp:`` before them; other kinds of address are left out."""
    proxies = (text.partition(":") for text in entry.texts("proxyAddresses"))
    return [
        *entry.texts("mail"),
        *(address for scheme, _, address in proxies if scheme.casefold() == "smtp"),
    ]


def _account(domain: Domain, system: str, entry: Entry) -> Account:
    kind = _kind(domain, entry)
    return Account(
        system=system,
        native_id=domain.id_of(entry),
        login=entry.text("sAMAccountName"),
        kind=kind,
        matched_by="listed",
        display=entry.dn,
        identifiers=tuple(_identifiers(domain, entry, kind)),
    )


def _kind(domain: Domain, entry: Entry) -> AccountKind:
    settings = domain.settings
    classes = {text.casefold() for text in entry.texts("objectClass")}
    if _GMSA in classes or any(below(entry.dn, base) for base in settings.services):
        return AccountKind.SERVICE
    if any(below(entry.dn, base) for base in settings.admins):
        return AccountKind.ADMIN
    lasting = int(entry.text("userAccountControl") or 0) & Flag.PASSWORD_NEVER_EXPIRES
    serves = entry.values("servicePrincipalName") and not _numbers(domain, entry)
    return AccountKind.SERVICE if serves and lasting else AccountKind.PERSON


def _identifiers(domain: Domain, entry: Entry, kind: AccountKind) -> Iterator[Identifier]:
    """Report what was read, unfolded: what it is worth is not ours to judge."""
    for name in domain.settings.employee_attributes:
        for number in entry.texts(name):
            yield Identifier(IdentityKey.EMPLOYEE_NUMBER, number)
    for name in (ID, CONSISTENCY):
        for octets in entry.values(name):
            yield Identifier(IdentityKey.IMMUTABLE_ID, immutable_id(octets))
    for upn in entry.texts("userPrincipalName"):
        yield Identifier(IdentityKey.UPN, upn)
    for mail in _addresses(entry):
        yield Identifier(IdentityKey.MAIL, mail)
    for login in entry.texts("sAMAccountName"):
        yield Identifier(IdentityKey.LOGIN, login)
    for name in entry.texts("displayName"):
        yield Identifier(IdentityKey.NAME, name)
    if kind is not AccountKind.PERSON:  # of a person, manager is the boss and not the owner
        for owner in (*entry.texts("manager"), *entry.texts("managedBy")):
            yield Identifier(IdentityKey.OWNER, owner)
