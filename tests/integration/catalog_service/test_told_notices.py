"""What identity has the catalog tell a department: taken from identity alone, once each, in both languages."""

from typing import Any

import msgspec
import pytest

from harness.catalog import SECRET, Catalog
from runtime import http
from runtime.service_auth import ServiceKey
from wire import notices, scopes

pytestmark = pytest.mark.anyio
IDENTITY = ServiceKey(SECRET, "identity")


def told(**changes: str) -> bytes:
    stated = notices.Told(
        key="key/zjj-housing/k1/1/30", word=notices.KEY_EXPIRING, department="zjj", office=scopes.OFFICER,
        kind="client", about="zjj-housing",
        facts={"client": "zjj-housing", "kid": "k1", "ends": "2027-01-01T00:00:00Z", "days": "30"},
    )  # fmt: skip
    return msgspec.json.encode(msgspec.structs.replace(stated, **changes))


async def tell(catalog: Catalog, body: bytes, key: ServiceKey = IDENTITY) -> http.Response:
    return await catalog.client.post(notices.PATH, content=body, headers=key.headers("POST", notices.PATH, body))


async def inbox(catalog: Catalog, department: str = "zjj", office: str = scopes.OFFICER) -> list[dict[str, Any]]:
    answer = await catalog.ask("GET", "/inbox", by=department, allowed=(office,))
    return [one for one in answer.json()["items"] if one["word"] == notices.KEY_EXPIRING]


@pytest.mark.requirement("IDK-07")
async def test_the_departments_officers_are_told_once(catalog: Catalog) -> None:
    await catalog.furnish()
    for _ in range(2):
        assert (await tell(catalog, told())).status_code == 204
    (one,) = await inbox(catalog)
    assert one["about"] == {"kind": "client", "id": "zjj-housing"}
    assert one["text"] == {
        "zh": "系统 zjj-housing 的密钥 k1 将于 2027-01-01T00:00:00Z 失效，剩余不足 30 天，请登记新密钥后停用旧密钥",
        "en": "Key k1 of zjj-housing ends 2027-01-01T00:00:00Z, in 30 days or less; register a new one, "
        "then take the old one away",
    }
    assert await inbox(catalog, "rsj") == await inbox(catalog, office=scopes.HEAD) == []
    assert (await tell(catalog, told(key="key/zjj-housing/k1/1/14"))).status_code == 204
    assert len(await inbox(catalog)) == 2


@pytest.mark.requirement("IDK-07")
async def test_nobody_but_identity_says_so(catalog: Catalog) -> None:
    await catalog.furnish()
    before = len(await inbox(catalog))
    assert (await tell(catalog, told(key="other"), ServiceKey(SECRET, "gateway"))).status_code == 401
    assert (await tell(catalog, told(key="other"), ServiceKey(b"x" * 32, "identity"))).status_code == 401
    for by in ("platform", "zjj"):
        assert (await catalog.ask("POST", notices.PATH, msgspec.json.decode(told()), by=by)).status_code == 401
    assert (await tell(catalog, b"{}")).status_code == 422
    assert (await tell(catalog, b"\xff")).status_code == 422
    assert len(await inbox(catalog)) == before
