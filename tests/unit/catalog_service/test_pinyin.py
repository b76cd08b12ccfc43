"""Readings of Chinese: ours and those that pypinyin finds with all of its dictionary are the same."""

import json
import subprocess
import sys
from random import Random

import pytest

SAMPLES = 3000
BY_ITSELF = "from pypinyin import lazy_pinyin\ndef read(text): return lazy_pinyin(text, errors='ignore')"
OURS = "from catalog_service.directory.pinyin import syllables_of as read"
ALL = "\nimport json, sys\nprint(json.dumps([read(text) for text in json.load(sys.stdin)]))"


def readings(how: str, texts: list[str]) -> list[list[str]]:
    """In a process of its own: pypinyin is set up once in each."""
    done = subprocess.run(
        [sys.executable, "-c", how + ALL], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    found: list[list[str]] = json.loads(done.stdout)
    return found


@pytest.mark.requirement("SRC-01")
def test_readings_are_those_of_the_whole_dictionary() -> None:
    random = Random(7)
    known = ["银行", "行走", "长城", "长大", "重庆", "重要", "音乐", "快乐", "天天", "好好学习", "会计", "社保", "A1级"]
    rare = ["".join(chr(random.randrange(0x4E00, 0x9FFF)) for _ in range(3)) for _ in range(SAMPLES)]
    mixed = ["".join(random.choices([*known, *rare[:50]], k=4)) for _ in range(SAMPLES)]
    texts = known + rare + mixed
    ours = readings(OURS, texts)
    assert ours == readings(BY_ITSELF, texts)
    assert ours[:2] == [["yin", "hang"], ["xing", "zou"]]
