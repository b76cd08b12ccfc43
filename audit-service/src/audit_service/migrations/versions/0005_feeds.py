"""Feeds: what departments are sent of their own usage, and alerts from the log."""

from alembic import op

revision = "0005"
down_revision = "0004"

TABLES = """
SELECT 1
"""


def upgrade() -> None:
    """Everything at once."""
    run = op.get_bind().exec_driver_sql
    for statement in TABLES.split(";\n"):
        run(statement)
