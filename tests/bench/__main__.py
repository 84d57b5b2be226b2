"""`python -m tests.bench`: the table. Takes a few minutes; with the names of parts only their rows."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from tests.bench import fanout, floor, journal, pure, sip_layers, xcap_load
from tests.bench.measuring import ROUNDS, Row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


PARTS = ("pure", "sip", "journal", "fanout", "xcap")


def rows(parts: Collection[str]) -> Iterator[Row]:
    """The rows of these parts, in the order of their layers, after the floor."""
    pairs = floor.pairs_per_second()
    octets = f"{floor.NOTIFY_OCTETS} octets out, {floor.ANSWER_OCTETS} back, plain CPython sockets"
    yield Row("floor: datagram pairs", pairs, "/s", octets)
    if "pure" in parts:
        yield from pure.rows()
    if "sip" in parts:
        yield from sip_layers.rows()
    if "journal" in parts:
        yield from journal.rows()
    if "fanout" in parts:
        yield from fanout.rows(pairs)
    if "xcap" in parts:
        yield from xcap_load.rows()


def main() -> None:
    """Measure and print; a line as soon as it is known, and the table at the end."""
    parts = sys.argv[1:] or PARTS
    if unknown := set(parts).difference(PARTS):
        sys.exit(f"no rows are called {', '.join(sorted(unknown))}; known are {', '.join(PARTS)}")
    console = Console(width=130)
    title = f"abserver bench, CPython {platform.python_version()}; medians of {ROUNDS} rounds, durable SQLite, loopback"
    table = Table("what", "value", "unit", "remark", title=title)
    for row in rows(parts):
        value = f"{row.value:,.1f}" if row.value < 1000 else f"{row.value:,.0f}"
        console.print(f"[dim]{row.what}: {value} {row.unit}[/dim]")
        table.add_row(row.what, value, row.unit, row.remark)
    console.print(table)


if __name__ == "__main__":
    main()
