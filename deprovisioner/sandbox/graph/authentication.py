"""Authentication methods of users: listed together, deleted each by its own path, in an order.

The rules kept: the password cannot be deleted; the default method's phone cannot while another
method is left; a mobile number cannot go before the alternate mobile that stands on it; a second
delete is 404. Types that v1.0 does not know (hardware OATH) are listed and have no path to delete
them: only the portal or beta can.
"""

from collections.abc import Callable
from dataclasses import dataclass

from deprovisioner.sandbox.graph import objects
from deprovisioner.sandbox.graph.errors import GraphError, bad_request
from deprovisioner.sandbox.graph.query import Typed
from deprovisioner.sandbox.graph.routing import Answer, Call, Item, Listing, Reply, Route
from deprovisioner.sandbox.graph.store import Record, Table, View
from deprovisioner.sandbox.graph.vocabulary import Kind

PASSWORD = "passwordAuthenticationMethod"
_OPTIONS = frozenset({"$select"})


@dataclass(frozen=True, slots=True)
class _Method:
    """One type: the segment it is deleted under and the word in its own permission."""

    segment: str
    type: str
    permission: str
    members: str


_METHODS = (
    _Method("fido2Methods", "fido2AuthenticationMethod", "Passkey",
            "aaGuid attestationCertificates attestationLevel displayName model"),
    _Method("microsoftAuthenticatorMethods", "microsoftAuthenticatorAuthenticationMethod",
            "MicrosoftAuthApp", "deviceTag displayName phoneAppVersion"),
    _Method("phoneMethods", "phoneAuthenticationMethod", "Phone",
            "phoneNumber phoneType smsSignInState"),
    _Method("emailMethods", "emailAuthenticationMethod", "Email", "emailAddress"),
    _Method("softwareOathMethods", "softwareOathAuthenticationMethod", "SoftwareOATH",
            "secretKey"),
    _Method("windowsHelloForBusinessMethods", "windowsHelloForBusinessAuthenticationMethod",
            "WindowsHello", "displayName keyStrength"),
    _Method("temporaryAccessPassMethods", "temporaryAccessPassAuthenticationMethod", "TAP",
            "isUsable isUsableOnce lifetimeInMinutes methodUsabilityReason startDateTime "
            "temporaryAccessPass"),
    _Method("platformCredentialMethods", "platformCredentialAuthenticationMethod", "PlatformCred",
            "displayName keyStrength platform"),
    _Method("externalAuthenticationMethods", "externalAuthenticationMethod", "External",
            "configurationId displayName"),
)  # fmt: skip
_BETA = (
    _Method("hardwareOathMethods", "hardwareOathAuthenticationMethod", "HardwareOATH", ""),
    _Method("qrCodePinMethod", "qrCodePinAuthenticationMethod", "QR", ""),
)
"""Types whose deletion v1.0 has no path for."""
_READ = ("UserAuthenticationMethod.Read.All", "UserAuthenticationMethod.ReadWrite.All")
_WRITE = "UserAuthenticationMethod.ReadWrite.All"


def _kind(name: str, members: str = "") -> Kind:
    return Kind(name, frozenset(f"id createdDateTime password {members}".split()))


ANY = _kind("authenticationMethod", " ".join(method.members for method in _METHODS))
"""The base type that lists are declared with."""


def _held(view: View, user: str) -> list[Record]:
    return view.where(Table.AUTHENTICATION_METHODS, _user=user)


def _typed(record: Record) -> Typed:
    return Typed(Kind(record["_type"], ANY.members), record)


def _list(call: Call) -> Reply:
    user = objects.user(call.view, call.path["user"])
    items = [_typed(record) for record in _held(call.view, user["id"])]
    return Listing(ANY, items, "authenticationMethods", mixed=True, options=_OPTIONS)


def _get(call: Call) -> Reply:
    user = objects.user(call.view, call.path["user"])
    for record in _held(call.view, user["id"]):
        if record["id"] == call.path["method"]:
            return Item(_typed(record), "authenticationMethods/$entity", mixed=True)
    raise _missing()


def _list_of(method: _Method) -> Callable[[Call], Reply]:
    def listed(call: Call) -> Reply:
        user = objects.user(call.view, call.path["user"])
        kind = _kind(method.type, method.members)
        held = (row for row in _held(call.view, user["id"]) if row["_type"] == method.type)
        items = [Typed(kind, record) for record in held]
        return Listing(kind, items, method.segment, options=_OPTIONS)

    return listed


def _get_of(method: _Method) -> Callable[[Call], Reply]:
    def shown(call: Call) -> Reply:
        record = _one(call.view, call, method)
        return Item(Typed(_kind(method.type, method.members), record), f"{method.segment}/$entity")

    return shown


def _delete_of(method: _Method) -> Callable[[Call], Reply]:
    def deleted(call: Call) -> Reply:
        record = _one(call.world.truth, call, method)
        _refuse(record, _held(call.world.truth, record["_user"]))
        call.world.store.drop(Table.AUTHENTICATION_METHODS, record["_key"])
        return Answer(204)

    return deleted


def _one(view: View, call: Call, method: _Method) -> Record:
    user = objects.user(view, call.path["user"])
    held = view.where(Table.AUTHENTICATION_METHODS, _user=user["id"], _type=method.type)
    only = held[0]["id"] if held and "method" not in call.path else ""
    key = call.path.get("method", only)
    record = view.get(Table.AUTHENTICATION_METHODS, f"{user['id']}/{key}")
    if record is None or record["_type"] != method.type:
        raise _missing()
    return record


def _refuse(record: Record, held: list[Record]) -> None:
    others = [row for row in held if row is not record and row["_type"] != PASSWORD]
    if record.get("_default") and others:
        raise bad_request(
            "The phone number is the user's default MFA method and cannot be deleted.",
            "badRequest",
        )
    if record.get("phoneType") == "mobile" and any(
        row.get("phoneType") == "alternateMobile" for row in others
    ):
        raise bad_request(
            "A mobile number cannot be deleted while an alternate mobile is there.", "badRequest"
        )


def _missing() -> GraphError:
    return GraphError(404, "resourceNotFound", "The authentication method was not found.")


_BASE = "/users/{user}/authentication"
_PASSWORDS = _Method("passwordMethods", PASSWORD, "", "")

_DELETIONS: tuple[Route, ...] = tuple(
    Route(
        "DELETE",
        f"{base}/{method.segment}" + ("/{method}" if method.segment.endswith("s") else ""),
        _delete_of(method),
        (f"UserAuthMethod-{method.permission}.ReadWrite.All", _WRITE),
    )
    for base, methods in ((_BASE, _METHODS), (f"/beta{_BASE}", _BETA))
    for method in methods
)

ROUTES: tuple[Route, ...] = (
    *_DELETIONS,
    Route("GET", f"{_BASE}/methods", _list, _READ),
    Route("GET", f"{_BASE}/methods/{{method}}", _get, _READ),
    Route("GET", f"{_BASE}/passwordMethods", _list_of(_PASSWORDS), _READ),
    *(
        route
        for method in _METHODS
        for own in (f"UserAuthMethod-{method.permission}.Read",)
        for route in (
            Route("GET", f"{_BASE}/{method.segment}", _list_of(method), (f"{own}.All", *_READ)),
            Route(
                "GET",
                f"{_BASE}/{method.segment}/{{method}}",
                _get_of(method),
                (f"{own}.All", *_READ),
            ),
        )
    ),
)
