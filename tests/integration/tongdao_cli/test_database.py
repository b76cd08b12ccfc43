"""The database of a home: somebody's server is checked first, a private one is looked after."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import runtime.db
from harness.postgres import Cluster
from integration.tongdao_cli.programs import exists
from tongdao_cli import database
from tongdao_cli.home import CannotStart, Home
from tongdao_cli.keys import Secrets
from tongdao_cli.postgres import Postgres, free_port
from tongdao_cli.supervisor import Supervisor


@pytest.mark.requirement("CLI-13")
def test_a_server_that_is_too_old_is_told_in_one_line(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    url = cluster.database().url
    asyncio.run(database.check(url))
    monkeypatch.setattr(runtime.db, "OLDEST_MAJOR", 99)
    with pytest.raises(CannotStart, match=r"^DATABASE_URL: PostgreSQL \d+ is too old; use 99 or newer$"):
        asyncio.run(database.check(url))


@pytest.mark.requirement("CLI-13")
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://nobody@127.0.0.1:1/x", "cannot reach PostgreSQL"),
        ("http://127.0.0.1/x", "cannot reach PostgreSQL"),
        ("postgresql://127.0.0.1:port/x", "cannot reach PostgreSQL"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_in_one_line(tmp_path: Path, url: str, reason: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tongdao_cli.main", "up", "--home", str(tmp_path / "home"), "--port", str(free_port())],
        capture_output=True, text=True, env={**os.environ, "DATABASE_URL": url},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith(f"tongdao: DATABASE_URL: {reason}")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "home" / "postgres").exists()


def test_a_role_that_may_not_make_schemas_is_told(cluster: Cluster, tmp_path: Path) -> None:
    weak = cluster.database(("identity", "identity")).url_of("identity")
    home = Home(tmp_path)
    home.make()
    secrets = Secrets(home)
    secrets.make()
    with pytest.raises(CannotStart, match="check that the role of DATABASE_URL may create schemas and roles"):
        asyncio.run(database.migrate_all(weak, secrets))


@pytest.mark.requirement("CLI-07")
def test_a_killed_server_is_started_again_at_the_same_address(open_path: Path) -> None:
    postgres = Postgres(open_path / "postgres")
    postgres.prepare()
    port = free_port()
    program = database.program(postgres, port)

    async def story() -> None:
        supervisor = Supervisor(open_path / "logs")
        try:
            await supervisor.start(program)
            await database.check(postgres.url(port))
            old = supervisor.pids["postgres"]
            os.kill(old, signal.SIGKILL)
            deadline = time.monotonic() + 30
            while supervisor.pids.get("postgres", old) == old or not await program.ready():
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
            await database.check(postgres.url(port))
        finally:
            await supervisor.stop()

    asyncio.run(story())


@pytest.mark.requirement("CLI-09")
def test_a_private_server_does_not_outlive_a_killed_parent(open_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from tongdao_cli.postgres import Postgres\n"
        "server = Postgres(Path(sys.argv[1])); server.start(); print(server.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(open_path / "postgres")], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert exists(pid)
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 30
    while exists(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    again = Postgres(open_path / "postgres")
    asyncio.run(database.check(again.start()))
    again.stop()


@pytest.mark.requirement("CLI-14")
def test_a_database_works_in_a_closed_folder_and_roots_lies_where_its_user_can_reach_it(tmp_path: Path) -> None:
    is_root = os.geteuid() == 0
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    postgres = Postgres(closed / "postgres")
    try:
        asyncio.run(database.check(postgres.start()))
        assert postgres.place.is_relative_to(closed) != is_root
        assert Postgres(closed / "postgres").place == postgres.place
    finally:
        postgres.stop()
        postgres.forget()
    assert postgres.place.exists() != is_root
