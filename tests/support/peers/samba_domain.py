"""A forest for tests: one domain, two Samba controllers, two identities of ours, some people.

Made once per test run by the fixture ``samba_domain``. What is written on one controller stays
there until :meth:`SambaDomain.replicate`: lag is the normal state and no race.
"""

from __future__ import annotations

import base64
import itertools
import json
import secrets
import subprocess
from typing import TYPE_CHECKING, Any

import ldap3
from ldap3.protocol.microsoft import security_descriptor_control, show_deleted_control

from tests.support.peers import samba_population as population
from tests.support.peers.authority import Authority, person_certificate
from tests.support.peers.processes import PeerError, listening
from tests.support.peers.samba import (
    OFFLINE,
    ROOT,
    SYSTEM_PYTHON,
    DomainController,
    sid_text,
)
from tests.support.peers.samba_identities import DELEGATING, make_accounts, rights
from tests.support.peers.samba_population import Leaver

if TYPE_CHECKING:
    from pathlib import Path

DACL = 0x04
"""The part of a descriptor that says who may what (MS-ADTS 3.1.1.3.4.1.11)."""
_MAY_ACT_ON_BEHALF = "O:BAD:(A;;0xf01ff;;;{sid})"
_MAY_READ_PASSWORD = "O:BAD:(A;;0xf01ff;;;{sid})"
_RESET_BELOW = (
    "D:(OA;CI;CR;00299570-246d-11d0-a768-00aa006e0529;;{sid})"
    "(OA;CI;RPWP;bf967a0a-0de6-11d0-a285-00aa003049e2;;{sid})"
)
_PROTECTED = "D:(D;;SDDT;;;WD)"


class SambaDomain:
    """Two controllers of one domain: ``first`` is written to, ``second`` pulls when told."""

    def __init__(self, folder: Path) -> None:
        """Choose free addresses; nothing is made yet. Skips or fails without Samba or root."""
        authority = Authority(folder)
        addresses = _free_addresses(2)
        self.ca_file = authority.ca_file
        self.first, self.second = (
            DomainController(f"dc{number}", folder / f"dc{number}", address, authority)
            for number, address in enumerate(addresses, start=1)
        )
        self._numbers = itertools.count(1042)

    @property
    def controllers(self) -> tuple[DomainController, DomainController]:
        """Both."""
        return self.first, self.second

    @property
    def addresses(self) -> dict[str, str]:
        """Where each ``dNSHostName`` is reached: no name service knows these names."""
        return {one.host_name: one.secure_url for one in self.controllers}

    def start(self) -> None:
        """Provision, join, populate and replicate (ten seconds)."""
        self.first.provision()
        make_accounts(self.first)
        self.first.start()
        for entry in population.base_entries():
            self.first.add(entry)
        self._finish_holder(
            population.CANARY,
            machine=population.person(f"PC-{population.CANARY_LOGIN}", "Computers"),
            managed=population.person(f"gmsa-{population.CANARY_LOGIN}", "Managed"),
        )
        for name, sddl, trustee in rights(self.first, population.ACTOR, population.VERIFIER):
            self.grant(name, f"D:{sddl}", trustee)
        self.second.join(self.first)
        for controller in self.controllers:
            controller.give_privilege(self.sid(population.ACTOR), DELEGATING)
        self.second.start()

    def stop(self) -> None:
        """Stop both; they may have stopped already."""
        for one in self.controllers:
            one.stop()

    def replicate(self) -> None:
        """Let each controller fetch what the other knows."""
        self.second.pull(self.first)
        self.first.pull(self.second)

    def sid(self, name: str) -> str:
        """The security identifier of an entry, as text."""
        return sid_text(self.first.read(name, "objectSid")["objectsid"][0])

    def guid(self, name: str) -> bytes:
        """The objectGUID of an entry, as it is stored."""
        return self.first.read(name, "objectGUID")["objectguid"][0]

    def leaver(self, *, protected: bool = False) -> Leaver:
        """Add somebody new who holds one of everything, on ``first`` only.

        ``protected``: the account carries the entry "protect from accidental deletion".
        """
        leaver = Leaver(next(self._numbers))
        for entry in population.leaver_entries(leaver, person_certificate(leaver.login)):
            self.first.add(entry)
        self._give_primary_group(leaver)
        self._finish_holder(leaver.name, leaver.machine, leaver.managed_service)
        self.grant(leaver.delegated_unit, _RESET_BELOW, leaver.name)
        if protected:
            self.grant(leaver.name, _PROTECTED, leaver.name)
        return leaver

    def make_privileged(self, leaver: Leaver) -> None:
        """Make them a domain administrator; ``adminCount`` is there already."""
        self._member(population.DOMAIN_ADMINS, leaver.name)

    def grant(self, name: str, sddl: str, trustee: str) -> None:
        """Add access control entries to an object; ``{sid}`` in them becomes the trustee's."""
        entries = sddl.replace("{sid}", self.sid(trustee))
        (packed,) = self._pack((entries, self._descriptor(name)))
        self._set_descriptor(name, packed)

    def _finish_holder(self, name: str, machine: str, managed: str) -> None:
        """Give what cannot be given while adding: keys, and descriptors that name the holder."""
        sid = self.sid(name)
        acts, reads = self._pack(
            (_MAY_ACT_ON_BEHALF.format(sid=sid), b""), (_MAY_READ_PASSWORD.format(sid=sid), b"")
        )
        attribute = "msDS-AllowedToActOnBehalfOfOtherIdentity"
        self.first.modify(machine, {attribute: [(ldap3.MODIFY_REPLACE, [acts])]})
        self.first.modify(managed, {"msDS-GroupMSAMembership": [(ldap3.MODIFY_REPLACE, [reads])]})
        key = population.key_credential(name)
        self.first.modify(name, {"msDS-KeyCredentialLink": [(ldap3.MODIFY_ADD, [key])]})

    def _give_primary_group(self, leaver: Leaver) -> None:
        shown = self.first.read(leaver.primary_group, "primaryGroupToken")
        change = [(ldap3.MODIFY_REPLACE, shown["primarygrouptoken"])]
        self.first.modify(leaver.name, {"primaryGroupID": change})

    def _member(self, group: str, name: str) -> None:
        self.first.modify(group, {"member": [(ldap3.MODIFY_ADD, [name])]})

    def _descriptor(self, name: str) -> bytes:
        with self.first.root() as connection:
            connection.search(
                name,
                "(objectClass=*)",
                ldap3.BASE,
                attributes=["nTSecurityDescriptor"],
                controls=_access_rules(),
            )
            return bytes(connection.response[0]["raw_attributes"]["nTSecurityDescriptor"][0])

    def _set_descriptor(self, name: str, packed: bytes) -> None:
        with self.first.root() as connection:
            connection.modify(
                name,
                {"nTSecurityDescriptor": [(ldap3.MODIFY_REPLACE, [packed])]},
                controls=_access_rules(),
            )

    def _pack(self, *requests: tuple[str, bytes]) -> list[bytes]:
        """Let Samba pack SDDL, alone or onto a packed descriptor."""
        asked = [{"sddl": sddl, "onto": base64.b64encode(onto).decode()} for sddl, onto in requests]
        done = subprocess.run(
            [SYSTEM_PYTHON, "-I", str(OFFLINE), "descriptors", self.sid(ROOT)],
            input=json.dumps(asked).encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise PeerError(done.stderr.decode(errors="replace")[-2000:])
        return [base64.b64decode(one) for one in json.loads(done.stdout)]


def _access_rules() -> list[Any]:
    """Controls for the access rules of an object, deleted or not."""
    return [*security_descriptor_control(sdflags=DACL), show_deleted_control()]


def _free_addresses(count: int) -> list[str]:
    """Loopback addresses on which nobody has Samba's ports: several test runs may go at once."""
    while True:
        net = f"127.{64 + secrets.randbelow(64)}.{secrets.randbelow(254) + 1}"
        addresses = [f"{net}.{last}" for last in range(1, count + 1)]
        if not any(listening(port, one) for one in addresses for port in (389, 636)):
            return addresses
