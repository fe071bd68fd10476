"""One call's view of a target: what it announces, the canary, users, groups, searches.

Made by the connector for each call, so that what the canary proves was read in the same session
(Law 2). A filter is believed only when it finds the canary; otherwise everybody is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from connectors.contract import Canary, Credential, ReadEnd
from connectors.faults import Missing
from connectors.scim.listing import pages
from connectors.scim.resources import Element, Resource, addressed, attribute, quoted
from connectors.scim.settings import WATCHED, MemberName, Settings
from connectors.scim.wire import Answer, NotSupported, Service, at

USERS: Final = "/Users"
GROUPS: Final = "/Groups"
MEMBER: Final = "members.value"
CANARY: Final = "canary user"


@dataclass(frozen=True, slots=True)
class Features:
    """What ServiceProviderConfig announces (RFC 7643 section 5); None where it says nothing."""

    patch: bool | None = None
    filter: bool | None = None
    etag: bool | None = None
    change_password: bool | None = None


class Target:
    """The service with its settings and clock, and what one call has learned so far."""

    def __init__(
        self,
        service: Service,
        settings: Settings,
        credential: Credential,
        clock: Callable[[], datetime],
    ) -> None:
        """Nothing is read yet."""
        self.service = service
        self.settings = settings
        self.credential = credential
        self.clock = clock

    # ------------------------------------------------------------------------ what it announces
    @cached_property
    def announcement(self) -> Answer | None:
        """Read ServiceProviderConfig; some products have none."""
        try:
            return self.service.get("/ServiceProviderConfig")
        except (Missing, NotSupported):
            return None

    @cached_property
    def features(self) -> Features:
        """Say what is supported."""
        body = self.announcement.body if self.announcement else {}

        def supported(name: str) -> bool | None:
            feature = attribute(body, name)
            said = attribute(feature, "supported") if isinstance(feature, dict) else None
            return said if isinstance(said, bool) else None

        return Features(
            patch=supported("patch"),
            filter=supported("filter"),
            etag=supported("etag"),
            change_password=supported("changePassword"),
        )

    # ------------------------------------------------------------------------------ single reads
    def user(self, native_id: str) -> Resource | None:
        """Read a user by id; None when the target says there is none."""
        return self._read(USERS, native_id)

    def group(self, native_id: str) -> Resource | None:
        """Read a group by id; None when the target says there is none."""
        return self._read(GROUPS, native_id)

    def _read(self, endpoint: str, native_id: str) -> Resource | None:
        try:
            return addressed(self.service.get(at(endpoint, native_id)), native_id)
        except Missing:
            return None

    # -------------------------------------------------------------------------------- the canary
    @cached_property
    def canary(self) -> Resource | None:
        """Read the canary user; None when it is not seen, or shows too little to prove anything."""
        named = self.settings.canary
        if named.id:
            return self.user(named.id)
        wanted = ("externalId", named.external_id)
        hits = self._filtered(*wanted) or [one for page in self.users() for one in page]
        mine = [one for one in hits if one.text("externalId") == named.external_id]
        return mine[0] if len(mine) == 1 else None

    def _filtered(self, path: str, value: str) -> list[Resource]:
        """Search by a filter; nothing where the target takes none: the whole list says it too."""
        if not self.settings.filters or self.features.filter is False:
            return []
        try:
            return list(self.search(path, value))
        except NotSupported:
            return []

    @cached_property
    def unseen(self) -> tuple[str, ...]:
        """Name what the canary should show and does not: with such rights nothing is proven."""
        if self.canary is None:
            return ()
        names = [*self.settings.certain, *(one for one in WATCHED if self.settings.uses(one))]
        hidden = [name for name in names if not self._canary_shows(name)]
        if self.canary.active is None:
            hidden.append("active")
        return tuple(f"{name} of the canary user" for name in hidden)

    def _canary_shows(self, name: str) -> bool:
        canary = self.canary
        return canary is not None and bool(
            canary.shows(name) if name in WATCHED else canary.text(name)
        )

    def proven(self, path: str) -> bool:
        """Say whether a filter on this attribute finds the canary, and nobody else by mistake."""
        canary = self.canary
        if canary is None:
            return False
        value = next(iter(values_at(canary, path)), "")
        return bool(value) and any(one.id == canary.id for one in self._filtered(path, value))

    # ---------------------------------------------------------------------------------- searches
    def search(self, path: str, value: str) -> Iterator[Resource]:
        """Find users by a filter. Raises Cut, NotSupported and other faults."""
        for page in pages(self.service, self.settings, USERS, f"{path} eq {quoted(value)}"):
            yield from page

    def users(self) -> Iterator[tuple[Resource, ...]]:
        """Page through all users."""
        return pages(self.service, self.settings, USERS)

    def member_name(self, native_id: str, user: Resource | None) -> str:
        """Say how groups name a user; empty where that is a login and the user is gone."""
        if self.settings.member_name is MemberName.ID:
            return native_id
        return user.text("userName") if user is not None else ""

    def groups_naming(self, name: str) -> list[Resource] | None:
        """Ask for the groups that have this member; None where the filter cannot be believed."""
        if not self.settings.filters or self.features.filter is False:
            return None
        wanted = f"{MEMBER} eq {quoted(name)}"
        try:
            found = [
                self.with_members(group)
                for page in pages(self.service, self.settings, GROUPS, wanted)
                for group in page
            ]
        except NotSupported:
            return None
        obeyed = all(member_of(group, name) for group in found)
        return found if obeyed else None

    def groups(self) -> Iterator[Resource]:
        """Read all groups with their members."""
        for page in pages(self.service, self.settings, GROUPS):
            for group in page:
                yield self.with_members(group)

    def with_members(self, group: Resource) -> Resource:
        """Read a group by itself where the list leaves its members out."""
        if group.shows("members"):
            return group
        return self.group(group.id) or group

    # ------------------------------------------------------------------------------------ ending
    def stopped(self, words: str) -> ReadEnd:
        """End a read that was not finished: whatever the canary showed, nothing follows from it."""
        canary = Canary(CANARY, seen=False)
        return ReadEnd(
            complete=False,
            canary=canary,
            read_at=self.clock(),
            credential=self.credential,
            gaps=(words,),
        )

    def end(self, gaps: Iterable[str] = (), *, seen: bool = True) -> ReadEnd:
        """End a finished read; ``seen`` says whether the caller met the canary where it looked."""
        return ReadEnd(
            complete=True,
            canary=Canary(CANARY, seen=seen and self.canary is not None),
            read_at=self.clock(),
            credential=self.credential,
            gaps=(*gaps, *self.unseen),
        )


def member_of(group: Resource, name: str) -> Element | None:
    """Find a user among the direct members; compared character by character."""
    return next((one for one in group.elements("members") if name and one.value == name), None)


def values_at(user: Resource, path: str) -> tuple[str, ...]:
    """Read what a search path names: ``userName``, ``emails.value``, an extension's attribute."""
    name, dot, _ = path.partition(".")
    if dot and not path.casefold().startswith("urn:"):
        return tuple(one.value for one in user.elements(name) if one.value)
    found = user.text(path)
    return (found,) if found else ()
