"""People who keep the log, before its doors, and days that are old enough for them."""

from datetime import timedelta
from typing import Any

from harness.audit_archive import Keeping
from harness.audit_doors import Doors, token
from runtime.http import Response
from wire import scopes

REASON = "保存期限届满"


class Office:
    """People before the doors of keeping."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    async def ask(
        self, who: str, method: str, path: str, body: Any = None, *, scope: str = scopes.AUDIT_KEEP
    ) -> Response:
        headers = {"Authorization": f"Bearer {token('数据局', scope, client=who)}"}
        more = {} if body is None else {"json": body}
        return await self._doors.client.request(method, path, headers=headers, **more)

    async def post(self, path: str, content: bytes) -> Response:
        """Any bytes at all."""
        headers = {"Authorization": f"Bearer {token('数据局', scopes.AUDIT_KEEP)}", "Content-Type": "application/json"}
        return await self._doors.client.post(path, headers=headers, content=content)

    async def propose(self, who: str, before: str, retention: str = "general") -> Response:
        return await self.ask(who, "POST", "/disposals", {"retention": retention, "before": before, "reason": REASON})

    async def decided(self, before: str, retention: str = "general") -> str:
        """A disposal that Ana proposed and Bo approved; its id."""
        proposed = await self.propose("ana", before, retention)
        assert proposed.status_code == 201, proposed.text
        number: str = proposed.json()["id"]
        approved = await self.ask("bo", "POST", f"/disposals/{number}/approve")
        assert (approved.status_code, approved.json()["state"]) == (200, "approved")
        return number


async def old_days(keeping: Keeping, *, archived: bool = True) -> tuple[str, str, list[str]]:
    """Two general days, one of them old enough, with personal calls beside; the old segment and its first day after."""
    old, day = f"{keeping.today}-general", f"{keeping.clock.at + timedelta(days=1):%Y-%m-%d}"
    calls = await keeping.calls(3, "general", case="办件-旧")
    await keeping.calls(2, "personal")
    await keeping.settle()
    keeping.pass_days(100)
    await keeping.calls(2, "general")
    await keeping.settle()
    keeping.pass_days(120)
    if archived:
        await keeping.tick()
    return old, day, calls


async def files(keeping: Keeping, segment: str) -> list[str]:
    """What of a segment's records is in the store."""
    return [name for name in await keeping.objects.names(f"{segment[:4]}/{segment}") if not name.endswith(".json")]


async def told(keeping: Keeping, office: Office, before: str) -> str:
    """A disposal that two people decided, whose leaves are published, and of which nothing has gone; its id."""
    number = await office.decided(before)
    await keeping.settle()
    await keeping.disposing.tick()
    await keeping.settle()
    return number
