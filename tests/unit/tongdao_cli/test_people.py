"""People at a terminal: which keys its client gets, and what an invitation needs."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tongdao_cli.commands.person import person
from tongdao_cli.home import CannotStart
from tongdao_cli.people import with_key

NOW = 1_795_000_000.0


def key(name: str, **more: Any) -> dict[str, Any]:
    return {"kty": "EC", "crv": "P-256", "kid": name, "x": f"x-{name}", "y": f"y-{name}", **more}


OWN = key("own")


@pytest.mark.requirement("PEO-11")
@pytest.mark.parametrize(
    ("registered", "wanted"),
    [
        ([], ["own"]),
        ([key("own")], None),
        ([key("a"), key("own", until=NOW + 9)], None),
        ([key("a")], ["a", "own"]),
        ([key("own", until=NOW - 9)], ["own"]),
        ([key("a", until=NOW - 9)], ["own"]),
        ([key("own", x="other")], ["own"]),
        ([key("a"), key("b"), key("c"), key("d")], ["b", "c", "d", "own"]),
    ],
    ids=["new", "there", "there beside", "another home", "ended", "another ended", "another of its name", "too many"],
)
def test_a_home_takes_no_other_home_its_key_away(registered: list[dict[str, Any]], wanted: list[str] | None) -> None:
    keys = with_key(registered, OWN, NOW)
    assert (None if keys is None else [one["kid"] for one in keys]) == wanted


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("invite li-si", "--department"),
        ("invite li-si --department gaj", "--again"),
        ("invite li-si --again --name A", "leave them out"),
        ("invite li-si --again", "tongdao up"),
    ],
)
def test_an_invitation_says_what_it_needs(words: str, reason: str, tmp_path: Path) -> None:
    refused = CliRunner().invoke(person, words.split(), env={"TONGDAO_HOME": str(tmp_path)}).exception
    assert isinstance(refused, CannotStart)
    assert reason in str(refused)
