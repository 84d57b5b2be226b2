"""A text in the user's own editor, and what becomes of it when it cannot be used: it is not lost."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from abserver.cli.common import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator


class EditedText:
    """What the editor left, in a file that only this user can read."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.content = file.read_bytes()

    def forget(self) -> None:
        """Remove the file."""
        self._file.unlink()

    @contextmanager
    def kept_if_refused(self) -> Iterator[None]:
        """Forget the text if all within goes well; else the error says where it is. Raises CommandError."""
        import httpx

        from xcap.client import Refused

        hint = f"What you wrote is kept in {self._file}"
        try:
            yield
        except Refused as refused:
            changed = refused.status == HTTPStatus.PRECONDITION_FAILED
            said = "somebody else changed the document meanwhile" if changed else f"the server refused it: {refused}"
            raise CommandError(said, hint) from None
        except httpx.HTTPError as error:
            raise CommandError(f"the server gave no answer: {error}", hint) from None
        self.forget()


def edited(content: bytes) -> EditedText:
    """Let the user edit `content` in $VISUAL, else $EDITOR, else vi. Raises CommandError."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    descriptor, name = tempfile.mkstemp(prefix="abserver-", suffix=".xml")
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    try:
        subprocess.run([*shlex.split(editor), name], check=True)  # noqa: S603 - it is the user's own choice
    except (OSError, ValueError, subprocess.CalledProcessError):
        if Path(name).read_bytes() == content:
            Path(name).unlink()
            raise CommandError(f"the editor '{editor}' failed", "Set EDITOR to one that is there") from None
        raise CommandError(f"the editor '{editor}' failed", f"What you wrote is kept in {name}") from None
    return EditedText(Path(name))
