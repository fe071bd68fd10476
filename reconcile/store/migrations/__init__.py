"""Alembic's environment and the steps of our schema; loaded by path through `store.migrate`."""
