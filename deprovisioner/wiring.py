"""Settings become a house: database, connectors, policies, keys, engine, desk, in one place.

``deprovisioner.daemon`` runs what is made here; a command line without a daemon opens a house
``at_rest`` and uses its desk. This is where clock, chance and ids enter the program (Law 12), and
where secrets are first read. Nothing outside is spoken to: connectors do no I/O when they are made.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from config.load import load as load_settings
from config.settings import Mode, Settings
from config.settings import System as Configured
from config.shapes import complaints
from connectors import registry
from connectors.contract import Connector, Credential
from connectors.hr.contract import HrSource
from connectors.secret import Secret, SecretUnavailable
from deprovisioner.sharing import HrPerThread
from policies.load import Source, load, read_folder, shipped_sources
from reconcile.desk import Desk
from reconcile.engine.port import Jobs, Lease, LeaseLost
from reconcile.engine.settings import EngineMisconfigured, EngineSettings, SystemLimits
from reconcile.estate import Estate, Guards, Pace, System, abilities_of
from reconcile.evidence.errors import NotVerified
from reconcile.evidence.keys import SigningKey
from reconcile.facts import HR, Limits
from reconcile.reconciler import Reconciler
from reconcile.store import ledger, migrate
from reconcile.store.case_file import Archive, stale_cases
from reconcile.store.case_keys import CaseKeys
from reconcile.store.database import Database
from reconcile.store.errors import DatabaseError
from reconcile.store.evidence_log import EvidenceLog
from reconcile.store.guard_rows import ensure_switches
from reconcile.store.ledger import Sequencer

if TYPE_CHECKING:
    from reconcile.engine.durable import DurableEngine
    from reconcile.operations.runner import OperationRunner

OLDEST_PENDING: Final = 60.0
"""Seconds that a record may wait for its place before the daemon calls itself not ready."""
_OURS_ONLY: Final = 0o700
_RECORD: Final = timedelta(minutes=2)


class CannotStart(Exception):
    """What the settings name is not there or does not fit. The message says what to mend."""


def utc_now() -> datetime:
    """The present instant: the only clock of the program."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Origins:
    """What comes from outside the program: time, chance, ids. Tests turn and repeat them."""

    clock: Callable[[], datetime] = utc_now
    token_bytes: Callable[[int], bytes] = secrets.token_bytes
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex


@dataclass(slots=True)
class House:
    """Everything, wired. A context manager; ``engine`` is None in a house at rest."""

    settings: Settings
    estate: Estate
    database: Database
    archive: Archive
    signer: SigningKey
    jobs: Jobs
    desk: Desk
    sequencer: Sequencer
    engine: DurableEngine | None
    _held: ExitStack

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def reconciler(self) -> Reconciler:
        """Makes passes over cases."""
        return Reconciler(self.database, self.estate, self.jobs, self.archive)

    def runner(self, lease: Lease) -> OperationRunner:
        """Runs operations under a lease."""
        from reconcile.operations.runner import OperationRunner  # noqa: PLC0415 - only the daemon

        return OperationRunner(self.database, self.estate, self.jobs, self.archive, lease)

    def unready(self) -> Iterator[str]:
        """What keeps the daemon from being ready, one sentence each; none when it is."""
        try:
            with self.database.connect() as connection:
                waiting = ledger.oldest_pending_age(connection, self.estate.clock())
        except DatabaseError:
            yield "the database does not answer"
            return
        if waiting > OLDEST_PENDING:
            yield "evidence records wait for their checkpoint for more than a minute"
        try:
            if self.engine is None:
                yield "the engine does not run"
            else:
                self.engine.lease.guard()
        except LeaseLost:
            yield "the lease of this node is not fresh"

    def close(self) -> None:
        """Let go of connections and of the database. The engine must have been stopped."""
        self._held.close()


def open_house(settings: Settings, *, at_rest: bool = False, origins: Origins = Origins()) -> House:
    """Wire everything; upgrade the tables. Starts no thread.

    ``at_rest``: without an engine, for a command that only uses the desk.

    Raises :class:`CannotStart`, :class:`~policies.problems.PolicyError`,
    :class:`~reconcile.store.errors.DatabaseError`.
    """
    _own_folder(settings.data_directory)
    with ExitStack() as held, _settings_fit():
        database = Database.open(database_url(settings))
        held.callback(database.close)
        migrate.upgrade(database)
        with database.begin() as connection:
            ensure_switches(connection, origins.clock())
        estate = _estate(settings, origins)
        if estate.hr is not None:
            held.callback(estate.hr.close)
        signer = open_signer(settings)
        keys = CaseKeys(read_sealing_key(settings), origins.clock, origins.token_bytes)
        archive = Archive(EvidenceLog(keys, origins.token_bytes), keys, origins.token_bytes)
        engine = None if at_rest else _engine(settings, database, origins)
        jobs = engine.jobs if engine else _detached_jobs(database)
        return House(
            settings=settings,
            estate=estate,
            database=database,
            archive=archive,
            signer=signer,
            jobs=jobs,
            desk=Desk(database, estate, jobs, archive, signer.verifier),
            sequencer=Sequencer(
                database, signer, origins.clock, settings.publish_directory, settings.anchor_path
            ),
            engine=engine,
            _held=held.pop_all(),
        )


@contextmanager
def _settings_fit() -> Iterator[None]:
    """Say in words what a part of ours refuses to be made of; no value is repeated (Law 10)."""
    try:
        yield
    except ValidationError as error:
        words = "; ".join(found.render() for found in complaints(error, BaseModel))
        raise CannotStart(f"the configuration does not fit: {words}") from error


def _own_folder(path: Path) -> None:
    try:
        path.mkdir(mode=_OURS_ONLY, parents=True, exist_ok=True)
        path.chmod(_OURS_ONLY)  # Law 10: names of people are in there
    except OSError as error:
        raise CannotStart(f"cannot use the folder {path}: {error.strerror}") from error


def database_url(settings: Settings) -> str:
    """The URL of our rows, with its password. Raises :class:`CannotStart`. A secret."""
    password = settings.database.password
    if password is None:
        return settings.database_url
    scheme, slashes, rest = settings.database_url.partition("://")
    user, at, place = rest.partition("@")
    if not at:
        raise CannotStart("database.password needs a user: postgresql://USER@HOST/NAME")
    return f"{scheme}{slashes}{user}:{quote(_revealed(password), safe='')}@{place}"


def _revealed(secret: Secret) -> str:
    try:
        return secret.reveal()
    except SecretUnavailable as error:
        raise CannotStart(str(error)) from error


def open_signer(settings: Settings) -> SigningKey:
    """The log's own key. Raises :class:`CannotStart` when it is missing or another's."""
    try:
        signer = SigningKey.decode(_revealed(settings.evidence.signing_key))
    except NotVerified as error:
        raise CannotStart("evidence.signing_key is no signing key of 'keys init'") from error
    if signer.name != settings.evidence.origin:
        raise CannotStart("the name of evidence.signing_key is not evidence.origin")
    return signer


def read_sealing_key(settings: Settings) -> bytes:
    """The key that wraps the keys of cases. Raises :class:`CannotStart`."""
    try:
        key = base64.b64decode(_revealed(settings.evidence.sealing_key), validate=True)
    except (binascii.Error, ValueError) as error:
        raise CannotStart("evidence.sealing_key is not base64") from error
    if len(key) != 32:  # noqa: PLR2004 - AES-256
        raise CannotStart("evidence.sealing_key is not 32 bytes long")
    return key


def policy_sources(settings: Settings) -> tuple[Source, ...]:
    """The texts of the shipped policies and of the operator's own. Raises ``PolicyError``."""
    shipped = shipped_sources()
    return shipped if settings.policies is None else (*shipped, *read_folder(settings.policies))


def _estate(settings: Settings, origins: Origins) -> Estate:
    sources = policy_sources(settings)
    estate = Estate(
        systems=open_systems(settings, origins.clock),
        policies=load(sources).policies,
        policy_sources=sources,
        clock=origins.clock,
        token_bytes=origins.token_bytes,
        new_id=origins.new_id,
        pause=time.sleep,
        hr=open_hr(settings, origins.clock),
        guards=Guards(**settings.guards.model_dump()),
        rules=settings.correlation.as_rules(),
        limits=Limits(**settings.limits.model_dump()),
        pace=Pace(**settings.pace.model_dump()),
        observe=settings.mode is Mode.OBSERVE,
        time_zone=settings.time_zone,
    )
    return _with_vault(estate, settings)


def _with_vault(estate: Estate, settings: Settings) -> Estate:
    if settings.vault is None:
        return estate
    from dataclasses import replace  # noqa: PLC0415 - beside its only use

    from connectors.vaults import age, folder  # noqa: PLC0415 - loads pyrage

    escrow = settings.vault.escrow
    where = folder.FolderSettings(path=settings.vault.directory, escrow=escrow)
    return replace(
        estate,
        vault=folder.open_vault(where, estate.clock),
        make_identity=lambda: age.new_case_identity(escrow),
    )


def open_systems(settings: Settings, clock: Callable[[], datetime]) -> Mapping[str, System]:
    """Every configured system with its card. No I/O."""
    return {name: _system(name, settings, clock) for name in settings.systems}


def typical_system(kind: str, clock: Callable[[], datetime]) -> System | None:
    """A system of a kind with its default settings, else with those of the shipped example.

    For its card only: nothing of it is there. None for a kind that is not known, or that needs
    settings which the example does not have.
    """
    if kind not in registry.known():
        return None
    try:
        configured = Configured(type=kind, settings=registry.load(kind).settings())
    except ValidationError:
        with as_file(files("config").joinpath("example.yaml")) as path:
            shown = load_settings(path).systems.values()
        found = next((each for each in shown if each.type == kind), None)
        if found is None:
            return None
        configured = found
    return _open(kind, configured, clock)


def _system(name: str, settings: Settings, clock: Callable[[], datetime]) -> System:
    return _open(name, settings.systems[name], clock)


def _open(name: str, configured: Configured, clock: Callable[[], datetime]) -> System:
    room = registry.load(configured.type)

    def connect(credential: Credential) -> Connector:
        return room.open_connector(name, configured.settings, credential, clock)

    connector = connect(Credential.ACT)
    card, abilities = connector.card(), abilities_of(connector)
    connector.close()
    pace = SystemLimits(configured.concurrency, configured.calls_per_second).pace
    return System(name, connect, card, abilities, observe=configured.observe, pace=pace)


def open_hr(settings: Settings, clock: Callable[[], datetime]) -> HrSource | None:
    """The HR source that is configured, one per thread; None without one. No I/O."""
    if settings.hr is None:
        return None
    from connectors.hr import rest  # noqa: PLC0415 - loads an HTTP client

    configured = settings.hr.settings
    if not isinstance(configured, rest.Settings):
        raise CannotStart("hr.settings are not those of hr.type")
    return HrPerThread(lambda: rest.open_source(configured, clock))


def _engine(settings: Settings, database: Database, origins: Origins) -> DurableEngine:
    from reconcile.engine.durable import DurableEngine  # noqa: PLC0415 - loads DBOS

    limits = {
        name: SystemLimits(system.concurrency, system.calls_per_second)
        for name, system in settings.systems.items()
    }
    defaults, budget = EngineSettings(), settings.pace.budget

    try:
        return DurableEngine(
            database,
            EngineSettings(
                operation_budget=budget,
                operation_timeout=max(defaults.operation_timeout, budget + _RECORD),
            ),
            limits | {HR: SystemLimits()},
            stale_cases=lambda connection, older_than: stale_cases(
                connection,
                # An expression, so that the age is judged on the clock of the database.
                database.now() - older_than.total_seconds(),
            ),
            now=origins.clock,
        )
    except EngineMisconfigured as error:
        raise CannotStart(str(error)) from error


def _detached_jobs(database: Database) -> Jobs:
    from reconcile.engine.jobs import DetachedJobs  # noqa: PLC0415 - loads DBOS

    return DetachedJobs(database)
