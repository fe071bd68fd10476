"""One client of the pretend domain: requests come in, answers go out, faults are met.

Made by the directory server, one for each connection (``server.DirectoryServer``). What a page is,
who is bound and whether the line is encrypted belong to it. As on the real ones a connection lives
on when its account is disabled or deleted.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from deprovisioner.sandbox.directory import ber, protocol
from deprovisioner.sandbox.directory.faults import NO_FAULTS, Faults
from deprovisioner.sandbox.directory.names import InvalidNameError, key_of
from deprovisioner.sandbox.directory.protocol import Message, Request, Result, Search
from deprovisioner.sandbox.directory.results import Code, RefusalError
from deprovisioner.sandbox.directory.searching import BASE, ONE, SUBTREE
from deprovisioner.sandbox.directory.session import DroppedError
from deprovisioner.sandbox.directory.witness import Change
from deprovisioner.sandbox.forest import accounts, reading, root, writing
from deprovisioner.sandbox.forest.domain import CONFIGURATION, REALM, ROOT, Domain
from deprovisioner.sandbox.forest.identifiers import RULES
from deprovisioner.sandbox.forest.store import Item, State
from deprovisioner.sandbox.forest.writing import Asked

MOST_ROWS: Final = 1000
"""Rows of one answer, paged or not (MaxPageSize of Windows)."""
SHOW_DELETED, SD_FLAGS, DOMAIN_SCOPE = (f"1.2.840.113556.1.4.{n}" for n in (417, 801, 1339))
CONTROLS: Final = (protocol.PAGING, SHOW_DELETED, SD_FLAGS, DOMAIN_SCOPE)
_REFERENCE: Final = 0x73
_WRITES: Final = (Request.MODIFY, Request.ADD, Request.DELETE, Request.RENAME)


@dataclass
class Open:
    """A paged search that is not finished."""

    rest: Iterator[Item]
    state: State


class ForestSession:
    """The dialogue with one client; see `directory.session.Session` for what a server asks."""

    def __init__(
        self,
        domain: Domain,
        send: Callable[[bytes], None],
        sleep: Callable[[float], None],
        *,
        encrypted: bool,
        tls: bool,
    ) -> None:
        self._domain, self._send, self._sleep = domain, send, sleep
        self._encrypted, self._tls = encrypted, tls
        self._who: Item | None = None
        self._name = ""
        self._open: dict[bytes, Open] = {}
        self._cookies = itertools.count(1)

    def handle(self, message: Message) -> str:
        """Answer one request; "tls" when TLS starts now, "end" after an unbind, else nothing."""
        if message.request is Request.UNBIND:
            return "end"
        if message.request is Request.ABANDON:
            return ""
        is_bind = message.request is Request.BIND
        faults = NO_FAULTS if is_bind else self._domain.faults.meet(self._name)
        if faults.latency_seconds:
            self._sleep(faults.latency_seconds)
        try:
            result = self._answer(message, faults)
        except RefusalError as refusal:
            result = Result(refusal.code, refusal.message, refusal.matched)
        except InvalidNameError:
            result = Result(Code.INVALID_DN_SYNTAX, "0000208F: NameErr: invalid DN")
        if faults.drop_before_answer:
            raise DroppedError
        self._send(protocol.write_result(message.number, message.request, result))
        if message.request is Request.EXTENDED and result.code == Code.SUCCESS:
            self._encrypted = True
            return "tls"
        return ""

    def _answer(self, message: Message, faults: Faults) -> Result:
        if faults.answer_code:
            raise RefusalError(faults.answer_code, "told to by a fault")
        for control in message.controls.values():
            if control.critical and control.oid not in CONTROLS:
                raise RefusalError(Code.UNAVAILABLE_CRITICAL_EXTENSION, "unsupported control")
        if message.request is Request.BIND:
            return self._bind(message)
        if message.request is Request.SEARCH:
            return self._search(message, faults)
        if message.request in _WRITES:
            return self._write(message, faults)
        asked = message.request is Request.EXTENDED and protocol.parts(message.operation, 1)[0]
        if asked and self._tls and asked.content == protocol.START_TLS.encode():
            return Result(Code.SUCCESS)
        return Result(Code.PROTOCOL_ERROR, "unsupported operation")

    def _bind(self, message: Message) -> Result:
        _version, name, credential = protocol.parts(message.operation, 3)[:3]
        self._who, self._name = None, ""
        if credential.tag != 0x80:
            return Result(Code.AUTH_METHOD_NOT_SUPPORTED, "only simple binds are offered")
        if not credential.content:
            return Result(Code.SUCCESS)
        if not self._encrypted:
            return Result(Code.STRONGER_AUTH_REQUIRED, "a simple bind needs TLS")
        state, now = self._domain.store.state(), self._domain.store.clock()
        password = credential.content.decode("utf-8", "replace")
        self._who = accounts.sign_in(state, name.text(), password, now)
        self._name = state.names[self._who.guid]
        return Result(Code.SUCCESS)

    def _identity(self) -> Item:
        if self._who is None:
            raise RefusalError(1, "000004DC: a successful bind must be completed first")
        return self._who

    def _write(self, message: Message, faults: Faults) -> Result:
        asked = Asked(
            self._identity(),
            self._encrypted,
            SHOW_DELETED in message.controls,
            _parts_of_rules(message) or RULES,
        )
        name, changes, work = _work(self._domain, asked, message)
        operation = message.request.name.lower()
        if faults.silent_success:
            self._domain.witness.record(self._name, f"{operation} (not done)", name, changes, 0)
            return Result(Code.SUCCESS)
        code: int = Code.SUCCESS
        try:
            work()
        except RefusalError as refusal:
            code = refusal.code
            raise
        finally:
            self._domain.witness.record(self._name, operation, name, changes, code)
        return Result(Code.SUCCESS)

    def _search(self, message: Message, faults: Faults) -> Result:
        search = protocol.read_search(message.operation)
        state = self._domain.store.state(faults.stale_seconds)
        if not search.base and search.scope == BASE:
            shown = root.root_dse(state, self._who, search.attributes)
            self._send(protocol.write_entry(message.number, "", protocol.partial_attributes(shown)))
            return Result(Code.SUCCESS)
        self._identity()
        page = message.controls.get(protocol.PAGING)
        size, cookie = protocol.read_page(page) if page else (MOST_ROWS, b"")
        if cookie:
            opened = self._open.pop(cookie, None)
            if opened is None:
                raise RefusalError(Code.UNWILLING_TO_PERFORM, "00000057: an unknown cookie")
        else:
            deleted = SHOW_DELETED in message.controls
            opened = Open(self._found(state, search, faults, deleted=deleted), state)
        wanted = min(size, MOST_ROWS, faults.page_size or MOST_ROWS)
        more, code = self._rows(message, search, opened, wanted, faults)
        if page is None:
            self._refer(message, search)
            return Result(Code.SIZE_LIMIT_EXCEEDED if more else code)
        following = next(self._cookies).to_bytes(8, "big") if more else b""
        if following:
            self._open[following] = opened
        else:
            self._refer(message, search)
        return Result(code, controls=(protocol.page_control(following),))

    def _found(
        self, state: State, search: Search, faults: Faults, *, deleted: bool
    ) -> Iterator[Item]:
        base = state.find(search.base, deleted=deleted)
        if faults.hides(key_of(state.names[base.guid])):
            raise RefusalError(Code.NO_SUCH_OBJECT, "00002030: No such Base DN")
        test = reading.condition(state, search.condition)
        below: dict[int, Callable[[], Iterable[Item]]] = {
            BASE: lambda: (base,),
            ONE: lambda: state.children.get(base.guid, ()),
            SUBTREE: lambda: state.below(base),
        }
        if search.scope not in below:
            raise RefusalError(Code.PROTOCOL_ERROR, "invalid scope")
        chosen = [
            item
            for item in below[search.scope]()
            if (deleted or not item.deleted)
            and not faults.hides(key_of(state.names[item.guid]))
            and test(reading.Seen(state, item))
        ]
        return iter(chosen)

    def _rows(
        self, message: Message, search: Search, opened: Open, size: int, faults: Faults
    ) -> tuple[bool, int]:
        """Send rows; returns whether more are to come, and the code."""
        for sent, item in enumerate(opened.rest):
            if faults.truncate_after is not None and sent >= faults.truncate_after:
                return False, faults.truncate_code
            if faults.drop_after_entries is not None and sent >= faults.drop_after_entries:
                raise DroppedError
            if sent >= size:
                opened.rest = itertools.chain((item,), opened.rest)
                return True, Code.SUCCESS
            shown = reading.listed(opened.state, item, search.attributes, _parts_of_rules(message))
            attributes = protocol.partial_attributes(shown)
            name = opened.state.names[item.guid]
            self._send(protocol.write_entry(message.number, name, attributes))
        return False, Code.SUCCESS

    def _refer(self, message: Message, search: Search) -> None:
        """Point a search of the whole domain to the other partitions, as every controller does."""
        if search.scope != SUBTREE or key_of(search.base) != key_of(ROOT):
            return
        if DOMAIN_SCOPE not in message.controls:
            url = ber.octets(f"ldap://{REALM}/{CONFIGURATION}".encode())
            self._send(
                ber.wrap(ber.SEQUENCE, ber.integer(message.number), ber.wrap(_REFERENCE, url))
            )


def _parts_of_rules(message: Message) -> int:
    control = message.controls.get(SD_FLAGS)
    if control is None:
        return 0
    return ber.only(control.value).children()[0].integer() & 0x7


Work = tuple[str, tuple[Change, ...], Callable[[], None]]


def _work(domain: Domain, asked: Asked, message: Message) -> Work:
    operation = message.operation
    if message.request is Request.DELETE:
        name = operation.text()
        return name, (), lambda: writing.delete(domain, asked, name)
    name_part, *rest = protocol.parts(operation, 2)
    name = name_part.text()
    if message.request is Request.MODIFY:
        changes = _withheld(protocol.read_changes(rest[0]))
        edits = protocol.read_changes(rest[0])
        return name, changes, lambda: writing.modify(domain, asked, name, edits)
    if message.request is Request.ADD:
        wire = protocol.read_attributes(rest[0])
        listed = _withheld(tuple(Change("add", one, values) for one, values in wire))
        return name, listed, lambda: writing.add(domain, asked, name, wire)
    rdn = rest[0].text()
    superior = rest[2].text() if len(rest) > 2 else None
    noted = (Change("replace", "rdn", (rdn.encode(),)),)
    return name, noted, lambda: writing.rename(domain, asked, name, rdn, superior)


def _withheld(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    return tuple(
        Change(one.action, one.attribute, (b"(withheld)",) * len(one.values))
        if one.attribute.lower() == "unicodepwd"
        else one
        for one in changes
    )
