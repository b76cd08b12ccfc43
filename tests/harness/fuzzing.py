"""Schemathesis against one running service, as a program of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

from harness.proving import Ground

HERE = Path(__file__).parent.parent
SEED = int(os.environ.get("FUZZ_SEED", "1"))
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
"""Random requests for each operation beside those that cover its form; with any, also in sequence."""
LONG, SHORT, SHORTEST = "examples,coverage,fuzzing,stateful", ("coverage", 1), ("fuzzing", 4)
LARGE = ("catalog-service",)
"""Whose bodies have so many members that to cover them all takes minutes."""
OUT_OF_BOUNDS = ("--exclude-path", "/oauth2/keys/rotate")
"""At once, it ends the token that everything else is asked with."""
MOST_S = 3600


def fuzz(ground: Ground, service: str, role: str, *, as_service: str, folder: Path) -> tuple[bool, str]:
    """Whether it found nothing, and what it said. `as_service`: by whose name internal routes are asked."""
    url = ground.platform.url(service)
    who = {"token": ground.token(role), "secret": str(ground.platform.secrets.service), "service": as_service}
    environment = {
        **os.environ, "TONGDAO_FUZZING": json.dumps(who), "SCHEMATHESIS_HOOKS": "harness.fuzzing_hooks",
        "PYTHONPATH": os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }  # fmt: skip
    phases, examples = (LONG, EXAMPLES) if EXAMPLES else SHORTEST if service in LARGE else SHORT
    done = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--url", url, "--checks", "all",
            "--phases", phases, "--max-examples", str(examples), "--seed", str(SEED), "--no-color",
            "--continue-on-failure", "--generation-database", "none", "--warnings", "off",
            "--suppress-health-check", "all", *OUT_OF_BOUNDS,
        ],
        capture_output=True, text=True, env=environment, timeout=MOST_S, cwd=folder,
    )  # fmt: skip
    return done.returncode == 0, f"seed {SEED}\n{done.stdout}\n{done.stderr}"
