"""How soon is what was revoked refused at every gateway? `make bench-revocation`: three gateways, 50 calls a second.

Token, client, system and department of one information system are taken away in turn, TRIALS times in all, while other
systems call at all three gateways. The delay of a trial is the time from sending the revocation to the start of the
last call that any of the three still allowed (security.md M-1). Then word of it is cut off silently: the connection on
which the catalog hears of changes in its database, and that on which a gateway hears of the catalog (M-2); and last
the whole catalog (M-3). Prints one line of JSON, milliseconds; fails where a promise is broken.
"""

import json
import os
import sys
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

from harness.chaos import Relay, relay
from harness.loaders import SteadyLoad
from harness.members import Authority
from harness.platform import Platform, open_folder, started
from harness.replicas import replica
from harness.revocations import FIELDS, INTERFACE, Watch, admitted, asker, ways
from tongdao_cli.services import with_login

TRIALS, CUT_TRIALS = int(os.environ.get("TRIALS", "52")), int(os.environ.get("CUT_TRIALS", "5"))
LOAD_PER_S, LOADERS = 50, 6
BAR_MS, CUT_BAR_MS = 1000, 5000
STALE_S, STALE_SLACK_S = 30.0, 4.0


class Bench:
    """One platform and the gateways that are asked."""

    def __init__(self, platform: Platform, stack: ExitStack) -> None:
        self.platform = platform
        self.client = stack.enter_context(platform.client())
        self.authority = Authority(platform, self.client)
        self.member = asker(self.authority, "revoked")

    def renew(self) -> None:
        """The authority's token lives five minutes."""
        self.authority = Authority(self.platform, self.client)

    def trial(self, kind: str, gateways: list[str]) -> float:
        """Milliseconds from sending the revocation to the last call that was allowed at any of these gateways."""
        self.renew()
        way = next(one for one in ways(self.platform, self.authority, self.client, self.member) if one.name == kind)
        token = admitted(gateways, self.member)
        with ExitStack() as watching:
            watches = [watching.enter_context(Watch(gateway, token)) for gateway in gateways]
            sent = time.monotonic()
            way.take(token)
        way.give_back()
        return max(0.0, max(watch.last_allowed for watch in watches) - sent) * 1000


def revoked_under_load(bench: Bench, gateways: list[str]) -> dict[str, object]:
    """M-1."""
    members = [bench.authority.system(f"load-{n}", "jyj") for n in range(LOADERS)]
    for member in members:
        bench.authority.grant(member.name, INTERFACE, FIELDS)
        admitted(gateways, member)
    kinds = ("token", "client", "system", "department")
    delays: dict[str, list[float]] = {kind: [] for kind in kinds}
    with SteadyLoad(gateways, members, INTERFACE, LOAD_PER_S) as load:
        for n in range(TRIALS):
            kind = kinds[n % len(kinds)]
            delays[kind].append(bench.trial(kind, gateways))
            sys.stderr.write(f"\r{n + 1}/{TRIALS}")
    return {"trials": TRIALS, **{kind: figures(found) for kind, found in delays.items()}, "load": load.statuses}


def figures(delays: list[float]) -> dict[str, float]:
    """Median, 99th percentile and slowest; of less than a hundred the last two are the same."""
    found = sorted(delays)
    return {
        "p50_ms": round(found[len(found) // 2], 1),
        "p99_ms": round(found[min(len(found) - 1, len(found) * 99 // 100)], 1),
        "max_ms": round(found[-1], 1),
    }


def cut_silently(bench: Bench, between: Relay, gateway: str) -> dict[str, float]:
    """M-2: each time the connections that carry news are stopped first."""
    delays = []
    for n in range(CUT_TRIALS):
        admitted([gateway], bench.member)
        assert between.freeze(), "nothing was cut"
        delays.append(bench.trial(("system", "token")[n % 2], [gateway]))
    return figures(delays)


def unreachable(bench: Bench, between: Relay, gateway: str) -> dict[str, float]:
    """M-3: how long a gateway goes on without its catalog, and how soon it is back."""
    token = admitted([gateway], bench.member)
    with Watch(gateway, token) as watch:
        cut = time.monotonic()
        between.silence()
    assert set(watch.statuses) == {200, 503}, watch.statuses
    mended = time.monotonic()
    between.mend()
    admitted([gateway], bench.member)
    return {"served_s": round(watch.last_allowed - cut, 1), "back_s": round(time.monotonic() - mended, 1)}


def run(platform: Platform, stack: ExitStack) -> dict[str, object]:
    bench = Bench(platform, stack)
    gateways = [platform.gateway]
    gateways += [stack.enter_context(replica(platform, "gateway", f"gateway-{n}")) for n in (2, 3)]
    result = revoked_under_load(bench, gateways)

    database = urlsplit(platform.database_url)
    to_database = stack.enter_context(relay(database.port or 5432, b"LISTEN"))
    url = with_login(platform.database_url, "tongdao_catalog", platform.secrets.password("catalog"))
    there = url.replace(f":{database.port}", f":{to_database.port}")
    catalog = stack.enter_context(replica(platform, "catalog-service", "catalog-2", database_url=there))
    deaf = stack.enter_context(replica(platform, "gateway", "gateway-4", catalog_url=catalog))
    result["listen_cut"] = cut_silently(bench, to_database, deaf)

    to_catalog = stack.enter_context(relay(urlsplit(platform.url("catalog-service")).port or 80))
    behind = f"http://127.0.0.1:{to_catalog.port}"
    cut_off = stack.enter_context(replica(platform, "gateway", "gateway-5", catalog_url=behind))
    result["feed_cut"] = cut_silently(bench, to_catalog, cut_off)
    result["unreachable"] = unreachable(bench, to_catalog, cut_off)
    return result


def broken(result: dict[str, object]) -> list[str]:
    """Which promises were not kept (security.md P9, P10)."""
    bars = {"token": BAR_MS, "client": BAR_MS, "system": BAR_MS, "department": BAR_MS}
    bars |= {"listen_cut": CUT_BAR_MS, "feed_cut": CUT_BAR_MS}
    slow = [name for name, bar in bars.items() if result[name]["p99_ms"] > bar]  # type: ignore[index]
    served = result["unreachable"]["served_s"]  # type: ignore[index]
    return slow + (["unreachable"] if served > STALE_S + STALE_SLACK_S else [])


def main() -> int:
    """0 if every promise was kept."""
    with open_folder() as folder, started(folder / "home") as platform, ExitStack() as stack:
        result = run(platform, stack)
    sys.stderr.write("\n")
    sys.stdout.write(json.dumps({**result, "broken": broken(result)}) + "\n")
    return 1 if broken(result) else 0


if __name__ == "__main__":
    sys.exit(main())
