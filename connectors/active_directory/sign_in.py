"""Whether an account can sign in, and taking that away and giving it back (A01 to A05, A24, A25).

Account, password and tickets are one bundle: disable first, in one request with all that goes
along, then two resets with passwords that nobody knows, because the one before the last is still
taken for a while. Codes of the answers decide nothing; the re-read does (Law 1).

A disabled account says nothing of its password, and no attribute says how often it was reset. So
the expiry is put on the very moment of the second reset, which is over: only an account that shows
both alike is scrambled, for every later reader, and any further reset shows (Law 6).
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from connectors._directory.binding import try_bind
from connectors._directory.entries import Change, Edit, Entry
from connectors._directory.preimage import pack, unpack
from connectors.active_directory.domain import Domain, silent
from connectors.active_directory.person import Person
from connectors.active_directory.residual import disabled_since
from connectors.active_directory.rows import KERBEROS, PASSWORD
from connectors.active_directory.values import Flag, contained, filetime, instant, password
from connectors.contract import Account, Effect, Holding, HoldingState, Json, Outcome, kind
from connectors.faults import Missing, Refused, Transient, Unauthorised

UAC: Final = "userAccountControl"
EXPIRES: Final = "accountExpires"
_DIAL_IN: Final = "msNPAllowDialin"
_HIDDEN: Final = "msExchHideFromAddressLists"
_MAILBOX: Final = "msExchMailboxGuid"
_SHELL: Final = "loginShell"
_IMAGE: Final = (UAC, EXPIRES, _DIAL_IN, _HIDDEN, _SHELL)
_LAST_SET: Final = "pwdLastSet"
STATE: Final = (
    *_IMAGE,
    _LAST_SET,
    _MAILBOX,
    "whenChanged",
    "msDS-ReplAttributeMetaData",
    "lastLogonTimestamp",
)
NOT_RESTORABLE: Final = (
    "a scrambled password does not come back: give the person a new one and have them change it"
)
_MEANWHILE: Final = "somebody else, perhaps another worker, changed the password meanwhile"
_UNMARKED: Final = "reset twice; accountExpires, which says so from then on, may not be written"
_RESETS: Final = 2
_RANDOM_BYTES: Final = 40
_DISABLED_ANSWER: Final = "533"
RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class SignIn:
    """What an account's own object says about signing in, as one read saw it."""

    entry: Entry

    @property
    def flags(self) -> int | None:
        """Account flags; ``None`` when they are hidden from us."""
        text = self.entry.text(UAC)
        return int(text) if text else None

    @property
    def state(self) -> HoldingState:
        """Contained only when the flag is seen."""
        disabled = self.flags is not None and self.flags & Flag.DISABLED
        return HoldingState.CONTAINED if disabled else HoldingState.LIVE

    @property
    def password(self) -> HoldingState:
        """Contained only when both resets are seen to be done, and nobody has set one since."""
        return self.state if self.scrambled else HoldingState.LIVE

    @property
    def scrambled(self) -> bool:
        """Whether the account expired at the very moment its password was last set."""
        last = self.entry.values(_LAST_SET)
        return last == self.entry.values(EXPIRES) and instant(self.entry.text(EXPIRES)) is not None


def holdings(domain: Domain, person: Person, entry: Entry) -> list[Holding]:
    """Report the account, its password and, until the last one has run out, its tickets."""
    current, settings = SignIn(entry), domain.settings
    since = disabled_since(entry) if current.state is HoldingState.CONTAINED else None
    image = {name: pack(entry.values(name)) for name in _IMAGE}
    last = {_LAST_SET: pack(entry.values(_LAST_SET))}

    def one(kind_word: str, native: str, label: str, restore: Mapping[str, Json]) -> Holding:
        lives = {PASSWORD: settings.old_password_life, KERBEROS: settings.kerberos_ticket_life}
        life = lives.get(kind(kind_word), settings.kerberos_ticket_life)
        state = current.password if kind(kind_word) == PASSWORD else current.state
        ends = since + life if since and state is HoldingState.CONTAINED else None
        return Holding(
            account_id=person.account.native_id,
            kind=kind(kind_word),
            native_id=native,
            label=label,
            state=state,
            restore=restore if domain.images else {},
            last_used=instant(entry.text("lastLogonTimestamp")),
            residual_until=ends,
        )

    word = person.account.kind.value
    found = [
        one(f"account.{word}", person.account.native_id, person.account.login, image),
        one(PASSWORD, "password", "password", last),
    ]
    run_out = since is not None and since + settings.kerberos_ticket_life <= domain.clock()
    if not run_out:
        found.append(one(KERBEROS, "tickets", "Kerberos tickets", {UAC: pack(entry.values(UAC))}))
    return found


def contain(
    domain: Domain, account: Account, given: Sequence[Holding], random: RandomBytes
) -> list[Effect]:
    """Disable what the bundle names and scramble the password; one effect per holding."""
    before = _current(domain, account)
    if before is None:
        return [Effect(one.key, Outcome.ALREADY, {"object": "absent"}) for one in given]
    lock = any(one.kind != PASSWORD for one in given)
    live = before.password is not HoldingState.CONTAINED
    scramble = live and any(one.kind == PASSWORD for one in given)
    wrote = lock and _disable(domain, account, before)
    last, why = _scramble(domain, account, random) if scramble else ("", "")
    after = _current(domain, account)
    if after is None:
        raise Transient("contain: the object vanished while it was changed")
    if lock and after.state is not HoldingState.CONTAINED:
        raise silent("contain")
    proof = _prove(domain, after, last) if last else {}
    left = _left(domain, after) if lock else ""
    return [
        _reset(one, after, proof, why, done=scramble)
        if one.kind == PASSWORD
        else Effect(
            one.key,
            Outcome.DONE if wrote else Outcome.ALREADY,
            {**_readable(after), **proof},
            why=left,
        )
        for one in given
    ]


def restore(domain: Domain, account: Account, given: Sequence[Holding]) -> list[Effect]:
    """Put flags, expiry and the like back as their pre-images say; a password does not come."""
    before = _current(domain, account)
    if before is None:
        why = "the object is gone"
        return [Effect(one.key, Outcome.REFUSED, why=why) for one in given]
    changes = [
        Change(Edit.REPLACE, name, wanted)
        for one in given
        if one.kind.startswith("account.") and one.restore
        for name in _IMAGE
        if (wanted := unpack(one.restore, name)) != before.entry.values(name)
        and (wanted or before.entry.values(name))
    ]
    if changes:
        domain.modify(account.native_id, changes)
    after = _current(domain, account) or before
    if any(after.entry.values(change.attribute) != change.values for change in changes):
        raise silent("restore")
    return [_restored(one, after, wrote=bool(changes)) for one in given]


# ------------------------------------------------------------------------------------ changing
def _current(domain: Domain, account: Account) -> SignIn | None:
    entry = domain.account_entry(account, STATE)
    return SignIn(entry) if entry is not None else None


def _disable(domain: Domain, account: Account, before: SignIn) -> bool:
    """One request that changes the flags only if they are still what was read.

    Where that is turned down, each edit goes by itself and the flags without a condition, so that
    a missing right to one of them never keeps the account open. The re-read judges all of it.
    """
    changes = _disabling(domain, before)
    if not changes:
        return False
    old = before.entry.values(UAC)
    checked: list[Change] = []
    for change in changes:
        if change.attribute == UAC and old:
            checked += [Change(Edit.DELETE, UAC, old), Change(Edit.ADD, UAC, change.values)]
        else:
            checked.append(change)
    try:
        domain.modify(account.native_id, checked)
    except (Missing, Refused, Unauthorised):
        return _disable_one_by_one(domain, account)
    return True


def _disable_one_by_one(domain: Domain, account: Account) -> bool:
    again = _current(domain, account)
    if again is None:
        raise Transient("contain: the object vanished while it was changed")
    changes = _disabling(domain, again)
    if again.state is not HoldingState.CONTAINED:
        only = (again.flags or Flag.NORMAL) | Flag.DISABLED
        domain.modify(account.native_id, [_replace(UAC, str(int(only)))])
    for change in changes:
        with contextlib.suppress(Unauthorised):  # what is left is read back and told
            domain.attempt(account.native_id, [change])
    return bool(changes)


def _disabling(domain: Domain, current: SignIn) -> list[Change]:
    """Return the edits that are still needed."""
    entry, flags = current.entry, current.flags or Flag.NORMAL
    changes = []
    if current.flags is None or contained(flags) != flags:
        changes.append(_replace(UAC, str(contained(flags))))
    expires = instant(entry.text(EXPIRES))
    if not current.scrambled and (expires is None or expires > domain.clock()):
        changes.append(_replace(EXPIRES, str(filetime(domain.clock()))))
    if entry.text(_DIAL_IN).upper() == "TRUE":
        changes.append(_replace(_DIAL_IN, "FALSE"))
    if entry.values(_MAILBOX) and entry.text(_HIDDEN).upper() != "TRUE":
        changes.append(_replace(_HIDDEN, "TRUE"))
    if entry.text(_SHELL) not in ("", domain.settings.nologin_shell):
        changes.append(_replace(_SHELL, domain.settings.nologin_shell))
    return changes


def _replace(attribute: str, text: str) -> Change:
    return Change(Edit.REPLACE, attribute, (text.encode(),))


def _scramble(domain: Domain, account: Account, random: RandomBytes) -> tuple[str, str]:
    """Reset twice; then put the expiry on the moment of the second one.

    Returns the last password and what to say where it is not seen to be scrambled. What an access
    rule of this one object forbids is told, and keeps nothing else of the bundle waiting.
    """
    last = ""
    try:
        for _ in range(_RESETS):
            new = "Aa1-" + base64.urlsafe_b64encode(random(_RANDOM_BYTES)).decode("ascii")
            moment = _set_password(domain, account, new)
            last = new
    except (Refused, Unauthorised) as error:
        return last, str(error)
    try:
        domain.attempt(account.native_id, [Change(Edit.REPLACE, EXPIRES, moment)])
    except Unauthorised:
        return last, _UNMARKED
    return last, _MEANWHILE


def _set_password(domain: Domain, account: Account, new: str) -> tuple[bytes, ...]:
    """Reset and see the time of the last change move; returns that time as the domain has it."""
    before = domain.account_entry(account, [_LAST_SET])
    domain.modify(account.native_id, [Change(Edit.REPLACE, "unicodePwd", (password(new),))])
    after = domain.account_entry(account, [_LAST_SET])
    if after is None or before is None:
        raise Transient("contain: the object vanished while it was changed")
    if after.values(_LAST_SET) == before.values(_LAST_SET):
        raise silent("contain")
    return after.values(_LAST_SET)


def _prove(domain: Domain, after: SignIn, last: str) -> dict[str, Json]:
    """Bind with the very last password: refused as disabled, it proves both at once (2.3)."""
    answer = try_bind(domain.endpoint, after.entry.dn, last)
    if answer.code == 0:
        raise Transient("contain: the account still signs in", code="ad:signs-in")
    return {"bind probe": f"data {answer.data}"} if answer.data == _DISABLED_ANSWER else {}


def _left(domain: Domain, after: SignIn) -> str:
    """Name what goes along with the flag and could not be changed: for want of a right, mostly."""
    names = sorted({change.attribute for change in _disabling(domain, after)})
    return f"disabled, but not all is changed in: {', '.join(names)}" if names else ""


def _reset(
    holding: Holding, after: SignIn, proof: dict[str, Json], why: str, *, done: bool
) -> Effect:
    """What became of the password: ``why`` counts where the re-read does not show it scrambled."""
    read_back = {**_readable(after), **proof}
    if not done:
        return Effect(holding.key, Outcome.ALREADY, read_back, lost=NOT_RESTORABLE)
    if not after.scrambled and why == _MEANWHILE:
        return Effect(holding.key, Outcome.PENDING, read_back, why=why, lost=NOT_RESTORABLE)
    if not after.scrambled:
        lost = NOT_RESTORABLE if proof or why == _UNMARKED else ""
        return Effect(holding.key, Outcome.REFUSED, read_back, why=why, lost=lost)
    return Effect(holding.key, Outcome.DONE, read_back, lost=NOT_RESTORABLE)


def _restored(holding: Holding, after: SignIn, *, wrote: bool) -> Effect:
    read_back = _readable(after)
    if holding.kind == PASSWORD:
        return Effect(holding.key, Outcome.REFUSED, read_back, why=NOT_RESTORABLE)
    if not holding.restore:
        return Effect(holding.key, Outcome.REFUSED, why="no pre-image was stored")
    changed = wrote and holding.kind != KERBEROS  # tickets are issued anew, nothing to put back
    return Effect(holding.key, Outcome.DONE if changed else Outcome.ALREADY, read_back)


def _readable(current: SignIn) -> dict[str, Json]:
    """What was read back, without secrets."""
    shown = (*_IMAGE, _LAST_SET)
    return {name: list(current.entry.texts(name)) for name in shown if current.entry.values(name)}


def signs_in(holding: Holding) -> bool:
    """Say whether a holding belongs to the bundle of this module."""
    return holding.kind in (PASSWORD, KERBEROS) or holding.kind.startswith("account.")
