"""Words of entries and questions: whatever is written is found by it, and nothing that is written breaks anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypinyin import lazy_pinyin

from catalog_service.directory.words import (
    LONGEST_WORD,
    MOST_READINGS,
    NOTHING,
    label_key,
    normal,
    sounds,
    terms_of,
    words,
)

HAN = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=1, max_size=12)
NAMES = st.lists(HAN | st.from_regex(r"[A-Za-z0-9]{1,6}", fullmatch=True), min_size=1, max_size=4).map("".join)


def found(question: str, by: set[str]) -> bool:
    """As the index does: every term by all words of one of its ways."""
    terms = terms_of(question)
    return bool(terms) and all(any(by.issuperset(way) for way in term) for term in terms)


@pytest.mark.requirement("SRC-01")
@given(st.text(max_size=200))
def test_no_text_breaks_anything(text: str) -> None:
    by = words(text) | sounds(text)
    assert "" not in by
    assert all(len(word) <= 3 * LONGEST_WORD + 2 for word in by)
    assert all(way for term in terms_of(text) for way in term)
    assert normal(normal(text)) == normal(text)


@pytest.mark.requirement("SRC-01")
@given(NAMES)
def test_an_entry_is_found_by_its_own_name(name: str) -> None:
    by = words(name)
    assert found(name, by)
    assert found(f'"{name}"', by)
    assert found(" ".join(name), words(*name))  # every character by itself


@pytest.mark.requirement("SRC-01")
@given(NAMES, NAMES)
def test_terms_are_found_wherever_they_stand(first: str, second: str) -> None:
    assert found(f"{second} {first}", words(first, second))


@pytest.mark.parametrize(
    ("question", "text", "is_found"),
    [
        ("社保", "全市社保缴费", True),
        ("社保", "社会保险", False),
        ("会保", "社会保险", True),
        ("税", "纳税人信息", True),
        ("保险 社会", "社会保险", True),
        ("保险 医疗", "社会保险", False),
        ("名住", "姓名、住址", False),
        ("ＧＩＳ平台", "gis 平台", True),
        ("gis", "GISX", False),
        ("id_card", "身份证 id_card", True),
        ("id_card", "card 与 id", False),
        ("2039900100003/000001", "2039900100003/000001", True),
        ("PM2.5", "PM2.5(微克/立方米)", True),
        ('"市民政局"', "市民、民政局", False),
        ('"市民政局"', "云江市民政局", True),
        ("“住房 公积金”", "住房公积金", True),
        ('"公积金', "住房公积金", True),
    ],
)
@pytest.mark.requirement("SRC-01")
def test_what_is_found_by_what(question: str, text: str, is_found: bool) -> None:
    assert found(question, words(text)) is is_found


@pytest.mark.parametrize(
    "name", ["社保", "西安市", "方案", "女职工", "重庆市绿化", "社会保险参保", "不动产登记", "恩施"]
)
@pytest.mark.requirement("SRC-01")
def test_pinyin_finds_the_name_whole_and_by_initials(name: str) -> None:
    syllables = lazy_pinyin(name)
    by = sounds(name)
    assert found("".join(syllables), by)
    assert found("'".join(syllables), by)
    assert found("".join(syllables).upper(), by)
    assert found("sb", sounds("社保"))
    assert not found("sb", sounds("社会保险"))
    assert found("shbxcb", sounds("社会保险参保状态"))


@pytest.mark.requirement("SRC-01")
def test_letters_with_many_readings_are_read_a_few_times() -> None:
    (term,) = terms_of("xian" * 10)
    assert len(term) == MOST_READINGS + 1
    (word,) = terms_of("lü")
    assert word == (("lü",), ("lv'",))
    assert terms_of("a") == [(("a",),)]
    assert terms_of("x" * 49) == [(("x" * 49,),)]


@pytest.mark.parametrize("question", ["", "  ", "！？…", '""', "“”", "\x00\x1b", "…—·"])
@pytest.mark.requirement("SRC-01")
def test_questions_without_a_word_have_no_terms(question: str) -> None:
    assert terms_of(question) == []
    assert not any(word in words("社保") for way in NOTHING for word in way)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("门槛金额（元）", "门槛金额(元)", True),
        ("门槛金额（元）", "门槛金额", True),
        ("发证 日期", "发证日期：", True),
        ("发证日期", "发证机关", False),
        ("（元）", "（元）", True),
    ],
)
@pytest.mark.requirement("SRC-04")
def test_labels_are_the_same_whatever_their_width_unit_and_punctuation(one: str, other: str, same: bool) -> None:
    assert (label_key(one) == label_key(other)) is same
    assert label_key(one)
