"""One service described in every edition of OpenAPI, documents that mean no good, and how tests have them read."""

from typing import Any

from catalog_service.directory.entry import Item, Resource, Share
from catalog_service.directory.model import Interface
from catalog_service.interchange.openapi import Note, describe
from catalog_service.interchange.proposal import Wanted, propose

RECORD: dict[str, Any] = {
    "type": "object",
    "required": ["name", "secret_note"],
    "properties": {
        "name": {"type": "string", "description": "姓名", "example": "张三"},
        "secret_note": {"type": "string"},
        "age": {"type": "integer", "minimum": 0, "exclusiveMinimum": True, "maximum": 9223372036854775807},
        "address": {"type": "object", "properties": {"city": {"type": "string"}, "zip": {"type": "string"}}},
        "relatives": {"type": "array", "items": {"$ref": "#/components/schemas/Person"}},
        "phones": {"type": "array", "items": {"type": "string"}},
        "cards": {"type": "array", "items": {"type": "object", "properties": {"no": {"type": "string"}}}},
        "extra": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
RECEIPT = {"type": "object", "properties": {"id": {"type": "string"}}}
ID_CARD = {"name": "id_card", "in": "path", "required": True}
KIND = {"name": "kind", "in": "query"}
PAGE = {"name": "page", "in": "query", "required": True}
JSON = "application/json"


def v30() -> dict[str, Any]:
    """OpenAPI 3.0."""
    person = {**RECORD, "properties": {**RECORD["properties"], "nick": {"type": "string", "nullable": True}}}
    return {
        "openapi": "3.0.3",
        "info": {"title": "户籍服务", "version": "1"},
        "servers": [{"url": "https://{host}/api/", "variables": {"host": {"default": "hj.gaj.example"}}}],
        "paths": {
            "/persons/{id_card}": {
                "parameters": [{**ID_CARD, "schema": {"type": "string", "maxLength": 18}}],
                "get": {
                    "tags": ["人口"],
                    "parameters": [
                        {**KIND, "schema": {"allOf": [{"$ref": "#/components/schemas/Kind"}]}},
                        {"$ref": "#/components/parameters/Page"},
                        {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                        {"name": "Authorization", "in": "header", "required": True, "schema": {"type": "string"}},
                    ],
                    "responses": {"200": {"$ref": "#/components/responses/One"}, "404": {"description": "无"}},
                },
                "options": {"responses": {"204": {"description": "-"}}},
            },
            "/persons": {
                "post": {
                    "tags": ["register"],
                    "requestBody": {
                        "required": True, "content": {JSON: {"schema": {"$ref": "#/components/schemas/Person"}}},
                    },
                    "responses": {"201": {"description": "ok", "content": {"application/x+json": {"schema": RECEIPT}}}},
                },
            },
        },
        "components": {
            "schemas": {"Person": person, "Kind": {"type": "string", "enum": ["a", "b"]}, "Unused": {"type": "string"}},
            "parameters": {"Page": {**PAGE, "schema": {"type": "integer"}}},
            "responses": {"One": {
                "description": "ok", "content": {JSON: {"schema": {"$ref": "#/components/schemas/Person"}}},
            }},
        },
    }  # fmt: skip


def _newer(document: dict[str, Any], edition: str) -> dict[str, Any]:
    person = document["components"]["schemas"]["Person"]["properties"]
    age = {"type": "integer", "exclusiveMinimum": 0}
    nick = {"type": ["string", "null"]}
    document["components"]["schemas"]["Person"]["properties"] = {**person, "age": age, "nick": nick}
    return {**document, "openapi": edition}


def v31() -> dict[str, Any]:
    """OpenAPI 3.1: JSON Schema 2020-12."""
    return _newer(v30(), "3.1.1")


def v32() -> dict[str, Any]:
    """OpenAPI 3.2, with a method that only it knows."""
    document = _newer(v30(), "3.2.0")
    document["paths"]["/persons"]["query"] = {"responses": {"200": {"description": "ok"}}}
    return document


def v20() -> dict[str, Any]:
    """Swagger 2.0."""
    person = {**RECORD["properties"], "nick": {"type": "string", "x-nullable": True}}
    person["relatives"] = {"type": "array", "items": {"$ref": "#/definitions/Person"}}
    return {
        "swagger": "2.0",
        "info": {"title": "户籍服务", "version": "1"},
        "host": "hj.gaj.example", "basePath": "/api", "schemes": ["http", "https"], "produces": [JSON],
        "paths": {
            "/persons/{id_card}": {
                "parameters": [{**ID_CARD, "type": "string", "maxLength": 18}],
                "get": {
                    "tags": ["人口"],
                    "parameters": [
                        {**KIND, "type": "string", "enum": ["a", "b"]},
                        {"$ref": "#/parameters/Page"},
                        {"name": "X-Trace", "in": "header", "type": "string"},
                    ],
                    "responses": {"200": {"description": "ok", "schema": {"$ref": "#/definitions/Person"}}},
                },
                "options": {"responses": {"204": {"description": "-"}}},
            },
            "/persons": {
                "post": {
                    "tags": ["register"],
                    "parameters": [
                        {"name": "x", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Person"}},
                    ],
                    "responses": {"201": {
                        "description": "ok", "schema": RECEIPT,
                    }},
                },
            },
        },
        "parameters": {"Page": {**PAGE, "type": "integer"}},
        "definitions": {"Person": {**RECORD, "properties": person}},
    }  # fmt: skip


EDITIONS = {"2.0": v20, "3.0": v30, "3.1": v31, "3.2": v32}


def one_operation(operation: dict[str, Any], path: str = "/a", method: str = "get", **more: Any) -> dict[str, Any]:
    """A 3.1 document with nothing but one operation."""
    stated = {"responses": {"200": {"description": "ok"}}, **operation}
    document = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {path: {method: stated}}}
    return {"servers": [{"url": "https://a.example"}], **document, **more}


def answering(schema: Any, **schemas: Any) -> dict[str, Any]:
    """A 3.1 document with one operation that answers this."""
    response = {"description": "ok", "content": {JSON: {"schema": schema}}}
    return one_operation({"responses": {"200": response}}, components={"schemas": schemas})


def chain(length: int) -> dict[str, Any]:
    """Schemas each inside the one before, by reference."""
    names = [f"S{n}" for n in range(length)]
    schemas = {
        name: {"type": "object", "properties": {"x": {"$ref": f"#/components/schemas/{below}"}}}
        for name, below in zip(names, [*names[1:], names[-1]], strict=True)
    }
    return answering({"$ref": "#/components/schemas/S0"}, **schemas)


def doubling(levels: int, through: str) -> dict[str, Any]:
    """Each level refers twice to the one below: two to the power of `levels` ways down."""
    below = [{"$ref": f"#/components/schemas/S{n}"} for n in range(1, levels)]
    schemas: dict[str, Any] = {
        f"S{n}": {"properties": {"x": one, "y": one}} if through == "properties" else {through: [one, one]}
        for n, one in enumerate(below)
    }
    return answering({"$ref": "#/components/schemas/S0"}, **schemas, **{f"S{levels - 1}": {"type": "string"}})


# --- read -----------------------------------------------------------------------------------------------------------
RESOURCE = Resource(
    code="1010000100001/000002", name="户籍", provider="gaj", summary="…", share=Share(type="unconditional"),
    items=[
        Item(name="name", label="姓名", type="C", mask="name_first", level="L2"),
        Item(name="no", label="证号", type="C", mask="id_last4", level="L3"),
    ],
)  # fmt: skip


def read(document: dict[str, Any], **wanted: Any) -> tuple[list[Interface], list[tuple[str, str]], list[Note]]:
    """The proposed interfaces, the mistakes, the notes."""
    options = {"interface": "gaj-person", "version": "v1", "base_url": "", "networks": ["10.0.0.0/8"], "by_tag": False}
    mistakes: list[tuple[str, str]] = []
    described = describe(document, mistakes)
    notes = described.notes
    proposals = propose(described, Wanted(**{"resource": RESOURCE, **options, **wanted}), mistakes, notes)
    for proposal in proposals:
        mistakes += proposal.mistakes()
    return [proposal.interface for proposal in proposals], mistakes, notes


def definitions(schema: Any) -> set[str]:
    return set(schema["$defs"])


def one(document: dict[str, Any], **wanted: Any) -> Interface:
    [interface], mistakes, _ = read(document, **wanted)
    assert mistakes == []
    return interface
