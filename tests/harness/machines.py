"""How tests walk the tables of procedures: every state by role by event, every row, every guard taken out."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from catalog_service.cases.model import Case, Evidence, Kind, Situation
from catalog_service.feed.model import Actor
from catalog_service.machine import START, Attempt, Machine, Role, Rules, step
from runtime.errors import Refusal
from statute.model import CLOCK_KEYS
from statute.profiles import bundled
from wire import codes

NOON = datetime(2026, 10, 12, 4, 0, 0, tzinfo=UTC)
"""A Monday, noon in China."""
CASE = Case(
    id="0", number="X-2026-000001", kind="", state="", requester="zjj", provider="rsj", maker="zjj-client",
    makers=["zjj-client"], opened=0, profile="national", profile_version="1", calendar="CN/1", government=True,
)  # fmt: skip
Matrix = dict[str, dict[str, list[str]]]
"""state -> role -> events that it may take there."""


class Anything(Mapping[str, object]):
    """Evidence that holds whatever a row needs."""

    def __getitem__(self, name: str) -> object:
        return f"some {name}"

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return 0


def situation(profile: str = "national", *, government: bool = True, **members: Any) -> Situation:
    """A situation under a bundled profile; `members` are those of `Situation`, or of `Case` for what only that has."""
    only_cases = set(Case.__struct_fields__) - set(Situation.__dataclass_fields__)
    of_case = {name: members.pop(name) for name in only_cases & members.keys()}
    case = members.pop("case", CASE)
    case = msgspec.structs.replace(case, **{"profile": profile, "government": government, **of_case})
    known: dict[str, Any] = {
        "law": bundled().law(profile, government=government), "evidence": Evidence(),
        "actor": Actor("rsj-client", "rsj"), "roles": frozenset(), "at": NOON,
    }  # fmt: skip
    return Situation(**{**known, **members, "case": case})


def attempt(
    event: str, at: Situation, roles: Iterable[Role], *, details: Mapping[str, object] | None = None
) -> Attempt[Situation]:
    """What the engine makes of a situation; `details` is the form that a case is opened with."""
    evidence = msgspec.structs.asdict(at.evidence) if details is None else details
    return Attempt(
        event=event, state=at.case.state, roles=frozenset(roles), client=at.actor.client,
        makers=frozenset(at.case.makers), evidence=evidence, situation=at,
    )  # fmt: skip


# --- the table itself -----------------------------------------------------------------------------------------------
def check_sound(kind: Kind, effects: Mapping[str, object]) -> None:
    """Every name in the table means something, every state can be reached and left."""
    machine, rows = kind.machine, kind.machine.rows
    states = set(machine.states)
    assert machine.finals <= states
    assert {row.target for row in rows} | {source for row in rows for source in row.sources} == states | {START}, (
        "states"
    )
    assert {row.when for row in rows} - {""} == set(kind.rules.conditions), "conditions"
    assert {name for row in rows for name in row.guards} == set(kind.rules.guards), "guards"
    assert {name for row in rows for name in row.effects} <= effects.keys(), "effects"
    started = {key for row in rows for key in row.starts}
    assert {key for row in rows for key in row.stops} <= started, "clocks that are stopped"
    assert started == set(kind.responsible), "clocks with somebody responsible"
    assert all("." not in key or key in CLOCK_KEYS for key in started), "clocks"
    assert all(row.cite and row.by for row in rows), "article and role of every row"
    assert kind.form.__struct_config__.forbid_unknown_fields, "a form refuses what it does not know"
    _check_needs(kind)
    assert _reached(machine, {START}) >= states, f"never reached: {states - _reached(machine, {START})}"
    for state in states - machine.finals:
        assert _reached(machine, {state}) & machine.finals, f"no way to an end from {state}"


def _check_needs(kind: Kind) -> None:
    for row in kind.machine.rows:
        has = kind.form.__struct_fields__ if row.sources == (START,) else Evidence.__struct_fields__
        assert set(row.needs) <= set(has), f"{row.event} needs what nobody can send: {set(row.needs) - set(has)}"


def _reached(machine: Machine, known: set[str]) -> set[str]:
    while True:
        found = known | {row.target for row in machine.rows if known & set(row.sources)}
        if found == known:
            return found
        known = found


# --- state by role --------------------------------------------------------------------------------------------------
def walk(machine: Machine, conditions: Iterable[str] | None = None) -> Matrix:
    """What `step` lets every role do in every state, guards aside; checks that all else is refused as it should be.

    conditions  names of those that hold; None: all of them
    """
    rules = _permissive(machine, conditions)
    found: Matrix = {}
    for state in (START, *machine.states):
        for role in Role:
            events = [event for event in machine.events if _takes(machine, rules, state, role, event)]
            if events:
                found.setdefault(state, {})[role.value] = events
    return found


def ever(machine: Machine) -> Matrix:
    """What every role may do in every state under some law: `walk` with no condition and with each one, together."""
    together: Matrix = {}
    for one in ("", *sorted({row.when for row in machine.rows} - {""})):
        for state, roles in walk(machine, {one} - {""}).items():
            for role, events in roles.items():
                known = together.setdefault(state, {}).setdefault(role, [])
                known += [event for event in events if event not in known]
    return {
        state: {role: [event for event in machine.events if event in events] for role, events in roles.items()}
        for state, roles in together.items()
    }


def _permissive(machine: Machine, conditions: Iterable[str] | None) -> Rules[Any]:
    names = {row.when for row in machine.rows} - {""}
    holding = names if conditions is None else set(conditions)
    assert holding <= names
    return Rules(
        conditions={name: lambda _, holds=name in holding: holds for name in names},  # type: ignore[misc]
        guards={name: lambda _: None for row in machine.rows for name in row.guards},
    )


def _takes(machine: Machine, rules: Rules[Any], state: str, role: Role, event: str) -> bool:
    wanted = Attempt(
        event=event, state=state, roles=frozenset({role}), client="somebody", makers=frozenset({"maker"}),
        evidence=Anything(), situation=None,
    )  # fmt: skip
    try:
        row = step(machine, rules, wanted)
    except Refusal as refusal:
        refused = refusal
    else:
        return role in row.by and state in row.sources
    somebody = any(state in row.sources and row.event == event for row in machine.rows)
    assert refused.code in {codes.NOT_IN_THIS_STATE, codes.NOT_YOUR_STEP if somebody else codes.NOT_IN_THIS_STATE}
    assert refused.facts["article"]
    return False


def check_every_row_is_taken(machine: Machine) -> None:
    """No row stands behind another that always comes first."""
    for row in machine.rows:
        rules = _permissive(machine, {row.when} - {""})
        wanted = Attempt(
            event=row.event, state=row.sources[0], roles=frozenset({row.by[0]}), client="somebody",
            makers=frozenset({"maker"}), evidence=Anything(), situation=None,
        )  # fmt: skip
        assert step(machine, rules, wanted) is row, f"{row.sources[0]} {row.event}"


def check_four_eyes(machine: Machine, events: set[str]) -> None:
    """These events, and no others, are not for the hands that made what is decided."""
    assert {row.event for row in machine.rows if row.four_eyes} == events
    for row in machine.rows:
        if row.four_eyes:
            wanted = Attempt(
                event=row.event, state=row.sources[0], roles=frozenset({row.by[0]}), client="maker",
                makers=frozenset({"maker"}), evidence=Anything(), situation=None,
            )  # fmt: skip
            with pytest.raises(Refusal) as refused:
                step(machine, _permissive(machine, {row.when} - {""}), wanted)
            assert refused.value.code is codes.FOUR_EYES
            assert refused.value.facts["article"] == row.cite


# --- guards ---------------------------------------------------------------------------------------------------------
def guards_of(kind: Kind) -> list[str]:
    """Names of the guards, for `parametrize`."""
    return sorted({name for row in kind.machine.rows for name in row.guards})


def check_guard(kind: Kind, guard: str, wanted: Attempt[Situation]) -> Refusal:
    """This guard refuses the attempt, and it alone: taken out, the step is allowed. Answers its refusal."""
    with pytest.raises(Refusal) as refused:
        step(kind.machine, kind.rules, wanted)
    without = replace(kind.rules, guards={**kind.rules.guards, guard: lambda _: None})
    row = step(kind.machine, without, wanted)
    assert guard in row.guards
    return refused.value
