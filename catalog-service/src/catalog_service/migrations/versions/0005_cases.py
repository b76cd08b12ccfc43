"""Cases, what happened in them, and how far gateways have come in the feed."""

from alembic import op

revision = "0005"
down_revision = "0004"

TABLES = """
CREATE SEQUENCE catalog.case_number;
CREATE TABLE catalog.cases (
    id text PRIMARY KEY,
    number text NOT NULL UNIQUE,
    kind text NOT NULL,
    state text NOT NULL,
    requester text NOT NULL,
    provider text NOT NULL,
    maker text NOT NULL,
    parent text NOT NULL,
    resource text NOT NULL,
    interface text NOT NULL,
    system text NOT NULL,
    grant_id text NOT NULL,
    batch text NOT NULL,
    final boolean NOT NULL,
    entry bytea NOT NULL
);
CREATE INDEX ON catalog.cases (kind, state, id);
CREATE INDEX ON catalog.cases (requester, id);
CREATE INDEX ON catalog.cases (provider, id);
CREATE INDEX ON catalog.cases (maker, id);
CREATE INDEX ON catalog.cases (parent) WHERE parent <> '';
CREATE INDEX ON catalog.cases (resource) WHERE resource <> '';
CREATE INDEX ON catalog.cases (grant_id) WHERE grant_id <> '';
CREATE INDEX ON catalog.cases (batch) WHERE batch <> '';
CREATE INDEX waiting_for_a_gateway ON catalog.cases (id) WHERE state = 'provisioning';
CREATE TABLE catalog.case_history (
    case_id text NOT NULL REFERENCES catalog.cases,
    n integer NOT NULL,
    at timestamptz NOT NULL,
    entry bytea NOT NULL,
    PRIMARY KEY (case_id, n)
);
CREATE TABLE catalog.complainant (
    case_id text PRIMARY KEY REFERENCES catalog.cases,
    entry bytea NOT NULL
);
ALTER TABLE catalog.grants ADD not_after bigint NOT NULL DEFAULT 0, ADD reminded_days integer;
UPDATE catalog.grants SET not_after = (convert_from(entry, 'UTF8')::jsonb ->> 'not_after')::bigint
    WHERE standing <> 'revoked';
CREATE INDEX ON catalog.grants (not_after) WHERE not_after > 0;
CREATE TABLE catalog.follower (
    name text PRIMARY KEY,
    revision bigint NOT NULL,
    seen timestamptz NOT NULL
);
"""

# What happened, and who complained, stays as it was written: no UPDATE and no DELETE.
RIGHTS = """
GRANT USAGE ON SEQUENCE catalog.case_number TO tongdao_catalog;
GRANT SELECT, INSERT, UPDATE ON catalog.cases, catalog.follower TO tongdao_catalog;
GRANT SELECT, INSERT ON catalog.case_history, catalog.complainant TO tongdao_catalog;
"""


def upgrade() -> None:
    for part in (TABLES, RIGHTS):
        for statement in part.split(";\n"):
            if statement.strip():
                op.execute(statement)
