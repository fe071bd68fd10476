"""The tables of the reconcile core: everything an auditor may ask for, and nothing disposable.

Truth is here; the queue only holds jobs in motion and can be rebuilt from these rows. Read and
written by the modules beside this one. Ledger tables are in ``ledger_schema``, nodes in ``nodes``.

Columns ending in ``_sealed`` hold AES-GCM ciphertext under the key of the case (Law 10): erasing
the key erases the person. Instants are UTC, stored as seconds since 1970 (``Float``) so that both
databases compare them alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from reconcile.store.metadata import metadata

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine


def _column(
    name: str,
    of: type[TypeEngine[Any]],
    *,
    index: bool = False,
    unique: bool = False,
) -> sa.Column[Any]:
    """Make a column that must have a value: an absent fact is a row that is not there."""
    return sa.Column(name, of, nullable=False, index=index or None, unique=unique or None)


def _case(*, key: bool = False) -> sa.Column[Any]:
    return sa.Column("case_id", sa.Text, sa.ForeignKey("cases.id"), primary_key=key, nullable=False)


inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("event_id", sa.Text, primary_key=True),
    _column("received_at", sa.Float),
    _column("principal", sa.Text),
    _column("source", sa.Text),
    _column("employment_id", sa.Text, index=True),
    _column("revision", sa.BigInteger),
    _column("raw_sha256", sa.Text),
    sa.Column("raw_sealed", sa.LargeBinary),
    _column("state", sa.Text),
    _column("problem", sa.Text),
    sa.Column("case_id", sa.Text),
)
"""Every delivery whose signature held, stored before it is answered; ``state`` is accepted, kept
(a lower revision: evidence, not applied) or rejected (and ``problem`` says why)."""

cases = sa.Table(
    "cases",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    _column("employment_id", sa.Text, index=True),
    _column("state", sa.Text),
    _column("open", sa.Boolean),
    _column("immediate", sa.Boolean),
    _column("revision", sa.BigInteger),
    _column("opened_at", sa.Float),
    _column("access_end_at", sa.Float),
    _column("access_end_basis", sa.Text),
    _column("time_zone", sa.Text),
    _column("explanation", sa.Text),
    _column("policy_name", sa.Text),
    _column("policy_hash", sa.Text),
    _column("person_sealed", sa.LargeBinary),
    sa.Column("contained_at", sa.Float),
    sa.Column("rescinded_at", sa.Float),
    sa.Column("closing_at", sa.Float),
    sa.Column("closed_at", sa.Float),
    _column("touched", sa.Float, index=True),
    sa.Column("armed_for", sa.Float),
    sa.Index(
        "uq_cases_open_employment",
        "employment_id",
        unique=True,
        sqlite_where=sa.text("open"),
        postgresql_where=sa.text("open"),
    ),
)
"""One case per termination; at most one open case per employment. ``armed_for`` is the next instant
at which a timer wakes it."""

policies = sa.Table(
    "policies",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True),
    _column("name", sa.Text),
    _column("document", sa.JSON),
    _column("stored_at", sa.Float),
)
"""Each policy that ever governed a case, by hash: a case keeps the version it began with."""

operations = sa.Table(
    "operations",
    metadata,
    _case(key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    _column("system", sa.Text),
    _column("stage", sa.Text),
    _column("state", sa.Text),
    _column("tries", sa.Integer),
    _column("starts", sa.Integer),
    _column("failures", sa.Integer),
    _column("not_before", sa.Float),
    _column("token", sa.Text),
    _column("carrier", sa.Text),
    sa.Column("again_at", sa.Float),
    _column("result", sa.JSON),
    _column("error", sa.Text),
    sa.Column("started_at", sa.Float),
    sa.Column("finished_at", sa.Float),
    sa.UniqueConstraint("case_id", "system", "stage"),
)
"""One system x one stage. ``failures`` counts tries that ended in a fault since a success.

``carrier`` is the key of a running job that goes on with this operation after its own; empty when
the operation has, or will have, a job of its own. ``again_at`` is when an operation that runs now
is to run once more."""

accounts = sa.Table(
    "accounts",
    metadata,
    _case(key=True),
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("native_id", sa.Text, primary_key=True),
    _column("kind", sa.Text),
    _column("matched_by", sa.Text),
    _column("confidence", sa.Integer),
    _column("reason", sa.Text),
    _column("decision", sa.Text),
    _column("decided_by", sa.Text),
    _column("account_sealed", sa.LargeBinary),
)
"""Accounts found for the leaver; ``decision`` is accepted, service, candidate or rejected.

``decided_by`` is empty where the rules decided; ``reason`` is a word of ``correlate.Reason``."""

attributions = sa.Table(
    "attributions",
    metadata,
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("native_id", sa.Text, primary_key=True),
    _column("person", sa.Text, index=True),
    _column("kind", sa.Text),
    _column("case_id", sa.Text),
    _column("decided_by", sa.Text),
    _column("decided_at", sa.Float),
)
"""Whose an account is, signed off by a person; outlives the case, for the next one. Nothing that a
connector returns writes here. ``person`` is HR's id of the person, else of the employment."""

holdings = sa.Table(
    "holdings",
    metadata,
    _case(key=True),
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    _column("number", sa.Integer),
    _column("account_id", sa.Text),
    _column("kind", sa.Text),
    _column("state", sa.Text),
    _column("sole", sa.Boolean),
    _column("duty", sa.Text),
    sa.Column("residual_until", sa.Float),
    _column("first_seen_at", sa.Float),
    _column("last_seen_at", sa.Float),
    _column("snapshot_sealed", sa.LargeBinary),
    sa.UniqueConstraint("case_id", "number"),
)
"""Everything the person held, with the pre-image as first seen: what undo works from (Law 9)."""

effects = sa.Table(
    "effects",
    metadata,
    _case(key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    _column("state", sa.Text),
    _column("how", sa.Text),
    _column("why", sa.Text),
    _column("lost", sa.Text),
    _column("tries", sa.Integer),
    _column("token", sa.Text),
    _column("at", sa.Float),
    sa.Column("pending_until", sa.Float),
)
"""What one operation did to one holding; ``state`` is a word of ``facts.EffectState``."""

surveys = sa.Table(
    "surveys",
    metadata,
    _case(key=True),
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("phase", sa.Text, primary_key=True),
    _column("read_at", sa.Float),
    _column("credential", sa.Text),
    _column("complete", sa.Boolean),
    _column("canary", sa.Boolean),
    _column("blind", sa.Text),
    _column("accounts", sa.Integer),
    _column("holdings", sa.Integer),
    _column("residue", sa.JSON),
)
"""The newest read of each phase (survey, first, second). ``residue`` lists holding numbers."""

readings = sa.Table(
    "readings",
    metadata,
    _case(key=True),
    _column("read_at", sa.Float),
    _column("outcome", sa.Text),
    _column("source", sa.Text),
    sa.PrimaryKeyConstraint("case_id"),
)
"""The newest answer of HR about a case (Law 7)."""

questions = sa.Table(
    "questions",
    metadata,
    _case(key=True),
    sa.Column("id", sa.Text, primary_key=True),
    _column("kind", sa.Text),
    _column("system", sa.Text),
    _column("about", sa.Text),
    _column("text_sealed", sa.LargeBinary),
    _column("asked_at", sa.Float),
    _column("deadline", sa.Float),
    sa.Column("escalated_at", sa.Float),
    _column("answer", sa.Text),
    _column("answered_by", sa.Text),
    sa.Column("answered_at", sa.Float),
)
"""What only a person can say or do; a duty is a question whose answer is "done"."""

holds = sa.Table(
    "holds",
    metadata,
    _case(key=True),
    sa.Column("id", sa.Text, primary_key=True),
    _column("kind", sa.Text),
    _column("reason", sa.Text),
    _column("bound_to", sa.Text),
    _column("placed_by", sa.Text),
    _column("placed_at", sa.Float),
    sa.Column("released_at", sa.Float),
)
"""A brake, a protected identity or a person's hold. ``bound_to`` is the hash of what was seen."""

releases = sa.Table(
    "releases",
    metadata,
    _case(key=True),
    sa.Column("hold_id", sa.Text, primary_key=True),
    sa.Column("principal", sa.Text, primary_key=True),
    _column("bound_to", sa.Text),
    _column("at", sa.Float),
)
"""Who released a hold, bound to the plan they saw; a brake needs two different people (Law 5)."""

approvals = sa.Table(
    "approvals",
    metadata,
    _case(key=True),
    sa.Column("stage", sa.Text, primary_key=True),
    sa.Column("principal", sa.Text, primary_key=True),
    _column("bound_to", sa.Text),
    _column("at", sa.Float),
)
"""Who approved a stage, bound to the hash of exactly what they saw."""

backups = sa.Table(
    "backups",
    metadata,
    _case(key=True),
    sa.Column("system", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    _column("receipt", sa.JSON),
    _column("verified_at", sa.Float),
)
"""Objects in the vault whose ciphertext was read back and compared."""

vault_identities = sa.Table(
    "vault_identities",
    metadata,
    _case(key=True),
    _column("recipient", sa.Text),
    _column("sealed_identity", sa.LargeBinary),
    sa.PrimaryKeyConstraint("case_id"),
)
"""The age recipient of a case and its identity, sealed to the escrow keys: erasable."""

brake_slots = sa.Table(
    "brake_slots",
    metadata,
    _case(key=True),
    sa.Column("stage", sa.Text, primary_key=True),
    _column("at", sa.Float, index=True),
)
"""People let through the rolling window of the brake (Law 5)."""

switches = sa.Table(
    "switches",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    _column("value", sa.Text),
    _column("set_by", sa.Text),
    _column("set_at", sa.Float),
)
"""Process-wide switches that survive a restart; the row "brake" also serialises brake decisions."""

breakers = sa.Table(
    "breakers",
    metadata,
    sa.Column("system", sa.Text, primary_key=True),
    _column("failures", sa.Integer),
    _column("open_until", sa.Float),
    _column("reason", sa.Text),
)
"""Systems that failed several times in a row wait as a whole, with a countdown (Law 11)."""

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    _column("principal", sa.Text),
    _column("role", sa.Text),
    _column("sha256", sa.Text, unique=True),
    _column("issued_at", sa.Float),
    sa.Column("revoked_at", sa.Float),
)
"""Bearer tokens of people and programs: only the hash, shown once when issued."""
