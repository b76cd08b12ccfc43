"""What a registration has to hold."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_service.directory import contract, model
from catalog_service.directory.addresses import forbidden_in_interface
from catalog_service.directory.entry import Basis, Resource, Share
from catalog_service.directory.model import Interface
from relay.egress import Egress
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Field, Operation

GOOD = Interface(
    id="gaj-household-info",
    version="v1",
    provider="gaj",
    resource="1019900100001/000002",
    name="居民户籍基本信息查询",
    base_url="https://hj.gaj.example:8443/api",
    networks=["10.1.0.0/16", "2a0c:1::/32"],
    operations=[
        Operation(method="GET", path="/{id_card}", target="/v1/household/{id_card}"),
        Operation(method="POST", path="", target="/v1/households"),
    ],
    fields=[Field(name="name", mask="name_first", level="L2"), Field(name="address.district")],
    response={"$ref": "#/$defs/person", "$defs": {"person": {"type": "object", "properties": {"$ref": {}}}}},
)
EGRESS = Egress(allow_loopback=False, forbidden_ports=frozenset({8444}))
RESOURCE = Resource(
    code="1019900100001/000002", name="户籍", provider="gaj", summary="…", share=Share(type="unconditional")
)


def wrong(**changes: Any) -> list[str]:
    """Paths of the mistakes in an interface that is good but for these members."""
    changed = msgspec.structs.replace(GOOD, **changes)
    forbidden = [path for path, *_ in forbidden_in_interface(changed, EGRESS)]
    return [*forbidden, *(path for path, _ in contract.mistakes_in_interface(changed))]


@pytest.mark.requirement("CAT-07")
def test_a_good_interface_has_no_mistakes() -> None:
    assert wrong() == []
    assert wrong(operations=[Operation(method="GET", path="/", target="/")]) == []
    assert wrong(base_url="http://[2a0c:1::1]:80") == []


@pytest.mark.requirement("CAT-07")
@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example",
        "http://",
        "http://user@a.example",
        "http://user:secret@a.example",
        "http://a.example?x=1",
        "http://a.example/#f",
        "http://a.example:0",
        "http://a.example:65536",
        "http://a.example:80:90",
        "http://a.example/a/../b",
        "http://a.example//b",
        "http://a.example/a b",
        "http://a.example\\@b.example",
        " http://a.example",
        "http://a.example\n",
        "HTTP://例.example",
    ],
)
def test_a_base_url_leads_to_one_place(url: str) -> None:
    assert wrong(base_url=url) == ["base_url"]


@pytest.mark.requirement("CAT-07")
@pytest.mark.parametrize("network", ["10.0.0.1/8", "10.0.0.0/33", "example.com", "", "10.0.0.0/8 "])
def test_networks_are_cidrs(network: str) -> None:
    assert wrong(networks=["10.0.0.0/8", network]) == ["networks/1"]


@pytest.mark.requirement("CAT-07")
def test_a_provider_has_to_be_somewhere() -> None:
    assert wrong(networks=[]) == ["networks"]
    assert wrong(operations=[]) == ["operations"]


@pytest.mark.requirement("CAT-07")
@pytest.mark.parametrize(
    ("method", "path", "target", "where"),
    [
        ("TRACE", "/a", "/a", "method"),
        ("get", "/a", "/a", "method"),
        ("GET", "/{a}", "/{b}", "target"),
        ("GET", "/{a}", "/v1", "target"),
        ("GET", "/v1", "/{a}", "target"),
        ("GET", "/{a}/{a}", "/{a}", "path"),
        ("GET", "/x{a}", "/{a}", "path"),
        ("GET", "/{a", "/a", "path"),
        ("GET", "/a}", "/a", "path"),
        ("GET", "/{}", "/{}", "path"),
        ("GET", "/{a-b}", "/{a-b}", "path"),
        ("GET", "/{1}", "/{1}", "path"),
        ("GET", "a", "/a", "path"),
        ("GET", "/a", "http://evil.example/", "target"),
        ("GET", "/a", "/a?b=c", "target"),
        ("GET", "/a/../b", "/a", "path"),
        ("GET", "/a", "//b", "target"),
        ("GET", "/%2e%2e/b", "/a", "path"),
        ("GET", "/户籍", "/a", "path"),
    ],
)
def test_templates_mean_one_thing(method: str, path: str, target: str, where: str) -> None:
    assert f"operations/0/{where}" in wrong(operations=[Operation(method=method, path=path, target=target)])


@pytest.mark.requirement("CAT-07")
def test_two_operations_can_be_told_apart() -> None:
    twice = [Operation(method="GET", path=f"/{{{name}}}", target=f"/v1/{{{name}}}") for name in ("a", "b")]
    assert wrong(operations=twice) == ["operations"]
    assert wrong(operations=[twice[0], Operation(method="PUT", path="/{a}", target="/{a}")]) == []


@pytest.mark.requirement("CAT-07")
@pytest.mark.parametrize("name", ["*", "a.*", "", ".a", "a.", "a..b", "a b", "a\n"])
def test_fields_have_dotted_names(name: str) -> None:
    assert wrong(fields=[Field(name=name)]) == ["fields/0/name"]


@pytest.mark.requirement("CAT-07")
def test_fields_are_unique_and_masks_known() -> None:
    assert wrong(fields=[Field(name="a"), Field(name="a", mask="drop")]) == ["fields"]
    assert wrong(fields=[Field(name="a", mask="blur")]) == ["fields/0/mask"]
    assert wrong(fields=[Field(name="a", mask="plain")]) == ["fields/0/mask"]
    assert wrong(fields=[Field(name=f"f{n}", mask=mask) for n, mask in enumerate(sorted(contract.MASKS))]) == []


@pytest.mark.requirement("CAT-07")
@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ({"$ref": "http://evil.example/s.json"}, "request/$ref"),
        ({"$ref": "other.json#/a"}, "request/$ref"),
        ({"$ref": "file:///etc/passwd"}, "request/$ref"),
        ({"$ref": ""}, "request/$ref"),
        ({"allOf": [{"items": {"$dynamicRef": "//evil.example/x"}}]}, "request/allOf/0/items/$dynamicRef"),
        ({"properties": {"a": {"$ref": "x"}}}, "request/properties/a/$ref"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "request/$schema"),
        ({"maximum": float("nan")}, "request/maximum"),
        ({"maximum": 10**30}, "request/maximum"),
        ({"title": "\ud800"}, "request/title"),
        ({"\udfff": True}, "request"),
    ],
)
def test_a_schema_stays_within_itself(schema: dict[str, object], where: str) -> None:
    assert wrong(request=schema)[0] == where


@pytest.mark.requirement("CAT-07")
def test_a_bottomless_schema_is_refused() -> None:
    schema: dict[str, object] = {}
    for _ in range(500):
        schema = {"not": schema}
    assert len(wrong(parameters=schema)) == 1


names = st.sampled_from(["a", "b", "c", "d.e"])
masks = st.sampled_from(["", "drop", "phone"])
some_fields = st.dictionaries(names, masks, max_size=4)


@pytest.mark.requirement("CAT-09")
@given(before=some_fields, after=some_fields)
def test_a_version_only_grows(before: dict[str, str], after: dict[str, str]) -> None:
    """Whatever an older grant releases, with whatever mask, stays as it was."""
    known, stated = (
        msgspec.structs.replace(GOOD, fields=[Field(name=name, mask=mask) for name, mask in fields.items()])
        for fields in (before, after)
    )
    kept = all(after.get(name) == mask for name, mask in before.items())
    unmasked_news = all(not mask for name, mask in after.items() if name not in before)
    if kept and unmasked_news:
        contract.check_same_contract(known, stated)
        return
    with pytest.raises(Refusal) as refused:
        contract.check_same_contract(known, stated)
    assert refused.value.code is codes.CONFLICT


@pytest.mark.requirement("CAT-09")
@pytest.mark.parametrize(
    "changes",
    [
        {"provider": "swj"},
        {"resource": "1019900100001/000009"},
        {"format": "binary"},
        {"operations": GOOD.operations[1:]},
        {"consent_required": False},
        {"retention": "general"},
    ],
)
def test_what_consumers_and_approvals_rest_on_does_not_change(changes: dict[str, Any]) -> None:
    known = msgspec.structs.replace(GOOD, consent_required=True, retention="personal")
    with pytest.raises(Refusal) as refused:
        contract.check_same_contract(known, msgspec.structs.replace(known, **changes))
    assert refused.value.code is codes.CONFLICT


@pytest.mark.requirement("CAT-09")
def test_address_limits_and_descriptions_may_change() -> None:
    moved = msgspec.structs.replace(
        GOOD,
        base_url="https://new.example",
        networks=["10.2.0.0/16"],
        timeout_s=3.0,
        name="新名称",
        operations=[*GOOD.operations, Operation(method="GET", path="/all", target="/v1/all")],
        consent_required=True,
    )
    contract.check_same_contract(GOOD, moved)


@pytest.mark.requirement("CAT-12")
def test_personal_information_decides_how_long_records_are_kept() -> None:
    personal = msgspec.structs.replace(RESOURCE, contains_personal_info=True)
    assert model.keep_long_enough(GOOD, personal).retention == "personal"
    assert model.keep_long_enough(GOOD, RESOURCE).retention == "general"
    stricter = msgspec.structs.replace(GOOD, retention="personal")
    assert model.keep_long_enough(stricter, RESOURCE).retention == "personal"


@pytest.mark.requirement("CAT-13")
@pytest.mark.requirement("NAT-14-15")
@pytest.mark.parametrize(
    ("share", "where"),
    [
        (Share(type="conditional"), ["share/condition"]),
        (Share(type="conditional", condition="依职权"), []),
        (Share(type="unconditional", condition="依职权"), ["share/condition"]),
        (Share(type="none", reason="法律禁止"), ["share/legal_basis"]),
        (Share(type="none", legal_basis=[Basis(law="税收征收管理法")]), ["share/legal_basis"]),
        (Share(type="none", reason="法律禁止", legal_basis=[Basis(law="税收征收管理法")]), []),
    ],
)
def test_a_share_attribute_says_what_the_regulation_asks(share: Share, where: list[str]) -> None:
    resource = msgspec.structs.replace(RESOURCE, share=share)
    assert [path for path, _ in contract.mistakes_in_resource(resource)] == where


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(Refusal) as refused:
        contract.require([("a", "one"), ("b/0", "two")])
    assert refused.value.code.name == "request/invalid"
    assert refused.value.facts["errors"] == [
        {"path": "/body/a", "error": "one"},
        {"path": "/body/b/0", "error": "two"},
    ]


def test_what_is_published_lacks_what_only_the_directory_needs() -> None:
    published = GOOD.published()
    assert "resource" not in msgspec.to_builtins(published)
    assert published.response == GOOD.response


@pytest.mark.requirement("SUB-03")
def test_whoever_is_asked_about_is_named_by_something_that_is_asked() -> None:
    assert wrong(subject="id_card") == []
    assert wrong(subject="name") == wrong(subject=" ") == ["subject"]
    body: dict[str, Any] = {"anyOf": [{"properties": {"name": {}}}, {"properties": {"kind": {}}}]}
    assert wrong(subject="name", request=body) == wrong(subject="name", parameters=body) == []
    assert wrong(subject="name", request=body, format="binary") == ["subject"]
    for name in ('a"b', "a\\b"):
        assert wrong(subject=name, request={"properties": {name: {}}}) == ["subject"]


@pytest.mark.requirement("SUB-03", "GAT-03")
def test_where_a_consent_is_needed_each_operation_names_the_person() -> None:
    by_phone = Operation(method="GET", path="/by-phone/{phone}", target="/by-phone/{phone}")
    by_query = Operation(method="GET", path="", target="/")
    asked: dict[str, Any] = {"subject": "id_card", "consent_required": True}
    body: dict[str, Any] = {"properties": {"id_card": {}}}
    assert wrong(**asked) == ["operations/1"]
    assert wrong(**asked, request=body) == []
    assert wrong(**asked, request=body, format="binary") == ["operations/1"]
    every = [*GOOD.operations, by_phone, by_query]
    assert wrong(**asked, request=body, operations=every) == ["operations/2", "operations/3"]
    assert wrong(**asked, request=body, operations=every, parameters=body) == ["operations/2", "operations/3"]
    assert wrong(**asked, request=body, operations=every, parameters={**body, "required": ["id_card"]}) == []
    assert wrong(subject="id_card", operations=every) == []


@pytest.mark.requirement("SUB-03")
def test_a_version_that_names_the_person_goes_on_naming_them() -> None:
    naming = msgspec.structs.replace(GOOD, subject="id_card")
    contract.check_same_contract(GOOD, naming)
    contract.check_same_contract(naming, naming)
    for subject in ("", "name"):
        with pytest.raises(Refusal) as refused:
            contract.check_same_contract(naming, msgspec.structs.replace(GOOD, subject=subject))
        assert refused.value.code is codes.CONFLICT


@pytest.mark.requirement("SUB-04")
@pytest.mark.parametrize(
    ("members", "retention"),
    [
        ({"classification": "数据分级：重要数据"}, "personal"), ({"classification": "核心数据"}, "personal"),
        ({"sensitive_personal_info": True}, "personal"), ({"minors": True}, "personal"),
        ({"classification": "一般数据 3 级"}, "general"), ({"security_level": "L4"}, "general"),
    ],
)  # fmt: skip
def test_records_about_important_data_are_kept_as_long_as_those_about_persons(
    members: dict[str, Any], retention: str
) -> None:
    assert model.keep_long_enough(GOOD, msgspec.structs.replace(RESOURCE, **members)).retention == retention
