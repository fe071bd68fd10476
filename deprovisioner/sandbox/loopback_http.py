"""A small JSON server on loopback with bearer tokens, for the HR system, the control endpoint and
the wiki's SCIM side.

Called by `human_resources`, `control` and `scim_application`. Not for anything that leaves this
machine.
"""

import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from deprovisioner.sandbox.service.hosting import Listening
from deprovisioner.sandbox.service.wire import LoopbackServer, Manner, Request, Response

_NO_CONTENT = 204


@dataclass(frozen=True, slots=True)
class Call:
    """One request, already authorised and read; `token` is the one that was shown."""

    method: str
    path: tuple[str, ...]
    query: dict[str, str]
    body: dict[str, Any]
    token: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and the JSON that goes with it; 204 goes without. `media_type` names another kind
    of JSON.
    """

    status: int
    body: dict[str, Any]
    media_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()


def problem(status: int, title: str) -> Answer:
    """Return a problem document (RFC 9457)."""
    return Answer(status, {"type": "about:blank", "status": status, "title": title})


class JsonServer(Listening):
    """Serves `respond` on a free port between `start` and `stop`, to whoever has a token."""

    def __init__(self, respond: Callable[[Call], Answer], *tokens: str, port: int = 0) -> None:
        self._respond, self._tokens = respond, tokens
        manner = Manner(
            "sandbox-http",
            too_long=_rendered(problem(413, "the body is too long")),
            most_octets=1024 * 1024,
        )
        self._server = LoopbackServer(
            lambda request: _rendered(self._answer(request)), manner, port=port
        )

    def _answer(self, request: Request) -> Answer:
        shown = request.headers.get("authorization", "").encode("utf-8", "replace")
        known = [
            token
            for token in self._tokens
            if hmac.compare_digest(f"Bearer {token}".encode(), shown)
        ]
        if not known:
            return problem(401, "a bearer token is needed")
        split = urlsplit(request.target)
        try:
            body = json.loads(request.body) if request.body else {}
        except (ValueError, RecursionError):
            return problem(400, "the body is not JSON")
        if not isinstance(body, dict):
            return problem(400, "the body is not a JSON object")
        path = tuple(part for part in split.path.split("/") if part)
        query = dict(parse_qsl(split.query))
        return self._respond(Call(request.method, path, query, body, known[0]))


def _rendered(made: Answer) -> Response:
    headers, body = dict(made.headers), b""
    if made.status != _NO_CONTENT:
        good = "application/json" if made.status < 400 else "application/problem+json"
        headers["Content-Type"] = made.media_type or good
        body = json.dumps(made.body, ensure_ascii=False).encode()
    if made.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(made.status, headers, body)
