"""Where a registration leads: what nobody may register, each mistake with the name of the rule that it breaks. Pure.

The addresses are held against the exchange's own rules (`relay.egress`), before anybody connects. No name is resolved
here: that happens at each call, and every address is checked again then. An address instead of a name has to lie in
the interface's own networks. Source: security.md 5.4.
"""

import ipaddress
from collections.abc import Collection, Iterator, Sequence
from urllib.parse import urlsplit

from catalog_service.directory.model import Interface
from relay.egress import RULES, Egress, mistake_in_network, mistake_in_url
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Adapter, Files, Table

Forbidden = tuple[str, str, str]
"""Path of the member, what is wrong, name of the rule."""
HTTP = ("http", "https")
FILES = ("file", "s3", "sftp")
REMOTE_REF = "schema/remote-ref"
OUTSIDE = "address/outside-networks"
DEEPEST = 64
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


def require_allowed(forbidden: Iterator[Forbidden]) -> None:
    """Raise Refusal(REGISTRATION_FORBIDDEN) naming every mistake and its rule."""
    if found := list(forbidden):
        errors = [{"path": readable(f"/body/{path}"), "error": error, "rule": rule} for path, error, rule in found]
        raise Refusal(codes.REGISTRATION_FORBIDDEN, f"{found[0][2]}: {found[0][1]}", errors=errors)


def readable(path: str) -> str:
    """The path of a member, whatever stands in its name: halves of characters cannot be written."""
    return path.encode(errors="replace").decode()


def schemes_of(adapter: Adapter) -> Collection[str]:
    """What an address of a provider of this kind begins with."""
    match adapter:
        case Table():
            return (adapter.engine,)
        case Files():
            return FILES
        case _:
            return HTTP


def forbidden_in_interface(interface: Interface, egress: Egress) -> Iterator[Forbidden]:
    """Everything in a version of an interface that would lead somewhere else than to its provider."""
    found = list(_address("base_url", interface.base_url, schemes_of(interface.adapter), egress))
    yield from found or _outside("base_url", interface.base_url, interface.networks)
    if isinstance(interface.adapter, Files) and interface.adapter.endpoint:
        found = list(_address("adapter/endpoint", interface.adapter.endpoint, HTTP, egress))
        yield from found or _outside("adapter/endpoint", interface.adapter.endpoint, interface.networks)
    for n, network in enumerate(interface.networks):
        rule = mistake_in_network(network, loopback=egress.allow_loopback, forbidden=egress.forbidden_networks)
        if rule and rule != "network/form":
            yield f"networks/{n}", RULES[rule], rule
    for name in ("parameters", "request", "response"):
        yield from references_outside(getattr(interface, name), name)


def _address(path: str, url: str, schemes: Collection[str], egress: Egress) -> Iterator[Forbidden]:
    rule = mistake_in_url(url, schemes, loopback=egress.allow_loopback, forbidden=egress.forbidden_networks)
    if rule == "url/scheme":
        yield path, f"begins with {' or '.join(f'{scheme}://' for scheme in schemes)}", rule
    elif rule:
        yield path, RULES[rule], rule
    elif _port(url) in egress.forbidden_ports:
        yield path, "the port belongs to the platform", "url/port"


def _outside(path: str, url: str, networks: Sequence[str]) -> Iterator[Forbidden]:
    """An address instead of a name that no call would ever be sent to. Networks that are none are told elsewhere."""
    try:
        address = ipaddress.ip_address(urlsplit(url).hostname or "")
        allowed = [ipaddress.ip_network(network) for network in networks]
    except ValueError:
        return
    if allowed and not any(address in network for network in allowed):
        yield path, "an address outside the interface's own networks", OUTSIDE


def _port(url: str) -> int:
    """The port of an address that is well formed; -1 where none is named."""
    return urlsplit(url).port or -1


def references_outside(schema: object, where: str, depth: int = 0) -> Iterator[Forbidden]:
    """References of a schema that lead outside it. What is too deep is found by the check of its form."""
    if depth > DEEPEST:
        return
    match schema:
        case dict():
            for key, value in schema.items():
                if key in _REFERENCES and isinstance(value, str) and not value.startswith("#"):
                    yield f"{where}/{key}", "refers to something outside the schema; only #… is allowed", REMOTE_REF
                yield from references_outside(value, f"{where}/{key}", depth + 1)
        case list():
            for n, value in enumerate(schema):
                yield from references_outside(value, f"{where}/{n}", depth + 1)
