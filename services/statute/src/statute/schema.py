"""What a profile may say: every key with the shape of its value (see `shapes`), in one table.

Choices of words stand where code acts on the word: a misspelt one must not pass as one that nobody acts on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from statute.model import COLLECTIVE, RANKS
from statute.shapes import Shape


@dataclass(frozen=True, slots=True)
class ValueShape:
    """`{v: …, cite: …}` with the qualifiers that may stand beside them."""

    value: Shape
    also: Mapping[str, Shape]


@dataclass(frozen=True, slots=True)
class Plain:
    """A value that stands bare in its section, under the section's `cite`."""

    value: Shape


def _node(value: Shape, **also: Shape) -> ValueShape:
    return ValueShape(value, also)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TEXTS = [str]
RANK = frozenset(RANKS) | frozenset(COLLECTIVE)
BASIS = RANK | _words("理由 共享条件 共享范围 使用用途 使用条件")
ACCESS = _words("service_api db_table file file_download batch batch_exchange copy_with_consent other_with_consent")
CHAIN = (
    "data_officer", "institution", "institution_registers", "department_head", "authority_guidance",
    "authority_compiles", "same_level_authority", "upper_authority",
)  # fmt: skip
"""Who agrees to a catalog entry, from the bottom up."""

EVENTS = _words(
    "subscription application_received agree_reply demand_submitted reply feedback_received "
    "correction_request_received legal_or_duty_change_date updated_catalog_received open_application_received"
)
ACTOR = _words("platform provider institution authority collecting_institution collector")
STATUS = _words("in_force draft superseded")

REMARKS: dict[str, Shape] = {
    "form": str, "includes": (str, TEXTS), "then": str, "result_notice": str, "note": str,
}  # fmt: skip
"""What may be said beside a time limit; alone among its parts this can be asked for by itself."""

CLOCK: dict[str, Shape] = {
    "days": int, "unit": _words("WD CD hour"), "from": EVENTS, "actor": (ACTOR, [ACTOR]),
    "binding": _words("must in_principle"),
    "qual": _words("timely immediate immediate_if_possible as_set deadline_set_by_authority"),
    "extend": {"max": int, "mode": _words("add total"), "approve_by": str, "notify": TEXTS, "reason": bool},
    "cite": str, **REMARKS,
}  # fmt: skip

INSTRUMENT: dict[str, Shape] = {
    "title": str, "doc_no": str, "rank": str, "status": STATUS, "issued": date, "effective": date, "expires": date,
    "region": str, "source": str,
}  # fmt: skip

_TYPES = {"unconditional": str, "conditional": str, "none": str}
TERMS: dict[str, Shape] = {
    "data": str, "authority": str, "coordination": str, "operator": str, "platform": str, "provider": str,
    "requester": str, "share": _TYPES, "open": _TYPES,
}  # fmt: skip

HEAD: dict[str, Shape] = {
    "schema": frozenset({"dx-policy/1"}), "id": str, "version": str, "instrument": INSTRUMENT, "floor": str,
    "incomplete": bool, "terms": TERMS, "analogue_outside_text": {str: object},
}  # fmt: skip
"""What stands in a file beside the law itself. `analogue_outside_text` is for planning and never heard."""

BODY: dict[str, Any] = {
    "party_scope": _node(TEXTS, also=TEXTS, by_reference=TEXTS),
    "excluded_data": _node(TEXTS),
    "staff": {
        "unit": _node(str, report_to=str),
        "roles": _node({str: int}, officer_tasks=TEXTS, report_to=str, on_change=str),
        "signoff": _node({
            "catalog": str, "application_out": str, "application_reply": str, "correction_extension": str,
        }),
        "posts": _node(str),
    },
    "channel": {
        "single_channel": _node(bool, direct_system_to_system=str, no_local_platforms=bool),
        "default_mode": _node(ACCESS, binding=CLOCK["binding"]),
        "access_modes": _node([ACCESS]),
        "copy_consent_by": _node(_words("authority city_authority")),
        "offline_allowed": _node(_words("never when_online_infeasible")),
    },
    "catalog": {
        "data_classes": _node(TEXTS),
        "fields_required": _node(TEXTS, when=str),
        "open_fields_required": _node(TEXTS),
        "completeness": _node(str),
        "acquire_modes": _node(TEXTS),
        "single_source": _node(bool),
        "pre_assessment": _node(TEXTS),
        "approval_chain": _node([frozenset(CHAIN)], via=str, note=str),
        "publish_by": _node(_words("institution same_level_authority")),
        "update_on_change": CLOCK,
        "authority_review": CLOCK,
        "basis_required": _node({"conditional": [BASIS], "none": [BASIS], "not_aggregated": [BASIS]}),
        "no_basis_effect": _node(_words("block treat_as_unconditional")),
        "no_added_conditions": _node(bool),
        "lead_source_department": _node(bool),
        "attribute_review": _node(str),
        "project_gate": _node({"approval": str, "acceptance": TEXTS, "service_purchase": str}),
        "identifiers": _node(TEXTS),
        "classification": _node(str),
        "classification_rules": _node(TEXTS),
    },
    "share": {
        "free_of_charge": _node(bool),
        "application_fields": _node(TEXTS),
        "pause_on_incomplete": _node(bool),
        "unconditional": {
            "mode": Plain(_words("auto_grant direct authority_grant provider_reply")),
            "reply": CLOCK,
            "provide": CLOCK,
        },
        "conditional": {
            "approver": _node(_words("provider authority_with_provider")),
            "written_form": _node({"required": bool, "document": str}),
            "reply": CLOCK,
            "provide": CLOCK,
            "use_as_replied": _node(bool),
        },
        "incomplete": _node(_words("one_time_notice_no_reject")),
        "refusal": _node({"reason": bool, "legal_basis": [RANK], "report_to_authority": bool}),
        "none_path": _node(TEXTS),
        "verify_compare": _node(
            {"applies_to": [_words("none conditional_unmet")], "by": str, "clock": CLOCK["qual"]}, days=int
        ),
        "subject_consent_mode": _node({"applies_to": str, "mode": str, "on_abuse": str}),
        "use_limit": _node({
            "duty_only": bool, "no_third_party": (bool, TEXTS), "no_scope_expansion": bool, "change_needs": str,
            "transform_needs": str, "commercial": str,
        }),
        "service_change": _node({"terminate_without_cause": str, "procedure": TEXTS}),
        "disposal_on_purpose_end": _node(str),
        "dispute": _node(TEXTS, cross_level=str),
        "attribute_objection": _node({"authority_vs_institution": TEXTS, "institution_vs_institution": TEXTS}),
        "grant_term_months": _node(int, renew=str, remind_days_before=[int]),
    },
    "demand": {"route": _node(str), "reply": CLOCK, "fulfil": CLOCK, "refusal": _node(TEXTS)},
    "upper_level": _node({"route": TEXTS, "backflow": str, "county_hops": int}),
    "correction": {
        "by_requester": CLOCK,
        "by_subject": CLOCK,
        "authority_forward": CLOCK,
        "authority_ordered": CLOCK,
        "subject_rights": _node(TEXTS),
    },
    "open": {
        "list": _node({"own_list": bool, "review": str}),
        "catalog_cycle": _node(str),
        "unconditional": _node(str),
        "evaluation": _node({"by": str, "then": str, "checks": TEXTS}),
        "forbidden_cases": _node(str, exception=TEXTS),
        "restricted_cases": _node(str),
        "downgrade": _node({"unconditional_to_restricted": str, "file_with_authority": bool}),
        "reevaluate": _node(str),
        "reply": CLOCK,
        "agreement": _node({
            "required": bool, "conditions": TEXTS, "delivery": TEXTS, "clauses": TEXTS, "documents": TEXTS, "via": str,
            "file_with_authority": bool,
        }),
        "refusal": _node({"reason": bool}),
        "withdrawal": _node({
            "who": TEXTS, "verify": str, "may_suspend": bool, "outcome": TEXTS, "notify": bool, "review_by": str,
        }),
        "expert_committee": _node(bool),
        "attribution": _node(TEXTS),
        "recipients_public": _node(bool),
        "eligibility": _node(TEXTS),
        "beyond_catalog_request": _node(str),
        "free_cases": _node(str),
        "platform": _node(str),
        "zones": _node(TEXTS),
    },
    "suspension": _node({"triggers": (str, TEXTS), "by": TEXTS, "steps": TEXTS}),
    "complaint": _node(
        {"who": TEXTS, "to": (str, TEXTS), "clock": str, "accept_days": int, "resolve_days": int}, unit=CLOCK["unit"]
    ),
    "audit": {
        "call_log_months": _node(int, operations=TEXTS),
        "usage_record_years": _node(int, contents=TEXTS, kept_by=str, readable_by=TEXTS),
        "personal_or_important_data_record_years": _node(int),
        "pia_record_years": _node(int),
        "push_logs_to": _node(TEXTS, when=str),
        "full_process_record": _node(TEXTS),
        "operator_records": _node(TEXTS),
        "incident_records": _node(str),
        "traceability": _node(str),
        "watch_operations": _node(TEXTS),
    },
    "security": {
        "incident": _node(str, to=TEXTS, escalate=str),
        "drill": _node(str),
        "yearly_test_and_drill": _node(int),
        "controls": _node(TEXTS),
        "inspection": _node(TEXTS),
        "inspection_power": _node(str),
        "investigation_triggers": _node(str),
        "processor": _node((str, TEXTS)),
        "vendor_exit": _node(TEXTS, trigger=str),
        "aggregation_assessment": _node({"required": bool, "consult": str}),
        "aggregation_risk": _node(str),
        "emergency_data": _node({"after": TEXTS}),
        "mlps": _node(bool),
        "stress_test": _node(bool),
    },
    "archive": _node({"retention": str, "transfer_to": str}),
    "asset_registration": _node({"by": TEXTS}),
    "assessment": _node({
        "cycle": str, "subjects": TEXTS, "by": str, "third_party": str, "publish": str, "output": str, "feeds": str,
        "report_to": str, "security_test": str,
    }),
    "enforcement": _node({
        "provider": str, "user": str, "requester": str, "authority": str, "watch": TEXTS, "first_step": str,
        "steps": TEXTS, "list": str,
    }),
    "training": _node(str),
    "calendar": {name: Plain(str) for name in ("unit", "count_from", "last_day_end", "timezone")},
    "qualitative": {
        "timely": Plain({"days": int, "unit": CLOCK["unit"]}),
        "immediate": Plain({"hours": int, "unit": _words("clock")}),
    },
    "reminders": {"warn_at_fraction": Plain([float]), "overdue_escalate_to": Plain(TEXTS)},
}  # fmt: skip
"""The law itself: sections, in them values and clocks."""


def keys() -> Iterator[str]:
    """Every key that can be asked for, clocks and values, in dots."""
    return _keys(BODY, "")


def _keys(section: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, shape in section.items():
        if isinstance(shape, dict) and shape is not CLOCK:
            yield from _keys(shape, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def split(key: str) -> tuple[str, str]:
    """`key` as the entry that a file states and what is asked of it: ("share.refusal", "legal_basis").

    Raises KeyError if the schema knows no such key. Members of a value and qualifiers beside it are both found.
    """
    shape: Shape = BODY
    names = key.split(".")
    for n, name in enumerate(names):
        shape = shape[name]
        if isinstance(shape, ValueShape | Plain) or shape is CLOCK:
            entry, rest = ".".join(names[: n + 1]), names[n + 1 :]
            _step(shape, rest)
            return entry, ".".join(rest)
    raise KeyError(key)


def is_clock(key: str) -> bool:
    """Whether the entry is a time limit."""
    shape: Shape = BODY
    for name in key.split("."):
        shape = shape[name]
    return shape is CLOCK


def _step(shape: Shape, names: list[str]) -> None:
    """KeyError unless `names` lead somewhere in the shape."""
    if shape is CLOCK:
        shape = REMARKS  # the time itself only as a whole: the floor must be heard
    for n, name in enumerate(names):
        if isinstance(shape, Plain):
            shape = shape.value
        if isinstance(shape, ValueShape):
            inside = shape.value if isinstance(shape.value, dict) else {}
            shape = {**shape.also, **inside}
        if not isinstance(shape, dict):
            raise KeyError(".".join(names[: n + 1]))
        shape = shape[name] if name in shape or str not in shape else shape[str]
