"""Clients, used assertions, outbox. The service role owns nothing and gets exactly these rights."""

from alembic import op

revision = "0001"
down_revision = None

_UP = """
CREATE TABLE identity.client (
    client_id text PRIMARY KEY,
    department text NOT NULL,
    scope text NOT NULL,
    method text NOT NULL CHECK (method IN ('private_key_jwt', 'client_secret_basic')),
    keys jsonb NOT NULL,
    secret_sha256 bytea CHECK (octet_length(secret_sha256) = 32),
    registered_at timestamptz NOT NULL,
    CHECK ((method = 'client_secret_basic') = (secret_sha256 IS NOT NULL)),
    CHECK ((method = 'private_key_jwt') = (jsonb_array_length(keys) > 0))
);
CREATE TABLE identity.used_assertion (
    digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    expires_at timestamptz NOT NULL
);
CREATE INDEX used_assertion_expires_at ON identity.used_assertion (expires_at);
CREATE TABLE identity.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event bytea NOT NULL,
    written_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON identity.client TO tongdao_identity;
GRANT SELECT, INSERT, DELETE ON identity.used_assertion TO tongdao_identity;
GRANT SELECT, INSERT, DELETE ON identity.outbox TO tongdao_identity;
-- FOR UPDATE asks for the right to update, though nothing is ever updated
GRANT UPDATE (written_at) ON identity.outbox TO tongdao_identity
"""


def upgrade() -> None:
    for statement in _UP.split(";"):
        op.execute(statement)
