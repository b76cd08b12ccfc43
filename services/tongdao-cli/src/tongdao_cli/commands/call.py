"""`tongdao call` and `tongdao token`: what a department's system does."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tlog import receipt as receipts
from tlog.proofs import ProofError
from tongdao_cli import output
from tongdao_cli.commands.opening import DEFAULT_HOME, HomeOption, as_client, check_folder, check_running
from tongdao_cli.governed import Consumer, NoReceipt, Question
from tongdao_cli.home import CannotStart, Home, write_private
from tongdao_cli.keys import Secrets

SystemOption = Annotated[str, typer.Option(help="who asks; without it a demo system that holds a grant")]


def call(
    interface: Annotated[str, typer.Argument(help="id of the interface, with or without its version: name or name/v1")],
    path: Annotated[str, typer.Option(help="what follows the version")] = "",
    query: Annotated[list[str] | None, typer.Option(help="name=value, as often as needed")] = None,
    data: Annotated[str | None, typer.Option(help="JSON body; makes it a POST")] = None,
    method: Annotated[str, typer.Option(help="instead of GET or POST")] = "",
    system: SystemOption = "",
    case: Annotated[str, typer.Option(help="number of the case at hand")] = "",
    consent: Annotated[str, typer.Option(help="token of the person's consent")] = "",
    verify: Annotated[
        str, typer.Option(help='claims to be verified: {"field": value, …}; only yes or no comes back')
    ] = "",
    compare: Annotated[str, typer.Option(help="claims to be compared, field by field")] = "",
    sandbox: Annotated[bool, typer.Option("--sandbox", help="answered from invented examples")] = False,
    out: Annotated[Path | None, typer.Option(help="where to put the answer, as it came")] = None,
    home: HomeOption = DEFAULT_HOME,
    receipt: Annotated[Path | None, typer.Option(help="where to keep the receipt; DIR/receipts otherwise")] = None,
) -> None:
    """Make one governed call, show the answer, keep and verify the receipt."""
    place = Home(home)
    full = interface if "/" in interface else f"{interface}/v1"
    path = f"/{path}" if path and not path.startswith("/") else path
    mode = "verify" if verify else "compare" if compare else ""
    if mode:
        data = _with_claims(verify or compare, data)
    question = Question(
        interface=full, method=method.upper() or ("POST" if data is not None else "GET"), path=path,
        query=_pairs(query or []), data=data.encode() if data is not None else None, case=case, consent=consent,
        mode=mode, sandbox=sandbox,
    )  # fmt: skip
    if out is not None:
        check_folder(out)
    console = Console()
    with as_client(place, system or _system_for(place, f"{full}:{mode}" if mode else full)) as consumer:
        answer = consumer.ask(question)
        if out is not None and answer.response.is_success:
            out.write_bytes(answer.response.content)
            console.print(f"{len(answer.response.content)} bytes in {out}", style="green", soft_wrap=True, markup=False)
        else:
            output.response(console, answer.response)
        if answer.record:
            _keep_receipt(console, consumer, answer.record, receipt or place.receipts / f"{answer.record}.json", place)
    raise typer.Exit(0 if answer.response.is_success else 1)


def _keep_receipt(console: Console, consumer: Consumer, record: str, file: Path, home: Home) -> None:
    try:
        found = consumer.receipt(record)
        write_private(file, found)
        receipts.verify(found, Secrets(home).vkey())
    except (NoReceipt, ProofError) as error:
        console.print(f"receipt: {error}", style="red", soft_wrap=True, markup=False)
        raise typer.Exit(1) from None
    console.print(f"receipt: verified, kept in {file}", style="green", soft_wrap=True, markup=False)


def _with_claims(claims: str, data: str | None) -> str:
    """The body of a verification or comparison: the claims, and the question's own body where it has one."""
    try:
        body = {"claims": json.loads(claims), **({} if data is None else {"question": json.loads(data)})}
    except ValueError as error:
        raise typer.BadParameter(f"claims and --data are JSON: {error}") from None
    return json.dumps(body, ensure_ascii=False)


def _pairs(query: list[str]) -> list[tuple[str, str]]:
    pairs = [text.partition("=") for text in query]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise typer.BadParameter(f"--query takes name=value, not {wrong[0]}")
    return [(name, value) for name, _, value in pairs]


def _system_for(home: Home, interface: str) -> str:
    check_running(home)
    systems: dict[str, str] = home.state().get("systems", {})
    if interface not in systems:
        known = ", ".join(sorted(systems)) or "nothing yet"
        raise CannotStart(f"no demo system holds a grant for {interface}; name one with --system (granted: {known})")
    return systems[interface]


def token(
    system: Annotated[str, typer.Option(help="the client; platform-operator is one too")],
    scope: Annotated[str, typer.Option(help="scopes to ask for; all that the client may have otherwise")] = "",
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Print an access token of a system of this home; it is good for five minutes."""
    with as_client(Home(home), system) as consumer:
        typer.echo(consumer.token(scope))
