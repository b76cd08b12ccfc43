"""Files and functions stay small enough to be read in one go."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_LINES, FUNCTION_LINES, MEDIAN_LINES, SERVICE_LINES = 400, 60, 12, 2500
EXCUSED: dict[str, str] = {
    "services/wire/src/wire/codes.py": "one registry of codes, a table in two languages",
}
LARGE: dict[str, str] = {
    "catalog-service": "every step is one transaction with directory, grants and clocks (DECISIONS.md, 17)",
    "audit-service": "what is searched, kept, sent and erased has to be one with what was hashed (DECISIONS.md, 27)",
    "exchange-service": "one adapter for each kind of provider, none of which knows another (DECISIONS.md, 34)",
    "gateway": "whoever comes in is known, counted and held to the whole of the law in one process (DECISIONS.md, 41)",
    "identity": "systems and people prove themselves in many ways, each written once (DECISIONS.md, 41)",
    "relay": "a line to strangers and one among ourselves, under one rule for waiting (DECISIONS.md, 50)",
    "wire": "one module for each thing that crosses a border, read by all services (DECISIONS.md, 41)",
    "tongdao-cli": "one small file for each thing that people do (DECISIONS.md, 27)",
}
SOURCES = sorted(
    path
    for pattern in ("*/src/**/*.py", "services/*/src/**/*.py", "tests/**/*.py", "bench/**/*.py")
    for path in ROOT.glob(pattern)
)


def functions(path: Path) -> list[tuple[str, int]]:
    """Name and number of lines of every function of a file."""
    tree = ast.parse(path.read_text())
    return [
        (node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_and_no_function_is_too_long(path: Path) -> None:
    if str(path.relative_to(ROOT)) not in EXCUSED:
        assert len(path.read_text().splitlines()) <= FILE_LINES
    assert [(name, lines) for name, lines in functions(path) if lines > FUNCTION_LINES] == []


def test_most_functions_are_short() -> None:
    lengths = sorted(lines for path in SOURCES if "src" in path.parts for _, lines in functions(path))
    assert lengths[len(lengths) // 2] <= MEDIAN_LINES


def test_excuses_are_still_needed() -> None:
    assert [name for name in EXCUSED if len((ROOT / name).read_text().splitlines()) <= FILE_LINES] == []


def test_no_service_outgrows_its_duty() -> None:
    sizes: dict[str, int] = {}
    for path in SOURCES:
        if "src" in path.parts and str(path.relative_to(ROOT)) not in EXCUSED:
            project = path.parts[path.parts.index("src") - 1]
            sizes[project] = sizes.get(project, 0) + len(path.read_text().splitlines())
    assert {project for project, size in sizes.items() if size > SERVICE_LINES} == set(LARGE)
