"""Masks: what they show of real values, and that the rest cannot be told from what they show."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exchange_service.contract.masks import HIDDEN, MASKS, NAMES, MaskKey, mask_of
from wire.catalog import MaskRule
from wire.masks import rules_fit

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
        ("bank_last4", "6222990000000000017", "****0017"),
        ("bank_last4", "6222 9900 0000 0000 017", "**** 017"),
        ("bank_last4", "62220017", "****"),
        ("plate", "云A12345", "云A****5"),
        ("plate", "云AD12345", "云A****5"),
        ("plate", "A12345", "****"),
        ("uscc", "91990100MA00000017", "91****0017"),
        ("uscc", "990100000000017", "99****0017"),
        ("uscc", "MA0000001", "****"),
        ("year", "1990-03-07", "1990****"),
        ("year", "19900307", "1990****"),
        ("year", "1990年3月7日", "1990****"),
        ("year", "990101199003070218", "****"),
        ("year", "1990", "****"),
        ("year", "07.03.1990", "****"),
        *((mask, "", "") for mask in sorted(MASKS)),
    ],
)
def test_examples(mask: str, value: str, expected: str) -> None:
    assert MASKS[mask](value) == expected


def test_the_names_are_those_of_the_catalogue_and_three_that_are_no_functions_of_their_own() -> None:
    assert {*MASKS, "drop", "plain", "pseudonym"} == NAMES


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


rules = st.builds(
    MaskRule,
    name=st.just("x-own"), head=st.integers(0, 20), tail=st.integers(0, 20), shortest=st.integers(1, 40),
    until=st.sampled_from(["", "", "@", "@ -", "*", "]^", "\\"]),
).filter(lambda rule: not rules_fit([rule]))  # fmt: skip


@pytest.mark.requirement("PRJ-02")
@example(MaskRule(name="x-own", shortest=17, until="*"), "000000000000*0000")
@given(rules, st.text() | st.text("ab@*]^\\- ", max_size=45))
def test_a_providers_own_mask_never_raises_and_masked_again_stays_as_it_is(rule: MaskRule, value: str) -> None:
    mask = mask_of(rule)
    once = mask(value)
    assert mask(once) == once
    assert HIDDEN in once or not value
    assert once == value or len(once) - len(HIDDEN) <= max(len(value) - 1, 0)


@pytest.mark.requirement("PRJ-02")
@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        (MaskRule(name="x-a", head=2, tail=3, shortest=8), "AB123456", "AB****456"),
        (MaskRule(name="x-a", head=2, tail=3, shortest=8), "AB12345", "****"),
        (MaskRule(name="x-a", until="@"), "somebody@example.com", "somebody****"),
        (MaskRule(name="x-a", until="@"), "nowhere", "****"),
        (MaskRule(name="x-a", until="-/"), "2026/1-2", "2026****"),
        (MaskRule(name="x-a", shortest=3), "abc", "****"),
    ],
    ids=["ends", "too short", "until", "no such character", "the first of several", "nothing shown"],
)
def test_a_providers_own_mask(rule: MaskRule, value: str, expected: str) -> None:
    assert rules_fit([rule]) == []
    assert mask_of(rule)(value) == expected


@pytest.mark.requirement("PRJ-02")
@pytest.mark.parametrize(
    ("rule", "place"),
    [
        (MaskRule(name="own"), "masks/0/name"),
        (MaskRule(name="x-"), "masks/0/name"),
        (MaskRule(name="x-Ä"), "masks/0/name"),
        (MaskRule(name="x-a", head=-1), "masks/0/head"),
        (MaskRule(name="x-a", tail=-1), "masks/0/tail"),
        (MaskRule(name="x-a", shortest=0), "masks/0/shortest"),
        (MaskRule(name="x-a", head=3, tail=3, shortest=8), "masks/0/shortest"),
        (MaskRule(name="x-a", until="-" * 21), "masks/0/until"),
    ],
    ids=["no x-", "no name", "letters", "head", "tail", "shortest", "shows too much", "until"],
)
def test_what_is_no_mask(rule: MaskRule, place: str) -> None:
    assert [path for path, _ in rules_fit([rule])] == [place]
    assert [path for path, _ in rules_fit([MaskRule(name="x-b"), MaskRule(name="x-b")])] == ["masks/1/name"]


KEY = MaskKey(bytes(range(32)))


@pytest.mark.requirement("PRJ-03")
@given(st.text())
def test_a_pseudonym_never_raises_and_stays_as_it_is(value: str) -> None:
    once = KEY.mask("ylj")(value)
    assert KEY.mask("ylj")(once) == once
    assert re.fullmatch("t1:[0-9a-f]{32}", once) or not value


@pytest.mark.requirement("PRJ-03")
def test_a_pseudonym_is_one_department_s_own_and_the_same_at_every_call() -> None:
    number = "99010119851112138X"
    ours = KEY.mask("ylj")(number)
    assert ours == KEY.mask("ylj")(number) == KEY.mask("ylj")("990101 19851112 138x")
    assert ours != KEY.mask("mzj")(number)
    assert ours != MaskKey(b"another key of thirty-two bytes!").mask("ylj")(number)
    assert ours != KEY.mask("ylj")(number[:-1] + "1")
    with pytest.raises(ValueError, match="32 bytes"):
        MaskKey(b"short")


@pytest.mark.parametrize("mask", sorted(set(MASKS) - {"addr_district", "name_first"}))
@given(value=st.text(min_size=1))
def test_at_most_seven_characters_and_never_more_than_two_thirds_are_shown(mask: str, value: str) -> None:
    shown = len(MASKS[mask](value)) - len(HIDDEN)
    if MASKS[mask](value) == value:
        return  # it was masked before
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
