"""Credentials of providers over HTTP: put, listed, deleted, and never given back.

Public under /api/exchange/credentials. A department's data officer does this for its own, the operator for all.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response

from exchange_service.credentials.check import mistakes_in, wanted_members
from exchange_service.credentials.keychain import Keychain
from exchange_service.credentials.model import Credential
from exchange_service.credentials.store import Kept, Store, new_version
from exchange_service.registry import Departments
from relay.egress import Egress
from runtime.access import Rule, ruled
from runtime.clock import Clock
from runtime.documents import JSON_TEXT, body_of, schema_of
from runtime.errors import INVALID_REQUEST, Refusal
from wire import codes, scopes
from wire.audit import new_event
from wire.catalog import Interface
from wire.lease import EventWriter
from wire.tokens import AccessToken, Door

PLATFORM = "platform"
"""The operator's department: it may do this for every other."""
LARGEST = 128 * 1024
Interfaces = Callable[[], Iterable[Interface]]
Id = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Department = Annotated[str, Query(pattern=r"^([a-z0-9][a-z0-9._-]{0,63})?$")]
_decode = msgspec.json.Decoder(Credential).decode
_TELLABLE = ("Expected", "Object missing")
"""Beginnings of what msgspec says without repeating what it read."""


def require_charge(token: AccessToken, department: str, departments: Departments) -> None:
    """Raise Refusal unless the token may look after what this department has: "" stands for all departments."""
    departments.check_active(token.department)
    if token.department == PLATFORM and scopes.CATALOG_WRITE in token.scopes:
        return
    if scopes.OFFICER not in token.scopes:
        raise Refusal(codes.SCOPE_MISSING, f"scope {scopes.OFFICER}", scope=scopes.OFFICER)
    if token.department != department:
        raise Refusal(codes.NOT_RESPONSIBLE, "this belongs to another department", responsible=department)


def keepers(door: Door) -> Callable[[AccessToken], Awaitable[AccessToken]]:
    """A dependency: a token that may look after something; `require_charge` says what."""

    async def keeper(token: Annotated[AccessToken, Depends(door.needing())]) -> AccessToken:
        if not token.scopes & {scopes.OFFICER, scopes.CATALOG_WRITE}:
            raise Refusal(codes.SCOPE_MISSING, f"scope {scopes.OFFICER}", scope=scopes.OFFICER)
        return token

    return ruled(keeper, Rule("token", frozenset({scopes.OFFICER, scopes.CATALOG_WRITE})))


class Drawer:
    """What the routes do."""

    def __init__(
        self, store: Store, keychain: Keychain, events: EventWriter, egress: Egress, clock: Clock, served: Interfaces
    ) -> None:
        """served  the interfaces that are open"""
        self._served = served
        self._store = store
        self._keychain = keychain
        self._events = events
        self._egress = egress
        self._clock = clock

    async def put(self, token: AccessToken, department: str, name: str, body: bytes) -> Kept:
        """Keep a new version, which every exchange uses from now on; raises Refusal."""
        credential = self._read(body)
        at = self._clock.now()
        kept = new_version(department, name, credential, at, token.client)
        facts = {"owner": department, "credential": name, "kind": kept.kind, "version": str(kept.version)}
        await self._record("credential.put", at, token, facts)
        if not await self._store.put(kept, credential):
            raise Refusal(codes.CONFLICT, "it was changed at the same moment")
        await self._keychain.refresh()
        return kept

    async def delete(self, token: AccessToken, department: str, name: str) -> None:
        """Take it away from every exchange; raises Refusal, also while an interface in use names it."""
        await self.one(department, name)
        using = sorted(one.key for one in self._served() if _uses(one, department, name))
        if using:
            raise Refusal(codes.CONFLICT, f"{', '.join(using)[:500]} would have no credential", interfaces=using)
        facts = {"owner": department, "credential": name}
        await self._record("credential.deleted", self._clock.now(), token, facts)
        await self._store.delete(department, name)
        await self._keychain.refresh()

    async def one(self, department: str, name: str) -> Kept:
        """What may be said of one; raises Refusal."""
        for kept in await self._store.kept(department):
            if kept.name == name:
                return kept
        raise Refusal(codes.NOT_FOUND, f"credential {department}/{name}")

    async def all(self, department: str) -> Sequence[Kept]:
        """What may be said of all of a department, of everybody for ""."""
        return await self._store.kept(department)

    def _read(self, body: bytes) -> Credential:
        try:
            credential: Credential = _decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            zh, en = wanted_members(_tree_of(body))
            wrong = _wrong_form(error)
            raise Refusal(
                INVALID_REQUEST, errors=[{"path": "/body", "error": f"{wrong}{en}", "zh": zh, "en": en}]
            ) from None
        mistakes = list(mistakes_in(credential, self._egress))
        errors = [{"path": f"/body/{member}", "error": wrong, "rule": rule} for member, wrong, rule in mistakes]
        if any(rule for _, _, rule in mistakes):
            raise Refusal(codes.REGISTRATION_FORBIDDEN, errors=errors)
        if errors:
            raise Refusal(INVALID_REQUEST, errors=[{"path": e["path"], "error": e["error"]} for e in errors])
        return credential

    async def _record(self, event: str, at: datetime, token: AccessToken, facts: dict[str, str]) -> None:
        """Into the log before it takes effect; raises Refusal(AUDIT_UNAVAILABLE)."""
        await self._events.write([msgspec.json.encode(new_event(event, at, token.client, token.department, facts))])


def _uses(interface: Interface, department: str, name: str) -> bool:
    named = (interface.provider, interface.credential) == (department, name)
    return named and interface.state.standing == "active"


def _wrong_form(error: Exception) -> str:
    """What is wrong with the form, without a word that may have come from it; "" where nothing may be said."""
    told = str(error)
    return f"{told}. " if isinstance(error, msgspec.ValidationError) and told.startswith(_TELLABLE) else ""


def _tree_of(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def router(
    door: Door, store: Store, keychain: Keychain, events: EventWriter, egress: Egress, clock: Clock,
    served: Interfaces = tuple, departments: Departments | None = None,
) -> APIRouter:  # fmt: skip
    """All routes of credentials.

    served       answers the interfaces that are open: what they name is not deleted
    departments  who is suspended (registry.Platform.departments); None where nobody can be
    """
    departments = departments or Departments()
    drawer = Drawer(store, keychain, events, egress, clock, served)
    routes = APIRouter(prefix="/credentials", tags=["credentials"])
    who = Depends(keepers(door))

    @routes.put("/{department}/{name}", max_body_size=LARGEST, openapi_extra=body_of(JSON_TEXT, schema_of(Credential)))
    async def put(department: Id, name: Id, request: Request, token: AccessToken = who) -> Response:
        require_charge(token, department, departments)
        return _answer(await drawer.put(token, department, name, await request.body()))

    @routes.get("/{department}/{name}")
    async def one(department: Id, name: Id, token: AccessToken = who) -> Response:
        require_charge(token, department, departments)
        return _answer(await drawer.one(department, name))

    @routes.get("")
    async def some(department: Department = "", token: AccessToken = who) -> Response:
        """Without a department those of one's own; for the operator those of everybody."""
        whose = department if department or token.department == PLATFORM else token.department
        require_charge(token, whose, departments)
        return _answer({"items": await drawer.all(whose)})

    @routes.delete("/{department}/{name}", status_code=204)
    async def delete(department: Id, name: Id, token: AccessToken = who) -> Response:
        require_charge(token, department, departments)
        await drawer.delete(token, department, name)
        return Response(status_code=204)

    return routes


def _answer(thing: object) -> Response:
    return Response(msgspec.json.encode(thing), 200, {"Cache-Control": "no-store"}, "application/json")
