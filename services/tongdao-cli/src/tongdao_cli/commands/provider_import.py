"""`tongdao provider import`: an interface drawn from the document that a system has already, OpenAPI or WSDL."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer

from tongdao_cli import output
from tongdao_cli.commands.case import AsOption
from tongdao_cli.commands.opening import DEFAULT_HOME, HomeOption, accepted, as_client
from tongdao_cli.home import Home


def import_document(
    file: Annotated[Path, typer.Argument(help="an OpenAPI document (JSON or YAML), or a WSDL")],
    client: AsOption,
    resource: Annotated[str, typer.Option(help="code of the entry that the interface opens")],
    interface: Annotated[str, typer.Option(help="id that it gets")],
    network: Annotated[list[str], typer.Option(help="CIDR that the provider's name may lead to, as often as needed")],
    base_url: Annotated[str, typer.Option(help="instead of the address in the document")] = "",
    version: Annotated[str, typer.Option()] = "v1",
    register: Annotated[bool, typer.Option("--register", help="do it; without it, only shows what would be")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Show what a document would register, with notes and a sample answer; register it with --register."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file}: cannot be read: {error.strerror}") from None
    kind = "wsdl" if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else "openapi"
    asked = [("resource", resource), ("interface", interface), ("version", version), ("base_url", base_url)]
    asked += [("networks", one) for one in network] + [("dry_run", str(not register).lower())]
    with as_client(Home(home), client) as consumer:
        answer = consumer.send_bytes(f"/api/catalog/directory/{kind}?{urlencode(asked)}", content)
    typer.echo(output.body(accepted(answer)))
