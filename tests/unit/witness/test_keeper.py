"""What a witness keeps, and when: faults in every file operation, a clock that is wrong, requests that overlap."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from harness.receipts import ORIGIN, key, signature_line, vkey
from harness.witnessed import WITNESS, Tree, body
from tlog import cosignature
from tlog.checkpoint import parse, split_note
from witness import keeper
from witness.cosigner import Answer, Cosigner, Key, key_from_file
from witness.keeper import CannotKeep, Keeper

TREE = Tree()
NOON = datetime(2026, 10, 12, 4, 0, 0, tzinfo=UTC)
OWN = Key(WITNESS, key(7))


class SetClock:
    """Says what it is told to say."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at


class OneWitness:
    """A witness on a folder. It can be asked, and end without a word."""

    def __init__(self, folder: Path, clock: SetClock | None = None) -> None:
        self.keeper = Keeper(folder)
        self.cosigner = Cosigner({ORIGIN: [vkey()]}, [OWN], self.keeper, clock or SetClock())

    def ask(self, old: int, size: int) -> Answer:
        return self.cosigner.add(TREE.body(old, size))

    @property
    def size(self) -> int:
        record = self.keeper.get(ORIGIN)
        return parse(split_note(record.note).text).size if record else 0


@contextmanager
def witness(folder: Path, clock: SetClock | None = None) -> Iterator[OneWitness]:
    made = OneWitness(folder, clock)
    try:
        yield made
    finally:
        made.keeper.close()


def time_of(answer: Answer, size: int) -> int:
    return cosignature.verify(TREE.note(size) + answer.body.decode(), OWN.vkey)


# --- the disk -------------------------------------------------------------------------------------------------------
class Killed(BaseException):
    """What SIGKILL does: nothing behind it runs."""


class FaultyDisk:
    """`os` for the keeper: counts what touches the disk, and goes wrong at one of these calls, before or after it."""

    WATCHED = ("open", "write", "fsync", "replace", "close")

    def __init__(self, at: int, *, after: bool, fault: type[BaseException]) -> None:
        self.calls: list[str] = []
        self._at, self._after, self._fault = at, after, fault

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return real if name not in self.WATCHED else lambda *given: self._call(name, real, given)

    def _call(self, name: str, real: Any, given: tuple[Any, ...]) -> Any:
        self.calls.append(name)
        strikes = len(self.calls) == self._at + 1
        if strikes and not self._after and name != "close":  # a descriptor is closed all the same
            raise self._fault("struck")
        done = real(*given)
        if strikes:
            raise self._fault("struck")
        return done


STEPS = ["open", "write", "fsync", "close", "replace", "open", "fsync", "close"]


@pytest.mark.requirement("WIT-02")
def test_a_record_is_on_the_disk_name_and_content_before_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with witness(tmp_path) as there:
        disk = FaultyDisk(-1, after=False, fault=OSError)
        monkeypatch.setattr(keeper, "os", disk)
        assert there.ask(0, 5).status == 200
        assert disk.calls == STEPS
        monkeypatch.undo()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["identity", "lock", keeper.file_name(ORIGIN)])


@pytest.mark.requirement("WIT-02")
@pytest.mark.parametrize("fault", [OSError, Killed])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(len(STEPS)))
def test_a_fault_at_any_file_operation_takes_nothing_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, after: bool, fault: type[BaseException]
) -> None:
    with witness(tmp_path) as there:
        assert there.ask(0, 5).status == 200
        monkeypatch.setattr(keeper, "os", FaultyDisk(at, after=after, fault=fault))
        with pytest.raises(fault, match="struck"):
            there.ask(5, 9)
        monkeypatch.undo()
        if fault is OSError:  # it lives on, and knows what it answered, not what may have been written
            assert (there.size, there.ask(0, 300).body) == (5, b"5\n")
            assert there.ask(5, 12).status == 200
    answered = 12 if fault is OSError else 5
    with witness(tmp_path) as again:
        assert again.size in (answered, 9 if fault is Killed else answered)
        assert again.ask(again.size, 20).status == 200


@pytest.mark.requirement("WIT-02")
@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "of another log"])
def test_a_damaged_record_stops_the_witness_instead_of_being_forgotten(tmp_path: Path, damage: str) -> None:
    with witness(tmp_path) as there:
        there.ask(0, 5)
    path = tmp_path / keeper.file_name(ORIGIN)
    whole = path.read_bytes()
    if damage == "of another log":
        path.rename(tmp_path / keeper.file_name("another.example"))
    else:
        path.write_bytes({"cut": whole[:-9], "flipped": whole.replace(b"\\n5\\n", b"\\n4\\n"), "empty": b""}[damage])
    with pytest.raises(CannotKeep, match="damaged"):
        Keeper(tmp_path)
    if damage != "of another log":
        path.write_bytes(whole)
        with witness(tmp_path) as again:
            assert again.size == 5


@pytest.mark.requirement("WIT-04")
def test_what_is_kept_and_shown_carries_no_line_that_nobody_checked(tmp_path: Path) -> None:
    text = TREE.text(5)
    stranger = signature_line(text, "another.example", key(9))
    with witness(tmp_path) as there:
        answer = there.cosigner.add(body(0, [], TREE.note(5) + stranger))
        record = there.keeper.get(ORIGIN)
    assert record is not None
    assert record.note == TREE.note(5) + answer.body.decode()
    assert answer.body.decode() == cosignature.sign(text, WITNESS, key(7), int(NOON.timestamp()))


@pytest.mark.requirement("WIT-01")
def test_what_contradicts_is_told_with_the_log_own_signature_and_nobody_else_words(tmp_path: Path) -> None:
    fork, stranger = Tree(forked=3), signature_line("x\n", "another.example", key(9))
    with witness(tmp_path) as there, capture_logs() as said:
        there.ask(0, 5)
        there.cosigner.add(body(5, [], fork.note(5) + signature_line(fork.text(5)) + stranger))
        there.cosigner.add(body(5, [], Tree().note(5, key(2))))
        assert there.cosigner.add(fork.body(0, 5)).status == 409
        assert there.cosigner.add(fork.body(5, 7)).status == 422
        assert there.cosigner.add(TREE.body(0, 5)).status == 409
    told = [line for line in said if line["event"] == "checkpoint.contradicts"]
    assert [line["note"] for line in told] == [fork.note(5), fork.note(5), fork.note(7)]
    assert [line["alarm"] for line in told] == [True, True, False], "a proof may be wrong, two trees of a size are two"
    assert {line["held"] for line in told} == {5}


# --- the folder that goes with a key ---------------------------------------------------------------------------------
def start(folder: Path, key_file: Path) -> str:
    """As the process does; the key."""
    kept = Keeper(folder)
    try:
        kept.claim(key_file)
        return key_from_file(WITNESS, key_file).vkey
    finally:
        kept.close()


@pytest.mark.requirement("WIT-02")
def test_a_key_that_signed_does_not_start_with_another_folder(tmp_path: Path) -> None:
    key_file, folder = tmp_path / "keys" / "witness.pem", tmp_path / "cosigned"
    first = start(folder, key_file)
    assert start(folder, key_file) == first
    for other in ("not mounted", "of another witness"):
        if other == "of another witness":
            start(tmp_path / other, tmp_path / "other.pem")
        for _ in range(2):
            with pytest.raises(CannotKeep, match="is its volume mounted"):
                start(tmp_path / other, key_file)
    assert start(folder, key_file) == first
    key_file.unlink()
    assert start(tmp_path / "anew", key_file) != first


@pytest.mark.requirement("WIT-02")
def test_a_key_from_elsewhere_is_taken_even_where_nothing_can_be_written(tmp_path: Path) -> None:
    key_file = tmp_path / "keys" / "witness.pem"
    first = key_from_file(WITNESS, key_file).vkey
    (key_file.parent / "witness.pem.folder").mkdir()  # even root cannot write a file there
    with capture_logs() as said:
        assert start(tmp_path / "cosigned", key_file) == first
    assert [line["event"] for line in said] == ["witness.key_remembers_no_folder"]


# --- overlapping requests -------------------------------------------------------------------------------------------
@pytest.mark.requirement("WIT-03")
def test_requests_that_overlap_never_go_back(tmp_path: Path) -> None:
    with witness(tmp_path) as there, ThreadPoolExecutor(8) as threads:
        for held in range(0, 60, 4):
            start = threading.Barrier(8)

            def ask(size: int, held: int = held, start: threading.Barrier = start) -> tuple[int, int]:
                start.wait()
                return size, there.ask(held, size).status

            answers = list(threads.map(ask, [held + 1 + i % 4 for i in range(8)]))
            cosigned = {size for size, status in answers if status == 200}
            assert {status for _, status in answers} <= {200, 409}
            assert cosigned == {there.size}, "from one size there is one step, though it may be asked for twice"
            if there.size < held + 4:
                assert there.ask(there.size, held + 4).status == 200


@pytest.mark.requirement("WIT-03")
def test_two_witnesses_never_share_a_folder(tmp_path: Path) -> None:
    with witness(tmp_path), pytest.raises(CannotKeep, match="in use"):
        Keeper(tmp_path)
    with witness(tmp_path):
        pass


# --- time and keys --------------------------------------------------------------------------------------------------
@pytest.mark.requirement("WIT-06")
def test_time_never_goes_back_not_even_over_a_restart(tmp_path: Path) -> None:
    clock, noon = SetClock(), int(NOON.timestamp())
    with witness(tmp_path, clock) as there:
        assert time_of(there.ask(0, 5), 5) == noon
        clock.at = NOON - timedelta(hours=1)
        assert time_of(there.ask(5, 6), 6) == noon
        clock.at = NOON + timedelta(seconds=1, milliseconds=999)
        assert time_of(there.ask(6, 6), 6) == noon + 1
    clock.at = datetime(1969, 1, 1, tzinfo=UTC)
    with witness(tmp_path, clock) as there:
        assert time_of(there.ask(6, 7), 7) == noon + 1


@pytest.mark.requirement("WIT-06")
def test_a_clock_before_1970_gives_a_time_that_is_not_none(tmp_path: Path) -> None:
    clock = SetClock()
    clock.at = datetime(1969, 1, 1, tzinfo=UTC)
    with witness(tmp_path, clock) as there:
        assert time_of(there.ask(0, 5), 5) == 1


def test_a_repetition_within_a_second_costs_no_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with witness(tmp_path) as there:
        first = there.ask(0, 5)
        monkeypatch.setattr(keeper, "keep", None)
        assert there.ask(5, 5) == first


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "witness.pem"
    first = key_from_file(WITNESS, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert key_from_file(WITNESS, path).vkey == first.vkey
    assert [other.name for other in path.parent.iterdir()] == [path.name]


def test_each_key_of_the_witness_gives_a_line(tmp_path: Path) -> None:
    two = [OWN, Key(WITNESS, key(8))]
    kept = Keeper(tmp_path)
    answer = Cosigner({ORIGIN: [vkey()]}, two, kept, SetClock()).add(TREE.body(0, 5))
    kept.close()
    assert len(answer.body.splitlines()) == 2
    for own in two:
        assert cosignature.verify(TREE.note(5) + answer.body.decode(), own.vkey) == int(NOON.timestamp())
