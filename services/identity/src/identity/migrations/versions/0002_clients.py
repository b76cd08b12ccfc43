"""More ways to prove who one is, more grants, and clients that are suspended or gone."""

from alembic import op

revision = "0002"
down_revision = "0001"

_UP = """
ALTER TABLE identity.client
    ADD COLUMN grants text NOT NULL DEFAULT 'client_credentials',
    ADD COLUMN redirect_uris jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN certificate_name text NOT NULL DEFAULT '',
    ADD COLUMN dpop_bound boolean NOT NULL DEFAULT false,
    ADD COLUMN may_act jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN standing text NOT NULL DEFAULT 'active' CHECK (standing IN ('active', 'suspended', 'revoked')),
    ADD COLUMN standing_since timestamptz,
    ADD COLUMN standing_by text NOT NULL DEFAULT '',
    DROP CONSTRAINT client_method_check,
    ADD CHECK (method IN ('private_key_jwt', 'tls_client_auth', 'client_secret_basic')),
    ADD CHECK ((method = 'tls_client_auth') = (certificate_name <> ''));
"""


def upgrade() -> None:
    for statement in _UP.split(";"):
        if statement.strip():
            op.execute(statement)
