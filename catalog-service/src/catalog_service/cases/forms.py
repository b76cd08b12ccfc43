"""The texts of a form: how long they may be, and how a form that does not fit is told. Pure.

Every form is a struct with `forbid_unknown_fields=True`: a misspelt member must not be lost.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from catalog_service.cases.model import Document
from catalog_service.directory.entry import Basis
from runtime.errors import INVALID_REQUEST, Refusal

F = TypeVar("F", bound=msgspec.Struct)
Line = Annotated[str, Meta(max_length=200)]
Text = Annotated[str, Meta(max_length=2000)]
Day = Annotated[str, Meta(pattern=r"^(?:\d{4}-\d{2}-\d{2})?$")]
Lines = Annotated[list[Line], Meta(max_length=2000)]
Wanted = Annotated[str, Meta(min_length=1, max_length=200)]
"""A line that may not be left empty."""


class Ground(Basis, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A legal ground as a form states it."""

    law: Wanted
    article: Line = ""


class Paper(Document, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A paper that comes with a form."""

    name: Wanted
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


_WHERE = re.compile(r" - at `\$(?P<path>.*)`$", re.DOTALL)
_MEMBER = re.compile(r"(?:unknown|required) field `(?P<name>.*)`", re.DOTALL)


def fitted(details: Mapping[str, Any], form: type[F], where: str = "/body/details") -> F:
    """The details as the form has them. Raises Refusal(INVALID_REQUEST) with the path of what does not fit."""
    try:
        return msgspec.convert(details, form, strict=True)
    except msgspec.ValidationError as error:
        found = _WHERE.search(str(error))
        what = str(error)[: found.start()] if found else str(error)
        path = where + (re.sub(r"\.|\[(\d+|\.\.\.)\]", _step, found["path"]) if found else "")
        member = _MEMBER.search(what)
        if member:
            path += f"/{member['name']}"
        raise Refusal(INVALID_REQUEST, what, errors=[{"path": path, "error": what}]) from None


def _step(found: re.Match[str]) -> str:
    return f"/{found[1] or ''}"
