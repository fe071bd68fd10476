"""What can be seen but not taken away by LDAP: access rules that name a person, open connections.

Read only where the settings say that our identities may; then a failing read is a fault and never
"nothing there". Rows L11 and L12. Called by ``survey``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from connectors._directory.entries import Entry, bare
from connectors._directory.session import Scope
from connectors.contract import Account, Holding
from connectors.faults import Unauthorised
from connectors.ldap.card import ACL, ACL_DUTY, SESSION, SESSION_DUTY
from connectors.ldap.directory import Directory
from connectors.ldap.references import Identity
from connectors.ldap.settings import Product

_SPACES: Final = re.compile(r"\s*([,=])\s*")


def access_rules(directory: Directory, account: Account, identity: Identity) -> Iterator[Holding]:
    """Report every access rule whose text holds the person's DN."""
    if not directory.settings.read_access_rules or not identity.dn:
        return
    needle = _flat(identity.dn)
    for entry, rule in _rules(directory):
        if needle not in _flat(rule):
            continue
        digest = hashlib.sha256(entry.dn.encode() + b"\n" + bare(rule.encode())).hexdigest()
        yield Holding(
            account_id=account.native_id,
            kind=ACL,
            native_id=digest,
            label=f"access rule on {entry.dn or 'the root entry'}",
            duty=ACL_DUTY,
        )


def sessions(directory: Directory, account: Account, identity: Identity) -> Iterator[Holding]:
    """Report every open connection that is bound as the person."""
    if not directory.settings.read_sessions or not identity.dn:
        return
    found = (
        _openldap_connections(directory, identity)
        if directory.product is Product.OPENLDAP
        else _389_connections(directory, identity)
    )
    bound = directory.settings.idle_timeout
    for native_id, active_at in found:
        yield Holding(
            account_id=account.native_id,
            kind=SESSION,
            native_id=native_id,
            label="open connection",
            last_used=active_at,
            duty="" if bound else SESSION_DUTY,
            residual_until=(active_at or directory.clock()) + bound if bound else None,
        )


def _rules(directory: Directory) -> Iterator[tuple[Entry, str]]:
    if directory.product is Product.OPENLDAP:
        base, attribute = directory.settings.config_base, "olcAccess"
    else:
        base, attribute = directory.settings.base, "aci"
    found = directory.session.everything(base, f"({attribute}=*)", [attribute])
    if not any(entry.values(attribute) for entry in found):
        # Every real directory has access rules: seeing none means not being allowed to.
        raise Unauthorised("survey: no access rule can be read")
    for entry in found:
        for rule in entry.texts(attribute):
            yield entry, rule


def _openldap_connections(
    directory: Directory, identity: Identity
) -> Iterator[tuple[str, datetime | None]]:
    wanted = [
        "monitorConnectionNumber",
        "monitorConnectionAuthzDN",
        "monitorConnectionStartTime",
        "monitorConnectionActivityTime",
    ]
    found = directory.session.everything(
        directory.settings.monitor_base, "(objectClass=monitorConnection)", wanted
    )
    if not any(entry.values("monitorConnectionAuthzDN") for entry in found):
        raise Unauthorised("survey: the monitor does not even show our own connection")
    for entry in found:
        if identity.is_dn(entry.text("monitorConnectionAuthzDN")):
            started = entry.text("monitorConnectionStartTime")
            number = entry.text("monitorConnectionNumber")
            yield f"{number}:{started}", instant(entry.text("monitorConnectionActivityTime"))


def _389_connections(
    directory: Directory, identity: Identity
) -> Iterator[tuple[str, datetime | None]]:
    """Read ``connection`` values: ``slot:opened:...:dn:...``, the DN in folded form."""
    found = directory.session.everything(
        directory.settings.monitor_base, "(objectClass=*)", ["connection"], Scope.BASE
    )
    lines = [line for entry in found for line in entry.texts("connection")]
    if not lines:
        raise Unauthorised("survey: the monitor does not even show our own connection")
    for line in lines:
        fields = line.split(":")
        if any(identity.is_dn(field) for field in fields if "=" in field):
            yield f"{fields[0]}:{fields[1]}", None


def _flat(text: str) -> str:
    return _SPACES.sub(r"\1", text).casefold()


def instant(text: str) -> datetime | None:
    """Read a generalized time as monitors write it; ``None`` for anything else."""
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:  # absent, or another form
        return None
