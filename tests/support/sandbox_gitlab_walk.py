"""A walk through every route of the fake GitLab: reads, and changes in an order that works.

For `tests/contract/test_sandbox_gitlab.py`, which has both sides judged by the product's document.
"""

from collections.abc import Iterator
from urllib.parse import quote

from deprovisioner.sandbox.gitlab import TOP, Table
from deprovisioner.sandbox.gitlab.credentials import example_key, fingerprints
from deprovisioner.sandbox.graph.wording import words
from tests.support.sandbox_gitlab import World

Step = tuple[str, str, int, dict[str, object] | None]
"""Method, path, the status that must come, the body."""


def names(world: World) -> dict[str, str]:
    """Return what stands for the places of a path: things of the leaver's."""
    gitlab, truth = world.gitlab, world.gitlab.truth
    leaver, project = world.leaver, gitlab.project_id(f"{TOP}/platform/service")
    group = gitlab.group_id(TOP)

    def of(table: Table, **members: object) -> str:
        found = truth.first(table, **members)
        assert found is not None, table
        return str(found["id"])

    key = truth.first(Table.DEPLOY_KEYS, _user=leaver)
    assert key is not None
    return {
        "user": str(leaver),
        "project": str(project),
        "group": str(group),
        "ssh_key": of(Table.SSH_KEYS, _user=leaver),
        "gpg_key": of(Table.GPG_KEYS, _user=leaver),
        "email": of(Table.EMAILS, _user=leaver),
        "pat": of(Table.TOKENS, user_id=leaver, _kind="personal"),
        "impersonation": of(Table.TOKENS, user_id=leaver, _kind="impersonation"),
        "project_token": of(Table.TOKENS, _kind="project", resource_id=project),
        "group_token": of(Table.TOKENS, _kind="group"),
        "platform": str(gitlab.group_id(f"{TOP}/platform")),
        "lab": str(gitlab.group_id("lab")),
        "deploy_key": str(key["id"]),
        "fingerprint": quote(fingerprints(key["key"])[1], safe=""),
        "deploy_token": of(Table.DEPLOY_TOKENS, _project=project),
        "group_deploy_token": of(Table.DEPLOY_TOKENS, _group=group),
        "schedule": of(Table.SCHEDULES, _owner=leaver),
        "trigger": of(Table.TRIGGERS, _owner=leaver),
        "pipeline": of(Table.PIPELINES, _user=leaver, status="running"),
        "runner": of(Table.RUNNERS, _project=project),
        "hook": of(Table.HOOKS, _project=project),
        "group_hook": of(Table.HOOKS, _group=group),
        "agent": of(Table.AGENTS, _project=project),
        "agent_token": of(Table.AGENT_TOKENS, created_by_user_id=leaver),
        "application": of(Table.APPLICATIONS, _user=None),
        "own_application": of(Table.APPLICATIONS, _user=leaver),
        "rule": of(Table.APPROVAL_RULES, _project=project),
        "group_rule": of(Table.APPROVAL_RULES, _group=group),
        "snippet": of(Table.SNIPPETS, _author=leaver, project_id=None),
        "mirror": of(Table.REMOTE_MIRRORS, _project=project),
        "certificate": of(Table.SSH_CERTIFICATES, _group=group),
        "service": of(Table.USERS, _kind="service"),
        "service_token": of(Table.TOKENS, name="nightly"),
        "uid": gitlab.forge.extern_uid(gitlab.forge.leaver),
        "mail": quote(f"{gitlab.forge.leaver.login}@home.example", safe=""),
        "images": str(gitlab.project_id(f"{TOP}/platform/build/images")),
        "image": of(Table.REGISTRY, name="base"),
        "app": str(gitlab.project_id(f"{TOP}/product/app")),
        "dotfiles": str(gitlab.project_id(f"{gitlab.forge.leaver.login}/dotfiles")),
        "domain": f"{gitlab.forge.leaver.login}.pages.example.com",
        "product": str(gitlab.group_id(f"{TOP}/product")),
        "guild": str(gitlab.group_id("guild")),
        "bystander": str(gitlab.user_id(gitlab.forge.bystander)),
        "successor": str(world.successor),
        "suite": str(gitlab.project_id(f"{TOP}/quality/suite")),
    }


READS = sorted(
    words("""
/user /users /users?per_page=100&page=2 /users?username=yue.lin /users?search=lin
/users?pagination=keyset&order_by=id&sort=asc&per_page=7 /users?with_custom_attributes=true
/users?blocked=true /users?provider=azure_oauth2&extern_uid={uid} /users/{user} /users/{bystander}
/users/{user}/memberships /users/{user}/memberships?type=Project /users/{user}/associations_count
/users/{user}/events /users/{user}/contributed_projects /users/{user}/projects /users/{user}/keys
/users/{user}/keys/{ssh_key} /users/{user}/gpg_keys /users/{user}/gpg_keys/{gpg_key}
/users/{user}/emails /users/{user}/impersonation_tokens
/users/{user}/impersonation_tokens/{impersonation} /users/{user}/project_deploy_keys
/keys?fingerprint={fingerprint} /events /metadata /version /personal_access_tokens
/personal_access_tokens?user_id={user}&state=active /personal_access_tokens/{pat}
/personal_access_tokens/self /personal_access_tokens/self/associations /groups
/groups?top_level_only=true /groups/{group} /groups/{group}/subgroups
/groups/{group}/descendant_groups /groups/{group}/projects?include_subgroups=true
/groups/{group}/members /groups/{group}/members/all /groups/{platform}/members/{user}
/groups/{platform}/members/all/{user} /groups/{group}/billable_members
/groups/{group}/billable_members/{user}/memberships /groups/{group}/invitations
/groups/{guild}/access_requests /groups/{platform}/access_tokens
/groups/{platform}/access_tokens/{group_token} /groups/{group}/approval_rules
/groups/{group}/protected_environments /groups/{group}/protected_branches
/groups/{group}/variables /groups/{group}/hooks /groups/{group}/hooks/{group_hook}
/groups/{group}/deploy_tokens /groups/{group}/deploy_tokens/{group_deploy_token}
/groups/{group}/runners /groups/{group}/service_accounts
/groups/{group}/service_accounts/{service}/personal_access_tokens /groups/{group}/audit_events
/groups/{group}/enterprise_users /groups/{group}/enterprise_users/{user}
/groups/{group}/provisioned_users /groups/{group}/saml/identities /groups/{group}/saml/{uid}
/groups/{group}/scim/identities /groups/{group}/scim/{uid}
/groups/{group}/manage/personal_access_tokens /groups/{group}/manage/resource_access_tokens
/groups/{group}/manage/ssh_keys /groups/{group}/ssh_certificates /projects
/projects?pagination=keyset&order_by=id&sort=asc&per_page=3 /projects?membership=true
/projects/{project} /projects/{project}/forks /projects/{project}/events
/projects/{project}/members /projects/{project}/members/all /projects/{project}/members/all/{user}
/projects/{dotfiles}/members/{successor} /projects/{app}/invitations
/projects/{app}/access_requests /projects/{project}/access_tokens
/projects/{project}/access_tokens/{project_token} /projects/{project}/deploy_keys
/projects/{project}/deploy_keys/{deploy_key} /projects/{project}/deploy_tokens
/projects/{project}/deploy_tokens/{deploy_token} /deploy_keys /deploy_tokens
/projects/{project}/pipeline_schedules /projects/{project}/pipeline_schedules/{schedule}
/projects/{project}/triggers /projects/{project}/triggers/{trigger} /projects/{project}/pipelines
/projects/{project}/pipelines?username=yue.lin&scope=running
/projects/{project}/pipelines/{pipeline} /projects/{project}/job_token_scope
/projects/{project}/job_token_scope/allowlist /projects/{project}/job_token_scope/groups_allowlist
/projects/{project}/variables /projects/{project}/secure_files /admin/ci/variables
/projects/{project}/runners /runners/all /runners/{runner} /projects/{project}/hooks
/projects/{project}/hooks/{hook} /hooks /projects/{project}/integrations
/projects/{project}/remote_mirrors /projects/{images}/mirror/pull
/projects/{project}/pages/domains /pages/domains /projects/{images}/registry/repositories
/projects/{project}/cluster_agents /projects/{project}/cluster_agents/{agent}/tokens
/projects/{project}/cluster_agents/{agent}/tokens/{agent_token} /applications /user/applications
/service_accounts /projects/{project}/service_accounts /projects/{project}/approval_rules
/projects/{project}/approval_rules/{rule} /projects/{project}/protected_branches
/projects/{project}/protected_branches/main /projects/{project}/protected_tags
/projects/{project}/protected_environments
/merge_requests?scope=all&assignee_id={user}&state=opened /projects/{project}/merge_requests
/issues?scope=all&assignee_id={user} /projects/{project}/issues
/projects/{project}/repository/files/CODEOWNERS?ref=HEAD
/projects/{project}/repository/branches/main /projects/{project}/import /projects/{project}/export
/snippets/all /snippets/{snippet} /snippets/{snippet}/raw /audit_events
/audit_events?entity_type=Project&entity_id={project} /projects/{project}/audit_events
""")
)


def filled(path: str, known: dict[str, str]) -> str:
    """Put the names in."""
    return path.format(**known)


def credential_steps(n: dict[str, str]) -> Iterator[Step]:
    """Keys, tokens, addresses, identities, and the second call of each removal."""
    user = f"/users/{n['user']}"
    yield "POST", f"{user}/keys", 201, {"title": "new", "key": example_key("new")}
    yield "POST", f"{user}/keys", 400, {"title": "again", "key": example_key("new")}
    armour = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nAA\n-----END PGP PUBLIC KEY BLOCK-----"
    yield "POST", f"{user}/gpg_keys", 201, {"key": armour}
    yield "POST", f"{user}/emails", 201, {"email": "a@b.example", "skip_confirmation": True}
    for status in (204, 404):
        yield "DELETE", f"{user}/keys/{n['ssh_key']}", status, None
        yield "DELETE", f"{user}/gpg_keys/{n['gpg_key']}", status, None
        yield "DELETE", f"{user}/emails/{n['email']}", status, None
        yield "DELETE", f"{user}/identities/ldapmain", status, None
        yield "DELETE", f"/projects/{n['project']}/access_tokens/{n['project_token']}", status, None
    for _ in range(2):
        yield "DELETE", f"/personal_access_tokens/{n['pat']}", 204, None
        yield "DELETE", f"{user}/impersonation_tokens/{n['impersonation']}", 204, None
    yield "POST", f"/personal_access_tokens/{n['pat']}/rotate", 400, {}
    rotated = f"/groups/{n['platform']}/access_tokens/{n['group_token']}"
    yield "POST", f"{rotated}/rotate", 200, {"expires_at": "2027-06-01"}
    yield "DELETE", "/personal_access_tokens/999999", 404, None
    yield "POST", "/admin/token", 404, {"token": "glpat-nobody"}
    yield "DELETE", "/admin/token", 404, {"token": "glpat-nobody"}
    yield "PATCH", f"{user}/disable_two_factor", 204, None
    yield "PUT", user, 200, {"name": "Yue Lin", "password": "invented-and-long"}
    yield "PUT", user, 409, {"username": "root"}


def state_steps(n: dict[str, str]) -> Iterator[Step]:
    """Every state and what is said where there is no such step."""
    user = f"/users/{n['bystander']}"
    for verb, status in (
        ("block", 201), ("block", 201), ("unblock", 201), ("unblock", 201), ("deactivate", 403),
        ("activate", 201), ("ban", 201), ("ban", 403), ("block", 201), ("unban", 201),
        ("unban", 403), ("reject", 409),
    ):  # fmt: skip
        yield "POST", f"{user}/{verb}", status, None
    yield "POST", "/users/999999/block", 404, None


def group_steps(n: dict[str, str]) -> Iterator[Step]:
    """Members, what waits to come in, and what belongs to a group."""
    group, lab, platform = (f"/groups/{n[name]}" for name in ("group", "lab", "platform"))
    yield "DELETE", f"{lab}/members/{n['user']}", 403, None
    yield "POST", f"{lab}/members", 409, {"user_id": int(n["successor"]), "access_level": 50}
    yield "PUT", f"{lab}/members/{n['successor']}", 200, {"access_level": 50}
    yield "DELETE", f"{lab}/members/{n['user']}?skip_subresources=false", 204, None
    yield "DELETE", f"{lab}/members/{n['user']}", 404, None
    yield "POST", f"{lab}/members", 201, {"user_id": int(n["user"]), "access_level": 30}
    yield "POST", f"{group}/transfer", 400, {}
    yield "DELETE", f"{group}/invitations/{n['mail']}", 204, None
    yield "DELETE", f"/groups/{n['guild']}/access_requests/{n['bystander']}", 204, None
    yield "DELETE", f"/groups/{n['product']}/share/{n['lab']}", 204, None
    yield "POST", f"{platform}/transfer", 201, {"group_id": int(n["guild"])}
    yield "POST", f"{platform}/transfer", 201, {"group_id": int(n["group"])}
    rule = {"user_ids": [int(n["successor"])], "group_ids": [], "approvals_required": 1}
    yield "PUT", f"{group}/approval_rules/{n['group_rule']}", 200, {"name": "Security", **rule}
    levels: dict[str, object] = {"deploy_access_levels": [{"id": 1, "_destroy": True}]}
    yield "PUT", f"{group}/protected_environments/production", 200, levels
    yield "PUT", f"{group}/hooks/{n['group_hook']}", 200, {"url": "https://a.example.com/hook"}
    yield "POST", f"{group}/runners/reset_registration_token", 201, None
    yield "POST", f"{group}/export", 202, None
    yield "PATCH", f"{group}/enterprise_users/{n['user']}", 200, {"name": "Yue Lin"}
    for status in (204, 404):
        yield "DELETE", f"{group}/hooks/{n['group_hook']}", status, None
        yield "DELETE", f"{group}/deploy_tokens/{n['group_deploy_token']}", status, None
        yield "DELETE", f"{group}/saml/{n['uid']}", status, None
        yield "DELETE", f"{group}/scim/{n['uid']}", status, None
        yield "DELETE", f"{group}/ssh_certificates/{n['certificate']}", status, None
        yield "DELETE", f"{group}/manage/ssh_keys/{n['ssh_key']}", status, None
        yield "DELETE", f"{platform}/access_tokens/{n['group_token']}", status, None
    service = f"{group}/service_accounts/{n['service']}"
    yield "DELETE", f"{group}/manage/personal_access_tokens/{n['pat']}", 204, None
    yield "DELETE", f"{group}/manage/resource_access_tokens/{n['project_token']}", 204, None
    yield "DELETE", f"{service}/personal_access_tokens/{n['service_token']}", 204, None
    yield "DELETE", service, 204, None
    yield "DELETE", f"{group}/billable_members/{n['user']}", 204, None
    yield "DELETE", f"{group}/enterprise_users/{n['bystander']}", 204, None
    yield "DELETE", f"/groups/{n['product']}", 202, None
    yield "POST", f"/groups/{n['product']}/restore", 201, None


def machine_steps(n: dict[str, str]) -> Iterator[Step]:
    """Schedules, keys, runners, hooks and the rest of what works by itself."""
    at = f"/projects/{n['project']}"
    schedule = f"{at}/pipeline_schedules/{n['schedule']}"
    yield "PUT", schedule, 403, {"active": True}
    yield "POST", f"{schedule}/take_ownership?sudo={n['successor']}", 201, {}
    yield "PUT", f"{schedule}?sudo={n['successor']}", 200, {"active": True}
    yield "POST", f"{at}/pipelines/{n['pipeline']}/cancel", 201, None
    yield "POST", f"{at}/triggers", 201, {"description": "by a service"}
    yield "PUT", f"{at}/deploy_keys/{n['deploy_key']}", 200, {"can_push": False}
    yield "POST", f"/projects/{n['suite']}/deploy_keys/{n['deploy_key']}/enable", 201, None
    new = {"title": "mine", "key": example_key("deploy mine"), "can_push": True}
    yield "POST", f"{at}/deploy_keys", 201, new
    yield "PUT", f"/runners/{n['runner']}", 200, {"paused": True}
    yield "POST", f"/runners/{n['runner']}/reset_authentication_token", 201, None
    yield "POST", "/runners/reset_registration_token", 201, None
    yield "POST", f"{at}/runners/reset_registration_token", 201, None
    yield "PUT", f"{at}/hooks/{n['hook']}", 200, {"url": "https://a.example.com/hook"}
    yield "PUT", "/hooks/999999", 404, {"url": "https://a.example.com/hook"}
    yield "DELETE", "/hooks/999999", 404, None
    yield "POST", f"/applications/{n['application']}/renew-secret", 200, None
    yield "DELETE", f"/user/applications/{n['own_application']}?sudo={n['user']}", 204, None
    agent = f"{at}/cluster_agents/{n['agent']}/tokens/{n['agent_token']}"
    for status in (204, 404):
        yield "DELETE", schedule, status, None
        yield "DELETE", f"{at}/triggers/{n['trigger']}", status, None
        yield "DELETE", f"{at}/deploy_keys/{n['deploy_key']}", status, None
        yield "DELETE", f"{at}/deploy_tokens/{n['deploy_token']}", status, None
        yield "DELETE", f"{at}/hooks/{n['hook']}", status, None
        yield "DELETE", f"{at}/remote_mirrors/{n['mirror']}", status, None
        yield "DELETE", f"{at}/pages/domains/{n['domain']}", status, None
        yield "DELETE", f"{at}/job_token_scope/allowlist/{n['dotfiles']}", status, None
        yield "DELETE", f"{at}/job_token_scope/groups_allowlist/{n['lab']}", status, None
        yield "DELETE", f"/runners/{n['runner']}", status, None
        yield "DELETE", f"/applications/{n['application']}", status, None
        yield "DELETE", agent, status, None


def project_steps(n: dict[str, str]) -> Iterator[Step]:
    """Rules, work, exports, and what becomes of a project."""
    at = f"/projects/{n['project']}"
    image = f"/projects/{n['images']}"
    pushing: dict[str, object] = {"allowed_to_push": [{"user_id": int(n["successor"])}]}
    yield "PATCH", f"{at}/protected_branches/main", 200, pushing
    yield "PATCH", f"{at}/protected_branches/main", 422, {"allowed_to_push": [{"user_id": 1}]}
    approving: dict[str, object] = {"approval_rules": [{"id": 1, "_destroy": True}]}
    yield "PUT", f"{at}/protected_environments/production", 200, approving
    rule: dict[str, object] = {
        "name": "Security",
        "user_ids": [int(n["successor"])],
        "group_ids": [],
    }
    yield "PUT", f"{at}/approval_rules/{n['rule']}", 200, rule
    yield "PUT", f"{at}/merge_requests/1", 200, {"assignee_ids": [], "reviewer_ids": []}
    yield "PUT", f"{at}/issues/1", 200, {"assignee_ids": [int(n["successor"])]}
    yield "POST", f"{at}/members", 201, {"user_id": int(n["bystander"]), "access_level": 30}
    yield "PUT", f"{at}/members/{n['bystander']}", 200, {"access_level": 20}
    yield "DELETE", f"{at}/members/{n['bystander']}", 204, None
    yield "DELETE", f"/projects/{n['app']}/invitations/{n['mail']}", 204, None
    yield "DELETE", f"/projects/{n['app']}/access_requests/{n['user']}", 204, None
    yield "DELETE", f"/projects/{n['suite']}/share/{n['platform']}", 204, None
    yield "GET", f"{at}/export/download", 404, None
    yield "POST", f"{at}/export", 202, {}
    yield "GET", f"{at}/export", 200, None
    yield "GET", f"/groups/{n['group']}/export/download", 429, None
    yield "PUT", f"{image}/transfer", 400, {"namespace": int(n["lab"])}
    yield "DELETE", f"{image}/registry/repositories/{n['image']}", 204, None
    yield "PUT", f"{image}/transfer", 200, {"namespace": int(n["lab"])}
    yield "POST", f"{image}/archive", 201, None
    yield "POST", f"{image}/unarchive", 201, None
    yield "DELETE", image, 202, None
    yield "POST", f"{image}/restore", 201, None
    yield "POST", f"{image}/restore", 400, None
    yield "DELETE", f"/snippets/{n['snippet']}", 204, None
    yield "POST", f"{at}/access_tokens/{n['project_token']}/rotate", 200, {}


def last_steps(n: dict[str, str]) -> Iterator[Step]:
    """What ends a user."""
    yield "POST", f"/users/{n['user']}/gpg_keys/{n['gpg_key']}/revoke", 202, None
    yield "DELETE", f"/users/{n['user']}", 409, None
    yield "DELETE", f"/users/{n['bystander']}", 204, None


AREAS = (credential_steps, state_steps, group_steps, machine_steps, project_steps, last_steps)
"""Each is walked in a forge of its own."""
