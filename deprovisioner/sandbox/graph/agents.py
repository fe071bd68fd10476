"""Agent identities and guests, and who answers for them: sponsors.

A leaver's agents keep running and a leaver's guests keep their access, so both are handed over or
switched off. In v1.0 an agent's sponsors are reached under its own type only; on a plain service
principal the segment does not exist.
"""

from deprovisioner.sandbox.graph import objects
from deprovisioner.sandbox.graph.errors import bad_request, not_found
from deprovisioner.sandbox.graph.query import Typed
from deprovisioner.sandbox.graph.routing import Answer, Call, Item, Listing, Reply, Route, routes
from deprovisioner.sandbox.graph.store import Link, Record, Table, View
from deprovisioner.sandbox.graph.vocabulary import AGENT_IDENTITY, DIRECTORY_OBJECT, Kind
from deprovisioner.sandbox.graph.wording import words

INVITATION = Kind(
    "invitation",
    words(
        "id inviteRedeemUrl inviteRedirectUrl invitedUserDisplayName invitedUserEmailAddress "
        "invitedUserType sendInvitationMessage status invitedUser"
    ),
)


def _agent(view: View, call: Call) -> Record:
    """Return an agent identity, or the blueprint that agents are made from."""
    table = Table.SERVICE_PRINCIPALS if "agent" in call.path else Table.APPLICATIONS
    key = call.path.get("agent") or call.path["blueprint"]
    found = objects.record(view, table, key)
    if not found.get("_agent"):
        raise not_found(key)
    return found


def _list(call: Call) -> Reply:
    items = [
        item
        for item in objects.of_table(call.view, Table.SERVICE_PRINCIPALS)
        if item.kind is AGENT_IDENTITY
    ]
    context = "servicePrincipals/microsoft.graph.agentIdentity"
    return Listing(AGENT_IDENTITY, items, context)


def _switch(call: Call) -> Reply:
    found = _agent(call.world.truth, call)
    changes = {name: value for name, value in call.body.items() if name != "@odata.type"}
    if set(changes) != {"accountEnabled"} or not isinstance(changes["accountEnabled"], bool):
        raise bad_request("Only accountEnabled of an agent identity can be changed here.")
    call.world.store.change(Table.SERVICE_PRINCIPALS, found["id"], **changes)
    return Answer(204)


def _sponsors(call: Call) -> Reply:
    found = _agent(call.view, call)
    items = objects.typed(call.view, call.view.targets(Link.SPONSOR, found["id"]))
    return Listing(DIRECTORY_OBJECT, items, "directoryObjects", mixed=True)


def _add_sponsor(call: Call) -> Reply:
    found = _agent(call.world.truth, call)
    objects.add_link(call, Link.SPONSOR, found["id"], objects.referred(call))
    return Answer(204)


def _remove_sponsor(call: Call) -> Reply:
    found, key = _agent(call.world.truth, call), call.path["sponsor"]
    if call.world.truth.targets(Link.SPONSOR, found["id"]) == [key]:
        raise bad_request("An agent identity must have at least one sponsor.")
    objects.remove_link(call, Link.SPONSOR, found["id"], key)
    return Answer(204)


def _sponsor_of(call: Call) -> Reply:
    key = objects.user(call.view, call.path["user"])["id"]
    items = objects.typed(call.view, call.view.sources(Link.SPONSOR, key))
    return Listing(DIRECTORY_OBJECT, items, "directoryObjects", mixed=True)


def _user_sponsors(call: Call) -> Reply:
    key = objects.user(call.view, call.path["user"])["id"]
    items = objects.typed(call.view, call.view.targets(Link.SPONSOR, key))
    return Listing(DIRECTORY_OBJECT, items, "directoryObjects", mixed=True)


def _add_user_sponsor(call: Call) -> Reply:
    key = objects.user(call.world.truth, call.path["user"])["id"]
    objects.add_link(call, Link.SPONSOR, key, objects.referred(call))
    return Answer(204)


def _remove_user_sponsor(call: Call) -> Reply:
    key = objects.user(call.world.truth, call.path["user"])["id"]
    objects.remove_link(call, Link.SPONSOR, key, call.path["sponsor"])
    return Answer(204)


def _invite(call: Call) -> Reply:
    mail, redirect = call.text("invitedUserEmailAddress"), call.text("inviteRedirectUrl")
    key, now = call.world.new_id(), call.world.now
    user: Record = {
        "id": key,
        "userPrincipalName": f"{mail.replace('@', '_')}#EXT#@example.com",
        "displayName": call.body.get("invitedUserDisplayName") or mail,
        "mail": mail,
        "mailNickname": mail.partition("@")[0],
        "accountEnabled": True,
        "userType": "Guest",
        "creationType": "Invitation",
        "externalUserState": "PendingAcceptance",
        "createdDateTime": objects.stamp(now),
        "signInSessionsValidFromDateTime": objects.stamp(now),
        "businessPhones": [],
        "otherMails": [mail],
        "proxyAddresses": [f"SMTP:{mail}"],
    }
    call.world.store.put(Table.USERS, user)
    record: Record = {
        "id": call.world.new_id(),
        "inviteRedirectUrl": redirect,
        "inviteRedeemUrl": f"{call.world.base_url}/redeem",
        "invitedUserEmailAddress": mail,
        "invitedUserDisplayName": user["displayName"],
        "invitedUserType": "Guest",
        "sendInvitationMessage": bool(call.body.get("sendInvitationMessage")),
        "status": "PendingAcceptance",
        "invitedUser": {"id": key},
    }
    return Item(Typed(INVITATION, record), "invitations/$entity", status=201)


def _sponsor_rows(one: str, permission: str) -> tuple[Route, ...]:
    return (
        *routes(
            "Application.Read.All Application.ReadWrite.All AgentIdentity.Read.All",
            ("GET", one, _sponsors),
        ),
        *routes(
            permission,
            ("POST", f"{one}/$ref", _add_sponsor),
            ("DELETE", f"{one}/{{sponsor}}/$ref", _remove_sponsor),
        ),
    )


_CAST = "/servicePrincipals/{agent}/%s.agentIdentity/sponsors"
_BLUEPRINTS = "/applications/microsoft.graph.agentIdentityBlueprint/{blueprint}/sponsors"
_UPDATE = "AgentIdentity.UpdateSponsors.All"

ROUTES: tuple[Route, ...] = (
    *_sponsor_rows(_CAST % "graph", _UPDATE),
    *_sponsor_rows(_CAST % "microsoft.graph", _UPDATE),
    *_sponsor_rows(_BLUEPRINTS, "AgentIdentityBlueprint.UpdateSponsors.All"),
    *routes(
        "Application.Read.All Application.ReadWrite.All AgentIdentity.Read.All",
        ("GET", "/servicePrincipals/graph.agentIdentity", _list),
        ("GET", "/servicePrincipals/microsoft.graph.agentIdentity", _list),
    ),
    *routes(
        "AgentIdentity.EnableDisable.All AgentIdentity.ReadWrite.All",
        ("PATCH", "/servicePrincipals/microsoft.graph.agentIdentity/{agent}", _switch),
    ),
    *routes(
        "User.Read.All User.ReadWrite.All",
        ("GET", "/users/{user}/sponsorOf", _sponsor_of),
        ("GET", "/users/{user}/sponsors", _user_sponsors),
    ),
    *routes(
        "User.ReadWrite.All",
        ("POST", "/users/{user}/sponsors/$ref", _add_user_sponsor),
        ("DELETE", "/users/{user}/sponsors/{sponsor}/$ref", _remove_user_sponsor),
    ),
    *routes(
        "User.Invite.All User.ReadWrite.All Directory.ReadWrite.All",
        ("POST", "/invitations", _invite),
    ),
)
