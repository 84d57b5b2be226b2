"""Log lines: time, level, what happened, then the facts as key=value. Ids and etags, never the content of a document.

A value that is not plain is written as a JSON string, so whatever a peer sends stays within its fact and its line.
"""

from __future__ import annotations

import json
import logging

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LIBRARIES = ("alembic", "sqlalchemy", "asyncpg", "uvicorn", "asyncio", "httpx")


class FactsFormatter(logging.Formatter):
    """Appends what was passed as `extra`, quoted where a value has blanks or quotes in it."""

    def format(self, record: logging.LogRecord) -> str:
        facts = [f"{name}={_value(value)}" for name, value in vars(record).items() if name not in _STANDARD]
        line, newline, trace = super().format(record).partition("\n")
        return " ".join([line, *facts]) + newline + trace


def _value(value: object) -> str:
    text = str(value)
    plain = text.isprintable() and not any(each in text for each in ' "=')
    return text if plain and text else json.dumps(text)


def configure(level: str, *, access: bool = True) -> None:
    """Write records of `level` (debug, info, warning or error) and above to standard error.

    access: with the lines of the access log.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(FactsFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
    logging.getLogger("xcap.http.access").setLevel(logging.NOTSET if access else logging.WARNING)
