"""Search: a row for each call that has ended and for each event, in partitions beside the leaves, and daily figures.

Rows that are alike in who, what and how it ended are a *combination*: usage_day has one row for each of a segment's
combinations, so that it says in which segments a search can find anything; one index by combination then finds the
rows, however rare, where an index a member would cost every row eight of them. What no combination has (case, trace,
person) is looked for in a segment's sieve (a Bloom filter in blocks), made when its day is over.
"""

from alembic import op

revision = "0003"
down_revision = "0002"

TABLES = """
CREATE FUNCTION audit.combination(
    department text, provider text, system text, interface text, version text, grant_id text, kind text,
    status smallint, code text, event text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN hashtextextended(
    department || E'\\x1f' || provider || E'\\x1f' || system || E'\\x1f' || interface || E'\\x1f' || version || E'\\x1f'
    || grant_id || E'\\x1f' || kind || E'\\x1f' || status::text || E'\\x1f' || code || E'\\x1f' || event, 0);
CREATE TABLE audit.record (
    segment text NOT NULL,
    leaf_index bigint NOT NULL,
    call_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('outcome', 'denied', 'event')),
    at timestamptz NOT NULL,
    department text NOT NULL,
    system text NOT NULL,
    provider text NOT NULL,
    interface text NOT NULL,
    version text NOT NULL,
    grant_id text NOT NULL,
    case_no text NOT NULL,
    purpose text NOT NULL,
    operation text NOT NULL,
    trace text NOT NULL,
    subject text NOT NULL,
    event text NOT NULL,
    status smallint NOT NULL,
    code text NOT NULL,
    fault text NOT NULL,
    took_ms integer NOT NULL,
    request_bytes bigint NOT NULL,
    answer_bytes bigint NOT NULL,
    fields_returned integer NOT NULL,
    fields_masked integer NOT NULL,
    gateway text NOT NULL,
    PRIMARY KEY (leaf_index, segment)
) PARTITION BY LIST (segment);
CREATE INDEX record_combination ON audit.record (
    audit.combination(department, provider, system, interface, version, grant_id, kind, status, code, event),
    leaf_index);
CREATE INDEX record_case ON audit.record (case_no, leaf_index) WHERE case_no <> '';
CREATE INDEX record_trace ON audit.record (trace, leaf_index) WHERE trace <> '';
CREATE INDEX record_subject ON audit.record (subject, leaf_index) WHERE subject <> '';

CREATE TABLE audit.usage_day (
    segment text NOT NULL,
    key uuid NOT NULL,
    department text NOT NULL,
    provider text NOT NULL,
    system text NOT NULL,
    interface text NOT NULL,
    version text NOT NULL,
    grant_id text NOT NULL,
    kind text NOT NULL,
    status smallint NOT NULL,
    code text NOT NULL,
    event text NOT NULL,
    calls bigint NOT NULL,
    took_ms bigint NOT NULL,
    longest_ms integer NOT NULL,
    request_bytes bigint NOT NULL,
    answer_bytes bigint NOT NULL,
    fields_returned bigint NOT NULL,
    fields_masked bigint NOT NULL,
    first_index bigint NOT NULL,
    last_index bigint NOT NULL,
    PRIMARY KEY (segment, key)
) WITH (fillfactor = 70);
CREATE INDEX usage_day_department ON audit.usage_day (department, segment);
CREATE INDEX usage_day_provider ON audit.usage_day (provider, segment) WHERE provider <> '';
CREATE INDEX usage_day_system ON audit.usage_day (system, segment);
CREATE INDEX usage_day_interface ON audit.usage_day (interface, segment) WHERE interface <> '';
CREATE INDEX usage_day_grant ON audit.usage_day (grant_id, segment) WHERE grant_id <> '';
CREATE INDEX usage_day_code ON audit.usage_day (code, segment) WHERE code <> '';
CREATE INDEX usage_day_status ON audit.usage_day (status, segment);
CREATE INDEX usage_day_event ON audit.usage_day (event, segment) WHERE event <> '';

CREATE TABLE audit.indexed_segment (
    segment text PRIMARY KEY,
    first_index bigint NOT NULL,
    last_index bigint NOT NULL,
    rows bigint NOT NULL,
    earliest timestamptz NOT NULL,
    latest timestamptz NOT NULL,
    sieved_to bigint NOT NULL DEFAULT -1,
    sieve_blocks integer NOT NULL DEFAULT 1
);

CREATE TABLE audit.sieve (
    segment text NOT NULL,
    block integer NOT NULL,
    bits bytea NOT NULL,
    PRIMARY KEY (segment, block)
);

CREATE TABLE audit.indexed (
    single smallint PRIMARY KEY DEFAULT 1 CHECK (single = 1),
    size bigint NOT NULL
);
INSERT INTO audit.indexed (size) VALUES (0)
"""

OPEN_SEGMENT = """
CREATE OR REPLACE FUNCTION audit.open_segment(segment text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parent text;
    child text;
BEGIN
    IF segment !~ '^[0-9]{8}-[a-z]{1,20}$' THEN
        RAISE EXCEPTION 'not the name of a segment';
    END IF;
    FOREACH parent IN ARRAY ARRAY['leaf', 'erasable', 'record'] LOOP
        child := parent || '_' || replace(segment, '-', '_');
        IF to_regclass(format('audit.%I', child)) IS NULL THEN
            -- attached, not created in place: that would lock out every reader of the parent
            EXECUTE format('CREATE TABLE audit.%I (LIKE audit.%I INCLUDING ALL)', child, parent);
            EXECUTE format('ALTER TABLE audit.%I ATTACH PARTITION audit.%I FOR VALUES IN (%L)', parent, child, segment);
        END IF;
    END LOOP;
END $$
"""
OPEN_OLD = "SELECT audit.open_segment(segment) FROM (SELECT DISTINCT segment FROM audit.entry_index) old"

GRANTS = """
GRANT INSERT ON audit.record TO tongdao_audit_indexer;
GRANT INSERT, UPDATE ON audit.usage_day, audit.indexed_segment TO tongdao_audit_indexer;
GRANT INSERT, DELETE ON audit.sieve TO tongdao_audit_indexer;
GRANT EXECUTE ON FUNCTION audit.combination
    TO tongdao_audit_reader, tongdao_audit_keeper, tongdao_audit_indexer, tongdao_audit_archivist, tongdao_audit_clerk;
GRANT UPDATE ON audit.indexed TO tongdao_audit_indexer;
GRANT SELECT ON ALL TABLES IN SCHEMA audit
    TO tongdao_audit_reader, tongdao_audit_keeper, tongdao_audit_indexer, tongdao_audit_archivist, tongdao_audit_clerk
"""


def upgrade() -> None:
    """Empty; the indexer fills it from the first leaf on."""
    run = op.get_bind().exec_driver_sql
    for statement in TABLES.split(";\n"):
        run(statement)
    run(OPEN_SEGMENT)
    run(OPEN_OLD)
    for statement in GRANTS.split(";\n"):
        run(statement)
