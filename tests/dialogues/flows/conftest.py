"""Failed assertions of the stage tell what was there, as those of tests do."""

from __future__ import annotations

import pytest

for module in ("expecting", "flow", "house", "person", "phone"):
    pytest.register_assert_rewrite(f"tests.dialogues.flows.{module}")
