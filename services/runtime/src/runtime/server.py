"""How a service runs: FastAPI without surprises, uvicorn without a command line, health and drain."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.responses import Response

from runtime import problems
from runtime.db import UnfitDatabase

log = structlog.get_logger()
DRAIN_S = 30
IDLE_S = 10
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
        title=title, lifespan=lifespan, docs_url="/docs" if docs else None, redoc_url=None, telemetry=None
    )
    app.router.max_body_size = largest_body  # routes inherit it; the application itself would refuse in plain text
    problems.install(app)

    @app.get("/health/live", include_in_schema=False)
    async def live() -> Response:
        return Response("ok\n", media_type="text/plain")

    @app.get("/health/ready", include_in_schema=False)
    async def is_ready() -> Response:
        try:
            await asyncio.wait_for(ready(), 2)
        except Exception as error:
            return Response(f"not ready: {type(error).__name__} {error}"[:300] + "\n", 503, media_type="text/plain")
        return Response("ready\n", media_type="text/plain")

    return app


def serve(app: FastAPI, host: str, port: int, http: type[asyncio.Protocol] | None = None, root_path: str = "") -> None:
    """Run until SIGTERM or SIGINT, then finish what is in flight (at most DRAIN_S seconds).

    http       uvicorn's protocol class; a fast lane hands in its own
    root_path  where the world sees the application, when a gateway in front takes such a prefix off
    """
    config = uvicorn.Config(
        app, host=host, port=port, http=http or "httptools", loop="uvloop", lifespan="on", ws="none",
        root_path=root_path, log_config=None, access_log=False, server_header=False, proxy_headers=False,
        timeout_keep_alive=IDLE_S, timeout_graceful_shutdown=DRAIN_S, backlog=4096,
    )  # fmt: skip
    try:
        uvicorn.Server(config).run()
    except UnfitDatabase as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        pass
