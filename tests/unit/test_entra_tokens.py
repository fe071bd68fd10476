"""Where tokens come from: read at the first request, refused or away, and let go of."""

from pathlib import Path

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.identity import ClientSecretCredential

from connectors.entra.clouds import CLOUDS
from connectors.entra.line import Line
from connectors.entra.tokens import AppTokens, GivenToken, certificate_issuer, secret_issuer
from connectors.faults import Transient, Unauthorised
from connectors.secret import Secret, SecretUnavailable

TENANT = "7d54cb02-aaa3-4016-9f9c-a4b49422dd9b"
APP = "0b1f3c52-9f0e-4c39-9a77-5a3a3c1d2e10"


class Issuer(ClientSecretCredential):
    """A sign-in service that answers as it is told."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__(TENANT, APP, "invented")
        self.error, self.asked, self.closed = error, list[dict[str, object]](), 0

    def get_token(self, *scopes: str, **more: object) -> AccessToken:
        """Answer, or fail."""
        self.asked.append({"scopes": scopes, **more})
        if self.error:
            raise self.error
        return AccessToken("a-token", 0)

    def close(self) -> None:
        self.closed += 1
        super().close()


def test_a_token_is_for_the_one_scope_and_told_of_claims() -> None:
    """CAE is on, and a challenge is passed to the sign-in service."""
    issuer = Issuer()
    tokens = AppTokens(lambda: issuer, "https://graph.microsoft.com/.default")
    assert tokens.token("") == "a-token"
    assert tokens.token("claims") == "a-token"
    tokens.close()
    tokens.close()
    assert [asked["scopes"] for asked in issuer.asked] == [
        ("https://graph.microsoft.com/.default",)
    ] * 2
    assert all(asked["enable_cae"] for asked in issuer.asked)
    assert issuer.asked[1]["claims"] == "claims"
    assert issuer.closed == 1


@pytest.mark.parametrize(
    ("error", "due"),
    [
        (ClientAuthenticationError("jane.doe: bad secret"), Unauthorised),
        (ServiceRequestError("jane.doe: no route"), Transient),
    ],
)
def test_a_sign_in_service_that_refuses_or_is_away(error: Exception, due: type[Exception]) -> None:
    """Refused is an incident, away is "later"; neither tells what the service wrote (Law 10)."""
    tokens = AppTokens(lambda: Issuer(error), "scope")
    with pytest.raises(due) as raised:
        tokens.token("")
    assert "jane" not in str(raised.value)
    tokens.close()


def test_a_certificate_that_is_none_is_an_incident() -> None:
    """Nonsense where a PEM should be is found at the first request, and not repeated."""
    secret = Secret.held(lambda: "no certificate", "pem")
    for cloud in CLOUDS.values():
        tokens = AppTokens(
            certificate_issuer(cloud.authority, TENANT, APP, secret, Line()), "scope"
        )
        with pytest.raises(Unauthorised) as raised:
            tokens.token("")
        assert "no certificate" not in str(raised.value)


def test_a_secret_is_read_at_the_first_request_and_not_before() -> None:
    """Making a connector needs no secret; using it says which one is missing."""
    secret = Secret("env:A_SECRET_THAT_NOBODY_SET")
    tokens = AppTokens(
        secret_issuer("login.microsoftonline.com", TENANT, APP, secret, Line()), "scope"
    )
    with pytest.raises(SecretUnavailable, match="A_SECRET_THAT_NOBODY_SET"):
        tokens.token("")


def test_a_given_token_meets_no_challenge() -> None:
    """Whoever gave it has to give another one."""
    tokens = GivenToken(Secret.held(lambda: "given", "token"))
    assert tokens.token("") == "given"
    with pytest.raises(Unauthorised):
        tokens.token("claims")
    tokens.close()


def test_the_sign_in_goes_the_way_of_the_settings_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment never sees our secret; one that is named is asked by both."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    secret = Secret.held(lambda: "an-invented-secret", "secret")
    ca_file = Path("/nowhere/ca.pem")
    line = Line(ca_file, "http://proxy.example.com:3128")
    for way, proxies in ((Line(), None), (line, "http://proxy.example.com:3128")):
        issuer = secret_issuer("login.microsoftonline.com", TENANT, APP, secret, way)()
        pipeline = issuer._client._pipeline
        transport = pipeline._transport
        assert transport._use_env_settings is False
        assert transport.connection_config.verify == (str(ca_file) if proxies else True)
        found = [step._policy.proxies for step in pipeline._impl_policies if _is_proxy(step)]
        assert [(one or {}).get("https") for one in found] == [proxies]
        issuer.close()


def _is_proxy(step: object) -> bool:
    return type(getattr(step, "_policy", None)).__name__ == "ProxyPolicy"
