"""All attacks in one row."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.fuzz import live, live_websocket
from tests.fuzz.live import Target, Unwell

Attack = Callable[[Target, random.Random], None]

ATTACKS: tuple[Attack, ...] = (
    live.mutated_datagrams,
    live.random_datagrams,
    live.large_datagrams,
    live.byte_by_byte,
    live.cut_at_every_byte,
    live.ended_at_every_byte,
    live.pipelined,
    live.keep_alives,
    live.lengths_that_lie,
    live.mutated_streams,
    live.large_heads,
    live.torture_in_a_row,
    live.half_open,
    live.who_reads_nothing,
    live.many_connections,
    live_websocket.mutated_messages,
    live_websocket.cut_at_every_byte,
    live_websocket.pieces_and_pings,
    live_websocket.hostile_frames,
    live_websocket.broken_handshakes,
    live_websocket.large_messages,
)


def attack(target: Target, number: int, seed: int) -> str:
    """One attack, by its number, and the question whether the server is well; its name. Raises Unwell."""
    chosen = ATTACKS[number % len(ATTACKS)]
    try:
        chosen(target, random.Random(seed))
        target.check()
    except (OSError, Unwell) as error:
        raise Unwell(f"{chosen.__name__} of {chosen.__module__}, seed {seed}: {error!r}") from error
    return chosen.__name__
