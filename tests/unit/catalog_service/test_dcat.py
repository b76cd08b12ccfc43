"""The DCAT-AP 3 description against the official shapes."""

from pathlib import Path
from typing import Any, get_args

import pyshacl
import pytest
import rdflib
from rdflib.namespace import DCAT, DCTERMS, FOAF, RDF, SKOS, XSD

from catalog_service.directory.entry import Cycle, Share
from catalog_service.directory.model import AUTHORITY, Department, Interface
from catalog_service.interchange.dcat import FORMATS, FREQUENCIES, Published, describe
from harness.sheets import SOCIAL, entry
from wire.catalog import Operation

pytestmark = [
    pytest.mark.requirement("INT-07"),
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:(rdflib|pyshacl)"),  # they warn of their own parts
]
HERE = "https://gateway.example"
SHAPES = Path(__file__).parents[2] / "data" / "dcat-ap-3.0.0-SHACL.jsonld"


def interface(**changes: Any) -> Interface:
    members = {
        "id": "rsj-social-insurance", "version": "v1", "provider": "rsj", "resource": entry().code,
        "name": "参保状态查询", "base_url": "http://inside.rsj.example:8080/secret", "networks": ["10.9.0.0/16"],
        "operations": [Operation(method="GET", path="/{id}", target="/internal/{id}")], "fields": [],
    }  # fmt: skip
    return Interface(**{**members, **changes})


PUBLISHED = Published(
    departments={
        "rsj": SOCIAL,
        "dsjj": Department(id="dsjj", name="数据局", name_en="Data Bureau", kind=AUTHORITY, region="990100"),
    },
    resources=[
        entry(1, name_en="Social insurance", topic="社会 保障/甲", alias="参保"),
        entry(2, provider="dsjj", share=Share(type="unconditional"), open="unconditional", update_cycle="每年",
              published=""),
        entry(3, provider="gone", share=Share(type="none", reason="x")),
    ],
    interfaces=[
        interface(), interface(version="v2", format="binary"), interface(id="other", resource="1010000100001/1"),
    ],
    here=f"{HERE}/api/catalog/directory/dcat", next=f"{HERE}/api/catalog/directory/dcat?after=x%2F1",
)  # fmt: skip


def graph(published: Published = PUBLISHED, form: str = "ttl") -> rdflib.Graph:
    return rdflib.Graph().parse(data=describe(published, HERE, form), format=FORMATS[form][0])


@pytest.fixture(scope="module")
def shapes() -> rdflib.Graph:
    return rdflib.Graph().parse(SHAPES, format="json-ld")


@pytest.mark.parametrize("form", FORMATS)
def test_the_official_shapes_accept_it_in_every_form(shapes: rdflib.Graph, form: str) -> None:
    conforms, _, told = pyshacl.validate(graph(form=form), shacl_graph=shapes)
    assert conforms, told


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_directory_is_a_catalogue_too(shapes: rdflib.Graph, form: str) -> None:
    conforms, _, told = pyshacl.validate(
        graph(Published(departments={}, resources=[], interfaces=[]), form), shacl_graph=shapes
    )
    assert conforms, told


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (DCAT.Catalog, DCTERMS.publisher), (DCAT.Catalog, DCTERMS.title), (DCAT.Dataset, DCTERMS.description),
        (DCAT.DataService, DCAT.endpointURL), (DCAT.Distribution, DCAT.accessURL), (SKOS.Concept, SKOS.prefLabel),
        (SKOS.ConceptScheme, DCTERMS.title),
    ],
)  # fmt: skip
def test_the_shapes_miss_what_is_left_out(shapes: rdflib.Graph, kind: Any, said: Any) -> None:
    described = graph()
    thing = next(described.subjects(RDF.type, kind))
    assert list(described.objects(thing, said))
    described.remove((thing, said, None))
    assert not pyshacl.validate(described, shacl_graph=shapes)[0]


@pytest.mark.parametrize("kind", [DCTERMS.RightsStatement, FOAF.Agent, DCTERMS.Frequency, DCAT.DataService])
def test_the_shapes_miss_types(shapes: rdflib.Graph, kind: Any) -> None:
    described = graph()
    described.remove((None, RDF.type, kind))
    assert not pyshacl.validate(described, shacl_graph=shapes)[0]


def test_it_says_what_is_shared_and_how() -> None:
    described = graph()
    one, two, three = (rdflib.URIRef(f"{HERE}/api/catalog/resources/2039900100003/00000{n}") for n in (1, 2, 3))
    rights = [str(described.value(one, DCTERMS.accessRights)).rpartition("/")[2] for one in (one, two, three)]
    assert rights == ["RESTRICTED", "PUBLIC", "NON_PUBLIC"]
    assert (one, DCTERMS.title, rdflib.Literal("Social insurance", lang="en")) in described
    assert (one, DCTERMS.issued, rdflib.Literal("2025-03-01", datatype=XSD.date)) in described
    assert described.value(two, DCTERMS.issued) is None
    assert str(described.value(two, DCTERMS.accrualPeriodicity)).endswith("/ANNUAL")
    assert str(described.value(one, DCTERMS.accrualPeriodicity)).endswith("/UPDATE_CONT")
    [theme] = described.objects(one, DCAT.theme)
    assert described.value(theme, SKOS.prefLabel) == rdflib.Literal("社会 保障/甲", lang="zh")
    assert described.value(described.value(two, DCAT.theme), SKOS.prefLabel) == rdflib.Literal("社会保障", lang="zh")
    assert str(described.value(described.value(two, DCTERMS.spatial), DCTERMS.identifier)) == "990100"
    [service] = [s for s in described.subjects(DCAT.servesDataset, one) if str(s).endswith("v1")]
    assert str(described.value(service, DCAT.endpointURL)) == f"{HERE}/x/rsj-social-insurance/v1"
    assert len(list(described.objects(one, DCAT.distribution))) == 2
    catalog = next(described.subjects(RDF.type, DCAT.Catalog))
    keeper = described.value(catalog, DCTERMS.publisher)
    assert rdflib.Literal("数据局", lang="zh") in described.objects(keeper, FOAF.name)


@pytest.mark.parametrize("form", FORMATS)
def test_provider_addresses_and_interfaces_of_what_is_not_published_stay_inside(form: str) -> None:
    content = describe(PUBLISHED, HERE, form).decode()
    for secret in ("inside.rsj.example", "10.9.0.0", "/internal/", "other"):
        assert secret not in content


def test_every_cycle_has_its_frequency() -> None:
    assert set(FREQUENCIES) == set(get_args(Cycle))
