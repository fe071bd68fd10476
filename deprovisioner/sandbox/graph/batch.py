"""`$batch`: up to twenty requests in one, each answered on its own.

Used by `server` in front of the service. The vendor's patterns of `dependsOn` are kept: none, each
on the one before it, or all that depend on one and the same; anything else is refused. A request
whose predecessor failed is answered 424 and not done.
"""

import base64
import json
from typing import Any

from deprovisioner.sandbox.graph.access import Caller
from deprovisioner.sandbox.graph.errors import bad_request
from deprovisioner.sandbox.graph.service import VERSION, Service, shuffled
from deprovisioner.sandbox.graph.store import Record
from deprovisioner.sandbox.service.wire import Request, Response

MOST = 20
_METHODS = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE"})


def answer_all(service: Service, caller: Caller, body: Record) -> Record:
    """Answer the requests of a batch; raises GraphError 400 when the batch itself is wrong."""
    requests = body.get("requests")
    if not isinstance(requests, list) or not requests:
        raise bad_request("Invalid batch payload format.", "BadRequest")
    if len(requests) > MOST:
        raise bad_request(f"Number of batch request steps exceeds the maximum of {MOST}.")
    _check(requests)
    done: dict[str, Record] = {}
    for item in requests:
        failed = any(done[on]["status"] >= 400 for on in item.get("dependsOn", ()))
        done[item["id"]] = _not_attempted(item) if failed else _one(service, caller, item)
    return {"responses": shuffled(list(done.values()), service.world.chance)}


def _check(requests: list[Any]) -> None:
    seen: list[str] = []
    for item in requests:
        good = isinstance(item, dict) and isinstance(item.get("id"), str) and item["id"]
        if not good or item["id"] in seen or item.get("method") not in _METHODS:
            raise bad_request("Invalid batch payload format: id and method.", "BadRequest")
        url = item.get("url")
        if not isinstance(url, str) or "://" in url or not url.startswith("/"):
            raise bad_request("Invalid batch payload format: urls are relative.", "BadRequest")
        _check_parts(item)
        for on in item.get("dependsOn", ()):
            if on not in seen:
                raise bad_request(f"Invalid dependsOn: '{on}' is not before.", "BadRequest")
        seen.append(item["id"])
    _check_pattern(requests)


def _check_parts(item: Record) -> None:
    known = {"id", "method", "url", "headers", "body", "dependsOn"}
    if set(item) - known:
        raise bad_request("Invalid batch payload format: unknown member.", "BadRequest")
    headers = {str(name).lower() for name in item.get("headers") or {}}
    if "body" in item and "content-type" not in headers:
        raise bad_request("A body needs a Content-Type header.", "BadRequest")


def _check_pattern(requests: list[Record]) -> None:
    states = [(item["id"], tuple(item.get("dependsOn", ()))) for item in requests]
    named = {on for _, on in states if on}
    before = [None, *(name for name, _ in states)]
    serial = all(
        on == (() if last is None else (last,))
        for last, (_, on) in zip(before, states, strict=False)
    )
    if len(named) > 1 and not serial:
        raise bad_request("dependsOn is fully sequential or fully parallel.", "BadRequest")


def _one(service: Service, caller: Caller, item: Record) -> Record:
    headers = {str(name).lower(): str(value) for name, value in (item.get("headers") or {}).items()}
    body = json.dumps(item["body"]).encode() if "body" in item else b""
    target = VERSION + item["url"].removeprefix(VERSION)
    response = service.inner(Request(item["method"], target, headers, body), caller)
    return _answer(item["id"], response)


def _answer(identifier: str, response: Response) -> Record:
    answer: Record = {"id": identifier, "status": response.status, "headers": response.headers}
    if response.body:
        kind = response.headers.get("Content-Type", "")
        is_json = kind.startswith("application/json")
        text = base64.b64encode(response.body).decode()
        answer["body"] = json.loads(response.body) if is_json else text
    return answer


def _not_attempted(item: Record) -> Record:
    error = {"code": "FailedDependency", "message": "A request that this one depends on failed."}
    return {
        "id": item["id"],
        "status": 424,
        "headers": {"Content-Type": "application/json"},
        "body": {"error": error},
    }
