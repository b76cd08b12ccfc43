"""Masks: what they show of real values, and that the rest cannot be told from what they show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_service.contract.masks import HIDDEN, MASKS, NAMES

pytestmark = pytest.mark.requirement("EXC-03")
han = st.text("一二三四五六七八九十张王李赵钱孙云江某石青", min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("mask", "value", "expected"),
    [
        ("name_first", "张三丰测试", "张****"),
        ("name_first", "张", "张****"),
        ("name_first", "😀三", "😀****"),
        ("id_last4", "990101199003070218", "****0218"),
        ("id_last4", "99010119851112138X", "****138X"),
        ("id_last4", "1234567", "****"),
        ("phone", "13800138000", "138****8000"),
        ("phone", "0990-0001001", "099****1001"),
        ("phone", "12345678", "****"),
        ("mid4", "A990000001", "A99****001"),
        ("mid4", "990100-0001", "990****001"),
        ("mid4", "A12345", "A****5"),
        ("mid4", "A1234", "****"),
        ("addr_district", "云江市某区某路1号", "云江市某区****"),
        ("addr_district", "云江市青溪县某镇某村3组", "云江市青溪县****"),
        ("addr_district", "某区某路1号", "某区****"),
        ("addr_district", "景德镇市昌江区某路", "景德镇市昌江区****"),
        ("addr_district", "济宁市市中区某路", "济宁市市中区****"),
        ("addr_district", "哈尔滨市道里区中央大街", "哈尔滨市道里区****"),
        ("addr_district", "上海市浦东新区世纪大道100号", "上海市浦东新区****"),
        ("addr_district", "吉林省延边朝鲜族自治州延吉市公园路977号", "吉林省延边朝鲜族自治州延吉市****"),
        ("addr_district", "内蒙古自治区锡林郭勒盟锡林浩特市某街", "内蒙古自治区锡林郭勒盟锡林浩特市****"),
        ("addr_district", "云江市 某区 某路", "云江市 某区****"),
        ("addr_district", "云江市幸福小区3号", "云江市****"),
        ("addr_district", "云江市青石路区政府旁", "云江市****"),
        ("addr_district", "某市某某社区东山区5号", "某市****"),
        ("addr_district", "幸福路超市旁3号", "****"),
        ("addr_district", "工业园区3号", "****"),
        ("addr_district", "某镇市场路3号", "****"),
        ("addr_district", "石门村3组", "****"),
        ("addr_district", "No. 1, Some Road", "****"),
        *((mask, "", "") for mask in sorted(MASKS)),
    ],
)
def test_examples(mask: str, value: str, expected: str) -> None:
    assert MASKS[mask](value) == expected


def test_the_names_are_those_of_the_catalogue_and_two_that_are_no_functions() -> None:
    assert {*MASKS, "drop", "plain"} == NAMES


@pytest.mark.parametrize("mask", sorted(MASKS))
@given(value=st.text())
def test_never_raises_and_masked_again_stays_as_it_is(mask: str, value: str) -> None:
    once = MASKS[mask](value)
    assert MASKS[mask](once) == once
    assert HIDDEN in once or not value


@pytest.mark.parametrize(
    ("mask", "head", "tail"),
    [("name_first", 1, 0), ("id_last4", 0, 4), ("phone", 3, 4), ("mid4", 3, 3)],
)
@given(ends=st.text(min_size=7, max_size=7), one=st.text(min_size=7), other=st.text(min_size=7))
def test_the_hidden_part_and_its_length_make_no_difference(
    mask: str, head: int, tail: int, ends: str, one: str, other: str
) -> None:
    first, last = ends[:head], ends[7 - tail :]
    shown = MASKS[mask](first + one + last)
    assert shown == MASKS[mask](first + other + last) == first + HIDDEN + last


@pytest.mark.parametrize("mask", sorted(set(MASKS) - {"addr_district", "name_first"}))
@given(value=st.text(min_size=1))
def test_at_most_seven_characters_and_never_more_than_two_thirds_are_shown(mask: str, value: str) -> None:
    shown = len(MASKS[mask](value)) - len(HIDDEN)
    assert shown <= 7
    assert 3 * shown <= 2 * len(value)


@given(city=han, district=han, street=han, house=st.integers(1, 9999))
def test_of_an_address_nothing_below_the_district_is_shown(city: str, district: str, street: str, house: int) -> None:
    address = f"{city}市{district}区{street}路{house}号"
    assert MASKS["addr_district"](address) == f"{city}市{district}区{HIDDEN}"


@given(st.text("省市区县旗盟路街巷村镇乡小社园超张三1号 -,\n", max_size=30))
def test_what_is_shown_of_an_address_is_its_beginning_down_to_a_level_word(address: str) -> None:
    shown = MASKS["addr_district"](address).removesuffix(HIDDEN)
    assert address.startswith(shown)
    assert shown == "" or shown[-1] in "省市区县旗盟州"
    assert not any(digit in shown for digit in "0123456789")
