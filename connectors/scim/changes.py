"""Changing one user and their memberships, each change read back after its write.

The connector's ``contain``, ``revoke``, ``restore`` and ``destroy`` come here. A form that the
target definitely does not take is followed by the next one of the dialect; nothing is sent twice
in the same form, and no status code decides what happened: the re-read does (Law 1).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from connectors.contract import Account, Effect, Holding, Json, Kind, Outcome
from connectors.faults import Malformed, Missing, Refused, Transient
from connectors.scim import dialect
from connectors.scim.card import ATTRIBUTE_OF, GROUP, PASSWORD
from connectors.scim.dialect import Request
from connectors.scim.resources import Element, Resource
from connectors.scim.settings import Delete, Form, MemberName
from connectors.scim.survey import direct_groups, holdings_of_list
from connectors.scim.target import GROUPS, USERS, Target, member_of
from connectors.scim.wire import NotSupported, at

ABSENT: Final[Mapping[str, Json]] = {"user": "absent"}
_SILENT: Final = "scim:silent"
_OTHERS: Final = "scim:others"
_SCRAMBLED: Final = "a random password was set: issue a new one"
_KEPT: Final = "the target took no new password; the account that the old one opens is off"
_NEW_ID: Final = "the user's id: whoever is provisioned again gets another one"
_DELETED: Final = (
    "the user was deleted: SCIM would make a new one under a new id; provision the person again"
)


class Changes:
    """The changes of one call on one account."""

    def __init__(self, target: Target, account: Account, chance: Callable[[], str]) -> None:
        """``chance`` makes a password that nobody knows."""
        self._target = target
        self._account = account
        self._chance = chance

    # ---------------------------------------------------------------------------------- sign-in
    def deactivate(self, holdings: Sequence[Holding]) -> list[Effect]:
        """Switch the user off, and in the same request scramble the password where there is one."""
        user = self._user()
        if user is None or user.active is False:
            return [self._effect(one, Outcome.ALREADY, user) for one in holdings]
        try:
            request_id, kept = self._switch_off(user, scramble=self._scrambles(holdings))
        except Refused as error:
            return [self._effect(one, Outcome.REFUSED, user, why=str(error)) for one in holdings]
        after = self._user()
        if after is not None and after.active is not False:
            raise self._silent("contain")
        return [
            self._effect(one, Outcome.REFUSED, after, why=_KEPT)
            if kept and one.kind == PASSWORD
            else self._effect(one, Outcome.DONE, after, request_id=request_id)
            for one in holdings
        ]

    def _switch_off(self, user: Resource, *, scramble: bool) -> tuple[str, bool]:
        """Return the request's id, and whether the password was to be scrambled and is not."""
        off = {"active": self._truth(value=False)}
        if scramble:
            both = self._settings(off | {"password": self._chance()}, user)
            try:
                return self._first_taken(USERS, user, both), False
            except Refused:
                pass  # never keep somebody signed in because a password was not liked
        return self._first_taken(USERS, user, self._settings(off, user)), scramble

    def reactivate(self, holdings: Sequence[Holding]) -> list[Effect]:
        """Put the switch where the pre-image has it; it is never moved anywhere else."""
        user = self._user()
        if user is None:
            return [Effect(one.key, Outcome.REFUSED, ABSENT, why=_DELETED) for one in holdings]
        before = [one.restore["active"] for one in holdings if "active" in one.restore]
        if not before:
            return [
                self._effect(one, Outcome.REFUSED, user, why="no pre-image was stored")
                for one in holdings
            ]
        wanted = before[0] is not False
        if (user.active is not False) == wanted:
            return [self._effect(one, Outcome.ALREADY, user) for one in holdings]
        requests = self._settings({"active": self._truth(value=wanted)}, user)
        try:
            request_id = self._first_taken(USERS, user, requests)
        except Refused as error:
            return [self._effect(one, Outcome.REFUSED, user, why=str(error)) for one in holdings]
        after = self._user()
        if after is None or (after.active is not False) != wanted:
            raise self._silent("restore")
        return [self._effect(one, Outcome.DONE, after, request_id=request_id) for one in holdings]

    def _scrambles(self, holdings: Sequence[Holding]) -> bool:
        there = any(one.kind == PASSWORD for one in holdings)
        able = self._target.features.change_password is not False
        return there and able and self._target.settings.scramble_password

    def _settings(self, values: Mapping[str, Any], user: Resource) -> list[Request]:
        forms = dialect.setting_forms(
            self._target.settings.users, patch=self._target.features.patch
        )
        return [dialect.setting(form, user, values) for form in forms]

    def _truth(self, *, value: bool) -> bool | str:
        return dialect.truth(value=value, booleans=self._target.settings.booleans)

    def _effect(
        self,
        holding: Holding,
        outcome: Outcome,
        user: Resource | None,
        *,
        why: str = "",
        request_id: str = "",
    ) -> Effect:
        read_back = ABSENT if user is None else {"active": user.active}
        password = holding.kind == PASSWORD and self._target.settings.scramble_password
        lost = _SCRAMBLED if password and outcome is Outcome.DONE else ""
        return Effect(holding.key, outcome, read_back, request_id, why=why, lost=lost)

    # ------------------------------------------------------------------------- grants and lists
    def revoke(self, holding: Holding) -> Effect:
        """Take one membership, role, entitlement or certificate away."""
        if holding.kind == GROUP:
            return self._leave(holding)
        name = _attribute(holding.kind)
        user = self._user()
        element = holdings_of_list(user, name).get(holding.native_id) if user else None
        if user is None or element is None:
            return Effect(holding.key, Outcome.ALREADY, _count(user, name))
        requests = [
            dialect.removing(form, user, name, element)
            for form in self._list_forms(self._target.settings.users, user)
        ]
        try:
            request_id = self._first_taken(USERS, user, requests)
        except Refused as error:
            return Effect(holding.key, Outcome.REFUSED, _count(user, name), why=str(error))
        after = self._user()
        if after is not None and holding.native_id in holdings_of_list(after, name):
            raise self._silent("revoke")
        self._others_stayed(user, after, name, element)
        return Effect(holding.key, Outcome.DONE, _count(after, name), request_id)

    def _leave(self, holding: Holding) -> Effect:
        group = self._target.group(holding.native_id)
        mine = self._member(holding.native_id, group)
        if mine is None:
            return Effect(holding.key, Outcome.ALREADY, self._members(group))
        if group is None:
            raise self._silent("revoke")  # the user still names a group that is gone
        requests = [
            dialect.removing(form, group, "members", mine)
            for form in self._list_forms(self._target.settings.members, group)
        ]
        try:
            request_id = self._first_taken(GROUPS, group, requests)
        except Refused as error:
            return Effect(holding.key, Outcome.REFUSED, self._members(group), why=str(error))
        after = self._target.group(holding.native_id)
        if self._member(holding.native_id, after) is not None:
            raise self._silent("revoke")
        self._others_stayed(group, after, "members", mine)
        return Effect(holding.key, Outcome.DONE, self._members(after), request_id)

    def put_back(self, holding: Holding) -> Effect:
        """Put one membership, role, entitlement or certificate back as it was sent before."""
        raw = _stored(holding)
        endpoint, name, of = USERS, "members", self._user()
        if holding.kind == GROUP:
            if of is None:
                return Effect(holding.key, Outcome.REFUSED, ABSENT, why=_DELETED)
            endpoint, of = GROUPS, self._target.group(holding.native_id)
            raw = self._as_named_now(raw)
        else:
            name = _attribute(holding.kind)
        if of is None:
            why = "the group is gone" if holding.kind == GROUP else _DELETED
            return Effect(holding.key, Outcome.REFUSED, ABSENT, why=why)
        if self._there(holding, of, name):
            return Effect(holding.key, Outcome.ALREADY, _count(of, name))
        configured = self._target.settings
        forms = self._list_forms(configured.members if endpoint == GROUPS else configured.users, of)
        requests = [dialect.adding(form, of, name, raw) for form in forms]
        try:
            request_id = self._first_taken(endpoint, of, requests)
        except Refused as error:
            return Effect(holding.key, Outcome.REFUSED, _count(of, name), why=str(error))
        again = self._user() if endpoint == USERS else self._target.group(of.id)
        if again is None or not self._there(holding, again, name):
            raise self._silent("restore")
        return Effect(holding.key, Outcome.DONE, _count(again, name), request_id)

    def _as_named_now(self, raw: object) -> object:
        """Do not put a login back that may be somebody else's by now."""
        if not isinstance(raw, Mapping) or self._target.settings.member_name is MemberName.ID:
            return raw
        return {
            **raw,
            "value": self._name,
            "$ref": self._target.settings.url + at(USERS, self._name),
        }

    def _there(self, holding: Holding, of: Resource, name: str) -> bool:
        if holding.kind == GROUP:
            return member_of(of, self._name) is not None
        return holding.native_id in holdings_of_list(of, name)

    @cached_property
    def _name(self) -> str:
        """How groups name the person now. A login is asked for: it may be another's since."""
        account, by_login = self._account, self._target.settings.member_name is MemberName.USER_NAME
        return self._target.member_name(account.native_id, self._user() if by_login else None)

    def _list_forms(self, configured: Form, of: Resource) -> tuple[Form, ...]:
        features = self._target.features
        versioned = bool(of.etag) and features.etag is not False
        return dialect.list_forms(configured, patch=features.patch, versioned=versioned)

    def _member(self, group_id: str, group: Resource | None) -> Element | None:
        """Find the membership from both sides, as a survey does: gone is gone from both."""
        mine = member_of(group, self._name) if group is not None else None
        if mine is not None:
            return mine
        user = self._user()
        named = user is not None and any(one.value == group_id for one in direct_groups(user))
        return Element({"value": self._name}, self._name) if named else None

    def _members(self, group: Resource | None) -> dict[str, Json]:
        if group is None:
            return {"group": "absent"}
        mine = member_of(group, self._name) is not None
        return _count(group, "members") | {"of the person": int(mine)}

    def _others_stayed(
        self, before: Resource, after: Resource | None, name: str, gone: Element
    ) -> None:
        """Ring the bell when a target emptied the list of everybody with one person's removal."""
        others = {one.native_id for one in before.elements(name)} - {gone.native_id}
        left = {one.native_id for one in after.elements(name)} if after else others
        if others and not others & left:
            message = f"scim: all other values of {name} went too; restore them by hand"
            raise Refused(message, code=_OTHERS, beyond=True)

    # --------------------------------------------------------------------------------- deletion
    def delete(self) -> Effect:
        """Delete the user where DELETE means delete; verification looks into the searches too."""
        key = f"{self._account.native_id}|account.{self._account.kind}|{self._account.native_id}"
        user = self._user()
        if user is None:
            return Effect(key, Outcome.ALREADY, ABSENT)
        if self._target.settings.delete is not Delete.REMOVES:
            why = "DELETE does not delete in this target: see its capability card"
            return Effect(key, Outcome.REFUSED, {"active": user.active}, why=why)
        request_id = ""
        try:
            request_id = self._target.service.send("DELETE", at(USERS, user.id)).request_id
        except Missing:
            pass  # somebody was faster; the re-read decides (Law 6)
        except Refused as error:
            return Effect(key, Outcome.REFUSED, {"active": user.active}, why=str(error))
        if self._user() is not None:
            raise self._silent("destroy")
        return Effect(key, Outcome.DONE, ABSENT, request_id, lost=_NEW_ID)

    # ----------------------------------------------------------------------------------- sending
    def _user(self) -> Resource | None:
        return self._target.user(self._account.native_id)

    def _first_taken(self, endpoint: str, of: Resource, requests: Iterable[Request]) -> str:
        """Send the first form that is taken. Raises Refused when none is; a 404 is for the re-read.

        Versions are sent with what would overwrite others' changes; 412 is then Transient.
        """
        refusals: list[str] = []
        for request in requests:
            etag = of.etag if request.guarded and self._target.features.etag is not False else ""
            try:
                path = at(endpoint, of.id)
                return self._target.service.send(
                    request.method, path, request.body, etag
                ).request_id
            except NotSupported as refusal:
                refusals.append(refusal.code)
            except Missing:
                return ""
        message = (
            f"scim: the target takes none of the forms it was asked in ({', '.join(refusals)})"
        )
        raise Refused(message, code="scim:form")

    def _silent(self, stage: str) -> Transient:
        message = f"scim: {stage} was answered with success, read back unchanged"
        return Transient(message, code=_SILENT, retry_after=self._target.settings.settle)


def _attribute(of: Kind) -> str:
    if of not in ATTRIBUTE_OF:
        message = f"scim: {of} is no holding of a SCIM user"
        raise Refused(message, code="scim:kind")
    return ATTRIBUTE_OF[of]


def _count(of: Resource | None, name: str) -> dict[str, Json]:
    """For evidence: how many values there are."""
    return {name: len(of.elements(name))} if of is not None else dict(ABSENT)


def _stored(holding: Holding) -> object:
    try:
        stored = json.loads(str(holding.restore["element"]))["element"]
    except (KeyError, ValueError, TypeError) as error:
        raise Malformed("scim: a stored pre-image is damaged", code="scim:image") from error
    return stored
