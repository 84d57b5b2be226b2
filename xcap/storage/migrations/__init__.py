"""Alembic's folder for the document server's tables."""
