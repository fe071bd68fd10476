"""Settings of a domain: no password in the clear, two identities, controllers by name; the card."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from connectors import registry
from connectors.active_directory import Settings, open_connector, rows
from connectors.contract import Credential, Stage, kind

USUAL: dict[str, Any] = {
    "url": "ldaps://dc1.corp.example",
    "act": {"user": "act@corp.example", "password": "env:ACT"},
    "verify": {"user": "verify@corp.example", "password": "env:VERIFY"},
    "base": "DC=corp,DC=example",
    "canaries": [{"dn": "CN=Canary,DC=corp,DC=example"}],
}


def made(**changed: Any) -> Settings:
    """Settings as an operator writes them, with single ones replaced."""
    return Settings.model_validate(USUAL | changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "ldap://dc1.corp.example"},
        {"url": "ldap://127.0.0.1"},
        {"url": "ldap://dc1.corp.example", "allow_clear_text": True},
        {"controllers": {"dc2.corp.example": "ldap://dc2.corp.example"}},
        {"controllers": {"not a host": "ldaps://dc2.corp.example"}},
        {"verify": {"user": "ACT@corp.example", "password": "env:ACT"}},
        {"canaries": []},
        {"admin_logins": ["adm"]},
        {"employee_attributes": []},
        {"neutral_group": 1},
        {"neutral_group": 512},  # leavers would become domain administrators, and nothing show it
        {"neutral_group": 519},
        {"unknown": 1},
    ],
    ids=str,
)
def test_dangerous_settings_are_refused(changed: dict[str, Any]) -> None:
    """What would send a password in the clear, or check itself, does not load."""
    with pytest.raises(ValidationError):
        made(**changed)


def test_clear_text_is_for_a_pretend_domain_on_loopback() -> None:
    """It must be said, and it must be loopback."""
    assert made(url="ldap://127.0.0.1:4389", allow_clear_text=True).url.endswith("4389")


def test_controllers_show_their_own_names() -> None:
    """At whatever address one is reached, its certificate carries the name it is known by."""
    settings = made(controllers={"DC2.corp.example": "ldaps://127.0.0.2:6636"})

    second = settings.endpoint_of(Credential.VERIFY, "dc2.corp.example")
    third = settings.endpoint_of(Credential.VERIFY, "dc3.corp.example")

    assert (second.host, second.certificate_name) == ("127.0.0.2", "dc2.corp.example")
    assert (third.url, third.certificate_name) == ("ldaps://dc3.corp.example", "dc3.corp.example")
    assert second.bind_dn == "verify@corp.example"


def test_start_tls_is_for_every_controller() -> None:
    """A domain that speaks StartTLS does so everywhere."""
    settings = made(url="ldap://dc1.corp.example", start_tls=True)

    other = settings.endpoint_of(Credential.ACT, "dc2.corp.example")

    assert (other.url, other.start_tls) == ("ldap://dc2.corp.example", True)


def test_the_registry_knows_it() -> None:
    """An operator writes ``type: active-directory``."""
    assert registry.load("active-directory").settings is Settings


def card(**changed: Any) -> Any:
    """The card of these settings, without any network."""
    connector = open_connector(
        "ad", made(**changed), Credential.ACT, lambda: datetime(2026, 11, 25, tzinfo=UTC)
    )
    connector.close()
    return connector.card()


def test_what_is_not_read_is_on_the_card() -> None:
    """Sessions, tickets, authorities, hosts, other domains: each with the commands of its duty."""
    gaps = {gap.kind: gap.duty for gap in card(read_access_rules=False).gaps}

    assert set(gaps) == {
        "session", "credential.kerberos", "credential.certificate", "secret_known",
        "ownership.schedule", "grant.group", "grant.acl",
    }  # fmt: skip
    assert "certutil -revoke" in gaps[kind("credential.certificate")]
    assert "krbtgt twice" in gaps[kind("secret_known")]


def test_reading_more_leaves_fewer_gaps() -> None:
    """In a single domain whose access rules are read whole, only other partitions are left."""
    gaps = {gap.kind: gap.duty for gap in card(only_domain=True).gaps}

    assert "grant.group" not in gaps
    assert "certificate templates" in gaps[kind("grant.acl")]
    assert "grant.acl" in {gap.kind for gap in card(access_bases=("OU=A,DC=corp",)).gaps}


def test_access_rules_are_a_duty_until_allowed() -> None:
    """Rewriting descriptors takes a decision of the operator's."""
    by_hand = card().support(kind("grant.acl"))
    by_us = card(change_access_rules=True).support(kind("grant.acl"))

    assert Stage.REVOKE not in by_hand.stages
    assert "dsacls" in by_hand.duty
    assert Stage.REVOKE in by_us.stages


def test_moving_leavers_comes_with_a_warning() -> None:
    """Leaving the scope of a cloud sync deletes the cloud user."""
    assert any("cloud" in note for note in card(leavers_ou="OU=Leavers,DC=corp,DC=example").notes)
    assert not any("leavers_ou" in note for note in card().notes)


def test_the_documented_settings_load() -> None:
    """What the page tells operators to write is accepted as it stands."""
    page = (Path(__file__).parents[2] / "docs" / "connectors" / "active-directory.md").read_text()
    example = page.partition("```yaml\n")[2].partition("```")[0]
    (system,) = yaml.safe_load(example)["systems"].values()

    assert system["type"] == "active-directory"
    assert Settings.model_validate(system["settings"]).base == "DC=corp,DC=example,DC=com"


def test_the_page_names_every_attribute_that_is_worked_on() -> None:
    """An attribute of the tables that the page does not name would surprise an operator."""
    page = (Path(__file__).parents[2] / "docs" / "connectors" / "active-directory.md").read_text()
    groups = ("msRADIUS", "msDS-AssignedAuthN", "msDS-PSOAppliesTo", "msDS-ManagedAccountPreceded")
    names = (*rows.OWN, *rows.DESCRIPTORS, *(row.attribute for row in rows.REFERENCES))
    spoken = [name for name in names if not name.startswith(groups)]

    missing = {name for name in spoken if f"`{name}`" not in page}
    assert missing <= {"nTSecurityDescriptor", "msExchCoManagedByLink"}
