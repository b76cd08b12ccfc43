"""Evidence packages: what is in them, who gets them, that they are checked offline and that no change passes."""

import hashlib
import io
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from audit_service.evidence import packages
from audit_service.keeping.disposals import Disposals, Wish
from audit_service.keeping.disposing import Disposing
from audit_service.keeping.holds import Holds
from harness.audit_archive import Archiving, days_ago, folder_store
from harness.audit_log import Log
from harness.evidence import Office, Opened, catalog_of, catalog_that, dossier, office, repacked, verified
from harness.receipts import key, vkey
from runtime.errors import Refusal
from runtime.http import Request, Response
from runtime.ids import uuid7
from tlog.history import Trees
from tlog.package import Trust, verify
from tlog.standalone import verify_receipt
from wire import codes, scopes
from wire.audit import Event
from wire.tokens import AccessToken

pytestmark = pytest.mark.anyio
GRANT, OTHER_GRANT, CASE = (f"01931f2e-7c1a-7d4e-9b3a-5f0c2a1b4d{n:02}" for n in (1, 2, 3))
FILES = {"manifest.json", "README.txt", "application.json", "records.jsonl", "verify_receipt.py"}


@pytest.fixture
async def kept(log: Log, tmp_path: Path) -> Archiving:
    return Archiving(log, days_ago(40), folder_store(tmp_path))


@pytest.fixture
async def desk(kept: Archiving) -> AsyncIterator[Office]:
    async with office(kept, catalog_of(dossier(GRANT, case=CASE), dossier(OTHER_GRANT))) as desk:
        yield desk


async def called(kept: Archiving, number: int = 1, **members: Any) -> list[str]:
    calls = await kept.calls(number, "personal", **{"grant": GRANT, "case": "YJ-1", **members})
    await kept.settle()
    return calls


@pytest.mark.requirement("EVI-01")
async def test_a_package_is_checked_offline_by_the_program_that_lies_in_it(desk: Office, tmp_path: Path) -> None:
    [call] = await called(desk.kept)
    told = await desk.tell(
        ("grant.given", {"grant": GRANT, "case": "SQ-1"}), ("case.application.agree", {"case": CASE}),
        ("case.application.agree", {"case": str(uuid7())}), ("record.viewed", {"grant": GRANT}),
    )  # fmt: skip
    package = await desk.package(f"call={call}")
    status, words = package.verified(tmp_path, desk.kept.log.signer.vkey)
    assert (status, words.splitlines()[-1]) == (
        0, "verified: package of 3 receipts, 4 records; not proven: README.txt application.json verify_receipt.py"
    )  # fmt: skip
    trust = Trust([desk.kept.log.signer.vkey])
    assert len(verify(package.content, trust, Trees(), "package.zip").receipts) == 3
    script = tmp_path / "verify.py"
    script.write_bytes(package.files["verify_receipt.py"])
    assert verified(package.content, tmp_path, desk.kept.log.signer.vkey, script=script) == (status, words)
    assert package.receipts == {call, *told[:2]}
    assert [one.get("phase") or one["event"] for one in package.records] == [
        "intent", "outcome", "grant.given", "case.application.agree"
    ]  # fmt: skip
    others = {name for name in package.files if not name.startswith(("receipts/", "checkpoints/"))}
    assert others == FILES
    assert package.manifest["about"] == {"call": call}
    application = json.loads(package.files["application.json"])
    assert application == {"dossiers": [dossier(GRANT, case=CASE)]}


@pytest.mark.requirement("EVI-01")
async def test_a_case_and_a_grant_gather_all_their_calls(desk: Office, tmp_path: Path) -> None:
    first = await called(desk.kept, 2)
    second = await called(desk.kept, 1, case="YJ-2")
    third = await called(desk.kept, 1, grant=OTHER_GRANT)
    for query, calls, grants in (
        ("case=YJ-1", [*first, *third], [GRANT, OTHER_GRANT]), ("case=YJ-2", second, [GRANT]),
        (f"grant={GRANT}", [*first, *second], [GRANT]), (f"grant={OTHER_GRANT}", third, [OTHER_GRANT]),
    ):  # fmt: skip
        package = await desk.package(query)
        assert package.receipts == set(calls), query
        told = json.loads(package.files["application.json"])["dossiers"]
        assert {one["grant"]["id"] for one in told} == set(grants)
        assert package.verified(tmp_path, desk.kept.log.signer.vkey)[0] == 0
        if OTHER_GRANT in grants:
            assert f"授权 {OTHER_GRANT} 系直接设定" in package.readme
    assert package.manifest["complete_to"] == 8


@pytest.mark.requirement("EVI-03", "DQ-14-2-r")
async def test_a_consent_is_in_the_package_of_its_call(desk: Office) -> None:
    subject, consent = "p1:" + "ab" * 16, str(uuid7())
    at = int(desk.kept.clock.at.timestamp() * 1000)
    told = [
        Event(id=str(uuid7()), at=at - ago_ms, event=event, actor="a", department="人社局",
              facts={"consent": of, "subject": subject, "interface": "gaj-identity-verify/v1", "provider": "公安局"})
        for event, of, ago_ms in (("consent.given", consent, 3_600_000), ("consent.used", consent, 0),
                                  ("consent.given", str(uuid7()), 0), ("grant.viewed", consent, 0))
    ]  # fmt: skip
    await desk.kept.writer.write(told)
    asked: dict[str, Any] = {"consent": consent, "subject": subject, "mode": "verify", "verdict": "yes"}
    [call] = await called(desk.kept, **asked)
    [other] = await called(desk.kept)
    given_and_used = {told[0].id, told[1].id}
    assert (await desk.package(f"call={call}", "民政局")).receipts == {call, *given_and_used}
    assert (await desk.package("case=YJ-1")).receipts == {call, other, *given_and_used}
    package = await desk.package("case=YJ-1&mode=query")
    assert (package.receipts, package.manifest["about"]) == ({other}, {"case": "YJ-1", "mode": "query"})


@pytest.mark.requirement("EVI-01")
async def test_the_same_content_is_the_same_bytes_and_nothing_leads_out_of_the_folder(desk: Office) -> None:
    await called(desk.kept, 3)
    first = await desk.ask("case=YJ-1")
    assert (await desk.ask("case=YJ-1")).content == first.content
    told = await desk.events()
    assert [facts["package"] for _, _, facts in told] == [hashlib.sha256(first.content).hexdigest()] * 2
    [record] = [leaf for leaf in await desk.kept.log.leaves() if first.headers["tongdao-record"].encode() in leaf]
    assert b"evidence.made" in record
    assert first.headers["content-disposition"].startswith('attachment; filename="evidence-')
    with zipfile.ZipFile(io.BytesIO(first.content)) as package:
        assert {entry.date_time for entry in package.infolist()} == {desk.kept.clock.at.timetuple()[:6]}
        for name in package.namelist():
            assert not name.startswith("/")
            assert ".." not in name
            assert name.isascii()
            assert "\\" not in name


@pytest.mark.requirement("EVI-02")
@pytest.mark.requirement("JDZ-16-3")
async def test_only_those_who_took_part_and_auditors_get_one_and_all_is_on_record(desk: Office) -> None:
    [mine] = await called(desk.kept)
    [theirs] = await called(desk.kept, provider="教育局", grant=OTHER_GRANT)
    for department in ("民政局", "公安局"):
        assert (await desk.ask(f"call={mine}", department)).status_code == 200
    assert (await desk.package("case=YJ-1", "公安局")).receipts == {mine}
    assert (await desk.package("case=YJ-1", "民政局")).receipts == {mine, theirs}
    assert (await desk.package("case=YJ-1")).receipts == {mine, theirs}
    queries = [f"call={mine}", "case=YJ-1", f"grant={GRANT}", f"grant={uuid7()}", "case=YJ-nobody"]
    for query in queries:
        refused = await desk.ask(query, "卫健委", *(set(scopes.ALL) - {scopes.AUDIT_READ}))
        assert (refused.status_code, refused.json()["code"]) == (403, "request/not-yours"), query
    assert (await desk.ask(f"call={mine}", "")).status_code == 401
    told = await desk.events()
    made, denied = told[:5], told[5:]
    assert [event for event, _, _ in made] == ["evidence.made"] * 5
    assert {(event, department) for event, department, _ in denied} == {("evidence.refused", "卫健委")}
    assert [facts for _, _, facts in denied[:2]] == [{"about": f"call={mine}"}, {"about": "case=YJ-1"}]
    assert made[2][2] == {
        "about": "case=YJ-1&party=公安局", "calls": "1", "records": "2", "package": made[2][2]["package"]
    }  # fmt: skip


@pytest.mark.requirement("EVI-02")
async def test_what_cannot_be_put_on_record_is_not_handed_out(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    [call] = await called(desk.kept)

    async def away(_events: object) -> None:
        raise Refusal(codes.AUDIT_UNAVAILABLE)

    monkeypatch.setattr(desk.kept.writer, "write", away)
    for department in ("审计局", "卫健委"):
        answer = await desk.ask(f"call={call}", department)
        assert (answer.status_code, answer.json()["code"]) == (503, "audit/unavailable")


@pytest.mark.requirement("EVI-02")
async def test_the_parties_of_a_grant_get_its_package_before_its_first_call(desk: Office) -> None:
    [given] = await desk.tell(("grant.given", {"grant": GRANT}))
    for department in ("民政局", "公安局", "审计局"):
        assert (await desk.package(f"grant={GRANT}", department)).receipts == {given}
    assert (await desk.ask(f"grant={GRANT}", "教育局")).status_code == 403
    for query in (f"grant={uuid7()}", "grant=..%2F..%2Fdirectory", "case=YJ-0", f"call={uuid7()}"):
        assert (await desk.ask(query)).status_code == 404, query


@pytest.mark.requirement("EVI-03")
async def test_without_the_decision_there_is_no_package(kept: Archiving) -> None:
    answers = [Response(503), Response(200, content=b"<html>"), Response(200, json=[]), Response(401)]

    def answer(_request: Request) -> Response:
        return answers.pop()

    async with office(kept, catalog_that(answer)) as desk:
        calls = await called(kept)
        while answers:
            refused = await desk.ask(f"call={calls[0]}")
            assert (refused.status_code, refused.json()["code"]) == (503, "evidence/decision-away")
        assert await desk.events() == []
        [denied] = await called(kept, grant="")
        package = await desk.package(f"call={denied}")
    assert "application.json" not in package.files


@pytest.mark.requirement("EVI-03")
async def test_a_grant_that_the_catalog_does_not_know_is_said_to_be_unknown(desk: Office) -> None:
    lost = str(uuid7())
    [call] = await called(desk.kept, grant=lost)
    package = await desk.package(f"call={call}")
    assert json.loads(package.files["application.json"]) == {"dossiers": [{"unknown": lost}]}
    assert f"the catalog knows no grant {lost}" in package.readme


def forged(package: Opened) -> dict[str, dict[str, bytes]]:
    """Every way to change one file, by name."""
    made: dict[str, dict[str, bytes]] = {}
    for name, content in package.files.items():
        left = {other: bytes_ for other, bytes_ in package.files.items() if other != name}
        made[f"without {name}"] = left
        middle = len(content) // 2
        made[f"one byte of {name}"] = {
            **left,
            name: content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        }
        made[f"more in {name}"] = {**left, name: content + b" "}
        made[f"{name} under another name"] = {**left, f"receipts/{uuid7()}.json": content}
    made["a file more"] = {**package.files, "x.txt": b"x"}
    return made


@pytest.mark.requirement("EVI-04")
async def test_every_change_to_a_file_is_found(
    desk: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await called(desk.kept, 2)
    package = await desk.package("case=YJ-1")

    def check(content: bytes) -> int:
        file = tmp_path / "forged.zip"
        file.write_bytes(content)
        monkeypatch.setattr("sys.argv", ["verify", "--vkey", desk.kept.log.signer.vkey, str(file)])
        return verify_receipt.main()

    assert check(repacked(package.files, mend=False)) == 0
    for what, files in forged(package).items():
        if what != "more in manifest.json":  # a space is no change; the log has the digest of the whole file
            assert check(repacked(files, mend=False)) == 1, what
    proven = ("receipts/", "checkpoints/", "records.jsonl")
    for what, files in forged(package).items():  # whoever writes the manifest anew still has no key
        name = next((name for name in package.files if name in what), "")
        if name.startswith(proven) and not what.startswith("without checkpoints") and "more in receipts" not in what:
            assert check(repacked(files, mend=True)) == 1, what
    assert verified(package.content, tmp_path, vkey(private=key(9)))[0] == 1
    capsys.readouterr()


@pytest.mark.requirement("EVI-05")
async def test_what_is_archived_is_in_the_package(desk: Office, tmp_path: Path) -> None:
    old = await called(desk.kept, 2)
    desk.kept.pass_days(35)
    new = await called(desk.kept, 1)
    await desk.kept.tick()
    assert "archived" in (await desk.kept.states()).values()
    assert await desk.kept.log.fetch("SELECT 1 FROM audit.leaf WHERE segment < $1", desk.kept.today) == []
    for query, calls in (("case=YJ-1", [*old, *new]), (f"grant={GRANT}", [*old, *new]), (f"call={old[0]}", old[:1])):
        package = await desk.package(query)
        assert package.receipts == set(calls)
        assert package.verified(tmp_path, desk.kept.log.signer.vkey)[0] == 0


async def disposed_of(kept: Archiving, retention: str) -> str:
    """Everything of a class up to today is lawfully deleted, by two people; id of the event that says so."""
    holds = Holds(kept.log.database, kept.writer, kept.cold, kept.clock)
    disposals = Disposals(kept.log.database, kept.writer, holds, kept.periods, kept.clock)
    disposing = Disposing(kept.log.database, kept.writer, holds, kept.periods, kept.objects, kept.cold, kept.clock)
    first, second = (AccessToken(name, "数据局", frozenset({scopes.AUDIT_KEEP}), 0, "t") for name in ("a", "b"))
    wish = Wish(retention, (kept.clock.at - timedelta(days=195)).date(), "保存期满")
    shown = await disposals.propose(wish, first)
    await disposals.approve(shown.disposal.id, second)
    for _ in range(3):
        await disposing.tick()
        await kept.settle()
    leaves = [msgspec.json.decode(row["body"]) for row in await kept.log.fetch("SELECT body FROM audit.leaf")]
    [told] = [one["call"] for one in leaves if one.get("event") == "disposal.executed"]
    return str(told)


@pytest.mark.requirement("EVI-05")
async def test_what_was_lawfully_deleted_is_named_with_the_record_of_it(log: Log, tmp_path: Path) -> None:
    kept = Archiving(log, days_ago(220), folder_store(tmp_path))
    general = {"grant": GRANT, "case": "YJ-1"}
    [gone] = await kept.calls(1, "general", **general)
    await kept.calls(1, "general", case="YJ-2", grant="")
    await kept.settle()
    segment = f"{kept.today}-general"
    kept.pass_days(215)
    [there] = await kept.calls(1, "general", **general)
    await kept.settle()
    await kept.tick()
    told = await disposed_of(kept, "general")
    assert (await kept.states())[segment] == "disposed"
    async with office(kept, catalog_of(dossier(GRANT))) as desk:
        package = await desk.package(f"grant={GRANT}")
        assert (await desk.ask(f"call={gone}")).status_code == 410
        assert (await desk.package("case=YJ-1", "民政局")).receipts == {there, told}
        later = kept.clock.at.isoformat().replace("+00:00", "Z")
        untouched = await desk.package(f"grant={GRANT}&since={later}")
    assert package.receipts == {there, told}
    assert package.verified(tmp_path, log.signer.vkey)[0] == 0
    assert f"{segment}  日志第" in package.readme
    assert "LAWFULLY DELETED" not in untouched.readme


@pytest.mark.requirement("EVI-05")
async def test_what_is_not_yet_published_is_waited_for(desk: Office) -> None:
    [call] = await desk.kept.calls(1, "personal", grant=GRANT, case="YJ-1")
    answer = await desk.ask(f"call={call}")
    assert (answer.status_code, answer.headers["retry-after"], answer.json()) == (202, "1", {"state": "accepted"})
    assert await desk.events() == []
    assert (await desk.ask(f"call={call}")).status_code == 200


@pytest.mark.requirement("EVI-02")
async def test_a_package_has_a_limit_and_a_time_narrows_it(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MOST_CALLS", 2)
    await called(desk.kept, 2)
    noon = desk.kept.clock.at.isoformat().replace("+00:00", "Z")
    desk.kept.pass_days(1)
    await called(desk.kept, 1)
    refused = await desk.ask("case=YJ-1")
    assert (refused.status_code, refused.json()["code"], refused.json()["limit"]) == (422, "evidence/too-much", 2)
    later = desk.kept.clock.at.isoformat().replace("+00:00", "Z")
    assert len((await desk.package(f"case=YJ-1&since={later}")).receipts) == 1
    narrowed = await desk.package(f"case=YJ-1&before={later}")
    assert (len(narrowed.receipts), narrowed.manifest["about"]) == (2, {"case": "YJ-1", "before": later})
    assert len((await desk.package(f"case=YJ-1&since={noon}&before={later}")).receipts) == 2


@pytest.mark.parametrize(
    "query",
    ["", "call=x", f"call={GRANT}&case=1", "case=", "grant=", "case=a%00b", f"call={GRANT}&since=2026-01-01T00:00:00Z",
     "case=1&since=2026-01-01T00:00:00", "case=1&since=0001-01-01T00:00:00%2B14:00", "case=1&limit=1",
     "case=" + "1" * 300, "case=%ed%a0%80"],
)  # fmt: skip
@pytest.mark.requirement("EVI-02")
async def test_a_question_that_makes_no_sense_is_refused(desk: Office, query: str) -> None:
    answer = await desk.ask(query)
    assert answer.status_code in (404, 422), answer.text
    assert answer.json()["code"] in ("request/invalid", "request/not-found"), answer.text
