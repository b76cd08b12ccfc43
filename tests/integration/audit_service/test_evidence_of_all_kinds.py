"""Evidence packages of calls unlike others: in two shards, on several lines, witnessed; and from a real catalog."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from audit_service.checkpoint import Signer
from audit_service.entry import batch_of
from audit_service.sequencer import Sequencer
from harness.applications import agreed, handed_in, in_use
from harness.audit_archive import Archiving, days_ago, folder_store
from harness.audit_log import Log, ids, record
from harness.cases import GIVING, Cases
from harness.catalog import SECRET
from harness.catalog_in_process import running_catalog
from harness.evidence import catalog_of, dossier, office, verified
from harness.postgres import Cluster, Database
from harness.receipts import key
from runtime.ids import uuid7
from tlog import cosignature
from tlog.checkpoint import split_note
from wire.audit import Event

pytestmark = pytest.mark.anyio
GRANT = str(uuid7())
WITNESS = "rsj.example/witness"


@pytest.fixture
async def kept(log: Log, tmp_path: Path) -> Archiving:
    return Archiving(log, days_ago(40), folder_store(tmp_path))


@pytest.mark.requirement("EVI-01")
async def test_a_call_in_two_shards_has_a_receipt_in_each(kept: Archiving, tmp_path: Path) -> None:
    log = kept.log
    [call] = ids(1)
    await log.write((call, "intent"), grant=GRANT)
    await log.sequence()
    await log.resign()
    old, log.signer = log.signer, Signer("yunjiang.example/log2", key())
    log.sequencer = Sequencer(log.database, log.signer, log.published, clock=kept.clock)
    await log.write((call, "outcome"), grant=GRANT)
    await kept.settle()
    async with office(kept, catalog_of(dossier(GRANT))) as desk:
        package = await desk.package(f"call={call}")
    assert package.receipts == {call}
    assert package.verified(tmp_path, old.vkey)[0] == 1
    assert package.verified(tmp_path, log.signer.vkey, old.vkey)[0] == 0
    assert [one["phase"] for one in package.records] == ["outcome"]
    [apart] = [content for name, content in package.files.items() if name.startswith("apart/")]
    status, words = verified(apart, tmp_path, old.vkey)
    assert (status, words.startswith(f"verified: call {call}, 1 records")) == (0, True)
    assert "yunjiang.example/log1" in package.readme
    assert "1 receipts that are checked one by one" in package.readme


@pytest.mark.requirement("EVI-01")
async def test_a_leaf_on_several_lines_lies_apart(kept: Archiving, tmp_path: Path) -> None:
    """No writer of ours makes one; the log takes any JSON."""
    log = kept.log
    plain, odd = ids(2)
    records = [record(call, "gateway-1", log.epoch, n, "denied", grant=GRANT) for n, call in enumerate((plain, odd))]
    records[1] = (records[1][0].replace(b'{"', b'{\n"', 1), b"")
    await log.ingest.take(batch_of("gateway-1", log.epoch, 0, records))
    await kept.settle()
    async with office(kept, catalog_of(dossier(GRANT))) as desk:
        package = await desk.package("case=办件-1")
    assert (package.receipts, len(package.records)) == ({plain}, 1)
    assert package.verified(tmp_path, log.signer.vkey)[0] == 0
    [apart] = [content for name, content in package.files.items() if name.startswith("apart/")]
    assert verified(apart, tmp_path, log.signer.vkey)[0] == 0


@pytest.mark.requirement("EVI-01")
async def test_a_package_brings_the_witnesses_signatures(kept: Archiving, tmp_path: Path) -> None:
    [call] = await kept.calls(1, "personal", grant=GRANT)
    await kept.settle()
    private = key(7)

    async def witnessed(connection: Any, shard: int) -> tuple[int, str] | None:
        size, note = await connection.fetchrow(
            "SELECT size, note FROM audit.checkpoint WHERE shard = $1 AND size = 2", shard
        )
        return size, note + cosignature.sign(split_note(note).text, WITNESS, private, 1_763_769_600)

    await kept.calls(3, "general", grant="")
    await kept.settle()
    async with office(kept, catalog_of(dossier(GRANT)), witnessed) as desk:
        package = await desk.package(f"call={call}")
    assert {name for name in package.files if name.startswith("checkpoints/")} == {
        "checkpoints/1-2.txt", "checkpoints/1-8.txt"
    }  # fmt: skip
    status, words = package.verified(tmp_path, kept.log.signer.vkey)
    assert (status, "witnessed" in words) == (0, False)
    assert b"witness" in package.files["checkpoints/1-2.txt"]
    assert cosignature.verify(
        package.files["checkpoints/1-2.txt"].decode(), cosignature.format_vkey(WITNESS, private.public_key())
    ) == 1_763_769_600  # fmt: skip


# --- from an application to the file on the auditor's desk ----------------------------------------------------------
@pytest.fixture
def catalog_database(cluster: Cluster) -> Iterator[Database]:
    with cluster.lent(("catalog_service", "catalog")) as lent:
        yield lent


@pytest.fixture
async def cases(catalog_database: Database, tmp_path: Path) -> AsyncIterator[Cases]:
    folder = tmp_path / "catalog"
    folder.mkdir()
    async with running_catalog(catalog_database, folder) as catalog:
        await catalog.furnish()
        yield Cases(catalog)


@pytest.mark.requirement("EVI-01")
@pytest.mark.requirement("EVI-03")
async def test_from_the_application_to_the_package(
    cases: Cases, kept: Archiving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.evidence.SECRET", SECRET)
    await cases.enforce("national")
    case = await handed_in(cases)
    await cases.stepped(case, "accept", GIVING, "provider_review")
    await agreed(cases, case, conditions="限公租房")
    grant = await in_use(cases, case)
    [call] = await kept.calls(1, "personal", grant=grant.id, case="YJ-9", department="zjj", provider="rsj")
    told = [
        Event(id=one.call, at=one.at, event=one.event, actor=one.actor, department=one.department, facts=one.facts)
        for one in cases.catalog.log.events
    ]
    await kept.writer.write(told)
    await kept.settle()
    async with office(kept, cases.catalog.client) as desk:
        package = await desk.package("case=YJ-9", "rsj")
    status, words = package.verified(tmp_path, kept.log.signer.vkey)
    assert (status, "not proven: README.txt application.json verify_receipt.py" in words) == (0, True)
    [dossier] = msgspec.json.decode(package.files["application.json"])["dossiers"]
    [application] = dossier["cases"]
    assert (application["number"], application["decision"]["reply"]["conditions"]) == (case["number"], "限公租房")
    proven = {one["event"]: one for one in package.records if one["kind"] == "event"}
    assert {"grant.given", "case.application.apply", "case.application.agree", "case.application.confirm"} <= set(
        proven
    )
    assert proven["case.application.confirm"]["facts"]["article"]
    steps = {one["event"]: one["digest"] for one in application["history"]}
    for step in ("apply", "agree", "confirm"):  # what the catalog tells is what the log was told then
        assert proven[f"case.application.{step}"]["facts"]["evidence"] == steps[step]
    assert package.receipts == {call, *(one["call"] for one in proven.values())}
    assert b"rsj.example" not in b"".join(package.files.values())
