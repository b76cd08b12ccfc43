"""Departments' systems made for one test: registered, keyed and granted through the public APIs."""

import time
from typing import Any

from joserfc import jwk

from harness.platform import Platform
from runtime.http import Client, Response
from tongdao_cli.keys import OPERATOR
from wire.assertions import fetch_token
from wire.scopes import CALL

TOKEN_S = 200
"""A token is used for so long; it would be good for 300 s."""
WIDE = {"rate_per_s": 1000.0, "burst": 1000, "max_in_flight": 1000}


class Authority:
    """The platform's operator at the public APIs."""

    def __init__(self, platform: Platform, client: Client) -> None:
        self._client = client
        self._platform = platform
        self._gateway = platform.gateway
        self._token, self._until = "", 0.0

    @property
    def _headers(self) -> dict[str, str]:
        """With a token that is good for a while longer: a busy machine can be longer at a file than a token lives."""
        if self._until < time.monotonic():
            with self._platform.consumer(OPERATOR) as operator:
                self._token, self._until = operator.token(), time.monotonic() + TOKEN_S
        return {"Authorization": f"Bearer {self._token}"}

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer's body; fails the test when it was refused."""
        answer = self._client.request(method, path, json=body, headers=self._headers)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return dict(answer.json()) if answer.content else {}

    def system(self, name: str, department: str) -> "Member":
        """A new information system with a key of its own."""
        self.send("PUT", f"/api/catalog/systems/{name}", {"department": department, "name": f"系统 {name}"})
        return Member(self._gateway, self._client, name, self._key(name, department, CALL))

    def officer(self, department: str, office: str, name: str = "") -> "Officer":
        """Somebody of a department who holds an office, such as scopes.HEAD."""
        client = name or f"{department}-{office.partition(':')[2]}"
        return Officer(self._gateway, self._client, client, self._key(client, department, office))

    def _key(self, client: str, department: str, scope: str) -> dict[str, Any]:
        """The private key of a client that is registered now."""
        key = jwk.ECKey.generate_key("P-256", {"kid": f"{client}-1", "use": "sig", "alg": "ES256"})
        public = {"keys": [key.as_dict(private=False)]}
        body = {"department": department, "scope": scope, "method": "private_key_jwt", "jwks": public}
        self.send("PUT", f"/oauth2/clients/{client}", body)
        return key.as_dict(private=True)

    def grant(self, system: str, interface: str, fields: list[str], **changes: Any) -> str:
        """Id of a new grant without limits that matter."""
        body = {"system": system, "interface": interface, "fields": fields, "purpose": "检验", **WIDE, **changes}
        return str(self.send("POST", "/api/catalog/grants", body)["id"])


class Member:
    """One system at the gateway."""

    def __init__(self, gateway: str, client: Client, name: str, key: dict[str, Any]) -> None:
        self._gateway = gateway
        self._client = client
        self.name = name
        self.key = key

    def token(self) -> str:
        return fetch_token(self._client, self._gateway, self.name, self.key)

    def headers(self, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token()}", **more}

    def ask(self, method: str, path: str, body: Any = None) -> Response:
        """Ask the platform itself."""
        return self._client.request(method, path, json=body, headers=self.headers())

    def with_token(self, token: str, method: str, path: str) -> Response:
        """Ask below /x/ with a token that is there already."""
        return self._client.request(method, f"/x/{path}", headers={"Authorization": f"Bearer {token}"})

    def call(self, method: str, path: str, headers: dict[str, str] | None = None, **arguments: Any) -> Response:
        """Ask below /x/."""
        return self._client.request(method, f"/x/{path}", headers={**self.headers(), **(headers or {})}, **arguments)


class Officer(Member):
    """Somebody who holds an office."""

    def sends(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """The catalog's answer; fails the test when it was refused."""
        answer = self.ask(method, f"/api/catalog{path}", body)
        assert answer.is_success, f"{self.name}: {method} {path}: {answer.status_code} {answer.text}"
        return dict(answer.json())

    def opens(self, kind: str, **body: Any) -> dict[str, Any]:
        """A new case."""
        return self.sends("POST", "/cases", {"kind": kind, **body})

    def does(self, case: dict[str, Any], event: str, **evidence: Any) -> dict[str, Any]:
        """The case after a step."""
        return self.sends("POST", f"/cases/{case['id']}/{event}", evidence)

    def sees(self, case: dict[str, Any]) -> dict[str, Any]:
        """The case as it is now."""
        return self.sends("GET", f"/cases/{case['id']}")


def wait_until_known(
    member: Member, method: str, path: str, headers: dict[str, str] | None = None, **arguments: Any
) -> None:
    """The gateway and the exchange learn of a change within a second; this is patience for a busy machine."""
    deadline = time.monotonic() + 15
    while (answer := member.call(method, path, headers, **arguments)).status_code in (403, 404):
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)
