"""Hostile bytes, seeded: for the codec (`python -m tests.fuzz.codec`, by atheris where it is) and for a real server."""
