"""Configuration: what an operator may set, with defaults under which the server runs on loopback as it is.

`Settings` is one frozen value, built once by `load` and passed down by `app`; rooms below take the plain values they
need, never Settings. A key is written in the TOML file, or overridden by the environment as `ABSERVER_SECTION__KEY`.
`python -m abserver.config` writes `configs/default.toml` and `docs/configuration.md` from the docstrings of the fields.
"""

from __future__ import annotations

from abserver.config.loading import ConfigError, Problem, load
from abserver.config.settings import Settings

__all__ = ["ConfigError", "Problem", "Settings", "load"]
