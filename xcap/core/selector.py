"""Node selectors (RFC 4825 §6.3): which element, attribute or set of namespace bindings of a document is meant.

    node-selector = step *("/" step) ["/" ("@" QName / "namespace::*")]
    step          = (QName / "*") ["[" position "]"] ["[@" QName "=" AttValue "]"]

What does not follow this is by the RFC's grammar an extension-selector; none is known here, so it is a 404 (§8).

Law: each step chooses exactly one element, or the selector selects nothing.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from xcap.core.errors import BadRequest, NotWellFormed, UnknownSelector
from xcap.core.source import XML_NAMESPACE, attribute_value, expanded
from xcap.core.uri import encode_node

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xcap.core.source import Element

MAX_SELECTOR_LENGTH = 4096
"""Characters, after percent-decoding."""


class NodeKind(enum.Enum):
    """What a selector selects; the value is the media type of its representation (RFC 4825 §15.2)."""

    ELEMENT = "application/xcap-el+xml"
    ATTRIBUTE = "application/xcap-att+xml"
    NAMESPACES = "application/xcap-ns+xml"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: the elements of this name, the one at this position of them, those with this attribute value."""

    name: str | None
    """Expanded; None is `*`."""
    position: int | None
    attribute: tuple[str, str] | None
    """Expanded name and value."""
    text: str
    """As it was written."""

    def select(self, elements: Sequence[Element]) -> Sequence[Element]:
        """The elements that pass the name test and then each predicate in turn."""
        chosen = elements if self.name is None else [element for element in elements if element.name == self.name]
        if self.position is not None:
            chosen = chosen[self.position - 1 : self.position]  # position 0 is allowed by the grammar: none
        if self.attribute is not None:
            name, value = self.attribute
            chosen = [element for element in chosen if element.attributes.get(name) == value]
        return chosen


@dataclass(frozen=True, slots=True)
class AttributeName:
    """The attribute that a selector ends in."""

    name: str
    """Expanded."""
    prefix: str | None
    local: str

    @property
    def text(self) -> str:
        """As it was written."""
        return self.local if self.prefix is None else f"{self.prefix}:{self.local}"

    def is_in(self, namespace: str) -> bool:
        """Whether this is the namespace of the name."""
        return self.name == expanded(namespace, self.local)


@dataclass(frozen=True, slots=True)
class NodeSelector:
    """A path of steps to one element, and what of it is meant."""

    kind: NodeKind
    steps: tuple[Step, ...]
    """Never empty."""
    attribute: AttributeName | None
    """Set when, and only when, the kind is ATTRIBUTE."""
    bindings: Mapping[str, str]
    """prefix -> namespace, for the prefixes in the steps' texts."""

    def prefix(self, count: int) -> str | None:
        """The first `count` steps as a relative, percent-encoded URI (RFC 4825 §11.1); None for no steps."""
        if not count:
            return None
        return encode_node("/".join(step.text for step in self.steps[:count]), self.bindings)


_START = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_NCNAME = f"[{_START}][{_START}0-9.\u00b7\u0300-\u036f\u203f\u2040-]*"
_STEP = re.compile(
    rf"(?:\*|(?:(?P<prefix>{_NCNAME}):)?(?P<local>{_NCNAME}))"
    r"(?:\[(?P<position>[0-9]+)\])?"
    rf"(?:\[@(?:(?P<att_prefix>{_NCNAME}):)?(?P<att_local>{_NCNAME})=(?P<value>\"[^<\"]*\"|'[^<']*')\])?"
    r"(?=/|\Z)"
)
_ATTRIBUTE = re.compile(rf"@(?:(?P<prefix>{_NCNAME}):)?(?P<local>{_NCNAME})\Z")
_NAMESPACES = "namespace::*"
_NO_VOCABULARY: Mapping[str, str] = MappingProxyType({})


def parse_node_selector(
    text: str,
    bindings: Mapping[str, str],
    default_namespace: str | None,
    vocabulary: Mapping[str, str] = _NO_VOCABULARY,
) -> NodeSelector:
    """Read a percent-decoded node selector.

    bindings: prefix -> namespace, from the URI's query (§6.4).
    default_namespace: of unprefixed element names, by the application usage; attributes have none (§6.3).
    vocabulary: local name -> namespace, for unprefixed element names that are of another namespace in this usage.
    Raises BadRequest for an empty step, for an undefined prefix (§8) and over the bound; UnknownSelector.
    """
    if len(text) > MAX_SELECTOR_LENGTH:
        raise BadRequest(f"the node selector is longer than {MAX_SELECTOR_LENGTH} characters")
    names = _Names(bindings, default_namespace, vocabulary)
    steps: list[Step] = []
    position = 0
    while position <= len(text):
        rest = text[position:]
        if rest == _NAMESPACES and steps:
            return NodeSelector(NodeKind.NAMESPACES, tuple(steps), None, bindings)
        if steps and (terminal := _ATTRIBUTE.match(text, position)):
            attribute = AttributeName(names.attribute(*terminal.groups()), *terminal.groups())
            return NodeSelector(NodeKind.ATTRIBUTE, tuple(steps), attribute, bindings)
        step = _step(text, position, names)
        steps.append(step)
        position += len(step.text) + 1
    return NodeSelector(NodeKind.ELEMENT, tuple(steps), None, bindings)


def locate(root: Element, steps: Sequence[Step]) -> list[Element]:
    """The elements that the steps choose, from the root on: as many as there are steps, or fewer when one fails."""
    path: list[Element] = []
    elements: Sequence[Element] = [root]
    for step in steps:
        chosen = step.select(elements)
        if len(chosen) != 1:
            break
        path.append(chosen[0])
        elements = chosen[0].children
    return path


@dataclass(frozen=True, slots=True)
class _Names:
    """Expands names as the URI and the application usage say."""

    bindings: Mapping[str, str]
    default_namespace: str | None
    vocabulary: Mapping[str, str]

    def element(self, prefix: str | None, local: str) -> str:
        namespace = self._namespace(prefix) if prefix else self.vocabulary.get(local, self.default_namespace)
        return expanded(namespace, local)

    def attribute(self, prefix: str | None, local: str) -> str:
        return expanded(self._namespace(prefix) if prefix else None, local)

    def _namespace(self, prefix: str) -> str:
        if prefix == "xml":
            return XML_NAMESPACE
        if prefix not in self.bindings:
            raise BadRequest(f"the prefix {prefix} has no xmlns() in the query")
        return self.bindings[prefix]


def _step(text: str, position: int, names: _Names) -> Step:
    matched = _STEP.match(text, position)
    if matched is None:
        if text[position : position + 1] in ("", "/"):
            raise BadRequest(f"an empty step at character {position + 1} of the node selector")
        raise UnknownSelector(f"no selector is known like the one at character {position + 1} of the node selector")
    prefix, local, number, att_prefix, att_local, value = matched.groups()
    return Step(
        None if local is None else names.element(prefix, local),
        None if number is None else int(number),
        None if value is None else (names.attribute(att_prefix, att_local), _value(value, position)),
        matched[0],
    )


def _value(literal: str, position: int) -> str:
    try:
        return attribute_value(literal.encode())
    except NotWellFormed:
        raise UnknownSelector(f"the value in the step at character {position + 1} is no AttValue") from None
