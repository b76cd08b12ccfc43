"""What a witness cannot be told."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from harness.receipts import ORIGIN, key, vkey
from harness.witnessed import WITNESS
from tlog import cosignature
from witness.settings import Settings

GOOD: dict[str, Any] = {
    "name": WITNESS, "key_file": Path("key"), "folder": Path("folder"), "port": 1,
    "logs": [{"origin": ORIGIN, "vkeys": [vkey()]}],
}  # fmt: skip
BAD: dict[str, dict[str, Any]] = {
    "a name with a plus": {"name": "a+b"},
    "a name with a space": {"name": "a b"},
    "no name": {"name": ""},
    "no logs": {"logs": []},
    "a log twice": {"logs": GOOD["logs"] * 2},
    "a log without a key": {"logs": [{"origin": ORIGIN, "vkeys": []}]},
    "a key that is none": {"logs": [{"origin": ORIGIN, "vkeys": ["x"]}]},
    "a witness's key for a log": {
        "logs": [{"origin": ORIGIN, "vkeys": [cosignature.format_vkey(WITNESS, key().public_key())]}]
    },
    "a name of two lines": {"logs": [{"origin": "a\nb", "vkeys": [vkey()]}]},
    "a member too many": {"logs": [{"origin": ORIGIN, "vkeys": [vkey()], "key": ""}]},
}


def test_what_is_right_is_taken() -> None:
    assert Settings(**GOOD).logs[0].vkeys == [vkey()]


@pytest.mark.parametrize("mistake", BAD)
def test_mistakes_are_named(mistake: str) -> None:
    with pytest.raises(ValidationError, match=next(iter(BAD[mistake]))):
        Settings(**{**GOOD, **BAD[mistake]})
