"""The fake GitLab refuses what GitLab refuses: tokens, levels, states, last owners, orders."""

from collections.abc import Iterator

import httpx
import pytest

from deprovisioner.sandbox.gitlab import TOP, Account, Table
from deprovisioner.sandbox.gitlab.credentials import example_key, fingerprints
from tests.support.sandbox_gitlab import World, ask, forge


@pytest.fixture
def world() -> Iterator[World]:
    """A forge of one's own."""
    with forge() as made:
        yield made


def said(client: httpx.Client, path: str) -> tuple[int, str]:
    """Return status and words of a refusal."""
    answer = client.get(path)
    body = answer.json()
    return answer.status_code, body.get("message") or body.get("error")


def test_no_token_and_an_unknown_one(world: World) -> None:
    """401, in the same words."""
    for headers in ({}, {"PRIVATE-TOKEN": "glpat-nobody"}, {"Authorization": "Bearer x"}):
        answer = httpx.get(f"{world.gitlab.api}/user", headers=headers)
        assert (answer.status_code, answer.json()["message"]) == (401, "401 Unauthorized")


def test_a_token_opens_nothing_once_revoked_or_expired(world: World) -> None:
    """401 invalid_token, with the reason."""
    gitlab, act = world.gitlab, world.client()
    token = world.client(Account.PLAIN)
    mine = ask(token, "GET", "/personal_access_tokens/self", 200)["id"]
    ask(act, "DELETE", f"/personal_access_tokens/{mine}", 204)
    answer = token.get("user")
    expired = httpx.get(
        f"{gitlab.api}/user",
        headers={"PRIVATE-TOKEN": gitlab.token(Account.PLAIN, expires_at="2026-12-18")},
    )

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
    assert "expired" in expired.json()["error_description"]


def test_a_blocked_person_opens_nothing_and_an_unblock_revives_everything(world: World) -> None:
    """Block freezes tokens and revokes none: the same token works after the unblock."""
    act = world.client()
    theirs = world.client(world.gitlab.forge.leaver)
    ask(theirs, "GET", "/user", 200)
    ask(act, "POST", f"/users/{world.leaver}/block", 201)
    assert said(theirs, "user") == (403, "403 Forbidden - Your account has been blocked.")

    ask(act, "POST", f"/users/{world.leaver}/unblock", 201)

    ask(theirs, "GET", "/user", 200)


def test_scopes(world: World) -> None:
    """`read_api` reads and writes nothing; without `sudo` nobody acts as another."""
    reader, plain = world.client(Account.VERIFIER), world.client(Account.ACTOR, "api")

    for answer in (
        reader.post(f"users/{world.leaver}/block"),
        plain.get(f"user?sudo={world.leaver}"),
    ):
        assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
    shown = ask(world.client(), "GET", f"/user?sudo={world.leaver}", 200)
    assert shown["id"] == world.leaver
    answer = world.client(Account.OWNER, "api", "sudo").get(f"user?sudo={world.leaver}")
    assert answer.status_code == 403


def test_private_places_are_hidden_before_they_are_refused(world: World) -> None:
    """404 for what one is not in, 403 for what one is in and may not do."""
    plain, guest = world.client(Account.PLAIN), world.client("canary")
    canaries = world.gitlab.project_id(f"{TOP}/canaries")

    assert said(plain, f"projects/{canaries}") == (404, "404 Project Not Found")
    assert said(plain, f"groups/{TOP}/members") == (404, "404 Group Not Found")
    assert said(plain, "runners/all") == (403, "403 Forbidden")
    ask(world.client(), "POST", f"/users/{world.gitlab.user_id('canary')}/unblock", 201)
    assert said(guest, f"projects/{canaries}/hooks") == (403, "403 Forbidden")
    assert said(plain, "no/such/thing") == (404, "404 Not Found")


def test_who_is_no_administrator_sees_little_of_a_user(world: World) -> None:
    """No address, no identity; and nobody is found by them."""
    plain, login = world.client(Account.PLAIN), world.gitlab.forge.leaver.login

    shown = ask(plain, "GET", f"/users/{world.leaver}", 200)

    assert not {"email", "identities", "is_admin", "custom_attributes"} & shown.keys()
    assert ask(plain, "GET", f"/users?search={login}@example.com", 200) == []
    query = "provider=ldapmain&extern_uid=x"
    assert plain.get(f"users?{query}").status_code == 403
    assert plain.get("users?extern_uid=x").status_code == 400
    assert plain.get(f"users/{world.leaver}/memberships").status_code == 403


def test_a_user_is_found_by_identity_attribute_and_address(world: World) -> None:
    """Also by a second address, whole; custom attributes come only when they are asked for."""
    act, person = world.client(), world.gitlab.forge.leaver
    uid = world.gitlab.forge.extern_uid(person)
    for query in (
        f"provider=azure_oauth2&extern_uid={uid}",
        f"custom_attributes[employee_number]={person.employee_number}",
        f"search={person.login}@home.example",
        f"username={person.login.upper()}",
    ):
        assert [one["id"] for one in ask(act, "GET", f"/users?{query}", 200)] == [world.leaver], (
            query
        )

    assert "custom_attributes" not in ask(act, "GET", f"/users/{world.leaver}", 200)


def test_states(world: World) -> None:
    """A second block says null; for banned and pending users too, and changes nothing."""
    act, people = world.client(), world.gitlab.forge

    def post(person: object, verb: str) -> tuple[int, object]:
        answer = act.post(f"users/{world.gitlab.user_id(person)}/{verb}")  # type: ignore[arg-type]
        body = answer.json()
        return answer.status_code, body["message"] if isinstance(body, dict) else body

    assert post(people.leaver, "block") == (201, True)
    assert post(people.leaver, "block") == (201, None)
    for person, state in (
        (people.banned, "banned"),
        (people.pending, "blocked_pending_approval"),
    ):
        assert post(person, "block") == (201, None)
        assert ask(act, "GET", f"/users/{world.gitlab.user_id(person)}", 200)["state"] == state
    assert post(people.directory_blocked, "block")[0] == 403
    assert post(Account.ACTOR.value, "block")[0] == 403
    assert post("ghost", "block")[0] == 403
    assert post(people.bystander, "unblock") == (201, False)
    assert post(people.bystander, "deactivate")[0] == 403
    assert post(people.dormant, "activate") == (201, True)
    assert post(people.pending, "reject") == (201, "Success")


def test_the_last_owner_of_a_group_stays(world: World) -> None:
    """403 for removal and demotion, 409 for the deletion of the user; after a successor, not."""
    act, lab = world.client(), world.gitlab.group_id("lab")
    member = f"/groups/{lab}/members/{world.leaver}"
    ask(act, "DELETE", member, 403)
    ask(act, "PUT", member, 403, {"access_level": 30})
    ask(act, "DELETE", f"/users/{world.leaver}", 409)

    ask(act, "PUT", f"/groups/{lab}/members/{world.successor}", 200, {"access_level": 50})

    ask(act, "DELETE", member, 204)
    ask(act, "DELETE", member, 404)


def test_a_group_member_goes_out_of_everything_below(world: World) -> None:
    """Unless `skip_subresources` is said; and inherited owners do not make somebody the last."""
    act, build = world.client(), world.gitlab.group_id(f"{TOP}/platform/build")
    platform = f"/groups/{world.gitlab.group_id(f'{TOP}/platform')}/members/{world.leaver}"
    below = f"/groups/{build}/members/{world.leaver}"
    ask(act, "DELETE", f"{platform}?skip_subresources=true", 204)
    ask(act, "GET", below, 200)
    ask(
        act, "POST", platform.rpartition("/")[0], 201, {"user_id": world.leaver, "access_level": 30}
    )

    ask(act, "DELETE", platform, 204)

    ask(act, "GET", below, 404)


def test_a_deploy_key_keeps_its_owner(world: World) -> None:
    """Only the fingerprint tells whose it is; adding it elsewhere again changes nothing."""
    act, truth = world.client(), world.gitlab.truth
    key = truth.first(Table.DEPLOY_KEYS, _user=world.leaver)
    assert key is not None
    query = {"fingerprint": fingerprints(key["key"])[1]}
    third = world.gitlab.project_id(f"{TOP}/platform/deployer")
    body = {"title": "again", "key": key["key"]}
    ask(act, "POST", f"/projects/{third}/deploy_keys?sudo={world.successor}", 201, body)

    answer = act.get("keys", params=query).json()

    assert answer["user"]["id"] == world.leaver
    assert len(answer["deploy_keys_projects"]) == 3
    assert "user" not in ask(act, "GET", "/deploy_keys", 200)[0]
    for link in answer["deploy_keys_projects"]:
        ask(act, "DELETE", f"/projects/{link['project_id']}/deploy_keys/{key['id']}", 204)
    ask(act, "POST", f"/projects/{third}/deploy_keys?sudo={world.successor}", 201, body)
    assert act.get("keys", params=query).json()["user"]["id"] == world.successor


def test_a_key_that_is_taken(world: World) -> None:
    """A key belongs to one user at a time."""
    act = world.client()
    body = {"title": "x", "key": example_key(f"{world.gitlab.forge.leaver.login}@laptop")}

    ask(act, "POST", f"/users/{world.successor}/keys", 400, body)
    ask(act, "POST", f"/users/{world.successor}/keys", 400, {"title": "x", "key": "no key"})


def test_a_schedule_is_changed_by_its_owner_only(world: World) -> None:
    """An administrator takes it over as the successor and changes it as the successor."""
    act = world.client()
    row = world.gitlab.truth.first(Table.SCHEDULES, _owner=world.leaver)
    assert row is not None
    path = f"/projects/{row['_project']}/pipeline_schedules/{row['id']}"
    ask(act, "PUT", path, 403, {"active": False})
    ask(act, "POST", f"{path}/take_ownership?sudo={world.successor}", 201)
    ask(act, "POST", f"{path}/take_ownership?sudo={world.successor}", 403)

    ask(act, "PUT", f"{path}?sudo={world.successor}", 200, {"active": False})

    assert ask(act, "GET", path, 200)["owner"]["id"] == world.successor


def test_a_rule_drops_strangers_in_silence_and_a_protection_refuses_them(world: World) -> None:
    """So that only a re-read shows whether the successor is in."""
    act, project = world.client(), world.gitlab.project_id(f"{TOP}/platform/service")
    rules = ask(act, "GET", f"/projects/{project}/approval_rules", 200)
    path = f"/projects/{project}/approval_rules/{rules[0]['id']}"
    stranger = world.gitlab.user_id(Account.PLAIN)

    changed = ask(act, "PUT", path, 200, {"user_ids": [stranger], "group_ids": []})

    assert changed["users"] == []
    body = {"allowed_to_push": [{"user_id": stranger}]}
    ask(act, "PATCH", f"/projects/{project}/protected_branches/main", 422, body)


def test_a_transfer_is_refused_where_the_vendor_refuses(world: World) -> None:
    """Images, the same namespace, the same path."""
    act, gitlab = world.client(), world.gitlab
    login = gitlab.forge.leaver.login
    fork, images = gitlab.project_id(f"{login}/service"), f"{TOP}/platform/build/images"
    home = ask(act, "GET", f"/users/{world.successor}", 200)["namespace_id"]

    ask(act, "PUT", f"/projects/{fork}/transfer", 400, {"namespace": home})
    for row in ask(act, "GET", f"/projects/{fork}/registry/repositories", 200):
        ask(act, "DELETE", f"/projects/{fork}/registry/repositories/{row['id']}", 204)
    moved = ask(act, "PUT", f"/projects/{fork}/transfer", 200, {"namespace": home})
    assert moved["namespace"]["id"] == home
    ask(act, "PUT", f"/projects/{fork}/transfer", 400, {"namespace": home})
    platform = gitlab.group_id(f"{TOP}/platform")
    ask(act, "PUT", f"/projects/{fork}/transfer", 400, {"namespace": platform})
    assert gitlab.project_id(images)


def test_what_a_group_owner_may(world: World) -> None:
    """Enterprise users of the top-level group are theirs to manage; blocking is not."""
    owner, group = world.client(Account.OWNER), world.gitlab.group_id(TOP)
    rows = ask(owner, "GET", f"/groups/{group}/manage/personal_access_tokens", 200)
    mine = [row["id"] for row in rows if row["user_id"] == world.leaver and row["active"]]
    assert len(mine) == 2

    for token in mine:
        ask(owner, "DELETE", f"/groups/{group}/manage/personal_access_tokens/{token}", 204)

    assert owner.post(f"users/{world.leaver}/block").status_code == 403
    below = world.gitlab.group_id(f"{TOP}/platform")
    ask(owner, "GET", f"/groups/{below}/manage/personal_access_tokens", 400)
    assert owner.get(f"personal_access_tokens?user_id={world.leaver}").status_code == 401


def test_a_trigger_token_is_whole_for_its_owner_only(world: World) -> None:
    """Everybody else sees four characters of it."""
    act, project = world.client(), world.gitlab.project_id(f"{TOP}/platform/service")

    (theirs,) = ask(act, "GET", f"/projects/{project}/triggers", 200)
    (own,) = ask(act, "GET", f"/projects/{project}/triggers?sudo={world.leaver}", 200)

    assert len(theirs["token"]) == 4
    assert own["token"].startswith(theirs["token"])
    assert len(own["token"]) > 4


def test_lists_of_work_show_ones_own_without_a_scope(world: World) -> None:
    """`scope=all` is needed to see what somebody else has to do."""
    act, query = world.client(), f"assignee_id={world.leaver}&state=opened"

    assert ask(act, "GET", f"/merge_requests?{query}", 200) == []
    assert len(ask(act, "GET", f"/merge_requests?{query}&scope=all", 200)) == 2
    assert len(ask(act, "GET", f"/issues?{query}&scope=all", 200)) == 1


def test_audit_events_have_no_filter_by_author(world: World) -> None:
    """A parameter that does not exist is ignored, and everybody's events come."""
    act = world.client()
    ask(act, "POST", f"/users/{world.leaver}/block", 201)
    world.clock.forward(seconds=3)

    rows = ask(act, "GET", f"/audit_events?author_id={world.leaver}&per_page=100", 200)

    authors = {row["author_id"] for row in rows}
    assert authors >= {world.leaver, world.gitlab.user_id(Account.ACTOR)}
