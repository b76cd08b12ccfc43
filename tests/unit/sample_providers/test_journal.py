"""The journal of requests: written before anything else happens to a request."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from sample_providers.journal import KEPT, Journal, Journaled, Line

pytestmark = pytest.mark.anyio


def scope(path: str) -> dict[str, Any]:
    """An ASGI request."""
    headers = [(b"traceparent", b"00-1-2-01"), (b"tongdao-call", b"0198")]
    return {"type": "http", "method": "GET", "path": path, "headers": headers}


async def never(*_message: Any) -> Any:
    """A receive or send that is not expected."""
    raise AssertionError("nothing is sent here")


@pytest.mark.requirement("DEM-05")
async def test_the_line_is_in_the_file_before_the_request_goes_on(tmp_path: Path) -> None:
    file, found = tmp_path / "journal", []

    async def department(*_asgi: Any) -> None:
        found.append(msgspec.json.decode(file.read_bytes(), type=Line))

    journal = Journal(file)
    await Journaled(department, journal, {"gaj"})(scope("/gaj/v1/vehicles"), never, never)
    journal.close()

    [line] = found
    assert (line.method, line.path, line.traceparent, line.call) == ("GET", "/gaj/v1/vehicles", "00-1-2-01", "0198")


async def test_an_older_journal_is_continued(tmp_path: Path) -> None:
    for _start in range(2):
        journal = Journal(tmp_path / "journal")
        journal.write(Line(0.0, "GET", "/gaj/v1/vehicles", "", ""))
        journal.close()

    assert len((tmp_path / "journal").read_bytes().splitlines()) == 2


async def test_what_is_not_for_a_department_is_not_written() -> None:
    async def somewhere(*_asgi: Any) -> None:
        pass

    journal = Journal(None)
    for path in ("/health/ready", "/faults", "/"):
        await Journaled(somewhere, journal, {"gaj"})(scope(path), never, never)

    assert not journal.newest


async def test_memory_is_bounded() -> None:
    journal = Journal(None)
    for n in range(KEPT + 1):
        journal.write(Line(float(n), "GET", "/gaj/", "", ""))

    assert [journal.newest[0].at, journal.newest[-1].at] == [1.0, float(KEPT)]
