"""Handing over, taking away and putting back single holdings, each read back after its write.

The connector's ``transfer``, ``revoke`` and ``restore`` (and ``contain`` for what has no freeze)
come here with one holding at a time. A holding's entry is resolved by immutable id to where it is
now; the values to act on are those that name the person now. No result code decides (Law 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connectors._directory.entries import Change, Edit, Entry, bare, equals
from connectors._directory.preimage import unpack
from connectors.contract import Account, Effect, Holding, Json, Outcome
from connectors.faults import Malformed, Missing, Refused, Transient
from connectors.ldap import own
from connectors.ldap.card import SESSION, SESSION_DUTY
from connectors.ldap.directory import Directory
from connectors.ldap.references import (
    ROW_OF,
    TWO_BEARERS,
    Identity,
    Row,
    contested,
    is_alias_entry,
    matching,
    value_for,
)

_LAST: Final = "the last value of {attribute}: hand it over first"
_ALIAS_ID: Final = "the alias entry's immutable id: it is added again under a new one"
_OWN_MASTER: Final = "the successor would be named on their own entry: choose somebody else"
_OTHERS_NOW: Final = "another entry bears this name now and would be given it too: decide by hand"
_HEIR_CONTESTED: Final = (
    "another entry bears the successor's name and would be given it too: decide by hand"
)
_OBJECT_CLASS_VIOLATION: Final = "ldap:65"
_INAPPROPRIATE_MATCHING: Final = "ldap:18"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a reference holding lies: the row, the entry as it is now, the values of the person.

    ``contested``: those of the values that name somebody else as well; they are never edited.
    """

    row: Row
    entry: Entry | None
    named: tuple[bytes, ...]
    contested: tuple[bytes, ...]

    @property
    def values(self) -> tuple[bytes, ...]:
        """All values of the attribute."""
        return self.entry.values(self.row.attribute) if self.entry else ()

    @property
    def read_back(self) -> dict[str, Json]:
        """For evidence: how many values there are and whether one still names the person."""
        if self.entry is None:
            return {"entry": "absent"}
        return {
            "attribute": self.row.attribute,
            "values": len(self.values),
            "of the person": len(self.named),
        }


class Changes:
    """The edits of one call: one account, one session."""

    def __init__(self, directory: Directory, account: Account) -> None:
        """Read the person's entry once; every holding of the call is about this person."""
        self._directory = directory
        self._account = account
        self._entry = directory.account_entry(account, own.ATTRIBUTES)
        self._identity = directory.identity(account, self._entry)

    # -------------------------------------------------------------------------------- contain
    def contain(self, holding: Holding) -> Effect:
        """Stop a credential that works around the lock."""
        if own.is_kerberos(holding):
            return self._own_edit(
                holding, own.expire(self._entry, self._now) if self._entry else []
            )
        if holding.kind == SESSION:
            return self._await_idle(holding)
        return self.revoke(holding)  # no freeze exists; the pre-image is stored (DESIGN section 2)

    # --------------------------------------------------------------------------------- revoke
    def revoke(self, holding: Holding) -> Effect:
        """Take one holding away."""
        if holding.duty:
            return Effect(holding.key, Outcome.REFUSED, why=holding.duty)
        if own.is_kerberos(holding):
            return self._own_edit(holding, own.unmake_principal(self._entry) if self._entry else [])
        if self._is_reference(holding):
            return self._revoke_reference(holding)
        if self._entry is None:
            return Effect(holding.key, Outcome.ALREADY, {"entry": "absent"})
        found = own.value_of(self._entry, holding.native_id)
        changes = [Change(Edit.DELETE, found[0], (found[1],))] if found else []
        return self._own_edit(holding, changes)

    def _revoke_reference(self, holding: Holding) -> Effect:
        target = self._target(holding)
        if target.entry is None or not target.named:
            return Effect(holding.key, Outcome.ALREADY, target.read_back)
        if target.contested:  # Law 4: looked at now, the namesake may be younger than the survey
            return Effect(holding.key, Outcome.REFUSED, target.read_back, why=TWO_BEARERS)
        row = target.row
        if row.needs_one and len(target.named) == len(target.values):
            return _last(holding, row, target)  # Law 5: looked at now, not when surveyed
        try:
            if is_alias_entry(row):
                self._directory.session.delete(target.entry.dn)
            else:
                self._edit(target, [Change(Edit.DELETE, row.attribute, target.named)])
        except Missing:
            pass  # somebody was faster; the re-read decides (Law 6)
        except Refused as error:
            if error.code == _OBJECT_CLASS_VIOLATION:
                return _last(holding, row, target)
            return Effect(holding.key, Outcome.REFUSED, target.read_back, why=str(error))
        after = self._target(holding)
        if after.named:
            raise Transient(
                "revoke: answered with success, read back unchanged", code="ldap:silent"
            )
        lost = _ALIAS_ID if is_alias_entry(row) else ""
        return Effect(holding.key, Outcome.DONE, after.read_back, lost=lost)

    # ------------------------------------------------------------------------------- transfer
    def transfer(self, holding: Holding, successor: Account) -> Effect:
        """Make the successor owner or member; of an ownership the leaver's value goes along."""
        entry = self._directory.account_entry(successor)
        if entry is None:
            return Effect(holding.key, Outcome.REFUSED, why="the successor has no entry here")
        heir = self._directory.identity(successor, entry)
        target = self._target(holding)
        value = value_for(target.row, heir)
        if why := _no_handover(target, heir, value):
            return Effect(holding.key, Outcome.REFUSED, target.read_back, why=why)
        changes = _handing_over(target, heir, value)
        if not changes:
            return Effect(holding.key, Outcome.ALREADY, target.read_back)
        return self._hand_over(holding, target, changes, heir)

    def _hand_over(
        self, holding: Holding, target: Target, changes: Sequence[Change], heir: Identity
    ) -> Effect:
        try:
            self._edit(target, changes)
        except Missing as error:
            raise Transient("transfer: the entry changed in between") from error
        except Refused as error:
            return Effect(holding.key, Outcome.REFUSED, target.read_back, why=str(error))
        after = self._target(holding)
        if _handing_over(after, heir, value_for(target.row, heir)):
            raise Transient(
                "transfer: answered with success, read back unchanged", code="ldap:silent"
            )
        return Effect(holding.key, Outcome.DONE, after.read_back | {"successor": "is there"})

    # -------------------------------------------------------------------------------- restore
    def restore(self, holding: Holding) -> Effect:
        """Put one holding back from its pre-image."""
        if not holding.restore:
            return Effect(holding.key, Outcome.REFUSED, why="no pre-image was stored")
        if self._is_reference(holding):
            return self._restore_reference(holding)
        if self._entry is None:
            return Effect(holding.key, Outcome.REFUSED, why="the account's entry is gone")
        if own.is_kerberos(holding):
            return self._own_edit(holding, own.remake_principal(self._entry, holding.restore))
        attribute = str(holding.restore.get("attribute", ""))
        values = unpack(holding.restore, "values")
        if not attribute or not values:
            raise Malformed("a stored pre-image is damaged")
        there = {bare(value) for value in self._entry.values(attribute)}
        missing = tuple(value for value in values if bare(value) not in there)
        return self._own_edit(holding, [Change(Edit.ADD, attribute, missing)] if missing else [])

    def _restore_reference(self, holding: Holding) -> Effect:
        target = self._target(holding)
        if target.entry is None and is_alias_entry(target.row):
            return self._restore_alias(holding)
        if target.entry is None:
            return Effect(holding.key, Outcome.REFUSED, why="the entry it lay on is gone")
        changes = self._putting_back(target, holding.restore)
        if not changes:
            return Effect(holding.key, Outcome.ALREADY, target.read_back)
        if contested(target.row, self._identity, unpack(holding.restore, "values")):
            return Effect(holding.key, Outcome.REFUSED, target.read_back, why=_OTHERS_NOW)
        try:
            self._edit(target, changes)
        except Missing as error:
            raise Transient("restore: the entry changed in between") from error
        except Refused as error:
            return Effect(holding.key, Outcome.REFUSED, target.read_back, why=str(error))
        after = self._target(holding)
        if self._putting_back(after, holding.restore):
            raise Transient(
                "restore: answered with success, read back unchanged", code="ldap:silent"
            )
        return Effect(holding.key, Outcome.DONE, after.read_back)

    def _putting_back(self, target: Target, image: Mapping[str, Json]) -> list[Change]:
        """Add the person's values again; take out the one value a handover put in their place.

        Only where exactly one value is new since and the thing had to be handed over: what others
        were given meanwhile is theirs.
        """
        mine, before = unpack(image, "values"), unpack(image, "before")
        row, now = target.row, target.values
        there = {bare(value) for value in now}
        missing = tuple(value for value in mine if bare(value) not in there)
        new = tuple(value for value in now if value not in before) if before else ()
        was_alone = set(mine) == set(before)
        handed = row.hands_over and bool(missing)
        joined = row.needs_one and was_alone
        swap = new if len(new) == 1 and (handed or joined) else ()
        if missing and swap and len(now) == 1 and was_alone:
            return [Change(Edit.REPLACE, row.attribute, mine)]  # also for single-valued attributes
        added = [Change(Edit.ADD, row.attribute, missing)] if missing else []
        return added + ([Change(Edit.DELETE, row.attribute, swap)] if swap else [])

    def _restore_alias(self, holding: Holding) -> Effect:
        stored = holding.restore.get("entry")
        dn = str(holding.restore.get("dn", ""))
        if not isinstance(stored, Mapping) or not dn:
            raise Malformed("a stored pre-image is damaged")
        entry = self._directory.session.read(dn, ["*"])
        if entry is not None:
            mine = self._identity.is_dn(entry.text("aliasedObjectName"))
            why = "" if mine else "another entry has the alias's name now"
            return Effect(
                holding.key,
                Outcome.ALREADY if mine else Outcome.REFUSED,
                {"entry": "present"},
                why=why,
            )
        self._directory.session.add(dn, {name: unpack(stored, name) for name in stored})
        if self._directory.session.read(dn, ["*"]) is None:
            raise Transient(
                "restore: answered with success, read back unchanged", code="ldap:silent"
            )
        return Effect(holding.key, Outcome.DONE, {"entry": "present"}, lost=_ALIAS_ID)

    # --------------------------------------------------------------------------- on own entry
    def _own_edit(self, holding: Holding, changes: Sequence[Change]) -> Effect:
        entry = self._entry
        if entry is None:
            return Effect(holding.key, Outcome.ALREADY, {"entry": "absent"})
        if not changes:
            return Effect(holding.key, Outcome.ALREADY, _counts(entry, holding))
        try:
            self._directory.session.modify(entry.dn, changes)
        except Missing:
            pass  # the value went away in between; the re-read decides (Law 6)
        except Refused as error:
            return Effect(holding.key, Outcome.REFUSED, why=str(error))
        after = self._directory.account_entry(self._account, own.ATTRIBUTES)
        if after is None:
            raise Transient("the entry vanished while it was changed")
        if any(not _took(change, after) for change in changes):
            raise Transient("answered with success, read back unchanged", code="ldap:silent")
        self._entry = after
        return Effect(holding.key, Outcome.DONE, _counts(after, holding))

    def _await_idle(self, holding: Holding) -> Effect:
        """LDAP ends no connection. The server does when it idles, which we can only wait for."""
        bound = self._directory.settings.idle_timeout
        if holding.duty or bound is None:
            return Effect(holding.key, Outcome.REFUSED, why=holding.duty or SESSION_DUTY)
        until = (holding.last_used or self._now) + bound
        if until <= self._now:
            until = self._now + timedelta(seconds=max(1.0, bound.total_seconds()))
        return Effect(holding.key, Outcome.PENDING, pending_until=until, why="idle timeout")

    # ----------------------------------------------------------------------------- resolving
    @property
    def _now(self) -> datetime:
        return self._directory.clock()

    def _is_reference(self, holding: Holding) -> bool:
        return holding.native_id.rpartition(":")[2] in ROW_OF

    def _edit(self, target: Target, changes: Sequence[Change]) -> None:
        """Edit values one by one; where a server cannot tell them apart, all of them at once.

        OpenLDAP's nisNetgroupTriple has no equality rule, so adding or deleting one value answers
        inappropriateMatching (18). The whole list is then replaced, on condition that nobody
        changed the entry since it was read.
        """
        if target.entry is None:
            raise Missing("the entry is not there")
        session, dn = self._directory.session, target.entry.dn
        try:
            session.modify(dn, changes)
        except Refused as error:
            if error.code != _INAPPROPRIATE_MATCHING:
                raise
            whole = Change(Edit.REPLACE, target.row.attribute, _after(target.values, changes))
            version = target.entry.text("entryCSN")
            session.modify(dn, [whole], asserting=equals("entryCSN", version) if version else "")

    def _target(self, holding: Holding) -> Target:
        native, _, attribute = holding.native_id.rpartition(":")
        row = ROW_OF[attribute]
        entry = self._directory.by_id(native, ["objectClass", "entryCSN", row.attribute])
        values = entry.values(row.attribute) if entry else ()
        named = matching(row, self._identity, values)
        return Target(row, entry, named, contested(row, self._identity, values))


def destroy_refused(account: Account, why: str) -> Effect:
    """Say why an account is not deleted."""
    return Effect(account_key(account), Outcome.REFUSED, why=why)


def account_key(account: Account) -> str:
    """Key of the holding that is the account itself."""
    return f"{account.native_id}|account.{account.kind.value}|{account.native_id}"


def _no_handover(target: Target, heir: Identity, value: bytes) -> str:
    """Say why a thing cannot be handed over; empty when it can."""
    if target.entry is None:
        return "it is not there"
    if target.row.hands_over and heir.is_dn(target.entry.dn):
        return _OWN_MASTER
    if not value:
        return f"the successor has no value that {target.row.attribute} could name"
    if target.contested:
        return TWO_BEARERS
    if contested(target.row, heir, (value,)) and not matching(target.row, heir, target.values):
        return _HEIR_CONTESTED
    return ""


def _handing_over(target: Target, heir: Identity, value: bytes) -> list[Change]:
    """Edits still needed; none when the successor is there and an ownership left the leaver."""
    row = target.row
    add = not matching(row, heir, target.values)
    drop = row.hands_over and bool(target.named)
    if add and drop and len(target.named) == len(target.values):
        return [Change(Edit.REPLACE, row.attribute, (value,))]  # also for single-valued attributes
    added = [Change(Edit.ADD, row.attribute, (value,))] if add else []
    return added + ([Change(Edit.DELETE, row.attribute, target.named)] if drop else [])


def _after(values: Sequence[bytes], changes: Sequence[Change]) -> tuple[bytes, ...]:
    """Compute the values an attribute would have after edits."""
    left = list(values)
    for change in changes:
        if change.edit is Edit.REPLACE:
            left = []
        if change.edit is Edit.DELETE:
            left = [value for value in left if value not in change.values]
        else:
            left += change.values
    return tuple(left)


def _last(holding: Holding, row: Row, target: Target) -> Effect:
    why = _LAST.format(attribute=row.attribute)
    return Effect(holding.key, Outcome.REFUSED, target.read_back, why=why)


def _took(change: Change, after: Entry) -> bool:
    now = {bare(value) for value in after.values(change.attribute)}
    meant = {bare(value) for value in change.values}
    if change.edit is Edit.DELETE:
        return not (now & meant) if meant else not now
    if change.edit is Edit.ADD:
        return meant <= now
    return meant == now


def _counts(entry: Entry, holding: Holding) -> dict[str, Json]:
    """Values are keys and principals: evidence keeps how many there are, not which."""
    attribute = holding.native_id.partition(":")[0]
    if own.is_kerberos(holding):
        return {"principals": len(entry.values("krbPrincipalName"))}
    return {"attribute": attribute, "values": len(entry.values(attribute))}
