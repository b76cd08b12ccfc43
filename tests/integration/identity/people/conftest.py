"""Security administration, people and a portal around one authorization server."""

import asyncio
from functools import partial
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
import pytest
from joserfc.jwk import ECKey

from harness.people import BACK, Browser, Person, Request, said
from identity.people.passwords import Passwords
from identity.people.roles import ADMINISTRATIONS
from runtime.db import plain
from wire import scopes

ISSUER = "https://tongdao.example"
PATIENCE_S = 10


class Office:
    """One running authorization server, who works there, and a client by which people sign in."""

    def __init__(self, service: Any, client: str, key: ECKey) -> None:
        self.service = service
        self.app = service.app
        self.home = service.home
        self.log = service.log
        self.clock = service.clock
        self.client = client
        self.key = key

    def browser(self, address: str = "203.0.113.7") -> Browser:
        return Browser(self.app, ISSUER, address)

    async def people(self, method: str, path: str, body: Any = None, token: str = "") -> httpx2.Response:
        """A request at /oauth2/people…, the operator's by default."""
        headers = {"Authorization": f"Bearer {token or await self.service.operator_token()}", "Accept-Language": "en"}
        answer: httpx2.Response = await self.service.http.request(
            method, f"/oauth2/people{path}", json=body, headers=headers
        )
        return answer

    async def invited(self, *roles: str) -> Person:
        department = "platform" if ADMINISTRATIONS & set(roles) else "gaj"
        body = {"login": f"li-{uuid4().hex[:8]}", "name": "李雷", "department": department, "roles": list(roles)}
        answer = await self.people("POST", "", body)
        assert answer.status_code == 201, answer.text
        told = answer.json()
        return Person(told["person"]["id"], told["person"]["login"], told["link"])

    async def member(self, *roles: str) -> Person:
        """Somebody who has come in, and whose authenticator has moved on since."""
        person = await self.invited(*roles)
        answer = await person.enrol(self.browser(), self.clock.now())
        assert answer.status_code == 200, answer.text
        return person

    async def redeem(self, **form: str) -> httpx2.Response:
        """The portal at the token endpoint."""
        now = int(self.clock.now().timestamp())
        assertion = self.service.assertion(self.client, self.key, iat=now, exp=now + 60)
        answer: httpx2.Response = await self.service.ask(assertion, **form)
        return answer

    async def code(self, browser: Browser, asked: Request) -> str:
        """A code for somebody who is signed in at this browser."""
        answer = await browser.open(asked.address)
        assert answer.headers["location"].startswith(BACK), answer.headers["location"]
        return str(said(answer)["code"])

    async def tokens(self, browser: Browser, **over: str) -> dict[str, Any]:
        """What the portal gets for somebody who is signed in at this browser."""
        asked = Request(self.client, **over)
        answer = await self.redeem(
            grant_type="authorization_code", code=await self.code(browser, asked), redirect_uri=BACK,
            code_verifier=asked.verifier,
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def token_of(self, person: Person) -> str:
        """An access token with everything that somebody may do."""
        browser = self.browser()
        await person.sign_in(browser, self.clock.now())
        return str((await self.tokens(browser, scope=" ".join(scopes.ALL)))["access_token"])

    async def flushed(self) -> None:
        """Carry what is written to the log: a token is not answered before that."""
        await self.service.operator_token()

    async def events(self, name: str, **facts: str) -> list[Any]:
        await self.flushed()
        found: list[Any] = self.log.events(name, **facts)
        return found

    async def counted_failures(self, actor: str, wanted: int) -> int:
        """Failed sign-ins of the log, once there are so many; they are written every second."""
        for _ in range(PATIENCE_S * 20):
            found = await self.events("person.sign_in_failed", actor=actor)
            if (count := sum(int(event.facts["count"]) for event in found)) >= wanted:
                break
            await asyncio.sleep(0.05)
        return count

    async def is_revoked(self, what: str, name: str) -> bool:
        rows = await self.rows("SELECT 1 FROM identity.revocation WHERE id = $1", f"{what}/{name}")
        return bool(rows)

    async def rows(self, statement: str, *values: object) -> list[Any]:
        """What the database says to its owner."""
        connection = await asyncpg.connect(plain(self.home.database.url))
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()


async def opened(service: Any) -> Office:
    client, key = await service.registered(
        department="platform",
        scope=" ".join(scopes.ALL),
        grants=["authorization_code", "refresh_token"],
        redirect_uris=[BACK],
    )
    return Office(service, client, key)


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """argon2id is slow on purpose; `tests/unit/identity/test_people.py` holds what is used to its cost."""
    monkeypatch.setattr("identity.app.Passwords", partial(Passwords, memory_kib=64))


@pytest.fixture
async def office(_quick_hashes: None, service: Any) -> Office:
    return await opened(service)
