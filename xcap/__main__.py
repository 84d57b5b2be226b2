"""`python -m xcap` and the `xcap` command."""

from __future__ import annotations

from xcap.standalone.cli import app


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    app()


if __name__ == "__main__":
    main()
