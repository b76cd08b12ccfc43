"""Bound tokens and passed-on requests between real processes: two gateways, one store of used proofs, services."""

from collections.abc import Iterator

import pytest
from joserfc.jwk import ECKey

from harness.checks import CASE, VEHICLE, check, providers_asked
from harness.forgery import forged
from harness.jws import dpop
from harness.members import Member
from harness.platform import Platform
from harness.replicas import replica
from runtime.http import Client, sync_client
from runtime.service_auth import ServiceKey

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("platform")]
KEY = ECKey.generate_key("P-256")
TIE = {"cnf": {"jkt": KEY.thumbprint()}}


@pytest.fixture(scope="module")
def second(platform: Platform) -> Iterator[Client]:
    """Another gateway of the platform, which wants nonces."""
    with replica(platform, "gateway", "gateway-nonces", dpop_nonce="true") as url, sync_client(url) as opened:
        yield opened


def shown(platform: Platform, token: str, path: str, **claims: str) -> dict[str, str]:
    made = dpop(KEY, "GET", platform.gateway + path.partition("?")[0], token, **claims)
    return {"Authorization": f"DPoP {token}", "DPoP": made, **CASE}


@pytest.mark.requirement("TOK-03")
@pytest.mark.requirement("TOK-05")
@pytest.mark.parametrize("row", ["T-56 T-59 two processes"])
def test_a_proof_opens_one_gateway_once(
    platform: Platform, client: Client, second: Client, member: Member, row: str
) -> None:
    token, path = forged(platform, member, **TIE), f"/x/{VEHICLE}"
    with providers_asked(platform, 2):
        used = shown(platform, token, path)
        assert client.get(path, headers=used).status_code == 200, row
        check(client.get(path, headers=used), 401, "token/dpop-proof")
        wanted = second.get(path, headers=shown(platform, token, path))
        check(wanted, 401, "token/dpop-nonce")
        again = shown(platform, token, path, nonce=wanted.headers["dpop-nonce"])
        assert second.get(path, headers=again).status_code == 200
        check(second.get(path, headers=again), 401, "token/dpop-proof")
        check(client.get(path, headers=again), 401, "token/dpop-proof")


@pytest.mark.requirement("TOK-09")
def test_a_bound_token_reaches_a_service_through_the_gateway_alone(
    platform: Platform, client: Client, member: Member
) -> None:
    token, path = forged(platform, member, **TIE), "/api/catalog/grants"
    answer = client.get(path, headers=shown(platform, token, path))
    assert answer.status_code in (200, 403), answer.text
    assert answer.json().get("code", "") != "token/invalid"
    with sync_client(platform.url("catalog-service")) as direct:
        check(direct.get("/grants", headers=shown(platform, token, path)), 401, "token/invalid")


INNER = {
    "feed": ("GET", "/api/catalog/feed?after=0"), "snapshot": ("GET", "/api/catalog/snapshot"),
    "usage": ("POST", "/api/catalog/usage"), "leases": ("POST", "/api/audit/leases"),
    "batches": ("POST", "/api/audit/batches"), "revocations": ("POST", "/api/catalog/revocations"),
}  # fmt: skip


@pytest.mark.requirement("TOK-09")
@pytest.mark.parametrize(("method", "path"), INNER.values(), ids=INNER.keys())
def test_what_the_gateway_passes_on_opens_no_inner_route(
    platform: Platform, client: Client, member: Member, method: str, path: str
) -> None:
    body = b"[]" if method == "POST" else b""
    kind = {"Content-Type": "application/json"} if body else {}
    for headers in ({}, member.headers()):
        answer = client.request(method, path, headers={**headers, **kind}, content=body)
        assert answer.status_code in (401, 404), answer.text
    check_a_service_gets_further(platform, method, path, body, kind)


def check_a_service_gets_further(platform: Platform, method: str, path: str, body: bytes, kind: dict[str, str]) -> None:
    """The same address, asked by a service of ours at the service itself: there is something behind that door."""
    _, _, area, target = path.split("/", 3)
    key = ServiceKey.from_file(platform.home.secrets / "service.secret", "identity")
    with sync_client(platform.url(f"{area}-service")) as direct:
        check(
            direct.request(method, f"/{target}", headers=kind, content=body), 401, "service/unauthenticated", "exchange"
        )
        signed = key.headers(method, f"/{target}", body)
        answer = direct.request(method, f"/{target}", headers={**kind, **signed}, content=body)
    assert answer.status_code not in (401, 403, 404, 405), answer.text


@pytest.mark.requirement("TOK-03")
@pytest.mark.parametrize("service", ["catalog", "audit", "exchange"], ids="T-62 {}".format)
def test_a_token_for_another_service_is_refused(
    platform: Platform, client: Client, member: Member, service: str
) -> None:
    path = {"catalog": "/grants", "audit": "/holds", "exchange": "/credentials"}[service]
    for audience in ("https://audit.example", f"{platform.gateway}/api/{service}"):
        token = forged(platform, member, aud=audience)
        with sync_client(platform.url(f"{service}-service")) as direct:
            for one, target in ((client, f"/api/{service}{path}"), (direct, path)):
                problem = check(one.get(target, headers={"Authorization": f"Bearer {token}"}), 401, "token/invalid")
                assert problem["detail"] == f"aud: expected {platform.gateway}; got {audience}"


@pytest.mark.requirement("TOK-03")
@pytest.mark.parametrize("cookie", [pytest.param("session=abc", id="T-63 a cookie at the gateway")])
def test_a_cookie_is_no_token(platform: Platform, client: Client, cookie: str) -> None:
    with providers_asked(platform, 0):
        check(client.get(f"/x/{VEHICLE}", headers={"Cookie": cookie}), 401, "token/missing")
        check(client.get("/api/explain?interface=a/b", headers={"Cookie": cookie}), 401, "token/missing")
