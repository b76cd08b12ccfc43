"""The T-list, what a grant says: a field or a case that is not approved opens nothing, whatever is asked for."""

import asyncio

import pytest
from msgspec.structs import replace as changed

from harness.gate import NUMBER, PEOPLE, PEOPLE_GRANT, Gate, check
from wire.calls import ReplyMessage

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("TOK-03")]
TARGET = f"/x/gaj-person/v1/{NUMBER}"
NARROW = changed(PEOPLE_GRANT, fields=["status"])
ASKED = {
    "T-49 not approved": "fields=owner", "T-49 all": "fields=*", "T-49 approved and more": "fields=status,owner",
    "T-49 alias": "fields=status:owner", "T-49 nested": "fields=status.owner", "T-49 array index": "fields[0]=owner",
    "T-49 other names": "field=owner&select=*&$select=owner&include=owner&_fields=owner",
}  # fmt: skip


@pytest.mark.parametrize("query", ASKED.values(), ids=ASKED.keys())
async def test_fields_come_from_the_grant_and_not_from_who_asks(at: Gate, query: str) -> None:
    """The exchange lets through what the gateway tells it, and the gateway tells it the fields of the grant."""
    await at.knows(PEOPLE, NARROW)
    answer = await at.call("GET", f"{TARGET}?{query}", headers={"Tongdao-Fields": "owner", "X-Fields": "*"})
    assert answer.status_code == 200, answer.text
    ((message, _),) = at.asked
    assert message.obligations.fields == ["status"]
    assert at.leaves[-1].fields_returned == 1


@pytest.mark.parametrize("row", ["T-49 in a claim"])
async def test_a_claim_about_a_field_is_for_the_fields_of_the_grant(at: Gate, row: str) -> None:
    await at.knows(PEOPLE, changed(NARROW, mode="verify"))
    at.exchange = lambda message, _: (
        ReplyMessage(status=200, call=message.call, asked_ms=1, answered_ms=2, verdict="no"), b"{}",
    )  # fmt: skip
    body, kind = b'{"claims": {"owner": "x"}, "fields": ["*"]}', {"Content-Type": "application/json"}
    await at.call("POST", f"/x/gaj-person/v1:verify/{NUMBER}", content=body, headers=kind)
    assert [message.obligations.fields for message, _ in at.asked] in ([], [["status"]]), row


CASES: dict[str, tuple[bytes, int, str]] = {
    "T-48 missing": (b"", 403, "case/missing"),
    "T-48 not approved": (b"Tongdao-Case: ZZ2026-1\r\n", 403, "case/malformed"),
    "T-48 other case": (b"Tongdao-Case: yj2026-1\r\n", 403, "case/malformed"),
    "T-48 more behind": (b"Tongdao-Case: YJ2026-1x\r\n", 403, "case/malformed"),
    "T-48 CRLF, escaped": (b"Tongdao-Case: YJ2026-1%0d%0a\r\n", 403, "case/malformed"),
    "T-48 CRLF": (b"Tongdao-Case: YJ2026-1\r\n more\r\n", 400, "not a valid HTTP"),
    "T-48 LF": (b"Tongdao-Case: YJ2026-1\n\r\n", 400, "not a valid HTTP"),
    "T-48 NUL": (b"Tongdao-Case: YJ2026-1\0\r\n", 400, "not a valid HTTP"),
    "T-48 twice": (b"Tongdao-Case: ZZ2026-1\r\nTongdao-Case: YJ2026-1\r\n", 400, "stands more than once"),
}


@pytest.mark.parametrize(("line", "status", "code"), CASES.values(), ids=CASES.keys())
async def test_a_case_is_exactly_as_the_grant_wants_it(at: Gate, line: bytes, status: int, code: str) -> None:
    """What a caller states of the purpose (事由) is the number of the case; the purpose itself stands in the grant."""
    await at.knows(PEOPLE, changed(PEOPLE_GRANT, case_pattern="YJ[0-9]+-[0-9]+"))
    head = f"GET {TARGET} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {at.token()}\r\nConnection: close\r\n"
    reader, writer = await asyncio.open_connection(at.client.base_url.host, at.client.base_url.port)
    writer.write(head.encode() + line + b"\r\n")
    said = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert said.startswith(b"HTTP/1.1 %d " % status), said
    assert (f'"code":"{code}"' if status == 403 else code).encode() in said.replace(b'": "', b'":"'), said
    assert at.asked == []


@pytest.mark.parametrize("row", ["T-48 as the grant wants it"])
async def test_the_right_case_is_let_in(at: Gate, row: str) -> None:
    await at.knows(PEOPLE, changed(PEOPLE_GRANT, case_pattern="YJ[0-9]+-[0-9]+"))
    answer = await at.call("GET", TARGET, headers={"Tongdao-Case": "YJ2026-1"})
    assert answer.status_code == 200, row
    check(await at.call("GET", TARGET), 403, "case/missing")
