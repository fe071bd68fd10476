"""The vendors' OpenAPI documents as a judge of traffic: requests we send, answers a fake gives.

Used by tests that drive a connector over HTTP. The documents are beside the repository and never
in it; where they are absent the test that asks for them is skipped, and says so. A contract says
what a message may look like, not what the service does.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import yaml
from openapi_core import Config, OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

REPOSITORY = Path(__file__).parent.parent.parent
SHARED = Path(os.environ.get("DEPROVISIONER_SHARED", REPOSITORY.parent / "shared"))
FOLDER = SHARED / "contracts"
_JSON = "application/json"


class BrokenContract(AssertionError):
    """A message that the vendor's document does not allow; says where, never with its values."""


@cache
def contract(name: str) -> OpenAPI:
    """Load a document once a process; skips the test where there is none."""
    path = FOLDER / name
    if not path.is_file():
        pytest.skip("the vendors' contracts are not on this machine (DEPROVISIONER_SHARED)")
    document: Any = yaml.load(path.read_text("utf-8"), getattr(yaml, "CSafeLoader"))  # noqa: B009, S506 - a safe loader, absent from the stubs
    # The document is somebody else's and checked there; checking it again takes seconds.
    return OpenAPI.from_dict(document, config=Config(spec_validator_cls=None))


def check_request(api: OpenAPI, request: httpx.Request) -> MockRequest:
    """Raise :class:`BrokenContract` when the vendor would not understand a request."""
    return check_message(api, request.method, str(request.url), request.headers, request.content)


def check_message(
    api: OpenAPI, method: str, url: str, headers: Mapping[str, str], body: bytes
) -> MockRequest:
    """Raise :class:`BrokenContract` when the vendor would not understand a request."""
    parts = urlsplit(url)
    mirrored = MockRequest(
        f"{parts.scheme}://{parts.netloc}",
        method.lower(),
        parts.path,
        args=dict(parse_qsl(parts.query, keep_blank_values=True)),
        headers=dict(headers),
        data=body or None,
        content_type=headers.get("content-type", _JSON),
    )
    _judged(lambda: api.validate_request(mirrored), f"{method} {parts.path}")
    return mirrored


def check_answer(
    api: OpenAPI, mirrored: MockRequest, status: int, headers: Mapping[str, str], body: bytes
) -> None:
    """Raise :class:`BrokenContract` when the vendor would never answer so."""
    response = MockResponse(
        data=body,
        status_code=status,
        headers=dict(headers),
        content_type=headers.get("content-type", _JSON).partition(";")[0],
    )
    said = f"answer {status} to {mirrored.method} {mirrored.path}"
    _judged(lambda: api.validate_response(mirrored, response), said)


class CheckedTransport(httpx.BaseTransport):
    """Carries requests to a fake and holds both sides to the document.

    ``beta`` paths and the pre-authenticated addresses of file contents are outside the document
    and only counted. ``answers`` off leaves the fake's side alone, for tests in which it
    misbehaves on purpose.
    """

    def __init__(self, api: OpenAPI, inner: httpx.BaseTransport, *, answers: bool = True) -> None:
        self.api, self.inner, self.answers = api, inner, answers
        self.checked = self.unchecked = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        if request.url.path.startswith(("/beta/", "/content/")):
            self.unchecked += 1
            return self.inner.handle_request(request)
        mirrored = check_request(self.api, request)
        response = self.inner.handle_request(request)
        body = response.read()
        response.close()
        if self.answers:
            check_answer(self.api, mirrored, response.status_code, response.headers, body)
        self.checked += 1
        return httpx.Response(response.status_code, headers=response.headers, content=body)

    def close(self) -> None:
        self.inner.close()


class CheckedAdapter(HTTPAdapter):
    """The same for clients that speak with requests: both sides are held to the document.

    ``outside`` are ends of paths that the document does not have; they are only counted. Of
    addresses that differ by their numbers alone ``alike`` are looked at: a thousandth list of the
    same kind tells nothing new, and judging takes its time.
    """

    def __init__(self, api: OpenAPI, outside: tuple[str, ...] = (), *, alike: int = 3) -> None:
        super().__init__()
        self.api, self.outside, self.alike = api, outside, alike
        self.checked = self.unchecked = 0
        self.seen: Counter[str] = Counter()

    def send(self, request: PreparedRequest, *given: Any, **more: Any) -> Response:
        url = str(request.url)
        body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
        headers = {name: str(value) for name, value in request.headers.items()}
        path = urlsplit(url).path
        kind = f"{request.method} {re.sub(r'[0-9]+', ':n', path)}"
        self.seen[kind] += 1
        if path.endswith(self.outside or ("\0",)) or self.seen[kind] > self.alike:
            self.unchecked += 1
            return super().send(request, *given, **more)
        mirrored = check_message(self.api, str(request.method), url, headers, body)
        response = super().send(request, *given, **more)
        check_answer(self.api, mirrored, response.status_code, response.headers, response.content)
        self.checked += 1
        return response


def _judged(judge: Callable[[], None], what: str) -> None:
    try:
        judge()
    except OpenAPIError as error:
        raise BrokenContract(f"{what}: {_explained(error)}") from error


def _explained(error: OpenAPIError) -> str:
    """Name the place and the rule of each schema error; a union's best branch stands for it."""
    told = []
    for one in getattr(error.__cause__, "schema_errors", None) or ():
        innermost = one
        while innermost.context:
            innermost = min(innermost.context, key=lambda other: -len(other.absolute_path))
        place = "/".join(map(str, innermost.absolute_path)) or "(body)"
        told.append(f"{place} breaks {innermost.validator}")
    return "; ".join(told) or f"{type(error).__name__} {error.__cause__ or ''}".strip()
