"""Known answers of RFC 6962 hashing, and of SM3."""

import pytest

from harness.merkle import DIGESTS
from tlog.hashes import EMPTY_ROOT, SHA256, SM3, SUITES, Suite, leaf_hash, node_hash


@pytest.mark.requirement("LOG-01")
def test_hashes_are_those_of_rfc_6962() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert node_hash(b"N123", b"N456").hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"


@pytest.mark.requirement("TLG-01")
def test_sm3_gives_the_answers_of_the_standard() -> None:
    """GB/T 32905-2016, appendix A."""
    assert SM3.digest(b"abc").hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert SM3.digest(b"abcd" * 16).hex() == "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"


@pytest.mark.requirement("TLG-01")
@pytest.mark.parametrize("suite", SUITES.values(), ids=list(SUITES))
def test_every_suite_hashes_as_the_definition(suite: Suite) -> None:
    digest = DIGESTS[suite.name]
    left, right = suite.leaf(b"left"), suite.leaf(b"right")
    assert left == digest(b"\x00left")
    assert suite.node(left, right) == digest(b"\x01" + left + right)
    assert suite.empty == digest(b"")
    assert SUITES == {"SHA-256": SHA256, "SM3": SM3}


@pytest.mark.requirement("LOG-01")
@pytest.mark.parametrize("suite", SUITES.values(), ids=list(SUITES))
def test_a_leaf_is_never_a_node_and_order_counts(suite: Suite) -> None:
    left, right = suite.leaf(b"left"), suite.leaf(b"right")
    assert suite.leaf(left + right) != suite.node(left, right)
    assert suite.node(left, right) != suite.node(right, left)
