"""A catalog entry as clients send it, checked for form; see `directory.entry` for what the members mean."""

from datetime import date
from typing import Annotated, Literal

import msgspec
from pydantic import AwareDatetime, Field, StringConstraints
from pydantic.functional_validators import AfterValidator

from catalog_service.api.bodies import Body, Code, Id, Json, Level, Long, Name, Text
from catalog_service.directory.entry import Cycle, Mode, Rank, ShareType
from catalog_service.directory.evidence import Evidence


def _in_the_calendar(text: str) -> str:
    if text:
        date.fromisoformat(text)
    return text


Day = Annotated[str, StringConstraints(pattern=r"^(?:[0-9]{4}-[0-9]{2}-[0-9]{2})?$"), AfterValidator(_in_the_calendar)]
OptionalId = Annotated[str, StringConstraints(pattern=r"^(?:[a-z0-9]+(?:[-_.][a-z0-9]+)*)?$", max_length=64)]
Volume = Annotated[int, Field(ge=0, le=2**53)]
Method = Literal["service_api", "batch", "file", "db_table"]


class ItemBody(Body):
    name: Name
    label: Name
    type: Literal["C", "N", "Y", "D", "T", "L", "M", "G", "B", "I", "F"]
    name_en: Text = ""
    length: Annotated[int, Field(ge=0, le=2**31)] = 0
    required: bool = False
    key: bool = False
    identifier: Text = ""
    single_source: bool = False
    sensitivity: Text = "none"
    level: Level = "L1"
    mask: Text = ""
    description: Text = ""


class BasisBody(Body):
    law: Name
    article: Text = ""
    rank: Rank = ""


class ShareBody(Body):
    type: ShareType
    mode: Mode = "query"
    content: Text = ""
    scope: Text = ""
    condition: Text = ""
    purpose: Text = ""
    methods: Annotated[list[Method], Field(min_length=1, max_length=4)] = ["service_api"]
    reason: Text = ""
    legal_basis: Annotated[list[BasisBody], Field(max_length=20)] = []


class ResourceBody(Body):
    name: Name
    provider: Id
    summary: Annotated[Long, StringConstraints(min_length=1)]
    share: ShareBody
    alias: Text = ""
    name_en: Text = ""
    topic: Text = ""
    data_class: Text = ""
    data_form: Text = ""
    data_subject: Text = ""
    format: Annotated[int, Field(ge=1, le=7)] = 7
    format_note: Text = ""
    items: Annotated[list[ItemBody], Field(max_length=2000)] = []
    open: ShareType = "none"
    open_condition: Text = ""
    open_reason: Text = ""
    update_cycle: Cycle = "实时"
    security_level: Level = "L1"
    classification: Text = ""
    use_requirements: Text = ""
    secret: bool = False
    emergency: bool = False
    contains_personal_info: bool = False
    sensitive_personal_info: bool = False
    minors: bool = False
    subject_consent_required: bool = False
    secrecy_assessment: Text = ""
    privacy_assessment: Text = ""
    aggregation_assessment: Text = ""
    acquire_mode: Text = ""
    collect_department: Text = ""
    approve_department: Text = ""
    lead_department: OptionalId = ""
    keeper: Text = ""
    aggregated: bool = True
    not_aggregated_basis: Annotated[list[BasisBody], Field(max_length=20)] = []
    archive_years: Annotated[int, Field(ge=0, le=1000)] = 0
    survey_count: Volume = 0
    survey_bytes: Volume = 0
    published: Day = ""
    expires: Day = ""
    related: Annotated[list[Code], Field(max_length=200)] = []


class DocumentBody(Body):
    name: Name
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class EntryStepBody(Body):
    """`directory.evidence.Evidence`, member by member: what comes with a step of a filing or of an interface."""

    reason: Long = ""
    legal_basis: Annotated[list[BasisBody], Field(max_length=20)] = []
    note: Long = ""
    missing: Annotated[list[Name], Field(max_length=50)] = []
    days: Annotated[int, Field(ge=0, le=366)] = 0
    changed_on: Day = ""
    until: Day = ""
    successor: Annotated[str, StringConstraints(pattern=r"^(?:v(?:0|[1-9][0-9]{0,3}))?$")] = ""
    filing_no: Text = ""
    result: Text = ""
    duplicates_seen: bool = False
    negotiated: Annotated[list[Id], Field(max_length=1000)] = []
    sample: Json = None
    documents: Annotated[list[DocumentBody], Field(max_length=50)] = []


NOTHING_SAID = EntryStepBody()
"""A step that needs no evidence may come without a body."""


def evidence_of(body: EntryStepBody) -> Evidence:
    return msgspec.convert(body.model_dump(), Evidence)


class ArrivalBody(Body):
    """New data arrived at the provider; `at` is now where it is not said."""

    at: Annotated[AwareDatetime, Field(strict=False)] | None = None
