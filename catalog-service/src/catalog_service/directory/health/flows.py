"""Taking in what exchanges say: it is kept, moves interfaces between stages, and what is new of it is told once."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.directory import filing_store
from catalog_service.directory.evidence import Evidence
from catalog_service.directory.health import model, store
from catalog_service.directory.health.model import Condition, Move, Seen
from catalog_service.directory.health.store import Key
from catalog_service.directory.interface_steps import health_step
from catalog_service.directory.model import Interface
from catalog_service.feed.flows import Change, Journal
from catalog_service.feed.model import PLATFORM, Actor
from catalog_service.notices.flows import notify
from catalog_service.notices.model import Address, Subject
from catalog_service.policy.flows import Lawbook, today
from runtime.errors import Refusal
from wire import scopes
from wire.health import Drift, Health, HealthReport

log = structlog.get_logger()
WORKER = Actor("health-worker", PLATFORM)
AVAILABILITY_DAYS = 30
NAMED_IN_A_NOTICE = 20
MOVED = frozenset({"degrade", "trip", "recover"})
KINDS_ZH = {"new": "多出", "missing": "缺少", "type": "类型不符"}
"""Kinds of drift in a notice."""


async def take_report(journal: Journal, lawbook: Lawbook, report: HealthReport) -> bool:
    """Keep what an exchange says; False where it said something later already. Unknown interfaces are left out."""
    async with journal.change(WORKER) as change:
        if not await store.is_news(change.tx, report.exchange, report.until):
            return False
        interfaces = await _keep(change, report)
        moves = await _moves(change, interfaces)
    for (interface_id, version), what in moves.items():
        try:
            async with journal.change(WORKER) as change:
                because = Evidence(reason=what.reason, reason_zh=what.reason_zh)
                await health_step(change, lawbook, interface_id, version, what.event, because)
        except Refusal as refusal:  # another report was faster, or the version was taken out of service meanwhile
            log.info("health.not_moved", interface=f"{interface_id}/{version}", reason=str(refusal))
    return True


async def _keep(change: Change, report: HealthReport) -> dict[Key, Interface]:
    told = {_key(name): health for name, health in report.interfaces.items()}
    interfaces = await store.interfaces_of(change.tx, told)
    if not interfaces:
        return {}
    now_ms = _ms(change.at)
    known = await store.seen_of(change.tx, interfaces)
    seen = {
        key: model.heard(known.get(key, {}).get(report.exchange), told[key], now_ms, model.contract_of(one))
        for key, one in interfaces.items()
    }
    await store.forget(change.tx, now_ms - model.KEPT_MS)
    await store.keep_seen(change.tx, report.exchange, seen)
    called = {key: _counted(told[key]) for key in interfaces if told[key].calls}
    if called:
        await store.count(change.tx, today(change.at), called)
    for key, one in interfaces.items():
        if told[key].drift and one.is_served:
            await _tell_drift(change, one, told[key].drift)
    return interfaces


def _key(name: str) -> Key:
    interface_id, _, version = name.partition("/")
    return interface_id, version


def _counted(health: Health) -> tuple[int, int]:
    return health.calls, min(health.failures, health.calls)


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


# --- stages ---------------------------------------------------------------------------------------------------------
async def _moves(change: Change, interfaces: Mapping[Key, Interface]) -> dict[Key, Move]:
    """What follows for the stages of these."""
    now_ms = _ms(change.at)
    everybody = await store.seen_of(change.tx, interfaces)
    found = {}
    for key, one in interfaces.items():
        seen = everybody[key].values()
        if one.state.standing == "revoked" or not model.may_move(one.stage, model.condition(seen, now_ms)):
            continue
        moved_ms = await _moved_ms(change.tx, one)
        now = model.condition(seen, now_ms, moved_ms)
        what = model.move(one.stage, now, moved_ms, now_ms)
        if what is not None:
            found[key] = what
    return found


async def _moved_ms(tx: AsyncConnection, interface: Interface) -> int:
    steps = await filing_store.interface_steps_of(tx, interface.id, interface.version)
    return max((_ms(step.at) for step in steps if step.event in MOVED), default=0)


# --- drift ----------------------------------------------------------------------------------------------------------
async def _tell_drift(change: Change, interface: Interface, drift: list[Drift]) -> None:
    """Provider and subscribers hear of each place once under one contract; what it holds is never told."""
    key, contract = (interface.id, interface.version), model.contract_of(interface)
    news = model.news(drift, await store.told_drift(change.tx, key, contract))
    if not news:
        return
    await store.keep_told(change.tx, key, contract, news, change.at)
    named = news[:NAMED_IN_A_NOTICE]
    facts = {
        "interface": interface.key, "name": interface.name, "provider": interface.provider,
        "places": ", ".join(f"{one.path} ({one.kind})" for one in named),
        "places_zh": "、".join(f"{one.path}（{KINDS_ZH[one.kind]}）" for one in named),
        "count": str(len(news)),
    }  # fmt: skip
    await change.tell("interface.drifted", interface, **facts)
    users = await filing_store.subscribers_of_interface(change.tx, interface.id, interface.version, change.at)
    to = [Address(department, scopes.OFFICER) for department in sorted({interface.provider, *users})]
    digest = hashlib.sha256(repr([(one.path, one.kind) for one in news]).encode()).hexdigest()[:16]
    about, event = Subject("interface", interface.key), f"interface/{interface.key}/drift/{contract}/{digest}"
    await notify(change, to=to, word="interface.drifted", about=about, facts=facts, key=event)


# --- reading --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one interface: by every exchange, and its calls of the last days."""

    seen: list[Seen]
    calls: int
    failures: int


async def known_of(tx: AsyncConnection, interfaces: Iterable[Interface], at: datetime) -> dict[str, Known]:
    """Interface key -> what is known, for all of them; one question for each table."""
    keys = [(one.id, one.version) for one in interfaces]
    seen = await store.seen_of(tx, keys) if keys else {}
    first = today(at) - timedelta(days=AVAILABILITY_DAYS - 1)
    counts = await store.counts_since(tx, keys, first) if keys else {}
    return {
        "/".join(key): Known(list(seen.get(key, {}).values()), *counts.get(key, (0, 0))) for key in keys
    }  # fmt: skip


def summary(interface: Interface, known: Known, at: datetime) -> dict[str, Any]:
    """What a list says of an interface's health. Members are null where nothing is known."""
    now = model.condition(known.seen, _ms(at))
    return {
        "stage": interface.stage,
        "last_success": _moment(now.last_success_ms, at),
        "availability": _share(known.calls, known.failures),
        "reachable": now.reachable,
    }


def described(interface: Interface, known: Known, at: datetime, *, with_drift: bool) -> dict[str, Any]:
    """All that is known of an interface's health; drift for those who provide and use it."""
    now = model.condition(known.seen, _ms(at))
    shown = {**summary(interface, known, at), "lately": _lately(now), "calls": known.calls, "failures": known.failures}
    shown["days"], shown["heard"] = AVAILABILITY_DAYS, _moment(max((one.heard_ms for one in known.seen), default=0), at)
    if with_drift:
        drift = model.drift_of(known.seen, model.contract_of(interface))
        shown["drift"] = [{**msgspec.structs.asdict(one), "first": _moment(one.first_ms, at)} for one in drift]
        for one in shown["drift"]:
            del one["first_ms"]
    return shown


def _lately(now: Condition) -> dict[str, Any]:
    breaker = "open" if now.open else "closed" if now.closed == now.exchanges else "half-open"
    return {
        "seconds": model.WINDOW_MS // 1000,
        "exchanges": now.exchanges,
        "calls": now.calls,
        "failures": now.failures,
        "availability": _share(now.calls, now.failures),
        "p50_ms": now.p50_ms if now.calls else None,
        "p95_ms": now.p95_ms if now.calls else None,
        "breaker": breaker if now.exchanges else None,
    }


def _share(calls: int, failures: int) -> float | None:
    return round(1 - failures / calls, 4) if calls else None


def _moment(ms: int, at: datetime) -> str | None:
    """Unix milliseconds as RFC 3339; an exchange whose clock is ahead does not tell of the future."""
    return datetime.fromtimestamp(min(ms, _ms(at)) / 1000, at.tzinfo).isoformat(timespec="seconds") if ms else None
