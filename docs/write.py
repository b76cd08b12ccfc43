"""Writes the pages that are made from the code: codes, settings, procedures, clocks of the law. Run by `make docs`."""

from importlib import import_module
from pathlib import Path

from msgspec import inspect

from catalog_service.cases.kinds import KINDS
from catalog_service.clocks.states import CLOCK
from catalog_service.directory import filing, interface_stages
from catalog_service.machine import Machine, Row, drawn
from runtime.env import Settings
from statute.model import CLOCK_KEYS, Clock
from statute.profiles import bundled
from wire.codes import REGISTRY

HERE = Path(__file__).parent
SERVICES = ("gateway", "exchange_service", "catalog_service", "audit_service", "identity", "witness")


def codes_page() -> str:
    """Every refusal: its code, status, who is at fault, its title in both languages, and the rule behind it."""
    rows = [
        f"| `{code.name}` | {code.status} | {code.fault} | {code.title_en} | {code.title_zh} | {code.source} |"
        for code in sorted(REGISTRY.values(), key=lambda code: code.name)
    ]
    head = (
        "# Codes of refusals (拒绝代码)\n\n"
        "Every refusal is a problem document (RFC 9457) with `code`, `title`, `detail`, `remedy`, `rule`, `fault` and, "
        "where it was recorded, `record`. Made by `make docs` from `services/wire/src/wire/codes.py`.\n\n"
        "| code | status | fault | title | 标题 | rule |\n|---|---|---|---|---|---|\n"
    )
    return head + "\n".join(rows) + "\n"


def settings_page() -> str:
    """Every setting of every service."""
    parts = [
        "# Settings (设置)\n\nRead once from the environment when a service starts. `tongdao up` sets them all. "
        "Made by `make docs` from each service's `settings.py`.\n"
    ]
    for service in SERVICES:
        cls: type[Settings] = import_module(f"{service}.settings").Settings
        prefix = str(cls.model_config["env_prefix"])
        parts.append(f"\n## {service}\n\n| variable | default | meaning |\n|---|---|---|\n")
        for name, field in cls.model_fields.items():
            default = "required" if field.is_required() else f"`{field.get_default(call_default_factory=True)}`"
            meaning = " ".join((field.description or "").split())  # a row is one line
            parts.append(f"| `{prefix}{name.upper()}` | {default} | {meaning} |\n")
    return "".join(parts)


CHAPTERS = {
    "B.1": [filing.MACHINE],
    "B.2": [interface_stages.MACHINE],
    "B.3": [KINDS[name].machine for name in ("application", "copy_consent", "renewal")],
    "B.4": [KINDS["demand"].machine],
    "B.5": [KINDS["correction"].machine],
    "B.6": [KINDS["subject_rights"].machine],
    "B.7": [KINDS["objection"].machine],
    "B.8": [KINDS["dispute"].machine],
    "B.9": [KINDS["complaint"].machine],
    "B.11": [KINDS["suspension"].machine],
    "B.12": [KINDS["rectification"].machine],
    "B.13": [KINDS["asset"].machine],
    "B.15": [
        KINDS[name].machine
        for name in (
            "emergency", "incident", "project_gate", "officer_change", "vendor_account", "drill", "log_disposal",
        )
    ],
    "B.16": [CLOCK],
}  # fmt: skip
"""Numbers by which comments and tests name a procedure; B.10 (opening to the public), B.14 (scoring) are not built."""


def procedures_page() -> str:
    """Every transition table: a picture, and a line for each row."""
    parts = [
        "# Procedures (办理流程)\n\n"
        "Each procedure is a table in the catalog service; what is not in it cannot happen. Roles are relative to the "
        "case: requester and provider are its two sides. Comments and tests name procedures by these numbers. "
        "Made by `make docs`.\n"
    ]
    for number, machines in CHAPTERS.items():
        parts += [_procedure(number, machine) for machine in machines]
    return "".join(parts)


def _procedure(number: str, machine: Machine) -> str:
    zh, en = machine.title
    head = f"\n## {number} {en} {zh}\n\n`{machine.name}` · {machine.cite}\n\n```mermaid\n{drawn(machine)}\n```\n\n"
    table = "| event | from | to | by | if | needs | article |\n|---|---|---|---|---|---|---|\n"
    return head + table + "".join(_line(row) for row in machine.rows) + _form(machine)


def _form(machine: Machine) -> str:
    """What `details` may say: every member of the form with what it holds."""
    kind = KINDS.get(machine.name)
    if kind is None:
        return ""
    described = inspect.type_info(kind.form)
    if not isinstance(described, inspect.StructType):
        return ""
    members = ", ".join(f"`{one.name}` {_held(one.type)}" for one in described.fields)
    return f"\n`details`: {members}. {' '.join((kind.form.__doc__ or '').split())}\n"


def _held(of: inspect.Type) -> str:
    match of:
        case inspect.UnionType():
            return _held(of.types[0])
        case inspect.LiteralType():
            return " | ".join(f"“{value}”" for value in of.values)
        case inspect.EnumType():
            return " | ".join(f"“{member.value}”" for member in of.cls)
        case inspect.ListType():
            return f"[{_held(of.item_type)}, …]"
        case inspect.StructType():
            return "{" + ", ".join(f"{one.name}: {_held(one.type)}" for one in of.fields) + "}"
        case _:
            return {"StrType": "text", "IntType": "number", "BoolType": "true | false"}.get(type(of).__name__, "any")


def _line(row: Row) -> str:
    by = ", ".join(role.value for role in row.by) + (" (other eyes)" if row.four_eyes else "")
    conditions = ", ".join(filter(None, (row.when, *row.guards)))
    sources = ", ".join(source or "–" for source in row.sources)
    return f"| {row.event} | {sources} | {row.target} | {by} | {conditions} | {', '.join(row.needs)} | {row.cite} |\n"


def law_page() -> str:
    """What each profile's clocks come to, between government departments."""
    profiles = bundled()
    laws = {name: profiles.law(name, government=True) for name in profiles.ids()}
    head = (
        "# Time limits of the law (法定时限)\n\n"
        "A.3: a value comes from the local rule; between government departments the stricter of it and the decree "
        "counts, base and longest apart; where both are silent the platform's own (平台默认，非法定). Working days; "
        "`10–20`: with the longest extension. `tongdao policy show KEY --profile P` explains one. "
        "Made by `make docs`.\n\n"
        f"| clock | {' | '.join(laws)} |\n|---|{'---|' * len(laws)}\n"
    )
    rows = [f"| `{key}` | {' | '.join(_limit(law.clock(key)) for law in laws.values())} |" for key in CLOCK_KEYS]
    titles = [
        f"- `{name}`: {law.profile.title} ({law.profile.status}{', incomplete' if law.profile.incomplete else ''})"
        for name, law in laws.items()
    ]
    return head + "\n".join(rows) + "\n\n" + "\n".join(titles) + "\n\n" + DAYS


def _limit(clock: Clock | None) -> str:
    if clock is None:
        return "–"
    days = f"{clock.base}" if clock.base == clock.total else f"{clock.base}–{clock.total}"
    principle = ", in principle" if clock.binding == "in_principle" else ""
    return f"{days} ({clock.source}{principle})"


DAYS = """## C.7 Working days (工作日)
The day on which something is received does not count; the limit ends at 24:00 in Shanghai of the last working day
(民法典 201, 203). Which days are worked is announced each year by the State Council; the table is data, imported by
file and versioned per region. A year that is not announced yet is reckoned from weekends and the statutory holidays
alone and marked provisional; its clocks are reckoned again when the year is imported, old and new date in the log.
"""

if __name__ == "__main__":
    (HERE / "codes.md").write_text(codes_page())
    (HERE / "settings.md").write_text(settings_page())
    (HERE / "procedures.md").write_text(procedures_page())
    (HERE / "law.md").write_text(law_page())
