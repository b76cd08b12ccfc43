"""Search: what every live entry is found by. No extension is needed; who reads it: directory/index.py, search.py."""

from alembic import op

revision = "0004"
down_revision = "0003"

# Words are stored out of line (a row above toast_tuple_target is cut until it is below), all else in line, so that
# counting what a question matched reads 170 bytes a row and not two thousand. A list of pending index entries
# (fastupdate) would slow questions.
STATEMENTS = """
CREATE TABLE catalog.resource_search (
    code text PRIMARY KEY REFERENCES catalog.resource,
    department text NOT NULL,
    provider_name text NOT NULL,
    topic text NOT NULL,
    published text NOT NULL,
    shelf smallint NOT NULL,
    length smallint NOT NULL,
    edition smallint NOT NULL,
    title text[] NOT NULL,
    everything text[] NOT NULL,
    telling text[] NOT NULL
) WITH (toast_tuple_target = 128);
ALTER TABLE catalog.resource_search
    ALTER code SET STORAGE PLAIN, ALTER department SET STORAGE PLAIN, ALTER provider_name SET STORAGE PLAIN,
    ALTER topic SET STORAGE PLAIN, ALTER published SET STORAGE PLAIN;
CREATE INDEX ON catalog.resource_search USING gin (title) WITH (fastupdate = off);
CREATE INDEX ON catalog.resource_search USING gin (everything) WITH (fastupdate = off);
CREATE INDEX ON catalog.resource_search USING gin (telling) WITH (fastupdate = off);
CREATE INDEX ON catalog.resource_search (department);
GRANT SELECT, INSERT, UPDATE, DELETE ON catalog.resource_search TO tongdao_catalog;
"""


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)
