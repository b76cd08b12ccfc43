"""Revoked tokens, clients, persons and keys, on their way to gateways; kept until they are past."""

from alembic import op

revision = "0009"
down_revision = "0008"

TABLES = """
CREATE TABLE catalog.revocation (
    id text PRIMARY KEY,
    before bigint NOT NULL,
    until bigint NOT NULL,
    entry bytea NOT NULL
);
CREATE INDEX ON catalog.revocation (until);
ALTER TABLE catalog.feed
    DROP CONSTRAINT feed_kind_check,
    ADD CHECK (kind IN ('department', 'system', 'interface', 'grant', 'revocation'));
GRANT SELECT, INSERT, UPDATE, DELETE ON catalog.revocation TO tongdao_catalog;
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
