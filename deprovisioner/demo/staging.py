"""Sets the stage: an ordinary configuration, a policy, keys and tokens for the pretend company.

Everything secret is made here and lies in files of mode 0600 below a temporary folder; the
configuration refers to them, as a real one would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from config.load import load
from config.settings import Settings
from deprovisioner.demo.stages.doors import stage_doors
from deprovisioner.initialise import new_escrow, new_keys, write_secret
from deprovisioner.sandbox.company import CANARIES, DEFAULT_POLICY, SUFFIX, UNUSED
from deprovisioner.sandbox.forest import content
from deprovisioner.sandbox.forest.domain import COMPANY, HOST, ROOT
from deprovisioner.sandbox.graph import App
from deprovisioner.sandbox.people import employment_id
from deprovisioner.sandbox.running import DomainKind, Sandbox, TenantKind
from deprovisioner.wiring import Origins, open_house
from reconcile.principals import Role

ORIGIN: Final = "example.com/deprovisioner-demo"
FACTOR: Final = 0.01
"""Settle times and the gap between the two closing reads are this much of what they really are."""
OPERATOR: Final = "Kim (scripted operator)"
AUDITOR: Final = "Ada (scripted auditor)"

BLOCKS_ADMINISTRATORS: Final = "Privileged Authentication Administrator"

POLICY: Final = """\
# The policy of the pretend company for its engineers. It extends the shipped one; only the times
# differ, so that a whole termination fits into a demo. docs/policies.md explains every word.
policy: demo-engineers
description: Engineers of the pretend company; everything at once, so that you can watch it.
extends: default
role: [rd.engineer]

stages:
  preserve: {at: now}            # shipped: five days before access ends
  transfer: {at: now}            # shipped: two days before access ends
  contain:  {at: access_end}     # as shipped
  revoke:   {at: access_end}     # shipped: an hour after access ends
  destroy:  {at: access_end + 90d, approvals: 2}
"""

_CONFIGURATION: Final = """\
# The configuration of the demo: an ordinary one, for the pretend company on loopback.
data_directory: data
mode: act
time_zone: Europe/Berlin
policies: policies
http: {{host: 127.0.0.1, port: 0, socket: data/socket}}
webhooks:
  secrets: ["file:{secrets}/webhook"]
systems:
  directory:
    type: ldap
    settings:
      url: {url}
      allow_clear_text: true     # loopback only; a real directory is ldaps://
      base: {base}
      people: ["ou=people,{base}"]
      default_password_policy: {default_policy}
      act: {{dn: "{act}", password: "file:{secrets}/act"}}
      verify: {{dn: "{verify}", password: "file:{secrets}/verify"}}
      # Entries that never leave; together they show every attribute that a survey watches.
      canaries:
{canaries}
      # Watched attributes that this directory does not have.
      unused: [{unused}]
{domain}{tenant}{doors}hr:
  type: rest
  settings: {{base_url: "{hr}", token: "file:{secrets}/hr", canary: {hr_canary}}}
vault:
  directory: vault
  escrow: ["{escrow}"]
evidence:
  origin: {origin}
  signing_key: file:{secrets}/signing-key
  sealing_key: file:{secrets}/sealing-key
  publish_every: 500ms
pace:
  factor: {factor}
log: {{level: info}}
"""

_DOMAIN: Final = """\
  active-directory:
    type: active-directory
    settings:
      url: {url}
      controllers: {{"{host}": "{url}"}}
      ca_file: {ca_file}
      base: {base}
      people: ["{people}"]
      admins: ["{admins}"]
      services: ["{services}"]
      admin_logins: ["adm-{{login}}"]    # candidates only: a person decides
      access_bases: ["{company}"]
      change_access_rules: true
      only_domain: true
      leavers_ou: {leavers}
      settle: 5s                 # one controller: nothing to wait for but its own answers
      kerberos_ticket_life: 2s   # 10 h in a real domain; this one issues no tickets
      act: {{user: "{act}", password: "file:{secrets}/domain-act"}}
      verify: {{user: "{verify}", password: "file:{secrets}/domain-verify"}}
      canaries:
{canaries}
"""


_TENANT: Final = """\
  entra:
    type: entra
    settings:
      base_url: {url}            # loopback only; a real tenant is reached through its cloud
      tenant: {tenant}
      act: {{client_id: {act}, token: "file:{secrets}/tenant-act"}}
      verify: {{client_id: {verify}, token: "file:{secrets}/tenant-verify"}}
      canary: {{id: {canary}, employee_id: "{canary_employee_id}", group: {canary_group}}}
      protected: [{emergency}]   # the emergency account
      admin_logins: ["adm-{{login}}"]    # candidates only: a person decides
      active_directory: active-directory
      keep_mailbox: shared       # a person converts it before its licence goes
      auto_reply: "I have left. Please write to my team."
      access_token_life: 2s      # up to 28 h in a real tenant; these waits are real time,
      sync_cycle: 1s             # not shortened by the factor below
      lag: 1s
      patience: 1s               # an hour; the people of a demo are quick
      settle: 5s
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """What was set up. ``vkey`` was noted when the key was made, before the daemon ever ran."""

    config: Path
    policy: Path
    settings: Settings
    vkey: str
    operator_token: str
    auditor_token: str


def set_stage(folder: Path, sandbox: Sandbox, token_bytes: Callable[[int], bytes]) -> Stage:
    """Write everything the daemon needs below ``folder`` and issue the tokens of two people."""
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o700)
    keys = new_keys(ORIGIN, token_bytes)
    company, tokens = sandbox.company, sandbox.secrets
    for name, value in {
        "signing-key": keys.signing_key,
        "sealing-key": keys.sealing_key,
        "webhook": tokens.webhook_secret,
        "hr": tokens.human_resources_token,
        "act": company.act.password,
        "verify": company.verify.password,
        "domain-act": company.domain_act.password,
        "domain-verify": company.domain_verify.password,
    }.items():
        write_secret(secrets / name, value)
    if sandbox.tenant_kind is not TenantKind.NONE:
        # Who may block administrators is a choice of the operator: docs/connectors/entra.md.
        sandbox.graph.registrations.of(App.ACTOR).directory_roles.add(BLOCKS_ADMINISTRATORS)
        for name, app in (("tenant-act", App.ACTOR), ("tenant-verify", App.VERIFIER)):
            write_secret(secrets / name, sandbox.graph.token(app))
    policy = folder / "policies" / "demo-engineers.yaml"
    policy.parent.mkdir()
    policy.write_text(POLICY, encoding="utf-8")
    config = folder / "config.yaml"
    config.write_text(_configuration(secrets, sandbox), encoding="utf-8")
    config.chmod(0o600)
    settings = load(config)
    with open_house(settings, at_rest=True, origins=Origins()) as house:
        operator = house.desk.issue_token(OPERATOR, Role.OPERATOR)
        auditor = house.desk.issue_token(AUDITOR, Role.AUDITOR)
    return Stage(config, policy, settings, keys.vkey, operator, auditor)


def _configuration(secrets: Path, sandbox: Sandbox) -> str:
    company = sandbox.company
    return _CONFIGURATION.format(
        secrets=secrets,
        url=sandbox.directory_url,
        base=SUFFIX,
        default_policy=DEFAULT_POLICY,
        act=company.act.name,
        verify=company.verify.name,
        canaries=_canaries(CANARIES),
        domain=_domain(secrets, sandbox) if sandbox.domain_kind is not DomainKind.NONE else "",
        tenant=_tenant(secrets, sandbox) if sandbox.tenant_kind is not TenantKind.NONE else "",
        doors=stage_doors(secrets, sandbox.doors) if sandbox.doors is not None else "",
        unused=", ".join(UNUSED),
        hr=sandbox.human_resources_url,
        hr_canary=employment_id(1),
        escrow=new_escrow().recipient,
        origin=ORIGIN,
        factor=FACTOR,
    )


def _domain(secrets: Path, sandbox: Sandbox) -> str:
    return _DOMAIN.format(
        url=sandbox.domain.url,
        host=HOST,
        ca_file=sandbox.domain_ca_file,
        base=ROOT,
        company=COMPANY,
        people=content.PEOPLE,
        admins=content.ADMINS,
        services=content.SERVICES,
        leavers=content.LEAVERS,
        act=sandbox.company.domain_act.name,
        verify=sandbox.company.domain_verify.name,
        secrets=secrets,
        canaries=_canaries(content.CANARIES),
    )


def _tenant(secrets: Path, sandbox: Sandbox) -> str:
    graph = sandbox.graph
    tenant = graph.tenant
    return _TENANT.format(
        url=graph.url,
        tenant=tenant.id,
        act=graph.registrations.of(App.ACTOR).client_id,
        verify=graph.registrations.of(App.VERIFIER).client_id,
        secrets=secrets,
        canary=tenant.canary_id,
        canary_employee_id=tenant.canary_employee_id,
        canary_group=tenant.canary_group,
        emergency=tenant.break_glass_id,
    )


def _canaries(shown: Mapping[str, tuple[str, ...]]) -> str:
    return "\n".join(
        f'        - {{dn: "{name}", attributes: [{", ".join(attributes)}]}}'
        for name, attributes in shown.items()
    )
