"""The XPath subset of `sel` and `type` (grammar in RFC 7351 Appendix B, meaning in RFC 5261 §4.1 and §4.2).

    xpath = ["/"] ( id *("/" step) ["/" last] / *(step "/") last )
    step  = (QName / "*") *( "[@QName='v']" / "[QName='v']" / "[.='v']" / "[n]" )
    last  = step / "@QName" / "namespace::prefix" / (text() / comment() / processing-instruction(['t'])) ["[n]"]

Law: an unprefixed element name is in the default namespace of the patch (RFC 5261 §4.2.1), which no XPath 1.0 engine
does; so names are expanded while parsing and compared as (namespace name, local name). White space between tokens
is let pass as in XPath, since RFC 5261 §4.2.3 itself writes `*/ bar`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias

from xcap.core.patch.errors import InvalidAttributeValue, InvalidNamespacePrefix
from xcap.core.source import XML_NAMESPACE

if TYPE_CHECKING:
    from xcap.core.patch.tree import Scope

MAX_LENGTH: Final = 8192
"""Characters of one `sel`; the longest useful thing in one is an attribute value to compare with."""

Name: TypeAlias = "tuple[str, str]"
"""Namespace name (`""` for none) and local name."""


@dataclass(frozen=True, slots=True)
class AttributeIs:
    """`[@name='value']`."""

    name: Name
    value: str


@dataclass(frozen=True, slots=True)
class ChildIs:
    """`[name='value']`: some child element of that name has that string value."""

    name: Name
    value: str


@dataclass(frozen=True, slots=True)
class SelfIs:
    """`[.='value']`: the string value of the element itself."""

    value: str


@dataclass(frozen=True, slots=True)
class PositionIs:
    """`[n]`, counted from 1 among what the predicates before it have left."""

    position: int


Predicate: TypeAlias = "AttributeIs | ChildIs | SelfIs | PositionIs"


@dataclass(frozen=True, slots=True)
class ElementStep:
    """Child elements with this name; None is `*`."""

    name: Name | None
    predicates: tuple[Predicate, ...] = ()


@dataclass(frozen=True, slots=True)
class TextStep:
    """`text()`, the one at `position` if given."""

    position: int | None = None


@dataclass(frozen=True, slots=True)
class CommentStep:
    """`comment()`, the one at `position` if given."""

    position: int | None = None


@dataclass(frozen=True, slots=True)
class InstructionStep:
    """`processing-instruction()` with this target, or any; the one at `position` if given."""

    target: str | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class AttributeStep:
    """`@name`."""

    name: Name
    written: str
    """The name with the prefix that the patch gives it."""


@dataclass(frozen=True, slots=True)
class NamespaceStep:
    """`namespace::prefix`."""

    prefix: str


ChildStep: TypeAlias = "ElementStep | TextStep | CommentStep | InstructionStep"
Step: TypeAlias = "ChildStep | AttributeStep | NamespaceStep"


@dataclass(frozen=True, slots=True)
class Selector:
    """A parsed `sel`: from the root node, or from the element with this ID, step by step; only the last may not be an
    ElementStep."""

    id: str | None
    steps: tuple[Step, ...]


_START = (
    r"A-Z_a-z\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u02FF\u0370-\u037D\u037F-\u1FFF\u200C-\u200D"
    r"\u2070-\u218F\u2C00-\u2FEF\u3001-\uD7FF\uF900-\uFDCF\uFDF0-\uFFFD\U00010000-\U000EFFFF"
)
_NCNAME = rf"[{_START}][{_START}\-.0-9\u00B7\u0300-\u036F\u203F-\u2040]*"
_QNAME = rf"(?:{_NCNAME}:)?{_NCNAME}"
_S = r"[ \t\r\n]*"
_POSITION = rf"(?:{_S}\[{_S}(?P<position>[0-9]{{1,9}}){_S}\])?"
_LITERAL = r"""(?:'(?P<apos>[^']*)'|"(?P<quot>[^"]*)")"""

_SLASH = re.compile(rf"{_S}/{_S}")
_ID = re.compile(rf"id{_S}\({_S}(?:'(?P<apos>{_NCNAME})'|\"(?P<quot>{_NCNAME})\"){_S}\)")
_ELEMENT = re.compile(rf"\*|{_QNAME}")
_ATTRIBUTE = re.compile(rf"@{_S}(?P<name>{_QNAME})")
_NAMESPACE = re.compile(rf"namespace{_S}::{_S}(?P<prefix>{_NCNAME})")
_NODE_TEST = re.compile(rf"(?P<test>text|comment){_S}\({_S}\){_POSITION}")
_INSTRUCTION = re.compile(
    rf"processing-instruction{_S}\({_S}(?:'(?P<apos>{_NCNAME})'|\"(?P<quot>{_NCNAME})\")?{_S}\){_POSITION}"
)
_PREDICATE = re.compile(
    rf"{_S}\[{_S}(?:(?P<position>[0-9]{{1,9}})|(?P<left>@{_S}{_QNAME}|{_QNAME}|\.){_S}={_S}{_LITERAL}){_S}\]"
)


def parse_selector(text: str, namespaces: Scope) -> Selector:
    """Parse a `sel`; `namespaces` are in scope of the operation in the patch, the default one too.

    Raises InvalidAttributeValue (not of the grammar), InvalidNamespacePrefix (a prefix without declaration).
    """
    if len(text) > MAX_LENGTH:
        raise InvalidAttributeValue(f"a selector of more than {MAX_LENGTH} characters")
    return _Parser("sel", text.strip(" \t\r\n"), namespaces).selector()


def parse_type(text: str, namespaces: Scope) -> AttributeStep | NamespaceStep:
    """Parse a `type`: what an add adds to an element (RFC 5261 §4.3). Raises as `parse_selector`."""
    parser = _Parser("type", text, namespaces)
    step = parser.attribute_or_namespace()
    if step is None or parser.at < len(text) or (isinstance(step, AttributeStep) and step.written == "xmlns"):
        parser.fail()
    return step


class _Parser:
    """One pass over the text; `at` is how far it got."""

    def __init__(self, attribute: str, text: str, namespaces: Scope) -> None:
        self.attribute = attribute
        self.text = text
        self.namespaces = namespaces
        self.at = 0

    def fail(self) -> NoReturn:
        raise InvalidAttributeValue(f"{self.attribute} is not of the grammar, from its character {self.at + 1} on")

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        matched = pattern.match(self.text, self.at)
        if matched:
            self.at = matched.end()
        return matched

    def selector(self) -> Selector:
        self.take(_SLASH)
        steps: list[Step] = []
        id_function = self.take(_ID)
        if id_function is None:
            steps.append(self.step())
        while self.at < len(self.text):
            if (steps and type(steps[-1]) is not ElementStep) or not self.take(_SLASH):
                self.fail()
            steps.append(self.step())
        return Selector(_quoted(id_function) if id_function else None, tuple(steps))

    def step(self) -> Step:
        return self.attribute_or_namespace() or self.node_test() or self.element()

    def attribute_or_namespace(self) -> AttributeStep | NamespaceStep | None:
        if matched := self.take(_ATTRIBUTE):
            return AttributeStep(self.attribute_name(matched["name"]), matched["name"])
        if matched := self.take(_NAMESPACE):
            return NamespaceStep(matched["prefix"])
        return None

    def node_test(self) -> ChildStep | None:
        if matched := self.take(_NODE_TEST):
            return (TextStep if matched["test"] == "text" else CommentStep)(_number(matched))
        if matched := self.take(_INSTRUCTION):
            return InstructionStep(_quoted(matched), _number(matched))
        return None

    def element(self) -> ElementStep:
        matched = self.take(_ELEMENT)
        if matched is None:
            self.fail()
        predicates = []
        while predicate := self.take(_PREDICATE):
            predicates.append(self.predicate(predicate))
        return ElementStep(None if matched[0] == "*" else self.element_name(matched[0]), tuple(predicates))

    def predicate(self, matched: re.Match[str]) -> Predicate:
        left, value = matched["left"], _quoted(matched) or ""
        if left is None:
            return PositionIs(int(matched["position"]))
        if left == ".":
            return SelfIs(value)
        if left.startswith("@"):
            return AttributeIs(self.attribute_name(left[1:].lstrip()), value)
        return ChildIs(self.element_name(left), value)

    def attribute_name(self, name: str) -> Name:
        """An unprefixed attribute is in no namespace, whatever the default is."""
        return self.element_name(name) if ":" in name else ("", name)

    def element_name(self, name: str) -> Name:
        prefix, _, local = name.rpartition(":")
        namespace = XML_NAMESPACE if prefix == "xml" else self.namespaces.get(prefix)
        if prefix and namespace is None:
            raise InvalidNamespacePrefix(f"the patch does not declare a prefix that is used in {self.attribute}")
        return namespace or "", local


def _quoted(matched: re.Match[str]) -> str | None:
    return matched["quot"] if matched["apos"] is None else matched["apos"]


def _number(matched: re.Match[str]) -> int | None:
    return int(matched["position"]) if matched["position"] else None
