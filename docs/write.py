"""Writes the pages that are made from the code: docs/codes.md and docs/settings.md. Run by `make docs`."""

from importlib import import_module
from pathlib import Path

from runtime.env import Settings
from wire.codes import REGISTRY

HERE = Path(__file__).parent
SERVICES = ("gateway", "exchange_service", "catalog_service", "audit_service", "identity")


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
            default = "required" if field.is_required() else f"`{field.default}`"
            parts.append(f"| `{prefix}{name.upper()}` | {default} | {field.description} |\n")
    return "".join(parts)


if __name__ == "__main__":
    (HERE / "codes.md").write_text(codes_page())
    (HERE / "settings.md").write_text(settings_page())
