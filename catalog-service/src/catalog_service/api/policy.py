"""The law in force, what it says, and working days over HTTP."""

from datetime import date, datetime, time
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response

from catalog_service.api.answers import answer
from catalog_service.api.bodies import IN_THE_CALENDAR, Body, Id, Name
from catalog_service.api.offices import holders
from catalog_service.clocks import flows as clocks
from catalog_service.clocks.reckon import last_day
from catalog_service.feed.flows import Journal
from catalog_service.feed.model import Actor
from catalog_service.policy import flows, store
from catalog_service.policy.flows import Lawbook, today
from runtime.documents import body_of
from runtime.errors import BODY_TOO_LARGE, INVALID_REQUEST, Refusal
from statute.calendar import SHANGHAI, Calendar, CalendarError
from statute.model import CLOCK_KEYS, UnknownKey
from statute.resolve import Law
from wire import codes, scopes
from wire.tokens import Door

LARGEST_FILE = 64 * 1024
Profile = Annotated[str, Query(max_length=64, pattern=r"^[a-z0-9._-]*$")]
Key = Annotated[str, Path(max_length=100, pattern=r"^[a-z_.]+$")]
QueryKey = Annotated[str, Query(max_length=100, pattern=r"^[a-z_.]+$")]
Region = Annotated[str, Path(pattern=r"^[A-Z]{2}(?:-[0-9A-Z]{1,12})?$")]
QueryRegion = Annotated[str, Query(pattern=r"^(?:[A-Z]{2}(?:-[0-9A-Z]{1,12})?)?$")]
YearNumber = Annotated[int, Path(ge=1949, le=9998)]
Days = Annotated[int, Query(ge=0, le=1000)]
From = Annotated[date, IN_THE_CALENDAR, Query(alias="from")]


class ProfileBody(Body):
    profile: Id
    reason: Name
    override: bool = False


def router(door: Door, journal: Journal, lawbook: Lawbook) -> APIRouter:
    """All routes below /policy."""
    routes = APIRouter(prefix="/policy", tags=["policy"])
    routes.include_router(_profiles(door, journal, lawbook))
    routes.include_router(_keys(door, journal, lawbook))
    routes.include_router(_calendars(door, journal, lawbook))
    return routes


# --- which profile ----------------------------------------------------------------------------------------------------
def _profiles(door: Door, journal: Journal, lawbook: Lawbook) -> APIRouter:
    routes = APIRouter()
    any_token, authority = Depends(door.needing()), Depends(holders(door, scopes.AUTHORITY))

    @routes.get("/profiles", dependencies=[any_token])
    async def all_of_them() -> Response:
        day = today(journal.now())
        async with journal.database.connect() as tx:
            in_force = await lawbook.in_force(tx)
        items = [_summary(lawbook, profile, day) for profile in lawbook.bundled.ids()]
        return answer({"in_force": in_force, "items": items, "next": None})

    @routes.get("/profile", dependencies=[any_token])
    async def in_force() -> Response:
        async with journal.database.connect() as tx:
            history = await store.activations(tx)
            profile = (await lawbook.law(tx, government=True)).profile
        days = profile.expires_soon(today(journal.now()))
        newer = lawbook.as_bundled(profile.id).get(profile.id).version
        told = {"expires_in_days": days, "newer_version": newer if newer != profile.version else None}
        return answer({**msgspec.structs.asdict(history[0]), **told, "history": history})

    @routes.post("/profile")
    async def activate(body: ProfileBody, actor: Actor = authority) -> Response:
        async with journal.change(actor) as change:
            try:
                made = await flows.activate(change, lawbook, body.profile, body.reason, override=body.override)
            except UnknownKey as error:
                raise _invalid("/body/profile", error) from None
        return answer(made)

    return routes


def _summary(lawbook: Lawbook, profile_id: str, day: date) -> dict[str, Any]:
    profile = lawbook.as_bundled(profile_id).get(profile_id)
    names = ("id", "version", "title", "doc_no", "rank", "status", "effective", "expires", "region", "floor")
    return {
        **{name: getattr(profile, name) for name in names},
        "incomplete": profile.incomplete,
        "expires_in_days": profile.expires_soon(day),
        "not_activated_because": profile.may_be_activated(day),
    }


# --- what it says -----------------------------------------------------------------------------------------------------
def _keys(door: Door, journal: Journal, lawbook: Lawbook) -> APIRouter:
    routes = APIRouter(dependencies=[Depends(door.needing())])

    async def law_of(profile: str, government: bool) -> Law:
        """Of any profile, drafts too: asking activates nothing."""
        async with journal.database.connect() as tx:
            try:
                return await lawbook.law(tx, government=government, profile=profile)
            except UnknownKey as error:
                raise _invalid("/query/profile", error) from None

    @routes.get("/clocks")
    async def every_clock(profile: Profile = "", government: bool = True) -> Response:
        law = await law_of(profile, government)
        return answer({**_source(law, government), "clocks": {key: law.clock(key) for key in CLOCK_KEYS}})

    @routes.get("/values/{key}")
    async def value(key: Key, profile: Profile = "", government: bool = True) -> Response:
        law = await law_of(profile, government)
        try:
            layers = list(law.alone(key))
            applies = law.clock(key) if key in CLOCK_KEYS else law.value(key)
        except UnknownKey as error:
            raise _invalid("/path/key", error) from None
        return answer({**_source(law, government), "key": key, "applies": applies, "layers": layers})

    @routes.get("/simulate")
    async def simulate(
        key: QueryKey, day: From, profile: Profile = "", government: bool = True, region: QueryRegion = ""
    ) -> Response:
        law = await law_of(profile, government)
        calendar = await _calendar(journal, lawbook, region)
        return answer({**_source(law, government), **_simulated(law, key, day, calendar)})

    return routes


def _source(law: Law, government: bool) -> dict[str, Any]:
    profile = law.profile
    return {"profile": profile.id, "version": profile.version, "status": profile.status, "government": government}


def _simulated(law: Law, key: str, day: date, calendar: Calendar) -> dict[str, Any]:
    """When a time limit that starts on `day` would end: as it is, and with the longest extension."""
    try:
        clock = law.clock(key)
    except UnknownKey as error:
        raise _invalid("/query/key", error) from None
    told: dict[str, Any] = {"key": key, "clock": clock, "from": day, "region": calendar.region}
    if clock is None:
        return {**told, "due": None}
    received = datetime.combine(day, time(9), SHANGHAI)
    try:
        due = calendar.due_at(received, clock.base, clock.unit)
        latest = calendar.due_at(received, clock.total, clock.unit)
    except (CalendarError, OverflowError) as error:
        raise _invalid("/query/from", error) from None
    return {**told, "due": last_day(due.at), "provisional": due.provisional, "latest": last_day(latest.at)}


# --- working days -----------------------------------------------------------------------------------------------------
def _calendars(door: Door, journal: Journal, lawbook: Lawbook) -> APIRouter:
    routes = APIRouter()
    any_token, authority = Depends(door.needing()), Depends(holders(door, scopes.AUTHORITY))

    @routes.get("/due", dependencies=[any_token])
    async def due(day: From, days: Days, region: QueryRegion = "") -> Response:
        calendar = await _calendar(journal, lawbook, region)
        try:
            found = calendar.due(day, days)
        except (CalendarError, OverflowError) as error:
            raise _invalid("/query/from", error) from None
        return answer({"due": found.date, "provisional": found.provisional})

    @routes.get("/calendars/{region}", dependencies=[any_token])
    async def one(region: Region) -> Response:
        calendar = await _calendar(journal, lawbook, region)
        async with journal.database.connect() as tx:
            history = await store.imports(tx, region)
        return answer({**msgspec.to_builtins(calendar, str_keys=True), "history": history})

    @routes.post("/calendars/{region}/years/{year}", openapi_extra=body_of("application/yaml", {"type": "string"}))
    async def adopt(region: Region, year: YearNumber, request: Request, actor: Actor = authority) -> Response:
        stated = flows.read_year(await _text(request), region, year)
        async with journal.change(actor) as change:
            adopted = await clocks.adopt_year(change, lawbook, region, stated)
        return answer(adopted)

    return routes


async def _calendar(journal: Journal, lawbook: Lawbook, region: str) -> Calendar:
    async with journal.database.connect() as tx:
        try:
            return await lawbook.calendar(tx, region)
        except CalendarError as error:
            raise Refusal(codes.NOT_FOUND, str(error)) from None


async def _text(request: Request) -> str:
    """The file as it was sent, YAML or JSON."""
    body = await request.body()
    if len(body) > LARGEST_FILE:
        raise Refusal(BODY_TOO_LARGE, limit_bytes=LARGEST_FILE)
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise _invalid("/body", error) from None


def _invalid(path: str, error: Exception) -> Refusal:
    return Refusal(INVALID_REQUEST, str(error), errors=[{"path": path, "error": str(error)}])
