"""What all sections of the configuration have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationInfo

if TYPE_CHECKING:
    from pathlib import Path


class Section(BaseModel):
    """A section: what is in it does not change, and nothing else is in it."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True)


def not_shorter(value: int, info: ValidationInfo) -> int:
    """A duration that is none of the shorter ones before it. Raises ValueError."""
    for shorter in ("min_expires", "default_expires"):
        if (bound := info.data.get(shorter)) is not None and value < bound:
            raise ValueError(f"{value} is shorter than {shorter}, which is {bound}")
    return value


def of_certificate(file: Path | None, info: ValidationInfo) -> Path | None:
    """A file that is of no use without a certificate."""
    if file is not None and info.data.get("tls_certificate") is None:
        what = "a key" if info.field_name == "tls_key" else "a file of authorities"
        raise ValueError(f"there is {what} and no certificate; set tls_certificate too")
    return file
