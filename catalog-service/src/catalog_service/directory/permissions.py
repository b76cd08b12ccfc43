"""Who may change what: every department what it is responsible for, the platform's own department everything. Pure.

Scopes say what a token is for (`wire.scopes`); this says whose things it is for. Source: 国务院令第809号 11, 20.
"""

from catalog_service.directory.model import Act
from catalog_service.feed.model import PLATFORM, Actor
from runtime.errors import Refusal
from wire import codes
from wire.catalog import State


def check_responsible(actor: Actor, department: str) -> None:
    """Raise Refusal(NOT_RESPONSIBLE) unless the actor acts for `department` or for the platform."""
    if actor.department not in (department, PLATFORM):
        raise Refusal(codes.NOT_RESPONSIBLE, f"{department} is responsible", responsible=department)


def check_own(actor: Actor, department: str) -> None:
    """Raise Refusal(NOT_RESPONSIBLE) unless the actor acts for `department` itself."""
    if actor.department != department:
        raise Refusal(codes.NOT_RESPONSIBLE, f"{department} is responsible", responsible=department)


def check_may_move(actor: Actor, department: str, state: State, act: Act) -> None:
    """The responsible may act; what another department suspended, only that one or the platform resumes."""
    check_responsible(actor, department)
    if act == "resume" and state.standing == "suspended":
        check_responsible(actor, state.by)
