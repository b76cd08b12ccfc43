"""Everything of one home as running processes: database, schemas, sample departments, services."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from runtime.http import AsyncClient, client
from tongdao_cli import database
from tongdao_cli.home import CannotStart, Home, port_trouble
from tongdao_cli.keys import Secrets
from tongdao_cli.postgres import NoPostgres, Postgres, free_port
from tongdao_cli.services import SAMPLE, SERVICES, Plan, program
from tongdao_cli.supervisor import Supervisor

HEALTH_S = 3.0
Say = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Platform:
    """What runs, and since when it has been started (monotonic seconds)."""

    plan: Plan
    supervisor: Supervisor
    began: float

    @property
    def gateway(self) -> str:
        return self.plan.url("gateway")

    def facts(self) -> dict[str, object]:
        """For machines: run.json and the ready file."""
        plan, pids = self.plan, self.supervisor.pids
        names = ["postgres", SAMPLE.name, *(service.name for service in SERVICES)]
        systems = plan.secrets.system_file("x").parent
        return {
            "gateway": self.gateway,
            "home": str(plan.home.root),
            "database_url": plan.database_url,
            "vkey": plan.secrets.vkey(),
            "pid": os.getpid(),
            "services": {name: {"url": plan.url(name), "pid": pids[name]} for name in names if name in pids},
            "operator": str(plan.secrets.operator),
            "systems": {file.name.removesuffix(".jwk.json"): str(file) for file in sorted(systems.glob("*.jwk.json"))},
        }

    def announce(self) -> None:
        """Write the facts where tools look for them."""
        self.plan.home.announce(self.facts())

    async def beside(self, work: Awaitable[T]) -> T:
        """Wait for `work`, but no longer than the children can be kept running; raises GivenUp."""
        working, watching = asyncio.ensure_future(work), asyncio.create_task(self.supervisor.watch())
        try:
            await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
            return await working
        finally:
            watching.cancel()
            working.cancel()


@asynccontextmanager
async def running(home: Home, port: int, say: Say, origin: str = "") -> AsyncIterator[Platform]:
    """Start everything, hand it over, stop everything. `port` is the gateway's, 0 for a free one; `origin` the log's
    name from now on, "" for the one it has.

    Raises CannotStart, NoPostgres or GivenUp, each with one line for the person.
    """
    began = time.monotonic()
    with home.locked():
        if port and (trouble := port_trouble(port)):
            raise CannotStart(trouble)
        secrets = Secrets(home)
        secrets.make()
        if origin:
            home.remember(origin=origin)
        ports = {**home.choose_ports(), "gateway": port or free_port()}
        home.remember(gateway=ports["gateway"])
        async with client("", timeout_s=HEALTH_S) as health:
            starting = _Starting(home, secrets, ports, began)
            try:
                yield await starting.go(health, say)
            finally:
                await starting.supervisor.stop()


class _Starting:
    """One start under way; its supervisor exists before the first child does."""

    def __init__(self, home: Home, secrets: Secrets, ports: dict[str, int], began: float) -> None:
        self.supervisor = Supervisor(home.logs, self._announce)
        self._home = home
        self._secrets = secrets
        self._ports = ports
        self._began = began
        self._platform: Platform | None = None

    def _announce(self, _pids: dict[str, int]) -> None:
        if self._platform:
            self._platform.announce()

    async def go(self, health: AsyncClient, say: Say) -> Platform:
        url = await self._database(say)
        plan = Plan(self._home, self._secrets, self._ports, url)
        self._platform = Platform(plan, self.supervisor, self._began)
        await database.migrate_all(url, self._secrets)
        say("schemas are up to date")
        await self.supervisor.start(*(program(service, plan, health) for service in (SAMPLE, *SERVICES)))
        say("sample departments and services are ready")
        return self._platform

    async def _database(self, say: Say) -> str:
        if url := os.environ.get("DATABASE_URL", ""):
            await database.check(url)
            say("PostgreSQL of DATABASE_URL will do")
            return url
        postgres = Postgres(self._home.postgres)
        await asyncio.to_thread(postgres.prepare)
        port = self._ports["postgres"]
        await self.supervisor.start(database.program(postgres, port))
        say("PostgreSQL is ready")
        return postgres.url(port)


def run(work: Awaitable[T]) -> T:
    """Run to the end, or until the first SIGINT, SIGTERM or SIGHUP: that cancels, and the children are stopped."""

    async def main() -> T:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, _cancel_once, task)
        return await task

    return asyncio.run(main())


def _cancel_once(task: "asyncio.Future[T]") -> None:
    """A second Ctrl-C must not interrupt the orderly stop that the first began."""
    if isinstance(task, asyncio.Task) and not task.cancelling():
        task.cancel()


__all__ = ["NoPostgres", "Platform", "run", "running"]
