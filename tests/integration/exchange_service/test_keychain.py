"""Credentials of all exchanges: what one puts all use, without a failed call, and without a word of the secret."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import asyncpg
import pytest

from exchange_service.credentials.keychain import Keychain
from exchange_service.credentials.model import ApiKey, Basic, Certificate, Credential, OAuthClient
from exchange_service.credentials.reseal import main, reseal
from exchange_service.credentials.store import Store, new_version
from exchange_service.providers.provider import Question
from exchange_service.providers.rest import RestProvider
from harness.credential_office import EGRESS, Office, office
from harness.guarded import guarded, token_server
from harness.papers import Authority
from harness.postgres import Database
from runtime.errors import Refusal
from runtime.seal import CannotOpen, Seal, new_key
from wire import codes
from wire.catalog import Interface, Operation

pytestmark = pytest.mark.anyio
GET = Operation(method="GET", path="", target="/v1/ins")
ROUNDS = 5
CALLERS = 8
ENOUGH = 3
Takes = Callable[..., None]


def key(number: int) -> ApiKey:
    return ApiKey(value=f"key-number-{number}", header="x-api-key")


@asynccontextmanager
async def listening(office: Office) -> AsyncIterator[None]:
    running = asyncio.create_task(office.keychain.listen(office.database.url_of("exchange")))
    yield
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.005)


def _present(keychain: Keychain, name: str) -> Credential | None:
    try:
        return keychain.of("rsj", name)
    except Refusal as refused:
        return None if refused.code is codes.CREDENTIAL_MISSING else key(-1)


# --- knowing --------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("CRD-09")
async def test_a_change_is_heard_of_without_looking(database: Database) -> None:
    async with office(database) as one, listening(one):
        for number in range(3):
            await one.put_behind_its_back("core", key(number))
            await until(lambda number=number: _present(one.keychain, "core") == key(number))  # type: ignore[misc]
        await one.store.delete("rsj", "core")
        await until(lambda: _present(one.keychain, "core") is None)


@pytest.mark.requirement("CRD-09")
async def test_what_happened_before_it_listened_is_known_too(database: Database) -> None:
    async with office(database) as one:
        await one.put_behind_its_back("core", key(1))
        async with listening(one):
            await until(lambda: _present(one.keychain, "core") == key(1))


@pytest.mark.requirement("CRD-09")
async def test_the_next_look_finds_what_was_not_heard(database: Database) -> None:
    async with office(database) as one:
        await one.put_behind_its_back("core", key(1))
        assert _present(one.keychain, "core") is None
        await one.keychain.tick()
        assert _present(one.keychain, "core") == key(1)
        await one.store.delete("rsj", "core")
        await one.put_behind_its_back("core", key(2))
        await one.keychain.tick()
        assert _present(one.keychain, "core") == key(2)


@pytest.mark.requirement("CRD-09")
async def test_a_lost_connection_ends_listening_so_that_it_is_begun_anew(database: Database) -> None:
    async with office(database) as one:
        running = asyncio.create_task(one.keychain.listen(database.url_of("exchange")))
        await one.put_behind_its_back("core", key(1))
        await until(lambda: _present(one.keychain, "core") == key(1))
        superuser = await asyncpg.connect(database.url)
        await superuser.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' OR query = 'SELECT 1'"
        )
        await superuser.close()
        async with asyncio.timeout(10):
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await running
        assert _present(one.keychain, "core") == key(1)


@pytest.mark.requirement("CRD-09")
async def test_while_the_database_is_away_what_is_known_stays(database: Database) -> None:
    async with office(database) as one:
        await one.put_behind_its_back("core", key(1))
        await one.keychain.tick()
        await one.pool.close()
        await one.keychain.refresh()
        assert _present(one.keychain, "core") == key(1)


@pytest.mark.requirement("CRD-09")
async def test_one_that_cannot_be_opened_is_a_refusal_and_harms_no_other(database: Database) -> None:
    async with office(database, Seal(new_key("k2"))) as one:
        await Store(one.pool, Seal(new_key("k1"))).put(
            new_version("rsj", "old", key(1), datetime.now(UTC), "x"), key(1)
        )
        await one.put_behind_its_back("moved", key(2))
        await one.pool.execute("UPDATE exchange.credential SET name = 'elsewhere' WHERE name = 'moved'")
        await one.put_behind_its_back("core", key(3))
        await one.keychain.tick()
        assert _present(one.keychain, "core") == key(3)
        for name, why in (("old", "'k1', which is not in the key file"), ("elsewhere", "about something else")):
            with pytest.raises(Refusal, match=why) as refused:
                one.keychain.of("rsj", name)
            assert refused.value.code is codes.CREDENTIAL_MISSING
        await one.put_behind_its_back("old", key(4))
        await one.keychain.tick()
        assert _present(one.keychain, "old") == key(4)


@pytest.mark.requirement("CRD-09")
async def test_an_older_version_does_not_replace_a_newer(database: Database) -> None:
    async with office(database) as one:
        before = new_version("rsj", "core", key(1), datetime.now(UTC), "x")
        await one.put_behind_its_back("core", key(2))
        assert not await one.store.put(before, key(1))
        await one.keychain.tick()
        assert _present(one.keychain, "core") == key(2)


# --- replacing ------------------------------------------------------------------------------------------------------
class Provider:
    """A provider that takes only one credential at a time, and callers who ask it without a pause."""

    def __init__(self, url: str, one: Office) -> None:
        interface = Interface(
            id="ins", version="v1", provider="rsj", name="ins", base_url=url, networks=["127.0.0.0/8"], fields=[],
            credential="core", operations=[GET],
        )  # fmt: skip
        self._adapter = RestProvider(interface, EGRESS, lambda: one.keychain.of("rsj", "core"), one.keychain)
        self._one = one
        self._calls = [0] * CALLERS
        self.answered = 0
        self.failed: list[Exception] = []

    async def call(self) -> None:
        try:
            answer = await self._adapter.ask(Question(operation=GET), 10.0)
            await answer.body.read(1000)
            assert answer.status == 200
            self.answered += 1
        except Exception as error:
            self.failed.append(error)

    async def replace_under_calls(self, credential: Callable[[int], Credential], takes: Takes) -> None:
        """Put one version after the other. `takes` tells the provider which it takes: the old and the new while it is
        put, from that very moment on the new one alone."""
        is_over = False

        async def caller(number: int) -> None:
            while not is_over:
                await self.call()
                self._calls[number] += 1

        await self._put(0, credential, takes)
        await self._one.keychain.tick()
        callers = [asyncio.create_task(caller(number)) for number in range(CALLERS)]
        for number in range(1, ROUNDS + 1):
            await self._some_answers()
            await self._put(number, credential, takes)
        await self._some_answers()
        is_over = True
        await asyncio.gather(*callers)
        self._adapter.close()

    async def _put(self, number: int, credential: Callable[[int], Credential], takes: Takes) -> None:
        takes(number - 1, number)
        await self._one.put_behind_its_back("core", credential(number))
        takes(number)

    async def _some_answers(self) -> None:
        """From each caller, so that no call is under way from one version to the next but one."""
        before = list(self._calls)
        await until(lambda: all(now >= then + ENOUGH for now, then in zip(self._calls, before, strict=True)))


@pytest.mark.requirement("CRD-05")
async def test_an_api_key_is_replaced_without_a_failed_call(database: Database) -> None:
    """The keychain is told nothing: the calls themselves find out, by a 401."""
    async with office(database) as one, guarded(lambda _: True) as origin:

        def takes(*numbers: int) -> None:
            good = {key(number).value.encode() for number in numbers}
            origin.guard = lambda asked: asked.fields[b"x-api-key"] in good

        provider = Provider(origin.url, one)
        await provider.replace_under_calls(key, takes)
    assert provider.failed == []
    assert provider.answered >= CALLERS * ENOUGH * (ROUNDS + 1)
    assert origin.refused >= ROUNDS


@pytest.mark.requirement("CRD-05")
async def test_a_certificate_is_replaced_without_a_failed_call(database: Database) -> None:
    authority = Authority()
    papers = [authority.paper(f"exchange-{number}") for number in range(ROUNDS + 1)]

    def certificate(number: int) -> Credential:
        paper = papers[number]
        return Certificate(certificate=paper.certificate, key=paper.key, authorities=authority.pem)

    async with (
        office(database) as one,
        guarded(lambda _: True, tls=authority.server(clients_need_one=True)) as origin,
    ):

        def takes(*numbers: int) -> None:
            good = {f"exchange-{number}" for number in numbers}
            origin.guard = lambda asked: asked.certificate["subject"][0][0][1] in good

        provider = Provider(origin.url.replace("http:", "https:"), one)
        await provider.replace_under_calls(certificate, takes)
    assert provider.failed == []
    assert origin.refused >= ROUNDS


@pytest.mark.requirement("CRD-05")
async def test_a_clients_secret_is_replaced_without_a_failed_call(database: Database) -> None:
    async with (
        office(database) as one,
        token_server("tongdao") as server,
        guarded(server.lets_in) as origin,
    ):

        def client(number: int) -> Credential:
            secret = f"secret-number-{number}"
            return OAuthClient(token_url=server.token_url, client_id="tongdao", client_secret=secret)

        def takes(*numbers: int) -> None:
            server.take_secrets("tongdao", *(f"secret-number-{number}" for number in numbers))
            if len(numbers) == 1:
                server.end_tokens()

        provider = Provider(origin.url, one)
        await provider.replace_under_calls(client, takes)
    assert provider.failed == []
    assert len(server.asked) <= 2 * ROUNDS + 1


@pytest.mark.requirement("CRD-05")
async def test_with_nothing_newer_a_refused_credential_is_shown_once(database: Database) -> None:
    async with office(database) as one, guarded(lambda _: False) as origin:
        await one.put_behind_its_back("core", Basic(user="u", password="p"))
        await one.keychain.tick()
        provider = Provider(origin.url, one)
        await provider.call()
    assert [error.code for error in provider.failed if isinstance(error, Refusal)] == [codes.CREDENTIAL_REFUSED]
    assert len(origin.asked) == 1


@pytest.mark.requirement("CRD-05")
async def test_at_most_one_more_try(database: Database) -> None:
    async with office(database) as one, guarded(lambda _: False) as origin:
        await one.put_behind_its_back("core", key(0))
        await one.keychain.tick()
        await one.put_behind_its_back("core", key(1))
        provider = Provider(origin.url, one)
        await provider.call()
    assert len(origin.asked) == 2
    assert len(provider.failed) == 1


# --- sealing keys ---------------------------------------------------------------------------------------------------
@pytest.mark.requirement("CRD-02")
async def test_everything_is_sealed_anew_and_then_the_old_key_may_go(database: Database) -> None:
    old, new = new_key("2026", "sm4-gcm"), new_key("2027", "aes-256-gcm")
    async with office(database, Seal(old)) as before:
        for number in range(3):
            await before.put_behind_its_back(f"c-{number}", key(number))
        url = database.url_of("exchange")
        assert await reseal(url, Seal(new + old)) == 3
        assert await reseal(url, Seal(new + old)) == 0
        with pytest.raises(CannotOpen):
            await reseal(url, Seal(old))
    async with office(database, Seal(new)) as after:
        await after.keychain.tick()
        assert [_present(after.keychain, f"c-{number}") for number in range(3)] == [key(n) for n in range(3)]


@pytest.mark.requirement("CRD-02")
def test_the_command_says_what_it_did_or_why_not(database: Database, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("keys") / "seal.keys"
    file.write_text(new_key("2027"))
    assert main([str(file)], database.url_of("exchange")) == "0 credentials were sealed anew under the key 2027"
    assert main(["-c", "cat", str(file)], database.url_of("exchange")).endswith("2027")
    for arguments, url in (([], "x"), ([str(file)], ""), (["/no/such/file"], "postgresql://x")):
        with pytest.raises(SystemExit, match=r"name the file|cannot be read"):
            main(arguments, url)
