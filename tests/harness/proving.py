"""A platform of its own for tests that ask every route everything, and who asks there.

Not the one that the other system tests share: here keys are rotated and clients made at random.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from harness.members import TOKEN_S, Authority, Member
from harness.platform import Platform, open_folder, started
from identity.people import roles
from runtime.http import Client, Response, sync_client
from wire import scopes

DEPARTMENTS = {"officer": "gaj", "head": "gaj", "authority": "dsjj"}
"""Of people with these roles; the others are the platform's."""


@dataclass(frozen=True)
class Role:
    """Somebody who asks. `allowed` is None for who has no token."""

    name: str
    department: str = ""
    allowed: frozenset[str] | None = None


def _role(name: str, department: str, *allowed: str) -> Role:
    return Role(name, department, frozenset(allowed))


def _person(role: str, department: str) -> Role:
    """Somebody with this role of people, and what the product gives it."""
    return Role(role, department, roles.scopes_of([role]))


ROLES = (
    Role("anonymous"),
    _role("consumer", "zjj", scopes.CALL),
    *(_person(role, DEPARTMENTS.get(role, "platform")) for role in roles.ROLES),
    _role("data-subject", "gaj", scopes.SUBJECT),
)
EVERYTHING = (
    _role("catalog-everything", "gaj", scopes.CATALOG_WRITE, scopes.GRANT_WRITE, *scopes.OFFICES),
    _role("audit-everything", "gaj", scopes.AUDIT_READ, scopes.AUDIT_KEEP, scopes.AUDIT_SUBJECT, scopes.OFFICER),
    _role("identity-everything", "platform", scopes.CLIENT_WRITE, scopes.PEOPLE_WRITE, scopes.KEY_ROTATE),
)
"""Who may ask for all that a service has: no person may, but a fuzzer has to get past the door."""


class Ground:
    """One platform and everybody of `ROLES` and `EVERYTHING` at it."""

    def __init__(self, platform: Platform, client: Client) -> None:
        self.platform = platform
        self._clients = {name: sync_client(platform.url(name), timeout_s=30) for name in platform.facts["services"]
                         if name != "postgres"}  # fmt: skip
        authority = Authority(platform, client)
        self._members: dict[str, Member] = {
            role.name: authority.officer(role.department, " ".join(sorted(role.allowed)), name=f"proving-{role.name}")
            for role in (*ROLES, *EVERYTHING)
            if role.allowed is not None
        }
        self._tokens: dict[str, tuple[float, str]] = {}

    def token(self, name: str) -> str:
        """An access token of this role."""
        until, token = self._tokens.get(name, (0.0, ""))
        if until < time.monotonic():
            token = self._members[name].token()
            self._tokens[name] = time.monotonic() + TOKEN_S, token
        return token

    def ask(self, service: str, method: str, path: str, role: str = "anonymous", **arguments: Any) -> Response:
        """A request past the gateway, straight to a service."""
        headers = dict(arguments.pop("headers", {}))
        if role != "anonymous":
            headers["Authorization"] = f"Bearer {self.token(role)}"
        return self._clients[service].request(method, path, headers=headers, **arguments)

    def document(self, service: str) -> dict[str, Any]:
        """Its OpenAPI document."""
        document: dict[str, Any] = self.ask(service, "GET", "/openapi.json").json()
        return document

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


@pytest.fixture(scope="session")
def ground() -> Iterator[Ground]:
    with open_folder() as folder, started(folder / "home") as platform, platform.client() as client:
        ground = Ground(platform, client)
        yield ground
        ground.close()
