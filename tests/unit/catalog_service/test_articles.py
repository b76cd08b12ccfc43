"""Articles that one rule serves in several places: the same step under each text, refused by its own article."""

from typing import Any

import pytest
from msgspec.structs import replace

from catalog_service.cases.model import Evidence as Said
from catalog_service.cases.procedures import sharing
from catalog_service.cases.procedures.application import KIND
from catalog_service.directory.evidence import Evidence
from catalog_service.directory.filing import MACHINE, Situation
from catalog_service.directory.filing_rules import RULES
from catalog_service.directory.model import Department
from catalog_service.machine import Attempt, Role, step
from harness.entries import OPEN_FOR_ALL, changed, situation
from harness.machines import situation as case_situation
from runtime.errors import Refusal
from wire import codes


def law(row: str, *values: Any) -> Any:
    """A parameter that proves a row of the register by itself."""
    return pytest.param(*values, marks=pytest.mark.requirement(row))


def sent_up(at: Situation) -> str:
    evidence = {name: getattr(at.evidence, name) for name in Evidence.__struct_fields__}
    wanted = Attempt(
        event="send_up", state="draft", roles=frozenset({Role.PROVIDER}), client="gaj-officer", makers=frozenset(),
        evidence=evidence, situation=at,
    )  # fmt: skip
    return step(MACHINE, RULES, wanted).target


@pytest.mark.parametrize(
    ("profile", "article"),
    [
        law("NAT-02-03", "national", "art.3"), law("CD-02", "changde", "art.2"), law("ZB-02", "zibo", "art.2"),
        ("jingdezhen", "art.6"), ("deqing", "art.42"), ("yunnan", "art.2"),
    ],
)  # fmt: skip
def test_nothing_secret_is_catalogued(profile: str, article: str) -> None:
    assert sent_up(situation(profile, government=False)) == "dept_review"
    with pytest.raises(Refusal) as refused:
        sent_up(situation(profile, government=False, text=changed(secret=True)))
    assert refused.value.code is codes.SECRET_ENTRY
    assert article in str(refused.value.facts["article"])


@pytest.mark.parametrize(
    ("profile", "article"), [law("NAT-14-15", "national", "art.15"), law("ZB-09", "zibo", "art.9")]
)
def test_nobody_adds_conditions_to_what_everybody_may_have(profile: str, article: str) -> None:
    assert sent_up(situation(profile, government=False, text=changed(share=OPEN_FOR_ALL))) == "dept_review"
    text = changed(share=replace(OPEN_FOR_ALL, condition="须先协商"))
    with pytest.raises(Refusal) as refused:
        sent_up(situation(profile, government=False, text=text))
    assert refused.value.code is codes.ADDED_CONDITION
    assert article in str(refused.value.facts["article"])


@pytest.mark.requirement("CD-05")
@pytest.mark.parametrize(
    ("data_class", "known"), [("基础数据", True), ("主题数据", True), ("业务数据", True), ("", False), ("其他", False)]
)
def test_an_entry_is_of_one_of_the_three_classes(data_class: str, known: bool) -> None:
    at = situation("changde", government=False, text=changed(data_class=data_class))
    if known:
        assert sent_up(at) == "dept_review"
        return
    with pytest.raises(Refusal) as refused:
        sent_up(at)
    errors: Any = refused.value.facts["errors"]
    assert [(error["path"], "art.5" in error["article"]) for error in errors] == [("/text/data_class", True)]
    assert sent_up(situation("jingdezhen", government=False, text=changed(data_class=data_class))) == "dept_review"


# --- applications ---------------------------------------------------------------------------------------------------
FORM: dict[str, Any] = {"purpose": "公租房资格审核", "fields": [], "scene": "受理", "duty": "住房保障"}


@pytest.mark.requirement("YN-28")
def test_an_application_states_its_scene() -> None:
    def lacking(**form: Any) -> list[str]:
        details = {**FORM, **form}
        return sharing.lacking(case_situation("yunnan", government=False, details=details))

    assert lacking() == []
    assert lacking(scene="") == ["应用场景"]
    at = case_situation("yunnan", government=False, details={**FORM, "scene": ""})
    with pytest.raises(Refusal) as refused:
        sharing.is_complete(at)
    errors: Any = refused.value.facts["errors"]
    assert [(error["path"], "云南" in error["error"]) for error in errors] == [("/body/details/scene", True)]


def department(level: str) -> Department:
    return Department(id=level, name=level, level=level)


@pytest.mark.requirement("CD-13")
@pytest.mark.parametrize(
    ("asking", "holding", "authorities"),
    [
        ("city", "province", 1), ("city", "nation", 1), ("county", "province", 2), ("county", "nation", 2),
        ("county", "city", 2), ("city", "city", 0), ("county", "county", 0), ("province", "nation", 0),
        ("city", "", 0),
    ],
)  # fmt: skip
def test_what_the_levels_above_have_is_asked_for_through_the_authorities(
    asking: str, holding: str, authorities: int
) -> None:
    at: dict[str, Any] = {"requester": department(asking), "provider": department(holding)}
    assert sharing.goes_up(case_situation("changde", **at)) is bool(authorities)
    for done in range(authorities):
        left = sharing.hops_left(case_situation("changde", **at, decision={"hops": done}))
        assert left is (done + 1 < authorities)
    assert not sharing.goes_up(case_situation("yunnan", **at))


@pytest.mark.parametrize("holding", ["city", "province"])
def test_where_only_the_province_is_asked_through_the_authority_the_city_is_asked_directly(holding: str) -> None:
    """景德镇 5 ¶3: the city's bureau applies to the province's platform; nothing is said of counties."""
    at = case_situation("jingdezhen", requester=department("county"), provider=department(holding))
    assert sharing.goes_up(at) is (holding == "province")
    assert not sharing.hops_left(at)


# --- refusals -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("profile", "article"),
    [
        law("CD-11-2", "changde", "art.11"), law("JDZ-10-2", "jingdezhen", "art.10"), law("DQ-12", "deqing", "art.12"),
        law("YN-29-2", "yunnan", "art.29"),
    ],
)  # fmt: skip
def test_no_refusal_without_a_law(profile: str, article: str) -> None:
    at = case_situation(profile, government=False, evidence=Said(reason="不便提供"))
    with pytest.raises(Refusal) as refused:
        KIND.rules.guards["basis_allowed"](at)
    assert refused.value.code is codes.GROUND_NOT_ALLOWED
    assert article in str(refused.value.facts["article"])
