"""The domain that all connections of one controller share: names, identities, rights.

Called by ``session``, ``writing`` and ``reading``; made by ``content``.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from deprovisioner.sandbox.directory.faults import FaultPanel
from deprovisioner.sandbox.directory.witness import Witness
from deprovisioner.sandbox.forest.identifiers import (
    AUTHENTICATED,
    FULL,
    READ,
    SYSTEM,
    Descriptor,
    relative,
    rule,
)
from deprovisioner.sandbox.forest.store import Item, State, Store

ROOT: Final = "DC=ad,DC=example,DC=com"
CONFIGURATION: Final = f"CN=Configuration,{ROOT}"
SCHEMA: Final = f"CN=Schema,{CONFIGURATION}"
REALM: Final = "ad.example.com"
NETBIOS: Final = "EXAMPLE"
HOST: Final = f"dc1.{REALM}"
COMPANY: Final = f"OU=Company,{ROOT}"
DELETED: Final = f"CN=Deleted Objects,{ROOT}"
DOMAIN_ADMINS, DOMAIN_USERS, DOMAIN_COMPUTERS = 512, 513, 515


@dataclass(frozen=True, slots=True)
class Domain:
    """Everything the connections of one controller share.

    ``administrator``, ``acts``: who may write everywhere, and who below ``writable`` only.
    Everybody who is signed in reads, as authenticated users do in most domains.
    """

    store: Store
    sid: bytes
    administrator: UUID
    acts: UUID
    writable: UUID
    deleted_objects: UUID
    faults: FaultPanel
    witness: Witness

    def may_write(self, who: Item, item: Item, state: State) -> bool:
        """Tell whether an identity may change an object."""
        if who.guid == self.administrator:
            return True
        return who.guid == self.acts and state.is_below(item, self.writable)

    def may_delete(self, who: Item, item: Item, state: State) -> bool:
        """Tell whether it may delete one: protection stops all but an administrator."""
        if who.guid == self.administrator:
            return True
        return self.may_write(who, item, state) and not item.descriptor.protected

    def sid_of(self, number: int) -> bytes:
        """Write the identifier of an object of this domain."""
        return relative(self.sid, number)


def usual_descriptor(domain_sid: bytes, readers: tuple[bytes, ...] = ()) -> Descriptor:
    """What an object gets that nobody said more about: administrators write, people read."""
    administrators = relative(domain_sid, DOMAIN_ADMINS)
    return Descriptor(
        administrators,
        administrators,
        (
            rule(administrators, FULL),
            rule(SYSTEM, FULL),
            *(rule(reader, READ, inherited=True) for reader in (*readers, AUTHENTICATED)),
        ),
    )
