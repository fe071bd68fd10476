"""The fake GitLab on the wire: pages, faults, no secret in any answer, and python-gitlab on it."""

import gzip
import zlib
from collections.abc import Iterator

import gitlab as python_gitlab
import httpx
import pytest

from deprovisioner.sandbox.gitlab import TOP, Account, Fault, FaultKind, Record, Table
from deprovisioner.sandbox.gitlab.errors import Refusal
from deprovisioner.sandbox.gitlab.paging import cut
from tests.support.sandbox_gitlab import World, ask, forge
from tests.support.sandbox_gitlab_walk import READS, filled, names


@pytest.fixture
def world() -> Iterator[World]:
    """A forge of one's own."""
    with forge() as made:
        yield made


def every(client: httpx.Client, path: str) -> list[Record]:
    """Follow the links of a list."""
    found: list[Record] = []
    link: str | None = path
    while link:
        answer = client.get(link)
        assert answer.status_code == 200, answer.text
        found += answer.json()
        link = answer.links.get("next", {}).get("url")
    return found


def test_pages_by_number(world: World) -> None:
    """20 rows unless asked for more, 100 at most, totals and links; nothing twice."""
    act = world.client()
    first, most = act.get("users"), act.get("users?per_page=500")

    assert len(first.json()) == 20
    assert len(most.json()) == 100
    assert most.headers["X-Per-Page"] == "100"
    assert most.headers["X-Next-Page"] == "2"
    rows = [row["id"] for row in every(act, "users?per_page=100")]
    assert len(rows) == len(set(rows)) == int(first.headers["X-Total"])
    assert act.get("users?page=0").status_code == 400
    assert act.get("users?per_page=x").status_code == 400


def test_pages_by_keyset_do_not_move(world: World) -> None:
    """No totals; a row that goes while one reads costs no other row."""
    act = world.client()
    path = "users?pagination=keyset&order_by=id&sort=asc&per_page=50"
    whole = {row["id"] for row in every(act, path)}
    answer = act.get(path)
    assert "X-Total" not in answer.headers
    gone = answer.json()[0]["id"]
    world.gitlab.edit(lambda store: store.drop(Table.USERS, gone))

    rest = {row["id"] for row in every(act, answer.links["next"]["url"])}

    assert rest | {row["id"] for row in answer.json()} == whole
    assert act.get("projects?pagination=keyset&order_by=name").status_code == 405


def test_totals_end_above_ten_thousand_rows() -> None:
    """And beyond 50,000 rows only keyset paging goes on."""
    rows = [{"id": number} for number in range(60_001)]
    by_id = frozenset({"id:asc"})

    assert "X-Total" not in cut(rows, {"per_page": "100"}, frozenset()).totals
    assert cut(rows[:9_999], {}, frozenset()).totals["X-Total"] == "9999"
    with pytest.raises(Refusal) as refused:
        cut(rows, {"per_page": "100", "page": "502"}, by_id)
    assert refused.value.status == 405


def met(world: World, fault: Fault, path: str = "users?per_page=100") -> httpx.Response:
    """Ask once under a fault; then the panel is clean again."""
    world.gitlab.faults.add(fault)
    try:
        return world.client().get(path)
    finally:
        world.gitlab.faults.clear()


def test_faults_in_front_of_gitlab(world: World) -> None:
    """What proxies and limits answer: no JSON of GitLab's, and the hint in both its forms."""
    seconds = met(world, Fault(FaultKind.THROTTLED, retry_after=7))
    assert (seconds.status_code, seconds.headers["Retry-After"]) == (429, "7")
    date = met(world, Fault(FaultKind.THROTTLED, retry_after=7, retry_date=True))
    assert date.headers["Retry-After"] == "Fri, 18 Dec 2026 10:00:07 GMT"
    assert met(world, Fault(FaultKind.FAILING)).status_code == 503
    page = met(world, Fault(FaultKind.HTML))
    assert (page.status_code, page.headers["Content-Type"][:9]) == (200, "text/html")
    away = met(world, Fault(FaultKind.REDIRECT, host="elsewhere.example"))
    assert away.headers["Location"] == "https://elsewhere.example/api/v4/users?per_page=100"
    assert met(world, Fault(FaultKind.FORBIDDEN)).status_code == 403
    assert met(world, Fault(FaultKind.EXPIRED)).status_code == 401


def test_faults_of_lists(world: World) -> None:
    """Empty, cut, short, foreign, looping, hiding."""
    empty = met(world, Fault(FaultKind.LIES_EMPTY))
    assert (empty.json(), empty.headers["X-Total"]) == ([], "0")
    cut_off = met(world, Fault(FaultKind.CUT))
    assert len(cut_off.json()) == 50
    assert not {"link", "x-total", "x-next-page"} & cut_off.headers.keys()
    short = met(world, Fault(FaultKind.SHORT_PAGE))
    assert len(short.json()) == 50
    assert int(short.headers["X-Total"]) > 300
    foreign = met(world, Fault(FaultKind.FOREIGN_LINK, host="elsewhere.example"))
    assert foreign.links["next"]["url"].startswith("https://elsewhere.example/api/v4/users?")
    loop = met(world, Fault(FaultKind.LOOP))
    assert loop.links["next"]["url"].endswith("/users?per_page=100")
    hidden = frozenset({world.leaver})
    found = met(world, Fault(FaultKind.HIDDEN, ids=hidden), "users?username=yue.lin")
    assert found.json() == []
    assert (
        met(world, Fault(FaultKind.HIDDEN, ids=hidden), f"users/{world.leaver}").status_code == 404
    )
    stale = Fault(FaultKind.STALE, seconds=60)
    ask(world.client(), "POST", f"/users/{world.leaver}/block", 201)
    assert met(world, stale, f"users/{world.leaver}").json()["state"] == "active"


def test_faults_of_writes(world: World) -> None:
    """True and not done; done and not said."""
    act, path = world.client(), f"users/{world.leaver}"
    world.gitlab.faults.add(Fault(FaultKind.IGNORED, path="/users/*/block", times=1))
    assert act.post(f"{path}/block").json() is True
    assert act.get(path).json()["state"] == "active"
    world.gitlab.faults.add(
        Fault(FaultKind.DONE_BUT_FAILING, path="/users/*/block", times=1),
        Fault(FaultKind.DROPPED, path="/users/*/unblock", times=1),
    )

    assert act.post(f"{path}/block").status_code == 502

    assert act.get(path).json()["state"] == "blocked"
    with pytest.raises(httpx.RemoteProtocolError):
        act.post(f"{path}/unblock")
    assert act.get(path).json()["state"] == "active"


def test_a_download_that_ends_early_does_not_show_it(world: World) -> None:
    """Half of the archive, success, no length."""
    act, project = world.client(), world.gitlab.project_id(f"{TOP}/platform/service")
    ask(act, "POST", f"/projects/{project}/export", 202, {})
    world.clock.forward(minutes=2)
    whole = ask(act, "GET", f"/projects/{project}/export/download", 200)
    world.clock.forward(minutes=2)
    world.gitlab.faults.add(Fault(FaultKind.TRUNCATED, path="*/export/download"))

    answer = act.get(f"projects/{project}/export/download")

    assert (answer.status_code, answer.content) == (200, whole[: len(whole) // 2])
    assert "Content-Length" not in answer.headers


def test_an_archive_can_be_damaged_at_its_full_length(world: World) -> None:
    """Nothing but the archive itself shows it."""
    act, project = world.client(), world.gitlab.project_id(f"{TOP}/platform/service")
    ask(act, "POST", f"/projects/{project}/export", 202, {})
    world.clock.forward(minutes=2)
    world.gitlab.faults.add(Fault(FaultKind.DAMAGED, path="*/export/download"))

    answer = act.get(f"projects/{project}/export/download")

    assert answer.headers["Content-Length"] == str(len(answer.content))
    with pytest.raises((zlib.error, gzip.BadGzipFile, EOFError)):
        gzip.decompress(answer.content)


def test_a_write_can_be_done_late(world: World) -> None:
    """Answered at once, true a while later, in the name of whoever asked."""
    act, path = world.client(), f"users/{world.leaver}"
    late = Fault(FaultKind.LATE, path="/users/*/block", times=1, seconds=90)
    world.gitlab.faults.add(late)
    assert act.post(f"{path}/block").json() is True
    assert act.get(path).json()["state"] == "active"

    world.clock.forward(seconds=91)

    assert act.get(path).json()["state"] == "blocked"
    assert world.gitlab.witness.changes_by(Account.ACTOR)[-1].key == world.leaver


def test_a_large_forge(world: World) -> None:
    """Further people and projects are there for benchmarks; an owner sees all of their group's."""
    with forge(further_users=150, further_projects=250) as large:
        owner, act = large.client(Account.OWNER), large.client()
        path = f"groups/{TOP}/projects?include_subgroups=true&per_page=100"
        rows = every(owner, path)
        users = every(act, "users?per_page=100")

    small = every(world.client(Account.OWNER), path)
    assert len(rows) == len(small) + 250
    assert len(users) == len(every(world.client(), "users?per_page=100")) + 150


def test_no_answer_has_a_secret_or_a_member_of_the_fakes_own(world: World) -> None:
    """Tokens, secrets of hooks and runners, and who made what nobody can attribute."""
    act, known = world.client(), names(world)
    secrets = {
        value
        for table in Table
        for row in world.gitlab.truth.every(table)
        for name, value in row.items()
        if name in {"_token", "_secret", "_digest"} and value
    }
    secrets |= {world.gitlab.secret_of(one["id"]) for one in world.gitlab.truth.every(Table.TOKENS)}

    for path in READS:
        text = act.get(filled(path, known).lstrip("/")).text
        assert not [one for one in secrets if one in text], path
        assert '"_' not in text.replace('"_links"', ""), path


def test_python_gitlab_works_on_it(world: World) -> None:
    """The real client: twice blocked, whole lists, keys, an act as somebody else, a refusal."""
    client = python_gitlab.Gitlab(world.gitlab.url, private_token=world.gitlab.token(), timeout=10)
    user = client.users.get(world.leaver)

    assert user.block() is True
    assert user.block() is None
    assert client.users.get(world.leaver).state == "blocked"
    assert len(client.users.list(get_all=True)) > 300
    assert len(client.users.list(iterator=True, per_page=100)) > 300
    assert {key.title for key in user.keys.list(get_all=True)} == {"laptop", "desktop"}
    project = client.projects.get(f"{TOP}/platform/service")
    schedule = project.pipelineschedules.list(get_all=True)[0]
    schedule.take_ownership(sudo=world.successor)
    fresh = project.pipelineschedules.get(schedule.id)
    assert fresh.owner["id"] == world.successor
    with pytest.raises(python_gitlab.exceptions.GitlabDeleteError) as refused:
        client.users.delete(world.leaver)
    assert refused.value.response_code == 409
    assert client.personal_access_tokens.list(user_id=world.leaver, state="active", get_all=True)


def test_two_forges_of_one_company_are_the_same() -> None:
    """Ids are counted in the order of loading."""
    with forge() as one, forge() as other:
        for account in Account:
            assert one.gitlab.user_id(account) == other.gitlab.user_id(account)
        assert names(one) == names(other)


def test_a_fault_from_the_wire() -> None:
    """Faults are read from JSON, and nonsense is refused."""
    read = Fault.from_wire({"kind": "hidden", "ids": [3], "path": "/users/*"})

    assert read == Fault(FaultKind.HIDDEN, path="/users/*", ids=frozenset({3}))
    with pytest.raises(ValueError, match="no "):
        Fault.from_wire({"kind": "hidden", "nonsense": 1})
