"""Lines of the log: one for each event, whatever a caller wrote into it."""

import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from runtime.logs import configure

pytestmark = pytest.mark.requirement("FRO-08")
FORGED = '{"level":"info","event":"admin.logged_in"}'
HOSTILE = {
    "H-95 a new line": f"a\r\n{FORGED}",
    "H-95 a colour": "a\x1b[31mred\x1b[0m",
    "H-95 a cleared screen in one byte": "a\x9b2J",
    "H-95 a line separator": f"a\u2028{FORGED}",
    "H-95 a paragraph separator": f"a\u2029{FORGED}",
    "H-95 the next line": f"a\x85{FORGED}",
    "H-95 right to left": "a\u202etxt.exe",
    "H-95 quotes": f'a","event":"b{FORGED}',
    "H-95 half a pair": "a\ud83d",
}
TEXT = "云江市 naïve 😀"


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    level = root.level
    yield
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_a_caller_wrote_makes_no_line_of_its_own(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure("gateway")
    structlog.get_logger().warning("token.refused", reason=value, path=[value])
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert not [character for character in said[:-1] if not character.isprintable()]
    line = json.loads(said)
    assert (line["event"], line["reason"], line["path"]) == ("token.refused", value, [value])


def test_text_stays_readable(capsys: pytest.CaptureFixture[str]) -> None:
    configure("gateway")
    structlog.get_logger().warning("token.refused", reason=TEXT)
    assert TEXT in capsys.readouterr().err


@pytest.mark.parametrize("value", ["x" * 1_000_000, ["x" * 1_000_000], {"x": "x" * 1_000_000}], ids=type)
def test_long_values_are_cut(value: object, capsys: pytest.CaptureFixture[str]) -> None:
    configure("gateway")
    structlog.get_logger().warning("token.refused", reason=value)
    assert len(capsys.readouterr().err) < 1200


def test_a_failure_is_told_with_the_end_of_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    configure("gateway")
    try:
        raise ValueError("x" * 100_000 + "\n" + FORGED)
    except ValueError:
        structlog.get_logger().exception("call.crashed", call="c1")
    said = capsys.readouterr().err
    assert len(said) < 10_000
    assert json.loads(said)["exception"].endswith(FORGED)
    assert sys.exc_info() == (None, None, None)
