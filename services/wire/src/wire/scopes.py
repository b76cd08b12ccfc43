"""Scopes of access tokens (RFC 6749 section 3.3): what a token may be used for."""

CALL = "call"
"""Call granted interfaces through the gateway."""
AUDIT_READ = "audit:read"
"""See every record; without it a department sees the calls in which it took part."""
AUDIT_KEEP = "audit:keep"
"""Keep the log: archive, hold, propose or approve a disposal, close an alert. Tells nothing of its records."""
AUDIT_SUBJECT = "audit:subject"
"""Find the records about one person, by an identity number that is not kept."""
CATALOG_WRITE = "catalog:write"
"""Register departments, systems, resources and interfaces."""
GRANT_WRITE = "grant:write"
"""Give, suspend and take back grants."""
CLIENT_WRITE = "client:write"
"""Register the keys of information systems."""
PEOPLE_WRITE = "people:write"
"""Invite people, give and take their roles, end their sessions."""
KEY_ROTATE = "key:rotate"
"""Rotate the keys that sign tokens."""
TOKEN_EXCHANGE = "token:exchange"  # noqa: S105  # a scope
"""Act on behalf of another department's system that agreed to it (RFC 8693)."""
TOKEN_INTROSPECT = "token:introspect"  # noqa: S105  # a scope
"""Ask what a token says and whether it still counts (RFC 7662)."""

OFFICER = "office:officer"
"""Act as a department's data officer (数据专员)."""
HEAD = "office:head"
"""Act as the head of a department or its chief data officer (部门负责人, 首席数据官)."""
AUTHORITY = "office:authority"
"""Act for the data authority of this level (主管部门)."""
UPPER_AUTHORITY = "office:upper-authority"
"""Act for the data authority of the level above."""
GOVERNMENT = "office:government"
"""Act for the people's government of this level."""
SUBJECT = "office:subject"
"""Act for a person or company that data are about (当事人), whose identity somebody verified."""

OFFICES = (OFFICER, HEAD, AUTHORITY, UPPER_AUTHORITY, GOVERNMENT, SUBJECT)
"""As what a token may act in the law's procedures."""
ALL = (
    CALL, AUDIT_READ, AUDIT_KEEP, AUDIT_SUBJECT, CATALOG_WRITE, GRANT_WRITE, CLIENT_WRITE, PEOPLE_WRITE, KEY_ROTATE,
    TOKEN_EXCHANGE, TOKEN_INTROSPECT, *OFFICES,
)  # fmt: skip
