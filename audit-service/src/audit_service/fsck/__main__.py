"""Read-only check of the log: `python -m audit_service.fsck [--vkey KEY]… [--newest N] …`, DATABASE_URL says where.

Compares every leaf with the tiles, the tiles with each other, the root with every checkpoint, leaves and private parts
with what writers were told to be committed, rows to search by with leaves, and what waits with its own digest. Prints
one line per finding, naming what is wrong, and a summary last; exit 1 if there are findings. Sees one state of the log
while it goes on being used.
"""

import argparse
import asyncio
import os
import sys

import asyncpg

from audit_service.archive.objects import Objects
from audit_service.fsck.check import Manner, examine
from audit_service.fsck.findings import Progress
from tlog.proofs import ProofError


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def main(arguments: list[str]) -> int:
    """0 when clean, 1 with findings, 2 when the log cannot be read."""
    parser = _parser()
    wanted = parser.parse_args(arguments)
    if wanted.newest is not None and wanted.newest < 1:
        parser.error("--newest needs a number above 0")
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        _say("set DATABASE_URL to the address of the database")
        return 2
    try:
        objects = Objects.at(wanted.archive) if wanted.archive else None
        manner = Manner(wanted.vkey, wanted.witness, objects, Progress(_say))
        check = asyncio.run(examine(url, manner, wanted.newest))
    except (OSError, ValueError, asyncpg.PostgresError, ProofError) as error:
        _say(f"the log cannot be read: {error}")
        return 2
    for line in [*check.findings.lines, *(f"note: {note}" for note in check.findings.notes), check.summary]:
        sys.stdout.write(line + "\n")
    _say(f"fsck: {manner.progress.took_s:.1f} s, {manner.progress.per_s} leaves a second")
    return 1 if check.findings.count else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="audit_service.fsck", description="Check the log.")
    option = parser.add_argument
    option("--vkey", action="append", default=[], help="a key of the log that you trust; may be said several times")
    option("--witness", action="append", default=[], metavar="VKEY", help="a key of a witness that you trust")
    option("--archive", default="", metavar="URL", help="file:///folder or s3://bucket/prefix (its keys in AWS_…)")
    option("--newest", type=int, metavar="N", help="only so many of the newest leaves")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
