"""Answers in XML and questions in forms, from httpbin's answer to what may leave: the whole exchange between them."""

import json
from collections.abc import AsyncIterator, Iterator

import pytest

from conformance.stands.rest import FORM, PAIRS, running_httpbin
from harness.exchange import Running, interface, message, running
from harness.postgres import Cluster, Database
from wire.calls import Obligations
from wire.catalog import Field, Operation, Rest

pytestmark = pytest.mark.anyio
SLIDES = Operation(method="GET", path="", target="/xml")
ECHO = Operation(method="POST", path="", target="/post")
FIELDS = [Field(name="@title", mask="mid4"), Field(name="@author"), Field(name="slide.title"), Field(name="slide.item")]


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Iterator[Database]:
    with cluster.lent(("exchange_service", "exchange")) as lent:
        yield lent


@pytest.fixture(scope="module")
def httpbin() -> Iterator[int]:
    with running_httpbin() as port:
        yield port


@pytest.fixture
async def exchange(database: Database) -> AsyncIterator[Running]:
    async with running(database) as it:
        yield it


@pytest.mark.requirement("PRJ-01", "EXC-20")
async def test_of_an_answer_in_xml_only_what_was_granted_leaves(exchange: Running, httpbin: int) -> None:
    exchange.serve(interface(httpbin, operations=[SLIDES], format="xml", fields=FIELDS))
    reply, content = await exchange.ask(message(obligations=Obligations(["@title", "slide.title"])))
    assert (reply.status, reply.content_type) == (200, "application/xml")
    assert (reply.fields, reply.masked) == (["@title", "slide.title"], ["@title"])
    assert content == (
        b'<slideshow title="Sam****how"><slide><title>Wake up to WonderWidgets!</title></slide>'
        b"<slide><title>Overview</title></slide></slideshow>"
    )


@pytest.mark.requirement("PRJ-01")
async def test_an_answer_in_xml_where_json_is_registered_does_not_leave(exchange: Running, httpbin: int) -> None:
    exchange.serve(interface(httpbin, operations=[SLIDES], fields=FIELDS))
    reply, content = await exchange.ask()
    assert (reply.code, content) == ("provider/broken-answer", b"")


@pytest.mark.requirement("PRJ-01", "EXC-20")
async def test_a_form_arrives_as_it_was_sent(exchange: Running, httpbin: int) -> None:
    """httpbin says what it read of it; its echo of our headers was not granted."""
    kind = "application/x-www-form-urlencoded"
    fields = [Field(name="form"), Field(name="headers")]
    taken = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string", "minLength": 2}}}
    adapter = Rest(request_format="form")
    exchange.serve(interface(httpbin, operations=[ECHO], fields=fields, request=taken, adapter=adapter))
    asked = {"method": "POST", "content_type": kind, "obligations": Obligations(["form"])}
    reply, content = await exchange.ask(message(**asked), FORM)
    assert (reply.status, reply.fields, json.loads(content)) == (200, ["form"], {"form": PAIRS})
    reply, content = await exchange.ask(message(**asked), b"a=1")
    assert (reply.code, reply.facts["path"], content) == ("request/schema", "/a", b"")
