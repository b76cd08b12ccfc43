"""Hypothesis strategies: JSON texts as providers write them, grants and masks that fit them or do not."""

import json

from hypothesis import strategies as st

from exchange_service.contract import masks

NAMES = ("a", "b", "c", "名称", "A", "é", "e\u0301", "a.b", 'q"\\', "__proto__", "")
GRANTABLE = ("a", "b", "c", "名称", "A", "é", 'q"\\', "__proto__")
space = st.sampled_from(["", "", "", " ", "\n", "\t", " \r\n "])


def written(text: str) -> st.SearchStrategy[str]:
    """One of the ways to write a string: plain, all escaped, or a mixture with upper case."""
    units = text.encode("utf-16-be")
    escaped = "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
    slashed = json.dumps(text).replace("/", "\\/")
    return st.sampled_from([json.dumps(text, ensure_ascii=False), slashed, f'"{escaped}"'])


keys = st.sampled_from(NAMES).flatmap(written)
strings = st.text(st.characters(codec="utf-8"), max_size=8).flatmap(written)
odd_strings = st.sampled_from(['":"', '"a\\":"', '"{[,"', '"\\\\"', '"\\u003a:"', '"12:30:00"', '"\u2028"'])
numbers = st.sampled_from(
    ["0", "-0", "1.0", "1.000000000000000005", "18446744073709551616", "-1e5", "1E+2", "1e-400", "9" * 400, "0.10"]
)
atoms = st.one_of(strings, odd_strings, numbers, st.sampled_from(["true", "false", "null"]))


def boxes(children: st.SearchStrategy[str], unique: bool) -> st.SearchStrategy[str]:
    members = st.lists(
        st.tuples(space, keys, space, space, children, space),
        max_size=5,
        unique_by=(lambda member: json.loads(member[1])) if unique else None,
    )
    elements = st.lists(st.tuples(space, children, space), max_size=4)
    return st.one_of(
        members.map(lambda given: "{" + ",".join(f"{a}{k}{b}:{c}{v}{d}" for a, k, b, c, v, d in given) + "}"),
        elements.map(lambda given: "[" + ",".join(map("".join, given)) + "]"),
    )


def texts(unique: bool = True) -> st.SearchStrategy[bytes]:
    """JSON texts, mostly objects and arrays; without `unique` some name a member twice."""
    values = st.recursive(atoms, lambda children: boxes(children, unique), max_leaves=12)
    return st.tuples(space, st.one_of(boxes(values, unique), values), space).map(lambda parts: "".join(parts).encode())


names = st.lists(st.sampled_from(GRANTABLE), min_size=1, max_size=3).map(".".join)
grants = st.one_of(st.just(["*"]), st.lists(names, max_size=5))
masked = st.dictionaries(names, st.sampled_from([*sorted(masks.NAMES - {masks.PLAIN}), "x-own"]), max_size=4)
