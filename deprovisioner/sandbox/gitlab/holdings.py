"""What people hold on the instance: the leaver one of everything, the bystander the same kinds.

Called by `hosting` after `places`. The clear text of tokens is made by the injected randomness and
kept for tests (`ForgeServer.secret_of`). What nobody can attribute (deploy tokens)
has its maker in `_made_by`, which no answer shows.
"""

import base64
import hashlib
from datetime import datetime, timedelta

from deprovisioner.sandbox.gitlab import entanglements, tokens
from deprovisioner.sandbox.gitlab.credentials import add_key, example_key
from deprovisioner.sandbox.gitlab.forge import TOP, Forge
from deprovisioner.sandbox.gitlab.places import Builder
from deprovisioner.sandbox.gitlab.populace import add_user
from deprovisioner.sandbox.gitlab.routing import World
from deprovisioner.sandbox.gitlab.store import Table, stamp
from deprovisioner.sandbox.people import Person

_GPG = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{0}\n-----END PGP PUBLIC KEY BLOCK-----"


def load(world: World, forge: Forge, now: datetime) -> None:
    """Make everything that people hold."""
    make = Builder(world.store, forge, now)
    for person, project in (
        (forge.leaver, f"{TOP}/platform/service"),
        (forge.bystander, f"{TOP}/platform/deployer"),
    ):
        _sign_in(world, make, person)
        _ci(make, person, project)
        _machines(world, make, person, project)
        entanglements.outward(make, person, project)
        entanglements.work(make, person, project)
        entanglements.seen(make, person, project)
    _second_identities(make)
    entanglements.rules(make)
    entanglements.waiting(make)
    entanglements.shared_things(world, make)


def _sign_in(world: World, make: Builder, person: Person) -> None:
    user = make.user(person)
    ends = (make.now + timedelta(days=200)).date().isoformat()
    for name, scopes in (("laptop", ["api"]), ("editor", ["read_repository"])):
        tokens.issue(
            world, "personal", user, name, scopes, expires_at=ends, created_at=make.created
        )
    tokens.issue(
        world,
        "personal",
        user,
        "old",
        ["api"],
        expires_at=ends,
        revoked=True,
        created_at=make.created,
    )
    tokens.issue(
        world,
        "personal",
        user,
        "forgotten",
        ["api"],
        expires_at="2020-01-01",
        created_at=make.created,
    )
    tokens.issue(
        world,
        "impersonation",
        user,
        "support",
        ["read_user"],
        expires_at=ends,
        created_at=make.created,
    )
    _keys(make, person)
    _applications(world, make, person)


def _keys(make: Builder, person: Person) -> None:
    user, login, store = make.user(person), person.login, make.store
    for name in ("laptop", "desktop"):
        add_key(store, user, name, example_key(f"{login}@{name}"), make.created)
    armour = base64.b64encode(hashlib.sha256(login.encode()).digest()).decode()
    store.add(
        Table.GPG_KEYS,
        key=_GPG.format(armour),
        created_at=make.created,
        _user=user,
        _verifies=True,
    )
    for mail, confirmed in (
        (f"{login}@home.example", make.created),
        (f"{login}@new.example", None),
    ):
        store.add(Table.EMAILS, email=mail, confirmed_at=confirmed, _user=user)


def _applications(world: World, make: Builder, person: Person) -> None:
    """An application of one's own, and a grant that no answer shows."""
    user, login, store = make.user(person), person.login, make.store
    app = store.add(
        Table.APPLICATIONS,
        application_id=hashlib.sha256(f"app {login}".encode()).hexdigest(),
        application_name=f"{login}'s dashboard",
        callback_url="https://dashboard.example.com/callback",
        confidential=True,
        scopes=["read_api"],
        _user=user,
        _secret=world.new_secret(),
    )
    store.add(Table.GRANTS, _user=user, _application=app["id"], scopes=["read_api"])


def _second_identities(make: Builder) -> None:
    """The group's own single sign-on, as an owner on gitlab.com sees it."""
    for person in (make.forge.leaver, make.forge.bystander, make.forge.successor):
        user = make.user(person)
        make.store.change(Table.USERS, user, enterprise_group_id=make.groups[TOP])
        make.store.change(Table.USERS, user, provisioned_by_group_id=make.groups[TOP])
        for kind in ("saml", "scim"):
            make.store.add(
                Table.GROUP_IDENTITIES,
                extern_uid=make.forge.extern_uid(person),
                user_id=user,
                active=True,
                _kind=kind,
                _group=make.groups[TOP],
            )


def _ci(make: Builder, person: Person, path: str) -> None:
    store, user, project = make.store, make.user(person), make.projects[path]
    for name, active in (("nightly build", True), ("weekly report", False)):
        store.add(
            Table.SCHEDULES,
            description=name,
            ref="refs/heads/main",
            cron="0 2 * * *",
            cron_timezone="UTC",
            next_run_at=stamp(make.now + timedelta(hours=12)),
            active=active,
            created_at=make.created,
            updated_at=make.created,
            _owner=user,
            _project=project,
        )
    store.add(
        Table.TRIGGERS,
        description="deploy from the wiki",
        created_at=make.created,
        updated_at=make.created,
        last_used=None,
        expires_at=None,
        _owner=user,
        _project=project,
        _token=hashlib.sha256(f"trigger {path}".encode()).hexdigest()[:20],
    )
    _pipelines(make, person, path)


def _pipelines(make: Builder, person: Person, path: str) -> None:
    """Pipelines in three states, and who may read the project with a job token."""
    store, user, project = make.store, make.user(person), make.projects[path]
    for number, status in enumerate(("success", "running", "pending"), start=1):
        store.add(
            Table.PIPELINES,
            iid=number,
            project_id=project,
            sha=hashlib.sha1(status.encode(), usedforsecurity=False).hexdigest(),
            ref="main",
            status=status,
            source="push",
            created_at=stamp(make.now - timedelta(minutes=number)),
            updated_at=stamp(make.now - timedelta(minutes=number)),
            web_url=f"https://gitlab.example.com/{path}/-/pipelines/{number}",
            _user=user,
            _project=project,
        )
    store.add(
        Table.JOB_TOKEN_ENTRIES,
        _project=project,
        _kind="project",
        _target=make.projects.get(f"{person.login}/dotfiles", make.projects[f"{TOP}/canaries"]),
    )
    store.add(Table.JOB_TOKEN_ENTRIES, _project=project, _kind="group", _target=make.groups["lab"])


def _machines(world: World, make: Builder, person: Person, path: str) -> None:
    store, user, project = make.store, make.user(person), make.projects[path]
    key = store.add(
        Table.DEPLOY_KEYS,
        title=f"deploy by {person.login}",
        key=example_key(f"deploy {path}"),
        created_at=make.created,
        expires_at=None,
        last_used_at=None,
        usage_type="auth_and_signing",
        _user=user,
    )
    images = make.projects[f"{TOP}/platform/build/images"]
    for target, writes in ((project, True), (images, False)):
        store.add(Table.DEPLOY_KEY_PROJECTS, can_push=writes, _project=target, _key=key["id"])
    _tokens_and_runners(world, make, person, project)
    _agent(world, make, person, project)
    _bots(world, make, person, path)


def _tokens_and_runners(world: World, make: Builder, person: Person, project: int) -> None:
    store, user = make.store, make.user(person)
    places: list[dict[str, int | None]] = [
        {"_project": project, "_group": None},
        {"_project": None, "_group": make.groups[TOP]},
    ]
    for place in places:
        name = f"registry of {person.login}"
        store.add(
            Table.DEPLOY_TOKENS,
            name=name,
            username=f"gitlab+deploy-token-{user}",
            expires_at=None,
            scopes=["read_registry"],
            revoked=False,
            expired=False,
            **place,
            _made_by=user,
            _token=world.new_secret(),
        )
        store.add(
            Table.RUNNERS,
            description=f"runner of {person.login}",
            ip_address="",
            active=True,
            paused=False,
            is_shared=False,
            runner_type="project_type" if place["_project"] else "group_type",
            name="gitlab-runner",
            online=True,
            created_at=make.created,
            status="online",
            tag_list=["docker"],
            run_untagged=True,
            locked=False,
            maximum_timeout=None,
            access_level="not_protected",
            contacted_at=stamp(make.now),
            maintenance_note=None,
            **place,
            _created_by=user,
            _token=world.new_secret(),
        )


def _agent(world: World, make: Builder, person: Person, project: int) -> None:
    user = make.user(person)
    agent = make.store.add(
        Table.AGENTS,
        name=f"cluster-{person.login.replace('.', '-')}",
        created_at=make.created,
        created_by_user_id=user,
        is_receptive=False,
        _project=project,
    )
    make.store.add(
        Table.AGENT_TOKENS,
        name="first",
        description="",
        agent_id=agent["id"],
        status="active",
        created_at=make.created,
        created_by_user_id=user,
        last_used_at=stamp(make.now),
        _token=world.new_secret(),
    )


def _bots(world: World, make: Builder, person: Person, path: str) -> None:
    """A project and a group token, each with its bot, and a service account of the group."""
    user, store = make.user(person), make.store
    ends = (make.now + timedelta(days=100)).date().isoformat()
    sources = (
        ("project", "Project", make.projects[path]),
        ("group", "Group", make.groups[f"{TOP}/platform"]),
    )
    for kind, source_type, source in sources:
        name = f"{kind}_{source}_bot_{person.employee_number}"
        bot = add_user(
            store, name, f"{kind} token", make.now, bot=True, _kind="bot", _created_by=user
        )
        store.add(
            Table.MEMBERS,
            access_level=40,
            created_at=make.created,
            expires_at=None,
            _source=source,
            _source_type=source_type,
            _user=bot["id"],
            _created_by=user,
        )
        tokens.issue(
            world,
            kind,
            bot["id"],
            f"release of {person.login}",
            ["api"],
            expires_at=ends,
            access_level=40,
            resource_type=kind,
            resource_id=source,
            created_at=make.created,
        )
    service = add_user(
        store,
        f"service-{person.employee_number}",
        "Service account",
        make.now,
        bot=True,
        _kind="service",
        _created_by=user,
        _group=make.groups[TOP],
    )
    tokens.issue(
        world,
        "personal",
        service["id"],
        "nightly",
        ["api"],
        expires_at=ends,
        created_at=make.created,
    )
