"""Tile arithmetic and the spelling of tile paths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlog.proofs import ProofError
from tlog.tiles import Tile, edge_tiles, format_path, parse_path, parse_tile, tile_width

SPELLINGS = [
    (0, 256, "000"),
    (67, 256, "067"),
    (999, 1, "999.p/1"),
    (1000, 256, "x001/000"),
    (1234067, 256, "x001/x234/067"),
    (1234067, 255, "x001/x234/067.p/255"),
]


@pytest.mark.requirement("LOG-03")
def test_70_000_leaves_make_the_tiles_the_specification_counts() -> None:
    widths = {(level, n): tile_width(level, n, 70_000) for level in range(4) for n in range(300)}
    held = {tile: width for tile, width in widths.items() if width}
    assert [sum(1 for (level, _), width in held.items() if level == at and width == 256) for at in range(3)] == [
        273,
        1,
        0,
    ]
    assert {tile: width for tile, width in held.items() if width < 256} == {(0, 273): 112, (1, 1): 17, (2, 0): 1}
    assert edge_tiles(70_000) == [(0, 273), (1, 1), (2, 0)]


@pytest.mark.requirement("LOG-03")
def test_256_leaves_fill_one_tile_and_open_the_next_level() -> None:
    assert [tile_width(0, 0, 256), tile_width(0, 1, 256), tile_width(1, 0, 256)] == [256, 0, 1]
    assert edge_tiles(256) == [(1, 0)]
    assert edge_tiles(0) == []
    assert edge_tiles(2**64) == [(8, 0)]


@pytest.mark.requirement("LOG-03")
@pytest.mark.parametrize(("n", "width", "path"), SPELLINGS)
def test_a_tile_has_one_spelling(n: int, width: int, path: str) -> None:
    assert format_path(n, width) == path
    assert parse_path(path) == (n, width)
    assert parse_tile(f"2/{path}") == Tile(2, n, width)


@pytest.mark.requirement("LOG-03")
@given(n=st.integers(0, 2**56), width=st.integers(1, 256))
def test_every_tile_of_a_64_bit_log_can_be_named(n: int, width: int) -> None:
    assert parse_path(format_path(n, width)) == (n, width)


@pytest.mark.requirement("LOG-03")
@pytest.mark.parametrize(
    "path",
    [
        "", "0", "00", "0000", "x000", "x000/067", "001/067", "x001/x234", "x001/67", "x01/067", "X001/067", "/067",
        "067/", "067.p", "067.p/", "067.p/0", "067.p/01", "067.p/256", "067.p/300", "067.p/1000", "067.p/1/", "-01",
        "+67", " 067", "067\n", "٠٦٧", "0_7", "../067", "x001//067", "x001/" * 9 + "067", "x001/x234/067.p/12.p/3",
    ],
)  # fmt: skip
def test_other_spellings_are_refused(path: str) -> None:
    with pytest.raises(ProofError):
        parse_path(path)


@pytest.mark.requirement("LOG-03")
@pytest.mark.parametrize("level", ["", "00", "01", "64", "-1", "entries", "1 ", "²", "100"])
def test_levels_run_from_0_to_63(level: str) -> None:
    with pytest.raises(ProofError):
        parse_tile(f"{level}/000")


@given(st.text())
@pytest.mark.requirement("LOG-06")
def test_any_text_is_a_tile_or_a_proof_error(text: str) -> None:
    try:
        parse_tile(text)
    except ProofError:
        return
    assert text.isascii()
