"""What the departments have registered: demo_catalog.yaml and additions.yaml, read as facts.

The servers take their paths, parameters and example values from here, so that they keep to what the catalogue says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml

Row = dict[str, Any]
"""Named values: what was asked, or what a register holds."""
SOURCES = ("demo_catalog.yaml", "additions.yaml")


@dataclass(frozen=True, slots=True)
class Item:
    """One parameter or information item. `type` is the catalogue's letter: C N D T L M I F."""

    name: str
    label: str
    type: str
    length: int
    required: bool
    example: Any


@dataclass(frozen=True, slots=True)
class Interface:
    """One registered interface. `path` is a template such as "/v1/household/{id_card}"."""

    id: str
    department: str
    method: str
    path: str
    params: Sequence[Item]
    response: Sequence[Item]

    @property
    def question(self) -> Row:
        """The catalogue's example request."""
        return {item.name: item.example for item in self.params}

    @property
    def facts(self) -> Row:
        """The catalogue's example answer."""
        return {item.name: item.example for item in self.response}


def load() -> dict[str, Interface]:
    """Every interface of the city by id."""
    found = (_interface(resource) for source in SOURCES for resource in _read(source)["resources"])
    return {interface.id: interface for interface in found}


def _read(source: str) -> Any:
    return yaml.safe_load(files("sample_providers").joinpath(source).read_text(encoding="utf-8"))


def _interface(resource: Mapping[str, Any]) -> Interface:
    served = resource["interface"]
    return Interface(
        id=resource["interface_id"],
        department=resource["provider"],
        method=served["method"],
        path=served["path"],
        params=[_item(entry) for entry in served["params"]],
        response=[_item(entry) for entry in served["response"]],
    )


def _item(entry: Mapping[str, Any]) -> Item:
    names = ("name", "label", "type", "length", "required", "example")
    return Item(**{name: entry[name] for name in names})
