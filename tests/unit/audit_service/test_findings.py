"""What a check keeps of what it finds: every kind of it, however much there is, and nothing that hurts a terminal."""

import time

import pytest

from audit_service.fsck.findings import Findings, Progress


@pytest.mark.requirement("CHK-11")
def test_findings_are_kept_in_bounded_memory_and_none_is_forgotten() -> None:
    found = Findings(most=3)
    for number in range(5):
        found.report(f"leaf {number}", "is missing")
        found.report(f"leaf {number}", "is missing")
    found.report("tile 0/0", "is wrong")
    assert found.lines == [
        *(f"leaf {n}: is missing" for n in range(3)),
        "leaf: 4 more findings",
        "tile: 1 more findings",
    ]
    assert found.count == 8
    assert [kind for kind, _ in found.told[3:]] == ["leaf", "tile"]


@pytest.mark.requirement("CHK-11")
def test_what_a_changed_leaf_says_reaches_no_terminal_as_it_is() -> None:
    found = Findings()
    found.report("batch \x1b[2J\0/1", "民政局\n" + "x" * 1000)
    [line] = found.lines
    assert line.isprintable()
    assert "民政局" in line
    assert len(line) < 400


def test_progress_says_nothing_of_short_work_and_a_line_now_and_then_of_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    lines: list[str] = []
    progress = Progress(lines.append)
    progress.total = 1000
    for _ in range(10):
        now[0] += 1
        progress.advance(100)
    assert lines == [
        "fsck: 500 of 1000 leaves (50 %), 100 a second",
        "fsck: 1000 of 1000 leaves (100 %), 100 a second",
    ]
    assert (progress.took_s, progress.per_s) == (10, 100)
