"""Finding a person's accounts, and listing everybody's for the sweep.

Called by the connector's ``find`` and ``list_accounts``. Searches by the HR number in a custom
attribute and by the ids that identity providers gave, then by address and username, which are
re-used and make candidates. What a hit is worth is judged in ``reconcile.correlate``; everything
read of an account is reported. Service accounts that the person made are found by their maker.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from connectors.contract import (
    Account,
    AccountKind,
    Credential,
    Identifier,
    IdentityKey,
    Page,
    Subject,
)
from connectors.faults import Fault, Missing
from connectors.gitlab import sight
from connectors.gitlab.answers import Object, number, part, parts, text
from connectors.gitlab.rows import seen
from connectors.gitlab.session import GitLab, Query
from connectors.gitlab.settings import Feature, Settings

CERTAIN: Final = 100
BY_ADDRESS: Final = 60
BY_LOGIN: Final = 50
BY_OWNER: Final = 40
BY_PATTERN: Final = 30
NOTHING_TO_SEARCH_BY: Final = (
    "nothing to search by: HR gave no employee number, no address and no login"
)
_MAILS: Final = ("email", "public_email", "commit_email")
_EVERYBODY: Final[Query] = {"with_custom_attributes": True, "order_by": "id", "sort": "asc"}


def folded(value: str) -> str:
    """Fold width, case and blanks, for comparing; never for searching or changing."""
    return unicodedata.normalize("NFKC", value).strip().casefold()


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is searched for, folded, and how good a hit is."""

    number: str
    ids: frozenset[str]
    mails: frozenset[str]
    logins: frozenset[str]
    second: frozenset[str]

    @classmethod
    def of(cls, settings: Settings, subject: Subject) -> _Wanted:
        logins = {login for login in (*subject.logins, subject.upn.partition("@")[0]) if login}
        second = {
            pattern.replace("{login}", login)
            for pattern in settings.admin_logins
            for login in logins
        }
        known = [one.value for one in subject.identifiers if one.key is IdentityKey.IMMUTABLE_ID]
        return cls(
            folded(subject.employee_number),
            frozenset(known),
            frozenset(folded(mail) for mail in (*subject.emails, subject.upn) if mail),
            frozenset(folded(login) for login in logins),
            frozenset(folded(login) for login in second),
        )

    def graded(self, account: Account) -> Account | None:
        """Say how surely an account is the person's; None when nothing of it is theirs."""
        values: dict[IdentityKey, set[str]] = {}
        for one in account.identifiers:
            plain = one.value if one.key is IdentityKey.IMMUTABLE_ID else folded(one.value)
            values.setdefault(one.key, set()).add(plain)
        mails = values.get(IdentityKey.MAIL, set()) | values.get(IdentityKey.UPN, set())
        logins = values.get(IdentityKey.LOGIN, set())
        if self.number and self.number in values.get(IdentityKey.EMPLOYEE_NUMBER, set()):
            return replace(account, matched_by="employee number", confidence=CERTAIN)
        if self.ids & values.get(IdentityKey.IMMUTABLE_ID, set()):
            return replace(account, matched_by="extern_uid", confidence=CERTAIN)
        if self.mails & mails:
            return replace(account, matched_by="address", confidence=BY_ADDRESS)
        if self.logins & logins:
            return replace(account, matched_by="username", confidence=BY_LOGIN)
        if self.second & logins:
            return replace(account, matched_by="username pattern", confidence=BY_PATTERN)
        return None


def find(
    gitlab: GitLab, credential: Credential, system: str, subject: Subject
) -> Iterator[Page[Account]]:
    """Search in a few requests at once, and grade what is found. Raises faults."""
    settings = gitlab.settings
    wanted = _Wanted.of(settings, subject)
    canary = sight.canary(gitlab)
    if not (wanted.number or wanted.ids or wanted.mails or wanted.logins):
        yield Page((), sight.end(gitlab, credential, canary, [NOTHING_TO_SEARCH_BY]))
        return
    if settings.owner:
        hits = [_account(settings, system, one, ()) for one in _members(gitlab)]
        mine = [one for one in map(wanted.graded, hits) if one is not None]
        yield Page(tuple(mine), sight.end(gitlab, credential, canary))
        return
    found = _searched(gitlab, subject, wanted)
    # Law 2: the canary is asked for in the same search, so one that answers nothing is seen.
    shown = found.pop(settings.canary.id, None) is not None
    canary = replace(canary, seen=canary.seen and shown)
    mine = [one for one in _looked_at(gitlab, system, found, wanted) if one is not None]
    yield Page(tuple(mine))
    services, gaps = _services(gitlab, system, mine)
    yield Page(services, sight.end(gitlab, credential, canary, gaps))


def list_accounts(gitlab: GitLab, credential: Credential, system: str) -> Iterator[Page[Account]]:
    """Page through everybody; one page in memory at a time. Raises faults."""
    settings = gitlab.settings
    if settings.owner:
        members = [_account(settings, system, one, ()) for one in _members(gitlab)]
        known = [one for one in members if one.native_id != str(settings.canary.id)]
        yield Page(tuple(known), sight.end(gitlab, credential, sight.canary(gitlab)))
        return
    canary = sight.canary(gitlab)
    shown = False
    for users in gitlab.pages("/users", _EVERYBODY, large=True):
        shown = shown or any(one.get("id") == settings.canary.id for one in users)
        others = [one for one in users if one.get("id") != settings.canary.id]
        yield Page(tuple(_account(settings, system, one, ()) for one in others))
    yield Page((), sight.end(gitlab, credential, replace(canary, seen=canary.seen and shown)))


# ------------------------------------------------------------------------------------ details


def _searched(gitlab: GitLab, subject: Subject, wanted: _Wanted) -> dict[int, Object]:
    settings = gitlab.settings
    every: dict[str, str | int | bool | Sequence[int]] = {"with_custom_attributes": True}
    searches: list[Query] = [{"username": settings.canary.username}]
    if wanted.number:
        key = f"custom_attributes[{settings.employee_attribute}]"
        searches += [{key: one} for one in sorted({subject.employee_number, wanted.number})]
    for provider, means in settings.providers.items():
        values = _values_of(means, subject, wanted)
        searches += [{"provider": provider, "extern_uid": one} for one in values]
    searches += [{"search": one} for one in sorted({*subject.emails, subject.upn} - {""})]
    names = {*subject.logins, subject.upn.partition("@")[0], *wanted.second} - {""}
    searches += [{"username": one} for one in sorted(names)]
    asked = [("/users", {**every, **one}) for one in searches]
    found: dict[int, Object] = {}
    for answer in gitlab.gather(asked):
        if isinstance(answer, Fault):
            raise answer
        found |= {number(one, "id"): one for one in answer}
    return found


def _values_of(means: IdentityKey, subject: Subject, wanted: _Wanted) -> list[str]:
    match means:
        case IdentityKey.IMMUTABLE_ID:
            return sorted(wanted.ids)
        case IdentityKey.EMPLOYEE_NUMBER:
            return [subject.employee_number] if subject.employee_number else []
        case IdentityKey.UPN:
            return [subject.upn] if subject.upn else []
        case IdentityKey.MAIL:
            return sorted(subject.emails)
        case _:
            return []


def _looked_at(
    gitlab: GitLab, system: str, found: dict[int, Object], wanted: _Wanted
) -> Iterator[Account | None]:
    """Read the other addresses of each hit: the search found some of them by those."""
    order = sorted(found)
    answers = gitlab.gather([(f"/users/{one}/emails", None) for one in order])
    for key, answer in zip(order, answers, strict=True):
        if isinstance(answer, Missing):
            continue
        if isinstance(answer, Fault):
            raise answer
        mails = [text(one, "email") for one in answer]
        yield wanted.graded(_account(gitlab.settings, system, found[key], mails))


def _services(
    gitlab: GitLab, system: str, mine: Sequence[Account]
) -> tuple[tuple[Account, ...], tuple[str, ...]]:
    """Service accounts that one of these accounts made: for a person to say who is next."""
    makers = {int(one.native_id): one.login for one in mine}
    if not makers or not gitlab.settings.has(Feature.SERVICE_ACCOUNTS):
        return (), ()
    tops = [one for one in sight.groups(gitlab) if one.get("parent_id") is None]
    paths = ["/service_accounts"]
    paths += [f"/groups/{number(one, 'id')}/service_accounts" for one in tops]
    known: set[int] = set()
    gaps: tuple[str, ...] = ()
    for listed in gitlab.gather([(path, None) for path in paths]):
        rows, missing = seen(listed, "service accounts", "an administrator; or name them absent")
        known |= {number(one, "id") for one in rows}
        gaps += missing
    answers = gitlab.objects([(f"/users/{one}", None) for one in sorted(known)])
    found: list[Account] = []
    for answer in answers:
        if isinstance(answer, Missing):
            continue
        if isinstance(answer, Fault):
            raise answer
        maker = part(answer, "created_by").get("id")
        if isinstance(maker, int) and maker in makers:
            found.append(_service(_account(gitlab.settings, system, answer, ()), makers[maker]))
    return tuple(found), gaps


def _service(account: Account, maker: str) -> Account:
    return replace(
        account,
        kind=AccountKind.SERVICE,
        matched_by="made by the person",
        confidence=BY_OWNER,
        identifiers=(*account.identifiers, Identifier(IdentityKey.OWNER, maker)),
    )


def _members(gitlab: GitLab) -> list[Object]:
    """Everybody in the group and below it, with what SAML and SCIM say of them."""
    group = gitlab.settings.group
    people: dict[int, Object] = {}
    places = [f"/groups/{number(one, 'id')}" for one in sight.groups(gitlab)]
    places += [f"/projects/{number(one, 'id')}" for one in sight.projects(gitlab)[0]]
    for answer in gitlab.gather([(f"{one}/members/all", None) for one in places]):
        if isinstance(answer, Missing):
            continue
        if isinstance(answer, Fault):
            raise answer
        people |= {number(one, "id"): one for one in answer}
    links: dict[int, list[Object]] = {}
    for name, feature in (("saml", Feature.SAML), ("scim", Feature.SCIM)):
        if gitlab.settings.has(feature):
            for one in gitlab.every(f"/groups/{group}/{name}/identities", paged=False):
                link = {"provider": _PROVIDERS[name], "extern_uid": text(one, "extern_uid")}
                links.setdefault(number(one, "user_id"), []).append(link)
    return [{**one, "identities": links.get(key, [])} for key, one in people.items()]


_PROVIDERS: Final = {"saml": "group_saml", "scim": "scim"}


def _account(settings: Settings, system: str, user: Object, mails: Sequence[str]) -> Account:
    login = text(user, "username")
    return Account(
        system=system,
        native_id=str(number(user, "id")),
        login=login,
        kind=_kind(settings, user),
        matched_by="listed",
        display=text(user, "name") or login,
        identifiers=tuple(dict.fromkeys(_identifiers(settings, user, mails))),
    )


def _kind(settings: Settings, user: Object) -> AccountKind:
    if user.get("bot") is True or text(user, "user_type") == "service_account":
        return AccountKind.SERVICE
    login = folded(text(user, "username"))
    for pattern in settings.admin_logins:
        before, _, after = folded(pattern).partition(folded("{login}"))
        if (before or after) and login.startswith(before) and login.endswith(after):
            return AccountKind.ADMIN
    return AccountKind.PERSON


def _identifiers(settings: Settings, user: Object, mails: Sequence[str]) -> Iterator[Identifier]:
    """Report what was read, unfolded: what it is worth is judged in one place for all systems."""
    for one in parts(user, "custom_attributes"):
        if text(one, "key") == settings.employee_attribute and text(one, "value"):
            yield Identifier(IdentityKey.EMPLOYEE_NUMBER, text(one, "value"))
    links = [*parts(user, "identities")]
    links += [{**one, "provider": "scim"} for one in parts(user, "scim_identities")]
    for one in links:
        means = settings.providers.get(text(one, "provider"))
        if means is not None and text(one, "extern_uid"):
            yield Identifier(means, text(one, "extern_uid"))
    for mail in (*(text(user, name) for name in _MAILS), *mails):
        if mail:
            yield Identifier(IdentityKey.MAIL, mail)
    yield Identifier(IdentityKey.LOGIN, text(user, "username"))
    if text(user, "name"):
        yield Identifier(IdentityKey.NAME, text(user, "name"))
