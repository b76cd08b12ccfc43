"""What slow clients cost all others: `make bench-slow-clients`. Starts its own platform and stops it.

300 connections are held with slow heads, slow bodies, and readers that hardly read (slowhttptest, where it can be
had), then 2,000 that say nothing, while governed calls go on at a steady pace. Fails where the server was not available
to a probe, where p99 of the calls doubles, and where memory or files do not come back. It prints too when each kind of
slow client is cut off. The limit of connections for one address is off: it would end most of this at once.
"""

import asyncio
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import psutil

from harness.loaders import Loaders
from harness.members import Authority, Member, wait_until_known
from harness.platform import Platform, open_folder, started
from harness.slowhttptest import ATTACKS, NoSlowHttpTest, Outcome, attack

HOST = "127.0.0.1"
INTERFACE, FIELDS = "sthjj-air-quality/v1", ["aqi"]
PACE_S, CONNECTIONS, SECONDS, IDLE, ALONE_S = 0.02, 300, 30, 2000, 10
SLACK_BYTES = 8 << 20
QUIET_MS = 25.0
"""p99 may double, but up to here it may also do more: on a busy machine some calls wait for nothing of ours."""


class Calls(Loaders):
    """Governed calls, one after the other, until the end of the block; how long each took, and what was answered."""

    def __init__(self, member: Member) -> None:
        self._member = member
        super().__init__([self._ask])
        self.took_ms: list[float] = []
        self.failed: list[int] = []

    def _ask(self) -> None:
        token = self._member.token()
        while not self.over.wait(PACE_S):
            asked = time.perf_counter()
            status = self._member.with_token(token, "GET", INTERFACE).status_code
            self.took_ms.append((time.perf_counter() - asked) * 1000)
            if status != 200:
                self.failed.append(status)

    @property
    def p99_ms(self) -> float:
        return statistics.quantiles(self.took_ms, n=100)[98]


async def cut_off_after_s(port: int, first: bytes, drip: bytes) -> float:
    """Seconds until the server closes on a client that says `first`, and then `drip` once a second."""
    reader, writer = await asyncio.open_connection(HOST, port)
    begun = time.monotonic()
    writer.write(first)
    try:
        while True:
            try:
                if not await asyncio.wait_for(reader.read(1000), 1):
                    break
            except TimeoutError:
                writer.write(drip)
    except ConnectionError:
        pass
    writer.close()
    return time.monotonic() - begun


async def times(port: int) -> None:
    """Print when each kind of slow client is cut off."""
    kinds = {
        "a head that drips": (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"a"),
        "a body that drips": (b"POST /oauth2/token HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", b"a"),
        "nothing at all": (b"", b""),
    }
    took = await asyncio.gather(*(cut_off_after_s(port, first, drip) for first, drip in kinds.values()))
    for kind, seconds in zip(kinds, took, strict=True):
        print(f"{kind}: cut off after {seconds:.1f} s")


def idle(port: int) -> None:
    """Hold IDLE connections until the server ends them; in a process of its own, so as not to slow the calls itself."""
    subprocess.run([sys.executable, __file__, "idle", str(port)], check=True)


def hold_idle(port: int) -> None:
    """What that process does."""

    async def hold() -> None:
        lines = [await asyncio.open_connection(HOST, port) for _ in range(IDLE)]
        await asyncio.gather(*(reader.read() for reader, _ in lines), return_exceptions=True)
        for _, writer in lines:
            writer.close()

    asyncio.run(hold())


class Figures:
    """What was measured, and what was not as it should be."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._under_ms: dict[str, float] = {}
        self._alone_ms: list[float] = []
        self.wrong: list[str] = []

    def alone(self) -> None:
        """Calls while nothing else goes on, before and after: other work on the machine shows."""
        with Calls(self._member) as calls:
            time.sleep(ALONE_S)
        self._alone_ms.append(calls.p99_ms)
        print(f"alone: {len(calls.took_ms)} calls, p99 {calls.p99_ms:.1f} ms", flush=True)

    def under(self, what: str, work: Callable[[], object]) -> None:
        """Calls while `work` goes on."""
        with Calls(self._member) as calls:
            said = work()
        print(f"{what}: {len(calls.took_ms)} calls, p99 {calls.p99_ms:.1f} ms; {said or ''}", flush=True)
        self._under_ms[what] = calls.p99_ms
        if calls.failed:
            self.wrong.append(f"{what}: calls got {calls.failed[:5]}")
        if isinstance(said, Outcome) and "NO" in said.available:
            self.wrong.append(f"{what}: the server did not answer a probe")

    def compare(self) -> None:
        """p99 may double, and no more."""
        most_ms = max(2 * max(self._alone_ms), QUIET_MS)
        for what, p99_ms in self._under_ms.items():
            if p99_ms > most_ms:
                self.wrong.append(f"{what}: p99 {p99_ms:.1f} ms, and at most {most_ms:.1f} ms are wanted")


def attacks(figures: Figures, gateway: str) -> None:
    """All attacks of slowhttptest."""
    for what in ATTACKS:

        def work(what: str = what) -> object:
            path = "/oauth2/token" if "bodies" in what else "/openapi.json"
            return attack(what, gateway + path, connections=CONNECTIONS, seconds=SECONDS)

        try:
            figures.under(what, work)
        except NoSlowHttpTest as error:
            print(f"{what}: left out, slowhttptest cannot be had: {error}")


def measure(platform: Platform, member: Member) -> list[str]:
    """Alone, under each attack, and afterwards; what was not as it should be."""
    process, figures = psutil.Process(platform.pids()["gateway"]), Figures(member)
    figures.alone()
    memory, files = process.memory_info().rss, process.num_fds()
    attacks(figures, platform.gateway)
    figures.under(f"D-4 {IDLE} idle connections", lambda: idle(platform.port))
    asyncio.run(times(platform.port))
    figures.alone()
    memory_after, files_after = process.memory_info().rss, process.num_fds()
    print(f"before {memory >> 20} MiB and {files} files, afterwards {memory_after >> 20} MiB and {files_after} files")
    figures.compare()
    if memory_after > memory * 1.1 + SLACK_BYTES or files_after > files * 1.1 + 5:
        figures.wrong.append("I15: memory or files did not come back")
    return figures.wrong


def main() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    told = {"TONGDAO_GATEWAY_CONNECTIONS_PER_ADDRESS": "0"}
    with open_folder() as folder, started(folder / "home", **told) as platform, platform.client() as client:
        authority = Authority(platform, client)
        member = authority.system("steady", "jtj")
        authority.grant(member.name, INTERFACE, FIELDS)
        wait_until_known(member, "GET", INTERFACE)
        wrong = measure(platform, member)
    for one in wrong:
        print(f"WRONG {one}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    if sys.argv[1:2] == ["idle"]:
        hold_idle(int(sys.argv[2]))
    else:
        main()
