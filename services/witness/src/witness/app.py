"""A witness as a process: settings -> parts -> server. Run as `python -m witness.app`."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from relay.protocol import Handler, call_protocol
from runtime import env, logs
from runtime.clock import SystemClock
from runtime.server import make_app, serve
from witness import api
from witness.cosigner import Cosigner, key_from_file
from witness.keeper import CannotKeep, Keeper
from witness.settings import Settings


def build(settings: Settings) -> tuple[FastAPI, Handler]:
    """The application for what it holds, and the handler for what is to be cosigned. Raises CannotKeep."""
    files = [file for file in (settings.key_file, settings.next_key_file) if file is not None]
    keeper = Keeper(settings.folder)
    for file in files:
        keeper.claim(file)
    keys = [key_from_file(settings.name, file) for file in files]
    cosigner = Cosigner({log.origin: log.vkeys for log in settings.logs}, keys, keeper, SystemClock())

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        keeper.close()

    async def ready() -> None:
        """Everything was read before the start."""

    app = make_app("Tongdao witness", lifespan, ready, docs=False)
    app.include_router(api.router(cosigner))
    return app, api.SubmissionDoor(cosigner).handle


def main() -> None:
    """Start and serve until told to stop."""
    settings = env.load(Settings)
    logs.configure("witness", settings.log_level)
    try:
        app, handle = build(settings)
    except (CannotKeep, OSError, TypeError, ValueError) as error:
        sys.stderr.write(f"witness: {error}\n")
        raise SystemExit(env.WRONG_SETTINGS) from None
    serve(app, settings.host, settings.port, call_protocol(api.PREFIX, handle))


if __name__ == "__main__":
    main()
