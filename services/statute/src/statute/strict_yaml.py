"""YAML as far as law files need it: no anchors, no tags, no key written twice. Bad text is a `BadYaml`, never anything else."""

from collections.abc import Hashable
from typing import Any

import yaml


class BadYaml(Exception):
    """The text cannot be read; says why, with the line if there is one."""


class _Loader(yaml.SafeLoader):
    """Anchors could make a small file endless, tags could name types, a second key would win silently."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.NodeEvent) and (event.anchor or getattr(event, "tag", None)):
            raise yaml.constructor.ConstructorError(None, None, "anchors and tags are not used here", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} is written twice", key.start_mark)
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def load(text: str) -> Any:
    """The one document in `text`."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506  # a SafeLoader made stricter
    except yaml.MarkedYAMLError as error:
        line = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise BadYaml(f"{error.problem}{line}") from None
    except yaml.YAMLError as error:
        raise BadYaml(" ".join(str(error).split())) from None
    except (ValueError, RecursionError) as error:  # 2026-02-30; brackets without end
        raise BadYaml(f"{error}") from None
