"""The single-file verifier, run as an auditor runs it, against the library's judgement."""

import ast
import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import standalone
from harness.receipts import CALL, ORIGIN, TAMPERINGS, SmallLog, base64_of, file_of, key, leaf_of, signature_line, vkey
from harness.standalone import SCRIPT, run
from tlog.checkpoint import make
from tlog.hashes import leaf_hash, node_hash
from tlog.package import Trust
from tlog.tree import append, inclusion_proof, overlay, root

GOOD: dict[str, Any] = SmallLog().receipt()


def same_judgement(folder: Path, files: list[bytes], public: str = vkey()) -> list[bool]:  # a constant
    """What both say of each file."""
    return [word == "verified" for word in standalone.same_judgement(folder, files, Trust([public]))]


@pytest.mark.requirement("LOG-07")
def test_it_imports_nothing_of_ours_and_can_be_read_in_one_sitting() -> None:
    source = SCRIPT.read_text("utf-8")
    tree = ast.walk(ast.parse(source))
    names = {
        name.split(".")[0]
        for node in tree
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or "."])
    }
    assert names - set(sys.stdlib_module_names) == {"cryptography"}
    assert "__import__" not in source
    assert "importlib" not in source
    assert len(source.splitlines()) <= 350


@pytest.mark.requirement("LOG-07")
def test_its_words_about_good_and_bad_receipts(tmp_path: Path) -> None:
    bad = {**GOOD, "v": 2}
    status, lines = run(tmp_path, [file_of(GOOD), file_of(bad), file_of(SmallLog(10).receipt(9))], "--vkey", vkey())
    assert status == 1
    assert lines == [
        f"verified: call {CALL}, 2 records, log {ORIGIN} size 13",
        "NOT verified: the receipt's version is not 1",
        f"verified: call {CALL}, 1 records, log {ORIGIN} size 10",
    ]
    assert run(tmp_path, [file_of(GOOD)], "--vkey", vkey())[0] == 0


@pytest.mark.requirement("LOG-07", "YN-29-3")
def test_it_tells_how_a_call_was_asked_where_that_is_not_the_usual_way(tmp_path: Path) -> None:
    usual = {"call": CALL, "mode": "query", "verdict": "", "consent": ""}
    for n, (leaf, told) in enumerate((
        (usual, ""),
        ({**usual, "mode": "verify", "verdict": "no_record", "consent": CALL},
         f", mode verify, verdict no_record, consent {CALL}"),
        ({**usual, "mode": "sandbox", "verdict": "no\nverified: call", "consent": ["x"]}, ", mode sandbox"),
    )):  # fmt: skip
        folder = tmp_path / str(n)
        folder.mkdir()
        receipt = SmallLog(replaced={9: json.dumps(leaf).encode()}).receipt()
        status, lines = run(folder, [file_of(receipt)], "--vkey", vkey())
        assert (status, lines) == (0, [f"verified: call {CALL}, 2 records, log {ORIGIN} size 13{told}"])


@pytest.mark.requirement("LOG-07")
def test_a_file_that_cannot_be_read_fails(tmp_path: Path) -> None:
    command: list[str | Path] = [sys.executable, "-I", SCRIPT, "--vkey", vkey(), tmp_path / "absent.json", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["NOT verified", "NOT verified"]


@pytest.mark.requirement("LOG-07")
def test_trees_of_many_shapes_made_by_the_library(tmp_path: Path) -> None:
    files = []
    for size in [1, 2, 3, 7, 8, 9, 255, 256, 257, 1_000, 66_000]:
        index = size * 2 // 3
        leaf = leaf_of(CALL, "outcome", index)
        hashes = [leaf_hash(b"%d" % n) for n in range(size)]
        hashes[index] = leaf_hash(leaf)
        read = overlay(append(0, hashes, lambda level, n: b""), lambda level, n: b"")
        proof = [base64_of(step) for step in inclusion_proof(index, size, read)]
        record = {"index": index, "leaf": base64_of(leaf), "salt": "", "proof": proof}
        note = make(ORIGIN, size, root(size, read), key())
        files.append(file_of({"v": 1, "call": CALL, "log": ORIGIN, "checkpoint": note, "records": [record]}))
    assert all(same_judgement(tmp_path, files))


@pytest.mark.requirement("LOG-07")
def test_both_judge_every_changed_byte_alike(tmp_path: Path) -> None:
    file = file_of(GOOD)
    masks = [0x01, 0x02, 0x08, 0x20, 0x40, 0x80]
    changed = [file[:at] + bytes([file[at] ^ masks[at % len(masks)]]) + file[at + 1 :] for at in range(len(file))]
    cut = [file[:at] for at in range(0, len(file), 97)]
    doubled = [file[:at] + file[at - 1 :] for at in range(1, len(file), 41)]
    verdicts = same_judgement(tmp_path, [file, *changed, *cut, *doubled])
    assert verdicts[0]
    assert verdicts.count(True) < 1 + 70  # only changes to the two salts of 32 digits are no changes


@pytest.mark.requirement("LOG-07")
def test_both_refuse_every_tampering(tmp_path: Path) -> None:
    files = [file_of(GOOD)]
    for change in TAMPERINGS.values():
        receipt = copy.deepcopy(GOOD)
        change(receipt)
        files.append(file_of(receipt))
    last = SmallLog(10).receipt(9)
    last["records"][0]["index"] = 10
    files.append(file_of(last))
    assert same_judgement(tmp_path, files) == [True] + [False] * (len(files) - 1)


@pytest.mark.requirement("LOG-07")
def test_both_stop_at_2_to_the_64_leaves(tmp_path: Path) -> None:
    files = []
    for size, height in [(2**64, 64), (2**64 + 1, 65), (10**20 - 1, 67)]:
        leaf = leaf_of(CALL, "intent", 0)
        path = [leaf_hash(b"%d" % n) for n in range(height)]
        top = leaf_hash(leaf)
        for step in path:
            top = node_hash(top, step)
        record = {"index": 0, "leaf": base64_of(leaf), "salt": "", "proof": [base64_of(step) for step in path]}
        text = f"{ORIGIN}\n{size}\n{base64_of(top)}\n"
        note = f"{text}\n{signature_line(text)}"
        files.append(file_of({"v": 1, "call": CALL, "log": ORIGIN, "checkpoint": note, "records": [record]}))
    assert same_judgement(tmp_path, files) == [True, False, False]


@pytest.mark.requirement("LOG-07")
def test_both_refuse_a_vkey_whose_id_was_made_up(tmp_path: Path) -> None:
    text = SmallLog().text()
    note = f"{text}\n— {ORIGIN} {base64_of(bytes(4) + key().sign(text.encode()))}\n"
    public = "+".join([ORIGIN, "00000000", vkey().split("+", 2)[2]])
    assert same_judgement(tmp_path, [file_of({**GOOD, "checkpoint": note})], public) == [False]


HOSTILE: list[Any] = [
    None, True, False, 0, 1, -1, 2, 13, 2**64, 2**80, 5.0, "", "1", [], {}, [[]], "é", "\u2028", "AA==", "AB==", "A",
    CALL, ORIGIN, ORIGIN + "\n", CALL.upper(), "00", "0g", "AAAA\n", ["AAAA"], [None], "٣", json.loads('"\\ud800"'),
]  # fmt: skip
PLACES: list[tuple[str | int, ...]] = [
    ("v",), ("call",), ("log",), ("checkpoint",), ("records",), ("extra",), ("records", 0), ("records", 0, "index"),
    ("records", 0, "leaf"), ("records", 0, "salt"), ("records", 0, "proof"), ("records", 0, "proof", 0),
    ("records", 0, "extra"),
]  # fmt: skip


@pytest.mark.requirement("LOG-07")
def test_both_judge_every_hostile_value_alike(tmp_path: Path) -> None:
    files = []
    for place in PLACES:
        for value in HOSTILE:
            target = receipt = copy.deepcopy(GOOD)
            for step in place[:-1]:
                target = target[step]  # type: ignore[index]  # a path into JSON
            target[place[-1]] = value  # type: ignore[index]  # a path into JSON
            files.append(json.dumps(receipt).encode())
    files += [
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"v":' + b"9" * 5_000 + b"}",
        b"\xff",
        b"\xef\xbb\xbf" + file_of(GOOD),
    ]
    files += [file_of(GOOD).replace(b'{"v":1', b'{"v":1,"v":1'), b" " + file_of(GOOD), b'{"v":NaN}']
    files += [b'{"x":' * 500 + b"1" + b"}" * 500]
    verdicts = same_judgement(tmp_path, files)
    assert verdicts.count(True) == 6  # version, call and log as they were, salts "" and "00", a space in front


@pytest.mark.requirement("LOG-07")
def test_both_judge_every_odd_note_alike(tmp_path: Path) -> None:
    text = SmallLog().text()
    ours, witness = signature_line(text), signature_line(text, "witness.example", key(5))
    origin, size, root_line = text.splitlines()
    texts = [
        f"{text}extension\n", f"{text}a\tb\n", f"{text}延伸\u2028x\n", f"{text}\n", f"{text}a\n\nb\n",
        f"{origin}\n0{size}\n{root_line}\n",
        f"{origin}\n{2**64 + 1}\n{root_line}\n", f"{origin}\n{size}\n{root_line[:-1]}\n", f"{origin}\n{size}\n",
        f"{origin}\n{size}\n{root_line[:-2]}F=\n", f"other\n{size}\n{root_line}\n", f"\n{text}",
        f"{origin}\t\n{size}\n{root_line}\n",
    ]  # fmt: skip
    notes = [f"{body}\n{signature_line(body)}" for body in texts]
    notes += [f"{text}\n{lines}" for lines in (
        ours + ours, ours + witness, witness + ours, witness, "", "\n", ours[:-1], ours + "\n", ours + "x\n",
        ours + "— a AAAA\n", ours + "— a AAAAAA==\n", ours + "— a AAAAAAA=\n", ours + "— a+b AAAAAAA=\n",
        ours + "— a AAAAAAB=\n", ours + "—  a AAAAAAA=\n", ours + "— a AAAAAAA= \n", ours + "— a\u3000b AAAAAAA=\n",
        ours + signature_line(text, ORIGIN, key(8)), ours + signature_line(text + "x\n"),
        ours + f"— a {base64_of(bytes(2**20))}\n",
        ours + f"— a {base64_of(bytes(500_000))}\n", ours.replace("—", "-"), ours.replace("\n", "\r\n"),
        ours + "— \x7f AAAAAAA=\n",
    )]  # fmt: skip
    verdicts = same_judgement(tmp_path, [file_of({**GOOD, "checkpoint": note}) for note in notes])
    assert verdicts.count(True) == 9


@pytest.mark.requirement("LOG-07")
@pytest.mark.parametrize(
    "public",
    ["", "x", vkey("other.example"), vkey(ORIGIN, key(2)), vkey() + " ", vkey() + "\n", vkey().replace("+", " ", 1),
     vkey().upper(), vkey()[:-1], "a b" + vkey().removeprefix(ORIGIN), "".join(vkey().rpartition("+")[:2])],
)  # fmt: skip
def test_both_refuse_any_other_vkey(tmp_path: Path, public: str) -> None:
    assert same_judgement(tmp_path, [file_of(GOOD)], public) == [False]


@pytest.mark.requirement("LOG-07")
def test_both_refuse_the_same_logged_leaves(tmp_path: Path) -> None:
    tails = [
        "",
        ',"x":1',
        ',"x":1.0',
        ',"x":NaN',
        ',"x":1e2',
        f',"call":"{CALL}"',
        ',"x":"\\ud800"',
        ',"x":[{"a":1,"a":1}]',
        ",",
    ]
    leaves = [f'{{"call":"{CALL}"{tail}}}'.encode() for tail in tails]
    leaves += [b"[]", b"\xff", b"{}", b'{"call":null}', b'{"call":"%b","x":%b}' % (CALL.encode(), b"[" * 5_000)]
    files = [file_of(SmallLog(13 + n, replaced={9: leaf}).receipt()) for n, leaf in enumerate(leaves)]
    assert same_judgement(tmp_path, files) == [True, True] + [False] * (len(files) - 2)
