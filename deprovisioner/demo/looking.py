"""Looks into the pretend company's systems, past the connectors, before the event and at the end.

Called by ``running``. What is looked at is the sandbox's own business: four auditors, of the
directory, the domain, the tenant and the doors.
"""

from __future__ import annotations

from deprovisioner.demo.telling import Named
from deprovisioner.sandbox import auditor, domain_auditor, door_auditor, tenant_auditor
from deprovisioner.sandbox.auditor import Look
from deprovisioner.sandbox.graph import Table, View
from deprovisioner.sandbox.running import SYNC_CYCLE, DomainKind, Sandbox, TenantKind


def named(sandbox: Sandbox) -> Named:
    """Count what names the demo's leaver, system by system."""
    company, leaver = sandbox.company, sandbox.company.demo_leaver()
    has_domain = sandbox.domain_kind is not DomainKind.NONE
    has_tenant = sandbox.tenant_kind is not TenantKind.NONE
    return Named(
        auditor.holds_now(sandbox.directory_url, company, leaver),
        domain_auditor.holds_now(sandbox.domain.url, company, leaver) if has_domain else None,
        tenant_auditor.holds_now(sandbox.graph, leaver) if has_tenant else None,
        door_auditor.holds_now(sandbox.doors, leaver) if sandbox.doors is not None else None,
    )


def tenant_words(sandbox: Sandbox) -> str:
    """Count what the tenant is made of, in words."""
    view = sandbox.graph.truth
    users = list(view.every(Table.USERS))
    guests = sum(user["userType"] == "Guest" for user in users)
    hybrid = sum(user.get("onPremisesSyncEnabled") is True for user in users)
    eligible = (Table.ROLE_ELIGIBILITIES, Table.GROUP_ELIGIBILITIES)
    counts = {
        "hybrid account": hybrid,
        "cloud-only account": len(users) - hybrid - guests,
        "guest": guests,
        "group": _count(view, Table.GROUPS),
        "eligible role": sum(_count(view, table) for table in eligible),
        "application": _count(view, Table.APPLICATIONS),
        "agent": sum("_agent" in one for one in view.every(Table.SERVICE_PRINCIPALS)),
        "device": _count(view, Table.DEVICES),
    }
    held = ", ".join(
        f"{number} {word}{'' if number == 1 else 's'}" for word, number in counts.items()
    )
    return f"{held}; what is hybrid follows the domain every {SYNC_CYCLE.total_seconds():g} s"


def _count(view: View, table: Table) -> int:
    return sum(1 for _ in view.every(table))


def looks(sandbox: Sandbox) -> tuple[Look, ...]:
    """Look whether the leaver is out, everywhere."""
    company, leaver = sandbox.company, sandbox.company.demo_leaver()
    found = auditor.look(sandbox.directory_url, company, leaver)
    if sandbox.domain_kind is not DomainKind.NONE:
        found += domain_auditor.look(sandbox.domain.url, company, leaver)
    if sandbox.tenant_kind is not TenantKind.NONE:
        found += tenant_auditor.look(sandbox.graph, leaver, company.demo_successor())
    if sandbox.doors is not None:
        found += door_auditor.look(sandbox.doors, leaver)
    return found
