"""Scopes of access tokens (RFC 6749 section 3.3): what a token may be used for."""

CALL = "call"
"""Call granted interfaces through the gateway."""
AUDIT_READ = "audit:read"
"""See every record; without it a department sees the calls in which it took part."""
CATALOG_WRITE = "catalog:write"
"""Register departments, systems, resources and interfaces."""
GRANT_WRITE = "grant:write"
"""Give, suspend and take back grants."""
CLIENT_WRITE = "client:write"
"""Register the keys of information systems."""

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
ALL = (CALL, AUDIT_READ, CATALOG_WRITE, GRANT_WRITE, CLIENT_WRITE, *OFFICES)
