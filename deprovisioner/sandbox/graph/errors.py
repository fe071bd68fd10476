"""Refusals in Graph's own words: a status, a code, a message.

Raised by every area of the fake and turned into the wire's error object by `service`. Nothing here
decides; it only names.
"""

from collections.abc import Mapping
from types import MappingProxyType


class GraphError(Exception):
    """One refusal; `headers` go out with it (`Retry-After`, `WWW-Authenticate`)."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers


def bad_request(message: str, code: str = "Request_BadRequest") -> GraphError:
    """Return a 400."""
    return GraphError(400, code, message)


def unsupported(message: str) -> GraphError:
    """Return a 400 for a query that the directory cannot answer."""
    return GraphError(400, "Request_UnsupportedQuery", message)


def not_found(identifier: str) -> GraphError:
    """Return a 404 in the directory's words."""
    return GraphError(
        404,
        "Request_ResourceNotFound",
        f"Resource '{identifier}' does not exist or one of its queried reference-property objects "
        "are not present.",
    )


def item_not_found(code: str = "itemNotFound") -> GraphError:
    """Return a 404 in the words of a workload outside the directory."""
    return GraphError(404, code, "The specified object was not found in the store.")


def denied(message: str = "Insufficient privileges to complete the operation.") -> GraphError:
    """Return a 403 in the directory's words."""
    return GraphError(403, "Authorization_RequestDenied", message)


def access_denied() -> GraphError:
    """Return a 403 in the words of Exchange and Outlook."""
    return GraphError(
        403, "ErrorAccessDenied", "Access is denied. Check credentials and try again."
    )


def unauthenticated(message: str) -> GraphError:
    """Return a 401."""
    return GraphError(401, "InvalidAuthenticationToken", message, {"WWW-Authenticate": "Bearer"})


def throttled(retry_after: int | None, code: str = "TooManyRequests") -> GraphError:
    """Return a 429, with or without the hint when to come back."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return GraphError(429, code, "Too Many Requests", headers)
