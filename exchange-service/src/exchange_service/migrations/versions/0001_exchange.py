"""What the exchange keeps: sealed credentials, answers to repeated questions, wrong guesses.

Everything here may be lost without harm to the log; what is personal is sealed (AES-GCM or SM4-GCM).
"""

from alembic import op

revision = "0001"
down_revision = None

TABLES = """
CREATE TABLE exchange.credential (
    department text NOT NULL,
    name text NOT NULL,
    version bigint NOT NULL,
    kind text NOT NULL,
    sealed bytea NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL,
    PRIMARY KEY (department, name)
);
CREATE TABLE exchange.answer (
    key bytea PRIMARY KEY,
    question bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'ended', 'unknown')),
    call text NOT NULL,
    held_until timestamptz NOT NULL,
    expires timestamptz NOT NULL,
    reply bytea,
    content bytea
);
CREATE INDEX ON exchange.answer (expires);
CREATE TABLE exchange.guess (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    grant_id text NOT NULL,
    question bytea NOT NULL,
    wrong boolean,
    at timestamptz NOT NULL
);
CREATE INDEX ON exchange.guess (grant_id, at) INCLUDE (wrong);
CREATE INDEX ON exchange.guess (question, at);
CREATE INDEX ON exchange.guess (at);
GRANT SELECT, INSERT, UPDATE, DELETE ON exchange.credential, exchange.answer, exchange.guess TO tongdao_exchange;
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
