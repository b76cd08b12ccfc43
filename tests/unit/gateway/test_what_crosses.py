"""Bodies and header fields that cross the gateway, and those that do not."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace as changed

from gateway.question import LONGEST_XML
from harness.gate import (
    ISSUER,
    NUMBER,
    PEOPLE,
    PEOPLE_GRANT,
    PERSON,
    Gate,
    check,
    yes,
)
from wire.calls import CallMessage, ReplyMessage
from wire.catalog import Files, Interface, Operation, Rest, Soap

pytestmark = pytest.mark.anyio
TARGET = f"/x/gaj-person/v1/{NUMBER}"
JSON = {"Content-Type": "application/json"}


# --- bodies ---------------------------------------------------------------------------------------------------------
XML, FORM = Rest(request_format="xml"), Rest(request_format="form")
SOAP = Soap(wsdl="<definitions/>")
KINDS: list[tuple[str, Any, str, int]] = [
    ("json", Rest(), "application/json", 200),
    ("json, utf-8", Rest(), "application/json; charset=UTF-8", 200),
    ("json, quoted", Rest(), 'Application/JSON ;charset="utf-8"', 200),
    ("json, gbk", Rest(), "application/json; charset=gbk", 415),
    ("json, no name", Rest(), "application/json; charset=", 415),
    ("json, two", Rest(), "application/json; charset=utf-8; charset=utf-8", 415),
    ("json as text", Rest(), "text/plain", 415),
    ("json, none", Rest(), "", 415),
    ("json, xml sent", Rest(), "application/xml", 415),
    ("xml", XML, "application/xml", 200),
    ("xml, text", XML, "text/xml; charset=utf-8", 200),
    ("xml, utf-16", XML, "text/xml; charset=utf-16", 415),
    ("xml, json sent", XML, "application/json", 415),
    ("form", FORM, "application/x-www-form-urlencoded", 200),
    ("form, parts", FORM, "multipart/form-data; boundary=x", 415),
    ("soap, json", SOAP, "application/json", 200),
    ("soap 1.1", SOAP, "text/xml; charset=utf-8", 200),
    ("soap 1.2", SOAP, 'application/soap+xml; charset=utf-8; action="a"', 200),
    ("soap, xml", SOAP, "application/xml", 415),
    ("bytes", Rest(request_format="binary"), "image/png", 200),
    ("bytes, none", Rest(request_format="binary"), "", 200),
]


@pytest.mark.requirement("GAT-06")
@pytest.mark.parametrize(
    ("adapter", "content_type", "status"), [row[1:] for row in KINDS], ids=[row[0] for row in KINDS]
)
async def test_each_interface_takes_its_own_kinds_of_bodies(
    at: Gate, adapter: Any, content_type: str, status: int
) -> None:
    await at.knows(changed(PEOPLE, adapter=adapter), PEOPLE_GRANT)
    sent = {"Content-Type": content_type} if content_type else {}
    answer = await at.call("POST", "/x/gaj-person/v1", content=b"{}", headers=sent)
    assert answer.status_code == status
    if status == 415:
        assert answer.json()["accepts"]
    else:
        assert at.asked[-1][0].content_type == content_type


@pytest.mark.requirement("GAT-06")
async def test_claims_are_json_whatever_the_provider_takes(at: Gate) -> None:
    await at.knows(changed(PEOPLE, adapter=XML), changed(PEOPLE_GRANT, mode="verify"))
    target = "/x/gaj-person/v1:verify"
    assert (await at.call("POST", target, content=b"{}", headers=JSON)).status_code == 200
    answer = await at.call("POST", target, content=b"<a/>", headers={"Content-Type": "text/xml"})
    check(answer, 415, "request/unsupported-media-type")


@pytest.mark.requirement("GAT-06")
@pytest.mark.parametrize(
    ("adapter", "content_type", "body"),
    [
        (FORM, "application/x-www-form-urlencoded", f"a=1&id%5Fcard=990100+{NUMBER[6:]}".encode()),
        (XML, "text/xml", f'<q xmlns="urn:x"><id_card>{NUMBER[:6]}&#x200B;{NUMBER[6:]}</id_card></q>'.encode()),
        (
            SOAP,
            "application/soap+xml",
            f'<s:Envelope xmlns:s="e"><s:Body><q><id_card>{NUMBER}</id_card></q></s:Body></s:Envelope>'.encode(),
        ),
        (SOAP, "application/json", f'{{"id_card": "{NUMBER}"}}'.encode()),
    ],
    ids=["form", "xml", "soap", "soap in json"],
)
async def test_whom_a_body_names_is_on_record_in_every_format(
    at: Gate, adapter: Any, content_type: str, body: bytes
) -> None:
    await at.knows(changed(PEOPLE, adapter=adapter), PEOPLE_GRANT)
    answer = await at.call("POST", "/x/gaj-person/v1", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == 200, answer.text
    assert (at.asked[0][1], at.leaves[-1].subject) == (body, PERSON)


@pytest.mark.requirement("GAT-06")
@pytest.mark.parametrize(("adapter", "status"), [(XML, 413), (SOAP, 413), (FORM, 200)], ids=["xml", "soap", "form"])
async def test_no_padding_hides_whom_xml_names(at: Gate, adapter: Any, status: int) -> None:
    await at.knows(changed(PEOPLE, adapter=adapter), PEOPLE_GRANT)
    kind = "application/x-www-form-urlencoded" if adapter is FORM else "text/xml"
    body = b" " * LONGEST_XML + f"<q><id_card>{NUMBER}</id_card></q>".encode()
    answer = await at.call("POST", "/x/gaj-person/v1", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, len(at.asked)) == (status, status == 200)


@pytest.mark.requirement("GAT-06")
@pytest.mark.parametrize(("adapter", "status"), [(XML, 413), (SOAP, 200), (FORM, 200)], ids=["xml", "soap", "form"])
async def test_nor_does_it_beside_claims(at: Gate, adapter: Any, status: int) -> None:
    await at.knows(changed(PEOPLE, adapter=adapter), changed(PEOPLE_GRANT, mode="verify"))
    body = msgspec.json.encode({"claims": {"status": "1"}, "question": " " * LONGEST_XML + "<q/>"})
    answer = await at.call("POST", "/x/gaj-person/v1:verify", content=body, headers=JSON)
    assert (answer.status_code, len(at.asked)) == (status, status == 200)


# --- header fields --------------------------------------------------------------------------------------------------
@pytest.mark.requirement("GAT-07")
@pytest.mark.parametrize("key", ["", "a b", "\x7f", "é", "x" * 256], ids=["empty", "blank", "del", "latin", "long"])
async def test_an_idempotency_key_is_visible_ascii(at: Gate, key: str) -> None:
    await at.knows(PEOPLE, PEOPLE_GRANT)
    sent = {"Idempotency-Key": key.encode("latin-1")}
    answer = await at.call("GET", TARGET, headers=sent)
    assert (answer.status_code, at.asked) == (400, [])


@pytest.mark.requirement("GAT-07")
async def test_an_earlier_answer_says_so(at: Gate) -> None:
    await at.knows(PEOPLE, PEOPLE_GRANT)
    at.exchange = lambda message, body: (changed(yes(message, body)[0], replayed=True, asked_ms=0), b"{}")
    answer = await at.call("GET", TARGET, headers={"Idempotency-Key": "!" * 255})
    assert (answer.status_code, answer.headers["tongdao-replayed"]) == (200, "true")
    assert at.asked[0][0].idempotency_key == "!" * 255


FILES = changed(
    PEOPLE, adapter=Files(), format="binary", subject="", request=None, operations=[
        Operation(method="GET", path="/{name}", target=""), Operation(method="HEAD", path="/{name}", target=""),
    ],
)  # fmt: skip
WHOLE = changed(PEOPLE_GRANT, fields=["*"])


def part(message: CallMessage, _body: bytes) -> tuple[ReplyMessage, bytes]:
    lines = {
        "content-range": "bytes 0-2/9", "accept-ranges": "bytes", "etag": '"7"', "set-cookie": "a=b",
        "last-modified": "Fri, 20 Nov 2026 04:00:00 GMT\r\nx: y", "content-length": "9",
    }  # fmt: skip
    return ReplyMessage(
        status=206, call=message.call, asked_ms=1, answered_ms=2, fields=["*"], content_type="text/csv", lines=lines
    ), b"abc"


@pytest.mark.requirement("GAT-07")
async def test_a_part_of_a_file_comes_as_one(at: Gate) -> None:
    await at.knows(FILES, WHOLE)
    at.exchange = part
    answer = await at.call("GET", "/x/gaj-person/v1/a.csv", headers={"Range": "bytes=0-2"})
    assert (answer.status_code, answer.content) == (206, b"abc")
    assert (answer.headers["content-range"], answer.headers["accept-ranges"]) == ("bytes 0-2/9", "bytes")
    assert answer.headers["etag"] == '"7"'
    assert not {"set-cookie", "last-modified", "x"} & answer.headers.keys()
    assert answer.headers["content-length"] == "3"
    assert (at.asked[0][0].range, at.leaves[-1].status, at.leaves[-1].answer_bytes) == ("bytes=0-2", 206, 3)


@pytest.mark.requirement("GAT-07")
async def test_head_tells_the_size_of_a_file(at: Gate) -> None:
    await at.knows(FILES, WHOLE)
    at.exchange = lambda message, body: (part(message, body)[0], b"")
    answer = await at.call("HEAD", "/x/gaj-person/v1/a.csv")
    assert (answer.headers["content-length"], at.asked[0][0].method) == ("9", "HEAD")


@pytest.mark.requirement("GAT-07")
async def test_a_range_outside_the_file_is_told_its_size(at: Gate) -> None:
    await at.knows(FILES, WHOLE)
    at.exchange = lambda message, _: (
        ReplyMessage(status=416, call=message.call, code="request/range", facts={"size": 9}, asked_ms=1), b"",
    )  # fmt: skip
    answer = await at.call("GET", "/x/gaj-person/v1/a.csv", headers={"Range": "bytes=9-"})
    assert check(answer, 416, "request/range")["size"] == 9
    assert answer.headers["content-range"] == "bytes */9"


@pytest.mark.requirement("GAT-07")
@pytest.mark.parametrize(
    ("interface", "sent"),
    [
        (changed(FILES, adapter=Rest()), {"Range": "bytes=0-2"}),
        (changed(PEOPLE, operations=FILES.operations), {"Range": "bytes=0-2"}),
        (FILES, {"Range": "lines=0-2"}),
        (FILES, {"Range": "bytes=0-2" + ",0-2" * 100}),
        (FILES, {"If-None-Match": '"7"', "Cache-Control": "no-cache", "If-Range": '"7"'}),
    ],
    ids=["H-87 stream", "H-87 fields", "H-87 other unit", "H-87 too many", "H-87 conditions"],
)
async def test_what_an_interface_does_not_allow_is_dropped(
    at: Gate, interface: Interface, sent: dict[str, str]
) -> None:
    await at.knows(interface, WHOLE)
    answer = await at.call("GET", "/x/gaj-person/v1/a.csv", headers=sent)
    assert (answer.status_code, at.asked[0][0].range) == (200, "")
    assert ISSUER not in answer.text
