"""Which way to project an answer is fast enough? Run: python bench/projector.py (under a minute, one core).

Candidates, all strict (duplicates refused) and all but one byte-exact:
  spans    msgspec.Raw level by level: every member becomes a span, the unwanted are deleted
  tokens   one walk with a compiled pattern that takes a member at a time; no other parser involved
  stdlib   json with hooks that keep number lexemes; not byte-exact: strings are escaped anew, white space is lost
  typed    what contract/project.py does: msgspec with a type made from the grant, so that the unwanted is never made
  plain    the oracle of the tests
Printed are medians over interleaved rounds. `read` (strict reading with limits and duplicates) is part of every
candidate's time where it needs it, `schema` comes on top where an interface has one.
"""

import json
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from exchange_service.contract.masks import MASKS
from exchange_service.contract.model import Contract, Projection
from exchange_service.contract.project import project
from exchange_service.contract.text import BadJson, read
from harness.plain_projector import project_plainly
from wire.calls import Obligations
from wire.catalog import Field, Interface

ROUNDS = 7
ROUND_S = 0.05
Tree = dict[str, Any]
"""A grant for the candidates: member -> "" (stays), a mask's name, or a Tree."""


def grant_tree(fields: list[str], masks: dict[str, str]) -> Tree:
    tree: Tree = {}
    for dotted in fields:
        *above, last = dotted.split(".")
        branch = tree
        for name in above:
            branch = branch.setdefault(name, {})
        branch[last] = masks.get(dotted, "")
    return tree


# --- spans ----------------------------------------------------------------------------------------------------------
_span_members: Any = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_span_objects: Any = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode


def spans(body: bytes, tree: Tree) -> bytes:
    read(body)
    return msgspec.json.encode(spans_of(body, tree))


def spans_of(span: Any, tree: Tree) -> Any:
    opener = memoryview(span)[0]
    if opener not in b"{[":
        return None
    value = _span_members(span) if opener == 123 else _span_objects(span)
    for members in [value] if opener == 123 else value:
        for name in members.keys() - tree.keys():
            del members[name]
        for name in members:
            wanted = tree[name]
            if isinstance(wanted, dict):
                members[name] = spans_of(members[name], wanted)
            elif wanted:
                members[name] = MASKS[wanted](msgspec.json.decode(members[name]))
    return value


# --- tokens ---------------------------------------------------------------------------------------------------------
_STRING = r'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+"'
_ATOM = rf"{_STRING}|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][-+]?[0-9]++)?+|true|false|null"
_S = r"[ \t\r\n]*+"
_member: Any = re.compile(rf"{_S}({_STRING}){_S}:{_S}(?:({_ATOM}){_S}([,}}])|(?=[{{\[]))").match
_element: Any = re.compile(rf"{_S}(?:({_ATOM}){_S}([,\]])|(?=[{{\[]))").match
_end = re.compile(rf"{_S}([,}}\]])").match


def tokens(body: bytes, tree: Tree) -> bytes:
    return tokens_of(body.decode(), 0, tree)[0].encode()


def tokens_of(text: str, at: int, tree: Any) -> tuple[str, int]:
    """The box that starts at `at`, projected, and where it ends. A tree of None: nothing is wanted."""
    is_object = text[at] == "{"
    seen: set[str] = set()
    out: list[str] = []
    at += 1
    while True:
        found = (_member if is_object else _element)(text, at)
        if found is None:
            raise BadJson("not JSON")
        key, atom, end = found.groups() if is_object else ("", *found.groups())
        at = found.end()
        wanted = tree
        if is_object:
            name = json.loads(key) if "\\" in key else key[1:-1]
            if name in seen:
                raise BadJson("twice")
            seen.add(name)
            wanted = None if tree is None else tree.get(name)
            key += ":"
        if atom is None:
            start = at
            atom, at = tokens_of(text, at, wanted if isinstance(wanted, dict) else None)
            atom = text[start:at] if wanted == "" else atom
            end_found = _end(text, at)
            if end_found is None:
                raise BadJson("not JSON")
            end, at = end_found[1], end_found.end()
        elif wanted:
            atom = f'"{MASKS[wanted](json.loads(atom))}"'
        if wanted is not None:
            out.append(key + atom)
        if end != ",":
            return ("{" + ",".join(out) + "}") if is_object else ("[" + ",".join(out) + "]"), at


# --- stdlib ---------------------------------------------------------------------------------------------------------
def lexeme(number: str) -> Any:
    return msgspec.Raw(number)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadJson("twice")
    return members


_loads = json.JSONDecoder(object_pairs_hook=unique, parse_int=lexeme, parse_float=lexeme).decode


def stdlib(body: bytes, tree: Tree) -> bytes:
    return msgspec.json.encode(filtered(_loads(body.decode()), tree))


def filtered(value: Any, tree: Tree) -> Any:
    if isinstance(value, list):
        return [filtered(element, tree) for element in value]
    out: dict[str, Any] = {}
    for name, member in value.items():
        wanted = tree.get(name)
        if isinstance(wanted, dict):
            out[name] = filtered(member, wanted)
        elif wanted is not None:
            out[name] = MASKS[wanted](member) if wanted else member
    return out


# --- documents ------------------------------------------------------------------------------------------------------
PERSON = {
    "name": "张三丰测试",
    "id_card": "990101199003070218",
    "household_addr": "云江市某区某路1号青石小区3栋2单元501室",
    "relation": "户主之子女及其配偶",
    "hukou_type": "家庭户口（本市）",
    "register_date": "2010-05-06",
    "checked_at": "2026-09-01 08:30:00",
    "share": 0.25,
}
RECORD = {"id": 1, "name": "张三丰测试", "addr": "云江市某区某路1号", "ok": True, "status": "正常", "at": "2026-09-01"}
PERSON_MASKS = {"name": "name_first", "id_card": "id_last4", "household_addr": "addr_district"}


def flat() -> tuple[dict[str, Any], list[str], dict[str, str]]:
    body = {f"{name}_{i}": value for i in range(4) for name, value in PERSON.items()}
    body = dict(list(body.items())[:25])
    fields = [name for name in body if not name.startswith(("relation", "hukou"))]
    return body, fields, {f"{name}_{i}": mask for i in range(4) for name, mask in PERSON_MASKS.items()}


def nested() -> tuple[dict[str, Any], list[str], dict[str, str]]:
    body = {"code": 0, "data": {"head": PERSON, "members": [PERSON, PERSON]}, "trace": {"node": "yj-01", "ms": 12}}
    wanted = ("name", "id_card", "household_addr", "register_date", "share")
    fields = ["code", *(f"data.{box}.{name}" for box in ("head", "members") for name in wanted)]
    return body, fields, {f"data.{b}.{n}": mask for b in ("head", "members") for n, mask in PERSON_MASKS.items()}


def many(count: int) -> tuple[dict[str, Any], list[str], dict[str, str]]:
    body = {"total": count, "items": [{**RECORD, "id": i} for i in range(count)]}
    return body, ["total", "items.id", "items.name", "items.ok", "items.at"], {"items.name": "name_first"}


DOCUMENTS = {
    "1 KB flat": flat(),
    "1 KB nested": nested(),
    "10 KB": many(100),
    "100 KB": many(1000),
    "1 MB": many(9500),
}


def schema_of(value: Any) -> dict[str, Any]:
    """A schema as strict as a registered one: types, lengths, required members."""
    if isinstance(value, dict):
        parts = {name: schema_of(member) for name, member in value.items()}
        return {"type": "object", "properties": parts, "required": list(parts)}
    if isinstance(value, list):
        return {"type": "array", "items": schema_of(value[0])}
    if isinstance(value, str):
        return {"type": "string", "maxLength": 200}
    return {"type": "boolean"} if isinstance(value, bool) else {"type": "number"}


# --- measuring ------------------------------------------------------------------------------------------------------
def seconds_of(run: Callable[[], object]) -> float:
    """Time of one run, from about 50 ms of runs."""
    begin = time.perf_counter()
    run()
    runs = max(1, int(ROUND_S / max(time.perf_counter() - begin, 1e-7)))
    begin = time.perf_counter()
    for _ in range(runs):
        run()
    return (time.perf_counter() - begin) / runs


def candidates(body: bytes, fields: list[str], masks: dict[str, str]) -> dict[str, Callable[[], object]]:
    contract = Contract(
        Interface(
            id="bench", version="v1", provider="gaj", name="bench", base_url="http://127.0.0.1", networks=[],
            operations=[], fields=[Field(name=name, mask=mask) for name, mask in masks.items()],
        )
    )  # fmt: skip
    projection = Projection(contract, Obligations(fields))
    tree = grant_tree(fields, masks)
    text = read(body)
    validator = jsonschema_rs.validator_for(schema_of(text.tree))
    assert validator.is_valid(text.tree)
    expected = project(body, projection).body
    assert spans(body, tree) == tokens(body, tree) == project_plainly(body, fields, masks)[0] == expected
    assert json.loads(stdlib(body, tree)) == json.loads(expected)
    return {
        "read": lambda: read(body),
        "schema": lambda: validator.is_valid(text.tree),
        "typed, read before": lambda: project(text, projection),
        "typed": lambda: project(body, projection),
        "spans": lambda: spans(body, tree),
        "tokens": lambda: tokens(body, tree),
        "stdlib": lambda: stdlib(body, tree),
        "plain": lambda: project_plainly(body, fields, masks),
    }


def main() -> None:
    print(f"{'':12}{'':20}{'µs':>12}{'µs/KB':>9}")
    for title, (document, fields, masks) in DOCUMENTS.items():
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        runs = candidates(body, fields, masks)
        times: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(ROUNDS):
            for name, run in runs.items():
                times[name].append(seconds_of(run))
        for name, measured in times.items():
            micros = statistics.median(measured) * 1e6
            print(f"{title:12}{name:20}{micros:12.1f}{micros / (len(body) / 1024):9.2f}")
        print(f"{title:12}{len(body)} bytes\n")


if __name__ == "__main__":
    main()
