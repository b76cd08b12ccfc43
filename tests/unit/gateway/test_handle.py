"""One call through the whole gateway, over real sockets: what its neighbours are told, in which order, what is kept."""

from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport
from msgspec.structs import replace as changed

from gateway.api import explain_router
from harness.gate import (
    DEPARTMENT,
    NUMBER,
    PEOPLE,
    PEOPLE_GRANT,
    PERSON,
    PROVIDER,
    Gate,
    check,
)
from runtime.http import AsyncClient
from wire.calls import ReplyMessage
from wire.tokens import Door

pytestmark = pytest.mark.anyio
TARGET = f"/x/gaj-person/v1/{NUMBER}"
JSON = {"Content-Type": "application/json"}


@pytest.mark.requirement("GAT-01")
async def test_a_plain_question_goes_as_it_came(at: Gate) -> None:
    await at.knows(PEOPLE, PEOPLE_GRANT)
    answer = await at.call("GET", f"/x/gaj-person/v1/{NUMBER}?a=1")
    assert (answer.status_code, answer.content) == (200, b'{"status":"1"}')
    message, body = at.asked[0]
    assert (message.mode, message.sandbox, message.narrowed, message.range) == ("query", False, False, "")
    assert (message.method, message.path, message.values, message.query) == (
        "GET", "/{id_card}", {"id_card": NUMBER}, "a=1",
    )  # fmt: skip
    assert (message.consumer, message.obligations.fields, body) == (DEPARTMENT, PEOPLE_GRANT.fields, b"")
    assert at.happened == ["intent", "asked", "outcome"]
    leaf = at.leaves[-1]
    assert (leaf.mode, leaf.provider, leaf.retention, leaf.subject) == ("query", PROVIDER, "personal", PERSON)
    assert "tongdao-replayed" not in answer.headers


@pytest.mark.requirement("GAT-01")
@pytest.mark.parametrize(
    ("trace", "passes"),
    [
        (b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        (b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", False),
        (b"00-\xe9", False),
        (b"00\tab", False),
        (b"", False),
    ],
)
async def test_a_trace_is_passed_on_and_one_of_another_form_is_as_none(at: Gate, trace: bytes, passes: bool) -> None:
    await at.knows(PEOPLE, PEOPLE_GRANT)
    answer = await at.call("GET", TARGET, headers={"traceparent": trace})
    assert answer.status_code == 200
    assert at.traces == [trace if passes else b""]
    assert ("traceparent" in answer.headers) == passes
    assert bool(at.leaves[-1].trace) == passes


# --- modes ----------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("GAT-01")
@pytest.mark.parametrize("mode", ["verify", "compare"])
async def test_a_claim_about_a_person_of_the_path_asks_the_get_operation(at: Gate, mode: Any) -> None:
    await at.knows(PEOPLE, changed(PEOPLE_GRANT, mode=mode))
    told = b'{"result":"yes"}'
    at.exchange = lambda message, _: (
        ReplyMessage(status=200, call=message.call, asked_ms=1, answered_ms=2, verdict="yes"), told,
    )  # fmt: skip
    claims = b'{"claims": {"status": "1"}}'
    answer = await at.call("POST", f"/x/gaj-person/v1:{mode}/{NUMBER}?a=1", content=claims, headers=JSON)
    assert (answer.status_code, answer.content) == (200, told)
    message, body = at.asked[0]
    assert (message.mode, message.method, message.path, body) == (mode, "GET", "/{id_card}", claims)
    leaf = at.leaves[-1]
    assert (leaf.mode, leaf.verdict, leaf.subject, leaf.method) == (mode, "yes", PERSON, "POST")
    assert (leaf.interface, leaf.version, leaf.path) == ("gaj-person", "v1", "/{id_card}")


@pytest.mark.requirement("GAT-01")
async def test_a_claim_about_a_person_of_the_body_names_them_in_the_question(at: Gate) -> None:
    await at.knows(PEOPLE, changed(PEOPLE_GRANT, mode="verify"))
    body = b'{"claims": {"status": "1"}, "question": {"id_card": "99010019900307013x"}, "id_card": "1"}'
    answer = await at.call("POST", "/x/gaj-person/v1:verify", content=body, headers=JSON)
    assert answer.status_code == 200
    assert (at.asked[0][0].method, at.asked[0][1]) == ("POST", body)
    assert at.leaves[-1].subject == PERSON


@pytest.mark.requirement("GAT-01")
@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        (f"/x/gaj-person/v1/{NUMBER}", 403, "grant/mode"),
        (f"/x/gaj-person/v1:compare/{NUMBER}", 403, "grant/mode"),
        (f"/x/gaj-person/v1:guess/{NUMBER}", 404, "interface/unknown"),
        (f"/x/gaj-person/v1:query/{NUMBER}", 404, "interface/unknown"),
        (f"/x/gaj-person/v1:verify:verify/{NUMBER}", 404, "interface/unknown"),
        (f"/x/gaj-person/v1%3Averify/{NUMBER}", 404, "interface/unknown"),
        (f"/x/gaj-person/:verify/{NUMBER}", 404, "interface/unknown"),
        (f"/x/gaj-person/v1:verify/{NUMBER}/more", 404, "interface/unknown-operation"),
    ],
    ids=["plain", "the other mode", "no mode", "query", "twice", "encoded", "no version", "no such path"],
)
async def test_who_may_verify_is_told_no_more(at: Gate, target: str, status: int, code: str) -> None:
    await at.knows(PEOPLE, changed(PEOPLE_GRANT, mode="verify"))
    answer = await at.call("POST" if ":" in target else "GET", target, **({"json": {}} if ":" in target else {}))
    document = check(answer, status, code)
    if code == "grant/mode":
        assert (document["modes"], document["grants"]) == (["verify"], ["g1"])
    assert at.happened == ["denied"]
    assert at.asked == []


@pytest.mark.requirement("GWY-02")
@pytest.mark.parametrize(
    ("query", "decision"),
    [
        ("", "grant/mode"),
        ("&mode=verify", "allow"),
        ("&mode=compare", "grant/mode"),
        ("&mode=verify&method=GET", "interface/method-not-allowed"),
    ],
    ids=["plain", "verify", "compare", "verify by GET"],
)
async def test_explain_says_it_of_each_mode(at: Gate, query: str, decision: str) -> None:
    await at.knows(PEOPLE, changed(PEOPLE_GRANT, mode="verify"))
    app = FastAPI()
    app.include_router(explain_router(at.gateway, Door(at.verifier)))
    headers = {"Authorization": f"Bearer {at.token()}"}
    async with AsyncClient(transport=ASGITransport(app), base_url="http://gateway", headers=headers) as client:
        said = (await client.get(f"/api/explain?interface=gaj-person/v1{query}")).json()
        assert said["decision"] == decision
        assert said["mode"] == ("query" if "mode" not in query else query.split("=")[1].split("&")[0])
        assert (await client.get("/api/explain?interface=gaj-person/v1&mode=guess")).status_code == 422


# --- the sandbox ----------------------------------------------------------------------------------------------------
@pytest.mark.requirement("GAT-05")
async def test_the_sandbox_answers_whoever_has_no_grant_and_counts_nothing(at: Gate) -> None:
    await at.knows(changed(PEOPLE, consent_required=True))
    answer = await at.call("GET", f"/sandbox/gaj-person/v1/{NUMBER}")
    assert answer.status_code == 200, answer.text
    message, _ = at.asked[0]
    assert (message.sandbox, message.grant, message.obligations.fields) == (True, "", ["status", "owner"])
    leaf = at.leaves[-1]
    assert (leaf.mode, leaf.provider, leaf.grant, leaf.subject) == ("sandbox", "", "", "")
    assert (leaf.retention, leaf.interface, leaf.phase) == ("general", "gaj-person", "outcome")
    assert (at.told, at.gateway.tally._uses) == ([], {})


@pytest.mark.requirement("GAT-05")
async def test_the_twin_knows_the_grant_and_its_conditions(at: Gate) -> None:
    grant = changed(PEOPLE_GRANT, mode="verify", case_pattern="[0-9]+", masks={"owner": "plain"})
    await at.knows(changed(PEOPLE, consent_required=True), grant)
    target = f"/sandbox/gaj-person/v1:verify/{NUMBER}"
    check(await at.call("POST", target, json={}), 403, "case/missing")
    assert (at.leaves[-1].mode, at.leaves[-1].provider) == ("sandbox", "")
    answer = await at.call("POST", target, json={"claims": {}}, headers={"Tongdao-Case": "7"})
    assert answer.status_code == 200
    message, _ = at.asked[0]
    assert (message.sandbox, message.mode, message.grant) == (True, "verify", "g1")
    assert message.obligations.masks == {"owner": "plain"}
    assert at.gateway.tally._uses == {}
    check(await at.call("GET", f"/sandbox/gaj-person/v1/{NUMBER}"), 403, "grant/mode")


@pytest.mark.requirement("GAT-05")
async def test_trying_out_uses_nothing_of_the_grant_up(at: Gate) -> None:
    await at.knows(PEOPLE, changed(PEOPLE_GRANT, rate_per_s=0.001, burst=1))
    assert (await at.call("GET", f"/sandbox/gaj-person/v1/{NUMBER}")).status_code == 200
    check(await at.call("GET", f"/sandbox/gaj-person/v1/{NUMBER}"), 429, "rate/exceeded")
    assert (await at.call("GET", TARGET)).status_code == 200
    check(await at.call("GET", TARGET), 429, "rate/exceeded")
