"""`python -m tests.bench`: the table. Takes a few minutes; with the names of parts only their rows.

`scale` has the rows that take minutes each, with up to 100,000 subscriptions, and `overload` asks for more than can be
done, so they run only when they are named.
"""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from tests.bench import connected, fanout, floor, journal, overloading, pure, scale, sip_layers, subscribing, xcap_load
from tests.bench.measuring import ROUNDS, Row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


QUICK = ("pure", "sip", "journal", "subscribe", "fanout", "connected", "xcap")
PARTS = (*QUICK, "overload", "scale")


def rows(parts: Collection[str]) -> Iterator[Row]:
    """The rows of these parts, in the order of their layers, after the floor."""
    base = floor.measured()
    octets = f"{floor.NOTIFY_OCTETS} octets out, {floor.ANSWER_OCTETS} back, plain CPython sockets"
    yield Row("floor: datagram pairs", base.rate, "/s", f"{base.cpu:.1f} µs of CPU at one end; {octets}")
    if "pure" in parts:
        yield from pure.rows()
    if "sip" in parts:
        yield from sip_layers.rows()
    if "journal" in parts:
        yield from journal.rows()
    if "subscribe" in parts:
        yield from subscribing.rows()
    if "fanout" in parts:
        yield from fanout.rows(base)
    if "connected" in parts:
        yield from connected.rows(base)
    if "xcap" in parts:
        yield from xcap_load.rows()
    if "overload" in parts:
        yield from overloading.rows()
    if "scale" in parts:
        yield from scale.rows(base)


def main() -> None:
    """Measure and print; a line as soon as it is known, and the table at the end."""
    parts = sys.argv[1:] or QUICK
    if unknown := set(parts).difference(PARTS):
        sys.exit(f"no rows are called {', '.join(sorted(unknown))}; known are {', '.join(PARTS)}")
    console = Console(width=150)
    title = f"abserver bench, CPython {platform.python_version()}; medians of {ROUNDS} rounds, durable SQLite, loopback"
    table = Table("what", "value", "unit", "remark", title=title)
    for row in rows(parts):
        value = f"{row.value:,.1f}" if row.value < 1000 else f"{row.value:,.0f}"
        console.print(f"[dim]{row.what}: {value} {row.unit}[/dim]")
        table.add_row(row.what, value, row.unit, row.remark)
    console.print(table)


if __name__ == "__main__":
    main()
