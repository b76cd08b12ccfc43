"""How a call asked (mode), what a verification found (verdict), and the consent by which it was made (consent).

Rows that are there were made before a call could ask otherwise: the defaults are true of them. Each is a change of the
catalog alone, no row is written. `audit.combination` stays as it is, and so do the indexes by it: it only narrows.
"""

from alembic import op

revision = "0009"
down_revision = "0008"

COLUMNS = """
ALTER TABLE audit.record
    ADD COLUMN mode text NOT NULL DEFAULT 'query',
    ADD COLUMN verdict text NOT NULL DEFAULT '',
    ADD COLUMN consent text NOT NULL DEFAULT '';
ALTER TABLE audit.usage_day ADD COLUMN mode text NOT NULL DEFAULT 'query'
"""


def upgrade() -> None:
    """Partitions follow their parent."""
    run = op.get_bind().exec_driver_sql
    for statement in COLUMNS.split(";\n"):
        run(statement)
