"""The conformance suite's hands on a real Samba domain: troubles made on the servers themselves.

What the leaver and everybody else look like is read past the connector, as the administrator, on
the controller that is written to. Replication happens when the suite lets time pass.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING, Any, Final

import ldap3

from connectors.active_directory import rows
from connectors.conformance.rig import Situation
from connectors.contract import Credential, Holding, Json, Subject
from tests.support.active_directory import (
    SUCCESSOR,
    connect,
    descriptor_of,
    hidden,
    subject_of,
)
from tests.support.peers import samba_population as population
from tests.support.peers.population import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connectors.active_directory import ActiveDirectoryConnector
    from tests.support.peers.meddling import Meddler
    from tests.support.peers.samba_domain import SambaDomain
    from tests.support.peers.samba_population import Leaver

_LOGIN_PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + b"<p>Sign in</p>" * 40
_VOLATILE: Final = frozenset(
    name.lower()
    for name in (
        "whenChanged", "uSNChanged", "pwdLastSet", "badPwdCount", "badPasswordTime", "lastLogon",
        "lastLogonTimestamp", "logonCount", "dSCorePropagationData", "lockoutTime",
        "replPropertyMetaData", "msDS-FailedInteractiveLogonCount",
    )
)  # fmt: skip
"""What reading and signing in change, and the time of the last reset."""
_CUT_AFTER = 6000
"""Bytes of answers that pass before the wire is cut: after the bind, within the reads."""


class DomainRig:
    """A rig over one domain with a leaver of its own."""

    successor = SUCCESSOR
    stranger = Subject(employment_id="emp-9", employee_number="E-9999", logins=("nobody-here",))
    unsupported: Mapping[Situation, str] = {
        Situation.THROTTLED: "no directory says when to come back: busy (51) carries no time",
    }

    def __init__(
        self, domain: SambaDomain, meddler: Meddler, leaver: Leaver, receive_timeout: int = 2
    ) -> None:
        """Take a leaver whom both controllers know; all connectors go through the proxy."""
        self._domain, self._meddler, self._leaver = domain, meddler, leaver
        self._guid = domain.guid(self._leaver.name)
        self._changed: dict[str, Any] = {
            "url": meddler.url,
            "allow_clear_text": True,
            "receive_timeout": dt.timedelta(seconds=receive_timeout),
        }
        self._clock_offset = dt.timedelta(0)
        self._replicated = self._known()

    @property
    def subject(self) -> Subject:
        """Who leaves."""
        return subject_of(self._leaver)

    def connector(self, credential: Credential, *, page_size: int = 0) -> ActiveDirectoryConnector:
        """Open a connector as an operator would, through whatever trouble there is."""
        changed = self._changed | ({"page_size": page_size} if page_size else {})
        return connect(self._domain, credential, self.now, **changed)

    def witness(self) -> Mapping[str, Json]:
        """The leaver's object, every value that names them, and descriptors of their things."""
        dn = self._dn()
        shown = {
            f"{name}|{attribute}": [value.hex() for value in values if own or _names(value, dn)]
            for name, attributes in self._world().items()
            for own in [name == dn]
            for attribute, values in attributes.items()
            if own or any(_names(value, dn) for value in values)
        }
        leaver = self._leaver
        rules = {
            f"rules|{name}": descriptor_of(self._domain, name).hex()
            for name in (leaver.delegated_unit,)
        }
        machine = self._domain.first.read(leaver.machine, rows.ALLOWED_TO_ACT)
        managed = self._domain.first.read(leaver.managed_service, rows.GMSA_READERS)
        kept = {
            f"{key}|{name}": [value.hex() for value in values]
            for key, read in (("machine", machine), ("managed", managed))
            for name, values in read.items()
        }
        return {**shown, **rules, **kept}

    def bystanders(self) -> Mapping[str, Json]:
        """All other objects without the values that name leaver or successor."""
        dn = self._dn()
        words = (dn, population.SUCCESSOR, self._leaver.login, f"married{self._leaver.number}")
        described = {rows.ALLOWED_TO_ACT.lower(), rows.GMSA_READERS.lower()}
        return {
            f"{name}|{attribute}": [value.hex() for value in rest]
            for name, attributes in self._world().items()
            if name not in (dn, population.SUCCESSOR)
            for attribute, values in attributes.items()
            if attribute not in described
            and (rest := [one for one in values if not any(_names(one, word) for word in words)])
        }

    def vanish(self, holding: Holding) -> None:
        """Take away what a holding stands for, as the administrator."""
        first, dn = self._domain.first, self._dn()
        native, _, attribute = holding.native_id.partition(":")
        if attribute == rows.MEMBER:
            name = f"<GUID={native}>"
            first.modify(name, {"member": [(ldap3.MODIFY_DELETE, [dn])]})
            return
        keys = first.read(dn, "sshPublicKey")["sshpublickey"]
        gone = [key for key in keys if rows.fingerprint("sshPublicKey", key) == attribute]
        first.modify(dn, {"sshPublicKey": [(ldap3.MODIFY_DELETE, gone)]})

    def rename(self) -> None:
        """Marry: another name everywhere; a new hire gets the old one."""
        first, leaver = self._domain.first, self._leaver
        new = f"married{leaver.number}"
        with first.root() as connection:
            connection.modify_dn(leaver.name, f"CN={new}")
        self._replace(
            self._dn(),
            sAMAccountName=new, userPrincipalName=f"{new}@example.com", mail=f"{new}@example.com",
            proxyAddresses=f"SMTP:{new}@example.com",
        )  # fmt: skip
        self._replace(leaver.direct_group, memberUid=new)
        first.add(
            Entry(
                leaver.name,
                ("user",),
                {
                    "sAMAccountName": leaver.login,
                    "mail": leaver.mail,
                    "employeeID": f"E-9{leaver.number}",
                },
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
        """Turn our clock, and let the second controller fetch what it does not know yet."""
        self._clock_offset += max(until - self.now(), dt.timedelta(0))
        self._replicate()

    def _replicate(self) -> None:
        known = self._known()
        if known != self._replicated:
            self._domain.second.pull(self._domain.first)
            self._replicated = known

    def _known(self) -> bytes:
        """How far the first controller's history goes."""
        return self._domain.first.read("", "highestCommittedUSN")["highestcommittedusn"][0]

    def _bring_about(self, situation: Situation, undo: contextlib.ExitStack) -> None:
        if situation is Situation.UNREACHABLE:
            undo.enter_context(self._meddler.away())
        elif situation is Situation.SLOW:
            self._give(undo, receive_timeout=dt.timedelta(seconds=1))
            self._domain.first.freeze()
            undo.callback(self._domain.first.thaw)
        elif situation is Situation.DENIED:
            for dn in (population.ACTOR, population.VERIFIER):
                self._replace(dn, userAccountControl="514")
                undo.callback(self._replace, dn, userAccountControl="512")
        elif situation is Situation.GARBLED:
            self._spoil(undo, garbage=_LOGIN_PAGE)
        elif situation is Situation.SILENT:
            self._spoil(undo, swallow_writes=True)
        elif situation is Situation.CANARY_HIDDEN:
            undo.enter_context(hidden(self._domain, population.CANARY))
        elif situation is Situation.TARGET_HIDDEN:
            undo.enter_context(hidden(self._domain, population.branch("People")))
        elif situation is Situation.TRUNCATED:
            self._spoil(undo, cut_after=_CUT_AFTER)
        else:
            raise AssertionError(situation)

    def _spoil(self, undo: contextlib.ExitStack, **how: Any) -> None:
        for name, value in how.items():
            undo.callback(setattr, self._meddler, name, getattr(self._meddler, name))
            setattr(self._meddler, name, value)

    def _give(self, undo: contextlib.ExitStack, **changed: Any) -> None:
        before = self._changed
        self._changed = before | changed
        undo.callback(setattr, self, "_changed", before)

    def _replace(self, name: str, **values: str) -> None:
        edits = {key: [(ldap3.MODIFY_REPLACE, [value])] for key, value in values.items()}
        self._domain.first.modify(name, edits)

    def _dn(self) -> str:
        """Where the leaver's object is now; their old name once it is gone."""
        escaped = "".join(f"\\{octet:02x}" for octet in self._guid)
        with self._domain.first.root() as connection:
            connection.search(population.COMPANY, f"(objectGUID={escaped})", attributes=["1.1"])
            return next((row["dn"] for row in connection.response or []), self._leaver.name)

    def _world(self) -> dict[str, dict[str, list[bytes]]]:
        with self._domain.first.root() as connection:
            connection.search(population.COMPANY, "(objectClass=*)", attributes=["*"])
            found = [row for row in connection.response if row["type"] == "searchResEntry"]
        return {
            row["dn"]: {
                name.lower(): sorted(values)
                for name, values in row["raw_attributes"].items()
                if values and name.lower() not in _VOLATILE
            }
            for row in found
        }


def _names(value: bytes, word: str) -> bool:
    return word.lower().encode() in value.lower()
