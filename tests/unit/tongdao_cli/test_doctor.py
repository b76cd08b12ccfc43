"""`tongdao doctor`: what each step says of a fault that is really there, and its remedy in both languages."""

import asyncio
import json
import re
import socket
import ssl
import time
from collections.abc import Callable
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path
from typing import TypeVar

import pytest
from joserfc.jwk import ECKey, RSAKey

from harness.certificates import Authority
from harness.origin import HOST, Line, origin, says
from runtime.http import Client, Response, sync_client
from tongdao_cli.doctor import certificate, line, platform
from tongdao_cli.doctor import client as of_client
from tongdao_cli.doctor.model import Finding
from tongdao_cli.home import CannotStart
from tongdao_cli.postgres import free_port

T = TypeVar("T")
NOW = 1_795_000_000.0
KEY = ECKey.generate_key("P-256", auto_kid=True)
pytestmark = pytest.mark.requirement("CLI2-02")


def check(found: Finding, state: str, *words: str) -> None:
    """A finding with these words in it; what is not in order has a remedy in both languages."""
    assert found.state == state, found
    for word in words:
        assert word in found.said.en + (found.remedy.en if found.remedy else ""), found
    if state in ("wrong", "warn"):
        assert found.remedy is not None
        assert re.search("[\u4e00-\u9fff]", found.remedy.zh)
        assert not re.search("[\u4e00-\u9fff]", found.remedy.en)


async def something_else(at: Line) -> None:
    """A server of another kind, which hangs up."""
    await at.reader.read(1)
    await at.say(b"SSH-2.0-OpenSSH_9.2\r\n")


def asked(answer: bytes, ask: Callable[[Client], T]) -> T:
    """What is made of a server that says these bytes, or that is `something_else`."""

    def blocking(port: int) -> T:
        with sync_client(f"http://{HOST}:{port}") as client:
            return ask(client)

    async def run() -> T:
        async with origin(says(answer) if answer else something_else) as there:
            return await asyncio.to_thread(blocking, there.port)

    return asyncio.run(run())


def http(status: int, body: object) -> bytes:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def registered(*jwks: dict[str, object]) -> bytes:
    """What identity says of a client's keys."""
    return http(200, {"keys": [{"jwk": jwk, "good": True} for jwk in jwks]})


# --- the way there --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("url", "state", "word"),
    [
        ("https://share.example", "ok", "share.example"),
        ("https://share.example:8443", "ok", "8443"),
        ("http://127.0.0.1:8080", "ok", "8080"),
        ("http://[::1]:8080", "ok", "8080"),
        ("http://share.example", "wrong", "not encrypted"),
        ("share.example", "wrong", "a scheme"),
        ("https://share.example/x/name", "wrong", "a scheme"),
        ("https://share.example:port", "wrong", "no address"),
    ],
)
def test_the_address(url: str, state: str, word: str) -> None:
    found, place = line.check_address(url)
    check(found, state, word)
    assert (place is None) == (state == "wrong")


def test_a_name_that_leads_somewhere_and_one_that_cannot() -> None:
    found, addresses = line.check_name(line.Place(HOST, 443, True))
    check(found, "ok", HOST)
    assert addresses == [HOST]
    found, addresses = line.check_name(line.Place("x" * 64, 443, True))
    check(found, "wrong", "leads nowhere", "resolv.conf")
    assert addresses == []


def test_a_connection() -> None:
    with socket.create_server((HOST, 0)) as listening:
        place = line.Place("share.example", listening.getsockname()[1], True)
        check(line.check_connection(place, [HOST]), "ok", "ms")
        check(line.check_connection(place, ["127.0.0.2", HOST]), "warn", "127.0.0.2")
    check(line.check_connection(line.Place(HOST, free_port(), True), [HOST]), "wrong", "refused", "firewalls")


@pytest.mark.parametrize(
    ("name", "until", "trusted", "state", "word"),
    [
        ("localhost", timedelta(days=90), True, "ok", "good until"),
        ("localhost", timedelta(days=9), True, "warn", "days are left"),
        ("localhost", timedelta(days=-1), True, "wrong", "expired"),
        ("other.example", timedelta(days=90), True, "wrong", "a name that the certificate has"),
        ("localhost", timedelta(days=90), False, "wrong", "--ca"),
    ],
    ids=["good", "ends soon", "expired", "of another name", "of an authority that nobody knows"],
)
def test_a_certificate(tmp_path: Path, name: str, until: timedelta, trusted: bool, state: str, word: str) -> None:
    authority = Authority(tmp_path)
    context = authority.trusting() if trusted else line.trusted("")
    check(_over_tls(authority.server(name, until=until), context), state, word)


def test_a_port_that_speaks_no_tls() -> None:
    check(_over_tls(None, line.trusted("")), "wrong", "handshake failed")


def test_an_authority_that_cannot_be_read() -> None:
    with pytest.raises(OSError, match="No such file"):
        line.trusted("/there/is/none.pem")


def _over_tls(server: ssl.SSLContext | None, context: ssl.SSLContext) -> Finding:
    async def run() -> Finding:
        async with origin(something_else, tls=server) as there:
            place = line.Place("localhost", there.port, True)
            return await asyncio.to_thread(line.check_encryption, place, context, time.time())

    return asyncio.run(run())


# --- what anybody is told -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("ahead_s", "state", "word"),
    [
        (0, "ok", "s"),
        (-2, "ok", "behind"),
        (6, "warn", "ahead"),
        (42, "wrong", "42.0 s ahead"),
        (-42, "wrong", "behind"),
    ],
)
def test_the_clock(ahead_s: int, state: str, word: str) -> None:
    answer = Response(200, headers={"Date": formatdate(NOW, usegmt=True)})
    check(platform.check_clock(answer, NOW + 0.5 + ahead_s), state, word)


def test_a_clock_that_cannot_be_compared() -> None:
    check(platform.check_clock(Response(200), NOW), "warn", "does not say")


@pytest.mark.parametrize(
    ("answer", "state", "word"),
    [
        (http(200, "ready"), "ok", "takes calls"),
        (http(503, "catalog"), "wrong", "not ready"),
        (http(404, {}), "wrong", "does not look like a gateway"),
        (b"", "wrong", "no answer over HTTP"),
    ],
    ids=["ready", "not ready", "something else", "not HTTP"],
)
def test_the_gateway(answer: bytes, state: str, word: str) -> None:
    check(asked(answer, lambda client: platform.check_gateway(client)[0]), state, word)


AWAY = {"code": "exchange/service-unreachable", "title": "cannot be reached", "detail": "ConnectError"}


@pytest.mark.parametrize(
    ("answer", "state", "word", "issuer"),
    [
        (http(200, {"issuer": "https://a.example"}), "ok", "a.example", "https://a.example"),
        (http(200, {"issuer": "https://b.example"}), "wrong", "let assertions have", "https://b.example"),
        (http(503, AWAY), "wrong", "cannot be reached", ""),
        (http(200, []), "wrong", "cannot be read", ""),
    ],
    ids=["right", "another", "away", "nonsense"],
)
def test_the_issuer(answer: bytes, state: str, word: str, issuer: str) -> None:
    found, said = asked(answer, lambda client: platform.check_issuer(client, "https://a.example"))
    check(found, state, word)
    assert said == issuer


# --- what the system brings -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "kid"),
    [
        (json.dumps(KEY.as_dict(private=True)), KEY.kid),
        (KEY.as_pem(private=True).decode(), KEY.thumbprint()),
    ],
    ids=["JWK", "PEM"],
)
def test_a_key_in_both_forms(tmp_path: Path, text: str, kid: str) -> None:
    file = tmp_path / "key"
    file.write_text(text)
    file.chmod(0o600)
    found, key = of_client.check_key(file, "")
    check(found, "ok", kid)
    assert key is not None
    assert key["d"] == KEY.as_dict(private=True)["d"]
    named, key = of_client.check_key(file, "ours-2")
    check(named, "ok", "ours-2")
    assert key is not None
    assert key["d"] not in str(named)
    file.chmod(0o644)
    check(of_client.check_key(file, "")[0], "warn", "chmod 600")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (json.dumps(KEY.as_dict(private=False)), "not the private half"),
        (ECKey.generate_key("P-384").as_pem(private=True).decode(), "not the private half"),
        (RSAKey.generate_key(2048).as_pem(private=True).decode(), "no EC key"),
        ("{", "no EC key"),
        ("", "no EC key"),
    ],
    ids=["public", "P-384", "RSA", "half a JSON", "empty"],
)
def test_a_file_that_is_no_key(tmp_path: Path, text: str, word: str) -> None:
    file = tmp_path / "key"
    file.write_text(text)
    found, key = of_client.check_key(file, "")
    check(found, "wrong", word, "P-256")
    assert key is None
    check(of_client.check_key(tmp_path / "none", "")[0], "wrong", "cannot read")


@pytest.mark.parametrize(
    ("answer", "state", "word"),
    [
        (http(200, {"access_token": "t"}), "ok", "got a token"),
        (
            http(401, {"error": "invalid_client", "error_description": "assertion exp: expected"}),
            "wrong",
            "see the clock",
        ),
        (http(401, {"error": "invalid_client", "error_description": "system a: suspended"}), "wrong", "reason above"),
        (http(401, {"error": "invalid_client"}), "wrong", "is not registered or is suspended"),
        (http(401, {"error": "invalid_client"}), "wrong", "or it is another key"),
        (http(401, {"error": "invalid_client"}), "wrong", "needs --cert"),
        (http(429, {"error": "slow_down"}), "wrong", "wait"),
        (http(503, {"error": "temporarily_unavailable"}), "wrong", "the platform's fault"),
    ],
    ids=["yes", "a claim", "suspended", "a stranger", "another key", "a certificate", "too often", "half down"],
)
def test_a_token(answer: bytes, state: str, word: str) -> None:
    key = KEY.as_dict(private=True)
    found, token = asked(answer, lambda client: of_client.check_token(client, "https://a.example", "sys", key))
    check(found, state, word)
    assert bool(token) == (state == "ok")


@pytest.mark.parametrize(
    ("answer", "state", "word"),
    [
        (registered({"kid": "a-1"}), "ok", "a-1"),
        (registered({"kid": "a-1", "until": int(NOW) + 86400 * 9}, {"kid": "a-2"}), "warn", "a-1 ends soon"),
        (registered({"kid": "a-1", "until": int(NOW) + 86400 * 90}), "ok", "a-1 ("),
        (registered({"kid": "a-2", "until": int(NOW) + 86400 * 9}, {"kid": "a-1"}), "ok", "a-2 ("),
        (http(200, {"keys": [1]}), "wrong", "cannot be read"),
        (http(404, {}), "left", "does not tell"),
        (http(403, {"title": "not yours", "remedy": "ask"}), "wrong", "not yours"),
    ],
    ids=["endless", "ends soon", "ends later", "another ends", "nonsense", "not told", "refused"],
)
def test_the_registered_keys(answer: bytes, state: str, word: str) -> None:
    found = asked(answer, lambda client: of_client.check_keys(client, "t", "sys", "a-1", NOW, "en"))
    assert found.step == "keys"
    assert found.state == state
    assert word in found.said.en + (found.remedy.en if found.remedy else "")


def test_a_grant_that_is_refused_says_what_the_gateway_says() -> None:
    steps = [
        {"step": "interface_exists", "holds": True},
        {
            "step": "case_is_named",
            "holds": False,
            "code": "case/missing",
            "title": "asks for a case",
            "remedy": "send it",
        },
    ]
    question = {"interface": "a/v1", "system": "sys"}
    answer = http(200, {"decision": "case/missing", "steps": steps})
    found = asked(answer, lambda client: of_client.check_grant(client, "t", question, "en"))
    assert (found.step, found.state, found.said.en) == ("grant", "wrong", "case/missing: asks for a case")
    assert found.remedy is not None
    assert found.remedy.en == "send it; tell the doctor of one with --case"
    allowed = http(200, {"decision": "allow", "steps": []})
    check(asked(allowed, lambda client: of_client.check_grant(client, "t", question, "en")), "ok", "a/v1")


def test_a_case_of_the_wrong_form_is_told_with_the_form(tmp_path: Path) -> None:
    step = {"step": "case_is_named", "holds": False, "code": "case/malformed", "title": "of another form"}
    step |= {"pattern": "YJ[0-9]{4}", "remedy": "correct it"}
    answer = http(200, {"decision": "case/malformed", "steps": [step]})
    found = asked(answer, lambda client: of_client.check_grant(client, "t", {"interface": "a/v1"}, "en"))
    check(found, "wrong", "YJ[0-9]{4}", "--case")


@pytest.mark.parametrize(
    ("left", "state", "word"),
    [([500, 9000], "ok", "today 500/1000"), ([500, 900], "warn", "larger quota"), ([0, 9000], "wrong", "anew at T")],
    ids=["enough", "nearly used up", "used up"],
)
def test_the_quota(left: list[int], state: str, word: str) -> None:
    limits, titles = (1000, 10000), ("today", "this month")
    quotas = [
        {"title": title, "limit": limit, "used": limit - one, "left": one, "resets": "T"}
        for title, limit, one in zip(titles, limits, left, strict=True)
    ]
    items = [{"system": "sys", "quotas": quotas}, {"system": "other", "quotas": [{"left": 0}]}]
    answer = http(200, {"items": items, "more": False})
    check(asked(answer, lambda client: of_client.check_quota(client, "t", "sys", "a/v1", "en")), state, word)


def test_a_grant_without_a_quota() -> None:
    answer = http(200, {"items": [{"system": "sys", "quotas": []}], "more": False})
    check(
        asked(answer, lambda client: of_client.check_quota(client, "t", "sys", "a/v1", "en")), "ok", "without a limit"
    )


# --- a certificate instead of a key ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("until", "state"), [(timedelta(days=90), "ok"), (timedelta(days=9), "warn"), (timedelta(days=-1), "wrong")]
)
def test_a_certificate_of_our_own(tmp_path: Path, until: timedelta, state: str) -> None:
    file = Authority(tmp_path).client("sys", until=until).file
    check(certificate.check_certificate(file, time.time()), state, "CN=sys")
    certificate.present(line.trusted(""), file, None)


def test_a_certificate_without_its_key(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    other = tmp_path / "other.pem"
    other.write_text(KEY.as_pem(private=True).decode())
    with pytest.raises(CannotStart, match="--cert-key"):
        certificate.present(line.trusted(""), authority.client("sys").file, other)
    with pytest.raises(CannotStart, match="--cert-key"):
        certificate.present(line.trusted(""), tmp_path / "none.pem", None)


@pytest.mark.parametrize(
    ("answer", "state", "word"),
    [
        (http(200, {"access_token": "t"}), "ok", "got a token"),
        (http(401, {"error": "invalid_client"}), "wrong", "another certificate_name"),
        (http(503, {"title": "away"}), "wrong", "the platform's fault"),
        (http(200, []), "wrong", "tls_client_auth"),
        (b"", "wrong", "no answer"),
    ],
    ids=["yes", "no", "half down", "nonsense", "not HTTP"],
)
def test_a_token_for_a_certificate(answer: bytes, state: str, word: str) -> None:
    found, token = asked(answer, lambda client: certificate.check_token(client, "sys"))
    check(found, state, word)
    assert bool(token) == (state == "ok")
