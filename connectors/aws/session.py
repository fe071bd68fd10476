"""Many accounts from one session: assumed roles, clients in an LRU, single calls and whole lists.

Called by every module of this room; the only one that knows boto3. It never repeats a call
(botocore's own retries are off: they would repeat writes and hide throttling). A new boto3 session
costs about 150 ms and 7 MB, a client of a shared one a few milliseconds, so there is one session
for the process, and clients are made under a lock because making them is not safe for threads
(boto/boto3#1592).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import UnknownServiceError  # type: ignore[import-untyped]

from connectors.aws.answers import faults
from connectors.aws.settings import Identity, Settings
from connectors.contract import Credential
from connectors.faults import Malformed, Refused, Unauthorised
from connectors.secret import Secret, SecretUnavailable

Object = Mapping[str, Any]
_LOCK: Final = threading.Lock()
_EARLY: Final = timedelta(minutes=5)
_GLOBAL: Final = frozenset({"iam", "organizations"})


@dataclass(frozen=True, slots=True)
class _Paging:
    """How a service pages: request token, answer token, flag that more follows, size argument.

    ``sparse``: it leaves the list out where there is nothing in it, in an answer that is JSON.
    """

    ask: str
    told: str
    more: str = ""
    size: str = ""
    most: int = 1000
    sparse: bool = False


_PAGING: Final[Mapping[str, _Paging]] = {
    "iam": _Paging("Marker", "Marker", "IsTruncated", "MaxItems"),
    "kms": _Paging("Marker", "NextMarker", "Truncated", "Limit", 100),
    "identitystore": _Paging("NextToken", "NextToken", size="MaxResults", most=100),
    "sso-admin": _Paging("NextToken", "NextToken", size="MaxResults", most=100),
    "organizations": _Paging("NextToken", "NextToken"),
    "sqs": _Paging("NextToken", "NextToken", size="MaxResults", sparse=True),
    "sns": _Paging("NextToken", "NextToken"),
    "secretsmanager": _Paging("NextToken", "NextToken"),
    "cloudtrail": _Paging("NextToken", "NextToken"),
    "s3": _Paging("ContinuationToken", "ContinuationToken"),
    "ecr": _Paging("nextToken", "nextToken"),
    "resourcegroupstaggingapi": _Paging("PaginationToken", "PaginationToken"),
    "account-access": _Paging("nextToken", "nextToken"),
    "ec2": _Paging("NextToken", "NextToken"),
}


def _is_json(answer: Object) -> bool:
    """Law 2: botocore reads a page of HTML as an empty JSON answer; its headers tell them apart."""
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return "json" in str(headers.get("content-type", ""))


@cache
def _shared() -> Any:  # noqa: ANN401 - boto3 has no types
    return boto3.session.Session()


@dataclass(frozen=True, slots=True)
class _Keys:
    key_id: str
    secret: str
    token: str
    until: datetime | None


class Sessions:
    """One identity in all accounts of one organisation. Safe for threads."""

    def __init__(
        self, settings: Settings, credential: Credential, clock: Callable[[], datetime]
    ) -> None:
        """Remember the settings; no I/O."""
        self.settings = settings
        self.credential = credential
        self.clock = clock
        self._identity: Identity = settings.identity(credential)
        self._keys: dict[str, _Keys] = {}
        self._clients: OrderedDict[tuple[str, str, str, str], Any] = OrderedDict()
        self._assuming = threading.Lock()

    def close(self) -> None:
        """Let go of connections; a later call opens new ones."""
        with _LOCK:
            clients, self._clients = list(self._clients.values()), OrderedDict()
        for client in clients:
            client.close()

    @property
    def verifying(self) -> bool:
        """Whether this is the verifying identity."""
        return self.credential is Credential.VERIFY

    # ----------------------------------------------------------------------------------- calls
    def call(
        self, account: str, service: str, operation: str, region: str = "", **arguments: object
    ) -> Object:
        """Make one call. Raises faults."""
        client = self._client(account, service, region)
        with faults(f"{service}:{operation}"):
            answer = getattr(client, operation)(**arguments)
        if not isinstance(answer, Mapping):
            raise Malformed(f"{service}:{operation}: no answer", code="aws:shape")
        return answer

    def pages(
        self,
        account: str,
        service: str,
        operation: str,
        member: str,
        region: str = "",
        **arguments: object,
    ) -> Iterator[tuple[Any, ...]]:
        """Read a whole list page by page. Raises faults; a list cut short is Malformed (Law 2).

        botocore takes an HTML page for an empty JSON answer, and its paginators stop in silence
        where a token is missing or lists are not paginated by its model: so the member must be
        there, and a list that says more follows must say how.
        """
        paging = _PAGING[service]
        sized = {paging.size: min(self.settings.page_size, paging.most)} if paging.size else {}
        token, seen = "", set[str]()
        for _ in range(self.settings.max_pages):
            asked = {**arguments, **sized, **({paging.ask: token} if token else {})}
            answer = self.call(account, service, operation, region, **asked)
            listed = answer.get(member, [] if paging.sparse and _is_json(answer) else None)
            if not isinstance(listed, list):
                raise Malformed(f"{service}:{operation}: no {member}", code="aws:shape")
            yield tuple(listed)
            token = str(answer.get(paging.told) or "")
            # Where the word is left out, the token alone says that more follows.
            more = bool(answer.get(paging.more, token)) if paging.more else bool(token)
            if not more:
                return
            if not token or token in seen:
                raise Malformed(f"{service}:{operation}: the list is cut", code="aws:list")
            seen.add(token)
        raise Malformed(f"{service}:{operation}: the list does not end", code="aws:list")

    def listed(
        self,
        account: str,
        service: str,
        operation: str,
        member: str,
        region: str = "",
        **arguments: object,
    ) -> list[Any]:
        """Read a whole list at once. Raises faults."""
        pages = self.pages(account, service, operation, member, region, **arguments)
        return [one for page in pages for one in page]

    # --------------------------------------------------------------------------------- clients
    def _client(self, account: str, service: str, region: str) -> Any:  # noqa: ANN401 - no types
        keys = self._signed_in(account)
        where = self.settings.sign_in_region if service in _GLOBAL or not region else region
        name = (account, service, where, keys.key_id if keys else "")
        with _LOCK:
            client = self._clients.pop(name, None) or self._made(service, where, keys)
            self._clients[name] = client
            while len(self._clients) > self.settings.clients:
                self._clients.popitem(last=False)
        return client

    def _made(self, service: str, region: str, keys: _Keys | None) -> Any:  # noqa: ANN401 - no types
        settings = self.settings
        config = Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=settings.connect_timeout.total_seconds(),
            read_timeout=settings.read_timeout.total_seconds(),
            proxies={},  # the environment's proxies are not our settings
            ignore_configured_endpoint_urls=True,
            s3={"addressing_style": "path"} if settings.endpoint_url else None,
        )
        given = (
            {
                "aws_access_key_id": keys.key_id,
                "aws_secret_access_key": keys.secret,
                "aws_session_token": keys.token or None,
            }
            if keys
            else {}
        )
        try:
            return _shared().client(
                service,
                region_name=region,
                endpoint_url=settings.endpoint_url or None,
                config=config,
                **given,
            )
        except UnknownServiceError as error:
            code = "aws:UnknownService"
            raise Refused(f"this boto3 does not know {service}", code=code) from error

    def _signed_in(self, account: str) -> _Keys | None:
        """Return the keys for an account; None: those of the machine."""
        identity = self._identity
        if account == identity.home or not account:
            return None if identity.ambient else self._base()
        with self._assuming:
            known = self._keys.get(account)
            if known and known.until and known.until - _EARLY > self.clock():
                return known
            keys = self._keys[account] = self._assumed(account)
        return keys

    def _assumed(self, account: str) -> _Keys:
        arn = f"arn:{self.settings.partition}:iam::{account}:role/{self._identity.role}"
        source = self._identity.source_identity
        answer = self.call(
            "",
            "sts",
            "assume_role",
            RoleArn=arn,
            RoleSessionName=f"deprovisioner-{self.credential.value}",
            **({"SourceIdentity": source} if source else {}),
        )
        with faults("sts:assume_role"):
            got = answer["Credentials"]
            return _Keys(
                got["AccessKeyId"], got["SecretAccessKey"], got["SessionToken"], got["Expiration"]
            )

    def _base(self) -> _Keys:
        identity = self._identity
        token = _revealed(identity.session_token) if identity.session_token else ""
        return _Keys(identity.access_key_id, _revealed(identity.secret_access_key), token, None)


def _revealed(secret: Secret | None) -> str:
    if secret is None:
        raise Unauthorised("no way to sign in is configured", code="aws:credentials")
    try:
        return secret.reveal()
    except SecretUnavailable as error:
        raise Unauthorised("the secret key cannot be read", code="aws:credentials") from error


def request_id(answer: Object) -> str:
    """Return AWS's own id of a request."""
    return str(answer.get("ResponseMetadata", {}).get("RequestId", ""))[:128]
