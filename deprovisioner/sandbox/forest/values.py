"""How one attribute of one object changes: links, passwords, account flags, primary groups, rules.

Called by ``writing``, which takes or throws away the result as a whole.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from deprovisioner.sandbox.directory import matching
from deprovisioner.sandbox.directory.names import InvalidNameError
from deprovisioner.sandbox.directory.results import Code, RefusalError
from deprovisioner.sandbox.directory.witness import Change
from deprovisioner.sandbox.forest import accounts, identifiers
from deprovisioner.sandbox.forest.attributes import BACK, Attribute, attribute, filter_schema
from deprovisioner.sandbox.forest.domain import Domain
from deprovisioner.sandbox.forest.store import Item, State, link

_OTHER: Final = 80
_LINKED_ALREADY: Final = Code.ENTRY_ALREADY_EXISTS


@dataclass
class Editing:
    """An object that is being changed, and others that change with it."""

    domain: Domain
    state: State
    encrypted: bool
    parts: int
    item: Item
    others: list[Item] = field(default_factory=list)

    def apply(self, description: str, edits: Sequence[Change]) -> None:
        """Apply the edits of one attribute in order; raises `RefusalError`."""
        kind = self._writable(description, edits)
        special = {
            "unicodepwd": self._password,
            "ntsecuritydescriptor": self._rules,
            "useraccountcontrol": self._control,
            "pwdlastset": self._password_time,
            "primarygroupid": self._primary,
        }.get(kind.key)
        if special is not None:
            special(edits)
            return
        held = self.item.values.get(kind.key, ())
        for edit in edits:
            held = self._edited(kind, held, edit)
        if kind.single and len(held) > 1:
            raise RefusalError(Code.CONSTRAINT_VIOLATION, f"{kind.name} takes one value")
        self._set(kind.key, held)

    def _set(self, key: str, held: tuple[bytes, ...]) -> None:
        self.item = self.item.with_values(**{key: held})

    def _writable(self, description: str, edits: Sequence[Change]) -> Attribute:
        kind = attribute(description)
        if kind is None:
            raise RefusalError(Code.NO_SUCH_ATTRIBUTE, f"{description} is not in the schema")
        if kind.key in BACK or kind.key in {"distinguishedname", "isdeleted"}:
            raise RefusalError(Code.UNWILLING_TO_PERFORM, f"{kind.name} is not written")
        if kind.kept:
            raise RefusalError(Code.CONSTRAINT_VIOLATION, f"{kind.name} is owned by the system")
        gives = any(edit.action != "delete" and edit.values for edit in edits)
        if gives and kind.holders and not any(map(self.item.has_class, kind.holders)):
            raise RefusalError(Code.OBJECT_CLASS_VIOLATION, f"{kind.name} is not for this class")
        return kind

    def _edited(self, kind: Attribute, held: tuple[bytes, ...], edit: Change) -> tuple[bytes, ...]:
        given = [self._stored(kind, value, edit.action) for value in edit.values]
        if edit.action == "replace":
            return tuple(dict.fromkeys(given))
        if edit.action == "add":
            if set(map(self._form(kind), held)) & set(map(self._form(kind), given)):
                code = _LINKED_ALREADY if kind.linked else Code.ATTRIBUTE_OR_VALUE_EXISTS
                raise RefusalError(code, f"{kind.name} has this value")
            return (*held, *given)
        if not held and not kind.linked:
            raise RefusalError(Code.NO_SUCH_ATTRIBUTE, f"{kind.name} is not there")
        form = self._form(kind)
        gone = set(map(form, given))
        if not gone <= set(map(form, held)):
            code = Code.UNWILLING_TO_PERFORM if kind.linked else Code.NO_SUCH_ATTRIBUTE
            raise RefusalError(code, f"{kind.name} has no such value")
        return tuple(value for value in held if gone and form(value) not in gone)

    def _form(self, kind: Attribute) -> Callable[[bytes], Hashable]:
        if kind.linked:
            return bytes
        typed = filter_schema().attribute(kind.name)
        return (lambda value: matching.normal(typed, value)) if typed else bytes

    def _stored(self, kind: Attribute, value: bytes, action: str) -> bytes:
        if not kind.linked:
            typed = filter_schema().attribute(kind.name)
            try:
                matching.check(typed, value) if typed else None
            except matching.InvalidValueError as error:
                raise RefusalError(Code.INVALID_ATTRIBUTE_SYNTAX, kind.name) from error
            return value
        prefix, name = _split(value)
        try:
            target = self.state.find(name)
        except (RefusalError, InvalidNameError) as error:
            codes = {"delete": Code.UNWILLING_TO_PERFORM, "add": Code.NO_SUCH_OBJECT}
            code = codes.get(action, Code.CONSTRAINT_VIOLATION)
            raise RefusalError(code, f"{kind.name} names nobody") from error
        return link(target.guid, prefix)

    def _password(self, edits: Sequence[Change]) -> None:
        if len(edits) != 1 or edits[0].action == "delete" or len(edits[0].values) != 1:
            raise RefusalError(Code.UNWILLING_TO_PERFORM, "00002035: only a reset is understood")
        password = accounts.new_password(edits[0].values[0], encrypted=self.encrypted)
        kept = (password, *self.item.passwords)[:2]
        now = str(self.domain.store.next_ticks()).encode()
        self.item = replace(self.item, passwords=kept).with_values(pwdlastset=(now,))

    def _password_time(self, edits: Sequence[Change]) -> None:
        value = edits[-1].values[0] if edits[-1].values else b""
        if value not in {b"0", b"-1"}:
            raise RefusalError(_OTHER, "00000057: pwdLastSet must be 0 or -1 only")
        now = str(self.domain.store.next_ticks()).encode()
        self._set("pwdlastset", (b"0" if value == b"0" else now,))

    def _control(self, edits: Sequence[Change]) -> None:
        before = self.item.number("useraccountcontrol")
        new = int(edits[-1].values[0]) if edits[-1].values else before
        removed = {int(v) for edit in edits if edit.action == "delete" for v in edit.values}
        # Measured: a swap that has already happened is answered with success.
        if new != before and removed and before not in removed:
            raise RefusalError(Code.NO_SUCH_ATTRIBUTE, "userAccountControl has another value")
        if not new & accounts.ACCOUNT_TYPES:
            new |= before & accounts.ACCOUNT_TYPES
        if new & accounts.SMART_CARD and not before & accounts.SMART_CARD:
            self.item = replace(self.item, passwords=())  # replaced by what nobody knows
        self._set("useraccountcontrol", (str(new).encode(),))

    def _primary(self, edits: Sequence[Change]) -> None:
        """Move to another primary group: out of its members, and into those of the old one."""
        new, old = int(edits[-1].values[0]), self.item.number("primarygroupid")
        if new == old:
            return
        me = link(self.item.guid)
        group = self.state.by_sid.get(self.domain.sid_of(new))
        if group is None or me not in group.values.get("member", ()):
            raise RefusalError(Code.UNWILLING_TO_PERFORM, "00000561: no member of that group")
        left = tuple(one for one in group.values["member"] if one != me)
        self.others.append(group.with_values(member=left))
        former = self.state.by_sid.get(self.domain.sid_of(old))
        if former is not None:
            joined = (*former.values.get("member", ()), me)
            self.others.append(former.with_values(member=joined))
        self._set("primarygroupid", (str(new).encode(),))

    def _rules(self, edits: Sequence[Change]) -> None:
        if len(edits) != 1 or edits[0].action != "replace" or len(edits[0].values) != 1:
            raise RefusalError(Code.UNWILLING_TO_PERFORM, "a descriptor is replaced as a whole")
        try:
            given = identifiers.read(edits[0].values[0])
        except identifiers.MalformedDescriptorError as error:
            raise RefusalError(Code.INVALID_ATTRIBUTE_SYNTAX, "no descriptor") from error
        merged = self.item.descriptor.with_parts(given, self.parts)
        self.item = replace(self.item, descriptor=merged)


def _split(value: bytes) -> tuple[bytes, str]:
    """Split ``B:length:hexadecimal:name``; a plain name has no first part."""
    text = value.decode("utf-8", "replace")
    if not text.startswith("B:"):
        return b"", text
    *head, name = text.split(":", 3)
    return ":".join((*head, "")).encode(), name
