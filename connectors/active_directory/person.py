"""Who a call is about: the account's object as it is now, and how the domain names it elsewhere.

Made once per call; every edit of that call is about this person. Also who must never be touched.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import Final

from connectors._directory.entries import Entry, equals, normal, same_dn
from connectors.active_directory.domain import Domain
from connectors.active_directory.security import Sid, in_domain, relative_id, sid_text
from connectors.contract import Account

_BUILT_IN: Final = {500: "the built-in administrator", 501: "the built-in guest", 502: "krbtgt"}
_SYNC: Final = ("msol_*", "sync_*", "adsyncmsa*", "azureadssoacc$", "aad_*")
_TRUST: Final = 0x800


@dataclass(frozen=True, slots=True)
class Person:
    """One account in one domain; ``entry`` is ``None`` when it is not seen any more."""

    account: Account
    entry: Entry | None
    logins: frozenset[str]

    @classmethod
    def of(cls, domain: Domain, account: Account, entry: Entry | None) -> Person:
        """Say how the domain may name the person.

        Of a deleted account the last known login still counts, unless somebody else bears it now.
        """
        if entry is not None:
            texts = (*entry.texts("sAMAccountName"), *entry.texts("uid"))
            return cls(account, entry, frozenset(normal(text) for text in texts if text.strip()))
        taken = not account.login or any(
            found
            for page in domain.search(
                domain.settings.base, equals("sAMAccountName", account.login), ["objectGUID"]
            )
            for found in page
        )
        return cls(account, None, frozenset() if taken else frozenset({normal(account.login)}))

    @property
    def dn(self) -> str:
        """Where the object is now; empty when it is not seen."""
        return self.entry.dn if self.entry else ""

    @property
    def sid(self) -> Sid | None:
        """The security identifier."""
        values = self.entry.values("objectSid") if self.entry else ()
        return sid_text(values[0]) if values else None

    def is_named_by(self, value: bytes) -> bool:
        """Say whether a value that is a DN is this person's."""
        text = value.decode("utf-8", "backslashreplace")
        return bool(self.dn) and (text == self.dn or same_dn(text, self.dn))

    def is_login(self, value: bytes) -> bool:
        """Say whether a value that is a login is this person's."""
        return normal(value.decode("utf-8", "backslashreplace")) in self.logins


def untouchable(domain: Domain, person: Person) -> str:
    """Say why an account is never changed; empty when it may be (Law 5)."""
    entry, sid = person.entry, person.sid
    if entry is None:
        return ""
    named = {item.casefold() for item in domain.settings.protected}
    ids = {person.account.native_id.casefold(), (sid or "").casefold()}
    login = entry.text("sAMAccountName").casefold()
    own = (domain.settings.act, domain.settings.verify)
    reasons = {
        "the account is named in protected": bool(named & ids),
        "the account is an identity of ours": sid in domain.facts.tokens
        or any(_is(entry, one.user) for one in own),
        f"the account is {_built_in(domain, sid)}": bool(_built_in(domain, sid)),
        "the account is a trust's": bool(int(entry.text("userAccountControl") or 0) & _TRUST),
        "the account belongs to a cloud sync": any(
            fnmatch.fnmatchcase(login, pattern) for pattern in _SYNC
        ),
    }
    return next((why for why, holds in reasons.items() if holds), "")


def _built_in(domain: Domain, sid: Sid | None) -> str:
    ours = sid is not None and sid == in_domain(domain.facts.domain, relative_id(sid))
    return _BUILT_IN.get(relative_id(sid), "") if sid is not None and ours else ""


def _is(entry: Entry, user: str) -> bool:
    """Compare with a bind name: DN, user principal name, or domain and login."""
    names = {normal(text) for text in (*entry.texts("userPrincipalName"), entry.dn)}
    login = normal(user.rpartition("\\")[2]) if "\\" in user else ""
    by_login = bool(login) and login == normal(entry.text("sAMAccountName"))
    local, at, _ = user.partition("@")
    implicit = bool(at) and not entry.text("userPrincipalName")
    return (
        normal(user) in names
        or by_login
        or (implicit and normal(local) == normal(entry.text("sAMAccountName")))
        or same_dn(user, entry.dn)
    )
