"""The SCIM side of the sandbox company's wiki: a product with habits of its own.

Made by `wiki`, started by `running` or a test. It says `"True"` where others say `true`, takes
PATCH only without a path, no PUT and no filter, answers changes with 204 and nothing, and on demand
miscounts its lists, shows old state, throttles, or forgets writes. It is the truth about the wiki:
`events` is its own log, `user` and `members_of` read past the protocol.
"""

import copy
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deprovisioner.sandbox.loopback_http import Answer, Call, JsonServer
from deprovisioner.sandbox.people import Person

MEDIA_TYPE = "application/scim+json"
_CORE = "urn:ietf:params:scim:schemas:core:2.0"
_MESSAGES = "urn:ietf:params:scim:api:messages:2.0"
_MOST_PER_PAGE = 50
_MULTI_VALUED = frozenset({"roles", "entitlements", "x509Certificates", "members", "emails"})
_BOOLEANS = frozenset({"True", "False"})
CANARY, CANARIES = "wiki-canary", "wiki-canaries"
_CERTIFICATE = "MAA="


@dataclass(frozen=True, slots=True)
class WikiFaults:
    """What is wrong with the wiki: `answer_code` instead of every answer (with `retry_after`
    seconds), `miscounts` added to every total, `stale_reads` of a resource after its change show
    what was before, `forgets_writes` answers success and does nothing.
    """

    answer_code: int = 0
    retry_after: int = 0
    miscounts: int = 0
    stale_reads: int = 0
    forgets_writes: bool = False


@dataclass(frozen=True, slots=True)
class WikiEvent:
    """One request as the wiki saw it; `acting` says with which of the two tokens."""

    method: str
    path: str
    acting: bool
    status: int


@dataclass
class _Stored:
    """One resource with what the next few reads still show of its past."""

    body: dict[str, Any]
    shadow: dict[str, Any] | None = None
    shadows_left: int = 0


class Wiki:
    """Users and groups of the wiki, safe to change from any thread, and the server that shows them.

    `act_token` may write, `verify_token` may not. `new_id` makes the ids of what is added.
    """

    def __init__(
        self, act_token: str, verify_token: str, *, new_id: Callable[[], str], port: int = 0
    ) -> None:
        self._lock = threading.Lock()
        self._act_token, self._new_id = act_token, new_id
        self._resources: dict[str, dict[str, _Stored]] = {"Users": {}, "Groups": {}}
        self.faults = WikiFaults()
        self.events: list[WikiEvent] = []
        self.server = JsonServer(self._respond, act_token, verify_token, port=port)

    @property
    def url(self) -> str:
        """Base URL for a SCIM client; raises RuntimeError before the server is started."""
        return f"{self.server.url}/scim/v2"

    def connector_settings(self, act: str, verify: str) -> dict[str, Any]:
        """Return what an operator would write for a `type: scim` system with these references."""
        return {
            "url": self.url,
            "act": act,
            "verify": verify,
            "canary": {"id": CANARY, "group": CANARIES},
            "users": "pathless",
            "members": "pathless",
            "booleans": "text",
            "delete": "removes",
        }

    # ------------------------------------------------------------------ past the protocol
    def add_user(self, login: str, *, native_id: str = "", **attributes: object) -> str:
        """Put a user there and return the id."""
        body = {"userName": login, "active": "True", **attributes}
        return self._add("Users", f"{_CORE}:User", body, native_id)

    def add_group(self, name: str, members: Iterable[str], *, native_id: str = "") -> str:
        """Put a group there and return the id."""
        body = {"displayName": name, "members": [{"value": member} for member in members]}
        return self._add("Groups", f"{_CORE}:Group", body, native_id)

    def user(self, native_id: str) -> dict[str, Any]:
        """Return all the wiki knows of a user, the password too; raises KeyError on a stranger."""
        with self._lock:
            return copy.deepcopy(self._resources["Users"][native_id].body)

    def user_ids(self) -> tuple[str, ...]:
        """Return everybody's id."""
        with self._lock:
            return tuple(self._resources["Users"])

    def members_of(self) -> dict[str, tuple[str, ...]]:
        """Return the members of every group, by the groups' ids."""
        with self._lock:
            return {
                native_id: tuple(one["value"] for one in group.body["members"])
                for native_id, group in self._resources["Groups"].items()
            }

    def edit(self, kind: str, native_id: str, name: str, value: object) -> None:
        """Change one attribute as an administrator of the wiki would; raises KeyError."""
        with self._lock:
            self._resources[kind][native_id].body[name] = copy.deepcopy(value)

    def _add(self, kind: str, schema: str, body: Mapping[str, Any], native_id: str) -> str:
        made = native_id or self._new_id()
        with self._lock:
            self._resources[kind][made] = _Stored({"schemas": [schema], "id": made, **body})
        return made

    # ----------------------------------------------------------------------- the protocol
    def _respond(self, call: Call) -> Answer:
        acting = call.token == self._act_token
        with self._lock:
            made = self._fault() or self._answer(call, acting=acting)
            path = "/" + "/".join(call.path)
            self.events.append(WikiEvent(call.method, path, acting, made.status))
        return made

    def _fault(self) -> Answer | None:
        code, wait = self.faults.answer_code, self.faults.retry_after
        if not code:
            return None
        headers = (("Retry-After", str(wait)),) if wait else ()
        return Answer(code, _error(code), MEDIA_TYPE, headers)

    def _answer(self, call: Call, *, acting: bool) -> Answer:
        rest = call.path[2:] if call.path[:2] == ("scim", "v2") else ()
        if rest == ("ServiceProviderConfig",) and call.method == "GET":
            return Answer(200, _ANNOUNCED, MEDIA_TYPE)
        if not rest or rest[0] not in self._resources or len(rest) > 2:
            return _refusal(404)
        if call.method == "GET":
            return self._list(rest[0], call.query) if len(rest) == 1 else self._show(*rest)
        if not acting or len(rest) == 1 or call.method not in {"PATCH", "DELETE"}:
            return _refusal(405 if acting else 403)
        return self._change(call, rest[0], rest[1])

    def _show(self, kind: str, native_id: str) -> Answer:
        stored = self._resources[kind].get(native_id)
        if stored is None:
            return _refusal(404)
        return Answer(200, self._seen(kind, stored), MEDIA_TYPE)

    def _seen(self, kind: str, stored: _Stored) -> dict[str, Any]:
        body = stored.body
        if stored.shadow is not None and stored.shadows_left > 0:
            stored.shadows_left -= 1
            body = stored.shadow
        shown = {name: value for name, value in body.items() if name != "password"}
        if kind == "Users":
            shown["groups"] = [
                {"value": group.body["id"], "display": group.body["displayName"]}
                for group in self._resources["Groups"].values()
                if any(member["value"] == body["id"] for member in group.body["members"])
            ]
        return copy.deepcopy(shown)

    def _list(self, kind: str, query: Mapping[str, str]) -> Answer:
        if "filter" in query:
            return _refusal(400, "invalidFilter")
        try:
            start = max(int(query.get("startIndex", "1")), 1)
            count = min(max(int(query.get("count", str(_MOST_PER_PAGE))), 0), _MOST_PER_PAGE)
        except ValueError:
            return _refusal(400, "invalidValue")
        every = list(self._resources[kind].values())
        page = [self._seen(kind, one) for one in every[start - 1 : start - 1 + count]]
        body = {
            "schemas": [f"{_MESSAGES}:ListResponse"],
            "totalResults": max(len(every) + self.faults.miscounts, 0),
            "startIndex": start,
            "itemsPerPage": len(page),
            "Resources": page,
        }
        return Answer(200, body, MEDIA_TYPE)

    def _change(self, call: Call, kind: str, native_id: str) -> Answer:
        stored = self._resources[kind].get(native_id)
        if stored is None:
            return _refusal(404)
        if call.method == "DELETE":
            if not self.faults.forgets_writes:
                self._delete(kind, native_id)
            return Answer(204, {})
        operations = call.body.get("Operations")
        if not isinstance(operations, list) or not operations:
            return _refusal(400, "invalidSyntax")
        after = copy.deepcopy(stored.body)
        for operation in operations:
            if wrong := _apply(operation, after):
                return _refusal(400, wrong)
        if not self.faults.forgets_writes:
            stored.shadow, stored.shadows_left = stored.body, self.faults.stale_reads
            stored.body = after
        return Answer(204, {})

    def _delete(self, kind: str, native_id: str) -> None:
        del self._resources[kind][native_id]
        for group in self._resources["Groups"].values():
            members = group.body["members"]
            group.body["members"] = [one for one in members if one["value"] != native_id]


def wiki(
    people: tuple[Person, ...],
    act_token: str,
    verify_token: str,
    *,
    new_id: Callable[[], str],
    port: int = 0,
) -> Wiki:
    """Make the wiki of a company: everybody has a user, a team's space, and readers' rights.

    Heads of teams are space administrators; those who write code hold a role and an entitlement.
    """
    made = Wiki(act_token, verify_token, new_id=new_id, port=port)
    ids = {
        person.employment_id: made.add_user(
            person.login,
            externalId=person.employee_number,
            displayName=person.display_name,
            emails=[{"value": person.work_email, "primary": "True"}],
            **_rights(person),
        )
        for person in people
    }
    made.add_user(
        "canary",
        native_id=CANARY,
        externalId="CANARY",
        displayName="Canary",
        emails=[{"value": "canary@example.com"}],
        roles=[{"value": "reader"}],
        entitlements=[{"value": "canary"}],
        x509Certificates=[{"value": _CERTIFICATE}],
    )
    made.add_group("Canaries", [CANARY], native_id=CANARIES)
    for unit in sorted({person.org_unit for person in people}):
        members = [ids[person.employment_id] for person in people if person.org_unit == unit]
        made.add_group(f"Space {unit}", members)
    return made


def _rights(person: Person) -> dict[str, Any]:
    roles = ["reader"]
    if person.org_unit.startswith("R&D"):
        roles.append("author")
    rights: dict[str, Any] = {"roles": [{"value": role} for role in roles]}
    if person.org_unit == "R&D/Platform":
        rights["entitlements"] = [{"value": "architecture-space"}]
    return rights


def _apply(operation: object, body: dict[str, Any]) -> str:
    """Apply one operation; return the scimType of what is wrong with it."""
    if not isinstance(operation, dict) or str(operation.get("op", "")).lower() != "replace":
        return "invalidSyntax"
    if "path" in operation:
        return "invalidPath"
    values = operation.get("value")
    if not isinstance(values, dict):
        return "invalidValue"
    for name, value in values.items():
        if (name == "active" and value not in _BOOLEANS) or name == "id":
            return "invalidValue"
        if name in _MULTI_VALUED and not isinstance(value, list):
            return "invalidValue"
        body[name] = value
    return ""


def _error(status: int, scim_type: str = "") -> dict[str, Any]:
    body = {"schemas": [f"{_MESSAGES}:Error"], "status": str(status)}
    return body | ({"scimType": scim_type} if scim_type else {})


def _refusal(status: int, scim_type: str = "") -> Answer:
    return Answer(status, _error(status, scim_type), MEDIA_TYPE)


_ANNOUNCED: dict[str, Any] = {
    "schemas": [f"{_CORE}:ServiceProviderConfig"],
    "patch": {"supported": True},
    "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
    "filter": {"supported": False, "maxResults": _MOST_PER_PAGE},
    "changePassword": {"supported": True},
    "sort": {"supported": False},
    "etag": {"supported": False},
    "authenticationSchemes": [
        {"type": "oauthbearertoken", "name": "token", "description": "a token of the wiki"}
    ],
}
