"""`GET /api/quotas`: what grants allow, and how much of it is used; for those who use them and those who provide."""

import time
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from gateway.periods import Kind, Period, periods_at
from gateway.quota import Quotas, limit_of
from gateway.rates import burst_of
from gateway.snapshot import Catalog
from runtime.errors import Refusal
from runtime.problems import language_of
from wire import codes, scopes
from wire.catalog import Grant
from wire.tokens import AccessToken, Door

MOST = 200
"""Grants in one answer."""
_TITLES: dict[Kind, dict[str, str]] = {
    "day": {"zh": "今日调用次数", "en": "calls today"},
    "month": {"zh": "本月调用次数", "en": "calls this month"},
}
Name = Annotated[str, Query(max_length=128)]


def quotas_router(catalog: Catalog, quotas: Quotas, door: Door) -> APIRouter:
    """One route."""
    router = APIRouter()

    @router.get("/api/quotas")
    async def used(
        request: Request,
        caller: Annotated[AccessToken, Depends(door.needing())],
        grant: Name = "",
        interface: Name = "",
    ) -> dict[str, Any]:
        """Rate and quotas of one grant, of all that open an interface ("id/v1"), or of the system that asks.

        Consumer and provider see theirs, the authority everything. `used` counts what gateways have set aside as well;
        `more` says that there are grants which are not listed.
        """
        found = _found(catalog, caller, grant, interface)
        listed, at = found[:MOST], time.time()
        with_quota = [one.id for one in listed if one.quota_day or one.quota_month]
        taken = await quotas.taken(with_quota, at) if with_quota else {}
        language = language_of(request.headers.get("accept-language", ""))
        items = [_item(one, taken, periods_at(at).values(), language) for one in listed]
        return {"items": items, "more": len(found) > MOST}

    return router


def _found(catalog: Catalog, caller: AccessToken, grant: str, interface: str) -> Sequence[Grant]:
    """The grants that are asked about and may be seen; raises Refusal (403, 404)."""
    if grant:
        known = catalog.grant(grant)
        if known is None:
            raise Refusal(codes.NOT_FOUND, "grant")
        if not _may_see(catalog, caller, known):
            raise Refusal(codes.NOT_YOURS)
        return [known]
    named = catalog.grants(interface=interface) if interface else catalog.grants(system=caller.client)
    return sorted((one for one in named if _may_see(catalog, caller, one)), key=lambda one: one.id)


def _may_see(catalog: Catalog, caller: AccessToken, grant: Grant) -> bool:
    departments = {grant.department, catalog.provider_of(grant.interface)} - {""}
    if caller.client == grant.system or caller.department in departments:
        return True
    return bool({scopes.GRANT_WRITE, scopes.AUTHORITY} & set(caller.scopes))


def _item(grant: Grant, taken: dict[tuple[str, str], int], periods: Iterable[Period], language: str) -> dict[str, Any]:
    return {
        "grant": grant.id, "revision": grant.revision, "system": grant.system, "department": grant.department,
        "interface": grant.interface, "standing": grant.state.standing,
        "rate": {"per_s": grant.rate_per_s, "burst": burst_of(grant), "in_flight": grant.max_in_flight},
        "quotas": [
            _quota(limit, period, taken.get((grant.id, period.name), 0), language)
            for period in periods if (limit := limit_of(grant, period.kind))
        ],
    }  # fmt: skip


def _quota(limit: int, period: Period, used: int, language: str) -> dict[str, Any]:
    return {
        "period": period.kind, "title": _TITLES[period.kind][language], "name": period.name, "limit": limit,
        "used": used, "left": max(0, limit - used), "resets": period.until.isoformat(),
    }  # fmt: skip
