"""Feeds: what departments are sent of their own usage, and alerts from the log.

All of it is the clerk's. What was sent is forgotten, and `record` remains; what could not be sent stays as a dead
letter; `traffic` is a short memory of who calls how much, for comparison with earlier days.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

TABLES = """
CREATE TABLE audit.subscription (
    id uuid PRIMARY KEY,
    department text NOT NULL CHECK (department <> ''),
    url text NOT NULL,
    networks text[] NOT NULL,
    side text NOT NULL CHECK (side IN ('consumer', 'provider', 'both')),
    interface text NOT NULL,
    digest boolean NOT NULL,
    generation integer NOT NULL,
    active boolean NOT NULL,
    position bigint NOT NULL,
    digest_day date NOT NULL,
    leased_until timestamptz,
    served_at timestamptz,
    made_by text NOT NULL,
    made_at timestamptz NOT NULL
);
CREATE INDEX subscription_department ON audit.subscription (department, id);

CREATE TABLE audit.delivery (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscription uuid NOT NULL REFERENCES audit.subscription (id) ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('usage', 'digest', 'alert')),
    key text NOT NULL,
    side text NOT NULL,
    interface text NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    count integer NOT NULL,
    body bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'dead')),
    attempts integer NOT NULL,
    next_at timestamptz NOT NULL,
    error text NOT NULL,
    made_at timestamptz NOT NULL,
    UNIQUE (subscription, kind, key)
);
CREATE INDEX delivery_waiting ON audit.delivery (subscription, n) WHERE state = 'waiting';

CREATE TABLE audit.traffic (
    slot timestamptz NOT NULL,
    key uuid NOT NULL,
    system text NOT NULL,
    interface text NOT NULL,
    department text NOT NULL,
    provider text NOT NULL,
    personal boolean NOT NULL,
    calls bigint NOT NULL,
    misses bigint NOT NULL,
    first_index bigint NOT NULL,
    PRIMARY KEY (slot, key)
) WITH (fillfactor = 70);
CREATE INDEX traffic_system ON audit.traffic (system, slot);
CREATE INDEX traffic_interface ON audit.traffic (system, interface, slot);

CREATE TABLE audit.judged (
    single smallint PRIMARY KEY DEFAULT 1 CHECK (single = 1),
    size bigint NOT NULL
);
INSERT INTO audit.judged (size) VALUES (0);

CREATE TABLE audit.alert (
    id uuid PRIMARY KEY,
    rule text NOT NULL,
    kind text NOT NULL,
    system text NOT NULL,
    interface text NOT NULL,
    subject text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    raised_at timestamptz NOT NULL,
    prolonged_at timestamptz NOT NULL,
    figures text NOT NULL,
    calls uuid[] NOT NULL CHECK (cardinality(calls) <= 100),
    departments text[] NOT NULL,
    providers text[] NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'closed')),
    finding text NOT NULL CHECK (finding IN ('', 'misuse', 'explained', 'false_alarm')),
    note text NOT NULL,
    closed_by text NOT NULL,
    closed_at timestamptz,
    CHECK ((state = 'closed') = (closed_at IS NOT NULL) AND (state = 'closed') = (finding <> ''))
);
CREATE INDEX alert_key ON audit.alert (rule, system, subject, until);
CREATE INDEX alert_parties ON audit.alert USING gin (departments, providers)
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON audit.subscription, audit.delivery, audit.traffic TO tongdao_audit_clerk;
GRANT SELECT, UPDATE ON audit.judged TO tongdao_audit_clerk;
GRANT SELECT, INSERT, UPDATE ON audit.alert TO tongdao_audit_clerk;
GRANT SELECT ON audit.subscription, audit.delivery, audit.traffic, audit.judged, audit.alert
    TO tongdao_audit_reader, tongdao_audit_keeper
"""


def upgrade() -> None:
    """Everything at once; the judge begins with the first record."""
    run = op.get_bind().exec_driver_sql
    for statement in TABLES.split(";\n"):
        run(statement)
    for statement in GRANTS.split(";\n"):
        run(statement)
