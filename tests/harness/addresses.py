"""Hosts of the S-list (security.md 5.4): row, the rule that refuses it where it is registered, forms of it."""

from collections.abc import Iterator

from relay.egress import Egress

HOSTS = """
S-01 address/loopback 127.0.0.1
S-01 host/number 127.1 127.0.1 2130706433 0x7f000001 0x7f.1 0177.0.0.1 017700000001 127.0.0.01 0X7F.0.0.1
S-01 host/number 1.2.3.4.5 256.1.1.1 example.0x
S-02 host/number 0
S-02 address/forbidden 0.0.0.0 ::
S-03 host/form ①②⑦.⓪.⓪.① 127。0。0。1 ⅼocalhost 例子.example
S-04 host/internal localhost LOCALHOST. a.localhost localhost.localdomain
S-04 address/loopback 127.0.0.1.
S-05 address/loopback ::1 ::ffff:127.0.0.1 ::ffff:7f00:1
S-06 address/forbidden ::127.0.0.1 ::a00:1
S-07 address/loopback 64:ff9b::7f00:1
S-07 address/forbidden 64:ff9b::a9fe:a9fe 64:ff9b:1::a9fe:a9fe
S-08 address/forbidden 2002:7f00:1:: 2001::1 2001:0:7f00:1::
S-09 host/zone fe80::1%lo fe80::1%25lo
S-09 address/forbidden fe80::1 fd00:ec2::254
S-10 address/forbidden 169.254.169.254 ::ffff:a9fe:a9fe 169.254.0.23
S-10 host/number 2852039166 0xa9fea9fe 0251.0376.0251.0376
S-11 address/forbidden 100.100.100.200
S-12 address/forbidden 100.64.0.1
S-13 address/forbidden 168.63.129.16 192.0.0.192 192.88.99.1
S-14 address/forbidden 224.0.0.1 255.255.255.255 240.0.0.1 198.18.0.1 203.0.113.1 ff02::1
S-15 address/forbidden 10.96.0.1 fd00:10:96::1
S-15 host/internal kubernetes.default.svc audit.tongdao.svc.cluster.local metadata.google.internal
"""


def hosts() -> Iterator[tuple[str, str, str]]:
    """Row, rule and host of each form."""
    for key, rule, *forms in map(str.split, HOSTS.strip().splitlines()):
        for host in forms:
            yield key, rule, host


NOWHERE = Egress(allow_loopback=False, forbidden_ports=frozenset())
"""As strict as it comes: for those who send nobody anywhere."""
