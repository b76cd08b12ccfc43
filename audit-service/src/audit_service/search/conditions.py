"""A filter as conditions of SQL; `Filter.matches` says the same of a row in hand. Pure."""

from dataclasses import dataclass, field
from typing import Any

from audit_service.search.store import COMBINATION
from audit_service.summary import EQUAL, Filter

SIEVED = ("case_no", "trace", "subject")
_LARGEST_STATUS = 32767


@dataclass(slots=True)
class Conditions:
    """Conditions that all have to hold, with their arguments in the order of the placeholders."""

    arguments: list[Any]
    texts: list[str] = field(default_factory=list)

    def add(self, text: str, *arguments: Any) -> None:
        """`text` has one {} for each argument."""
        first = len(self.arguments) + 1
        self.arguments += arguments
        self.texts.append(text.format(*(f"${n}" for n in range(first, first + len(arguments)))))

    def __str__(self) -> str:
        return " AND ".join(self.texts) or "true"


def of_row(wanted: Filter, into: Conditions) -> None:
    """Everything that a filter asks of a row of audit.record."""
    for name in EQUAL:
        if value := getattr(wanted, name):
            into.add(f"{name} = {{}}", value)
            if name in SIEVED:
                into.add(f"{name} <> ''")  # its index says so
    _of_calls(wanted, into)
    if wanted.since is not None:
        into.add("at >= {}", wanted.since)
    if wanted.before is not None:
        into.add("at < {}", wanted.before)


def of_combination(wanted: Filter, into: Conditions) -> bool:
    """What it asks of a row of audit.usage_day; False if that is nothing."""
    before = len(into.texts)
    for name in COMBINATION:
        if value := getattr(wanted, name, ""):
            into.add(f"{name} = {{}}", value)
    _of_calls(wanted, into)
    return len(into.texts) > before


def _of_calls(wanted: Filter, into: Conditions) -> None:
    if wanted.party:
        into.add("(department = {} OR provider = {})", wanted.party, wanted.party)
    if wanted.outcome or wanted.mode:
        into.add("kind <> 'event'")
    if wanted.outcome:
        _outcome(wanted.outcome, into)


def _outcome(outcome: str, into: Conditions) -> None:
    """As in `summary.outcomes_of`: also a code may be called `ok` or look like a status."""
    match outcome:
        case "ok":
            into.add("code IN ('', 'ok')")
        case "refused":
            into.add("code <> ''")
        case _ if outcome.isascii() and outcome.isdigit() and str(int(outcome)) == outcome and len(outcome) <= 5:
            into.add("(status = {}::int OR code = {} AND code <> '')", min(int(outcome), _LARGEST_STATUS + 1), outcome)
        case _:
            into.add("code = {} AND code <> ''", outcome)
