"""`tongdao person …` and `tongdao login`: who may come in, with which roles, and coming in oneself."""

import webbrowser
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from runtime.http import HTTPError, Response, sync_client
from tongdao_cli import output
from tongdao_cli.commands.opening import DEFAULT_HOME, HomeOption, accepted, as_client, check_running
from tongdao_cli.home import CannotStart, Home
from tongdao_cli.keys import OPERATOR
from tongdao_cli.people import PEOPLE, Me

person = typer.Typer(no_args_is_help=True, help="People: invite, list, roles, sessions, suspend.")
LoginArgument = Annotated[str, typer.Argument(metavar="NAME", help="what they sign in with")]
RoleOption = Annotated[
    list[str] | None,
    typer.Option(help="officer, head, authority, {security,system,audit}-administrator; as often as needed"),
]
MeOption = Annotated[bool, typer.Option("--me", help="as whoever signed in with `tongdao login`, not as the operator")]


@person.command()
def invite(
    login: LoginArgument,
    department: Annotated[str, typer.Option(help="their department")] = "",
    name: Annotated[str, typer.Option(help="their name")] = "",
    role: RoleOption = None,
    again: Annotated[bool, typer.Option("--again", help="a new link for somebody who lost password or device")] = False,
    me: MeOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Invite somebody; their one-time link is shown this once and good for seven days.

    Somebody new needs --department and --name. With --again nobody needs more than their NAME.
    """
    if again:
        if department or name or role:
            raise CannotStart(f"{login} keeps name, department and roles; leave them out with --again")
        answer = _ask(home, me, "POST", f"{PEOPLE}/{_number(home, me, login)}/invitation")
    else:
        if not (department and name):
            raise CannotStart("somebody new has a --department and a --name; for a new link of somebody known: --again")
        body = {"login": login, "name": name, "department": department, "roles": role or []}
        answer = _ask(home, me, "POST", PEOPLE, body)
    told = accepted(answer).json()
    typer.echo(f"for {login} alone; good once, until {told['until']}:", err=True)
    typer.echo(told["link"])


@person.command("list")
def list_people(
    department: Annotated[str, typer.Option(help="this department alone")] = "",
    me: MeOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Who is here, by login name."""
    after = ""
    while True:
        found = accepted(_ask(home, me, "GET", f"{PEOPLE}?department={department}&after={after}")).json()["people"]
        for one in found:
            line = f"{one['login']}  {one['department']}  {one['standing']}  {' '.join(one['roles'])}  {one['name']}"
            typer.echo(output.plain(line).plain)
        if len(found) < 200:
            return
        after = found[-1]["login"]


@person.command("role")
def set_roles(
    login: LoginArgument, role: RoleOption = None, me: MeOption = False, home: HomeOption = DEFAULT_HOME
) -> None:
    """Set all roles that somebody has from now on; none named, none left."""
    answer = _ask(home, me, "PUT", f"{PEOPLE}/{_number(home, me, login)}/roles", {"roles": role or []})
    typer.echo(output.body(accepted(answer)))


@person.command("end-sessions")
def end_sessions(
    login: LoginArgument,
    change_password: Annotated[bool, typer.Option("--change-password", help="they need a new one then")] = False,
    me: MeOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Throw somebody out everywhere."""
    path = f"{PEOPLE}/{_number(home, me, login)}/end-sessions"
    accepted(_ask(home, me, "POST", path, {"change_password": change_password}))
    typer.echo("ended")


@person.command()
def suspend(
    login: LoginArgument,
    reason: Annotated[str, typer.Option(help="why; kept in the log")],
    lift: Annotated[bool, typer.Option("--lift", help="let them back in")] = False,
    me: MeOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Suspend somebody at once, or let them back in."""
    body = {"standing": "active" if lift else "suspended", "reason": reason}
    answer = _ask(home, me, "POST", f"{PEOPLE}/{_number(home, me, login)}/standing", body)
    typer.echo(output.body(accepted(answer)))


def login(
    browser: Annotated[bool, typer.Option("--browser", help="open the page at once")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Sign in as a person, at a browser of this machine; commands with --me then act for you.

    Only where the installation's home is: its operator's key registers this terminal. Others use their portal.
    """
    place = Home(home)
    gateway = check_running(place)

    def show(address: str) -> None:
        typer.echo(address)
        if browser:
            webbrowser.open(address)

    with sync_client(gateway) as client:
        who = Me(place, gateway, client).sign_in(show)
    typer.echo(f"signed in as {who['preferred_username']} ({' '.join(who['roles']) or 'no roles'})")


def _number(home: Path, me: bool, login: str) -> str:
    """The id behind a login name; raises CannotStart where nobody has it."""
    found = accepted(_ask(home, me, "GET", f"{PEOPLE}?{urlencode({'login': login})}")).json()["people"]
    if not found:
        raise CannotStart(f"nobody signs in as {login}; see `tongdao person list`")
    return str(found[0]["id"])


def _ask(home: Path, me: bool, method: str, path: str, body: dict[str, Any] | None = None) -> Response:
    place = Home(home)
    if not me:
        with as_client(place, OPERATOR) as operator:
            return operator.send(method, path, body)
    gateway = check_running(place)
    with sync_client(gateway) as client:
        try:
            headers = {"Authorization": f"Bearer {Me(place, gateway, client).token()}"}
            return client.request(method, path, json=body, headers=headers)
        except HTTPError as error:
            raise CannotStart(f"{gateway} does not answer ({error}); look into {place.logs}") from None
