"""The sections of the configuration: each key with its type, its default, and what it is for.

A docstring under a field is its description in `docs/configuration.md` and `configs/default.toml`: unit included, one
paragraph.
"""
