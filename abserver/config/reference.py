"""The manual of the configuration, written from the settings themselves so that neither can drift from the other."""

from __future__ import annotations

import enum
import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abserver.config.settings import DELIMITER, PREFIX, section_models

if TYPE_CHECKING:
    from collections.abc import Iterator
_TOML_HEAD = """\
Every key of abserver with its default value. Copy what you change; the rest may be left out.

Use it with `abserver serve --config FILE`, check it with `abserver check-config --config FILE`. The environment
overrides any key: ABSERVER_SECTION__KEY, lists with commas, such as ABSERVER_SIP__UDP=192.0.2.1:5060,[::1]:5060

Written by `python -m abserver.config`; do not edit here."""

_MARKDOWN_HEAD = """\
<!-- Written by `python -m abserver.config`; do not edit here. -->
# Configuration

`abserver serve` runs without any configuration: on loopback, for the domain `example.com`, with its database in the
current folder. To change a key, write it into a TOML file and start `abserver serve --config FILE`
(or set `ABSERVER_CONFIG=FILE`, which every command reads), or set the environment variable that stands beside it.
The environment wins over the file. In the environment a list is written with commas.

`abserver check-config --config FILE` names every problem at once; an unknown key is a problem, not a surprise later.
[`configs/default.toml`](../configs/default.toml) holds all keys with their defaults.
"""


@dataclass(frozen=True, slots=True)
class Key:
    """One key, as the manual shows it."""

    name: str
    default: str
    """As TOML."""
    description: str
    """One paragraph."""


@dataclass(frozen=True, slots=True)
class Section:
    """One section, as the manual shows it."""

    name: str
    description: str
    keys: tuple[Key, ...]


def sections() -> Iterator[Section]:
    """All sections in the order of the settings."""
    for name, model in section_models().items():
        defaults = model()
        keys = tuple(
            Key(key, _toml(getattr(defaults, key)), _paragraph(info.description or ""))
            for key, info in model.model_fields.items()
        )
        yield Section(name, _paragraph(model.__doc__ or ""), keys)


def default_toml() -> str:
    """The content of `configs/default.toml`."""
    lines = [_comment(_TOML_HEAD)]
    for section in sections():
        lines += ["", "", _comment(_fill(section.description, 117)), f"[{section.name}]"]
        for key in section.keys:
            lines += ["", _comment(_fill(key.description, 117)), f"{key.name} = {key.default}"]
    return "\n".join(lines) + "\n"


def markdown() -> str:
    """The content of `docs/configuration.md`."""
    parts = [_MARKDOWN_HEAD]
    for section in sections():
        parts.append(f"## [{section.name}]\n\n{_fill(section.description)}\n")
        for key in section.keys:
            variable = f"{PREFIX}{section.name}{DELIMITER}{key.name}".upper()
            parts.append(
                f"### `{section.name}.{key.name}`\n\n{_fill(key.description)}\n\n"
                f"Default: `{key.default}`. Environment: `{variable}`.\n"
            )
    return "\n".join(parts)


def _toml(value: object) -> str:
    """A default as TOML; JSON text is TOML text for the kinds that occur."""
    match value:
        case enum.Enum():
            return json.dumps(value.value)
        case bool() | int():
            return json.dumps(value)
        case Mapping():
            return f"{{ {', '.join(f'{key} = {_toml(item)}' for key, item in value.items())} }}"
        case tuple() if not hasattr(value, "_fields"):
            return f"[{', '.join(_toml(item) for item in value)}]"
        case _:
            return json.dumps("" if value is None else str(value), ensure_ascii=False)


def _paragraph(docstring: str) -> str:
    return " ".join(docstring.split())


def _fill(text: str, width: int = 119) -> str:
    return textwrap.fill(text, width, break_on_hyphens=False, break_long_words=False)


def _comment(text: str) -> str:
    return "\n".join(f"# {line}".rstrip() for line in text.splitlines())
