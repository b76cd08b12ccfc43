"""OpenAPI documents in, the directory as DCAT-AP out, the whole directory as JSON out and in; on a real database."""

import asyncio
import json
from typing import Any

import pytest
import rdflib
import yaml
from httpx2 import Response
from rdflib.namespace import DCAT, RDF

from catalog_service.feed.model import Actor
from catalog_service.interchange import bundle
from catalog_service.interchange.bundle import Bundle, as_one
from harness.catalog import INTERFACE, RESOURCE, RESOURCE_CODE, Catalog
from harness.openapi_documents import EDITIONS, answering, one_operation, v30
from runtime.errors import Refusal
from tongdao_cli import demo
from wire import codes, scopes

pytestmark = pytest.mark.anyio
HEAD = "/interfaces/rsj-person/versions"


async def send(catalog: Catalog, path: str, content: bytes, by: str = "platform") -> Response:
    headers = {"Authorization": f"Bearer {catalog.token(by)}", "Content-Type": "application/json"}
    return await catalog.client.post(path, content=content, headers=headers)


async def describe(catalog: Catalog, document: dict[str, Any], query: str = "", by: str = "rsj") -> Response:
    options = f"resource={RESOURCE_CODE}&interface=rsj-person&networks=10.0.0.0/8{query}"
    return await send(catalog, f"/directory/openapi?{options}", json.dumps(document).encode(), by)


# --- OpenAPI ----------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("INT-02", "REG-07")
async def test_an_openapi_document_becomes_a_registered_interface(catalog: Catalog) -> None:
    await catalog.furnish()
    rehearsal = await describe(catalog, v30(), "&dry_run=true")
    assert rehearsal.status_code == 200, rehearsal.text
    assert rehearsal.json()["dry_run"] is True
    assert (await catalog.ask("GET", f"{HEAD}/v1")).status_code == 404

    made = await describe(catalog, v30())
    assert made.status_code == 201
    [item] = made.json()["items"]
    assert (item["created"], item["changes"], item["interface"]["stage"]) == (True, [], "registered")
    assert item["interface"] == rehearsal.json()["items"][0]["interface"]
    assert item["sample"] == rehearsal.json()["items"][0]["sample"]
    assert set(item["sample"]) & {"name", "id"}, "an answer that the document allows"
    assert {note["path"] for note in made.json()["notes"]} >= {"paths/~1persons/post"}
    shown = (await catalog.ask("GET", f"{HEAD}/v1", by="rsj")).json()
    assert (shown["base_url"], len(shown["operations"]), len(shown["fields"])) == ("https://hj.gaj.example/api", 2, 11)
    assert (await catalog.snapshot()).interfaces[0].id == "rsj-social-insurance"  # not served before it is tested

    again = await describe(catalog, v30())
    assert (again.status_code, again.json()["items"][0]["created"]) == (200, False)
    operator = await describe(catalog, v30(), by="platform")
    assert operator.json()["items"][0]["interface"]["stage"] == "online"
    assert "rsj-person" in {interface.id for interface in (await catalog.snapshot()).interfaces}


@pytest.mark.requirement("INT-01")
async def test_the_next_version_is_told_what_it_breaks(catalog: Catalog) -> None:
    await catalog.furnish()
    assert (await describe(catalog, v30(), by="platform")).status_code == 201
    narrower = v30()
    person = narrower["components"]["schemas"]["Person"]
    person["properties"] = {name: schema for name, schema in person["properties"].items() if name != "age"}
    refused = await describe(catalog, narrower, by="platform")
    assert (refused.status_code, refused.json()["code"]) == (409, "request/conflict")
    [item] = (await describe(catalog, narrower, "&version=v2", by="platform")).json()["items"]
    assert {change["path"] for change in item["changes"] if change["breaking"]} >= {"fields/age", "response/age"}


@pytest.mark.requirement("INT-02")
async def test_yaml_tags_and_addresses(catalog: Catalog) -> None:
    await catalog.furnish()
    content = yaml.safe_dump(EDITIONS["3.1"](), allow_unicode=True, sort_keys=False).encode()
    options = f"resource={RESOURCE_CODE}&interface=rsj-person&networks=10.0.0.0/8&networks=10.9.0.0/16"
    path = f"/directory/openapi?{options}&split=tag&version=v3&base_url=http://inside.example:8080/x"
    made = (await send(catalog, path, content)).json()
    assert [item["interface"]["id"] for item in made["items"]] == ["rsj-person-1", "rsj-person-register"]
    for item in made["items"]:
        assert item["interface"]["base_url"] == "http://inside.example:8080/x"
        assert item["interface"]["networks"] == ["10.0.0.0/8", "10.9.0.0/16"]


@pytest.mark.requirement("INT-02")
async def test_mistakes_are_told_by_place_and_nothing_is_registered(catalog: Catalog) -> None:
    await catalog.furnish()
    head = await catalog.head()
    for document, path in (
        (one_operation({"parameters": [{"name": "x"}]}), "/body/paths/~1a/get/parameters/0"),
        (one_operation({}, path="/a/{b}.json"), "/body/paths/~1a~1{b}.json/get"),
        ({"hello": "world"}, "/body/openapi"),
    ):  # fmt: skip
        refused = await describe(catalog, document)
        assert (refused.status_code, refused.json()["code"]) == (422, "request/invalid")
        assert path in [error["path"] for error in refused.json()["errors"]]
    outside = await describe(catalog, answering({"$ref": "http://169.254.169.254/x"}))
    assert (outside.status_code, outside.json()["code"]) == (400, "registration/forbidden")
    assert [(error["path"], error["rule"]) for error in outside.json()["errors"]] == [
        ("/body/paths/~1a/get/responses/200/content/application~1json/schema/$ref", "schema/remote-ref"),
    ]  # fmt: skip
    for content in (b"", b"a: [", b"[" * 10_000, b"a: &a [*a]"):
        options = f"resource={RESOURCE_CODE}&interface=rsj-person&networks=10.0.0.0/8"
        refused = await send(catalog, f"/directory/openapi?{options}", content)
        assert (refused.status_code, refused.json()["code"]) == (422, "request/invalid")
    assert await catalog.head() == head


@pytest.mark.requirement("INT-02")
async def test_whose_resource_it_is_and_what_the_options_are(catalog: Catalog) -> None:
    await catalog.furnish()
    assert (await describe(catalog, v30(), by="zjj")).json()["code"] == "request/not-responsible"
    path = "/directory/openapi?resource=2039900100003/000009&interface=x&networks=10.0.0.0/8"
    assert (await send(catalog, path, b"{}")).json()["code"] == "request/not-found"
    good = f"resource={RESOURCE_CODE}&interface=a"
    for query in ("resource=x&interface=a", f"resource={RESOURCE_CODE}", f"{good}&split=x", f"{good}&version=1"):
        assert (await send(catalog, f"/directory/openapi?{query}", b"{}")).status_code == 422
    missing = await send(
        catalog, f"/directory/openapi?resource={RESOURCE_CODE}&interface=a", json.dumps(v30()).encode()
    )
    assert [error["path"] for error in missing.json()["errors"]] == ["/body/networks"]


# --- DCAT-AP ----------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("INT-07")
@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:rdflib")
async def test_the_published_directory_leaves_as_dcat_in_pages(workshop: Catalog) -> None:
    everything = demo.messages("http://127.0.0.1:4711", "file:///files")
    for message in everything.registrations:
        assert (await workshop.ask(message.method, message.path, message.body)).status_code == 201
    await workshop.move(f"{everything.interfaces[0].path}", "suspend")
    graph = rdflib.Graph()
    path: str = "/directory/dcat?limit=10"
    pages = 0
    while path:
        answer = await workshop.ask("GET", path, by="zjj")
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/turtle")
        assert "127.0.0.1" not in answer.text
        page = rdflib.Graph().parse(data=answer.content, format="turtle")
        graph += page
        following = [str(o) for o in page.objects(None, rdflib.URIRef("http://www.w3.org/ns/hydra/core#next"))]
        assert all(address.startswith("https://gateway.example/api/catalog/directory/dcat?") for address in following)
        path = following[0].removeprefix("https://gateway.example/api/catalog") if following else ""
        pages += 1
    assert pages == len(everything.resources) // 10 + 1
    assert len(set(graph.subjects(RDF.type, DCAT.Dataset))) == len(everything.resources)
    assert len(set(graph.subjects(RDF.type, DCAT.DataService))) == len(everything.interfaces) - 1
    for form, media in (("jsonld", "application/ld+json"), ("rdf", "application/rdf+xml")):
        answer = await workshop.ask("GET", f"/directory/dcat?format={form}&provider=gaj")
        assert answer.headers["content-type"].split(";")[0] == media
        assert "swj" not in answer.text
    assert (await workshop.ask("GET", "/directory/dcat?format=html")).status_code == 422


# --- JSON -------------------------------------------------------------------------------------------------------------
async def exported(catalog: Catalog, query: str = "", by: str = "platform") -> dict[str, Any]:
    answer = await catalog.ask("GET", f"/directory/json{query}", by=by)
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    return document


@pytest.mark.requirement("INT-09")
async def test_the_directory_leaves_and_comes_back_by_its_own_document(workshop: Catalog) -> None:
    everything = demo.messages("http://127.0.0.1:4711", "file:///files")
    for message in everything.registrations:
        assert (await workshop.ask(message.method, message.path, message.body)).status_code == 201
    document = await exported(workshop)
    assert list(document) == ["format", "departments", "systems", "resources", "interfaces"]
    for part, key in (("departments", "id"), ("systems", "id"), ("resources", "code"), ("interfaces", "id")):
        names = [thing[key] for thing in document[part]]
        assert names == sorted(names) != []
        assert "state" not in document[part][0]
    assert (await workshop.ask("GET", "/directory/json")).content == (
        await workshop.ask("GET", "/directory/json")
    ).content

    head = await workshop.head()
    again = (await workshop.ask("POST", "/directory/json", document)).json()
    assert (again["created"], again["changed"]) == ([], [])
    assert len(again["unchanged"]) == len(everything.registrations)
    assert await workshop.head() == head


@pytest.mark.requirement("INT-09")
async def test_an_empty_platform_is_furnished_by_one_document(catalog: Catalog) -> None:
    await catalog.furnish()
    document = await exported(catalog)
    document["departments"].append({"id": "swj", "name": "税务局"})
    document["systems"].append({"id": "swj-core", "department": "swj", "name": "核心征管"})
    document["resources"].append({**RESOURCE, "code": "2039900100009/1", "name": "完税情况", "provider": "swj"})
    new = {**INTERFACE, "id": "swj-tax", "version": "v1", "provider": "swj", "resource": "2039900100009/1"}
    document["interfaces"].append(new)
    document["departments"][0]["name"] = "人社局"
    told = {
        "created": ["departments/swj", "systems/swj-core", "resources/2039900100009/1", "interfaces/swj-tax/v1"],
        "changed": ["departments/rsj"],
        "unchanged": [
            "departments/zjj", "systems/zjj-housing", f"resources/{RESOURCE_CODE}",
            "interfaces/rsj-social-insurance/v1",
        ],
    }  # fmt: skip
    head = await catalog.head()
    rehearsal = await catalog.ask("POST", "/directory/json?dry_run=true", document)
    assert rehearsal.json() == {"dry_run": True, **told}
    assert await catalog.head() == head
    assert (await catalog.ask("GET", "/departments/swj")).status_code == 404
    assert (await catalog.ask("POST", "/directory/json", document)).json() == {"dry_run": False, **told}
    feed = (await catalog.feed(head)).entries
    assert [(entry.kind, entry.id) for entry in feed] == [
        ("department", "rsj"), ("department", "swj"), ("system", "swj-core"), ("interface", "swj-tax/v1"),
    ]  # fmt: skip
    part = {"format": document["format"], "departments": [{"id": "gaj", "name": "公安局"}]}
    assert (await catalog.ask("POST", "/directory/json", part)).json()["created"] == ["departments/gaj"]
    assert len((await exported(catalog))["interfaces"]) == 2  # what a document does not mention stays


@pytest.mark.requirement("INT-09")
async def test_a_document_is_taken_whole_or_not_at_all(catalog: Catalog) -> None:
    await catalog.furnish()
    document = await exported(catalog)
    document["departments"].append({"id": "swj", "name": "税务局"})
    head = await catalog.head()
    unfit = {**RESOURCE, "code": "2039900100009/1", "provider": "swj", "share": {"type": "conditional"}}
    for part, thing, path in (
        ("resources", unfit, "/body/resources/1/share/condition"),
        ("resources", {**RESOURCE, "code": "2039900100009/1", "provider": "nobody"}, "/body/resources/1/provider"),
        ("interfaces", {**INTERFACE, "id": "a", "version": "v1", "networks": []}, "/body/interfaces/1/networks"),
        ("resources", {**RESOURCE, "code": "2039900100009/1", "formatt": 1}, "/body/resources/1/formatt"),
    ):
        refused = await catalog.ask("POST", "/directory/json", {**document, part: [*document[part], thing]})
        assert refused.status_code == 422
        assert path in [error["path"] for error in refused.json()["errors"]]
    conflict = {**RESOURCE, "code": RESOURCE_CODE, "provider": "zjj"}
    refused = await catalog.ask("POST", "/directory/json", {**document, "resources": [conflict]})
    assert (refused.status_code, refused.json()["path"]) == (409, "/body/resources/0")
    assert await catalog.head() == head
    assert (await catalog.ask("GET", "/departments/swj")).status_code == 404
    assert (await catalog.ask("POST", "/directory/json", {**document, "format": "other/1"})).status_code == 422
    many = [{"id": f"d{n}", "name": "x"} for n in range(501)]
    over = {"format": document["format"], "departments": many, "systems": [{**s, "department": "d1"} for s in many]}
    assert (await catalog.ask("POST", "/directory/json", over)).json()["code"] == "interchange/too-much"


@pytest.mark.requirement("INT-09")
async def test_addresses_are_for_the_operator_and_only_the_operator_imports(catalog: Catalog) -> None:
    await catalog.furnish()
    await catalog.give()
    seen = await exported(catalog, by="zjj")
    assert set(seen["interfaces"][0]) & {"base_url", "networks"} == set()
    assert seen["interfaces"][0]["operations"] == [{"method": "GET", "path": "/{id_card}", "repeatable": False}]
    assert "rsj.example" not in json.dumps(seen)
    refused = await catalog.ask("POST", "/directory/json", await exported(catalog), by="rsj")
    assert (refused.status_code, refused.json()["code"]) == (403, "request/not-responsible")
    assert (await catalog.ask("POST", "/directory/json", {}, allowed=(scopes.CALL,))).status_code == 403
    one = await exported(catalog, "?provider=rsj")
    assert [thing["id"] for part in ("departments", "systems", "interfaces") for thing in one[part]] == [
        "rsj", "rsj-social-insurance",
    ]  # fmt: skip


@pytest.mark.requirement("INT-09")
async def test_what_was_taken_back_and_what_is_still_work_is_not_in_the_document(catalog: Catalog) -> None:
    await catalog.furnish()
    await catalog.put("/systems/zjj-two", {"department": "zjj", "name": "二"})
    await catalog.put("/interfaces/rsj-social-insurance/versions/v2", INTERFACE)
    assert (await catalog.ask("PUT", "/interfaces/rsj-new/versions/v1", INTERFACE, by="rsj")).status_code == 201
    await catalog.move("/systems/zjj-two", "revoke")
    await catalog.move("/interfaces/rsj-social-insurance/versions/v2", "revoke")
    await catalog.move("/systems/zjj-housing", "suspend")
    document = await exported(catalog)
    assert [system["id"] for system in document["systems"]] == ["zjj-housing"]
    assert [(one["id"], one["version"]) for one in document["interfaces"]] == [("rsj-social-insurance", "v1")]
    again = (await catalog.ask("POST", "/directory/json", document)).json()
    assert (again["created"], again["changed"]) == ([], [])
    assert (await catalog.ask("GET", "/systems/zjj-housing")).json()["state"]["standing"] == "suspended"


# --- as one -----------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("INT-09")
async def test_many_documents_at_once_and_single_changes_leave_one_order(catalog: Catalog) -> None:
    await catalog.furnish()
    document = await exported(catalog)
    documents = []
    for n in range(4):
        renamed = [{**department, "name": f"第{n}名"} for department in document["departments"]]
        documents.append({**document, "departments": renamed[::-1] if n % 2 else renamed})
    singles = [catalog.ask("PUT", "/interfaces/rsj-social-insurance/versions/v1", {**INTERFACE, "timeout_s": 5.0 + n})
               for n in range(4)]  # fmt: skip
    grants = [catalog.give() for _ in range(4)]
    answers = await asyncio.gather(*(catalog.ask("POST", "/directory/json", one) for one in documents), *singles)
    await asyncio.gather(*grants)
    assert {answer.status_code for answer in answers} == {200}
    names = {department["name"] for department in (await exported(catalog))["departments"]}
    assert len(names) == 1


@pytest.mark.requirement("INT-09")
async def test_a_bundle_that_the_database_ends_is_done_again(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bundles that take the same locks in opposite order: the database ends one, and it starts anew."""
    journal = await _journal(catalog, monkeypatch)
    actor = Actor("a", "platform")
    tried: list[str] = []
    both = asyncio.Barrier(2)

    def crossing(first: str, second: str) -> Any:
        async def work(change: Bundle) -> str:
            tried.append(first)
            await change.lock(first)
            if len(tried) <= 2:
                await both.wait()
            await change.lock(second)
            return first

        return work

    done = await asyncio.gather(as_one(journal, actor, crossing("a", "b")), as_one(journal, actor, crossing("b", "a")))
    assert (list(done), len(tried)) == (["a", "b"], 3)

    monkeypatch.setattr(bundle, "ATTEMPTS", 1)
    tried.clear()
    results = await asyncio.gather(
        as_one(journal, actor, crossing("a", "b")), as_one(journal, actor, crossing("b", "a")), return_exceptions=True
    )
    [refused] = [result for result in results if isinstance(result, Refusal)]
    assert refused.code is codes.CONFLICT


async def _journal(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The journal of the running service."""
    from catalog_service.feed.flows import Journal

    found: list[Journal] = []
    opened = Journal.change

    def change(self: Journal, actor: Actor) -> Any:
        found.append(self)
        return opened(self, actor)

    monkeypatch.setattr(Journal, "change", change)
    await catalog.put("/departments/gaj", {"name": "公安局"})
    return found[0]
