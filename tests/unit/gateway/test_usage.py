"""How often grants are used: every call counts once, however often the catalog has to be told."""

import msgspec
import pytest
from httpx2 import MockTransport

from gateway.usage import Tally
from runtime.http import AsyncClient, Request, Response
from runtime.service_auth import ServiceKey
from wire.audit import CallLeaf
from wire.usage import Report, Use

pytestmark = pytest.mark.anyio
KEY = ServiceKey(b"s" * 32, "gateway")


class Catalog:
    """Acknowledges, or not; keeps what it was sent."""

    def __init__(self) -> None:
        self.status = 204
        self.sent: list[Report] = []
        self.client = AsyncClient(transport=MockTransport(self._answer), base_url="http://catalog")

    def _answer(self, request: Request) -> Response:
        KEY.check(request.headers["tongdao-service"].encode(), b"POST", b"/usage", request.content)
        self.sent.append(msgspec.json.decode(request.content, type=Report))
        return Response(self.status)


def leaf(grant: str, at_ready: int, code: str = "") -> CallLeaf:
    return CallLeaf(
        at_in=1, call="c", department="d", epoch=0, gateway="", interface="i", method="GET", path="", phase="outcome",
        sequence=0, system="s", version="v1", grant=grant, at_ready=at_ready, code=code,
    )  # fmt: skip


@pytest.mark.requirement("STA-02")
async def test_calls_are_counted_by_grant_and_told_once() -> None:
    catalog = Catalog()
    tally = Tally("gateway-1", catalog.client, KEY)
    tally.count(leaf("a", 1000))
    tally.count(leaf("a", 3000, "exchange/timeout"))
    tally.count(leaf("b", 2000))
    await tally.report()
    await tally.report()
    (report,) = catalog.sent
    assert report.gateway == "gateway-1"
    assert report.until > report.since
    assert report.grants == {"a": Use(calls=2, errors=1, last_ms=3000), "b": Use(calls=1, last_ms=2000)}


@pytest.mark.requirement("STA-02")
@pytest.mark.parametrize("status", [401, 500, 503])
async def test_what_was_not_acknowledged_is_told_again_as_it_was_before_anything_newer(status: int) -> None:
    catalog = Catalog()
    tally = Tally("gateway-1", catalog.client, KEY)
    catalog.status = status
    tally.count(leaf("a", 1000))
    await tally.report()
    tally.count(leaf("a", 2000))
    await tally.report()
    catalog.status = 204
    await tally.report()
    await tally.report()
    await tally.report()
    first, again, once_more, newer = catalog.sent
    assert first == again == once_more
    assert newer.since == first.until
    assert [report.grants["a"].calls for report in catalog.sent] == [1, 1, 1, 1]


@pytest.mark.requirement("STA-02")
async def test_an_idle_gateway_tells_nothing() -> None:
    catalog = Catalog()
    await Tally("gateway-1", catalog.client, KEY).report()
    assert catalog.sent == []
