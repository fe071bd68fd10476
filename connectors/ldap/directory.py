"""One directory as this connector speaks to it: product, immutable ids, canaries, in one session.

``survey``, ``finding``, ``sign_in`` and ``changes`` all work through a :class:`Directory`, which
belongs to one call. It resolves an account to its current DN and never uses a stored one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from connectors._directory.endpoint import Endpoint
from connectors._directory.entries import Entry, any_of, equals, normal
from connectors._directory.session import ANYTHING, NO_ATTRIBUTES, Scope, Session
from connectors.contract import Account, Canary, Credential, ReadEnd
from connectors.faults import Malformed, Missing
from connectors.ldap import coverage
from connectors.ldap.references import Identity
from connectors.ldap.settings import Product, Settings

PPOLICY_CONTROL: Final = "1.3.6.1.4.1.42.2.27.8.5.1"
"""Listed by the root entry when OpenLDAP's password policy overlay is loaded."""
_ID_ATTRIBUTE: Final = {Product.OPENLDAP: "entryUUID", Product.THREE_EIGHT_NINE: "nsUniqueId"}


@dataclass(frozen=True, slots=True)
class Directory:
    """A session together with what is needed to make sense of it."""

    settings: Settings
    credential: Credential
    session: Session
    endpoint: Endpoint
    product: Product
    clock: Callable[[], datetime]

    @property
    def id_attribute(self) -> str:
        """Name of the immutable id on this product."""
        return _ID_ATTRIBUTE[self.product]

    def id_of(self, entry: Entry) -> str:
        """Return the immutable id. Raises ``Malformed`` when the server kept it from us."""
        native = entry.text(self.id_attribute)
        if not native:
            raise Malformed(f"an entry without {self.id_attribute}: may this identity read it?")
        return native.lower()

    def by_id(self, native_id: str, attributes: Sequence[str], *bases: str) -> Entry | None:
        """Read the entry with an immutable id where it is now; ``None`` when there is none."""
        wanted = [*attributes, self.id_attribute]
        for base in bases or (self.settings.base,):
            found = self.session.everything(base, equals(self.id_attribute, native_id), wanted)
            if len(found) > 1:
                raise Malformed("one immutable id on two entries")
            if found:
                return found[0]
        return None

    def account_entry(self, account: Account, attributes: Sequence[str] = ()) -> Entry | None:
        """Read an account's own entry with all it takes to recognise the person elsewhere."""
        return self.by_id(
            account.native_id, [*self.naming_attributes, *attributes], *self.settings.account_bases
        )

    @property
    def naming_attributes(self) -> tuple[str, ...]:
        """Attributes that other entries may name a person by, and whose number tells namesakes."""
        settings = self.settings
        return (
            settings.employee_attribute,
            settings.login_attribute,
            *settings.mail_attributes,
            "uidNumber",
        )

    def identity(self, account: Account, entry: Entry | None) -> Identity:
        """Say how the directory may name the person.

        Of a deleted account the last known name is used, to find what still points at it, unless
        somebody else bears that name now: then it is theirs (a re-used uid). Of a living one
        the identity also says which names are ``contested``.
        """
        settings = self.settings
        if entry is not None:
            identity = Identity.of(entry, settings.login_attribute, settings.mail_attributes)
            return replace(identity, contested=self._contested(entry, identity))
        taken_dn = not account.display or self.session.read(account.display, [NO_ATTRIBUTES])
        by_login = equals(settings.login_attribute, account.login)
        taken_login = not account.login or any(
            self.session.everything(base, by_login, [NO_ATTRIBUTES])
            for base in settings.account_bases
        )
        return Identity.known(
            "" if taken_dn else account.display, () if taken_login else (account.login,)
        )

    def _contested(self, entry: Entry, identity: Identity) -> frozenset[str]:
        """Names that another person's living account bears too; one with our HR number is ours."""
        settings = self.settings
        searched = (settings.login_attribute, *settings.mail_attributes, "uidNumber")
        parts = [equals(name, text) for name in searched for text in entry.texts(name)]
        if not parts:
            return frozenset()
        mine, number_of = self.id_of(entry), self._numbers
        others = [
            Identity.of(other, settings.login_attribute, settings.mail_attributes).words
            for page in self.pages(
                f"(&{settings.account_filter}{any_of(parts)})",
                (self.id_attribute, *self.naming_attributes),
            )
            for other in page
            if self.id_of(other) != mine and not number_of(other) & number_of(entry)
        ]
        return identity.words & frozenset[str]().union(*others)

    def _numbers(self, entry: Entry) -> frozenset[str]:
        texts = entry.texts(self.settings.employee_attribute)
        return frozenset(normal(text) for text in texts if text.strip())

    def end(self, gaps: Sequence[str] = (), *, complete: bool = True) -> ReadEnd:
        """Read the canaries in this very session and say how the read ended (Law 2)."""
        settings, seen = self.settings, True
        unread = [*gaps, *coverage.gaps(settings, self.product, self.credential)]
        for number, canary in enumerate(settings.canaries, 1):
            there, hidden = coverage.look(self.session, settings, canary, self.credential)
            seen = seen and there
            unread += [f"{name} of canary {number}" for name in hidden]
        return ReadEnd(
            complete=complete,
            canary=Canary("directory canaries", seen=seen),
            read_at=self.clock(),
            credential=self.credential,
            gaps=tuple(unread),
        )

    def pages(self, found_by: str, attributes: Sequence[str]) -> Iterator[list[Entry]]:
        """Page through all account bases."""
        for base in self.settings.account_bases:
            yield from self.session.search(base, found_by, attributes)

    def at(self, base: str, found_by: str, attributes: Sequence[str]) -> list[Entry]:
        """Read everything below a base; a base that is not there holds nothing."""
        try:
            return self.session.everything(base, found_by, attributes)
        except Missing:
            return []

    def below(self, dn: str) -> bool:
        """Say whether an entry has children."""
        return bool(self.session.everything(dn, ANYTHING, [NO_ATTRIBUTES], Scope.ONE_LEVEL))


def recognise(settings: Settings, session: Session) -> Product:
    """Tell the product by the server's root entry. Raises ``Malformed`` when it is neither."""
    if settings.product is not Product.AUTO:
        return settings.product
    root = session.root
    if any(text.casefold() == "openldaprootdse" for text in root.texts("objectClass")):
        return Product.OPENLDAP
    if "389" in root.text("vendorName") or "389" in root.text("vendorVersion"):
        return Product.THREE_EIGHT_NINE
    raise Malformed("the server is neither OpenLDAP nor 389-ds: set product", code="ldap:product")
