"""The log: leases, batches, leaves by day and retention class, tiles, checkpoints, and who may do what with them.

Four roles, none of which may change or remove a leaf: ingest takes batches and leases, the sequencer moves them into
the tree, the reader reads, the keeper closes what dead gateways left open. The log-in role is a member of all four,
inherits nothing and has to choose one per connection.
"""

from alembic import op

revision = "0001"
down_revision = None

TABLES = """
CREATE TABLE audit.lease (
    gateway text NOT NULL,
    epoch bigint NOT NULL CHECK (epoch > 0),
    started_at timestamptz NOT NULL,
    renewed_at timestamptz NOT NULL,
    fenced_at timestamptz,
    closed_at timestamptz,
    PRIMARY KEY (gateway, epoch),
    CHECK (closed_at IS NULL OR fenced_at IS NOT NULL)
);
CREATE INDEX lease_not_closed ON audit.lease (gateway, epoch) WHERE closed_at IS NULL;

CREATE TABLE audit.batch (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gateway text NOT NULL,
    epoch bigint NOT NULL,
    first_sequence bigint NOT NULL,
    count integer NOT NULL,
    bytes bytea NOT NULL,
    sha256 bytea NOT NULL
);

CREATE TABLE audit.acknowledgement (
    gateway text NOT NULL,
    epoch bigint NOT NULL,
    first_sequence bigint NOT NULL CHECK (first_sequence >= 0),
    count integer NOT NULL CHECK (count > 0),
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    PRIMARY KEY (gateway, epoch, first_sequence)
);

CREATE TABLE audit.leaf (
    segment text NOT NULL,
    leaf_index bigint NOT NULL CHECK (leaf_index >= 0),
    body bytea NOT NULL,
    sequenced_at timestamptz NOT NULL,
    PRIMARY KEY (leaf_index, segment)
) PARTITION BY LIST (segment);

CREATE TABLE audit.erasable (
    segment text NOT NULL,
    leaf_index bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (leaf_index, segment)
) PARTITION BY LIST (segment);

CREATE TABLE audit.entry_index (
    leaf_index bigint PRIMARY KEY,
    call_id uuid NOT NULL,
    segment text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('intent', 'outcome', 'denied', 'event')),
    private_sha256 bytea
);
CREATE INDEX entry_index_call ON audit.entry_index (call_id);

CREATE TABLE audit.open_call (
    call_id uuid PRIMARY KEY,
    gateway text NOT NULL,
    epoch bigint NOT NULL,
    leaf_index bigint NOT NULL
);
CREATE INDEX open_call_writer ON audit.open_call (gateway, epoch);

CREATE TABLE audit.tile (
    level smallint NOT NULL,
    n bigint NOT NULL,
    hashes bytea NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
    PRIMARY KEY (level, n)
);

CREATE TABLE audit.log_head (
    single smallint PRIMARY KEY DEFAULT 1 CHECK (single = 1),
    size bigint NOT NULL,
    epoch bigint NOT NULL,
    root bytea NOT NULL
);
INSERT INTO audit.log_head (size, epoch, root) VALUES (0, 0, sha256(''));

CREATE TABLE audit.checkpoint (
    size bigint PRIMARY KEY,
    note text NOT NULL,
    signed_at timestamptz NOT NULL
)
"""

ROLES = ("ingest", "sequencer", "reader", "keeper")
MAKE_ROLE = """
DO $$ BEGIN
    CREATE ROLE tongdao_audit_{role} NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- roles belong to the whole cluster: another database, or another migrator, was first
END $$
"""

OPEN_SEGMENT = """
CREATE FUNCTION audit.open_segment(segment text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    parent text;
    child text;
BEGIN
    IF segment !~ '^[0-9]{8}-[a-z]{1,20}$' THEN
        RAISE EXCEPTION 'not the name of a segment';
    END IF;
    FOREACH parent IN ARRAY ARRAY['leaf', 'erasable'] LOOP
        child := parent || '_' || replace(segment, '-', '_');
        IF to_regclass(format('audit.%I', child)) IS NULL THEN
            -- attached, not created in place: that would lock out every reader of the parent
            EXECUTE format('CREATE TABLE audit.%I (LIKE audit.%I INCLUDING ALL)', child, parent);
            EXECUTE format('ALTER TABLE audit.%I ATTACH PARTITION audit.%I FOR VALUES IN (%L)', parent, child, segment);
        END IF;
    END LOOP;
END $$
"""

GRANTS = """
REVOKE ALL ON FUNCTION audit.open_segment(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.open_segment(text) TO tongdao_audit_sequencer;

GRANT SELECT, INSERT, UPDATE (renewed_at, fenced_at) ON audit.lease TO tongdao_audit_ingest;
GRANT SELECT, INSERT ON audit.acknowledgement TO tongdao_audit_ingest;
GRANT INSERT ON audit.batch TO tongdao_audit_ingest;

GRANT SELECT, DELETE, UPDATE (id) ON audit.batch TO tongdao_audit_sequencer;
GRANT SELECT, INSERT ON audit.leaf, audit.erasable, audit.entry_index, audit.checkpoint TO tongdao_audit_sequencer;
GRANT SELECT, INSERT, UPDATE ON audit.tile TO tongdao_audit_sequencer;
GRANT SELECT, INSERT, DELETE ON audit.open_call TO tongdao_audit_sequencer;
GRANT SELECT, UPDATE ON audit.log_head TO tongdao_audit_sequencer;

GRANT SELECT ON ALL TABLES IN SCHEMA audit TO tongdao_audit_reader;

GRANT SELECT ON ALL TABLES IN SCHEMA audit TO tongdao_audit_keeper;
GRANT INSERT, UPDATE (renewed_at, fenced_at, closed_at) ON audit.lease TO tongdao_audit_keeper;
GRANT INSERT ON audit.acknowledgement, audit.batch TO tongdao_audit_keeper
"""


def upgrade() -> None:
    """Everything at once: the schema starts here."""
    run = op.get_bind().exec_driver_sql
    for statement in TABLES.split(";\n"):
        run(statement)
    for role in ROLES:
        run(MAKE_ROLE.format(role=role))
        run(f"GRANT USAGE ON SCHEMA audit TO tongdao_audit_{role}")
        run(f"GRANT tongdao_audit_{role} TO tongdao_audit")
    run(OPEN_SEGMENT)
    for statement in GRANTS.split(";\n"):
        run(statement)
