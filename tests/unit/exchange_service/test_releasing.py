"""What a consumer may hear of a contract that its provider broke."""

import pytest

from exchange_service.releasing import lies_inside


@pytest.mark.requirement("EXC-34")
@pytest.mark.parametrize(
    ("pointer", "fields", "inside"),
    [
        ("", ["a"], False), ("", ["*"], True), ("/a", ["a"], True), ("/a/b", ["a"], True), ("/a", ["a.b"], False),
        ("/ab", ["a"], False), ("/a/0/b", ["a.b"], True), ("/0/a", ["a"], True), ("/*", ["a"], False),
        ("/a/*", ["a"], True), ("/x~1y/z", ["x/y"], True), ("/a", [], False), ("/@id", ["@id"], True),
    ],
)  # fmt: skip
def test_whether_a_place_lies_inside_what_is_granted(pointer: str, fields: list[str], inside: bool) -> None:
    assert lies_inside(pointer, fields) is inside
