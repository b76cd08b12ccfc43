"""OpenAPI documents say what is so: Schemathesis asks every service all that its document allows, and what it forbids.

`FUZZ_EXAMPLES=100 FUZZ_SEED=7` takes longer and looks further than what every run does.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.fuzzing import SEED, fuzz
from harness.proving import Ground

pytestmark = [pytest.mark.xdist_group("ground"), pytest.mark.requirement("ROU-03"), pytest.mark.timeout(3600)]
WHO = {
    "catalog-service": ("catalog-everything", "identity"),
    "audit-service": ("audit-everything", "gateway"),
    "exchange-service": ("catalog-everything", "gateway"),
    "identity": ("identity-everything", "gateway"),
    "gateway": ("catalog-everything", "gateway"),
}


@pytest.mark.parametrize("service", WHO)
def test_a_service_is_what_its_document_says(
    ground: Ground, service: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    role, as_service = WHO[service]
    is_clean, said = fuzz(ground, service, role, as_service=as_service, folder=tmp_path)
    cases = [line.strip() for line in said.splitlines() if " generated" in line]
    record_property("figures", f"{service}: {' '.join(cases)}, seed {SEED}")
    assert is_clean, said


@pytest.mark.parametrize("service", WHO)
def test_a_document_states_refusals_and_who_may_ask(ground: Ground, service: str) -> None:
    document = ground.document(service)
    assert document["openapi"].startswith("3.1")
    assert "HTTPValidationError" not in str(document)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            told = f"{service} {method} {path}"
            assert "security" in operation, told
            assert "4XX" in operation["responses"], told
            assert {"401", "403"} <= operation["responses"].keys() or operation["security"] == [], told
