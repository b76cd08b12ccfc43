"""The table of consents to copying, and each of its guards."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from catalog_service.cases.kinds import EFFECTS, KINDS
from catalog_service.cases.model import Case
from catalog_service.cases.procedures import application
from catalog_service.cases.procedures.copy_consent import KIND, MACHINE, OVER
from catalog_service.machine import START, Role
from harness.machines import (
    CASE,
    attempt,
    check_every_row_is_taken,
    check_four_eyes,
    check_guard,
    check_sound,
    ever,
    guards_of,
    situation,
)
from runtime.errors import INVALID_REQUEST
from wire import codes

FORM = {"method": "file", "why": "断网环境使用"}
APPLICATION = msgspec.structs.replace(CASE, id="1", kind="application", state="submitted", details={"method": "file"})


def requested(profile: str = "changde", parent: Case | None = APPLICATION, state: str = START) -> Any:
    at = situation(profile, parent=parent, state=state, details=FORM)
    return attempt("request" if state == START else "consent", at, {Role.REQUESTER, Role.AUTHORITY}, details=FORM)


FORBIDDEN: dict[str, list[tuple[Callable[[], Any], Any]]] = {
    "is_of_an_application": [
        (lambda: requested(parent=None), INVALID_REQUEST),
        (lambda: requested(parent=msgspec.structs.replace(APPLICATION, kind="demand")), INVALID_REQUEST),
        (lambda: requested(parent=msgspec.structs.replace(APPLICATION, details={"method": "batch"})), INVALID_REQUEST),
        (lambda: requested(parent=msgspec.structs.replace(APPLICATION, state="withdrawn")), codes.CONFLICT),
        (lambda: requested(parent=msgspec.structs.replace(APPLICATION, state="granted"), state="requested"),
         codes.CONFLICT),
    ],
    "is_asked_for": [
        (lambda: requested("national"), codes.CONFLICT), (lambda: requested("jingdezhen"), codes.CONFLICT),
        (lambda: requested("yunnan"), codes.CONFLICT),
    ],
}  # fmt: skip


def test_the_table_is_sound() -> None:
    check_sound(KIND, EFFECTS)
    check_every_row_is_taken(MACHINE)
    check_four_eyes(MACHINE, {"consent"})


@pytest.mark.requirement("APP-11")
@pytest.mark.requirement("B-03")
def test_every_state_by_every_role() -> None:
    assert ever(MACHINE) == {
        "": {"requester": ["request"]},
        "requested": {"requester": ["withdraw"], "authority": ["consent", "refuse"]},
    }


def test_every_guard_is_tried() -> None:
    assert guards_of(KIND) == sorted(FORBIDDEN)


@pytest.mark.requirement("APP-11")
@pytest.mark.parametrize("guard", sorted(FORBIDDEN))
def test_taking_a_guard_out_lets_through_what_it_forbids(guard: str) -> None:
    for wanted, code in FORBIDDEN[guard]:
        assert check_guard(KIND, guard, wanted()).code is code


def test_an_application_is_over_in_its_last_states_and_where_it_is_decided() -> None:
    assert application.MACHINE.finals | {"provisioning"} == OVER
    assert KINDS["copy_consent"] is KIND
