"""Evidence packages: a good one, one damage at a time, and zip files that were made to harm."""

import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.packages import BAD_NAMES, DAMAGES, FIRST, FORKS, HARMFUL, good_files, manifest_of, package_of, zipped
from harness.receipts import (
    AT_S,
    CALL,
    ORIGIN,
    OTHER_CALL,
    WITNESS,
    SmallLog,
    cosignature_line,
    file_of,
    key,
    signature_line,
    vkey,
    witness_vkey,
)
from tlog import package
from tlog.history import Fork, Trees
from tlog.package import Package, Trust, unpack, verify, verify_receipt
from tlog.proofs import ProofError

FILES = good_files()
GOOD = package_of(FILES)


def judged(data: bytes, *vkeys: str, trust: Trust | None = None) -> Package:
    return verify(data, trust or Trust(vkeys or [vkey()]), Trees(), "a.zip")


@pytest.mark.requirement("TLG-05")
@pytest.mark.parametrize("suite", ["SHA-256", "SM3"])
@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_good_package_says_what_it_proves(suite: str, compression: int) -> None:
    found = judged(package_of(good_files(SmallLog(suite=suite)), compression))
    assert sorted(found.receipts) == sorted([CALL, OTHER_CALL])
    assert [leaf["phase"] for leaf in found.receipts[CALL].leaves] == ["intent", "outcome"]
    assert found.unproven == ["README.txt", "application.json"]


@pytest.mark.requirement("TLG-05")
@pytest.mark.parametrize("name", DAMAGES)
def test_one_damage_is_enough_even_with_a_manifest_that_fits(name: str) -> None:
    files = dict(FILES)
    DAMAGES[name](files)
    with pytest.raises(Fork if name in FORKS else ProofError):
        judged(package_of(files))


@pytest.mark.requirement("TLG-05")
@pytest.mark.parametrize("name", sorted(FILES))
def test_the_files_are_those_of_the_manifest(name: str) -> None:
    other = {**FILES, name: FILES[name] + b" "}
    without = {path: data for path, data in FILES.items() if path != name}
    for listed, packed in ((FILES, other), (other, FILES), (FILES, without), (without, FILES)):
        with pytest.raises(ProofError, match="those of the manifest"):
            judged(zipped({"manifest.json": manifest_of(listed), **packed}))


@pytest.mark.requirement("TLG-05")
@pytest.mark.parametrize(
    "manifest",
    [b"", b"[]", b"{}", b'{"files": []}', b'{"files": null}', b"\xff", manifest_of(FILES)[:-1],
     manifest_of(FILES).upper(), manifest_of({**FILES, "manifest.json": b""}),
     manifest_of(FILES).replace(b'{"files":', b'{"files": {}, "files":'),
     manifest_of(FILES).replace(b'"README.txt":', b'"README.txt": "", "README.txt":')],
)  # fmt: skip
def test_a_manifest_that_does_not_fit_is_refused(manifest: bytes) -> None:
    with pytest.raises(ProofError):
        judged(zipped({"manifest.json": manifest, **FILES}))
    with pytest.raises(ProofError):
        judged(zipped(FILES))


@pytest.mark.requirement("TLG-05")
def test_other_members_of_a_manifest_prove_nothing_and_do_no_harm() -> None:
    manifest = manifest_of(FILES).replace(b'{"files":', b'{"made_at": "2026-01-01T00:00:00Z", "files":')
    assert judged(zipped({"manifest.json": manifest, **FILES})).receipts


@pytest.mark.requirement("TLG-05")
@pytest.mark.parametrize("name", BAD_NAMES)
def test_no_name_leads_astray(name: str) -> None:
    with pytest.raises(ProofError):
        judged(package_of({**FILES, name: b"x"}))


@pytest.mark.requirement("TLG-05")
def test_a_name_that_ends_early_for_some_is_refused() -> None:
    packed = package_of({**FILES, "apart/xZy.txt": b"x"}).replace(b"apart/xZy.txt", b"apart/x\0y.txt")
    with pytest.raises(ProofError):
        judged(packed)


@pytest.mark.requirement("TLG-05")
@pytest.mark.parametrize("name", HARMFUL)
def test_no_zip_file_does_harm(name: str) -> None:
    with pytest.raises(ProofError):
        judged(HARMFUL[name]())


@pytest.mark.requirement("TLG-05")
def test_too_many_files_are_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "MAX_FILES", len(FILES))
    with pytest.raises(ProofError, match="too large"):
        judged(GOOD)
    monkeypatch.setattr(package, "MAX_FILES", len(FILES) + 1)
    assert judged(GOOD).receipts
    monkeypatch.setattr(package, "MAX_BYTES", sum(map(len, FILES.values())))
    with pytest.raises(ProofError, match="too large"):
        judged(GOOD)


@pytest.mark.requirement("TLG-05")
@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(GOOD) - 1), mask=st.integers(1, 255))
def test_any_changed_byte_is_refused_or_changes_nothing(at: int, mask: int) -> None:
    changed = GOOD[:at] + bytes([GOOD[at] ^ mask]) + GOOD[at + 1 :]
    try:
        files = unpack(changed)
    except ProofError:
        return
    assert files == FILES  # bytes of the zip that say when and by what it was packed


@pytest.mark.requirement("LOG-06")
@settings(deadline=None)
@given(st.binary().map(lambda data: b"PK" + data))
def test_any_file_is_judged_without_another_failure(data: bytes) -> None:
    with pytest.raises(ProofError):
        judged(data)


@pytest.mark.requirement("TLG-05")
def test_a_package_rests_on_the_key_of_the_reader() -> None:
    with pytest.raises(ProofError, match=r"no signature by the key of the vkey \(in checkpoints/1.txt\)"):
        judged(GOOD, vkey(ORIGIN, key(2)))
    assert judged(GOOD, vkey(ORIGIN, key(2)), vkey()).receipts


@pytest.mark.requirement("TLG-05")
def test_a_package_needs_every_receipt_witnessed() -> None:
    log = SmallLog()
    cosigned = log.note(signature_line(log.text()), cosignature_line(log.text()))
    trust = Trust([vkey()], [witness_vkey()])
    with pytest.raises(ProofError, match="of 1 witnesses needed 0 signed"):
        judged(GOOD, trust=trust)
    one = {**FILES, FIRST: file_of({**log.receipt(), "checkpoint": cosigned})}
    with pytest.raises(ProofError, match="of 1 witnesses needed 0 signed"):
        judged(package_of(one), trust=trust)
    other = {**log.receipt(0, 6, call=OTHER_CALL), "checkpoint": cosigned}
    both = {**one, f"receipts/{OTHER_CALL}.json": file_of(other)}
    found = judged(package_of(both), trust=trust)
    assert [proven.witnessed for proven in found.receipts.values()] == [{WITNESS: AT_S}] * 2
    assert judged(GOOD, trust=Trust([vkey()], [witness_vkey()], 0)).receipts


@pytest.mark.requirement("TLG-04")
def test_a_fork_between_two_files_is_found() -> None:
    trees, trust = Trees(), Trust([vkey()])
    verify(GOOD, trust, trees, "a.zip")
    verify_receipt(file_of(SmallLog(14).receipt()), trust, trees, "b.json")
    forged = SmallLog(replaced={3: b"{}"})
    with pytest.raises(Fork, match=r"^a.zip/checkpoints/1.txt and c.json: two trees of size 13"):
        verify_receipt(file_of(forged.receipt()), trust, trees, "c.json")
