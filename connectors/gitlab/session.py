"""The session with GitLab: the one way out of this room.

``python-gitlab`` writes the requests; what it would do with the answers is switched off, because it
sleeps, repeats a POST, cuts lists at 20, follows redirects with our token, takes a login page for
success, and drops ``Retry-After`` (docs/decisions/0013-gitlab.md). This is not a cache, never
retries, and opens nothing before a call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http.cookiejar import DefaultCookiePolicy
from threading import Event
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

import gitlab
import requests
from requests.adapters import BaseAdapter
from requests.auth import AuthBase

from connectors._http.faults import sendable
from connectors._http.reading import bounded, request_id
from connectors._http.waiting import http_date
from connectors.contract import Json
from connectors.faults import Fault, Malformed, Transient, Unauthorised
from connectors.gitlab.answers import FORBIDDEN, Object, fault, parsed

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.gitlab.settings import Settings
    from connectors.secret import Secret

Asked = TypeVar("Asked")
Found = TypeVar("Found")
Query = Mapping[str, str | int | bool | Sequence[int]]
KEYSET: Final[Query] = {"pagination": "keyset", "order_by": "id", "sort": "asc"}

_COUNTED: Final = 10_000
"""GitLab counts no list with more rows than this."""
_CHUNK: Final = 64 * 1024
_MOST_PAGES: Final = 100_000
_ERROR_BYTES: Final = 64 * 1024
_GZIP: Final = frozenset(
    {"application/gzip", "application/x-gzip", "application/octet-stream", "application/x-tar"}
)


class _Token(AuthBase):
    """Puts the token on a request at the moment it is sent; it is kept nowhere (Law 10)."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers["PRIVATE-TOKEN"] = sendable("gitlab", self._token.reveal())
        return r


class _Careful(requests.Session):
    """Sends what python-gitlab wrote, to our GitLab and nowhere else, once."""

    def __init__(self, settings: Settings, token: Secret, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self.trust_env = False  # neither a netrc nor a proxy of the environment gets our token
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._origin = origin(settings.url)
        self._token = _Token(token)
        self._clock = clock
        connect, receive = settings.connect_timeout, settings.receive_timeout
        self._timeouts = connect.total_seconds(), receive.total_seconds()

    def request(self, method: Any, url: Any, **given: Any) -> requests.Response:  # type: ignore[override] # noqa: ANN401 - the library's own signature
        if origin(str(url)) != self._origin:
            raise Malformed("an address of another host", code="gitlab:host")
        given |= {"auth": self._token, "timeout": self._timeouts}
        given |= {"allow_redirects": False, "stream": True}
        response = super().request(method, url, **given)
        if not 200 <= response.status_code < 300:  # noqa: PLR2004 - RFC 9110 section 15.3
            # Here and not later: python-gitlab drops the headers, and with them Retry-After.
            with response:
                content = next(response.iter_content(_ERROR_BYTES), b"")
            raise fault(response.status_code, response.headers, content, self._clock())
        return response


def origin(url: str) -> tuple[str, str]:
    """Return scheme and host of an address."""
    parts = urlsplit(url)
    return parts.scheme.casefold(), parts.netloc.casefold()


class GitLab:
    """One token's session with one GitLab. Safe for threads."""

    def __init__(
        self,
        settings: Settings,
        token: Secret,
        clock: Callable[[], datetime],
        adapter: BaseAdapter | None = None,
    ) -> None:
        """Remember the settings; no I/O. ``adapter`` carries the requests, in tests of the room."""
        self.settings = settings
        self.clock = clock
        self.server_time: datetime | None = None
        """What GitLab's own clock said in the last answer."""
        self._http = _Careful(settings, token, clock)
        if adapter is not None:
            self._http.mount(settings.url, adapter)
        self._wire = gitlab.Gitlab(
            settings.url.rstrip("/"),
            ssl_verify=settings.ca_file or True,
            session=self._http,
            retry_transient_errors=False,
            user_agent="deprovisioner",
        )

    # ----------------------------------------------------------------------------------- reads
    def get(self, path: str, query: Query | None = None) -> Object:
        """Read one object. Raises faults, :class:`~connectors.faults.Missing` on 404."""
        body = self._exchange("get", path, query)[0]
        if not isinstance(body, Mapping):
            raise Malformed("an object was due", code="gitlab:shape")
        return body

    def pages(
        self, path: str, query: Query | None = None, *, paged: bool = True, large: bool = False
    ) -> Iterator[list[Object]]:
        """Read every page. Raises faults, :class:`Malformed` for a list that was cut (Law 2).

        GitLab counts lists up to 10,000 rows: those are read page by page and compared with the
        count. A ``large`` list, which it does not count, is read by id (keyset), because pages by
        number end at 50,000 rows. ``paged`` is off for lists that it gives whole, without headers.
        """
        given: Query = (
            {**(query or {}), "per_page": self.settings.page_size} if paged else {**(query or {})}
        )
        url, seen, count = path, set[str](), 0
        total: int | None = None
        keyset = False
        for _ in range(_MOST_PAGES):
            body, response = self._exchange("get", url, given)
            rows = _rows(body)
            told, following = _total(response), _next(response)
            if large and not keyset and told is None and following:
                url, given, keyset, seen = path, {**given, **KEYSET}, True, set()
                continue
            if total is not None and told is not None and told != total:
                raise Transient("the list changed while it was read", code="gitlab:drift")
            total = told if total is None else total
            count += len(rows)
            if not following and paged:
                _whole(response, count, total, keyset=keyset)
            yield rows
            if not following:
                return
            seen.add(url)
            if following in seen:
                raise Malformed("the chain of pages leads back", code="gitlab:pages")
            url, given = following, {}
        raise Malformed("the chain of pages does not end", code="gitlab:pages")

    def every(self, path: str, query: Query | None = None, *, paged: bool = True) -> list[Object]:
        """Read a whole list. Nothing is changed while it is read. Raises faults."""
        return [row for page in self.pages(path, query, paged=paged) for row in page]

    def gather(
        self, requests_: Sequence[tuple[str, Query | None]], *, paged: bool = True
    ) -> list[list[Object] | Fault]:
        """Read lists, some at once; a refusal of one stands where its rows would be.

        What concerns all of them (no answer, throttled, token refused, nonsense) is raised, and
        those that were not asked yet are not asked any more.
        """

        def read(one: tuple[str, Query | None]) -> list[Object]:
            return self.every(*one, paged=paged)

        return self._at_once(requests_, read)

    def objects(self, paths: Sequence[tuple[str, Query | None]]) -> list[Object | Fault]:
        """Read single objects, some at once, like :meth:`gather`."""
        return self._at_once(paths, lambda one: self.get(*one))

    def text(self, path: str) -> bytes:
        """Read a body that is not JSON, such as a snippet. Raises faults."""
        response = self._send("get", path, None, None)
        content, kind = self._content(response, self.settings.max_answer_bytes)
        if kind.casefold().startswith("text/html"):
            raise Malformed("a page where a file was due", code="gitlab:html")
        return content

    def download(self, path: str) -> Iterator[bytes]:
        """Stream an archive, whatever its size. Raises faults; what ends early raises.

        That a body without a length is whole cannot be seen here: the caller proves the archive.
        """
        response = self._send("get", path, None, None)
        with response:
            kind = response.headers.get("Content-Type", "").partition(";")[0].casefold()
            if kind not in _GZIP:
                raise Malformed("a page where an archive was due", code="gitlab:html")
            taken = 0
            for chunk in self._chunks(response):
                taken += len(chunk)
                if taken > self.settings.max_export_bytes:
                    raise Malformed("the archive is larger than we take", code="gitlab:size")
                yield chunk

    # ---------------------------------------------------------------------------------- writes
    def send(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        *,
        sudo: int = 0,
        query: Query | None = None,
    ) -> str:
        """Write once; return GitLab's request id. Raises faults.

        The body of the answer is nobody's proof and not looked at, beyond that it is GitLab's. A
        lost answer is :class:`Transient`, and only a re-read decides. ``sudo``: as which user.
        """
        asked: Query = {**(query or {}), "sudo": sudo} if sudo else query or {}
        _, response = self._exchange(method, path, asked, body)
        return request_id(response.headers)

    def close(self) -> None:
        """Let go of connections. May be called twice."""
        self._http.close()

    # --------------------------------------------------------------------------------- details
    def _at_once(
        self, asked: Sequence[Asked], read: Callable[[Asked], Found]
    ) -> list[Found | Fault]:
        if not asked:
            return []
        stop = Event()

        def one(what: Asked) -> Found | Fault:
            if stop.is_set():
                return Transient("not asked: another request failed", code="gitlab:unasked")
            try:
                return read(what)
            except Fault as failed:
                if _concerns_all(failed):
                    stop.set()
                return failed

        if len(asked) == 1:
            found = [one(asked[0])]
        else:
            with ThreadPoolExecutor(self.settings.concurrency, "gitlab-reads") as workers:
                found = list(workers.map(one, asked))
        ending = [each for each in found if isinstance(each, Fault) and _concerns_all(each)]
        for each in sorted(ending, key=lambda failed: failed.code == "gitlab:unasked"):
            raise each
        return found

    def _exchange(
        self, method: str, path: str, query: Query | None, body: Object | None = None
    ) -> tuple[Json, requests.Response]:
        response = self._send(method, path, query, body)
        content, kind = self._content(response, self.settings.max_answer_bytes)
        return parsed(content, kind, response.status_code), response

    def _send(
        self, method: str, path: str, query: Query | None, body: Object | None
    ) -> requests.Response:
        """Send once and raise the fault of every refusal."""
        try:
            response = self._wire.http_request(
                method,
                path,
                query_data=dict(query or {}),
                post_data=dict(body) if body is not None else None,
                streamed=True,
                obey_rate_limit=False,
                retry_transient_errors=False,
            )
        except requests.Timeout as error:
            raise Transient("GitLab did not answer in time", code="gitlab:timeout") from error
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            raise Transient("GitLab cannot be reached", code="gitlab:network") from error
        except requests.RequestException as error:
            raise Malformed("the exchange made no sense", code="gitlab:http") from error
        self.server_time = http_date(response.headers.get("Date", "")) or self.server_time
        return response

    def _content(self, response: requests.Response, most: int) -> tuple[bytes, str]:
        with response:
            taken = bounded("gitlab", self._chunks(response), most, None)
        return taken, response.headers.get("Content-Type", "")

    def _chunks(self, response: requests.Response) -> Iterator[bytes]:
        """Read a body within the time for one answer between two chunks. Raises faults."""
        try:
            yield from response.iter_content(_CHUNK)
        except (requests.ConnectionError, requests.Timeout) as error:
            raise Transient("GitLab stopped in its answer", code="gitlab:network") from error
        except requests.RequestException as error:
            raise Transient("the answer ended too early", code="gitlab:cut") from error


def _concerns_all(failed: Fault) -> bool:
    ours_alone = isinstance(failed, Unauthorised) and failed.code == FORBIDDEN
    return isinstance(failed, Transient | Malformed | Unauthorised) and not ours_alone


def _rows(body: Json) -> list[Object]:
    if not isinstance(body, Sequence) or isinstance(body, str):
        raise Malformed("a list was due", code="gitlab:shape")
    rows = [row for row in body if isinstance(row, Mapping)]
    if len(rows) != len(body):
        raise Malformed("a list of objects was due", code="gitlab:shape")
    return rows


def _total(response: requests.Response) -> int | None:
    """Read ``X-Total``; GitLab leaves it out above 10,000 rows and with keyset paging."""
    told = response.headers.get("X-Total", "")
    return int(told) if told.isdigit() else None


def _next(response: requests.Response) -> str:
    return response.links.get("next", {}).get("url", "")


def _whole(response: requests.Response, count: int, total: int | None, *, keyset: bool) -> None:
    """Law 2: a list ends when GitLab says so, not when somebody has dropped the rest."""
    headers = response.headers
    if total is not None:
        ended = count == total
    elif keyset:
        ended = count > _COUNTED
    else:
        ended = "X-Next-Page" in headers and count > _COUNTED
    if not ended or headers.get("X-Next-Page", "").strip():
        raise Malformed("the list was cut short", code="gitlab:cut")
