"""Hold questions and answers against an interface's contract. Nothing of the values gets into a message.

Values here are personal data and messages go to logs and to the other side: a mismatch names the place and the rule.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

import jsonschema_rs

from exchange_service.contract.model import Checked, Contract
from exchange_service.contract.text import BadJson, Text, read

__all__ = ["BadJson", "NotMatching", "check_parameters", "check_request", "check_response", "parse_query"]

_PART: Final = r"(?:[A-Za-z0-9_.~!$'()*,:@/?-]|%[0-9A-Fa-f]{2})"
_PAIR: Final = re.compile(rf"({_PART}+)=((?:{_PART}|=)*)")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


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
    """The consumer's body. Raises NotMatching, BadJson.

    Without a schema a JSON interface still takes no JSON that can be read in two ways.
    """
    if contract.request is None:
        if body and contract.format == "json":
            read(body)
        return
    if not body:
        raise NotMatching("", "a JSON body is needed")
    check(contract.request, read(body).tree)


def check_response(contract: Contract, content: bytes | Text) -> None:
    """The provider's body. Raises NotMatching, BadJson; nothing is read where there is no schema."""
    if contract.response is not None:
        text = content if isinstance(content, Text) else read(content)
        check(contract.response, text.tree)


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


def decoded(part: str) -> str:
    """Percent-decoded text. Raises NotMatching for what is not UTF-8, and for control characters."""
    try:
        text = unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        raise NotMatching("", "the query is not UTF-8") from None
    if _CONTROL.search(text):
        raise NotMatching("", "the query has control characters")
    return text


def check(schema: Checked, instance: object) -> None:
    """Raises NotMatching for the first rule that the instance breaks."""
    if schema.validator.is_valid(instance):
        return
    try:
        schema.validator.validate(instance)
    except jsonschema_rs.ValidationError as error:
        raise NotMatching(pointer(error.instance_path, instance, schema.names), rule(error, schema.names)) from None
    raise NotMatching("", "does not match the schema")


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
