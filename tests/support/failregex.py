"""The filter that is shipped for fail2ban, as regular expressions: for tests that have no fail2ban."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "configs" / "fail2ban"
FILTER = FOLDER / "filter.d" / "abserver.conf"
JAIL = FOLDER / "jail.d" / "abserver.conf"


def banned_by(line: str) -> str | None:
    """The host that the filter finds in a line without its time, as fail2ban looks at it."""
    found = [matched["host"] for each in _failregex() if (matched := each.search(line))]
    return found[0] if found else None


def _failregex() -> list[re.Pattern[str]]:
    parser = configparser.ConfigParser()
    parser.read_string(FILTER.read_text(encoding="utf-8"))
    host = r"(?P<host>[\w.:]+)"
    return [re.compile(each.replace("<HOST>", host)) for each in parser["Definition"]["failregex"].splitlines()]
