"""Keeping: sealed days in the archive, legal holds, disposals that two people decide (how they do is in 0008).

Leaves go away only through the two functions `retire_segment` and `dispose_segment`, which check by themselves, with
the database's own clock and the log's own leaves, that they may. Whoever calls them can choose nothing but the segment.
"""

from alembic import op

revision = "0004"
down_revision = "0003"

TABLES = """
CREATE TABLE audit.disposal (
    id uuid PRIMARY KEY,
    retention text NOT NULL CHECK (retention IN ('general', 'personal')),
    before date NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    case_no text NOT NULL,
    state text NOT NULL DEFAULT 'proposed' CHECK (state IN ('proposed', 'approved', 'rejected', 'executed')),
    proposed_by text NOT NULL CHECK (proposed_by <> ''),
    proposed_department text NOT NULL,
    proposed_at timestamptz NOT NULL,
    decided_by text CHECK (decided_by <> ''),
    decided_department text,
    decided_at timestamptz,
    approval_event uuid NOT NULL DEFAULT gen_random_uuid(),
    approval_leaf bigint,
    executed_at timestamptz,
    CHECK ((state = 'proposed') = (decided_by IS NULL)),
    CHECK (state IN ('proposed', 'rejected') OR decided_by <> proposed_by)
);

CREATE TABLE audit.disposal_segment (
    disposal uuid NOT NULL REFERENCES audit.disposal (id),
    segment text NOT NULL,
    event_id uuid NOT NULL DEFAULT gen_random_uuid(),
    first_index bigint,
    last_index bigint,
    count bigint,
    root bytea,
    leaf bigint,
    executed_at timestamptz,
    objects_deleted_at timestamptz,
    trouble text NOT NULL DEFAULT '',
    PRIMARY KEY (disposal, segment)
);

CREATE TABLE audit.archive (
    segment text PRIMARY KEY CHECK (segment ~ '^[0-9]{8}-(general|personal|permanent)$'),
    state text NOT NULL CHECK (state IN ('closed', 'sealed', 'archived', 'restored', 'disposed')),
    event_id uuid NOT NULL DEFAULT gen_random_uuid(),
    first_index bigint,
    last_index bigint,
    count bigint,
    object text NOT NULL DEFAULT '',
    bytes bigint NOT NULL DEFAULT 0,
    sha256 bytea NOT NULL DEFAULT '',
    manifest_object text NOT NULL DEFAULT '',
    manifest_sha256 bytea NOT NULL DEFAULT '',
    root bytea,
    manifest_leaf bigint,
    retired_at timestamptz,
    restore_asked_at timestamptz,
    restored_at timestamptz,
    disposed_at timestamptz,
    disposal uuid REFERENCES audit.disposal (id),
    disposal_leaf bigint,
    CHECK (state = 'closed' OR (first_index IS NOT NULL AND last_index >= first_index AND count > 0))
);

CREATE TABLE audit.hold (
    id uuid PRIMARY KEY,
    party text NOT NULL,
    system text NOT NULL,
    interface text NOT NULL,
    grant_id text NOT NULL,
    case_no text NOT NULL,
    call_id text NOT NULL,
    since timestamptz,
    before timestamptz,
    reason text NOT NULL CHECK (reason <> ''),
    for_case text NOT NULL,
    placed_by text NOT NULL CHECK (placed_by <> ''),
    placed_department text NOT NULL,
    placed_at timestamptz NOT NULL,
    released_by text CHECK (released_by <> '' AND released_by <> placed_by),
    released_department text,
    released_at timestamptz,
    CHECK ((released_by IS NULL) = (released_at IS NULL))
);

CREATE TABLE audit.hold_judgement (
    hold uuid NOT NULL REFERENCES audit.hold (id),
    segment text NOT NULL,
    held boolean NOT NULL,
    PRIMARY KEY (hold, segment)
);

CREATE TABLE audit.mixed_segment (segment text PRIMARY KEY);
COMMENT ON TABLE audit.mixed_segment IS
    'general segments of before events had classes of their own: grants are among them, so they are kept as personal';
INSERT INTO audit.mixed_segment
    SELECT DISTINCT segment FROM audit.entry_index WHERE kind = 'event' AND segment LIKE '%-general'
"""

OPEN_SEGMENT = """
ALTER FUNCTION audit.open_segment(text) RENAME TO make_partitions;
REVOKE ALL ON FUNCTION audit.make_partitions(text) FROM PUBLIC, tongdao_audit_sequencer
"""

FUNCTIONS = [
    """
CREATE FUNCTION audit.open_segment(segment text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM audit.archive a WHERE a.segment = open_segment.segment) THEN
        RAISE EXCEPTION 'segment % is closed: has the clock gone back?', segment;
    END IF;
    PERFORM audit.make_partitions(segment);
END $$
""",
    """
CREATE FUNCTION audit.close_segment(which text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF to_date(left(which, 8), 'YYYYMMDD') >= (now() AT TIME ZONE 'UTC')::date THEN
        RAISE EXCEPTION 'the day of % is not over', which;
    END IF;
    -- the step under way ends first, and every later one sees the row: nothing is ever added to a closed segment
    PERFORM FROM audit.log_head FOR SHARE;
    INSERT INTO audit.archive (segment, state) VALUES (which, 'closed') ON CONFLICT DO NOTHING;
END $$
""",
    """
CREATE FUNCTION audit.is_published(leaf bigint) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM audit.shard s JOIN audit.checkpoint c ON c.shard = s.id
                   WHERE leaf >= s.first AND c.size > leaf - s.first)
$$
""",
    """
CREATE FUNCTION audit.told_in_leaf(call uuid, event text, fact text, value text) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place record;
    told json;
BEGIN
    FOR place IN SELECT i.leaf_index, i.segment FROM audit.entry_index i
            WHERE i.call_id = call AND i.kind = 'event' AND i.segment LIKE '%-permanent' ORDER BY i.leaf_index LOOP
        SELECT convert_from(l.body, 'UTF8')::json INTO told FROM audit.leaf l
            WHERE l.segment = place.segment AND l.leaf_index = place.leaf_index;
        IF told ->> 'event' = event AND told -> 'facts' ->> fact = value AND audit.is_published(place.leaf_index) THEN
            RETURN place.leaf_index;
        END IF;
    END LOOP;
    RETURN NULL;
END $$
""",
    """
CREATE FUNCTION audit.expect_whole(which text, first bigint, last bigint, number bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    there record;
BEGIN
    SELECT min(l.leaf_index) AS first, max(l.leaf_index) AS last, count(*) AS number INTO there
    FROM audit.leaf l WHERE l.segment = which;
    IF (there.first, there.last, there.number) IS DISTINCT FROM (first, last, number) THEN
        RAISE EXCEPTION 'segment % holds other leaves than was said', which;
    END IF;
END $$
""",
    """
CREATE FUNCTION audit.seal_segment(
    which text, first bigint, last bigint, number bigint, the_root bytea, the_object text, the_bytes bigint,
    the_sha256 bytea, the_manifest_object text, the_manifest_sha256 bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM audit.expect_whole(which, first, last, number);
    UPDATE audit.archive SET state = 'sealed', first_index = first, last_index = last, count = number,
        root = the_root, object = the_object, bytes = the_bytes, sha256 = the_sha256,
        manifest_object = the_manifest_object, manifest_sha256 = the_manifest_sha256
    WHERE segment = which AND state = 'closed' AND length(the_sha256) = 32 AND length(the_manifest_sha256) = 32;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'segment % cannot be sealed', which;
    END IF;
END $$
""",
    # a leaf that was seen once stays in the tree; it may itself have gone to the archive when it is needed
    """
CREATE FUNCTION audit.confirm_sealed(which text) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE audit.archive SET manifest_leaf = coalesce(manifest_leaf, audit.told_in_leaf(
        event_id, 'segment.archived', 'manifest', encode(manifest_sha256, 'hex')))
    WHERE segment = which AND state <> 'closed' RETURNING manifest_leaf
$$
""",
    """
CREATE FUNCTION audit.confirm_disposal(which text, because uuid) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE audit.disposal_segment SET leaf = coalesce(leaf, audit.told_in_leaf(
        event_id, 'disposal.executed', 'segment', which))
    WHERE segment = which AND disposal = because RETURNING leaf
$$
""",
    """
CREATE FUNCTION audit.drop_partitions(which text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parent text;
    child text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['leaf', 'erasable', 'record'] LOOP
        child := parent || '_' || replace(which, '-', '_');
        IF to_regclass(format('audit.%I', child)) IS NOT NULL THEN
            EXECUTE format('ALTER TABLE audit.%I DETACH PARTITION audit.%I', parent, child);
            EXECUTE format('DROP TABLE audit.%I', child);
        END IF;
    END LOOP;
END $$
""",
    """
CREATE FUNCTION audit.retire_segment(which text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
    kept audit.archive;
BEGIN
    SELECT * INTO kept FROM audit.archive WHERE segment = which AND state IN ('sealed', 'restored') FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'segment % is not both in the archive and in the database', which;
    END IF;
    IF kept.manifest_leaf IS NULL THEN
        RAISE EXCEPTION 'no published leaf is known to hold the manifest of %', which;
    END IF;
    IF EXISTS (SELECT FROM audit.open_call o JOIN audit.entry_index i USING (leaf_index) WHERE i.segment = which) THEN
        RAISE EXCEPTION 'segment % has a call that is still open', which;
    END IF;
    IF kept.state = 'sealed' THEN
        PERFORM audit.expect_whole(which, kept.first_index, kept.last_index, kept.count);
    END IF;
    PERFORM audit.drop_partitions(which);
    UPDATE audit.archive SET state = 'archived', retired_at = now() WHERE segment = which;
END $$
""",
    """
CREATE FUNCTION audit.reopen_segment(which text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parent text;
BEGIN
    IF NOT EXISTS (SELECT FROM audit.archive a WHERE a.segment = which AND a.state = 'archived') THEN
        RAISE EXCEPTION 'segment % is not in the archive alone', which;
    END IF;
    PERFORM audit.make_partitions(which);
    FOREACH parent IN ARRAY ARRAY['leaf', 'erasable', 'record'] LOOP
        EXECUTE format('GRANT INSERT ON audit.%I TO tongdao_audit_archivist',
            parent || '_' || replace(which, '-', '_'));
    END LOOP;
END $$
""",
    # the last statement of the transaction that has put the rows back: until then they are in the archive alone
    """
CREATE FUNCTION audit.restored_segment(which text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kept audit.archive;
    parent text;
BEGIN
    UPDATE audit.archive SET state = 'restored', restored_at = now(), restore_asked_at = NULL
    WHERE segment = which AND state = 'archived' RETURNING * INTO kept;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'segment % is not in the archive alone', which;
    END IF;
    PERFORM audit.expect_whole(which, kept.first_index, kept.last_index, kept.count);
    FOREACH parent IN ARRAY ARRAY['leaf', 'erasable', 'record'] LOOP
        EXECUTE format('REVOKE INSERT ON audit.%I FROM tongdao_audit_archivist',
            parent || '_' || replace(which, '-', '_'));
    END LOOP;
END $$
""",
    """
CREATE FUNCTION audit.expect_kept_long_enough(which text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- the day is one of UTC: its last records are of the next day by the clocks of this country
    day date := to_date(left(which, 8), 'YYYYMMDD') + 1;
    today date := (now() AT TIME ZONE 'UTC')::date;
    class text := substr(which, 10);
BEGIN
    IF EXISTS (SELECT FROM audit.mixed_segment m WHERE m.segment = which) THEN
        class := 'personal';
    END IF;
    -- general: six natural months and 184 days; personal: three years; permanent: for ever. Nobody can set these.
    IF (CASE class
            WHEN 'general' THEN today > day + interval '6 months' AND today > day + 184
            WHEN 'personal' THEN today > day + interval '36 months'
            ELSE false END) IS NOT TRUE THEN
        RAISE EXCEPTION 'segment % has to be kept', which;
    END IF;
END $$
""",
    """
CREATE FUNCTION audit.dispose_segment(which text, because uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
    decided audit.disposal;
    due audit.disposal_segment;
BEGIN
    PERFORM audit.expect_kept_long_enough(which);
    SELECT * INTO decided FROM audit.disposal WHERE id = because FOR UPDATE;
    SELECT * INTO due FROM audit.disposal_segment WHERE disposal = because AND segment = which FOR UPDATE;
    IF decided.state IS DISTINCT FROM 'approved' OR decided.proposed_by = decided.decided_by OR due.segment IS NULL
        OR decided.retention <> substr(which, 10) OR to_date(left(which, 8), 'YYYYMMDD') >= decided.before THEN
        RAISE EXCEPTION 'no disposal of % has been approved by two people', which;
    END IF;
    IF decided.approval_leaf IS NULL THEN
        RAISE EXCEPTION 'no published leaf is known to tell of the approval of %', because;
    END IF;
    IF due.leaf IS NULL THEN
        RAISE EXCEPTION 'no published leaf is known to tell of the disposal of %', which;
    END IF;
    LOCK TABLE audit.hold IN SHARE MODE;
    IF EXISTS (SELECT FROM audit.hold h WHERE h.released_at IS NULL AND NOT EXISTS (
            SELECT FROM audit.hold_judgement j WHERE j.hold = h.id AND j.segment = which AND NOT j.held)) THEN
        RAISE EXCEPTION 'segment % is held, or a hold has not been judged', which;
    END IF;
    UPDATE audit.archive SET state = 'disposed', disposed_at = now(), disposal = because, disposal_leaf = due.leaf,
        first_index = coalesce(first_index, due.first_index), last_index = coalesce(last_index, due.last_index),
        count = coalesce(count, due.count), root = coalesce(root, due.root)
    WHERE segment = which AND state <> 'disposed';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'segment % was not closed, or is gone', which;
    END IF;
    UPDATE audit.disposal_segment SET executed_at = now() WHERE disposal = because AND segment = which;
    DELETE FROM audit.sieve s WHERE s.segment = which;  -- traces of case numbers and persons
    UPDATE audit.indexed_segment s SET sieved_to = -1 WHERE s.segment = which;
    PERFORM audit.drop_partitions(which);
END $$
""",
    """
CREATE FUNCTION audit.finish_disposal(which uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE audit.disposal SET state = 'executed', executed_at = now()
    WHERE id = which AND state = 'approved' AND NOT EXISTS (
        SELECT FROM audit.disposal_segment s
        WHERE s.disposal = which AND (s.executed_at IS NULL OR s.objects_deleted_at IS NULL))
$$
""",
]

GRANTS = """
REVOKE ALL ON FUNCTION audit.open_segment(text), audit.close_segment(text), audit.told_in_leaf(uuid, text, text, text),
    audit.expect_whole(text, bigint, bigint, bigint), audit.is_published(bigint), audit.drop_partitions(text),
    audit.seal_segment(text, bigint, bigint, bigint, bytea, text, bigint, bytea, text, bytea),
    audit.confirm_sealed(text), audit.confirm_disposal(text, uuid), audit.retire_segment(text),
    audit.reopen_segment(text), audit.restored_segment(text), audit.expect_kept_long_enough(text),
    audit.dispose_segment(text, uuid), audit.finish_disposal(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.open_segment(text) TO tongdao_audit_sequencer;
GRANT EXECUTE ON FUNCTION audit.close_segment(text), audit.confirm_sealed(text), audit.confirm_disposal(text, uuid),
    audit.retire_segment(text),
    audit.seal_segment(text, bigint, bigint, bigint, bytea, text, bigint, bytea, text, bytea),
    audit.reopen_segment(text), audit.restored_segment(text), audit.dispose_segment(text, uuid),
    audit.finish_disposal(uuid), audit.is_published(bigint) TO tongdao_audit_archivist;
GRANT INSERT ON audit.hold_judgement TO tongdao_audit_archivist;
GRANT UPDATE (objects_deleted_at, trouble) ON audit.disposal_segment TO tongdao_audit_archivist;
GRANT INSERT (id, retention, before, reason, case_no, proposed_by, proposed_department, proposed_at) ON audit.disposal
    TO tongdao_audit_clerk;
GRANT INSERT (disposal, segment) ON audit.disposal_segment TO tongdao_audit_clerk;
GRANT INSERT (id, party, system, interface, grant_id, case_no, call_id, since, before, reason, for_case, placed_by,
    placed_department, placed_at) ON audit.hold TO tongdao_audit_clerk;
GRANT UPDATE (restore_asked_at) ON audit.archive TO tongdao_audit_clerk;
GRANT SELECT ON ALL TABLES IN SCHEMA audit
    TO tongdao_audit_reader, tongdao_audit_keeper, tongdao_audit_indexer, tongdao_audit_archivist, tongdao_audit_clerk
"""


def upgrade() -> None:
    """Everything at once; nothing is sealed yet."""
    run = op.get_bind().exec_driver_sql
    for statements in (TABLES, OPEN_SEGMENT):
        for statement in statements.split(";\n"):
            run(statement)
    for function in FUNCTIONS:
        run(function)
    for statement in GRANTS.split(";\n"):
        run(statement)
