"""A matrix of hostile registrations: members that lead elsewhere, or are more than names, and what each breaks."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_service.directory import adapters, addresses, contract
from catalog_service.directory.model import Interface
from catalog_service.directory.sample import mistakes_in_examples
from catalog_service.directory.soap_contract import require_wsdl
from harness.registrations import EGRESS, FILES, IMPORTING, REST, SOAP, TABLE, WSDL
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Example, Field, Files, Filter, MaskRule, Operation, Rest, Soap

replace = msgspec.structs.replace
KINDS = [
    pytest.param(one, id=f"REG-{kind}")
    for kind, one in (("rest", REST), ("soap", SOAP), ("table", TABLE), ("files", FILES))
]


def forbidden(interface: Interface) -> list[tuple[str, str]]:
    """(path, rule) of what leads elsewhere."""
    return [(path, rule) for path, _, rule in addresses.forbidden_in_interface(interface, EGRESS)]


def wrong(interface: Interface) -> list[str]:
    return [path for path, _ in contract.mistakes_in_interface(interface)]


@pytest.mark.requirement("REG-01", "REG-02")
@pytest.mark.parametrize("interface", KINDS)
def test_a_good_registration_of_each_kind_has_no_mistakes(interface: Interface) -> None:
    assert (forbidden(interface), wrong(interface)) == ([], [])
    require_wsdl(interface)


# --- where it leads ---------------------------------------------------------------------------------------------------
URLS = {
    "REG-metadata": ("http://169.254.169.254/latest", "address/forbidden"),
    "REG-metadata-cloud": ("http://100.100.100.200/", "address/forbidden"),
    "REG-loopback": ("http://127.0.0.1:8080", "address/loopback"),
    "REG-loopback-6": ("http://[::1]/", "address/loopback"),
    "REG-mapped": ("http://[::ffff:169.254.169.254]/", "address/forbidden"),
    "REG-decimal": ("http://2130706433/", "host/number"),
    "REG-hex": ("http://0x7f.1/", "host/number"),
    "REG-short": ("http://127.1/", "host/number"),
    "REG-zone": ("http://[fe80::1%25eth0]/", "host/zone"),
    "REG-localhost": ("http://localhost/", "host/internal"),
    "REG-cluster": ("http://db.platform.svc.cluster.local/", "host/internal"),
    "REG-other-script": ("http://例.example/", "url/form"),
    "REG-user": ("http://user@rsj.example/", "url/userinfo"),
    "REG-password": ("https://user:secret@rsj.example/", "url/userinfo"),
    "REG-backslash": ("http://rsj.example\\@evil.example/", "url/form"),
    "REG-scheme-ftp": ("ftp://rsj.example/", "url/scheme"),
    "REG-scheme-gopher": ("gopher://rsj.example/", "url/scheme"),
    "REG-scheme-file": ("file:///etc", "url/scheme"),
    "REG-scheme-table": ("postgresql://rsj.example/db", "url/scheme"),
    "REG-query": ("http://rsj.example/?next=x", "url/query-or-fragment"),
    "REG-fragment": ("http://rsj.example/#x", "url/query-or-fragment"),
    "REG-climbing": ("http://rsj.example/a/../b", "url/path"),
    "REG-climbing-hidden": ("http://rsj.example/%2e%2e/b", "url/path"),
    "REG-port-0": ("http://rsj.example:0/", "url/port"),
    "REG-port-redis": ("http://rsj.example:6379/", "url/port"),
    "REG-port-platform": ("http://rsj.example:9999/", "url/port"),
    "REG-newline": ("http://rsj.example\r\nX: 1/", "url/form"),
    "REG-nothing": ("", "url/form"),
}


@pytest.mark.requirement("REG-01")
@pytest.mark.parametrize("case", URLS, ids=str)
def test_an_address_that_leads_elsewhere_is_refused_by_the_name_of_its_rule(case: str) -> None:
    url, rule = URLS[case]
    assert forbidden(replace(REST, base_url=url)) == [("base_url", rule)]


OTHERS: dict[str, tuple[Interface, str, str]] = {
    "REG-outside-networks": (replace(REST, base_url="http://10.2.0.1/"), "base_url", "address/outside-networks"),
    "REG-outside-networks-6": (replace(REST, base_url="http://[2a00::1]/"), "base_url", "address/outside-networks"),
    "REG-s3-outside-networks": (replace(FILES, base_url="s3://bucket/a", networks=["10.1.0.0/16"],
                                        adapter=Files(endpoint="http://10.2.0.1")), "adapter/endpoint",
                                "address/outside-networks"),
    "REG-table-http": (replace(TABLE, base_url="http://rsj.example/db"), "base_url", "url/scheme"),
    "REG-table-engine": (replace(TABLE, base_url="mysql://rsj.example/db"), "base_url", "url/scheme"),
    "REG-table-password": (replace(TABLE, base_url="postgresql://u:p@rsj.example/db"), "base_url", "url/userinfo"),
    "REG-table-options": (replace(TABLE, base_url="postgresql://rsj.example/db?options=-c"), "base_url",
                          "url/query-or-fragment"),
    "REG-table-socket": (replace(TABLE, base_url="postgresql://%2Fvar%2Frun/db"), "base_url", "host/form"),
    "REG-files-http": (replace(FILES, base_url="http://rsj.example/"), "base_url", "url/scheme"),
    "REG-files-climb": (replace(FILES, base_url="file:///data/../etc"), "base_url", "url/path"),
    "REG-files-host": (replace(FILES, base_url="file://rsj.example/data"), "base_url", "host/form"),
    "REG-s3-endpoint": (replace(FILES, base_url="s3://bucket/a", adapter=Files(endpoint="http://169.254.169.254")),
                        "adapter/endpoint", "address/forbidden"),
    "REG-s3-endpoint-user": (replace(FILES, base_url="s3://bucket/a", adapter=Files(endpoint="http://k:s@s3.example")),
                             "adapter/endpoint", "url/userinfo"),
    "REG-sftp-user": (replace(FILES, base_url="sftp://root@rsj.example/data"), "base_url", "url/userinfo"),
    "REG-soap-file": (replace(SOAP, base_url="file:///etc/passwd"), "base_url", "url/scheme"),
    "REG-network-metadata": (replace(REST, networks=["169.254.0.0/16"]), "networks/0", "network/forbidden"),
    "REG-network-all": (replace(REST, networks=["10.0.0.0/8", "0.0.0.0/0"]), "networks/1", "network/too-wide"),
    "REG-network-loopback": (replace(REST, networks=["127.0.0.0/8"]), "networks/0", "network/forbidden"),
    "S-23-ref-http": (replace(REST, response={"items": {"$ref": "http://evil.example/s"}}), "response/items/$ref",
                     "schema/remote-ref"),
    "S-23-ref-file": (replace(REST, parameters={"$ref": "file:///etc/passwd"}), "parameters/$ref", "schema/remote-ref"),
    "S-23-ref-dynamic": (replace(REST, request={"allOf": [{"$dynamicRef": "//evil.example"}]}),
                        "request/allOf/0/$dynamicRef", "schema/remote-ref"),
}  # fmt: skip


@pytest.mark.requirement("REG-01")
@pytest.mark.parametrize("case", OTHERS, ids=str)
def test_every_member_that_could_lead_elsewhere_is_looked_at(case: str) -> None:
    interface, path, rule = OTHERS[case]
    assert (path, rule) in forbidden(interface)


@pytest.mark.requirement("REG-01")
def test_all_of_it_is_told_at_once_as_one_refusal() -> None:
    hostile = replace(REST, base_url="http://u@rsj.example", networks=["0.0.0.0/0"], response={"$ref": "x"})
    with pytest.raises(Refusal) as refused:
        addresses.require_allowed(addresses.forbidden_in_interface(hostile, EGRESS))
    assert refused.value.code is codes.REGISTRATION_FORBIDDEN
    errors: Any = refused.value.facts["errors"]
    assert [(one["path"], one["rule"]) for one in errors] == [
        ("/body/base_url", "url/userinfo"), ("/body/networks/0", "network/too-wide"),
        ("/body/response/$ref", "schema/remote-ref"),
    ]  # fmt: skip
    assert all(one["error"] for one in errors)


WSDLS = {
    "S-24-wsdl-import": (IMPORTING, 400, "wsdl/remote-import"),
    "S-24-wsdl-include": (
        WSDL.replace("<xs:element", '<xs:include schemaLocation="http://evil.example/a.xsd"/><xs:element', 1), 400,
        "wsdl/remote-import",
    ),
    "S-24-wsdl-entity": (f'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>{WSDL}', 400, "wsdl/dtd"),
    "REG-wsdl-garbage": ("<a", 422, ""),
    "REG-wsdl-empty": (WSDL.partition("<service")[0] + "</definitions>", 422, ""),
}  # fmt: skip


@pytest.mark.requirement("REG-01")
@pytest.mark.parametrize("case", WSDLS, ids=str)
def test_a_wsdl_that_leads_elsewhere_or_cannot_be_read_is_refused(case: str) -> None:
    text, status, rule = WSDLS[case]
    with pytest.raises(Refusal) as refused:
        require_wsdl(replace(SOAP, adapter=Soap(wsdl=text)))
    assert refused.value.code.status == status
    errors: Any = refused.value.facts["errors"]
    assert (errors[0]["path"], errors[0].get("rule", "")) == ("/body/adapter/wsdl", rule)


anything = st.text(max_size=30) | st.text(alphabet="/:@[]%.{}?#\\a1-", max_size=30)


@pytest.mark.requirement("REG-01", "REG-02")
@pytest.mark.parametrize("interface", KINDS)
@given(url=anything, name=anything, path=anything, network=anything)
def test_whatever_is_registered_is_judged(interface: Interface, url: str, name: str, path: str, network: str) -> None:
    operations = [Operation(method="GET", path=path, target=path)]
    changed = replace(
        interface, base_url=url, networks=[network], operations=operations, subject=name, credential=name,
        fields=[Field(name=name, mask=name)], masks=[MaskRule(name=name, until=name)],
        parameters={"$ref": name, name: {name: url}}, examples=[Example(values={name: url}, response=path)],
    )  # fmt: skip
    assert all(len(one) == 3 for one in addresses.forbidden_in_interface(changed, EGRESS))
    assert all(len(one) == 2 for one in contract.mistakes_in_interface(changed))
    assert all(len(one) == 2 for one in mistakes_in_examples(changed))
    adapters.completed(changed)


# --- what each kind asks for ------------------------------------------------------------------------------------------
GET, POST = (Operation(method=method, path="", target="") for method in ("GET", "POST"))


def table(**members: Any) -> Interface:
    return replace(TABLE, adapter=replace(TABLE.adapter, **members))


HOSTILE: dict[str, tuple[Interface, str]] = {
    "REG-relation-sql": (table(relation='v"; DROP TABLE x; --'), "adapter/relation"),
    "REG-relation-query": (table(relation="(SELECT 1)"), "adapter/relation"),
    "REG-relation-empty": (table(relation=""), "adapter/relation"),
    "REG-relation-dots": (table(relation="a.b.c.d"), "adapter/relation"),
    "REG-column-sql": (table(columns={"name": "name, password"}), "fields/0/name"),
    "REG-column-stray": (table(columns={"other": "x"}), "adapter/columns/other"),
    "REG-order-sql": (table(order=["name; --"]), "adapter/order/0"),
    "REG-filter-column": (table(filters=[Filter(parameter="a", column="1=1 OR x")]), "adapter/filters/0/column"),
    "REG-filter-name": (table(filters=[Filter(parameter="a b", column="x")]), "adapter/filters/0/parameter"),
    "REG-filter-limit": (table(filters=[Filter(parameter="limit", column="x")]), "adapter/filters/0/parameter"),
    "REG-filter-twice": (table(filters=[Filter(parameter="a", column="x")] * 2), "adapter/filters"),
    "REG-filter-prefix": (table(filters=[Filter(parameter="a", column="x", op="prefix", kind="date")]),
                          "adapter/filters/0/op"),
    "REG-filter-boolean": (table(filters=[Filter(parameter="a", column="x", op="ge", kind="boolean")]),
                           "adapter/filters/0/op"),
    "REG-rows-none": (table(most_rows=0), "adapter/most_rows"),
    "REG-rows-all": (table(most_rows=10**9), "adapter/most_rows"),
    "REG-table-post": (replace(TABLE, operations=[POST]), "operations"),
    "REG-table-two": (replace(TABLE, operations=[GET, POST]), "operations"),
    "REG-table-xml": (replace(TABLE, format="xml"), "format"),
    "REG-table-body": (replace(TABLE, request={"type": "object"}), "request"),
    "REG-table-fields": (replace(TABLE, fields=[]), "fields"),
    "REG-table-dotted": (replace(TABLE, fields=[Field(name="a.b")]), "fields/0/name"),
    "REG-table-no-database": (replace(TABLE, base_url="postgresql://rsj.example"), "base_url"),
    "REG-table-strange-parameter": (
        replace(TABLE, parameters={"properties": {"id_card": {}, "more": {}}}), "parameters"),
    "REG-table-no-parameter": (replace(TABLE, parameters={"properties": {}}), "parameters"),
    "REG-table-nowhere": (replace(TABLE, networks=[]), "networks"),
    "REG-files-json": (replace(FILES, format="json"), "format"),
    "REG-files-verify": (replace(FILES, mode="verify"), "mode"),
    "REG-files-put": (replace(FILES, operations=[Operation(method="PUT", path="/{name}", target="")]),
                      "operations/0/method"),
    "REG-files-deep": (replace(FILES, operations=[Operation(method="GET", path="/{a}/{b}", target="")]),
                       "operations/0/path"),
    "REG-files-fixed": (replace(FILES, operations=[Operation(method="GET", path="/passwd", target="")]),
                        "operations/0/path"),
    "REG-files-root": (replace(FILES, base_url="file:///"), "base_url"),
    "REG-files-endpoint": (replace(FILES, adapter=Files(endpoint="http://s3.example")), "adapter/endpoint"),
    "REG-s3-no-endpoint": (replace(FILES, base_url="s3://bucket/a", networks=["10.0.0.0/8"]), "adapter/endpoint"),
    "REG-s3-bucket": (replace(FILES, base_url="s3://B/a", adapter=Files(endpoint="http://s3.example")), "base_url"),
    "REG-s3-region": (replace(FILES, base_url="s3://bucket/a", adapter=Files(endpoint="http://s.de", region="A b")),
                      "adapter/region"),
    "REG-sftp-nowhere": (replace(FILES, base_url="sftp://rsj.example/data"), "networks"),
    "REG-soap-get": (replace(SOAP, operations=[Operation(method="GET", path="", target="Query")]),
                     "operations/0/method"),
    "REG-soap-variable": (replace(SOAP, operations=[Operation(method="POST", path="/{a}", target="Query")]),
                          "operations/0/path"),
    "REG-soap-xml": (replace(SOAP, format="xml"), "format"),
    "REG-rest-target": (replace(REST, operations=[Operation(method="GET", path="/a", target="http://evil.example/")]),
                        "operations/0/target"),
    "REG-rest-binary": (replace(REST, adapter=Rest(request_format="binary"), request={"type": "object"}), "request"),
    "REG-binary-compare": (replace(REST, format="binary", mode="compare"), "mode"),
    "REG-credential": (replace(REST, credential="../secret"), "credential"),
    "REG-mask-unknown": (replace(REST, fields=[Field(name="a", mask="x-mine")]), "fields/0/mask"),
    "REG-mask-name": (replace(REST, masks=[MaskRule(name="mine", head=1, shortest=9)]), "masks/0/name"),
    "REG-mask-shows-all": (replace(REST, masks=[MaskRule(name="x-all", head=9, shortest=9)]), "masks/0/shortest"),
    "REG-consent-of-nobody": (replace(REST, consent_required=True, subject=""), "subject"),
    "REG-subject-in-bytes": (
        replace(REST, adapter=Rest(request_format="xml"), request={"properties": {"who": {}}}, subject="who"),
        "subject",
    ),
}  # fmt: skip


@pytest.mark.requirement("REG-02")
@pytest.mark.parametrize("case", HOSTILE, ids=str)
def test_a_name_is_a_name_and_each_kind_is_asked_in_its_way(case: str) -> None:
    interface, path = HOSTILE[case]
    assert path in wrong(interface)


@pytest.mark.requirement("REG-02")
def test_an_operation_of_a_soap_interface_is_one_of_its_wsdl_s() -> None:
    strange = replace(SOAP, operations=[Operation(method="POST", path="", target="Delete")])
    for interface, path in (
        (strange, "operations/0/target"),
        (replace(SOAP, adapter=Soap(wsdl=WSDL, service="Other")), "adapter/service"),
        (replace(SOAP, adapter=Soap(wsdl=WSDL, port="Other")), "adapter/port"),
    ):
        with pytest.raises(Refusal) as refused:
            require_wsdl(interface)
        errors: Any = refused.value.facts["errors"]
        assert (refused.value.code.status, errors[0]["path"]) == (422, f"/body/{path}")


@pytest.mark.requirement("REG-02")
def test_a_table_s_parameters_follow_from_its_filters() -> None:
    assert adapters.completed(REST) == REST
    made = adapters.completed(TABLE)
    assert made.parameters is not None
    assert (made.parameters["required"], made.parameters["additionalProperties"]) == (["id_card"], False)
    properties: Any = made.parameters["properties"]
    assert list(properties) == ["id_card", "since", "limit", "offset"]
    assert wrong(made) == []
    assert wrong(replace(made, subject="id_card", consent_required=True)) == []
    assert adapters.completed(made) is made


@pytest.mark.requirement("REG-02")
def test_fields_may_have_masks_of_the_provider_s_own() -> None:
    rule = MaskRule(name="x-mine", tail=2, shortest=6)
    assert wrong(replace(REST, masks=[rule], fields=[Field(name="a", mask="x-mine")])) == []
    assert contract.masks_of(replace(REST, masks=[rule])) == contract.MASKS | {"x-mine"}


EXAMPLES = {
    "REG-example-values": (Example(values={"other": "x"}), "examples/0/values"),
    "REG-example-parameters": (Example(values={"id_card": "x" * 99}), "examples/0/values"),
    "REG-example-request": (Example(request={"id_card": 5}), "examples/0/request"),
    "REG-example-response": (Example(response={"name": 5}), "examples/0/response"),
    "REG-example-of-somebody": (Example(response={"name": "11010519491231002X"}), "examples/0"),
    "REG-example-good": (Example(values={"id_card": "1"}, request={"id_card": "x"}, response={"name": "测试"}), ""),
    "REG-example-failing": (Example(response={"code": "none"}, status=404), ""),
}


@pytest.mark.requirement("REG-03")
@pytest.mark.parametrize("case", EXAMPLES, ids=str)
def test_examples_ask_and_answer_as_it_is_registered(case: str) -> None:
    example, path = EXAMPLES[case]
    text = {"type": "object", "properties": {"id_card": {"type": "string", "maxLength": 18}}}
    answer = {"type": "object", "properties": {"name": {"type": "string"}}}
    interface = replace(REST, parameters=text, request=text, response=answer, examples=[example])
    assert [where for where, _ in mistakes_in_examples(interface)] == ([path] if path else [])


# --- a version that is registered again -------------------------------------------------------------------------------
MASKED = replace(REST, mode="compare", masks=[
    MaskRule(name="x-ends", head=1, tail=2, shortest=9), MaskRule(name="x-mail", until="@."),
])  # fmt: skip
_SHOWING_MORE: dict[str, dict[str, Any]] = {
    "head": {"head": 2}, "tail": {"tail": 3}, "shortest": {"shortest": 8}, "until": {"until": "-"},
}  # fmt: skip
LAXER: dict[str, dict[str, Any]] = {
    "REG-again-kind": {"adapter": TABLE.adapter},
    "REG-again-facts": {"mode": "query"},
    "REG-again-mask-gone": {"masks": MASKED.masks[:1]},
    **{
        f"REG-again-mask-{name}": {"masks": [replace(MASKED.masks[0], **change), MASKED.masks[1]]}
        for name, change in _SHOWING_MORE.items()
    },
    "REG-again-mask-later": {"masks": [MASKED.masks[0], replace(MASKED.masks[1], until="@")]},
    "REG-again-mask-otherwise": {"masks": [MASKED.masks[0], replace(MASKED.masks[1], until="", shortest=9)]},
}  # fmt: skip


@pytest.mark.requirement("REG-04")
@pytest.mark.parametrize("case", LAXER, ids=str)
def test_a_version_never_tells_more_than_it_did(case: str) -> None:
    with pytest.raises(Refusal) as refused:
        contract.check_same_contract(MASKED, replace(MASKED, **LAXER[case]))
    assert refused.value.code is codes.CONFLICT


@pytest.mark.requirement("REG-04")
def test_a_version_may_tell_less_and_move() -> None:
    stricter = [replace(MASKED.masks[0], head=0, shortest=12), replace(MASKED.masks[1], until="@.-")]
    contract.check_same_contract(
        MASKED,
        replace(
            MASKED, mode="verify", masks=[*stricter, MaskRule(name="x-new")], credential="new", examples=[Example()]
        ),
    )
