"""What lies on the person's own object beside sign-in: keys, names, delegation, place (A11 to A14).

Every value of ``rows.OWN`` is a holding, and so are ``adminCount`` with its frozen access rules
(A12) and, where a leavers' unit is configured, the place in the tree (A28). ``survey`` reports
them, ``changes`` edits them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from connectors._directory.entries import Change, Edit, Entry, below
from connectors._directory.preimage import pack, unpack
from connectors.active_directory.domain import (
    ONLY_DACL,
    OWNER_GROUP_DACL,
    Domain,
    silent,
    unchanged,
)
from connectors.active_directory.person import Person
from connectors.active_directory.rows import (
    ADMIN_COUNT,
    DESCRIPTOR,
    OWN,
    PLACE,
    POLICY,
    ROLE,
    bound_to,
    fingerprint,
    kind_of_value,
)
from connectors.active_directory.security import (
    SecurityDescriptor,
    Sid,
    in_domain,
    sid_text,
)
from connectors.active_directory.values import guid_dn
from connectors.contract import Effect, Holding, Json, Outcome
from connectors.faults import Malformed, Missing, Refused, Transient

READ: Final = tuple(OWN)
SID_HISTORY_LOST: Final = "sIDHistory cannot be written back over LDAP"
_PARENT: Final = "parent"
_PROTECTED_GROUPS: Final = (512, 516, 517, 518, 519, 521, 526, 527)
_PROTECTED_BUILT_IN: Final = tuple(
    f"S-1-5-32-{number}" for number in (544, 548, 549, 550, 551, 552)
)


def holdings(domain: Domain, person: Person, entry: Entry) -> Iterator[Holding]:
    """Report the values on the object."""
    for attribute in OWN:
        for value in entry.values(attribute):
            image: dict[str, Json] = {"attribute": attribute, "values": pack([value])}
            yield Holding(
                account_id=person.account.native_id,
                kind=kind_of_value(attribute, value),
                native_id=f"{attribute.lower()}:{fingerprint(attribute, value)}",
                label=_label(attribute, value),
                restore=image if domain.images else {},
            )


def standing(domain: Domain, person: Person, entry: Entry) -> Iterator[Holding]:
    """Report what comes last, because it follows from groups: adminCount, and the place."""
    if entry.text(ADMIN_COUNT) == "1":
        image = {name: pack(entry.values(name)) for name in (ADMIN_COUNT, DESCRIPTOR)}
        yield Holding(
            account_id=person.account.native_id,
            kind=POLICY,
            native_id=ADMIN_COUNT.lower(),
            label="access rules frozen by AdminSDHolder (adminCount)",
            restore=image if domain.images else {},
        )
    unit = domain.settings.leavers_ou
    if unit and not below(entry.dn, unit):
        parent = domain.session.read(_above(entry.dn), ["objectGUID"])
        restore = {_PARENT: domain.id_of(parent)} if parent and domain.images else {}
        yield Holding(
            account_id=person.account.native_id,
            kind=POLICY,
            native_id=PLACE,
            label=f"place in the tree: {_above(entry.dn)}",
            restore=restore,
        )


# ------------------------------------------------------------------------------------ values
def revoke_value(domain: Domain, person: Person, holding: Holding) -> Effect:
    """Take one value off the object."""
    found = _value_of(person.entry, holding.native_id)
    if found is None or person.entry is None:
        return Effect(holding.key, Outcome.ALREADY, _count(person.entry, holding))
    attribute, value = found
    native = person.account.native_id
    why = domain.attempt(native, [Change(Edit.DELETE, attribute, (value,))])
    after = domain.account_entry(person.account, [attribute])
    if _value_of(after, holding.native_id) is not None:
        return unchanged("revoke", holding, _count(after, holding), why)
    lost = SID_HISTORY_LOST if holding.kind == ROLE else ""
    outcome = Outcome.ALREADY if why else Outcome.DONE  # somebody was faster (Law 6)
    return Effect(holding.key, outcome, _count(after, holding), lost=lost)


def restore_value(domain: Domain, person: Person, holding: Holding) -> Effect:
    """Put one value back."""
    attribute = str(holding.restore.get("attribute", ""))
    values = unpack(holding.restore, "values")
    if attribute not in OWN or not values:
        raise Malformed("a stored pre-image is damaged")
    if person.entry is None:
        return Effect(holding.key, Outcome.REFUSED, why="the object is gone")
    if _value_of(person.entry, holding.native_id) is not None:
        return Effect(holding.key, Outcome.ALREADY, _count(person.entry, holding))
    if holding.kind == ROLE:
        return Effect(holding.key, Outcome.REFUSED, why=SID_HISTORY_LOST)
    here = tuple(bound_to(attribute, value, person.dn) for value in values)
    why = domain.attempt(person.account.native_id, [Change(Edit.ADD, attribute, here)])
    after = domain.account_entry(person.account, [attribute])
    if _value_of(after, holding.native_id) is None:
        return unchanged("restore", holding, _count(after, holding), why)
    return Effect(holding.key, Outcome.DONE, _count(after, holding))


# ---------------------------------------------------------------------------------- adminCount
def revoke_admin_count(domain: Domain, person: Person, holding: Holding) -> Effect:
    """Let the object inherit access rules again, once it is out of the protected groups (A12)."""
    entry = _with_rules(domain, person)
    if entry is None or not entry.values(ADMIN_COUNT):
        return Effect(holding.key, Outcome.ALREADY, {ADMIN_COUNT: "absent"})
    if _still_protected(domain, entry):
        until = domain.clock() + domain.settings.settle
        why = "still in a protected group: its membership goes first"
        return Effect(holding.key, Outcome.PENDING, {ADMIN_COUNT: "1"}, "", until, why)
    native = person.account.native_id
    if _frozen(entry):
        rules = SecurityDescriptor.parse(entry.values(DESCRIPTOR)[0]).inheriting().pack()
        domain.modify(native, [Change(Edit.REPLACE, DESCRIPTOR, (rules,))], [ONLY_DACL])
    domain.modify(native, [Change(Edit.REPLACE, ADMIN_COUNT)])
    after = _with_rules(domain, person)
    if after is None or after.values(ADMIN_COUNT) or _frozen(after):
        raise silent("revoke")
    return Effect(holding.key, Outcome.DONE, {ADMIN_COUNT: "absent", "inherits": True})


def restore_admin_count(domain: Domain, person: Person, holding: Holding) -> Effect:
    """Put adminCount and the frozen access rules back."""
    entry = _with_rules(domain, person)
    stored = unpack(holding.restore, DESCRIPTOR)
    if entry is None or not stored:
        return Effect(holding.key, Outcome.REFUSED, why="the object or its pre-image is gone")
    was_frozen = SecurityDescriptor.parse(stored[0]).protected
    if entry.text(ADMIN_COUNT) == "1" and _frozen(entry) == was_frozen:
        return Effect(holding.key, Outcome.ALREADY, {ADMIN_COUNT: "1"})
    native = person.account.native_id
    if was_frozen:
        domain.modify(native, [Change(Edit.REPLACE, DESCRIPTOR, stored)], [ONLY_DACL])
    domain.modify(native, [Change(Edit.REPLACE, ADMIN_COUNT, (b"1",))])
    after = _with_rules(domain, person)
    if after is None or after.text(ADMIN_COUNT) != "1":
        raise silent("restore")
    return Effect(holding.key, Outcome.DONE, {ADMIN_COUNT: "1"})


def _with_rules(domain: Domain, person: Person) -> Entry | None:
    wanted = (ADMIN_COUNT, DESCRIPTOR, "tokenGroups")
    return domain.account_entry(person.account, wanted, [OWNER_GROUP_DACL])


def _frozen(entry: Entry) -> bool:
    rules = entry.values(DESCRIPTOR)
    return bool(rules) and SecurityDescriptor.parse(rules[0]).protected


def _still_protected(domain: Domain, entry: Entry) -> bool:
    held = {sid_text(value) for value in entry.values("tokenGroups")}
    ours = {in_domain(domain.facts.domain, number) for number in _PROTECTED_GROUPS}
    return bool(held & (ours | {Sid(f"S-1-5-32-{number}") for number in _PROTECTED_BUILT_IN}))


# --------------------------------------------------------------------------------------- place
def move(domain: Domain, person: Person, holding: Holding) -> Effect:
    """Move the object to the leavers' unit."""
    return _move(domain, person, holding, domain.settings.leavers_ou)


def move_back(domain: Domain, person: Person, holding: Holding) -> Effect:
    """Move the object to where its pre-image says, wherever that container is now."""
    stored = str(holding.restore.get(_PARENT, ""))
    parent = domain.session.read(guid_dn(stored), ["objectGUID"]) if stored else None
    if parent is None:
        return Effect(holding.key, Outcome.REFUSED, why="the container it lay in is gone")
    return _move(domain, person, holding, parent.dn)


def _move(domain: Domain, person: Person, holding: Holding, unit: str) -> Effect:
    entry = person.entry
    if entry is None or not unit:
        gone = entry is None
        outcome = Outcome.ALREADY if gone else Outcome.REFUSED
        return Effect(holding.key, outcome, why="" if gone else "no leavers_ou is configured")
    if below(entry.dn, unit) and entry.dn != unit:
        return Effect(holding.key, Outcome.ALREADY, {"place": "as wanted"})
    name = entry.dn[: len(entry.dn) - len(_above(entry.dn)) - 1]
    try:
        domain.session.move(guid_dn(person.account.native_id), name, unit)
    except Missing as error:
        raise Transient("move: the object or the unit is not there now") from error
    except Refused as error:  # a namesake is there, or something protects the object
        return Effect(holding.key, Outcome.REFUSED, {"place": "unchanged"}, why=str(error))
    after = domain.account_entry(person.account)
    if after is None or not below(after.dn, unit):
        raise silent("move")
    return Effect(holding.key, Outcome.DONE, {"place": "as wanted"})


# --------------------------------------------------------------------------------------- words
def _value_of(entry: Entry | None, native_id: str) -> tuple[str, bytes] | None:
    """Find the attribute and raw value a holding stands for; ``None`` when it is not there."""
    wanted, _, digest = native_id.partition(":")
    for attribute in OWN if entry is not None else ():
        if attribute.lower() != wanted:
            continue
        for value in entry.values(attribute) if entry else ():
            if fingerprint(attribute, value) == digest:
                return attribute, value
    return None


def _above(dn: str) -> str:
    """Return the DN of the container: all behind the first comma that no backslash escapes."""
    escaped = False
    for place, letter in enumerate(dn):
        if letter == "," and not escaped:
            return dn[place + 1 :]
        escaped = letter == "\\" and not escaped
    return ""


def _count(entry: Entry | None, holding: Holding) -> Mapping[str, Json]:
    """Values are keys and names: evidence keeps how many there are, not which."""
    attribute = holding.native_id.partition(":")[0]
    return {"attribute": attribute, "values": len(entry.values(attribute)) if entry else 0}


def _label(attribute: str, value: bytes) -> str:
    if attribute in {"servicePrincipalName", "msDS-AllowedToDelegateTo"}:
        return f"{attribute} {value.decode('utf-8', 'backslashreplace')}"
    if attribute == "sIDHistory":
        return f"sIDHistory {sid_text(value)}"
    return f"{attribute} {fingerprint(attribute, value)[:16]}"
