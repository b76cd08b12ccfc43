"""The figures put together: one pass over what the other slices keep, read as of one moment."""

from collections import Counter
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.cases.model import Case
from catalog_service.policy.flows import Lawbook
from catalog_service.statistics import store
from catalog_service.statistics.model import (
    MOST_NAMED,
    Coverage,
    Freshness,
    Grants,
    Ground,
    Refusals,
    Scope,
    Statistics,
    Trend,
    limits_of,
    rate,
)


async def statistics(tx: AsyncConnection, lawbook: Lawbook, scope: Scope, now: datetime) -> Statistics:
    """All figures. `tx` is best of REPEATABLE READ, so that they fit each other."""
    coverage = await store.coverage(tx, scope)
    names = await store.names(tx, coverage)
    types = await store.share_types(tx, scope)
    trend = await store.unconditional_at(tx, scope, scope.month_ends(now))
    limits, by_key = limits_of(await store.limits(tx, scope))
    stale, promised, stale_codes = await store.stale_entries(tx, scope, now, MOST_NAMED)
    unused, standing, named = await store.unused_grants(tx, scope, now, MOST_NAMED)
    calls = await store.calls(tx, scope)
    return Statistics(
        first=scope.first, last=scope.last, department=scope.department, at=now,
        catalog=rate(sum(live for live, _ in coverage.values()), sum(of for _, of in coverage.values())),
        catalog_by_department=[
            Coverage(department=one, name=names.get(one, one), published=rate(live, of))
            for one, (live, of) in sorted(coverage.items())
        ],
        share_types={kind: rate(count, types.total()) for kind, count in sorted(types.items())},
        unconditional_trend=[Trend(until=at, unconditional=rate(count, live)) for at, count, live in trend],
        freshness=Freshness(in_time=rate(promised - stale, promised), stale=stale_codes),
        limits=limits, limits_by_key=by_key,
        refusals=await _refusals(tx, lawbook, await store.refused(tx, scope)),
        interfaces_by_stage=dict(await store.interface_stages(tx, scope)),
        grants=Grants(unused=rate(unused, standing), named=named),
        calls=calls, calls_total=sum(one.calls for one in calls),
    )  # fmt: skip


async def _refusals(tx: AsyncConnection, lawbook: Lawbook, refused: list[Case]) -> Refusals:
    """A ground is valid by the law that the case runs under (国务院令第809号 21, 常德 11)."""
    grounds: Counter[tuple[str, str, str]] = Counter()
    grounded = 0
    for case in refused:
        law = await lawbook.law(
            tx, government=case.government, profile=case.profile, version=case.profile_version
        )  # fmt: skip
        allowed = law.ranks("share.refusal")
        stated = [(basis["law"], basis.get("article", ""), basis.get("rank", "")) for basis in _basis(case)]
        grounds.update(stated)
        grounded += any(not allowed or rank in allowed for _, _, rank in stated)
    by_ground = [
        Ground(law=law, article=article, rank=rank, count=count)
        for (law, article, rank), count in sorted(grounds.items(), key=lambda item: (-item[1], item[0]))
    ]
    return Refusals(grounded=rate(grounded, len(refused)), by_ground=by_ground)


def _basis(case: Case) -> list[dict[str, str]]:
    return list(case.decision.get("legal_basis", []))
