"""Procedures as transition tables: what may happen in which state, by whom, on what evidence, by which article. Pure.

A machine is data. Conditions, guards and effects stand in its rows by name and are looked up in mappings that the
caller brings, so that a table can be printed, drawn and walked by a test, and a guard taken out to see that it matters.
`step` is the only way to a new state.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from runtime.errors import INVALID_REQUEST, Refusal
from wire import codes, scopes

START = ""
"""The state of what is not there yet."""
S = TypeVar("S")


class Role(StrEnum):
    """As what somebody acts in one case; an office says who they are, the case says whose side that is."""

    REQUESTER = "requester"
    REQUESTER_HEAD = "requester-head"
    PROVIDER = "provider"
    PROVIDER_HEAD = "provider-head"
    AUTHORITY = "authority"
    UPPER_AUTHORITY = "upper-authority"
    GOVERNMENT = "government"
    SUBJECT = "subject"
    WORKER = "worker"


_ANYWHERE = {
    scopes.AUTHORITY: Role.AUTHORITY,
    scopes.UPPER_AUTHORITY: Role.UPPER_AUTHORITY,
    scopes.GOVERNMENT: Role.GOVERNMENT,
    scopes.SUBJECT: Role.SUBJECT,
}
_ON_A_SIDE = {
    scopes.OFFICER: (Role.REQUESTER, Role.PROVIDER),
    scopes.HEAD: (Role.REQUESTER_HEAD, Role.PROVIDER_HEAD),
}
OFFICE_OF = {role: office for office, role in _ANYWHERE.items()} | {
    role: office for office, roles in _ON_A_SIDE.items() for role in roles
}
"""The office that somebody with a role holds; the worker holds none."""


def roles_of(offices: Iterable[str], department: str, *, requester: str, provider: str) -> frozenset[Role]:
    """Which roles an actor of `department` has between these two departments ("" for nobody)."""
    roles = {_ANYWHERE[office] for office in offices if office in _ANYWHERE}
    for office in offices:
        if office in _ON_A_SIDE:
            asking, answering = _ON_A_SIDE[office]
            roles |= {asking} if department == requester else set()
            roles |= {answering} if department == provider else set()
    return frozenset(roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing that may happen.

    sources     states in which it may; START for opening
    needs       members of the evidence that have to be there and not empty
    when        name of a condition; rows of the same event are tried in order and the first that holds is taken
    guards      names of guards, each refuses by itself
    effects     names of what happens besides, in order
    starts, stops  keys of clocks (statute.CLOCK_KEYS, or a plain word for a date that somebody sets)
    tells       roles that get a notice
    four_eyes   whoever does this must not have made what it is about
    """

    event: str
    sources: tuple[str, ...]
    target: str
    by: tuple[Role, ...]
    cite: str
    needs: tuple[str, ...] = ()
    when: str = ""
    guards: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    tells: tuple[Role, ...] = ()
    four_eyes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A procedure. title: (zh, en); labels: state -> (zh, en); finals: states from which nothing follows by itself."""

    name: str
    title: tuple[str, str]
    cite: str
    labels: Mapping[str, tuple[str, str]]
    finals: frozenset[str]
    rows: tuple[Row, ...]

    @property
    def states(self) -> tuple[str, ...]:
        return tuple(self.labels)

    @property
    def events(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.event for row in self.rows))

    def open_to(self, state: str, roles: frozenset[Role]) -> list[str]:
        """Events that these roles may try in this state."""
        found = [row.event for row in self.rows if state in row.sources and roles & frozenset(row.by)]
        return list(dict.fromkeys(found))


Condition = Callable[[S], bool]
Guard = Callable[[S], None]
"""Raises the Refusal that says why not."""


@dataclass(frozen=True, slots=True)
class Rules(Generic[S]):
    """What the names in a table mean."""

    conditions: Mapping[str, Condition[S]]
    guards: Mapping[str, Guard[S]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt(Generic[S]):
    """Somebody wants `event` to happen; `makers` are the clients that made what it is about."""

    event: str
    state: str
    roles: frozenset[Role]
    client: str
    makers: frozenset[str]
    evidence: Mapping[str, object]
    situation: S


def step(machine: Machine, rules: Rules[S], attempt: Attempt[S]) -> Row:
    """The row that applies. Raises Refusal: 409 not in this state, 403 another role or the same hands, 422 evidence."""
    rows = [row for row in machine.rows if row.event == attempt.event and attempt.state in row.sources]
    if not rows:
        raise _not_now(machine, attempt)
    rows = [row for row in rows if not row.when or rules.conditions[row.when](attempt.situation)]
    if not rows:
        raise _not_now(machine, attempt)
    mine = [row for row in rows if attempt.roles & frozenset(row.by)]
    if not mine:
        raise _not_yours(rows, attempt)
    row = mine[0]
    if row.four_eyes and attempt.client in attempt.makers:
        raise Refusal(codes.FOUR_EYES, f"{attempt.client} made it", event=row.event, article=row.cite)
    _check_evidence(row, attempt.evidence, "/body/details" if attempt.state == START else "/body")
    for guard in row.guards:
        rules.guards[guard](attempt.situation)
    return row


def possible(machine: Machine, rules: Rules[S], attempt: Attempt[S]) -> list[str]:
    """Events that could be tried now by state, role, law and hands, whichever `attempt` names.

    Evidence and guards speak when one is tried.
    """
    found = [
        row.event
        for row in machine.rows
        if attempt.state in row.sources
        and attempt.roles & frozenset(row.by)
        and (not row.when or rules.conditions[row.when](attempt.situation))
        and not (row.four_eyes and attempt.client in attempt.makers)
    ]
    return list(dict.fromkeys(found))


def _not_now(machine: Machine, attempt: Attempt[S]) -> Refusal:
    possible = sorted({row.event for row in machine.rows if attempt.state in row.sources})
    detail = f"{attempt.event} does not follow {attempt.state or 'nothing'} in {machine.name}"
    return Refusal(
        codes.NOT_IN_THIS_STATE, detail, state=attempt.state, event=attempt.event, possible=possible,
        article=machine.cite,
    )  # fmt: skip


def _not_yours(rows: list[Row], attempt: Attempt[S]) -> Refusal:
    wanted = sorted({role.value for row in rows for role in row.by})
    detail = f"{attempt.event} is done by {' or '.join(wanted)}"
    yours = sorted(attempt.roles)
    return Refusal(codes.NOT_YOUR_STEP, detail, event=attempt.event, roles=wanted, yours=yours, article=rows[0].cite)


def _check_evidence(row: Row, evidence: Mapping[str, object], where: str) -> None:
    missing = [name for name in row.needs if not evidence.get(name)]
    if missing:
        errors = [{"path": f"{where}/{name}", "error": f"required by {row.cite}"} for name in missing]
        raise Refusal(INVALID_REQUEST, f"{row.event} needs {', '.join(missing)}", errors=errors, article=row.cite)


def drawn(machine: Machine, language: str = "zh") -> str:
    """The machine as a Mermaid state diagram; the pages in docs/ are made of this."""
    index = 0 if language == "zh" else 1
    lines = ["stateDiagram-v2"]
    lines += [f"    {state}: {label[index]}" for state, label in machine.labels.items()]
    for row in machine.rows:
        who = ", ".join(role.value for role in row.by)
        condition = f" [{row.when}]" if row.when else ""
        for source in row.sources:
            lines.append(f"    {source or '[*]'} --> {row.target}: {row.event} ({who}){condition}")
    lines += [f"    {state} --> [*]" for state in machine.labels if state in machine.finals]
    return "\n".join(lines)
