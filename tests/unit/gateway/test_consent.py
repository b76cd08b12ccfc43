"""Consent tokens under attack, and what is left of a grant's fields when a person agrees to some of them."""

import base64
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwk, jws, jwt

from gateway.consent import LONGEST_TOKEN, Consent, Reader, narrowed
from harness.gate import CONSENT, CONSENT_KEY, ISSUER, PERSON, SYSTEM, consent_token, public
from runtime.errors import Refusal
from wire import codes
from wire.tokens import InvalidToken, Keys, UnknownKey

pytestmark = pytest.mark.anyio
NOW = 1_800_000_000
TIMES = {"iat": NOW - 60, "exp": NOW + 600}
OTHER = jwk.ECKey.generate_key("P-256", {"kid": "consents-1"})
LARGE = jwk.ECKey.generate_key("P-384", {"kid": "consents-1"})


async def reader() -> Reader:
    """One that has the catalog's keys."""

    async def fetch() -> dict[str, Any]:
        return public(CONSENT_KEY)

    keys = Keys(fetch)
    await keys.refresh()
    return Reader(ISSUER, ISSUER, keys)


def good(**claims: Any) -> str:
    return consent_token(**{**TIMES, **claims})


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def payload_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))


def resigned(header: dict[str, Any], payload: bytes) -> str:
    """Any payload, rightly signed by the catalog's own key."""
    stated = {"alg": "ES256", "typ": "consent+jwt", "kid": "consents-1", **header}
    return jws.serialize_compact(stated, payload, CONSENT_KEY, algorithms=["ES256"])


def unsigned(alg: str, signature: str) -> str:
    header = part({"alg": alg, "typ": "consent+jwt", "kid": "consents-1"})
    return f"{header}.{part(payload_of(good()))}.{signature}"


def with_public_key_as_secret(spelling: str) -> str:
    """HS256 under the one secret that everybody knows: the public key."""
    pem = CONSENT_KEY.as_pem(private=False)
    secret = pem if spelling == "pem" else json.dumps(CONSENT_KEY.as_dict(private=False)).encode()
    text = unsigned("HS256", "x").rpartition(".")[0]
    return f"{text}.{part(hmac.digest(secret, text.encode(), 'sha256'))}"


def turned(token: str, at: int) -> str:
    """With one character another."""
    return token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]


def swapped(**claims: Any) -> str:
    """Somebody's signature under another payload."""
    header, _, signature = good().split(".")
    return ".".join((header, part({**payload_of(good()), **claims}), signature))


def last_bits() -> str:
    """The same signature in another spelling: its last character has bits that stand for nothing."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = good()
    return token[:-1] + letters[letters.index(token[-1]) ^ 1]


TEXT = json.dumps({**payload_of(good()), "fields": ["status"]})
ATTACKS: dict[str, str] = {
    "alg none": unsigned("none", ""),
    "alg none, signed": unsigned("none", "AAAA"),
    "alg None": unsigned("None", "AAAA"),
    "HS256 with the public key": with_public_key_as_secret("pem"),
    "HS256 with the public JWK": with_public_key_as_secret("jwk"),
    "ES384": unsigned("ES384", "A" * 128),
    "another key under our kid": good(key=OTHER),
    "another curve": jwt.encode(
        {"alg": "ES384", "typ": "consent+jwt", "kid": "consents-1"}, payload_of(good()), LARGE, algorithms=["ES384"]
    ),
    "no kid": resigned({"kid": ""}, TEXT.encode()),
    "kid is a number": f"{part({'alg': 'ES256', 'typ': 'consent+jwt', 'kid': 1})}.{part({})}.AAAA",
    "a path as kid": good(header={"kid": "../../../dev/null"}),
    "key brought along": good(header={"jwk": OTHER.as_dict(private=False)}, key=OTHER),
    "key at an address": resigned({"jku": "https://elsewhere.example"}, TEXT.encode()),
    "typ of an access token": good(header={"typ": "at+jwt"}),
    "typ JWT": good(header={"typ": "JWT"}),
    "no typ": f"{part({'alg': 'ES256', 'kid': 'consents-1'})}.{part({})}.AAAA",
    "other issuer": good(iss="https://elsewhere.example"),
    "no issuer": good(iss=None),
    "other audience": good(aud="https://elsewhere.example"),
    "two audiences": good(aud=[ISSUER, "https://elsewhere.example"]),
    "no audience": good(aud=None),
    "not yet issued": good(iat=NOW + 11),
    "not yet begun": good(nbf=NOW + 11),
    "expiry is a text": good(exp=str(NOW + 600)),
    "expiry is a fraction": good(exp=NOW + 600.5),
    "expiry is true": good(exp=True),
    "no expiry": good(exp=None),
    "no issue date": good(iat=None),
    "bound to a key": good(cnf={"jkt": "x"}),
    "id is a path": good(jti="../../grants"),
    "id of another kind": good(jti="3f2504e0-4f89-41d3-9a0c-0305e82c3301"),
    "id with a line": good(jti=CONSENT + "\n"),
    "no id": good(jti=None),
    "subject is a number": good(subject="99010019900307013X"),
    "no subject": good(subject=""),
    "no system": good(system=None),
    "purpose is a list": good(purpose=["核验"]),
    "fields are a text": good(fields="status"),
    "a field is a number": good(fields=["status", 7]),
    "no fields": good(fields=None),
    "a member twice": resigned({}, TEXT.replace("{", '{"system": "others", ', 1).encode()),
    "a member of the header twice": part(b'{"alg":"none","alg":"ES256","typ":"consent+jwt","kid":"consents-1"}')
    + good()[good().index(".") :],
    "payload is a list": resigned({}, b"[]"),
    "payload is no JSON": resigned({}, b"{"),
    "payload in UTF-16": resigned({}, TEXT.encode("utf-16")),
    "payload with NaN": resigned({}, TEXT.replace(str(TIMES["exp"]), "NaN").encode()),
    "payload changed": swapped(system="others"),
    "longer life": swapped(exp=NOW + 10**6),
    "signature changed": turned(good(), -10),
    "header changed": turned(good(), 3),
    "no signature": good().rpartition(".")[0] + ".",
    "two parts": good().rpartition(".")[0],
    "four parts": good() + ".AAAA",
    "padding": good() + "=",
    "padding inside": good().replace(".", "=.", 1),
    "another spelling": last_bits(),
    "a blank before": " " + good(),
    "a line behind": good() + "\n",
    "two tokens": f"{good()}, {good()}",
    "Bearer": f"Bearer {good()}",
    "empty": "",
    "too long": good(fields=["f" * 50] * 200),
}


@pytest.mark.requirement("GAT-02")
@pytest.mark.parametrize("token", ATTACKS.values(), ids=ATTACKS.keys())
async def test_what_is_not_ours_says_nothing(token: str) -> None:
    with pytest.raises(InvalidToken):
        (await reader()).read(token, NOW)


@pytest.mark.requirement("GAT-02")
async def test_what_is_ours_says_what_it_said() -> None:
    consent = Consent(CONSENT, PERSON, SYSTEM, "gaj-person/v1", "核验", ("status", "owner"))
    it = await reader()
    assert it.read(good(), NOW) == consent
    assert it.read(good(aud=[ISSUER]), NOW) == consent
    assert it.read(good(iat=NOW + 5), NOW) == consent  # clocks differ a little
    assert it.read(good(), NOW + 599.9) == consent
    long = good(fields=["f" * 50] * 100)
    assert 4096 < len(long) < LONGEST_TOKEN
    assert len(it.read(long, NOW).fields) == 100


@pytest.mark.requirement("GAT-02")
async def test_an_end_is_an_end() -> None:
    for now in (NOW + 600, NOW + 10**6):
        with pytest.raises(Refusal) as refused:
            (await reader()).read(good(), now)
        assert refused.value.code is codes.CONSENT_EXPIRED
    with pytest.raises(InvalidToken):  # only of what is ours is it said that it is over
        (await reader()).read(good(key=OTHER), NOW + 600)


@pytest.mark.requirement("GAT-02")
async def test_an_unknown_key_is_the_one_reason_to_fetch_the_keys_again() -> None:
    fetched = 0

    async def fetch() -> dict[str, Any]:
        nonlocal fetched
        fetched += 1
        return public(CONSENT_KEY)

    it = Reader(ISSUER, ISSUER, Keys(fetch))
    with pytest.raises(UnknownKey):
        it.read(good(), NOW)
    await it.keys.refresh()
    assert it.read(good(), NOW).id == CONSENT
    with pytest.raises(UnknownKey):
        it.read(good(header={"kid": "consents-2"}), NOW)
    await it.keys.refresh()
    assert fetched == 1  # not again so soon, however many ask


# --- fields ---------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("GAT-03")
@pytest.mark.parametrize(
    ("granted", "consented", "left"),
    [
        (["a", "b"], ["b", "c"], ["b"]),
        (["a"], ["b"], []),
        (["a"], [], []),
        (["*"], ["a", "a"], ["a"]),
        (["a", "b.c"], ["*"], ["a", "b.c"]),
        (["*"], ["*"], ["*"]),
        (["a.b", "a.c", "ab"], ["a"], ["a.b", "a.c"]),
        (["a"], ["a.b", "a.c", "ab"], ["a.b", "a.c"]),
        (["a", "a.b"], ["a.b"], ["a.b"]),
    ],
)
def test_what_both_allow_is_left(granted: list[str], consented: list[str], left: list[str]) -> None:
    assert narrowed(granted, tuple(consented)) == left


NAMES = st.lists(st.sampled_from(["*", "a", "b", "a.b", "a.c", "a.b.c", "ab"]), max_size=4)


@pytest.mark.requirement("GAT-03")
@given(NAMES, NAMES, st.sampled_from(["a", "b", "a.b", "a.c", "a.b.c", "a.b.d", "ab", "z"]))
def test_a_field_is_left_exactly_where_both_allow_it(granted: list[str], consented: list[str], name: str) -> None:
    def allows(names: list[str]) -> bool:
        return any(one in ("*", name) or name.startswith(f"{one}.") for one in names)

    assert allows(narrowed(granted, tuple(consented))) == (allows(granted) and allows(consented))
