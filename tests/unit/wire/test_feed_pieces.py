"""A snapshot that comes in pieces: put together as it was, and nothing of it counts before all of it is there."""

from collections.abc import AsyncIterator, Sequence

import httpx2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.snapshot import Catalog
from harness.gate import PEOPLE_GRANT, SERVICES
from wire.catalog import Department, Entry, Grant, Snapshot
from wire.feed import FeedReader, Lines, Whole

DEPARTMENTS = [Department(id=name, name=name) for name in "abc"]
GRANTS = [msgspec.structs.replace(PEOPLE_GRANT, id=str(n), interface=f"i/v{n % 2}") for n in range(6)]
PIECES = [
    Snapshot(revision=7),
    *(Snapshot(revision=7, departments=[department]) for department in DEPARTMENTS),
    Snapshot(revision=7, grants=GRANTS[:4]),
    Snapshot(revision=7, grants=GRANTS[4:]),
]


class Kept:
    """A follower that keeps what it is handed."""

    def __init__(self) -> None:
        self.snapshots: list[Snapshot] = []

    def replace(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot)

    def apply(self, entries: Sequence[Entry]) -> None:
        raise AssertionError(entries)


@given(st.lists(st.binary(max_size=9).map(lambda line: line.replace(b"\n", b"-")), max_size=9), st.data())
def test_lines_are_the_same_however_they_are_cut(lines: list[bytes], data: st.DataObject) -> None:
    text = b"\n".join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=9)))
    reader, found = Lines(), []
    for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        found += reader.add(text[begin:end])
    assert [*found, reader.rest()] == (lines or [b""])
    assert reader.rest() == b""


def put_together(pieces: Sequence[Snapshot], *, every_grant: bool = True) -> Snapshot:
    kept = Kept()
    whole = Whole(kept, every_grant=every_grant)
    for piece in pieces:
        whole.add(piece)
    assert kept.snapshots == []
    whole.done()
    return kept.snapshots[0]


@given(st.permutations(PIECES))
def test_pieces_are_everything_in_whatever_order(pieces: list[Snapshot]) -> None:
    whole = put_together(pieces)
    assert sorted(whole.departments, key=lambda one: one.id) == DEPARTMENTS
    assert sorted(whole.grants, key=lambda one: one.id) == GRANTS


def test_who_asks_only_what_is_granted_keeps_one_grant_of_each_interface() -> None:
    found = [grant.interface for grant in put_together(PIECES, every_grant=False).grants]
    assert sorted(found) == ["i/v0", "i/v1"]


def ids(catalog: Catalog) -> list[str]:
    found: list[Grant] = catalog.grants(system=PEOPLE_GRANT.system)
    return sorted(grant.id for grant in found)


def test_a_snapshot_that_breaks_off_changes_nothing() -> None:
    catalog = Catalog()
    catalog.replace(Snapshot(revision=1, grants=GRANTS[:1]))
    gathering = catalog.gathering()
    for piece in PIECES:
        gathering.add(piece)
        assert ids(catalog) == ["0"]
    catalog.gathering().add(PIECES[-1])
    gathering.done()
    assert ids(catalog) == [grant.id for grant in GRANTS]


class Served(httpx2.AsyncByteStream):
    """An answer that comes in these chunks, or breaks off."""

    def __init__(self, chunks: Sequence[bytes | Exception]) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk


async def follow(catalog: Catalog, *chunks: bytes | Exception) -> FeedReader:
    """One attempt at a catalog that sends these."""
    transport = httpx2.MockTransport(lambda _request: httpx2.Response(200, stream=Served(chunks)))
    async with httpx2.AsyncClient(transport=transport, base_url="http://catalog") as client:
        reader = FeedReader(client, SERVICES, catalog, gathering=catalog.gathering)
        await reader.follow()
        return reader


@pytest.mark.anyio
async def test_the_reader_takes_pieces_a_whole_and_no_half() -> None:
    pieces = [msgspec.structs.replace(piece, more=piece is not PIECES[-1]) for piece in PIECES]
    lines = [msgspec.json.encode(piece) + b"\n" for piece in pieces]
    other = msgspec.json.encode(msgspec.structs.replace(PIECES[-1], revision=99))
    catalog = Catalog()
    for broken in (
        [*lines[:5], httpx2.ReadError("gone")], [*lines[:5], lines[5][:-9]], lines[:5], lines[:1], [],
        [*lines[:5], other], [*lines, other],
    ):  # fmt: skip
        reader = await follow(catalog, *broken)
        assert ids(catalog) == []
        assert reader.age_s() == float("inf")
    for good in (lines, [b"".join(lines)], [msgspec.json.encode(put_together(PIECES))]):
        catalog = Catalog()
        reader = await follow(catalog, *good)
        assert ids(catalog) == [grant.id for grant in GRANTS]
        assert reader.age_s() < 60
