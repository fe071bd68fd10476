"""Searches: which entries, which of their attributes, in which pages.

Called by `session` and `operations`. Holds the traps of real servers on purpose: operational
attributes only by name or `+`, aliases that hide themselves when dereferenced, attributes out of
sight that make a filter undefined.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from deprovisioner.sandbox.directory.access import AccessRules, Right
from deprovisioner.sandbox.directory.dress import Manners
from deprovisioner.sandbox.directory.entry import Entry
from deprovisioner.sandbox.directory.faults import Faults
from deprovisioner.sandbox.directory.filters import Predicate
from deprovisioner.sandbox.directory.names import InvalidNameError, Key, key_of
from deprovisioner.sandbox.directory.protocol import Search
from deprovisioner.sandbox.directory.results import Code, RefusalError
from deprovisioner.sandbox.directory.tree import Entries, Tree

BASE, ONE, SUBTREE = 0, 1, 2
_IN_SEARCHING, _FINDING_BASE = 1, 2
_ALIAS = frozenset(("aliasedobjectname",))
_ENTRY_NAME = frozenset(("entrydn",))


@dataclass(frozen=True, slots=True)
class View:
    """One entry as one reader may see it."""

    access: AccessRules
    who: Key | None
    entry: Entry

    def readable(self, attribute: str) -> bool:
        """Tell whether the reader may see an attribute, by storage key."""
        return self.access.right(self.who, self.entry.key, attribute) >= Right.READ

    def normal(self, keys: frozenset[str]) -> frozenset[Hashable] | None:
        """See `filters.Candidate`."""
        if not all(map(self.readable, keys)):
            return None
        if keys == _ENTRY_NAME:
            return frozenset((self.entry.key,))
        return self.entry.normal(keys)

    def raw(self, keys: frozenset[str]) -> list[bytes]:
        """See `filters.Candidate`."""
        return self.entry.raw(keys)


@dataclass(frozen=True, slots=True)
class Reader:
    """Who searches, on which server, with which faults."""

    tree: Tree
    access: AccessRules
    who: Key | None
    faults: Faults
    manners: Manners

    def found(self, search: Search, test: Predicate) -> Iterator[View]:
        """Yield the entries a search selects; raises `RefusalError` 32, 34 or 2."""
        entries = self.tree.entries(self.faults.stale_seconds)
        base = self._base(entries, search)
        for entry in self._candidates(entries, base, search):
            view = View(self.access, self.who, entry)
            if self._visible(entry) and test(view):
                yield view

    def _base(self, entries: Entries, search: Search) -> Key:
        try:
            key = key_of(search.base)
        except InvalidNameError as error:
            silent = self.manners.refuses_by_silence
            code = Code.NO_SUCH_OBJECT if silent else Code.INVALID_DN_SYNTAX
            raise RefusalError(code, "invalid DN") from error
        entry = entries.get(key)
        if (
            self.manners.dereferences_aliases
            and search.dereference & _FINDING_BASE
            and entry is not None
        ):
            entry = _behind(entries, entry) or entry
        if entry is not None and self.manners.refuses_by_silence:
            return entry.key
        if entry is None or not self._allowed(entry.key) or self.faults.hides(entry.key):
            refusal = self.tree.absent(key)
            matched = refusal.matched if self._allowed(key_of(refusal.matched)) else ""
            raise RefusalError(Code.NO_SUCH_OBJECT, matched=matched)
        return entry.key

    def _candidates(self, entries: Entries, base: Key, search: Search) -> Iterable[Entry]:
        if search.scope == BASE:
            return (entries[base],)
        if search.scope not in (ONE, SUBTREE):
            raise RefusalError(Code.PROTOCOL_ERROR, "invalid scope")
        inside = _inside(base, search.scope)
        chosen = (entry for key, entry in entries.items() if inside(key))
        if not (self.manners.dereferences_aliases and search.dereference & _IN_SEARCHING):
            return chosen
        return _dereferenced(entries, chosen)

    def _visible(self, entry: Entry) -> bool:
        return self._allowed(entry.key) and not self.faults.hides(entry.key)

    def _allowed(self, key: Key) -> bool:
        return self.access.right(self.who, key) >= Right.READ


def _inside(base: Key, scope: int) -> Callable[[Key], bool]:
    if scope == ONE:
        return lambda key: key[1:] == base and bool(key)
    depth = len(base)
    return lambda key: key[len(key) - depth :] == base if len(key) >= depth else False


def _behind(entries: Entries, entry: Entry) -> Entry | None:
    for target in entry.normal(_ALIAS):
        if isinstance(target, tuple):
            return entries.get(target)
    return None


def _dereferenced(entries: Entries, chosen: Iterable[Entry]) -> Iterator[Entry]:
    # As slapd does: the alias itself is no candidate any more, what it points to is, once.
    seen: set[Key] = set()
    for entry in chosen:
        is_alias = bool(entry.normal(_ALIAS))
        real = _behind(entries, entry) if is_alias else entry
        if real is not None and real.key not in seen:
            seen.add(real.key)
            yield real


def selected(
    view: View, wanted: Sequence[str], tree: Tree, *, types_only: bool = False
) -> list[tuple[str, tuple[bytes, ...]]]:
    """Return the attributes of an entry that a request names, as far as the reader may see them."""
    names = {name.lower() for name in wanted}
    if "1.1" in names and len(names) == 1:
        return []
    all_user, all_operational = not names or "*" in names, "+" in names
    chosen = []
    for key, held in view.entry.attributes.items():
        plain = key.partition(";")[0]
        aliases = {name.lower() for name in (*held.kind.names, held.kind.oid, key)}
        listed = all_operational if held.kind.operational else all_user
        if (listed or aliases & names) and view.readable(plain):
            chosen.append((held.description, () if types_only else held.values))
    for name, compute in _COMPUTED.items():
        if all_operational or name.lower() in names:
            value = compute(view.entry, tree).encode()
            chosen.append((name, () if types_only else (value,)))
    return chosen


_COMPUTED: dict[str, Callable[[Entry, Tree], str]] = {
    "entryDN": lambda entry, _tree: entry.name,
    "subschemaSubentry": lambda _entry, _tree: "cn=Subschema",
    "hasSubordinates": lambda entry, tree: "TRUE" if tree.has_children(entry.key) else "FALSE",
}
