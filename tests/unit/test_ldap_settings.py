"""Settings of a directory: what is refused when they are loaded, and what the card then says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from connectors.contract import Credential, Stage, Strength, kind
from connectors.ldap import CanaryObject, Login, Product, Settings, open_connector
from connectors.secret import Secret

BASE = "dc=example,dc=com"


def settings(**changed: Any) -> Settings:
    """Settings as an operator writes them."""
    values: dict[str, Any] = {
        "url": "ldaps://ldap.example.com",
        "act": Login(dn=f"cn=act,{BASE}", password=Secret("env:ACT")),
        "verify": Login(dn=f"cn=verify,{BASE}", password=Secret("env:VERIFY")),
        "base": BASE,
        "canaries": (CanaryObject(dn=f"uid=canary,{BASE}"),),
    }
    return Settings(**(values | changed))


@pytest.mark.parametrize("url", ["ldap://ldap.example.com", "ldap://10.0.0.1:389"])
def test_clear_text_is_refused_away_from_loopback(url: str) -> None:
    """A password never leaves the machine unencrypted by accident."""
    with pytest.raises(ValidationError, match="loopback"):
        settings(url=url)


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "ldap://127.0.0.1:1389"},
        {"url": "ldap://localhost"},
        {"url": "ldap://ldap.example.com", "start_tls": True},
        {"url": "ldap://ldap.example.com", "allow_clear_text": True},
    ],
)
def test_clear_text_that_is_allowed(changed: dict[str, Any]) -> None:
    """Loopback, StartTLS and an explicit word are accepted."""
    assert settings(**changed).url == changed["url"]


def test_replicas_are_checked_too() -> None:
    """The rule holds for every server."""
    with pytest.raises(ValidationError, match="loopback"):
        settings(verify_urls=("ldap://replica.example.com",))


@pytest.mark.parametrize("url", ["http://ldap.example.com", "ldaps://", "ldaps://h/dc=x"])
def test_addresses_that_are_none(url: str) -> None:
    """Only a scheme, a host and a port make an address."""
    with pytest.raises(ValidationError):
        settings(url=url)


def test_two_identities_are_needed() -> None:
    """Who acts may not verify."""
    with pytest.raises(ValidationError, match="two identities"):
        settings(verify=Login(dn=f"CN=act,{BASE}", password=Secret("env:VERIFY")))


def test_a_canary_is_needed() -> None:
    """Without a canary no survey could close anything."""
    with pytest.raises(ValidationError):
        settings(canaries=())


def test_literal_password_is_refused() -> None:
    """Secrets are given by reference."""
    with pytest.raises(ValidationError):
        Login(dn="cn=act", password="hunter2")


def test_only_verification_reads_replicas() -> None:
    """The acting identity speaks with one server."""
    both = settings(verify_urls=("ldaps://replica.example.com",))

    assert len(both.endpoints(Credential.ACT)) == 1
    assert [one.host for one in both.endpoints(Credential.VERIFY)] == [
        "ldap.example.com",
        "replica.example.com",
    ]


def test_special_bases_below_people_are_read_once() -> None:
    """An admin branch inside the people branch is not searched a second time."""
    inside = settings(people=(f"ou=people,{BASE}",), admins=(f"ou=admins,ou=People,{BASE}",))
    beside = settings(people=(f"ou=people,{BASE}",), admins=(f"ou=admins,{BASE}",))

    assert inside.account_bases == (f"ou=people,{BASE}",)
    assert beside.account_bases == (f"ou=people,{BASE}", f"ou=admins,{BASE}")


def test_documented_example_loads() -> None:
    """What docs/connectors/ldap.md tells operators to write is accepted as it stands."""
    page = Path(__file__).parents[2] / "docs" / "connectors" / "ldap.md"
    example = page.read_text("utf-8").split("```yaml\n")[1].split("```")[0]

    (system,) = yaml.safe_load(example)["systems"].values()

    assert system["type"] == "ldap"
    assert Settings.model_validate(system["settings"]).account_bases == (f"ou=people,{BASE}",)


def card_of(**changed: Any) -> Any:
    """Card of a connector that never connects."""
    clock = lambda: datetime(2026, 1, 1, tzinfo=UTC)  # noqa: E731 - one line
    return open_connector("d", settings(**changed), Credential.ACT, clock).card()


def test_what_cannot_be_read_is_a_gap_with_a_duty() -> None:
    """Access rules and connections are named on the card even when nothing may read them."""
    gaps = {gap.kind: gap.duty for gap in card_of().gaps}

    assert set(gaps) == {kind("grant.acl"), kind("session")}
    assert all(gaps.values())


def test_what_can_be_read_but_not_changed_is_a_duty() -> None:
    """With the rights given, they are kinds without a stage but with a task for a person."""
    card = card_of(read_access_rules=True, read_sessions=True)

    assert card.gaps == ()
    for word in ("grant.acl", "session"):
        support = card.support(kind(word))
        assert support.stages == frozenset()
        assert support.duty
        assert support.revokes is Strength.NEVER


def test_idle_timeout_bounds_sessions() -> None:
    """A server that drops idle connections bounds what a lock does not end."""
    card = card_of(read_sessions=True, idle_timeout=timedelta(minutes=5))
    support = card.support(kind("session"))

    assert (support.revokes, support.revoke_bound) == (Strength.BOUNDED, timedelta(minutes=5))


def test_lock_and_scramble_are_one_bundle() -> None:
    """The planner sends account and password together."""
    card = card_of()
    bundles = {
        card.support(kind(word)).bundle for word in ("account.person", "credential.password")
    }

    assert len(bundles) == 1
    assert "" not in bundles


@pytest.mark.parametrize("product", [Product.AUTO, Product.THREE_EIGHT_NINE])
def test_hash_may_not_come_back(product: Product) -> None:
    """It is said before it is done."""
    assert card_of(product=product).support(kind("credential.password")).not_restorable


def test_only_accounts_are_destroyed() -> None:
    """Nothing else has a stage that cannot be undone."""
    destroyed = {one.kind for one in card_of().supports if Stage.DESTROY in one.stages}

    assert destroyed == {
        kind("account.person"), kind("account.admin"), kind("account.service")
    }  # fmt: skip
