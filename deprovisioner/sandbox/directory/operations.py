"""What each request does to the tree: the rules of access, of locking and of passwords meet the
entries here.

Called by `session`, which knows the wire; knows nothing of sockets. Searches are in `searching`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from deprovisioner.sandbox.directory import ber, filters, names, passwords, protocol
from deprovisioner.sandbox.directory.access import PASSWORD, AccessRules, Right
from deprovisioner.sandbox.directory.dress import Manners
from deprovisioner.sandbox.directory.entry import Entry, changed, with_naming_values
from deprovisioner.sandbox.directory.faults import FaultPanel, Faults
from deprovisioner.sandbox.directory.names import InvalidNameError, Key, key_of
from deprovisioner.sandbox.directory.protocol import Control, Message, Request, Result
from deprovisioner.sandbox.directory.results import Code, RefusalError
from deprovisioner.sandbox.directory.searching import View, selected
from deprovisioner.sandbox.directory.tree import Tree, renamed
from deprovisioner.sandbox.directory.witness import Change, Witness


@dataclass(frozen=True, slots=True)
class Administrator:
    """The root name, which is no entry, with its password."""

    name: str
    password: str


@dataclass(frozen=True, slots=True)
class Directory:
    """Everything the connections of one server share."""

    tree: Tree
    manners: Manners
    access: AccessRules
    administrator: Administrator
    default_policy: str
    faults: FaultPanel
    witness: Witness
    size_limit: int
    salt: Callable[[], bytes]


def bind(directory: Directory, message: Message) -> tuple[str, Result]:
    """Return the name a connection is bound with from now on (empty is anonymous) and the
    answer.
    """
    version, name, credential = protocol.parts(message.operation, 3)[:3]
    if version.integer() != 3:
        return "", Result(Code.PROTOCOL_ERROR, "requested protocol version not allowed")
    if credential.tag != 0x80:
        return "", Result(Code.AUTH_METHOD_NOT_SUPPORTED, "only simple binds are offered")
    who, password = name.text(), credential.content
    if not password:
        if who:
            message_text = "unauthenticated bind (DN with no password) disallowed"
            return "", Result(Code.UNWILLING_TO_PERFORM, message_text)
        return "", Result(Code.SUCCESS)
    result = _sign_in(directory, who, password)
    if protocol.PASSWORD_POLICY in message.controls and directory.manners.password_change_unlocks:
        locked = result.code and is_locked(directory, _entry_or_none(directory, who))
        result = replace(result, controls=(_policy_control(locked=bool(locked)),))
    return (who if result.code == Code.SUCCESS else ""), result


def _sign_in(directory: Directory, who: str, password: bytes) -> Result:
    refused = Result(Code.INVALID_CREDENTIALS)
    if key_of(who) == key_of(directory.administrator.name):
        right = passwords.matches(directory.administrator.password.encode(), password)
        return Result(Code.SUCCESS) if right else refused
    entry = _entry_or_none(directory, who)
    if entry is None:
        return refused
    if is_locked(directory, entry):
        if directory.manners.password_change_unlocks:
            return refused
        return Result(
            Code.UNWILLING_TO_PERFORM, "Account inactivated. Contact system administrator."
        )
    if any(passwords.matches(stored, password) for stored in entry.values(PASSWORD)):
        return Result(Code.SUCCESS)
    return refused


def is_locked(directory: Directory, entry: Entry | None) -> bool:
    """Tell whether a bind is refused whatever the password.

    On OpenLDAP only where the effective policy says `pwdLockout: TRUE`: elsewhere the lock
    attribute is decoration.
    """
    lock = entry.first(directory.manners.lock_attribute) if entry else None
    if entry is None or lock is None:
        return False
    if not directory.manners.password_change_unlocks:
        return lock.lower() == "true"
    policy_name = entry.first("pwdpolicysubentry") or directory.default_policy
    policy = _entry_or_none(directory, policy_name)
    return policy is not None and policy.first("pwdlockout") == "TRUE"


def _policy_control(*, locked: bool) -> Control:
    inner = ber.integer(1, 0x81) if locked else b""
    value = ber.wrap(ber.SEQUENCE, inner)
    return Control(protocol.PASSWORD_POLICY, critical=False, value=value)


def _entry_or_none(directory: Directory, name: str) -> Entry | None:
    return directory.tree.entries().get(key_of(name))


def write(directory: Directory, who: str, message: Message, faults: Faults) -> Result:
    """Do a modify, add, delete or rename, note it in the witness, answer."""
    doing = _WRITERS[message.request]
    name, changes, work = doing(directory, who, message)
    if faults.silent_success:
        directory.witness.record(who, f"{message.request.name} (not done)", name, changes, 0)
        return Result(Code.SUCCESS)
    try:
        with directory.tree.lock:
            result = work()
    except RefusalError as refusal:
        result = Result(refusal.code, refusal.message, refusal.matched)
    except InvalidNameError:
        result = Result(Code.INVALID_DN_SYNTAX, "invalid DN")
    directory.witness.record(who, message.request.name.lower(), name, changes, result.code)
    return result


Prepared = tuple[str, tuple[Change, ...], Callable[[], Result]]


def _modify(directory: Directory, who: str, message: Message) -> Prepared:
    name_part, change_part = protocol.parts(message.operation, 2)[:2]
    name, changes = name_part.text(), protocol.read_changes(change_part)

    def work() -> Result:
        old = _target(directory, who, name)
        for change in changes:
            _demand(directory, who, old.key, change.attribute)
        _check_assertion(directory, who, message, old)
        new = changed(old, directory.tree.schema, _as_stored(directory, changes))
        new = _after_password_change(directory, old, new, changes)
        stored = directory.tree.put(old, new, who)
        return Result(Code.SUCCESS, controls=_images(directory, who, message, old, stored))

    return name, changes, work


def _add(directory: Directory, who: str, message: Message) -> Prepared:
    name_part, list_part = protocol.parts(message.operation, 2)[:2]
    name, wire = name_part.text(), protocol.read_attributes(list_part)
    changes = tuple(Change("add", description, values) for description, values in wire)

    def work() -> Result:
        _demand_place(directory, who, key_of(name))
        stored = _as_stored(directory, changes)
        pairs = [(change.attribute, change.values) for change in stored]
        new = directory.tree.add(name, pairs, who)
        return Result(Code.SUCCESS, controls=_images(directory, who, message, None, new))

    return name, changes, work


def _delete(directory: Directory, who: str, message: Message) -> Prepared:
    name = message.operation.text()

    def work() -> Result:
        old = _target(directory, who, name)
        _demand_place(directory, who, old.key)
        _check_assertion(directory, who, message, old)
        refint = directory.faults.current().refint_seconds
        directory.tree.delete(old.key, refint_after=refint)
        return Result(Code.SUCCESS, controls=_images(directory, who, message, old, None))

    return name, (), work


def _rename(directory: Directory, who: str, message: Message) -> Prepared:
    name_part, rdn, remove_old, *rest = protocol.parts(message.operation, 3)
    name, superior = name_part.text(), rest[0].text() if rest else None
    changes = (Change("replace", "rdn", (rdn.content,)),)

    def work() -> Result:
        old = _target(directory, who, name)
        unspelt, new_key = renamed(old, rdn.text(), superior)
        new_name = directory.tree.spelt(unspelt)
        for key in (old.key, new_key):
            _demand_place(directory, who, key)
        moved = with_naming_values(Entry(new_name, new_key, old.attributes), directory.tree.schema)
        drops = remove_old.content != b"\x00" and new_key[0] != old.key[0]
        gone = names.split(old.name)[0] if drops else []
        edits = [Change("delete", kind, (value.encode(),)) for kind, value in gone]
        new = changed(moved, directory.tree.schema, edits)
        refint = directory.faults.current().refint_seconds
        directory.tree.rename(old, new, who, refint_after=refint)
        return Result(Code.SUCCESS)

    return name, changes, work


_WRITERS: dict[Request, Callable[[Directory, str, Message], Prepared]] = {
    Request.MODIFY: _modify,
    Request.ADD: _add,
    Request.DELETE: _delete,
    Request.RENAME: _rename,
}


def compare(directory: Directory, who: str, message: Message) -> Result:
    """Answer a compare request."""
    name, assertion = protocol.parts(message.operation, 2)[:2]
    key = key_of(name.text())
    if directory.access.right(_key(who), key) < Right.READ:
        raise RefusalError(Code.NO_SUCH_OBJECT)
    entry = directory.tree.find(name.text())
    kind = directory.tree.schema.attribute(protocol.parts(assertion, 2)[0].text())
    if kind is None:
        raise RefusalError(Code.UNDEFINED_ATTRIBUTE_TYPE)
    if not entry.raw(frozenset((kind.key,))):
        raise RefusalError(Code.NO_SUCH_ATTRIBUTE)
    equality = ber.Element(filters.EQUAL, assertion.content)
    answer = filters.read(equality, directory.tree.schema)(View(directory.access, _key(who), entry))
    if answer is None:
        raise RefusalError(Code.NO_SUCH_ATTRIBUTE)
    return Result(Code.COMPARE_TRUE if answer else Code.COMPARE_FALSE)


def change_password(directory: Directory, who: str, value: bytes) -> Result:
    """Do a password-modify extended request (RFC 3062); the new value is stored as `{SSHA}`."""
    fields = {part.tag: part for part in ber.only(value).children()}
    name = fields[0x80].text().removeprefix("dn:") if 0x80 in fields else who
    if 0x82 not in fields:
        raise RefusalError(Code.UNWILLING_TO_PERFORM, "the sandbox makes up no passwords")
    entry = _target(directory, who, name)
    _demand(directory, who, entry.key, PASSWORD)
    hashed = passwords.ssha(fields[0x82].text(), directory.salt())
    changes = (Change("replace", "userPassword", (hashed,)),)
    with directory.tree.lock:
        new = changed(directory.tree.find(name), directory.tree.schema, changes)
        new = _after_password_change(directory, entry, new, changes)
        directory.tree.put(entry, new, who)
    directory.witness.record(who, "password", name, changes, Code.SUCCESS)
    return Result(Code.SUCCESS)


def _target(directory: Directory, who: str, name: str) -> Entry:
    if not who:
        raise _unbound(directory)
    return directory.tree.find(name)


def _demand(directory: Directory, who: str, key: Key, attribute: str | None = None) -> None:
    if not who:
        raise _unbound(directory)
    plain = attribute.partition(";")[0].lower() if attribute else None
    if directory.access.right(_key(who), key, plain) < Right.WRITE:
        raise RefusalError(Code.INSUFFICIENT_ACCESS_RIGHTS)


def _unbound(directory: Directory) -> RefusalError:
    if directory.manners.refuses_by_silence:
        return RefusalError(Code.INSUFFICIENT_ACCESS_RIGHTS)
    return RefusalError(Code.STRONGER_AUTH_REQUIRED, "modifications require authentication")


def _demand_place(directory: Directory, who: str, key: Key) -> None:
    # To add, delete or move takes the right on the place above too; a place that is not there is
    # told first.
    if not who:
        raise _unbound(directory)
    above = key[1:]
    if above and above not in directory.tree.entries():
        raise RefusalError(Code.NO_SUCH_OBJECT, matched=directory.tree.absent(above).matched)
    if directory.access.right(_key(who), above) < Right.WRITE:
        raise RefusalError(Code.INSUFFICIENT_ACCESS_RIGHTS, "no write access to parent")
    _demand(directory, who, key)


def _key(who: str) -> Key | None:
    return key_of(who) if who else None


def _check_assertion(directory: Directory, who: str, message: Message, entry: Entry) -> None:
    control = message.controls.get(protocol.ASSERTION)
    if control is None:
        return
    condition = ber.only(control.value)
    test = filters.read(condition, directory.tree.schema)
    if not test(View(directory.access, _key(who), entry)):
        raise RefusalError(Code.ASSERTION_FAILED)


def _as_stored(directory: Directory, changes: Sequence[Change]) -> tuple[Change, ...]:
    # slapd stores what a modify gives it; 389-ds hashes clear text.
    if not directory.manners.hashes_passwords:
        return tuple(changes)
    return tuple(_hashed(directory, change) for change in changes)


def _hashed(directory: Directory, change: Change) -> Change:
    if change.attribute.lower() != PASSWORD or change.action == "delete":
        return change
    values = tuple(
        value
        if value.startswith(b"{")
        else passwords.ssha(value.decode("utf-8", "replace"), directory.salt())
        for value in change.values
    )
    return replace(change, values=values)


def _after_password_change(
    directory: Directory, old: Entry, new: Entry, changes: Sequence[Change]
) -> Entry:
    """Return the entry as the ppolicy overlay leaves it, measured on slapd 2.5.13.

    A new password opens a lock that was there before, even when the same request replaces the lock:
    scramble and lock twice in the same way, and the second time unlocks. Only a lock that was not
    there before, or that the request deletes and adds, stays. A password taken away opens nothing.
    """
    arrives = any(
        change.attribute.lower() == PASSWORD and change.action != "delete" and change.values
        for change in changes
    )
    if not arrives or not directory.manners.password_change_unlocks:
        return new
    lock = directory.manners.lock_attribute
    changed_at = directory.tree.now()
    new = new.with_set(directory.tree.schema, pwdFailureTime=(), pwdChangedTime=(changed_at,))
    handled = any(c.attribute.lower() == lock and c.action == "delete" for c in changes)
    if handled or not old.values(lock):
        return new
    return new.with_set(directory.tree.schema, pwdAccountLockedTime=())


def _images(
    directory: Directory, who: str, message: Message, before: Entry | None, after: Entry | None
) -> tuple[Control, ...]:
    answers = []
    for oid, entry in ((protocol.PRE_READ, before), (protocol.POST_READ, after)):
        asked = message.controls.get(oid)
        if asked is None or entry is None:
            continue
        wanted = ber.only(asked.value)
        attributes = tuple(part.text() for part in wanted.children())
        view = View(directory.access, _key(who), entry)
        listed = protocol.partial_attributes(selected(view, attributes, directory.tree))
        value = ber.wrap(ber.SEQUENCE, ber.octets(entry.name.encode()), listed)
        answers.append(Control(oid, critical=False, value=value))
    return tuple(answers)
