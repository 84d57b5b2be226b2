"""Expressions that select elements and attributes: the subset of XPath 1.0 that RFC 4661 §5 has.

The grammar is the one that the ABNF there means, as its examples and those of RFC 4660 show: a path of names and `*`
from the root, each after `/` or `//`, an attribute at its end or none; behind a name, one expression in brackets that
compares elements below, an attribute, `.` or `..` with a literal or a number, joined by `and` and `or`. White space
may stand between all of these. Positions, functions, axes and nesting are not in it.

Law: `parse(path.text(prefixes), bindings) == path`, where prefixes and bindings are each other's inverse.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from abserver.domain.trees import split
from abserver.events.filters.errors import BadFilter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_START = (
    r"A-Z_a-z\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u02FF\u0370-\u037D\u037F-\u1FFF\u200C\u200D\u2070-\u218F"
    r"\u2C00-\u2FEF\u3001-\uD7FF\uF900-\uFDCF\uFDF0-\uFFFD\U00010000-\U000EFFFF"
)
_NAME = rf"[{_START}][{_START}\-.0-9\u00B7\u0300-\u036F\u203F\u2040]*"  # NCName
_TOKEN = re.compile(
    rf"""[ \t\r\n]*(?:
        (?P<literal>"[^"]*"|'[^']*')
      | (?P<number>-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))
      | (?P<name>{_NAME}(?::{_NAME})?)
      | (?P<mark>//|/|\.\.|[.@*\[\]=<>])
      | (?P<end>$)
    )""",
    re.VERBOSE,
)
NCNAME = re.compile(_NAME)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One condition: true if any of the nodes that `steps` leads to compares so."""

    steps: tuple[Step, ...]
    """From the node that the condition is about; none for `.`."""
    operator: str
    """`=`, `<` or `>`."""
    value: str
    is_number: bool
    """Whether the value was written as a number: then `=` compares numbers, not texts."""
    up: bool = False
    """`..`: from the parent, and nowhere else."""


Condition = tuple[tuple[Comparison, ...], ...]
"""Alternatives, each of comparisons that all must hold; none at all holds always."""


@dataclass(frozen=True, slots=True)
class Step:
    """One location step."""

    name: str | None
    """Expanded, `{namespace}local`; None for `*`."""
    deep: bool = False
    """After `//`: at any depth below."""
    is_attribute: bool = False
    condition: Condition = ()


@dataclass(frozen=True, slots=True)
class Path:
    """What a selection or reference selects, from the document's root."""

    steps: tuple[Step, ...]

    @property
    def weight(self) -> int:
        """Steps and comparisons: what an evaluation costs for each node that it meets."""
        return len(list(self._all_steps())) + len(list(self._comparisons()))

    @property
    def is_reference(self) -> bool:
        """Whether there are no conditions."""
        return not any(step.condition for step in self.steps)

    def namespaces(self) -> set[str]:
        """Those of all names."""
        names = {step.name for step in self._all_steps() if step.name is not None}
        return {namespace for name in names if (namespace := split(name)[0])}

    def _comparisons(self) -> Iterator[Comparison]:
        return (each for step in self.steps for alternative in step.condition for each in alternative)

    def _all_steps(self) -> Iterator[Step]:
        yield from self.steps
        for comparison in self._comparisons():
            yield from comparison.steps

    def text(self, prefixes: Mapping[str, str]) -> str:
        """The expression. prefixes: by namespace, for all of `namespaces`."""
        return _steps(self.steps, prefixes)


def _steps(steps: tuple[Step, ...], prefixes: Mapping[str, str]) -> str:
    return "".join([("//" if step.deep else "/") + _step(step, prefixes) for step in steps])


def _step(step: Step, prefixes: Mapping[str, str]) -> str:
    mark = "@" if step.is_attribute else ""
    if not step.condition:
        return mark + _qname(step.name, prefixes)
    written = " or ".join(" and ".join(_comparison(each, prefixes) for each in some) for some in step.condition)
    return f"{mark}{_qname(step.name, prefixes)}[{written}]"


def _comparison(comparison: Comparison, prefixes: Mapping[str, str]) -> str:
    place = _steps(comparison.steps, prefixes).removeprefix("/") or ("." if not comparison.up else "..")
    value = comparison.value
    if not comparison.is_number:
        value = f"'{value}'" if '"' in value else f'"{value}"'
    return f"{place}{comparison.operator}{value}"


def _qname(name: str | None, prefixes: Mapping[str, str]) -> str:
    if name is None:
        return "*"
    namespace, local = split(name)
    return f"{prefixes[namespace]}:{local}" if namespace else local


def parse(text: str, bindings: Mapping[str, str]) -> Path:
    """Read a selection. bindings: namespaces by prefix; a name without prefix has none. Raises BadFilter."""
    return _Parser(text, bindings).path()


class _Parser:
    """Reads from left to right, with one token in view."""

    def __init__(self, text: str, bindings: Mapping[str, str]) -> None:
        self._text = text
        self._bindings = bindings
        self._place = 0
        self._kind: str | None = None
        self._token = ""
        self._next()

    def path(self) -> Path:
        steps = [self._outer_step()]
        while self._kind != "end" and not steps[-1].is_attribute:
            steps.append(self._outer_step())
        if self._kind != "end":
            raise self._error()
        return Path(tuple(steps))

    def _outer_step(self) -> Step:
        step = self._step(deep=self._separator())
        if not self._take("["):
            return step
        condition = self._condition()
        self._expect("]")
        return replace(step, condition=condition)

    def _separator(self) -> bool:
        """Whether the step after this separator is deep."""
        if self._take("//"):
            return True
        self._expect("/")
        return False

    def _step(self, *, deep: bool) -> Step:
        if self._take("@"):
            return Step(self._name(is_attribute=True), deep, is_attribute=True)
        if self._take("*"):
            return Step(None, deep)
        return Step(self._name(), deep)

    def _name(self, *, is_attribute: bool = False) -> str:
        if self._kind != "name":
            raise self._error()
        prefix, colon, local = self._token.rpartition(":")
        if colon and prefix not in self._bindings:
            raise BadFilter("an expression uses a prefix without ns-binding")
        self._next()
        return f"{{{self._bindings[prefix]}}}{local}" if colon else local

    def _condition(self) -> Condition:
        alternatives = [[self._comparison()]]
        while self._kind == "name" and (operator := self._token) in ("and", "or"):
            if operator == "or":
                alternatives.append([])
            self._next()
            alternatives[-1].append(self._comparison())
        return tuple(map(tuple, alternatives))

    def _comparison(self) -> Comparison:
        up = self._take("..")
        steps = () if up or self._take(".") else self._inner_steps()
        operator = self._token
        if self._kind != "mark" or operator not in ("=", "<", ">"):
            raise self._error()
        self._next()
        kind, value = self._kind, self._token
        if kind not in ("literal", "number"):
            raise self._error()
        self._next()
        return Comparison(steps, operator, value[1:-1] if kind == "literal" else value, kind == "number", up)

    def _inner_steps(self) -> tuple[Step, ...]:
        steps = [self._step(deep=False)]
        while not steps[-1].is_attribute and self._token in ("/", "//") and self._kind == "mark":
            steps.append(self._step(deep=self._separator()))
        return tuple(steps)

    # -- tokens -----------------------------------------------------------------------------------------------------

    def _next(self) -> None:
        found = _TOKEN.match(self._text, self._place)
        if found is None:
            raise self._error()
        self._place = found.end()
        self._kind = found.lastgroup
        self._token = found[self._kind or 0]

    def _take(self, mark: str) -> bool:
        if self._kind != "mark" or self._token != mark:
            return False
        self._next()
        return True

    def _expect(self, mark: str) -> None:
        if not self._take(mark):
            raise self._error()

    def _error(self) -> BadFilter:
        return BadFilter(f"an expression is not of the grammar of RFC 4661 section 5, at character {self._place}")
