"""The way to the gateway: its address, its name, a connection, and who answers at the other end."""

import socket
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

from tongdao_cli.doctor.model import Finding, Words, left, wrong

CONNECT_S = 5.0
WARN_DAYS = 30
_UNTRUSTED = (18, 19, 20, 21)
"""OpenSSL's numbers for chains that end with nobody whom we trust (X509_V_ERR_…)."""
_EXPIRED, _NOT_YET, _OTHER_NAME, _OTHER_ADDRESS = 10, 9, 62, 64


@dataclass(frozen=True)
class Place:
    """Where the gateway should be."""

    host: str
    port: int
    secure: bool


def check_address(url: str) -> tuple[Finding, Place | None]:
    """Whether this is an address of a gateway at all."""
    remedy = Words(
        "请填写平台公布的网关地址，如 https://share.example", "use the published address, as https://share.example"
    )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return wrong("address", Words(f"{url} 不是网址", f"{url} is no address"), remedy), None
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host or parts.path.strip("/") or parts.query:
        said = Words(
            f"{url}：应只有协议、主机名和端口", f"{url}: a scheme, a host and perhaps a port are wanted, no more"
        )
        return wrong("address", said, remedy), None
    if parts.scheme == "http" and not _is_loopback(host):
        return wrong("address", Words(f"{url} 未加密", f"{url} is not encrypted"), remedy), None
    place = Place(host, port or (443 if parts.scheme == "https" else 80), parts.scheme == "https")
    return Finding("address", "ok", Words(url, url)), place


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def check_name(place: Place) -> tuple[Finding, list[str]]:
    """The addresses behind the name, without repetition."""
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # the second for what cannot be a name
        reason = getattr(error, "strerror", "") or "no host name"
        said = Words(f"{place.host} 无法解析（{reason}）", f"{place.host} leads nowhere ({reason})")
        remedy = Words(
            "请核对域名，并检查本机的 DNS 服务器（/etc/resolv.conf）或 /etc/hosts",
            "check the name's spelling, and this machine's name servers (/etc/resolv.conf) or /etc/hosts",
        )
        return wrong("dns", said, remedy), []
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    shown = ", ".join(addresses)
    return Finding("dns", "ok", Words(f"{place.host}：{shown}", f"{place.host}: {shown}")), addresses


def check_connection(place: Place, addresses: list[str]) -> Finding:
    """Whether somebody listens at one of the addresses at least, and how long it takes to reach it."""
    refused: list[str] = []
    for address in addresses:
        began = time.perf_counter()
        try:
            with socket.create_connection((address, place.port), CONNECT_S):
                took = f"{(time.perf_counter() - began) * 1000:.0f} ms"
        except OSError as error:
            refused.append(f"{address}: {error.strerror or 'timed out'}")
            continue
        there = f"{address}:{place.port}, {took}"
        if refused:
            said = Words(f"{there}；不通：{'；'.join(refused)}", f"{there}; not reached: {'; '.join(refused)}")
            return Finding("tcp", "warn", said, OTHER_ADDRESS)
        return Finding("tcp", "ok", Words(there, there))
    shown = "; ".join(refused)
    said = Words(f"端口 {place.port} 无法连接（{shown}）", f"port {place.port} cannot be reached ({shown})")
    return wrong("tcp", said, FIREWALL)


OTHER_ADDRESS = Words(
    "请让网络管理员检查不通的地址", "let the network's administrators look at the addresses that are not reached"
)
FIREWALL = Words(
    "请检查本机到该地址和端口的防火墙策略与路由；若被拒绝连接，请核对端口或询问平台是否在运行",
    "check firewalls and routes from here to that address and port; if it was refused, check the port, or ask whether "
    "the platform runs",
)


def trusted(authorities: str) -> ssl.SSLContext:
    """Whom we believe: the machine's authorities, or those of the PEM file; raises OSError for a file that is none."""
    context = ssl.create_default_context(cafile=authorities or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def check_encryption(place: Place, context: ssl.SSLContext, now: float) -> Finding:
    """Whether the certificate is right, and until when. `now` is Unix seconds."""
    if not place.secure:
        return left("tls", Words("本机地址，无需加密", "this machine itself, in the clear"))
    try:
        with (
            socket.create_connection((place.host, place.port), CONNECT_S) as plain,
            context.wrap_socket(plain, server_hostname=place.host) as line,
        ):
            certificate, version = line.getpeercert() or {}, line.version()
    except ssl.SSLCertVerificationError as error:
        return _untrusted(place, error)
    except OSError as error:
        said = Words(f"TLS 握手失败（{error}）", f"the TLS handshake failed ({error})")
        return wrong("tls", said, NO_HANDSHAKE)
    until = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    days, day = int((until - now) // 86400), f"{datetime.fromtimestamp(until, UTC):%Y-%m-%d}"
    said = Words(f"{version}，证书有效期至 {day}", f"{version}, the certificate is good until {day}")
    if days < WARN_DAYS:
        return Finding("tls", "warn", said, Words(f"证书 {days} 天后到期；", f"{days} days are left; ") + RENEW)
    return Finding("tls", "ok", said)


NO_HANDSHAKE = Words(
    "请确认该端口提供 TLS 1.2 以上，且中间没有改写连接的代理",
    "make sure that this port speaks TLS 1.2 or newer, and that no proxy in between rewrites the connection",
)
RENEW = Words("请提醒平台运维更换证书", "remind the platform's operators to renew it")


def _untrusted(place: Place, error: ssl.SSLCertVerificationError) -> Finding:
    number, text = error.verify_code, error.verify_message
    if number in (_EXPIRED, _NOT_YET):
        remedy = Words("若本机时间正确，", "if this machine's clock is right, ") + RENEW
    elif number in (_OTHER_NAME, _OTHER_ADDRESS):
        remedy = Words(
            f"请使用证书上的域名，而不是 {place.host}", f"use a name that the certificate has, not {place.host}"
        )
    elif number in _UNTRUSTED:
        remedy = Words(
            "请向平台索取根证书，并用 --ca 指定该文件；切勿关闭证书校验",
            "ask the platform for its authority's certificate and name the file with --ca; never switch the check off",
        )
    else:
        remedy = RENEW
    return wrong("tls", Words(f"证书不可信（{text}）", f"the certificate is not trusted ({text})"), remedy)
