"""In which mode a grant is asked: as replied, as asked for, as the entry is offered (云南 29)."""

from typing import Any

import msgspec
import pytest

from catalog_service.cases.model import Evidence, Situation
from catalog_service.cases.procedures import sharing
from catalog_service.directory.entry import Basis, Resource, Share
from catalog_service.directory.model import Interface
from harness.machines import CASE, situation
from runtime.errors import Refusal
from wire.catalog import Field, Operation

FORM: dict[str, Any] = {"purpose": "公租房资格审核", "fields": ["pension"]}
INTERFACE = Interface(
    id="rsj-social-insurance", version="v1", provider="rsj", resource="2039900100003/000001", name="…",
    base_url="http://rsj", networks=["10.0.0.0/8"], operations=[Operation(method="GET", path="", target="/")],
    fields=[Field(name="name", mask="name_first"), Field(name="pension")],
)  # fmt: skip
SHARES = {
    "conditional": Share(type="conditional", condition="限住房保障"), "unconditional": Share(type="unconditional"),
    "none": Share(type="none", reason="…", legal_basis=[Basis(law="…")]),
    "compared": Share(type="none", mode="compare", reason="…", legal_basis=[Basis(law="…")]),
}  # fmt: skip


def applied(profile: str, share: str, interface: Interface = INTERFACE, **members: Any) -> Situation:
    """An application for an entry that is shared in one of the ways of SHARES."""
    resource = Resource(code=INTERFACE.resource, name="…", provider="rsj", summary="…", share=SHARES[share])
    case = msgspec.structs.replace(CASE, kind="application", system="zjj-housing", interface=INTERFACE.key)
    known = {"resource": resource, "interface": interface, "case": case, "state": "submitted"}
    return situation(profile, **{**known, **members})


@pytest.mark.requirement("CON-09")
@pytest.mark.parametrize(
    ("share", "own", "asked", "replied", "given"),
    [
        ("conditional", "query", "", "", "query"),
        ("conditional", "query", "verify", "", "verify"),
        ("conditional", "query", "", "compare", "compare"),
        ("conditional", "query", "compare", "verify", "verify"),
        ("conditional", "compare", "", "", "query"),
        ("compared", "query", "", "", "compare"),
        ("compared", "query", "query", "", "compare"),
        ("compared", "query", "", "query", "compare"),
        ("compared", "query", "verify", "", "verify"),
        ("compared", "compare", "", "", "query"),
        ("compared", "verify", "compare", "", "query"),
        ("unconditional", "query", "verify", "", "verify"),
        ("none", "query", "verify", "", "verify"),
    ],
)
def test_the_mode_is_as_replied_asked_or_offered_and_never_more(
    share: str, own: Any, asked: str, replied: Any, given: str
) -> None:
    """`query` where the interface tells no more by itself: it is asked as it is."""
    interface = msgspec.structs.replace(INTERFACE, mode=own)
    at = applied("yunnan", share, interface=interface, details={**FORM, "mode": asked}, evidence=Evidence(mode=replied))
    assert sharing.grant_of(at, "g").mode == given


@pytest.mark.requirement("CON-09")
@pytest.mark.parametrize(
    ("share", "asked", "replied", "wrong"),
    [
        ("conditional", "verify", "compare", ["/body/mode"]),
        ("conditional", "", "verify", []),
        ("compared", "", "query", ["/body/mode"]),
        ("unconditional", "", "verify", ["/body/mode"]),
        ("unconditional", "verify", "verify", []),
        ("none", "verify", "query", ["/body/mode"]),
    ],
)
def test_a_reply_tells_no_more_than_was_asked_and_no_less_of_what_everybody_gets(
    share: str, asked: str, replied: Any, wrong: list[str]
) -> None:
    at = applied("yunnan", share, details={**FORM, "mode": asked}, evidence=Evidence(mode=replied))
    if not wrong:
        sharing.is_within_request(at)
        return
    with pytest.raises(Refusal) as refused:
        sharing.is_within_request(at)
    assert [error["path"] for error in refused.value.facts["errors"]] == wrong  # type: ignore[attr-defined]


@pytest.mark.requirement("CON-09")
@pytest.mark.parametrize(
    ("profile", "share", "asked", "way"),
    [
        ("yunnan", "none", "", ""),
        ("yunnan", "none", "query", ""),
        ("yunnan", "none", "verify", "verify"),
        ("national", "none", "verify", ""),
        ("national", "compared", "", "verify"),
        ("changde", "none", "verify", "negotiated"),
    ],
)
def test_where_the_law_says_so_what_is_not_shared_is_verified_against_unasked(
    profile: str, share: str, asked: str, way: str
) -> None:
    """云南 29 ¶3; elsewhere the entry has to offer it."""
    assert sharing.way(applied(profile, share, details={**FORM, "mode": asked})) == way
