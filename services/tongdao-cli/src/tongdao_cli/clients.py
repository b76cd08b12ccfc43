"""Clients with a key in this home: officers, keepers, auditors. A name is checked before a key is made for it."""

import re
from pathlib import Path

from runtime.http import Response
from tongdao_cli.governed import Consumer
from tongdao_cli.home import CannotStart, Home
from tongdao_cli.keys import Secrets, public

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def register(operator: Consumer, home: Path, name: str, department: str, scope: str) -> Response:
    """Register a client; the same one again changes nothing.

    Raises CannotStart for a department that there is not, and for a name that somebody else has.
    """
    if not _NAME.fullmatch(name):
        raise CannotStart(f"{name!r} cannot name a client; use letters, digits, '.', '_' and '-'")
    if operator.send("GET", f"/api/catalog/departments/{department}").status_code == 404:
        raise CannotStart(f"there is no department {department}; register it first")
    known = operator.send("GET", f"/oauth2/clients/{name}")
    if known.is_success and (known.json()["department"], known.json()["scope"]) != (department, scope):
        raise CannotStart(f"{name} is there already, with another department or another duty; choose another name")
    keys = {"keys": [public(Secrets(Home(home)).system(name))]}
    body = {"department": department, "scope": scope, "method": "private_key_jwt", "jwks": keys}
    return operator.send("PUT", f"/oauth2/clients/{name}", body)
