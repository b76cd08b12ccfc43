"""A platform that grows while it is measured: rows put straight into the catalog's tables, services started anew.

A million grants by the API would take hours. So one that was made by the API is copied in SQL, and a service that is
started anew takes them in with its snapshot, from the catalog and its database, as it would any other.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import asyncpg

from guard import reference
from peers import ours
from peers.asker import ask_again
from peers.contender import Contender, numbered
from peers.load import Answers, among, anywhere, closed
from peers.measure import Sample, measured, settle
from peers.processes import cores, listening, pids_of, pin, running
from runtime.http import Client, sync_client
from tongdao_cli.governed import Consumer
from tongdao_cli.home import Home
from tongdao_cli.keys import OPERATOR, Secrets
from tongdao_cli.postgres import free_port

SECONDS, WARM_UP_S, REFERENCE_S, AGAIN_S, COPIED_S = 1.5, 1.0, 0.5, 120, 120
ROUNDS = 1 if os.environ.get("QUICK") else 3
RESTARTED = ("gateway", "exchange-service")
Ask = Callable[[int], str]
"""The question of the call with a number, complete."""


class Cost(NamedTuple):
    """The middle one of some rounds; what the fixed work of bench/reference.py took around them, us a call."""

    sample: Sample
    reference_us: float

    @property
    def cpu_us(self) -> float:
        return sum(self.sample.cpu_us.values())


@dataclass
class World:
    """The platform, its bench system, the providers at `port` (1 KB) and `sized`, the work that all is held against."""

    client: Client
    facts: ours.Facts
    system: ours.System
    port: int
    sized: int
    fixed: Contender
    more: list[int] = field(default_factory=list)
    """Further gateways: their process ids."""
    copied: dict[str, int] = field(default_factory=dict)
    """How many there are of what was copied, by kind; without it only the one that was made by the API."""

    def operator_token(self) -> str:
        """Of the operator, who may do everything."""
        operator = Consumer(self.client, self.facts["gateway"], Secrets(Home(Path(self.facts["home"]))), OPERATOR)
        return operator.token()

    def send(self, method: str, path: str, body: dict[str, Any]) -> None:
        """As the operator; raises Broken."""
        headers = {"Authorization": f"Bearer {self.operator_token()}"}
        answer = self.client.request(method, path, json=body, headers=headers)
        if not answer.is_success:
            raise ours.Broken(f"{method} {path}: {answer.status_code} {answer.text}")

    def add(self, name: str, target: str, fields: Sequence[dict[str, str]], granted: list[str]) -> str:
        """One more interface of the sized provider, granted to the bench's system; the path of its calls."""
        interface = {
            **ours.interface(self.sized), "fields": list(fields), "response": None,
            "operations": [{"method": "GET", "path": "/{key}", "target": f"{target}/{{key}}"}],
        }  # fmt: skip
        self.send("PUT", f"/api/catalog/interfaces/{name}/versions/v1", interface)
        self.send("POST", "/api/catalog/grants", {**ours.grant(), "interface": f"{name}/v1", "fields": granted})
        self.until_answered(f"/x/{name}/v1")
        return f"/x/{name}/v1"

    def until_answered(self, path: str) -> None:
        """A change is on its way to the gateway; raises Broken if it does not come."""
        deadline = time.monotonic() + AGAIN_S
        said = ""
        while time.monotonic() < deadline:
            try:
                answer = ours.ask(self.client, self.system.token(), path)
            except Exception as error:  # whatever a client meets at a door that is being opened
                said = repr(error)
            else:
                if answer.status_code == 200:
                    return
                said = answer.text
            time.sleep(0.1)
        raise ours.Broken(f"{path}: {said}")

    def contender(self) -> Contender:
        """The platform as it is now, pinned."""
        ours.pin_services(self.facts)
        pin(self.more, cores()[0])
        found = ours.contender(self.facts, self.system)
        gateways = [*found.parts["gateway"], *self.more]
        return Contender(found.name, found.port, found.question, {**found.parts, "gateway": gateways}, found.apart)

    def cost(self, ask: Ask, connections: int = 64, ports: Sequence[int] = (), warm_up_s: float = WARM_UP_S) -> Cost:
        """Rounds under a closed load; raises Broken where a call fails. ports  of several gateways, all asked alike"""
        us = self.contender()
        doors = ports or (us.port,)

        def load(seconds: float) -> Answers:
            numbers = count(anywhere())
            each = connections // len(doors)
            with ThreadPoolExecutor(len(doors)) as pool:
                asked = [
                    pool.submit(ask_again, port, lambda: filled(ask, next(numbers)), each, seconds) for port in doors
                ]
            told = [one.result() for one in asked]
            return among([answer for answers, _ in told for answer in answers], max(took for _, took in told))

        load(warm_up_s)
        settle(us)
        rounds, fixed = [], [self.reference_us()]
        for _ in range(ROUNDS):
            rounds.append(Cost(measured(us, lambda: load(SECONDS)), 0))
            fixed.append(self.reference_us())
        if failed := sum(one.sample.answers.failed for one in rounds):
            raise ours.Broken(f"{failed} calls failed")
        middle = sorted(rounds, key=lambda one: one.cpu_us)[ROUNDS // 2]
        if not middle.sample.answers.calls:
            raise ours.Broken("no call was answered")
        return Cost(middle.sample, median(fixed))

    def reference_us(self) -> float:
        """What the fixed work takes just now: a machine that has much else to do makes everything dearer."""
        question = self.fixed.question()
        return measured(self.fixed, lambda: closed(None, self.fixed.port, question, 64, REFERENCE_S)).cpu_us[
            "reference"
        ]

    def asking(self, path: str) -> Ask:
        """Questions to one path."""
        question = self.contender().question().replace(ours.PATH + "/", path + "/", 1)
        return lambda _number: question

    def restart(self, path: str = ours.PATH) -> float:
        """Stop gateway and exchange: their supervisor starts them anew. Seconds until `path` is answered again."""
        old = {name: self.facts["services"][name]["pid"] for name in RESTARTED}
        began = time.monotonic()
        for pid in old.values():
            os.kill(pid, signal.SIGTERM)
        run_file = Path(self.facts["home"]) / "run.json"
        while any(self.facts["services"].get(name, {}).get("pid", old[name]) == old[name] for name in RESTARTED):
            if time.monotonic() > began + AGAIN_S:
                raise ours.Broken("gateway and exchange do not come back")
            time.sleep(0.2)
            self.facts = json.loads(run_file.read_text())
        self.until_answered(path)
        return time.monotonic() - began

    def copy(self, kind: str, up_to: int) -> float:
        """Have so many of a kind (`copies`) in the catalog's tables; the seconds that took. Raises PostgresError.

        In one transaction, as the owner of a database that is thrown away: keys into other tables are not looked up.
        """

        async def carry_out() -> None:
            connection = await asyncpg.connect(self.facts["database_url"])
            try:
                async with connection.transaction():
                    await connection.execute("SET LOCAL session_replication_role = replica")
                    for statement in copies(kind, self.copied.get(kind, 1), up_to):
                        await connection.execute(statement, timeout=COPIED_S)
            finally:
                await connection.close()

        began = time.monotonic()
        asyncio.run(carry_out())
        self.copied[kind] = up_to
        return time.monotonic() - began

    def loaded_s(self) -> float:
        """How long the gateway took for its last snapshot, as it says itself; raises Broken where it says nothing."""
        log = Path(self.facts["home"]) / "logs" / "gateway.log"
        told = [line for line in log.read_text().splitlines() if "feed.snapshot_taken" in line]
        if not told:
            raise ours.Broken("the gateway has taken no snapshot")
        return float(json.loads(told[-1])["took_s"])


def filled(ask: Ask, number: int) -> bytes:
    """The question of one call, with its number in all places."""
    return numbered(ask(number), number)


@contextmanager
def world(port: int) -> Iterator[World]:
    """A platform of its own. port  of the provider of 1 KB"""
    os.sched_setaffinity(0, cores()[1])
    sized = free_port()
    with (
        running([sys.executable, "-m", "growth.sized", str(sized)]) as process,
        ours.platform() as facts,
        sync_client(facts["gateway"]) as client,
        reference() as fixed,
    ):
        listening(process, sized)
        system = ours.register(client, facts, port)
        ours.check(client, system.token())
        yield World(client, facts, system, port, sized, fixed)


@contextmanager
def another_gateway(of: World) -> Iterator[int]:
    """A second process of the gateway beside the first, with the same settings; its port."""
    port, pid = free_port(), pids_of(of.facts, ["gateway"])["gateway"][0]
    told = dict(one.split("=", 1) for one in Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in one)
    own = {name: value for name, value in told.items() if name.startswith("TONGDAO_GATEWAY_")}
    own |= {"TONGDAO_GATEWAY_PORT": str(port), "TONGDAO_GATEWAY_INSTANCE": "gateway-2"}
    with running([sys.executable, "-m", "gateway.app"], None, **own) as process:
        listening(process, port)
        of.more.append(process.pid)
        with sync_client(f"http://127.0.0.1:{port}") as client:
            replace(of, client=client).until_answered(ours.PATH)
        try:
            yield port
        finally:
            of.more.clear()


def copies(kind: str, first: int, last: int) -> list[str]:
    """SQL that copies the bench's grant or interface; numbers `first` to `last` - 1.

    `interfaces`  bench-000001/v1 …, each with a grant for the bench's system
    `grants`      of systems that nobody registered, 50 each; their purposes differ
    """
    numbers = f"generate_series({first}, {last - 1}) AS n"
    text, name = "convert_from(entry, 'UTF8')", "'bench-' || lpad(n::text, 6, '0')"
    if kind == "interfaces":
        renamed = f'replace({text}, \'"id":"bench"\', \'"id":"\' || {name} || \'"\')'
        made = (
            "INSERT INTO catalog.interface (id, version, provider, resource, standing, entry) "  # noqa: S608  # ours
            f"SELECT {name}, version, provider, resource, standing, convert_to({renamed}, 'UTF8') "
            f"FROM catalog.interface, {numbers} WHERE id = 'bench'"
        )
        return [made, grants("system", name, f"replace({text}, '\"bench/v1\"', '\"' || {name} || '/v1\"')", numbers)]
    system, interface = "'filler-' || n / 50", "'offered-' || n % 1000"
    changed = f"replace({text}, '\"bench/v1\"', '\"' || {interface} || '/v1\"')"
    changed = f'replace({changed}, \'"system":"bench"\', \'"system":"\' || {system} || \'"\')'
    return [grants(system, interface, f"replace({changed}, '负载检验', '负载检验' || n)", numbers)]


def grants(system: str, interface: str, changed: str, numbers: str) -> str:
    """Copies of the one grant that the bench made, each under a new id.

    system, interface  of each copy, one of them another than the original's, or the next copies would be of copies;
                       gateways go by what `changed` makes of the entry
    """
    return (
        "INSERT INTO catalog.grants (id, system, interface, version, standing, not_after, entry) "  # noqa: S608  # ours
        f"SELECT fresh, {system}, {interface}, version, standing, not_after, "
        f"convert_to(replace({changed}, id, fresh), 'UTF8') FROM (SELECT *, gen_random_uuid()::text AS fresh FROM "
        f"catalog.grants, {numbers} WHERE system = 'bench' AND interface = 'bench') AS made"
    )
