"""How grants came about, asked of the catalog service: a package is not made without it."""

import asyncio
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
import structlog

from runtime.errors import Refusal
from runtime.http import AsyncClient, HTTPError
from runtime.service_auth import ServiceKey
from wire import codes

log = structlog.get_logger()
AT_ONCE = 8
_ID = re.compile(r"[0-9a-f-]{1,36}")


class Dossier(NamedTuple):
    """What the catalog knows of a grant; `parties` are the departments on its two sides, if it knows any."""

    grant: str
    told: dict[str, Any]

    @property
    def parties(self) -> set[str]:
        grant, interface = self.told.get("grant") or {}, self.told.get("interface") or {}
        return {grant.get("department", ""), interface.get("provider", "")} - {""}

    @property
    def cases(self) -> list[str]:
        """Ids of the cases that led to it."""
        return [case["id"] for case in self.told.get("cases", [])]


class Dossiers:
    """Fetches them. `catalog` leads to the catalog service."""

    def __init__(self, catalog: AsyncClient, key: ServiceKey) -> None:
        self._catalog = catalog
        self._key = key
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def of(self, grants: Iterable[str]) -> list[Dossier]:
        """One for each grant, in the order of their ids. Raises Refusal(DOSSIER_AWAY)."""
        return list(await asyncio.gather(*(self._fetched(grant) for grant in sorted(set(grants)))))

    async def _fetched(self, grant: str) -> Dossier:
        if not _ID.fullmatch(grant):
            return Dossier(grant, {"unknown": grant})
        target = f"/dossiers/{grant}"
        try:
            async with self._turns:
                answer = await self._catalog.get(target, headers=self._key.headers("GET", target))
            if answer.status_code == 404:
                return Dossier(grant, {"unknown": grant})
            answer.raise_for_status()
            return Dossier(grant, msgspec.json.decode(answer.content, type=dict[str, Any]))
        except (HTTPError, msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("dossier.not_fetched", grant=grant, error=type(error).__name__)
            raise Refusal(codes.DOSSIER_AWAY, type(error).__name__, retry_after=5) from None
