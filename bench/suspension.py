"""How soon a suspension is effective at the gateway: `make bench-suspension`. Starts its own platform and stops it.

The authority suspends a permission by a case of its own (国务院令第809号 27), 50 times, while 50 other calls a second
go through the same gateway. One system asks all the time; the delay of a trial is the time from sending the suspension
to the start of the last call that was still allowed. What the law's procedure takes by itself is in it.
"""

import json
import sys
import threading
import time

from harness.loaders import SteadyLoad
from harness.members import Authority, Member, Officer, wait_until_known
from harness.platform import open_folder, started
from wire import scopes

TRIALS, LOAD_PER_S, LOADERS = 50, 50, 5
INTERFACE = "sthjj-air-quality/v1"
FIELDS = ["aqi"]


def trial(asker: Member, suspender: Officer, other: Officer, grant: str) -> float:
    """Milliseconds from sending the suspension to the start of the last call that was allowed; then it is lifted."""
    token = asker.token()
    allowed: list[float] = []
    refused = threading.Event()

    def ask() -> None:
        refusals = 0
        while refusals < 20:
            began = time.monotonic()
            if asker.with_token(token, "GET", INTERFACE).status_code == 200:
                allowed.append(began)
                refusals = 0
            else:
                refusals += 1
        refused.set()

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.2)
    sent = time.monotonic()
    details = {"trigger": "over_purpose", "finding": "检验"}
    case = suspender.opens("suspension", grant=grant, interface=INTERFACE, details=details)
    assert refused.wait(30), "still allowed after half a minute"
    asking.join()
    other.does(case, "lift", reason="检验完毕")
    wait_until_known(asker, "GET", INTERFACE)
    return max(0.0, (max(allowed) - sent) * 1000)


def main() -> None:
    with open_folder() as folder, started(folder / "home") as platform, platform.client() as client:
        authority = Authority(platform, client)
        suspender = authority.officer("dsjj", scopes.AUTHORITY)
        other = authority.officer("dsjj", scopes.AUTHORITY, "dsjj-second")
        asker = authority.system("suspended", "jtj")
        grant = authority.grant(asker.name, INTERFACE, FIELDS)
        members = [authority.system(f"load-{n}", "jyj") for n in range(LOADERS)]
        for member in members:
            authority.grant(member.name, INTERFACE, FIELDS)
        for member in (asker, *members):
            wait_until_known(member, "GET", INTERFACE)
        with SteadyLoad([platform.gateway], members, INTERFACE, LOAD_PER_S) as load:
            delays = []
            for n in range(TRIALS):
                delays.append(trial(asker, suspender, other, grant))
                sys.stderr.write(f"\r{n + 1}/{TRIALS}")
        delays.sort()
        line = {
            "trials": TRIALS, "p50_ms": round(delays[TRIALS // 2], 1), "p99_ms": round(delays[-1], 1),
            "load_calls": load.statuses.total(), "load_statuses": load.statuses,
        }  # fmt: skip
        sys.stderr.write("\n")
        print(json.dumps(line))  # p99 of 50 is the slowest


if __name__ == "__main__":
    main()
