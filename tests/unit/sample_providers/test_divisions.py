"""Real division codes, by what is in force."""

from typing import Any

import pytest

from sample_providers import catalogue, city, divisions
from sample_providers.refusals import BadInput, NoRecord

CITY = city.found(catalogue.load())


def ask(code: str) -> Any:
    """What the register of divisions answers."""
    return divisions.offers(CITY)["mzj-admin-divisions"]({"code": code})


@pytest.mark.requirement("DEM-04")
@pytest.mark.parametrize(
    ("code", "name", "province", "prefecture", "county"),
    [
        ("110101", "东城区", "北京市", "市辖区", "东城区"),
        ("110000", "北京市", "北京市", None, None),
        ("420100", "武汉市", "湖北省", "武汉市", None),
        ("429004", "仙桃市", "湖北省", "省直辖县级行政单位", "仙桃市"),
        ("441900", "东莞市", "广东省", "东莞市", None),
        ("130502", "襄都区", "河北省", "邢台市", "襄都区"),
        ("810000", "香港特别行政区", "香港特别行政区", None, None),
    ],
)
def test_a_code_in_force_is_answered_with_its_places(
    code: str, name: str, province: str, prefecture: str | None, county: str | None
) -> None:
    answered = ask(code)

    assert (answered["code"], answered["name"], answered["province"]) == (code, name, province)
    assert (answered.get("prefecture"), answered.get("county")) == (prefecture, county)


@pytest.mark.parametrize("code", ["110103", "990101", "110199", "119000", "000000"])
def test_abolished_and_unknown_codes_have_no_record(code: str) -> None:
    with pytest.raises(NoRecord):
        ask(code)


@pytest.mark.parametrize("code", ["1101", "11010a", "1101011", "１１０１０１"])
def test_what_is_not_six_digits_is_bad_input(code: str) -> None:
    with pytest.raises(BadInput):
        ask(code)
