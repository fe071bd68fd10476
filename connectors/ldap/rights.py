"""Whether an identity may write, proven on the canaries without changing anything.

Deleting a value that is not there is refused by every directory, and in two ways: whoever may write
the attribute hears that there is no such value (16; 18 where the attribute has no equality rule),
whoever may not hears that rights are missing (50). Access is checked before the value (slapd,
389-ds; both are tried in the tests). The value is random, so it is never there. Called by
``doctor``.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from connectors._directory.entries import Change, Edit
from connectors.contract import Credential, Probe
from connectors.faults import Fault, Transient
from connectors.ldap.coverage import base_name
from connectors.ldap.directory import PPOLICY_CONTROL, Directory
from connectors.ldap.references import ROW_OF, Names
from connectors.ldap.settings import CanaryObject, Product

_NO_SUCH_VALUE: Final = frozenset({"ldap:16", "ldap:18"})
_NO_RIGHT: Final = frozenset({"ldap:50", "ldap:10", "ldap:53"})
"""insufficientAccessRights; a replica that takes no writes answers referral or unwilling."""
_NO_SUCH_ATTRIBUTE_TYPE: Final = "ldap:17"
_LOCK: Final = {
    Product.OPENLDAP: ("pwdAccountLockedTime", "loginShell", "shadowExpire"),
    Product.THREE_EIGHT_NINE: ("nsAccountLock", "loginShell", "shadowExpire"),
}
_TIMES: Final = frozenset({"pwdaccountlockedtime", "krbprincipalexpiration"})
_STYLES: Final = {"nsroledn": Names.DN, "authzto": Names.AUTHORISATION}
_UNTRIED: Final = frozenset({"usercertificate"})
"""Only a certificate would be a value, and no certificate is certain not to be there."""
_NEVER_WRITTEN: Final = frozenset({"uid", "employeenumber", "mail", "uidnumber", "cn"})


class _Answer(StrEnum):
    MAY = "may"
    MAY_NOT = "may not"
    NOTHING_TO_WRITE = "nothing to write"
    UNKNOWN = "unknown"


def probe(directory: Directory) -> Iterator[Probe]:
    """Yield one line: the acting identity may write all it must, the verifying one nothing."""
    answers: dict[_Answer, list[str]] = {answer: [] for answer in _Answer}
    for canary, attribute in _tried(directory):
        answer, code = _try(directory, canary, attribute)
        answers[answer].append(f"{attribute} ({code})" if answer is _Answer.UNKNOWN else attribute)
    may, may_not = answers[_Answer.MAY], answers[_Answer.MAY_NOT]
    unknown = answers[_Answer.UNKNOWN]
    unclear = f"; no clear answer about {', '.join(unknown)}" if unknown else ""
    if directory.credential is Credential.VERIFY:
        holds = not may and not unknown and bool(may_not)
        detail = f"may write {', '.join(may)}" if may else f"refused on {len(may_not)} attributes"
        advice = "take every write right from the verifying identity; is it the acting one?"
        yield Probe("writes nothing", holds, detail + unclear, "" if holds else advice)
        return
    holds = not may_not and not unknown and bool(may)
    detail = f"may write {len(may)} attributes; deleting entries and certificates is not tried"
    if may_not:
        detail = f"may not write {', '.join(may_not)}"
    advice = "give the acting identity write on them, or name in unused what is not used here"
    yield Probe("write rights", holds, detail + unclear, "" if holds else advice)


def _tried(directory: Directory) -> Iterator[tuple[CanaryObject, str]]:
    """Give each attribute that the card wants to write, once, with a canary that shows it."""
    seen: set[str] = set()
    settings = directory.settings
    read_only = _NEVER_WRITTEN | {
        base_name(name)
        for name in (
            settings.login_attribute, settings.employee_attribute, *settings.mail_attributes
        )
    }  # fmt: skip
    for canary in settings.canaries:
        for shown in canary.attributes:
            for attribute in (shown.partition(";")[0], *_together(directory, shown)):
                folded = base_name(attribute)
                if folded in seen | read_only | _UNTRIED:
                    continue
                seen.add(folded)
                yield canary, attribute


def _together(directory: Directory, shown: str) -> tuple[str, ...]:
    """Attributes that are written on the same entry and that a canary need not have."""
    if base_name(shown) == "krbprincipalname":
        return ("krbPrincipalExpiration",)
    if base_name(shown) != "userpassword":
        return ()
    names = _LOCK[directory.product]
    no_policy = directory.product is Product.OPENLDAP and not directory.session.offers(
        PPOLICY_CONTROL
    )
    return names[1:] if no_policy else names


def _try(directory: Directory, canary: CanaryObject, attribute: str) -> tuple[_Answer, str]:
    value = _absent(attribute, directory.settings.base).encode("ascii", "backslashreplace")
    try:
        directory.session.modify(canary.dn, [Change(Edit.DELETE, attribute, (value,))])
    except Transient:
        raise
    except Fault as fault:
        if fault.code in _NO_SUCH_VALUE:
            return _Answer.MAY, fault.code
        if fault.code in _NO_RIGHT:
            return _Answer.MAY_NOT, fault.code
        if fault.code == _NO_SUCH_ATTRIBUTE_TYPE:
            return _Answer.NOTHING_TO_WRITE, fault.code
        return _Answer.UNKNOWN, fault.code
    return _Answer.UNKNOWN, "success"


def _absent(attribute: str, base: str) -> str:
    """Make a value in the attribute's syntax that nobody has."""
    folded, name = base_name(attribute), f"deprovisioner-{secrets.token_hex(16)}"
    if folded in _TIMES:
        return f"1900010100{secrets.randbelow(60):02}{secrets.randbelow(60):02}Z"
    if folded == "shadowexpire":
        return str(1_000_000_000 + secrets.randbelow(1_000_000_000))
    row = ROW_OF.get(folded)
    style = row.names if row else _STYLES.get(folded)
    if style is None:
        return name
    return {
        Names.DN: f"cn={name},{base}",
        Names.LOGIN: name,
        Names.TRIPLE: f"(-,{name},)",
        Names.MAIL: f"{name}@example.invalid",
        Names.AUTHORISATION: f"dn.exact:cn={name},{base}",
    }[style]
