"""Where the bearer token of an app registration comes from.

Called by the session layer before every request; azure-identity keeps a token until it nears its
end. Nothing is asked for before the first request, and a secret is read at that moment.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, Final, Protocol

from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.identity import CertificateCredential, ClientSecretCredential

from connectors.entra.line import Line
from connectors.faults import Transient, Unauthorised
from connectors.secret import Secret


class Tokens(Protocol):
    """Gives a token for the one scope it was made for."""

    def token(self, claims: str) -> str:
        """Return a token; ``claims`` is the challenge of a refused one. Raises faults."""
        ...

    def close(self) -> None:
        """Let go of connections. May be called twice."""
        ...


class GivenToken:
    """A token somebody else obtained: the sandbox company's, or a test's."""

    def __init__(self, secret: Secret) -> None:
        """Keep the reference; the token is read at each request."""
        self._secret = secret

    def token(self, claims: str) -> str:
        """Return it. A challenge cannot be met."""
        if claims:
            raise Unauthorised("the given token is refused", code="graph:claims")
        return self._secret.reveal()

    def close(self) -> None:
        """Nothing is open."""


Issuer = ClientSecretCredential | CertificateCredential
_QUIET: Final[dict[str, Any]] = {"retry_total": 0, "connection_timeout": 10, "read_timeout": 30}
"""The sign-in service is asked once; whoever called us decides about asking again."""


class AppTokens:
    """Tokens of an app registration, for the host that the scope names."""

    def __init__(self, make: Callable[[], Issuer], scope: str) -> None:
        """``make`` reads the secret; it is called at the first request."""
        self._make = make
        self._scope = scope
        self._lock = Lock()
        self._issuer: Issuer | None = None

    def token(self, claims: str) -> str:
        """Return a token that is still good. Raises faults."""
        try:
            with self._lock:
                self._issuer = self._issuer or self._make()
                issuer = self._issuer
            if claims:
                return issuer.get_token(self._scope, claims=claims, enable_cae=True).token
            return issuer.get_token(self._scope, enable_cae=True).token
        except ClientAuthenticationError as error:
            raise Unauthorised("the sign-in service refuses us", code="entra:sign-in") from error
        except AzureError as error:
            raise Transient("the sign-in service does not answer", code="entra:sign-in") from error
        except ValueError as error:
            raise Unauthorised("the certificate cannot be used", code="entra:credential") from error

    def close(self) -> None:
        """Close the connections to the sign-in service."""
        with self._lock:
            issuer, self._issuer = self._issuer, None
        if issuer is not None:
            issuer.close()


def _way(line: Line) -> dict[str, Any]:
    """Write the line as azure-core's transport takes it."""
    way: dict[str, Any] = {**_QUIET, "use_env_settings": False}
    if line.ca_file:
        way["connection_verify"] = str(line.ca_file)
    if line.proxy:
        way["proxies"] = {"http": line.proxy, "https": line.proxy}
    return way


def secret_issuer(
    authority: str, tenant: str, client: str, secret: Secret, line: Line
) -> Callable[[], Issuer]:
    """Sign in with a client secret."""
    return lambda: ClientSecretCredential(
        tenant, client, secret.reveal(), authority=authority, **_way(line)
    )


def certificate_issuer(
    authority: str, tenant: str, client: str, certificate: Secret, line: Line
) -> Callable[[], Issuer]:
    """Sign in with a certificate and its key in one PEM."""
    return lambda: CertificateCredential(
        tenant,
        client,
        certificate_data=certificate.reveal().encode(),
        authority=authority,
        **_way(line),
    )
