"""Filings and their steps, versions of entries, stages of interfaces, arrivals of data. History is only added to."""

from alembic import op

revision = "0003"
down_revision = "0002"

TABLES = """
CREATE TABLE catalog.filing (
    code text PRIMARY KEY,
    provider text NOT NULL REFERENCES catalog.department,
    state text NOT NULL,
    entry bytea NOT NULL
);
CREATE INDEX ON catalog.filing (provider, code);
CREATE INDEX ON catalog.filing (state, code);
CREATE TABLE catalog.filing_step (
    code text NOT NULL REFERENCES catalog.filing,
    n integer NOT NULL,
    at timestamptz NOT NULL,
    entry bytea NOT NULL,
    PRIMARY KEY (code, n)
);
CREATE TABLE catalog.resource_version (
    code text NOT NULL REFERENCES catalog.resource,
    n integer NOT NULL,
    published_at timestamptz NOT NULL,
    published_by text NOT NULL,
    step integer NOT NULL,
    entry bytea NOT NULL,
    PRIMARY KEY (code, n)
);
CREATE TABLE catalog.arrival (
    code text PRIMARY KEY REFERENCES catalog.resource,
    data_at timestamptz NOT NULL,
    reported_at timestamptz NOT NULL,
    reported_by text NOT NULL
);
CREATE TABLE catalog.interface_step (
    id text NOT NULL,
    version text NOT NULL,
    n integer NOT NULL,
    at timestamptz NOT NULL,
    entry bytea NOT NULL,
    PRIMARY KEY (id, version, n),
    FOREIGN KEY (id, version) REFERENCES catalog.interface
);
ALTER TABLE catalog.resource ADD COLUMN standing text NOT NULL DEFAULT 'active'
    CHECK (standing IN ('active', 'suspended', 'revoked'));
GRANT SELECT, INSERT, UPDATE ON catalog.filing, catalog.arrival TO tongdao_catalog;
GRANT SELECT, INSERT ON catalog.filing_step, catalog.resource_version, catalog.interface_step TO tongdao_catalog;
"""

# What was registered before there were filings was set up by the platform: published, in its first version.
BEFORE = """
INSERT INTO catalog.resource_version (code, n, published_at, published_by, step, entry)
    SELECT code, 1, now(), 'platform', 0, entry FROM catalog.resource
"""

WITHDRAWN_STAYS_WITHDRAWN = """
CREATE FUNCTION catalog.never_republished() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.standing = 'revoked' THEN
        RAISE EXCEPTION '% was withdrawn', OLD.code USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
"""


def upgrade() -> None:
    for statement in (*TABLES.split(";\n"), BEFORE, WITHDRAWN_STAYS_WITHDRAWN):
        if statement.strip():
            op.execute(statement)
    trigger = "CREATE TRIGGER never_republished BEFORE UPDATE ON catalog.resource"
    op.execute(f"{trigger} FOR EACH ROW EXECUTE FUNCTION catalog.never_republished()")
