"""Exports of projects and groups: asked for, queued, started, finished, kept for a day.

There is no id of an export, and `created_at` is the project's: what was finished before and what
was asked for now look the same. The archive names the commit of the instant at which it was made.
"""

import gzip
import hashlib
import io
import json
import tarfile

from deprovisioner.sandbox.gitlab.errors import not_found
from deprovisioner.sandbox.gitlab.routing import (
    MAINTAINER,
    OWNER,
    Answer,
    Call,
    Reply,
    World,
    in_group,
    in_project,
    routes,
)
from deprovisioner.sandbox.gitlab.showing import shown
from deprovisioner.sandbox.gitlab.store import Record, Table, View

_NAMES = (
    "id", "description", "name", "name_with_namespace", "path", "path_with_namespace", "created_at",
)  # fmt: skip


def _of(view: View, kind: str, key: int) -> Record | None:
    return view.first(Table.EXPORTS, _kind=kind, _of=key)


def _asked(call: Call) -> Reply:
    """Queue an export; one that is finished stays until the new one is."""
    world, key = call.world, call.parent["id"]
    world.limits.charge("exports", call.caller.id, world.limits.exports)
    row = _of(world.truth, "project", key)
    if row is None:
        row = world.store.add(
            Table.EXPORTS, _kind="project", _of=key, status="none", archive=None, asked=0
        )
    again = row["status"] == "finished"
    number = row["asked"] + 1
    status = "regeneration_in_progress" if again else "queued"
    world.store.change(Table.EXPORTS, row["id"], status=status, asked=number)
    world.agenda.after(
        world.delays.export_start, lambda: _started(world, row["id"], number, stuck=call.is_stuck)
    )
    return Answer(202, {"message": "202 Accepted"})


def _started(world: World, key: int, number: int, *, stuck: bool) -> None:
    row = world.truth.get(Table.EXPORTS, key)
    if row is None or row["asked"] != number:
        return
    if row["status"] == "queued":
        world.store.change(Table.EXPORTS, key, status="started")
    world.agenda.after(world.delays.export, lambda: _finished(world, key, number, stuck=stuck))


def _finished(world: World, key: int, number: int, *, stuck: bool) -> None:
    row = world.truth.get(Table.EXPORTS, key)
    project = world.truth.get(Table.PROJECTS, row["_of"]) if row else None
    if row is None or project is None or row["asked"] != number:
        return
    if stuck:
        world.store.change(Table.EXPORTS, key, status="none", archive=None)
        return
    made = archive(world.truth, project)
    world.store.change(Table.EXPORTS, key, status="finished", archive=made)
    world.agenda.after(world.delays.export_kept, lambda: _expired(world, key, number))


def _expired(world: World, key: int, number: int) -> None:
    row = world.truth.get(Table.EXPORTS, key)
    if row is not None and row["asked"] == number:
        world.store.change(Table.EXPORTS, key, status="none", archive=None)


def archive(view: View, project: Record) -> bytes:
    """Return a project as a gzipped tar, in the form of GitLab's own exports."""
    shown_now = {name: project[name] for name in _NAMES}
    issues = [shown(view, row) for row in view.where(Table.ISSUES, _project=project["id"])]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in issues)
    files = {
        "GITLAB_VERSION": b"19.2.0-ee",
        "VERSION": b"0.2.4",
        "project.bundle": _bundle(project),
        "tree/project.json": json.dumps(shown_now, ensure_ascii=False).encode(),
        "tree/project/issues.ndjson": lines.encode(),
    }
    return packed(files)


def packed(files: dict[str, bytes]) -> bytes:
    """Return files as a gzipped tar, the same for the same content."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), mtime=0)


def _bundle(project: Record) -> bytes:
    """Return a bundle (gitformat-bundle) that names the head and holds an empty pack."""
    head = f"# v2 git bundle\n{project['_commit']} refs/heads/{project['default_branch']}\n\n"
    pack = b"PACK" + (2).to_bytes(4) + (0).to_bytes(4)
    return head.encode() + pack + hashlib.sha1(pack, usedforsecurity=False).digest()


def _status(call: Call) -> Reply:
    row = _of(call.view, "project", call.parent["id"])
    status = row["status"] if row else "none"
    out = {**{name: call.parent[name] for name in _NAMES}, "export_status": status}
    if status in {"finished", "regeneration_in_progress"}:
        at = f"{call.world.url}/api/v4/projects/{call.parent['id']}/export/download"
        out["_links"] = {"api_url": at, "web_url": f"{call.parent['web_url']}/download_export"}
    return Answer(200, out)


def _download(call: Call) -> Reply:
    kind = "project" if "project" in call.path else "group"
    limits = call.world.limits
    limits.charge("downloads", call.caller.id, limits.downloads)
    row = _of(call.world.truth, kind, call.parent["id"])
    if row is None or row["archive"] is None:
        raise not_found("File")
    name = f"{call.parent['path']}_export.tar.gz"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Answer(200, row["archive"], "application/gzip", headers)


def _group_asked(call: Call) -> Reply:
    world, group = call.world, call.parent
    world.limits.charge("exports", call.caller.id, world.limits.exports)
    rows = world.truth.where(Table.MEMBERS, _source=group["id"], _source_type="Group")
    members = [{"user_id": row["_user"], "access_level": row["access_level"]} for row in rows]
    content = {"id": group["id"], "full_path": group["full_path"], "members": members}

    def finish() -> None:
        made = packed({"tree/groups/_all.ndjson": json.dumps(content).encode()})
        old = _of(world.truth, "group", group["id"])
        if old is None:
            world.store.add(
                Table.EXPORTS,
                _kind="group",
                _of=group["id"],
                status="finished",
                archive=made,
                asked=1,
            )
        else:
            world.store.change(Table.EXPORTS, old["id"], archive=made)

    world.agenda.after(world.delays.export, finish)
    return Answer(202, {"message": "202 Accepted"})


ROUTES = (
    *routes(
        in_project(MAINTAINER),
        ("POST", "/projects/{project}/export", _asked),
        ("GET", "/projects/{project}/export", _status),
        ("GET", "/projects/{project}/export/download", _download),
    ),
    *routes(
        in_group(OWNER),
        ("POST", "/groups/{group}/export", _group_asked),
        ("GET", "/groups/{group}/export/download", _download),
    ),
)
