"""Consents of persons: given through an office, used by one call, taken back, on record."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from random import Random
from typing import Any

import asyncpg
import msgspec
import pytest
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from catalog_service.consents import flows
from harness.cases import AUTHORITY
from harness.catalog import INTERFACE, ISSUER, Catalog
from harness.consents import ASKED_FOR, AUDIENCE, CALL, NUMBER, SUBJECTS, V1, WISH, Consents, Ledger, consents_of
from runtime.db import plain
from runtime.ids import uuid7
from wire import scopes

pytestmark = pytest.mark.anyio
OTHER = str(uuid7())


@pytest.fixture
async def consents(catalog: Catalog) -> AsyncIterator[Consents]:
    async with consents_of(catalog) as running:
        yield running


async def refused(consents: Consents, changes: dict[str, Any], status: int = 422, **asker: Any) -> list[dict[str, Any]]:
    answer = await consents.ask("POST", "/consents", {**WISH, **changes}, **asker)
    assert answer.status_code == status, answer.text
    assert NUMBER not in answer.text
    return list(answer.json().get("errors", []))


async def everything_kept(consents: Consents) -> str:
    """All rows of the tables that a consent could leave something in."""
    connection = await asyncpg.connect(plain(consents.catalog.database.url))
    try:
        rows = [await connection.fetch(f"SELECT * FROM catalog.{table}") for table in ("consent", "outbox", "feed")]
    finally:
        await connection.close()
    return repr(rows) + repr(await consents.events())


# --- giving ---------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("CON-01", "DQ-14-2-r")
async def test_a_consent_is_a_signed_token_for_one_purpose(consents: Consents) -> None:
    given = await consents.given(fields=["pension", "name"])
    claims = consents.claims(given["token"])
    assert claims.pop("iat") == given["given"]
    assert claims.pop("exp") == given["expires"] == given["given"] + 30 * 60
    assert claims == {
        "iss": ISSUER, "aud": AUDIENCE, "jti": given["id"], "subject": SUBJECTS.pseudonym(NUMBER),
        "system": "zjj-housing", "interface": "rsj-social-insurance/v1", "purpose": "公租房资格审核",
        "fields": ["pension", "name"],
    }  # fmt: skip
    assert jws.extract_compact(given["token"].encode()).headers() == {"alg": "ES256", "typ": "consent+jwt", "kid": "c1"}


@pytest.mark.requirement("CON-01")
async def test_all_keys_are_public_and_nothing_private_is(consents: Consents) -> None:
    answer = await consents.client.get("/consents/jwks")
    keys = answer.json()["keys"]
    assert (answer.status_code, [key["kid"] for key in keys]) == (200, ["c1", "c2"])
    assert all(key.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"} for key in keys)
    token = (await consents.given())["token"]
    jws.deserialize_compact(token, ECKey.import_key(keys[0]), algorithms=["ES256"])
    with pytest.raises(JoseError):
        jws.deserialize_compact(token, ECKey.import_key(keys[1]), algorithms=["ES256"])


@pytest.mark.requirement("CON-02")
async def test_the_number_is_kept_nowhere(consents: Consents) -> None:
    given = await consents.given()
    await consents.used(given)
    await consents.ask("POST", f"/consents/{given['id']}/revoke", {"subject": NUMBER})
    await consents.ask("POST", "/consents/search", {"subject": NUMBER})
    kept = await everything_kept(consents)
    assert SUBJECTS.pseudonym(NUMBER) in kept
    assert NUMBER not in kept
    assert given["token"].rpartition(".")[2] not in kept


BEYOND: list[tuple[dict[str, Any], str, str]] = [
    ({"purpose": "营销"}, "/body/purpose", "公租房资格审核"),
    ({"fields": ["pension", "employer"]}, "/body/fields/1", "name、pension"),
    ({"fields": ["*"]}, "/body/fields/0", "name、pension"),
    ({"fields": ["name", "name"]}, "/body/fields/1", "more than once"),
    ({"system": "nobody"}, "/body/system", "no system"),
    ({"interface": "rsj-social-insurance/v9"}, "/body/interface", "no interface"),
    ({"subject": " -\u200b"}, "/body/subject", "names nobody"),
    ({"subject": "9" * 129}, "/body/subject", "names nobody"),
]
"""Wishes that go further than the grant, where, and what is said of it."""


@pytest.mark.requirement("CON-03")
async def test_no_consent_goes_beyond_a_grant_and_the_refusal_says_what_is_possible(consents: Consents) -> None:
    for changes, path, said in BEYOND:
        [error] = await refused(consents, changes)
        assert error["path"] == path
        assert said in error["error"]
    assert await consents.events() == []


@pytest.mark.requirement("CON-03")
async def test_without_a_grant_in_force_there_is_nothing_to_consent_to(consents: Consents) -> None:
    await consents.catalog.put("/systems/zjj-other", {"department": "zjj", "name": "另一系统"})
    [error] = await refused(consents, {"system": "zjj-other"})
    assert error["path"] == "/body/interface"
    end = int(consents.clock.now().timestamp()) + 60
    for terms in ({"not_after": end}, {"not_before": end}):
        await consents.catalog.give(system="zjj-other", **terms)
    await consents.given(system="zjj-other")
    consents.clock.later = timedelta(seconds=30)
    await consents.given(system="zjj-other")
    await consents.catalog.move("/systems/zjj-other", "suspend")
    await refused(consents, {"system": "zjj-other"}, 409)


@pytest.mark.requirement("CON-03")
async def test_what_is_called_without_a_consent_takes_none(consents: Consents) -> None:
    await consents.catalog.put("/interfaces/rsj-open/versions/v1", {**INTERFACE, "name": "开放"})
    await consents.catalog.give(interface="rsj-open/v1")
    [error] = await refused(consents, {"interface": "rsj-open/v1"})
    assert (error["path"], error["error"]) == ("/body/interface", "rsj-open/v1 is called without a consent")


HOSTILE: list[dict[str, Any]] = [
    {"minutes": 0},
    {"minutes": 1441},
    {"minutes": True},
    {"minutes": "30"},
    {"fields": []},
    {"fields": ["pension"] * 201},
    {"fields": ["pen\x00sion"]},
    {"purpose": "公租房\x00"},
    {"purpose": "x" * 201},
    {"subject": "\ud800"},
    {"subject": 330102199003071234},
    {"subject": ""},
    {"department": "gaj"},
    {"expires": 2**40},
    {"id": OTHER},
    {"office": "gaj"},
    {"system": "../x"},
    {"interface": "x/v1\n"},
]
"""Wishes that are too long, of another kind, or say what nobody is asked for."""


@pytest.mark.requirement("CON-03")
async def test_hostile_wishes_are_refused(consents: Consents) -> None:
    for changes in HOSTILE:
        assert await refused(consents, changes), changes
    assert await consents.events() == []


async def test_more_fields_than_a_token_has_room_for(consents: Consents) -> None:
    names = [f"{'x' * 60}{n}" for n in range(80)]
    interface = {**ASKED_FOR, "fields": [*INTERFACE["fields"], *({"name": name} for name in names)]}
    await consents.catalog.put(V1, interface)
    await consents.catalog.give(fields=names)
    [error] = await refused(consents, {"fields": names})
    assert (error["path"], "4096" in error["error"]) == ("/body/fields", True)
    assert consents.claims((await consents.given(fields=names[:30]))["token"])["fields"] == names[:30]


@pytest.mark.requirement("CON-04")
async def test_only_who_acts_for_persons_gives_consents(consents: Consents) -> None:
    others = tuple(set(scopes.ALL) - {scopes.SUBJECT})
    for path, body in (("", WISH), ("/search", {"subject": NUMBER}), (f"/{OTHER}/revoke", {"subject": NUMBER})):
        answer = await consents.ask("POST", f"/consents{path}", body, "zjj", allowed=others)
        assert (answer.status_code, answer.json()["code"]) == (403, "case/not-your-step"), answer.text
    assert (await consents.ask("POST", "/consents", WISH, "platform")).status_code == 403


# --- seeing ---------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("CON-04")
async def test_a_consent_concerns_its_office_its_user_and_those_who_oversee(consents: Consents) -> None:
    given = await consents.given()
    authority: dict[str, Any] = {"by": AUTHORITY.department, "allowed": (scopes.AUTHORITY,)}
    concerned: list[dict[str, Any]] = [{}, {"by": "zjj", "allowed": (scopes.CALL,)}, authority]
    for asker in concerned:
        shown = await consents.shown(given, **asker)
        assert (shown["state"], shown["fields"]) == ("given", ["pension"])
        assert not {"token", "subject"} & shown.keys()
        listed = (await consents.ask("GET", "/consents", **asker)).json()["items"]
        assert [one["id"] for one in listed] == [given["id"]]
    strangers: list[dict[str, Any]] = [
        {"by": "other"},
        {"by": "rsj", "allowed": (scopes.OFFICER,)},
        {"by": "window", "allowed": ()},
    ]
    for asker in strangers:
        assert (await consents.ask("GET", f"/consents/{given['id']}", **asker)).status_code == 404
        assert (await consents.ask("GET", "/consents", **asker)).json() == {"items": [], "next": None}


@pytest.mark.requirement("CON-04")
async def test_a_person_finds_at_any_office_what_they_consented_to(consents: Consents) -> None:
    first, second = await consents.given(), await consents.given(minutes=1)
    await consents.given(subject="110101199003077774")
    spelled = {"subject": f" {NUMBER[:6]}-{NUMBER[6:]}"}
    found = await consents.ask("POST", "/consents/search?limit=1", spelled, by="elsewhere")
    page = found.json()
    assert ([one["id"] for one in page["items"]], page["next"]) == ([first["id"]], first["id"])
    found = await consents.ask("POST", f"/consents/search?after={page['next']}", spelled, by="elsewhere")
    assert [one["id"] for one in found.json()["items"]] == [second["id"]]
    looked = [event for event in await consents.events() if event.event == "consent.looked-up"]
    assert [(event.actor, event.facts["found"]) for event in looked] == [("elsewhere-client", "1")] * 2


async def test_hostile_addresses_find_nothing(consents: Consents) -> None:
    for path in ("/consents/%00", "/consents/' OR 1", "/consents/" + "a" * 37, "/consents?after=%00"):
        assert (await consents.ask("GET", path)).status_code == 422


# --- taking back ----------------------------------------------------------------------------------------------------
@pytest.mark.requirement("CON-05")
async def test_a_consent_that_was_taken_back_is_used_by_nobody(consents: Consents) -> None:
    given = await consents.given()
    for _ in range(2):
        answer = await consents.ask("POST", f"/consents/{given['id']}/revoke")
        assert (answer.status_code, answer.json()["state"]) == (200, "revoked")
    assert await consents.used(given) == (409, "consent/revoked")
    assert [event.event for event in await consents.events()] == ["consent.given", "consent.revoked"]


@pytest.mark.requirement("CON-05")
async def test_elsewhere_the_number_shows_whose_consent_it_is(consents: Consents) -> None:
    path = f"/consents/{(await consents.given())['id']}/revoke"
    for by, body in (("elsewhere", None), ("elsewhere", {"subject": "110101199003077774"}), ("zjj", {})):
        assert (await consents.ask("POST", path, body, by)).status_code == 404
    assert (await consents.ask("POST", path, {"subject": "110101199003077774"})).status_code == 404
    assert (await consents.ask("POST", path, {"subject": NUMBER, "revoked": 0}, "elsewhere")).status_code == 422
    assert (await consents.ask("POST", path, {"subject": NUMBER}, "elsewhere")).json()["state"] == "revoked"


@pytest.mark.requirement("CON-05")
async def test_what_was_used_is_not_used_again_once_it_is_taken_back(consents: Consents) -> None:
    given = await consents.given()
    await consents.used(given)
    await consents.ask("POST", f"/consents/{given['id']}/revoke")
    assert (await consents.tell(given["id"], "release", {"call": CALL})).status_code == 204
    assert await consents.used(given, OTHER) == (409, "consent/revoked")


# --- using ----------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("CON-06", "DQ-14-2-r", "B-03-r")
async def test_exactly_one_of_twenty_calls_has_it(consents: Consents) -> None:
    given = await consents.given()
    calls = [str(uuid7()) for _ in range(20)]
    answers = await asyncio.gather(*(consents.used(given, call) for call in calls))
    assert sorted(answers) == [(204, "")] + [(409, "consent/used")] * 19
    shown = await consents.shown(given)
    assert (shown["state"], shown["call"]) == ("used", calls[answers.index((204, ""))])
    assert [event.event for event in await consents.events()] == ["consent.given", "consent.used"]


@pytest.mark.requirement("CON-06")
async def test_use_and_revocation_at_once_come_one_after_the_other(consents: Consents) -> None:
    for _ in range(5):
        given = await consents.given()
        path = f"/consents/{given['id']}/revoke"
        used, revoked = await asyncio.gather(consents.used(given), consents.ask("POST", path))
        assert revoked.status_code == 200
        assert used in ((204, ""), (409, "consent/revoked"))
        assert bool((await consents.shown(given))["call"]) == (used[0] == 204)


@pytest.mark.requirement("CON-06")
async def test_after_its_end_nobody_has_it(consents: Consents) -> None:
    given = await consents.given(minutes=1)
    consents.clock.later = timedelta(minutes=1)
    assert await consents.used(given) == (409, "consent/expired")
    assert (await consents.shown(given))["state"] == "expired"


@pytest.mark.requirement("CON-06")
async def test_it_is_for_one_system_and_one_interface(consents: Consents) -> None:
    given = await consents.given()
    for changes in ({"system": "zjj-other"}, {"interface": "rsj-social-insurance/v2"}):
        assert await consents.used(given, **changes) == (409, "consent/not-for-this")
    assert await consents.used(given) == (204, "")


@pytest.mark.requirement("CON-06")
async def test_a_consent_that_nobody_knows_is_used_by_nobody(consents: Consents) -> None:
    assert await consents.used({"id": OTHER}) == (409, "consent/invalid")
    assert (await consents.tell(OTHER, "release", {"call": CALL})).status_code == 409


@pytest.mark.requirement("CON-07")
async def test_only_the_call_that_has_it_gives_it_back(consents: Consents) -> None:
    given = await consents.given()
    assert (await consents.tell(given["id"], "release", {"call": CALL})).status_code == 409
    await consents.used(given)
    assert (await consents.tell(given["id"], "release", {"call": OTHER})).status_code == 409
    assert await consents.used(given, OTHER) == (409, "consent/used")
    assert (await consents.tell(given["id"], "release", {"call": CALL})).status_code == 204
    assert await consents.used(given, OTHER) == (204, "")
    assert (await consents.tell(given["id"], "release", {"call": CALL})).status_code == 409


@pytest.mark.requirement("CON-07")
async def test_every_turn_is_on_record_and_without_the_number(consents: Consents) -> None:
    given = await consents.given()
    await consents.used(given, grant="g1")
    await consents.tell(given["id"], "release", {"call": CALL})
    await consents.ask("POST", f"/consents/{given['id']}/revoke")
    told = await consents.events()
    assert [event.event.removeprefix("consent.") for event in told] == ["given", "used", "released", "revoked"]
    assert [(event.actor, event.department) for event in told] == [
        ("window-client", "window"), ("zjj-housing", "zjj"), ("zjj-housing", "zjj"), ("window-client", "window"),
    ]  # fmt: skip
    assert all(event.facts["consent"] == given["id"] for event in told)
    assert {event.facts["provider"] for event in told} == {"rsj"}
    assert all(event.facts["subject"] == SUBJECTS.pseudonym(NUMBER) for event in told)
    assert (told[1].facts["call"], told[1].facts["grant"], told[0].facts["fields"]) == (CALL, "g1", "pension")


@pytest.mark.requirement("CON-06", "CON-07")
async def test_whatever_happens_in_whatever_order_a_consent_is_used_at_most_once(consents: Consents) -> None:
    for seed in range(6):
        chance, ledger = Random(seed), Ledger(consents, await consents.given())
        calls = [str(uuid7()) for _ in range(3)]
        for n in range(8):
            acts = ["use", "use", "release", *(["revoke"] if n > 4 else [])]
            await ledger.do([(chance.choice(acts), chance.choice(calls)) for _ in range(chance.randint(1, 5))])
        told = Counter(event.event for event in await consents.events() if event.facts["consent"] == ledger.given["id"])
        assert told["consent.used"] - told["consent.released"] == bool(ledger.holder)
        assert told["consent.revoked"] == ledger.over


SAID = {"call": CALL, "system": "s", "interface": "i/v1", "grant": "g"}
HOSTILE_USES = [
    b"", b"[]", b"\xff", *(msgspec.json.encode({**SAID, **changes}) for changes in (
        {"call": "\x00"}, {"call": ""}, {"call": "c" * 129}, {"call": 1}, {"grant": None}, {"expires": 1},
    )),
]  # fmt: skip


@pytest.mark.requirement("CON-06")
async def test_hostile_uses_are_refused(consents: Consents) -> None:
    given = await consents.given()
    for body in HOSTILE_USES:
        for act in ("use", "release"):
            assert (await consents.tell(given["id"], act, body)).status_code == 422, body
    assert (await consents.shown(given))["state"] == "given"


@pytest.mark.requirement("CON-06")
async def test_no_token_opens_what_is_for_gateways(consents: Consents) -> None:
    given = await consents.given()
    for act in ("use", "release"):
        answer = await consents.ask("POST", f"/consents/{given['id']}/{act}", {"call": CALL}, allowed=scopes.ALL)
        assert (answer.status_code, answer.json()["code"]) == (401, "service/unauthenticated")


# --- keeping --------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("CON-08")
async def test_consents_are_kept_for_three_years_after_their_end(consents: Consents) -> None:
    given = await consents.given()
    await consents.used(given)
    consents.clock.later = timedelta(days=3 * 365 + 1)
    assert await flows.prune(consents.journal) == 0
    assert (await consents.shown(given))["state"] == "used"
    consents.clock.later = timedelta(days=3 * 366 + 1)
    assert [await flows.prune(consents.journal) for _ in range(2)] == [1, 0]
    assert (await consents.ask("GET", f"/consents/{given['id']}")).status_code == 404


@pytest.mark.requirement("CON-08")
async def test_nothing_that_was_consented_to_can_be_changed_later(consents: Consents) -> None:
    given = await consents.given()
    connection = await asyncpg.connect(plain(consents.catalog.database.url_of("catalog")))
    try:
        for member in ("subject", "system", "interface", "expires_at", "entry"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"UPDATE catalog.consent SET {member} = {member} WHERE id = $1", given["id"])
    finally:
        await connection.close()
