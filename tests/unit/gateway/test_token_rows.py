"""The T-list: what every kind of bad token gets at the gateway. Nobody is asked for it, and strangers learn nothing."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from joserfc.jwk import ECKey

from harness.gate import ISSUER, KEY, NUMBER, PEOPLE, PEOPLE_GRANT, SYSTEM, Gate, check
from harness.jws import b64, compact, dpop, public, text, unsigned, with_hmac, with_signature
from harness.origin import HOST
from runtime.http import Response
from wire.tokens import Keys

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("TOK-03")]
TARGET = f"/x/gaj-person/v1/{NUMBER}"
CHALLENGE = 'Bearer realm="tongdao"'
INVALID = CHALLENGE + ', error="invalid_token"'
MALFORMED = CHALLENGE + ', error="invalid_request"'
OTHER = ECKey.generate_key("P-256")
HEADER = {"alg": "ES256", "typ": "at+jwt", "kid": KEY.kid}


async def asked(at: Gate, *authorization: str, target: str = TARGET, **more: Any) -> Response:
    await at.knows(PEOPLE, PEOPLE_GRANT)
    sent = [("Authorization", one) for one in authorization] + list(more.pop("headers", {}).items())
    return await at.client.request(more.pop("method", "GET"), target, headers=sent, **more)


def turned_away(at: Gate, answer: Response, status: int, code: str, challenge: str) -> dict[str, Any]:
    """Refused with exactly this, and nobody was asked or told."""
    problem = check(answer, status, code)
    assert answer.headers.get_list("www-authenticate") == [challenge]
    assert (at.asked, at.happened) == ([], [])
    assert "tongdao-record" not in answer.headers
    return problem


# --- how it is sent -------------------------------------------------------------------------------------------------
SENT: dict[str, tuple[list[str], str, int, str, str]] = {
    "T-01 none": ([], TARGET, 401, "token/missing", CHALLENGE),
    "T-02 Basic": (["Basic eDp5"], TARGET, 401, "token/missing", CHALLENGE),
    "T-02 unknown": (["Negotiate x"], TARGET, 401, "token/missing", CHALLENGE),
    "T-02 empty": ([""], TARGET, 401, "token/missing", CHALLENGE),
    "T-03 no token": (["Bearer"], TARGET, 400, "token/malformed", MALFORMED),
    "T-03 two words": (["Bearer a b"], TARGET, 400, "token/malformed", MALFORMED),
    "T-04 twice": (["Bearer {}", "Bearer {}"], TARGET, 400, "token/malformed", MALFORMED),
    "T-04 with Basic": (["Bearer {}", "Basic eDp5"], TARGET, 400, "token/malformed", MALFORMED),
    "T-05 in the address": ([], TARGET + "?access_token={}", 400, "token/malformed", MALFORMED),
    "T-07 header and address": (["Bearer {}"], TARGET + "?access_token={}", 400, "token/malformed", MALFORMED),
    "T-07 encoded": (["Bearer {}"], TARGET + "?a=1&access%5ftoken=x", 400, "token/malformed", MALFORMED),
}


@pytest.mark.parametrize("row", SENT.values(), ids=SENT.keys())
async def test_how_a_token_is_sent(at: Gate, row: tuple[list[str], str, int, str, str]) -> None:
    authorization, target, status, code, challenge = row
    token = at.token()
    answer = await asked(at, *(one.format(token) for one in authorization), target=target.format(token))
    turned_away(at, answer, status, code, challenge)
    assert token not in answer.text


@pytest.mark.parametrize("row", SENT.values(), ids=SENT.keys())
async def test_how_a_token_is_sent_that_was_let_in_before(at: Gate, row: tuple[list[str], str, int, str, str]) -> None:
    authorization, target, status, code, challenge = row
    token = at.token()
    assert (await asked(at, f"Bearer {token}")).status_code == 200
    at._forget()
    answer = await asked(at, *(one.format(token) for one in authorization), target=target.format(token))
    turned_away(at, answer, status, code, challenge)


@pytest.mark.parametrize("name", [pytest.param("access_token", id="T-06 in a form")])
async def test_a_token_in_a_form_is_refused(at: Gate, name: str) -> None:
    form = {name: at.token()}
    answer = await asked(at, method="POST", target="/x/gaj-person/v1", data=form)
    turned_away(at, answer, 400, "token/malformed", MALFORMED)
    other = await asked(at, method="POST", target="/x/gaj-person/v1", data={"a": "1"})
    turned_away(at, other, 401, "token/missing", CHALLENGE)
    large = await asked(at, method="POST", target="/x/gaj-person/v1", data={name: "x" * 20_000})
    turned_away(at, large, 401, "token/missing", CHALLENGE)


GOOD: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "T-08 bearer": ("bearer", {}, {}),
    "T-08 BEARER": ("BEARER", {}, {}),
    "T-36 at+jwt": ("Bearer", {"typ": "at+jwt"}, {}),
    "T-36 application": ("Bearer", {"typ": "application/at+jwt"}, {}),
    "T-36 capitals": ("Bearer", {"typ": "AT+JWT"}, {}),
    "T-39 list": ("Bearer", {}, {"aud": ["https://other.example", ISSUER]}),
    "T-41 iat +9 s": ("Bearer", {}, {"iat": 9}),
    "T-41 nbf +9 s": ("Bearer", {}, {"nbf": 9}),
    "T-45 more scopes": ("Bearer", {}, {"scope": "audit:read call"}),
}


@pytest.mark.parametrize("row", GOOD.values(), ids=GOOD.keys())
async def test_controls_are_let_in(at: Gate, row: tuple[str, dict[str, Any], dict[str, Any]]) -> None:
    scheme, header, claims = row
    now = int(time.time())
    moved: dict[str, Any] = {name: now + one if type(one) is int else one for name, one in claims.items()}
    answer = await asked(at, f"{scheme} {at.token(header, **moved)}")
    assert answer.status_code == 200, answer.text
    assert len(at.asked) == 1


# --- what is sent ---------------------------------------------------------------------------------------------------
Made = Callable[[Gate], str]


def parts(at: Gate) -> list[str]:
    return at.token().split(".")


def headed(**header: Any) -> Made:
    """Signed, with another header."""
    return lambda at: at.token({**header})


def saying(raw: bytes) -> Made:
    """Signed, with this payload."""
    return lambda _: compact(HEADER, raw, KEY)


def told(at: Gate, old: str, new: str) -> bytes:
    return json.dumps(at.claims()).replace(old, new, 1).encode()


def unproved(alg: str, signature: bytes = b"") -> Made:
    return lambda at: with_signature(unsigned({**HEADER, "alg": alg}, at.claims()), signature)


def by_secret(secret: bytes, **header: Any) -> Made:
    return lambda at: with_hmac({**HEADER, "alg": "HS256", **header}, at.claims(), secret)


def spoiled(signature: bytes) -> Made:
    return lambda at: ".".join([*parts(at)[:2], b64(signature)])


def json_form(at: Gate, *, general: bool) -> str:
    head, body, signature = parts(at)
    one = {"protected": head, "signature": signature}
    made = {"payload": body, "signatures": [one]} if general else {"payload": body, **one}
    return json.dumps(made, separators=(",", ":"))


def flipped(part: int) -> Made:
    def made(at: Gate) -> str:
        three = parts(at)
        three[part] = three[part][:-5] + ("A" if three[part][-5] != "A" else "B") + three[part][-4:]
        return ".".join(three)

    return made


PEM, DER = KEY.as_pem(private=False), KEY.as_der(private=False)
TOKENS: dict[str, Made] = {
    "T-10 two parts": lambda at: ".".join(parts(at)[:2]),
    "T-10 four parts": lambda at: at.token() + ".e30",
    "T-10 JWE": lambda at: at.token() + ".e30.e30",
    "T-11 plus": lambda at: at.token() + "+", "T-11 slash": lambda at: at.token() + "/",
    "T-11 equals": lambda at: at.token() + "=", "T-11 brace": lambda at: "{" + at.token(),
    "T-12 flattened": lambda at: json_form(at, general=False), "T-12 general": lambda at: json_form(at, general=True),
    "T-13 padding": lambda at: at.token() + "==",
    "T-13 spare bits": lambda at: at.token()[:-1] + ("B" if at.token()[-1] in "AQgw" else "x"),
    "T-14 alg twice": lambda at: compact(
        b'{"alg":"ES256","alg":"ES256","typ":"at+jwt","kid":"identity-1"}', at.claims(), KEY),
    "T-14 aud twice": lambda at: compact(HEADER, told(at, '"aud"', '"aud": "x", "aud"'), KEY),
    "T-14 exp twice": lambda at: compact(HEADER, told(at, '"exp"', '"exp": 1, "exp"'), KEY),
    "T-15 header is a list": lambda at: compact(b"[]", at.claims(), KEY),
    "T-15 header is a text": lambda at: compact(b'"x"', at.claims(), KEY),
    "T-15 header is a number": lambda at: compact(b"7", at.claims(), KEY),
    "T-15 header is empty": lambda at: compact(b"", at.claims(), KEY),
    "T-15 payload is a list": saying(b"[]"), "T-15 payload is a text": saying(b'"x"'),
    "T-15 payload is null": saying(b"null"), "T-15 payload is empty": saying(b""),
    "T-16 UTF-16": lambda at: compact(HEADER, json.dumps(at.claims()).encode("utf-16"), KEY),
    "T-16 BOM": lambda at: compact(HEADER, b"\xef\xbb\xbf" + text(at.claims()), KEY),
    "T-16 invalid UTF-8": lambda at: compact(HEADER, told(at, "sthjj", "sthjj").replace(b"sthjj", b"\xff"), KEY),
    "T-16 NaN": lambda at: compact(HEADER, told(at, '"iss"', '"x": NaN, "iss"'), KEY),
    "T-16 Infinity": lambda at: compact(HEADER, told(at, '"iss"', '"x": Infinity, "iss"'), KEY),
    "T-16 depth of 2000": saying(b'{"x":' + b"[" * 2000 + b"]" * 2000 + b"}"),
    "T-17 none": unproved("none"), "T-17 None": unproved("None"), "T-17 NONE": unproved("NONE"),
    "T-17 nOnE": unproved("nOnE"), "T-17 empty": unproved(""), "T-17 ES256 without signature": unproved("ES256"),
    "T-18 none with the old signature": lambda at: ".".join(
        [b64(text({**HEADER, "alg": "none"})), *parts(at)[1:]]),
    "T-19 PEM": by_secret(PEM), "T-19 PEM without line end": by_secret(PEM.strip()), "T-19 DER": by_secret(DER),
    "T-19 JWK": by_secret(json.dumps(public(KEY)).encode()), "T-19 x": by_secret(public(KEY)["x"].encode()),
    "T-20 empty key": by_secret(b""), "T-20 secret": by_secret(b"secret"), "T-20 kid": by_secret(b"identity-1"),
    "T-24 header": flipped(0), "T-24 payload": flipped(1), "T-24 signature": flipped(2),
    "T-25 signature removed": lambda at: ".".join([*parts(at)[:2], ""]),
    "T-25 separator removed": lambda at: "".join(parts(at)),
    "T-25 parts swapped": lambda at: ".".join(reversed(parts(at))),
    "T-26 jwk": lambda at: compact({**HEADER, "jwk": public(OTHER)}, at.claims(), OTHER),
    "T-30 no kid": lambda at: compact({"alg": "ES256", "typ": "at+jwt"}, at.claims(), KEY),
    "T-30 retired kid": headed(kid="identity-0"), "T-30 kid is a number": headed(kid=1),
    "T-31 path": by_secret(b"", kid="../../../dev/null"), "T-31 /dev/null": by_secret(b"", kid="/dev/null"),
    "T-31 file": by_secret(b"", kid="file:///dev/null"),
    "T-32 SQL": headed(kid="x' UNION SELECT 'k';--"), "T-32 shell": headed(kid="|sleep 10"),
    "T-32 CRLF": headed(kid="a\r\nb"), "T-32 NUL": headed(kid="a\0"), "T-32 as long as fits": headed(kid="x" * 2500),
    "T-33 crit exp": headed(crit=["exp"]), "T-33 crit x": headed(crit=["x"], x=1),
    "T-33 b64": headed(b64=False), "T-33 zip": headed(zip="DEF"),
    "T-34 PBES2": lambda _: f"{b64(text({'alg': 'PBES2-HS256+A128KW', 'enc': 'A128GCM', 'p2c': 2**31}))}.e.e.e.e",
    "T-35 none": headed(typ=None), "T-35 empty": headed(typ=""),
    "T-35 JWT": headed(typ="JWT"), "T-35 dpop": headed(typ="dpop+jwt"),
    "T-35 assertion": headed(typ="client-authentication+jwt"), "T-35 logout": headed(typ="logout+jwt"),
    "T-35 event": headed(typ="secevent+jwt"), "T-35 consent": headed(typ="consent+jwt"),
    "T-37 ID token": lambda at: compact(
        {**HEADER, "typ": "JWT"}, {**at.claims(client_id=None, scope=None), "nonce": "n"}, KEY),
    "T-37 assertion": lambda at: compact(
        {"alg": "ES256", "typ": "client-authentication+jwt", "kid": "s"}, at.claims(iss=SYSTEM), OTHER),
    "T-37 proof": lambda _: dpop(OTHER, "GET", ISSUER + TARGET),
    "T-38 none": lambda at: at.token(iss=None), "T-38 other": lambda at: at.token(iss="https://other.example"),
    "T-38 slash": lambda at: at.token(iss=ISSUER + "/"), "T-38 case": lambda at: at.token(iss=ISSUER.upper()),
    "T-38 list": lambda at: at.token(iss=[ISSUER]), "T-38 number": lambda at: at.token(iss=7),
    "strangers: another key": lambda at: compact(HEADER, at.claims(), OTHER),
    "strangers: expired, another key": lambda at: compact(HEADER, at.claims(iat=1, exp=2), OTHER),
}  # fmt: skip


@pytest.mark.requirement("TOK-06")
@pytest.mark.parametrize("made", TOKENS.values(), ids=TOKENS.keys())
async def test_strangers_are_told_nothing(at: Gate, made: Made) -> None:
    problem = turned_away(at, await asked(at, f"Bearer {made(at)}"), 401, "token/invalid", INVALID)
    assert "detail" not in problem


LONG: dict[str, Made] = {
    "T-09 64 kB": lambda _: "x" * 65_536,
    "T-16 depth of 10,000": saying(b'{"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}"),
    "T-32 kid of 64 kB": headed(kid="x" * 65_536),
}


@pytest.mark.parametrize("made", LONG.values(), ids=LONG.keys())
async def test_what_is_too_long_for_a_head_ends_there(at: Gate, made: Made) -> None:
    """The parser's own answer to such a token stands with `wire.jose`: it is not what ends it here."""
    answer = await asked(at, f"Bearer {made(at)}")
    assert answer.status_code == 431
    assert (at.asked, at.happened) == ([], [])
    turned_away(at, await asked(at, "Bearer " + "a.b." + "x" * 8000), 401, "token/invalid", INVALID)


@pytest.mark.parametrize("name", ["jku", "x5u"], ids=["T-27 jku", "T-27 x5u"])
async def test_no_address_in_a_token_is_looked_up(at: Gate, name: str) -> None:
    connections: list[Any] = []

    async def connected(_reader: Any, writer: Any) -> None:
        connections.append(writer)

    listener = await asyncio.start_server(connected, HOST, 0)
    port = listener.sockets[0].getsockname()[1]
    token = compact({**HEADER, name: f"http://{HOST}:{port}/keys"}, at.claims(), OTHER)
    turned_away(at, await asked(at, f"Bearer {token}"), 401, "token/invalid", INVALID)
    listener.close()
    assert connections == []


@pytest.mark.parametrize("many", [pytest.param(200, id="T-29 unknown kids")])
async def test_unknown_keys_lead_to_one_fetch(at: Gate, many: int) -> None:
    fetched: list[int] = []
    keys: Keys = at.verifier.keys
    fetch = keys._fetch

    async def counted() -> dict[str, Any]:
        fetched.append(1)
        return await fetch()

    keys._fetch, keys._not_before = counted, 0.0
    for number in range(many):
        answer = await at.client.get(TARGET, headers={"Authorization": f"Bearer {at.token({'kid': f'k{number}'})}"})
        assert answer.status_code == 401
    keys._fetch = fetch
    assert len(fetched) == 1


# --- what it says: whoever holds it is told ---------------------------------------------------------------------------
CLAIMS: dict[str, tuple[dict[str, Any], str]] = {
    "T-39 none": ({"aud": None}, "aud: expected"),
    "T-39 other service": ({"aud": "https://audit.example"}, f"aud: expected {ISSUER}; got https://audit.example"),
    "T-39 prefix": ({"aud": ISSUER + ".evil"}, "aud: expected"), "T-39 empty list": ({"aud": []}, "aud: expected"),
    "T-39 number": ({"aud": 7}, "aud: expected"), "T-39 slash": ({"aud": ISSUER + "/"}, "aud: expected"),
    "T-40 none": ({"exp": None}, "exp: expected"), "T-40 past": ({"exp": -11}, "exp: expired at"),
    "T-40 text": ({"exp": "2099"}, "exp: expected"), "T-40 fraction": ({"exp": 1e9 + 0.5}, "exp: expected"),
    "T-40 true": ({"exp": True}, "exp: expected"), "T-40 huge": ({"exp": 10**400}, "exp: expected"),
    "T-40 10 years": ({"exp": 315_360_000}, "exp: expected at most 300 s"),
    "T-40 negative": ({"exp": -(10**12)}, "exp: expected"),
    "T-41 nbf +61 s": ({"nbf": 61}, "nbf: not valid before"), "T-41 iat +61 s": ({"iat": 61}, "iat: not valid before"),
    "T-41 iat none": ({"iat": None}, "iat: expected"), "T-42 no jti": ({"jti": None}, "jti: is missing"),
    "T-42 jti is a number": ({"jti": 7}, "jti: is missing"),
    "T-43 no client": ({"client_id": None}, "client_id: is missing"),
    "T-43 not the subject": ({"client_id": "another"}, "sub: expected"),
    "T-43 no subject": ({"sub": None}, "sub: is missing"),
    "T-50 tied to what nobody checks": ({"cnf": {"kid": "x"}}, "cnf: expected"),
}  # fmt: skip


@pytest.mark.requirement("TOK-06")
@pytest.mark.parametrize(("claims", "detail"), CLAIMS.values(), ids=CLAIMS.keys())
async def test_whoever_holds_a_token_of_ours_is_told(at: Gate, claims: dict[str, Any], detail: str) -> None:
    now = int(time.time())
    moved: dict[str, Any] = {
        name: now + value if name in ("exp", "iat", "nbf") and type(value) is int and value < 10**10 else value
        for name, value in claims.items()
    }
    answer = await asked(at, f"Bearer {at.token(**moved)}")
    assert turned_away(at, answer, 401, "token/invalid", INVALID)["detail"].startswith(detail)


SCOPES = {
    "T-45 empty": "", "T-45 other": "audit:read", "T-45 capitals": "CALL", "T-45 comma": "call,audit:read",
    "T-45 longer": "calls", "T-45 tab": "a\tcall",
}  # fmt: skip


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES.keys())
async def test_a_token_without_the_scope_is_recorded_and_refused(at: Gate, scope: str) -> None:
    answer = await asked(at, f"Bearer {at.token(scope=scope)}")
    assert check(answer, 403, "token/insufficient-scope")["scope"] == "call"
    assert answer.headers["www-authenticate"] == CHALLENGE + ', error="insufficient_scope", scope="call"'
    assert (at.asked, at.happened) == ([], ["denied"])
