"""Keys of clients that have ended or were taken away, which never count again."""

from alembic import op

revision = "0006"
down_revision = "0005"

_UP = """
CREATE TABLE identity.ended_key (
    client_id text NOT NULL REFERENCES identity.client,
    x text NOT NULL,
    ended_at timestamptz NOT NULL,
    PRIMARY KEY (client_id, x)
);
GRANT SELECT, INSERT ON identity.ended_key TO tongdao_identity
"""


def upgrade() -> None:
    for statement in _UP.split(";"):
        op.execute(statement)
