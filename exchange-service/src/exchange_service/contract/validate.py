"""Hold questions and answers against an interface's contract. Nothing of the values gets into a message.

Values here are personal data and messages go to logs and to the other side: a mismatch names the place and the rule.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

import jsonschema_rs

from exchange_service.contract.model import Checked, Contract
from exchange_service.contract.text import MOST_MEMBERS, BadJson, Text, read
from exchange_service.contract.xml import json_form, read_xml

__all__ = [
    "BadJson", "NotMatching", "check_parameters", "check_request", "check_response", "check_tree", "parse_form",
    "parse_query",
]  # fmt: skip

_PART: Final = r"(?:[A-Za-z0-9_.~!$'()*,:@/?-]|%[0-9A-Fa-f]{2})"
_PAIR: Final = re.compile(rf"({_PART}+)=((?:{_PART}|=)*)")
SPACE_AND_BOM: Final = b" \t\r\n\xef\xbb\xbf"
_FORM_PAIR: Final = re.compile(rf"((?:{_PART}|\+)+)=((?:{_PART}|[+=])*)")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_CONTROL_IN_FORM: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


SMALL: Final = 10_000
"""Values and characters."""


class NotMatching(ValueError):
    """`path` is a JSON pointer to the place (RFC 6901), `reason` the rule that it breaks; neither holds a value."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path or '/'}: {reason}")
        self.path = path
        self.reason = reason


def check_parameters(contract: Contract, values: Mapping[str, str], query: str) -> None:
    """Path values (decoded) and the query as it was sent, together. Raises NotMatching."""
    given = dict(values)
    for name, value in parse_query(query):
        if name in given:
            raise NotMatching(pointer([name], given, known(contract.parameters)), "given twice")
        given[name] = value
    if contract.parameters is not None:
        check(contract.parameters, given)


def check_request(contract: Contract, body: bytes) -> None:
    """The consumer's body, in the interface's request format. Raises NotMatching, BadText.

    Without a schema there is still nothing let through that can be read in two ways. A form is held against the schema
    as an object of strings, XML in its JSON form (`contract.xml`). Of SOAP only the JSON form is held against it here:
    an envelope is read strictly, and the rest is for the adapter, which knows the WSDL.
    """
    if contract.request_format == "binary":
        return
    if not body:
        if contract.request is not None:
            raise NotMatching("", f"a body is needed: {contract.request_format}")
        return
    tree, is_checked = read_request(contract, body)
    if is_checked and contract.request is not None:
        check(contract.request, tree)


def read_request(contract: Contract, body: bytes) -> tuple[object, bool]:
    """What the body says in its JSON form, and whether the schema is about that. Raises NotMatching, BadText."""
    match contract.request_format:
        case "form":
            return parse_form(body), True
        case "xml":
            return json_form(read_xml(body).root, contract.request.shape if contract.request else None), True
        case "soap" if body.lstrip(SPACE_AND_BOM).startswith(b"<"):  # which begins no JSON
            read_xml(body)
            return None, False
    return read(body).tree, True


def parse_form(body: bytes) -> dict[str, str]:
    """Names and values of a form. Raises NotMatching for all that two parsers could read differently.

    Source: WHATWG URL Standard, application/x-www-form-urlencoded.
    """
    if body.count(b"&") >= MOST_MEMBERS:
        raise NotMatching("", f"more than {MOST_MEMBERS} members")
    fields: dict[str, str] = {}
    for pair in body.decode("latin-1").split("&"):
        found = _FORM_PAIR.fullmatch(pair)
        if found is None:
            raise NotMatching("", "the form is not name=value pairs, percent-encoded")
        name, value = (decoded(part.replace("+", " "), _CONTROL_IN_FORM, "form") for part in found.groups())
        if name in fields:
            raise NotMatching("/*", "given twice")
        fields[name] = value
    return fields


def check_response(contract: Contract, content: bytes | Text) -> None:
    """The provider's body. Raises NotMatching, BadJson; nothing is read where there is no schema."""
    if contract.response is not None:
        text = content if isinstance(content, Text) else read(content)
        check(contract.response, text.tree)


def check_tree(schema: Checked, tree: object) -> None:
    """What was read from another format, in its JSON form. Raises NotMatching."""
    check(schema, tree)


def parse_query(query: str) -> Iterable[tuple[str, str]]:
    """Names and values of a query. Raises NotMatching for all that two parsers could read differently.

    A raw `+` is a space to some and a plus to others, `;` separates for some: both have to be percent-encoded.
    Source: RFC 3986 sections 2.1 and 3.4.
    """
    for pair in query.split("&") if query else ():
        found = _PAIR.fullmatch(pair)
        if found is None:
            raise NotMatching("", "the query is not name=value pairs, percent-encoded (space %20, plus %2B)")
        yield decoded(found[1]), decoded(found[2])


def decoded(part: str, forbidden: re.Pattern[str] = _CONTROL, whole: str = "query") -> str:
    """Percent-decoded text. Raises NotMatching for what is not UTF-8, and for control characters."""
    try:
        text = unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        raise NotMatching("", f"the {whole} is not UTF-8") from None
    if forbidden.search(text):
        raise NotMatching("", f"the {whole} has control characters")
    return text


def check(schema: Checked, instance: object) -> None:
    """Raises NotMatching for the first rule that the instance breaks."""
    if schema.validator.is_valid(instance):
        return
    if schema.branches and not is_small(instance):
        raise NotMatching("", "does not match the schema")
    try:
        schema.validator.validate(instance)
    except jsonschema_rs.ValidationError as error:
        raise NotMatching(pointer(error.instance_path, instance, schema.names), rule(error, schema.names)) from None
    raise NotMatching("", "does not match the schema")


def is_small(instance: object) -> bool:
    """Whether all that is wrong with it, branch by branch and each time with the value, is soon told."""
    left, waiting = SMALL, [instance]
    while waiting and left >= 0:
        one = waiting.pop()
        left -= 1 + (len(one) if isinstance(one, str) else 0)
        if isinstance(one, dict):
            waiting += [*one, *one.values()]
        elif isinstance(one, list):
            waiting += one
    return left >= 0


def rule(error: jsonschema_rs.ValidationError, names: frozenset[str]) -> str:
    """The keyword that is broken, with the member that is missing where the schema spells it out."""
    keyword = str(error.schema_path[-1]) if error.schema_path else "schema"
    if keyword == "required":
        missing = getattr(error.kind, "property", "")
        return f"breaks `required`: {missing} is missing" if missing in names else "breaks `required`"
    return f"breaks `{keyword}`"


def known(schema: Checked | None) -> frozenset[str]:
    return schema.names if schema is not None else frozenset()


def pointer(path: Iterable[str | int], instance: object, names: frozenset[str]) -> str:
    """A JSON pointer. A name that the schema does not spell out may be somebody's number: a star stands for it.

    jsonschema_rs gives names made of digits as int, so it is the instance that tells names from places in an array.
    """
    shown = []
    for step in path:
        if isinstance(instance, list) and isinstance(step, int):
            shown.append(str(step))
            instance = instance[step]
        else:
            name = str(step)
            shown.append(name if name in names else "*")
            instance = instance.get(name) if isinstance(instance, dict) else None
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in shown)
