"""WSDL documents written by hand, for what no one framework writes."""

from typing import Any

import msgspec
from lxml import etree

RICH = """<?xml version="1.0" encoding="UTF-8"?>
<definitions name="Rich" targetNamespace="urn:rich" xmlns="http://schemas.xmlsoap.org/wsdl/"
  xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/"
  xmlns:http="http://schemas.xmlsoap.org/wsdl/http/" xmlns:t="urn:rich" xmlns:c="urn:rich:common"
  xmlns:xs="http://www.w3.org/2001/XMLSchema">
<types>
<xs:schema targetNamespace="urn:rich:common" elementFormDefault="unqualified">
  <xs:simpleType name="Sex"><xs:restriction base="xs:string"><xs:enumeration value="男"/><xs:enumeration value="女"/>
  </xs:restriction></xs:simpleType>
  <xs:simpleType name="Number18"><xs:restriction base="xs:string"><xs:length value="18"/></xs:restriction>
  </xs:simpleType>
  <xs:simpleType name="Citizen"><xs:restriction base="c:Number18"><xs:maxLength value="18"/></xs:restriction>
  </xs:simpleType>
  <xs:complexType name="Base"><xs:sequence><xs:element name="code" type="xs:string"/></xs:sequence>
    <xs:attribute name="version" type="xs:int" use="required"/></xs:complexType>
  <xs:complexType name="Money"><xs:simpleContent><xs:extension base="xs:decimal">
    <xs:attribute name="currency" type="xs:string"/></xs:extension></xs:simpleContent></xs:complexType>
  <xs:complexType name="Tree"><xs:sequence><xs:element name="label" type="xs:string"/>
    <xs:element name="child" type="c:Tree" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
</xs:schema>
<xs:schema targetNamespace="urn:rich" elementFormDefault="qualified">
  <xs:import namespace="urn:rich:common" schemaLocation="common.xsd"/>
  <xs:group name="Contact"><xs:choice>
    <xs:element name="phone" type="xs:string"/>
    <xs:sequence><xs:element name="street" type="xs:string"/><xs:element name="city" type="xs:string"/></xs:sequence>
  </xs:choice></xs:group>
  <xs:complexType name="Question"><xs:complexContent><xs:extension base="c:Base"><xs:sequence>
    <xs:element name="citizen" type="c:Citizen"/>
    <xs:element name="sex" type="c:Sex" minOccurs="0" nillable="true"/>
    <xs:element name="age" minOccurs="0"><xs:simpleType><xs:restriction base="xs:int">
      <xs:minInclusive value="0"/><xs:maxInclusive value="150"/></xs:restriction></xs:simpleType></xs:element>
    <xs:group ref="t:Contact" minOccurs="0"/>
    <xs:element name="paid" type="c:Money" minOccurs="0"/>
    <xs:sequence minOccurs="0" maxOccurs="unbounded"><xs:element name="key" type="xs:string"/>
      <xs:element name="value" type="xs:decimal" minOccurs="0"/></xs:sequence>
    <xs:element name="tree" type="c:Tree" minOccurs="0"/>
    <xs:element name="when" type="xs:dateTime" minOccurs="0"/>
    <xs:element name="sure" type="xs:boolean" minOccurs="0"/>
    <xs:element name="share" type="xs:double" minOccurs="0"/>
  </xs:sequence></xs:extension></xs:complexContent></xs:complexType>
  <xs:complexType name="Answer"><xs:sequence>
    <xs:element name="count" type="xs:long"/>
    <xs:element name="row" type="t:Question" minOccurs="0" maxOccurs="unbounded"/>
    <xs:element name="extra" type="xs:anyType" minOccurs="0"/>
    <xs:any minOccurs="0" maxOccurs="unbounded" processContents="lax"/>
  </xs:sequence><xs:anyAttribute/></xs:complexType>
  <xs:complexType name="Lacking"><xs:sequence><xs:any/></xs:sequence></xs:complexType>
  <xs:element name="Ask" type="t:Question"/><xs:element name="AskResponse" type="t:Answer"/>
  <xs:element name="Free" type="t:Lacking"/><xs:element name="Note" type="xs:string"/>
</xs:schema>
</types>
<message name="AskIn"><part name="p" element="t:Ask"/></message>
<message name="AskOut"><part name="p" element="t:AskResponse"/></message>
<message name="FreeIn"><part name="p" element="t:Free"/></message>
<message name="NoteIn"><part name="p" element="t:Note"/></message>
<message name="SumIn"><part name="left" type="xs:int"/><part name="right" type="c:Money"/></message>
<message name="SumOut"><part name="sum" type="xs:decimal"/></message>
<message name="TypedIn"><part name="p" type="t:Question"/></message>
<portType name="PT">
  <operation name="Ask"><input message="t:AskIn"/><output message="t:AskOut"/></operation>
  <operation name="Free"><input message="t:FreeIn"/><output message="t:AskOut"/></operation>
  <operation name="Note"><input message="t:NoteIn"/></operation>
  <operation name="Sum"><input message="t:SumIn"/><output message="t:SumOut"/></operation>
  <operation name="Old"><input message="t:SumIn"/><output message="t:SumOut"/></operation>
  <operation name="Typed"><input message="t:TypedIn"/><output message="t:AskOut"/></operation>
</portType>
<binding name="B11" type="t:PT"><soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
  <operation name="Ask"><soap:operation soapAction="urn:ask"/><input><soap:body use="literal"/></input>
    <output><soap:body use="literal"/></output></operation>
  <operation name="Free"><soap:operation soapAction=""/><input><soap:body use="literal"/></input>
    <output><soap:body use="literal"/></output></operation>
  <operation name="Note"><soap:operation soapAction=""/><input><soap:body use="literal"/></input></operation>
  <operation name="Sum"><soap:operation soapAction="urn:sum" style="rpc"/>
    <input><soap:body use="literal" namespace="urn:rpc"/></input>
    <output><soap:body use="literal" namespace="urn:rpc"/></output></operation>
  <operation name="Old"><soap:operation soapAction="" style="rpc"/>
    <input><soap:body use="encoded" namespace="urn:rpc" encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"/></input>
    <output><soap:body use="encoded" namespace="urn:rpc" encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"/></output>
  </operation>
  <operation name="Typed"><soap:operation soapAction=""/><input><soap:body use="literal"/></input>
    <output><soap:body use="literal"/></output></operation>
</binding>
<binding name="B12" type="t:PT"><soap12:binding transport="http://schemas.xmlsoap.org/soap/http"/>
  <operation name="Ask"><soap12:operation soapAction="urn:ask"/><input><soap12:body use="literal"/></input>
    <output><soap12:body use="literal"/></output></operation>
</binding>
<binding name="BGet" type="t:PT"><http:binding verb="GET"/>
  <operation name="Ask"><http:operation location="/ask"/><input><http:urlEncoded/></input><output/>
  </operation></binding>
<binding name="BMail" type="t:PT"><soap:binding transport="http://schemas.xmlsoap.org/soap/smtp"/></binding>
<service name="S">
  <port name="P11" binding="t:B11"><soap:address location="http://rich.example/soap"/></port>
  <port name="P12" binding="t:B12"><soap12:address location="http://rich.example/soap12"/></port>
  <port name="PGet" binding="t:BGet"><http:address location="http://rich.example/get"/></port>
  <port name="PMail" binding="t:BMail"><soap:address location="mailto:a@rich.example"/></port>
</service></definitions>"""

FULL: dict[str, Any] = {
    "@version": 3, "code": "A-1", "citizen": "110101199003078515", "sex": None, "age": 33, "street": "长安街 1 号",
    "city": "北京", "paid": {"@currency": "CNY", "#text": msgspec.Raw(b"12.50")},
    "key": ["a", "b"], "value": [msgspec.Raw(b"1.10"), 2],
    "tree": {"label": "root", "child": [{"label": "leaf"}, {"label": "bough", "child": [{"label": "leaf"}]}]},
    "when": "2024-01-31T08:30:00.100+08:00", "sure": True, "share": 0.5,
}  # fmt: skip
"""A question of RICH's operation Ask with everything in it."""


def with_types(types: str, header: str = "") -> bytes:
    """A WSDL without services whose types are these schemas."""
    return (
        f'<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:xs="http://www.w3.org/2001/XMLSchema" '
        f'xmlns:t="urn:t" targetNamespace="urn:t">{header}<types><xs:schema targetNamespace="urn:t">{types}'
        f"</xs:schema></types></definitions>"
    ).encode()


def canonical(envelope: bytes) -> bytes:
    """An envelope's body in a form that does not depend on prefixes and spaces between elements."""
    tree = etree.fromstring(envelope)
    return b"\n".join(_lines(tree, 0))


def _lines(element: Any, depth: int) -> list[bytes]:
    text = "" if len(element) else element.text or ""
    here = f"{' ' * depth}{element.tag} {sorted(element.attrib.items())} {text!r}".encode()
    return [here, *(line for child in element for line in _lines(child, depth + 1))]
