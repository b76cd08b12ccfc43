"""Consents through a running catalog: an office that acts for persons, gateways that use what these gave."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from fastapi import FastAPI
from httpx2 import ASGITransport
from joserfc import jws
from joserfc.jwk import ECKey
from sqlalchemy import select

from catalog_service.api import consents as routes
from catalog_service.consents.flows import Office
from catalog_service.consents.tokens import Signer
from catalog_service.feed.flows import Journal
from catalog_service.feed.store import outbox as outbox_table
from harness.addresses import NOWHERE
from harness.catalog import GRANT, INTERFACE, ISSUER, SECRET, Catalog
from runtime import http
from runtime.db import engine
from runtime.outbox import Outbox
from runtime.server import make_app
from runtime.service_auth import ServiceKey
from wire import scopes
from wire.audit import Event
from wire.subjects import SubjectKey
from wire.tokens import Door, Keys, Verifier

NUMBER = "330102199003071234"
SUBJECTS = SubjectKey(bytes(range(32)))
AUDIENCE = "https://gateway.example/x"
WISH: dict[str, Any] = {
    "subject": NUMBER, "system": GRANT["system"], "interface": GRANT["interface"], "purpose": GRANT["purpose"],
    "fields": ["pension"], "minutes": 30,
}  # fmt: skip
ASKED_FOR = {**INTERFACE, "consent_required": True, "subject": "id_card"}
V1 = "/interfaces/rsj-social-insurance/versions/v1"
CALL = "01940000-0000-7000-8000-000000000001"


class LateClock:
    """The time, and as much later as a test says."""

    def __init__(self) -> None:
        self.later = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.later


class Consents:
    """Consents of one catalog, in which the one interface asks for them. keys: the first signs"""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.clock = LateClock()
        self.database = engine(catalog.database.url_of("catalog"), pool_size=20)
        self.journal = Journal(self.database, Outbox(self.database, outbox_table, _nobody), self.clock, NOWHERE)
        self.keys = [ECKey.generate_key("P-256", {"kid": f"c{n}"}) for n in (1, 2)]
        signer = Signer({"keys": [key.as_dict(private=True) for key in self.keys]}, ISSUER, AUDIENCE)
        door = Door(Verifier(ISSUER, ISSUER, Keys(self._keys_of_tokens)))
        app = make_app("Consents", _lifespan, _ready, largest_body=1024 * 1024)
        app.include_router(routes.router(door, self.journal, ServiceKey(SECRET, "catalog"), Office(SUBJECTS, signer)))
        self.client = http.AsyncClient(transport=ASGITransport(app), base_url="http://catalog")

    async def _keys_of_tokens(self) -> dict[str, Any]:
        return {"keys": [self.catalog.public_key]}

    async def ask(self, method: str, path: str, body: Any = None, by: str = "window", **token: Any) -> http.Response:
        """As somebody of the department `by` who acts for persons, unless `allowed` says otherwise."""
        bearer = self.catalog.token(by, **{"allowed": (scopes.SUBJECT,), **token})
        headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body)  # also what is half a character
        return await self.client.request(method, path, content=content, headers=headers)

    async def given(self, **changes: Any) -> dict[str, Any]:
        """A new consent, with its token."""
        answer = await self.ask("POST", "/consents", {**WISH, **changes})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def shown(self, consent: dict[str, Any], **asker: Any) -> dict[str, Any]:
        answer = await self.ask("GET", f"/consents/{consent['id']}", **asker)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def tell(self, consent: str, act: str, body: Any) -> http.Response:
        """What a gateway says, signed."""
        path, content = f"/consents/{consent}/{act}", body if isinstance(body, bytes) else msgspec.json.encode(body)
        headers = self.catalog.service_key.headers("POST", path, content)
        return await self.client.post(path, content=content, headers=headers)

    async def used(self, consent: dict[str, Any], call: str = CALL, **changes: Any) -> tuple[int, str]:
        """Status and code of a use."""
        body = {"call": call, "system": WISH["system"], "interface": WISH["interface"], "grant": "g", **changes}
        answer = await self.tell(consent["id"], "use", body)
        return answer.status_code, "" if answer.status_code == 204 else answer.json()["code"]

    def claims(self, token: str) -> dict[str, Any]:
        """What a token says, once its signature is verified with a published key."""
        found = jws.deserialize_compact(token, self.keys[0], algorithms=["ES256"])
        return dict(msgspec.json.decode(found.payload))

    async def events(self) -> list[Event]:
        """What was told of consents, in order."""
        log = self.catalog.log
        async with self.journal.database.connect() as connection:
            waiting = [
                row.event for row in await connection.execute(select(outbox_table.c.event).order_by(outbox_table.c.id))
            ]
        delivered = [leaf for leaf in log.events if leaf.event.startswith("consent.")]
        told = [
            Event(id=leaf.call, at=leaf.at, event=leaf.event, actor=leaf.actor, department=leaf.department,
                  facts=leaf.facts)
            for leaf in delivered
        ]  # fmt: skip
        told += [msgspec.json.decode(event, type=Event) for event in waiting if b'"consent.' in event]
        return list({event.id: event for event in told}.values())  # some may have been delivered in between


class Ledger:
    """What one consent may have come to, reckoned beside it: used at most once, and by nobody after its end."""

    def __init__(self, consents: Consents, given: dict[str, Any]) -> None:
        self.consents = consents
        self.given = given
        self.holder = ""
        self.over = False

    async def do(self, steps: list[tuple[str, str]]) -> None:
        """Steps of several calls at once; checks that what was answered fits into one order of them."""
        answers = await asyncio.gather(*(self._one(act, call) for act, call in steps))
        done = [(act, call) for (act, call), status in zip(steps, answers, strict=True) if status in (200, 204)]
        taken = [call for act, call in done if act == "use"]
        freed = [call for act, call in done if act == "release"]
        balance = Counter([self.holder, *taken] if self.holder else taken)
        balance.subtract(freed)
        assert set(balance.values()) <= {0, 1}
        held = [call for call, count in balance.items() if count]
        assert len(held) <= 1
        assert not (self.over and taken)
        self.holder = held[0] if held else ""
        self.over |= any(act == "revoke" for act, _ in done)
        shown = await self.consents.shown(self.given)
        assert (shown["call"], bool(shown["revoked"])) == (self.holder, self.over)

    async def _one(self, act: str, call: str) -> int:
        if act == "use":
            return (await self.consents.used(self.given, call))[0]
        if act == "release":
            return (await self.consents.tell(self.given["id"], "release", {"call": call})).status_code
        return (await self.consents.ask("POST", f"/consents/{self.given['id']}/revoke")).status_code


async def _nobody(_events: Sequence[bytes]) -> None:
    """The catalog's own flushing delivers."""


async def _ready() -> None:
    """Always."""


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def consents_of(catalog: Catalog) -> AsyncIterator[Consents]:
    """A furnished catalog whose interface asks for consents and is granted."""
    await catalog.furnish()
    await catalog.put(V1, ASKED_FOR)
    await catalog.give()
    consents = Consents(catalog)
    yield consents
    await consents.client.aclose()
    await consents.database.dispose()
