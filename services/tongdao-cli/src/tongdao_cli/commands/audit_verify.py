"""`tongdao audit verify` and `compare`: receipts, evidence packages and kept checkpoints, checked offline."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from tlog import history, package
from tlog.checkpoint import open_checkpoint
from tlog.history import Fork, Trees, Verdict
from tlog.package import Package, Proven, Trust
from tlog.proofs import ProofError
from tongdao_cli import output
from tongdao_cli.governed import outcome_of

VkeyOption = Annotated[
    list[str], typer.Option(help="the log's key (name+id+base64), from a source you trust; one a key if it changed")
]
WitnessOption = Annotated[list[str] | None, typer.Option(help="key of a witness who must have signed too")]

WAYS = ("mode", "verdict", "consent")
USUAL = "query"


def verify(
    vkey: VkeyOption,
    files: Annotated[list[Path], typer.Argument(metavar="RECEIPT…", help="receipts and evidence packages")],
    witness: WitnessOption = None,
    quorum: Annotated[int | None, typer.Option(help="so many of the witnesses are enough; otherwise all")] = None,
) -> None:
    """Check receipts and evidence packages offline against a key that you bring; exit code 1 if any fails."""
    trust, trees = Trust(vkey, witness or [], quorum), Trees()
    results = [_verify(file, trust, trees) for file in files]
    raise typer.Exit(0 if all(results) else 1)


def _verify(file: Path, trust: Trust, trees: Trees) -> bool:
    try:
        told = _told(file.read_bytes(), trust, trees, str(file))
    except OSError as error:
        typer.echo(f"{file}: cannot be read: {error.strerror}")
        return False
    except Fork as error:
        typer.echo(f"FORK: {error}")
        return False
    except ProofError as error:
        typer.echo(f"{file}: NOT verified: {error}")
        return False
    typer.echo(f"{file}: verified: {told}")
    return True


def _told(data: bytes, trust: Trust, trees: Trees, where: str) -> str:
    if data.startswith(b"PK"):  # a zip file
        return _told_of_package(package.verify(data, trust, trees, where))
    return _told_of_receipt(package.verify_receipt(data, trust, trees, where))


def _told_of_receipt(proven: Proven) -> str:
    outcome = outcome_of(proven.leaves)
    names = ("system", "interface", "status", "code")
    facts = [f"{name}={outcome[name]}" for name in names if outcome.get(name)] + _ways(proven.leaves, *WAYS)
    return " ".join([f"{len(proven.leaves)} records", *facts]) + _told_of_witnesses(proven)


def _ways(leaves: Sequence[Mapping[str, Any]], *names: str) -> list[str]:
    """How a call was asked, unless in the usual way."""
    told = {name: value for leaf in leaves for name in names if (value := leaf.get(name, "")) not in ("", USUAL)}
    return [f"{name}={output.plain(str(told[name]))}" for name in names if name in told]


def _told_of_package(found: Package) -> str:
    records = sum(len(proven.leaves) for proven in found.receipts.values())
    unproven = " ".join(found.unproven) or "nothing"
    seen = sorted({_told_of_witnesses(proven) for proven in found.receipts.values()})
    ways = Counter(" ".join(_ways(proven.leaves, "mode", "verdict")) for proven in found.receipts.values())
    unusual = "".join(f"; {number} with {way}" for way, number in sorted(ways.items()) if way)
    return f"{len(found.receipts)} receipts, {records} records{unusual}; not proven: {unproven}" + "".join(seen)


def _told_of_witnesses(proven: Proven) -> str:
    times = sorted(proven.witnessed.items())
    return "".join(
        f", witnessed by {name} at {datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ}" for name, at_s in times
    )


def compare(
    vkey: VkeyOption,
    older: Annotated[Path, typer.Argument(metavar="OLDER", help="the checkpoint that you got first")],
    newer: Annotated[Path, typer.Argument(metavar="NEWER", help="the one that you got later")],
    consistency: Annotated[
        Path | None, typer.Option(help="the log's answer to /proof/consistency from one size to the other")
    ] = None,
) -> None:
    """Hold the log to a checkpoint that you kept; exit code 1 unless the newer tree grew out of the older one."""
    try:
        verdict, told = _compared(older, newer, vkey, consistency)
    except OSError as error:
        verdict, told = None, f"NOT verified: {error.filename} cannot be read: {error.strerror}"
    except (ProofError, UnicodeDecodeError) as error:
        verdict, told = None, f"NOT verified: {error}"
    typer.echo(told)
    raise typer.Exit(0 if verdict in {Verdict.SAME, Verdict.CONSISTENT} else 1)


def _compared(older: Path, newer: Path, vkeys: list[str], consistency: Path | None) -> tuple[Verdict, str]:
    notes = [path.read_bytes().decode() for path in (older, newer)]
    first, second = (open_checkpoint(note, *vkeys) for note in notes)
    sizes = first.size, second.size
    proof = history.parse_proof(consistency.read_bytes(), *sizes) if consistency else None
    verdict = history.compare(*notes, *vkeys, proof=proof)
    told = f"{verdict}: log {first.origin}, {older} has size {sizes[0]}, {newer} has size {sizes[1]}"
    if verdict is Verdict.FORK:
        told += "; two trees of one size, both signed: keep both files"
    if verdict is Verdict.UNPROVEN:
        told += f"; ask the log for /proof/consistency?from={sizes[0]}&to={sizes[1]} and give it with --consistency"
    return verdict, told


COMMANDS = (verify, compare)
