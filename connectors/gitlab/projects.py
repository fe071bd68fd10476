"""Rows 1.3 and 2.2: projects in the person's own namespace, and their personal snippets.

Kept by GitLab's own export, which is asked for and then fetched; moved to the successor's
namespace. Never deleted: what the person made on company time stays until somebody decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Final
from urllib.parse import quote

from connectors.contract import (
    Account,
    Effect,
    Export,
    Holding,
    Json,
    Stage,
    Support,
    kind,
)
from connectors.faults import Malformed, Missing, Transient
from connectors.gitlab.answers import Object, number, part, text
from connectors.gitlab.archive import ArchiveProof
from connectors.gitlab.memberships import PROJECT, is_theirs
from connectors.gitlab.rows import Leaver, Row, RowCard, RowReading, ids, place_name, seen
from connectors.gitlab.settings import Feature, Settings
from connectors.gitlab.steps import Look, Write, take, there

REPOSITORY: Final = kind("data.repository")
SNIPPET: Final = kind("data.snippet")
_AT_WORK: Final = frozenset({"queued", "started", "regeneration_in_progress"})
_EXPORT_TAKES: Final = timedelta(minutes=1)
_MOVE_DUTY: Final = (
    "GitLab refuses the move: container images, a project of the same path at the successor's, or "
    "packages hold it. Copy or delete the images (GET /projects/{project}/registry/repositories), "
    "rename what is in the way, then it is tried again"
)


def _card(settings: Settings) -> RowCard:
    preserve = frozenset({Stage.PRESERVE})
    rights = ("owner of the project, or an administrator",)
    supports = [Support(REPOSITORY, preserve, rights=rights)]
    if settings.has(Feature.SNIPPETS):
        supports.append(Support(SNIPPET, preserve, rights=("administrator or auditor",)))
    return RowCard(
        supports=tuple(supports),
        notes=(
            "An export holds no variables, webhooks, tokens, job logs, images or approvers.",
            "A deletion that the leaver scheduled is undone by GitLab when the block comes first.",
        ),
    )


def _read(leaver: Leaver) -> RowReading:
    own = [one for one in leaver.projects if is_theirs(leaver, one)]
    holdings = [_ownership(leaver, one) for one in own]
    holdings += [
        leaver.holding(
            REPOSITORY,
            f"repository:{number(one, 'id')}",
            place_name(one),
            restore={"project": number(one, "id")},
        )
        for one in own
    ]
    return RowReading(tuple(holdings)) + _snippets(leaver)


def _ownership(leaver: Leaver, project: Object) -> Holding:
    fork = part(project, "forked_from_project")
    words = f" (fork of {place_name(fork)})" if fork else ""
    image: dict[str, Json] = {"namespace": number(part(project, "namespace"), "id")}
    return leaver.holding(
        PROJECT,
        f"personal:{number(project, 'id')}",
        f"{place_name(project)}{words}",
        sole=True,  # a personal namespace has one owner
        restore=image,
    )


def _snippets(leaver: Leaver) -> RowReading:
    if leaver.settings.owner or not leaver.settings.has(Feature.SNIPPETS):
        return RowReading()
    query = {"created_after": text(leaver.user, "created_at")}
    (answer,) = leaver.gitlab.gather([("/snippets/all", query if query["created_after"] else None)])
    rows, gaps = seen(answer, "snippets", "an administrator or auditor")
    mine = [
        leaver.holding(SNIPPET, f"snippet:{number(one, 'id')}", text(one, "title"))
        for one in rows
        if part(one, "author").get("id") == leaver.id and not one.get("project_id")
    ]
    return RowReading(tuple(mine), gaps)


# ------------------------------------------------------------------------------------- moving


def _transfer(leaver: Leaver, holdings: Sequence[Holding], successor: Account) -> Sequence[Effect]:
    who = leaver.gitlab.get(f"/users/{int(successor.native_id)}")
    home = number(who, "namespace_id")
    return [_move(leaver, one, home) for one in holdings]


def _move(leaver: Leaver, holding: Holding, namespace: int) -> Effect:
    if holding.kind != PROJECT:
        moved = Look(reached=False, refuse="it moves with its project")
        return take(leaver, holding, lambda: moved)
    duty = _MOVE_DUTY.format(project=ids(holding)[0])
    return take(leaver, holding, partial(_look_moved, leaver, holding, namespace), duty=duty)


def _look_moved(leaver: Leaver, holding: Holding, namespace: int) -> Look:
    """A second move to where it is answers 400, so where it is is looked at first."""
    path = f"/projects/{ids(holding)[0]}"
    project = there(leaver.gitlab, path)
    if project is None:
        return Look(reached=True, read_back={"project": "absent"})
    home = part(project, "namespace").get("id")
    body: dict[str, Json] = {"namespace": namespace}
    return Look(
        home == namespace,
        {"moved": home == namespace},
        lambda: [Write("put", f"{path}/transfer", body)],
    )


def _restore(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    """Move projects back; repositories and snippets were only copied, and lie where they lay."""
    return [_move_back(leaver, one) for one in holdings]


def _move_back(leaver: Leaver, holding: Holding) -> Effect:
    if holding.kind != PROJECT:
        return take(leaver, holding, lambda: Look(reached=True))
    return _move(leaver, holding, number(holding.restore, "namespace"))


def _stays(leaver: Leaver, holdings: Sequence[Holding]) -> Sequence[Effect]:
    """A personal project has one owner: it is moved, never left (Law 5)."""
    words = "it is in the person's own namespace: hand it over first"
    return [take(leaver, one, partial(_look_there, leaver, one, words)) for one in holdings]


def _look_there(leaver: Leaver, holding: Holding, words: str) -> Look:
    project = there(leaver.gitlab, f"/projects/{ids(holding)[0]}")
    return Look(project is None or not is_theirs(leaver, project), refuse=words)


# ------------------------------------------------------------------------------------ keeping


def _export(leaver: Leaver, holdings: Sequence[Holding]) -> Iterator[Export]:
    """Ask for every export first, then stream those that are there.

    Raises :class:`Transient` while GitLab works on one: nothing is kept before all can be.
    """
    projects = [ids(one)[0] for one in holdings if one.kind == REPOSITORY]
    waiting = [one for one in projects if not _is_ready(leaver, one)]
    if waiting:
        raise Transient(
            f"GitLab makes {len(waiting)} exports", code="gitlab:export", retry_after=_EXPORT_TAKES
        )
    for one in projects:
        yield Export(f"projects/{one}.tar.gz", "application/gzip", _archive(leaver, one))
    for holding in holdings:
        if holding.kind == SNIPPET:
            key = ids(holding)[0]
            content = leaver.gitlab.text(f"/snippets/{key}/raw")
            yield Export(f"snippets/{key}.txt", "text/plain", iter([content or b"\n"]))


def _is_ready(leaver: Leaver, project: int) -> bool:
    """Say whether an export is finished; ask for one when there is none or it failed."""
    status = text(leaver.gitlab.get(f"/projects/{project}/export"), "export_status")
    if status == "finished":
        return True
    if status not in _AT_WORK:
        _ask(leaver, project)
    return False


def _ask(leaver: Leaver, project: int) -> None:
    leaver.gitlab.send("post", f"/projects/{project}/export")


def _archive(leaver: Leaver, project: int) -> Iterator[bytes]:
    """Stream one archive and prove it on the way. Raises faults at its end, before it counts."""
    proof = ArchiveProof()
    for chunk in leaver.gitlab.download(f"/projects/{project}/export/download"):
        proof.take(chunk)
        yield chunk
    proof.finish()
    commit = _commit(leaver, project)
    if commit and not proof.names(commit):
        # An old export is "finished" like a new one (python-gitlab issue 1136): make another.
        _ask(leaver, project)
        raise Transient(
            "the export is older than the repository",
            code="gitlab:stale-export",
            retry_after=_EXPORT_TAKES,
        )


def _commit(leaver: Leaver, project: int) -> str:
    """Return the commit of the default branch now; empty for a repository without one."""
    branch = text(leaver.gitlab.get(f"/projects/{project}"), "default_branch")
    if not branch:
        return ""
    path = f"/projects/{project}/repository/branches/{quote(branch, safe='')}"
    try:
        commit = text(part(leaver.gitlab.get(path), "commit"), "id")
    except Missing:
        return ""  # a project that was never pushed to
    if not commit:
        raise Malformed("a branch without a commit", code="gitlab:shape")
    return commit


ROW: Final = Row(
    "personal projects and snippets",
    frozenset({"personal", "repository", "snippet"}),
    _card,
    _read,
    revoke=_stays,
    transfer=_transfer,
    restore=_restore,
    export=_export,
    absent=lambda settings: settings.owner,
)
