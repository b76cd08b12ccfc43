"""Stands that speak SOAP: a service of spyne's in a process of its own, in both versions."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from conformance.stand import Fact, Stand
from exchange_service.providers.provider import Question
from harness import soap_service
from wire.catalog import Field, Interface, Operation, Soap

QUERY = Operation(method="POST", path="/Query", target="Query", repeatable=True)
ECHO = Operation(method="POST", path="/Echo", target="Echo", repeatable=True)
ZHANG = {
    "QueryResult": {
        "@source": "公安", "id_card": soap_service.KNOWN, "name": "张三", "born": "1990-03-07",
        "updated": "2024-01-31T08:30:00+00:00", "children": 2, "income": 1234.50, "alive": True,
        "phone": ["13800000000", "13900000000"], "members": {"Member": [{"name": "李四", "role": "配偶"}]},
    }
}  # fmt: skip


def interface(port: int, version: str, wsdl: str) -> Interface:
    return Interface(
        id="gaj-population", version="v1", provider="gaj", name="人口", networks=["127.0.0.0/8"],
        base_url=f"http://127.0.0.1:{port}/soap{version.replace('.', '')}", operations=[QUERY, ECHO],
        fields=[Field(name="QueryResult.name"), Field(name="EchoResult")], adapter=Soap(wsdl=wsdl),
    )  # fmt: skip


def asked(operation: Operation, **members: object) -> Question:
    body = json.dumps(members).encode()
    return Question(operation=operation, body=body, length=len(body), content_type="application/json")


@contextmanager
def _stand(version: str, _request: pytest.FixtureRequest) -> Iterator[Stand]:
    with soap_service.running() as port:
        document = soap_service.wsdl(port, version)
        yield Stand(
            interface=interface(port, version, document), at=lambda other: interface(other, version, document),
            hostile=lambda value: asked(ECHO, text=[value]), echo=lambda value: (200, {"EchoResult": [value]}),
            facts=[
                Fact(asked(QUERY, id_card=soap_service.KNOWN, limit=2), ZHANG),
                Fact(asked(ECHO, text=["甲", "乙"]), {"EchoResult": ["甲", "乙"]}),
            ],
        )  # fmt: skip


version_1_1 = partial(_stand, "1.1")
version_1_2 = partial(_stand, "1.2")
