"""Disposals and legal holds over HTTP (scope audit:keep). Two people are two clients of the identity service."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import AwareDatetime, BeforeValidator, Field, StringConstraints, model_validator

from audit_service.api.strict import Strict, answer, no_query
from audit_service.keeping.disposals import Disposals, Shown, Wish
from audit_service.keeping.holds import Holds
from audit_service.keeping.store import Hold
from runtime.clock import Clock, SystemClock
from runtime.ids import uuid7
from wire import scopes
from wire.tokens import AccessToken, Door

_READABLE = r"^[^\x00-\x1f\x7f]*$"


def _text(value: object) -> object:
    """JSON has no dates: a number would be taken for seconds since 1970."""
    if value is not None and not (isinstance(value, str) and "-" in value):
        raise ValueError("a day or a moment as a text")
    return value


Word = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=_READABLE)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000, pattern=_READABLE)]
Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(3000, 1, 1, tzinfo=UTC)),
    BeforeValidator(_text),
]
_FILTER = ("party", "system", "interface", "grant", "case", "call", "since", "before")


class DisposalBody(Strict):
    """All segments of a class on days before `before` (UTC, excluded)."""

    retention: Literal["general", "personal"]
    before: Annotated[date, Field(ge=date(2000, 1, 1), lt=date(3000, 1, 1)), BeforeValidator(_text)]
    reason: Reason
    case: Word = ""


class ReasonBody(Strict):
    reason: Reason


class HoldBody(Strict):
    """Which records: all members that are given have to fit. `for_case` is the case because of which."""

    party: Word = ""
    system: Word = ""
    interface: Word = ""
    grant: Word = ""
    case: Word = ""
    call: UUID | None = None
    since: Moment | None = None
    before: Moment | None = None
    reason: Reason
    for_case: Word = ""

    @model_validator(mode="after")
    def is_about_something(self) -> "HoldBody":
        if not any(getattr(self, name) for name in _FILTER):
            raise ValueError(f"at least one of {', '.join(_FILTER)}")
        return self

    def hold(self, token: AccessToken, now: datetime) -> Hold:
        return Hold(
            str(uuid7(int(now.timestamp() * 1000))), self.party, self.system, self.interface, self.grant, self.case,
            str(self.call or ""), _utc(self.since), _utc(self.before), self.reason, self.for_case, token.client,
            token.department, now,
        )  # fmt: skip


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None


def router(disposals: Disposals, holds: Holds, door: Door, clock: Clock | None = None) -> APIRouter:
    """Both."""
    routes = APIRouter(tags=["keeping"], dependencies=[Depends(no_query)])
    routes.include_router(_disposals(disposals, door))
    routes.include_router(_holds(holds, door, clock or SystemClock()))
    return routes


def _disposals(disposals: Disposals, door: Door) -> APIRouter:
    routes = APIRouter(prefix="/disposals")
    keeper = Depends(door.needing(scopes.AUDIT_KEEP))

    @routes.post("", status_code=201)
    async def propose(body: DisposalBody, token: AccessToken = keeper) -> Response:
        """Propose to delete what has been kept long enough. Nothing happens until somebody else approves it."""
        wish = Wish(body.retention, body.before, body.reason, body.case)
        return answer(_shown(await disposals.propose(wish, token)), 201)

    @routes.get("")
    async def some(_token: AccessToken = keeper) -> Response:
        return answer({"items": [_shown(one) for one in await disposals.all()]})

    @routes.get("/{disposal}")
    async def one(disposal: UUID, _token: AccessToken = keeper) -> Response:
        return answer(_shown(await disposals.one(str(disposal))))

    @routes.post("/{disposal}/approve")
    async def approve(disposal: UUID, token: AccessToken = keeper) -> Response:
        """By another client than the one that proposed it."""
        return answer(_shown(await disposals.approve(str(disposal), token)))

    @routes.post("/{disposal}/reject")
    async def reject(disposal: UUID, body: ReasonBody, token: AccessToken = keeper) -> Response:
        """By anybody, and also after it was approved, until its first day has begun to go."""
        return answer(_shown(await disposals.reject(str(disposal), body.reason, token)))

    return routes


def _holds(holds: Holds, door: Door, clock: Clock) -> APIRouter:
    routes = APIRouter(prefix="/holds")
    keeper = Depends(door.needing(scopes.AUDIT_KEEP))

    @routes.post("", status_code=201)
    async def place(body: HoldBody, token: AccessToken = keeper) -> Response:
        """Keep every day that has a record which this fits, until another client releases it."""
        hold = body.hold(token, clock.now())
        await holds.place(hold, token)
        return answer(_hold(hold), 201)

    @routes.get("")
    async def some(_token: AccessToken = keeper) -> Response:
        return answer({"items": [_hold(one) for one in await holds.all()]})

    @routes.post("/{hold}/release")
    async def release(hold: UUID, body: ReasonBody, token: AccessToken = keeper) -> Response:
        """By another client than the one that placed it."""
        return answer(_hold(await holds.release(str(hold), body.reason, token)))

    return routes


def _shown(shown: Shown) -> dict[str, Any]:
    of = shown.disposal
    return {
        "id": of.id, "state": shown.state, "retention": of.retention, "before": of.before, "reason": of.reason,
        "case": of.case, "proposed_by": of.proposed_by, "proposed_at": of.proposed_at, "decided_by": of.decided_by,
        "decided_at": of.decided_at, "executed_at": of.executed_at,
        "segments": [
            {"segment": due.segment, "count": due.count, "leaf": due.leaf, "executed_at": due.executed_at,
             "objects_deleted_at": due.objects_deleted_at, "trouble": due.trouble}
            for due in shown.segments
        ],
    }  # fmt: skip


def _hold(hold: Hold) -> dict[str, Any]:
    return {
        "id": hold.id, "state": "released" if hold.released_at else "standing", "party": hold.party,
        "system": hold.system, "interface": hold.interface, "grant": hold.grant_id, "case": hold.case_no,
        "call": hold.call_id, "since": hold.since, "before": hold.before, "reason": hold.reason,
        "for_case": hold.case, "placed_by": hold.placed_by, "placed_at": hold.placed_at,
        "released_by": hold.released_by, "released_at": hold.released_at,
    }  # fmt: skip
