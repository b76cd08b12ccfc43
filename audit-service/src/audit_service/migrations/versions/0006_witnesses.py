"""Witnesses: cosignatures of checkpoints, by keys outside the operator's hands."""

from alembic import op

revision = "0006"
down_revision = "0005"

TABLES = """
SELECT 1
"""


def upgrade() -> None:
    """Everything at once."""
    run = op.get_bind().exec_driver_sql
    for statement in TABLES.split(";\n"):
        run(statement)
