"""Governed calls per second on this machine: `make bench`. Starts its own platform in a temporary home and stops it.

Everything is on: token, grant, case number, parameters and answer against their schemas, projection, one mask, intent
and outcome committed. Gateway, exchange and audit service share the first core; PostgreSQL, the provider and the load
share the others, where there are others. Closed loop: every connection asks again as soon as it is answered.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop
from joserfc import jwk

from runtime.http import Client, sync_client
from tongdao_cli.governed import Consumer
from tongdao_cli.home import Home
from tongdao_cli.keys import OPERATOR, Secrets
from tongdao_cli.postgres import free_port
from wire.assertions import fetch_token
from wire.scopes import CALL

CONNECTIONS = (1, 16, 64, 256)
ROUNDS, ROUND_S, WARM_UP_S = 3, 3.0, 2.0
MEASURED = ("gateway", "exchange-service", "audit-service")
NAMES = [f"field_{i:02}" for i in range(22)]
ANSWER = json.dumps(
    {"name": "张三丰测试", "id_card": "990101199003070218", "secret": "不外传", **{n: "云江市数据" + n for n in NAMES}},
    ensure_ascii=False,
).encode()
GRANTED = ["name", *NAMES]


# --- the provider ---------------------------------------------------------------------------------------------------
class Provider(asyncio.Protocol):
    """Answers every request with ANSWER as fast as it can; it is not what is measured."""

    HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write((self.HEAD + ANSWER) * data.count(b"\r\n\r\n"))


def provide(port: int) -> None:
    """Serve until killed."""

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", port)
        await server.serve_forever()

    uvloop.run(serve())


# --- the load -------------------------------------------------------------------------------------------------------
class Asker(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    def __init__(self, question: bytes, took_ms: list[float], statuses: dict[int, int]) -> None:
        self.question = question
        self.took_ms = took_ms
        self.statuses = statuses
        self.buffer = b""
        self.going = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.ask()

    def ask(self) -> None:
        self.asked = time.perf_counter()
        self.transport.write(self.question)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, body = self.buffer.partition(b"\r\n\r\n")
        if not separator or len(body) < int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]):
            return
        self.buffer = b""
        self.took_ms.append((time.perf_counter() - self.asked) * 1000)
        status = int(head[9:12])
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if self.going:
            self.ask()
        else:
            self.transport.close()


def load(port: int, question: bytes, connections: int, seconds: float) -> dict[str, Any]:
    """Calls per second and latencies of one closed loop."""
    took_ms: list[float] = []
    statuses: dict[int, int] = {}

    async def run() -> float:
        loop = asyncio.get_running_loop()
        began = time.perf_counter()
        pairs = [
            await loop.create_connection(lambda: Asker(question, took_ms, statuses), "127.0.0.1", port)
            for _ in range(connections)
        ]
        await asyncio.sleep(seconds)
        for _, asker in pairs:
            asker.going = False
        elapsed = time.perf_counter() - began
        await asyncio.sleep(0.3)
        return elapsed

    elapsed = uvloop.run(run())
    took_ms.sort()
    return {
        "calls_per_s": len(took_ms) / elapsed,
        "p50_ms": took_ms[len(took_ms) // 2],
        "p99_ms": took_ms[int(len(took_ms) * 0.99)],
        "statuses": statuses,
        "calls": len(took_ms),
    }


# --- the platform ---------------------------------------------------------------------------------------------------
@contextmanager
def platform() -> Iterator[dict[str, Any]]:
    """A running `tongdao up`; its facts."""
    folder = Path(tempfile.mkdtemp(prefix="tongdao-bench-"))
    folder.chmod(0o755)
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "tongdao_cli.main", "up", "--home", str(folder / "home"), "--port"]
    command += [str(free_port()), "--ready-file", str(ready)]
    environment = {**os.environ, "TONGDAO_GATEWAY_CONNECTIONS_PER_ADDRESS": "0"}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        while not ready.exists():
            if process.poll() is not None:
                sys.exit((folder / "output").read_text())
            time.sleep(0.1)
        yield json.loads(ready.read_text())
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def register(client: Client, facts: dict[str, Any], provider_port: int) -> str:
    """A system, an interface of 1 KB and a grant without limits that matter; the system's token."""
    operator = Consumer(client, facts["gateway"], Secrets(Home(Path(facts["home"]))), OPERATOR)
    headers = {"Authorization": f"Bearer {operator.token()}"}
    key = jwk.ECKey.generate_key("P-256", {"kid": "bench-1", "use": "sig", "alg": "ES256"})

    def send(method: str, path: str, body: dict[str, Any]) -> None:
        answer = client.request(method, path, json=body, headers=headers)
        if not answer.is_success:
            sys.exit(f"{method} {path}: {answer.status_code} {answer.text}")

    fields = [{"name": "name", "mask": "name_first"}, {"name": "id_card", "mask": "id_last4"}]
    text = {"type": "string", "maxLength": 100}
    resource = {"name": "负载", "provider": "dsjj", "summary": "负载检验", "share": {"type": "unconditional"}}
    interface = {
        "resource": "1059900100013/900002", "provider": "dsjj", "name": "负载", "networks": ["127.0.0.0/8"],
        "base_url": f"http://127.0.0.1:{provider_port}", "fields": [*fields, *({"name": name} for name in NAMES)],
        "operations": [{"method": "GET", "path": "/{key}", "target": "/{key}"}], "max_in_flight": 1000,
        "parameters": {"type": "object", "properties": {"key": text}, "required": ["key"]},
        "response": {"type": "object", "properties": dict.fromkeys(GRANTED, text), "required": GRANTED},
    }  # fmt: skip
    grant = {
        "system": "bench", "interface": "bench/v1", "purpose": "负载检验", "fields": GRANTED,
        "case_pattern": "YJ[0-9]{4}-[0-9]{6}", "rate_per_s": 100_000.0, "burst": 100_000, "max_in_flight": 10_000,
    }  # fmt: skip
    send("PUT", "/api/catalog/systems/bench", {"department": "xzspj", "name": "负载检验"})
    send("PUT", "/api/catalog/resources/1059900100013/900002", resource)
    send("PUT", "/api/catalog/interfaces/bench/versions/v1", interface)
    send("POST", "/api/catalog/grants", grant)
    public = {"keys": [key.as_dict(private=False)]}
    body = {"department": "xzspj", "scope": CALL, "method": "private_key_jwt", "jwks": public}
    send("PUT", "/oauth2/clients/bench", body)
    return fetch_token(client, facts["gateway"], "bench", key.as_dict(private=True))


def pin(facts: dict[str, Any]) -> None:
    """What is measured on the first core, the rest on the others."""
    cores = sorted(os.sched_getaffinity(0))
    others = set(cores[1:]) or {cores[0]}
    os.sched_setaffinity(0, others)
    for name, service in facts["services"].items():
        for thread in Path(f"/proc/{service['pid']}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {cores[0]} if name in MEASURED else others)


def cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(facts: dict[str, Any], question: bytes, connections: int) -> dict[str, Any]:
    """Median of ROUNDS rounds, with the processor time of each measured service per call."""
    port = int(facts["gateway"].rpartition(":")[2])
    pids = {name: facts["services"][name]["pid"] for name in MEASURED}
    rounds = []
    for _ in range(ROUNDS):
        before = {name: cpu_s(pid) for name, pid in pids.items()}
        result = load(port, question, connections, ROUND_S)
        if set(result["statuses"]) != {200}:
            sys.exit(f"not all calls were answered: {result['statuses']}")
        result["cpu_us"] = {n: (cpu_s(pid) - before[n]) / result["calls"] * 1e6 for n, pid in pids.items()}
        rounds.append(result)
    rounds.sort(key=lambda result: float(result["calls_per_s"]))
    return rounds[len(rounds) // 2]


def question_of(facts: dict[str, Any], token: str) -> bytes:
    host = facts["gateway"].removeprefix("http://")
    return (
        f"GET /x/bench/v1/A123 HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n"
        "tongdao-case: YJ2026-000001\r\naccept: */*\r\n\r\n"
    ).encode()


def check(facts: dict[str, Any], client: Client, token: str) -> None:
    """The answer is the masked one, and nothing that was not granted."""
    headers = {"Authorization": f"Bearer {token}", "Tongdao-Case": "YJ2026-000001"}
    deadline = time.monotonic() + 10
    while (answer := client.get("/x/bench/v1/A123", headers=headers)).status_code != 200:
        if time.monotonic() > deadline:
            sys.exit(answer.text)
        time.sleep(0.1)
    if set(answer.json()) != set(GRANTED) or answer.json()["name"] != "张****":
        sys.exit(f"the answer was not projected: {answer.text}")


def main() -> None:
    port = free_port()
    provider = subprocess.Popen([sys.executable, __file__, "provider", str(port)])
    results: dict[int, dict[str, Any]] = {}
    try:
        with platform() as facts, sync_client(facts["gateway"]) as client:
            token = register(client, facts, port)
            check(facts, client, token)
            pin(facts)
            os.sched_setaffinity(provider.pid, os.sched_getaffinity(0))
            question = question_of(facts, token)
            load(int(facts["gateway"].rpartition(":")[2]), question, 64, WARM_UP_S)
            print(
                f"{len(ANSWER)} bytes from the provider, 1 masked field, two commits a call; {ROUNDS} rounds, medians"
            )
            print("connections  calls/s   p50 ms   p99 ms   CPU us per call: " + ", ".join(MEASURED))
            for connections in CONNECTIONS:
                result = results[connections] = measure(facts, question, connections)
                cpu = ", ".join(f"{result['cpu_us'][name]:.0f}" for name in MEASURED)
                figures = f"{result['calls_per_s']:7.0f}  {result['p50_ms']:7.2f}  {result['p99_ms']:7.2f}"
                print(f"{connections:11}  {figures}   {cpu}", flush=True)
    finally:
        provider.kill()
        provider.wait()
    print(json.dumps({str(n): {k: r[k] for k in ("calls_per_s", "p50_ms", "p99_ms")} for n, r in results.items()}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["provider"]:
        provide(int(sys.argv[2]))
    else:
        main()
