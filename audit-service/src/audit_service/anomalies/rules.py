"""What counts as unusual, as data: `rules.yaml`, or a file of the installation in its place.

Pure but for `rules_in`, which reads the file.
"""

from collections.abc import Iterator, Sequence
from datetime import time, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, field

from statute.strict_yaml import BadYaml, load

SLOT = timedelta(minutes=10)
"""What is counted together; windows are made of these."""
MOST_DAYS = 35
Id = Annotated[str, Meta(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$")]
Minutes = Annotated[int, Meta(ge=10, le=1440, multiple_of=10)]
Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Hour = Annotated[str, Meta(pattern=r"^(?:[01][0-9]|2[0-3]):[0-5]0$")]


class BadRules(Exception):
    """The rules cannot be used; one plain line says where and why."""


class ButNot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose calls a rule is not about."""

    systems: list[str] = []
    interfaces: list[str] = []
    departments: list[str] = []


class _Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    id: Id
    but_not: ButNot = ButNot()


class VolumeJump(_Rule, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="volume_jump"):
    """Calls of a system to an interface: `factor` times what is usual, and `at_least` so many."""

    minutes: Minutes
    days: Annotated[int, Meta(ge=1, le=MOST_DAYS)]
    known_days: Annotated[int, Meta(ge=0, le=MOST_DAYS)] = 3
    factor: Annotated[float, Meta(gt=1, le=1e6)]
    at_least: Count


class Enumeration(_Rule, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="enumeration"):
    """A system that asks about many different persons, or whose many different questions have no answer."""

    minutes: Minutes
    subjects: Count | None = None
    questions: Count | None = None
    miss_share: Annotated[float, Meta(gt=0, le=1)] | None = None


class NightUse(_Rule, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="night_use"):
    """Calls for personal data in these hours, China time."""

    start: Hour = field(name="from")
    end: Hour = field(name="to")
    at_least: Count

    @property
    def hours(self) -> tuple[time, time]:
        return time.fromisoformat(self.start), time.fromisoformat(self.end)

    @property
    def length(self) -> timedelta:
        start, end = (timedelta(hours=hour.hour, minutes=hour.minute) for hour in self.hours)
        return end - start if end > start else end - start + timedelta(days=1)


class RepeatedSubject(_Rule, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="repeated_subject"):
    """The same person on one day, China time: `times` by one system, or by so many systems of so many departments."""

    times: Count | None = None
    systems: Count | None = None
    departments: Count = 1


Rule = VolumeJump | Enumeration | NightUse | RepeatedSubject


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rules: list[Rule]


def rules_in(path: Path | None) -> Sequence[Rule]:
    """The rules of a file, those of the package for None. Raises BadRules."""
    if path is None:
        return parse((files("audit_service") / "anomalies" / "rules.yaml").read_text("utf-8"))
    try:
        return parse(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadRules(f"{path}: cannot be read: {error}") from None
    except BadRules as error:
        raise BadRules(f"{path}: {error}") from None


def parse(text: str) -> Sequence[Rule]:
    """Rules as text. Raises BadRules."""
    try:
        rules = msgspec.convert(load(text), _File).rules
    except (BadYaml, msgspec.ValidationError) as error:
        raise BadRules(" ".join(str(error).split())) from None
    for mistake in _mistakes(rules):
        raise BadRules(mistake)
    return rules


def _mistakes(rules: Sequence[Rule]) -> Iterator[str]:
    """What the form of a rule does not say."""
    known: set[str] = set()
    for rule in rules:
        if rule.id in known:
            yield f"{rule.id}: two rules of this name"
        known.add(rule.id)
        if not _is_whole(rule):
            yield f"{rule.id}: {_NEEDED[type(rule).__name__]}"


_NEEDED = {
    "Enumeration": "needs either subjects, or questions and miss_share",
    "NightUse": "from and to are the same",
    "RepeatedSubject": "needs either times or systems",
}


def _is_whole(rule: Rule) -> bool:
    match rule:
        case Enumeration():
            return ((rule.questions is None) == (rule.miss_share is None)) and (
                (rule.subjects is None) != (rule.questions is None)
            )
        case NightUse():
            return rule.start != rule.end
        case RepeatedSubject():
            return (rule.times is None) != (rule.systems is None)
        case VolumeJump():
            return True


def as_data(rules: Sequence[Rule]) -> object:
    """As they are shown."""
    return msgspec.to_builtins(rules)
