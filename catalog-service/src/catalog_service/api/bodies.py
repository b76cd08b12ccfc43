"""What clients send, checked for form; what has to hold between members is checked in the slices."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.functional_validators import AfterValidator


def _readable(text: str) -> str:
    """Neither control characters nor halves of characters: text that a database and a page can hold."""
    if any(c < " " or c == "\x7f" or "\ud800" <= c <= "\udfff" or c in "\ufffe\uffff" for c in text):
        raise ValueError("control characters are not allowed")
    return text


ID = r"^[a-z0-9]+(?:[-_.][a-z0-9]+)*$"
Id = Annotated[str, StringConstraints(pattern=ID, max_length=64)]
Version = Annotated[str, StringConstraints(pattern=r"^v(?:0|[1-9][0-9]{0,3})$")]
Code = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{5}[0-9A-Za-z_]*/[0-9A-Za-z_]+$", max_length=64)]
"""分类码/顺序码 of 发改高技〔2017〕1272号: 类 1 digit, 项 2, 目 3, 细目 of any length."""
Classification = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{5}[0-9A-Za-z_]*$", max_length=40)]
Number = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_]+$", max_length=23)]
"""Both halves of a code, where something follows it in a path."""
Event = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,39}$")]
Text = Annotated[str, StringConstraints(max_length=500), AfterValidator(_readable)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_readable)]
Long = Annotated[str, StringConstraints(max_length=4000), AfterValidator(_readable)]
Level = Literal["L1", "L2", "L3", "L4"]
UnixSeconds = Annotated[int, Field(ge=0, le=2**40)]


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


class FieldBody(Body):
    name: Name
    mask: Text = ""
    level: Level = "L1"


class InterfaceBody(Body):
    resource: Code
    provider: Id
    name: Name
    base_url: Name
    networks: Annotated[list[Name], Field(max_length=100)]
    operations: Annotated[list[OperationBody], Field(max_length=200)]
    fields: Annotated[list[FieldBody], Field(max_length=2000)]
    format: Literal["json", "binary"] = "json"
    parameters: dict[str, Any] | None = None
    request: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    max_in_flight: Annotated[int, Field(ge=1, le=10_000)] = 64
    consent_required: bool = False
    retention: Literal["general", "personal"] = "general"
    operation_word: Literal["汇聚", "共享", "查询", "比对", "下载", "分析研判", "访问", "更新维护"] = "查询"
    subject: Text = ""


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


class ReasonBody(Body):
    reason: Name
