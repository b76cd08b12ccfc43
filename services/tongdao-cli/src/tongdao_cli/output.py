"""What a person sees: progress, a call with its answer, the addresses."""

import json
from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from runtime.http import Response
from tongdao_cli.services import Plan
from tongdao_cli.story import Shown

TELLING = (
    "tongdao-record", "tongdao-request-hash", "tongdao-fault", "ratelimit", "ratelimit-policy", "retry-after",
    "server-timing", "traceparent", "content-type", "allow", "www-authenticate",
)  # fmt: skip
"""Headers of an answer that say something about the call."""


def plain(text: str) -> Text:
    """What somebody else wrote: it neither steers the terminal of whoever reads it nor is taken for markup."""
    return Text("".join(character if character.isprintable() else "\ufffd" for character in text))


def response(console: Console, answer: Response) -> None:
    """Status, telling headers, body."""
    style = "green" if answer.is_success else "red"
    console.print(f"{answer.status_code} {answer.reason_phrase}", style=style, markup=False)
    for name in TELLING:
        if name in answer.headers:
            console.print(f"{name}: {answer.headers[name]}", style="dim", soft_wrap=True, highlight=False, markup=False)
    console.print(body(answer), soft_wrap=True, highlight=False, markup=False)


def body(answer: Response) -> str:
    """The body as text, JSON indented."""
    try:
        return json.dumps(answer.json(), ensure_ascii=False, indent=2)
    except ValueError:
        return answer.text


def shown(console: Console, call: Shown, system: str) -> None:
    """The governed call that a start ends with."""
    question = call.question
    console.print(f"\n{system} asks: {question.method} /x/{question.interface}", soft_wrap=True, markup=False)
    if question.case:
        console.print(f"Tongdao-Case: {question.case}", style="dim", highlight=False, markup=False)
    response(console, call.answer.response)
    if call.flaw:
        console.print(f"receipt: {call.flaw}", style="red", soft_wrap=True, markup=False)
        return
    fields = f"{call.outcome['fields_returned']} fields returned, {call.outcome['fields_masked']} masked"
    console.print(f"receipt: verified against the log's key ({fields})", style="green")


def addresses(console: Console, plan: Plan, pids: Mapping[str, int]) -> None:
    """Where everything is."""
    gateway = plan.url("gateway")
    rows = {
        "gateway": gateway,
        "catalog": f"{gateway}/api/catalog/docs",
        "log": f"{gateway}/api/audit/checkpoint",
        "log's key": plan.secrets.vkey(),
        "data": str(plan.home.root),
        **{f"  {name}": f"{plan.url(name)}  process {pid}" for name, pid in pids.items() if name in plan.ports},
    }
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, min_width=max(map(len, rows)))
    table.add_column(no_wrap=True, min_width=max(map(len, rows.values())))  # a key that is cut is no use
    for what, where in rows.items():
        table.add_row(what, Text(where))
    console.print()
    console.print(table, crop=False)
