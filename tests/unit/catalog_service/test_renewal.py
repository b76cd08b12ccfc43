"""The table of renewals, and each of its guards."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from catalog_service.cases.kinds import EFFECTS
from catalog_service.cases.model import Evidence, Opening, Situation
from catalog_service.cases.procedures.renewal import KIND, MACHINE, months
from catalog_service.directory.entry import Basis, Resource, Share
from catalog_service.directory.model import Interface
from catalog_service.feed.model import Actor
from catalog_service.machine import START, Role
from harness.machines import (
    NOON,
    attempt,
    check_every_row_is_taken,
    check_four_eyes,
    check_guard,
    check_sound,
    ever,
    guards_of,
    situation,
)
from runtime.errors import INVALID_REQUEST, Refusal
from wire import codes
from wire.catalog import Field, Grant, Operation, State

RESOURCE = Resource(
    code="2039900100003/000001", name="…", provider="rsj", summary="…", share=Share(type="conditional", condition="…")
)
INTERFACE = Interface(
    id="rsj-x", version="v1", provider="rsj", resource=RESOURCE.code, name="…", base_url="http://rsj",
    networks=["10.0.0.0/8"], operations=[Operation(method="GET", path="", target="/")], fields=[Field(name="pension")],
)  # fmt: skip
GRANT = Grant(
    id="g", revision=1, system="s", department="zjj", interface="rsj-x/v1", purpose="…", fields=["pension"],
    not_after=int(NOON.timestamp()) + 86_400,
)  # fmt: skip
STOPPED = State(standing="suspended", since="…", by="rsj", reason="…")
NOT_SHARED = msgspec.structs.replace(RESOURCE, share=Share(type="none", reason="…", legal_basis=[Basis(law="…")]))

COMPARED = msgspec.structs.replace(RESOURCE, share=msgspec.structs.replace(NOT_SHARED.share, mode="compare"))


def asked(profile: str = "national", **members: Any) -> Situation:
    known: dict[str, Any] = {"resource": RESOURCE, "interface": INTERFACE, "grant": GRANT, "state": "submitted"}
    return situation(profile, **{**known, **members})


def agree(**members: Any) -> Any:
    return attempt("agree", asked(**members), {Role.PROVIDER})


def refuse(**said: Any) -> Any:
    return attempt("refuse", asked("changde", evidence=Evidence(reason="…", **said)), {Role.PROVIDER})


LAWFUL = [Basis(law="个人信息保护法", rank="法律")]
FORBIDDEN: dict[str, list[tuple[Callable[[], Any], Any]]] = {
    "is_renewable": [
        (lambda: agree(grant=None), INVALID_REQUEST),
        (lambda: agree(grant=msgspec.structs.replace(GRANT, state=STOPPED)), codes.CONFLICT),
        (lambda: agree(grant=msgspec.structs.replace(GRANT, not_after=0)), codes.CONFLICT),
        (lambda: agree(interface=msgspec.structs.replace(INTERFACE, stage="offline")), codes.CONFLICT),
        (lambda: agree(resource=NOT_SHARED), codes.NOT_SHARED),
        (lambda: agree(profile="changde", resource=NOT_SHARED), codes.NOT_SHARED),
        (lambda: agree(resource=COMPARED), codes.NOT_SHARED),
        (lambda: agree(details={"term_months": 6}, evidence=Evidence(term_months=7)), INVALID_REQUEST),
    ],
    "basis_allowed": [(refuse, codes.GROUND_NOT_ALLOWED)],
    "incomplete_is_no_ground": [
        (lambda: refuse(legal_basis=LAWFUL, missing=["使用时限"]), codes.INCOMPLETE_IS_NO_GROUND)
    ],
}


def test_the_table_is_sound() -> None:
    check_sound(KIND, EFFECTS)
    check_every_row_is_taken(MACHINE)
    check_four_eyes(MACHINE, {"agree", "refuse", "confirm", "approve"})


@pytest.mark.requirement("APP-13")
@pytest.mark.requirement("B-03")
def test_every_state_by_every_role() -> None:
    assert ever(MACHINE) == {
        "": {"requester": ["apply"]},
        "submitted": {"requester": ["withdraw"], "provider": ["agree", "refuse"]},
        "reply_sign": {"requester": ["withdraw"], "provider-head": ["confirm", "send_back"]},
        "authority_review": {"requester": ["withdraw"], "authority": ["refuse", "approve"]},
    }


def test_every_guard_is_tried() -> None:
    assert guards_of(KIND) == sorted(FORBIDDEN)


@pytest.mark.requirement("APP-13")
@pytest.mark.parametrize("guard", sorted(FORBIDDEN))
def test_taking_a_guard_out_lets_through_what_it_forbids(guard: str) -> None:
    for wanted, code in FORBIDDEN[guard]:
        assert check_guard(KIND, guard, wanted()).code is code


@pytest.mark.requirement("APP-13")
def test_the_term_is_as_replied_as_asked_or_as_usual() -> None:
    assert months(asked()) == 12
    assert months(asked(details={"term_months": 6})) == 6
    assert months(asked(details={"term_months": 6}, evidence=Evidence(term_months=3))) == 3
    assert months(asked(decision={"reply": {"term_months": 2}})) == 2


@pytest.mark.requirement("CON-09")
def test_what_is_not_shared_any_more_goes_on_only_as_far_as_it_tells_no_fact() -> None:
    compares = msgspec.structs.replace(GRANT, mode="compare")
    assert agree(resource=COMPARED, grant=compares)
    assert agree(resource=COMPARED, interface=msgspec.structs.replace(INTERFACE, mode="compare"))
    assert agree(profile="yunnan", resource=NOT_SHARED, grant=compares)


def test_a_renewal_names_a_grant() -> None:
    opening = Opening(kind="renewal", actor=Actor("zjj-client", "zjj"), details={}, grant=GRANT, interface=INTERFACE)
    assert KIND.sides(opening) == ("zjj", "rsj")
    with pytest.raises(Refusal) as refused:
        KIND.sides(Opening(kind="renewal", actor=Actor("zjj-client", "zjj"), details={}))
    assert refused.value.facts["errors"] == [{"path": "/body/grant", "error": "the grant that is to be renewed"}]
    assert START not in MACHINE.finals
