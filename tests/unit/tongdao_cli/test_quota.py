"""`tongdao quota`: on a narrow terminal nothing is cut."""

import io
from typing import Any

import pytest
from rich.console import Console

from tongdao_cli.commands.quota import table

GRANT = "01a3c9d4-1111-7222-8333-944455556666"


@pytest.mark.requirement("QUO-07")
def test_eighty_columns_hold_a_grant_with_its_whole_id() -> None:
    item: dict[str, Any] = {
        "grant": GRANT, "system": "sthjj-emission", "interface": "gaj-vehicle-info/v1", "rate": {"per_s": 20.0},
        "quotas": [{"period": "day", "used": 7, "limit": 100000, "resets": "2026-11-23T00:00:00+08:00"}],
    }  # fmt: skip
    out = io.StringIO()
    Console(file=out, width=80).print(table([item]))
    assert GRANT in out.getvalue()
    assert "…" not in out.getvalue()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.getvalue().splitlines() if "│" in line]
    joined = ["".join(column).replace(" ", "") for column in zip(*rows, strict=True)]
    assert joined[1:] == ["sthjj-emission", "gaj-vehicle-info/v1", "20", "7of100000,anew2026-11-23", "-"]
