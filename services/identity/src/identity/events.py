"""What identity puts into the log: tokens issued, clients refused, clients registered. No secrets."""

from datetime import datetime
from hashlib import sha256

import msgspec

from wire.audit import new_event

OURSELVES = "identity"


def token_issued(*, client: str, department: str, scope: str, token_id: str, method: str, at: datetime) -> bytes:
    """A token is about to be answered. `jti_sha256` finds it again without telling the token's id."""
    facts = {"jti_sha256": sha256(token_id.encode()).hexdigest(), "method": method, "scope": scope}
    return _event("token.issued", client, department, facts, at)


def client_refused(*, client: str, department: str, reason: str, count: int, at: datetime) -> bytes:
    """Somebody claimed to be this client and could not prove it, `count` times since the last such event."""
    return _event("client.refused", client, department, {"count": str(count), "reason": reason}, at)


def client_registered(
    *, actor: str, department: str, client: str, of: str, scope: str, method: str, keys: list[str], at: datetime
) -> bytes:
    """A client's keys or rights were set. `of` is the client's department, `keys` are thumbprints (RFC 7638)."""
    facts = {"client": client, "department": of, "keys": " ".join(keys), "method": method, "scope": scope}
    return _event("client.registered", actor, department, facts, at)


def _event(name: str, actor: str, department: str, facts: dict[str, str], at: datetime) -> bytes:
    return msgspec.json.encode(new_event(name, at, actor, department, facts))
