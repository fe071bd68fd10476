"""The shape of a row: what each module of this room offers, and the connector puts in one table.

A row owns its holdings by kind and by the first word of their ``native_id`` (``schedule:7:12``),
so that several rows may report one kind. A row translates and nothing else. Its ``read`` turns each
answer into holdings, or into a gap with :func:`seen`. Its changes address by id, re-read, and
answer one effect for each holding in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from connectors.contract import (
    Account,
    Effect,
    Export,
    Gap,
    Holding,
    HoldingState,
    Json,
    Kind,
    OrderException,
    Stage,
    Support,
)
from connectors.faults import Fault, Missing, Refused, Unauthorised
from connectors.gitlab.answers import FORBIDDEN, Object, number, text
from connectors.gitlab.session import GitLab, Query
from connectors.gitlab.settings import Settings

BLOCKED: frozenset[str] = frozenset({"blocked", "ldap_blocked", "banned"})
"""States in which nothing of an account works. Not so: ``deactivated`` (signing in ends it) and
``blocked_pending_approval`` (any administrator may approve it)."""


@dataclass(frozen=True, slots=True)
class Leaver:
    """Whose holdings a row reads or changes, and the session to do it with.

    ``user`` is the user as read at the start of this very call. ``projects`` and ``groups`` are all
    that our token sees, for rows that have to look from the other side; empty in a write.
    """

    gitlab: GitLab
    account: Account
    user: Object
    verifying: bool
    projects: tuple[Object, ...] = ()
    groups: tuple[Object, ...] = ()

    @property
    def settings(self) -> Settings:
        """What the operator says."""
        return self.gitlab.settings

    @property
    def id(self) -> int:
        """The immutable user id."""
        return int(self.account.native_id)

    @property
    def path(self) -> str:
        """The user's own path."""
        return f"/users/{self.id}"

    @property
    def username(self) -> str:
        """The username of now; never used to address anything."""
        return text(self.user, "username")

    @property
    def blocked(self) -> bool:
        """Whether nothing of the account works: no sign-in, API or Git."""
        return text(self.user, "state") in BLOCKED

    @property
    def frozen(self) -> HoldingState:
        """State of what works only while the account does: a block freezes it, no more."""
        return HoldingState.CONTAINED if self.blocked else HoldingState.LIVE

    def later(self) -> datetime:
        """When what was accepted and is still read as before is asked again."""
        return self.gitlab.clock() + self.settings.lag

    def holding(
        self,
        kind: Kind,
        native_id: str,
        label: str = "",
        *,
        state: HoldingState = HoldingState.LIVE,
        sole: bool = False,
        restore: Mapping[str, Json] | None = None,
        duty: str = "",
        last_used: datetime | None = None,
    ) -> Holding:
        """Make a holding of this account; the verifying token reports no pre-image."""
        return Holding(
            account_id=self.account.native_id,
            kind=kind,
            native_id=native_id,
            label=label,
            state=state,
            sole=sole,
            restore={} if self.verifying else dict(restore or {}),
            last_used=last_used,
            duty=duty,
        )


@dataclass(frozen=True, slots=True)
class RowReading:
    """What a row read. ``gaps`` name what could not be read, without personal data (Law 2)."""

    holdings: tuple[Holding, ...] = ()
    gaps: tuple[str, ...] = ()

    def __add__(self, other: RowReading) -> RowReading:
        """Join what two parts of a row read."""
        return RowReading(self.holdings + other.holdings, self.gaps + other.gaps)


@dataclass(frozen=True, slots=True)
class RowCard:
    """A row's part of the capability card, for these settings. Made without I/O."""

    supports: tuple[Support, ...] = ()
    gaps: tuple[Gap, ...] = ()
    notes: tuple[str, ...] = ()


Change = Callable[[Leaver, Sequence[Holding]], Sequence[Effect]]
Transfer = Callable[[Leaver, Sequence[Holding], Account], Sequence[Effect]]
Exporting = Callable[[Leaver, Sequence[Holding]], Iterator[Export]]


@dataclass(frozen=True, slots=True)
class Row:
    """One module's offer. A stage that is None is on the card for none of its holdings."""

    name: str
    prefixes: frozenset[str]
    card: Callable[[Settings], RowCard]
    read: Callable[[Leaver], RowReading]
    contain: Change | None = None
    revoke: Change | None = None
    restore: Change | None = None
    transfer: Transfer | None = None
    export: Exporting | None = None
    absent: Callable[[Settings], bool] = field(default=lambda _settings: False)
    """Whether this GitLab has nothing of it, or our mode cannot see it; then it is not read."""

    def owns(self, holding: Holding) -> bool:
        """Tell whether a holding is this row's."""
        return holding.native_id.partition(":")[0] in self.prefixes


def takeover(settings: Settings) -> OrderException:
    """Hand over before the block: it stops schedules and rejects deploy keys of the person."""
    reason = "a block disables the person's schedules and rejects their deploy keys"
    return OrderException(Stage.TRANSFER, Stage.CONTAIN, reason, settings.takeover_patience)


def ids(holding: Holding) -> list[int]:
    """Return the numbers of a ``native_id``: ``schedule:7:12`` is 7 and 12."""
    return [int(one) for one in holding.native_id.split(":")[1:] if one.isdigit()]


def seen(
    answer: Sequence[Object] | Fault, what: str, right: str
) -> tuple[Sequence[Object], tuple[str, ...]]:
    """Split one answer into rows and gaps.

    What GitLab refuses for this part alone is a gap: the read is blind and says why, and the rest
    of it can still be contained. Every other fault ends the read: raises it.
    """
    if isinstance(answer, Fault):
        if (isinstance(answer, Unauthorised) and answer.code == FORBIDDEN) or isinstance(
            answer, Missing | Refused
        ):
            return (), (f"{what} (needs {right})",)
        raise answer
    return answer, ()


@dataclass(frozen=True, slots=True)
class Places:
    """Projects or groups to look into, and how they are addressed: ``/projects`` or ``/groups``."""

    root: str
    them: tuple[Object, ...]


def projects_of(leaver: Leaver, feature: str = "") -> Places:
    """Every project, but those in which a feature is switched off: they answer 403 to anybody."""
    off = f"{feature}_access_level"
    return Places("/projects", tuple(one for one in leaver.projects if one.get(off) != "disabled"))


def groups_of(leaver: Leaver) -> Places:
    """Every group."""
    return Places("/groups", leaver.groups)


def everywhere(
    leaver: Leaver,
    places: Places,
    suffix: str,
    right: str,
    query: Query | None = None,
    *,
    paged: bool = True,
) -> tuple[list[tuple[Object, Object]], tuple[str, ...]]:
    """Read one list of every place; each row comes with what it lies in. Refusals are gaps."""
    if not places.them:
        return [], ()
    asked = [(f"{places.root}/{number(one, 'id')}{suffix}", query) for one in places.them]
    what = f"{places.root.strip('/')}{suffix}"
    found: list[tuple[Object, Object]] = []
    gaps: tuple[str, ...] = ()
    lost: list[Object] = []
    answers = leaver.gitlab.gather(asked, paged=paged)
    for place, answer in zip(places.them, answers, strict=True):
        if isinstance(answer, Missing):
            lost.append(place)
            continue
        rows, missing = seen(answer, what, right)
        found += [(place, row) for row in rows]
        gaps += missing
    if _any_there(leaver, places.root, lost):
        gaps += (f"{what} (needs {right}; or name it absent)",)
    return found, tuple(dict.fromkeys(gaps))


def _any_there(leaver: Leaver, root: str, lost: Sequence[Object]) -> bool:
    """Law 2: 404 is a place that was deleted since it was listed, or a list that is hidden."""
    asked = [(f"{root}/{number(one, 'id')}", None) for one in lost]
    return any(not isinstance(one, Missing) for one in leaver.gitlab.objects(asked))


def place_name(place: Object) -> str:
    """Name a project or group for people."""
    return text(place, "path_with_namespace") or text(place, "full_path") or str(place.get("id"))


def refused(fault: Refused | Unauthorised, duty: str) -> str:
    """Say that GitLab will not do it for one holding, with its code and a person's task."""
    return f"{fault} ({fault.code}); {duty or 'look at the right that the card names'}"
