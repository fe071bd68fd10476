"""Deleting an account, and bringing a deleted one back from the recycle bin (A29).

Only what policy wants destroyed comes here. Undo ends with deletion (Law 9), except where the
recycle bin still has the object: then ``restore`` brings it back first.
"""

from __future__ import annotations

from typing import Final

from connectors._directory.entries import Change, Edit, Entry
from connectors.active_directory.domain import (
    ONLY_DACL,
    OWNER_GROUP_DACL,
    SHOW_DELETED,
    Domain,
    silent,
)
from connectors.active_directory.person import Person
from connectors.active_directory.rows import DESCRIPTOR
from connectors.active_directory.security import SecurityDescriptor
from connectors.active_directory.survey import left_over
from connectors.active_directory.values import guid_dn
from connectors.contract import Account, Effect, Outcome
from connectors.faults import Missing, Refused, Unauthorised

_PROTECTED: Final = (
    "protected from accidental deletion: take the protection off "
    "(Set-ADObject -ProtectedFromAccidentalDeletion $false), or set lift_deletion_protection"
)
_BY_HAND: Final = "Restore-ADObject -Identity <objectGUID> as an administrator, then restore again"
_HIDDEN: Final = "destroy: the account is neither seen nor among the deleted objects"
_BIN: Final = "Recycle Bin Feature"
_FEATURES: Final = "CN=Optional Features,CN=Directory Service,CN=Windows NT,CN=Services"
NO_BIN: Final = "without the recycle bin the object's links and most attributes are gone for good"


def destroy(domain: Domain, account: Account) -> Effect:
    """Delete the object, when nothing points at it any more and nothing protects it."""
    entry = domain.account_entry(
        account, [DESCRIPTOR, "primaryGroupID", "tokenGroups", "memberOf"], [OWNER_GROUP_DACL]
    )
    person = Person.of(domain, account, entry)
    if entry is None:
        if domain.deleted(account.native_id) is None:
            raise Unauthorised(_HIDDEN, code="ad:hidden")  # Law 2: empty is not absent
        return Effect(account_key(account), Outcome.ALREADY, {"object": "deleted"})
    left = left_over(domain, person, entry)
    if left:
        kinds = ", ".join(sorted(set(left)))
        return refused(account, f"{len(left)} references still point at it: {kinds}")
    if domain.below(entry.dn):
        return refused(account, "other objects lie below it")
    why = _lift(domain, account, entry)
    return refused(account, why) if why else _delete(domain, account)


def undelete(domain: Domain, account: Account) -> str:
    """Bring a deleted object back where the recycle bin has it; say why not otherwise."""
    tombstone = domain.deleted(account.native_id)
    if tombstone is None:
        return "the object is gone; re-create it from its export under a new id"
    if not has_recycle_bin(domain):
        return f"the object is deleted; {NO_BIN}"
    parent = tombstone.text("lastKnownParent")
    name = tombstone.dn.partition("\\0ADEL:")[0]
    changes = [
        Change(Edit.DELETE, "isDeleted"),
        Change(Edit.REPLACE, "distinguishedName", (f"{name},{parent}".encode(),)),
    ]
    try:
        # By the deleted object's own name: by its id Samba answers operationsError.
        domain.session.modify(tombstone.dn, changes, controls=[SHOW_DELETED])
    except (Missing, Refused, Unauthorised) as error:
        return f"the recycle bin does not give it to this identity ({error.code}): {_BY_HAND}"
    if domain.account_entry(account) is None:
        raise silent("restore")
    return ""


def has_recycle_bin(domain: Domain) -> bool:
    """Say whether deleted objects keep what they had (MS-ADTS 3.1.1.9.1)."""
    base = f"{_FEATURES},{domain.facts.configuration}"
    feature = domain.session.read(f"CN={_BIN},{base}", ["msDS-EnabledFeatureBL", "cn"])
    return feature is not None and bool(feature.values("msDS-EnabledFeatureBL"))


def account_key(account: Account) -> str:
    """Key of the holding that is the account itself."""
    return f"{account.native_id}|account.{account.kind.value}|{account.native_id}"


def refused(account: Account, why: str) -> Effect:
    """Say why an account is not deleted."""
    return Effect(account_key(account), Outcome.REFUSED, why=why)


def _lift(domain: Domain, account: Account, entry: Entry) -> str:
    """Take the protection from accidental deletion off, or say that it is there."""
    rules = entry.values(DESCRIPTOR)
    descriptor = SecurityDescriptor.parse(rules[0]) if rules else None
    if descriptor is None or not descriptor.keeps_from_deletion():
        return ""
    if not domain.settings.lift_deletion_protection:
        return _PROTECTED
    change = Change(Edit.REPLACE, DESCRIPTOR, (descriptor.deletable().pack(),))
    return domain.attempt(account.native_id, [change], [ONLY_DACL])


def _delete(domain: Domain, account: Account) -> Effect:
    """Delete by id: looking for references took its time, and a name may be a namesake's by now."""
    try:
        domain.session.delete(guid_dn(account.native_id))
    except Missing:
        pass  # somebody was faster; the re-read decides (Law 6)
    except Refused as error:
        return refused(account, str(error))
    if domain.account_entry(account) is not None:
        raise silent("destroy")
    kept = domain.deleted(account.native_id) is not None
    lost = "" if has_recycle_bin(domain) else NO_BIN
    return Effect(
        account_key(account), Outcome.DONE, {"object": "deleted" if kept else "absent"}, lost=lost
    )
