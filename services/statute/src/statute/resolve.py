"""What applies: the local profile, the higher law above it, the platform's defaults beneath both.

A key is asked of the local profile; where a floor binds, the stricter of the two holds; where the local profile is
silent the floor answers, and where both are silent the platform, which is no law and says so. National art.23 leaves
shorter times standing; a longer one, or a wider ground, falls to the floor (立法法 99: higher law prevails).
"""

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from statute import schema
from statute.model import COLLECTIVE, RANKS, Answer, Clock, Profile, Rule, Source, UnknownKey

UNREAD = "unread"
"""The `cite` of a value in a part of the text that nobody could read yet."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One of those who are asked, and what it says by itself."""

    source: Source
    profile: Profile

    def rule(self, key: str) -> Rule | None:
        """The time limit with its number of days, or None."""
        entry = self.profile.entry(key)
        return entry if isinstance(entry, Rule) and entry.days is not None else None

    def value(self, entry: str, rest: str) -> object:
        """The value, a member of it or a qualifier beside it; None: silent."""
        found = self.profile.entry(entry)
        if isinstance(found, Rule):
            return _inside(found.written, rest) if rest else None
        if found is None or not rest:
            return found and found.value
        inside = _inside(found.value, rest)
        return _inside(found.also, rest) if inside is None else inside

    def cite(self, entry: str) -> str:
        """Instrument and article; the platform is no instrument."""
        found = self.profile.entry(entry)
        article = found.cite if found else ""
        return article if self.source == "platform" or not article else f"{self.profile.title} {article}"


class Law:
    """What applies under one profile to one pair of parties."""

    def __init__(self, profile: Profile, floor: Profile | None, platform: Profile, national: Profile | None) -> None:
        self.profile = profile
        above = [Layer("floor", floor)] if floor else []
        self.layers = (Layer("local", profile), *above, Layer("platform", platform))
        self._wording = [one for one in (profile, national, platform) if one]

    def clock(self, key: str) -> Clock | None:
        """The time limit that applies; None: nobody gives a number of days."""
        _entry_of(key, clock=True)
        said = [(layer, rule) for layer in self.layers if (rule := layer.rule(key))]
        if not said:
            return None
        if [layer.source for layer, _ in said[:2]] == ["local", "floor"]:
            return _stricter(key, *said[:2])
        return _clock(key, *said[0])

    def value(self, key: str) -> Answer:
        """The value that applies, of a whole entry or of a member in it; time limits are asked by `clock`."""
        if key in MEMBERWISE:
            return self._by_members(key)
        entry, rest = _entry_of(key, clock=False)
        said = [(layer, value) for layer in self.layers if (value := layer.value(entry, rest)) is not None]
        if not said:
            return Answer(key, None, "platform", "")
        layer, value = said[0]
        if key in STRICTER and [one.source for one, _ in said[:2]] == ["local", "floor"]:
            return _both(key, entry, *said[:2])
        return Answer(key, value, layer.source, layer.cite(entry))

    def ranks(self, key: str) -> frozenset[str]:
        """Ranks of which a legal basis must be one; none: a reason alone will do.

        key   `share.refusal`, or one of `catalog.basis_required`, as `catalog.basis_required.none`
        """
        return ranks(self.value(f"{key}.legal_basis" if key == "share.refusal" else key).value)

    def term(self, path: str) -> str:
        """How the profile calls a thing: `share.conditional` is 有条件共享类 here and 受限共享类 there."""
        for profile in self._wording:
            if path in profile.terms:
                return profile.terms[path]
        raise UnknownKey(f"no wording for {path}; there is: {', '.join(sorted(self._wording[-1].terms))}")

    def qualifier(self, key: str) -> str:
        """What is said of the time instead of a number, or beside it: timely, immediate …; "" if nothing."""
        _entry_of(key, clock=True)
        rules = [layer.profile.entry(key) for layer in self.layers]
        return next((rule.qualifier for rule in rules if isinstance(rule, Rule) and rule.qualifier), "")

    def unread(self, key: str) -> bool:
        """Whether the local text may say something here that nobody could read yet."""
        found = self.profile.entry(_split(key)[0])
        return found is not None and found.cite == UNREAD

    def alone(self, key: str) -> Iterator[Clock | Answer]:
        """What each layer says by itself, local first. An Answer without a value: it is silent."""
        entry, rest = _split(key)
        for layer in self.layers:
            rule = None if rest else layer.rule(entry)
            if rule:
                yield _clock(key, layer, rule)
            else:
                yield Answer(key, layer.value(entry, rest), layer.source, layer.cite(entry))

    def _by_members(self, key: str) -> Answer:
        answers = {name: self.value(f"{key}.{name}") for name in MEMBERWISE[key]}
        said = {name: answer for name, answer in answers.items() if answer.value is not None}
        if not said:
            return Answer(key, None, "platform", "")
        sources = list(dict.fromkeys(answer.source for answer in said.values()))
        cites = dict.fromkeys(cite for answer in said.values() for cite in answer.cite.split("; "))
        value = {name: answer.value for name, answer in said.items()}
        return Answer(key, value, sources[0] if len(sources) == 1 else "mixed", "; ".join(cites))


def ranks(words: Any) -> frozenset[str]:
    """The ranks among `words`, collective words taken apart."""
    apart = [rank for word in words or () for rank in COLLECTIVE.get(word, (word,))]
    return frozenset(RANKS) & frozenset(apart)


def _added_up(here: list[str], above: list[str]) -> list[str]:
    """Demands of both; of ranks those that both allow, and if there are none, those of the higher law."""
    words = list(dict.fromkeys(word for word in [*here, *above] if not ranks([word])))
    ours, theirs = ranks(here), ranks(above)
    allowed = (ours & theirs or theirs) if theirs else ours
    return [*words, *(rank for rank in RANKS if rank in allowed)]


def _chain(here: list[str], above: list[str]) -> list[str]:
    """Whoever has to agree under either, from the bottom up."""
    return sorted({*here, *above}, key=schema.CHAIN.index)


STRICTER: Mapping[str, Callable[[Any, Any], Any]] = {
    "catalog.fields_required": _added_up, "catalog.pre_assessment": _added_up, "catalog.approval_chain": _chain,
    "catalog.basis_required.conditional": _added_up, "catalog.basis_required.none": _added_up,
    "share.application_fields": _added_up, "share.refusal.legal_basis": _added_up,
    "share.refusal.reason": operator.or_, "share.refusal.report_to_authority": operator.or_,
    "audit.call_log_months": max, "audit.usage_record_years": max, "audit.pia_record_years": max,
    "audit.personal_or_important_data_record_years": max,
}  # fmt: skip
"""What is stricter than either, where local law and floor both speak. Elsewhere the local word stands."""

MEMBERWISE = {
    "catalog.basis_required": ("conditional", "none", "not_aggregated"),
    "share.refusal": ("reason", "legal_basis", "report_to_authority"),
}
"""Mappings that are answered member by member, since the stricter of two members may come from either side."""


def _split(key: str) -> tuple[str, str]:
    try:
        return schema.split(key)
    except KeyError:
        raise UnknownKey(f"no profile can say anything about {key}") from None


def _entry_of(key: str, *, clock: bool) -> tuple[str, str]:
    entry, rest = _split(key)
    if (schema.is_clock(entry) and not rest) != clock:
        raise UnknownKey(f"{key} is {'no' if clock else 'a'} time limit")
    return entry, rest


def _inside(value: object, rest: str) -> object:
    for name in rest.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _clock(key: str, layer: Layer, rule: Rule) -> Clock:
    extension = rule.extension
    return Clock(
        key=key, base=rule.days or 0, total=rule.total, unit=rule.unit, source=layer.source, cite=layer.cite(key),
        start=rule.start, actor=rule.actor, binding=rule.binding,
        approve_by=extension.approve_by if extension else "", notify=extension.notify if extension else (),
        reason=bool(extension and extension.reason),
    )  # fmt: skip


def _stricter(key: str, ours: tuple[Layer, Rule], theirs: tuple[Layer, Rule]) -> Clock:
    """Base and total are compared apart: no extension may outrun the floor's. Units agree; the reader saw to it."""
    local, floor = _clock(key, *ours), _clock(key, *theirs)
    base, total = min(local.base, floor.base), min(local.total, floor.total)
    for one in (local, floor):
        if (one.base, one.total) == (base, total):
            return one
    first = local if local.base == base else floor
    extension = floor if floor.total > floor.base else local  # who grants one: higher law, if it speaks of it
    return replace(
        first, base=base, total=total, source="mixed", cite=f"{local.cite}; {floor.cite}",
        approve_by=extension.approve_by, notify=extension.notify, reason=extension.reason,
    )  # fmt: skip


def _both(key: str, entry: str, ours: tuple[Layer, Any], theirs: tuple[Layer, Any]) -> Answer:
    (local, here), (floor, above) = ours, theirs
    value = STRICTER[key](here, above)
    if value == here:
        return Answer(key, value, "local", local.cite(entry))
    if value == above:
        return Answer(key, value, "floor", floor.cite(entry))
    return Answer(key, value, "mixed", f"{local.cite(entry)}; {floor.cite(entry)}")
