"""A stateful fake of Microsoft Graph v1.0 on loopback, and the pretend company's tenant in it.

Used by the sandbox, the demo, tests and benchmarks; a daemon that serves a real company never
imports it. Start one, point a client at it, look at the truth afterwards:

    from deprovisioner.sandbox.graph import App, Fault, FaultKind, GraphServer, Tenant
    from deprovisioner.sandbox.people import people

    with GraphServer(Tenant(people(1)), clock=clock) as graph:
        act, verify = graph.token(App.ACTOR), graph.token(App.VERIFIER)
        connect(graph.url, act)                       # "http://127.0.0.1:port", without a version
        leaver = graph.tenant.user_id(graph.tenant.leaver.employment_id)
        graph.faults.add(Fault(FaultKind.THROTTLED, path="/users/*", times=1, retry_after=2))
        graph.lag(replica=1200)                       # every read shows what was 20 minutes ago
        graph.withdraw(App.VERIFIER, "Directory.Read.All")
        graph.truth.get(Table.USERS, leaver)          # the state as it is
        graph.edit(lambda store: store.link(Link.MEMBER, group, leaver))   # behind our back
        graph.witness.changes_by("actor")             # who changed what, told by the fake itself

Time goes by `clock` (aware UTC): tokens end after an hour, PIM acts after `graph.delays.roles`.
It refuses what the vendor refuses; where it is poorer it says so with a 400, never with silence.
"""

from deprovisioner.sandbox.graph.access import (
    ACTOR_PERMISSIONS,
    VERIFIER_PERMISSIONS,
    App,
    Caller,
    Registrations,
)
from deprovisioner.sandbox.graph.faults import Fault, FaultKind, FaultPanel
from deprovisioner.sandbox.graph.hosting import GraphServer
from deprovisioner.sandbox.graph.store import Link, Record, Store, Table, View
from deprovisioner.sandbox.graph.tenant import OnPremises, Tenant
from deprovisioner.sandbox.graph.witness import Changed, Seen, Witness

__all__ = [
    "ACTOR_PERMISSIONS",
    "VERIFIER_PERMISSIONS",
    "App",
    "Caller",
    "Changed",
    "Fault",
    "FaultKind",
    "FaultPanel",
    "GraphServer",
    "Link",
    "OnPremises",
    "Record",
    "Registrations",
    "Seen",
    "Store",
    "Table",
    "Tenant",
    "View",
    "Witness",
]
