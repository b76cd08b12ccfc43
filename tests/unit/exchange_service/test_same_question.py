"""What makes a question with an Idempotency-Key another one: whatever may leave of its answer by now is part of it."""

from typing import Any

import pytest
from msgspec.structs import replace

from exchange_service.answers import question_of
from harness.exchange import interface, message
from wire.calls import Obligations
from wire.catalog import Field, MaskRule

INTERFACE = interface(80, fields=[Field(name="a"), Field(name="b", mask="x-b")], masks=[MaskRule(name="x-b", tail=2)])
MESSAGE = message(obligations=Obligations(["a", "b"], {"a": "phone"}))


@pytest.mark.requirement("EXC-28")
@pytest.mark.parametrize(
    "changes",
    [
        {"fields": [Field(name="a", mask="drop"), INTERFACE.fields[1]]},
        {"fields": INTERFACE.fields[:1]}, {"masks": [MaskRule(name="x-b", tail=1)]}, {"masks": []},
    ],
    ids=["another mask", "a mask less", "it shows less", "it is gone"],
)  # fmt: skip
def test_other_masks_of_the_interface_make_another_question(changes: dict[str, Any]) -> None:
    assert question_of(MESSAGE, replace(INTERFACE, **changes), b"") != question_of(MESSAGE, INTERFACE, b"")


@pytest.mark.requirement("EXC-28")
def test_what_shows_nothing_makes_none() -> None:
    again = replace(INTERFACE, name="other", timeout_s=1.0, fields=[*INTERFACE.fields, Field(name="c")])
    assert question_of(replace(MESSAGE, call="c-2"), again, b"") == question_of(MESSAGE, INTERFACE, b"")
    assert question_of(MESSAGE, INTERFACE, b"x") != question_of(MESSAGE, INTERFACE, b"")
