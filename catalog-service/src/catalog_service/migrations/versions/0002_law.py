"""The law in force, working-day calendars, clocks, notices and webhooks. Nothing here is ever deleted."""

from alembic import op

revision = "0002"
down_revision = "0001"

POLICY = """
CREATE TABLE catalog.profile_text (
    profile text NOT NULL,
    version text NOT NULL,
    texts bytea NOT NULL,
    PRIMARY KEY (profile, version)
);
CREATE TABLE catalog.activation (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    profile text NOT NULL,
    version text NOT NULL,
    entry bytea NOT NULL,
    FOREIGN KEY (profile, version) REFERENCES catalog.profile_text
);
CREATE TABLE catalog.calendar (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    region text NOT NULL,
    version text NOT NULL,
    text text NOT NULL,
    entry bytea NOT NULL
);
CREATE INDEX ON catalog.calendar (region, n);
GRANT SELECT, INSERT ON catalog.profile_text, catalog.activation, catalog.calendar TO tongdao_catalog;
"""

CLOCKS = """
CREATE TABLE catalog.clock (
    id text PRIMARY KEY,
    subject_kind text NOT NULL,
    subject_id text NOT NULL,
    key text NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'extended', 'overdue', 'met', 'met_late', 'cancelled')),
    responsible text NOT NULL,
    counterpart text NOT NULL,
    region text NOT NULL,
    started_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    ended_at timestamptz,
    next_look_at timestamptz,
    entry bytea NOT NULL,
    CHECK ((state IN ('met', 'met_late', 'cancelled')) = (ended_at IS NOT NULL)),
    CHECK (ended_at IS NULL OR next_look_at IS NULL)
);
CREATE UNIQUE INDEX one_runs ON catalog.clock (subject_kind, subject_id, key) WHERE ended_at IS NULL;
CREATE INDEX ON catalog.clock (subject_kind, subject_id);
CREATE INDEX ON catalog.clock (responsible, id);
CREATE INDEX ON catalog.clock (counterpart, id);
CREATE INDEX ON catalog.clock (region) WHERE ended_at IS NULL;
CREATE INDEX ON catalog.clock (next_look_at) WHERE next_look_at IS NOT NULL;
GRANT SELECT, INSERT, UPDATE ON catalog.clock TO tongdao_catalog;
"""

NOTICES = """
CREATE TABLE catalog.notice (
    id text PRIMARY KEY,
    department text NOT NULL,
    office text NOT NULL,
    client text NOT NULL,
    key text NOT NULL,
    read_at timestamptz,
    entry bytea NOT NULL,
    UNIQUE (key, department, office, client)
);
CREATE INDEX ON catalog.notice (department, office, id);
CREATE INDEX ON catalog.notice (department, office, id) WHERE read_at IS NULL;
CREATE TABLE catalog.webhook (
    id text PRIMARY KEY,
    department text NOT NULL,
    office text NOT NULL,
    active boolean NOT NULL,
    entry bytea NOT NULL
);
CREATE INDEX ON catalog.webhook (department, id);
CREATE INDEX ON catalog.webhook (office) WHERE active;
CREATE TABLE catalog.delivery (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook text NOT NULL REFERENCES catalog.webhook,
    notice text NOT NULL REFERENCES catalog.notice,
    key text NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead')),
    attempts integer NOT NULL,
    next_at timestamptz NOT NULL,
    leased_until timestamptz,
    error text NOT NULL,
    UNIQUE (webhook, key)
);
CREATE INDEX ON catalog.delivery (webhook, next_at) WHERE state = 'waiting';
CREATE INDEX ON catalog.delivery (webhook, state, n);
GRANT SELECT, INSERT ON catalog.notice, catalog.webhook, catalog.delivery TO tongdao_catalog;
GRANT UPDATE (read_at) ON catalog.notice TO tongdao_catalog;
GRANT UPDATE ON catalog.webhook TO tongdao_catalog;
GRANT UPDATE (state, attempts, next_at, leased_until, error) ON catalog.delivery TO tongdao_catalog;
"""


def upgrade() -> None:
    for part in (POLICY, CLOCKS, NOTICES):
        for statement in part.split(";\n"):
            if statement.strip():
                op.execute(statement)
