"""XML documents that grow from a seed and a size: a thousand cost a second, and a smaller size is a smaller tree."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree

from xcap.core.patch.tree import Comment, Document, Element, ProcessingInstruction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xcap.core.patch.tree import Node

URIS = ["urn:one", "urn:two", "urn:three"]
PREFIXES = ["", "p", "q", "a"]
TEXTS = ["\n  ", "\n  ", " ", "x", "yy", "tel:+1", "<&>\"'", "ü\r\n\t"]


def canonical(content: bytes) -> bytes:
    """Canonical XML 1.0 with comments, by libxml2."""
    return etree.tostring(etree.fromstring(content).getroottree(), method="c14n", with_comments=True)


@dataclass
class Grower:
    """Grows documents in which all names are bound; declarations repeat, hide and end outer ones."""

    chance: random.Random
    size: int

    def document(self) -> Document:
        before = [self.other() for _ in range(self.chance.choice([0, 0, 1, 2]))]
        after = [self.other() for _ in range(self.chance.choice([0, 0, 1, 2]))]
        return Document([*before, self.element({"": ""}, 0), *after], declared=self.chance.random() < 0.5)

    def element(self, scope: Mapping[str, str], depth: int) -> Element:
        self.size -= 1
        declarations = {
            self.chance.choice(PREFIXES): self.chance.choice(URIS) for _ in range(self.chance.choice([0, 0, 0, 1, 2]))
        }
        if scope[""] and self.chance.random() < 0.1:
            declarations[""] = ""
        within = {**scope, **declarations}
        prefix = self.chance.choice(sorted(within))
        local = self.chance.choice(["e", "f", "tel"])
        element = Element(f"{prefix}:{local}" if prefix else local, declarations, self.attributes(within))
        while self.size > 0 and depth < 8 and self.chance.random() < 0.85:
            element.children.append(self.node(within, depth + 1))
        element.children = merged(element.children)
        return element

    def attributes(self, scope: Mapping[str, str]) -> dict[str, str]:
        """No two of one expanded name."""
        prefixes = {"": "", "xml": "", **{uri: prefix for prefix, uri in scope.items() if prefix}}
        names = [f"{prefix}:{local}" if prefix else local for prefix in prefixes.values() for local in ("id", "k")]
        chosen = self.chance.sample(names, self.chance.choice([0, 0, 1, 2]))
        return {name: self.chance.choice(["", *TEXTS]) for name in chosen}

    def node(self, scope: Mapping[str, str], depth: int) -> Node:
        kind = self.chance.randrange(10)
        if kind < 5:
            return self.element(scope, depth)
        return self.chance.choice(TEXTS) if kind < 9 else self.other()

    def other(self) -> Comment | ProcessingInstruction:
        if self.chance.random() < 0.5:
            return Comment(self.chance.choice(["", " a comment ", "c"]))
        return ProcessingInstruction(self.chance.choice(["go", "stop"]), self.chance.choice(["", "now"]))

    def edited(self, element: Element) -> Element:
        """A copy in which content moves, comes again, goes or changes, and declarations do."""
        children: list[Node] = [
            self.edited(one)
            if isinstance(one, Element)
            else self.chance.choice(TEXTS)
            if self.chance.random() < 0.1
            else one
            for one in element.children
        ]
        attributes = {name: value for name, value in element.attributes.items() if self.chance.random() > 0.1}
        declarations = dict(element.declarations)
        if self.chance.random() < 0.2:
            self.rearrange(children)
        if self.chance.random() < 0.1:
            attributes[self.chance.choice(["id", "new", *attributes])] = self.chance.choice(["", "changed"])
        if self.chance.random() < 0.1:
            declarations[self.chance.choice(PREFIXES)] = self.chance.choice(URIS)
        if declarations and self.chance.random() < 0.1:
            del declarations[self.chance.choice(list(declarations))]
        return Element(element.name, declarations, attributes, merged(children))

    def rearrange(self, children: list[Node]) -> None:
        match self.chance.randrange(6):
            case 0:
                self.chance.shuffle(children)
            case 1 if children:
                children.insert(self.chance.randrange(len(children)), self.chance.choice(children))
            case 2 if children:
                del children[self.chance.randrange(len(children))]
            case 3:
                children.insert(self.chance.randrange(len(children) + 1), self.chance.choice(TEXTS))
            case 4:
                children[:] = [one for one in children if not isinstance(one, str)]
            case _:
                children.insert(self.chance.randrange(len(children) + 1), Comment("new"))


def merged(children: list[Node]) -> list[Node]:
    """With neighbouring texts as the one text node that they are."""
    result: list[Node] = []
    for child in children:
        if isinstance(child, str) and result and isinstance(result[-1], str):
            result[-1] += child
        else:
            result.append(child)
    return result


def grown(seed: int, size: int) -> Document:
    return Grower(random.Random(seed), size).document()
