"""What the fake GitLab does later: workers, exports, deletions, limits, replicas; what stays."""

import io
import tarfile
from collections.abc import Iterator

import pytest

from deprovisioner.sandbox.gitlab import TOP, Account, Fault, FaultKind, Table
from tests.support.sandbox_gitlab import World, ask, forge


@pytest.fixture
def world() -> Iterator[World]:
    """A forge of one's own."""
    with forge() as made:
        yield made


def test_the_worker_comes_after_the_block(world: World) -> None:
    """Pipelines go on and schedules stay on until it has run; an unblock brings neither back."""
    act = world.client()
    ask(act, "POST", f"/users/{world.leaver}/block", 201)
    schedules = world.gitlab.truth.where(Table.SCHEDULES, _owner=world.leaver)
    assert any(row["active"] for row in schedules)

    world.clock.forward(seconds=31)
    ask(act, "POST", f"/users/{world.leaver}/unblock", 201)

    schedules = world.gitlab.truth.where(Table.SCHEDULES, _owner=world.leaver)
    assert not any(row["active"] for row in schedules)
    pipelines = world.gitlab.truth.where(Table.PIPELINES, _user=world.leaver)
    assert {row["status"] for row in pipelines} == {"success", "canceled"}


def test_a_ban_stops_no_pipeline(world: World) -> None:
    """The worker follows a block only."""
    act, bystander = world.client(), world.gitlab.user_id(world.gitlab.forge.bystander)
    ask(act, "POST", f"/users/{bystander}/ban", 201)

    world.clock.forward(minutes=5)

    rows = world.gitlab.truth.where(Table.PIPELINES, _user=bystander)
    assert "running" in {row["status"] for row in rows}


def test_what_outlives_the_block(world: World) -> None:
    """Bots, deploy tokens, runners, agents, webhooks and mirrors work on; nothing else does."""
    before = world.gitlab.still_works(world.gitlab.forge.leaver)
    assert {one.table for one in before if one.is_bound} >= {Table.TOKENS, Table.SSH_KEYS}

    ask(world.client(), "POST", f"/users/{world.leaver}/block", 201)

    after = world.gitlab.still_works(world.gitlab.forge.leaver)
    assert {one.table for one in after} == {
        Table.TOKENS,
        Table.DEPLOY_TOKENS,
        Table.RUNNERS,
        Table.AGENT_TOKENS,
        Table.HOOKS,
        Table.REMOTE_MIRRORS,
    }
    bot = next(one for one in after if one.table is Table.TOKENS)
    secret = world.gitlab.secret_of(bot.key)
    answer = world.client().get("user", headers={"PRIVATE-TOKEN": secret})
    assert answer.status_code == 200


def test_an_export_is_queued_started_finished_and_kept_for_a_day(world: World) -> None:
    """There is no id of an export, and the creation time is the project's."""
    act, project = world.client(), world.gitlab.project_id(f"{TOP}/platform/service")
    at = f"/projects/{project}/export"

    def status() -> str:
        shown = ask(act, "GET", at, 200)
        assert shown["created_at"] == ask(act, "GET", f"/projects/{project}", 200)["created_at"]
        return str(shown["export_status"])

    seen = [status()]
    ask(act, "POST", at, 202, {})
    for seconds in (0, 6, 21):
        world.clock.forward(seconds=seconds)
        seen.append(status())
    ask(act, "POST", at, 202, {})
    seen.append(status())
    world.clock.forward(days=2)
    seen.append(status())

    wanted = ["none", "queued", "started", "finished", "regeneration_in_progress", "none"]
    assert seen == wanted


def test_an_archive_is_of_the_instant_at_which_it_was_made(world: World) -> None:
    """A finished export does not say that the branch has moved on; its bundle does."""
    act, project = world.client(), world.gitlab.project_id(f"{TOP}/platform/service")
    ask(act, "POST", f"/projects/{project}/export", 202, {})
    world.clock.forward(minutes=2)
    world.gitlab.edit(lambda store: store.change(Table.PROJECTS, project, _commit="f" * 40))

    archive = ask(act, "GET", f"/projects/{project}/export/download", 200)

    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        member = tar.extractfile("./project.bundle")
        assert member is not None
        head = member.read().partition(b"\n\n")[0]
    branch = ask(act, "GET", f"/projects/{project}/repository/branches/main", 200)
    assert branch["commit"]["id"] == "f" * 40
    assert b"f" * 40 not in head
    assert b"refs/heads/main" in head


def test_an_export_that_fails_falls_back_to_none(world: World) -> None:
    """Whoever waits for `finished` waits for ever."""
    act, project = world.client(), world.gitlab.project_id(f"{TOP}/platform/service")
    world.gitlab.faults.add(Fault(FaultKind.STUCK, path="/projects/*/export"))
    ask(act, "POST", f"/projects/{project}/export", 202, {})

    world.clock.forward(minutes=2)

    assert ask(act, "GET", f"/projects/{project}/export", 200)["export_status"] == "none"
    ask(act, "GET", f"/projects/{project}/export/download", 404)


def test_limits(world: World) -> None:
    """Six exports and one download a minute and person; then 429 with `Retry-After`."""
    act, project = world.client(), world.gitlab.project_id(f"{TOP}/platform/service")
    for _ in range(6):
        ask(act, "POST", f"/projects/{project}/export", 202, {})
    answer = act.post(f"projects/{project}/export")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")

    world.clock.forward(minutes=2)

    ask(act, "GET", f"/projects/{project}/export/download", 200)
    ask(act, "GET", f"/projects/{project}/export/download", 429)
    world.gitlab.limits.user_reads = 2
    for status in (200, 200, 429):
        ask(act, "GET", f"/users/{world.leaver}", status)


def test_a_deleted_user_is_there_for_a_while(world: World) -> None:
    """Blocked at once, gone later; what they wrote is the ghost's, what they own is gone."""
    act, bystander = world.client(), world.gitlab.user_id(world.gitlab.forge.bystander)
    ask(act, "DELETE", f"/users/{bystander}", 204)
    assert ask(act, "GET", f"/users/{bystander}", 200)["state"] == "blocked"

    world.clock.forward(minutes=6)

    ask(act, "GET", f"/users/{bystander}", 404)
    truth, ghost = world.gitlab.truth, world.gitlab.user_id("ghost")
    assert any(row["_author"] == ghost for row in truth.every(Table.MERGE_REQUESTS))
    assert truth.where(Table.MEMBERS, _user=bystander) == []
    with pytest.raises(KeyError):
        world.gitlab.project_id(f"{world.gitlab.forge.bystander.login}/scratch")


def test_hard_delete_walks_past_the_guard(world: World) -> None:
    """It takes the groups that nobody else owns, and every contribution."""
    act, leaver = world.client(), world.leaver
    ask(act, "DELETE", f"/users/{leaver}", 409)
    ask(act, "DELETE", f"/users/{leaver}?hard_delete=true", 204)

    world.clock.forward(minutes=6)

    rows = world.gitlab.truth.every(Table.MERGE_REQUESTS)
    assert not any(row["_author"] == leaver for row in rows)
    with pytest.raises(KeyError):
        world.gitlab.group_id("lab")
    assert world.gitlab.group_id("guild")


def test_a_deletion_that_the_leaver_scheduled_is_undone_by_the_block(world: World) -> None:
    """The job restores a project whose deletion was asked for by somebody without access."""
    act, gitlab = world.client(), world.gitlab
    login = gitlab.forge.leaver.login
    notes, own = gitlab.project_id(f"{login}/notes"), gitlab.project_id(f"{login}/dotfiles")
    ask(act, "DELETE", f"/projects/{notes}?sudo={world.leaver}", 202)
    ask(act, "DELETE", f"/projects/{own}", 202)
    ask(act, "POST", f"/users/{world.leaver}/block", 201)

    world.clock.forward(days=31)

    assert ask(act, "GET", f"/projects/{notes}", 200)["marked_for_deletion_on"] is None
    ask(act, "GET", f"/projects/{own}", 404)


def test_a_replica_lags(world: World) -> None:
    """Reads show the past, writes do not; every second read if so told."""
    act, path = world.client(), f"/users/{world.leaver}"
    world.gitlab.lag(replica=60)
    ask(act, "POST", f"{path}/block", 201)
    assert ask(act, "GET", path, 200)["state"] == "active"
    assert act.post(f"users/{world.leaver}/block").json() is None

    world.clock.forward(seconds=61)

    assert ask(act, "GET", path, 200)["state"] == "blocked"
    ask(act, "POST", f"{path}/unblock", 201)
    world.gitlab.lag(replica=60, stale_every=2)
    states = {ask(act, "GET", path, 200)["state"] for _ in range(2)}
    assert states == {"active", "blocked"}


def test_the_witness_tells_who_did_what(world: World) -> None:
    """Requests with the person behind `sudo`, changes with what was there before, no secret."""
    act, project = world.client(), world.gitlab.project_id(f"{TOP}/platform/service")
    body = {"description": "by a service"}
    ask(act, "POST", f"/users/{world.leaver}/block", 201)
    ask(act, "POST", f"/projects/{project}/triggers?sudo={world.successor}", 201, body)

    blocked = [
        one for one in world.gitlab.witness.changes_by(Account.ACTOR) if one.key == world.leaver
    ]
    assert [(one.before, one.after) for one in blocked] == [
        ({"state": "active"}, {"state": "blocked"})
    ]
    made = world.gitlab.witness.changes_by(world.gitlab.forge.successor.login)[-1]
    assert made.after is not None
    assert made.after["_token"] == "withheld"
    last = world.gitlab.witness.requests[-1]
    assert (last.caller, last.sudo) == (Account.ACTOR, world.gitlab.forge.successor.login)
