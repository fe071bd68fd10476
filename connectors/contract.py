"""The contract between the daemon and every outside system: nouns and abilities.

A connector reports what a person has in one shape (:class:`Holding`), claims one small Protocol
per ability, and declares per kind of holding what it can do (:class:`Card`). ``reconcile`` and
``policies`` know this module and never a system. Nothing here does I/O.

Rules every connector keeps (``connectors/conformance.py`` checks them):

- it translates and nothing else: no retry, no sleep, no decision, no swallowed error;
- reads yield page by page, and only the last page carries a :class:`ReadEnd`. A stream that stops
  without one was cut short, so the read is blind by construction (Law 2);
- a write is believed by nobody: it returns an :class:`Effect` with what was read back (Law 1);
- "already so" is a success of its own (Law 6);
- objects are addressed by immutable native id, never by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Generic, NewType, Protocol, TypeVar, runtime_checkable

from typing_extensions import TypeAliasType

Json = TypeAliasType("Json", "str | int | bool | Sequence[Json] | Mapping[str, Json] | None")
Kind = NewType("Kind", str)
Item = TypeVar("Item")

CONTRACT_VERSION: Final = 1
"""Versioned once, as a whole."""

_VOCABULARY: Final = """
account.person account.admin account.service
session
credential.password credential.mfa credential.recovery credential.ssh_key credential.gpg_key
credential.api_token credential.access_key credential.certificate credential.kerberos
credential.card credential.pin credential.biometric credential.mobile_pass
grant.group grant.role grant.role_eligible grant.app_role grant.consent grant.licence grant.policy
grant.trust grant.acl grant.sudo grant.netgroup grant.delegation grant.access_package grant.door
ownership.group ownership.project ownership.application ownership.device ownership.schedule
ownership.webhook ownership.runner ownership.agent ownership.entry ownership.report
ownership.resource
alias
data.mailbox data.drive data.repository data.home data.snippet
device
secret_known
asset.laptop asset.phone asset.badge asset.key asset.other
duty.handover duty.exit_interview duty.other
"""
KINDS: Final[frozenset[Kind]] = frozenset(Kind(word) for word in _VOCABULARY.split())
"""The closed vocabulary. A new word needs a decision record under docs/decisions."""


def kind(word: str) -> Kind:
    """Check a word against the vocabulary. Raises :class:`ValueError`."""
    if word not in KINDS:
        message = f"{word!r} is not a kind of holding"
        raise ValueError(message)
    return Kind(word)


class Stage(StrEnum):
    """The five stages of a case, in the order of DESIGN section 2."""

    CONTAIN = "contain"
    PRESERVE = "preserve"
    TRANSFER = "transfer"
    REVOKE = "revoke"
    DESTROY = "destroy"


class Credential(StrEnum):
    """Which of a system's two credentials speaks: one acts, another verifies."""

    ACT = "act"
    VERIFY = "verify"


class AccountKind(StrEnum):
    """What an account is for."""

    PERSON = "person"
    ADMIN = "admin"
    SERVICE = "service"


class HoldingState(StrEnum):
    """What a holding can still do: work, nothing until restored, or it is not there."""

    LIVE = "live"
    CONTAINED = "contained"
    GONE = "gone"


class IdentityKey(StrEnum):
    """By what an account may be known to be somebody's.

    ``IMMUTABLE_ID`` is an id of *another* system that an account carries (Entra's
    ``onPremisesImmutableId`` is Active Directory's objectGUID); both sides write it alike.
    ``OWNER`` is who a non-personal account belongs to: a native id, DN or login of that person's.
    """

    EMPLOYEE_NUMBER = "employee_number"
    PERSON_ID = "person_id"
    IMMUTABLE_ID = "immutable_id"
    UPN = "upn"
    MAIL = "mail"
    LOGIN = "login"
    OWNER = "owner"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Identifier:
    """One identity attribute with its value as read, unfolded. Personal data."""

    key: IdentityKey
    value: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What HR knows about a person. The only input of :class:`Finds`. Personal data throughout.

    ``logins`` also holds logins learned in other systems and those that a naming pattern makes of
    them; ``identifiers`` holds immutable ids learned in other systems. A connector may search by
    them; what a hit is worth is judged in ``reconcile.correlate``.
    """

    employment_id: str
    person_id: str = ""
    employee_number: str = ""
    emails: tuple[str, ...] = ()
    upn: str = ""
    names: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    identifiers: tuple[Identifier, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """One account of a person in one system.

    ``native_id`` is the system's immutable id (entryUUID, Graph id), never a name or DN.
    ``confidence`` is 0 to 100: 100 means an immutable id or the HR number matched; anything lower
    is a candidate that a person confirms, never acted upon by itself.
    ``identifiers`` are the identity attributes as read, all values of each: HR number, addresses,
    login, owner. Where they are given they decide, and ``confidence`` is only heard where they say
    nothing (docs/correlation.md); left out, ``confidence`` is believed.
    ``display`` is what a person recognises (personal data; never logged).
    """

    system: str
    native_id: str
    login: str
    kind: AccountKind = AccountKind.PERSON
    matched_by: str = ""
    confidence: int = 100
    display: str = ""
    identifiers: tuple[Identifier, ...] = ()


@dataclass(frozen=True, slots=True)
class Holding:
    """Something an account has: a credential, a grant, an ownership, data, the account itself.

    ``native_id`` is unique within (account, kind) and immutable. ``label`` is for people.
    ``sole`` is true when taking this away would leave the thing without owner, admin or member:
    it is handed over first and never removed as it is (Law 5).
    ``restore`` is the pre-image: all that :class:`Restores` needs to put the holding back. It may
    hold secrets (a password hash), so it is only ever stored sealed. Empty when read with the
    verifying credential.
    ``duty`` is set when the connector can see this holding but cannot take it away: the words of
    the task for a person.
    ``residual_until`` is the last instant at which it could still work although contained.
    ``handed_to`` are accounts of this system, by native id, that were seen to have it too, where
    no survey of theirs can show it (a drive that was shared with them).
    """

    account_id: str
    kind: Kind
    native_id: str
    label: str = ""
    state: HoldingState = HoldingState.LIVE
    sole: bool = False
    restore: Mapping[str, Json] = field(default_factory=dict)
    last_used: datetime | None = None
    duty: str = ""
    residual_until: datetime | None = None
    handed_to: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """Identity of the holding within its system."""
        return f"{self.account_id}|{self.kind}|{self.native_id}"


@dataclass(frozen=True, slots=True)
class Canary:
    """A known object next to the target, read in the same login session (Law 2)."""

    name: str
    seen: bool


@dataclass(frozen=True, slots=True)
class ReadEnd:
    """How a read ended. ``gaps`` names what could not be read, in words without personal data."""

    complete: bool
    canary: Canary
    read_at: datetime
    credential: Credential
    gaps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A page of a read; only the last page has an ``end``."""

    items: tuple[Item, ...]
    end: ReadEnd | None = None


@dataclass(frozen=True, slots=True)
class Reading(Generic[Item]):
    """A finished read. Closure may only use it when it is not :attr:`blind`."""

    items: tuple[Item, ...]
    complete: bool
    canary: Canary | None
    read_at: datetime | None
    credential: Credential | None
    gaps: tuple[str, ...] = ()

    @property
    def blind(self) -> str:
        """Why nothing may be concluded from absence here; empty when the read could see (Law 2)."""
        if not self.complete:
            return "the read was cut short"
        if self.canary is None or not self.canary.seen:
            return "the canary was not seen"
        if self.gaps:
            return "not readable: " + ", ".join(self.gaps)
        return ""


def gather(pages: Iterable[Page[Item]]) -> Reading[Item]:
    """Read all pages. A stream without an end, or with a page after it, is incomplete (Law 2)."""
    items: list[Item] = []
    end: ReadEnd | None = None
    trailing = False
    for page in pages:
        trailing = trailing or end is not None
        items.extend(page.items)
        end = page.end or end
    if end is None:
        return Reading(tuple(items), complete=False, canary=None, read_at=None, credential=None)
    complete = end.complete and not trailing
    return Reading(tuple(items), complete, end.canary, end.read_at, end.credential, end.gaps)


class Outcome(StrEnum):
    """What one write did. ``already`` and ``done`` are different words in evidence (Law 6)."""

    DONE = "done"
    ALREADY = "already"
    PENDING = "pending"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Effect:
    """The result of one write on one holding, with what was read back right after it.

    ``read_back`` is for evidence: raw values as read, no secrets. ``lost`` names what
    :class:`Restores` will not be able to bring back, in words.
    """

    holding_key: str
    outcome: Outcome
    read_back: Mapping[str, Json] = field(default_factory=dict)
    native_request_id: str = ""
    pending_until: datetime | None = None
    why: str = ""
    lost: str = ""


@dataclass(frozen=True, slots=True)
class Export:
    """One object to back up, streamed. ``name`` is a relative file name without personal data."""

    name: str
    media_type: str
    chunks: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Activity:
    """Something an account did, as the system itself recorded it."""

    account_id: str
    at: datetime
    what: str


class Strength(StrEnum):
    """How strongly a system can take a kind of holding away."""

    NOW = "now"
    BOUNDED = "bounded"
    ON_EXPIRY = "on expiry"
    NEVER = "never"


class Verification(StrEnum):
    """How strongly a system lets us see that it is gone."""

    OBSERVED = "observed"
    ACKNOWLEDGED = "acknowledged"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class OrderException:
    """A stage of this kind must come before another, against the usual order, with the reason.

    ``deadline`` bounds how long ``contain`` may wait for it; zero in an immediate termination.
    """

    first: Stage
    before: Stage
    reason: str
    deadline: timedelta


@dataclass(frozen=True, slots=True)
class Support:
    """What a connector can do with one kind of holding.

    ``bundle``: holdings of one account whose kinds name the same bundle go into one call, because
    the system changes them in one request (LDAP: lock and scramble in one modify).
    ``not_restorable``: what does not come back on undo, in words; empty when all of it does.
    ``duty``: the task for a person where the connector itself can do nothing.
    """

    kind: Kind
    stages: frozenset[Stage]
    revokes: Strength = Strength.NOW
    revoke_bound: timedelta = timedelta(0)
    verifies: Verification = Verification.OBSERVED
    rights: tuple[str, ...] = ()
    not_restorable: str = ""
    order: tuple[OrderException, ...] = ()
    bundle: str = ""
    duty: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """What the system has and the connector cannot see: named, and turned into a duty."""

    kind: Kind
    why: str
    duty: str


@dataclass(frozen=True, slots=True)
class Card:
    """The capability card of a connector as configured (``deprovisioner connectors show``).

    ``settle`` is how long after the last write a verification read may begin (replication, refint).
    """

    product: str
    supports: tuple[Support, ...]
    settle: timedelta
    gaps: tuple[Gap, ...] = ()
    notes: tuple[str, ...] = ()

    def support(self, of: Kind) -> Support | None:
        """Find the declaration for a kind."""
        return next((support for support in self.supports if support.kind == of), None)


class Describes(Protocol):
    """Every connector: says what it can do without touching the network, and can be closed."""

    def card(self) -> Card:
        """Return the capability card for these settings. No I/O."""
        ...

    def close(self) -> None:
        """Let go of connections. May be called twice."""
        ...


@runtime_checkable
class Probes(Protocol):
    """Answers ``doctor``: reachability, rights, clock and canary, without changing anything."""

    def probe(self) -> Iterator[Probe]:
        """Yield one line per check. Raises faults only when nothing can be said at all."""
        ...


@dataclass(frozen=True, slots=True)
class Probe:
    """One line of ``doctor``: what was checked, whether it holds, and what to do if not."""

    check: str
    holds: bool
    detail: str = ""
    advice: str = ""


@runtime_checkable
class Finds(Protocol):
    """Finds the accounts of a person. Candidates too, with their confidence."""

    def find(self, subject: Subject) -> Iterator[Page[Account]]:
        """Search. Raises :class:`~connectors.faults.Fault`."""
        ...


@runtime_checkable
class Surveys(Protocol):
    """Reports everything an account holds, the account itself included."""

    def survey(self, account: Account) -> Iterator[Page[Holding]]:
        """Read all holdings; an account that is gone yields none. Raises faults."""
        ...


@runtime_checkable
class Contains(Protocol):
    """Blocks without destroying. The caller has stored the pre-image of every holding before."""

    def contain(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Contain one bundle; one effect per holding, in order. Raises faults."""
        ...


@runtime_checkable
class Preserves(Protocol):
    """Exports what must be kept."""

    def export(self, account: Account, holdings: Sequence[Holding]) -> Iterator[Export]:
        """Stream objects to back up. Raises faults; an export that ends early raises."""
        ...


@runtime_checkable
class Transfers(Protocol):
    """Hands holdings over to a successor who already has an account in the same system."""

    def transfer(
        self, account: Account, holdings: Sequence[Holding], successor: Account
    ) -> Sequence[Effect]:
        """Make the successor owner or member; one effect per holding. Raises faults."""
        ...


@runtime_checkable
class Revokes(Protocol):
    """Removes grants, credentials and references. Never removes a sole holding as it is."""

    def revoke(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Remove; one effect per holding. Raises faults."""
        ...


@runtime_checkable
class Restores(Protocol):
    """Puts holdings back from their stored pre-image (Law 9)."""

    def restore(self, account: Account, holdings: Sequence[Holding]) -> Sequence[Effect]:
        """Restore; ``holdings`` carry ``restore`` as it was before. Raises faults."""
        ...


@runtime_checkable
class Destroys(Protocol):
    """Deletes the account itself, after retention."""

    def destroy(self, account: Account) -> Effect:
        """Delete. Raises faults."""
        ...


@runtime_checkable
class Lists(Protocol):
    """Lists the whole population for the sweep, flat in memory."""

    def list_accounts(self) -> Iterator[Page[Account]]:
        """Page through all accounts. Raises faults."""
        ...


@runtime_checkable
class Watches(Protocol):
    """Reads activity of an account after a moment."""

    def activity(self, account: Account, since: datetime) -> Iterator[Page[Activity]]:
        """Page through activity. Raises faults."""
        ...


class Connector(Describes, Finds, Surveys, Protocol):
    """The least a system must offer: a card, find and survey. All else is claimed on top."""


SettingsT = TypeVar("SettingsT", contravariant=True)  # noqa: PLC0105 - reads as what it is


class Opens(Protocol[SettingsT]):
    """The constructor every room exports as ``open_connector``; it does no I/O."""

    def __call__(
        self, name: str, settings: SettingsT, credential: Credential, clock: Callable[[], datetime]
    ) -> Connector:
        """Make the connector of system ``name`` speaking with one of its two credentials."""
        ...
