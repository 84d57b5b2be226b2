"""Alembic's folder for the tables of relations, update lists, subscriptions and views."""
