"""The law in force, as it is kept: which texts, since when, by whose word. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime

import msgspec

from statute.calendar import Calendar
from statute.model import Profile
from statute.profiles import NATIONAL, PLATFORM, Profiles

Texts = Mapping[str, str]


class Activation(msgspec.Struct, frozen=True, kw_only=True):
    """A profile was put in force. override: although `warnings` spoke against it."""

    profile: str
    version: str
    title: str
    activated_by: str
    department: str
    at: datetime
    reason: str
    override: bool
    warnings: list[str]


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """A year of a calendar was imported; `previous` is the version before it, "" for a region's first."""

    region: str
    year: int
    version: str
    previous: str
    imported_by: str
    department: str
    at: datetime


def bundle_of(texts: Texts, profile: Profile) -> dict[str, str]:
    """All the texts that the law under `profile` is made of: its own, its floor's, and the platform's defaults."""
    names = {f"{name}.yaml" for name in (profile.id, profile.floor or NATIONAL, NATIONAL, PLATFORM)}
    return {name: texts[name] for name in sorted(names)}


def versioned(profiles: Profiles, profile_id: str, bundle: Texts) -> Profiles:
    """The profiles, of which the one that the bundle is for bears the version of the whole bundle.

    So a version names the law that applied, the floor's and the platform's part of it too.
    """
    version = hashlib.sha256(msgspec.json.encode(dict(bundle), order="deterministic")).hexdigest()[:12]
    return profiles.with_profile(replace(profiles.get(profile_id), version=version))


def warnings_about(profile: Profile, on: date) -> list[str]:
    """What the authority should know before it puts `profile` in force, though nothing forbids it."""
    found = []
    if profile.incomplete:
        found.append(f"{profile.title}: part of the text is unread; the floor and the platform's defaults fill in")
    if profile.expires is not None and profile.expires_soon(on) is not None:
        found.append(f"{profile.title} expires on {profile.expires}")
    return found


def written(calendar: Calendar, region: str) -> str:
    """The calendar as a file for `region` that `statute.calendar.read_calendar` reads."""
    years = {
        str(number): {
            "notice": year.notice or None,
            "status": "announced" if year.announced else "provisional",
            "weekdays_off": sorted(map(str, year.off)),
            "weekends_worked": sorted(map(str, year.worked)),
        }
        for number, year in calendar.years.items()
    }
    return msgspec.json.encode({"schema": "dx-calendar/1", "region": region, "years": years}).decode()
