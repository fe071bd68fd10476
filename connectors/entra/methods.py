"""Authentication methods (section 1.2 of the inventory): everything but the password.

Called by the connector through :data:`ROW`. No method can be suspended or put back, so containing
deletes them: a method that stays would let the person reset the password themselves. A type that
is not in the table is reported with a duty; unknown is never closed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from kiota_abstractions.request_information import RequestInformation

from connectors.contract import Effect, Gap, Holding, Json, Outcome, Stage, Support, kind
from connectors.entra.answers import Row as Object
from connectors.entra.clouds import Capability
from connectors.entra.graph import segment
from connectors.entra.privilege import not_ours
from connectors.entra.rows import Leaver, Row, RowCard, RowReading, seen
from connectors.entra.settings import Settings
from connectors.faults import Missing, Refused, Unauthorised

MFA: Final = kind("credential.mfa")
RECOVERY: Final = kind("credential.recovery")
BUNDLE: Final = "authentication methods"
"""One call for all: some can only go after others."""
ROUNDS: Final = 3
READ_RIGHT: Final = "UserAuthenticationMethod.Read.All"
WRITE_RIGHT: Final = "UserAuthenticationMethod.ReadWrite.All"

_PREFIX: Final = "#microsoft.graph."
_SUFFIX: Final = "AuthenticationMethod"
_PASSWORD: Final = "password"  # noqa: S105 - a type of method
_EMAIL: Final = "email"
_BETA: Final = frozenset({"hardwareOathMethods", "qrCodePinMethod"})
_PATHS: Final[Mapping[str, str]] = {
    "fido2": "fido2Methods",
    "microsoftAuthenticator": "microsoftAuthenticatorMethods",
    "phone": "phoneMethods",
    _EMAIL: "emailMethods",
    "softwareOath": "softwareOathMethods",
    "windowsHelloForBusiness": "windowsHelloForBusinessMethods",
    "temporaryAccessPass": "temporaryAccessPassMethods",
    "platformCredential": "platformCredentialMethods",
    "external": "externalAuthenticationMethods",
    "hardwareOath": "hardwareOathMethods",
    "qrCodePin": "qrCodePinMethod",
}
_LOST: Final = "the person registers the method again"
_DUTY: Final = (
    "Delete this sign-in method in the Entra admin centre (Users, Authentication methods): it is "
    "of a type that this connector does not know how to delete."
)
_PHONE_DUTY: Final = (
    "Delete this phone number in the Azure portal: this cloud has no programming interface for it."
)
_CLOUD_DUTY: Final = (
    "Delete all sign-in methods but the password in the Azure portal (Users, Authentication "
    "methods): this cloud has no programming interface for them."
)
_DELETE_DUTY: Final = (
    "As Privileged Authentication Administrator delete this sign-in method in the Entra admin "
    "centre (Users, Authentication methods)."
)


def _offered(settings: Settings) -> bool:
    return settings.serves.offers(Capability.AUTHENTICATION_METHODS)


def _card(settings: Settings) -> RowCard:
    notes = (
        "App passwords cannot be read; they end with the password and the block.",
        "The per-user MFA state and the default method stay: they open nothing.",
    )
    if not _offered(settings):
        why = "authentication methods cannot be read in this cloud"
        return RowCard(gaps=(Gap(MFA, why, _CLOUD_DUTY),), notes=notes)
    stages = frozenset({Stage.CONTAIN, Stage.REVOKE})
    supports = tuple(
        Support(of, stages, rights=(WRITE_RIGHT,), not_restorable=_LOST, bundle=BUNDLE)
        for of in (MFA, RECOVERY)
    )
    return RowCard(supports, notes=notes)


def _read(leaver: Leaver) -> RowReading:
    answer = leaver.graph.gather([_list(leaver)])[0]
    methods, gaps = seen(answer, "authentication methods", READ_RIGHT)
    named = [(method, _type_of(method)) for method in methods]
    if any(not name for _, name in named):
        gaps = (*gaps, "the type of an authentication method")
    holdings = tuple(
        _holding(leaver, method, name) for method, name in named if name and name != _PASSWORD
    )
    return RowReading(holdings, gaps)


def _list(leaver: Leaver) -> RequestInformation:
    return leaver.graph.client.users.by_user_id(
        leaver.id
    ).authentication.methods.to_get_request_information()


def _type_of(method: Object) -> str:
    name = str(method.get("@odata.type") or "").removeprefix(_PREFIX)
    return name.removesuffix(_SUFFIX)


def _holding(leaver: Leaver, method: Object, name: str) -> Holding:
    native_id = _native_id(method, name)
    return leaver.holding(
        RECOVERY if name == _EMAIL else MFA,
        native_id,
        name,
        restore={"type": name},
        duty=_duty(leaver.settings, name),
    )


def _native_id(method: Object, name: str) -> str:
    """Ids of phones are the same for everybody, and unique within their type only."""
    return f"{_PATHS.get(name, name)}/{method.get('id')}"


def _duty(settings: Settings, name: str) -> str:
    if name not in _PATHS:
        return _DUTY
    if name == "phone" and not settings.serves.offers(Capability.PHONE_METHOD_DELETE):
        return _PHONE_DUTY
    return ""


def _delete(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    """Delete in rounds, because one method may hold another; then read the list again."""
    there = _present(leaver)
    left = sorted(
        (holding for holding in holdings if holding.native_id in there),
        # The alternate mobile cannot be there without the mobile (Graph, "delete phoneMethod").
        key=lambda holding: there[holding.native_id].get("phoneType") == "mobile",
    )
    asked, why = {holding.key for holding in left}, dict[str, Effect]()
    requests = dict[str, str]()
    for _ in range(ROUNDS):
        left = [holding for holding in left if not _deleted(leaver, holding, why, requests)]
        if not left:
            break
    after = _present(leaver) if asked else there
    return [_effect(leaver, holding, asked, after, why, requests) for holding in holdings]


def _present(leaver: Leaver) -> dict[str, Object]:
    answer = leaver.graph.gather([_list(leaver)])[0]
    if not isinstance(answer, list):
        raise answer
    return {_native_id(method, _type_of(method)): method for method in answer}


def _deleted(
    leaver: Leaver, holding: Holding, why: dict[str, Effect], requests: dict[str, str]
) -> bool:
    """Try once; a refusal is kept for the case that no later round succeeds."""
    place, _, method_id = holding.native_id.partition("/")
    path = f"/users/{segment(leaver.id)}/authentication/{place}"
    if place != "qrCodePinMethod":
        path = f"{path}/{segment(method_id)}"
    try:
        answer = leaver.graph.send(leaver.graph.raw("DELETE", path, beta=place in _BETA))
    except Missing:
        pass  # somebody was faster; the list decides (Law 6)
    except (Refused, Unauthorised) as fault:
        why[holding.key] = not_ours(leaver, holding, fault, _DELETE_DUTY)
        return False
    else:
        requests[holding.key] = answer.request_id
    why.pop(holding.key, None)
    return True


def _effect(
    leaver: Leaver,
    holding: Holding,
    asked: set[str],
    after: Mapping[str, Object],
    why: Mapping[str, Effect],
    requests: Mapping[str, str],
) -> Effect:
    listed = holding.native_id in after
    read_back: dict[str, Json] = {"listed": listed}
    if holding.key in why:
        return why[holding.key]
    if holding.key not in asked:
        return Effect(holding.key, Outcome.ALREADY, read_back)
    request = requests.get(holding.key, "")
    if listed:
        return leaver.pending(holding, read_back, request)
    outcome = Outcome.DONE if request or holding.key in requests else Outcome.ALREADY
    return Effect(holding.key, outcome, read_back, request, lost=_LOST)


ROW: Final = Row(
    name="1.2 authentication methods",
    kinds=frozenset({MFA, RECOVERY}),
    card=_card,
    read=_read,
    contain=_delete,
    revoke=_delete,
    absent=lambda settings: not _offered(settings),
)
