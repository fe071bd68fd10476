"""What others depend on: rules, webhooks, merge requests, invitations, and what all share.

Called by `holdings` for the leaver and the bystander, and once for the whole instance. Who made a
webhook or a mirror is in `_made_by`, which no answer shows.
"""

import hashlib
from datetime import timedelta

from deprovisioner.sandbox.gitlab.credentials import example_key
from deprovisioner.sandbox.gitlab.forge import TOP
from deprovisioner.sandbox.gitlab.places import Builder
from deprovisioner.sandbox.gitlab.routing import World
from deprovisioner.sandbox.gitlab.store import Table, stamp
from deprovisioner.sandbox.people import Person


def outward(make: Builder, person: Person, path: str) -> None:
    """Point webhooks, mirrors, integrations and pages of a project elsewhere."""
    store, user, project = make.store, make.user(person), make.projects[path]
    nowhere: dict[str, int | None] = {"_project": None, "_group": None}
    for place, url in (
        ({**nowhere, "_project": project}, f"https://{person.login}.home.example/hook"),
        ({**nowhere, "_group": make.groups[TOP]}, "https://chat.example.com/hook"),
    ):
        store.add(
            Table.HOOKS,
            url=url,
            name="",
            description="",
            created_at=make.created,
            push_events=True,
            tag_push_events=False,
            merge_requests_events=True,
            issues_events=False,
            enable_ssl_verification=True,
            alert_status="executable",
            disabled_until=None,
            url_variables=[],
            custom_headers=[{"key": "Authorization"}],
            token_present=True,
            **place,
            _made_by=user,
        )
    store.add(
        Table.REMOTE_MIRRORS,
        enabled=True,
        url=f"https://*****:*****@git.home.example/{person.login}.git",
        update_status="finished",
        last_update_at=make.created,
        last_error=None,
        only_protected_branches=False,
        keep_divergent_refs=False,
        auth_method="password",
        _project=project,
        _made_by=user,
    )
    _published(make, person, path)


def _published(make: Builder, person: Person, path: str) -> None:
    store, user, project = make.store, make.user(person), make.projects[path]
    nowhere: dict[str, int | None] = {"_project": None, "_group": None}
    store.add(
        Table.INTEGRATIONS,
        title="Slack notifications",
        slug="slack",
        created_at=make.created,
        updated_at=make.created,
        active=True,
        push_events=True,
        inherited=False,
        _project=project,
        _made_by=user,
    )
    domain = f"{person.login}.pages.example.com"
    store.add(
        Table.PAGES_DOMAINS, domain=domain, url=f"https://{domain}", _project=project, _made_by=user
    )
    store.add(
        Table.SECURE_FILES,
        name="signing.jks",
        checksum=hashlib.sha256(path.encode()).hexdigest(),
        checksum_algorithm="sha256",
        created_at=make.created,
        expires_at=None,
        metadata=None,
        file_extension="jks",
        _project=project,
    )
    for place in ({**nowhere, "_project": project}, {**nowhere, "_group": make.groups[TOP]}):
        store.add(
            Table.VARIABLES,
            variable_type="env_var",
            key="REGISTRY_PASSWORD",
            value="invented",
            hidden=False,
            protected=True,
            masked=True,
            raw=False,
            environment_scope="*",
            description=None,
            **place,
        )


def work(make: Builder, person: Person, path: str) -> None:
    """Write merge requests, an issue and snippets."""
    store, user, project = make.store, make.user(person), make.projects[path]
    other = make.user(make.forge.successor)
    for number, (author, assignees, reviewers) in enumerate(
        ((user, [user], [other]), (other, [other], [user]), (other, [user, other], [])), start=1
    ):
        store.add(
            Table.MERGE_REQUESTS,
            iid=number,
            project_id=project,
            title=f"Change {number}",
            description="",
            state="opened",
            created_at=make.created,
            updated_at=make.created,
            target_branch="main",
            source_branch=f"change-{number}",
            draft=False,
            web_url=f"https://gitlab.example.com/{path}/-/merge_requests/{number}",
            _author=author,
            _assignees=assignees,
            _reviewers=reviewers,
            _project=project,
        )
    store.add(
        Table.ISSUES,
        iid=1,
        project_id=project,
        title="Rotate the certificates",
        description="",
        state="opened",
        created_at=make.created,
        updated_at=make.created,
        confidential=False,
        web_url=f"https://gitlab.example.com/{path}/-/issues/1",
        _author=user,
        _assignees=[user],
        _project=project,
    )
    for title, where in (("notes", None), ("snippet of the project", project)):
        store.add(
            Table.SNIPPETS,
            title=title,
            description="",
            visibility="private",
            created_at=make.created,
            updated_at=make.created,
            project_id=where,
            file_name="notes.md",
            imported=False,
            _author=user,
            _content=f"# {title}\n",
        )


def seen(make: Builder, person: Person, path: str) -> None:
    """Leave traces in the events and audit events."""
    store, user = make.store, make.user(person)
    project = make.projects[path]
    for days, action in ((30, "pushed to"), (1, "opened")):
        store.add(
            Table.EVENTS,
            project_id=project,
            action_name=action,
            target_id=None,
            target_type=None,
            target_title=None,
            created_at=stamp(make.now - timedelta(days=days)),
            _author=user,
            _project=project,
        )
    for what in ("deploy_token_created", "project_hook_created"):
        store.add(
            Table.AUDIT_EVENTS,
            author_id=user,
            entity_id=project,
            entity_type="Project",
            event_name=what,
            details={"custom_message": what.replace("_", " "), "author_name": person.display_name},
            created_at=stamp(make.now - timedelta(days=60)),
        )


def _entry(number: int, **who: int) -> dict[str, int | None]:
    return {"id": number, "access_level": None, "user_id": None, "group_id": None, **who}


def rules(make: Builder) -> None:
    """Protections in which the leaver is alone, beside others, and not at all."""
    leaver, other = make.user(make.forge.leaver), make.user(make.forge.successor)
    project, store = make.projects[f"{TOP}/platform/service"], make.store
    both = [_entry(1, user_id=leaver), _entry(2, user_id=other)]
    for name, merge in (("main", both), ("release/*", [_entry(1, access_level=40)])):
        store.add(
            Table.PROTECTED_BRANCHES,
            name=name,
            push_access_levels=[_entry(3, user_id=leaver)],
            merge_access_levels=merge,
            unprotect_access_levels=[],
            allow_force_push=False,
            code_owner_approval_required=True,
            _project=project,
        )
    store.add(
        Table.PROTECTED_TAGS,
        name="v*",
        create_access_levels=[_entry(1, user_id=leaver), _entry(2, access_level=40)],
        _project=project,
    )
    for place in ({"_project": project}, {"_group": make.groups[TOP]}):
        store.add(
            Table.PROTECTED_ENVIRONMENTS,
            name="production",
            deploy_access_levels=[_entry(1, user_id=leaver), _entry(2, user_id=other)],
            approval_rules=[{**_entry(1, user_id=leaver), "required_approvals": 1}],
            required_approval_count=0,
            **place,
        )
        store.add(
            Table.APPROVAL_RULES,
            name="Security",
            rule_type="regular",
            approvals_required=1,
            contains_hidden_groups=False,
            _approvers=[leaver],
            _groups=[],
            **place,
        )
    store.add(
        Table.APPROVAL_RULES,
        name="Everybody",
        rule_type="regular",
        approvals_required=1,
        contains_hidden_groups=False,
        _approvers=[leaver, other],
        _groups=[make.groups[f"{TOP}/platform"]],
        _project=project,
    )


def waiting(make: Builder) -> None:
    """Ways back in: an invitation to a private address, a request for access."""
    leaver, store = make.forge.leaver, make.store
    places = (
        ("Group", make.groups[TOP], make.groups["guild"]),
        ("Project", make.projects[f"{TOP}/product/app"], make.projects[f"{TOP}/product/app"]),
    )
    for source_type, source, wanted in places:
        store.add(
            Table.INVITATIONS,
            access_level=30,
            created_at=make.created,
            expires_at=None,
            invite_email=f"{leaver.login}@home.example",
            user_name="",
            created_by_name=leaver.display_name,
            _source=source,
            _source_type=source_type,
        )
        store.add(
            Table.ACCESS_REQUESTS,
            requested_at=make.created,
            _source=wanted,
            _source_type=source_type,
            _user=make.user(
                make.forge.leaver if source_type == "Project" else make.forge.bystander
            ),
        )


def shared_things(world: World, make: Builder) -> None:
    """Make what belongs to the instance or to a group: an application, a CA, images, a mirror."""
    store = make.store
    store.add(
        Table.APPLICATIONS,
        application_id=hashlib.sha256(b"wiki").hexdigest(),
        application_name="Wiki",
        callback_url="https://wiki.example.com/callback",
        confidential=True,
        scopes=["openid"],
        _user=None,
        _secret=world.new_secret(),
        _made_by=make.user(make.forge.leaver),
    )
    store.add(
        Table.SSH_CERTIFICATES,
        title="Example CA",
        key=example_key("certificate authority"),
        created_at=make.created,
        _group=make.groups[TOP],
    )
    images = make.projects[f"{TOP}/platform/build/images"]
    for project, name in (
        (images, "base"),
        (make.projects[f"{make.forge.leaver.login}/service"], ""),
    ):
        path = next(key for key, value in make.projects.items() if value == project)
        store.add(
            Table.REGISTRY,
            name=name,
            path=f"{path}/{name}".rstrip("/"),
            project_id=project,
            location=f"registry.example.com/{path}",
            created_at=make.created,
            tags_count=3,
            _project=project,
        )
    store.add(
        Table.PULL_MIRRORS,
        update_status="finished",
        url="https://*****@git.partner.example/service.git",
        last_error=None,
        last_update_at=make.created,
        last_successful_update_at=make.created,
        enabled=True,
        _project=images,
    )
