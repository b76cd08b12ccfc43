"""OpenAPI documents that say what is so: every refusal is a problem document, and who may ask is stated."""

from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from runtime.access import Rule, rules_of
from runtime.problems import MEDIA_TYPE

Document = dict[str, Any]
JSON_TEXT = "application/json"
TOKEN, SERVICE = "token", "service"  # names of security schemes
_PROBLEM: Document = {
    "title": "Problem",
    "description": "RFC 9457, in Chinese or English by Accept-Language. Other members are facts of this refusal.",
    "type": "object",
    "required": ["type", "code", "status", "title", "remedy", "fault"],
    "properties": {
        "type": {"type": "string", "pattern": "^urn:tongdao:code:"},
        "code": {"type": "string", "description": "a stable name, by which programs decide"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "title": {"type": "string"},
        "detail": {"type": "string"},
        "remedy": {"type": "string", "description": "what to do about it"},
        "fault": {"enum": ["consumer", "exchange", "provider"], "description": "who is to act"},
        "rule": {"type": "string", "description": "the article or section that this comes from"},
        "record": {"type": "string", "description": "number of the record of this call"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"path": {"type": "string"}, "error": {"type": "string"}},
            },
        },
    },
}
_SCHEMES: Document = {
    TOKEN: {"type": "http", "scheme": "bearer", "bearerFormat": "at+jwt (RFC 9068)", "description": "/oauth2/token"},
    SERVICE: {"type": "apiKey", "in": "header", "name": "Tongdao-Service", "description": "our own services"},
}
BYTES = {"type": "string", "format": "binary"}
MADE: dict[int | str, Document] = {201: {"description": "Made anew", "content": {JSON_TEXT: {"schema": {}}}}}
"""`responses` of a route that makes what is not there yet, and then answers 201 in place of 200."""
_REFUSALS = {"401": "Who asks is not known", "403": "Who asks may not", "4XX": "Refused", "503": "Not now; ask again"}


def content(*media_types: str, description: str = "As asked") -> Document:
    """A member of `responses` of a route whose answer is not plain JSON."""
    return {"description": description, "content": {one: {"schema": {}} for one in media_types}}


def schema_of(kind: Any) -> Document:
    """JSON Schema of what msgspec decodes, on its own: what it refers to stands within."""
    schema = msgspec.json.schema(kind, schema_hook=lambda _object: {"description": "any JSON"})
    parts = schema.pop("$defs", {})
    return _within(schema, parts)  # type: ignore[no-any-return]


def _within(value: Any, parts: Document) -> Any:
    if isinstance(value, list):
        return [_within(one, parts) for one in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return _within(parts[value["$ref"].rpartition("/")[2]], parts)
    return {name: _within(one, parts) for name, one in value.items()}


def body_of(media_type: str, schema: Document, **more: Any) -> Document:
    """`openapi_extra` of a route that reads its body itself."""
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema, **more}}}}


def describe(app: FastAPI) -> None:
    """Have `app` amend its document: problem documents in place of the framework's own, security by routes' rules."""
    plain = app.openapi

    def amended() -> Document:
        if app.openapi_schema is None:
            app.openapi_schema = _amended(app, plain())
        return app.openapi_schema

    app.openapi = amended  # type: ignore[method-assign]


def _amended(app: FastAPI, document: Document) -> Document:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = _PROBLEM
    components["securitySchemes"] = _SCHEMES
    components["responses"] = {
        name: {"description": text, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
        for name, text in _REFUSALS.items()
    }
    for route in iter_route_contexts(app.routes):
        for method in route.methods or ():
            operation = document["paths"].get(route.path_format, {}).get(method.lower())
            if operation is not None:
                _amend(operation, rules_of(route.dependant), route.responses)
    return document


def _amend(operation: Document, rules: list[Rule], stated: Mapping[int | str, Document]) -> None:
    """stated: the route's own `responses`; whose media types are all that there are"""
    responses: Document = operation["responses"]
    for status, response in stated.items():
        if "content" in response:
            responses[str(status)]["content"] = response["content"]
    if "HTTPValidationError" in str(responses.get("422", "")):
        del responses["422"]
    kinds = {rule.kind for rule in rules}
    told = [name for name in _REFUSALS if name not in ("401", "403") or kinds & {"token", "services"}]
    for name in told:
        responses.setdefault(name, {"$ref": f"#/components/responses/{name}"})
    if "token" in kinds:
        operation["security"] = _alternatives(rules)
    elif "services" in kinds:
        operation["security"] = [{SERVICE: []}]
    else:
        operation["security"] = []


def _alternatives(rules: list[Rule]) -> list[Document]:
    """Lists of scopes of which one has to be there, as OpenAPI has it: any of the alternatives, all within each."""
    ways: list[frozenset[str]] = [frozenset()]
    for rule in rules:
        if rule.any_of:
            ways = [way | {scope} for way in ways for scope in sorted(rule.any_of)]
    return [{TOKEN: sorted(way)} for way in ways]
