"""`python -m tests.bench`: the table. Takes a few minutes."""

from __future__ import annotations

import itertools
import platform
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from tests.bench import fanout, floor, pure, xcap_load
from tests.bench.measuring import ROUNDS, Row

if TYPE_CHECKING:
    from collections.abc import Iterator


def rows() -> Iterator[Row]:
    """All rows, in the order of their layers."""
    pairs = floor.pairs_per_second()
    octets = f"{floor.NOTIFY_OCTETS} octets out, {floor.ANSWER_OCTETS} back, plain CPython sockets"
    yield Row("floor: datagram pairs", pairs, "/s", octets)
    yield from itertools.chain(pure.rows(), fanout.rows(pairs), xcap_load.rows())


def main() -> None:
    """Measure and print; a line as soon as it is known, and the table at the end."""
    console = Console(width=130)
    title = f"abserver bench, CPython {platform.python_version()}; medians of {ROUNDS} rounds, durable SQLite, loopback"
    table = Table("what", "value", "unit", "remark", title=title)
    for row in rows():
        value = f"{row.value:,.1f}" if row.value < 1000 else f"{row.value:,.0f}"
        console.print(f"[dim]{row.what}: {value} {row.unit}[/dim]")
        table.add_row(row.what, value, row.unit, row.remark)
    console.print(table)


if __name__ == "__main__":
    main()
