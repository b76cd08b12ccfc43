"""The states of a clock, as a table (B.16). Pure.

No person moves a clock: procedures start, extend and stop it, the worker sees that its end has passed.
"""

from collections.abc import Collection
from typing import Literal, cast

from catalog_service.machine import START, Machine, Role, Row

State = Literal["running", "extended", "overdue", "met", "met_late", "cancelled"]
B16 = "B.16"
SYSTEM = (Role.WORKER,)
RUNNING: tuple[State, ...] = ("running", "extended", "overdue")

CLOCK = Machine(
    name="clock",
    title=("时限", "Time limit"),
    cite=B16,
    labels={
        "running": ("计时中", "running"),
        "extended": ("已延长", "extended"),
        "overdue": ("已超期", "overdue"),
        "met": ("按期办结", "met"),
        "met_late": ("超期办结", "met late"),
        "cancelled": ("已取消", "cancelled"),
    },
    finals=frozenset({"met", "met_late", "cancelled"}),
    rows=(
        Row(event="start", sources=(START,), target="running", by=SYSTEM, cite="民法典 201"),
        Row(event="extend", sources=("running", "extended"), target="extended", by=SYSTEM, cite="国务院令第809号 21"),
        Row(event="pass", sources=("running", "extended"), target="overdue", by=SYSTEM, cite=B16, when="must"),
        Row(event="stop", sources=("running", "extended"), target="met", by=SYSTEM, cite=B16, when="in_time"),
        Row(event="stop", sources=RUNNING, target="met_late", by=SYSTEM, cite=B16),
        Row(event="postpone", sources=("overdue",), target="extended", by=SYSTEM, cite=B16, when="was_extended"),
        Row(event="postpone", sources=("overdue",), target="running", by=SYSTEM, cite=B16),
        Row(event="cancel", sources=RUNNING, target="cancelled", by=SYSTEM, cite=B16),
    ),
)


def next_state(state: str, event: str, holds: Collection[str] = ()) -> State:
    """The state after `event`; `holds` are the conditions that are true. LookupError: the table has no such step."""
    for row in CLOCK.rows:
        if row.event == event and state in row.sources and (not row.when or row.when in holds):
            return cast(State, row.target)
    raise LookupError(f"no {event} from {state or 'nothing'}")
