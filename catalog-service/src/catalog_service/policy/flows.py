"""Which law applies: the profile in force, the texts that running cases began under, the working-day calendars."""

from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.feed.flows import Change
from catalog_service.policy import store
from catalog_service.policy.model import Activation, Import, bundle_of, versioned, warnings_about, written
from runtime.errors import INVALID_REQUEST, Refusal
from statute.calendar import SHANGHAI, Calendar, CalendarError, Year, bundled_calendar, read_calendar, regions
from statute.model import Profile
from statute.profiles import Profiles, bundled, bundled_texts, read
from statute.resolve import Law
from wire import codes

CHINA = "CN"


class Lawbook:
    """The law as this installation has it; what it has once read never changes and is kept."""

    def __init__(self, region: str = CHINA) -> None:
        self.region = region
        self._texts = bundled_texts()
        self.bundled = bundled()
        self._read: dict[tuple[str, str], Profiles] = {}
        self._calendars: dict[tuple[str, str], Calendar] = {}

    async def in_force(self, tx: AsyncConnection) -> str:
        """Id of the profile in force."""
        return (await self._in_force(tx))[0]

    async def law(self, tx: AsyncConnection, *, government: bool, profile: str = "", version: str = "") -> Law:
        """The law under the profile in force, or under another one.

        government  every party is a 政府部门, so that the national floor binds (国务院令第809号 2)
        profile     "": the one in force
        version     as a running case keeps it; "": as it is in force, else as it comes with this release
        Raises UnknownKey for a profile that nobody knows.
        """
        if not version:
            known = await self._in_force(tx)
            profile, version = known if profile in ("", known[0]) else (profile, "")
        profiles = await self._kept(tx, profile, version) if version else self.as_bundled(profile)
        return profiles.law(profile, government=government)

    async def calendar(self, tx: AsyncConnection, region: str = "", version: str = "") -> Calendar:
        """A region's working days, as last imported or in an older version. region "": this installation's.

        Raises CalendarError for a region that has none.
        """
        region = region or self.region
        version = version or await store.calendar_version(tx, region) or ""
        if (region, version) not in self._calendars:
            text = await store.calendar_text(tx, region, version)
            if text is None:
                return bundled_calendar(region)
            self._calendars[region, version] = read_calendar(text)
        return self._calendars[region, version]

    def as_bundled(self, profile: str) -> Profiles:
        """The profile as it comes with this release, with all that lies beneath it."""
        if (profile, "") not in self._read:
            self._read[profile, ""] = versioned(self.bundled, profile, self.bundle(profile))
        return self._read[profile, ""]

    def bundle(self, profile: str) -> dict[str, str]:
        """The texts behind `as_bundled`."""
        return bundle_of(self._texts, self.bundled.get(profile))

    async def _kept(self, tx: AsyncConnection, profile: str, version: str) -> Profiles:
        if profile in self.bundled.ids() and self.as_bundled(profile).get(profile).version == version:
            return self.as_bundled(profile)
        if (profile, version) not in self._read:
            texts = await store.texts_of(tx, profile, version)
            if texts is None:
                raise LookupError(f"{profile} was never in force in version {version}")
            self._read[profile, version] = versioned(read(texts), profile, texts)
        return self._read[profile, version]

    async def _in_force(self, tx: AsyncConnection) -> tuple[str, str]:
        found = await store.in_force(tx)
        if found is None:
            raise LookupError("no profile is in force: the service has not started yet")
        return found.profile, found.version


# --- putting a profile in force ---------------------------------------------------------------------------------------
async def begin(change: Change, lawbook: Lawbook, profile: str) -> None:
    """At the first start put `profile` in force; at every start know the calendar years that came with the release."""
    await change.lock("policy")
    if await store.in_force(change.tx) is None:
        await _activate(change, lawbook.as_bundled(profile).get(profile), lawbook, "first start", override=False)
    await change.lock(store.CALENDARS)
    if await store.calendar_version(change.tx, lawbook.region) is None:
        calendar = _as_bundled(lawbook.region)
        await _keep_calendar(change, calendar, max(calendar.years), "")


async def activate(change: Change, lawbook: Lawbook, profile_id: str, reason: str, *, override: bool) -> Activation:
    """Put a profile in force from now on; cases that run keep theirs.

    A draft, or one that is not in force by its own words, needs `override` (A.3: drafts are simulated, not activated).
    """
    await change.lock("policy")
    profile = lawbook.as_bundled(profile_id).get(profile_id)
    known = await store.in_force(change.tx)
    if known is not None and (known.profile, known.version) == (profile.id, profile.version):
        return known
    if (why := profile.may_be_activated(today(change.at))) and not override:
        raise Refusal(codes.PROFILE_NOT_IN_FORCE, why, profile=profile.id, status=profile.status)
    return await _activate(change, profile, lawbook, reason, override=override)


async def _activate(change: Change, profile: Profile, lawbook: Lawbook, reason: str, *, override: bool) -> Activation:
    made = Activation(
        profile=profile.id, version=profile.version, title=profile.title, activated_by=change.actor.client,
        department=change.actor.department, at=change.at, reason=reason, override=override,
        warnings=warnings_about(profile, today(change.at)),
    )  # fmt: skip
    await store.keep_activation(change.tx, made, lawbook.bundle(profile.id))
    facts = {"profile": profile.id, "version": profile.version, "reason": reason, "override": str(override).lower()}
    await change.tell("policy.profile-activated", made, **facts)
    return made


# --- working days -----------------------------------------------------------------------------------------------------
async def import_year(change: Change, lawbook: Lawbook, region: str, year: Year) -> Calendar:
    """The region's calendar with this year, instead of what was known of it before.

    Whoever calls this reckons the running clocks anew, in the same transaction (see `clocks.flows.adopt_year`).
    """
    await change.lock(store.CALENDARS)
    version = await store.calendar_version(change.tx, region) or ""
    known = await lawbook.calendar(change.tx, region, version) if version else _as_bundled(region)
    calendar = known.with_year(year)
    if calendar.version != version:
        await _keep_calendar(change, calendar, year.number, version)
    return calendar


def _as_bundled(region: str) -> Calendar:
    """What a region begins with: its own table, or that of the whole country."""
    return read_calendar(written(bundled_calendar(region if region in regions() else CHINA), region))


def read_year(text: str, region: str, year: int) -> Year:
    """The year from a calendar file; raises Refusal that names what is wrong with the file."""
    try:
        stated = read_calendar(text)
    except CalendarError as error:
        raise _broken(str(error)) from None
    if stated.region != region:
        raise _broken(f"region: the file is for {stated.region}")
    if year not in stated.years or not stated.years[year].announced:
        raise _broken(f"years.{year}: the file does not announce it")
    return stated.years[year]


def _broken(error: str) -> Refusal:
    return Refusal(INVALID_REQUEST, error, errors=[{"path": "/body", "error": error}])


async def _keep_calendar(change: Change, calendar: Calendar, year: int, previous: str) -> None:
    made = Import(
        region=calendar.region, year=year, version=calendar.version, previous=previous,
        imported_by=change.actor.client, department=change.actor.department, at=change.at,
    )  # fmt: skip
    await store.keep_calendar(change.tx, made, written(calendar, calendar.region))
    facts = {"region": made.region, "year": str(year), "version": made.version, "previous": previous}
    await change.tell("policy.calendar-imported", made, **facts)


def today(at: datetime) -> date:
    """The day where the law applies."""
    return at.astimezone(SHANGHAI).date()
