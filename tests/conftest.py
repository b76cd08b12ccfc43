"""Hooks and fixtures for all tests: the register of duties, a clean environment, a real PostgreSQL."""

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["harness.postgres", "harness.mariadb", "harness.platform", "harness.proving"]
REGISTER = tomllib.loads((Path(__file__).parent / "requirements.toml").read_text())

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")  # tests assert no times

for name in [name for name in os.environ if name.startswith("TONGDAO_") or name == "DATABASE_URL"]:
    del os.environ[name]
os.environ["PGSSLMODE"] = "disable"  # our server has no TLS; asyncpg leaves an error behind when it is cancelled asking


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The register of duties holds both ways: no unknown id, no duty without a test, no stale deferral."""
    proved = {duty for item in items for mark in item.iter_markers("requirement") for duty in mark.args}
    if unknown := proved - REGISTER.keys():
        raise pytest.UsageError(f"tests name duties that the register lacks: {sorted(unknown)}")
    if config.getoption("keyword") or config.getoption("markexpr") or config.args != config.getini("testpaths"):
        return  # a part of the tests proves a part of the duties
    owed = {duty for duty, row in REGISTER.items() if "deferred" not in row}
    if unproved := owed - proved:
        raise pytest.UsageError(f"duties without a test: {sorted(unproved)}")
    if stale := proved - owed:
        raise pytest.UsageError(f"deferred duties that now have tests: {sorted(stale)}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests measured or counted, wherever they ran."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    figures = [value for report in reports for name, value in report.user_properties if name == "figures"]
    if figures:
        terminalreporter.section("figures")
        for line in figures:
            terminalreporter.write_line(str(line))
