"""People: roles that exclude each other, one-time links, sessions, authorization codes, refresh tokens."""

from alembic import op

revision = "0005"
down_revision = "0004"

_UP = """
CREATE TABLE identity.person (
    id uuid PRIMARY KEY,
    login text NOT NULL UNIQUE,
    name text NOT NULL,
    department text NOT NULL,
    standing text NOT NULL CHECK (standing IN ('invited', 'active', 'suspended')),
    created_at timestamptz NOT NULL,
    password text,
    totp bytea,
    totp_step bigint NOT NULL DEFAULT 0,
    must_change boolean NOT NULL DEFAULT false,
    outside_issuer text,
    outside_subject text,
    UNIQUE (outside_issuer, outside_subject),
    CHECK ((password IS NULL) = (totp IS NULL)),
    CHECK ((outside_issuer IS NULL) = (outside_subject IS NULL)),
    CHECK (standing <> 'active' OR password IS NOT NULL OR outside_issuer IS NOT NULL)
);
CREATE TABLE identity.person_role (
    person uuid NOT NULL REFERENCES identity.person,
    role text NOT NULL,
    PRIMARY KEY (person, role)
);
-- system, security and audit administration exclude each other (GB/T 22239-2019 8.1.10.2)
CREATE UNIQUE INDEX person_role_one_administration ON identity.person_role (person)
    WHERE role IN ('security-administrator', 'system-administrator', 'audit-administrator');
CREATE TABLE identity.recovery_code (
    person uuid NOT NULL REFERENCES identity.person,
    digest bytea NOT NULL,
    PRIMARY KEY (person, digest)
);
CREATE TABLE identity.invitation (
    digest bytea PRIMARY KEY,
    person uuid NOT NULL UNIQUE REFERENCES identity.person,
    until timestamptz NOT NULL
);
CREATE TABLE identity.session (
    digest bytea PRIMARY KEY,
    number uuid NOT NULL UNIQUE,
    person uuid NOT NULL REFERENCES identity.person,
    stage text NOT NULL CHECK (stage IN ('second', 'change', 'full')),
    means text NOT NULL CHECK (means IN ('password', 'external')),
    created_at timestamptz NOT NULL,
    signed_in_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    address text NOT NULL,
    agent text NOT NULL
);
CREATE INDEX session_person ON identity.session (person);
CREATE TABLE identity.authorization_code (
    digest bytea PRIMARY KEY,
    family uuid NOT NULL,
    session uuid NOT NULL REFERENCES identity.session (number) ON DELETE CASCADE,
    client text NOT NULL,
    redirect_uri text NOT NULL,
    challenge text NOT NULL,
    scope text NOT NULL,
    nonce text NOT NULL,
    until timestamptz NOT NULL,
    used boolean NOT NULL
);
CREATE INDEX authorization_code_session ON identity.authorization_code (session);
CREATE TABLE identity.refresh_token (
    digest bytea PRIMARY KEY,
    family uuid NOT NULL,
    session uuid NOT NULL REFERENCES identity.session (number) ON DELETE CASCADE,
    client text NOT NULL,
    scope text NOT NULL,
    used boolean NOT NULL,
    token_id text NOT NULL,
    token_until timestamptz NOT NULL
);
CREATE INDEX refresh_token_session ON identity.refresh_token (session);
CREATE INDEX refresh_token_family ON identity.refresh_token (family);
CREATE TABLE identity.attempt (
    key bytea PRIMARY KEY,
    times integer NOT NULL,
    since timestamptz NOT NULL
);
CREATE TABLE identity.outside_visit (
    digest bytea PRIMARY KEY,
    nonce text NOT NULL,
    verifier text NOT NULL,
    onward text NOT NULL,
    invitation text NOT NULL,
    until timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON identity.person TO tongdao_identity;
GRANT SELECT, INSERT, DELETE ON identity.person_role, identity.recovery_code TO tongdao_identity;
GRANT SELECT, INSERT, UPDATE, DELETE ON identity.invitation, identity.session, identity.authorization_code,
    identity.refresh_token, identity.attempt, identity.outside_visit TO tongdao_identity
"""


def upgrade() -> None:
    for statement in _UP.split(";"):
        op.execute(statement)
