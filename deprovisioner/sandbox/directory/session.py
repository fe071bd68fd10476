"""One client connection: requests come in, answers go out, faults are met.

Called by `server`, one thread each. Keeps what belongs to a connection: who is bound and the open
pages. A lock or the deletion of its entry does not end a connection, as on the real servers.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from deprovisioner.sandbox.directory import ber, filters, operations, protocol, root
from deprovisioner.sandbox.directory.faults import NO_FAULTS, Faults
from deprovisioner.sandbox.directory.names import InvalidNameError, key_of
from deprovisioner.sandbox.directory.operations import Directory
from deprovisioner.sandbox.directory.protocol import Message, Request, Result, Search
from deprovisioner.sandbox.directory.results import Code, RefusalError
from deprovisioner.sandbox.directory.searching import BASE, Reader, View, selected

_WRITES = (Request.MODIFY, Request.ADD, Request.DELETE, Request.RENAME)
_CHUNK = 64 * 1024


class DroppedError(Exception):
    """The connection is to be closed now, without another word."""


@dataclass
class Paging:
    """An open paged search: what is still to come, how much was sent."""

    rest: Iterator[View]
    sent: int = 0


class Session:
    """The dialogue with one client.

    `send` writes bytes to it, `sleep` waits (for the latency fault), `tls` says whether StartTLS
    is offered.
    """

    def __init__(
        self,
        directory: Directory,
        send: Callable[[bytes], None],
        sleep: Callable[[float], None],
        *,
        tls: bool,
    ) -> None:
        self._directory, self._send, self._sleep = directory, send, sleep
        self.who = ""
        self._pages: dict[bytes, Paging] = {}
        self._cookies = itertools.count(1)
        self._root = root.root_dse(directory.manners, directory.tree.suffix, tls=tls)
        self._subschema = root.subschema(directory.manners)
        self._tls = tls

    def handle(self, message: Message) -> str:
        """Answer one request; returns "tls" when TLS is to start now, "end" after an unbind, else
        "".

        Raises `DroppedError` for a fault and `MalformedMessageError` for nonsense.
        """
        if message.request is Request.UNBIND:
            return "end"
        if message.request is Request.ABANDON:
            return ""
        is_bind = message.request is Request.BIND
        faults = NO_FAULTS if is_bind else self._directory.faults.meet(self.who)
        if faults.latency_seconds:
            self._sleep(faults.latency_seconds)
        try:
            result = self._answer(message, faults)
        except RefusalError as refusal:
            result = Result(refusal.code, refusal.message, refusal.matched)
        except InvalidNameError:
            result = Result(Code.INVALID_DN_SYNTAX, "invalid DN")
        if faults.drop_before_answer:
            raise DroppedError
        self._send(protocol.write_result(message.number, message.request, result))
        starts_tls = message.request is Request.EXTENDED and _is_start_tls(message)
        return "tls" if starts_tls and result.code == Code.SUCCESS else ""

    def _answer(self, message: Message, faults: Faults) -> Result:
        if faults.answer_code:
            return Result(faults.answer_code, "told to by a fault")
        for control in message.controls.values():
            if control.critical and control.oid not in self._directory.manners.controls:
                return Result(
                    Code.UNAVAILABLE_CRITICAL_EXTENSION, "critical extension is not recognized"
                )
        return self._dispatch(message, faults)

    def _dispatch(self, message: Message, faults: Faults) -> Result:
        if message.request is Request.BIND:
            self.who, result = operations.bind(self._directory, message)
            return result
        if message.request is Request.SEARCH:
            return self._search(message, faults)
        if message.request in _WRITES:
            return operations.write(self._directory, self.who, message, faults)
        if message.request is Request.COMPARE:
            return operations.compare(self._directory, self.who, message)
        return self._extended(message)

    def _extended(self, message: Message) -> Result:
        parts = {part.tag: part for part in protocol.parts(message.operation, 1)}
        name = parts[0x80].text() if 0x80 in parts else ""
        if name == protocol.WHO_AM_I:
            identity = f"dn:{self.who}" if self.who else ""
            return Result(Code.SUCCESS, extension=ber.octets(identity.encode(), 0x8B))
        if name == protocol.PASSWORD_MODIFY and 0x81 in parts:
            value = parts[0x81].content
            return operations.change_password(self._directory, self.who, value)
        if name == protocol.START_TLS and self._tls:
            return Result(Code.SUCCESS)
        return Result(Code.PROTOCOL_ERROR, "unsupported extended operation")

    def _search(self, message: Message, faults: Faults) -> Result:
        search = protocol.read_search(message.operation)
        outside = self._outside(search)
        test = filters.read(search.condition, self._directory.tree.schema)
        if outside is not None:
            if test(outside):
                listed = protocol.partial_attributes(outside.listed(search.attributes))
                self._send(protocol.write_entry(message.number, outside.name, listed))
            return Result(Code.SUCCESS)
        page = message.controls.get(protocol.PAGING)
        if page is None:
            paging = Paging(self._found(search, test, faults))
            code, _more = self._send_entries(message, search, paging, faults, search.size_limit)
            return _limited(code)
        return self._search_page(message, search, test, faults)

    def _search_page(
        self, message: Message, search: Search, test: filters.Predicate, faults: Faults
    ) -> Result:
        size, cookie = protocol.read_page(message.controls[protocol.PAGING])
        if cookie:
            paging = self._pages.pop(cookie, None)
            if paging is None:
                raise RefusalError(Code.PROTOCOL_ERROR, "paged results cookie is invalid")
        else:
            paging = Paging(self._found(search, test, faults))
        if size == 0:
            return Result(Code.SUCCESS, controls=(protocol.page_control(b""),))
        size = min(size, faults.page_size or size)
        code, more = self._send_entries(message, search, paging, faults, 0, page=size)
        following = b""
        if more and code == Code.SUCCESS:
            following = next(self._cookies).to_bytes(8, "big")
            self._pages[following] = paging
        return replace(_limited(code), controls=(protocol.page_control(following),))

    def _outside(self, search: Search) -> root.Outside | None:
        if not search.base and search.scope == BASE:
            return self._root
        if search.base.lower().replace(" ", "") == root.SUBSCHEMA:
            return self._subschema
        return None

    def _found(self, search: Search, test: filters.Predicate, faults: Faults) -> Iterator[View]:
        directory = self._directory
        reader = Reader(
            directory.tree,
            directory.access,
            key_of(self.who) if self.who else None,
            faults,
            directory.manners,
        )
        # One page sees the moment of its first: all candidates are chosen before anything is sent.
        return iter(list(reader.found(search, test)))

    def _send_entries(
        self,
        message: Message,
        search: Search,
        paging: Paging,
        faults: Faults,
        asked_limit: int,
        page: int | None = None,
    ) -> tuple[int, bool]:
        """Send entries up to page and limits; returns (result code, whether more are to come)."""
        limit, code = self._limit(faults, asked_limit)
        here, chunk = 0, bytearray()
        for view in paging.rest:
            over_page = page is not None and here >= page
            if over_page or (limit is not None and paging.sent >= limit):
                paging.rest = itertools.chain((view,), paging.rest)
                self._send(bytes(chunk))
                return (Code.SUCCESS, True) if over_page else (code, False)
            if faults.drop_after_entries is not None and here >= faults.drop_after_entries:
                self._send(bytes(chunk))
                raise DroppedError
            chunk += self._entry(message, search, view)
            paging.sent, here = paging.sent + 1, here + 1
            if len(chunk) > _CHUNK:
                self._send(bytes(chunk))
                chunk.clear()
        self._send(bytes(chunk))
        if faults.drop_after_entries is not None:
            raise DroppedError
        return Code.SUCCESS, False

    def _entry(self, message: Message, search: Search, view: View) -> bytes:
        tree, types_only = self._directory.tree, search.types_only
        listed = selected(view, search.attributes, tree, types_only=types_only)
        attributes = protocol.partial_attributes(listed)
        return protocol.write_entry(message.number, view.entry.name, attributes)

    def _limit(self, faults: Faults, asked: int) -> tuple[int | None, int]:
        """Return (most entries of the whole search, code when that was too few)."""
        if faults.truncate_after is not None:
            return faults.truncate_after, faults.truncate_code
        who = key_of(self.who) if self.who else None
        limits = [asked] if asked else []
        if self._directory.access.limited(who):
            limits.append(self._directory.size_limit)
        return (min(limits) if limits else None), Code.SIZE_LIMIT_EXCEEDED


def _limited(code: int) -> Result:
    return Result(code, "" if code in {0, 4} else "told to by a fault")


def _is_start_tls(message: Message) -> bool:
    return any(
        part.tag == 0x80 and part.content == protocol.START_TLS.encode()
        for part in message.operation.children()
    )
