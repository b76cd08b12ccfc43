"""A provider behind the real gateway that counts what it is asked, and requests as bytes for it."""

from dataclasses import dataclass

from harness.http_vectors import SMUGGLED
from harness.members import Authority, Member, wait_until_known
from harness.stub import Stub

RESOURCE = "1059900100013/900060"
PLACE = b"/x/front-stub/v1/"
HOST_LINE = b"Host: a\r\n"


@dataclass(frozen=True)
class Behind:
    """The provider, and a system that may ask it anything."""

    stub: Stub
    member: Member

    @property
    def paths(self) -> list[str]:
        """What it was asked, in order: the paths."""
        return [line.split(" ")[1] for line, _ in self.stub.seen]

    def governed(self, request: bytes, token: str) -> bytes:
        """The same bytes as a call that this provider would answer; what is smuggled behind it is one too."""
        authorization = HOST_LINE + b"Authorization: Bearer %b\r\n" % token.encode()
        smuggled = SMUGGLED.replace(b" /", b" " + PLACE, 1).replace(HOST_LINE, authorization)
        first, separator, rest = request.partition(SMUGGLED)
        first = first.replace(b"Content-Length: %d\r\n" % len(SMUGGLED), b"Content-Length: %d\r\n" % len(smuggled))
        for before, after in ((b" /", b" " + PLACE), (b"\t/", b"\t" + PLACE), (b" http://a/", b" http://a" + PLACE)):
            first = first.replace(before, after, 1)
        return first.replace(HOST_LINE, authorization, 1) + (smuggled if separator else b"") + rest


def behind(authority: Authority, provider: Stub) -> Behind:
    """Register the provider's interface, and a system with a grant for it that knows no limit."""
    resource = {"name": "前端检验", "provider": "dsjj", "summary": "检验", "share": {"type": "unconditional"}}
    authority.send("PUT", f"/api/catalog/resources/{RESOURCE}", resource)
    operations = [
        {"method": method, "path": path, "target": path} for method in ("GET", "POST") for path in ("/{thing}", "/")
    ]
    interface = {
        "resource": RESOURCE, "provider": "dsjj", "name": "前端检验", "base_url": provider.address,
        "networks": ["127.0.0.0/8"], "operations": operations, "fields": [], "format": "binary",
    }  # fmt: skip
    authority.send("PUT", "/api/catalog/interfaces/front-stub/versions/v1", interface)
    system = authority.system("front-user", "xzspj")
    authority.grant(system.name, "front-stub/v1", ["*"])
    wait_until_known(system, "GET", "front-stub/v1/ready")
    provider.seen.clear()
    return Behind(provider, system)
