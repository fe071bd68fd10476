"""The fake console and what we send to it, held against the vendor's OpenAPI document.

Of the other door products there is no document that can be loaded: their fakes are held against the
published signature vector (`tests/unit/test_doors_hikvision.py`) and the documented refusals here.
"""

from __future__ import annotations

import httpx
import pytest
import yaml
from openapi_core import Config, OpenAPI

from connectors.conformance import CHECKS, Verdict, judge
from connectors.doors.hikvision.signing import content_md5, signature, string_to_sign
from deprovisioner.sandbox.doors import populace
from tests.support.doors import (
    DoorRig,
    GallagherDoors,
    HikvisionDoors,
    UniFiDoors,
    company,
    serving,
)
from tests.support.vendor_contracts import FOLDER, CheckedTransport

NUMBER = company().demo_leaver().employee_number
WALK = (
    "finds-by-immutable-match",
    "contained-is-seen-by-the-verifier",
    "revoke-is-undone",
    "activity-is-a-complete-read",
    "destroyed-is-gone",
    "lists-everybody",
)
PATH = "/artemis/api/resource/v2/person/advance/personList"
BODY = b'{"pageNo": 1, "pageSize": 1}'


class Streamed(httpx.BaseTransport):
    """Gives answers that were read for judging as a stream again: ours are read raw and bounded."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self.inner = inner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        read = self.inner.handle_request(request)
        stream = httpx.ByteStream(read.content)
        return httpx.Response(read.status_code, headers=read.headers, stream=stream)

    def close(self) -> None:
        self.inner.close()


@pytest.fixture(scope="module")
def api() -> OpenAPI:
    path = FOLDER / "unifi-access.yaml"
    if not path.is_file():
        pytest.skip("the vendors' contracts are not on this machine (DEPROVISIONER_SHARED)")
    document = yaml.load(path.read_text("utf-8"), getattr(yaml, "CSafeLoader"))  # noqa: B009, S506 - a safe loader, absent from the stubs
    port = {"enum": [str(one) for one in range(1024, 65536)], "default": "12445"}
    document["servers"] = [{"url": "http://127.0.0.1:{port}", "variables": {"port": port}}]
    return OpenAPI.from_dict(document, config=Config(spec_validator_cls=None))


@pytest.mark.parametrize("name", WALK)
def test_console_speaks_as_documented(name: str, api: OpenAPI) -> None:
    """Every request we send and every answer the fake gives is one that the document allows."""
    check = next(one for one in CHECKS if one.name == name)
    seen: list[CheckedTransport] = []

    class Rig(DoorRig):
        def connector(self, credential, *, page_size=0):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            seen.append(CheckedTransport(api, httpx.HTTPTransport()))
            self.doors.transport = Streamed(seen[-1])  # type: ignore[attr-defined]
            return super().connector(credential, page_size=page_size)

    def open_rig():  # type: ignore[no-untyped-def]  # noqa: ANN202
        import contextlib  # noqa: PLC0415 - one test's own

        @contextlib.contextmanager
        def opened():  # type: ignore[no-untyped-def]  # noqa: ANN202
            with serving(UniFiDoors(4)) as doors:
                yield Rig(doors)

        return opened()

    result = judge(check, open_rig)

    assert result.verdict is Verdict.PASSED, result
    assert sum(one.checked for one in seen) > 3
    assert sum(one.unchecked for one in seen) == 0


def signed(site: HikvisionDoors, **change: str) -> dict[str, str]:
    named = {
        "X-Ca-Key": "ak-act",
        "X-Ca-Nonce": change.get("nonce", "n-1"),
        "X-Ca-Timestamp": str(int(site.clock.at.timestamp() * 1000)),
    }
    headers = {
        "Accept": "*/*",
        "Content-MD5": content_md5(BODY),
        "Content-Type": "application/json",
    }
    text = string_to_sign("POST", PATH, headers | named, named)
    if "empty" in change:  # as the cloud that it resembles would sign: a line for what is absent
        text = text.replace("application/json\n", "application/json\n\n")
    headers |= named
    headers["X-Ca-Signature-Headers"] = ",".join(named)
    headers["X-Ca-Signature"] = signature(change.get("secret", "sk-act"), text)
    return headers


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, "0"),
        ({"empty": "line"}, "0x02401003"),
        ({"secret": "another"}, "0x02401003"),
    ],
)
def test_gateway_checks_signatures(change: dict[str, str], code: str) -> None:
    """A line for an absent header is another signature; refusals are HTTP 200 with a code."""
    with serving(HikvisionDoors(1)) as doors:
        answer = httpx.post(doors.server.url + PATH, content=BODY, headers=signed(doors, **change))

    assert (answer.status_code, answer.json()["code"]) == (200, code)


def test_gateway_takes_a_nonce_once() -> None:
    """A request that is sent again as it was is refused."""
    with serving(HikvisionDoors(1)) as doors:
        codes = [
            httpx.post(doors.server.url + PATH, content=BODY, headers=signed(doors)).json()["code"]
            for _ in range(2)
        ]

    assert codes == ["0", "0x02401006"]


def test_partial_search_without_quotes() -> None:
    """Command Centre finds a part of a number unless it is quoted; case never counts."""
    with serving(GallagherDoors(3)) as doors:
        key = {"Authorization": "GGL-API-KEY key-verify"}
        found = [
            len(
                httpx.get(
                    f"{doors.server.url}/api/cardholders",
                    params={"pdf_629": wanted, "fields": "id,pdf_629"},
                    headers=key,
                ).json()["results"]
            )
            for wanted in (NUMBER[:3], f'"{NUMBER[:3]}"', f'"{NUMBER}"')
        ]

    assert found == [3, 0, 1]


def test_own_log_sees_what_was_sent() -> None:
    """The server's log is its own: it holds refused calls too."""
    with serving(GallagherDoors(1)) as doors:
        httpx.get(f"{doors.server.url}/api", headers={"Authorization": "GGL-API-KEY wrong"})

        assert [(one.path, one.status) for one in doors.server.log] == [("/api", 401)]


def test_console_deletes_only_who_is_deactivated() -> None:
    """An active user is not deleted; the refusal is a code in a 200."""
    with serving(UniFiDoors(1)) as doors:
        user = doors.site.person_with(populace.CANARY_NUMBER)
        answer = httpx.delete(
            f"{doors.server.url}/api/v1/developer/users/{user.id}",
            headers={"Authorization": "Bearer token-act"},
        )

    assert (answer.status_code, answer.json()["code"]) == (200, "CODE_OPERATION_FORBIDDEN")
