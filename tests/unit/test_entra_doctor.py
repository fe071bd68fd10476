"""What the doctor says of a tenant, from our own token and a few reads; it changes nothing."""

import base64
import json
from datetime import UTC, datetime

import httpx
import pytest

from connectors.contract import Credential, Probe
from connectors.entra import App, CanaryUser, EntraConnector, Settings
from connectors.entra.connector import ROWS
from connectors.entra.doctor import READER, roles_of
from connectors.entra.rows import Row
from connectors.secret import Secret

NOW = datetime(2026, 12, 18, 10, 0, tzinfo=UTC)
CANARY = "6e7b768e-07e2-4810-8459-485f84f8f204"
BASE: tuple[Row, ...] = tuple(row for row in ROWS if row.name.startswith(("E01", "1.2", "E40")))
ALL = (
    *READER,
    "User.EnableDisableAccount.All",
    "User.DeleteRestore.All",
    "User-PasswordProfile.ReadWrite.All",
    "User.RevokeSessions.All",
    "UserAuthenticationMethod.ReadWrite.All",
    "Device.ReadWrite.All",
    "DeviceManagementManagedDevices.Read.All",
)


def token(*roles: str) -> str:
    """Write an unsigned token that shows these permissions."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part({'roles': roles})}.signature"


def tenant(request: httpx.Request) -> httpx.Response:
    """A tenant that has the canary and nobody else; it takes no writes."""
    assert request.method == "GET"
    headers = {"date": "Fri, 18 Dec 2026 10:00:01 GMT"}
    if request.url.path.endswith("/memberOf"):
        group = {"@odata.type": "#microsoft.graph.group", "id": "g", "displayName": "canaries"}
        return httpx.Response(200, json={"value": [group]}, headers=headers)
    user = {"id": CANARY, "employeeId": "999999", "accountEnabled": False}
    return httpx.Response(200, json=user, headers=headers)


def probes(credential: Credential, given: str, handler: object = tenant) -> dict[str, Probe]:
    """Ask the doctor."""
    app = App(client_id="x", token=Secret.held(lambda: given, "token"))
    settings = Settings(
        tenant="t",
        act=app,
        verify=app.model_copy(update={"client_id": "y"}),
        canary=CanaryUser(id=CANARY, employee_id="999999", group="canaries"),
        base_url="http://127.0.0.1:9",
    )
    connector = EntraConnector(
        "entra",
        settings,
        credential,
        lambda: NOW,
        transport=httpx.MockTransport(handler),  # type: ignore[arg-type]
        rows=BASE,
    )
    found = {probe.check: probe for probe in connector.probe()}
    connector.close()
    return found


def test_a_healthy_tenant_has_no_complaint() -> None:
    """Both identities, each with what it needs: every line holds."""
    for credential, roles in ((Credential.ACT, ALL), (Credential.VERIFY, READER)):
        found = probes(credential, token(*roles))
        assert [probe.check for probe in found.values() if not probe.holds] == []


@pytest.mark.parametrize("right", sorted(set(ALL) - set(READER)))
def test_a_missing_permission_to_change_is_named(right: str) -> None:
    """The acting identity is told which consent is missing, and for what."""
    found = probes(Credential.ACT, token(*(role for role in ALL if role != right)))
    wrong = [probe for probe in found.values() if not probe.holds]
    assert [right in probe.advice for probe in wrong] == [True]


@pytest.mark.parametrize("right", READER)
def test_a_missing_permission_to_read_is_named(right: str) -> None:
    """So is the verifying one, before it makes a case blind."""
    found = probes(Credential.VERIFY, token(*(role for role in READER if role != right)))
    assert right in found["permissions to read"].advice


def test_a_wider_permission_is_enough() -> None:
    """ReadWrite includes Read."""
    wide = [right.replace(".Read.", ".ReadWrite.") for right in ALL]
    assert all(probe.holds for probe in probes(Credential.ACT, token(*wide)).values())


def test_a_verifier_that_could_have_done_it_is_no_witness() -> None:
    """The identity that checks must not be able to change (Law 1)."""
    found = probes(Credential.VERIFY, token(*READER, "User.ReadWrite.All"))
    assert "User.ReadWrite.All" in found["permissions to change nothing"].advice


@pytest.mark.parametrize("text", ["opaque", "a.b", "a.!!!.c", "a.W10.c", "a.eyJyb2xlcyI6MX0.c"])
def test_a_token_that_shows_nothing_is_not_guessed_at(text: str) -> None:
    """No permissions shown is not "no permissions"."""
    assert roles_of(text) is None


def test_a_clock_that_runs_away_is_found() -> None:
    """Evidence carries our times: they are compared with Graph's."""

    def late(request: httpx.Request) -> httpx.Response:
        answer = tenant(request)
        answer.headers["date"] = "Fri, 18 Dec 2026 10:05:00 GMT"
        return answer

    assert not probes(Credential.ACT, token(*ALL), late)["clock"].holds


def test_a_canary_that_can_sign_in_is_complained_about() -> None:
    """Nobody needs to sign in as the canary."""

    def open_canary(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/memberOf"):
            return tenant(request)
        user = {"id": CANARY, "employeeId": "999999", "accountEnabled": True}
        return httpx.Response(200, json=user)

    assert not probes(Credential.ACT, token(*ALL), open_canary)["canary is blocked"].holds
