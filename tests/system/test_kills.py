"""kill -9 of gateway, exchange and audit service in turn, under load: what a client saw, what a provider saw and what
the log says agree (promises P1 and P2: no answer without an outcome, no question to a provider without an earlier
intent)."""

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from harness.members import Authority
from harness.platform import Platform, started
from runtime import http

SEEDS = [int(seed) for seed in os.environ.get("SEEDS", "1").split()]
"""One with all other tests, more by `make faults`."""
pytestmark = [pytest.mark.system, pytest.mark.xdist_group("kills")]
CALLS_PER_S, MOST_CALLS = 50, 3000
VICTIMS = ("gateway", "exchange-service", "audit-service")
PROVIDER_DELAY_MS = 120
SETTLE_S = 60
QUESTION = "/x/gaj-vehicle-info/v1?plate_no=%E4%BA%91A12345&plate_type=02"


@dataclass
class Seen:
    """What the clients saw: record -> statuses, answers without a record, and calls that got no answer."""

    records: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    unrecorded: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    asked: int = 0

    def note(self, answer: http.Response) -> None:
        code = "" if answer.is_success else str(answer.json().get("code"))
        if record := answer.headers.get("tongdao-record"):
            self.records.setdefault(record, []).append((answer.status_code, code))
        else:
            self.unrecorded[code] += 1


async def load(gateway: str, token: str, seen: Seen, over: asyncio.Event) -> None:
    """CALLS_PER_S calls a second until it is over, started on time whatever became of the earlier ones."""
    headers = {"Authorization": f"Bearer {token}"}
    async with http.client(gateway, timeout_s=10) as client:
        started_at = time.monotonic()
        calls: list[asyncio.Task[None]] = []
        while not over.is_set() and len(calls) < MOST_CALLS:
            await asyncio.sleep(max(0.0, started_at + len(calls) / CALLS_PER_S - time.monotonic()))
            calls.append(asyncio.create_task(one(client, headers, seen)))
        await asyncio.gather(*calls)


async def one(client: http.AsyncClient, headers: dict[str, str], seen: Seen) -> None:
    seen.asked += 1
    try:
        seen.note(await client.get(QUESTION, headers=headers))
    except http.HTTPError:
        seen.unanswered += 1


async def kill_in_turn(platform: Platform, rng: random.Random) -> None:
    """Each victim once, in an order and at moments that the seed decides."""
    victims = list(VICTIMS)
    rng.shuffle(victims)
    for victim in victims:
        await asyncio.sleep(1.5 + rng.random())
        old = platform.pids()[victim]
        os.kill(old, signal.SIGKILL)
        await asyncio.to_thread(platform.wait_for_restart, victim, old)
    await asyncio.sleep(1.5)


async def both(platform: Platform, token: str, seen: Seen, rng: random.Random) -> None:
    over = asyncio.Event()
    loading = asyncio.create_task(load(platform.gateway, token, seen, over))
    await kill_in_turn(platform, rng)
    over.set()
    await loading


async def settled(url: str) -> None:
    """Wait until nothing waits for the sequencer and no call is open: dead gateways' calls have been closed."""
    connection = await asyncpg.connect(url)
    deadline = time.monotonic() + SETTLE_S
    while await connection.fetchval(
        "SELECT (SELECT count(*) FROM audit.batch) + (SELECT count(*) FROM audit.open_call)"
    ):
        assert time.monotonic() < deadline, "calls stayed open"
        await asyncio.sleep(0.2)
    await connection.close()


@dataclass(frozen=True)
class Logged:
    """The log's side: how every call ended, and when its intent was committed."""

    intents: dict[str, float]
    endings: dict[str, list[dict[str, Any]]]


async def logged(url: str) -> Logged:
    connection = await asyncpg.connect(url)
    leaves = [json.loads(row["body"]) for row in await connection.fetch("SELECT body FROM audit.leaf")]
    rows = await connection.fetch(
        """SELECT gateway, epoch, first_sequence AS first, count,
                  extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS at FROM audit.acknowledgement"""
    )
    await connection.close()
    committed = {
        (row["gateway"], row["epoch"], row["first"] + i): row["at"] for row in rows for i in range(row["count"])
    }
    calls = [leaf for leaf in leaves if leaf["kind"] == "call"]
    intents = {
        leaf["call"]: committed[leaf["gateway"], leaf["epoch"], leaf["sequence"]]
        for leaf in calls
        if leaf["phase"] == "intent"
    }
    endings: dict[str, list[dict[str, Any]]] = {}
    for leaf in calls:
        if leaf["phase"] != "intent":
            endings.setdefault(leaf["call"], []).append(leaf)
    return Logged(intents, endings)


def journal(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def check_answers(seen: Seen, log: Logged) -> None:
    """Every answer with a record has exactly one ending in the log, and it is the one that the client was told of."""
    for record, answers in seen.records.items():
        assert len(answers) == 1, record
        (status, code), endings = answers[0], log.endings.get(record, [])
        assert len(endings) == 1, f"{record}: {status} {code} has {len(endings)} outcomes"
        if code != "audit/outcome-unrecorded":  # the client was told that the log could not be asked
            assert (endings[0]["status"], endings[0]["code"]) == (status, code)


def check_provider(lines: list[dict[str, Any]], log: Logged) -> None:
    """Whatever reached the provider has an intent that was committed before."""
    for line in lines:
        assert line["call"] in log.intents, f"the provider was asked without an intent: {line}"
        assert log.intents[line["call"]] <= line["at"]


def check_intents(log: Logged) -> None:
    """Every intent has exactly one ending."""
    assert [call for call in log.intents if len(log.endings.get(call, [])) != 1] == []


@pytest.mark.requirement("FLT-01")
@pytest.mark.parametrize("seed", SEEDS)
def test_answers_questions_and_the_log_agree_after_kills(
    seed: int, open_path: Path, record_property: Callable[[str, object], None]
) -> None:
    journal_path = open_path / "journal"
    settings = {
        "TONGDAO_SAMPLE_FAULTS": "true",
        "TONGDAO_SAMPLE_JOURNAL": str(journal_path),
        "TONGDAO_AUDIT_LEASE_S": "5",
    }
    with started(open_path / "home", **settings) as platform:
        token = prepare(platform)
        seen = Seen()
        asyncio.run(both(platform, token, seen, random.Random(seed)))
        asyncio.run(settled(platform.database_url))
        log = asyncio.run(logged(platform.database_url))
        lines = [line for line in journal(journal_path) if line["call"]]
        checked = platform.tongdao("audit", "fsck")
    endings = [leaf for leaves in log.endings.values() for leaf in leaves]
    outcomes = sum(leaf["phase"] == "outcome" for leaf in endings)
    unknown = sum(leaf["code"] == "audit/unknown" for leaf in endings)
    record_property(
        "figures",
        f"kill -9, seed {seed}: calls={seen.asked} answered={len(seen.records)} "
        f"unrecorded refusals={dict(seen.unrecorded)} unanswered={seen.unanswered} provider requests={len(lines)} "
        f"intents={len(log.intents)} outcomes={outcomes} unknown={unknown}",
    )
    check_answers(seen, log)
    check_provider(lines, log)
    check_intents(log)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert unknown > 0, "no gateway died between intent and outcome: this run proves nothing"
    assert len(seen.records) > seen.asked / 4


def prepare(platform: Platform) -> str:
    """Token of a system that may call fifty times a second; the provider is made to take its time."""
    with http.sync_client(platform.url("sample-providers")) as sample:
        assert sample.post("/faults", json={"department": "gaj", "delay_ms": PROVIDER_DELAY_MS}).is_success
    with platform.client() as client:
        authority = Authority(platform, client)
        member = authority.system("load-test", "sthjj")
        authority.grant(member.name, "gaj-vehicle-info/v1", ["status", "owner_name"])
        deadline = time.monotonic() + 10
        while not member.call("GET", QUESTION.removeprefix("/x/")).is_success:
            assert time.monotonic() < deadline, "the gateway did not learn of the grant"
            time.sleep(0.1)
        return member.token()
