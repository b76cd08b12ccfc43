"""Keys that sign tokens, sealed; an end for every client's key, and what was warned of already."""

from alembic import op

revision = "0003"
down_revision = "0002"

_UP = """
CREATE TABLE identity.signing_key (
    kid text PRIMARY KEY,
    sealed bytea NOT NULL,
    made_at timestamptz NOT NULL,
    signs_from timestamptz NOT NULL,
    ends_at timestamptz CHECK (ends_at >= signs_from)
);
CREATE UNIQUE INDEX signing_key_newest ON identity.signing_key ((true)) WHERE ends_at IS NULL;
CREATE TABLE identity.key_warning (
    client_id text NOT NULL REFERENCES identity.client,
    kid text NOT NULL,
    until bigint NOT NULL,
    days int NOT NULL,
    warned_at timestamptz NOT NULL,
    told boolean NOT NULL DEFAULT false,
    PRIMARY KEY (client_id, kid, until, days)
);
CREATE INDEX key_warning_waiting ON identity.key_warning (warned_at) WHERE NOT told;
GRANT SELECT, INSERT, UPDATE, DELETE ON identity.signing_key TO tongdao_identity;
GRANT SELECT, INSERT, UPDATE (told), DELETE ON identity.key_warning TO tongdao_identity;
UPDATE identity.client SET keys = (
    SELECT jsonb_agg(key || jsonb_build_object('until', extract(epoch FROM now())::bigint + 730 * 86400) ORDER BY n)
    FROM jsonb_array_elements(keys) WITH ORDINALITY AS one (key, n)
) WHERE jsonb_array_length(keys) > 0
"""


def upgrade() -> None:
    for statement in _UP.split(";"):
        op.execute(statement)
