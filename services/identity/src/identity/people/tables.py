"""The tables of people: who they are, their roles, invitations, sessions, codes, refresh tokens, failed attempts."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, LargeBinary, Table, Text, Uuid

from identity.store import SCHEMA, metadata

_TIME = DateTime(timezone=True)
person = Table(
    "person", metadata,
    Column("id", Uuid, primary_key=True),
    Column("login", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("standing", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("password", Text),
    Column("totp", LargeBinary),
    Column("totp_step", BigInteger, nullable=False),
    Column("must_change", Boolean, nullable=False),
    Column("outside_issuer", Text),
    Column("outside_subject", Text),
    schema=SCHEMA,
)  # fmt: skip
person_role = Table(
    "person_role", metadata,
    Column("person", Uuid, primary_key=True),
    Column("role", Text, primary_key=True),
    schema=SCHEMA,
)  # fmt: skip
recovery_code = Table(
    "recovery_code", metadata,
    Column("person", Uuid, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    schema=SCHEMA,
)  # fmt: skip
invitation = Table(
    "invitation", metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("person", Uuid, nullable=False),
    Column("until", _TIME, nullable=False),
    schema=SCHEMA,
)  # fmt: skip
session = Table(
    "session", metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("number", Uuid, nullable=False),
    Column("person", Uuid, nullable=False),
    Column("stage", Text, nullable=False),
    Column("means", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("signed_in_at", _TIME, nullable=False),
    Column("seen_at", _TIME, nullable=False),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),
    schema=SCHEMA,
)  # fmt: skip
authorization_code = Table(
    "authorization_code", metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("family", Uuid, nullable=False),
    Column("session", Uuid, nullable=False),
    Column("client", Text, nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("challenge", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("nonce", Text, nullable=False),
    Column("until", _TIME, nullable=False),
    Column("used", Boolean, nullable=False),
    schema=SCHEMA,
)  # fmt: skip
refresh_token = Table(
    "refresh_token", metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("family", Uuid, nullable=False),
    Column("session", Uuid, nullable=False),
    Column("client", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("used", Boolean, nullable=False),
    Column("token_id", Text, nullable=False),
    Column("token_until", _TIME, nullable=False),
    schema=SCHEMA,
)  # fmt: skip
attempt = Table(
    "attempt", metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("times", Integer, nullable=False),
    Column("since", _TIME, nullable=False),
    schema=SCHEMA,
)  # fmt: skip
outside_visit = Table(
    "outside_visit", metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("nonce", Text, nullable=False),
    Column("verifier", Text, nullable=False),
    Column("onward", Text, nullable=False),
    Column("invitation", Text, nullable=False),
    Column("until", _TIME, nullable=False),
    schema=SCHEMA,
)  # fmt: skip
