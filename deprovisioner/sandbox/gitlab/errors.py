"""Refusals in GitLab's own words: a status and a body with `message` or `error`.

Raised by every area of the fake and put on the wire by `service`. Nothing here decides.
"""

from collections.abc import Mapping
from types import MappingProxyType

_NONE: Mapping[str, str] = MappingProxyType({})


class Refusal(Exception):
    """One refusal; `plain` goes out as text, as what stands in front of GitLab answers."""

    def __init__(
        self,
        status: int,
        body: Mapping[str, object],
        headers: Mapping[str, str] = _NONE,
        *,
        plain: str = "",
    ) -> None:
        super().__init__(status)
        self.status, self.body, self.headers, self.plain = status, body, headers, plain


def refused(status: int, message: str) -> Refusal:
    """Return a refusal with a message."""
    return Refusal(status, {"message": message})


def invalid(error: str) -> Refusal:
    """Return a 400 for parameters that make no sense."""
    return Refusal(400, {"error": error})


def bad_request(message: str) -> Refusal:
    """Return a 400 for what the rules of an object do not allow."""
    return refused(400, f"400 Bad request - {message}")


def unauthorized() -> Refusal:
    """Return a 401: no token, or none that is known."""
    return refused(401, "401 Unauthorized")


def invalid_token(description: str) -> Refusal:
    """Return a 401 for a token that was revoked or has expired."""
    return Refusal(401, {"error": "invalid_token", "error_description": description})


def insufficient_scope(scope: str) -> Refusal:
    """Return a 403 for a token without the scope."""
    words = "The request requires higher privileges than provided by the access token."
    return Refusal(403, {"error": "insufficient_scope", "error_description": words, "scope": scope})


def forbidden(reason: str = "") -> Refusal:
    """Return a 403."""
    return refused(403, f"403 Forbidden - {reason}" if reason else "403 Forbidden")


def not_found(what: str = "") -> Refusal:
    """Return a 404: it is not there, or the caller may not know that it is."""
    return refused(404, f"404 {what} Not Found" if what else "404 Not Found")


def too_often(seconds: int) -> Refusal:
    """Return a 429 of GitLab's own limits."""
    words = {"error": "This endpoint has been requested too many times. Try again later."}
    return Refusal(429, {"message": words}, {"Retry-After": str(seconds)})
