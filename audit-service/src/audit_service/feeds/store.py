"""The tables of subscriptions and of what is on its way to them. Every function is one statement."""

from collections.abc import Collection
from datetime import date, datetime
from typing import Any

import msgspec

from audit_service.feeds.model import Delivery, Kind, Subscription

_SUBSCRIPTION = ", ".join(Subscription.__struct_fields__)
_DELIVERY = ", ".join(Delivery.__struct_fields__)


def _subscription(row: Any) -> Subscription:
    return Subscription(**{**dict(row), "id": str(row["id"])})


def _delivery(row: Any) -> Delivery:
    return Delivery(**{**dict(row), "subscription": str(row["subscription"])})


async def indexed(connection: Any) -> int:
    """How many leaves, counted from the first, have rows to search by."""
    size: int = await connection.fetchval("SELECT size FROM audit.indexed")
    return size


# --- subscriptions --------------------------------------------------------------------------------------------------
async def add(connection: Any, one: Subscription) -> None:
    values = msgspec.structs.astuple(one)
    places = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    await connection.execute(f"INSERT INTO audit.subscription ({_SUBSCRIPTION}) VALUES ({places})", *values)  # noqa: S608  # constants


async def change(connection: Any, one: Subscription) -> None:
    """What its department may change; position and lease are the sender's."""
    await connection.execute(
        """UPDATE audit.subscription
           SET url = $2, networks = $3, side = $4, interface = $5, digest = $6, generation = $7, active = $8,
               digest_day = $9
           WHERE id = $1""",
        one.id, one.url, one.networks, one.side, one.interface, one.digest, one.generation, one.active, one.digest_day,
    )  # fmt: skip


async def remove(connection: Any, subscription_id: str) -> None:
    """With everything that was on its way."""
    await connection.execute("DELETE FROM audit.subscription WHERE id = $1", subscription_id)


async def find(connection: Any, subscription_id: str, department: str, *, for_change: bool = False) -> Any:
    """The Subscription of a department, or None."""
    row = await connection.fetchrow(
        f"SELECT {_SUBSCRIPTION} FROM audit.subscription WHERE id = $1 AND department = $2"  # noqa: S608  # constants
        + (" FOR UPDATE" if for_change else ""),
        subscription_id, department,
    )  # fmt: skip
    return None if row is None else _subscription(row)


async def of_department(connection: Any, department: str) -> list[Subscription]:
    rows = await connection.fetch(
        f"SELECT {_SUBSCRIPTION} FROM audit.subscription WHERE department = $1 ORDER BY id",  # noqa: S608  # constants
        department,
    )
    return [_subscription(row) for row in rows]


async def lock_department(tx: Any, department: str) -> None:
    """Others who make a subscription for the same department wait."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 5))", department)


# --- sending --------------------------------------------------------------------------------------------------------
async def due(connection: Any, now: datetime, under_way: Collection[str], most_of_one: int, limit: int) -> list[str]:
    """Subscriptions for which a message waits, or that have not seen all there is; first whose last turn was longest
    ago. Of one department no more than `most_of_one`, with those that are under way, here or elsewhere."""
    rows = await connection.fetch(
        """WITH busy AS MATERIALIZED (
               SELECT department, count(*) AS number FROM audit.subscription
               WHERE id = ANY ($2::uuid[]) OR leased_until > $1 GROUP BY department
           ), waiting AS (
               SELECT s.id, s.department, s.served_at, s.position,
                      row_number() OVER (PARTITION BY s.department
                                         ORDER BY s.served_at NULLS FIRST, s.position, s.id) AS place
               FROM audit.subscription s
               WHERE s.active AND s.id <> ALL ($2::uuid[]) AND (s.leased_until IS NULL OR s.leased_until <= $1)
                 AND (EXISTS (SELECT FROM audit.delivery d
                              WHERE d.subscription = s.id AND d.state = 'waiting' AND d.next_at <= $1)
                      OR (s.position < (SELECT size - 1 FROM audit.indexed)
                          AND NOT EXISTS (SELECT FROM audit.delivery d WHERE d.subscription = s.id
                                          AND d.state = 'waiting' AND d.last > s.position)))
           )
           SELECT w.id FROM waiting w LEFT JOIN busy b ON b.department = w.department
           WHERE w.place + coalesce(b.number, 0) <= $3
           ORDER BY w.served_at NULLS FIRST, w.position, w.id LIMIT $4""",
        now, list(under_way), most_of_one, limit,
    )  # fmt: skip
    return [str(row["id"]) for row in rows]


async def lease(connection: Any, subscription_id: str, now: datetime, until: datetime) -> Subscription | None:
    """The subscription, which nobody else serves before `until`; None if somebody does, or it must not be served."""
    row = await connection.fetchrow(
        f"""UPDATE audit.subscription SET leased_until = $3, served_at = $2
            WHERE id = $1 AND active AND (leased_until IS NULL OR leased_until <= $2) RETURNING {_SUBSCRIPTION}""",  # noqa: S608  # constants
        subscription_id, now, until,
    )  # fmt: skip
    return None if row is None else _subscription(row)


async def release(connection: Any, subscription_id: str, until: datetime, position: int) -> bool:
    """End a lease; everything up to `position` is done. False if it is ours no longer: then nothing changes."""
    row = await connection.fetchval(
        """UPDATE audit.subscription SET leased_until = NULL, position = greatest(position, $3)
           WHERE id = $1 AND leased_until = $2 RETURNING id""",
        subscription_id, until, position,
    )  # fmt: skip
    return row is not None


async def next_waiting(connection: Any, subscription_id: str, now: datetime) -> Delivery | None:
    """The oldest message whose time has come."""
    row = await connection.fetchrow(
        f"""SELECT {_DELIVERY} FROM audit.delivery
            WHERE subscription = $1 AND state = 'waiting' AND next_at <= $2 ORDER BY n LIMIT 1""",  # noqa: S608  # constants
        subscription_id, now,
    )  # fmt: skip
    return None if row is None else _delivery(row)


async def is_ahead(connection: Any, subscription_id: str, position: int) -> bool:
    """Whether records after `position` are on their way already."""
    found: bool = await connection.fetchval(
        """SELECT EXISTS (SELECT FROM audit.delivery
                          WHERE subscription = $1 AND kind = 'usage' AND state = 'waiting' AND last > $2)""",
        subscription_id, position,
    )  # fmt: skip
    return found


async def add_batch(
    connection: Any, one: Subscription, leased_until: datetime, first: int, last: int, count: int, at: datetime
) -> Delivery | None:
    """A batch of records on its way; None if the lease is ours no longer."""
    row = await connection.fetchrow(
        f"""WITH mine AS MATERIALIZED (
                SELECT id, side, interface FROM audit.subscription WHERE id = $1 AND leased_until = $2 FOR UPDATE)
            INSERT INTO audit.delivery
                (subscription, kind, key, side, interface, first, last, count, body, state, attempts, next_at, error,
                 made_at)
            SELECT id, 'usage', $3::bigint::text || '-' || $4::bigint::text, $6, $7, $3, $4, $5, '', 'waiting', 0, $8,
                   '', $8
            FROM mine RETURNING {_DELIVERY}""",  # noqa: S608  # constants
        one.id, leased_until, first, last, count, one.side, one.interface, at,
    )  # fmt: skip
    return None if row is None else _delivery(row)


async def add_message(connection: Any, subscription_id: str, kind: Kind, key: str, body: bytes, at: datetime) -> None:
    """Something else than records; what is there under the same key is the same message."""
    await connection.execute(
        """INSERT INTO audit.delivery
               (subscription, kind, key, side, interface, first, last, count, body, state, attempts, next_at, error,
                made_at)
           SELECT id, $2, $3, side, interface, -1, -1, 0, $4, 'waiting', 0, $5, '', $5
           FROM audit.subscription WHERE id = $1
           ON CONFLICT DO NOTHING""",
        subscription_id, kind, key, body, at,
    )  # fmt: skip


async def sent(connection: Any, n: int) -> None:
    """It was taken."""
    await connection.execute("DELETE FROM audit.delivery WHERE n = $1", n)


async def failed(connection: Any, n: int, attempts: int, error: str, later: datetime | None, at: datetime) -> None:
    """It was not; when to try again, None: never."""
    await connection.execute(
        "UPDATE audit.delivery SET attempts = $2, error = $3, state = $4, next_at = $5 WHERE n = $1",
        n, attempts, error, "waiting" if later else "dead", later or at,
    )  # fmt: skip


# --- dead letters ---------------------------------------------------------------------------------------------------
async def waiting(connection: Any, subscription_id: str, most: int) -> list[Delivery]:
    """What is next to be sent, or to be tried again."""
    rows = await connection.fetch(
        f"""SELECT {_DELIVERY} FROM audit.delivery
            WHERE subscription = $1 AND state = 'waiting' ORDER BY n LIMIT $2""",  # noqa: S608  # constants
        subscription_id, most,
    )  # fmt: skip
    return [_delivery(row) for row in rows]


async def dead_letters(connection: Any, subscription_id: str, after: int, limit: int) -> list[Delivery]:
    rows = await connection.fetch(
        f"""SELECT {_DELIVERY} FROM audit.delivery
            WHERE subscription = $1 AND state = 'dead' AND n > $2 ORDER BY n LIMIT $3""",  # noqa: S608  # constants
        subscription_id, after, limit,
    )  # fmt: skip
    return [_delivery(row) for row in rows]


async def revive(connection: Any, subscription_id: str, n: int, at: datetime) -> Delivery | None:
    """A dead letter that waits again, from the first attempt on; None if it is none."""
    row = await connection.fetchrow(
        f"""UPDATE audit.delivery SET state = 'waiting', attempts = 0, next_at = $3
            WHERE subscription = $1 AND n = $2 AND state = 'dead' RETURNING {_DELIVERY}""",  # noqa: S608  # constants
        subscription_id, n, at,
    )  # fmt: skip
    return None if row is None else _delivery(row)


# --- digests and alerts ---------------------------------------------------------------------------------------------
async def digests_due(connection: Any, day: date, limit: int) -> list[Subscription]:
    """Subscriptions that have not been sent the figures of `day`, or of an earlier one."""
    rows = await connection.fetch(
        f"""SELECT {_SUBSCRIPTION} FROM audit.subscription
            WHERE active AND digest AND digest_day < $1 ORDER BY digest_day, id LIMIT $2""",  # noqa: S608  # constants
        day, limit,
    )  # fmt: skip
    return [_subscription(row) for row in rows]


async def digest_made(tx: Any, subscription_id: str, day: date) -> bool:
    """Whether nobody else has made the figures of this day meanwhile."""
    row = await tx.fetchval(
        "UPDATE audit.subscription SET digest_day = $2 WHERE id = $1 AND digest_day < $2 RETURNING id",
        subscription_id, day,
    )  # fmt: skip
    return row is not None


async def next_sequenced_at(connection: Any) -> datetime | None:
    """When the first leaf without a row came into the tree; None if all have one."""
    at: datetime | None = await connection.fetchval(
        "SELECT sequenced_at FROM audit.leaf WHERE leaf_index = (SELECT size FROM audit.indexed)"
    )
    return at


async def concerned(
    connection: Any, consumers: Collection[str], providers: Collection[str], interface: str
) -> list[Subscription]:
    """Subscriptions, paused ones too, of departments that took part on the side that they want."""
    rows = await connection.fetch(
        f"""SELECT {_SUBSCRIPTION} FROM audit.subscription
            WHERE ((side <> 'provider' AND department = ANY ($1::text[]))
                   OR (side <> 'consumer' AND department = ANY ($2::text[])))
              AND (interface = '' OR $3 = '' OR interface = $3)
            ORDER BY id""",  # noqa: S608  # constants
        list(consumers), list(providers), interface,
    )  # fmt: skip
    return [_subscription(row) for row in rows]
