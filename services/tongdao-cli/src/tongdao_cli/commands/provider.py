"""`tongdao provider …`: what a department does for its own interfaces: credentials, trials, stages, maintenance.

No secret and no number of a person has to stand on the command line, where lists of processes and the history of the
shell would keep it: what is named with `-` is asked for, or read from standard input.
"""

import base64
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from tongdao_cli import output
from tongdao_cli.commands.case import AsOption
from tongdao_cli.commands.opening import DEFAULT_HOME, HomeOption, accepted, as_client
from tongdao_cli.commands.provider_import import import_document
from tongdao_cli.commands.provider_stages import maintenance, take_step
from tongdao_cli.home import Home

provider = typer.Typer(no_args_is_help=True, help="For providers: interfaces and credentials.")
credential = typer.Typer(no_args_is_help=True, help="What the exchange shows a provider's system so that it is let in.")
provider.add_typer(credential, name="credential")
provider.command("import")(import_document)
provider.command("step")(take_step)
provider.command()(maintenance)

KINDS = {
    "basic": "user, password; for SFTP also host_key",
    "api-key": "value, and header or query: the name of the field that it goes into",
    "oauth": "token_url, client_id, client_secret; may have scope, sends (basic or form)",
    "mtls": "certificate, key; may have authorities",
    "hmac": "key_id, secret; may have suite (sha256 or sm3)",
    "private-key": "user, key; may have host_key",
}
"""Kinds of credentials, and the members of each."""
SECRETS = ("password", "value", "client_secret", "secret", "key")
NameArgument = Annotated[str, typer.Argument(metavar="DEPARTMENT/NAME", help="such as rsj/core")]
CREDENTIALS = "/api/exchange/credentials"


@credential.command()
def put(
    name: NameArgument,
    client: AsOption,
    kind: Annotated[str, typer.Option(help=". ".join(f"{kind}: {members}" for kind, members in KINDS.items()))],
    members: Annotated[
        list[str] | None, typer.Option("--set", metavar="MEMBER=VALUE", help="a member that is no secret")
    ] = None,
    files: Annotated[
        list[str] | None, typer.Option("--from", metavar="MEMBER=FILE", help="a member from a file; - asks for it")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Put a credential, or a new version of it: every exchange uses it from then on, calls under way do not fail."""
    if kind not in KINDS:
        raise typer.BadParameter(f"--kind is one of {', '.join(KINDS)}")
    stated = dict(_pair(text, "--set") for text in members or ())
    for member in stated.keys() & set(SECRETS):
        raise typer.BadParameter(f"{member} is a secret: give it with --from {member}=FILE, or --from {member}=-")
    read = {member: _read(member, file) for member, file in (_pair(text, "--from") for text in files or ())}
    with as_client(Home(home), client) as consumer:
        answer = consumer.send("PUT", f"{CREDENTIALS}/{_name(name)}", {"kind": kind, **stated, **read})
    typer.echo(output.body(accepted(answer)))


@credential.command("list")
def list_credentials(
    client: AsOption,
    department: Annotated[str, typer.Argument(help="whose; your own otherwise, for the operator everybody's")] = "",
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """List credentials: kind, version, when and by whom. Nothing gives a secret back."""
    with as_client(Home(home), client) as consumer:
        answer = consumer.send("GET", f"{CREDENTIALS}?department={department}")
    typer.echo(output.body(accepted(answer)))


@credential.command()
def delete(name: NameArgument, client: AsOption, home: HomeOption = DEFAULT_HOME) -> None:
    """Take a credential away. Refused while an open interface names it: suspend that, or let it name another."""
    with as_client(Home(home), client) as consumer:
        accepted(consumer.send("DELETE", f"{CREDENTIALS}/{_name(name)}"))


@provider.command("test")
def try_interface(
    interface: Annotated[str, typer.Argument(metavar="ID/VERSION", help="open or not yet, such as rsj-insurance/v1")],
    client: AsOption,
    path: Annotated[str, typer.Option(help="the operation's template, such as /{id_card}")] = "",
    method: Annotated[str, typer.Option(help="its method")] = "GET",
    values: Annotated[
        list[str] | None, typer.Option("--value", metavar="NAME=VALUE", help="a path variable; NAME=- asks for it")
    ] = None,
    query: Annotated[str, typer.Option(help="as a consumer would send it, without the question mark")] = "",
    data: Annotated[Path | None, typer.Option(help="file with the body: JSON, a form, XML, or bytes")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="the report as it came")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Try an interface on the way of a call; exit code 1 if a step fails. Shows no personal value as it is."""
    given = {
        name: _asked(name) if value == "-" else value for name, value in (_pair(v, "--value") for v in values or ())
    }
    question: dict[str, Any] = {"method": method, "path": path, "values": given, "query": query}
    if data is not None:
        question.update(_body(data))
    with as_client(Home(home), client) as consumer:
        answer = accepted(consumer.send("POST", f"/api/exchange/interfaces/{_name(interface)}/test", question))
    report = answer.json()
    if as_json:
        typer.echo(output.body(answer))
    else:
        _tell(report)
    raise typer.Exit(0 if report["ok"] else 1)


def _tell(report: dict[str, Any]) -> None:
    steps = _table("step", "", "ms", "")
    for step in report["steps"]:
        told = [step["step"], "ok" if step["ok"] else step["code"], str(step["ms"]), step["detail"]]
        steps.add_row(*map(output.plain, told))
    console = Console()
    console.print(steps)
    if not report["fields"]:
        return
    fields = _table("field", "mask", "found", "types", "lengths", "as it leaves")
    for one in report["fields"]:
        shown = "" if one["value"] is None else json.dumps(one["value"], ensure_ascii=False)
        lengths = "–".join(map(str, dict.fromkeys(one["lengths"])))
        told = [one["name"], one["mask"], str(one["found"]), ", ".join(one["types"]), lengths, shown]
        fields.add_row(*map(output.plain, told))
    console.print(fields)
    for drift in report["drift"]:
        console.print(output.plain(f"differs from the registration: {drift['path']} ({drift['kind']})"))


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


# --- what is given --------------------------------------------------------------------------------------------------
def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f"{option} wants NAME=…")
    return name, value


def _name(text: str) -> str:
    """Two words with a slash between them, such as they stand in an address."""
    parts: Sequence[str] = text.split("/")
    if len(parts) != 2 or not all(part and part.replace("-", "").replace("_", "").isalnum() for part in parts):
        raise typer.BadParameter(f"{text}: two names with a slash between them are wanted")
    return text


def _read(member: str, file: str) -> str:
    if file == "-":
        return _asked(member)
    try:
        return Path(file).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file} cannot be read: {type(error).__name__}") from None


def _asked(name: str) -> str:
    """Asked for without an echo; where nobody sits there, the next line of standard input."""
    if sys.stdin.isatty():
        return str(typer.prompt(name, hide_input=True))
    return sys.stdin.readline().rstrip("\r\n")


def _body(file: Path) -> dict[str, Any]:
    """The body as a member of the question: JSON or a text where it is that, its bytes otherwise."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {type(error).__name__}") from None
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return {"request_base64": base64.b64encode(content).decode()}
    try:
        return {"request": json.loads(text)}
    except ValueError:
        return {"request": text}
