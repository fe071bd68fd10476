"""Runs the steps on the connection that `store.migrate` hands over. Alembic loads this by path.

There is no offline mode and no alembic.ini: a connection always comes from `migrate.upgrade`,
or, when a developer writes the next revision, from `migrations/revision.py`.
"""

from alembic import context

from reconcile.store.metadata import metadata
from reconcile.store.migrate import include_name

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_name=include_name,
    compare_type=True,
    render_as_batch=True,  # SQLite changes a table by copying it
    transactional_ddl=True,  # one transaction, which the caller opened and commits
)
context.run_migrations()
