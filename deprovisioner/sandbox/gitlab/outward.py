"""What a project or group sends elsewhere: webhooks, integrations, mirrors, pages, images.

None of it says who made it. Secrets and the values of custom headers are never shown.
"""

from deprovisioner.sandbox.gitlab.errors import not_found
from deprovisioner.sandbox.gitlab.routing import (
    ADMINISTRATOR,
    MAINTAINER,
    NOTHING,
    OWNER,
    REPORTER,
    Answer,
    Call,
    Handler,
    Listing,
    Reply,
    in_group,
    in_project,
    routes,
)
from deprovisioner.sandbox.gitlab.showing import (
    change,
    found,
    listing,
    parent_of,
    removal,
    show,
    shown,
    single,
)
from deprovisioner.sandbox.gitlab.store import Record, Table

_CHANGEABLE = frozenset(
    {"url", "name", "description", "push_events", "tag_push_events", "merge_requests_events",
     "issues_events", "enable_ssl_verification"}
)  # fmt: skip


def _system(call: Call, key: int) -> Record:
    return found(call.world.truth, Table.HOOKS, key, "", _project=None, _group=None)


def _system_hooks(call: Call) -> Reply:
    return Listing(call.view.where(Table.HOOKS, _project=None, _group=None), show(call))


def _system_hook_changed(call: Call) -> Reply:
    row = _system(call, call.number("hook"))
    given = {name: value for name, value in call.body.items() if name in _CHANGEABLE}
    return Answer(200, shown(call.view, call.world.store.change(Table.HOOKS, row["id"], **given)))


def _system_hook_removed(call: Call) -> Reply:
    call.world.store.drop(Table.HOOKS, _system(call, call.number("hook"))["id"])
    return NOTHING


def _integrations(call: Call) -> Reply:
    """List the integrations that are switched on; the list is not paged."""
    rows = call.view.where(Table.INTEGRATIONS, _project=call.parent["id"])
    return Listing([row for row in rows if row["active"]], show(call), paged=False)


def _pull_mirror(call: Call) -> Reply:
    row = call.view.first(Table.PULL_MIRRORS, _project=call.parent["id"])
    if row is None:
        raise not_found("Pull Mirror")
    return Answer(200, shown(call.view, row))


def _domains(call: Call) -> Reply:
    return Listing(call.view.every(Table.PAGES_DOMAINS), _domain_of_instance)


def _domain_of_instance(row: Record) -> Record:
    return {"domain": row["domain"], "url": row["url"], "project_id": row["_project"]}


def _domains_here(call: Call) -> Reply:
    rows = call.view.where(Table.PAGES_DOMAINS, **parent_of(call))
    return Listing(rows, lambda row: {"domain": row["domain"], "url": row["url"]})


def _domain_removed(call: Call) -> Reply:
    for row in call.world.truth.where(Table.PAGES_DOMAINS, **parent_of(call)):
        if row["domain"] == call.path["domain"]:
            call.world.store.drop(Table.PAGES_DOMAINS, row["id"])
            return NOTHING
    raise not_found("PagesDomain")


def _hooks(at: str) -> tuple[tuple[str, str, Handler], ...]:
    table = Table.HOOKS
    return (
        ("GET", f"{at}/hooks", listing(table)),
        ("GET", f"{at}/hooks/{{hook}}", single(table, "hook", "")),
        ("PUT", f"{at}/hooks/{{hook}}", change(table, "hook", "", _CHANGEABLE)),
        ("DELETE", f"{at}/hooks/{{hook}}", removal(table, "hook", "")),
    )


ROUTES = (
    *routes(
        ADMINISTRATOR,
        ("GET", "/hooks", _system_hooks),
        ("PUT", "/hooks/{hook}", _system_hook_changed),
        ("DELETE", "/hooks/{hook}", _system_hook_removed),
        ("GET", "/pages/domains", _domains),
    ),
    *routes(in_group(OWNER), *_hooks("/groups/{group}")),
    *routes(
        in_project(REPORTER),
        ("GET", "/projects/{project}/registry/repositories", listing(Table.REGISTRY)),
    ),
    *routes(
        in_project(MAINTAINER),
        *_hooks("/projects/{project}"),
        ("GET", "/projects/{project}/integrations", _integrations),
        ("GET", "/projects/{project}/remote_mirrors", listing(Table.REMOTE_MIRRORS)),
        (
            "DELETE",
            "/projects/{project}/remote_mirrors/{mirror}",
            removal(Table.REMOTE_MIRRORS, "mirror", "Remote Mirror"),
        ),
        ("GET", "/projects/{project}/mirror/pull", _pull_mirror),
        ("GET", "/projects/{project}/pages/domains", _domains_here),
        ("DELETE", "/projects/{project}/pages/domains/{domain}", _domain_removed),
        (
            "DELETE",
            "/projects/{project}/registry/repositories/{repository}",
            removal(Table.REGISTRY, "repository", "Container Repository"),
        ),
    ),
)
