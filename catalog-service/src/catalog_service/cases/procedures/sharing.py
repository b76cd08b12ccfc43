"""What an application for sharing says, which way it takes, and what grant comes of it. Pure.

The way follows from the catalog entry as it stands and from the law of the case: a step that is taken after an entry
has changed is judged by what the entry is then.

Source: 国务院令第809号 14-15, 20-22, 25; 常德 10, 11; 景德镇 7, 9, 10; 德清 14, 15; 云南 28, 29.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from catalog_service.cases.forms import Ground, Lines, Paper, Text, Wanted, fitted
from catalog_service.cases.model import Evidence, Opening, Situation
from catalog_service.directory.contract import Mistake, invalid, require
from catalog_service.directory.entry import Resource
from catalog_service.directory.model import Interface
from catalog_service.grants.model import PLAIN, check_usable, mistakes_in_grant, months_later, tells_more
from catalog_service.machine import START
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Grant, Mode

SERVICE_API = "service_api"
ABOVE_THE_CITY = frozenset({"province", "nation"})
"""Levels of departments whose data a city's own authority asks for in everybody's name."""
Way = Literal["", "at_once", "by_authority", "unconditional", "conditional", "verify", "desensitised", "negotiated"]


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """共享申请.

    purpose  使用用途     fields       申请数据项     basis       使用依据    duty       履职需要
    scene    使用场景     scope        使用范围       term_months 使用时限    staff      处理人员范围
    method   共享方式     mode         "" as offered  safeguards  安全措施    materials  材料 (景德镇 10 需求申请表)
    desensitised  wants a not-shared entry after 脱敏 (景德镇 9, 德清 14)    quota_day, quota_month  调用次数
    """

    purpose: Wanted
    fields: Lines = []
    basis: Annotated[list[Ground], Meta(max_length=20)] = []
    duty: Text = ""
    scene: Text = ""
    scope: Text = ""
    method: Literal["service_api", "batch", "file", "db_table"] = "service_api"
    mode: Literal["", "query", "verify", "compare"] = ""
    term_months: Annotated[int, Meta(ge=0, le=120)] = 0
    staff: Text = ""
    safeguards: Text = ""
    materials: Annotated[list[Paper], Meta(max_length=50)] = []
    desensitised: bool = False
    quota_day: Annotated[int, Meta(ge=0, le=10**12)] = 0
    quota_month: Annotated[int, Meta(ge=0, le=10**12)] = 0


WORDS: Mapping[str, str] = {
    "使用依据": "basis", "使用场景": "scene", "应用场景": "scene", "使用范围": "scope", "使用用途": "purpose",
    "申请数据项": "fields", "使用时限": "term_months", "履职需要": "duty", "处理人员范围": "staff",
    "安全措施": "safeguards", "材料": "materials", "共享方式": "method", "信息系统名称": "system",
}  # fmt: skip
"""What a profile calls a member of the form; every application names a system and has a method."""


def form_of(situation: Situation) -> Form:
    return fitted(situation.case.details, Form)


def changed_form(situation: Situation) -> Form:
    """The form with what this step brings; raises Refusal for what does not fit."""
    return fitted({**situation.case.details, **situation.evidence.details}, Form)


def sides(opening: Opening) -> tuple[str, str]:
    """The department whose system will call, and the department that holds the data (景德镇 7)."""
    if opening.system is None:
        raise invalid(("system", "the information system that will call (景德镇 7)"))
    if opening.interface is None:
        raise invalid(("interface", "the interface that it wants to call"))
    sides = {"requester": opening.system.department, "provider": opening.interface.provider}
    for member, department in sides.items():
        if getattr(opening, member) not in ("", department):
            raise invalid((member, f"it is {department}, by system and interface"))
    return sides["requester"], sides["provider"]


# --- which way it takes ---------------------------------------------------------------------------------------------
def way(situation: Situation) -> Way:
    """ "": the entry is not shared in any way."""
    share = resource_of(situation).share
    if share.type == "conditional":
        return "conditional"
    if share.type == "unconditional":
        return _unconditional_way(situation)
    return _way_out(situation)


def _unconditional_way(situation: Situation) -> Way:
    match situation.law.value("share.unconditional.mode").value:
        case "auto_grant" | "direct":
            return "at_once"
        case "authority_grant":
            return "by_authority"
        case _:
            return "unconditional"


def _way_out(situation: Situation) -> Way:
    """What is not shared may be verified against (云南 29), masked (景德镇 9, 德清 14) or negotiated (常德 11).

    The platform's own offer to verify does not go before a way that the law names, and is for entries that offer it.
    """
    words = _words(situation, "share.none_path")
    offered = situation.law.value("share.verify_compare")
    may_verify = offered.value and not (offered.source == "platform" and "negotiate" in words)
    asked = situation.grant.mode if situation.grant else situation.case.details.get("mode") or "query"
    if may_verify and (
        resource_of(situation).share.mode != "query" or (asked != "query" and offered.source != "platform")
    ):
        return "verify"
    if situation.case.details.get("desensitised") and any(word.startswith("after_desensitise") for word in words):
        return "desensitised"
    return "negotiated" if "negotiate" in words else ""


def _words(situation: Situation, key: str) -> list[str]:
    value = situation.law.value(key).value
    return [str(word) for word in value] if isinstance(value, list) else []


def resource_of(situation: Situation) -> Resource:
    assert situation.resource is not None  # noqa: S101  # `sides` saw the interface, and with it its entry
    return situation.resource


def interface_of(situation: Situation) -> Interface:
    assert situation.interface is not None  # noqa: S101  # as above
    return situation.interface


def is_unconditional(situation: Situation) -> bool:
    return resource_of(situation).share.type == "unconditional"


def needs_consent_to_copy(situation: Situation) -> bool:
    """Anything but calling, where the law leaves that to the authority and it has not spoken yet (常德 10, 德清 15)."""
    method = situation.case.details.get("method", SERVICE_API)
    asked = situation.law.value("channel.copy_consent_by").value
    consent = situation.case.decision.get("copy_consent", {})
    return method != SERVICE_API and bool(asked) and consent.get("method") != method


def goes_up(situation: Situation) -> bool:
    """What province or nation has is asked for through the authorities, where the law knows that route (常德 13).

    Where the route begins in the counties, what a county asks of its city takes the same way, step by step.
    """
    one, other = situation.requester, situation.provider
    if one is None or other is None or not _words(situation, "upper_level.route"):
        return False
    if other.level in ABOVE_THE_CITY:
        return one.level not in ABOVE_THE_CITY
    return (one.level, other.level) == ("county", "city") and _hops_of_a_county(situation) > 1


def hops_left(situation: Situation) -> bool:
    """Whether another authority has to hand it on: a county's, then the city's (常德 13)."""
    from_county = situation.requester is not None and situation.requester.level == "county"
    done: int = situation.case.decision.get("hops", 0)
    return done + 1 < (_hops_of_a_county(situation) if from_county else 1)


def _hops_of_a_county(situation: Situation) -> int:
    hops = situation.law.value("upper_level.county_hops").value
    return hops if isinstance(hops, int) else 1


def is_signed(situation: Situation, what: str) -> bool:
    """Whether a head signs: what goes out to ask, or what goes out as reply (国务院令第809号 20)."""
    return bool(situation.law.value(f"staff.signoff.{what}").value)


def reply_is_signed(situation: Situation) -> bool:
    return is_signed(situation, "application_reply")


def may_be_refused(situation: Situation) -> bool:
    """What is shared without a condition leaves nothing to refuse (国务院令第809号 14, 常德 11 ¶1)."""
    return not is_unconditional(situation)


def refusal_is_signed(situation: Situation) -> bool:
    return reply_is_signed(situation) and may_be_refused(situation)


def refusal_is_proposed(situation: Situation) -> bool:
    return bool(situation.case.decision.get("result") == "refuse")


def authority_decides_too(situation: Situation) -> bool:
    """会同 (德清 14 ¶1); and whatever is not shared but for 脱敏 (景德镇 9)."""
    together = situation.law.value("share.conditional.approver").value == "authority_with_provider"
    found = way(situation)
    return found == "desensitised" or (found == "conditional" and together)


# --- guards ---------------------------------------------------------------------------------------------------------
def is_shared(situation: Situation) -> None:
    """Source: 国务院令第809号 14-15 (不予共享); to be verified against, the entry offers it, or the law (云南 29)."""
    if way(situation) == "":
        code = resource_of(situation).code
        raise Refusal(codes.NOT_SHARED, f"resource {code}", resource=code, article="国务院令第809号 14, 15")


def is_usable(situation: Situation) -> None:
    """Nothing is asked for, or given, that stands still (国务院令第809号 27)."""
    check_usable(interface_of(situation), resource_of(situation))


def fits_the_interface(situation: Situation) -> None:
    """Items that the interface has, in a mode in which the entry is offered and the interface can be asked."""
    form = form_of(situation) if situation.case.state == START else changed_form(situation)
    require(_misfits(form, situation))


def _misfits(form: Form, situation: Situation) -> Iterator[Mistake]:
    interface, offered = interface_of(situation), resource_of(situation).share.mode
    known = {field.name for field in interface.fields}
    for n, name in enumerate(form.fields):
        if name not in known and form.fields != ["*"]:
            yield f"details/fields/{n}", f"{name} is not a field of {interface.key}"
    if form.mode and tells_more(form.mode, offered):
        yield "details/mode", f"the entry is offered as {offered}"
    if form.mode and interface.mode not in ("query", form.mode):
        yield "details/mode", f"{interface.key} itself tells {interface.mode}"


def lacking(situation: Situation) -> list[str]:
    """What the law asks of an application and this one leaves empty (国务院令第809号 20, 景德镇 10, 云南 28)."""
    words = _words(situation, "share.application_fields")
    form = msgspec.structs.asdict(form_of(situation))
    return [word for word in words if not form.get(WORDS.get(word, "purpose"), True)]


def is_complete(situation: Situation) -> None:
    """Nothing incomplete is handed in, unless the provider has to say what is missing (国务院令第809号 21)."""
    if situation.law.value("share.incomplete").value == "one_time_notice_no_reject":
        return
    cite = situation.law.value("share.application_fields").cite
    require((f"details/{WORDS[word]}", f"{word}: required by {cite}") for word in lacking(situation))


def has_written_form(situation: Situation) -> None:
    """Source: 景德镇 10 ¶2 (书面提交需求申请表)."""
    asked = situation.law.value("share.conditional.written_form.required")
    if way(situation) == "conditional" and asked.value and not situation.case.details.get("materials"):
        document = situation.law.value("share.conditional.written_form.document").value
        raise invalid(("details/materials", f"{document}: required by {asked.cite}"))


def may_be_extended(situation: Situation) -> None:
    """Source: 国务院令第809号 21 ¶1: once, by so many days, with the authority's consent; 常德, 景德镇: not at all."""
    clock, days = situation.law.clock("share.conditional.reply"), situation.evidence.days
    longest = clock.total - clock.base if clock else 0
    if clock is None or not longest or situation.case.counts.get("consent"):
        raise Refusal(codes.NOT_EXTENDABLE, situation.case.number, article=clock.cite if clock else "")
    if days > longest:
        raise invalid(("days", f"at most {longest} (by {clock.cite})"))


def reply_is_overdue(situation: Situation) -> None:
    """Only where the provider lets its time pass does the authority give in its place.

    That is this platform's rule: the law sets the time (国务院令第809号 21) and says nothing of what follows.
    """
    if not any(key.endswith(".reply") for key in situation.overdue):
        raise Refusal(codes.NOT_OVERDUE, situation.case.number, article="国务院令第809号 21")


def is_providers_word(situation: Situation) -> None:
    """Source: 德清 14 ¶1: what is shared without a condition there is the authority's to give, returned or not."""
    if way(situation) == "by_authority":
        raise Refusal(codes.NOT_YOUR_STEP, "the authority grants it", roles=["authority"], article="德清 14 ¶1")


def provider_agreed(situation: Situation) -> None:
    """Source: 德清 14 ¶1 会同: an entry that has become conditional meanwhile needs the provider's word first."""
    if way(situation) != "by_authority" and situation.case.decision.get("result") != "agree":
        raise Refusal(codes.NOT_YOUR_STEP, "the provider has not agreed", roles=["provider"], article="德清 14 ¶1")


SIGNED = ("purpose", "fields", "term_months", "method", "mode", "desensitised")
"""What a head's signature is for."""


def stays_as_signed(situation: Situation) -> None:
    """Source: 国务院令第809号 20: what the head signed is only added to; whoever wants more applies anew."""
    before, now = situation.case.details, situation.evidence.details
    changed = [name for name in SIGNED if before.get(name) and name in now and now[name] != before[name]]
    require((f"details/{name}", "was signed; withdraw this and apply anew") for name in changed)


def copy_is_consented(situation: Situation) -> None:
    """Source: 常德 10, 德清 15."""
    if needs_consent_to_copy(situation):
        cite = situation.law.value("channel.copy_consent_by").cite
        raise Refusal(codes.COPY_NEEDS_CONSENT, situation.case.details["method"], article=cite)


def subject_is_asked(situation: Situation) -> None:
    """Source: 德清 14 ¶2: what is private leaves with the word of the person concerned alone, asked for each call."""
    asked = situation.law.value("share.subject_consent_mode")
    if asked.value and resource_of(situation).subject_consent_required and not interface_of(situation).consent_required:
        raise Refusal(codes.SUBJECT_NOT_ASKED, interface_of(situation).key, article=asked.cite)


def is_masked(situation: Situation) -> None:
    """Source: 景德镇 9, 德清 14: what is not shared leaves 脱敏 only; every item that has a mask keeps one."""
    if way(situation) != "desensitised" or _mode_given(situation) != "query":
        return
    given, masks = _fields_given(situation), terms(situation).get("masks", {})
    own = {field.name: field.mask for field in interface_of(situation).fields}
    bare = [name for name in given if masks.get(name, own.get(name) or PLAIN) == PLAIN]
    if bare:
        raise invalid(*((f"masks/{name}", "has to be masked (景德镇 9, 德清 14)") for name in bare))


def is_within_request(situation: Situation) -> None:
    """Nobody gets more than was asked for (国务院令第809号 20, 25), nor what the interface cannot release."""
    require(_beyond(situation))
    require(mistakes_in_grant(grant_of(situation, ""), interface_of(situation), situation.at))


def _beyond(situation: Situation) -> Iterator[Mistake]:
    """A reply may tell less than was asked for (云南 29 ¶3), but not of what everybody gets (国务院令第809号 14)."""
    form, said = form_of(situation), terms(situation)
    for n, name in enumerate(said.get("fields", [])):
        if form.fields and name not in form.fields and form.fields != ["*"]:
            yield f"fields/{n}", f"{name} was not asked for"
    if form.term_months and said.get("term_months", 0) > form.term_months:
        yield "term_months", f"{form.term_months} were asked for"
    mode = form.mode or resource_of(situation).share.mode
    if said.get("mode", mode) != mode and (is_unconditional(situation) or tells_more(said["mode"], mode)):
        yield "mode", f"{mode} was asked for"


# --- what comes of it -----------------------------------------------------------------------------------------------
OF_EVERY_CALL = ("masks", "case_pattern", "networks", "hours", "rate_per_s", "quota_day", "quota_month")
TERMS = ("conditions", "fields", "mode", "term_months", *OF_EVERY_CALL)
"""What a reply may say of the use (景德镇 10 严格按照答复意见使用); the latter stand in the grant word for word."""


def terms(situation: Situation) -> dict[str, Any]:
    """What was replied so far, and what this step says besides."""
    return replied(situation.case.decision, situation.evidence)


def replied(decision: Mapping[str, Any], evidence: Evidence) -> dict[str, Any]:
    said = {name: getattr(evidence, name) for name in TERMS if getattr(evidence, name)}
    return {**decision.get("reply", {}), **said}


def _fields_given(situation: Situation) -> list[str]:
    """What was replied, else what was asked for; of an unconditional entry everything."""
    named = terms(situation).get("fields") or form_of(situation).fields
    if named or not is_unconditional(situation):
        return list(named)
    interface = interface_of(situation)
    return ["*"] if interface.format == "binary" else [field.name for field in interface.fields]


def grant_of(situation: Situation, grant_id: str) -> Grant:
    """The grant that an approved application comes to; the reply's conditions become conditions of every call."""
    form, said, case = form_of(situation), terms(situation), situation.case
    months = said.get("term_months") or form.term_months or default_months(situation)
    asked = {"quota_day": form.quota_day, "quota_month": form.quota_month}
    limits = {**asked, **{name: said[name] for name in OF_EVERY_CALL if name in said}}
    return Grant(
        id=grant_id, revision=0, system=case.system, department=case.requester, interface=case.interface,
        purpose=form.purpose, fields=_fields_given(situation),
        basis="；".join(one.named for one in form.basis),
        not_after=int(months_later(situation.at, months).timestamp()), mode=_mode_given(situation), **limits,
    )  # fmt: skip


def _mode_given(situation: Situation) -> Mode:
    """As replied, asked for or offered, never more than that; `query` of what itself tells no more."""
    offered = resource_of(situation).share.mode
    given: Mode = terms(situation).get("mode") or form_of(situation).mode or offered
    given = offered if tells_more(given, offered) else given
    return given if tells_more(interface_of(situation).mode, given) else "query"


def default_months(situation: Situation) -> int:
    months = situation.law.value("share.grant_term_months").value
    return months if isinstance(months, int) else 12
