"""Revocations as gateways know them, and what else the catalog says of who holds a good token."""

import time
from typing import Any, Literal

import msgspec
import pytest
from joserfc.jwk import ECKey
from msgspec.structs import replace as changed

from gateway.snapshot import IF_AGAIN, Catalog
from harness.gate import DEPARTMENT, KEY, NUMBER, PEOPLE, PEOPLE_GRANT, SYSTEM, Gate, check, public
from harness.jws import compact
from wire.catalog import Department, Entry, Grant, Revocation, Snapshot, State, System
from wire.tokens import AccessToken, UnknownKey

pytestmark = [pytest.mark.anyio]
TARGET = f"/x/gaj-person/v1/{NUMBER}"
NOW = 1_790_000_000
TOKEN = AccessToken("a", "gaj", frozenset(("call",)), NOW + 60, "1", issued=NOW, key="k", actor="b")
PERSON = AccessToken(
    "person:7", "gaj", frozenset(), NOW + 60, "2", issued=NOW, key="k", person="person:7", through="portal"
)


def entry(revocation: Revocation, revision: int = 1, *, gone: bool = False) -> Entry:
    body = msgspec.Raw(b"null" if gone else msgspec.json.encode(revocation))
    return Entry(revision=revision, kind="revocation", id=revocation.id, body=body)


def revoked(what: Any, name: str, before: int = 0, until: int = NOW + 400) -> Revocation:
    return Revocation(what=what, name=name, until=until, before=before)


REVOKED: dict[str, tuple[AccessToken, Revocation, str]] = {
    "T-42 token": (TOKEN, revoked("token", "1"), "this token"),
    "the token it was exchanged for": (
        changed(TOKEN, origin="0"),
        revoked("token", "0"),
        "the token that it was exchanged for",
    ),
    "M-6 key": (TOKEN, revoked("key", "k"), "the key that signed it"),
    "client": (TOKEN, revoked("client", "a", NOW), f"all tokens that a got so far; {IF_AGAIN}"),
    "who acts for it": (TOKEN, revoked("client", "b", NOW), f"all tokens that b got so far; {IF_AGAIN}"),
    "person": (PERSON, revoked("person", "person:7", NOW + 1), "all tokens that this person got so far"),
    "person's client": (PERSON, revoked("client", "portal", NOW), f"all tokens that portal got so far; {IF_AGAIN}"),
}
LEFT: dict[str, tuple[AccessToken, Revocation]] = {
    "another token": (TOKEN, revoked("token", "2")), "another key": (TOKEN, revoked("key", "1")),
    "another client": (TOKEN, revoked("client", "c", NOW)), "issued later": (TOKEN, revoked("client", "a", NOW - 1)),
    "a person of that name": (TOKEN, revoked("person", "a", NOW)), "over": (TOKEN, revoked("token", "1", until=NOW)),
}  # fmt: skip


@pytest.mark.requirement("TOK-07")
@pytest.mark.parametrize(("token", "revocation", "why"), REVOKED.values(), ids=REVOKED.keys())
def test_what_is_revoked_counts_no_longer(token: AccessToken, revocation: Revocation, why: str) -> None:
    catalog = Catalog()
    assert catalog.revoked(token, NOW) == ""
    catalog.apply([entry(revocation)])
    assert catalog.revoked(token, NOW) == why
    catalog.apply([entry(revocation, 2, gone=True)])
    assert catalog.revoked(token, NOW) == ""


@pytest.mark.requirement("TOK-07")
@pytest.mark.parametrize(("token", "revocation"), LEFT.values(), ids=LEFT.keys())
def test_what_is_not_meant_still_counts(token: AccessToken, revocation: Revocation) -> None:
    catalog = Catalog()
    catalog.apply([entry(revocation)])
    assert catalog.revoked(token, NOW) == ""


@pytest.mark.requirement("TOK-07")
def test_a_snapshot_brings_revocations_and_takes_old_ones_away() -> None:
    dropped: list[str] = []
    catalog = Catalog(dropped.append)
    empty = Snapshot(revision=1, departments=[], systems=[], interfaces=[], grants=[])
    catalog.replace(changed(empty, revocations=[revoked("token", "1"), revoked("key", "k2")]))
    assert (catalog.revoked(TOKEN, NOW), dropped) == ("this token", ["k2"])
    catalog.replace(empty)
    assert catalog.revoked(TOKEN, NOW) == ""


@pytest.mark.requirement("TOK-03")
@pytest.mark.requirement("TOK-07")
@pytest.mark.parametrize("jti", [pytest.param("revoked-1", id="T-42 on the deny list")])
async def test_a_revoked_token_is_refused_at_once_though_it_was_known(at: Gate, jti: str) -> None:
    await at.knows(PEOPLE, PEOPLE_GRANT)
    headers = {"Authorization": f"Bearer {at.token(jti=jti)}"}
    assert (await at.client.get(TARGET, headers=headers)).status_code == 200
    at._forget()
    at.gateway.catalog.apply([entry(revoked("token", jti, until=int(time.time()) + 400))])
    answer = await at.client.get(TARGET, headers=headers)
    assert check(answer, 401, "token/invalid")["detail"] == "revoked: this token"
    assert answer.headers["www-authenticate"] == 'Bearer realm="tongdao", error="invalid_token"'
    assert (at.asked, at.happened) == ([], [])
    assert (await at.client.get(TARGET, headers={"Authorization": f"Bearer {at.token()}"})).status_code == 200


@pytest.mark.requirement("TOK-07")
async def test_m6_a_revoked_key_is_dropped(at: Gate) -> None:
    await at.call("GET", TARGET)
    keys = at.verifier.keys
    catalog = Catalog(keys.drop)
    catalog.apply([entry(revoked("key", str(KEY.kid)))])
    with pytest.raises(UnknownKey):
        keys.get(str(KEY.kid))
    await keys.refresh()


# --- who holds it, and what is granted ------------------------------------------------------------------------------
OURS = System(id=SYSTEM, department=DEPARTMENT, name="x")
SUSPENDED = State(standing="suspended", since="2026-09-21T00:00:00Z", by="gaj")
OTHER = changed(PEOPLE, version="v2")
HELD: dict[str, tuple[list[Any], str, int, str]] = {
    "T-43 unknown": ([OURS], "nobody", 403, "system/unknown"),
    "T-43 suspended": ([changed(OURS, state=SUSPENDED)], SYSTEM, 403, "system/suspended"),
    "T-44 department": ([Department(id=DEPARTMENT, name="x", state=SUSPENDED)], SYSTEM, 403, "department/suspended"),
    "T-46 none": ([changed(PEOPLE_GRANT, id="g1", system="another")], SYSTEM, 403, "grant/none"),
    "T-47 another version": ([changed(PEOPLE_GRANT, interface="gaj-person/v2")], SYSTEM, 403, "grant/none"),
    "T-47 expired": ([changed(PEOPLE_GRANT, not_after=1)], SYSTEM, 403, "grant/expired"),
    "T-47 not yet": ([changed(PEOPLE_GRANT, not_before=2**40)], SYSTEM, 403, "grant/not-yet"),
    "T-47 paused": ([changed(PEOPLE_GRANT, state=SUSPENDED)], SYSTEM, 403, "grant/suspended"),
    "T-47 another department": ([changed(PEOPLE_GRANT, id="g1", system="another", department="gaj")], SYSTEM, 403,
                               "grant/none"),
    "T-48 case": ([changed(PEOPLE_GRANT, case_pattern="YJ[0-9]+")], SYSTEM, 403, "case/missing"),
}  # fmt: skip


def _entry(changed_to: System | Department | Grant) -> Entry:
    kinds: dict[type, Literal["system", "department", "grant"]] = {
        System: "system", Department: "department", Grant: "grant",
    }  # fmt: skip
    body = msgspec.Raw(msgspec.json.encode(changed_to))
    return Entry(revision=2, kind=kinds[type(changed_to)], id=changed_to.id, body=body)


@pytest.mark.requirement("TOK-03")
@pytest.mark.parametrize("row", HELD.values(), ids=HELD.keys())
async def test_a_good_token_is_not_enough(at: Gate, row: tuple[list[Any], str, int, str]) -> None:
    changes, system, status, code = row
    await at.knows(PEOPLE, OTHER, PEOPLE_GRANT)
    at.gateway.catalog.apply([_entry(one) for one in changes])
    headers = {"Authorization": f"Bearer {at.token(sub=system, client_id=system)}"}
    answer = await at.client.get(TARGET, headers=headers)
    check(answer, status, code)
    assert (at.asked, at.happened) == ([], ["denied"])


@pytest.mark.requirement("TOK-03")
@pytest.mark.parametrize("kid", [pytest.param("identity-0", id="T-61 the key before")])
async def test_a_retired_key_signs_until_it_is_gone(at: Gate, kid: str) -> None:
    await at.knows(PEOPLE, PEOPLE_GRANT)
    keys, retired = at.verifier.keys, ECKey.generate_key("P-256", {"kid": kid})
    fetch, published = keys._fetch, [KEY, retired]

    async def both() -> dict[str, Any]:
        return public(*published)

    async def asked(jti: str, key: ECKey) -> int:
        token = compact({"alg": "ES256", "typ": "at+jwt", "kid": key.kid}, at.claims(jti=jti), key)
        answer = await at.client.get(TARGET, headers={"Authorization": f"Bearer {token}"})
        return answer.status_code

    keys._fetch, keys._not_before = both, 0.0
    assert [await asked("t61-1", key) for key in (KEY, retired)] == [200, 200]
    published.remove(retired)
    keys._old_at = keys._not_before = 0.0  # what was fetched is old by now
    await asked("t61-2", KEY)
    await keys.refresh()
    assert [await asked("t61-3", key) for key in (KEY, retired)] == [200, 401]
    keys._fetch = fetch
