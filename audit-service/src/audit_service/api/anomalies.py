"""Alerts over HTTP: what was unusual in the log, and what came of it."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field, StringConstraints
from pydantic.functional_validators import AfterValidator

from audit_service.anomalies.flows import Alerts
from audit_service.anomalies.model import Finding
from audit_service.api.feeds import Name, readable
from audit_service.api.strict import Strict, answer
from runtime.access import Rule, ruled
from runtime.errors import Refusal
from wire import codes, scopes
from wire.tokens import AccessToken, Door


class AlertsQuery(Strict):
    state: Literal["", "open", "closed"] = ""
    rule: Name = ""
    finding: Literal["", "misuse", "explained", "false_alarm"] = ""
    after: Annotated[str, StringConstraints(max_length=100)] = ""
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class CloseBody(Strict):
    finding: Finding
    note: Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(readable)]


def router(alerts: Alerts, door: Door) -> APIRouter:
    """All routes of alerts."""
    routes = APIRouter(prefix="/alerts", tags=["alerts"])
    any_token, keeper = Depends(door.needing()), Depends(_keeper(door))

    @routes.get("")
    async def some(query: Annotated[AlertsQuery, Query()], token: AccessToken = any_token) -> Response:
        """An auditor sees all; a department those about calls of one system in which it took part."""
        return answer(await alerts.some(token, **query.model_dump()))

    @routes.get("/rules")
    async def rules(_token: AccessToken = keeper) -> Response:
        """The rules in force (`audit:read` or `audit:keep`: who knows them can stay below them)."""
        return answer({"rules": alerts.rules()})

    @routes.get("/counts")
    async def counts(_token: AccessToken = keeper) -> Response:
        """How many alerts of each rule are open, or turned out to be what (`audit:read` or `audit:keep`)."""
        return answer(await alerts.counts())

    @routes.get("/{alert}")
    async def one(alert: UUID, token: AccessToken = any_token) -> Response:
        """With its records, as far as the reader may see them, and the search that finds all of them."""
        return answer(await alerts.one(token, str(alert)))

    @routes.post("/{alert}/close")
    async def close(
        alert: UUID, body: CloseBody, token: Annotated[AccessToken, Depends(door.needing(scopes.AUDIT_KEEP))]
    ) -> Response:
        """Say what was found."""
        return answer(await alerts.close(token, str(alert), body.finding, body.note))

    return routes


def _keeper(door: Door) -> Callable[[AccessToken], Awaitable[AccessToken]]:
    """A dependency for what an auditor or a keeper of the log may know."""

    async def token_of(token: Annotated[AccessToken, Depends(door.needing())]) -> AccessToken:
        if not token.scopes & {scopes.AUDIT_READ, scopes.AUDIT_KEEP}:
            raise Refusal(codes.SCOPE_MISSING, f"scope {scopes.AUDIT_READ}", scope=scopes.AUDIT_READ)
        return token

    return ruled(token_of, Rule("token", frozenset({scopes.AUDIT_READ, scopes.AUDIT_KEEP})))
