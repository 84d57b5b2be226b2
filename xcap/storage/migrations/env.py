"""What Alembic runs to bring a database to this schema; `xcap.storage.migrate` gives it the connection."""

from __future__ import annotations

from xcap.storage.migrate import run_revisions
from xcap.storage.tables import metadata

run_revisions(metadata)
