"""What add, modify, delete and rename do to the pretend domain, and what they are refused with.

Called by ``session``. The codes were measured on Samba 4.17: 53 for whoever is no member and for
the primary group, 68 for a member twice, 16 for an absent value, 19 for a second value of one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from deprovisioner.sandbox.directory import names
from deprovisioner.sandbox.directory.names import key_of
from deprovisioner.sandbox.directory.results import Code, RefusalError
from deprovisioner.sandbox.directory.witness import Change
from deprovisioner.sandbox.forest import classes
from deprovisioner.sandbox.forest.domain import Domain
from deprovisioner.sandbox.forest.identifiers import RULES
from deprovisioner.sandbox.forest.store import Item, State
from deprovisioner.sandbox.forest.values import Editing

_UNDELETES: Final = frozenset({"isdeleted", "distinguishedname"})


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, and how: over TLS or not, for deleted objects too, for which parts of rules."""

    who: Item
    encrypted: bool
    deleted: bool = False
    parts: int = RULES


def modify(domain: Domain, asked: Asked, name: str, changes: Sequence[Change]) -> None:
    """Change one object, all or nothing; raises `RefusalError`."""
    with domain.store.lock:
        state = domain.store.state()
        item = state.find(name, deleted=asked.deleted)
        _demand(domain.may_write(asked.who, item, state) or item.deleted)
        if {change.attribute.lower() for change in changes} == _UNDELETES:
            _undelete(domain, state, item, changes)
            return
        editing = Editing(domain, state, asked.encrypted, asked.parts, item)
        for attribute, edits in _by_attribute(changes).items():
            editing.apply(attribute, edits)
        stamped = editing.item.with_values(whenchanged=(domain.store.stamp(),))
        domain.store.put(stamped, *editing.others)


def add(
    domain: Domain, asked: Asked, name: str, wire: Sequence[tuple[str, Sequence[bytes]]]
) -> None:
    """Add one object; raises `RefusalError`."""
    with domain.store.lock:
        state = domain.store.state()
        if key_of(name) in state.by_name:
            raise RefusalError(Code.ENTRY_ALREADY_EXISTS, "00002071: the object exists")
        parent = state.find(names.parent_text(name))
        _demand(domain.may_write(asked.who, parent, state))
        given = {description.lower(): tuple(held) for description, held in wire}
        kind = classes.kind_of(given.pop("objectclass", ()))
        login = given.get("samaccountname", (b"",))[0]
        if login and any(one.values.get("samaccountname") == (login,) for one in _alive(state)):
            raise RefusalError(Code.ENTRY_ALREADY_EXISTS, "00000524: the login is taken")
        new = classes.new_item(domain, kind, name, parent.guid)
        # Others who are named must be there before; nobody can name the new object yet.
        editing = Editing(domain, state, asked.encrypted, asked.parts, new)
        for description, held in given.items():
            if description not in {"cn", "ou"}:
                editing.apply(description, [Change("add", description, held)])
        domain.store.put(editing.item, *editing.others)


def delete(domain: Domain, asked: Asked, name: str) -> None:
    """Make one object a deleted one, which keeps everything; raises `RefusalError`."""
    with domain.store.lock:
        state = domain.store.state()
        item = state.find(name)
        _demand(domain.may_delete(asked.who, item, state))
        if any(not child.deleted for child in state.children.get(item.guid, ())):
            raise RefusalError(Code.NOT_ALLOWED_ON_NON_LEAF, "00002015: it has children")
        last = names.split(state.names[item.guid])[0][0][1]
        gone = item.with_values(
            isdeleted=(b"TRUE",),
            lastknownparent=(state.names[item.parent].encode(),) if item.parent else (),
            msds__lastknownrdn=(last.encode(),),
        )
        rdn = f"{item.rdn}\\0ADEL:{item.guid}"
        domain.store.put(replace(gone, rdn=rdn, parent=domain.deleted_objects, deleted=True))


def rename(domain: Domain, asked: Asked, name: str, rdn: str, superior: str | None) -> None:
    """Give one object another name or place; raises `RefusalError`."""
    with domain.store.lock:
        state = domain.store.state()
        item = state.find(name)
        above = state.find(superior) if superior else state.items[item.parent or item.guid]
        for one in (item, above):
            _demand(domain.may_write(asked.who, one, state))
        wanted = key_of(f"{rdn},{state.names[above.guid]}")
        if wanted in state.by_name and state.by_name[wanted].guid != item.guid:
            raise RefusalError(Code.ENTRY_ALREADY_EXISTS, "00002071: the object exists")
        domain.store.put(classes.named(replace(item, parent=above.guid), rdn))


def _undelete(domain: Domain, state: State, item: Item, changes: Sequence[Change]) -> None:
    if not item.deleted:
        raise RefusalError(Code.UNWILLING_TO_PERFORM, "00002035: the object is not deleted")
    wanted = next(one for one in changes if one.attribute.lower() == "distinguishedname")
    name = wanted.values[0].decode("utf-8", "replace")
    parent = state.find(names.parent_text(name))
    if key_of(name) in state.by_name:
        raise RefusalError(Code.ENTRY_ALREADY_EXISTS, "00002071: the object exists")
    bare = item.with_values(isdeleted=(), lastknownparent=(), msds__lastknownrdn=())
    alive = replace(bare, parent=parent.guid, deleted=False)
    domain.store.put(classes.named(alive, classes.rdn_text(name)))


def _by_attribute(changes: Sequence[Change]) -> Mapping[str, list[Change]]:
    grouped: dict[str, list[Change]] = {}
    for change in changes:
        grouped.setdefault(change.attribute, []).append(change)
    return grouped


def _alive(state: State) -> list[Item]:
    return [item for item in state.items.values() if not item.deleted]


def _demand(allowed: bool) -> None:  # noqa: FBT001 - one question, asked here only
    if not allowed:
        raise RefusalError(Code.INSUFFICIENT_ACCESS_RIGHTS, "00002098: insufficient access rights")
