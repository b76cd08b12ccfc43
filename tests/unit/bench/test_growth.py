"""What the curves write, and what is copied into the catalog's tables for them."""

import json

from growth.drawn import Row, drawn, table
from growth.sized import FIELDS, answer
from growth.world import copies

ROWS = [Row("payload", 1000, 200.0, {"gateway": 90.0}), Row("masks", 50, 400.0, {"gateway": 90.0, "p99 ms": 2.5})]


def test_a_curve_has_a_table_and_what_failed_is_named() -> None:
    text = table(ROWS, {"grants 100": "it did not start"})
    assert "| 1,000 | 200 | 90.0 |" in text
    assert "| masks | all us | gateway | p99 ms |" in text
    assert "grants 100: not measured: it did not start" in text


def test_a_bar_for_each_point() -> None:
    assert drawn(ROWS).count("<rect") == 1 + len(ROWS)
    assert drawn([]).endswith("</svg>\n")


def test_the_sized_department_answers_as_much_as_it_is_asked_for() -> None:
    for size in (1_000, 100_000):
        body = answer("size", str(size)).partition(b"\r\n\r\n")[2]
        assert abs(len(body) - size) < 30 + size // 100
    assert list(json.loads(answer("fields", "").partition(b"\r\n\r\n")[2])) == FIELDS


def test_only_numbers_that_are_not_there_yet_are_copied() -> None:
    for kind in ("interfaces", "grants"):
        assert all("generate_series(10, 99)" in statement for statement in copies(kind, 10, 100))
