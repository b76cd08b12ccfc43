"""Tiles: 256 consecutive hashes of one height, the unit in which a log stores and publishes its tree.

Tile `n` of level `l` holds the hashes of the complete subtrees of 256**l leaves from n*256 on. The last tile of a level
may be partial: it is a prefix of the full tile it will become. Pure arithmetic. Source: C2SP tlog-tiles.
"""

import re
from typing import NamedTuple

from tlog.hashes import HASH_BYTES, SHA256, Suite
from tlog.proofs import ProofError

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
TILE_BYTES = TILE_WIDTH * HASH_BYTES

_PATH = re.compile(r"((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
_LEVEL = re.compile(r"[0-9]|[1-5][0-9]|6[0-3]")


class Tile(NamedTuple):
    """Which tile, and how many of its hashes."""

    level: int
    n: int
    width: int


def tile_width(level: int, n: int, size: int) -> int:
    """Hashes (0 to 256) that tile `n` of `level` holds in a tree with `size` leaves."""
    in_level = size >> (TILE_HEIGHT * level)
    return min(TILE_WIDTH, max(0, in_level - n * TILE_WIDTH))


def edge_tiles(size: int) -> list[tuple[int, int]]:
    """(level, n) of each partial tile of a tree with `size` leaves: all that its root, or an append to it, reads."""
    tiles = []
    for level in range(size.bit_length() // TILE_HEIGHT + 1):
        n, width = divmod(size >> (TILE_HEIGHT * level), TILE_WIDTH)
        if width:
            tiles.append((level, n))
    return tiles


def subtree_root(hashes: bytes, *, suite: Suite = SHA256) -> bytes:
    """Root over concatenated hashes whose number is a power of two; of a whole tile: its hash one level up."""
    row = [hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES)]
    node = suite.node
    while len(row) > 1:
        row = [node(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]


def format_path(n: int, width: int = TILE_WIDTH) -> str:
    """`x001/x234/067` for tile 1234067; with `.p/W` behind if the tile is partial."""
    digits = str(n)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    path = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


def parse_path(path: str) -> tuple[int, int]:
    """Number and width of the tile that `format_path` writes so; every other spelling is a ProofError."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise ProofError("not the path of a tile")
    n = int(match[1].replace("x", "").replace("/", ""))
    width = int(match[2]) if match[2] else TILE_WIDTH
    if format_path(n, width) != path or width > TILE_WIDTH:
        raise ProofError("not the path of a tile")
    return n, width


def parse_tile(path: str) -> Tile:
    """The tile that `<level>/<path>` names (what stands behind `/tile/` in an address); raises ProofError."""
    level, _, rest = path.partition("/")
    if _LEVEL.fullmatch(level) is None:
        raise ProofError("not the level of a tile")
    return Tile(int(level), *parse_path(rest))
