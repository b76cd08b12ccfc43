"""The S-list where it is called (security.md 5.4): a real DNS server, real listeners, and nobody connected to."""

import ipaddress
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from exchange_service.providers.provider import Provider, Question
from exchange_service.providers.rest import RestProvider
from exchange_service.releasing import check_status
from harness.addresses import hosts
from harness.certificates import HOUR, Authority
from harness.names import name_server
from harness.origin import OK, Line, origin, says
from relay import pinned
from relay.egress import Egress, Network, mistake_in_url
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Field, Interface, Operation

pytestmark = pytest.mark.anyio
ASK = Operation(method="GET", path="", target="/x")
ANYWHERE = ["0.0.0.0/0", "::/0"]
STRICT = Egress(False, frozenset(), tuple(map(ipaddress.ip_network, ("10.96.0.0/12", "fd00:10:96::/112"))))
REPO = Path(__file__).parents[3]


def provider(base_url: str, egress: Egress, networks: list[str]) -> RestProvider:
    interface = Interface(
        id="gaj-person", version="v1", provider="gaj", name="人口", base_url=base_url, networks=networks,
        operations=[ASK], fields=[Field(name="*")],
    )  # fmt: skip
    return RestProvider(interface, egress, lambda: None)


async def asked(one: Provider) -> bytes:
    with closing(one):
        answer = await one.ask(Question(operation=ASK), 5)
        return await answer.body.read(1000)


async def refused(one: Provider) -> Refusal:
    with pytest.raises(Refusal) as refusal:
        await asked(one)
    return refusal.value


@pytest.fixture
def trap() -> Iterator[socket.socket]:
    """A listener on every address of this machine, which nobody may connect to."""
    with socket.socket(socket.AF_INET6) as listening:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind(("::", 0))
        listening.listen(8)
        listening.setblocking(False)
        yield listening
        with pytest.raises(BlockingIOError):
            listening.accept()


def port_of(listening: socket.socket) -> int:
    port: int = listening.getsockname()[1]
    return port


@pytest.mark.requirement("EGR-02")
@pytest.mark.parametrize("host", [pytest.param(host, id=f"{key}-{host}") for key, _, host in hosts()])
async def test_a_host_of_the_list_is_not_connected_to(trap: socket.socket, host: str) -> None:
    """Whatever networks its provider registered."""
    wrapped = f"[{host}]" if ":" in host else host
    try:
        one = provider(f"http://{wrapped}:{port_of(trap)}", STRICT, ANYWHERE)
    except ValueError:
        return  # the interface cannot be used at all
    assert (await refused(one)).code is codes.PROVIDER_FORBIDDEN_ADDRESS


# --- names
def egress(resolver: object, *forbidden: str) -> Egress:
    networks: tuple[Network, ...] = tuple(map(ipaddress.ip_network, forbidden))
    return Egress(True, frozenset(), networks, resolver)  # type: ignore[arg-type]  # a Resolver


@pytest.mark.requirement("EGR-03")
@pytest.mark.parametrize("row", ["S-16"])
async def test_a_name_that_changes_its_mind_is_asked_once_per_connection(row: str) -> None:
    """Good while it is checked, bad right after: the connection goes where the check was."""
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngood"
    async with origin(says(body), host="127.0.0.2") as good, origin(says(OK), host="127.0.0.3") as bad:
        with name_server({"gaj.example": [["127.0.0.2"], ["127.0.0.3"], ["127.0.0.2"]]}) as names:
            one = provider(f"http://gaj.example:{good.port}", egress(names.addresses), ["127.0.0.2/32"])
            answer = await one.ask(Question(operation=ASK), 5)
            assert await answer.body.read(9) == b"good"
            assert names.asked == ["gaj.example"]
            with pytest.raises(Refusal) as no:
                await one.ask(Question(operation=ASK), 5)
            assert no.value.code is codes.PROVIDER_FORBIDDEN_ADDRESS
            assert await asked(one) == b"good"
            assert names.asked == ["gaj.example"] * 3
        assert (len(good.lines), len(bad.lines)) == (2, 0)


@pytest.mark.requirement("EGR-02")
@pytest.mark.parametrize(
    ("names", "forbidden"),
    [
        pytest.param({"x.example": [["10.1.2.3", "127.0.0.1"]]}, (), id="S-17-second-address-bad"),
        pytest.param({"x.example": [["127.0.0.1", "10.1.2.3"]]}, (), id="S-17-first-address-bad"),
        pytest.param({"x.example": [["10.1.2.3", "::1"]]}, (), id="S-18-aaaa-loopback"),
        pytest.param({"x.example": [["10.1.2.3", "::ffff:7f00:1"]]}, (), id="S-18-aaaa-mapped"),
        pytest.param(
            {"x.example": [["y.example"]], "y.example": [["z.example"]], "z.example": [["127.0.0.1"]]}, (),
            id="S-19-cname",
        ),
        pytest.param({"x.example": [["169.254.169.254"]]}, (), id="S-10-metadata-by-name"),
        pytest.param({"x.example": [["100.100.100.200"]]}, (), id="S-11-metadata-by-name"),
        pytest.param({"x.example": [["10.96.0.1"]]}, ("10.96.0.0/12",), id="S-15-deny-set-wins"),
        pytest.param({"x.example": [["10.1.2.3", "10.97.1.1"]]}, ("10.96.0.0/12",), id="S-15-deny-set-second-address"),
    ],
)  # fmt: skip
async def test_a_name_is_judged_by_all_its_addresses(
    trap: socket.socket, names: dict[str, list[list[str]]], forbidden: tuple[str, ...]
) -> None:
    with name_server(names) as server:
        one = provider(f"http://x.example:{port_of(trap)}", egress(server.addresses, *forbidden), ["10.0.0.0/8"])
        assert (await refused(one)).code is codes.PROVIDER_FORBIDDEN_ADDRESS


@pytest.mark.requirement("EGR-02")
async def test_a_name_that_leads_nowhere_is_unreachable() -> None:
    with name_server({}) as server:
        one = provider("http://x.example", egress(server.addresses), ["10.0.0.0/8"])
        assert (await refused(one)).code is codes.PROVIDER_UNREACHABLE


# --- what a provider or the environment says
PLACES = {
    "S-20-internal": "http://127.0.0.1:{port}/", "S-20-file": "file:///etc/passwd",
    "S-20-gopher": "gopher://127.0.0.1:{port}/_x", "S-20-other-host": "http://localhost:{port}/",
    "S-20-relative": "//[::1]:{port}/",
}  # fmt: skip


@pytest.mark.requirement("EGR-04")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
async def test_a_redirect_is_not_followed(trap: socket.socket, place: str, status: int) -> None:
    location = place.format(port=port_of(trap)).encode()
    script = says(b"HTTP/1.1 %d X\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % (status, location))
    async with origin(script) as it:
        one = provider(f"http://127.0.0.1:{it.port}", Egress(True, frozenset()), ["127.0.0.0/8"])
        with closing(one):
            answer = await one.ask(Question(operation=ASK), 5)
            assert answer.status == status
            with pytest.raises(Refusal) as no:
                check_status(answer)
        assert no.value.code is codes.PROVIDER_BROKEN_ANSWER
        assert len(it.lines) == 1


@pytest.mark.requirement("EGR-04")
@pytest.mark.parametrize("row", ["S-25"])
async def test_the_environment_chooses_no_way(
    trap: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: str
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port_of(trap)}")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login someone password secret\n")
    netrc.chmod(0o600)
    heads: list[bytes] = []

    async def script(line: Line) -> None:
        heads.append((await line.request())[0])
        await line.say(OK)

    async with origin(script) as it:
        one = provider(f"http://127.0.0.1:{it.port}", Egress(True, frozenset()), ["127.0.0.0/8"])
        assert await asked(one) == b"ok"
    assert heads[0].startswith(b"GET /x HTTP/1.1\r\n")
    assert b"authorization" not in heads[0].lower()


NAME = "gaj.example"
WRONG = {
    "S-25-authority-of-the-environment": ("", NAME, HOUR),
    "S-26-unknown-authority": ("other", NAME, HOUR),
    "S-26-other-name": ("trusted", "other.example", HOUR),
    "S-26-expired": ("trusted", NAME, timedelta(hours=-1)),
    "S-26-fine": ("trusted", NAME, HOUR),
}


@pytest.mark.requirement("EGR-04")
@pytest.mark.parametrize(("trusts", "name", "until"), WRONG.values(), ids=WRONG.keys())
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # asyncio's TLS server leaves a refused socket to the collector
async def test_a_wrong_certificate_gives_no_data(
    trusts: str, name: str, until: timedelta, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path)
    (tmp_path / "authority.pem").write_text(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    pinned.trusted.cache_clear()
    if trusts:
        context = (authority if trusts == "trusted" else other).trusting()
        monkeypatch.setattr("exchange_service.providers.rest.trusted", lambda: context)
    async with origin(says(OK), tls=authority.server(name, until=until)) as it:

        async def resolver(_host: str, _port: int) -> list[str]:
            return ["127.0.0.1"]

        one = provider(f"https://{NAME}:{it.port}", egress(resolver), ["127.0.0.0/8"])
        if (trusts, name, until) == ("trusted", NAME, HOUR):
            assert await asked(one) == b"ok"
        else:
            assert (await refused(one)).code is codes.PROVIDER_UNREACHABLE
            assert not it.heads


# --- who connects at all
CONNECTS = re.compile(
    r"open_connection|create_connection|create_datagram|sock_connect|getaddrinfo|gethostby|\.connect\(|connect_async"
    r"|create_pool|urlopen|urllib\.request|import (?:requests|aiohttp|httpx2?|httpcore2?|obstore|smtplib|ftplib|boto3)"
    r"|http\.client|from (?:requests|aiohttp|httpx2?|obstore) |runtime import http|create_default_context"
)
THOSE = {
    "exchange-service/src/exchange_service/app.py": "the catalog, whose address is a setting",
    "exchange-service/src/exchange_service/database.py": "our own database",
    "exchange-service/src/exchange_service/credentials/keychain.py": "our own database",
    "exchange-service/src/exchange_service/credentials/reseal.py": "our own database",
    "exchange-service/src/exchange_service/providers/files/sftp.py": "addresses of Egress.resolve",
    "exchange-service/src/exchange_service/providers/table/dbapi.py": "addresses of Egress.resolve",
    "exchange-service/src/exchange_service/providers/table/mysql.py": "addresses of Egress.resolve",
    "exchange-service/src/exchange_service/providers/table/oracle.py": "addresses of Egress.resolve",
    "exchange-service/src/exchange_service/providers/table/postgresql.py": "addresses of Egress.resolve",
    "exchange-service/src/exchange_service/providers/table/provider.py": "addresses of Egress.resolve",
    "services/relay/src/relay/egress.py": "asks the system for addresses",
    "services/relay/src/relay/hop/pool.py": "our own services, whose addresses are settings",
    "services/relay/src/relay/upstream.py": "addresses of Egress.resolve, or of a setting",
}


@pytest.mark.requirement("EGR-05")
@pytest.mark.parametrize("row", ["S-27"])
def test_nothing_else_connects(row: str) -> None:
    """Of all that works on a registration's word: the exchange, and the fast lane that webhooks are sent with too."""
    found = {
        str(file.relative_to(REPO))
        for folder in ("exchange-service/src", "services/relay/src", "services/soap/src")
        for file in (REPO / folder).rglob("*.py")
        if CONNECTS.search(file.read_text())
    }
    assert found == THOSE.keys()


@pytest.mark.requirement("EGR-01")
async def test_what_may_be_registered_is_what_can_be_called() -> None:
    """The two ends agree on an ordinary address too."""
    async with origin(says(OK)) as it:
        url = f"http://127.0.0.1:{it.port}/a"
        assert mistake_in_url(url, ("http",), loopback=True) == ""
        assert await asked(provider(url, Egress(True, frozenset()), ["127.0.0.0/8"])) == b"ok"
