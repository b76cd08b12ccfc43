"""Pseudonyms: one person is one pseudonym however the number is written, and without the key nobody can tell whose."""

import hashlib
import hmac
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.subjects import LONGEST, PATTERN, SubjectKey, is_like, members, normal, place, required, sure_place

SECRET = b"the key of the pseudonyms of a test"
KEY = SubjectKey(SECRET)
NUMBER = "99010019900307013X"


@pytest.mark.requirement("SUB-01")
def test_a_pseudonym_is_what_its_definition_says() -> None:
    mac = hmac.new(SECRET, b"tongdao/subject/1\n" + NUMBER.encode(), hashlib.sha256).hexdigest()
    assert KEY.pseudonym(NUMBER) == "p1:" + mac[:32]
    assert re.fullmatch(PATTERN, KEY.pseudonym(NUMBER))


@pytest.mark.requirement("SUB-01")
@pytest.mark.parametrize(
    "written",
    [
        "99010019900307013x", " 99010019900307013X\n", "990100 1990 0307 013X", "990100-19900307-013X",
        "990100‐19900307—013x", "９９０１００１９９００３０７０１３Ｘ", "9901\u200b0019900307013X\u3000",
        "\ufeff99010019900307013X",
    ],
)  # fmt: skip
def test_it_does_not_matter_how_a_number_is_written(written: str) -> None:
    assert normal(written) == NUMBER
    assert KEY.pseudonym(written) == KEY.pseudonym(NUMBER)


@pytest.mark.requirement("SUB-01")
def test_other_numbers_and_other_keys_give_other_pseudonyms() -> None:
    assert KEY.pseudonym("990100199003070131") != KEY.pseudonym(NUMBER)
    assert SubjectKey(bytes(32)).pseudonym(NUMBER) != KEY.pseudonym(NUMBER)


@pytest.mark.requirement("SUB-01")
@pytest.mark.parametrize("nobody", ["", " ", "-", "\u3000\u200b", "1" * (LONGEST + 1), "－" * 5000, "1" * 100_000])
def test_what_can_be_nobodys_number_has_no_pseudonym(nobody: str) -> None:
    assert KEY.pseudonym(nobody) == ""


@pytest.mark.requirement("SUB-01")
@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_has_a_pseudonym_or_none_and_the_same_one_in_its_one_spelling(text: str) -> None:
    found = KEY.pseudonym(text)
    assert found == "" or re.fullmatch(PATTERN, found)
    if normal(normal(text)) == normal(text):
        assert KEY.pseudonym(normal(text)) == found


@pytest.mark.requirement("SUB-01")
def test_a_key_that_could_be_guessed_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "subject.key"
    file.write_bytes(b"0" * 31 + b"\n")
    with pytest.raises(ValueError, match="at least 32 bytes"):
        SubjectKey.from_file(file)
    file.write_bytes(SECRET + b"\n")
    assert SubjectKey.from_file(file).pseudonym(NUMBER) == KEY.pseudonym(NUMBER)


PERSON: dict[str, Any] = {"type": "object", "properties": {"id_card": {}}}


@pytest.mark.requirement("SUB-03")
@pytest.mark.parametrize(
    ("schema", "named"),
    [
        (PERSON, True),
        ({"anyOf": [{"properties": {"name": {}}}, PERSON]}, True),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": PERSON}}, True),
        ({"allOf": [{"$ref": "#/$defs/p"}], "$defs": {"p": {"oneOf": [PERSON]}}}, True),
        ({"properties": {"person": PERSON}}, False),
        ({"$ref": "#"}, False), ({"$ref": "#/$defs/p", "$defs": {"p": {"$ref": "#/$defs/p"}}}, False),
        ({"$ref": "#/properties/x/y"}, False), ({"properties": ["id_card"], "anyOf": {"id_card": 1}}, False),
        (True, False), (None, False),
    ],
)  # fmt: skip
def test_a_schema_names_its_members_in_every_form(schema: object, named: bool) -> None:
    assert ("id_card" in members(schema)) is named


@pytest.mark.requirement("SUB-02")
def test_the_registration_says_where_a_person_is_named() -> None:
    assert place("id_card", ["id_card"], "POST", PERSON) == "path"
    assert place("id_card", [], "POST", PERSON) == "body"
    assert place("id_card", [], "GET", PERSON) == "query"
    assert place("id_card", [], "POST", None) == "query"


@pytest.mark.requirement("SUB-01")
def test_what_is_too_long_is_no_number_whatever_it_begins_with() -> None:
    for behind in (" " * 8 * LONGEST + "B", " " * 8 * LONGEST, "\u3000" * 8 * LONGEST):
        assert normal(NUMBER + behind) == KEY.pseudonym(NUMBER + behind) == ""
    assert normal(NUMBER + " " * LONGEST) == NUMBER


@pytest.mark.requirement("GAT-03")
@pytest.mark.parametrize(
    ("schema", "names"),
    [
        (None, set()), ({"required": ["a", 1, None]}, {"a"}), ({"required": "a"}, set()),
        ({"allOf": [{"required": ["a"]}, 7], "required": ["b"]}, {"a", "b"}),
        ({"anyOf": [{"required": ["a"]}]}, set()),
        ({"$ref": "#/$defs/x", "$defs": {"x": {"required": ["a"]}}}, {"a"}),
        ({"$ref": "#"}, set()), ({"properties": {"a": {"required": ["b"]}}}, set()),
    ],
    ids=["none", "listed", "a text", "in all", "in some", "elsewhere", "itself", "below"],
)  # fmt: skip
def test_members_that_are_asked_for_whatever_the_form(schema: Any, names: set[str]) -> None:
    assert required(schema) == names


@pytest.mark.requirement("GAT-03")
def test_a_query_names_a_person_surely_where_it_has_to() -> None:
    request: dict[str, Any] = {"properties": {"a": {}}}
    assert sure_place("a", ["a"], "GET", None, None) == "path"
    assert sure_place("a", [], "POST", request, None) == "body"
    assert sure_place("a", [], "GET", request, {"properties": {"a": {}}}) is None
    assert sure_place("a", ["b"], "DELETE", None, {"required": ["b"]}) is None
    assert sure_place("a", [], "GET", None, {"required": ["a"]}) == "query"


@pytest.mark.requirement("SUB-02")
def test_names_that_some_read_alike() -> None:
    assert all(is_like(name, "id_card") for name in ("id_card", "ID_CARD", "ｉd_card", "Id_Card"))
    assert not any(is_like(name, "id_card") for name in ("", "idcard", "id_card2", "card"))
