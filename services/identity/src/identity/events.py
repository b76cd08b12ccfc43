"""What identity puts into the log: tokens issued, clients refused, clients registered. No secrets."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256

import msgspec

from identity.tokens import Holder
from wire.audit import new_event

OURSELVES = "identity"


def token_issued(
    *, holder: Holder, scope: str, token_id: str, method: str, bound: Mapping[str, str], at: datetime,
    exchanged: str = "",
) -> bytes:  # fmt: skip
    """A token is about to be answered. `jti_sha256` finds it again without telling the token's id.

    bound      what it is tied to, as in `cnf`; the event says by which member
    exchanged  id of the token that was given for it (RFC 8693), "" where none was
    """
    facts = {"jti_sha256": _hidden(token_id), "method": method, "scope": scope}
    if bound:
        facts["bound"] = " ".join(bound)
    if holder.subject != holder.client:
        facts["subject"] = holder.subject
    if not exchanged:
        return _event("token.issued", holder.client, holder.department, facts, at)
    return _event("token.exchanged", holder.client, holder.department, {**facts, "for": _hidden(exchanged)}, at)


def token_revoked(*, client: str, department: str, token_id: str, at: datetime) -> bytes:
    """The client gave a token back before its end (RFC 7009)."""
    return _event("token.revoked", client, department, {"jti_sha256": _hidden(token_id)}, at)


def client_refused(*, client: str, department: str, reason: str, count: int, at: datetime) -> bytes:
    """Somebody claimed to be this client and could not prove it, `count` times since the last such event."""
    return _event("client.refused", client, department, {"count": str(count), "reason": reason}, at)


def client_registered(
    *, actor: str, department: str, client: str, of: str, scope: str, method: str, keys: list[str], at: datetime,
    through: str = "",
) -> bytes:  # fmt: skip
    """A client's keys or rights were set. `of` is the client's department, `keys` are thumbprints (RFC 7638).

    `through`, here and below, is the client that did it for the actor, "" where the actor did it itself.
    """
    facts = {"client": client, "department": of, "keys": " ".join(keys), "method": method, "scope": scope}
    return _event("client.registered", actor, department, facts, at, through)


def client_key_changed(
    verb: str, *, actor: str, department: str, client: str, of: str, kid: str, thumbprint: str, until: int,
    at: datetime, through: str = "",
) -> bytes:  # fmt: skip
    """A key of a client was `added` or `removed`; `until` is when it ends (Unix s), 0 for one without an end."""
    facts = {"client": client, "department": of, "key": thumbprint, "kid": kid, "until": str(until)}
    return _event(f"client.key_{verb}", actor, department, facts, at, through)


def client_key_expiring(*, client: str, of: str, kid: str, until: int, days: int, at: datetime) -> bytes:
    """The client's department is warned that the key ends in `days` days or less."""
    facts = {"client": client, "days": str(days), "kid": kid, "until": str(until)}
    return _event("client.key_expiring", OURSELVES, of, facts, at)


def client_standing(
    *, actor: str, department: str, client: str, of: str, standing: str, reason: str, at: datetime, through: str = ""
) -> bytes:
    """A client is `active`, `suspended` or `revoked` from now on."""
    facts = {"client": client, "department": of, "reason": reason, "standing": standing}
    return _event("client.standing_changed", actor, department, facts, at, through)


def signing_key_rotated(
    *, actor: str, department: str, kid: str, signs_from: datetime, dropped: Sequence[str], reason: str, at: datetime,
    through: str = "",
) -> bytes:  # fmt: skip
    """A new key of ours signs from `signs_from` on; `dropped` are those that count no longer at all."""
    facts = {"dropped": " ".join(dropped), "kid": kid, "reason": reason, "signs_from": signs_from.isoformat()}
    return _event("signing_key.rotated", actor, department, facts, at, through)


def _hidden(token_id: str) -> str:
    return sha256(token_id.encode()).hexdigest()


def _event(name: str, actor: str, department: str, facts: dict[str, str], at: datetime, through: str = "") -> bytes:
    told = {**facts, "through": through} if through else facts
    return msgspec.json.encode(new_event(name, at, actor, department, told))
