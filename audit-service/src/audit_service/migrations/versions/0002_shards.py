"""Shards: a log may be frozen and go on under a new origin, with keys and a hash suite of its own.

`leaf_index` counts through all shards; a shard's own indexes begin at 0, that is at `first`. Tiles, checkpoints and the
head belong to one shard. And three more roles, none of which may change or remove a leaf: the indexer makes rows to
search by, the archivist moves sealed days out, the clerk keeps what people ask for.
"""

from alembic import op

revision = "0002"
down_revision = "0001"

TABLES = """
CREATE TABLE audit.shard (
    id smallint PRIMARY KEY CHECK (id > 0),
    origin text NOT NULL UNIQUE,
    suite text NOT NULL CHECK (suite IN ('SHA-256', 'SM3')),
    first bigint NOT NULL CHECK (first >= 0),
    size bigint CHECK (size >= 0),
    opened_at timestamptz NOT NULL,
    frozen_at timestamptz,
    CHECK ((size IS NULL) = (frozen_at IS NULL))
);
INSERT INTO audit.shard (id, origin, suite, first, opened_at) VALUES (1, '', 'SHA-256', 0, now());

CREATE TABLE audit.log_key (
    shard smallint NOT NULL REFERENCES audit.shard (id),
    vkey text NOT NULL,
    added_at timestamptz NOT NULL,
    removed_at timestamptz,
    PRIMARY KEY (shard, vkey)
);

ALTER TABLE audit.tile ADD COLUMN shard smallint NOT NULL DEFAULT 1 REFERENCES audit.shard (id);
ALTER TABLE audit.tile DROP CONSTRAINT tile_pkey;
ALTER TABLE audit.tile ADD PRIMARY KEY (shard, level, n);
ALTER TABLE audit.checkpoint ADD COLUMN shard smallint NOT NULL DEFAULT 1 REFERENCES audit.shard (id);
ALTER TABLE audit.checkpoint DROP CONSTRAINT checkpoint_pkey;
ALTER TABLE audit.checkpoint ADD PRIMARY KEY (shard, size);
ALTER TABLE audit.log_head ADD COLUMN shard smallint NOT NULL DEFAULT 1 REFERENCES audit.shard (id)
"""

ROLES = ("indexer", "archivist", "clerk")
MAKE_ROLE = """
DO $$ BEGIN
    CREATE ROLE tongdao_audit_{role} NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- roles belong to the whole cluster: another database, or another migrator, was first
END $$
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE (origin, suite, size, frozen_at) ON audit.shard TO tongdao_audit_sequencer;
GRANT SELECT, INSERT, UPDATE (removed_at) ON audit.log_key TO tongdao_audit_sequencer;
GRANT INSERT ON audit.acknowledgement TO tongdao_audit_sequencer;
GRANT SELECT ON ALL TABLES IN SCHEMA audit
    TO tongdao_audit_reader, tongdao_audit_keeper, tongdao_audit_indexer, tongdao_audit_archivist, tongdao_audit_clerk
"""


def upgrade() -> None:
    """The log that is there becomes the first shard; the sequencer fills in its origin when it next takes office."""
    run = op.get_bind().exec_driver_sql
    for statement in TABLES.split(";\n"):
        run(statement)
    for role in ROLES:
        run(MAKE_ROLE.format(role=role))
        run(f"GRANT USAGE ON SCHEMA audit TO tongdao_audit_{role}")
        run(f"GRANT tongdao_audit_{role} TO tongdao_audit")
    for statement in GRANTS.split(";\n"):
        run(statement)
