"""IAM users and Identity Center users: read by immutable id, and made into accounts.

IAM takes names only, and names change hands: a user is read by the name that was known, the id is
compared, and where it is another's all users are listed. Called by ``finding`` and the connector.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from connectors.aws.quarantine import kind_of
from connectors.aws.rows import Leaver, text, unless_missing
from connectors.aws.session import Object, Sessions
from connectors.aws.settings import IdentityCenter, Settings
from connectors.contract import Account, AccountKind, Identifier, IdentityKey
from connectors.faults import Malformed, Missing, Refused

MAX_VALUE: Final = 512


def split(account: Account) -> tuple[str, str]:
    """Take a native id apart: where the user is, and the immutable id there."""
    place, _, native_id = account.native_id.partition(":")
    if not place or not native_id:
        raise Malformed("not the id of an account of AWS", code="aws:id")
    return place, native_id


def center_of(settings: Settings, place: str) -> IdentityCenter | None:
    """Return the Identity Center when a place is its identity store."""
    center = settings.identity_center
    return center if center and center.identity_store_id == place else None


def leaver_of(sessions: Sessions, account: Account) -> Leaver | None:
    """Read the user anew; None when it is not there. Raises faults."""
    place, native_id = split(account)
    center = center_of(sessions.settings, place)
    if center is not None:
        user = unless_missing(lambda: center_user(sessions, center, native_id))
        login = str(user.get("UserName", "")) if user else ""
    else:
        if place not in sessions.settings.accounts:
            raise Refused("the account is none of those configured", code="aws:account")
        user = _iam_user(sessions, place, native_id, account.login)
        login = text(user, "UserName") if user else ""
    return Leaver(sessions, account, place, native_id, login, user) if user else None


def _iam_user(sessions: Sessions, place: str, native_id: str, name: str) -> Object | None:
    call = sessions.call
    answer = unless_missing(lambda: call(place, "iam", "get_user", UserName=name)) if name else None
    user = answer.get("User", {}) if answer else {}
    if user.get("UserId") == native_id:
        return user if isinstance(user, Mapping) else None
    for page in sessions.pages(place, "iam", "list_users", "Users"):
        for one in page:
            if one.get("UserId") == native_id:
                current = text(one, "UserName")
                found = call(place, "iam", "get_user", UserName=current).get("User", {})
                if found.get("UserId") != native_id:
                    raise Missing("renamed in between", code="aws:renamed")
                return found if isinstance(found, Mapping) else None
    return None


def center_user(sessions: Sessions, center: IdentityCenter, native_id: str) -> Object:
    """Read an Identity Center user by id. Raises faults."""
    return sessions.call(
        center.account,
        "identitystore",
        "describe_user",
        center.region,
        IdentityStoreId=center.identity_store_id,
        UserId=native_id,
    )


# -------------------------------------------------------------------------------------- accounts
def iam_account(system: str, settings: Settings, place: str, user: Mapping[str, Any]) -> Account:
    """Make the account of an IAM user from its details, tags included."""
    login = text(user, "UserName")
    tags = {str(one.get("Key")): str(one.get("Value", "")) for one in user.get("Tags", [])}
    word = kind_of(login, settings)
    found = [(IdentityKey.LOGIN, login)]
    found += [(IdentityKey.MAIL, login)] if "@" in login else []
    for key, tag in (
        (IdentityKey.EMPLOYEE_NUMBER, settings.employee_number_tag),
        (IdentityKey.PERSON_ID, settings.person_id_tag),
        (IdentityKey.MAIL, settings.mail_tag),
        (IdentityKey.OWNER, settings.owner_tag),
    ):
        found += [(key, tags[tag])] if tags.get(tag) else []
    return Account(
        system=system,
        native_id=f"{place}:{text(user, 'UserId')}",
        login=login,
        kind=AccountKind(word),
        display=f"{login} in {place}",
        identifiers=_identifiers(found),
    )


def center_account(system: str, center: IdentityCenter, user: Mapping[str, Any]) -> Account:
    """Make the account of an Identity Center user; external ids are those that SCIM wrote."""
    login = str(user.get("UserName", ""))
    found = [(IdentityKey.LOGIN, login)]
    found += [(IdentityKey.UPN, login)] if "@" in login else []
    found += [(IdentityKey.MAIL, str(one.get("Value", ""))) for one in user.get("Emails", [])]
    said = IdentityKey(center.external_id.value)
    found += [(said, str(one.get("Id", ""))) for one in user.get("ExternalIds", [])]
    found.append((IdentityKey.NAME, str(user.get("DisplayName", ""))))
    return Account(
        system=system,
        native_id=f"{center.identity_store_id}:{text(user, 'UserId')}",
        login=login,
        display=str(user.get("DisplayName") or login),
        identifiers=_identifiers(found),
    )


def _identifiers(found: list[tuple[IdentityKey, str]]) -> tuple[Identifier, ...]:
    made = (Identifier(key, value[:MAX_VALUE]) for key, value in found if value)
    return tuple(dict.fromkeys(made))
