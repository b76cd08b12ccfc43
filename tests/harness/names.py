"""A real DNS server whose answers the test writes, one list per query, and a resolver that asks it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from dnslib import AAAA, CNAME, QTYPE, RCODE, RR, A, DNSRecord
from dnslib.server import BaseResolver, DNSLogger, DNSServer

TTL_S = 0


class NameServer(BaseResolver):  # type: ignore[misc]  # dnslib has no types
    """Names and what they lead to: addresses, or another name. The n-th query for addresses gets the n-th list."""

    def __init__(self, names: dict[str, list[list[str]]]) -> None:
        self._names = names
        self.asked: list[str] = []
        self.port = 0

    def resolve(self, request: Any, handler: Any) -> Any:
        reply = request.reply()
        name = str(request.q.qname).rstrip(".")
        kind = QTYPE[request.q.qtype]
        if kind == "A":
            self.asked.append(name)
        if name not in self._names:
            reply.header.rcode = RCODE.NXDOMAIN
        for target in self._told(name):
            self._add(reply, name, kind, target)
        return reply

    def _told(self, name: str) -> list[str]:
        lists = self._names.get(name, [[]])
        return lists[min(max(0, self.asked.count(name) - 1), len(lists) - 1)]

    def _add(self, reply: Any, name: str, kind: str, target: str) -> None:
        if target[0].isalpha() and ":" not in target:
            reply.add_answer(RR(name, QTYPE.CNAME, ttl=TTL_S, rdata=CNAME(target)))
            for further in self._told(target):
                self._add(reply, target, kind, further)
        elif (":" in target) == (kind == "AAAA"):
            reply.add_answer(RR(name, getattr(QTYPE, kind), ttl=TTL_S, rdata=(AAAA if ":" in target else A)(target)))

    async def addresses(self, host: str, port: int) -> list[str]:
        """What a resolver does: both families, names followed. A `relay.egress.Resolver`."""
        found = await asyncio.get_running_loop().run_in_executor(None, self._ask_both, host)
        if not found:
            raise OSError("no such name")
        return found

    def _ask_both(self, host: str) -> list[str]:
        records = []
        for kind in ("A", "AAAA"):
            packet = DNSRecord.question(host, kind).send("127.0.0.1", self.port, timeout=10)
            records += [str(rr.rdata) for rr in DNSRecord.parse(packet).rr if QTYPE[rr.rtype] == kind]
        return records


@contextmanager
def name_server(names: dict[str, list[list[str]]]) -> Iterator[NameServer]:
    """On UDP, on a free port of this machine."""
    it = NameServer(names)
    server = DNSServer(
        it, address="127.0.0.1", port=0, logger=DNSLogger(log="-request,-reply,-truncated,-error", prefix=False)
    )
    it.port = server.server.server_address[1]
    thread = Thread(target=server.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield it
    finally:
        server.server.shutdown()
        server.server.server_close()
        thread.join()
