"""The session with GitLab: what python-gitlab gets wrong, and what no answer may make us do."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import responses
from responses import matchers

from connectors.faults import Fault, Malformed, Missing, Refused, Transient, Unauthorised
from connectors.gitlab.session import GitLab
from connectors.gitlab.settings import CanaryUser, Settings
from connectors.secret import Secret

URL = "https://gitlab.example.com"
API = f"{URL}/api/v4"
NOW = datetime(2026, 12, 18, 10, 0, tzinfo=UTC)
JSON = "application/json"
_LARGE = b'{"message": "' + b"x" * 3_000_000 + b'"}'
TOKEN = "glpat-of-a-test"
LOGIN_PAGE = "<!DOCTYPE html><html><title>Sign in</title></html>"


def secret(value: str = TOKEN) -> Secret:
    """Make a secret with a value."""
    return Secret.held(lambda: value, value)


def settings(**more: Any) -> Settings:
    """Settings of an instance."""
    canary = CanaryUser(id=2, username="canary", email="canary@example.com", project=3)
    return Settings(url=URL, act=secret("one"), verify=secret("two"), canary=canary, **more)


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    """Answers instead of a network; an address without one is a connection error."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def gitlab() -> Iterator[GitLab]:
    """A session."""
    opened = GitLab(settings(), secret(), lambda: NOW)
    yield opened
    opened.close()


def rows(first: int, last: int) -> list[dict[str, int]]:
    """Rows with these ids."""
    return [{"id": number} for number in range(first, last + 1)]


def page(
    wire: responses.RequestsMock, number: int, body: list[dict[str, int]], **headers: str
) -> None:
    """Answer one page of /things; the first has no number."""
    query = {} if number == 1 else {"page": str(number)}
    match = [matchers.query_param_matcher(query, strict_match=False)] if query else []
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    wire.get(f"{API}/things", json=body, headers=named, match=match)


def next_link(number: int, host: str = URL) -> str:
    """Write a Link header."""
    return f'<{host}/api/v4/things?page={number}&per_page=100>; rel="next"'


def test_a_list_is_never_cut_at_twenty(wire: responses.RequestsMock, gitlab: GitLab) -> None:
    """Every page is read, whatever the library's own default is."""
    page(wire, 2, rows(101, 145), X_Total="145", X_Next_Page="")
    page(wire, 1, rows(1, 100), X_Total="145", X_Next_Page="2", Link=next_link(2))
    assert [row["id"] for row in gitlab.every("/things")] == list(range(1, 146))
    assert "per_page=100" in str(wire.calls[0].request.url)


def test_the_given_page_size_is_asked_for(wire: responses.RequestsMock) -> None:
    """`page_size` reaches GitLab."""
    page(wire, 1, rows(1, 1), X_Total="1", X_Next_Page="")
    GitLab(settings(page_size=7), secret(), lambda: NOW).every("/things")
    assert "per_page=7" in str(wire.calls[0].request.url)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Next-Page": ""},
        {"X-Total": "145", "X-Next-Page": ""},
        {"X-Next-Page": "2"},
        {"X-Total": "50", "X-Next-Page": "2"},
    ],
    ids=["no headers", "no count", "fewer than counted", "says there is more", "more to come"],
)
def test_a_list_that_was_cut_is_not_believed(
    wire: responses.RequestsMock, gitlab: GitLab, headers: dict[str, str]
) -> None:
    """A list without a provable end is no list (Law 2)."""
    wire.get(f"{API}/things", json=rows(1, 50), headers=headers)
    with pytest.raises(Malformed):
        gitlab.every("/things")


def test_a_list_that_moved_is_read_again_later(
    wire: responses.RequestsMock, gitlab: GitLab
) -> None:
    """Pages by number skip rows when others go: the count betrays it."""
    page(wire, 2, rows(101, 144), X_Total="144", X_Next_Page="")
    page(wire, 1, rows(1, 100), X_Total="145", X_Next_Page="2", Link=next_link(2))
    with pytest.raises(Transient):
        gitlab.every("/things")


def test_pages_that_lead_back_end(wire: responses.RequestsMock, gitlab: GitLab) -> None:
    """A next link to a page that was read is nonsense, not a reason to read for ever."""
    page(wire, 2, rows(1, 100), X_Next_Page="2", Link=next_link(2))
    page(wire, 1, rows(1, 100), X_Next_Page="2", Link=next_link(2))
    with pytest.raises(Malformed):
        gitlab.every("/things")
    assert len(wire.calls) == 2


def test_the_token_goes_to_no_other_host(wire: responses.RequestsMock, gitlab: GitLab) -> None:
    """A next link to another host is refused before anything is sent there."""
    elsewhere = "https://gitlab.attacker.example"
    page(wire, 1, rows(1, 100), X_Next_Page="2", Link=next_link(2, elsewhere))
    wire.get(f"{elsewhere}/api/v4/things", json=[])
    with pytest.raises(Malformed, match="another host"):
        gitlab.every("/things")
    assert [URL in str(call.request.url) for call in wire.calls] == [True]


def test_redirects_are_not_followed(wire: responses.RequestsMock, gitlab: GitLab) -> None:
    """Neither a read nor a write goes where an answer sends it."""
    for method in (responses.GET, responses.POST):
        away = {"Location": "https://gitlab.attacker.example/api/v4/things"}
        wire.add(method, f"{API}/things", status=302, headers=away)
    with pytest.raises(Malformed):
        gitlab.get("/things")
    with pytest.raises(Malformed):
        gitlab.send("post", "/things")
    assert len(wire.calls) == 2


def test_a_large_list_is_read_by_id(wire: responses.RequestsMock, gitlab: GitLab) -> None:
    """Above 10,000 rows GitLab does not count, and pages by number end at 50,000."""
    wire.get(
        f"{API}/things",
        json=rows(1, 10_001),
        match=[matchers.query_param_matcher({"pagination": "keyset"}, strict_match=False)],
    )
    page(wire, 1, rows(1, 100), X_Next_Page="2", Link=next_link(2))
    found = [row for part in gitlab.pages("/things", large=True) for row in part]
    assert len(found) == 10_001
    assert "order_by=id" in str(wire.calls[1].request.url)


def test_a_large_list_that_was_cut_is_not_believed(
    wire: responses.RequestsMock, gitlab: GitLab
) -> None:
    """It was not counted because it has more than 10,000 rows, and then it has them."""
    wire.get(
        f"{API}/things",
        json=rows(1, 300),
        match=[matchers.query_param_matcher({"pagination": "keyset"}, strict_match=False)],
    )
    page(wire, 1, rows(1, 100), X_Next_Page="2", Link=next_link(2))
    with pytest.raises(Malformed):
        list(gitlab.pages("/things", large=True))


@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
def test_a_login_page_is_no_success(
    wire: responses.RequestsMock, gitlab: GitLab, method: str
) -> None:
    """200 with HTML is what a proxy says to a session that ended; python-gitlab takes it."""
    wire.add(method.upper(), f"{API}/users/7", body=LOGIN_PAGE, content_type="text/html")
    with pytest.raises(Malformed):
        gitlab.send(method, "/users/7")


def test_what_is_not_called_json_is_not_read_as_json(
    wire: responses.RequestsMock, gitlab: GitLab
) -> None:
    """A page that happens to parse is still somebody else's answer."""
    wire.get(f"{API}/users/7", body='{"id": 7}', content_type="text/html")
    with pytest.raises(Malformed):
        gitlab.get("/users/7")


@pytest.mark.parametrize("status", [400, 403, 404, 409])
def test_a_refusal_of_somebody_else_is_not_gitlabs(
    wire: responses.RequestsMock, gitlab: GitLab, status: int
) -> None:
    """A 404 page of a proxy says nothing about a user."""
    wire.get(f"{API}/users/7", body=LOGIN_PAGE, status=status, content_type="text/html")
    with pytest.raises(Malformed):
        gitlab.get("/users/7")


@pytest.mark.parametrize(
    ("status", "due"),
    [
        (400, Refused),
        (401, Unauthorised),
        (403, Unauthorised),
        (404, Missing),
        (409, Refused),
        (422, Refused),
        (408, Transient),
        (423, Transient),
        (429, Transient),
        (500, Transient),
        (502, Transient),
        (504, Transient),
        (418, Refused),
    ],
)
def test_every_status_is_a_decision(
    wire: responses.RequestsMock, gitlab: GitLab, status: int, due: type[Fault]
) -> None:
    """Each refusal of GitLab becomes the fault that carries the right decision."""
    wire.get(f"{API}/users/7", json={"message": "no"}, status=status)
    with pytest.raises(due) as raised:
        gitlab.get("/users/7")
    assert raised.value.code == f"gitlab:{status}"


@pytest.mark.parametrize(
    ("told", "due"),
    [("17", 17), ("Fri, 18 Dec 2026 10:00:42 GMT", 42), ("soon", 0), ("", 0), ("-3", 0)],
)
def test_a_throttled_answer_says_when(
    wire: responses.RequestsMock, gitlab: GitLab, told: str, due: int
) -> None:
    """`Retry-After` in seconds and as a date; python-gitlab drops one and dies of the other."""
    wire.get(f"{API}/users/7", body="Retry later", status=429, headers={"Retry-After": told})
    with pytest.raises(Transient) as raised:
        gitlab.get("/users/7")
    assert raised.value.retry_after == timedelta(seconds=due)
    assert len(wire.calls) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 520])
def test_a_write_is_sent_once(wire: responses.RequestsMock, gitlab: GitLab, status: int) -> None:
    """A POST whose answer is lost may have been done: nobody repeats it blindly."""
    wire.post(f"{API}/projects/3/export", json={"message": "no"}, status=status)
    with pytest.raises(Transient):
        gitlab.send("post", "/projects/3/export")
    assert len(wire.calls) == 1


@pytest.mark.parametrize(
    ("error", "due"),
    [
        (requests.exceptions.ConnectTimeout(), Transient),
        (requests.exceptions.ReadTimeout(), Transient),
        (requests.exceptions.ConnectionError(), Transient),
        (requests.exceptions.ChunkedEncodingError(), Transient),
        (requests.exceptions.InvalidURL(), Malformed),
        (requests.exceptions.TooManyRedirects(), Malformed),
    ],
    ids=lambda value: type(value).__name__,
)
def test_nothing_of_the_library_escapes(
    wire: responses.RequestsMock, gitlab: GitLab, error: Exception, due: type[Fault]
) -> None:
    """Errors of requests pass python-gitlab as they are; here they become faults, after one try."""
    wire.get(f"{API}/users/7", body=error)
    with pytest.raises(due):
        gitlab.get("/users/7")
    assert len(wire.calls) == 1


def test_every_request_has_timeouts(wire: responses.RequestsMock) -> None:
    """The library's default waits for ever."""
    wire.get(f"{API}/users/7", json={"id": 7})
    short = settings(connect_timeout=timedelta(seconds=2), receive_timeout=timedelta(seconds=3))
    GitLab(short, secret(), lambda: NOW).get("/users/7")
    given: Any = wire.calls[0].request
    assert given.req_kwargs["timeout"] == (2.0, 3.0)


@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_has_a_bound(wire: responses.RequestsMock, status: int) -> None:
    """A body of any size is not taken in, and a refusal's even less."""
    wire.get(f"{API}/users/7", body=_LARGE, status=status, content_type=JSON)
    small = GitLab(settings(max_answer_bytes=2048), secret(), lambda: NOW)
    with pytest.raises(Malformed):
        small.get("/users/7")


@pytest.mark.parametrize("body", ["{", "[" * 100_000, "[1, 2]", '"text"', "null", ""])
def test_an_object_is_due(wire: responses.RequestsMock, gitlab: GitLab, body: str) -> None:
    """What is no object is nonsense, also when it is JSON."""
    wire.get(f"{API}/users/7", body=body, content_type="application/json")
    with pytest.raises(Malformed):
        gitlab.get("/users/7")


def test_the_token_is_read_when_it_is_used(wire: responses.RequestsMock) -> None:
    """A rotated token is taken at the next request, and it stands in no text (Law 10)."""
    values = iter(["first", "second"])
    wire.get(f"{API}/users/7", json={"message": "no"}, status=401)
    rotating = GitLab(settings(), Secret.held(lambda: next(values), "t"), lambda: NOW)
    for _ in range(2):
        with pytest.raises(Unauthorised) as raised:
            rotating.get("/users/7")
        assert "first" not in f"{raised.value!r} {rotating!r}"
    sent = [call.request.headers["PRIVATE-TOKEN"] for call in wire.calls]
    assert sent == ["first", "second"]


def test_cookies_are_not_kept(wire: responses.RequestsMock, gitlab: GitLab) -> None:
    """A session cookie of one answer would be another way to be somebody."""
    wire.get(f"{API}/users/7", json={"id": 7}, headers={"Set-Cookie": "_session=abc; Path=/"})
    gitlab.get("/users/7")
    gitlab.get("/users/7")
    assert "Cookie" not in wire.calls[1].request.headers


def test_a_write_says_as_whom(wire: responses.RequestsMock, gitlab: GitLab) -> None:
    """`sudo` goes into the query beside other parameters, and the body stays a body."""
    wire.post(f"{API}/projects/3/deploy_keys", json={"id": 1}, status=201)
    gitlab.send("post", "/projects/3/deploy_keys", {"title": "t"}, sudo=9)
    request = wire.calls[0].request
    assert "sudo=9" in str(request.url)
    assert request.body == b'{"title": "t"}'


def test_reads_end_together(wire: responses.RequestsMock, gitlab: GitLab) -> None:
    """When one read cannot go on, the others are not asked one by one until each has failed."""
    wire.add(responses.GET, f"{API}/dead", body=requests.exceptions.ReadTimeout())
    many = [("/dead", None)] * 200
    with pytest.raises(Transient, match="in time"):
        gitlab.gather(many)
    assert len(wire.calls) <= 2 * settings().concurrency


def test_a_refusal_of_one_part_ends_nothing(wire: responses.RequestsMock, gitlab: GitLab) -> None:
    """403 and 404 stand where rows would be; the rest is read."""
    wire.get(f"{API}/a", json={"message": "403 Forbidden"}, status=403)
    wire.get(f"{API}/b", json={"message": "404 Not found"}, status=404)
    wire.get(f"{API}/c", json=rows(1, 1), headers={"X-Total": "1", "X-Next-Page": ""})
    one, two, three = gitlab.gather([("/a", None), ("/b", None), ("/c", None)])
    assert isinstance(one, Unauthorised)
    assert isinstance(two, Missing)
    assert three == rows(1, 1)


def test_a_page_is_no_archive(wire: responses.RequestsMock, gitlab: GitLab) -> None:
    """python-gitlab writes the login page to disk as the backup."""
    wire.get(f"{API}/projects/3/export/download", body=LOGIN_PAGE, content_type="text/html")
    with pytest.raises(Malformed):
        list(gitlab.download("/projects/3/export/download"))


def test_an_archive_has_a_bound(wire: responses.RequestsMock) -> None:
    """A download ends when it is larger than the settings allow."""
    path = "/projects/3/export/download"
    wire.get(f"{API}{path}", body=b"x" * 500_000, content_type="application/gzip")
    small = GitLab(settings(max_export_bytes=100_000), secret(), lambda: NOW)
    with pytest.raises(Malformed):
        list(small.download(path))
