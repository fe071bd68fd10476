"""A stateful fake of GitLab's REST API v4 on loopback, and the pretend company's forge in it.

Used by the sandbox, the demo, tests and benchmarks; a daemon that serves a real company never
imports it. Start one, point a client at it, look at the truth afterwards:

    from deprovisioner.sandbox.gitlab import Account, Fault, FaultKind, Forge, ForgeServer, Table
    from deprovisioner.sandbox.people import people

    with ForgeServer(Forge(people(1)), clock=clock) as gitlab:
        act, verify = gitlab.token(Account.ACTOR), gitlab.token(Account.VERIFIER)
        connect(gitlab.url, act)                      # "http://127.0.0.1:port", without /api/v4
        leaver = gitlab.user_id(gitlab.forge.leaver)  # ids by person, username or path
        gitlab.faults.add(Fault(FaultKind.THROTTLED, path="/users/*", times=1, retry_after=2))
        gitlab.faults.add(Fault(FaultKind.IGNORED, path="/users/*/block"))   # true, and not done
        gitlab.lag(replica=60)                        # every read shows what was a minute ago
        gitlab.truth.get(Table.USERS, leaver)         # the state as it is
        gitlab.edit(lambda store: store.drop(Table.MEMBERS, key))   # behind our back
        gitlab.still_works(gitlab.forge.leaver)  # what would be let in, whatever is listed
        gitlab.witness.changes_by(Account.ACTOR)      # who changed what, told by the fake itself

For gitlab.com take `Account.OWNER` and `Account.OWNER_VERIFIER` and the group `example`.
Time goes by `clock` (aware UTC): workers, exports, deletions, limits, tokens. Names are in `forge`,
what the leaver holds is in `holdings`. It refuses what GitLab refuses; a path that it does not have
is a 404 in other words than those for an object (`error` instead of `message`).
"""

from deprovisioner.sandbox.gitlab.faults import Fault, FaultKind, FaultPanel
from deprovisioner.sandbox.gitlab.forge import (
    CANARY,
    EMPLOYEE_ATTRIBUTE,
    ENTRA_PROVIDER,
    LDAP_PROVIDER,
    TOP,
    Account,
    Forge,
)
from deprovisioner.sandbox.gitlab.hosting import ForgeServer
from deprovisioner.sandbox.gitlab.residual import Opener
from deprovisioner.sandbox.gitlab.routing import Delays
from deprovisioner.sandbox.gitlab.store import Record, Store, Table, View
from deprovisioner.sandbox.gitlab.witness import Changed, Seen, Witness

__all__ = [
    "CANARY",
    "EMPLOYEE_ATTRIBUTE",
    "ENTRA_PROVIDER",
    "LDAP_PROVIDER",
    "TOP",
    "Account",
    "Changed",
    "Delays",
    "Fault",
    "FaultKind",
    "FaultPanel",
    "Forge",
    "ForgeServer",
    "Opener",
    "Record",
    "Seen",
    "Store",
    "Table",
    "View",
    "Witness",
]
