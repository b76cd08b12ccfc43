"""All steps in their order: each needs those before it, and says so where one of them is wrong."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from runtime.http import Client
from tongdao_cli.doctor import certificate as of_certificate
from tongdao_cli.doctor import client as of_client
from tongdao_cli.doctor import line
from tongdao_cli.doctor import platform as of_platform
from tongdao_cli.doctor.model import AFTER, Finding, Step, Words, left

Connect = Callable[[], Client]
UNNAMED = Words("未指定接口（--interface）", "no interface was named (--interface)")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whom to look at. `gateway` is the address as the department writes it, without a slash at its end.

    key, kid      file of the system's private key, and its name in the register, "" for what the file says
    certificate   file of its certificate, where it proves who it is by that; `key` is then the certificate's
    interface     "id/v1", "" for none; `case`: number of a case, where the grant asks for one
    authorities   PEM file of the authorities that are believed, "" for the machine's own
    """

    gateway: str
    system: str
    key: Path
    kid: str = ""
    certificate: Path | None = None
    interface: str = ""
    case: str = ""
    authorities: str = ""


def examine(subject: Subject, connect: Connect, now: Callable[[], float], language: str) -> Iterator[Finding]:
    """Every step, as soon as it is known. `connect` makes a client at the gateway; `now` tells Unix seconds."""
    seen: set[Step] = set()
    for finding in _all(subject, connect, now, language):
        seen.add(finding.step)
        yield finding
    for step in get_args(Step):
        if step not in seen:
            yield left(step, AFTER)


def _all(subject: Subject, connect: Connect, now: Callable[[], float], language: str) -> Iterator[Finding]:
    reached = False
    for found in _line(subject, now):
        yield found
        reached = found.step == "tls" and found.state != "wrong"
    found, key = _proof(subject, now())
    yield found
    if not reached:
        return
    with connect() as client:
        issuer = yield from _platform(subject, client, now)
        if issuer and key is not None:
            yield from _with_key(subject, client, issuer, key, now, language)


def _proof(subject: Subject, now: float) -> tuple[Finding, dict[str, Any] | None]:
    """What it proves itself with: its key, {} where that is a certificate, None where it is nothing."""
    if subject.certificate is None:
        return of_client.check_key(subject.key, subject.kid)
    found = of_certificate.check_certificate(subject.certificate, now)
    return found, None if found.state == "wrong" else {}


def _platform(subject: Subject, client: Client, now: Callable[[], float]) -> Generator[Finding, None, str]:
    """What anybody may see; the value is the issuer, "" for none."""
    found, answer = of_platform.check_gateway(client)
    yield found
    if answer is None:
        return ""
    yield of_platform.check_clock(answer, now())
    found, issuer = of_platform.check_issuer(client, subject.gateway)
    yield found
    return issuer


def _line(subject: Subject, now: Callable[[], float]) -> Iterator[Finding]:
    """Stops at the first thing without which the next cannot be asked."""
    found, place = line.check_address(subject.gateway)
    yield found
    if place is None:
        return
    found, addresses = line.check_name(place)
    yield found
    if not addresses:
        return
    found = line.check_connection(place, addresses)
    yield found
    if found.state != "wrong":
        yield line.check_encryption(place, line.trusted(subject.authorities), now())


def _with_key(
    subject: Subject, client: Client, issuer: str, key: dict[str, Any], now: Callable[[], float], language: str
) -> Iterator[Finding]:
    if key:
        found, token = of_client.check_token(client, issuer, subject.system, key)
    else:
        found, token = of_certificate.check_token(client, subject.system)
    yield found
    if not token:
        return
    if key:
        yield of_client.check_keys(client, token, subject.system, str(key["kid"]), now(), language)
    else:
        yield left("keys", of_certificate.NO_KEYS)
    if not subject.interface:
        yield left("grant", UNNAMED)
        yield left("quota", UNNAMED)
        return
    question = {"interface": subject.interface, "system": subject.system, "case": subject.case}
    yield of_client.check_grant(client, token, question, language)
    yield of_client.check_quota(client, token, subject.system, subject.interface, language)
