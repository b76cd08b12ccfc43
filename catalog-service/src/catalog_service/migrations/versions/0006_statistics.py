"""How often grants are used, as gateways report it, and what figures would else have to read out of every entry."""

from alembic import op

revision = "0006"
down_revision = "0005"

TABLES = """
CREATE TABLE catalog.grant_use (
    grant_id text NOT NULL REFERENCES catalog.grants,
    day date NOT NULL,
    calls bigint NOT NULL,
    errors bigint NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (grant_id, day)
);
CREATE INDEX ON catalog.grant_use (day);
CREATE TABLE catalog.usage_report (
    gateway text PRIMARY KEY,
    since bigint NOT NULL
);
CREATE INDEX ON catalog.clock (due_at);
CREATE FUNCTION catalog.share_type_of(entry bytea) RETURNS text LANGUAGE sql IMMUTABLE
    AS $$ SELECT convert_from(entry, 'UTF8')::jsonb #>> '{share,type}' $$;
ALTER TABLE catalog.resource_version
    ADD COLUMN share_type text GENERATED ALWAYS AS (catalog.share_type_of(entry)) STORED;
GRANT SELECT, INSERT, UPDATE ON catalog.grant_use, catalog.usage_report TO tongdao_catalog;
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
