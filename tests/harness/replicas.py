"""More processes of a service of a running platform: on one database, with names and ports of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from harness.platform import START_S, STOP_S, Platform
from runtime.http import sync_client
from tongdao_cli.postgres import free_port
from tongdao_cli.services import SERVICES, Plan, settings


@contextmanager
def replica(platform: Platform, service: str, name: str, **told: str) -> Iterator[str]:
    """Address of one more process of `service`, ready; stopped at the end.

    name  its own: two of one name would take each other for themselves    told  settings, without their prefix
    """
    its = next(one for one in SERVICES if one.name == service)
    ports = {**platform.home.state()["ports"], "gateway": platform.port}
    plan = Plan(platform.home, platform.secrets, ports, platform.database_url)
    port = free_port()
    stated = {**settings(plan, service), "instance": name, **told, "port": str(port)}
    environment = {**os.environ, **{its.prefix + key.upper(): str(value) for key, value in stated.items()}}
    log = (platform.home.logs / f"{name}.log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", f"{its.package}.app"], env=environment, stdout=log, stderr=log, start_new_session=True
    )
    try:
        _wait(process, port, name)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_S)
        log.close()


def _wait(process: "subprocess.Popen[bytes]", port: int, name: str) -> None:
    deadline = time.monotonic() + START_S
    with sync_client(f"http://127.0.0.1:{port}", timeout_s=3) as client:
        while True:
            assert process.poll() is None, f"{name} did not start; see its log"
            assert time.monotonic() < deadline, f"{name} is not ready; see its log"
            with suppress(Exception):
                if client.get("/health/ready").status_code == 200:
                    return
            time.sleep(0.05)
