"""What the server keeps, and what it writes about itself."""

from __future__ import annotations

import enum
from typing import Annotated

from pydantic import Field

from abserver.config.sections.section import Section
from abserver.config.values import (
    StorageUrl,
)


class StorageSettings(Section):
    """Where documents, users, relations and update lists are kept."""

    url: StorageUrl = "sqlite:///abserver.db"
    """Database address `sqlite:///FILE`. The file is made if it is missing; a relative path counts from the folder in
    which the command is started, an absolute one has four slashes: `sqlite:////var/lib/abserver/abserver.db`."""

    user_documents: Annotated[int, Field(ge=1)] = 200
    """Documents that one user may have, in all usages together; one more is answered 507."""

    user_octets: Annotated[int, Field(ge=1)] = 16 * 1024 * 1024
    """Bytes in all documents of one user together; more is answered 507."""

    versions: Annotated[int, Field(ge=0)] = 20
    """Former versions that are kept of each document, to tell differences from them. At most a megabyte of each."""


class LogLevel(enum.Enum):
    """The least severe record that is still written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogSettings(Section):
    """What the server writes to standard error. Identifiers and etags, never the content of a card."""

    level: LogLevel = LogLevel.INFO
    """Least severe record to write: `debug`, `info`, `warning` or `error`."""

    access: bool = True
    """Whether each HTTP request leaves a line: who asked for which document and node, status and microseconds. These
    lines have the level `info`."""
