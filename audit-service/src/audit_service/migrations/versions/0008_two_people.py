"""Two people: how a disposal is decided and begun, and a hold released.

The clerk proposes and places by rows of its own, in columns that say nothing of a decision. Everything later goes
through functions, each of which only leads from one state to the next: what was decided is not rewritten.
"""

from alembic import op

revision = "0008"
down_revision = "0007"

FUNCTIONS = [
    # two people approve what they have seen: nothing is added afterwards
    """
CREATE FUNCTION audit.expect_proposed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM audit.disposal d WHERE d.id = NEW.disposal AND d.state = 'proposed' FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'disposal % has been decided, or is not there', NEW.disposal;
    END IF;
    RETURN NEW;
END $$
""",
    """
CREATE TRIGGER expect_proposed BEFORE INSERT ON audit.disposal_segment
FOR EACH ROW EXECUTE FUNCTION audit.expect_proposed()
""",
    # an approved one may still be taken back, by anybody, until something of it has begun
    """
CREATE FUNCTION audit.decide_disposal(which uuid, verdict text, who text, department text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM audit.disposal d WHERE d.id = which FOR UPDATE;
    UPDATE audit.disposal d SET state = verdict, decided_by = who, decided_department = department, decided_at = now()
    WHERE d.id = which AND (
        verdict = 'approved' AND d.state = 'proposed' AND d.proposed_by <> who
        OR verdict = 'rejected' AND d.state IN ('proposed', 'approved') AND NOT EXISTS (
            SELECT FROM audit.disposal_segment s WHERE s.disposal = which AND s.count IS NOT NULL));
    RETURN FOUND;
END $$
""",
    # without the leaf a row that says `approved` is worth nothing
    """
CREATE FUNCTION audit.confirm_approval(which uuid) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE audit.disposal SET approval_leaf = audit.told_in_leaf(
        approval_event, 'disposal.approved', 'disposal', which::text)
    WHERE id = which AND state = 'approved' AND approval_leaf IS NULL;
    SELECT approval_leaf FROM audit.disposal WHERE id = which AND state = 'approved'
$$
""",
    # the lock makes whoever would reject it wait, and then see that it is too late
    """
CREATE FUNCTION audit.begin_disposal(
    which text, because uuid, first bigint, last bigint, number bigint, the_root bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM audit.disposal d WHERE d.id = because AND d.state = 'approved' AND d.approval_leaf IS NOT NULL
    FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'disposal % is not approved, or no published leaf says so', because;
    END IF;
    UPDATE audit.disposal_segment s SET first_index = first, last_index = last, count = number, root = the_root
    WHERE s.disposal = because AND s.segment = which AND s.leaf IS NULL;
END $$
""",
    """
CREATE FUNCTION audit.release_hold(which uuid, who text, department text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE audit.hold h SET released_by = who, released_department = department, released_at = now()
    WHERE h.id = which AND h.released_at IS NULL AND h.placed_by <> who;
    RETURN FOUND;
END $$
""",
]

GRANTS = """
REVOKE ALL ON FUNCTION audit.expect_proposed(), audit.decide_disposal(uuid, text, text, text),
    audit.confirm_approval(uuid), audit.begin_disposal(text, uuid, bigint, bigint, bigint, bytea),
    audit.release_hold(uuid, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.decide_disposal(uuid, text, text, text), audit.release_hold(uuid, text, text)
    TO tongdao_audit_clerk;
GRANT EXECUTE ON FUNCTION audit.confirm_approval(uuid),
    audit.begin_disposal(text, uuid, bigint, bigint, bigint, bytea) TO tongdao_audit_archivist
"""


def upgrade() -> None:
    """Functions and a trigger; no row changes."""
    run = op.get_bind().exec_driver_sql
    for function in FUNCTIONS:
        run(function)
    for statement in GRANTS.split(";\n"):
        run(statement)
