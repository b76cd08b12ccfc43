"""The others: nginx, Envoy with and without its cache of tokens, and a naive gateway, started and checked.

Each on the measured core, with a configuration from `contenders/`, and shown to do what is said of it.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from joserfc import jwk, jwt

from peers.contender import Contender, head
from peers.ours import PATH, Broken, ask, forge
from peers.processes import cores, listening, pin, running
from peers.provider import MASKED
from peers.tools import Tool
from runtime.http import sync_client
from tongdao_cli.postgres import free_port

CONFIGURATIONS = Path(__file__).with_name("contenders")
AUDIENCE, LIFE_S = "bench", 3600


class Issuer:
    """Signs the tokens of the others: RS256, 2,048 bits."""

    name = "https://issuer.bench"

    def __init__(self) -> None:
        self._key = jwk.RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})
        self.keys = json.dumps({"keys": [self._key.as_dict(private=False)]})

    def token(self) -> str:
        """A token for the whole run."""
        claims = {"iss": self.name, "aud": AUDIENCE, "sub": "bench", "exp": int(time.time()) + LIFE_S}
        return jwt.encode({"alg": "RS256", "kid": "1"}, claims, self._key)


@contextmanager
def nginx(tool: Tool, provider_port: int) -> Iterator[Contender]:
    """A plain proxy."""
    port = free_port()
    with folder() as place:
        configuration = filled("nginx.conf", place, PORT=port, PROVIDER=provider_port)
        with running([tool.program, "-p", place, "-c", configuration], place / "output", **tool.environment) as process:
            listening(process, port, place / "output")
            yield contender("nginx", port, lambda: "none", {"nginx": [process.pid]})


@contextmanager
def envoy(tool: Tool, provider_port: int, issuer: Issuer, *, cached: bool) -> Iterator[Contender]:
    """Tokens verified, one log line a call, local rate limit. cached  whether it remembers the tokens it verified"""
    port = free_port()
    with folder() as place:
        configuration = filled(
            "envoy.yaml", place, PORT=port, PROVIDER=provider_port, ISSUER=issuer.name, AUDIENCE=AUDIENCE,
            KEYS=issuer.keys, CACHE="{jwt_cache_size: 100}" if cached else "null",
        )  # fmt: skip
        options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
        with running([tool.program, "-c", configuration, *options], place / "output", **tool.environment) as process:
            listening(process, port, place / "output")
            token = issuer.token()
            refuses(port, token)
            name = "envoy_cached" if cached else "envoy"
            yield contender(name, port, lambda: token, {"envoy": [process.pid]})


@contextmanager
def naive(provider_port: int, issuer: Issuer, database_url: str, postgres: Sequence[int]) -> Iterator[Contender]:
    """FastAPI twice. postgres  the server's processes"""
    port, inner = free_port(), free_port()
    settings = {
        "NAIVE_KEYS": issuer.keys, "NAIVE_ISSUER": issuer.name, "NAIVE_AUDIENCE": AUDIENCE,
        "NAIVE_EXCHANGE": f"http://127.0.0.1:{inner}", "NAIVE_DATABASE": database_url,
        "NAIVE_PROVIDER": f"http://127.0.0.1:{provider_port}",
    }  # fmt: skip
    with (
        folder() as place,
        uvicorn("exchange", inner, place, settings) as exchange,
        uvicorn("gateway", port, place, settings) as gateway,
    ):
        token = issuer.token()
        refuses(port, token)
        if (shown := answered(port, token)) != MASKED:
            raise Broken(f"the naive gateway's answer was not projected and masked: {shown}")
        parts = {"gateway": [gateway], "exchange": [exchange]}
        yield contender("naive", port, lambda: token, parts, postgres)


@contextmanager
def uvicorn(app: str, port: int, place: Path, settings: dict[str, str]) -> Iterator[int]:
    """The process of one of the naive apps."""
    options = ["--factory", "--port", str(port), "--no-access-log"]
    command = [sys.executable, "-m", "uvicorn", f"peers.contenders.naive:{app}", *options]
    with running(command, place / app, **settings) as process:
        listening(process, port, place / app)
        yield process.pid


def contender(
    name: str, port: int, token: Callable[[], str], parts: dict[str, list[int]], postgres: Sequence[int] = ()
) -> Contender:
    """One of the others, pinned."""
    for pids in parts.values():
        pin(pids, cores()[0])
    return Contender(name, port, lambda: head(port, PATH, token()), parts, {"postgres": postgres} if postgres else {})


@contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder that servers may enter which run as somebody else."""
    with tempfile.TemporaryDirectory(prefix="tongdao-peer-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def filled(name: str, place: Path, **words: object) -> Path:
    """The configuration with its words filled in, FOLDER being `place`."""
    text = (CONFIGURATIONS / name).read_text()
    for word, value in {"FOLDER": place, **words}.items():
        text = text.replace(f"__{word}__", str(value))
    (place / name).write_text(text)
    return place / name


def refuses(port: int, token: str) -> None:
    """It lets the token through and refuses a forged one; raises Broken."""
    with sync_client(f"http://127.0.0.1:{port}") as client:
        statuses = ask(client, token).status_code, ask(client, forge(token)).status_code
    if statuses != (200, 401):
        raise Broken(f"a token and a forged one were answered with {statuses}")


def answered(port: int, token: str) -> object:
    """What it says to one call."""
    with sync_client(f"http://127.0.0.1:{port}") as client:
        return ask(client, token).json()
