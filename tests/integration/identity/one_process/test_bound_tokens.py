"""Tokens bound to a key (DPoP) or to a certificate (mutual TLS)."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc.jwk import ECKey

from harness.certificates import HOUR, Authority
from harness.jws import dpop
from wire.front import x5t_of

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("IDT-03")]
URL = "https://tongdao.example/oauth2/token"


def claims_of(token: str) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    return payload


async def test_a_proof_binds_the_token_to_its_key(shared: Any) -> None:
    client, key = await shared.registered()
    own = ECKey.generate_key("P-256")
    answer = (await shared.ask(shared.assertion(client, key), proofs=[dpop(own, "POST", URL)])).json()
    assert answer["token_type"] == "DPoP"
    assert claims_of(answer["access_token"])["cnf"] == {"jkt": own.thumbprint()}
    verified = (await shared.verifier()).verify(answer["access_token"], claims_of(answer["access_token"])["iat"])
    assert (verified.jkt, verified.x5t) == (own.thumbprint(), "")
    (event,) = shared.log.events("token.issued", actor=client)
    assert event.facts["bound"] == "jkt"


async def test_a_proof_counts_once_whatever_the_replica(service: Any, start: Any) -> None:
    client, key = await service.registered()
    shown = dpop(ECKey.generate_key("P-256"), "POST", URL)
    async with start(instance="identity-2") as other:
        asked = [one.ask(one.assertion(client, key), proofs=[shown]) for one in [service, other] * 5]
        answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 9
    assert {answer.json().get("error") for answer in answers} == {None, "invalid_dpop_proof"}


async def test_two_proofs_are_none(shared: Any) -> None:
    client, key = await shared.registered()
    own = ECKey.generate_key("P-256")
    answer = await shared.ask(shared.assertion(client, key), proofs=[dpop(own, "POST", URL), dpop(own, "POST", URL)])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")


async def test_a_stranger_is_told_nothing_about_a_proof(shared: Any) -> None:
    client, key = await shared.registered()
    stranger = ECKey.generate_key("P-256", {"kid": str(key.kid)})
    answer = await shared.ask(shared.assertion(client, stranger), proofs=["no proof"])
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})


async def test_a_client_whose_tokens_are_always_bound_needs_a_proof(shared: Any) -> None:
    client, key = await shared.registered(dpop_bound=True)
    answer = await shared.ask(shared.assertion(client, key))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    own = ECKey.generate_key("P-256")
    assert (await shared.ask(shared.assertion(client, key), proofs=[dpop(own, "POST", URL)])).status_code == 200


# --- mutual TLS -------------------------------------------------------------------------------------------------------
@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def with_certificate(service: Any, name: str, client: str = "") -> str:
    client = client or f"gaj-{name.rpartition('=')[2]}"
    body = {"department": "gaj", "method": "tls_client_auth", "certificate_name": name}
    assert (await service.put(client, body)).status_code == 201
    return client


async def test_a_certificate_proves_the_client_and_binds_the_token(shared: Any, authority: Authority) -> None:
    client = await with_certificate(shared, "CN=hukou")
    held = authority.client("hukou").der
    answer = await shared.ask(client_id=client, certificate=held)
    assert (answer.status_code, answer.json()["token_type"]) == (200, "Bearer"), answer.text
    assert claims_of(answer.json()["access_token"])["cnf"] == {"x5t#S256": x5t_of(held)}
    (event,) = shared.log.events("token.issued", actor=client)
    assert (event.facts["method"], event.facts["bound"]) == ("tls_client_auth", "x5t#S256")


async def test_a_name_among_the_alternative_names_does_too(shared: Any, tmp_path: Path) -> None:
    file = Authority(tmp_path).server_file("hukou.gaj.example")
    certificate = x509.load_pem_x509_certificate(file.read_bytes()).public_bytes(Encoding.DER)
    for name, status in (("dns:hukou.gaj.example", 200), ("dns:gaj.example", 401), ("dns:*.gaj.example", 401)):
        client = await with_certificate(shared, name, f"gaj-{abs(hash(name))}")
        assert (await shared.ask(client_id=client, certificate=certificate)).status_code == status


@pytest.mark.parametrize(
    "wrong", ["another name", "a longer subject", "none", "no certificate", "unsigned", "out of time"]
)
async def test_another_certificate_proves_nothing(shared: Any, authority: Authority, wrong: str) -> None:
    client = await with_certificate(shared, "CN=kaoshi", f"gaj-{wrong.replace(' ', '-')}")
    held = authority.client("other" if wrong == "another name" else "kaoshi").der
    if wrong == "unsigned":  # whoever speaks to us past the gateway says what they like
        headers = {"Tongdao-Message": json.dumps({"address": "", "certificate": base64.b64encode(held).decode()})}
        form = {"grant_type": "client_credentials", "client_id": client}
        answer = await shared.http.post("/oauth2/token", data=form, headers=headers)
        assert answer.status_code == 401
        return
    if wrong == "a longer subject":
        client = await with_certificate(shared, "CN=kaoshi,O=gaj", "gaj-longer")
    if wrong == "out of time":
        held = authority.client("kaoshi", until=-HOUR).der
    held = {"none": b"", "no certificate": b"\x30\x03\x02\x01\x00"}.get(wrong, held)
    answer = await shared.ask(client_id=client, certificate=held, address="192.0.2.1")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert ("error_description" in answer.json()) == (wrong == "out of time")


async def test_a_certificate_does_not_stand_in_for_a_key(shared: Any, authority: Authority) -> None:
    client, key = await shared.registered()
    held = authority.client(client).der
    assert (await shared.ask(client_id=client, certificate=held)).status_code == 401
    answer = await shared.ask(shared.assertion(client, key), certificate=held)
    assert (answer.status_code, "cnf" in claims_of(answer.json()["access_token"])) == (200, False)
