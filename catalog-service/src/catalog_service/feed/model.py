"""Who changes something, and what the feed can carry. Pure."""

from dataclasses import dataclass

import msgspec

from wire import catalog, scopes

PLATFORM = "platform"
"""The department of the operator whose key is made with the installation."""
_OVERSEERS = frozenset({scopes.AUTHORITY, scopes.UPPER_AUTHORITY, scopes.GOVERNMENT})
Thing = catalog.Department | catalog.System | catalog.Interface | catalog.Grant | catalog.Revocation


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: an OAuth client, its department, and the offices that it holds (scopes `office:…`)."""

    client: str
    department: str
    offices: frozenset[str] = frozenset()

    @property
    def side(self) -> str:
        """The department for which this actor handles matters, "" for nobody: systems and persons have no desk."""
        return self.department if self.offices & {scopes.OFFICER, scopes.HEAD} else ""

    @property
    def oversees(self) -> bool:
        """Whether this actor sees every matter: those who coordinate, decide and supervise (国务院令第809号 28)."""
        return bool(self.offices & _OVERSEERS)


def kind_and_id(thing: Thing) -> tuple[catalog.Kind, str]:
    """Under which name the followers of the feed keep this."""
    match thing:
        case catalog.Department():
            return "department", thing.id
        case catalog.System():
            return "system", thing.id
        case catalog.Interface():
            return "interface", thing.key
        case catalog.Grant():
            return "grant", thing.id
        case catalog.Revocation():
            return "revocation", thing.id


def stamped(thing: Thing, revision: int) -> Thing:
    """The thing as it is published; a grant carries the revision of its last change."""
    return msgspec.structs.replace(thing, revision=revision) if isinstance(thing, catalog.Grant) else thing
