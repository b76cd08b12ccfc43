"""How far a version of an interface has come: tested, mounted to its entry, online, and out of service (B.2). Pure.

Gateways hear of a version from `online` to `deprecated`. Whoever uses one that ends is told in time and gets its
successor; the end is filed with the authority (国务院令第809号 27). Health moves `online`, `degraded`, `circuit_open`.
Bytes that pass through have no form: no sample of them is asked for.
Source: 国务院令第809号 22, 27; 景德镇 11.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from catalog_service.directory.contract import invalid
from catalog_service.directory.entry import Resource
from catalog_service.directory.evidence import Evidence
from catalog_service.directory.model import Interface, Stage
from catalog_service.directory.required import missing_in_interface
from catalog_service.machine import Condition, Guard, Machine, Role, Row, Rules
from runtime.errors import Refusal
from statute.resolve import Law
from wire import codes

NOTICE_DAYS = 30
"""Calendar days from the notice of a deprecation to the end: the platform's rule, the law gives no number."""
Misfits = Callable[[], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything that guards look at.

    entry        the resource that it opens, as it is live    successor    the version that is named as the next
    misfits      what keeps the sample from being an answer of this interface; found out when asked
    subscribers  departments that hold a grant which can be used
    """

    interface: Interface
    law: Law
    evidence: Evidence
    today: date
    entry: Resource | None
    misfits: Misfits
    successor: Interface | None = None
    subscribers: frozenset[str] = frozenset()


LABELS: Mapping[Stage, tuple[str, str]] = {
    "registered": ("已登记", "registered"),
    "tested": ("已测试", "tested"),
    "mounted": ("已挂接", "mounted"),
    "online": ("在线", "online"),
    "degraded": ("降级", "degraded"),
    "circuit_open": ("熔断", "circuit open"),
    "deprecated": ("待停用", "deprecated"),
    "offline": ("已下线", "offline"),
}
_IN_USE = ("online", "degraded", "circuit_open")
_PV, _SYS = (Role.PROVIDER,), (Role.WORKER,)
_CONCERNED = (Role.PROVIDER, Role.REQUESTER)
_HEALTH = "国务院令第809号 27 para 3"

MACHINE = Machine(
    name="interface",
    title=("服务接口", "Interface"),
    cite="国务院令第809号 22, 27",
    labels=dict(LABELS.items()),
    finals=frozenset({"offline"}),
    rows=(
        Row(event="test", sources=("registered",), target="tested", by=_PV, cite="国务院令第809号 22, 景德镇 11",
            when="passes_through"),
        Row(event="test", sources=("registered",), target="tested", by=_PV, cite="国务院令第809号 22, 景德镇 11",
            needs=("sample",), guards=("sample_fits",)),
        Row(event="mount", sources=("tested",), target="mounted", by=_PV, cite="景德镇 11, 国务院令第809号 13",
            guards=("entry_published", "described")),
        Row(event="open", sources=("mounted",), target="online", by=_PV, cite="国务院令第809号 22",
            guards=("entry_published",)),
        Row(event="degrade", sources=("online",), target="degraded", by=_SYS, cite=_HEALTH, tells=_PV),
        Row(event="degrade", sources=("circuit_open",), target="degraded", by=_SYS, cite=_HEALTH, tells=_CONCERNED),
        Row(event="trip", sources=("online", "degraded"), target="circuit_open", by=_SYS, cite=_HEALTH,
            tells=_CONCERNED),
        Row(event="recover", sources=("degraded",), target="online", by=_SYS, cite=_HEALTH, tells=_PV),
        Row(event="recover", sources=("circuit_open",), target="online", by=_SYS, cite=_HEALTH, tells=_CONCERNED),
        Row(event="deprecate", sources=_IN_USE, target="deprecated", by=_PV, cite="国务院令第809号 27 para 3",
            needs=("reason", "successor", "until"), guards=("successor_served", "notice_given"),
            tells=(Role.REQUESTER, Role.AUTHORITY)),
        Row(event="close", sources=("deprecated",), target="offline", by=_PV, cite="国务院令第809号 27 para 3",
            needs=("filing_no",), guards=("notice_over",), tells=(Role.REQUESTER, Role.AUTHORITY)),
    ),
)  # fmt: skip
"""B.2, row by row."""


def _sample_fits(s: Situation) -> None:
    """What the provider answers is what it registered (景德镇 11)."""
    if misfits := s.misfits():
        errors = [{"path": "/body/sample", "error": misfit} for misfit in misfits]
        raise Refusal(codes.SAMPLE_MISFIT, misfits[0], errors=errors, article="景德镇 11")


def _entry_published(s: Situation) -> None:
    """An interface is mounted to a published entry (景德镇 11, 国务院令第809号 16)."""
    standing = s.entry.state.standing if s.entry else "not published"
    if standing != "active":
        article = "景德镇 11, 国务院令第809号 16"
        raise Refusal(codes.ENTRY_NOT_PUBLISHED, f"{s.interface.resource} is {standing}", article=article)


def _described(s: Situation) -> None:
    """Description and way of calling stand in the catalog (景德镇 11)."""
    asked = s.law.value("catalog.fields_required")
    words = asked.value if isinstance(asked.value, list) else []
    if missing := missing_in_interface(words, s.interface):
        errors = [{"path": f"/{path}", "error": f"{word} is missing", "article": asked.cite} for path, word in missing]
        raise Refusal(codes.ENTRY_INCOMPLETE, f"{s.interface.key} is not described", errors=errors, article=asked.cite)


def _successor_served(s: Situation) -> None:
    """Users have to have somewhere to go (国务院令第809号 27 para 3)."""
    if s.successor is None or not s.successor.is_served or s.successor.stage == "deprecated":
        raise invalid(("successor", "a version of this interface that is online"))


def _notice_given(s: Situation) -> None:
    """Users get time to move (国务院令第809号 27 para 3; the number of days is the platform's)."""
    earliest = s.today + timedelta(days=NOTICE_DAYS)
    if s.evidence.until < earliest.isoformat():
        detail = f"served until {earliest} at least"
        raise Refusal(codes.NOTICE_TOO_SHORT, detail, earliest=earliest.isoformat(), days=NOTICE_DAYS)


def _notice_over(s: Situation) -> None:
    """Nobody is cut off: the announced day is over, or nobody uses it any more (国务院令第809号 27 para 3)."""
    if s.subscribers and s.today.isoformat() <= s.interface.until:
        raise Refusal(
            codes.STILL_USED, f"served until {s.interface.until}", until=s.interface.until,
            departments=sorted(s.subscribers), article="国务院令第809号 27",
        )  # fmt: skip


def _passes_through(s: Situation) -> bool:
    """Of what has no schema and no fields there is nothing that a sample could show."""
    return s.interface.format == "binary"


CONDITIONS: Mapping[str, Condition[Situation]] = {"passes_through": _passes_through}
GUARDS: Mapping[str, Guard[Situation]] = {
    "sample_fits": _sample_fits,
    "entry_published": _entry_published,
    "described": _described,
    "successor_served": _successor_served,
    "notice_given": _notice_given,
    "notice_over": _notice_over,
}
RULES: Rules[Situation] = Rules(conditions=CONDITIONS, guards=GUARDS)
