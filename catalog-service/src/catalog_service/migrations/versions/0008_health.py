"""What exchanges tell about interfaces: lately by each of them, by day, and where answers break what is registered."""

from alembic import op

revision = "0008"
down_revision = "0007"

TABLES = """
CREATE TABLE catalog.health_report (
    exchange text PRIMARY KEY,
    until bigint NOT NULL
);
CREATE TABLE catalog.interface_health (
    id text NOT NULL,
    version text NOT NULL,
    exchange text NOT NULL,
    heard_ms bigint NOT NULL,
    entry bytea NOT NULL,
    PRIMARY KEY (id, version, exchange),
    FOREIGN KEY (id, version) REFERENCES catalog.interface
);
CREATE TABLE catalog.interface_day (
    id text NOT NULL,
    version text NOT NULL,
    day date NOT NULL,
    calls bigint NOT NULL,
    failures bigint NOT NULL,
    PRIMARY KEY (id, version, day),
    FOREIGN KEY (id, version) REFERENCES catalog.interface
);
CREATE TABLE catalog.interface_drift (
    id text NOT NULL,
    version text NOT NULL,
    contract text NOT NULL,
    kind text NOT NULL,
    path text NOT NULL,
    told_at timestamptz NOT NULL,
    PRIMARY KEY (id, version, contract, kind, path),
    FOREIGN KEY (id, version) REFERENCES catalog.interface
);
GRANT SELECT, INSERT, UPDATE ON catalog.health_report, catalog.interface_day TO tongdao_catalog;
GRANT SELECT, INSERT, UPDATE, DELETE ON catalog.interface_health TO tongdao_catalog;
GRANT SELECT, INSERT ON catalog.interface_drift TO tongdao_catalog;
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
