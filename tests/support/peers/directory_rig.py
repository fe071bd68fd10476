"""The conformance suite's hands on a real directory: troubles made on the server itself.

What the leaver and everybody else look like is read past the connector, as the server's root.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import ldap3
from ldap3.core.exceptions import LDAPException

from connectors.conformance.rig import Situation
from connectors.contract import Credential, Holding, Json, Subject
from connectors.ldap import own
from tests.support.peers.connecting import LEAVER_SUBJECT, SUCCESSOR_SUBJECT, connect
from tests.support.peers.meddling import Meddler
from tests.support.peers.population import (
    ACTOR,
    CANARY,
    LEAVER,
    SERVICE_PASSWORD,
    SUCCESSOR,
    SUFFIX,
    VERIFIER,
    Entry,
    people,
)
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connectors.ldap import LdapConnector
    from tests.support.peers.directory import Directory
    from tests.support.peers.slapd import Slapd
    from tests.support.peers.three_eight_nine import ThreeEightNine

_LOGIN_PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + b"<p>Sign in</p>" * 40
_LEAVER_LOGIN = re.compile(rb"lmeyer", re.IGNORECASE)
_NEW_LOGIN = "lmeyer-schulz"


class DirectoryRig:
    """A rig over one directory peer that was just reset."""

    subject = LEAVER_SUBJECT
    successor = SUCCESSOR_SUBJECT
    stranger = Subject(employment_id="emp-9", employee_number="E-9999", logins=("nobody-here",))
    unsupported: Mapping[Situation, str] = {
        Situation.THROTTLED: "no directory says when to come back: busy (51) carries no time",
    }

    def __init__(self, directory: Directory, meddler: Meddler, receive_timeout: int = 2) -> None:
        """Keep the peer and the proxy that all connectors go through; troubles spoil either.

        ``receive_timeout``: seconds after which our connectors give up, when all is well.
        """
        self._directory = directory
        self._meddler = meddler
        self._leaver = LEAVER
        self._changed: dict[str, Any] = {
            "url": meddler.url,
            "receive_timeout": dt.timedelta(seconds=receive_timeout),
        }
        self._clock_offset = dt.timedelta(0)

    def connector(self, credential: Credential, *, page_size: int = 0) -> LdapConnector:
        """Open a connector as an operator would, through whatever trouble there is."""
        changed = self._changed | ({"page_size": page_size} if page_size else {})
        return connect(self._directory, credential, self.now, **changed)

    def witness(self) -> Mapping[str, Json]:
        """The leaver's own entry and every value that names them."""
        return {
            f"{key}|{name}": [value.hex() for value in values]
            for key, attributes in self._directory.world().items()
            for name, all_values in attributes.items()
            if (values := all_values if key == self._leaver else _naming(all_values))
        }

    def bystanders(self) -> Mapping[str, Json]:
        """All other entries without the values that name leaver or successor."""
        names = (*_words("lmeyer"), *_words(_NEW_LOGIN), *_words("skhan"))
        return {
            f"{key}|{name}": [value.hex() for value in rest]
            for key, attributes in self._directory.world().items()
            if key not in (self._leaver, SUCCESSOR) and "cn=meyer," not in key
            for name, values in attributes.items()
            if (rest := [value for value in values if not _names(value, names)])
        }

    def forget_references(self) -> None:
        """Take every value off other entries that names the leaver, as if all was revoked."""
        for key, attributes in self._directory.world().items():
            if key == LEAVER:
                continue
            for name, values in attributes.items():
                kept = [value for value in values if not _names(value, _words("lmeyer"))]
                if "cn=meyer," in key or (name == "member" and not kept):
                    self._directory.delete(key)
                    break
                if kept != values:
                    self._directory.modify(key, {name: [(ldap3.MODIFY_REPLACE, kept)]})

    def vanish(self, holding: Holding) -> None:
        """Delete what the holding stands for, as root; only values on the person's entry."""
        attribute = holding.native_id.partition(":")[0]
        values = self._directory.read(LEAVER, attribute)[attribute]
        gone = [
            value
            for value in values
            if own.fingerprint(attribute, value) == holding.native_id.partition(":")[2]
        ]
        self._directory.modify(LEAVER, {attribute: [(ldap3.MODIFY_DELETE, gone)]})

    def rename(self) -> None:
        """Rename the leaver everywhere, as an administrator would, and hire a new lmeyer."""
        before = self._directory.world()
        with self._directory.root() as connection:
            connection.modify_dn(LEAVER, f"uid={_NEW_LOGIN}")
        self._leaver = people(_NEW_LOGIN)
        self._settle_references()
        for key, attributes in before.items():
            if key == LEAVER:
                continue
            for name, values in attributes.items():
                self._rename_values(key, name, values)
        self._directory.add(
            Entry(
                LEAVER,
                ("inetOrgPerson",),
                {"uid": "lmeyer", "cn": "New hire", "sn": "Hire", "employeeNumber": "E-2000"},
            )
        )

    @contextlib.contextmanager
    def situation(self, situation: Situation) -> Iterator[None]:
        """Bring about a trouble on the server or on the way to it."""
        with contextlib.ExitStack() as undo:
            self._bring_about(situation, undo)
            yield

    def now(self) -> dt.datetime:
        """The real time: the servers have their own clocks."""
        return dt.datetime.now(dt.UTC) + self._clock_offset

    def pass_time(self, until: dt.datetime) -> None:
        """Turn our clock; the settle time of these peers is zero."""
        self._clock_offset += max(until - self.now(), dt.timedelta(0))

    def _bring_about(self, situation: Situation, undo: contextlib.ExitStack) -> None:
        directory = self._directory
        undo.callback(self._well_again)
        if situation is Situation.UNREACHABLE:
            undo.enter_context(self._meddler.away())
        elif situation is Situation.SLOW:
            self._give(undo, receive_timeout=dt.timedelta(seconds=1))
            directory.freeze()
            undo.callback(directory.thaw)
        elif situation is Situation.DENIED:
            for dn in (ACTOR, VERIFIER):
                self._password(dn, "another-password-8")
                undo.callback(self._password, dn, SERVICE_PASSWORD)
        elif situation is Situation.GARBLED:
            self._spoil(undo, garbage=_LOGIN_PAGE)
        elif situation is Situation.SILENT:
            self._spoil(undo, swallow_writes=True)
        elif situation is Situation.CANARY_HIDDEN:
            undo.enter_context(self._hidden(CANARY))
        elif situation is Situation.TARGET_HIDDEN:
            undo.enter_context(self._hidden(f"ou=people,{SUFFIX}"))
        elif situation is Situation.TRUNCATED:
            undo.enter_context(self._limited_to_one())
        else:
            raise AssertionError(situation)

    def _well_again(self) -> None:
        """The next check starts on a server that answers."""
        people_are_there = lambda: bool(self._directory.read(CANARY, "uid"))  # noqa: E731 - one line
        wait_until(people_are_there, 20, forgive=(OSError, LDAPException))

    def _spoil(self, undo: contextlib.ExitStack, **how: Any) -> None:
        for name, value in how.items():
            undo.callback(setattr, self._meddler, name, getattr(self._meddler, name))
            setattr(self._meddler, name, value)

    def _give(self, undo: contextlib.ExitStack, **changed: Any) -> None:
        before = self._changed
        self._changed = before | changed
        undo.callback(setattr, self, "_changed", before)

    def _password(self, dn: str, password: str) -> None:
        self._directory.modify(dn, {"userPassword": [(ldap3.MODIFY_REPLACE, [password])]})

    def _rename_values(self, dn: str, name: str, values: list[bytes]) -> None:
        named = [value for value in values if _names(value, _words("lmeyer"))]
        if not named:
            return
        current = self._directory.read(dn, name).get(name, [])
        changed = [
            _LEAVER_LOGIN.sub(_renamed, value) if value in named else value for value in current
        ]
        if changed != current:
            edits = {name: [(ldap3.MODIFY_REPLACE, changed)]}
            self._directory.modify(dn, edits)

    def _settle_references(self) -> None:
        """Nothing lags on a server without referential integrity."""

    @abstractmethod
    def _hidden(self, dn: str) -> contextlib.AbstractContextManager[None]: ...

    @abstractmethod
    def _limited_to_one(self) -> contextlib.AbstractContextManager[None]: ...


class SlapdRig(DirectoryRig):
    """OpenLDAP."""

    _directory: Slapd

    def _hidden(self, dn: str) -> contextlib.AbstractContextManager[None]:
        return self._directory.access(
            f'to dn.subtree="{dn}" attrs=entry,@extensibleObject by * none'
        )

    def _limited_to_one(self) -> contextlib.AbstractContextManager[None]:
        return self._directory.limits(f'dn.exact="{VERIFIER}" size=1')

    def _settle_references(self) -> None:
        """Wait until the overlay has moved the membership."""
        with self._directory.root() as connection:

            def moved() -> bool:
                connection.search(SUFFIX, f"(member={LEAVER})", attributes=["1.1"])
                return not connection.response

            wait_until(moved, 10)


class ThreeEightNineRig(DirectoryRig):
    """389-ds."""

    _directory: ThreeEightNine

    def _hidden(self, dn: str) -> contextlib.AbstractContextManager[None]:
        rule = '(targetattr="*")(version 3.0; acl "hide"; deny (all) userdn="ldap:///anyone";)'
        return self._directory.aci(dn, rule)

    @contextlib.contextmanager
    def _limited_to_one(self) -> Iterator[None]:
        limits = {name: [(ldap3.MODIFY_REPLACE, ["1"])] for name in _LIMITS}
        self._directory.modify(VERIFIER, limits)
        try:
            yield
        finally:
            none: dict[str, Any] = {name: [(ldap3.MODIFY_REPLACE, [])] for name in _LIMITS}
            self._directory.modify(VERIFIER, none)


_LIMITS = ("nsSizeLimit", "nsPagedSizeLimit")


def _renamed(found: re.Match[bytes]) -> bytes:
    new = _NEW_LOGIN.encode()
    return new.upper() if found.group().isupper() else new


def _words(login: str) -> tuple[bytes, ...]:
    return (login.encode(), f"uid={login},".encode())


def _names(value: bytes, words: tuple[bytes, ...]) -> bool:
    return any(word in value.lower() for word in words)


def _naming(values: list[bytes]) -> list[bytes]:
    return [value for value in values if _names(value, _words("lmeyer"))]
