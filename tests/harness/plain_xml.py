"""The plainest XML projector there is, over the standard library's tree. Oracle for `exchange_service.contract.xml`."""

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from exchange_service.contract.masks import DROP, NOT_TEXT, Mask

Path = tuple[str, ...]
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


class PlainXml:
    """`fields` and `masks` (without `plain`) by path; `met` and `masked` are filled on the way."""

    def __init__(self, fields: set[Path], masks: dict[Path, str], functions: Mapping[str, Mask]) -> None:
        self.fields, self.masks, self.functions = fields, masks, functions
        self.met: set[Path] = fields & {()}
        self.masked: set[Path] = set()

    def stays(self, inside: Path, released: bool) -> bool:
        """Whether a member stays; notes what is met."""
        if not released and not any(field[: len(inside)] == inside for field in self.fields):
            return False
        granted = released or inside in self.fields
        if self.masks.get(inside) == DROP or (inside in self.masks and not granted):
            self.masked.add(inside)
            return False
        if inside in self.fields and not released:
            self.met.add(inside)
        return True

    def element(self, element: Any, path: Path, released: bool) -> Any:
        """(tag, attributes, text, children with their tails) of what stays."""
        attributes = {}
        for name, value in element.attrib.items():
            inside = (*path, "@" + name)
            if name == NIL and value in ("true", "1"):
                attributes[name] = "true"
            elif not name.startswith("{") and (released or inside in self.fields | self.masks.keys()):
                if not self.stays(inside, released):
                    continue
                if inside in self.masks:
                    self.masked.add(inside)
                    value = self.functions[self.masks[inside]](value)
                elif not released and inside not in self.fields:
                    continue
                attributes[name] = value
        text, children = [element.text or ""], []
        for child in element:
            inside = (*path, child.tag.rpartition("}")[2])
            if self.stays(inside, released):
                children.append(self.child(child, inside, released or inside in self.fields))
                text.append("")
            text[-1] += child.tail or ""
        return element.tag, attributes, tuple(text) if released else ("",) * len(text), tuple(children)

    def child(self, child: Any, inside: Path, released: bool) -> Any:
        if inside not in self.masks:
            return self.element(child, inside, released)
        if child.get(NIL) in ("true", "1") and len(child) == 0 and not child.text:
            return child.tag, {NIL: "true"}, ("",), ()
        self.masked.add(inside)
        mask = self.functions[self.masks[inside]]
        return child.tag, {}, (NOT_TEXT if len(child) else mask(child.text or ""),), ()


def whole(element: Any) -> Any:
    """An element as the plain projector writes it, nothing taken out."""
    texts = (element.text or "", *(child.tail or "" for child in element))
    return element.tag, dict(element.attrib), texts, tuple(whole(child) for child in element)


def project_xml_plainly(
    body: bytes, fields: list[str], masks: dict[str, str], functions: Mapping[str, Mask]
) -> tuple[Any, list[str], list[str]]:
    """What stays, names met, names masked; `fields` may be ["*"]."""
    paths = {() if field == "*" else tuple(field.split(".")) for field in fields}
    walk = PlainXml(paths, {tuple(name.split(".")): mask for name, mask in masks.items()}, functions)
    kept = walk.element(ElementTree.fromstring(body), (), () in paths)  # noqa: S314  # our own text, made by a strategy
    met = sorted(".".join(path) or "*" for path in walk.met)
    return kept, met, sorted(".".join(path) for path in walk.masked)
