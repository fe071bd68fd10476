"""What the tenant has in common: groups of each type, and who is in them.

Called by `hosting` after the people are there. A group's name in `GROUPS` is the name that
`Tenant.group_id` takes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from deprovisioner.sandbox.forest.domain import REALM
from deprovisioner.sandbox.graph.dynamic import matching
from deprovisioner.sandbox.graph.objects import stamp
from deprovisioner.sandbox.graph.store import Link, Record, Store, Table
from deprovisioner.sandbox.graph.tenant import Tenant


class GroupType(StrEnum):
    """The types that Graph treats differently."""

    SECURITY = "security"
    UNIFIED = "Microsoft 365"
    DYNAMIC = "dynamic"
    SYNCED = "synced"
    ROLE_ASSIGNABLE = "role-assignable"
    MAIL_SECURITY = "mail-enabled security"
    DISTRIBUTION = "distribution list"


@dataclass(frozen=True, slots=True)
class Planned:
    """A group as planned: members and owners in the words of `Tenant` (`leaver`, `successor`)."""

    type: GroupType
    members: str = ""
    owners: str = ""
    rule: str = ""


GROUPS: Mapping[str, Planned] = MappingProxyType(
    {
        "canaries": Planned(GroupType.SECURITY, "canary"),
        "Platform Engineers": Planned(
            GroupType.SECURITY, "leaver cloud_leaver privileged_leaver successor", "manager"
        ),
        "Everyone Technical": Planned(GroupType.SECURITY, "group:Platform Engineers", "manager"),
        "Release Signers": Planned(GroupType.SECURITY, "leaver cloud_leaver", "leaver"),
        "Deploy Approvers": Planned(GroupType.SECURITY, "cloud_leaver", "cloud_leaver"),
        "Project Atlas": Planned(
            GroupType.UNIFIED, "leaver cloud_leaver successor", "leaver cloud_leaver"
        ),
        "Licences E5": Planned(GroupType.SECURITY, "leaver cloud_leaver", "manager"),
        "Payroll Users": Planned(GroupType.SECURITY, "leaver cloud_leaver", "manager"),
        "Atlas Package": Planned(GroupType.SECURITY, "leaver cloud_leaver", "manager"),
        "R&D Platform (dynamic)": Planned(
            GroupType.DYNAMIC, rule='user.department -eq "R&D/Platform"'
        ),
        "Domain Developers": Planned(GroupType.SYNCED, "leaver successor"),
        "Tier 1 Operators": Planned(GroupType.ROLE_ASSIGNABLE, "privileged_leaver", "manager"),
        "Tier 0 Operators": Planned(GroupType.ROLE_ASSIGNABLE, "admin", "manager"),
        "Security Notices": Planned(GroupType.MAIL_SECURITY, "leaver cloud_leaver", "manager"),
        "Newsletter": Planned(GroupType.DISTRIBUTION, "leaver cloud_leaver", "manager"),
        "Deploy Window": Planned(GroupType.SECURITY, "", "manager"),
        "IT (dynamic)": Planned(GroupType.DYNAMIC, rule='user.department -eq "Operations/IT"'),
        "Just In Time": Planned(GroupType.ROLE_ASSIGNABLE, "", "manager"),
    }
)


def load(store: Store, tenant: Tenant, now: datetime) -> None:
    """Make all groups with their members and owners."""
    for name, planned in GROUPS.items():
        group = _group(tenant, name, planned, now)
        store.put(Table.GROUPS, group)
    for name, planned in GROUPS.items():
        key = tenant.group_id(name)
        for member in _keys(tenant, planned.members):
            store.link(Link.MEMBER, key, member)
        for owner in _keys(tenant, planned.owners):
            store.link(Link.OWNER, key, owner)
        if planned.rule:
            for member in matching(store.view(now), planned.rule):
                store.link(Link.MEMBER, key, member)


def _keys(tenant: Tenant, words: str) -> list[str]:
    before, _, group = words.partition("group:")
    keys = [_key(tenant, word) for word in before.split()]
    return [*keys, tenant.group_id(group)] if group else keys


def _key(tenant: Tenant, word: str) -> str:
    people = {
        "leaver": tenant.leaver,
        "cloud_leaver": tenant.cloud_leaver,
        "privileged_leaver": tenant.privileged_leaver,
        "successor": tenant.successor,
    }
    if word in people:
        return tenant.user_id(people[word].employment_id)
    if word == "canary":
        return tenant.canary_id
    if word == "admin":
        return tenant.admin_id(tenant.leaver)
    manager = tenant.leaver.manager
    if word != "manager" or manager is None:
        raise ValueError(word)
    return tenant.user_id(manager)


def _group(tenant: Tenant, name: str, planned: Planned, now: datetime) -> Record:
    kind = planned.type
    mail = kind in {GroupType.UNIFIED, GroupType.MAIL_SECURITY, GroupType.DISTRIBUTION}
    nickname = "".join(letter for letter in name.lower() if letter.isalnum())
    types = {GroupType.UNIFIED: ["Unified"], GroupType.DYNAMIC: ["DynamicMembership"]}
    record: Record = {
        "id": tenant.group_id(name),
        "displayName": name,
        "description": None,
        "groupTypes": types.get(kind, []),
        "mailEnabled": mail,
        "mailNickname": nickname,
        "securityEnabled": kind not in {GroupType.UNIFIED, GroupType.DISTRIBUTION},
        "isAssignableToRole": True if kind is GroupType.ROLE_ASSIGNABLE else None,
        "mail": f"{nickname}@{tenant.domain}" if mail else None,
        "proxyAddresses": [f"SMTP:{nickname}@{tenant.domain}"] if mail else [],
        "createdDateTime": stamp(now - timedelta(days=700)),
        "visibility": "Private" if kind is GroupType.UNIFIED else None,
        "membershipRule": planned.rule or None,
        "membershipRuleProcessingState": "On" if planned.rule else None,
        "resourceProvisioningOptions": ["Team"] if kind is GroupType.UNIFIED else [],
        "onPremisesSyncEnabled": None,
    }
    if kind is GroupType.SYNCED:
        record.update(
            onPremisesSyncEnabled=True,
            onPremisesSamAccountName=nickname,
            onPremisesDomainName=REALM,
            onPremisesSecurityIdentifier="S-1-5-21-1004336348-1177238915-682003330-9001",
            onPremisesLastSyncDateTime=stamp(now - timedelta(minutes=11)),
        )
    return record
