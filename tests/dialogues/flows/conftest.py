"""Failed assertions of the stage tell what was there, as those of tests do."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(*(f"tests.dialogues.flows.{name}" for name in ("expecting", "house", "person", "phone")))
