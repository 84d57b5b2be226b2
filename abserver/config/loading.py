"""Reading the configuration: one TOML file under the environment, every problem found at once, each with its place."""

from __future__ import annotations

import difflib
import os
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from abserver.config.settings import DELIMITER, PREFIX, Settings, section_models

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the configuration."""

    source: str
    """The file, or `environment ABSERVER_SECTION__KEY`."""
    key: str
    """`section.key`, `section`, or empty when the file as a whole is at fault."""
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.source, self.key, self.message) if part)


class ConfigError(Exception):
    """The configuration cannot be used; `problems` holds all that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def load(file: Path | None) -> Settings:
    """The settings from `file` (None: the defaults) under the environment. Raises ConfigError with every problem."""
    name = str(file) if file else "defaults"
    strangers = _unknown_variables(os.environ)
    try:
        settings = Settings(**_read(file))
    except ValidationError as error:
        raise ConfigError([*(_problem(detail, name) for detail in error.errors()), *strangers]) from None
    if strangers:
        raise ConfigError(strangers)
    return settings


def _read(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([Problem(str(file), "", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(file), "", f"is not UTF-8 text (byte {error.start})")]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([Problem(str(file), "", f"is not TOML: {error}")]) from None


def _problem(detail: ErrorDetails, file: str) -> Problem:
    path = [str(step) for step in detail["loc"]]
    return Problem(_source(path, file), ".".join(path[:2]), _message(detail, path))


def _source(path: list[str], file: str) -> str:
    """The variable that set this key, if one did: the environment stands above the file."""
    variables = {name.upper(): name for name in os.environ}
    for depth in (2, 1):
        if variable := variables.get(PREFIX + DELIMITER.join(path[:depth]).upper()):
            return f"environment {variable}"
    return file


def _message(detail: ErrorDetails, path: list[str]) -> str:
    match detail["type"]:
        case "extra_forbidden":
            return _unknown(path[-1], _keys_of(path[:-1]))
        case "value_error":
            return str(detail["ctx"]["error"])
        case "model_type" | "model_attributes_type":
            keys = ", ".join(_keys_of(path))
            return f"is a section, not a value; set one of its keys: {keys}"
        case "tuple_type":
            return f"must be a list, not {detail['input']!r}"
        case _:
            return f"{detail['msg'][:1].lower()}{detail['msg'][1:]}, not {detail['input']!r}"


def _unknown(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name.lower(), known, n=1)
    return f"unknown; did you mean '{close[0]}'?" if close else f"unknown; known here: {', '.join(known)}"


def _keys_of(path: list[str]) -> list[str]:
    """The sections, or the keys of one section."""
    if not path:
        return list(Settings.model_fields)
    return list(section_models()[path[0]].model_fields)


def _unknown_variables(environ: Mapping[str, str]) -> list[Problem]:
    """Variables that are meant for us but name no section.

    Only names with the delimiter count: container platforms set ABSERVER_PORT and the like for a service of our name.
    """
    problems = []
    for variable in sorted(environ):
        prefixed = variable.upper().startswith(PREFIX)
        section, delimiter, _ = variable[len(PREFIX) :].lower().partition(DELIMITER)
        if prefixed and delimiter and section not in Settings.model_fields:
            problems.append(Problem(f"environment {variable}", section, _unknown(section, Settings.model_fields)))
    return problems
