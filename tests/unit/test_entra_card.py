"""What the Entra connector says of itself without a network: settings, card, clouds, faults."""

import subprocess
import sys
from datetime import timedelta

import pytest
from pydantic import ValidationError

from connectors.contract import KINDS, AccountKind, Stage
from connectors.entra import App, CanaryUser, Feature, Settings
from connectors.entra.card import card
from connectors.entra.clouds import CLOUDS, Capability, CloudName
from connectors.entra.connector import ROWS
from connectors.entra.instants import instant
from connectors.registry import known, load
from connectors.secret import Secret

SECRET = Secret("env:AN_INVENTED_NAME")
USER = "6e7b768e-07e2-4810-8459-485f84f8f204"


def settings(**more: object) -> Settings:
    """Settings as an operator would write them."""
    given: dict[str, object] = {
        "tenant": "7d54cb02-aaa3-4016-9f9c-a4b49422dd9b",
        "act": App(client_id="act", certificate=SECRET),
        "verify": App(client_id="verify", secret=SECRET),
        "canary": CanaryUser(id=USER, employee_id="999999", group="canaries"),
    }
    return Settings.model_validate({**given, **more})


def test_the_registry_knows_the_room() -> None:
    """`type: entra` opens this connector."""
    assert "entra" in known()
    assert load("entra").settings is Settings


def test_without_its_client_the_room_says_what_to_install() -> None:
    """The base install is small; who names this type is told the extra."""
    program = (
        "import sys; sys.modules['msgraph'] = None\n"
        "try:\n    import connectors.entra\n"
        "except ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert b"pip install 'deprovisioner[entra]'" in done.stdout


@pytest.mark.parametrize(
    "more",
    [
        {"verify": App(client_id="ACT", secret=SECRET)},
        {"base_url": "https://graph.microsoft.com"},
        {"base_url": "http://10.0.0.5"},
        {"base_url": "http://127.0.0.1.attacker.example"},
        {"act": App(client_id="act", token=SECRET)},
        {"page_size": 1000},
        {"cloud": "germany"},
        {"unheard_of": 1},
    ],
)
def test_settings_that_would_harm_are_refused(more: dict[str, object]) -> None:
    """One identity for both, our token to elsewhere, unknown words: refused when loaded."""
    with pytest.raises(ValidationError):
        settings(**more)


@pytest.mark.parametrize(
    "ways", [{}, {"secret": SECRET, "certificate": SECRET}, {"secret": "a literal password"}]
)
def test_an_app_signs_in_in_exactly_one_way(ways: dict[str, object]) -> None:
    """None, two, or a literal are refused."""
    with pytest.raises(ValidationError):
        App.model_validate({"client_id": "x", **ways})


def test_each_kind_belongs_to_one_row() -> None:
    """No two rows report or change the same kind, and every word is in the vocabulary."""
    kinds = [kind for row in ROWS for kind in row.kinds]
    assert len(kinds) == len(set(kinds))
    assert set(kinds) <= KINDS


@pytest.mark.parametrize("cloud", list(CloudName))
def test_the_card_covers_what_rows_own(cloud: CloudName) -> None:
    """Each kind of a row that is read is declared; what a stage claims, a row can do."""
    given = settings(cloud=cloud)
    shown = card(given, ROWS)
    for row in ROWS:
        for kind in row.kinds:
            support = shown.support(kind)
            if support is None:
                assert row.absent(given) or any(gap.kind == kind for gap in shown.gaps), kind
                continue
            if not row.absent(given):
                assert (row.contain is not None) or Stage.CONTAIN not in support.stages
                assert (row.revoke is not None) or Stage.REVOKE not in support.stages
                assert (row.transfer is not None) or Stage.TRANSFER not in support.stages
            assert support.stages or support.duty


def test_china_declares_what_it_lacks() -> None:
    """Authentication methods cannot be read there: a gap with a person's task, not silence."""
    gaps = card(settings(cloud=CloudName.CHINA), ROWS).gaps
    assert any(gap.kind == "credential.mfa" and gap.duty for gap in gaps)
    assert not CLOUDS[CloudName.CHINA].offers(Capability.AUTHENTICATION_METHODS)
    assert all(gap.kind != "credential.mfa" for gap in card(settings(), ROWS).gaps)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("device", "wipeManagedAppRegistrationsByDeviceTag"),
        ("device", "endGracePeriod"),
        ("secret_known", "rotateBitLockerKeys"),
        ("grant.acl", "Get-AssociatedTeam"),
        ("ownership.entry", "roleManagementPolicies"),
        ("ownership.application", "createdObjects"),
    ],
)
def test_what_no_application_may_see_is_a_task_with_its_command(kind: str, said: str) -> None:
    """Rows E22, E27, E44 to E46 and E68 where Graph shows nothing to us: never silence (Law 4)."""
    duties = [gap.duty for gap in card(settings(), ROWS).gaps if gap.kind == kind]
    assert len(duties) == 1
    assert said in duties[0]


def test_what_is_absent_is_named() -> None:
    """Nobody takes for proven what the operator says is not there."""
    shown = card(settings(absent={Feature.INTUNE, Feature.PIM}), ROWS)
    note = next(note for note in shown.notes if note.startswith("Named absent"))
    assert "intune" in note
    assert "privileged identity management" in note


def test_hybrid_tenants_settle_after_two_synchronisations() -> None:
    """A block in the cloud is believed when Entra Connect ran twice and left it.

    Also where no system of ours is the directory: synced people are there all the same.
    """
    plain = card(settings(), ROWS)
    hybrid = card(settings(active_directory="corp-ad"), ROWS)
    cloud_only = card(settings(sync_cycle=timedelta(0)), ROWS)
    assert cloud_only.settle == timedelta(minutes=20)
    assert plain.settle == timedelta(hours=1)
    assert hybrid.settle == timedelta(hours=1)
    assert any("corp-ad" in note for note in hybrid.notes)


def test_every_kind_of_account_can_be_blocked_and_deleted() -> None:
    """Persons, admins and services alike."""
    shown = card(settings(), ROWS)
    for kind in AccountKind:
        support = shown.support(next(one for one in KINDS if one == f"account.{kind}"))
        assert support is not None
        assert {Stage.CONTAIN, Stage.DESTROY} <= support.stages


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-12-18T10:00:00Z", "2026-12-18T10:00:00+00:00"),
        ("2026-12-18T10:00:00.1234567Z", "2026-12-18T10:00:00.123456+00:00"),
        ("2026-12-18T12:00:00+02:00", "2026-12-18T10:00:00+00:00"),
        ("0001-01-01T00:00:00Z", None),
        ("yesterday", None),
        (None, None),
        (7, None),
    ],
)
def test_instants_are_read_as_graph_writes_them(text: object, shown: str | None) -> None:
    """Any number of decimals, any zone; the year 1 is "never"."""
    moment = instant(text)
    assert (moment.isoformat() if moment else None) == shown


def test_what_outlives_the_block_is_on_the_card() -> None:
    """A guest's last tokens with their length, and the password of who was blocked before."""
    notes = card(settings(access_token_life=timedelta(hours=3)), ROWS).notes
    assert any("guest" in note and "up to 3 hours" in note for note in notes)
    assert any("blocked before" in note and "Update-MgUser" in note for note in notes)


@pytest.mark.parametrize("proxy", ["socks5://x.example.com", "http://me:secret@x.example.com", "x"])
def test_a_proxy_is_an_address_without_password(proxy: str) -> None:
    """Settings are no place for a password, and only HTTP proxies are spoken to."""
    assert settings(proxy="http://proxy.example.com:3128").proxy
    with pytest.raises(ValidationError):
        settings(proxy=proxy)
