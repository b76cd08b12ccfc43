"""What a case and its steps take, and where they say that something does not fit."""

from typing import Any

import pytest

from harness.applications import NAMED, handed_in, rows
from harness.cases import (
    ASKING,
    GIVING,
    WHOLE,
    Cases,
)
from harness.catalog import INTERFACE, RESOURCE

pytestmark = pytest.mark.anyio


BAD_FORMS: list[tuple[Any, str]] = [
    ({}, "/body/details/purpose"),
    ({"purpose": ""}, "/body/details/purpose"),
    ({"purpose": 1}, "/body/details/purpose"),
    ({"purpose": "…", "urgent": True}, "/body/details/urgent"),
    ({"purpose": "…", "fields": ["pension", 1]}, "/body/details/fields/1"),
    ({"purpose": "…", "fields": ["pension", "salary"]}, "/body/details/fields/1"),
    ({"purpose": "…", "basis": [{"law": "…", "rank": "家规"}]}, "/body/details/basis/0/rank"),
    ({"purpose": "…", "basis": [{"article": "…"}]}, "/body/details/basis/0/law"),
    ({"purpose": "…", "basis": [{"law": "…", "extra": 1}]}, "/body/details/basis/0/extra"),
    ({"purpose": "…", "term_months": 121}, "/body/details/term_months"),
    ({"purpose": "…", "term_months": True}, "/body/details/term_months"),
    ({"purpose": "…", "method": "fax"}, "/body/details/method"),
    ({"purpose": "…", "mode": "steal"}, "/body/details/mode"),
    ({"purpose": "x" * 201}, "/body/details/purpose"),
    ({"purpose": "\x00"}, "/body/details"),
    ({"purpose": "x" * 4001}, "/body/details"),
    ({"purpose": "…", "x": [[[[[[[[[1]]]]]]]]]}, "/body/details"),
    ({"purpose": "…", "x": [0] * 5001}, "/body/details"),
    ({"purpose": "…", "term_months": 10**30}, "/body/details"),
]
"""Details of an application, and where they do not fit."""


@pytest.mark.requirement("CAS-04")
async def test_a_form_that_does_not_fit_says_where(cases: Cases) -> None:
    for details, path in BAD_FORMS:
        answer = await cases.open("application", ASKING, details=details, **NAMED)
        assert (answer.status_code, answer.json()["code"]) == (422, "request/invalid"), answer.text
        assert [error["path"] for error in answer.json()["errors"]] == [path]
    assert await rows(cases, "cases") == 0


BAD_NAMES: list[tuple[dict[str, Any], str]] = [
    ({"kind": "divorce"}, "/body/kind"),
    ({"system": ""}, "/body/system"),
    ({"interface": ""}, "/body/interface"),
    ({"system": "nobody"}, "/body/system"),
    ({"interface": "rsj-social-insurance/v9"}, "/body/interface"),
    ({"interface": "rsj-social-insurance"}, "/body/interface"),
    ({"resource": "2039900100003/000009"}, "/body/resource"),
    ({"grant": "0"}, "/body/grant"),
    ({"parent": "0"}, "/body/parent"),
    ({"requester": "jyj"}, "/body/requester"),
    ({"provider": "zjj"}, "/body/provider"),
    ({"event": "SELECT"}, "/body/event"),
    ({"urgent": True}, "/body/urgent"),
    ({"details": []}, "/body/details"),
]
"""What an application names, and what of it is not there."""


@pytest.mark.requirement("CAS-04")
async def test_what_is_named_has_to_be_there(cases: Cases) -> None:
    for named, path in BAD_NAMES:
        body = {"kind": "application", "details": WHOLE, **NAMED, **named}
        answer = await cases.ask("POST", "/cases", ASKING, body)
        assert (answer.status_code, answer.json()["code"]) == (422, "request/invalid"), answer.text
        assert [error["path"] for error in answer.json()["errors"]] == [path]


BAD_EVIDENCE: list[tuple[dict[str, Any], str]] = [
    ({"reason": "\x00"}, "/body/reason"),
    ({"reason": 1}, "/body/reason"),
    ({"until": "2026-02-30"}, "/body/until"),
    ({"until": "tomorrow"}, "/body/until"),
    ({"days": -1}, "/body/days"),
    ({"legal_basis": [{"law": ""}]}, "/body/legal_basis/0/law"),
    ({"documents": [{"name": "x", "sha256": "x"}]}, "/body/documents/0/sha256"),
    ({"masks": {"": "x"}}, "/body/masks//[key]"),
    ({"rate_per_s": -0.5}, "/body/rate_per_s"),
    ({"case": "../x"}, "/body/case"),
    ({"before_digest": "x"}, "/body/before_digest"),
    ({"mode": "steal"}, "/body/mode"),
    ({"decision": "yes"}, "/body/decision"),
]
"""What may come with a step, and where it is wrong."""


@pytest.mark.requirement("CAS-04")
async def test_evidence_is_checked_member_by_member(cases: Cases) -> None:
    case = await handed_in(cases)
    for evidence, path in BAD_EVIDENCE:
        answer = await cases.step(case, "accept", GIVING, **evidence)
        assert (answer.status_code, answer.json()["code"]) == (422, "request/invalid"), answer.text
        assert [error["path"] for error in answer.json()["errors"]] == [path]


@pytest.mark.requirement("CAS-04")
async def test_what_is_named_has_to_belong_together(cases: Cases) -> None:
    await cases.catalog.put("/systems/zjj-repairs", {"department": "zjj", "name": "维修资金系统"})
    await cases.catalog.put("/interfaces/rsj-z/versions/v1", INTERFACE)
    other = "2039900100003/000002"
    await cases.catalog.put(f"/resources/{other}", RESOURCE)
    grant = await cases.catalog.give()
    for named, path in (
        ({"interface": "rsj-z/v1", "grant": grant}, "/body/interface"),
        ({"system": "zjj-repairs", "grant": grant}, "/body/system"),
        ({"interface": "rsj-z/v1", "resource": other}, "/body/resource"),
    ):
        answer = await cases.open("renewal", ASKING, details={}, **named)
        assert [error["path"] for error in answer.json()["errors"]] == [path]


@pytest.mark.requirement("CAS-04")
async def test_a_missing_member_is_named_with_its_article(cases: Cases) -> None:
    case = await handed_in(cases)
    answer = await cases.step(case, "return", GIVING)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"path": "/body/missing", "error": "required by 国务院令第809号 21 ¶2"}]
    assert answer.json()["article"] == "国务院令第809号 21 ¶2"
