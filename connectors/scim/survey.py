"""Everything one user holds in a SCIM target, read in one session with the canary.

Called by the connector's ``survey`` and ``export``. Groups are read from both sides: what the
groups say of their members, and what the user says of their groups (the second is often empty).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.contract import Account, Credential, Holding, HoldingState, Json, Page, kind
from connectors.scim.card import CERTIFICATE, GROUP, KIND_OF, PASSWORD
from connectors.scim.finding import LOGIN
from connectors.scim.listing import Cut
from connectors.scim.resources import INDIRECT, Element, Resource, attribute, text
from connectors.scim.settings import WATCHED
from connectors.scim.target import Target, member_of
from connectors.scim.wire import NotSupported


@dataclass(frozen=True, slots=True)
class Membership:
    """A group the user is in: as the group says, as the user says, or both."""

    group_id: str
    label: str
    member: Element | None


def survey(target: Target, account: Account) -> Iterator[Page[Holding]]:
    """Yield pages of holdings; the last has the end. A user that is gone yields what dangles."""
    try:
        user = target.user(account.native_id)
        gaps = list(_contradictions(target, account) if user is None else _used(target, user))
        if user is not None:
            yield Page(tuple(_on_user(target, account, user)))
        seen = True
        if target.settings.uses("groups"):
            joined, unseen, seen = memberships(target, account.native_id, user)
            gaps += unseen
            yield Page(tuple(_grant(target, account, one) for one in joined))
    except Cut as cut:
        yield Page((), target.stopped(str(cut)))
        return
    yield Page((), target.end(gaps, seen=seen))


def memberships(
    target: Target, native_id: str, user: Resource | None
) -> tuple[list[Membership], list[str], bool]:
    """Read memberships from both sides: what was found, what could not be, and the canary's own."""
    name = target.member_name(native_id, user)
    naming, seen = _naming(target, name)
    joined = {group.id: _membership(group, name) for group in naming}
    said = user.elements("groups") if user is not None else ()
    for one in direct_groups(user) if user is not None else ():
        if one.value not in joined:
            group = target.group(one.value)
            joined[one.value] = (
                _membership(group, name) if group else Membership(one.value, one.label, None)
            )
    through = sum(1 for one in said if text_of(one, "type") == INDIRECT)
    unseen = [f"{through} indirect memberships without a direct one"]
    return list(joined.values()), unseen if through and not joined else [], seen


def direct_groups(user: Resource) -> tuple[Element, ...]:
    """What the user says of their own groups, nested ones left out (RFC 7643 section 4.1.2)."""
    said = user.elements("groups")
    return tuple(one for one in said if text_of(one, "type") != INDIRECT and one.value)


def _naming(target: Target, name: str) -> tuple[list[Resource], bool]:
    """Ask by a filter where it finds the canary's group; read all groups where it does not."""
    canary = target.canary
    if canary is None:
        return [], False
    canary_name = target.member_name(canary.id, canary)
    known = target.groups_naming(canary_name)
    if known is not None and any(one.id == target.settings.canary.group for one in known):
        found = target.groups_naming(name) if name else []
        if found is not None:
            return found, True
    mine: list[Resource] = []
    seen = False
    for group in target.groups():
        if group.id == target.settings.canary.group:
            seen = member_of(group, canary_name) is not None
        if member_of(group, name):
            mine.append(group)
    return mine, seen


def _membership(group: Resource, name: str) -> Membership:
    return Membership(group.id, group.text("displayName"), member_of(group, name))


def holdings_of_list(user: Resource, name: str) -> dict[str, Element]:
    """Elements of a watched attribute by their native id; equal ones are one holding."""
    return {element_id(name, one): one for one in user.elements(name)}


def element_id(name: str, element: Element) -> str:
    """Identity of a value; a certificate is known by its digest, it is long."""
    if name == "x509Certificates" and element.value:
        compact = "".join(element.value.split())
        return "sha256:" + hashlib.sha256(compact.encode()).hexdigest()
    return element.native_id


def state_of(user: Resource) -> HoldingState:
    """Contained only where the target says so; silence is live."""
    return HoldingState.CONTAINED if user.active is False else HoldingState.LIVE


def text_of(element: Element, name: str) -> str:
    """Read a sub-attribute."""
    return text(element.raw, name) if isinstance(element.raw, Mapping) else ""


def _on_user(target: Target, account: Account, user: Resource) -> Iterator[Holding]:
    images = target.credential is Credential.ACT
    yield Holding(
        account_id=account.native_id,
        kind=kind(f"account.{account.kind.value}"),
        native_id=account.native_id,
        label=user.text(LOGIN),
        state=state_of(user),
        restore=_image(user) if images else {},
        residual_until=_residual(target, user),
    )
    if target.settings.uses("password"):
        yield Holding(
            account_id=account.native_id,
            kind=PASSWORD,
            native_id="password",
            label="password",
            state=state_of(user),
            restore=_image(user) if images else {},
        )
    for name in WATCHED:
        for native_id, element in holdings_of_list(user, name).items():
            yield Holding(
                account_id=account.native_id,
                kind=KIND_OF[name],
                native_id=native_id,
                label="certificate" if KIND_OF[name] == CERTIFICATE else element.label,
                restore=_element_image(element) if images else {},
            )


def _grant(target: Target, account: Account, joined: Membership) -> Holding:
    member = joined.member or Element({"value": account.native_id}, account.native_id)
    return Holding(
        account_id=account.native_id,
        kind=GROUP,
        native_id=joined.group_id,
        label=joined.label,
        restore=_element_image(member) if target.credential is Credential.ACT else {},
    )


def _image(user: Resource) -> dict[str, Json]:
    return {"active": user.active, "user": user.whole()}


def _element_image(element: Element) -> dict[str, Json]:
    return {"element": Resource("", "", {"element": element.raw}).whole()}


def _residual(target: Target, user: Resource) -> datetime | None:
    """Say until when a session may outlive the deactivation: it began before the last change."""
    lifetime = target.settings.session_lifetime
    meta = attribute(user.body, "meta")
    if lifetime is None or user.active is not False or not isinstance(meta, Mapping):
        return None
    return _latest(text(meta, "lastModified"), target.clock(), lifetime)


def _latest(changed: str, now: datetime, lifetime: timedelta) -> datetime:
    try:
        moment = datetime.fromisoformat(changed)
    except ValueError:
        return now + lifetime
    aware = moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)
    return aware + lifetime


def _used(target: Target, user: Resource) -> Iterator[str]:
    """Compare with what the operator says nobody has."""
    for name in (*WATCHED, "groups"):
        if not target.settings.uses(name) and user.elements(name):
            yield f"{name} is named unused and is used"


def _contradictions(target: Target, account: Account) -> Iterator[str]:
    """Look for a user that its own address denies: gone means gone from the searches too."""
    for path, value in [(LOGIN, account.login), *_certain_values(target, account)]:
        if not value or not target.settings.filters or target.features.filter is False:
            continue
        try:
            if any(one.id == account.native_id for one in target.search(path, value)):
                yield "a search still shows a user that cannot be read by its id"
        except NotSupported:
            return  # it takes no filters; the list of everybody is the sweep's to read


def _certain_values(target: Target, account: Account) -> Iterator[tuple[str, str]]:
    for path, key in target.settings.certain.items():
        for one in account.identifiers:
            if one.key is key:
                yield path, one.value
