"""The register of clients: who may write it, which keys it takes, what it tells the log; metadata and public keys."""

import asyncio
import secrets
from typing import Any

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from wire import scopes

pytestmark = pytest.mark.anyio


def key(kid: str = "k1") -> dict[str, Any]:
    return dict(ECKey.generate_key("P-256", {"kid": kid}).as_dict(private=False))


def body(**over: Any) -> dict[str, Any]:
    return {"department": "swj", "scope": "call", "method": "private_key_jwt", "jwks": {"keys": [key()]}, **over}


def without_ends(shown: dict[str, Any]) -> dict[str, Any]:
    """A client as it was stated: registration adds when each key ends."""
    keys = [{name: value for name, value in one.items() if name != "until"} for one in shown["jwks"]["keys"]]
    return {**shown, "jwks": {"keys": keys}}


def fresh() -> str:
    return f"swj-{secrets.token_hex(5)}"


@pytest.mark.requirement("IDN-12")
async def test_a_client_is_registered_shown_and_replaced(service: Any) -> None:
    client_id, first, second = fresh(), body(), body()
    made = await service.put(client_id, first)
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    headers = {"Authorization": f"Bearer {await service.operator_token()}"}
    shown = (await service.http.get(f"/oauth2/clients/{client_id}", headers=headers)).json()
    assert shown == made.json()
    assert without_ends(shown) == {"client_id": client_id, **first}
    assert (await service.put(client_id, first)).status_code == 200
    assert (await service.put(client_id, second)).status_code == 200
    unknown = await service.http.get(f"/oauth2/clients/{fresh()}", headers=headers)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "request/not-found")
    async with asyncio.timeout(10):
        while len(service.log.events("client.registered", client=client_id)) < 2:
            await asyncio.sleep(0.05)
    events = service.log.events("client.registered", client=client_id)
    assert len(events) == 2  # saying again what is known changes nothing and tells nobody
    assert [e.facts["keys"] for e in events] == [
        ECKey.import_key(wanted["jwks"]["keys"][0]).thumbprint() for wanted in (first, second)
    ]
    assert {e.actor for e in events} == {"platform-operator"}


@pytest.mark.requirement("IDN-12")
async def test_keys_that_were_replaced_count_no_more(service: Any) -> None:
    client_id, old = await service.registered()
    new = ECKey.generate_key("P-256", {"kid": old.kid})
    wanted = {"keys": [dict(new.as_dict(private=False))]}
    assert (await service.put(client_id, body(department="gaj", jwks=wanted))).status_code == 200
    assert (await service.ask(service.assertion(client_id, old))).status_code == 401
    assert (await service.ask(service.assertion(client_id, new))).status_code == 200


@pytest.mark.requirement("IDN-12")
async def test_two_keys_are_good_at_once_while_one_replaces_the_other(service: Any) -> None:
    client_id, old = await service.registered()
    new = ECKey.generate_key("P-256", {"kid": "new"})
    both = {"keys": [dict(each.as_dict(private=False)) for each in (old, new)]}
    assert (await service.put(client_id, body(department="gaj", jwks=both))).status_code == 200
    for each in (old, new):
        assert (await service.ask(service.assertion(client_id, each))).status_code == 200
        assert (await service.ask(service.assertion(client_id, each, header={"kid": ...}))).status_code == 200


@pytest.mark.requirement("IDN-12")
async def test_only_tokens_with_the_scope_get_in(service: Any) -> None:
    client_id, own = await service.registered()
    token = await service.token(client_id, own)
    refused = await service.put(fresh(), body(), token)
    assert (refused.status_code, refused.json()["code"]) == (403, "token/insufficient-scope")
    looked = await service.http.get(f"/oauth2/clients/{client_id}", headers={"Authorization": f"Bearer {token}"})
    assert looked.status_code == 403
    assert (await service.http.put(f"/oauth2/clients/{fresh()}", json=body())).status_code == 401
    forged = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    assert (await service.put(fresh(), body(), forged)).status_code == 401


@pytest.mark.requirement("IDN-12")
async def test_nobody_hands_on_a_right_that_they_lack(service: Any) -> None:
    clerk, own = await service.registered(scope="client:write")
    auditor, _ = await service.registered(scope="audit:read")
    token = await service.token(clerk, own)
    assert (await service.put(fresh(), body(), token)).status_code == 201
    for wanted in ("grant:write", "call audit:read"):
        refused = await service.put(fresh(), body(scope=wanted), token)
        assert (refused.status_code, refused.json()["code"]) == (403, "token/insufficient-scope")
    for other in (auditor, "platform-operator"):  # whoever sets the keys of another could be that other
        assert (await service.put(other, body(), token)).status_code == 403


ES384 = dict(ECKey.generate_key("P-384", {"kid": "k"}).as_dict(private=False))
BAD_KEYS = [
    pytest.param([], id="none"),
    pytest.param([key(f"k{n}") for n in range(5)], id="too many"),
    pytest.param([key("a"), key("a")], id="a kid twice"),
    pytest.param([(one := key("a")), {**one, "kid": "b"}], id="a key twice"),
    pytest.param([{name: value for name, value in key().items() if name != "kid"}], id="no kid"),
    pytest.param([{**key(), "kid": ""}], id="kid empty"),
    pytest.param([{**key(), "kid": "k\x00"}], id="kid with NUL"),
    pytest.param([{**key(), "kid": 5}], id="kid a number"),
    pytest.param([dict(ECKey.generate_key("P-256", {"kid": "k"}).as_dict(private=True))], id="private"),
    pytest.param([ES384], id="another curve"),
    pytest.param([dict(RSAKey.generate_key(2048, {"kid": "k"}).as_dict(private=False))], id="RSA"),
    pytest.param([dict(OctKey.generate_key(256, {"kid": "k"}).as_dict())], id="a secret"),
    pytest.param([{**key(), "y": key()["y"]}], id="no point of the curve"),
    pytest.param([{**key(), "x": key()["x"] + "="}], id="another spelling"),
    pytest.param([{**key(), "x": "AA"}], id="too short"),
    pytest.param([{**key(), "x": 7}], id="a number"),
    pytest.param([{**key(), "use": "enc"}], id="for encryption"),
    pytest.param([{**key(), "alg": "ES384"}], id="for another algorithm"),
    pytest.param([{**key(), "key_ops": ["sign"]}], id="for signing"),
    pytest.param(["not a key"], id="a text"),
    pytest.param("not a list", id="no list"),
]


@pytest.mark.requirement("IDN-11")
@pytest.mark.parametrize("keys", BAD_KEYS)
async def test_keys_that_are_not_plain_public_p_256_keys_are_refused(service: Any, keys: Any) -> None:
    refused = await service.put(fresh(), body(jwks={"keys": keys}))
    assert (refused.status_code, refused.json()["code"]) == (422, "request/invalid")
    assert refused.json()["errors"][0]["path"] == "/body/jwks"


@pytest.mark.requirement("IDN-11")
async def test_members_that_say_what_the_key_is_for_are_taken(service: Any) -> None:
    keys = [{**key(), "use": "sig", "alg": "ES256", "key_ops": ["verify"]}]
    assert (await service.put(fresh(), body(jwks={"keys": keys}))).status_code == 201


SECRET = "0123456789abcdef0123456789abcdef"
BAD_BODIES = [
    {"scope": "call everything"},
    {"scope": ""},
    {"scope": "call call"},
    {"department": "a b"},
    {"department": "中"},
    {"department": 5},
    {"method": "none"},
    {"method": "tls_client_auth"},
    {"jwks": None},
    {"jwks_uri": "http://169.254.169.254/"},
    {"secret": SECRET},
    {"method": "client_secret_basic", "jwks": None},
    {"method": "client_secret_basic", "jwks": None, "secret": "too short"},
    {"method": "client_secret_basic", "jwks": None, "secret": SECRET},  # switched off
    {"surprise": 1},
]


@pytest.mark.requirement("IDN-12")
@pytest.mark.parametrize("over", BAD_BODIES)
async def test_bodies_that_do_not_describe_a_client(service: Any, over: dict[str, Any]) -> None:
    refused = await service.put(fresh(), body(**over))
    assert (refused.status_code, refused.json()["code"]) == (422, "request/invalid")


@pytest.mark.requirement("IDN-12")
@pytest.mark.parametrize("client_id", ["a b", "%00", "中", "-a", "a" * 129, "a:b"])
async def test_ids_that_are_not_ids(service: Any, client_id: str) -> None:
    assert (await service.put(client_id, body())).status_code == 422


async def test_large_and_broken_bodies(service: Any) -> None:
    headers = {"Authorization": f"Bearer {await service.operator_token()}", "Content-Type": "application/json"}
    address = f"/oauth2/clients/{fresh()}"
    for content, status in ((b"x" * 100_000, 413), (b'{"\\ud800": 1}', 422), (b"[1", 422), (b"[" * 9000, 400)):
        assert (await service.http.put(address, content=content, headers=headers)).status_code == status


@pytest.mark.requirement("IDN-08")
async def test_of_a_secret_only_the_digest_is_kept_and_nobody_is_shown_it(start: Any) -> None:
    async with start(allow_client_secret_basic=True) as service:
        client_id, _ = await service.registered(method="client_secret_basic", secret=SECRET, jwks=None)
        headers = {"Authorization": f"Bearer {await service.operator_token()}"}
        shown = (await service.http.get(f"/oauth2/clients/{client_id}", headers=headers)).json()
        assert shown == {"client_id": client_id, "department": "gaj", "scope": "call", "method": "client_secret_basic"}


@pytest.mark.requirement("IDN-12")
async def test_the_operator_is_registered_once_and_changed_keys_stay(service: Any, start: Any) -> None:
    headers = {"Authorization": f"Bearer {await service.operator_token()}"}
    operator = (await service.http.get("/oauth2/clients/platform-operator", headers=headers)).json()
    assert (operator["department"], operator["scope"].split()) == ("platform", sorted(scopes.ALL))
    changed = ECKey.generate_key("P-256", {"kid": "changed"})
    wanted = {**operator, "jwks": {"keys": [dict(changed.as_dict(private=False))]}}
    del wanted["client_id"]
    before = service.home.operator
    try:
        assert (await service.put("platform-operator", wanted)).status_code == 200
        async with start(instance="identity-2") as again:
            assert (await again.ask(again.assertion("platform-operator", before))).status_code == 401
            service.home.operator = changed
            assert await again.operator_token()
    finally:
        service.home.operator = changed


@pytest.mark.requirement("IDN-10")
@pytest.mark.parametrize("with_secrets", [False, True])
async def test_metadata_says_what_is_offered(start: Any, with_secrets: bool) -> None:
    async with start(allow_client_secret_basic=with_secrets) as service:
        answer = await service.http.get("/.well-known/oauth-authorization-server")
    document = answer.json()
    AuthorizationServerMetadata(document).validate()
    assert document["issuer"] == "https://tongdao.example"
    assert document["token_endpoint"] == "https://tongdao.example/oauth2/token"
    methods = ["private_key_jwt", "tls_client_auth", *(["client_secret_basic"] if with_secrets else [])]
    assert sorted(document["token_endpoint_auth_methods_supported"]) == sorted(methods)
    assert document["grant_types_supported"][0] == "client_credentials"
    assert "password" not in document["grant_types_supported"]


@pytest.mark.requirement("IDN-10")
async def test_published_keys_are_public_all_of_them(service: Any) -> None:
    document = (await service.http.get("/oauth2/jwks")).json()
    assert [each["kid"] for each in document["keys"]] == ["signing-1", "signing-0"]
    for each in document["keys"]:
        assert each.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert KeySet.import_key_set(document)


async def test_health(service: Any) -> None:
    assert (await service.http.get("/health/ready")).status_code == 200
