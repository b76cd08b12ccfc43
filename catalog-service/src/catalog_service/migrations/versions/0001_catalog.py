"""Directory, grants, feed and outbox; the service role may read, add and change, never delete what it was told."""

from alembic import op

revision = "0001"
down_revision = None

TABLES = """
CREATE TABLE catalog.department (
    id text PRIMARY KEY,
    standing text NOT NULL CHECK (standing IN ('active', 'suspended', 'revoked')),
    entry bytea NOT NULL
);
CREATE TABLE catalog.system (
    id text PRIMARY KEY,
    department text NOT NULL REFERENCES catalog.department,
    standing text NOT NULL CHECK (standing IN ('active', 'suspended', 'revoked')),
    entry bytea NOT NULL
);
CREATE INDEX ON catalog.system (department, id);
CREATE TABLE catalog.resource (
    code text PRIMARY KEY,
    provider text NOT NULL REFERENCES catalog.department,
    entry bytea NOT NULL
);
CREATE INDEX ON catalog.resource (provider, code);
CREATE TABLE catalog.interface (
    id text NOT NULL,
    version text NOT NULL,
    provider text NOT NULL REFERENCES catalog.department,
    resource text NOT NULL REFERENCES catalog.resource,
    standing text NOT NULL CHECK (standing IN ('active', 'suspended', 'revoked')),
    entry bytea NOT NULL,
    PRIMARY KEY (id, version)
);
CREATE INDEX ON catalog.interface (provider, id, version);
CREATE INDEX ON catalog.interface (resource);
CREATE TABLE catalog.grants (
    id text PRIMARY KEY,
    system text NOT NULL REFERENCES catalog.system,
    interface text NOT NULL,
    version text NOT NULL,
    standing text NOT NULL CHECK (standing IN ('active', 'suspended', 'revoked')),
    entry bytea NOT NULL,
    FOREIGN KEY (interface, version) REFERENCES catalog.interface
);
CREATE INDEX ON catalog.grants (system, id);
CREATE INDEX ON catalog.grants (interface, version, id);

CREATE TABLE catalog.feed (
    revision bigint PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('department', 'system', 'interface', 'grant')),
    id text NOT NULL,
    body bytea NOT NULL
);
CREATE TABLE catalog.feed_head (revision bigint NOT NULL);
CREATE UNIQUE INDEX only_one_head ON catalog.feed_head ((true));
INSERT INTO catalog.feed_head VALUES (0);

CREATE TABLE catalog.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event bytea NOT NULL,
    written_at timestamptz NOT NULL
);
"""

# Whoever was revoked stays revoked: the database holds to it whatever the service does.
NEVER_BACK = """
CREATE FUNCTION catalog.never_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.standing = 'revoked' THEN
        RAISE EXCEPTION '% of % was revoked', OLD.id, TG_TABLE_NAME USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
"""
GOVERNED = ("department", "system", "interface", "grants")

RIGHTS = """
GRANT SELECT, INSERT, UPDATE ON catalog.department, catalog.system, catalog.resource, catalog.interface, catalog.grants
    TO tongdao_catalog;
GRANT SELECT, INSERT ON catalog.feed TO tongdao_catalog;
GRANT SELECT, UPDATE ON catalog.feed_head TO tongdao_catalog;
GRANT SELECT, INSERT, DELETE, UPDATE (written_at) ON catalog.outbox TO tongdao_catalog;
"""  # UPDATE (written_at) is never used; without it PostgreSQL refuses SELECT … FOR UPDATE


def upgrade() -> None:
    for part in (TABLES, RIGHTS):
        for statement in part.split(";\n"):
            if statement.strip():
                op.execute(statement)
    op.execute(NEVER_BACK)
    for table in GOVERNED:
        trigger = f"CREATE TRIGGER never_back BEFORE UPDATE ON catalog.{table}"
        op.execute(f"{trigger} FOR EACH ROW EXECUTE FUNCTION catalog.never_back()")
