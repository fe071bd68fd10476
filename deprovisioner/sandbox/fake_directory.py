"""Puts the sandbox company into the fake directory server.

Called by `running` and by tests that need the server alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from deprovisioner.sandbox.company import DEFAULT_POLICY, SUFFIX, WRITABLE_BRANCHES, Company
from deprovisioner.sandbox.directory.access import AccessRules
from deprovisioner.sandbox.directory.dress import Dress, manners
from deprovisioner.sandbox.directory.faults import FaultPanel
from deprovisioner.sandbox.directory.names import key_of
from deprovisioner.sandbox.directory.operations import Administrator, Directory
from deprovisioner.sandbox.directory.server import Certificate, DirectoryServer, random_salt
from deprovisioner.sandbox.directory.tree import Tree
from deprovisioner.sandbox.directory.witness import Witness


@dataclass(frozen=True, slots=True)
class DirectoryOptions:
    """How the fake directory dresses and what it is strict about."""

    dress: Dress = Dress.OPENLDAP
    size_limit: int = 500
    """Most entries of one search; the administrator is exempt."""
    services_unlimited: bool = True
    """Whether the two service accounts are exempt too, as a careful operator sets it."""
    member_of: bool = False
    """Whether the member-of overlay runs (it follows live writes only)."""
    certificate: Certificate | None = None
    """Offers StartTLS, or LDAPS with `implicit_tls`; None is clear text on loopback."""
    implicit_tls: bool = False
    port: int = 0
    """0 takes any free port."""


DEFAULT_OPTIONS = DirectoryOptions()


def fake_directory(
    company: Company,
    *,
    clock: Callable[[], datetime],
    new_id: Callable[[], UUID],
    options: DirectoryOptions = DEFAULT_OPTIONS,
) -> DirectoryServer:
    """Return a server that holds the company and is not started yet; `clock` returns aware UTC."""
    own = manners(options.dress)
    tree = Tree(
        own.schema,
        SUFFIX,
        clock=clock,
        new_id=new_id,
        member_of=options.member_of,
        extra_identifier=own.own_identifier,
    )
    content = ((entry.name, entry.attributes) for entry in company.entries)
    tree.load(content, company.administrator.name)
    access = AccessRules(
        administrator=key_of(company.administrator.name),
        acts=key_of(company.act.name),
        verifies=key_of(company.verify.name),
        writable=tuple(map(key_of, WRITABLE_BRANCHES)),
        unlimited=options.services_unlimited,
    )
    root = Administrator(company.administrator.name, company.administrator.password)
    directory = Directory(
        tree=tree,
        manners=own,
        access=access,
        administrator=root,
        default_policy=DEFAULT_POLICY,
        faults=FaultPanel(),
        witness=Witness(clock),
        size_limit=options.size_limit,
        salt=random_salt,
    )
    return DirectoryServer(
        directory,
        port=options.port,
        certificate=options.certificate,
        implicit_tls=options.implicit_tls,
    )
