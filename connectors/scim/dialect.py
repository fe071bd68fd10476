"""One change in the forms that products take it: which forms, in which order, and their bodies.

Called by ``changes``. Pure: it makes bodies and sends nothing. The forms are those of RFC 7644
sections 3.5.1 and 3.5.2 and of ``settings.Form``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connectors.scim.resources import Element, Resource, named, quoted
from connectors.scim.settings import Booleans, Form

PATCH_SCHEMA: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@dataclass(frozen=True, slots=True)
class Request:
    """One way to ask for a change. ``guarded``: send it only if nobody changed the resource since.

    A guarded body carries what others hold too (a whole list, a whole resource); writing it
    unconditionally would put back what somebody else has just taken away, or the other way round.
    """

    method: str
    body: Mapping[str, Any]
    guarded: bool = False


def setting_forms(configured: Form, *, patch: bool | None) -> tuple[Form, ...]:
    """Forms for setting a simple attribute, the likeliest first; all of them mean the same."""
    order = (Form.PUT,) if patch is False else (Form.PATH, Form.PATHLESS, Form.PUT)
    if configured is Form.AUTO:
        return order
    first = Form.PATH if configured is Form.LIST else configured
    return (first, *(form for form in order if form is not first))


def list_forms(configured: Form, *, patch: bool | None, versioned: bool) -> tuple[Form, ...]:
    """Forms for changing a multi-valued attribute.

    Here the forms differ in what a server does that misunderstands them, so none but the standard
    one is tried unasked: a removal without a filter empties the list of everybody (Law 5), and a
    whole resource is only put where a version keeps others' changes safe.
    """
    if configured not in {Form.AUTO, Form.PATH}:
        return (configured,)
    if patch is False:
        return (Form.PUT,)
    return (Form.PATH, Form.PUT) if versioned else (Form.PATH,)


def truth(*, value: bool, booleans: Booleans) -> bool | str:
    """Write true or false as the product wants it."""
    return value if booleans is Booleans.JSON else str(value)


def setting(form: Form, of: Resource, values: Mapping[str, Any]) -> Request:
    """Set simple attributes in one request."""
    if form is Form.PUT:
        return Request("PUT", _with(of, values), guarded=True)
    if form is Form.PATHLESS:
        return Request("PATCH", _patch([{"op": "replace", "value": dict(values)}]))
    return Request(
        "PATCH",
        _patch([{"op": "replace", "path": name, "value": value} for name, value in values.items()]),
    )


def removing(form: Form, of: Resource, name: str, element: Element) -> Request:
    """Take one value out of a list."""
    rest = [one.raw for one in of.elements(name) if one.raw != element.raw]
    if form is Form.PATH:
        if element.value:
            path = f"{name}[value eq {quoted(element.value)}]"
            return Request("PATCH", _patch([{"op": "remove", "path": path}]))
        return _replacing(of, name, rest, pathless=False)
    if form is Form.LIST:
        listed = [{"value": element.value}]
        return Request("PATCH", _patch([{"op": "remove", "path": name, "value": listed}]))
    if form is Form.PATHLESS:
        return _replacing(of, name, rest, pathless=True)
    return Request("PUT", _with(of, {name: rest}), guarded=True)


def adding(form: Form, of: Resource, name: str, raw: object) -> Request:
    """Put one value back into a list, as it was sent before."""
    if form in {Form.PATH, Form.LIST}:
        return Request("PATCH", _patch([{"op": "add", "path": name, "value": [raw]}]))
    whole = [*(one.raw for one in of.elements(name)), raw]
    if form is Form.PATHLESS:
        return _replacing(of, name, whole, pathless=True)
    return Request("PUT", _with(of, {name: whole}), guarded=True)


def _replacing(of: Resource, name: str, rest: Sequence[object], *, pathless: bool) -> Request:
    if pathless:
        operation: dict[str, Any] = {"op": "replace", "value": {named(of.body, name): list(rest)}}
    else:
        operation = {"op": "replace", "path": name, "value": list(rest)}
    return Request("PATCH", _patch([operation]), guarded=True)


def _patch(operations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"schemas": [PATCH_SCHEMA], "Operations": list(operations)}


def _with(of: Resource, values: Mapping[str, Any]) -> dict[str, Any]:
    """Take the whole resource with some attributes changed: PUT loses what is left out."""
    return dict(of.body) | {named(of.body, name): value for name, value in values.items()}
