"""Looks into the pretend company's systems, past the connectors, before the event and at the end.

Called by ``running``. What is looked at is the sandbox's own business: three auditors, of the
directory, the domain and the tenant.
"""

from __future__ import annotations

from deprovisioner.demo.telling import Named
from deprovisioner.sandbox import auditor, domain_auditor, tenant_auditor
from deprovisioner.sandbox.auditor import Look
from deprovisioner.sandbox.running import DomainKind, Sandbox, TenantKind


def named(sandbox: Sandbox) -> Named:
    """Count what names the demo's leaver, system by system."""
    company, leaver = sandbox.company, sandbox.company.demo_leaver()
    has_domain = sandbox.domain_kind is not DomainKind.NONE
    has_tenant = sandbox.tenant_kind is not TenantKind.NONE
    return Named(
        auditor.holds_now(sandbox.directory_url, company, leaver),
        domain_auditor.holds_now(sandbox.domain.url, company, leaver) if has_domain else None,
        tenant_auditor.holds_now(sandbox.graph, leaver) if has_tenant else None,
    )


def looks(sandbox: Sandbox) -> tuple[Look, ...]:
    """Look whether the leaver is out, everywhere."""
    company, leaver = sandbox.company, sandbox.company.demo_leaver()
    found = auditor.look(sandbox.directory_url, company, leaver)
    if sandbox.domain_kind is not DomainKind.NONE:
        found += domain_auditor.look(sandbox.domain.url, company, leaver)
    if sandbox.tenant_kind is not TenantKind.NONE:
        found += tenant_auditor.look(sandbox.graph, leaver, company.demo_successor())
    return found
