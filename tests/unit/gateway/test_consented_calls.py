"""Calls that need the consent of the person concerned, through the whole gateway."""

from typing import Any

import pytest
from msgspec.structs import replace as changed

from harness.gate import (
    CONSENT,
    NUMBER,
    PEOPLE,
    PEOPLE_GRANT,
    SYSTEM,
    Gate,
    check,
    consent_token,
)
from wire.calls import ReplyMessage
from wire.catalog import Operation

pytestmark = pytest.mark.anyio
TARGET = f"/x/gaj-person/v1/{NUMBER}"
JSON = {"Content-Type": "application/json"}


NEEDS_CONSENT = changed(PEOPLE, consent_required=True)


@pytest.mark.requirement("GAT-03")
async def test_a_consent_is_used_between_the_intent_and_the_question(at: Gate) -> None:
    await at.knows(NEEDS_CONSENT, PEOPLE_GRANT)
    answer = await at.call("GET", TARGET, headers={"Tongdao-Consent": consent_token()})
    assert answer.status_code == 200, answer.text
    assert at.happened == ["intent", "use", "asked", "outcome"]
    record = answer.headers["tongdao-record"]
    said = {"call": record, "system": SYSTEM, "interface": "gaj-person/v1", "grant": "g1"}
    assert at.told == [(f"/consents/{CONSENT}/use", said)]
    message, _ = at.asked[0]
    assert (message.obligations.fields, message.narrowed) == (["status", "owner"], True)
    assert [leaf.consent for leaf in at.leaves] == [CONSENT, CONSENT]
    assert NUMBER not in str(at.leaves)


@pytest.mark.requirement("GAT-03")
@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"system": "others"}, "consent/not-for-this"),
        ({"interface": "gaj-person/v2"}, "consent/not-for-this"),
        ({"purpose": "好奇"}, "consent/not-for-this"),
        ({"subject": "p1:" + "0" * 32}, "consent/not-for-this"),
        ({"fields": []}, "consent/not-for-this"),
        ({"fields": ["phone"]}, "consent/not-for-this"),
        ({"exp": 1_800_000_000 - 10**9}, "consent/expired"),
        ({"iss": "https://elsewhere.example"}, "consent/invalid"),
    ],
    ids=["system", "interface", "purpose", "person", "no field", "other field", "expired", "issuer"],
)
async def test_a_consent_to_something_else_asks_nobody(at: Gate, claims: dict[str, Any], code: str) -> None:
    await at.knows(NEEDS_CONSENT, PEOPLE_GRANT)
    check(await at.call("GET", TARGET, headers={"Tongdao-Consent": consent_token(**claims)}), 403, code)
    assert (at.happened, at.told) == (["denied"], [])


@pytest.mark.requirement("GAT-03")
async def test_where_nobody_is_named_nobody_has_consented(at: Gate) -> None:
    await at.knows(NEEDS_CONSENT, PEOPLE_GRANT)
    sent = {"Tongdao-Consent": consent_token(), **JSON}
    check(await at.call("POST", "/x/gaj-person/v1", content=b"{}", headers=sent), 403, "consent/not-for-this")
    assert at.happened == ["denied"]


OTHER = "990101199003070226"
BESIDE: dict[str, tuple[str, str, dict[str, Any]]] = {
    "another operation": ("GET", f"/by-phone/13800138000?id_card={NUMBER}", {}),
    "the query of another": ("POST", f"?id_card={OTHER}", {"json": {"id_card": NUMBER}}),
    "another in capitals": ("POST", "", {"json": {"id_card": NUMBER, "ID_CARD": OTHER}}),
    "behind white space": ("POST", "", {"json": {"id_card": NUMBER + " " * 1100 + OTHER}}),
    "a path and a query": ("GET", f"/{NUMBER}?Id_Card={OTHER}", {}),
}


@pytest.mark.requirement("GAT-03")
@pytest.mark.parametrize("case", BESIDE)
async def test_a_consent_to_one_opens_no_question_that_may_be_about_another(at: Gate, case: str) -> None:
    by_phone = Operation(method="GET", path="/by-phone/{phone}", target="/by-phone/{phone}")
    parameters: dict[str, object] = {"properties": {"id_card": {"type": "string"}}}
    await at.knows(
        changed(NEEDS_CONSENT, operations=[by_phone, *PEOPLE.operations], parameters=parameters), PEOPLE_GRANT
    )
    method, target, asked = BESIDE[case]
    answer = await at.call(method, f"/x/gaj-person/v1{target}", headers={"Tongdao-Consent": consent_token()}, **asked)
    check(answer, 403, "consent/not-for-this")
    assert (at.happened, at.leaves[-1].subject) == (["denied"], "")


@pytest.mark.requirement("GAT-03")
@pytest.mark.parametrize(
    ("token", "code"),
    [("", "consent/required"), ("a.b.c", "consent/invalid"), ("x" * 8193, "consent/invalid")],
    ids=["empty", "none", "too long"],
)
async def test_what_is_no_token_is_no_consent(at: Gate, token: str, code: str) -> None:
    await at.knows(NEEDS_CONSENT, PEOPLE_GRANT)
    check(await at.call("GET", TARGET, headers={"Tongdao-Consent": token}), 403, code)
    assert (at.happened, at.asked) == (["denied"], [])


@pytest.mark.requirement("GAT-03")
@pytest.mark.parametrize(
    ("said", "status", "code", "then"),
    [
        ((409, "consent/used"), 403, "consent/used", []),
        ((409, "consent/revoked"), 403, "consent/revoked", []),
        ((409, "consent/expired"), 403, "consent/expired", []),
        ((403, "consent/used"), 403, "consent/used", []),
        ((500, ""), 503, "exchange/service-unreachable", ["release"]),
        ((422, "request/invalid"), 503, "exchange/service-unreachable", ["release"]),
    ],
    ids=["used", "revoked", "expired", "used, in its own status", "catalog broken", "not understood"],
)
async def test_without_the_consent_nobody_is_asked(
    at: Gate, said: tuple[int, str], status: int, code: str, then: list[str]
) -> None:
    await at.knows(NEEDS_CONSENT, PEOPLE_GRANT)
    at.catalog_says["use"] = said
    check(await at.call("GET", TARGET, headers={"Tongdao-Consent": consent_token()}), status, code)
    assert at.happened == ["intent", "use", *then, "outcome"]
    assert (at.leaves[-1].code, at.leaves[-1].consent, at.asked) == (code, CONSENT, [])


@pytest.mark.requirement("GAT-03")
@pytest.mark.parametrize(("asked_ms", "then"), [(0, ["release"]), (7, [])], ids=["nobody asked", "somebody asked"])
@pytest.mark.parametrize("release", [(204, ""), (500, "")], ids=["taken back", "not taken back"])
async def test_a_consent_is_given_back_where_no_provider_was_asked(
    at: Gate, asked_ms: int, then: list[str], release: tuple[int, str]
) -> None:
    await at.knows(NEEDS_CONSENT, PEOPLE_GRANT)
    at.catalog_says["release"] = release
    at.exchange = lambda message, _: (
        ReplyMessage(status=503, call=message.call, code="provider/resting", asked_ms=asked_ms), b"",
    )  # fmt: skip
    check(await at.call("GET", TARGET, headers={"Tongdao-Consent": consent_token()}), 503, "provider/resting")
    assert at.happened == ["intent", "use", "asked", *then, "outcome"]
    assert [said for path, said in at.told if path.endswith("release")] == [{"call": at.leaves[0].call}] * len(then)


@pytest.mark.requirement("GAT-03")
async def test_a_question_that_may_have_been_asked_keeps_its_consent(at: Gate) -> None:
    await at.knows(NEEDS_CONSENT, PEOPLE_GRANT)
    at.exchange = ConnectionError("it goes away when it has read the question")
    check(await at.call("GET", TARGET, headers={"Tongdao-Consent": consent_token()}), 502, "exchange/unreachable")
    assert at.happened == ["intent", "use", "asked", "outcome"]


@pytest.mark.requirement("GAT-03")
async def test_who_needs_no_consent_uses_none(at: Gate) -> None:
    await at.knows(PEOPLE, PEOPLE_GRANT)
    answer = await at.call("GET", TARGET, headers={"Tongdao-Consent": consent_token()})
    assert (answer.status_code, at.told, at.leaves[-1].consent) == (200, [], "")
    assert at.asked[0][0].obligations.fields == PEOPLE_GRANT.fields
