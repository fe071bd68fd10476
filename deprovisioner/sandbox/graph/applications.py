"""Applications and service principals: owners, secrets, certificates, federated credentials.

The rules kept: an owner can make secrets, so ownership is a credential; the value of a secret is
shown once and never again; a key that is gone is a 400. Agent identities are service principals
of their own type: `agents`.
"""

from collections.abc import Callable
from datetime import timedelta

from deprovisioner.sandbox.graph import objects
from deprovisioner.sandbox.graph.errors import bad_request, not_found
from deprovisioner.sandbox.graph.query import Typed
from deprovisioner.sandbox.graph.routing import Answer, Call, Item, Listing, Reply, Route, routes
from deprovisioner.sandbox.graph.store import Link, Record, Table
from deprovisioner.sandbox.graph.vocabulary import (
    APPLICATION,
    DIRECTORY_OBJECT,
    SERVICE_PRINCIPAL,
    Kind,
    kind_of,
)
from deprovisioner.sandbox.graph.wording import words

FEDERATED = Kind(
    "federatedIdentityCredential", words("audiences description id issuer name subject")
)
_SECRET_LIFE = timedelta(days=730)
_KINDS = {Table.APPLICATIONS: APPLICATION, Table.SERVICE_PRINCIPALS: SERVICE_PRINCIPAL}
_CREDENTIALS = words("passwordCredentials keyCredentials")
_CHANGEABLE = {
    Table.APPLICATIONS: words("displayName description notes tags") | _CREDENTIALS,
    Table.SERVICE_PRINCIPALS: words("accountEnabled notes tags") | _CREDENTIALS,
}


def _list(table: Table) -> Callable[[Call], Reply]:
    def listed(call: Call) -> Reply:
        items = objects.of_table(call.view, table)
        if table is Table.APPLICATIONS:
            return Listing(APPLICATION, items, table.value)
        # Agent identities stand among the service principals, as what they are.
        plain = [Typed(SERVICE_PRINCIPAL, item.record) for item in items]
        return Listing(SERVICE_PRINCIPAL, plain, table.value)

    return listed


def _get(table: Table) -> Callable[[Call], Reply]:
    def shown(call: Call) -> Reply:
        found = objects.record(call.view, table, call.path["app"])
        kind = kind_of(table, found)
        mixed = kind not in _KINDS.values()
        return Item(Typed(kind, found), f"{table.value}/$entity", mixed=mixed)

    return shown


def _patch(table: Table) -> Callable[[Call], Reply]:
    def patched(call: Call) -> Reply:
        old = objects.record(call.world.truth, table, call.path["app"])
        changes = {name: value for name, value in call.body.items() if name != "@odata.type"}
        if not changes or not _CHANGEABLE[table].issuperset(changes):
            raise bad_request("The payload holds nothing that can be changed.")
        for name in _CREDENTIALS.intersection(changes):
            changes[name] = _kept(old, name, changes[name])
        call.world.store.change(table, old["id"], **changes)
        return Answer(204)

    return patched


def _kept(old: Record, name: str, wanted: object) -> list[Record]:
    """Return the credentials that stay; a PATCH may leave some out and make none."""
    if not isinstance(wanted, list):
        raise bad_request(f"Invalid value specified for property '{name}'.")
    known = {row["keyId"]: row for row in old.get(name, ())}
    ids = [row.get("keyId") if isinstance(row, dict) else None for row in wanted]
    if any(key not in known for key in ids):
        raise bad_request(f"New values for property '{name}' are not accepted here.")
    return [known[key] for key in ids if key in known]


def _owners(table: Table) -> Callable[[Call], Reply]:
    def listed(call: Call) -> Reply:
        found = objects.record(call.view, table, call.path["app"])
        items = objects.typed(call.view, call.view.targets(Link.OWNER, found["id"]))
        return Listing(DIRECTORY_OBJECT, items, "directoryObjects", mixed=True)

    return listed


def _add_owner(table: Table) -> Callable[[Call], Reply]:
    def added(call: Call) -> Reply:
        found = objects.record(call.world.truth, table, call.path["app"])
        objects.add_link(call, Link.OWNER, found["id"], objects.referred(call))
        return Answer(204)

    return added


def _remove_owner(table: Table) -> Callable[[Call], Reply]:
    def removed(call: Call) -> Reply:
        found = objects.record(call.world.truth, table, call.path["app"])
        objects.remove_link(call, Link.OWNER, found["id"], call.path["owner"])
        return Answer(204)

    return removed


# ---------------------------------------------------------------------------------- credentials


def _add_password(table: Table) -> Callable[[Call], Reply]:
    def added(call: Call) -> Reply:
        old = objects.record(call.world.truth, table, call.path["app"])
        wanted = call.body.get("passwordCredential") or {}
        secret, now = call.world.new_secret(), call.world.now
        credential: Record = {
            "keyId": call.world.new_id(),
            "displayName": wanted.get("displayName"),
            "startDateTime": objects.stamp(now),
            "endDateTime": wanted.get("endDateTime") or objects.stamp(now + _SECRET_LIFE),
            "hint": secret[:3],
            "customKeyIdentifier": None,
            "secretText": None,
        }
        credentials = [*old.get("passwordCredentials", ()), credential]
        call.world.store.change(table, old["id"], passwordCredentials=credentials)
        context = f"{call.world.base_url}/$metadata#microsoft.graph.passwordCredential"
        return Answer(200, {"@odata.context": context, **credential, "secretText": secret})

    return added


def _remove_credential(table: Table, name: str, word: str) -> Callable[[Call], Reply]:
    def removed(call: Call) -> Reply:
        old = objects.record(call.world.truth, table, call.path["app"])
        key = call.text("keyId")
        if word == "key":
            _check_proof(call)
        left = [row for row in old.get(name, ()) if row["keyId"] != key]
        if len(left) == len(old.get(name, ())):
            raise bad_request(f"No {word} credential found with keyId {key}.")
        call.world.store.change(table, old["id"], **{name: left})
        return Answer(204)

    return removed


def _check_proof(call: Call) -> None:
    """A certificate goes only with a token signed by one that the application has."""
    if call.text("proof").count(".") != 2:
        raise bad_request("Access Token missing or malformed.", "Authentication_MissingOrMalformed")


def _federated(call: Call) -> Reply:
    found = objects.record(call.view, Table.APPLICATIONS, call.path["app"])
    rows = call.view.where(Table.FEDERATED_CREDENTIALS, _application=found["id"])
    context = f"applications('{found['id']}')/federatedIdentityCredentials"
    return Listing(FEDERATED, [Typed(FEDERATED, row) for row in rows], context)


def _remove_federated(call: Call) -> Reply:
    found = call.world.truth.get(Table.FEDERATED_CREDENTIALS, call.path["credential"])
    if found is None or found["_application"] != call.path["app"]:
        raise not_found(call.path["credential"])
    call.world.store.drop(Table.FEDERATED_CREDENTIALS, found["id"])
    return Answer(204)


_READ = "Application.Read.All Application.ReadWrite.All Directory.Read.All Directory.ReadWrite.All"
_WRITE = "Application.ReadWrite.All Directory.ReadWrite.All"


def _rows(table: Table) -> tuple[Route, ...]:
    base = f"/{table.value}"
    one = f"{base}/{{app}}"
    remove = _remove_credential(table, "passwordCredentials", "password")
    return (
        *routes(
            _READ,
            ("GET", base, _list(table)),
            ("GET", one, _get(table)),
            ("GET", f"{one}/owners", _owners(table)),
        ),
        *routes(
            _WRITE,
            ("PATCH", one, _patch(table)),
            ("POST", f"{one}/owners/$ref", _add_owner(table)),
            ("DELETE", f"{one}/owners/{{owner}}/$ref", _remove_owner(table)),
            ("POST", f"{one}/addPassword", _add_password(table)),
            ("POST", f"{one}/removePassword", remove),
        ),
    )


ROUTES: tuple[Route, ...] = (
    *_rows(Table.APPLICATIONS),
    *_rows(Table.SERVICE_PRINCIPALS),
    *routes(
        _WRITE,
        (
            "POST",
            "/applications/{app}/removeKey",
            _remove_credential(Table.APPLICATIONS, "keyCredentials", "key"),
        ),
        (
            "DELETE",
            "/applications/{app}/federatedIdentityCredentials/{credential}",
            _remove_federated,
        ),
    ),
    *routes(_READ, ("GET", "/applications/{app}/federatedIdentityCredentials", _federated)),
)
