"""`tongdao doctor`: what stands between a department's machine and its calls, step by step, with the remedy."""

import os
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from runtime.http import sync_client
from tongdao_cli.commands.opening import DEFAULT_HOME, HomeOption
from tongdao_cli.doctor.certificate import present
from tongdao_cli.doctor.examine import Subject, examine
from tongdao_cli.doctor.line import trusted
from tongdao_cli.doctor.model import STATES, STEPS, Finding, Words
from tongdao_cli.home import CannotStart, Home
from tongdao_cli.keys import Secrets
from tongdao_cli.output import plain

ANSWER_S = 10.0
STYLES = {"ok": "green", "warn": "yellow", "wrong": "red", "left": "dim"}
IN_ORDER = Words(
    "以上各项正常；未检查平台到提供方的链路（不会调用提供方）",
    "everything above is in order; the way from the platform to the provider was not looked at, as nobody is asked",
)


def doctor(
    system: Annotated[str, typer.Option(help="name of your information system")],
    gateway: Annotated[str, typer.Option(help="address of the gateway; that of the home otherwise")] = "",
    key: Annotated[Path | None, typer.Option(help="its private key, JWK or PEM; that of the home otherwise")] = None,
    kid: Annotated[str, typer.Option(help="name of the key in the register; what the file says otherwise")] = "",
    cert: Annotated[
        Path | None, typer.Option(help="instead of a key: its certificate, PEM, where it is registered with one")
    ] = None,
    cert_key: Annotated[Path | None, typer.Option(help="the certificate's private key; in its file otherwise")] = None,
    interface: Annotated[str, typer.Option(help="what it wants to ask, as name or name/v1: grant and quota")] = "",
    case: Annotated[str, typer.Option(help="number of a case, where the grant asks for one")] = "",
    ca: Annotated[str, typer.Option(help="PEM file of the authority behind the gateway's certificate")] = "",
    lang: Annotated[str, typer.Option(help="zh or en; the language of this machine otherwise")] = "",
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Look at everything that a call needs: name, connection, certificate, clock, key, token, grant, quota.

    A system that is registered with a certificate (tls_client_auth) has no key: it needs --cert. No provider is asked.
    Ends with 1 if something is wrong.
    """
    chinese = (lang or os.environ.get("LC_ALL") or os.environ.get("LANG", "")).startswith("zh")
    subject = Subject(
        gateway=(gateway or _gateway_of(Home(home))).rstrip("/"), system=system,
        key=key or cert_key or cert or _key_of(Home(home), system), kid=kid, certificate=cert,
        interface=interface if "/" in interface or not interface else f"{interface}/v1", case=case, authorities=ca,
    )  # fmt: skip
    try:
        context = trusted(ca)
    except OSError as error:
        raise CannotStart(
            f"{ca} holds no certificates that can be read ({error.strerror or error}); see --ca"
        ) from None
    if cert is not None:
        present(context, cert, cert_key)
    console, wrong = Console(), 0
    connect = partial(sync_client, subject.gateway, timeout_s=ANSWER_S, tls=context)
    for finding in examine(subject, connect, time.time, "zh" if chinese else "en"):
        _show(console, finding, chinese)
        wrong += finding.state == "wrong"
    if not wrong:
        console.print(_in(IN_ORDER, chinese), style="green", soft_wrap=True)
    raise typer.Exit(1 if wrong else 0)


def _in(words: Words, chinese: bool) -> str:
    return words.zh if chinese else words.en


def _show(console: Console, finding: Finding, chinese: bool) -> None:
    state, step = _in(STATES[finding.state], chinese), _in(STEPS[finding.step], chinese)
    head = f"{state}  {step}：" if chinese else f"{state:<6}{step:<9}"
    said = plain(head + _in(finding.said, chinese))
    console.print(said, style=STYLES[finding.state], soft_wrap=True, highlight=False)
    if finding.remedy is not None:
        console.print(plain(f"      → {_in(finding.remedy, chinese)}"), soft_wrap=True, highlight=False)


def _gateway_of(home: Home) -> str:
    """Where the home's own gateway is, also while it does not run."""
    known = home.running().get("gateway") or home.state().get("gateway")
    if not known:
        raise CannotStart(f"say where the gateway is with --gateway; there is no installation in {home.root}")
    return known if isinstance(known, str) else f"http://127.0.0.1:{known}"


def _key_of(home: Home, system: str) -> Path:
    file = Secrets(home).system_file(system)
    if Path(system).name != system or not file.exists():
        raise CannotStart(
            f"say where the private key of {system} is with --key; there is none in {file.parent} "
            "(--cert, where it is registered with a certificate)"
        )
    return file
