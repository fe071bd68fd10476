"""All domain controllers: found in the configuration partition, reached by name, asked to catch up.

A change is a fact per controller until it has replicated, so verification reads every one of them
(section 2.2 of the facts; Law 11: one that is down leaves the case open). Called by the connector.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from weakref import WeakKeyDictionary

from connectors._directory.endpoint import Endpoint
from connectors._directory.entries import Change, Edit, Entry, normal_dn
from connectors._directory.session import Session, Sessions
from connectors.active_directory import sight
from connectors.active_directory.domain import Domain, Facts, learn
from connectors.active_directory.settings import Settings
from connectors.active_directory.values import guid_dn
from connectors.contract import Credential, Json
from connectors.faults import Fault, Malformed

_PARTITIONS: Final = ("hasMasterNCs", "msDS-hasMasterNCs", "msDS-hasFullReplicaNCs")
_HOST: Final = "dNSHostName"
_PULL: Final = "replicateSingleObject"
_PUSH_PATIENCE: Final = timedelta(seconds=3)
"""A controller that is down must not keep the next write waiting."""


@dataclass(frozen=True, slots=True)
class Controller:
    """A domain controller as the configuration partition has it; ``service`` is its NTDS object."""

    host: str
    service: str


class Controllers:
    """Sessions with every controller for one of our identities. Safe for threads."""

    def __init__(
        self, settings: Settings, credential: Credential, clock: Callable[[], datetime]
    ) -> None:
        """Remember the settings; no I/O."""
        self._settings, self._credential, self._clock = settings, credential, clock
        self._lock = threading.Lock()
        self._sessions: dict[Endpoint, Sessions] = {}
        self._facts: WeakKeyDictionary[Session, Facts] = WeakKeyDictionary()
        self._deaf: set[str] = set()

    def home(self) -> Domain:
        """Speak to the controller that is written to. Raises faults."""
        return self._domain(self._settings.endpoint(self._credential))

    def at(self, host: str, patience: timedelta | None = None) -> Domain:
        """Speak to a controller by name; it must say that it is the one. Raises faults.

        ``patience`` bounds how long it may take to answer, where less than usual is wanted.
        """
        endpoint = self._settings.endpoint_of(self._credential, host)
        if patience is not None:
            shorter = min(patience, endpoint.connect_timeout)
            endpoint = replace(endpoint, connect_timeout=shorter, receive_timeout=patience)
        domain = self._domain(endpoint)
        if domain.facts.host.casefold() != host.casefold():
            raise Malformed("another controller answered at its address", code="ad:host")
        return domain

    def others(self, home: Domain) -> tuple[list[Controller], list[str]]:
        """Name all controllers but ``home``, and say what of that list cannot be read."""
        found, gaps = discover(home)
        here = home.facts.host.casefold()
        if here not in {one.host.casefold() for one in found}:
            gaps.append("the list of domain controllers (our own is not in it)")
        known = {one.host.casefold() for one in found} | {here}
        extra = [name for name in self._settings.controllers if name.casefold() not in known]
        found += [Controller(name, "") for name in extra]
        return [one for one in found if one.host.casefold() != here], gaps

    def push(self, home: Domain, native_ids: Sequence[str]) -> dict[str, Json]:
        """Ask every other controller to fetch objects now, and note what each said.

        Nothing depends on the answers (Law 1): verification reads each controller itself. One that
        cannot be reached or does not know the request is not asked again by this instance.
        """
        if not self._settings.push_replication:
            return {}
        said: dict[str, Json] = {}
        for controller in self.others(home)[0]:
            if controller.host in self._deaf:
                continue
            said[f"replication to {controller.host}"] = self._pull(home, controller, native_ids)
        return said

    def close(self) -> None:
        """Close the sessions of all threads. May be called twice."""
        with self._lock:
            kept = list(self._sessions.values())
        for sessions in kept:
            sessions.close()

    def _pull(self, home: Domain, controller: Controller, native_ids: Sequence[str]) -> str:
        try:
            target = self.at(controller.host, _PUSH_PATIENCE)
            for native_id in native_ids:
                value = f"{home.facts.service}:{guid_dn(native_id)}".encode()
                target.session.modify("", [Change(Edit.REPLACE, _PULL, (value,))])
        except Fault as fault:
            self._deaf.add(controller.host)
            return f"not asked: {fault.code or type(fault).__name__}"
        return "asked"

    def _domain(self, endpoint: Endpoint) -> Domain:
        with self._lock:
            sessions = self._sessions.get(endpoint)
            if sessions is None:
                sessions = Sessions(endpoint, self._clock, self._settings.bounds)
                self._sessions[endpoint] = sessions
        session = sessions.current()
        facts = self._facts.get(session)
        if facts is None:
            facts = learn(self._settings, session, sight.schema_names(self._settings))
            self._facts[session] = facts
        return Domain(self._settings, self._credential, session, endpoint, facts, self._clock)


def discover(home: Domain) -> tuple[list[Controller], list[str]]:
    """Read the controllers of this domain from the configuration partition."""
    wanted = [*_PARTITIONS, "distinguishedName"]
    sites = f"CN=Sites,{home.facts.configuration}"
    found: list[Controller] = []
    gaps: list[str] = []
    for service in home.session.everything(sites, "(objectClass=nTDSDSA)", wanted):
        if not _holds(service, home.settings.base):
            continue
        parent = service.dn.partition(",")[2]
        server = home.session.read(parent, [_HOST])
        if server is None or not server.text(_HOST):
            gaps.append("a domain controller without a name")
            continue
        found.append(Controller(server.text(_HOST), service.dn))
    return found, gaps


def _holds(service: Entry, base: str) -> bool:
    """Whether a controller holds our domain; one that does not say so may."""
    held = {normal_dn(text) for name in _PARTITIONS for text in service.texts(name)}
    return not held or normal_dn(base) in held
