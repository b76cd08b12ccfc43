"""YAML as far as law files need it: no anchors, no tags, no key written twice. Bad text is a `BadYaml`, always."""

from collections.abc import Hashable
from typing import Any

import yaml
from yaml.constructor import ConstructorError


class BadYaml(Exception):
    """The text cannot be read; says why, with the line if there is one."""


class _Loader(yaml.SafeLoader):
    """Anchors could make a small file endless, tags could name types, a second key would win silently."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.NodeEvent) and (event.anchor or getattr(event, "tag", None)):
            raise ConstructorError(problem="anchors and tags are not used here", problem_mark=event.start_mark)  # type: ignore[arg-type]
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value in seen:
                told = f"{key.value} is written twice" if isinstance(key, yaml.ScalarNode) else "a key is not text"
                raise ConstructorError(problem=told, problem_mark=key.start_mark)
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
