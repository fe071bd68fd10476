"""How the rest of a directory points at a person: by DN, login, netgroup triple or address.

One :data:`ROWS` entry per attribute says which kind of holding it is and how a value names a
person. ``survey`` reads by it, ``changes`` edits by it. Nothing here talks to a server.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from connectors._directory.entries import Entry, any_of, bare, equals, normal, normal_dn
from connectors.contract import Kind, kind


class Names(StrEnum):
    """How a value names a person."""

    DN = "dn"
    LOGIN = "login"
    TRIPLE = "triple"
    MAIL = "mail"
    AUTHORISATION = "authorisation"


@dataclass(frozen=True, slots=True)
class Row:
    """One attribute that can name a person on another entry.

    ``needs_one``: the thing may not be left without a value of ours (Law 5).
    ``hands_over``: a transfer takes the leaver's value away in the same request, because it is an
    ownership; memberships are only added to, so that nobody loses access before their last day.
    """

    attribute: str
    kind: Kind
    names: Names
    needs_one: bool = False
    hands_over: bool = False


GROUP: Final = kind("grant.group")
ENTRY: Final = kind("ownership.entry")
ALIAS: Final = kind("alias")
SUDO: Final = kind("grant.sudo")
DELEGATION: Final = kind("grant.delegation")

ROWS: Final[tuple[Row, ...]] = (
    Row("member", GROUP, Names.DN, needs_one=True),
    Row("uniqueMember", GROUP, Names.DN, needs_one=True),
    Row("memberUid", GROUP, Names.LOGIN),
    Row("nisNetgroupTriple", kind("grant.netgroup"), Names.TRIPLE),
    Row("sudoUser", SUDO, Names.LOGIN),
    Row("sudoRunAsUser", SUDO, Names.LOGIN),
    Row("manager", ENTRY, Names.DN, hands_over=True),
    Row("owner", ENTRY, Names.DN, needs_one=True, hands_over=True),
    Row("seeAlso", ENTRY, Names.DN, hands_over=True),
    Row("secretary", ENTRY, Names.DN, hands_over=True),
    Row("roleOccupant", ENTRY, Names.DN, hands_over=True),
    Row("aliasedObjectName", ALIAS, Names.DN, hands_over=True),
    Row("rfc822MailMember", ALIAS, Names.MAIL, hands_over=True),
    Row("mgrpRFC822MailMember", ALIAS, Names.MAIL, hands_over=True),
    Row("authzFrom", DELEGATION, Names.AUTHORISATION),
)
ROW_OF: Final = {row.attribute.lower(): row for row in ROWS}
TWO_BEARERS: Final = (
    "Two entries bear this login, address or user number: decide by hand whose this is, and take "
    "it away by hand where it is this person's."
)
_TRIPLE: Final = re.compile(r"\(([^,()]*),([^,()]*),([^,()]*)\)")
_UNIQUE_ID: Final = re.compile(r"#'[01]*'B$")


def is_alias_entry(row: Row) -> bool:
    """Say whether the thing is nothing but a pointer: it goes as a whole, or gets a new target."""
    return row.kind == ALIAS and row.names is Names.DN


@dataclass(frozen=True, slots=True)
class Identity:
    """All the ways a directory may name one person, folded for comparison.

    Made from the person's entry as it is now, never from a stored DN. ``contested`` are those of
    the :attr:`words` that another person's living entry bears as well: a value with one of them
    names two people, and nobody but a person can say which (Law 4).
    """

    dn: str
    logins: frozenset[str]
    mails: frozenset[str]
    uid_number: str = ""
    folded_dn: str = ""
    plain: str = ""
    login: str = ""
    mail: str = ""
    contested: frozenset[str] = frozenset()

    @property
    def words(self) -> frozenset[str]:
        """Every name but the DN, folded: logins, addresses, and the user number as sudo has it."""
        number = {f"#{self.uid_number}"} if self.uid_number else set()
        return self.logins | self.mails | number

    @classmethod
    def of(cls, entry: Entry, login_attribute: str, mail_attributes: tuple[str, ...]) -> Identity:
        """Read the identity off an entry."""
        logins = entry.texts(login_attribute)
        mails = tuple(text for name in mail_attributes for text in entry.texts(name))
        return cls.known(entry.dn, logins, mails, entry.text("uidNumber"))

    @classmethod
    def known(
        cls, dn: str, logins: tuple[str, ...], mails: tuple[str, ...] = (), uid_number: str = ""
    ) -> Identity:
        """Make an identity from what is known of it."""
        value = dn.partition("=")[2].partition(",")[0].casefold()
        return cls(
            dn=dn,
            logins=frozenset(normal(login) for login in logins if login.strip()),
            mails=frozenset(normal(mail) for mail in mails if mail.strip()),
            uid_number=uid_number,
            folded_dn=normal_dn(dn) if dn else "",
            plain=value if value.isascii() and value.isalnum() else "",
            login=next(iter(logins), ""),
            mail=next(iter(mails), ""),
        )

    def is_dn(self, text: str) -> bool:
        """Say whether a DN in any spelling is this person's."""
        if not self.dn:
            return False
        if text == self.dn:
            return True
        if self.plain and self.plain not in text.casefold():
            return False  # saves folding ten thousand other members of a large group
        return normal_dn(text) == self.folded_dn


def search_filter(identity: Identity) -> str:
    """Return one filter that finds every entry that may name the person.

    By DN and address the server compares. Logins and triples are matched by us on all values:
    servers compare them byte by byte, and a substring filter on a triple silently finds nothing.
    """
    parts: list[str] = []
    for row in ROWS:
        if row.names is Names.DN:
            parts += [equals(row.attribute, identity.dn)] if identity.dn else []
        elif row.names is Names.MAIL:
            named = sorted(identity.mails | identity.logins)
            parts += [equals(row.attribute, name) for name in named]
        else:
            parts.append(f"({row.attribute}=*)")
    return any_of(parts)


def matching(row: Row, identity: Identity, values: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return the original values of an attribute that name the person."""
    return tuple(value for value in values if names(row.names, identity, _text(bare(value))))


def contested(row: Row, identity: Identity, values: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return those of the matching values that name another person's entry just as well."""
    if not identity.contested:
        return ()
    return tuple(
        value
        for value in matching(row, identity, values)
        if _word(row.names, _text(bare(value))) in identity.contested
    )


def names(style: Names, identity: Identity, text: str) -> bool:
    """Say whether one value names the person."""
    if style is Names.DN:
        return identity.is_dn(_UNIQUE_ID.sub("", text))
    word = _word(style, text)
    if style is Names.LOGIN:
        numeric = bool(identity.uid_number) and word == f"#{identity.uid_number}"
        return numeric or word in identity.logins
    if style is Names.MAIL:
        return word in identity.mails | identity.logins
    if style is Names.TRIPLE or word:
        return word in identity.logins
    scheme, _, rest = text.partition(":")
    return identity.is_dn(rest if scheme.casefold() in {"dn", "dn.exact"} else text)


def _word(style: Names, text: str) -> str:
    """Return the folded name in a value; empty where the value holds a DN."""
    if style is Names.TRIPLE:
        return user_of(text)
    if style in {Names.LOGIN, Names.MAIL}:
        return normal(text)
    scheme, _, rest = text.partition(":")
    by_login = style is Names.AUTHORISATION and scheme.casefold() == "u"
    return normal(rest) if by_login else ""


def user_of(triple: str) -> str:
    """Return the folded user of a netgroup triple ``(host,user,domain)``; empty means everybody."""
    found = _TRIPLE.search(triple)
    return normal(found.group(2)) if found else ""


def value_for(row: Row, identity: Identity) -> bytes:
    """Return the value that names a successor; empty when the directory has none."""
    if row.names is Names.DN:
        return identity.dn.encode("utf-8")
    if row.names is Names.MAIL:
        return identity.mail.encode("utf-8")
    return identity.login.encode("utf-8") if row.names is Names.LOGIN else b""


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
