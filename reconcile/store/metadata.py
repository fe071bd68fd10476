"""The one `MetaData` on which every table of ours hangs, whoever defines the table.

Called by the modules that declare tables and by the migrations. It is not the schema itself:
importing this module alone shows no table.
"""

import sqlalchemy as sa

metadata = sa.MetaData(
    # Alembic can drop or change only what has a name, and both databases must agree on it.
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
