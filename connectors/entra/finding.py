"""Finding a person's accounts, and listing everybody's for the sweep.

Called by the connector's ``find`` and ``list_accounts``. The HR number and an immutable id match
for certain; names and addresses are re-used, so they make candidates that a person confirms, and
so do second accounts by pattern, guests, and users whose HR number is another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.request_information import RequestInformation
from msgraph.generated.directory.deleted_items.graph_user.graph_user_request_builder import (
    GraphUserRequestBuilder,
)
from msgraph.generated.users.users_request_builder import UsersRequestBuilder

from connectors.contract import (
    Account,
    AccountKind,
    Canary,
    Credential,
    Identifier,
    IdentityKey,
    Page,
    Subject,
)
from connectors.entra.answers import Row as Object
from connectors.entra.folding import folded, local_part, quoted, texts
from connectors.entra.graph import Graph
from connectors.entra.settings import Settings
from connectors.entra.sight import NAME, canary_of, canary_user, end
from connectors.faults import Fault, Refused

CERTAIN: Final = 100
BY_ADDRESS: Final = 60
BY_LOGIN: Final = 50
BY_PATTERN: Final = 30
ANOTHER_NUMBER: Final = 10
NOTHING_TO_SEARCH_BY: Final = (
    "nothing to search by: HR gave no employee number, no address and no login"
)
RESTORABLE: Final = (
    "what a deleted user still has: it can be restored for 30 days, its devices stay enabled and "
    "links to its OneDrive open. Restore it (Restore-MgDirectoryDeletedItem) and let the case go "
    "on, or delete it for good (Remove-MgDirectoryDeletedItem)"
)
"""Law 2: such a user cannot be surveyed, and yields nothing; that is not to hold nothing."""
_SELECT: Final = [
    "id",
    "userPrincipalName",
    "displayName",
    "mail",
    "mailNickname",
    "otherMails",
    "proxyAddresses",
    "employeeId",
    "userType",
    "isResourceAccount",
    "onPremisesImmutableId",
    "onPremisesSamAccountName",
]
_IDENTITY: Final[Mapping[str, IdentityKey]] = {
    "employeeId": IdentityKey.EMPLOYEE_NUMBER,
    "onPremisesImmutableId": IdentityKey.IMMUTABLE_ID,
    "userPrincipalName": IdentityKey.UPN,
    "mail": IdentityKey.MAIL,
    "otherMails": IdentityKey.MAIL,
    "mailNickname": IdentityKey.LOGIN,
    "onPremisesSamAccountName": IdentityKey.LOGIN,
    "displayName": IdentityKey.NAME,
}


def find(
    graph: Graph, settings: Settings, credential: Credential, system: str, subject: Subject
) -> Iterator[Page[Account]]:
    """Search the index in a few requests at once, and grade what is found."""
    wanted = _Wanted.of(settings, subject)
    if not wanted.searches:
        canary = canary_of(settings, graph.objects([canary_user(graph, settings)])[0])
        yield Page((), end(graph, credential, canary, [NOTHING_TO_SEARCH_BY]))
        return
    # Law 2: the canary is asked for in the same search, so an index that answers nothing is seen.
    searches = [f"employeeId eq {quoted(settings.canary.employee_id)}", *wanted.searches]
    requests = [_search(graph, settings, text) for text in searches]
    numbers = [text for text in wanted.searches if text.startswith("employeeId ")]
    requests += [_deleted(graph, text) for text in numbers]
    answers = graph.gather(requests)
    found, canary = dict[str, Account](), Canary(NAME, seen=False)
    gaps = list[str]()
    for number, answer in enumerate(answers):
        if isinstance(answer, Refused) and number >= len(searches):
            continue  # a cloud that does not search deleted users: a note of the card
        if isinstance(answer, Fault):
            raise answer
        for user in answer:
            if user.get("id") == settings.canary.id:
                canary = Canary(NAME, seen=True)
                continue
            account = wanted.graded(_account(settings, system, user), user)
            if account and number >= len(searches):
                account = replace(account, matched_by=f"{account.matched_by}, deleted")
                gaps.append(RESTORABLE)
            if account and account.native_id not in found:
                found[account.native_id] = account
    yield Page(tuple(found.values()), end(graph, credential, canary, gaps))


def list_accounts(
    graph: Graph, settings: Settings, credential: Credential, system: str
) -> Iterator[Page[Account]]:
    """Page through everybody; one page in memory at a time."""
    canary = Canary(NAME, seen=False)
    query = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(
        select=list(_SELECT), top=settings.page_size
    )
    request = graph.client.users.to_get_request_information(
        RequestConfiguration(query_parameters=query)
    )
    for users in graph.pages(request):
        accounts = []
        for user in users:
            if user.get("id") == settings.canary.id:
                canary = Canary(NAME, seen=True)
            else:
                accounts.append(_account(settings, system, user))
        if accounts:
            yield Page(tuple(accounts))
    yield Page((), end(graph, credential, canary))


def _search(graph: Graph, settings: Settings, text: str) -> RequestInformation:
    query = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(
        count=True, filter=text, select=list(_SELECT), top=settings.page_size
    )
    configuration = RequestConfiguration(query_parameters=query)
    configuration.headers.add("ConsistencyLevel", "eventual")
    return graph.client.users.to_get_request_information(configuration)


def _deleted(graph: Graph, text: str) -> RequestInformation:
    query = GraphUserRequestBuilder.GraphUserRequestBuilderGetQueryParameters(
        count=True, filter=text, select=list(_SELECT)
    )
    configuration = RequestConfiguration(query_parameters=query)
    configuration.headers.add("ConsistencyLevel", "eventual")
    builder = graph.client.directory.deleted_items.graph_user
    return builder.to_get_request_information(configuration)


class _Wanted:
    """Who is looked for: folded copies of what HR knows, and the searches that bring them."""

    def __init__(self, settings: Settings, subject: Subject) -> None:
        local = local_part(subject.upn)
        logins = [login for login in (*subject.logins, local) if login.strip()]
        second = [
            pattern.replace("{login}", login)
            for pattern in settings.admin_logins
            for login in logins
        ]
        mails = [mail for mail in (*subject.emails, subject.upn) if mail.strip()]
        immutable = [
            each.value for each in subject.identifiers if each.key is IdentityKey.IMMUTABLE_ID
        ]
        number = subject.employee_number
        self.number = folded(number)
        self.immutable = frozenset(immutable)
        self.mails = frozenset(map(folded, mails))
        self.logins = frozenset(map(folded, logins))
        self.second = frozenset(map(folded, second))
        spellings = sorted({number, self.number}) if number.strip() else []
        self.searches = [
            *(f"employeeId eq {quoted(each)}" for each in spellings),
            *(f"onPremisesImmutableId eq {quoted(each)}" for each in sorted(set(immutable))),
            *map(_by_address, sorted(set(mails))),
            *map(_by_login, sorted({*logins, *second})),
        ]

    @classmethod
    def of(cls, settings: Settings, subject: Subject) -> _Wanted:
        """Prepare a search."""
        return cls(settings, subject)

    def graded(self, account: Account, user: Object) -> Account | None:
        """Say how surely a user is the person. The index matches more loosely than we do."""
        number = folded(str(user.get("employeeId") or ""))
        if self.number and number == self.number:
            return replace(account, matched_by="employeeId", confidence=CERTAIN)
        matched_by, confidence = self._by_name(user)
        if not matched_by:
            return None
        if self.number and number:
            confidence = ANOTHER_NUMBER
        return replace(account, matched_by=matched_by, confidence=confidence)

    def _by_name(self, user: Object) -> tuple[str, int]:
        if user.get("onPremisesImmutableId") in self.immutable:
            return "onPremisesImmutableId", CERTAIN
        if self.mails & _addresses(user):
            return "address", BY_ADDRESS
        logins = _logins(user)
        if logins & self.logins:
            return "login", BY_LOGIN
        if logins & self.second:
            return "login pattern", BY_PATTERN
        return "", 0


def _by_address(mail: str) -> str:
    """Search all places of an address, and the name that a guest with it gets here."""
    value = quoted(mail)
    guest = quoted(f"{mail.replace('@', '_')}#EXT#")
    return (
        f"userPrincipalName eq {value} or mail eq {value} "
        f"or proxyAddresses/any(p:p eq {quoted(f'smtp:{mail}')}) "
        f"or otherMails/any(o:o eq {value}) or startswith(userPrincipalName,{guest})"
    )


def _by_login(login: str) -> str:
    value = quoted(login)
    return (
        f"startswith(userPrincipalName,{quoted(f'{login}@')}) or mailNickname eq {value} "
        f"or onPremisesSamAccountName eq {value}"
    )


def _addresses(user: Object) -> set[str]:
    mails = [text.partition(":")[2] for text in texts(user, "proxyAddresses")]
    for name in ("userPrincipalName", "mail", "otherMails"):
        mails += texts(user, name)
    guest = str(user.get("userPrincipalName") or "").partition("#EXT#")
    if guest[1]:  # jane_example.com#EXT#@tenant: the last underscore stands for the @
        name, _, domain = guest[0].rpartition("_")
        mails.append(f"{name}@{domain}")
    return {folded(mail) for mail in mails} - {""}


def _logins(user: Object) -> set[str]:
    logins = [local_part(text) for text in texts(user, "userPrincipalName")]
    logins += [*texts(user, "mailNickname"), *texts(user, "onPremisesSamAccountName")]
    return {folded(login) for login in logins} - {""}


def _account(settings: Settings, system: str, user: Object) -> Account:
    name = str(user.get("userPrincipalName") or "")
    return Account(
        system=system,
        native_id=str(user.get("id") or ""),
        login=name,
        kind=_kind(settings, user),
        matched_by="listed",
        display=str(user.get("displayName") or name),
        identifiers=tuple(_identifiers(user)),
    )


def _kind(settings: Settings, user: Object) -> AccountKind:
    if user.get("isResourceAccount") is True or user.get("id") in settings.services:
        return AccountKind.SERVICE
    for pattern in settings.admin_logins:
        before, _, after = folded(pattern).partition(folded("{login}"))
        for login in _logins(user):
            if login.startswith(before) and login.endswith(after) and (before or after):
                return AccountKind.ADMIN
    return AccountKind.PERSON


def _identifiers(user: Object) -> Iterator[Identifier]:
    """Report what was read, unfolded: what it is worth is judged in one place for all systems."""
    for name, key in _IDENTITY.items():
        for text in texts(user, name):
            yield Identifier(key, text)
    for text in texts(user, "proxyAddresses"):
        scheme, _, mail = text.partition(":")
        if scheme.casefold() == "smtp":
            yield Identifier(IdentityKey.MAIL, mail)
