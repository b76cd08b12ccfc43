"""The plainest projector there is: one walk over the text. Oracle for `exchange_service.contract.project`."""

import json
import re
from collections.abc import Mapping

from exchange_service.contract.masks import DROP, MASKS, NOT_TEXT, Mask
from exchange_service.contract.text import BadJson

SPACE = re.compile(r"[ \t\r\n]*")
STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
ATOM = re.compile(STRING.pattern + r"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null")
Path = tuple[str, ...]
NOWHERE: Path = ("", "")


class PlainProjector:
    """`fields` and `masks` (without `plain`) by path; `met` and `masked` are filled on the way."""

    def __init__(self, body: bytes, fields: set[Path], masks: dict[Path, str], functions: Mapping[str, Mask]) -> None:
        self.text, self.at = body.decode(), 0
        self.fields, self.masks, self.functions = fields, masks, functions
        self.met: set[Path] = fields & {()}
        self.masked: set[Path] = set()

    def project(self) -> str:
        if self.peek() not in ("{", "["):
            raise BadJson("not an object or array")
        kept = self.value((), () in self.fields)
        if self.peek() or kept is None:
            raise BadJson("something behind")
        return kept

    def peek(self) -> str:
        self.at = SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]  # it matches everywhere
        return self.text[self.at : self.at + 1]

    def take(self, pattern: re.Pattern[str]) -> str:
        self.peek()
        if not (found := pattern.match(self.text, self.at)):
            raise BadJson("something else")
        self.at = found.end()
        return found[0]

    def value(self, path: Path, released: bool) -> str | None:
        """What stays of the value that comes next."""
        opener, start = self.peek(), self.at
        kept = self.box(path, released, opener) if opener in ("{", "[") else self.take(ATOM) if released else None
        if opener not in ("{", "[") and not released:
            self.take(ATOM)
        masks_below = any(place[: len(path)] == path for place in self.masks)
        return self.text[start : self.at] if released and not masks_below else kept

    def box(self, path: Path, released: bool, opener: str) -> str:
        """What stays of an object or an array; an array has the path of what it is in."""
        parts: list[str | None] = []
        seen: set[str] = set()
        closer = {"{": "}", "[": "]"}[opener]
        self.at += 1
        empty = self.peek() == closer
        while not empty and (not parts or self.take(re.compile(rf"[,\{closer}]")) == ","):
            parts.append(self.member(path, released, seen) if opener == "{" else self.value(path, released))
        self.at += empty
        return opener + ",".join(part for part in parts if part is not None) + closer

    def member(self, path: Path, released: bool, seen: set[str]) -> str | None:
        key: str = json.loads(self.take(STRING))
        if key in seen:
            raise BadJson("twice")
        seen.add(key)
        self.take(re.compile(":"))
        inside = (*path, key)
        granted = released or inside in self.fields
        mask = self.masks.get(inside, "")
        if not granted and not any(field[: len(inside)] == inside for field in self.fields):
            self.value(NOWHERE, False)
            return None
        self.met |= {inside} if inside in self.fields and not released and mask != DROP else set()
        if mask and not granted:
            mask = DROP  # a mask shows something of what was granted, of nothing else
        kept = self.hidden(inside, mask) if mask else self.value(inside, granted)
        return None if kept is None else json.dumps(key, ensure_ascii=False) + ":" + kept

    def hidden(self, path: Path, mask: str) -> str | None:
        self.peek()
        start = self.at
        self.value(NOWHERE, False)
        value = json.loads(self.text[start : self.at])
        if value is not None or mask == DROP:
            self.masked.add(path)
        if mask == DROP:
            return None
        return json.dumps(cover(value, self.functions[mask]), ensure_ascii=False, separators=(",", ":"))


def cover(value: object, mask: Mask) -> object:
    if isinstance(value, list):
        return [cover(element, mask) for element in value]
    return mask(value) if isinstance(value, str) else value if value is None else NOT_TEXT


def project_plainly(
    body: bytes, fields: list[str], masks: dict[str, str], functions: Mapping[str, Mask] = MASKS
) -> tuple[bytes, list[str], list[str]]:
    """Body, names met, names masked; `fields` may be ["*"], `functions` are the masks that there are."""
    paths = {() if field == "*" else tuple(field.split(".")) for field in fields}
    walk = PlainProjector(body, paths, {tuple(name.split(".")): mask for name, mask in masks.items()}, functions)
    kept = walk.project()
    met = sorted(".".join(path) or "*" for path in walk.met)
    return (body if () in paths and not masks else kept.encode()), met, sorted(".".join(p) for p in walk.masked)
