"""Searching the log, exports and daily figures: for those who took part, and for auditors."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from audit_service import store
from audit_service.api.strict import NO_STORE
from audit_service.search.exporting import Exporter
from audit_service.search.figures import By, Days, figures
from audit_service.search.finder import Finder, seen_by, shown
from audit_service.search.looking import LookUps
from audit_service.search.turns import RETRY_S
from audit_service.search.writing import MEDIA_TYPES, Format
from audit_service.summary import LONGEST_KEY, Filter, Kind, Mode
from runtime import problems
from runtime.documents import content
from runtime.errors import INVALID_REQUEST, Refusal
from statute.calendar import SHANGHAI
from wire import codes
from wire.tokens import AccessToken, Door

LONGEST_DAYS = 400
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_ZONE_AFTER_SPACE = re.compile(r"(T\S+) (\d\d:\d\d)$")


def moment(text: str) -> str | datetime:
    """A day is its first moment in China; `+` may have become a space on its way."""
    text = _ZONE_AFTER_SPACE.sub(r"\1+\2", text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("a day (2026-07-25) or a moment with its zone (2026-07-25T08:00:00+08:00)") from None
    if _DAY.fullmatch(text):
        found = found.replace(tzinfo=SHANGHAI)
    if found.tzinfo is None:
        raise ValueError("a moment needs its zone")
    if not 1970 <= found.year <= 9998:
        raise ValueError("from 1970 to 9998")
    return found.astimezone(UTC)


Key = Annotated[str, Field(max_length=LONGEST_KEY, pattern=r"^[^\x00-\x1f\x7f]*$")]
Moment = Annotated[datetime | None, BeforeValidator(moment)]


class Question(BaseModel):
    """What to look for; all that is given has to hold. Persons are looked for in `/subjects/search` alone.

    outcome  `ok`, `refused`, a code, or a status      since, before  a day of China or a moment; `before` is excluded
    mode     how calls asked: query, verify, compare; `sandbox` are those that moved no data
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    department: Key = ""
    system: Key = ""
    provider: Key = ""
    interface: Key = ""
    version: Key = ""
    grant: Key = ""
    case: Key = ""
    trace: Key = ""
    call: UUID | None = None
    event: Key = ""
    kind: Kind | Literal[""] = ""
    mode: Mode | Literal[""] = ""
    outcome: Key = ""
    since: Moment = None
    before: Moment = None

    def filter(self) -> Filter:
        return Filter(
            department=self.department, system=self.system, provider=self.provider, interface=self.interface,
            version=self.version, grant_id=self.grant, case_no=self.case, trace=self.trace,
            call_id=str(self.call) if self.call else "", event=self.event, kind=self.kind, mode=self.mode,
            outcome=self.outcome, since=self.since, before=self.before,
        )  # fmt: skip


class Search(Question):
    """A page of a search."""

    cursor: Annotated[str, Field(max_length=80)] = ""
    limit: Annotated[int, Field(ge=1, le=500)] = 50


class Download(Question):
    """A search as a file."""

    format: Format


def _is_day(day: date) -> date:
    if not 1970 <= day.year <= 9998:
        raise ValueError("from 1970 to 9998")
    return day


def _written(value: object) -> object:
    """A day as it is written; a number would be taken for seconds since 1970."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("a day, as in 2026-07-25")
    return value


Day = Annotated[date, BeforeValidator(_written), AfterValidator(_is_day)]


class Period(BaseModel):
    """Days from the first to the last, both included."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: Annotated[Day, Field(alias="from")]
    last: Annotated[Day, Field(alias="to")]
    by: By = "interface"


def router(database: store.Database, finder: Finder, exporter: Exporter, look_ups: LookUps, door: Door) -> APIRouter:
    """A department sees the calls in which it took part, `audit:read` all."""
    routes = APIRouter(tags=["search"])
    seen = door.needing()

    @routes.get("/search")
    async def search(wanted: Annotated[Search, Query()], token: Annotated[AccessToken, Depends(seen)]) -> Response:
        """Calls that have ended, and events, newest first; each look-up is itself on record.

        Calls still open (an intent without an outcome) are not in it: `/records/{call}` has them. `next` is the cursor
        of the next page, "" after the last; a page may be short before that, where the archive had to be searched.
        `since` and `before` choose days by what is known of each; within a day that is still in the database there is
        no index on the time: a search by time alone reads that day. Add a department, an interface or a case.
        """
        asked = wanted.filter()
        page = await finder.page(asked, wanted.cursor, wanted.limit, token)
        await look_ups.record("record.searched", token, asked, {"rows": str(len(page.rows)), "format": "json"})
        told = msgspec.json.encode({"records": shown(page.rows, token), "next": page.next})
        return Response(told, headers=NO_STORE, media_type="application/json")

    @routes.get("/export", responses={200: content(*(one.partition(";")[0] for one in MEDIA_TYPES.values()))})
    async def export(
        request: Request, wanted: Annotated[Download, Query()], token: Annotated[AccessToken, Depends(seen)]
    ) -> Response:
        """All that a search finds as a file (CSV, Excel, JSON Lines), at most 100,000 rows, 50,000 in a workbook; more
        are refused. A cell that a spreadsheet would run begins with an apostrophe. One at a time for
        each department, and for each auditor; a second one at once is answered 429."""
        try:
            made = await exporter.export(wanted.filter(), wanted.format, token)
        except Refusal as refusal:
            return asked_to_wait(request, refusal)
        headers = {
            **NO_STORE,
            "Content-Disposition": f'attachment; filename="records.{wanted.format}"',
            "X-Content-Type-Options": "nosniff",
            "Tongdao-Rows": str(made.rows),
        }
        return StreamingResponse(made.chunks(), 200, headers, MEDIA_TYPES[wanted.format])

    @routes.get("/figures")
    async def daily(wanted: Annotated[Period, Query()], token: Annotated[AccessToken, Depends(seen)]) -> Response:
        """Calls, refusals, bytes, fields, mean and longest time; without the sandbox. A day is the UTC day on which
        calls were sequenced. That an auditor looked is on record."""
        days = Days(wanted.first, wanted.last)
        if not 0 <= (days.last - days.first).days < LONGEST_DAYS:
            raise Refusal(INVALID_REQUEST, f"from <= to, at most {LONGEST_DAYS} days")
        party = seen_by(token, Filter()).party
        async with store.answering("figures"):
            groups = await figures(database.reader, days, wanted.by, party)
        if not party:  # the sums of others
            facts = {"by": wanted.by, "from": str(days.first), "to": str(days.last)}
            await look_ups.note("figures.read", token, facts)
        told = {"from": days.first, "to": days.last, "by": wanted.by, "groups": groups}
        return Response(msgspec.json.encode(told), headers=NO_STORE, media_type="application/json")

    return routes


def asked_to_wait(request: Request, refusal: Refusal) -> Response:
    """The answer to who has a file under way, with when to ask again; raises every other refusal again."""
    if refusal.code is not codes.ONE_FILE_AT_A_TIME:
        raise refusal
    answer = problems.answer(request, refusal.code, refusal.detail, refusal.facts)
    answer.headers["Retry-After"] = str(RETRY_S)
    return answer
