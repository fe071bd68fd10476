"""moto behind a double that is as strict as AWS where moto is not, and that makes trouble.

``AwsDouble`` listens on loopback and passes everything on to moto in this process. It refuses
 ``DeleteUser`` as AWS does (one blocker at a time), answers what moto lacks (service-specific
credentials, boundaries, CloudTrail, applications, account access, provisioning that takes a while),
and brings about the troubles that a rig is asked for. It is no proof of what AWS does.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from moto.iam.models import iam_backends
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.test import Client

from connectors.conformance import Situation
from tests.support.peers.processes import LOOPBACK

if TYPE_CHECKING:
    from types import TracebackType

_SCOPE = re.compile(r"Credential=([^/]+)/[0-9]{8}/([^/]+)/([^/]+)/")
_READS = ("Get", "List", "Describe", "Generate", "Lookup", "Assume", "Simulate")
_XML = "text/xml"
_JSON = "application/x-amz-json-1.1"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: which service and action, with which arguments, for which account."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    service: str
    region: str
    account: str
    action: str
    arguments: Mapping[str, Any]

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        if self.action:
            return self.action.startswith(_READS)
        return self.method in {"GET", "HEAD"}


@dataclass(frozen=True, slots=True)
class Made:
    """An answer; status 0 hangs up without one."""

    status: int
    body: bytes
    media_type: str = _XML
    more: Mapping[str, str] = field(default_factory=dict)


def xml(action: str, result: str = "") -> Made:
    """Answer a call of the query protocol."""
    inside = f"<{action}Result>{result}</{action}Result>" if result else ""
    text = (
        f"<{action}Response>{inside}<ResponseMetadata><RequestId>double</RequestId>"
        f"</ResponseMetadata></{action}Response>"
    )
    return Made(200, text.encode())


def error(status: int, code: str, *, query: bool = True, **more: str) -> Made:
    """Answer with an error of the query or the JSON protocol."""
    if query:
        said = f"<Code>{code}</Code><Message>qzhao no</Message>"
        text = f"<ErrorResponse><Error>{said}</Error></ErrorResponse>"
        return Made(status, text.encode(), more=more)
    return Made(status, json.dumps({"__type": code, "message": "no"}).encode(), _JSON, more)


def answer(document: Mapping[str, Any]) -> Made:
    """Answer a call of a JSON protocol."""
    return Made(200, json.dumps(document).encode(), _JSON)


Hook = Callable[[Asked], "Made | None"]


@dataclass
class AwsDouble:
    """The double; use it in a ``with`` block.

    ``situation`` is the trouble that lasts; ``leaver`` and ``canary`` are user names that troubles
    concern. ``instead`` hooks answer before moto is asked; ``calls`` is what came.
    ``provisioning_takes``: how often an account is still behind after a permission set changed.
    """

    leaver: str = "qzhao"
    canary: str = "deprovisioner-canary"
    situation: Situation | None = None
    instead: list[Hook] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    provisioning_takes: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    boundaries: dict[tuple[str, str], str] = field(default_factory=dict)
    services: dict[tuple[str, str], list[dict[str, str]]] = field(default_factory=dict)
    applications: dict[str, set[str]] = field(default_factory=dict)
    entitlements: dict[str, tuple[str, str]] = field(default_factory=dict)
    unknown_below: set[str] = field(default_factory=set)
    behind: int = 0
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)
    _healed: threading.Event = field(default_factory=threading.Event)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __enter__(self) -> Self:
        """Start moto and listen."""
        self._moto = Client(DomainDispatcherApplication(create_backend_app))
        self._listeners = []
        for respond in (self.respond, self.straight):
            server = ThreadingHTTPServer((LOOPBACK, 0), _handler(respond))
            server.daemon_threads = True
            thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            self._listeners.append((server, thread))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close both ports."""
        self._healed.set()
        for server, thread in self._listeners:
            server.shutdown()
            server.server_close()
            thread.join(5)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"http://{LOOPBACK}:{self._listeners[0][0].server_address[1]}"

    @property
    def moto_url(self) -> str:
        """Where moto itself listens: for hands that go past the double."""
        return f"http://{LOOPBACK}:{self._listeners[1][0].server_address[1]}"

    def empty(self) -> None:
        """Make everything new."""
        moto_api_backend.reset()
        for made in (
            self.instead, self.calls, self.events, self.boundaries, self.services,
            self.applications, self.entitlements, self.unknown_below,
        ):  # fmt: skip
            made.clear()
        self.situation, self.provisioning_takes, self.behind = None, 0, 0

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

    # ---------------------------------------------------------------------------------- answers
    def respond(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Made:
        """Make trouble, answer what moto lacks, or pass on."""
        asked = _asked(method, path, headers, body)
        self.calls.append((asked.service, asked.action or f"{method} {path.partition('?')[0]}"))
        made = self._trouble(asked)
        for hook in self.instead if made is None else ():
            made = made or hook(asked)
        made = made or self._stricter(asked) or self._lacking(asked)
        return made or self._spoiled(asked, self._passed_on(asked))

    def _passed_on(self, asked: Asked) -> Made:
        return self.straight(asked.method, asked.path, asked.headers, asked.body)

    def straight(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Made:
        """Let moto answer, in this process and one request at a time: it is not made for more."""
        with self._one_at_a_time:
            response = self._moto.open(path, method=method, headers=dict(headers), data=body)
            return Made(response.status_code, response.data, response.content_type or _XML)

    def _trouble(self, asked: Asked) -> Made | None:
        situation, query = self.situation, _is_query(asked)
        if situation is Situation.SLOW:
            self._healed.wait(20)
            return Made(503, b"")
        if situation is Situation.SILENT and not asked.reads:
            return xml(asked.action) if query else Made(200, b"{}", _JSON)
        if situation is Situation.CANARY_HIDDEN and asked.arguments.get("UserName") == self.canary:
            return error(404, "NoSuchEntity")
        about = asked.arguments.get("UserName") == self.leaver
        if situation is Situation.TARGET_HIDDEN and (about or "Authorization" in asked.action):
            return error(403, "AccessDenied")
        made = {
            Situation.THROTTLED: error(503, "Throttling", query=query, **{"Retry-After": "17"}),
            Situation.DENIED: error(403, "InvalidClientTokenId", query=query),
            Situation.GARBLED: Made(200, b"<h1>Sign in</h1>", "text/html"),
            Situation.UNREACHABLE: Made(0, b""),
        }
        return made.get(situation) if situation else None

    def _spoiled(self, asked: Asked, made: Made) -> Made:
        body = made.body
        if self.situation is Situation.TRUNCATED and asked.reads:
            cut = body.replace(b"<IsTruncated>false<", b"<IsTruncated>true<")
            body = cut if cut != body else body
        if self.situation is Situation.CANARY_HIDDEN:
            name = f"<UserName>{self.canary}<".encode()
            body = body.replace(name, b"<UserName>somebody<")
        boundary = self.boundaries.get((asked.account, str(asked.arguments.get("UserName"))))
        if asked.action == "GetUser" and boundary:
            told = (
                f"<PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType>"
                f"<PermissionsBoundaryArn>{boundary}</PermissionsBoundaryArn></PermissionsBoundary>"
            )
            body = body.replace(b"</User>", f"{told}</User>".encode())
        return Made(made.status, body, made.media_type)

    # ------------------------------------------------------------------------- as strict as AWS
    def _stricter(self, asked: Asked) -> Made | None:
        """Refuse DeleteUser while anything is below it: one blocker at a time, like AWS."""
        if (asked.service, asked.action) != ("iam", "DeleteUser"):
            return None
        name = str(asked.arguments.get("UserName"))
        backend = iam_backends[asked.account]["aws"]
        user = backend.users.get(name)
        if user is None:
            return None
        blockers = {
            "login profile": user.password,
            "access keys": user.access_keys,
            "mfa": user.mfa_devices,
            "ssh keys": user.ssh_public_keys,
            "certificates": user.signing_certificates,
            "service credentials": self.services.get((asked.account, name)),
            "policies": user.policies or user.managed_policies,
            "groups": backend.get_groups_for_user(name),
            "something new": name in self.unknown_below,
        }
        blocked = any(blockers.values())
        return error(409, "DeleteConflict") if blocked else None

    # ---------------------------------------------------------------------------- what moto lacks
    def _lacking(self, asked: Asked) -> Made | None:
        made = getattr(self, f"_do_{asked.action}", None)
        if made is not None:
            found: Made = made(asked)
            return found
        if asked.service == "account-access":
            return self._access(asked)
        return None

    def _do_ListServiceSpecificCredentials(self, asked: Asked) -> Made:  # noqa: N802 - AWS's name
        listed = self.services.get((asked.account, str(asked.arguments["UserName"])), [])
        members = "".join(
            "<member>" + "".join(f"<{k}>{escape(v)}</{k}>" for k, v in one.items()) + "</member>"
            for one in listed
        )
        inside = f"<ServiceSpecificCredentials>{members}</ServiceSpecificCredentials>"
        return xml(asked.action, inside)

    def _do_UpdateServiceSpecificCredential(self, asked: Asked) -> Made:  # noqa: N802 - AWS's name
        for one in self.services.get((asked.account, str(asked.arguments["UserName"])), []):
            if one["ServiceSpecificCredentialId"] == asked.arguments["ServiceSpecificCredentialId"]:
                one["Status"] = str(asked.arguments["Status"])
                return xml(asked.action)
        return error(404, "NoSuchEntity")

    def _do_DeleteServiceSpecificCredential(self, asked: Asked) -> Made:  # noqa: N802 - AWS's name
        listed = self.services.get((asked.account, str(asked.arguments["UserName"])), [])
        wanted = asked.arguments["ServiceSpecificCredentialId"]
        left = [one for one in listed if one["ServiceSpecificCredentialId"] != wanted]
        if len(left) == len(listed):
            return error(404, "NoSuchEntity")
        self.services[asked.account, str(asked.arguments["UserName"])] = left
        return xml(asked.action)

    def _do_PutUserPermissionsBoundary(self, asked: Asked) -> Made:  # noqa: N802 - AWS's name
        arn = str(asked.arguments["PermissionsBoundary"])
        self.boundaries[asked.account, str(asked.arguments["UserName"])] = arn
        return xml(asked.action)

    def _do_DeleteUserPermissionsBoundary(self, asked: Asked) -> Made:  # noqa: N802 - AWS's name
        there = self.boundaries.pop((asked.account, str(asked.arguments["UserName"])), None)
        return xml(asked.action) if there else error(404, "NoSuchEntity")

    def _do_LookupEvents(self, asked: Asked) -> Made:  # noqa: N802 - AWS's name
        name = asked.arguments["LookupAttributes"][0]["AttributeValue"]
        since = float(asked.arguments.get("StartTime", 0))
        return answer(
            {
                "Events": [
                    {key: value for key, value in one.items() if key != "region"}
                    for one in self.events
                    if one["Username"] == name
                    and one["EventTime"] >= since
                    and one.get("region", asked.region) == asked.region
                ]
            }
        )

    def _do_ListAccountsForProvisionedPermissionSet(self, asked: Asked) -> Made:  # noqa: N802
        self.behind = max(self.behind - 1, 0)
        return answer({"AccountIds": [asked.account] if self.behind else []})

    def _do_ProvisionPermissionSet(self, asked: Asked) -> Made:  # noqa: N802 - AWS's name
        self.behind = self.provisioning_takes + 1 if self.provisioning_takes else 0
        return answer({"PermissionSetProvisioningStatus": {"Status": "IN_PROGRESS"}})

    def _do_ListApplicationAssignmentsForPrincipal(self, asked: Asked) -> Made:  # noqa: N802
        who = asked.arguments["PrincipalId"]
        mine = [arn for arn, users in self.applications.items() if who in users]
        listed = [
            {"ApplicationArn": arn, "PrincipalId": who, "PrincipalType": "USER"} for arn in mine
        ]
        return answer({"ApplicationAssignments": listed})

    def _do_DeleteApplicationAssignment(self, asked: Asked) -> Made:  # noqa: N802 - AWS's name
        arn, who = asked.arguments["ApplicationArn"], asked.arguments["PrincipalId"]
        self.applications.get(arn, set()).discard(who)
        return answer({})

    def _do_CreateApplicationAssignment(self, asked: Asked) -> Made:  # noqa: N802 - AWS's name
        arn, who = asked.arguments["ApplicationArn"], asked.arguments["PrincipalId"]
        self.applications.setdefault(arn, set()).add(who)
        return answer({})

    def _access(self, asked: Asked) -> Made:
        """The account access manager: whatever its paths are, bodies tell what is asked."""
        said = json.loads(asked.body or b"{}")
        last = asked.path.partition("?")[0].rstrip("/").rsplit("/", 1)[-1]
        if asked.method == "DELETE" or "delete" in last.lower():
            self.entitlements.pop(said.get("entitlementId", last), None)
            return answer({})
        if "entitlement" in said:
            given = said["entitlement"]["principalRole"]
            name = f"ent-{next(self._numbers)}"
            user = given["principal"]["identityCenter"]["userId"]
            self.entitlements[name] = (user, given["roleArn"])
            return answer({"entitlementId": name})
        if "entitlement" in asked.path.lower():
            who = said["filter"]["principalRole"]["principal"]["identityCenter"]["userId"]
            return answer({"entitlements": [
                {"entitlementId": name, "entitlement": {"principalRole": {
                    "principal": {"identityCenter": {"userId": user}}, "roleArn": role}}}
                for name, (user, role) in self.entitlements.items() if user == who
            ]})  # fmt: skip
        application = "arn:aws:account-access:us-east-1:111111111111:application/aam-1"
        return answer({"applications": [{"applicationArn": application}]})


def _asked(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Asked:
    scope = _SCOPE.search(headers.get("Authorization", ""))
    key, region, service = scope.groups() if scope else ("", "", "")
    target = headers.get("X-Amz-Target", "")
    arguments: dict[str, Any] = {}
    action = target.rpartition(".")[2]
    if target:
        arguments = json.loads(body or b"{}")
    elif "x-www-form-urlencoded" in headers.get("Content-Type", ""):
        arguments = dict(parse_qsl(body.decode()))
        action = str(arguments.get("Action", ""))
    service = {"sso": "sso-admin"}.get(service, service)
    return Asked(method, path, headers, body, service, region, _account_of(key), action, arguments)


def _account_of(key: str) -> str:
    """Ask moto whose session a key is, as it does itself."""
    from moto.sts.models import sts_backends  # noqa: PLC0415 - loads much

    for account, backends in sts_backends.items():
        if backends["aws"].get_assumed_role_from_access_key(key) is not None:
            role = backends["aws"].get_assumed_role_from_access_key(key)
            return str(role.account_id) if role else account
    return "123456789012"


def _is_query(asked: Asked) -> bool:
    return not asked.headers.get("X-Amz-Target")


def _handler(
    respond: Callable[[str, str, Mapping[str, str], bytes], Made],
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One connection."""

        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one write for an answer: two would wait for each other
        disable_nagle_algorithm = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Say nothing."""

        def pass_on(self) -> None:
            """Read one request and answer it."""
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            made = respond(self.command, self.path, dict(self.headers), body)
            if not made.status:
                self.close_connection = True
                return
            with contextlib.suppress(OSError):  # the client did not wait
                self.send_response_only(made.status)
                self.send_header("Content-Type", made.media_type)
                for name, value in made.more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(made.body)))
                self.end_headers()
                self.wfile.write(made.body)
                self.wfile.flush()

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"):
        setattr(Handler, f"do_{method}", Handler.pass_on)
    return Handler
