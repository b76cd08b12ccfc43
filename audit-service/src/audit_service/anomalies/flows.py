"""Alerts for people: who may see one, with which records, and how it is closed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from audit_service import store as log_store
from audit_service.anomalies import store
from audit_service.anomalies.model import Alert, Finding, filter_of, told
from audit_service.anomalies.rules import Rule, as_data
from audit_service.feeds.model import shown, told_by
from audit_service.search.finder import Finder
from audit_service.summary import Filter, Summary
from audit_service.writer import Writer
from runtime.clock import Clock, SystemClock
from runtime.errors import INVALID_REQUEST, Refusal
from wire import codes, scopes
from wire.tokens import AccessToken


class Alerts:
    """An auditor sees all; a department those about calls of one system in which it took part, and of the records its
    own. Whom an alert is about is told with `audit:subject` alone."""

    def __init__(
        self, database: log_store.Database, finder: Finder, writer: Writer, rules: Sequence[Rule],
        clock: Clock | None = None,
    ) -> None:  # fmt: skip
        self._database = database
        self._finder = finder
        self._writer = writer
        self._rules = rules
        self._clock = clock or SystemClock()

    def rules(self) -> object:
        """Those in force."""
        return as_data(self._rules)

    async def some(
        self, token: AccessToken, *, state: str, rule: str, finding: str, after: str, limit: int
    ) -> dict[str, Any]:
        """Newest first, without records."""
        before = _place(after)
        async with log_store.answering("alerts"):
            found = await store.some(
                self._database.reader, _as_whom(token), state=state, rule=rule, finding=finding, before=before,
                limit=limit,
            )  # fmt: skip
        last = f"{found[-1].raised_at.isoformat()}/{found[-1].id}" if len(found) == limit else None
        auditor = scopes.AUDIT_READ in token.scopes
        return {"items": [told(alert, to_auditor=auditor) for alert in found], "next": last}

    async def one(self, token: AccessToken, alert_id: str) -> dict[str, Any]:
        """With the records that the reader may see; on record before it is told."""
        async with log_store.answering("alerts"):
            alert = await self._seen(token, alert_id)
            rows = await store.records(self._database.reader, alert.calls)
        rows += await self._archived(alert, rows)
        sees_all = scopes.AUDIT_READ in token.scopes
        mine = [row for row in rows if sees_all or token.department in (row.department, row.provider)]
        await self._tell(token, "alert.viewed", alert=alert.id, count=str(len(mine)))
        return {
            **told(alert, to_auditor=sees_all), "prolonged_at": alert.prolonged_at, "closed_at": alert.closed_at,
            "note": alert.note, "filter": filter_of(alert, with_subject=scopes.AUDIT_SUBJECT in token.scopes),
            "calls": [row.call_id for row in mine], "records": [shown(row) for row in mine],
        }  # fmt: skip

    async def _archived(self, alert: Alert, rows: Sequence[Summary]) -> list[Summary]:
        """Those records that are in the database no more."""
        there = {row.call_id for row in rows}
        found: list[Summary] = []
        for call in alert.calls:
            if call not in there:
                found += await self._finder.after(Filter(call_id=call), -1, 4)
        return found

    async def close(self, token: AccessToken, alert_id: str, finding: Finding, note: str) -> dict[str, Any]:
        """Raises Refusal: NOT_FOUND, ALERT_CLOSED. Tells nothing of the records."""
        now = self._clock.now()
        async with log_store.answering("alerts"), self._database.clerk.acquire() as tx, tx.transaction():
            closed = await store.close(tx, alert_id, finding, note, token.client, now)
            if closed is None:
                known = await store.find(tx, alert_id)
                if known is None:
                    raise Refusal(codes.NOT_FOUND, f"alert {alert_id}")
                raise Refusal(codes.ALERT_CLOSED, f"alert {alert_id}", finding=known.finding)
            await self._tell(token, "alert.closed", alert=closed.id, rule=closed.rule, finding=finding)
        return {"id": closed.id, "state": closed.state, "finding": closed.finding, "closed_at": closed.closed_at}

    async def counts(self) -> dict[str, dict[str, int]]:
        """How many of each rule are open, or turned out to be what; rules without any have an empty member."""
        async with log_store.answering("alerts"):
            rows = await store.counts(self._database.reader)
        counted: dict[str, dict[str, int]] = {rule.id: {} for rule in self._rules}
        for rule, found, number in rows:
            counted.setdefault(rule, {})[found] = number
        return counted

    async def _seen(self, token: AccessToken, alert_id: str) -> Alert:
        alert = await store.find(self._database.reader, alert_id)
        sees_all = scopes.AUDIT_READ in token.scopes
        if alert is None or not (sees_all or alert.concerns(token.department)):
            raise Refusal(codes.NOT_FOUND, f"alert {alert_id}")
        return alert

    async def _tell(self, token: AccessToken, name: str, **facts: str) -> None:
        await self._writer.write([told_by(token, name, self._clock.now(), **facts)])


def _as_whom(token: AccessToken) -> str:
    """The department whose alerts are seen, "" for all; raises Refusal(NOT_YOURS)."""
    if scopes.AUDIT_READ in token.scopes:
        return ""
    if not token.department:
        raise Refusal(codes.NOT_YOURS, "the token names no department")
    return token.department


def _place(after: str) -> tuple[datetime, str] | None:
    """Where a page begins; raises Refusal(INVALID_REQUEST)."""
    if not after:
        return None
    at, _, last = after.partition("/")
    try:
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not 1970 <= moment.year <= 9998:
            raise ValueError
        return moment, str(UUID(last))
    except ValueError:
        raise Refusal(INVALID_REQUEST, "after is what an earlier answer gave as `next`") from None
