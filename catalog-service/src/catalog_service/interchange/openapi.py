"""What an OpenAPI document (2.0, 3.0, 3.1, 3.2) says about its operations, as far as an interface can hold it. Pure.

An interface asks with path, query and a body of JSON or a form, and answers JSON or bytes. What a document says
besides that is either harmless and noted, or a mistake that names its place.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from catalog_service.directory.contract import METHODS, Mistake
from catalog_service.interchange.openapi_schema import Converter, Document, as_text

MOST_MISTAKES = 50
Edition = Literal["2.0", "3.0", "3.1", "3.2"]
Content = Literal["none", "json", "form", "bytes"]

_EDITION = re.compile(r"3\.[012](?:\.\w+)?")
_KNOWN = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
_FORM = "application/x-www-form-urlencoded"
_WITHOUT_BODY = ("GET", "HEAD")
_JSON = re.compile(r"application/(?:[\w.+-]+\+)?json|\*/\*|application/\*", re.IGNORECASE)
_SPOKEN_FOR = frozenset({"accept", "content-type", "authorization"})
"""Headers that are not parameters, whatever a document says (OpenAPI 3.0 Parameter Object)."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Something in the document that the interface does not take over."""

    path: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One operation. `asks`, `answers`: the schema of the body, None where nothing is said about it.

    example  of its answer, None where the document shows none
    subject  what names the person asked about: `x-subject` of the operation, or of the document
    """

    method: str
    path: str
    where: str
    tag: str
    parameters: dict[str, Any]
    takes: Content
    asks: Any
    gives: Content
    answers: Any
    subject: str
    example: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a whole document says. outside: mistakes that lead out of it."""

    title: str
    server: str
    operations: list[Found]
    asked: Converter
    answered: Converter
    notes: list[Note]
    outside: list[Mistake] = field(default_factory=list)


def edition_of(tree: Mapping[str, Any]) -> Edition | None:
    """Which OpenAPI a document follows; None if it does not say so."""
    if tree.get("swagger") == "2.0":
        return "2.0"
    stated = tree.get("openapi")
    found = _EDITION.fullmatch(stated) if isinstance(stated, str) else None
    return found[0][:3] if found else None  # type: ignore[return-value]  # one of the editions, by the pattern


def mistakes_in_document(tree: Mapping[str, Any]) -> list[Mistake]:
    """What breaks the schema of its edition, by place. References are not followed, nothing is fetched."""
    edition = edition_of(tree)
    if edition is None:
        return [("openapi", "the document says neither swagger: '2.0' nor openapi: 3.0, 3.1 or 3.2")]
    from openapi_spec_validator import schemas  # half a second that other starts need not wait for

    validators: Mapping[Edition, Any] = {
        "2.0": schemas.openapi_v2_schema_validator,
        "3.0": schemas.openapi_v30_schema_validator,
        "3.1": schemas.openapi_v31_schema_validator,
        "3.2": schemas.openapi_v32_schema_validator,
    }
    found: list[Mistake] = []
    for error in validators[edition].iter_errors(tree):
        where = "/".join(str(step).replace("~", "~0").replace("/", "~1") for step in error.absolute_path)
        found.append((where, error.message.partition("\n")[0][:300]))
        if len(found) == MOST_MISTAKES:
            break
    return found


@dataclass(slots=True)
class _Reading:
    """A document while it is read."""

    document: Document
    edition: Edition
    asked: Converter
    answered: Converter
    notes: list[Note] = field(default_factory=list)

    def note(self, path: str, zh: str, en: str) -> None:
        self.notes.append(Note(path=path, zh=zh, en=en))


def describe(tree: Mapping[str, Any], mistakes: list[Mistake]) -> Description:
    """What the document says; `mistakes` gets what an interface cannot hold."""
    document = Document(tree)
    document.mistakes = mistakes
    reading = _Reading(
        document, edition_of(tree) or "3.1", Converter(document, "request"), Converter(document, "response")
    )
    title = re.sub(r"[\s\x00-\x1f\x7f]+", " ", str(_mapping(tree.get("info")).get("title", ""))).strip()
    return Description(
        title=title, server=_server(reading), operations=list(_operations(reading)), asked=reading.asked,
        answered=reading.answered, notes=reading.notes, outside=document.outside,
    )  # fmt: skip


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _step(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _server(reading: _Reading) -> str:
    """The absolute address that the document names, "" if it names none."""
    tree = reading.document.tree
    if reading.edition == "2.0":
        schemes = _list(tree.get("schemes")) or ["https"]
        scheme = "https" if "https" in schemes else schemes[0]
        host, base = tree.get("host", ""), str(tree.get("basePath", "")).rstrip("/")
        return f"{scheme}://{host}{base}" if host else ""
    first = _mapping(next(iter(_list(tree.get("servers"))), None))
    url = str(first.get("url", ""))
    for name, variable in _mapping(first.get("variables")).items():
        url = url.replace(f"{{{name}}}", str(_mapping(variable).get("default", "")))
    return url.rstrip("/") if re.match(r"https?://", url) else ""


def _operations(reading: _Reading) -> Iterator[Found]:
    for path, stated in _mapping(reading.document.tree.get("paths")).items():
        if path.startswith("x-"):
            continue
        item, where = reading.document.target(stated, f"paths/{_step(path)}")
        shared = _list(_mapping(item).get("parameters"))
        for name, operation in _mapping(item).items():
            place = f"{where}/{name}"
            if name == "additionalOperations" or (name in _KNOWN and name.upper() not in METHODS):
                methods = ", ".join(sorted(METHODS))
                reading.note(place, f"方法不在 {methods} 之内，未登记", f"left out: methods are {methods}")
            elif name in _KNOWN and isinstance(operation, Mapping):
                yield _operation(reading, path, name.upper(), [*shared, *_list(operation.get("parameters"))],
                                 operation, place)  # fmt: skip


def _operation(
    reading: _Reading, path: str, method: str, parameters: list[Any], operation: Mapping[str, Any], where: str
) -> Found:
    asked = _parameters(reading, parameters, where)
    for name in re.findall(r"\{([^}]*)\}", path):
        asked.setdefault(("path", name), {"name": name, "in": "path", "required": True, "schema": {"type": "string"}})
    takes, asks = _request(reading, asked, operation, where)
    if takes in ("json", "form") and method in _WITHOUT_BODY:
        reading.document.wrong(where, f"a {method} carries no body; say POST")
    gives, answers = _response(reading, operation, where)
    tags = [tag for tag in _list(operation.get("tags")) if isinstance(tag, str)]
    return Found(
        method=method, path=path, where=where, tag=tags[0] if tags else "", takes=takes, asks=asks, gives=gives,
        answers=answers, example=_example(reading, operation, where),
        parameters=_parameter_schema(reading, asked, where),
        subject=str(operation.get("x-subject") or reading.document.tree.get("x-subject") or ""),
    )  # fmt: skip


# --- the question ---------------------------------------------------------------------------------------------------
def _parameters(reading: _Reading, stated: list[Any], where: str) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Parameters by place and name; those of the operation come last and replace those of the path."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for n, one in enumerate(stated):
        parameter, _ = reading.document.target(one, f"{where}/parameters/{n}")
        place, name = str(_mapping(parameter).get("in", "")), str(_mapping(parameter).get("name", ""))
        if name and not (place == "header" and name.lower() in _SPOKEN_FOR):
            found[place, name] = parameter
    return found


def _parameter_schema(
    reading: _Reading, parameters: Mapping[tuple[str, str], Mapping[str, Any]], where: str
) -> dict[str, Any]:
    """Path and query values in one schema, closed: what is not named is not passed on."""
    properties: dict[str, Any] = {}
    required: list[str] = []
    for (place, name), parameter in parameters.items():
        at = f"{where}/parameters/{name}"
        if place in ("path", "query"):
            if name in properties:
                reading.document.wrong(at, f"{name} is there in the path and in the query")
            properties[name] = _text_schema(reading, parameter, at)
            required += [name] if place == "path" or parameter.get("required") is True else []
        elif place not in ("body", "formData"):
            _not_passed_on(reading, place, name, parameter, at)
    return _texts(properties, required)


def _not_passed_on(reading: _Reading, place: str, name: str, parameter: Mapping[str, Any], at: str) -> None:
    if parameter.get("required") is True:
        reading.document.wrong(at, f"a {place} parameter is not passed on to the provider, and this one is required")
    else:
        reading.note(at, f"{place} 参数 {name} 不转发给提供方", f"{place} parameter {name} is not passed on")


def _text_schema(reading: _Reading, parameter: Mapping[str, Any], at: str) -> dict[str, Any]:
    stated = parameter if reading.edition == "2.0" else parameter.get("schema", {})
    schema, _ = reading.document.target(stated, f"{at}/schema")
    parts = _list(_mapping(schema).get("allOf"))
    if len(parts) == 1:
        schema, _ = reading.document.target(parts[0], f"{at}/schema/allOf/0")
    schema = _mapping(schema)
    if schema.get("type") == "object":
        reading.document.wrong(at, "an object does not fit into a path or a query; ask for it in a JSON body")
    elif schema.get("type") == "array":
        reading.note(
            at, "同名参数只能出现一次，多个值请写在一个参数内", "a name is sent once; several values go into one"
        )
    converted = as_text(schema)
    description = parameter.get("description")
    return {"description": description, **converted} if isinstance(description, str) else converted


def _request(
    reading: _Reading,
    parameters: Mapping[tuple[str, str], Mapping[str, Any]],
    operation: Mapping[str, Any],
    where: str,
) -> tuple[Content, Any]:
    """What the operation takes as a body. A JSON body that may be left out is taken, but not checked."""
    if reading.edition == "2.0":
        bodies = [one for (place, _), one in parameters.items() if place == "body"]
        if any(place == "formData" for place, _ in parameters):
            return "form", _form_of_old(reading, parameters, operation, where)
        if not bodies:
            return "none", None
        schema, at, required = bodies[0].get("schema", {}), f"{where}/parameters/body", bodies[0].get("required")
    else:
        body, at = reading.document.target(operation.get("requestBody", {}), f"{where}/requestBody")
        content = _mapping(_mapping(body).get("content"))
        if not content:
            return "none", None
        kind = next((name for name in content if _JSON.fullmatch(name.partition(";")[0].strip())), "")
        form = next((name for name in content if name.partition(";")[0].strip().lower() == _FORM), "")
        if not kind and form:
            return "form", _form_of(reading, content[form], f"{at}/content/{_step(form)}")
        if not kind:
            reading.document.wrong(f"{at}/content", f"bodies are JSON or forms, not {', '.join(content)[:200]}")
            return "none", None
        at = f"{at}/content/{_step(kind)}/schema"
        media, _ = reading.document.target(content[kind], at)
        schema, required = _mapping(media).get("schema", {}), _mapping(body).get("required")
    converted = reading.asked.convert(schema, at)
    return "json", converted if required is True else None


def _form_of(reading: _Reading, stated: Any, at: str) -> dict[str, Any]:
    """A form as an object of texts: what its schema names, closed."""
    media, _ = reading.document.target(stated, at)
    schema, where = reading.document.target(_mapping(media).get("schema", {}), f"{at}/schema")
    members = _mapping(_mapping(schema).get("properties"))
    fields = {
        name: _text_schema(reading, {"schema": one}, f"{where}/properties/{name}") for name, one in members.items()
    }
    required = [name for name in _list(_mapping(schema).get("required")) if isinstance(name, str)]
    return _texts(fields, required)


def _form_of_old(
    reading: _Reading,
    parameters: Mapping[tuple[str, str], Mapping[str, Any]],
    operation: Mapping[str, Any],
    where: str,
) -> dict[str, Any]:
    """The same of OpenAPI 2.0, where the fields of a form are parameters."""
    sent = [str(kind) for kind in _list(operation.get("consumes", reading.document.tree.get("consumes")))]
    stated = {name: one for (place, name), one in parameters.items() if place == "formData"}
    if any(one.get("type") == "file" for one in stated.values()) or (sent and _FORM not in sent):
        reading.document.wrong(f"{where}/parameters", f"forms are {_FORM}; files are not passed on")
    fields = {name: _text_schema(reading, one, f"{where}/parameters/{name}") for name, one in stated.items()}
    return _texts(fields, [name for name, one in stated.items() if one.get("required") is True])


def _texts(fields: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}


# --- the answer -----------------------------------------------------------------------------------------------------
def _response(reading: _Reading, operation: Mapping[str, Any], where: str) -> tuple[Content, Any]:
    """What the operation answers when it succeeds: the forms of all 2xx (or the default where there is none)."""
    responses, good = _good_responses(operation)
    forms: list[Any] = []
    kinds: set[Content] = set()
    for code in good:
        response, at = reading.document.target(responses[code], f"{where}/responses/{code}")
        kind, schema = _content(reading, _mapping(response), operation, at)
        kinds.add(kind)
        if kind == "json":
            forms.append(schema)
    if kinds >= {"json", "bytes"}:
        reading.document.wrong(
            f"{where}/responses", "answers JSON here and something else there; register two interfaces"
        )
    if "bytes" in kinds:
        return "bytes", None
    return ("json", one_of(forms)) if forms else ("none", None)


def _good_responses(operation: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """All responses, and the codes of those of success: every 2xx, or the default where there is none."""
    responses = _mapping(operation.get("responses"))
    good = [code for code in responses if re.fullmatch(r"2(?:\d\d|XX)", code)]
    return responses, good or [code for code in responses if code == "default"]


def _example(reading: _Reading, operation: Mapping[str, Any], where: str) -> Any:
    """The first answer in JSON that the document shows for success; one inside a schema is none of an answer."""
    responses, good = _good_responses(operation)
    for code in good:
        response, at = reading.document.target(responses[code], f"{where}/responses/{code}")
        shown = _mapping(_mapping(response).get("examples" if reading.edition == "2.0" else "content"))
        for kind, stated in shown.items():
            if not _JSON.fullmatch(kind.partition(";")[0].strip()):
                continue
            example = stated if reading.edition == "2.0" else _shown_by(reading, stated, f"{at}/content/{_step(kind)}")
            if example is not None:
                return example
    return None


def _shown_by(reading: _Reading, stated: Any, at: str) -> Any:
    media, _ = reading.document.target(stated, at)
    if "example" in _mapping(media):
        return media["example"]
    for name, one in _mapping(_mapping(media).get("examples")).items():
        example, _ = reading.document.target(one, f"{at}/examples/{_step(name)}")
        if "value" in _mapping(example):
            return example["value"]
    return None


def _content(
    reading: _Reading, response: Mapping[str, Any], operation: Mapping[str, Any], at: str
) -> tuple[Content, Any]:
    if reading.edition == "2.0":
        schema = response.get("schema")
        if schema is None:
            return "none", None
        produced = operation.get("produces", reading.document.tree.get("produces"))
        kinds = [str(kind) for kind in _list(produced)] or ["application/json"]
        is_file = _mapping(schema).get("type") == "file"
        at = f"{at}/schema"
    else:
        content = _mapping(response.get("content"))
        kinds, is_file = list(content), False
        if not kinds:
            return "none", None
    found = next((kind for kind in kinds if _JSON.fullmatch(kind.partition(";")[0].strip())), "")
    if is_file or not found:
        return "bytes", None
    if reading.edition != "2.0":
        at = f"{at}/content/{_step(found)}/schema"
        media, _ = reading.document.target(content[found], at)
        schema = _mapping(media).get("schema", {})
    return "json", reading.answered.convert(schema, at)


def one_of(forms: list[Any]) -> Any:
    """One schema for all these forms; {} where one of them says nothing."""
    distinct = [form for n, form in enumerate(forms) if form not in forms[:n]]
    if not distinct or {} in distinct or True in distinct:
        return {}
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}
