"""Path templates of operations: "/{id_card}/records". Pure."""

import re
from collections.abc import Iterator

from wire import paths

_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SEGMENT = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}|[^{}]*")


def variables_of(template: str) -> list[str]:
    """Names of the variables, in their order; also of what is no template."""
    return _VARIABLE.findall(template)


def mistakes_in_template(text: str, where: str) -> Iterator[tuple[str, str]]:
    """A variable stands for one whole segment; the rest is a path that everybody reads alike."""
    if not all(_SEGMENT.fullmatch(segment) for segment in text.split("/")):
        yield where, "a variable is a whole segment: /{name}"
        return
    names = re.findall(r"\{([^}]*)\}", text)
    if len(set(names)) < len(names):
        yield where, "a variable is there more than once"
    try:
        paths.check(re.sub(r"\{[^}]*\}", "x", text))
    except paths.BadPath as error:
        yield where, str(error)
