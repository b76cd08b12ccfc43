"""Signing keys on a real database: taken in once, sealed, rotated as planned and at once, the same on every replica."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from harness.postgres import Cluster, Database
from identity import store as tables
from identity.keys import SigningKeys
from identity.signing.flows import By, Rotation
from runtime.db import engine
from runtime.errors import Refusal
from runtime.outbox import Outbox
from runtime.seal import CannotOpen, Seal, new_key
from wire import scopes
from wire.catalog import Revocation

pytestmark = pytest.mark.anyio
AHEAD, MONTH = timedelta(seconds=150), timedelta(days=30)
BY = By("security-admin", "dsjj", "例行更换")
SEAL = Seal(new_key("k1"))


@pytest.fixture
def own(cluster: Cluster) -> Iterator[Database]:
    """A database that no key was ever made in."""
    with cluster.lent(("identity", "identity")) as lent:
        yield lent


class Still:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC).replace(microsecond=0)

    def now(self) -> datetime:
        return self.at


class Replica:
    """One process's view of the signing keys."""

    def __init__(self, database: AsyncEngine, clock: Still, seal: Seal = SEAL) -> None:
        self.keys = SigningKeys()
        self.revoked: list[Revocation] = []
        self.outbox = Outbox(database, tables.outbox, self._deliver)
        self.told: list[dict[str, Any]] = []
        self.rotation = Rotation(
            database, seal, self.keys, self.outbox, self._revoke, clock=clock, every=MONTH, ahead=AHEAD,
            ourselves=By("identity", "platform", "scheduled"),
        )  # fmt: skip

    async def _revoke(self, _transaction: AsyncConnection, *revocations: Revocation, at: datetime) -> None:
        assert at.tzinfo
        self.revoked += revocations

    async def _deliver(self, events: Any) -> None:
        self.told += [json.loads(event) for event in events]

    @property
    def signer(self) -> str:
        """`kid` of what it signs now."""
        return str(jws.extract_compact(self.keys.sign({"sub": "a"}).encode()).headers()["kid"])

    @property
    def published(self) -> list[str]:
        return [key["kid"] for key in self.keys.public()["keys"]]


@asynccontextmanager
async def replicas(database: Database, clock: Still, seal: Seal = SEAL) -> AsyncIterator[tuple[Replica, Replica]]:
    """Two that have begun."""
    engines = [engine(database.url_of("identity")) for _ in range(2)]
    both = Replica(engines[0], clock, seal), Replica(engines[1], clock, seal)
    try:
        await asyncio.gather(*(one.rotation.begin() for one in both))
        yield both
    finally:
        for one in engines:
            await one.dispose()


@pytest.mark.requirement("IDK-02")
async def test_two_that_start_at_once_make_one_key(own: Database) -> None:
    async with replicas(own, Still()) as (one, other):
        assert one.published == other.published
        assert one.signer == other.signer == one.published[0]


@pytest.mark.requirement("IDK-01")
@pytest.mark.requirement("IDK-02")
async def test_a_planned_rotation_step_by_step(own: Database) -> None:
    clock = Still()
    async with replicas(own, clock) as (one, other):
        old = one.signer
        made = await one.rotation.rotate(BY, at_once=False)
        assert made.signs_from == clock.at + AHEAD
        await other.rotation.tick()
        for replica in (one, other):
            assert (replica.signer, replica.published) == (old, [old, made.kid])
        with pytest.raises(Refusal, match=f"request/conflict: key {made.kid} waits until"):
            await other.rotation.rotate(BY, at_once=False)
        clock.at += AHEAD
        for replica in (one, other):
            await replica.rotation.tick()
            assert (replica.signer, replica.published) == (made.kid, [made.kid, old])
        clock.at += timedelta(seconds=360)
        for replica in (one, other):
            await replica.rotation.tick()
            assert replica.published == [made.kid]
        await one.outbox.flush()
        (event,) = one.told
        assert (event["event"], event["actor"]) == ("signing_key.rotated", "security-admin")
        assert event["facts"] == {
            "dropped": "", "kid": made.kid, "reason": "例行更换", "signs_from": made.signs_from.isoformat(),
        }  # fmt: skip
        assert not one.revoked


@pytest.mark.requirement("IDK-02")
async def test_the_schedule_makes_one_key_however_many_look(own: Database) -> None:
    clock = Still()
    async with replicas(own, clock) as both:
        clock.at += MONTH - timedelta(seconds=1)
        await asyncio.gather(*(one.rotation.tick() for one in both))
        assert [len(one.published) for one in both] == [1, 1]
        clock.at += timedelta(seconds=1)
        await asyncio.gather(*(one.rotation.tick() for one in (*both, *both)))
        assert [len(one.published) for one in both] == [2, 2]
        clock.at += AHEAD
        await asyncio.gather(*(one.rotation.tick() for one in both))
        assert both[0].published == both[1].published
        await both[0].outbox.flush()
        assert [event["facts"]["reason"] for event in both[0].told] == ["scheduled"]


@pytest.mark.requirement("IDK-03")
async def test_at_once_everything_old_is_gone_also_what_waited(own: Database) -> None:
    clock = Still()
    async with replicas(own, clock) as (one, other):
        waiting = await one.rotation.rotate(BY, at_once=False)
        old = one.published
        made = await other.rotation.rotate(BY, at_once=True)
        assert waiting.kid in old
        await one.rotation.tick()
        for replica in (one, other):
            assert replica.published == [made.kid] == [replica.signer]
        assert sorted(each.name for each in other.revoked) == sorted(old)
        assert {(each.what, each.before) for each in other.revoked} == {("key", 0)}
        assert {each.until for each in other.revoked} == {int(clock.at.timestamp()) + 86400}
        await other.outbox.flush()
        assert other.told[-1]["facts"]["dropped"] == " ".join(sorted(old))


@pytest.mark.requirement("IDK-04")
async def test_the_database_alone_signs_nothing(own: Database) -> None:
    clock = Still()
    async with replicas(own, clock) as (one, _):
        await one.rotation.rotate(BY, at_once=False)
        private = [key.jwk["d"] for key in one.rotation.published()]
        database = engine(own.url_of("identity"))
        async with database.begin() as transaction:
            rows = (await transaction.execute(text("SELECT * FROM identity.signing_key"))).all()
            assert not [d for d in private for row in rows if d.encode() in bytes(row.sealed) or d in str(row)]
            other = Replica(database, clock, Seal(new_key("k1")))
            with pytest.raises(CannotOpen):
                await other.rotation.begin()
            await transaction.execute(  # a row in another's place
                text(
                    "UPDATE identity.signing_key a SET sealed = b.sealed "
                    "FROM identity.signing_key b WHERE a.kid <> b.kid"
                )
            )
        with pytest.raises(CannotOpen, match="about something else"):
            await Replica(database, clock).rotation.begin()
        await database.dispose()


@pytest.mark.requirement("IDK-04")
async def test_a_row_that_cannot_be_opened_leaves_the_keys_that_are_known(own: Database) -> None:
    clock = Still()
    async with replicas(own, clock) as (one, _):
        before = one.signer
        database = engine(own.url_of("identity"))
        async with database.begin() as transaction:
            await transaction.execute(
                text(
                    "INSERT INTO identity.signing_key "
                    "VALUES ('forged', '\\x01', now(), now(), now() + interval '1 day')"
                )
            )
        with pytest.raises(CannotOpen):
            await one.rotation.tick()
        assert one.signer == before
        await database.dispose()


async def test_keys_of_a_file_are_taken_in_once(own: Database) -> None:
    first = [dict(ECKey.generate_key("P-256", {"kid": kid}).as_dict(private=True)) for kid in ("new", "old")]
    nameless = {name: value for name, value in first[1].items() if name != "kid"}
    later = dict(ECKey.generate_key("P-256", {"kid": "later"}).as_dict(private=True))
    clock, database = Still(), engine(own.url_of("identity"))
    replica = Replica(database, clock)
    await replica.rotation.begin([first[0], nameless])
    thumbprint = ECKey.import_key(nameless).thumbprint()
    assert replica.published == ["new", thumbprint]
    await replica.rotation.begin([later])
    again = Replica(database, clock)
    await again.rotation.begin([later])
    assert again.published == ["new", thumbprint]
    clock.at += timedelta(seconds=360)
    await again.rotation.tick()
    assert again.published == ["new"]  # whatever the old one signed has ended
    await database.dispose()


# --- over HTTP ------------------------------------------------------------------------------------------------------
async def rotated(service: Any, token: str, **body: Any) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    return await service.http.post("/oauth2/keys/rotate", json={"reason": "检验", **body}, headers=headers)


async def published(service: Any) -> list[str]:
    return [key["kid"] for key in (await service.http.get("/oauth2/jwks")).json()["keys"]]


@pytest.mark.requirement("IDK-01")
async def test_a_planned_rotation_is_published_at_once_and_signs_later(service: Any) -> None:
    token = await service.operator_token()
    before = await published(service)
    made = await rotated(service, token)
    assert made.status_code == 201, made.text
    assert made.json().keys() == {"kid", "made", "signs_from"}
    assert await published(service) == [*before[:1], made.json()["kid"], *before[1:]]
    listed = await service.http.get("/oauth2/keys", headers={"Authorization": f"Bearer {token}"})
    assert [key["kid"] for key in listed.json()["keys"]] == await published(service)
    assert "d" not in listed.text.partition("keys")[2].split('"')
    assert (await rotated(service, token)).json()["code"] == "request/conflict"
    assert (await service.verifier()).verify(await service.operator_token(), datetime.now(UTC).timestamp())


@pytest.mark.requirement("IDK-03")
async def test_what_a_dropped_key_signed_opens_nothing_here_from_then_on(service: Any, start: Any) -> None:
    async with start(instance="identity-2") as other:
        token = await service.operator_token()
        gone = await published(service)
        made = (await rotated(service, token, at_once=True)).json()["kid"]
        assert await published(service) == [made]
        refused = await service.http.get("/oauth2/keys", headers={"Authorization": f"Bearer {token}"})
        assert (refused.status_code, refused.json()["code"]) == (401, "token/invalid")
        async with asyncio.timeout(10):
            while await published(other) != [made]:
                await asyncio.sleep(0.05)
            while {each.name for each in service.catalog.revocations} < set(gone):
                await asyncio.sleep(0.05)
        assert (await rotated(other, token)).status_code == 401
        assert (await rotated(other, await other.operator_token())).status_code == 201


@pytest.mark.requirement("IDK-03")
@pytest.mark.parametrize(
    ("scope", "body", "status"),
    [
        (scopes.CALL, {}, 403),
        (scopes.CLIENT_WRITE, {"at_once": True}, 403),
        (scopes.KEY_ROTATE, {"reason": " "}, 422),
        (scopes.KEY_ROTATE, {"reason": "x" * 501}, 422),
        (scopes.KEY_ROTATE, {"at_once": "yes"}, 422),
        (scopes.KEY_ROTATE, {"kid": "mine"}, 422),
    ],
)
async def test_who_may_rotate_and_how_it_is_asked(service: Any, scope: str, body: Any, status: int) -> None:
    before = await published(service)
    client_id, key = await service.registered(scope=scope)
    assert (await rotated(service, await service.token(client_id, key), **body)).status_code == status
    assert await published(service) == before
