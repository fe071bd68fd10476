"""SCIM servers for tests: the real scim2-server, a proxy that spoils answers, and a rig on both.

``ScimServer`` serves any number of fresh tenants from one process. ``Spoiler`` stands before any
SCIM server, passes everything on and brings about the troubles that a rig is asked for.
``ScimRig`` is the furnished world of the conformance suite; ``Hands`` is how it reaches a server
past the connector, one per product.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, Self

import httpx

from connectors.conformance import Situation
from connectors.contract import Connector, Credential, Holding, Json, Subject
from connectors.scim import Settings, open_connector
from connectors.secret import Secret
from tests.support.peers.processes import LOOPBACK, ServerProcess, free_port

if TYPE_CHECKING:
    from types import TracebackType

CORE = "urn:ietf:params:scim:schemas:core:2.0"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
MEDIA_TYPE = "application/scim+json"
WATCHED = ("roles", "entitlements", "x509Certificates")
CERTIFICATES = ("MAA=", "MAE=", "MAI=", "MAM=")


def held(value: str) -> Secret:
    return Secret.held(lambda: value, secrets.token_hex(4))


def clear_text_client(url: str, headers: Mapping[str, str] | None = None) -> httpx.Client:
    """A client for loopback; it trusts no certificate, so it need not load any."""
    no_trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False, verify=no_trust)


class ScimServer:
    """scim2-server on loopback; every tenant is a world of its own."""

    def __init__(self, folder: Path, announced: Mapping[str, bool] | None = None) -> None:
        """Keep where its log goes and what it supports (all when left out); nothing runs yet."""
        self.act_token, self.verify_token = secrets.token_hex(16), secrets.token_hex(16)
        self._port = free_port()
        program = Path(sys.executable).with_name("scim2-server")
        tokens = ("--bearer-token", self.act_token, "--bearer-token", self.verify_token)
        command: tuple[str, ...] = (
            str(program),
            "--hostname",
            LOOPBACK,
            "--port",
            str(self._port),
            *tokens,
        )
        if announced is not None:
            (folder / "announced.json").write_text(json.dumps(_announcement(announced)))
            command = (*command, "--service-provider-config", str(folder / "announced.json"))
        self._process = ServerProcess(
            [*command, "--dynamic-tenants"], self._port, folder / "scim2-server.log"
        )

    def start(self) -> None:
        """Start and wait for the port."""
        self._process.start()

    def stop(self) -> None:
        """End the process."""
        self._process.stop()

    def tenant(self) -> str:
        """Return the base URL of a fresh, empty tenant."""
        return f"http://{LOOPBACK}:{self._port}/t{secrets.token_hex(6)}/v2"


def _announcement(supported: Mapping[str, bool]) -> dict[str, Any]:
    features: dict[str, Any] = {name: {"supported": value} for name, value in supported.items()}
    features["filter"] |= {"maxResults": 1000}
    features["bulk"] = {"supported": False, "maxOperations": 0, "maxPayloadSize": 0}
    return {"schemas": [f"{CORE}:ServiceProviderConfig"], "authenticationSchemes": [], **features}


@dataclass
class Spoiler:
    """A proxy before a SCIM server; use it in a ``with`` block.

    ``situation`` is the trouble that lasts; ``canary`` holds the ids that disappear with the
    canary. ``requests`` is what came. ``missing``: the id that its own address denies.
    ``hidden_members``: the group that does not say who is in it. ``deaf_to_filters``: a filter
    finds nobody. ``frozen_groups``: what users go on saying of their groups.
    ``meddle_before_put``: what somebody else does between our read and our PUT.
    """

    upstream: str
    canary: tuple[str, ...] = ()
    situation: Situation | None = None
    requests: list[tuple[str, str]] = field(default_factory=list)
    missing: str = ""
    hidden_members: str = ""
    deaf_to_filters: bool = False
    frozen_groups: Mapping[str, list[dict[str, str]]] = field(default_factory=dict)
    meddle_before_put: Callable[[], None] | None = None
    _healed: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        """Listen on a free port."""
        self._client = clear_text_client(self.upstream)
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the port."""
        self._healed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
        self._client.close()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

    @contextlib.contextmanager
    def trouble(self, situation: Situation) -> Iterator[None]:
        """Make trouble for the length of a ``with`` block."""
        self._healed.clear()
        self.situation = situation
        try:
            yield
        finally:
            self.situation = None
            self._healed.set()

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> _Made:
        """Pass on and spoil. None of the made answers reaches the server first, but for reads."""
        self.requests.append((method, target))
        made = self._instead(method)
        if made is not None:
            return made
        if self.missing and target.endswith(f"/{self.missing}"):
            return _Made(404, {}, b"")
        if self.deaf_to_filters and "filter=" in target:
            return _Made(200, {"content-type": MEDIA_TYPE}, b'{"totalResults": 0}')
        if method == "PUT" and self.meddle_before_put is not None:
            self.meddle_before_put()
        passed = {
            name: value
            for name, value in headers.items()
            if name.lower() in {"authorization", "content-type", "accept", "if-match"}
        }
        response = self._client.request(method, target, headers=passed, content=body)
        spoiled = self._spoiled(response) if method == "GET" else None
        kept = {
            name: value
            for name, value in response.headers.items()
            if name in {"content-type", "etag", "date", "retry-after"}
        }
        if spoiled is None:
            return _Made(response.status_code, kept, response.content)
        kept.pop("etag", None)
        return _Made(spoiled[0], kept, json.dumps(spoiled[1]).encode())

    def _instead(self, method: str) -> _Made | None:
        situation = self.situation
        if situation is Situation.SLOW:
            self._healed.wait(20)
            return _Made(503, {}, b"")
        if situation is Situation.SILENT and method != "GET":
            return _Made(204, {}, b"")
        return (
            {
                Situation.THROTTLED: _Made(429, {"retry-after": "17"}, b""),
                Situation.DENIED: _Made(401, {"www-authenticate": "Bearer"}, b""),
                Situation.GARBLED: _Made(200, {"content-type": "text/html"}, b"<h1>Sign in</h1>"),
                Situation.UNREACHABLE: _Made(0, {}, b""),
            }.get(situation)
            if situation
            else None
        )

    def _spoiled(self, response: httpx.Response) -> tuple[int, Any] | None:
        situation = self.situation
        if response.status_code != httpx.codes.OK:
            return None
        document = response.json()
        document = self._said(document)
        if situation is Situation.CANARY_HIDDEN:
            return self._without_canary(document)
        if situation is Situation.TARGET_HIDDEN:
            return 200, _shown_little(document)
        if situation is Situation.TRUNCATED and document.get("Resources"):
            return 200, document | {"Resources": document["Resources"][:-1]}
        return (200, document) if self.hidden_members or self.frozen_groups else None

    def _said(self, document: dict[str, Any]) -> dict[str, Any]:
        """Let the groups and the users say what they were told to."""
        if document.get("id") in self.frozen_groups:
            return document | {"groups": self.frozen_groups[document["id"]]}
        if self.hidden_members:
            return _without_members(document, self.hidden_members)
        return document

    def _without_canary(self, document: dict[str, Any]) -> tuple[int, Any]:
        if document.get("id") in self.canary:
            return 404, {"schemas": [], "status": "404"}
        if "Resources" not in document:
            return 200, document
        left = [one for one in document["Resources"] if one["id"] not in self.canary]
        missing = len(document["Resources"]) - len(left)
        total = document["totalResults"] - missing
        return 200, document | {"Resources": left, "totalResults": total}


def _without_members(document: dict[str, Any], group: str) -> dict[str, Any]:
    if document.get("id") == group:
        return {name: value for name, value in document.items() if name != "members"}
    listed = [_without_members(one, group) for one in document.get("Resources", [])]
    return document | ({"Resources": listed} if listed else {})


def _shown_little(document: dict[str, Any]) -> dict[str, Any]:
    """What a token sees whose rights were cut: names of users, no groups at all."""
    if "Resources" in document:
        users = [one for one in document["Resources"] if "userName" in one]
        return document | {
            "Resources": [_shown_little(one) for one in users],
            "totalResults": document["totalResults"] if users else 0,
        }
    return {name: document[name] for name in ("schemas", "id", "userName") if name in document}


@dataclass(frozen=True, slots=True)
class _Made:
    """An answer; status 0 hangs up without one."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def _handler(spoiler: Spoiler) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One connection."""

        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Say nothing."""

        def pass_on(self) -> None:
            """Read one request and answer it."""
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            made = spoiler.answer(self.command, self.path, dict(self.headers), body)
            if not made.status:
                self.close_connection = True
                return
            with contextlib.suppress(OSError):  # the client did not wait
                self.send_response_only(made.status)
                for name, value in made.headers.items():
                    self.send_header(name, value)
                if made.status != httpx.codes.NO_CONTENT:
                    self.send_header("Content-Length", str(len(made.body)))
                self.end_headers()
                self.wfile.write(made.body)

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.pass_on)
    return Handler


class Hands(Protocol):
    """How a rig reaches one product past the connector. ``pages``: it can be asked for a size."""

    unused: tuple[str, ...]
    url: str
    act_token: str
    verify_token: str
    pages: bool
    unsupported: Mapping[Situation, str]

    def add_user(self, login: str, number: str, **rights: list[str]) -> str:
        """Make a user with a number, and values of watched attributes; return the id."""
        ...

    def add_group(self, name: str, members: list[str]) -> str:
        """Make a group; return the id."""
        ...

    def edit(self, endpoint: str, native_id: str, name: str, value: object) -> None:
        """Replace one attribute."""
        ...

    def resources(self, endpoint: str) -> list[dict[str, Any]]:
        """Read everything of one sort."""
        ...

    def settings(self) -> dict[str, Any]:
        """What of the connector's settings this product needs."""
        ...


class StandardHands:
    """A server that keeps to the RFC: scim2-server."""

    unused: tuple[str, ...] = ()
    pages: bool = True
    unsupported: Mapping[Situation, str] = MappingProxyType({})

    def __init__(self, url: str, act_token: str, verify_token: str) -> None:
        """Open a client with the acting token."""
        self.url, self.act_token, self.verify_token = url, act_token, verify_token
        headers = {"Authorization": f"Bearer {act_token}", "Content-Type": MEDIA_TYPE}
        self.client = clear_text_client(url, headers)

    def close(self) -> None:
        """Let go of the connection."""
        self.client.close()

    def add_user(self, login: str, number: str, **rights: list[str]) -> str:
        """Post a user."""
        body = {
            "schemas": [f"{CORE}:User"],
            "userName": login,
            "externalId": number,
            "displayName": login.title(),
            "name": {"formatted": login.title(), "familyName": login.title()},
            "active": True,
            "emails": [{"value": f"{login}@example.com", "primary": True}],
            **{name: [{"value": value} for value in values] for name, values in rights.items()},
        }
        return self._made("/Users", body)

    def add_group(self, name: str, members: list[str]) -> str:
        """Post a group."""
        listed = [self.member(one) for one in members]
        body = {"schemas": [f"{CORE}:Group"], "displayName": name, "members": listed}
        return self._made("/Groups", body)

    def member(self, native_id: str) -> dict[str, str]:
        """Write a member as the product wants it."""
        return {"value": native_id}

    def edit(self, endpoint: str, native_id: str, name: str, value: object) -> None:
        """Patch."""
        operation = {"op": "replace", "path": name, "value": value}
        body = {"schemas": [PATCH], "Operations": [operation]}
        response = self.client.patch(f"{endpoint}/{native_id}", json=body)
        assert response.is_success, response.text

    def resources(self, endpoint: str) -> list[dict[str, Any]]:
        """Get all, in one page."""
        response = self.client.get(endpoint, params={"count": "1000"} if self.pages else {})
        assert response.is_success, response.text
        listed: list[dict[str, Any]] = response.json().get("Resources", [])
        return listed

    def settings(self) -> dict[str, Any]:
        """Nothing but what is shipped, and that DELETE deletes."""
        return {"delete": "removes"}

    def _made(self, endpoint: str, body: Mapping[str, Any]) -> str:
        response = self.client.post(endpoint, json=body)
        assert response.status_code == httpx.codes.CREATED, response.text
        native_id: str = response.json()["id"]
        return native_id


_NO_OWNERS = {Situation.SOLE: "SCIM knows no owners, and a group may be empty"}


@dataclass
class ScimRig:
    """One leaver with a bit of everything, a successor, a colleague and the canary."""

    hands: Hands
    spoiler: Spoiler
    timeout: str = "PT10S"
    more: Mapping[str, Any] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)

    subject = Subject(
        employment_id="E-1042",
        employee_number="001042",
        names=("Zhao Qingping",),
        logins=("qzhao",),
        emails=("qzhao@example.com",),
    )
    successor = Subject(employment_id="E-1043", employee_number="001043", logins=("lwei",))
    stranger = Subject(employment_id="E-9999", employee_number="009999", logins=("nobody",))

    @property
    def unsupported(self) -> Mapping[Situation, str]:
        """What cannot be brought about here."""
        return {**_NO_OWNERS, **self.hands.unsupported}

    def furnish(self) -> None:
        """Put the people and their things there."""
        everything = {
            "roles": ["author", "reader"],
            "entitlements": ["architecture"],
            "x509Certificates": list(CERTIFICATES[:2]),
        }
        few = {"roles": ["reader"], "entitlements": ["mail"], "x509Certificates": [CERTIFICATES[2]]}
        for login, number, rights in (
            ("qzhao", "001042", everything),
            ("lwei", "001043", few),
            ("mchen", "1042", few),
            ("canary", "CANARY", few),
        ):
            kept = {name: v for name, v in rights.items() if name not in self.hands.unused}
            self.ids[login] = self.hands.add_user(login, number, **kept)
        for name, members in (
            ("canaries", ["canary"]),
            ("platform", ["qzhao", "mchen"]),
            ("editors", ["qzhao", "lwei", "mchen"]),
            ("readers", ["lwei", "mchen"]),
            ("writers", ["qzhao", "mchen"]),
            ("testers", ["qzhao"]),
            ("guests", ["qzhao", "lwei"]),
        ):
            self.groups[name] = self.hands.add_group(name, [self.ids[one] for one in members])
        self.spoiler.canary = (self.ids["canary"], self.groups["canaries"])

    def settings(self, **changes: Any) -> Settings:
        """What the operator would write for this world, through the spoiler."""
        values = {
            "url": self.spoiler.url,
            "act": held(self.hands.act_token),
            "verify": held(self.hands.verify_token),
            "canary": {"id": self.ids["canary"], "group": self.groups["canaries"]},
            "unused": self.hands.unused,
            "timeout": self.timeout,
            "settle": "PT0S",
        }
        return Settings.model_validate({**values, **self.hands.settings(), **self.more, **changes})

    def connector(self, credential: Credential, *, page_size: int = 0) -> Connector:
        """Open one."""
        asked = page_size if self.hands.pages else 0
        settings = self.settings(**({"page_size": asked} if asked else {}))
        return open_connector("wiki", settings, credential, self.now)

    def witness(self) -> Mapping[str, Json]:
        """Read the leaver without times, versions and order."""
        leaver = self.ids["qzhao"]
        user = next((one for one in self.hands.resources("/Users") if one["id"] == leaver), {})
        groups = self.hands.resources("/Groups")
        return {
            "user": _without_order(user),
            "groups": sorted(one["id"] for one in groups if leaver in _members(one)),
        }

    def bystanders(self) -> Mapping[str, Json]:
        """Read everybody else; of groups who else is in them."""
        own = {self.ids["qzhao"], self.ids["lwei"]}
        users = [one for one in self.hands.resources("/Users") if one["id"] not in own]
        members = {
            one["id"]: sorted(set(_members(one)) - own) for one in self.hands.resources("/Groups")
        }
        return {**{one["id"]: _without_order(one) for one in users}, **members}

    def vanish(self, holding: Holding) -> None:
        """Take it away as an administrator would."""
        if holding.kind == "grant.group":
            group = next(
                one for one in self.hands.resources("/Groups") if one["id"] == holding.native_id
            )
            left = [one for one in group["members"] if one["value"] != holding.account_id]
            self.hands.edit("/Groups", holding.native_id, "members", left)
            return
        user = next(
            one for one in self.hands.resources("/Users") if one["id"] == holding.account_id
        )
        name = {"grant.role": "roles", "grant.app_role": "entitlements"}[holding.kind]
        left = [one for one in user[name] if one["value"] != holding.native_id]
        self.hands.edit("/Users", holding.account_id, name, left)

    def rename(self) -> None:
        """Marry the leaver; the old login goes to a newcomer."""
        self.hands.edit("/Users", self.ids["qzhao"], "userName", "qsun")
        kept = {"roles": ["author"]} if "roles" not in self.hands.unused else {}
        self.ids["newcomer"] = self.hands.add_user("qzhao", "001099", **kept)

    def situation(self, situation: Situation) -> contextlib.AbstractContextManager[None]:
        """Make the spoiler do it."""
        return self.spoiler.trouble(situation)

    def now(self) -> datetime:
        """Tell the machine's time."""
        return datetime.now(UTC)

    def pass_time(self, until: datetime) -> None:
        """Nothing here settles: reads are of memory."""


def _members(group: Mapping[str, Any]) -> list[str]:
    return [one["value"] for one in group.get("members") or []]


def _without_order(user: Mapping[str, Any]) -> Json:
    kept = {name: value for name, value in user.items() if name not in {"meta", "groups"}}
    return json.dumps(
        {
            name: sorted(value, key=json.dumps) if isinstance(value, list) else value
            for name, value in kept.items()
        },
        sort_keys=True,
    )
