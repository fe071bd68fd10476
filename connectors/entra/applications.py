"""Rows E20 to E23: consents, app roles, owned applications and the secrets their owner may know.

Ownership of an application is a credential: an owner can add a secret and can know those that are
there. Secrets are never removed by us, because whatever runs with them would stop: each is a task,
seen to be done when its key id is gone. Ownership stays until then, because Graph shows which
secrets the person may know only while it is theirs. Not here: agents (``agents``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from kiota_abstractions.request_information import RequestInformation

from connectors.contract import Account, Effect, Holding, Json, Kind, Stage, Strength, Support, kind
from connectors.entra.answers import Row as Object
from connectors.entra.graph import segment
from connectors.entra.instants import instant
from connectors.entra.queries import asking, found, listed, parts, readable, text, type_of
from connectors.entra.rows import Leaver, Row, RowCard, RowReading, seen_or_missing
from connectors.entra.settings import Settings
from connectors.entra.steps import Look, take, take_away
from connectors.faults import Fault

CONSENT: Final = kind("grant.consent")
APP_ROLE: Final = kind("grant.app_role")
OWNERSHIP: Final = kind("ownership.application")
SECRET: Final = kind("secret_known")
_SECRETS_FIRST: Final = "the secrets that its owner may know are changed first"
_NOBODY_ELSE: Final = "Make somebody who stays owner of it: nobody else owns it."
_COLLECTIONS: Final = {
    "application": "applications",
    "agentIdentityBlueprint": "applications",
    "servicePrincipal": "servicePrincipals",
    "agentIdentityBlueprintPrincipal": "servicePrincipals",
}
"""Blueprints of agents are applications of a kind: their owner may add a secret as well."""
_OTHER_ROWS: Final = frozenset({"agentIdentity", "device", "group"})
_KEYS: Final = {"passwordCredentials": "secret", "keyCredentials": "certificate"}
_READ: Final = "Application.Read.All"
_TAKE: Final = frozenset({Stage.PRESERVE, Stage.REVOKE})
_CHANGE_IT: Final = (
    "The person may know this secret or hold this key of the application. With the new owner: add "
    "another one (POST /{path}/addPassword, or a new certificate), deploy it, then remove this one "
    '(POST /{path}/removePassword {{"keyId": "{key}"}}, for a certificate removeKey).'
)
_PROVISIONED: Final = (
    "Taking an app role away makes provisioned applications deprovision in their next cycle (20 to "
    "40 minutes)."
)
_KNOWN: Final = (
    "A secret that was made while the person could still sign in counts as known. The ownership "
    "of an application stays, with the account blocked, until they are changed."
)
_FEDERATION: Final = ":federated:"
_FEDERATED: Final = (
    "Look at issuer and subject of this federated credential (GET /{path}/"
    "federatedIdentityCredentials/{id}): an owner may have pointed it at a repository or cluster "
    "of their own. Delete it where it should not be there; else say that it was looked at."
)


# ------------------------------------------------------------------- consents and app roles


def _read_grants(leaver: Leaver) -> RowReading:
    consents, roles = leaver.graph.gather([_consents(leaver), _app_roles(leaver)])
    given, gaps = readable(consents, "consents", "Directory.Read.All")
    assigned, more = readable(roles, "app roles", "Directory.Read.All")
    return RowReading(
        tuple(
            leaver.holding(of, native, label, restore=image)
            for of, native, label, _, image in (
                *_consent_rows(leaver, given),
                *_app_role_rows(leaver, assigned),
            )
        ),
        gaps + more,
    )


def _consents(leaver: Leaver) -> RequestInformation:
    user = leaver.graph.client.users.by_user_id(leaver.id)
    return user.oauth2_permission_grants.to_get_request_information()


def _app_roles(leaver: Leaver) -> RequestInformation:
    user = leaver.graph.client.users.by_user_id(leaver.id)
    return user.app_role_assignments.to_get_request_information()


_Grant = tuple[Kind, str, str, str, dict[str, Json]]
"""Kind, native id, label, Graph's id of today, pre-image. The id changes with undo."""


def _consent_rows(leaver: Leaver, rows: Sequence[Object]) -> Iterator[_Grant]:
    for row in rows:
        if text(row, "consentType") != "Principal" or text(row, "principalId") != leaver.id:
            continue  # what an administrator granted for everybody is not this person's
        client, resource = text(row, "clientId"), text(row, "resourceId")
        image: dict[str, Json] = {
            "clientId": client, "consentType": "Principal", "principalId": leaver.id,
            "resourceId": resource, "scope": text(row, "scope"),
        }  # fmt: skip
        label = f"consent to client {client} for {text(row, 'scope').strip()}"
        yield CONSENT, f"{client}:{resource}", label, text(row, "id"), image


def _app_role_rows(leaver: Leaver, rows: Sequence[Object]) -> Iterator[_Grant]:
    for row in rows:
        if text(row, "principalId") != leaver.id:
            continue  # through a group: goes with the group
        resource, role = text(row, "resourceId"), text(row, "appRoleId")
        image: dict[str, Json] = {
            "principalId": leaver.id, "resourceId": resource, "appRoleId": role,
        }  # fmt: skip
        label = text(row, "resourceDisplayName") or resource
        yield APP_ROLE, f"{resource}:{role}", label, text(row, "id"), image


def _revoke_grants(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take_away(leaver, one, partial(_look_ungranted, leaver, one)) for one in holdings]


def _ids(leaver: Leaver, holding: Holding) -> list[str]:
    if holding.kind == CONSENT:
        grants = _consent_rows(leaver, listed(leaver.graph, _consents(leaver)))
    else:
        grants = _app_role_rows(leaver, listed(leaver.graph, _app_roles(leaver)))
    return [native for _, native_id, _, native, _ in grants if native_id == holding.native_id]


def _look_ungranted(leaver: Leaver, holding: Holding) -> Look:
    ids = _ids(leaver, holding)
    client, user = leaver.graph.client, leaver.graph.client.users.by_user_id(leaver.id)

    def removals() -> list[RequestInformation]:
        if holding.kind == CONSENT:
            grants = client.oauth2_permission_grants
            builders = [grants.by_o_auth2_permission_grant_id(one) for one in ids]
            return [one.to_delete_request_information() for one in builders]
        assignments = user.app_role_assignments
        items = [assignments.by_app_role_assignment_id(one) for one in ids]
        return [one.to_delete_request_information() for one in items]

    return Look(not ids, {"grants": len(ids)}, removals)


def _restore_grants(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look_granted, leaver, one)) for one in holdings]


def _look_granted(leaver: Leaver, holding: Holding) -> Look:
    ids = _ids(leaver, holding)
    path = (
        "/oauth2PermissionGrants"
        if holding.kind == CONSENT
        else f"/users/{segment(leaver.id)}/appRoleAssignments"
    )
    return Look(
        bool(ids), {"grants": len(ids)}, lambda: [leaver.graph.raw("POST", path, holding.restore)]
    )


# -------------------------------------------------------------------- owned applications


@dataclass(frozen=True, slots=True)
class Owned:
    """An application or service principal of the leaver. ``path``: ``applications/<id>``."""

    path: str
    name: str

    @property
    def native_id(self) -> str:
        """Which of the two kinds of object, and its id."""
        return self.path

    @property
    def is_application(self) -> bool:
        """Federated credentials lie on the application, not on its service principal."""
        return self.path.startswith(_COLLECTIONS["application"])


def _owned(rows: Sequence[Object]) -> list[Owned]:
    return [
        Owned(f"{_COLLECTIONS[type_of(row)]}/{text(row, 'id')}", text(row, "displayName"))
        for row in rows
        if type_of(row) in _COLLECTIONS and text(row, "servicePrincipalType") != "AgentIdentity"
    ]


def _strangers(rows: Sequence[Object]) -> tuple[str, ...]:
    """Law 2: what is owned and belongs to no row is named, or nobody would ever look at it."""
    types = {type_of(row) for row in rows} - _COLLECTIONS.keys() - _OTHER_ROWS
    return tuple(
        f"an owned object of a type not known here ({one if one.isalnum() else '?'})"
        for one in sorted(types)
    )


def _read_owned(leaver: Leaver) -> RowReading:
    user = leaver.graph.client.users.by_user_id(leaver.id)
    answer = leaver.graph.gather([user.owned_objects.to_get_request_information()])[0]
    rows, gaps = readable(answer, "owned objects", "User.Read.All")
    gaps += _strangers(rows)
    owned = _owned(rows)
    owners = leaver.graph.gather([_owners_of(leaver, one.path) for one in owned])
    federated = leaver.graph.gather(
        [_federated_of(leaver, one.path) for one in owned if one.is_application]
    )
    linked_to = dict(zip([one for one in owned if one.is_application], federated, strict=True))
    keys = leaver.graph.objects([_keys_of(leaver, one.path) for one in owned])
    reading = RowReading(gaps=gaps)
    for one, of, row in zip(owned, owners, keys, strict=True):
        others, unseen = readable(of, "owners of applications", _READ)
        links, more = seen_or_missing(linked_to.get(one, []), "federated credentials", _READ)
        known, hidden = readable(row if isinstance(row, Fault) else [row], "secrets", _READ)
        secrets = [secret for each in known for secret in _secrets(leaver, one, each)]
        holdings = (*secrets, *_trusted(leaver, one, links), _ownership(leaver, one, others))
        reading += RowReading(holdings, unseen + more + hidden)
    return reading


def _keys_of(leaver: Leaver, path: str) -> RequestInformation:
    return asking(leaver.graph.raw("GET", f"/{path}"), select=("id", *_KEYS))


def _owners_of(leaver: Leaver, path: str) -> RequestInformation:
    return asking(leaver.graph.raw("GET", f"/{path}/owners"), select=("id",))


def _federated_of(leaver: Leaver, path: str) -> RequestInformation:
    return leaver.graph.raw("GET", f"/{path}/federatedIdentityCredentials")


def _ownership(leaver: Leaver, one: Owned, owners: Sequence[Object]) -> Holding:
    sole = not _others(leaver, owners)
    return leaver.holding(OWNERSHIP, one.native_id, one.name, sole=sole, restore={"path": one.path})


def _trusted(leaver: Leaver, one: Owned, links: Sequence[Object]) -> list[Holding]:
    """Federated credentials have no date, so nothing tells whether somebody has looked at them.

    They are seen as long as the person owns the application; that the task was done is said by
    whoever does it.
    """
    return [
        leaver.holding(
            SECRET,
            f"{one.path}{_FEDERATION}{text(link, 'id')}",
            f"federated credential {text(link, 'name')} of {one.name}",
            duty=_FEDERATED.format(path=one.path, id=text(link, "id")),
        )
        for link in links
    ]


def _others(leaver: Leaver, owners: Sequence[Object]) -> list[str]:
    return [text(row, "id") for row in owners if text(row, "id") != leaver.id]


def _secrets(leaver: Leaver, one: Owned, row: Object) -> list[Holding]:
    """What an owner may know: every key that works and was there before the person was blocked."""
    return [
        leaver.holding(
            SECRET,
            f"{one.path}:{text(key, 'keyId')}",
            f"{what} of {one.name}",
            duty=_CHANGE_IT.format(path=one.path, key=text(key, "keyId")),
        )
        for name, what in _KEYS.items()
        for key in parts(row, name)
        if _may_be_known(leaver, key)
    ]


def _may_be_known(leaver: Leaver, key: Mapping[str, Json]) -> bool:
    """Whether it works, and was made while the person could still sign in.

    The last moment at which sessions were ended is later than the block, so this errs towards
    calling a secret known.
    """
    end, made = instant(key.get("endDateTime")), instant(key.get("startDateTime"))
    if end is not None and end <= leaver.now():
        return False
    ended = instant(leaver.user.get("signInSessionsValidFromDateTime"))
    blocked = leaver.user.get("accountEnabled") is False
    # A date to come is what its maker wrote, not when it was made.
    return not (blocked and made and ended and ended < made <= leaver.now())


def _transfer(leaver: Leaver, holdings: Sequence[Holding], successor: Account) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look_handed, leaver, one, successor)) for one in holdings]


def _look_handed(leaver: Leaver, holding: Holding, successor: Account) -> Look:
    owners = listed(leaver.graph, _owners_of(leaver, holding.native_id))
    there = successor.native_id in _others(leaver, owners)
    return _adding(leaver, holding, successor.native_id, there=there)


def _adding(leaver: Leaver, holding: Holding, who: str, *, there: bool) -> Look:
    body = leaver.graph.reference("directoryObjects", who)
    path = f"/{holding.native_id}/owners/$ref"
    shown: dict[str, Json] = {"is owner": there}
    return Look(there, shown, lambda: [leaver.graph.raw("POST", path, body)], adds=True)


def _revoke_owned(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    looks = {OWNERSHIP: _look_disowned, SECRET: _look_changed}
    return [take_away(leaver, one, partial(looks[one.kind], leaver, one)) for one in holdings]


def _look_changed(leaver: Leaver, holding: Holding) -> Look:
    """A secret is changed by people; whether it was is all that is looked up."""
    path, _, key = holding.native_id.rpartition(":")
    if _FEDERATION in holding.native_id:
        path = path.removesuffix(_FEDERATION.rstrip(":"))
        links = listed(leaver.graph, _federated_of(leaver, path))
        there = any(text(link, "id") == key for link in links)
        return Look(not there, {"there": there}, refuse=holding.duty if there else "")
    row = found(leaver.graph, _keys_of(leaver, path)) or {}
    left = [one for name in _KEYS for one in parts(row, name) if text(one, "keyId") == key]
    return Look(not left, {"there": len(left)}, refuse=holding.duty if left else "")


def _look_disowned(leaver: Leaver, holding: Holding) -> Look:
    owners = listed(leaver.graph, _owners_of(leaver, holding.native_id))
    mine = any(text(row, "id") == leaver.id for row in owners)
    shown: dict[str, Json] = {"is owner": mine, "owners": len(owners)}
    if mine and not _others(leaver, owners):
        return Look(reached=False, read_back=shown, refuse=_NOBODY_ELSE)
    keys = leaver.graph.get(_keys_of(leaver, holding.native_id)) if mine else {}
    if _secrets(leaver, Owned(holding.native_id, ""), keys):
        until = leaver.now() + leaver.settings.patience
        return Look(reached=False, read_back=shown, wait=(_SECRETS_FIRST, until))
    path = f"/{holding.native_id}/owners/{segment(leaver.id)}/$ref"
    return Look(not mine, shown, lambda: [leaver.graph.raw("DELETE", path)])


def _restore_owned(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    return [take(leaver, one, partial(_look_owned, leaver, one)) for one in holdings]


def _look_owned(leaver: Leaver, holding: Holding) -> Look:
    owners = listed(leaver.graph, _owners_of(leaver, holding.native_id))
    there = any(text(row, "id") == leaver.id for row in owners)
    return _adding(leaver, holding, leaver.id, there=there)


# ----------------------------------------------------------------------------------- the card


def _card_grants(_settings: Settings) -> RowCard:
    return RowCard(
        (
            Support(CONSENT, _TAKE, rights=("DelegatedPermissionGrant.ReadWrite.All",)),
            Support(APP_ROLE, _TAKE, rights=("AppRoleAssignment.ReadWrite.All",)),
        ),
        notes=(_PROVISIONED,),
    )


def _card_owned(_settings: Settings) -> RowCard:
    return RowCard(
        (
            Support(
                OWNERSHIP,
                _TAKE | {Stage.TRANSFER},
                rights=("Application.ReadWrite.All",),
            ),
            Support(
                SECRET,
                frozenset(),
                revokes=Strength.NEVER,
                rights=("Application.Read.All",),
                duty="Change the secret with the new owner of the application.",
            ),
        ),
        notes=(_KNOWN,),
    )


GRANTED: Final = Row(
    "consents and app roles", frozenset({CONSENT, APP_ROLE}), _card_grants, _read_grants,
    revoke=_revoke_grants, restore=_restore_grants,
)  # fmt: skip
OWNED: Final = Row(
    "owned applications", frozenset({OWNERSHIP, SECRET}), _card_owned, _read_owned,
    revoke=_revoke_owned, restore=_restore_owned, transfer=_transfer,
)  # fmt: skip
