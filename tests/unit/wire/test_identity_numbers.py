"""Identity numbers in free text: found however they are written, and nothing else is taken for one. All are made up."""

from datetime import date
from uuid import UUID

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from wire.subjects import holds_a_number

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHINESE = str.maketrans("0123456789", "〇一二三四五六七八九")
WIDE = str.maketrans("0123456789X", "０１２３４５６７８９Ｘ")
GAPS = st.sampled_from(["", " ", "-", "\u3000", "\u200b", "—", ".", "年", "月", "号 "])
AROUND = st.text(st.sampled_from("关于的投诉，。 :/-#abcXyz办件"), max_size=8)


def numbered(birth: date, rest: int) -> str:
    """A number of region 99, which there is not."""
    digits = f"99{rest // 1000:04}{birth:%Y%m%d}{rest % 1000:03}"
    left = (12 - sum(int(one) * weight for one, weight in zip(digits, WEIGHTS, strict=True)) % 11) % 11
    return digits + ("X" if left == 10 else str(left))


numbers = st.builds(numbered, st.dates(date(1900, 1, 1), date(2030, 12, 31)), st.integers(0, 9_999_999))


def test_the_check_digit_is_that_of_the_standard() -> None:
    assert numbered(date(1949, 12, 31), 0)[:6] == "990000"
    assert holds_a_number("11010519491231002X")  # the example of GB 11643-1999, annex A
    assert not holds_a_number("110105194912310021")


@pytest.mark.requirement("SUB-06")
@given(numbers, AROUND, AROUND, st.lists(GAPS, min_size=17, max_size=17))
def test_a_number_is_found_in_any_text_with_anything_between_its_parts(
    number: str, before: str, after: str, gaps: list[str]
) -> None:
    written = "".join(digit + gap for digit, gap in zip(number, [*gaps, ""], strict=True))
    assert holds_a_number(before + written + after)


@pytest.mark.requirement("SUB-06")
@given(numbers)
def test_a_number_is_found_in_any_spelling(number: str) -> None:
    year, rest = number[6:10], number[10:]
    for written in (
        number.translate(WIDE), number.translate(CHINESE), number.translate(CHINESE).replace("〇", "零"),
        number.replace("X", "Х"), number.replace("X", "х"), number.replace("X", "Ⅹ"), f"2026年 {number} 3",
        f"{number[:6]} {year}年{rest[:2]}月{rest[2:4]}日 {rest[4:]}", f"ID:{number}", f"a{number}b", f"{number}XX",
        number.lower(), f"另有{number}一人",
    ):  # fmt: skip
        assert holds_a_number(written), written


@pytest.mark.requirement("SUB-06")
@given(numbers, st.sampled_from("0123456789"))
def test_part_of_a_longer_run_of_digits_is_none_nor_is_a_mistyped_one(number: str, digit: str) -> None:
    assert not holds_a_number(digit + number)
    assert number.endswith("X") or not holds_a_number(number + digit)
    assume(digit != number[-1])
    assert not holds_a_number(number[:-1] + digit)


@given(st.uuids(), st.binary(min_size=16, max_size=16), st.integers(0, 999_999), st.integers(2000, 2099))
@example(UUID("01931f2e-7c1a-7d4e-9b3a-5f0c2a1b4d6e"), bytes(16), 1, 2026)
def test_ids_traces_and_case_numbers_are_none(uuid: UUID, trace: bytes, count: int, year: int) -> None:
    for text in (
        str(uuid), trace.hex(), f"YJ{year}-{count:06}", f"{year}-{count:06}", f"云审〔{year}〕{count}号", f"g-{count}",
        f"{year}-07-25T08:00:00Z", f"{year}07250000{count:06}", f"YJ{year}-{count:06} YJ{year}-{count:06}",
    ):  # fmt: skip
        assert not holds_a_number(text), text


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_can_be_asked_about(text: str) -> None:
    assert holds_a_number(text) in (True, False)
