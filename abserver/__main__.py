"""`python -m abserver` and the `abserver` command."""

from __future__ import annotations

from abserver.cli import app


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    app()


if __name__ == "__main__":
    main()
