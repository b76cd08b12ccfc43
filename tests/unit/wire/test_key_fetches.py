"""How often an issuer is asked for its keys, however many tokens name keys that nobody has."""

import asyncio
from typing import Any

import pytest
from joserfc import jwk

from wire.tokens import Keys, UnknownKey

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("FRO-06")]
KEY = jwk.ECKey.generate_key("P-256", {"kid": "identity-1", "use": "sig", "alg": "ES256"})


class Issuer:
    """Gives its keys, and counts how often."""

    def __init__(self) -> None:
        self.asked = 0

    async def jwks(self) -> dict[str, Any]:
        self.asked += 1
        await asyncio.sleep(0)
        return {"keys": [KEY.as_dict(private=False)]}


@pytest.mark.parametrize("row", ["D-9 at once", "D-9 one after the other"])
async def test_a_flood_of_unknown_keys_asks_the_issuer_once(row: str) -> None:
    issuer = Issuer()
    keys = Keys(issuer.jwks)
    floods = [keys.tried(lambda number=number: keys.get(f"kid-{number}")) for number in range(2000)]  # type: ignore[misc]
    if row == "D-9 at once":
        found = await asyncio.gather(*floods, return_exceptions=True)
    else:
        found = [(await asyncio.gather(one, return_exceptions=True))[0] for one in floods]
    assert {type(one) for one in found} == {UnknownKey}
    assert issuer.asked == 1
    assert await keys.tried(lambda: keys.get("identity-1"))
    assert issuer.asked == 1
