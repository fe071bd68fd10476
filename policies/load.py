"""Loads policy files: the only door into the policy language.

The roof calls :func:`load_directory` (the operator's folder over the shipped policies) at start,
``policy lint`` calls it too, and tests call :func:`load_text`. All mistakes of all files come out
together as one :class:`~policies.problems.PolicyError`; nothing else is ever raised. Reading files
is the only outside thing that ``policies/`` does, and only when asked to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Final

from policies.grammar import POLICY
from policies.model import Policy, PolicyFile
from policies.overlay import overlay
from policies.positions import MAX_CHARACTERS, parse
from policies.problems import PolicyError, Position, Problem, Problems, nearest_word, quoted

SHIPPED: Final = "shipped"
"""``extends: shipped/NAME`` means the policy of that name that came with the program."""

MAX_FILES: Final = 1000
MAX_ANCESTORS: Final = 8
_SUFFIXES: Final = frozenset({".yaml", ".yml"})


class UnknownPolicy(LookupError):
    """No policy of that name; the message has the nearest one."""


@dataclass(frozen=True, slots=True)
class Source:
    """The text of one file. ``file`` is what error messages and rules call it."""

    file: str
    text: str
    shipped: bool = False


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Effective policies by name, in order of name; a shipped one hides behind an own namesake."""

    policies: tuple[Policy, ...]
    _by_name: Mapping[str, Policy] = field(compare=False, repr=False)

    @classmethod
    def of(cls, policies: Iterable[Policy]) -> PolicySet:
        """Collect policies."""
        ordered = tuple(sorted(policies, key=lambda policy: policy.name))
        return cls(ordered, MappingProxyType({policy.name: policy for policy in ordered}))

    def named(self, name: str) -> Policy:
        """Find a policy. Raises :class:`UnknownPolicy`."""
        if name not in self._by_name:
            near = nearest_word(name, self._by_name)
            hint = f"; did you mean '{near}'?" if near else ""
            raise UnknownPolicy(f"there is no policy {quoted(name)}{hint}")
        return self._by_name[name]


def load_directory(folder: Path, *, shipped: bool = True) -> PolicySet:
    """Load every ``*.yaml`` below a folder (hidden ones left out) over the shipped policies."""
    return load([*(shipped_sources() if shipped else ()), *read_folder(folder)])


def load_text(text: str, file: str = "policy.yaml", *, shipped: bool = True) -> PolicySet:
    """Load one policy from text, over the shipped ones."""
    return load([*(shipped_sources() if shipped else ()), Source(file, text)])


def load_shipped() -> PolicySet:
    """Load the policies that came with the program."""
    return load(shipped_sources())


def load(sources: Sequence[Source]) -> PolicySet:
    """Load texts. Raises :class:`PolicyError` with everything that is wrong in any of them."""
    problems = Problems()
    files = [file for source in sources if (file := _read(source, problems)) is not None]
    own = _by_name([file for file in files if not file.shipped], problems)
    shipped = _by_name([file for file in files if file.shipped], problems)
    problems.raise_if_any()
    family = _Family(own, shipped)
    lineages = [family.lineage(file, problems) for file in family.visible]
    problems.raise_if_any()
    return PolicySet.of(overlay(lineage) for lineage in lineages)


def read_folder(folder: Path) -> tuple[Source, ...]:
    """Read policy texts. Files are called by the folder's name and their place in it."""
    here = Position(folder.name, 1, 1)
    if not folder.is_dir():
        raise PolicyError([Problem(here, "there is no such folder", "a folder of policy files")])
    paths = sorted(path for path in folder.rglob("*") if _is_policy(path, folder))
    if len(paths) > MAX_FILES:
        message = f"the folder holds {len(paths)} policy files"
        raise PolicyError([Problem(here, message, f"at most {MAX_FILES}")])
    problems = Problems()
    read = [
        _read_file(path, f"{folder.name}/{path.relative_to(folder)}", problems) for path in paths
    ]
    problems.raise_if_any()
    return tuple(source for source in read if source is not None)


def shipped_sources() -> tuple[Source, ...]:
    """The texts of ``policies/roles``, read from the installed package."""
    roles = resources.files("policies").joinpath("roles")
    files = sorted((file for file in roles.iterdir()), key=lambda file: file.name)
    return tuple(
        Source(f"{SHIPPED}/{file.name}", file.read_text(encoding="utf-8"), shipped=True)
        for file in files
        if file.name.endswith(".yaml")
    )


def _is_policy(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.suffix in _SUFFIXES and not hidden and path.is_file()


def _read_file(path: Path, name: str, problems: Problems) -> Source | None:
    start = Position(name, 1, 1)
    try:
        with path.open("rb") as file:
            raw = file.read(4 * MAX_CHARACTERS + 1)
        return Source(name, raw.decode("utf-8-sig"))
    except OSError as error:
        problems.add_shape(start, f"the file cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        problems.add_shape(Position(name, line, 1), "the file is not UTF-8 text")
    return None


def _read(source: Source, problems: Problems) -> PolicyFile | None:
    try:
        node = parse(source.text, source.file)
    except PolicyError as error:
        problems.found.extend(error.problems)
        return None
    file = POLICY.read(node, problems)
    return None if file is None else replace(file, shipped=source.shipped)


def _by_name(files: Iterable[PolicyFile], problems: Problems) -> dict[str, PolicyFile]:
    named: dict[str, PolicyFile] = {}
    for file in files:
        first = named.setdefault(file.name, file)
        if first is not file:
            message = f"a second policy {quoted(file.name)}; the first is {first.position}"
            problems.add(file.position, message, expected="a name of its own")
    return named


@dataclass(frozen=True, slots=True)
class _Family:
    """Finds parents: ``NAME`` is the operator's policy or else the shipped one."""

    own: Mapping[str, PolicyFile]
    shipped: Mapping[str, PolicyFile]

    @property
    def visible(self) -> tuple[PolicyFile, ...]:
        return tuple({**self.shipped, **self.own}.values())

    def lineage(self, file: PolicyFile, problems: Problems) -> list[PolicyFile]:
        """The file and its ancestors; notes unknown parents and circles, and stops there."""
        line = [file]
        while line[-1].extends:
            child = line[-1]
            where = child.extends_position or child.position
            parent = self._parent(child)
            if parent is None:
                self._note_unknown(child, where, problems)
                return line
            if parent in line:
                circle = " extends ".join(one.name for one in (*line, parent))
                hint = f"; '{SHIPPED}/{parent.name}' is the one that came with the program"
                hint = hint if parent.name in self.shipped and not parent.shipped else ""
                problems.add(where, f"policies extend in a circle: {circle}{hint}")
                return line
            line.append(parent)
            if len(line) > MAX_ANCESTORS:
                problems.add(where, "too many ancestors", expected=f"at most {MAX_ANCESTORS}")
                return line
        return line

    def _parent(self, child: PolicyFile) -> PolicyFile | None:
        prefix, _, name = child.extends.rpartition("/")
        if prefix == SHIPPED or child.shipped:
            return self.shipped.get(name)
        return self.own.get(name) or self.shipped.get(name)

    def _note_unknown(self, child: PolicyFile, where: Position, problems: Problems) -> None:
        known = {*self.own, *self.shipped, *(f"{SHIPPED}/{name}" for name in self.shipped)}
        near = nearest_word(child.extends, known)
        expected = "" if near else "the name of a policy"
        message = f"there is no policy {quoted(child.extends)} to extend"
        problems.add(where, message, expected=expected, nearest=near)
