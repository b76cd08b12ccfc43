"""How Chinese is read aloud: pypinyin, with half of the memory that it takes by itself.

Its dictionary has 47,000 phrases with 144,000 readings, of which 1,200 are different; here each of them is kept once.
"""

import os
from collections.abc import Callable
from functools import cache
from importlib.resources import files

import msgspec

_SWITCHES = {"PYPINYIN_NO_PHRASES": "1", "PYPINYIN_NO_DICT_COPY": "1"}


def syllables_of(text: str) -> list[str]:
    """The syllables without their tones, one for each character; what is no Chinese is left out."""
    return _reader()(text, errors="ignore")


@cache
def _reader() -> Callable[..., list[str]]:
    os.environ |= _SWITCHES  # read once, while it is imported
    import pypinyin  # a third of a second and 27 MB, and only who writes entries needs it

    for switch in _SWITCHES:  # nothing that we start is meant
        del os.environ[switch]
    pypinyin.load_phrases_dict(_phrases())
    return pypinyin.lazy_pinyin


def _phrases() -> dict[str, list[list[str]]]:
    """Phrase -> for each character what it may be read as. Equal readings are one list, which pypinyin never changes;
    decoded phrase by phrase, as memory that was once taken for all of them would not be given back."""
    content = files("pypinyin").joinpath("phrases_dict.json").read_bytes()
    readings = msgspec.json.Decoder(list[list[str]])
    known: dict[tuple[str, ...], list[str]] = {}
    phrases = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    return {
        phrase: [known.setdefault(tuple(one), one) for one in readings.decode(raw)] for phrase, raw in phrases.items()
    }
