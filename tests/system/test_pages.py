"""What a person sees at the gateway: the page of addresses and the documentation; nothing comes from elsewhere."""

import re

import pytest

from harness.platform import Platform
from runtime.http import Client

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("platform")]


@pytest.mark.parametrize("page", ["/", "/docs", "/api/catalog/docs", "/api/audit/docs"])
def test_a_page_and_all_that_it_loads_come_from_the_gateway(client: Client, page: str) -> None:
    answer = client.get(page)
    assert answer.status_code == 200
    loaded = re.findall(r"""(?:src|href)="([^"]+)"|url: '([^']+)'""", answer.text)
    for address in [one or other for one, other in loaded]:
        assert address.startswith("/"), f"{page} loads {address}"
        assert client.get(address).status_code == 200, f"{page} loads {address}"


def test_the_catalog_s_document_names_its_public_address(client: Client) -> None:
    document = client.get("/api/catalog/openapi.json").json()
    assert document["servers"] == [{"url": "/api/catalog"}]
    assert "/grants" in document["paths"]


@pytest.mark.parametrize("page", ["/nothing", "/api/catalog/nothing", "/oauth2/nothing"])
def test_an_address_without_anything_is_a_problem_document(platform: Platform, client: Client, page: str) -> None:
    answer = client.get(page)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "request/unknown-path"


@pytest.mark.parametrize("path", ["/api/audit/%2e%2e/%2e%2e/batches", "/oauth2/%2E%2E/docs", "/api/catalog//docs"])
def test_a_path_that_leads_out_of_its_prefix_is_not_passed_on(client: Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (400, "request/bad-path")
