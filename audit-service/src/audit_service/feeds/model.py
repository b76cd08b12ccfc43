"""Feeds: who is sent what of their own usage, where to, and what a message says. Pure.

Source: 景德镇市政务数据共享管理暂行办法 16 (logs of use are pushed to provider and user as needed).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

import msgspec

from audit_service.summary import Filter, Summary
from relay.webhook import DENIED
from runtime.errors import INVALID_REQUEST, Refusal
from wire.audit import Event, new_event
from wire.tokens import AccessToken

Side = Literal["consumer", "provider", "both"]
Kind = Literal["usage", "digest", "alert"]
AFTER_DAY = timedelta(minutes=30)
BATCH = 100
"""Records in one message at most."""
_CURSOR = re.compile(r"u(0|[1-9][0-9]{0,17})")


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """Where a department's own usage is sent, and how far that has got.

    networks    the only ones that the name in `url` may lead to
    side        as what the department takes part in the calls that it wants
    interface   "" for all
    generation  of the signing key: a change of anything makes a new one
    position    leaf index up to which everything was taken there, or given up as a dead letter; -1 before the first
    digest_day  the last day whose figures were sent
    """

    id: str
    department: str
    url: str
    networks: list[str]
    side: Side
    interface: str
    digest: bool
    generation: int
    active: bool
    position: int
    digest_day: date
    made_by: str
    made_at: datetime

    @property
    def purpose(self) -> str:
        """From which the signing key is derived."""
        return f"subscription/{self.id}/{self.generation}"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One message on its way, or a dead letter.

    first, last, count  leaf indexes and number of its records (usage)
    side, interface     as they were when it was made
    body                what is sent (digest, alert); a batch of records is made anew from the records
    """

    n: int
    subscription: str
    kind: Kind
    side: Side
    interface: str
    first: int
    last: int
    count: int
    body: bytes
    attempts: int
    next_at: datetime
    error: str
    made_at: datetime

    @property
    def id(self) -> str:
        """The same however often it is sent."""
        return f"{self.subscription}/{self.n}"


def wanted_of(department: str, side: Side, interface: str) -> Filter:
    """The records of a department, as one side of the calls or as both."""
    match side:
        case "consumer":
            return Filter(department=department, interface=interface)
        case "provider":
            return Filter(provider=department, interface=interface)
        case "both":
            return Filter(party=department, interface=interface)


def shown(row: Summary) -> dict[str, Any]:
    """A record as its parties get it. Whom it was about stays with those who may look for persons."""
    members = msgspec.to_builtins(row)
    return {"index": row.leaf_index} | {
        name: value for name, value in members.items() if name not in ("segment", "leaf_index", "subject", "event")
    }


def cursor_of(position: int) -> str:
    """What a poller sends as `after`; readers should not look into it."""
    return f"u{position + 1}"


def position_of(cursor: str) -> int:
    """The leaf index of a cursor, -1 for "" (the beginning); raises Refusal(INVALID_REQUEST)."""
    if not cursor:
        return -1
    found = _CURSOR.fullmatch(cursor)
    if not found:
        raise Refusal(INVALID_REQUEST, "after is what an earlier answer gave as `next`")
    return int(found[1]) - 1


def usage_body(delivery: Delivery, rows: Sequence[Summary]) -> bytes:
    """A batch of records, in order."""
    return _body(delivery.subscription, "usage", {
        "id": delivery.id, "from": delivery.first, "to": delivery.last, "records": [shown(row) for row in rows],
    })  # fmt: skip


def digest_body(subscription: str, day: date, figures: object) -> bytes:
    """The figures of a day of the log."""
    since = datetime.combine(day, time(), UTC)
    times = {"since": since, "before": since + timedelta(days=1)}
    return _body(subscription, "digest", {"day": day, **times, "figures": figures})


def alert_body(subscription: str, alert: Mapping[str, object]) -> bytes:
    """What the log noticed."""
    return _body(subscription, "alert", {"alert": alert})


def _body(subscription: str, kind: Kind, rest: Mapping[str, object]) -> bytes:
    return msgspec.json.encode({"subscription": subscription, "kind": kind, **rest})


def failure_told(failure: str) -> str:
    """What a department learns of a failed POST: "not reached", "not allowed", "answered STATUS". More, such as which
    ports are open or where a name leads, would let it look around in our network."""
    if not failure or failure.startswith("answered "):
        return failure
    return "not allowed" if failure.startswith(DENIED) else "not reached"


def day_over(now: datetime) -> date:
    """The last day whose figures are due. The log counts by UTC days, which end at 08:00 in China; due half an hour
    later."""
    return (now - AFTER_DAY).astimezone(UTC).date() - timedelta(days=1)


def event_of(name: str, at: datetime, actor: str, department: str, **facts: str) -> Event:
    """Something for the log about the log's own business."""
    return new_event(name, at, actor, department, facts)


def told_by(token: AccessToken, name: str, at: datetime, **facts: str) -> Event:
    """What somebody did."""
    return event_of(name, at, token.client, token.department, **facts)
