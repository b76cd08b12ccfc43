"""Witnesses: cosignatures of checkpoints, by keys outside the operator's hands, and how the last attempts went.

The clerk adds them. Nobody changes or removes a cosignature: it is what an outsider said.
"""

from alembic import op

revision = "0006"
down_revision = "0005"

TABLES = """
CREATE TABLE audit.cosignature (
    shard smallint NOT NULL,
    size bigint NOT NULL,
    witness text NOT NULL,
    line text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (shard, size, witness),
    FOREIGN KEY (shard, size) REFERENCES audit.checkpoint (shard, size)
);
CREATE INDEX cosignature_witness ON audit.cosignature (witness, shard, size);

CREATE TABLE audit.witness_attempt (
    witness text PRIMARY KEY,
    first_at timestamptz NOT NULL,
    at timestamptz NOT NULL,
    error text NOT NULL
)
"""

GRANTS = """
GRANT INSERT ON audit.cosignature TO tongdao_audit_clerk;
GRANT INSERT, UPDATE (at, error) ON audit.witness_attempt TO tongdao_audit_clerk;
GRANT SELECT ON audit.cosignature, audit.witness_attempt
    TO tongdao_audit_reader, tongdao_audit_keeper, tongdao_audit_indexer, tongdao_audit_archivist, tongdao_audit_clerk
"""


def upgrade() -> None:
    """Everything at once."""
    run = op.get_bind().exec_driver_sql
    for statement in (TABLES + ";\n" + GRANTS).split(";\n"):
        run(statement)
