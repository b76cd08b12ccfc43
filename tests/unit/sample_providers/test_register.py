"""The three ways in which departments answer from a register."""

import pytest

from sample_providers.refusals import NoRecord
from sample_providers.register import PAGE, Entry, listed, one, verdict

SHOPS = [Entry({"no": f"{n}", "owner": f"O{n % 2}"}, {"name": f"shop {n}"}) for n in range(PAGE + 5)]


def test_one_answers_the_entry_with_that_key_and_no_other() -> None:
    answer = one(SHOPS)

    assert answer({"no": "3", "owner": "O1", "more": 1}) == {"name": "shop 3"}
    with pytest.raises(NoRecord):
        answer({"no": "3", "owner": "O0"})


def test_a_list_is_narrowed_by_every_parameter_that_is_given() -> None:
    answer = listed(SHOPS, within={"keyword": "name"})

    assert answer({"no": "4"}) == [{"name": "shop 4"}]
    assert len(answer({"owner": "O1"})) == 12
    assert answer({"owner": "O1", "keyword": "p 11"}) == [{"name": "shop 11"}]
    with pytest.raises(NoRecord):
        answer({"no": "4", "owner": "O1"})


def test_a_list_comes_in_pages() -> None:
    answer = listed(SHOPS)

    assert [len(answer({})), len(answer({"page": 2}))] == [PAGE, 5]
    for beyond in (0, -1, 3):
        with pytest.raises(NoRecord):
            answer({"page": beyond})


@pytest.mark.requirement("DEM-08")
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"id": "1", "name": "A", "born": "x"}, ("1", "一致")),
        ({"id": "1", "name": "B", "born": "x"}, ("2", "不一致")),
        ({"id": "1", "name": "A", "born": "y"}, ("2", "不一致")),
        ({"id": "2", "name": "A", "born": "x"}, ("3", "无记录")),
    ],
)
def test_a_verdict_says_whether_all_facts_agree_and_none_of_them(asked: dict[str, str], said: tuple[str, str]) -> None:
    answer = verdict([Entry({"id": "1"}, {"name": "A", "born": "x"})], {"by": "night copy"})

    assert answer(asked) == {"result": said[0], "result_text": said[1], "by": "night copy"}
