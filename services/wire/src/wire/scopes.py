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

ALL = (CALL, AUDIT_READ, CATALOG_WRITE, GRANT_WRITE, CLIENT_WRITE)
