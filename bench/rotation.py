"""A planned rotation of the signing keys under load: `make bench-rotation`. Starts its own platform and stops it.

Systems call through a gateway of their own and get new tokens all the time, while somebody sends it tokens that name
keys which there are not. Then identity's signing key is rotated. Printed: calls that failed (there may be none), and
how often that gateway fetched the keys (once in 10 s at most, however many unknown names come). A new key is published
AHEAD_S before it signs, instead of 150 s, so that the whole takes a minute.
"""

import json
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, pairwise
from typing import Any

from joserfc import jws, jwt
from joserfc.jwk import ECKey

from harness.loaders import Loaders
from harness.members import Authority, Member, wait_until_known
from harness.platform import Platform, open_folder, started
from harness.replicas import replica
from runtime.http import sync_client
from wire.assertions import fetch_token

CALLS, LOADERS, CALLS_A_TOKEN, UNKNOWN_PER_S = 10_000, 4, 20, 20
AHEAD_S, ROTATE_AFTER = 12, 2_000
INTERFACE, FIELDS = "sthjj-air-quality/v1", ["aqi"]


@contextmanager
def counted(identity: str) -> Iterator[tuple[str, list[float]]]:
    """Address that stands for identity's published keys, and when they were fetched there (monotonic seconds)."""
    fetched: list[float] = []
    behind = sync_client(identity)

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            fetched.append(time.monotonic())
            answer = behind.get(self.path)
            self.send_response(answer.status_code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_said: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", fetched
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
        behind.close()


class Load(Loaders):
    """Calls as fast as LOADERS systems make them one after another, and tokens of unknown keys beside them."""

    def __init__(self, platform: Platform, gateway: str, members: list[Member]) -> None:
        self._platform = platform
        self._gateway = gateway
        super().__init__([*(partial(self._call, member) for member in members), self._send_unknown])
        self.statuses: Counter[int] = Counter()
        self.by_key: Counter[str] = Counter()
        self.failed: list[str] = []
        self.unknown = 0

    def _call(self, member: Member) -> None:
        with sync_client(self._gateway) as there, self._platform.client() as home:
            while not self.over.is_set():
                token = fetch_token(home, self._platform.gateway, member.name, member.key)
                kid = str(jws.extract_compact(token.encode()).headers()["kid"])
                for _ in range(CALLS_A_TOKEN):
                    answer = there.get(f"/x/{INTERFACE}", headers={"Authorization": f"Bearer {token}"})
                    self.statuses[answer.status_code] += 1
                    self.by_key[kid] += 1
                    if answer.status_code != 200:
                        self.failed.append(f"{answer.status_code} {answer.text[:300]}")

    def _send_unknown(self) -> None:
        key = ECKey.generate_key("P-256")
        with sync_client(self._gateway) as there:
            for n in count():
                if self.over.wait(1 / UNKNOWN_PER_S):
                    return
                token = forged(key, self._platform.gateway, n)
                assert there.get(f"/x/{INTERFACE}", headers={"Authorization": f"Bearer {token}"}).status_code == 401
                self.unknown += 1

    @property
    def calls(self) -> int:
        return self.statuses.total()

    def wait(self, calls: int) -> None:
        """Until so many calls were made; ends the bench when somebody stopped making them."""
        while self.calls < calls:
            if not self.are_at_work:
                sys.exit("a loader died; what it raised stands above")
            time.sleep(1)
            sys.stderr.write(f"\r{self.calls} calls")


def forged(key: ECKey, issuer: str, n: int) -> str:
    """A token as one of ours, of a key that nobody knows."""
    now = int(time.time())
    claims = {
        "iss": issuer, "aud": issuer, "sub": "x", "client_id": "x", "department": "x", "scope": "call", "iat": now,
        "exp": now + 60, "jti": secrets.token_hex(8),
    }  # fmt: skip
    return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": f"unknown-{n}"}, claims, key)


def rotate(load: Load, authority: Authority) -> dict[str, Any]:
    """The rotation while the load goes on; what there is to say of it."""
    load.wait(ROTATE_AFTER)
    before = set(load.by_key)
    made = authority.send("POST", "/oauth2/keys/rotate", {"reason": "检验"})["kid"]
    while not load.by_key[made]:
        load.wait(load.calls + 1)
    load.wait(max(CALLS, load.calls + ROTATE_AFTER))
    return {"keys_before": len(before), "calls_with_the_new_key": load.by_key[made]}


def main() -> None:
    ahead = {"TONGDAO_IDENTITY_PUBLISH_AHEAD_S": str(AHEAD_S)}
    with open_folder() as folder, started(folder / "home", **ahead) as platform, platform.client() as client:
        authority = Authority(platform, client)
        members = [authority.system(f"load-{n}", "jyj") for n in range(LOADERS)]
        for member in members:
            authority.grant(member.name, INTERFACE, FIELDS)
            wait_until_known(member, "GET", INTERFACE)
        with (
            counted(platform.url("identity")) as (keys, fetched),
            replica(platform, "gateway", "gateway-2", identity_url=keys) as gateway,
            Load(platform, gateway, members) as load,
        ):
            told = rotate(load, authority)
    gaps = [later - earlier for earlier, later in pairwise(fetched)]
    line = {
        "calls": load.calls, "failed": len(load.failed), "statuses": load.statuses, **told,
        "tokens_of_unknown_keys": load.unknown, "key_fetches": len(fetched),
        "shortest_gap_s": round(min(gaps, default=0.0), 2), "first_failure": "".join(load.failed[:1]),
    }  # fmt: skip
    sys.stderr.write("\n")
    print(json.dumps(line, ensure_ascii=False))
    if load.failed or min(gaps, default=10.0) < 9.9:
        sys.exit(1)


if __name__ == "__main__":
    main()
