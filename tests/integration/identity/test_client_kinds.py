"""What a client may be: how it proves who it is, what it may ask for, who may act for it."""

import secrets
from typing import Any

import pytest
from joserfc.jwk import ECKey

pytestmark = pytest.mark.anyio


def jwks() -> dict[str, Any]:
    return {"keys": [dict(ECKey.generate_key("P-256", {"kid": "k1"}).as_dict(private=False))]}


@pytest.mark.requirement("IDK-08")
@pytest.mark.parametrize(
    "more",
    [
        {"method": "tls_client_auth", "jwks": None, "certificate_name": "dns:system.gaj.example"},
        {"method": "tls_client_auth", "jwks": None, "certificate_name": "CN=system,O=公安局,C=CN"},
        {"dpop_bound": True},
        {"may_act": ["zwfw-portal"]},
        {"grants": ["authorization_code", "refresh_token"], "redirect_uris": ["https://portal.example/back"]},
        {"grants": ["authorization_code"], "redirect_uris": ["http://127.0.0.1/back", "http://[::1]:1/b"]},
        {"grants": ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"]},
    ],
)
async def test_what_a_client_may_be_is_kept_and_shown(service: Any, more: dict[str, Any]) -> None:
    client_id = f"gaj-{secrets.token_hex(5)}"
    body = {"department": "gaj", "scope": "call", "jwks": jwks(), **more}
    made = await service.put(client_id, body)
    assert made.status_code == 201, made.text
    shown = await service.http.get(
        f"/oauth2/clients/{client_id}", headers={"Authorization": f"Bearer {await service.operator_token()}"}
    )
    wanted = {name: value for name, value in more.items() if value is not None}
    assert {name: shown.json()[name] for name in wanted} == wanted
    told = {name: value for name, value in shown.json().items() if name != "client_id"}
    assert (await service.put(client_id, told)).status_code == 200  # what is shown can be stated again


@pytest.mark.requirement("IDK-08")
@pytest.mark.parametrize(
    "more",
    [
        {"standing": "active"},
        {"certificate_name": "dns:a.example"},
        {"method": "tls_client_auth", "jwks": None},
        {"method": "tls_client_auth", "certificate_name": "dns:a.example"},
        {"method": "tls_client_auth", "jwks": None, "certificate_name": "a.example"},
        {"method": "tls_client_auth", "jwks": None, "certificate_name": "dns:a.example\n"},
        {"grants": []},
        {"grants": ["password"]},
        {"grants": ["authorization_code"]},
        {"redirect_uris": ["https://portal.example/"]},
        *(
            {"grants": ["authorization_code"], "redirect_uris": [bad]}
            for bad in (
                "http://portal.example/", "http://localhost:1/b", "http://127.0.0.1", "HTTPS://portal.example/",
                "javascript:alert(1)", "https://portal.example/#a", "https://u@portal.example/",
                "https:///back", "https://門.example/",
            )
        ),
        {"may_act": ["a b"]},
        {"dpop_bound": 1},
    ],
)  # fmt: skip
async def test_what_a_client_may_not_be(service: Any, more: dict[str, Any]) -> None:
    body = {"department": "gaj", "scope": "call", "jwks": jwks(), **more}
    refused = await service.put(f"gaj-{secrets.token_hex(5)}", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "request/invalid")
