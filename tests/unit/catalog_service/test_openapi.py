"""From an OpenAPI document to interfaces."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_service.api.bodies import InterfaceBody
from catalog_service.directory import contract
from catalog_service.directory.model import Interface
from catalog_service.interchange.openapi import edition_of, mistakes_in_document
from harness.openapi_documents import EDITIONS, JSON, answering, definitions, one, one_operation, read, v30
from wire.catalog import Rest


@pytest.mark.requirement("INT-02")
@pytest.mark.parametrize("edition", EDITIONS)
def test_the_same_service_is_read_from_every_edition(edition: str) -> None:
    document = EDITIONS[edition]()
    assert edition_of(document) == edition
    assert mistakes_in_document(document) == []
    interface = one(document)

    assert (interface.name, interface.base_url) == ("户籍服务", "https://hj.gaj.example/api")
    assert [(o.method, o.path, o.target) for o in interface.operations] == [
        ("GET", "/persons/{id_card}", "/persons/{id_card}"), ("POST", "/persons", "/persons"),
    ]  # fmt: skip
    assert {field.name: (field.mask, field.level) for field in interface.fields} == {
        "name": ("name_first", "L2"), "secret_note": ("", "L1"), "age": ("", "L1"), "address.city": ("", "L1"),
        "address.zip": ("", "L1"), "relatives": ("", "L1"), "phones": ("", "L1"), "cards.no": ("id_last4", "L3"),
        "extra": ("", "L1"), "nick": ("", "L1"), "id": ("", "L1"),
    }  # fmt: skip
    assert interface.request is None  # the GET has no body, so none can be demanded
    assert interface.format == "json"


@pytest.mark.requirement("INT-02")
@pytest.mark.parametrize("edition", EDITIONS)
def test_its_schemas_judge_alike_in_every_edition(edition: str) -> None:
    interface = one(EDITIONS[edition]())
    parameters = jsonschema_rs.validator_for(interface.parameters or {})
    for good in ({"id_card": "1", "page": "2"}, {"id_card": "1", "page": "-2", "kind": "b"}, {}):
        assert parameters.is_valid(good)
    for bad in (
        {"id_card": "1"}, {"id_card": "1" * 19, "page": "1"}, {"id_card": "1", "page": "x"}, {"other": "1"},
        {"id_card": "1", "page": "2", "kind": "c"}, {"id_card": "1", "page": "2", "X-Trace": "1"},
    ):  # fmt: skip
        assert not parameters.is_valid(bad)

    response = jsonschema_rs.validator_for(interface.response or {})
    person: dict[str, Any] = {"name": "张三", "secret_note": "…", "age": 1, "nick": None}
    for good in (person, {**person, "relatives": [person]}, {"id": "1"}):
        assert response.is_valid(good)
    wrong: list[Any] = [{**person, "age": 0, "id": 1}, {**person, "relatives": [{"name": 1}], "id": 1}, []]
    for bad in wrong:
        assert not response.is_valid(bad)


@pytest.mark.requirement("INT-02")
def test_what_is_only_for_the_other_side_is_not_missed() -> None:
    person = {
        "type": "object", "required": ["id", "name", "password"],
        "properties": {
            "id": {"type": "string", "readOnly": True}, "name": {"type": "string"},
            "password": {"type": "string", "writeOnly": True},
        },
    }  # fmt: skip
    content = {"content": {JSON: {"schema": {"$ref": "#/components/schemas/P"}}}}
    operation = {"requestBody": {**content, "required": True}, "responses": {"200": {"description": "ok", **content}}}
    interface = one(one_operation(operation, method="post", components={"schemas": {"P": person}}))
    request, response = (jsonschema_rs.validator_for(s or {}) for s in (interface.request, interface.response))
    assert request.is_valid({"name": "a", "password": "b"})
    assert not request.is_valid({"id": "1", "name": "a"})
    assert response.is_valid({"name": "a", "id": "1"})
    assert not response.is_valid({"password": "a", "name": "b"})


@pytest.mark.requirement("INT-02")
def test_one_interface_for_each_tag() -> None:
    interfaces, mistakes, notes = read(v30(), by_tag=True)
    assert mistakes == []
    assert [(i.id, i.name, [o.method for o in i.operations]) for i in interfaces] == [
        ("gaj-person-1", "户籍服务 人口", ["GET"]), ("gaj-person-register", "户籍服务 register", ["POST"]),
    ]  # fmt: skip
    assert interfaces[0].request is None
    assert interfaces[1].request is not None
    assert definitions(interfaces[1].request) == {"Person"}
    assert not [note for note in notes if "body" in note.en]


@pytest.mark.requirement("INT-02")
def test_what_is_left_out_is_noted_with_its_place() -> None:
    _, _, notes = read(EDITIONS["3.2"]())
    found = {note.path: note.en for note in notes}
    assert found == {
        "paths/~1persons~1{id_card}/options": "left out: methods are DELETE, GET, HEAD, PATCH, POST, PUT",
        "paths/~1persons/query": "left out: methods are DELETE, GET, HEAD, PATCH, POST, PUT",
        "paths/~1persons~1{id_card}/get/parameters/X-Trace": "header parameter X-Trace is not passed on",
        "paths/~1persons/post": "the body is not checked: not every operation has to have one",
    }
    assert all(note.zh for note in notes)


REQUIRED_HEADER = {"name": "X-Key", "in": "header", "required": True, "schema": {"type": "string"}}
DEEP = {"name": "filter", "in": "query", "schema": {"type": "object"}}
FORM = {"requestBody": {"content": {"multipart/form-data": {"schema": {"type": "object"}}}}}


def content(**kinds: Any) -> dict[str, Any]:
    return {"description": "ok", "content": {name.replace("_", "/"): schema for name, schema in kinds.items()}}


@pytest.mark.requirement("INT-02")
@pytest.mark.parametrize(
    ("document", "where", "what"),
    [
        (one_operation({}, path="/a/{b}.json"), "paths/~1a~1{b}.json/get", "a variable is a whole segment"),
        (one_operation({}, path="/a/{user-id}"), "paths/~1a~1{user-id}/get", "a variable is a whole segment"),
        (one_operation({}, path="/a/{b}/c/{b}"), "paths/~1a~1{b}~1c~1{b}/get", "more than once"),
        (one_operation({}, path="/a/../b"), "paths/~1a~1..~1b/get", "dot segments"),
        (one_operation({}, path="/a?b=c"), "paths/~1a?b=c/get", "unencoded"),
        (one_operation({"parameters": [REQUIRED_HEADER]}), "paths/~1a/get/parameters/X-Key", "not passed on"),
        (one_operation({"parameters": [DEEP]}), "paths/~1a/get/parameters/filter", "JSON body"),
        (one_operation(FORM, method="post"), "paths/~1a/post/requestBody/content", "bodies are JSON"),
        (one_operation({"requestBody": {"content": {JSON: {}}}}), "paths/~1a/get", "carries no body"),
        (one_operation({"responses": {"200": content(application_json={}), "206": content(image_png={})}}),
         "paths/~1a/get/responses", "JSON here"),
        (one_operation({}, servers=[{"url": "/v1"}]), "servers", "base_url"),
        (one_operation({}, servers=[{"url": "ftp://a.example"}]), "servers", "base_url"),
        (one_operation({}, method="trace"), "paths", "no operation"),
        (answering({"pattern": "("}), "response", "("),
        (answering({"$id": "https://a.example/x"}), "/schema/$id", "not understood here"),
        (answering({"$dynamicRef": "#x"}), "/schema/$dynamicRef", "not understood here"),
        (answering({"maximum": 5, "enum": [10**30]}), "response/enum/0", "not everybody can read"),
    ],
)  # fmt: skip
def test_what_an_interface_cannot_hold_is_named_by_place(document: dict[str, Any], where: str, what: str) -> None:
    _, mistakes, _ = read(document)
    assert [(path, error) for path, error in mistakes if path.endswith(where) and what in error]


@pytest.mark.requirement("INT-02")
def test_bytes_are_streamed_and_do_not_mix_with_json() -> None:
    picture = one_operation({"responses": {"200": content(image_png={})}})
    interface = one(picture)
    assert (interface.format, interface.response, interface.fields) == ("binary", None, [])
    mixed = {**picture, "paths": {**picture["paths"], "/b": answering({"type": "object"})["paths"]["/a"]}}
    _, mistakes, _ = read(mixed)
    assert [path for path, error in mistakes if "bytes" in error] == ["paths/~1a/get"]


@pytest.mark.requirement("INT-02")
@pytest.mark.parametrize(
    ("document", "where"),
    [
        ({"info": {}}, "openapi"),
        ({"openapi": "4.0.0", "info": {"title": "t", "version": "1"}, "paths": {}}, "openapi"),
        ({"openapi": 3.1, "info": {"title": "t", "version": "1"}, "paths": {}}, "openapi"),
        ({"openapi": "3.0.3", "info": {"title": "t"}, "paths": {}}, "info"),
        ({"swagger": "2.0", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"get": {}}}}, "paths/~1a/get"),
        (one_operation({"parameters": [{"name": "x"}]}), "paths/~1a/get/parameters/0"),
        (one_operation({"responses": {"200": {}}}), "paths/~1a/get/responses/200"),
    ],
)
def test_what_is_no_openapi_document_is_told_by_place(document: dict[str, Any], where: str) -> None:
    found = mistakes_in_document(document)
    assert where in [path for path, _ in found]
    assert all("\n" not in error and len(error) <= 300 for _, error in found)


@pytest.mark.requirement("INT-02")
def test_a_thousand_mistakes_are_not_all_told() -> None:
    document = one_operation({"parameters": [{"name": f"x{n}"} for n in range(1000)]})
    assert len(mistakes_in_document(document)) == 50


@pytest.mark.requirement("INT-02")
def test_names_that_cannot_be_granted_are_noted_and_their_parent_is_granted_instead() -> None:
    odd = {"type": "object", "properties": {"a.b": {"type": "string"}, "c d": {"type": "string"}}}
    interfaces, mistakes, notes = read(answering({"type": "object", "properties": {"x": odd, "身份 号": {}, "y": {}}}))
    assert mistakes == []
    assert [field.name for field in interfaces[0].fields] == ["x", "y"]
    assert [note.path for note in notes] == ["response/x.a.b", "response/x.c d", "response/身份 号"]


@pytest.mark.requirement("INT-02")
def test_definitions_keep_apart_whatever_they_are_called() -> None:
    schemas = {"a/b": {"const": 1}, "a b": {"const": 2}, "户": {"const": 3}, "籍": {"const": 4}}
    refs = [
        "#/components/schemas/a~1b",
        "#/components/schemas/a%20b",
        "#/components/schemas/户",
        "#/components/schemas/籍",
    ]
    interface = one(answering({"prefixItems": [{"$ref": ref} for ref in refs]}, **schemas))
    validator = jsonschema_rs.validator_for(interface.response or {})
    assert validator.is_valid([1, 2, 3, 4])
    assert not any(validator.is_valid([*range(n), 9]) for n in range(4))


# --- whatever the document ------------------------------------------------------------------------------------------
NAMES = st.sampled_from(["a", "b", "name", "no"])
SCHEMAS = st.recursive(
    st.one_of(
        st.sampled_from([{"type": "string"}, {"type": "integer", "nullable": True}, {}, {"enum": ["x", 1]}]),
        st.sampled_from(["A", "B", "C"]).map(lambda name: {"$ref": f"#/components/schemas/{name}"}),
    ),
    lambda inner: st.one_of(
        st.dictionaries(NAMES, inner).map(lambda members: {"type": "object", "properties": members}),
        inner.map(lambda items: {"type": "array", "items": items}),
        st.lists(inner, min_size=1, max_size=3).map(lambda forms: {"anyOf": forms, "nullable": True}),
        st.lists(inner, min_size=1, max_size=2).map(lambda parts: {"allOf": parts}),
    ),
    max_leaves=8,
)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "$ref" and isinstance(inner, str):
                yield inner
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


@pytest.mark.requirement("INT-02")
@given(SCHEMAS, SCHEMAS, SCHEMAS, SCHEMAS)
def test_every_schema_becomes_one_that_stands_by_itself(root: Any, a: Any, b: Any, c: Any) -> None:
    document = {**answering(root, A=a, B=b, C=c), "openapi": "3.0.3"}
    [interface], mistakes, _ = read(document)
    if mistakes:  # what would never end is left to whoever wrote it
        assert all("itself" in error or "schemas meet" in error for _, error in mistakes)
        return
    for schema in (interface.response, interface.request, interface.parameters):
        assert schema is None or not list(contract.mistakes_in_schema(schema, "s"))
        defs: Any = (schema or {}).get("$defs", {})
        assert {f"#/$defs/{name}" for name in defs} == set(references(schema))
        jsonschema_rs.validator_for(schema or {})
    assert len({field.name for field in interface.fields}) == len(interface.fields)
    assert msgspec.json.decode(msgspec.json.encode(interface), type=Interface) == interface
    assert fits(interface)


def fits(interface: Interface) -> bool:
    """Whether the API takes the interface as this document made it."""
    members = msgspec.to_builtins(interface)
    InterfaceBody.model_validate({name: members[name] for name in InterfaceBody.model_fields})
    return True


@pytest.mark.requirement("INT-02")
@pytest.mark.parametrize(
    ("document", "where"),
    [
        (one_operation({}, servers=[{"url": f"https://{'a' * 200}.example"}]), "base_url"),
        (one_operation({}, path=f"/{'a' * 500}"), f"paths/~1{'a' * 500}/get"),
        (answering({"type": "object", "properties": {"a" * 201: {}}}), "fields/0/name"),
        ({**one_operation({}), "paths": {f"/{n}": {"get": {"responses": {}}} for n in range(201)}}, "paths"),
    ],
)
def test_what_is_too_long_for_an_interface_is_a_mistake(document: dict[str, Any], where: str) -> None:
    _, mistakes, _ = read(document)
    assert where in [path for path, _ in mistakes]


@pytest.mark.requirement("INT-02")
@pytest.mark.parametrize("title", ["", " ", "长" * 300, "a\nb\tc\x07"])
def test_titles_become_names(title: str) -> None:
    interface = one(one_operation({}, info={"title": title, "version": "1"}))
    assert interface.name
    assert fits(interface)


@pytest.mark.requirement("SUB-03")
@pytest.mark.parametrize("edition", EDITIONS)
def test_a_document_says_what_names_the_person_asked_about(edition: str) -> None:
    document = EDITIONS[edition]()
    assert one(document).subject == ""
    assert one({**document, "x-subject": "id_card"}).subject == "id_card"
    path = next(iter(document["paths"].values()))
    path["get"]["x-subject"] = "id_card"
    assert mistakes_in_document(document) == []
    assert one(document).subject == "id_card"


# --- forms and examples ---------------------------------------------------------------------------------------------
URLENCODED = "application/x-www-form-urlencoded"


def posting(body: dict[str, Any] | None = None, **operation: Any) -> dict[str, Any]:
    """A document with one POST; `body`: its request body."""
    more = {"requestBody": body} if body else {}
    return one_operation({**more, "responses": {"200": {"description": ""}}, **operation}, method="post")


@pytest.mark.requirement("REG-07")
def test_a_form_is_an_object_of_texts() -> None:
    schema = {
        "type": "object", "required": ["id"],
        "properties": {"id": {"type": "string", "maxLength": 18}, "page": {"type": "integer"}},
    }  # fmt: skip
    interface = one(posting({"required": True, "content": {URLENCODED: {"schema": schema}}}))
    assert interface.adapter == Rest(request_format="form")
    judge = jsonschema_rs.validator_for(interface.request or {})
    assert judge.is_valid({"id": "1", "page": "2"})
    for bad in ({"page": "1"}, {"id": 1}, {"id": "1", "more": "x"}, {"id": "1", "page": "x"}):
        assert not judge.is_valid(bad)


@pytest.mark.requirement("REG-07")
def test_json_is_preferred_and_both_at_once_are_two_interfaces() -> None:
    either = {"content": {URLENCODED: {"schema": {}}, JSON: {"schema": {"type": "object"}}}, "required": True}
    assert one(posting(either)).adapter == Rest()
    document: dict[str, Any] = posting({"content": {URLENCODED: {"schema": {}}}})
    answers = {"200": {"description": ""}}
    document["paths"]["/b"] = {"post": {"requestBody": {"content": {JSON: {"schema": {}}}}, "responses": answers}}
    _, mistakes, _ = read(document)
    assert [what for _, what in mistakes] == ["takes a form while others take JSON; register it as another interface"]
    _, mistakes, _ = read(posting({"content": {"multipart/form-data": {"schema": {}}}}))
    assert "bodies are JSON or forms" in mistakes[0][1]


@pytest.mark.requirement("REG-07")
@pytest.mark.parametrize(
    ("media", "taken"),
    [
        ({"example": {"name": "测试"}}, True), ({"examples": {"a": {"value": {"name": "测试"}}}}, True),
        ({"example": {"name": 5}}, False), ({"example": {"name": "11010519491231002X"}}, False), ({}, None),
        ({"examples": {"a": {"externalValue": "http://evil.example/"}}}, None),
    ],
    ids=["REG-example", "REG-examples", "REG-misfit", "REG-of-somebody", "REG-none", "REG-elsewhere"],
)  # fmt: skip
def test_an_example_is_taken_over_if_it_fits_and_is_nobody_s(media: dict[str, Any], taken: bool | None) -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    content = {JSON: {"schema": schema, **media}}
    document = one_operation({"responses": {"200": {"description": "", "content": content}}})
    [interface], mistakes, notes = read(document)
    assert mistakes == []
    assert [example.response for example in interface.examples] == ([{"name": "测试"}] if taken else [])
    assert any("example" in note.en for note in notes) is (taken is False)
