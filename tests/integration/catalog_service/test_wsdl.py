"""A WSDL in: interfaces proposed and registered, what loads something refused; on a real database."""

from typing import Any

import msgspec
import pytest
from httpx2 import Response

from harness import wsdls
from harness.catalog import RESOURCE_CODE, Catalog
from soap import codec, wsdl

pytestmark = pytest.mark.anyio
HEAD = "/interfaces/rsj-rich/versions"


async def describe(catalog: Catalog, document: str, query: str = "", by: str = "rsj") -> Response:
    options = f"resource={RESOURCE_CODE}&interface=rsj-rich&networks=10.0.0.0/8{query}"
    headers = {"Authorization": f"Bearer {catalog.token(by)}", "Content-Type": "text/xml"}
    return await catalog.client.post(f"/directory/wsdl?{options}", content=document.encode(), headers=headers)


def by_name(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in items}


@pytest.mark.requirement("SOA-09")
async def test_a_wsdl_becomes_a_registered_interface(catalog: Catalog) -> None:
    await catalog.furnish()
    rehearsal = await describe(catalog, wsdls.RICH, "&port=P12&dry_run=true")
    assert rehearsal.status_code == 200, rehearsal.text
    assert (await catalog.ask("GET", f"{HEAD}/v1")).status_code == 404

    made = await describe(catalog, wsdls.RICH, "&port=P12")
    assert made.status_code == 201, made.text
    [item] = made.json()["items"]
    assert item["interface"] == rehearsal.json()["items"][0]["interface"]
    assert {note["path"] for note in made.json()["notes"]} >= {"ports/S/PGet", "ports/S/PMail"}
    shown = (await catalog.ask("GET", f"{HEAD}/v1", by="rsj")).json()
    assert shown["base_url"] == "http://rich.example/soap12"
    assert shown["operations"] == [{"method": "POST", "path": "/Ask", "target": "Ask", "repeatable": False}]
    assert (shown["format"], shown["adapter"]["service"], shown["adapter"]["port"]) == ("json", "S", "P12")
    assert shown["adapter"]["wsdl"] == wsdls.RICH
    assert shown["request"]["required"] == ["@version", "code", "citizen"]
    assert {"count", "row.paid.#text", "row.paid.@currency", "row.tree.child"} <= by_name(shown["fields"]).keys()
    assert (await describe(catalog, wsdls.RICH, "&port=P12")).json()["items"][0]["created"] is False


@pytest.mark.requirement("SOA-09")
async def test_what_is_made_up_fits_the_wsdl(catalog: Catalog) -> None:
    await catalog.furnish()
    [item] = (await describe(catalog, wsdls.RICH, "&port=P12&dry_run=true")).json()["items"]
    assert item["sample"]["row"][0]["when"] == "2024-01-31T08:30:00+08:00"
    operation = wsdl.read(wsdls.RICH.encode()).port("S", "P12").operations["Ask"]
    envelope = codec.told(operation, msgspec.json.encode(item["sample"]), "1.1")
    assert codec.answer(operation, envelope).body


@pytest.mark.requirement("SOA-09")
async def test_each_operation_may_be_an_interface_and_what_is_left_out_is_told(catalog: Catalog) -> None:
    await catalog.furnish()
    made = await describe(catalog, wsdls.RICH, "&split=operation&base_url=http://10.1.2.3:8080/soap")
    assert made.status_code == 201, made.text
    interfaces = {item["interface"]["id"]: item["interface"] for item in made.json()["items"]}
    assert interfaces.keys() == {"rsj-rich-ask", "rsj-rich-note", "rsj-rich-sum"}
    assert interfaces["rsj-rich-sum"]["operations"][0]["target"] == "Sum"
    assert [field["name"] for field in interfaces["rsj-rich-sum"]["fields"]] == ["sum"]
    left_out = {note["path"]: note["en"] for note in made.json()["notes"]}
    assert "encoded" in left_out["operations/Old"]
    assert {"operations/Free", "operations/Typed"} <= left_out.keys()


REMOTE = {
    "S-24-wsdl-import": ("<types>", '<import namespace="urn:x" location="http://169.254.169.254/x"/><types>'),
    "S-24-xsd-include": ("<xs:import ", '<xs:include schemaLocation="file:///etc/passwd"/><xs:import '),
    "S-24-dtd": ("<definitions", "<!DOCTYPE definitions><definitions"),
}


@pytest.mark.requirement("SOA-09")
@pytest.mark.parametrize(("old", "new"), REMOTE.values(), ids=REMOTE.keys())
async def test_a_document_that_leads_elsewhere_is_forbidden_by_a_named_rule(
    catalog: Catalog, old: str, new: str
) -> None:
    await catalog.furnish()
    refused = await describe(catalog, wsdls.RICH.replace(old, new, 1))
    assert (refused.status_code, refused.json()["code"]) == (400, "registration/forbidden")
    assert refused.json()["errors"][0]["rule"] in ("wsdl/remote-import", "wsdl/dtd")


@pytest.mark.requirement("SOA-09")
async def test_what_is_no_wsdl_or_has_no_such_port_is_a_mistake(catalog: Catalog) -> None:
    await catalog.furnish()
    for document, query in (("{}", ""), (wsdls.RICH, "&port=PGet"), (wsdls.RICH, "&base_url=ftp://x.example/y")):
        assert (await describe(catalog, document, query)).status_code in (400, 422)
    assert (await catalog.ask("GET", f"{HEAD}/v1")).status_code == 404
    assert (await describe(catalog, wsdls.RICH, by="gaj")).status_code == 403
