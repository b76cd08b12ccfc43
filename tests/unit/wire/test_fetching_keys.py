"""How often an issuer's keys are fetched, however many tokens name keys that there are not."""

import asyncio
from typing import Any

import pytest
from joserfc.jwk import ECKey

from wire.tokens import GONE_S, KEEP_S, REFRESH_PAUSE_S, Keys, UnknownKey

pytestmark = pytest.mark.anyio


class Time:
    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at


class Issuer:
    """Publishes keys, and counts how often they are asked for."""

    def __init__(self, *kids: str) -> None:
        self.asked = 0
        self.jwks = {"keys": [self._key(kid) for kid in kids]}

    def _key(self, kid: str) -> dict[str, Any]:
        return dict(ECKey.generate_key("P-256", {"kid": kid}).as_dict(private=False))

    async def fetch(self) -> dict[str, Any]:
        self.asked += 1
        await asyncio.sleep(0)
        return self.jwks


async def tried(keys: Keys, kid: str) -> bool:
    """Whether a token that names this key finds it."""
    try:
        await keys.tried(lambda: keys.get(kid))
    except UnknownKey:
        return False
    return True


@pytest.mark.requirement("IDK-11")
async def test_unknown_names_lead_to_one_fetch_in_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    time, issuer = Time(), Issuer("old")
    monkeypatch.setattr("wire.tokens.time", time)
    keys = Keys(issuer.fetch)
    assert not any(await asyncio.gather(*(tried(keys, f"unknown-{n}") for n in range(100))))
    assert await tried(keys, "old")
    assert issuer.asked == 1
    time.at += REFRESH_PAUSE_S - 0.01
    assert not any([await tried(keys, f"unknown-{n}") for n in range(100)])
    assert issuer.asked == 1
    issuer.jwks["keys"] += Issuer("new").jwks["keys"]
    time.at += 0.02
    assert all(await asyncio.gather(*(tried(keys, "new") for _ in range(100))))
    assert issuer.asked == 2
    assert REFRESH_PAUSE_S == 10.0


@pytest.mark.requirement("IDK-11")
async def test_keys_that_nobody_could_look_up_for_long_count_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    time, issuer = Time(), Issuer("old")
    monkeypatch.setattr("wire.tokens.time", time)
    keys, away = Keys(issuer.fetch), True

    async def fetch() -> dict[str, Any]:
        if away:
            raise OSError
        return await issuer.fetch()

    assert await tried(keys, "old")
    keys._fetch = fetch
    time.at += KEEP_S + 1
    assert await tried(keys, "old"), "looked up again meanwhile"
    await keys.refresh()
    time.at += GONE_S
    assert not await tried(keys, "old")
    time.at += REFRESH_PAUSE_S
    away = False
    assert await tried(keys, "old")


@pytest.mark.requirement("IDK-11")
async def test_after_a_quiet_day_a_retired_key_is_not_taken_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    time, issuer = Time(), Issuer("old")
    monkeypatch.setattr("wire.tokens.time", time)
    keys = Keys(issuer.fetch)
    assert await tried(keys, "old")
    issuer.jwks = Issuer("new").jwks
    time.at += 86_400
    assert not await tried(keys, "old")
    assert await tried(keys, "new")
    assert issuer.asked == 2


@pytest.mark.requirement("IDK-11")
async def test_an_issuer_that_drips_holds_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wire.tokens.FETCH_S", 0.01)

    async def drips() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    keys = Keys(drips)
    assert not any(await asyncio.gather(*(tried(keys, "any") for _ in range(3))))
    assert keys._running is None
