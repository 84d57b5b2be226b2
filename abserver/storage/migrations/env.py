"""What Alembic runs to bring a database to this schema; `xcap.storage.migrate` gives it the connection."""

from __future__ import annotations

from abserver.storage.tables import metadata
from xcap.storage.migrate import run_revisions

run_revisions(metadata)
