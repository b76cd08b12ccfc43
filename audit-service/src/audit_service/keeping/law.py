"""What the law in force adds to the periods: its numbers may only lengthen them. Pure."""

from audit_service.archive.periods import GENERAL_MONTHS, PERSONAL_MONTHS, YEAR, Periods
from statute.profiles import bundled
from statute.resolve import Law

_CALLS = {"audit.call_log_months": 1}
_PERSONAL = _CALLS | {
    "audit.usage_record_years": YEAR,
    "audit.personal_or_important_data_record_years": YEAR,
    "audit.pia_record_years": YEAR,
}
"""What the law says of a class, and how many months one of its units is."""


def under(profile: str, general_months: int = GENERAL_MONTHS, personal_months: int = PERSONAL_MONTHS) -> Periods:
    """The periods of an installation under a bundled profile, the longer of its own and the law's.

    Raises ValueError for periods that are too short in themselves, UnknownKey for a profile that is not there.
    """
    law = bundled().law(profile, government=True)
    Periods(general_months, personal_months)
    return Periods(max(general_months, _longest(law, _CALLS)), max(personal_months, _longest(law, _PERSONAL)))


def _longest(law: Law, times: dict[str, int]) -> int:
    values = [(law.value(key).value, months) for key, months in times.items()]
    return max((value * months for value, months in values if isinstance(value, int)), default=0)
