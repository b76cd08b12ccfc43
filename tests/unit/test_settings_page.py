"""The page of settings: one row for each setting, whatever its description looks like."""

import runpy
from pathlib import Path

import pytest

WRITE = Path(__file__).parents[2] / "docs" / "write.py"


@pytest.mark.requirement("DOC-02")
def test_a_description_of_several_lines_is_one_row() -> None:
    page = runpy.run_path(str(WRITE))["settings_page"]()
    torn = [line for line in page.splitlines()[4:] if line and not (line.startswith("#") or line.endswith("|"))]
    assert torn == []
    assert "CONNECTIONS_PER_ADDRESS" in page
