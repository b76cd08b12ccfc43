"""What kind of body a Content-Type announces; only kinds that everybody reads alike. Pure. Source: RFC 9110 8.3."""

import re
from functools import lru_cache
from typing import Final, Literal

from exchange_service.contract.text import BadText

Kind = Literal["json", "xml", "form", "binary"]

_TYPE: Final = re.compile(r"([a-z0-9!#$&^_.+-]+)/([a-z0-9!#$&^_.+-]+)")
_PARAMETER: Final = re.compile(r"""\s*([a-z0-9!#$%&'*+.^_`|~-]+)=("(?:[^"\\]|\\.)*"|[a-z0-9!#$%&'*+.^_`|~-]+)\s*""")


class BadKind(BadText):
    """A kind of body that is not the interface's, or that others might read otherwise."""


@lru_cache(maxsize=256)
def kind_of(content_type: bytes | str) -> Kind:
    """The kind. Raises BadKind for what is no media type, and for a charset other than UTF-8 of what we read.

    application/json and +json are JSON; application/xml, text/xml and +xml XML; what nobody named is `binary`.
    """
    text = content_type.decode("latin-1") if isinstance(content_type, bytes) else content_type
    given, *parameters = text.lower().split(";")
    found = _TYPE.fullmatch(given.strip())
    if found is None:
        if not text.strip():
            return "binary"
        raise BadKind("the content type is no media type")
    kind = _kind(found[1], found[2])
    if kind != "binary":
        _check_charset(parameters)
    return kind


def _kind(main: str, sub: str) -> Kind:
    if main == "application" and (sub == "json" or sub.endswith("+json")):
        return "json"
    if sub == "xml" and main in ("application", "text"):
        return "xml"
    if main == "application" and sub.endswith("+xml"):
        return "xml"
    return "form" if f"{main}/{sub}" == "application/x-www-form-urlencoded" else "binary"


def _check_charset(parameters: list[str]) -> None:
    charsets = []
    for parameter in parameters:
        found = _PARAMETER.fullmatch(parameter)
        if found and found[1] == "charset":
            charsets.append(found[2].strip('"'))
        elif "charset" in parameter and not found:
            raise BadKind("a charset that cannot be read")
    if any(charset != "utf-8" for charset in charsets):
        raise BadKind("only UTF-8 is read")
