"""A real server under seeded attacks: it stays well, its log tells of no fault, and its memory does not grow."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.fuzz import live
from tests.fuzz.attacks import ATTACKS, attack
from tests.fuzz.lasting import GROWTH, lasting
from tests.fuzz.live import Target, Unwell

if TYPE_CHECKING:
    from pathlib import Path


def test_a_server_under_attack_stays_well_tells_of_no_fault_and_keeps_its_size(tmp_path: Path) -> None:
    figures = lasting(tmp_path, 3.0, seed=4475, warm_up=3.0, patient=False)
    assert figures.faults == ()
    assert figures.exit_code == 0
    assert figures.attacks >= len(ATTACKS)
    assert figures.growth < GROWTH


def test_a_server_that_is_gone_or_deaf_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PATIENCE", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = deaf.getsockname()
        with Target(address, address) as target:
            for number in range(len(ATTACKS)):
                with pytest.raises(Unwell):
                    attack(target, number, number)
    with Target(address, address) as target, pytest.raises(Unwell, match="seed 3"):
        attack(target, 0, 3)
