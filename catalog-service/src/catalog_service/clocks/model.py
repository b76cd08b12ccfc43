"""A clock: one time limit of the law as it runs for one case, and who has to hear of it (B.16). Pure."""

from datetime import date, datetime
from typing import Literal

import msgspec

from catalog_service.clocks.states import State
from catalog_service.feed.model import Actor
from catalog_service.notices.model import Address
from catalog_service.notices.model import Subject as Subject  # clocks and notices are about the same things
from statute.model import Binding, Unit
from wire import scopes


class Clock(msgspec.Struct, frozen=True, kw_only=True):
    """One time limit; both sides see it whole.

    responsible    the department whose duty it measures, "" for the authority    counterpart  who waits, "" for nobody
    source         "set": a date that somebody set within their power, no text gives days
    base, total    days (hours) as the law gives them, and with the longest extension; 0 where a date was set
    due, due_at    the last day, and the instant at which it ends
    latest_due_at  the latest end ever shown; only after it is the clock overdue (B.16: never silently shorter)
    provisional    touches a year whose holidays are not announced yet; `shown` says so in words (C.7.3)
    binding        in_principle: passing the end is told once, but breaks no rule: `violation` stays false
    marks          shares of the time after which the responsible are reminded
    escalate_to    who hears of an end that has passed, besides the responsible officer
    told           how often it was told that the end has passed
    """

    id: str
    subject: Subject
    key: str
    state: State
    responsible: str
    counterpart: str
    profile: str
    profile_version: str
    region: str
    calendar: str
    source: Literal["local", "floor", "mixed", "platform", "set"]
    cite: str
    binding: Binding
    unit: Unit
    base: int
    total: int
    started_at: datetime
    due: date
    due_at: datetime
    latest_due_at: datetime
    provisional: bool
    shown: str
    approve_by: str = ""
    notify: list[str] = []
    reason_needed: bool = False
    extended_by: int = 0
    violation: bool = False
    marks: list[float] = []
    escalate_to: list[str] = []
    told: int = 0
    ended_at: datetime | None = None

    @property
    def officer(self) -> Address:
        """Whose desk it is on."""
        return _desk(self.responsible)

    @property
    def waiting(self) -> list[Address]:
        """Who waits for it."""
        return [_desk(self.counterpart)] if self.counterpart else []

    @property
    def superiors(self) -> list[Address]:
        """Who hears of an end that has passed (督办): the profile's reminders.overdue_escalate_to."""
        offices = {"dept_head": Address(self.responsible, scopes.HEAD), "authority": Address("", scopes.AUTHORITY)}
        if not self.responsible:
            del offices["dept_head"]
        return [offices[word] for word in self.escalate_to if word in offices]


def may_see(actor: Actor, clock: Clock) -> bool:
    """Both sides, and those who supervise them (B.16)."""
    return actor.side in {clock.responsible, clock.counterpart} - {""} or actor.oversees


def _desk(department: str) -> Address:
    return Address(department, scopes.OFFICER if department else scopes.AUTHORITY)
