"""All entries of the directory, with the history a lagging replica needs.

Called by `operations`. Every write makes a new mapping, so readers need no lock and see one
moment. What a write needs besides its own entry is here too: parents and children, the member-of
overlay and the referential-integrity overlay.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from deprovisioner.sandbox.directory import entry as rules
from deprovisioner.sandbox.directory.entry import Attribute, Entry
from deprovisioner.sandbox.directory.names import Key, key_of, parent_text, pretty
from deprovisioner.sandbox.directory.results import Code, RefusalError
from deprovisioner.sandbox.directory.schema import Schema

Entries = Mapping[Key, Entry]
_REFERENCES = ("member", "uniquemember", "owner", "manager", "seealso", "secretary", "roleoccupant")
_LAST_VALUE_STAYS = frozenset({"member", "uniquemember"})


@dataclass(frozen=True, slots=True)
class Cleaning:
    """A task of the referential-integrity overlay that is not due yet."""

    due: datetime
    gone: Key
    renamed_to: str | None


class Tree:
    """The entries below one suffix.

    `clock` returns aware UTC, `new_id` an UUID for each new entry. `member_of` switches the
    overlay of that name on; as on the real server it follows live writes only, so loaded entries
    have no memberOf.
    """

    def __init__(
        self,
        schema: Schema,
        suffix: str,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
        member_of: bool = False,
        extra_identifier: str | None = None,
    ) -> None:
        self.schema = schema
        self.suffix = suffix
        self._suffix_key = key_of(suffix)
        self._clock, self._new_id = clock, new_id
        self._member_of, self._extra_identifier = member_of, extra_identifier
        self.lock = threading.RLock()
        self._entries: dict[Key, Entry] = {}
        self._history: deque[tuple[datetime, Entries]] = deque(maxlen=512)
        self._cleanings: list[Cleaning] = []
        self._parents: tuple[Entries, frozenset[Key]] = ({}, frozenset())
        self._serial = 0

    def load(
        self, entries: Iterable[tuple[str, Sequence[tuple[str, Sequence[bytes]]]]], who: str
    ) -> None:
        """Fill the tree as slapadd does: checked entries, no overlays; raises `RefusalError`."""
        with self.lock:
            loaded = dict(self._entries)
            for name, wire in entries:
                new = self._new(name, wire, who, by_user=False)
                self._check_place(loaded, new.key)
                loaded[new.key] = new
            self._replace(loaded)

    def entries(self, lag_seconds: float = 0.0) -> Entries:
        """Return the entries of now, or as they were `lag_seconds` ago."""
        self._clean()
        if not lag_seconds:
            return self._entries
        moment = self._clock() - timedelta(seconds=lag_seconds)
        seen: Entries | None = None
        for since, entries in tuple(self._history):
            if seen is not None and since > moment:
                break
            seen = entries
        return self._entries if seen is None else seen

    def find(self, name: str) -> Entry:
        """Return the entry of a name as it is now; raises `RefusalError` 34 or 32."""
        entries, key = self.entries(), key_of(name)
        if key not in entries:
            raise self.absent(key)
        return entries[key]

    def absent(self, key: Key) -> RefusalError:
        """Return the refusal for a name that is not there, naming the nearest entry above."""
        entries = self._entries
        while key and key not in entries:
            key = key[1:]
        return RefusalError(Code.NO_SUCH_OBJECT, matched=entries[key].name if key else "")

    def add(self, name: str, wire: Sequence[tuple[str, Sequence[bytes]]], who: str) -> Entry:
        """Add one entry; raises `RefusalError`."""
        with self.lock:
            new = self._new(name, wire, who, by_user=True)
            self._check_place(self._entries, new.key)
            self._store({**self._entries, new.key: new}, new.key, None)
            return new

    def put(self, old: Entry, new: Entry, who: str) -> Entry:
        """Store a changed entry in the place of the old one, stamped."""
        with self.lock:
            stamped = new.with_set(self.schema, **self._modification(who))
            self._store({**self._entries, old.key: stamped}, old.key, old)
            return stamped

    def delete(self, key: Key, *, refint_after: float | None) -> Entry:
        """Take one leaf away; raises `RefusalError` 32 or 66."""
        with self.lock:
            old = self._entries.get(key)
            if old is None:
                raise self.absent(key)
            if self.has_children(key):
                raise RefusalError(
                    Code.NOT_ALLOWED_ON_NON_LEAF, "subordinate objects must be deleted first"
                )
            left = dict(self._entries)
            del left[key]
            self._store(left, key, old)
            self._clean_later(key, None, refint_after)
            return old

    def rename(self, old: Entry, new: Entry, who: str, *, refint_after: float | None) -> None:
        """Move an entry (and all below it) to the name of `new`; raises `RefusalError`."""
        with self.lock:
            self._check_place({k: e for k, e in self._entries.items() if k != old.key}, new.key)
            moved: dict[Key, Entry] = {}
            for key, held in self._entries.items():
                if key == old.key:
                    moved[new.key] = new.with_set(self.schema, **self._modification(who))
                elif key[-len(old.key) :] == old.key:
                    name = held.name[: len(held.name) - len(old.name)] + new.name
                    moved[key_of(name)] = Entry(name, key_of(name), held.attributes)
                else:
                    moved[key] = held
            self._replace(moved)
            self._clean_later(old.key, new.name, refint_after)

    def spelt(self, name: str) -> str:
        """Return a name as this server prints it."""
        return pretty(name, canonical=self.schema.strictness.canonical_types)

    def has_children(self, key: Key) -> bool:
        """Tell whether anything hangs below an entry."""
        entries = self._entries
        if self._parents[0] is not entries:
            self._parents = (entries, frozenset(other[1:] for other in entries))
        return key in self._parents[1]

    def _new(
        self, name: str, wire: Sequence[tuple[str, Sequence[bytes]]], who: str, *, by_user: bool
    ) -> Entry:
        if not name:
            raise RefusalError(Code.ENTRY_ALREADY_EXISTS, "root DSE exists")
        attributes = rules.described(self.schema, wire, by_user=by_user)
        new = rules.with_naming_values(
            Entry(self.spelt(name), key_of(name), attributes), self.schema
        )
        rules.check(new, self.schema)
        if not self.schema.strictness.follows_parents:
            new = rules.with_parent_classes(new, self.schema)
        now, identifier = self.now(), str(self._new_id()).encode()
        stamps: dict[str, Sequence[bytes]] = {
            "entryUUID": (identifier,),
            "createTimestamp": (now,),
            "creatorsName": (who.encode(),),
            "structuralObjectClass": (rules.structural_class(new, self.schema).encode(),),
            **self._modification(who),
        }
        if self._extra_identifier:
            stamps[self._extra_identifier] = (_netscape_identifier(identifier),)
        return new.with_set(self.schema, **stamps)

    def _check_place(self, entries: Entries, key: Key) -> None:
        if key in entries:
            raise RefusalError(Code.ENTRY_ALREADY_EXISTS)
        if key != self._suffix_key and key[1:] not in entries:
            refusal = self.absent(key)
            raise RefusalError(Code.NO_SUCH_OBJECT, "parent does not exist", refusal.matched)

    def _modification(self, who: str) -> dict[str, Sequence[bytes]]:
        self._serial += 1
        stamp = self._clock().strftime("%Y%m%d%H%M%S.%f")
        stamps: dict[str, Sequence[bytes]] = {
            "modifyTimestamp": (self.now(),),
            "modifiersName": (who.encode(),),
        }
        if self.schema.attribute("entryCSN"):
            stamps["entryCSN"] = (f"{stamp}Z#{self._serial:06x}#000#000000".encode(),)
        return stamps

    def now(self) -> bytes:
        """Return the moment as a generalized time."""
        return self._clock().strftime("%Y%m%d%H%M%SZ").encode()

    def _store(self, entries: dict[Key, Entry], key: Key, old: Entry | None) -> None:
        if self._member_of:
            self._follow_members(entries, old, entries.get(key))
        self._replace(entries)

    def _replace(self, entries: dict[Key, Entry]) -> None:
        self._entries = entries
        self._history.append((self._clock(), entries))

    def _follow_members(
        self, entries: dict[Key, Entry], old: Entry | None, new: Entry | None
    ) -> None:
        group = new or old
        if group is None:
            return
        members = frozenset(("member",))
        before = old.normal(members) if old else frozenset()
        after = new.normal(members) if new else frozenset()
        for member in before ^ after:
            person = entries.get(member) if isinstance(member, tuple) else None
            if person is None:
                continue
            kept = [v for v in person.values("memberof") if key_of(v.decode()) != group.key]
            joined = [*kept, group.name.encode()] if member in after else kept
            entries[person.key] = person.with_set(self.schema, memberOf=joined)

    def _clean_later(self, gone: Key, renamed_to: str | None, after: float | None) -> None:
        if after is not None:
            due = self._clock() + timedelta(seconds=after)
            self._cleanings.append(Cleaning(due, gone, renamed_to))

    def _clean(self) -> None:
        if not self._cleanings:
            return
        with self.lock:
            now = self._clock()
            due = [cleaning for cleaning in self._cleanings if cleaning.due <= now]
            self._cleanings = [cleaning for cleaning in self._cleanings if cleaning.due > now]
            for cleaning in due:
                entries = {k: _cleaned(held, cleaning) for k, held in self._entries.items()}
                self._replace(entries)


def _cleaned(held: Entry, cleaning: Cleaning) -> Entry:
    attributes: dict[str, Attribute] = dict(held.attributes)
    for reference in _REFERENCES:
        attribute = held.attributes.get(reference)
        if attribute is None or cleaning.gone not in held.normal(frozenset((reference,))):
            continue
        kept = [v for v in attribute.values if key_of(v.decode()) != cleaning.gone]
        if cleaning.renamed_to is not None:
            kept.append(cleaning.renamed_to.encode())
        if kept:
            attributes[reference] = Attribute(attribute.description, attribute.kind, tuple(kept))
        elif reference not in _LAST_VALUE_STAYS:
            del attributes[reference]
        # The real overlay leaves the name of a deleted person as a group's last member, silently.
    return held if attributes == held.attributes else held.with_attributes(attributes)


def _netscape_identifier(identifier: bytes) -> bytes:
    plain = identifier.replace(b"-", b"")
    return b"-".join(plain[at : at + 8] for at in range(0, 32, 8))


def renamed(old: Entry, new_rdn: str, superior: str | None) -> tuple[str, Key]:
    """Return the name an entry gets by a modify-DN request, and its key."""
    above = parent_text(old.name) if superior is None else superior
    name = f"{new_rdn},{above}" if above else new_rdn
    return name, key_of(name)
