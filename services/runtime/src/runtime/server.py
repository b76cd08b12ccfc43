"""How a service runs: FastAPI without surprises, uvicorn without a command line, health and drain."""

import asyncio
import resource
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, NamedTuple

import structlog
import uvicorn
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.responses import Response

from runtime import documents, problems
from runtime.access import PUBLIC
from runtime.collector import settle
from runtime.db import UnfitDatabase
from runtime.env import WRONG_SETTINGS
from runtime.tasks import Tasks
from runtime.tls import Renewal, TlsFiles

log = structlog.get_logger()
DRAIN_S = 30
IDLE_S = 10
BACKLOG = 4096
HANDSHAKE_S = 3
GOODBYE_S = 1
RENEW_TLS_S = 60
STARTUP_FAILURE = 3
"""Exit code, the same as uvicorn's own for a port that is taken."""
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
Ready = Callable[[], Awaitable[None]]


def make_app(
    title: str, lifespan: Lifespan, ready: Ready, *, docs: bool = True, largest_body: int | None = None
) -> FastAPI:
    """A FastAPI application with problem documents, health and documentation pages that need no network.

    ready         raises while the service cannot do its work; answered at /health/ready
    largest_body  bytes of a request where its route does not say otherwise
    """
    factory: Any = FastAPIOffline if docs else FastAPI
    app: FastAPI = factory(
        title=title, lifespan=lifespan, docs_url="/docs" if docs else None, redoc_url=None, telemetry=None,
        redirect_slashes=False,  # it would lead to our own address, or to any that a client names in Host
    )  # fmt: skip
    app.router.max_body_size = largest_body  # routes inherit it; the application itself would refuse in plain text
    problems.install(app)
    documents.describe(app)

    @app.get("/health/live", include_in_schema=False, dependencies=[PUBLIC])
    async def live() -> Response:
        return Response("ok\n", media_type="text/plain")

    @app.get("/health/ready", include_in_schema=False, dependencies=[PUBLIC])
    async def is_ready() -> Response:
        try:
            await asyncio.wait_for(ready(), 2)
        except Exception as error:
            return Response(f"not ready: {type(error).__name__} {error}"[:300] + "\n", 503, media_type="text/plain")
        return Response("ready\n", media_type="text/plain")

    return app


class Encrypted(NamedTuple):
    """A listener with TLS beside the plain one."""

    port: int
    files: TlsFiles


def serve(
    app: FastAPI,
    host: str,
    port: int,
    http: type[asyncio.Protocol] | None = None,
    root_path: str = "",
    encrypted: Encrypted | None = None,
) -> None:
    """Run until SIGTERM or SIGINT, then finish what is in flight (at most DRAIN_S seconds).

    http       uvicorn's protocol class; a fast lane hands in its own.
    root_path  where the world sees the application, when a gateway in front takes such a prefix off
    encrypted  a second port of the same server, with TLS
    """
    config = uvicorn.Config(
        app, host=host, port=port, http=http or "httptools", loop="uvloop", lifespan="on", ws="none",
        root_path=root_path, log_config=None, access_log=False, server_header=False, proxy_headers=False,
        timeout_keep_alive=IDLE_S, timeout_graceful_shutdown=DRAIN_S, backlog=BACKLOG,
    )  # fmt: skip
    _open_many_files()
    server = _Server(config, encrypted)
    try:
        server.run()
    except UnfitDatabase as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass
    if server.failed:
        sys.exit(STARTUP_FAILURE)


class _Server(uvicorn.Server):
    """uvicorn's server with a second listener: uvicorn itself has one context for all of its sockets."""

    def __init__(self, config: uvicorn.Config, encrypted: Encrypted | None) -> None:
        super().__init__(config)
        self._encrypted = encrypted
        self._context = None if encrypted is None else _context(encrypted.files)
        self._tasks = Tasks()
        self.failed = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        settle()
        if self._encrypted is None or self._context is None:
            return
        try:
            self.servers.append(await self._listen(self._encrypted.port, self._context))
        except OSError as error:
            log.error("server.not_listening", port=self._encrypted.port, error=str(error))
            self.should_exit = self.failed = True
            return
        self._tasks.every(RENEW_TLS_S, "tls", Renewal(self._encrypted.files, self._context).tick)

    async def _listen(self, port: int, context: ssl.SSLContext) -> asyncio.Server:
        loop = asyncio.get_running_loop()

        def connection() -> asyncio.Protocol:
            protocol: Any = self.config.http_protocol_class
            made: asyncio.Protocol = protocol(
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state, _loop=loop
            )
            return made

        return await loop.create_server(
            connection, self.config.host, port, ssl=context, backlog=BACKLOG,
            ssl_handshake_timeout=HANDSHAKE_S, ssl_shutdown_timeout=GOODBYE_S,
        )  # fmt: skip

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        await self._tasks.stop()


def _open_many_files() -> None:
    """As many as this process may have: what it may have without asking is no more than 1,024 on many machines."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # where the most that it may have is more than the system gives
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _context(files: TlsFiles) -> ssl.SSLContext:
    try:
        return files.context()
    except OSError as error:  # of a wrong file too: ssl.SSLError is one
        sys.stderr.write(f"the TLS files cannot be used: {error}; correct the settings tls_… and start again\n")
        raise SystemExit(WRONG_SETTINGS) from None
