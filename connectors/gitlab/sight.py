"""What proves that a read could see: the canary, read with the same token (Law 2).

Called before every survey, search and list. The canary is a blocked user that exists on purpose:
that its e-mail address is shown proves that we are still an administrator, that its project is in
the list of projects proves that the list shows what it should.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from connectors.contract import Canary, Credential, ReadEnd
from connectors.faults import Fault, Missing
from connectors.gitlab.answers import Object, number, text
from connectors.gitlab.session import GitLab, Query
from connectors.gitlab.settings import Settings

NAME: Final = "canary user"
TOO_MANY: Final = "projects beyond max_projects (raise it in the settings)"


def user_path(settings: Settings, user: int | str) -> str:
    """Where one user is read: as a member of our group where we only own that."""
    return f"/groups/{settings.group}/members/all/{user}" if settings.owner else f"/users/{user}"


def canary_of(settings: Settings, answer: Object | Fault) -> Canary:
    """Judge the canary's own object. Raises every fault but absence."""
    if isinstance(answer, Fault):
        if isinstance(answer, Missing):
            return Canary(NAME, seen=False)
        raise answer
    wanted = settings.canary
    named = answer.get("id") == wanted.id and text(answer, "username") == wanted.username
    shown = settings.owner or text(answer, "email").casefold() == wanted.email.casefold()
    return Canary(NAME, seen=named and shown)


def canary(gitlab: GitLab) -> Canary:
    """Read the canary now. Raises faults."""
    settings = gitlab.settings
    path = user_path(settings, settings.canary.id)
    return canary_of(settings, gitlab.objects([(path, None)])[0])


def projects(gitlab: GitLab) -> tuple[tuple[Object, ...], tuple[str, ...]]:
    """Read every project that our token sees, with gaps when the canary's is not among them."""
    settings = gitlab.settings
    if settings.owner:
        path = f"/groups/{settings.group}/projects"
        query: Query = {
            "include_subgroups": True,
            "with_shared": False,
            "order_by": "id",
            "sort": "asc",
        }
        pages = gitlab.pages(path, query)
    else:
        pages = gitlab.pages("/projects", {"order_by": "id", "sort": "asc"}, large=True)
    found: list[Object] = []
    for page in pages:
        found += page
        if len(found) > settings.max_projects:
            return tuple(found[: settings.max_projects]), (TOO_MANY,)
    known = any(one.get("id") == settings.canary.project for one in found)
    return tuple(found), () if known else ("projects (the canary's project is not shown)",)


def groups(gitlab: GitLab) -> tuple[Object, ...]:
    """Read every group that our token sees. Raises faults."""
    settings = gitlab.settings
    if not settings.owner:
        query: Query = {"all_available": True, "order_by": "id", "sort": "asc"}
        return tuple(gitlab.every("/groups", query))
    top = gitlab.get(f"/groups/{settings.group}")
    return (top, *gitlab.every(f"/groups/{number(top, 'id')}/descendant_groups"))


def end(
    gitlab: GitLab, credential: Credential, canary: Canary, gaps: Iterable[str] = ()
) -> ReadEnd:
    """Close a read that came to its last page."""
    return ReadEnd(
        complete=True,
        canary=canary,
        read_at=gitlab.clock(),
        credential=credential,
        gaps=tuple(dict.fromkeys(gaps)),
    )


def canary_is_member(settings: Settings, memberships: Sequence[Object] | Fault) -> tuple[str, ...]:
    """Judge the canary's memberships: its project must be among them."""
    if isinstance(memberships, Fault):
        if isinstance(memberships, Missing):
            return ("memberships of the canary (needs an administrator)",)
        raise memberships
    shown = any(one.get("source_id") == settings.canary.project for one in memberships)
    return () if shown else ("memberships of the canary (needs an administrator)",)
