"""/oauth2/people…: who is here and with which roles; for security administration (scope people:write)."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import JSONResponse, Response

from identity.api.login import link_of
from identity.clients import ID_PATTERN
from identity.people.model import LOGIN_PATTERN, Person
from identity.people.register import By, Invited, Register
from identity.people.roles import ROLES
from identity.registration import OPERATOR
from identity.server import NO_STORE
from wire import scopes
from wire.tokens import AccessToken, Door

LARGEST_BODY = 16_384
Login = Annotated[str, StringConstraints(pattern=LOGIN_PATTERN)]
Name = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,100}$")]
Department = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
Role = Literal[
    "officer", "head", "authority", "security-administrator", "system-administrator", "audit-administrator"
]  # fmt: skip
Roles = Annotated[list[Role], Field(max_length=len(ROLES))]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class NewPerson(_Body):
    """Somebody to be invited. `login` is what they sign in with; it never changes."""

    login: Login
    name: Name
    department: Department
    roles: Roles


class RolesBody(_Body):
    """All roles that somebody has from now on."""

    roles: Roles


class StandingBody(_Body):
    """Whether somebody may come in."""

    standing: Literal["active", "suspended"]
    reason: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,300}$")]


class EndBody(_Body):
    """Why and how sessions end."""

    change_password: bool = False


def router(register: Register, door: Door, issuer: str) -> APIRouter:
    """The register of people."""
    routes = APIRouter(prefix="/oauth2/people", tags=["people"])
    may_write = Depends(door.needing(scopes.PEOPLE_WRITE))

    @routes.get("", dependencies=[may_write])
    async def people(
        department: Annotated[str, Query(max_length=128, pattern=r"^[^\x00]*$")] = "",
        after: Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*$")] = "",
        login: Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*$")] = "",
    ) -> JSONResponse:
        """At most 200 people by login name; `after` is the last name of the page before, `login` one name alone."""
        found = await register.people(department, after, login)
        return JSONResponse({"people": [shown(person) for person in found]}, headers=NO_STORE)

    @routes.post("", status_code=201, max_body_size=LARGEST_BODY)
    async def invite(body: NewPerson, token: AccessToken = may_write) -> JSONResponse:
        """Invite somebody: the answer holds their one-time link, which is shown this once. 409: no such department."""
        invited = await register.invite(body.login, body.name, body.department, frozenset(body.roles), _by(token))
        return JSONResponse(_invited(invited, issuer), 201, NO_STORE)

    @routes.get("/{person}", dependencies=[may_write])
    async def person(person: UUID) -> JSONResponse:
        return JSONResponse(shown(await register.find(person)), headers=NO_STORE)

    @routes.post("/{person}/invitation", status_code=201)
    async def invite_again(person: UUID, token: AccessToken = may_write) -> JSONResponse:
        """A new link; password, second factor and sessions from before count no longer.

        System and audit administration go with them, unless the platform's operator asks: give them anew.
        """
        return JSONResponse(_invited(await register.invite_again(person, _by(token)), issuer), 201, NO_STORE)

    @routes.put("/{person}/roles", max_body_size=LARGEST_BODY)
    async def roles(person: UUID, body: RolesBody, token: AccessToken = may_write) -> JSONResponse:
        """Set the roles; tokens from before are revoked."""
        return JSONResponse(
            shown(await register.set_roles(person, frozenset(body.roles), _by(token))), headers=NO_STORE
        )

    @routes.post("/{person}/standing", max_body_size=LARGEST_BODY)
    async def standing(person: UUID, body: StandingBody, token: AccessToken = may_write) -> JSONResponse:
        """Suspend somebody, or let them back in."""
        suspended = body.standing == "suspended"
        found = await register.set_standing(person, suspended=suspended, reason=body.reason, by=_by(token))
        return JSONResponse(shown(found), headers=NO_STORE)

    @routes.post("/{person}/end-sessions", status_code=204, max_body_size=LARGEST_BODY)
    async def end_sessions(person: UUID, body: EndBody, token: AccessToken = may_write) -> Response:
        """End all sessions of somebody; with `change_password` they have to choose a new one when they come back."""
        await register.end_sessions(person, _by(token), change_password=body.change_password)
        return Response(status_code=204, headers=NO_STORE)

    return routes


def _by(token: AccessToken) -> By:
    return By(token.person or token.client, token.department, bool(token.person), token.client == OPERATOR)


def _invited(invited: Invited, issuer: str) -> dict[str, Any]:
    until = invited.until.isoformat(timespec="seconds")
    return {"person": shown(invited.person), "link": link_of(issuer, invited.token), "until": until}


def shown(person: Person) -> dict[str, Any]:
    """Somebody as security administration sees them: nothing that signs them in."""
    return {
        "id": str(person.id),
        "login": person.login,
        "name": person.name,
        "department": person.department,
        "roles": sorted(person.roles),
        "standing": person.standing,
        "must_change_password": person.must_change,
        "signs_in": "elsewhere" if person.outside else "here",
    }
