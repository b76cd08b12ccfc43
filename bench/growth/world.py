"""A platform that grows while it is measured: rows put straight into the catalog's tables, services started anew.

A million grants by the API would take hours. So one that was made by the API is copied in SQL, and a service that is
started anew takes them in with its snapshot, as it would any other.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg

from peers import ours
from peers.asker import ask_again
from peers.contender import Contender, numbered
from peers.load import Answers, among, anywhere
from peers.measure import Sample, measured, settle
from peers.processes import cores, listening, pids_of, pin, running
from runtime.http import Client, sync_client
from tongdao_cli.governed import Consumer
from tongdao_cli.home import Home
from tongdao_cli.keys import OPERATOR, Secrets
from tongdao_cli.postgres import free_port

SECONDS, WARM_UP_S, AGAIN_S = 2.0, 1.0, 120
RESTARTED = ("gateway", "exchange-service")
Ask = Callable[[int], str]
"""The question of the call with a number, complete."""


@dataclass
class World:
    """The platform, its bench system, and the providers at `port` (1 KB) and `sized`."""

    client: Client
    facts: ours.Facts
    system: ours.System
    port: int
    sized: int
    more: list[int] = field(default_factory=list)
    """Further gateways: their process ids."""

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

    def cost(self, ask: Ask, connections: int = 64, seconds: float = SECONDS, port: int = 0) -> Sample:
        """A round under a closed load; raises Broken where a call fails. port  of another gateway"""
        us = self.contender()

        def load(long: float) -> Answers:
            numbers = count(anywhere())
            return among(*ask_again(port or us.port, lambda: filled(ask, next(numbers)), connections, long))

        load(WARM_UP_S)
        settle(us)
        sample = measured(us, lambda: load(seconds))
        if sample.answers.failed or not sample.answers.calls:
            raise ours.Broken(f"{sample.answers.failed} calls failed, {sample.answers.calls} did not")
        return sample

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
        while any(self.facts["services"][name]["pid"] == old[name] for name in RESTARTED):
            if time.monotonic() > began + AGAIN_S:
                raise ours.Broken("gateway and exchange do not come back")
            time.sleep(0.2)
            self.facts = json.loads(run_file.read_text())
        self.until_answered(path)
        return time.monotonic() - began

    def sql(self, *statements: str) -> None:
        """Carry out, as the owner of the database."""

        async def carry_out() -> None:
            connection = await asyncpg.connect(self.facts["database_url"])
            for statement in statements:
                await connection.execute(statement, timeout=300)
            await connection.close()

        asyncio.run(carry_out())


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
    ):
        listening(process, sized)
        system = ours.register(client, facts, port)
        ours.check(client, system.token())
        yield World(client, facts, system, port, sized)


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
            World(client, of.facts, of.system, of.port, of.sized).until_answered(ours.PATH)
        yield port
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
        return [made, grants(name, "'v1'", f"replace({text}, '\"bench/v1\"', '\"' || {name} || '/v1\"')", numbers)]
    system, interface = "'filler-' || n / 50", "'offered-' || n % 1000"
    changed = f"replace({text}, '\"bench/v1\"', '\"' || {interface} || '/v1\"')"
    changed = f'replace({changed}, \'"system":"bench"\', \'"system":"\' || {system} || \'"\')'
    return [grants("interface", "version", f"replace({changed}, '负载检验', '负载检验' || n)", numbers)]


def grants(interface: str, version: str, changed: str, numbers: str) -> str:
    """Copies of the one grant that the bench made, each under a new id.

    interface, version  columns, which have to lead somewhere; gateways go by what `changed` makes of the entry
    """
    return (
        "INSERT INTO catalog.grants (id, system, interface, version, standing, not_after, entry) "  # noqa: S608  # ours
        f"SELECT fresh, system, {interface}, {version}, standing, not_after, "
        f"convert_to(replace({changed}, id, fresh), 'UTF8') FROM (SELECT *, gen_random_uuid()::text AS fresh FROM "
        f"catalog.grants, {numbers} WHERE system = 'bench' AND interface = 'bench') AS made"
    )
