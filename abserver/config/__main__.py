"""`python -m abserver.config`: write `configs/default.toml` and `docs/configuration.md` into the current folder."""

from __future__ import annotations

from pathlib import Path

from abserver.config.reference import default_toml, markdown


def main() -> None:
    for name, content in (("configs/default.toml", default_toml()), ("docs/configuration.md", markdown())):
        Path(name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
