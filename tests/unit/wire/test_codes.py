"""Codes by themselves: what they name as their ground can be looked up by whoever is refused."""

import re

from wire.codes import REGISTRY


def test_a_ground_is_a_public_text() -> None:
    for code in REGISTRY.values():
        assert not re.search(r"\bdesign\b|\bsecurity\b|^[A-Z]\.\d", code.source), code.name
