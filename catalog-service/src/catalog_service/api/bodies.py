"""What clients send, checked for form; what has to hold between members is checked in the slices."""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.functional_validators import AfterValidator, BeforeValidator


def _readable(text: str) -> str:
    """Neither control characters nor halves of characters: text that a database and a page can hold."""
    if any(c < " " or c == "\x7f" or "\ud800" <= c <= "\udfff" or c in "\ufffe\uffff" for c in text):
        raise ValueError("control characters are not allowed")
    return text


def _written(value: object) -> object:
    """A day as it is written; a number would be taken for seconds since 1970."""
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("a day, as in 2026-07-25")
    return value


IN_THE_CALENDAR = BeforeValidator(_written)
"""Of a `date` in an address."""
_SHOWN = Field(json_schema_extra={"pattern": r"^[^\u0000-\u001f\u007f\ufffe\uffff]*$"})
"""`_readable` as the document states it."""
ID = r"^[a-z0-9]+(?:[-_.][a-z0-9]+)*$"
Id = Annotated[str, StringConstraints(pattern=ID, max_length=64)]
Version = Annotated[str, StringConstraints(pattern=r"^v(?:0|[1-9][0-9]{0,3})$")]
Code = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{5}[0-9A-Za-z_]*/[0-9A-Za-z_]+$", max_length=64)]
"""分类码/顺序码 of 发改高技〔2017〕1272号: 类 1 digit, 项 2, 目 3, 细目 of any length."""
Classification = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{5}[0-9A-Za-z_]*$", max_length=40)]
Number = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_]+$", max_length=23)]
"""Both halves of a code, where something follows it in a path."""
Event = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,39}$")]
Text = Annotated[str, StringConstraints(max_length=500), AfterValidator(_readable), _SHOWN]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_readable), _SHOWN]
Long = Annotated[str, StringConstraints(max_length=4000), AfterValidator(_readable), _SHOWN]
Level = Literal["L1", "L2", "L3", "L4"]
UnixSeconds = Annotated[int, Field(ge=0, le=2**40)]
Calls = Annotated[int, Field(ge=0, le=10**12)]
"""Of a quota; 0 for none."""
LONGEST_WSDL = 512 * 1024
DEEPEST = 64


def _can_be_written(value: Any) -> Any:
    """JSON that can be written again, of a depth that everybody can read."""
    level, depth = [value], 0
    while level:
        if any(isinstance(one, int) and not -(2**63) <= one < 2**64 for one in level):
            raise ValueError("a number that not everybody can read")
        if depth > DEEPEST:
            raise ValueError(f"deeper than {DEEPEST} levels")
        values = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level, depth = [inner for value in values for inner in value], depth + 1
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, OverflowError):
        raise ValueError("cannot be written as JSON again") from None
    return value


def _whole(text: str) -> str:
    _can_be_written(text)
    return text


Json = Annotated[Any, AfterValidator(_can_be_written)]
"""Whatever JSON can hold."""


class Body(BaseModel):
    """Unknown members are refused: a misspelt condition must not be lost."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class DepartmentBody(Body):
    name: Name
    name_en: Text = ""
    uscc: Annotated[str, StringConstraints(pattern=r"^(?:[0-9A-HJ-NPQRTUWXY]{18})?$")] = ""
    level: Text = ""
    region: Text = ""
    kind: Text = ""
    chief_data_officer: Text = ""
    data_officer: Text = ""
    officer_phone: Text = ""
    note: Text = ""


class SystemBody(Body):
    department: Id
    name: Name


class OperationBody(Body):
    method: Name
    path: Text
    target: Text
    repeatable: bool = False


class FieldBody(Body):
    name: Name
    mask: Text = ""
    level: Level = "L1"


class RestBody(Body):
    kind: Literal["rest"]
    request_format: Literal["json", "xml", "form", "binary"] = "json"


class SoapBody(Body):
    kind: Literal["soap"]
    wsdl: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_WSDL), AfterValidator(_whole)]
    service: Text = ""
    port: Text = ""


class FilterBody(Body):
    parameter: Name
    column: Name
    op: Literal["eq", "ge", "le", "prefix"] = "eq"
    kind: Literal["text", "integer", "decimal", "date", "timestamp", "boolean"] = "text"
    required: bool = True


class TableBody(Body):
    kind: Literal["table"]
    engine: Literal["postgresql", "mysql", "oracle", "dameng", "kingbase", "gaussdb"]
    relation: Name
    filters: Annotated[list[FilterBody], Field(max_length=50)] = []
    columns: Annotated[dict[Name, Name], Field(max_length=2000)] = {}
    order: Annotated[list[Name], Field(max_length=20)] = []
    most_rows: Annotated[int, Field(ge=1, le=10_000)] = 1000


class FilesBody(Body):
    kind: Literal["files"]
    endpoint: Text = ""
    region: Text = ""
    digests: bool = False


AdapterBody = Annotated[RestBody | SoapBody | TableBody | FilesBody, Field(discriminator="kind")]


class MaskRuleBody(Body):
    name: Name
    head: Annotated[int, Field(ge=0, le=100)] = 0
    tail: Annotated[int, Field(ge=0, le=100)] = 0
    shortest: Annotated[int, Field(ge=1, le=1000)] = 1
    until: Annotated[str, StringConstraints(max_length=20), AfterValidator(_readable)] = ""


class ExampleBody(Body):
    values: Annotated[dict[Name, Long], Field(max_length=100)] = {}
    request: Json = None
    response: Json = None
    status: Annotated[int, Field(ge=200, le=599)] = 200


class InterfaceBody(Body):
    resource: Code
    provider: Id
    name: Name
    base_url: Name
    networks: Annotated[list[Name], Field(max_length=100)]
    operations: Annotated[list[OperationBody], Field(max_length=200)]
    fields: Annotated[list[FieldBody], Field(max_length=2000)]
    format: Literal["json", "xml", "binary"] = "json"
    parameters: dict[str, Any] | None = None
    request: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    max_in_flight: Annotated[int, Field(ge=1, le=10_000)] = 64
    consent_required: bool = False
    retention: Literal["general", "personal"] = "general"
    operation_word: Literal["汇聚", "共享", "查询", "比对", "下载", "分析研判", "访问", "更新维护"] = "查询"
    subject: Text = ""
    adapter: AdapterBody = RestBody(kind="rest")
    credential: Annotated[str, StringConstraints(max_length=64), AfterValidator(_readable)] = ""
    mode: Literal["query", "verify", "compare"] = "query"
    masks: Annotated[list[MaskRuleBody], Field(max_length=50)] = []
    examples: Annotated[list[ExampleBody], Field(max_length=100)] = []


class WindowBody(Body):
    begins: UnixSeconds
    until: UnixSeconds
    reason: Text = ""


class MaintenanceBody(Body):
    windows: Annotated[list[WindowBody], Field(max_length=50)]


class GrantBody(Body):
    system: Id
    interface: Annotated[str, StringConstraints(pattern=r"^[a-z0-9._-]+/v[0-9]+$", max_length=80)]
    purpose: Name
    fields: Annotated[list[Name], Field(max_length=2000)]
    masks: dict[Name, Name] = {}
    basis: Text = ""
    case_pattern: Text = ""
    networks: Annotated[list[Name], Field(max_length=100)] = []
    hours: Text = ""
    not_before: UnixSeconds = 0
    not_after: UnixSeconds = 0
    rate_per_s: Annotated[float, Field(gt=0, le=100_000)] = 10.0
    burst: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    max_in_flight: Annotated[int, Field(ge=1, le=10_000)] = 32
    quota_day: Calls = 0
    quota_month: Calls = 0
    mode: Literal["query", "verify", "compare"] = "query"


class ReasonBody(Body):
    reason: Name
