"""One domain controller as this connector speaks to it, and what it says about its domain.

``survey``, ``finding``, ``sign_in`` and ``changes`` work through a :class:`Domain`, which belongs
to one call on one controller. Objects are addressed by ``<GUID=...>``, never by a stored DN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from connectors._directory.endpoint import Endpoint
from connectors._directory.entries import Change, Entry
from connectors._directory.session import ANYTHING, Control, Scope, Session
from connectors.active_directory.security import EVERYONE, Sid, sid_text
from connectors.active_directory.settings import Settings
from connectors.active_directory.values import guid_dn, guid_text
from connectors.contract import Account, Credential, Effect, Holding, Json, Outcome
from connectors.faults import Malformed, Missing, Refused, Transient, Unauthorised

DOMAIN_SCOPE: Final = Control("1.2.840.113556.1.4.1339")
"""This domain only: no references to other partitions in an answer (MS-ADTS 3.1.1.3.4.1.2)."""
SHOW_DELETED: Final = Control("1.2.840.113556.1.4.417")
OWNER_GROUP_DACL: Final = Control("1.2.840.113556.1.4.801", b"\x30\x03\x02\x01\x07")
OWNER_DACL: Final = Control("1.2.840.113556.1.4.801", b"\x30\x03\x02\x01\x05")
ONLY_DACL: Final = Control("1.2.840.113556.1.4.801", b"\x30\x03\x02\x01\x04")
"""LDAP_SERVER_SD_FLAGS: without the SACL, which takes a privilege (MS-ADTS 3.1.1.3.4.1.11)."""
ID: Final = "objectGUID"
_EVERY_TOKEN: Final = frozenset({EVERYONE, Sid("S-1-5-11")})
"""Everyone and Authenticated Users: whoever is bound is both, shown or not."""
_NAMING: Final = (
    "objectSid", "sAMAccountName", "userPrincipalName", "uid", "userAccountControl",
)  # fmt: skip
_SYNCHRONISED: Final = "isSynchronized"


@dataclass(frozen=True, slots=True)
class Facts:
    """What does not change while a session lives.

    ``host``: the controller's name. ``tokens``: the identifiers our identity bears.
    ``known``: those of the attributes we work with that the schema has, folded; ``confidential``:
    those of them that need a right of their own to be read.
    """

    host: str
    domain: Sid
    tokens: frozenset[Sid]
    known: frozenset[str]
    confidential: frozenset[str]
    configuration: str
    service: str


@dataclass(frozen=True, slots=True)
class Domain:
    """A session together with what is needed to make sense of it."""

    settings: Settings
    credential: Credential
    session: Session
    endpoint: Endpoint
    facts: Facts
    clock: Callable[[], datetime]

    @property
    def images(self) -> bool:
        """Whether pre-images are brought: they may hold secrets, so only acting does."""
        return self.credential is Credential.ACT

    def knows(self, attribute: str) -> bool:
        """Say whether the schema has an attribute."""
        return attribute.lower() in self.facts.known

    def known_among(self, attributes: Sequence[str]) -> list[str]:
        """Return those attributes that the schema has."""
        return [name for name in attributes if self.knows(name)]

    def id_of(self, entry: Entry) -> str:
        """Return the immutable id. Raises ``Malformed`` when the server kept it from us."""
        if not entry.values(ID):
            raise Malformed("an object without objectGUID: may this identity read it?")
        return guid_text(entry.values(ID)[0])

    def by_id(
        self, native_id: str, attributes: Sequence[str], controls: Sequence[Control] = ()
    ) -> Entry | None:
        """Read the object with an immutable id where it is now; ``None`` when none is seen."""
        return self.session.read(guid_dn(native_id), [ID, *attributes], controls=controls)

    def account_entry(
        self, account: Account, attributes: Sequence[str] = (), controls: Sequence[Control] = ()
    ) -> Entry | None:
        """Read an account's own object with what names the person elsewhere."""
        return self.by_id(account.native_id, [*_NAMING, *attributes], controls)

    def deleted(self, native_id: str) -> Entry | None:
        """Read what is left of a deleted object, where this identity may (row A29)."""
        wanted = (ID, "isDeleted", "lastKnownParent", "objectSid", "sAMAccountName")
        entry = self.session.read(guid_dn(native_id), wanted, controls=[SHOW_DELETED])
        return entry if entry and entry.text("isDeleted").upper() == "TRUE" else None

    def sees_deleted(self, container: str) -> bool:
        """Say whether this identity may look among the deleted objects."""
        return self.session.read(container, [ID], controls=[SHOW_DELETED]) is not None

    def search(
        self,
        base: str,
        found_by: str,
        attributes: Sequence[str],
        scope: Scope = Scope.SUBTREE,
        controls: Sequence[Control] = (),
    ) -> Iterator[list[Entry]]:
        """Page through a search of this domain's own partition."""
        return self.session.search(base, found_by, attributes, scope, (DOMAIN_SCOPE, *controls))

    def everything(
        self,
        base: str,
        found_by: str,
        attributes: Sequence[str],
        scope: Scope = Scope.SUBTREE,
        controls: Sequence[Control] = (),
    ) -> list[Entry]:
        """Return all of :meth:`search`, or raise as it does."""
        pages = self.search(base, found_by, attributes, scope, controls)
        return [entry for page in pages for entry in page]

    def accounts(self, found_by: str, attributes: Sequence[str]) -> Iterator[list[Entry]]:
        """Page through all account bases."""
        for base in self.settings.account_bases:
            yield from self.search(base, found_by, attributes)

    def below(self, dn: str) -> bool:
        """Say whether an object has children."""
        return bool(self.everything(dn, ANYTHING, [ID], Scope.ONE_LEVEL))

    def modify(
        self, native_id: str, changes: Sequence[Change], controls: Sequence[Control] = ()
    ) -> None:
        """Change an object by its immutable id, all or nothing. Raises faults."""
        self.session.modify(guid_dn(native_id), changes, controls=controls)

    def attempt(
        self, native_id: str, changes: Sequence[Change], controls: Sequence[Control] = ()
    ) -> str:
        """Change an object and say how it was turned down; empty where it was answered success.

        A controller answers 16, 53 and 68 for several things each, so whoever calls reads again
        before it believes either (Law 1).
        """
        try:
            self.modify(native_id, changes, controls)
        except (Missing, Refused) as error:
            return str(error)
        return ""


def silent(operation: str) -> Transient:
    """A write that was answered with success and is not there when read back (Law 1)."""
    return Transient(f"{operation}: answered with success, read back unchanged", code="ad:silent")


def unchanged(operation: str, holding: Holding, read_back: Mapping[str, Json], why: str) -> Effect:
    """A write that is not there when read back: refused, where the controller said so."""
    if not why:
        raise silent(operation)
    return Effect(holding.key, Outcome.REFUSED, read_back, why=why)


def learn(settings: Settings, session: Session, names: Sequence[str]) -> Facts:
    """Ask a controller about itself, its domain and its schema. Raises faults.

    A controller that says it is not synchronised yet knows too little to be read (Law 2).
    """
    root = session.root
    if root.text(_SYNCHRONISED).upper() == "FALSE":
        raise Transient("learn: the controller is not synchronised yet", code="ad:sync")
    base = session.read(settings.base, ["objectSid"])
    if base is None or not base.values("objectSid"):
        raise Unauthorised("learn: the domain's own object is not seen", code="ad:base")
    own = session.read("", ["tokenGroups"])
    tokens = own.values("tokenGroups") if own else ()
    known, confidential = _schema(session, root.text("schemaNamingContext"), names)
    return Facts(
        host=root.text("dnsHostName"),
        domain=sid_text(base.values("objectSid")[0]),
        tokens=frozenset(sid_text(token) for token in tokens) | (_EVERY_TOKEN if tokens else set()),
        known=known,
        confidential=confidential,
        configuration=root.text("configurationNamingContext"),
        service=root.text("dsServiceName"),
    )


_NAME: Final = "lDAPDisplayName"
_CONFIDENTIAL: Final = 128
"""searchFlags fCONFIDENTIAL (MS-ADTS 2.2.10)."""
_EVERY_DOMAIN_HAS: Final = "samaccountname"


def _schema(
    session: Session, schema: str, names: Sequence[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """Learn which attributes there can be at all: one that cannot be needs no proof of sight."""
    wanted = "".join(f"({_NAME}={name})" for name in (*names, _EVERY_DOMAIN_HAS))
    try:
        found = session.everything(schema, f"(|{wanted})", [_NAME, "searchFlags"], Scope.ONE_LEVEL)
    except Missing as error:
        raise Unauthorised("learn: the schema is not seen", code="ad:schema") from error
    known = {entry.text(_NAME).lower(): int(entry.text("searchFlags") or 0) for entry in found}
    if _EVERY_DOMAIN_HAS not in known:
        raise Unauthorised("learn: the schema is not seen", code="ad:schema")
    secret = {name for name, flags in known.items() if flags & _CONFIDENTIAL}
    return frozenset(known), frozenset(secret)
