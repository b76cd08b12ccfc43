"""Whose turn it is to have a file made."""

import asyncio

import pytest

from audit_service.search import turns
from runtime.errors import Refusal
from wire import codes
from wire.tokens import AccessToken


@pytest.mark.anyio
async def test_the_queue_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "MOST_WAITING", 1)
    short = turns.Turns(1)
    release = asyncio.Event()

    async def held(department: str) -> None:
        async with short.of(AccessToken("c", department, frozenset(), 0, "t")):
            await release.wait()

    under_way = [asyncio.create_task(held(name)) for name in ("a", "b")]
    await asyncio.sleep(0)
    with pytest.raises(Refusal) as refused:
        await held("c")
    assert refused.value.code is codes.ONE_FILE_AT_A_TIME
    release.set()
    await asyncio.gather(*under_way)
    await held("c")
