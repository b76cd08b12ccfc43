"""Revocations, and their way to the catalog."""

from alembic import op

revision = "0004"
down_revision = "0003"

_UP = """
CREATE TABLE identity.revocation (
    id text PRIMARY KEY,
    before bigint NOT NULL,
    until bigint NOT NULL
);
CREATE INDEX revocation_until ON identity.revocation (until);
CREATE TABLE identity.revocation_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event bytea NOT NULL,
    written_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON identity.revocation TO tongdao_identity;
GRANT SELECT, INSERT, DELETE, UPDATE (written_at) ON identity.revocation_outbox TO tongdao_identity
"""


def upgrade() -> None:
    for statement in _UP.split(";"):
        op.execute(statement)
