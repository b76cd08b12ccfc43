"""Documents that somebody sends, JSON or YAML, as plain values: bounded, of one reading, nothing in them is run. Pure.

YAML is read event by event with the few plain scalars of its core schema: a code `no` stays a word, a key `200` a text.
An anchor costs nothing, so what counts is how large a document is once its aliases are written out.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

import yaml

MOST_BYTES = 2 * 1024 * 1024
MOST_VALUES = 200_000
DEEPEST = 100
LONGEST_NUMBER = 400

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT_TAG = "tag:yaml.org,2002:str"
_INTEGER = re.compile(r"[-+]?[0-9]+")
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class BadDocument(ValueError):
    """The bytes cannot be read; one line that says why, and where if that is known."""


def read(content: bytes) -> dict[str, Any]:
    """The object that the document is. Raises BadDocument."""
    if len(content) > MOST_BYTES:
        raise BadDocument(f"more than {MOST_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadDocument(f"not UTF-8 at byte {error.start}") from None
    tree = _from_json(text) if text.lstrip()[:1] == "{" else _from_yaml(text)
    if not isinstance(tree, dict):
        raise BadDocument("not an object")
    _measure(tree)
    return tree


def _measure(tree: Any) -> None:
    """Raise BadDocument for more values or levels than anybody needs, and for values that are not JSON."""
    waiting = [(tree, 1)]
    count = 0
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if count > MOST_VALUES:
            raise BadDocument(f"more than {MOST_VALUES} values, aliases written out")
        if depth > DEEPEST:
            raise BadDocument(f"deeper than {DEEPEST} levels")
        if isinstance(value, dict):
            waiting += [(one, depth + 1) for one in value.values()]
            waiting += [(name, depth) for name in value]
        elif isinstance(value, list):
            waiting += [(one, depth + 1) for one in value]
        elif isinstance(value, float) and not math.isfinite(value):
            raise BadDocument("a number that JSON cannot say")
        elif isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value):
            raise BadDocument("half of a character")


# --- JSON -----------------------------------------------------------------------------------------------------------
def _from_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_members, parse_constant=_no_constant)
    except RecursionError:
        raise BadDocument(f"deeper than {DEEPEST} levels") from None
    except json.JSONDecodeError as error:
        raise BadDocument(f"not JSON: {error.msg} (line {error.lineno})") from None
    except BadDocument:
        raise
    except ValueError:
        raise BadDocument("a number with too many digits") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise BadDocument(f"{name[:100]} is there twice in one object")
        members[name] = value
    return members


def _no_constant(name: str) -> Any:
    raise BadDocument(f"{name} is not JSON")


# --- YAML -----------------------------------------------------------------------------------------------------------
def _from_yaml(text: str) -> Any:
    growing = _Growing()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            growing.take(event)
    except yaml.MarkedYAMLError as error:
        line = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise BadDocument(f"not YAML: {error.problem}{line}") from None
    except yaml.YAMLError as error:
        raise BadDocument(f"not YAML: {' '.join(str(error).split())[:200]}") from None
    return growing.root


@dataclass(slots=True)
class _Open:
    """A container that is not closed yet; `key` is what its next value will be called."""

    container: dict[str, Any] | list[Any]
    anchor: str | None
    key: str | None = None

    def wants_key(self) -> bool:
        return isinstance(self.container, dict) and self.key is None

    def put(self, value: Any) -> None:
        if isinstance(self.container, list):
            self.container.append(value)
        else:
            self.container[str(self.key)] = value
            self.key = None


class _Growing:
    """A tree that grows from events."""

    def __init__(self) -> None:
        self.root: Any = None
        self._documents = 0
        self._open: list[_Open] = []
        self._anchors: dict[str, Any] = {}

    def take(self, event: Any) -> None:
        """One event. Raises BadDocument."""
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise BadDocument("more than one document")
            case yaml.ScalarEvent() if self._open and self._open[-1].wants_key():
                self._open[-1].key = _key(event, self._open[-1].container)
            case yaml.ScalarEvent():
                self._whole(event.anchor, _scalar(event))
            case yaml.AliasEvent():
                self._repeat(event)
            case yaml.MappingStartEvent():
                self._start(event, {})
            case yaml.SequenceStartEvent():
                self._start(event, [])
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                closed = self._open.pop()
                self._whole(closed.anchor, closed.container)

    def _start(self, event: Any, container: dict[str, Any] | list[Any]) -> None:
        self._check_value(event)
        if event.tag is not None:
            raise _wrong(event, "tags are not used here")
        if len(self._open) >= DEEPEST:
            raise _wrong(event, f"deeper than {DEEPEST} levels")
        self._open.append(_Open(container, event.anchor))

    def _repeat(self, event: Any) -> None:
        self._check_value(event)
        if event.anchor not in self._anchors:
            raise _wrong(event, f"*{event.anchor[:100]} stands for nothing that is whole")
        self._whole(None, self._anchors[event.anchor])

    def _check_value(self, event: Any) -> None:
        if self._open and self._open[-1].wants_key():
            raise _wrong(event, "a key is a word")

    def _whole(self, anchor: str | None, value: Any) -> None:
        if anchor is not None:
            self._anchors[anchor] = value
        if self._open:
            self._open[-1].put(value)
        else:
            self.root = value


def _wrong(event: Any, what: str) -> BadDocument:
    return BadDocument(f"{what} (line {event.start_mark.line + 1})")


def _key(event: Any, members: Any) -> str:
    key = str(event.value)
    if key in members:
        raise _wrong(event, f"{key[:100]} is there twice in one object")
    return key


def _scalar(event: Any) -> Any:
    """Core schema of YAML 1.2, without its spellings of other bases, infinities and the like: those stay text."""
    text: str = event.value
    if event.tag is not None:
        if event.tag != _TEXT_TAG:
            raise _wrong(event, "tags are not used here")
        return text
    if not event.implicit[0]:  # quoted, or a block
        return text
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > LONGEST_NUMBER:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text
