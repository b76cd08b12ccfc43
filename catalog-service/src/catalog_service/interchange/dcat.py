"""What is published, as DCAT-AP 3: a catalogue of datasets, and of the data services that open them. Pure.

Everything that is referred to is typed where it is referred to, so that the description stands by itself: a harvester
needs no inference and none of the vocabularies to judge it. Provider addresses are not in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from catalog_service.directory.classification import theme_of
from catalog_service.directory.entry import Cycle, Resource
from catalog_service.directory.model import Department, Interface
from catalog_service.feed.model import PLATFORM

if TYPE_CHECKING:
    from rdflib import Graph, URIRef

AUTHORITIES = "http://publications.europa.eu/resource/authority"
FREQUENCIES: Mapping[Cycle, str] = {
    "实时": "UPDATE_CONT", "每日": "DAILY", "每周": "WEEKLY", "每月": "MONTHLY", "每季度": "QUARTERLY",
    "每年": "ANNUAL",
}  # fmt: skip
FORMATS: Mapping[str, tuple[str, str]] = {
    "ttl": ("turtle", "text/turtle"),
    "jsonld": ("json-ld", "application/ld+json"),
    "rdf": ("xml", "application/rdf+xml"),
}
"""What is asked for -> how rdflib calls it, media type."""
TITLE = (("通道 Tongdao 数据共享目录", "zh"), ("Tongdao data sharing catalogue", "en"))
SUMMARY = (
    ("各部门已发布的信息资源及其共享接口", "zh"),
    ("Published resources of the departments, and their interfaces", "en"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What is to be described. `here` and `next`: addresses of this page and of the one that follows, "" at the end."""

    departments: Mapping[str, Department]
    resources: list[Resource]
    interfaces: list[Interface]
    here: str = ""
    next: str = ""


def describe(published: Published, public_url: str, form: str) -> bytes:
    """The description, in one of `FORMATS`."""
    described = _Described(published, public_url.rstrip("/"))
    described.catalog()
    content: bytes = described.graph.serialize(format=FORMATS[form][0], encoding="utf-8")
    return content


class _Described:
    """The graph while it grows."""

    def __init__(self, published: Published, base: str) -> None:
        import rdflib  # a fifth of a second that other starts need not wait for
        from rdflib.namespace import DCAT, DCTERMS, FOAF, RDF, RDFS, SKOS, XSD

        self._rdf = rdflib
        self._dcat, self._dct, self._foaf, self._skos = DCAT, DCTERMS, FOAF, SKOS
        self._vcard = rdflib.Namespace("http://www.w3.org/2006/vcard/ns#")
        self._type, self._resource, self._date = RDF.type, RDFS.Resource, XSD.date
        self._hydra = rdflib.Namespace("http://www.w3.org/ns/hydra/core#")
        self._published, self._base = published, base
        self.graph: Graph = rdflib.Graph()
        self.graph.bind("hydra", self._hydra)

    def _node(self, iri: str, *types: Any) -> "URIRef":
        node = self._rdf.URIRef(iri)
        for one in types:
            self.graph.add((node, self._type, one))
        return node

    def _say(self, subject: "URIRef", predicate: Any, text: str, language: str | None = None) -> None:
        if text:
            self.graph.add((subject, predicate, self._rdf.Literal(text, lang=language)))

    def _at(self, *steps: str) -> str:
        return "/".join([f"{self._base}/api/catalog", *(quote(step, safe="/") for step in steps)])

    def _listed(self, table: str, word: str, one: Any) -> "URIRef":
        return self._node(f"{AUTHORITIES}/{table}/{word}", one)

    # --- the parts ----------------------------------------------------------------------------------------------------
    def catalog(self) -> None:
        """The catalogue with everything in it."""
        catalog = self._node(self._at("directory"), self._dcat.Catalog)
        for predicate, texts in ((self._dct.title, TITLE), (self._dct.description, SUMMARY)):
            for text, language in texts:
                self._say(catalog, predicate, text, language)
        link = self.graph.add
        link((catalog, self._dct.publisher, self._keeper()))
        link((catalog, self._dct.language, self._listed("language", "ZHO", self._dct.LinguisticSystem)))
        link((catalog, self._foaf.homepage, self._node(f"{self._base}/", self._foaf.Document)))
        link((catalog, self._dcat.themeTaxonomy, self._themes()))
        datasets = {resource.code: self._dataset(resource) for resource in self._published.resources}
        for dataset in datasets.values():
            link((catalog, self._dcat.dataset, dataset))
        for interface in self._published.interfaces:
            if interface.resource in datasets:
                link((catalog, self._dcat.service, self._service(interface, datasets[interface.resource])))
        if self._published.next:
            page = self._node(self._published.here, self._hydra.PartialCollectionView)
            link((page, self._hydra.next, self._rdf.URIRef(self._published.next)))

    def _keeper(self) -> "URIRef":
        """Who answers for the catalogue: the data authority, or else whoever runs the platform."""
        departments = self._published.departments
        authority = next((one for one in departments.values() if one.is_authority), departments.get(PLATFORM))
        return self._agent(authority or Department(id=PLATFORM, name="通道 Tongdao"))

    def _agent(self, department: Department) -> "URIRef":
        agent = self._node(self._at("departments", department.id), self._foaf.Agent)
        self._say(agent, self._foaf.name, department.name, "zh")
        self._say(agent, self._foaf.name, department.name_en, "en")
        self._say(agent, self._dct.identifier, department.uscc)
        return agent

    def _themes(self) -> "URIRef":
        scheme = self._node(self._at("directory", "themes"), self._skos.ConceptScheme)
        self._say(scheme, self._dct.title, "主题分类", "zh")
        self._say(scheme, self._dct.title, "Themes", "en")
        return scheme

    def _dataset(self, resource: Resource) -> "URIRef":
        dataset = self._node(self._at("resources", resource.code), self._dcat.Dataset)
        self._say(dataset, self._dct.title, resource.name, "zh")
        self._say(dataset, self._dct.title, resource.name_en, "en")
        self._say(dataset, self._dct.description, resource.summary, "zh")
        self._say(dataset, self._dct.identifier, resource.code)
        for word in dict.fromkeys([resource.alias, resource.data_class]):
            self._say(dataset, self._dcat.keyword, word, "zh")
        link = self.graph.add
        link((dataset, self._dct.accessRights, self._rights(resource)))
        cycle = FREQUENCIES[resource.update_cycle]
        link((dataset, self._dct.accrualPeriodicity, self._listed("frequency", cycle, self._dct.Frequency)))
        link((dataset, self._dct.language, self._listed("language", "ZHO", self._dct.LinguisticSystem)))
        if resource.published:
            link((dataset, self._dct.issued, self._rdf.Literal(resource.published, datatype=self._date)))
        if theme := resource.topic or theme_of(resource.code):
            link((dataset, self._dcat.theme, self._theme(theme)))
        if region := self._responsible(dataset, resource.provider).region:
            place = self._node(self._at("directory", "regions", region), self._dct.Location)
            self._say(place, self._dct.identifier, region)
            link((dataset, self._dct.spatial, place))
        return dataset

    def _responsible(self, thing: "URIRef", department_id: str) -> Department:
        """Say who publishes it and whom to ask about it."""
        department = self._published.departments.get(department_id) or Department(id=department_id, name=department_id)
        link = self.graph.add
        link((thing, self._dct.publisher, self._agent(department)))
        contact = self._node(f"{self._at('departments', department.id)}#contact", self._vcard.Kind)
        self._say(contact, self._vcard.fn, department.name)
        link((thing, self._dcat.contactPoint, contact))
        return department

    def _rights(self, resource: Resource) -> "URIRef":
        """What is open to everybody is public; what is shared, even on conditions, restricted; the rest is neither."""
        if resource.open == "unconditional":
            word = "PUBLIC"
        else:
            word = "NON_PUBLIC" if resource.share.type == "none" and resource.open == "none" else "RESTRICTED"
        return self._listed("access-right", word, self._dct.RightsStatement)

    def _theme(self, name: str) -> "URIRef":
        theme = self._node(f"{self._themes()}/{quote(name, safe='')}", self._skos.Concept)
        self._say(theme, self._skos.prefLabel, name, "zh")
        self.graph.add((theme, self._skos.inScheme, self._themes()))
        return theme

    def _service(self, interface: Interface, dataset: "URIRef") -> "URIRef":
        at = self._at("interfaces", interface.id, "versions", interface.version)
        service = self._node(at, self._dcat.DataService)
        endpoint = self._node(f"{self._base}/x/{interface.key}", self._resource)
        self._say(service, self._dct.title, f"{interface.name} {interface.version}", "zh")
        self._say(service, self._dct.identifier, interface.key)
        link = self.graph.add
        link((service, self._dcat.endpointURL, endpoint))
        link((service, self._dcat.servesDataset, dataset))
        for rights in self.graph.objects(dataset, self._dct.accessRights):
            link((service, self._dct.accessRights, rights))
        self._responsible(service, interface.provider)
        link((dataset, self._dcat.distribution, self._distribution(interface, service, endpoint, f"{at}#distribution")))
        return service

    def _distribution(self, interface: Interface, service: "URIRef", endpoint: "URIRef", at: str) -> "URIRef":
        distribution = self._node(at, self._dcat.Distribution)
        self._say(distribution, self._dct.title, interface.name, "zh")
        link = self.graph.add
        link((distribution, self._dcat.accessURL, endpoint))
        link((distribution, self._dcat.accessService, service))
        if interface.format == "json":
            link((distribution, self._dct["format"], self._listed("file-type", "JSON", self._dct.MediaTypeOrExtent)))
            media = self._node("http://www.iana.org/assignments/media-types/application/json", self._dct.MediaType)
            link((distribution, self._dcat.mediaType, media))
        return distribution
