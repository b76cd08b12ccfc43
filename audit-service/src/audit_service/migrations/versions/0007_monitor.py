"""Monitor: how far the continuous check has got, what it found, and which numbers of writers never came."""

from alembic import op

revision = "0007"
down_revision = "0006"

TABLES = """
CREATE TABLE audit.monitor (
    single smallint PRIMARY KEY DEFAULT 1 CHECK (single = 1),
    newest_at timestamptz,
    newest_first bigint NOT NULL DEFAULT 0,
    newest_end bigint NOT NULL DEFAULT 0,
    newest_s double precision NOT NULL DEFAULT 0,
    position bigint NOT NULL DEFAULT 0,
    pass_began_at timestamptz,
    whole_began_at timestamptz,
    whole_at timestamptz,
    whole_size bigint NOT NULL DEFAULT 0,
    waiting_id bigint,
    waiting_since timestamptz
);
INSERT INTO audit.monitor DEFAULT VALUES;

CREATE TABLE audit.finding (
    what text NOT NULL,
    why text NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    told_at timestamptz,
    PRIMARY KEY (what, why)
);
CREATE INDEX finding_untold ON audit.finding (first_seen_at) WHERE told_at IS NULL;

CREATE TABLE audit.watched_writer (
    gateway text NOT NULL,
    epoch bigint NOT NULL,
    up_to bigint NOT NULL,
    done boolean NOT NULL,
    PRIMARY KEY (gateway, epoch)
);

CREATE TABLE audit.gap (
    gateway text NOT NULL,
    epoch bigint NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    seen_at timestamptz NOT NULL,
    filled_at timestamptz,
    told_at timestamptz,
    PRIMARY KEY (gateway, epoch, first),
    CHECK (last >= first)
);
CREATE INDEX gap_standing ON audit.gap (seen_at) WHERE filled_at IS NULL
"""

GRANTS = """
GRANT UPDATE ON audit.monitor TO tongdao_audit_clerk;
GRANT INSERT, UPDATE (last_seen_at, told_at) ON audit.finding TO tongdao_audit_clerk;
GRANT INSERT, UPDATE (up_to, done) ON audit.watched_writer TO tongdao_audit_clerk;
GRANT INSERT, UPDATE (filled_at, told_at) ON audit.gap TO tongdao_audit_clerk;
GRANT SELECT ON audit.monitor, audit.finding, audit.watched_writer, audit.gap
    TO tongdao_audit_reader, tongdao_audit_keeper, tongdao_audit_indexer, tongdao_audit_archivist, tongdao_audit_clerk
"""


def upgrade() -> None:
    """Nothing has been checked yet."""
    run = op.get_bind().exec_driver_sql
    for statement in TABLES.split(";\n"):
        run(statement)
    for statement in GRANTS.split(";\n"):
        run(statement)
