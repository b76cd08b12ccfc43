"""The S-list where it is registered: every form is refused by a rule that has a name (security.md 5.4)."""

import ipaddress

import pytest

from harness.addresses import hosts
from relay.egress import RULES, check_literal, mistake_in_host, mistake_in_network, mistake_in_url

pytestmark = pytest.mark.requirement("EGR-01")
WEB = ("http", "https")
PODS = (ipaddress.ip_network("10.96.0.0/12"), ipaddress.ip_network("fd00:10:96::/112"))

URLS = [
    ("http://good@127.0.0.1/", "url/userinfo"), ("http://user:word@oa.example/", "url/userinfo"),
    ("http://127.0.0.1#@good/", "url/query-or-fragment"), ("http://oa.example/?x=1", "url/query-or-fragment"),
    ("http://oa.example/#x", "url/query-or-fragment"), ("http://good\\@evil/", "url/form"),
    ("http://good%2f@evil", "url/userinfo"), ("http://good%2fevil/", "host/form"),
    ("http://[::1]:80@good", "url/userinfo"), ("http://[::1]x/", "url/form"), ("http://[oa]/", "host/form"),
    ("http://[fe80::1%25lo]/", "host/zone"), ("http://oa.exa\tmple/", "url/form"),
    ("http://oa.example\n/", "url/form"), (" http://oa.example/", "url/form"),
    ("http://oa.example ", "url/form"), ("http:evil", "url/form"), ("//evil", "url/form"), ("evil", "url/form"),
    ("", "url/form"), ("HTTP://oa.example", "url/scheme"), ("http://oa.example:0/", "url/port"),
    ("http://oa.example:65536/", "url/port"), ("http://oa.example:99999999999/", "url/port"),
    ("http://oa.example:80 /", "url/form"), ("http://oa.example:080/", "url/port"),
    ("http://oa.example:/", "url/port"), ("http://oa.example:22/", "url/port"),
    ("http://oa.example:6379/", "url/port"), ("http://oa.example:80:81/", "url/form"),
    ("http:///path", "host/form"), ("http://", "host/form"), ("http://-oa.example/", "host/form"),
    ("http://oa..example/", "host/form"), ("http://oa.example../", "host/form"),
    ("http://oa.example/a/../b", "url/path"), ("http://oa.example/%2e%2e/", "url/path"),
    ("http://oa.example/a%2fb", "url/path"), ("http://oa.example/a%00", "url/path"),
    ("http://oa.example//a", "url/path"), ("http://oa.example/a;b", "url/path"),
    ("http://oa.example/%zz", "url/path"), ("http://张三.example/", "url/form"),
    (f"http://{'a.' * 130}example/", "host/form"), ("http://2130706433/", "host/number"),
    ("http://127.1:8080/", "host/number"),
]  # fmt: skip
SCHEMES = ("file:///etc/passwd", "ftp://oa.example/", "gopher://oa.example/", "dict://oa.example/", "ldap://oa.example/",
           "jar:http://oa.example!/", "data://oa.example/", "unix:///var/run/x", "mysql://oa.example/x")  # fmt: skip


@pytest.mark.parametrize(
    ("host", "rule"),
    [pytest.param(host, rule, id=f"{key}-{host}") for key, rule, host in hosts()],
)
def test_a_host_is_refused_by_its_rule(host: str, rule: str) -> None:
    assert mistake_in_host(host, forbidden=PODS) == rule
    assert rule in RULES
    wrapped = f"[{host}]" if ":" in host else host
    if host.isascii():
        assert mistake_in_url(f"https://{wrapped}/x", WEB, forbidden=PODS) in (rule, "url/form")


@pytest.mark.parametrize(("url", "rule"), [pytest.param(*row, id=f"S-21-{row[0]!a}"[:70]) for row in URLS])
def test_an_address_is_refused_by_its_rule(url: str, rule: str) -> None:
    assert mistake_in_url(url, WEB) == rule
    assert rule in RULES


@pytest.mark.parametrize("url", [pytest.param(url, id=f"S-22-{url.partition(':')[0]}") for url in SCHEMES])
def test_a_scheme_is_one_of_those_that_are_spoken(url: str) -> None:
    assert mistake_in_url(url, WEB) in ("url/scheme", "url/form")


@pytest.mark.parametrize(
    "url",
    [
        "http://oa.example", "https://oa.example:8443/a/b", "http://10.1.2.3:8080/", "http://[fd12::7]:8080/x",
        "https://OA.Example.gov.cn./x", "http://xn--fsqu00a.example/", "http://a_b.example/", "http://10.1.2.3.",
        "http://oa.example/%E5%BC%A0",
    ],
)  # fmt: skip
def test_an_ordinary_address_is_fine(url: str) -> None:
    assert mistake_in_url(url, WEB) == ""


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("postgresql://db.example:5432/city", ""), ("mysql://10.1.2.3/city", ""),
        ("mysql://127.1/city", "host/number"), ("postgresql://u:p@db.example/city", "url/userinfo"),
        ("postgresql://db.example/city?sslmode=x", "url/query-or-fragment"), ("sftp://files.example/lent", ""),
        ("sftp://files.example/../etc", "url/path"), ("sftp://localhost/", "host/internal"),
        ("file:///data/lent", ""), ("file://host/data", "host/form"), ("file:///data/../etc", "url/path"),
        ("file://", "url/path"), ("s3://city/lent", ""), ("s3://2024/lent", ""), ("s3:///lent", "host/form"),
        ("s3://city/../x", "url/path"),
    ],
)  # fmt: skip
def test_other_providers_have_the_same_rules(url: str, rule: str) -> None:
    assert mistake_in_url(url, ("postgresql", "mysql", "sftp", "file", "s3")) == rule


@pytest.mark.parametrize(
    ("network", "rule"),
    [
        ("10.0.0.0/8", ""), ("10.1.2.3", ""), ("fd12::/16", ""), ("100.0.0.0/8", ""),
        ("169.254.0.0/16", "network/forbidden"), ("169.254.169.254/32", "network/forbidden"),
        ("100.100.100.200/32", "network/forbidden"), ("127.0.0.0/8", "network/forbidden"),
        ("127.0.0.0/16", "network/forbidden"), ("::1/128", "network/forbidden"), ("::/96", "network/forbidden"),
        ("10.96.7.0/24", "network/forbidden"), ("0.0.0.0/0", "network/too-wide"), ("::/0", "network/too-wide"),
        ("fc00::/7", "network/too-wide"), ("8.0.0.0/7", "network/too-wide"), ("10.0.0.1/8", "network/form"),
        ("10.0.0.0/33", "network/form"), ("fe80::1%lo", "network/form"), ("all", "network/form"),
        ("", "network/form"), ("10.0.0.0/255.0.0.0", ""),
    ],
)  # fmt: skip
def test_a_network_is_a_network(network: str, rule: str) -> None:
    assert mistake_in_network(network, forbidden=PODS) == rule
    assert not rule or rule in RULES


def test_for_development_this_machine_may_be_named_and_nothing_else_with_it() -> None:
    for host in ("127.0.0.1", "localhost", "::1"):
        assert mistake_in_host(host, loopback=True) == ""
    assert mistake_in_network("127.0.0.0/8", loopback=True) == ""
    assert mistake_in_host("127.1", loopback=True) == "host/number"
    assert check_literal("169.254.169.254", loopback=True) == "address/forbidden"
