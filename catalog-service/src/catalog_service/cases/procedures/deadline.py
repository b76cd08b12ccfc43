"""Whether the day that somebody set for a case is over, and whether what was asked for has been reported. Pure.

The day is kept in the case's decision; the clock that runs to it only reminds (`effects.decision`).
"""

from datetime import date

from catalog_service.cases.model import Situation
from catalog_service.directory.contract import invalid
from runtime.errors import Refusal
from statute.calendar import SHANGHAI
from wire import codes


def today(situation: Situation) -> date:
    """The day on which the step is taken, where the law applies."""
    return situation.at.astimezone(SHANGHAI).date()


def day_of(text: str, path: str) -> date:
    """The day that somebody wrote at `path`. Raises Refusal(INVALID_REQUEST)."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise invalid((path, "a day such as 2026-10-31")) from None


def check_over(situation: Situation) -> None:
    """Raise Refusal(TOO_EARLY) while the time that was given still runs; its last day counts whole (民法典 203)."""
    until = date.fromisoformat(situation.case.decision["until"])
    if today(situation) <= until:
        raise Refusal(codes.TOO_EARLY, f"there is time until {until}", until=until.isoformat())


def check_reported(situation: Situation) -> None:
    """Raise Refusal(NOTHING_REPORTED): only what was reported since the day was set can be confirmed."""
    if not situation.case.decision.get("reported"):
        raise Refusal(codes.NOTHING_REPORTED, f"{situation.case.number}: nothing was reported yet")
