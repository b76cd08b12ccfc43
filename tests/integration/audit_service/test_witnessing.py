"""The log and its witnesses: real ones, and some that are dead, slow or lie."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import httpx2
import pytest
from structlog.testing import capture_logs

from audit_service import store
from audit_service.api import witnesses as api
from audit_service.checkpoint import Signer
from audit_service.sequencer import Refused, Sequencer
from audit_service.witnessing import asking
from audit_service.witnessing.asking import Witness, each_once
from audit_service.witnessing.policy import Policy
from audit_service.witnessing.posting import CLOCKS_APART_S, Witnessing
from audit_service.witnessing.store import newest_witnessed
from harness.audit_log import Log, running
from harness.cosigners import (
    GRACE_S,
    Running,
    alarms,
    asked_by,
    cosigned,
    errors,
    grow,
    http,
    saying,
    silent,
    vkey_of,
    witness_here,
)
from harness.postgres import Cluster, Database
from harness.receipts import ORIGIN, key, vkey
from runtime.http import AsyncClient
from runtime.server import make_app
from tlog import cosignature
from tlog.checkpoint import open_note

pytestmark = pytest.mark.anyio


@pytest.fixture
def other_database(cluster: Cluster) -> Iterator[Database]:
    with cluster.lent(("audit_service", "audit")) as lent:
        yield lent


# --- getting cosignatures -------------------------------------------------------------------------------------------
@pytest.mark.requirement("WIT-08")
async def test_a_cosigned_checkpoint_verifies_offline(log: Log, tmp_path: Path) -> None:
    async with witness_here(tmp_path) as witness, asked_by(log, witness.seen) as witnessing:
        assert await newest_witnessed(log.database.reader, 1) is None
        for _ in range(3):
            await grow(log)
            await witnessing.tick()
            await witnessing.tick()
        assert [size for _, size in await cosigned(log)] == [2, 4, 6]
        assert witness.cosigner.keeper.get(ORIGIN) is not None
    newest = await newest_witnessed(log.database.reader, 1)
    assert newest is not None
    assert open_note(newest[1], vkey()).size == newest[0] == 6
    assert cosignature.verify(newest[1], witness.key.vkey) > 0


@pytest.mark.requirement("WIT-08")
async def test_a_dead_or_slow_witness_delays_no_other(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ANSWER_S", 0.3)
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(witness_here(tmp_path, n)) for n in (1, 2)]
        slow = Witness(url=await stack.enter_async_context(silent()), vkey=vkey_of(3))
        dead = Witness(url="http://127.0.0.1:9", vkey=vkey_of(4))
        witnessing = await stack.enter_async_context(asked_by(log, dead, slow, first.seen, second.seen))
        await grow(log)
        await witnessing.tick()
        assert await cosigned(log) == [("w1.example", 2), ("w2.example", 2)]
        assert await errors(log) == {
            "w1.example": "", "w2.example": "",
            "w3.example": f"{ORIGIN}: no answer within 0.3 s", "w4.example": f"{ORIGIN}: cannot be reached",
        }  # fmt: skip
        newest = await newest_witnessed(log.database.reader, 1)
        assert newest is not None
        for one in (first, second):
            assert cosignature.verify(newest[1], one.key.vkey)


@pytest.mark.requirement("WIT-08")
async def test_what_one_side_lost_the_other_tells(log: Log, tmp_path: Path) -> None:
    async with witness_here(tmp_path) as witness, asked_by(log, witness.seen) as witnessing:
        await grow(log)
        await witnessing.tick()
        await log.fetch("DELETE FROM audit.cosignature")  # as if we had died before we kept it
        await witnessing.tick()
        assert await cosigned(log) == [("w1.example", 2)]
        await grow(log)
        await log.fetch("DELETE FROM audit.cosignature")
        await witnessing.tick()
        assert await cosigned(log) == [("w1.example", 4)]
    other = tmp_path / "anew"
    async with witness_here(other) as witness, asked_by(log, witness.seen) as witnessing:
        await grow(log)
        with capture_logs() as said:
            await witnessing.tick()
        assert [(line["event"], line["cosigned"]) for line in alarms(said)] == [("witness.forgot", 4)]
        assert await cosigned(log) == [("w1.example", 4), ("w1.example", 6)]


@pytest.mark.requirement("WIT-08")
async def test_only_one_replica_asks_at_a_time(log: Log, tmp_path: Path) -> None:
    async with witness_here(tmp_path) as witness, asked_by(log, witness.seen) as witnessing:
        await grow(log)
        async with store.turn(log.database.clerk, "witnesses"):
            await witnessing.tick()
        assert await cosigned(log) == []
        await witnessing.tick()
        assert await cosigned(log) == [("w1.example", 2)]


@pytest.mark.requirement("WIT-08")
async def test_the_last_checkpoint_of_a_frozen_shard_is_cosigned_too(log: Log, tmp_path: Path) -> None:
    second = await next_shard(log)
    async with witness_here(tmp_path, 1, **{second.origin: [second.vkey]}) as witness:
        async with asked_by(log, witness.seen) as witnessing:
            await witnessing.tick()
            await witnessing.tick()
        assert sorted(record.origin for record in witness.keeper.all()) == [ORIGIN, second.origin]
    assert await errors(log) == {"w1.example": ""}
    for shard in await store.shards(log.database.reader):
        newest = await store.newest_checkpoint(log.database.reader, shard.id)
        found = await newest_witnessed(log.database.reader, shard.id)
        assert newest is not None
        assert found is not None
        assert found[0] == newest[0]


async def next_shard(log: Log) -> Signer:
    """Freeze the log as it is and open another shard; who signs that one."""
    await grow(log)
    await log.resign()
    second = Signer("yunjiang.example/log2", key())
    connection = await log.database.sequencer()
    await Sequencer(log.database, second, log.published).take_office(connection)
    await store.end(connection)
    return second


@pytest.mark.requirement("WIT-08")
async def test_a_witness_that_does_not_know_an_old_shard_cosigns_the_new_one(log: Log, tmp_path: Path) -> None:
    second = await next_shard(log)
    async with witness_here(tmp_path) as witness, asked_by(log, witness.seen) as witnessing:
        witness.cosigner.logs = {second.origin: (second.vkey,)}
        await witnessing.tick()
    assert [(row[0], row[1]) for row in await log.fetch("SELECT shard, size FROM audit.cosignature")] == [(2, 1)]
    assert await errors(log) == {
        "w1.example": f"{ORIGIN}: answered 404: it does not know this log; give it the vkey of the new origin"
    }
    policy = Policy(log.database, "enforce", GRACE_S, ["w1.example"])
    await policy.judge()
    assert policy.since is None


# --- what is not believed -------------------------------------------------------------------------------------------
ELSEWHERE = "w\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
FORGED = cosignature.sign(ELSEWHERE, "w1.example", key(101), 1)
LIES = {
    "nothing": http("200 OK", b""),
    "no newline": http("200 OK", FORGED.encode()[:-1]),
    "another text cosigned": http("200 OK", FORGED.encode()),
    "a line by another key": http("200 OK", cosignature.sign(ELSEWHERE, "w1.example", key(3), 1).encode()),
    "a name without a key": http("200 OK", "— w1.example AAAAAAA=\n".encode()),
    "not UTF-8": http("200 OK", b"\xff\n"),
    "a page": http("200 OK", b"<html></html>\n", "text/html"),
    "too much": http("200 OK", b"x" * 70_000),
    "elsewhere": http("302 Found", b"", more="Location: /add-checkpoint\r\n"),
    "refused": http("403 Forbidden", b""),
    "unknown": http("404 Not Found", b""),
    "broken": http("500 Oops", b""),
    "not HTTP": b"hello\r\n",
    "no size": http("409 Conflict", b"050\n", "text/x.tlog.size"),
    "a size in words": http("409 Conflict", b"five\n", "text/x.tlog.size"),
    "the size again and again": http("409 Conflict", b"1\n", "text/x.tlog.size"),
}


@pytest.mark.requirement("WIT-04")
async def test_nothing_is_kept_that_the_witness_key_has_not_signed(log: Log) -> None:
    await grow(log)
    for lie, answer in LIES.items():
        async with saying(answer) as url, asked_by(log, Witness(url=url, vkey=vkey_of(1))) as witnessing:
            with capture_logs() as said:
                await witnessing.tick()
        assert await cosigned(log) == [], lie
        [error] = await log.fetch("DELETE FROM audit.witness_attempt RETURNING error")
        assert error[0], lie
        assert not alarms(said), lie


@pytest.mark.requirement("WIT-04")
async def test_a_forged_line_beside_the_right_one_is_refused(log: Log, tmp_path: Path) -> None:
    await grow(log)
    newest = await store.newest_checkpoint(log.database.reader, 1)
    assert newest is not None
    text = newest[1].partition("\n\n")[0] + "\n"
    right = cosignature.sign(text, "w1.example", key(101), 5)
    for lines, expected in ((right + FORGED, []), (right + cosignature.sign(text, "x.example", key(4), 5), [2])):
        async with (
            saying(http("200 OK", lines.encode())) as url,
            asked_by(log, Witness(url=url, vkey=vkey_of(1))) as witnessing,
        ):
            await witnessing.tick()
        assert [size for _, size in await cosigned(log)] == expected
    assert (await log.fetch("SELECT line FROM audit.cosignature"))[0][0] == right


@pytest.mark.requirement("WIT-09")
@pytest.mark.parametrize(
    ("answer", "event"),
    [
        (http("409 Conflict", b"18446744073709551616\n", "text/x.tlog.size"), "log.rolled_back"),
        (http("422 Unprocessable", b""), "log.forked"),
        (http("409 Conflict", b"", "text/plain"), "log.forked"),
    ],
)
async def test_a_witness_that_only_says_so_raises_an_alarm_and_stops_nothing(
    log: Log, answer: bytes, event: str
) -> None:
    await grow(log)
    async with saying(answer) as url, asked_by(log, Witness(url=url, vkey=vkey_of(1))) as witnessing:
        with capture_logs() as said:
            await witnessing.tick()
        assert [(line["event"], line["proved"]) for line in alarms(said)] == [(event, False)]
        assert await witnessing.proven(ORIGIN) == []


@pytest.mark.requirement("WIT-09")
async def test_a_log_from_an_old_backup_learns_it_from_its_witness(
    log: Log, other_database: Database, tmp_path: Path
) -> None:
    (tmp_path / "old").mkdir()
    async with witness_here(tmp_path) as witness:
        async with asked_by(log, witness.seen) as witnessing:
            await grow(log, 4)
            await witnessing.tick()
            assert [tree.size for tree in await witnessing.proven(ORIGIN)] == [8]
            assert await witnessing.proven("another.example/log") == []
        async with running(other_database.url, other_database.url_of("audit"), tmp_path / "old") as old:
            await _find_out(old, witness)


async def _find_out(old: Log, witness: Running) -> None:
    """Less than was cosigned; then as much and more, but not the same."""
    await old.start()
    await grow(old, 2)
    async with asked_by(old, witness.seen) as witnessing:
        with capture_logs() as said:
            await witnessing.tick()
        assert [(line["event"], line["proved"]) for line in alarms(said)] == [("log.rolled_back", True)]
        await old.resign()
        guarded = Sequencer(old.database, old.signer, old.published, witnessed=witnessing.proven)
        connection = await old.database.sequencer()
        with pytest.raises(Refused, match=r"log\.rolled_back"):
            await guarded.take_office(connection)
        await store.end(connection)
        for more in (2, 1):
            await grow(old, more)
            with capture_logs() as said:
                await witnessing.tick()
            told = [(line["event"], line["proved"]) for line in alarms(said) if line["event"].startswith("log.")]
            assert told == [("log.forked", True)]
    assert await cosigned(old) == []
    assert await errors(old) == {"w1.example": f"{ORIGIN}: says that this log contradicts what it cosigned"}


@pytest.mark.requirement("WIT-09")
async def test_a_frozen_shard_that_lost_something_is_an_alarm_once(log: Log) -> None:
    await next_shard(log)
    answer = http("409 Conflict", b"18446744073709551616\n", "text/x.tlog.size")
    async with saying(answer) as url, asked_by(log, Witness(url=url, vkey=vkey_of(1))) as witnessing:
        told = []
        for _ in range(3):
            with capture_logs() as said:
                await witnessing.tick()
            told.append([line["origin"] for line in alarms(said)])
        assert told == [["yunjiang.example/log2", ORIGIN], *[["yunjiang.example/log2"]] * 2]


@pytest.mark.requirement("WIT-09")
async def test_a_removed_key_and_a_row_that_is_none_prove_nothing(log: Log) -> None:
    await grow(log)
    gone, now = key(9), Signer(ORIGIN, key(2))
    await log.fetch("INSERT INTO audit.log_key VALUES (1, $1, now(), now())", vkey(ORIGIN, gone))
    await log.fetch("INSERT INTO audit.log_key VALUES (1, 'nonsense', now())")
    for signer, expected in ((Signer(ORIGIN, gone), []), (log.signer, [7]), (now, [7])):
        note = signer.sign(7, bytes(32))
        async with saying(http("200 OK", note.encode())) as url:
            witnessing = Witnessing(log.database, [Witness(url=url, vkey=vkey_of(1))], now.vkeys)
            assert [tree.size for tree in await witnessing.proven(ORIGIN)] == expected
            await witnessing.close()


@pytest.mark.requirement("WIT-06")
async def test_a_witness_whose_clock_is_wrong_counts_by_our_clock(log: Log, tmp_path: Path) -> None:
    await grow(log)
    async with witness_here(tmp_path) as witness, asked_by(log, witness.seen) as witnessing:
        witness.clock.ahead = timedelta(seconds=2 * CLOCKS_APART_S)
        await witnessing.tick()
        assert await cosigned(log) == []
        assert await errors(log) == {"w1.example": f"{ORIGIN}: cosigned with a time that has not come"}
        witness.forget()
        witness.clock.ahead = -timedelta(days=400)
        with capture_logs() as said:
            await witnessing.tick()
        assert [line["event"] for line in said if "clock" in line["event"]] == ["witness.clock_differs"]
    [row] = await log.fetch("SELECT at, now() - at < interval '1 minute' FROM audit.cosignature")
    assert row[1]
    policy = Policy(log.database, "enforce", GRACE_S, ["w1.example"])
    await policy.judge()
    policy.check()


# --- who may do what, and what everybody may see --------------------------------------------------------------------
@pytest.mark.requirement("WIT-10")
async def test_no_role_alters_or_removes_a_cosignature_and_only_the_clerk_adds_one(
    log: Log, database: Database, tmp_path: Path
) -> None:
    await grow(log)
    async with witness_here(tmp_path) as witness, asked_by(log, witness.seen) as witnessing:
        await witnessing.tick()
    verbs = ["UPDATE audit.cosignature SET line = line", "DELETE FROM audit.cosignature", "TRUNCATE audit.cosignature",
             "DELETE FROM audit.witness_attempt", "UPDATE audit.witness_attempt SET witness = ''"]  # fmt: skip
    add = "INSERT INTO audit.cosignature VALUES (1, 2, 'w9', '', now())"
    for role in (f"tongdao_audit_{name}" for name in store.ROLES):
        connection = await asyncpg.connect(database.url_of("audit"), server_settings={"role": role})
        for verb in verbs if role == store.CLERK else [*verbs, add]:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(verb)
        await connection.close()
    assert await cosigned(log) == [("w1.example", 2)]


@pytest.mark.requirement("WIT-08")
async def test_everybody_may_see_who_witnesses_and_what(log: Log, tmp_path: Path) -> None:
    async with witness_here(tmp_path) as witness:
        dead = Witness(url="http://127.0.0.1:9", vkey=vkey_of(2))
        async with asked_by(log, witness.seen, dead) as witnessing, client(log, witnessing) as public:
            await grow(log)
            assert (await public.get("/checkpoint/witnessed")).status_code == 404
            before = (await public.get("/witnesses")).json()
            assert (before["log"], before["policy"], before["grace_s"]) == (ORIGIN, "alarm", GRACE_S)
            assert before["witnesses"][0]["size"] is None
            await witnessing.tick()
            note = (await public.get("/checkpoint/witnessed")).text
            one, other = (await public.get("/witnesses")).json()["witnesses"]
    assert open_note(note, vkey()).size == 2
    assert cosignature.verify(note, one["vkey"])
    assert (one["name"], one["size"], one["error"]) == ("w1.example", 2, "")
    assert (other["size"], other["at"], other["error"]) == (None, None, f"{ORIGIN}: cannot be reached")


@asynccontextmanager
async def client(log: Log, witnessing: Witnessing) -> AsyncIterator[AsyncClient]:
    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        yield

    async def ready() -> None:
        """At once."""

    app = make_app("audit", lifespan, ready)
    policy = Policy(log.database, "alarm", GRACE_S, ["w1.example"])
    app.include_router(api.router(log.database, witnessing, policy))
    async with AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://audit.test") as made:
        yield made


# --- settings -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("url", "key_text"),
    [
        ("ftp://w.example", vkey_of(1)), ("http://", vkey_of(1)), ("http://a:b@w.example", vkey_of(1)),
        ("https://w.example/?q", vkey_of(1)), ("https://w.example", vkey()), ("https://w.example", "x"),
    ],
)  # fmt: skip
def test_a_witness_that_cannot_be_one_is_refused_in_the_settings(url: str, key_text: str) -> None:
    with pytest.raises(ValueError, match=r"witness|key"):
        Witness(url=url, vkey=key_text)


def test_a_witness_stands_once_in_the_settings() -> None:
    one = Witness(url="https://w.example/prefix", vkey=vkey_of(1))
    assert each_once([one]) == [one]
    with pytest.raises(ValueError, match="same name"):
        each_once([one, one])
