"""Consents of persons concerned. Of one that was given only its use and its end ever change."""

from alembic import op

revision = "0007"
down_revision = "0006"

TABLES = """
CREATE TABLE catalog.consent (
    id text PRIMARY KEY,
    subject text NOT NULL,
    system text NOT NULL REFERENCES catalog.system,
    department text NOT NULL,
    interface text NOT NULL,
    office text NOT NULL,
    expires_at timestamptz NOT NULL,
    call text NOT NULL,
    used_at timestamptz,
    revoked_at timestamptz,
    entry bytea NOT NULL,
    CHECK ((call = '') = (used_at IS NULL))
);
CREATE INDEX ON catalog.consent (subject, id);
CREATE INDEX ON catalog.consent (department, id);
CREATE INDEX ON catalog.consent (office, id);
CREATE INDEX ON catalog.consent (system, id);
CREATE INDEX ON catalog.consent (expires_at);
GRANT SELECT, INSERT, DELETE, UPDATE (call, used_at, revoked_at) ON catalog.consent TO tongdao_catalog;
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
