"""Documents of others are read in one way, within bounds, and nothing in them is run."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_service.interchange.document_text import DEEPEST, MOST_BYTES, BadDocument, read

pytestmark = pytest.mark.requirement("INT-03")


def doubling(levels: int) -> bytes:
    """A few lines that stand for two to the power of `levels` values."""
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, levels)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not an object"),
        (b"[]", "not an object"),
        (b"plain words", "not an object"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b'{"a": ', "not JSON"),
        (b'{"a": 1} x', "not JSON"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": 1e999}', "a number that JSON cannot say"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"a": "\\ud800"}', "half of a character"),
        (b'{"\\ud800": 1}', "half of a character"),
        (b'{"a": 1, "b": 2, "a": 3}', "a is there twice"),
        (b"a: 1\nb: 2\na: 3", "a is there twice in one object (line 3)"),
        (b"a: [1, 2", "not YAML"),
        (b"a: \x01", "not YAML"),
        (b"a: 1\n---\nb: 2", "more than one document"),
        (b"a: !!python/object/apply:os.system [date]", "tags are not used here"),
        (b"a: !!binary aGFsbG8=", "tags are not used here"),
        (b"a: !mine {b: 1}", "tags are not used here"),
        (b"? [a, b]\n: 1", "a key is a word"),
        (b"x: &x 1\n*x : 2", "a key is a word"),
        (b"a: *b", "*b stands for nothing"),
        (b"a: &a [*a]", "*a stands for nothing that is whole"),
        (doubling(40), "aliases written out"),
        (b"[" * 100_000, f"deeper than {DEEPEST}"),
        (b'{"a":' * 100_000, f"deeper than {DEEPEST}"),
        (b'{"a":' * (DEEPEST + 1) + b"1" + b"}" * (DEEPEST + 1), f"deeper than {DEEPEST}"),
        (b"a: {" * (DEEPEST + 1), f"deeper than {DEEPEST}"),
        (b"- 1\n" * 300_000, "values, aliases written out"),
        (b"#" * (MOST_BYTES + 1), "bytes"),
    ],
    ids=range(30),
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_one_line(content: bytes, why: str) -> None:
    if content.startswith(b"- 1"):
        content = b"a:\n" + content
    with pytest.raises(BadDocument) as refused:
        read(content)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_yaml_is_read_without_surprises() -> None:
    text = """
    200: no
    on: 2020-01-01
    nothing: ~
    octal: 0x10
    infinite: .inf
    quoted: 'true'
    yes: true
    half: -.5
    many: 1e3
    huge: 12345678901234567890
    tagged: !!str 1
    block: |
      12
    merged: &m {a: 1}
    again: {<<: *m}
    """
    assert read(text.encode()) == {
        "200": "no", "on": "2020-01-01", "nothing": None, "octal": "0x10", "infinite": ".inf", "quoted": "true",
        "yes": True, "half": -0.5, "many": 1000.0, "huge": 12345678901234567890, "tagged": "1", "block": "12\n",
        "merged": {"a": 1}, "again": {"<<": {"a": 1}},
    }  # fmt: skip


TEXTS = st.text(st.characters(max_codepoint=0xD7FF, exclude_categories=("Cc", "Zl", "Zp")), max_size=8)
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False, allow_infinity=False), TEXTS
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=20,
)


@given(st.dictionaries(TEXTS, VALUES))
def test_json_says_the_same_read_as_json_or_as_yaml(document: dict[str, object]) -> None:
    text = json.dumps(document, ensure_ascii=False).encode()
    assert read(text) == read(b"\xef\xbb\xbf" + text) == read(b"# a comment makes it YAML\n" + text) == document


@given(st.binary(max_size=200))
def test_no_bytes_do_harm(content: bytes) -> None:
    with suppress(BadDocument):
        assert isinstance(read(content), dict)
