"""Figures for the yearly assessment, and the use of grants that gateways report, over HTTP."""

from datetime import date, timedelta
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from catalog_service.api.answers import actor_of, answer
from catalog_service.api.bodies import IN_THE_CALENDAR
from catalog_service.feed.flows import Journal
from catalog_service.feed.model import PLATFORM, Actor
from catalog_service.policy.flows import Lawbook, today
from catalog_service.statistics.flows import statistics
from catalog_service.statistics.model import LONGEST_DAYS, Scope
from catalog_service.statistics.usage import take_report
from runtime.documents import JSON_TEXT, body_of, schema_of
from runtime.errors import INVALID_REQUEST, Refusal
from runtime.service_auth import ServiceKey, only_services
from wire import codes
from wire.tokens import AccessToken, Door
from wire.usage import Report

EARLIEST, LATEST = date(2000, 1, 1), date(2100, 1, 1)
First = Annotated[date | None, IN_THE_CALENDAR, Query(alias="from", ge=EARLIEST, le=LATEST)]
Last = Annotated[date | None, IN_THE_CALENDAR, Query(alias="to", ge=EARLIEST, le=LATEST)]
Name = Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*$")]


def router(door: Door, journal: Journal, lawbook: Lawbook, key: ServiceKey) -> APIRouter:
    """Both routes."""
    routes = APIRouter()
    any_token = Depends(door.needing())

    @routes.get("/statistics", tags=["statistics"])
    async def figures(
        first: First = None, last: Last = None, department: Name = "", token: AccessToken = any_token
    ) -> Response:
        """`from` and `to`: days, both included; without them this year. Departments see their own figures."""
        now = journal.now()
        last = last or today(now)
        scope = Scope(first or last.replace(month=1, day=1), last, _whose(actor_of(token), department))
        if not timedelta(0) <= scope.last - scope.first <= timedelta(days=LONGEST_DAYS):
            error = f"from lies before to, by at most {LONGEST_DAYS} days"
            raise Refusal(INVALID_REQUEST, error, errors=[{"path": "/query/from", "error": error}])
        async with journal.database.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            return answer(await statistics(connection, lawbook, scope, now))

    @routes.post(
        "/usage", tags=["internal"], dependencies=[Depends(only_services(key))],
        openapi_extra=body_of(JSON_TEXT, schema_of(Report)),
    )  # fmt: skip
    async def usage(request: Request) -> Response:
        """`wire.usage.Report` of a gateway."""
        try:
            report = msgspec.json.decode(await request.body(), type=Report)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refusal(INVALID_REQUEST, str(error), errors=[{"path": "/body", "error": str(error)}]) from None
        async with journal.database.begin() as tx:
            counted = await take_report(tx, report)
        return answer({"counted": counted})

    return routes


def _whose(actor: Actor, department: str) -> str:
    """The figures of which department, "" for all; raises Refusal(NOT_YOURS)."""
    if actor.oversees or actor.department == PLATFORM:
        return department
    if department not in ("", actor.department):
        raise Refusal(codes.NOT_YOURS, f"figures of {department}")
    return actor.department
