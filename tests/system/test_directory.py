"""The directory in and out as people meet it: the commands, and files through the gateway."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog_service.interchange import workbook
from harness.platform import Platform
from runtime.http import Client
from tongdao_cli.keys import OPERATOR

pytestmark = pytest.mark.system


@pytest.fixture
def operator(platform: Platform) -> Iterator[Client]:
    """The gateway as the platform's operator sees it."""
    with platform.consumer(OPERATOR) as consumer, platform.client() as client:
        client.headers["Authorization"] = f"Bearer {consumer.token()}"
        yield client


@pytest.mark.requirement("INT-09")
def test_the_directory_goes_into_a_file_and_comes_back(platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "directory.json"
    exported = platform.tongdao("directory", "export", str(file))
    assert exported.returncode == 0, exported.stderr
    assert "departments" in exported.stdout
    assert file.stat().st_mode & 0o077 == 0
    document = json.loads(file.read_text())
    count = sum(len(document[part]) for part in ("departments", "systems", "resources", "interfaces"))

    again = platform.tongdao("directory", "import", str(file))
    assert (again.returncode, again.stdout.strip()) == (0, f"0 created, 0 changed, {count} unchanged")
    document["departments"].append({"id": "new-one", "name": "新部门"})
    file.write_text(json.dumps(document))
    rehearsal = platform.tongdao("directory", "import", str(file), "--dry-run")
    assert rehearsal.stdout.splitlines() == [
        "created departments/new-one", f"1 created, 0 changed, {count} unchanged (nothing was done)",
    ]  # fmt: skip

    document["departments"][0]["nonsense"] = 1
    file.write_text(json.dumps(document))
    refused = platform.tongdao("directory", "import", str(file))
    assert refused.returncode == 1
    assert "/body/departments/0/nonsense" in refused.stderr
    for content in ("not json", "[]"):
        file.write_text(content)
        assert platform.tongdao("directory", "import", str(file)).returncode == 2


@pytest.mark.requirement("INT-10")
def test_files_pass_the_gateway_in_both_directions(operator: Client) -> None:
    template = operator.get("/api/catalog/directory/excel/template")
    assert template.headers["content-disposition"] == 'attachment; filename="template.xlsx"'
    assert workbook.read(template.content).rows == []
    sheet = operator.get("/api/catalog/directory/excel?provider=gaj")
    report = operator.post("/api/catalog/directory/excel?dry_run=true", content=sheet.content)
    assert report.status_code == 200, report.text
    assert (report.json()["created"], report.json()["changed"], report.json()["errors"]) == ([], [], [])
    assert report.json()["unchanged"]
    large = operator.post("/api/catalog/directory/excel", content=b"x" * 9 * 1024 * 1024)
    assert large.json()["code"] == "interchange/unreadable"
    described = operator.get("/api/catalog/directory/dcat?format=jsonld")
    assert described.headers["content-type"].startswith("application/ld+json")
