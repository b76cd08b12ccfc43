"""Evidence packages in tests: an office that makes them over a log, and a reader that opens and checks them."""

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from httpx2 import MockTransport

from audit_service.api import evidence
from audit_service.evidence.dossiers import Dossiers
from audit_service.evidence.packages import Evidence, Parts
from audit_service.records import Records, Witnessed, nobody
from audit_service.search.finder import Finder
from harness.audit_archive import Archiving
from harness.audit_doors import Doors, opened
from harness.audit_log import ids
from harness.standalone import SCRIPT
from runtime.http import AsyncClient, Request, Response
from runtime.service_auth import ServiceKey
from wire import scopes
from wire.audit import Event

SECRET = b"a secret that is shared by all services"
Answer = Callable[[Request], Response]


def dossier(grant: str, *, consumer: str = "民政局", provider: str = "公安局", case: str = "") -> dict[str, Any]:
    """What a catalog tells of a grant."""
    cases = [{"id": case, "kind": "application", "decision": {"result": "agree"}}] if case else []
    told_interface = {"id": "gaj-identity-verify", "version": "v1", "provider": provider}
    return {"grant": {"id": grant, "department": consumer}, "interface": told_interface, "cases": cases}


def catalog_of(*dossiers: dict[str, Any]) -> AsyncClient:
    """A catalog that knows these grants; it takes only what a service signed."""
    known = {f"/dossiers/{one['grant']['id']}": one for one in dossiers}

    def answer(request: Request) -> Response:
        ServiceKey(SECRET, "catalog").check(
            request.headers["tongdao-service"].encode(), b"GET", request.url.raw_path, request.content
        )
        told = known.get(request.url.path)
        return Response(404) if told is None else Response(200, json=told)

    return catalog_that(answer)


def catalog_that(answer: Answer) -> AsyncClient:
    """A catalog that answers so."""
    return AsyncClient(transport=MockTransport(answer), base_url="http://catalog.test")


class Office:
    """Where packages are asked for."""

    def __init__(self, kept: Archiving, doors: Doors) -> None:
        self.kept = kept
        self._doors = doors

    async def ask(self, query: str, department: str = "审计局", *allowed: str) -> Response:
        """By default an auditor asks."""
        if department == "审计局":
            allowed = (scopes.AUDIT_READ,)
        return await self._doors.ask("GET", f"/evidence?{query}", department, *allowed)

    async def package(self, query: str, department: str = "审计局") -> "Opened":
        answer = await self.ask(query, department)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip"), answer.text
        return Opened(answer.content)

    async def tell(self, *events: tuple[str, Mapping[str, str]]) -> list[str]:
        """Events of the catalog, as the log has them; their ids."""
        made = [Event(id=one, at=1, event=event, actor="a", department="数据局", facts=dict(facts))
                for one, (event, facts) in zip(ids(len(events)), events, strict=True)]  # fmt: skip
        await self.kept.writer.write(made)
        await self.kept.settle()
        return [one.id for one in made]

    async def events(self, prefix: str = "evidence.") -> list[tuple[str, str, dict[str, str]]]:
        """(event, department, facts) of what the log says of packages."""
        await self.kept.settle()
        leaves = [msgspec.json.decode(leaf) for leaf in await self.kept.log.leaves()]
        return [(one["event"], one["department"], one["facts"]) for one in leaves
                if one["kind"] == "event" and one["event"].startswith(prefix)]  # fmt: skip


@asynccontextmanager
async def office(kept: Archiving, catalog: AsyncClient, witnessed: Witnessed = nobody) -> AsyncIterator[Office]:
    """The route over one log, its archive and a catalog."""
    database, cold = kept.log.database, kept.cold
    records = Records(database, kept.writer, cold=cold, witnessed=witnessed, clock=kept.clock)
    dossiers = Dossiers(catalog, ServiceKey(SECRET, "audit"))
    parts = Parts(database, records, Finder(database, cold), cold, dossiers, kept.writer, witnessed)
    async with opened(lambda door: evidence.router(Evidence(parts, kept.clock), door)) as doors:
        yield Office(kept, doors)
    await catalog.aclose()


class Opened:
    """A package, read by somebody who has the file alone."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            self.files = {name: package.read(name) for name in package.namelist()}
        self.manifest = json.loads(self.files["manifest.json"])

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.files["records.jsonl"].splitlines()]

    @property
    def receipts(self) -> set[str]:
        """Calls and events that have one."""
        return {Path(name).stem for name in self.files if name.startswith("receipts/")}

    @property
    def readme(self) -> str:
        return self.files["README.txt"].decode()

    def verified(self, folder: Path, *vkeys: str) -> tuple[int, str]:
        """Exit code and words of the verifier, run as a program of its own on the file."""
        return verified(self.content, folder, *vkeys)


def verified(content: bytes, folder: Path, *vkeys: str, script: Path = SCRIPT) -> tuple[int, str]:
    """What the stand-alone verifier says of a file."""
    file = folder / "package.zip"
    file.write_bytes(content)
    keys = [part for vkey in vkeys for part in ("--vkey", vkey)]
    done = subprocess.run([sys.executable, str(script), *keys, str(file)], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def repacked(files: Mapping[str, bytes], *, mend: bool) -> bytes:
    """The same package with other files; `mend` writes the manifest anew, as a forger would."""
    files = dict(files)
    if mend:
        manifest = json.loads(files["manifest.json"])
        manifest["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()
                             if name != "manifest.json"}  # fmt: skip
        files["manifest.json"] = json.dumps(manifest).encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in files.items():
            package.writestr(name, content)
    return target.getvalue()
