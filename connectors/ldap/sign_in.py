"""Whether an account can sign in, and taking that away and giving it back (L01 to L03).

``survey`` asks for the state; the connector's ``contain`` and ``restore`` work the bundle of
account and password here. On OpenLDAP any change of a password removes the lock, so scramble and
lock are one modify. Codes of the answers decide nothing; the re-read does (Law 1).
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from connectors._directory.entries import Change, Edit, Entry
from connectors._directory.preimage import pack, unpack
from connectors.contract import Account, Effect, Holding, HoldingState, Json, Outcome
from connectors.faults import Missing, Refused, Transient
from connectors.ldap import proof
from connectors.ldap.card import PASSWORD
from connectors.ldap.directory import PPOLICY_CONTROL, Directory
from connectors.ldap.settings import Product

LOCKED_FOR_EVER: Final = b"000001010000Z"
"""The one value of pwdAccountLockedTime that no timer lifts (draft-behera-ldap-password-policy)."""
_SALT: Final = b"no password matches"
_RANDOM_BYTES: Final = 20
_DISABLED_EXPIRE: Final = b"1"
STATE: Final = (
    "objectClass",
    "userPassword",
    "pwdAccountLockedTime",
    "pwdPolicySubentry",
    "nsAccountLock",
    "nsRoleDN",
    "loginShell",
    "shadowExpire",
)
_IMAGE: Final = ("pwdAccountLockedTime", "nsAccountLock", "loginShell", "shadowExpire")
_EXISTS: Final = "ldap:20"
_CANNOT_LOCK: Final = (
    "cannot lock: the effective password policy has no pwdLockout TRUE, or it is not known here"
)
ACCOUNT_DUTY: Final = (
    "This directory cannot lock the account (no effective password policy with pwdLockout TRUE). "
    "Give it one, or confirm otherwise that it cannot bind."
)
_LOCK: Final = "pwdAccountLockedTime"
RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class SignIn:
    """What an account's own entry says about signing in, as one read saw it."""

    entry: Entry
    locked: bool
    lockable: bool

    @property
    def scrambled(self) -> bool:
        """Only our own scramble is stored. False when the password may not be read."""
        values = self.entry.values("userPassword")
        return bool(values) and all(is_scramble(value) for value in values)

    @property
    def state(self) -> HoldingState:
        """Contained only when something seen proves that it cannot bind."""
        closed = self.locked or (not self.lockable and self.scrambled)
        return HoldingState.CONTAINED if closed else HoldingState.LIVE


def read(directory: Directory, entry: Entry) -> SignIn:
    """Judge an entry that was read with :data:`STATE`."""
    if directory.product is Product.THREE_EIGHT_NINE:
        # Computed by the server: also true when a role locks the account.
        locked = entry.text("nsAccountLock").casefold() == "true"
        return SignIn(entry, locked=locked, lockable=True)
    asked = LOCKED_FOR_EVER in entry.values("pwdAccountLockedTime")
    lockable = _lockable(directory, entry)
    if asked and lockable is None:
        lockable = proof.refused_as_locked(directory, entry.dn, _unknown())
    return SignIn(entry, locked=asked and lockable is True, lockable=bool(lockable))


def image(current: SignIn) -> dict[str, Json]:
    """Pre-image of the account's state."""
    return {name: pack(current.entry.values(name)) for name in _IMAGE}


def contain(
    directory: Directory, account: Account, holdings: Sequence[Holding], random: RandomBytes
) -> list[Effect]:
    """Lock and scramble what the bundle names, in one modify; one effect per holding."""
    current = _current(directory, account)
    if current is None:
        return [_gone(holding) for holding in holdings]
    lock = any(holding.kind != PASSWORD for holding in holdings)
    scramble = any(
        holding.kind == PASSWORD and not _scrambled_already(current, holding)
        for holding in holdings
    )
    changes = _containing(directory, current, lock=lock, scramble=scramble, random=random)
    replaced = _modify(directory, current.entry.dn, changes) if changes else None
    after = _current(directory, account)
    if after is None:
        raise Transient("contain: the entry vanished while it was changed")
    if _undone(changes, after.entry):
        raise Transient("contain: answered with success, read back unchanged", code="ldap:silent")
    return [
        _contained(
            directory, holding, replaced or current, after, scrambled=scramble, wrote=bool(changes)
        )
        for holding in holdings
    ]


def restore(directory: Directory, account: Account, holdings: Sequence[Holding]) -> list[Effect]:
    """Put lock, shell, expiry and password hash back as their pre-images say."""
    current = _current(directory, account)
    if current is None:
        why = "the entry is gone; re-create it from its export"
        return [Effect(holding.key, Outcome.REFUSED, why=why) for holding in holdings]
    refused = ""
    changes = [change for one in holdings for change in _restoring(directory, current, one)]
    if any(change.attribute == "userPassword" for change in changes):
        changes = _with_right_lock(current, holdings, changes)
    if changes:
        refused = _modify_with_or_without_hash(directory, current.entry.dn, changes)
    after = _current(directory, account) or current
    return [_restored(holding, current, after, refused) for holding in holdings]


def scramble_value(product: Product, random: RandomBytes) -> bytes:
    """Make a password that nobody knows.

    OpenLDAP stores ``{SSHA}`` as given: twenty random bytes in place of a digest, which no password
    hashes to, and a salt by which a reader recognises it. 389-ds takes hashes from nobody but
    password administrators, so there it is a long random password.
    """
    if product is Product.OPENLDAP:
        return b"{SSHA}" + base64.b64encode(random(_RANDOM_BYTES) + _SALT)
    return b"Aa1-" + base64.urlsafe_b64encode(random(2 * _RANDOM_BYTES))


def _unknown() -> str:
    """Make a password for a probe: nobody's, so the answer can only be about the account."""
    return secrets.token_urlsafe(2 * _RANDOM_BYTES)


def is_scramble(stored: bytes) -> bool:
    """Say whether a stored hash is one of :func:`scramble_value`'s."""
    scheme, _, rest = stored.partition(b"}")
    if scheme.upper() != b"{SSHA":
        return False
    try:
        return base64.b64decode(rest, validate=True)[_RANDOM_BYTES:] == _SALT
    except ValueError:
        return False


# ------------------------------------------------------------------------------------ reading
def _current(directory: Directory, account: Account) -> SignIn | None:
    entry = directory.account_entry(account, STATE)
    return read(directory, entry) if entry is not None else None


def _lockable(directory: Directory, entry: Entry) -> bool | None:
    """Read ``pwdLockout`` of the effective policy; ``None`` when it is not to be known."""
    if not directory.session.offers(PPOLICY_CONTROL):
        return False
    policy_dn = entry.text("pwdPolicySubentry") or directory.settings.default_password_policy
    policy = directory.session.read(policy_dn, ["pwdLockout", "objectClass"]) if policy_dn else None
    if policy is None or not policy.values("objectClass"):
        return None
    return policy.text("pwdLockout").casefold() == "true"


# ------------------------------------------------------------------------------------ changing
def _containing(
    directory: Directory, current: SignIn, *, lock: bool, scramble: bool, random: RandomBytes
) -> list[Change]:
    changes = []
    if scramble:
        value = scramble_value(directory.product, random)
        changes.append(Change(Edit.REPLACE, "userPassword", (value,)))
    if lock:
        changes += [] if current.locked and not scramble else _locking(directory, current)
        changes += _host_side(directory, current.entry)
    elif scramble:
        changes += _keep_lock(directory, current)
    return changes


def _locking(directory: Directory, current: SignIn) -> list[Change]:
    if directory.product is Product.THREE_EIGHT_NINE:
        return [] if current.locked else [Change(Edit.REPLACE, "nsAccountLock", (b"true",))]
    if not directory.session.offers(PPOLICY_CONTROL):
        return []
    return _lock_edits(current, (LOCKED_FOR_EVER,))


def _lock_edits(current: SignIn, lock: tuple[bytes, ...]) -> list[Change]:
    """Say what OpenLDAP's lock shall be after a request that may change the password too.

    The overlay lifts a lock that is there with any new password, after our own edits, unless the
    request deletes it outright. So a lock is deleted first and then added, never replaced: replaced
    together with the password of a locked account, it is gone (measured, slapd 2.5.13).
    """
    held = current.entry.values(_LOCK)
    edits = [Change(Edit.DELETE, _LOCK)] if held else []
    return edits + ([Change(Edit.ADD, _LOCK, lock)] if lock else [])


def _keep_lock(directory: Directory, current: SignIn) -> list[Change]:
    """A password change removes OpenLDAP's lock, so a lock that is there goes along."""
    held = LOCKED_FOR_EVER in current.entry.values("pwdAccountLockedTime")
    return _locking(directory, current) if held else []


def _host_side(directory: Directory, entry: Entry) -> list[Change]:
    changes = []
    shell = directory.settings.nologin_shell.encode()
    if entry.values("loginShell") and entry.values("loginShell") != (shell,):
        changes.append(Change(Edit.REPLACE, "loginShell", (shell,)))
    shadow = any(text.casefold() == "shadowaccount" for text in entry.texts("objectClass"))
    if shadow and entry.values("shadowExpire") != (_DISABLED_EXPIRE,):
        changes.append(Change(Edit.REPLACE, "shadowExpire", (_DISABLED_EXPIRE,)))
    return changes


def _modify(directory: Directory, dn: str, changes: list[Change]) -> SignIn | None:
    """One modify. An entry that cannot carry a password is locked without one.

    Returns the state it replaced, from the same atomic request, where the server can say so.
    """
    session = directory.session
    try:
        before = session.modify(dn, changes, before=STATE)
    except Refused as error:
        if error.code == _EXISTS:
            raise Transient("contain: another worker locks it at this moment") from error
        others = [change for change in changes if change.attribute != "userPassword"]
        if error.code != "ldap:65" or not others or len(others) == len(changes):
            raise
        before = session.modify(dn, others, before=STATE)
    except Missing as error:
        raise Transient("contain: the entry changed in between") from error
    return read(directory, before) if before is not None else None


def _undone(changes: list[Change], after: Entry) -> bool:
    """Our write is not there. A password cannot be compared: it is stored under a new salt."""
    meant = {change.attribute: change.values for change in changes}  # the last edit of each counts
    return any(
        after.values(name) != values for name, values in meant.items() if name != "userPassword"
    )


def _scrambled_already(current: SignIn, holding: Holding) -> bool:
    """A password is known to be scrambled by its mark, or because it is not the pre-image's."""
    if current.scrambled:
        return True
    stored = current.entry.values("userPassword")
    before = unpack(holding.restore, "userPassword")
    return current.locked and bool(stored) and bool(before) and set(stored).isdisjoint(before)


def _contained(
    directory: Directory,
    holding: Holding,
    before: SignIn,
    after: SignIn,
    *,
    scrambled: bool,
    wrote: bool,
) -> Effect:
    read_back = _readable(after.entry)
    if holding.kind == PASSWORD:
        lost = _lost(before.entry, holding)
        if not scrambled:
            return Effect(holding.key, Outcome.ALREADY, read_back, lost=lost)
        why = "" if after.locked else _CANNOT_LOCK + "; only the password was scrambled"
        if after.entry.values("userPassword") == before.entry.values("userPassword") != ():
            raise Transient("contain: the password hash is unchanged", code="ldap:silent")
        return Effect(holding.key, Outcome.DONE, read_back, why=why, lost=lost)
    if not after.locked:
        return Effect(holding.key, Outcome.REFUSED, read_back, why=_CANNOT_LOCK)
    if not wrote or (before.locked and not _host_side(directory, before.entry)):
        return Effect(holding.key, Outcome.ALREADY, read_back)
    seen = proof.of_lock(directory, after.entry.dn, _unknown())
    return Effect(holding.key, Outcome.DONE, read_back | ({"bind probe": seen} if seen else {}))


def _lost(replaced: Entry, holding: Holding) -> str:
    """Say what undo will not have: a hash nobody could read, or one that is newer than stored."""
    hashes = replaced.values("userPassword")
    if not hashes:
        return "the password hash was not readable"
    stored = unpack(holding.restore, "userPassword")
    newer = not set(hashes) <= set(stored) and not all(is_scramble(one) for one in hashes)
    return "the password was changed after it was stored" if stored and newer else ""


def _readable(entry: Entry) -> dict[str, Json]:
    """What was read back, without secrets."""
    return {name: list(entry.texts(name)) for name in _IMAGE if entry.values(name)}


def _gone(holding: Holding) -> Effect:
    return Effect(holding.key, Outcome.ALREADY, {"entry": "absent"})


# ------------------------------------------------------------------------------------ restoring
def _restoring(directory: Directory, current: SignIn, holding: Holding) -> list[Change]:
    if holding.kind == PASSWORD:
        stored = unpack(holding.restore, "userPassword")
        same = set(stored) == set(current.entry.values("userPassword"))
        return [] if not stored or same else [Change(Edit.REPLACE, "userPassword", stored)]
    changes = []
    for name in _IMAGE:
        before, now = unpack(holding.restore, name), current.entry.values(name)
        if set(before) == set(now) or name.lower() not in _known(directory):
            continue
        changes.append(Change(Edit.REPLACE, name, before))
    return changes


def _with_right_lock(
    current: SignIn, holdings: Sequence[Holding], changes: list[Change]
) -> list[Change]:
    """A password comes back together with the lock that belongs to it, or with none."""
    account = next((holding for holding in holdings if holding.kind != PASSWORD), None)
    lock = unpack(account.restore, _LOCK) if account else current.entry.values(_LOCK)
    others = [change for change in changes if change.attribute != _LOCK]
    return others + _lock_edits(current, lock)


def _known(directory: Directory) -> frozenset[str]:
    """Attributes this product has; naming another one would fail the whole request."""
    lock = "nsaccountlock"
    if directory.product is Product.OPENLDAP:
        lock = "pwdaccountlockedtime" if directory.session.offers(PPOLICY_CONTROL) else ""
    return frozenset({lock, "loginshell", "shadowexpire"})


def _modify_with_or_without_hash(directory: Directory, dn: str, changes: list[Change]) -> str:
    """Write all; where the server takes no stored hash back, write the rest and say so."""
    try:
        directory.session.modify(dn, changes)
    except Refused as error:
        others = [change for change in changes if change.attribute != "userPassword"]
        if error.code != "ldap:19" or len(others) == len(changes):
            raise
        if others:
            directory.session.modify(dn, others)
        return "the server takes no stored password hash from this identity: issue a new password"
    except Missing as error:
        raise Transient("restore: the entry changed in between") from error
    return ""


def _restored(holding: Holding, before: SignIn, after: SignIn, refused: str) -> Effect:
    wanted = ("userPassword",) if holding.kind == PASSWORD else _IMAGE
    stored = {name: set(unpack(holding.restore, name)) for name in wanted}
    if holding.kind == PASSWORD and not stored["userPassword"]:
        why = "no stored password hash: issue a new password"
        return Effect(holding.key, Outcome.REFUSED, why=why)
    read_back = _readable(after.entry)
    if any(set(after.entry.values(name)) != values for name, values in stored.items()):
        why = refused or "read back, the entry is not as its pre-image says"
        return Effect(holding.key, Outcome.REFUSED, read_back, why=why)
    as_before = all(set(before.entry.values(name)) == values for name, values in stored.items())
    return Effect(holding.key, Outcome.ALREADY if as_before else Outcome.DONE, read_back)
