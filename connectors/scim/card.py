"""The capability card of a SCIM target: what can be done with each kind, and what SCIM cannot.

Called by the connector; also the place to look up which right each kind needs. No I/O.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from connectors.contract import Card, Gap, Kind, Stage, Strength, Support, Verification, kind
from connectors.scim.settings import Delete, MemberName, Settings

PASSWORD: Final = kind("credential.password")
CERTIFICATE: Final = kind("credential.certificate")
GROUP: Final = kind("grant.group")
ROLE: Final = kind("grant.role")
ENTITLEMENT: Final = kind("grant.app_role")
SESSION: Final = kind("session")
API_TOKEN: Final = kind("credential.api_token")
OBJECTS: Final = kind("ownership.resource")
MANAGER: Final = kind("ownership.entry")
SIGN_IN: Final = "sign-in"
"""The bundle of account and password: one PATCH changes both."""
KIND_OF: Final[dict[str, Kind]] = {
    "roles": ROLE,
    "entitlements": ENTITLEMENT,
    "x509Certificates": CERTIFICATE,
}
ATTRIBUTE_OF: Final = {of: name for name, of in KIND_OF.items()}

SESSION_DUTY: Final = (
    "End this person's open sessions in the product's own console (sign out everywhere), and check "
    "there that none is left. active=false does not promise it (SCIM has no call for sessions)."
)
API_ACCESS_DUTY: Final = (
    "Revoke this person's API tokens and app passwords in the product's own console, and check "
    "there that none is left. SCIM shows none of them."
)
OBJECTS_DUTY: Final = (
    "Hand over what this person owns in the product (projects, documents, schedules) in its own "
    "console before the account is deleted. SCIM knows no owners."
)
MANAGER_DUTY: Final = (
    "Where this target uses the attribute manager: give the people who report to this person "
    "another one in the system that provisions it."
)
_OUTSIDE: Final = {
    "sessions": Gap(SESSION, "SCIM does not show or end sessions", SESSION_DUTY),
    "api_tokens": Gap(API_TOKEN, "SCIM does not show or revoke API tokens", API_ACCESS_DUTY),
    "owned_objects": Gap(OBJECTS, "SCIM hands nothing over to a successor", OBJECTS_DUTY),
    "manager": Gap(MANAGER, "who names this person as manager is not searched", MANAGER_DUTY),
}
_DELETE_DUTY: Final = {
    Delete.REMOVES: "",
    Delete.DEACTIVATES: "DELETE only deactivates in this product: delete the account by hand, in "
    "its own console, when it must be gone.",
    Delete.NEVER: "The settings forbid DELETE: delete the account by hand, in the product's own "
    "console, when it must be gone.",
}
_SCRAMBLED: Final = "the old password: a random one is set, so issue a new one"
_TAKE: Final = frozenset({Stage.PRESERVE, Stage.REVOKE})
_FREEZE: Final = frozenset({Stage.CONTAIN, Stage.PRESERVE})
_RIGHT: Final = "bearer token with read and write on {endpoint}"


def card(settings: Settings) -> Card:
    """Make the card for these settings."""
    return Card(
        product="SCIM 2.0 target",
        supports=(*_accounts(settings), *_grants(settings)),
        settle=settings.settle,
        gaps=tuple(gap for name, gap in _OUTSIDE.items() if settings.uses(name)),
        notes=tuple(_notes(settings)),
    )


def _accounts(settings: Settings) -> list[Support]:
    stages = _FREEZE | {Stage.DESTROY} if settings.delete is Delete.REMOVES else _FREEZE
    right = _RIGHT.format(endpoint="/Users")
    kinds = [kind(f"account.{word}") for word in ("person", "admin", "service")]
    supports = [Support(one, stages, rights=(right,), bundle=SIGN_IN) for one in kinds]
    if settings.uses("password"):
        supports.append(
            Support(
                PASSWORD,
                _FREEZE,
                # The account that it opens is seen to be off; the password itself nobody can read.
                verifies=Verification.ACKNOWLEDGED,
                rights=(right,),
                not_restorable=_SCRAMBLED if settings.scramble_password else "",
                bundle=SIGN_IN,
            )
        )
    return supports


def _grants(settings: Settings) -> list[Support]:
    users, groups = _RIGHT.format(endpoint="/Users"), _RIGHT.format(endpoint="/Groups")
    supports = [Support(of, _TAKE, Strength.NOW, rights=(users,)) for of in KIND_OF.values()]
    if settings.uses("groups"):
        supports.append(Support(GROUP, _TAKE, Strength.NOW, timedelta(0), rights=(groups,)))
    return supports


def _notes(settings: Settings) -> list[str]:
    notes = [
        "Nested groups give access through the direct membership, which is what is reported.",
        "A deleted user comes back under a new id only: restore puts nothing deleted back.",
    ]
    if settings.member_name is MemberName.USER_NAME:
        notes.append(
            "Groups name members by login: what still names a deleted user is not searched."
        )
    if duty := _DELETE_DUTY[settings.delete]:
        notes.append(duty)
    if settings.unused:
        names = ", ".join(sorted(settings.unused))
        notes.append(f"Excluded by the setting unused, proven by no canary: {names}.")
    return notes
