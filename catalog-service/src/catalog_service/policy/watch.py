"""The worker that watches the law itself: a profile that expires, a year whose holidays nobody has imported."""

from catalog_service.feed.flows import Change, Journal
from catalog_service.feed.model import PLATFORM, Actor
from catalog_service.notices.flows import notify
from catalog_service.notices.model import Address, Subject
from catalog_service.policy.flows import Lawbook, today
from wire import scopes

WATCH = Actor("policy-watch", PLATFORM)
AUTHORITY = Address("", scopes.AUTHORITY)
ALARM_FROM = (11, 1)
"""1 November: the notice for the next year comes out in that month (C.7.3)."""


class Watch:
    """Tells the authority, once for each thing."""

    def __init__(self, journal: Journal, lawbook: Lawbook) -> None:
        self._journal = journal
        self._lawbook = lawbook

    async def tick(self) -> None:
        async with self._journal.change(WATCH) as change:
            await self._expiry(change)
            await self._next_year(change)

    async def _expiry(self, change: Change) -> None:
        """A.3: 90 days before its last day, and when it has passed."""
        profile = (await self._lawbook.law(change.tx, government=True)).profile
        left = profile.expires_soon(today(change.at))
        if left is None:
            return
        word = "policy.expiring" if left >= 0 else "policy.expired"
        facts = {"profile": profile.id, "title": profile.title, "expires": str(profile.expires), "days": str(left)}
        key = f"{word}/{profile.id}/{profile.expires}"
        await notify(change, to=[AUTHORITY], word=word, about=Subject("policy", profile.id), facts=facts, key=key)

    async def _next_year(self, change: Change) -> None:
        day = today(change.at)
        calendar = await self._lawbook.calendar(change.tx)
        year = day.year + 1
        announced = year in calendar.years and calendar.years[year].announced
        if announced or (day.month, day.day) < ALARM_FROM:
            return
        facts = {"region": calendar.region, "year": str(year)}
        about = Subject("calendar", calendar.region)
        key = f"calendar.missing/{calendar.region}/{year}"
        await notify(change, to=[AUTHORITY], word="calendar.missing", about=about, facts=facts, key=key)
