"""Words of catalog entries and of questions about them. Pure.

A text is a row of units: Chinese characters and words of other scripts. It is found by its units, by two and by three
that stand side by side. No dictionary decides where a Chinese word ends, so none has to be kept up to date. Sounds are
pinyin: syllables ("she'", "she'bao'") and runs of initials (".sb"); their marks keep them apart from units.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TypeVar

from catalog_service.directory.pinyin import syllables_of

EDITION = 1
"""Raise it when entries would get other words than before: those of older editions are then indexed anew."""
LONGEST_WORD = 64
LONGEST_INITIALS = 4
LONGEST_PINYIN = 48
MOST_READINGS = 8
"""Ways to read one row of letters as pinyin that are tried: xian is xian or xi'an."""

T = TypeVar("T")
Term = tuple[tuple[str, ...], ...]
"""One thing that an entry has to have: all words of one of these ways to say it."""
NOTHING: Term = (("",),)
"""What no entry has."""

_HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_IS_HAN = re.compile(f"[{_HAN}]")
_UNIT = re.compile(rf"[{_HAN}]|[^\W_{_HAN}]+")
_BREAK = re.compile(r"[^\w\s./-]+")
"""What stands between two units that are no neighbours: 姓名、住址 does not contain 名住."""
_BRACKETS = re.compile(r"\([^)]*\)")
_QUOTES = str.maketrans("“”„「」『』", '"' * 7)
_CHUNK = re.compile(r'"(?P<phrase>[^"]*)"?|[^\s"]+')
_LETTERS = re.compile(r"[a-z]{2,}")
_INITIAL = "(?:[zcs]h|[bpmfdtnlgkhjqxrzcsyw])"
_FINAL = "(?:iang|iong|uang|[aeiu]ng|ong|iao|ian|ua[in]?|[aeiu]n|[ae]i|ao|ou|i[aeu]|u[eio]|v[en]|[aeiouv])"
_SYLLABLE = re.compile(f"{_INITIAL}{_FINAL}|a(?:i|o|ng?)?|ou?|e(?:i|r|ng?)?")
_LONGEST_SYLLABLE = 6


def normal(text: str) -> str:
    """Text as it is compared: one width, one case, single spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def label_key(label: str) -> str:
    """By what two labels of information items are held to be the same: 门槛金额（元） is 门槛金额."""
    bare = "".join(_units(_BRACKETS.sub("", normal(label))))
    return bare or "".join(_units(normal(label)))


def words(*texts: str) -> set[str]:
    """Everything by which these texts are found, sounds apart."""
    rows = [row for text in texts for row in _rows(text)]
    return {word for row in rows for size in (1, 2, 3) for word in _side_by_side(row, size)}


def sounds(*texts: str) -> set[str]:
    """How the Chinese in these texts is typed by those who type pinyin: 社保 is she', bao', she'bao' and .sb."""
    runs = [run for text in texts for row in _rows(text) for is_han, run in _runs(row) if is_han]
    found: set[str] = set()
    for syllables in (syllables_of("".join(run)) for run in runs):
        found.update(_syllables(syllables, 1), _syllables(syllables, 2))
        letters = "".join(syllable[0] for syllable in syllables)
        found.update(word for size in range(2, LONGEST_INITIALS + 1) for word in _initials(letters, size))
    return found


def _rows(text: str) -> Iterator[list[str]]:
    """Units that are neighbours, row by row."""
    return (_units(piece) for piece in _BREAK.split(normal(text)))


def _units(text: str) -> list[str]:
    return [unit[:LONGEST_WORD] for unit in _UNIT.findall(text)]


def _runs(units: list[str]) -> Iterator[tuple[bool, list[str]]]:
    """Stretches of Chinese and of words, told apart."""
    return ((is_han, list(run)) for is_han, run in groupby(units, lambda unit: _IS_HAN.match(unit) is not None))


def _side_by_side(units: list[str], size: int) -> Iterator[str]:
    return (" ".join(neighbours) for neighbours in _neighbours(units, size))


def _syllables(syllables: list[str], size: int) -> Iterator[str]:
    return ("'".join([*neighbours, ""]) for neighbours in _neighbours(syllables, size))


def _initials(letters: str, size: int) -> Iterator[str]:
    return (f".{neighbours}" for neighbours in _neighbours(letters, size))


def _neighbours(row: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (row[n : n + size] for n in range(len(row) - size + 1))


# --- questions ------------------------------------------------------------------------------------------------------
def terms_of(question: str) -> list[Term]:
    """What is asked for: every term has to be there. "…" keeps a phrase together; letters may be pinyin."""
    terms: list[Term] = []
    for chunk in _CHUNK.finditer(normal(question.translate(_QUOTES))):
        if (phrase := chunk["phrase"]) is not None:
            terms += [_phrase(row) for row in _rows(phrase) if row]
        else:
            terms += [_term(is_han, run) for row in _rows(chunk[0]) for is_han, run in _runs(row)]
    return list(dict.fromkeys(terms))


def _phrase(units: list[str]) -> Term:
    """Three neighbours at a time, overlapping: hardly anything but the phrase itself has them all."""
    return (tuple(_side_by_side(units, min(len(units), 3))),)


def _term(is_han: bool, run: list[str]) -> Term:
    plain = tuple(_side_by_side(run, min(len(run), 2)))
    return (plain,) if is_han or len(run) > 1 else (plain, *_readings(run[0].replace("ü", "v")))


def _readings(letters: str) -> list[tuple[str, ...]]:
    """Letters as pinyin: as syllables where they can be cut into such, as initials otherwise."""
    if not _LETTERS.fullmatch(letters) or len(letters) > LONGEST_PINYIN:
        return []
    if readings := _cut(letters):
        return [tuple(_syllables(syllables, min(len(syllables), 2))) for syllables in readings]
    return [tuple(_initials(letters, min(len(letters), LONGEST_INITIALS)))]


def _cut(letters: str) -> list[list[str]]:
    """The first `MOST_READINGS` ways to cut letters into syllables, longer syllables first."""
    ways: list[list[list[str]]] = [[] for _ in letters] + [[[]]]
    for start in reversed(range(len(letters))):
        for end in range(min(len(letters), start + _LONGEST_SYLLABLE), start, -1):
            if ways[end] and _SYLLABLE.fullmatch(letters, start, end):
                ways[start] += [[letters[start:end], *rest] for rest in ways[end]]
        del ways[start][MOST_READINGS:]
    return ways[0]
