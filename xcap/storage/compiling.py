"""Statements of SQLAlchemy as SQLite's own driver takes them: made once, then run without SQLAlchemy.

What a column's type does with values on their way in and out is done here too, so that both drivers give the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, bindparam, literal_column, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, UpdateBase
    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.types import TypeEngine

Convert = Callable[[Any], Any]
Row = Sequence[Any]

_DIALECT = sqlite.dialect(paramstyle="named")


@dataclass(frozen=True, slots=True)
class Compiled:
    """A statement as the driver takes it."""

    sql: str
    constants: Mapping[str, Any]
    """Parameters that the statement has itself."""
    binders: tuple[tuple[str, Convert], ...]
    """For the parameters that SQLite keeps in another form than Python has: name and conversion."""
    converters: tuple[tuple[int, Convert], ...]
    """For the columns of its rows, likewise: place and conversion."""

    def bound(self, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """The parameters as the driver takes them."""
        if not self.binders and not self.constants:
            return parameters
        bound = {**self.constants, **parameters}
        for name, convert in self.binders:
            bound[name] = convert(bound[name])
        return bound

    def converted(self, rows: Sequence[Row]) -> Sequence[Row]:
        """The rows as Python has them."""
        if not self.converters:
            return rows
        changed = [list(row) for row in rows]
        for row in changed:
            for place, convert in self.converters:
                row[place] = convert(row[place])
        return changed


@lru_cache(maxsize=256)
def compiled(statement: Select[Any] | UpdateBase) -> Compiled:
    """For statements that live as long as the program: each is compiled once."""
    made = statement.compile(dialect=_DIALECT)
    binders = ((name, _implementation(bind.type).bind_processor(_DIALECT)) for bind, name in made.bind_names.items())
    columns = statement.selected_columns if isinstance(statement, Select) else ()
    converters = (_implementation(column.type).result_processor(_DIALECT, None) for column in columns)
    return Compiled(
        str(made),
        {name: bind.value for bind, name in made.bind_names.items() if not bind.required},
        tuple((name, convert) for name, convert in binders if convert is not None),
        tuple((place, convert) for place, convert in enumerate(converters) if convert is not None),
    )


def _implementation(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    return kind.dialect_impl(_DIALECT)


def among(column: ColumnElement[str], parameter: str) -> ColumnElement[bool]:
    """That a column has one of the texts in this parameter, which is a JSON array.

    One parameter whatever their number: so the statement is always the same, and no limit on parameters counts.
    """
    return column.in_(select(literal_column("value")).select_from(_Texts(bindparam(parameter))))


class _Texts(FunctionElement[str]):
    """The texts in a JSON array, as rows of one column, `value`."""

    inherit_cache = True


@compiles(_Texts, "sqlite")
def _in_sqlite(element: _Texts, compiler: SQLCompiler, **how: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **how)})"


@compiles(_Texts, "postgresql")
def _in_postgres(element: _Texts, compiler: SQLCompiler, **how: Any) -> str:
    return f"json_array_elements_text(CAST({compiler.process(element.clauses, **how)} AS json))"
