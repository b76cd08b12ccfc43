"""What a case may say of a record and of a person."""

import pytest

from catalog_service.cases.privacy import holds_identity_number, shows_too_much, texts_with_identity_numbers

NUMBER = "11010519491231002X"
"""The sample of GB 11643."""


@pytest.mark.requirement("COR-03")
@pytest.mark.parametrize(
    ("key", "too_much"),
    [
        ("id_card 末四位 0X21", False),
        ("**************002X", False),
        ("1101**********002X", True),
        ("11***********02X", True),
        ("110105", True),
        ("11010", False),
        ("1*0***", False),
        ("12*45*", False),
        ("123*5*", False),
        ("123*56", True),
        ("●●●●●●●●0021", False),
        ("1234●●●●●●●●5", True),
        ("138 0013 8000", True),
        ("138-0013-8000", True),
        ("１１０１０５", True),
        ("1\u200b10105", True),
        ("云A*****", False),
        ("zhangsan", True),
        ("张三丰测试先生", False),
        ("", False),
    ],
)
def test_a_key_shows_four_characters_of_six_or_more(key: str, too_much: bool) -> None:
    assert shows_too_much(key) is too_much


@pytest.mark.requirement("COR-03")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        (NUMBER, True),
        (NUMBER.lower(), True),
        (f"身份证号{NUMBER}的参保单位", True),
        ("110105 19491231 002X", True),
        ("110105-19491231-002X", True),
        ("１１０１０５１９４９１２３１００２Ｘ", True),
        ("2026 110105 19491231 002X", True),
        ("110105194912310021", False),
        ("110105491231002", True),
        ("1101054912310021", False),
        ("110105491331002", False),
        ("91350100M000100Y43", False),
        ("13800138000", False),
        ("0198c0de-1111-7222-8333-444455556666", False),
        ("", False),
    ],
)
def test_an_identity_number_is_found_however_it_is_written(text: str, found: bool) -> None:
    assert holds_identity_number(text) is found


@pytest.mark.requirement("COR-03")
def test_texts_and_lists_of_texts_are_looked_through() -> None:
    members = {"claim": f"see {NUMBER}", "items": ["name", NUMBER], "days": 3, "item": "name", "more": {"a": NUMBER}}
    assert texts_with_identity_numbers(members) == ["claim", "items"]
