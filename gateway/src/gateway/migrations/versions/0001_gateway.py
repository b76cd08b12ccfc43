"""What gateways share: who runs, how much of a quota and of a rate each has taken, which proofs were used."""

from alembic import op

revision = "0001"
down_revision = None

_UP = """
CREATE TABLE gateway.replica (
    name text PRIMARY KEY,
    seen_at timestamptz NOT NULL,
    portion double precision NOT NULL CHECK (portion BETWEEN 0 AND 1),
    by_itself boolean NOT NULL
);
CREATE TABLE gateway.quota (
    grant_id text NOT NULL,
    period text NOT NULL,
    taken bigint NOT NULL CHECK (taken >= 0),
    until timestamptz NOT NULL,
    PRIMARY KEY (grant_id, period)
);
CREATE INDEX quota_until ON gateway.quota (until);
CREATE TABLE gateway.share (
    grant_id text NOT NULL,
    replica text NOT NULL,
    per_s double precision NOT NULL CHECK (per_s >= 0),
    wanted double precision NOT NULL CHECK (wanted >= 0),
    until timestamptz NOT NULL,
    PRIMARY KEY (grant_id, replica)
);
CREATE INDEX share_until ON gateway.share (until);
CREATE TABLE gateway.pool (
    grant_id text PRIMARY KEY,
    level double precision NOT NULL CHECK (level >= 0),
    per_s double precision NOT NULL CHECK (per_s >= 0),
    at timestamptz NOT NULL
);
CREATE INDEX pool_at ON gateway.pool (at);
CREATE TABLE gateway.used_proof (
    digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    until timestamptz NOT NULL
);
CREATE INDEX used_proof_until ON gateway.used_proof (until);
GRANT SELECT, INSERT, UPDATE, DELETE ON gateway.replica, gateway.quota, gateway.share, gateway.pool TO tongdao_gateway;
GRANT SELECT, INSERT, DELETE ON gateway.used_proof TO tongdao_gateway
"""


def upgrade() -> None:
    for statement in _UP.split(";"):
        op.execute(statement)
