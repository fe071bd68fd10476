"""Groups: direct, primary, nested and foreign, seen from both sides (A07 to A10).

A membership is read from the group's ``member``, from the person's ``memberOf`` and from
``tokenGroups``, what the controller itself puts into a sign-in token. What only one side shows is
a gap (Law 2). Nested groups end with the direct membership and are no holdings of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from connectors._directory.entries import Change, Edit, Entry, any_of, equals, normal_dn
from connectors.active_directory.domain import ID, Domain, silent, unchanged
from connectors.active_directory.person import Person
from connectors.active_directory.rows import GROUP, MEMBER
from connectors.active_directory.security import (
    Sid,
    in_domain,
    relative_id,
    sid_bytes,
    sid_text,
)
from connectors.active_directory.values import binary, guid_dn
from connectors.contract import Effect, Holding, Json, Outcome
from connectors.faults import Missing, Refused

PRIMARY_ID: Final = "primaryGroupID"
TOKENS: Final = "tokenGroups"
ATTRIBUTES: Final = ("memberOf", PRIMARY_ID, TOKENS)
FOREIGN: Final = "sid:"
_BUILT_IN: Final = "S-1-5-32-"
_ADMINISTRATORS: Final = frozenset({512, 518, 519})
_LAST_ADMINISTRATOR: Final = "the last member of an administrators' group: hand it over first"
_AT_ONCE: Final = 50
FOREIGN_DUTY: Final = (
    "Take the person out of this group of another domain, there: "
    "Remove-ADGroupMember -Server <that domain> -Identity <group> -Members <the account's SID>."
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found, and what only one side shows."""

    holdings: tuple[Holding, ...]
    gaps: tuple[str, ...]


def holdings(domain: Domain, person: Person, entry: Entry) -> Seen:
    """Report the person's groups."""
    shown = _direct(domain, person)
    direct = [group for group in shown if group.values(ID)]
    neutral = sid_bytes(_neutral(domain))  # where the account ends up anyway is no holding
    found = [
        _membership(domain, person, group)
        for group in direct
        if neutral not in group.values("objectSid")
    ]
    gaps = _unseen(direct, entry)
    primary, missing = _primary(domain, person, entry)
    explained = {
        sid_text(group.values("objectSid")[0]) for group in direct if group.values("objectSid")
    }
    explained.add(in_domain(domain.facts.domain, int(entry.text(PRIMARY_ID) or 0)))
    foreign, unresolved = _tokens(domain, person, entry, explained)
    half = [f"{len(shown) - len(direct)} groups without id"] if len(direct) < len(shown) else []
    return Seen((*found, *primary, *foreign), (*gaps, *half, *missing, *unresolved))


def _direct(domain: Domain, person: Person) -> list[Entry]:
    wanted = [ID, "objectSid", "sAMAccountName"]
    return domain.everything(domain.settings.base, equals(MEMBER, person.dn), wanted)


def _membership(domain: Domain, person: Person, group: Entry) -> Holding:
    native = domain.id_of(group)
    image: dict[str, Json] = {"group": native}
    return Holding(
        account_id=person.account.native_id,
        kind=GROUP,
        native_id=f"{native}:{MEMBER}",
        label=f"member of {group.dn}",
        sole=_is_last_administrator(domain, person, native, group),
        restore=image if domain.images else {},
    )


def _is_last_administrator(domain: Domain, person: Person, native: str, group: Entry) -> bool:
    """Whether an administrators' group would be empty (Law 5). Other groups may be."""
    sids = group.values("objectSid")
    sid = sid_text(sids[0]) if sids else Sid("")
    ours = any(sid == in_domain(domain.facts.domain, one) for one in _ADMINISTRATORS)
    if not ours:
        return False
    members = domain.by_id(native, [MEMBER])
    others = (
        [one for one in members.values(MEMBER) if not person.is_named_by(one)] if members else []
    )
    return not others


def _unseen(direct: Sequence[Entry], entry: Entry) -> list[str]:
    seen = {normal_dn(group.dn) for group in direct}
    hidden = [text for text in entry.texts("memberOf") if normal_dn(text) not in seen]
    return [f"{len(hidden)} groups that memberOf names"] if hidden else []


def _primary(domain: Domain, person: Person, entry: Entry) -> tuple[list[Holding], list[str]]:
    """Everybody has a primary group; only one that is not the neutral one gives something."""
    number = int(entry.text(PRIMARY_ID) or 0)
    if number in (0, domain.settings.neutral_group):
        return [], []
    group = _by_sid(domain, in_domain(domain.facts.domain, number))
    if group is None:
        return [], ["the primary group"]
    native = domain.id_of(group)
    neutral = _by_sid(domain, _neutral(domain))
    was_member = neutral is not None and normal_dn(neutral.dn) in {
        normal_dn(text) for text in entry.texts("memberOf")
    }
    image: dict[str, Json] = {"group": native, "rid": number, "in neutral": was_member}
    holding = Holding(
        account_id=person.account.native_id,
        kind=GROUP,
        native_id=f"{native}:{MEMBER}",
        label=f"primary group {group.dn}",
        restore=image if domain.images else {},
    )
    return [holding], []


def _tokens(
    domain: Domain, person: Person, entry: Entry, explained: set[Sid]
) -> tuple[list[Holding], list[str]]:
    """Account for every identifier that a sign-in token would carry."""
    held = [sid_text(value) for value in entry.values(TOKENS)]
    if not held:
        return [], ["the groups of a sign-in token (tokenGroups)"]
    ours = [sid for sid in held if _ours(domain, sid) and sid not in explained]
    seen = set(_visible(domain, ours))
    hidden = [sid for sid in ours if sid not in seen]
    foreign = [
        Holding(
            account_id=person.account.native_id,
            kind=GROUP,
            native_id=f"{FOREIGN}{sid}",
            label=f"group {sid} of another domain",
            restore={"sid": str(sid)} if domain.images else {},
            duty=FOREIGN_DUTY,
        )
        for sid in held
        if not _ours(domain, sid)
    ]
    return foreign, [f"{len(hidden)} groups of a sign-in token"] if hidden else []


def _ours(domain: Domain, sid: Sid) -> bool:
    return sid.startswith((_BUILT_IN, f"{domain.facts.domain}-"))


def _visible(domain: Domain, sids: Sequence[Sid]) -> Iterator[Sid]:
    for start in range(0, len(sids), _AT_ONCE):
        parts = [f"(objectSid={binary(sid_bytes(sid))})" for sid in sids[start : start + _AT_ONCE]]
        for group in domain.everything(domain.settings.base, any_of(parts), ["objectSid"]):
            yield from (sid_text(value) for value in group.values("objectSid"))


# -------------------------------------------------------------------------------------- changes
def revoke(domain: Domain, person: Person, holding: Holding) -> Effect:
    """Take the person out of one group; of the primary one after a switch to the neutral one."""
    native = holding.native_id.partition(":")[0]
    group = domain.by_id(native, ["objectSid"])
    if person.entry is None or group is None:
        return Effect(holding.key, Outcome.ALREADY, {"group or account": "absent"})
    done = _leave_primary(domain, person, group)
    member = _is_member(domain, person, group)
    if member and _is_last_administrator(domain, person, native, group):
        return Effect(holding.key, Outcome.REFUSED, {"member": True}, why=_LAST_ADMINISTRATOR)
    if member:
        why = domain.attempt(native, [Change(Edit.DELETE, MEMBER, (person.dn.encode(),))])
        if _is_member(domain, person, group):
            return unchanged("revoke", holding, {"member": True}, why)
        done = done or not why
    return Effect(holding.key, Outcome.DONE if done else Outcome.ALREADY, {"member": False})


def restore(domain: Domain, person: Person, holding: Holding) -> Effect:
    """Put the person back into one group, as primary one where it was."""
    native = holding.native_id.partition(":")[0]
    primary = "rid" in holding.restore
    group = domain.by_id(native, ["objectSid"])
    if person.entry is None or group is None:
        return Effect(holding.key, Outcome.REFUSED, why="the group or the account is gone")
    if primary and _is_primary(domain, person, group):
        return Effect(holding.key, Outcome.ALREADY, {"primary": True})
    if not primary and _is_member(domain, person, group):
        return Effect(holding.key, Outcome.ALREADY, {"member": True})
    why = _join(domain, person, native, group)
    if not why and primary:
        why = _make_primary(domain, person, group, holding)
    if why:
        return Effect(holding.key, Outcome.REFUSED, why=why)
    return Effect(holding.key, Outcome.DONE, {"member": True})


def transfer(domain: Domain, heir: Person, holding: Holding) -> Effect:
    """Make the successor a member of the same group."""
    native = holding.native_id.partition(":")[0]
    group = domain.by_id(native, ["objectSid"])
    if heir.entry is None or group is None:
        return Effect(holding.key, Outcome.REFUSED, why="the group or the successor is not there")
    if _is_member(domain, heir, group) or _is_primary(domain, heir, group):
        return Effect(holding.key, Outcome.ALREADY, {"successor": "is there"})
    why = _join(domain, heir, native, group)
    if why:
        return Effect(holding.key, Outcome.REFUSED, why=why)
    return Effect(holding.key, Outcome.DONE, {"successor": "is there"})


def _join(domain: Domain, person: Person, native: str, group: Entry) -> str:
    if _is_member(domain, person, group):
        return ""
    why = domain.attempt(native, [Change(Edit.ADD, MEMBER, (person.dn.encode(),))])
    if _is_member(domain, person, group):
        return ""
    if not why:
        raise silent("join")
    return why


def _leave_primary(domain: Domain, person: Person, group: Entry) -> bool:
    """Switch to the neutral group, which takes being a member of it first."""
    if not _is_primary(domain, person, group):
        return False
    neutral = _by_sid(domain, _neutral(domain))
    if neutral is None:
        raise Missing("revoke: the neutral group is not seen", code="ad:neutral")
    why = _join(domain, person, domain.id_of(neutral), neutral)
    if why:
        raise Refused(f"revoke: the neutral group takes no member: {why}", code="ad:neutral")
    number = str(domain.settings.neutral_group).encode()
    domain.modify(person.account.native_id, [Change(Edit.REPLACE, PRIMARY_ID, (number,))])
    if _is_primary(domain, person, group):
        raise silent("revoke")
    return True


def _make_primary(domain: Domain, person: Person, group: Entry, holding: Holding) -> str:
    number = str(relative_id(sid_text(group.values("objectSid")[0]))).encode()
    try:
        domain.modify(person.account.native_id, [Change(Edit.REPLACE, PRIMARY_ID, (number,))])
    except Refused as error:
        return str(error)
    if not _is_primary(domain, person, group):
        raise silent("restore")
    neutral = _by_sid(domain, _neutral(domain))
    if neutral is not None and not holding.restore.get("in neutral"):
        out = Change(Edit.DELETE, MEMBER, (person.dn.encode(),))
        why = domain.attempt(domain.id_of(neutral), [out])
        return why if _is_member(domain, person, neutral) else ""
    return ""


def _is_member(domain: Domain, person: Person, group: Entry) -> bool:
    """Ask the group itself: its ``member`` decides, and it may have a hundred thousand of them."""
    native = guid_dn(domain.id_of(group))
    found_by = equals(MEMBER, person.dn)
    return bool(person.dn) and domain.session.read(native, [ID], found_by) is not None


def _is_primary(domain: Domain, person: Person, group: Entry) -> bool:
    entry = domain.account_entry(person.account, [PRIMARY_ID])
    sids = group.values("objectSid")
    number = relative_id(sid_text(sids[0])) if sids else -1
    return entry is not None and entry.text(PRIMARY_ID) == str(number)


def _neutral(domain: Domain) -> Sid:
    return in_domain(domain.facts.domain, domain.settings.neutral_group)


def _by_sid(domain: Domain, sid: Sid) -> Entry | None:
    return domain.session.read(f"<SID={sid}>", [ID, "objectSid"])
