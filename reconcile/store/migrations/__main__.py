"""Drafts the next revision: `python -m reconcile.store.migrations 0002 "what changes"`.

For developers, in a checkout. Upgrades a throw-away SQLite file to the newest revision, compares it
with the tables of the code, and writes the difference as a draft to be read and corrected.
"""

import sys
import tempfile

from reconcile.store import migrate
from reconcile.store.database import Database


def main(revision: str, message: str) -> None:
    """Write `versions/<revision>_<message>.py`."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database.open(f"sqlite:///{folder}/draft.db")
        try:
            migrate.draft(database, message, revision)
        finally:
            database.close()


if __name__ == "__main__":
    main(*sys.argv[1:3])
