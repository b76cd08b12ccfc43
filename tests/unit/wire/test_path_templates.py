"""Path templates: what is filled in is what is matched, and stays in its segment."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.paths import Template


@given(st.text(min_size=1), st.text(min_size=1))
def test_what_was_filled_in_is_matched_again(number: str, year: str) -> None:
    template = Template("/v1/person/{number}/of/{year}")
    path = template.fill({"number": number, "year": year, "other": "x"})
    assert path == f"/v1/person/{quote(number, safe='')}/of/{quote(year, safe='')}"
    assert template.match(path) == {"number": number, "year": year}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ""),
        ("/a", "/a"),
        ("/100%25/{x}", "/100%25/1"),
        ("/{x}{y}", "/11"),
        ("/%s/{x}", "/%s/1"),
        ("/{x}.json", "/1.json"),
    ],
)
def test_what_is_no_variable_stays_as_it_is(text: str, path: str) -> None:
    assert Template(text).fill({"x": "1", "y": "1"}) == path
