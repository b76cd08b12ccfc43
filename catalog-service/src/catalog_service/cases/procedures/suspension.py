"""Suspension of a permission (暂停共享权限): at once, then put right within a time, then restored or ended. Pure.

Opening the case suspends: one grant, the grants of one provider to a system, or the system as a whole.

Source: 国务院令第809号 27 (pause, a time to put it right, an end where it is not); 德清 14, 39 (credit record);
常德 22; 云南 48. What 德清 39, 常德 22 and 云南 48 say of data that were opened is done for sharing in the same way.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, cast

import msgspec
from msgspec import Meta

from catalog_service.cases.forms import Paper, Text
from catalog_service.cases.model import Kind, Situation
from catalog_service.cases.procedures.deadline import check_over, check_reported
from catalog_service.cases.procedures.standing import check_own_word, sides_of_permission
from catalog_service.machine import START, Machine, Role, Row, Rules
from runtime.errors import Refusal
from statute.model import Answer
from wire import codes

RECTIFICATION = "rectification"
DECREE = "国务院令第809号 27"


class Trigger(StrEnum):
    """On what ground; 国务院令第809号 27 unless said otherwise."""

    OVER_SCOPE = "over_scope"  # 超出使用范围
    OVER_PURPOSE = "over_purpose"  # 超出共享目的
    THIRD_PARTY = "third_party"  # 擅自提供第三方
    NO_SAFEGUARDS = "no_safeguards"  # 未落实安全保障措施 (德清 39, 云南 48)
    PLATFORM_SAFETY = "platform_safety"  # 严重违反平台安全管理规范 (德清 39, 云南 48)
    MINING_FOR_SECRETS = "mining_for_secrets"  # 出于获取秘密、隐私目的挖掘数据 (德清 39)
    INCIDENT = "incident"  # 安全事件 (常德 25, 德清 36)
    INACTIVE_OFFICER = "inactive_officer"  # 数据专员变动未更新 (景德镇 19)
    EXPIRED_GRANT = "expired_grant"  # 使用时限届满 (国务院令第809号 20)
    VENDOR_CONTRACT_END = "vendor_contract_end"  # 服务外包协议终止 (云南 45)


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ground, what was found, and the papers that show it."""

    trigger: Trigger | None = None
    finding: Text = ""
    documents: Annotated[list[Paper], Meta(max_length=20)] = []


SUSPENDERS = (Role.PROVIDER, Role.PROVIDER_HEAD, Role.AUTHORITY)
USERS = (Role.REQUESTER, Role.REQUESTER_HEAD)
ALL = (*USERS, *SUSPENDERS)

MACHINE = Machine(
    name="suspension",
    title=("权限暂停与终止", "Suspension and termination of a permission"),
    cite="国务院令第809号 27; 德清 39; 云南 48",
    labels={
        "suspended": ("已暂停", "Suspended"),
        "rectifying": ("限期整改中", "To be put right"),
        "restored": ("已恢复", "Restored"),
        "terminated": ("已终止", "Terminated"),
    },
    finals=frozenset({"restored", "terminated"}),
    rows=(
        Row(event="suspend", sources=(START,), target="suspended", by=(*SUSPENDERS, Role.WORKER), cite=DECREE,
            needs=("trigger", "finding"), guards=("is_entitled",), effects=("suspend_grants",), tells=ALL),
        Row(event="order", sources=("suspended", "rectifying"), target="rectifying", by=SUSPENDERS, cite=DECREE,
            needs=("reason", "until"), guards=("is_entitled",), effects=("note_deadline",), starts=(RECTIFICATION,),
            tells=USERS),
        Row(event="report", sources=("rectifying",), target="rectifying", by=USERS, cite=DECREE,
            needs=("result", "documents"), effects=("note_report",), stops=(RECTIFICATION,), tells=SUSPENDERS),
        Row(event="restore", sources=("rectifying",), target="restored", by=SUSPENDERS, cite=DECREE, needs=("note",),
            guards=("is_entitled", "was_own_word", "was_reported"), effects=("restore_grants",), tells=ALL,
            four_eyes=True),
        Row(event="lift", sources=("suspended",), target="restored", by=SUSPENDERS, cite=DECREE, needs=("reason",),
            guards=("is_entitled", "was_own_word"), effects=("restore_grants",), tells=ALL, four_eyes=True),
        Row(event="terminate", sources=("rectifying",), target="terminated", by=SUSPENDERS, cite=DECREE,
            needs=("reason",), guards=("is_entitled", "was_not_mended"), effects=("end_grants", "note_credit"),
            tells=ALL),
        Row(event="terminate", sources=("suspended",), target="terminated", by=SUSPENDERS, cite="常德 22",
            needs=("reason",), when="may_withdraw", guards=("is_entitled",), effects=("end_grants", "note_credit"),
            tells=ALL),
    ),
)  # fmt: skip

_ENTITLED: Mapping[str, frozenset[Role]] = {
    "authority": frozenset({Role.AUTHORITY}),
    "provider": frozenset({Role.PROVIDER, Role.PROVIDER_HEAD}),
    "institution": frozenset({Role.PROVIDER, Role.PROVIDER_HEAD}),
}
BY_ANALOGY = ("authority", "provider")
"""The decree's own, also for parties that it does not bind, where their own rule is silent."""


def _words(situation: Situation, member: str) -> list[str]:
    """What local law and the decree above it say together: a local rule takes nothing from those the decree names."""
    said = [told.value for told in situation.law.alone(f"suspension.{member}") if isinstance(told, Answer)]
    return [word for words in said for word in cast("list[str] | None", words) or ()]


def _may_withdraw(situation: Situation) -> bool:
    """中止、撤回 at once, where the decree does not ask for a time to put it right first."""
    return "suspend_or_withdraw_immediately" in _words(situation, "steps") and not situation.case.government


def goes_on_record(situation: Situation) -> bool:
    """Whether an end is noted in the user's credit file (德清 39)."""
    return "credit_record" in _words(situation, "steps")


def _who_ends_abuse(situation: Situation) -> tuple[str, ...]:
    """公共数据主管部门有权终止服务 (德清 14 ¶2)."""
    said = situation.law.value("share.subject_consent_mode.on_abuse").value
    return ("authority",) if said == "authority_may_terminate_service" else ()


def _is_entitled(situation: Situation) -> None:
    words = [*(_words(situation, "by") or BY_ANALOGY), *_who_ends_abuse(situation)]
    entitled = frozenset({Role.WORKER}).union(*(_ENTITLED.get(word, frozenset()) for word in words))
    if not entitled & situation.roles:
        answer = situation.law.value("suspension.by")
        wanted = sorted(role.value for role in entitled)
        raise Refusal(codes.NOT_YOUR_STEP, "the rule in force names others", roles=wanted, article=answer.cite)


def _was_not_mended(situation: Situation) -> None:
    """拒不整改 is an end at once; 整改不到位 shows in a report; else the time that was given has to pass."""
    refused = situation.evidence.result == "refused"
    insufficient = situation.evidence.result == "insufficient" and situation.case.decision.get("reported")
    if not (refused or insufficient):
        check_over(situation)


KIND = Kind(
    machine=MACHINE,
    rules=Rules(
        conditions={"may_withdraw": _may_withdraw},
        guards={
            "is_entitled": _is_entitled,
            "was_own_word": check_own_word,
            "was_reported": check_reported,
            "was_not_mended": _was_not_mended,
        },
    ),
    letters="ZT",
    form=Form,
    sides=sides_of_permission,
    responsible={RECTIFICATION: Role.REQUESTER},
)
