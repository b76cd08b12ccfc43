"""Good registrations, one of each kind of provider."""

from typing import Any

import msgspec

from catalog_service.directory.model import Interface
from relay.egress import Egress
from wire.catalog import Field, Files, Filter, Operation, Soap, Table

EGRESS = Egress(allow_loopback=False, forbidden_ports=frozenset({9999}))
WSDL = """<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
 xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:insured" targetNamespace="urn:insured" name="Insured">
<types><xs:schema targetNamespace="urn:insured" elementFormDefault="qualified">
<xs:element name="Query"><xs:complexType><xs:sequence>
<xs:element name="id_card" type="xs:string"/></xs:sequence></xs:complexType></xs:element>
<xs:element name="QueryResponse"><xs:complexType><xs:sequence>
<xs:element name="name" type="xs:string"/></xs:sequence></xs:complexType></xs:element>
</xs:schema></types>
<message name="In"><part name="body" element="t:Query"/></message>
<message name="Out"><part name="body" element="t:QueryResponse"/></message>
<portType name="P"><operation name="Query"><input message="t:In"/><output message="t:Out"/></operation></portType>
<binding name="B" type="t:P"><soap:binding transport="http://schemas.xmlsoap.org/soap/http" style="document"/>
<operation name="Query"><soap:operation soapAction="urn:insured/Query"/>
<input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation></binding>
<service name="Insured"><port name="Soap11" binding="t:B"><soap:address location="http://elsewhere.example/"/></port></service>
</definitions>"""

IMPORTING = WSDL.replace("<types>", '<import namespace="urn:x" location="http://evil.example/more.wsdl"/><types>')

REST = Interface(
    id="rsj-insured", version="v1", provider="rsj", resource="2039900100003/000001", name="参保查询",
    base_url="https://rsj.example:8443/api", networks=["10.1.0.0/16"],
    operations=[Operation(method="GET", path="/{id_card}", target="/v1/insured/{id_card}")],
    fields=[Field(name="name", mask="name_first", level="L2"), Field(name="paid")],
)  # fmt: skip
SOAP = msgspec.structs.replace(
    REST, base_url="http://rsj.example/soap", adapter=Soap(wsdl=WSDL),
    operations=[Operation(method="POST", path="/query", target="Query")],
    request={"type": "object", "properties": {"id_card": {"type": "string"}}}, subject="id_card",
)  # fmt: skip
TABLE = msgspec.structs.replace(
    REST, base_url="postgresql://rsj.example:5433/social",
    operations=[Operation(method="GET", path="", target="")],
    adapter=Table(
        engine="postgresql", relation="share.v_insured", columns={"name": "xm"}, order=["xm"],
        filters=[
            Filter(parameter="id_card", column="sfzh"),
            Filter(parameter="since", column="paid_on", op="ge", kind="date", required=False),
        ],
    ),
)  # fmt: skip
FILES = msgspec.structs.replace(
    REST, base_url="file:///boundaries", networks=[], adapter=Files(digests=True), format="binary", fields=[],
    operations=[Operation(method=method, path="/{name}", target="/{name}") for method in ("GET", "HEAD")],
)  # fmt: skip
_NOT_STATED = ("id", "version", "maintenance", "state", "stage", "entry_state", "successor", "until")


def body_of(interface: Interface) -> dict[str, Any]:
    """What is put to register it."""
    members: dict[str, Any] = msgspec.to_builtins(interface)
    return {name: value for name, value in members.items() if name not in _NOT_STATED}
