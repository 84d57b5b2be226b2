"""`make soak` in twenty seconds: churn at a real server that is killed, and nothing is left over, lost or leaked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.soak.churn import Churn

if TYPE_CHECKING:
    from pathlib import Path


async def test_churn_leaves_every_device_with_its_own_and_nothing_behind(tmp_path: Path) -> None:
    figures = await Churn(tmp_path, 10.0, seed=4, expires=10, patient=False).run()
    assert figures.wrong == []
    assert figures.kills > 0
