"""A register: entries with a key and facts, and the three ways in which departments answer from it.

one      the entry with that key, or NoRecord
listed   every entry that fits what was asked, or NoRecord; nothing asked means all
verdict  whether the register says the same as the caller: 一致, 不一致, 无记录
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sample_providers.catalogue import Row
from sample_providers.refusals import NoRecord

Answer = Callable[[Row], Any]
"""From a checked question to the JSON that is sent; raises Refused."""
Offers = dict[str, Answer]
"""What some department offers: interface id to answer."""
PAGE = 20
SAME, OTHER, NONE = ("1", "一致"), ("2", "不一致"), ("3", "无记录")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `key` are values that a caller knows, `facts` what the register answers."""

    key: Row
    facts: Row


def one(entries: Sequence[Entry]) -> Answer:
    """Answers the facts of the entry with the key that was asked for."""
    names = tuple(entries[0].key)
    index = {_values(entry.key, names): entry.facts for entry in entries}

    def answer(asked: Row) -> Row:
        found = index.get(_values(asked, names))
        if found is None:
            raise NoRecord
        return found

    return answer


def listed(entries: Sequence[Entry], within: Mapping[str, str] | None = None) -> Answer:
    """Answers a list of facts, PAGE at a time.

    within  parameter -> fact that has to contain it as a part; all other parameters have to equal the key
    """

    def answer(asked: Row) -> list[Row]:
        found = [entry.facts for entry in entries if _fits(entry, asked, within or {})]
        start = (asked.get("page", 1) - 1) * PAGE
        page = found[start : start + PAGE] if start >= 0 else []
        if not page:
            raise NoRecord
        return page

    return answer


def verdict(entries: Iterable[Entry], extra: Row) -> Answer:
    """Answers only whether the entry's facts are what the caller says; `extra` is what the system adds."""
    kept = list(entries)
    names = tuple(kept[0].key)
    index = {_values(entry.key, names): entry.facts for entry in kept}

    def answer(asked: Row) -> Row:
        found = index.get(_values(asked, names))
        code, text = NONE if found is None else SAME if _same(found, asked) else OTHER
        return {"result": code, "result_text": text, **extra}

    return answer


def _values(row: Row, names: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def _same(facts: Row, asked: Row) -> bool:
    return all(asked[name] == value for name, value in facts.items())


def _fits(entry: Entry, asked: Row, within: Mapping[str, str]) -> bool:
    exact = all(asked[name] == value for name, value in entry.key.items() if name in asked and name not in within)
    return exact and all(asked[name] in entry.facts[fact] for name, fact in within.items() if name in asked)
